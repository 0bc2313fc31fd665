//! Where rooms, conversations, what is read, order and guests who come back meet one another.

use std::time::{Duration, Instant};

use serde_json::json;

use super::conversations::{on, small};
use super::kept::disk::Disk;
use super::known_secrets::OWNER_CODE;
use super::stage::{JSON, LINES, Showing, Stage, Visit, open_settings, settings};
use crate::chat::settings::ChatSettings;
use crate::delivery::Wait;
use crate::delivery::limits::DeliveryLimits;
use crate::ids::GroupId;
use crate::service::{Outcome, Service};
use crate::store::sqlite::{SqliteStore, StoreSettings};
use crate::store::{Change, Progress, RulesChange, Store, StoredAccount, StoredMessage};

fn open() -> Stage {
    Stage::with_people(open_settings())
}

fn register(stage: &mut Stage, name: &str) {
    if !stage.is_here(name) {
        stage.open(name, LINES, Visit::default());
    }
    stage.say(name, &format!("/register {name}"));
    stage.say(name, &format!("password of {name}"));
    stage.forget();
}

fn owner(stage: &mut Stage) {
    stage.open("olga", LINES, Visit::default());
    stage.say("olga", &format!("/register {OWNER_CODE} olga"));
    stage.say("olga", "password of olga");
    stage.forget();
}

fn message(id: u64) -> StoredMessage {
    StoredMessage {
        id,
        unix_ms: 1_795_352_709_000,
        is_action: false,
        author: "a".into(),
        text: "hello".into(),
        account: None,
    }
}

fn said(room: u64, id: u64) -> Change {
    Change::Said { room, message: message(id), key: None }
}

fn opened(room: u64, name: &str, first_id: u64) -> Change {
    let (name, key) = (name.into(), name.into());
    Change::RoomOpened { room, name, key, skeletons: Vec::new(), first_id }
}

