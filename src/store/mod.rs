//! What is kept for good, and how to ask for it: a store's trait, and the words that it takes.
//!
//! A chat hands over the changes of each turn as one *group* and goes on. What leaves the server
//! waits until the store says that the group is durable: what anybody was shown is never taken
//! back. Reading is slow work: a [`Reader`] is called on another thread.

pub mod order;
pub mod place;
mod readings;
mod rules;
pub mod search;
pub mod sqlite;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub use readings::{CALLS_MAX, ReadingChange, StoredReading};

use thiserror::Error;

pub use rules::{
    RulesChange, StoredHook, StoredRecord, StoredRoomName, StoredRules, StoredSettings,
    hook_author, is_hook_author,
};

use crate::ids::GroupId;
use crate::metrics::Exposition;
use crate::store::order::{OrderChange, StoredOrder};

/// One change to what is kept. Rooms are named by the ids that the chat gives them. What a change
/// names has to be there: a key's account, a member's room, and whatever it says is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A room is there, and nothing was said in it yet. `first_id`: the id that its first message
    /// will have. A conversation of two accounts is a room with no skeletons, whose name and key
    /// begin with an `@`.
    RoomOpened {
        room: u64,
        name: Box<str>,
        key: Box<str>,
        skeletons: Vec<Box<str>>,
        first_id: u64,
    },
    /// A room is gone, with its memberships. Nothing that was said in it is left.
    RoomClosed {
        room: u64,
    },
    TopicSet {
        room: u64,
        topic: Box<str>,
    },
    /// A message; ids of a room have no holes.
    Said {
        room: u64,
        message: StoredMessage,
        key: Option<Box<str>>,
    },
    /// Of a message only a tombstone is left, without its text, and it is for nobody any more.
    Deleted {
        room: u64,
        id: u64,
    },
    /// How many numbers guests have been given.
    Guests(u64),
    /// An account is there, or is as this says now.
    Account(StoredAccount),
    /// An account is gone, with its keys, its memberships and its invitations.
    AccountGone {
        account: u64,
    },
    AccessKey(StoredAccessKey),
    AccessKeyGone {
        account: u64,
        key: u32,
    },
    /// An account is a member of a room, which is kept.
    Member {
        room: u64,
        account: u64,
    },
    MemberGone {
        room: u64,
        account: u64,
    },
    /// An invitation is there, or is as this says now.
    Invitation(StoredInvitation),
    InvitationGone {
        invitation: u64,
    },
    /// A name stays reserved for the account that had it.
    Reserved(StoredName),
    ReservedGone {
        key: Box<str>,
    },
    /// A guest's token is there, or is as this says now. What was changed while the disk was full
    /// is not told, so a token that goes need not be there.
    GuestToken(StoredGuestToken),
    GuestTokenGone {
        hash: [u8; 32],
    },
    Order(OrderChange),
    /// What an account has read has changed, or what is for it.
    Reading(ReadingChange),
    /// What holds in a room.
    Rules(RulesChange),
}

/// An account as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAccount {
    /// Never given twice: it was its guest's, so a later account may have a lower one.
    pub account: u64,
    pub name: Box<str>,
    /// Of its name.
    pub key: Box<str>,
    /// Of its password, as a PHC string.
    pub password: Option<Box<str>>,
    /// 0: none, 1: admin, 2: owner.
    pub role: u8,
    pub created_ms: u64,
    /// The account whose bot it is.
    pub owner: Option<u64>,
}

/// What a browser or a program shows to be known by; what is kept is its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAccessKey {
    pub account: u64,
    /// Counts the keys of this account.
    pub key: u32,
    /// SHA-256.
    pub hash: [u8; 32],
    /// A program's token, or else a browser's cookie.
    pub is_token: bool,
    pub label: Box<str>,
    pub created_ms: u64,
}

/// A code that lets somebody have an account, enter rooms, or have a new password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredInvitation {
    /// Given out in ascending order and never twice.
    pub invitation: u64,
    /// SHA-256 of its code.
    pub hash: [u8; 32],
    /// The account that has made it.
    pub by: u64,
    /// The account whose password it sets, if it makes none.
    pub resets: Option<u64>,
    /// How often it can still be used; `None`: any number of times.
    pub uses: Option<u32>,
    /// When it ends, if it does.
    pub until_ms: Option<u64>,
    /// The rooms that it lets into, in ascending order.
    pub rooms: Vec<u64>,
    /// Whether it lets somebody have an account.
    pub makes_account: bool,
}

