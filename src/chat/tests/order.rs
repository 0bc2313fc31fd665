//! Order: the staff's room, bans, mutes, whom people ignore, and reports.

use std::net::SocketAddr;

use super::conversations::on;
use super::kept::disk::Disk;
use super::known_secrets::OWNER_CODE;
use super::stage::{JSON, LINES, Showing, Stage, Visit, settings};
use crate::chat::settings::{ChatSettings, IGNORED_MAX, Registration};
use crate::chat::state::State;
use crate::delivery::encoding::FrameKind;
use crate::ids::Peer;
use crate::service::{Incoming, Outcome, Service};
use crate::store::Space;

/// Where anybody can have an account, and olga owns the server.
fn open() -> Stage {
    let registration = Registration::Open;
    let mut stage = Stage::with_people(ChatSettings { registration, ..settings() });
    stage.open("olga", LINES, Visit::default());
    stage.say("olga", &format!("/register {OWNER_CODE} olga"));
    stage.say("olga", "password of olga");
    stage.forget();
    stage
}

/// Somebody at a terminal makes an account, and nobody looks at what is said of it.
pub fn register(stage: &mut Stage, name: &str) {
    stage.open(name, LINES, Visit::default());
    stage.say(name, &format!("/register {name}"));
    stage.say(name, &format!("password of {name}"));
    stage.forget();
}

/// olga owns the server, ada is an admin, mia has an account.
pub fn staffed() -> Stage {
    let mut stage = open();
    register(&mut stage, "ada");
    register(&mut stage, "mia");
    stage.say("olga", "/role ada admin");
    stage.forget();
    stage
}

fn log(state: &State) -> Vec<String> {
    let room = state.rooms().find("#staff-log").expect("the staff's room");
    room.history.last(100).map(|(_, message)| message.text().to_owned()).collect()
}

// ---- The staff's room ----

