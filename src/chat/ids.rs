//! Names for users and rooms that outlive connections and channels.
//!
//! They are given out in ascending order and never used twice, so that a record means the same on
//! any machine and at any later time.

use std::fmt;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $id:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $id(NonZeroU64);

        impl $id {
            pub const FIRST: $id = $id(NonZeroU64::MIN);

            /// As it was kept; 0 is none.
            pub fn new(id: u64) -> Option<$id> {
                NonZeroU64::new(id).map($id)
            }

            /// The one that is given out after this one.
            #[must_use]
            pub fn next(self) -> $id {
                $id(self.0.saturating_add(1))
            }

            pub fn get(self) -> u64 {
                self.0.get()
            }
        }
    )*};
}

ids! {
    /// Somebody with a name: today, for as long as it is connected.
    UserId
    /// A room, from when it is opened until it is closed.
    RoomId
}

impl UserId {
    /// The server itself, which says what staff is to know. Nobody else is given this one.
    pub const SERVER: UserId = UserId(NonZeroU64::MAX);
}

/// The two accounts of a conversation; one of them twice, if somebody writes to itself.
///
/// Invariant: the first one is not the higher one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair(UserId, UserId);

impl Pair {
    pub fn new(one: UserId, other: UserId) -> Pair {
        Pair(one.min(other), one.max(other))
    }

    pub fn has(self, user: UserId) -> bool {
        self.0 == user || self.1 == user
    }

    /// The one whom this one talks with.
    pub fn other(self, user: UserId) -> UserId {
        if self.0 == user { self.1 } else { self.0 }
    }

    /// Each of them once.
    pub fn accounts(self) -> impl Iterator<Item = UserId> {
        [Some(self.0), Some(self.1).filter(|other| *other != self.0)].into_iter().flatten()
    }

    /// Reads what [`fmt::Display`] writes.
    pub fn parse(written: &str) -> Option<Pair> {
        let (one, other) = written.strip_prefix('@')?.split_once(':')?;
        let id = |digits: &str| UserId::new(digits.parse().ok()?);
        Some(Pair::new(id(one)?, id(other)?)).filter(|pair| pair.to_string() == written)
    }
}

/// What stands where a room has its name. Nobody can type it there: a room's name begins with `#`.
impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}:{}", self.0.get(), self.1.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_the_same_from_both_sides() {
        let (one, other) = (UserId::FIRST, UserId::FIRST.next());
        let pair = Pair::new(other, one);
        assert_eq!(pair, Pair::new(one, other));
        assert_eq!((pair.other(one), pair.other(other)), (other, one));
        assert_eq!(pair.accounts().collect::<Vec<_>>(), [one, other]);
        assert_eq!(Pair::new(one, one).accounts().collect::<Vec<_>>(), [one]);
        assert!(pair.has(one) && pair.has(other) && !pair.has(other.next()));
        assert_eq!((&*pair.to_string(), Pair::parse("@1:2")), ("@1:2", Some(pair)));
        for other in ["#dev", "@1", "@2:1", "@01:2", "@0:1", "@1:2:3", "@+1:2", "1:2"] {
            assert_eq!(Pair::parse(other), None, "{other}");
        }
    }
}
