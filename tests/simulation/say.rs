//! What clients say, in words and in bytes.

use std::cell::RefCell;

use chat_server::wire::websocket::deflate::Deflater;
use chat_server::wire::websocket::frame::{FrameHeader, Opcode, encode_client_frame};
use fastrand::Rng;
use serde_json::json;

use crate::ask::{Ask, Dialect, Sent, Which, written};

thread_local! {
    /// Every message stands alone, and a new one takes long to set up.
    static DEFLATER: RefCell<Deflater> = RefCell::new(Deflater::new());
}

/// Some look like others: `#dev.`, an `a` and names in Cyrillic, an `l` for a 1.
pub const ROOMS: [&str; 9] =
    ["#lobby", "#a", "#b", "#Dev", "#dev", "#日本", "#dev.", "#\u{430}", "#l0bby"];
const NAMES: [&str; 12] = [
    "alice",
    "Alice",
    "bob",
    "carol",
    "dave",
    "日本",
    "guest-3",
    "erin",
    "alice_",
    "coco",
    "\u{441}\u{43E}\u{441}\u{43E}",
    "guest-l",
];

/// In the place of this stands half a surrogate pair.
const HALF: &str = "(half)";

/// Puts a reference into an object, at its end.
pub fn refer(mut object: String, reference: Option<u64>) -> String {
    if let Some(reference) = reference {
        let end = object.rfind('}').expect("an object");
        object.truncate(end);
        object.push_str(&format!(",\"ref\":{}}}", written(reference)));
    }
    object
}

/// What a client has come to know, and what it may use.
pub struct Mind<'a> {
    pub rng: &'a mut Rng,
    /// Numbers everything that is said, so that no two messages are alike.
    pub counter: &'a mut u64,
    pub message_bytes_max: usize,
    /// Names of those who are here.
    pub names: &'a [String],
    /// The last message id that it has seen of each room.
    pub last_ids: Vec<(String, u64)>,
}

