//! The dialect of people: lines that they type, and lines that they read.

mod conversations;
mod order;
mod people;
mod qr;
mod reading;
mod rooms;
mod said;

pub use said::render_said;

use std::fmt;
use std::io::{self, Write};

use super::clock::Clock;
use super::reply::{Here, HitLine, JoinedSelf, Line, Reply, RoomSummary, Where};
use crate::chat::request::commands::{self, PAGE, SLASHES};
use crate::chat::request::{Request, RequestError};
use crate::chat::state::history::MessageKind;
use crate::chat::text::{self, Lines, Row, one_row, quote};
use crate::delivery::encoding::{Encoder, FrameKind, Framing};

/// Messages shown by /history alone.
pub const HISTORY_DEFAULT: u32 = 20;
/// Messages on one page of /search.
pub const SEARCH_MAX: u32 = 10;
/// So many characters are shown to the one who removes a message.
const DELETED_CHARS: usize = 80;
/// What stands in place of the text of one that was removed.
pub(super) const TOMBSTONE: &str = "message removed";
/// How a terminal's lines end (RFC 854).
const LINE_BREAK: &str = "\r\n";

/// No word is longer that looks for the way out: most lines are.
const WAY_OUT_BYTES_MAX: usize = 4;

// ---- Requests ----

/// Reads a line that somebody typed. Invisible characters before a command do not make a message of
/// it, such as the byte order mark that scripts from Windows begin with.
///
/// # Errors
/// A command that is not in the table, or that lacks an argument.
pub fn parse(line: &str) -> Result<Request<'_>, RequestError> {
    let line = without_invisible_start(line.trim_end());
    let Some(command) = line.strip_prefix(SLASHES) else { return Ok(unslashed(line)) };
    if command.starts_with(SLASHES) {
        return Ok(Request::Say {
            room: None,
            text: command.into(),
            kind: MessageKind::Said,
            key: None,
        });
    }
    let (name, arguments) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let Some(spec) = commands::find(name) else {
        let unknown = quote(&line[..line.len() - command.len() + name.len()], 40);
        let message = match commands::nearest(name) {
            Some(meant) => format!("There is no command {unknown}. Did you mean /{meant}?"),
            None => format!(
                "There is no command {unknown}. Type /help for the commands, or //text to say /text."
            ),
        };
        return Err(RequestError::new("unknown_type", message));
    };
    (spec.parse)(arguments.trim()).ok_or_else(|| {
        let message = format!("That is not how /{} works. Type it as: {}", spec.name, spec.usage());
        RequestError::new("missing_field", message)
    })
}

/// What a line without a slash asks for. A word of these alone is not said: people type it who look
/// for the way out, or for help.
fn unslashed(line: &str) -> Request<'_> {
    let said =
        || Request::Say { room: None, text: line.into(), kind: MessageKind::Said, key: None };
    let bare = line.trim_start();
    if bare.len() > WAY_OUT_BYTES_MAX {
        return said();
    }
    let is = |words: &[&str]| words.iter().any(|word| bare.eq_ignore_ascii_case(word));
    if line.is_empty() {
        Request::Nothing
    } else if is(&["quit", "exit"]) {
        Request::Help { about: Some("quit".into()) }
    } else if is(&["help", "?"]) {
        Request::Help { about: None }
    } else {
        said()
    }
}

/// A line without a byte order mark, and a command without anything invisible before it.
fn without_invisible_start(line: &str) -> &str {
    if line.starts_with(|c: char| c.is_ascii_graphic()) {
        return line;
    }
    let is_invisible = |c: char| text::is_blank(c) || c.is_control();
    let bare = line.trim_start_matches(|c: char| is_invisible(c) && !c.is_whitespace());
    let barest = line.trim_start_matches(|c: char| is_invisible(c) || c.is_whitespace());
    if bare.starts_with(SLASHES) || begins_with_command(barest) {
        return barest;
    }
    line.trim_start_matches('\u{FEFF}')
}

/// Behind a space it is a command only if there is such a one: text that somebody pastes may begin
/// with any number of both.
fn begins_with_command(line: &str) -> bool {
    let Some(command) = line.strip_prefix(SLASHES) else { return false };
    let name = command.split(char::is_whitespace).next().unwrap_or_default();
    !name.starts_with(SLASHES) && commands::find(name).is_some()
}

