//! Clients that come by a proxy: where they really come from, and what follows from that.
//!
//! A proxy says it in one of two ways: in a header of its own before anything else (the PROXY
//! protocol), or in fields of each request. Both are taken from [`TrustedProxies`] alone.
//!
//! [`TrustedProxies`]: super::proxies::TrustedProxies

use std::net::SocketAddr;

use log::info;

use super::Server;
use super::admission::Rejection;
use super::stream::Stream;
use crate::ids::{ClientId, Peer};
use crate::server::timers::Due;
use crate::service::Service;
use crate::wire::close::CloseReason;
use crate::wire::detect::{Foreign, Payload};
use crate::wire::http::forwarded::{Forwarded, Scheme};
use crate::wire::http::{Request, begins_with_head};
use crate::wire::proxy::{self, Header, HeaderError};
use crate::wire::{Decision, Protocols};

/// Whose a request is, and how it has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender {
    /// Where the connection comes from.
    pub proxy: Peer,
    /// Where the request comes from, if a proxy says so.
    pub client: Option<SocketAddr>,
    /// What the page has come by, if that is known: by TLS of our own, or as a proxy says.
    pub scheme: Option<Scheme>,
    /// A proxy has brought it.
    pub is_forwarded: bool,
}

impl Sender {
    pub(super) fn peer(&self) -> Peer {
        self.client.map_or(self.proxy, Peer::from)
    }
}

impl<S: Stream, A: Service> Server<S, A> {
    /// A connection is established: if it is a proxy's, a header may come first.
    pub(super) fn await_header(&mut self, id: ClientId) {
        let connection = &mut self.connections[id.index()];
        // Inside TLS nothing is a header: that would have come before.
        let is_first = !connection.stream.is_protected();
        if is_first && self.settings.proxies.contains(connection.peer()) {
            connection.wire.await_header();
            self.timers.push(self.out.now().ms + self.wires.timeouts.header_ms, id, Due::Header);
        }
    }

    /// Whether a connection cannot begin, which would be with something that is sent to it or
    /// counted, before it is known whose it is.
    pub(super) fn is_put_off(&self, id: ClientId) -> bool {
        let begins =
            self.wires.payload == Payload::Bytes || self.wires.protocols != Protocols::Auto;
        begins && self.connections[id.index()].wire.awaits_header()
    }

    /// A header has come, and perhaps more behind it.
    pub(super) fn take_header(&mut self, id: ClientId, header: Header) {
        let connection = &mut self.connections[id.index()];
        let bytes = connection.inbox.take_bytes();
        connection.inbox.put_back(bytes, header.bytes, self.out.account());
        if header.is_protected {
            connection.note_tls();
        }
        if let Some(source) = header.source {
            match self.admit(source, self.out.now()) {
                Ok(()) => self.set_peer(id, source),
                Err(rejection) => {
                    self.note_rejection(id, source, rejection);
                    self.rejected.insert(id, rejection);
                }
            }
        }
        self.begin_behind_header(id);
    }

    /// Something has come, and nothing is decided: if it is what people write as well, it is not
    /// taken for the start of a header for long.
    pub(super) fn await_rest_of_header(&mut self, id: ClientId) {
        let connection = &self.connections[id.index()];
        let input = connection.inbox.as_slice();
        if connection.wire.awaits_header() && !input.is_empty() && !proxy::is_begun(input) {
            let at = self.out.now().ms + self.wires.timeouts.header_start_ms;
            self.timers.push(at, id, Due::Header);
        }
    }

    /// No header comes in time: what has come is served as it is. What has come and has not been
    /// read may be one: it is the server that is late, and looks again when it has had time to read.
    pub(super) fn header_is_late(&mut self, id: ClientId) {
        let connection = &self.connections[id.index()];
        if connection.wire.awaits_header() && !connection.is_idle() {
            let at = self.out.now().ms + self.wires.timeouts.header_start_ms;
            return self.timers.push(at, id, Due::Header);
        }
        let (input, wire) = (connection.inbox.as_slice(), &connection.wire);
        let is_late = wire.since() + self.wires.timeouts.header_ms <= self.out.now().ms;
        // It has begun since.
        let is_on_its_way = !is_late && proxy::is_begun(input);
        if wire.awaits_header() && !is_on_its_way {
            self.end_header(id);
            self.read_again(id);
        }
    }

    /// No header comes any more.
    pub(super) fn end_header(&mut self, id: ClientId) {
        let connection = &self.connections[id.index()];
        if !connection.is_served() || !connection.wire.awaits_header() {
            return;
        }
        match proxy::is_begun(connection.inbox.as_slice()) {
            true => self.close(id, CloseReason::Header(HeaderError::Cut)),
            false => self.begin_behind_header(id),
        }
    }

    /// What comes from here on is the client's.
    pub(super) fn begin_behind_header(&mut self, id: ClientId) {
        let is_put_off = self.is_put_off(id);
        self.connections[id.index()].wire.header_is_over();
        if is_put_off {
            self.begin(id);
        }
        let connection = &self.connections[id.index()];
        let decision = connection.wire.decide(connection.inbox.as_slice(), &self.wires);
        self.decide(id, decision);
    }

    /// A connection's client is not its proxy.
    pub(super) fn set_peer(&mut self, id: ClientId, client: SocketAddr) {
        let connection = &mut self.connections[id.index()];
        let proxy = connection.peer();
        self.silent.remove(id, proxy.ip());
        self.addresses.disconnected(proxy.ip());
        connection.set_peer(client.into());
        self.addresses.connected(client.ip());
        info!("Peer address: {} (by {proxy})", Peer::from(client));
    }

    /// Whose a request is. Its host is then the one that the proxy was asked for.
    pub(super) fn sender(&self, id: ClientId, request: &mut Request<'_>) -> Sender {
        let connection = &self.connections[id.index()];
        let (proxy, proxies) = (connection.peer(), &self.settings.proxies);
        let forwarded = match proxies.contains(proxy) {
            true => Forwarded::read(request, |ip| proxies.contains_ip(ip)),
            false => None,
        };
        let Some(Forwarded { client, scheme, host }) = forwarded else {
            let scheme = connection.is_protected().then_some(Scheme::Https);
            return Sender { proxy, client: None, scheme, is_forwarded: false };
        };
        request.host = host.unwrap_or(request.host);
        Sender { proxy, client, scheme, is_forwarded: true }
    }

    pub(super) fn note_rejection(
        &mut self,
        id: ClientId,
        client: SocketAddr,
        rejection: Rejection,
    ) {
        self.metrics.rejected.count(rejection);
        let (client, proxy) = (Peer::from(client), self.connections[id.index()].peer());
        info!("{client} (by {proxy}): refused: {rejection} ({})", rejection.limit());
    }

    /// Tells a client that may not come, now that it has shown how it is to be told.
    pub(super) fn answer_rejected(&mut self, id: ClientId, rejection: Rejection, speaks: Decision) {
        match speaks {
            Decision::Http | Decision::LateRequest => {
                let is_head = begins_with_head(self.connections[id.index()].inbox.as_slice());
                let date = self.out.now().http_date();
                self.out.append(id, &rejection.response(is_head, &date));
            }
            Decision::Foreign(Foreign::Tls) => self.out.append(id, &Rejection::TLS_ALERT),
            Decision::NeedMore
            | Decision::Lines
            | Decision::Foreign(_)
            | Decision::Header(_)
            | Decision::NoHeader
            | Decision::BadHeader(_) => self.out.append(id, rejection.line().as_bytes()),
        }
        self.close(id, CloseReason::Done);
    }
}
