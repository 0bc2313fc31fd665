//! The writer over a target that fails as it is told, and migrations, also from versions that never
//! were.

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ffi};

use super::age::Belief;
use super::open::migrate;
use super::reader::{SqliteReader, open_to_read};
use super::schema::{self, APPLICATION_ID, Meta, copy_path};
use super::shared::{Refusal, Shared};
use super::tools::{Format, ToolError};
use super::writer::{Command, Failure, Group, Patience, Target, Writer};
use super::{SqliteStore, StoreSettings, system, tools};
use crate::ids::GroupId;
use crate::store::{
    Change, Expired, Loaded, Progress, Space, Store, StoreError, StoredAccount, StoredMessage,
    StoredPeople,
};

const DEADLINE: Duration = Duration::from_secs(10);

// ---- The writer ----

/// What a target was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Commit(Vec<u64>),
    Probe,
    Empty,
    Close,
}

/// Fails as it is told; succeeds when nothing was said.
#[derive(Clone, Default)]
struct Scripted {
    answers: Arc<Mutex<VecDeque<Result<(), Failure>>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    shared: Arc<Shared>,
}

impl Scripted {
    fn answer(&self, asked: Asked) -> Result<(), Failure> {
        self.asked.lock().expect("no panic").push(asked);
        self.answers.lock().expect("no panic").pop_front().unwrap_or(Ok(()))
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no panic").clone()
    }
}

impl Target for Scripted {
    fn commit(&mut self, groups: &[Group]) -> Result<(), Failure> {
        self.answer(Asked::Commit(groups.iter().map(|group| group.id.0).collect()))
    }

    fn probe(&mut self) -> Result<(), Failure> {
        self.answer(Asked::Probe)
    }

    fn expire(&mut self, _before_ms: u64, _now: Belief) -> Result<usize, Failure> {
        Ok(0)
    }

    fn empty_journal(&mut self) -> Result<bool, Failure> {
        self.answer(Asked::Empty)?;
        self.shared.journal_pages.store(0, Ordering::Relaxed);
        Ok(true)
    }

    fn scrub(&mut self) -> Result<bool, Failure> {
        Ok(true)
    }

    fn close(self, _: bool) -> Result<(), Failure> {
        self.answer(Asked::Close)
    }
}

struct Stage {
    target: Scripted,
    shared: Arc<Shared>,
    commands: Sender<Command>,
    thread: JoinHandle<()>,
    _nudged: Receiver<()>,
}

/// A writer that gives up after 50 ms and probes every 10 ms.
fn stage(answers: impl IntoIterator<Item = Result<(), Failure>>) -> Stage {
    let target = Scripted::default();
    target.answers.lock().expect("no panic").extend(answers);
    let (commands, received) = channel();
    let (nudge, nudged) = sync_channel(1);
    let shared = Arc::clone(&target.shared);
    let patience = Patience {
        retry: Duration::from_millis(50),
        pause: Duration::from_millis(5),
        probe: Duration::from_millis(10),
    };
    let writer = Writer::new(target.clone(), received, Arc::clone(&shared), nudge, patience);
    let thread = thread::spawn(move || {
        if let Some(closed) = writer.run() {
            closed.tell();
        }
    });
    Stage { target, shared, commands, thread, _nudged: nudged }
}

impl Stage {
    fn append(&self, id: u64) {
        let group = Group { id: GroupId(id), changes: vec![Change::Guests(id)] };
        self.commands.send(Command::Append(group)).expect("a writer");
    }

