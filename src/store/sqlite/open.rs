//! Opening a directory: nothing in it is touched before it is known to be in order.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use log::{info, warn};
use rusqlite::{Connection, config::DbConfig};
use thiserror::Error;

use super::age::{Belief, BelievedClock};
use super::database::Database;
use super::directory::{self, Directory};
use super::load::load;
use super::maintenance::Maintenance;
use super::reader::{SqliteReader, open_to_read};
use super::schema::{self, APPLICATION_ID, MIGRATIONS, Meta};
use super::shared::Shared;
use super::system::FileIdentity;
use super::writer::{Patience, Writer};
use super::{Durability, End, SqliteStore, StoreSettings, system};
use crate::store::Loaded;
use crate::store::search::SearchIndex;
use crate::store::search::file::SearchFiles;

/// How long the check after an unclean stop may take.
const CHECK_MAX: Duration = Duration::from_secs(5);
/// How long a writer that was too slow to close is waited for, and how often it is looked at.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);
const LOCK_STEP: Duration = Duration::from_millis(10);
/// How many steps of SQLite's machine pass between two looks at the clock.
const CHECK_STEPS: i32 = 10_000;
/// What every SQLite file begins with, and where in its header what stands (fileformat2.html, 1.3).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const HEADER_BYTES: usize = 100;
const PAGE_BYTES_AT: usize = 16;
const CHANGES_AT: usize = 24;
const PAGES_AT: usize = 28;
const APPLICATION_ID_AT: usize = 68;
const PAGES_VALID_FOR_AT: usize = 92;

/// Why a server cannot start on its directory.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error("cannot keep history in {}: {error}", path.display())]
    Directory { path: PathBuf, error: io::Error },
    #[error("cannot keep history in {}: it is no directory", path.display())]
    NoDirectory { path: PathBuf },
    #[error("another server keeps its history in {}: give each a --data DIR of its own", path.display())]
    Locked { path: PathBuf },
    #[error("{} is not a history of this program; nothing was changed", file.display())]
    Foreign { file: PathBuf },
    #[error(
        "{} was written by a newer version of this program ({found}; this one knows {known}); \
         nothing was changed", file.display()
    )]
    Newer { file: PathBuf, found: usize, known: usize },
    #[error("{} is damaged ({what}); nothing was changed: restore a backup", file.display())]
    Damaged { file: PathBuf, what: String },
    #[error("cannot read {}: {error}", file.display())]
    Unreadable { file: PathBuf, error: io::Error },
    #[error("cannot open {}: {error}", file.display())]
    Failed { file: PathBuf, error: rusqlite::Error },
}

impl OpenError {
    /// What SQLite has found.
    pub(super) fn of(file: &Path, error: rusqlite::Error) -> OpenError {
        let file = file.to_owned();
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                OpenError::Damaged { file, what: error.to_string() }
            }
            _ => OpenError::Failed { file, error },
        }
    }
}

impl SqliteStore {
    /// Opens a directory, made if it is not there, and starts the threads that write.
    ///
    /// # Errors
    /// Why it cannot be used, in one line.
    pub fn open(path: &Path, settings: StoreSettings) -> Result<(SqliteStore, Loaded), OpenError> {
        let directory = Directory::lock(path)?;
        let file = directory.database();
        let failed = |error| OpenError::Directory { path: path.to_owned(), error };
        match file.try_exists().map_err(failed)? {
            true => prepare(&file)?,
            false => create(&file)?,
        }
        SqliteStore::start(directory, settings, Begins::Anew)
    }

    /// Opens what another process has released, to go on with it.
    ///
    /// # Errors
    /// Why it cannot be used, in one line.
    pub fn take_over(
        path: &Path,
        settings: StoreSettings,
    ) -> Result<(SqliteStore, Loaded), OpenError> {
        let directory = Directory::lock(path)?;
        inspect(&directory.database(), Depth::Header)?;
        SqliteStore::start(directory, settings, Begins::Further)
    }

    /// Opens what this process has released, and another one may have opened since. The file is not
    /// looked at: to close a file gives up the locks that other connections of the same process have
    /// on it, which still read (SQLite, "How To Corrupt An SQLite Database File", 2.2).
    ///
    /// # Errors
    /// Why it cannot be used, in one line.
    pub(super) fn open_again(
        path: &Path,
        settings: StoreSettings,
    ) -> Result<SqliteStore, OpenError> {
        let until = Instant::now() + LOCK_PATIENCE;
        let directory = loop {
            match Directory::lock(path) {
                // A disk is slow, and its writer not done.
                Err(OpenError::Locked { .. }) if Instant::now() < until => {
                    thread::sleep(LOCK_STEP);
                }
                locked => break locked?,
            }
        };
        SqliteStore::start(directory, settings, Begins::Further).map(|(store, _)| store)
    }

