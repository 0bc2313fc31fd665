//! The server without sockets: scripted streams, a virtual clock, and services made for the
//! occasion.

mod dismiss;
mod line;
mod memory;
mod proxied;
mod secrets;
mod sessions;
mod stored;
mod streams;
mod wires;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::mem;
use std::net::Ipv4Addr;
use std::rc::Rc;

use proptest::prelude::*;

use super::*;
use crate::delivery::Wait;
use crate::delivery::channels::ChannelId;
use crate::delivery::encoding::FrameKind;
use crate::delivery::limits::DeliveryLimits;
use crate::server::settings::ConnectionLimits;
use crate::service::broadcast::Broadcast;
use crate::service::echo::Echo;
use crate::service::{Hello, Incoming, Outcome};
use crate::wire::Protocols;

// ---- A stream as its script says ----

/// The far end of a stream. It keeps the contract of [`Stream`]: a read brings all that has
/// arrived, a write takes all that there is room for, and the simulation reports readiness when
/// either changes.
#[derive(Debug, Default)]
struct Far {
    /// Arrived, and not read yet.
    input: VecDeque<u8>,
    /// The end comes after it.
    input_ended: bool,
    /// What a read or a write says instead of doing anything.
    broken: Option<ErrorKind>,
    /// What the kernel has taken.
    output: Vec<u8>,
    /// What it would still take.
    room: usize,
    writes: usize,
    is_shut: bool,
    /// Its end has to follow what was written last.
    awaits_end: bool,
    /// It has, at once.
    ended_together: bool,
    /// Calls until the next one is interrupted by a signal.
    interrupt_in: Option<usize>,
    is_dropped: bool,
    /// The stream takes so many bytes before it has to be flushed; 0: it passes on all at once.
    buffer_max: usize,
    /// Taken by the stream, and not by its kernel.
    buffer: Vec<u8>,
    /// It is not established yet.
    is_pending: bool,
    /// What the stream does at its next read, beside passing bytes on.
    work: u64,
}

impl Far {
    fn trouble(&mut self) -> io::Result<()> {
        if let Some(calls) = self.interrupt_in.take() {
            self.interrupt_in = calls.checked_sub(1);
            if calls == 0 {
                return Err(ErrorKind::Interrupted.into());
            }
        }
        self.broken.map_or(Ok(()), |kind| Err(kind.into()))
    }
}

#[derive(Debug)]
struct Near(Rc<RefCell<Far>>);

impl Read for Near {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut far = self.0.borrow_mut();
        far.trouble()?;
        assert!(!far.is_pending, "read before it was established");
        if far.input.is_empty() && !far.input_ended {
            return Err(ErrorKind::WouldBlock.into());
        }
        // A `VecDeque` reads out one of its two halves at a time, which would look like all that
        // has arrived.
        far.input.make_contiguous();
        far.input.read(buffer)
    }
}

impl Write for Near {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut far = self.0.borrow_mut();
        far.trouble()?;
        assert!(!far.is_shut, "written to after its writing half was shut");
        assert!(!far.awaits_end, "written to behind its last bytes");
        far.writes += 1;
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        assert!(offered > 0, "a write of nothing");
        assert!(!far.is_pending, "written to before it was established");
        let room = match far.buffer_max {
            0 => far.room,
            max => max - far.buffer.len(),
        };
        let taken = offered.min(room);
        if taken == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let bytes = slices.iter().flat_map(|slice| slice.iter().copied()).take(taken);
        if far.buffer_max > 0 {
            far.buffer.extend(bytes);
        } else {
            far.room -= taken;
            far.output.extend(bytes);
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut far = self.0.borrow_mut();
        far.trouble()?;
        let count = far.room.min(far.buffer.len());
        far.room -= count;
        let bytes: Vec<u8> = far.buffer.drain(..count).collect();
        far.output.extend(bytes);
        if far.buffer.is_empty() { Ok(()) } else { Err(ErrorKind::WouldBlock.into()) }
    }
}

impl Stream for Near {
    fn shutdown_write(&mut self) -> io::Result<()> {
        let mut far = self.0.borrow_mut();
        far.trouble()?;
        assert!(far.buffer.is_empty(), "shut before it was flushed");
        far.is_shut = true;
        far.ended_together = mem::take(&mut far.awaits_end);
        Ok(())
    }

    fn write_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.write(bytes)?;
        self.0.borrow_mut().awaits_end = taken == bytes.len();
        Ok(taken)
    }

    fn wants_write(&self) -> bool {
        !self.0.borrow().buffer.is_empty()
    }

    fn is_established(&mut self) -> io::Result<bool> {
        let mut far = self.0.borrow_mut();
        far.trouble()?;
        Ok(!far.is_pending)
    }

    fn take_work(&mut self) -> u64 {
        mem::take(&mut self.0.borrow_mut().work)
    }
}

impl Drop for Near {
    fn drop(&mut self) {
        self.0.borrow_mut().is_dropped = true;
    }
}

// ---- The simulation ----

/// One client's far end, and the key under which its readiness is reported.
#[derive(Clone)]
struct Peer {
    key: usize,
    far: Rc<RefCell<Far>>,
}

impl Peer {
    fn output(&self) -> String {
        String::from_utf8_lossy(&self.far.borrow().output).into_owned()
    }

    fn take_output(&self) -> String {
        String::from_utf8_lossy(&mem::take(&mut self.far.borrow_mut().output)).into_owned()
    }

    fn unread(&self) -> usize {
        self.far.borrow().input.len()
    }

    fn is_shut(&self) -> bool {
        self.far.borrow().is_shut
    }

    fn is_dropped(&self) -> bool {
        self.far.borrow().is_dropped
    }
}

struct Sim<A> {
    server: Server<Near, A>,
    now: Now,
}

