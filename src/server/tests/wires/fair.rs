//! A fair turn: it ends when its time is over, the rest comes first in the next, and those that ask
//! for much or too often come after the others.

use super::*;
use crate::throttle::Rate;

/// Enough to use up a bucket, and more than one visit's share.
const FLOOD: usize = 300;

fn pings(count: usize) -> Vec<u8> {
    frame(PING, b"x").repeat(count)
}

pub(super) fn large_reads() -> ServerSettings {
    let limits = ConnectionLimits { read_bytes_max: 4096, ..limits() };
    ServerSettings { limits, protocols: Protocols::Auto, ..ServerSettings::default() }
}

impl<A: Service> Sim<A> {
    /// A turn in which there is time for so many connections.
    fn short_turn(&mut self, visits: usize) {
        let mut left = visits;
        self.server.receive(self.now, |_| {
            left = left.saturating_sub(1);
            left == 0
        });
        self.server.deliver(true);
        self.check();
    }
}

#[test]
fn the_rest_comes_first_in_the_next_turn() {
    let mut sim = echo();
    let peers: Vec<Peer> = (0..10).map(|_| sim.connect(PLENTY)).collect();
    peers.iter().for_each(|peer| sim.send(peer, "one\n"));
    sim.short_turn(4);
    let answered = |peers: &[Peer]| peers.iter().filter(|peer| !peer.output().is_empty()).count();
    assert_eq!((answered(&peers), answered(&peers[..4])), (4, 4), "in order");
    assert!(sim.server.is_busy(), "the next poll must not block");
    // Those that come meanwhile go behind.
    peers[..4].iter().for_each(|peer| sim.send(peer, "two\n"));
    sim.short_turn(4);
    assert_eq!((answered(&peers), answered(&peers[..8])), (8, 8));
    assert!(peers[..4].iter().all(|peer| peer.output() == "one\n"));
    sim.short_turn(4);
    let twos = peers.iter().filter(|peer| peer.output() == "one\ntwo\n").count();
    assert_eq!((answered(&peers), twos), (10, 2));
    sim.short_turn(4);
    assert!(peers[..4].iter().all(|peer| peer.output() == "one\ntwo\n"));
    assert!(!sim.server.is_busy());
}

#[test]
fn a_turn_serves_one_although_it_has_no_time() {
    let mut sim = echo();
    let peers: Vec<Peer> = (0..10).map(|_| sim.connect(PLENTY)).collect();
    peers.iter().for_each(|peer| sim.send(peer, "one\n"));
    for turn in 1..=10 {
        sim.short_turn(0);
        let answered = peers.iter().filter(|peer| !peer.output().is_empty()).count();
        assert_eq!(answered, turn);
    }
}

#[test]
fn who_talks_comes_before_hundreds_who_ping_all_the_time() {
    let mut sim = Sim::with(large_reads(), |_| Echo);
    let flooders: Vec<Peer> = (0..200).map(|_| sim.upgraded(PLENTY)).collect();
    let (talker, pinger) = (sim.upgraded(PLENTY), sim.upgraded(PLENTY));
    sim.pass(10_000);
    let flood = |sim: &mut Sim<Echo>| {
        flooders.iter().for_each(|peer| sim.send(peer, pings(FLOOD)));
    };
    // Nothing is known of them yet: each has one visit.
    flood(&mut sim);
    sim.short_turn(200);
    for turn in 0..20 {
        flood(&mut sim);
        sim.send(&talker, frame(TEXT, b"hello"));
        sim.send(&pinger, frame(PING, b"me"));
        sim.short_turn(10);
        assert_eq!(talker.take_bytes(), served(TEXT, b"hello"), "in turn {turn}");
        assert_eq!(pinger.take_bytes(), served(PONG, b"me"), "in turn {turn}");
    }
    sim.settle();
    for peer in &flooders {
        assert!(peer.take_bytes() == served(PONG, b"x").repeat(21 * FLOOD), "all are answered");
    }
}

