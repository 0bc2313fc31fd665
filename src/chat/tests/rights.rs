//! Who may ask for what: every request by everybody, held to a table that is written by hand.

use std::collections::BTreeSet;

use super::known_secrets::OWNER_CODE;
use super::stage::{JSON, Showing, Stage, TEXT, Visit, settings};
use crate::chat::access::{Access, access};
use crate::chat::dialect::Dialect;
use crate::chat::request::{
    AccountRequest, ConversationRequest, OrderRequest, PeopleRequest, ReadingRequest, Request,
    RoomRequest,
};
use crate::chat::settings::{ChatSettings, Registration};

/// Who asks: the columns of the table.
const ROLES: [&str; 6] =
    ["a guest", "a guest where there are none", "an account", "an admin", "an owner", "a bot"];

const ALL: [bool; 6] = [true; 6];
const NO_STRANGERS: [bool; 6] = [true, false, true, true, true, true];
const ACCOUNTS: [bool; 6] = [false, false, true, true, true, true];
const PEOPLE: [bool; 6] = [false, false, true, true, true, false];
const ADMINS: [bool; 6] = [false, false, false, true, true, false];
const OWNERS: [bool; 6] = [false, false, false, false, true, false];

/// What is asked for, as a program asks if it can, and who may.
const TABLE: [(&str, [bool; 6]); 73] = [
    ("/where", ALL),
    ("/edit on", ALL),
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
    (r#"{"type":"away","text":"lunch"}"#, NO_STRANGERS),
    (r#"{"type":"back"}"#, NO_STRANGERS),
    (r#"{"type":"whois","name":"olga"}"#, NO_STRANGERS),
    (r#"{"type":"history","to":"olga"}"#, ACCOUNTS),
    (r#"{"type":"conversations"}"#, ACCOUNTS),
    (r#"{"type":"logout"}"#, ACCOUNTS),
    (r#"{"type":"password","old":"a wrong one","password":"hunter-23"}"#, PEOPLE),
    (r#"{"type":"sessions"}"#, ACCOUNTS),
    (r#"{"type":"end_session","id":7}"#, ACCOUNTS),
    (r#"{"type":"token","label":"a bot"}"#, PEOPLE),
    (r#"{"type":"cookie"}"#, PEOPLE),
    (r#"{"type":"invite"}"#, PEOPLE),
    (r#"{"type":"bot","name":"builder"}"#, PEOPLE),
    (r#"{"type":"bots"}"#, PEOPLE),
    (r#"{"type":"end_bot","name":"builder"}"#, PEOPLE),
    (r#"{"type":"invitations"}"#, ACCOUNTS),
    (r#"{"type":"end_invitation","id":7}"#, ACCOUNTS),
    (r#"{"type":"confirm","code":"2222-2222-2222","sure":true}"#, PEOPLE),
    (r##"{"type":"read","room":"#lobby","id":7}"##, ACCOUNTS),
    (r#"{"type":"unread"}"#, ACCOUNTS),
    ("/unread", ACCOUNTS),
    ("/times on", ALL),
    (r##"{"type":"level","room":"#lobby","level":"none"}"##, ACCOUNTS),
    (r#"{"type":"delete_account","password":"a wrong one"}"#, PEOPLE),
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
    (r##"{"type":"hook","room":"#none","name":"deploy"}"##, ACCOUNTS),
    (r##"{"type":"hooks","room":"#none"}"##, NO_STRANGERS),
    (r##"{"type":"end_hook","room":"#none","name":"deploy"}"##, ACCOUNTS),
    (r#"{"type":"reset","name":"mia"}"#, ADMINS),
    (r#"{"type":"role","name":"mia","role":"member"}"#, OWNERS),
    (r#"{"type":"ignore","name":"nobody"}"#, NO_STRANGERS),
    (r#"{"type":"unignore","name":"nobody"}"#, NO_STRANGERS),
    (r#"{"type":"ignored"}"#, NO_STRANGERS),
    (r##"{"type":"report","room":"#lobby","id":1}"##, NO_STRANGERS),
    (r##"{"type":"delete","room":"#lobby","id":1}"##, NO_STRANGERS),
    (r#"{"type":"delete","to":"olga","id":1}"#, NO_STRANGERS),
    (r##"{"type":"deletions","room":"#lobby"}"##, NO_STRANGERS),
    (r#"{"type":"deletions","to":"olga"}"#, NO_STRANGERS),
    (r##"{"type":"mute","room":"#none","name":"mia"}"##, ACCOUNTS),
    (r##"{"type":"unmute","room":"#none","name":"mia"}"##, ACCOUNTS),
    (r#"{"type":"ban","name":"mia"}"#, ADMINS),
    (r#"{"type":"unban","name":"mia"}"#, ADMINS),
    (r#"{"type":"bans"}"#, ADMINS),
    (r#"{"type":"accounts"}"#, ADMINS),
];

fn dialect_of(request: &str) -> Dialect {
    if request.starts_with('{') { Dialect::Json } else { Dialect::Text }
}

fn parsed(request: &str) -> Request<'_> {
    let parsed = dialect_of(request).parse(request, &mut None);
    parsed.unwrap_or_else(|error| panic!("{request}: {error:?}"))
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
        Request::Order(OrderRequest::Ignore { .. }) => 30,
        Request::Order(OrderRequest::Unignore { .. }) => 31,
        Request::Order(OrderRequest::Ignored) => 32,
        Request::Order(OrderRequest::Report { .. }) => 33,
        Request::Order(OrderRequest::Mute { .. }) => 34,
        Request::Order(OrderRequest::Unmute { .. }) => 35,
        Request::Order(OrderRequest::Ban { .. }) => 36,
        Request::Order(OrderRequest::Unban { .. }) => 37,
        Request::Order(OrderRequest::Bans { .. }) => 38,
        Request::Room(RoomRequest::Settings { .. }) => 39,
        Request::Room(RoomRequest::Rename { .. }) => 40,
        Request::Room(RoomRequest::Delete { .. }) => 41,
        Request::Room(RoomRequest::Keep { .. }) => 42,
        Request::Room(RoomRequest::Role { .. }) => 43,
        Request::Room(RoomRequest::Admit { .. }) => 44,
        Request::Room(RoomRequest::Refuse { .. }) => 45,
        Request::Room(RoomRequest::Kick { .. }) => 46,
        Request::Conversation(ConversationRequest::History { .. }) => 47,
        Request::Conversation(ConversationRequest::List { .. }) => 48,
        Request::Reading(ReadingRequest::Read { .. }) => 49,
        Request::Reading(ReadingRequest::Unread) => 50,
        Request::Reading(ReadingRequest::Print { .. }) => 51,
        Request::Reading(ReadingRequest::Level { .. }) => 52,
        Request::Account(AccountRequest::Accounts { .. }) => 53,
        Request::Account(AccountRequest::Bot { .. }) => 54,
        Request::Account(AccountRequest::Bots) => 55,
        Request::Account(AccountRequest::EndBot { .. }) => 56,
        Request::Order(OrderRequest::DeleteMessage { .. }) => 57,
        Request::Where => 58,
        Request::Edit { .. } => 59,
        Request::Preference(_) => 60,
        Request::Order(OrderRequest::Deletions { .. }) => 61,
        Request::People(PeopleRequest::Away { .. }) => 62,
        Request::People(PeopleRequest::Back) => 63,
        Request::People(PeopleRequest::Whois { .. }) => 64,
        Request::Room(RoomRequest::Hook { .. }) => 65,
        Request::Room(RoomRequest::Hooks { .. }) => 66,
        Request::Room(RoomRequest::EndHook { .. }) => 67,
    }
}
const KINDS: u8 = 68;

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
            Access::Person => PEOPLE,
            Access::Admin => ADMINS,
            Access::Owner => OWNERS,
        };
        assert_eq!(may, expected, "{written}");
    }
    assert!(kinds.into_iter().eq(0..KINDS), "a request has no row");
}

/// A chat with an owner, an admin, a member and a bot; returns their tokens.
pub fn chat(guests: bool) -> (Stage, [String; 4]) {
    let settings = ChatSettings { guests, registration: Registration::Open, ..settings() };
    let mut stage = Stage::with_people(settings);
    let [mia, ada, olga] = ["mia", "ada", "olga"].map(|name| {
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
    stage.say("mia", r#"{"type":"bot","name":"robot"}"#);
    let bot = stage.objects("mia")[0]["token"].as_str().expect("a token").to_owned();
    stage.forget();
    (stage, [mia, ada, olga, bot])
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

/// The page of docs says the same.
#[test]
fn the_page_has_a_row_for_each_request_about_rooms() {
    let page = include_str!("../../../docs/rooms.md");
    let (_, table) = page.split_once("\n## Who may do what\n").expect("the table");
    let types = ["room", "room_name", "delete_room", "role", "admit", "refuse", "kick", "keep"];
    for kind in types {
        assert!(table.contains(&format!("`{kind}`")), "{kind}");
    }
}