fn append(store: &mut SqliteStore, group: u64, changes: Vec<Change>) -> Progress {
    store.append(GroupId(group), changes);
    let began = Instant::now();
    loop {
        match store.progress() {
            Progress::Durable(durable) if durable < GroupId(group) => {}
            other => return other,
        }
        assert!(began.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Said and deleted in one transaction.
#[test]
fn said_and_deleted_in_one_transaction() {
    let path = std::env::temp_dir().join(format!("chat-server-joints-{}", std::process::id()));
    std::fs::create_dir_all(&path).expect("a directory");
    let (mut store, _) = SqliteStore::open(&path, StoreSettings::default()).expect("it opens");
    append(&mut store, 1, vec![opened(1, "#a", 1), said(1, 1)]);
    let emptied = Change::Rules(RulesChange::Emptied { room: 1 });
    let told = append(&mut store, 2, vec![said(1, 2), emptied, Change::RoomClosed { room: 1 }]);
    let _ = std::fs::remove_dir_all(&path);
    assert_eq!(told, Progress::Durable(GroupId(2)));
    assert_eq!(store.reload().expect("it can be read").ids_used, 2);
}

fn account(account: u64, name: &str, role: u8) -> Change {
    Change::Account(StoredAccount {
        account,
        name: name.into(),
        key: name.into(),
        password: Some(format!("hash of password of {name}").into()),
        role,
        created_ms: 1_795_352_709_000,
        owner: None,
    })
}

/// The first act of power after an upgrade is that an admin ends its account.
#[test]
fn who_ends_is_in_no_room() {
    use crate::chat::ids::UserId;
    use crate::chat::record::Kept;
    use crate::chat::state::accounts::Role;
    let mut stage = open();
    register(&mut stage, "ann");
    register(&mut stage, "bob");
    // As an older version has left it: admins, and no room of theirs.
    for name in ["ann", "bob"] {
        let user = stage.chat.state().users().find(name).expect("it is here").id;
        let event = Kept::RoleSet { user, role: Role::Owner }.into();
        let record = crate::chat::record::Record { unix_ms: 0, by: UserId::FIRST, event };
        stage.chat.state.apply(record);
    }
    stage.say("bob", "/delete-account");
    stage.say("bob", "password of bob");
    let rooms = stage.chat.state().rooms();
    let room = rooms.find("#staff-log").expect("it is there");
    assert_eq!(room.member_count(), 1, "ann alone");
}

/// Nobody says by leaving what it may not say.
#[test]
fn who_is_muted_says_nothing_on_leaving() {
    let mut stage = open();
    owner(&mut stage);
    stage.open("g", LINES, Visit { name: Some("gus"), room: None });
    stage.say("olga", "/mute gus");
    stage.forget();
    stage.say("g", "/quit buy my pills");
    let heard = stage.hear("olga").join("\n");
    assert!(!heard.contains("pills"), "{heard}");
}

#[test]
fn who_may_not_talk_says_nothing_on_leaving() {
    let mut stage = open();
    register(&mut stage, "alice");
    stage.say("alice", "/join #news");
    stage.say("alice", "/room entry all");
    stage.say("alice", "/room posting moderators");
    stage.open("g", LINES, Visit { name: Some("gus"), room: None });
    stage.say("g", "/join #news");
    stage.forget();
    stage.say("g", "/quit buy my pills");
    let heard = stage.hear("alice").join("\n");
    assert!(heard.contains("gus left #lobby: buy"), "there it may: {heard}");
    assert!(heard.contains("gus left #news."), "{heard}");
}

fn small_limits() -> DeliveryLimits {
    DeliveryLimits {
        outbox_mark_bytes: 1000,
        outbox_max_bytes: 100_000,
        ..DeliveryLimits::default()
    }
}

/// Whose words are given back may go on.
fn frozen(act: &str) {
    use crate::chat::settings::PARKED_MAX;
    use std::sync::Arc;
    let mut stage = Stage::with_limits(open_settings(), small_limits());
    stage.chat = stage.chat.with_secrets(Arc::new(super::known_secrets::KnownSecrets::default()));
    register(&mut stage, "alice");
    stage.say("alice", "/join #a");
    stage.say("alice", "/room entry all");
    stage.open("bob", LINES, Visit { name: Some("bob"), room: None });
    stage.say("bob", "/join #a");
    stage.forget();
    assert_eq!(stage.offer("alice", "x".repeat(1200).as_bytes()), Outcome::Done);
    let bob = stage.id("bob");
    for at in 0..PARKED_MAX {
        assert_eq!(stage.offer("bob", format!("m{at}").as_bytes()), Outcome::Done);
    }
    let full = Wait::Backlog(bob);
    assert_eq!(stage.offer("bob", b"one more"), Outcome::Blocked(full));
    stage.out.wait(bob, full);
    assert_eq!(stage.offer("alice", act.as_bytes()), Outcome::Done);
    stage.turn();
    let mut woken = Vec::new();
    stage.out.take_woken(&mut woken);
    assert!(!stage.chat.backlog.has_any_of(bob), "nothing of his waits");
    assert_eq!(woken, [bob], "he may go on");
}

#[test]
fn who_is_removed_may_go_on() {
    frozen("/kick bob");
}

#[test]
fn whose_room_is_deleted_may_go_on() {
    frozen("/delete-room #a");
}

/// An invitation does not let back in who was removed, by /register either.
#[test]
fn an_invitation_does_not_let_back_in() {
    let mut stage = open();
    register(&mut stage, "alice");
    stage.say("alice", "/join #team");
    stage.say("alice", "/room entry invited");
    stage.forget();
    stage.say("alice", "/invite #team 5 24");
    let told = stage.hear("alice")[0].clone();
    let code = told.rsplit(' ').next().expect("a code").to_owned();
    stage.open("g", LINES, Visit { name: Some("gus"), room: None });
    stage.say("g", &format!("/join #team {code}"));
    stage.say("alice", "/kick gus");
    stage.forget();
    stage.say("g", &format!("/join #team {code}"));
    assert!(stage.hear("g")[0].starts_with("! This code"));
    stage.say("g", &format!("/register {code} gus"));
    stage.say("g", "password of gus");
    let heard = stage.hear("g").join("\n");
    assert!(!heard.contains("#team"), "{heard}");
}

/// What a newcomer may not see counts for nothing.
#[test]
fn what_may_not_be_seen_is_not_unread() {
    let mut stage = open();
    register(&mut stage, "alice");
    register(&mut stage, "bob");
    stage.say("alice", "/join #a");
    stage.say("alice", "/room newcomers-see now");
    for text in ["@bob one", "@all two", "three"] {
        stage.say("alice", text);
    }
    stage.say("bob", "/token bot");
    let told = stage.hear("bob").pop().expect("a token");
    stage.show("web", told.rsplit(' ').next().expect("a word"));
    stage.say("bob", "/join #a");
    stage.forget();
    stage.say("web", r##"{"type":"read","room":"#a","id":0,"back":true}"##);
    let told = stage.objects("web").pop().expect("an answer");
    assert_eq!((&told["unread"], &told["mentions"]), (&json!(0), &json!(0)), "{told}");
}

/// What an ignored person says does not call.
#[test]
fn who_is_ignored_calls_nobody() {
    let mut stage = open();
    register(&mut stage, "alice");
    register(&mut stage, "mallory");
    stage.say("alice", "/token bot");
    let told = stage.hear("alice").pop().expect("a token");
    stage.show("web", told.rsplit(' ').next().expect("a word"));
    stage.say("alice", "/ignore mallory");
    stage.forget();
    stage.say("mallory", "@alice hey");
    stage.say("mallory", "/msg alice hey");
    stage.forget();
    stage.say("web", r#"{"type":"unread"}"#);
    let told = stage.objects("web").pop().expect("an answer");
    let rooms = told["rooms"].as_array().expect("rooms");
    assert!(rooms.iter().all(|room| room["mentions"] == 0), "{told}");
    assert!(rooms.iter().all(|room| room.get("with").is_none() || room["unread"] == 0), "{told}");
}

/// Also when it has been read already, and then it has not.
#[test]
fn nobody_is_called_by_what_it_says_itself() {
    let disk = Disk::default();
    let mut stage = on(&disk, open_settings());
    register(&mut stage, "alice");
    register(&mut stage, "bob");
    stage.say("alice", "@all tea is ready");
    stage.say("bob", "@all coming");
    stage.turn();
    let back = r##"{"type":"read","room":"#lobby","id":0,"back":true}"##;
    let mentions = |stage: &mut Stage| {
        stage.open("web", JSON, Visit::default());
        stage.say("web", r#"{"type":"login","name":"alice","password":"password of alice"}"#);
        stage.forget();
        stage.say("web", back);
        stage.objects("web")[0]["mentions"].clone()
    };
    assert_eq!(mentions(&mut stage), 1, "it is called by the other");
    stage.turn();
    disk.crash(0);
    assert_eq!(mentions(&mut on(&disk, open_settings())), 1);
}

/// An account that is called as all are.
#[test]
fn an_account_called_all_is_still_one() {
    let disk = Disk::default();
    let (mut store, _) = disk.start(100);
    store.append(GroupId(1), vec![account(1, "all", 2), account(2, "bob", 0)]);
    drop(store);
    let stage = on(&disk, open_settings());
    assert_eq!(stage.chat.state().accounts().count(), 2);
    assert!(stage.chat.has_owner(), "it owns the server");
}

/// An account owns so many rooms at most, and nobody is given more.
#[test]
fn nobody_is_given_more_rooms_than_it_may_own() {
    let mut stage = open();
    register(&mut stage, "alice");
    register(&mut stage, "bob");
    for at in 0..101 {
        stage.say("alice", &format!("/join #r{at}"));
        stage.say("bob", &format!("/join #r{at}"));
        stage.say("alice", &format!("/role bob owner #r{at}"));
        stage.say("alice", &format!("/leave #r{at}"));
        stage.say("bob", &format!("/leave #r{at}"));
    }
    let rooms = stage.chat.state().rooms();
    let bob = stage.chat.state().users().find("bob").expect("bob").id;
    let own =
        rooms.iter().filter(|room| room.rules().is_some_and(|rules| rules.owner() == Some(bob)));
    assert!(own.count() <= 100);
}

/// A report names nobody who has ended.
#[test]
fn a_report_names_nobody_who_has_ended() {
    let mut stage = open();
    owner(&mut stage);
    register(&mut stage, "alice");
    register(&mut stage, "mallory");
    stage.say("mallory", "buy my pills");
    stage.say("mallory", "/delete-account");
    stage.say("mallory", "password of mallory");
    stage.forget();
    stage.say("alice", "/report 1");
    let heard = stage.hear("alice").join("\n");
    assert!(!heard.contains("mallory"), "{heard}");
}

/// What was not written to a terminal has not been read, in a conversation either.
#[test]
fn what_was_not_written_was_not_read() {
    let disk = Disk::default();
    let mut stage = on(&disk, small(100));
    register(&mut stage, "alice");
    register(&mut stage, "bob");
    stage.forget();
    disk.set_latency(1000);
    assert_eq!(stage.offer("alice", b"/msg bob hello"), Outcome::Done);
    assert_eq!(stage.offer("bob", b"/help nick"), Outcome::Done);
    let state = stage.chat.state();
    let bob = state.users().find("bob").expect("bob").id;
    let room = state.rooms().conversations_of(bob).next().expect("one").id;
    assert_eq!(state.unread(bob, room).expect("he reads").unread, 1);
}

/// Codes of somebody who is banned let nobody in.
#[test]
fn codes_of_who_is_banned_let_nobody_in() {
    let mut stage = Stage::with_people(settings());
    owner(&mut stage);
    stage.say("olga", "/invite 5 24");
    let told = stage.hear("olga")[0].clone();
    let code = told.rsplit(' ').next().expect("a code").to_owned();
    stage.open("mallory", LINES, Visit::default());
    stage.say("mallory", &format!("/register {code} mallory"));
    stage.say("mallory", "password of mallory");
    stage.say("mallory", "/join #team");
    stage.say("mallory", "/room entry invited");
    stage.forget();
    stage.say("mallory", "/invite #team 5 24");
    let told = stage.hear("mallory")[0].clone();
    let code = told.rsplit(' ').next().expect("a code").to_owned();
    stage.say("olga", "/ban mallory");
    stage.forget();
    stage.open("m2", LINES, Visit::default());
    stage.forget();
    stage.say("m2", &format!("/register {code} mallory2"));
    stage.say("m2", "password of mallory2");
    let heard = stage.hear("m2").join("\n");
    assert!(!heard.contains("You are logged in as mallory2"), "{heard}");
}

/// Who is turned away by an address does not stay as one who is away.
#[test]
fn who_is_banned_by_an_address_is_out() {
    let mut stage = open();
    owner(&mut stage);
    let showing = Showing { resume: Some(""), ..Showing::default() };
    stage.open_showing("web", JSON, Visit { name: Some("web"), room: Some("lobby") }, showing);
    stage.forget();
    // As the server does: it has the service tell it, and closes it.
    let id = stage.id("web");
    stage.chat.dismissed(id, crate::ids::Peer::default(), &mut stage.out);
    stage.leave("web");
    stage.turn();
    let heard = stage.hear("olga").join("\n");
    assert!(heard.contains("web left #lobby"), "{heard:?}");
}

/// A code that is of no use is not used up.
#[test]
fn a_code_is_not_used_up_in_vain() {
    let mut stage = Stage::with_people(ChatSettings { rooms_per_client_max: 1, ..open_settings() });
    register(&mut stage, "alice");
    stage.say("alice", "/leave");
    stage.say("alice", "/join #team");
    stage.say("alice", "/room entry invited");
    stage.forget();
    stage.say("alice", "/invite #team 1 24");
    let told = stage.hear("alice")[0].clone();
    let code = told.rsplit(' ').next().expect("a code").to_owned();
    stage.open("g", LINES, Visit { name: Some("gus"), room: None });
    stage.forget();
    stage.say("g", &format!("/join #team {code}"));
    let heard = stage.hear("g").join("\n");
    assert!(heard.contains("more are not allowed"), "{heard}");
    assert_eq!(stage.chat.state().accounts().invitations().count(), 1, "it is still good");
}

/// Nothing is said to be unread, or not to be kept, that is not shown.
#[test]
fn what_ignored_people_say_is_not_unread() {
    let mut stage = open();
    register(&mut stage, "alice");
    register(&mut stage, "mallory");
    stage.say("alice", "/ignore mallory");
    stage.say("mallory", "/msg alice hey");
    stage.leave("alice");
    stage.turn();
    stage.say("mallory", "/msg alice hey two");
    stage.forget();
    stage.open("alice", LINES, Visit::default());
    stage.forget();
    stage.say("alice", "/login alice");
    stage.say("alice", "password of alice");
    stage.say("alice", "/unread");
    let heard = stage.hear("alice").join("\n");
    assert!(!heard.contains("mallory"), "{heard}");
    stage.say("alice", "/unread @mallory");
    assert_eq!(stage.hear("alice"), ["* Nothing is unread."]);
}

/// One object answers.
#[test]
fn one_object_answers() {
    use crate::chat::ids::UserId;
    use crate::chat::record::Kept;
    use crate::chat::state::accounts::Role;
    let mut stage = open();
    register(&mut stage, "ann");
    register(&mut stage, "bob");
    let user = stage.chat.state().users().find("ann").expect("it is here").id;
    let event = Kept::RoleSet { user, role: Role::Owner }.into();
    let record = crate::chat::record::Record { unix_ms: 0, by: UserId::FIRST, event };
    stage.chat.state.apply(record);
    stage.say("ann", "/token bot");
    let told = stage.hear("ann").pop().expect("a token");
    stage.show("web", told.rsplit(' ').next().expect("a word"));
    stage.forget();
    for request in [
        r##"{"type":"join","room":"#new","ref":7}"##,
        r##"{"type":"role","name":"bob","role":"admin","ref":7}"##,
        r##"{"type":"role","name":"bob","role":"moderator","room":"#lobby","ref":7}"##,
        r##"{"type":"kick","name":"guest-9","room":"#lobby","ref":7}"##,
        r##"{"type":"mute","name":"bob","room":"#lobby","ref":7}"##,
        r##"{"type":"kick","name":"bob","room":"#lobby","ref":7}"##,
        r##"{"type":"ban","name":"bob","ref":7}"##,
        r##"{"type":"delete_room","name":"#new","room":"#new","ref":7}"##,
    ] {
        stage.say("web", request);
        let told = stage.objects("web");
        let count = told.iter().filter(|one| one["ref"] == 7).count();
        assert_eq!(count, 1, "{request}: {told:#?}");
    }
}

/// All of it is in the store in an order that it takes.
#[test]
fn ends_of_rooms_and_accounts_in_one_turn() {
    let disk = Disk::default();
    let mut stage = on(&disk, open_settings());
    owner(&mut stage);
    register(&mut stage, "alice");
    register(&mut stage, "bob");
    for request in [
        "/join #a",
        "/invite #a 5 24",
        "@all hello",
        "/role bob moderator #lobby",
        "/room entry ask",
    ] {
        stage.offer("alice", request.as_bytes());
    }
    stage.offer("bob", b"/join #a");
    stage.offer("bob", b"/ignore alice");
    stage.turn();
    stage.say("olga", "/kick alice");
    stage.say("olga", "/mute alice");
    stage.say("alice", "/delete-room #a");
    stage.say("alice", "/delete-account");
    stage.say("alice", "password of alice");
    let stage = on(&disk, open_settings());
    assert!(stage.chat.has_owner());
}

/// With a full disk nothing is recorded, on coming either.
#[test]
fn with_a_full_disk_nothing_is_recorded_on_coming() {
    let disk = Disk::default();
    let mut stage = on(&disk, open_settings());
    register(&mut stage, "alice");
    stage.say("alice", "/token bot");
    let told = stage.hear("alice").pop().expect("a token");
    let token = told.rsplit(' ').next().expect("a word").to_owned();
    disk.set_full(true);
    let showing = Showing { credential: Some(&token), ..Showing::default() };
    stage.open_showing("web", JSON, Visit { name: None, room: Some("new") }, showing);
    let told = stage.objects("web");
    assert!(!disk.rooms().contains_key("#new"), "{told:#?}");
}
