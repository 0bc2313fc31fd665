//! The commands that people type.

mod aliases;
mod rooms;
mod terminal;
mod topics;

pub use aliases::ALIASES;
pub use topics::{FIRST, TOPICS};

use std::borrow::Cow;
use std::sync::LazyLock;

use serde::Serialize;

use super::{
    AccountRequest, ConversationRequest, ReadingRequest, Request, RoomRequest, SessionRef,
};
use super::{account, order, people, preference};
use crate::chat::handlers::TOKEN_PREFIX;
use crate::chat::state::history::MessageKind;
use crate::chat::state::readings::Level;
use crate::chat::text;

/// A command that people type: what /help says of it, and how its arguments are read.
#[derive(Serialize)]
pub struct CommandSpec {
    pub name: &'static str,
    pub arguments: &'static str,
    /// One line for the list.
    pub help: &'static str,
    /// What else there is to know, for who asks about it in a terminal.
    #[serde(skip)]
    pub details: &'static str,
    /// Reads the arguments; `None` if they are not as they have to be.
    #[serde(skip)]
    pub parse: for<'a> fn(&'a str) -> Option<Request<'a>>,
}

impl CommandSpec {
    /// As it is typed.
    pub fn usage(&self) -> String {
        format!("/{} {}", self.name, self.arguments).trim_end().to_owned()
    }
}

/// Members on one page of /who, rooms on one page of /rooms.
pub const PAGE: u64 = 50;

