//! What holds in a room that is kept for somebody: its settings, and what is known of those who are
//! in it, were in it, or have been let in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::chat::ids::UserId;
use crate::store::{StoredRecord, StoredSettings};

/// Words that people and programs write, and the numbers by which they are kept.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $word:ident = $number:literal $text:literal),* })*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize,
        )]
        pub enum $name { $($(#[$of])* $word),* }

        impl $name {
            const ALL: &'static [$name] = &[$($name::$word),*];

            pub fn as_str(self) -> &'static str {
                match self { $($name::$word => $text),* }
            }

            pub fn number(self) -> u8 {
                match self { $($name::$word => $number),* }
            }

            pub fn parse(typed: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|one| one.as_str().eq_ignore_ascii_case(typed))
            }

            /// As it was kept.
            pub fn of_number(number: u8) -> Option<$name> {
                $name::ALL.iter().copied().find(|one| one.number() == number)
            }
        }
    )*};
}

words! {
    /// Who may enter.
    Entry {
        #[default] All = 0 "all",
        Accounts = 1 "accounts",
        /// Accounts that a moderator lets in.
        Ask = 2 "ask",
        /// Those who are let in. For all others the room does not exist.
        Invited = 3 "invited"
    }

    /// What newcomers see of what was said before they came.
    NewcomersSee { #[default] All = 0 "all", Now = 1 "now" }

    /// Who may say something.
    Posting { #[default] All = 0 "all", Moderators = 1 "moderators" }

    /// Who may let others in.
    Invites { #[default] Members = 0 "members", Moderators = 1 "moderators" }

    /// What somebody may do in a room.
    RoomRole { #[default] Member = 0 "member", Moderator = 1 "moderator", Owner = 2 "owner" }
}

/// What the owner of a room decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomSettings {
    pub entry: Entry,
    /// Whether it is in the list of those who are not in it.
    pub is_listed: bool,
    pub newcomers_see: NewcomersSee,
    pub posting: Posting,
    pub invites: Invites,
    /// Nothing is said there any more, and it is not listed.
    pub is_archived: bool,
}

/// Those of a room that is kept for nobody.
pub const OPEN: RoomSettings = RoomSettings {
    entry: Entry::All,
    is_listed: true,
    newcomers_see: NewcomersSee::All,
    posting: Posting::All,
    invites: Invites::Members,
    is_archived: false,
};

impl RoomSettings {
    /// Those of a room that an account makes.
    pub const OF_ACCOUNT: RoomSettings = RoomSettings { entry: Entry::Accounts, ..OPEN };

    /// As they were kept. What is not known lets nobody in.
    pub fn of_store(stored: &StoredSettings) -> RoomSettings {
        RoomSettings {
            entry: Entry::of_number(stored.entry).unwrap_or(Entry::Invited),
            is_listed: stored.is_listed,
            newcomers_see: NewcomersSee::of_number(stored.newcomers_see)
                .unwrap_or(NewcomersSee::Now),
            posting: Posting::of_number(stored.posting).unwrap_or(Posting::Moderators),
            invites: Invites::of_number(stored.invites).unwrap_or(Invites::Moderators),
            is_archived: stored.is_archived,
        }
    }

    /// Whether people come in only if somebody lets them.
    pub fn is_private(&self) -> bool {
        matches!(self.entry, Entry::Ask | Entry::Invited)
    }

    /// Whether those who are not in it find it in the list of rooms.
    pub fn is_in_list(&self) -> bool {
        self.is_listed && !self.is_archived && self.entry != Entry::Invited
    }
}

/// Until somebody lets them in again. The store's numbers have a sign.
pub const FOR_GOOD: u64 = i64::MAX as u64;

/// What is known of somebody in a room, also after leaving it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRecord {
    pub role: RoomRole,
    /// May enter though the room is private.
    pub may_return: bool,
    /// Waits to be let in.
    pub has_asked: bool,
    /// The first message that it may see, as `newcomers see` was when it came; 0 for all.
    pub sees_from: u64,
    /// It was removed, and is not let in before this time.
    pub removed_until: Option<u64>,
}

impl MemberRecord {
    /// As it was kept.
    pub fn of_store(stored: &StoredRecord) -> MemberRecord {
        MemberRecord {
            role: RoomRole::of_number(stored.role).unwrap_or_default(),
            may_return: stored.may_return,
            has_asked: stored.has_asked,
            sees_from: stored.sees_from,
            removed_until: stored.removed_until,
        }
    }

    pub fn is_removed(&self, unix_ms: u64) -> bool {
        self.removed_until.is_some_and(|until| until == FOR_GOOD || unix_ms < until)
    }
}

/// See the module's documentation.
///
/// Invariant: no record is the default one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomRules {
    pub settings: RoomSettings,
    records: BTreeMap<UserId, MemberRecord>,
}

impl RoomRules {
    pub fn new(settings: RoomSettings) -> RoomRules {
        RoomRules { settings, records: BTreeMap::new() }
    }

    pub fn record(&self, user: UserId) -> MemberRecord {
        self.records.get(&user).copied().unwrap_or_default()
    }

    /// In ascending order of the users.
    pub fn records(&self) -> impl Iterator<Item = (UserId, &MemberRecord)> {
        self.records.iter().map(|(&user, record)| (user, record))
    }

    pub fn has_record(&self, user: UserId) -> bool {
        self.records.contains_key(&user)
    }

    pub(in crate::chat::state) fn set_record(&mut self, user: UserId, record: MemberRecord) {
        match record == MemberRecord::default() {
            true => drop(self.records.remove(&user)),
            false => drop(self.records.insert(user, record)),
        }
    }

    /// The owner; none if that account has ended.
    pub fn owner(&self) -> Option<UserId> {
        self.records().find(|(_, record)| record.role == RoomRole::Owner).map(|(user, _)| user)
    }
}
