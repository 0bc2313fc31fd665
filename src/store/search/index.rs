//! The thread that indexes what is committed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};
use std::{fmt, io};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode};

use super::file::{
    DAY_MS, FIRST_AND_LAST, NEW_MESSAGES, PARTITION, SearchFiles, create_words, optimize_words,
    partitions, words,
};
use super::forgetting::{forget_before, forget_deleted, scrub};
use super::pace::Pace;
use super::query::document;
use super::searcher::Searcher;

/// Messages that are indexed, or forgotten, in one transaction.
pub(super) const BATCH: usize = 4_000;
/// Their texts have about so many bytes at most.
const BATCH_BYTES: usize = 1024 * 1024;
/// While something is said, it is gathered for so long: each transaction makes a piece of the index
/// that has to be merged with others later. (60,000 sentences as in benches/search, by FTS5 alone:
/// 21 us each in pieces of 4,000, and 24 us in pieces of 1,000, a tenth of a second of 10,000 a
/// second.)
const GATHER: Duration = Duration::from_millis(250);
/// A tenth of a core that others want, and all of one that nobody does.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;
/// Steps of SQLite's machine between two looks whether it is to stop.
const STEPS: i32 = 1_000;
/// How often what is no longer kept is looked for, and what failed is tried again.
const IDLE: Duration = Duration::from_secs(1);

/// What the thread, those who tell it of messages and those who search share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) files: SearchFiles,
    /// The number of the newest message that is known of.
    newest: AtomicU64,
    /// All up to this one is indexed.
    indexed: AtomicU64,
    /// Another one for each file that is opened; 0 while there is none that can be searched in,
    /// because it is not made yet or was found to be damaged.
    pub(super) generation: AtomicU64,
    is_asleep: AtomicBool,
    is_stopping: AtomicBool,
    /// It stops, and another process goes on.
    is_released: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Shared {
    /// Messages that are kept and not indexed yet.
    pub(super) fn lag(&self) -> u64 {
        let indexed = self.indexed.load(Ordering::Acquire);
        self.newest.load(Ordering::Acquire).saturating_sub(indexed)
    }

    /// How much is indexed, in percent.
    pub(super) fn percent(&self) -> u64 {
        let newest = self.newest.load(Ordering::Acquire).max(1);
        self.indexed.load(Ordering::Acquire).min(newest) * 100 / newest
    }

    fn wake(&self) {
        if self.is_asleep.swap(false, Ordering::AcqRel)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }
}

/// Tells the index of what is committed.
#[derive(Clone, Debug)]
pub struct Follower(Arc<Shared>);

impl Follower {
    /// Messages up to this one are committed. Costs next to nothing.
    pub fn committed(&self, newest: u64) {
        self.0.newest.fetch_max(newest, Ordering::AcqRel);
        self.0.wake();
    }

    /// The newest message that is known of, and that is indexed.
    pub fn progress(&self) -> (u64, u64) {
        let indexed = self.0.indexed.load(Ordering::Acquire);
        (self.0.newest.load(Ordering::Acquire), indexed)
    }
}

/// The index and its thread, which ends when this is dropped.
pub struct SearchIndex {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for SearchIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SearchIndex").field("lag", &self.lag()).finish_non_exhaustive()
    }
}

impl SearchIndex {
    /// Begins to index what these files hold. `scrub_every`: so often it makes sure that nothing is
    /// left of what was deleted.
    ///
    /// # Errors
    /// There can be no thread.
    pub fn start(files: SearchFiles, scrub_every: Duration) -> io::Result<SearchIndex> {
        let shared = Arc::new(Shared {
            files,
            newest: AtomicU64::new(0),
            indexed: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            is_asleep: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
            is_released: AtomicBool::new(false),
            thread: OnceLock::new(),
        });
        let indexer = Indexer {
            shared: shared.clone(),
            connection: None,
            generations: 0,
            is_damaged: false,
            has_failed: false,
            scrub_every,
            scrub_due: Instant::now(),
            pace: Pace::new(Instant::now()),
        };
        let thread = thread::Builder::new().name("search".to_owned());
        let thread = thread.spawn(move || indexer.run())?;
        shared.thread.get_or_init(|| thread.thread().clone());
        Ok(SearchIndex { shared, thread: Some(thread) })
    }

    /// What is to be called after each commit.
    pub fn follower(&self) -> Follower {
        Follower(self.shared.clone())
    }

    /// What answers searches.
    pub fn searcher(&self) -> Searcher {
        Searcher::new(self.shared.clone())
    }

    /// Messages that are kept and cannot be found yet.
    pub fn lag(&self) -> u64 {
        self.shared.lag()
    }

