//! Attacks with frames, compressed ones, and JSON.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::attack::Attack;
use crate::common::Client;
use crate::herd::{EVERYTHING, Herd};
use crate::siege::Siege;
use crate::wire::{
    CLOSE, COMPRESSED_TEXT, PING, PONG, TEXT, claim, close_code, crowd, deflated, deflating,
    elsewhere, flood, frame, framed, json, pour, upgrade, upgrade_request, websocket,
};

/// A frame that is not whole (64 KiB and one read, in a buffer that doubles) and the fragments of a
/// message before it.
const INBOX_KIB: u64 = 256 + 64;
/// What a client may be owed before it is not read from, what one read asks for beyond it, and its
/// own input.
const OWED_KIB: u64 = 256 + 128 + INBOX_KIB;

#[test]
fn a_claimed_length_reserves_nothing() {
    const ATTACKERS: usize = 500;
    // Next to nothing: what was claimed comes to exabytes.
    Siege::new("claimed lengths", 8).run(|server| {
        for bytes in [65_537, 1 << 32, i64::MAX as u64] {
            let mut attackers: Vec<Client> =
                (0..ATTACKERS / 3).map(|_| websocket(server, "/")).collect();
            for attacker in &mut attackers {
                attacker.send(&claim(TEXT, bytes));
                attacker.try_send(&[b'a'; 1000]);
            }
            for attacker in &mut attackers {
                assert_eq!(close_code(attacker), 1009);
            }
        }
        // What is allowed is not reserved either, until it comes.
        let waiting: Vec<Client> = (0..ATTACKERS).map(|_| websocket(server, "/")).collect();
        for mut attacker in waiting {
            attacker.send(&claim(TEXT, 65_536));
            attacker.reset();
        }
    });
}

#[test]
fn broken_frames_are_told_why() {
    Siege::new("broken frames", 4).run(|server| {
        let broken: [(&[u8], u16); 8] = [
            (&[0x81, 0x00], 1002),
            (&[0xF1, 0x80], 1002),
            (&[0x83, 0x80], 1002),
            (&[0x80, 0x80, 0, 0, 0, 0], 1002),
            (&[0x89, 0xFE], 1002),
            (&[0x81, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0], 1002),
            (&[0x81, 0x83, 0, 0, 0, 0, 0xE3, 0x81, b'a'], 1007),
            (&[0x82, 0x80, 0, 0, 0, 0], 1003),
        ];
        for (bytes, code) in broken {
            for _ in 0..20 {
                let mut attacker = websocket(server, "/");
                attacker.send(bytes);
                assert_eq!(close_code(&mut attacker), code, "{bytes:x?}");
            }
        }
    });
}

#[test]
fn bombs_go_off_at_the_limit() {
    const ATTACKERS: u64 = 20;
    let siege =
        Siege::new("decompression bombs", ATTACKERS * INBOX_KIB / 1024).flags(&["--compress"]);
    siege.run(|server| {
        // 64 MiB in 64 KiB, the largest frame that may come.
        let bomb = framed(COMPRESSED_TEXT, &deflated(&vec![b' '; 64 * 1024 * 1024 - 20_000]));
        assert!(bomb.len() < 69_000, "{} bytes", bomb.len());
        for _ in 0..ATTACKERS {
            let mut attacker = deflating(server, "/");
            attacker.try_send(&bomb);
            assert_eq!(close_code(&mut attacker), 1009);
        }
    });
}

/// Each is within the limit, and a read holds seven hundred of them: 64 MiB to inflate for 64 KiB.
#[test]
fn small_bombs_cost_no_more_than_other_messages() {
    const ATTACKERS: u64 = 10;
    let siege = Siege::new("bombs of blanks", ATTACKERS * INBOX_KIB / 1024).flags(&["--compress"]);
    siege.run(|server| {
        let bomb = framed(COMPRESSED_TEXT, &deflated(&[b' '; 65_536]));
        let attackers: Vec<Client> = (0..ATTACKERS).map(|_| deflating(server, "/")).collect();
        flood(&attackers, &bomb, Duration::from_secs(3));
        attackers.into_iter().for_each(Client::reset);
    });
}

/// The same where nothing is counted but bytes: they inflate, and are compressed again on their way
/// back.
#[test]
fn echoed_bombs_hold_up_nobody() {
    use crate::common::Server;
    let server = Server::start(&["--mode", "echo", "--compress"]);
    let bomb = framed(COMPRESSED_TEXT, &deflated(&[b' '; 65_536]));
    let attackers: Vec<Client> = (0..10).map(|_| deflating(&server, "/")).collect();
    let mut witness = server.join();
    let mut worst = Duration::ZERO;
    thread::scope(|scope| {
        let attack = scope.spawn(|| flood(&attackers, &bomb, Duration::from_secs(3)));
        while !attack.is_finished() {
            let said = Instant::now();
            witness.expect_echo(b"does anybody hear me?\n");
            worst = worst.max(said.elapsed());
            thread::sleep(Duration::from_millis(20));
        }
    });
    println!("echoed bombs: the worst echo took {} ms", worst.as_millis());
    assert!(worst < crate::siege::LATENCY_MAX, "{worst:?}");
}

