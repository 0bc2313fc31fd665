//! One connected client.

pub mod id;
pub mod inbox;
pub mod outbox;

use std::fmt;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

pub use id::ClientId;

use crate::client::inbox::Inbox;
use crate::encode::Kind;
use crate::wire::Wire;

/// What the server needs of a connection; sockets in production, scripts in tests.
///
/// Both directions are non-blocking. A read that fills less than the buffer it was given, and a write that takes less than
/// it was offered, mean what they mean for an edge-triggered epoll (epoll(7), question 9): the other side has to do
/// something first, and whoever drives the server reports readiness again when it has. The end of the input is the
/// exception: it can be reported together with the bytes before it, as [`crate::server::Server::input_ended`], and only once.
pub trait Stream: Read + Write {
    /// Ends the writing half: the peer reads the end of the stream after what was written.
    fn shutdown_write(&mut self) -> std::io::Result<()>;
}

/// Where a client is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifecycle {
    /// It is read from and served.
    Open,
    /// Its input has ended; what had arrived is still being served.
    Ending,
    /// It is sent what it is still owed, then its writing half is shut. `peer_done`: its input had ended.
    Closing { peer_done: bool },
    /// It was told that we are done. Its last input is read and dropped until it closes its side as well: closing with
    /// unread input would reset the connection, and the reset could overtake what we sent (RFC 1122, 4.2.2.13).
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
    /// Nothing. Its end may have been reported together with its last bytes, so it is read on until the end comes, and no
    /// further readiness is waited for.
    Ended,
    /// Nothing: its end had been reported, and then its connection broke. What has come is served, its last words included.
    Left,
    /// Nothing, and it hears nothing either. What has come whole is served.
    Broken,
}

/// A peer's address in 18 bytes; tens of thousands of idle clients keep one each.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Peer {
    ip: [u8; 16],
    port: u16,
}

/// One client's receiving side; its sending side is in [`crate::outgoing::Outgoing`] under the same key.
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
    pub pending: Option<Box<(Kind, Vec<u8>)>>,
}

impl Peer {
    pub fn ip(self) -> IpAddr {
        SocketAddr::from(self).ip()
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Peer {
        let ip = match address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        Peer { ip: ip.octets(), port: address.port() }
    }
}

impl From<Peer> for SocketAddr {
    fn from(peer: Peer) -> SocketAddr {
        SocketAddr::new(Ipv6Addr::from(peer.ip).to_canonical(), peer.port)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::from(*self).fmt(f)
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_shown_as_its_address() {
        for address in ["127.0.0.1:8080", "[::1]:65535", "[2001:db8::7]:1"] {
            let parsed: SocketAddr = address.parse().expect("an address");
            assert_eq!(Peer::from(parsed).to_string(), address);
        }
    }
}
