//! Whose word is taken for where a client comes from.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;
use thiserror::Error;

use crate::ids::Peer;

/// One value of `--proxy-from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressSource {
    /// Whatever connects by a Unix socket.
    Unix,
    Network(IpNet),
}

impl AddressSource {
    pub fn contains(&self, peer: Peer) -> bool {
        match self {
            AddressSource::Unix => peer.is_unix(),
            AddressSource::Network(network) => !peer.is_unix() && network.contains(&peer.ip()),
        }
    }

    pub fn network(&self) -> Option<IpNet> {
        match self {
            AddressSource::Unix => None,
            AddressSource::Network(network) => Some(*network),
        }
    }
}

/// A value of `--proxy-from` that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("give an address (127.0.0.1), a network (10.0.0.0/8, fd00::/8), or unix for Unix sockets")]
pub struct AddressSourceError;

impl FromStr for AddressSource {
    type Err = AddressSourceError;

    fn from_str(given: &str) -> Result<AddressSource, AddressSourceError> {
        let given = given.trim();
        if given == "unix" {
            return Ok(AddressSource::Unix);
        }
        let address = given.parse::<IpAddr>().map(|ip| IpNet::from(ip.to_canonical()));
        let network =
            address.or_else(|_| given.parse::<IpNet>()).map_err(|_| AddressSourceError)?;
        Ok(AddressSource::Network(network.trunc()))
    }
}

/// The proxies whose word is taken for where their clients come from (`--proxy-from`). They are of
/// the operator's own, and no limit of addresses holds for them: theirs are everybody's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<AddressSource>);

impl From<Vec<AddressSource>> for TrustedProxies {
    fn from(sources: Vec<AddressSource>) -> TrustedProxies {
        TrustedProxies(sources)
    }
}

impl TrustedProxies {
    pub fn contains(&self, peer: Peer) -> bool {
        self.0.iter().any(|source| source.contains(peer))
    }

    pub fn contains_ip(&self, ip: IpAddr) -> bool {
        !self.0.is_empty() && self.contains(SocketAddr::new(ip, 0).into())
    }
}

#[cfg(test)]
mod tests;
