//! Bytes to messages and back, without I/O.
//!
//! [`Wire`] is what a connection speaks. Its driver passes on what has come
//! ([`Wire::arrive`], [`Wire::received`]), asks for one [`Step`] after the other
//! ([`Wire::decode`]), wakes it when its next timeout has passed ([`Wire::on_timeout`]), and has it
//! write its own last bytes ([`Wire::write_close`]).

mod agreement;
pub mod close;
pub mod detect;
pub mod editor;
pub mod http;
pub mod keys;
mod kind;
pub mod line;
pub mod proxy;
pub mod snapshot;
pub mod telnet;
pub mod telnet_client;
mod terminal;
pub mod undecided;
pub mod websocket;

pub use kind::WireKind;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::memory::MemoryAccount;
use crate::wire::close::CloseReason;
use crate::wire::detect::{Foreign, Payload};
use crate::wire::editor::{Editor, Event};
use crate::wire::http::events::Events;
use crate::wire::http::exchange::Http;
use crate::wire::http::{HttpError, Method, Request};
use crate::wire::line::{Line, LineMode};
use crate::wire::proxy::{Header, HeaderError};
use crate::wire::undecided::Undecided;
use crate::wire::websocket::WebSocket;
use crate::wire::websocket::handshake::Upgrade;
use crate::wire::websocket::message::Scratch;

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
#[derive(Debug, Serialize, Deserialize)]
pub enum Wire {
    /// Nothing that decides has come yet.
    Undecided(Undecided),
    /// Lines: telnet, `nc`, tcpkali.
    Line(Line),
    /// Requests for the web page, or for an upgrade.
    Http(Box<Http>),
    WebSocket(WebSocket),
    /// What is said, in a response that does not end. Nothing comes from its client.
    Events(Events),
}

/// How long a wire waits for its peer, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// `--greet-after`, of loopback and private addresses.
    pub greet_after_ms: Millis,
    /// `--greet-after`, of other addresses, where a packet may be lost on the way.
    pub greet_after_remote_ms: Millis,
    /// How long a silent connection may turn out to speak HTTP, and is sent nothing of what is
    /// queued for it.
    pub withhold_ms: Millis,
    /// How long the header of a trusted proxy may take: a lost packet is sent again after one
    /// second, and then after two.
    pub header_ms: Millis,
    /// How long what people write as well, such as an empty line, may turn out to be the start of
    /// one: a proxy sends it in one piece, which is sent again after 200 ms if it is lost.
    pub header_start_ms: Millis,
    /// How long a request head may take.
    pub head_ms: Millis,
    /// How long a connection is kept for the next request. Longer than the 60 s after which
    /// balancers give idle connections up: the one that closes first must not be the one that has
    /// just been sent a request.
    pub keep_alive_ms: Millis,
    /// A WebSocket client that has been silent for so long is pinged.
    pub ping_after_ms: Millis,
    /// How long it has to answer.
    pub pong_ms: Millis,
    /// How long a client that we are done with has to close its side too.
    pub linger_ms: Millis,
    /// How long an HTTP client that we are done with may go on sending its body. Many read the
    /// answer only then.
    pub linger_sending_ms: Millis,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            greet_after_ms: 12_000,
            greet_after_remote_ms: 20_000,
            withhold_ms: 300,
            header_ms: 5_000,
            header_start_ms: 500,
            head_ms: 10_000,
            keep_alive_ms: 90_000,
            ping_after_ms: 25_000,
            pong_ms: 15_000,
            linger_ms: 1_000,
            linger_sending_ms: 30_000,
        }
    }
}

/// What all wires of a port share.
#[derive(Debug)]
pub struct Shared {
    pub protocols: Protocols,
    pub payload: Payload,
    /// `--max-message-bytes`.
    pub message_bytes_max: usize,
    pub timeouts: Timeouts,
    /// Where WebSocket messages are put together: an idle connection has no buffer of its own.
    scratch: Scratch,
    /// Where what is typed counts.
    account: MemoryAccount,
}

