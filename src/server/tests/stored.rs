//! What follows from changes waits for the store, and so does closing in order.

use std::cell::Cell;

use super::*;
use crate::ids::GroupId;
use crate::service::Kept;

/// Keeps each line and says it to everybody; `free` is only answered, and `bye` closes its sender.
struct Keeper {
    room: ChannelId,
    newest: GroupId,
    has_group: bool,
    /// What has been handed over.
    appended: Rc<Cell<u64>>,
    /// What becomes of it.
    durable: Rc<Cell<u64>>,
    kept: Rc<Cell<Kept>>,
}

impl Service for Keeper {
    fn opened(&mut self, client: ClientId, _: &Hello<'_>, out: &mut Delivery) {
        out.join(self.room, client);
    }

    fn message(&mut self, client: ClientId, message: Incoming<'_>, out: &mut Delivery) -> Outcome {
        if message.bytes == b"free\n" {
            out.send(client, |to| {
                to.message(FrameKind::Text, |buffer| buffer.extend_from_slice(b"free\n"))
            });
            return Outcome::Done;
        }
        if !mem::replace(&mut self.has_group, true) {
            self.newest = self.newest.next();
        }
        out.record(self.newest, message.bytes.len());
        out.publish(self.room, None, |to| {
            to.message(FrameKind::Text, |batch| batch.extend_from_slice(message.bytes))
        });
        match message.bytes {
            b"bye\n" => Outcome::Close(CloseReason::Done),
            _ => Outcome::Done,
        }
    }

    fn keep(&mut self, _: &mut Delivery) {
        self.has_group = false;
        self.appended.set(self.newest.0);
    }

    fn stored(&mut self, out: &mut Delivery) -> Kept {
        out.durable(GroupId(self.durable.get()));
        let kept = self.kept.get();
        if kept != Kept::Broken {
            self.kept.set(Kept::Whole);
        }
        if kept != Kept::Whole {
            self.newest = GroupId(self.durable.get());
        }
        kept
    }

    fn closed(&mut self, client: ClientId, _: crate::ids::Peer, out: &mut Delivery) {
        if !mem::replace(&mut self.has_group, true) {
            self.newest = self.newest.next();
        }
        out.record(self.newest, 1);
        out.leave(self.room, client);
    }
}

/// A server whose store does what the test says.
struct Storing {
    sim: Sim<Keeper>,
    appended: Rc<Cell<u64>>,
    durable: Rc<Cell<u64>>,
    kept: Rc<Cell<Kept>>,
}

impl Storing {
    fn new() -> Storing {
        let (appended, durable) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let kept = Rc::new(Cell::new(Kept::Whole));
        let service = (Rc::clone(&appended), Rc::clone(&durable), Rc::clone(&kept));
        let sim = Sim::new(limits(), |out| Keeper {
            room: out.open_channel(),
            newest: GroupId(0),
            has_group: false,
            appended: service.0,
            durable: service.1,
            kept: service.2,
        });
        Storing { sim, appended, durable, kept }
    }

    fn say(&mut self, peer: &Peer, line: &str) {
        self.sim.send(peer, line);
        self.sim.settle();
    }

    /// All that has been handed over becomes durable, and a turn begins.
    fn commit(&mut self) {
        self.durable.set(self.appended.get());
        self.sim.turn();
    }
}

#[test]
fn a_turn_that_only_frees_writes_at_once() {
    let mut server = Storing::new();
    let (one, other) = (server.sim.connect(PLENTY), server.sim.connect(PLENTY));
    server.say(&one, "free\nfirst\nfree\n");
    assert_eq!(one.take_output(), "free\n", "what is said before the change does not wait");
    assert!(!server.sim.server.is_busy(), "what is held keeps nobody awake");
    server.commit();
    assert_eq!(one.take_output(), "first\nfree\n");
    assert_eq!(other.take_output(), "first\n");
}

#[test]
fn closing_in_order_waits_for_what_is_held() {
    let mut server = Storing::new();
    let (one, other) = (server.sim.connect(PLENTY), server.sim.connect(PLENTY));
    server.say(&one, "last words\nbye\n");
    server.sim.pass(20 * limits().drain_ms);
    assert_eq!((one.take_output(), one.is_shut()), (String::new(), false), "for ever");
    server.commit();
    assert_eq!((&*one.take_output(), one.is_shut()), ("last words\nbye\n", true));
    assert_eq!(other.take_output(), "last words\nbye\n");
}

#[test]
fn the_time_to_take_what_is_left_counts_from_when_it_may_leave() {
    let mut server = Storing::new();
    let one = server.sim.connect(0);
    server.say(&one, "bye\n");
    let drain_ms = limits().drain_ms;
    server.sim.pass(20 * drain_ms);
    server.commit();
    server.sim.pass(drain_ms - 1);
    assert!(!one.is_dropped());
    server.sim.pass(2 * drain_ms);
    assert!(one.is_dropped(), "it takes nothing");
}

