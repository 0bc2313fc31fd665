//! What all clients together hold, and who has to go for it.

use super::*;
use crate::ids;
use crate::server::succession::UNSENT_BYTES_MAX;

const TOO_SLOW: &str = "! too slow: messages came in faster than this connection read them\n";
const OUT_OF_MEMORY: &str =
    "! out of memory: this connection held more than others; come back later\n";

fn with_budget(bytes: usize) -> Sim<Hoard> {
    let mut limits = limits();
    limits.delivery.memory_bytes_max = bytes;
    (limits.message_bytes_max, limits.read_bytes_max) = (4000, 4096);
    Sim::new(limits, |_| Hoard)
}

/// Sends as many bytes as a line asks for. `list N` may have to wait for memory.
struct Hoard;

impl Service for Hoard {
    fn opened(&mut self, _: ClientId, _: &Hello<'_>, _: &mut Delivery) {}

    fn message(&mut self, client: ClientId, message: Incoming<'_>, out: &mut Delivery) -> Outcome {
        let line = String::from_utf8_lossy(message.bytes).into_owned();
        let line = line.trim_end();
        let count = line.strip_prefix("list ");
        if count.is_some() && !out.may_answer(client) {
            return Outcome::Blocked(Wait::Memory);
        }
        let count: usize = count.unwrap_or(line).parse().expect("a number");
        out.send(client, |to| {
            to.message(FrameKind::Text, |buffer| buffer.resize(buffer.len() + count, b'x'))
        });
        Outcome::Done
    }

    fn closed(&mut self, _: ClientId, _: ids::Peer, _: &mut Delivery) {}
}

impl Sim<Hoard> {
    /// A client that asks for so much, and takes so much of it.
    fn owed(&mut self, bytes: usize, room: usize) -> Peer {
        let peer = self.connect(room);
        self.send(&peer, format!("{bytes}\n"));
        self.settle();
        peer
    }
}

#[test]
fn what_takes_nothing_goes_first_and_the_most_indebted_of_it() {
    let mut sim = with_budget(10_000);
    let (small, large) = (sim.owed(1500, 0), sim.owed(2500, 5));
    let half = sim.connect(PLENTY);
    sim.send(&half, "9".repeat(3500));
    sim.pass(500);
    assert_eq!(sim.server.len(), 3);
    let other = sim.connect(PLENTY);
    sim.send(&other, "8".repeat(2800));
    sim.settle();
    assert!(large.is_dropped(), "it takes nothing, and holds more than a few last words");
    assert!(!small.is_dropped() && !half.is_dropped() && !other.is_dropped());
    assert_eq!(sim.server.metrics().memory_searches, 1);
    assert_eq!(sim.server.metrics().closed.too_slow, 1);
}

#[test]
fn half_a_line_is_held_for_as_long_as_there_is_memory() {
    let mut sim = with_budget(10_000);
    let (half, other) = (sim.connect(PLENTY), sim.connect(PLENTY));
    sim.send(&half, "9".repeat(3900));
    sim.send(&other, "9".repeat(1000));
    sim.pass(3_600_000);
    assert_eq!(sim.server.len(), 2, "it reads, and is silent");
    let more = sim.connect(PLENTY);
    sim.send(&more, "9".repeat(3000));
    let last = sim.connect(PLENTY);
    sim.send(&last, "9".repeat(3000));
    sim.settle();
    assert_eq!(half.output(), OUT_OF_MEMORY);
    assert_eq!([other.output(), more.output(), last.output()], ["", "", ""]);
    assert_eq!(sim.server.metrics().closed.out_of_memory, 1);
}

#[test]
fn large_answers_wait_for_memory_in_order() {
    let mut sim = with_budget(20_000);
    let slow: Vec<_> = (0..5).map(|_| sim.owed(4000, 0)).collect();
    assert!(sim.server.held_bytes() > 15_000);
    let waiting: Vec<_> = (0..3).map(|_| sim.connect(PLENTY)).collect();
    for peer in &waiting {
        sim.send(peer, "list 100\n");
    }
    sim.settle();
    assert!(waiting.iter().all(|peer| peer.output().is_empty()), "three quarters are held");
    let other = sim.owed(100, PLENTY);
    assert_eq!(other.output().len(), 100, "small ones do not wait");
    for peer in &slow[..2] {
        sim.drain(peer, PLENTY);
    }
    sim.settle();
    assert!(waiting.iter().all(|peer| peer.output().len() == 100));
    assert_eq!(sim.server.len(), 9, "nobody had to go");
}

#[test]
fn who_takes_nothing_is_let_go_however_little_it_is_owed() {
    let mut sim = with_budget(usize::MAX);
    let stuck = sim.owed(10, 3);
    let reader = sim.owed(10, 3);
    let idle = sim.connect(0);
    // Twelve times as long as over the mark.
    sim.pass(59_000);
    sim.drain(&reader, 3);
    sim.pass(999);
    assert_eq!(sim.server.len(), 3);
    sim.pass(1);
    sim.drain(&stuck, PLENTY);
    sim.settle();
    assert_eq!(stuck.output(), "xxxxxxxxxx".to_owned() + TOO_SLOW);
    sim.pass(3_000);
    assert!(stuck.is_dropped());
    assert_eq!(sim.server.len(), 2, "it has taken a little meanwhile");
    sim.pass(60_000);
    assert_eq!(sim.server.len(), 1);
    assert!(reader.is_dropped() && !idle.is_dropped(), "nothing is queued for this one");
    assert!(sim.server.next_deadline().is_none(), "nobody is watched");
}

/// The budget holds whatever comes, and nobody who talks and reads is let go.
#[test]
fn a_flood_of_halves_and_of_answers_that_nobody_reads_stays_within_the_budget() {
    let mut sim = with_budget(50_000);
    let talkers: Vec<_> = (0..3).map(|_| sim.connect(PLENTY)).collect();
    for round in 0..300 {
        let attacker = sim.connect(if round % 5 == 0 { PLENTY } else { 0 });
        match round % 3 {
            0 => sim.send(&attacker, "9".repeat(3999)),
            1 => sim.send(&attacker, "list 4000\n"),
            _ => sim.send(&attacker, "4000\n"),
        }
        for talker in &talkers {
            sim.send(talker, "10\n");
        }
        sim.pass(20);
        assert!(sim.server.held_bytes() <= 50_000);
        for talker in &talkers {
            assert_eq!(talker.take_output().len(), 10);
        }
    }
    assert!(sim.server.metrics().memory_searches > 3);
}

/// Those that were let go hold the rest of a message each, until they take it.
#[test]
fn what_those_free_who_were_let_go_is_no_room_beyond_the_budget() {
    let mut sim = with_budget(5000);
    let let_go: Vec<_> = (0..6).map(|_| sim.owed(800, 3)).collect();
    assert_eq!(sim.server.metrics().memory_searches, 1);
    assert!(sim.server.held_bytes() > 5000, "it is over, and nothing more can be had");
    let_go.iter().for_each(|peer| sim.drain(peer, PLENTY));
    sim.turn();
    assert_eq!(sim.server.held_bytes(), 0);
    for _ in 0..3 {
        let half = sim.connect(PLENTY);
        sim.send(&half, "9".repeat(1750));
        sim.turn();
        assert!(sim.server.held_bytes() <= 5000, "{} bytes", sim.server.held_bytes());
    }
}

#[test]
fn what_is_queued_for_one_that_is_over_counts_no_longer() {
    let mut sim = with_budget(10_000);
    let stuck = sim.owed(900, 0);
    sim.end_input(&stuck);
    sim.settle();
    sim.now.ms += limits().drain_ms;
    assert!(sim.server.held_bytes() >= 900);
    sim.server.receive(sim.now, |_| false);
    assert_eq!(sim.server.held_bytes(), 0, "it has not been reaped yet");
    sim.server.deliver(true);
    assert!(stuck.is_dropped());
}

#[test]
fn one_that_breaks_while_it_waits_for_memory_leaves_nothing_to_others_that_wait() {
    let mut sim = with_budget(10_000);
    let hoarder = sim.owed(8000, 0);
    let (broken, other) = (sim.connect(PLENTY), sim.connect(PLENTY));
    sim.send(&broken, "list 100\n");
    sim.send(&other, "list 100\n");
    sim.turn();
    sim.break_off(&broken, ErrorKind::BrokenPipe);
    sim.break_off(&hoarder, ErrorKind::BrokenPipe);
    sim.settle();
    sim.pass(1000);
    assert_eq!(other.output().trim_end().len(), 100);
}

#[test]
fn what_clients_do_not_read_is_handed_to_no_other_process_if_it_is_too_much() {
    let half = UNSENT_BYTES_MAX / 2;
    let mut limits = limits();
    let delivery = &mut limits.delivery;
    delivery.memory_bytes_max = usize::MAX;
    (delivery.outbox_mark_bytes, delivery.outbox_max_bytes) = (2 * half, 2 * half);
    let mut sim = Sim::new(limits, |_| Hoard);
    let refused =
        |sim: &mut Sim<Hoard>| sim.server.check_succession().expect_err("none is").clone();
    sim.owed(half, 0);
    assert!(!refused(&mut sim).contains("MiB"), "it is no service that can be handed over");
    let last = sim.owed(half + 1, 0);
    assert_eq!(&*refused(&mut sim), "64 MiB wait for clients that read slowly: try again");
    sim.drain(&last, 1);
    sim.settle();
    assert!(!refused(&mut sim).contains("MiB"));
}
