//! The chat core: the whole server but the event loop, with clients, splits, resets and time drawn
//! from the input.
//!
//! In an orderly run everybody reads at once, and what is said arrives in pieces before anything
//! else happens; the same without the pieces must tell everybody the same. In a wild run bytes
//! move, connections break and time passes as the input says. In both every byte that a client gets
//! is judged (see [`person`]), and in the end nothing of anybody is left.

mod person;
mod script;

use std::cell::{Cell, RefCell};
use std::net::Ipv4Addr;
use std::ops::Range;
use std::rc::Rc;

use chat_server::chat::Chat;
use chat_server::chat::presence::PresenceLimits;
use chat_server::chat::settings::{ChatSettings, Registration};
use chat_server::chat::state::history::HistoryLimits;
use chat_server::chat::state::rooms::RoomLimits;
use chat_server::clock::Now;
use chat_server::delivery::limits::DeliveryLimits;
use chat_server::server::Server;
use chat_server::server::settings::{ConnectionLimits, ServerSettings};
use chat_server::throttle::Rate;
use chat_server::wire::Timeouts;

use super::cuts::Cuts;
use super::screen::Seen;
use super::stream::{Faults, Near, Wire};
use person::{Dialect, Person, Said};
use script::{Act, Script};

/// Clients at once.
const PEOPLE_MAX: usize = 8;

/// More rooms than a script of 4,096 bytes opens.
const ROOMS_MAX: usize = 1000;

/// After so many turns without anything new from outside, the loop spins.
const TURNS_MAX: usize = 20_000;

/// What flood control holds up at the end of a script has been served after this.
const PACED_SECONDS: usize = 60;

/// The settings' bytes at the start of an input.
const SETTINGS_BYTES: usize = 8;

/// Bytes of settings, then cuts, then a script.
pub fn run(input: &[u8]) {
    let Some((settings, input)) = input.split_first_chunk::<SETTINGS_BYTES>() else { return };
    let (cuts, script) = Cuts::read(input);
    if settings[0] & 1 == 0 {
        World::new(settings, None).run(script);
    } else {
        let cut = World::new(settings, Some(cuts)).run(script);
        let whole = World::new(settings, Some(Cuts::NONE)).run(script);
        assert_eq!(cut, whole, "what is said arrives in pieces, and something else is heard");
    }
}

struct World<'a> {
    server: Server<Near, Chat>,
    people: Vec<Person>,
    /// What came of those who are not looked at any more, by the number of the client.
    heard: Vec<Vec<Seen>>,
    now: u64,
    /// The same, for the connections to know.
    clock: Rc<Cell<u64>>,
    compress: bool,
    faults: Faults,
    capacity: usize,
    /// How what is said is cut; `None`: the network does as the script says.
    orderly: Option<Cuts<'a>>,
    /// Flood control is on.
    is_paced: bool,
    is_draining: bool,
    said: Said,
}

fn limits(settings: &[u8; SETTINGS_BYTES], orderly: bool) -> ConnectionLimits {
    let outbox_mark_bytes = 400 + 10 * usize::from(settings[1]);
    ConnectionLimits {
        delivery: DeliveryLimits {
            clients_expected: 0,
            outbox_mark_bytes,
            outbox_max_bytes: 16 * outbox_mark_bytes + 1000,
            memory_bytes_max: usize::MAX,
            held_bytes_max: usize::MAX,
            too_slow_ms: 1200,
            stalled_ms: 300,
            pace_ahead_ms: (settings[6] & 1 == 0).then_some(200),
        },
        message_bytes_max: 300,
        read_bytes_max: if orderly { 8000 } else { 64 + usize::from(settings[2]) },
        writes_max: 2 + usize::from(settings[3] % 32),
        bulk_writes_min: 1,
        last_words_ms: 1000,
        wire: Timeouts {
            greet_after_ms: 160,
            greet_after_remote_ms: 160,
            withhold_ms: 100,
            header_ms: 300,
            header_start_ms: 100,
            head_ms: 500,
            keep_alive_ms: 1500,
            ping_after_ms: 700,
            pong_ms: 500,
            linger_ms: 500,
            linger_sending_ms: 900,
        },
        establish_ms: 500,
        drain_ms: 600,
        requests: match settings[5] & 1 {
            0 => Rate::Off,
            _ => Rate::limited(3, 5).expect("in range"),
        },
        requests_max: 4,
        ..ConnectionLimits::default()
    }
}

