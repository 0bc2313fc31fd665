//! One connected client.

use super::inbox::Inbox;
use crate::delivery::encoding::FrameKind;
use crate::ids::Peer;
use crate::wire::Wire;

/// Where a client is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// It is read from and served.
    Open,
    /// Its input has ended; what had arrived is still being served.
    Ending,
    /// It is sent what it is still owed, then its writing half is shut. `peer_done`: its input had
    /// ended.
    Closing { peer_done: bool },
    /// It was told that we are done. Its last input is read and dropped until it closes its side as
    /// well: closing with unread input would reset the connection, and the reset could overtake
    /// what we sent (RFC 1122, 4.2.2.13).
    Lingering,
    /// Gone at the end of this turn.
    Closed,
}

/// What the next read waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The stream's readiness.
    Idle,
    /// Its place on the ready list.
    Ready,
    /// A room or a client that is behind, or a moment.
    Waiting,
}

/// What the peer may still send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Anything.
    Open,
    /// Nothing. Its end may have been reported together with its last bytes, so it is read on until
    /// the end comes, and no further readiness is waited for.
    Ended,
    /// Nothing: its end had been reported, and then its connection broke. What has come is served,
    /// its last words included.
    Left,
    /// Nothing, and it hears nothing either. What has come whole is served.
    Broken,
}

/// One client's receiving side; its sending side is in [`crate::delivery::Delivery`] under the same
/// key.
#[derive(Debug)]
pub struct Client<S> {
    pub stream: S,
    pub serial: u32,
    pub peer: Peer,
    pub lifecycle: Lifecycle,
    pub reading: Reading,
    pub input: Input,
    /// The service knows it.
    pub opened: bool,
    /// It has said nothing yet, and is shown what others say.
    pub listens: bool,
    pub wire: Wire,
    pub inbox: Inbox,
    /// A message that its service could not take yet.
    pub pending: Option<Box<(FrameKind, Vec<u8>)>>,
}
