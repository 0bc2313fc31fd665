//! Hooks: who makes them, and what becomes of what is posted to them.

use std::net::SocketAddr;

use super::conversations::{on, register};
use super::kept::disk::Disk;
use super::known_secrets::OWNER_CODE;
use super::stage::{JSON, LINES, Stage, Visit, open_settings};
use crate::chat::settings::{ChatSettings, HOOKS_MAX};
use crate::ids::Peer;
use crate::service::{Post, Posted, Refusal};

/// olga owns the server; mia has a room, in which bob is as well.
fn open() -> Stage {
    let mut stage = Stage::with_people(open_settings());
    stage.open("olga", LINES, Visit::default());
    stage.say("olga", &format!("/register {OWNER_CODE} olga"));
    stage.say("olga", "password of olga");
    with_room(&mut stage);
    stage
}

fn with_room(stage: &mut Stage) {
    register(stage, &["mia", "bob"]);
    for who in ["mia", "bob"] {
        stage.say(who, "/leave #lobby");
        stage.say(who, "/join #dev");
    }
    stage.forget();
}

/// Somebody makes a hook; returns its token.
fn token(stage: &mut Stage, who: &str, command: &str) -> String {
    stage.say(who, command);
    let told = stage.hear(who).pop().expect("an answer");
    let (_, token) = told.split_once("hook/").unwrap_or_else(|| panic!("{told}"));
    stage.forget();
    token.to_owned()
}

fn text(body: &str) -> Post<'_> {
    let (content_type, body) = (Some("text/plain"), body.as_bytes());
    Post { peer: Peer::default(), token: "", content_type, key: None, body }
}

fn json(body: &str) -> Post<'_> {
    Post { content_type: Some("application/json"), ..text(body) }
}

fn refused(status: u16, code: &'static str) -> Posted {
    Posted::Refused(Refusal::new(status, code))
}

const NO_HOOK: Posted = Posted::Refused(Refusal::NO_HOOK);

