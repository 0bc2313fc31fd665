//! What happens at every limit: flood, congestion, histories, rooms, announcements.

use proptest::prelude::*;
use serde_json::json;

use super::stage::{JSON, LINES, Stage, TEXT, Visit, settings};
use crate::chat::settings::ChatSettings;
use crate::chat::state::{history, rooms};
use crate::delivery::Wait;
use crate::delivery::limits::DeliveryLimits;
use crate::service::{Outcome, Service};
use crate::throttle::Rate;

fn flood_controlled(rate: &str) -> Stage {
    let mut stage =
        Stage::new(ChatSettings { rate: rate.parse::<Rate>().expect("a rate"), ..settings() });
    stage.seat(&["alice", "bob"]);
    stage
}

#[test]
fn over_the_rate_the_next_message_waits_until_its_time() {
    let mut stage = flood_controlled("3:2");
    for i in 0..3 {
        assert_eq!(stage.offer("alice", format!("m{i}").as_bytes()), Outcome::Done);
    }
    for _ in 0..5 {
        assert_eq!(
            stage.offer("alice", b"m3"),
            Outcome::Blocked(Wait::Time(500)),
            "asking costs nothing"
        );
    }
    assert_eq!(stage.hear("bob").len(), 3);
    stage.pass(499);
    assert_eq!(stage.offer("alice", b"m3"), Outcome::Blocked(Wait::Time(500)));
    assert_eq!(stage.offer("bob", b"mine"), Outcome::Done, "one's flood is one's own");
    stage.pass(1);
    assert_eq!(stage.offer("alice", b"m3"), Outcome::Done);
    assert_eq!(stage.offer("alice", b"m4"), Outcome::Blocked(Wait::Time(1000)));
    assert_eq!(stage.hear("bob"), ["[#lobby] alice: m3"]);
    stage.pass(60_000);
    for i in 0..3 {
        assert_eq!(stage.offer("alice", format!("m{i}").as_bytes()), Outcome::Done);
    }
    assert!(
        matches!(stage.offer("alice", b"x"), Outcome::Blocked(Wait::Time(_))),
        "no fuller than full"
    );
}

#[test]
fn who_pastes_at_a_terminal_is_told_once_that_the_rest_follows() {
    let told = ["* That was much at once: the rest follows."];
    let mut stage = flood_controlled("3:2");
    stage.open("web", JSON, Visit { name: Some("web"), room: Some("lobby") });
    stage.open("page", TEXT, Visit { name: Some("page"), room: Some("lobby") });
    stage.forget();
    let mut paste = |who: &str, text: &[u8], lines: usize| {
        let mut said = 0;
        while said < lines {
            match stage.offer(who, text) {
                Outcome::Done => said += 1,
                Outcome::Blocked(Wait::Time(at)) => stage.pass(at - stage.now.ms),
                other => panic!("{other:?}"),
            }
        }
        let heard = stage.hear(who);
        stage.forget();
        heard
    };
    assert_eq!(paste("alice", b"x", 3), [""; 0], "a burst is none too much");
    assert_eq!(paste("alice", b"x", 7), told);
    assert_eq!(paste("alice", b"x", 7), [""; 0], "it goes on");
    let say = br#"{"type": "say", "text": "x"}"#;
    assert_eq!(paste("web", say, 7).len(), 7, "programs are told their limits");
    assert_eq!(paste("page", b"x", 7), ["[#lobby] page: x"; 7]);
    // By now it could have begun anew.
    assert_eq!(paste("alice", b"x", 7), told);
}

#[test]
fn a_key_that_looks_something_up_costs_as_a_message_does() {
    let mut stage = flood_controlled("3:2");
    let (alice, now) = (stage.id("alice"), stage.now);
    let tab = |stage: &mut Stage| stage.chat.completions(alice, "b", now).words.len();
    assert_eq!([(); 4].map(|()| tab(&mut stage)), [1, 1, 1, 0]);
    assert_eq!(stage.offer("alice", b"m"), Outcome::Blocked(Wait::Time(500)));
    assert_eq!(stage.hear("alice"), ["* That was much at once: the rest follows."]);
}

