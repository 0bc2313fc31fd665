//! Attacks on those who talk: rooms and people that are kept behind, so that who speaks to them
//! waits.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::attack::{Attack, SetWhenDropped};
use crate::common::{Client, Server};
use crate::conversation::ROOM;
use crate::herd::{EVERYTHING, Herd};
use crate::hoards::number;
use crate::siege::{Siege, within};
use crate::wire::{HERE, JSON, TEXT, elsewhere, frame, framed, json, upgrade_request};

/// What a word of the honest may take in a flooded room, and what an answer to a private word may.
const PATIENCE: Duration = Duration::from_secs(if cfg!(debug_assertions) { 3 } else { 2 });
/// What waits for no room.
const AT_ONCE: Duration = within(200);
/// The line of somebody who says as much as can be said at once.
const GIANT_BYTES: usize = 64 * 1024;
/// The receive buffer of somebody who reads slowly: all else waits in the server.
const SLOW_WINDOW: usize = 16 * 1024;
/// A speaker's line, what waits of it, and what a slow member may be owed.
const SPEAKER_KIB: u64 = 256 + 128;
const SLOW_MIB: u64 = 1;

/// Speakers who say giant lines as fast as they may, and members who read all of them, slowly.
fn speakers(server: &Server, room: &str, how_many: usize, slow: usize, how_long: Duration) {
    let path = format!("/?room={}", room.trim_start_matches('#'));
    let mut members = Herd::gather(server, slow, elsewhere, Some(SLOW_WINDOW))
        .reads(|i| 150_000 + 250_000 * i as u64 / slow as u64);
    members.say(|_| upgrade_request(&path, JSON).into_bytes());
    let mut speakers = Herd::gather(server, how_many, elsewhere, None).reads(|_| EVERYTHING);
    speakers.say(|_| format!("/join {room}\r\n").into_bytes());
    let line = format!("{:g<1$}\r\n", "", GIANT_BYTES - 2);
    thread::scope(|scope| {
        scope.spawn(|| speakers.drive(line.as_bytes(), how_long));
        members.wait(how_long);
    });
}

pub const SPEAKERS: Attack = Attack {
    name: "giant lines for slow members",
    memory_mib: 20 * SPEAKER_KIB / 1024 + 8 * SLOW_MIB + 4,
    round: |server, how_long| speakers(server, ROOM, 20, 8, how_long),
};

/// Somebody who asks with JSON, and reads all that comes.
struct Asker {
    client: Client,
    asked: u64,
    /// Answers that came while it waited for another one, and when.
    others: HashMap<u64, (Value, Instant)>,
}

impl Asker {
    fn new(server: &Server, path: &str) -> Asker {
        let mut client = server.connect();
        client.send(upgrade_request(path, JSON).as_bytes());
        crate::wire::head(&mut client);
        Asker { client, asked: 0, others: HashMap::new() }
    }

    fn send(&mut self, mut request: Value) -> u64 {
        self.asked += 1;
        request["ref"] = self.asked.into();
        self.client.send(&framed(TEXT, request.to_string().as_bytes()));
        self.asked
    }

    /// The answer, and when it came.
    fn answer_to(&mut self, asked: u64) -> (Value, Instant) {
        loop {
            if let Some(answer) = self.others.remove(&asked) {
                return answer;
            }
            let (_, payload) = frame(&mut self.client);
            let object: Value = serde_json::from_slice(&payload).expect("JSON");
            if let Some(number) = object["ref"].as_u64() {
                self.others.insert(number, (object, Instant::now()));
            }
        }
    }

    /// The answer, and how long it took.
    fn ask(&mut self, request: Value) -> (Value, Duration) {
        let began = Instant::now();
        let asked = self.send(request);
        let (answer, came) = self.answer_to(asked);
        (answer, came.saturating_duration_since(began))
    }
}

/// Somebody in the flooded room, whose words wait for their turn there, and who asks for what has
/// nothing to do with them.
fn impatient(server: &Server, friend: &str) -> Vec<(&'static str, Duration)> {
    let mut asker = Asker::new(server, "/?room=talk");
    let joined = asker.send(json!({"type": "join", "room": ROOM, "replay": 0}));
    asker.answer_to(joined);
    for _ in 0..4 {
        asker.send(json!({"type": "say", "room": ROOM, "text": "I wait for my turn."}));
    }
    let mut took = Vec::new();
    let mut at_once = |what, request: Value, kind: &str| {
        let (answer, time) = asker.ask(request);
        assert_eq!(answer["type"], kind, "{what}: {answer}");
        took.push((what, time));
    };
    let other = format!("#other-{}", number());
    at_once("/msg", json!({"type": "msg", "to": friend, "text": "psst"}), "direct");
    at_once("/join", json!({"type": "join", "room": other}), "joined");
    at_once("elsewhere", json!({"type": "say", "room": other, "text": "ah"}), "said");
    at_once("/leave", json!({"type": "leave", "room": ROOM}), "left");

    let mut quitter = server.connect();
    quitter.send(format!("/join {ROOM}\r\n").as_bytes());
    while !quitter.line().starts_with(format!("* You are in {ROOM}").as_bytes()) {}
    let began = Instant::now();
    quitter.send(b"I wait for my turn.\r\n/quit\r\n");
    assert!(quitter.rest().ends_with(b"* Goodbye.\r\n"));
    took.push(("/quit", began.elapsed()));
    took
}

