//! People around a chat: they come, talk, misbehave and go, and are judged by what they should have
//! seen.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use chat_server::chat::Chat;
use chat_server::chat::state::State;
use chat_server::clock::{Now, Stopwatch};
use chat_server::server::Server;
use chat_server::server::admission::{AddressPolicy, MaxClients};
use chat_server::server::protection::Plain;
use chat_server::server::settings::{ConnectionLimits, ServerSettings};
use chat_server::service::Job;
use chat_server::throttle::Rate;
use chat_server::wire::Protocols;
use fastrand::Rng;

use crate::ask::Dialect;
use crate::habit::Habit;
use crate::known_secrets::KnownSecrets;
use crate::late::LateStore;
use crate::memory::Memory;
use crate::model::Model;
use crate::person::{End, Person};
use crate::say::Mind;
use crate::settings;
use crate::stage::{Links, Stage, proxies};
use crate::visitor::Visitor;
use crate::watch::{self, Watch};

/// How many people come, and how they talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// A few people who do all that there is to do.
    Few,
    /// Hundreds at their terminals in one big room, where little is said, and a few who talk all
    /// the time.
    Crowd,
}

/// First lines of other protocols, and how their answers begin; none for requests, where nobody
/// speaks HTTP.
const FOREIGN: [(&[u8], &str); 6] = [
    (b"CAP LS 302\r\nNICK secret\r\n", "ERROR :"),
    (b"PASS secret\r\nNICK a\r\nUSER a 0 * :a\r\n", "ERROR :"),
    (b"*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n", "-ERR "),
    (b"EHLO secret.example\r\n", "554 "),
    // From no proxy, or the second one.
    (b"PROXY TCP4 203.0.113.7 192.0.2.1 1 1\r\nsecret\r\n", "! This server does not speak "),
    (b"GET / HTTP/1.1\r\nCookie: secret\r\n\r\n", ""),
];

/// What happened in a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    pub turns: usize,
    pub taken: usize,
}

pub struct World {
    stage: Stage<Watch>,
    protocols: Protocols,
    scenario: Scenario,
    model: Rc<RefCell<Model>>,
    people: Vec<Person>,
    visitors: Vec<Visitor>,
    counter: u64,
    /// Of programs that have gone, for those that come back.
    memories: Vec<Memory>,
    /// What is done beside the event loop, and when it is done.
    jobs: Vec<(u64, Job)>,
    /// Draws of its own, so that all others stay what they are.
    slowness: Rng,
    chattiness: u32,
    trouble: u32,
    /// How often clients have been let go for what all together held.
    memory_searches: u64,
}

