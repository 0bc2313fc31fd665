//! Names for users and rooms that outlive connections and channels.
//!
//! They are given out in ascending order and never used twice, so that a record means the same on
//! any machine and at any later time.

use std::num::NonZeroU64;

macro_rules! ids {
    ($($(#[$doc:meta])* $id:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
