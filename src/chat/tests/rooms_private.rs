//! A room that one may not know of cannot be told from one that there is not: every request that can
//! name a room is answered in the same bytes for both, and asks the store as often.

use std::sync::Arc;

use super::kept::disk::Disk;
use super::known_secrets::{KnownSecrets, OWNER_CODE};
use super::stage::{JSON, LINES, Showing, Stage, TEXT, Visit, settings};
use crate::chat::settings::{ChatSettings, Registration};
use crate::delivery::encoding::Encoding;

/// A room that is there and hidden, and one that is not. Of one length, so that answers that are cut
/// are cut alike.
const HIDDEN: &str = "#hollow";
const ABSENT: &str = "#absent";

/// Who asks: a guest, an account, one that was removed, a guest that was, an admin, an owner.
const ASKERS: [&str; 6] = ["x", "bob", "carol", "y", "ada", "olga"];

/// Every request of a program that can name a room, but for making one.
const REQUESTS: [&str; 27] = [
    r##"{"type":"say","room":"#R","text":"hello","ref":1}"##,
    r##"{"type":"me","room":"#R","text":"waves","ref":1}"##,
    r##"{"type":"say","room":"#R","text":"hello","key":"k1","ref":1}"##,
    r##"{"type":"leave","room":"#R","ref":1}"##,
    r##"{"type":"topic","room":"#R","ref":1}"##,
    r##"{"type":"topic","room":"#R","text":"tea","ref":1}"##,
    r##"{"type":"history","room":"#R","ref":1}"##,
    r##"{"type":"history","room":"#R","after":0,"ref":1}"##,
    r##"{"type":"who","room":"#R","ref":1}"##,
    r##"{"type":"search","text":"tea","room":"#R","ref":1}"##,
    r##"{"type":"search","text":"in:#R","ref":1}"##,
    r##"{"type":"search","text":"tea in:#R from:alice","ref":1}"##,
    r##"{"type":"typing","room":"#R","ref":1}"##,
    r##"{"type":"room","room":"#R","ref":1}"##,
    r##"{"type":"room","room":"#R","entry":"all","ref":1}"##,
    r##"{"type":"room","room":"#R","entry":"nonsense","ref":1}"##,
    r##"{"type":"room_name","room":"#R","name":"#other","ref":1}"##,
    r##"{"type":"delete_room","room":"#R","name":"#R","ref":1}"##,
    r##"{"type":"keep","room":"#R","ref":1}"##,
    r##"{"type":"role","room":"#R","name":"alice","role":"member","ref":1}"##,
    r##"{"type":"admit","room":"#R","name":"alice","ref":1}"##,
    r##"{"type":"refuse","room":"#R","name":"alice","ref":1}"##,
    r##"{"type":"kick","room":"#R","name":"alice","minutes":3,"reason":"spam","ref":1}"##,
    r##"{"type":"invite","rooms":["#R"],"ref":1}"##,
    r##"{"type":"invite","rooms":["#lobby","#R"],"accounts":false,"ref":1}"##,
    r##"{"type":"join","room":"#R","code":"2222-2222-2222","ref":1}"##,
    r##"{"type":"join","room":"#R","code":"no code","since":0,"ref":1}"##,
];

/// The same of people who type.
const COMMANDS: [&str; 14] = [
    "/leave #R",
    "/who #R",
    "/who #R 2",
    "/search tea in:#R",
    "/search in:#R",
    "/room #R",
    "/room #R entry all",
    "/keep #R",
    "/accept alice #R",
    "/refuse alice #R",
    "/role alice member #R",
    "/invite #R 3",
    "/invite alice #R",
    "/delete-room #R",
];

fn open(stage: &mut Stage, name: &str, encoding: Encoding, credential: Option<&str>) {
    let showing = Showing { credential, ..Showing::default() };
    stage.open_showing(name, encoding, Visit::default(), showing);
}

fn people(has_store: bool) -> Stage {
    let settings = ChatSettings { registration: Registration::Open, ..settings() };
    let mut stage = match has_store {
        true => {
            let (store, loaded) = Disk::default().start(100);
            Stage::with_store(settings, store, loaded)
        }
        false => Stage::new(settings),
    };
    stage.chat = stage.chat.with_secrets(Arc::new(KnownSecrets::default()));
    stage
}