/// A thousand that are new have a thousand full buckets. What each has sent over one visit's share
/// waits until others have been served, all the same.
#[test]
fn who_talks_comes_before_the_first_pings_of_hundreds() {
    let mut sim = Sim::with(large_reads(), |_| Echo);
    let flooders: Vec<Peer> = (0..200).map(|_| sim.upgraded(PLENTY)).collect();
    let (talker, pinger) = (sim.upgraded(PLENTY), sim.upgraded(PLENTY));
    sim.pass(10_000);
    let count = 90;
    flooders.iter().for_each(|peer| sim.send(peer, pings(count)));
    // Nothing is known of them yet: each has one visit.
    sim.short_turn(200);
    assert!(flooders.iter().all(|peer| !peer.output().is_empty()));
    for turn in 0..20 {
        sim.send(&talker, frame(TEXT, b"hello"));
        sim.send(&pinger, frame(PING, b"me"));
        sim.short_turn(10);
        assert_eq!(talker.take_bytes(), served(TEXT, b"hello"), "in turn {turn}");
        assert_eq!(pinger.take_bytes(), served(PONG, b"me"), "in turn {turn}");
    }
    sim.settle();
    for peer in &flooders {
        assert!(peer.take_bytes() == served(PONG, b"x").repeat(count), "all are answered");
    }
}

#[test]
fn who_talks_comes_before_hundreds_who_come() {
    let mut sim = Sim::with(large_reads(), |_| Echo);
    let talker = sim.connect(PLENTY);
    sim.send(&talker, "I am here\n");
    sim.settle();
    assert_eq!(talker.take_output(), "I am here\n");
    let mut newcomers = Vec::new();
    for turn in 0..20 {
        for _ in 0..50 {
            let newcomer = sim.connect(PLENTY);
            sim.send(&newcomer, "hello\n");
            newcomers.push(newcomer);
        }
        sim.send(&talker, "and I talk\n");
        sim.short_turn(10);
        assert_eq!(talker.take_output(), "and I talk\n", "in turn {turn}");
    }
    sim.settle();
    assert!(newcomers.iter().all(|peer| peer.output() == "hello\n"), "all are served");
}

#[test]
fn who_requests_too_much_is_served_when_nobody_else_wants_to_be() {
    let mut sim = Sim::with(large_reads(), |_| Echo);
    let (flooder, other) = (sim.connect(PLENTY), sim.connect(PLENTY));
    let count = 1000;
    sim.send(&flooder, GET.repeat(count));
    sim.settle();
    assert_eq!(
        flooder.take_output().matches("HTTP/1.1 200 OK").count(),
        count,
        "no time has passed"
    );
    // Of many requests in one read a few are answered, and then it is the other's turn.
    sim.send(&flooder, GET.repeat(40));
    sim.send(&other, GET);
    sim.short_turn(1);
    assert!(flooder.output().matches("HTTP/1.1 200 OK").count() <= 40);
    assert_eq!(other.take_output().matches("HTTP/1.1 200 OK").count(), 1);
    sim.settle();
    assert_eq!(flooder.take_output().matches("HTTP/1.1 200 OK").count(), 40);
}

#[test]
fn those_that_ask_too_often_get_a_visit_in_every_turn() {
    let limits = ConnectionLimits {
        requests: Rate::limited(10, 1).expect("in range"),
        late_requests_max: 1,
        read_bytes_max: 4096,
        ..limits()
    };
    let settings = ServerSettings { limits, ..large_reads() };
    let mut sim = Sim::with(settings, |_| Echo);
    let (flooder, talker) = (sim.upgraded(PLENTY), sim.upgraded(PLENTY));
    sim.send(&flooder, pings(FLOOD));
    sim.turn();
    let mut turns = 0;
    while flooder.output().len() < 3 * FLOOD {
        sim.send(&talker, frame(TEXT, b"hello"));
        sim.short_turn(1);
        assert_eq!(talker.take_bytes(), served(TEXT, b"hello"));
        turns += 1;
        assert!(turns < FLOOD / 10, "it starves");
    }
}

#[test]
fn who_comes_does_not_hold_up_those_who_are_here() {
    let mut sim = chat(Protocols::Auto);
    let talker = sim.connect(PLENTY);
    sim.send(&talker, "/nick ann\n");
    sim.settle();
    talker.take_output();
    let newcomers: Vec<Peer> = (0..50).map(|_| sim.connect(PLENTY)).collect();
    newcomers.iter().for_each(|peer| sim.send(peer, UPGRADE));
    let mut turns = 0;
    while newcomers.iter().any(|peer| !peer.output().starts_with("HTTP/1.1 101 ")) {
        sim.send(&talker, "/nick\n");
        sim.short_turn(51);
        assert!(talker.take_output().contains("! "), "answered in turn {turns}");
        turns += 1;
        assert!(turns <= 50, "somebody is left out");
        sim.pass(1000);
    }
}

