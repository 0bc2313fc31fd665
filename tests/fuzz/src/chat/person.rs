//! A client, and what may come to it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use chat_server::chat::text::is_blank;
use chat_server::wire::websocket::deflate::Deflater;
use chat_server::wire::websocket::frame::{FrameHeader, Opcode, encode_client_frame};
use serde_json::{Value, json};

use super::super::names::acts;
use super::super::screen::{KEY, Screen, Seen};
use super::super::stream::Wire;
use super::script::Ask;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// At a terminal, or whatever its first bytes make of it.
    Line,
    /// WebSocket, a line a frame.
    Text,
    Json,
}

/// What was said, by room and id; everybody is to hear the same.
pub struct Said {
    /// Whether ids never start over.
    lasts: bool,
    /// The bound of an answer with messages.
    answer_bytes_max: usize,
    messages: HashMap<(String, u64), [Value; 3]>,
}

impl Said {
    pub fn new(lasts: bool, answer_bytes_max: usize) -> Said {
        Said { lasts, answer_bytes_max, messages: HashMap::new() }
    }

    fn check(&mut self, room: &str, message: &Value) {
        let content = ["name", "text", "me"].map(|field| message[field].clone());
        let id = message["id"].as_u64().expect("an id");
        if message["deleted"] == true {
            assert!(message.get("text").is_none(), "a tombstone has a text: {message}");
            let known = self.messages.get(&(room.to_owned(), id));
            let is_its = known.is_none_or(|known| known[0] == content[0]);
            return assert!(!self.lasts || is_its, "message {id} of {room} was {known:?}");
        }
        let known = self.messages.entry((room.to_owned(), id)).or_insert_with(|| content.clone());
        assert!(
            !self.lasts || *known == content,
            "message {id} of {room} is {known:?} and {content:?}"
        );
    }
}

/// How what comes is read.
enum View {
    /// Nothing has come that tells.
    Undecided,
    Screen(Box<Screen>),
    /// A line client whose first bytes were of another protocol, and answered in that.
    Foreign,
}

pub struct Person {
    pub number: usize,
    pub key: usize,
    pub wire: Rc<RefCell<Wire>>,
    dialect: Dialect,
    view: View,
    /// What it knows itself as; only the JSON dialect tells for sure.
    name: Option<String>,
    /// The rooms that it has been told it is in, with the id that comes next there.
    rooms: HashMap<String, u64>,
    /// Whether what came last is of a message, which may have more lines.
    may_go_on: bool,
    pub heard: Vec<Seen>,
}

impl Person {
    pub fn new(
        number: usize,
        key: usize,
        wire: Rc<RefCell<Wire>>,
        dialect: Dialect,
        compress: bool,
    ) -> Person {
        let view = match dialect {
            Dialect::Line => View::Undecided,
            Dialect::Text => View::Screen(Box::new(Screen::http(false, compress))),
            Dialect::Json => View::Screen(Box::new(Screen::http(true, compress))),
        };
        Person {
            number,
            key,
            wire,
            dialect,
            view,
            name: None,
            rooms: HashMap::new(),
            may_go_on: false,
            heard: Vec::new(),
        }
    }

    // ---- Speaking ----

    /// Sends the upgrade request of a WebSocket.
    pub fn introduce(&mut self, name: Option<&str>, room: Option<&str>) {
        if self.dialect == Dialect::Line {
            return;
        }
        let encode =
            |value: &str| value.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let name = name.map(|name| format!("name={}&", encode(name))).unwrap_or_default();
        let room = room.map(|room| format!("room={}", encode(room))).unwrap_or_default();
        let protocol = if self.dialect == Dialect::Json {
            "Sec-WebSocket-Protocol: chat.v1.json\r\n"
        } else {
            ""
        };
        let request = format!(
            "GET /?{name}{room} HTTP/1.1\r\nHost: chat.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{protocol}\
             Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
        );
        self.send(request.as_bytes());
    }

    pub fn send(&mut self, bytes: &[u8]) {
        let mut wire = self.wire.borrow_mut();
        if !wire.fin_sent {
            wire.uplink.extend(bytes);
        }
    }