/// Somebody who is there to be written to, and reads.
fn befriend<'scope>(
    server: &Server,
    scope: &'scope thread::Scope<'scope, '_>,
    done: &'scope AtomicBool,
) -> String {
    let name = format!("friend-{}", number());
    let mut friend = json(server, &format!("/?name={name}"));
    let mut mouth = friend.writer();
    scope.spawn(move || {
        use std::io::Write;
        while !done.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = mouth.write_all(&framed(crate::wire::CLOSE, b""));
    });
    scope.spawn(move || while frame(&mut friend).0 == TEXT {});
    name
}

fn beside_speakers(
    name: &'static str,
    how_many: usize,
    slow: usize,
    how_long: Duration,
    flags: &[&'static str],
) {
    let memory_mib = how_many as u64 * SPEAKER_KIB / 1024 + slow as u64 * SLOW_MIB + 4;
    let siege = Siege::new(name, memory_mib).latency(PATIENCE).pings(within(200));
    siege.flags(flags).run(|server| {
        let done = AtomicBool::new(false);
        let took = thread::scope(|scope| {
            let _ended = SetWhenDropped(&done);
            let friend = befriend(server, scope, &done);
            scope.spawn(move || speakers(server, ROOM, how_many, slow, how_long));
            thread::sleep(Duration::from_secs(3));
            let mut took = impatient(server, &friend);
            thread::sleep(Duration::from_secs(2));
            took.extend(impatient(server, &friend));
            took
        });
        println!("{name}: {took:?}");
        for (what, time) in took {
            assert!(time < AT_ONCE, "{what} took {time:?}");
        }
    });
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes long; .ci/run runs it in release")]
fn a_room_of_giant_lines_and_slow_members_holds_up_no_word_for_long() {
    beside_speakers(SPEAKERS.name, 20, 8, Duration::from_secs(10), &[]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes long; .ci/run runs it in release")]
fn without_flood_control_a_word_comes_in_time_as_well() {
    let flags = ["--rate-limit", "off"];
    beside_speakers("giant lines without flood control", 20, 8, Duration::from_secs(8), &flags);
}

#[test]
#[ignore = "two hundred and fifty flood a room; .ci/run runs it"]
fn a_room_of_hundreds_of_speakers_holds_up_no_word_for_long() {
    beside_speakers("giant lines of hundreds", 240, 10, Duration::from_secs(30), &[]);
}

/// Friends who write to one person more than that person reads.
fn friends(server: &Server, victim: &str, how_long: Duration) {
    let mut slow = Herd::gather(server, 1, |_| HERE, Some(SLOW_WINDOW)).reads(|_| 100_000);
    slow.say(|_| format!("/nick {victim}\r\n/leave #lobby\r\n").into_bytes());
    slow.wait(Duration::from_millis(300));
    let mut friends = Herd::gather(server, 100, elsewhere, None).reads(|_| EVERYTHING);
    let words = format!("/msg {victim} {:f<60000}\r\n", "");
    thread::scope(|scope| {
        scope.spawn(|| slow.wait(how_long));
        friends.drive(words.as_bytes(), how_long);
    });
}

pub const FRIENDS: Attack = Attack {
    name: "a hundred friends of one person",
    memory_mib: 100 * SPEAKER_KIB / 1024 + SLOW_MIB,
    round: |server, how_long| friends(server, &format!("victim-{}", number()), how_long),
};

#[test]
#[cfg_attr(debug_assertions, ignore = "takes long; .ci/run runs it in release")]
fn who_writes_to_somebody_who_is_behind_goes_on_talking() {
    Siege::new(FRIENDS.name, FRIENDS.memory_mib).pings(within(200)).run(|server| {
        thread::scope(|scope| {
            scope.spawn(|| friends(server, "victim", Duration::from_secs(10)));
            thread::sleep(Duration::from_secs(3));
            let mut asker = Asker::new(server, "/?room=asker");
            for _ in 0..2 {
                let asked = Instant::now();
                let word = asker.send(json!({"type": "msg", "to": "victim", "text": "psst"}));
                for text in ["I", "go", "on"] {
                    let (said, took) =
                        asker.ask(json!({"type": "say", "room": "#asker", "text": text}));
                    assert!(took < AT_ONCE, "a word took {took:?}: {said}");
                    assert_eq!(said["type"], "said", "{said}");
                }
                let (answer, came) = asker.answer_to(word);
                let took = came.saturating_duration_since(asked);
                println!("{}: a private word took {took:?}", FRIENDS.name);
                assert!(took < PATIENCE + Duration::from_secs(1), "{took:?}: {answer}");
                assert!(answer["type"] == "direct" || answer["code"] == "busy", "{answer}");
            }
            let log = server.log();
            let let_go: Vec<_> = log.iter().filter(|line| line.contains("too slow")).collect();
            assert!(let_go.is_empty(), "who reads is not let go: {let_go:?}");
        });
    });
}