#[test]
fn as_many_deadlines_as_a_turn_may_handle() {
    let limits = ConnectionLimits { deadlines_max: 10, ..limits() };
    let settings = ServerSettings { limits, ..large_reads() };
    let mut sim = Sim::with(settings, |_| Echo);
    let peers: Vec<Peer> = (0..35).map(|_| sim.upgraded(PLENTY)).collect();
    sim.now.ms += limits.wire.ping_after_ms + 1000;
    let pinged = |peers: &[Peer]| peers.iter().filter(|peer| !peer.output().is_empty()).count();
    for expected in [0, 10, 20, 30, 35] {
        assert!(pinged(&peers) <= expected);
        sim.turn();
    }
    while sim.server.next_deadline().is_some_and(|at| at <= sim.now.ms) {
        sim.turn();
    }
    assert_eq!(pinged(&peers), 35);
}

#[test]
fn a_large_write_counts_as_several() {
    let limits = ConnectionLimits {
        delivery: DeliveryLimits::default(),
        writes_max: 8,
        bulk_writes_min: 1,
        write_bytes_each: 100,
        message_bytes_max: 1000,
        read_bytes_max: 4096,
        ..limits()
    };
    let mut sim = Sim::new(limits, Broadcast::new);
    let peers: Vec<Peer> = (0..8).map(|_| sim.connect(PLENTY)).collect();
    let written = |peers: &[Peer]| peers.iter().filter(|peer| !peer.output().is_empty()).count();
    let long = format!("{}\n", "x".repeat(349));
    sim.send(&peers[0], &long);
    for expected in [2, 4, 6, 8] {
        sim.turn();
        assert_eq!(written(&peers), expected, "four for each");
    }
    sim.send(&peers[0], "short\n");
    sim.turn();
    assert!(peers.iter().all(|peer| peer.output().ends_with("short\n")));
}

#[test]
fn a_request_that_waits_for_its_turn_is_not_late() {
    let mut sim = auto_broadcast();
    let talkers: Vec<Peer> = (0..10).map(|_| sim.connect(PLENTY)).collect();
    talkers.iter().for_each(|peer| sim.send(peer, "hello\n"));
    sim.settle();
    let page = sim.connect(PLENTY);
    for _ in 0..20 {
        sim.now.ms += limits().wire.withhold_ms / 10;
        talkers.iter().for_each(|peer| sim.send(peer, "more\n"));
        sim.short_turn(5);
    }
    assert!(page.output().contains("more\n"), "a terminal that has been silent hears them");
    let page = sim.connect(PLENTY);
    talkers.iter().for_each(|peer| sim.send(peer, "more\n"));
    sim.send(&page, GET);
    sim.now.ms += limits().wire.withhold_ms;
    sim.short_turn(1);
    sim.settle();
    assert!(page.output().starts_with("HTTP/1.1 200 OK\r\n"), "{}", page.output());
}

/// Sends much to one that says so much as a word, and more whenever it has read that.
struct Refill;

impl Refill {
    fn fill(client: ClientId, out: &mut Delivery) {
        out.send(client, |to| to.message(FrameKind::Text, |bytes| bytes.extend([b'x'; 2000])));
        out.call_when_clear(Wait::ClientClear(client));
    }
}

impl Service for Refill {
    fn opened(&mut self, _: ClientId, _: &Hello<'_>, _: &mut Delivery) {}

    fn message(&mut self, client: ClientId, message: Incoming<'_>, out: &mut Delivery) -> Outcome {
        if message.bytes.starts_with(b"fill") {
            Refill::fill(client, out);
        } else {
            out.send(client, |to| to.message(FrameKind::Text, |bytes| bytes.extend(b"heard")));
        }
        Outcome::Done
    }

    fn clear(&mut self, what: Wait, out: &mut Delivery) {
        if let Wait::ClientClear(client) = what {
            Refill::fill(client, out);
        }
    }

    fn closed(&mut self, _: ClientId, _: crate::ids::Peer, _: &mut Delivery) {}
}

#[test]
fn who_is_behind_is_heard_before_others_fill_its_queue_again() {
    let mut sim = Sim::new(ConnectionLimits { read_bytes_max: 4096, ..limits() }, |_| Refill);
    let victim = sim.connect(10);
    sim.send(&victim, "fill\n");
    sim.settle();
    sim.send(&victim, "help\n");
    sim.settle();
    assert!(!victim.output().contains("heard"), "it has much to read first");
    sim.drain(&victim, 2000);
    sim.settle();
    sim.drain(&victim, 2000);
    sim.settle();
    assert!(victim.output().contains("heard"), "{}", victim.output());
}
