//! Search in real files: what was said is found, the index follows what is kept, and can be lost.

#[path = "fuzz/src/cuts.rs"]
mod cuts;
#[path = "fuzz/src/search.rs"]
mod target;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chat_server::ids::GroupId;
use chat_server::store::search::file::{Coverage, PARTITION, SearchFiles};
use chat_server::store::search::{SearchIndex, Searcher};
use chat_server::store::sqlite::{SqliteStore, StoreSettings};
use chat_server::store::{Change, Found, SearchRequest, Store, StoreError, StoredMessage};
use proptest::prelude::*;
use rusqlite::Connection;

// ---- Stage ----

/// What is kept: the tables that a search looks into.
const KEPT: &str = "
    PRAGMA journal_mode=WAL;
    CREATE TABLE rooms(room INTEGER PRIMARY KEY, key TEXT, name TEXT NOT NULL) STRICT;
    CREATE TABLE messages(n INTEGER PRIMARY KEY, room INTEGER NOT NULL, id INTEGER NOT NULL,
        unix_ms INTEGER NOT NULL, is_action INTEGER NOT NULL, author TEXT NOT NULL,
        text TEXT NOT NULL, account INTEGER) STRICT;
    CREATE TABLE meta(key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT;
    CREATE TABLE deletions(deletion INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER NOT NULL) STRICT;
    INSERT INTO rooms VALUES(1, '#lobby', '#lobby'), (2, '#dev', '#Dev');";

const DAY_MS: u64 = 86_400_000;
/// What was deleted is scrubbed as soon as it is seen.
const EVERY: Duration = Duration::ZERO;

/// A directory of its own, gone at the end.
struct Stage {
    directory: PathBuf,
    kept: Connection,
}

impl Stage {
    fn new() -> Stage {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("chat-server-search-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).expect("a directory");
        let kept = Connection::open(directory.join("history.db")).expect("a database");
        kept.execute_batch(KEPT).expect("tables");
        Stage { directory, kept }
    }

    fn files(&self, epoch: &str) -> SearchFiles {
        SearchFiles::beside(&self.directory.join("history.db"), epoch)
    }

    fn start(&self) -> SearchIndex {
        SearchIndex::start(self.files("e1"), EVERY).expect("a thread")
    }

    fn say(&self, room: u64, unix_ms: u64, author: &str, text: &str) -> u64 {
        let sql = "INSERT INTO messages SELECT ifnull(max(n), 0) + 1, ?1,
            (SELECT count(*) + 1 FROM messages WHERE room = ?1), ?2, 0, ?3, ?4, NULL FROM messages";
        self.kept.execute(sql, (room, unix_ms, author, text)).expect("a row");
        self.kept.last_insert_rowid().unsigned_abs()
    }

    /// So many messages with this text at once.
    fn say_many(&self, count: u64, text: &str) {
        let sql = "WITH RECURSIVE numbers(i) AS
                (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < ?1)
            INSERT INTO messages SELECT i + (SELECT ifnull(max(n), 0) FROM messages), 1,
                i + (SELECT ifnull(max(n), 0) FROM messages), 0, 0, 'alice', ?2, NULL FROM numbers";
        self.kept.execute(sql, (count, text)).expect("rows");
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn request(words: &str) -> SearchRequest {
    SearchRequest { words: words.into(), hits_max: 10, ..SearchRequest::default() }
}

fn texts(found: &Found) -> Vec<&str> {
    found.hits.iter().map(|hit| &*hit.message.text).collect()
}

/// Searches until the answer is as expected, or too much time has passed.
#[track_caller]
fn eventually(
    searcher: &Searcher,
    request: &SearchRequest,
    expected: impl Fn(&Result<Found, StoreError>) -> bool,
) -> Result<Found, StoreError> {
    let began = Instant::now();
    loop {
        let found = searcher.search(request);
        if expected(&found) {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{request:?}: {found:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[track_caller]
fn eventually_found(searcher: &Searcher, request: &SearchRequest, expected: &[&str]) -> Found {
    let is_expected =
        |found: &Result<Found, _>| found.as_ref().is_ok_and(|found| texts(found) == expected);
    eventually(searcher, request, is_expected).expect("it was")
}

// ---- Searching ----

#[test]
fn hits_have_all_that_is_shown_and_the_newest_is_first() {
    let stage = Stage::new();
    stage.say(1, 1_000, "alice", "端末のリスト");
    stage.say(2, 2_000, "Bob", "端末を開く");
    stage.say(2, 3_000, "Deploy (hook)", "done");
    let index = stage.start();
    let searcher = index.searcher();
    let found = eventually_found(&searcher, &request("端末"), &["端末を開く", "端末のリスト"]);
    let hit = &found.hits[0];
    assert_eq!((&*hit.room, hit.message.id, hit.message.unix_ms), ("#Dev", 1, 2_000));
    assert_eq!((&*hit.message.author, hit.message.is_action), ("Bob", false));
    assert_eq!(found.next, None);
    let search = |request| texts(&searcher.search(&request).expect("an answer")).join("|");
    assert_eq!(search(request("字")), "");
    assert_eq!(search(request("開")), "端末を開く");
    assert_eq!(search(SearchRequest { rooms: Some(vec![1]), ..request("端末") }), "端末のリスト");
    assert_eq!(search(SearchRequest { rooms: Some(vec![]), ..request("端末") }), "");
    assert_eq!(search(SearchRequest { from: Some("BOB".into()), ..request("") }), "端末を開く");
    assert_eq!(search(SearchRequest { from: Some("deploy".into()), ..request("") }), "done");
}

/// Conversations are rooms that only two accounts may read: that is part of what the index is asked.
#[test]
fn conversations_are_found_by_those_who_have_them() {
    for many in [1, 50] {
        let stage = Stage::new();
        let sql = "INSERT INTO rooms VALUES (3, '@1:2', '@1:2'), (4, '@2:12', '@2:12')";
        stage.kept.execute_batch(sql).expect("rows");
        for _ in 0..many {
            stage.say(2, 1_000, "alice", "tea for everybody");
            stage.say(3, 2_000, "alice", "tea for two");
            stage.say(4, 3_000, "bob", "tea for twelve");
        }
        stage.kept.execute_batch("UPDATE messages SET account = 7 WHERE room = 3").expect("rows");
        let index = stage.start();
        let searcher = index.searcher();
        let search = |reader, rooms| {
            let words = request("tea for");
            SearchRequest { hits_max: 200, reader, rooms, ..words }
        };
        let of = |searched: &SearchRequest| {
            let found = searcher.search(searched).expect("an answer");
            let mut rooms: Vec<String> =
                found.hits.iter().map(|hit| hit.room.to_string()).collect();
            assert!(
                found
                    .hits
                    .iter()
                    .all(|hit| (&*hit.room == "@1:2") == hit.message.account.is_some())
            );
            assert!(rooms.len().is_multiple_of(many), "{rooms:?}");
            rooms.sort();
            rooms.dedup();
            rooms.join(" ")
        };
        eventually(&searcher, &search(Some(2), None), |found| {
            found.as_ref().is_ok_and(|found| found.hits.len() == 3 * many)
        })
        .expect("it was");
        assert_eq!(of(&search(None, None)), "#Dev");
        assert_eq!(of(&search(Some(1), None)), "#Dev @1:2");
        assert_eq!(of(&search(Some(2), None)), "#Dev @1:2 @2:12");
        assert_eq!(of(&search(Some(12), None)), "#Dev @2:12");
        assert_eq!(of(&search(Some(3), None)), "#Dev");
        assert_eq!(of(&search(None, Some(vec![4]))), "@2:12", "who asks so knows whose it is");
        let hidden = SearchRequest { restricted: vec![(2, None)], ..search(Some(1), None) };
        assert_eq!(of(&hidden), "@1:2");
    }
}

#[test]
fn pages_follow_each_other() {
    let stage = Stage::new();
    let said: Vec<String> = (0..25).map(|number| format!("word {number}")).collect();
    for text in &said {
        stage.say(1, 0, "alice", text);
    }
    let index = stage.start();
    pages_have(&index.searcher(), &said);
}

/// Of few the texts are looked at, of many the index is asked: the same is found.
#[test]
fn words_together_are_found_in_few_messages_and_in_many() {
    for count in [1, 31, 32, 33, 34, 80] {
        let stage = Stage::new();
        for number in 0..count {
            stage.say(1, 0, "alice", &format!("zebrafish number{number} one"));
            stage.say(1, 0, "alice", &format!("a zebra and one more, {number}"));
        }
        let index = stage.start();
        let searcher = index.searcher();
        let both = SearchRequest { hits_max: 200, ..request("zebrafi on") };
        let newest = format!("zebrafish number{} one", count - 1);
        let all = eventually(&searcher, &both, |found| {
            found.as_ref().is_ok_and(|found| found.hits.len() == count)
        });
        let all = all.expect("it was");
        assert_eq!((texts(&all)[0], all.next), (newest.as_str(), None));
        let last = SearchRequest { hits_max: 200, ..request("zebrafish number0") };
        assert!(texts(&searcher.search(&last).expect("found")).contains(&"zebrafish number0 one"));
    }
}

/// Also from one partition to the next, and over one of which nothing is left.
#[test]
fn partitions_are_searched_as_one_and_the_oldest_go() {
    let stage = Stage::new();
    let numbers = |count: u64| (0..count).map(|number| (number * PARTITION / 4, number));
    let mut said = Vec::new();
    for (n, number) in numbers(40).filter(|(n, _)| *n > 0 && n / PARTITION != 3) {
        let text = format!("word {number}");
        let sql = "INSERT INTO messages VALUES(?1, 1, ?1, 0, 0, 'alice', ?2, NULL)";
        stage.kept.execute(sql, (n, &text)).expect("a row");
        said.push(text);
    }
    let index = stage.start();
    let searcher = index.searcher();
    pages_have(&searcher, &said);
    // Two of the fifth partition are gone, and all that is older.
    let first = PARTITION * 5 + PARTITION / 2;
    stage.kept.execute("DELETE FROM messages WHERE n < ?1", [first]).expect("rows");
    let kept = said.split_off(17);
    assert_eq!(kept[0], "word 22");
    pages_have(&searcher, &kept);
    let reader = Connection::open(stage.files("e1").index).expect("the index");
    let count = |sql| reader.query_row(sql, [], |row| row.get::<_, u64>(0)).expect("a count");
    let began = Instant::now();
    while count("SELECT count(*) FROM partitions") > 5 || count("SELECT count(*) FROM words_5") > 2
    {
        assert!(began.elapsed() < Duration::from_secs(30), "they are not forgotten");
        thread::sleep(Duration::from_millis(20));
    }
    let tables =
        "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'words%' AND sql LIKE '%fts5%'";
    assert_eq!(count(tables), 5, "nor do their tables stay");
    assert_eq!(count("SELECT count(*) FROM words_5"), 2);
    pages_have(&searcher, &kept);
}

/// Page by page, all that was said with `word` in it is found, newest first.
#[track_caller]
fn pages_have(searcher: &Searcher, said: &[String]) {
    let newest: Vec<&str> = said.iter().rev().take(10).map(String::as_str).collect();
    let mut page = eventually_found(searcher, &request("word"), &newest);
    let mut found: Vec<String> = texts(&page).into_iter().map(str::to_owned).collect();
    while let Some(cursor) = page.next {
        let next = SearchRequest { cursor: Some(cursor), ..request("word") };
        page = searcher.search(&next).expect("a page");
        found.extend(texts(&page).into_iter().map(str::to_owned));
    }
    assert!(found.iter().eq(said.iter().rev()), "{found:?}");
}

/// Also if the clock was set back meanwhile.
#[test]
fn days_bound_a_search() {
    let stage = Stage::new();
    for (day, text) in [(10, "a"), (11, "b"), (9, "c"), (12, "d")] {
        stage.say(1, day * DAY_MS + 5, "alice", &format!("x {text}"));
    }
    let index = stage.start();
    let searcher = index.searcher();
    eventually_found(&searcher, &request("x"), &["x d", "x c", "x b", "x a"]);
    for (after, before, expected) in [
        (Some(11), None, "x d|x b"),
        (None, Some(11), "x c|x a"),
        (Some(10), Some(12), "x b|x a"),
        (Some(13), None, ""),
        (None, Some(9), ""),
    ] {
        let request = SearchRequest {
            after_ms: after.map(|day| day * DAY_MS),
            before_ms: before.map(|day| day * DAY_MS),
            ..request("x")
        };
        let found = searcher.search(&request).expect("an answer");
        assert_eq!(texts(&found).join("|"), expected, "{after:?} {before:?}");
    }
}

// ---- Following ----

#[test]
fn what_was_just_said_is_found() {
    let stage = Stage::new();
    let index = stage.start();
    let (searcher, follower) = (index.searcher(), index.follower());
    stage.say(1, 0, "alice", "first");
    eventually_found(&searcher, &request("first"), &["first"]);
    for number in 0..5 {
        let text = format!("again{number}");
        follower.committed(stage.say(1, 0, "alice", &text));
        let began = Instant::now();
        eventually_found(&searcher, &request(&text), &[&text]);
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }
    assert_eq!(index.lag(), 0);
}

#[test]
fn what_is_no_longer_kept_is_not_found_and_leaves_the_index() {
    let stage = Stage::new();
    stage.say_many(10_000, "word");
    stage.say(1, 0, "alice", "word last");
    let index = stage.start();
    let searcher = index.searcher();
    eventually_found(&searcher, &request("last"), &["word last"]);
    stage.kept.execute("DELETE FROM messages WHERE n <= 10000", []).expect("rows");
    assert_eq!(texts(&searcher.search(&request("word")).expect("an answer")), ["word last"]);
    let files = stage.files("e1");
    let count = || -> u64 {
        let reader = Connection::open(&files.index).expect("the index");
        let sql = "SELECT count(*) FROM words_0";
        reader.query_row(sql, [], |row| row.get(0)).expect("a count")
    };
    let began = Instant::now();
    while count() > 1 {
        assert!(began.elapsed() < Duration::from_secs(30), "{}", count());
        thread::sleep(Duration::from_millis(20));
    }
}

/// Through the store itself, and again after it was opened anew.
#[test]
fn a_store_searches_what_it_keeps() {
    let stage = Stage::new();
    let directory = stage.directory.join("data");
    let said = |id: u64, text: &str| Change::Said {
        room: 1,
        message: StoredMessage {
            id,
            unix_ms: id,
            is_action: false,
            author: "alice".into(),
            text: text.into(),
            account: None,
        },
        key: None,
    };
    let (mut store, _) = SqliteStore::open(&directory, StoreSettings::default()).expect("a store");
    let opened = Change::RoomOpened {
        room: 1,
        name: "#Dev".into(),
        key: "#dev".into(),
        skeletons: Vec::new(),
        first_id: 1,
    };
    store.append(GroupId(1), vec![opened, said(1, "端末のリスト")]);
    let found = |store: &SqliteStore, expected: &[&str]| {
        let (reader, began) = (store.reader(), Instant::now());
        loop {
            let found = reader.search(&request("端末"));
            if found.as_ref().is_ok_and(|found| texts(found) == expected) {
                return found.expect("it was").hits.remove(0);
            }
            assert!(began.elapsed() < Duration::from_secs(30), "{found:?}");
            thread::sleep(Duration::from_millis(5));
        }
    };
    assert_eq!(&*found(&store, &["端末のリスト"]).room, "#Dev");
    store.append(GroupId(2), vec![said(2, "新しい端末")]);
    found(&store, &["新しい端末", "端末のリスト"]);
    let closer = store.closer();
    drop(store);
    closer.close(Duration::from_secs(30)).expect("an orderly end");
    let (store, _) = SqliteStore::open(&directory, StoreSettings::default()).expect("a store");
    found(&store, &["新しい端末", "端末のリスト"]);
}

#[test]
fn an_index_that_is_released_leaves_its_journal_to_the_next() {
    let stage = Stage::new();
    let index = stage.start();
    stage.say(1, 0, "alice", "word");
    eventually_found(&index.searcher(), &request("word"), &["word"]);
    index.release();
    let journal = format!("{}-wal", stage.files("e1").index.display());
    assert!(fs::metadata(&journal).is_ok_and(|it| it.len() > 0), "it was moved into the file");
    let index = stage.start();
    stage.say(1, 0, "alice", "another word");
    eventually_found(&index.searcher(), &request("word"), &["another word", "word"]);
    drop(index);
    assert!(fs::metadata(&journal).is_err(), "the last one does that");
}

// ---- The index is lost ----

#[test]
fn an_index_that_is_missing_damaged_or_of_other_data_is_made_anew() {
    let stage = Stage::new();
    stage.say(1, 0, "alice", "word");
    let files = stage.files("e1");
    let searched = |epoch: &str| {
        let index = SearchIndex::start(stage.files(epoch), EVERY).expect("a thread");
        eventually_found(&index.searcher(), &request("word"), &["word"]);
    };
    searched("e1");
    files.remove().expect("it is there");
    searched("e1");
    fs::write(&files.index, b"this is no database, and long enough to be looked at".repeat(100))
        .expect("a file");
    searched("e1");
    let damage = |offset: usize| {
        let mut bytes = fs::read(&files.index).expect("the index");
        bytes[offset..].fill(0xA5);
        fs::write(&files.index, bytes).expect("the index");
    };
    damage(100);
    searched("e1");
    damage(4096);
    searched("e1");
    // Other data: what is indexed under these numbers is not what is there.
    stage.kept.execute("UPDATE messages SET text = 'other word'", []).expect("a row");
    let index = SearchIndex::start(stage.files("e2"), EVERY).expect("a thread");
    eventually_found(&index.searcher(), &request("other"), &["other word"]);
}

#[test]
fn an_index_that_is_damaged_while_it_is_used_is_made_anew() {
    let stage = Stage::new();
    stage.say_many(20_000, "word");
    stage.say(1, 0, "alice", "last");
    let index = stage.start();
    let searcher = index.searcher();
    eventually_found(&searcher, &request("last"), &["last"]);
    let tables = Connection::open(&stage.files("e1").index).expect("the index");
    tables.execute_batch("DROP TABLE words_0").expect("a table");
    drop(tables);
    eventually(&searcher, &request("last"), Result::is_err).expect_err("there is no index");
    eventually_found(&searcher, &request("last"), &["last"]);
}

#[test]
fn an_index_that_is_removed_while_it_is_used_is_made_anew() {
    let stage = Stage::new();
    stage.say(1, 0, "alice", "word");
    let index = stage.start();
    let files = stage.files("e1");
    let earlier = index.searcher();
    eventually_found(&earlier, &request("word"), &["word"]);
    files.remove().expect("it is there");
    // One that had it open, and one that has not opened it yet.
    for searcher in [earlier, index.searcher()] {
        eventually_found(&searcher, &request("word"), &["word"]);
    }
    let began = Instant::now();
    while files.is_removed() {
        assert!(began.elapsed() < Duration::from_secs(30), "it is not made");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn while_much_is_missing_a_search_says_so() {
    let stage = Stage::new();
    stage.say_many(400_000, "word");
    let index = stage.start();
    let searcher = index.searcher();
    let refused = eventually(&searcher, &request("word"), Result::is_err);
    let error = refused.expect_err("too little is indexed").to_string();
    assert!(error.starts_with("the search index is being made, "), "{error}");
    eventually(&searcher, &request("word"), Result::is_ok).expect("it is made");
}

// ---- Any text ----

/// Characters that mean something to somebody: scripts, marks, widths, quotes, operators.
fn text() -> impl Strategy<Value = String> {
    let characters = prop::sample::select(
        "aAbé\u{301}ßıſ東京都端末のリストﾘｽﾄﾊﾟが\u{3099}한국ภาษากำ🎉👨\u{200D}👩🏽❤\u{FE0F}★€½ⅣＡ１\"“”＂*():^-+{}\0\u{E000}\u{E001}12 \u{3000}"
            .chars()
            .collect::<Vec<_>>(),
    );
    let words = prop::sample::select(vec![
        "AND",
        "OR",
        "NOT",
        "NEAR",
        "text",
        "in:",
        "from:",
        "東京",
        "東京都",
        "端末",
        "kernel",
        "ker",
        " ",
        "\" *",
        "\"",
        "' OR 1",
    ]);
    let piece = prop_oneof![
        4 => characters.prop_map(|c| c.to_string()),
        3 => words.prop_map(str::to_owned),
        1 => any::<char>().prop_map(|c| c.to_string()),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn the_index_finds_what_a_scan_finds(
        texts in prop::collection::vec(text(), 0..6),
        typed in text(),
    ) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        target::check(&texts, &typed);
        for text in &texts {
            target::check(&texts, text);
        }
    }

    #[test]
    fn any_bytes_will_do(input in prop::collection::vec(any::<u8>(), 0..64)) {
        target::run(&input);
    }
}

/// Who looks at an index while it is made, or made anew, finds none yet, or a sound one.
#[test]
fn an_index_that_is_being_made_is_not_taken_for_a_damaged_one() {
    for _ in 0..20 {
        let stage = Stage::new();
        stage.say(1, 0, "alice", "hello");
        let (files, others) = (stage.files("e1"), stage.files("e2"));
        thread::scope(|scope| {
            let making = scope.spawn(|| {
                for _ in 0..5 {
                    drop(files.open_or_create().expect("an index"));
                    drop(others.open_or_create().expect("one of other data"));
                }
            });
            while !making.is_finished() {
                let found = files.coverage();
                assert!(matches!(found, Ok(Coverage::Absent | Coverage::Behind(1))), "{found:?}");
            }
        });
    }
}
