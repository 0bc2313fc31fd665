//! What holds in rooms, as it is kept.

/// What changes of a room that is kept for somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RulesChange {
    /// A room has these settings.
    Set(StoredSettings),
    /// This is known of an account in a room that has settings.
    Record(StoredRecord),
    RecordGone {
        room: u64,
        account: u64,
    },
    /// A room has another name.
    Renamed {
        room: u64,
        name: Box<str>,
        key: Box<str>,
        skeletons: Vec<Box<str>>,
    },
    /// A name leads to a room that has had it.
    FormerName(StoredRoomName),
    NameGone {
        key: Box<str>,
    },
    /// A hook of a room that has settings, in place of one of the same name.
    Hook(StoredHook),
    HookGone {
        room: u64,
        key: Box<str>,
    },
    /// What was said in a room is gone, as its members are; the room is next.
    Emptied {
        room: u64,
    },
}

/// A name that a room has had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRoomName {
    pub key: Box<str>,
    pub name: Box<str>,
    pub room: u64,
    pub until_ms: u64,
}

/// The settings of a room. The chat knows what the numbers mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSettings {
    pub room: u64,
    pub entry: u8,
    pub is_listed: bool,
    pub newcomers_see: u8,
    pub posting: u8,
    pub invites: u8,
    pub is_archived: bool,
}

/// What is known of an account in a room, also after leaving it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    pub room: u64,
    pub account: u64,
    pub role: u8,
    pub may_return: bool,
    pub has_asked: bool,
    /// The first message that it may see.
    pub sees_from: u64,
    /// When it may come back after it was removed.
    pub removed_until: Option<u64>,
}

/// By what a program says something in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredHook {
    pub room: u64,
    /// Of its name.
    pub key: Box<str>,
    pub name: Box<str>,
    /// SHA-256, of its token.
    pub hash: [u8; 32],
    /// Who has made it.
    pub account: u64,
    pub created_ms: u64,
}

/// What stands behind the name of a hook wherever it is shown. Nobody else is called so: a name has
/// no spaces.
const HOOK_MARK: &str = " (hook)";

/// The author of what a hook says.
pub fn hook_author(name: &str) -> String {
    format!("{name}{HOOK_MARK}")
}

/// Whether this is the author of what a hook has said.
pub fn is_hook_author(author: &str) -> bool {
    author.ends_with(HOOK_MARK)
}

/// What holds in rooms: all of it is in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredRules {
    /// In ascending order of the rooms.
    pub rooms: Vec<StoredSettings>,
    /// In ascending order of rooms and accounts.
    pub records: Vec<StoredRecord>,
    /// In ascending order of their keys.
    pub names: Vec<StoredRoomName>,
    /// In ascending order of rooms and keys.
    pub hooks: Vec<StoredHook>,
}
