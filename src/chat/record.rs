//! What changes the state of the chat, in the order it was committed.

use std::collections::VecDeque;

use crate::chat::dialect::json::RequestRef;
use crate::chat::name::{Name, RoomName};
use crate::chat::state::history::Message;
use crate::delivery::channels::ChannelId as RoomId;
use crate::ids::{ClientId, Peer};

/// Something that happened. State changes only by applying one.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// A client has its first name.
    Connected {
        name: Name,
        peer: Peer,
    },
    /// A client that is in no room has left; its name is free.
    Disconnected,
    /// A room is there.
    Opened {
        room: RoomId,
        name: RoomName,
    },
    /// A room that nobody is in is forgotten, with all that was said there.
    Closed {
        room: RoomId,
    },
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
    Topic {
        room: RoomId,
        text: Box<str>,
    },
    Said {
        room: RoomId,
        message: Message,
    },
    Direct {
        to: ClientId,
        text: Box<str>,
    },
}

/// An event, who caused it, and when it was committed.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub event: Record,
    pub by: ClientId,
    /// What the client that caused it wants to see in the answer.
    pub reference: Option<RequestRef>,
    pub unix_ms: u64,
}

/// The one order of all events. This one lives in memory and commits at once; one that is durable
/// or shared commits later, and gives the same entries out of [`Journal::committed`] then.
#[derive(Debug, Default)]
pub struct Journal {
    committed: VecDeque<Entry>,
}

impl Journal {
    pub fn append(&mut self, entry: Entry) {
        self.committed.push_back(entry);
    }

    /// The next entry to apply.
    pub fn committed(&mut self) -> Option<Entry> {
        self.committed.pop_front()
    }
}
