//! Rooms that are kept for somebody: who comes in, who decides, and what becomes of them.

use std::sync::Arc;

use super::conversations::on;
use super::kept::disk::Disk;
use super::known_secrets::{KnownSecrets, OWNER_CODE};
use super::stage::{JSON, LINES, Stage, Visit, open_settings, settings};
use crate::chat::settings::ChatSettings;
use crate::chat::state::rooms::RoomLimits;

/// Where anybody can have an account.
fn open() -> Stage {
    Stage::with_people(open_settings())
}

/// Somebody at a terminal makes an account, and nobody looks at what is said of it.
fn register(stage: &mut Stage, actor: &str, name: &str) {
    stage.open(actor, LINES, Visit::default());
    stage.say(actor, &format!("/register {name}"));
    stage.say(actor, &format!("password of {name}"));
    stage.forget();
}

/// alice, bob and carol have accounts, and none of them is in #lobby; g is a guest there.
fn three() -> Stage {
    let mut stage = open();
    for (actor, name) in [("a", "alice"), ("b", "bob"), ("c", "carol")] {
        register(&mut stage, actor, name);
        stage.say(actor, "/leave");
    }
    stage.open("g", LINES, Visit { name: Some("gus"), room: None });
    stage.forget();
    stage
}

#[test]
fn a_room_of_an_account_is_for_accounts_and_stays() {
    three().play(
        r##"
        a> /join #dev
        a< * You are in #dev now, with nobody else.
        a> /room
        a< * #dev: entry accounts, listed yes, newcomers-see all, posting all, invites members, archived no
        a< *   owner: alice; you are owner there
        g> /join #dev
        g< ! #dev is for people with an account. /login NAME, or /register.
        g> /who #dev
        g< ! You are not in the room "#dev". Enter it with /join.
        a> /leave
        a< * You left #dev.
        a< * You are in no room now. Enter one with /join #ROOM.
        g> /rooms
        g< * 2 rooms, busiest first:
        g< *   #lobby (1 person, you talk here)
        g< *   #dev (0 people)
        b> /join #dev
        b< * You are in #dev now, with nobody else.
        b> /room entry all
        b< ! Only the owner of #dev can do that.
        b> /room listed no
        b< ! Only the owner and moderators of #dev can do that.
        a> /room #dev entry all
        a< * #dev: entry all, listed yes, newcomers-see all, posting all, invites members, archived no
        a< *   owner: alice; you are owner there
        b< * alice opened #dev to everybody.
        g> /join #dev
        g< * You are in #dev now, with 1 other.
        b< * gus joined #dev.
        "##,
    );
}

#[test]
fn a_private_room_is_there_for_those_who_are_let_in() {
    three().play(
        r##"
        a> /join #team
        a< * You are in #team now, with nobody else.
        a> /room entry invited
        a< * alice made #team private.
        b> /join #team
        b< ! No room can be called #team here. Choose another name.
        a> /invite bob
        a< * bob may join #team now.
        b< * alice lets you into #team: /join #team
        b> /join #team
        b< * You are in #team now, with 1 other.
        a< * bob joined #team.
        b> /invite gus #team
        b< * gus may join #team now.
        g< * bob lets you into #team: /join #team
        g> /join #team
        g< * You are in #team now, with 2 others.
        a< * gus joined #team.
        b< * gus joined #team.
        g> /leave #team
        g< * You left #team.
        g< * You talk in #lobby now.
        a< * gus left #team.
        b< * gus left #team.
        g> /join #team
        g< * You are in #team now, with 2 others.
        a< * gus joined #team.
        b< * gus joined #team.
        -g
        a< * gus left #team.
        b< * gus left #team.
        +h
        h< * Welcome! You are guest-4 in #lobby, with nobody else. Try /nick NAME or /help.
        h> /nick gus
        h< * You are gus now.
        h> /join #team
        h< ! No room can be called #team here. Choose another name.
        b> /leave
        b< * You left #team.
        b< * You are in no room now. Enter one with /join #ROOM.
        a< * bob left #team.
        b> /join #team
        b< * You are in #team now, with 1 other.
        a< * bob joined #team.
        "##,
    );
}