// ---- Replies ----

/// Appends the lines of a reply; some have none.
pub fn render(to: &mut Encoder, reply: &Reply) {
    match reply {
        Reply::Said { room, line, .. } => render_said(to, room, *line),
        Reply::Welcome { .. }
        | Reply::Typing { .. }
        | Reply::Cookie { .. }
        | Reply::Deletions { .. }
        | Reply::Read { .. } => {}
        Reply::Unread { rooms, .. } => reading::unread(to, rooms),
        Reply::Joined { room, name, own, .. } => render_joined(to, room, name, own.as_ref()),
        Reply::Left { room, name, you, by: Some(by), reason, .. } => {
            rooms::removed(to, room, name, *you, by, *reason);
        }
        Reply::Left { room, name, you, reason, .. } => rooms::left(to, room, name, *you, *reason),
        Reply::Renamed { to: new, you: true, .. } => line(to, format_args!("* You are {new} now.")),
        Reply::Renamed { from, to: new, .. } => line(to, format_args!("* {from} is {new} now.")),
        Reply::Presence { .. } => render_presence(to, reply),
        Reply::Topic { room, topic, name, .. } => render_topic(to, room, topic, *name),
        Reply::Direct { .. } => render_direct(to, reply),
        Reply::Deleted { .. } => render_deleted(to, reply),
        Reply::History { place, messages, replay, unread, .. } => match unread {
            Some(unread) => render_unread(to, place, messages, *unread),
            None => render_history(to, place, messages, *replay),
        },
        Reply::Conversations { conversations, total, after, next, .. } => {
            conversations::list(to, conversations, *total, *after, *next);
        }
        Reply::Members { .. } => people::members(to, reply),
        Reply::Away(told) => people::away(to, told),
        Reply::Whois(person) => people::whois(to, person),
        Reply::Rooms { .. } => render_rooms(to, reply),
        Reply::Found { hits, next, .. } => render_found(to, hits, next.is_some()),
        Reply::Room(state) => rooms::state(to, state),
        Reply::Role { room, name, role, by, .. } => rooms::role(to, room, name, role, by),
        Reply::Invited { room, by, .. } => rooms::invited(to, room, by),
        Reply::Refused { room, .. } => rooms::refused(to, room),
        Reply::Asked { room, name, .. } => rooms::asked(to, room, *name),
        Reply::Account { name, role, rooms, .. } => people::account(to, name, *role, rooms),
        Reply::Accounts { accounts, total, after, next, .. } => {
            people::accounts(to, accounts, *total, *after, *next);
        }
        Reply::Bot { name, token, .. } => people::bot(to, name, token),
        Reply::Bots { bots, .. } => people::bots(to, bots),
        Reply::Hook(hook) => rooms::hook(to, hook),
        Reply::Hooks { room, hooks, .. } => rooms::hooks(to, room, hooks),
        Reply::Sessions { sessions, .. } => people::sessions(to, sessions),
        Reply::Token { token, id, .. } => people::token(to, token, *id),
        Reply::Invitation { code, line, link, .. } => people::invitation(to, code, line, *link),
        Reply::Invitations { invitations, .. } => people::invitations(to, invitations),
        Reply::Confirm { address, done, code, .. } => people::confirm(to, address, *done, code),
        Reply::Bans { bans, total, after, next, .. } => {
            order::bans(to, bans, *total, *after, *next);
        }
        Reply::Muted { room, by, until, reason, .. } => order::muted(to, room, by, *until, reason),
        Reply::Unmuted { room, by, .. } => order::unmuted(to, room, by),
        Reply::Ignored { names, .. } => order::ignored(to, names),
        Reply::Done { line: told, .. } => line(to, format_args!("* {told}")),
        Reply::Error { message, .. } => line(to, format_args!("! {message}")),
    }
}

fn render_direct(to: &mut Encoder, reply: &Reply) {
    let Reply::Direct { from, to: receiver, text, time, sent, marks_guest, .. } = reply else {
        return;
    };
    let guest = if *marks_guest { "guest " } else { "" };
    let at = Clock::of(to.encoding().dialect).before(*time);
    let text = Lines { text, line_break: line_break(to) };
    match sent {
        true => line(to, format_args!("{at}[you -> {guest}{receiver}] {text}")),
        false => line(to, format_args!("{at}[{guest}{from} -> you] {text}")),
    }
}