/// Everything small, so that limits are met with a few lines.
fn limits() -> ConnectionLimits {
    ConnectionLimits {
        delivery: DeliveryLimits {
            outbox_mark_bytes: 1000,
            outbox_max_bytes: 5000,
            ..DeliveryLimits::default()
        },
        message_bytes_max: 100,
        read_bytes_max: 64,
        ..ConnectionLimits::default()
    }
}

const PLENTY: usize = usize::MAX / 2;

impl<A: Service> Sim<A> {
    fn new(limits: ConnectionLimits, service: impl FnOnce(&mut Delivery) -> A) -> Sim<A> {
        Sim::with(
            ServerSettings { limits, protocols: Protocols::Line, ..ServerSettings::default() },
            service,
        )
    }

    fn with(settings: ServerSettings, service: impl FnOnce(&mut Delivery) -> A) -> Sim<A> {
        let _ = env_logger::builder().is_test(true).try_init();
        Sim { server: Server::new(settings, service), now: Now { ms: 1_000_000, unix_ms: 0 } }
    }

    /// A client whose kernel takes this much.
    fn connect(&mut self, room: usize) -> Peer {
        self.connect_far(Far { room, ..Far::default() })
    }

    fn connect_far(&mut self, far: Far) -> Peer {
        let port = 1000 + self.server.next_key() as u16;
        self.connect_from((Ipv4Addr::LOCALHOST, port).into(), far)
    }

    fn connect_from(&mut self, peer: SocketAddr, far: Far) -> Peer {
        let far = Rc::new(RefCell::new(far));
        let key = self.server.next_key();
        let accepted = self.server.accept(Near(Rc::clone(&far)), peer, self.now);
        assert_eq!(accepted, key);
        Peer { key, far }
    }

    fn send(&mut self, peer: &Peer, bytes: impl AsRef<[u8]>) {
        peer.far.borrow_mut().input.extend(bytes.as_ref());
        self.server.readable(peer.key);
    }

    fn end_input(&mut self, peer: &Peer) {
        peer.far.borrow_mut().input_ended = true;
        self.server.input_ended(peer.key);
    }

    /// The peer reads, so that the kernel takes so many more bytes.
    fn drain(&mut self, peer: &Peer, bytes: usize) {
        let mut far = peer.far.borrow_mut();
        far.room = far.room.saturating_add(bytes).min(PLENTY);
        drop(far);
        self.server.writable(peer.key);
    }

    fn break_off(&mut self, peer: &Peer, kind: ErrorKind) {
        peer.far.borrow_mut().broken = Some(kind);
        self.server.broken(peer.key);
        self.server.writable(peer.key);
    }

    fn turn(&mut self) {
        self.server.turn(self.now);
        self.check();
    }

    /// Turns until there is nothing left to do without time or peers moving on.
    fn settle(&mut self) {
        self.turn();
        let mut turns = 0;
        while self.server.is_busy() {
            self.turn();
            turns += 1;
            assert!(turns < 100_000, "busy for ever");
        }
    }

    /// Lets time pass, waking for every deadline as the event loop does.
    fn pass(&mut self, ms: Millis) {
        self.settle();
        let until = self.now.ms + ms;
        let mut wakes = 0;
        while let Some(at) = self.server.next_deadline().filter(|at| *at <= until) {
            self.now.ms = self.now.ms.max(at);
            self.settle();
            wakes += 1;
            assert!(wakes < 100_000, "woken for ever");
        }
        self.now.ms = until;
        self.settle();
    }

    /// The invariant of [`Server`], between turns.
    fn check(&self) {
        self.server.assert_invariants();
    }
}

fn echo() -> Sim<Echo> {
    Sim::new(limits(), |_| Echo)
}

fn broadcast() -> Sim<Broadcast> {
    Sim::new(limits(), Broadcast::new)
}

/// Ten bytes that tell who said them, and when.
fn line(speaker: char, number: usize) -> String {
    format!("{speaker}{number:08}\n")
}

fn lines(speaker: char, count: usize) -> String {
    (0..count).map(|number| line(speaker, number)).collect()
}

/// Two rooms; who joins which is decided before it connects. A message goes to its sender's room.
struct TwoRooms {
    rooms: [ChannelId; 2],
    next: usize,
    of: Vec<usize>,
}

impl TwoRooms {
    fn new(out: &mut Delivery) -> TwoRooms {
        TwoRooms { rooms: [out.open_channel(), out.open_channel()], next: 0, of: Vec::new() }
    }

    fn room(&self, client: ClientId) -> ChannelId {
        self.rooms[self.of[client.index()]]
    }
}

impl Service for TwoRooms {
    fn opened(&mut self, client: ClientId, _: &Hello<'_>, out: &mut Delivery) {
        self.of.resize(self.of.len().max(client.index() + 1), 0);
        self.of[client.index()] = self.next;
        out.join(self.room(client), client);
    }

    fn waits(&self, client: ClientId, out: &Delivery) -> Option<Wait> {
        let room = self.room(client);
        out.congested(room).then_some(Wait::ChannelClear(room))
    }

    fn message(&mut self, client: ClientId, message: Incoming<'_>, out: &mut Delivery) -> Outcome {
        out.publish(self.room(client), None, |to| {
            to.message(FrameKind::Text, |batch| batch.extend_from_slice(message.bytes))
        });
        Outcome::Done
    }

    fn closed(&mut self, client: ClientId, _: crate::ids::Peer, out: &mut Delivery) {
        out.leave(self.room(client), client);
    }
}

/// Remembers everybody who ever came, and sends each message to all of them, gone or not.
#[derive(Default)]
struct Nostalgic {
    room: Option<ChannelId>,
    ever: Vec<ClientId>,
    said: Vec<(ClientId, String)>,
    closed: Vec<ClientId>,
}

impl Nostalgic {
    fn new(out: &mut Delivery) -> Nostalgic {
        Nostalgic { room: Some(out.open_channel()), ..Nostalgic::default() }
    }
}