impl World {
    pub fn new(seed: u64, scenario: Scenario) -> World {
        let mut rng = Rng::with_seed(seed);
        let mut limits = settings::limits(&mut rng);
        let (mut chat_settings, mut rate, presence_rate) = settings::chat(&mut rng, &limits);
        let mut protocols =
            [Protocols::Line, Protocols::Http, Protocols::Auto][rng.usize(0..12).min(2)];
        if scenario == Scenario::Crowd {
            protocols = Protocols::Auto;
            limits.delivery.memory_bytes_max = usize::MAX;
            (limits.writes_max, limits.bulk_writes_min) = (rng.usize(6..12), rng.usize(20..60));
            // Hundreds are checked at the same time, and not late.
            limits.deadlines_max = 1024;
            (chat_settings.announce_below, chat_settings.rate, rate) = (0, Rate::Off, None);
        }
        let model = Rc::new(RefCell::new(Model::new(chat_settings.clone(), rate, presence_rate)));
        // So that all are counted, and nobody is turned away.
        let addresses = AddressPolicy::new(Some(MaxClients::AtMost(u32::MAX)), None);
        let compress = rng.u32(0..4) == 0;
        let plain = settings::plain(seed);
        let settings = ServerSettings {
            limits,
            addresses,
            protocols,
            compress,
            proxies: proxies(),
            plain,
            ..ServerSettings::default()
        };
        let links = Links::default();
        let watch = Watch {
            shadow: State::new(chat_settings.rooms),
            groups: 0,
            chat: Chat::retaining_records(chat_settings)
                .with_secrets(Arc::new(KnownSecrets::default())),
            model: Rc::clone(&model),
            limits,
            store: LateStore::new(seed, scenario == Scenario::Few),
            links: Rc::clone(&links),
            ids: BTreeMap::new(),
            users: BTreeMap::new(),
            coming: BTreeMap::new(),
            goodbyes: BTreeSet::new(),
            secrets: KnownSecrets::default(),
            followed: 0,
            proved: 0,
            terminals: BTreeSet::new(),
            browsers: BTreeSet::new(),
            idle: BTreeMap::new(),
            flooded: BTreeMap::new(),
            trace: env::var_os("SIMULATION_TRACE").is_some(),
        };
        // The big room has to stay big.
        let (trouble, chattiness) = match scenario {
            Scenario::Few if rng.bool() => (rng.u32(0..12), rng.u32(1..600)),
            Scenario::Few => (0, rng.u32(1..600)),
            Scenario::Crowd => (0, 120),
        };
        World {
            stage: {
                let mut stage = Stage::new(rng, limits, Server::new(settings, |_| watch), links);
                stage.have_proxies();
                if plain == Plain::Off {
                    stage.have_tls_only();
                }
                if protocols == Protocols::Auto {
                    stage.watch_greetings();
                }
                stage
            },
            protocols,
            scenario,
            model,
            people: Vec::new(),
            visitors: Vec::new(),
            counter: 0,
            memories: Vec::new(),
            jobs: Vec::new(),
            slowness: Rng::with_seed(seed),
            chattiness,
            trouble,
            memory_searches: 0,
        }
    }

    /// A whole run: people come, talk, misbehave and go; then the server stops, or all catch up and
    /// leave.
    pub fn run(mut self, steps: usize) -> Tally {
        let stops_after = (self.stage.rng.u32(0..4) == 0).then(|| self.stage.rng.usize(0..steps));
        let crowd = match self.scenario {
            Scenario::Few => self.stage.rng.usize(1..9),
            Scenario::Crowd => {
                (0..self.stage.rng.usize(280..300))
                    .for_each(|_| self.connect(Dialect::Line, Habit::Prompt, 2));
                while self.people.iter().any(|person| !person.seen_anything) {
                    self.step(true);
                }
                self.stage.swamped = true;
                self.people.len() + 24
            }
        };
        for _ in 0..stops_after.unwrap_or(steps) {
            if self.people.len() < crowd && self.stage.rng.u32(0..4) == 0 {
                let (dialect, habit) = (self.dialect(), Habit::draw(&mut self.stage.rng));
                self.connect(dialect, habit, self.chattiness);
            }
            // Who only asks is told nothing when it is let go.
            let may_come = self.stage.limits.delivery.memory_bytes_max == usize::MAX;
            if may_come
                && self.visitors.is_empty()
                && self.protocols != Protocols::Line
                && self.stage.rng.u32(0..60) == 0
            {
                self.connect_visitor();
            }
            self.act();
            self.step(false);
        }
        self.stage.swamped = false;
        let model = Rc::clone(&self.model);
        let turns = match stops_after {
            Some(_) => self.stop(),
            None => {
                self.calm();
                self.finish()
            }
        };
        let taken = model.borrow().taken;
        Tally { turns, taken }
    }

    // ---- Coming ----

    fn dialect(&mut self) -> Dialect {
        let dialects: &[Dialect] = match (self.protocols, self.scenario) {
            (Protocols::Line, _) => &[Dialect::Line],
            (Protocols::Http, _) | (_, Scenario::Crowd) => &[Dialect::Text, Dialect::Json],
            (Protocols::Auto, Scenario::Few) => &[Dialect::Line, Dialect::Text, Dialect::Json],
        };
        dialects[self.stage.rng.usize(..dialects.len())]
    }

