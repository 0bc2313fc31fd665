//! With a store: what is kept outlives the server, and is there for those who ask for it.

#[path = "../../../tests/simulation/disk.rs"]
mod disk;

use super::stage::{JSON, Stage, Visit, settings};
use crate::chat::settings::ChatSettings;
use crate::chat::state::{history, rooms};
use crate::delivery::Wait;
use crate::service::{Kept, Outcome, Service};
use crate::site::Health;
use disk::Disk;

/// As little in memory as makes a difference.
fn tiny(rooms_max: usize, messages_max: usize) -> ChatSettings {
    let history = history::HistoryLimits { messages_max, bytes_max: 100_000 };
    let rooms = rooms::RoomLimits { rooms_max, history, ..settings().rooms };
    ChatSettings { rooms, ..settings() }
}

fn start(disk: &Disk, settings: ChatSettings) -> Stage {
    let (store, loaded) = disk.start(100);
    Stage::with_store(settings, store, loaded)
}

#[test]
fn after_a_restart_all_goes_on_where_it_was() {
    let disk = Disk::default();
    let mut stage = start(&disk, settings());
    stage.play(
        r##"
        +web json room=dev
        web< {"type": "welcome", "name": "guest-1", "epoch": "of the data", "server": "_", "time": "_", "limits": "_"}
        web< {"type": "joined", "room": "#dev", "name": "guest-1", "time": "_", "you": true, "position": 0, "gap": false, "members": 1, "topic": ""}
        web> {"type": "topic", "text": "releases", "ref": 1}
        web< {"type": "topic", "room": "#dev", "topic": "releases", "name": "guest-1", "time": "_", "ref": 1}
        web> {"type": "say", "text": "one", "ref": 2}
        web< {"type": "said", "room": "#dev", "id": 1, "time": "_", "name": "guest-1", "text": "one", "ref": 2}
        web> {"type": "say", "text": "two", "ref": 3}
        web< {"type": "said", "room": "#dev", "id": 2, "time": "_", "name": "guest-1", "text": "two", "ref": 3}
        "##,
    );
    disk.crash(0);
    let other = ChatSettings { epoch: "another".to_owned(), ..settings() };
    let mut stage = start(&disk, other);
    stage.play(
        r##"
        +web json
        web< {"type": "welcome", "name": "guest-2", "epoch": "of the data", "server": "_", "time": "_", "limits": "_"}
        web> {"type": "join", "room": "dev", "since": 1, "epoch": "of the data"}
        web< {"type": "joined", "room": "#dev", "name": "guest-2", "time": "_", "you": true, "position": 2, "gap": false, "members": 1, "topic": "releases"}
        web< {"type": "history", "room": "#dev", "messages": [{"id": 2, "time": "_", "name": "guest-1", "text": "two"}], "more": true, "replay": true}
        web> {"type": "say", "text": "three", "ref": 4}
        web< {"type": "said", "room": "#dev", "id": 3, "time": "_", "name": "guest-2", "text": "three", "ref": 4}
        web> {"type": "rooms"}
        web< {"type": "rooms", "rooms": [{"room": "#dev", "members": 1, "topic": "releases"}], "total": 1}
        "##,
    );
}

#[test]
fn a_room_in_which_nothing_was_said_is_not_kept() {
    let disk = Disk::default();
    let mut stage = start(&disk, settings());
    stage.seat(&["alice"]);
    stage.say("alice", "/join #quiet");
    assert!(disk.rooms().is_empty());
    stage.say("alice", "/topic nothing yet");
    assert_eq!(disk.rooms().len(), 1, "a topic is kept");
    stage.say("alice", "/leave");
    assert!(disk.rooms().is_empty(), "nobody is there, and nothing was said");
}

#[test]
fn a_room_that_memory_has_no_place_for_is_there_when_somebody_asks() {
    let disk = Disk::default();
    let mut stage = start(&disk, tiny(2, 100));
    stage.seat(&["alice", "bob"]);
    for request in ["/join #zoo", "a lion", "/leave", "/join #tea", "/leave #tea"] {
        stage.say("alice", request);
    }
    stage.forget();
    stage.play(
        "
        bob> /rooms
        bob< * 1 room, busiest first:
        bob< *   #lobby (2 people)
        alice> /join #tea
        alice< * You are in #tea now, with nobody else.
        bob> /rooms
        bob< * 2 rooms, busiest first:
        bob< *   #lobby (2 people)
        bob< *   #tea (1 person)
        bob> /join #z0o
        bob< ! The room #z0o looks like #zoo, which is another one. Join that, or choose another name.
        bob> /join #zoo
        bob< ! This server has as many rooms as it can hold. Join one of those in /rooms.
        alice> /leave #tea
        alice< * You left #tea.
        alice< * You talk in #lobby now.
        bob> /who #zoo
        bob< * Nobody is in #zoo.
        bob> /who #nowhere
        bob< ! There is no room \"#nowhere\". /rooms lists those that there are.
        bob> /join #zoo
        bob< * You are in #zoo now, with nobody else.
        bob< * The last message of #zoo (UTC):
        bob< *   2026-11-22 13:05:09 (1) alice: a lion
        ",
    );
}