impl Service for Nostalgic {
    fn opened(&mut self, client: ClientId, _: &Hello<'_>, out: &mut Delivery) {
        out.join(self.room.expect("open"), client);
        self.ever.push(client);
    }

    fn waits(&self, _: ClientId, _: &Delivery) -> Option<Wait> {
        None
    }

    fn message(&mut self, client: ClientId, message: Incoming<'_>, out: &mut Delivery) -> Outcome {
        let text = String::from_utf8_lossy(message.bytes).into_owned();
        out.publish(self.room.expect("open"), None, |to| {
            to.message(FrameKind::Text, |batch| batch.extend_from_slice(b"all: "))
        });
        for &to in &self.ever {
            let words = format!("{to}: {text}");
            out.send(to, |to| {
                to.message(FrameKind::Text, |buffer| buffer.extend_from_slice(words.as_bytes()))
            });
        }
        self.said.push((client, text));
        Outcome::Done
    }

    fn closed(&mut self, client: ClientId, _: crate::ids::Peer, out: &mut Delivery) {
        out.leave(self.room.expect("open"), client);
        self.closed.push(client);
    }
}

/// Takes no message before its hour, or before it is allowed; tries are noted.
struct Reluctant {
    from: Millis,
    room: ChannelId,
    by_room: bool,
    tries: Vec<String>,
}

impl Service for Reluctant {
    fn opened(&mut self, client: ClientId, _: &Hello<'_>, out: &mut Delivery) {
        if self.by_room {
            out.join(self.room, client);
        }
    }

    fn waits(&self, _: ClientId, _: &Delivery) -> Option<Wait> {
        None
    }

    fn message(&mut self, client: ClientId, message: Incoming<'_>, out: &mut Delivery) -> Outcome {
        self.tries.push(String::from_utf8_lossy(message.bytes).into_owned());
        match self.by_room {
            false if out.now().ms < self.from => return Outcome::Blocked(Wait::Time(self.from)),
            true if out.congested(self.room) => {
                return Outcome::Blocked(Wait::ChannelClear(self.room));
            }
            false => out.send(client, |to| {
                to.message(FrameKind::Text, |buffer| buffer.extend_from_slice(message.bytes))
            }),
            true => out.publish(self.room, None, |to| {
                to.message(FrameKind::Text, |batch| batch.extend_from_slice(message.bytes))
            }),
        }
        Outcome::Done
    }

    fn closed(&mut self, client: ClientId, _: crate::ids::Peer, out: &mut Delivery) {
        out.leave(self.room, client);
    }
}

// ---- Reading and ending ----

#[test]
fn whatever_the_cut_the_echo_is_the_same() {
    let input = b"one\r\n\n\xfe\0\nfour";
    for at in 0..=input.len() {
        for room in [PLENTY, 1] {
            let mut sim = echo();
            let peer = sim.connect(room);
            peer.far.borrow_mut().interrupt_in = Some(at % 4);
            sim.send(&peer, &input[..at]);
            sim.settle();
            sim.send(&peer, &input[at..]);
            sim.end_input(&peer);
            for _ in 0..=input.len() {
                sim.settle();
                sim.drain(&peer, room);
            }
            assert_eq!(peer.far.borrow().output, input, "split at {at}, the kernel takes {room}");
            assert!(peer.is_dropped());
        }
    }
}

#[test]
fn a_read_is_bounded_and_the_next_turn_goes_on() {
    let mut sim = echo();
    let (talkative, brief) = (sim.connect(PLENTY), sim.connect(PLENTY));
    sim.send(&talkative, lines('a', 20));
    sim.send(&brief, "hello\n");
    sim.turn();
    assert_eq!(talkative.unread(), 200 - 64, "one read of the largest size");
    assert_eq!(brief.output(), "hello\n", "in the same turn");
    assert!(sim.server.is_busy(), "the next poll must not block");
    sim.settle();
    assert_eq!(talkative.output(), lines('a', 20));
    assert!(!sim.server.is_busy());
    assert_eq!(talkative.far.borrow().writes, 4, "one write a turn");
}

#[test]
fn an_answer_is_written_before_others_are_read_unless_more_is_coming() {
    let mut sim = echo();
    let (brief, talkative) = (sim.connect(PLENTY), sim.connect(PLENTY));
    sim.send(&brief, "hello\n");
    sim.send(&talkative, lines('a', 20));
    sim.server.receive(sim.now, |_| false);
    assert_eq!(brief.output(), "hello\n");
    assert_eq!(talkative.output(), "", "there is more to read: one write a turn");
    sim.server.deliver(true);
    assert_eq!((brief.far.borrow().writes, talkative.far.borrow().writes), (1, 1));
    sim.settle();
    assert_eq!(talkative.output(), lines('a', 20));
}

#[test]
fn an_end_reported_with_the_last_bytes_is_seen() {
    let mut sim = broadcast();
    let (witness, peer) = (sim.connect(PLENTY), sim.connect(PLENTY));
    peer.far.borrow_mut().input_ended = true;
    peer.far.borrow_mut().input.extend(b"no ending");
    sim.server.input_ended(peer.key);
    sim.settle();
    assert_eq!(witness.output(), "no ending");
    assert_eq!(peer.output(), "no ending");
    assert!(peer.is_dropped());
    assert_eq!(sim.server.len(), 1);
}

#[test]
fn an_end_that_came_while_its_sender_had_to_wait_is_seen() {
    let mut sim = broadcast();
    let (slow, speaker) = (sim.connect(0), sim.connect(PLENTY));
    sim.send(&speaker, lines('a', 200));
    sim.settle();
    assert!(speaker.unread() > 0, "it has to wait");
    sim.send(&speaker, "last");
    sim.end_input(&speaker);
    sim.settle();
    sim.drain(&slow, PLENTY);
    sim.settle();
    let all = lines('a', 200) + "last";
    assert_eq!(slow.output(), all);
    assert_eq!(speaker.output(), all);
    assert!(speaker.is_dropped());
}

