//! Commands about where one talks, and how.

use super::{CommandSpec, rooms};
use crate::chat::request::Request;

pub const WHERE: CommandSpec = CommandSpec {
    name: "where",
    arguments: "",
    help: "show in which room you talk, and where else you are",
    details: "",
    parse: |arguments| arguments.is_empty().then_some(Request::Where),
};

pub const SAY: CommandSpec = CommandSpec {
    name: "say",
    arguments: "[#ROOM] TEXT",
    help: "say something in another room of yours, and go on talking here",
    details: "Without #ROOM it is said where you talk.",
    parse: rooms::said,
};

pub const EDIT: CommandSpec = CommandSpec {
    name: "edit",
    arguments: "on or off",
    help: "have the line that you type edited here, with its history and Tab, or by your terminal",
    details: "Telnet programs that negotiate have it from the start. Others show it as garbage: \
              type /edit off.",
    parse: |arguments| match &*arguments.to_ascii_lowercase() {
        "on" => Some(Request::Edit { on: true }),
        "off" => Some(Request::Edit { on: false }),
        _ => None,
    },
};