fn chat_settings(settings: &[u8; SETTINGS_BYTES], limits: &ConnectionLimits) -> ChatSettings {
    let small = |bit: u8, small, large| if settings[4] & (1 << bit) == 0 { large } else { small };
    ChatSettings {
        rooms: RoomLimits {
            rooms_max: small(0, 2, ROOMS_MAX),
            history: HistoryLimits {
                messages_max: small(1, 3, 1000),
                bytes_max: small(2, 500, 10_000),
            },
            history_bytes_max: small(3, 1000, 1_000_000),
        },
        rooms_per_client_max: small(4, 2, 10),
        replay: u32::from(settings[5] % 16),
        replay_bytes_max: 200 + 2 * usize::from(settings[2]),
        rate: match settings[6] {
            0..128 => Rate::Off,
            fast => Rate::limited(u32::from(fast % 16) + 1, 20).expect("it is in range"),
        },
        presence: PresenceLimits {
            rate: Rate::limited(u32::from(settings[6] % 8) + 1, 2).expect("it is in range"),
            sum_ms: 1000,
        },
        announce_below: [100, 0, 3][usize::from(settings[5] >> 4) % 3],
        message_bytes_max: limits.message_bytes_max,
        answer_bytes_max: 300 + 4 * usize::from(settings[2]),
        direct_patience_ms: 200,
        grace_ms: 300,
        guests: true,
        registration: Registration::default(),
        proxies: Vec::new(),
        public_url: None,
        base_path: "/".to_owned(),
        times: false,
        epoch: "now".to_owned(),
    }
}

impl<'a> World<'a> {
    fn new(settings: &[u8; SETTINGS_BYTES], orderly: Option<Cuts<'a>>) -> World<'a> {
        let limits = limits(settings, orderly.is_some());
        let chat_settings = chat_settings(settings, &limits);
        let faults = match (orderly, settings[7]) {
            (None, troubled @ 128..) => Faults {
                interrupted: u32::from(troubled % 4) * 60,
                short_write: u32::from(troubled / 4 % 4) * 120,
                early: u32::from(troubled / 16 % 4) * 120,
                buffer_bytes_max: usize::from(troubled / 64 % 2) * 100,
                establish_calls_max: 0,
                tls: 0,
            },
            _ => Faults::default(),
        };
        let compress = settings[0] & 2 != 0;
        // Rooms that give way to others start counting anew.
        let said =
            Said::new(chat_settings.rooms.rooms_max == ROOMS_MAX, chat_settings.answer_bytes_max);
        let is_paced = chat_settings.rate != Rate::Off;
        World {
            server: Server::new(
                ServerSettings { limits, compress, ..ServerSettings::default() },
                |_| Chat::new(chat_settings),
            ),
            people: Vec::new(),
            heard: Vec::new(),
            now: 0,
            clock: Rc::default(),
            compress,
            faults,
            capacity: if orderly.is_some() {
                100_000
            } else {
                4 * limits.delivery.outbox_mark_bytes
            },
            orderly,
            is_paced,
            is_draining: false,
            said,
        }
    }

    /// Plays a script to its end; then all leave. Returns what each client has heard, in some
    /// order.
    fn run(mut self, script: &[u8]) -> Vec<Vec<Seen>> {
        let mut script = Script::new(script);
        while let Some(act) = script.next_act(self.people.len()) {
            self.act(act);
            if self.orderly.is_some() {
                self.deliver();
            }
        }
        self.finish();
        for heard in &mut self.heard {
            // That is said as soon as the bytes arrive, even of those behind a line that is too
            // long.
            let answers = ["* Yes, I am here.", "* Type /quit to leave."];
            heard.retain(|seen| !matches!(seen, Seen::Line(line) if answers.contains(&&**line)));
            // Which room has spoken last is another matter if somebody is held up.
            heard
                .retain(|seen| !matches!(seen, Seen::Line(line) if line.starts_with("* Said in ")));
            heard.sort();
        }
        self.heard
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Connect { dialect, name, room } => self.connect(dialect, name, room),
            Act::Say { who, ask } => self.people[who].say(&ask),
            Act::Send { who, bytes } => self.people[who].send(&bytes),
            Act::HalfClose { who } => self.people[who].wire.borrow_mut().fin_sent = true,
            Act::Pass { ms } => self.pass(ms),
            Act::Drain => {
                self.is_draining = true;
                self.server.drain();
            }
            // An orderly network does all this by itself, or not at all: when a broken connection
            // is noticed depends on when something is written to it.
            _ if self.orderly.is_some() => {}
            Act::Reset { who } => self.people[who].wire.borrow_mut().break_off(),
            Act::Arrive { who, bytes } => self.people[who].wire.borrow_mut().arrive(bytes),
            Act::Read { who, bytes } => self.people[who].read(bytes, &mut self.said),
            Act::Capacity { who, bytes } => self.people[who].wire.borrow_mut().capacity = bytes,
            Act::Turn => {
                self.poll();
            }
            Act::Calm => {
                for person in &mut self.people {
                    person.wire.borrow_mut().arrive(usize::MAX);
                    person.read(usize::MAX, &mut self.said);
                }
                self.poll();
                self.settle();
            }
        }
    }