#[test]
fn what_was_received_of_a_broken_connection_is_served() {
    for waits_first in [true, false] {
        let mut sim = broadcast();
        let (slow, speaker) = (sim.connect(0), sim.connect(PLENTY));
        sim.send(&speaker, lines('a', 200));
        if waits_first {
            sim.settle();
            assert!(speaker.unread() > 0, "it has to wait");
        }
        let received = 2000 - speaker.unread();
        sim.break_off(&speaker, ErrorKind::ConnectionReset);
        sim.settle();
        assert_eq!(speaker.is_dropped(), !waits_first, "what it has to say waits for its room");
        sim.drain(&slow, PLENTY);
        sim.settle();
        assert_eq!(slow.output(), lines('a', 200)[..received / 10 * 10], "whole lines");
        assert!(speaker.is_dropped());
        assert!(!slow.is_dropped());
    }
}

/// A script says its last words without a line ending and closes; what it is answered meets a
/// closed socket.
#[test]
fn half_a_line_before_the_end_is_said_although_the_connection_broke() {
    let mut sim = broadcast();
    let (listener, script) = (sim.connect(PLENTY), sim.connect(PLENTY));
    sim.send(&script, "first\nlast words");
    sim.end_input(&script);
    sim.turn();
    sim.break_off(&script, ErrorKind::ConnectionReset);
    sim.settle();
    assert_eq!(listener.output(), "first\nlast words");
    assert!(script.is_dropped());
}

/// The server was stopped for a while: it has been told that there is room again, and has not had
/// the time to use it.
#[test]
fn nobody_is_too_slow_who_has_read_while_the_server_stood_still() {
    let mut sim = broadcast();
    let (slow, speaker) = (sim.connect(0), sim.connect(PLENTY));
    sim.send(&speaker, lines('a', 150));
    sim.pass(1000);
    sim.send(&speaker, lines('b', 50));
    sim.settle();
    sim.drain(&slow, PLENTY);
    sim.now.ms += 10_000;
    sim.settle();
    assert_eq!(slow.output(), speaker.output());
    assert!(
        !slow.output().contains("too slow") && slow.output().ends_with(&line('b', 49)),
        "{}",
        slow.output()
    );
}

#[test]
fn a_line_too_long_ends_its_client_with_an_error_and_nobody_else() {
    let mut sim = broadcast();
    let (witness, peer) = (sim.connect(PLENTY), sim.connect(PLENTY));
    let exact = "x".repeat(100) + "\n";
    sim.send(&peer, &exact);
    sim.settle();
    sim.send(&peer, "y".repeat(101));
    sim.settle();
    assert_eq!(witness.output(), exact);
    let error = "! line too long: at most 100 bytes are allowed (--max-message-bytes)\n";
    assert_eq!(peer.output(), exact.clone() + error);
    assert!(
        peer.far.borrow().is_shut && !peer.is_dropped(),
        "it lingers, so that the error is not overtaken by a reset"
    );
    sim.send(&peer, "it goes on\n".repeat(50));
    sim.settle();
    assert_eq!(peer.unread(), 0, "what it still says is read and dropped");
    sim.send(&witness, "unharmed\n");
    sim.settle();
    assert_eq!(witness.output(), exact + "unharmed\n");
    sim.pass(limits().wire.linger_ms);
    assert!(peer.is_dropped());
}

#[test]
fn a_lingering_client_that_closes_is_gone_at_once() {
    let mut sim = echo();
    let peer = sim.connect(PLENTY);
    sim.send(&peer, "y".repeat(101));
    sim.settle();
    sim.end_input(&peer);
    sim.settle();
    assert!(peer.is_dropped());
    assert!(sim.server.is_empty());
}

#[test]
fn broken_connections_are_nobody_elses_trouble() {
    for kind in [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::TimedOut] {
        let mut sim = broadcast();
        let (a, b, witness) = (sim.connect(PLENTY), sim.connect(PLENTY), sim.connect(PLENTY));
        sim.send(&a, "half a li");
        sim.settle();
        // One breaks while it is read, the other while it is written to.
        sim.break_off(&a, kind);
        b.far.borrow_mut().broken = Some(kind);
        sim.send(&witness, "hello\n");
        sim.settle();
        assert_eq!(witness.output(), "hello\n");
        assert_eq!(sim.server.len(), 1);
        assert!(a.is_dropped() && b.is_dropped());
    }
}

#[test]
fn draining_flushes_what_is_owed_and_reads_nothing_more() {
    let mut sim = broadcast();
    let (slow, speaker) = (sim.connect(30), sim.connect(PLENTY));
    sim.send(&speaker, lines('a', 6));
    sim.settle();
    sim.server.drain();
    sim.send(&speaker, "unheard\n");
    sim.settle();
    assert_eq!(slow.output(), lines('a', 3));
    assert!(!slow.far.borrow().is_shut && speaker.far.borrow().is_shut);
    sim.drain(&slow, PLENTY);
    sim.settle();
    assert_eq!(slow.output(), lines('a', 6));
    assert!(slow.far.borrow().is_shut);
    sim.pass(limits().wire.linger_ms);
    assert!(sim.server.is_empty());
    assert_eq!(speaker.output(), lines('a', 6));
}

// ---- Congestion ----

