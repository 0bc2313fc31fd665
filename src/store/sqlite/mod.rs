//! A store in one directory: an SQLite database, a thread that writes it, and one that keeps it in
//! shape.
//!
//! | file | what it is |
//! |---|---|
//! | `history.db` | all that is kept; `-wal` and `-shm` beside it are parts of it while it is open |
//! | `search.db` | an index of it, made anew whenever it is missing |
//! | `lock` | locked by the server that uses the directory |
//! | `history.version-N.db` | a copy from before a newer server changed the file |
//! | `history.before-restore-N.db` | what was there before a backup was put in its place |
//!
//! What is durable is in the journal (`-wal`), synced; checkpoints move it into the file later.

mod age;
mod database;
mod deletions;
mod directory;
mod lag;
mod load;
mod maintenance;
mod metrics;
mod open;
mod order;
mod people;
mod reader;
mod readings;
mod rules;
mod schema;
mod shared;
mod system;
pub mod tools;
mod writer;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::ValueEnum;
use rusqlite::Connection;

pub use open::OpenError;
pub use system::new_epoch;

/// The version of the file that this program makes.
pub fn history_version() -> usize {
    schema::MIGRATIONS.len()
}

use load::load;
use reader::SqliteReader;
use shared::Shared;
use system::FileIdentity;
use writer::{Command, Group};

use crate::ids::GroupId;
use crate::metrics::Exposition;
use crate::plural::Count;
use crate::store::search::SearchIndex;
use crate::store::{Change, Expired, Loaded, Progress, Reader, Space, Store, StoreError, Wake};

/// SQLite's default.
const PAGE_BYTES: u32 = 4096;
/// With less room on the disk, nothing is taken: what has been taken has to fit, and so has the
/// journal's copy of it.
pub const FREE_BYTES_MIN: u64 = 64 * 1024 * 1024;
/// People are promised a day. An hour costs little: nothing where nothing was deleted.
pub const SCRUB_EVERY: Duration = Duration::from_secs(60 * 60);

/// What an acknowledged message outlives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Durability {
    /// It outlives a power cut.
    #[default]
    Power,
    /// It outlives the end of the process, however sudden, but not a power cut.
    Process,
}

impl Durability {
    fn synchronous(self) -> &'static str {
        match self {
            Durability::Power => "FULL",
            Durability::Process => "NORMAL",
        }
    }
}

/// How a store behaves.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    pub durability: Durability,
    /// Messages that are older are forgotten.
    pub keep_days: Option<u32>,
    /// The most that the file may have.
    pub bytes_max: Option<u64>,
    /// What has to be free on the disk.
    pub free_bytes_min: u64,
    /// How many rooms a chat starts with, beside those that have members.
    pub rooms_max: usize,
    pub preload: Preload,
    /// How long the text of a message that was deleted may still be in a journal or in the index.
    pub scrub_every: Duration,
}

/// The messages that a chat starts with; all others are read when somebody asks for them.
#[derive(Clone, Debug)]
pub struct Preload {
    /// So many of the rooms spoken in last,
    pub rooms: usize,
    /// and the one with this key.
    pub room_key: Box<str>,
    /// Of one room.
    pub messages_max: usize,
    /// Of all of them together.
    pub bytes_max: usize,
}

impl Default for StoreSettings {
    fn default() -> StoreSettings {
        StoreSettings {
            durability: Durability::default(),
            keep_days: None,
            bytes_max: None,
            free_bytes_min: FREE_BYTES_MIN,
            rooms_max: 10_000,
            preload: Preload {
                rooms: 16,
                room_key: "#lobby".into(),
                messages_max: 1000,
                bytes_max: 1024 * 1024,
            },
            scrub_every: SCRUB_EVERY,
        }
    }
}

/// The store of one server. It stops writing when this and its [`Closer`] are gone.
pub struct SqliteStore {
    path: PathBuf,
    settings: StoreSettings,
    /// What was opened.
    identity: FileIdentity,
    /// Nothing once it was released.
    ends: Ends,
    shared: Arc<Shared>,
    wake: Option<Arc<dyn Fn() + Send + Sync>>,
    reader: Arc<SqliteReader>,
    /// Reads what there is after something was lost.
    connection: Connection,
    search: Option<SearchIndex>,
}

impl SqliteStore {
    /// Has this index follow what is committed, and answer searches.
    fn search_with(&mut self, index: SearchIndex) {
        self.shared.set_follower(index.follower());
        self.reader.set_searcher(index.searcher());
        self.search = Some(index);
    }

    /// Messages that are kept and cannot be found yet.
    pub fn search_lag(&self) -> u64 {
        self.search.as_ref().map_or(0, SearchIndex::lag)
    }