#[test]
fn who_is_let_go_for_being_slow_is_sent_nothing_that_was_held() {
    let mut server = Storing::new();
    let one = server.sim.connect(PLENTY);
    server.say(&one, "held\n");
    let id = server.sim.server.connections[one.key].id(one.key);
    server.sim.server.close(id, CloseReason::TooSlow);
    server.sim.turn();
    assert!(one.take_output().starts_with("! too slow") && one.is_shut());
    server.commit();
    assert_eq!(one.take_output(), "");
}

#[test]
fn a_server_is_drained_when_the_last_group_is_durable() {
    let mut server = Storing::new();
    let (one, other) = (server.sim.connect(PLENTY), server.sim.connect(PLENTY));
    server.say(&one, "said before the end\n");
    server.sim.server.drain();
    assert_eq!(server.appended.get(), 2, "that they leave is a change, and kept at once");
    server.sim.pass(limits().drain_ms * 3);
    assert!(!server.sim.server.is_drained());
    assert_eq!(server.sim.server.unstored_groups(), 2);
    server.durable.set(1);
    server.sim.turn();
    for peer in [&one, &other] {
        assert_eq!((&*peer.take_output(), peer.is_shut()), ("said before the end\n", true));
        server.sim.end_input(peer);
    }
    server.sim.settle();
    assert!(server.sim.server.is_empty() && !server.sim.server.is_drained(), "one is not stored");
    server.commit();
    assert!(server.sim.server.is_drained());
}

#[test]
fn when_changes_are_lost_everybody_goes_and_nothing_of_them_is_shown() {
    let mut server = Storing::new();
    let (one, other) = (server.sim.connect(PLENTY), server.sim.connect(PLENTY));
    let leaving = server.sim.connect(PLENTY);
    server.say(&one, "stored\n");
    server.durable.set(1);
    server.say(&one, "lost\n");
    server.say(&leaving, "bye\n");
    // Said, and not handed out.
    server.sim.send(&other, "lost as well\n");
    server.sim.server.receive(server.sim.now, |_| false);
    server.sim.server.deliver(false);
    server.kept.set(Kept::Lost);
    server.sim.settle();
    let not_stored = "! The server could not store what was said last. Connect again.\n";
    for peer in [&one, &other, &leaving] {
        let seen = peer.take_output();
        assert!(seen == "stored\n" || seen == format!("stored\n{not_stored}"), "{seen}");
        assert!(peer.is_shut());
        server.sim.end_input(peer);
    }
    server.sim.settle();
    assert!(server.sim.server.is_empty());
    assert_eq!(server.sim.server.metrics().closed.not_stored, 2, "one had said goodbye");
    assert_eq!(server.sim.server.store_broken(), None);
    let new = server.sim.connect(PLENTY);
    server.say(&new, "it goes on\n");
    server.commit();
    assert_eq!(new.take_output(), "it goes on\n");
}

#[test]
fn when_nothing_can_be_stored_any_more_the_server_says_so() {
    let mut server = Storing::new();
    let one = server.sim.connect(PLENTY);
    server.say(&one, "lost\n");
    server.say(&one, "lost\n");
    server.kept.set(Kept::Broken);
    server.sim.settle();
    assert_eq!(server.sim.server.store_broken(), Some(2));
    assert!(one.is_shut());
    server.sim.end_input(&one);
    server.sim.settle();
    assert_eq!(server.sim.server.unstored_groups(), 0, "that it has left is lost as well");
    server.sim.server.drain();
    assert!(server.sim.server.is_drained(), "nothing is waited for that cannot be");
}

/// What is changed when nothing can be stored any more is lost at once: nobody waits for it.
#[test]
fn who_comes_when_nothing_can_be_stored_any_more_is_closed_at_once() {
    let mut server = Storing::new();
    let one = server.sim.connect(PLENTY);
    server.say(&one, "lost\n");
    server.kept.set(Kept::Broken);
    server.sim.settle();
    assert_eq!(server.sim.server.store_broken(), Some(1));
    let late = server.sim.connect(PLENTY);
    server.say(&late, "said\nfree\n");
    assert!(late.is_shut());
    assert_eq!(late.take_output(), "", "nothing of it is shown");
    assert_eq!(server.sim.server.store_broken(), Some(1), "as it was when it broke");
    let other = server.sim.connect(PLENTY);
    server.sim.send(&other, "said\nbye\n");
    server.sim.settle();
    assert!(other.is_shut(), "its last line waits for nothing");
    server.sim.server.drain();
    for peer in [&one, &late, &other] {
        server.sim.end_input(peer);
    }
    server.sim.settle();
    assert!(server.sim.server.is_drained() && server.sim.server.is_empty());
}
