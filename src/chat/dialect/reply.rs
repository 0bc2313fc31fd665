//! All that clients can be told, whatever their dialect. The fields, their order and their
//! attributes are those of the JSON dialect.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::json::RequestRef;
pub use super::rows::{
    AccountLine, AwayLine, BanLine, BotLine, ConversationLine, Here, HitLine, HookLine,
    InvitationLine, JoinedSelf, NewHook, Person, ReadingLine, RoomState, RoomSummary, ServerLimits,
    SessionLine, SettingChange, UnreadRoom,
};
use crate::chat::ids::UserId;
use crate::chat::state::history::{Message, MessageKind};
use crate::store::{StoredMessage, is_hook_author};

/// One thing that a client is told.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Reply<'a> {
    Welcome {
        name: &'a str,
        epoch: &'a str,
        server: &'a str,
        time: u64,
        limits: ServerLimits,
        /// What an account may do on this server; a guest has none.
        #[serde(skip_serializing_if = "Option::is_none")]
        role: Option<&'a str>,
        /// How one comes to an account here, `invited` or `open`; none where passwords are not
        /// taken.
        #[serde(skip_serializing_if = "Option::is_none")]
        accounts: Option<&'a str>,
        /// With what this guest may come back, if it has asked for that.
        #[serde(skip_serializing_if = "Option::is_none")]
        resume: Option<&'a str>,
        /// It has come back, and is who and where it was.
        #[serde(skip_serializing_if = "is_false")]
        resumed: bool,
    },
    Said {
        room: &'a str,
        #[serde(flatten)]
        line: Line<'a>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    Joined {
        room: &'a str,
        name: &'a str,
        time: u64,
        #[serde(flatten, skip_serializing_if = "Option::is_none")]
        own: Option<JoinedSelf<'a>>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    Left {
        room: &'a str,
        name: &'a str,
        time: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
        /// Who removed them.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<&'a str>,
        #[serde(skip_serializing_if = "is_false")]
        you: bool,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    Renamed {
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<&'a str>,
        from: &'a str,
        to: &'a str,
        time: u64,
        #[serde(skip_serializing_if = "is_false")]
        you: bool,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    /// Changes that were not told one by one.
    Presence {
        room: &'a str,
        joined: u32,
        left: u32,
        renamed: u32,
        members: u32,
        time: u64,
    },
    Topic {
        room: &'a str,
        topic: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        time: Option<u64>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    Direct {
        from: &'a str,
        to: &'a str,
        /// Its place in their conversation, if that is kept.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        #[serde(skip_serializing_if = "str::is_empty")]
        text: &'a str,
        time: u64,
        /// Whether one of them is a guest: then it is passed on, and not kept.
        #[serde(skip_serializing_if = "is_false")]
        guest: bool,
        /// Whether this copy is the sender's.
        #[serde(skip)]
        sent: bool,
        /// Whether the reader has an account, and the other one has none.
        #[serde(skip)]
        marks_guest: bool,
        /// It was deleted, and has no text; told to a sender that sends it again.
        #[serde(skip_serializing_if = "is_false")]
        deleted: bool,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    /// Of a message only a tombstone is left.
    Deleted {
        #[serde(flatten)]
        place: Where<'a>,
        id: u64,
        by: &'a str,
        time: u64,
        /// Who had said it.
        #[serde(skip)]
        name: &'a str,
        /// What it was: for the one who has deleted it, to see whether it was that.
        #[serde(skip)]
        text: Option<&'a str>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    /// Of the messages between these two, the ones of which only tombstones are left.
    Deletions {
        #[serde(flatten)]
        place: Where<'a>,
        after: u64,
        before: u64,
        ids: Vec<u64>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    History {
        #[serde(flatten)]
        place: Where<'a>,
        messages: Vec<Line<'a>>,
        more: bool,
        #[serde(skip_serializing_if = "is_false")]
        replay: bool,
        /// These are the first of so many that are unread.
        #[serde(skip)]
        unread: Option<u64>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    /// `accounts`, `bots`, `offline` and `away`: which of the members are accounts, which of those
    /// are bots, which are not here now, and which say that they are away.
    Members {
        room: &'a str,
        members: Vec<&'a str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        accounts: Vec<&'a str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        bots: Vec<&'a str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        offline: Vec<&'a str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        away: Vec<&'a str>,
        /// What those may do here who are more than members.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        roles: BTreeMap<&'a str, &'a str>,
        total: usize,
        #[serde(skip)]
        after: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<u64>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    Rooms {
        rooms: Vec<RoomSummary<'a>>,
        total: usize,
        #[serde(skip)]
        after: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<u64>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    /// What was searched for, newest first.
    Found {
        hits: Vec<HitLine<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<u64>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    /// The conversations of an account, the one spoken in last first.
    Conversations {
        conversations: Vec<ConversationLine<'a>>,
        total: usize,
        #[serde(skip)]
        after: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<u64>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    Typing {
        room: &'a str,
        name: &'a str,
    },
    Away(AwayLine<'a>),
    Whois(Person<'a>),
    /// What holds in a room.
    Room(RoomState<'a>),
    /// Somebody may do something else in a room from now on.
    Role {
        room: &'a str,
        name: &'a str,
        role: &'a str,
        by: &'a str,
        time: u64,
    },
    /// The client may join a room.
    Invited {
        room: &'a str,
        by: &'a str,
        time: u64,
    },
    /// The client is not let into a room.
    Refused {
        room: &'a str,
        time: u64,
    },
    /// The client has asked to be let into a room, or somebody asks the client for that.
    Asked {
        room: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    /// Who the client is now; a guest has no role.
    Account {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        role: Option<&'a str>,
        rooms: Vec<&'a str>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    /// The accounts that there are, for admins.
    Accounts {
        accounts: Vec<AccountLine<'a>>,
        total: usize,
        #[serde(skip)]
        after: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<u64>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    /// A bot of the client's, and what it is known by from now on.
    Bot {
        name: &'a str,
        token: &'a str,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    /// The bots of an account.
    Bots {
        bots: Vec<BotLine<'a>>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    Hook(NewHook<'a>),
    /// The hooks of a room.
    Hooks {
        room: &'a str,
        hooks: Vec<HookLine<'a>>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    /// The browsers and programs that are known as an account.
    Sessions {
        sessions: Vec<SessionLine<'a>>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    Token {
        token: &'a str,
        id: u32,
        label: &'a str,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    /// What a page fetches its cookie with.
    Cookie {
        code: &'a str,
        id: u32,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    Invitation {
        code: &'a str,
        #[serde(flatten)]
        line: InvitationLine,
        #[serde(skip_serializing_if = "Option::is_none")]
        link: Option<&'a str>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    Invitations {
        invitations: Vec<InvitationLine>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    /// A terminal that wants to be let in, or has been.
    Confirm {
        address: &'a str,
        done: bool,
        #[serde(skip)]
        code: &'a str,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    /// Who is banned.
    Bans {
        bans: Vec<BanLine<'a>>,
        total: usize,
        #[serde(skip)]
        after: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<u64>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    /// The client may say nothing in a room any more.
    Muted {
        room: &'a str,
        name: &'a str,
        by: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        until: Option<u64>,
        #[serde(skip_serializing_if = "str::is_empty")]
        reason: &'a str,
        time: u64,
    },
    /// It may again.
    Unmuted {
        room: &'a str,
        name: &'a str,
        by: &'a str,
        time: u64,
    },
    /// Whom the client ignores.
    Ignored {
        names: Vec<&'a str>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    /// What one's account has read of a room, and what it has not.
    Read {
        #[serde(flatten)]
        place: Where<'a>,
        id: u64,
        unread: u64,
        mentions: usize,
        level: &'a str,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    /// The same of all its rooms.
    Unread {
        rooms: Vec<UnreadRoom<'a>>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    /// It was done, and there is nothing more to say of it. `line`: what people are told.
    Done {
        what: &'a str,
        #[serde(skip)]
        line: &'a str,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    Error {
        code: &'a str,
        message: &'a str,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
}

/// Where something was said: in a room, or between the reader and somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Where<'a> {
    Room(&'a str),
    With(Cow<'a, str>),
}

/// Where from, in a sentence.
impl fmt::Display for Where<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Where::Room(room) => write!(f, "in {room}"),
            Where::With(name) => write!(f, "from {name}"),
        }
    }
}

/// A message of a room.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Line<'a> {
    pub id: u64,
    pub time: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub text: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    pub me: bool,
    /// It was posted to a hook: nobody has said it.
    #[serde(skip_serializing_if = "is_false")]
    pub hook: bool,
    /// The account that said it.
    #[serde(skip)]
    pub account: Option<UserId>,
    /// Its reader ignores who said it, and gets neither name nor text.
    #[serde(skip_serializing_if = "is_false")]
    pub ignored: bool,
    /// A tombstone, which has no text.
    #[serde(skip_serializing_if = "is_false")]
    pub deleted: bool,
}

impl<'a> Line<'a> {
    /// What is left of a message for those who ignore who said it.
    pub fn stub(id: u64, time: u64) -> Line<'a> {
        let (name, text, me, hook, account) = ("", "", false, false, None);
        Line { id, time, name, text, me, hook, account, ignored: true, deleted: false }
    }

    pub fn new(id: u64, message: &'a Message) -> Line<'a> {
        Line {
            id,
            time: message.unix_ms(),
            name: message.author(),
            text: message.text(),
            me: message.kind() == MessageKind::Action,
            hook: is_hook_author(message.author()),
            account: message.account(),
            ignored: false,
            deleted: message.is_deleted(),
        }
    }

    /// As a store keeps it.
    pub fn stored(message: &'a StoredMessage) -> Line<'a> {
        let StoredMessage { id, unix_ms: time, is_action: me, author: name, text, account } =
            message;
        let account = account.and_then(UserId::new);
        let (hook, deleted) = (is_hook_author(name), text.is_empty());
        Line { id: *id, time: *time, name, text, me: *me, hook, account, ignored: false, deleted }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
pub(super) fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
pub(super) fn is_true(value: &bool) -> bool {
    *value
}
