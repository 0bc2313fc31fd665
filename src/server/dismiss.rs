//! Who may be here at all: the service says which addresses it does not want, and which clients.

use std::net::{IpAddr, SocketAddr};

use super::Server;
use super::stream::Stream;
use crate::clock::Now;
use crate::ids::{ClientId, Peer, UNIX_PEER};
use crate::service::Service;
use crate::wire::close::CloseReason;

impl<S: Stream, A: Service> Server<S, A> {
    /// Whether the service wants clients from this address. A proxy of the operator's own, and what
    /// comes by a Unix socket, bring everybody's clients.
    pub(super) fn is_wanted(&self, ip: IpAddr, now: Now) -> bool {
        let brings_others =
            SocketAddr::new(ip, 0) == UNIX_PEER || self.settings.proxies.contains_ip(ip);
        brings_others || self.service.admits(ip, now.unix_ms)
    }

    /// Closes those whom the service does not want any more.
    pub(super) fn close_ended(&mut self) {
        let ended = self.service.take_ended();
        for (id, reason) in ended.clients {
            self.close(id, reason);
        }
        if !ended.addresses {
            return;
        }
        let now = self.out.now();
        let all = self.connections.iter();
        let unwanted = all.filter(|(_, one)| !self.is_wanted(one.peer().ip(), now));
        let unwanted: Vec<(ClientId, Peer, bool)> = unwanted
            .map(|(key, one)| (one.id(key), one.peer(), one.is_known_to_service()))
            .collect();
        for (id, peer, is_known) in unwanted {
            if is_known {
                self.service.dismissed(id, peer, &mut self.out);
            }
            self.close(id, CloseReason::Banned);
        }
    }
}
