//! What goes back from where it was read.

use super::fair::large_reads;
use super::*;

/// A message in fragments, between others that are whole.
fn pieces() -> (Vec<u8>, Vec<u8>) {
    let long = vec![b'l'; 100];
    let sent = [
        frame(TEXT, b"one"),
        frame(0x82, &long),
        frame(PING, b"?"),
        frame(TEXT, b""),
        frame(0x01, b"in "),
        frame(0x80, b"parts"),
        frame(TEXT, b"last"),
    ];
    let expected = [
        served(TEXT, b"one"),
        served(0x82, &long),
        served(PONG, b"?"),
        served(TEXT, b""),
        served(TEXT, b"in parts"),
        served(TEXT, b"last"),
    ];
    (sent.concat(), expected.concat())
}

#[test]
fn what_comes_back_is_in_order_whatever_is_between() {
    let (sent, expected) = pieces();
    for room in [PLENTY, 1, 4, 9, 120] {
        let mut sim = Sim::with(large_reads(), |_| Echo);
        let peer = sim.upgraded(PLENTY);
        peer.far.borrow_mut().room = room;
        sim.send(&peer, &sent[..]);
        for _ in 0..2 * expected.len() {
            sim.turn();
            sim.check();
            sim.drain(&peer, 7);
        }
        sim.settle();
        assert_eq!(peer.take_bytes(), expected, "with room for {room}");
    }
}

#[test]
fn many_messages_of_one_read_go_back_in_one_write_and_are_never_queued() {
    let mut sim = Sim::with(large_reads(), |_| Echo);
    let peer = sim.upgraded(PLENTY);
    let line = sim.connect(PLENTY);
    let writes = sim.server.delivery_metrics().writes;
    let frames: Vec<Vec<u8>> =
        (0..20).map(|number| vec![b'a' + number; 2 * usize::from(number)]).collect();
    let sent: Vec<u8> = frames.iter().flat_map(|content| frame(TEXT, content)).collect();
    let expected: Vec<u8> = frames.iter().flat_map(|content| served(TEXT, content)).collect();
    sim.send(&peer, sent);
    sim.send(&line, lines('b', 40));
    sim.turn();
    assert_eq!(peer.take_bytes(), expected);
    assert_eq!(line.take_output(), lines('b', 40));
    assert_eq!(sim.server.delivery_metrics().writes, writes + 2);
}

/// The kernel takes a part: the rest is queued, and nothing overtakes it.
#[test]
fn what_the_kernel_does_not_take_is_queued_and_goes_first() {
    let mut sim = Sim::with(large_reads(), |_| Echo);
    let peer = sim.upgraded(PLENTY);
    peer.far.borrow_mut().room = 5;
    sim.send(&peer, frame(TEXT, b"hello"));
    sim.turn();
    assert_eq!(peer.take_bytes(), served(TEXT, b"hello")[..5]);
    sim.send(&peer, frame(TEXT, b"world"));
    sim.turn();
    sim.check();
    sim.drain(&peer, PLENTY);
    sim.settle();
    let rest = [&served(TEXT, b"hello")[5..], &served(TEXT, b"world")].concat();
    assert_eq!(peer.take_bytes(), rest);
}

/// What is to go back counts before it is queued.
#[test]
fn nothing_more_is_served_of_one_that_is_over_the_mark_by_what_goes_back() {
    let delivery = DeliveryLimits { outbox_mark_bytes: 1000, ..limits().delivery };
    let limits = ConnectionLimits { delivery, ..large_reads().limits };
    let mut sim = Sim::with(ServerSettings { limits, ..large_reads() }, |_| Echo);
    let peer = sim.connect(PLENTY);
    sim.send(&peer, "come\n");
    sim.settle();
    peer.take_output();
    peer.far.borrow_mut().room = 0;
    let sent = format!("{}\n", "a".repeat(89)).repeat(20);
    let before = sim.server.metrics.messages;
    sim.send(&peer, sent.as_str());
    sim.turn();
    // It is over the mark with the twelfth.
    assert_eq!(sim.server.metrics.messages - before, 12);
    sim.drain(&peer, PLENTY);
    sim.settle();
    assert_eq!(peer.take_output(), sent);
}

/// What the kernel has taken is not kept for as long as the rest waits.
#[test]
fn of_an_echo_only_what_the_kernel_refuses_is_held() {
    let limits = ConnectionLimits { message_bytes_max: 4096, ..large_reads().limits };
    let mut sim = Sim::with(ServerSettings { limits, ..large_reads() }, |_| Echo);
    let peer = sim.connect(PLENTY);
    let sent = format!("{}\n", "a".repeat(4000));
    peer.far.borrow_mut().room = sent.len() - 100;
    let before = sim.server.out.held_bytes();
    sim.send(&peer, sent.as_str());
    sim.turn();
    let held = sim.server.out.held_bytes() - before;
    assert!((100..1000).contains(&held), "{held} bytes are held of 100");
    sim.drain(&peer, PLENTY);
    sim.settle();
    assert_eq!(peer.take_output(), sent);
}
