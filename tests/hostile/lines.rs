//! Attacks with lines and with telnet's own bytes.

use std::time::Duration;

use crate::attack::Attack;
use crate::common::Client;
use crate::conversation::{ROOM, assert_harmless};
use crate::herd::{EVERYTHING, Herd};
use crate::siege::Siege;
use crate::wire::{NARROW, crowd, elsewhere, flood, narrow, pour, send_urgent, websocket};

/// A line that is not whole: the limit of 64 KiB and one read more, in a buffer that doubles.
const INBOX_KIB: u64 = 256;
/// What a client may be owed before it is not read from, what one read asks for beyond it, and its
/// own input.
const OWED_KIB: u64 = 256 + 640 + INBOX_KIB;

/// The last line before the end.
fn last_line(client: &mut Client) -> String {
    let rest = String::from_utf8(client.rest()).expect("lines are UTF-8");
    rest.trim_end().rsplit("\r\n").next().unwrap_or_default().to_owned()
}

#[test]
fn lines_that_never_end_are_refused() {
    const ATTACKERS: u64 = 64;
    Siege::new("endless lines", ATTACKERS * INBOX_KIB / 1024).run(|server| {
        let mut attackers = crowd(server, ATTACKERS as usize);
        // Each to the brim first, so that all of it is there at once.
        for attacker in &mut attackers {
            attacker.send(&[b'a'; 64 * 1024]);
        }
        for attacker in &mut attackers {
            pour(attacker, &[b'a'; 64 * 1024], 1024 * 1024);
            let end = "! line too long: at most 65536 bytes are allowed (--max-message-bytes)";
            assert_eq!(last_line(attacker), end);
        }
    });
}

pub const EMPTY_LINES: Attack = Attack {
    name: "empty lines",
    memory_mib: 50 * INBOX_KIB / 1024,
    round: |server, how_long| {
        let mut herd = Herd::gather(server, 50, elsewhere, None).reads(|_| EVERYTHING);
        herd.drive(&[b'\n'; 64 * 1024], how_long);
    },
};

#[test]
fn empty_lines_cost_no_more_than_others() {
    const ATTACKERS: u64 = 50;
    Siege::new("empty lines", ATTACKERS * INBOX_KIB / 1024).run(|server| {
        let mut attackers = crowd(server, ATTACKERS as usize);
        flood(&attackers, &[b'\n'; 64 * 1024], Duration::from_secs(3));
        // Flood control reads later, and never what comes after the end of a connection that is
        // gone.
        for attacker in &mut attackers {
            assert!(attacker.line().starts_with(b"* Welcome!"));
        }
        attackers.into_iter().for_each(Client::reset);
    });
}

/// Every option offered and asked for.
fn all_options() -> Vec<u8> {
    let option = |option| [255, 251, option, 255, 254, option, 255, 252, option];
    (0..=255).flat_map(option).collect()
}

pub const OPTIONS: Attack = Attack {
    name: "telnet negotiation",
    memory_mib: 20 * INBOX_KIB / 1024,
    round: |server, how_long| {
        let mut herd = Herd::gather(server, 20, elsewhere, None).reads(|_| EVERYTHING);
        herd.drive(&all_options(), how_long);
    },
};

#[test]
fn telnet_negotiates_for_ever_with_itself() {
    const ATTACKERS: u64 = 20;
    Siege::new("telnet negotiation", ATTACKERS * INBOX_KIB / 1024).run(|server| {
        let attackers = crowd(server, ATTACKERS as usize);
        // Over and over; and a subnegotiation without an end, which becomes a line without one.
        flood(&attackers[..10], &all_options(), Duration::from_secs(1));
        flood(
            &attackers[10..],
            &[&[255, 250, 31][..], &[0; 4000]].concat(),
            Duration::from_secs(1),
        );
        for (number, mut attacker) in attackers.into_iter().enumerate() {
            let rest = if number < 10 {
                attacker.send(&[255, 255, 255, 240, b'\r', b'\n']);
                attacker.end_input();
                attacker.rest_until_end()
            } else {
                attacker.rest()
            };
            assert!(
                rest.len() < 255 * 3 + 4 * 1024,
                "{} bytes: an option is refused once",
                rest.len()
            );
        }
    });
}

/// Nobody reads the answers.
pub const ARE_YOU_THERE: Attack = Attack {
    name: "AYT",
    memory_mib: 20 * OWED_KIB / 1024,
    round: |server, how_long| {
        let mut herd = Herd::gather(server, 20, elsewhere, Some(NARROW));
        herd.drive(&[255, 246].repeat(1000), how_long);
    },
};

