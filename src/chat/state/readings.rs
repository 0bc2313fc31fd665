//! What accounts have read, and what is for them.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::chat::ids::{RoomId, UserId};
use crate::store::CALLS_MAX;

/// So many unread messages at most are known to be for one account in one room: the newest.
pub const MENTIONS_MAX: usize = 1000;

/// In rooms of so many members at most, people want to be told of everything, unless they say
/// otherwise.
const ALL_MEMBERS_MAX: u32 = 5;

/// Of what somebody wants to be told in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    All,
    /// What is for them.
    Mentions,
    None,
    /// As `None`; and the room is not shown among others while nothing in it is for them.
    Hidden,
}

impl Level {
    const ALL: [Level; 4] = [Level::All, Level::Mentions, Level::None, Level::Hidden];

    pub fn number(self) -> u8 {
        match self {
            Level::All => 0,
            Level::Mentions => 1,
            Level::None => 2,
            Level::Hidden => 3,
        }
    }

    pub fn of_number(number: u8) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.number() == number)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Level::All => "all",
            Level::Mentions => "mentions",
            Level::None => "none",
            Level::Hidden => "hidden",
        }
    }

    pub fn parse(typed: &str) -> Option<Level> {
        Level::ALL.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(typed))
    }

    /// What holds in a room of so many members for those who have not said anything.
    pub fn usual(members: u32) -> Level {
        if members <= ALL_MEMBERS_MAX { Level::All } else { Level::Mentions }
    }
}

/// What an account has read of a room. There is one for each of its rooms: it should stay small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    room: RoomId,
    /// The id of the last message that was read.
    pub read: u64,
    /// What was said about it.
    pub level: Option<Level>,
}

/// Who a message is for, besides those who hear it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mentioned {
    /// These accounts.
    Users(Box<[UserId]>),
    /// All who are in the room.
    All,
}

/// By account and room: where messages are read has an id, whatever it is called.
///
/// Invariant: the readings of an account ascend by room; only accounts that have some are in
/// `by_user`. `mentions` are unread, those and `calls` ascend, and there is never an empty list.
#[derive(Debug, Default, PartialEq)]
pub struct Readings {
    by_user: HashMap<UserId, Vec<Reading>>,
    mentions: BTreeMap<(UserId, RoomId), Vec<u64>>,
    calls: BTreeMap<RoomId, Vec<Call>>,
}

/// What was for everybody in a room but for who has said it, if that is an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Call {
    id: u64,
    by: Option<UserId>,
}

impl Readings {
    pub fn get(&self, user: UserId, room: RoomId) -> Option<&Reading> {
        let of_user = self.by_user.get(&user)?;
        of_user.get(place(of_user, room).ok()?)
    }

    /// The rooms in which an account reads, and what it has read there.
    pub fn of(&self, user: UserId) -> impl Iterator<Item = (RoomId, &Reading)> {
        let of_user = self.by_user.get(&user).map_or(&[][..], Vec::as_slice);
        of_user.iter().map(|reading| (reading.room, reading))
    }

    /// How many of the messages after this one are for this account. `is_ignored`: what this other
    /// account says to everybody is not.
    pub fn mentions_after(
        &self,
        user: UserId,
        room: RoomId,
        id: u64,
        is_ignored: impl Fn(UserId) -> bool,
    ) -> usize {
        let own = self.mentions.get(&(user, room)).map_or(&[][..], Vec::as_slice);
        let own = own.len() - own.partition_point(|&other| other <= id);
        let calls = self.calls.get(&room).map_or(&[][..], Vec::as_slice);
        let calls = &calls[calls.partition_point(|call| call.id <= id)..];
        // There are hardly ever many of them.
        let is_for_it = |call: &&Call| call.by.is_none_or(|by| by != user && !is_ignored(by));
        let calls = calls.iter().filter(is_for_it).count();
        (own + calls).min(MENTIONS_MAX)
    }

    // ---- Changes ----

