//! People with accounts, on several devices each, and guests, in a chat that keeps them: they log in
//! and out in mid-conversation, make tokens, bots and end them, invite others, take other names and
//! passwords and end their accounts, while the server crashes and the disk fails. Their rooms are for
//! everybody or for some: they let others in, remove and mute them, give roles, rename and delete
//! rooms; guests come back by their tokens; they talk in private, ignore each other, say what they have read and who something is for,
//! and delete what was said; some are away for a while, and others ask who they are. They report what was said, and admins and owners ban accounts and
//! addresses, for a while or for good.
//!
//! A model ([`model`]) is told of every request when the server serves it, and predicts every word
//! that each device hears. What is on the disk after a crash has to be what the model had at some
//! moment, and not before the last of which anybody has heard.

mod accounts;
mod bans;
mod bots;
mod coming;
mod deletions;
mod device;
mod direct;
mod draw;
mod drawing;
mod following;
mod hearing;
mod hooks;
mod keeper;
mod looking;
mod mentions;
mod model;
mod names;
mod order;
mod positions;
mod printing;
mod private;
mod reading;
mod recovery;
mod reports;
mod request;
mod resetting;
mod resuming;
mod rights;
mod rooms;
mod serving;
mod term;
mod terminal;
mod told;
mod whereabouts;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::env;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use chat_server::chat::Chat;
use chat_server::chat::settings::{ChatSettings, Registration};
use chat_server::clock::{Millis, Now};
use chat_server::ids::Ticket;
use chat_server::secrets::Secrets;
use chat_server::server::Server;
use chat_server::server::admission::{AddressPolicy, MaxClients};
use chat_server::server::settings::{ConnectionLimits, ServerSettings};
use chat_server::service::{Answer, Job};
use chat_server::throttle::Rate;
use chat_server::wire::Protocols;
use fastrand::Rng;

use crate::disk::Disk;
use crate::settings;
use crate::stage::{Links, Stage};
use crate::stream::Near;
use crate::succession::SETTLING_STEPS;
use crate::world::Tally;

use device::Device;
use draw::ROOMS;
use drawing::Drawing;
use following::{FOLLOWERS, Follower};
use hooks::{PROGRAMS, Program};
use keeper::{Keeper, SECRET_TICKETS};
use model::{Model, Rules};
use terminal::Terminal;

/// Nobody waits for the store.
const HELD_BYTES_MAX: usize = 1 << 20;

/// When time begins.
const UNIX_MS: u64 = 1_700_000_000_000;
/// Within so much, what was read is written down.
const WRITE_MS: u64 = 2_000;
/// Within so much, passwords may be tried again.
const LONG_MS: u64 = 3_000;
/// What people wait for at most.
const LONGEST_MS: u64 = 100_000;

pub struct People {
    rng: Rng,
    disk: Disk,
    stage: Stage<Keeper>,
    model: Rc<RefCell<Model>>,
    secrets: Arc<Drawing>,
    rules: Rules,
    chat_settings: ChatSettings,
    server_settings: ServerSettings,
    limits: ConnectionLimits,
    is_lost: Rc<Cell<bool>>,
    devices: Vec<Device>,
    programs: [Program; PROGRAMS],
    followers: [Follower; FOLLOWERS],
    terminals: Vec<Terminal>,
    /// What is being done beside the event loop, and when that is done.
    jobs: Vec<(Millis, Job)>,
    /// What was read, and when the event loop takes it.
    answers: Vec<(Millis, Ticket, Answer)>,
    slow_ms: u64,
    latency_ms: u64,
    requests: u64,
    /// Draws of upgrades, so that all others stay what they are.
    own: Rng,
    turns: usize,
    trace: bool,
}

