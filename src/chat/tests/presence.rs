//! Those who come and go so fast that they are summed up, and big rooms, which are told nothing of
//! it.

use serde_json::json;

use super::stage::{JSON, LINES, Stage, Visit, settings};
use crate::chat::presence::PresenceLimits;
use crate::chat::settings::{ChatSettings, PRESENCE_SUM_MS};
use crate::service::Service;

/// A room is told of two changes at once, and of one a second after that.
fn stage() -> Stage {
    let presence = PresenceLimits { rate: "2:1".parse().expect("a rate"), sum_ms: 1000 };
    Stage::new(ChatSettings { presence, ..settings() })
}

#[test]
fn past_a_rate_comings_and_goings_are_summed_up() {
    let mut stage = stage();
    stage.open("ann", LINES, Visit { name: Some("ann"), room: None });
    stage.open("app", JSON, Visit { name: Some("app"), room: Some("#lobby") });
    stage.forget();
    stage.play(
        r##"
        +bob
        ann< * guest-1 joined #lobby.
        app< {"type": "joined", "room": "#lobby", "name": "guest-1", "time": "_"}
        bob< * Welcome! You are guest-1 in #lobby, with 2 others. …
        +carol
        carol< * Welcome! You are guest-2 in #lobby, with 3 others. …
        bob> /nick bobby
        bob< * You are bobby now.
        carol> /leave
        carol< * You left #lobby.
        carol< * You are in no room now. Enter one with /join #ROOM.
        bob> I am told that nobody else came
        ann< [#lobby] bobby: I am told that nobody else came
        app< {"type": "said", "room": "#lobby", "id": 1, "time": "_", "name": "bobby", "text": "_"}
        carol> /join #lobby
        carol< * You are in #lobby now, with 3 others.
        carol< * The last message of #lobby (UTC):
        carol< *   2026-11-22 13:05:09 (1) bobby: I am told that nobody else came
        @+999
        --
        @+1
        ann< * In #lobby: 2 came, 1 left, 1 took another name.
        bob< * In #lobby: 2 came, 1 left, 1 took another name.
        carol< * In #lobby: 2 came, 1 left, 1 took another name.
        app< {"type": "presence", "room": "#lobby", "joined": 2, "left": 1, "renamed": 1, "members": 4, "time": "_"}
        -bob
        @+1000
        ann< * In #lobby: 1 left.
        carol< * In #lobby: 1 left.
        app< {"type": "presence", "room": "#lobby", "joined": 0, "left": 1, "renamed": 0, "members": 3, "time": "_"}
        @+1000
        -carol
        ann< * guest-2 left #lobby.
        app< {"type": "left", "room": "#lobby", "name": "guest-2", "time": "_"}
    "##,
    );
}

#[test]
fn each_room_has_a_rate_of_its_own_and_those_who_are_alone_use_none() {
    let mut stage = stage();
    stage.seat(&["ann"]);
    // Nobody hears it.
    for _ in 0..10 {
        stage.say("ann", "/join #a");
        stage.say("ann", "/leave #a");
    }
    stage.forget();
    assert_eq!(stage.chat.next_deadline(), None, "no room is kept in mind for it");
    stage.play(
        "
        +bob
        ann< * guest-1 joined #lobby.
        bob< * Welcome!…
        bob> /nick bob
        ann< * guest-1 is bob now.
        bob< * You are bob now.
        bob> /nick rob
        bob< * You are rob now.
        bob> /join #dev
        bob< * You are in #dev now, with nobody else.
        ann> /join #dev
        ann< * You are in #dev now, with 1 other.
        bob< * ann joined #dev.
        @+1000
        ann< * In #lobby: 1 took another name.
        bob< * In #lobby: 1 took another name.
    ",
    );
}

/// A room in which there is nobody to tell is told nothing; who comes then is told what happened
/// since and before, as it happened within the second.
#[test]
fn a_sum_outlives_a_room_that_empties() {
    let mut stage = stage();
    stage.seat(&["ann", "bob"]);
    stage.say("ann", "something to keep the room");
    stage.say("bob", "/leave");
    stage.say("bob", "/join #lobby");
    stage.say("bob", "/leave");
    stage.say("ann", "/leave");
    stage.forget();
    stage.play("@+1");
    stage.say("bob", "/join #lobby");
    stage.say("ann", "/join #lobby");
    stage.forget();
    stage.play(
        "
        @+999
        ann< * In #lobby: 2 came, 1 left.
        bob< * In #lobby: 2 came, 1 left.
        ",
    );
}

#[test]
fn a_room_that_has_grown_big_meanwhile_is_told_no_sum() {
    let presence = PresenceLimits { rate: "2:1".parse().expect("a rate"), sum_ms: 1000 };
    let mut stage = Stage::new(ChatSettings { presence, announce_below: 5, ..settings() });
    stage.seat(&["a1", "a2", "a3", "a4", "a5"]);
    stage.forget();
    stage.play(
        "
        +a6
        a6< * Welcome! You are guest-1 in #lobby, with 5 others. …
        @+1000
        --
        -a6
        ",
    );
}

#[test]
fn a_storm_costs_a_member_little_and_ends_with_the_right_number() {
    let presence =
        PresenceLimits { rate: "20:2".parse().expect("a rate"), sum_ms: PRESENCE_SUM_MS };
    let mut stage = Stage::new(ChatSettings { presence, ..settings() });
    stage.open("app", JSON, Visit { name: None, room: Some("#lobby") });
    stage.seat(&["ann"]);
    stage.forget();
    let (mut came, mut left, mut lines) = (0, 0, 0);
    let mut hear = |stage: &mut Stage| {
        for told in stage.objects("app") {
            match told["type"].as_str() {
                Some("joined") => came += 1,
                Some("left") => left += 1,
                Some("presence") => {
                    came += told["joined"].as_u64().expect("a number");
                    left += told["left"].as_u64().expect("a number");
                    assert_eq!(told["members"], json!(2));
                }
                kind => panic!("{kind:?}"),
            }
            lines += 1;
        }
    };
    for round in 0..100 {
        for i in 0..20 {
            let name = format!("x{}", round * 20 + i);
            stage.open(&name, LINES, Visit::default());
            stage.leave(&name);
        }
        stage.pass(100);
        hear(&mut stage);
    }
    stage.pass(PRESENCE_SUM_MS);
    hear(&mut stage);
    assert_eq!((came, left), (2000, 2000), "nothing is told twice, and nothing is left out");
    let seconds = 10 + 1;
    assert!(lines <= 20 + seconds, "{lines} objects in {seconds} s");
    // Nothing of it stays once the bucket is full again.
    stage.pass(10_000);
    stage.pass(10_000);
    assert_eq!(stage.chat.next_deadline(), None);
}

#[test]
fn big_rooms_are_not_told_who_types() {
    let mut stage = Stage::new(ChatSettings { announce_below: 3, ..settings() });
    for name in ["a1", "a2", "a3"] {
        stage.open(name, JSON, Visit { name: Some(name), room: Some("#lobby") });
    }
    stage.forget();
    stage.play(
        r##"
        a1> {"type": "typing"}
        a2< {"type": "typing", "room": "#lobby", "name": "a1"}
        a3< {"type": "typing", "room": "#lobby", "name": "a1"}
        +bob
        bob< * Welcome! You are guest-1 in #lobby, with 3 others. …
        a1> {"type": "typing"}
        --
        -bob
        --
        a1> {"type": "typing"}
        a2< {"type": "typing", "room": "#lobby", "name": "a1"}
        a3< {"type": "typing", "room": "#lobby", "name": "a1"}
    "##,
    );
}
