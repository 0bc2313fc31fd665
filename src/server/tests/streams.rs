//! Streams that hold bytes back, and that take their time to be established.

use super::*;
use crate::chat::Chat;
use crate::config::Config;

fn chat() -> Sim<Chat> {
    let config = Config::read(["chat-server".into()]).expect("the defaults are good");
    let settings = ServerSettings {
        limits: limits(),
        protocols: Protocols::Auto,
        ..ServerSettings::default()
    };
    Sim::with(settings, |_| Chat::new(config.chat("epoch".to_owned())))
}

fn buffered(room: usize) -> Far {
    Far { room, buffer_max: 30, ..Far::default() }
}

#[test]
fn what_a_stream_has_taken_is_flushed_in_the_same_turn() {
    let mut sim = echo();
    let peer = sim.connect_far(buffered(PLENTY));
    sim.send(&peer, "hello\n");
    sim.turn();
    assert_eq!(peer.output(), "hello\n");
}

#[test]
fn a_stream_that_has_been_flushed_has_room_and_is_written_to_again() {
    let mut sim = echo();
    let peer = sim.connect_far(buffered(PLENTY));
    sim.send(&peer, lines('a', 20));
    sim.settle();
    assert_eq!(peer.output(), lines('a', 20));
}

#[test]
fn a_stream_with_nothing_queued_is_flushed_when_its_socket_takes_more() {
    let mut sim = echo();
    let peer = sim.connect_far(buffered(0));
    sim.send(&peer, "hello\n");
    sim.settle();
    assert_eq!((peer.output(), sim.server.is_busy()), (String::new(), false));
    sim.drain(&peer, 3);
    sim.settle();
    assert_eq!(peer.output(), "hel");
    sim.drain(&peer, 3);
    sim.settle();
    assert_eq!(peer.output(), "hello\n");
}

#[test]
fn a_closing_connection_is_settled_when_its_stream_is() {
    let mut sim = echo();
    let peer = sim.connect_far(buffered(0));
    sim.send(&peer, "hello\n");
    sim.settle();
    sim.end_input(&peer);
    sim.settle();
    assert!(!peer.far.borrow().is_shut && !peer.is_dropped(), "its last bytes are in its stream");
    sim.drain(&peer, PLENTY);
    sim.settle();
    assert_eq!((peer.output().as_str(), peer.is_dropped()), ("hello\n", true));

    // One that never takes them is given up.
    let stuck = sim.connect_far(buffered(0));
    sim.send(&stuck, "hello\n");
    sim.end_input(&stuck);
    sim.pass(limits().drain_ms - 1);
    assert!(!stuck.is_dropped());
    sim.pass(limits().drain_ms);
    assert!(stuck.is_dropped());
}

#[test]
fn nothing_happens_before_a_stream_is_established_and_silence_counts_from_then() {
    let mut sim = chat();
    let peer = sim.connect_far(Far { room: PLENTY, is_pending: true, ..Far::default() });
    sim.pass(5_000);
    sim.server.writable(peer.key);
    sim.settle();
    peer.far.borrow_mut().is_pending = false;
    sim.server.writable(peer.key);
    sim.settle();
    let greet_after_ms = limits().wire.greet_after_ms;
    sim.pass(greet_after_ms - 1);
    assert_eq!(peer.output(), "");
    sim.pass(1);
    assert!(peer.output().starts_with("* This is a chat."), "{}", peer.output());
}

#[test]
fn what_has_come_with_the_last_step_of_establishing_is_served() {
    let mut sim = echo();
    let peer = sim.connect_far(Far { room: PLENTY, is_pending: true, ..Far::default() });
    sim.send(&peer, "hello\n");
    sim.settle();
    assert_eq!(peer.unread(), 6);
    peer.far.borrow_mut().is_pending = false;
    sim.server.readable(peer.key);
    sim.settle();
    assert_eq!(peer.output(), "hello\n");
}

#[test]
fn a_stream_that_is_never_established_goes_without_a_word() {
    let mut sim = chat();
    let pending = || Far { room: PLENTY, is_pending: true, ..Far::default() };
    let (slow, broken) = (sim.connect_far(pending()), sim.connect_far(pending()));
    sim.break_off(&broken, ErrorKind::ConnectionReset);
    sim.settle();
    assert!(broken.is_dropped());
    sim.pass(limits().establish_ms - 1);
    assert!(!slow.is_dropped());
    sim.pass(1);
    assert_eq!((slow.output(), slow.is_dropped()), (String::new(), true));
    let last = sim.connect_far(pending());
    sim.server.drain();
    sim.settle();
    assert!(last.is_dropped() && sim.server.is_drained());
}

#[test]
fn what_is_done_is_counted() {
    let mut sim = echo();
    let (ends, breaks) = (sim.connect(PLENTY), sim.connect(PLENTY));
    sim.send(&ends, "one\ntwo\nhalf");
    sim.settle();
    sim.send(&breaks, "x".repeat(200));
    sim.settle();
    sim.end_input(&ends);
    sim.settle();
    let reset = sim.connect(PLENTY);
    reset.far.borrow_mut().broken = Some(ErrorKind::ConnectionReset);
    sim.server.readable(reset.key);
    sim.settle();
    let metrics = *sim.server.metrics();
    assert!(metrics.messages == 3 && metrics.reads >= 3, "{metrics:?}");
    assert_eq!(metrics.read_bytes, 12 + 200);
    let written = ends.output().len() + breaks.output().len();
    assert_eq!(sim.server.delivery_metrics().bytes_written, written as u64);
    let closed = metrics.closed;
    assert_eq!((closed.done, closed.refused, closed.broken, closed.total()), (1, 1, 1, 3));
    assert_eq!((metrics.requests, metrics.upgrades), (0, 0));
}

#[test]
fn what_streams_do_counts_in_the_turn() {
    let mut sim = echo();
    let peers: Vec<Peer> = [70_000, 0, 7].map(|_| sim.connect(PLENTY)).into();
    for (peer, work) in peers.iter().zip([70_000, 0, 7]) {
        peer.far.borrow_mut().work = work;
        sim.send(peer, "hello\n");
    }
    let mut told = Vec::new();
    sim.server.receive(sim.now, |work| {
        told.push(work);
        false
    });
    let own = told[1];
    assert_eq!((told, own < 1000), (vec![own + 70_000, own, own + 7], true));
}

/// A connection that has nothing to say costs this and its place with the sender, and no heap.
#[test]
fn a_connection_is_small() {
    let bytes = size_of::<Connection<crate::net::tls::MaybeTls>>();
    assert!(bytes <= 104, "{bytes} bytes");
}
