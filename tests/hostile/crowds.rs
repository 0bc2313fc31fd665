//! Attacks by numbers: connections that say nothing, come and go, or take what others need.

use std::thread;
use std::time::{Duration, Instant};

use crate::common::{Client, Server, eventually};
use crate::conversation::Conversation;
use crate::gauge::Gauge;
use crate::siege::{LATENCY_MAX, Siege};
use crate::wire::{TEXT, crowd, frame, framed, narrow, pour, websocket};

/// A client that says nothing costs under 1 KiB, and its welcome twice that for a moment.
const SILENT_KIB: u64 = 4;

#[test]
fn thousands_who_say_nothing_are_told_nothing_and_cost_little() {
    const ATTACKERS: u64 = 4000;
    Siege::new("silent thousands", ATTACKERS * SILENT_KIB / 1024).run(|server| {
        let mut attackers = crowd(server, ATTACKERS as usize);
        server.connect().enter();
        // WebSockets are open from their address: they may be a browser's.
        for attacker in attackers.iter_mut().step_by(2) {
            attacker.enter();
        }
        for attacker in attackers.iter_mut().skip(1).step_by(2) {
            attacker.end_input();
            assert_eq!(attacker.rest_until_end(), b"");
        }
    });
}

#[test]
fn half_open_thousands_are_closed_at_once() {
    const ATTACKERS: u64 = 3000;
    Siege::new("half-open thousands", ATTACKERS * SILENT_KIB / 1024).run(|server| {
        let mut attackers = crowd(server, ATTACKERS as usize);
        attackers.iter_mut().for_each(Client::end_input);
        for attacker in &mut attackers {
            assert_eq!(attacker.rest_until_end(), b"", "they have not been there");
        }
    });
}

#[test]
fn connections_that_are_reset_at_once_leave_nothing() {
    const ATTACKERS: u64 = 6000;
    Siege::new("reset storm", ATTACKERS * SILENT_KIB / 1024).run(|server| {
        for i in 0..ATTACKERS {
            let mut attacker = server.connect();
            // Before it is accepted, in mid-line, in mid-head.
            match i % 3 {
                0 => {}
                1 => assert!(attacker.try_send(b"/join #talk\r\nhello ")),
                _ => assert!(attacker.try_send(b"GET / HTTP/1.1\r\nHost:")),
            }
            attacker.reset();
        }
    });
}

#[test]
fn without_descriptors_the_honest_talk_on_and_others_are_told() {
    const DESCRIPTORS: u32 = 64;
    let siege = Siege::new("descriptors exhausted", 4)
        .flags(&["--max-clients", "1000"])
        .descriptors(DESCRIPTORS);
    siege.run(|server| {
        let mut attackers = crowd(server, DESCRIPTORS as usize);
        // The first are in, the rest are told.
        attackers[0].enter();
        let refused = b"! this server is out of file descriptors; try again later\n";
        assert_eq!(attackers.last_mut().expect("the last").rest_until_end(), refused);
        let until = Instant::now() + Duration::from_secs(2);
        let mut storm = 0;
        while Instant::now() < until {
            assert_eq!(server.connect().rest_until_end(), refused);
            storm += 1;
        }
        assert!(storm > 10, "{storm} were refused");
        attackers.truncate(1);
        eventually("there is room again", || {
            let mut client = server.connect();
            client.try_send(b"\r\n");
            client.try_line().is_ok_and(|line| line.starts_with(b"* Welcome!")).then_some(())
        });
    });
}

#[test]
fn past_the_limit_of_clients_everybody_is_told() {
    Siege::new("more clients than may be", 4).flags(&["--max-clients", "50"]).run(|server| {
        let mut attackers = crowd(server, 47);
        attackers[46].enter();
        for _ in 0..20 {
            for mut refused in crowd(server, 100) {
                let told = refused.rest_until_end();
                assert_eq!(
                    told,
                    b"! this server has as many clients as it can take; try again later\n"
                );
            }
        }
    });
}

/// They read a byte a second of what they asked for: to the kernel, and so to the server, that is
/// nothing.
pub fn who_reads_a_byte_a_second_is_let_go() {
    const ATTACKERS: u64 = 30;
    // The mark, the answer that went over it, which may be all that a room keeps, and the room that
    // buffers double into.
    const OWED_KIB: u64 = 256 + 2 * 1024;
    let siege = Siege::new("a byte a second", ATTACKERS * OWED_KIB / 1024)
        .flags(&["--rate-limit", "off"])
        .waits();
    siege.run(|server| {
        let mut writer = server.connect();
        writer.send(b"/join #library\r\n");
        for _ in 0..15 {
            writer.send(&[&[b'x'; 60_000][..], b"\r\n"].concat());
        }
        writer.send(b"/who\r\n");
        let mut attackers: Vec<Client> = (0..ATTACKERS).map(|_| narrow(server)).collect();
        for attacker in &mut attackers {
            attacker.send(b"/join #library\r\n/history 1000\r\n/history 1000\r\n");
        }
        let mut waiting: Vec<String> = attackers
            .iter()
            .map(|attacker| {
                format!("{}: too slow: messages came in faster than", attacker.address())
            })
            .collect();
        eventually("all are let go", || {
            for attacker in &mut attackers {
                attacker.bytes(1);
            }
            let log = server.log();
            waiting.retain(|ending| !log.iter().any(|line| line.contains(ending.as_str())));
            thread::sleep(Duration::from_secs(1));
            waiting.is_empty().then_some(())
        });
        for attacker in &mut attackers {
            attacker.rest();
        }
    });
}