    fn start(
        directory: Directory,
        settings: StoreSettings,
        begins: Begins,
    ) -> Result<(SqliteStore, Loaded), OpenError> {
        let file = directory.database();
        let path = file.parent().unwrap_or(&file).to_owned();
        let failed = |error| OpenError::Directory { path: path.clone(), error };
        let (mut store, loaded, writer, mut maintenance) =
            connect(&file, settings, begins).map_err(|error| OpenError::of(&file, error))?;
        maintenance.look_at_room();
        if begins == Begins::Further {
            maintenance.put_off_scrub();
        }
        let files = SearchFiles::beside(&file, &loaded.epoch);
        let index = SearchIndex::start(files, store.settings.scrub_every).map_err(failed)?;
        store.search_with(index);
        let run = move || {
            let closed = writer.run();
            // Who waits for the end may open it again.
            drop(directory);
            if let Some(closed) = closed {
                closed.tell();
            }
        };
        spawn("store", run).map_err(failed)?;
        spawn("maintenance", move || maintenance.run()).map_err(failed)?;
        Ok((store, loaded))
    }
}

/// Checks a file that is there, and brings it to this version.
fn prepare(file: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::of(file, error);
    let found = inspect(file, Depth::AfterUncleanStop)?;
    if found < MIGRATIONS.len() {
        migrate(file, found, MIGRATIONS).map_err(failed)?;
    }
    Ok(())
}

/// Makes an empty file under another name, so that one with the right name is always whole.
fn create(file: &Path) -> Result<(), OpenError> {
    let unfinished = directory::beside(file, ".new");
    let io_failed = |error| OpenError::Directory { path: file.to_owned(), error };
    directory::create(&unfinished).map_err(io_failed)?;
    directory::remove(&directory::beside(&unfinished, "-journal")).map_err(io_failed)?;
    let failed = |error| OpenError::of(file, error);
    let mut connection = Connection::open(&unfinished).map_err(failed)?;
    schema::migrate(&mut connection, MIGRATIONS).map_err(failed)?;
    Meta::Epoch.set(&connection, system::new_epoch()).map_err(failed)?;
    Meta::IsClean.set(&connection, 1).map_err(failed)?;
    Meta::BelievedMs.set(&connection, system::unix_ms()).map_err(failed)?;
    connection.close().map_err(|(_, error)| failed(error))?;
    directory::put(&unfinished, file).map_err(io_failed)
}

/// Changes an older file, after making a copy of it.
pub(super) fn migrate(file: &Path, from: usize, migrations: &[&str]) -> rusqlite::Result<()> {
    let mut connection = Connection::open(file)?;
    let copy = schema::copy_path(file, from);
    let unfinished = directory::beside(&copy, ".new");
    let failed = |error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    directory::create(&unfinished).map_err(failed)?;
    connection.execute("VACUUM INTO ?1", [unfinished.to_string_lossy()])?;
    directory::put(&unfinished, &copy).map_err(failed)?;
    schema::migrate(&mut connection, migrations)?;
    info!("the history is now of version {}; {} is as it was", migrations.len(), copy.display());
    Ok(())
}

/// How much of a file is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// Nothing but what kind of file it is.
    Header,
    /// All of it if the last server did not stop in an orderly way, for some time.
    AfterUncleanStop,
    /// All of it, however long that takes.
    Whole,
}

/// Looks at a file without changing it; returns its version.
pub(super) fn inspect(file: &Path, depth: Depth) -> Result<usize, OpenError> {
    inspect_header(file)?;
    let failed = |error| OpenError::of(file, error);
    let mut connection = open_to_read(file).map_err(failed)?;
    // Otherwise the last connection that is closed empties the journal.
    let no_checkpoint = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    connection.set_db_config(no_checkpoint, true).map_err(failed)?;
    let found = schema::version(&connection).map_err(failed)?;
    let known = MIGRATIONS.len();
    if found > known {
        return Err(OpenError::Newer { file: file.to_owned(), found, known });
    }
    match depth {
        Depth::Header => {}
        Depth::AfterUncleanStop => {
            if Meta::IsClean.number(&connection).map_err(failed)? == 0 {
                let until = Instant::now() + CHECK_MAX;
                let is_over = move || Instant::now() >= until;
                connection.progress_handler(CHECK_STEPS, Some(is_over)).map_err(failed)?;
                check_pages(&connection, file, "PRAGMA quick_check(1)")?;
            }
        }
        Depth::Whole => check_pages(&connection, file, "PRAGMA integrity_check(1)")?,
    }
    Ok(found)
}