    /// Keys that mean to leave (Ctrl-C, Ctrl-D, Ctrl-Z) take back what has come by then, which is
    /// another thing in each cut.
    pub fn press_no_keys_to_leave(&self) {
        if self.dialect == Dialect::Line {
            let mut wire = self.wire.borrow_mut();
            let keys = wire.uplink.iter_mut().filter(|byte| matches!(**byte, 3 | 4 | 26));
            keys.for_each(|byte| *byte = b'k');
        }
    }

    pub fn say(&mut self, ask: &Ask) {
        match (ask, self.dialect) {
            (Ask::Frame { first, payload }, Dialect::Line) => {
                let end: &[u8] = if first % 2 == 0 { b"\r\n" } else { b"\n" };
                self.send(&[payload, end].concat());
            }
            (Ask::Frame { first, payload }, _) => self.send_frame(*first, payload),
            (_, Dialect::Line) => self.send(format!("{}\r\n", ask.line()).as_bytes()),
            (_, Dialect::Text) => self.send_frame(0x81, ask.line().as_bytes()),
            (_, Dialect::Json) => self.send_frame(0x81, ask.json().as_bytes()),
        }
    }

    /// A frame with this first byte; a message is compressed if it may be.
    fn send_frame(&mut self, first: u8, payload: &[u8]) {
        let may_compress = matches!(&self.view, View::Screen(screen) if screen.may_compress());
        let is_compressed = may_compress && matches!(first, 0x81 | 0x82) && payload.len() % 2 == 1;
        let mut compressed = Vec::new();
        if is_compressed {
            Deflater::new().deflate(payload, &mut compressed);
        }
        let payload = if is_compressed { &compressed } else { payload };
        let mask_key = Some([1, 2, 3, payload.len() as u8]);
        let header = FrameHeader {
            is_final: true,
            is_compressed: false,
            opcode: Opcode::Text,
            mask_key,
            payload_bytes: 0,
        };
        let mut frame = Vec::new();
        encode_client_frame(&mut frame, header, payload);
        frame[0] = if is_compressed { first | 0x40 } else { first };
        self.send(&frame);
    }

    // ---- Hearing ----

    /// Takes up to so many bytes, and judges them.
    pub fn read(&mut self, bytes: usize, said: &mut Said) {
        let bytes = self.wire.borrow_mut().take(bytes);
        if let (View::Undecided, Some(first)) = (&self.view, bytes.first()) {
            // A line of the server's begins with a mark, and a telnet command with IAC.
            self.view = match first {
                b'*' | b'!' | 255 => View::Screen(Box::new(Screen::lines())),
                _ => View::Foreign,
            };
        }
        let View::Screen(screen) = &mut self.view else { return };
        let seen = screen.feed(&bytes);
        for seen in &seen {
            self.judge(seen, said);
        }
        self.heard.extend(seen);
    }

    fn judge(&mut self, seen: &Seen, said: &mut Said) {
        match seen {
            Seen::Line(line) => self.judge_line(line),
            // A message comes in one frame.
            Seen::Text(text) if self.dialect == Dialect::Text => {
                self.may_go_on = false;
                text.split('\n').for_each(|line| self.judge_line(line));
            }
            Seen::Text(text) => self.judge_object(text, said),
            Seen::Binary(bytes) => panic!("a chat is text, not {bytes:?}"),
            Seen::Close(code) => {
                assert!(
                    matches!(code, None | Some(1000..=1014 | 3000..=4999)),
                    "close code {code:?}"
                );
            }
            Seen::Ping(payload) | Seen::Pong(payload) => assert!(payload.len() <= 125),
            Seen::Upgraded => assert!(self.heard.is_empty()),
            Seen::Response { status } => {
                assert!((400..=599).contains(status), "an upgrade answered by {status}")
            }
        }
    }

    /// Whether its wire is decided: a terminal's by the first line, anything else by what it is
    /// made to send.
    pub fn is_in(&self) -> bool {
        let is_welcome =
            |seen: &Seen| matches!(seen, Seen::Line(line) if line.starts_with("* Welcome!"));
        self.dialect != Dialect::Line || self.heard.iter().any(is_welcome)
    }

