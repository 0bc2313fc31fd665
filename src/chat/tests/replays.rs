//! What newcomers are shown: as much as is promised, encoded once for all of them.

use bytes::Bytes;
use serde_json::Value;

use super::stage::{JSON, LINES, Stage, TEXT, Visit, settings};
use crate::chat::settings::{ChatSettings, REPLAY_BYTES_MAX};
use crate::delivery::encoding::Encoding;
use crate::service::Service;

/// The lobby, where so many messages of so many bytes were said.
fn stage_with(messages: usize, text_bytes: usize) -> Stage {
    let mut stage = Stage::new(settings());
    stage.seat(&["ann"]);
    for i in 0..messages {
        stage.say("ann", &format!("{i:06}{}", "x".repeat(text_bytes - 6)));
    }
    stage.forget();
    stage
}

/// What is encoded while `act` is done, in bytes.
fn encoded_by(stage: &mut Stage, act: impl FnOnce(&mut Stage)) -> usize {
    let before = stage.out.metrics().bytes_encoded;
    act(stage);
    (stage.out.metrics().bytes_encoded - before) as usize
}

/// The messages that somebody is shown on coming, and their bytes with all that is around them.
fn shown(stage: &mut Stage, name: &str, encoding: Encoding) -> (usize, usize) {
    stage.open(name, encoding, Visit { room: Some("#lobby"), ..Visit::default() });
    let heard = stage.hear(name);
    let pages = heard.iter().filter(|heard| heard.contains("\"messages\"") || !heard.contains('{'));
    let pages: Vec<&String> = pages.filter(|page| !page.starts_with("* Welcome!")).collect();
    let messages = match encoding.dialect == JSON.dialect {
        true => pages
            .iter()
            .map(|page| serde_json::from_str::<Value>(page).expect("an object"))
            .map(|page| page["messages"].as_array().expect("messages").len())
            .sum(),
        false => pages.iter().filter(|line| line.starts_with("*   ")).count(),
    };
    (messages, pages.iter().map(|page| page.len() + 2).sum())
}

#[test]
fn a_newcomer_is_shown_no_more_than_the_bound_and_the_newest_message_always() {
    for (name, encoding) in [("bob", LINES), ("web", TEXT), ("bot", JSON)] {
        let (messages, bytes) = shown(&mut stage_with(30, 100), name, encoding);
        assert_eq!(messages, 20, "{name}: {bytes} bytes");
        let (messages, bytes) = shown(&mut stage_with(30, 3000), name, encoding);
        assert!((9..=10).contains(&messages), "{name}: {messages} messages in {bytes} bytes");
        assert!(bytes <= REPLAY_BYTES_MAX, "{name}: {bytes} bytes");
        let (messages, bytes) = shown(&mut stage_with(5, 60_000), name, encoding);
        assert_eq!(messages, 1, "{name}: {bytes} bytes");
    }
}

/// To the byte: one more in the newest message, and the oldest that fitted does not.
#[test]
fn the_bound_is_kept_to_the_byte() {
    let told = |replay_bytes_max| {
        let mut stage = Stage::new(ChatSettings { replay_bytes_max, ..settings() });
        stage.seat(&["ann"]);
        for i in 0..4 {
            stage.say("ann", &format!("number {i}"));
        }
        stage.forget();
        shown(&mut stage, "bob", LINES).0
    };
    let heading = "* The last 4 messages of #lobby (UTC):".len() + 10;
    let line = "*   2026-11-22 13:05:09 (1) ann: number 0".len() + 10;
    assert_eq!(told(heading + 3 * line), 3);
    assert_eq!(told(heading + 3 * line - 1), 2);
    assert_eq!(told(1), 1);
}

