//! The file `search.db`, and all that is known here of the file that it is derived from.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

/// What is kept, read through the same connection as the index. These statements are all that
/// depends on its schema.
pub const NEW_MESSAGES: &str = "
    SELECT n, messages.room, unix_ms, author, text, iif(rooms.name GLOB '@*', rooms.name, '')
    FROM kept.messages LEFT JOIN kept.rooms ON rooms.room = messages.room
    WHERE n > ?1 ORDER BY n LIMIT ?2";
pub const FIRST_AND_LAST: &str = "
    SELECT ifnull((SELECT min(n) FROM kept.messages), ifnull(
               (SELECT value + 1 FROM kept.meta WHERE key = 'numbers_used'), 0)),
           ifnull((SELECT max(n) FROM kept.messages), 0)";
/// What was deleted, after this deletion.
pub const NEW_DELETIONS: &str = "
    SELECT deletion, n FROM kept.deletions WHERE deletion > ?1 ORDER BY deletion LIMIT ?2";
const COUNT_UP_TO: &str = "SELECT count(*) FROM kept.messages WHERE n <= ?1 AND text <> ''";
const COUNT_AFTER: &str = "SELECT count(*) FROM kept.messages WHERE n > ?1";

/// Messages of one partition of the index: those whose numbers divided by this are the same.
///
/// A search looks into the newest partition first and stops when it has enough. So words that are
/// common cost no more in a large history than in a small one: `ka`, which is the beginning of
/// hundreds of words, has to merge the lists of all of them, but of one partition. With lists of
/// beginnings, as FTS5 could keep them, a message costs twice as much to index. Words that are rare
/// cost a look into each partition, about 20 us.
pub const PARTITION: u64 = 32_768;

/// `partitions`: those that there are, and whether messages were deleted, or have expired, of which
/// there are still words. `days`: the first and the last message of each day, so that a
/// search of some days need not look at others. `progress`: up to which message of which data all is
/// indexed, and up to which deletion all is forgotten.
const SCHEMA: &str = "
    CREATE TABLE partitions(
        partition INTEGER PRIMARY KEY, has_deleted INTEGER NOT NULL DEFAULT 0) STRICT;
    CREATE TABLE days(day INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL)
        STRICT;
    CREATE TABLE progress(
        epoch TEXT NOT NULL, n INTEGER NOT NULL, deletion INTEGER NOT NULL) STRICT;";

/// Makes the table of a partition. The tokenizer `ascii` takes our terms as they are, whatever
/// Unicode they are of. `automerge`: so many pieces of the index are merged into one, and not four,
/// which is FTS5's default: a message is written anew less often, and there are at most some more
/// pieces to look into.
pub fn create_words(partition: u64) -> String {
    let words = words(partition);
    format!(
        "CREATE VIRTUAL TABLE {words} USING fts5(
            text, content='', contentless_delete=1, tokenize='ascii');
        INSERT INTO {words}({words}, rank) VALUES('automerge', 8);"
    )
}

/// Makes one piece of a partition that is full: a search has one to look into, and the pieces are
/// written anew once. Only then is nothing left of the words of messages that were deleted.
pub fn optimize_words(partition: u64) -> String {
    let words = words(partition);
    format!("INSERT INTO {words}({words}) VALUES('optimize')")
}

/// The table of a partition.
pub fn words(partition: u64) -> String {
    format!("words_{partition}")
}

/// What is found in a partition. `CROSS JOIN` keeps the order: the index says which messages are
/// looked up.
pub fn hits(partition: u64) -> String {
    let words = words(partition);
    format!(
        "SELECT words.rowid, rooms.name, messages.id, messages.unix_ms, messages.is_action,
                messages.author, messages.text, messages.room, messages.account
        FROM {words} AS words CROSS JOIN kept.messages ON messages.n = words.rowid
                              CROSS JOIN kept.rooms ON rooms.room = messages.room
        WHERE words.{words} MATCH ?1 AND words.rowid >= ?2 AND words.rowid < ?3
              AND messages.unix_ms >= ?4 AND messages.unix_ms < ?5 AND messages.text <> ''
        ORDER BY words.rowid DESC LIMIT ?6"
    )
}

/// How many messages of a partition match, up to a number.
pub fn count_hits(partition: u64) -> String {
    let words = words(partition);
    format!("SELECT count(*) FROM (SELECT 1 FROM {words} WHERE {words} MATCH ?1 LIMIT ?2)")
}

/// Messages of a partition that are kept, up to one.
fn count_found(partition: u64) -> String {
    let words = words(partition);
    format!(
        "SELECT count(*) FROM {words} CROSS JOIN kept.messages ON messages.n = {words}.rowid
        WHERE messages.n <= ?1 AND messages.text <> ''"
    )
}

/// The partitions between two, both included, the newest first.
pub fn partitions(connection: &Connection, first: u64, last: u64) -> rusqlite::Result<Vec<u64>> {
    let sql = "SELECT partition FROM partitions WHERE partition BETWEEN ?1 AND ?2
        ORDER BY partition DESC";
    connection.prepare_cached(sql)?.query_map((first, last), |row| row.get(0))?.collect()
}

/// `chat` in ASCII, and a version of the tables and of the terms that are in them. An index of another
/// version is made anew.
const APPLICATION_ID: i64 = 0x6368_6174;
const VERSION: i64 = 3;

/// The index has all the words that were said: it is as private as what it is made of.
const FILE_MODE: u32 = 0o600;
/// How long to wait for somebody else who writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements that are kept ready: one for each of the newest partitions, and a few others.
const STATEMENTS_MAX: usize = 128;
/// Memory for pages of the index, in KiB.
const CACHE_KIB: i64 = 8 * 1024;

