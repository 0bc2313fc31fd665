//! The thread that keeps the file in shape: checkpoints, what is too old, and how much room there
//! is.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use log::{error, info, warn};
use rusqlite::Connection;

use super::age::BelievedClock;
use super::database::checkpoint;
use super::lag::{Lag, LagWatch};
use super::shared::{Refusal, Shared};
use super::writer::{Command, Failure};
use super::{PAGE_BYTES, StoreSettings, directory, system};
use crate::plural::Count;
use crate::store::search::file::SearchFiles;

/// Where less is free than there has to be, what keeps order is still recorded down to this part of it;
/// and for as much beyond the bound that the administrator has set.
const RESERVE_PART: u64 = 2;

/// Between two looks while things are said, and otherwise: another program may fill the disk.
const BUSY_STEP: Duration = Duration::from_millis(100);
const IDLE_STEP: Duration = Duration::from_secs(1);
/// The journal is moved into the file when it has so many pages. A page that was changed again and
/// again is moved once, so that more often would be more work.
const CHECKPOINT_PAGES: u32 = 1000;
/// Between two looks for what is too old.
const EXPIRE_STEP: Duration = Duration::from_secs(60);
/// Before the journal is scrubbed after an upgrade, and tried to be scrubbed again.
const SCRUB_RETRY: Duration = Duration::from_secs(60);
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// What a journal begins with, and what a page has there (fileformat2.html, 4.1).
const JOURNAL_HEADER_BYTES: u64 = 32;
const JOURNAL_FRAME_BYTES: u64 = 24 + PAGE_BYTES as u64;
/// From this part of the bound on, the administrator is warned.
const WARN_PERCENT: u64 = 90;

pub struct Maintenance {
    pub connection: Connection,
    pub file: PathBuf,
    pub settings: StoreSettings,
    pub shared: Arc<Shared>,
    /// Weak, as the writer works for as long as somebody has the strong one.
    pub commands: Weak<Sender<Command>>,
    /// Things are said; ends with the writer.
    pub nudged: Receiver<()>,
    has_warned: bool,
    expired_at: Option<Instant>,
    clock: BelievedClock,
    scrub_due: Instant,
    lag: LagWatch,
}

impl Maintenance {
    pub fn new(
        connection: Connection,
        file: PathBuf,
        settings: StoreSettings,
        shared: Arc<Shared>,
        commands: Weak<Sender<Command>>,
        nudged: Receiver<()>,
        clock: BelievedClock,
    ) -> Maintenance {
        Maintenance {
            connection,
            file,
            settings,
            shared,
            commands,
            nudged,
            has_warned: false,
            expired_at: None,
            clock,
            scrub_due: Instant::now(),
            lag: LagWatch::default(),
        }
    }

    /// Works until the writer has ended.
    pub fn run(mut self) {
        loop {
            self.look();
            thread::sleep(BUSY_STEP);
            match self.nudged.recv_timeout(IDLE_STEP) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.shared.is_broken() {
                return;
            }
        }
    }

    /// Everybody has had to wait for an upgrade: not for this as well.
    pub fn put_off_scrub(&mut self) {
        self.scrub_due = Instant::now() + self.settings.scrub_every.min(SCRUB_RETRY);
    }

    /// How much room there is; also asked before anything can be said.
    pub fn look_at_room(&mut self) {
        self.look_at_disk();
        self.look_at_size();
    }

    fn look(&mut self) {
        self.look_at_room();
        self.look_at_index();
        if self.shared.journal_pages.load(Ordering::Relaxed) >= CHECKPOINT_PAGES {
            let moved = checkpoint(&self.connection, &self.shared, "PASSIVE");
            if let Err(Failure::Sync(why)) = moved.map_err(Failure::from) {
                error!("the disk failed to sync, so that nothing more can be kept: {why}");
                self.shared.set_broken();
            }
        }
        if self.expired_at.is_none_or(|at| at.elapsed() >= EXPIRE_STEP) {
            self.expired_at = Some(Instant::now());
            self.expire();
        }
        if Instant::now() >= self.scrub_due && self.shared.take_deleted() {
            self.scrub();
        }
    }

    fn look_at_disk(&self) {
        let directory = self.file.parent().unwrap_or(Path::new("."));
        // A file system that does not say what it has is found full when it is.
        let Ok(free) = system::free_bytes(directory) else { return };
        let free_min = self.settings.free_bytes_min;
        let is_full = free < free_min;
        self.shared.set_refusal(Refusal::ReserveUsed, free < free_min / RESERVE_PART);
        if self.shared.set_refusal(Refusal::DiskFull, is_full) {
            match is_full {
                true => warn!(
                    "the disk of {} is full ({free} bytes are free): nothing can be said until \
                     there is room",
                    directory.display()
                ),
                false => info!("the disk has room again"),
            }
        }
    }

