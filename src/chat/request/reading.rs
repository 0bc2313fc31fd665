//! What a client can ask for that is about what its account has read.

use std::borrow::Cow;

use super::Request;
use crate::chat::state::readings::Level;

/// See [`Request::Reading`].
#[derive(Clone, Debug, PartialEq)]
pub enum ReadingRequest<'a> {
    /// All up to this message has been read; with `back`, nothing after it.
    Read { room: Option<Cow<'a, str>>, id: u64, back: bool },
    /// Asks how much is unread in each room.
    Unread,
    /// Shows what is unread, a page at a time, which is read then.
    Print { room: Option<Cow<'a, str>> },
    /// Says of what in a room one wants to be told.
    Level { room: Option<Cow<'a, str>>, level: Level },
}

impl ReadingRequest<'_> {
    /// Whether it is done though nobody reads the answer.
    pub fn changes(&self) -> bool {
        match self {
            ReadingRequest::Read { .. } | ReadingRequest::Level { .. } => true,
            ReadingRequest::Unread | ReadingRequest::Print { .. } => false,
        }
    }

    /// Whether it changes what is kept at once. How far somebody has read is kept a while later.
    pub fn records(&self) -> bool {
        match self {
            ReadingRequest::Level { .. } => true,
            ReadingRequest::Read { back, .. } => *back,
            ReadingRequest::Unread | ReadingRequest::Print { .. } => false,
        }
    }

    /// Whether its answer may be large.
    pub fn asks_much(&self) -> bool {
        matches!(self, ReadingRequest::Print { .. })
    }

    /// The room that it names, as typed.
    pub fn room(&self) -> Option<&str> {
        match self {
            ReadingRequest::Read { room, .. }
            | ReadingRequest::Print { room }
            | ReadingRequest::Level { room, .. } => room.as_deref(),
            ReadingRequest::Unread => None,
        }
    }
}

impl<'a> From<ReadingRequest<'a>> for Request<'a> {
    fn from(request: ReadingRequest<'a>) -> Request<'a> {
        Request::Reading(request)
    }
}
