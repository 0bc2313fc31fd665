//! A client that asks for pages: quickly, slowly, badly.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use chat_server::wire::Protocols;
use fastrand::Rng;

use crate::screen::{Screen, Seen};
use crate::stream::Wire;

/// What goes with the one request that has a body.
const BODY: &[u8] = b"hello";

pub struct Visitor {
    pub number: usize,
    pub wire: Rc<RefCell<Wire>>,
    screen: Screen,
    to_send: VecDeque<u8>,
    expected: VecDeque<u16>,
    /// So many requests had not been sent when the server stopped.
    stopping: Option<usize>,
    /// When the server has to have lost patience with it.
    patience_until: u64,
    patience_ms: u64,
}

impl Visitor {
    /// Its first bytes are cut anywhere, and the rest follows soon.
    pub fn new(
        number: usize,
        wire: Rc<RefCell<Wire>>,
        protocols: Protocols,
        rng: &mut Rng,
        now: u64,
        keep_alive_ms: u64,
    ) -> Visitor {
        let good = "GET /healthz HTTP/1.1\r\nHost: chat.example\r\n\r\n";
        let mut to_send = good.repeat(rng.usize(0..3));
        let mut expected: VecDeque<u16> =
            std::iter::repeat_n(200, to_send.len() / good.len()).collect();
        let last = match rng.u32(0..8) {
            0 => (
                "GET /nothing HTTP/1.1\r\nHost: chat.example\r\nConnection: close\r\n\r\n",
                Some(404),
            ),
            1 => ("GET /\x01 HTTP/1.1\r\n\r\n", Some(400)),
            7 => ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", Some(405)),
            2 => ("GET / HTTP/1.1\r\nHost: chat.example\r\nX-Slow: ", Some(408)),
            // A refused upgrade is an error of some kind.
            3 => (
                "GET /?room=x HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
                Some(0),
            ),
            4 if protocols == Protocols::Http => ("hello everybody\r\n\r\n", Some(400)),
            5 if protocols == Protocols::Http => ("", None),
            _ => (
                "GET /healthz HTTP/1.1\r\nHost: chat.example\r\nConnection: close\r\n\r\n",
                Some(200),
            ),
        };
        to_send.push_str(last.0);
        expected.extend(last.1);
        // A head has less time than a connection between two requests.
        let patience_ms = 3 * keep_alive_ms;
        let mut to_send: VecDeque<u8> = to_send.into_bytes().into();
        let first = rng.usize(0..=4).min(to_send.len());
        wire.borrow_mut().uplink.extend(to_send.drain(..first));
        wire.borrow_mut().arrive(first);
        let patience_until = now + patience_ms;
        let screen = Screen::http(false, false);
        Visitor {
            number,
            wire,
            screen,
            to_send,
            expected,
            stopping: None,
            patience_until,
            patience_ms,
        }
    }

    /// The server stops: from now on it says so, and closes when it likes. What was sent before may
    /// be answered either way.
    pub fn stop(&mut self) {
        let rest: Vec<u8> = self.to_send.iter().copied().collect();
        let heads = rest.windows(4).filter(|four| four == b"\r\n\r\n").count();
        let is_body = rest.ends_with(BODY) || BODY.ends_with(&rest);
        self.stopping = Some(heads + usize::from(!is_body && !rest.ends_with(b"\r\n\r\n")));
    }

    pub fn go_on(&mut self, rng: &mut Rng, now: u64) {
        let mut wire = self.wire.borrow_mut();
        let count = rng.usize(5..60).min(self.to_send.len());
        if count > 0 {
            wire.uplink.extend(self.to_send.drain(..count));
            self.patience_until = now + self.patience_ms;
        }
        wire.arrive(usize::MAX);
        drop(wire);
        self.read();
    }

    fn read(&mut self) {
        let mut wire = self.wire.borrow_mut();
        let bytes = wire.take(usize::MAX);
        let over = wire.is_over();
        wire.fin_sent |= over;
        drop(wire);
        for seen in self.screen.feed(&bytes) {
            let Seen::Response { status } = seen else { panic!("a visitor saw {seen:?}") };
            match (self.expected.pop_front(), self.stopping) {
                (Some(200), Some(rest)) => {
                    assert!(status == 503 || status == 200 && self.expected.len() >= rest)
                }
                (Some(0), Some(_)) if status == 503 => {}
                (Some(0), _) => assert!(
                    (400..500).contains(&status),
                    "a bad upgrade was answered with {status}"
                ),
                (expected, _) => assert_eq!(expected, Some(status)),
            }
        }
    }

    /// Whether the server has closed its socket, and nothing of what it wrote is left to be read:
    /// the kernel still brings that, unless the client sends or has sent what nobody reads.
    pub fn is_over(&self) -> bool {
        let wire = self.wire.borrow();
        wire.dropped && wire.downlink.is_empty()
    }

    pub fn judge(&self) {
        assert!(
            self.expected.is_empty() || self.stopping.is_some(),
            "closed without {:?}",
            self.expected
        );
        assert_eq!(self.screen.left_over(), 0);
    }

    pub fn check_patience(&self, now: u64) {
        assert!(
            now < self.patience_until,
            "a request that does not come is waited for without end"
        );
    }
}
