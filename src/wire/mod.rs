//! Bytes to messages and back, without I/O.

pub mod close;
pub mod detect;
pub mod http;
pub mod line;
pub mod telnet;
pub mod websocket;

use clap::ValueEnum;

use crate::clock::Millis;
use http::HeadParser;
use line::Line;
use websocket::message::Decoder;

/// What the port speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Protocols {
    /// Lines, HTTP and WebSocket.
    Auto,
    /// Lines only.
    Line,
    /// HTTP and WebSocket only.
    Http,
}

/// What a connection speaks. Decided by its first bytes, once: the bytes of a request never become
/// a line, and a line never becomes a request.
#[derive(Debug)]
pub enum Wire {
    /// Nothing that decides has come yet.
    Undecided(Undecided),
    /// Lines: telnet, `nc`, tcpkali.
    Line(Line),
    /// Requests for the web page, or for an upgrade.
    Http(Box<Http>),
    WebSocket(WebSocket),
}

/// A connection that has not shown yet what it speaks.
#[derive(Debug)]
pub struct Undecided {
    /// When the connection was made.
    pub since: Millis,
    /// It has been sent something, so that no request can be answered on it any more.
    pub told: bool,
}

/// A connection on which requests come.
#[derive(Debug)]
pub struct Http {
    pub parser: HeadParser,
    /// When the head that is under way began; before it, when the connection was made or last
    /// answered. When all is said, when something last came.
    pub since: Millis,
    /// When all is said: how long something may still come.
    pub linger_until: Millis,
    /// It is kept for the next request: one has been answered.
    pub answered: bool,
}

/// An upgraded connection.
#[derive(Debug)]
pub struct WebSocket {
    pub decoder: Decoder,
    /// When something last came, in seconds, which is exact enough and takes half the space.
    pub heard_s: u32,
    /// A ping has been sent since.
    pub pinged: bool,
}

impl WebSocket {
    pub fn new(decoder: Decoder, now: Millis) -> WebSocket {
        WebSocket { decoder, heard_s: seconds(now), pinged: false }
    }

    /// Something has come.
    pub fn hear(&mut self, now: Millis) {
        self.heard_s = seconds(now);
        self.pinged = false;
    }

    /// When something last came.
    pub fn heard(&self) -> Millis {
        Millis::from(self.heard_s) * 1000
    }
}

fn seconds(at: Millis) -> u32 {
    u32::try_from(at / 1000).unwrap_or(u32::MAX)
}
