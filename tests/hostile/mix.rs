//! Attacks of all kinds at the same time: three at once, at random, for as long as you like.
//!
//! `cargo test --release --test hostile mix -- --ignored --nocapture` takes ten minutes;
//! `HOSTILE_SECONDS=3600` another time, and `HOSTILE_SEED=7` other dice. The seed decides which
//! attacks come in which order and for how long.

use std::env;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::attack::Attack;
use crate::common::{Server, eventually, raise_descriptor_limit};
use crate::conversation::{Conversation, Report};
use crate::gauge::Gauge;
use crate::siege::{KEPT_MIB, within};
use crate::{chat, fairness, hoards, http, lines, turns, websocket};

const ATTACKS: [Attack; 18] = [
    hoards::NEWCOMERS,
    hoards::QUOTES,
    hoards::ANSWERS,
    hoards::ROOMS,
    turns::COMPRESSED_JOINS,
    turns::PINGS,
    turns::REQUESTS,
    turns::PASSERS_BY,
    turns::RESETS,
    fairness::SPEAKERS,
    fairness::FRIENDS,
    chat::NOISE,
    chat::STRANGE_NAMES,
    lines::EMPTY_LINES,
    lines::OPTIONS,
    lines::ARE_YOU_THERE,
    http::PAGES,
    websocket::FRAGMENTS,
];
const AT_ONCE: u64 = 3;

const FLAGS: [&str; 8] = [
    "--mode",
    "chat",
    "--memory-mib",
    "64",
    "--history-mib",
    "8",
    "--max-clients-per-address",
    "1500",
];
/// What the flags allow, with a tenth more of what waits for clients, and what is not counted
/// there: the history, and three crowds, which are up to nine thousand clients with names and rooms,
/// at 2 KiB each.
const MEMORY_MIB: u64 = hoards::OVER_BUDGET_MIB + 8 + 18;
/// What stays when they have left: the history, and pages of which small parts are in use.
const LEFT_MIB: u64 = KEPT_MIB + 8 + 4;
/// What one of the honest may wait beside three attacks, one of which may be on their room.
const LATENCY_MAX: Duration = within(2_000);

/// An attack that was made, from when to when.
struct Entry {
    name: &'static str,
    from: Instant,
    until: Instant,
}

/// What each lane attacks with at the moment.
type Now = Mutex<[&'static str; AT_ONCE as usize]>;

/// Makes one attack after the other; which, and for how long, the seed decides.
fn attack_in_turn(
    server: &Server,
    (lane, seed): (u64, u64),
    until: Instant,
    now: &Now,
    journal: &Mutex<Vec<Entry>>,
) {
    let mut rng = Rng::with_seed(seed ^ (lane << 32));
    while Instant::now() < until {
        let attack = ATTACKS[rng.usize(..ATTACKS.len())];
        let how_long = Duration::from_millis(rng.u64(1_000..8_000));
        let from = Instant::now();
        now.lock().expect("nobody panics with it")[lane as usize] = attack.name;
        attack.round(server, how_long.min(until.saturating_duration_since(from)));
        let entry = Entry { name: attack.name, from, until: Instant::now() };
        journal.lock().expect("nobody panics with it").push(entry);
    }
}

/// Looks at the server all the time, until it is done.
fn watch(server: &Server, conversation: &Conversation, before: Gauge, until: Instant, now: &Now) {
    let (began, mut shown_mib) = (Instant::now(), MEMORY_MIB / 2);
    while Instant::now() < until {
        if conversation.is_broken() {
            let log = server.log();
            let told = log.iter().filter(|line| !line.contains("Peer address")).rev().take(40);
            panic!("the conversation broke beside {now:?}: {:#?}", told.collect::<Vec<_>>());
        }
        let more_mib = Gauge::read(server).peak_kib.saturating_sub(before.resident_kib) / 1024;
        if more_mib >= shown_mib + 4 {
            shown_mib = more_mib;
            let (at, now) = (began.elapsed().as_secs(), now.lock().expect("nobody panics with it"));
            println!("after {at} s: {more_mib} MiB more, beside {now:?}");
        }
        assert!(more_mib <= MEMORY_MIB, "{more_mib} MiB more at its peak");
        thread::sleep(Duration::from_millis(100));
    }
}

fn mix(seconds: u64) {
    let seed = number("HOSTILE_SEED").unwrap_or(1);
    println!("{AT_ONCE} attacks at once for {seconds} s, HOSTILE_SEED={seed}");
    raise_descriptor_limit();
    let server = Server::start(&[&FLAGS[..], &["--compress"]].concat());
    let conversation = Conversation::begin(server.address);
    thread::sleep(Duration::from_millis(500));
    let before = Gauge::read(&server);
    let until = Instant::now() + Duration::from_secs(seconds);
    let (journal, now) = (Mutex::new(Vec::new()), Now::default());
    thread::scope(|scope| {
        for lane in 0..AT_ONCE {
            let (server, journal, now) = (&server, &journal, &now);
            scope.spawn(move || attack_in_turn(server, (lane, seed), until, now, journal));
        }
        watch(&server, &conversation, before, until, &now);
    });
    // What those have said whose connections broke is served for twenty seconds, flood by flood.
    thread::sleep(Duration::from_secs(seconds.min(20)));
    eventually("everybody has left", || {
        (Gauge::read(&server).descriptors <= before.descriptors).then_some(())
    });
    let talk = conversation.end();
    judge(&server, before, talk, &journal.into_inner().expect("nobody panicked with it"));
}

fn judge(server: &Server, before: Gauge, talk: Report, journal: &[Entry]) {
    let after = Gauge::read(server);
    let more_mib = after.peak_kib.saturating_sub(before.resident_kib) / 1024;
    println!(
        "{} attacks; {} messages, the worst took {} ms; memory {} MiB, {more_mib} more at its peak of {MEMORY_MIB} allowed",
        journal.len(),
        talk.messages,
        talk.worst.as_millis(),
        before.resident_kib / 1024,
    );
    let meanwhile: Vec<&str> = journal
        .iter()
        .filter(|entry| entry.from <= talk.worst_at + talk.worst && entry.until >= talk.worst_at)
        .map(|entry| entry.name)
        .collect();
    println!("the worst was beside {meanwhile:?}");
    assert!(talk.worst < LATENCY_MAX, "a message took {:?}", talk.worst);
    assert!(more_mib <= MEMORY_MIB, "{more_mib} MiB more at its peak");
    assert!(!server.log().iter().any(|line| line.contains("panicked")));
    eventually("memory is given back", || {
        let kept_kib = Gauge::read(server).resident_kib.saturating_sub(before.resident_kib);
        (kept_kib <= LEFT_MIB * 1024).then_some(())
    });
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.parse().ok()
}

#[test]
#[ignore = "takes ten minutes; .ci/run runs one of them"]
fn three_attacks_at_once_for_ten_minutes() {
    mix(number("HOSTILE_SECONDS").unwrap_or(600));
}
