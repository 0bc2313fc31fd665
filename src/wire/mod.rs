//! Bytes to messages and back, without I/O.

pub mod http;
pub mod line;
pub mod telnet;
pub mod websocket;

use crate::clock::Millis;
use http::HeadParser;
use line::Line;
use websocket::message::Decoder;

/// What a connection speaks. Decided by its first bytes, or by its silence, once: the bytes of a request never become a
/// line, and a line never becomes a request.
#[derive(Debug)]
pub enum Wire {
    /// Nothing that decides has come yet.
    Undecided,
    /// Lines: telnet, `nc`, tcpkali.
    Line(Line),
    /// Requests for the web page, or for an upgrade. `since`: when the connection was made, or last answered.
    Http { parser: HeadParser, since: Millis },
    /// WebSocket. `heard_s`: when something last came, in seconds, which is exact enough and small; `pinged`: a ping has
    /// been sent since.
    WebSocket { decoder: Decoder, heard_s: u32, pinged: bool },
}

/// Whole seconds of a moment.
pub fn seconds(at: Millis) -> u32 {
    u32::try_from(at / 1000).unwrap_or(u32::MAX)
}
