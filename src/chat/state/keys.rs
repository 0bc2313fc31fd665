//! What clients have sent under a key of their own: sent again, it is the same message.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::{Equivalent, HashMap};

use crate::chat::ids::{RoomId, UserId};
use crate::store::KEYS_MAX;

/// Where a key holds: each room and each addressee has keys of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    Room(RoomId),
    User(UserId),
}

/// What became of a message when it came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct First {
    /// 0 for a direct message.
    pub id: u64,
    pub unix_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key(Scope, Arc<str>);

#[derive(Hash)]
struct KeyRef<'a>(Scope, &'a str);

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.0 == key.0 && *self.1 == *key.1
    }
}

/// The newest keys of all rooms and addressees together: so a busy room has as many as it needs,
/// and all of them have one bound.
///
/// Invariant: `order` has every key of `firsts` once, the oldest first, and at most [`KEYS_MAX`].
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Keys {
    firsts: HashMap<Key, First>,
    order: VecDeque<Key>,
}

impl Keys {
    /// What was sent under this key before.
    pub fn find(&self, scope: Scope, key: &str) -> Option<First> {
        self.firsts.get(&KeyRef(scope, key)).copied()
    }

    /// The keys of direct messages, the oldest first: a store does not have these.
    pub(super) fn of_users(&self) -> impl Iterator<Item = (UserId, &str, u64)> {
        self.order.iter().filter_map(|key| match key.0 {
            Scope::User(user) => Some((user, &*key.1, self.firsts.get(key)?.unix_ms)),
            Scope::Room(_) => None,
        })
    }

    /// Notes a message. One that has come before stays what it was.
    pub(super) fn insert(&mut self, scope: Scope, key: &str, id: u64, unix_ms: u64) {
        if self.find(scope, key).is_some() {
            return;
        }
        if self.order.len() == KEYS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.firsts.remove(&oldest);
        }
        let key = Key(scope, key.into());
        self.order.push_back(key.clone());
        self.firsts.insert(key, First { id, unix_ms });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_different_rooms_and_of_users_are_different_keys() {
        let mut keys = Keys::default();
        let (room, user) = (Scope::Room(RoomId::FIRST), Scope::User(UserId::FIRST));
        keys.insert(room, "k", 7, 70);
        keys.insert(room, "k", 8, 80);
        assert_eq!(keys.find(room, "k"), Some(First { id: 7, unix_ms: 70 }), "the first stays");
        assert_eq!(keys.find(Scope::Room(RoomId::FIRST.next()), "k"), None);
        assert_eq!(keys.find(user, "k"), None);
        keys.insert(user, "k", 0, 90);
        assert_eq!(keys.find(user, "k"), Some(First { id: 0, unix_ms: 90 }));
    }

    #[test]
    fn the_oldest_key_makes_place_for_the_newest() {
        let mut keys = Keys::default();
        let room = Scope::Room(RoomId::FIRST);
        for id in 0..=KEYS_MAX as u64 {
            keys.insert(room, &id.to_string(), id, id);
        }
        assert_eq!((keys.find(room, "0"), keys.firsts.len()), (None, KEYS_MAX));
        assert!(keys.find(room, "1").is_some());
        assert_eq!(keys.order.len(), KEYS_MAX);
    }
}
