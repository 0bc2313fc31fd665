//! The thread that writes: what gathered while it wrote is the next transaction.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use log::{error, info, warn};

use super::age::Belief;
use super::shared::{Refusal, Shared};
use crate::ids::GroupId;
use crate::store::Change;

/// Changes in one transaction. More would make all of them wait longer and save nothing.
const CHANGES_MAX: usize = 4096;
/// Past it, the journal is emptied between two transactions, and what is said waits for that.
pub const JOURNAL_PAGES_MAX: u32 = 64 * 1024 * 1024 / super::PAGE_BYTES;
/// Past it, because somebody reads on and on, nothing more is taken.
const JOURNAL_PAGES_REFUSED: u32 = 1024 * 1024 * 1024 / super::PAGE_BYTES;

/// How long a writer tries.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// A transaction that failed is tried again for so long,
    pub retry: Duration,
    /// with this in between.
    pub pause: Duration,
    /// After it was given up, this passes between two attempts to write anything at all, or to
    /// empty a journal that is too long.
    pub probe: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            retry: Duration::from_secs(2),
            pause: Duration::from_millis(50),
            probe: Duration::from_secs(1),
        }
    }
}

/// The changes of one turn.
#[derive(Debug)]
pub struct Group {
    pub id: GroupId,
    pub changes: Vec<Change>,
}

/// What the writer is told to do, in order.
#[derive(Debug)]
pub enum Command {
    Append(Group),
    /// The chat has gone back to what is durable. What came before this is not to be written.
    Resume,
    /// Forgets some of what was said before this time; answers how much.
    Expire {
        before_ms: u64,
        /// What was said after it was said when the clock was wrong.
        now: Belief,
        done: Sender<usize>,
    },
    /// Leaves nothing in the journal of what is in the file; answers whether that is done.
    Scrub {
        done: Sender<bool>,
    },
    /// Ends in an orderly way; answers whether all is on disk. `is_released`: another process goes on
    /// with it at once, and everybody waits for that.
    Close {
        is_released: bool,
        done: Sender<bool>,
    },
}

/// Why something could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The disk refuses for now: it is full, or held by another program.
    Disk(String),
    /// What was written may or may not be on the disk, and asking again would not tell: the kernel
    /// reports a failed write-back once, and forgets it.
    Sync(String),
    /// Trying again would end the same way.
    Wrong(String),
}

/// What a writer writes to.
pub trait Target {
    /// Makes these groups durable, all of them or none.
    fn commit(&mut self, groups: &[Group]) -> Result<(), Failure>;

    /// Writes something of no use, to see whether that is possible again.
    fn probe(&mut self) -> Result<(), Failure>;

    /// Forgets some of what was said before this time; returns how much. Keeps what time it is.
    fn expire(&mut self, before_ms: u64, now: Belief) -> Result<usize, Failure>;

    /// Moves the journal into the file; says whether all of it.
    fn empty_journal(&mut self) -> Result<bool, Failure>;

    /// The same, and overwrites the journal.
    fn scrub(&mut self) -> Result<bool, Failure>;

    /// Leaves everything in order, or as it is if it is released.
    fn close(self, is_released: bool) -> Result<(), Failure>;
}

/// The answer to [`Command::Close`].
#[derive(Debug)]
pub struct Closed {
    is_clean: bool,
    done: Sender<bool>,
}

impl Closed {
    pub fn tell(self) {
        // The one who asked may have given up.
        let _ = self.done.send(self.is_clean);
    }
}

pub struct Writer<T> {
    pub target: T,
    pub commands: Receiver<Command>,
    pub shared: Arc<Shared>,
    /// Tells the maintenance thread that there is something to look at.
    pub nudge: SyncSender<()>,
    pub patience: Patience,
    /// What was received and not done yet.
    next: Option<Command>,
    /// A transaction was given up, and the chat has not gone back yet.
    is_lost: bool,
    journal_tried: Option<Instant>,
}

impl<T: Target> Writer<T> {
    pub fn new(
        target: T,
        commands: Receiver<Command>,
        shared: Arc<Shared>,
        nudge: SyncSender<()>,
        patience: Patience,
    ) -> Writer<T> {
        Writer {
            target,
            commands,
            shared,
            nudge,
            patience,
            next: None,
            is_lost: false,
            journal_tried: None,
        }
    }

    /// Works until it is told to close, and returns what to tell then, or until nobody can tell it
    /// anything any more.
    pub fn run(mut self) -> Option<Closed> {
        while let Some(command) = self.receive() {
            match command {
                Command::Append(group) => self.append(group),
                Command::Resume => {
                    self.is_lost = false;
                    self.shared.set_resumed();
                }
                Command::Expire { before_ms, now, done } => {
                    // The one who asked may be gone.
                    let _ = done.send(self.expire(before_ms, now));
                }
                Command::Scrub { done } => {
                    let _ = done.send(self.scrub());
                }
                Command::Close { is_released, done } => {
                    return Some(Closed { is_clean: self.close(is_released), done });
                }
            }
        }
        None
    }

