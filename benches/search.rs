//! Search in a million messages, half of them Japanese-like, while 10,000 more are said a second.
//!
//! `cargo bench --bench search` prints one table. `SEARCH_MESSAGES=100000` has fewer.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use chat_server::store::SearchRequest;
use chat_server::store::search::file::SearchFiles;
use chat_server::store::search::{Follower, SearchIndex, Searcher};
use chat_server::store::sqlite::SCRUB_EVERY;
use fastrand::Rng;
use nix::sys::resource::{UsageWho, getrusage};
use rusqlite::Connection;

const ROOMS: u64 = 1_000;
const SEARCHES: usize = 500;
/// What is said while it is searched: so many every so often.
const GROUP: usize = 100;
const GROUP_EVERY: Duration = Duration::from_millis(10);

const SCHEMA: &str = "
    PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
    CREATE TABLE rooms(room INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
    CREATE TABLE messages(n INTEGER PRIMARY KEY, room INTEGER NOT NULL, id INTEGER NOT NULL,
        unix_ms INTEGER NOT NULL, is_action INTEGER NOT NULL, author TEXT NOT NULL,
        text TEXT NOT NULL, account INTEGER) STRICT;
    CREATE UNIQUE INDEX messages_by_id ON messages(room, id);
    CREATE TABLE meta(key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT;
    CREATE TABLE deletions(deletion INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER NOT NULL) STRICT;";

/// Words of a language, of which few are said often and many rarely, as in any language.
struct Language {
    words: Vec<String>,
    space: &'static str,
}

impl Language {
    fn japanese(rng: &mut Rng) -> Language {
        // A few thousand Han characters and all of Hiragana and Katakana are in use.
        let character = |rng: &mut Rng, kind: u8| match kind {
            0 => char::from_u32(0x4E00 + (rng.f32().powi(2) * 3_000.0) as u32),
            1 => char::from_u32(rng.u32(0x3042..0x3094)),
            _ => char::from_u32(rng.u32(0x30A2..0x30F4)),
        };
        let word = |rng: &mut Rng| {
            let kind = rng.u8(0..3);
            (0..rng.usize(1..=if kind == 0 { 2 } else { 4 }))
                .filter_map(|_| character(rng, kind))
                .collect()
        };
        Language { words: (0..20_000).map(|_| word(rng)).collect(), space: "" }
    }

    fn latin(rng: &mut Rng) -> Language {
        let word = |rng: &mut Rng| {
            let syllables = ["ka", "ren", "to", "mi", "ser", "ver", "lo", "ing", "pa", "th"];
            (0..rng.usize(1..=4)).map(|_| syllables[rng.usize(0..syllables.len())]).collect()
        };
        Language { words: (0..20_000).map(|_| word(rng)).collect(), space: " " }
    }

    /// Zipf's law, nearly: the logarithm of the rank is even.
    fn word(&self, rng: &mut Rng) -> &str {
        let rank = (self.words.len() as f64).powf(rng.f64()) as usize;
        &self.words[rank.min(self.words.len() - 1)]
    }

    fn sentence(&self, rng: &mut Rng) -> String {
        let words: Vec<&str> = (0..rng.usize(4..16)).map(|_| self.word(rng)).collect();
        words.join(self.space)
    }

    /// So many characters of a sentence.
    fn characters(&self, rng: &mut Rng, count: usize) -> String {
        let sentence = self.sentence(rng);
        let start = rng.usize(0..sentence.chars().count().saturating_sub(count).max(1));
        sentence.chars().skip(start).take(count).collect()
    }
}

fn languages() -> [Language; 2] {
    let rng = &mut Rng::with_seed(6);
    [Language::japanese(rng), Language::latin(rng)]
}

struct Kept {
    connection: Connection,
    next: u64,
    rng: Rng,
    languages: [Language; 2],
}

impl Kept {
    fn create(path: &Path) -> Kept {
        let connection = Connection::open(path).expect("a database");
        connection.execute_batch(SCHEMA).expect("tables");
        let sql = "INSERT INTO rooms VALUES(?1, '#room' || ?1)";
        for room in 1..=ROOMS {
            connection.execute(sql, [room]).expect("a room");
        }
        Kept { connection, next: 1, rng: Rng::with_seed(7), languages: languages() }
    }

    /// Commits so many messages: the number of the last one.
    fn say(&mut self, count: usize) -> u64 {
        let transaction = self.connection.transaction().expect("a transaction");
        let sql = "INSERT INTO messages VALUES(?1, ?2, ?1, ?1 * 1000, 0, 'alice', ?3)";
        let mut insert = transaction.prepare_cached(sql).expect("a statement");
        for _ in 0..count {
            let text = self.languages[self.rng.usize(0..2)].sentence(&mut self.rng);
            insert.execute((self.next, self.rng.u64(1..=ROOMS), text)).expect("a row");
            self.next += 1;
        }
        drop(insert);
        transaction.commit().expect("a commit");
        self.next - 1
    }
}

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("usage");
    let micros =
        |time: nix::sys::time::TimeVal| (time.tv_sec() * 1_000_000 + time.tv_usec()) as u64;
    Duration::from_micros(micros(usage.user_time()) + micros(usage.system_time()))
}

/// Says 10,000 messages a second until it is stopped: how many were said, and the index's lag at
/// most.
fn talk(mut kept: Kept, follower: &Follower, is_over: &AtomicBool) -> u64 {
    let (mut said, began) = (0u64, Instant::now());
    while !is_over.load(Ordering::Relaxed) {
        follower.committed(kept.say(GROUP));
        said += GROUP as u64;
        let due = GROUP_EVERY * (said / GROUP as u64) as u32;
        thread::sleep(due.saturating_sub(began.elapsed()));
    }
    (said as f64 / began.elapsed().as_secs_f64()) as u64
}

fn measure(searcher: &Searcher, what: &str, mut request: impl FnMut() -> SearchRequest) {
    let mut times = Vec::new();
    let (mut hits, mut failed) = (0, 0);
    for _ in 0..SEARCHES {
        let request = SearchRequest { hits_max: 20, ..request() };
        let began = Instant::now();
        match searcher.search(&request) {
            Ok(found) => hits += found.hits.len(),
            Err(_) => failed += 1,
        }
        times.push(began.elapsed());
    }
    times.sort();
    let ms = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64() * 1_000.0;
    let hits = hits as f64 / SEARCHES as f64;
    println!("| {what} | {:.2} | {:.2} | {:.2} | {hits:.1} | {failed} |", ms(50), ms(99), ms(100));
}

fn search(searcher: &Searcher, rng: &mut Rng) {
    let [japanese, latin] = languages();
    let words = |words: String| SearchRequest { words: words.into(), ..SearchRequest::default() };
    println!("| search | p50 ms | p99 ms | max ms | hits | failed |\n|---|---|---|---|---|---|");
    for count in [1, 2, 4] {
        let what = format!("{count} Japanese characters");
        measure(searcher, &what, || words(japanese.characters(rng, count)));
    }
    measure(searcher, "a Latin word", || words(latin.word(rng).to_owned()));
    measure(searcher, "one letter", || words(latin.characters(rng, 1)));
    measure(searcher, "the first 3 letters", || words(latin.word(rng).chars().take(3).collect()));
    measure(searcher, "two Latin words", || {
        words(format!("{} {}", latin.word(rng), latin.word(rng)))
    });
    measure(searcher, "a phrase of two", || {
        words(format!("\"{} {}\"", latin.word(rng), latin.word(rng)))
    });
    measure(searcher, "a Latin word in a room", || SearchRequest {
        rooms: Some(vec![rng.u64(1..=ROOMS)]),
        ..words(latin.word(rng).to_owned())
    });
    measure(searcher, "two characters, on some days", || SearchRequest {
        after_ms: Some(100_000_000),
        before_ms: Some(200_000_000),
        ..words(japanese.characters(rng, 2))
    });
}

fn main() {
    let count: usize =
        env::var("SEARCH_MESSAGES").map_or(1_000_000, |n| n.parse().expect("how many"));
    let directory: PathBuf = env::temp_dir().join(format!("chat-server-bench-{}", process::id()));
    fs::create_dir(&directory).expect("a directory");
    let path = directory.join("history.db");
    let mut kept = Kept::create(&path);
    let mut newest = 0;
    while newest < count as u64 {
        newest = kept.say(10_000.min(count));
    }

    let (began, began_cpu) = (Instant::now(), cpu());
    let index =
        SearchIndex::start(SearchFiles::beside(&path, "e1"), SCRUB_EVERY).expect("a thread");
    let (follower, searcher) = (index.follower(), index.searcher());
    follower.committed(newest);
    while index.lag() > 0 {
        thread::sleep(Duration::from_millis(10));
    }
    let per_message = |time: Duration| time.as_secs_f64() * 1e6 / count as f64;
    let (wall, used) = (per_message(began.elapsed()), per_message(cpu() - began_cpu));
    let bytes = fs::metadata(directory.join("search.db")).expect("the index").len();
    println!("{count} messages: indexing {wall:.1} us each, {used:.1} us of CPU;");
    println!("{} bytes of index for each\n", bytes / count as u64);

    let is_over = Arc::new(AtomicBool::new(false));
    let most = Arc::new(AtomicU64::new(0));
    let talker = {
        let (follower, is_over) = (follower.clone(), is_over.clone());
        thread::spawn(move || talk(kept, &follower, &is_over))
    };
    let watcher = {
        let (is_over, most) = (is_over.clone(), most.clone());
        thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                most.fetch_max(index.lag(), Ordering::Relaxed);
                thread::sleep(Duration::from_millis(1));
            }
            index
        })
    };
    search(&searcher, &mut Rng::with_seed(8));
    is_over.store(true, Ordering::Relaxed);
    let rate = talker.join().expect("no panic");
    drop(watcher.join().expect("no panic"));
    println!(
        "\n{rate} messages/s were said; the index's lag was {} at most",
        most.load(Ordering::Relaxed)
    );
    fs::remove_dir_all(&directory).expect("the directory");
}
