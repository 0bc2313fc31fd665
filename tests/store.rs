//! A store of real files: what it keeps, what it refuses to open, and what a crash leaves.

#[path = "store/deletions.rs"]
mod deletions;
#[path = "common/kept_people.rs"]
mod kept_people;
#[path = "store/people.rs"]
mod people;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use chat_server::ids::GroupId;
use chat_server::store::sqlite::tools::{self, Format, ToolError};
use chat_server::store::sqlite::{OpenError, Preload, SqliteStore, StoreSettings};
use chat_server::store::{
    Change, Expired, Loaded, PageRequest, Progress, RulesChange, Space, Store, StoreError,
    StoredKey, StoredMessage, StoredPeople, StoredRoom, StoredRoomName,
};

const DEADLINE: Duration = Duration::from_secs(30);

/// A directory that is removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("chat-server-store-{}-{count}", std::process::id());
        let path = env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        Scratch(path)
    }

    fn database(&self) -> PathBuf {
        self.0.join("history.db")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(scratch: &Scratch) -> (SqliteStore, Loaded) {
    open_with(scratch, StoreSettings::default())
}

#[track_caller]
fn open_with(scratch: &Scratch, settings: StoreSettings) -> (SqliteStore, Loaded) {
    let began = Instant::now();
    loop {
        match SqliteStore::open(&scratch.0, settings.clone()) {
            // A child of another test holds all files of this process until it has begun.
            Err(OpenError::Locked { .. }) if began.elapsed() < DEADLINE => {
                thread::sleep(Duration::from_millis(2));
            }
            opened => return opened.unwrap_or_else(|error| panic!("{error}")),
        }
    }
}

/// As [`tools::restore`], once no child of another test holds the lock.
fn restore(scratch: &Scratch, backup: &Path, force: bool) -> Result<String, ToolError> {
    let began = Instant::now();
    loop {
        match tools::restore(&scratch.0, backup, force) {
            Err(ToolError::Open(OpenError::Locked { .. })) if began.elapsed() < DEADLINE => {
                thread::sleep(Duration::from_millis(2));
            }
            restored => return restored,
        }
    }
}

#[track_caller]
fn close(store: SqliteStore) {
    let closer = store.closer();
    drop(store);
    closer.close(DEADLINE).expect("an orderly end");
}

#[track_caller]
fn wait_for(store: &mut SqliteStore, wanted: Progress) {
    let began = Instant::now();
    while store.progress() != wanted {
        assert!(began.elapsed() < DEADLINE, "{:?} and not {wanted:?}", store.progress());
        thread::sleep(Duration::from_micros(200));
    }
}

#[track_caller]
fn append(store: &mut SqliteStore, group: u64, changes: Vec<Change>) {
    store.append(GroupId(group), changes);
    wait_for(store, Progress::Durable(GroupId(group)));
}

fn opened(room: u64, name: &str, first_id: u64) -> Change {
    Change::RoomOpened {
        room,
        name: name.into(),
        key: name.to_lowercase().into(),
        skeletons: vec![look(name)],
        first_id,
    }
}

/// What it looks like, for these tests.
fn look(name: &str) -> Box<str> {
    name.to_lowercase().replace('0', "o").into()
}

fn message(id: u64, text: &str) -> StoredMessage {
    StoredMessage {
        id,
        unix_ms: 1_795_352_709_000 + id,
        is_action: id.is_multiple_of(3),
        author: "álice".into(),
        text: text.into(),
        account: None,
    }
}

fn said(room: u64, id: u64, text: &str) -> Change {
    Change::Said { room, message: message(id, text), key: None }
}

fn page(room: u64, from: u64, before: u64) -> PageRequest {
    PageRequest { room, from, before, newest: true, messages_max: 1000, bytes_max: usize::MAX }
}

fn ids(messages: &[StoredMessage]) -> Vec<u64> {
    messages.iter().map(|message| message.id).collect()
}

// ---- What is kept ----

#[test]
fn what_was_said_is_there_after_a_restart() {
    let scratch = Scratch::new();
    let (mut store, fresh) = open(&scratch);
    assert_eq!((fresh.guests, fresh.next_room, fresh.ids_used), (0, 1, 0));
    assert!(fresh.rooms.is_empty() && !fresh.epoch.is_empty());
    append(&mut store, 1, vec![opened(1, "#Lobby", 1), Change::Guests(3), said(1, 1, "hello")]);
    append(&mut store, 2, vec![Change::TopicSet { room: 1, topic: "日本語".into() }]);
    append(&mut store, 3, vec![said(1, 2, "two\u{0}words"), opened(2, "#dev", 1), said(2, 1, "x")]);
    close(store);

    let (store, loaded) = open(&scratch);
    assert_eq!(loaded.epoch, fresh.epoch);
    assert_eq!((loaded.guests, loaded.next_room), (3, 3));
    let dev = StoredRoom {
        room: 2,
        name: "#dev".into(),
        topic: "".into(),
        first_id: 1,
        next_id: 2,
        newest: vec![message(1, "x")],
    };
    let lobby = StoredRoom {
        room: 1,
        name: "#Lobby".into(),
        topic: "日本語".into(),
        first_id: 1,
        next_id: 3,
        newest: vec![message(1, "hello"), message(2, "two\u{0}words")],
    };
    assert_eq!(loaded.rooms, [dev, lobby], "the one spoken in last comes first");
    close(store);
}

#[test]
fn a_room_that_is_closed_leaves_its_ids_behind() {
    let scratch = Scratch::new();
    let (mut store, _) = open(&scratch);
    append(&mut store, 1, vec![opened(1, "#a", 41), opened(2, "#b", 1)]);
    append(&mut store, 2, vec![Change::RoomClosed { room: 1 }, Change::RoomClosed { room: 2 }]);
    close(store);
    let (store, loaded) = open(&scratch);
    assert_eq!((loaded.ids_used, loaded.next_room), (40, 3));
    assert!(loaded.rooms.is_empty());
    let found = store.reader().room("#a", &[look("#a")], 1, 1).expect("an answer");
    assert_eq!((found.room, found.alike), (None, None));
    close(store);
}

#[test]
fn a_room_is_found_by_its_key_and_by_its_look() {
    let scratch = Scratch::new();
    let (mut store, _) = open(&scratch);
    append(&mut store, 1, vec![opened(1, "#Room", 1), said(1, 1, "a"), said(1, 2, "bb")]);
    let reader = store.reader();
    let find = |name: &str| {
        let key = name.to_lowercase();
        reader.room(&key, &[look(name)], 10, 1_000_000).expect("an answer")
    };
    let found = find("#ROOM");
    assert_eq!(found.alike, None, "a room does not stand in its own way");
    let room = found.room.expect("it is there");
    assert_eq!((&*room.name, ids(&room.newest)), ("#Room", vec![1, 2]));
    let found = find("#r00m");
    assert_eq!((found.room, found.alike.as_deref()), (None, Some("#Room")));
    close(store);
}

#[test]
fn keys_of_messages_are_kept() {
    let scratch = Scratch::new();
    let (mut store, _) = open(&scratch);
    let keyed =
        |id, key: &str| Change::Said { room: 1, message: message(id, "x"), key: Some(key.into()) };
    append(&mut store, 1, vec![opened(1, "#a", 7), keyed(7, "k1"), said(1, 8, "y")]);
    append(&mut store, 2, vec![keyed(9, "k2")]);
    close(store);
    let (store, loaded) = open(&scratch);
    let keys = [(7, "k1"), (9, "k2")].map(|(id, key)| StoredKey {
        room: 1,
        key: key.into(),
        id,
        unix_ms: message(id, "x").unix_ms,
        account: message(id, "x").account,
    });
    assert_eq!(loaded.keys, keys);
    close(store);
}

#[test]
fn pages_have_bounds() {
    let scratch = Scratch::new();
    let (mut store, _) = open(&scratch);
    let said = (1..=50).map(|id| said(1, id, &"x".repeat(94)));
    append(&mut store, 1, [opened(1, "#a", 1)].into_iter().chain(said).collect());
    let reader = store.reader();
    let ask = |wanted: PageRequest| ids(&reader.page(&wanted).expect("a page"));
    assert_eq!(ask(page(1, 0, u64::MAX)), (1..=50).collect::<Vec<_>>());
    assert_eq!(ask(page(1, 10, 13)), [10, 11, 12]);
    assert_eq!(ask(PageRequest { messages_max: 2, ..page(1, 0, 40) }), [38, 39]);
    let oldest = PageRequest { newest: false, ..page(1, 5, 40) };
    assert_eq!(ask(PageRequest { messages_max: 2, ..oldest }), [5, 6]);
    // A message and its author's name have 100 bytes.
    assert_eq!(ask(PageRequest { bytes_max: 399, ..oldest }), [5, 6, 7]);
    assert_eq!(ask(PageRequest { bytes_max: 1, ..page(1, 0, 40) }), [39], "one at least");
    assert!(ask(page(2, 0, 40)).is_empty());
    close(store);
}

#[test]
fn few_rooms_come_with_their_messages_at_the_start() {
    let scratch = Scratch::new();
    let (mut store, _) = open(&scratch);
    let mut changes = Vec::new();
    for room in 1..=9 {
        changes.push(opened(room, &format!("#room{room}"), 1));
        changes.extend((1..=9).map(|id| said(room, id, &"x".repeat(994))));
    }
    append(&mut store, 1, changes);
    close(store);
    let preload =
        Preload { rooms: 2, room_key: "#room1".into(), messages_max: 5, bytes_max: 12_000 };
    let settings = StoreSettings { rooms_max: 4, preload, ..StoreSettings::default() };
    let (store, loaded) = open_with(&scratch, settings.clone());
    let counts: Vec<(u64, usize)> =
        loaded.rooms.iter().map(|room| (room.room, room.newest.len())).collect();
    assert_eq!(counts, [(9, 5), (8, 5), (7, 0), (6, 0)]);
    close(store);
    let preload = Preload { messages_max: 9, ..settings.preload };
    let (store, loaded) = open_with(&scratch, StoreSettings { rooms_max: 9, preload, ..settings });
    let counts: Vec<(u64, Vec<u64>)> = loaded
        .rooms
        .iter()
        .filter(|room| !room.newest.is_empty())
        .map(|room| (room.room, ids(&room.newest)))
        .collect();
    let newest = vec![6, 7, 8, 9];
    assert_eq!(counts, [(9, newest.clone()), (8, newest.clone()), (1, newest)]);
    close(store);
}

#[test]
fn what_is_too_old_is_forgotten_and_no_id_is_used_again() {
    let scratch = Scratch::new();
    let (mut store, _) = open(&scratch);
    let now_ms = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_millis() as u64;
    let at = |room, id, unix_ms| Change::Said {
        room,
        message: StoredMessage { unix_ms, ..message(id, "x") },
        key: Some(format!("key {id}").into()),
    };
    let old_ms = now_ms - 3 * 24 * 60 * 60 * 1000;
    let mut changes = vec![opened(1, "#a", 1), opened(2, "#b", 1)];
    changes.extend((1..=2500).map(|id| at(1, id, old_ms)));
    changes.push(at(2, 1, old_ms));
    changes.push(at(1, 2501, now_ms));
    // The clock was set back: it stays until what is before it may go.
    changes.push(at(1, 2502, old_ms));
    append(&mut store, 1, changes);
    close(store);

    let settings = StoreSettings { keep_days: Some(2), ..StoreSettings::default() };
    let (store, _) = open_with(&scratch, settings.clone());
    let reader = store.reader();
    let began = Instant::now();
    let room = loop {
        let found = reader.room("#a", &[], 10, 1_000_000).expect("an answer");
        let room = found.room.expect("a room");
        if room.first_id == 2501 {
            break room;
        }
        assert!(began.elapsed() < DEADLINE, "{room:?}");
        thread::sleep(Duration::from_millis(5));
    };
    assert_eq!((ids(&room.newest), room.next_id), (vec![2501, 2502], 2503));
    close(store);

    let (mut store, loaded) = open_with(&scratch, settings);
    let names: Vec<&str> = loaded.rooms.iter().map(|room| &*room.name).collect();
    assert_eq!(names, ["#a"], "a room of which nothing is left is no more");
    assert_eq!((loaded.ids_used, loaded.next_room), (1, 3));
    append(&mut store, 1, vec![opened(3, "#b", 2), at(3, 2, now_ms)]);
    close(store);
}

/// A message from a time when the clock was a year ahead keeps nothing from being forgotten that was
/// said after it, and is forgotten with that.
#[test]
fn what_was_said_while_the_clock_was_ahead_is_as_old_as_what_was_said_next() {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    let scratch = Scratch::new();
    let (mut store, _) = open(&scratch);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now_ms = now.expect("after 1970").as_millis() as u64;
    let (old_ms, ahead_ms) = (now_ms - 3 * DAY_MS, now_ms + 365 * DAY_MS);
    let at = |room, id, unix_ms| Change::Said {
        room,
        message: StoredMessage { unix_ms, ..message(id, "of some age") },
        key: None,
    };
    let mut changes = vec![opened(1, "#a", 1), opened(2, "#b", 1)];
    changes.extend((1..=1200).map(|id| at(1, id, ahead_ms)));
    changes.extend((1..=1200).map(|id| at(2, id, old_ms)));
    changes.extend([at(1, 1201, ahead_ms), at(1, 1202, now_ms)]);
    append(&mut store, 1, changes);
    close(store);
    let settings = StoreSettings { keep_days: Some(2), ..StoreSettings::default() };
    let (store, _) = open_with(&scratch, settings);
    let reader = store.reader();
    let first_id = |name| {
        let found = reader.room(name, &[], 10, 1_000_000).expect("an answer");
        found.room.expect("a room").first_id
    };
    let began = Instant::now();
    while (first_id("#a"), first_id("#b")) != (1201, 1201) {
        assert!(began.elapsed() < DEADLINE, "{} {}", first_id("#a"), first_id("#b"));
        thread::sleep(Duration::from_millis(5));
    }
    close(store);
}

#[test]
fn a_store_that_is_full_says_so_until_there_is_room() {
    let scratch = Scratch::new();
    let (mut store, _) = open(&scratch);
    assert_eq!(store.space(), Space::Free);
    append(&mut store, 1, vec![opened(1, "#a", 1)]);
    close(store);
    let full = StoreSettings { bytes_max: Some(4096), ..StoreSettings::default() };
    let (store, _) = open_with(&scratch, full);
    assert_eq!(store.space(), Space::Short, "order is kept all the same");
    close(store);
    let over =
        StoreSettings { bytes_max: Some(4096), free_bytes_min: 0, ..StoreSettings::default() };
    let (store, _) = open_with(&scratch, over);
    assert_eq!(store.space(), Space::Full, "order has a bound as well");
    close(store);
    let no_room = StoreSettings { free_bytes_min: u64::MAX, ..StoreSettings::default() };
    let (store, _) = open_with(&scratch, no_room);
    assert_eq!(store.space(), Space::Full);
    close(store);
}

/// All files count: the index, and copies that nobody has deleted. Room that is used again does not.
#[test]
fn the_whole_directory_counts_for_its_size() {
    let scratch = Scratch::new();
    let (mut store, _) = open(&scratch);
    append(&mut store, 1, vec![opened(1, "#a", 1)]);
    for group in 0..20 {
        let first = 1 + group * 100;
        let said = |id| said(1, id, &format!("{} {id}", "word ".repeat(200)));
        append(&mut store, 2 + group, (first..first + 100).map(said).collect());
    }
    close(store);
    let bytes = || -> u64 {
        let files = fs::read_dir(&scratch.0).expect("the directory");
        files.map(|file| file.and_then(|it| it.metadata()).expect("a file").len()).sum()
    };
    let space = |bytes_max: u64| {
        let settings = StoreSettings { bytes_max: Some(bytes_max), ..StoreSettings::default() };
        let (store, _) = open_with(&scratch, settings);
        let space = store.space();
        close(store);
        space
    };
    let history = fs::metadata(scratch.database()).expect("it is there").len();
    assert!(bytes() > history + 4096, "there is an index");
    assert_eq!(space(bytes() + 1024 * 1024), Space::Free);
    assert_eq!(space(history + 4096), Space::Short, "the index counts");
    let bound = bytes() + 1024 * 1024;
    let copy = scratch.0.join("history.before-restore-1.db");
    fs::copy(scratch.database(), &copy).expect("a copy");
    assert_eq!(space(bound), Space::Short);
    fs::remove_file(copy).expect("it is there");
    // What was said in these tests was said days ago.
    let settings = StoreSettings { keep_days: Some(1), ..StoreSettings::default() };
    let (mut store, _) = open_with(&scratch, settings);
    let (reader, began) = (store.reader(), Instant::now());
    let mut expired = Vec::new();
    while !reader.page(&page(1, 0, u64::MAX)).expect("it can be read").is_empty() {
        expired.extend(store.take_expired());
        assert!(began.elapsed() < DEADLINE, "it expires");
        thread::sleep(Duration::from_millis(10));
    }
    expired.extend(store.take_expired());
    close(store);
    assert_eq!(expired.last(), Some(&Expired { room: 1, first_id: 2001 }));
    let now = fs::metadata(scratch.database()).expect("it is there").len();
    assert_eq!(now, history, "the file has not become smaller");
    assert_eq!(space(bytes() - history / 2), Space::Free);
}

/// The journal does not grow with what is said, though nobody stops saying it.
#[test]
fn the_journal_stays_short() {
    let scratch = Scratch::new();
    let (mut store, _) = open(&scratch);
    append(&mut store, 1, vec![opened(1, "#a", 1)]);
    let text = "x".repeat(2000);
    let (mut id, mut longest) = (1, 0);
    for group in 2..=100 {
        let changes = (id..id + 1000).map(|id| said(1, id, &text)).collect();
        id += 1000;
        append(&mut store, group, changes);
        let journal = fs::metadata(scratch.0.join("history.db-wal")).map_or(0, |it| it.len());
        longest = longest.max(journal);
    }
    assert!(longest < 80 * 1024 * 1024, "{longest} bytes");
    close(store);
    let journal = fs::metadata(scratch.0.join("history.db-wal")).map_or(0, |it| it.len());
    assert_eq!(journal, 0, "an orderly end leaves it empty");
}

// ---- What is not opened ----

#[test]
fn a_directory_is_for_one_server() {
    let scratch = Scratch::new();
    let (store, _) = open(&scratch);
    let mode = fs::metadata(&scratch.0).expect("a directory").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let mode = fs::metadata(scratch.database()).expect("a file").permissions().mode();
    assert_eq!(mode & 0o077, 0);
    let error = SqliteStore::open(&scratch.0, StoreSettings::default()).expect_err("one is there");
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    close(store);
    let (store, _) = open(&scratch);
    close(store);
}

/// All files of a directory, but for the lock and what SQLite maps into memory.
fn contents(scratch: &Scratch) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(&scratch.0).expect("a directory");
    let names =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
    names
        .filter(|name| name != "lock" && !name.ends_with("-shm"))
        .map(|name| (name.clone(), fs::read(scratch.0.join(&name)).expect("a file")))
        .filter(|(name, bytes)| !(name.ends_with("-wal") && bytes.is_empty()))
        .collect()
}

