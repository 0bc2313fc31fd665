//! A chat that keeps what is said, on a disk that outlives it: the server crashes, the disk fails,
//! is full or cannot be read, and programs come back and go on where they were.
//!
//! There is no model here that predicts every word. All that anybody is shown is written down, and
//! held against what others are shown, before and after a crash, and against the disk. What is
//! searched for is looked for on the disk as well, the naive way. In some runs the oldest messages
//! expire.

use std::cell::{Cell, RefCell};
use std::env;
use std::rc::Rc;

use chat_server::chat::Chat;
use chat_server::chat::settings::ChatSettings;
use chat_server::clock::{Millis, Now};
use chat_server::delivery::encoding::Dialect;
use chat_server::delivery::{Delivery, Wait};
use chat_server::ids::{ClientId, Peer, Ticket};
use chat_server::server::Server;
use chat_server::server::admission::{AddressPolicy, MaxClients};
use chat_server::server::settings::{ConnectionLimits, ServerSettings};
use chat_server::service::succession::Succession;
use chat_server::service::{Answer, Hello, Incoming, Job, Kept, Outcome, Service, Wake};
use chat_server::store::{Loaded, Store};
use chat_server::wire::Protocols;
use fastrand::Rng;

use crate::disk::Disk;
use crate::program::{Program, ROOMS, Truth};
use crate::search::Searcher;
use crate::settings;
use crate::stage::{Links, Stage};
use crate::stream::Near;
use crate::succession::SETTLING_STEPS;
use crate::world::Tally;

/// Passes everything on to the chat, and notes when it had to go back to what is kept.
struct Keeper {
    chat: Chat,
    is_lost: Rc<Cell<bool>>,
    trace: bool,
}

impl Keeper {
    fn follow(&mut self, out: &mut Delivery) -> Kept {
        let kept = self.chat.stored(out);
        if kept != Kept::Whole {
            self.is_lost.set(true);
        }
        kept
    }
}

impl Service for Keeper {
    fn greeting(&self) -> Option<&str> {
        self.chat.greeting()
    }

    fn subprotocols(&self) -> &'static [&'static str] {
        self.chat.subprotocols()
    }

    fn dialect(&self, hello: &Hello<'_>) -> Dialect {
        self.chat.dialect(hello)
    }

    fn opened(&mut self, client: ClientId, hello: &Hello<'_>, out: &mut Delivery) {
        self.chat.opened(client, hello, out);
    }

    fn waits(&self, client: ClientId, out: &Delivery) -> Option<Wait> {
        self.chat.waits(client, out)
    }

    fn waits_to_close(&self, client: ClientId) -> Option<Wait> {
        self.chat.waits_to_close(client)
    }

    fn message(&mut self, client: ClientId, message: Incoming<'_>, out: &mut Delivery) -> Outcome {
        let outcome = self.chat.message(client, message, out);
        if self.trace {
            let text = String::from_utf8_lossy(message.bytes);
            println!("{:>7} {client} {outcome:?} {text}", out.now().ms);
        }
        outcome
    }

    fn clear(&mut self, what: Wait, out: &mut Delivery) {
        self.chat.clear(what, out);
    }

    fn held_bytes(&self) -> usize {
        self.chat.held_bytes()
    }

    fn held_bytes_of(&self, client: ClientId) -> usize {
        self.chat.held_bytes_of(client)
    }

    fn trim(&mut self) {
        self.chat.trim();
    }

    fn take_jobs(&mut self) -> Vec<Job> {
        self.chat.take_jobs()
    }

    fn completed(&mut self, ticket: Ticket, answer: Answer, out: &mut Delivery) {
        self.chat.completed(ticket, answer, out);
    }

    fn next_deadline(&self) -> Option<Millis> {
        self.chat.next_deadline()
    }

    fn tick(&mut self, out: &mut Delivery) {
        self.chat.tick(out);
    }

    fn keep(&mut self, out: &mut Delivery) {
        self.chat.keep(out);
    }

    fn handed_out(&mut self) {
        self.chat.handed_out();
    }

    fn set_wake(&mut self, wake: Wake) {
        self.chat.set_wake(wake);
    }

    fn stored(&mut self, out: &mut Delivery) -> Kept {
        self.follow(out)
    }

    fn succession(&mut self) -> Option<&mut dyn Succession> {
        self.chat.succession()
    }

    fn closed(&mut self, client: ClientId, peer: Peer, out: &mut Delivery) {
        if self.trace {
            println!("{:>7} {client} leaves", out.now().ms);
        }
        self.chat.closed(client, peer, out);
    }
}