    fn connect(&mut self, dialect: Dialect, habit: Habit, chattiness: u32) {
        let capacity =
            habit.capacity(self.stage.limits.delivery.outbox_mark_bytes, &mut self.stage.rng);
        self.model.borrow_mut().connect(self.stage.next_number(), dialect);
        let (number, wire) = self.stage.connect(capacity);
        let model = &mut *self.model.borrow_mut();
        let (rng, limits) = (&mut self.stage.rng, &self.stage.limits);
        let mut person = Person::new(number, wire, dialect, habit, self.stage.now, rng);
        person.chattiness = chattiness;
        if dialect != Dialect::Line {
            let memory =
                if dialect == Dialect::Json && rng.bool() { self.memories.pop() } else { None };
            // Not drawn: all draws stay what they are.
            let memory = memory.or_else(|| {
                let is_other = dialect == Dialect::Json && number.is_multiple_of(3);
                if is_other { second_tab(&self.people) } else { None }
            });
            let token = memory.as_ref().and_then(|memory| memory.token.clone());
            let wants = dialect == Dialect::Json && number.is_multiple_of(2);
            let token = token.or(wants.then(String::new));
            let mut mind = mind(rng, &mut self.counter, limits, &[], &[]);
            let name = mind.rng.bool().then(|| mind.name());
            let name = if mind.rng.u32(0..10) == 0 { Some("two words".to_owned()) } else { name };
            let room = (memory.is_none() && mind.rng.bool()).then(|| mind.room());
            let auto = self.protocols == Protocols::Auto;
            let greet_after_ms =
                if auto { limits.wire.greet_after_remote_ms } else { limits.wire.head_ms / 4 };
            let token = token.as_deref();
            person.introduce(name.as_deref(), room.as_deref(), token, greet_after_ms, rng);
            if let Some(memory) = memory {
                person.resume(memory, &mut self.counter, model, rng);
            }
        } else if self.scenario == Scenario::Crowd || rng.u32(0..4) > 0 {
            person.enter(model, rng);
        } else if rng.u32(0..4) == 0 {
            // What no person says first, and nobody may hear.
            let (sent, answer) = FOREIGN[rng.usize(..FOREIGN.len())];
            let is_request = answer.is_empty();
            if !is_request || self.protocols == Protocols::Line {
                person.send(sent);
                person.end = Some(if is_request { End::Late } else { End::Foreign(answer) });
            }
        }
        self.people.push(person);
    }

    fn connect_visitor(&mut self) {
        self.model.borrow_mut().connect(self.stage.next_number(), Dialect::Line);
        let (number, wire) = self.stage.connect(4000);
        let keep_alive_ms = self.stage.limits.wire.keep_alive_ms;
        let visitor = Visitor::new(
            number,
            wire,
            self.protocols,
            &mut self.stage.rng,
            self.stage.now,
            keep_alive_ms,
        );
        self.visitors.push(visitor);
    }

    // ---- Acting ----

    fn act(&mut self) {
        let model = &mut *self.model.borrow_mut();
        let names = model.names();
        let (rng, limits, now) = (&mut self.stage.rng, &self.stage.limits, self.stage.now);
        for person in &mut self.people {
            let quiet = person.end.is_some()
                || person.is_over()
                || person.habit == Habit::Mute && rng.u32(0..20) > 0;
            if quiet || now.saturating_sub(person.connected_at) < 30 && rng.bool() {
                continue;
            }
            if rng.u32(0..1000) < person.chattiness {
                let burst = if rng.u32(0..8) == 0 { rng.usize(1..25) } else { 1 };
                for _ in 0..burst {
                    let mut mind =
                        mind(rng, &mut self.counter, limits, &names, &person.memory.last_ids);
                    person.speak(&mut mind, model);
                }
            }
            if rng.u32(0..1000) < self.trouble {
                person.leave(model, limits, rng);
            }
            if person.habit == Habit::Stalls && rng.u32(0..60) == 0 {
                person.stalled_until = now + rng.u64(0..3 * limits.delivery.too_slow_ms);
            }
        }
    }