impl Mind<'_> {
    fn pick<'b>(&mut self, of: &[&'b str]) -> &'b str {
        of[self.rng.usize(..of.len())]
    }

    pub fn room(&mut self) -> String {
        self.pick(&ROOMS).to_owned()
    }

    pub fn name(&mut self) -> String {
        self.pick(&NAMES).to_owned()
    }

    fn some_room(&mut self) -> Option<String> {
        self.rng.bool().then(|| self.room())
    }

    /// Words as they are typed, and as others are to see them.
    fn words(&mut self) -> (String, String) {
        *self.counter += 1;
        // Some begin like the methods of HTTP.
        let mut raw = format!("{}{}", self.pick(&["m", "m", "m", "GETm", "Pm"]), self.counter);
        let mut shown = raw.clone();
        let pieces = self.rng.usize(0..8);
        for _ in 0..pieces {
            let (typed, seen) = match self.rng.u32(0..15) {
                12 => (
                    "                    [#lobby] bob: I quit",
                    "                    [#lobby] bob: I quit",
                ),
                13 => (
                    "\u{3000}\u{A0}\u{2800}\u{3164}\u{200B} \u{2003}\u{3000}x",
                    "\u{3000}\u{A0}\u{2800}\u{3164}\u{200B} \u{2003}\u{3000}x",
                ),
                14 => ("  if x:        # y", "  if x:        # y"),
                // What ESC begins is the wire's on one, and the chat's on the other.
                0 => (" \u{9b}31mred", " 31mred"),
                1 => (" right\u{202e}left", " rightleft"),
                2 => (" tab\tbed", " tab bed"),
                3 => (" bell\u{7}s\u{9b}", " bells"),
                4 => (" こんにちは", " こんにちは"),
                5 => (" \"quoted\\", " \"quoted\\"),
                6 => (" /slash //", " /slash //"),
                _ => (" lorem ipsum dolor", " lorem ipsum dolor"),
            };
            if raw.len() + typed.len() + 160 < self.message_bytes_max {
                raw.push_str(typed);
                shown.push_str(seen);
            }
        }
        (raw, shown)
    }

    /// The same, at times on several lines. By numbers of its own, so that the others stay what they
    /// are.
    fn lines(&mut self) -> (String, String) {
        let (mut raw, mut shown) = self.words();
        shown = shown.replace(" tab bed", " tab\tbed");
        let mut rng = Rng::with_seed(*self.counter);
        if rng.u32(0..3) > 0 {
            return (raw, shown);
        }
        for _ in 0..rng.usize(1..6) {
            let (typed, seen) = match rng.u32(0..8) {
                0 => ("\n\n\n\n\n.", "\n\n\n\n\n."),
                1 => ("\r\n\tindented", "\n\tindented"),
                2 => {
                    ("\n                              deep", "\n                              deep")
                }
                3 => ("\n[#lobby] bob: I quit", "\n[#lobby] bob: I quit"),
                4 => ("\n* bob left #lobby.", "\n* bob left #lobby."),
                5 => ("\u{85}one\u{2028}line", " one line"),
                6 => ("\n| marked\ttwice", "\n| marked\ttwice"),
                _ => ("\n \n! lorem", "\n \n! lorem"),
            };
            // Some take two bytes in JSON.
            if raw.len() + 2 * typed.len() + 160 < self.message_bytes_max {
                raw.push_str(typed);
                shown.push_str(seen);
            }
        }
        (raw, shown)
    }

    pub fn think(&mut self, dialect: Dialect) -> Sent {
        match dialect {
            Dialect::Json => self.think_json(),
            _ => self.think_line(dialect),
        }
    }

    /// A line as people type it. `/leave`, `/who` and the like without a room mean the one they
    /// talk in.
    fn think_line(&mut self, dialect: Dialect) -> Sent {
        let (raw, shown) = self.words();
        let (line, ask) = match self.rng.u32(0..105) {
            100..105 => {
                let (number, which) = match self.rng.u64(0..6) {
                    back @ 1..4 => (format!(" -{back}"), Which::Back(back)),
                    4 => (" 7".to_owned(), Which::Id(7)),
                    _ => (String::new(), Which::OwnLast),
                };
                (format!("/delete{number}"), Ask::Delete { room: None, which })
            }
            0..50 => (raw, Ask::Say { room: None, text: shown, me: false }),
            50..54 => (format!("/me {raw}"), Ask::Say { room: None, text: shown, me: true }),
            54..56 => {
                (format!("//{raw}"), Ask::Say { room: None, text: format!("/{shown}"), me: false })
            }
            56..66 => {
                let room = self.room();
                (
                    format!("/join {room}"),
                    Ask::Join { room, since: None, same_epoch: true, replay: None },
                )
            }
            66..70 => match self.some_room() {
                Some(room) => (format!("/leave {room}"), Ask::Leave { room: Some(room) }),
                None => ("/leave".to_owned(), Ask::Leave { room: None }),
            },
            70..74 => {
                let name = self.name();
                (format!("/nick {name}"), Ask::Nick { name, valid: true })
            }
            74 => {
                let name =
                    self.pick(&["system", "s\u{443}stem", "admin.", "\u{430}lice"]).to_owned();
                (format!("/nick {name}"), Ask::Nick { name, valid: false })
            }
            75..82 => {
                let to = self.addressee();
                (format!("/msg {to} {raw}"), Ask::Direct { to, text: shown })
            }
            82..84 => (format!("/topic {raw}"), Ask::Topic { room: None, text: Some(shown) }),
            84 => ("/topic -".to_owned(), Ask::Topic { room: None, text: Some(String::new()) }),
            85 => ("/topic".to_owned(), Ask::Topic { room: None, text: None }),
            86..89 => {
                let limit = self.rng.bool().then(|| self.rng.u32(1..30));
                let line = limit.map_or("/history".to_owned(), |limit| format!("/history {limit}"));
                (line, Ask::History { room: None, before: None, after: None, limit })
            }
            89..91 => {
                let room = self.some_room();
                let page = self.rng.bool().then(|| self.rng.usize(1..8));
                let mut line = "/who".to_owned();
                line.extend(room.as_ref().map(|room| format!(" {room}")));
                line.extend(page.map(|page| format!(" {page}")));
                (line, Ask::Who { room, after: 50 * (page.unwrap_or(1) - 1), limit: None })
            }
            91 => ("/rooms".to_owned(), Ask::Rooms),
            // Nothing is kept here.
            92 => ("/search tea".to_owned(), Ask::Bad { code: "search_unavailable" }),
            93 => ("/help".to_owned(), Ask::Help),
            94 => ("/dance".to_owned(), Ask::Bad { code: "unknown_type" }),
            95 => ("/msg".to_owned(), Ask::Bad { code: "missing_field" }),
            96 => {
                ("\u{9b}\u{7}".to_owned(), Ask::Say { room: None, text: String::new(), me: false })
            }
            // In a frame this would end the connection.
            97 if dialect == Dialect::Line => return bad(b"\xFE is not UTF-8", "text_refused"),
            98 => match self.rng.u32(0..6) {
                0 => ("/zone UTC".to_owned(), Ask::Zone { minutes: 0 }),
                1 => ("/zone -3:30".to_owned(), Ask::Zone { minutes: -210 }),
                2 => ("/zone Tokyo".to_owned(), Ask::Zone { minutes: 540 }),
                3 => ("/times off".to_owned(), Ask::Times { on: false }),
                _ => ("/times on".to_owned(), Ask::Times { on: true }),
            },
            _ => (String::new(), Ask::Nothing),
        };
        let unseen = if self.rng.u32(0..16) == 0 { "\u{FEFF}" } else { "" };
        Sent { bytes: [unseen, &line].concat().into_bytes(), ask, reference: None }
    }

    fn addressee(&mut self) -> String {
        match self.rng.usize(0..4) {
            0 => self.name(),
            _ if self.names.is_empty() => self.name(),
            _ => self.names[self.rng.usize(..self.names.len())].clone(),
        }
    }

    fn think_json(&mut self) -> Sent {
        let (mut raw, mut shown) = self.lines();
        if self.rng.u32(0..10) == 0 {
            raw.push_str(HALF);
            shown.push('\u{FFFD}');
        }
        if raw.contains('\n') {
            (raw, shown) = (format!("\n {raw} \n\t\n"), format!(" {shown} "));
        }
        let room = if self.rng.u32(0..3) == 0 { self.some_room() } else { None };
        let (mut object, ask) = match self.rng.u32(0..105) {
            100..105 => {
                let id = match self.last_ids.is_empty() {
                    true => self.rng.u64(0..40),
                    // Of the room that is meant, mostly: there are few.
                    false => {
                        let (_, last) = self.last_ids[self.rng.usize(..self.last_ids.len())];
                        last.saturating_sub(self.rng.u64(0..4))
                    }
                };
                (json!({ "type": "delete", "id": id }), Ask::Delete { room, which: Which::Id(id) })
            }
            0..50 => {
                (json!({ "type": "say", "text": raw }), Ask::Say { room, text: shown, me: false })
            }
            50..54 => {
                (json!({ "type": "me", "text": raw }), Ask::Say { room, text: shown, me: true })
            }
            54..68 => self.join(),
            68..71 => (json!({ "type": "leave" }), Ask::Leave { room }),
            71..74 => {
                let name = self.name();
                (json!({ "type": "nick", "name": name }), Ask::Nick { name, valid: true })
            }
            74..80 => {
                let to = self.addressee();
                (json!({ "type": "msg", "to": to, "text": raw }), Ask::Direct { to, text: shown })
            }
            80..82 => {
                let (raw, shown) = self.words();
                (json!({ "type": "topic", "text": raw }), Ask::Topic { room, text: Some(shown) })
            }
            82 => (json!({ "type": "topic" }), Ask::Topic { room, text: None }),
            83..88 => {
                let before = (self.rng.u32(0..3) == 0).then(|| self.rng.u64(0..60));
                let after = (self.rng.u32(0..3) == 0).then(|| self.rng.u64(0..60));
                let limit = self.rng.bool().then(|| self.rng.u32(1..30));
                let mut object = json!({ "type": "history" });
                for (field, value) in
                    [("before", before), ("after", after), ("limit", limit.map(u64::from))]
                {
                    if let Some(value) = value {
                        object[field] = value.into();
                    }
                }
                (object, Ask::History { room, before, after, limit })
            }
            88..90 => {
                let (after, limit) =
                    (self.rng.usize(0..8) * self.rng.usize(0..50), self.rng.usize(1..100));
                (
                    json!({ "type": "who", "after": after, "limit": limit }),
                    Ask::Who { room, after, limit: Some(limit) },
                )
            }
            90 => (json!({ "type": "rooms" }), Ask::Rooms),
            91 => (
                json!({ "type": "search", "text": "tea" }),
                Ask::Bad { code: "search_unavailable" },
            ),
            92..95 => (json!({ "type": "typing" }), Ask::Typing { room }),
            95 => (json!({ "type": "dance" }), Ask::Bad { code: "unknown_type" }),
            96 => (json!({ "type": "say" }), Ask::Bad { code: "missing_field" }),
            97 => (
                json!({ "type": "say", "text": 7, "more": [{ "ref": 1 }] }),
                Ask::Bad { code: "bad_field" },
            ),
            98 => (json!({ "type": "say", "text": "(broken)" }), Ask::Bad { code: "bad_json" }),
            _ => (
                json!({ "type": "say", "text": " \u{7}" }),
                Ask::Say { room, text: String::new(), me: false },
            ),
        };
        if let Some(room) = room_of(&ask) {
            object["room"] = room.into();
        }
        let reference = (self.rng.u32(0..3) > 0).then(|| {
            *self.counter += 1;
            *self.counter
        });
        let unseen = if self.rng.u32(0..16) == 0 { "\u{FEFF}" } else { "" };
        let object = object.to_string().replace(HALF, "\\ud83d").replace("(broken)", "\\x");
        Sent { bytes: [unseen, &refer(object, reference)].concat().into_bytes(), ask, reference }
    }

    /// Enters a room: for the first time, or again and resuming, or with a position that is none.
    fn join(&mut self) -> (serde_json::Value, Ask) {
        let (room, since) = match self.rng.u32(0..10) {
            0..4 if !self.last_ids.is_empty() => {
                let (room, id) = self.last_ids[self.rng.usize(..self.last_ids.len())].clone();
                (room, Some(id))
            }
            4 => (self.room(), Some(self.rng.u64(0..40))),
            _ => (self.room(), None),
        };
        let mut object = json!({ "type": "join", "room": room });
        let epoch = if since.is_some() { self.rng.u32(0..4) } else { 0 };
        match epoch {
            1 | 2 => object["epoch"] = "now".into(),
            3 => object["epoch"] = "then".into(),
            _ => {}
        }
        let replay = (self.rng.u32(0..4) == 0).then(|| self.rng.u32(0..20));
        if let Some(since) = since {
            object["since"] = since.into();
        }
        if let Some(replay) = replay {
            object["replay"] = replay.into();
        }
        (object, Ask::Join { room, since, same_epoch: epoch != 3, replay })
    }
}

