//! Who waits for whom: rooms and users that are behind, and those who speak to them.

use std::sync::Arc;

use super::conversations::{log_in, register};
use super::known_secrets::KnownSecrets;
use super::stage::{JSON, Stage, Visit, settings};
use crate::chat::name::RoomName;
use crate::chat::settings::{
    ChatSettings, DIRECT_PATIENCE_MS, DIRECTS_PARKED_MAX, PARKED_BYTES_MAX, PARKED_MAX,
    Registration,
};
use crate::delivery::Wait;
use crate::delivery::limits::DeliveryLimits;
use crate::service::{Outcome, Service};

/// Outboxes of 1,000 bytes are over the mark.
fn small() -> DeliveryLimits {
    DeliveryLimits {
        outbox_mark_bytes: 1000,
        outbox_max_bytes: 100_000,
        ..DeliveryLimits::default()
    }
}

fn channel(stage: &Stage, room: &str) -> Wait {
    let key = RoomName::parse(room).expect("a name");
    let room = stage.chat.state.rooms().find(key.key()).expect("it is there");
    Wait::ChannelClear(stage.chat.channels.of(room.id).expect("a room has a channel"))
}

/// Makes #lobby congested until the turn ends: what is said fills its batch.
fn fill_lobby(stage: &mut Stage, name: &str) {
    assert_eq!(stage.offer(name, "x".repeat(1200).as_bytes()), Outcome::Done);
    let Wait::ChannelClear(lobby) = channel(stage, "#lobby") else { unreachable!("a channel") };
    assert!(stage.out.congested(lobby));
}

/// Several people in #lobby; carol and dave are in #dev as well, and carol not in #lobby.
fn two_rooms() -> Stage {
    let mut stage = Stage::with_limits(settings(), small());
    stage.seat(&["alice", "bob", "carol", "dave"]);
    stage.say("carol", "/join #dev");
    stage.say("carol", "/leave #lobby");
    stage.say("dave", "/join #dev");
    stage.forget();
    stage
}

#[test]
fn who_speaks_to_a_room_that_is_behind_goes_on_meanwhile() {
    let mut stage = two_rooms();
    fill_lobby(&mut stage, "alice");
    let alice = stage.id("alice");
    for request in ["hello", "/me x", "/topic x", "//x"] {
        assert_eq!(stage.offer("alice", request.as_bytes()), Outcome::Done, "{request}");
    }
    assert_eq!(stage.chat.waits(alice, &stage.out), None, "four may wait");
    assert_eq!(stage.chat.waits_to_close(alice), Some(Wait::Backlog(alice)));
    for request in ["/who", "/rooms", "/topic", "/msg carol hi", "/join #elsewhere", "y"] {
        assert_eq!(stage.offer("alice", request.as_bytes()), Outcome::Done, "{request}");
    }
    for request in ["in #dev", "/msg alice hi", "/nick caroline", "/join #lobby"] {
        assert_eq!(stage.offer("carol", request.as_bytes()), Outcome::Done, "{request}");
    }
    let heard = stage.hear("bob");
    // Comings and goings have overtaken what was said, and that is in order.
    assert_eq!(
        heard[1..],
        [
            "* caroline joined #lobby.",
            "[#lobby] alice: hello",
            "[#lobby] * alice x",
            "* alice set the topic of #lobby: x",
            "[#lobby] alice: /x"
        ]
    );
    assert_eq!(stage.chat.waits_to_close(alice), None);
}

