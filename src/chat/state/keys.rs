//! What clients have sent under a key of their own: sent again, it is the same message.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::{Equivalent, HashMap};

use crate::chat::ids::{RoomId, UserId};
use crate::chat::state::accounts::SecretHash;
use crate::store::KEYS_MAX;

/// Where a key holds: each room and each addressee has keys of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    Room(RoomId),
    User(UserId),
}

/// Whose keys: those of an account, or those of all guests together, as a guest who sends something
/// again may be another one by then.
pub type Author = Option<UserId>;

/// What became of a message when it came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct First {
    /// A direct message has none: what stands for its text, see [`First::direct`].
    pub id: u64,
    pub unix_ms: u64,
}

impl First {
    /// Of a direct message, which is kept nowhere: that another one has the same text is seen from
    /// the first bytes of its hash.
    pub fn direct(text: &str, unix_ms: u64) -> First {
        let SecretHash([a, b, c, d, e, f, g, h, ..]) = SecretHash::of(text);
        First { id: u64::from_be_bytes([a, b, c, d, e, f, g, h]), unix_ms }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key(Scope, Author, Arc<str>);

#[derive(Hash)]
struct KeyRef<'a>(Scope, Author, &'a str);

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        (self.0, self.1) == (key.0, key.1) && *self.2 == *key.2
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
    pub fn find(&self, scope: Scope, by: Author, key: &str) -> Option<First> {
        self.firsts.get(&KeyRef(scope, by, key)).copied()
    }

    /// The keys of direct messages, the oldest first: a store does not have these.
    pub(super) fn of_users(&self) -> impl Iterator<Item = (UserId, Author, &str, First)> {
        self.order.iter().filter_map(|key| match key.0 {
            Scope::User(user) => Some((user, key.1, &*key.2, *self.firsts.get(key)?)),
            Scope::Room(_) => None,
        })
    }

    /// Notes a message. One that has come before stays what it was.
    pub(super) fn insert(&mut self, scope: Scope, by: Author, key: &str, first: First) {
        if self.find(scope, by, key).is_some() {
            return;
        }
        if self.order.len() == KEYS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.firsts.remove(&oldest);
        }
        let key = Key(scope, by, key.into());
        self.order.push_back(key.clone());
        self.firsts.insert(key, first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(id: u64) -> First {
        First { id, unix_ms: 10 * id }
    }

    #[test]
    fn keys_of_different_rooms_and_people_are_different_keys() {
        let mut keys = Keys::default();
        let (room, user) = (Scope::Room(RoomId::FIRST), Scope::User(UserId::FIRST));
        let (ann, bob) = (Some(UserId::FIRST), Some(UserId::FIRST.next()));
        keys.insert(room, ann, "k", first(7));
        keys.insert(room, ann, "k", first(8));
        assert_eq!(keys.find(room, ann, "k"), Some(first(7)), "the first stays");
        assert_eq!(keys.find(Scope::Room(RoomId::FIRST.next()), ann, "k"), None);
        assert_eq!(keys.find(room, bob, "k"), None);
        assert_eq!(keys.find(room, None, "k"), None);
        assert_eq!(keys.find(user, ann, "k"), None);
        keys.insert(room, bob, "k", first(9));
        assert_eq!(keys.find(room, bob, "k"), Some(first(9)));
        assert_eq!(keys.find(room, ann, "k"), Some(first(7)));
    }

    #[test]
    fn the_oldest_key_makes_place_for_the_newest() {
        let mut keys = Keys::default();
        let room = Scope::Room(RoomId::FIRST);
        for id in 0..=KEYS_MAX as u64 {
            keys.insert(room, None, &id.to_string(), first(id));
        }
        assert_eq!((keys.find(room, None, "0"), keys.firsts.len()), (None, KEYS_MAX));
        assert!(keys.find(room, None, "1").is_some());
        assert_eq!(keys.order.len(), KEYS_MAX);
    }
}
