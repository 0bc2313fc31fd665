//! Attacks with what the chat itself offers: small requests for large answers, floods at one
//! person, names and rooms.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::attack::Attack;
use crate::common::{Client, Server};
use crate::conversation::{NAMES, ROOM};
use crate::herd::{EVERYTHING, Herd};
use crate::siege::Siege;
use crate::wire::{
    JSON, TEXT, crowd, cut_off, deflating, drink, elsewhere, flood, framed, json, narrow, pour,
    upgrade_request, websocket,
};

/// What a client may be owed before it is not asked again (256 KiB), and the answer that went over
/// it: all that one room keeps is 1 MiB, in a buffer that doubles.
const OWED_KIB: u64 = 256 + 2 * 1024;

/// Fills a room's history with so many messages of this size.
fn fill(server: &Server, room: &str, messages: usize, bytes: usize) {
    let mut writer = server.connect();
    writer.send(format!("/join {room}\r\n").as_bytes());
    let line = format!("{:x<1$}\r\n", "", bytes);
    for _ in 0..messages {
        writer.send(line.as_bytes());
    }
    writer.send(b"/msg nobody done\r\n");
    while !writer.line().starts_with(b"! Nobody here is called \"nobody\"") {}
}

/// Nine hundred messages of a thousand bytes in #library, of fifty speakers who say what they may
/// say at once.
fn fill_within_flood_control(server: &Server) {
    for _ in 0..50 {
        let mut writer = server.connect();
        writer.send(b"/join #library\r\n");
        writer.send(format!("{:x<1000}\r\n", "").repeat(18).as_bytes());
        writer.send(b"/quit\r\n");
        writer.rest();
    }
}

fn too_slow(server: &Server, client: &Client) {
    let end = "too slow: messages came in faster than this connection read them; closing";
    server.wait_for_log(&format!("{}: {end}", client.address()));
}

pub fn who_asks_for_much_and_reads_nothing_is_let_go() {
    const ATTACKERS: u64 = 32;
    let siege = Siege::new("unread answers", ATTACKERS * OWED_KIB / 1024)
        .flags(&["--rate-limit", "off"])
        .waits();
    siege.run(|server| {
        fill(server, "#library", 1000, 1000);
        let mut attackers: Vec<Client> = (0..ATTACKERS).map(|_| narrow(server)).collect();
        for attacker in &mut attackers {
            attacker.send(b"/join #library\r\n");
        }
        for (asked, attackers) in ["/history 1000\r\n", "/who\r\n", "/rooms\r\n", "/help\r\n"]
            .iter()
            .zip(attackers.chunks(8))
        {
            flood(attackers, asked.repeat(1000).as_bytes(), Duration::from_millis(500));
        }
        for attacker in &mut attackers {
            too_slow(server, attacker);
            attacker.rest();
        }
    });
}

/// They read all of it, as fast as it comes.
#[test]
fn who_asks_for_much_and_reads_it_holds_up_nobody() {
    const ATTACKERS: u64 = 24;
    Siege::new("answers in plenty", ATTACKERS * OWED_KIB / 1024)
        .flags(&["--rate-limit", "1000:5"])
        .run(|server| {
            fill(server, "#library", 900, 1000);
            let mut attackers = crowd(server, ATTACKERS as usize);
            for attacker in &mut attackers {
                attacker.send(b"/join #library\r\n");
                attacker.send(&b"/history 1000\r\n".repeat(200));
            }
            drink(&attackers, Duration::from_secs(3));
        });
}

/// A thousand lines are compressed one by one for each who asks.
#[test]
fn compressed_answers_hold_up_nobody() {
    const ATTACKERS: u64 = 16;
    Siege::new("compressed answers", ATTACKERS * OWED_KIB / 1024).flags(&["--compress"]).run(
        |server| {
            fill_within_flood_control(server);
            let mut attackers: Vec<Client> =
                (0..ATTACKERS).map(|_| deflating(server, "/?room=library")).collect();
            for attacker in &mut attackers {
                attacker.send(&framed(TEXT, b"/history 1000").repeat(50));
            }
            drink(&attackers, Duration::from_secs(4));
        },
    );
}

