//! What people at terminals are told of rooms that are kept for somebody.

use super::line;
use crate::chat::dialect::reply::{RoomState, SettingChange};
use crate::chat::text::Row;
use crate::delivery::encoding::Encoder;

/// Somebody has changed a room, or asks what holds there.
pub fn state(to: &mut Encoder, state: &RoomState<'_>) {
    let RoomState { room, from, by, change, .. } = state;
    match (by, from, change) {
        (Some(by), Some(from), _) => line(to, format_args!("* {by} renamed {from} to {room}.")),
        (Some(by), None, Some(change)) => changed(to, room, by, change),
        _ => described(to, state),
    }
}

fn changed(to: &mut Encoder, room: &str, by: &str, change: &SettingChange<'_>) {
    match *change {
        SettingChange::Kept => line(to, format_args!("* {by} keeps {room}.")),
        SettingChange::Entry("all") => line(to, format_args!("* {by} opened {room} to everybody.")),
        SettingChange::Entry("accounts") => {
            line(to, format_args!("* {by} opened {room} to everybody with an account."));
        }
        SettingChange::Entry("ask") => {
            line(to, format_args!("* {by} made {room} a room that one asks to be let into."));
        }
        SettingChange::Entry(_) => line(to, format_args!("* {by} made {room} private.")),
        SettingChange::Listed(true) => line(to, format_args!("* {by} had {room} listed.")),
        SettingChange::Listed(false) => {
            line(to, format_args!("* {by} took {room} off the list of rooms."));
        }
        SettingChange::NewcomersSee("all") => {
            line(to, format_args!("* {by} shows newcomers of {room} what was said before."));
        }
        SettingChange::NewcomersSee(_) => {
            line(
                to,
                format_args!("* {by} shows newcomers of {room} only what is said from then on."),
            );
        }
        SettingChange::Posting("all") => {
            line(to, format_args!("* {by} lets everybody talk in {room}."));
        }
        SettingChange::Posting(_) => {
            line(to, format_args!("* {by} lets only moderators talk in {room}."));
        }
        SettingChange::Invites(who) => {
            line(to, format_args!("* {by} lets {who} of {room} invite others."));
        }
        SettingChange::Archived(true) => line(to, format_args!("* {by} archived {room}.")),
        SettingChange::Archived(false) => line(to, format_args!("* {by} reopened {room}.")),
        SettingChange::Several => line(to, format_args!("* {by} changed {room}: see /room.")),
    }
}

fn described(to: &mut Encoder, state: &RoomState<'_>) {
    let RoomState { room, entry, listed, newcomers_see, posting, invites, archived, kept, .. } =
        state;
    if !kept {
        return line(to, format_args!("* {room} is open to all, and goes when it is empty."));
    }
    let (listed, archived) = (yes(*listed), yes(*archived));
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
    let article = if role == "owner" { "the" } else { "a" };
    line(to, format_args!("* {by} made {name} {article} {role} of {room}."));
}

/// Somebody was removed; `you`: the reader.
pub fn removed(to: &mut Encoder, room: &str, name: &str, you: bool, by: &str, why: Option<&str>) {
    let who = if you { "you" } else { name };
    match why {
        None => line(to, format_args!("* {by} removed {who} from {room}.")),
        Some(why) => line(to, format_args!("* {by} removed {who} from {room}: {}", Row(why))),
    }
}
