//! A simulated client: a connection, a way to speak, habits, and what it must not be done to.

use std::cell::RefCell;
use std::rc::Rc;

use chat_server::config::Limits;
use chat_server::wire::websocket::frame::Opcode;
use fastrand::Rng;
use serde_json::Value;

use crate::ask::{Ask, Dialect, Sent};
use crate::model::Model;
use crate::say::{self, Mind};
use crate::screen::{KEY, Screen, Seen};
use crate::stream::Wire;

/// How a client treats its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// It reads whatever comes, and answers pings: nothing may go wrong for it.
    Prompt,
    /// It reads a little now and then.
    Trickle,
    /// It reads nothing for a while.
    Stalls,
    /// It reads nothing at all, and others must not be held up by it for long.
    Stuck,
    /// It has fallen silent: it reads, and sends nothing, not even a Pong.
    Mute,
}

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
    Reset,
}

pub struct Person {
    pub number: usize,
    pub key: usize,
    pub wire: Rc<RefCell<Wire>>,
    pub dialect: Dialect,
    pub habit: Habit,
    pub end: Option<End>,
    /// Never closes its side, whatever it is sent.
    pub clings: bool,
    /// It offers permessage-deflate.
    compression: bool,
    pub connected_at: u64,
    pub said_at: u64,
    /// Nothing moves on its connection until then.
    pub stalled_until: u64,
    /// The network or the client was so bad that the server may part with it.
    pub excused: bool,
    screen: Screen,
    seen_anything: bool,
    close: Option<Option<u16>>,
    /// "! line too long" or "! too slow".
    farewell: Option<String>,
    pings: u64,
    /// Bytes to go out together with what comes next.
    held_back: Vec<u8>,
    upgraded: bool,
}

impl Person {
    pub fn new(
        number: usize,
        key: usize,
        wire: Rc<RefCell<Wire>>,
        dialect: Dialect,
        habit: Habit,
        compression: bool,
        now: u64,
    ) -> Person {
        let screen = match dialect {
            Dialect::Line => Screen::lines(),
            Dialect::Text => Screen::http(false, compression),
            Dialect::Json => Screen::http(true, compression),
        };
        Person {
            number,
            key,
            wire,
            dialect,
            habit,
            end: None,
            clings: false,
            compression,
            connected_at: now,
            said_at: now,
            stalled_until: 0,
            excused: habit != Habit::Prompt,
            screen,
            seen_anything: false,
            close: None,
            farewell: None,
            pings: 0,
            held_back: Vec::new(),
            upgraded: false,
        }
    }

    pub fn is_over(&self) -> bool {
        let wire = self.wire.borrow();
        wire.is_over() && wire.downlink.is_empty()
    }

    /// Sends the upgrade request of a WebSocket.
    pub fn introduce(&mut self, name: Option<&str>, room: Option<&str>, rng: &mut Rng) {
        let encode = |value: &str| value.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let name = name.map(|name| format!("name={}", encode(name)));
        let room = room.map(|room| format!("room={}", encode(room)));
        let query: Vec<String> = name.into_iter().chain(room).collect();
        let protocol = match self.dialect {
            Dialect::Json => "Sec-WebSocket-Protocol: soap, chat.v1.json\r\n",
            _ => "",
        };
        let extensions = match self.compression {
            true => "Sec-WebSocket-Extensions: x-none, permessage-deflate; client_max_window_bits\r\n",
            false => "",
        };
        let request = format!(
            "GET /?{} HTTP/1.1\r\nHost: chat.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{protocol}{extensions}\r\n",
            query.join("&")
        );
        let mut wire = self.wire.borrow_mut();
        wire.uplink.extend(request.bytes());
        // Who does not say soon that it speaks HTTP is taken for a person at a terminal.
        wire.arrive(rng.usize(4..=request.len()));
    }

    fn send(&mut self, bytes: &[u8], now: u64) {
        self.said_at = now;
        let mut wire = self.wire.borrow_mut();
        wire.uplink.extend(std::mem::take(&mut self.held_back));
        wire.uplink.extend(bytes);
    }

    /// Says one thing.
    pub fn say(&mut self, sent: Sent, model: &mut Model, rng: &mut Rng, now: u64) {
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
        self.send(&bytes, now);
    }