#[test]
fn publishers_wait_for_a_slow_member_and_go_on_in_fair_turns() {
    let limits = ConnectionLimits { read_bytes_max: 10, ..limits() };
    let mut sim = Sim::new(limits, Broadcast::new);
    let slow = sim.connect(0);
    let speakers: Vec<Peer> = (0..3).map(|_| sim.connect(PLENTY)).collect();
    let count = 400;
    for (speaker, name) in speakers.iter().zip('a'..) {
        sim.send(speaker, lines(name, count));
    }
    sim.settle();
    let unread: usize = speakers.iter().map(Peer::unread).sum();
    let read = 3 * 10 * count - unread;
    assert!(
        read > limits.delivery.outbox_mark_bytes && read <= limits.delivery.outbox_mark_bytes + 30,
        "{read} bytes were read"
    );

    let mut drains = 0;
    while slow.output().len() < 3 * 10 * count {
        sim.drain(&slow, 170);
        sim.settle();
        let owed = speakers[0].output().len() - slow.output().len();
        assert!(owed <= limits.delivery.outbox_mark_bytes + 30, "{owed} bytes are owed");
        drains += 1;
        assert!(drains < 1000);
    }
    let heard = slow.output();
    assert_eq!(heard, speakers[1].output());
    let mut turns = [0usize; 3];
    for said in heard.split_inclusive('\n') {
        let speaker = (said.as_bytes()[0] - b'a') as usize;
        assert_eq!(
            said,
            line((b'a' + speaker as u8) as char, turns[speaker]),
            "in order, nothing lost"
        );
        turns[speaker] += 1;
        let (least, most) =
            (turns.iter().min().expect("three"), turns.iter().max().expect("three"));
        assert!(most - least <= 2, "one speaker got ahead: {turns:?}");
    }
    assert_eq!(turns, [count; 3]);
}

#[test]
fn an_echo_client_that_does_not_read_is_not_read_from() {
    let mut sim = echo();
    let (slow, other) = (sim.connect(0), sim.connect(PLENTY));
    sim.send(&slow, lines('a', 500));
    sim.settle();
    let read = 5000 - slow.unread();
    assert_eq!(read, 64, "one read, none of whose echo was taken");
    sim.send(&other, "hello\n");
    sim.settle();
    assert_eq!(other.output(), "hello\n");
    sim.pass(4_000);
    sim.drain(&slow, PLENTY);
    sim.settle();
    assert_eq!(slow.output(), lines('a', 500));
}

/// It waits for its client, which has said its last: the end is seen, and patience is that with
/// one that is closing.
#[test]
fn an_echo_client_that_does_not_read_and_has_ended_is_soon_let_go() {
    let mut sim = echo();
    let (stuck, reader) = (sim.connect(0), sim.connect(0));
    for peer in [&stuck, &reader] {
        sim.send(peer, lines('a', 20));
        sim.settle();
        assert!(peer.unread() > 0, "it is not read from");
        sim.end_input(peer);
        sim.settle();
        assert_eq!(peer.unread(), 0, "it is read to its end");
    }
    sim.drain(&reader, PLENTY);
    sim.settle();
    assert!(reader.is_dropped() && !stuck.is_dropped());
    assert_eq!(reader.output(), lines('a', 20));
    sim.pass(limits().drain_ms);
    assert!(stuck.is_dropped());
}

#[test]
fn a_stalled_member_is_not_waited_for_and_later_let_go() {
    let mut sim = broadcast();
    let limits = limits();
    let (stuck, speaker) = (sim.connect(0), sim.connect(PLENTY));
    sim.send(&speaker, lines('a', 150));
    sim.settle();
    assert!(speaker.unread() > 0);
    sim.pass(limits.delivery.stalled_ms - limits.delivery.stalled_ms / 4);
    assert!(speaker.unread() > 0, "a moment's pause is no stall");
    sim.pass(limits.delivery.stalled_ms / 2);
    assert_eq!(speaker.unread(), 0, "nobody waits for a stalled member");
    assert_eq!(speaker.output(), lines('a', 150));

    sim.pass(limits.delivery.too_slow_ms - 2 * limits.delivery.stalled_ms);
    assert_eq!(sim.server.len(), 2, "it still has its grace");
    sim.pass(limits.delivery.stalled_ms);
    sim.drain(&stuck, PLENTY);
    sim.settle();
    assert_eq!(
        stuck.output(),
        "! too slow: messages came in faster than this connection read them\n"
    );
    assert!(stuck.far.borrow().is_shut);
    sim.pass(limits.wire.linger_ms);
    assert!(stuck.is_dropped());
    assert_eq!(sim.server.len(), 1);
}

#[test]
fn a_stalled_member_that_reads_again_is_waited_for_again() {
    let mut sim = broadcast();
    let (slow, speaker) = (sim.connect(0), sim.connect(PLENTY));
    sim.send(&speaker, lines('a', 300));
    sim.pass(1_500);
    assert_eq!(speaker.unread(), 0);
    sim.drain(&slow, 100);
    sim.send(&speaker, lines('b', 300));
    sim.settle();
    assert!(speaker.unread() > 0, "it reads, so it is waited for");
    sim.drain(&slow, PLENTY);
    sim.settle();
    assert_eq!(slow.output(), lines('a', 300) + &lines('b', 300));
    sim.pass(60_000);
    assert_eq!(sim.server.len(), 2, "all is forgiven");
}

#[test]
fn who_is_cut_off_in_mid_line_gets_the_rest_of_it_before_the_last_word() {
    let mut sim = broadcast();
    let (stuck, speaker) = (sim.connect(5), sim.connect(PLENTY));
    sim.send(&speaker, lines('a', 150));
    sim.pass(limits().delivery.too_slow_ms + limits().wire.linger_ms / 2);
    sim.drain(&stuck, PLENTY);
    sim.settle();
    let output = stuck.output();
    let heard =
        output.strip_suffix("! too slow: messages came in faster than this connection read them\n");
    let heard = heard.expect("a last word on a line of its own");
    assert!(heard.ends_with('\n') && lines('a', 150).starts_with(heard), "{heard:?}");
}

#[test]
fn what_one_client_may_be_owed_is_limited() {
    let mut sim = broadcast();
    let (stuck, speaker) = (sim.connect(0), sim.connect(PLENTY));
    sim.send(&speaker, lines('a', 150));
    sim.pass(1_500);
    assert_eq!(sim.server.len(), 2, "stalled, and within the limit");
    sim.send(&speaker, lines('b', 500));
    sim.settle();
    sim.drain(&stuck, PLENTY);
    sim.settle();
    assert_eq!(
        stuck.output(),
        "! too slow: messages came in faster than this connection read them\n"
    );
    assert_eq!(speaker.output(), lines('a', 150) + &lines('b', 500));
}