/// `* alice removed message 12 of bob in #dev.` Who has done it sees what it was.
fn render_deleted(to: &mut Encoder, reply: &Reply) {
    let Reply::Deleted { place, id, by, name, text, .. } = reply else { return };
    let place = match place {
        Where::Room(room) => format!("in {room}"),
        Where::With(with) if with == by => "to you".to_owned(),
        Where::With(with) => format!("to {with}"),
    };
    let (mine, theirs) = match name == by {
        true => (format!("your message {id}"), format!("their message {id}")),
        false => (format!("message {id} of {name}"), format!("message {id} of {name}")),
    };
    match text {
        Some(text) => {
            let row = Row(&one_row(text)).to_string();
            let text = quote(&row, DELETED_CHARS);
            line(to, format_args!("* You removed {mine} {place}: {text}"));
        }
        None => line(to, format_args!("* {by} removed {theirs} {place}.")),
    }
}

/// Appends one line.
pub fn line(to: &mut Encoder, line: fmt::Arguments) {
    let ending = ending(to);
    to.message(FrameKind::Text, |buffer| {
        buffer.write_fmt(line).expect("a vector takes any bytes");
        buffer.extend_from_slice(ending);
    });
}

/// A frame is a line by itself.
fn ending(to: &Encoder) -> &'static [u8] {
    match to.encoding().framing {
        Framing::Lines => LINE_BREAK.as_bytes(),
        _ => b"",
    }
}

/// What is between two lines of a message: it comes in one frame.
fn line_break(to: &Encoder) -> &'static str {
    match to.encoding().framing {
        Framing::Lines => LINE_BREAK,
        _ => "\n",
    }
}

fn render_joined(to: &mut Encoder, room: &str, name: &str, own: Option<&JoinedSelf>) {
    let Some(own) = own else { return line(to, format_args!("* {name} joined {room}.")) };
    let others = others(own.members);
    match own.topic {
        "" => line(to, format_args!("* You are in {room} now, with {others}.")),
        topic => {
            line(to, format_args!("* You are in {room} now, with {others}. Topic: {}", Row(topic)))
        }
    }
}

/// `* In #lobby: 12 came, 11 left.`
fn render_presence(to: &mut Encoder, reply: &Reply) {
    let Reply::Presence { room, joined, left, renamed, .. } = reply else { return };
    let renaming = if *renamed == 1 { "took another name" } else { "took other names" };
    let counts = [(joined, "came"), (left, "left"), (renamed, renaming)];
    let counts = counts.into_iter().filter(|(count, _)| **count > 0);
    let counts: Vec<String> = counts.map(|(count, what)| format!("{count} {what}")).collect();
    line(to, format_args!("* In {room}: {}.", counts.join(", ")));
}

/// `2 others`, `nobody else`.
pub fn others(members: u32) -> String {
    match members.saturating_sub(1) {
        0 => "nobody else".to_owned(),
        1 => "1 other".to_owned(),
        others => format!("{others} others"),
    }
}

/// `name`: who has just set it; without one, it was asked for.
fn render_topic(to: &mut Encoder, room: &str, topic: &str, name: Option<&str>) {
    let row = Row(topic);
    match (name, topic) {
        (None, "") => line(to, format_args!("* {room} has no topic. Set one with /topic TEXT.")),
        (None, _) => line(to, format_args!("* The topic of {room}: {row}")),
        (Some(name), "") => line(to, format_args!("* {name} cleared the topic of {room}.")),
        (Some(name), _) => line(to, format_args!("* {name} set the topic of {room}: {row}")),
    }
}

fn render_rooms(to: &mut Encoder, reply: &Reply) {
    let Reply::Rooms { ref rooms, total, after, next, .. } = *reply else { return };
    let plural = if total == 1 { "" } else { "s" };
    let (first, last) = (after + 1, after + rooms.len() as u64);
    if total == 0 {
        line(to, format_args!("* There are no rooms. Create one with /join #ROOM."));
    } else if rooms.is_empty() {
        line(to, format_args!("* {total} room{plural}: there is no such page."));
    } else if after == 0 {
        line(to, format_args!("* {total} room{plural}, busiest first:"));
    } else {
        line(to, format_args!("* {total} room{plural}, busiest first, {first} to {last}:"));
    }
    for RoomSummary { room, members, topic, here, .. } in rooms {
        let people = if *members == 1 { "person" } else { "people" };
        let dash = if topic.is_empty() { "" } else { ": " };
        let here = match here {
            Here::No => "",
            Here::Member => ", you too",
            Here::Talks => ", you talk here",
        };
        line(to, format_args!("*   {room} ({members} {people}{here}){dash}{}", Row(topic)));
    }
    if let Some(next) = next {
        line(to, format_args!("* More with /rooms {}", page_number(next)));
    }
}

