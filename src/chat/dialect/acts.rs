//! What somebody has done to a room, in a sentence: its members read it at a terminal, and the staff
//! in its log.

use std::fmt;

use super::rows::SettingChange;
use crate::chat::text::Row;

/// Who did what to which room.
#[derive(Clone, Copy, Debug)]
pub struct Sentence<'a> {
    pub by: &'a str,
    pub room: &'a str,
    pub act: Act<'a>,
}

#[derive(Clone, Copy, Debug)]
pub enum Act<'a> {
    Changed(SettingChange<'a>),
    /// `from`: the name that it had.
    Renamed {
        from: &'a str,
    },
    /// `role`: what somebody may do there now.
    Role {
        name: &'a str,
        role: &'a str,
    },
    /// `reason`: why somebody was removed.
    Removed {
        name: &'a str,
        reason: Option<&'a str>,
    },
    LetIn {
        name: &'a str,
    },
    Refused {
        name: &'a str,
    },
    HookMade {
        name: &'a str,
    },
    HookEnded {
        name: &'a str,
    },
}

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sentence { by, room, act } = self;
        match act {
            Act::Changed(change) => changed(f, by, room, change),
            Act::Renamed { from } => write!(f, "{by} renamed {from} to {room}."),
            Act::Role { name, role } => {
                let article = if *role == "owner" { "the" } else { "a" };
                write!(f, "{by} made {name} {article} {role} of {room}.")
            }
            Act::Removed { name, reason: None } => write!(f, "{by} removed {name} from {room}."),
            Act::Removed { name, reason: Some(reason) } => {
                write!(f, "{by} removed {name} from {room}: {}", Row(reason))
            }
            Act::LetIn { name } => write!(f, "{by} let {name} into {room}."),
            Act::HookMade { name } => write!(f, "{by} made the hook {name} of {room}."),
            Act::HookEnded { name } => write!(f, "{by} ended the hook {name} of {room}."),
            Act::Refused { name } => write!(f, "{by} did not let {name} into {room}."),
        }
    }
}

fn changed(
    f: &mut fmt::Formatter<'_>,
    by: &str,
    room: &str,
    change: &SettingChange<'_>,
) -> fmt::Result {
    match *change {
        SettingChange::Kept => write!(f, "{by} keeps {room}."),
        SettingChange::Entry("all") => write!(f, "{by} opened {room} to everybody."),
        SettingChange::Entry("accounts") => {
            write!(f, "{by} opened {room} to everybody with an account.")
        }
        SettingChange::Entry("ask") => {
            write!(f, "{by} made {room} a room that one asks to be let into.")
        }
        SettingChange::Entry(_) => write!(f, "{by} made {room} private."),
        SettingChange::Listed(true) => write!(f, "{by} had {room} listed."),
        SettingChange::Listed(false) => write!(f, "{by} took {room} off the list of rooms."),
        SettingChange::NewcomersSee("all") => {
            write!(f, "{by} shows newcomers of {room} what was said before.")
        }
        SettingChange::NewcomersSee(_) => {
            write!(f, "{by} shows newcomers of {room} only what is said from then on.")
        }
        SettingChange::Posting("all") => write!(f, "{by} lets everybody talk in {room}."),
        SettingChange::Posting(_) => write!(f, "{by} lets only moderators talk in {room}."),
        SettingChange::Invites(who) => write!(f, "{by} lets {who} of {room} invite others."),
        SettingChange::Archived(true) => write!(f, "{by} archived {room}."),
        SettingChange::Archived(false) => write!(f, "{by} reopened {room}."),
    }
}