    fn wake_with(&mut self, wake: Arc<dyn Fn() + Send + Sync>) {
        self.wake = Some(Arc::clone(&wake));
        self.shared.set_wake(Box::new(move || wake()));
    }

    /// Whether the writer is there to do this.
    fn send(&self, command: Command) -> bool {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.as_ref().is_some_and(|end| end.commands.send(command).is_ok())
    }

    /// What ends it in an orderly way, wherever the store itself has been put.
    pub fn closer(&self) -> Closer {
        Closer { ends: Arc::clone(&self.ends) }
    }
}

impl Store for SqliteStore {
    fn set_wake(&mut self, wake: Wake) {
        self.wake_with(Arc::from(wake));
    }

    fn check_release(&self) -> Result<(), StoreError> {
        let file = directory::database_in(&self.path);
        match FileIdentity::of(&file) {
            Ok(found) if found == self.identity => Ok(()),
            _ => Err(StoreError::Failed(
                format!("{} is not the history that this process keeps; restart", file.display())
                    .into(),
            )),
        }
    }

    fn release(&mut self) -> Result<(), StoreError> {
        // The index has one writer at a time, as the history has.
        if let Some(index) = self.search.take() {
            index.release();
        }
        let closed = close(&self.ends, RELEASE_PATIENCE, true);
        closed.map_err(|error| StoreError::Failed(error.to_string().into()))
    }

    fn take_back(&mut self) -> Result<(), StoreError> {
        let opened = SqliteStore::open_again(&self.path, self.settings.clone());
        let mut anew = opened.map_err(|error| {
            self.shared.set_broken();
            StoreError::Failed(error.to_string().into())
        })?;
        if let Progress::Durable(group) = self.shared.progress() {
            anew.shared.set_durable(group);
        }
        if let Some(wake) = self.wake.take() {
            anew.wake_with(wake);
        }
        let open = anew.ends.lock().unwrap_or_else(PoisonError::into_inner).take();
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner) = open;
        anew.ends = Arc::clone(&self.ends);
        *self = anew;
        Ok(())
    }

    fn append(&mut self, group: GroupId, changes: Vec<Change>) {
        self.shared.count_appended(changes.len());
        let group = Group { id: group, changes };
        if !self.send(Command::Append(group)) {
            // The writer ends before its store only by a panic.
            self.shared.set_broken();
        }
    }

    fn progress(&mut self) -> Progress {
        self.shared.progress()
    }

    fn space(&self) -> Space {
        self.shared.space()
    }

    fn write_metrics(&self, out: &mut Exposition) {
        self.shared.write_metrics(out);
    }

    fn take_expired(&mut self) -> Vec<Expired> {
        self.shared.take_expired()
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::clone(&self.reader) as Arc<dyn Reader>
    }

    fn reload(&mut self) -> Result<Loaded, StoreError> {
        let loaded = load(&mut self.connection, self.settings.rooms_max, &self.settings.preload)?;
        self.shared.forget_unacknowledged();
        // What is still on its way to the writer comes before this, and is dropped.
        self.send(Command::Resume);
        self.shared.set_resumed();
        Ok(loaded)
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let progress = self.shared.progress();
        f.debug_struct("SqliteStore").field("progress", &progress).finish_non_exhaustive()
    }
}

/// How long the disk may take when a store is released: others wait for it.
const RELEASE_PATIENCE: Duration = Duration::from_secs(5);

/// What ends a store's threads.
struct End {
    commands: Arc<Sender<Command>>,
    shared: Arc<Shared>,
}

type Ends = Arc<Mutex<Option<End>>>;

/// Ends a store, unless it was released.
pub struct Closer {
    ends: Ends,
}

impl Closer {
    /// Waits until all that was handed over is durable and the file is in order.
    ///
    /// # Errors
    /// How many changes are not known to be durable, if that takes too long or fails.
    pub fn close(self, patience: Duration) -> Result<(), Unclosed> {
        close(&self.ends, patience, false)
    }
}

fn close(ends: &Ends, patience: Duration, is_released: bool) -> Result<(), Unclosed> {
    let end = ends.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(End { commands, shared }) = end else { return Ok(()) };
    let (done, answer) = channel();
    let is_told = commands.send(Command::Close { is_released, done }).is_ok();
    let is_clean = is_told && answer.recv_timeout(patience).unwrap_or_default();
    let unacknowledged = shared.unacknowledged();
    match is_clean && unacknowledged == 0 {
        true => Ok(()),
        false => Err(Unclosed { unacknowledged }),
    }
}

/// The store has not ended in an orderly way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the history was not closed in an orderly way: {} stayed unacknowledged",
    Count(*unacknowledged, "record")
)]
pub struct Unclosed {
    pub unacknowledged: u64,
}
