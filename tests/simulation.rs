//! The whole server but the event loop, in one thread, on a virtual clock, against clients and a
//! network that do their worst.
//!
//! Every run draws its limits, its faults and its people anew from its seed, and a run with the
//! same seed is the same run. Most are of the chat, with a few people who do all that there
//! is to do, on a port that speaks everything or one thing only; some have a room so big that it is
//! written to in bulk; in some a room is flooded and read slowly, and a word has its time; some are
//! of echo and broadcast; some of a chat that keeps what is said, and people, whose server crashes. Many end
//! with a stop of the server.
//!
//! `SIMULATION_RUNS=100000` makes more runs; `SIMULATION_SEED=7` starts with that seed, and on its
//! own runs it alone; `SIMULATION_TRACE=1` prints what the service heard; `SIMULATION_PEOPLE=1`
//! leaves out all runs but those of people.

#[path = "simulation/ask.rs"]
mod ask;
#[path = "simulation/disk.rs"]
mod disk;
#[path = "simulation/expect.rs"]
mod expect;
#[path = "simulation/habit.rs"]
mod habit;
#[path = "simulation/handshakes.rs"]
mod handshakes;
#[path = "simulation/judge.rs"]
mod judge;
#[path = "simulation/kept.rs"]
mod kept;
#[path = "common/known_secrets.rs"]
mod known_secrets;
#[path = "simulation/late.rs"]
mod late;
#[path = "simulation/memory.rs"]
mod memory;
#[path = "simulation/model.rs"]
mod model;
#[path = "simulation/people/mod.rs"]
mod people;
#[path = "simulation/person.rs"]
mod person;
#[path = "simulation/plain.rs"]
mod plain;
#[path = "simulation/program.rs"]
mod program;
#[path = "simulation/say.rs"]
mod say;
#[path = "simulation/screen.rs"]
mod screen;
#[path = "simulation/search.rs"]
mod search;
#[path = "simulation/settings.rs"]
mod settings;
#[path = "simulation/stage.rs"]
mod stage;
#[path = "simulation/steady.rs"]
mod steady;
#[path = "simulation/stream.rs"]
mod stream;
#[path = "simulation/succession.rs"]
mod succession;
#[path = "simulation/talker.rs"]
mod talker;
#[path = "simulation/visitor.rs"]
mod visitor;
#[path = "simulation/watch.rs"]
mod watch;
#[path = "simulation/world.rs"]
mod world;

use std::env;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread;

use kept::KeptWorld;
use people::People;
use plain::Plain;
use steady::Steady;
use world::{Scenario, Tally, World};

const RUNS: u64 = 200;
const STEPS: usize = 60;
/// Seeds beyond the usual ones that have found something; for as long as runs are drawn as they are
/// now.
const FOUND: &[u64] = &[];
/// One run in so many is of echo or broadcast, two are of a chat that keeps what is said, and one is
/// of one that keeps people as well.
const PLAIN_EVERY: u64 = 8;
/// One run in so many is of a flooded room with members who read slowly and steadily.
const STEADY_EVERY: u64 = 16;
const STEADY_STEPS: usize = 300;
/// One run in so many has a big room.
const CROWD_EVERY: u64 = 500;

/// Names the run that failed, and lets no other begin.
struct Named<'a>(u64, &'a AtomicU64);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let Named(seed, next) = self;
            next.store(u64::MAX / 2, Relaxed);
            eprintln!("\nto see this again: SIMULATION_SEED={seed} cargo test --test simulation\n");
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} is to be a number, not {value:?}")))
}

fn run(seed: u64) -> Tally {
    if seed % PLAIN_EVERY != 7 && env::var_os("SIMULATION_PEOPLE").is_some() {
        return Tally { turns: 0, taken: 0 };
    }
    match (seed % CROWD_EVERY, seed % PLAIN_EVERY) {
        (_, 5) => Plain::new(seed).run(STEPS),
        (_, 2 | 6) => KeptWorld::new(seed).run(STEPS),
        (_, 7) => People::new(seed).run(STEPS),
        (_, 3) if seed % STEADY_EVERY == 3 => Steady::new(seed).run(STEADY_STEPS),
        (100, _) => World::new(seed, Scenario::Crowd).run(3 * STEPS),
        _ => World::new(seed, Scenario::Few).run(STEPS),
    }
}

#[test]
fn everybody_sees_what_was_said_once_and_in_order() {
    let seed = number("SIMULATION_SEED");
    let runs = number("SIMULATION_RUNS").unwrap_or(if seed.is_some() { 1 } else { RUNS });
    let first = seed.unwrap_or(0);
    let found = if seed.is_none() { FOUND } else { &[] };
    let seeds = found.len() as u64 + runs;
    let (next, turns, taken) = (AtomicU64::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        loop {
            let at = next.fetch_add(1, Relaxed);
            if at >= seeds {
                return;
            }
            let seed =
                found.get(at as usize).copied().unwrap_or_else(|| first + at - found.len() as u64);
            let _named = Named(seed, &next);
            let tally = run(seed);
            turns.fetch_add(tally.turns, Relaxed);
            taken.fetch_add(tally.taken, Relaxed);
        }
    };
    // Every run has one thread of its own, and no two have anything in common.
    let threads = thread::available_parallelism().map_or(1, usize::from).min(seeds as usize);
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    println!("{runs} runs, {turns:?} turns, {taken:?} messages taken");
}