pub struct KeptWorld {
    rng: Rng,
    disk: Disk,
    stage: Stage<Keeper>,
    chat_settings: ChatSettings,
    server_settings: ServerSettings,
    limits: ConnectionLimits,
    is_lost: Rc<Cell<bool>>,
    programs: Vec<Program>,
    searchers: Vec<Searcher>,
    truth: Truth,
    /// What is being looked up, and when that is done.
    jobs: Vec<(Millis, Job)>,
    /// How long that takes, and how long a group takes to become durable, at most.
    slow_ms: u64,
    latency_ms: u64,
    may_fill: bool,
    /// Draws of upgrades, so that all others stay what they are.
    own: Rng,
    turns: usize,
    trace: bool,
}

impl KeptWorld {
    pub fn new(seed: u64) -> KeptWorld {
        let mut rng = Rng::with_seed(seed);
        let mut limits = settings::limits(&mut rng);
        limits.delivery.memory_bytes_max = usize::MAX;
        let (chat_settings, ..) = settings::chat(&mut rng, &limits);
        let server_settings = ServerSettings {
            limits,
            addresses: AddressPolicy::new(Some(MaxClients::AtMost(u32::MAX)), None),
            protocols: Protocols::Http,
            ..ServerSettings::default()
        };
        let (slow_ms, latency_ms) = (rng.u64(1..60), if rng.bool() { 0 } else { rng.u64(1..60) });
        let (disk, is_lost) = (Disk::default(), Rc::new(Cell::new(false)));
        let may_fill = rng.u32(0..4) == 0;
        let may_expire = rng.u32(0..4) == 0;
        disk.set_index_latency(if rng.bool() { 0 } else { rng.u64(1..500) });
        let programs = (0..rng.usize(1..7)).map(Program::new).collect();
        let searchers = (0..rng.usize(0..3)).map(|_| Searcher::default()).collect();
        let trace = env::var_os("SIMULATION_TRACE").is_some();
        let stage =
            start(&mut rng, &disk, &chat_settings, &server_settings, limits, &is_lost, trace);
        KeptWorld {
            rng,
            truth: Truth::new(disk.clone(), may_expire),
            disk,
            stage,
            chat_settings,
            server_settings,
            limits,
            is_lost,
            programs,
            searchers,
            jobs: Vec::new(),
            slow_ms,
            latency_ms,
            may_fill,
            own: Rng::with_seed(!seed),
            turns: 0,
            trace,
        }
    }

    /// A whole run: programs talk, the server crashes; in the end all have seen everything, and the
    /// disk has it.
    pub fn run(mut self, steps: usize) -> Tally {
        for _ in 0..2 * steps {
            match self.rng.u32(0..60) {
                0 | 1 => self.crash(),
                2 => self.disk.fail(),
                3 if self.may_fill => {
                    self.truth.is_tainted = true;
                    self.disk.set_full(!self.disk.is_full());
                }
                4 => self.disk.set_unreadable(self.rng.u32(0..3) == 0),
                5..8 if self.truth.may_expire => self.expire(),
                _ => {}
            }
            self.disk.set_latency(match self.latency_ms {
                0 => 0,
                max => self.rng.u64(0..=max),
            });
            self.act();
            self.step();
            if self.own.u32(0..20) == 0 {
                self.upgrade();
            }
        }
        self.finish();
        self.crash();
        self.turns += self.stage.turns;
        Tally { turns: self.turns, taken: self.truth.shown() }
    }

    /// Some of the oldest messages expire: none that is said again.
    fn expire(&mut self) {
        let log = self.disk.log();
        let is_unsure = |text: &str| self.programs.iter().any(|program| program.is_unsure(text));
        let old = log.said[log.expired..].iter();
        let count = old.take_while(|(_, _, message)| !is_unsure(&message.text)).count();
        let wanted = self.rng.usize(1..12);
        // Or all that there is, so that rooms are empty in which somebody is.
        let is_all = self.own.u32(0..4) == 0;
        self.disk.expire(if is_all { count } else { count.min(wanted) });
    }

    fn act(&mut self) {
        for searcher in &mut self.searchers {
            if !searcher.is_connected() && self.rng.u32(0..3) == 0 {
                let (_, wire) = self.stage.connect(10_000_000);
                searcher.connect(wire);
            } else if self.rng.u32(0..60) == 0 {
                searcher.break_off();
            } else if self.rng.u32(0..3) == 0 {
                searcher.act(&ROOMS, &self.disk, &mut self.rng);
            }
        }
        for program in &mut self.programs {
            if !program.is_connected() {
                if self.rng.u32(0..3) == 0 {
                    let (_, wire) = self.stage.connect(10_000_000);
                    program.connect(wire, &self.truth, &mut self.rng);
                }
                continue;
            }
            if self.rng.u32(0..40) == 0 {
                program.break_off();
                continue;
            }
            if self.rng.u32(0..3) == 0 {
                program.act(&mut self.truth, &mut self.rng);
            }
        }
    }