    fn connect(&mut self, dialect: Dialect, name: Option<String>, room: Option<String>) {
        if self.people.len() == PEOPLE_MAX || self.is_draining {
            return;
        }
        let number = self.heard.len();
        self.heard.push(Vec::new());
        let wire = Rc::new(RefCell::new(Wire::new(
            number as u64,
            self.faults,
            self.capacity,
            Rc::clone(&self.clock),
        )));
        let key = self.server.next_key();
        let now = self.now();
        let peer = (Ipv4Addr::LOCALHOST, 1000).into();
        assert_eq!(self.server.accept(Near(Rc::clone(&wire)), peer, now), key);
        let mut person = Person::new(number, key, wire, dialect, self.compress);
        person.introduce(name.as_deref(), room.as_deref());
        self.people.push(person);
    }

    // ---- The network and the event loop ----

    /// Brings everything that was sent, in pieces, and lets everybody read what comes of each.
    fn deliver(&mut self) {
        let cuts = self.orderly.unwrap_or(Cuts::NONE);
        for who in 0..self.people.len() {
            self.people[who].press_no_keys_to_leave();
            // Only the lengths matter; what is sent is in the uplink.
            let sent = vec![0; self.people[who].wire.borrow().unread_by_server()];
            // What decides the wire comes whole: an empty line by itself is somebody's Enter, and
            // before a request it is nothing. How first bytes may be cut is tested where they are
            // looked at.
            let cuts = if self.people[who].is_in() { cuts } else { Cuts::NONE };
            for piece in cuts.pieces(&sent) {
                let mut wire = self.people[who].wire.borrow_mut();
                wire.arrive(piece.len());
                // Behind a line that flood control holds up, the rest of its ending is read, and what
                // ends the connection is noticed, a turn later: others are heard in that.
                let is_within_ending =
                    wire.input.back() == Some(&b'\r') && wire.uplink.front() == Some(&b'\n');
                drop(wire);
                if is_within_ending && self.is_paced {
                    continue;
                }
                self.poll();
                self.settle();
            }
            let mut wire = self.people[who].wire.borrow_mut();
            // A client that has been told that it is over closes its side.
            wire.fin_sent |= wire.is_over();
            wire.arrive(0);
        }
        self.poll();
        self.settle();
        self.bury();
    }

