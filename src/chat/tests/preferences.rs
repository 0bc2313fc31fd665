//! Times, zones and bells at terminals.

use super::stage::{Stage, TEXT, Visit, settings};
use crate::chat::preferences::find_zone;

fn three() -> Stage {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice", "bob", "carol"]);
    stage
}

#[test]
fn who_wants_times_has_them_and_nobody_else() {
    three().play(
        "
        alice> /times on
        alice< * What is said comes with its time (UTC).
        bob> hello
        alice< 13:05 [#lobby] bob: hello
        carol< [#lobby] bob: hello
        bob> /me waves
        alice< 13:05 [#lobby] * bob waves
        carol< [#lobby] * bob waves
        bob> /msg alice a secret
        bob< [you -> alice] a secret
        alice< 13:05 [bob -> you] a secret
        alice> /zone tokyo
        alice< * It is 22:05 in Asia/Tokyo (+09:00).
        alice> /times
        alice< * What is said comes with its time (+09:00).
        bob> good evening
        alice< 22:05 [#lobby] bob: good evening
        carol< [#lobby] bob: good evening
        alice> /times off
        alice< * What is said comes without its time.
        bob> still here
        alice< [#lobby] bob: still here
        carol< [#lobby] bob: still here
        alice> /join #dev
        alice< * You are in #dev now, with nobody else.
        alice> /times on
        alice< * What is said comes with its time (+09:00).
        bob> one more
        alice< 22:05 [#lobby] bob: one more
        carol< [#lobby] bob: one more
        ",
    );
}

#[test]
fn history_has_the_times_of_ones_zone() {
    three().play(
        "
        bob> hello
        alice< [#lobby] bob: hello
        carol< [#lobby] bob: hello
        alice> /zone +5:30
        alice< * It is 18:35 (+05:30).
        alice> /history
        alice< * The last message of #lobby (+05:30):
        alice< *   2026-11-22 18:35:09 (1) bob: hello
        carol> /history
        carol< * The last message of #lobby (UTC):
        carol< *   2026-11-22 13:05:09 (1) bob: hello
        alice> /zone UTC
        alice< * It is 13:05 (UTC).
        alice> /history
        alice< * The last message of #lobby (UTC):
        alice< *   2026-11-22 13:05:09 (1) bob: hello
        ",
    );
}

#[test]
fn a_zone_that_there_is_not_changes_nothing() {
    three().play(
        r#"
        alice> /zone
        alice< * It is 13:05 (UTC).
        alice> /zone Atlantis
        alice< ! There is no time zone "Atlantis". Name one like Asia/Tokyo, or how far it is from UTC: +9.
        alice> /zone +15
        alice< ! There is no time zone "+15". Name one like Asia/Tokyo, or how far it is from UTC: +9.
        alice> /times maybe
        alice< ! That is not how /times works. Type it as: /times [on or off]
        alice> /times
        alice< * What is said comes without its time.
        "#,
    );
}

#[test]
fn zones_are_found_as_people_type_them() {
    for (typed, found) in [
        ("Asia/Tokyo", Some("Asia/Tokyo")),
        ("asia/tokyo", Some("Asia/Tokyo")),
        ("new york", Some("America/New_York")),
        ("Europe/Berlin", Some("Europe/Berlin")),
        ("utc", Some("UTC")),
        ("nowhere", None),
        ("+", None),
        ("+9:60", None),
        ("+009", None),
        ("-12:15", None),
        ("+14:01", None),
        ("é", None),
    ] {
        let name = find_zone(typed).map(|zone| zone.iana_name().map(str::to_owned));
        assert_eq!(name.flatten().as_deref(), found, "{typed}");
    }
    for typed in ["+9", "UTC+9", "-3:30", "GMT-12", "+14:00"] {
        assert!(find_zone(typed).is_some(), "{typed}");
    }
}

#[test]
fn summer_ends_while_somebody_listens() {
    let mut stage = three();
    // Summer begins in Sydney on the first Sunday of October and ends on the first one of April.
    stage.play(
        "
        alice> /times on
        alice< * What is said comes with its time (UTC).
        alice> /zone Australia/Sydney
        alice< * It is 00:05 in Australia/Sydney (+11:00).
        ",
    );
    // 2027-04-03 16:00 UTC.
    let end_of_summer = 1_806_768_000_000;
    stage.pass(end_of_summer - stage.now.unix_ms - 60_000);
    stage.play(
        "
        bob> soon
        alice< 02:59 [#lobby] bob: soon
        carol< [#lobby] bob: soon
        ",
    );
    stage.pass(60_000);
    stage.play(
        "
        bob> now
        alice< 02:00 [#lobby] bob: now
        carol< [#lobby] bob: now
        ",
    );
}

#[test]
fn a_bell_rings_for_ones_name_and_for_what_is_said_to_one_only() {
    let mut stage = three();
    stage.say("alice", "/bell on");
    assert_eq!(stage.hear("alice"), ["* Your terminal rings for what is for you."]);
    for (said, does_ring) in [
        ("hello", false),
        ("hello @alice", true),
        ("alice: hello", true),
        ("hello @carol", false),
        ("/msg alice hello", true),
    ] {
        stage.say("bob", said);
        let rings = |heard: Vec<String>| heard.last().is_some_and(|it| it == "(it rings)");
        assert_eq!(rings(stage.hear("alice")), does_ring, "{said}");
        assert!(!rings(stage.hear("carol")), "{said}");
        stage.forget();
    }
    stage.say("alice", "@alice is me");
    assert!(stage.hear("alice").is_empty());
    stage.say("alice", "/ignore bob");
    stage.say("alice", "/bell");
    stage.forget();
    stage.say("bob", "@alice");
    assert!(stage.hear("alice").is_empty(), "nothing rings for what is not shown");
    stage.say("alice", "/unignore bob");
    stage.say("alice", "/bell off");
    stage.forget();
    stage.say("bob", "@alice");
    assert_eq!(stage.hear("alice"), ["[#lobby] bob: @alice"]);
}

#[test]
fn an_answer_is_for_who_has_last_said_something_to_one_only() {
    three().play(
        "
        alice> /r hello
        alice< ! Nobody who is here has said anything to you only. /msg NAME TEXT does it.
        bob> /msg alice one
        bob< [you -> alice] one
        alice< [bob -> you] one
        carol> /msg alice two
        carol< [you -> alice] two
        alice< [carol -> you] two
        alice> /r to carol
        alice< [you -> carol] to carol
        carol< [alice -> you] to carol
        carol> /nick caroline
        carol< * You are caroline now.
        alice< * carol is caroline now.
        bob< * carol is caroline now.
        alice> /reply whatever you are called
        alice< [you -> caroline] whatever you are called
        carol< [alice -> you] whatever you are called
        alice> /r
        alice< ! That is not how /reply works. Type it as: /reply TEXT
        ",
    );
}

#[test]
fn a_screen_is_cleared_and_a_window_has_none() {
    let mut stage = three();
    stage.open("web", TEXT, Visit::default());
    stage.forget();
    stage.say("alice", "/clear");
    assert_eq!(stage.hear("alice"), ["(it is cleared)"]);
    stage.say("web", "/clear");
    assert_eq!(stage.hear("web"), ["! That is for terminals."]);
    stage.say("web", "/bell on");
    assert_eq!(stage.hear("web"), ["! That is for terminals."]);
}
