//! The event loop's part: connections, readiness and time.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use chat_server::clock::Now;
use chat_server::server::Server;
use chat_server::server::proxies::TrustedProxies;
use chat_server::server::settings::ConnectionLimits;
use chat_server::service::Service;
use fastrand::Rng;

use crate::handshakes::Handshakes;
use crate::stream::{Faults, Near, Wire};

/// After so many turns without anything new from outside, the loop spins.
const TURNS_MAX: usize = 20_000;

/// One connection, as the event loop knows it.
pub struct Link {
    pub key: usize,
    pub wire: Rc<RefCell<Wire>>,
}

impl Link {
    /// Whether this client, which is owed so much, is behind, and those that speak to it have to
    /// wait: it is over the mark, and the kernel takes something for it or did so not long ago.
    pub fn is_behind(&self, unsent_bytes: usize, limits: &ConnectionLimits, now_ms: u64) -> bool {
        let wire = self.wire.borrow();
        let blocked_since = wire.blocked_since;
        // A stream with a buffer may take nothing while its socket takes a little of that.
        unsent_bytes > limits.delivery.outbox_mark_bytes
            && wire.faults.buffer_bytes_max == 0
            && blocked_since.is_none_or(|at| now_ms < at + limits.delivery.stalled_ms)
    }
}

impl Wire {
    /// A proxy puts this in front, of which so many bytes have arrived. Who begins with TLS has said
    /// so by now: that comes with the rest of it, and nobody is greeted who has sent a part by which it
    /// is known as a header.
    pub fn come_by_proxy(&mut self, mut header: Vec<u8>, arrived: usize) {
        let said = mem::take(&mut self.input);
        let arrived = if said.is_empty() { arrived } else { arrived.max(HEADER_START_BYTES) };
        self.header_bytes = header.len();
        self.header = header.split_off(arrived);
        self.input.extend(header);
        match self.header.is_empty() {
            true => self.input.extend(said),
            false => self.header.extend(said),
        }
        self.readable = !self.input.is_empty();
    }

    /// Moves some of what is on its way to the server. When the server has shut its half, nothing
    /// takes longer than it lingers.
    pub fn carry(&mut self, calm: bool, rng: &mut Rng) {
        let calm = calm || self.shut;
        let rest = self.unread_by_server();
        let count = if calm || rng.bool() { rest } else { rng.usize(0..=rest.min(300)) };
        let hasty = rng.u32(0..4) > 0;
        if calm || hasty {
            self.arrive(count);
        }
    }
}

/// So many bytes of a header are those of nothing else.
const HEADER_START_BYTES: usize = 6;

/// With what somebody silent is greeted.
pub const GREETING: &str =
    "* This is a chat. Press Enter to come in, or type what to say in #lobby.";

/// The last byte of the address from which this connection comes.
pub fn address_of(number: usize) -> u8 {
    (number % 3) as u8
}

/// From where one comes.
pub fn client_of(number: usize) -> SocketAddr {
    (Ipv4Addr::new(192, 0, 2, address_of(number)), 1000).into()
}

/// Where proxies are whose word is taken.
pub fn proxies() -> TrustedProxies {
    vec!["198.51.100.0/24".parse().expect("a network")].into()
}

/// Whether this client has come by TLS to a proxy that takes it away, if it comes by one.
fn has_left_tls(number: usize) -> bool {
    number % 8 == 7
}

/// What a proxy puts in front of what this client sends, if it comes by one. Not drawn: all other
/// draws stay what they are.
fn header_of(number: usize) -> Option<Vec<u8>> {
    match number % 4 {
        1 => {
            let ip = client_of(number).ip();
            Some(format!("PROXY TCP4 {ip} 198.51.100.1 1000 443\r\n").into_bytes())
        }
        // With something behind the addresses: whether the client has come by TLS, too.
        3 => {
            let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x18".to_vec();
            header.extend([192, 0, 2, address_of(number), 198, 51, 100, 1, 0x03, 0xE8, 1, 0xBB]);
            header.extend([0x04, 0, 1, 0, 0x20, 0, 5, u8::from(has_left_tls(number)), 0, 0, 0, 0]);
            Some(header)
        }
        _ => None,
    }
}

/// The connections that the server has, by their numbers.
pub type Links = Rc<RefCell<BTreeMap<usize, Link>>>;

