//! A simulated client: a connection, a way to speak, habits, and what it must not be done to.

use std::cell::RefCell;
use std::rc::Rc;

use chat_server::server::settings::ConnectionLimits;
use chat_server::wire::websocket::frame::Opcode;
use fastrand::Rng;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::ask::{Ask, Dialect, Sent};
use crate::habit::Habit;
use crate::memory::Memory;
use crate::model::Model;
use crate::say::{self, Mind};
use crate::screen::{KEY, Screen, Seen};
use crate::stage::GREETING;
use crate::stream::Wire;

/// What somebody is told who comes without TLS where that is not taken.
const TLS_ONLY: &str = "! this server takes TLS only";

/// What no proxy has put there.
const FORGED: &str = "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n";

/// What ended the conversation from the client's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It shut its writing half after its last message.
    HalfClosed,
    Quit,
    /// It sent a Close frame with this code.
    Close(Option<u16>),
    /// It broke the protocol, and is to be told so with this code, or in a line.
    Broken(u16),
    /// Its request came too late.
    Late,
    /// It spoke another protocol, whose answer begins like this.
    Foreign(&'static str),
    /// The server stopped. `known`: it had been greeted, so it is told.
    Stopped {
        known: bool,
    },
    Reset,
    /// It has come back by another connection.
    Superseded,
}

/// A reference as it is written, which a value does not keep.
#[derive(Deserialize)]
struct Referring<'a> {
    #[serde(borrow, rename = "ref")]
    reference: Option<&'a RawValue>,
}

/// An object; in the place of its reference is a string with what was written.
fn read_object(text: &str) -> Value {
    let mut object: Value =
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let Referring { reference } = serde_json::from_str(text).expect("an object, as it is one");
    if let Some(reference) = reference {
        object["ref"] = reference.get().into();
    }
    object
}

/// With what a line begins that is the last one.
const FAREWELLS: [&str; 4] = [
    "! too slow",
    "! out of memory",
    "! The server could not store what was said last.",
    "* Goodbye: the server is stopping.",
];

/// The same, of one whose first words may have been refused.
pub const REFUSALS: [&str; 6] = [
    "! line too long",
    "! an HTTP request has to come at once",
    "! This server does not speak ",
    "ERROR :",
    "-ERR ",
    "554 ",
];

pub struct Person {
    pub number: usize,
    pub wire: Rc<RefCell<Wire>>,
    pub dialect: Dialect,
    pub habit: Habit,
    pub end: Option<End>,
    /// Never closes its side, whatever it is sent.
    pub clings: bool,
    /// It offers permessage-deflate.
    compression: bool,
    pub connected_at: u64,
    /// Nothing moves on its connection until then.
    pub stalled_until: u64,
    /// The network or the client was so bad that the server may part with it.
    pub excused: bool,
    /// It may have been let go for what all together held.
    pub let_go: bool,
    /// How often it speaks, in a thousand steps.
    pub chattiness: u32,
    pub memory: Memory,
    pub screen: Screen,
    pub seen_anything: bool,
    /// It was told how to come in.
    pub greeted: bool,
    /// Where its messages end among the bytes it has sent.
    pub ends: Vec<usize>,
    sent_bytes: usize,
    pub close: Option<Option<u16>>,
    /// The last line before the server closes.
    pub farewell: Option<String>,
    pings: u64,
    pub upgraded: bool,
    /// It is owed something and gets nothing: since which turn, and what it had got by then.
    starving: Option<(usize, usize)>,
}

impl Person {
    pub fn new(
        number: usize,
        wire: Rc<RefCell<Wire>>,
        dialect: Dialect,
        habit: Habit,
        now: u64,
        rng: &mut Rng,
    ) -> Person {
        let compression = rng.bool();
        let screen = match dialect {
            Dialect::Line => Screen::lines(),
            Dialect::Text => Screen::http(false, compression),
            Dialect::Json => Screen::http(true, compression),
        };
        Person {
            number,
            wire,
            dialect,
            habit,
            end: None,
            clings: habit != Habit::Prompt && rng.bool(),
            compression,
            connected_at: now,
            stalled_until: 0,
            let_go: false,
            excused: habit != Habit::Prompt,
            chattiness: 0,
            memory: Memory::default(),
            screen,
            seen_anything: false,
            greeted: false,
            ends: Vec::new(),
            sent_bytes: 0,
            close: None,
            farewell: None,
            pings: 0,
            upgraded: false,
            starving: None,
        }
    }

    pub fn is_over(&self) -> bool {
        let wire = self.wire.borrow();
        wire.is_over() && wire.downlink.is_empty()
    }