fn bad(text: &[u8], code: &'static str) -> Sent {
    Sent { bytes: text.to_vec(), ask: Ask::Bad { code }, reference: None }
}

fn room_of(ask: &Ask) -> Option<&str> {
    match ask {
        Ask::Say { room, .. }
        | Ask::Leave { room }
        | Ask::Topic { room, .. }
        | Ask::History { room, .. }
        | Ask::Who { room, .. }
        | Ask::Delete { room, .. }
        | Ask::Typing { room } => room.as_deref(),
        _ => None,
    }
}

/// A line with one of the endings that terminals give it, and telnet's own bytes in between.
pub fn line(rng: &mut Rng, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut at = rng.usize(..=content.len());
    // Between characters: within one, a command stands for the byte that GNU telnet takes for it.
    while content.get(at).is_some_and(|byte| (0x80..0xC0).contains(byte)) {
        at -= 1;
    }
    bytes.extend_from_slice(&content[..at]);
    match rng.u32(0..40) {
        // Not for echo and the like: this terminal edits its line by itself.
        0 => bytes.extend_from_slice(&[255, 253, rng.u8(4..50)]),
        1 => bytes.extend_from_slice(&[255, 251, rng.u8(0..50)]),
        2 => bytes.extend_from_slice(&[255, 246]),
        3 => bytes.extend_from_slice(&[255, 250, 31, 0, 80, 0, 24, 255, 240]),
        4 => bytes.extend_from_slice(&[255, 241]),
        _ => {}
    }
    bytes.extend_from_slice(&content[at..]);
    bytes.extend_from_slice(match rng.u32(0..4) {
        0 => b"\n",
        1 => b"\r\0",
        _ => b"\r\n",
    });
    bytes
}