/// Every command, in the order in which /help lists them.
pub const COMMANDS: [CommandSpec; 61] = [
    CommandSpec {
        name: "help",
        arguments: "[COMMAND]",
        help: "list the commands, or explain one",
        details: "/help all explains each of them.",
        parse: |arguments| Some(Request::Help { about: optional(arguments) }),
    },
    CommandSpec {
        name: "nick",
        arguments: "NAME",
        help: "take a new name",
        details: "Names work in any script, have at most 32 characters and no spaces. Upper and \
                  lower case do not make two names.",
        parse: |arguments| Some(Request::Nick { name: word(arguments)? }),
    },
    CommandSpec {
        name: "join",
        arguments: "#ROOM [CODE]",
        help: "enter a room, or create it, and talk there",
        details: "You stay in your other rooms and go on hearing them; /join one of them to talk \
                  there. CODE is that of an invitation.",
        parse: rooms::joined,
    },
    CommandSpec {
        name: "leave",
        arguments: "[#ROOM]",
        help: "leave a room, or the one you talk in",
        details: "You stay connected when you have left your last room.",
        parse: |arguments| Some(Request::Leave { room: optional(arguments) }),
    },
    CommandSpec {
        name: "room",
        arguments: "[#ROOM] [SETTING VALUE]",
        help: "show what holds in a room, or change it",
        details: "entry all|accounts|ask|invited, listed yes|no, newcomers-see all|now, posting \
                  all|moderators, invites members|moderators, archived yes|no.",
        parse: rooms::settings,
    },
    CommandSpec {
        name: "keep",
        arguments: "[#ROOM]",
        help: "keep a room that a guest has made: it is yours then",
        details: "",
        parse: |arguments| Some(RoomRequest::Keep { room: optional(arguments) }.into()),
    },
    CommandSpec {
        name: "accept",
        arguments: "NAME [#ROOM]",
        help: "let somebody into a room",
        details: "",
        parse: rooms::admitted,
    },
    CommandSpec {
        name: "refuse",
        arguments: "NAME [#ROOM]",
        help: "do not let somebody into a room who has asked",
        details: "",
        parse: rooms::refused,
    },
    CommandSpec {
        name: "kick",
        arguments: "NAME [TIME] [REASON]",
        help: "remove somebody from the room that you talk in",
        details: "TIME is 90m, 2h or 7d, or minutes; without it, until somebody lets them in again \
                  with /accept.",
        parse: rooms::kicked,
    },
    CommandSpec {
        name: "rename",
        arguments: "#NEW",
        help: "give the room that you talk in another name",
        details: "The name before leads to it for 30 days.",
        parse: |arguments| Some(RoomRequest::Rename { room: None, name: word(arguments)? }.into()),
    },
    CommandSpec {
        name: "delete-room",
        arguments: "#NAME",
        help: "delete a room, with all that was said there",
        details: "",
        parse: |arguments| {
            let room = word(arguments)?;
            Some(RoomRequest::Delete { name: room.clone(), room }.into())
        },
    },
    CommandSpec {
        name: "rooms",
        arguments: "[PAGE]",
        help: "list the rooms, busiest first",
        details: "",
        parse: |arguments| Some(Request::Rooms { after: page(arguments)?, limit: None }),
    },
    terminal::WHERE,
    CommandSpec {
        name: "who",
        arguments: "[#ROOM] [PAGE]",
        help: "list who is in a room",
        details: "",
        parse: |arguments| {
            let (room, rest) = match arguments.split_once(char::is_whitespace) {
                None if is_number(arguments) => ("", arguments),
                None => (arguments, ""),
                Some((room, rest)) => (room, rest.trim()),
            };
            let (room, after) = (optional(room), page(rest)?);
            Some(Request::Who { room, name: None, after, limit: None })
        },
    },
    people::WHOIS,
    people::AWAY,
    people::BACK,
    CommandSpec {
        name: "topic",
        arguments: "[TEXT]",
        help: "show what the room is about, or set it",
        details: "/topic - clears it.",
        parse: |arguments| {
            let text = if arguments == "-" { Some("".into()) } else { optional(arguments) };
            Some(Request::Topic { room: None, text })
        },
    },
    CommandSpec {
        name: "msg",
        arguments: "NAME TEXT",
        help: "say something to one person only",
        details: "Between accounts it is kept, and reaches who is offline later: /history @NAME \
                  shows it. /msg #ROOM TEXT says it in another room of yours.",
        parse: rooms::told,
    },
    terminal::SAY,
    preference::REPLY,
    CommandSpec {
        name: "me",
        arguments: "ACTION",
        help: "do something: /me waves",
        details: "",
        parse: |arguments| {
            Some(Request::Say {
                room: None,
                text: word_or_more(arguments)?,
                kind: MessageKind::Action,
                key: None,
            })
        },
    },
    CommandSpec {
        name: "history",
        arguments: "[@NAME] [N]",
        help: "show the last N messages of the room, with their dates (UTC) and numbers",
        details: "With @NAME: those between you and somebody.",
        parse: |arguments| {
            let (before, after) = (None, None);
            let Some(with) = arguments.strip_prefix('@') else {
                let limit = count(arguments)?;
                return Some(Request::History { room: None, before, after, limit });
            };
            // What stands for those who have left has spaces.
            let (with, limit) = match with.rsplit_once(char::is_whitespace) {
                Some((with, number)) if is_number(number) => (with.trim_end(), count(number)?),
                _ => (with, None),
            };
            let with = optional(with)?;
            Some(ConversationRequest::History { with, before, after, limit }.into())
        },
    },
    CommandSpec {
        name: "conversations",
        arguments: "[PAGE]",
        help: "list with whom you have talked, the latest first",
        details: "/history @NAME shows what was said.",
        parse: |arguments| {
            Some(ConversationRequest::List { after: page(arguments)?, limit: None }.into())
        },
    },
    CommandSpec {
        name: "search",
        arguments: "WORDS [in:#ROOM] [from:NAME] [before:DATE] [after:DATE]",
        help: "find what was said, the newest last",
        details: "All words have to be there, in any order; the beginning of a word is enough. \
                  \"Quotes\" hold a phrase of whole words. Dates are like 2026-11-01 (UTC), and \
                  after: includes its day. in:@NAME is what you and somebody have said to each \
                  other. /search alone shows what is older.",
        parse: |arguments| {
            let text = optional(arguments);
            Some(Request::Search { text, room: None, before: None, limit: None })
        },
    },
    CommandSpec {
        name: "unread",
        arguments: "[#ROOM]",
        help: "show what you have not read, the oldest first",
        details: "What is shown is read. Without a room, it is the one that you talk in, and then \
                  the others, one at a time. For people with an account.",
        parse: |arguments| Some(ReadingRequest::Print { room: optional(arguments) }.into()),
    },
    CommandSpec {
        name: "level",
        arguments: "LEVEL [#ROOM]",
        help: "say what you want to be told of a room: all, mentions, none or hidden",
        details: "Usual is all in rooms of up to 5, else mentions: what is for you. none is not \
                  counted when you log in, hidden not shown at all while nothing in it is for you.",
        parse: |arguments| {
            let (level, room) =
                arguments.split_once(char::is_whitespace).unwrap_or((arguments, ""));
            let (level, room) = (Level::parse(level)?, optional(room.trim()));
            Some(ReadingRequest::Level { room, level }.into())
        },
    },
    CommandSpec {
        name: "login",
        arguments: "NAME",
        help: "be known by your account here, too",
        details: "You are asked for the password, which is not shown as you type it. Where others \
                  could read it on its way, you get a code to confirm in your page instead. NAME \
                  can be a token: /login cst_...",
        parse: |arguments| {
            let word = word(arguments)?;
            let (name, token) = match word.starts_with(TOKEN_PREFIX) {
                true => (None, Some(word)),
                false => (Some(word), None),
            };
            Some(AccountRequest::Login { name, password: None, token }.into())
        },
    },
    CommandSpec {
        name: "register",
        arguments: "[CODE] NAME",
        help: "make an account, with the code of an invitation",
        details: "An account keeps its name, its rooms and its private messages. You are asked \
                  for a password.",
        parse: |arguments| {
            let (code, name) = match arguments.split_once(char::is_whitespace) {
                None => (None, arguments),
                Some((code, name)) => (Some(code.into()), name.trim()),
            };
            Some(AccountRequest::Register { name: word(name)?, password: None, code }.into())
        },
    },
    CommandSpec {
        name: "logout",
        arguments: "",
        help: "be a guest here again",
        details: "",
        parse: |arguments| arguments.is_empty().then_some(AccountRequest::Logout.into()),
    },
    CommandSpec {
        name: "account",
        arguments: "",
        help: "show who you are",
        details: "",
        parse: |arguments| arguments.is_empty().then_some(AccountRequest::Show.into()),
    },
    CommandSpec {
        name: "password",
        arguments: "",
        help: "change your password",
        details: "You are asked for the old one and the new one. Browsers that are logged in stay \
                  so no longer; tokens do.",
        parse: |arguments| {
            arguments.is_empty().then_some(AccountRequest::Password { old: None, new: None }.into())
        },
    },
    CommandSpec {
        name: "sessions",
        arguments: "[end N]",
        help: "list where you are logged in, or end one of them",
        details: "N is the number of a browser or a token, or c and the number of a terminal.",
        parse: |arguments| match arguments {
            "" => Some(AccountRequest::Sessions.into()),
            end => {
                let which = SessionRef::parse(behind_end(end)?)?;
                Some(AccountRequest::EndSession { which }.into())
            }
        },
    },
    CommandSpec {
        name: "token",
        arguments: "LABEL",
        help: "make a token, by which a program is known as you",
        details: "It is shown once. /sessions lists it by its label, and ends it.",
        parse: |arguments| Some(AccountRequest::Token { label: word_or_more(arguments)? }.into()),
    },
    CommandSpec {
        name: "invite",
        arguments: "[NAME or #ROOM] [USES] [HOURS]",
        help: "make a code by which others can have an account, or let NAME into a room",
        details: "A code is good once and for a week, if you do not say otherwise. With a #ROOM it \
                  lets into that room, too. /invite NAME #ROOM lets one person in, who joins then.",
        parse: rooms::invited,
    },
    CommandSpec {
        name: "invitations",
        arguments: "[end N]",
        help: "list your invitations, or end one",
        details: "",
        parse: |arguments| match arguments {
            "" => Some(AccountRequest::Invitations.into()),
            end => Some(AccountRequest::Uninvite { id: ended(end)? }.into()),
        },
    },
    CommandSpec {
        name: "confirm",
        arguments: "CODE [yes]",
        help: "let a terminal be known as you that shows this code",
        details: "Without yes, it shows where that terminal is.",
        parse: |arguments| {
            let (code, sure) = match arguments.split_once(char::is_whitespace) {
                None => (arguments, false),
                Some((code, yes)) if yes.trim().eq_ignore_ascii_case("yes") => (code, true),
                Some(_) => return None,
            };
            Some(AccountRequest::Confirm { code: word(code)?, sure }.into())
        },
    },
    CommandSpec {
        name: "role",
        arguments: "NAME ROLE [#ROOM]",
        help: "say what an account may do on this server, or in a room",
        details: "Roles on the server are owner, admin and member; only owners can. Roles in a room \
                  are owner, moderator and member; its owner can, and hands it over with owner. \
                  Without a #ROOM, moderator is of the one that you talk in.",
        parse: rooms::named_role,
    },
    account::BOT,
    account::BOTS,
    rooms::HOOK,
    rooms::HOOKS,
    account::RESET,
    account::ACCOUNTS,
    account::DELETE_ACCOUNT,
    order::MUTE,
    order::UNMUTE,
    order::IGNORE,
    order::UNIGNORE,
    order::REPORT,
    order::DELETE,
    order::BAN,
    order::UNBAN,
    order::BANS,
    terminal::EDIT,
    preference::TIMES,
    preference::ZONE,
    preference::BELL,
    preference::CLEAR,
    CommandSpec {
        name: "quit",
        arguments: "[TEXT]",
        help: "say goodbye",
        details: "Type /quit to leave.",
        parse: |arguments| Some(Request::Quit { reason: optional(arguments) }),
    },
    CommandSpec {
        name: "/",
        arguments: "TEXT",
        help: "say something that begins with a slash: //text says /text",
        details: "",
        parse: |arguments| {
            Some(Request::Say {
                room: None,
                text: word_or_more(arguments)?,
                kind: MessageKind::Said,
                key: None,
            })
        },
    },
];

