//! Accounts: how people come to have one, what follows them from one device to the next, and what
//! is refused.

use super::known_secrets::OWNER_CODE;
use super::stage::{JSON, LINES, Stage, Visit, settings};
use crate::chat::settings::{ChatSettings, Registration};
use crate::delivery::Wait;
use crate::service::{Outcome, Service};

/// Where anybody can have an account.
pub fn open() -> Stage {
    Stage::with_people(ChatSettings { registration: Registration::Open, ..settings() })
}

/// Somebody at a terminal makes an account, and nobody looks at what is said of it.
pub fn register(stage: &mut Stage, actor: &str, name: &str) {
    if !stage.is_here(actor) {
        stage.open(actor, LINES, Visit::default());
    }
    stage.say(actor, &format!("/register {name}"));
    stage.say(actor, &format!("password of {name}"));
    stage.forget();
}

/// Another terminal is logged in as somebody.
pub fn log_in(stage: &mut Stage, actor: &str, name: &str) {
    stage.open(actor, LINES, Visit::default());
    stage.say(actor, &format!("/login {name}"));
    stage.say(actor, &format!("password of {name}"));
    stage.forget();
}

#[test]
fn the_first_owner_comes_by_a_code_and_invites_others() {
    Stage::with_people(settings()).play(
        "
        +a
        a< * Welcome! You are guest-1 in #lobby, with nobody else. Try /nick NAME or /help.
        a> /register alice
        a< ! An account takes an invitation: /register CODE NAME. Anybody with an account can make one with /invite.
        a> /register 7q2m4kxrw9td alice
        a< * A password for alice, to be (it is not shown; Enter alone stops):
        a> correct horse
        a< * You are in #staff-log now, with nobody else.
        a< [#staff-log] server: alice came by the owner's link, and owns this server.
        a< * You are logged in as alice, owner of this server, in #lobby, #staff-log.
        a> /invite 2 24
        a< * Invitation 1, for 2, until 2026-11-23 13:05:09 UTC: 4222-2222-2222
        a< *   At a terminal: /register 4222-2222-2222 NAME
        +b
        b< * Welcome! You are guest-2 in #lobby, with 1 other. Try /nick NAME or /help.
        a< * guest-2 joined #lobby.
        b> /register 4222-2222-2222 bob
        b< * A password for bob, to be (it is not shown; Enter alone stops):
        b> battery staple
        b< * You are logged in as bob, in #lobby.
        a< * guest-2 is bob now.
        a> /invitations
        a< * Your invitations; /invitations end N ends one:
        a< *   1, for one, until 2026-11-23 13:05:09 UTC
        a> /invitations end 1
        a< * Invitation 1 has ended.
        +c
        c< * Welcome! You are guest-3 in #lobby, with 2 others. Try /nick NAME or /help.
        a< * guest-3 joined #lobby.
        b< * guest-3 joined #lobby.
        c> /register 4222-2222-2222 carol
        c< * A password for carol, to be (it is not shown; Enter alone stops):
        c> staple battery
        c< ! This code is not known, or has been used, or is over.
        c> /register 7Q2M-4KXR-W9TD carol
        c< * A password for carol, to be (it is not shown; Enter alone stops):
        c> staple battery
        c< ! This code is not known, or has been used, or is over.
        ",
    );
    assert_eq!(OWNER_CODE, "7Q2M-4KXR-W9TD", "as it is typed here");
}

#[test]
fn an_account_is_one_person_on_all_its_devices() {
    let mut stage = open();
    register(&mut stage, "a1", "alice");
    register(&mut stage, "b", "bob");
    stage.play(
        "
        a1> /join #dev
        a1< * You are in #dev now, with nobody else.
        +a2
        a2< * Welcome! You are guest-3 in #lobby, with 2 others. Try /nick NAME or /help.
        a1< * guest-3 joined #lobby.
        b< * guest-3 joined #lobby.
        a2> /login alice
        a2< * Password of alice (it is not shown; Enter alone stops):
        a2> password of alice
        a2< * You are logged in as alice, in #lobby, #dev.
        a2< * You talk in #lobby. /history shows what was said.
        a1< * guest-3 left #lobby.
        b< * guest-3 left #lobby.
        a2> hello
        a1< [#lobby] alice: hello
        b< [#lobby] alice: hello
        b> /msg alice psst
        b< [you -> alice] psst
        a1< [bob -> you] psst
        a2< [bob -> you] psst
        a1> /msg bob yes?
        a1< [you -> bob] yes?
        a2< [you -> bob] yes?
        b< [alice -> you] yes?
        a2> /join #ops
        a2< * You are in #ops now, with nobody else.
        a1< * You are in #ops now, with nobody else.
        a1> /nick alicia
        a1< * You are alicia now.
        a2< * alice is alicia now.
        a2< * You are alicia now.
        b< * alice is alicia now.
        a1> /leave #ops
        a1< * You left #ops.
        a1< * You talk in #dev now.
        a2< * You left #ops.
        a2< * You talk in no room now. /join #ROOM says in which.
        -a1
        -a2
        b> /who
        b< * 2 in #lobby: alicia (offline), bob
        b> /msg alicia are you there?
        b< [you -> alicia] are you there?
        ",
    );
}

#[test]
fn a_name_is_taken_though_nobody_is_connected_by_it() {
    let mut stage = open();
    register(&mut stage, "a", "alice");
    stage.leave("a");
    stage.play(
        "
        +b
        b< * Welcome! You are guest-2 in #lobby, with 1 other. Try /nick NAME or /help.
        b> /nick alice
        b< ! The name alice is taken. Choose another one.
        b> /nick a1ice
        b< ! The name a1ice looks like alice, which is taken. Choose another one.
        b> /login alice
        b< * Password of alice (it is not shown; Enter alone stops):
        b> wrong password
        b< ! The name or the password is wrong.
        b> /login nobody-of-that-name
        b< * Password of nobody-of-that-name (it is not shown; Enter alone stops):
        b> wrong password
        b< ! The name or the password is wrong.
        b> /login alice
        b< * Password of alice (it is not shown; Enter alone stops):
        b>
        b< ! Nothing was done.
        ",
    );
}

#[test]
fn programs_and_browsers_are_known_by_what_they_show() {
    let mut stage = open();
    register(&mut stage, "a", "alice");
    stage.play(
        r##"
        a> /token a bot
        a< * Token 1, shown only once: cst_AAAAAAAAAAAAAAAAAAAAAgAAAAAAAAAAAAAAAAAAAAI
        +p json token=cst_AAAAAAAAAAAAAAAAAAAAAgAAAAAAAAAAAAAAAAAAAAI
        p< {"type":"welcome","name":"alice","epoch":"e1","server":"_","time":"_","limits":"_","role":"member","accounts":"open"}
        p< {"type":"joined","room":"#lobby","name":"alice","time":"_","you":true,"position":0,"gap":false,"members":1,"topic":"","read":"_","unread":0,"mentions":0,"level":"all"}
        p> {"type":"sessions","ref":1}
        p< {"type":"sessions","sessions":[{"id":1,"kind":"token","label":"a bot","created":"_","connected":1,"you":true},{"connection":1,"kind":"terminal","label":"","created":"_","connected":1}],"ref":1}
        p> {"type":"say","room":"#lobby","text":"beep"}
        p< {"type":"said","room":"#lobby","id":1,"time":"_","name":"alice","text":"beep"}
        a< [#lobby] alice: beep
        a> /sessions end 1
        a< * Session 1 has ended.
        p< {"type":"error","code":"session_ended","message":"_"}
        p< {"type":"account","name":"guest-2","rooms":[]}
        p> {"type":"say","room":"#lobby","text":"beep"}
        p< {"type":"error","code":"not_in_room","message":"_"}
        p> {"type":"login","token":"cst_AAAAAAAAAAAAAAAAAAAAAgAAAAAAAAAAAAAAAAAAAAI"}
        p< {"type":"error","code":"login_failed","message":"_"}
        p> {"type":"login","name":"alice","password":"password of alice"}
        p< {"type":"account","name":"alice","role":"member","rooms":["#lobby"]}
        p< {"type":"joined","room":"#lobby","name":"alice","time":"_","you":true,"position":1,"gap":false,"members":1,"topic":"","read":"_","unread":0,"mentions":0,"level":"all"}
        p> {"type":"cookie","label":"Firefox","ref":"c"}
        p< {"type":"cookie","code":"_","id":1,"ref":"c"}
        +q json token=cst_AAAAAAAAAAAAAAAAAAAAAgAAAAAAAAAAAAAAAAAAAAI
        q< {"type":"welcome","name":"guest-3","epoch":"e1","server":"_","time":"_","limits":"_","accounts":"open"}
        q< {"type":"error","code":"session_ended","message":"_"}
        "##,
    );
}

#[test]
fn a_cookie_is_fetched_once_and_within_a_minute() {
    let mut stage = open();
    register(&mut stage, "a", "alice");
    stage.open("p", JSON, Visit::default());
    stage.say("p", r#"{"type":"login","name":"alice","password":"password of alice"}"#);
    stage.objects("p");
    let code = |stage: &mut Stage| {
        stage.say("p", r#"{"type":"cookie"}"#);
        stage.objects("p")[0]["code"].as_str().expect("a code").to_owned()
    };
    use crate::service::Service;
    let first = code(&mut stage);
    let unix_ms = stage.now.unix_ms;
    let value = stage.chat.take_cookie(&first, unix_ms).expect("a cookie");
    assert_ne!(*value, *first);
    assert_eq!(stage.chat.take_cookie(&first, unix_ms), None, "once");
    let second = code(&mut stage);
    assert_eq!(stage.chat.take_cookie(&second, unix_ms + 60_000), None, "too late");
    stage.show("q", &value);
    assert_eq!(stage.objects("q")[0]["name"], "alice");
}

#[test]
fn a_password_that_others_could_read_is_not_asked_for() {
    let mut stage = open();
    register(&mut stage, "a", "alice");
    stage.play(
        r##"
        +t public
        t< * Welcome! You are guest-2 in #lobby, with 1 other. Try /nick NAME or /help.
        a< * guest-2 joined #lobby.
        t> /register bob
        t< ! Passwords are not taken here, as others could read them on their way. Use https, TLS, or a terminal on the server itself.
        t> /login alice
        t< * Others could read a password on its way here. Where you are logged in, in a page or a terminal, type within 5 minutes: /confirm 4222-2222-2222
        a> /confirm 4222-2222-2222
        a< * A terminal at :: wants to be logged in as you. If it is yours: /confirm 4222-2222-2222 yes
        a> /confirm 4222-2222-2222 yes
        a< * guest-2 left #lobby.
        a< * The terminal at :: is logged in as you now.
        t< * You are logged in as alice, in #lobby.
        t< * You talk in #lobby. /history shows what was said.
        a> /confirm 4222-2222-2222 yes
        a< ! No terminal that waits to be logged in as you shows this code.
        +w json public
        w< {"type":"welcome","name":"guest-3","epoch":"e1","server":"_","time":"_","limits":"_"}
        w> {"type":"login","name":"alice","password":"password of alice"}
        w< {"type":"error","code":"not_private","message":"_"}
        "##,
    );
}

#[test]
fn nobody_lets_a_terminal_in_as_somebody_else() {
    let mut stage = open();
    register(&mut stage, "a", "alice");
    register(&mut stage, "b", "bob");
    stage.play(
        "
        +t public
        t< * Welcome! You are guest-3 in #lobby, with 2 others. Try /nick NAME or /help.
        a< * guest-3 joined #lobby.
        b< * guest-3 joined #lobby.
        t> /login alice
        t< * Others could read a password on its way here. Where you are logged in, in a page or a terminal, type within 5 minutes: /confirm 5222-2222-2222
        b> /confirm 5222-2222-2222 yes
        b< ! No terminal that waits to be logged in as you shows this code.
        @+300000
        a> /confirm 5222-2222-2222 yes
        a< ! No terminal that waits to be logged in as you shows this code.
        ",
    );
}

#[test]
fn a_new_password_ends_browsers_and_other_terminals_but_no_programs() {
    let mut stage = open();
    register(&mut stage, "a", "alice");
    stage.say("a", "/token a bot");
    let token = stage.hear("a")[0].rsplit(' ').next().expect("a token").to_owned();
    log_in(&mut stage, "b", "alice");
    stage.show("p", &token);
    stage.forget();
    stage.play(
        "
        a> /password
        a< * Your password (it is not shown; Enter alone stops):
        a> password of alice
        a< * The new password (it is not shown; Enter alone stops):
        a> short
        a< ! A password has at least 8 characters.
        a> /password
        a< * Your password (it is not shown; Enter alone stops):
        a> wrong password
        a< * The new password (it is not shown; Enter alone stops):
        a> another password
        a< ! The name or the password is wrong.
        a> /password
        a< * Your password (it is not shown; Enter alone stops):
        a> password of alice
        a< * The new password (it is not shown; Enter alone stops):
        a> another password
        a< * Your password is another one now. Browsers log in anew.
        b< ! You are logged out: this was ended elsewhere.
        b< * You are guest-3, a guest. /login NAME or /register.
        b> /login alice
        b< * Password of alice (it is not shown; Enter alone stops):
        b> password of alice
        b< ! The name or the password is wrong.
        ",
    );
}

#[test]
fn a_password_typed_twice_as_elsewhere_is_not_said() {
    let mut stage = open();
    register(&mut stage, "a", "alice");
    register(&mut stage, "b", "bob");
    stage.play(
        "
        a> /password
        a< * Your password (it is not shown; Enter alone stops):
        a> password of alice
        a< * The new password (it is not shown; Enter alone stops):
        a> another password
        a< * Your password is another one now. Browsers log in anew.
        a> another password
        a< ! That is the password that you have just typed. It is asked for once, so it was not said.
        a> another password
        b< [#lobby] alice: another password
        ",
    );
}

#[test]
fn wrong_passwords_are_counted() {
    let mut stage = open();
    register(&mut stage, "a", "alice");
    stage.open("b", LINES, Visit::default());
    let mut answers = Vec::new();
    for _ in 0..30 {
        stage.say("b", "/login alice");
        stage.say("b", "wrong password");
        answers.push(stage.hear("b").pop().expect("an answer"));
        stage.pass(2_000);
    }
    let wrong = answers.iter().filter(|told| told.contains("is wrong")).count();
    assert!((10..=12).contains(&wrong), "{wrong}: {answers:?}");
    assert!(answers.last().is_some_and(|told| told.contains("tried too often")), "{answers:?}");
    stage.pass(60_000);
    stage.say("b", "/login alice");
    stage.say("b", "password of alice");
    assert!(stage.hear("b").iter().any(|told| told.contains("logged in as alice")));
}

/// Who guesses learns from no answer which names are those of accounts.
#[test]
fn names_that_are_nobodys_are_counted_as_those_of_accounts() {
    let answers = ["alice", "nobody-here"].map(|name| {
        let mut stage = open();
        register(&mut stage, "a", "alice");
        stage.open("b", LINES, Visit::default());
        stage.forget();
        let mut told = Vec::new();
        for _ in 0..15 {
            stage.say("b", &format!("/login {name}"));
            stage.say("b", "wrong password");
            told.push(stage.hear("b").pop().expect("an answer"));
            stage.pass(2_000);
        }
        told
    });
    assert_eq!(answers[0], answers[1]);
    assert!(answers[0].last().is_some_and(|told| told.contains("tried too often")));
}

/// Who is gone has its password hashed all the same.
#[test]
fn a_flood_of_logins_that_break_off_waits_for_the_hashes_of_those_before() {
    let mut stage = open();
    let login = r#"{"type":"login","name":"alice","password":"a guess"}"#;
    for number in 0..17 {
        let name = format!("p{number}");
        stage.open(&name, JSON, Visit::default());
        match number {
            16 => assert_eq!(stage.offer(&name, login.as_bytes()), Outcome::Done, "it is refused"),
            _ => ask(&mut stage, &name, login),
        }
        if number < 16 {
            stage.leave(&name);
        }
    }
    assert_eq!(stage.objects("p16").pop().expect("an answer")["code"], "busy");
}

#[test]
fn a_guest_may_do_nothing_where_there_are_none() {
    let settings = ChatSettings { guests: false, registration: Registration::Open, ..settings() };
    Stage::with_people(settings).play(
        "
        +a
        a< * Welcome! This server is for people with an account: /login NAME, or /register NAME.
        a> hello
        a< ! Only people with an account can do that here. /login NAME, or /register NAME.
        a> /join #dev
        a< ! Only people with an account can do that here. /login NAME, or /register NAME.
        a> /register alice
        a< * A password for alice, to be (it is not shown; Enter alone stops):
        a> correct horse
        a< * You are logged in as alice, in #lobby.
        a> /join #dev
        a< * You are in #dev now, with nobody else.
        a> /logout
        a< * You are guest-2, a guest. /login NAME or /register.
        a> /who #dev
        a< ! Only people with an account can do that here. /login NAME, or /register NAME.
        ",
    );
}

#[test]
fn an_account_ends_and_its_name_is_nobodys_for_a_while() {
    let mut stage = open();
    register(&mut stage, "a", "alice");
    log_in(&mut stage, "b", "alice");
    stage.play(
        "
        a> /delete-account
        a< * Your password (it is not shown; Enter alone stops):
        a> password of alice
        b< ! You are logged out: this was ended elsewhere.
        b< * You are guest-3, a guest. /login NAME or /register.
        a< * Your account is gone. What you have said stays.
        a< * You are guest-4, a guest. /login NAME or /register.
        b> /nick alice
        b< ! The name alice was somebody's until a short while ago. Choose another one.
        @+2592000000
        b> /nick alice
        b< * You are alice now.
        ",
    );
}

#[test]
fn only_owners_give_roles_and_one_owner_stays() {
    let mut stage =
        Stage::with_people(ChatSettings { registration: Registration::Open, ..settings() });
    stage.open("a", LINES, Visit::default());
    stage.say("a", &format!("/register {OWNER_CODE} alice"));
    stage.say("a", "password of alice");
    register(&mut stage, "b", "bob");
    stage.play(
        "
        b> /role bob owner
        b< ! Only owners of this server can do that. In a room: /role NAME ROLE #ROOM.
        a> /role alice member
        a< ! You are the only owner. Make somebody else one first.
        a> /delete-account
        a< * Your password (it is not shown; Enter alone stops):
        a> password of alice
        a< ! You are the only owner of this server. Give it to somebody first: /role NAME owner.
        a> /role bob owner
        b< * You are in #staff-log now, with 1 other.
        b< [#staff-log] server: alice made bob owner of this server.
        b< * You are logged in as bob, owner of this server, in #lobby, #staff-log.
        a< * bob joined #staff-log.
        a< [#staff-log] server: alice made bob owner of this server.
        a< * bob is owner of this server now.
        ",
    );
}

#[test]
fn what_looks_like_a_password_is_not_said_to_a_room() {
    let mut stage = open();
    register(&mut stage, "a", "alice");
    stage.play(
        "
        +b
        b< * Welcome! You are guest-2 in #lobby, with 1 other. Try /nick NAME or /help.
        a< * guest-2 joined #lobby.
        b> login alice hunter22
        b< ! That looks like a command without its slash, with a password in it, so it was not said.
        b> register bob
        b< ! That looks like a command without its slash, with a password in it, so it was not said.
        b> login is broken again, is it?
        a< [#lobby] guest-2: login is broken again, is it?
        a> /token a bot
        a< * Token 1, shown only once: cst_AAAAAAAAAAAAAAAAAAAAAgAAAAAAAAAAAAAAAAAAAAI
        a> use cst_AAAAAAAAAAAAAAAAAAAAAgAAAAAAAAAAAAAAAAAAAAI for it
        a< ! There is a token in that by which somebody is known, so it was not said.
        ",
    );
}

#[test]
fn an_invitation_is_not_said_to_a_room_while_it_is_good() {
    let mut stage = open();
    register(&mut stage, "a", "alice");
    stage.say("a", "/invite");
    let told = stage.hear("a");
    let (_, code) = told[0].rsplit_once(' ').expect("it ends with the code");
    let refused = "! There is a code in that by which anybody who reads it could have an account, \
                   so it was not said. /msg NAME tells it to one person.";
    for said in [code.to_owned(), format!("see https://chat/#invite={code}."), code.to_lowercase()]
    {
        for request in [said.clone(), format!("/me {said}"), format!("/topic {said}")] {
            stage.play(&format!("a> {request}\n a< {refused}"));
        }
    }
    stage.play(&format!(
        "
        +b
        b< * Welcome! You are guest-2 in #lobby, with 1 other. Try /nick NAME or /help.
        a< * guest-2 joined #lobby.
        a> /msg guest-2 {code}
        a< [you -> guest guest-2] {code}
        b< [alice -> you] {code}
        a> 2345-6789-ABCD and {code}-
        a< {refused}
        a> /invitations end 1
        a< * Invitation 1 has ended.
        a> {code}
        a< ! That may be the code of the owner's link: whoever reads it could own this server, so \
        it was not said.
        ",
    ));
    register(&mut stage, "o", &format!("{OWNER_CODE} olga"));
    stage.play(&format!(
        "
        a> {code}
        b< [#lobby] alice: {code}
        o< [#lobby] alice: {code}
        a> http://chat/#setup={code}
        a< ! That may be the code of the owner's link: whoever reads it could own this server, so \
        it was not said.
        ",
    ));
}

/// A program asks for something that takes a while, and is not answered yet.
fn ask(stage: &mut Stage, actor: &str, request: &str) {
    let outcome = stage.offer(actor, request.as_bytes());
    assert!(matches!(outcome, Outcome::Blocked(Wait::Ticket(_))), "{outcome:?}");
}

#[test]
fn two_who_use_one_invitation_at_once_are_not_both_let_in() {
    let mut stage = Stage::with_people(settings());
    register(&mut stage, "a", &format!("{OWNER_CODE} alice"));
    stage.say("a", "/invite");
    let code = stage.hear("a")[0].rsplit(' ').next().expect("a code").to_owned();
    let request = |name: &str| {
        format!(r#"{{"type":"register","name":"{name}","password":"hunter-22","code":"{code}"}}"#)
    };
    for name in ["bob", "carol"] {
        stage.open(name, JSON, Visit::default());
        ask(&mut stage, name, &request(name));
    }
    stage.forget();
    stage.say("bob", &request("bob"));
    stage.say("carol", &request("carol"));
    assert_eq!(stage.objects("bob")[0]["role"], "member");
    assert_eq!(stage.objects("carol")[0]["code"], "code_refused");
}

#[test]
fn a_password_that_was_changed_while_it_was_looked_at_is_wrong() {
    let mut stage = open();
    register(&mut stage, "a", "alice");
    log_in(&mut stage, "d", "alice");
    let login = r#"{"type":"login","name":"alice","password":"password of alice"}"#;
    stage.open("b", JSON, Visit::default());
    ask(&mut stage, "b", login);
    for line in ["/password", "password of alice", "another password"] {
        stage.say("a", line);
    }
    stage.forget();
    stage.say("b", login);
    assert_eq!(stage.objects("b")[0]["code"], "login_failed");
}

#[test]
fn who_is_called_as_that_account_was_is_not_let_in_as_it() {
    let mut stage = open();
    register(&mut stage, "a", "alice");
    register(&mut stage, "b", "bob");
    let login = r#"{"type":"login","name":"alice","password":"password of alice"}"#;
    stage.open("c", JSON, Visit::default());
    ask(&mut stage, "c", login);
    // The first name is free again after that, and bob takes it.
    for name in ["a2", "a3", "a4", "a5"] {
        stage.say("a", &format!("/nick {name}"));
    }
    stage.say("b", "/nick alice");
    stage.forget();
    stage.say("c", login);
    assert_eq!(stage.objects("c")[0]["code"], "login_failed", "bob's password is another one");
}

#[test]
fn an_admin_lets_somebody_have_a_new_password() {
    let mut stage = open();
    register(&mut stage, "o", &format!("{OWNER_CODE} olga"));
    register(&mut stage, "a", "ada");
    register(&mut stage, "b", "bob");
    stage.say("o", "/role ada admin");
    stage.forget();
    stage.play(
        "
        b> /reset ada
        b< ! Only admins and owners of this server can do that.
        a> /reset olga
        a< ! Only owners of this server can do that for admins and owners.
        a> /reset guest-77
        a< ! There is no account \"guest-77\".
        a> /reset bob
        a< * Invitation 1, for a new password of bob, until 2026-11-23 13:05:09 UTC: 8222-2222-2222
        a< *   At a terminal: /register 8222-2222-2222 bob
        a< [#staff-log] server: ada made a code by which bob can set a new password.
        o< [#staff-log] server: ada made a code by which bob can set a new password.
        a> /reset bob
        a< * Invitation 2, for a new password of bob, until 2026-11-23 13:05:09 UTC: 9222-2222-2222
        a< *   At a terminal: /register 9222-2222-2222 bob
        a< [#staff-log] server: ada made a code by which bob can set a new password.
        o< [#staff-log] server: ada made a code by which bob can set a new password.
        ",
    );
    stage.open("x", LINES, Visit::default());
    stage.forget();
    stage.play(
        "
        x> /register 9222-2222-2222 carol
        x< * A password for carol, to be (it is not shown; Enter alone stops):
        x> another password
        x< ! This code is not known, or has been used, or is over.
        x> /register 8222-2222-2222 bob
        x< ! The name bob is taken. Choose another one.
        x> /register 9222-2222-2222 bob
        x< * A password for bob, to be (it is not shown; Enter alone stops):
        x> another password
        o< * guest-4 left #lobby.
        a< * guest-4 left #lobby.
        b< * guest-4 left #lobby.
        b< ! You are logged out: this was ended elsewhere.
        b< * You are guest-5, a guest. /login NAME or /register.
        o< [#staff-log] server: bob has a new password, by a code.
        a< [#staff-log] server: bob has a new password, by a code.
        x< * The password of bob is another one now. Browsers, programs and bots log in anew; invitations and hooks stay.
        x< * You are logged in as bob, in #lobby.
        x< * You talk in #lobby. /history shows what was said.
        b> /register 9222-2222-2222 bob
        b< ! The name bob is taken. Choose another one.
        b> /login bob
        b< * Password of bob (it is not shown; Enter alone stops):
        b> another password
        b< * You are logged in as bob, in #lobby.
        b< * You talk in #lobby. /history shows what was said.
        ",
    );
}

/// Nobody comes to more than it may do by way of somebody else, also if that comes to more later.
#[test]
fn a_code_for_a_new_password_is_as_good_as_whoever_made_it() {
    let mut stage = open();
    register(&mut stage, "o", &format!("{OWNER_CODE} olga"));
    register(&mut stage, "a", "ada");
    register(&mut stage, "b", "bob");
    stage.say("o", "/role ada admin");
    let code_for_bob = |stage: &mut Stage| {
        stage.forget();
        stage.say("a", "/reset bob");
        let told = stage.hear("a");
        told[0].rsplit(' ').next().expect("a code").to_owned()
    };
    stage.open("x", LINES, Visit::default());
    let is_good = |stage: &mut Stage, code: &str| {
        stage.forget();
        stage.say("x", &format!("/register {code} bob"));
        let told = stage.hear("x");
        let asks = told[0].starts_with("* A password for bob");
        assert!(asks || told[0].starts_with("! "), "{told:?}");
        if asks {
            stage.say("x", "");
        }
        asks
    };
    let code = code_for_bob(&mut stage);
    assert!(is_good(&mut stage, &code));
    stage.say("o", "/role bob owner");
    assert!(!is_good(&mut stage, &code), "bob may do more than ada");
    stage.say("o", "/role bob member");
    assert!(is_good(&mut stage, &code));
    stage.say("o", "/role ada member");
    assert!(!is_good(&mut stage, &code), "ada may not let others have one");
    stage.say("o", "/role ada admin");
    for line in ["/password", "password of bob", "one that bob knows"] {
        stage.say("b", line);
    }
    assert!(!is_good(&mut stage, &code), "bob has one");
}

#[test]
fn a_stranger_is_completed_nothing_but_commands() {
    let registration = Registration::Open;
    let mut stage = Stage::with_people(ChatSettings { guests: false, registration, ..settings() });
    register(&mut stage, "a", "alice");
    stage.say("a", "/join #salaries");
    stage.open("x", LINES, Visit::default());
    let mut words = |who, typed| {
        let (client, now) = (stage.id(who), stage.now);
        stage.chat.completions(client, typed, now).words
    };
    for typed in ["#s", "al", "hello @al"] {
        assert!(words("x", typed).is_empty(), "{typed}");
    }
    assert_eq!(words("x", "/log"), ["/login", "/logout"]);
    assert!(words("a", "#s").contains(&"#salaries".to_owned()));
}

#[test]
fn a_password_typed_twice_is_not_brought_back() {
    let mut stage = open();
    register(&mut stage, "a", "alice");
    for line in ["/password", "password of alice", "another password"] {
        stage.say("a", line);
    }
    let a = stage.id("a");
    assert!(stage.chat.has_secret(a, "another password"));
    assert!(!stage.chat.has_secret(a, "something else"));
    stage.say("a", "something else");
    assert!(!stage.chat.has_secret(a, "another password"), "it may be anything by now");
}
