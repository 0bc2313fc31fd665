//! A client that asks for pages: quickly, slowly, badly.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use fastrand::Rng;

use crate::screen::{Screen, Seen};
use crate::stream::Wire;

pub struct Visitor {
    pub number: usize,
    pub key: usize,
    pub wire: Rc<RefCell<Wire>>,
    screen: Screen,
    to_send: VecDeque<u8>,
    expected: VecDeque<u16>,
    /// When the server has to have lost patience with it.
    patience_until: u64,
    patience_ms: u64,
}

impl Visitor {
    pub fn new(number: usize, key: usize, wire: Rc<RefCell<Wire>>, rng: &mut Rng, now: u64, head_ms: u64) -> Visitor {
        let good = "GET /healthz HTTP/1.1\r\nHost: chat.example\r\n\r\n";
        let mut to_send = good.repeat(rng.usize(0..3));
        let mut expected: VecDeque<u16> = std::iter::repeat_n(200, to_send.len() / good.len()).collect();
        let (last, status) = match rng.u32(0..5) {
            0 => ("GET /nothing HTTP/1.1\r\nHost: chat.example\r\nConnection: close\r\n\r\n", Some(404)),
            1 => ("GET /\x01 HTTP/1.1\r\n\r\n", Some(400)),
            2 => ("GET / HTTP/1.1\r\nHost: chat.example\r\nX-Slow: ", Some(408)),
            3 => ("GET /?room=x HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", None),
            _ => ("GET /healthz HTTP/1.1\r\nHost: chat.example\r\nConnection: close\r\n\r\n", Some(200)),
        };
        to_send.push_str(last);
        // A refused upgrade is an error of some kind.
        expected.push_back(status.unwrap_or(0));
        let patience_ms = 3 * head_ms;
        let to_send = to_send.split_off(4).into_bytes().into();
        wire.borrow_mut().uplink.extend(b"GET ");
        wire.borrow_mut().arrive(4);
        let patience_until = now + patience_ms;
        Visitor {
            number,
            key,
            wire,
            screen: Screen::http(false, false),
            to_send,
            expected,
            patience_until,
            patience_ms,
        }
    }

    pub fn go_on(&mut self, rng: &mut Rng, now: u64) {
        let mut wire = self.wire.borrow_mut();
        let count = rng.usize(5..60).min(self.to_send.len());
        if count > 0 {
            wire.uplink.extend(self.to_send.drain(..count));
            self.patience_until = now + self.patience_ms;
        }
        wire.arrive(usize::MAX);
        let bytes = wire.take(usize::MAX);
        let over = wire.is_over();
        wire.fin_sent |= over;
        drop(wire);
        for seen in self.screen.feed(&bytes) {
            let Seen::Response { status } = seen else { panic!("a visitor saw {seen:?}") };
            match self.expected.pop_front() {
                Some(0) => assert!((400..500).contains(&status), "a bad upgrade was answered with {status}"),
                expected => assert_eq!(expected, Some(status)),
            }
        }
    }

    pub fn judge(&self) {
        let wire = self.wire.borrow();
        assert!(wire.downlink.is_empty(), "closed before it was read");
        assert!(self.expected.is_empty(), "closed without {:?}", self.expected);
        assert_eq!(self.screen.left_over(), 0);
    }

    pub fn check_patience(&self, now: u64) {
        assert!(now < self.patience_until, "a request that does not come is waited for without end");
    }
}
