//! Guests who can come back: what their resume tokens are known by.
//!
//! A guest that has a token keeps its name and its rooms for a while after its connection broke; it
//! is a user like any other then ([`super::users`]). What is here outlives even that: who comes
//! later gets its name again, if that is free.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use crate::chat::ids::UserId;
use crate::chat::name::Name;
use crate::chat::state::accounts::SecretHash;

/// Tokens are good for so long after they were given, or after their guest has left.
pub const TOKEN_MS: u64 = 24 * 60 * 60 * 1000;

/// The token of one guest. It is another one at each use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestToken {
    /// The token that its guest has come back with, until the guest has shown that this one has
    /// reached it: a connection can break before that.
    pub before: Option<SecretHash>,
    pub until_ms: u64,
    pub holder: Holder,
}

/// Whose token it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A user who is here; its token is good for as long as it stays.
    Here(UserId),
    /// Somebody who was called that, and has left.
    Gone(Name),
}

/// All tokens, by their hashes.
///
/// Invariant: `by_user` has the token of every holder that is here, `gone` those of all others with
/// their ends, and `before` every token that another has taken the place of and is still good.
#[derive(Debug, Default)]
pub struct GuestTokens {
    tokens: HashMap<SecretHash, GuestToken>,
    before: HashMap<SecretHash, SecretHash>,
    by_user: BTreeMap<UserId, SecretHash>,
    gone: BTreeSet<(u64, SecretHash)>,
}

/// The rest follows from the tokens.
impl PartialEq for GuestTokens {
    fn eq(&self, other: &GuestTokens) -> bool {
        self.tokens == other.tokens
    }
}

