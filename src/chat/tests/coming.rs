//! Terminals that come to be logged in, and where an account is logged in.

use super::people::{log_in, open, register};
use super::stage::{JSON, Stage, Visit, settings};
use crate::chat::settings::ChatSettings;

#[test]
fn who_logs_in_first_comes_as_that_person_and_no_guest_is_announced() {
    let mut stage = open();
    register(&mut stage, "a", "alice");
    register(&mut stage, "b", "bob");
    stage.play(
        "
        a> /join #dev
        a< * You are in #dev now, with nobody else.
        a> /leave #lobby
        a< * You left #lobby.
        a< * You talk in #dev now.
        b< * alice left #lobby.
        -a
        +c> /login alice
        c< * Password of alice (it is not shown; Enter alone stops):
        c> password of alice
        c< * You are logged in as alice, in #dev.
        c< * You talk in #dev. /history shows what was said.
        c> /token a bot
        c< * Token 1, shown only once: cst_AAAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAQ
        +d> /login cst_AAAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAQ
        d< * You are logged in as alice, in #dev.
        d< * You talk in #dev. /history shows what was said.
        b> /who
        b< * 1 in #lobby: bob
        ",
    );
}

#[test]
fn a_new_account_begins_in_the_lobby() {
    let mut stage = open();
    register(&mut stage, "a", "alice");
    stage.play(
        "
        a> hello
        a< * Nobody else is in #lobby now. Whoever joins will see what you said.
        +b> /register bob
        b< * A password for bob, to be (it is not shown; Enter alone stops):
        b> password of bob
        b< * You are logged in as bob, in #lobby.
        b< * The last message of #lobby (UTC):
        b< *   2026-11-22 13:05:09 (1) alice: hello
        a< * bob joined #lobby.
        ",
    );
}

#[test]
fn who_is_not_logged_in_after_all_is_a_guest_with_the_next_word_which_is_not_said() {
    let mut stage = open();
    register(&mut stage, "a", "alice");
    stage.play(
        "
        +b> /login alice
        b< * Password of alice (it is not shown; Enter alone stops):
        b> a guess
        b< ! The name or the password is wrong.
        b> /where
        b< * You are in no room. Enter one with /join #ROOM.
        b> /no-such-command
        b< ! There is no command…
        b> password of alice
        b< * Welcome! You are guest-2 in #lobby, with 1 other. Try /nick NAME or /help.
        a< * guest-2 joined #lobby.
        b< ! That may have been a password, so it was not said: you were about to log in. You are a guest now; say it again if others are to read it.
        b> hello
        a< [#lobby] guest-2: hello
        +c> /login alice
        c< * Password of alice (it is not shown; Enter alone stops):
        c>
        c< ! Nothing was done.
        c> /nick carol
        c< * Welcome! You are guest-3 in #lobby, with 2 others. Try /nick NAME or /help.
        c< * The last message of #lobby (UTC):
        c< *   2026-11-22 13:05:09 (1) guest-2: hello
        c< * You are carol now.
        a< * guest-3 joined #lobby.
        a< * guest-3 is carol now.
        b< * guest-3 joined #lobby.
        b< * guest-3 is carol now.
        ",
    );
}

#[test]
fn a_terminal_that_others_could_read_waits_outside_to_be_let_in() {
    let mut stage = open();
    register(&mut stage, "a", "alice");
    stage.play(
        "
        +t public> /login alice
        t< * Others could read a password on its way here. Where you are logged in, in a page or a terminal, type within 5 minutes: /confirm 4222-2222-2222
        a> /confirm 4222-2222-2222 yes
        a< * The terminal at :: is logged in as you now.
        t< * You are logged in as alice, in #lobby.
        t< * You talk in #lobby. /history shows what was said.
        ",
    );
}

#[test]
fn where_no_guests_are_a_new_account_begins_in_the_lobby_as_well() {
    let settings = ChatSettings { guests: false, ..settings() };
    let mut stage = Stage::with_people(settings);
    stage.play(
        "
        +a> hello
        a< * Welcome! This server is for people with an account: /login NAME, or /register CODE NAME with an invitation.
        a< ! Only people with an account can do that here. /login NAME, or /register CODE NAME with an invitation.
        a> /register 7q2m4kxrw9td alice
        a< * A password for alice, to be (it is not shown; Enter alone stops):
        a> correct horse
        a< * You are in #staff-log now, with nobody else.
        a< [#staff-log] server: alice came by the owner's link, and owns this server.
        a< * You are logged in as alice, owner of this server, in #lobby, #staff-log.
        a> hello
        a< * Nobody else is in #lobby now. Whoever joins will see what you said.
        ",
    );
}

#[test]
fn all_that_are_logged_in_are_listed_and_can_be_ended() {
    let mut stage = open();
    register(&mut stage, "a", "alice");
    log_in(&mut stage, "b", "alice");
    stage.open("p", JSON, Visit::default());
    stage.say("p", r#"{"type":"login","name":"alice","password":"password of alice"}"#);
    stage.forget();
    stage.play(
        r##"
        a> /token a bot
        a< * Token 1, shown only once: cst_AAAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAQ
        a> /sessions
        a< * Where you are logged in; /sessions end N ends one:
        a< *   1: token a bot, since 2026-11-22 13:05:09, 0 connected
        a< *   c1: terminal, since 2026-11-22 13:05:09, 1 connected, this one
        a< *   c2: terminal, since 2026-11-22 13:05:09, 1 connected
        a< *   c3: program, since 2026-11-22 13:05:09, 1 connected
        p> {"type":"sessions","ref":1}
        p< {"type":"sessions","sessions":[{"id":1,"kind":"token","label":"a bot","created":"_","connected":0},{"connection":1,"kind":"terminal","label":"","created":"_","connected":1},{"connection":2,"kind":"terminal","label":"","created":"_","connected":1},{"connection":3,"kind":"program","label":"","created":"_","connected":1,"you":true}],"ref":1}
        a> /sessions end c7
        a< ! You have no session c7. /sessions lists them.
        a> /sessions end 2
        a< ! You have no session 2. /sessions lists them.
        a> /sessions end c2
        a< * Session c2 has ended.
        b< ! You are logged out: this was ended elsewhere.
        b< * You are guest-4, a guest. /login NAME or /register.
        p> {"type":"end_session","connection":1}
        p< {"type":"done","what":"end_session"}
        a< ! You are logged out: this was ended elsewhere.
        a< * You are guest-5, a guest. /login NAME or /register.
        p> {"type":"end_session","connection":3}
        p< {"type":"done","what":"end_session"}
        p< {"type":"account","name":"guest-6","rooms":[]}
        "##,
    );
}

#[test]
fn nobody_ends_the_connections_of_others() {
    let mut stage = open();
    register(&mut stage, "a", "alice");
    register(&mut stage, "b", "bob");
    stage.play(
        "
        +c
        c< * Welcome! You are guest-3 in #lobby, with 2 others. Try /nick NAME or /help.
        a< * guest-3 joined #lobby.
        b< * guest-3 joined #lobby.
        b> /sessions end c1
        b< ! You have no session c1. /sessions lists them.
        b> /sessions end c3
        b< ! You have no session c3. /sessions lists them.
        c> /sessions
        c< ! Only people with an account can do that here. /login NAME, or /register CODE NAME with an invitation.
        ",
    );
}
