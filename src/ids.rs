//! Names for what lives: clients, and the addresses that they come from.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A slab key together with the serial number of the connection that holds it.
///
/// A slab reuses keys at once; the serial number, given out once per connection, makes sure that an
/// id kept in a list or a timer never reaches the slot's next owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId {
    pub(crate) key: u32,
    pub(crate) serial: u32,
}

impl ClientId {
    /// None is ordered before it.
    pub(crate) const FIRST: ClientId = ClientId { key: 0, serial: 0 };

    /// Names no connection: no slab is so large.
    pub(crate) const NOBODY: ClientId = ClientId { key: u32::MAX, serial: 0 };

    pub(crate) fn new(key: usize, serial: u32) -> ClientId {
        let key = u32::try_from(key).expect("descriptors, and so clients, are fewer than 2^32");
        ClientId { key, serial }
    }

    pub(crate) fn index(self) -> usize {
        self.key as usize
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {}", self.serial)
    }
}

/// Names one piece of slow work from when it is given away until it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// One turn's changes to what is kept. They are numbered from 1 on; 0 is before all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId(pub u64);

impl GroupId {
    #[must_use]
    pub fn next(self) -> GroupId {
        GroupId(self.0 + 1)
    }
}

/// What stands for the address of a peer that has none, as it has connected by a Unix socket.
pub const UNIX_PEER: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);

/// A peer's address in 18 bytes; tens of thousands of idle clients keep one each. A port of 0 is
/// one that is not known.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Peer {
    ip: [u8; 16],
    port: u16,
}

impl Peer {
    pub fn ip(self) -> IpAddr {
        SocketAddr::from(self).ip()
    }

    /// Whether it has connected by a Unix socket.
    pub fn is_unix(self) -> bool {
        SocketAddr::from(self) == UNIX_PEER
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
        match SocketAddr::from(*self) {
            UNIX_PEER => f.write_str("unix"),
            address if address.port() == 0 => address.ip().fmt(f),
            address => address.fmt(f),
        }
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
        for (address, shown) in [("192.0.2.7:0", "192.0.2.7"), ("[::1]:0", "::1")] {
            let parsed: SocketAddr = address.parse().expect("an address");
            assert_eq!(Peer::from(parsed).to_string(), shown, "the port is not known");
        }
        assert_eq!(Peer::from(UNIX_PEER).to_string(), "unix");
    }
}