/// Nothing in the directory may change when it is not opened.
#[track_caller]
fn refusal(scratch: &Scratch) -> OpenError {
    let before = contents(scratch);
    let began = Instant::now();
    let error = loop {
        match SqliteStore::open(&scratch.0, StoreSettings::default()) {
            Err(OpenError::Locked { .. }) if began.elapsed() < DEADLINE => {
                thread::sleep(Duration::from_millis(2));
            }
            opened => break opened.expect_err("a refusal"),
        }
    };
    assert_eq!(error.to_string().lines().count(), 1, "{error}");
    assert!(contents(scratch) == before, "something was touched: {error}");
    error
}

/// A directory with some messages, closed.
fn filled() -> Scratch {
    let scratch = Scratch::new();
    let (mut store, _) = open(&scratch);
    let said = (1..=2000).map(|id| said(1, id, "so much was said"));
    append(&mut store, 1, [opened(1, "#a", 1)].into_iter().chain(said).collect());
    close(store);
    scratch
}

fn sql(scratch: &Scratch, sql: &str) {
    let connection = rusqlite::Connection::open(scratch.database()).expect("a database");
    connection.execute_batch(sql).expect("it runs");
}

#[test]
fn what_is_no_history_of_ours_is_not_touched() {
    let scratch = Scratch::new();
    fs::create_dir(&scratch.0).expect("a directory");
    for garbage in [&b""[..], b"hello", &[b'x'; 8192]] {
        fs::write(scratch.database(), garbage).expect("a file");
        let error = refusal(&scratch);
        assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    }
    fs::remove_file(scratch.database()).expect("it was there");
    sql(&scratch, "CREATE TABLE notes(text TEXT)");
    let error = refusal(&scratch);
    assert!(matches!(error, OpenError::Foreign { .. }), "of another program: {error}");
}