pub fn frame(rng: &mut Rng, opcode: Opcode, is_final: bool, payload: &[u8]) -> Vec<u8> {
    data_frame(rng, opcode, is_final, false, payload)
}

fn data_frame(
    rng: &mut Rng,
    opcode: Opcode,
    is_final: bool,
    is_compressed: bool,
    payload: &[u8],
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let key = rng.u32(..).to_be_bytes();
    let header =
        FrameHeader { is_final, is_compressed, opcode, mask_key: Some(key), payload_bytes: 0 };
    encode_client_frame(&mut bytes, header, payload);
    bytes
}

/// A text message in one frame or in several, with `between` in the gaps.
pub fn text(rng: &mut Rng, content: &[u8], between: &[u8], compress: bool) -> Vec<u8> {
    let compress = compress && rng.u32(0..8) == 0;
    let mut compressed = Vec::new();
    if compress {
        DEFLATER.with_borrow_mut(|deflater| deflater.deflate(content, &mut compressed));
    }
    let content = if compress { &compressed } else { content };
    if rng.u32(0..6) > 0 {
        let mut bytes = between.to_vec();
        bytes.extend(data_frame(rng, Opcode::Text, true, compress, content));
        return bytes;
    }
    let (first, second) = (rng.usize(..=content.len()), rng.usize(..=content.len()));
    let (first, second) = (first.min(second), first.max(second));
    let mut bytes = data_frame(rng, Opcode::Text, false, compress, &content[..first]);
    bytes.extend_from_slice(between);
    bytes.extend(frame(rng, Opcode::Continuation, false, &content[first..second]));
    bytes.extend(frame(rng, Opcode::Continuation, true, &content[second..]));
    bytes
}

