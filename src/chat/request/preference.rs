//! What a client can ask for that is about how it is shown things, and the commands for it.

use std::borrow::Cow;

use super::Request;
use super::commands::{CommandSpec, optional, word};

/// See [`Request::Preference`]. Without a value, what holds is told.
#[derive(Clone, Debug, PartialEq)]
pub enum PreferenceRequest<'a> {
    /// Whether what is said comes with its time.
    Times { on: Option<bool> },
    /// The zone of all times.
    Zone { name: Option<Cow<'a, str>> },
    /// Whether the terminal rings for what is for its user.
    Bell { on: Option<bool> },
    /// The screen is to be empty.
    Clear,
}

impl<'a> From<PreferenceRequest<'a>> for Request<'a> {
    fn from(request: PreferenceRequest<'a>) -> Request<'a> {
        Request::Preference(request)
    }
}

pub const TIMES: CommandSpec = CommandSpec {
    name: "times",
    arguments: "[on or off]",
    help: "show the time before what is said",
    details: "Times are UTC; /zone changes that.",
    parse: |arguments| Some(PreferenceRequest::Times { on: switch(arguments)? }.into()),
};

pub const ZONE: CommandSpec = CommandSpec {
    name: "zone",
    arguments: "[ZONE]",
    help: "say in which zone you are: Asia/Tokyo, New York, +5:30",
    details: "Times of messages are yours then. /zone UTC takes it back.",
    parse: |arguments| Some(PreferenceRequest::Zone { name: optional(arguments) }.into()),
};

pub const BELL: CommandSpec = CommandSpec {
    name: "bell",
    arguments: "[on or off]",
    help: "ring the terminal's bell for your name, and for what is said to you only",
    details: "",
    parse: |arguments| Some(PreferenceRequest::Bell { on: switch(arguments)? }.into()),
};

pub const REPLY: CommandSpec = CommandSpec {
    name: "reply",
    arguments: "TEXT",
    help: "answer who has last said something to you only",
    details: "",
    // Whom it is for is known where it is heard.
    parse: |arguments| {
        Some(Request::Direct { to: "".into(), text: optional(arguments)?, key: None })
    },
};

pub const CLEAR: CommandSpec = CommandSpec {
    name: "clear",
    arguments: "",
    help: "clear the screen",
    details: "",
    parse: |arguments| arguments.is_empty().then_some(PreferenceRequest::Clear.into()),
};

fn switch(arguments: &str) -> Option<Option<bool>> {
    match word(&arguments.to_ascii_lowercase()).as_deref() {
        Some("on" | "yes") => Some(Some(true)),
        Some("off" | "no") => Some(Some(false)),
        Some(_) => None,
        None => arguments.is_empty().then_some(None),
    }
}
