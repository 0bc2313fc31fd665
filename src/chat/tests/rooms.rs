//! Rooms: entering, leaving, listing, topics; and what happens in the middle of a turn.

use super::stage::{LINES, Stage, Visit, play, settings};

#[test]
fn one_can_be_in_several_rooms_and_talks_in_the_last() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice", "bob", "carol"]);
    stage.play(
        "
        alice> /join dev
        alice< * You are in #dev now, with nobody else.
        bob> /JOIN  ＃ＤＥＶ 
        alice< * bob joined #dev.
        bob< * You are in #dev now, with 1 other.
        alice> hello, dev
        bob< [#dev] alice: hello, dev
        carol> hello, lobby
        alice< [#lobby] carol: hello, lobby
        bob< [#lobby] carol: hello, lobby
        alice> /join #lobby
        alice< * You are in #lobby now, with 2 others.
        alice> hello, carol
        bob< [#lobby] alice: hello, carol
        carol< [#lobby] alice: hello, carol
        alice> /leave #DEV
        bob< * alice left #dev.
        alice< * You left #dev.
        alice< * You talk in #lobby now.
        bob> anybody?
        bob< * Nobody else is in #dev now. Whoever joins will see what you said.
        bob> /leave
        bob< * You left #dev.
        bob< * You talk in #lobby now.
        bob> here I am
        alice< [#lobby] bob: here I am
        carol< [#lobby] bob: here I am
    ",
    );
}

#[test]
fn a_room_that_was_left_and_says_nothing_is_no_more() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice"]);
    stage.play(
        "
        alice> /join #silent
        alice< * You are in #silent now, with nobody else.
        alice> /topic silence
        alice< * alice set the topic of #silent: silence
        alice> /leave
        alice< * You left #silent.
        alice< * You talk in #lobby now.
        alice> /who #silent
        alice< ! There is no room \"#silent\". /rooms lists those that there are.
        alice> /join #silent
        alice< * You are in #silent now, with nobody else.
        alice> hello
        alice< * Nobody else is in #silent now. Whoever joins will see what you said.
        alice> /leave
        alice< * You left #silent.
        alice< * You talk in #lobby now.
        alice> /rooms
        alice< * 2 rooms, busiest first:
        alice< *   #lobby (1 person, you talk here)
        alice< *   #silent (0 people)
        alice> /who #silent
        alice< * Nobody is in #silent.
        alice> /join #silent
        alice< * You are in #silent now, with nobody else.
        alice< * The last message of #silent (UTC):
        alice< *   2026-11-22 13:05:09 (1) alice: hello
    ",
    );
}

#[test]
fn topics_are_shown_set_and_cleared() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice", "bob"]);
    stage.play(
        "
        bob> /topic
        bob< * #lobby has no topic. Set one with /topic TEXT.
        alice> /topic   All about\tchat
        alice< * alice set the topic of #lobby: All about chat
        bob< * alice set the topic of #lobby: All about chat
        bob> /topic
        bob< * The topic of #lobby: All about chat
        bob> /rooms
        bob< * 1 room, busiest first:
        bob< *   #lobby (2 people, you talk here): All about chat
        bob> /leave
        bob< * You left #lobby.
        bob< * You are in no room now. Enter one with /join #ROOM.
        alice< * bob left #lobby.
        bob> /join #lobby
        bob< * You are in #lobby now, with 1 other. Topic: All about chat
        alice< * bob joined #lobby.
        bob> /topic -
        alice< * bob cleared the topic of #lobby.
        bob< * bob cleared the topic of #lobby.
        alice> /topic
        alice< * #lobby has no topic. Set one with /topic TEXT.
    ",
    );
    stage.say("alice", &format!("/topic {}", "あ".repeat(133)));
    assert!(stage.hear("alice")[0].starts_with("* alice set the topic of #lobby: あ"));
    stage.say("alice", &format!("/topic {}", "あ".repeat(134)));
    assert_eq!(
        stage.hear("alice"),
        ["! A topic has at most 400 bytes of UTF-8, and this has 402. Shorten it."]
    );
}

#[test]
fn history_is_shown_with_dates_and_numbers() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice", "bob"]);
    stage.play(
        "
        alice> /history
        alice< * Nothing was said in #lobby yet.
        alice> one
        bob< [#lobby] alice: one
        @+61000
        bob> /me counts
        alice< [#lobby] * bob counts
        alice> /history
        alice< * The last 2 messages of #lobby (UTC):
        alice< *   2026-11-22 13:05:09 (1) alice: one
        alice< *   2026-11-22 13:06:10 (2) * bob counts
        alice> /history 1
        alice< * The last message of #lobby (UTC):
        alice< *   2026-11-22 13:06:10 (2) * bob counts
        bob> /nick robert
        alice< * bob is robert now.
        bob< * You are robert now.
        bob> /history 99
        bob< * The last 2 messages of #lobby (UTC):
        bob< *   2026-11-22 13:05:09 (1) alice: one
        bob< *   2026-11-22 13:06:10 (2) * bob counts
        bob> /history 0
        bob< ! That is not how /history works. Type it as: /history [@NAME] [N]
    ",
    );
    for i in 3..=200 {
        stage.say("alice", &format!("number {i}"));
    }
    stage.forget();
    for (command, count) in [("/history", 20), ("/history 150", 150), ("/history 4000000000", 200)]
    {
        stage.say("bob", command);
        let heard = stage.hear("bob");
        assert_eq!(heard.len(), count + 1, "one heading and {count} messages");
        assert_eq!(heard[0], format!("* The last {count} messages of #lobby (UTC):"));
        assert_eq!(heard[count], "*   2026-11-22 13:06:10 (200) alice: number 200");
    }
}

#[test]
fn what_was_said_before_is_replayed_as_far_as_the_setting_goes() {
    for replay in [0usize, 1, 20, 150] {
        let mut stage =
            Stage::new(crate::chat::settings::ChatSettings { replay: replay as u32, ..settings() });
        stage.seat(&["alice"]);
        for i in 1..=170 {
            stage.say("alice", &format!("number {i}"));
        }
        stage.forget();
        stage.open("bob", LINES, Visit::default());
        let heard = stage.hear("bob");
        assert!(heard[0].starts_with("* Welcome!"));
        let headings = heard.iter().filter(|line| line.starts_with("* The last ")).count();
        assert_eq!(headings, usize::from(replay > 0), "one heading for {replay} messages");
        let replayed: Vec<&String> = heard.iter().filter(|line| line.starts_with("*   ")).collect();
        assert_eq!(replayed.len(), replay);
        for (line, i) in replayed.iter().zip(171 - replay..) {
            assert!(line.ends_with(&format!("({i}) alice: number {i}")), "{line}");
        }
    }
}

#[test]
fn who_and_rooms_answer_in_pages() {
    let mut stage =
        Stage::new(crate::chat::settings::ChatSettings { announce_below: 0, ..settings() });
    let names: Vec<String> = (1..=120).map(|i| format!("person{i}")).collect();
    for name in &names {
        stage.open(name, LINES, Visit { name: Some(name), room: Some("#big") });
    }
    stage.forget();
    let mut seen = Vec::new();
    for (command, heading, more) in [
        ("/who", "* 120 in #big, 1 to 50: ", Some("* More with /who #big 2")),
        ("/who #big 2", "* 120 in #big, 51 to 100: ", Some("* More with /who #big 3")),
        ("/who 3", "* 120 in #big, 101 to 120: ", None),
    ] {
        stage.say("person7", command);
        let heard = stage.hear("person7");
        let names = heard[0]
            .strip_prefix(heading)
            .unwrap_or_else(|| panic!("{heading:?} is not in {:?}", heard[0]));
        seen.extend(names.split(", ").map(str::to_owned));
        assert_eq!(heard.get(1).map(String::as_str), more);
        assert!(heard.len() <= 2);
    }
    seen.sort();
    let mut all = names.clone();
    all.sort();
    assert_eq!(seen, all, "each exactly once");
    stage.say("person7", "/who #big 4");
    assert_eq!(stage.hear("person7"), ["* 120 in #big: there is no such page."]);
    stage.say("person7", "/who #big 4294967295");
    assert_eq!(stage.hear("person7"), ["* 120 in #big: there is no such page."]);

    for (at, name) in names.iter().enumerate().take(70) {
        stage.say(name, &format!("/join #r{at}"));
    }
    stage.say("person1", "/join #r9");
    stage.say("person2", "/join #r9");
    stage.say("person1", "/join #r5");
    stage.forget();
    stage.say("person100", "/rooms");
    let heard = stage.hear("person100");
    assert_eq!(heard.len(), 52);
    let start = [
        "* 71 rooms, busiest first:",
        "*   #big (120 people, you talk here)",
        "*   #r9 (3 people)",
        "*   #r5 (2 people)",
    ];
    assert_eq!(heard[..4], start);
    assert_eq!(heard[51], "* More with /rooms 2");
    stage.say("person100", "/rooms 2");
    let second = stage.hear("person100");
    assert_eq!(second.len(), 22);
    assert_eq!(second[0], "* 71 rooms, busiest first, 51 to 71:");
    let mut all: Vec<&String> = heard[1..51].iter().chain(&second[1..]).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 71, "each exactly once");
    stage.say("person100", "/rooms 3");
    assert_eq!(stage.hear("person100"), ["* 71 rooms: there is no such page."]);
}

#[test]
fn there_may_be_no_rooms() {
    play(
        "
        +ann
        ann< * Welcome!…
        ann> /leave
        ann< * You left #lobby.
        ann< * You are in no room now. Enter one with /join #ROOM.
        ann> /rooms
        ann< * There are no rooms. Create one with /join #ROOM.
    ",
    );
}

#[test]
fn who_is_in_a_room_can_be_asked_from_outside() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice", "bob"]);
    stage.play(
        "
        bob> /join #dev
        bob< * You are in #dev now, with nobody else.
        alice> /who #dev
        alice< * 1 in #dev: bob
        alice> /who
        alice< * 2 in #lobby: alice, bob
        bob> /who
        bob< * 1 in #dev: bob
    ",
    );
}

#[test]
fn those_who_come_in_mid_turn_hear_the_rest_and_those_who_leave_what_was_said_before() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice", "bob", "carol"]);
    stage.play(
        "
        carol> /leave
        carol< * You left #lobby.
        carol< * You are in no room now. Enter one with /join #ROOM.
        alice< * carol left #lobby.
        bob< * carol left #lobby.
        alice> one
        bob> two
        carol> /join #lobby
        alice> three
        bob> /leave
        carol> four
        alice> five
        bob> /join #lobby
        alice> six
        alice< [#lobby] bob: two
        alice< * carol joined #lobby.
        alice< * bob left #lobby.
        alice< [#lobby] carol: four
        alice< * bob joined #lobby.
        bob< [#lobby] alice: one
        bob< * carol joined #lobby.
        bob< [#lobby] alice: three
        bob< * You left #lobby.
        bob< * You are in no room now. Enter one with /join #ROOM.
        bob< * You are in #lobby now, with 2 others.
        bob< * The last 5 messages of #lobby (UTC):
        bob< *   2026-11-22 13:05:09 (1) alice: one
        bob< *   2026-11-22 13:05:09 (2) bob: two
        bob< *   2026-11-22 13:05:09 (3) alice: three
        bob< *   2026-11-22 13:05:09 (4) carol: four
        bob< *   2026-11-22 13:05:09 (5) alice: five
        bob< [#lobby] alice: six
        carol< * You are in #lobby now, with 2 others.
        carol< * The last 2 messages of #lobby (UTC):
        carol< *   2026-11-22 13:05:09 (1) alice: one
        carol< *   2026-11-22 13:05:09 (2) bob: two
        carol< [#lobby] alice: three
        carol< * bob left #lobby.
        carol< [#lobby] alice: five
        carol< * bob joined #lobby.
        carol< [#lobby] alice: six
    ",
    );
}

#[test]
fn renames_and_ends_of_connections_keep_their_place_in_a_turn() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice", "bob", "carol"]);
    stage.play(
        "
        alice> I am alice
        alice> /nick alicia
        alice> I am alicia
        bob> /nick alice
        bob> and I am alice now
        carol> what?
        -alice
        carol> who?
        bob> /quit bye
        carol> gone?
        bob< [#lobby] alice: I am alice
        bob< * alice is alicia now.
        bob< [#lobby] alicia: I am alicia
        bob< * You are alice now.
        bob< [#lobby] carol: what?
        bob< * alicia left #lobby.
        bob< [#lobby] carol: who?
        bob< * Goodbye.
        bob< (closed)
        carol< [#lobby] alice: I am alice
        carol< * alice is alicia now.
        carol< [#lobby] alicia: I am alicia
        carol< * bob is alice now.
        carol< [#lobby] alice: and I am alice now
        carol< * alicia left #lobby.
        carol< * alice left #lobby: bye
        carol< * Nobody else is in #lobby now. Whoever joins will see what you said.
    ",
    );
}

#[test]
fn a_word_to_one_keeps_its_place_among_those_to_all() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice", "bob"]);
    stage.play(
        "
        alice> one
        alice> /msg bob between us
        alice> two
        bob> /who
        alice> three
        alice< [you -> bob] between us
        bob< [#lobby] alice: one
        bob< [alice -> you] between us
        bob< [#lobby] alice: two
        bob< * 2 in #lobby: alice, bob
        bob< [#lobby] alice: three
    ",
    );
}

#[test]
fn a_room_can_be_left_for_good_and_made_again_in_one_turn() {
    play(
        "
        +ann
        +bob
        ann> /join #x
        bob> /join #x
        ann> hello
        bob> /leave
        ann> /leave
        bob> /join #x
        ann< * Welcome!…
        ann< * guest-2 joined #lobby.
        ann< * You are in #x now, with nobody else.
        ann< * guest-2 joined #x.
        ann< * guest-2 left #x.
        ann< * You left #x.
        ann< * You talk in #lobby now.
        bob< * Welcome!…
        bob< * You are in #x now, with 1 other.
        bob< [#x] guest-1: hello
        bob< * You left #x.
        bob< * You talk in #lobby now.
        bob< * You are in #x now, with nobody else.
        bob< * The last message of #x (UTC):
        bob< *   2026-11-22 13:05:09 (1) guest-1: hello
    ",
    );
}

#[test]
fn where_one_talks_is_told_and_said_once_when_it_is_elsewhere() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice", "bob"]);
    stage.say("alice", "/join #dev");
    stage.say("bob", "/join #dev");
    stage.say("bob", "/join #lobby");
    stage.forget();
    stage.play(
        r"
        alice> /where
        alice< * You talk in #dev, and are in #lobby as well.
        alice> /rooms
        alice< * 2 rooms, busiest first:
        alice< *   #lobby (2 people, you too)
        alice< *   #dev (2 people, you talk here)
        ",
    );
    stage.pass(1000);
    stage.play(
        r"
        bob> /say is anybody there?
        alice< [#lobby] bob: is anybody there?
        ",
    );
    stage.pass(1000);
    stage.play(
        r"
        alice> yes
        alice< * Said in #dev. What came last was said in #lobby: /say #lobby TEXT answers there.
        bob< [#dev] alice: yes
        alice> /say #lobby yes, I meant
        bob< [#lobby] alice: yes, I meant
        ",
    );
    stage.pass(1000);
    stage.play(
        r"
        bob> good
        alice< [#lobby] bob: good
        ",
    );
    stage.pass(1000);
    stage.play(
        r"
        alice> once is enough
        bob< [#dev] alice: once is enough
        alice> /say
        alice< ! That is not how /say works. Type it as: /say [#ROOM] TEXT
        alice> /leave
        alice< * You left #dev.
        alice< * You talk in #lobby now.
        bob< * alice left #dev.
        alice> /where
        alice< * You talk in #lobby, and are in no other room.
        alice> /leave
        alice< * You left #lobby.
        alice< * You are in no room now. Enter one with /join #ROOM.
        bob< * alice left #lobby.
        alice> /where
        alice< * You are in no room. Enter one with /join #ROOM.
        ",
    );
}
