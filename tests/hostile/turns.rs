//! Attacks on the time of everybody: work that takes the server long, asked for by many at once.

use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::attack::Attack;
use crate::common::Server;
use crate::herd::{EVERYTHING, Herd};
use crate::hoards::{fill_with, number};
use crate::siege::{Siege, within};
use crate::wire::{DEFLATE, NARROW, PING, dial, elsewhere, framed, upgrade_request};

/// What a client may be owed before it is not asked again, and its own input.
const OWED_KIB: u64 = 256 + 256;

/// Each asks for the same replay, compressed, and all of them at the same moment.
pub const COMPRESSED_JOINS: Attack = Attack {
    name: "compressed replays for many at once",
    memory_mib: 250 * OWED_KIB / 1024,
    round: compressed_joins,
};

fn compressed_joins(server: &Server, how_long: Duration) {
    fill_with_noise(server, "#compressed");
    let until = Instant::now() + how_long;
    let join = upgrade_request("/?room=compressed", DEFLATE);
    while Instant::now() < until {
        let mut herd = Herd::gather(server, 250, elsewhere, None).reads(|_| EVERYTHING);
        herd.wait(Duration::from_millis(200));
        herd.say(|_| join.clone().into_bytes());
        herd.wait(Duration::from_secs(2));
    }
}

/// Twenty messages that come to nearly a megabyte, and that take a compressor long.
fn fill_with_noise(server: &Server, room: &str) {
    let mut noise = fastrand::Rng::with_seed(4);
    let text: String = (0..48_000).map(|_| noise.alphanumeric()).collect();
    fill_with(server, room, &text, 20);
}

#[test]
fn replays_for_many_hold_up_nobody_who_is_not_there() {
    Siege::new(COMPRESSED_JOINS.name, COMPRESSED_JOINS.memory_mib)
        .flags(&["--compress"])
        .pings(within(50))
        .run(|server| COMPRESSED_JOINS.round(server, Duration::from_secs(4)));
}

/// Pings, as many as the server takes; they read all the answers.
pub const PINGS: Attack = Attack {
    name: "pings of a thousand",
    memory_mib: 1000 * OWED_KIB / 1024,
    round: |server, how_long| {
        let mut herd = Herd::gather(server, 1000, elsewhere, None).reads(|_| EVERYTHING);
        herd.say(|_| upgrade_request("/", "").into_bytes());
        herd.drive(&framed(PING, b"ping").repeat(400), how_long);
    },
};

/// Requests, as many as the server takes.
pub const REQUESTS: Attack = Attack {
    name: "requests of a thousand",
    memory_mib: 1000 * OWED_KIB / 1024,
    round: |server, how_long| {
        let mut herd = Herd::gather(server, 1000, elsewhere, None).reads(|_| EVERYTHING);
        let request = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
        herd.drive(&request.repeat(200), how_long);
    },
};

#[test]
fn pings_of_a_thousand_do_not_make_others_wait() {
    Siege::new(PINGS.name, PINGS.memory_mib)
        .pings(within(50))
        .run(|server| PINGS.round(server, Duration::from_secs(4)));
}

#[test]
fn requests_of_a_thousand_do_not_make_others_wait() {
    Siege::new(REQUESTS.name, REQUESTS.memory_mib)
        .pings(within(50))
        .run(|server| REQUESTS.round(server, Duration::from_secs(4)));
}

/// How long each of them stays. What a debug build has not served by the end of the attack would
/// keep it busy for half a minute after it.
const PASSING: Duration = Duration::from_millis(if cfg!(debug_assertions) { 50 } else { 1 });

/// Comes and goes as often as flood control lets each connection, and leaves at once.
pub const PASSERS_BY: Attack =
    Attack { name: "comings and goings", memory_mib: 16, round: passers_by };

fn passers_by(server: &Server, how_long: Duration) {
    let until = Instant::now() + how_long;
    let words = [&b"\r\n"[..], &b"/leave #lobby\r\n/join #lobby\r\n".repeat(9)].concat();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while Instant::now() < until {
                    // Several at a time, so that what each has said is heard before it goes.
                    let mut herd = Herd::gather(server, 20, |i| elsewhere(number() + i), None);
                    herd.say(|_| words.clone());
                    herd.wait(PASSING);
                }
            });
        }
    });
}

/// Ten members of the lobby who read 10 to 100 KB a second, and nobody there says anything.
#[test]
fn comings_and_goings_are_summed_up_for_members_who_read_slowly() {
    const MEMBERS: usize = 10;
    const NOISE_BYTES_PER_SECOND: u64 = 4 * 1024;
    let siege = Siege::new(PASSERS_BY.name, PASSERS_BY.memory_mib)
        .flags(&["--max-clients-per-address", "200"]);
    siege.run(|server| {
        let mut members = Herd::gather(server, MEMBERS, |_| crate::wire::HERE, Some(NARROW))
            .reads(|i| 10_000 * (i as u64 + 1));
        members.say(|_| b"\r\n".to_vec());
        members.wait(Duration::from_millis(500));
        let how_long = Duration::from_secs(6);
        thread::scope(|scope| {
            scope.spawn(|| PASSERS_BY.round(server, how_long));
            members.wait(how_long);
        });
        let read = members.puppets.iter().map(|member| member.read / how_long.as_secs());
        let most = read.max().expect("members");
        println!("{}: {most} bytes a second of noise at most", PASSERS_BY.name);
        assert!(members.puppets.iter().all(|member| !member.ended), "somebody was let go");
        assert!(most <= NOISE_BYTES_PER_SECOND, "{most} bytes a second");
    });
}

/// Connections that are broken off at once, from everywhere.
pub const RESETS: Attack = Attack {
    name: "resets from everywhere",
    memory_mib: 16,
    round: |server, how_long| {
        let until = Instant::now() + how_long;
        while Instant::now() < until {
            let Ok(stream) = dial(server, elsewhere(number()), None) else { continue };
            if number().is_multiple_of(2) {
                let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            } else {
                let _ = stream.shutdown(Shutdown::Write);
            }
        }
    },
};
