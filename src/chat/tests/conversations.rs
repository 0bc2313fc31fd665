//! What two accounts say to each other: kept, on all devices of both, and for nobody else.

use std::sync::Arc;

use super::kept::disk::Disk;
use super::known_secrets::KnownSecrets;
use super::stage::{JSON, LINES, Stage, Visit, open_settings, settings};
use crate::chat::settings::ChatSettings;
use crate::chat::state::history::HistoryLimits;
use crate::chat::state::rooms::RoomLimits;
use crate::service::{Kept, Outcome, Service};

/// Where anybody can have an account, and nothing is kept on a disk.
fn in_memory() -> Stage {
    Stage::with_people(open_settings())
}

/// The same with a disk.
pub fn on(disk: &Disk, settings: ChatSettings) -> Stage {
    let (store, loaded) = disk.start(100);
    let mut stage = Stage::with_store(settings, store, loaded);
    stage.chat = stage.chat.with_secrets(Arc::new(KnownSecrets::default()));
    stage
}

/// With so few messages of a room in memory that others have to be read.
pub fn small(messages_max: usize) -> ChatSettings {
    let history = HistoryLimits { messages_max, bytes_max: 100_000 };
    ChatSettings { rooms: RoomLimits { history, ..settings().rooms }, ..open_settings() }
}

/// Somebody at a terminal makes an account of the name that it has in the script.
pub fn register(stage: &mut Stage, names: &[&str]) {
    for name in names {
        stage.open(name, LINES, Visit::default());
        stage.say(name, &format!("/register {name}"));
        stage.say(name, &format!("password of {name}"));
        stage.forget();
    }
}

