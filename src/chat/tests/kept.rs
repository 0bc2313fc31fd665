//! With a store: what is kept outlives the server, and is there for those who ask for it.

#[path = "../../../tests/simulation/disk.rs"]
pub mod disk;

use std::sync::Arc;

use proptest::prelude::*;

use super::known_secrets::KnownSecrets;
use super::stage::{JSON, LINES, Stage, Visit, settings};
use crate::chat::settings::{ChatSettings, Registration};
use crate::chat::state::rooms::Room;
use crate::chat::state::{history, rooms};
use crate::delivery::Wait;
use crate::service::{Kept, Outcome, Service};
use crate::site::Health;
use crate::store::StoredPeople;
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
        bob< *   #lobby (2 people, you talk here)
        alice> /join #tea
        alice< * You are in #tea now, with nobody else.
        bob> /rooms
        bob< * 2 rooms, busiest first:
        bob< *   #lobby (2 people, you talk here)
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
    let log = disk.log();
    assert_eq!(log.said.iter().filter(|(_, room, _)| &**room == "#dev").count(), 1);
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

#[test]
fn many_who_come_to_a_room_at_once_have_it_read_once() {
    let disk = Disk::default();
    let mut stage = start(&disk, settings());
    stage.seat(&["alice"]);
    stage.say("alice", "hello");
    disk.crash(0);
    let (store, mut loaded) = disk.start(0);
    loaded.rooms.clear();
    let mut stage = Stage::with_store(settings(), store, loaded);
    let names: Vec<String> = (0..50).map(|number| format!("n{number}")).collect();
    for name in &names {
        stage.open(name, LINES, Visit { name: Some(name), room: None });
    }
    stage.leave("n0");
    let jobs = stage.chat.take_jobs();
    assert_eq!(jobs.len(), 1, "all wait for the same");
    for job in jobs {
        stage.chat.completed(job.ticket, (job.run)(), &mut stage.out);
    }
    assert_eq!(stage.chat.take_jobs().len(), 0);
    let lobby = stage.chat.state().rooms().find("#lobby").expect("it has been read");
    assert_eq!((lobby.member_count(), lobby.history.next_id()), (49, 2));
    assert_eq!(stage.chat.held_bytes(), 0, "what was read is in the room now");
    for name in &names[1..] {
        let heard = stage.hear(name);
        assert!(heard.iter().any(|line| line.ends_with("(1) alice: hello")), "{heard:?}");
    }
}

#[test]
fn what_cannot_be_read_is_read_once_for_all_who_wait_and_then_again() {
    let disk = Disk::default();
    let mut stage = start(&disk, settings());
    stage.seat(&["alice", "bob"]);
    for request in ["/join #zoo", "a lion", "/leave #zoo"] {
        stage.say("alice", request);
    }
    disk.crash(0);
    let (store, mut loaded) = disk.start(0);
    loaded.rooms.clear();
    let mut stage = Stage::with_store(settings(), store, loaded);
    stage.seat(&["alice", "bob"]);
    disk.set_unreadable(true);
    for is_readable in [false, true] {
        disk.set_unreadable(!is_readable);
        for name in ["alice", "bob"] {
            let waits = stage.offer(name, b"/join #zoo");
            assert!(matches!(waits, Outcome::Blocked(Wait::Ticket(_))), "{waits:?}");
        }
        let jobs = stage.chat.take_jobs();
        assert_eq!(jobs.len(), 1);
        for job in jobs {
            stage.chat.completed(job.ticket, (job.run)(), &mut stage.out);
        }
        for name in ["alice", "bob"] {
            assert_eq!(stage.offer(name, b"/join #zoo"), Outcome::Done);
        }
        let zoo = stage.chat.state().rooms().find("#zoo").map(Room::member_count);
        assert_eq!(zoo, is_readable.then_some(2));
        assert_eq!(stage.chat.held_bytes(), 0);
    }
}