/// The page that begins after so many; pages count from 1.
fn page_number(after: u64) -> u64 {
    after / PAGE + 1
}

// ---- History ----

fn render_history(to: &mut Encoder, place: &Where, messages: &[Line], replay: bool) {
    let clock = Clock::of(to.encoding().dialect);
    match (messages.len(), place) {
        (0, _) if replay => {}
        (0, Where::Room(room)) => line(to, format_args!("* Nothing was said in {room} yet.")),
        (0, Where::With(name)) => {
            line(to, format_args!("* Nothing was said between you and {name} yet."));
        }
        (count, _) => line(to, format_args!("{}", Heading { place, count, clock })),
    }
    let line_break = line_break(to);
    for message in messages {
        line(to, format_args!("{}", Dated { message, line_break, clock }));
    }
}

/// The oldest of what is unread; some of it may be kept no more.
fn render_unread(to: &mut Encoder, place: &Where<'_>, messages: &[Line], unread: u64) {
    let clock = Clock::of(to.encoding().dialect);
    match messages {
        [] => line(to, format_args!("* {unread} unread {place}, and not kept any more.")),
        _ => line(to, format_args!("* {unread} unread {place} ({clock}):")),
    }
    let line_break = line_break(to);
    for message in messages {
        line(to, format_args!("{}", Dated { message, line_break, clock }));
    }
}

/// The newest stands last, next to where people type, as in every other list of messages.
fn render_found(to: &mut Encoder, hits: &[HitLine], has_more: bool) {
    let clock = Clock::of(to.encoding().dialect);
    match hits.len() {
        0 => return line(to, format_args!("* Nothing was found.")),
        1 if !has_more => line(to, format_args!("* Found 1 message ({clock}):")),
        count if !has_more => line(to, format_args!("* Found {count} messages ({clock}):")),
        count => line(
            to,
            format_args!("* The last {count} messages found ({clock}); /search shows older ones:"),
        ),
    }
    for HitLine { place, line: message } in hits.iter().rev() {
        let Line { id, time, name, text, me, .. } = *message;
        let (star, colon) = if me { ("* ", "") } else { ("", ":") };
        let (at, place) = match place {
            Where::Room(room) => ("", *room),
            Where::With(name) => ("@", &**name),
        };
        let time = clock.show(time);
        let dated = format_args!("*   {time} {at}{place} ({id}) {star}{name}{colon} ");
        line(to, format_args!("{dated}{}", Row(&one_row(text))));
    }
}

/// The bytes of what is above so many messages. A zone takes three more than UTC, which the ending
/// of a line and a frame's header leave.
pub fn heading_bytes(place: &Where, count: usize) -> usize {
    displayed_bytes(&Heading { place, count, clock: Clock::default() })
}

/// The bytes of a message as /history has it.
pub fn bytes_of(message: &Line) -> usize {
    displayed_bytes(&Dated { message, line_break: LINE_BREAK, clock: Clock::default() })
}

fn displayed_bytes(shown: &impl fmt::Display) -> usize {
    let mut count = ByteCount::default();
    write!(count, "{shown}").expect("counting does not fail");
    count.0
}

/// Counts what is written.
#[derive(Default)]
pub struct ByteCount(pub usize);

impl Write for ByteCount {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Heading<'a> {
    place: &'a Where<'a>,
    count: usize,
    clock: Clock,
}

impl fmt::Display for Heading<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            1 => f.write_str("* The last message "),
            count => write!(f, "* The last {count} messages "),
        }?;
        let clock = self.clock;
        match self.place {
            Where::Room(room) => write!(f, "of {room} ({clock}):"),
            Where::With(name) => write!(f, "between you and {name} ({clock}):"),
        }
    }
}