/// A program is another device of somebody.
pub fn log_in(stage: &mut Stage, actor: &str, name: &str) {
    stage.open(actor, JSON, Visit::default());
    let login = r#"{"type":"login","name":"#;
    stage.say(actor, &format!(r#"{login}"{name}","password":"password of {name}"}}"#));
    stage.forget();
}

#[test]
fn what_two_accounts_say_reaches_all_devices_of_both_once_and_is_kept() {
    for stage in [&mut in_memory(), &mut on(&Disk::default(), small(1))] {
        register(stage, &["alice", "bob", "carol"]);
        log_in(stage, "a2", "alice");
        log_in(stage, "b2", "bob");
        stage.play(
            r##"
            alice> /msg bob hello
            alice< [you -> bob] hello
            a2< {"type":"direct","from":"alice","to":"bob","id":1,"text":"hello","time":"_"}
            bob< [alice -> you] hello
            b2< {"type":"direct","from":"alice","to":"bob","id":1,"text":"hello","time":"_"}
            b2> {"type":"msg","to":"alice","text":"yes?","ref":7}
            b2< {"type":"direct","from":"bob","to":"alice","id":2,"text":"yes?","time":"_","ref":7}
            bob< [you -> alice] yes?
            alice< [bob -> you] yes?
            a2< {"type":"direct","from":"bob","to":"alice","id":2,"text":"yes?","time":"_"}
            a2> {"type":"history","to":"Bob","ref":1}
            a2< {"type":"history","with":"bob","messages":[{"id":1,"time":"_","name":"alice","text":"hello"},{"id":2,"time":"_","name":"bob","text":"yes?"}],"more":false,"ref":1}
            a2> {"type":"history","to":"bob","after":1}
            a2< {"type":"history","with":"bob","messages":[{"id":2,"time":"_","name":"bob","text":"yes?"}],"more":false}
            a2> {"type":"history","to":"bob","before":2,"limit":1}
            a2< {"type":"history","with":"bob","messages":[{"id":1,"time":"_","name":"alice","text":"hello"}],"more":false}
            bob> /history @alice 1
            bob< * The last message between you and alice (UTC):
            bob< *   2026-11-22 13:05:09 (2) bob: yes?
            carol> /history @alice
            carol< * Nothing was said between you and alice yet.
            carol> /conversations
            carol< * You have no conversations. Begin one with /msg.
            carol> /history @1:2
            carol< ! Nobody here is called "1:2". /who lists who is in a room.
            carol> /join @1:2
            carol< ! A room's name…
            carol> /rooms
            carol< * 1 room, busiest first:
            carol< *   #lobby (3 people, you talk here)
            "##,
        );
    }
}

#[test]
fn who_is_offline_finds_it_later() {
    for stage in [&mut in_memory(), &mut on(&Disk::default(), small(1))] {
        register(stage, &["alice", "bob", "carol"]);
        stage.leave("bob");
        stage.play(
            "
            alice> /msg bob are you there?
            alice< [you -> bob] are you there?
            alice> /msg bob hello?
            alice< [you -> bob] hello?
            carol> /msg alice and you?
            carol< [you -> alice] and you?
            alice< [carol -> you] and you?
            alice> /conversations
            alice< * 2 conversations, the latest first:
            alice< *   carol: 2026-11-22 13:05:09 (1) and you?
            alice< *   bob (offline): 2026-11-22 13:05:09 (2) you: hello?
            ",
        );
        log_in(stage, "b", "bob");
        stage.play(
            r##"
            b> {"type":"conversations","ref":1}
            b< {"type":"conversations","conversations":[{"with":"alice","last":2,"time":"_","text":"hello?"}],"total":1,"ref":1}
            b> {"type":"history","to":"alice"}
            b< {"type":"history","with":"alice","messages":[{"id":1,"time":"_","name":"alice","text":"are you there?"},{"id":2,"time":"_","name":"alice","text":"hello?"}],"more":false}
            "##,
        );
    }
}

#[test]
fn pages_of_conversations_go_on_where_the_one_before_ended() {
    for stage in [&mut in_memory(), &mut on(&Disk::default(), small(0))] {
        let names: Vec<String> = (0..4).map(|number| format!("n{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        register(stage, &names);
        register(stage, &["alice"]);
        for name in &names {
            stage.say("alice", &format!("/msg {name} to {name}"));
        }
        log_in(stage, "a2", "alice");
        let mut page = |after: u64| {
            stage.say("a2", &format!(r#"{{"type":"conversations","after":{after},"limit":3}}"#));
            let answer = stage.objects("a2").pop().expect("an answer");
            let rows = answer["conversations"].as_array().expect("rows").clone();
            let with = rows.iter().map(|row| {
                let with = row["with"].as_str().expect("a name").to_owned();
                assert_eq!(row["text"], format!("to {with}"));
                assert_eq!((&row["me"], &answer["total"]), (&true.into(), &4.into()));
                with
            });
            (with.collect::<Vec<_>>(), answer["next"].as_u64())
        };
        assert_eq!(page(0), (["n3", "n2", "n1"].map(str::to_owned).to_vec(), Some(3)));
        assert_eq!(page(3), (["n0"].map(str::to_owned).to_vec(), None));
        assert_eq!(page(4), (Vec::new(), None));
    }
}

#[test]
fn a_conversation_is_of_accounts_and_not_of_names() {
    let mut stage = in_memory();
    register(&mut stage, &["alice", "bob", "carol"]);
    stage.play(
        "
        alice> /msg bob a secret
        alice< [you -> bob] a secret
        bob< [alice -> you] a secret
        bob> /nick robert
        bob< * You are robert now.
        alice< * bob is robert now.
        carol< * bob is robert now.
        alice> /history @robert
        alice< * The last message between you and robert (UTC):
        alice< *   2026-11-22 13:05:09 (1) alice: a secret
        alice> /history @bob
        alice< ! Nobody here is called \"bob\". /who lists who is in a room.
        bob> /msg alice still me
        bob< [you -> alice] still me
        alice< [robert -> you] still me
        bob> /nick bob
        bob< * You are bob now.
        alice< * robert is bob now.
        carol< * robert is bob now.
        alice> /history @bob
        alice< * The last 2 messages between you and bob (UTC):
        alice< *   2026-11-22 13:05:09 (1) alice: a secret
        alice< *   2026-11-22 13:05:09 (2) bob: still me
        bob> /delete-account
        bob< * Your password (it is not shown; Enter alone stops):
        bob> password of bob
        bob< * Your account is gone. What you have said stays.
        bob< * You are guest-4, a guest. /login NAME or /register.
        alice< * bob left #lobby.
        carol< * bob left #lobby.
        alice> /conversations
        alice< * 1 conversation, the latest first:
        alice< *   someone who left: 2026-11-22 13:05:09 (2) still me
        alice> /history @someone who left 1
        alice< * The last message between you and someone who left (UTC):
        alice< *   2026-11-22 13:05:09 (2) someone who left: still me
        alice> /msg bob are you there?
        alice< ! Nobody here is called \"bob\". /who lists who is in a room.
        @+2592000000
        carol> /nick bob
        carol< * You are bob now.
        alice< * carol is bob now.
        alice> /history @bob
        alice< * Nothing was said between you and bob yet.
        carol> /history @alice
        carol< * Nothing was said between you and alice yet.
        carol> /msg alice hello
        carol< [you -> alice] hello
        alice< [bob -> you] hello
        alice> /history @bob
        alice< * The last message between you and bob (UTC):
        alice< *   2026-12-22 13:05:09 (1) bob: hello
        ",
    );
}

#[test]
fn those_who_have_left_are_told_apart() {
    let mut stage = in_memory();
    register(&mut stage, &["alice", "bob", "carol", "dora"]);
    for name in ["dora", "bob", "carol"] {
        stage.say("alice", &format!("/msg {name} to {name}"));
    }
    stage.say("carol", "what carol says in the lobby");
    for name in ["bob", "carol"] {
        stage.say(name, "/delete-account");
        stage.say(name, &format!("password of {name}"));
    }
    stage.forget();
    stage.play(
        "
        alice> /conversations
        alice< * 3 conversations, the latest first:
        alice< *   someone who left (2): 2026-11-22 13:05:09 (1) you: to carol
        alice< *   someone who left: 2026-11-22 13:05:09 (1) you: to bob
        alice< *   dora: 2026-11-22 13:05:09 (1) you: to dora
        alice> /history @someone who left (2)
        alice< * The last message between you and someone who left (2) (UTC):
        alice< *   2026-11-22 13:05:09 (1) alice: to carol
        alice> /history @someone who left (2) 5
        alice< * The last message between you and someone who left (2) (UTC):
        alice< *   2026-11-22 13:05:09 (1) alice: to carol
        alice> /history @someone who left (3)
        alice< ! Nobody here is called \"someone who left (3)\". /who lists who is in a room.
        dora> /history @someone who left
        dora< ! Nobody here is called \"someone who left\". /who lists who is in a room.
        alice> /history
        alice< * The last message of #lobby (UTC):
        alice< *   2026-11-22 13:05:09 (1) someone who left: what carol says in the lobby
        +eve
        eve< * Welcome! You are guest-7 in #lobby, with 2 others. Try /nick NAME or /help.
        eve< * The last message of #lobby (UTC):
        eve< *   2026-11-22 13:05:09 (1) someone who left: what carol says in the lobby
        alice< * guest-7 joined #lobby.
        dora< * guest-7 joined #lobby.
        ",
    );
}

#[test]
fn one_may_write_to_oneself() {
    let mut stage = in_memory();
    register(&mut stage, &["alice"]);
    log_in(&mut stage, "a2", "alice");
    stage.play(
        r##"
        alice> /msg alice milk
        alice< [you -> alice] milk
        a2< {"type":"direct","from":"alice","to":"alice","id":1,"text":"milk","time":"_"}
        alice> /history @alice
        alice< * The last message between you and alice (UTC):
        alice< *   2026-11-22 13:05:09 (1) alice: milk
        a2> {"type":"conversations"}
        a2< {"type":"conversations","conversations":[{"with":"alice","last":1,"time":"_","text":"milk","me":true}],"total":1}
        "##,
    );
}

#[test]
fn what_guests_say_is_passed_on_and_kept_nowhere() {
    let mut stage = in_memory();
    register(&mut stage, &["alice"]);
    log_in(&mut stage, "a2", "alice");
    stage.seat(&["gus", "guy"]);
    stage.open("web", JSON, Visit { name: Some("web"), room: None });
    stage.forget();
    stage.play(
        r##"
        gus> /msg guy psst
        gus< [you -> guy] psst
        guy< [gus -> you] psst
        gus> /msg alice hello
        gus< [you -> alice] hello
        alice< [guest gus -> you] hello
        a2< {"type":"direct","from":"gus","to":"alice","text":"hello","time":"_","guest":true}
        alice> /msg gus yes?
        alice< [you -> guest gus] yes?
        a2< {"type":"direct","from":"alice","to":"gus","text":"yes?","time":"_","guest":true}
        gus< [alice -> you] yes?
        web> {"type":"msg","to":"guy","text":"beep","ref":1}
        web< {"type":"direct","from":"web","to":"guy","text":"beep","time":"_","guest":true,"ref":1}
        guy< [web -> you] beep
        alice> /history @gus
        alice< ! gus is a guest: what is said to guests is not kept.
        alice> /conversations
        alice< * You have no conversations. Begin one with /msg.
        gus> /conversations
        gus< ! Only people with an account…
        gus> /history @alice
        gus< ! Only people with an account…
        -alice
        -a2
        gus> /msg alice still there?
        gus< ! alice is not connected now. Say it in a room that you share.
        "##,
    );
}

#[test]
fn after_a_restart_conversations_go_on_where_they_were() {
    let disk = Disk::default();
    let mut stage = on(&disk, small(2));
    register(&mut stage, &["alice", "bob", "carol"]);
    for line in ["/msg bob one", "/msg bob two", "/msg bob three", "/msg carol hello"] {
        stage.say("alice", line);
    }
    let direct = r#"{"type":"msg","to":"bob","text":"four","key":"k","ref":1}"#;
    log_in(&mut stage, "a2", "alice");
    stage.say("a2", direct);
    let first = stage.objects("a2");
    assert_eq!((&first[0]["id"], &first[0]["ref"]), (&4.into(), &1.into()));
    stage.forget();
    disk.crash(0);
    let mut stage = on(&disk, small(2));
    log_in(&mut stage, "a", "alice");
    stage.pass(1000);
    stage.say("a", direct);
    assert_eq!(stage.objects("a"), first, "it is sent again, and said once");
    stage.play(
        r##"
        a> {"type":"conversations"}
        a< {"type":"conversations","conversations":[{"with":"bob","last":4,"time":"_","text":"four","me":true,"offline":true},{"with":"carol","last":1,"time":"_","text":"hello","me":true,"offline":true}],"total":2}
        a> {"type":"history","to":"bob","limit":3}
        a< {"type":"history","with":"bob","messages":[{"id":2,"time":"_","name":"alice","text":"two"},{"id":3,"time":"_","name":"alice","text":"three"},{"id":4,"time":"_","name":"alice","text":"four"}],"more":true}
        a> {"type":"msg","to":"bob","text":"five"}
        a< {"type":"direct","from":"alice","to":"bob","id":5,"text":"five","time":"_"}
        a> {"type":"rooms"}
        a< {"type":"rooms","rooms":[{"room":"#lobby","members":3,"topic":""}],"total":1}
        "##,
    );
    let log = disk.log();
    assert_eq!(log.said.iter().filter(|(_, room, _)| room.starts_with('@')).count(), 6);
}

#[test]
fn nobody_is_shown_what_is_not_durable() {
    let disk = Disk::default();
    let mut stage = on(&disk, small(100));
    register(&mut stage, &["alice", "bob"]);
    disk.set_latency(1000);
    stage.say("alice", "/msg bob lost");
    assert_eq!((stage.hear("alice"), stage.hear("bob")), (vec![], vec![]), "it is held");
    disk.fail();
    assert_eq!(stage.chat.stored(&mut stage.out), Kept::Lost);
    assert_eq!(stage.chat.state().rooms().conversation_count(), 0, "and it is lost");
    disk.crash(0);
    disk.set_latency(0);
    let mut stage = on(&disk, small(100));
    log_in(&mut stage, "a", "alice");
    log_in(&mut stage, "b", "bob");
    disk.set_latency(1000);
    stage.say("a", r#"{"type":"msg","to":"bob","text":"kept"}"#);
    assert_eq!(stage.objects("b").len(), 0, "it is held");
    assert!(disk.pass(stage.now.ms + 1000));
    stage.turn();
    let told = stage.objects("b");
    assert_eq!((&told[0]["text"], &told[0]["id"]), (&"kept".into(), &1.into()));
    assert_eq!(stage.objects("a").len(), 1);
}

#[test]
fn with_a_full_disk_accounts_cannot_write_to_each_other() {
    let disk = Disk::default();
    let mut stage = on(&disk, small(100));
    register(&mut stage, &["alice", "bob"]);
    stage.seat(&["gus"]);
    stage.forget();
    disk.set_full(true);
    stage.play(
        "
        alice> /msg bob hello
        alice< ! The disk is full: nothing can be said until there is room.
        gus> /msg bob hello
        gus< [you -> bob] hello
        bob< [guest gus -> you] hello
        ",
    );
}

#[test]
fn what_has_expired_is_told_to_neither() {
    let disk = Disk::default();
    let mut stage = on(&disk, small(100));
    register(&mut stage, &["alice", "bob"]);
    for line in ["/msg bob one", "/msg bob two"] {
        stage.say("alice", line);
    }
    stage.forget();
    disk.expire(1);
    stage.turn();
    stage.play(
        "
        bob> /history @alice
        bob< * The last message between you and alice (UTC):
        bob< *   2026-11-22 13:05:09 (2) alice: two
        ",
    );
    disk.expire(1);
    stage.turn();
    stage.turn();
    assert!(disk.rooms().keys().all(|name| &**name == "#lobby"), "nothing is left of it");
    stage.play(
        "
        bob> /conversations
        bob< * You have no conversations. Begin one with /msg.
        bob> /msg alice three
        bob< [you -> alice] three
        alice< [bob -> you] three
        bob> /history @alice
        bob< * The last message between you and alice (UTC):
        bob< *   2026-11-22 13:05:09 (3) bob: three
        ",
    );
}

#[test]
fn quiet_conversations_leave_memory_first_and_are_read_again() {
    let disk = Disk::default();
    let rooms = RoomLimits { history_bytes_max: 2_000, ..settings().rooms };
    let settings = ChatSettings { rooms, ..open_settings() };
    for mut stage in [Stage::with_people(settings.clone()), on(&disk, settings.clone())] {
        register(&mut stage, &["alice", "bob", "carol"]);
        stage.say("alice", &format!("/msg bob {}", "x".repeat(900)));
        stage.say("alice", &format!("/msg carol {}", "y".repeat(900)));
        stage.say("alice", &format!("/msg carol {}", "z".repeat(900)));
        stage.forget();
        let held: usize = stage.chat.state().rooms().iter().map(|room| room.history.len()).sum();
        assert_eq!(held, 2, "those that were said last");
        stage.say("alice", "/history @bob");
        let told = stage.hear("alice");
        match stage.chat.keeping.is_some() {
            true => assert!(told[1].ends_with("xxx"), "{told:?}"),
            false => assert_eq!(told, ["* Nothing was said between you and bob yet."]),
        }
        stage.say("bob", "/msg alice hello");
        stage.forget();
        stage.say("alice", "/history @bob");
        assert!(stage.hear("alice").last().is_some_and(|told| told.ends_with("bob: hello")));
    }
}

#[test]
fn what_is_said_waits_for_who_is_behind_and_not_for_who_is_offline() {
    let mut stage = in_memory();
    register(&mut stage, &["alice", "bob"]);
    stage.seat(&["gus"]);
    let large = "x".repeat(60_000);
    // Nobody takes what bob is told.
    for sender in ["gus", "gus", "gus", "alice", "alice"] {
        let outcome = stage.offer(sender, format!("/msg bob {large}").as_bytes());
        assert!(matches!(outcome, Outcome::Done), "{outcome:?}");
    }
    let said = |stage: &Stage| {
        let rooms = stage.chat.state().rooms();
        rooms.iter().find(|room| room.between().is_some()).map(|room| room.history.next_id() - 1)
    };
    stage.offer("alice", b"/msg bob it waits");
    assert_eq!(said(&stage), Some(2), "it waits");
    stage.turn();
    assert_eq!(said(&stage), Some(3));
    stage.leave("bob");
    stage.say("alice", "/msg bob it is kept");
    assert_eq!(said(&stage), Some(4));
}

#[test]
fn a_search_finds_ones_own_conversations_and_no_others() {
    let disk = Disk::default();
    let mut stage = on(&disk, small(100));
    register(&mut stage, &["alice", "bob", "carol"]);
    stage.say("alice", "tea in the lobby");
    stage.say("alice", "/msg bob tea with bob");
    stage.say("bob", "/msg carol tea with carol");
    log_in(&mut stage, "a2", "alice");
    stage.seat(&["gus"]);
    stage.forget();
    stage.play(
        r##"
        a2> {"type":"search","text":"tea","ref":1}
        a2< {"type":"found","hits":[{"with":"bob","id":1,"time":"_","name":"alice","text":"tea with bob"},{"room":"#lobby","id":1,"time":"_","name":"alice","text":"tea in the lobby"}],"ref":1}
        a2> {"type":"search","text":"tea in:@carol"}
        a2< {"type":"found","hits":[]}
        bob> /search tea in:@carol
        bob< * Found 1 message (UTC):
        bob< *   2026-11-22 13:05:09 @carol (1) bob: tea with carol
        carol> /search tea
        carol< * Found 2 messages (UTC):
        carol< *   2026-11-22 13:05:09 #lobby (1) alice: tea in the lobby
        carol< *   2026-11-22 13:05:09 @bob (1) bob: tea with carol
        gus> /search tea in:@alice
        gus< ! Only people with an account…
        carol> /search tea in:@nobody-here
        carol< ! Nobody here is called "nobody-here". /who lists who is in a room.
        bob> /delete-account
        bob< * Your password (it is not shown; Enter alone stops):
        bob> password of bob
        bob< * Your account is gone. What you have said stays.
        bob< * You are guest-5, a guest. /login NAME or /register.
        alice< * bob left #lobby.
        carol< * bob left #lobby.
        gus< * bob left #lobby.
        a2< {"type":"left","room":"#lobby","name":"bob","time":"_"}
        bob> /search tea
        bob< * Found 1 message (UTC):
        bob< *   2026-11-22 13:05:09 #lobby (1) alice: tea in the lobby
        carol> /search tea in:@someone
        carol< ! Nobody here is called "someone". /who lists who is in a room.
        carol> /search carol
        carol< * Found 1 message (UTC):
        carol< *   2026-11-22 13:05:09 @someone who left (1) someone who left: tea with carol
        a2> {"type":"search","text":"tea","to":"someone who left"}
        a2< {"type":"found","hits":[{"with":"someone who left","id":1,"time":"_","name":"alice","text":"tea with bob"}]}
        "##,
    );
}