    /// Sends the upgrade request of a WebSocket. Some come late, or in pieces so small that they
    /// say nothing.
    pub fn introduce(
        &mut self,
        name: Option<&str>,
        room: Option<&str>,
        resume: Option<&str>,
        greet_after_ms: u64,
        rng: &mut Rng,
    ) {
        let encode =
            |value: &str| value.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let name = name.map(|name| format!("name={}", encode(name)));
        let room = room.map(|room| format!("room={}", encode(room)));
        let resume = resume.map(|token| format!("resume={}", encode(token)));
        let query: Vec<String> = name.into_iter().chain(room).chain(resume).collect();
        let protocol = match self.dialect {
            Dialect::Json => "Sec-WebSocket-Protocol: soap, chat.v1.json\r\n",
            _ => "",
        };
        let extensions = match self.compression {
            true => {
                "Sec-WebSocket-Extensions: x-none, permessage-deflate; client_max_window_bits\r\n"
            }
            false => "",
        };
        let request = format!(
            "GET /?{} HTTP/1.1\r\nHost: chat.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{protocol}{extensions}{FORGED}\r\n",
            query.join("&")
        );
        self.send(request.as_bytes());
        let mut wire = self.wire.borrow_mut();
        if rng.u32(0..6) == 0 {
            wire.arrive(rng.usize(0..5));
            self.stalled_until = self.connected_at + rng.u64(0..2 * greet_after_ms);
        } else {
            wire.arrive(rng.usize(5..=request.len()));
        }
    }

    /// It was so late that it was told how to come in, as a person at a terminal is.
    fn be_mistaken(&mut self, model: &mut Model) {
        self.dialect = Dialect::Line;
        self.screen = Screen::lines();
        let client = model.client(self.number);
        client.dialect = Dialect::Line;
        client.sent.clear();
        if !matches!(self.end, Some(End::Reset | End::Stopped { .. })) {
            self.end = Some(End::Late);
        }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.sent_bytes += bytes.len();
        self.wire.borrow_mut().uplink.extend(bytes);
    }

    /// Says one thing.
    pub fn say(&mut self, sent: Sent, model: &mut Model, rng: &mut Rng) {
        let bytes = match self.dialect {
            Dialect::Line => say::line(rng, &sent.bytes),
            _ => {
                let between = if rng.u32(0..15) == 0 { self.ping(model, rng) } else { Vec::new() };
                say::text(rng, &sent.bytes, &between, self.screen.may_compress())
            }
        };
        if matches!(sent.ask, Ask::Quit { .. }) {
            self.end = Some(End::Quit);
        }
        model.client(self.number).sent.push_back(sent);
        self.send(&bytes);
        self.ends.push(self.sent_bytes);
    }

    /// Comes in, as somebody does who presses Enter.
    pub fn enter(&mut self, model: &mut Model, rng: &mut Rng) {
        self.say(Sent { bytes: Vec::new(), ask: Ask::Nothing, reference: None }, model, rng);
    }

    fn ping(&mut self, model: &mut Model, rng: &mut Rng) -> Vec<u8> {
        self.pings += 1;
        let payload = self.pings.to_be_bytes().repeat(rng.usize(1..4));
        let frame = say::frame(rng, Opcode::Ping, true, &payload);
        model.client(self.number).expected.pongs.push_back(payload);
        frame
    }

    pub fn speak(&mut self, mind: &mut Mind, model: &mut Model) {
        let sent = mind.think(self.dialect);
        self.say(sent, model, mind.rng);
    }

    /// Goes on where the one was whose memory this is.
    pub fn resume(&mut self, memory: Memory, counter: &mut u64, model: &mut Model, rng: &mut Rng) {
        self.memory = memory;
        for sent in self.memory.resume(counter) {
            self.say(sent, model, rng);
        }
    }

    /// Ends the conversation in one of the ways there are.
    pub fn leave(&mut self, model: &mut Model, limits: &ConnectionLimits, rng: &mut Rng) {
        match (rng.u32(0..6), self.dialect) {
            (0, _) => {
                self.end = Some(End::Reset);
                match rng.bool() {
                    true => self.wire.borrow_mut().break_off(),
                    false => self.wire.borrow_mut().breaks_at_write = true,
                }
            }
            (1, Dialect::Line) => {
                let words = rng.bool().then(|| "so long".to_owned());
                let line =
                    words.as_ref().map_or("/quit".to_owned(), |words| format!("/quit {words}"));
                let sent =
                    Sent { bytes: line.into_bytes(), ask: Ask::Quit { words }, reference: None };
                self.say(sent, model, rng);
            }
            (2, Dialect::Line) => {
                let bytes = vec![b'x'; limits.message_bytes_max + rng.usize(1..100)];
                self.end = Some(End::Broken(0));
                self.send(&bytes);
            }
            (3, Dialect::Line) => {
                // A last line without an ending counts as well.
                let sent = Sent {
                    bytes: b"last words".to_vec(),
                    ask: Ask::Say { room: None, text: "last words".into(), me: false },
                    reference: None,
                };
                model.client(self.number).sent.push_back(sent);
                self.send(b"last words");
                self.half_close();
            }
            (1 | 2, _) => {
                let code = [None, Some(1000), Some(1001), Some(3000), Some(4999)][rng.usize(0..5)];
                let payload = code.map_or(Vec::new(), |code: u16| code.to_be_bytes().to_vec());
                self.end = Some(End::Close(code));
                model.client(self.number).says_goodbye = code != Some(1001);
                let bytes = say::frame(rng, Opcode::Close, true, &payload);
                self.send(&bytes);
            }
            (3, _) => {
                let (bytes, code) = say::broken_frame(rng, limits.message_bytes_max);
                self.end = Some(End::Broken(code));
                self.send(&bytes);
            }
            (4, Dialect::Text | Dialect::Json) => {
                let sent = Sent { bytes: b"\0\x01".to_vec(), ask: Ask::Binary, reference: None };
                model.client(self.number).sent.push_back(sent);
                self.end = Some(End::Broken(1003));
                let bytes = say::frame(rng, Opcode::Binary, true, b"\0\x01");
                self.send(&bytes);
            }
            _ => self.half_close(),
        }
    }

