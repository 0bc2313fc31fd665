//! Those who guess, send what nobody would, or ask for two things at once that exclude each other.

use std::net::SocketAddr;
use std::sync::Arc;

use super::kept::disk::Disk;
use super::known_secrets::{KnownSecrets, OWNER_CODE};
use super::stage::{JSON, LINES, Stage, Visit, settings};
use crate::chat::settings::{ChatSettings, Registration};
use crate::delivery::Wait;
use crate::delivery::encoding::FrameKind;
use crate::ids::Peer;
use crate::service::{Incoming, Outcome, Service};

/// Where alice has an account, and is a program.
fn with_alice() -> Stage {
    let registration = Registration::Open;
    let mut stage = Stage::with_people(ChatSettings { registration, ..settings() });
    stage.open("alice", JSON, Visit::default());
    stage.say("alice", r#"{"type":"register","name":"alice","password":"password of alice"}"#);
    stage.forget();
    stage
}

fn login(name: &str, password: &str) -> String {
    format!(r#"{{"type":"login","name":"{name}","password":"{password}"}}"#)
}

/// The code of the error that a program is answered by.
#[track_caller]
fn refused(stage: &mut Stage, actor: &str, request: &str) -> String {
    stage.say(actor, request);
    let told = stage.objects(actor).pop().expect("an answer");
    told["code"].as_str().unwrap_or_else(|| panic!("{told}")).to_owned()
}

#[test]
fn a_wrong_password_counts_wherever_it_is_tried() {
    let mut stage = with_alice();
    for _ in 0..4 {
        let request = r#"{"type":"delete_account","password":"a guess"}"#;
        assert_eq!(refused(&mut stage, "alice", request), "login_failed");
        let request = r#"{"type":"password","old":"a guess","password":"another password"}"#;
        assert_eq!(refused(&mut stage, "alice", request), "login_failed");
    }
    stage.open("b", JSON, Visit::default());
    for expected in ["login_failed", "login_failed", "too_many_attempts"] {
        assert_eq!(refused(&mut stage, "b", &login("alice", "a guess")), expected);
    }
}

#[test]
fn what_a_terminal_waits_with_is_no_more_than_can_be_right() {
    let mut stage = with_alice();
    stage.open("b", LINES, Visit::default());
    stage.forget();
    stage.say("b", &format!("/login {}", "x".repeat(50_000)));
    assert!(stage.hear("b").pop().is_some_and(|told| told.starts_with("! ")), "no prompt");
    for line in ["/login alice", "password of alice", "/password"] {
        stage.say("b", line);
    }
    stage.forget();
    stage.say("b", &"x".repeat(50_000));
    assert_eq!(stage.hear("b"), ["! The name or the password is wrong."]);
    stage.say("b", &"x".repeat(300));
    assert_eq!(stage.hear("alice").len(), 1, "nothing is awaited any more");
}

#[test]
fn a_line_that_is_awaited_is_a_secret_whatever_it_looks_like() {
    let mut stage = with_alice();
    stage.open("b", LINES, Visit::default());
    stage.forget();
    for secret in ["/quit", "//", "/msg alice hello", "\u{1}\u{2}", " ", "login alice secret"] {
        stage.say("b", "/login alice");
        stage.say("b", secret);
        let told = stage.hear("b").pop();
        assert_eq!(told.as_deref(), Some("! The name or the password is wrong."), "{secret:?}");
    }
    stage.say("b", "/login alice");
    let outcome = stage.offer("b", b"\xFF\xFE");
    assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
    let told = stage.hear("b").pop().expect("an answer");
    assert!(told.starts_with("! Not said: ") && !told.contains('\u{FFFD}'), "{told}");
    assert_eq!(stage.hear("alice"), Vec::<String>::new(), "nothing was said");
}

#[test]
fn a_code_for_a_cookie_takes_the_place_of_the_one_before() {
    let mut stage = with_alice();
    let mut code = || {
        stage.say("alice", r#"{"type":"cookie"}"#);
        stage.objects("alice")[0]["code"].as_str().expect("a code").to_owned()
    };
    let codes = [code(), code()];
    let unix_ms = stage.now.unix_ms;
    let cookies = codes.map(|code| stage.chat.take_cookie(&code, unix_ms));
    assert!(cookies[0].is_none() && cookies[1].is_some());
}

#[test]
fn a_code_is_not_used_up_by_what_cannot_be_stored() {
    let disk = Disk::default();
    let (store, loaded) = disk.start(100);
    let mut stage = Stage::with_store(settings(), store, loaded);
    stage.chat = stage.chat.with_secrets(Arc::new(KnownSecrets::default()));
    stage.open("a", JSON, Visit::default());
    disk.set_full(true);
    let request = format!(
        r#"{{"type":"register","name":"alice","password":"a password","code":"{OWNER_CODE}"}}"#
    );
    assert_eq!(refused(&mut stage, "a", &request), "not_stored");
    disk.set_full(false);
    stage.say("a", &request);
    assert_eq!(stage.objects("a").pop().expect("an answer")["role"], "owner");
}

/// A program asks for something that takes a while, and is not answered yet.
#[track_caller]
fn ask(stage: &mut Stage, actor: &str, request: &str) {
    let outcome = stage.offer(actor, request.as_bytes());
    assert!(matches!(outcome, Outcome::Blocked(Wait::Ticket(_))), "{outcome:?}");
}

/// The code of the error that a program is answered by last, if it is one.
fn code(stage: &mut Stage, actor: &str) -> Option<String> {
    let told = stage.objects(actor).pop().expect("an answer");
    told["code"].as_str().map(str::to_owned)
}

#[test]
fn of_two_who_register_one_name_at_once_one_has_it() {
    let mut stage = with_alice();
    let register =
        |name: &str| format!(r#"{{"type":"register","name":"{name}","password":"a password"}}"#);
    // The third looks like the first two.
    let names = ["bill", "bill", "bi11"];
    let actors = ["b", "c", "d"];
    for (actor, name) in actors.into_iter().zip(names) {
        stage.open(actor, JSON, Visit::default());
        ask(&mut stage, actor, &register(name));
    }
    stage.forget();
    for (actor, name) in actors.into_iter().zip(names) {
        stage.say(actor, &register(name));
    }
    let taken = Some("name_taken".to_owned());
    assert_eq!(actors.map(|actor| code(&mut stage, actor)), [None, taken.clone(), taken]);
}

#[test]
fn what_was_asked_by_an_account_that_has_ended_meanwhile_is_refused() {
    let mut stage = with_alice();
    let requests = [
        ("b", r#"{"type":"token","label":"a bot"}"#, "login_required"),
        ("c", r#"{"type":"cookie"}"#, "login_required"),
        ("d", r#"{"type":"invite"}"#, "login_required"),
        ("h", r#"{"type":"bot","name":"robot"}"#, "login_required"),
        (
            "e",
            r#"{"type":"password","old":"password of alice","password":"another password"}"#,
            "login_required",
        ),
        ("f", r#"{"type":"delete_account","password":"password of alice"}"#, "login_required"),
        ("g", r#"{"type":"login","name":"alice","password":"password of alice"}"#, "login_failed"),
    ];
    for (actor, _, _) in requests {
        stage.open(actor, JSON, Visit::default());
        if actor != "g" {
            stage.say(actor, &login("alice", "password of alice"));
        }
    }
    stage.forget();
    let ends = r#"{"type":"delete_account","password":"password of alice"}"#;
    ask(&mut stage, "alice", ends);
    for (actor, request, _) in requests {
        ask(&mut stage, actor, request);
    }
    stage.turn();
    stage.say("alice", ends);
    stage.forget();
    for (actor, request, refused) in requests {
        stage.say(actor, request);
        assert_eq!(code(&mut stage, actor).as_deref(), Some(refused), "{request}");
    }
    assert_eq!(stage.chat.state().accounts().iter().count(), 0);
    assert_eq!(stage.chat.state().accounts().invitations().count(), 0);
}

/// Two devices change the password at once, both knowing the one before.
#[test]
fn of_two_new_passwords_at_once_one_counts() {
    let mut stage = with_alice();
    stage.open("b", JSON, Visit::default());
    stage.say("b", r#"{"type":"login","name":"alice","password":"password of alice"}"#);
    stage.forget();
    let change = |new: &str| {
        format!(r#"{{"type":"password","old":"password of alice","password":"{new}"}}"#)
    };
    ask(&mut stage, "alice", &change("a new password"));
    ask(&mut stage, "b", &change("another password"));
    stage.turn();
    stage.say("alice", &change("a new password"));
    stage.forget();
    stage.say("b", &change("another password"));
    assert_eq!(code(&mut stage, "b").as_deref(), Some("login_required"));
    assert_eq!(refused(&mut stage, "b", &login("alice", "another password")), "login_failed");
    stage.say("b", &login("alice", "a new password"));
    assert_eq!(stage.objects("b")[0]["type"], "account");
}

/// Its next line was to be a password; the account has ended before it came.
#[test]
fn a_terminal_that_was_logged_out_while_it_is_asked_says_nothing_aloud() {
    let mut stage = with_alice();
    stage.open("b", LINES, Visit::default());
    for line in ["/login alice", "password of alice", "/password"] {
        stage.say("b", line);
    }
    stage.say("alice", r#"{"type":"delete_account","password":"password of alice"}"#);
    stage.forget();
    stage.say("b", "password of alice");
    let told = stage.hear("b");
    assert!(told.len() == 1 && told[0].starts_with("! Only people with an account"), "{told:?}");
    assert_eq!(stage.hear("alice"), Vec::<String>::new());
    stage.say("b", "/join #lobby");
    stage.say("b", "hello");
    assert_eq!(stage.hear("alice").len(), 0);
}

#[test]
fn a_hundred_devices_in_fifty_rooms_are_one_person() {
    let mut stage = with_alice();
    for room in 0..50 {
        stage.say("alice", &format!(r##"{{"type":"join","room":"#r{room}"}}"##));
    }
    for device in 0..100 {
        let name = format!("d{device}");
        stage.open(&name, JSON, Visit::default());
        stage.say(&name, &login("alice", "password of alice"));
    }
    stage.forget();
    stage.say("d7", r##"{"type":"say","room":"#r3","text":"hello"}"##);
    for device in (0..100).map(|device| format!("d{device}")).chain(["alice".to_owned()]) {
        assert_eq!(stage.objects(&device).len(), 1, "{device}");
    }
    stage.say("alice", r#"{"type":"delete_account","password":"password of alice"}"#);
    for device in 0..100 {
        let told = stage.objects(&format!("d{device}"));
        assert_eq!(told.last().expect("who it is")["rooms"], serde_json::json!([]));
    }
    assert_eq!(stage.chat.rooms(), 1, "where something was said");
}

#[test]
fn nothing_that_lets_others_in_is_shown_to_them() {
    let mut stage = with_alice();
    stage.say("alice", r#"{"type":"token","label":"a bot"}"#);
    let token = stage.objects("alice")[0]["token"].as_str().expect("a token").to_owned();
    stage.say("alice", r##"{"type":"join","room":"#lobby"}"##);
    stage.open("b", LINES, Visit::default());
    stage.forget();
    for line in [
        format!("it is {token}"),
        format!("/me has {token}"),
        format!("/topic {token}"),
        format!("/msg alice {token}"),
        "login alice a password of words".to_owned(),
        "Register 7q2m4kxrw9td carol a password of words".to_owned(),
    ] {
        stage.say("b", &line);
        let told = stage.hear("b");
        assert!(told.len() == 1 && told[0].ends_with("so it was not said."), "{line}: {told:?}");
    }
    stage.say("b", "login does not work for me");
    assert_eq!(stage.objects("alice").len(), 1, "the last alone was said");
    stage.say("b", &format!("/quit {token}"));
    let left = stage.objects("alice").pop().expect("it has left");
    assert_eq!((&left["type"], left.get("reason")), (&serde_json::json!("left"), None));
}

#[test]
fn who_may_do_nothing_hears_nothing_and_takes_no_name() {
    let settings = ChatSettings { guests: false, registration: Registration::Open, ..settings() };
    let mut stage = Stage::with_people(settings);
    stage.open("squatter", JSON, Visit { name: Some("alice"), room: Some("lobby") });
    stage.open("a", JSON, Visit::default());
    stage.forget();
    stage.say("a", r#"{"type":"register","name":"alice","password":"password of alice"}"#);
    assert_eq!(stage.objects("a")[0]["name"], "alice");
    stage.say("a", r##"{"type":"join","room":"#lobby"}"##);
    // Somebody who is silent, at a terminal beside others.
    let silent = stage.id("squatter");
    stage.chat.listens(silent, &mut stage.out);
    stage.forget();
    stage.say("a", r#"{"type":"say","text":"among us"}"#);
    assert_eq!(stage.hear("squatter"), Vec::<String>::new());
}

/// Whether a code is good for something else is seen by nobody who guesses: what is counted is all that
/// there is to learn.
#[test]
fn a_code_that_makes_no_account_is_answered_as_one_that_there_is_not() {
    let mut stage = with_alice();
    stage.open("olga", JSON, Visit::default());
    let owner = format!(
        r#"{{"type":"register","name":"olga","password":"password of olga","code":"{OWNER_CODE}"}}"#
    );
    stage.say("olga", &owner);
    stage.forget();
    let code_of = |stage: &mut Stage, actor: &str, request: &str| {
        stage.say(actor, request);
        let told = stage.objects(actor);
        let code = told.iter().find_map(|told| told["code"].as_str());
        code.unwrap_or_else(|| panic!("{told:?}")).to_owned()
    };
    let reset = code_of(&mut stage, "olga", r#"{"type":"reset","name":"alice"}"#);
    stage.say("alice", r##"{"type":"join","room":"#hq"}"##);
    let request = r##"{"type":"invite","rooms":["#hq"],"accounts":false}"##;
    let room = code_of(&mut stage, "alice", request);
    let account = code_of(&mut stage, "alice", r#"{"type":"invite"}"#);
    stage.open("b", JSON, Visit::default());
    let register = |name: &str, code: &str| {
        format!(r#"{{"type":"register","name":"{name}","password":"long enough","code":"{code}"}}"#)
    };
    let unknown = "2345-6789-ABCD";
    for code in [unknown, &room, &reset, &account] {
        assert_eq!(refused(&mut stage, "b", &register("olga", code)), "name_taken", "{code}");
    }
    for code in [unknown, &room, &reset] {
        assert_eq!(refused(&mut stage, "b", &register("bob", code)), "code_refused", "{code}");
    }
}

/// Whoever has one account cannot keep others from being known by their browsers.
#[test]
fn an_account_has_few_cookies_that_wait_to_be_fetched() {
    let mut stage = with_alice();
    let codes: Vec<String> = (0..9)
        .map(|number| {
            let actor = format!("page {number}");
            stage.open(&actor, JSON, Visit::default());
            stage.say(&actor, &login("alice", "password of alice"));
            stage.pass(1_000);
            stage.say(&actor, r#"{"type":"cookie"}"#);
            code(&mut stage, &actor).expect("a code")
        })
        .collect();
    let unix_ms = stage.now.unix_ms;
    let fetched: Vec<bool> =
        codes.iter().map(|code| stage.chat.take_cookie(code, unix_ms).is_some()).collect();
    assert_eq!(fetched, [false, true, true, true, true, true, true, true, true]);
}

#[test]
fn a_code_is_a_guess_whatever_name_comes_with_it() {
    for (actor, encoding) in [("p", JSON), ("t", LINES)] {
        let mut stage = with_alice();
        stage.open(actor, encoding, Visit::default());
        stage.forget();
        // Of a code for alice's password that would be another answer.
        let guess = |at: usize| match actor {
            "t" => format!("/register 4222-2222-222{at} alice"),
            _ => format!(
                r#"{{"type":"register","name":"alice","password":"a password","code":"4222-2222-222{at}"}}"#
            ),
        };
        let peer = Peer::from("203.0.113.9:4000".parse::<SocketAddr>().expect("an address"));
        let mut told = Vec::new();
        for at in 0..21 {
            let guess = guess(2 + at % 8);
            let kind = FrameKind::Text;
            stage.offer_frame(actor, Incoming { peer, kind, bytes: guess.as_bytes() });
            told.extend(stage.hear(actor).pop());
        }
        let (last, others) = told.split_last().expect("answers");
        assert!(others.iter().all(|told| told.contains("is taken")), "{others:?}");
        assert!(last.contains("tried too often"), "{last}");
    }
}
