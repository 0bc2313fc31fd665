//! The rooms of the chat: what they are called, what was said in them, which is the busiest.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::chat::name::{Index, RoomName};
use crate::chat::state::history::{self, History, Message};
use crate::delivery::channels::ChannelId as RoomId;

/// A room, as the chat knows it. Who is in it is known to [`crate::delivery::Delivery`].
#[derive(Debug)]
pub struct Room {
    pub name: RoomName,
    pub topic: Box<str>,
    pub history: History,
    pub members: u32,
    /// When the last member left, as a count of such events.
    vacant_since: Option<u64>,
}

/// How much the directory may hold.
#[derive(Clone, Copy, Debug)]
pub struct RoomLimits {
    pub rooms_max: usize,
    /// Of one room.
    pub history: history::HistoryLimits,
    /// Of all rooms together.
    pub history_bytes_max: usize,
}

/// All rooms, by id, by name and by size.
///
/// Invariant: every room is in `by_name` and in `by_size` under its number of members, and in
/// `vacant` exactly if that is 0; `history_bytes` is the sum of all histories.
#[derive(Debug)]
pub struct Rooms {
    limits: RoomLimits,
    rooms: Vec<Option<Box<Room>>>,
    by_name: Index,
    by_size: BTreeSet<(Reverse<u32>, RoomId)>,
    /// Rooms that nobody is in, the longest deserted first.
    vacant: BTreeSet<(u64, RoomId)>,
    vacated: u64,
    history_bytes: usize,
    /// The highest message id of any room that is no more. New rooms go on from here, so an id from
    /// an older room of the same name is never taken for one of theirs.
    ids_used: u64,
}

impl Rooms {
    pub fn new(limits: RoomLimits) -> Rooms {
        Rooms {
            limits,
            rooms: Vec::new(),
            by_name: Index::default(),
            by_size: BTreeSet::new(),
            vacant: BTreeSet::new(),
            vacated: 0,
            history_bytes: 0,
            ids_used: 0,
        }
    }

    pub fn count(&self) -> usize {
        self.by_name.count()
    }

    pub fn get(&self, id: RoomId) -> Option<&Room> {
        self.rooms.get(id.index())?.as_deref()
    }

    pub fn get_mut(&mut self, id: RoomId) -> Option<&mut Room> {
        self.rooms.get_mut(id.index())?.as_deref_mut()
    }

    /// The room whose name has this key.
    pub fn find(&self, key: &str) -> Option<RoomId> {
        self.by_name.find(key, |number| self.name(number)).map(id)
    }

    /// A room whose name looks like this one.
    pub fn find_alike(&self, name: &RoomName) -> Option<&Room> {
        self.by_name
            .find_alike(name, None, |number| self.name(number))
            .and_then(|number| self.get(id(number)))
    }

    /// The busiest rooms first, after the first `after` of them.
    pub fn busiest(&self, after: u64) -> impl Iterator<Item = &Room> {
        let after = usize::try_from(after).unwrap_or(usize::MAX);
        self.by_size.iter().skip(after).filter_map(|(_, id)| self.get(*id))
    }

    /// Whether another room would be one too many.
    pub fn is_full(&self) -> bool {
        self.count() >= self.limits.rooms_max
    }

    /// The room that can best be done without: deserted for longest.
    pub fn most_vacant(&self) -> Option<RoomId> {
        self.vacant.first().map(|&(_, id)| id)
    }

    /// Whether the histories together are over their limit.
    pub fn is_over_bytes(&self) -> bool {
        self.history_bytes > self.limits.history_bytes_max
    }

    /// Adds a room that nobody is in yet.
    pub fn open(&mut self, id: RoomId, name: RoomName) {
        if self.rooms.len() <= id.index() {
            self.rooms.resize_with(id.index() + 1, || None);
        }
        let history = History::new(self.ids_used + 1);
        let room = Room { name, topic: "".into(), history, members: 0, vacant_since: None };
        self.by_name.insert(number(id), &room.name);
        self.rooms[id.index()] = Some(Box::new(room));
        self.by_size.insert((Reverse(0), id));
        self.vacate(id);
    }

    /// Forgets a room that nobody is in.
    pub fn close(&mut self, id: RoomId) {
        let Some(room) = self.rooms.get_mut(id.index()).and_then(Option::take) else { return };
        self.by_name.remove(number(id), &room.name);
        if let Some(since) = room.vacant_since {
            self.vacant.remove(&(since, id));
        }
        self.by_size.remove(&(Reverse(0), id));
        self.history_bytes -= room.history.bytes();
        self.ids_used = self.ids_used.max(room.history.next_id() - 1);
    }

    /// One member more.
    pub fn enter(&mut self, id: RoomId) {
        let since = self.resize(id, |members| members + 1);
        if let Some(since) = since {
            self.vacant.remove(&(since, id));
            if let Some(room) = self.get_mut(id) {
                room.vacant_since = None;
            }
        }
    }

    /// One member less.
    pub fn leave(&mut self, id: RoomId) {
        self.resize(id, |members| members - 1);
        if self.get(id).is_some_and(|room| room.members == 0) {
            self.vacate(id);
        }
    }

    /// Remembers what was said; returns its id.
    pub fn say(&mut self, id: RoomId, message: Message) -> u64 {
        let limits = self.limits.history;
        let Some(room) = self.get_mut(id) else { return 0 };
        let before = room.history.bytes();
        let message_id = room.history.push(message, &limits);
        let after = room.history.bytes();
        self.history_bytes = self.history_bytes - before + after;
        message_id
    }

    /// Forgets the older half of what was said in a room.
    pub fn halve(&mut self, id: RoomId) {
        let Some(room) = self.get_mut(id) else { return };
        let before = room.history.bytes();
        room.history.keep_last(room.history.len() / 2);
        let after = room.history.bytes();
        self.history_bytes = self.history_bytes - before + after;
    }

    fn name(&self, number: u32) -> Option<&RoomName> {
        self.get(id(number)).map(|room| &room.name)
    }

    fn vacate(&mut self, id: RoomId) {
        self.vacated += 1;
        let since = self.vacated;
        self.vacant.insert((since, id));
        if let Some(room) = self.get_mut(id) {
            room.vacant_since = Some(since);
        }
    }

    fn resize(&mut self, id: RoomId, members: impl FnOnce(u32) -> u32) -> Option<u64> {
        let room = self.get_mut(id)?;
        let before = room.members;
        room.members = members(before);
        let (after, since) = (room.members, room.vacant_since);
        self.by_size.remove(&(Reverse(before), id));
        self.by_size.insert((Reverse(after), id));
        since
    }
}

/// A room's number in the index of names.
fn number(id: RoomId) -> u32 {
    u32::try_from(id.index()).expect("rooms are far fewer than 2^32")
}

fn id(number: u32) -> RoomId {
    RoomId::new(number as usize)
}

#[cfg(test)]
mod tests;