impl People {
    pub fn new(seed: u64) -> People {
        let mut rng = Rng::with_seed(seed);
        let mut limits = settings::limits(&mut rng);
        // Nobody falls behind here: every word is predicted.
        limits.delivery.outbox_mark_bytes = 1 << 20;
        limits.delivery.outbox_max_bytes = 1 << 24;
        limits.delivery.memory_bytes_max = usize::MAX;
        limits.delivery.held_bytes_max =
            if rng.bool() { HELD_BYTES_MAX } else { rng.usize(500..4000) };
        // Nor does anybody come too late.
        limits.establish_ms = 1_000_000;
        (limits.wire.header_ms, limits.wire.head_ms) = (1_000_000, 1_000_000);
        limits.wire.pong_ms = 1_000_000;
        let (mut chat_settings, ..) = settings::chat(&mut rng, &limits);
        let rules = Rules {
            guests: rng.u32(0..5) > 0,
            is_open: rng.bool(),
            rooms_max: rng.usize(1..=ROOMS.len()),
            announce_below: [3, 100, 100][rng.usize(0..3)],
            grace_ms: [100, 1_000, 30_000][rng.usize(0..3)],
        };
        chat_settings.grace_ms = rules.grace_ms;
        chat_settings.guests = rules.guests;
        chat_settings.registration =
            if rules.is_open { Registration::Open } else { Registration::Invited };
        chat_settings.rooms.rooms_max = 100;
        chat_settings.rooms.history_bytes_max = 1_000_000;
        // Pages that are read go on where memory begins: no answer is without the newest.
        let history = &mut chat_settings.rooms.history;
        history.messages_max = history.messages_max.max(8);
        history.bytes_max = history.bytes_max.max(4000);
        chat_settings.rooms_per_client_max = rules.rooms_max;
        chat_settings.replay = 0;
        chat_settings.answer_bytes_max = 1 << 18;
        chat_settings.rate = Rate::Off;
        chat_settings.announce_below = rules.announce_below as u32;
        chat_settings.presence.rate = Rate::Off;
        let server_settings = ServerSettings {
            limits,
            addresses: AddressPolicy::new(Some(MaxClients::AtMost(u32::MAX)), None),
            protocols: Protocols::Auto,
            insecure_logins: rng.u32(0..6) > 0,
            ..ServerSettings::default()
        };
        let (slow_ms, latency_ms) = (rng.u64(1..60), if rng.bool() { 0 } else { rng.u64(1..60) });
        let (disk, is_lost) = (Disk::default(), Rc::new(Cell::new(false)));
        let model = Rc::new(RefCell::new(Model::new(rules)));
        let secrets = Arc::new(Drawing::default());
        let devices = (0..rng.usize(2..9)).map(|at| Device::new(at, at % 3 > 0)).collect();
        let terminals = (0..rng.usize(0..3)).map(|_| Terminal::new()).collect();
        let trace = env::var_os("SIMULATION_TRACE").is_some();
        let start = Start { disk: &disk, model: &model, secrets: &secrets, is_lost: &is_lost };
        let stage = start.stage(&mut rng, &chat_settings, &server_settings, limits, trace);
        People {
            rng,
            stage,
            disk,
            model,
            secrets,
            rules,
            chat_settings,
            server_settings,
            limits,
            is_lost,
            devices,
            programs: Default::default(),
            followers: Default::default(),
            terminals,
            jobs: Vec::new(),
            answers: Vec::new(),
            slow_ms,
            latency_ms,
            requests: 0,
            own: Rng::with_seed(!seed),
            turns: 0,
            trace,
        }
    }

    /// A whole run; in the end everybody has heard what it was to hear, and the disk has it.
    pub fn run(mut self, steps: usize) -> Tally {
        for _ in 0..6 * steps {
            match self.rng.u32(0..120) {
                0 => self.crash(),
                1 => self.disk.fail(),
                _ => {}
            }
            self.disk.set_latency(match self.latency_ms {
                0 => 0,
                max => self.rng.u64(0..=max),
            });
            match self.rng.u32(0..30) {
                0 => self.pass_to_an_end(),
                _ => self.act(),
            }
            self.step();
            if self.own.u32(0..self.upgrade_every()) == 0 {
                self.upgrade();
            }
        }
        self.finish();
        for _ in 0..WRITE_MS / 100 {
            self.stage.pass(200);
            self.step();
        }
        self.model.borrow_mut().is_settled = true;
        self.crash();
        self.turns += self.stage.turns;
        let taken = self.model.borrow().heard;
        Tally { turns: self.turns, taken }
    }