    /// Reports readiness, and turns the server once if it has a reason. Returns whether it had.
    fn poll(&mut self) -> bool {
        let mut events = false;
        for person in &self.people {
            let mut wire = person.wire.borrow_mut();
            if wire.dropped {
                continue;
            }
            wire.ease();
            let (readable, writable, ended) = (wire.readable, wire.writable, wire.ended);
            (wire.readable, wire.writable, wire.ended) = (false, false, false);
            let reset = wire.reset;
            drop(wire);
            events |= readable || writable || ended;
            if ended && reset {
                self.server.broken(person.key);
            } else if ended {
                self.server.input_ended(person.key);
            } else if readable {
                self.server.readable(person.key);
            }
            if writable {
                self.server.writable(person.key);
            }
        }
        let is_due = events
            || self.server.is_busy()
            || self.server.next_deadline().is_some_and(|at| at <= self.now);
        if is_due {
            self.turn();
        }
        is_due
    }

    fn turn(&mut self) {
        self.clock.set(self.now);
        let now = self.now();
        self.server.turn(now);
        self.server.assert_invariants();
        assert!(
            self.server.next_deadline().is_none_or(|at| at > self.now),
            "a deadline was left in the past"
        );
        if self.orderly.is_some() {
            for person in &mut self.people {
                person.read(usize::MAX, &mut self.said);
            }
        }
    }

    /// Turns until there is nothing to do but wait.
    fn settle(&mut self) {
        let mut turns = 0;
        while self.server.is_busy() {
            self.poll();
            turns += 1;
            assert!(turns < TURNS_MAX, "the loop spins");
        }
    }

    fn pass(&mut self, ms: u64) {
        let until = self.now + ms;
        self.settle();
        while let Some(at) = self.server.next_deadline().filter(|&at| at <= until) {
            self.now = self.now.max(at);
            self.poll();
            self.settle();
        }
        self.now = until;
    }

    fn now(&self) -> Now {
        Now { ms: self.now, unix_ms: 1_700_000_000_000 + self.now }
    }

    // ---- Going ----

    /// Forgets those whose connections are over on both sides.
    fn bury(&mut self) {
        for person in self.people.extract_if(.., |person| person.is_gone()) {
            self.heard[person.number] = person.heard;
        }
    }

    /// Everybody leaves, and nothing of them stays. One after the other in an orderly run: whoever
    /// goes first hears nothing of the others' leaving.
    fn finish(&mut self) {
        if self.orderly.is_some() && self.is_paced {
            // What flood control holds up is heard before anybody leaves: whether what is said in
            // the same millisecond as somebody goes comes first is the turn's choice.
            for _ in 0..PACED_SECONDS * 10 {
                self.pass(100);
                self.deliver();
            }
        }
        let everybody = 0..self.people.len();
        match self.orderly {
            Some(_) => everybody.for_each(|who| self.leave(who..who + 1)),
            None => self.leave(everybody),
        }
        assert!(self.server.is_empty(), "{} clients stay after all have left", self.server.len());
        for person in &mut self.people {
            person.read(usize::MAX, &mut self.said);
            assert!(
                self.orderly.is_none() || person.is_whole(),
                "client {} was cut off",
                person.number
            );
        }
        self.bury();
        assert!(self.people.is_empty());
        // Deadlines of those who have gone pass without anybody.
        self.pass(10_000);
        self.server.assert_at_rest();
        assert_eq!((self.server.service().people(), self.server.is_busy()), (0, false));
    }

    /// These people leave, and time passes until their connections are over.
    fn leave(&mut self, who: Range<usize>) {
        for person in &mut self.people[who.clone()] {
            let mut wire = person.wire.borrow_mut();
            wire.fin_sent = true;
            wire.capacity = 100_000;
        }
        let mut turns = 0;
        while self.people[who.clone()].iter().any(|person| !person.wire.borrow().dropped) {
            for person in &mut self.people {
                person.wire.borrow_mut().arrive(usize::MAX);
                person.read(usize::MAX, &mut self.said);
            }
            if !self.poll()
                && let Some(at) = self.server.next_deadline()
            {
                self.now = self.now.max(at);
            }
            turns += 1;
            assert!(turns < TURNS_MAX, "these clients stay after they have left: {who:?}");
        }
    }
}