impl Shared {
    pub fn new(
        protocols: Protocols,
        payload: Payload,
        message_bytes_max: usize,
        timeouts: Timeouts,
        account: MemoryAccount,
    ) -> Shared {
        let scratch = Scratch::with_account(message_bytes_max, account.clone());
        Shared { protocols, payload, message_bytes_max, timeouts, scratch, account }
    }

    /// What is decided before the first byte, unless that may be TLS.
    pub fn pinned(&self) -> Decision {
        undecided::pinned(self.protocols)
    }
}

/// What first bytes decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    NeedMore,
    Lines,
    Http,
    /// A request on a connection that has been sent something, so that it cannot be answered.
    LateRequest,
    Foreign(Foreign),
    /// First there is the header of a proxy.
    Header(Header),
    /// There is none, and the rest is to be decided.
    NoHeader,
    BadHeader(HeaderError),
}

/// What the input begins with. `'i` is the input, `'s` what all connections share.
#[derive(Debug)]
pub enum Step<'i, 's> {
    /// Nothing whole.
    NeedMore,
    /// A line, as its sender has edited it.
    Line(&'i [u8]),
    /// What keys have led to in a line that is edited here.
    Typed(Event),
    /// A WebSocket message of text.
    Text(&'s [u8]),
    /// A WebSocket message of bytes.
    Binary(&'s [u8]),
    /// The wire's own business, to be answered with these bytes if there are any.
    Control(Vec<u8>),
    Request(Box<Request<'i>>),
    /// A request that is wrong, with its method if that could be read. It is to be answered, and
    /// the connection closed.
    BadRequest(HttpError, Option<Method>),
    Close(CloseReason),
}

/// A timeout of a wire. One that was set before the wire changed means nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// Of silence before the first byte.
    Silence,
    /// Of a request head, or the next request.
    Head,
    /// Of WebSocket's pings and pongs.
    Ping,
}

/// What a wire has to know of its connection when a timeout has passed.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    pub now: Millis,
    /// What has come and has not been used.
    pub input: &'a [u8],
    /// It has not been read from for a while: something may have come.
    pub is_waiting: bool,
    /// It comes from a loopback or private address.
    pub is_local: bool,
}

/// What a timeout has led to.
#[derive(Debug, PartialEq, Eq)]
pub enum Elapsed {
    Nothing,
    /// Nothing yet; to be asked again then.
    Again(Millis),
    /// It has been silent for `withhold_ms`, so what is queued for it may be sent. If it is to be
    /// greeted for its silence, then not before `greet_at`.
    Released {
        greet_at: Millis,
    },
    /// It has not decided for so long that it may be greeted, if it has sent nothing.
    Silent,
    /// To be sent these bytes, and to be asked again then.
    Send(Vec<u8>, Millis),
    /// As [`Step::BadRequest`].
    BadRequest(HttpError, Option<Method>),
    Close(CloseReason),
}

impl Wire {
    /// A wire that is decided by what comes. Should it be lines, they are cut by this mode.
    pub fn new(mode: LineMode, now: Millis) -> Wire {
        Wire::Undecided(Undecided::new(mode, now))
    }

    // ---- The decision ----

    pub fn is_undecided(&self) -> bool {
        matches!(self, Wire::Undecided(_))
    }

    /// What all that has come decides; nothing more once it is decided.
    pub fn decide(&self, input: &[u8], shared: &Shared) -> Decision {
        match self {
            Wire::Undecided(undecided) => undecided.decide(input, shared),
            _ => Decision::NeedMore,
        }
    }

    /// The same of all that will ever come.
    pub fn decide_at_end(&self, input: &[u8], shared: &Shared) -> Decision {
        match self {
            Wire::Undecided(undecided) => undecided.decide_at_end(input, shared),
            _ => Decision::NeedMore,
        }
    }

    /// A proxy's header may come first.
    pub fn await_header(&mut self) {
        if let Wire::Undecided(undecided) = self {
            undecided.set_awaits_header(true);
        }
    }

    pub fn awaits_header(&self) -> bool {
        matches!(self, Wire::Undecided(undecided) if undecided.awaits_header())
    }

    /// It has come, or none comes.
    pub fn header_is_over(&mut self) {
        if let Wire::Undecided(undecided) = self {
            undecided.set_awaits_header(false);
        }
    }

    /// It speaks lines. Returns whether it may still be greeted: nothing has been sent to it.
    pub fn become_lines(&mut self) -> bool {
        let Wire::Undecided(undecided) = self else { return false };
        let is_new = !undecided.was_sent();
        *self = Wire::Line(Line::new(undecided.mode()));
        is_new
    }

    /// It speaks HTTP.
    pub fn become_http(&mut self, now: Millis) {
        *self = Wire::Http(Box::new(Http::new(now)));
    }

    /// It speaks WebSocket from here on.
    pub fn upgrade(&mut self, upgrade: &Upgrade, now: Millis) {
        *self = Wire::WebSocket(WebSocket::new(upgrade.deflate, now));
    }

    // ---- What it is ----

    /// Whether anything may have been sent on it.
    pub fn was_sent(&self) -> bool {
        !matches!(self, Wire::Undecided(undecided) if !undecided.was_sent())
    }

    /// Since when it has been undecided, if it is.
    pub fn since(&self) -> Millis {
        match self {
            Wire::Undecided(undecided) => undecided.since(),
            _ => 0,
        }
    }

    /// Whether messages come on it, which its service may have to wait for. First bytes and
    /// requests wait for nobody: a request that is read too late would be taken for a line.
    pub fn carries_messages(&self) -> bool {
        matches!(self, Wire::Line(_) | Wire::WebSocket(_) | Wire::Events(_))
    }

    /// Whether a person at a terminal is behind it.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Wire::Line(_))
    }

    /// Whether the page is behind it, or a program that speaks like one.
    pub fn is_page(&self) -> bool {
        matches!(self, Wire::WebSocket(_))
    }

    /// Whether it only carries requests and their responses, and no messages in between.
    pub fn only_asks(&self) -> bool {
        matches!(self, Wire::Http(_))
    }

    /// What it holds of messages that are not whole, in bytes of memory. Wires that are not here leave
    /// them in the input.
    pub fn held_bytes(&self) -> usize {
        match self {
            Wire::Undecided(_) | Wire::Http(_) | Wire::Events(_) => 0,
            Wire::Line(line) => line.editor().map_or(0, Editor::held_bytes),
            Wire::WebSocket(websocket) => websocket.held_bytes(),
        }
    }

    // ---- Input ----

    /// Something has come on it, of which nothing has been looked at.
    pub fn received(&mut self, now: Millis) {
        match self {
            Wire::Undecided(_) | Wire::Line(_) | Wire::Events(_) => {}
            Wire::Http(http) => http.received(now),
            Wire::WebSocket(websocket) => websocket.received(now),
        }
    }

    /// Looks at bytes that have just arrived, before they are added to the input: returns how many
    /// of them, at the front, are to be added; appends what has to be answered to `replies`.
    pub fn arrive(&mut self, bytes: &mut [u8], replies: &mut Vec<u8>) -> usize {
        match self {
            Wire::Line(line) => line.arrive(bytes, replies),
            _ => bytes.len(),
        }
    }

    /// What `input` begins with, and how many bytes of it that took.
    #[inline]
    pub fn decode<'i: 's, 's>(
        &mut self,
        input: &'i mut [u8],
        shared: &'s mut Shared,
        now: Millis,
    ) -> (Step<'i, 's>, usize) {
        match self {
            Wire::Undecided(_) => (Step::NeedMore, 0),
            Wire::Line(line) => line.step(input, shared),
            Wire::Http(http) => http.step(input, now),
            Wire::WebSocket(websocket) => websocket.step(input, &mut shared.scratch),
            Wire::Events(events) => events.step(input),
        }
    }