#[test]
fn who_comes_to_a_room_that_is_not_in_memory_is_there_once_it_is_read() {
    let disk = Disk::default();
    let mut stage = start(&disk, tiny(1, 100));
    stage.seat(&["alice"]);
    stage.say("alice", "in the lobby");
    stage.leave("alice");
    stage.turn();
    // Only one room has a place.
    stage.open("bob", JSON, Visit { name: Some("bob"), room: Some("dev") });
    assert_eq!(stage.objects("bob")[1]["type"], "joined");
    stage.say("bob", r#"{"type": "say", "text": "in dev"}"#);
    stage.leave("bob");
    stage.turn();
    stage.play(
        "
        +carol
        carol< * Welcome! You are guest-1 in #lobby, with nobody else. Try /nick NAME or /help.
        carol< * The last message of #lobby (UTC):
        carol< *   2026-11-22 13:05:09 (1) alice: in the lobby
        ",
    );
}

#[test]
fn what_the_store_was_found_not_to_have_is_not_asked_for_again() {
    let disk = Disk::default();
    let mut stage = start(&disk, tiny(2, 100));
    for name in ["alice", "bob", "carol"] {
        stage.seat(&[name]);
        stage.say(name, "/join #tea");
        stage.say(name, "/leave #lobby");
    }
    assert_eq!(stage.asked, 2, "each room once, though the lobby was left empty twice");
    stage.say("alice", "/who #z0o");
    assert_eq!(stage.asked, 3);
    // A room that looks like it is kept, and leaves memory.
    for request in ["/join #zoo", "a lion", "/leave", "/join #cup", "/leave #cup"] {
        stage.say("bob", request);
    }
    stage.forget();
    stage.play(
        "
        alice> /join #z0o
        alice< ! The room #z0o looks like #zoo, which is another one. Join that, or choose another name.
        ",
    );
}

#[test]
fn pages_reach_all_that_is_kept_and_meet_what_is_in_memory() {
    let disk = Disk::default();
    let mut stage = start(&disk, tiny(100, 3));
    stage.open("web", JSON, Visit { name: Some("web"), room: Some("dev") });
    for id in 1..=20 {
        stage.say("web", &format!(r#"{{"type": "say", "text": "{id}"}}"#));
    }
    stage.forget();
    let mut page = |fields: &str| {
        stage.say("web", &format!(r#"{{"type": "history", {fields}}}"#));
        let answer = stage.objects("web").pop().expect("an answer");
        let ids = answer["messages"].as_array().expect("messages").iter();
        let ids: Vec<u64> = ids.map(|message| message["id"].as_u64().expect("an id")).collect();
        (ids, answer["more"] == true)
    };
    assert_eq!(page(r#""limit": 3"#), (vec![18, 19, 20], true), "from memory");
    assert_eq!(page(r#""limit": 4"#), (vec![17, 18, 19, 20], true));
    assert_eq!(page(r#""limit": 100"#), ((1..=20).collect(), false));
    assert_eq!(page(r#""before": 4, "limit": 3"#), (vec![1, 2, 3], false));
    assert_eq!(page(r#""before": 5, "limit": 3"#), (vec![2, 3, 4], true));
    assert_eq!(page(r#""before": 1"#), (vec![], false));
    assert_eq!(page(r#""after": 0, "limit": 2"#), (vec![1, 2], true));
    assert_eq!(page(r#""after": 15, "limit": 5"#), ((16..=20).collect(), false));
    assert_eq!(page(r#""after": 20"#), (vec![], false));
    stage.say("web", r##"{"type": "join", "room": "#dev", "since": 5}"##);
    let told = stage.objects("web");
    assert_eq!((told[0]["gap"].as_bool(), told[0]["position"].as_u64()), (Some(false), Some(20)));
    assert_eq!(told[1]["messages"].as_array().map(Vec::len), Some(15), "all that was missed");
}

#[test]
fn a_message_that_is_sent_again_is_said_once() {
    let disk = Disk::default();
    let say = r##"{"type": "say", "room": "#dev", "text": "once", "key": "k1", "ref": 7}"##;
    let mut stage = start(&disk, tiny(100, 0));
    stage.open("web", JSON, Visit { name: Some("web"), room: Some("dev") });
    stage.open("other", JSON, Visit { name: Some("other"), room: Some("dev") });
    stage.forget();
    stage.say("web", say);
    let first = stage.objects("web");
    assert_eq!((&first[0]["id"], &first[0]["ref"]), (&1.into(), &7.into()));
    assert_eq!(stage.objects("other").len(), 1);
    stage.pass(1000);
    stage.say("web", say);
    assert_eq!(stage.objects("web"), first, "the same answer");
    assert_eq!(stage.objects("other").len(), 0, "nobody else is told");
    stage.say("other", &say.replace("#dev", "#lobby").replace("say", "join"));
    stage.say("other", &say.replace("#dev", "#lobby"));
    assert_eq!(stage.objects("other").last().expect("said")["room"], "#lobby", "its own keys");
    disk.crash(0);
    let mut stage = start(&disk, tiny(100, 0));
    stage.open("web", JSON, Visit { name: Some("web"), room: Some("dev") });
    stage.forget();
    stage.say("web", say);
    assert_eq!(stage.objects("web"), first, "also of a server that was started anew");
    assert_eq!(disk.rooms()["#dev"].messages.len(), 1);
}

#[test]
fn a_direct_message_that_is_sent_again_arrives_once() {
    let mut stage = Stage::new(settings());
    for name in ["web", "other"] {
        stage.open(name, JSON, Visit { name: Some(name), room: None });
    }
    stage.forget();
    let direct = r#"{"type": "msg", "to": "other", "text": "psst", "key": "k", "ref": 1}"#;
    stage.say("web", direct);
    let first = stage.objects("web");
    stage.pass(1000);
    stage.say("web", direct);
    assert_eq!(stage.objects("web"), first);
    assert_eq!(stage.objects("other").len(), 1);
    for key in ["", "123456789012345678901234567890123"] {
        stage.say("web", &direct.replace(r#""key": "k""#, &format!(r#""key": "{key}""#)));
        assert_eq!(stage.objects("web")[0]["code"], "bad_field", "{key}");
    }
}

#[test]
fn with_a_full_disk_nothing_is_said_and_all_else_goes_on() {
    let disk = Disk::default();
    let mut stage = start(&disk, settings());
    stage.seat(&["alice", "bob"]);
    stage.say("alice", "before");
    stage.forget();
    disk.set_full(true);
    assert_eq!((disk.is_full(), stage.chat.health()), (true, Health::Full));
    stage.play(
        "
        alice> hello
        alice< ! The disk is full: nothing can be said until there is room.
        alice> /topic full
        alice< ! The disk is full: nothing can be said until there is room.
        alice> /msg bob psst
        alice< [you -> bob] psst
        bob< [alice -> you] psst
        bob> /history
        bob< * The last message of #lobby (UTC):
        bob< *   2026-11-22 13:05:09 (1) alice: before
        ",
    );
    disk.set_full(false);
    assert_eq!(stage.chat.health(), Health::Serving);
    stage.play(
        "
        alice> hello
        bob< [#lobby] alice: hello
        ",
    );
}

#[test]
fn what_cannot_be_read_is_said_to_be_so() {
    let disk = Disk::default();
    let mut stage = start(&disk, tiny(100, 0));
    stage.seat(&["alice"]);
    stage.say("alice", "hello");
    stage.forget();
    disk.set_unreadable(true);
    stage.play(
        "
        alice> /history
        alice< ! What is kept cannot be read at the moment. Try again later.
        alice> /join #dev
        alice< ! What is kept cannot be read at the moment. Try again later.
        ",
    );
}

#[test]
fn what_was_lost_is_not_in_memory_either() {
    let disk = Disk::default();
    let mut stage = start(&disk, settings());
    stage.seat(&["alice"]);
    stage.say("alice", "kept");
    disk.set_latency(1000);
    stage.say("alice", "lost");
    disk.fail();
    assert_eq!(stage.chat.stored(&mut stage.out), Kept::Lost);
    assert_eq!((stage.chat.people(), stage.chat.rooms()), (0, 1));
    let room = stage.chat.state().rooms().find("#lobby").expect("it is kept");
    assert_eq!((room.history.next_id(), room.member_count()), (2, 0));
    assert_eq!(stage.chat.stored(&mut stage.out), Kept::Whole);
    assert_eq!(stage.out.channels_of(stage.id("alice")).len(), 0, "it is in no room");
}

#[test]
fn what_is_read_has_all_that_was_said_before_it_was_asked_for() {
    let disk = Disk::default();
    let mut stage = start(&disk, tiny(100, 0));
    stage.seat(&["alice"]);
    stage.forget();
    disk.set_latency(1000);
    stage.say("alice", "hello");
    let asked = stage.offer("alice", b"/history");
    assert!(matches!(asked, Outcome::Blocked(Wait::Ticket(_))), "{asked:?}");
    assert_eq!(stage.chat.take_jobs().len(), 0, "it is not durable yet");
    assert!(disk.pass(1000));
    stage.play(
        "
        alice> /history
        alice< * Nobody else is in #lobby now. Whoever joins will see what you said.
        alice< * The last message of #lobby (UTC):
        alice< *   2026-11-22 13:05:09 (1) alice: hello
        ",
    );
}

#[test]
fn help_says_that_history_is_kept() {
    let notice = "* (history is kept; /search WORDS finds it)";
    let mut stage = start(&Disk::default(), settings());
    let mut forgetful = Stage::new(settings());
    for (stage, is_told) in [(&mut stage, true), (&mut forgetful, false)] {
        stage.seat(&["alice"]);
        stage.forget();
        stage.say("alice", "/help");
        assert_eq!(stage.hear("alice").iter().any(|line| line == notice), is_told);
    }
}