    /// Lets the network and the readers move, and turns the server as the event loop would.
    fn step(&mut self, calm: bool) {
        self.network(calm);
        if !calm && self.stage.rng.u32(0..150) == 0 && self.may_pause(calm) {
            self.pause(calm);
        }
        self.stage.poll();
        self.work();
        let wait = if calm { 40 } else { self.stage.rng.u64(0..30) };
        self.stage.pass(wait);
        self.note_let_go();
        self.check_hunger();
        self.bury();
    }

    /// What a thread beside the event loop does.
    fn work(&mut self) {
        let now = self.stage.now;
        for job in self.stage.server.take_jobs() {
            self.jobs.push((now + self.slowness.u64(0..20), job));
        }
        let (due, rest) = std::mem::take(&mut self.jobs).into_iter().partition(|job| job.0 <= now);
        self.jobs = rest;
        for (_, job) in due {
            let (ticket, answer) = (job.ticket, (job.run)());
            let now = Now { ms: now, unix_ms: 1_700_000_000_000 + now };
            self.stage.server.completed(ticket, answer, now);
        }
        if self.stage.server.is_busy() {
            self.stage.turn();
        }
        let model = &mut *self.model.borrow_mut();
        for person in self.people.iter_mut().filter(|person| person.end.is_none()) {
            if model.client(person.number).is_superseded {
                person.end = Some(End::Superseded);
            }
        }
    }

    /// Whether nobody is in the midst of a request, which may take only so long, and pings have
    /// been written.
    fn may_pause(&self, calm: bool) -> bool {
        let is_in = |person: &Person| {
            person.dialect == Dialect::Line || person.upgraded || person.end.is_some()
        };
        let has_room = |person: &Person| {
            let wire = person.wire.borrow();
            !person.habit.answers(calm) || !wire.write_blocked && !wire.writable
        };
        let is_calm = self.people.iter().all(|person| is_in(person) && has_room(person));
        self.scenario == Scenario::Few
            && self.visitors.is_empty()
            && is_calm
            && !self.stage.server.is_busy()
    }

    /// The server stands still, and its clients do not: they read, and what they send arrives.
    /// A client that does so as it should is judged by that, however late the server gets to it.
    fn pause(&mut self, calm: bool) {
        let model = &mut *self.model.borrow_mut();
        let rng = &mut self.stage.rng;
        for person in &mut self.people {
            if person.end.is_some() || person.is_over() {
                // What it sends last may come to a server that has closed by then.
                person.excused = true;
            } else if person.habit.answers(calm) {
                (0..3).for_each(|_| {
                    person.read(usize::MAX, model, rng);
                    person.wire.borrow_mut().carry(true, rng);
                });
            }
        }
        self.stage.now = match rng.u32(0..4) {
            // The machine was suspended.
            0 => {
                let elapsed = Duration::from_millis(self.stage.now);
                let mut stopwatch = Stopwatch::default();
                stopwatch.look(elapsed);
                let (counted, _) = stopwatch.look(elapsed + Duration::from_secs(rng.u64(0..120)));
                counted.as_millis() as u64
            }
            _ => self.stage.now + rng.u64(0..1500),
        };
    }

    fn network(&mut self, calm: bool) {
        let model = &mut *self.model.borrow_mut();
        let (rng, now) = (&mut self.stage.rng, self.stage.now);
        for person in &mut self.people {
            if now < person.stalled_until {
                continue;
            }
            if calm && person.habit != Habit::Stuck {
                person.wire.borrow_mut().capacity = 10_000;
            }
            person.wire.borrow_mut().carry(calm || model.stopping, rng);
            if person.wire.borrow().breaks_at_write && (calm || rng.u32(0..20) == 0) {
                person.wire.borrow_mut().break_off();
            }
            let count = person.habit.appetite(calm, rng);
            if count > 0 {
                person.read(count, model, rng);
            }
        }
        for visitor in &mut self.visitors {
            visitor.go_on(rng, now);
        }
    }