#[test]
fn pings_are_answered_while_they_are_read() {
    const ATTACKERS: usize = 10;
    let siege = Siege::new("ping flood", ATTACKERS as u64 * OWED_KIB / 1024);
    siege.run(|server| {
        let until = Instant::now() + Duration::from_secs(2);
        let pings = framed(PING, b"are you there?").repeat(1000);
        thread::scope(|scope| {
            for _ in 0..ATTACKERS {
                scope.spawn(|| {
                    let mut attacker = websocket(server, "/");
                    while frame(&mut attacker).0 != TEXT {}
                    while Instant::now() < until {
                        attacker.send(&pings);
                        let mut pongs = 0;
                        while pongs < 1000 {
                            pongs += usize::from(
                                frame(&mut attacker) == (PONG, b"are you there?".to_vec()),
                            );
                        }
                    }
                    attacker.send(&framed(CLOSE, &1000u16.to_be_bytes()));
                    assert_eq!(close_code(&mut attacker), 1000);
                });
            }
        });
    });
}

pub fn who_pings_and_does_not_read_is_let_go() {
    const ATTACKERS: u64 = 20;
    Siege::new("unread pongs", ATTACKERS * OWED_KIB / 1024).waits().run(|server| {
        let mut attackers: Vec<Client> = (0..ATTACKERS).map(|_| websocket(server, "/")).collect();
        flood(&attackers, &framed(PING, &[b'p'; 125]).repeat(100), Duration::from_secs(1));
        for attacker in &mut attackers {
            server.wait_for_log(&format!(
                "{}: too slow: messages came in faster than this connection read them; closing",
                attacker.address()
            ));
            attacker.rest();
        }
    });
}

#[test]
fn closes_are_answered_a_thousand_times() {
    const ATTACKERS: usize = 1000;
    Siege::new("close flood", 8).run(|server| {
        for i in 0..ATTACKERS {
            let mut attacker = server.connect();
            upgrade(&mut attacker, "/?room=talk", "");
            // Many at once: only the first counts.
            attacker.send(&framed(CLOSE, &3000u16.to_be_bytes()).repeat(1 + i % 100));
            assert_eq!(close_code(&mut attacker), 3000);
        }
    });
}

/// Millions of nothing, with control frames between: one message that never ends.
fn fragments_of_nothing() -> Vec<u8> {
    [framed(0x00, b"").repeat(1000), framed(PONG, b"unasked")].concat()
}

pub const FRAGMENTS: Attack = Attack {
    name: "fragments",
    memory_mib: 12 * INBOX_KIB / 1024,
    round: |server, how_long| {
        let mut herd = Herd::gather(server, 12, elsewhere, None).reads(|_| EVERYTHING);
        herd.say(|_| [upgrade_request("/", "").as_bytes(), &framed(0x01, b"a")].concat());
        herd.drive(&fragments_of_nothing(), how_long);
    },
};

#[test]
fn fragments_without_end_are_cheap_and_bounded() {
    const ATTACKERS: u64 = 12;
    Siege::new("fragments", ATTACKERS * INBOX_KIB / 1024).run(|server| {
        let mut attackers: Vec<Client> =
            (0..ATTACKERS).map(|_| websocket(server, "/?room=talk")).collect();
        for attacker in &mut attackers {
            attacker.send(&framed(0x01, b"a"));
        }
        let (empty, small) = attackers.split_at_mut(6);
        flood(empty, &fragments_of_nothing(), Duration::from_secs(1));
        for attacker in empty {
            // The flood ended in the middle of a frame perhaps: enough zeros are an end of it, and
            // then an error.
            attacker.try_send(&[0; 16]);
            assert_eq!(close_code(attacker), 1002);
        }
        for attacker in small {
            pour(attacker, &framed(0x00, b"a").repeat(1000), 7 * 70_000);
            assert_eq!(close_code(attacker), 1009);
        }
        for mixed in
            [[framed(0x01, b"a"), framed(TEXT, b"b")], [framed(0x01, b"a"), framed(0x02, b"b")]]
        {
            let mut attacker = websocket(server, "/");
            attacker.send(&mixed.concat());
            assert_eq!(close_code(&mut attacker), 1002);
        }
    });
}