/// They sit where the honest talk, and are behind all the time on what they asked for themselves.
pub fn members_who_do_not_read_their_own_answers_hold_up_nobody() {
    const ATTACKERS: u64 = 20;
    Siege::new("stuck members", ATTACKERS * OWED_KIB / 1024).waits().run(|server| {
        fill_within_flood_control(server);
        let mut attackers = Vec::new();
        for _ in 0..ATTACKERS {
            let mut attacker = narrow(server);
            attacker.send(format!("/join {ROOM}\r\n/join #library\r\n").as_bytes());
            attacker.send(&b"/history 1000\r\n".repeat(10));
            attackers.push(attacker);
            thread::sleep(Duration::from_millis(250));
        }
        for attacker in &mut attackers {
            too_slow(server, attacker);
            attacker.rest();
        }
    });
}

/// One floods a room of theirs, in which others sit who also sit among the honest, and do not read.
pub fn members_who_are_behind_on_another_room_hold_up_nobody() {
    const ATTACKERS: u64 = 16;
    // Up to the limit of what a client may be owed, though the words are shared by all.
    Siege::new("members stuck elsewhere", 64).waits().flags(&["--rate-limit", "1000:5"]).run(
        |server| {
            thread::scope(|scope| {
                scope.spawn(|| {
                    let mut attackers: Vec<Client> = Vec::new();
                    let mut speaker = server.connect();
                    speaker.send(b"/join #den\r\n");
                    for _ in 0..ATTACKERS {
                        let mut attacker = narrow(server);
                        attacker.send(format!("/join {ROOM}\r\n/join #den\r\n").as_bytes());
                        attackers.push(attacker);
                        thread::sleep(Duration::from_millis(100));
                        for _ in 0..6 {
                            speaker.send(&[&[b'x'; 60_000][..], b"\r\n"].concat());
                        }
                        thread::sleep(Duration::from_millis(200));
                    }
                    for attacker in &mut attackers {
                        too_slow(server, attacker);
                        attacker.rest();
                    }
                });
            });
        },
    );
}

/// The room itself is flooded, and some of its members do not read: a client that speaks there
/// waits for them, for a second each time and no longer than they are let stay.
pub fn a_flooded_room_with_stuck_members_lags_no_longer_than_documented() {
    const ATTACKERS: u64 = 8;
    let bound = Duration::from_secs(8);
    Siege::new("stuck members of a flooded room", 64)
        .waits()
        .flags(&["--compress"])
        .latency(bound)
        .run(|server| {
            let stuck: Vec<Client> = (0..ATTACKERS)
                .map(|i| match i % 3 {
                    0 => {
                        let mut client = narrow(server);
                        client.send(format!("/join {ROOM}\r\n").as_bytes());
                        client
                    }
                    1 => websocket(server, "/?room=talk"),
                    _ => deflating(server, "/?room=talk"),
                })
                .collect();
            let mut speakers = crowd(server, 2);
            for speaker in &mut speakers {
                speaker.send(format!("/join {ROOM}\r\n").as_bytes());
                let mut noise = fastrand::Rng::with_seed(7);
                for _ in 0..30 {
                    let text: String = (0..30_000).map(|_| noise.alphanumeric()).collect();
                    let _ = pour(speaker, format!("{text}\r\n").as_bytes(), text.len() + 2);
                }
            }
            too_slow(server, &stuck[0]);
            cut_off(&stuck);
        });
}