pub const DAY_MS: u64 = 86_400_000;

/// What an index has of what is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// There is none of these data; the server makes it.
    Absent,
    /// So many messages are not in it yet; the server goes on with them.
    Behind(u64),
    /// It is damaged, or lacks what it should have.
    Damaged(String),
}

/// Where the files are, and what the kept one holds.
#[derive(Clone, Debug)]
pub struct SearchFiles {
    /// `search.db`.
    pub index: PathBuf,
    /// What was said.
    pub kept: PathBuf,
    /// Belongs to the data: an index of another epoch is made anew.
    pub epoch: Box<str>,
}

impl SearchFiles {
    /// The index beside what is kept.
    pub fn beside(kept: &Path, epoch: &str) -> SearchFiles {
        let index = kept.with_file_name("search.db");
        SearchFiles { index, kept: kept.to_owned(), epoch: epoch.into() }
    }

    /// Opens the index to write it; makes it if there is none for these data.
    pub fn open_or_create(&self) -> rusqlite::Result<Connection> {
        let connection = self.open_to_write()?;
        if !self.is_current(&connection)? {
            // Emptied, and not replaced: who opens a file meanwhile would join the journal of one to
            // the other.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, true)?;
            connection.execute_batch("VACUUM main")?;
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_RESET_DATABASE, false)?;
            self.create(&connection)?;
        }
        Ok(connection)
    }

    fn open_to_write(&self) -> rusqlite::Result<Connection> {
        // One that is there is not opened beside SQLite: to close it would give up the locks of those
        // who search in it. If it cannot be made, the next step says why.
        if self.is_removed() {
            let mut options = OpenOptions::new();
            let _ = options.append(true).create(true).mode(FILE_MODE).open(&self.index);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = self.connect(flags)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A power cut may cost the newest of it, which is indexed again then.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        // Words of what was deleted are overwritten.
        connection.pragma_update(None, "secure_delete", true)?;
        Ok(connection)
    }

    /// Opens the index to search in it.
    pub fn open(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = self.connect(flags)?;
        connection.pragma_update(None, "query_only", true)?;
        Ok(connection)
    }

    /// Whether somebody has removed the index.
    pub fn is_removed(&self) -> bool {
        matches!(self.index.try_exists(), Ok(false))
    }

    /// Looks at all of the index, also while a server writes it.
    ///
    /// # Errors
    /// It cannot be read at the moment.
    pub fn coverage(&self) -> rusqlite::Result<Coverage> {
        if self.is_removed() {
            return Ok(Coverage::Absent);
        }
        let mut connection = self.open()?;
        // To look at a journal is not to empty it.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        // Messages are read later than the index, so that it is never ahead of them.
        let snapshot = connection.transaction()?;
        if !self.is_current(&snapshot)? {
            return Ok(Coverage::Absent);
        }
        let indexed: u64 = snapshot.query_row("SELECT n FROM progress", [], |row| row.get(0))?;
        let said: String =
            snapshot.query_row("PRAGMA main.integrity_check(1)", [], |row| row.get(0))?;
        if said != "ok" {
            return Ok(Coverage::Damaged(said.lines().collect::<Vec<_>>().join(" ")));
        }
        let count = |sql: &str| snapshot.query_row(sql, [indexed], |row| row.get::<_, u64>(0));
        let mut found = 0;
        for partition in partitions(&snapshot, 0, indexed / PARTITION)? {
            found += count(&count_found(partition))?;
        }
        match count(COUNT_UP_TO)?.saturating_sub(found) {
            0 => Ok(Coverage::Behind(count(COUNT_AFTER)?)),
            lost => Ok(Coverage::Damaged(format!("it lacks {lost} messages"))),
        }
    }

    /// Room in the index that the next messages take before it grows, in bytes.
    pub fn free_bytes(&self) -> u64 {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let free = Connection::open_with_flags(&self.index, flags).and_then(|connection| {
            let pragma = |name| connection.pragma_query_value(None, name, |row| row.get(0));
            let (pages, bytes): (u64, u64) = (pragma("freelist_count")?, pragma("page_size")?);
            Ok(pages * bytes)
        });
        // One that is being made, or made anew, has none.
        free.unwrap_or(0)
    }

    fn connect(&self, flags: OpenFlags) -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(&self.index, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        connection.execute("ATTACH ?1 AS kept", [self.kept.to_string_lossy()])?;
        Ok(connection)
    }

    /// Whether this is an index of these data, as this program makes it.
    fn is_current(&self, connection: &Connection) -> rusqlite::Result<bool> {
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        if pragma("application_id")? != APPLICATION_ID || pragma("user_version")? != VERSION {
            return Ok(false);
        }
        let epoch = "SELECT epoch FROM progress";
        let epoch: Option<String> = connection.query_row(epoch, [], |row| row.get(0)).optional()?;
        Ok(epoch.as_deref() == Some(&self.epoch))
    }

    fn create(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        connection.execute_batch(SCHEMA)?;
        connection.execute("INSERT INTO progress VALUES(?1, 0, 0)", [&self.epoch])?;
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.pragma_update(None, "user_version", VERSION)?;
        connection.execute_batch("COMMIT")
    }

    /// Removes the index, whatever it is. Those who have it open go on with it until they look.
    pub fn remove(&self) -> io::Result<()> {
        for suffix in ["", "-wal", "-shm"] {
            let mut file = self.index.clone().into_os_string();
            file.push(suffix);
            match fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}
