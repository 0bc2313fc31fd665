//! What guests have said last. A message that is kept does not tell one guest from another, and a
//! name is soon somebody else's: this tells which messages are their own, for as long as they are
//! here.

use std::collections::VecDeque;

use hashbrown::HashMap;

use crate::chat::ids::{RoomId, UserId};

/// So many messages of one guest are known.
pub const GUEST_WORDS_MAX: usize = 16;

/// See the module's documentation.
///
/// Invariant: each guest here has said something, and has [`GUEST_WORDS_MAX`] messages at most, in
/// the order in which it said them.
#[derive(Debug, Default, PartialEq)]
pub struct GuestWords {
    by_guest: HashMap<UserId, VecDeque<(RoomId, u64)>>,
}

impl GuestWords {
    /// Whether this guest has said this, of late.
    pub fn contain(&self, guest: UserId, room: RoomId, id: u64) -> bool {
        self.by_guest.get(&guest).is_some_and(|words| words.contains(&(room, id)))
    }

    /// The last words of a guest, in the order in which it said them.
    pub(super) fn of(&self, guest: UserId) -> impl Iterator<Item = (RoomId, u64)> {
        self.by_guest.get(&guest).into_iter().flatten().copied()
    }

    pub(super) fn add(&mut self, guest: UserId, room: RoomId, id: u64) {
        let words = self.by_guest.entry(guest).or_default();
        if words.back() == Some(&(room, id)) {
            return;
        }
        if words.len() == GUEST_WORDS_MAX {
            words.pop_front();
        }
        words.push_back((room, id));
    }

    /// A guest is gone, or has an account from now on.
    pub(super) fn forget(&mut self, guest: UserId) {
        if !self.by_guest.is_empty() {
            self.by_guest.remove(&guest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_of_each_guest_are_its_own() {
        let (mut words, room) = (GuestWords::default(), RoomId::FIRST);
        let (one, other) = (UserId::FIRST, UserId::FIRST.next());
        words.add(other, room, 1);
        for id in 2..=GUEST_WORDS_MAX as u64 + 2 {
            words.add(one, room, id);
        }
        assert!(words.contain(other, room, 1) && !words.contain(one, room, 1));
        assert!(!words.contain(one, room, 2), "that was too long ago");
        assert!(words.contain(one, room, 3) && !words.contain(one, room.next(), 3));
        words.forget(one);
        assert!(!words.contain(one, room, 3) && words.contain(other, room, 1));
    }
}
