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

use thiserror::Error;

/// Close codes that the wire itself sends (RFC 6455 7.4.1). Others are plain numbers.
pub mod close_code {
    pub const NORMAL: u16 = 1000;
    pub const GOING_AWAY: u16 = 1001;
    pub const PROTOCOL_ERROR: u16 = 1002;
    pub const UNSUPPORTED: u16 = 1003;
    pub const INVALID_DATA: u16 = 1007;
    pub const TOO_BIG: u16 = 1009;
    pub const TRY_AGAIN_LATER: u16 = 1013;
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