/// What a command begins with: a slash, or the one that is typed while Japanese is.
pub const SLASHES: [char; 2] = ['/', '／'];

/// [`COMMANDS`] for the page, as a JavaScript module.
pub static COMMANDS_MODULE: LazyLock<String> = LazyLock::new(|| {
    let table = serde_json::to_string(&COMMANDS[..]).expect("strings always serialize");
    let comment = "/** The commands of the server, in the order of /help. */";
    format!("{comment}\nexport const COMMANDS = {table};\n")
});

/// A command by its name, or by what it is called elsewhere, in any case.
pub fn find(name: &str) -> Option<&'static CommandSpec> {
    let name = name.strip_prefix(SLASHES).filter(|bare| !bare.is_empty()).unwrap_or(name);
    let alias = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name));
    let name = alias.map_or(name, |&(_, name)| name);
    COMMANDS.iter().find(|spec| spec.name.eq_ignore_ascii_case(name))
}

/// The name of a command, its own or another one, that somebody meant who typed one that there is
/// not. One letter is nearest to any other.
pub fn nearest(name: &str) -> Option<&'static str> {
    let words = COMMANDS.iter().map(|spec| spec.name).chain(ALIASES.map(|(alias, _)| alias));
    text::nearest(&name.to_ascii_lowercase(), words.filter(|name| name.len() > 1))
}

