//! Who may ask for what: every request by everybody, held to a table that is written by hand.

use std::collections::BTreeSet;

use super::known_secrets::OWNER_CODE;
use super::stage::{JSON, Showing, Stage, TEXT, Visit, settings};
use crate::chat::access::{Access, access};
use crate::chat::dialect::Dialect;
use crate::chat::request::{AccountRequest, Request, RoomRequest};
use crate::chat::settings::{ChatSettings, Registration};

/// Who asks: the columns of the table.
const ROLES: [&str; 5] =
    ["a guest", "a guest where there are none", "an account", "an admin", "an owner"];

const ALL: [bool; 5] = [true; 5];
const NO_STRANGERS: [bool; 5] = [true, false, true, true, true];
const ACCOUNTS: [bool; 5] = [false, false, true, true, true];
const ADMINS: [bool; 5] = [false, false, false, true, true];
const OWNERS: [bool; 5] = [false, false, false, false, true];

/// What is asked for, as a program asks if it can, and who may.
const TABLE: [(&str, [bool; 5]); 41] = [
    ("", ALL),
    ("/help", ALL),
    ("/quit", ALL),
    (r#"{"type":"login","name":"nobody","password":"hunter-22"}"#, ALL),
    (r#"{"type":"login","token":"cst_none"}"#, ALL),
    (r#"{"type":"register","name":"x","password":"short"}"#, ALL),
    (r#"{"type":"account"}"#, ALL),
    (r##"{"type":"say","room":"#lobby","text":"hello"}"##, NO_STRANGERS),
    (r##"{"type":"me","room":"#lobby","text":"waves"}"##, NO_STRANGERS),
    (r#"{"type":"msg","to":"olga","text":"hello"}"#, NO_STRANGERS),
    (r##"{"type":"join","room":"#dev"}"##, NO_STRANGERS),
    (r##"{"type":"leave","room":"#dev"}"##, NO_STRANGERS),
    (r#"{"type":"nick","name":"robin"}"#, NO_STRANGERS),
    (r##"{"type":"topic","room":"#lobby","text":"tea"}"##, NO_STRANGERS),
    (r##"{"type":"history","room":"#lobby"}"##, NO_STRANGERS),
    (r##"{"type":"who","room":"#lobby"}"##, NO_STRANGERS),
    (r#"{"type":"rooms"}"#, NO_STRANGERS),
    (r#"{"type":"search","text":"tea"}"#, NO_STRANGERS),
    (r##"{"type":"typing","room":"#lobby"}"##, NO_STRANGERS),
    (r#"{"type":"logout"}"#, ACCOUNTS),
    (r#"{"type":"password","old":"a wrong one","password":"hunter-23"}"#, ACCOUNTS),
    (r#"{"type":"sessions"}"#, ACCOUNTS),
    (r#"{"type":"end_session","id":7}"#, ACCOUNTS),
    (r#"{"type":"token","label":"a bot"}"#, ACCOUNTS),
    (r#"{"type":"cookie"}"#, ACCOUNTS),
    (r#"{"type":"invite"}"#, ACCOUNTS),
    (r#"{"type":"invitations"}"#, ACCOUNTS),
    (r#"{"type":"end_invitation","id":7}"#, ACCOUNTS),
    (r#"{"type":"confirm","code":"2222-2222-2222","sure":true}"#, ACCOUNTS),
    (r#"{"type":"delete_account","password":"a wrong one"}"#, ACCOUNTS),
    // What somebody may do in a room is another table.
    (r##"{"type":"room","room":"#lobby"}"##, NO_STRANGERS),
    (r##"{"type":"room","room":"#none","entry":"all"}"##, ACCOUNTS),
    (r##"{"type":"room_name","room":"#none","name":"#some"}"##, ACCOUNTS),
    (r##"{"type":"delete_room","room":"#none","name":"#none"}"##, ACCOUNTS),
    (r##"{"type":"keep","room":"#none"}"##, ACCOUNTS),
    (r##"{"type":"role","room":"#none","name":"mia","role":"member"}"##, ACCOUNTS),
    (r##"{"type":"admit","room":"#none","name":"mia"}"##, ACCOUNTS),
    (r##"{"type":"refuse","room":"#none","name":"mia"}"##, ACCOUNTS),
    (r##"{"type":"kick","room":"#none","name":"mia"}"##, ACCOUNTS),
    (r#"{"type":"reset","name":"mia"}"#, ADMINS),
    (r#"{"type":"role","name":"mia","role":"member"}"#, OWNERS),
];

fn dialect_of(request: &str) -> Dialect {
    if request.starts_with('{') { Dialect::Json } else { Dialect::Text }
}

fn parsed(request: &str) -> Request<'_> {
    dialect_of(request).parse(request).0.unwrap_or_else(|error| panic!("{request}: {error:?}"))
}

/// Without a wildcard: a new request needs a row.
fn kind(request: &Request<'_>) -> u8 {
    match request {
        Request::Nothing => 0,
        Request::Help { .. } => 1,
        Request::Quit { .. } => 2,
        Request::Account(AccountRequest::Login { .. }) => 3,
        Request::Account(AccountRequest::Register { .. }) => 4,
        Request::Account(AccountRequest::Show) => 5,
        Request::Say { .. } => 6,
        Request::Direct { .. } => 7,
        Request::Join { .. } => 8,
        Request::Leave { .. } => 9,
        Request::Nick { .. } => 10,
        Request::Topic { .. } => 11,
        Request::History { .. } => 12,
        Request::Who { .. } => 13,
        Request::Rooms { .. } => 14,
        Request::Search { .. } => 15,
        Request::Typing { .. } => 16,
        Request::Account(AccountRequest::Logout) => 17,
        Request::Account(AccountRequest::Password { .. }) => 18,
        Request::Account(AccountRequest::Sessions) => 19,
        Request::Account(AccountRequest::EndSession { .. }) => 20,
        Request::Account(AccountRequest::Token { .. }) => 21,
        Request::Account(AccountRequest::Cookie { .. }) => 22,
        Request::Account(AccountRequest::Invite { .. }) => 23,
        Request::Account(AccountRequest::Invitations) => 24,
        Request::Account(AccountRequest::Uninvite { .. }) => 25,
        Request::Account(AccountRequest::Confirm { .. }) => 26,
        Request::Account(AccountRequest::Delete { .. }) => 27,
        Request::Account(AccountRequest::Role { .. }) => 28,
        Request::Account(AccountRequest::Reset { .. }) => 29,
        Request::Room(RoomRequest::Settings { .. }) => 30,
        Request::Room(RoomRequest::Rename { .. }) => 31,
        Request::Room(RoomRequest::Delete { .. }) => 32,
        Request::Room(RoomRequest::Keep { .. }) => 33,
        Request::Room(RoomRequest::Role { .. }) => 34,
        Request::Room(RoomRequest::Admit { .. }) => 35,
        Request::Room(RoomRequest::Refuse { .. }) => 36,
        Request::Room(RoomRequest::Kick { .. }) => 37,
    }
}
const KINDS: u8 = 38;

#[test]
fn every_request_is_in_the_table_as_the_chat_has_it() {
    let mut kinds = BTreeSet::new();
    for (written, may) in TABLE {
        let request = parsed(written);
        kinds.insert(kind(&request));
        let expected = match access(&request) {
            Access::Anybody => ALL,
            Access::Guest => NO_STRANGERS,
            Access::Account => ACCOUNTS,
            Access::Admin => ADMINS,
            Access::Owner => OWNERS,
        };
        assert_eq!(may, expected, "{written}");
    }
    assert!(kinds.into_iter().eq(0..KINDS), "a request has no row");
}

/// A chat with an owner, an admin and a member; returns their tokens.
fn chat(guests: bool) -> (Stage, [String; 3]) {
    let settings = ChatSettings { guests, registration: Registration::Open, ..settings() };
    let mut stage = Stage::with_people(settings);
    let tokens = ["mia", "ada", "olga"].map(|name| {
        stage.open(name, JSON, Visit::default());
        let code =
            if name == "olga" { format!(r#","code":"{OWNER_CODE}""#) } else { String::new() };
        let register = r#"{"type":"register","password":"hunter-22","name":"#;
        stage.say(name, &format!(r#"{register}"{name}"{code}}}"#));
        stage.forget();
        stage.say(name, r#"{"type":"token","label":"of a test"}"#);
        stage.objects(name)[0]["token"].as_str().expect("a token").to_owned()
    });
    stage.say("olga", r#"{"type":"role","name":"ada","role":"admin"}"#);
    stage.forget();
    (stage, tokens)
}

/// Whether somebody of this role may ask for that, as it is told.
fn may(role: usize, request: &str) -> bool {
    // Accounts may do the same, whether guests are let in or not.
    [true, false].into_iter().filter(|guests| role > 1 || *guests == (role == 0)).all(|guests| {
        let (mut stage, tokens) = chat(guests);
        let encoding = if dialect_of(request) == Dialect::Json { JSON } else { TEXT };
        let credential = role.checked_sub(2).map(|at| tokens[at].as_str());
        let showing = Showing { credential, ..Showing::default() };
        stage.open_showing("x", encoding, Visit::default(), showing);
        stage.forget();
        stage.say("x", request);
        let refusals = [
            "login_required",
            "not_allowed",
            "Only people with",
            "Only owners of",
            "Only admins and",
        ];
        let told = stage.hear("x");
        !told.iter().any(|line| refusals.iter().any(|refusal| line.contains(refusal)))
    })
}

#[test]
fn everybody_may_what_the_table_says_and_nothing_else() {
    for (written, row) in TABLE {
        for (at, role) in ROLES.into_iter().enumerate() {
            assert_eq!(may(at, written), row[at], "{role}: {written}");
        }
    }
}