    /// Ends it, for another process to go on: everybody waits for that, and to move the journal into
    /// the file takes as long as the disk likes.
    pub fn release(self) {
        self.shared.is_released.store(true, Ordering::Release);
    }
}

impl Drop for SearchIndex {
    fn drop(&mut self) {
        self.shared.is_stopping.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It has said why in the log, if it did not end as it should.
            let _ = thread.join();
        }
    }
}

struct Indexer {
    shared: Arc<Shared>,
    connection: Option<Connection>,
    /// Files opened so far.
    generations: u64,
    /// Found by this thread; others take the generation back.
    is_damaged: bool,
    /// Said once, not every second.
    has_failed: bool,
    scrub_every: Duration,
    scrub_due: Instant,
    pace: Pace,
}

impl Indexer {
    fn run(mut self) {
        yield_to_talk();
        while !self.is_stopping() {
            match self.follow() {
                Ok(()) if self.has_failed => {
                    self.has_failed = false;
                    log::info!("The search index is being written again");
                }
                Ok(()) => {}
                // It was interrupted, and goes on with the same when it is opened again.
                Err(_) if self.is_stopping() => break,
                Err(error) => self.failed(&error),
            }
            thread::park_timeout(GATHER);
            self.sleep();
        }
        if self.shared.is_released.load(Ordering::Acquire)
            && let Some(connection) = &self.connection
        {
            // Without it, it takes longer.
            let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
    }

    fn is_stopping(&self) -> bool {
        self.shared.is_stopping.load(Ordering::Acquire)
    }

    /// Until something is committed that is not indexed.
    fn sleep(&self) {
        self.shared.is_asleep.store(true, Ordering::Release);
        let has_work = self.shared.lag() > 0 && !self.has_failed;
        if !has_work && !self.is_stopping() {
            thread::park_timeout(IDLE);
        }
        self.shared.is_asleep.store(false, Ordering::Release);
    }

    /// What is damaged is made anew; everything else may pass.
    fn failed(&mut self, error: &rusqlite::Error) {
        let path = self.shared.files.index.display();
        if is_damage(error) {
            log::warn!("The search index {path} is damaged and will be made anew: {error}");
            self.is_damaged = true;
        } else if !self.has_failed {
            log::warn!("The search index {path} cannot be written at the moment: {error}");
        }
        self.has_failed = true;
        self.connection = None;
    }

    /// Indexes all that there is, and forgets what is no longer kept.
    fn follow(&mut self) -> rusqlite::Result<()> {
        let is_taken_back =
            self.generations > 0 && self.shared.generation.load(Ordering::Acquire) == 0;
        // Those who have a removed file open could write it to no end.
        let is_removed = self.connection.is_some() && self.shared.files.is_removed();
        if self.is_damaged || is_taken_back || is_removed {
            self.remove();
        }
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let mut connection = self.shared.files.open_or_create()?;
                // To merge what a partition has may take seconds, and those who stop it wait.
                let shared = Arc::clone(&self.shared);
                let is_stopping = move || shared.is_stopping.load(Ordering::Acquire);
                connection.progress_handler(STEPS, Some(is_stopping))?;
                self.generations += 1;
                self.shared.generation.store(self.generations, Ordering::Release);
                connection
            }
        };
        let connection = self.connection.insert(connection);
        let (first, last) = connection
            .prepare_cached(FIRST_AND_LAST)?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        self.shared.newest.fetch_max(last, Ordering::AcqRel);
        while !self.shared.is_stopping.load(Ordering::Acquire) {
            let (indexed, count) = index_batch(connection)?;
            self.shared.indexed.store(indexed, Ordering::Release);
            if count == 0 {
                break;
            }
            let newest = self.shared.newest.load(Ordering::Acquire);
            let pause = self.pace.pause(newest, self.shared.lag(), Instant::now());
            if !pause.is_zero() {
                thread::park_timeout(pause);
            }
        }
        while !self.shared.is_stopping.load(Ordering::Acquire) {
            if in_transaction(connection, |connection| forget_before(connection, first))? < BATCH {
                break;
            }
        }
        while !self.shared.is_stopping.load(Ordering::Acquire) {
            if in_transaction(connection, forget_deleted)? < BATCH {
                break;
            }
        }
        if Instant::now() >= self.scrub_due && scrub(connection)? {
            self.scrub_due = Instant::now() + self.scrub_every;
        }
        Ok(())
    }

    /// Removes what is damaged, or what is left of it.
    fn remove(&mut self) {
        self.shared.generation.store(0, Ordering::Release);
        self.shared.indexed.store(0, Ordering::Release);
        self.connection = None;
        self.is_damaged = false;
        if let Err(error) = self.shared.files.remove() {
            log::warn!("{}: {error}", self.shared.files.index.display());
        }
    }
}