/// A chat in which alice may have a room that nobody else may know of; returns tokens.
fn chat(has_store: bool, has_room: bool) -> (Stage, Vec<Option<String>>) {
    let mut stage = people(has_store);
    let mut tokens = Vec::new();
    for name in ["alice", "bob", "carol", "ada", "olga"] {
        open(&mut stage, name, JSON, None);
        let code = match name {
            "olga" => format!(r#","code":"{OWNER_CODE}""#),
            _ => String::new(),
        };
        let register = r#"{"type":"register","password":"hunter-22","name":"#;
        stage.say(name, &format!(r#"{register}"{name}"{code}}}"#));
        stage.forget();
        stage.say(name, r#"{"type":"token","label":"of a test"}"#);
        tokens.push(stage.objects(name)[0]["token"].as_str().expect("a token").to_owned());
    }
    stage.say("olga", r#"{"type":"role","name":"ada","role":"admin"}"#);
    open(&mut stage, "y", JSON, None);
    if has_room {
        hide_room(&mut stage);
    }
    // Only y's connection is that of the guest who was removed.
    for name in ["bob", "carol", "ada", "olga"] {
        stage.leave(name);
    }
    stage.forget();
    let of = |at: usize| Some(tokens[at].clone());
    (stage, vec![None, of(1), of(2), None, of(3), of(4)])
}

/// alice makes a room and hides it. carol and y were in it and are removed.
fn hide_room(stage: &mut Stage) {
    let ask = |stage: &mut Stage, who: &str, request: &str| {
        stage.say(who, &request.replace("#R", HIDDEN));
    };
    ask(stage, "alice", r##"{"type":"join","room":"#R"}"##);
    ask(stage, "alice", r##"{"type":"room","room":"#R","entry":"all"}"##);
    ask(stage, "carol", r##"{"type":"join","room":"#R"}"##);
    ask(stage, "y", r##"{"type":"join","room":"#R"}"##);
    ask(stage, "alice", r##"{"type":"say","room":"#R","text":"tea for two","key":"k1"}"##);
    ask(stage, "alice", r##"{"type":"topic","room":"#R","text":"tea"}"##);
    ask(stage, "alice", r##"{"type":"room","room":"#R","entry":"invited"}"##);
    ask(stage, "alice", r##"{"type":"kick","room":"#R","name":"carol"}"##);
    let name = stage.objects("y")[0]["name"].as_str().expect("a name").to_owned();
    ask(stage, "alice", &format!(r##"{{"type":"kick","room":"#R","name":"{name}","minutes":5}}"##));
    stage.forget();
}

/// What somebody is told, and how often the store was asked for that. Names of rooms are one.
fn answer(
    has_store: bool,
    asker: usize,
    encoding: Encoding,
    request: &str,
    room: &str,
) -> (Vec<String>, usize) {
    let (mut stage, tokens) = chat(has_store, true);
    let name = ASKERS[asker];
    if name != "y" {
        open(&mut stage, name, encoding, tokens[asker].as_deref());
    }
    stage.forget();
    let asked = stage.asked;
    stage.say(name, &request.replace("#R", room));
    let told = stage.hear(name).into_iter().map(|line| line.replace(room, "#R")).collect();
    assert_eq!(stage.hear("alice"), Vec::<String>::new(), "nobody else is told: {request}");
    (told, stage.asked - asked)
}

#[track_caller]
fn compare(asker: usize, encoding: Encoding, request: &str) {
    for has_store in [false, true] {
        let hidden = answer(has_store, asker, encoding, request, HIDDEN);
        let absent = answer(has_store, asker, encoding, request, ABSENT);
        assert_eq!(hidden, absent, "{}: {request}, store: {has_store}", ASKERS[asker]);
    }
}

#[test]
fn a_program_cannot_tell_a_hidden_room_from_one_that_there_is_not() {
    for asker in 0..ASKERS.len() {
        for request in REQUESTS {
            compare(asker, JSON, request);
        }
    }
}

#[test]
fn nobody_who_types_can_tell_a_hidden_room_from_one_that_there_is_not() {
    for asker in (0..ASKERS.len()).filter(|&asker| ASKERS[asker] != "y") {
        for command in COMMANDS {
            compare(asker, TEXT, command);
        }
    }
}

/// What does not name a room is answered as where there is none.
#[test]
fn nothing_tells_of_a_hidden_room() {
    let requests = [
        r#"{"type":"rooms"}"#,
        r#"{"type":"rooms","after":1,"limit":1}"#,
        r#"{"type":"search","text":"tea"}"#,
        r#"{"type":"search","text":"tea from:alice"}"#,
        r#"{"type":"search","text":"from:alice"}"#,
        r#"{"type":"account"}"#,
        r#"{"type":"invitations"}"#,
    ];
    for (asker, name) in ASKERS.into_iter().enumerate().filter(|(_, name)| *name != "y") {
        for (has_store, request) in
            [false, true].into_iter().flat_map(|it| requests.map(|request| (it, request)))
        {
            let told = [true, false].map(|has_room| {
                let (mut stage, tokens) = chat(has_store, has_room);
                open(&mut stage, name, JSON, tokens[asker].as_deref());
                stage.forget();
                stage.say(name, request);
                stage.hear(name)
            });
            assert_eq!(told[0], told[1], "{name}: {request}, store: {has_store}");
        }
    }
}

/// Only making a room of that name, or one that looks like it, is refused, and nothing is said of
/// why.
#[test]
fn a_room_of_the_name_of_a_hidden_one_cannot_be_made() {
    for has_store in [false, true] {
        let (mut stage, _) = chat(has_store, true);
        stage.open("g", LINES, Visit::default());
        stage.forget();
        stage.say("g", "/join #hollow");
        let refused = ["! No room can be called #hollow here. Choose another name."];
        assert_eq!(stage.hear("g"), refused);
        stage.say("g", "/join #h0ll0w");
        assert_eq!(
            stage.hear("g"),
            ["! No room can be called #h0ll0w here. Choose another name."],
            "it looks like that"
        );
        stage.say("g", "/join #absent");
        assert_eq!(stage.hear("g"), ["* You are in #absent now, with nobody else."]);
    }
}
