//! The event loop's part: time, readiness, connections, and the checks that hold at every moment.

use std::cell::RefCell;
use std::env;
use std::net::Ipv4Addr;
use std::rc::Rc;

use chat_server::clock::Now;
use chat_server::config::{Limits, Settings};
use chat_server::server::Server;
use chat_server::service::chat::throttle::Rate;
use chat_server::service::chat::{self, Chat, directory, history};
use fastrand::Rng;

use crate::ask::Dialect;
use crate::model::Model;
use crate::person::{End, Habit, Person};
use crate::say::Mind;
use crate::stream::{Faults, Near, Wire};
use crate::visitor::Visitor;
use crate::watch::Watch;

/// After so many turns without anything new from outside, the loop spins.
const TURNS_MAX: usize = 20_000;

pub struct World {
    rng: Rng,
    limits: Limits,
    server: Server<Near, Watch>,
    model: Rc<RefCell<Model>>,
    people: Vec<Person>,
    visitors: Vec<Visitor>,
    now: u64,
    accepted: usize,
    counter: u64,
    faults: Faults,
    /// What JSON clients have seen, kept for when they come back.
    last_ids: Vec<(String, u64)>,
    chattiness: u32,
    trouble: u32,
    pub turns: usize,
}

fn limits(rng: &mut Rng) -> Limits {
    let outbox_mark_bytes = rng.usize(400..3000);
    Limits {
        clients_expected: 0,
        message_bytes_max: rng.usize(300..500),
        read_bytes_max: rng.usize(64..700),
        writes_max: rng.usize(2..40),
        bulk_writes_min: rng.usize(1..4),
        outbox_mark_bytes,
        // As in production; there is room for one of the largest messages besides.
        outbox_max_bytes: 16 * outbox_mark_bytes + 1000,
        too_slow_ms: 1200,
        stalled_ms: 300,
        linger_ms: rng.u64(100..1500),
        greet_after_ms: 100,
        head_ms: 500,
        ping_after_ms: rng.u64(400..1000),
        pong_ms: 500,
        drain_ms: 600,
    }
}

fn chat_settings(rng: &mut Rng, limits: &Limits) -> (chat::Settings, Option<(u32, u32)>) {
    let rate = rng.bool().then(|| (rng.u32(1..20), rng.u32(2..50)));
    let pick = |rng: &mut Rng, small: std::ops::Range<usize>, large| if rng.bool() { rng.usize(small) } else { large };
    let settings = chat::Settings {
        rooms: directory::Limits {
            rooms_max: pick(rng, 1..5, 100),
            history: history::Limits {
                messages_max: pick(rng, 0..12, 1000),
                bytes_max: pick(rng, 100..1000, 4 * limits.outbox_mark_bytes),
            },
            history_bytes_max: pick(rng, 500..3000, 1_000_000),
        },
        rooms_per_client_max: rng.usize(1..5),
        replay: rng.u32(0..12),
        rate: rate.map_or(Rate::Off, |(burst, per_second)| Rate::limited(burst, per_second).expect("in range")),
        announce_below: [0, 3, 100][rng.usize(0..3)],
        message_bytes_max: limits.message_bytes_max,
        epoch: "now".to_owned(),
    };
    (settings, rate)
}

impl World {
    pub fn new(seed: u64) -> World {
        let mut rng = Rng::with_seed(seed);
        let limits = limits(&mut rng);
        let (chat_settings, rate) = chat_settings(&mut rng, &limits);
        let model = Rc::new(RefCell::new(Model::new(chat_settings.clone(), rate)));
        let settings = Settings { limits, compress: rng.u32(0..4) == 0, ..Settings::default() };
        let watch = Watch {
            chat: Chat::new(chat_settings),
            model: Rc::clone(&model),
            trace: env::var_os("SIMULATION_TRACE").is_some(),
        };
        let mut draw = |max: u32| if rng.bool() { 0 } else { rng.u32(0..max) };
        let faults = Faults { interrupted: draw(200), short_write: draw(500), early: draw(500) };
        let trouble = draw(12);
        World {
            server: Server::new(settings, |_| watch),
            model,
            limits,
            people: Vec::new(),
            visitors: Vec::new(),
            now: rng.u64(0..10_000),
            accepted: 0,
            counter: 0,
            faults,
            last_ids: Vec::new(),
            chattiness: rng.u32(1..60),
            trouble,
            rng,
            turns: 0,
        }
    }

    pub fn taken(&self) -> usize {
        self.model.borrow().taken
    }

    /// A whole run: people come, talk, misbehave and go; then all catch up; then all leave.
    pub fn run(&mut self, steps: usize) {
        let crowd = self.rng.usize(1..9);
        for _ in 0..steps {
            if self.people.len() < crowd && self.rng.u32(0..4) == 0 {
                self.connect();
            }
            if self.visitors.is_empty() && self.rng.u32(0..60) == 0 {
                self.connect_visitor();
            }
            self.act();
            self.step(false);
        }
        self.calm();
        self.finish();
    }

    // ---- Coming ----