/// The first word, and the rest.
pub(super) fn split(arguments: &str) -> (&str, &str) {
    let (first, rest) = arguments.split_once(char::is_whitespace).unwrap_or((arguments, ""));
    (first, rest.trim_start())
}

pub(super) fn optional(arguments: &str) -> Option<Cow<'_, str>> {
    (!arguments.is_empty()).then_some(Cow::Borrowed(arguments))
}

pub(super) fn word_or_more(arguments: &str) -> Option<Cow<'_, str>> {
    optional(arguments.trim())
}

/// Exactly one word.
pub(super) fn word(arguments: &str) -> Option<Cow<'_, str>> {
    optional(arguments).filter(|word| !word.contains(char::is_whitespace))
}

/// How many are wanted, if it is said.
fn count(argument: &str) -> Option<Option<u32>> {
    match argument {
        "" => Some(None),
        number => Some(Some(number.parse().ok().filter(|&number| number > 0)?)),
    }
}

/// How much comes before a page; pages count from 1.
pub(super) fn page(argument: &str) -> Option<u64> {
    match argument {
        "" => Some(0),
        number => Some(number.parse::<u32>().ok()?.checked_sub(1).map(u64::from)? * PAGE),
    }
}

/// The number in `end 7`.
fn ended(arguments: &str) -> Option<u64> {
    behind_end(arguments)?.parse().ok()
}