/// A message with its time and its number.
struct Dated<'a> {
    message: &'a Line<'a>,
    line_break: &'static str,
    clock: Clock,
}

impl fmt::Display for Dated<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line { id, time, name, text, me, deleted, .. } = *self.message;
        let (star, colon) = if me { ("* ", "") } else { ("", ":") };
        let text = if deleted { TOMBSTONE } else { text };
        let (text, time) = (Lines { text, line_break: self.line_break }, self.clock.show(time));
        write!(f, "*   {time} ({id}) {star}{name}{colon} {text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Result<Request<'_>, RequestError> {
        Ok(Request::Say { room: None, text: text.into(), kind: MessageKind::Said, key: None })
    }

    #[test]
    fn what_is_no_command_is_said() {
        assert_eq!(parse("hello / world"), said("hello / world"));
        assert_eq!(parse("  two spaces stay \r"), said("  two spaces stay"));
        assert_eq!(parse("//help"), said("/help"));
        assert_eq!(parse("///"), said("//"));
        assert_eq!(parse(" \t"), Ok(Request::Nothing));
        assert_eq!(parse("  // comment"), said("  // comment"));
        assert_eq!(parse(" /usr/bin"), said(" /usr/bin"));
        assert_eq!(parse("help me"), said("help me"));
        assert_eq!(parse("exit?"), said("exit?"));
    }

    #[test]
    fn words_that_look_for_the_way_out_are_not_said() {
        for line in ["help", "?", "HELP ", "  help"] {
            assert_eq!(parse(line), Ok(Request::Help { about: None }), "{line:?}");
        }
        for line in ["quit", "exit", "Quit", " exit"] {
            assert_eq!(parse(line), Ok(Request::Help { about: Some("quit".into()) }), "{line:?}");
        }
    }

    #[test]
    fn commands_are_found_in_any_case() {
        let nick = Ok(Request::Nick { name: "alice".into() });
        for line in ["/NICK alice", " /nick alice", "\u{3000}\u{FEFF} /nick  alice "] {
            assert_eq!(parse(line), nick, "{line:?}");
        }
        assert_eq!(parse("/part #dev"), parse("/leave #dev"));
        assert_eq!(parse("/w bob hi"), parse("/msg bob hi"));
        let Ok(Request::Say { room, text, .. }) = parse("/msg #dev  hi there") else {
            panic!("it")
        };
        assert_eq!((room.as_deref(), &*text), (Some("#dev"), "hi there"));
        assert_eq!(
            parse("/msg bob  how are you? "),
            Ok(Request::Direct { to: "bob".into(), text: "how are you?".into(), key: None })
        );
        assert_eq!(parse("/leave"), Ok(Request::Leave { room: None }));
        assert_eq!(parse("/leave #dev"), Ok(Request::Leave { room: Some("#dev".into()) }));
        assert_eq!(parse("/topic -"), Ok(Request::Topic { room: None, text: Some("".into()) }));
        assert_eq!(
            parse("/who #dev 3"),
            Ok(Request::Who { room: Some("#dev".into()), name: None, after: 100, limit: None })
        );
        assert_eq!(
            parse("/who 2"),
            Ok(Request::Who { room: None, name: None, after: 50, limit: None })
        );
    }

    #[test]
    fn errors_say_what_to_do() {
        for (line, code, reason) in [
            ("/dance now", "unknown_type", "There is no command \"/dance\". Type /help"),
            ("/JION #dev", "unknown_type", "There is no command \"/JION\". Did you mean /join?"),
            ("/exti", "unknown_type", "There is no command \"/exti\". Did you mean /exit?"),
            ("/x", "unknown_type", "There is no command \"/x\". Type /help"),
            ("/", "unknown_type", "There is no command \"/\"."),
            ("/nick", "missing_field", "/nick NAME"),
            ("/nick two reason", "missing_field", "/nick NAME"),
            ("/msg bob", "missing_field", "/msg NAME TEXT"),
            ("/history many", "missing_field", "/history [@NAME] [N]"),
            ("/rooms 0", "missing_field", "/rooms [PAGE]"),
            ("/me", "missing_field", "/me ACTION"),
        ] {
            let error = parse(line).expect_err(line);
            assert_eq!(error.code, code, "{line}");
            assert!(error.message.contains(reason), "{line}: {}", error.message);
        }
    }
}
