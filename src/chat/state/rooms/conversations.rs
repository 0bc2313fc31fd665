//! Which conversations there are, by who has them. Each is a room that nobody joins and nobody can
//! name: what is said is kept there, paged and found as in any other.

use std::collections::{BTreeMap, BTreeSet};

use super::{Room, Rooms};
use crate::chat::ids::{Pair, RoomId, UserId};

/// See the module's documentation.
///
/// Invariant: `by_pair` has every conversation, and `by_account` each of them for each of its
/// accounts, with the count that says when it was spoken in last; `held` has those of which texts
/// are in memory.
#[derive(Debug, Default)]
pub(super) struct Conversations {
    by_pair: BTreeMap<Pair, RoomId>,
    by_account: BTreeSet<(UserId, u64, RoomId)>,
    held: BTreeSet<(u64, RoomId)>,
}

impl Conversations {
    pub fn find(&self, between: Pair) -> Option<RoomId> {
        self.by_pair.get(&between).copied()
    }

    /// Those of an account, the one spoken in last first.
    pub fn of(&self, account: UserId) -> impl Iterator<Item = RoomId> {
        let all = (account, 0, RoomId::FIRST)..(account.next(), 0, RoomId::FIRST);
        self.by_account.range(all).rev().map(|(.., room)| *room)
    }

    /// The one whose texts can best be done without: it has been quiet for longest.
    pub fn quietest(&self) -> Option<(u64, RoomId)> {
        self.held.first().copied()
    }

    pub fn insert(&mut self, between: Pair, room: RoomId, last: u64, is_held: bool) {
        self.by_pair.insert(between, room);
        self.by_account.extend(between.accounts().map(|account| (account, last, room)));
        self.held.extend(is_held.then_some((last, room)));
    }

    pub fn remove(&mut self, between: Pair, room: RoomId, last: u64) {
        self.by_pair.remove(&between);
        for account in between.accounts() {
            self.by_account.remove(&(account, last, room));
        }
        self.held.remove(&(last, room));
    }

    /// Something was said in one.
    pub fn said(&mut self, between: Pair, room: RoomId, before: u64, last: u64) {
        let was_held = self.held.contains(&(before, room));
        self.remove(between, room, before);
        self.insert(between, room, last, was_held);
    }

    /// If this is one, texts of it are in memory, or none.
    pub fn hold(&mut self, room: &Room) {
        if let (Some(_), Some(last)) = (room.between(), room.vacant_since) {
            match room.history.is_empty() {
                true => self.held.remove(&(last, room.id)),
                false => self.held.insert((last, room.id)),
            };
        }
    }

    pub fn count(&self) -> usize {
        self.by_pair.len()
    }

    #[cfg(test)]
    pub fn check(&self, all: &[(Pair, RoomId, u64, bool)]) {
        assert_eq!(self.by_pair.len(), all.len(), "every conversation is found");
        let of_accounts = all.iter().map(|(between, ..)| between.accounts().count());
        assert_eq!(self.by_account.len(), of_accounts.sum::<usize>(), "and by both accounts");
        for &(between, room, last, is_held) in all {
            assert_eq!(self.find(between), Some(room), "{between}");
            let mut accounts = between.accounts();
            assert!(accounts.all(|account| self.by_account.contains(&(account, last, room))));
            assert_eq!(self.held.contains(&(last, room)), is_held, "{between}");
        }
        let held = all.iter().filter(|(.., is_held)| *is_held).count();
        assert_eq!(self.held.len(), held, "only conversations with texts are held");
    }
}

impl Room {
    /// Whose conversation it is, if it is one: it has no members, and no name to be shown.
    pub fn between(&self) -> Option<Pair> {
        self.name.between()
    }
}

impl Rooms {
    pub fn conversation_count(&self) -> usize {
        self.conversations.count()
    }

    /// What these two say to each other.
    pub fn conversation(&self, between: Pair) -> Option<&Room> {
        self.get(self.conversations.find(between)?)
    }

    /// The conversations of an account, the one spoken in last first.
    pub fn conversations_of(&self, account: UserId) -> impl Iterator<Item = &Room> {
        self.conversations.of(account).filter_map(|id| self.get(id))
    }

    /// What has been quiet for longest, and has texts in memory or can be done without: a room that
    /// nobody is in, or a conversation.
    pub fn quietest(&self) -> Option<RoomId> {
        let vacant = self.most_vacant();
        let vacant = vacant.and_then(|id| Some((self.get(id)?.vacant_since?, id)));
        vacant.into_iter().chain(self.conversations.quietest()).min().map(|(_, id)| id)
    }

    /// Something was said in a room: if it is a conversation, it is the last one spoken in.
    pub(super) fn move_up(&mut self, id: RoomId) {
        if let Some(room) = self.rooms.get_mut(id)
            && let (Some(between), Some(before)) = (room.between(), room.vacant_since)
        {
            self.vacated += 1;
            room.vacant_since = Some(self.vacated);
            self.conversations.said(between, id, before, self.vacated);
            self.conversations.hold(room);
        }
    }
}
