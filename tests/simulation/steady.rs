//! A room that some flood and others read slowly and steadily, where somebody says a word now and
//! then: how long a word may take follows from what the slowest member reads.
//!
//! The word comes when that member is over the mark at most: by half the mark, what the turn
//! brought that put it there, and that turn's last message. It has to read so much until it is at
//! half the mark, and the room goes on. Of those that wait, who has said least lately goes first:
//! before the word at most one message of each who floods, of one whose bucket was full when it was
//! said. That has to be read as well. Nothing else comes before it.

use std::cell::RefCell;
use std::rc::Rc;

use chat_server::chat::Chat;
use chat_server::server::Server;
use chat_server::server::admission::{AddressPolicy, MaxClients};
use chat_server::server::settings::ServerSettings;
use chat_server::throttle::Rate;
use chat_server::wire::Protocols;
use fastrand::Rng;

use crate::settings;
use crate::stage::{Links, Stage};
use crate::stream::Wire;
use crate::world::Tally;

/// What a turn may publish to rooms with slow members is this part of the mark.
const TURN_DIVISOR: usize = 8;
/// What a line is longer for its readers than for its sender: a time, a room and a name.
const LINE_BYTES_MORE: usize = 64;
const STEP_MS: u64 = 20;
/// Before the first word, so that the room is known to have slow members.
const WARM_UP_MS: u64 = 1_000;

type Pipe = Rc<RefCell<Wire>>;

pub struct Steady {
    stage: Stage<Chat>,
    message_bytes_max: usize,
    flooders: Vec<Pipe>,
    /// Those that read slowly, with their bytes a second.
    slow: Vec<(Pipe, u64)>,
    speaker: Pipe,
    listener: Pipe,
    heard: Vec<u8>,
    /// When the last word was said, unless it has been told.
    waits_since: Option<u64>,
    words: usize,
    next_word_at: u64,
    words_every_ms: u64,
    bound_ms: u64,
}

impl Steady {
    pub fn new(seed: u64) -> Steady {
        let mut rng = Rng::with_seed(seed);
        let mut limits = settings::limits(&mut rng);
        limits.delivery.memory_bytes_max = usize::MAX;
        limits.delivery.pace_ahead_ms = None;
        let (mut chat, ..) = settings::chat(&mut rng, &limits);
        let per_second = rng.u32(5..50);
        chat.rate = Rate::limited(rng.u32(4..20), per_second).expect("in range");
        let addresses = AddressPolicy::new(Some(MaxClients::AtMost(u32::MAX)), None);
        let protocols = Protocols::Line;
        let settings = ServerSettings { limits, addresses, protocols, ..Default::default() };
        let (flooders, slow) = (rng.usize(2..12), rng.usize(1..5));

        let mark = limits.delivery.outbox_mark_bytes;
        let message = limits.message_bytes_max + LINE_BYTES_MORE;
        let over_half = mark / 2 + mark / TURN_DIVISOR + message;
        // Who stays over the mark for longer is too slow.
        let reads_in_ms = rng.u64(150..limits.delivery.too_slow_ms * 3 / 4);
        let slowest = 1 + over_half as u64 * 1000 / reads_in_ms;
        let before_it = (flooders * message) as u64;
        // Turns of few visits, while the clock goes on, until all have been read and written to.
        let slack_ms = 4 * STEP_MS + 8 * (flooders + slow + 2) as u64;
        let bound_ms = (over_half as u64 + before_it) * 1000 / slowest + slack_ms;

        let server = Server::new(settings, |_| Chat::new(chat));
        let mut stage = Stage::new(rng, limits, server, Links::default());
        let mut connect = |capacity| stage.connect(capacity).1;
        let plenty = 16 * mark;
        let (speaker, listener) = (connect(plenty), connect(plenty));
        let flooders = (0..flooders).map(|_| connect(plenty)).collect();
        let slow = (0..slow).map(|i| connect(mark / (1 + i))).collect::<Vec<_>>();
        let rate = |(i, pipe)| (pipe, slowest * (1 + i as u64));
        Steady {
            slow: slow.into_iter().enumerate().map(rate).collect(),
            next_word_at: stage.now + WARM_UP_MS,
            stage,
            message_bytes_max: limits.message_bytes_max,
            flooders,
            speaker,
            listener,
            heard: Vec::new(),
            waits_since: None,
            words: 0,
            // Its bucket is full again then.
            words_every_ms: 2_000 / u64::from(per_second) + 1,
            bound_ms,
        }
    }

    pub fn run(mut self, steps: usize) -> Tally {
        let quiet = self.slow.iter().map(|(pipe, _)| pipe).chain([&self.speaker, &self.listener]);
        quiet.for_each(|pipe| pipe.borrow_mut().uplink.extend(b"\r\n"));
        for _ in 0..steps {
            self.step();
        }
        for pipe in self.flooders.iter().chain(self.slow.iter().map(|(pipe, _)| pipe)) {
            assert!(!pipe.borrow().is_over(), "somebody was let go who reads");
        }
        Tally { turns: self.stage.turns, taken: self.words }
    }

    fn step(&mut self) {
        let began = self.stage.now;
        for pipe in &self.flooders {
            let mut wire = pipe.borrow_mut();
            if wire.unread_by_server() < 2 * self.message_bytes_max {
                let bytes = self.stage.rng.usize(1..self.message_bytes_max - 2);
                wire.uplink.extend([&vec![b'g'; bytes][..], b"\r\n"].concat());
            }
        }
        if self.waits_since.is_none() && self.next_word_at <= began {
            self.words += 1;
            let word = format!("word {};\r\n", self.words);
            self.speaker.borrow_mut().uplink.extend(word.as_bytes());
            self.waits_since = Some(began);
        }
        let slow = self.slow.iter().map(|(pipe, _)| pipe);
        for pipe in self.flooders.iter().chain(slow).chain([&self.speaker, &self.listener]) {
            pipe.borrow_mut().arrive(usize::MAX);
        }
        self.stage.poll();
        let wait = self.stage.rng.u64(1..STEP_MS);
        self.stage.pass(wait);
        self.read(self.stage.now - began);
    }

    /// All read what they may in so long, and the listener looks for the word.
    fn read(&mut self, elapsed_ms: u64) {
        for (pipe, per_second) in &self.slow {
            pipe.borrow_mut().take((per_second * elapsed_ms).div_ceil(1000) as usize);
        }
        for pipe in self.flooders.iter().chain([&self.speaker]) {
            pipe.borrow_mut().take(usize::MAX);
        }
        self.heard.extend(self.listener.borrow_mut().take(usize::MAX));
        let Some(since) = self.waits_since else { return };
        let word = format!("word {};", self.words);
        if self.heard.windows(word.len()).any(|heard| heard == word.as_bytes()) {
            self.heard.clear();
            self.waits_since = None;
            self.next_word_at = self.stage.now + self.words_every_ms;
        } else {
            let waited_ms = self.stage.now - since;
            let bound_ms = self.bound_ms;
            assert!(waited_ms <= bound_ms, "a word has waited {waited_ms} ms of {bound_ms}");
            // A word may be cut in two.
            let kept = self.heard.len().min(word.len());
            self.heard.drain(..self.heard.len() - kept);
        }
    }
}
