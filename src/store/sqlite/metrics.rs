//! What monitors are told of the store.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::PAGE_BYTES;
use super::shared::{Refusal, Shared};
use crate::metrics::{Exposition, Histogram};

/// What the thread that writes counts.
#[derive(Debug, Default)]
pub struct CommitMetrics {
    /// From when it began to write to when that was durable, tries that failed included.
    seconds: Histogram,
    /// Tries that failed.
    failures: u64,
}

impl Shared {
    pub fn note_committed(&self, took: Duration) {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner).seconds.observe(took);
    }

    pub fn note_commit_failed(&self) {
        self.commits.lock().unwrap_or_else(PoisonError::into_inner).failures += 1;
    }

    pub fn write_metrics(&self, out: &mut Exposition) {
        let commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        out.histogram(
            "chat_server_commit_seconds",
            "How long it took until what was said was on the disk: nobody is shown it before.",
            &commits.seconds,
        );
        out.counter(
            "chat_server_commit_failures_total",
            "Times that it could not be written. It is tried again for two seconds.",
            commits.failures,
        );
        drop(commits);
        let pages = u64::from(self.journal_pages.load(Ordering::Relaxed));
        out.gauge(
            "chat_server_wal_bytes",
            "What is in the journal, history.db-wal.",
            pages * u64::from(PAGE_BYTES),
        );
        let refuses = |why| u8::from(self.refuses_for(why));
        out.gauges(
            "chat_server_store_refuses",
            "1 while nothing can be said for this reason.",
            "reason",
            [
                ("disk_full", refuses(Refusal::DiskFull)),
                ("size_reached", refuses(Refusal::SizeReached)),
                ("write_failed", refuses(Refusal::WriteFailed)),
                ("journal_full", refuses(Refusal::JournalFull)),
            ],
        );
        let (newest, indexed) = self.followed().unwrap_or_default();
        out.gauge(
            "chat_server_search_lag_messages",
            "Messages that are kept and cannot be found yet.",
            newest.saturating_sub(indexed),
        );
    }
}