#[test]
fn who_is_removed_gets_what_was_said_before_and_nothing_after() {
    let mut stage = three();
    stage.play(
        r##"
        a> /join #dev
        a< * You are in #dev now, with nobody else.
        b> /join #dev
        b< * You are in #dev now, with 1 other.
        a< * bob joined #dev.
        c> /join #dev
        c< * You are in #dev now, with 2 others.
        a< * carol joined #dev.
        b< * carol joined #dev.
        b> /kick carol
        b< ! Only the owner and moderators of #dev can do that.
        a> before
        a> /kick carol 10 spam
        a> after
        a< * alice removed carol from #dev: spam
        a< * carol is removed from #dev.
        b< [#dev] alice: before
        b< * alice removed carol from #dev: spam
        b< [#dev] alice: after
        c< [#dev] alice: before
        c< * alice removed you from #dev: spam
        c< * You are in no room now. Enter one with /join #ROOM.
        c> hello?
        c< ! You are in no room. Enter one with /join #ROOM.
        c> /join #dev
        c< ! You were removed from #dev. A moderator can let you in again.
        @+600000
        c> /join #dev
        c< * You are in #dev now, with 2 others.
        c< * The last 2 messages of #dev (UTC):
        c< *   2026-11-22 13:05:09 (1) alice: before
        c< *   2026-11-22 13:05:09 (2) alice: after
        a< * carol joined #dev.
        b< * carol joined #dev.
        a> /role bob moderator #dev
        a< * alice made bob a moderator of #dev.
        a< * bob is moderator of that room now.
        b< * alice made bob a moderator of #dev.
        c< * alice made bob a moderator of #dev.
        b> /kick alice
        b< ! You can remove those who may do less in this room than you.
        b> /kick carol
        a< * bob removed carol from #dev.
        b< * bob removed carol from #dev.
        b< * carol is removed from #dev.
        c< * bob removed you from #dev.
        c< * You are in no room now. Enter one with /join #ROOM.
        @+60000000
        c> /join #dev
        c< ! You were removed from #dev. A moderator can let you in again.
        b> /accept carol
        b< * carol may join #dev now.
        c< * bob lets you into #dev: /join #dev
        "##,
    );
}

#[test]
fn newcomers_see_what_the_room_shows_them_and_nothing_uncovers_more() {
    let mut stage = three();
    stage.play(
        r##"
        a> /join #dev
        a< * You are in #dev now, with nobody else.
        a> one
        a< * Nobody else is in #dev now. Whoever joins will see what you said.
        a> /room newcomers-see now
        a< * alice shows newcomers of #dev only what is said from then on.
        a> two
        b> /join #dev
        b< * You are in #dev now, with 1 other.
        a< * bob joined #dev.
        a> three
        b< [#dev] alice: three
        b> /history
        b< * The last message of #dev (UTC):
        b< *   2026-11-22 13:05:09 (3) alice: three
        a> /room newcomers-see all
        a< * alice shows newcomers of #dev what was said before.
        b< * alice shows newcomers of #dev what was said before.
        b> /history
        b< * The last message of #dev (UTC):
        b< *   2026-11-22 13:05:09 (3) alice: three
        b> /leave
        b< * You left #dev.
        b< * You are in no room now. Enter one with /join #ROOM.
        a< * bob left #dev.
        b> /join #dev
        b< * You are in #dev now, with 1 other.
        b< * The last message of #dev (UTC):
        b< *   2026-11-22 13:05:09 (3) alice: three
        a< * bob joined #dev.
        c> /join #dev
        c< * You are in #dev now, with 2 others.
        c< * The last 3 messages of #dev (UTC):
        c< *   2026-11-22 13:05:09 (1) alice: one
        c< *   2026-11-22 13:05:09 (2) alice: two
        c< *   2026-11-22 13:05:09 (3) alice: three
        a< * carol joined #dev.
        b< * carol joined #dev.
        "##,
    );
}

#[test]
fn one_asks_and_a_moderator_decides() {
    let mut stage = three();
    stage.play(
        r##"
        a> /join #ops
        a< * You are in #ops now, with nobody else.
        a> /room entry ask
        a< * alice made #ops a room that one asks to be let into.
        g> /join #ops
        g< ! #ops is for people with an account. /login NAME, or /register.
        b> /join #ops
        b< * You have asked to be let into #ops.
        a< * bob asks to be let into #ops: /accept bob #ops or /refuse bob #ops
        b> /join #ops
        b< * You have asked to be let into #ops.
        c> /join #ops
        c< * You have asked to be let into #ops.
        a< * carol asks to be let into #ops: /accept carol #ops or /refuse carol #ops
        a> /room
        a< * #ops: entry ask, listed yes, newcomers-see all, posting all, invites members, archived no
        a< *   owner: alice; you are owner there
        a< *   waiting to be let in: bob, carol
        a> /refuse carol
        a< * carol is not let into #ops.
        c< * You are not let into #ops.
        a> /refuse carol
        a< ! carol has not asked to be let into #ops.
        -a
        +d
        d< * Welcome! You are guest-4 in #lobby, with 1 other. Try /nick NAME or /help.
        g< * guest-4 joined #lobby.
        d> /login alice
        d< * Password of alice (it is not shown; Enter alone stops):
        d> password of alice
        d< * You are logged in as alice, in #ops, #lobby.
        d< * bob asks to be let into #ops: /accept bob #ops or /refuse bob #ops
        d< * You talk in #lobby. /history shows what was said.
        g< * alice joined #lobby.
        g< * guest-4 left #lobby.
        d> /accept bob #ops
        d< * bob may join #ops now.
        b< * alice lets you into #ops: /join #ops
        b> /join #ops
        b< * You are in #ops now, with 1 other.
        d< * bob joined #ops.
        b> /accept carol
        b< ! Only the owner and moderators of #ops can do that.
        "##,
    );
}

#[test]
fn an_invitation_lets_into_its_rooms_and_makes_an_account() {
    let mut stage = Stage::with_people(settings());
    stage.open("a", LINES, Visit::default());
    stage.say("a", &format!("/register {OWNER_CODE} alice"));
    stage.say("a", "password of alice");
    stage.forget();
    stage.play(
        r##"
        a> /join #team
        a< * You are in #team now, with nobody else.
        a> /room entry invited
        a< * alice made #team private.
        a< [#staff-log] server: alice made #team private.
        a> /invite #team 3 24
        a< * Invitation 1, to #team, for 3, until 2026-11-23 13:05:09 UTC: 4222-2222-2222
        a< *   At a terminal: /register 4222-2222-2222 NAME
        a< *   Into the room: /join #team 4222-2222-2222
        +b
        b< * Welcome! You are guest-2 in #lobby, with 1 other. Try /nick NAME or /help.
        a< * guest-2 joined #lobby.
        b> /join #team 2222-2222-2222
        b< ! This code is not known, or has been used, or is over.
        b> /join #none 4222-2222-2222
        b< ! This code is not known, or has been used, or is over.
        b> /join #team 4222 2222 2222
        b< ! That is not how /join works. Type it as: /join #ROOM [CODE]
        b> /join #team 4222-2222-2222
        b< * You are in #team now, with 1 other.
        a< * guest-2 joined #team.
        b> /join #team 4222-2222-2222
        b< * You are in #team now, with 1 other.
        a> /invitations
        a< * Your invitations; /invitations end N ends one:
        a< *   1, to #team, for 2, until 2026-11-23 13:05:09 UTC
        +c
        c< * Welcome! You are guest-3 in #lobby, with 2 others. Try /nick NAME or /help.
        a< * guest-3 joined #lobby.
        b< * guest-3 joined #lobby.
        c> /register 4222-2222-2222 carol
        c< * A password for carol, to be (it is not shown; Enter alone stops):
        c> password of carol
        c< * You are logged in as carol, in #lobby, #team.
        c< * You are in #team now, with 2 others.
        a< * guest-3 is carol now.
        b< * guest-3 is carol now.
        a< * carol joined #team.
        b< * carol joined #team.
        a> /kick carol
        a< * alice removed carol from #team.
        a< * carol is removed from #team.
        b< * alice removed carol from #team.
        c< * alice removed you from #team.
        c< * You talk in no room now. /join #ROOM says in which.
        c> this was meant for #team
        c< ! You talk in no room now. /join #ROOM says in which.
        c> /join #team 4222-2222-2222
        c< ! This code is not known, or has been used, or is over.
        a> /invitations
        a< * Your invitations; /invitations end N ends one:
        a< *   1, to #team, for one, until 2026-11-23 13:05:09 UTC
        "##,
    );
}

#[test]
fn a_room_has_another_name_and_the_one_before_leads_to_it() {
    let mut stage = three();
    stage.play(
        r##"
        a> /join #tool
        a< * You are in #tool now, with nobody else.
        b> /join #tool
        b< * You are in #tool now, with 1 other.
        a< * bob joined #tool.
        b> /rename #ops
        b< ! Only the owner of #tool can do that.
        a> /rename #lobby
        a< ! There is a room #lobby already. Choose another name.
        a> /rename #team
        a< * alice renamed #tool to #team.
        b< * alice renamed #tool to #team.
        c> /join #tool
        c< * You are in #team now, with 2 others.
        a< * carol joined #team.
        b< * carol joined #team.
        g> /join #t00l
        g< ! The room #t00l looks like #team, which is another one. Join that, or choose another name.
        a> /rename #Team
        a< * alice renamed #team to #Team.
        b< * alice renamed #team to #Team.
        c< * alice renamed #team to #Team.
        @+2592000001
        g> /join #tool
        g< * You are in #tool now, with nobody else.
        a> /rename #tool
        a< ! There is a room #tool already. Choose another name.
        "##,
    );
}

#[test]
fn what_is_archived_is_read_and_what_is_deleted_is_gone() {
    let mut stage = three();
    stage.play(
        r##"
        a> /join #dev
        a< * You are in #dev now, with nobody else.
        b> /join #dev
        b< * You are in #dev now, with 1 other.
        a< * bob joined #dev.
        a> /room posting moderators
        a< * alice lets only moderators talk in #dev.
        b< * alice lets only moderators talk in #dev.
        b> hello
        b< ! Only the owner and moderators talk in #dev.
        a> hello
        b< [#dev] alice: hello
        a> /room archived yes
        a< * alice archived #dev.
        b< * alice archived #dev.
        a> hello
        a< ! #dev is archived: it is there to be read.
        g> /rooms
        g< * 1 room, busiest first:
        g< *   #lobby (1 person, you talk here)
        b> /history
        b< * The last message of #dev (UTC):
        b< *   2026-11-22 13:05:09 (1) alice: hello
        a> /delete-room #Dev
        a< * You left #dev: it is deleted
        a< * You are in no room now. Enter one with /join #ROOM.
        a< * #dev is deleted.
        b< * alice removed you from #dev: it is deleted
        b< * You are in no room now. Enter one with /join #ROOM.
        b> /who #dev
        b< ! There is no room "#dev". /rooms lists those that there are.
        g> /join #dev
        g< * You are in #dev now, with nobody else.
        g> mine
        g< * Nobody else is in #dev now. Whoever joins will see what you said.
        g> /keep
        g< ! Only people with an account can do that here. /login NAME, or /register NAME.
        b> /join #dev
        b< * You are in #dev now, with 1 other.
        b< * The last message of #dev (UTC):
        b< *   2026-11-22 13:05:09 (2) gus: mine
        g< * bob joined #dev.
        b> /kick gus
        b< ! Only the owner and moderators of #dev can do that.
        b> /keep
        b< * bob keeps #dev.
        g< * bob keeps #dev.
        b> /kick gus 5
        b< * bob removed gus from #dev.
        b< * gus is removed from #dev.
        g< * bob removed you from #dev.
        g< * You talk in no room now. /join #ROOM says in which.
        "##,
    );
}

#[test]
fn the_lobby_stays_open_and_is_the_server_owners() {
    let mut stage = Stage::with_people(settings());
    stage.open("a", LINES, Visit::default());
    stage.say("a", &format!("/register {OWNER_CODE} alice"));
    stage.say("a", "password of alice");
    stage.open("g", LINES, Visit { name: Some("gus"), room: None });
    stage.forget();
    stage.play(
        r##"
        a> /room entry invited
        a< ! #lobby is where everybody comes in, and stays open.
        a> /room archived yes
        a< ! #lobby is where everybody comes in, and stays open.
        a> /delete-room #lobby
        a< ! #lobby stays as it is.
        a> /rename #hall
        a< ! #lobby stays as it is.
        a> /kick gus 1
        a< * alice removed gus from #lobby.
        a< [#staff-log] server: alice removed gus from #lobby.
        a< * gus is removed from #lobby.
        g< * alice removed you from #lobby.
        g< * You are in no room now. Enter one with /join #ROOM.
        g> /join #lobby
        g< ! You were removed from #lobby. A moderator can let you in again.
        @+60000
        g> /join #lobby
        g< * You are in #lobby now, with 1 other.
        a< * gus joined #lobby.
        "##,
    );
}

#[test]
fn programs_are_told_what_holds_in_a_room() {
    let mut stage = three();
    stage.say("a", "/token a bot");
    let told = stage.hear("a").join("");
    let token = told.rsplit(' ').next().expect("a token").to_owned();
    stage.show("p", &token);
    stage.forget();
    stage.play(
        r##"
        p> {"type":"join","room":"#dev","ref":1}
        p< {"type":"joined","room":"#dev","name":"alice","time":"_","you":true,"position":0,"gap":false,"members":1,"topic":"","entry":"accounts","role":"owner","read":0,"unread":0,"mentions":0,"level":"all","ref":1}
        a< * You are in #dev now, with nobody else.
        b> /join #dev
        b< * You are in #dev now, with 1 other.
        a< * bob joined #dev.
        p< {"type":"joined","room":"#dev","name":"bob","time":"_"}
        p> {"type":"room","room":"#dev","entry":"invited","invites":"moderators","ref":2}
        p< {"type":"room","room":"#dev","entry":"invited","listed":true,"newcomers_see":"all","posting":"all","invites":"moderators","archived":false,"kept":true,"owner":"alice","role":"owner","by":"alice","time":"_","ref":2}
        a< * alice made #dev private.
        a< * alice lets moderators of #dev invite others.
        b< * alice made #dev private.
        b< * alice lets moderators of #dev invite others.
        p> {"type":"rooms"}
        p< {"type":"rooms","rooms":[{"room":"#dev","members":2,"topic":"","entry":"invited"},{"room":"#lobby","members":1,"topic":""}],"total":2}
        p> {"type":"role","room":"#dev","name":"bob","role":"owner","ref":3}
        p< {"type":"role","room":"#dev","name":"bob","role":"owner","by":"alice","time":"_"}
        p< {"type":"done","what":"role","ref":3}
        a< * alice made bob the owner of #dev.
        b< * alice made bob the owner of #dev.
        p> {"type":"who","room":"#dev","ref":4}
        p< {"type":"members","room":"#dev","members":["alice","bob"],"accounts":["alice","bob"],"roles":{"alice":"moderator","bob":"owner"},"total":2,"ref":4}
        b> /kick alice 1 tea
        p< {"type":"left","room":"#dev","name":"alice","time":"_","reason":"tea","by":"bob","you":true}
        a< * bob removed you from #dev: tea
        b< * bob removed alice from #dev: tea
        b< * alice is removed from #dev.
        p> {"type":"history","room":"#dev","ref":5}
        p< {"type":"error","code":"no_such_room","message":"_","ref":5}
        "##,
    );
}

#[test]
fn what_an_ended_account_owned_is_somebody_elses() {
    let mut stage = three();
    stage.play(
        r##"
        a> /join #dev
        a< * You are in #dev now, with nobody else.
        b> /join #dev
        b< * You are in #dev now, with 1 other.
        a< * bob joined #dev.
        a> /join #silent
        a< * You are in #silent now, with nobody else.
        a> /delete-account
        a< * Your password (it is not shown; Enter alone stops):
        a> password of alice
        a< * Your account is gone. What you have said stays.
        a< * You are guest-4, a guest. /login NAME or /register.
        b< * alice left #dev.
        b< * alice made bob the owner of #dev.
        b> /room
        b< * #dev: entry accounts, listed yes, newcomers-see all, posting all, invites members, archived no
        b< *   owner: bob; you are owner there
        b> /who #silent
        b< ! There is no room "#silent". /rooms lists those that there are.
        "##,
    );
}

/// What was decided of a room, and of those who were in it, holds after a crash.
#[test]
fn a_crash_opens_no_door() {
    let disk = Disk::default();
    let start = || {
        let (store, loaded) = disk.start(100);
        let mut stage = Stage::with_store(open_settings(), store, loaded);
        stage.chat = stage.chat.with_secrets(Arc::new(KnownSecrets::default()));
        stage
    };
    let mut stage = start();
    for (actor, name) in [("a", "alice"), ("b", "bob"), ("c", "carol"), ("d", "dora")] {
        register(&mut stage, actor, name);
        stage.say(actor, "/leave");
        stage.forget();
    }
    for (actor, line) in [
        ("a", "/join #team"),
        ("a", "one"),
        ("a", "/room newcomers-see now"),
        ("b", "/join #team"),
        ("c", "/join #team"),
        ("a", "two"),
        ("a", "/role bob moderator #team"),
        ("a", "/room entry invited"),
        ("a", "/kick carol 10"),
        ("b", "/leave"),
        ("a", "/rename #crew"),
        ("a", "/invite #crew 2 24"),
        ("a", "/join #gone"),
        ("a", "bye"),
        ("a", "/delete-room #gone"),
        ("a", "/join #alone"),
        ("a", "/leave #alone"),
    ] {
        stage.say(actor, line);
    }
    stage.forget();
    let before = stage.chat.state().rules_of_all();
    disk.crash(0);
    let mut stage = start();
    assert_eq!(stage.chat.state().rules_of_all(), before);
    stage.open("x", JSON, Visit::default());
    stage.forget();
    for (name, from) in [("alice", Some(0)), ("bob", None), ("carol", None), ("dora", None)] {
        let state = stage.chat.state();
        let user = state.users().find(name).expect("an account").id;
        let crew = state.rooms().find("#crew").expect("a room that is kept").id;
        assert_eq!(state.sees_from(user, crew, stage.now.unix_ms), from, "{name}");
        let knows = ["alice", "bob"].contains(&name);
        assert_eq!(state.may_know(user, crew, stage.now.unix_ms), knows, "{name}");
    }
    assert_eq!(stage.chat.rooms(), 2, "#crew and #alone");
}

/// Who has left to tidy up a list comes back to what was said.
#[test]
fn a_private_room_is_handed_on_to_who_may_come_back() {
    let mut stage = super::people::open();
    for name in ["alice", "bob", "carol"] {
        super::people::register(&mut stage, name, name);
    }
    for line in ["/join #hq", "/room entry invited", "/invite bob", "/invite carol", "decided"] {
        stage.say("alice", line);
    }
    for name in ["bob", "carol"] {
        stage.say(name, "/join #hq");
    }
    stage.say("alice", "/kick bob");
    stage.say("carol", "/leave #hq");
    for line in ["/delete-account", "password of alice"] {
        stage.say("alice", line);
    }
    stage.forget();
    stage.say("carol", "/join #hq");
    let told = stage.hear("carol");
    assert!(told.iter().any(|told| told.ends_with(": decided")), "{told:?}");
    stage.say("carol", "/room");
    assert!(stage.hear("carol").iter().any(|told| told == "*   owner: carol; you are owner there"));
}

/// What its owner's account leaves behind is the server's owners', if they can know of it.
#[test]
fn where_nobody_inherits_a_room_the_servers_owners_do_unless_it_is_hidden() {
    let mut stage = super::people::open();
    for name in ["olga", "alice"] {
        super::people::register(&mut stage, name, name);
    }
    stage.open("kay", LINES, Visit { name: Some("kay"), room: None });
    for line in ["/join #ask", "/room entry ask", "decided", "/join #hq", "/room entry invited"] {
        stage.say("alice", line);
    }
    stage.say("alice", "/invite kay");
    stage.say("kay", "/join #hq");
    stage.say("alice", "our plans");
    stage.forget();
    for line in ["/delete-account", "password of alice"] {
        stage.say("alice", line);
    }
    let told = stage.hear("kay");
    assert!(told.contains(&"* alice removed you from #hq: it is deleted".to_owned()), "{told:?}");
    let rooms = stage.chat.state().rooms();
    assert!(rooms.find("#hq").is_none(), "nobody could come into it");
    let ask = rooms.find("#ask").expect("owners of the server can have it");
    assert_eq!(ask.history.next_id(), 2, "with what was said there");
}

/// Rooms that accounts make stay; but nobody misses one in which nothing was ever said.
#[test]
fn a_kept_room_that_was_never_used_makes_way_where_there_are_too_many() {
    for has_store in [false, true] {
        let rooms = RoomLimits { rooms_max: 4, ..settings().rooms };
        let settings = ChatSettings { rooms, ..open_settings() };
        let disk = Disk::default();
        let mut stage = match has_store {
            true => on(&disk, settings.clone()),
            false => Stage::with_people(settings.clone()),
        };
        register(&mut stage, "a", "alice");
        for room in ["#used", "#first", "#second"] {
            stage.say("a", &format!("/join {room}"));
            if room == "#used" {
                stage.say("a", "something");
            }
        }
        for room in ["#used", "#first", "#second"] {
            stage.say("a", &format!("/leave {room}"));
        }
        stage.forget();
        let join = |stage: &mut Stage, room: &str| {
            stage.say("a", &format!("/join {room}"));
            stage.hear("a").pop().expect("an answer")
        };
        // The one that nobody has been in for longest.
        assert_eq!(join(&mut stage, "#third"), "* You are in #third now, with nobody else.");
        assert_eq!(join(&mut stage, "#fourth"), "* You are in #fourth now, with nobody else.");
        assert!(
            join(&mut stage, "#fifth").starts_with("! This server has as many rooms"),
            "one was used"
        );
        let names = |stage: &Stage| {
            let rooms = stage.chat.state().rooms().iter();
            let mut names: Vec<String> = rooms.map(|room| room.name.to_string()).collect();
            names.sort();
            names
        };
        assert_eq!(names(&stage), ["#fourth", "#lobby", "#third", "#used"]);
        if has_store {
            stage.turn();
            disk.crash(0);
            assert_eq!(names(&on(&disk, settings)), ["#fourth", "#lobby", "#third", "#used"]);
        }
    }
}

/// Who is to own a room may not be in it, nor here at all.
#[test]
fn who_owns_a_room_now_is_told_so() {
    let mut stage = open();
    for (actor, name) in [("a", "alice"), ("b", "bob"), ("c", "carol")] {
        register(&mut stage, actor, name);
    }
    stage.open("j", JSON, Visit::default());
    stage.say("j", r#"{"type":"login","name":"bob","password":"password of bob"}"#);
    for (actor, line) in [
        ("a", "/join #dev"),
        ("b", "/join #dev"),
        ("a", "/role bob moderator #dev"),
        ("b", "/leave #dev"),
        ("c", "/join #dev"),
        ("a", "/join #tea"),
        ("c", "/join #tea"),
        ("a", "/delete-account"),
    ] {
        stage.say(actor, line);
    }
    stage.forget();
    stage.say("a", "password of alice");
    let of_roles = |told: Vec<String>| {
        told.into_iter().filter(|line| line.contains("the owner of")).collect::<Vec<_>>()
    };
    assert_eq!(of_roles(stage.hear("b")), ["* alice made bob the owner of #dev."]);
    let expected = ["* alice made bob the owner of #dev.", "* alice made carol the owner of #tea."];
    assert_eq!(of_roles(stage.hear("c")), expected);
    let told = stage.objects("j");
    let role = told.iter().find(|it| it["type"] == "role").expect("it is told");
    assert_eq!(
        (&role["room"], &role["name"], &role["role"]),
        (&"#dev".into(), &"bob".into(), &"owner".into())
    );
}

/// Whose room it is may be banned, or come no more.
#[test]
fn an_owner_of_the_server_deletes_a_room_of_somebody_who_is_banned() {
    let mut stage = open();
    stage.open("o", LINES, Visit::default());
    stage.say("o", &format!("/register {OWNER_CODE} olga"));
    stage.say("o", "password of olga");
    register(&mut stage, "a", "alice");
    for line in ["/join #spam", "buy this", "/join #den", "/room entry invited"] {
        stage.say("a", line);
    }
    stage.say("o", "/ban alice");
    stage.forget();
    stage.play(
        "
        o> /room #spam entry all
        o< ! You are not in the room \"#spam\". Enter it with /join.
        o> /delete-room #den
        o< ! There is no room \"#den\". /rooms lists those that there are.
        o> /delete-room #spam
        o< [#staff-log] server: olga deleted #spam.
        o< * #spam is deleted.
        ",
    );
}

#[test]
fn a_moderator_is_one_of_the_room_where_one_talks() {
    let mut stage = open();
    register(&mut stage, "a", "alice");
    register(&mut stage, "b", "bob");
    stage.play(
        "
        a> /join #dev
        a< * You are in #dev now, with nobody else.
        b> /join #dev
        b< * You are in #dev now, with 1 other.
        a< * bob joined #dev.
        b> /role alice moderator
        b< ! Only the owner of #dev can do that.
        a> /role bob moderator
        a< * alice made bob a moderator of #dev.
        a< * bob is moderator of that room now.
        b< * alice made bob a moderator of #dev.
        a> /role bob owner
        a< ! Only owners of this server can do that. In a room: /role NAME ROLE #ROOM.
        ",
    );
}