/// A client that is over the mark and clear again in every turn must not collect a deadline each
/// time.
#[test]
fn deadlines_do_not_pile_up() {
    let mut sim = broadcast();
    let peer = sim.connect(0);
    for _ in 0..500 {
        sim.send(&peer, lines('a', 120));
        sim.settle();
        sim.drain(&peer, 1200);
        sim.settle();
    }
    assert_eq!(peer.output().len(), 500 * 1200);
    let mut deadlines = 0;
    sim.server.timers.begin_turn(Millis::MAX);
    while sim.server.timers.pop_due().is_some() {
        deadlines += 1;
    }
    assert!(deadlines <= 4, "{deadlines} deadlines for one client");
}

/// A client that still reads gets all that is queued for it, however long it takes.
#[test]
fn a_slow_reader_that_has_ended_its_input_is_not_cut_off() {
    let mut sim = echo();
    let peer = sim.connect(0);
    sim.send(&peer, lines('a', 100));
    sim.end_input(&peer);
    sim.settle();
    for _ in 0..100 {
        sim.drain(&peer, 10);
        sim.pass(limits().drain_ms / 10);
    }
    assert_eq!(peer.output(), lines('a', 100));
    sim.settle();
    assert!(peer.is_dropped());
}

#[test]
fn a_client_that_has_ended_its_input_and_does_not_read_is_let_go() {
    let mut sim = echo();
    let peer = sim.connect(0);
    sim.send(&peer, "hello\n");
    sim.end_input(&peer);
    sim.pass(2 * limits().drain_ms);
    assert!(peer.is_dropped());
}

// ---- Keys ----

#[test]
fn a_client_that_breaks_is_reaped_when_the_turn_ends() {
    let mut sim = broadcast();
    let (a, b) = (sim.connect(PLENTY), sim.connect(PLENTY));
    sim.send(&b, "hello\n");
    sim.break_off(&a, ErrorKind::ConnectionReset);
    // This turn's events name it more than once.
    sim.server.readable(a.key);
    sim.server.writable(a.key);
    assert_ne!(sim.server.next_key(), a.key, "its key is not free before the turn");
    sim.turn();
    assert_eq!(a.far.borrow().writes, 0, "nothing is written to it after it broke");
    assert!(a.is_dropped());
    assert_eq!(sim.server.next_key(), a.key, "and is free after it");
    // The kernel's last word on a key that nobody has.
    sim.server.readable(a.key);
    sim.server.writable(a.key);
    sim.server.input_ended(a.key);
    sim.settle();
    assert_eq!(b.output(), "hello\n");
}

#[test]
fn a_stale_id_never_reaches_the_next_owner_of_its_key() {
    let mut sim = Sim::new(limits(), Nostalgic::new);
    let (old, other) = (sim.connect(PLENTY), sim.connect(PLENTY));
    sim.break_off(&old, ErrorKind::ConnectionReset);
    sim.settle();
    let new = sim.connect(PLENTY);
    assert_eq!(new.key, old.key, "the test means to reuse it");
    sim.send(&other, "hello\n");
    sim.settle();
    assert_eq!(new.output(), "all: client 3: hello\n");
    assert_eq!(other.take_output(), "all: client 2: hello\n");
    sim.send(&new, "I am here\n");
    sim.settle();
    assert!(new.output().ends_with("all: client 3: I am here\n"), "{:?}", new.output());
    assert_eq!(sim.server.service.closed.len(), 1);
}

#[test]
fn waits_and_deadlines_of_a_client_do_not_reach_the_next_owner_of_its_key() {
    let mut sim = broadcast();
    let slow = sim.connect(0);
    let waiting = sim.connect(0);
    sim.send(&waiting, lines('a', 300));
    sim.settle();
    assert!(waiting.unread() > 0, "it waits for its room, and has deadlines of its own");
    sim.server.connections[waiting.key].stream.0.borrow_mut().broken = Some(ErrorKind::BrokenPipe);
    sim.server.writable(waiting.key);
    sim.pass(2_000);
    assert!(waiting.is_dropped(), "the slow one holds nobody up by now");
    let new = sim.connect(PLENTY);
    assert_eq!(new.key, waiting.key);
    sim.send(&new, "half ");
    sim.settle();
    sim.drain(&slow, PLENTY);
    sim.pass(20_000);
    assert_eq!(sim.server.len(), 2);
    sim.send(&new, "a line\n");
    sim.settle();
    assert_eq!(new.output(), "half a line\n");
    assert!(slow.output().ends_with("\nhalf a line\n"));
}

// ---- Keeping batches ----

#[test]
fn what_rooms_say_can_be_kept_and_goes_out_with_what_comes_after() {
    let mut sim = Sim::new(limits(), TwoRooms::new);
    let (a, b) = (sim.connect(PLENTY), sim.connect(PLENTY));
    for text in ["one\n", "two\n"] {
        sim.send(&a, text);
        sim.server.receive(sim.now, |_| false);
        sim.server.deliver(false);
        sim.check();
        assert_eq!(b.output(), "");
        assert!(sim.server.is_busy(), "the next poll must not block");
    }
    assert_eq!(sim.server.batch(), Batch { messages: 2, members: 2, is_full: false });
    let late = sim.connect(PLENTY);
    sim.send(&b, "three\n");
    sim.turn();
    assert_eq!((a.output(), b.output()), ("one\ntwo\nthree\n".into(), "one\ntwo\nthree\n".into()));
    assert_eq!((b.far.borrow().writes, late.output()), (1, "three\n".into()));
    assert_eq!(sim.server.batch(), Batch::default());
}