    fn wait_for(&self, wanted: Progress) {
        let began = Instant::now();
        while self.shared.progress() != wanted {
            let progress = self.shared.progress();
            assert!(began.elapsed() < DEADLINE, "{progress:?} and not {wanted:?}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends it in an orderly way; returns whether all is on disk, and what was asked for.
    fn close(self) -> (bool, Vec<Asked>) {
        let (done, answer) = channel();
        self.commands.send(Command::Close { is_released: false, done }).expect("a writer");
        let is_clean = answer.recv().expect("an answer");
        self.thread.join().expect("no panic");
        (is_clean, self.target.asked())
    }
}

fn disk_full() -> Result<(), Failure> {
    Err(Failure::Disk("database or disk is full".to_owned()))
}

fn durable(id: u64) -> Progress {
    Progress::Durable(GroupId(id))
}

#[test]
fn what_gathers_while_it_writes_is_one_transaction() {
    // The first is retried, and the others come meanwhile.
    let stage = stage([disk_full()]);
    stage.append(1);
    while stage.target.asked().is_empty() {
        thread::yield_now();
    }
    (2..=9).for_each(|id| stage.append(id));
    stage.wait_for(durable(9));
    let (is_clean, asked) = stage.close();
    assert!(is_clean);
    let all = (2..=9).collect();
    let commits = [vec![1], vec![1], all].map(Asked::Commit);
    assert_eq!(asked, [&commits[..], &[Asked::Close]].concat());
}

#[test]
fn what_cannot_be_written_is_lost_and_the_store_goes_on() {
    let stage = stage([Ok(())]);
    stage.append(1);
    stage.wait_for(durable(1));
    stage.target.answers.lock().expect("no panic").extend((0..1000).map(|_| disk_full()));
    stage.append(2);
    stage.wait_for(Progress::Lost(GroupId(1)));
    assert_eq!(stage.shared.space(), Space::Full);
    // What comes before the chat has gone back is never written.
    stage.append(3);
    stage.target.answers.lock().expect("no panic").clear();
    stage.commands.send(Command::Resume).expect("a writer");
    stage.wait_for(durable(1));
    let began = Instant::now();
    while stage.shared.space() == Space::Full {
        assert!(began.elapsed() < DEADLINE, "it does not recover");
        thread::sleep(Duration::from_millis(1));
    }
    stage.append(2);
    stage.wait_for(durable(2));
    let (is_clean, asked) = stage.close();
    assert!(is_clean && asked.contains(&Asked::Probe));
    assert!(!asked.contains(&Asked::Commit(vec![3])), "{asked:?}");
}

#[test]
fn what_fails_for_a_reason_of_ours_is_not_tried_again() {
    let stage = stage([Err(Failure::Wrong("UNIQUE constraint failed".to_owned()))]);
    stage.append(1);
    stage.wait_for(Progress::Lost(GroupId(0)));
    let commits =
        stage.target.asked().iter().filter(|asked| matches!(asked, Asked::Commit(_))).count();
    assert_eq!(commits, 1);
}

#[test]
fn a_failed_sync_is_the_end() {
    let stage = stage([Ok(()), Err(Failure::Sync("disk I/O error".to_owned()))]);
    stage.append(1);
    stage.wait_for(durable(1));
    stage.append(2);
    stage.wait_for(Progress::Broken(GroupId(1)));
    stage.append(3);
    stage.commands.send(Command::Resume).expect("a writer");
    thread::sleep(Duration::from_millis(30));
    assert_eq!(stage.shared.progress(), Progress::Broken(GroupId(1)), "for good");
    let (is_clean, asked) = stage.close();
    assert!(!is_clean);
    assert_eq!(asked, [vec![1], vec![2]].map(Asked::Commit), "and nothing after it");
}

#[test]
fn a_long_journal_is_emptied_between_transactions() {
    let stage = stage([]);
    stage.shared.journal_pages.store(20_000, Ordering::Relaxed);
    stage.append(1);
    stage.wait_for(durable(1));
    let (_, asked) = stage.close();
    assert_eq!(asked, [Asked::Commit(vec![1]), Asked::Empty, Asked::Close]);
}

#[test]
fn reasons_to_refuse_come_and_go_apart_from_each_other() {
    let shared = Shared::default();
    assert!(shared.set_refusal(Refusal::DiskFull, true));
    assert!(!shared.set_refusal(Refusal::DiskFull, true), "no news");
    assert!(shared.set_refusal(Refusal::SizeReached, true));
    assert!(shared.set_refusal(Refusal::DiskFull, false));
    assert_eq!(shared.space(), Space::Short);
    for why in
        [Refusal::ReserveUsed, Refusal::SizeReserveUsed, Refusal::WriteFailed, Refusal::JournalFull]
    {
        assert!(shared.set_refusal(why, true));
        assert_eq!(shared.space(), Space::Full);
        assert!(shared.set_refusal(why, false));
        assert_eq!(shared.space(), Space::Short);
    }
    assert!(shared.set_refusal(Refusal::SizeReached, false));
    assert_eq!(shared.space(), Space::Free);
}

#[test]
fn errors_of_sqlite_are_told_apart() {
    let failure = |code| Failure::from(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None));
    for code in [ffi::SQLITE_IOERR_FSYNC, ffi::SQLITE_IOERR_DIR_FSYNC] {
        assert!(matches!(failure(code), Failure::Sync(_)), "{code}");
    }
    for code in
        [ffi::SQLITE_FULL, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_BUSY, ffi::SQLITE_BUSY_SNAPSHOT]
    {
        assert!(matches!(failure(code), Failure::Disk(_)), "{code}");
    }
    for code in [ffi::SQLITE_CORRUPT, ffi::SQLITE_CONSTRAINT_UNIQUE, ffi::SQLITE_MISUSE] {
        assert!(matches!(failure(code), Failure::Wrong(_)), "{code}");
    }
}

// ---- Reading ----

#[test]
fn a_question_that_takes_too_long_is_given_up() {
    let scratch = Scratch::new("slow");
    let file = scratch.0.join("history.db");
    let mut connection = Connection::open(&file).expect("a file");
    schema::migrate(&mut connection, schema::MIGRATIONS).expect("tables");
    let reader = SqliteReader::open(&file).expect("a reader");
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) \
                   SELECT max(x) FROM n";
    let began = Instant::now();
    let answer = reader.ask(|connection| connection.query_row(endless, [], |row| row.get(0)));
    assert_eq!(answer, Err::<u64, _>(StoreError::TooSlow));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let answer = reader.ask(|connection| connection.query_row("SELECT 1", [], |row| row.get(0)));
    assert_eq!(answer, Ok(1), "the next one has its own time");
}

// ---- Migrations ----

/// A file in a directory of its own, which is removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let name = format!("chat-server-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a directory");
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const FIRST: &str = "CREATE TABLE words(word TEXT NOT NULL) STRICT;";
const SECOND: &str = "ALTER TABLE words ADD COLUMN count INTEGER NOT NULL DEFAULT 1;";

fn words(connection: &Connection) -> Vec<(String, i64)> {
    let mut statement = connection.prepare("SELECT word, count FROM words").expect("a table");
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
    rows.collect::<rusqlite::Result<_>>().expect("words")
}

#[test]
fn an_older_file_is_copied_and_then_brought_up_to_date() {
    let scratch = Scratch::new("migration");
    let file = scratch.0.join("history.db");
    let mut connection = Connection::open(&file).expect("a file");
    schema::migrate(&mut connection, &[FIRST]).expect("version 1");
    connection.execute("INSERT INTO words VALUES ('hello')", []).expect("a row");
    drop(connection);

    migrate(&file, 1, &[FIRST, SECOND]).expect("version 2");

    let connection = Connection::open(&file).expect("a file");
    assert_eq!(schema::version(&connection), Ok(2));
    let id: i32 =
        connection.query_row("PRAGMA application_id", [], |row| row.get(0)).expect("an id");
    assert_eq!(id, APPLICATION_ID);
    assert_eq!(words(&connection), [("hello".to_owned(), 1)]);
    let copy = Connection::open(copy_path(&file, 1)).expect("a copy");
    assert_eq!(schema::version(&copy), Ok(1));
    let kept: String = copy.query_row("SELECT * FROM words", [], |row| row.get(0)).expect("a row");
    assert_eq!(kept, "hello");
}

/// Each step is there as a whole or not at all.
#[test]
fn a_step_that_fails_leaves_the_version_before_it() {
    let scratch = Scratch::new("failed-migration");
    let file = scratch.0.join("history.db");
    let mut connection = Connection::open(&file).expect("a file");
    schema::migrate(&mut connection, &[FIRST]).expect("version 1");
    let broken = format!("{SECOND} CREATE TABLE words(again TEXT) STRICT;");
    schema::migrate(&mut connection, &[FIRST, &broken]).expect_err("there is one already");
    assert_eq!(schema::version(&connection), Ok(1));
    connection.prepare("SELECT count FROM words").expect_err("no column was added");
    schema::migrate(&mut connection, &[FIRST, SECOND]).expect("version 2");
    assert_eq!(schema::version(&connection), Ok(2));
}

/// What a server of version 1 has written.
const OF_VERSION_1: &str = "
INSERT INTO meta VALUES
    ('epoch', 'of old'), ('guests', 4), ('next_room', 3), ('is_clean', 1), ('is_power_safe', 1);
INSERT INTO rooms VALUES
    (1, '#lobby', '#Lobby', 'all sorts', 2, 3, 2), (2, '#dev', '#dev', '', 1, 1, 0);
INSERT INTO skeletons VALUES ('#lobby', 1), ('#dev', 2);
INSERT INTO messages VALUES (2, 1, 2, 1795352709000, 0, 'alice', 'hello');
INSERT INTO message_keys VALUES (2, 1, 'k', 2, 1795352709000);
";

/// Also one that a server has left abruptly, with all that was said in the journal.
#[test]
fn a_history_from_before_there_were_accounts_goes_on() {
    for is_orderly in [true, false] {
        let scratch = Scratch::new("version-1");
        let file = scratch.0.join("history.db");
        let mut connection = Connection::open(&file).expect("a file");
        schema::migrate(&mut connection, &schema::MIGRATIONS[..1]).expect("version 1");
        if !is_orderly {
            connection.pragma_update(None, "journal_mode", "WAL").expect("a journal");
            let no_checkpoint = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
            connection.set_db_config(no_checkpoint, true).expect("it stays");
        }
        connection.execute_batch(OF_VERSION_1).expect("rows");
        drop(connection);
        let line = tools::check(&scratch.0).expect("older ones can be checked");
        assert!(line.contains(" 2 rooms, 1 message,"), "{line}");
        let mut out = Vec::new();
        tools::export(&scratch.0, ("#lobby", "#lobby"), Format::Text, &mut out).expect("and read");
        assert_eq!(String::from_utf8_lossy(&out), "2026-11-22T13:05:09Z <alice> hello\n");
        let none = tools::export(&scratch.0, ("@a:b", "@a:b"), Format::Text, &mut out);
        assert!(matches!(none, Err(ToolError::NoRoom { .. })));

        let (mut store, loaded) = reopen(&scratch);
        assert_eq!((&*loaded.epoch, loaded.guests, loaded.next_room), ("of old", 4, 3));
        assert_eq!(loaded.rooms.iter().map(|it| it.next_id).collect::<Vec<_>>(), [3, 1]);
        assert_eq!(&*loaded.rooms[0].newest[0].text, "hello");
        assert_eq!(loaded.keys.len(), 1);
        let nobody =
            StoredPeople { next_account: 1, next_invitation: 1, ..StoredPeople::default() };
        assert_eq!(loaded.people, nobody);
        let alice = StoredAccount {
            account: 1,
            name: "alice".into(),
            key: "alice".into(),
            password: None,
            role: 2,
            created_ms: 1_795_352_709_001,
            owner: None,
        };
        let joined = Change::Member { room: 2, account: 1 };
        store.append(GroupId(1), vec![Change::Account(alice.clone()), joined]);
        let closer = store.closer();
        drop(store);
        closer.close(DEADLINE).expect("an orderly end");

        let copy = Connection::open(copy_path(&file, 1)).expect("a copy");
        assert_eq!(schema::version(&copy), Ok(1));
        let said: String =
            copy.query_row("SELECT text FROM messages", [], |row| row.get(0)).expect("a row");
        assert_eq!(said, "hello");
        let (store, loaded) = reopen(&scratch);
        assert_eq!((loaded.people.accounts, loaded.people.members), (vec![alice], vec![(2, 1)]));
        let closer = store.closer();
        drop(store);
        closer.close(DEADLINE).expect("an orderly end");
    }
}

/// What a server of version 2 has written besides.
const OF_VERSION_2: &str = "
INSERT INTO accounts VALUES (1, 'alice', 'alice', NULL, 2, 1795352709001);
INSERT INTO members VALUES (1, 1, 1), (2, 2, 1);
";

#[test]
fn members_from_before_it_was_known_have_read_everything() {
    let scratch = Scratch::new("version-2");
    let file = scratch.0.join("history.db");
    let mut connection = Connection::open(&file).expect("a file");
    schema::migrate(&mut connection, &schema::MIGRATIONS[..2]).expect("version 2");
    connection.execute_batch(OF_VERSION_1).expect("rows");
    connection.execute_batch(OF_VERSION_2).expect("rows");
    drop(connection);
    tools::check(&scratch.0).expect("older ones can be checked");
    let (store, loaded) = reopen(&scratch);
    let readings = loaded.people.readings.iter();
    let readings: Vec<_> = readings.map(|it| (it.account, it.room, it.read, it.level)).collect();
    assert_eq!(readings, [(1, 1, 2, None), (1, 2, 0, None)]);
    let closer = store.closer();
    drop(store);
    closer.close(DEADLINE).expect("an orderly end");
    tools::check(&scratch.0).expect("it is sound");
}

fn reopen(scratch: &Scratch) -> (SqliteStore, Loaded) {
    SqliteStore::open(&scratch.0, StoreSettings::default()).unwrap_or_else(|why| panic!("{why}"))
}

// ---- One process after the other ----

fn message(id: u64) -> StoredMessage {
    StoredMessage {
        id,
        unix_ms: 0,
        is_action: false,
        author: "alice".into(),
        text: format!("message {id}").into(),
        account: None,
    }
}

fn wait_until_durable(store: &mut SqliteStore, group: u64) {
    let began = Instant::now();
    while store.progress() != Progress::Durable(GroupId(group)) {
        assert!(began.elapsed() < DEADLINE, "{:?}", store.progress());
        thread::sleep(Duration::from_millis(1));
    }
}

fn say(store: &mut SqliteStore, group: u64, id: u64) {
    let opened = Change::RoomOpened {
        room: 1,
        name: "#lobby".into(),
        key: "#lobby".into(),
        skeletons: Vec::new(),
        first_id: 1,
    };
    let opened = (id == 1).then_some(opened);
    let said = Change::Said { room: 1, message: message(id), key: None };
    store.append(GroupId(group), opened.into_iter().chain([said]).collect());
    wait_until_durable(store, group);
}

fn take_over(scratch: &Scratch, settings: StoreSettings) -> (SqliteStore, Loaded) {
    SqliteStore::take_over(&scratch.0, settings).unwrap_or_else(|why| panic!("{why}"))
}

fn close_it(store: SqliteStore) {
    let closer = store.closer();
    drop(store);
    closer.close(DEADLINE).expect("an orderly end");
}

/// Everybody waits for that: what is in the journal stays there, and who reads it is not waited for.
#[test]
fn a_store_is_released_without_moving_its_journal() {
    let scratch = Scratch::new("released");
    let (mut store, _) = reopen(&scratch);
    say(&mut store, 1, 1);
    let file = scratch.0.join("history.db");
    let reading = open_to_read(&file).expect("somebody else");
    let began = reading.unchecked_transaction().expect("it reads");
    let count = |connection: &Connection| -> u64 {
        connection.query_row("SELECT count(*) FROM messages", [], |row| row.get(0)).expect("a row")
    };
    assert_eq!(count(&began), 1);
    say(&mut store, 2, 2);
    let of_file = || fs::metadata(&file).and_then(|it| it.modified()).expect("a time");
    let before = of_file();
    store.release().expect("it is closed");
    assert_eq!(of_file(), before, "nothing is moved into the file");
    let (mut other, loaded) = take_over(&scratch, StoreSettings::default());
    assert_eq!(loaded.rooms[0].next_id, 3);
    say(&mut other, 1, 3);
    other.release().expect("it is closed");
    assert_eq!(of_file(), before, "nor by the next one");
    drop((began, other));
    store.take_back().expect("it is opened again");
    say(&mut store, 3, 4);
    close_it(store);
    let (store, loaded) = reopen(&scratch);
    assert_eq!(loaded.rooms[0].next_id, 5);
    close_it(store);
}

/// Guests may be there, whom no store knows of, and say something.
#[test]
fn a_room_of_which_all_is_forgotten_is_there_after_an_upgrade() {
    let scratch = Scratch::new("forgotten");
    let settings = StoreSettings { keep_days: Some(1), ..StoreSettings::default() };
    let (mut store, _) = reopen(&scratch);
    say(&mut store, 1, 1);
    close_it(store);
    let opened = SqliteStore::open(&scratch.0, settings.clone());
    let (mut store, _) = opened.unwrap_or_else(|why| panic!("{why}"));
    let began = Instant::now();
    while store.take_expired().is_empty() {
        assert!(began.elapsed() < DEADLINE, "it is kept");
        thread::sleep(Duration::from_millis(1));
    }
    store.release().expect("it is closed");
    let (mut other, loaded) = take_over(&scratch, settings);
    assert_eq!((loaded.rooms[0].first_id, loaded.rooms[0].next_id), (2, 2));
    other.release().expect("it is closed");
    store.take_back().expect("it is opened again");
    say(&mut store, 1, 2);
    close_it(store);
}

/// Neither a start, nor an upgrade, nor one that fails believes a clock that is years ahead of what
/// was thought before: what is kept by that stays.
#[test]
fn a_clock_that_has_jumped_is_not_believed_by_the_next_process() {
    const YEAR_MS: u64 = 365 * 24 * 60 * 60 * 1000;
    let scratch = Scratch::new("jumped");
    let (mut store, _) = reopen(&scratch);
    let years_ago = |years: u64| system::unix_ms() - years * YEAR_MS;
    say(&mut store, 1, 1);
    for id in 2..=5 {
        let message = StoredMessage { id, unix_ms: years_ago(12 - 2 * id), ..message(id) };
        store.append(GroupId(id), vec![Change::Said { room: 1, message, key: None }]);
        wait_until_durable(&mut store, id);
    }
    let think = |years| {
        let connection = Connection::open(scratch.0.join("history.db")).expect("a file");
        Meta::BelievedMs.set(&connection, years_ago(years)).expect("a row");
    };
    let has_forgotten = |store: &mut SqliteStore, first_id| {
        let began = Instant::now();
        let expired = loop {
            match store.take_expired().pop() {
                Some(expired) => break expired,
                None => assert!(began.elapsed() < DEADLINE, "it expires"),
            }
            thread::sleep(Duration::from_millis(1));
        };
        assert_eq!(expired, Expired { room: 1, first_id });
    };
    let settings = StoreSettings { keep_days: Some(30), ..StoreSettings::default() };
    close_it(store);
    think(7);
    let opened = SqliteStore::open(&scratch.0, settings.clone());
    let (mut store, _) = opened.unwrap_or_else(|why| panic!("{why}"));
    has_forgotten(&mut store, 3);
    store.release().expect("it is closed");
    think(5);
    let (mut other, _) = take_over(&scratch, settings);
    has_forgotten(&mut other, 4);
    other.release().expect("it is closed");
    think(3);
    store.take_back().expect("it is opened again");
    has_forgotten(&mut store, 5);
    close_it(store);
}

/// A file from before it was written down.
#[test]
fn a_file_that_does_not_say_what_time_it_was_was_in_use_when_something_was_said() {
    let scratch = Scratch::new("no-belief");
    let file = scratch.0.join("history.db");
    let mut connection = Connection::open(&file).expect("a file");
    schema::migrate(&mut connection, schema::MIGRATIONS).expect("tables");
    assert_eq!(Belief::kept(&connection), Ok(None), "nobody can tell");
    let said = "INSERT INTO messages VALUES (1, 1, 1, 5000, 0, 'a', 'x', NULL), \
                (2, 1, 2, 4000, 0, 'a', 'x', NULL)";
    connection.execute(said, []).expect("rows");
    let kept = Belief::kept(&connection).expect("rows").expect("a time");
    assert_eq!(kept.unix_ms, 4000);
    let step = connection.transaction().expect("no other");
    Belief { unix_ms: system::unix_ms(), ..kept }.keep(&step).expect("it can be written");
    assert!(Belief::kept(&step).expect("rows").expect("a time").unix_ms > 4000);
}

#[test]
fn what_is_not_what_was_opened_is_not_released() {
    let scratch = Scratch::new("moved");
    let (store, _) = reopen(&scratch);
    assert_eq!(store.check_release(), Ok(()));
    let moved = scratch.0.with_extension("moved");
    fs::rename(&scratch.0, &moved).expect("another name");
    assert!(store.check_release().is_err(), "it is not there");
    fs::create_dir(&scratch.0).expect("a directory");
    fs::copy(moved.join("history.db"), scratch.0.join("history.db")).expect("a copy");
    assert!(store.check_release().is_err(), "it is another one");
    fs::remove_dir_all(&scratch.0).expect("the copy goes");
    fs::rename(&moved, &scratch.0).expect("its name again");
    assert_eq!(store.check_release(), Ok(()));
    close_it(store);
}

/// Without its lock, the next program that closes the file would take itself for the last one that
/// has it open, and remove the journal.
#[cfg(target_os = "linux")]
#[test]
fn a_store_that_is_taken_back_has_its_locks() {
    use std::os::unix::fs::MetadataExt;
    let scratch = Scratch::new("taken-back");
    let (mut store, _) = reopen(&scratch);
    say(&mut store, 1, 1);
    let locks = || {
        let inode = fs::metadata(scratch.0.join("history.db")).expect("a file").ino();
        let all = fs::read_to_string("/proc/locks").expect("Linux");
        let (pid, file) = (format!(" {} ", std::process::id()), format!(":{inode} "));
        all.lines().filter(|line| line.contains(&pid) && line.contains(&file)).count()
    };
    assert!(locks() > 0, "it is open");
    store.release().expect("it is closed");
    store.take_back().expect("it is opened again");
    assert!(locks() > 0, "it is open");
    say(&mut store, 2, 2);
    close_it(store);
}