fn behind_end(arguments: &str) -> Option<&str> {
    Some(arguments.strip_prefix("end")?.strip_prefix(char::is_whitespace)?.trim())
}

fn is_number(argument: &str) -> bool {
    !argument.is_empty() && argument.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_of_the_table_can_be_typed() {
        for spec in &COMMANDS {
            let example = match spec.arguments {
                "[N]" | "[PAGE]" => "7".to_owned(),
                "[#ROOM] [PAGE]" => "#room 7".to_owned(),
                "[@NAME] [N]" => "@bob 7".to_owned(),
                "[end N]" => "end 7".to_owned(),
                "[NAME or #ROOM] [USES] [HOURS]" => "#room 3 24".to_owned(),
                "[#ROOM] [SETTING VALUE]" => "#room listed no".to_owned(),
                "on or off" => "on".to_owned(),
                "LEVEL [#ROOM]" => "none #room".to_owned(),
                "[on or off]" => "on".to_owned(),
                arguments => arguments.replace(['[', ']'], ""),
            };
            assert!((spec.parse)(&example).is_some(), "/{} {example}", spec.name);
            assert_eq!(find(&format!("/{}", spec.name)).map(|found| found.name), Some(spec.name));
        }
    }

    #[test]
    fn other_names_are_of_commands_that_there_are() {
        for (alias, name) in ALIASES {
            let is = |spec: &CommandSpec, name: &str| spec.name == name;
            assert!(COMMANDS.iter().any(|spec| is(spec, name)), "{name}");
            assert!(!COMMANDS.iter().any(|spec| is(spec, alias)), "{alias} is a command itself");
            assert_eq!(find(&alias.to_uppercase()).map(|spec| spec.name), Some(name));
        }
    }

    #[test]
    fn the_page_gets_the_table() {
        let (comment, table) = COMMANDS_MODULE.split_once("export const COMMANDS = ").expect("one");
        assert!(comment.starts_with("/**"), "{comment}");
        let table: Vec<serde_json::Value> =
            serde_json::from_str(table.trim_end_matches(";\n")).expect("JSON is JavaScript");
        assert_eq!(table.len(), COMMANDS.len());
        for (row, spec) in table.iter().zip(&COMMANDS) {
            let expected = [spec.name, spec.arguments, spec.help];
            assert_eq!(["name", "arguments", "help"].map(|field| &row[field]), expected);
        }
    }

    /// What the page does for a command is written there, by the command's name.
    #[test]
    fn the_page_knows_no_command_that_is_not_in_the_table() {
        let page = include_str!("../../../web/commands/actions.js");
        let (_, actions) = page.split_once("\n  return {\n").expect("the page's actions");
        let (actions, _) = actions.split_once("\n  };").expect("their end");
        let names = actions.lines().filter_map(|line| {
            let (name, _) = line.strip_prefix("    ")?.split_once(": (")?;
            let name = name.trim_matches('\'');
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-').then_some(name)
        });
        let names: Vec<&str> = names.collect();
        assert!(names.len() >= 40, "{names:?}");
        assert!(names.iter().all(|name| find(name).is_some()), "{names:?}");
    }
}
