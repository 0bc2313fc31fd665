//! What a client can ask for, and the table of the commands that people type.

use std::borrow::Cow;

use crate::chat::state::history::MessageKind;
use crate::chat::text::{self, quote};

/// A request, whatever dialect it came in.
#[derive(Clone, Debug, PartialEq)]
pub enum Request<'a> {
    Say {
        room: Option<Cow<'a, str>>,
        text: Cow<'a, str>,
        kind: MessageKind,
    },
    Direct {
        to: Cow<'a, str>,
        text: Cow<'a, str>,
    },
    /// `replay`: how much of what was said before is wanted, in messages.
    Join {
        room: Cow<'a, str>,
        resume: Option<Resume<'a>>,
        replay: Option<u32>,
    },
    Leave {
        room: Option<Cow<'a, str>>,
    },
    Nick {
        name: Cow<'a, str>,
    },
    /// Without a text: asks for it. An empty text clears it.
    Topic {
        room: Option<Cow<'a, str>>,
        text: Option<Cow<'a, str>>,
    },
    History {
        room: Option<Cow<'a, str>>,
        before: Option<u64>,
        after: Option<u64>,
        limit: Option<u32>,
    },
    /// `after`: so many members have been seen.
    Who {
        room: Option<Cow<'a, str>>,
        after: u64,
        limit: Option<u32>,
    },
    /// `after`: so many rooms have been seen.
    Rooms {
        after: u64,
        limit: Option<u32>,
    },
    Typing {
        room: Option<Cow<'a, str>>,
    },
    Help {
        about: Option<Cow<'a, str>>,
    },
    Quit {
        reason: Option<Cow<'a, str>>,
    },
    /// An empty line.
    Nothing,
}

impl Request<'_> {
    /// Whether others see anything of it, and not only the one who is answered.
    pub fn concerns_others(&self) -> bool {
        match self {
            Request::Say { .. }
            | Request::Direct { .. }
            | Request::Join { .. }
            | Request::Leave { .. }
            | Request::Nick { .. }
            | Request::Topic { text: Some(_), .. }
            | Request::Typing { .. }
            | Request::Quit { .. } => true,
            Request::Topic { text: None, .. }
            | Request::History { .. }
            | Request::Who { .. }
            | Request::Rooms { .. }
            | Request::Help { .. }
            | Request::Nothing => false,
        }
    }
}

/// Where a client that comes back had been.
#[derive(Clone, Debug, PartialEq)]
pub struct Resume<'a> {
    /// The last message id that it saw.
    pub since: u64,
    /// The epoch in which it saw it, if it tells.
    pub epoch: Option<Cow<'a, str>>,
}

/// Why a request cannot be granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestError {
    /// For programs.
    pub code: &'static str,
    /// For people: what was wrong and what to do.
    pub message: String,
}

impl RequestError {
    pub fn new(code: &'static str, message: String) -> RequestError {
        RequestError { code, message }
    }

    /// What an error says of itself, as a sentence like all others.
    pub fn of(code: &'static str, error: &dyn std::error::Error) -> RequestError {
        let mut said = error.to_string();
        if let Some(first) = said.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        RequestError { code, message: said + "." }
    }
}

/// A command that people type: what /help says of it, and how its arguments are read.
pub struct CommandSpec {
    pub name: &'static str,
    pub arguments: &'static str,
    /// One line for the list.
    pub does: &'static str,
    /// What else there is to know.
    pub details: &'static str,
    parse: for<'a> fn(&'a str) -> Option<Request<'a>>,
}

/// Members on one page of /who, rooms on one page of /rooms.
pub const PAGE: u64 = 50;

