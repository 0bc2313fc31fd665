//! Reading what is durable, while the writer writes.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Row, params};

use super::deletions;
use crate::store::search::Searcher;
use crate::store::{
    Found, FoundRoom, PageRequest, Reader, SearchRequest, StoreError, StoredMessage, StoredRoom,
};

/// A question that takes longer is given up, so that those behind it get their answers.
const QUESTION_MAX: Duration = Duration::from_millis(200);
/// How many steps of SQLite's machine pass between two looks at the clock: some 10 us.
const STEPS: i32 = 1000;
/// Reading waits for nobody but somebody who recovers the journal.
pub const BUSY: Duration = Duration::from_secs(1);
/// Statements that are kept ready: all there are.
const STATEMENTS_MAX: usize = 16;

/// One connection, used by one thread at a time.
pub struct SqliteReader {
    connection: Mutex<Connection>,
    file: PathBuf,
    searcher: OnceLock<Searcher>,
}

impl SqliteReader {
    pub fn open(file: &Path) -> rusqlite::Result<SqliteReader> {
        let connection = Mutex::new(open_to_read(file)?);
        Ok(SqliteReader { connection, file: file.to_owned(), searcher: OnceLock::new() })
    }

    /// From now on this answers searches.
    pub fn set_searcher(&self, searcher: Searcher) {
        self.searcher.get_or_init(|| searcher);
    }

    /// Answers a question, within the time that one may take.
    pub fn ask<T>(
        &self,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        // A panic in a question leaves the connection as it was: it only reads.
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        let until = Instant::now() + QUESTION_MAX;
        connection.progress_handler(STEPS, Some(move || Instant::now() >= until))?;
        // One snapshot for all that it reads.
        let snapshot = connection.transaction()?;
        Ok(question(&snapshot)?)
    }
}

impl Reader for SqliteReader {
    fn room(
        &self,
        key: &str,
        skeletons: &[Box<str>],
        messages_max: usize,
        bytes_max: usize,
    ) -> Result<FoundRoom, StoreError> {
        self.ask(|connection| {
            let sql = format!("SELECT {ROOM_COLUMNS} FROM rooms WHERE key = ?1");
            let room = connection.prepare_cached(&sql)?.query_row([key], room).optional()?;
            let room = room.map(|room| with_newest(connection, room, messages_max, bytes_max));
            Ok(FoundRoom { room: room.transpose()?, alike: alike(connection, key, skeletons)? })
        })
    }

    fn page(&self, wanted: &PageRequest) -> Result<Vec<StoredMessage>, StoreError> {
        self.ask(|connection| page(connection, wanted))
    }

    fn deleted(&self, room: u64, ids: Range<u64>) -> Result<Vec<u64>, StoreError> {
        self.ask(|connection| deletions::among(connection, room, ids))
    }

    fn search(&self, search: &SearchRequest) -> Result<Found, StoreError> {
        match self.searcher.get() {
            Some(searcher) => searcher.search(search),
            None => Err(StoreError::Failed("there is no index of words".into())),
        }
    }
}

impl std::fmt::Debug for SqliteReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteReader").field("file", &self.file).finish_non_exhaustive()
    }
}

/// A connection that can change nothing.
pub fn open_to_read(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

pub const ROOM_COLUMNS: &str = "room, name, topic, first_id, next_id";

/// A room of a row of [`ROOM_COLUMNS`], without messages.
pub fn room(row: &Row<'_>) -> rusqlite::Result<StoredRoom> {
    Ok(StoredRoom {
        room: row.get(0)?,
        name: row.get(1)?,
        topic: row.get(2)?,
        first_id: row.get(3)?,
        next_id: row.get(4)?,
        newest: Vec::new(),
    })
}

/// The room with its newest messages.
pub fn with_newest(
    connection: &Connection,
    room: StoredRoom,
    messages_max: usize,
    bytes_max: usize,
) -> rusqlite::Result<StoredRoom> {
    let wanted = PageRequest {
        room: room.room,
        from: room.first_id,
        before: room.next_id,
        newest: true,
        messages_max,
        bytes_max,
    };
    Ok(StoredRoom { newest: page(connection, &wanted)?, ..room })
}

/// See [`Reader::page`].
pub fn page(connection: &Connection, wanted: &PageRequest) -> rusqlite::Result<Vec<StoredMessage>> {
    page_with(connection, wanted, "account")
}

/// The same, where something else stands for the account that said it.
pub fn page_with(
    connection: &Connection,
    wanted: &PageRequest,
    account: &str,
) -> rusqlite::Result<Vec<StoredMessage>> {
    let order = if wanted.newest { "DESC" } else { "ASC" };
    let sql = format!(
        "SELECT id, unix_ms, is_action, author, text, {account} FROM messages \
         WHERE room = ?1 AND id >= ?2 AND id < ?3 ORDER BY id {order} LIMIT ?4"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let numbers = [wanted.room, wanted.from, wanted.before, wanted.messages_max as u64];
    // SQLite's integers have a sign. No id comes near to the bound.
    let numbers = numbers.map(|number| i64::try_from(number).unwrap_or(i64::MAX));
    let mut rows = statement.query(numbers)?;
    let (mut messages, mut bytes): (Vec<StoredMessage>, usize) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let message = message(row)?;
        bytes += message.author.len() + message.text.len();
        if bytes > wanted.bytes_max && !messages.is_empty() {
            break;
        }
        messages.push(message);
    }
    if wanted.newest {
        messages.reverse();
    }
    Ok(messages)
}

/// A message of a row of id, unix_ms, is_action, author, text and account.
pub fn message(row: &Row<'_>) -> rusqlite::Result<StoredMessage> {
    Ok(StoredMessage {
        id: row.get(0)?,
        unix_ms: row.get(1)?,
        is_action: row.get(2)?,
        author: row.get(3)?,
        text: row.get(4)?,
        account: row.get(5)?,
    })
}

fn alike(
    connection: &Connection,
    key: &str,
    skeletons: &[Box<str>],
) -> rusqlite::Result<Option<Box<str>>> {
    let sql = "SELECT name FROM skeletons JOIN rooms USING (room) \
               WHERE skeleton = ?1 AND key <> ?2 ORDER BY room LIMIT 1";
    let mut statement = connection.prepare_cached(sql)?;
    for skeleton in skeletons {
        let found = statement.query_row(params![skeleton, key], |row| row.get(0)).optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => StoreError::TooSlow,
            _ => StoreError::Failed(error.to_string().into()),
        }
    }
}
