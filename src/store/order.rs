//! What is kept of order: who is banned, who is muted, and who ignores whom.

/// A change of it. What it names has to be there, and whatever it says is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderChange {
    /// A ban is there, or is as this says now.
    Ban(StoredBan),
    BanGone {
        target: StoredTarget,
    },
    /// Somebody is muted in a room, or is as this says now.
    Mute(StoredMute),
    MuteGone {
        room: u64,
        account: u64,
    },
    Ignored(StoredIgnore),
    IgnoredGone(StoredIgnore),
}

/// Who is banned.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StoredTarget {
    Account(u64),
    /// As an address and the length of its prefix: `192.0.2.7/32`, `2001:db8::/64`.
    Network(Box<str>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBan {
    pub target: StoredTarget,
    /// The name, at that time, of who has banned it.
    pub by: Box<str>,
    pub reason: Box<str>,
    pub since_ms: u64,
    /// When it ends, if it does.
    pub until_ms: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMute {
    pub room: u64,
    pub account: u64,
    pub reason: Box<str>,
    pub until_ms: Option<u64>,
}

/// An account sees nothing of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredIgnore {
    pub account: u64,
    pub ignored: u64,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredOrder {
    /// In the order of their targets.
    pub bans: Vec<StoredBan>,
    /// In the order of rooms and accounts.
    pub mutes: Vec<StoredMute>,
    pub ignores: Vec<StoredIgnore>,
}
