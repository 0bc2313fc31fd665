//! A client of echo and broadcast: it sends any bytes, and compares what comes with what is to
//! come.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use chat_server::delivery::encoding::FrameKind;
use chat_server::server::settings::ConnectionLimits;
use chat_server::wire::websocket::frame::Opcode;
use fastrand::Rng;

use crate::habit::Habit;
use crate::plain::Ear;
use crate::say;
use crate::screen::{KEY, Screen, Seen};
use crate::stream::Wire;

/// What ended the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    HalfClosed,
    /// It sent a Close frame with this code.
    Close(u16),
    /// Its message was longer than is allowed.
    TooLong,
    Reset,
    Stopped,
}

pub struct Talker {
    pub number: usize,
    pub wire: Rc<RefCell<Wire>>,
    pub habit: Habit,
    pub end: Option<End>,
    pub is_line: bool,
    screen: Screen,
    upgraded: bool,
    stalled_until: u64,
    /// What came instead of, or after, what was to come: the last words of the server.
    farewell: Vec<u8>,
    close: Option<Option<u16>>,
}

type Ears = BTreeMap<usize, Ear>;

impl Talker {
    pub fn new(
        number: usize,
        wire: Rc<RefCell<Wire>>,
        is_line: bool,
        habit: Habit,
        rng: &mut Rng,
    ) -> Talker {
        if !is_line {
            let request = format!(
                "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
            );
            wire.borrow_mut().uplink.extend(request.bytes());
            wire.borrow_mut().arrive(rng.usize(5..=request.len()));
        }
        let screen = Screen::http(false, false);
        let (farewell, close) = (Vec::new(), None);
        Talker {
            number,
            wire,
            habit,
            end: None,
            is_line,
            screen,
            upgraded: false,
            stalled_until: 0,
            farewell,
            close,
        }
    }

    pub fn is_over(&self) -> bool {
        let wire = self.wire.borrow();
        wire.is_over() && wire.downlink.is_empty()
    }

    /// Sends one message.
    pub fn talk(&mut self, ears: &mut Ears, rng: &mut Rng) {
        let kind = if self.is_line || rng.bool() { FrameKind::Text } else { FrameKind::Binary };
        // Neither a request nor a farewell begins like this.
        let mut content = b"m".to_vec();
        match kind {
            FrameKind::Text if !self.is_line => {
                content.extend("日本 ".repeat(rng.usize(0..20)).bytes())
            }
            _ => {
                // On lines 255 is telnet's.
                let is_telnets = |byte: u8| self.is_line && byte == 255;
                let bytes = (0..rng.usize(0..250)).map(|_| rng.u8(..));
                content.extend(bytes.filter(|&byte| byte != b'\n' && !is_telnets(byte)));
            }
        }
        if self.is_line {
            content.extend_from_slice(if rng.bool() { b"\n" } else { b"\r\n" });
        }
        let bytes = match (self.is_line, kind) {
            (true, _) => with_telnets_own(rng, &content),
            (false, FrameKind::Text) => say::text(rng, &content, b"", false),
            (false, FrameKind::Binary) => say::frame(rng, Opcode::Binary, true, &content),
        };
        self.ear(ears).sent.push_back((kind, content));
        self.wire.borrow_mut().uplink.extend(bytes);
    }

    /// Ends the conversation in one of the ways there are.
    pub fn leave(&mut self, ears: &mut Ears, limits: &ConnectionLimits, rng: &mut Rng) {
        let too_long = vec![b'm'; limits.message_bytes_max + 1];
        let (end, bytes) = match rng.u32(0..4) {
            0 => {
                self.wire.borrow_mut().break_off();
                (End::Reset, Vec::new())
            }
            1 if self.is_line => (End::TooLong, too_long),
            1 => (End::TooLong, say::frame(rng, Opcode::Binary, true, &too_long)),
            2 if !self.is_line => {
                (End::Close(3000), say::frame(rng, Opcode::Close, true, &3000u16.to_be_bytes()))
            }
            _ => return self.finish(ears, rng),
        };
        self.wire.borrow_mut().uplink.extend(bytes);
        self.end = Some(end);
    }

    /// Shuts its writing half; a last line without an ending counts as well.
    pub fn finish(&mut self, ears: &mut Ears, rng: &mut Rng) {
        if self.end.is_none() && self.is_line && rng.bool() {
            self.wire.borrow_mut().uplink.extend(b"m: last words");
            self.ear(ears).sent.push_back((FrameKind::Text, b"m: last words".to_vec()));
        }
        self.end.get_or_insert(End::HalfClosed);
        self.wire.borrow_mut().fin_sent = true;
        if self.habit == Habit::Stuck {
            self.wire.borrow_mut().break_off();
            self.end = Some(End::Reset);
            self.habit = Habit::Trickle;
        }
    }