#[test]
fn what_a_newer_server_wrote_is_not_touched() {
    let scratch = filled();
    sql(&scratch, "PRAGMA user_version = 99");
    let error = refusal(&scratch);
    assert!(matches!(error, OpenError::Newer { found: 99, known: 6, .. }), "{error}");
}

#[test]
fn a_truncated_file_is_not_touched() {
    let scratch = filled();
    let bytes = fs::metadata(scratch.database()).expect("a file").len();
    for part in [bytes - 1, bytes - 4096, bytes / 2, 4096, 100] {
        let file = fs::OpenOptions::new().write(true).open(scratch.database()).expect("a file");
        file.set_len(part).expect("it is cut");
        let error = refusal(&scratch);
        assert!(matches!(error, OpenError::Damaged { .. }), "{part} of {bytes}: {error}");
    }
}

/// After an unclean stop all pages are looked at, though a chat would start without them.
#[test]
fn a_damaged_page_is_found_after_an_unclean_stop() {
    let scratch = filled();
    sql(
        &scratch,
        "UPDATE meta SET value = 0 WHERE key = 'is_clean'; PRAGMA wal_checkpoint(TRUNCATE)",
    );
    let mut bytes = fs::read(scratch.database()).expect("a file");
    let at = bytes.len() / 2 / 4096 * 4096;
    bytes[at..at + 4096].fill(0x5a);
    fs::write(scratch.database(), bytes).expect("a file");
    let error = refusal(&scratch);
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[test]
fn a_directory_that_cannot_be_written_is_one_clear_line() {
    let scratch = Scratch::new();
    fs::write(&scratch.0, "a file").expect("a file");
    let error = SqliteStore::open(&scratch.0, StoreSettings::default()).expect_err("no directory");
    assert!(matches!(error, OpenError::NoDirectory { .. }), "{error}");
    fs::remove_file(&scratch.0).expect("it was there");
    // Whatever the rights of this user are, nobody makes files there.
    let error = SqliteStore::open(Path::new("/proc/self/chat"), StoreSettings::default());
    assert!(matches!(error, Err(OpenError::Directory { .. })));
}

// ---- Power cuts ----

#[test]
fn another_start_of_the_machine_means_a_new_epoch_only_if_something_may_be_lost() {
    use chat_server::store::sqlite::Durability::{Power, Process};
    let another_boot = "UPDATE meta SET value = 'another' WHERE key = 'boot';";
    let unclean = "UPDATE meta SET value = 0 WHERE key = 'is_clean';";
    for (durability, changes, is_new) in [
        (Power, [another_boot, unclean].concat(), false),
        (Process, another_boot.to_owned(), false),
        (Process, unclean.to_owned(), false),
        (Process, [another_boot, unclean].concat(), true),
    ] {
        let scratch = Scratch::new();
        let settings = StoreSettings { durability, ..StoreSettings::default() };
        let (store, first) = open_with(&scratch, settings);
        close(store);
        sql(&scratch, &changes);
        let (store, second) = open(&scratch);
        assert_eq!(first.epoch != second.epoch, is_new, "{durability:?}: {changes}");
        close(store);
    }
}

// ---- Any order of things ----

/// What is done with a store.
#[derive(Clone, Debug)]
enum Step {
    Open,
    Close(usize),
    Delete {
        room: usize,
        id: u64,
    },
    Say {
        room: usize,
        text: String,
    },
    SetTopic {
        room: usize,
        topic: String,
    },
    Guests,
    EndGroup,
    Reopen,
    Page {
        room: usize,
        from: u64,
        before: u64,
        newest: bool,
        messages_max: usize,
        bytes_max: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Open),
        1 => (0..8usize).prop_map(Step::Close),
        8 => (0..8usize, "\\PC{0,40}").prop_map(|(room, text)| Step::Say { room, text }),
        2 => (0..8usize, 0..9u64).prop_map(|(room, id)| Step::Delete { room, id }),
        1 => (0..8usize, "[a-z]{0,5}").prop_map(|(room, topic)| Step::SetTopic { room, topic }),
        1 => Just(Step::Guests),
        4 => Just(Step::EndGroup),
        1 => Just(Step::Reopen),
        4 => (0..8usize, 0..20u64, 0..20u64, any::<bool>(), 0..6usize, 0..200usize).prop_map(
            |(room, from, before, newest, messages_max, bytes_max)| {
                Step::Page { room, from, before, newest, messages_max, bytes_max }
            }
        ),
    ]
}