    fn step(&mut self) {
        self.stage.poll();
        let wait = self.rng.u64(0..30);
        self.stage.pass(wait);
        // It wakes the event loop.
        if self.disk.pass(self.stage.now) {
            self.stage.turn();
        }
        self.work();
        if self.is_lost.take() {
            self.break_off_all();
        }
        for searcher in &mut self.searchers {
            searcher.carry(&mut self.rng);
            searcher.read(&self.disk, self.trace, &mut self.rng);
        }
        for program in &mut self.programs {
            program.carry(&mut self.rng);
            program.read(&mut self.truth, self.trace, &mut self.rng);
        }
    }

    /// What a thread beside the event loop does.
    fn work(&mut self) {
        let now = self.stage.now;
        for job in self.stage.server.take_jobs() {
            self.jobs.push((now + self.rng.u64(0..self.slow_ms), job));
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
    }

    fn break_off_all(&mut self) {
        self.programs.iter_mut().for_each(Program::break_off);
        self.searchers.iter_mut().for_each(Searcher::break_off);
    }

    /// The server is no more, and another is started on what the disk has.
    fn crash(&mut self) {
        self.disk.crash(self.rng.usize(0..4));
        if self.trace {
            println!("{:>7} crash", self.stage.now);
        }
        self.break_off_all();
        self.jobs.clear();
        self.is_lost.set(false);
        self.truth.check();
        self.turns += self.stage.turns;
        let now = self.stage.now;
        self.stage = start(
            &mut self.rng,
            &self.disk,
            &self.chat_settings,
            &self.server_settings,
            self.limits,
            &self.is_lost,
            self.trace,
        );
        self.stage.now = self.stage.now.max(now);
    }

    /// The server goes on as another one: nobody notices, or nothing has come of it.
    fn upgrade(&mut self) {
        self.disk.set_unreadable(false);
        self.stage.server.settle();
        for _ in 0..self.own.usize(1..SETTLING_STEPS) {
            if self.stage.server.is_quiet() {
                return self.hand_over();
            }
            self.step();
        }
        self.stage.server.resume();
    }

    fn hand_over(&mut self) {
        if self.trace {
            println!("{:>7} upgrade", self.stage.now);
        }
        let KeptWorld { disk, chat_settings, server_settings, is_lost, own, .. } = self;
        let (trace, is_in_vain) = (self.trace, own.u32(0..4) == 0);
        let start = || {
            let opened = disk.take_over(own.usize(0..20));
            server_on(own, opened, chat_settings, server_settings, is_lost, trace)
        };
        if is_in_vain {
            return self.stage.hand_over_in_vain(start);
        }
        self.stage.hand_over(start);
        self.jobs.clear();
    }

    /// Nothing fails any more: all that was said arrives, once.
    fn finish(&mut self) {
        self.disk.set_full(false);
        self.disk.set_unreadable(false);
        self.disk.set_latency(self.latency_ms / 2);
        self.searchers.iter_mut().for_each(Searcher::break_off);
        let mut steps = 0;
        while self.programs.iter().any(|program| !program.is_settled()) {
            for program in &mut self.programs {
                if !program.is_connected() && !program.is_settled() {
                    let (_, wire) = self.stage.connect(10_000_000);
                    program.connect(wire, &self.truth, &mut self.rng);
                }
                program.settle(&mut self.truth, &mut self.rng);
            }
            self.step();
            steps += 1;
            assert!(steps < 20_000, "it does not come to an end: {:#?}", self.programs);
        }
        // What was said last may not be durable yet.
        for _ in 0..100 {
            self.step();
        }
        let held = self.stage.server.service().chat.held_bytes();
        assert_eq!(held, 0, "something is held for those who have got what they asked for");
        self.truth.check_all();
    }
}

fn start(
    rng: &mut Rng,
    disk: &Disk,
    chat: &ChatSettings,
    server: &ServerSettings,
    limits: ConnectionLimits,
    is_lost: &Rc<Cell<bool>>,
    trace: bool,
) -> Stage<Keeper> {
    let opened = disk.start(rng.usize(0..20));
    let server = server_on(rng, opened, chat, server, is_lost, trace);
    Stage::new(Rng::with_seed(rng.u64(..)), limits, server, Links::default())
}

fn server_on(
    rng: &mut Rng,
    (store, loaded): (Box<dyn Store>, Loaded),
    chat: &ChatSettings,
    server: &ServerSettings,
    is_lost: &Rc<Cell<bool>>,
    trace: bool,
) -> Server<Near, Keeper> {
    // Another one at each start: the data's own goes before it.
    let settings = ChatSettings { epoch: rng.u64(..).to_string(), ..chat.clone() };
    let chat = Chat::with_store(settings, store, loaded);
    let keeper = Keeper { chat, is_lost: Rc::clone(is_lost), trace };
    Server::new(server.clone(), |_| keeper)
}

/// For programs, to see their wires.
pub type SharedWire = Rc<RefCell<crate::stream::Wire>>;