/// A name that nobody can take for a while but an account that has had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredName {
    pub key: Box<str>,
    pub name: Box<str>,
    pub account: u64,
    pub until_ms: u64,
}

/// What a guest shows to come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredGuestToken {
    /// SHA-256.
    pub hash: [u8; 32],
    /// Of the token that this one has taken the place of, while that is still good.
    pub before: Option<[u8; 32]>,
    /// What the guest was called.
    pub name: Box<str>,
    pub until_ms: u64,
}

/// Accounts and what belongs to them, and the tokens of guests: all of it is in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredPeople {
    /// Each list in ascending order of its ids.
    pub accounts: Vec<StoredAccount>,
    pub keys: Vec<StoredAccessKey>,
    /// Rooms and accounts, in the order in which they joined.
    pub members: Vec<(u64, u64)>,
    pub invitations: Vec<StoredInvitation>,
    /// In ascending order of their ends.
    pub reserved: Vec<StoredName>,
    /// In ascending order of their ends.
    pub guests: Vec<StoredGuestToken>,
    /// In ascending order of accounts and rooms.
    pub readings: Vec<StoredReading>,
    /// Messages that are for an account, and unread as far as is kept: rooms, accounts and ids,
    /// in ascending order.
    pub mentions: Vec<(u64, u64, u64)>,
    /// Messages that are for everybody in a room: rooms and ids, in ascending order, and which
    /// accounts have said them.
    pub calls: Vec<(u64, u64, Option<u64>)>,
    /// The ids of the account and of the invitation that are made next, 1 at the beginning.
    pub next_account: u64,
    pub next_invitation: u64,
    pub rules: StoredRules,
}

/// A message as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    pub id: u64,
    pub unix_ms: u64,
    pub is_action: bool,
    /// As shown at the time.
    pub author: Box<str>,
    /// Empty of one that was deleted.
    pub text: Box<str>,
    /// The account that said it; a guest has none.
    pub account: Option<u64>,
}

impl StoredMessage {
    /// Leaves a tombstone.
    pub fn delete(&mut self) {
        self.text = "".into();
        self.is_action = false;
    }
}

/// A room as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRoom {
    pub room: u64,
    pub name: Box<str>,
    pub topic: Box<str>,
    /// The ids of the messages that are kept: the first, and the one that comes next.
    pub first_id: u64,
    pub next_id: u64,
    /// The newest messages that fit into what the reader was asked for, oldest first.
    pub newest: Vec<StoredMessage>,
}

/// What a chat starts with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Belongs to the data: message ids start over with it.
    pub epoch: Box<str>,
    pub guests: u64,
    /// The id of the room that is opened next.
    pub next_room: u64,
    /// The highest message id of any room that is no more.
    pub ids_used: u64,
    /// The rooms spoken in last, as many as were asked for, and all that have members or settings,
    /// the last one spoken in first; and all conversations, in the same order.
    pub rooms: Vec<StoredRoom>,
    /// The newest keys of messages, the oldest of them first: [`KEYS_MAX`] at most.
    pub keys: Vec<StoredKey>,
    pub people: StoredPeople,
    pub order: StoredOrder,
}

/// As many keys as a chat knows messages by that are sent again.
pub const KEYS_MAX: usize = 65_536;

/// The key that a client gave to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    pub room: u64,
    pub key: Box<str>,
    /// Of the message.
    pub id: u64,
    pub unix_ms: u64,
    /// The account that has said it.
    pub account: Option<u64>,
}

/// What has become of the groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// All groups up to this one are durable.
    Durable(GroupId),
    /// The groups after this one will never be: what is in memory is ahead of the store, and has
    /// to be thrown away ([`Store::reload`]). The store goes on, with this group's successor.
    Lost(GroupId),
    /// As `Lost`, and the store will take nothing more: the process has to end.
    Broken(GroupId),
}

/// What was said before this message of a room is no longer kept: it was too old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired {
    pub room: u64,
    pub first_id: u64,
}

/// Whether changes can be recorded now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Space {
    #[default]
    Free,
    /// Hardly any is left, or the store has reached its size: only what keeps order is recorded,
    /// which is small.
    Short,
    /// Nothing is to be recorded.
    Full,
}

/// What is called, on another thread, after something has changed of what is asked in
/// every turn.
pub type Wake = Box<dyn Fn() + Send + Sync>;