    /// Notes who may have been let go for what all together held: those that were closed meanwhile,
    /// those that were closing, and those that had not come in.
    fn note_let_go(&mut self) {
        let lost_upto = self.stage.server.service().store.lost_upto;
        let searches = self.stage.server.metrics().memory_searches;
        let is_new = searches > std::mem::replace(&mut self.memory_searches, searches);
        let model = &mut *self.model.borrow_mut();
        for person in &mut self.people {
            let is_unknown = person.end.is_some() || !model.is_here(person.number);
            let may_be_let_go = model.client(person.number).may_be_let_go;
            let is_superseded = model.client(person.number).is_superseded;
            person.let_go |= may_be_let_go
                || is_superseded
                || is_new && is_unknown
                || person.number <= lost_upto;
        }
    }

    /// Nobody waits longer than it takes to write to everybody who was there first.
    fn check_hunger(&mut self) {
        let model = &mut *self.model.borrow_mut();
        let limits = &self.stage.limits;
        let clients = self.people.len() + self.visitors.len() + 4;
        // So many at most are spoken to at once, but by those who speak to a big room.
        let prompt = clients.min(60);
        // Every other turn keeps what rooms say.
        let is_held = self.stage.server.unstored_groups() > 0;
        let patience = 6 + 2 * prompt / limits.writes_max + 2 * clients / limits.bulk_writes_min;
        for person in &mut self.people {
            person.check_hunger(model, self.stage.now, self.stage.turns, patience, is_held);
        }
    }

    // ---- Going ----

    /// Judges and forgets those whose connections are over on both sides.
    fn bury(&mut self) {
        let lost_upto = self.stage.server.service().store.lost_upto;
        let model = &mut *self.model.borrow_mut();
        self.people.retain_mut(|person| {
            let gone = person.wire.borrow().dropped && person.is_over();
            if gone {
                person.judge_end(model, self.stage.limits.delivery.too_slow_ms);
                model.forget(person.number);
                self.memories.push(std::mem::take(&mut person.memory));
            }
            !gone
        });
        self.visitors.retain_mut(|visitor| {
            let gone = visitor.is_over();
            if gone && visitor.number <= lost_upto {
                model.forget(visitor.number);
            } else if gone {
                visitor.judge();
                model.forget(visitor.number);
            } else {
                visitor.check_patience(self.stage.now);
            }
            !gone
        });
    }

    /// Nobody says anything more, and everybody reads: whatever is owed arrives, and the silent are
    /// found.
    fn calm(&mut self) {
        self.model.borrow_mut().calm = true;
        let limits = self.stage.limits;
        let patience =
            2 * limits.wire.ping_after_ms + limits.wire.pong_ms + 2 * limits.delivery.too_slow_ms;
        // What flood control holds up takes its time.
        let until = self.stage.now + patience;
        while self.stage.now < until
            || self.people.iter().any(|person| !self.is_heard(person))
                && self.stage.now < until + 300_000
        {
            // Silent clients are pinged all the time now. What happens after the pause takes some
            // time.
            let has_time = self.stage.now + 2000 < until;
            if has_time && self.stage.rng.u32(0..20) == 0 && self.may_pause(true) {
                self.pause(true);
            }
            self.step(true);
        }
        // What was heard last is still on its way.
        let until = self.stage.now + 100_000;
        while self.stage.now < until && self.people.iter().any(|person| !self.has_seen_all(person))
        {
            self.step(true);
        }
        let model = &mut *self.model.borrow_mut();
        for person in self.people.iter().filter(|person| person.habit != Habit::Stuck) {
            assert_ne!(
                (person.habit, person.dialect == Dialect::Line),
                (Habit::Mute, false),
                "the mute are found out"
            );
            let may_be_over = person.excused || person.let_go;
            if person.end.is_some() || may_be_over && person.is_over() {
                assert!(
                    person.clings,
                    "client {} ({:?}) should have gone",
                    person.number, person.end
                );
            } else {
                person.judge_alive(model);
            }
        }
    }

    fn is_deserted(&self) -> bool {
        self.stage.server.is_empty() && self.people.is_empty() && self.visitors.is_empty()
    }