pub struct Stage<A> {
    pub rng: Rng,
    pub limits: ConnectionLimits,
    pub server: Server<Near, A>,
    pub now: u64,
    pub turns: usize,
    links: Links,
    faults: Faults,
    /// The time, for the connections to know.
    clock: Rc<Cell<u64>>,
    accepted: usize,
    /// How often, of 256 times, batches are kept for the next turn.
    keeping: u8,
    /// They have been kept in the last one.
    keeps: bool,
    /// Turns end after so many connections at most, if they do.
    visits_max: Option<usize>,
    /// Turns in which deadlines have been left for the next.
    overdue: usize,
    /// Something new comes in every turn, so that it never catches up.
    pub swamped: bool,
    /// Only some ports greet for silence alone.
    greets_silence: bool,
    has_proxies: bool,
    /// Nobody may come without TLS, and nobody does.
    is_tls_only: bool,
    /// Who has been told how to come in.
    greeted: BTreeSet<usize>,
    /// The addresses from which requests have come, and since when.
    browsers: BTreeMap<u8, u64>,
}

impl<A: Service> Stage<A> {
    pub fn new(
        mut rng: Rng,
        limits: ConnectionLimits,
        mut server: Server<Near, A>,
        links: Links,
    ) -> Stage<A> {
        // From numbers of its own, so that the others stay what they are.
        let tls = [0, 0, 500, 1000][Rng::with_seed(rng.clone().u64(..)).usize(0..4)];
        if tls > 0 {
            server.set_tls(Box::new(Handshakes));
        }
        let mut draw = |max: u32| if rng.bool() { 0 } else { rng.u32(0..max) };
        let faults = Faults {
            interrupted: draw(200),
            short_write: draw(500),
            early: draw(500),
            // One buffer a turn: with less, a client that reads would look slow.
            buffer_bytes_max: match draw(800) as usize {
                0 => 0,
                bytes => 700 + bytes,
            },
            establish_calls_max: draw(4),
            tls,
        };
        let keeping = draw(200) as u8;
        let visits_max = rng.bool().then(|| rng.usize(1..20));
        let now = rng.u64(0..10_000);
        let clock = Rc::new(Cell::new(now));
        Stage {
            rng,
            limits,
            server,
            now,
            turns: 0,
            links,
            faults,
            clock,
            accepted: 0,
            keeping,
            keeps: false,
            visits_max,
            overdue: 0,
            swamped: false,
            greets_silence: false,
            has_proxies: false,
            is_tls_only: false,
            greeted: BTreeSet::new(),
            browsers: BTreeMap::new(),
        }
    }

    pub fn watch_greetings(&mut self) {
        self.greets_silence = true;
    }

    pub fn links(&self) -> Links {
        Rc::clone(&self.links)
    }

    /// The wire of the connection with this key.
    pub fn wire_of(&self, key: usize) -> Rc<RefCell<Wire>> {
        let links = self.links.borrow();
        let here = |link: &&Link| link.key == key && !link.wire.borrow().dropped;
        Rc::clone(&links.values().find(here).expect("a connection").wire)
    }

    /// Another server goes on with these connections, which have other keys there.
    pub fn replace_server(&mut self, mut server: Server<Near, A>, keys: &BTreeMap<usize, usize>) {
        if self.faults.tls > 0 {
            server.set_tls(Box::new(Handshakes));
        }
        drop(mem::replace(&mut self.server, server));
        self.links.borrow_mut().retain(|_, link| {
            let is_here = !link.wire.borrow().dropped;
            link.wire.borrow_mut().is_handed_over = false;
            link.key = keys.get(&link.key).copied().unwrap_or(usize::MAX);
            is_here
        });
        self.overdue = 0;
    }

    /// Some come by [`proxies`].
    pub fn have_proxies(&mut self) {
        self.has_proxies = true;
    }

    /// The server numbers its connections from 1.
    pub fn next_number(&self) -> usize {
        self.accepted + 1
    }

    /// All come by TLS: some to a proxy that takes it away.
    pub fn have_tls_only(&mut self) {
        self.is_tls_only = true;
        self.faults.tls = 1000;
        self.server.set_tls(Box::new(Handshakes));
    }

    /// A new connection, of which both kernels hold so many bytes on the way down.
    pub fn connect(&mut self, capacity: usize) -> (usize, Rc<RefCell<Wire>>) {
        self.connect_from(client_of(self.accepted + 1), capacity)
    }

    /// The same from this address, if it does not come by a proxy.
    pub fn connect_from(
        &mut self,
        client: SocketAddr,
        capacity: usize,
    ) -> (usize, Rc<RefCell<Wire>>) {
        let key = self.server.next_key();
        self.accepted += 1;
        let mut faults = self.faults;
        if self.is_tls_only && has_left_tls(self.accepted) {
            faults.tls = 0;
        }
        let wire = Wire::new(self.rng.u64(..), faults, capacity, Rc::clone(&self.clock));
        let wire = Rc::new(RefCell::new(wire));
        let link = Link { key, wire: Rc::clone(&wire) };
        self.links.borrow_mut().insert(self.accepted, link);
        let header = header_of(self.accepted).filter(|_| self.has_proxies);
        let peer = match header {
            Some(header) => {
                // A proxy sends it in one piece: no more than a start of its own kind is awaited.
                let arrived = match (self.accepted * 7) % (header.len() + 1) {
                    1..HEADER_START_BYTES => 0,
                    arrived => arrived,
                };
                wire.borrow_mut().come_by_proxy(header, arrived);
                (Ipv4Addr::new(198, 51, 100, 1), 1000).into()
            }
            None => client,
        };
        let now = self.now();
        assert_eq!(self.server.accept(Near(Rc::clone(&wire)), peer, now), key);
        (self.accepted, wire)
    }

