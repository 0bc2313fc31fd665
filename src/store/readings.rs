//! What is kept of what accounts have read, and of what is for them.

/// A change to what is kept of what accounts read. Rooms and accounts are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadingChange {
    /// It is as this says now, and what is for the account up to there is forgotten.
    Set(StoredReading),
    /// An account reads in a room no more. It did.
    Gone { account: u64, room: u64 },
    /// A message is for these accounts.
    Mentioned { room: u64, id: u64, accounts: Box<[u64]> },
    /// A message is for everybody in the room but its author, if that is an account. Of those, only
    /// [`CALLS_MAX`] of a room are kept.
    Called { room: u64, id: u64, by: Option<u64> },
}

/// As many messages that are for everybody are kept of a room: the newest.
pub const CALLS_MAX: usize = 1000;

/// What an account has read of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredReading {
    pub account: u64,
    pub room: u64,
    /// The id of the last message that was read.
    pub read: u64,
    /// Of what the account wants to be told, if it has said so. 0: everything, 1: what is for it,
    /// 2: nothing, 3: nothing, and the room is hidden.
    pub level: Option<u8>,
}