#[test]
fn what_waits_is_bound_to_the_room_that_it_was_said_in() {
    let mut stage = two_rooms();
    fill_lobby(&mut stage, "alice");
    stage.play(
        "alice> to the lobby
         alice> /join #dev
         alice> to dev
         alice< * You are in #dev now, with 2 others.
         bob< [#lobby] alice: xxxxx…
         bob< [#lobby] alice: to the lobby
         carol< * alice joined #dev.
         carol< [#dev] alice: to dev
         dave< [#lobby] alice: xxxxx…
         dave< * alice joined #dev.
         dave< [#dev] alice: to dev
         dave< [#lobby] alice: to the lobby",
    );
}

#[test]
fn who_leaves_gets_back_what_still_waits() {
    let mut stage = two_rooms();
    stage.open("web", JSON, Visit { name: Some("web"), room: Some("lobby") });
    stage.say("web", r#"{"type": "join", "room": "dev"}"#);
    stage.forget();
    fill_lobby(&mut stage, "alice");
    stage.play(
        r##"web> {"type": "say", "room": "lobby", "text": "one", "ref": 1}
           web> {"type": "topic", "room": "lobby", "text": "two", "ref": "b"}
           web> {"type": "say", "room": "dev", "text": "stays", "ref": 3}
           web> {"type": "leave", "room": "lobby", "ref": 4}
           dave> /quit
           web< {"type": "said", "room": "#lobby", "id": 1, "time": "_", "name": "alice", "text": "_"}
           web< {"type": "said", "room": "#dev", "id": 1, "time": "_", "name": "web", "text": "stays", "ref": 3}
           web< {"type": "error", "code": "not_said", "message": "Not said, as you left before it could be: \"one\".", "ref": 1}
           web< {"type": "error", "code": "not_said", "message": "_", "ref": "b"}
           web< {"type": "left", "room": "#lobby", "name": "web", "time": "_", "you": true, "ref": 4}
           web< {"type": "left", "room": "#dev", "name": "dave", "time": "_"}
           alice< * web left #lobby.
           alice< * dave left #lobby.
           bob< [#lobby] alice: xxxx…
           bob< * web left #lobby.
           bob< * dave left #lobby.
           carol< [#dev] web: stays
           carol< * dave left #dev.
           dave< [#lobby] alice: xxxx…
           dave< * web left #lobby.
           dave< [#dev] web: stays
           dave< * Goodbye.
           dave< (closed)"##,
    );
    assert_eq!(stage.chat.backlog.held_bytes(), 0);
}

#[test]
fn who_quits_is_told_what_was_not_said() {
    let mut stage = two_rooms();
    stage.say("bob", "/join #lobby");
    stage.forget();
    fill_lobby(&mut stage, "alice");
    assert_eq!(stage.offer("bob", b"my last word"), Outcome::Done);
    assert!(matches!(stage.offer("bob", b"/quit"), Outcome::Close(_)));
    let heard = stage.hear("bob");
    let expected =
        ["! Not said, as you left before it could be: \"my last word\".", "* Goodbye.", "(closed)"];
    assert_eq!(heard[1..], expected);
    assert_eq!(stage.hear("alice"), ["* bob left #lobby."]);
}

#[test]
fn what_is_said_later_does_not_overtake() {
    let mut stage = two_rooms();
    fill_lobby(&mut stage, "alice");
    assert_eq!(stage.offer("alice", b"first"), Outcome::Done);
    // The room is clear, and the chat has not been told so yet.
    stage.out.freeze_batches();
    for name in ["alice", "bob", "dave"] {
        stage.out.forget(stage.id(name));
    }
    assert_eq!(stage.offer("alice", b"second"), Outcome::Done);
    assert_eq!(stage.hear("bob"), ["[#lobby] alice: first", "[#lobby] alice: second"]);
}

#[test]
fn more_than_may_wait_is_not_taken() {
    let mut stage = two_rooms();
    let (alice, bob) = (stage.id("alice"), stage.id("bob"));
    fill_lobby(&mut stage, "alice");
    for i in 0..PARKED_MAX {
        assert_eq!(stage.offer("alice", format!("m{i}").as_bytes()), Outcome::Done);
    }
    let full = Wait::Backlog(alice);
    assert_eq!(stage.chat.waits(alice, &stage.out), None, "it might leave");
    assert_eq!(stage.offer("alice", b"one more"), Outcome::Blocked(full));
    let large = "y".repeat(PARKED_BYTES_MAX);
    assert_eq!(stage.offer("bob", large.as_bytes()), Outcome::Done, "one of any size");
    assert_eq!(stage.offer("bob", b"z"), Outcome::Blocked(Wait::Backlog(bob)));
    assert!(stage.chat.held_bytes() > PARKED_BYTES_MAX);
    stage.out.wait(alice, full);
    stage.turn();
    let mut woken = Vec::new();
    stage.out.take_woken(&mut woken);
    assert_eq!(woken, [alice], "one of its own has gone");
    assert_eq!(stage.chat.held_bytes(), 0);
    let heard = stage.hear("dave");
    let words = (0..PARKED_MAX).map(|i| format!("[#lobby] alice: m{i}"));
    let is_word = |line: &String| line.starts_with("[#lobby] alice: m");
    assert!(heard.into_iter().filter(is_word).eq(words), "once, and in order");
}

/// Who has said least lately goes first.
#[test]
fn a_word_goes_before_what_those_say_who_say_much() {
    let rate = "20:5".parse().expect("a rate");
    let mut stage = Stage::with_limits(ChatSettings { rate, ..settings() }, small());
    stage.seat(&["alice", "bob", "carol", "dave"]);
    for i in 0..10 {
        stage.say("bob", &format!("{i}"));
    }
    stage.forget();
    fill_lobby(&mut stage, "alice");
    assert_eq!(stage.offer("bob", b"often"), Outcome::Done);
    assert_eq!(stage.offer("dave", "much ".repeat(1200).as_bytes()), Outcome::Done);
    assert_eq!(stage.offer("carol", b"a word"), Outcome::Done);
    let heard: Vec<String> = stage.hear("alice").iter().map(|l| l[..18].to_owned()).collect();
    assert_eq!(heard, ["[#lobby] carol: a ", "[#lobby] dave: muc", "[#lobby] bob: ofte"]);
}

fn busy_with_bob() -> Stage {
    let mut stage = Stage::with_limits(settings(), small());
    stage.seat(&["alice", "bob", "carol"]);
    stage.say("bob", "/leave");
    stage.forget();
    let flood = format!("/msg bob {}", "x".repeat(1200));
    assert_eq!(stage.offer("alice", flood.as_bytes()), Outcome::Done);
    stage.out.forget(stage.id("alice"));
    stage
}

#[test]
fn a_private_message_waits_by_itself() {
    let mut stage = busy_with_bob();
    assert_eq!(stage.offer("alice", b"/msg BOB more"), Outcome::Done);
    for request in ["/msg alice note", "/msg carol hello", "to all"] {
        assert_eq!(stage.offer("alice", request.as_bytes()), Outcome::Done);
    }
    let heard = stage.hear("alice");
    let expected = ["[you -> alice] note", "[you -> carol] hello", "[you -> bob] more"];
    assert_eq!(heard, expected);
    assert_eq!(stage.hear("carol"), ["[alice -> you] hello", "[#lobby] alice: to all"]);
    assert_eq!(stage.hear("bob")[1..], ["[alice -> you] more"]);
}

#[test]
fn who_is_not_reading_is_busy_after_a_while_and_at_once_when_much_waits() {
    let mut stage = busy_with_bob();
    let busy = "! bob is not reading what was sent before; your message was not delivered. Try \
                again later.";
    for _ in 0..DIRECTS_PARKED_MAX {
        assert_eq!(stage.offer("alice", b"/msg bob more"), Outcome::Done);
    }
    assert_eq!(stage.offer("carol", b"/msg bob a word"), Outcome::Done, "each has places");
    assert_eq!(stage.offer("alice", b"/msg bob too much"), Outcome::Done);
    let told = |stage: &mut Stage, name: &str| {
        let outbox = stage.out.outbox(stage.id(name)).map_or(0, |outbox| outbox.bytes());
        outbox / (busy.len() + 2)
    };
    assert_eq!((told(&mut stage, "alice"), told(&mut stage, "carol")), (1, 0));
    assert_eq!(stage.chat.next_deadline(), Some(DIRECT_PATIENCE_MS));
    stage.pass(DIRECT_PATIENCE_MS - 1);
    stage.begin_turn();
    assert_eq!((told(&mut stage, "alice"), told(&mut stage, "carol")), (1, 0));
    stage.pass(1);
    stage.begin_turn();
    assert_eq!((told(&mut stage, "alice"), told(&mut stage, "carol")), (4, 1));
    assert_eq!(stage.chat.next_deadline(), None);
    assert_eq!(stage.hear("alice"), [busy; 4]);
    assert_eq!(stage.hear("bob").len(), 1, "what was busy is not delivered later");
}

#[test]
fn who_waits_for_somebody_that_goes_is_told_so() {
    let mut stage = busy_with_bob();
    assert_eq!(stage.offer("alice", b"/msg bob more"), Outcome::Done);
    stage.leave("bob");
    assert_eq!(
        stage.hear("alice"),
        ["! Nobody here is called \"bob\". /who lists who is in a room."]
    );
    assert_eq!(stage.chat.held_bytes(), 0);
}

#[test]
fn of_one_that_goes_nothing_waits_any_more() {
    let mut stage = two_rooms();
    fill_lobby(&mut stage, "alice");
    assert_eq!(stage.offer("bob", b"never said"), Outcome::Done);
    stage.leave("bob");
    assert_eq!(stage.chat.held_bytes(), 0);
    assert_eq!(stage.hear("alice"), ["* bob left #lobby."]);
}

#[test]
fn who_types_where_much_is_said_is_not_shown() {
    let mut stage = Stage::with_limits(settings(), small());
    stage.seat(&["alice"]);
    stage.open("web", JSON, Visit { name: Some("web"), room: Some("lobby") });
    stage.open("other", JSON, Visit { name: Some("other"), room: Some("lobby") });
    stage.forget();
    stage.say("web", r#"{"type": "typing"}"#);
    assert_eq!(stage.hear("other").len(), 1);
    fill_lobby(&mut stage, "alice");
    assert_eq!(stage.offer("web", br#"{"type": "typing"}"#), Outcome::Done);
    assert_eq!(stage.hear("other").len(), 1, "what alice said");
}

#[test]
fn a_request_behind_a_long_message_is_heard() {
    let mut stage = two_rooms();
    fill_lobby(&mut stage, "alice");
    let alice = stage.id("alice");
    assert_eq!(stage.offer("alice", "y".repeat(9000).as_bytes()), Outcome::Done);
    assert_eq!(stage.chat.waits(alice, &stage.out), None, "it is read on, so that /leave is heard");
    assert_eq!(stage.offer("alice", b"more"), Outcome::Blocked(Wait::Backlog(alice)));
}

/// What waits has been said by somebody who may be gone by the time that it could be told.
#[test]
fn nothing_is_told_of_who_has_left_meanwhile() {
    let registration = Registration::Open;
    let mut stage = Stage::with_limits(ChatSettings { registration, ..settings() }, small());
    stage.chat = stage.chat.with_secrets(Arc::new(KnownSecrets::default()));
    register(&mut stage, &["alice", "bob", "carol"]);
    log_in(&mut stage, "b2", "bob");
    stage.say("alice", "/join #team");
    stage.say("alice", "/room entry all");
    for name in ["bob", "carol"] {
        stage.say(name, "/join #team");
    }
    stage.seat(&["zoe"]);
    stage.say("zoe", "/join #team");
    stage.forget();
    let Wait::ChannelClear(team) = channel(&stage, "#team") else { unreachable!("a channel") };
    stage.offer("alice", "x".repeat(1200).as_bytes());
    assert!(stage.out.congested(team));
    for name in ["bob", "carol", "zoe"] {
        assert_eq!(stage.offer(name, format!("words of {name}").as_bytes()), Outcome::Done);
    }
    for name in ["bob", "carol", "zoe"] {
        assert!(stage.chat.backlog.has_any_of(stage.id(name)), "{name}");
    }
    // One leaves by another device, one is removed, the connection of one breaks.
    stage.offer("b2", br##"{"type": "leave", "room": "#team"}"##);
    stage.offer("alice", b"/kick carol");
    stage.leave("zoe");
    stage.turn();
    stage.turn();
    let heard = stage.hear("alice").join("\n");
    assert!(heard.contains("bob left #team") && heard.contains("carol"), "{heard}");
    assert!(!heard.contains("words of"), "{heard}");
}