#[test]
fn who_becomes_staff_is_in_the_staff_log_and_leaves_it_with_the_role() {
    let mut stage =
        Stage::with_people(ChatSettings { registration: Registration::Open, ..settings() });
    stage.play(
        "
        +olga
        olga< * Welcome! You are guest-1 in #lobby, with nobody else. Try /nick NAME or /help.
        olga> /register 7q2m4kxrw9td olga
        olga< * A password for olga, to be (it is not shown; Enter alone stops):
        olga> correct horse
        olga< * You are in #staff-log now, with nobody else.
        olga< [#staff-log] server: olga came by the owner's link, and owns this server.
        olga< * You are logged in as olga, owner of this server, in #lobby, #staff-log.
        olga> hello
        olga< * Nobody else is in #lobby now. Whoever joins will see what you said.
        ",
    );
    register(&mut stage, "ada");
    stage.play(
        "
        olga> /role ada admin
        ada< * You are in #staff-log now, with 1 other.
        ada< [#staff-log] server: olga made ada admin of this server.
        ada< * You are logged in as ada, admin of this server, in #lobby, #staff-log.
        olga< * ada joined #staff-log.
        olga< [#staff-log] server: olga made ada admin of this server.
        olga< * ada is admin of this server now.
        ada> /join #staff-log
        ada< * You are in #staff-log now, with 1 other.
        ada> what for?
        olga< [#staff-log] ada: what for?
        ada> /leave
        ada< ! You are in #staff-log for as long as you are one of the staff.
        ada> /join #lobby
        ada< * You are in #lobby now, with 1 other.
        ada> /reset olga
        ada< ! Only owners of this server can do that for admins and owners.
        olga> /role ada admin
        olga< * ada is admin of this server now.
        ada< * You are logged in as ada, admin of this server, in #lobby, #staff-log.
        olga> /role ada member
        ada< * You left #staff-log.
        ada< * You are logged in as ada, in #lobby.
        olga< * ada left #staff-log.
        olga< [#staff-log] server: olga made ada member of this server.
        olga< * ada is member of this server now.
        ",
    );
    let expected = [
        "olga came by the owner's link, and owns this server.",
        "olga made ada admin of this server.",
        "what for?",
        "olga made ada member of this server.",
    ];
    assert_eq!(log(stage.chat.state()), expected);
}

#[test]
fn acts_of_power_are_in_the_staff_log() {
    let mut stage = staffed();
    stage.play(
        "
        ada> /reset mia
        ada< * Invitation 1, for a new password of mia, until 2026-11-23 13:05:09 UTC: 6222-2222-2222
        ada< *   At a terminal: /register 6222-2222-2222 mia
        ada< [#staff-log] server: ada made a code by which mia can set a new password.
        olga< [#staff-log] server: ada made a code by which mia can set a new password.
        +x
        x< * Welcome! You are guest-4 in #lobby, with 3 others. Try /nick NAME or /help.
        olga< * guest-4 joined #lobby.
        ada< * guest-4 joined #lobby.
        mia< * guest-4 joined #lobby.
        x> /register 6222-2222-2222 mia
        x< * A password for mia, to be (it is not shown; Enter alone stops):
        x> another password
        olga< * guest-4 left #lobby.
        ada< * guest-4 left #lobby.
        mia< * guest-4 left #lobby.
        mia< ! You are logged out: this was ended elsewhere.
        mia< * You are guest-5, a guest. /login NAME or /register.
        ada< [#staff-log] server: mia has a new password, by a code.
        olga< [#staff-log] server: mia has a new password, by a code.
        x< * The password of mia is another one now. Browsers, programs and bots log in anew; invitations and hooks stay.
        x< * You are logged in as mia, in #lobby.
        x< * You talk in #lobby. /history shows what was said.
        x> /delete-account
        x< * Your password (it is not shown; Enter alone stops):
        x> another password
        olga< * mia left #lobby.
        ada< * mia left #lobby.
        olga< [#staff-log] server: The account mia has ended.
        ada< [#staff-log] server: The account mia has ended.
        x< * Your account is gone. What you have said stays.
        x< * You are guest-6, a guest. /login NAME or /register.
        ",
    );
}

#[test]
fn acts_in_rooms_are_in_the_staff_log() {
    let mut stage = staffed();
    register(&mut stage, "bob");
    for line in ["/join #dev", "/room entry ask", "/room posting moderators", "/rename #ops"] {
        stage.say("mia", line);
    }
    stage.say("bob", "/join #ops");
    stage.say("mia", "/refuse bob");
    stage.say("bob", "/join #ops");
    stage.say("mia", "/accept bob");
    stage.say("bob", "/join #ops");
    for line in ["/role bob moderator #ops", "/role bob moderator #ops", "/kick bob 1 spam"] {
        stage.say("mia", line);
    }
    // Where anybody may come, an invitation is no act of power; after a removal it is.
    for line in ["/room entry accounts", "/invite ada #ops", "/accept bob", "/kick bob"] {
        stage.say("mia", line);
    }
    stage.open("guest", LINES, Visit { name: Some("gus"), room: Some("#tea") });
    stage.say("bob", "/join #tea");
    stage.say("bob", "/keep");
    let expected = [
        "mia made #dev a room that one asks to be let into.",
        "mia lets only moderators talk in #dev.",
        "mia renamed #dev to #ops.",
        "mia did not let bob into #ops.",
        "mia let bob into #ops.",
        "mia made bob a moderator of #ops.",
        "mia removed bob from #ops: spam",
        "mia opened #ops to everybody with an account.",
        "mia let bob into #ops.",
        "mia removed bob from #ops.",
        "bob keeps #tea.",
    ];
    assert_eq!(log(stage.chat.state())[2..], expected);
}

/// Its name was known before.
#[test]
fn that_a_room_is_private_is_the_last_that_the_staff_hears_of_it() {
    let mut stage = staffed();
    register(&mut stage, "bob");
    let lines = [
        "/join #dev",
        "/room listed no",
        "/room entry invited",
        "/room posting moderators",
        "/rename #secret",
        "/invite bob #secret",
    ];
    lines.into_iter().for_each(|line| stage.say("mia", line));
    stage.say("bob", "/join #secret");
    let lines = ["/role bob moderator #secret", "/kick bob", "/mute bob", "/room entry all"];
    lines.into_iter().for_each(|line| stage.say("mia", line));
    let expected = [
        "mia took #dev off the list of rooms.",
        "mia made #dev private.",
        "mia opened #secret to everybody.",
    ];
    assert_eq!(log(stage.chat.state())[2..], expected);
}

#[test]
fn the_staff_is_shown_which_accounts_there_are() {
    let mut stage = staffed();
    stage.open("phone", JSON, Visit::default());
    stage.say("phone", r#"{"type":"login","name":"olga","password":"password of olga"}"#);
    register(&mut stage, "Kim");
    stage.say("ada", "/ban mia 1 spam");
    stage.leave("Kim");
    stage.forget();
    stage.play(
        r#"
        ada> /accounts
        ada< * 4 accounts:
        ada< *   ada: admin, since 2026-11-22 13:05:09, 1 connected
        ada< *   Kim: member, since 2026-11-22 13:05:09, 0 connected
        ada< *   mia: member, since 2026-11-22 13:05:09, 0 connected, banned
        ada< *   olga: owner, since 2026-11-22 13:05:09, 2 connected
        ada> /accounts 2
        ada< * 4 accounts: there is no such page.
        phone> {"type":"accounts","limit":1,"after":2,"ref":1}
        phone< {"type":"accounts","accounts":[{"name":"mia","role":"member","created":"_","connected":0,"banned":true}],"total":4,"next":3,"ref":1}
        phone> {"type":"accounts","after":3}
        phone< {"type":"accounts","accounts":[{"name":"olga","role":"owner","created":"_","connected":2}],"total":4}
        @+60000
        phone> {"type":"accounts","after":1,"limit":2}
        phone< {"type":"accounts","accounts":[{"name":"Kim","role":"member","created":"_","connected":0},{"name":"mia","role":"member","created":"_","connected":0}],"total":4,"next":3}
        "#,
    );
}

/// From the start, and for whatever looks like it.
#[test]
fn the_name_of_the_staff_log_is_nobodys() {
    let mut stage = Stage::with_people(settings());
    stage.seat(&["bob"]);
    stage.play(
        "
        bob> /join #staff-log
        bob< ! The name #staff-log is reserved. Choose another one.
        bob> /join STAFF-LOG
        bob< ! The name #STAFF-LOG is reserved. Choose another one.
        bob> /join #staff-l0g
        bob< ! The name #staff-l0g is reserved. Choose another one.
        bob> /who #staff-log
        bob< ! There is no room \"#staff-log\". /rooms lists those that there are.
        ",
    );
    let mut stage = staffed();
    stage.play(
        "
        mia> /join #staff-log
        mia< ! The name #staff-log is reserved. Choose another one.
        mia> /join #staff-l0g
        mia< ! The name #staff-l0g is reserved. Choose another one.
        ",
    );
}

// ---- Bans ----

#[test]
fn a_banned_account_is_out_at_once_and_does_not_come_again() {
    let mut stage = staffed();
    stage.say("mia", "/token a bot");
    let token = stage.hear("mia")[0].rsplit(' ').next().expect("a token").to_owned();
    stage.show("bot", &token);
    stage.forget();
    stage.play(
        r#"
        ada> /ban mia 60 spam
        ada< [#staff-log] server: ada banned mia until 2026-11-22 14:05:09 UTC: spam
        olga< [#staff-log] server: ada banned mia until 2026-11-22 14:05:09 UTC: spam
        mia< ! You are banned from this server until 2026-11-22 14:05:09 UTC: spam
        mia< (closed)
        bot< {"type":"error","code":"banned","message":"You are banned from this server until 2026-11-22 14:05:09 UTC: spam"}
        bot< (closed)
        ada< * mia is banned until 2026-11-22 14:05:09 UTC: spam
        ada> /bans
        ada< * 1 ban:
        ada< *   mia, by ada, since 2026-11-22 13:05:09 UTC until 2026-11-22 14:05:09 UTC: spam
        +x
        x< * Welcome! You are guest-4 in #lobby, with 3 others. Try /nick NAME or /help.
        olga< * guest-4 joined #lobby.
        ada< * guest-4 joined #lobby.
        x> /login mia
        x< * Password of mia (it is not shown; Enter alone stops):
        x> wrong password
        x< ! The name or the password is wrong.
        x> /login mia
        x< * Password of mia (it is not shown; Enter alone stops):
        x> password of mia
        x< ! You are banned from this server until 2026-11-22 14:05:09 UTC: spam
        "#,
    );
    stage.show("bot", &token);
    let told = stage.objects("bot");
    assert_eq!(told[0]["name"], "guest-5", "it is a guest like any other");
    assert_eq!(told[1]["code"], "banned");
    stage.say("bot", &format!(r#"{{"type":"login","token":"{token}"}}"#));
    assert_eq!(stage.objects("bot")[0]["code"], "banned");
    stage.pass(3_600_000);
    stage.say("bot", &format!(r#"{{"type":"login","token":"{token}"}}"#));
    assert_eq!(stage.objects("bot")[0]["name"], "mia", "it is over");
    stage.say("ada", "/bans");
    assert_eq!(stage.hear("ada").pop().expect("an answer"), "* Nobody is banned.");
}

#[test]
fn a_ban_ends_when_somebody_ends_it() {
    let mut stage = staffed();
    stage.play(
        "
        ada> /unban mia
        ada< ! mia is not banned. /bans lists who is.
        ada> /ban mia
        ada< [#staff-log] server: ada banned mia.
        olga< [#staff-log] server: ada banned mia.
        mia< ! You are banned from this server.
        mia< (closed)
        ada< * mia is banned.
        ada> /unban mia
        ada< [#staff-log] server: ada ended the ban of mia.
        olga< [#staff-log] server: ada ended the ban of mia.
        ada< * mia is not banned any more.
        +x
        x< * Welcome! You are guest-4 in #lobby, with 3 others. Try /nick NAME or /help.
        olga< * guest-4 joined #lobby.
        ada< * guest-4 joined #lobby.
        x> /login mia
        x< * Password of mia (it is not shown; Enter alone stops):
        x> password of mia
        olga< * guest-4 left #lobby.
        ada< * guest-4 left #lobby.
        x< * You are logged in as mia, in #lobby.
        x< * You talk in #lobby. /history shows what was said.
        ",
    );
}

#[test]
fn nobody_bans_those_above_or_their_own() {
    let mut stage = staffed();
    register(&mut stage, "eve");
    stage.say("olga", "/role eve admin");
    stage.open("guest", LINES, Visit::default());
    stage.forget();
    stage.play(
        r#"
        ada> /ban olga
        ada< ! Only owners of this server can do that for admins and owners.
        ada> /ban eve
        ada< ! Only owners of this server can do that for admins and owners.
        ada> /ban nobody-here
        ada< ! There is no account "nobody-here".
        ada> /ban guest-5
        ada< ! This machine cannot be banned.
        ada> /ban mia 0
        ada< ! It holds for a minute at least, or without a number until it is ended.
        olga> /ban olga
        olga< ! You cannot ban yourself.
        mia> /ban ada
        mia< ! Only admins and owners of this server can do that.
        ada> /ban 127.0.0.1
        ada< ! This machine cannot be banned.
        ada> /ban ::1
        ada< ! This machine cannot be banned.
        ada> /ban ::ffff:127.0.0.1
        ada< ! This machine cannot be banned.
        ada> /ban ::
        ada< ! This machine cannot be banned.
        "#,
    );
}

/// One owner at least can always come.
#[test]
fn an_owner_who_is_banned_does_not_count() {
    let mut stage = staffed();
    stage.say("olga", "/role ada owner");
    stage.say("olga", "/ban ada");
    stage.forget();
    stage.play(
        "
        olga> /role olga member
        olga< ! You are the only owner. Make somebody else one first.
        olga> /delete-account
        olga< * Your password (it is not shown; Enter alone stops):
        olga> password of olga
        olga< ! You are the only owner of this server. Give it to somebody first: /role NAME owner.
        ",
    );
}

fn admits(stage: &Stage, ip: &str, unix_ms: u64) -> bool {
    stage.chat.admits(ip.parse().expect("an address"), unix_ms)
}

#[test]
fn a_banned_address_is_not_admitted_and_neither_is_its_network() {
    let mut stage = staffed();
    stage.play(
        "
        ada> /ban 203.0.113.7 10 a flood
        ada< [#staff-log] server: ada banned 203.0.113.7 until 2026-11-22 13:15:09 UTC: a flood
        olga< [#staff-log] server: ada banned 203.0.113.7 until 2026-11-22 13:15:09 UTC: a flood
        ada< * 203.0.113.7 is banned until 2026-11-22 13:15:09 UTC: a flood
        ada> /ban 2001:db8::7
        ada< [#staff-log] server: ada banned 2001:db8::/64.
        olga< [#staff-log] server: ada banned 2001:db8::/64.
        ada< * 2001:db8::/64 is banned.
        ada> /bans
        ada< * 2 bans:
        ada< *   203.0.113.7, by ada, since 2026-11-22 13:05:09 UTC until 2026-11-22 13:15:09 UTC: a flood
        ada< *   2001:db8::/64, by ada, since 2026-11-22 13:05:09 UTC.
        ",
    );
    assert!(stage.dismisses_addresses, "those who are here are looked for");
    let now = stage.now.unix_ms;
    assert!(!admits(&stage, "203.0.113.7", now) && !admits(&stage, "::ffff:203.0.113.7", now));
    assert!(admits(&stage, "203.0.113.8", now) && admits(&stage, "203.0.113.7", now + 600_000));
    assert!(!admits(&stage, "2001:db8::ffff:8", now) && admits(&stage, "2001:db8:0:1::7", now));
    stage.say("ada", "/unban 2001:db8::9");
    assert!(admits(&stage, "2001:db8::7", now));
}

#[test]
fn a_guest_is_banned_by_the_address_that_it_comes_from() {
    let mut stage = staffed();
    for (name, from) in [("gus", "203.0.113.7:4000"), ("gwen", "[2001:db8:1:2:3:4:5:6]:4000")] {
        let peer = Peer::from(from.parse::<SocketAddr>().expect("an address"));
        let showing = Showing { peer, ..Showing::default() };
        stage.open_showing(name, LINES, Visit { name: Some(name), room: None }, showing);
    }
    stage.forget();
    stage.play(
        "
        ada> /ban gus 10 a flood
        ada< [#staff-log] server: ada banned 203.0.113.7 (gus) until 2026-11-22 13:15:09 UTC: a flood
        olga< [#staff-log] server: ada banned 203.0.113.7 (gus) until 2026-11-22 13:15:09 UTC: a flood
        ada< * 203.0.113.7 (gus) is banned until 2026-11-22 13:15:09 UTC: a flood
        ada> /ban gwen
        ada< [#staff-log] server: ada banned 2001:db8:1:2::/64 (gwen).
        olga< [#staff-log] server: ada banned 2001:db8:1:2::/64 (gwen).
        ada< * 2001:db8:1:2::/64 (gwen) is banned.
        ",
    );
    let now = stage.now.unix_ms;
    assert!(!admits(&stage, "203.0.113.7", now) && !admits(&stage, "2001:db8:1:2::9", now));
    assert!(admits(&stage, "2001:db8:1:3::9", now));
}

#[test]
fn an_admin_does_not_ban_the_address_of_staff() {
    let mut stage = staffed();
    register(&mut stage, "eve");
    stage.say("olga", "/role eve admin");
    for (device, who, from) in [("home", "olga", "203.0.113.7"), ("work", "eve", "203.0.113.9")] {
        let peer = Peer::from(SocketAddr::new(from.parse().expect("an address"), 4000));
        let showing = Showing { peer, ..Showing::default() };
        stage.open_showing(device, LINES, Visit::default(), showing);
        stage.say(device, &format!("/login {who}"));
        stage.say(device, &format!("password of {who}"));
    }
    stage.forget();
    let refused = "! An owner or an admin comes from there now. Only owners of this server can ban \
                   that address.";
    for from in ["203.0.113.7", "203.0.113.9"] {
        stage.play(&format!("ada> /ban {from}\n ada< {refused}"));
    }
    stage.play("olga> /ban 203.0.113.7\n olga< ! You come from there yourself.");
    stage.say("olga", "/ban 203.0.113.9 1h");
    let told = stage.hear("olga");
    let line = "* 203.0.113.9 is banned until 2026-11-22 14:05:09 UTC.";
    assert!(told.contains(&line.to_owned()), "{told:?}");
}

#[test]
fn a_proxy_is_not_banned() {
    let proxies = vec!["192.0.2.0/24".parse().expect("a network")];
    let registration = Registration::Open;
    let mut stage = Stage::with_people(ChatSettings { proxies, registration, ..settings() });
    stage.open("olga", LINES, Visit::default());
    stage.say("olga", &format!("/register {OWNER_CODE} olga"));
    stage.say("olga", "password of olga");
    stage.forget();
    stage.play(
        "
        olga> /ban 192.0.2.7
        olga< ! A proxy cannot be banned: everybody comes by it.
        ",
    );
}

#[test]
fn a_flood_of_logins_of_a_banned_account_is_counted_like_any_other() {
    let mut stage = staffed();
    stage.say("ada", "/ban mia");
    stage.open("x", JSON, Visit::default());
    stage.forget();
    let login = r#"{"type":"login","name":"mia","password":"password of mia"}"#;
    let peer = Peer::from("203.0.113.9:4000".parse::<SocketAddr>().expect("an address"));
    let incoming = Incoming { peer, kind: FrameKind::Text, bytes: login.as_bytes() };
    let mut try_it = || {
        while let Outcome::Blocked(_) = stage.offer_frame("x", incoming) {
            stage.turn();
        }
        stage.objects("x").pop().expect("an answer")["code"].as_str().expect("it").to_owned()
    };
    let codes: Vec<String> = (0..60).map(|_| try_it()).collect();
    assert_eq!(codes[0], "banned");
    assert_eq!(codes.last().map(String::as_str), Some("too_many_attempts"), "{codes:?}");
}

// ---- Mutes ----

#[test]
fn who_is_muted_reads_and_says_nothing() {
    let mut stage = staffed();
    stage.play(
        "
        ada> /mute mia 10 too loud
        ada< [#staff-log] server: ada muted mia in #lobby until 2026-11-22 13:15:09 UTC: too loud
        olga< [#staff-log] server: ada muted mia in #lobby until 2026-11-22 13:15:09 UTC: too loud
        mia< * ada muted you in #lobby until 2026-11-22 13:15:09 UTC: too loud
        ada< * mia is muted until 2026-11-22 13:15:09 UTC: too loud
        mia> hello
        mia< ! You are muted in #lobby until 2026-11-22 13:15:09 UTC: too loud
        mia> /me waves
        mia< ! You are muted in #lobby until 2026-11-22 13:15:09 UTC: too loud
        mia> /topic me
        mia< ! You are muted in #lobby until 2026-11-22 13:15:09 UTC: too loud
        olga> hello
        ada< [#lobby] olga: hello
        mia< [#lobby] olga: hello
        mia> /join #tea
        mia< * You are in #tea now, with nobody else.
        mia> hello
        mia< * Nobody else is in #tea now. Whoever joins will see what you said.
        mia> /join #lobby
        mia< * You are in #lobby now, with 2 others.
        @+600000
        mia> hello
        ada< [#lobby] mia: hello
        olga< [#lobby] mia: hello
        ada> /unmute mia
        ada< ! mia is not muted in #lobby.
        ada> /mute mia
        ada< [#staff-log] server: ada muted mia in #lobby.
        olga< [#staff-log] server: ada muted mia in #lobby.
        mia< * ada muted you in #lobby.
        ada< * mia is muted.
        ada> /unmute mia
        ada< [#staff-log] server: ada lets mia speak again in #lobby.
        olga< [#staff-log] server: ada lets mia speak again in #lobby.
        mia< * ada lets you speak again in #lobby.
        ada< * mia may speak again.
        ada> /mute olga
        ada< ! Only owners of this server can do that for admins and owners.
        ada> /mute ada
        ada< ! You cannot mute yourself.
        ",
    );
}

#[test]
fn a_guest_is_muted_for_as_long_as_it_is_here_and_as_an_account() {
    let mut stage = staffed();
    stage.open("bob", JSON, Visit { name: Some("bob"), room: Some("#lobby") });
    stage.forget();
    stage.play(
        r##"
        ada> /mute bob
        ada< [#staff-log] server: ada muted bob in #lobby.
        olga< [#staff-log] server: ada muted bob in #lobby.
        bob< {"type":"muted","room":"#lobby","name":"bob","by":"ada","time":"_"}
        ada< * bob is muted.
        bob> {"type":"say","room":"#lobby","text":"hello","ref":1}
        bob< {"type":"error","code":"muted","message":"You are muted in #lobby.","ref":1}
        bob> {"type":"typing","room":"#lobby"}
        bob> {"type":"register","name":"bob","password":"password of bob"}
        bob< {"type":"account","name":"bob","role":"member","rooms":["#lobby"]}
        ada< * bob is bob now.
        olga< * bob is bob now.
        mia< * bob is bob now.
        bob> {"type":"say","room":"#lobby","text":"hello"}
        bob< {"type":"error","code":"muted","message":"You are muted in #lobby."}
        "##,
    );
}

// ---- Whom people ignore ----

#[test]
fn nothing_is_shown_of_who_is_ignored() {
    let mut stage = staffed();
    stage.open("web", JSON, Visit { name: Some("web"), room: Some("#lobby") });
    stage.say("mia", "before");
    stage.forget();
    stage.play(
        r##"
        ada> /ignore mia
        ada< * You see nothing any more of what mia says.
        web> {"type":"ignore","name":"mia","ref":1}
        web< {"type":"done","what":"ignore","ref":1}
        web> {"type":"ignored","ref":2}
        web< {"type":"ignored","names":["mia"],"ref":2}
        mia> one
        mia> two
        olga> three
        mia> four
        olga< [#lobby] mia: one
        olga< [#lobby] mia: two
        olga< [#lobby] mia: four
        mia< [#lobby] olga: three
        ada< [#lobby] olga: three
        web< {"type":"said","room":"#lobby","id":2,"time":"_","ignored":true}
        web< {"type":"said","room":"#lobby","id":3,"time":"_","ignored":true}
        web< {"type":"said","room":"#lobby","id":4,"time":"_","name":"olga","text":"three"}
        web< {"type":"said","room":"#lobby","id":5,"time":"_","ignored":true}
        mia> /me waves
        olga< [#lobby] * mia waves
        web< {"type":"said","room":"#lobby","id":6,"time":"_","ignored":true}
        mia> /msg ada psst
        mia< [you -> ada] psst
        mia> /msg web psst
        mia< [you -> guest web] psst
        ada> /history 3
        ada< * The last message of #lobby (UTC):
        ada< *   2026-11-22 13:05:09 (4) olga: three
        web> {"type":"history","room":"#lobby","limit":3}
        web< {"type":"history","room":"#lobby","messages":[{"id":4,"time":"_","name":"olga","text":"three"},{"id":5,"time":"_","ignored":true},{"id":6,"time":"_","ignored":true}],"more":true}
        ada> /leave
        ada< * You left #lobby.
        ada< * You talk in #staff-log now.
        olga< * ada left #lobby.
        mia< * ada left #lobby.
        web< {"type":"left","room":"#lobby","name":"ada","time":"_"}
        ada> /join #lobby
        ada< * You are in #lobby now, with 3 others.
        ada< * The last message of #lobby (UTC):
        ada< *   2026-11-22 13:05:09 (4) olga: three
        olga< * ada joined #lobby.
        mia< * ada joined #lobby.
        web< {"type":"joined","room":"#lobby","name":"ada","time":"_"}
        ada> /ignore
        ada< * You ignore mia.
        ada> /unignore mia
        ada< * You see again what mia says.
        ada> /unignore mia
        ada< ! You do not ignore mia.
        mia> five
        ada< [#lobby] mia: five
        olga< [#lobby] mia: five
        web< {"type":"said","room":"#lobby","id":7,"time":"_","ignored":true}
        "##,
    );
}

#[test]
fn an_account_is_ignored_on_all_devices_and_by_whatever_name() {
    let mut stage = staffed();
    stage.open("phone", LINES, Visit::default());
    stage.say("phone", "/login ada");
    stage.say("phone", "password of ada");
    stage.say("ada", "/ignore mia");
    stage.say("mia", "/nick maria");
    stage.forget();
    stage.play(
        "
        mia> hello
        olga< [#lobby] maria: hello
        phone> /history
        phone< * Nothing was said in #lobby yet.
        ada> /ignore
        ada< * You ignore maria.
        olga> /ignore olga
        olga< ! You cannot ignore yourself.
        olga> /ignore nobody-here
        olga< ! Nobody here is called \"nobody-here\". /who lists who is in a room.
        ",
    );
}

#[test]
fn a_list_of_those_who_are_ignored_has_an_end() {
    let mut stage = staffed();
    for number in 0..=IGNORED_MAX {
        let name = format!("n{number}");
        stage.open(&name, JSON, Visit { name: Some(&name), room: None });
        stage.say("mia", &format!("/ignore {name}"));
    }
    let told = stage.hear("mia").pop().expect("an answer");
    assert!(told.starts_with("! You ignore 100 people."), "{told}");
    stage.leave("n0");
    stage.say("mia", "/ignore n100");
    let told = stage.hear("mia").pop().expect("an answer");
    assert_eq!(told, "* You see nothing any more of what n100 says.");
}

/// What it has said is there yet, and nobody else has its name.
#[test]
fn an_account_that_has_ended_is_ignored_for_good() {
    let disk = Disk::default();
    let registration = Registration::Open;
    let mut stage = on(&disk, ChatSettings { registration, ..settings() });
    for name in ["mia", "bob"] {
        register(&mut stage, name);
    }
    stage.say("bob", "buy my pills");
    stage.say("mia", "/ignore bob");
    stage.say("bob", "/delete-account");
    stage.say("bob", "password of bob");
    stage.forget();
    let shown = |stage: &mut Stage| {
        stage.say("mia", "/history");
        stage.hear("mia")
    };
    assert_eq!(shown(&mut stage), ["* Nothing was said in #lobby yet."]);
    stage.turn();
    disk.crash(0);
    let mut stage = on(&disk, ChatSettings { registration, ..settings() });
    stage.open("mia", LINES, Visit::default());
    for line in ["/login mia", "password of mia"] {
        stage.say("mia", line);
    }
    stage.forget();
    assert_eq!(shown(&mut stage), ["* Nothing was said in #lobby yet."]);
    stage.play(
        "
        mia> /ignore
        mia< * You ignore someone who left.
        mia> /unignore someone who left
        mia< * You see again what someone who left has said.
        mia> /unignore someone who left
        mia< ! You do not ignore someone who left.
        mia> /ignore
        mia< * You ignore nobody.
        mia> /history
        mia< * The last message of #lobby (UTC):
        mia< *   2026-11-22 13:05:09 (1) someone who left: buy my pills
        ",
    );
    stage.turn();
    disk.crash(0);
    assert!(disk.order().ignores.is_empty());
}

// ---- Reports ----

#[test]
fn a_report_shows_the_staff_what_was_said() {
    let mut stage = staffed();
    stage.open("web", JSON, Visit { name: Some("web"), room: Some("#lobby") });
    stage.say("olga", "good morning");
    stage.say("mia", "buy my pills");
    stage.forget();
    stage.play(
        r##"
        web> {"type":"report","room":"#lobby","id":2,"reason":"spam","ref":1}
        ada< [#staff-log] server: web reports mia in #lobby (2): "buy my pills" (spam)
        olga< [#staff-log] server: web reports mia in #lobby (2): "buy my pills" (spam)
        web< {"type":"done","what":"report","ref":1}
        mia> /report -2
        ada< [#staff-log] server: mia reports olga in #lobby (1): "good morning"
        olga< [#staff-log] server: mia reports olga in #lobby (1): "good morning"
        mia< * The staff of this server sees now what olga said there.
        mia> /report 3
        mia< ! There is no message 3 there. /history shows their numbers.
        mia> /report -3
        mia< ! There is no message 0 there. /history shows their numbers.
        web> {"type":"report","room":"#staff-log","id":1}
        web< {"type":"error","code":"no_such_room","message":"_"}
        "##,
    );
}

#[test]
fn a_report_shows_the_staff_what_was_said_in_a_conversation() {
    let mut stage = staffed();
    register(&mut stage, "bob");
    stage.open("web", JSON, Visit { name: Some("web"), room: Some("#lobby") });
    stage.say("bob", "/msg mia hello");
    stage.say("mia", "/msg bob hello");
    stage.say("bob", "/msg mia buy my pills");
    stage.say("bob", "/nick rob");
    stage.forget();
    stage.play(
        r##"
        mia> /report @rob
        ada< [#staff-log] server: mia reports rob in a conversation with rob (3): "buy my pills"
        olga< [#staff-log] server: mia reports rob in a conversation with rob (3): "buy my pills"
        mia< * The staff of this server sees now what rob said there.
        mia> /report @rob -2 my own
        ada< [#staff-log] server: mia reports mia in a conversation with rob (2): "hello" (my own)
        olga< [#staff-log] server: mia reports mia in a conversation with rob (2): "hello" (my own)
        mia< * The staff of this server sees now what mia said there.
        mia> /report @rob 4
        mia< ! There is no message 4 there. /history shows their numbers.
        ada> /report @mia
        ada< ! Nothing was said between you and mia.
        ada> /report @nobody-here
        ada< ! Nobody here is called "nobody-here". /who lists who is in a room.
        web> {"type":"report","to":"mia","id":1}
        web< {"type":"error","code":"login_required","message":"_"}
        mia> /report @web 1
        mia< ! web is a guest: what is said to guests is not kept.
        "##,
    );
    stage.open("phone", JSON, Visit::default());
    stage.say("phone", r#"{"type":"login","name":"mia","password":"password of mia"}"#);
    stage.forget();
    stage.say("phone", r#"{"type":"report","to":"rob","id":1,"reason":"spam","ref":1}"#);
    let told = log(stage.chat.state()).pop();
    let expected = r#"mia reports rob in a conversation with rob (1): "hello" (spam)"#;
    assert_eq!(told.as_deref(), Some(expected));
}

#[test]
fn without_staff_there_is_nobody_to_report_to() {
    let mut stage = Stage::with_people(settings());
    stage.seat(&["bob"]);
    stage.play(
        "
        bob> hello
        bob< * Nobody else is in #lobby now. Whoever joins will see what you said.
        bob> /report
        bob< ! Nobody owns this server yet, so there is nobody to report it to.
        ",
    );
}

/// Reasons go where everybody of the staff reads them, and texts to those who are muted.
#[test]
fn no_token_and_no_code_gets_into_a_reason_or_a_report() {
    let mut stage = staffed();
    let secret = |stage: &mut Stage, command| {
        stage.say("mia", command);
        stage.hear("mia")[0].rsplit(' ').next().expect("a secret").to_owned()
    };
    let (token, code) = (secret(&mut stage, "/token a bot"), secret(&mut stage, "/invite"));
    stage.say("mia", "hello");
    stage.say("mia", &format!("/msg ada come by {code}"));
    stage.forget();
    for (secret, refused) in [(&token, "There is a token in"), (&code, "There is a code in")] {
        for act in ["/ban mia", "/mute mia", "/report -1"] {
            stage.say("ada", &format!("{act} see {secret}"));
            let told = stage.hear("ada");
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].contains(refused), "{told:?}");
        }
    }
    stage.say("ada", "/report @mia");
    let told = log(stage.chat.state());
    assert!(told.iter().all(|text| !text.contains(&token) && !text.contains(&code)), "{told:?}");
    let expected = "ada reports mia in a conversation with mia (1): \"(a code or a token)\"";
    assert_eq!(told.last().map(String::as_str), Some(expected));
}

#[test]
fn who_is_muted_takes_no_other_name_and_nobody_gives_reasons_without_end() {
    let mut stage = staffed();
    stage.say("olga", "/mute mia");
    stage.forget();
    stage.say("mia", "/nick olga_is_a_fool");
    let told = stage.hear("mia").pop().expect("an answer");
    assert!(told.starts_with("! You are muted in #lobby"), "{told}");
    stage.say("mia", "/nick mia");
    assert_eq!(stage.hear("mia"), ["* You are mia now."]);
    stage.say("olga", "/mute olga");
    assert_eq!(stage.hear("olga"), ["! You cannot mute yourself."]);
    stage.say("olga", "/unmute olga");
    assert_eq!(stage.hear("olga"), ["! You cannot let yourself speak again."]);
    stage.say("olga", &format!("/kick mia {}", "x".repeat(201)));
    let told = stage.hear("olga").pop().expect("an answer");
    assert!(told.starts_with("! A reason has at most 200 bytes"), "{told}");
    stage.say("olga", "/ban fe80::1");
    let told = stage.hear("olga").pop().expect("an answer");
    assert!(told.starts_with("! That network is of all who are on the same link"), "{told}");
    assert_eq!(stage.hear("ada"), Vec::<String>::new());
}

/// What fills the disk can be ended, and who has had enough can go.
#[test]
fn with_a_full_disk_order_is_kept() {
    let disk = Disk::default();
    let mut stage = on(&disk, ChatSettings { registration: Registration::Open, ..settings() });
    stage.open("olga", LINES, Visit::default());
    stage.say("olga", &format!("/register {OWNER_CODE} olga"));
    stage.say("olga", "password of olga");
    for name in ["ada", "mia", "bob"] {
        register(&mut stage, name);
    }
    stage.say("bob", "/join #bobs");
    stage.say("mia", "buy this");
    stage.forget();
    let refused = "! The disk is full: nothing can be said until there is room.";
    disk.set_full(true);
    let told = |stage: &mut Stage, who: &str, line: &str| {
        stage.forget();
        stage.say(who, line);
        stage.hear(who)
    };
    for (who, line) in [
        ("mia", "buy this"),
        ("bob", "/nick rob"),
        ("bob", "/topic buy this"),
        ("olga", "/role ada admin"),
        ("bob", "/invite"),
        ("bob", "/join #more"),
    ] {
        assert_eq!(told(&mut stage, who, line), [refused], "{line}");
    }
    // Who keeps order may come anew.
    for device in ["desk", "phone"] {
        stage.open(device, LINES, Visit::default());
    }
    stage.say("desk", "/login olga");
    let told_in = told(&mut stage, "desk", "password of olga");
    assert!(told_in.iter().any(|it| it.contains("olga")), "{told_in:?}");
    stage.open("page", JSON, Visit::default());
    let login = r#"{"type":"login","name":"olga","password":"password of olga"}"#;
    for (request, answer) in [(login, "account"), (r#"{"type":"cookie"}"#, "cookie")] {
        let told = told(&mut stage, "page", request);
        assert!(told.iter().any(|it| it.contains(&format!(r#""type":"{answer}""#))), "{told:?}");
    }
    for (who, line) in [
        ("olga", "/delete 1"),
        ("olga", "/mute mia 10"),
        ("olga", "/unmute mia"),
        ("olga", "/ban mia"),
        ("desk", "/unban mia"),
        ("desk", "/ban mia"),
        ("bob", "/leave #bobs"),
        ("olga", "/delete-room #bobs"),
        ("bob", "/logout"),
    ] {
        let told = told(&mut stage, who, line);
        let is_done = !told.is_empty() && !told.iter().any(|it| it.starts_with("! "));
        assert!(is_done, "{line}: {told:?}");
    }
    let staff_log = log(stage.chat.state()).len();
    disk.set_space(Space::Full);
    assert_eq!(told(&mut stage, "phone", "/login olga"), [refused]);
    for line in ["/ban ada", "/leave #lobby", "/mute ada"] {
        assert_eq!(told(&mut stage, "olga", line), [refused], "{line}");
    }
    assert_eq!(log(stage.chat.state()).len(), staff_log);
    stage.turn();
    disk.crash(0);
    let stage = on(&disk, ChatSettings { registration: Registration::Open, ..settings() });
    assert_eq!(stage.chat.state().order().bans().count(), 1);
}

/// A private room does not exist for who was never let in.
#[test]
fn who_may_not_know_of_a_room_is_not_muted_there() {
    let mut stage = staffed();
    stage.say("mia", "/join #den");
    stage.say("mia", "/room entry invited");
    stage.forget();
    stage.play(
        "
        mia> /room
        mia< * #den: entry invited, listed no, newcomers-see all, posting all, invites members, archived no
        mia< *   owner: mia; you are owner there
        mia> /mute ada
        mia< ! ada is not in #den.
        mia> /unmute ada
        mia< ! ada is not in #den.
        ",
    );
}