    /// An account reads in a room from now on, and has read all up to this message.
    pub(super) fn begin(&mut self, user: UserId, room: RoomId, read: u64) {
        let of_user = self.by_user.entry(user).or_default();
        if let Err(at) = place(of_user, room) {
            of_user.reserve_exact(1);
            of_user.insert(at, Reading { room, read, level: None });
        }
    }

    pub(super) fn end(&mut self, user: UserId, room: RoomId) {
        let Some(of_user) = self.by_user.get_mut(&user) else { return };
        if let Ok(at) = place(of_user, room) {
            of_user.remove(at);
        }
        if of_user.is_empty() {
            self.by_user.remove(&user);
        }
        self.mentions.remove(&(user, room));
    }

    /// An account is no more.
    pub(super) fn end_all(&mut self, user: UserId) {
        for reading in self.by_user.remove(&user).unwrap_or_default() {
            self.mentions.remove(&(user, reading.room));
        }
    }

    /// A room is no more.
    pub(super) fn close_room(&mut self, room: RoomId) {
        self.calls.remove(&room);
    }

    /// An account has read all up to this message, if it had not before.
    pub(super) fn advance(&mut self, user: UserId, room: RoomId, id: u64) {
        match self.get_mut(user, room) {
            Some(reading) if reading.read < id => reading.read = id,
            _ => return,
        }
        if let Some(ids) = self.mentions.get_mut(&(user, room)) {
            ids.drain(..ids.partition_point(|&other| other <= id));
            if ids.is_empty() {
                self.mentions.remove(&(user, room));
            }
        }
    }

    /// An account has read nothing after this message; these are for it, up to where it had read.
    pub(super) fn go_back(&mut self, user: UserId, room: RoomId, id: u64, mentions: &[u64]) {
        let Some(reading) = self.get_mut(user, room) else { return };
        reading.read = id;
        let later = self.mentions.remove(&(user, room)).unwrap_or_default();
        for &id in mentions.iter().chain(&later) {
            self.mention(user, room, id);
        }
    }

    pub(super) fn set_level(&mut self, user: UserId, room: RoomId, level: Option<Level>) {
        if let Some(reading) = self.get_mut(user, room) {
            reading.level = level;
        }
    }

    /// A message is for somebody, and not only heard. `by`: the account that has said it.
    pub(super) fn note(
        &mut self,
        room: RoomId,
        id: u64,
        by: Option<UserId>,
        mentioned: &Mentioned,
    ) {
        match mentioned {
            Mentioned::All => {
                let calls = self.calls.entry(room).or_default();
                push(calls, Call { id, by }, CALLS_MAX, |call| call.id);
            }
            Mentioned::Users(users) => {
                users.iter().for_each(|&user| self.mention(user, room, id));
            }
        }
    }

    /// A message is for nobody any more. `readers`: those who read in its room.
    pub(super) fn forget(&mut self, room: RoomId, id: u64, readers: &[UserId]) {
        remove(&mut self.calls, room, id, |call| call.id);
        for &user in readers {
            remove(&mut self.mentions, (user, room), id, |&id| id);
        }
    }

    fn mention(&mut self, user: UserId, room: RoomId, id: u64) {
        if self.get(user, room).is_some_and(|reading| reading.read < id) {
            push(self.mentions.entry((user, room)).or_default(), id, MENTIONS_MAX, |&id| id);
        }
    }

    fn get_mut(&mut self, user: UserId, room: RoomId) -> Option<&mut Reading> {
        let of_user = self.by_user.get_mut(&user)?;
        let at = place(of_user, room).ok()?;
        of_user.get_mut(at)
    }
}

fn place(of_user: &[Reading], room: RoomId) -> Result<usize, usize> {
    of_user.binary_search_by_key(&room, |reading| reading.room)
}

