//! How the arguments of commands are read that are about rooms.

use std::borrow::Cow;

use super::{CommandSpec, optional, split, word, word_or_more};
use crate::chat::request::order::sentence;
use crate::chat::request::{AccountRequest, Request, RoomRequest, SettingsChange};
use crate::chat::state::history::MessageKind;
use crate::chat::state::rooms::rules::RoomRole;

/// A room at the beginning, and the rest.
fn leading_room(arguments: &str) -> (Option<Cow<'_, str>>, &str) {
    match split(arguments) {
        (room, rest) if room.starts_with(['#', '＃']) => (Some(room.into()), rest),
        _ => (None, arguments),
    }
}

/// `#ROOM [CODE]`
pub fn joined(arguments: &str) -> Option<Request<'_>> {
    let (room, code) = split(arguments);
    let (room, code) = (word(room)?, optional(code));
    if code.as_ref().is_some_and(|code| code.contains(char::is_whitespace)) {
        return None;
    }
    Some(Request::Join { room, code, resume: None, replay: None })
}

/// `NAME TEXT` or `#ROOM TEXT`
pub fn told(arguments: &str) -> Option<Request<'_>> {
    let (room, text) = leading_room(arguments);
    if room.is_some() {
        let (text, kind) = (word_or_more(text)?, MessageKind::Said);
        return Some(Request::Say { room, text, kind, key: None });
    }
    let (to, text) = split(arguments);
    Some(Request::Direct { to: to.into(), text: word_or_more(text)?, key: None })
}

/// `[#ROOM] TEXT`
pub fn said(arguments: &str) -> Option<Request<'_>> {
    let (room, text) = leading_room(arguments);
    Some(Request::Say { room, text: word_or_more(text)?, kind: MessageKind::Said, key: None })
}

/// `[#ROOM] [SETTING VALUE]`
pub fn settings(arguments: &str) -> Option<Request<'_>> {
    let (room, rest) = leading_room(arguments);
    let mut changes = SettingsChange::default();
    if !rest.is_empty() {
        let (setting, value) = split(rest);
        let value = word(value)?;
        let yes = || match &*value.to_ascii_lowercase() {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        };
        match &*setting.to_ascii_lowercase() {
            "entry" => changes.entry = Some(value),
            "listed" => changes.is_listed = Some(yes()?),
            "newcomers-see" | "newcomers_see" => changes.newcomers_see = Some(value),
            "posting" => changes.posting = Some(value),
            "invites" => changes.invites = Some(value),
            "archived" => changes.is_archived = Some(yes()?),
            _ => return None,
        }
    }
    Some(RoomRequest::Settings { room, changes }.into())
}

/// `NAME [#ROOM]`: who, and where.
fn name_and_room(arguments: &str) -> Option<(Cow<'_, str>, Option<Cow<'_, str>>)> {
    let (name, room) = split(arguments);
    let room = optional(room);
    let is_word = room.as_ref().is_none_or(|room| word(room).is_some());
    is_word.then_some((word(name)?, room))
}

/// `NAME [#ROOM]`
pub fn admitted(arguments: &str) -> Option<Request<'_>> {
    let (name, room) = name_and_room(arguments)?;
    Some(RoomRequest::Admit { room, name }.into())
}

/// `NAME [#ROOM]`
pub fn refused(arguments: &str) -> Option<Request<'_>> {
    let (name, room) = name_and_room(arguments)?;
    Some(RoomRequest::Refuse { room, name }.into())
}

/// `NAME ROLE [#ROOM]`
pub fn named_role(arguments: &str) -> Option<Request<'_>> {
    let (name, rest) = split(arguments);
    let (role, room) = split(rest);
    let (name, role) = (word(name)?, word(role)?);
    Some(match optional(room) {
        // There are none of the server.
        None if role.eq_ignore_ascii_case(RoomRole::Moderator.as_str()) => {
            RoomRequest::Role { room: None, name, role }.into()
        }
        None => AccountRequest::Role { name, role }.into(),
        Some(room) => RoomRequest::Role { room: Some(word_of(room)?), name, role }.into(),
    })
}

fn word_of(room: Cow<'_, str>) -> Option<Cow<'_, str>> {
    (!room.contains(char::is_whitespace)).then_some(room)
}

/// `[#ROOM] NAME`
pub fn hooked(arguments: &str) -> Option<Request<'_>> {
    let (room, name) = leading_room(arguments);
    Some(RoomRequest::Hook { room, name: word(name)? }.into())
}

/// `[#ROOM] [end NAME]`
pub fn hooks(arguments: &str) -> Option<Request<'_>> {
    let (room, rest) = leading_room(arguments);
    Some(match split(rest) {
        ("", _) => RoomRequest::Hooks { room }.into(),
        ("end", name) => RoomRequest::EndHook { room, name: word(name)? }.into(),
        _ => return None,
    })
}

pub const HOOK: CommandSpec = CommandSpec {
    name: "hook",
    arguments: "[#ROOM] NAME",
    help: "make an address to which programs post what they say in a room",
    details: "It is shown once: curl -d 'it is built' ADDRESS says so as NAME (hook). For who \
              moderates the room. /hooks lists what there is, and ends it.",
    parse: hooked,
};

pub const HOOKS: CommandSpec = CommandSpec {
    name: "hooks",
    arguments: "[#ROOM] [end NAME]",
    help: "list the hooks of a room, or end one",
    details: "",
    parse: hooks,
};

/// `NAME [TIME] [REASON]`
pub fn kicked(arguments: &str) -> Option<Request<'_>> {
    let (name, minutes, reason) = sentence(arguments)?;
    Some(RoomRequest::Kick { room: None, name: word(name)?, minutes, reason }.into())
}

/// `[NAME or #ROOM] [USES] [HOURS]`: a code by which others come in, or somebody who is let in.
pub fn invited(arguments: &str) -> Option<Request<'_>> {
    let (room, rest) = leading_room(arguments);
    let is_name = room.is_none() && !rest.is_empty() && !super::is_number(split(rest).0);
    if is_name {
        return admitted(rest);
    }
    let mut numbers = rest.split_whitespace().map(|word| word.parse().ok());
    let (uses, hours) = (numbers.next(), numbers.next());
    if numbers.next().is_some() || [uses, hours].contains(&Some(None)) {
        return None;
    }
    let rooms = room.into_iter().collect();
    let (uses, hours) = (uses.flatten(), hours.flatten());
    Some(AccountRequest::Invite { uses, hours, rooms, accounts: None }.into())
}
