//! What the threads of a store tell each other without waiting.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::metrics::CommitMetrics;
use crate::ids::GroupId;
use crate::store::search::Follower;
use crate::store::{Expired, Progress, Space, Wake};

/// Why nothing is to be recorded, or next to nothing; several at once are possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The file system has hardly any room.
    DiskFull = 1,
    /// The bound that the administrator has set is reached.
    SizeReached = 2,
    /// The last attempts to write have failed.
    WriteFailed = 4,
    /// Somebody has been reading for so long that the journal cannot be emptied.
    JournalFull = 8,
    /// Nor has the file system enough for what keeps order.
    ReserveUsed = 16,
    /// What keeps order has used up what it may have beyond the administrator's bound.
    SizeReserveUsed = 32,
}

/// The last bits of the word that holds the progress; the group stands before them.
const STATE_BITS: u32 = 2;
const DURABLE: u64 = 0;
const LOST: u64 = 1;
const BROKEN: u64 = 2;

#[derive(Default)]
pub struct Shared {
    progress: AtomicU64,
    refusals: AtomicU8,
    /// Changes handed over, and those of them that are durable.
    appended: AtomicU64,
    committed: AtomicU64,
    /// The pages that the journal has since it was last begun anew.
    pub journal_pages: AtomicU32,
    /// For monitors. The thread that writes has it at each commit, and the event loop when it is asked.
    pub commits: Mutex<CommitMetrics>,
    /// The journal may have words that were deleted, or have expired.
    has_deleted: AtomicBool,
    /// Held by the one who makes a checkpoint.
    pub checkpoint: Mutex<()>,
    wake: OnceLock<Wake>,
    /// The first ids that are kept of rooms of which something has expired, for the chat to take.
    expired: Mutex<BTreeMap<u64, u64>>,
    has_expired: AtomicBool,
    /// Indexes what is committed.
    follower: OnceLock<Follower>,
}

impl Shared {
    pub fn set_follower(&self, follower: Follower) {
        self.follower.get_or_init(|| follower);
    }

    /// Messages up to this number are in the file.
    pub fn tell_follower(&self, newest: u64) {
        if let Some(follower) = self.follower.get() {
            follower.committed(newest);
        }
    }

    /// The newest message that is kept, and that can be searched for.
    pub fn followed(&self) -> Option<(u64, u64)> {
        self.follower.get().map(Follower::progress)
    }

    /// What was said in these rooms before these messages is kept no longer.
    pub fn add_expired(&self, first_ids: impl IntoIterator<Item = (u64, u64)>) {
        self.expired.lock().unwrap_or_else(PoisonError::into_inner).extend(first_ids);
        self.has_expired.store(true, Ordering::Release);
        self.wake();
    }

    pub fn take_expired(&self) -> Vec<Expired> {
        if !self.has_expired.load(Ordering::Acquire) {
            return Vec::new();
        }
        self.has_expired.store(false, Ordering::Release);
        let mut expired = self.expired.lock().unwrap_or_else(PoisonError::into_inner);
        let expired = std::mem::take(&mut *expired).into_iter();
        expired.map(|(room, first_id)| Expired { room, first_id }).collect()
    }

    pub fn note_deleted(&self) {
        self.has_deleted.store(true, Ordering::Release);
    }

    /// Whether something was deleted since this was last asked.
    pub fn take_deleted(&self) -> bool {
        self.has_deleted.swap(false, Ordering::AcqRel)
    }

    pub fn progress(&self) -> Progress {
        let word = self.progress.load(Ordering::Acquire);
        let group = GroupId(word >> STATE_BITS);
        match word & ((1 << STATE_BITS) - 1) {
            LOST => Progress::Lost(group),
            BROKEN => Progress::Broken(group),
            _ => Progress::Durable(group),
        }
    }

    pub fn set_durable(&self, group: GroupId) {
        self.set(|_| group.0 << STATE_BITS | DURABLE);
    }

    /// Nothing after the last durable group will become durable, until the chat begins again.
    pub fn set_lost(&self) {
        self.set(|word| word >> STATE_BITS << STATE_BITS | LOST);
    }

    /// The chat begins again after the last durable group.
    pub fn set_resumed(&self) {
        self.set(|word| word >> STATE_BITS << STATE_BITS | DURABLE);
    }

    pub fn set_broken(&self) {
        self.set(|word| word >> STATE_BITS << STATE_BITS | BROKEN);
        self.wake();
    }

    pub fn is_broken(&self) -> bool {
        matches!(self.progress(), Progress::Broken(_))
    }

    /// What is broken stays broken.
    fn set(&self, next: impl Fn(u64) -> u64) {
        let is_broken = |word| word & ((1 << STATE_BITS) - 1) == BROKEN;
        let _ = self.progress.fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| {
            (!is_broken(word)).then(|| next(word))
        });
    }

    pub fn space(&self) -> Space {
        let short = Refusal::DiskFull as u8 | Refusal::SizeReached as u8;
        match self.refusals.load(Ordering::Acquire) {
            0 => Space::Free,
            refusals if refusals & !short == 0 => Space::Short,
            _ => Space::Full,
        }
    }

    pub fn refuses_for(&self, why: Refusal) -> bool {
        self.refusals.load(Ordering::Acquire) & why as u8 != 0
    }

    /// Says whether this is news.
    pub fn set_refusal(&self, why: Refusal, holds: bool) -> bool {
        let before = match holds {
            true => self.refusals.fetch_or(why as u8, Ordering::AcqRel),
            false => self.refusals.fetch_and(!(why as u8), Ordering::AcqRel),
        };
        let is_news = (before & why as u8 != 0) != holds;
        if is_news {
            self.wake();
        }
        is_news
    }

    pub fn count_appended(&self, changes: usize) {
        self.appended.fetch_add(changes as u64, Ordering::Relaxed);
    }

    pub fn count_committed(&self, changes: usize) {
        self.committed.fetch_add(changes as u64, Ordering::Relaxed);
    }

    /// The chat has gone back to what is durable.
    pub fn forget_unacknowledged(&self) {
        self.committed.store(self.appended.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Changes that were handed over and are not durable.
    pub fn unacknowledged(&self) -> u64 {
        let committed = self.committed.load(Ordering::Relaxed);
        self.appended.load(Ordering::Relaxed).saturating_sub(committed)
    }

    pub fn set_wake(&self, wake: Wake) {
        // A second one has nobody to call.
        let _ = self.wake.set(wake);
    }

    pub fn wake(&self) {
        if let Some(wake) = self.wake.get() {
            wake();
        }
    }
}