#[test]
fn more_is_shown_to_those_who_ask_for_it() {
    let mut stage = stage_with(30, 3000);
    assert_eq!(shown(&mut stage, "bot", JSON).0, 10);
    for (fields, expected) in [(r#""replay": 25"#, 25), (r#""since": 2, "epoch": "e1""#, 28)] {
        stage.say("bot", &format!(r##"{{"type": "join", "room": "#lobby", {fields}}}"##));
        let pages = stage.objects("bot").split_off(1);
        let messages = pages.iter().map(|page| page["messages"].as_array().map_or(0, Vec::len));
        assert_eq!(messages.sum::<usize>(), expected, "{fields}");
    }
    stage.forget();
    stage.say("ann", "/history 30");
    assert_eq!(stage.hear("ann").len(), 31);
}

#[test]
fn a_replay_is_encoded_once_for_all_until_the_room_speaks_again() {
    for encoding in [LINES, TEXT, JSON] {
        let mut stage = stage_with(30, 1000);
        let join = |stage: &mut Stage, name: &str| {
            encoded_by(stage, |stage| {
                stage.open(name, encoding, Visit { room: Some("#lobby"), ..Visit::default() });
            })
        };
        let first = join(&mut stage, "b1");
        let second = join(&mut stage, "b2");
        let held = stage.chat.replays.bytes();
        assert!((20_000..=REPLAY_BYTES_MAX).contains(&held), "{held} bytes are held");
        assert!(second + held < first + 100, "{encoding:?}: {second} bytes after {first}");
        stage.say("ann", "news");
        assert_eq!(stage.chat.replays.bytes(), 0, "it is not what newcomers are told any more");
        let third = join(&mut stage, "b3");
        assert!(third + 2000 > first && third > second, "{encoding:?}: {third} after {first}");
    }
}

/// However they ask for them.
#[test]
fn those_who_ask_for_the_same_messages_share_them() {
    let mut stage = stage_with(30, 20_000);
    let asks = [r#""replay": 20"#, r#""replay": 30"#, r#""replay": 4000"#, r#""since": 17"#];
    for (at, fields) in asks.into_iter().enumerate() {
        let name = format!("b{at}");
        stage.open(&name, JSON, Visit::default());
        let bytes = encoded_by(&mut stage, |stage| {
            stage.say(&name, &format!(r##"{{"type": "join", "room": "#lobby", {fields}}}"##));
        });
        assert_eq!(bytes > 200_000, at == 0, "{fields}: {bytes} bytes are encoded");
        let pages = stage.objects(&name);
        let messages = pages[pages.len() - 1]["messages"].as_array().expect("messages");
        assert_eq!(messages.len(), 13, "{fields}");
    }
}

/// Whatever is shared is what one who comes to a server that has encoded nothing yet is told.
#[test]
fn a_shared_replay_is_what_a_new_encoding_gives() {
    let asks = ["", r#", "replay": 7"#, r#", "since": 3"#, r#", "since": 28"#, r#", "replay": 90"#];
    let ask = |stage: &mut Stage, name: &str, fields: &str| -> Vec<String> {
        stage.open(name, JSON, Visit { name: Some("bot"), room: None });
        stage.forget();
        stage.say(name, &format!(r##"{{"type": "join", "room": "#lobby"{fields}}}"##));
        let told = stage.hear(name);
        stage.leave(name);
        stage.turn();
        told
    };
    let mut shared = stage_with(30, 1500);
    for round in 0..3 {
        for (at, fields) in asks.iter().enumerate() {
            let told = ask(&mut shared, &format!("b{round}{at}"), fields);
            let fresh = ask(&mut stage_with(30, 1500), "fresh", fields);
            assert_eq!(told, fresh, "{fields}");
        }
        shared.open(&format!("t{round}"), LINES, Visit { name: Some("tom"), room: None });
        shared.turn();
        shared.leave(&format!("t{round}"));
        shared.turn();
    }
}

#[test]
fn what_nobody_asks_for_is_held_no_longer() {
    let mut stage = stage_with(30, 1000);
    shown(&mut stage, "bob", LINES);
    shown(&mut stage, "bot", JSON);
    assert!(stage.out.held_bytes() > 20_000);
    stage.chat.trim();
    assert_eq!(stage.out.held_bytes(), 0);
    shown(&mut stage, "web", TEXT);
    assert!(stage.out.held_bytes() > 10_000);
}

#[test]
fn what_is_sent_shared_comes_after_what_was_sent_before() {
    let mut stage = stage_with(2, 1000);
    stage.say("ann", "/join #dev");
    let bob = stage.open("bob", LINES, Visit::default());
    stage.out.send_shared(bob, &Bytes::from_static(b"short\r\n"));
    stage.out.send_shared(bob, &Bytes::from(format!("{}\r\n", "long ".repeat(200))));
    stage.out.send_shared(bob, &Bytes::from_static(b"last\r\n"));
    let heard = stage.hear("bob");
    let ends: Vec<&str> = heard.iter().map(|line| &line[..4]).collect();
    assert_eq!(ends[ends.len() - 3..], ["shor", "long", "last"]);
    assert!(heard[0].starts_with("* Welcome!"));
}
