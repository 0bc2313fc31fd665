//! Hooks: by the token of one, a program says something in a room without being anybody.

use std::collections::BTreeMap;

use crate::chat::ids::{RoomId, UserId};
use crate::chat::name::Name;
use crate::chat::state::accounts::SecretHash;

/// One hook of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    pub room: RoomId,
    pub name: Name,
    /// Of its token.
    pub hash: SecretHash,
    /// Who has made it. It may say what they may, for as long as they may make hooks there.
    pub by: UserId,
    pub created_ms: u64,
}

/// All hooks, by their rooms and the keys of their names, and by their tokens.
///
/// Invariant: both maps have the same hooks.
#[derive(Debug, Default, PartialEq)]
pub struct Hooks {
    hooks: BTreeMap<(RoomId, Box<str>), Hook>,
    by_hash: BTreeMap<SecretHash, (RoomId, Box<str>)>,
}

impl Hooks {
    /// The hook that has this token.
    pub fn find(&self, hash: SecretHash) -> Option<&Hook> {
        self.hooks.get(self.by_hash.get(&hash)?)
    }

    /// The hook of this name.
    pub fn get(&self, room: RoomId, name: &Name) -> Option<&Hook> {
        self.hooks.get(&(room, name.key().into()))
    }

    /// The hooks of a room, in the order of their names.
    pub fn of_room(&self, room: RoomId) -> impl Iterator<Item = &Hook> {
        let all = self.hooks.range((room, "".into())..);
        all.take_while(move |((of, _), _)| *of == room).map(|(_, hook)| hook)
    }

    /// There is this hook, in place of one of the same name.
    pub(super) fn make(&mut self, hook: Hook) {
        self.end(hook.room, &hook.name);
        let place = (hook.room, Box::from(hook.name.key()));
        self.by_hash.insert(hook.hash, place.clone());
        self.hooks.insert(place, hook);
    }

    pub(super) fn end(&mut self, room: RoomId, name: &Name) {
        self.retain(|hook| hook.room != room || hook.name != *name);
    }

    /// A room is no more.
    pub(super) fn end_room(&mut self, room: RoomId) {
        self.retain(|hook| hook.room != room);
    }

    /// An account is no more: nor are the hooks that it has made.
    pub(super) fn end_account(&mut self, account: UserId) {
        self.retain(|hook| hook.by != account);
    }

    fn retain(&mut self, stays: impl Fn(&Hook) -> bool) {
        let Hooks { hooks, by_hash } = self;
        hooks.retain(|_, hook| {
            let stays = stays(hook);
            if !stays {
                by_hash.remove(&hook.hash);
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{hook_author, is_hook_author};

    fn hook(room: RoomId, name: &str, token: &str, by: UserId) -> Hook {
        let (name, hash) = (Name::parse(name).expect("a name"), SecretHash::of(token));
        Hook { room, name, hash, by, created_ms: 7 }
    }

    #[test]
    fn hooks_are_found_by_their_tokens_until_they_end() {
        let (dev, ops) = (RoomId::FIRST, RoomId::FIRST.next());
        let (mia, bob) = (UserId::FIRST, UserId::FIRST.next());
        let mut hooks = Hooks::default();
        hooks.make(hook(dev, "Deploy", "one", mia));
        hooks.make(hook(dev, "build", "two", bob));
        hooks.make(hook(ops, "deploy", "three", mia));
        let names = |hooks: &Hooks, room| -> Vec<String> {
            hooks.of_room(room).map(|hook| hook.name.to_string()).collect()
        };
        assert_eq!(names(&hooks, dev), ["build", "Deploy"]);
        assert_eq!(names(&hooks, ops), ["deploy"]);
        hooks.make(hook(dev, "deploy", "four", bob));
        let found = |hooks: &Hooks, token| hooks.find(SecretHash::of(token)).map(|hook| hook.room);
        assert_eq!((found(&hooks, "one"), found(&hooks, "four")), (None, Some(dev)));
        hooks.end_account(bob);
        assert_eq!((found(&hooks, "two"), found(&hooks, "four")), (None, None));
        hooks.end_room(ops);
        assert_eq!(hooks, Hooks::default());
    }

    #[test]
    fn nobody_is_called_like_a_hook() {
        assert!(is_hook_author(&hook_author("deploy")) && !is_hook_author("deploy"));
        assert!(Name::parse(&hook_author("deploy")).is_err());
        assert!(Name::parse("deploy\u{a0}(hook)").is_err());
    }
}