    fn is_heard(&self, person: &Person) -> bool {
        let is_broken = matches!(person.end, Some(End::Reset | End::Superseded));
        person.habit == Habit::Stuck
            || !is_broken && self.model.borrow_mut().client(person.number).is_heard()
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

    /// The server stops in mid-conversation: a client that reads gets all that is queued for it,
    /// and a goodbye.
    fn stop(mut self) -> usize {
        // The event loop does it right after a turn.
        self.stage.turn();
        let coming = self.stage.server.service().coming.keys();
        let coming: BTreeSet<usize> = coming.map(|&client| watch::number(client)).collect();
        for person in &mut self.people {
            let model = &mut *self.model.borrow_mut();
            // Who waits for a token has been answered.
            let known = model.is_here(person.number) || coming.contains(&person.number);
            let has_left = model.client(person.number).closed;
            if !has_left && person.end != Some(End::Reset) {
                // Its last words are on their way and nobody will hear them.
                let mut mind =
                    mind(&mut self.stage.rng, &mut self.counter, &self.stage.limits, &[], &[]);
                if person.end.is_none() {
                    person.speak(&mut mind, model);
                }
                person.end = Some(End::Stopped { known });
            }
        }
        self.visitors.iter_mut().for_each(Visitor::stop);
        self.model.borrow_mut().stopping = true;
        self.stage.server.drain();
        assert_eq!(self.model.borrow().people(), 0, "people who were not told");
        let calm_at = self.stage.now + self.stage.rng.u64(0..2000);
        while !self.stage.server.is_drained() {
            self.step(self.stage.now >= calm_at);
            assert!(self.stage.now < calm_at + 20_000, "the server does not come to an end");
        }
        self.stage.turn();
        self.stage.server.service().compare_shadow();
        let turns = self.stage.turns;
        // The process ends. Nobody is left but those who have not said what they want.
        let World { stage: Stage { server, mut rng, limits, .. }, mut people, model, .. } = self;
        let model = &mut *model.borrow_mut();
        for person in &mut people {
            let has_gone = person.wire.borrow().dropped;
            match has_gone {
                // Of one whose connection broke in the middle of its request the server may not
                // know.
                false => assert!(
                    matches!(person.end, Some(End::Stopped { known: false } | End::Reset)),
                    "client {}",
                    person.number
                ),
                true => person.outlive(model, limits.delivery.too_slow_ms, &mut rng),
            }
        }
        drop(server);
        turns
    }

    /// Everybody leaves, and nothing of them stays.
    fn finish(mut self) -> usize {
        for person in &mut self.people {
            match self.stage.rng.u32(0..3) {
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
        let limits = self.stage.limits;
        let until = self.stage.now
            + 3 * limits.wire.keep_alive_ms
            + 2 * limits.drain_ms
            + limits.wire.linger_ms;
        // Flood control goes on with those who have said a lot and left.
        while self.stage.now < until || !self.is_deserted() && self.stage.now < until + 300_000 {
            self.step(true);
        }
        assert!(
            self.stage.server.is_empty(),
            "{} clients stay after all have left",
            self.stage.server.len()
        );
        assert!(self.people.is_empty() && self.visitors.is_empty());
        self.stage.settle();
        self.stage.server.assert_at_rest();
        self.stage.turn();
        self.stage.server.service().compare_shadow();
        let chat = &self.stage.server.service().chat;
        assert_eq!((chat.people(), chat.rooms()), (0, self.model.borrow().rooms()));
        assert!(!self.stage.server.is_busy());
        self.stage.server.trim();
        assert_eq!(self.stage.server.held_bytes(), 0, "of those who have gone");
        self.stage.turns
    }
}

/// What somebody remembers who opens the same page a second time, or does not know yet that the
/// first connection is dead.
fn second_tab(people: &[Person]) -> Option<Memory> {
    let has_token = |person: &&Person| person.memory.token.is_some();
    let memory = &people.iter().rev().find(has_token)?.memory;
    Some(memory.clone())
}

fn mind<'a>(
    rng: &'a mut Rng,
    counter: &'a mut u64,
    limits: &ConnectionLimits,
    names: &'a [String],
    last_ids: &[(String, u64)],
) -> Mind<'a> {
    Mind {
        rng,
        counter,
        message_bytes_max: limits.message_bytes_max,
        names,
        last_ids: last_ids.to_vec(),
    }
}
