//! What people at terminals are told of rooms that are kept for somebody.

use super::line;
use crate::chat::dialect::acts::{Act, Sentence};
use crate::chat::dialect::reply::{HookLine, NewHook, RoomState};
use crate::chat::dialect::utc::Utc;
use crate::chat::state::rooms::rules::Entry;
use crate::chat::text::Row;
use crate::delivery::encoding::Encoder;

/// Somebody has changed a room, or asks what holds there.
pub fn state(to: &mut Encoder, state: &RoomState<'_>) {
    let RoomState { room, from, by, changes, .. } = state;
    let Some(by) = by else { return described(to, state) };
    if let Some(from) = from {
        return told(to, by, room, Act::Renamed { from });
    }
    for change in changes {
        told(to, by, room, Act::Changed(*change));
    }
}

fn told(to: &mut Encoder, by: &str, room: &str, act: Act<'_>) {
    line(to, format_args!("* {}", Sentence { by, room, act }));
}

fn described(to: &mut Encoder, state: &RoomState<'_>) {
    let RoomState { room, entry, listed, newcomers_see, posting, invites, archived, kept, .. } =
        state;
    if !kept {
        return line(to, format_args!("* {room} is open to all, and goes when it is empty."));
    }
    // Of a private room nobody finds the name in a list, whatever holds when it is one no more.
    let is_private = *entry == Entry::Invited.as_str();
    let (listed, archived) = (yes(*listed && !is_private), yes(*archived));
    line(
        to,
        format_args!(
            "* {room}: entry {entry}, listed {listed}, newcomers-see {newcomers_see}, posting \
             {posting}, invites {invites}, archived {archived}"
        ),
    );
    let role = state.role.unwrap_or("member");
    match state.owner {
        Some(owner) => line(to, format_args!("*   owner: {owner}; you are {role} there")),
        None => line(to, format_args!("*   it has no owner; you are {role} there")),
    }
    if !state.asking.is_empty() {
        let asking = state.asking.join(", ");
        line(to, format_args!("*   waiting to be let in: {asking}"));
    }
}

/// A new hook. Its address is shown once.
pub fn hook(to: &mut Encoder, hook: &NewHook<'_>) {
    let NewHook { room, name, link, path, .. } = hook;
    let address = link.unwrap_or(path);
    line(
        to,
        format_args!(
            "* {name} (hook) may speak in {room}. Its address, shown only once: {address}"
        ),
    );
}

pub fn hooks(to: &mut Encoder, room: &str, hooks: &[HookLine<'_>]) {
    match hooks.len() {
        0 => line(to, format_args!("* {room} has no hooks. Make one with /hook {room} NAME.")),
        _ => line(to, format_args!("* Hooks of {room}; /hooks {room} end NAME ends one:")),
    }
    for HookLine { name, by, created, stopped } in hooks {
        let created = Utc(*created);
        let stopped = if *stopped { "; stopped, as they may not make hooks here now" } else { "" };
        line(to, format_args!("*   {name}, made by {by}, since {created}{stopped}"));
    }
}

fn yes(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

pub fn invited(to: &mut Encoder, room: &str, by: &str) {
    line(to, format_args!("* {by} lets you into {room}: /join {room}"));
}

pub fn refused(to: &mut Encoder, room: &str) {
    line(to, format_args!("* You are not let into {room}."));
}

/// `name`: who asks; without one, the reader has asked.
pub fn asked(to: &mut Encoder, room: &str, name: Option<&str>) {
    match name {
        None => line(to, format_args!("* You have asked to be let into {room}.")),
        Some(name) => line(
            to,
            format_args!(
                "* {name} asks to be let into {room}: /accept {name} {room} or /refuse {name} \
                 {room}"
            ),
        ),
    }
}

pub fn role(to: &mut Encoder, room: &str, name: &str, role: &str, by: &str) {
    told(to, by, room, Act::Role { name, role });
}

/// Somebody left; `you`: the reader.
pub fn left(to: &mut Encoder, room: &str, name: &str, you: bool, why: Option<&str>) {
    match why {
        _ if you => line(to, format_args!("* You left {room}.")),
        None => line(to, format_args!("* {name} left {room}.")),
        Some(why) => line(to, format_args!("* {name} left {room}: {}", Row(why))),
    }
}

/// Somebody was removed; `you`: the reader.
pub fn removed(to: &mut Encoder, room: &str, name: &str, you: bool, by: &str, why: Option<&str>) {
    // Of a room that one has deleted oneself.
    if let (true, Some(why)) = (you && by == name, why) {
        return line(to, format_args!("* You left {room}: {why}"));
    }
    let name = if you { "you" } else { name };
    told(to, by, room, Act::Removed { name, reason: why });
}