    fn new_wire(&mut self, capacity: usize) -> (usize, usize, Rc<RefCell<Wire>>) {
        let wire = Rc::new(RefCell::new(Wire::new(self.rng.u64(..), self.faults, capacity)));
        let peer = (Ipv4Addr::LOCALHOST, 1000).into();
        let key = self.server.next_key();
        let now = self.now();
        assert_eq!(self.server.accept(Near(Rc::clone(&wire)), peer, now), key);
        self.accepted += 1;
        (self.accepted, key, wire)
    }

    fn connect(&mut self) {
        let dialect = [Dialect::Line, Dialect::Text, Dialect::Json][self.rng.usize(0..3)];
        let habit = match self.rng.u32(0..10) {
            0 => Habit::Trickle,
            1 => Habit::Stalls,
            2 => Habit::Mute,
            3 if self.rng.bool() => Habit::Stuck,
            _ => Habit::Prompt,
        };
        let mark = self.limits.outbox_mark_bytes;
        let capacity = match habit {
            Habit::Prompt => self.rng.usize(mark..4 * mark),
            _ => self.rng.usize(1..2 * mark),
        };
        let (number, key, wire) = self.new_wire(capacity);
        self.model.borrow_mut().connect(number, dialect);
        let mut person = Person::new(number, key, wire, dialect, habit, self.rng.bool(), self.now);
        person.clings = habit != Habit::Prompt && self.rng.bool();
        if dialect != Dialect::Line {
            let mut mind = mind(&mut self.rng, &mut self.counter, &self.limits, &[], &[]);
            let name = mind.rng.bool().then(|| mind.name());
            let name = if mind.rng.u32(0..10) == 0 { Some("two words".to_owned()) } else { name };
            let room = mind.rng.bool().then(|| mind.room());
            person.introduce(name.as_deref(), room.as_deref(), &mut self.rng);
        }
        self.people.push(person);
    }

    fn connect_visitor(&mut self) {
        let (number, key, wire) = self.new_wire(4000);
        self.model.borrow_mut().connect(number, Dialect::Line);
        let visitor = Visitor::new(number, key, wire, &mut self.rng, self.now, self.limits.head_ms);
        self.visitors.push(visitor);
    }

    // ---- Acting ----

    fn act(&mut self) {
        let model = &mut *self.model.borrow_mut();
        let names = model.names();
        for person in &mut self.people {
            let quiet =
                person.end.is_some() || person.is_over() || person.habit == Habit::Mute && self.rng.u32(0..20) > 0;
            if quiet || self.now.saturating_sub(person.connected_at) < 30 && self.rng.bool() {
                continue;
            }
            if self.rng.u32(0..100) < self.chattiness {
                let burst = if self.rng.u32(0..8) == 0 { self.rng.usize(1..25) } else { 1 };
                for _ in 0..burst {
                    let mut mind = mind(&mut self.rng, &mut self.counter, &self.limits, &names, &self.last_ids);
                    person.speak(&mut mind, model, self.now);
                }
            }
            if self.rng.u32(0..1000) < self.trouble {
                person.leave(model, &self.limits, &mut self.rng, self.now);
            }
            if person.habit == Habit::Stalls && self.rng.u32(0..60) == 0 {
                person.stalled_until = self.now + self.rng.u64(0..3 * self.limits.too_slow_ms);
            }
        }
    }

    /// Lets the network and the readers move, and turns the server as the event loop would.
    fn step(&mut self, calm: bool) {
        self.network(calm);
        self.poll();
        let wait = if calm { 40 } else { self.rng.u64(0..30) };
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
        if self.server.is_busy() && self.rng.u32(0..3) > 0 {
            // A busy loop takes time as well.
            self.now += self.rng.u64(0..3);
        } else {
            self.settle();
            self.now = self.now.max(until);
        }
        self.bury();
    }

    fn network(&mut self, calm: bool) {
        let model = &mut *self.model.borrow_mut();
        for person in &mut self.people {
            if self.now < person.stalled_until {
                continue;
            }
            let rng = &mut self.rng;
            let rest = person.wire.borrow().unread_by_server();
            let count = if calm || rng.bool() { rest } else { rng.usize(0..=rest.min(300)) };
            if calm && person.habit != Habit::Stuck {
                person.wire.borrow_mut().capacity = 10_000;
            }
            let hasty = rng.u32(0..4) > 0;
            if calm || hasty {
                person.wire.borrow_mut().arrive(count);
            }
            let count = match person.habit {
                Habit::Stuck => 0,
                _ if calm => usize::MAX,
                Habit::Trickle if rng.u32(0..4) > 0 => 0,
                Habit::Trickle => rng.usize(0..200),
                _ if rng.u32(0..4) == 0 => rng.usize(0..1000),
                _ => usize::MAX,
            };
            if count > 0 {
                person.read(count, model, &mut self.last_ids, rng, self.now);
            }
        }
        for visitor in &mut self.visitors {
            visitor.go_on(&mut self.rng, self.now);
        }
    }