    /// Reports readiness in any order, and turns the server once if it has a reason.
    pub fn poll(&mut self) {
        self.links.borrow_mut().retain(|_, link| !link.wire.borrow().dropped);
        let mut events = Vec::new();
        for Link { key, wire, .. } in self.links.borrow().values() {
            let wire = &mut *wire.borrow_mut();
            wire.ease();
            let event = (*key, wire.readable, wire.writable, wire.ended, wire.reset);
            (wire.readable, wire.writable, wire.ended) = (false, false, false);
            let (_, readable, writable, ended, _) = event;
            events.extend((readable || writable || ended).then_some(event));
        }
        self.rng.shuffle(&mut events);
        for &(key, readable, writable, ended, reset) in &events {
            if ended && reset {
                self.server.broken(key);
            } else if ended {
                self.server.input_ended(key);
            } else if readable {
                self.server.readable(key);
            }
            if writable {
                self.server.writable(key);
            }
        }
        let is_due = self.server.next_deadline().is_some_and(|at| at <= self.now);
        if !events.is_empty() || self.server.is_busy() || is_due {
            self.turn();
        }
    }

    /// Lets time pass, and the deadlines in it.
    pub fn pass(&mut self, wait: u64) {
        let until = self.now + wait;
        while !self.server.is_busy() {
            match self.server.next_deadline() {
                Some(at) if at <= until => {
                    self.now = self.now.max(at);
                    self.turn();
                }
                _ => break,
            }
        }
        if self.server.is_busy() && (self.swamped || self.rng.u32(0..3) > 0) {
            // A busy loop takes time as well.
            self.now += self.rng.u64(0..3);
        } else {
            self.settle();
            self.now = self.now.max(until);
        }
    }

    pub fn turn(&mut self) {
        self.turns += 1;
        self.clock.set(self.now);
        let now = self.now();
        // What one connection asks for may take all the time that there is.
        let mut left = self.visits_max.map_or(usize::MAX, |max| self.rng.usize(0..max));
        self.server.receive(now, |_| {
            left = left.saturating_sub(1);
            left == 0
        });
        self.keeps = !self.keeps && self.rng.u8(..) < self.keeping && !self.server.batch().is_full;
        self.server.deliver(!self.keeps);
        self.server.assert_invariants();
        for link in self.links.borrow().values() {
            assert!(link.wire.borrow().kept.is_empty(), "an end follows the last bytes at once");
        }
        self.check_greetings();
        let is_overdue = self.server.next_deadline().is_some_and(|at| at <= self.now);
        self.overdue = if is_overdue { self.overdue + 1 } else { 0 };
        assert!(
            self.overdue <= 2 + 20 * self.links.borrow().len() / self.limits.deadlines_max,
            "a deadline was left in the past"
        );
    }

    /// Silence is greeted after its time and not before, and not at all where a request has come
    /// from.
    fn check_greetings(&mut self) {
        if !self.greets_silence {
            return;
        }
        for (&number, Link { wire, .. }) in self.links.borrow().iter() {
            let wire = wire.borrow();
            let Some(established_at) = wire.established_at else { continue };
            // Who asks for our health is no browser.
            if wire.first.starts_with(b"GET /?") {
                self.browsers.entry(address_of(number)).or_insert(self.now);
            }
            let is_greeted = wire.downlink.iter().take(GREETING.len()).eq(GREETING.as_bytes());
            // Telnet is greeted at once.
            if is_greeted && wire.first.is_empty() && self.greeted.insert(number) {
                let age = self.now - established_at;
                assert!(
                    age >= self.limits.wire.greet_after_remote_ms,
                    "client {number} is greeted after {age} ms"
                );
                // It counts when it is whole, and a greeting may have been on its way for some
                // turns by then.
                let since = self.browsers.get(&address_of(number)).copied();
                let is_known =
                    since.is_some_and(|since| self.now >= since + self.limits.wire.head_ms + 300);
                assert!(!is_known, "client {number} may be a browser's");
            }
        }
    }

    /// Turns until there is nothing to do but wait.
    pub fn settle(&mut self) {
        let mut turns = 0;
        while self.server.is_busy() {
            self.turn();
            turns += 1;
            assert!(turns < TURNS_MAX, "the loop spins");
        }
    }

    pub fn now(&self) -> Now {
        Now { ms: self.now, unix_ms: 1_700_000_000_000 + self.now }
    }
}