/// The same in memory, without any cleverness.
#[derive(Default)]
struct Model {
    rooms: Vec<(StoredRoom, Vec<StoredMessage>)>,
    /// The rooms in the order in which they were spoken in last.
    spoken: Vec<u64>,
    guests: u64,
    next_room: u64,
    ids_used: u64,
}

impl Model {
    fn page(&self, wanted: &PageRequest) -> Vec<StoredMessage> {
        let Some((_, all)) = self.rooms.iter().find(|(room, _)| room.room == wanted.room) else {
            return Vec::new();
        };
        let mut all: Vec<StoredMessage> = all
            .iter()
            .filter(|it| (wanted.from..wanted.before).contains(&it.id))
            .cloned()
            .collect();
        if wanted.newest {
            all.reverse();
        }
        let (mut bytes, mut count) = (0, 0);
        all.truncate(wanted.messages_max);
        for message in &all {
            bytes += message.author.len() + message.text.len();
            if bytes > wanted.bytes_max && count > 0 {
                break;
            }
            count += 1;
        }
        all.truncate(count);
        if wanted.newest {
            all.reverse();
        }
        all
    }

    /// As a chat is told at the start.
    fn rooms(&self) -> Vec<StoredRoom> {
        let mut rooms = self.rooms.clone();
        let rank = |room: u64| self.spoken.iter().rposition(|it| *it == room);
        rooms.sort_by_key(|(room, _)| (std::cmp::Reverse(rank(room.room)), room.room));
        rooms.into_iter().map(|(room, newest)| StoredRoom { newest, ..room }).collect()
    }

