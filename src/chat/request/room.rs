//! What a client can ask for that is about rooms which are kept for somebody.

use std::borrow::Cow;

use super::Request;

/// See [`Request::Room`]. Without a `room`, it is the one that its sender talks in.
#[derive(Clone, Debug, PartialEq)]
pub enum RoomRequest<'a> {
    /// Changes what holds in a room; without any change, asks.
    Settings { room: Option<Cow<'a, str>>, changes: SettingsChange<'a> },
    /// The same room under another name.
    Rename { room: Option<Cow<'a, str>>, name: Cow<'a, str> },
    /// `name`: typed back, so that nothing is deleted by mistake.
    Delete { room: Cow<'a, str>, name: Cow<'a, str> },
    /// Keeps a room that a guest has made.
    Keep { room: Option<Cow<'a, str>> },
    /// Says what an account may do in a room.
    Role { room: Option<Cow<'a, str>>, name: Cow<'a, str>, role: Cow<'a, str> },
    /// Lets somebody in.
    Admit { room: Option<Cow<'a, str>>, name: Cow<'a, str> },
    /// Does not let somebody in who has asked.
    Refuse { room: Option<Cow<'a, str>>, name: Cow<'a, str> },
    /// Makes a hook: a token by which a program says something in a room. Of one that there is, it
    /// makes another token.
    Hook { room: Option<Cow<'a, str>>, name: Cow<'a, str> },
    /// Asks which hooks there are in a room.
    Hooks { room: Option<Cow<'a, str>> },
    /// Ends a hook.
    EndHook { room: Option<Cow<'a, str>>, name: Cow<'a, str> },
    /// Removes somebody: for so long, or until a moderator lets them in again.
    Kick {
        room: Option<Cow<'a, str>>,
        name: Cow<'a, str>,
        minutes: Option<u32>,
        reason: Option<Cow<'a, str>>,
    },
}

/// The settings that are to be others, as typed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SettingsChange<'a> {
    pub entry: Option<Cow<'a, str>>,
    pub is_listed: Option<bool>,
    pub newcomers_see: Option<Cow<'a, str>>,
    pub posting: Option<Cow<'a, str>>,
    pub invites: Option<Cow<'a, str>>,
    pub is_archived: Option<bool>,
}

impl SettingsChange<'_> {
    pub fn is_empty(&self) -> bool {
        *self == SettingsChange::default()
    }
}

impl RoomRequest<'_> {
    /// Whether it changes what is kept, and others see something of it: all do that do not only ask.
    pub fn changes(&self) -> bool {
        match self {
            RoomRequest::Settings { changes, .. } => !changes.is_empty(),
            RoomRequest::Hooks { .. } => false,
            _ => true,
        }
    }

    /// The room that it names, as typed.
    pub fn room(&self) -> Option<&str> {
        match self {
            RoomRequest::Settings { room, .. }
            | RoomRequest::Rename { room, .. }
            | RoomRequest::Keep { room }
            | RoomRequest::Admit { room, .. }
            | RoomRequest::Refuse { room, .. }
            | RoomRequest::Hook { room, .. }
            | RoomRequest::Hooks { room }
            | RoomRequest::EndHook { room, .. }
            | RoomRequest::Kick { room, .. }
            | RoomRequest::Role { room, .. } => room.as_deref(),
            RoomRequest::Delete { room, .. } => Some(room),
        }
    }
}

impl<'a> From<RoomRequest<'a>> for Request<'a> {
    fn from(request: RoomRequest<'a>) -> Request<'a> {
        Request::Room(request)
    }
}