    /// What people read: it tells of rooms that this client is in, and a terminal would not act on
    /// it.
    fn judge_line(&mut self, line: &str) {
        assert!(!line.contains(acts), "a terminal would act on {line:?}");
        let (line, is_more) = match line.strip_prefix('|') {
            Some(more) => (more.trim_start_matches(' '), true),
            None => (line, false),
        };
        assert!(!is_more || self.may_go_on, "{line:?} goes on, and nothing is before it");
        let runs = line.split(|c: char| !c.is_whitespace() && !is_blank(c));
        // One more is between a name and what it says. What was typed wrong is quoted to the one
        // who typed it.
        let are_short = runs.into_iter().all(|run| run.chars().count() <= 9);
        assert!(are_short || line.starts_with('!'), "blanks in a row: {line:?}");
        if is_more {
            return;
        }
        assert!(line.starts_with(['*', '!', '[']), "{line:?} could be anybody's");
        self.may_go_on = line.starts_with('[') || line.starts_with("*   ");
        if let Some(said) = line.strip_prefix("[#") {
            let room = said.split(']').next().expect("there is one");
            // Before it has come in, a terminal may listen to the lobby.
            let listens = self.rooms.is_empty()
                && self.dialect == Dialect::Line
                && room.eq_ignore_ascii_case("lobby");
            let is_in = self.rooms.contains_key(&format!("#{room}"));
            assert!(is_in || listens, "not in #{room}, and told {line:?}");
        }
        let welcome =
            line.strip_prefix("* Welcome! You are ").and_then(|rest| rest.split_once(" in #"));
        let entered = line.strip_prefix("* You are in #").map(|rest| (rest, " now, with"));
        if let Some((rest, end)) = entered.or(welcome.map(|(_, rest)| (rest, ", with"))) {
            self.rooms
                .insert(format!("#{}", rest.split_once(end).expect("how many are there").0), 0);
        }
        if let Some(left) = line.strip_prefix("* You left ") {
            let left = left.strip_suffix('.').expect("a sentence");
            assert!(self.rooms.remove(left).is_some(), "left {left} without having been in it");
        }
    }

    fn judge_object(&mut self, text: &str, said: &mut Said) {
        let object: Value =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert!(object.is_object(), "{text}");
        judge_strings(&object);
        let field =
            |field: &str| object[field].as_str().unwrap_or_else(|| panic!("no {field} in {text}"));
        let is_first = self.name.is_none();
        let kind = field("type");
        assert_eq!(is_first, kind == "welcome", "a welcome comes first, and once: {text}");
        let you = object["you"] == true;
        match kind {
            "welcome" => self.name = Some(field("name").to_owned()),
            "joined" if you => {
                let next = object["position"].as_u64().expect("a position") + 1;
                let before = self.rooms.insert(field("room").to_owned(), next);
                assert!(
                    before.is_none_or(|before| before == next),
                    "{before:?} was to come next: {text}"
                );
            }
            "left" if you => assert!(self.rooms.remove(field("room")).is_some(), "{text}"),
            "renamed" if you => self.name = Some(field("to").to_owned()),
            "said" => {
                said.check(field("room"), &object);
                let next = self
                    .rooms
                    .get_mut(field("room"))
                    .unwrap_or_else(|| panic!("not in the room of {text}"));
                assert_eq!(
                    object["id"].as_u64(),
                    Some(*next),
                    "nothing comes twice or is left out: {text}"
                );
                *next += 1;
            }
            "history" => {
                let messages = object["messages"].as_array().expect("messages");
                for message in messages {
                    said.check(field("room"), message);
                }
                assert!(
                    messages.len() < 2 || text.len() + 10 <= said.answer_bytes_max,
                    "{} bytes: {text}",
                    text.len()
                );
                assert!(messages.is_sorted_by_key(|message| message["id"].as_u64()), "{text}");
            }
            "deleted" | "joined" | "left" | "renamed" | "presence" | "typing" => {
                assert!(self.rooms.contains_key(field("room")), "{text}")
            }
            "topic" if object.get("name").is_some() => {
                assert!(self.rooms.contains_key(field("room")), "{text}")
            }
            "direct" => {
                let own = self.name.as_deref();
                assert!(
                    own == Some(field("from")) || own == Some(field("to")),
                    "not to {own:?}: {text}"
                );
            }
            "topic" | "members" | "rooms" => {}
            "error" => assert!(!field("code").is_empty() && !field("message").is_empty()),
            kind => panic!("the type {kind:?}"),
        }
    }