/// Keeps changes, group by group.
pub trait Store: fmt::Debug {
    /// Begins to make the changes of one turn durable. Groups come in order, without holes.
    fn append(&mut self, group: GroupId, changes: Vec<Change>);

    /// Whom to tell when something has changed; called once, at the start.
    fn set_wake(&mut self, wake: Wake);

    /// What has become of the groups by now. Asked in every turn: it costs next to nothing.
    fn progress(&mut self) -> Progress;

    fn space(&self) -> Space;

    /// Writes what monitors are told of it.
    fn write_metrics(&self, out: &mut Exposition) {
        let _ = out;
    }

    /// What has expired since this was last asked. Asked in every turn, as well.
    fn take_expired(&mut self) -> Vec<Expired>;

    /// What reads it; to be called on another thread.
    fn reader(&self) -> Arc<dyn Reader>;

    /// Whether another process would open what this has open, as far as that can be told.
    ///
    /// # Errors
    /// Why not.
    fn check_release(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Closes it, for another process to go on with it. Nothing is asked of it then, until
    /// [`Store::take_back`].
    ///
    /// # Errors
    /// Why it cannot be closed in order, or that it never can.
    fn release(&mut self) -> Result<(), StoreError> {
        Err(StoreError::Failed("this store cannot be handed over".into()))
    }

    /// Opens it again after [`Store::release`], to go on after the last durable group.
    ///
    /// # Errors
    /// Why it cannot be opened.
    fn take_back(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    /// What is there now, after [`Progress::Lost`]; as at the start.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn reload(&mut self) -> Result<Loaded, StoreError>;
}

/// Which messages of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    pub room: u64,
    /// Ids from this one on,
    pub from: u64,
    /// and before this one.
    pub before: u64,
    /// Whether the newest of them are wanted, or else the oldest.
    pub newest: bool,
    pub messages_max: usize,
    /// Bytes of texts and names; one message is told even if it has more.
    pub bytes_max: usize,
}

/// What a search is for; made from what was typed by [`search`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchRequest {
    /// The words, as typed.
    pub words: Box<str>,
    /// The rooms that are searched, if not all.
    pub rooms: Option<Vec<u64>>,
    /// Rooms of which not all may be read, and the first id that may, if any.
    pub restricted: Vec<(u64, Option<u64>)>,
    /// The account that asks: of all conversations, its own are searched.
    pub reader: Option<u64>,
    /// The name of an author: of somebody, or of a hook.
    pub from: Option<Box<str>>,
    /// Times in milliseconds since 1970.
    pub before_ms: Option<u64>,
    pub after_ms: Option<u64>,
    /// Where the page before ended.
    pub cursor: Option<u64>,
    pub hits_max: usize,
}

/// One message that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    pub room_id: u64,
    pub room: Box<str>,
    pub message: StoredMessage,
}

/// What was found, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub hits: Vec<Hit>,
    /// Where the next page begins, if there is one.
    pub next: Option<u64>,
}

/// A room that was looked for, or another that looks like it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundRoom {
    pub room: Option<StoredRoom>,
    /// The name of another room that could be taken for it.
    pub alike: Option<Box<str>>,
}

/// Reads what is durable. Slow: never called on the event loop.
pub trait Reader: Send + Sync + fmt::Debug {
    /// The room whose name has this key, with its newest messages, and one that looks like it.
    ///
    /// # Errors
    /// Why nothing can be read.
    fn room(
        &self,
        key: &str,
        skeletons: &[Box<str>],
        messages_max: usize,
        bytes_max: usize,
    ) -> Result<FoundRoom, StoreError>;

    /// Messages of a room, oldest first.
    ///
    /// # Errors
    /// Why nothing can be read.
    fn page(&self, page: &PageRequest) -> Result<Vec<StoredMessage>, StoreError>;

    /// Which of these messages of a room are tombstones, in ascending order.
    ///
    /// # Errors
    /// Why nothing can be read, or that it takes too long.
    fn deleted(&self, room: u64, ids: Range<u64>) -> Result<Vec<u64>, StoreError>;

    /// # Errors
    /// Why nothing can be read, or that it takes too long.
    fn search(&self, search: &SearchRequest) -> Result<Found, StoreError>;
}

/// Why something cannot be read or kept.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    #[error("{0}")]
    Failed(Box<str>),
    #[error("that takes too long: look for more, or rarer, words")]
    TooSlow,
}