#[test]
fn a_batch_that_makes_publishers_wait_says_so() {
    let mut sim = Sim::new(ConnectionLimits { read_bytes_max: 4096, ..limits() }, TwoRooms::new);
    let (a, _b) = (sim.connect(PLENTY), sim.connect(PLENTY));
    sim.send(&a, lines('x', 200));
    sim.server.receive(sim.now, |_| false);
    assert!(sim.server.batch().is_full);
    sim.server.deliver(true);
    assert!(!sim.server.batch().is_full);
}

// ---- Budgets ----

#[test]
fn two_people_do_not_wait_for_a_room_of_twenty_thousand() {
    let limits = ConnectionLimits { read_bytes_max: 1024, ..limits() };
    let mut sim = Sim::new(limits, TwoRooms::new);
    let crowd: Vec<Peer> = (0..20_000).map(|_| sim.connect(PLENTY)).collect();
    sim.server.service.next = 1;
    let (a, b) = (sim.connect(PLENTY), sim.connect(PLENTY));
    sim.send(&crowd[0], "to everybody\n");
    sim.send(&a, "first\n");
    sim.turn();
    assert_eq!(b.take_output(), "first\n", "in the turn in which it was said");
    let mut turns = 1;
    while sim.server.is_busy() {
        let before: usize = crowd.iter().map(|peer| peer.far.borrow().writes).sum();
        sim.send(&a, "more\n");
        sim.turn();
        assert_eq!(b.take_output(), "more\n");
        let after: usize = crowd.iter().map(|peer| peer.far.borrow().writes).sum();
        assert!(after - before <= limits.writes_max, "a turn's budget");
        turns += 1;
        assert!(turns < 100);
    }
    assert!(crowd.iter().all(|peer| peer.output() == "to everybody\n"));
}

#[test]
fn a_big_room_gets_its_share_while_small_ones_talk_all_the_time() {
    let limits = ConnectionLimits { writes_max: 64, bulk_writes_min: 16, ..limits() };
    let mut sim = Sim::new(limits, TwoRooms::new);
    let crowd: Vec<Peer> = (0..1000).map(|_| sim.connect(PLENTY)).collect();
    sim.server.service.next = 1;
    let few: Vec<Peer> = (0..200).map(|_| sim.connect(PLENTY)).collect();
    sim.send(&crowd[0], "to everybody\n");
    let mut turns = 0;
    while crowd.iter().any(|peer| peer.output().is_empty()) {
        sim.send(&few[turns % 200], "psst\n");
        sim.turn();
        turns += 1;
        assert!(turns <= 1000 / limits.bulk_writes_min + 2, "the big room starves");
    }
    sim.settle();
    assert!(few.iter().all(|peer| peer.output() == "psst\n".repeat(turns)));
}

// ---- Waiting as the service asks ----

#[test]
fn a_message_that_is_not_taken_is_offered_again_in_its_time_and_in_order() {
    let reluctant = |out: &mut Delivery| Reluctant {
        from: 1_003_000,
        room: out.open_channel(),
        by_room: false,
        tries: Vec::new(),
    };
    let mut sim = Sim::new(limits(), reluctant);
    let (peer, gone) = (sim.connect(PLENTY), sim.connect(PLENTY));
    sim.send(&peer, "one\ntwo\nthr");
    sim.send(&gone, "never\n");
    sim.settle();
    sim.send(&peer, "ee\nfour");
    sim.end_input(&peer);
    sim.break_off(&gone, ErrorKind::ConnectionReset);
    sim.pass(2_999);
    assert_eq!(
        sim.server.service.tries,
        ["one\n", "never\n"],
        "offered once, and nothing after it"
    );
    assert_eq!(peer.output(), "");
    sim.pass(1);
    assert_eq!(peer.output(), "one\ntwo\nthree\nfour");
    assert!(peer.is_dropped());
    sim.pass(10_000);
    assert!(sim.server.service.tries.iter().filter(|text| *text == "one\n").count() == 2);
    assert!(sim.server.is_empty());
}

#[test]
fn messages_that_wait_for_a_room_are_offered_again_in_order() {
    let reluctant = |out: &mut Delivery| Reluctant {
        from: 0,
        room: out.open_channel(),
        by_room: true,
        tries: Vec::new(),
    };
    let limits = ConnectionLimits { read_bytes_max: 2000, ..limits() };
    let mut sim = Sim::new(limits, reluctant);
    let (slow, a, b) = (sim.connect(0), sim.connect(PLENTY), sim.connect(PLENTY));
    sim.send(&a, lines('a', 350));
    sim.send(&b, lines('b', 350));
    sim.settle();
    assert!(
        a.output().len() <= 2 * limits.delivery.outbox_mark_bytes + 20,
        "the room is congested"
    );
    for _ in 0..200 {
        sim.drain(&slow, 100);
        sim.settle();
    }
    let heard = slow.output();
    assert_eq!(heard, a.output());
    for (speaker, name) in [(&a, 'a'), (&b, 'b')] {
        assert_eq!(speaker.unread(), 0);
        let own: String =
            heard.split_inclusive('\n').filter(|line| line.starts_with(name)).collect();
        assert_eq!(own, lines(name, 350));
    }
}

// ---- Anything at all ----

#[derive(Clone, Debug)]
enum Step {
    Connect { room: usize },
    Send { who: usize, bytes: usize },
    Drain { who: usize, bytes: usize },
    Interrupt { who: usize, calls: usize },
    EndInput { who: usize },
    Break { who: usize },
    Turn,
    Pass { ms: Millis },
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..8usize;
    prop_oneof![
        2 => (0..3000usize).prop_map(|room| Step::Connect { room }),
        8 => (who(), 1..400usize).prop_map(|(who, bytes)| Step::Send { who, bytes }),
        8 => (who(), 1..900usize).prop_map(|(who, bytes)| Step::Drain { who, bytes }),
        2 => (who(), 0..3usize).prop_map(|(who, calls)| Step::Interrupt { who, calls }),
        1 => who().prop_map(|who| Step::EndInput { who }),
        1 => who().prop_map(|who| Step::Break { who }),
        8 => Just(Step::Turn),
        2 => (0..700u64).prop_map(|ms| Step::Pass { ms }),
    ]
}