/// The next object that is an error; its code.
fn error_code(client: &mut Client) -> String {
    loop {
        let (first, payload) = frame(client);
        assert_eq!(first, TEXT, "{payload:?}");
        let object: Value = serde_json::from_slice(&payload).expect("JSON");
        if object["type"] == "error" {
            return object["code"].as_str().expect("a code").to_owned();
        }
    }
}

#[test]
fn json_that_is_meant_to_hurt_is_an_error_and_no_more() {
    const ATTACKERS: u64 = 10;
    let siege =
        Siege::new("hostile JSON", ATTACKERS * OWED_KIB / 1024).flags(&["--rate-limit", "off"]);
    siege.run(|server| {
        let deep = |open: &str, close: &str| format!("{{\"x\":{}{}}}", open.repeat(20_000), close.repeat(20_000));
        let long = "9".repeat(60_000);
        let hostile = [
            (deep("[", "]"), "missing_field"),
            ("{\"x\":".repeat(10_000), "bad_json"),
            (format!("{{\"type\":\"say\",\"ref\":{}1{}}}", "[".repeat(30_000), "]".repeat(30_000)), "bad_field"),
            (format!("{{\"type\":\"say\",\"ref\":[{}1]}}", "1,".repeat(30_000)), "bad_field"),
            (format!("{{\"type\":\"history\",\"before\":{long}}}"), "bad_json"),
            (format!("{{\"type\":\"history\",\"limit\":-{}}}", "1".repeat(15)), "bad_field"),
            ("{\"type\":\"history\",\"limit\":1e308}".to_owned(), "bad_field"),
            ("{\"type\":\"say\",\"type\":\"say\",\"text\":\"a\"}".to_owned(), "bad_field"),
            (format!("{{{}\"type\":\"x\"}}", "\"k\":1,".repeat(9000)), "unknown_type"),
            (format!("{{\"type\":\"{}\"}}", "\\u0000".repeat(10_000)), "unknown_type"),
            (format!("{{\"type\":\"{}\"}}", "\\ud800".repeat(10_000)), "unknown_type"),
            (format!("{{\"type\":\"say\",\"text\":\"\\x\"{}", ",\"ref\":\"".repeat(6000)), "bad_json"),
            (format!("{{\"type\":\"join\",\"room\":\"{}\"}}", "a\u{301}".repeat(15_000)), "room_refused"),
            (format!("{{\"type\":\"nick\",\"name\":\"z{}\"}}", "\u{489}".repeat(100)), "name_refused"),
            (format!("{{\"type\":\"msg\",\"to\":\"{}\",\"text\":\"a\"}}", "𝕏".repeat(15_000)), "no_such_name"),
        ];
        thread::scope(|scope| {
            for _ in 0..ATTACKERS {
                scope.spawn(|| {
                    let mut attacker = json(server, "/?room=talk");
                    for _ in 0..5 {
                        for (text, code) in &hostile {
                            assert!(text.len() <= 65_536, "{} bytes", text.len());
                            attacker.send(&framed(TEXT, text.as_bytes()));
                            assert_eq!(error_code(&mut attacker), *code, "{:.100}", text);
                        }
                    }
                    // The ends of every range are answered like anything else.
                    for request in [
                        r#"{"type":"history","room":"talk","before":0,"ref":"end"}"#,
                        r#"{"type":"history","room":"talk","before":18446744073709551615,"limit":4294967295,"ref":"end"}"#,
                        r#"{"type":"history","room":"talk","after":18446744073709551615,"limit":0,"ref":"end"}"#,
                        r#"{"type":"who","room":"talk","after":18446744073709551615,"limit":0,"ref":"end"}"#,
                        r#"{"type":"rooms","after":18446744073709551615,"limit":4294967295,"ref":"end"}"#,
                        r#"{"type":"join","room":"talk","since":18446744073709551615,"replay":4294967295,"ref":"end"}"#,
                    ] {
                        attacker.send(&framed(TEXT, request.as_bytes()));
                        while !String::from_utf8_lossy(&frame(&mut attacker).1).contains(r#""ref":"end""#) {}
                    }
                    attacker.send(&framed(CLOSE, b""));
                    assert_eq!(close_code(&mut attacker), 1005);
                });
            }
        });
    });
}

/// Handshakes that are never finished, or are, and nothing follows.
#[test]
fn handshakes_come_and_go() {
    Siege::new("handshake storm", 16).run(|server| {
        for i in 0..1500 {
            let mut attacker = server.connect();
            attacker.send(crate::wire::upgrade_request("/?name=\u{0}&room=%FF%FE", "").as_bytes());
            if i % 2 == 0 {
                attacker.reset();
            }
        }
        drop(crowd(server, 100));
    });
}