    /// What this step changes, if it can be done.
    fn change(&mut self, step: &Step) -> Option<Change> {
        let count = self.rooms.len();
        match step {
            Step::Open => {
                self.next_room += 1;
                let (number, first_id) = (self.next_room, self.ids_used + 1);
                let room = StoredRoom {
                    room: number,
                    name: format!("#Room{number}").into(),
                    topic: "".into(),
                    first_id,
                    next_id: first_id,
                    newest: Vec::new(),
                };
                let change = opened(number, &room.name, first_id);
                self.rooms.push((room, Vec::new()));
                Some(change)
            }
            Step::Close(at) if count > 0 && self.rooms[at % count].1.is_empty() => {
                let (room, _) = self.rooms.remove(at % count);
                self.ids_used = self.ids_used.max(room.next_id - 1);
                Some(Change::RoomClosed { room: room.room })
            }
            Step::Say { room, text } if count > 0 => {
                let (room, messages) = &mut self.rooms[room % count];
                let said = message(room.next_id, text);
                room.next_id += 1;
                messages.push(said.clone());
                self.spoken.push(room.room);
                Some(Change::Said { room: room.room, message: said, key: None })
            }
            Step::Delete { room, id } if count > 0 => {
                let (room, messages) = &mut self.rooms[room % count];
                let deleted = messages.iter_mut().find(|message| message.id == *id)?;
                deleted.delete();
                Some(Change::Deleted { room: room.room, id: *id })
            }
            Step::SetTopic { room, topic } if count > 0 => {
                let (room, _) = &mut self.rooms[room % count];
                room.topic = topic.as_str().into();
                Some(Change::TopicSet { room: room.room, topic: room.topic.clone() })
            }
            Step::Guests => {
                self.guests += 1;
                Some(Change::Guests(self.guests))
            }
            _ => None,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_store_is_as_a_list_in_memory(steps in prop::collection::vec(step(), 1..120)) {
        let scratch = Scratch::new();
        let settings = StoreSettings {
            preload: Preload {
                rooms: 1000,
                bytes_max: 1 << 30,
                ..StoreSettings::default().preload
            },
            ..StoreSettings::default()
        };
        let mut model = Model::default();
        let (mut store, fresh) = open_with(&scratch, settings.clone());
        let (mut group, mut changes) = (0, Vec::new());
        for step in &steps {
            changes.extend(model.change(step));
            match step {
                Step::EndGroup | Step::Reopen | Step::Page { .. } if !changes.is_empty() => {
                    group += 1;
                    append(&mut store, group, std::mem::take(&mut changes));
                }
                _ => {}
            }
            match step {
                Step::Reopen => {
                    close(store);
                    let loaded;
                    (store, loaded) = open_with(&scratch, settings.clone());
                    group = 0;
                    prop_assert_eq!(&loaded.epoch, &fresh.epoch);
                    prop_assert_eq!(loaded.rooms, model.rooms());
                    prop_assert_eq!(loaded.guests, model.guests);
                    prop_assert_eq!(loaded.next_room, model.next_room + 1);
                    prop_assert_eq!(loaded.ids_used, model.ids_used);
                }
                &Step::Page { room, from, before, newest, messages_max, bytes_max } => {
                    let room = model.rooms.get(room).map_or(99, |(room, _)| room.room);
                    let wanted = PageRequest { room, from, before, newest, messages_max, bytes_max };
                    let page = store.reader().page(&wanted).expect("a page");
                    prop_assert_eq!(page, model.page(&wanted));
                }
                _ => {}
            }
        }
        close(store);
        let checked = tools::check(&scratch.0).expect("it is sound");
        prop_assert!(checked.contains("ids without holes"));
    }
}

// ---- Tools ----

#[test]
fn a_backup_is_another_history_of_the_same_messages() {
    let scratch = Scratch::new();
    let (mut store, first) = open(&scratch);
    append(&mut store, 1, vec![opened(1, "#a", 1), said(1, 1, "hello"), Change::Guests(4)]);
    let backup = scratch.0.join("backup.db");
    tools::backup(&scratch.0, &backup).expect("a copy, while the store is open");
    let error = tools::backup(&scratch.0, &backup).expect_err("there is one already");
    assert!(matches!(error, ToolError::Exists { .. }), "{error}");
    append(&mut store, 2, vec![said(1, 2, "later")]);
    let error = tools::restore(&scratch.0, &backup, true).expect_err("the store is open");
    assert!(matches!(error, ToolError::Open(OpenError::Locked { .. })), "{error}");
    close(store);

    let error = restore(&scratch, &backup, false).expect_err("there is a history");
    assert!(matches!(error, ToolError::Occupied { .. }), "{error}");
    let mut epochs = vec![first.epoch];
    for round in 1..=2 {
        restore(&scratch, &backup, true).expect("it is put in place");
        let (store, loaded) = open(&scratch);
        assert_eq!((ids(&loaded.rooms[0].newest), loaded.guests), (vec![1], 4));
        assert!(!epochs.contains(&loaded.epoch), "ids are given again: {epochs:?}");
        epochs.push(loaded.epoch);
        close(store);
        let aside = scratch.0.join(format!("history.before-restore-{round}.db"));
        assert!(aside.is_file(), "what was there is kept");
    }
    let elsewhere = Scratch::new();
    restore(&elsewhere, &scratch.0.join("history.before-restore-1.db"), false)
        .expect("an empty directory");
    let (store, loaded) = open(&elsewhere);
    assert_eq!(ids(&loaded.rooms[0].newest), [1, 2]);
    close(store);
}

#[test]
fn only_a_sound_history_is_restored() {
    let scratch = filled();
    let backup = scratch.0.join("backup.db");
    fs::write(&backup, "a letter").expect("a file");
    let before = contents(&scratch);
    let error = tools::restore(&scratch.0, &backup, true).expect_err("it is none");
    assert!(matches!(error, ToolError::Open(OpenError::Foreign { .. })), "{error}");
    let error = tools::restore(&scratch.0, Path::new("/nowhere.db"), true).expect_err("no file");
    assert!(error.to_string().starts_with("cannot read /nowhere.db: "), "{error}");
    assert!(contents(&scratch) == before);
}

#[test]
fn a_check_finds_what_is_missing() {
    let error = tools::check(Path::new("/nowhere")).expect_err("no history");
    assert!(matches!(error, ToolError::NoHistory { .. }), "{error}");
    let scratch = filled();
    let line = tools::check(&scratch.0).expect("it is sound");
    assert!(line.contains(" is sound: 1 room, 2000 messages, ids without holes; "), "{line}");
    for (damage, what) in [
        ("DELETE FROM messages WHERE id = 7", "messages 1 up to 2001, and has 1999"),
        ("UPDATE messages SET id = 3000 WHERE id = 2000", "messages 1 up to 2001, and has 2000"),
        ("UPDATE rooms SET next_id = 2002", "messages 1 up to 2002, and has 2000"),
        ("INSERT INTO messages VALUES (9000, 5, 1, 0, 0, 'a', 'b', NULL)", "1 message of no room"),
    ] {
        let scratch = filled();
        sql(&scratch, damage);
        let error = tools::check(&scratch.0).expect_err("a fault").to_string();
        assert!(error.contains(what), "{damage}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

/// The index is derived: what it lacks is made, and only what it lost is a fault.
#[test]
fn a_check_tells_what_search_finds() {
    let scratch = filled();
    let index = scratch.0.join("search.db");
    let checked = || tools::check(&scratch.0).map_err(|error| error.to_string());
    let ends = |what: &str| {
        let line = checked().expect("it is sound");
        assert!(line.ends_with(what), "{line}");
    };
    let began = Instant::now();
    let (store, _) = open(&scratch);
    while !checked().expect("it is sound").ends_with("finds all of them") {
        assert!(began.elapsed() < DEADLINE, "{:?}", checked());
        thread::sleep(Duration::from_millis(5));
    }
    ends("ids without holes; search finds all of them");
    let mode = fs::metadata(&index).expect("an index").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it has the words that were said");
    close(store);

    let with_index = |sql: &str| {
        let connection = rusqlite::Connection::open(&index).expect("an index");
        connection.execute_batch(sql).expect(sql);
    };
    with_index("UPDATE progress SET n = 1990");
    ends("search does not find 10 of them yet: the server goes on with them");
    with_index("UPDATE progress SET n = 2000; DELETE FROM words_0 WHERE rowid = 77");
    let error = checked().expect_err("the server would not notice");
    assert!(error.contains("search.db is damaged (it lacks 1 messages): delete it"), "{error}");
    fs::write(&index, "a letter".repeat(1000)).expect("a file");
    let error = checked().expect_err("it is none");
    assert!(error.starts_with("the history is sound, but "), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    fs::remove_file(&index).expect("it is there");
    ends("search has no index yet: the server makes it");
}

#[test]
fn a_room_is_exported_as_text_json_and_html() {
    let scratch = Scratch::new();
    let (mut store, _) = open(&scratch);
    append(
        &mut store,
        1,
        vec![opened(1, "#A<b>", 2), said(1, 2, "a \"<b>\" & 'c'"), said(1, 3, "x\n\t<bob> y")],
    );
    let export = |format| {
        let mut out = Vec::new();
        tools::export(&scratch.0, ("#a", "#a<b>"), format, &mut out).expect("a room");
        String::from_utf8(out).expect("UTF-8")
    };
    assert_eq!(
        export(Format::Text),
        "2026-11-22T13:05:09Z <álice> a \"<b>\" & 'c'\n\
         2026-11-22T13:05:09Z * álice x\n| \t<bob> y\n"
    );
    assert_eq!(
        export(Format::Json),
        "{\"id\":2,\"time\":1795352709002,\"name\":\"álice\",\"text\":\"a \\\"<b>\\\" & 'c'\"}\n\
         {\"id\":3,\"time\":1795352709003,\"name\":\"álice\",\"text\":\"x\\n\\t<bob> y\",\"me\":true}\n"
    );
    let html = export(Format::Html);
    assert!(html.contains("<h1>#A&lt;b&gt;</h1>"), "{html}");
    assert!(html.contains("<b>álice</b> a &quot;&lt;b&gt;&quot; &amp; &#39;c&#39;</p>"), "{html}");
    assert!(html.contains(
        "<p id=\"3\"><time>2026-11-22T13:05:09Z</time> <i>álice x\n\t&lt;bob&gt; y</i></p>"
    ));
    let error = tools::export(&scratch.0, ("#b", "#b"), Format::Text, &mut Vec::new());
    assert!(matches!(error, Err(ToolError::NoRoom { .. })));
    let message = StoredMessage { author: "ci (hook)".into(), ..message(4, "done") };
    append(&mut store, 2, vec![Change::Said { room: 1, message, key: None }]);
    let line = "{\"id\":4,\"time\":1795352709004,\"name\":\"ci (hook)\",\"text\":\"done\",\"hook\":true}\n";
    assert!(export(Format::Json).ends_with(line), "{}", export(Format::Json));
    assert!(export(Format::Text).ends_with(" <ci (hook)> done\n"));
    let said = (5..=2600).map(|id| said(1, id, "more than a page")).collect();
    append(&mut store, 3, said);
    assert_eq!(export(Format::Text).lines().count(), 2600);
    close(store);
}

// ---- Conversations ----

/// What alice and bob say to each other, and bob to himself.
fn with_conversations(scratch: &Scratch) -> SqliteStore {
    let (mut store, _) = open(scratch);
    let opened = |room, name: &str| Change::RoomOpened {
        room,
        name: name.into(),
        key: name.into(),
        skeletons: Vec::new(),
        first_id: 1,
    };
    let said = |room, id, account, text: &str| Change::Said {
        room,
        message: StoredMessage { account: Some(account), ..message(id, text) },
        key: None,
    };
    let changes = vec![
        Change::Account(people::account(1, "alice")),
        Change::Account(people::account(2, "bob")),
        opened(1, "#dev"),
        said(1, 1, 2, "in dev"),
        opened(2, "@1:2"),
        said(2, 1, 1, "hello"),
        said(2, 2, 2, "yes?"),
        opened(3, "@2:2"),
        said(3, 1, 2, "milk"),
    ];
    append(&mut store, 1, changes);
    store
}

#[test]
fn conversations_are_loaded_behind_the_rooms_however_few_may_be() {
    let scratch = Scratch::new();
    close(with_conversations(&scratch));
    let settings = StoreSettings { rooms_max: 0, ..StoreSettings::default() };
    let (store, loaded) = SqliteStore::open(&scratch.0, settings).expect("it opens");
    let rooms: Vec<(&str, u64)> =
        loaded.rooms.iter().map(|room| (&*room.name, room.next_id)).collect();
    assert_eq!(rooms, [("@2:2", 2), ("@1:2", 3)]);
    let by: Vec<Option<u64>> = loaded.rooms[1].newest.iter().map(|it| it.account).collect();
    assert_eq!(by, [Some(1), Some(2)]);
    close(store);
    let (store, loaded) = open(&scratch);
    let names: Vec<&str> = loaded.rooms.iter().map(|room| &*room.name).collect();
    assert_eq!(names, ["#dev", "@2:2", "@1:2"]);
    close(store);
}

fn exported(scratch: &Scratch, name: &str) -> Result<String, ToolError> {
    let mut out = Vec::new();
    tools::export(&scratch.0, (name, name), Format::Text, &mut out)?;
    Ok(String::from_utf8(out).expect("UTF-8"))
}

#[test]
fn those_who_left_are_told_apart_by_when_one_has_talked_with_them() {
    let scratch = Scratch::new();
    let (mut store, _) = open(&scratch);
    let account = |id: u64| Change::Account(people::account(id, &format!("n{id}")));
    let mut changes: Vec<Change> = (1..=12).map(account).collect();
    for (room, name) in (1..).zip(["@11:12", "@1:12", "@2:11", "@2:12", "@3:12", "@12:12"]) {
        changes.extend([opened(room, name, 1), said(room, 1, &format!("in {room}"))]);
    }
    changes.extend([1, 2, 11].map(|account| Change::AccountGone { account }));
    append(&mut store, 1, changes);
    let export = |name: &str| exported(&scratch, name);
    for (name, text) in [
        ("@n12:someone who left", "in 1"),
        ("@someone who left (2):n12", "in 2"),
        ("@n12:someone who left (3)", "in 4"),
        ("@n12:n3", "in 5"),
        ("@n12:n12", "in 6"),
    ] {
        let found = export(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(found.trim_end().ends_with(text), "{name}: {found}");
    }
    for none in ["@n12:someone who left (4)", "@n3:someone who left", "@n12:someone who left (1)"] {
        export(none).expect_err(none);
    }
    close(store);
}

#[test]
fn a_room_is_exported_by_a_name_that_it_has_had() {
    let scratch = Scratch::new();
    let (mut store, _) = open(&scratch);
    let renamed = |name: &str| {
        let (name, key) = (name.into(), name.into());
        Change::Rules(RulesChange::Renamed { room: 1, name, key, skeletons: Vec::new() })
    };
    let former = |name: &str| {
        let (name, key) = (name.into(), name.into());
        Change::Rules(RulesChange::FormerName(StoredRoomName { key, name, room: 1, until_ms: 9 }))
    };
    let changes =
        vec![opened(1, "#dev", 1), said(1, 1, "in dev"), renamed("#work"), former("#dev")];
    append(&mut store, 1, changes);
    let export = |name: &str| exported(&scratch, name);
    let by_name = export("#work").expect("a room");
    assert_eq!(export("#dev").expect("the same"), by_name);
    // The name is another's now.
    append(&mut store, 2, vec![opened(2, "#dev", 1), said(2, 1, "elsewhere")]);
    assert!(export("#dev").expect("a room").ends_with("elsewhere\n"));
    close(store);
}

#[test]
fn conversations_are_checked_exported_and_in_backups() {
    let scratch = Scratch::new();
    let mut store = with_conversations(&scratch);
    let line = tools::check(&scratch.0).expect("it is sound");
    assert!(line.contains(" 1 room, 2 conversations, 4 messages,"), "{line}");
    let time = "2026-11-22T13:05:09Z";
    let both = format!("{time} <álice> hello\n{time} <álice> yes?\n");
    assert_eq!(exported(&scratch, "@alice:bob").expect("a conversation"), both);
    assert_eq!(exported(&scratch, "@bob:alice").expect("the same"), both);
    assert_eq!(exported(&scratch, "@bob:bob").expect("his own"), format!("{time} <álice> milk\n"));
    for other in ["@alice:alice", "@alice:carol", "@carol:dora", "@alice", "@1:2"] {
        let error = exported(&scratch, other).expect_err(other);
        assert!(matches!(error, ToolError::NoRoom { .. }), "{other}: {error}");
    }
    append(&mut store, 2, vec![Change::AccountGone { account: 2 }]);
    let error = exported(&scratch, "@alice:bob").expect_err("bob is no more").to_string();
    assert!(error.ends_with("(if one of the accounts has ended: '@NAME:someone who left')"));
    let both = format!("{time} <álice> hello\n{time} <someone who left> yes?\n");
    assert_eq!(exported(&scratch, "@alice:someone who left").expect("a conversation"), both);
    assert_eq!(exported(&scratch, "@someone who left:alice").expect("the same"), both);
    for other in ["@alice:someone who left (2)", "@someone who left:someone who left"] {
        let error = exported(&scratch, other).expect_err(other);
        assert!(matches!(error, ToolError::NoRoom { .. }), "{other}: {error}");
    }
    assert_eq!(
        exported(&scratch, "#dev").expect("a room"),
        format!("{time} <someone who left> in dev\n")
    );
    tools::check(&scratch.0).expect("what the other one may read is there");
    close(store);
    let (backup, elsewhere) = (scratch.0.join("backup.db"), Scratch::new());
    tools::backup(&scratch.0, &backup).expect("a backup");
    tools::restore(&elsewhere.0, &backup, false).expect("an empty directory");
    let line = tools::check(&elsewhere.0).expect("it is sound");
    assert!(line.contains(" 2 conversations, 4 messages,"), "{line}");
}

// ---- A full disk ----

/// Not a test of its own: works on a file system of 4 MiB until that is full, and after that.
#[test]
#[ignore = "a part of the next test"]
fn child_on_a_small_disk() {
    let Some(directory) = env::var_os(CHILD) else { return };
    let mounted = PathBuf::from(directory);
    let scratch = Scratch(mounted.join("data"));
    let ballast = scratch.0.with_file_name("ballast");
    fs::write(&ballast, vec![0; 1024 * 1024]).expect("room for it");
    // Without a reserve, so that writing itself fails.
    let settings = StoreSettings { free_bytes_min: 0, ..StoreSettings::default() };
    let (mut store, _) = open_with(&scratch, settings.clone());
    append(&mut store, 1, vec![opened(1, "#a", 1)]);
    let (mut group, mut id) = (1, 0);
    let text = "x".repeat(20_000);
    let durable = loop {
        match store.progress() {
            Progress::Durable(GroupId(durable)) if durable == group => {
                group += 1;
                id += 1;
                store.append(GroupId(group), vec![said(1, id, &text)]);
            }
            Progress::Durable(_) => thread::sleep(Duration::from_micros(100)),
            Progress::Lost(GroupId(durable)) => break durable,
            Progress::Broken(_) => panic!("no sync failed"),
        }
        assert!(id < 1000, "it never becomes full");
    };
    assert_eq!(store.space(), Space::Full);
    // These are on their way when the chat hears of it.
    store.append(GroupId(group + 1), vec![said(1, id + 1, "lost, too")]);
    let loaded = store.reload().expect("reading goes on");
    // The first group opened the room.
    assert_eq!(loaded.rooms[0].next_id, durable, "as many messages as groups are durable");
    assert_eq!(store.progress(), Progress::Durable(GroupId(durable)));
    assert_eq!(ids(&store.reader().page(&page(1, 1, 3)).expect("a page")), [1, 2]);
    thread::sleep(Duration::from_secs(2));
    assert_eq!(store.space(), Space::Full, "nothing has changed");

    fs::remove_file(&ballast).expect("it was there");
    let began = Instant::now();
    while store.space() == Space::Full {
        assert!(began.elapsed() < DEADLINE, "it does not recover");
        thread::sleep(Duration::from_millis(10));
    }
    let next = loaded.rooms[0].next_id;
    append(&mut store, durable + 1, vec![said(1, next, "there is room")]);
    close(store);
    // A start writes, too: the journal goes into the file.
    let larger = Command::new("mount").args(["-o", "remount,size=16m"]).arg(&mounted).status();
    assert!(larger.is_ok_and(|status| status.success()));
    let (store, loaded) = open_with(&scratch, settings);
    assert_eq!(loaded.rooms[0].next_id, next + 1);
    let newest = loaded.rooms[0].newest.last().map(|message| &*message.text);
    assert_eq!(newest, Some("there is room"));
    close(store);
    let line = tools::check(&scratch.0).expect("it is sound");
    println!("{line}");
}

#[test]
fn a_full_disk_loses_nothing_that_was_durable() {
    let scratch = Scratch::new();
    fs::create_dir(&scratch.0).expect("a directory");
    let mount = "mount -t tmpfs -o size=4m tmpfs \"$0\" && exec \"$@\"";
    let may_mount = Command::new("unshare")
        .args(["-rm", "sh", "-c", mount])
        .args([&scratch.0, Path::new("true")])
        .stderr(Stdio::null())
        .status();
    if !may_mount.is_ok_and(|status| status.success()) {
        eprintln!("left out: this user may not mount a file system in a namespace");
        return;
    }
    let ended = Command::new("unshare")
        .args(["-rm", "sh", "-c", mount])
        .arg(&scratch.0)
        .arg(env::current_exe().expect("this program"))
        .args(["--exact", "child_on_a_small_disk", "--ignored", "--nocapture"])
        .env(CHILD, &scratch.0)
        .output()
        .expect("it runs");
    let said = [ended.stdout, ended.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(ended.status.success() && said[0].contains("is sound"), "{}\n{}", said[0], said[1]);
}

/// Whatever the rights of this user are, such a file system takes nothing.
#[test]
fn a_read_only_file_system_is_one_clear_line() {
    let scratch = filled();
    let script = "mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\" && exec \"$@\"";
    let run = |program: &str, arguments: &[&str]| {
        Command::new("unshare")
            .args(["-rm", "sh", "-c", script])
            .arg(&scratch.0)
            .arg(program)
            .args(arguments)
            .env("CHAT_DATA", &scratch.0)
            .output()
    };
    if !run("true", &[]).is_ok_and(|ended| ended.status.success()) {
        eprintln!("left out: this user may not mount a file system in a namespace");
        return;
    }
    let ended = run(env!("CARGO_BIN_EXE_chat-server"), &["127.0.0.1:0"]).expect("it runs");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.lines().count() == 1 && said.contains("Read-only file system"), "{said}");
}

// ---- Kill -9 ----

const CHILD: &str = "CHAT_SERVER_STORE_TEST_CHILD";
/// Stands where a room stands, for what is no room's.
const ACCOUNTS: u64 = 0;

/// Not a test of its own: writes until it is killed, and says what is durable.
#[test]
#[ignore = "a part of the next test"]
fn child_that_writes() {
    let Some(directory) = env::var_os(CHILD) else { return };
    let (mut store, loaded) = SqliteStore::open(Path::new(&directory), StoreSettings::default())
        .unwrap_or_else(|error| panic!("{error}"));
    let mut next: Vec<u64> = vec![1; 5];
    for room in &loaded.rooms {
        next[room.room as usize] = room.next_id;
    }
    let (mut appended, mut account) = (0, loaded.people.next_account);
    if loaded.rooms.is_empty() {
        appended += 1;
        let rooms = (1..5).map(|room| opened(room, &format!("#room{room}"), 1)).collect();
        store.append(GroupId(appended), rooms);
    }
    // What each group brings: a room, and the id that it has then.
    let mut groups: BTreeMap<u64, Vec<(u64, u64)>> = BTreeMap::new();
    let mut told = 0;
    let mut random = fastrand::Rng::new();
    let mut stdout = std::io::stdout().lock();
    loop {
        appended += 1;
        let mut changes = Vec::new();
        for _ in 0..random.usize(1..20) {
            let room = random.u64(1..5);
            let id = next[room as usize];
            next[room as usize] += 1;
            changes.push(said(room, id, &"x".repeat(random.usize(0..3000))));
            groups.entry(appended).or_default().push((room, id));
        }
        changes.push(Change::Account(people::account(account, &format!("person{account}"))));
        changes.push(Change::AccessKey(people::access_key(account, 1)));
        changes.push(Change::Member { room: random.u64(1..5), account });
        groups.entry(appended).or_default().push((ACCOUNTS, account));
        account += 1;
        store.append(GroupId(appended), changes);
        let Progress::Durable(GroupId(durable)) = store.progress() else { panic!("{store:?}") };
        while told < durable {
            told += 1;
            for (room, id) in groups.remove(&told).unwrap_or_default() {
                writeln!(stdout, "durable {room} {id}").expect("a pipe");
            }
            stdout.flush().expect("a pipe");
        }
        if random.usize(0..50) == 0 {
            thread::sleep(Duration::from_millis(2));
        }
    }
}

#[test]
fn what_was_durable_survives_kill_9_twenty_times() {
    let scratch = Scratch::new();
    let mut durable: BTreeMap<u64, u64> = BTreeMap::new();
    let mut random = fastrand::Rng::with_seed(14);
    for round in 0..20 {
        let mut child = Command::new(env::current_exe().expect("this program"))
            .args(["--exact", "child_that_writes", "--ignored", "--nocapture"])
            .env(CHILD, &scratch.0)
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut lines = stdout.lines().map_while(Result::ok);
        // Killed at some moment after something has become durable.
        let first = lines.by_ref().find(|line| line.starts_with("durable "));
        let killer = {
            let pid = child.id().to_string();
            let after = Duration::from_micros(random.u64(0..40_000));
            thread::spawn(move || {
                thread::sleep(after);
                Command::new("kill").args(["-9", &pid]).status().expect("kill runs")
            })
        };
        for line in first.into_iter().chain(lines) {
            let mut words = line.strip_prefix("durable ").unwrap_or_default().split(' ');
            // The last line may be torn.
            let (Some(room), Some(id)) = (words.next(), words.next()) else { continue };
            let (Ok(room), Ok(id)) = (room.parse(), id.parse::<u64>()) else { continue };
            let last = durable.entry(room).or_default();
            *last = id.max(*last);
        }
        assert!(killer.join().expect("no panic").success());
        child.wait().expect("its end");
        assert_dense(&scratch, &durable, round);
    }
}

/// Each account came in one group with its key and its membership.
fn assert_whole(people: &StoredPeople, durable: u64, round: usize) {
    let accounts: Vec<u64> = people.accounts.iter().map(|it| it.account).collect();
    assert_eq!(accounts, (1..people.next_account).collect::<Vec<_>>(), "round {round}");
    assert!(people.next_account > durable, "round {round}: {durable} was durable");
    let with_key: Vec<u64> = people.keys.iter().map(|it| it.account).collect();
    let joined: Vec<u64> = people.members.iter().map(|(_, account)| *account).collect();
    assert_eq!((&with_key, &joined), (&accounts, &accounts), "round {round}");
}

/// All that was durable is there, and ids are dense.
fn assert_dense(scratch: &Scratch, durable: &BTreeMap<u64, u64>, round: usize) {
    let (store, loaded) = open(scratch);
    let reader = store.reader();
    assert_eq!(loaded.rooms.len(), 4, "round {round}");
    for room in &loaded.rooms {
        let last = durable.get(&room.room).copied().unwrap_or(0);
        let (number, next) = (room.room, room.next_id);
        assert!(next > last, "round {round}: {last} was durable in {number}, and {next} is next");
        let (mut from, mut expected) = (1, 1);
        while from < room.next_id {
            let wanted = PageRequest {
                newest: false,
                messages_max: 1000,
                bytes_max: usize::MAX,
                ..page(room.room, from, u64::MAX)
            };
            // On a busy machine a question may take longer than it may.
            let mut pages = (0..100).map(|_| reader.page(&wanted));
            let found = pages.find(|found| !matches!(found, Err(StoreError::TooSlow)));
            for message in found.expect("it is not always slow").expect("a page") {
                assert_eq!(message.id, expected, "round {round}");
                expected += 1;
            }
            assert!(expected > from, "round {round}: nothing from {from} on");
            from = expected;
        }
        assert_eq!(expected, room.next_id, "round {round}");
    }
    assert_whole(&loaded.people, durable[&ACCOUNTS], round);
    close(store);
}
