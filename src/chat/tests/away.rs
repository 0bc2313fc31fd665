//! Who somebody is, and who is away.

use super::conversations::register;
use super::stage::{JSON, LINES, Showing, Stage, Visit, settings};
use crate::chat::settings::{ChatSettings, Registration};

fn three() -> Stage {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice", "bob", "carol"]);
    stage
}

/// mia and tom have accounts, and x is a guest; all are in the lobby.
fn with_accounts() -> Stage {
    let settings = ChatSettings { registration: Registration::Open, ..settings() };
    let mut stage = Stage::with_people(settings);
    register(&mut stage, &["mia", "tom"]);
    stage.open("x", LINES, Visit::default());
    stage.forget();
    stage
}

/// Another device of an account.
fn device(stage: &mut Stage, name: &str, token: &str) {
    let showing = Showing { credential: Some(token), ..Showing::default() };
    stage.open_showing(name, LINES, Visit::default(), showing);
}

fn token(stage: &mut Stage, name: &str) -> String {
    stage.say(name, "/token a phone");
    let told = stage.hear(name).pop().expect("a token");
    let (_, token) = told.rsplit_once(' ').expect("it comes last");
    token.to_owned()
}

#[test]
fn who_writes_to_somebody_who_is_away_is_told_once() {
    three().play(
        "
        carol> /away lunch
        carol< * You are away now, until you say /back: lunch
        alice> /msg carol hello
        alice< [you -> carol] hello
        alice< * carol is away: lunch
        carol< [alice -> you] hello
        alice> /msg carol are you there?
        alice< [you -> carol] are you there?
        carol< [alice -> you] are you there?
        bob> @carol and @carol, and carol's lunch
        bob< * carol is away: lunch
        alice< [#lobby] bob: @carol and @carol, and carol's lunch
        carol< [#lobby] bob: @carol and @carol, and carol's lunch
        bob> carol is not called by this
        alice< [#lobby] bob: carol is not called by this
        carol< [#lobby] bob: carol is not called by this
        carol> /msg carol to myself
        carol< [you -> carol] to myself
        carol> /away tea
        carol< * You are away now, until you say /back: tea
        alice> carol: tea?
        alice< * carol is away: tea
        bob< [#lobby] alice: carol: tea?
        carol< [#lobby] alice: carol: tea?
        alice> /who
        alice< * 3 in #lobby: alice, bob, carol (away)
        carol> /back
        carol< * You are here again.
        alice> /msg carol welcome
        alice< [you -> carol] welcome
        carol< [alice -> you] welcome
        alice> /who
        alice< * 3 in #lobby: alice, bob, carol
        ",
    );
}

#[test]
fn away_alone_is_a_switch_and_has_no_reason() {
    three().play(
        "
        carol> /back
        carol< * You are here again.
        carol> /away
        carol< * You are away now. /back ends that.
        bob> /msg carol hi
        bob< [you -> carol] hi
        bob< * carol is away.
        carol< [bob -> you] hi
        carol> /nick caro
        carol< * You are caro now.
        alice< * carol is caro now.
        bob< * carol is caro now.
        bob> /who
        bob< * 3 in #lobby: alice, bob, caro (away)
        carol> /away
        carol< * You are here again.
        carol> /away \u{200b}
        carol< ! There was nothing to say in that.
        "
        .replace("\\u{200b}", "\u{200b}")
        .as_str(),
    );
}

#[test]
fn why_somebody_is_away_is_short_and_has_one_line() {
    let mut stage = three();
    stage.say("alice", &format!("/away {}", "x".repeat(201)));
    assert_eq!(
        stage.hear("alice"),
        ["! Why you are away has at most 200 bytes of UTF-8, and this has 201. Shorten it."]
    );
    stage.open("web", JSON, Visit { name: Some("web"), room: Some("lobby") });
    stage.forget();
    stage.say("web", r#"{"type":"away","text":"one\n* two\u001b[31m","ref":7}"#);
    stage.say("alice", "/msg web hi");
    assert_eq!(stage.hear("alice")[1], "* web is away: one * two[31m");
}

#[test]
fn programs_are_told_and_a_guest_who_has_gone_is_not_away() {
    let mut stage = three();
    stage.play(
        r##"
        +web json name=web room=lobby
        web< {"type":"welcome","name":"web","epoch":"_","server":"_","time":"_","limits":"_"}
        web< {"type":"joined","room":"#lobby","name":"web","time":"_","you":true,"position":0,"gap":false,"members":4,"topic":""}
        alice< * web joined #lobby.
        bob< * web joined #lobby.
        carol< * web joined #lobby.
        carol> /away lunch
        carol< * You are away now, until you say /back: lunch
        web< {"type":"away","room":"#lobby","name":"carol","away":true,"time":1795352709000}
        web> {"type":"who","room":"#lobby"}
        web< {"type":"members","room":"#lobby","members":["alice","bob","carol","web"],"away":["carol"],"total":4}
        @+5000
        web> {"type":"msg","to":"carol","text":"hi"}
        web< {"type":"direct","from":"web","to":"carol","text":"hi","time":"_","guest":true}
        web< {"type":"away","name":"carol","away":true,"text":"lunch","time":1795352709000}
        carol< [web -> you] hi
        web> {"type":"whois","name":"carol","ref":1}
        web< {"type":"whois","name":"carol","account":false,"online":true,"since":1795352709000,"away":"lunch","away_since":1795352709000,"rooms":["#lobby"],"time":1795352714000,"ref":1}
        web> {"type":"away","ref":2}
        web< {"type":"away","name":"web","away":true,"time":1795352714000,"you":true,"ref":2}
        web> {"type":"back"}
        web< {"type":"away","name":"web","away":false,"time":1795352714000,"you":true}
        web> {"type":"whois"}
        web< {"type":"error","code":"missing_field","message":"The type \"whois\" needs the field \"name\"."}
        carol> /back
        carol< * You are here again.
        web< {"type":"away","room":"#lobby","name":"carol","away":false,"time":1795352714000}
        carol> /away again
        carol< * You are away now, until you say /back: again
        web< {"type":"away","room":"#lobby","name":"carol","away":true,"time":1795352714000}
        -carol
        alice< * carol left #lobby.
        bob< * carol left #lobby.
        web< {"type":"left","room":"#lobby","name":"carol","time":"_"}
        "##,
    );
    stage.open("carol", LINES, Visit { name: Some("carol"), room: None });
    stage.forget();
    stage.say("bob", "/whois carol");
    assert_eq!(
        stage.hear("bob"),
        [
            "* carol is a guest, and is here since 2026-11-22 13:05:14 (UTC).",
            "* carol is in #lobby."
        ]
    );
}

#[test]
fn an_account_is_away_on_all_its_devices_and_stays_so_without_any() {
    let mut stage = with_accounts();
    let phone = token(&mut stage, "mia");
    device(&mut stage, "phone", &phone);
    stage.forget();
    stage.play(
        "
        phone> /away on holiday
        phone< * You are away now, until you say /back: on holiday
        mia< * You are away now, until you say /back: on holiday
        -mia
        -phone
        tom> /msg mia hello
        tom< [you -> mia] hello
        tom< * mia is away: on holiday
        tom> /whois mia
        tom< * mia has an account, and is not connected now.
        tom< * mia is in #lobby.
        tom< * mia is away since 2026-11-22 13:05:09 (UTC): on holiday
        tom> /who
        tom< * 3 in #lobby: mia (offline), tom, guest-3
        ",
    );
    device(&mut stage, "laptop", &phone);
    let told = stage.hear("laptop");
    assert!(told.iter().any(|line| line.ends_with("until you say /back: on holiday")), "{told:?}");
    stage.play(
        "
        laptop> /back
        laptop< * You are here again.
        tom> /msg mia hello
        tom< [you -> mia] hello
        laptop< [tom -> you] hello
        ",
    );
}

#[test]
fn who_is_ignored_gives_no_reasons() {
    three().play(
        "
        carol> /away buy my cups
        carol< * You are away now, until you say /back: buy my cups
        alice> /ignore carol
        alice< * You see nothing any more of what carol says.
        alice> /msg carol stop
        alice< [you -> carol] stop
        carol< [alice -> you] stop
        alice> /whois carol
        alice< * carol is a guest, and is here since 2026-11-22 13:05:09 (UTC).
        alice< * carol is in #lobby.
        alice< * carol is away since 2026-11-22 13:05:09 (UTC).
        ",
    );
}

#[test]
fn whom_one_ignores_is_told_no_reason() {
    three().play(
        "
        carol> /ignore bob
        carol< * You see nothing any more of what bob says.
        carol> /away at the doctor's
        carol< * You are away now, until you say /back: at the doctor's
        bob> /msg carol where are you?
        bob< [you -> carol] where are you?
        bob< * carol is away.
        bob> /whois carol
        bob< * carol is a guest, and is here since 2026-11-22 13:05:09 (UTC).
        bob< * carol is in #lobby.
        bob< * carol is away since 2026-11-22 13:05:09 (UTC).
        alice> carol: lunch?
        alice< * carol is away: at the doctor's
        bob< [#lobby] alice: carol: lunch?
        carol< [#lobby] alice: carol: lunch?
        ",
    );
}

#[test]
fn programs_are_not_told_who_is_away_of_whom_they_ignore() {
    let mut stage = three();
    stage.open("web", JSON, Visit { name: Some("web"), room: Some("lobby") });
    stage.say("web", r#"{"type":"ignore","name":"carol"}"#);
    stage.forget();
    stage.play(
        r##"
        carol> /away
        carol< * You are away now. /back ends that.
        carol> /back
        carol< * You are here again.
        bob> /away
        bob< * You are away now. /back ends that.
        web< {"type":"away","room":"#lobby","name":"bob","away":true,"time":"_"}
        "##,
    );
}

#[test]
fn whois_shows_rooms_that_one_may_look_into_and_no_others() {
    let mut stage = with_accounts();
    stage.play(
        "
        mia> /zone +9
        mia< * It is 22:05 (+09:00).
        x> /whois MIA
        x< * mia has an account, and is here since 2026-11-22 13:05:09 (UTC).
        x< * mia is in #lobby.
        x< * It is 22:05 where mia is (+09:00).
        mia> /whois x
        mia< ! Nobody here is called \"x\". /who lists who is in a room.
        mia> /whois @guest-3
        mia< * guest-3 is a guest, and is here since 2026-11-22 22:05:09 (+09:00).
        mia< * guest-3 is in #lobby.
        mia> /whois
        mia< ! That is not how /whois works. Type it as: /whois NAME
        ",
    );
    for (room, setting, guest_sees, account_sees) in [
        ("#open", "entry all", true, true),
        ("#members", "entry accounts", false, true),
        ("#knock", "entry ask", false, false),
        ("#quiet", "listed no", false, false),
        ("#hidden", "entry invited", false, false),
        ("#old", "archived yes", false, false),
    ] {
        stage.say("mia", &format!("/join {room}"));
        stage.say("mia", &format!("/room {room} {setting}"));
        stage.forget();
        for (who, sees) in [("x", guest_sees), ("tom", account_sees), ("mia", true)] {
            stage.say(who, "/whois mia");
            let told = stage.hear(who).join("\n");
            assert_eq!(told.contains(room), sees, "{who}: {told}");
        }
    }
    // In no room that they could see, she is somebody with an account, and no more is said.
    stage.say("mia", "/leave #open");
    stage.say("mia", "/leave #members");
    stage.say("mia", "/leave #lobby");
    stage.say("mia", "/away lunch");
    stage.forget();
    stage.say("x", "/whois mia");
    assert_eq!(stage.hear("x"), ["* mia has an account."]);
    stage.say("tom", "/msg mia hello");
    stage.forget();
    stage.say("tom", "/whois mia");
    assert_eq!(
        stage.hear("tom"),
        [
            "* mia has an account, and is here since 2026-11-22 13:05:09 (UTC).",
            "* mia is away since 2026-11-22 13:05:09 (UTC): lunch",
            "* It is 22:05 where mia is (+09:00).",
        ]
    );
}