/// A hundred flood one person who reads at the speed of a slow line. It stays, and it can still
/// talk.
#[test]
fn a_victim_that_reads_is_never_let_go_and_can_talk() {
    const ATTACKERS: usize = 100;
    // A message that waits for the victim, the line that follows it and a read: 64 KiB each, in
    // buffers that double.
    let siege = Siege::new("messages to a victim", ATTACKERS as u64 * 448 / 1024);
    siege.run(|server| {
        let mut victim = narrow(server);
        victim.send(format!("/nick victim\r\n/join {ROOM}\r\n").as_bytes());
        while !victim.line().starts_with(format!("* You are in {ROOM}").as_bytes()) {}
        let address = victim.address().to_string();
        let mut friend = server.connect();
        friend.send(b"/nick friend\r\n/msg friend ready\r\n");
        while friend.line() != b"[you -> friend] ready\r\n" {}
        let attackers = crowd(server, ATTACKERS);
        let flooding = [b"/msg victim ", &[b'f'; 60_000][..], b"\r\n"].concat();
        let mut worst = Duration::ZERO;
        let reading = AtomicBool::new(true);
        let still_reading = &reading;
        thread::scope(|scope| {
            scope.spawn(|| flood(&attackers, &flooding, Duration::from_secs(6)));
            let mut mouth = victim.writer();
            let reader = scope.spawn(move || {
                let mut read = 0;
                while still_reading.load(Ordering::Relaxed) {
                    // About 2 MiB a second: far more than anybody types, far less than comes.
                    victim.bytes(20 * 1024);
                    read += 20 * 1024;
                    thread::sleep(Duration::from_millis(10));
                }
                (victim, read)
            });
            for i in 0..4 {
                use std::io::Write;
                thread::sleep(Duration::from_secs(1));
                let said = Instant::now();
                mouth
                    .write_all(format!("/msg friend help {i}\r\n").as_bytes())
                    .expect("the server takes it");
                while friend.line() != format!("[victim -> you] help {i}\r\n").into_bytes() {}
                worst = worst.max(said.elapsed());
            }
            reading.store(false, Ordering::Relaxed);
            let (victim, read) = reader.join().expect("a reader");
            println!(
                "a victim read {} KiB, and was heard after {} ms",
                read / 1024,
                worst.as_millis()
            );
            drop(victim);
        });
        assert!(worst < Duration::from_secs(4), "the victim was heard after {worst:?}");
        let let_go = |line: &&String| line.contains("too slow") && line.contains(&address);
        assert_eq!(server.log().iter().find(let_go), None, "the victim was let go");
        attackers.into_iter().for_each(Client::reset);
    });
}

