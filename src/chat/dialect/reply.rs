//! All that clients can be told, whatever their dialect. The fields, their order and their
//! attributes are those of the JSON dialect.

use serde::Serialize;

use super::json::RequestRef;
use crate::chat::state::Unread;
use crate::chat::state::history::{Message, MessageKind};
use crate::store::StoredMessage;

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
        text: &'a str,
        time: u64,
        /// Whether this copy is the sender's.
        #[serde(skip)]
        sent: bool,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    History {
        room: &'a str,
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
    /// `accounts` and `offline`: which of the members are accounts, and which are not here now.
    Members {
        room: &'a str,
        members: Vec<&'a str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        accounts: Vec<&'a str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        offline: Vec<&'a str>,
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
    Typing {
        room: &'a str,
        name: &'a str,
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
    /// What one's account has read of a room, and what it has not.
    Read {
        room: &'a str,
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

/// A message of a room.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Line<'a> {
    pub id: u64,
    pub time: u64,
    pub name: &'a str,
    pub text: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    pub me: bool,
}

impl<'a> Line<'a> {
    pub fn new(id: u64, message: &'a Message) -> Line<'a> {
        Line {
            id,
            time: message.unix_ms(),
            name: message.author(),
            text: message.text(),
            me: message.kind() == MessageKind::Action,
        }
    }

    /// As a store keeps it.
    pub fn stored(message: &'a StoredMessage) -> Line<'a> {
        let StoredMessage { id, unix_ms: time, is_action: me, author: name, text } = message;
        Line { id: *id, time: *time, name, text, me: *me }
    }
}

/// A message that was found; of a long text, what is around the first word.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct HitLine<'a> {
    pub room: &'a str,
    #[serde(flatten)]
    pub line: Line<'a>,
}

/// A browser or a program that is known as an account.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SessionLine<'a> {
    pub id: u32,
    /// `token` or `browser`.
    pub kind: &'a str,
    pub label: &'a str,
    pub created: u64,
    /// How many connections have come by it.
    pub connected: usize,
    #[serde(skip_serializing_if = "is_false")]
    pub you: bool,
}

/// An invitation of one's own.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct InvitationLine {
    pub id: u64,
    /// How often it can still be used, if not any number of times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses: Option<u32>,
    /// When it ends, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

/// What only the client that joins is told.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct JoinedSelf<'a> {
    pub you: bool,
    /// The id of the room's last message; 0 before the first.
    pub position: u64,
    /// Whether some of the missed messages are gone.
    pub gap: bool,
    pub members: u32,
    pub topic: &'a str,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub reading: Option<ReadingLine>,
}

/// What an account has read of a room, and what it has not.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ReadingLine {
    pub read: u64,
    pub unread: u64,
    pub mentions: usize,
    pub level: &'static str,
}

impl ReadingLine {
    pub fn of(unread: &Unread) -> ReadingLine {
        let Unread { read, unread, mentions, level, .. } = *unread;
        ReadingLine { read, unread, mentions, level: level.as_str() }
    }
}

/// The same, in a list of rooms.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct UnreadRoom<'a> {
    pub room: &'a str,
    pub read: u64,
    pub last: u64,
    pub unread: u64,
    pub mentions: usize,
    pub level: &'static str,
}

impl<'a> UnreadRoom<'a> {
    pub fn new(room: &'a str, unread: &Unread) -> UnreadRoom<'a> {
        let Unread { read, last, unread, mentions, level } = *unread;
        UnreadRoom { room, read, last, unread, mentions, level: level.as_str() }
    }
}

/// A room in the list of rooms.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RoomSummary<'a> {
    pub room: &'a str,
    pub members: u32,
    pub topic: &'a str,
}

/// The limits that a program may want to know.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ServerLimits {
    pub message_bytes: usize,
    pub name_chars: usize,
    pub room_chars: usize,
    pub rooms: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_false(value: &bool) -> bool {
    !value
}