/// Every command, in the order in which /help lists them.
pub const COMMANDS: [CommandSpec; 12] = [
    CommandSpec {
        name: "help",
        arguments: "[COMMAND]",
        does: "list the commands, or explain one",
        details: "",
        parse: |arguments| Some(Request::Help { about: optional(arguments) }),
    },
    CommandSpec {
        name: "nick",
        arguments: "NAME",
        does: "take a new name",
        details: "Names work in any script, have at most 32 characters and no spaces. Upper and lower case do not make two \
                  names.",
        parse: |arguments| Some(Request::Nick { name: word(arguments)? }),
    },
    CommandSpec {
        name: "join",
        arguments: "#ROOM",
        does: "enter a room, or create it, and talk there",
        details: "You stay in your other rooms and go on hearing them; /join one of them to talk there.",
        parse: |arguments| {
            Some(Request::Join { room: word(arguments)?, resume: None, replay: None })
        },
    },
    CommandSpec {
        name: "leave",
        arguments: "[#ROOM]",
        does: "leave a room, or the one you talk in",
        details: "You stay connected when you have left your last room.",
        parse: |arguments| Some(Request::Leave { room: optional(arguments) }),
    },
    CommandSpec {
        name: "rooms",
        arguments: "[PAGE]",
        does: "list the rooms, busiest first",
        details: "",
        parse: |arguments| Some(Request::Rooms { after: page(arguments)?, limit: None }),
    },
    CommandSpec {
        name: "who",
        arguments: "[#ROOM] [PAGE]",
        does: "list who is in a room",
        details: "",
        parse: |arguments| {
            let (room, rest) = match arguments.split_once(char::is_whitespace) {
                None if is_number(arguments) => ("", arguments),
                None => (arguments, ""),
                Some((room, rest)) => (room, rest.trim()),
            };
            Some(Request::Who { room: optional(room), after: page(rest)?, limit: None })
        },
    },
    CommandSpec {
        name: "topic",
        arguments: "[TEXT]",
        does: "show what the room is about, or set it",
        details: "/topic - clears it.",
        parse: |arguments| {
            let text = if arguments == "-" { Some("".into()) } else { optional(arguments) };
            Some(Request::Topic { room: None, text })
        },
    },
    CommandSpec {
        name: "msg",
        arguments: "NAME TEXT",
        does: "say something to one person only",
        details: "",
        parse: |arguments| {
            let (to, text) = arguments.split_once(char::is_whitespace)?;
            Some(Request::Direct { to: to.into(), text: word_or_more(text)? })
        },
    },
    CommandSpec {
        name: "me",
        arguments: "ACTION",
        does: "do something: /me waves",
        details: "",
        parse: |arguments| {
            Some(Request::Say {
                room: None,
                text: word_or_more(arguments)?,
                kind: MessageKind::Action,
            })
        },
    },
    CommandSpec {
        name: "history",
        arguments: "[N]",
        does: "show the last N messages of the room, with their dates (UTC) and numbers",
        details: "",
        parse: |arguments| {
            let limit = match arguments {
                "" => None,
                number => Some(number.parse().ok().filter(|&number| number > 0)?),
            };
            Some(Request::History { room: None, before: None, after: None, limit })
        },
    },
    CommandSpec {
        name: "quit",
        arguments: "[TEXT]",
        does: "say goodbye",
        details: "",
        parse: |arguments| Some(Request::Quit { reason: optional(arguments) }),
    },
    CommandSpec {
        name: "/",
        arguments: "TEXT",
        does: "say something that begins with a slash: //text says /text",
        details: "",
        parse: |arguments| {
            Some(Request::Say {
                room: None,
                text: word_or_more(arguments)?,
                kind: MessageKind::Said,
            })
        },
    },
];

/// Reads a line that somebody typed. What nobody sees before a command does not make a message of
/// it, least of all the byte order mark that scripts from Windows begin with.
///
/// # Errors
/// A command that is not in the table, or that lacks an argument.
pub fn parse(line: &str) -> Result<Request<'_>, RequestError> {
    let line = without_unseen_start(line.trim_end());
    let Some(command) = line.strip_prefix('/') else {
        return Ok(match line {
            "" => Request::Nothing,
            text => Request::Say { room: None, text: text.into(), kind: MessageKind::Said },
        });
    };
    if command.starts_with('/') {
        return Ok(Request::Say { room: None, text: command.into(), kind: MessageKind::Said });
    }
    let (name, arguments) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let Some(typed) = find(name) else {
        let message = format!(
            "There is no command {}. Type /help for the commands, or //text to say /text.",
            quote(&line[..=name.len()], 40)
        );
        return Err(RequestError::new("unknown_type", message));
    };
    (typed.parse)(arguments.trim()).ok_or_else(|| {
        let message = format!(
            "That is not how /{0} works. Type it as: /{0} {1}",
            typed.name, typed.arguments
        );
        RequestError::new("missing_field", message)
    })
}

