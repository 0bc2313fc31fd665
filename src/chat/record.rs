//! What happened in the chat, in the order in which it happened.
//!
//! A record names users and rooms by ids of their own and carries its time, so it can be stored,
//! shared and applied again elsewhere. What follows from an event (an empty room closes) is a
//! record of its own: who applies records needs no limits and makes no decisions.

use crate::chat::ids::{RoomId, UserId};
use crate::chat::name::{Name, RoomName};
use crate::chat::state::accounts::{AccessKey, Invitation, Role, SecretHash};
use crate::chat::state::history::Message;
use crate::chat::state::hooks::Hook;
use crate::chat::state::order::OrderChange;
use crate::chat::state::readings::{Level, Mentioned};
use crate::chat::state::rooms::rules::{MemberRecord, RoomSettings};

/// The version of all that is in this file, to be stored with every group of records.
pub const RECORD_VERSION: u32 = 1;

/// One thing that happened, who caused it, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub unix_ms: u64,
    pub by: UserId,
    pub event: Event,
}

/// What happened. The state of the chat changes only by applying one; what somebody says is applied
/// without one being made ([`State::say`](super::state::State)).
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Kept(Kept),
    Presence(Presence),
    Cached(Cached),
}

/// What outlives connections, or would if it were kept: a direct message is passed on only.
#[derive(Clone, Debug, PartialEq)]
pub enum Kept {
    /// A room is there. Nobody is in it yet.
    Opened {
        room: RoomId,
        name: RoomName,
    },
    /// A room that nobody is in is forgotten, with all that was said there.
    Closed {
        room: RoomId,
    },
    TopicSet {
        room: RoomId,
        topic: Box<str>,
    },
    /// `id`: the message's place among all of its room. `key`: that its sender gave it.
    Said {
        room: RoomId,
        id: u64,
        message: Message,
        key: Option<Box<str>>,
    },
    /// Of a message only a tombstone is left.
    MessageDeleted {
        room: RoomId,
        id: u64,
    },
    /// All but the last messages of a room are forgotten.
    HistoryCut {
        room: RoomId,
        messages_kept: usize,
    },
    /// Something was said to one user only.
    Direct {
        to: UserId,
        text: Box<str>,
        key: Option<Box<str>>,
    },
    /// A guest is an account from now on. `invitation`: what allowed it.
    AccountMade {
        name: Name,
        password: Option<Box<str>>,
        role: Role,
        invitation: Option<u64>,
    },
    /// There is an account that is a bot of who does this.
    BotMade {
        bot: UserId,
        name: Name,
    },
    /// An account that is a member of no room is gone.
    AccountEnded,
    PasswordSet {
        password: Box<str>,
    },
    RoleSet {
        user: UserId,
        role: Role,
    },
    KeyMade(AccessKey),
    KeyEnded {
        key: u32,
    },
    Invited {
        id: u64,
        invitation: Invitation,
    },
    InvitationEnded {
        id: u64,
    },
    /// A name that an account has had can be taken by anybody.
    NameReleased {
        name: Name,
    },
    Order(OrderChange),
    Room(RoomChange),
    Guest(GuestChange),
    /// Something about what an account reads.
    Reading(ReadingChange),
}

/// What changes of a room that is kept for somebody.
#[derive(Clone, Debug, PartialEq)]
pub enum RoomChange {
    /// It has these settings. The first ones make it one that is kept.
    Set {
        room: RoomId,
        settings: RoomSettings,
    },
    /// This is known of somebody there.
    Recorded {
        room: RoomId,
        user: UserId,
        record: MemberRecord,
    },
    /// Somebody is not in it any more, as another one wants.
    Removed {
        room: RoomId,
        user: UserId,
        reason: Option<Box<str>>,
    },
    /// It has another name. The one before leads to it for a while.
    Renamed {
        room: RoomId,
        name: RoomName,
    },
    /// A name that a room has had leads nowhere any more.
    NameReleased {
        name: RoomName,
    },
    /// Somebody was let in by an invitation.
    InvitationUsed {
        id: u64,
    },
    /// A program may say something there by a token, in place of one of the same name.
    HookMade(Hook),
    HookEnded {
        room: RoomId,
        name: Name,
    },
    /// Nobody is in it any more, and it is kept for nobody; it closes next.
    Deleted {
        room: RoomId,
    },
}

/// What becomes of the tokens by which guests come back.
#[derive(Clone, Debug, PartialEq)]
pub enum GuestChange {
    /// A guest has this one from now on. `shown`: the one that it has come with, if that is known.
    TokenGiven {
        hash: SecretHash,
        shown: Option<SecretHash>,
    },
    /// It has reached its guest.
    TokenProven,
    TokenEnded {
        hash: SecretHash,
    },
}