impl GuestTokens {
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.tokens.len()
    }

    /// Those of guests that have left.
    pub fn gone_count(&self) -> usize {
        self.gone.len()
    }

    /// The token of somebody who has left that ends first, and when.
    pub fn first_gone(&self) -> Option<(u64, SecretHash)> {
        self.gone.first().copied()
    }

    /// The token of somebody who is here.
    pub fn of(&self, user: UserId) -> Option<SecretHash> {
        if self.by_user.is_empty() { None } else { self.by_user.get(&user).copied() }
    }

    pub fn get(&self, hash: SecretHash) -> Option<&GuestToken> {
        self.tokens.get(&hash)
    }

    /// The token that this one leads to: itself, or the one that has taken its place.
    pub fn find(&self, shown: SecretHash) -> Option<(SecretHash, &GuestToken)> {
        let hash = self.before.get(&shown).copied().unwrap_or(shown);
        Some((hash, self.tokens.get(&hash)?))
    }

    // ---- Changes ----

    /// A user who is here has this token from now on. `shown`: the one that it has come with.
    pub(super) fn give(
        &mut self,
        user: UserId,
        hash: SecretHash,
        shown: Option<SecretHash>,
        unix_ms: u64,
    ) {
        let known = shown.and_then(|shown| self.find(shown)).map(|(hash, _)| hash);
        let own = self.of(user);
        for old in known.into_iter().chain(own) {
            self.end(old);
        }
        let before = shown.filter(|_| known.is_some());
        let until_ms = unix_ms + TOKEN_MS;
        self.insert(hash, GuestToken { before, until_ms, holder: Holder::Here(user) });
    }

    pub(super) fn insert(&mut self, hash: SecretHash, token: GuestToken) {
        if let Some(before) = token.before {
            self.before.insert(before, hash);
        }
        match token.holder {
            Holder::Here(user) => drop(self.by_user.insert(user, hash)),
            Holder::Gone(_) => drop(self.gone.insert((token.until_ms, hash))),
        }
        self.tokens.insert(hash, token);
    }

    /// The token has reached its guest: the one before is not good any more.
    pub(super) fn prove(&mut self, user: UserId) {
        let hash = self.of(user);
        let token = hash.and_then(|hash| self.tokens.get_mut(&hash));
        if let Some(before) = token.and_then(|token| token.before.take()) {
            self.before.remove(&before);
        }
    }

    /// Its guest, who was called that, has left.
    pub(super) fn leave(&mut self, user: UserId, name: &Name, unix_ms: u64) {
        let Some(hash) = self.of(user) else { return };
        let before = self.tokens.get(&hash).and_then(|token| token.before);
        self.end(hash);
        let (until_ms, holder) = (unix_ms + TOKEN_MS, Holder::Gone(name.clone()));
        self.insert(hash, GuestToken { before, until_ms, holder });
    }

    /// A token is not good any more.
    pub(super) fn end(&mut self, hash: SecretHash) {
        let Some(token) = self.tokens.remove(&hash) else { return };
        if let Some(before) = token.before {
            self.before.remove(&before);
        }
        match token.holder {
            Holder::Here(user) => drop(self.by_user.remove(&user)),
            Holder::Gone(_) => drop(self.gone.remove(&(token.until_ms, hash))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: &str) -> SecretHash {
        SecretHash::of(text)
    }

    fn is_consistent(tokens: &GuestTokens) -> bool {
        let here = |token: &&GuestToken| matches!(token.holder, Holder::Here(_));
        let all = || tokens.tokens.values();
        all().filter(here).count() == tokens.by_user.len()
            && all().count() == tokens.by_user.len() + tokens.gone.len()
            && all().filter_map(|token| token.before).count() == tokens.before.len()
            && tokens.before.values().all(|hash| tokens.tokens.contains_key(hash))
            && tokens.by_user.values().all(|hash| tokens.tokens.contains_key(hash))
            && tokens.gone.iter().all(|(_, hash)| tokens.tokens.contains_key(hash))
    }

    #[test]
    fn the_token_before_is_good_until_the_new_one_has_arrived() {
        let (mut tokens, user) = (GuestTokens::default(), UserId::FIRST);
        let holder_of = |tokens: &GuestTokens, text: &str| {
            tokens.find(hash(text)).map(|(_, token)| token.holder.clone())
        };
        let here = Some(Holder::Here(user));
        tokens.give(user, hash("1"), None, 0);
        tokens.give(user, hash("2"), Some(hash("1")), 10);
        assert_eq!(
            (holder_of(&tokens, "1"), holder_of(&tokens, "2")),
            (here.clone(), here.clone())
        );
        // The second has never arrived.
        tokens.give(user, hash("3"), Some(hash("1")), 20);
        assert_eq!(holder_of(&tokens, "2"), None);
        assert_eq!(
            (holder_of(&tokens, "1"), holder_of(&tokens, "3")),
            (here.clone(), here.clone())
        );
        assert!(is_consistent(&tokens));
        tokens.prove(user);
        assert_eq!((holder_of(&tokens, "1"), holder_of(&tokens, "3")), (None, here));
        assert_eq!(tokens.tokens.len(), 1);
        assert!(is_consistent(&tokens));
    }

    #[test]
    fn who_has_left_is_known_by_name_and_ends_in_order() {
        let mut tokens = GuestTokens::default();
        let (first, second) = (UserId::FIRST, UserId::FIRST.next());
        let name = |typed: &str| Name::parse(typed).expect("a name");
        tokens.give(first, hash("1"), None, 0);
        tokens.give(second, hash("2"), None, 0);
        tokens.leave(second, &name("bob"), 5);
        tokens.leave(first, &name("ann"), 7);
        tokens.leave(first, &name("ann"), 9);
        assert!(is_consistent(&tokens));
        assert_eq!((tokens.of(first), tokens.gone_count()), (None, 2));
        assert_eq!(tokens.first_gone(), Some((5 + TOKEN_MS, hash("2"))));
        assert_eq!(
            tokens.get(hash("1")).map(|token| &token.holder),
            Some(&Holder::Gone(name("ann")))
        );
        // Somebody else by its id comes with it.
        let third = second.next();
        tokens.give(third, hash("3"), Some(hash("2")), 20);
        assert_eq!(tokens.find(hash("2")).map(|(hash, _)| hash), Some(hash("3")));
        assert_eq!(tokens.of(third), Some(hash("3")));
        assert!(is_consistent(&tokens));
        tokens.end(hash("3"));
        tokens.end(hash("1"));
        assert!(tokens.is_empty() && is_consistent(&tokens));
    }
}
