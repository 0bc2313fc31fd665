//! Messages of several lines: what a program says in one, and what everybody is shown of it.

use serde_json::json;

use super::kept::disk::Disk;
use super::stage::{JSON, LINES, Stage, TEXT, Visit, settings};
use crate::chat::settings::{ChatSettings, MESSAGE_LINES_MAX, Registration};
use crate::delivery::Wait;
use crate::service::Outcome;
use crate::throttle::Rate;

/// A terminal, a program, and a WebSocket that speaks what terminals speak; all in #lobby.
fn stage_with(settings: ChatSettings) -> Stage {
    let mut stage = Stage::new(settings);
    stage.seat(&["ann"]);
    for (name, encoding) in [("web", JSON), ("page", TEXT)] {
        stage.open(name, encoding, Visit { name: Some(name), room: Some("lobby") });
    }
    stage.forget();
    stage
}

fn say(stage: &mut Stage, kind: &str, text: &str) {
    let to = if kind == "msg" { json!("ann") } else { json!(null) };
    stage.say("web", &json!({ "type": kind, "to": to, "text": text }).to_string());
}

#[test]
fn a_message_of_several_lines_is_one_message_and_each_line_is_marked() {
    let mut stage = stage_with(settings());
    stage.play(r##"
        web> {"type": "say", "text": "look:\r\n\r\n\tif x:\n[#lobby] bob: I quit\n* bob left #lobby.\n! no\n\n", "ref": 1}
        web< {"type": "said", "room": "#lobby", "id": 1, "time": "_", "name": "web", "text": "look:\n\n\tif x:\n[#lobby] bob: I quit\n* bob left #lobby.\n! no", "ref": 1}
        ann< [#lobby] web: look:
        ann< |
        ann< |     if x:
        ann< | [#lobby] bob: I quit
        ann< | * bob left #lobby.
        ann< | ! no
        page< [#lobby] web: look:…
        web> {"type": "me", "text": "waves\ntwice"}
        web< {"type": "said", "room": "#lobby", "id": 2, "time": "_", "name": "web", "text": "waves\ntwice", "me": true}
        ann< [#lobby] * web waves
        ann< | twice
        page< [#lobby] * web waves…
        web> {"type": "msg", "to": "ann", "text": "\nfor\nyou"}
        web< {"type": "direct", "from": "web", "to": "ann", "text": "for\nyou", "time": "_", "guest": true}
        ann< [web -> you] for
        ann< | you
        ann> /history 2
        ann< * The last 2 messages of #lobby (UTC):
        ann< *   2026-11-22 13:05:09 (1) web: look:
        ann< |
        ann< |     if x:
        ann< | [#lobby] bob: I quit
        ann< | * bob left #lobby.
        ann< | ! no
        ann< *   2026-11-22 13:05:09 (2) * web waves
        ann< | twice
        web> {"type": "delete", "id": 2}
        web< {"type": "deleted", "room": "#lobby", "id": 2, "by": "web", "time": "_"}
        ann< * web removed their message 2 in #lobby.
        page< * web removed their message 2 in #lobby.
        web> {"type": "topic", "text": "one\nline"}
        web< {"type": "topic", "room": "#lobby", "topic": "one line", "name": "web", "time": "_"}
        ann< * web set the topic of #lobby: one line
        page< * web set the topic of #lobby: one line
        web> {"type": "say", "text": " \n\t\n"}
        web< {"type": "error", "code": "text_empty", "message": "_"}
    "##);
}

#[test]
fn a_frame_is_a_message_and_what_terminals_send_is_a_line() {
    let mut stage = stage_with(settings());
    say(&mut stage, "say", "one\n\ntwo");
    assert_eq!(stage.hear("page"), ["[#lobby] web: one\n|\n| two"]);
    stage.say("page", "one\ntwo\tthree");
    assert_eq!(stage.objects("web").last().expect("it is said")["text"], "one two three");
    stage.say("ann", "a\tb");
    assert_eq!(stage.objects("web").last().expect("it is said")["text"], "a b");
    // Nothing of a text makes a line of its own.
    stage.forget();
    for text in ["a\rb", "a\u{85}b", "a\u{2028}b", "a\u{B}\u{C}b", "a\u{1b}E\u{1b}[1Bb"] {
        say(&mut stage, "say", text);
        assert_eq!(stage.hear("ann").len(), 1, "{}", text.escape_unicode());
    }
}

#[test]
fn a_message_of_very_many_lines_is_refused_and_blank_ones_scroll_nothing_away() {
    let mut stage = stage_with(settings());
    let lines = |count: usize| vec!["x"; count].join("\n");
    say(&mut stage, "say", &lines(MESSAGE_LINES_MAX + 1));
    let error = stage.objects("web").remove(0);
    assert_eq!(error["code"], "text_refused");
    assert_eq!(
        error["message"],
        "A message has at most 500 lines, and this has 501. Send it in parts."
    );
    assert_eq!(stage.hear("ann"), [""; 0]);
    say(&mut stage, "say", &format!("\n\n{}\n", lines(MESSAGE_LINES_MAX)));
    assert_eq!(stage.hear("ann").len(), MESSAGE_LINES_MAX);
    for blank in ["\n", " \n", "\u{200B}\n", "\t\n", "\u{3000}\n\u{2800}\n"] {
        stage.forget();
        let text = format!("x\n{}y", blank.repeat(400 / blank.matches('\n').count()));
        say(&mut stage, "say", &text);
        assert_eq!(stage.hear("ann"), ["[#lobby] web: x", "|", "|", "| y"]);
        assert_eq!(stage.objects("web")[0]["text"], text, "programs get what was said");
    }
}

#[test]
fn many_lines_cost_as_much_as_the_bytes_that_fill_as_many_rows() {
    let paced = |text: &str| {
        let rate = Rate::limited(10, 1).expect("in range");
        let mut stage = stage_with(ChatSettings { rate, ..settings() });
        say(&mut stage, "say", text);
        let more = json!({ "type": "say", "text": "more" }).to_string();
        (0..10).take_while(|_| !is_paced(&stage.offer("web", more.as_bytes()))).count()
    };
    assert_eq!(paced("one line"), 9);
    assert_eq!(paced(&vec!["x"; 49].join("\n")), 9);
    assert_eq!(paced(&vec!["x"; 300].join("\n")), 3);
    assert_eq!(paced(&vec!["x"; 10_000].join("\n")), 0, "also of one that is refused");
}

fn is_paced(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Blocked(Wait::Time(_)))
}

#[test]
fn several_lines_are_found_and_listed_in_a_row_and_who_is_meant_is_told() {
    let disk = Disk::default();
    let open = ChatSettings { registration: Registration::Open, ..settings() };
    let mut stage = super::conversations::on(&disk, open);
    super::conversations::register(&mut stage, &["alice", "bob"]);
    super::conversations::log_in(&mut stage, "a2", "alice");
    stage.play(r##"
        a2> {"type": "join", "room": "lobby", "replay": 0}
        a2< {"type": "joined", "room": "#lobby", "name": "alice", "time": "_", "you": true, "position": "_", "gap": false, "members": 2, "topic": "", "read": "_", "unread": 0, "mentions": 0, "level": "all"}
    "##);
    stage.play(r##"
        a2> {"type": "say", "text": "to do:\nbob: the roof\n  alice: no"}
        a2< {"type": "said", "room": "#lobby", "id": "_", "time": "_", "name": "alice", "text": "to do:\nbob: the roof\n  alice: no"}
        alice< [#lobby] alice: to do:
        alice< | bob: the roof
        alice< |   alice: no
        bob< [#lobby] alice: to do:
        bob< | bob: the roof
        bob< |   alice: no
        a2> {"type": "msg", "to": "bob", "text": "first\n\n\tsecond"}
        a2< {"type": "direct", "from": "alice", "to": "bob", "id": 1, "text": "first\n\n\tsecond", "time": "_"}
        alice< [you -> bob] first
        alice< |
        alice< |     second
        bob< [alice -> you] first
        bob< |
        bob< |     second
    "##);
    stage.open("b2", LINES, Visit::default());
    stage.say("b2", "/login bob");
    stage.say("b2", "password of bob");
    let told = stage.hear("b2").join("\n");
    assert!(told.contains("* Unread: #lobby 1 (1 for you); 1 from alice."), "{told}");
    stage.forget();
    stage.play(
        "
        bob> /conversations
        bob< * 1 conversation, the latest first:
        bob< *   alice: 2026-11-22 13:05:09 (1) first   second
    ",
    );
}