    fn act(&mut self) {
        self.follow();
        let People { rng, stage, devices, terminals, programs, model, rules, requests, .. } = self;
        for program in programs.iter_mut() {
            if program.is_free() && rng.u32(0..8) == 0 {
                let from = (Program::address(rng), 1000).into();
                if stage.server.admit(from, stage.now()).is_ok() {
                    let connection = stage.connect_from(from, 10_000_000);
                    program.post(connection, &model.borrow(), requests, rng);
                }
            } else if rng.u32(0..60) == 0 {
                program.break_off();
            }
        }
        for terminal in terminals {
            if terminal.number().is_none() {
                let from = (terminal.address(), 1000).into();
                if rng.u32(0..6) == 0 && stage.server.admit(from, stage.now()).is_ok() {
                    let (number, wire) = stage.connect_from(from, 10_000_000);
                    terminal.connect(number, wire, (&model.borrow(), rules), requests, rng);
                }
            } else if rng.u32(0..300) == 0 {
                terminal.break_off();
            } else if rng.u32(0..2) == 0 {
                terminal.act(&model.borrow(), rules, requests, rng);
            }
        }
        for device in devices {
            if device.number().is_none() {
                if rng.u32(0..6) == 0 {
                    let (ip, now) = (device.address(rng), stage.now());
                    let from = (ip, 1000).into();
                    if stage.server.admit(from, now).is_ok() {
                        let (number, wire) = stage.connect_from(from, 10_000_000);
                        device.connect(number, ip, wire, &model.borrow(), rng);
                    }
                }
            } else if rng.u32(0..100) == 0 {
                device.break_off();
            } else if rng.u32(0..4) == 0 {
                device.act(&model.borrow(), rules, requests, rng);
            }
        }
    }

    /// Programs begin to follow what is said, or stop.
    fn follow(&mut self) {
        let People { rng, stage, followers, model, .. } = self;
        for follower in followers {
            if follower.is_free() && rng.u32(0..12) == 0 {
                let from = following::address(rng);
                if stage.server.admit(from, stage.now()).is_ok() {
                    let connection = stage.connect_from(from, 10_000_000);
                    follower.connect(connection, &mut model.borrow_mut(), rng);
                }
            } else if rng.u32(0..100) == 0 {
                follower.break_off();
            }
        }
    }

    /// It becomes the moment at which a ban, a mute or a code ends, or the one before, and all whom it is for
    /// try.
    fn pass_to_an_end(&mut self) {
        let next = self.model.borrow().next_end();
        let Some((at, user)) =
            next.filter(|_| self.limits.delivery.held_bytes_max == HELD_BYTES_MAX)
        else {
            return;
        };
        let left = at.saturating_sub(UNIX_MS + self.stage.now);
        if left >= LONGEST_MS {
            return;
        }
        let until = self.stage.now + left.saturating_sub(self.rng.u64(0..2));
        while self.stage.now < until {
            self.stage.pass(LONG_MS.min(until - self.stage.now));
            // Nobody is too slow who has read meanwhile.
            self.stage.poll();
            self.read();
        }
        let People { rng, devices, model, requests, .. } = self;
        devices.iter_mut().for_each(|device| device.try_as(user, &model.borrow(), requests, rng));
    }

    fn step(&mut self) {
        self.stage.poll();
        // Passwords may be tried once in two seconds.
        // A store that is behind is waited for so long only.
        let may_take_long = self.limits.delivery.held_bytes_max == HELD_BYTES_MAX;
        let takes_long = may_take_long && self.rng.u32(0..8) == 0;
        let wait = if takes_long { LONG_MS } else { self.rng.u64(0..30) };
        self.stage.pass(wait);
        // It wakes the event loop.
        if self.disk.pass(self.stage.now) {
            self.stage.turn();
        }
        self.work();
        self.read();
        if self.is_lost.take() {
            self.break_off_all();
            self.followers.iter_mut().for_each(Follower::break_off);
        }
    }

