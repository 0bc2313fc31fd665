//! A store of real files: what it keeps, what it refuses to open, and what a crash leaves.

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

use chat_server::ids::GroupId;
use chat_server::store::sqlite::{OpenError, Preload, SqliteStore, StoreSettings};
use chat_server::store::{
    Change, Loaded, PageRequest, Progress, Space, Store, StoredMessage, StoredRoom,
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
    SqliteStore::open(&scratch.0, settings).unwrap_or_else(|error| panic!("{error}"))
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
fn a_key_leads_to_its_message() {
    let scratch = Scratch::new();
    let (mut store, _) = open(&scratch);
    let keyed =
        |id, key: &str| Change::Said { room: 1, message: message(id, "x"), key: Some(key.into()) };
    append(&mut store, 1, vec![opened(1, "#a", 7), keyed(7, "k1"), keyed(8, "k2")]);
    let reader = store.sqlite_reader();
    assert_eq!(reader.id_of_key(1, "k1"), Ok(Some(7)));
    assert_eq!(reader.id_of_key(1, "k2"), Ok(Some(8)));
    assert_eq!(reader.id_of_key(2, "k1"), Ok(None));
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

#[test]
fn a_store_that_is_full_says_so_until_there_is_room() {
    let scratch = Scratch::new();
    let (mut store, _) = open(&scratch);
    assert_eq!(store.space(), Space::Free);
    append(&mut store, 1, vec![opened(1, "#a", 1)]);
    close(store);
    let full = StoreSettings { bytes_max: Some(4096), ..StoreSettings::default() };
    let (store, _) = open_with(&scratch, full);
    assert_eq!(store.space(), Space::Full);
    close(store);
    let no_room = StoreSettings { free_bytes_min: u64::MAX, ..StoreSettings::default() };
    let (store, _) = open_with(&scratch, no_room);
    assert_eq!(store.space(), Space::Full);
    close(store);
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
    let error = SqliteStore::open(&scratch.0, StoreSettings::default()).expect_err("a refusal");
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
    assert!(matches!(error, OpenError::Newer { found: 99, known: 1, .. }), "{error}");
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
    assert!(matches!(error, OpenError::Directory { .. }), "{error}");
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

// ---- Kill -9 ----

const CHILD: &str = "CHAT_SERVER_STORE_TEST_CHILD";

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
    let mut appended = 0;
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

/// All that was durable is there, and ids are dense.
fn assert_dense(scratch: &Scratch, durable: &BTreeMap<u64, u64>, round: usize) {
    let (store, loaded) = open(scratch);
    let reader = store.reader();
    assert_eq!(loaded.rooms.len(), 4, "round {round}");
    for room in &loaded.rooms {
        let last = durable.get(&room.room).copied().unwrap_or(0);
        assert!(room.next_id > last, "round {round}: {last} was durable in {room:?}");
        let (mut from, mut expected) = (1, 1);
        while from < room.next_id {
            let wanted = PageRequest {
                newest: false,
                messages_max: 1000,
                bytes_max: usize::MAX,
                ..page(room.room, from, u64::MAX)
            };
            for message in reader.page(&wanted).expect("a page") {
                assert_eq!(message.id, expected, "round {round}");
                expected += 1;
            }
            assert!(expected > from, "round {round}: nothing from {from} on");
            from = expected;
        }
        assert_eq!(expected, room.next_id, "round {round}");
    }
    close(store);
}
