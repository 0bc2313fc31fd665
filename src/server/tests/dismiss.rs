//! Those whom a service does not want: clients, and addresses.

use std::net::{IpAddr, SocketAddr};

use super::*;
use crate::server::proxies::TrustedProxies;
use crate::service::Ended;

const PROXY: &str = "192.0.2.1:40000";
const ALICE: &str = "203.0.113.7:51234";
const BOB: &str = "203.0.113.8:51234";
/// Alice by the proxy.
const HEADER: &str = "PROXY TCP4 203.0.113.7 192.0.2.80 51234 443\r\n";
const REQUEST: &str = "GET /healthz HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n";

/// Bans an address on `ban ADDRESS`, dismisses who says `out`, and repeats everything else.
#[derive(Default)]
struct Door {
    banned: Vec<IpAddr>,
    open: usize,
    ended: Ended,
}

impl Service for Door {
    fn greeting(&self) -> Option<&'static str> {
        Some("welcome\n")
    }

    fn admits(&self, ip: IpAddr, unix_ms: u64) -> bool {
        assert_eq!(unix_ms, 0, "the turn's time");
        !self.banned.contains(&ip)
    }

    fn dismissed(&mut self, client: ClientId, peer: crate::ids::Peer, out: &mut Delivery) {
        assert!(self.banned.contains(&peer.ip()), "{peer}");
        out.send(client, |to| to.content(FrameKind::Text, b"your address is banned\n"));
    }

    fn opened(&mut self, _: ClientId, _: &Hello<'_>, _: &mut Delivery) {
        self.open += 1;
    }

    fn message(&mut self, client: ClientId, message: Incoming<'_>, out: &mut Delivery) -> Outcome {
        let said = String::from_utf8_lossy(message.bytes).trim_end().to_owned();
        if let Some(ip) = said.strip_prefix("ban ") {
            self.banned.push(ip.parse().expect("an address"));
            self.ended.addresses = true;
        } else if said == "out" {
            out.send(client, |to| to.content(FrameKind::Text, b"you are banned\n"));
            self.ended.clients.push((client, CloseReason::Banned));
        } else {
            out.send(client, |to| to.content(FrameKind::Text, message.bytes));
        }
        Outcome::Done
    }

    fn take_ended(&mut self) -> Ended {
        std::mem::take(&mut self.ended)
    }

    fn closed(&mut self, _: ClientId, _: crate::ids::Peer, _: &mut Delivery) {
        self.open -= 1;
    }
}

fn sim() -> Sim<Door> {
    let proxies: TrustedProxies = vec!["192.0.2.0/24".parse().expect("a network")].into();
    let limits = ConnectionLimits::default();
    let settings = ServerSettings { limits, proxies, ..ServerSettings::default() };
    Sim::with(settings, |_| Door::default())
}

impl Sim<Door> {
    fn from(&mut self, from: &str, says: &str) -> Peer {
        let from: SocketAddr = from.parse().expect("an address");
        self.server.admit(from, self.now).expect("it is admitted");
        let peer = self.connect_from(from, Far { room: PLENTY, ..Far::default() });
        self.send(&peer, says);
        self.settle();
        peer
    }
}

#[test]
fn who_is_dismissed_is_told_why_and_closed() {
    let mut sim = sim();
    let (alice, bob) = (sim.from(ALICE, "hello\n"), sim.from(BOB, "hello\n"));
    sim.send(&alice, "out\n");
    sim.settle();
    assert_eq!(alice.output(), "hello\nyou are banned\n");
    assert!(alice.is_shut() && !bob.is_shut());
    assert_eq!(sim.server.service.open, 1);
    sim.send(&alice, "again\n");
    sim.settle();
    assert_eq!(alice.output(), "hello\nyou are banned\n");
}

#[test]
fn all_who_are_here_from_a_banned_address_go_however_they_have_come() {
    let mut sim = sim();
    let bob = sim.from(BOB, "hello\n");
    let lines = sim.from(ALICE, "hello\n");
    let silent = sim.from(ALICE, "");
    let asks = sim.from(ALICE, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    let by_proxy = sim.from(PROXY, &format!("{HEADER}hello\n"));
    let of_proxy = sim.from(PROXY, "hello\n");
    sim.send(&bob, "ban 203.0.113.7\n");
    sim.settle();
    for told in [&lines, &by_proxy] {
        assert_eq!(told.output(), "hello\nyour address is banned\n");
    }
    assert!([&lines, &silent, &asks, &by_proxy].into_iter().all(Peer::is_shut));
    assert_eq!(silent.output(), "");
    assert!(!bob.is_shut() && !of_proxy.is_shut());
    assert_eq!(sim.server.service.open, 2);
}

#[test]
fn nobody_comes_from_a_banned_address_and_its_proxy_goes_on() {
    let mut sim = sim();
    sim.from(BOB, "ban 203.0.113.7\n");
    let alice: SocketAddr = ALICE.parse().expect("an address");
    for _ in 0..10_000 {
        assert_eq!(sim.server.admit(alice, sim.now), Err(Rejection::Banned));
    }
    let before = sim.server.len();
    let header = sim.from(PROXY, &format!("{HEADER}hello\n"));
    assert_eq!(header.output(), "! your address is banned from this server\n");
    let request = sim.from(PROXY, REQUEST);
    assert!(request.output().starts_with("HTTP/1.1 403 Forbidden\r\n"), "{}", request.output());
    sim.pass(60_000);
    assert_eq!(sim.server.len(), before, "nothing is left of them");
    let health = sim.from(PROXY, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(health.output().starts_with("HTTP/1.1 200 OK\r\n"), "{}", health.output());
}

/// A kept connection of a proxy brings requests of everybody.
#[test]
fn further_requests_of_a_banned_address_are_refused() {
    let mut sim = sim();
    let bob = sim.from(BOB, "hello\n");
    let proxy = sim.from(PROXY, REQUEST);
    assert!(proxy.take_output().starts_with("HTTP/1.1 200 OK\r\n"));
    sim.send(&bob, "ban 203.0.113.7\n");
    sim.settle();
    assert!(!proxy.is_shut());
    sim.send(&proxy, REQUEST);
    sim.settle();
    assert!(proxy.output().starts_with("HTTP/1.1 403 Forbidden\r\n"), "{}", proxy.output());
}

/// The word of the operator: a proxy that is trusted is not turned away, whatever is banned.
#[test]
fn a_proxy_is_not_banned() {
    let mut sim = sim();
    let of_proxy = sim.from(PROXY, "hello\n");
    let bob = sim.from(BOB, "hello\n");
    sim.send(&bob, "ban 192.0.2.1\n");
    sim.settle();
    assert!(!of_proxy.is_shut());
    assert_eq!(sim.from(PROXY, "hello\n").output(), "hello\n");
}