    fn ping(&mut self, model: &mut Model, rng: &mut Rng) -> Vec<u8> {
        self.pings += 1;
        let payload = self.pings.to_be_bytes().repeat(rng.usize(1..4));
        let frame = say::frame(rng, Opcode::Ping, true, &payload);
        model.client(self.number).expected.pongs.push_back(payload);
        frame
    }

    pub fn speak(&mut self, mind: &mut Mind, model: &mut Model, now: u64) {
        let sent = mind.think(self.dialect);
        self.say(sent, model, mind.rng, now);
    }

    /// Ends the conversation in one of the ways there are.
    pub fn leave(&mut self, model: &mut Model, limits: &Limits, rng: &mut Rng, now: u64) {
        match (rng.u32(0..6), self.dialect) {
            (0, _) => {
                self.end = Some(End::Reset);
                self.wire.borrow_mut().break_off();
            }
            (1, Dialect::Line) => {
                let words = rng.bool().then(|| "so long".to_owned());
                let line = words.as_ref().map_or("/quit".to_owned(), |words| format!("/quit {words}"));
                let sent = Sent { bytes: line.into_bytes(), ask: Ask::Quit { words }, reference: None };
                self.say(sent, model, rng, now);
            }
            (2, Dialect::Line) => {
                let bytes = vec![b'x'; limits.message_bytes_max + rng.usize(1..100)];
                self.end = Some(End::Broken(0));
                self.send(&bytes, now);
            }
            (3, Dialect::Line) => {
                // A last line without an ending counts as well.
                let sent = Sent {
                    bytes: b"last words".to_vec(),
                    ask: Ask::Say { room: None, text: "last words".into(), me: false },
                    reference: None,
                };
                model.client(self.number).sent.push_back(sent);
                self.send(b"last words", now);
                self.half_close();
            }
            (1 | 2, _) => {
                let code = [None, Some(1000), Some(1001), Some(3000), Some(4999)][rng.usize(0..5)];
                let payload = code.map_or(Vec::new(), |code: u16| code.to_be_bytes().to_vec());
                self.end = Some(End::Close(code));
                let bytes = say::frame(rng, Opcode::Close, true, &payload);
                self.send(&bytes, now);
            }
            (3, _) => {
                let (bytes, code) = say::broken_frame(rng, limits.message_bytes_max);
                self.end = Some(End::Broken(code));
                self.send(&bytes, now);
            }
            (4, Dialect::Text | Dialect::Json) => {
                let sent = Sent { bytes: b"\0\x01".to_vec(), ask: Ask::Binary, reference: None };
                model.client(self.number).sent.push_back(sent);
                self.end = Some(End::Broken(1003));
                let bytes = say::frame(rng, Opcode::Binary, true, b"\0\x01");
                self.send(&bytes, now);
            }
            _ => self.half_close(),
        }
    }

    pub fn half_close(&mut self) {
        self.end.get_or_insert(End::HalfClosed);
        self.wire.borrow_mut().fin_sent = true;
    }

    /// Reads up to so many bytes, and reacts.
    pub fn read(
        &mut self,
        bytes: usize,
        model: &mut Model,
        last_ids: &mut Vec<(String, u64)>,
        rng: &mut Rng,
        now: u64,
    ) {
        let bytes = self.wire.borrow_mut().take(bytes);
        self.seen_anything |= !bytes.is_empty();
        for seen in self.screen.feed(&bytes) {
            match seen {
                Seen::Line(line) if line.starts_with("! line too long") || line.starts_with("! too slow") => {
                    self.farewell = Some(line);
                }
                Seen::Line(line) | Seen::Text(line) if self.dialect != Dialect::Json => {
                    assert_eq!(self.farewell, None, "after its farewell client {} saw {line}", self.number);
                    model.client(self.number).expected.see_line(&line);
                }
                Seen::Line(_) => unreachable!("frames are not lines"),
                Seen::Text(object) => {
                    model.client(self.number).expected.see_json(&object);
                    note_ids(&object, last_ids);
                }
                Seen::Pong(payload) => model.client(self.number).expected.see_pong(&payload),
                Seen::Ping(payload) => {
                    if self.habit != Habit::Mute && self.end.is_none() {
                        let pong = say::frame(rng, Opcode::Pong, true, &payload);
                        self.send(&pong, now);
                    }
                }
                Seen::Close(code) => {
                    self.close = Some(code);
                    if self.end.is_none() && !self.wire.borrow().dropped {
                        let payload = code.map_or(Vec::new(), |code| code.to_be_bytes().to_vec());
                        let close = say::frame(rng, Opcode::Close, true, &payload);
                        self.send(&close, now);
                    }
                }
                Seen::Upgraded => self.upgraded = true,
                Seen::Response { status: 408 } if self.excused => self.end = Some(End::Reset),
                Seen::Response { status } => panic!("an upgrade was answered with {status}"),
            }
        }
        if self.is_over() && !self.clings && !self.wire.borrow().reset {
            self.wire.borrow_mut().fin_sent = true;
        }
    }