    fn look_at_size(&mut self) {
        let Some(bytes_max) = self.settings.bytes_max else { return };
        let Ok(bytes) = self.used_bytes() else { return };
        let is_full = bytes >= bytes_max;
        let is_near = bytes >= bytes_max / 100 * WARN_PERCENT;
        let reserve = self.settings.free_bytes_min / RESERVE_PART;
        let is_over = bytes >= bytes_max.saturating_add(reserve);
        if self.shared.set_refusal(Refusal::SizeReserveUsed, is_over) && is_over {
            warn!("what keeps order has used up {reserve} bytes more, and is not kept either");
        }
        if self.shared.set_refusal(Refusal::SizeReached, is_full) {
            match is_full {
                true => warn!(
                    "the history has reached its size (--data-max-gib): nothing can be said until \
                     there is room"
                ),
                false => info!("the history is below its size again"),
            }
        } else if is_near && !self.has_warned {
            warn!("the history has {WARN_PERCENT} % of the size that it may have (--data-max-gib)");
        }
        self.has_warned = is_near;
    }

    fn look_at_index(&mut self) {
        let Some((newest, indexed)) = self.shared.followed() else { return };
        match self.lag.look(newest, indexed, Instant::now()) {
            Some(Lag::Behind { messages, wait }) => warn!(
                "the search index is behind by {}, one of them said {} s ago",
                Count(messages, "message"),
                wait.as_secs()
            ),
            Some(Lag::CaughtUp) => info!("the search index has caught up"),
            None => {}
        }
    }

    /// What the directory has, with the index, the journals and old copies, but for pages that hold
    /// nothing any more, or nothing yet: they are used before a file grows.
    fn used_bytes(&self) -> rusqlite::Result<u64> {
        let directory = self.file.parent().unwrap_or(Path::new("."));
        let has = system::bytes_in(directory).unwrap_or(0);
        let index = SearchFiles::beside(&self.file, "").free_bytes();
        let pages =
            |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0));
        let free = pages("freelist_count")? * pages("page_size")?;
        Ok(has.saturating_sub(free + index + self.unused_journal_bytes()))
    }

    /// Room in the journal that is written before it grows.
    fn unused_journal_bytes(&self) -> u64 {
        let has = fs::metadata(directory::beside(&self.file, "-wal")).map_or(0, |it| it.len());
        let pages = u64::from(self.shared.journal_pages.load(Ordering::Relaxed));
        has.saturating_sub(JOURNAL_HEADER_BYTES + pages * JOURNAL_FRAME_BYTES)
    }

    /// Has the writer leave nothing of what was deleted in the journal. Who reads may be in the way.
    fn scrub(&mut self) {
        let (done, answer) = channel();
        let Some(commands) = self.commands.upgrade() else { return };
        if commands.send(Command::Scrub { done }).is_err() {
            return;
        }
        drop(commands);
        let every = self.settings.scrub_every;
        self.scrub_due = Instant::now()
            + match answer.recv() {
                Ok(true) => every,
                Ok(false) | Err(_) => {
                    self.shared.note_deleted();
                    every.min(SCRUB_RETRY)
                }
            };
    }

    /// Has the writer forget what is too old, a little at a time.
    fn expire(&mut self) {
        let keep_ms = self.settings.keep_days.map(|days| u64::from(days) * DAY_MS);
        let (now, jump) = self.clock.look(system::unix_ms(), Instant::now());
        if let Some(jump) = jump.filter(|_| keep_ms.is_some()) {
            warn!(
                "the clock has jumped ahead by {} h, or the server was off for so long: nothing is \
                 forgotten by it (--keep-days) before it has stayed there for a day",
                jump.as_secs() / 3600
            );
        }
        // Without a limit, the keys that nobody needs any more are all there is to forget.
        let before_ms = keep_ms.map_or(0, |keep_ms| now.unix_ms.saturating_sub(keep_ms));
        let mut total = 0;
        loop {
            let (done, answer) = channel();
            let Some(commands) = self.commands.upgrade() else { return };
            if commands.send(Command::Expire { before_ms, now, done }).is_err() {
                return;
            }
            drop(commands);
            match answer.recv() {
                Ok(0) | Err(_) => break,
                Ok(count) => total += count,
            }
        }
        if total > 0 {
            info!("forgotten, as older than --keep-days: {}", Count(total, "message"));
        }
    }
}
