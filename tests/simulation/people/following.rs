//! Programs that follow what an account hears, in a response that does not end: they are told what a
//! WebSocket of the account is told, in lines.

use fastrand::Rng;

use super::hooks::Program;
use super::model::Model;
use crate::kept::SharedWire;

/// So many of them.
pub const FOLLOWERS: usize = 2;

#[derive(Debug, Default)]
pub struct Follower {
    connection: Option<(usize, SharedWire)>,
    is_events: bool,
    /// Its response has begun, and is not refused.
    is_begun: bool,
    heard: Vec<u8>,
}

impl Follower {
    pub fn is_free(&self) -> bool {
        self.connection.is_none()
    }

    /// Shows a token that is good, or was.
    pub fn connect(&mut self, (number, wire): (usize, SharedWire), model: &Model, rng: &mut Rng) {
        let live = model.kept.accounts.values().flat_map(|account| &account.keys);
        let live: Vec<&str> =
            live.filter(|key| key.is_token).map(|key| key.secret.as_str()).collect();
        let old = model.secrets.iter().map(|(secret, _)| secret.as_str());
        let tokens = if rng.u32(0..4) > 0 { live } else { old.collect() };
        let token = tokens.get(rng.usize(..tokens.len().max(1))).copied().unwrap_or("cst_none");
        self.is_events = rng.bool();
        let accept = if self.is_events { "Accept: text/event-stream\r\n" } else { "" };
        let request = format!(
            "GET /stream HTTP/1.1\r\nHost: chat.example\r\nAuthorization: Bearer {token}\r\n\
             {accept}\r\n"
        );
        wire.borrow_mut().uplink.extend(request.as_bytes());
        self.heard.clear();
        self.is_begun = false;
        self.connection = Some((number, wire));
    }

    pub fn break_off(&mut self) {
        if let Some((_, wire)) = self.connection.take() {
            wire.borrow_mut().break_off();
        }
    }

    pub fn carry(&mut self, rng: &mut Rng) {
        if let Some((_, wire)) = &self.connection {
            wire.borrow_mut().carry(false, rng);
        }
    }

    /// The number of the connection, if it follows.
    pub fn number(&self) -> Option<usize> {
        self.connection.as_ref().filter(|_| self.is_begun).map(|(number, _)| *number)
    }

    pub fn read(&mut self, model: &mut Model) {
        let Some((number, wire)) = &self.connection else { return };
        self.heard.extend(wire.borrow_mut().take(usize::MAX));
        let is_over = wire.borrow().is_over();
        if !self.is_begun
            && let Some(end) = place_of(&self.heard, b"\r\n\r\n")
        {
            let head: Vec<u8> = self.heard.drain(..end + 4).collect();
            if !head.starts_with(b"HTTP/1.1 200 ") {
                return self.break_off();
            }
            self.is_begun = true;
        }
        while self.is_begun
            && let Some(end) = place_of(&self.heard, b"\n")
        {
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            let line = String::from_utf8(line).expect("UTF-8");
            let line = line.trim_end();
            let object = match self.is_events {
                true => line.strip_prefix("data: ").unwrap_or_default(),
                false => line,
            };
            if !object.is_empty() {
                model.hear(*number, object);
            }
        }
        if is_over {
            self.break_off();
        }
    }
}

fn place_of(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|part| part == wanted)
}

/// From where any of them comes.
pub fn address(rng: &mut Rng) -> std::net::SocketAddr {
    (Program::address(rng), 1000).into()
}