/// What an account has read of a room, and what is for it there.
#[derive(Clone, Debug, PartialEq)]
pub enum ReadingChange {
    /// All up to this message. A store is handed that a while later, with others.
    Moved {
        room: RoomId,
        id: u64,
    },
    /// Nothing after this message, of which these are for the account.
    MovedBack {
        room: RoomId,
        id: u64,
        mentions: Box<[u64]>,
    },
    LevelSet {
        room: RoomId,
        level: Level,
    },
    /// What was just said is for somebody, and not only heard.
    Mentioned {
        room: RoomId,
        id: u64,
        mentioned: Mentioned,
    },
}

/// What memory holds of what a store keeps, which is what it is already.
#[derive(Clone, Debug, PartialEq)]
pub enum Cached {
    /// A room has come from the store. Nobody is in it yet.
    Loaded(Box<LoadedRoom>),
    /// A room that nobody is in is kept by the store alone.
    Unloaded { room: RoomId },
    /// The store has forgotten what is too old: this is the first message that it still keeps.
    Expired { room: RoomId, first_id: u64 },
}

/// A room as it comes from a store.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedRoom {
    pub room: RoomId,
    pub name: RoomName,
    pub topic: Box<str>,
    /// The ids of the messages that are kept: the first, and the one that comes next.
    pub first_id: u64,
    pub next_id: u64,
    /// The last ones, oldest first.
    pub newest: Vec<Message>,
}

/// Who is here. A guest is, for as long as it is connected. An account is always: what it joins and
/// leaves, and its name, are kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Presence {
    /// A guest has its first name. `guests`: how many numbers guests have been given by now.
    Connected {
        name: Name,
        guests: u64,
    },
    /// A guest that is in no room has left; its name is free.
    Disconnected,
    Joined {
        room: RoomId,
    },
    /// `reason`: what the leaver said of it.
    Left {
        room: RoomId,
        reason: Option<Box<str>>,
    },
    Renamed {
        name: Name,
    },
}

impl From<Kept> for Event {
    fn from(kept: Kept) -> Event {
        Event::Kept(kept)
    }
}

impl From<OrderChange> for Event {
    fn from(change: OrderChange) -> Event {
        Event::Kept(Kept::Order(change))
    }
}

impl From<RoomChange> for Event {
    fn from(change: RoomChange) -> Event {
        Event::Kept(Kept::Room(change))
    }
}

impl From<GuestChange> for Event {
    fn from(change: GuestChange) -> Event {
        Event::Kept(Kept::Guest(change))
    }
}

impl ReadingChange {
    /// The room of which its author's reading is another now.
    pub fn read_in(&self) -> Option<RoomId> {
        match self {
            ReadingChange::Moved { room, .. }
            | ReadingChange::MovedBack { room, .. }
            | ReadingChange::LevelSet { room, .. } => Some(*room),
            ReadingChange::Mentioned { .. } => None,
        }
    }
}

impl From<ReadingChange> for Event {
    fn from(change: ReadingChange) -> Event {
        Event::Kept(Kept::Reading(change))
    }
}

impl From<Cached> for Event {
    fn from(cached: Cached) -> Event {
        Event::Cached(cached)
    }
}

impl From<Presence> for Event {
    fn from(presence: Presence) -> Event {
        Event::Presence(presence)
    }
}

/// Takes the records of each turn as one group. It retains nothing unless it is asked to, for a
/// replay.
#[derive(Debug, Default)]
pub struct Journal {
    /// Of the turn that is being received.
    group: Vec<Record>,
    /// Whole groups that nobody has taken yet.
    retained: Vec<Record>,
    retains: bool,
}

impl Journal {
    /// A journal that retains its records until they are taken.
    pub fn retaining() -> Journal {
        Journal { retains: true, ..Journal::default() }
    }

    /// Adds to the group of this turn.
    pub(super) fn append(&mut self, record: &Record) {
        if self.retains {
            self.group.push(record.clone());
        }
    }

    /// The same of one that is made only if it is retained.
    pub(super) fn append_with(&mut self, record: impl FnOnce() -> Record) {
        if self.retains {
            self.group.push(record());
        }
    }

    /// The group of this turn so far.
    pub(super) fn group(&self) -> &[Record] {
        &self.group
    }

    /// Ends the group: nothing that follows from its records has left the server yet.
    pub(super) fn keep(&mut self) {
        self.retained.append(&mut self.group);
    }

    /// The records of all groups since this was last called.
    pub fn take(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.retained)
    }
}