    /// Reports readiness, and turns the server once if it has a reason.
    fn poll(&mut self) {
        let mut events = false;
        let people = self.people.iter().map(|person| (person.key, &person.wire));
        let wires = people.chain(self.visitors.iter().map(|visitor| (visitor.key, &visitor.wire)));
        for (key, wire) in wires {
            let mut wire = wire.borrow_mut();
            if wire.dropped {
                continue;
            }
            wire.ease();
            let (readable, writable, ended) = (wire.readable, wire.writable, wire.ended);
            (wire.readable, wire.writable, wire.ended) = (false, false, false);
            let broken = wire.reset;
            drop(wire);
            events |= readable || writable || ended;
            if ended && broken {
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
        if events || self.server.is_busy() || self.server.next_deadline().is_some_and(|at| at <= self.now) {
            self.turn();
        }
    }

    fn turn(&mut self) {
        self.turns += 1;
        let now = self.now();
        self.server.turn(now);
        self.server.assert_invariants();
        assert!(self.server.next_deadline().is_none_or(|at| at > self.now), "a deadline was left in the past");
    }

    /// Turns until there is nothing to do but wait.
    fn settle(&mut self) {
        let mut turns = 0;
        while self.server.is_busy() {
            self.turn();
            turns += 1;
            assert!(turns < TURNS_MAX, "the loop spins");
        }
    }

    fn now(&self) -> Now {
        Now { ms: self.now, unix_ms: 1_700_000_000_000 + self.now }
    }

    // ---- Going ----

    /// Judges and forgets those whose connections are over on both sides.
    fn bury(&mut self) {
        let model = &mut *self.model.borrow_mut();
        self.people.retain_mut(|person| {
            let gone = person.wire.borrow().dropped && person.is_over();
            if gone {
                person.judge_end(model);
                model.forget(person.number);
            }
            !gone
        });
        self.visitors.retain_mut(|visitor| {
            let gone = visitor.wire.borrow().dropped;
            if gone {
                visitor.judge();
                model.forget(visitor.number);
            } else {
                visitor.check_patience(self.now);
            }
            !gone
        });
    }

    /// Nobody says anything more, and everybody reads: whatever is owed arrives, and the silent are found.
    fn calm(&mut self) {
        let limits = self.limits;
        let patience = 2 * limits.ping_after_ms + limits.pong_ms + 2 * limits.too_slow_ms;
        // What flood control holds up takes its time.
        let until = self.now + patience;
        while self.now < until || self.people.iter().any(|person| !self.is_heard(person)) && self.now < until + 300_000
        {
            self.step(true);
        }
        // What was heard last is still on its way.
        let until = self.now + 100_000;
        while self.now < until && self.people.iter().any(|person| !self.has_seen_all(person)) {
            self.step(true);
        }
        let model = &mut *self.model.borrow_mut();
        for person in self.people.iter().filter(|person| person.habit != Habit::Stuck) {
            assert_ne!((person.habit, person.dialect == Dialect::Line), (Habit::Mute, false), "the mute are found out");
            if person.end.is_some() || person.excused && person.is_over() {
                assert!(person.clings, "client {} ({:?}) should have gone", person.number, person.end);
            } else {
                person.judge_alive(model);
            }
        }
    }

    fn is_deserted(&self) -> bool {
        self.server.is_empty() && self.people.is_empty() && self.visitors.is_empty()
    }

    fn is_heard(&self, person: &Person) -> bool {
        person.habit == Habit::Stuck || self.model.borrow_mut().client(person.number).sent.is_empty()
    }

    fn has_seen_all(&self, person: &Person) -> bool {
        if person.habit == Habit::Stuck {
            return true;
        }
        let is_mute = person.habit == Habit::Mute && person.dialect != Dialect::Line;
        if person.end.is_some() || is_mute {
            // It is about to be let go, and forgotten.
            return person.clings && !is_mute;
        }
        self.model.borrow_mut().client(person.number).expected.missing().is_empty()
    }

    /// Everybody leaves, and nothing of them stays.
    fn finish(&mut self) {
        for person in &mut self.people {
            match self.rng.u32(0..3) {
                0 => {
                    person.end.get_or_insert(End::Reset);
                    person.wire.borrow_mut().break_off();
                }
                _ => person.half_close(),
            }
            person.clings = false;
            person.habit = Habit::Trickle;
            person.stalled_until = 0;
        }
        let limits = self.limits;
        let until = self.now + 3 * limits.head_ms + 2 * limits.drain_ms + limits.linger_ms;
        // Flood control goes on with those who have said a lot and left.
        while self.now < until || !self.is_deserted() && self.now < until + 300_000 {
            self.step(true);
        }
        assert!(self.server.is_empty(), "{} clients stay after all have left", self.server.len());
        assert!(self.people.is_empty() && self.visitors.is_empty());
        self.server.assert_at_rest();
        let chat = &self.server.service().chat;
        assert_eq!((chat.people(), chat.rooms()), (0, self.model.borrow().rooms()));
        assert!(!self.server.is_busy());
    }
}

fn mind<'a>(
    rng: &'a mut Rng,
    counter: &'a mut u64,
    limits: &Limits,
    names: &'a [String],
    last_ids: &'a [(String, u64)],
) -> Mind<'a> {
    Mind { rng, counter, message_bytes_max: limits.message_bytes_max, names, last_ids }
}
