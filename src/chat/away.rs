//! Who is away, by their own word, and who has been told so.
//!
//! It decides nothing, so it is no part of the state: an account is away on all its devices, and
//! stays so while none is connected; a guest until it leaves; nobody after the server has ended.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::chat::ids::UserId;
use crate::ids::ClientId;

/// What somebody has said of where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Away {
    /// Why, if it says so.
    pub text: Box<str>,
    pub since_ms: u64,
}

/// By user.
///
/// Invariant: nobody has been told of somebody who is not away, and no client that was told of
/// nobody is in `told`.
#[derive(Debug, Default)]
pub struct Aways {
    by_user: BTreeMap<UserId, Away>,
    /// Whom clients have been told of.
    told: BTreeMap<ClientId, BTreeSet<UserId>>,
}

impl Aways {
    pub fn is_empty(&self) -> bool {
        self.by_user.is_empty()
    }

    pub fn get(&self, user: UserId) -> Option<&Away> {
        self.by_user.get(&user)
    }

    /// Somebody is away, or away for another reason: all may be told anew.
    pub fn begin(&mut self, user: UserId, away: Away) {
        self.end(user);
        self.by_user.insert(user, away);
    }

    /// Somebody is back, or is nobody any more; whether it was away.
    pub fn end(&mut self, user: UserId) -> bool {
        let was_away = self.by_user.remove(&user).is_some();
        if was_away {
            self.told.retain(|_, told| {
                told.remove(&user);
                !told.is_empty()
            });
        }
        was_away
    }

    /// What a client should be told of somebody to whom it says something: once.
    pub fn news_for(&mut self, client: ClientId, user: UserId) -> Option<&Away> {
        let away = self.by_user.get(&user)?;
        self.told.entry(client).or_default().insert(user).then_some(away)
    }

    /// Who is away.
    pub fn all(&self) -> impl Iterator<Item = (UserId, &Away)> {
        self.by_user.iter().map(|(user, away)| (*user, away))
    }

    /// Whom a client has been told of.
    pub fn told(&self, client: ClientId) -> impl Iterator<Item = UserId> {
        self.told.get(&client).into_iter().flatten().copied()
    }

    /// A client has gone.
    pub fn forget(&mut self, client: ClientId) {
        self.told.remove(&client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once_of_each_who_is_away() {
        let mut aways = Aways::default();
        let (ann, bob) = (UserId::FIRST, UserId::FIRST.next());
        let (one, other) = (ClientId::new(1, 1), ClientId::new(2, 1));
        let away = |text: &str| Away { text: text.into(), since_ms: 7 };
        assert_eq!(aways.news_for(one, ann), None);
        aways.begin(ann, away("lunch"));
        aways.begin(bob, away(""));
        assert_eq!(aways.news_for(one, ann), Some(&away("lunch")));
        assert_eq!(aways.news_for(one, ann), None);
        assert_eq!(aways.news_for(other, ann), Some(&away("lunch")));
        aways.begin(ann, away("tea"));
        assert_eq!(aways.news_for(one, ann), Some(&away("tea")));
        assert!(aways.end(ann) && !aways.end(ann));
        assert!(aways.told.is_empty(), "there is nothing left of it");
        assert_eq!(aways.news_for(other, bob), Some(&away("")));
        aways.forget(other);
        assert!(aways.told.is_empty());
    }
}