#[test]
fn the_lobby_stays_in_memory_and_is_no_room_too_many() {
    let disk = Disk::default();
    let mut stage = start(&disk, tiny(1, 100));
    stage.open("web", JSON, Visit { name: Some("web"), room: None });
    stage.open("alice", LINES, Visit { name: Some("alice"), room: None });
    stage.say("alice", "hello");
    stage.leave("alice");
    for room in ["#zoo", "#tea"] {
        stage.say("web", &format!(r#"{{"type": "join", "room": "{room}"}}"#));
        stage.say("web", &format!(r#"{{"type": "say", "room": "{room}", "text": "a lion"}}"#));
        stage.say("web", &format!(r#"{{"type": "leave", "room": "{room}"}}"#));
    }
    let names: Vec<&str> = stage.chat.state().rooms().iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.contains(&"#lobby") && names.contains(&"#tea"), "{names:?}");
    // Newcomers have nothing read.
    stage.open("bob", LINES, Visit { name: Some("bob"), room: None });
    assert_eq!(stage.chat.take_jobs().len(), 0);
}

#[test]
fn what_has_expired_is_not_told_from_memory_and_not_offered() {
    let disk = Disk::default();
    let mut stage = start(&disk, settings());
    stage.seat(&["alice"]);
    for text in ["one", "two", "three"] {
        stage.say("alice", text);
    }
    disk.expire(1);
    stage.forget();
    stage.play(
        r##"
        +web json room=lobby
        web< {"type": "welcome", "name": "_", "epoch": "_", "server": "_", "time": "_", "limits": "_"}
        web< {"type": "joined", "room": "#lobby", "name": "_", "time": "_", "you": true, "position": 3, "gap": false, "members": 2, "topic": ""}
        web< {"type": "history", "room": "#lobby", "messages": [{"id": 2, "time": "_", "name": "alice", "text": "two"}, {"id": 3, "time": "_", "name": "alice", "text": "three"}], "more": false, "replay": true}
        alice< * guest-1 joined #lobby.
        "##,
    );
    disk.expire(2);
    stage.forget();
    stage.play(
        r##"
        web> {"type": "history"}
        web< {"type": "history", "room": "#lobby", "messages": [], "more": false}
        web> {"type": "join", "room": "#lobby", "since": 1, "epoch": "of the data"}
        web< {"type": "joined", "room": "#lobby", "name": "_", "time": "_", "you": true, "position": 3, "gap": true, "members": 2, "topic": ""}
        alice> four
        web< {"type": "said", "room": "#lobby", "id": 4, "time": "_", "name": "alice", "text": "four"}
        "##,
    );
}

#[test]
fn what_expires_while_a_room_is_read_is_not_in_it() {
    let disk = Disk::default();
    let mut stage = start(&disk, settings());
    stage.seat(&["alice"]);
    for text in ["one", "two", "three"] {
        stage.say("alice", text);
    }
    disk.crash(0);
    let (store, mut loaded) = disk.start(0);
    loaded.rooms.clear();
    let mut stage = Stage::with_store(settings(), store, loaded);
    stage.open("alice", LINES, Visit { name: Some("alice"), room: None });
    let read: Vec<_> =
        stage.chat.take_jobs().into_iter().map(|it| (it.ticket, (it.run)())).collect();
    disk.expire(2);
    stage.chat.stored(&mut stage.out);
    for (ticket, answer) in read {
        stage.chat.completed(ticket, answer, &mut stage.out);
    }
    let room = stage.chat.state().rooms().find("#lobby").expect("it was read");
    assert_eq!((room.first_id(), room.history.first_held(), room.history.next_id()), (3, 3, 4));
}

#[test]
fn an_index_that_is_behind_finds_what_it_has() {
    let disk = Disk::default();
    let mut stage = start(&disk, settings());
    stage.seat(&["alice"]);
    stage.say("alice", "old tea");
    disk.set_index_latency(1000);
    assert_eq!(disk.log().indexed, 1);
    stage.say("alice", "new tea");
    stage.forget();
    stage.play(
        "
        alice> /search te
        alice< * Found 1 message (UTC):
        alice< *   2026-11-22 13:05:09 #lobby (1) alice: old tea
        ",
    );
    disk.pass(1000);
    stage.play(
        "
        alice> /search te
        alice< * Found 2 messages (UTC):
        alice< *   2026-11-22 13:05:09 #lobby (1) alice: old tea
        alice< *   2026-11-22 13:05:09 #lobby (2) alice: new tea
        ",
    );
}

/// What is done in a play of [`nobody_is_offered_a_page_with_nothing_on_it`].
#[derive(Clone, Debug)]
enum Step {
    Say(usize),
    Expire(usize),
    Leave(usize),
    Join(usize),
    Page { room: usize, before: u64, limit: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let room = || 0..3_usize;
    prop_oneof![
        4 => room().prop_map(Step::Say),
        1 => (1..6_usize).prop_map(Step::Expire),
        1 => room().prop_map(Step::Leave),
        2 => room().prop_map(Step::Join),
        3 => (room(), 0..40_u64, 1..6_u64)
            .prop_map(|(room, before, limit)| Step::Page { room, before, limit }),
    ]
}

proptest! {
    #[test]
    fn nobody_is_offered_a_page_with_nothing_on_it(
        steps in prop::collection::vec(step(), 1..80),
        (rooms_max, messages_max) in (1..4_usize, 0..12_usize),
    ) {
        let disk = Disk::default();
        let mut stage = start(&disk, tiny(rooms_max, messages_max));
        stage.open("web", JSON, Visit { name: Some("web"), room: None });
        let rooms = ["#lobby", "#tea", "#zoo"];
        let ask = |stage: &mut Stage, request: String| -> Vec<serde_json::Value> {
            stage.forget();
            stage.say("web", &request);
            stage.objects("web")
        };
        let page = |room: &str, before: u64, limit: u64| {
            format!(r#"{{"type": "history", "room": "{room}", "before": {before}, "limit": {limit}}}"#)
        };
        for step in steps {
            let request = match step {
                Step::Say(room) => {
                    format!(r#"{{"type": "say", "room": "{}", "text": "word"}}"#, rooms[room])
                }
                Step::Expire(count) => {
                    disk.expire(count);
                    continue;
                }
                Step::Leave(room) => format!(r#"{{"type": "leave", "room": "{}"}}"#, rooms[room]),
                Step::Join(room) => format!(r#"{{"type": "join", "room": "{}"}}"#, rooms[room]),
                Step::Page { room, before, limit } => page(rooms[room], before, limit),
            };
            let offered = ask(&mut stage, request).into_iter().find(|it| it["more"] == true);
            let Some(offered) = offered else { continue };
            let (room, first) = (offered["room"].as_str(), offered["messages"][0]["id"].as_u64());
            let (room, first) = (room.expect("a room"), first.expect("an id"));
            let told = ask(&mut stage, page(room, first, 5));
            prop_assert!(told[0]["messages"][0]["id"].is_u64(), "{}: {:?}", offered, told);
        }
    }
}

/// Where people can have accounts.
fn start_with_people(disk: &Disk, secrets: &Arc<KnownSecrets>) -> Stage {
    let settings = ChatSettings { registration: Registration::Open, ..settings() };
    let mut stage = start(disk, settings);
    stage.chat = stage.chat.with_secrets(Arc::<KnownSecrets>::clone(secrets));
    stage
}

#[test]
fn the_names_that_an_account_has_and_had_are_kept() {
    let (disk, secrets) = (Disk::default(), Arc::default());
    let mut stage = start_with_people(&disk, &secrets);
    stage.open("a", LINES, Visit::default());
    // The first of these names are free for others again.
    for line in ["/register n0", "password of n0", "/nick n1", "/nick n2", "/nick n1", "/nick n3"] {
        stage.say("a", line);
    }
    let people = disk.people();
    assert_eq!(&*people.accounts[0].name, "n3");
    let reserved = |people: &StoredPeople| {
        let mut names: Vec<Box<str>> =
            people.reserved.iter().map(|name| name.name.clone()).collect();
        names.sort();
        names
    };
    assert_eq!(reserved(&people), ["n0", "n1", "n2"].map(Box::from));
    for name in ["n4", "n5"] {
        stage.say("a", &format!("/nick {name}"));
        stage.pass(1);
    }
    assert_eq!(reserved(&disk.people()).len(), 3, "not too many");
    disk.crash(0);
    let stage = start_with_people(&disk, &secrets);
    let names: Vec<&str> =
        stage.chat.state().users().iter().map(|user| user.name.as_str()).collect();
    assert_eq!(names, ["n5"]);
}

#[test]
fn who_came_first_may_have_its_account_last() {
    let (disk, secrets) = (Disk::default(), Arc::default());
    let mut stage = start_with_people(&disk, &secrets);
    stage.open("a", LINES, Visit::default());
    stage.open("b", LINES, Visit::default());
    for (actor, line) in
        [("b", "/register bob"), ("b", "hunter-22"), ("a", "/register ann"), ("a", "hunter-22")]
    {
        stage.say(actor, line);
    }
    disk.crash(0);
    let mut stage = start_with_people(&disk, &secrets);
    stage.open("c", LINES, Visit::default());
    stage.say("c", "/register carol");
    stage.say("c", "hunter-22");
    let ids: Vec<u64> = disk.people().accounts.iter().map(|account| account.account).collect();
    assert_eq!(ids, [1, 2, 3], "no id is given twice");
}