    /// What the rest of the input is, behind which nothing comes.
    pub fn decode_end<'i>(&mut self, input: &'i mut [u8], shared: &Shared) -> Step<'i, 'i> {
        match self {
            // What nobody has ended is half a thought.
            Wire::Line(line) if line.is_edited() => Step::NeedMore,
            Wire::Line(line) => line.step_at_end(input, shared),
            _ => Step::NeedMore,
        }
    }

    // ---- Output ----

    /// Something has been sent on it.
    pub fn sent(&mut self) {
        match self {
            Wire::Undecided(undecided) => undecided.sent(),
            Wire::WebSocket(websocket) => websocket.sent(),
            Wire::Line(_) | Wire::Http(_) | Wire::Events(_) => {}
        }
    }

    /// Appends its last bytes: why it is closed, in its own manner, or nothing.
    pub fn write_close(&self, reason: CloseReason, payload: Payload, out: &mut Vec<u8>) {
        match (self, reason) {
            (_, CloseReason::Foreign(foreign)) => out.extend_from_slice(foreign.answer()),
            (Wire::Undecided(undecided), CloseReason::Plain) => {
                line::write_close(undecided.mode(), reason, payload, out);
            }
            (Wire::Undecided(undecided), reason) => undecided.write_close(reason, payload, out),
            (Wire::Line(line), reason) => line::write_close(line.mode(), reason, payload, out),
            (Wire::Http(_) | Wire::Events(_), _) => {}
            (Wire::WebSocket(websocket), reason) if websocket.may_be_told(reason) => {
                websocket::write_close(reason, out);
            }
            (Wire::WebSocket(_), _) => {}
        }
    }

    /// What is particular to lines, if it speaks lines.
    pub fn lines(&self) -> Option<&Line> {
        let Wire::Line(line) = self else { return None };
        Some(line)
    }

    pub fn lines_mut(&mut self) -> Option<&mut Line> {
        let Wire::Line(line) = self else { return None };
        Some(line)
    }

    /// What edits the line that somebody types, if that is done here.
    pub fn editor(&self) -> Option<&Editor> {
        self.lines()?.editor()
    }

    pub fn editor_mut(&mut self) -> Option<&mut Editor> {
        self.lines_mut()?.editor_mut()
    }

    // ---- Time ----

    /// The timeout that begins when the wire has become what it is.
    pub fn next_timeout(&self, timeouts: &Timeouts) -> Option<(Millis, Timer)> {
        match self {
            Wire::Undecided(undecided) => Some((undecided.next_timeout(timeouts), Timer::Silence)),
            Wire::Line(_) => None,
            Wire::Http(http) => Some((http.next_timeout(timeouts), Timer::Head)),
            Wire::WebSocket(websocket) => Some((websocket.next_timeout(timeouts), Timer::Ping)),
            Wire::Events(events) => Some((events.next_timeout(timeouts), Timer::Ping)),
        }
    }

    /// A timeout has passed.
    pub fn on_timeout(
        &mut self,
        timer: Timer,
        observed: &Observed<'_>,
        timeouts: &Timeouts,
    ) -> Elapsed {
        match (self, timer) {
            (Wire::Undecided(undecided), Timer::Silence) => {
                undecided.on_timeout(observed, timeouts)
            }
            (Wire::Http(http), Timer::Head) => http.on_timeout(observed, timeouts),
            (Wire::WebSocket(websocket), Timer::Ping) => websocket.on_timeout(observed, timeouts),
            (Wire::Events(events), Timer::Ping) => events.on_timeout(observed, timeouts),
            _ => Elapsed::Nothing,
        }
    }

    /// Whether it is undecided and has been silent for so long that it will hardly ask anything.
    pub fn is_long_silent(&self, now: Millis, timeouts: &Timeouts) -> bool {
        matches!(self, Wire::Undecided(undecided) if !undecided.may_ask(now, timeouts))
    }

    /// All is said; returns when it has lingered long enough.
    pub fn begin_lingering(&mut self, now: Millis, timeouts: &Timeouts) -> Millis {
        if let Wire::Http(http) = self {
            http.begin_lingering(now, timeouts);
        }
        now + timeouts.linger_ms
    }

    /// When a connection has to go that has lingered for `linger_ms`, if it has longer.
    pub fn lingers_until(&self, timeouts: &Timeouts) -> Option<Millis> {
        match self {
            Wire::Http(http) => Some(http.lingers_until(timeouts)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