    /// The next command. While it waits, it tries whether what failed works again.
    fn receive(&mut self) -> Option<Command> {
        if let Some(command) = self.next.take() {
            return Some(command);
        }
        loop {
            let has_trouble = self.shared.refuses_for(Refusal::WriteFailed)
                || self.shared.refuses_for(Refusal::JournalFull);
            if !has_trouble || self.shared.is_broken() {
                return self.commands.recv().ok();
            }
            match self.commands.recv_timeout(self.patience.probe) {
                Ok(command) => return Some(command),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => self.recover(),
            }
        }
    }

    fn recover(&mut self) {
        self.keep_journal_short();
        if self.shared.refuses_for(Refusal::WriteFailed) {
            match self.target.probe() {
                Ok(()) => {
                    self.shared.set_refusal(Refusal::WriteFailed, false);
                    info!("the disk takes what is said again");
                }
                Err(Failure::Sync(why)) => self.fail(&why),
                Err(Failure::Disk(_) | Failure::Wrong(_)) => {}
            }
        }
    }

    /// Writes this group and those behind it.
    fn append(&mut self, first: Group) {
        let mut count = first.changes.len();
        let mut groups = vec![first];
        while count < CHANGES_MAX {
            match self.commands.try_recv() {
                Ok(Command::Append(group)) => {
                    count += group.changes.len();
                    groups.push(group);
                }
                Ok(command) => {
                    self.next = Some(command);
                    break;
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        if self.is_lost || self.shared.is_broken() {
            return;
        }
        match self.commit(&groups) {
            Ok(()) => {
                self.shared.count_committed(count);
                if let Some(last) = groups.last() {
                    self.shared.set_durable(last.id);
                }
                self.shared.wake();
                // A nudge that has not been taken yet will do.
                let _ = self.nudge.try_send(());
                self.keep_journal_short();
            }
            Err(Failure::Sync(why)) => self.fail(&why),
            Err(Failure::Disk(why) | Failure::Wrong(why)) => self.give_up(&why),
        }
    }

    fn commit(&mut self, groups: &[Group]) -> Result<(), Failure> {
        let began = Instant::now();
        let mut is_retry = false;
        loop {
            match self.target.commit(groups) {
                Err(Failure::Disk(why)) if began.elapsed() < self.patience.retry => {
                    self.shared.note_commit_failed();
                    if !is_retry {
                        warn!("writing failed, and is tried again: {why}");
                    }
                    is_retry = true;
                    thread::sleep(self.patience.pause);
                }
                Ok(()) => {
                    self.shared.note_committed(began.elapsed());
                    return Ok(());
                }
                Err(failure) => {
                    self.shared.note_commit_failed();
                    return Err(failure);
                }
            }
        }
    }

    /// What is held in memory after the last durable group is lost; the store goes on.
    fn give_up(&mut self, why: &str) {
        error!("what was said last could not be kept, and was shown to nobody: {why}");
        self.is_lost = true;
        self.shared.set_refusal(Refusal::WriteFailed, true);
        self.shared.set_lost();
        self.shared.wake();
    }

    fn fail(&self, why: &str) {
        error!("the disk failed to sync, so that nothing more can be kept: {why}");
        self.shared.set_broken();
    }

    fn keep_journal_short(&mut self) {
        let pages = self.shared.journal_pages.load(Ordering::Relaxed);
        let has_just_tried =
            self.journal_tried.is_some_and(|at| at.elapsed() < self.patience.probe);
        if pages <= JOURNAL_PAGES_MAX || has_just_tried {
            return;
        }
        match self.target.empty_journal() {
            Ok(true) => self.journal_tried = None,
            Ok(false) | Err(Failure::Disk(_) | Failure::Wrong(_)) => {
                self.journal_tried = Some(Instant::now());
            }
            Err(Failure::Sync(why)) => self.fail(&why),
        }
        let pages = self.shared.journal_pages.load(Ordering::Relaxed);
        let is_full = pages > JOURNAL_PAGES_REFUSED;
        if self.shared.set_refusal(Refusal::JournalFull, is_full) && is_full {
            warn!("another program has been reading the history for too long: nothing can be said");
        }
    }

    fn expire(&mut self, before_ms: u64, now: Belief) -> usize {
        if self.is_lost || self.shared.is_broken() {
            return 0;
        }
        match self.target.expire(before_ms, now) {
            Ok(count) => count,
            Err(Failure::Sync(why)) => {
                self.fail(&why);
                0
            }
            Err(Failure::Disk(why) | Failure::Wrong(why)) => {
                warn!("old messages could not be forgotten: {why}");
                0
            }
        }
    }

    fn scrub(&mut self) -> bool {
        if self.shared.is_broken() {
            return false;
        }
        match self.target.scrub() {
            Ok(is_done) => is_done,
            Err(Failure::Sync(why)) => {
                self.fail(&why);
                false
            }
            Err(Failure::Disk(why) | Failure::Wrong(why)) => {
                warn!("what was deleted is still in the journal: {why}");
                false
            }
        }
    }

    fn close(self, is_released: bool) -> bool {
        if self.shared.is_broken() {
            return false;
        }
        match self.target.close(is_released) {
            Ok(()) => true,
            Err(Failure::Disk(why) | Failure::Sync(why) | Failure::Wrong(why)) => {
                error!("the history could not be closed in an orderly way: {why}");
                false
            }
        }
    }
}