/// This thread takes the time that the others leave, and little of what they want. What it does can
/// wait, and what people say cannot: of the time of a message to 32 people it is nearly a half.
/// (`fanout-32x16` in benches/load, kept, where all threads share a core: 3 us of 6.7.)
#[cfg(target_os = "linux")]
fn yield_to_talk() {
    // On Linux this is of the thread. A system that refuses it has them share.
    let _ = rustix::process::setpriority_process(None, NICE);
}

/// Elsewhere it would be of the whole process.
#[cfg(not(target_os = "linux"))]
fn yield_to_talk() {}

/// Whether the file is to blame, and not the disk or somebody else who holds it.
pub fn is_damage(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, message) => {
            let is_ours = message.as_deref().is_some_and(|message| message.contains("no such"));
            is_ours || matches!(failure.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        }
        rusqlite::Error::SqlInputError { .. } | rusqlite::Error::QueryReturnedNoRows => true,
        _ => false,
    }
}

fn in_transaction<T>(
    connection: &mut Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let transaction = connection.transaction()?;
    let done = work(&transaction)?;
    transaction.commit()?;
    Ok(done)
}

/// A message that is to be indexed.
struct New {
    n: u64,
    room: u64,
    unix_ms: u64,
    author: String,
    text: String,
    /// Of a conversation; empty of other rooms.
    name: String,
}

/// Indexes the next messages, of one partition: up to which, and how many. They are read first:
/// reading what is kept keeps its journal from being emptied.
fn index_batch(connection: &mut Connection) -> rusqlite::Result<(u64, usize)> {
    let indexed: u64 = connection.query_row("SELECT n FROM progress", [], |row| row.get(0))?;
    let batch = read_batch(connection, indexed)?;
    let Some(last) = batch.last() else { return Ok((indexed, 0)) };
    let partition = last.n / PARTITION;
    in_transaction(connection, |connection| {
        begin_partition(connection, partition)?;
        let sql = format!("INSERT INTO {}(rowid, text) VALUES(?1, ?2)", words(partition));
        let mut add = connection.prepare_cached(&sql)?;
        // What was deleted by now is not found.
        for New { n, room, author, text, name, .. } in batch.iter().filter(|it| !it.text.is_empty())
        {
            add.execute((n, document(*room, name, author, text)))?;
        }
        for day in batch.chunk_by(|a, b| a.unix_ms / DAY_MS == b.unix_ms / DAY_MS) {
            add_day(connection, day)?;
        }
        connection.execute("UPDATE progress SET n = ?1", [last.n])
    })?;
    Ok((last.n, batch.len()))
}

/// Makes a partition if it is not there yet; then the one before it is full.
fn begin_partition(connection: &Connection, partition: u64) -> rusqlite::Result<()> {
    let newest = partitions(connection, 0, partition)?.first().copied();
    if newest == Some(partition) {
        return Ok(());
    }
    if let Some(full) = newest {
        connection.execute_batch(&optimize_words(full))?;
    }
    connection.execute("INSERT INTO partitions(partition) VALUES(?1)", [partition])?;
    connection.execute_batch(&create_words(partition))
}

fn read_batch(connection: &Connection, indexed: u64) -> rusqlite::Result<Vec<New>> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    let mut new = connection.prepare_cached(NEW_MESSAGES)?;
    let mut rows = new.query((indexed, BATCH))?;
    while bytes < BATCH_BYTES
        && let Some(row) = rows.next()?
    {
        let (n, room, unix_ms) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if batch.first().is_some_and(|first: &New| first.n / PARTITION != n / PARTITION) {
            break;
        }
        let (author, text): (String, String) = (row.get(3)?, row.get(4)?);
        bytes += text.len();
        batch.push(New { n, room, unix_ms, author, text, name: row.get(5)? });
    }
    Ok(batch)
}

/// Notes where the messages of a day are. A clock that is set back makes days overlap.
fn add_day(connection: &Connection, messages: &[New]) -> rusqlite::Result<()> {
    let [first, ..] = messages else { return Ok(()) };
    let last = messages.last().map_or(first.n, |last| last.n);
    let sql = "INSERT INTO days VALUES(?1, ?2, ?3)
        ON CONFLICT DO UPDATE SET first = min(first, ?2), last = max(last, ?3)";
    connection.prepare_cached(sql)?.execute((first.unix_ms / DAY_MS, first.n, last))?;
    Ok(())
}