/// `AYT` asks for nine times its size, and is no line that flood control would count.
pub fn who_asks_are_you_there_and_does_not_listen_is_let_go() {
    const ATTACKERS: u64 = 20;
    Siege::new("AYT", ATTACKERS * OWED_KIB / 1024).waits().run(|server| {
        let mut attackers: Vec<Client> = (0..ATTACKERS).map(|_| narrow(server)).collect();
        flood(&attackers, &[255, 246].repeat(1000), Duration::from_secs(1));
        for attacker in &mut attackers {
            server.wait_for_log(&format!(
                "{}: too slow: messages came in faster than this connection read them; closing",
                attacker.address()
            ));
            assert!(attacker.rest().starts_with(b"* Yes, I am here.\r\n"));
        }
    });
}

#[test]
fn half_open_thousands_with_half_a_character_are_told_and_let_go() {
    const ATTACKERS: usize = 2000;
    // Each for a moment, with a name and the history of the lobby, which is empty: under 8 KiB.
    Siege::new("half a character", ATTACKERS as u64 * 8 / 1024).run(|server| {
        for _ in 0..4 {
            let mut attackers = crowd(server, ATTACKERS / 4);
            for attacker in &mut attackers {
                attacker.send(b"half \xe3\x81");
                attacker.end_input();
            }
            for attacker in &mut attackers {
                let end = "! Not said: that is not UTF-8 from byte 5 on; set your terminal or client to UTF-8.";
                assert_eq!(last_line(attacker), end);
            }
        }
    });
}

#[test]
fn urgent_data_is_data() {
    const ATTACKERS: u64 = 20;
    Siege::new("urgent data", ATTACKERS * INBOX_KIB / 1024).run(|server| {
        let mut attackers = crowd(server, ATTACKERS as usize);
        for _ in 0..500 {
            for attacker in &attackers {
                assert!(send_urgent(attacker, b'u'), "the server takes it");
            }
        }
        for attacker in &mut attackers {
            attacker.send(b"\r\n/quit\r\n");
            assert_eq!(last_line(attacker), "* Goodbye.");
        }
    });
}

pub fn a_request_that_comes_late_is_no_talk() {
    Siege::new("late requests", 4).waits().run(|server| {
        let mut attackers = crowd(server, 100);
        for attacker in &mut attackers {
            attacker.enter();
            attacker.try_send(b"GET / HTTP/1.1\r\nCookie: secret\r\n\r\n");
            let end = "! an HTTP request has to come at once; this connection speaks lines by now";
            assert_eq!(last_line(attacker), end);
        }
    });
}

/// What acts on a terminal never reaches one, whichever way it is said. The honest check every line
/// that they get as well.
#[test]
fn no_escape_sequence_reaches_another_terminal() {
    const POISON: [&str; 8] = [
        "\x1b[2J\x1b[H",
        "\x1b]0;title\x07",
        "\x1bP$q\x1b\\",
        "\u{9b}31m",
        "\u{9d}52;c;aGk=\u{9c}",
        "\u{202e}gnp.exe",
        "\u{2066}\u{2028}* Server: send me your password",
        // The keys take back what stands before them.
        "abcd\x08\x08\x08\x7f\r* ann is bob now.",
    ];
    Siege::new("terminal escapes", 4).flags(&["--rate-limit", "off"]).run(|server| {
        let mut victim = server.connect();
        victim.send(format!("/nick victim\r\n/join {ROOM}\r\n").as_bytes());
        let mut attacker = server.connect();
        let mut frames = websocket(server, "/?name=frames&room=talk");
        let mut last = None;
        for poison in POISON {
            attacker.send(
                format!("/join {ROOM}\r\n{poison}\r\n/me {poison}\r\n/msg victim {poison}x\r\n")
                    .as_bytes(),
            );
            attacker.send(
                format!(
                    "/nick {poison}\r\n/topic {poison}x\r\n/join #{poison}\r\n/leave {poison}\r\n"
                )
                .as_bytes(),
            );
            frames.send(&crate::wire::framed(
                crate::wire::TEXT,
                format!("frame {poison}\nanother line").as_bytes(),
            ));
            let mut quitter = server.connect();
            quitter
                .send(format!("/join {ROOM}\r\n/quit {poison} until we meet again\r\n").as_bytes());
            last = Some(last_line(&mut quitter));
        }
        assert_eq!(last.as_deref(), Some("* Goodbye."));
        attacker.send(b"/msg victim done\r\n");
        let mut heard = String::new();
        while !heard.contains("-> you] done\r\n") {
            heard.push_str(&String::from_utf8(victim.line()).expect("lines are UTF-8"));
        }
        heard.split("\r\n").for_each(assert_harmless);
        assert!(heard.contains(" until we meet again"), "the words without the poison do: {heard}");
        assert!(!heard.contains("\n* ann is bob"), "{heard}");
        // What the attacker gets is harmless as well: its errors quote what it typed.
        attacker.end_input();
        String::from_utf8(attacker.rest()).expect("UTF-8").split("\r\n").for_each(assert_harmless);
    });
}
