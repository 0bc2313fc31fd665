//! What clients are told: each thing once, in two renderings, as lines for people and as JSON for
//! programs.

use std::fmt;
use std::io::{self, Write};

use serde::Serialize;

use crate::chat::dialect;
use crate::chat::dialect::json::RequestRef;
use crate::chat::dialect::utc::Utc;
use crate::chat::state::history::{Message, MessageKind};
use crate::chat::text::Row;
use crate::delivery::encoding::{Encoder, FrameKind, Framing};

/// One thing to tell. The fields and their order are those of the JSON dialect.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Reply<'a> {
    Welcome {
        name: &'a str,
        epoch: &'a str,
        server: &'a str,
        time: u64,
        limits: ServerLimits,
    },
    Said {
        room: &'a str,
        #[serde(flatten)]
        line: Line<'a>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    Joined {
        room: &'a str,
        name: &'a str,
        time: u64,
        #[serde(flatten, skip_serializing_if = "Option::is_none")]
        own: Option<JoinedSelf<'a>>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    Left {
        room: &'a str,
        name: &'a str,
        time: u64,
        #[serde(rename = "reason", skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
        #[serde(skip_serializing_if = "is_false")]
        you: bool,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    Renamed {
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<&'a str>,
        from: &'a str,
        to: &'a str,
        time: u64,
        #[serde(skip_serializing_if = "is_false")]
        you: bool,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    Topic {
        room: &'a str,
        topic: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        time: Option<u64>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    Direct {
        from: &'a str,
        to: &'a str,
        text: &'a str,
        time: u64,
        /// Whether this copy is the sender's.
        #[serde(skip)]
        sent: bool,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    History {
        room: &'a str,
        messages: Vec<Line<'a>>,
        more: bool,
        #[serde(skip_serializing_if = "is_false")]
        replay: bool,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    Members {
        room: &'a str,
        members: Vec<&'a str>,
        total: usize,
        #[serde(skip)]
        after: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<u64>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    Rooms {
        rooms: Vec<RoomSummary<'a>>,
        total: usize,
        #[serde(skip)]
        after: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        next: Option<u64>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
    Typing {
        room: &'a str,
        name: &'a str,
    },
    Error {
        code: &'a str,
        message: &'a str,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<&'a RequestRef>,
    },
}

/// A message of a room.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Line<'a> {
    pub id: u64,
    pub time: u64,
    pub name: &'a str,
    pub text: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    pub me: bool,
}

/// What only the one who joins is told.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct JoinedSelf<'a> {
    pub you: bool,
    /// The id of the room's last message; 0 before the first.
    pub position: u64,
    /// Something that was said since cannot be told any more.
    pub gap: bool,
    pub members: u32,
    pub topic: &'a str,
}

/// A room in the list of rooms.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RoomSummary<'a> {
    pub room: &'a str,
    pub members: u32,
    pub topic: &'a str,
}

/// The limits that a program may want to know.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ServerLimits {
    pub message_bytes: usize,
    pub name_chars: usize,
    pub room_chars: usize,
    pub rooms: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// More than a frame's header takes, or the end of a line.
const FRAMING_BYTES: usize = 10;

/// Counts what is written.
struct Count(usize);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn json_bytes(value: &impl Serialize) -> usize {
    let mut count = Count(0);
    serde_json::to_writer(&mut count, value).expect("strings and numbers always serialize");
    count.0
}

/// An answer with messages, of which no more are in it than fit.
pub struct Page<'a> {
    /// Whether its reader speaks JSON.
    pub is_json: bool,
    pub room: &'a str,
    pub reference: Option<&'a RequestRef>,
    pub bytes_max: usize,
}

impl<'a> Page<'a> {
    /// How many of these fit, in their order: one at least, as there is no other way to tell of
    /// it.
    pub fn fitting<'b>(&self, messages: impl ExactSizeIterator<Item = &'b Line<'b>>) -> usize {
        let (count, mut bytes) = (messages.len(), self.frame_bytes(messages.len()));
        let over = messages.map(|line| self.bytes(line)).position(|more| {
            bytes += more;
            bytes > self.bytes_max
        });
        over.map_or(count, |over| over.max(1))
    }

    pub fn output(&self, messages: Vec<Line<'a>>, more: bool, replay: bool) -> Reply<'a> {
        Reply::History { room: self.room, messages, more, replay, reference: self.reference }
    }

    /// What is around the messages: the object, or the heading.
    fn frame_bytes(&self, count: usize) -> usize {
        let bytes = match self.is_json {
            true => json_bytes(&self.output(Vec::new(), false, true)),
            false => format!("* The last {count} messages of {} (UTC):", self.room).len(),
        };
        bytes + FRAMING_BYTES
    }

    /// What one message takes: with its comma, or as a line.
    fn bytes(&self, line: &Line) -> usize {
        if self.is_json {
            return json_bytes(line) + 1;
        }
        let mut count = Count(FRAMING_BYTES);
        count.write_fmt(format_args!("{}", Dated(line))).expect("it only counts");
        count.0
    }
}

impl<'a> Line<'a> {
    pub fn new(id: u64, message: &'a Message) -> Line<'a> {
        Line {
            id,
            time: message.unix_ms(),
            name: message.author(),
            text: message.text(),
            me: message.kind() == MessageKind::Action,
        }
    }
}

/// Appends what is told in the rendering that its reader understands.
pub fn render(to: &mut Encoder, output: &Reply) {
    if to.encoding().dialect == dialect::JSON {
        to.message(FrameKind::Text, |buffer| {
            serde_json::to_writer(buffer, output).expect("strings and numbers always serialize");
        });
    } else if let Reply::Said { room, line, .. } = output {
        tell_said(to, room, *line);
    } else {
        output.lines(&mut |line| notice(to, line));
    }
}

/// One line for people; those who speak JSON are not told.
pub fn notice(to: &mut Encoder, line: fmt::Arguments) {
    if to.encoding().dialect == dialect::JSON {
        return;
    }
    let ending = ending(to);
    to.message(FrameKind::Text, |buffer| {
        buffer.write_fmt(line).expect("a vector takes any bytes");
        buffer.extend_from_slice(ending);
    });
}

/// A message as people read it. Every message takes this way, so it does without formatting.
fn tell_said(to: &mut Encoder, room: &str, line: Line) {
    let ending = ending(to);
    to.message(FrameKind::Text, |buffer| {
        let head = match line.me {
            false => ["[", room, "] ", line.name, ": "],
            true => ["[", room, "] * ", line.name, " "],
        };
        for part in head {
            buffer.extend_from_slice(part.as_bytes());
        }
        for part in Row(line.text).pieces() {
            buffer.extend_from_slice(part.as_bytes());
        }
        buffer.extend_from_slice(ending);
    });
}

/// A terminal's lines end as RFC 854 has it; a frame is a line by itself.
fn ending(to: &Encoder) -> &'static [u8] {
    if to.encoding().framing == Framing::Lines { b"\r\n" } else { b"" }
}

/// `2 others`, `nobody else`.
pub fn others(members: u32) -> String {
    match members.saturating_sub(1) {
        0 => "nobody else".to_owned(),
        1 => "1 other".to_owned(),
        others => format!("{others} others"),
    }
}

impl Reply<'_> {
    /// What people read.
    fn lines(&self, line: &mut dyn FnMut(fmt::Arguments)) {
        match self {
            Reply::Said { .. } | Reply::Welcome { .. } | Reply::Typing { .. } => {}
            Reply::Joined { room, name, own: None, .. } => {
                line(format_args!("* {name} joined {room}."))
            }
            Reply::Joined { room, own: Some(own), .. } => {
                let topic = if own.topic.is_empty() {
                    String::new()
                } else {
                    format!(" Topic: {}", Row(own.topic))
                };
                line(format_args!("* You are in {room} now, with {}.{topic}", others(own.members)));
            }
            Reply::Left { room, you: true, .. } => line(format_args!("* You left {room}.")),
            Reply::Left { room, name, reason: None, .. } => {
                line(format_args!("* {name} left {room}."))
            }
            Reply::Left { room, name, reason: Some(reason), .. } => {
                line(format_args!("* {name} left {room}: {}", Row(reason)));
            }
            Reply::Renamed { to, you: true, .. } => line(format_args!("* You are {to} now.")),
            Reply::Renamed { from, to, .. } => line(format_args!("* {from} is {to} now.")),
            Reply::Topic { room, topic, name: None, .. } => match *topic {
                "" => line(format_args!("* {room} has no topic. Set one with /topic TEXT.")),
                topic => line(format_args!("* The topic of {room}: {}", Row(topic))),
            },
            Reply::Topic { room, topic, name: Some(name), .. } => match *topic {
                "" => line(format_args!("* {name} cleared the topic of {room}.")),
                topic => line(format_args!("* {name} set the topic of {room}: {}", Row(topic))),
            },
            Reply::Direct { to, text, sent: true, .. } => {
                line(format_args!("[you -> {to}] {}", Row(text)))
            }
            Reply::Direct { from, text, .. } => line(format_args!("[{from} -> you] {}", Row(text))),
            Reply::History { room, messages, replay, .. } => {
                history_lines(room, messages, *replay, line)
            }
            Reply::Members { room, total: 0, .. } => line(format_args!("* Nobody is in {room}.")),
            Reply::Members { room, members, total, .. } if members.is_empty() => {
                line(format_args!("* {total} in {room}: there is no such page."));
            }
            Reply::Members { room, members, total, after, next, .. } => {
                let (first, last) = (after + 1, after + members.len() as u64);
                let names = members.join(", ");
                match next {
                    None if *after == 0 => line(format_args!("* {total} in {room}: {names}")),
                    None => line(format_args!("* {total} in {room}, {first} to {last}: {names}")),
                    Some(next) => {
                        line(format_args!("* {total} in {room}, {first} to {last}: {names}"));
                        line(format_args!(
                            "* More with /who {room} {}",
                            next / crate::chat::request::PAGE + 1
                        ));
                    }
                }
            }
            Reply::Rooms { total: 0, .. } => {
                line(format_args!("* There are no rooms. Create one with /join #ROOM."))
            }
            Reply::Rooms { rooms, total, after, next, .. } => {
                let count =
                    if *total == 1 { "1 room".to_owned() } else { format!("{total} rooms") };
                match (rooms.len() as u64, *after) {
                    (0, _) => line(format_args!("* {count}: there is no such page.")),
                    (_, 0) => line(format_args!("* {count}, busiest first:")),
                    (listed, after) => {
                        line(format_args!(
                            "* {count}, busiest first, {} to {}:",
                            after + 1,
                            after + listed
                        ));
                    }
                }
                for RoomSummary { room, members, topic } in rooms {
                    let people = if *members == 1 { "person" } else { "people" };
                    let dash = if topic.is_empty() { "" } else { ": " };
                    line(format_args!("*   {room} ({members} {people}){dash}{}", Row(topic)));
                }
                if let Some(next) = next {
                    line(format_args!(
                        "* More with /rooms {}",
                        next / crate::chat::request::PAGE + 1
                    ));
                }
            }
            Reply::Error { message, .. } => line(format_args!("! {message}")),
        }
    }
}

fn history_lines(
    room: &str,
    messages: &[Line],
    replay: bool,
    line: &mut dyn FnMut(fmt::Arguments),
) {
    match (messages.len(), replay) {
        (0, true) => return,
        (0, false) => return line(format_args!("* Nothing was said in {room} yet.")),
        (1, _) => line(format_args!("* The last message of {room} (UTC):")),
        (count, _) => line(format_args!("* The last {count} messages of {room} (UTC):")),
    }
    messages.iter().for_each(|message| line(format_args!("{}", Dated(message))));
}

/// A message as /history has it.
struct Dated<'a>(&'a Line<'a>);

impl fmt::Display for Dated<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line { id, time, name, text, me } = *self.0;
        let (star, colon) = if me { ("* ", "") } else { ("", ":") };
        write!(f, "*   {} ({id}) {star}{name}{colon} {}", Utc(time), Row(text))
    }
}