/// They leave their words behind and vanish: what flood control has not let them say yet must not
/// keep their places.
#[test]
fn who_breaks_its_connection_leaves_no_ghost() {
    const ATTACKERS: usize = 300;
    // An inbox each: one read, in a buffer that may be twice as large.
    Siege::new("ghosts", ATTACKERS as u64 * 128 / 1024).run(|server| {
        let lines = "a line of a ghost\r\n".repeat(6000);
        for i in 0..ATTACKERS {
            // Where nobody else is: no word of others would ever show that it has gone.
            let room = format!("/join #ghosts-{i}");
            let alone = |told: &[u8]| {
                String::from_utf8_lossy(told).starts_with("* Nobody else is in #ghosts")
            };
            let ghost = if i % 2 == 0 {
                let mut ghost = server.connect();
                ghost.send(format!("{room}\r\n/leave #lobby\r\n").as_bytes());
                pour(&ghost, lines.as_bytes(), lines.len());
                while !alone(&ghost.line()) {}
                ghost
            } else {
                let mut ghost = websocket(server, "/");
                ghost.send(
                    &[framed(TEXT, room.as_bytes()), framed(TEXT, b"/leave #lobby")].concat(),
                );
                pour(&ghost, &framed(TEXT, b"boo").repeat(1000), 60_000);
                while !alone(&frame(&mut ghost).1) {}
                ghost
            };
            ghost.reset();
        }
    });
}

/// Somebody who floods an echo server, and reads steadily but too slowly.
#[test]
fn a_steady_slow_reader_of_an_echo_grows_nothing() {
    let server = Server::start(&["--mode", "echo"]);
    let mut witness = server.join();
    let before = Gauge::read(&server);
    let mut attacker = narrow(&server);
    let mut worst = Duration::ZERO;
    thread::scope(|scope| {
        let writer = attacker.writer();
        let flood = scope.spawn(move || {
            pour(&Client::over(writer), &[&[b'a'; 1023][..], b"\n"].concat(), 512 * 1024 * 1024)
        });
        let until = Instant::now() + Duration::from_secs(4);
        while Instant::now() < until {
            // About 6 MiB a second.
            attacker.bytes(64 * 1024);
            let said = Instant::now();
            witness.expect_echo(b"still here\n");
            worst = worst.max(said.elapsed());
            thread::sleep(Duration::from_millis(10));
        }
        let _ = attacker.writer().shutdown(std::net::Shutdown::Both);
        flood.join().expect("a flood");
    });
    let more = Gauge::read(&server).peak_kib.saturating_sub(before.resident_kib);
    println!(
        "slow reader of an echo: {more} KiB more; the worst echo beside it took {} ms",
        worst.as_millis()
    );
    assert!(more < 4 * 1024, "{more} KiB more");
    assert!(worst < LATENCY_MAX, "{worst:?}");
}

/// Nobody knows yet what they speak; what is broadcast meanwhile is kept for them, and that is not
/// much.
#[test]
fn undecided_clients_of_a_broadcast_hold_up_nobody() {
    const ATTACKERS: usize = 100;
    let server = Server::start(&["--mode", "broadcast"]);
    let mut speaker = server.join();
    let before = Gauge::read(&server);
    let attackers = crowd(&server, ATTACKERS);
    for attacker in &attackers {
        pour(attacker, b"GE", 2);
        server.wait_for_log(&format!("Peer address: {}", attacker.address()));
    }
    let line = [&[b'b'; 1023][..], b"\n"].concat();
    let said = Instant::now();
    for _ in 0..4096 {
        speaker.send(&line);
        speaker.expect(&line);
    }
    println!("undecided: 4 MiB were said to {ATTACKERS} of them in {:?}", said.elapsed());
    assert!(said.elapsed() < Duration::from_secs(10));
    for mut attacker in attackers {
        // Lines by now, whatever they say.
        attacker.end_input();
        assert!(attacker.rest().starts_with(b"bbb"));
    }
    let more = Gauge::read(&server).peak_kib.saturating_sub(before.resident_kib);
    // The words are shared by all: what each is owed is a list of them.
    assert!(more < 24 * 1024, "{more} KiB more");
}

/// A server that is told to stop under attack says goodbye to the honest and is gone in time.
#[test]
fn a_stop_under_attack_is_a_stop() {
    let server = Server::start(&["--mode", "chat", "--drain-seconds", "2", "--rate-limit", "off"]);
    let mut honest = server.connect();
    honest.send(b"/join #quiet\r\n");
    while !honest.line().starts_with(b"* You are in #quiet") {}
    let conversation = Conversation::begin(server.address);
    let mut attackers: Vec<Client> = (0..50).map(|_| narrow(&server)).collect();
    for attacker in &mut attackers {
        attacker.send(b"/help\r\n");
        pour(attacker, b"/help\r\n/who\r\nhello everybody\r\n", 64 * 1024);
    }
    conversation.end();
    let began = Instant::now();
    server.signal("TERM");
    let rest = String::from_utf8(honest.rest_until_end()).expect("UTF-8");
    assert!(rest.ends_with("* Goodbye: the server is stopping.\r\n"), "{rest}");
    drop(honest);
    let (status, _, _) = server.finish();
    assert!(status.success());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}