/// Something that ends a WebSocket, and the close code that it is to end with.
pub fn broken_frame(rng: &mut Rng, message_bytes_max: usize) -> (Vec<u8>, u16) {
    match rng.u32(0..12) {
        0 => (vec![0x81, 0x02, b'h', b'i'], 1002),
        1 => (vec![0x83, 0x80, 0, 0, 0, 0], 1002),
        2 => (vec![0xA1, 0x80, 0, 0, 0, 0], 1002),
        3 => (vec![0x09, 0x80, 0, 0, 0, 0], 1002),
        4 => (vec![0x80, 0x80, 0, 0, 0, 0], 1002),
        5 => (vec![0x89, 0xFE, 0, 126], 1002),
        6 => (vec![0x81, 0xFE, 0, 5, 0, 0, 0, 0], 1002),
        7 => (vec![0x81, 0xFF, 0x7F, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4], 1009),
        8 => (frame(rng, Opcode::Text, true, &vec![b'x'; message_bytes_max + 1]), 1009),
        9 => (frame(rng, Opcode::Text, true, b"\xFF"), 1007),
        10 => (frame(rng, Opcode::Close, true, b"\x03"), 1002),
        _ => (frame(rng, Opcode::Close, true, &1005u16.to_be_bytes()), 1002),
    }
}
