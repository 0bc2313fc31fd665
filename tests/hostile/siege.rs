//! A server under attack while honest people talk, and the gauges on it.

use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Server, eventually, program_with_descriptors, raise_descriptor_limit};
use crate::conversation::Conversation;
use crate::gauge::Gauge;
use crate::pingers::Pingers;

/// How long a message among the honest may take at most, on a machine of two cores that builds
/// something else meanwhile. A debug build takes ten times as long for what takes a core.
pub const LATENCY_MAX: Duration = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 3 });
/// What a server may keep after everybody has left: free memory between what stays, and what the
/// honest have said.
pub const KEPT_MIB: u64 = 8;

/// How long attackers that can leave at once take.
const LEAVING: Duration = Duration::from_secs(2);

/// So many attacks keep the machine busy at once: one for each core, so that each is measured
/// nearly as if it were alone.
const AT_ONCE: usize = 2;

static BUSY: Mutex<usize> = Mutex::new(0);
static LESS_BUSY: Condvar = Condvar::new();

/// One of the attacks that keep the machine busy.
struct Place;

impl Place {
    fn take() -> Place {
        let busy = BUSY.lock().unwrap_or_else(PoisonError::into_inner);
        let mut busy = LESS_BUSY
            .wait_while(busy, |busy| *busy == AT_ONCE)
            .unwrap_or_else(PoisonError::into_inner);
        *busy += 1;
        Place
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *BUSY.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        LESS_BUSY.notify_one();
    }
}

/// A wait of the honest that a release build keeps under this many milliseconds on a machine that
/// does nothing else. A debug build takes ten times as long for the same, and its attacks share the
/// cores with others.
pub const fn within(ms: u64) -> Duration {
    Duration::from_millis(if cfg!(debug_assertions) { 10 * ms } else { ms })
}

/// One attack: what the server is told, and what the attack must not exceed.
pub struct Siege {
    name: &'static str,
    flags: Vec<&'static str>,
    descriptors: Option<u32>,
    memory_mib: u64,
    latency: Duration,
    pings: Option<Duration>,
    waits: bool,
}

impl Siege {
    /// An attack on a chat server of default settings, which may take so much memory.
    pub fn new(name: &'static str, memory_mib: u64) -> Siege {
        Siege {
            name,
            flags: Vec::new(),
            descriptors: None,
            memory_mib,
            latency: LATENCY_MAX,
            pings: None,
            waits: false,
        }
    }

    pub fn flags(mut self, flags: &[&'static str]) -> Siege {
        self.flags.extend(flags);
        self
    }

    /// The server may open no more than so many files.
    pub fn descriptors(mut self, most: u32) -> Siege {
        self.descriptors = Some(most);
        self
    }

    /// Another bound than [`LATENCY_MAX`].
    pub fn latency(mut self, bound: Duration) -> Siege {
        self.latency = bound;
        self
    }

    /// How long somebody who is in no room may wait for the answer to a ping.
    pub fn pings(mut self, bound: Duration) -> Siege {
        self.pings = Some(bound);
        self
    }

    /// The attack mostly waits: it runs beside others of its kind, see `those_who_mostly_wait`.
    pub fn waits(mut self) -> Siege {
        self.waits = true;
        self
    }

    /// Attacks. Whatever `attack` has connected is gone when it returns.
    ///
    /// # Panics
    /// If the honest lost anything or waited too long, memory went over the bound, or somebody is
    /// still there afterwards.
    pub fn run(self, attack: impl FnOnce(&Server)) {
        raise_descriptor_limit();
        let place = (!self.waits).then(Place::take);
        let server = self.start();
        let conversation = Conversation::begin(server.address);
        let honest = Gauge::read(&server).descriptors;
        let pingers = self.pings.map(|_| Pingers::begin(&server));
        thread::sleep(Duration::from_millis(500));
        let before = Gauge::read(&server);
        let began = Instant::now();
        attack(&server);
        let took = began.elapsed();
        let ping = pingers.map(Pingers::end).unwrap_or_default();
        let has_left = || {
            let now = Gauge::read(&server);
            (now.descriptors <= honest).then_some(now)
        };
        // What is left then waits for a deadline, such as that of last words: the next attack need
        // not wait for it.
        let until = Instant::now() + LEAVING;
        while has_left().is_none() && Instant::now() < until {
            thread::sleep(Duration::from_millis(20));
        }
        drop(place);
        let gone = eventually(&format!("{}: everybody has left", self.name), has_left);
        let talk = conversation.end();
        let peak_mib = gone.peak_kib.saturating_sub(before.resident_kib) / 1024;
        println!(
            "{}: {:.1} s; {} messages, the worst took {} ms; pings {} ms; memory {} MiB, {} more at its peak of {} allowed, {} KiB more after",
            self.name,
            took.as_secs_f64(),
            talk.messages,
            talk.worst.as_millis(),
            ping.as_millis(),
            before.resident_kib / 1024,
            peak_mib,
            self.memory_mib,
            Gauge::read(&server).resident_kib.saturating_sub(before.resident_kib),
        );
        assert!(talk.worst < self.latency, "{}: a message took {:?}", self.name, talk.worst);
        assert!(self.pings.is_none_or(|bound| ping < bound), "{}: a ping took {ping:?}", self.name);
        assert!(peak_mib <= self.memory_mib, "{}: {peak_mib} MiB more at its peak", self.name);
        eventually(&format!("{}: memory is given back", self.name), || {
            let kept_kib = Gauge::read(&server).resident_kib.saturating_sub(before.resident_kib);
            (kept_kib <= KEPT_MIB * 1024).then_some(())
        });
    }

    fn start(&self) -> Server {
        let flags = [&["--mode", "chat"], &self.flags[..]].concat();
        match self.descriptors {
            None => Server::start(&flags),
            Some(most) => {
                let mut command = program_with_descriptors(most);
                command.arg("127.0.0.1:0").args(flags);
                Server::launch(command)
            }
        }
    }
}