    // ---- Going ----

    /// Whether the connection is over on both sides.
    pub fn is_gone(&self) -> bool {
        let wire = self.wire.borrow();
        wire.dropped && wire.downlink.is_empty()
    }

    /// Whether nothing was cut off in the middle, if the connection did not break.
    pub fn is_whole(&self) -> bool {
        let wire = self.wire.borrow();
        match &self.view {
            View::Screen(screen) => wire.reset || wire.reset_by_close || screen.left_over() == 0,
            View::Undecided | View::Foreign => true,
        }
    }
}

/// No string that others chose has anything in it on which a terminal would act.
fn judge_strings(value: &Value) {
    match value {
        // What is said may have several lines.
        Value::String(text) => {
            let acts = |c: char| acts(c) && !matches!(c, '\n' | '\t');
            assert!(!text.contains(acts), "{}", text.escape_unicode());
        }
        Value::Array(values) => values.iter().for_each(judge_strings),
        // A reference comes back to the one who made it up.
        Value::Object(fields) => {
            fields.iter().filter(|(name, _)| *name != "ref").for_each(|(_, v)| judge_strings(v))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl Ask {
    /// As a line that people type.
    fn line(&self) -> String {
        match self {
            Ask::Say { text, me: false, .. } => text.clone(),
            Ask::Say { text, me: true, .. } => format!("/me {text}"),
            Ask::Direct { to, text } => format!("/msg {to} {text}"),
            Ask::Join { room, .. } => format!("/join {room}"),
            Ask::Leave { room } => format!("/leave {}", room.as_deref().unwrap_or_default()),
            Ask::Nick { name } => format!("/nick {name}"),
            Ask::Topic { text, .. } => format!("/topic {}", text.as_deref().unwrap_or_default()),
            Ask::History { limit, .. } => format!("/history {limit}"),
            Ask::Who { room, after } => {
                format!("/who {} {after}", room.as_deref().unwrap_or_default())
            }
            Ask::Rooms { after } => format!("/rooms {after}"),
            Ask::Typing { .. } => "/help".to_owned(),
            Ask::Delete { id: 0, .. } => "/delete".to_owned(),
            Ask::Delete { id, .. } => format!("/delete -{id}"),
            Ask::Quit { text } => format!("/quit {text}"),
            Ask::Frame { payload, .. } => String::from_utf8_lossy(payload).into_owned(),
        }
    }

    /// As a request of the JSON dialect.
    fn json(&self) -> String {
        let request = match self {
            Ask::Say { room, text, me: false } => {
                json!({"type": "say", "room": room, "text": text})
            }
            Ask::Say { room, text, me: true } => {
                json!({"type": "me", "room": room, "text": text, "ref": 1})
            }
            Ask::Direct { to, text } => json!({"type": "msg", "to": to, "text": text, "ref": text}),
            Ask::Join { room, since } => {
                json!({"type": "join", "room": room, "since": since, "ref": "\u{202E}"})
            }
            Ask::Leave { room } => json!({"type": "leave", "room": room}),
            Ask::Nick { name } => json!({"type": "nick", "name": name, "ref": name}),
            Ask::Topic { room, text } => json!({"type": "topic", "room": room, "text": text}),
            Ask::History { room, limit } => {
                json!({"type": "history", "room": room, "before": limit, "limit": limit})
            }
            Ask::Who { room, after } => {
                json!({"type": "who", "room": room, "after": after, "limit": 2})
            }
            Ask::Rooms { after } => json!({"type": "rooms", "after": after, "limit": 2}),
            Ask::Typing { room } => json!({"type": "typing", "room": room}),
            Ask::Delete { room, id } => json!({"type": "delete", "room": room, "id": id}),
            Ask::Quit { text } => json!({"type": text}),
            Ask::Frame { payload, .. } => return String::from_utf8_lossy(payload).into_owned(),
        };
        request.to_string()
    }
}