    pub fn half_close(&mut self) {
        self.end.get_or_insert(End::HalfClosed);
        self.wire.borrow_mut().fin_sent = true;
    }

    /// Reads up to so many bytes, and reacts.
    pub fn read(&mut self, bytes: usize, model: &mut Model, rng: &mut Rng) {
        let bytes = self.wire.borrow_mut().take(bytes);
        self.seen_anything |= !bytes.is_empty();
        if self.dialect != Dialect::Line
            && !self.upgraded
            && matches!(bytes.first(), Some(b'*' | b'['))
        {
            self.be_mistaken(model);
        }
        for seen in self.screen.feed(&bytes) {
            match seen {
                Seen::Line(line)
                    if FAREWELLS
                        .iter()
                        .chain(&REFUSALS)
                        .any(|farewell| line.starts_with(farewell)) =>
                {
                    assert_eq!(
                        self.farewell.replace(line),
                        None,
                        "client {} is bidden farewell twice",
                        self.number
                    );
                }
                // Whose header has not come whole is not known to have come by TLS.
                Seen::Line(line)
                    if self.wire.borrow().written_within_header && line.starts_with(TLS_ONLY) => {}
                Seen::Line(line) if line == GREETING => {
                    let is_first = !std::mem::replace(&mut self.greeted, true);
                    assert!(is_first, "client {} is greeted again", self.number);
                }
                Seen::Line(line) | Seen::Text(line) if self.dialect != Dialect::Json => {
                    assert_eq!(
                        self.farewell, None,
                        "after its farewell client {} saw {line}",
                        self.number
                    );
                    model.client(self.number).expected.see_line(&line);
                }
                Seen::Line(_) => unreachable!("frames are not lines"),
                Seen::Text(text) => {
                    let object = read_object(&text);
                    model.judge_size(&text, &object);
                    model.client(self.number).expected.see_json(&object);
                    self.memory.note(&object);
                }
                Seen::Binary(_) => panic!("the chat says nothing in binary"),
                Seen::Pong(payload) => model.client(self.number).expected.see_pong(&payload),
                Seen::Ping(payload) => {
                    if self.habit != Habit::Mute && self.end.is_none() {
                        let pong = say::frame(rng, Opcode::Pong, true, &payload);
                        self.send(&pong);
                    }
                }
                Seen::Close(code) => {
                    self.close = Some(code);
                    let wire = self.wire.borrow();
                    let has_closed =
                        matches!(self.end, Some(End::Close(_))) || wire.fin_sent || wire.is_over();
                    drop(wire);
                    if !has_closed {
                        let payload = code.map_or(Vec::new(), |code| code.to_be_bytes().to_vec());
                        let close = say::frame(rng, Opcode::Close, true, &payload);
                        self.send(&close);
                    }
                }
                Seen::Upgraded => self.upgraded = true,
                Seen::Response { status: 503 }
                    if self.end == Some(End::Stopped { known: false }) => {}
                Seen::Response { status: 408 } if self.excused => self.end = Some(End::Reset),
                Seen::Response { status } => panic!("an upgrade was answered with {status}"),
            }
        }
        if self.is_over() && !self.clings && !self.wire.borrow().reset {
            self.wire.borrow_mut().fin_sent = true;
        }
    }

    /// Checks that a client with something queued gets it before many turns have passed, if the
    /// kernel takes it and nothing is held for the store.
    pub fn check_hunger(
        &mut self,
        model: &mut Model,
        now: u64,
        turn: usize,
        patience: usize,
        is_held: bool,
    ) {
        let client = model.client(self.number);
        let wire = self.wire.borrow();
        if client.expected.are_met() && wire.downlink.is_empty() && !wire.write_blocked {
            client.caught_up_at = now;
        }
        // One that only listened has gone when it is told why.
        let is_closed = client.closed || self.farewell.is_some();
        let hungry = !is_closed && !wire.reset && !wire.write_blocked && !client.expected.are_met();
        if !hungry || is_held || !wire.downlink.is_empty() {
            self.starving = None;
            return;
        }
        match self.starving {
            Some((since, written)) if written == wire.written => {
                assert!(
                    turn - since <= patience,
                    "client {} is owed something and gets nothing",
                    self.number
                );
            }
            _ => self.starving = Some((turn, wire.written)),
        }
    }
}
