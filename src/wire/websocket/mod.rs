//! WebSocket (RFC 6455) with permessage-deflate (RFC 7692), server side, sans-IO.
//!
//! In reading order: [`handshake`] answers the upgrade request, [`frame`] reads and writes frames,
//! [`mask`] takes the mask off, [`message`] makes messages of frames, [`deflate`] packs and unpacks
//! them.

pub mod deflate;
pub mod extension;
pub mod frame;
pub mod handshake;
pub mod mask;
pub mod message;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::extension::DeflateParams;
use self::frame::{encode_close, encode_ping, encode_pong};
use self::message::{Decoder, Item, Scratch};
use crate::clock::Millis;
use crate::memory::MemoryAccount;
use crate::wire::close::CloseReason;
use crate::wire::{Elapsed, Observed, Step, Timeouts};

/// Close codes that the wire itself sends (RFC 6455 7.4.1). Others are plain numbers.
pub mod close_code {
    pub const NORMAL: u16 = 1000;
    pub const GOING_AWAY: u16 = 1001;
    pub const PROTOCOL_ERROR: u16 = 1002;
    pub const UNSUPPORTED: u16 = 1003;
    pub const INVALID_DATA: u16 = 1007;
    pub const POLICY_VIOLATION: u16 = 1008;
    pub const TOO_BIG: u16 = 1009;
    pub const SERVICE_RESTART: u16 = 1012;
    pub const TRY_AGAIN_LATER: u16 = 1013;
    /// Of those that are free for applications (7.4.2).
    pub const SUPERSEDED: u16 = 4000;
}

/// What a peer did wrong, in the words of the Close frame that tells it so. The connection is over
/// after one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{reason} (close code {code})")]
pub struct ProtocolError {
    /// A close code, RFC 6455 7.4.1.
    pub code: u16,
    /// At most 123 bytes.
    pub reason: &'static str,
}

impl ProtocolError {
    pub(crate) const fn protocol(reason: &'static str) -> ProtocolError {
        ProtocolError { code: close_code::PROTOCOL_ERROR, reason }
    }

    pub(crate) const fn invalid_data(reason: &'static str) -> ProtocolError {
        ProtocolError { code: close_code::INVALID_DATA, reason }
    }

    pub(crate) const fn too_big() -> ProtocolError {
        ProtocolError { code: close_code::TOO_BIG, reason: "message too big" }
    }
}

/// A Close frame that says nothing (RFC 6455, 5.5.1).
const EMPTY_CLOSE: [u8; 2] = [0x88, 0];

/// An upgraded connection.
#[derive(Debug, Serialize, Deserialize)]
pub struct WebSocket {
    decoder: Decoder,
    /// When something last came, in seconds, which is exact enough and takes half the space.
    last_received_s: u32,
    /// A ping has been sent since.
    was_pinged: bool,
    /// Something has been sent, and so the response to its request.
    was_sent: bool,
}

impl WebSocket {
    /// `deflate` is what the handshake negotiated.
    pub fn new(deflate: Option<DeflateParams>, now: Millis) -> WebSocket {
        let decoder = Decoder::new(deflate);
        WebSocket { decoder, last_received_s: seconds(now), was_pinged: false, was_sent: false }
    }

    pub(super) fn sent(&mut self) {
        self.was_sent = true;
    }

    /// Whether it can be told why it is closed: a frame before the response would be nonsense, if
    /// that is dropped.
    pub(super) fn may_be_told(&self, reason: CloseReason) -> bool {
        self.was_sent || !reason.drops_queue()
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.decoder.held_bytes()
    }

    pub(super) fn received(&mut self, now: Millis) {
        self.last_received_s = seconds(now);
        self.was_pinged = false;
    }

    /// Nobody has listened for a pong meanwhile: it is asked for anew.
    pub(in crate::wire) fn restored(&mut self, account: &MemoryAccount, now: Millis) {
        self.decoder.count(account);
        self.received(now);
    }

    fn last_received(&self) -> Millis {
        Millis::from(self.last_received_s) * 1000
    }

    #[inline]
    pub(super) fn step<'i, 's>(
        &mut self,
        input: &'i mut [u8],
        scratch: &'s mut Scratch,
    ) -> (Step<'i, 's>, usize)
    where
        'i: 's,
    {
        let (item, used) = match self.decoder.decode(input, scratch) {
            Ok(Some(decoded)) => decoded,
            Ok(None) => return (Step::NeedMore, 0),
            Err(error) => return (Step::Close(CloseReason::Broken(error)), 0),
        };
        let step = match item {
            Item::Text(text) => Step::Text(text.as_bytes()),
            Item::Binary(bytes) => Step::Binary(bytes),
            Item::Ping(payload) => {
                let mut pong = Vec::with_capacity(payload.len() + 2);
                encode_pong(&mut pong, payload);
                Step::Control(pong)
            }
            Item::Pong(_) | Item::Fragment => Step::Control(Vec::new()),
            Item::Close { code, .. } => Step::Close(CloseReason::Answer(code)),
        };
        (step, used)
    }

    pub(super) fn next_timeout(&self, timeouts: &Timeouts) -> Millis {
        self.last_received() + timeouts.ping_after_ms
    }

    /// Pings a client that has been silent, and closes one that does not answer.
    pub(super) fn on_timeout(&mut self, observed: &Observed<'_>, timeouts: &Timeouts) -> Elapsed {
        let now = observed.now;
        let silence = now.saturating_sub(self.last_received());
        if observed.is_waiting || silence < timeouts.ping_after_ms {
            let from = if observed.is_waiting { now } else { self.last_received() };
            return Elapsed::Again(from + timeouts.ping_after_ms);
        }
        if self.was_pinged {
            return Elapsed::Close(CloseReason::Silent);
        }
        self.was_pinged = true;
        let mut ping = Vec::with_capacity(2);
        encode_ping(&mut ping, b"");
        Elapsed::Send(ping, now + timeouts.pong_ms)
    }
}

fn seconds(at: Millis) -> u32 {
    u32::try_from(at / 1000).unwrap_or(u32::MAX)
}

/// Appends the Close frame that says why.
pub(super) fn write_close(reason: CloseReason, out: &mut Vec<u8>) {
    match reason {
        CloseReason::Answer(None) => out.extend_from_slice(&EMPTY_CLOSE),
        CloseReason::Answer(Some(code)) => encode_close(out, code, ""),
        CloseReason::Done => encode_close(out, close_code::NORMAL, ""),
        CloseReason::Broken(error) => encode_close(out, error.code, error.reason),
        CloseReason::Unsupported(why) => encode_close(out, close_code::UNSUPPORTED, why),
        CloseReason::TooSlow => encode_close(out, close_code::TRY_AGAIN_LATER, "too slow"),
        CloseReason::OutOfMemory => encode_close(out, close_code::TRY_AGAIN_LATER, "out of memory"),
        CloseReason::Banned => encode_close(out, close_code::POLICY_VIOLATION, "banned"),
        CloseReason::Silent | CloseReason::GoingAway => {
            encode_close(out, close_code::GOING_AWAY, "");
        }
        CloseReason::Restarting => encode_close(out, close_code::SERVICE_RESTART, "restarting"),
        CloseReason::NotStored => encode_close(out, close_code::SERVICE_RESTART, "not stored"),
        CloseReason::Superseded => encode_close(out, close_code::SUPERSEDED, "came back elsewhere"),
        CloseReason::TooLong(_)
        | CloseReason::Late
        | CloseReason::Plain
        | CloseReason::Foreign(_)
        | CloseReason::Header(_) => {}
    }
}
