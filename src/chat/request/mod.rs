//! What a client can ask for; [`commands`] is the table of what people type.

mod account;
pub mod commands;
mod conversation;
pub mod order;
mod people;
mod preference;
mod reading;
mod room;

use std::borrow::Cow;

pub use account::{AccountRequest, SessionRef};
pub use conversation::ConversationRequest;
pub use order::OrderRequest;
pub use people::PeopleRequest;
pub use preference::PreferenceRequest;
pub use reading::ReadingRequest;
pub use room::{RoomRequest, SettingsChange};

use crate::chat::state::history::MessageKind;
use crate::chat::text;

/// A request, whatever dialect it came in.
#[derive(Clone, Debug, PartialEq)]
pub enum Request<'a> {
    Say {
        room: Option<Cow<'a, str>>,
        text: Cow<'a, str>,
        kind: MessageKind,
        /// What the sender knows it by: sent again under the same key, it is said once.
        key: Option<Cow<'a, str>>,
    },
    Direct {
        to: Cow<'a, str>,
        text: Cow<'a, str>,
        key: Option<Cow<'a, str>>,
    },
    /// `code`: of an invitation that lets one in. `replay`: how much of what was said before is
    /// wanted, in messages.
    Join {
        room: Cow<'a, str>,
        code: Option<Cow<'a, str>>,
        resume: Option<Resume<'a>>,
        replay: Option<u32>,
    },
    Leave {
        room: Option<Cow<'a, str>>,
    },
    Nick {
        name: Cow<'a, str>,
    },
    /// Without a text: asks for it. An empty text clears it.
    Topic {
        room: Option<Cow<'a, str>>,
        text: Option<Cow<'a, str>>,
    },
    History {
        room: Option<Cow<'a, str>>,
        before: Option<u64>,
        after: Option<u64>,
        limit: Option<u32>,
    },
    /// `name`: those alone in whose names it is. `after`: so many members have been seen.
    Who {
        room: Option<Cow<'a, str>>,
        name: Option<Cow<'a, str>>,
        after: u64,
        limit: Option<u32>,
    },
    /// `after`: so many rooms have been seen.
    Rooms {
        after: u64,
        limit: Option<u32>,
    },
    /// Without a text: the next page of the last search. `before`: the `next` of the page before.
    Search {
        text: Option<Cow<'a, str>>,
        room: Option<Cow<'a, str>>,
        before: Option<u64>,
        limit: Option<u32>,
    },
    Typing {
        room: Option<Cow<'a, str>>,
    },
    /// Where one talks.
    Where,
    /// Whether the line that somebody types at a terminal is edited here.
    Edit {
        on: bool,
    },
    /// About what two accounts say to each other.
    Conversation(ConversationRequest<'a>),
    /// About accounts: being known, and what comes with it.
    Account(AccountRequest<'a>),
    /// About order: what is done about people.
    Order(OrderRequest<'a>),
    /// About rooms that are kept for somebody.
    Room(RoomRequest<'a>),
    /// About what was read, and what was not.
    Reading(ReadingRequest<'a>),
    /// About who is here.
    People(PeopleRequest<'a>),
    /// About how one is shown things.
    Preference(PreferenceRequest<'a>),
    Help {
        about: Option<Cow<'a, str>>,
    },
    Quit {
        reason: Option<Cow<'a, str>>,
    },
    /// An empty line.
    Nothing,
}

/// See [`Request::said_to`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaidTo<'a> {
    /// The room that its sender talks in, if none is named.
    Room(Option<&'a str>),
    User(&'a str),
}

impl Request<'_> {
    /// Whether others see anything of it, and not only the one who is answered. Without a wildcard:
    /// a new request has to say so.
    pub fn concerns_others(&self) -> bool {
        match self {
            Request::Say { .. }
            | Request::Direct { .. }
            | Request::Join { .. }
            | Request::Leave { .. }
            | Request::Nick { .. }
            | Request::Topic { text: Some(_), .. }
            | Request::Typing { .. }
            | Request::Quit { .. } => true,
            Request::Account(request) => request.changes(),
            Request::Order(request) => request.changes(),
            Request::Reading(request) => request.changes(),
            Request::Room(request) => request.changes(),
            Request::People(request) => request.changes(),
            Request::Conversation(_)
            | Request::Topic { text: None, .. }
            | Request::History { .. }
            | Request::Who { .. }
            | Request::Rooms { .. }
            | Request::Search { .. }
            | Request::Preference(_)
            | Request::Help { .. }
            | Request::Where
            | Request::Edit { .. }
            | Request::Nothing => false,
        }
    }

    /// Whether its answer may be large: what others say comes first, and it waits while memory is
    /// short.
    pub fn asks_much(&self) -> bool {
        match self {
            Request::History { .. }
            | Request::Who { .. }
            | Request::Rooms { .. }
            | Request::Search { .. }
            | Request::Conversation(_) => true,
            Request::Join { resume, replay, .. } => resume.is_some() || replay.is_some(),
            Request::Reading(request) => request.asks_much(),
            Request::Account(request) => request.asks_much(),
            Request::Say { .. }
            | Request::Direct { .. }
            | Request::Leave { .. }
            | Request::Nick { .. }
            | Request::Topic { .. }
            | Request::Typing { .. }
            | Request::Help { .. }
            | Request::Quit { .. }
            | Request::Order(_)
            | Request::Room(_)
            | Request::People(_)
            | Request::Where
            | Request::Edit { .. }
            | Request::Preference(_)
            | Request::Nothing => false,
        }
    }

    /// Whether it is recorded while hardly any space is left: people have to be able to end what
    /// fills the disk, and to go. It takes little, and some of it makes room.
    pub fn keeps_order(&self) -> bool {
        match self {
            Request::Leave { .. } => true,
            Request::Order(request) => matches!(
                request,
                OrderRequest::Ban { .. }
                    | OrderRequest::Unban { .. }
                    | OrderRequest::Mute { .. }
                    | OrderRequest::Unmute { .. }
                    | OrderRequest::DeleteMessage { .. }
            ),
            Request::Room(request) => {
                matches!(
                    request,
                    RoomRequest::Kick { .. }
                        | RoomRequest::Delete { .. }
                        | RoomRequest::EndHook { .. }
                )
            }
            Request::Account(request) => matches!(
                request,
                // Who keeps order may have to log in first.
                AccountRequest::Login { .. }
                    | AccountRequest::Confirm { .. }
                    | AccountRequest::Cookie { .. }
                    | AccountRequest::Logout
                    | AccountRequest::EndSession { .. }
                    | AccountRequest::Uninvite { .. }
            ),
            _ => false,
        }
    }

    /// Whether it changes what is kept, of guests as well. A direct message does if both have accounts.
    pub fn records(&self) -> bool {
        match self {
            Request::Say { .. }
            | Request::Topic { text: Some(_), .. }
            | Request::Join { code: Some(_), .. } => true,
            Request::Account(request) => request.records(),
            Request::Order(request) => request.changes(),
            Request::Reading(request) => request.records(),
            Request::Room(request) => request.changes(),
            Request::Conversation(_)
            | Request::Direct { .. }
            | Request::Topic { text: None, .. }
            | Request::Join { code: None, .. }
            | Request::Leave { .. }
            | Request::Nick { .. }
            | Request::History { .. }
            | Request::Who { .. }
            | Request::Rooms { .. }
            | Request::Typing { .. }
            | Request::Help { .. }
            | Request::Search { .. }
            | Request::People(_)
            | Request::Preference(_)
            | Request::Quit { .. }
            | Request::Where
            | Request::Edit { .. }
            | Request::Nothing => false,
        }
    }

    /// How many lines somebody else is shown of it.
    pub fn lines(&self) -> usize {
        match self {
            Request::Say { text, .. } | Request::Direct { text, .. } => text::lines_of(text),
            _ => 0,
        }
    }

    /// Whether it changes what is kept of a user who is kept: its name, or where it is a member.
    pub fn changes_user(&self) -> bool {
        matches!(self, Request::Join { .. } | Request::Leave { .. } | Request::Nick { .. })
    }

    /// Whom it says something to, as typed: that may have to wait until they have caught up.
    pub fn said_to(&self) -> Option<SaidTo<'_>> {
        match self {
            Request::Say { room, .. } | Request::Topic { room, text: Some(_) } => {
                Some(SaidTo::Room(room.as_deref()))
            }
            Request::Direct { to, .. } => Some(SaidTo::User(to)),
            Request::Topic { text: None, .. }
            | Request::Join { .. }
            | Request::Leave { .. }
            | Request::Nick { .. }
            | Request::History { .. }
            | Request::Who { .. }
            | Request::Rooms { .. }
            | Request::Typing { .. }
            | Request::Help { .. }
            | Request::Search { .. }
            | Request::Quit { .. }
            | Request::Conversation(_)
            | Request::Account(_)
            | Request::Order(_)
            | Request::Room(_)
            | Request::Reading(_)
            | Request::People(_)
            | Request::Where
            | Request::Edit { .. }
            | Request::Preference(_)
            | Request::Nothing => None,
        }
    }

    /// The room that the store may have to be asked for: the one that it names, or whose name another
    /// is to have. One that is renamed is in memory.
    pub fn looked_up(&self) -> Option<&str> {
        match self {
            Request::Room(RoomRequest::Rename { name, .. }) => Some(name),
            _ => self.room(),
        }
    }

    /// The room that it names, as typed.
    pub fn room(&self) -> Option<&str> {
        match self {
            Request::Join { room, .. } => Some(room),
            Request::Room(request) => request.room(),
            Request::Reading(request) => request.room(),
            Request::Say { room, .. }
            | Request::Leave { room }
            | Request::Topic { room, .. }
            | Request::History { room, .. }
            | Request::Who { room, .. }
            | Request::Typing { room } => room.as_deref(),
            Request::Order(request) => request.room(),
            Request::Direct { .. }
            | Request::Nick { .. }
            | Request::Rooms { .. }
            | Request::Help { .. }
            | Request::Search { .. }
            | Request::Quit { .. }
            | Request::Conversation(_)
            | Request::Account(_)
            | Request::People(_)
            | Request::Where
            | Request::Edit { .. }
            | Request::Preference(_)
            | Request::Nothing => None,
        }
    }
}

/// Where a client that reconnects left off.
#[derive(Clone, Debug, PartialEq)]
pub struct Resume<'a> {
    /// The last message id that it has seen.
    pub since: u64,
    /// The epoch of that id, if the client says.
    pub epoch: Option<Cow<'a, str>>,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestError {
    /// For programs.
    pub code: &'static str,
    /// For people: what was wrong and what to do.
    pub message: String,
}

impl RequestError {
    pub fn new(code: &'static str, message: String) -> RequestError {
        RequestError { code, message }
    }

    /// The error's own words, as a sentence.
    pub fn of(code: &'static str, error: &dyn std::error::Error) -> RequestError {
        let mut message = error.to_string();
        if let Some(first) = message.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        RequestError { code, message: message + "." }
    }
}