#[test]
fn everything_costs_and_an_empty_line_does() {
    for request in [
        "hello",
        "",
        "  ",
        "/help",
        "/dance",
        "/who",
        "/rooms",
        "/nick alice",
        "/msg bob x",
        "/join #dev",
        "/topic",
        "/history",
    ] {
        let mut stage = flood_controlled("1:1");
        assert_eq!(stage.offer("alice", request.as_bytes()), Outcome::Done, "{request}");
        assert_eq!(
            stage.offer("alice", request.as_bytes()),
            Outcome::Blocked(Wait::Time(1000)),
            "{request}"
        );
        assert_eq!(stage.offer("alice", b"\xff"), Outcome::Blocked(Wait::Time(1000)));
    }
}

#[test]
fn long_messages_take_more_and_may_be_owed() {
    let mut stage = flood_controlled("4:2");
    assert_eq!(stage.offer("alice", "x".repeat(4095).as_bytes()), Outcome::Done);
    assert_eq!(stage.offer("alice", "x".repeat(4096).as_bytes()), Outcome::Done);
    assert_eq!(stage.offer("alice", "x".repeat(5 * 4096).as_bytes()), Outcome::Done, "one is left");
    assert_eq!(stage.offer("alice", b"m"), Outcome::Blocked(Wait::Time(3000)), "five are owed");
    stage.pass(3000);
    assert_eq!(stage.offer("alice", b"m"), Outcome::Done);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// A paste of any length at any rate arrives whole and in order, and as fast as the rate says.
    #[test]
    fn a_paste_is_delayed_and_not_cut(lines in 1..80u64, burst in 1..20u64, per_second in 1..10u64) {
        let mut stage = flood_controlled(&format!("{burst}:{per_second}"));
        for i in 0..lines {
            while let Outcome::Blocked(until) = stage.offer("alice", format!("line {i}").as_bytes()) {
                let Wait::Time(at) = until else { panic!("it waits for {until:?}") };
                prop_assert!(at > stage.now.ms, "a time to come");
                stage.pass(at - stage.now.ms);
            }
        }
        let heard = stage.hear("bob");
        let expected: Vec<String> = (0..lines).map(|i| format!("[#lobby] alice: line {i}")).collect();
        prop_assert_eq!(heard, expected);
        let least = lines.saturating_sub(burst) * 1000 / per_second;
        prop_assert!((least..least + lines + 1).contains(&stage.now.ms), "{} ms, and not {least}", stage.now.ms);
    }
}

/// Outboxes of 1,000 bytes are over the mark.
fn small() -> DeliveryLimits {
    DeliveryLimits {
        outbox_mark_bytes: 1000,
        outbox_max_bytes: 100_000,
        ..DeliveryLimits::default()
    }
}