    /// Lets the network move, and reads.
    pub fn go_on(
        &mut self,
        ears: &mut Ears,
        rng: &mut Rng,
        now: u64,
        too_slow_ms: u64,
        calm: bool,
    ) {
        if now < self.stalled_until && !calm {
            return;
        }
        if self.habit == Habit::Stalls && rng.u32(0..60) == 0 {
            self.stalled_until = now + rng.u64(0..2 * too_slow_ms);
        }
        if calm && self.habit != Habit::Stuck {
            self.wire.borrow_mut().capacity = 10_000;
        }
        self.wire.borrow_mut().carry(calm, rng);
        let bytes = self.wire.borrow_mut().take(self.habit.appetite(calm, rng));
        match self.is_line {
            true => self.read_lines(&bytes, self.number, ears),
            false => self.read_frames(&bytes, rng, ears),
        }
        if self.is_over() && !self.wire.borrow().reset {
            self.wire.borrow_mut().fin_sent = true;
        }
    }

    fn read_lines(&mut self, bytes: &[u8], number: usize, ears: &mut Ears) {
        let ear = self.ear(ears);
        let mut count = 0;
        loop {
            let rest = bytes[count..].iter().zip(ear.bytes.iter());
            let common = rest.take_while(|(came, expected)| came == expected).count();
            ear.bytes.drain(..common);
            count += common;
            // What is said begins with this, and a farewell does not.
            if !bytes[count..].starts_with(b"m") || !ear.bytes.is_empty() || !ear.take_echo() {
                break;
            }
        }
        self.farewell.extend_from_slice(&bytes[count..]);
        let is_farewell = self.farewell.first().is_none_or(|first| *first == b'!');
        assert!(
            is_farewell && (count == 0 || self.farewell.len() + count == bytes.len()),
            "client {number} saw something else"
        );
    }

    fn read_frames(&mut self, bytes: &[u8], rng: &mut Rng, ears: &mut Ears) {
        for seen in self.screen.feed(bytes) {
            let ear = self.ear(ears);
            if matches!(seen, Seen::Text(_) | Seen::Binary(_)) && ear.frames.is_empty() {
                ear.take_echo();
            }
            let frames = &mut ear.frames;
            match seen {
                Seen::Text(text) => {
                    assert_eq!(frames.pop_front(), Some((FrameKind::Text, text.into_bytes())))
                }
                Seen::Binary(bytes) => {
                    assert_eq!(frames.pop_front(), Some((FrameKind::Binary, bytes)))
                }
                Seen::Ping(payload) if self.end.is_none() => {
                    let pong = say::frame(rng, Opcode::Pong, true, &payload);
                    self.wire.borrow_mut().uplink.extend(pong);
                }
                Seen::Close(code) => self.close = Some(code),
                Seen::Upgraded => self.upgraded = true,
                Seen::Response { status: 503 } if self.end == Some(End::Stopped) => {}
                Seen::Response { status: 408 } if self.habit != Habit::Prompt => {
                    self.end = Some(End::Reset)
                }
                Seen::Ping(_) => {}
                seen => panic!("client {} saw {seen:?}", self.number),
            }
        }
    }

    fn ear<'a>(&self, ears: &'a mut Ears) -> &'a mut Ear {
        ears.get_mut(&self.number).expect("it is here")
    }

    /// Checks how it ended.
    pub fn judge(&self, ear: &Ear) {
        if self.habit != Habit::Prompt || self.end == Some(End::Reset) {
            return;
        }
        if self.wire.borrow().established_at.is_none() {
            let is_stopped = self.end == Some(End::Stopped);
            return assert!(is_stopped, "client {} was never established", self.number);
        }
        assert!(
            !self.wire.borrow().reset_by_close,
            "client {} ({:?}) lost its last words to a reset",
            self.number,
            self.end
        );
        // What was held back for one whose request is not answered yet was forgotten with the
        // request's first bytes.
        let is_heard = self.is_line || self.upgraded;
        assert!(
            ear.is_settled() || !is_heard,
            "client {} ({:?}) ended without {ear:?}",
            self.number,
            self.end
        );
        assert_eq!(self.screen.left_over(), 0, "a message cut in the middle");
        if matches!(self.end, Some(End::HalfClosed | End::Close(_) | End::TooLong)) {
            assert!(ear.sent.is_empty(), "client {} was not heard: {:?}", self.number, ear.sent);
        }
        let close = match self
            .end
            .unwrap_or_else(|| panic!("client {} was closed for no reason", self.number))
        {
            End::HalfClosed => 1000,
            End::Close(code) => code,
            End::TooLong => 1009,
            End::Stopped => 1001,
            End::Reset => return,
        };
        match self.is_line {
            true => assert_eq!(
                self.farewell.starts_with(b"! line too long"),
                self.end == Some(End::TooLong)
            ),
            false if self.end == Some(End::Stopped) && !self.upgraded => {
                assert_eq!(self.close, None)
            }
            false => assert_eq!(
                self.close,
                Some(Some(close)),
                "client {} after {:?}",
                self.number,
                self.end
            ),
        }
    }
}

/// What a telnet may send in the middle of a line, and nobody else gets: a NOP, and an offer.
fn with_telnets_own(rng: &mut Rng, content: &[u8]) -> Vec<u8> {
    let (before, after) = content.split_at(rng.usize(0..=content.len()));
    let own: &[u8] = match rng.u32(0..8) {
        0 => &[255, 241],
        1 => &[255, 254, 31],
        _ => &[],
    };
    [before, own, after].concat()
}