    fn break_off_all(&mut self) {
        self.devices.iter_mut().for_each(Device::break_off);
        self.terminals.iter_mut().for_each(Terminal::break_off);
    }

    fn read(&mut self) {
        for device in &mut self.devices {
            device.carry(&mut self.rng);
            device.read(&mut self.model.borrow_mut(), self.trace, &mut self.rng);
        }
        for follower in &mut self.followers {
            follower.carry(&mut self.rng);
            follower.read(&mut self.model.borrow_mut());
        }
        for program in &mut self.programs {
            program.carry(&mut self.rng);
            program.read(&mut self.model.borrow_mut());
        }
        let is_still = !self.stage.server.is_busy() && self.stage.server.unstored_groups() == 0;
        for terminal in &mut self.terminals {
            terminal.carry(&mut self.rng);
            terminal.read(&mut self.model.borrow_mut(), is_still, self.trace);
        }
    }

    /// What threads beside the event loop do.
    fn work(&mut self) {
        let now = self.stage.now;
        if !self.model.borrow().has_owner() {
            self.secrets.offers_owner.store(true, Ordering::Relaxed);
        }
        for job in self.stage.server.take_jobs() {
            let until = now + self.rng.u64(0..self.slow_ms);
            // What is read may be older than what the event loop has by then.
            match job.ticket.0 < SECRET_TICKETS && self.rng.bool() {
                true => self.answers.push((until, job.ticket, (job.run)())),
                false => self.jobs.push((until, job)),
            }
        }
        let all = std::mem::take(&mut self.answers).into_iter();
        let (due, rest) = all.partition(|(at, ..)| *at <= now);
        self.answers = rest;
        for (_, ticket, answer) in due {
            self.stage.server.completed(ticket, answer, self.stage.now());
        }
        let (due, rest) = std::mem::take(&mut self.jobs).into_iter().partition(|job| job.0 <= now);
        self.jobs = rest;
        for (_, job) in due {
            self.secrets.took_owner.store(false, Ordering::Relaxed);
            let (ticket, answer) = (job.ticket, (job.run)());
            let drawn = self.secrets.drawn.lock().expect("nobody panics with it").take();
            if let Some(random) = drawn {
                let took_owner = self.secrets.took_owner.load(Ordering::Relaxed);
                self.model.borrow_mut().drew(ticket.0, random, took_owner);
            }
            let now = Now { ms: now, unix_ms: UNIX_MS + now };
            self.stage.server.completed(ticket, answer, now);
        }
        if self.stage.server.is_busy() {
            self.stage.turn();
        }
    }

    /// The server is no more, and another is started on what the disk has.
    fn crash(&mut self) {
        // What has left the server arrives.
        self.read();
        self.disk.crash(self.rng.usize(0..4));
        if self.trace {
            println!("{:>7} crash", self.stage.now);
        }
        self.break_off_all();
        self.programs.iter_mut().for_each(Program::break_off);
        self.followers.iter_mut().for_each(Follower::break_off);
        self.jobs.clear();
        self.answers.clear();
        self.is_lost.set(false);
        self.model.borrow_mut().recover(&self.disk, true);
        self.turns += self.stage.turns;
        let now = self.stage.now;
        let People { rng, disk, model, secrets, is_lost, .. } = self;
        let start = Start { disk, model, secrets, is_lost };
        let (chat, server) = (&self.chat_settings, &self.server_settings);
        self.stage = start.stage(rng, chat, server, self.limits, self.trace);
        self.stage.now = self.stage.now.max(now);
        // It may be off for a day: until shortly before a code is over.
        let end = self.model.borrow().next_end_of_code();
        if let Some((until_ms, _)) = end.filter(|_| self.rng.u32(0..3) == 0) {
            let left = until_ms.saturating_sub(UNIX_MS + self.stage.now);
            self.stage.now += left.saturating_sub(self.rng.u64(1..LONGEST_MS));
        }
    }