/// Takes what has an id out of a list, and the list with its last one.
fn remove<K: Ord, T>(lists: &mut BTreeMap<K, Vec<T>>, key: K, id: u64, id_of: impl Fn(&T) -> u64) {
    let Some(all) = lists.get_mut(&key) else { return };
    if let Ok(at) = all.binary_search_by_key(&id, id_of) {
        all.remove(at);
    }
    if all.is_empty() {
        lists.remove(&key);
    }
}

/// Adds what comes after all of these; the oldest makes place.
fn push<T>(all: &mut Vec<T>, one: T, count_max: usize, id: impl Fn(&T) -> u64) {
    if all.last().is_some_and(|last| id(last) >= id(&one)) {
        return;
    }
    if all.len() == count_max {
        all.remove(0);
    }
    all.push(one);
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: UserId = UserId::FIRST;
    const ROOM: RoomId = RoomId::FIRST;

    fn count(readings: &Readings) -> usize {
        readings.mentions_after(
            USER,
            ROOM,
            readings.get(USER, ROOM).expect("it reads").read,
            |_| false,
        )
    }

    #[test]
    fn a_reading_stays_small() {
        assert_eq!(size_of::<Reading>(), 24);
    }

    #[test]
    fn what_was_read_is_for_nobody_any_more() {
        let mut readings = Readings::default();
        let users = || Mentioned::Users([USER].into());
        readings.note(ROOM, 3, None, &users());
        assert_eq!(readings, Readings::default(), "it reads nothing there");
        readings.begin(USER, ROOM, 3);
        readings.note(ROOM, 3, None, &users());
        assert_eq!(count(&readings), 0, "it has read that");
        readings.note(ROOM, 5, None, &users());
        readings.note(ROOM, 7, None, &Mentioned::All);
        readings.note(ROOM, 8, None, &users());
        readings.note(ROOM, 8, None, &users());
        assert_eq!(count(&readings), 3);
        readings.advance(USER, ROOM, 5);
        readings.advance(USER, ROOM, 4);
        assert_eq!(count(&readings), 2);
        readings.advance(USER, ROOM, 9);
        assert_eq!(count(&readings), 0);
        assert!(readings.mentions.is_empty());
        readings.go_back(USER, ROOM, 6, &[8]);
        assert_eq!(count(&readings), 2, "what was for everybody is known");
        readings.note(ROOM, 9, Some(USER), &Mentioned::All);
        readings.note(ROOM, 10, Some(USER.next()), &Mentioned::All);
        assert_eq!(count(&readings), 3, "what one says oneself is for others");
        readings.end(USER, ROOM);
        readings.close_room(ROOM);
        assert_eq!(readings, Readings::default(), "nothing is left");
    }

    #[test]
    fn what_was_deleted_is_for_nobody_any_more() {
        let mut readings = Readings::default();
        readings.begin(USER, ROOM, 0);
        readings.note(ROOM, 1, None, &Mentioned::Users([USER].into()));
        readings.note(ROOM, 2, None, &Mentioned::All);
        readings.note(ROOM, 3, None, &Mentioned::Users([USER].into()));
        readings.forget(ROOM, 4, &[USER]);
        assert_eq!(count(&readings), 3, "that one is for nobody");
        readings.forget(ROOM, 2, &[USER]);
        readings.forget(ROOM, 1, &[USER]);
        assert_eq!(count(&readings), 1);
        readings.forget(ROOM, 3, &[USER]);
        assert!(readings.mentions.is_empty() && readings.calls.is_empty());
    }

    #[test]
    fn the_newest_are_known_however_many_there_are() {
        let mut readings = Readings::default();
        readings.begin(USER, ROOM, 0);
        let many = MENTIONS_MAX as u64 + 10;
        (1..=many).for_each(|id| readings.note(ROOM, id, None, &Mentioned::Users([USER].into())));
        assert_eq!(count(&readings), MENTIONS_MAX);
        readings.advance(USER, ROOM, 5);
        assert_eq!(count(&readings), MENTIONS_MAX, "there are more than that");
        readings.advance(USER, ROOM, 20);
        assert_eq!(count(&readings), MENTIONS_MAX - 10);
    }
}