/// Many requests with long answers in one read: the next is taken when the answers to those before
/// have been read.
#[test]
fn who_asks_for_much_at_once_gets_it_bit_by_bit_and_is_not_let_go() {
    let mut stage =
        Stage::with_limits(settings(), DeliveryLimits { outbox_max_bytes: 4000, ..small() });
    stage.seat(&["alice"]);
    for _ in 0..10 {
        stage.say("alice", &"x".repeat(200));
    }
    stage.open("web", JSON, Visit::default());
    stage.forget();
    for (name, request) in
        [("alice", "/history"), ("web", r#"{"type": "join", "room": "lobby", "since": 0}"#)]
    {
        let id = stage.id(name);
        let mut answered = 0;
        for _ in 0..20 {
            if stage.offer(name, request.as_bytes()) == Outcome::Blocked(Wait::ClientClear(id)) {
                assert_eq!(
                    stage.offer(name, request.as_bytes()),
                    Outcome::Blocked(Wait::ClientClear(id))
                );
                let heard = stage.hear(name);
                assert!(heard.len() >= 2, "{heard:?}");
                assert_eq!(
                    stage.offer(name, request.as_bytes()),
                    Outcome::Done,
                    "it has read all of it"
                );
            }
            answered += 1;
        }
        assert_eq!(answered, 20);
        assert!(!stage.hear(name).contains(&"(closed)".to_owned()));
    }
}

fn remembering(
    history: history::HistoryLimits,
    history_bytes_max: usize,
    rooms_max: usize,
) -> Stage {
    let rooms = rooms::RoomLimits { rooms_max, history, history_bytes_max };
    Stage::new(ChatSettings { rooms, ..settings() })
}

const MANY: history::HistoryLimits =
    history::HistoryLimits { messages_max: 1000, bytes_max: 1 << 20 };

#[test]
fn a_room_remembers_so_many_messages_and_so_many_bytes() {
    let mut stage = remembering(history::HistoryLimits { messages_max: 5, ..MANY }, 1 << 20, 10);
    stage.seat(&["alice"]);
    for i in 1..=12 {
        stage.say("alice", &format!("m{i}"));
    }
    stage.forget();
    stage.say("alice", "/history 100");
    let heard = stage.hear("alice");
    assert_eq!(heard.len(), 6);
    assert!(
        heard[1].ends_with("(8) alice: m8") && heard[5].ends_with("(12) alice: m12"),
        "{heard:?}"
    );

    let mut stage = remembering(history::HistoryLimits { bytes_max: 1000, ..MANY }, 1 << 20, 10);
    stage.seat(&["alice"]);
    for bytes in [300, 300, 300, 900, 2000, 10] {
        stage.say("alice", &"x".repeat(bytes));
        assert!(stage.chat.state.rooms().history_bytes() <= 1000);
    }
    stage.forget();
    stage.say("alice", "/history 100");
    let heard = stage.hear("alice");
    assert_eq!(
        heard[0], "* The last message of #lobby (UTC):",
        "the one of 2,000 bytes was never remembered"
    );
    assert!(heard[1].ends_with("(6) alice: xxxxxxxxxx"), "{heard:?}");
}

#[test]
fn no_history_at_all_still_counts() {
    let mut stage = remembering(history::HistoryLimits { messages_max: 0, ..MANY }, 1 << 20, 10);
    stage.seat(&["alice"]);
    stage.open("web", JSON, Visit { name: Some("web"), room: Some("lobby") });
    stage.forget();
    stage.say("alice", "one");
    stage.say("alice", "two");
    let ids: Vec<_> = stage.objects("web").iter().map(|said| said["id"].clone()).collect();
    assert_eq!(ids, [1, 2]);
    stage.say("web", r#"{"type": "join", "room": "lobby", "since": 1}"#);
    let objects = stage.objects("web");
    assert_eq!((objects.len(), &objects[0]["gap"]), (1, &json!(true)));
}

#[test]
fn all_histories_together_stay_within_their_bound() {
    for (rooms, bytes) in [(3, 300), (20, 2000), (20, 50)] {
        let bound = 10_000;
        let mut stage = remembering(MANY, bound, 100);
        stage.seat(&["alice"]);
        for room in 0..rooms {
            stage.say("alice", &format!("/join #r{room}"));
            stage.say("alice", "a small word");
        }
        for round in 0..10 {
            for room in 0..rooms {
                stage.say("alice", &format!("/join #r{room}"));
                stage.say("alice", &"x".repeat(bytes + round));
                let held = stage.chat.state.rooms().history_bytes();
                assert!(held <= bound, "{held} bytes in {rooms} rooms that {bytes} are said in");
            }
        }
    }
}

#[test]
fn rooms_that_nobody_is_in_are_forgotten_first_when_histories_grow() {
    let mut stage = remembering(MANY, 3000, 100);
    stage.seat(&["alice"]);
    for room in ["#old", "#new"] {
        stage.say("alice", &format!("/join {room}"));
        stage.say("alice", &"x".repeat(700));
        stage.say("alice", "/leave");
    }
    stage.say("alice", &"x".repeat(700));
    stage.forget();
    stage.say("alice", "/rooms");
    assert_eq!(stage.hear("alice").len(), 4);
    stage.say("alice", &"x".repeat(1000));
    stage.say("alice", "/rooms");
    let heard = stage.hear("alice");
    assert_eq!(heard[..2], ["* 2 rooms, busiest first:", "*   #lobby (1 person, you talk here)"]);
    assert_eq!(heard[2], "*   #new (0 people)", "the one that was left first has gone");
    stage.say("alice", "/history");
    assert_eq!(stage.hear("alice").len(), 3, "and no word of those who are here");
}

#[test]
fn a_room_that_makes_room_for_another_never_uses_its_ids_again() {
    let mut stage = remembering(MANY, 1 << 20, 2);
    stage.seat(&["alice"]);
    stage.open("web", JSON, Visit { name: Some("web"), room: Some("old") });
    for i in 1..=5 {
        stage.say("web", &format!(r#"{{"type": "say", "text": "m{i}"}}"#));
    }
    stage.say("web", r#"{"type": "leave"}"#);
    stage.forget();
    stage.play(
        "
        alice> /join #new
        alice< * You are in #new now, with nobody else.
        alice> /who #old
        alice< ! There is no room \"#old\". /rooms lists those that there are.
        alice> /join #third
        alice< ! This server has as many rooms as it can hold. Join one of those in /rooms.
        alice> /leave
        alice< * You left #new.
        alice< * You talk in #lobby now.
    ",
    );
    // The new #old goes on where the other one ended: a program that had seen 3 has missed two, one
    // that had seen all has not.
    for (since, gap) in [(3, true), (5, false)] {
        stage.say(
            "web",
            &format!(r#"{{"type": "join", "room": "old", "since": {since}, "epoch": "e1"}}"#),
        );
        let objects = stage.objects("web");
        assert_eq!(
            (objects.len(), &objects[0]["gap"], &objects[0]["position"]),
            (1, &json!(gap), &json!(5))
        );
        stage.say("web", r#"{"type": "leave"}"#);
        stage.forget();
    }
    stage.say("web", r#"{"type": "join", "room": "old"}"#);
    stage.say("web", r#"{"type": "say", "text": "again"}"#);
    assert_eq!(stage.objects("web")[1]["id"], 6);
}

#[test]
fn one_is_in_so_many_rooms_and_no_more() {
    let mut stage = Stage::new(ChatSettings { rooms_per_client_max: 3, ..settings() });
    stage.seat(&["alice"]);
    stage.play(
        "
        alice> /join #a
        alice< * You are in #a now, with nobody else.
        alice> /join #b
        alice< * You are in #b now, with nobody else.
        alice> /join #c
        alice< ! You are in 3 rooms, and more are not allowed. Leave one first.
        alice> /join #lobby
        alice< * You are in #lobby now, with nobody else.
        alice> /leave #b
        alice< * You left #b.
        alice< * You talk in #lobby now.
        alice> /join #c
        alice< * You are in #c now, with nobody else.
    ",
    );
    assert_eq!(
        stage.chat.rooms(),
        3,
        "the one that was left, and that nothing was said in, has gone"
    );
}

#[test]
fn who_comes_to_a_full_server_is_greeted_all_the_same() {
    let mut stage = Stage::new(ChatSettings {
        rooms: rooms::RoomLimits { rooms_max: 1, ..settings().rooms },
        ..settings()
    });
    stage.open("ann", TEXT, Visit { name: Some("ann"), room: Some("dev") });
    stage.forget();
    stage.play(
        "
        +bob
        bob< * Welcome! You are guest-1 in #lobby, with nobody else. Try /nick NAME or /help.
        bob> /join #one-more
        bob< ! This server has as many rooms as it can hold. Join one of those in /rooms.
        bob> /join #dev
        ann< * guest-1 joined #dev.
        bob< * You are in #dev now, with 1 other.
    ",
    );
}

#[test]
fn in_big_rooms_nobody_is_told_who_comes_and_goes() {
    let mut stage = Stage::new(ChatSettings { announce_below: 3, ..settings() });
    stage.seat(&["a1", "a2"]);
    stage.play(
        "
        +a3
        a1< * guest-1 joined #lobby.
        a2< * guest-1 joined #lobby.
        a3< * Welcome!…
        a3> /nick third
        a1< * guest-1 is third now.
        a2< * guest-1 is third now.
        a3< * You are third now.
        +a4
        a4< * Welcome! You are guest-2 in #lobby, with 3 others. …
        a4> /nick fourth
        a4< * You are fourth now.
        a4> /topic told to all
        a1< * fourth set the topic of #lobby: told to all
        a2< * fourth set the topic of #lobby: told to all
        a3< * fourth set the topic of #lobby: told to all
        a4< * fourth set the topic of #lobby: told to all
        a3> /leave
        a3< * You left #lobby.
        a3< * You are in no room now. Enter one with /join #ROOM.
        a2> /quit bye
        a1< * a2 left #lobby: bye
        a4< * a2 left #lobby: bye
        a2< * Goodbye.
        a2< (closed)
        a3> /join #lobby
        a1< * third joined #lobby.
        a4< * third joined #lobby.
        a3< * You are in #lobby now, with 2 others. Topic: told to all
    ",
    );
}

/// A room with long messages that are as bad to encode as text can be.
fn stage_with_long_history(text_bytes: usize, messages: usize, answer_bytes_max: usize) -> Stage {
    let replay_bytes_max = answer_bytes_max;
    let limits = ChatSettings { answer_bytes_max, replay_bytes_max, ..settings() };
    let mut stage = Stage::new(limits);
    stage.seat(&["ann"]);
    for i in 0..messages {
        let text = format!("{i}{}", "\"\\".repeat(text_bytes / 2));
        stage.say("ann", &text[..text_bytes]);
    }
    stage.open("web", JSON, Visit::default());
    stage.forget();
    stage
}

/// The ids in answers, of which each is within the bound.
fn ids_in(frames: &[String], bytes_max: usize) -> Vec<u64> {
    let ids = |frame: &String| {
        let object: serde_json::Value = serde_json::from_str(frame).expect("an object");
        let ids: Vec<u64> = object["messages"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|it| it["id"].as_u64())
            .collect();
        assert!(
            frame.len() + 10 <= bytes_max || ids.len() == 1,
            "a frame of {} bytes",
            frame.len()
        );
        ids
    };
    frames.iter().flat_map(ids).collect()
}

#[test]
fn what_was_missed_comes_in_frames_within_the_bound() {
    for (text_bytes, messages, bytes_max) in [
        (60_000, 17, 256 * 1024),
        (65_536, 15, 256 * 1024),
        (400, 1000, 256 * 1024),
        (500, 40, 3000),
        (9000, 4, 3000),
    ] {
        let mut stage = stage_with_long_history(text_bytes, messages, bytes_max);
        let held = stage.chat.state.rooms().find("#lobby").expect("the lobby").history.len();
        stage.say(
            "web",
            r#"{"type": "join", "room": "lobby", "since": 0, "epoch": "e1", "ref": 1}"#,
        );
        let frames = stage.hear("web").split_off(1);
        let last = messages as u64;
        assert_eq!(
            ids_in(&frames, bytes_max),
            (last + 1 - held as u64..=last).collect::<Vec<_>>(),
            "{text_bytes}"
        );
        // Each is as full as it can be, but for the last.
        for pair in frames.windows(2) {
            let next: serde_json::Value = serde_json::from_str(&pair[1]).expect("an object");
            let first = next["messages"][0].to_string().len();
            let is_full = ids_in(&pair[..1], bytes_max).len() == 100
                || pair[0].len() + first + 12 > bytes_max;
            assert!(is_full, "{} bytes, and another {first} would fit", pair[0].len());
        }
    }
}

#[test]
fn a_first_replay_and_a_page_of_history_are_one_answer_within_the_bound() {
    let bytes_max = 256 * 1024;
    let mut stage = stage_with_long_history(60_000, 17, bytes_max);
    stage.say("web", r#"{"type": "join", "room": "lobby", "replay": 1000}"#);
    let frames = stage.hear("web").split_off(1);
    assert_eq!((ids_in(&frames, bytes_max), frames.len()), (vec![16, 17], 1));
    assert!(frames[0].contains("\"more\":true"));
    // Page by page, all is seen, in both directions.
    let (mut before, mut seen) = (u64::MAX, Vec::new());
    loop {
        stage.say(
            "web",
            &format!(
                r#"{{"type": "history", "before": {before}, "limit": 100, "ref": "{}"}}"#,
                r"\u202e".repeat(20)
            ),
        );
        let frames = stage.hear("web");
        let page = ids_in(&frames, bytes_max);
        before = page[0];
        seen.splice(0..0, page);
        if frames[0].contains("\"more\":false") {
            break;
        }
    }
    let all: Vec<u64> = (seen[0]..=17).collect();
    assert_eq!(seen, all);
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        stage.say("web", &format!(r#"{{"type": "history", "after": {after}, "limit": 100}}"#));
        let frames = stage.hear("web");
        seen.extend(ids_in(&frames, bytes_max));
        after = seen[seen.len() - 1];
        if frames[0].contains("\"more\":false") {
            break;
        }
    }
    assert_eq!(seen, all);
}

#[test]
fn one_message_over_the_bound_comes_alone() {
    let mut stage = stage_with_long_history(400_000, 2, 256 * 1024);
    stage.say("web", r#"{"type": "join", "room": "lobby", "replay": 0}"#);
    stage.forget();
    stage.say("web", r#"{"type": "history"}"#);
    let frames = stage.hear("web");
    assert_eq!(ids_in(&frames, 256 * 1024), [2]);
    assert!(frames[0].len() > 800_000 && frames[0].contains("\"more\":true"));
    stage.say("web", r#"{"type": "history", "before": 2}"#);
    let frames = stage.hear("web");
    assert_eq!(ids_in(&frames, 256 * 1024), [1]);
    assert!(frames[0].contains("\"more\":false"));
}

#[test]
fn people_are_shown_no_more_than_fits_either() {
    let mut stage = stage_with_long_history(60_000, 17, 256 * 1024);
    for (name, format) in [("bob", LINES), ("carol", TEXT)] {
        stage.open(name, format, Visit::default());
        for heard in [stage.hear(name), {
            stage.say(name, "/history 1000");
            stage.hear(name)
        }] {
            let lines: Vec<&String> = heard.iter().filter(|line| line.contains('\\')).collect();
            assert_eq!(
                lines.len(),
                4,
                "{:?}",
                heard
                    .iter()
                    .map(|line| line.chars().take(80).collect::<String>())
                    .collect::<Vec<_>>()
            );
            assert!(lines.iter().map(|line| line.len()).sum::<usize>() < 256 * 1024);
            assert!(heard.contains(&"* The last 4 messages of #lobby (UTC):".to_owned()));
        }
    }
}

/// Lists of names and of rooms are bounded by their lengths alone.
#[test]
fn the_longest_lists_are_within_the_bound() {
    let mut stage = Stage::new(settings());
    let wide = "\u{16B40}".repeat(28);
    for at in 10..70 {
        let name = format!("{wide}'{at}");
        stage.open(&format!("a{at}"), JSON, Visit { name: Some(&name), ..Visit::default() });
        stage.say(
            &format!("a{at}"),
            &json!({"type": "join", "room": format!("#{}{at}", "\u{16B40}".repeat(60)), "replay": 0}).to_string(),
        );
        stage.say(
            &format!("a{at}"),
            &json!({"type": "topic", "text": "\"".repeat(400)}).to_string(),
        );
        stage.say(&format!("a{at}"), r#"{"type": "join", "room": "big"}"#);
    }
    stage.forget();
    for request in [r#"{"type": "who"}"#, r#"{"type": "rooms"}"#] {
        stage.say("a10", request);
        let heard = stage.hear("a10");
        assert_eq!(heard.len(), 1);
        assert!(heard[0].len() > 5000 && heard[0].len() < 128 * 1024, "{} bytes", heard[0].len());
    }
}