    /// Checks that it ended as it should have, once nothing more can come.
    pub fn judge_end(&mut self, model: &mut Model) {
        let client = model.client(self.number);
        if matches!(self.end, Some(End::Reset)) {
            return;
        }
        if self.excused {
            // It may have been cut off at any point; what it saw until then was right. A server that has shut its half in
            // order has said goodbye, on the border of a message.
            if self.wire.borrow().shut {
                assert_eq!(self.screen.left_over(), 0, "a message cut in the middle");
                assert!(self.close.is_some() || !self.upgraded, "client {} saw no Close frame", self.number);
            }
            return;
        }
        assert!(!self.wire.borrow().reset_by_close, "client {} lost its last words to a reset", self.number);
        let missing = client.expected.missing();
        assert!(missing.is_empty(), "client {} ({:?}) ended without {missing:#?}", self.number, self.end);
        assert_eq!(self.screen.left_over(), 0, "a message cut in the middle");
        if matches!(self.end, Some(End::HalfClosed | End::Close(_))) {
            assert!(client.sent.is_empty(), "client {} was not heard: {:?}", self.number, client.sent);
            assert!(client.expected.pongs.is_empty(), "pings were not answered");
        }
        let expected = match (self.dialect, self.end) {
            (Dialect::Line, Some(End::Broken(_))) => {
                let farewell = self.farewell.as_deref().unwrap_or("nothing");
                assert!(farewell.starts_with("! line too long"), "it saw {farewell}");
                return;
            }
            (Dialect::Line, _) => {
                assert_eq!(self.farewell, None);
                assert!(self.end.is_some(), "client {} was closed for no reason", self.number);
                return;
            }
            (_, Some(End::HalfClosed)) => Some(1000),
            (_, Some(End::Close(code))) => code,
            (_, Some(End::Broken(code))) => Some(code),
            (_, end) => panic!("client {} ({end:?}) was closed with {:?}", self.number, self.close),
        };
        assert_eq!(self.close, Some(expected), "the close code of client {} after {:?}", self.number, self.end);
    }

    /// Checks one that is still connected after everybody had time to catch up.
    pub fn judge_alive(&self, model: &mut Model) {
        let client = model.client(self.number);
        let missing = client.expected.missing();
        assert!(missing.is_empty(), "client {} still misses {missing:#?}", self.number);
        assert!(client.sent.is_empty(), "client {} was not heard: {:?}", self.number, client.sent);
        assert!(client.expected.pongs.is_empty(), "pings were not answered");
        assert!(self.seen_anything, "client {} was never greeted", self.number);
        assert_eq!(self.upgraded, self.dialect != Dialect::Line);
    }
}

/// Remembers the last message id seen of each room.
fn note_ids(object: &str, last_ids: &mut Vec<(String, u64)>) {
    let object: Value = serde_json::from_str(object).expect("checked already");
    let id = match object["type"].as_str() {
        Some("said") => object["id"].as_u64(),
        Some("joined") => object["position"].as_u64(),
        _ => None,
    };
    if let (Some(room), Some(id)) = (object["room"].as_str(), id) {
        match last_ids.iter_mut().find(|(known, _)| known == room) {
            Some((_, last)) => *last = id,
            None => last_ids.push((room.to_owned(), id)),
        }
    }
}