/// A client of the random run: how much it has said, and of what it has been told.
struct Member {
    peer: Peer,
    name: char,
    unsent: String,
    heard_from: usize,
    done: bool,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// There is one order of everything that was said. A client that has been there since some
    /// point of it has heard a stretch that starts there and has no gap, and those who stay and
    /// read have heard it to its end.
    #[test]
    fn everybody_hears_one_true_order(steps in prop::collection::vec(step(), 1..150)) {
        // A witness whose kernel takes everything sees the true order.
        let mut sim = broadcast();
        let witness = sim.connect(PLENTY);
        let mut members: Vec<Member> = Vec::new();
        let mut names = 'a'..='z';
        for step in steps {
            match step {
                Step::Connect { room } => {
                    let Some(name) = names.next().filter(|_| members.len() < 20) else { continue };
                    sim.settle();
                    let peer = sim.connect(room);
                    let heard_from = witness.output().len();
                    let unsent = lines(name, 300);
                    members.push(Member { peer, name, unsent, heard_from, done: false });
                }
                Step::Turn => sim.turn(),
                Step::Pass { ms } => sim.pass(ms),
                Step::Send { who, .. } | Step::Drain { who, .. } | Step::Interrupt { who, .. }
                | Step::EndInput { who } | Step::Break { who } => {
                    if members.is_empty() {
                        continue;
                    }
                    let at = who % members.len();
                    let member = &mut members[at];
                    if member.peer.is_dropped() {
                        continue;
                    }
                    match step {
                        Step::Send { bytes, .. } if !member.done => {
                            let rest = member.unsent.split_off(bytes.min(member.unsent.len()));
                            let said = mem::replace(&mut member.unsent, rest);
                            sim.send(&member.peer, said);
                        }
                        Step::Drain { bytes, .. } => sim.drain(&member.peer, bytes),
                        Step::Interrupt { calls, .. } => member.peer.far.borrow_mut().interrupt_in = Some(calls),
                        Step::EndInput { .. } => {
                            // Half a line would be served as it is, and run into the next one.
                            if !member.done {
                                let rest = member.unsent.split_off(member.unsent.len() % 10);
                                let said = mem::replace(&mut member.unsent, rest);
                                sim.send(&member.peer, said);
                            }
                            member.done = true;
                            sim.end_input(&member.peer);
                        }
                        // What the kernel has taken in before the end is never lost by a reset, but
                        // it is here.
                        Step::Break { .. } if !member.peer.far.borrow().input_ended => {
                            member.done = true;
                            sim.break_off(&member.peer, ErrorKind::ConnectionReset);
                        }
                        _ => {}
                    }
                }
            }
        }
        for _ in 0..400 {
            for member in &members {
                if !member.peer.is_dropped() {
                    sim.drain(&member.peer, 500);
                }
            }
            sim.settle();
        }
        let truth = witness.output();
        for member in &members {
            let heard = member.peer.output();
            let slow = "! too slow: messages came in faster than this connection read them\n";
            let (heard, whole) = match heard.strip_suffix(slow) {
                Some(before) => (before, false),
                None => (&heard[..], !member.done && !member.peer.is_dropped()),
            };
            let from = &truth[member.heard_from..];
            prop_assert!(from.starts_with(heard), "{} heard {heard:?} and not the start of {from:?}", member.name);
            if whole {
                prop_assert_eq!(heard, from, "{} has not heard all", member.name);
                let own: String = truth.split_inclusive('\n').filter(|line| line.starts_with(member.name)).collect();
                let said = lines(member.name, 300);
                let whole_lines = (said.len() - member.unsent.len()) / 10 * 10;
                prop_assert_eq!(own, &said[..whole_lines], "what {} said", member.name);
            }
        }
        sim.pass(60_000);
        sim.server.drain();
        sim.pass(60_000);
        prop_assert!(sim.server.is_empty());
        prop_assert_eq!(sim.server.next_deadline(), None);
    }
}

/// Everybody is in every room of ten, and each client says all in a room of its own.
struct TenRooms(Vec<ChannelId>);

impl Service for TenRooms {
    fn opened(&mut self, client: ClientId, _: &Hello<'_>, out: &mut Delivery) {
        for &room in &self.0 {
            out.join(room, client);
        }
    }

    fn waits(&self, client: ClientId, out: &Delivery) -> Option<Wait> {
        let room = self.0[client.index() % 10];
        out.congested(room).then_some(Wait::ChannelClear(room))
    }

    fn message(&mut self, client: ClientId, message: Incoming<'_>, out: &mut Delivery) -> Outcome {
        let room = self.0[client.index() % 10];
        out.publish(room, None, |to| {
            to.message(FrameKind::Text, |batch| batch.extend_from_slice(message.bytes))
        });
        Outcome::Done
    }

    fn closed(&mut self, client: ClientId, _: crate::ids::Peer, out: &mut Delivery) {
        for &room in &self.0 {
            out.leave(room, client);
        }
    }
}

#[test]
fn who_reads_is_not_let_go_because_all_of_its_rooms_talk_at_once() {
    let limits = ConnectionLimits { read_bytes_max: 900, ..limits() };
    let mut sim = Sim::new(limits, |out| TenRooms((0..10).map(|_| out.open_channel()).collect()));
    let peers: Vec<Peer> = (0..10).map(|_| sim.connect(PLENTY)).collect();
    for (peer, speaker) in peers.iter().zip('a'..) {
        sim.send(peer, lines(speaker, 90));
    }
    sim.settle();
    for peer in &peers {
        assert_eq!(peer.output().len(), 10 * 90 * 10, "everybody got everything");
    }
}