#[test]
fn a_hook_says_what_is_posted_to_it_and_is_nobody() {
    let mut stage = open();
    let hook = token(&mut stage, "mia", "/hook deploy");
    stage.open("p", JSON, Visit { name: Some("prog"), room: None });
    stage.say("bob", "/room entry all");
    stage.say("mia", "/room entry all");
    stage.say("p", r##"{"type":"join","room":"#dev"}"##);
    stage.forget();
    assert_eq!(stage.post(&hook, text("deploy done, @bob\n")), Posted::Done);
    stage.turn();
    assert_eq!(stage.hear("mia"), ["[#dev] deploy (hook): deploy done, @bob"]);
    assert_eq!(stage.hear("bob"), ["[#dev] deploy (hook): deploy done, @bob"]);
    let said = stage.objects("p").pop().expect("it is told");
    assert_eq!((&said["name"], &said["hook"]), (&"deploy (hook)".into(), &true.into()));
    assert_eq!((&said["text"], &said["id"]), (&"deploy done, @bob".into(), &1.into()));
    let payload = r#"{"text":"a\nb &lt;c&gt;","username":"CI server"}"#;
    assert_eq!(stage.post(&hook, json(payload)), Posted::Done);
    // It takes nobody's name, and none that nobody can have.
    for name in ["bob", "b0b", "x: y", "server", ""] {
        let payload = format!(r#"{{"text":"hi","username":"{name}"}}"#);
        assert_eq!(stage.post(&hook, json(&payload)), Posted::Done);
    }
    stage.turn();
    let told = stage.hear("bob");
    assert_eq!(&told[..2], ["[#dev] CI-server (hook): a", "| b <c>"]);
    assert_eq!(told[2..], ["[#dev] deploy (hook): hi"; 5]);
    stage.forget();
    stage.play(
        r##"
        p> {"type":"history","room":"#dev","limit":1}
        p< {"type":"history","room":"#dev","messages":[{"id":7,"time":"_","name":"deploy (hook)","text":"hi","hook":true}],"more":true}
        mia> /delete 1
        mia< * You removed message 1 of deploy (hook) in #dev: "deploy done, @bob"
        olga< [#staff-log] server: mia removed message 1 of deploy (hook) in #dev.
        bob< * mia removed message 1 of deploy (hook) in #dev.
        p< {"type":"deleted","room":"#dev","id":1,"by":"mia","time":"_"}
        "##,
    );
}

#[test]
fn a_hook_takes_no_name_that_is_reserved_and_none_that_lets_others_in() {
    let mut stage = open();
    let hook = token(&mut stage, "mia", "/hook deploy");
    stage.say("olga", "/invite");
    let code = stage.hear("olga")[0].rsplit(' ').next().expect("a code").to_owned();
    stage.say("bob", "/nick robert");
    stage.forget();
    let told = ["bob", "b0b", &code, &hook].map(|name| {
        let payload = format!(r#"{{"text":"hi","username":"{name}"}}"#);
        assert_eq!(stage.post(&hook, json(&payload)), Posted::Done);
        stage.turn();
        stage.hear("mia").concat()
    });
    assert_eq!(told, ["[#dev] deploy (hook): hi"; 4]);
}

#[test]
fn who_moderates_a_room_makes_and_ends_its_hooks() {
    let mut stage = open();
    stage.play(
        r##"
        bob> /hook deploy
        bob< ! Only the owner and moderators of #dev can do that.
        bob> /hooks
        bob< ! Only the owner and moderators of #dev can do that.
        olga> /hook #dev deploy
        olga< ! You are not in the room "#dev". Enter it with /join.
        mia> /hook #none deploy
        mia< ! There is no room "#none". /rooms lists those that there are.
        mia> /hooks
        mia< * #dev has no hooks. Make one with /hook #dev NAME.
        mia> /hook bob
        mia< ! The name bob is taken. Choose another one.
        "##,
    );
    let first = token(&mut stage, "mia", "/hook #dev deploy");
    assert_eq!(stage.post(&first, text("one")), Posted::Done);
    stage.say("mia", "/hook Deploy");
    let staff = stage.hear("olga");
    assert!(staff[0].ends_with("server: mia made the hook deploy of #dev."), "{staff:?}");
    let told = stage.hear("mia").pop().expect("an answer");
    let second = told.split_once("hook/").expect("a token").1.to_owned();
    assert_eq!(stage.post(&first, text("two")), NO_HOOK, "there is another token");
    assert_eq!(stage.post(&second, text("three")), Posted::Done);
    stage.turn();
    stage.forget();
    stage.play(&format!(
        r##"
        mia> /hooks
        mia< * Hooks of #dev; /hooks #dev end NAME ends one:
        mia< *   deploy, made by mia, since 2026-11-22 13:05:09
        bob> {second} is it
        bob< ! There is a token in that by which somebody is known, so it was not said.
        mia> /hooks end nothing
        mia< ! There is no hook "nothing" in that room. /hooks lists them.
        mia> /hooks #dev end DEPLOY
        olga< [#staff-log] server: mia ended the hook deploy of #dev.
        mia< * The hook deploy has ended. What it has said stays.
        "##
    ));
    for token in [second.as_str(), first.as_str(), "cst_never", ""] {
        assert_eq!(stage.post(token, text("four")), NO_HOOK, "{token}");
    }
    for number in 0..=HOOKS_MAX {
        stage.say("mia", &format!("/hook h{number}"));
        stage.pass(1000);
    }
    let told = stage.hear("mia").pop().expect("an answer");
    assert_eq!(told, "! A room has at most 20 hooks. End one with /hooks end.");
}

#[test]
fn a_program_makes_hooks_in_objects() {
    let mut stage = open();
    stage.open("p", JSON, Visit::default());
    stage.say("p", r#"{"type":"login","name":"mia","password":"password of mia"}"#);
    stage.forget();
    stage.say("p", r##"{"type":"hook","room":"#dev","name":"deploy","ref":1}"##);
    let made = stage.objects("p").pop().expect("an answer");
    assert_eq!((&made["type"], &made["room"]), (&"hook".into(), &"#dev".into()));
    assert_eq!((&made["name"], &made["ref"]), (&"deploy".into(), &1.into()));
    assert!(made.get("link").is_none(), "nobody knows where the server is");
    let hook = made["token"].as_str().expect("a token").to_owned();
    assert_eq!(stage.post(&hook, text("hello")), Posted::Done);
    stage.turn();
    stage.forget();
    stage.play(
        r##"
        p> {"type":"hooks","room":"#dev","ref":2}
        p< {"type":"hooks","room":"#dev","hooks":[{"name":"deploy","by":"mia","created":"_"}],"ref":2}
        p> {"type":"end_hook","room":"#dev","name":"deploy","ref":3}
        olga< [#staff-log] server: mia ended the hook deploy of #dev.
        p< {"type":"done","what":"end_hook","ref":3}
        p> {"type":"end_hook","room":"#dev","name":"deploy"}
        p< {"type":"error","code":"no_such_hook","message":"_"}
        p> {"type":"hook","room":"#dev"}
        p< {"type":"error","code":"missing_field","message":"_"}
        "##,
    );
}

#[test]
fn a_hook_says_what_its_maker_may_say_and_no_longer() {
    let mut stage = open();
    stage.say("bob", "/join #dev");
    stage.say("mia", "/role bob moderator #dev");
    let hook = token(&mut stage, "bob", "/hook deploy");
    let post = |stage: &mut Stage| {
        let posted = stage.post(&hook, text("hello"));
        stage.turn();
        stage.forget();
        posted
    };
    assert_eq!(post(&mut stage), Posted::Done);
    for (before, refusal, after) in [
        (["mia", "/mute bob"], refused(403, "action_prohibited"), ["mia", "/unmute bob"]),
        (["mia", "/role bob member #dev"], NO_HOOK, ["mia", "/role bob moderator #dev"]),
        (["olga", "/ban bob"], NO_HOOK, ["olga", "/unban bob"]),
    ] {
        stage.say(before[0], before[1]);
        assert_eq!(post(&mut stage), refusal, "{before:?}");
        if before[1].starts_with("/role") {
            stage.say("mia", "/hooks");
            let told = stage.hear("mia").pop().expect("an answer");
            assert!(told.ends_with("; stopped, as they may not make hooks here now"), "{told}");
        }
        stage.say(after[0], after[1]);
        assert_eq!(post(&mut stage), Posted::Done, "{after:?}");
    }
    stage.say("mia", "/kick bob");
    assert_eq!(post(&mut stage), NO_HOOK);
    stage.say("mia", "/hook deploy");
    assert_eq!(post(&mut stage), NO_HOOK, "it has another token");
    // What is archived has no hooks, also if it is opened again.
    let own = token(&mut stage, "mia", "/hook other");
    stage.say("mia", "/room archived yes");
    assert_eq!(stage.post(&own, text("hello")), NO_HOOK);
    stage.say("mia", "/hook third");
    assert!(stage.hear("mia").pop().expect("an answer").contains("is archived"));
    stage.say("mia", "/room archived no");
    assert_eq!(stage.post(&own, text("hello")), NO_HOOK);
    let own = token(&mut stage, "mia", "/hook other");
    assert_eq!(stage.post(&own, text("hello")), Posted::Done);
    stage.say("mia", "/delete-room #dev");
    assert_eq!(stage.post(&own, text("hello")), NO_HOOK);
}

#[test]
fn what_is_no_message_is_refused_and_what_is_posted_again_is_said_once() {
    let mut stage = open();
    let hook = token(&mut stage, "mia", "/hook deploy");
    let long = "x".repeat(64 * 1024 + 1);
    let lines = "x\n".repeat(501);
    for (post, refusal) in [
        (text(" \n\t"), refused(400, "no_text")),
        (text("\u{200b}\u{7}"), refused(400, "no_text")),
        (json("{"), refused(400, "invalid_payload")),
        (json("{}"), refused(400, "no_text")),
        (text(&long), refused(413, "too_long")),
        (text(&lines), refused(413, "too_long")),
        (text(&hook), refused(400, "contains_secret")),
        (Post { key: Some("\"\""), ..text("x") }, refused(400, "invalid_idempotency_key")),
        (Post { key: Some(&long), ..text("x") }, refused(400, "invalid_idempotency_key")),
    ] {
        assert_eq!(stage.post(&hook, post), refusal, "{post:?}");
    }
    stage.turn();
    assert!(stage.hear("bob").is_empty());
    let key = Some("\"8e03978e-40d5-43dd-bc93-6894a57f9324\"");
    for _ in 0..3 {
        assert_eq!(stage.post(&hook, Post { key, ..text("once") }), Posted::Done);
    }
    let other = token(&mut stage, "mia", "/hook other");
    assert_eq!(stage.post(&other, Post { key, ..text("once more") }), Posted::Done);
    stage.turn();
    assert_eq!(stage.hear("bob"), ["[#dev] other (hook): once more"]);
    stage.say("bob", "/history");
    let told = stage.hear("bob");
    assert!(told[1].ends_with("(1) deploy (hook): once"), "{told:?}");
    assert_eq!(told.len(), 3);
}

#[test]
fn a_hook_has_its_rate() {
    let rate = "3:1".parse().expect("a rate");
    let mut stage = Stage::with_people(ChatSettings { rate, ..open_settings() });
    with_room_slowly(&mut stage);
    let hook = token(&mut stage, "mia", "/hook deploy");
    let other = token(&mut stage, "mia", "/hook other");
    for _ in 0..3 {
        assert_eq!(stage.post(&hook, text("x")), Posted::Done);
    }
    let limited = Refusal { retry_after_s: Some(1), ..Refusal::new(429, "rate_limited") };
    assert_eq!(stage.post(&hook, text("x")), Posted::Refused(limited));
    assert_eq!(stage.post(&other, text("x")), Posted::Done, "it has a rate of its own");
    stage.pass(1000);
    assert_eq!(stage.post(&hook, text(&"x".repeat(5 * 4096))), Posted::Done);
    let limited = Refusal { retry_after_s: Some(6), ..limited };
    assert_eq!(stage.post(&hook, text("x")), Posted::Refused(limited));
}

/// One that is right is served all the same: it may be that of somebody behind the same proxy.
#[test]
fn tokens_that_nobody_has_are_shown_for_a_while_only() {
    let mut stage = open();
    let hook = token(&mut stage, "mia", "/hook deploy");
    let from = |stage: &mut Stage, address: &str, token: &str| {
        let peer: SocketAddr = address.parse().expect("an address");
        stage.post(token, Post { peer: peer.into(), ..text("x") })
    };
    let too_many = Refusal { retry_after_s: Some(2), ..Refusal::new(429, "too_many_attempts") };
    for guess in 0..20 {
        let address = format!("[2001:db8::{guess:x}]:1");
        assert_eq!(from(&mut stage, &address, &format!("cst_{guess}")), NO_HOOK);
    }
    assert_eq!(from(&mut stage, "[2001:db8::1]:1", "cst_another"), Posted::Refused(too_many));
    assert_eq!(from(&mut stage, "[2001:db8::1]:1", &hook), Posted::Done);
    assert_eq!(from(&mut stage, "192.0.2.1:1", "cst_another"), NO_HOOK, "from elsewhere");
    stage.pass(2000);
    assert_eq!(from(&mut stage, "[2001:db8::1]:1", "cst_another"), NO_HOOK);
    // One that is stopped is no guess.
    stage.say("mia", "/mute bob");
    stage.say("mia", "/role bob moderator #dev");
    let own = token(&mut stage, "bob", "/hook other");
    stage.say("mia", "/role bob member #dev");
    for _ in 0..30 {
        assert_eq!(from(&mut stage, "192.0.2.1:1", &own), NO_HOOK);
    }
    assert_eq!(from(&mut stage, "192.0.2.1:1", &hook), Posted::Done);
}

fn with_room_slowly(stage: &mut Stage) {
    stage.open("mia", LINES, Visit::default());
    for line in ["/register mia", "password of mia", "/join #dev"] {
        stage.say("mia", line);
        stage.pass(10_000);
    }
    stage.forget();
}

/// Nobody is shown what it said before it is kept; what was posted is in history, search and all
/// that is kept after a crash.
#[test]
fn hooks_and_what_they_said_are_there_after_a_crash() {
    let disk = Disk::default();
    let mut stage = on(&disk, open_settings());
    with_room(&mut stage);
    let gone = token(&mut stage, "mia", "/hook gone");
    let hook = token(&mut stage, "mia", "/hook deploy");
    stage.say("mia", "/hooks end gone");
    assert_eq!(stage.post(&hook, text("hello")), Posted::Done);
    stage.turn();
    disk.crash(0);
    let mut stage = on(&disk, open_settings());
    assert_eq!(stage.post(&hook, text("again")), Posted::Done);
    assert_eq!(stage.post(&gone, text("again")), NO_HOOK);
    stage.open("p", JSON, Visit::default());
    stage.say("p", r#"{"type":"login","name":"bob","password":"password of bob"}"#);
    let told = stage.objects("p");
    let joined = told.iter().find(|told| told["room"] == "#dev").expect("it is in the room");
    assert_eq!((&joined["position"], &joined["unread"]), (&2.into(), &2.into()));
    stage.say("p", r##"{"type":"history","room":"#dev"}"##);
    let page = stage.objects("p").pop().expect("an answer");
    assert_eq!(page["messages"][0]["name"], "deploy (hook)");
    assert_eq!(page["messages"][0]["hook"], true);
    stage.say("p", r##"{"type":"logout"}"##);
    // A hook ends with the account of its maker.
    stage.open("m", LINES, Visit::default());
    for line in ["/login mia", "password of mia", "/role bob owner #dev", "/delete-account"] {
        stage.say("m", line);
    }
    stage.say("m", "password of mia");
    assert_eq!(stage.post(&hook, text("again")), NO_HOOK);
    stage.turn();
    disk.crash(0);
    let mut stage = on(&disk, open_settings());
    assert_eq!(stage.post(&hook, text("again")), NO_HOOK);
}

#[test]
fn with_a_full_disk_nothing_is_posted() {
    let disk = Disk::default();
    let mut stage = on(&disk, open_settings());
    with_room(&mut stage);
    let hook = token(&mut stage, "mia", "/hook deploy");
    disk.set_full(true);
    stage.turn();
    let full = Refusal { retry_after_s: Some(5), ..Refusal::new(503, "not_stored") };
    assert_eq!(stage.post(&hook, text("hello")), Posted::Refused(full));
}

/// Everybody who is there is called where a member can do that, and only there.
#[test]
fn a_hook_calls_whom_a_member_calls() {
    let mut stage = open();
    let hook = token(&mut stage, "mia", "/hook deploy");
    stage.open("p", JSON, Visit::default());
    stage.say("p", r#"{"type":"login","name":"bob","password":"password of bob"}"#);
    let mentions = |stage: &mut Stage| {
        stage.forget();
        assert_eq!(stage.post(&hook, json(r#"{"text":"<!channel> look"}"#)), Posted::Done);
        stage.say("p", r#"{"type":"unread"}"#);
        let told = stage.objects("p").pop().expect("an answer");
        let rooms = told["rooms"].as_array().expect("rooms").clone();
        let dev = rooms.into_iter().find(|room| room["room"] == "#dev").expect("the room");
        dev["mentions"].as_u64().expect("a number")
    };
    let before = mentions(&mut stage);
    assert_eq!(before, 1);
    stage.say("mia", "/room entry all");
    for number in 0..20 {
        let name = format!("g{number}");
        stage.open(&name, JSON, Visit { name: Some(&name), room: Some("dev") });
    }
    assert_eq!(mentions(&mut stage), before, "the room is too large for that");
}