#[test]
fn rooms_run_out_and_the_honest_have_theirs() {
    const ATTACKERS: u64 = 20;
    // Twenty times fifty rooms, of less than 2 KiB each, and what it takes to ask for them.
    let siege =
        Siege::new("room flood", 16).flags(&["--max-rooms", "250", "--rate-limit", "200:5"]);
    siege.run(|server| {
        let mut attackers: Vec<Client> = (0..ATTACKERS).map(|_| json(server, "/")).collect();
        for (i, attacker) in attackers.iter_mut().enumerate() {
            for room in 0..60 {
                // As long as a name may be, and of characters that take long to fold.
                let name = format!("r{i}x{room}{}", "가".repeat(50));
                let join = format!(r#"{{"type":"join","room":"{name}","ref":{room}}}"#);
                attacker.send(&framed(TEXT, join.as_bytes()));
            }
        }
        let mut codes = std::collections::BTreeMap::new();
        for attacker in &mut attackers {
            loop {
                let object: serde_json::Value =
                    serde_json::from_slice(&crate::wire::frame(attacker).1).expect("JSON");
                if object["type"] == "error" {
                    *codes
                        .entry(object["code"].as_str().expect("a code").to_owned())
                        .or_insert(0) += 1;
                }
                if object["ref"] == 59 {
                    break;
                }
            }
        }
        println!("room flood: {codes:?}");
        assert!(codes["server_full"] > 500, "{codes:?}");
        // Who comes is in the lobby, and the rooms that are there can be entered.
        let mut guest = server.connect();
        guest.send(format!("/join {ROOM}\r\n").as_bytes());
        assert!(guest.line().starts_with(b"* Welcome!"));
        while !guest.line().starts_with(format!("* You are in {ROOM} now").as_bytes()) {}
    });
}

/// Changes of name that take the server long, and one that nobody may make.
fn strange_names() -> String {
    let zalgo = "\u{300}\u{316}\u{334}\u{489}".repeat(30);
    let changes = (0..200).map(|i| {
        format!(
            "/nick z{i}{zalgo}\r\n/nick 𝕏𝕐ℤ{i}\r\n/nick {}\r\n/nick {}\r\n",
            NAMES[0],
            "ﷺ".repeat(20)
        )
    });
    changes.collect()
}

pub const STRANGE_NAMES: Attack = Attack {
    name: "name flood",
    memory_mib: 60 * OWED_KIB / 1024,
    round: |server, how_long| {
        let mut herd = Herd::gather(server, 60, elsewhere, None).reads(|_| EVERYTHING);
        herd.say(|_| format!("/join {ROOM}\r\n").into_bytes());
        herd.drive(strange_names().as_bytes(), how_long);
    },
};

#[test]
fn names_are_changed_for_ever() {
    const ATTACKERS: u64 = 60;
    Siege::new("name flood", ATTACKERS * OWED_KIB / 1024).run(|server| {
        let mut attackers = crowd(server, ATTACKERS as usize);
        for attacker in &mut attackers {
            attacker.send(format!("/join {ROOM}\r\n").as_bytes());
        }
        flood(&attackers, strange_names().as_bytes(), Duration::from_secs(3));
        for attacker in &mut attackers {
            // Nobody takes a name that somebody has.
            while !attacker.line().starts_with(b"! The name ann is taken.") {}
        }
        attackers.into_iter().for_each(Client::reset);
    });
}

/// Somebody in forty rooms who does not read, while all of them talk at once.
#[test]
fn somebody_in_forty_rooms_is_owed_no_more_than_the_limit() {
    const ROOMS: usize = 40;
    // The limit of what one may be owed, and the speakers' own; what rooms remember is another
    // matter.
    let siege = Siege::new("forty rooms at once", 4 + ROOMS as u64 * 256 / 1024);
    siege.flags(&["--rate-limit", "off", "--history-messages", "0"]).run(|server| {
        let mut stuck = narrow(server);
        let mut speakers = crowd(server, ROOMS);
        for (i, speaker) in speakers.iter_mut().enumerate() {
            stuck.send(format!("/join #room-{i}\r\n").as_bytes());
            speaker.send(format!("/join #room-{i}\r\n/leave #lobby\r\n").as_bytes());
        }
        thread::sleep(Duration::from_millis(300));
        flood(&speakers, &[&[b'r'; 1000][..], b"\r\n"].concat(), Duration::from_secs(3));
        too_slow(server, &stuck);
        stuck.rest();
        speakers.into_iter().for_each(Client::reset);
    });
}

/// Topics, typing, joins and leaves as fast as flood control lets them, in the room of the honest.
pub const NOISE: Attack =
    Attack { name: "noise in the room", memory_mib: 40 * 512 / 1024, round: noise };

fn noise(server: &Server, how_long: Duration) {
    let noise: Vec<u8> = [
        r#"{"type":"typing","room":"talk"}"#,
        r#"{"type":"topic","room":"talk","text":"[2J nothing"}"#,
        r#"{"type":"leave","room":"talk"}"#,
        r#"{"type":"join","room":"talk","since":0,"replay":1000}"#,
        r#"{"type":"say","room":"talk","text":"talk 1"}"#,
        r#"{"type":"me","room":"talk","text":"ann: talk 1"}"#,
    ]
    .iter()
    .flat_map(|request| framed(TEXT, request.as_bytes()))
    .collect();
    let mut herd = Herd::gather(server, 40, elsewhere, None).reads(|_| EVERYTHING);
    herd.say(|_| upgrade_request("/?room=talk", JSON).into_bytes());
    herd.drive(&noise, how_long);
}

#[test]
fn noise_in_the_room_itself_is_held_to_flood_control() {
    Siege::new(NOISE.name, NOISE.memory_mib)
        .run(|server| NOISE.round(server, Duration::from_secs(3)));
}