/// A line without a byte order mark, and a command without anything unseen before it.
fn without_unseen_start(line: &str) -> &str {
    if line.starts_with(|c: char| c.is_ascii_graphic()) {
        return line;
    }
    let bare = line
        .trim_start_matches(|c: char| text::is_blank(c) || c.is_control() && !c.is_whitespace());
    if bare.starts_with('/') { bare } else { line.trim_start_matches('\u{FEFF}') }
}

/// A command by its name, in any case.
pub fn find(name: &str) -> Option<&'static CommandSpec> {
    let name = name.strip_prefix('/').filter(|bare| !bare.is_empty()).unwrap_or(name);
    COMMANDS.iter().find(|typed| typed.name.eq_ignore_ascii_case(name))
}

fn optional(arguments: &str) -> Option<Cow<'_, str>> {
    (!arguments.is_empty()).then_some(Cow::Borrowed(arguments))
}

fn word_or_more(arguments: &str) -> Option<Cow<'_, str>> {
    optional(arguments.trim())
}

/// Exactly one word.
fn word(arguments: &str) -> Option<Cow<'_, str>> {
    optional(arguments).filter(|word| !word.contains(char::is_whitespace))
}

/// How much comes before a page; pages count from 1.
fn page(argument: &str) -> Option<u64> {
    match argument {
        "" => Some(0),
        number => Some(number.parse::<u32>().ok()?.checked_sub(1).map(u64::from)? * PAGE),
    }
}

fn is_number(argument: &str) -> bool {
    !argument.is_empty() && argument.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Result<Request<'_>, RequestError> {
        Ok(Request::Say { room: None, text: text.into(), kind: MessageKind::Said })
    }

    #[test]
    fn what_is_no_command_is_said() {
        assert_eq!(parse("hello / world"), said("hello / world"));
        assert_eq!(parse("  two spaces stay \r"), said("  two spaces stay"));
        assert_eq!(parse("//help"), said("/help"));
        assert_eq!(parse("///"), said("//"));
        assert_eq!(parse(" \t"), Ok(Request::Nothing));
    }

    #[test]
    fn commands_are_found_in_any_case() {
        assert_eq!(parse("/NICK alice"), Ok(Request::Nick { name: "alice".into() }));
        assert_eq!(
            parse("/msg bob  how are you? "),
            Ok(Request::Direct { to: "bob".into(), text: "how are you?".into() })
        );
        assert_eq!(parse("/leave"), Ok(Request::Leave { room: None }));
        assert_eq!(parse("/leave #dev"), Ok(Request::Leave { room: Some("#dev".into()) }));
        assert_eq!(parse("/topic -"), Ok(Request::Topic { room: None, text: Some("".into()) }));
        assert_eq!(
            parse("/who #dev 3"),
            Ok(Request::Who { room: Some("#dev".into()), after: 100, limit: None })
        );
        assert_eq!(parse("/who 2"), Ok(Request::Who { room: None, after: 50, limit: None }));
    }

    #[test]
    fn complaints_say_what_to_do() {
        for (line, code, reason) in [
            ("/dance now", "unknown_type", "There is no command \"/dance\". Type /help"),
            ("/", "unknown_type", "There is no command \"/\"."),
            ("/nick", "missing_field", "/nick NAME"),
            ("/nick two reason", "missing_field", "/nick NAME"),
            ("/msg bob", "missing_field", "/msg NAME TEXT"),
            ("/history many", "missing_field", "/history [N]"),
            ("/rooms 0", "missing_field", "/rooms [PAGE]"),
            ("/me", "missing_field", "/me ACTION"),
        ] {
            let error = parse(line).expect_err(line);
            assert_eq!(error.code, code, "{line}");
            assert!(error.message.contains(reason), "{line}: {}", error.message);
        }
    }

    #[test]
    fn every_command_of_the_table_can_be_typed() {
        for typed in &COMMANDS {
            let example = match typed.arguments {
                "[N]" | "[PAGE]" => "7".to_owned(),
                "[#ROOM] [PAGE]" => "#room 7".to_owned(),
                arguments => arguments.replace(['[', ']'], ""),
            };
            assert!((typed.parse)(&example).is_some(), "/{} {example}", typed.name);
            assert_eq!(find(&format!("/{}", typed.name)).map(|found| found.name), Some(typed.name));
        }
    }
}