/// What can be seen without SQLite.
fn inspect_header(file: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::Unreadable { file: file.to_owned(), error };
    let mut header = [0; HEADER_BYTES];
    let mut opened = File::open(file).map_err(failed)?;
    let bytes = opened.metadata().map_err(failed)?.len();
    let is_whole = opened.read_exact(&mut header).is_ok();
    let field = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let is_ours =
        header.starts_with(MAGIC) && field(APPLICATION_ID_AT) == APPLICATION_ID.unsigned_abs();
    if !is_whole || !is_ours {
        return Err(OpenError::Foreign { file: file.to_owned() });
    }
    // While there is a journal, the newest header may be in it.
    let has_journal = fs::metadata(directory::beside(file, "-wal")).is_ok_and(|it| it.len() > 0);
    let is_valid = field(CHANGES_AT) == field(PAGES_VALID_FOR_AT);
    let page_bytes = match u16::from_be_bytes([header[PAGE_BYTES_AT], header[PAGE_BYTES_AT + 1]]) {
        1 => 65_536,
        bytes => u64::from(bytes),
    };
    let expected = u64::from(field(PAGES_AT)) * page_bytes;
    if !has_journal && is_valid && bytes < expected {
        let what = format!("it has {bytes} bytes of {expected}");
        return Err(OpenError::Damaged { file: file.to_owned(), what });
    }
    Ok(())
}

/// SQLite's own check. The quick one looks at all pages and not at the contents of indexes: 0.1 s
/// for a million messages.
fn check_pages(connection: &Connection, file: &Path, sql: &str) -> Result<(), OpenError> {
    match connection.query_row(sql, [], |row| row.get::<_, String>(0)) {
        Ok(said) if said == "ok" => Ok(()),
        Ok(what) => {
            let what = what.lines().collect::<Vec<_>>().join(" ");
            Err(OpenError::Damaged { file: file.to_owned(), what })
        }
        Err(error)
            if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) =>
        {
            warn!(
                "the last server stopped abruptly, and the history is large: only a part of it was \
                 checked; `chat-server check` checks all of it"
            );
            Ok(())
        }
        Err(error) => Err(OpenError::of(file, error)),
    }
}

/// What was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begins {
    /// A stop, or a crash: nobody is there.
    Anew,
    /// Another process, or this one, which has released it a moment ago.
    Further,
}

type Connected = (SqliteStore, Loaded, Writer<Database>, Maintenance);

/// Opens a file that is in order: all connections, and what the threads are to do.
fn connect(file: &Path, settings: StoreSettings, begins: Begins) -> rusqlite::Result<Connected> {
    let shared = Arc::new(Shared::default());
    let mut database = Database::open(file, settings.durability, Arc::clone(&shared))?;
    let mut connection = open_to_read(file)?;
    if Meta::IsClean.number(&connection)? == 0 {
        shared.note_deleted();
    }
    match begins {
        Begins::Anew => begin(&mut database, &connection, settings.durability)?,
        Begins::Further => database.go_on(settings.durability)?,
    }
    let reader = Arc::new(SqliteReader::open(file)?);
    let loaded = load(&mut connection, settings.rooms_max, &settings.preload)?;

    let io_failed = |error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    let identity = FileIdentity::of(file).map_err(io_failed)?;
    let (commands, received) = channel();
    let commands = Arc::new(commands);
    let (nudge, nudged) = sync_channel(1);
    let maintenance = Maintenance::new(
        open_to_maintain(file, settings.durability)?,
        file.to_owned(),
        settings.clone(),
        Arc::clone(&shared),
        Arc::downgrade(&commands),
        nudged,
        BelievedClock::after(Belief::kept(&connection)?, Instant::now()),
    );
    let writer = Writer::new(database, received, Arc::clone(&shared), nudge, Patience::default());
    Ok((
        SqliteStore {
            path: file.parent().unwrap_or(file).to_owned(),
            identity,
            settings,
            ends: Arc::new(Mutex::new(Some(End { commands, shared: Arc::clone(&shared) }))),
            shared,
            wake: None,
            reader,
            connection,
            search: None,
        },
        loaded,
        writer,
        maintenance,
    ))
}

fn begin(
    database: &mut Database,
    connection: &Connection,
    durability: Durability,
) -> rusqlite::Result<()> {
    let epoch = lost_by_power_cut(connection)?.then(system::new_epoch);
    if epoch.is_some() {
        warn!(
            "the machine stopped abruptly: what was said last may be lost (--durability process)"
        );
    }
    database.begin(epoch.as_deref(), durability)
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
}

/// Checkpoints write the file, and so the connection that makes them is not one that only reads.
fn open_to_maintain(file: &Path, durability: Durability) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(Duration::ZERO)?;
    connection.pragma_update(None, "synchronous", durability.synchronous())?;
    connection.pragma_update(None, "checkpoint_fullfsync", durability == Durability::Power)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    Ok(connection)
}

/// Whether message ids may have been acknowledged that the file does not have: then the same ids
/// must not be given again under the same epoch.
fn lost_by_power_cut(connection: &Connection) -> rusqlite::Result<bool> {
    let is_safe = Meta::IsPowerSafe.number(connection)? != 0;
    let is_clean = Meta::IsClean.number(connection)? != 0;
    let boot = Meta::Boot.text(connection)?.unwrap_or_default();
    // A system that does not tell its starts apart may have been started anew.
    let is_same_start = !boot.is_empty() && boot == system::boot_id();
    Ok(!is_safe && !is_clean && !is_same_start)
}