    /// One step in so many is followed by an upgrade: more while there is something that only memory
    /// has, for guests who may come back.
    fn upgrade_every(&self) -> u32 {
        if self.model.borrow().has_traces() { 4 } else { 40 }
    }

    /// The server goes on as another one: nobody notices, or nothing has come of it.
    fn upgrade(&mut self) {
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
        // What has left the server arrives, also at those that it does not go on with.
        self.read();
        if self.trace {
            println!("{:>7} upgrade", self.stage.now);
        }
        let links = self.stage.links();
        let People { own, disk, model, secrets, is_lost, .. } = self;
        let start = Start { disk, model, secrets, is_lost };
        let (chat, server, trace) = (&self.chat_settings, &self.server_settings, self.trace);
        self.stage.hand_over(|| start.server(own, chat, server, &links, trace));
        self.jobs.clear();
        self.answers.clear();
        // Those that it does not go on with are cut off, with what is on its way.
        self.devices.iter_mut().for_each(Device::break_off_if_dropped);
        self.terminals.iter_mut().for_each(Terminal::break_off_if_dropped);
    }

    /// Nothing fails any more: all who are there hear what they were to hear.
    fn finish(&mut self) {
        self.disk.set_latency(self.latency_ms / 2);
        for _ in 0..2000 {
            self.step();
            if self.devices.iter().all(|device| !device.has_more_to_say())
                && self.programs.iter().all(Program::is_free)
                && self.terminals.iter().all(Terminal::is_settled)
                && self.unheard().is_none()
            {
                return;
            }
        }
        let unstored = self.stage.server.unstored_groups();
        panic!("it does not come to an end: {:?}, {unstored} not stored", self.unheard());
    }

    /// A device that has not heard all that it was to hear, and what.
    fn unheard(&self) -> Option<String> {
        let model = self.model.borrow();
        let followers = self.followers.iter().filter_map(Follower::number);
        let of_terminals = self.terminals.iter().filter_map(Terminal::number);
        let mut numbers =
            self.devices.iter().filter_map(Device::number).chain(of_terminals).chain(followers);
        numbers.find_map(|number| {
            if model.past.get(&number).is_some_and(|past| past.is_superseded) {
                return Some(format!("client {number} is not closed, as its guest is elsewhere"));
            }
            let unheard = model.unheard(number);
            (!unheard.is_empty()).then(|| format!("client {number}: {unheard:?}"))
        })
    }
}

/// What outlives a server.
struct Start<'a> {
    disk: &'a Disk,
    model: &'a Rc<RefCell<Model>>,
    secrets: &'a Arc<Drawing>,
    is_lost: &'a Rc<Cell<bool>>,
}

impl Start<'_> {
    fn stage(
        &self,
        rng: &mut Rng,
        chat: &ChatSettings,
        server: &ServerSettings,
        limits: ConnectionLimits,
        trace: bool,
    ) -> Stage<Keeper> {
        let links = Links::default();
        let server = self.server(rng, chat, server, &links, trace);
        Stage::new(Rng::with_seed(rng.u64(..)), limits, server, links)
    }

    fn server(
        &self,
        rng: &mut Rng,
        chat: &ChatSettings,
        server: &ServerSettings,
        links: &Links,
        trace: bool,
    ) -> Server<Near, Keeper> {
        let (store, loaded) = self.disk.start(rng.usize(0..20));
        let secrets: Arc<dyn Secrets> = Arc::<Drawing>::clone(self.secrets);
        let chat = Chat::with_store(chat.clone(), store, loaded).with_secrets(secrets);
        let keeper = Keeper {
            links: Rc::clone(links),
            chat,
            model: Rc::clone(self.model),
            disk: self.disk.clone(),
            arriving: Vec::new(),
            coming: BTreeMap::new(),
            is_lost: Rc::clone(self.is_lost),
            trace,
        };
        Server::new(server.clone(), |_| keeper)
    }
}
