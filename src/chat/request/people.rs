//! What a client can ask for that is about who is here, and the commands for it.

use std::borrow::Cow;

use super::Request;
use super::commands::{CommandSpec, optional, word};

/// See [`Request::People`].
#[derive(Clone, Debug, PartialEq)]
pub enum PeopleRequest<'a> {
    /// One is away, and perhaps says why. Without a text: or is back, if one was away.
    Away {
        text: Option<Cow<'a, str>>,
    },
    Back,
    /// Who somebody is.
    Whois {
        name: Cow<'a, str>,
    },
}

impl PeopleRequest<'_> {
    /// Whether others are told of it.
    pub fn changes(&self) -> bool {
        match self {
            PeopleRequest::Away { .. } | PeopleRequest::Back => true,
            PeopleRequest::Whois { .. } => false,
        }
    }
}

impl<'a> From<PeopleRequest<'a>> for Request<'a> {
    fn from(request: PeopleRequest<'a>) -> Request<'a> {
        Request::People(request)
    }
}

pub const WHOIS: CommandSpec = CommandSpec {
    name: "whois",
    arguments: "NAME",
    help: "show who somebody is, since when they are here, and in which rooms",
    details: "The rooms are those that you may look into.",
    parse: |arguments| {
        let name = arguments.strip_prefix('@').unwrap_or(arguments);
        Some(PeopleRequest::Whois { name: word(name)? }.into())
    },
};

pub const AWAY: CommandSpec = CommandSpec {
    name: "away",
    arguments: "[TEXT]",
    help: "be away until you say /back; who writes to you or calls you is told",
    details: "Alone, it takes it back as well. It holds on all your devices.",
    parse: |arguments| Some(PeopleRequest::Away { text: optional(arguments) }.into()),
};

pub const BACK: CommandSpec = CommandSpec {
    name: "back",
    arguments: "",
    help: "be here again",
    details: "",
    parse: |arguments| arguments.is_empty().then_some(PeopleRequest::Back.into()),
};
