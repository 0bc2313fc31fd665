//! What the server has done so far, counted.

use std::fmt;

use crate::wire::close::CloseReason;

/// Counters of one server since its start. They only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerMetrics {
    /// Reads that have brought something.
    pub reads: u64,
    /// Bytes that reads have brought, those of connections that are closing included.
    pub read_bytes: u64,
    /// Messages offered to the service: lines, WebSocket texts and binaries. One that has to wait
    /// is counted each time it is offered.
    pub messages: u64,
    /// HTTP requests whose head could be read.
    pub requests: u64,
    /// Requests that have become WebSockets.
    pub upgrades: u64,
    /// Times that clients were let go because all together held too much.
    pub memory_searches: u64,
    /// Connections that have begun to close, by why.
    pub closed: ClosedMetrics,
}

/// Connections that have begun to close, by why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClosedMetrics {
    /// They or their input ended, all in order, or their guests came back by other connections.
    pub done: u64,
    /// A line or a protocol that cannot be served: [`CloseReason::TooLong`], `Late`, `Foreign`,
    /// `Header`, `Broken`, `Unsupported`; or one who speaks is banned: `Banned`.
    pub refused: u64,
    /// They did not read what they were sent.
    pub too_slow: u64,
    /// They held much while all together held too much.
    pub out_of_memory: u64,
    /// They did not answer a ping, or did not establish themselves.
    pub silent: u64,
    /// The server stopped.
    pub going_away: u64,
    /// What they had been about to be told could not be stored.
    pub not_stored: u64,
    /// Their connection broke.
    pub broken: u64,
}

/// For the log: each counter after its name.
impl fmt::Display for ServerMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ServerMetrics { reads, read_bytes, messages, requests, upgrades, .. } = self;
        let ServerMetrics { memory_searches, closed, .. } = self;
        let ClosedMetrics { done, refused, too_slow, out_of_memory, .. } = closed;
        let ClosedMetrics { silent, going_away, not_stored, broken, .. } = closed;
        write!(
            f,
            "reads {reads}, bytes read {read_bytes}, messages {messages}, requests {requests}, \
             upgrades {upgrades}, times out of memory {memory_searches}, closed {} (done {done}, \
             refused {refused}, too slow {too_slow}, out of memory {out_of_memory}, silent \
             {silent}, going away {going_away}, not stored {not_stored}, broken {broken})",
            closed.total()
        )
    }
}

impl ClosedMetrics {
    pub(super) fn count(&mut self, reason: CloseReason) {
        let counter = match reason {
            CloseReason::Done | CloseReason::Answer(_) | CloseReason::Superseded => &mut self.done,
            CloseReason::TooLong(_)
            | CloseReason::Late
            | CloseReason::Plain
            | CloseReason::Foreign(_)
            | CloseReason::Header(_)
            | CloseReason::Broken(_)
            | CloseReason::Banned
            | CloseReason::Unsupported(_) => &mut self.refused,
            CloseReason::TooSlow => &mut self.too_slow,
            CloseReason::OutOfMemory => &mut self.out_of_memory,
            CloseReason::Silent => &mut self.silent,
            CloseReason::GoingAway => &mut self.going_away,
            CloseReason::NotStored => &mut self.not_stored,
        };
        *counter += 1;
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        let went = self.done + self.refused + self.silent + self.going_away + self.broken;
        went + self.too_slow + self.out_of_memory + self.not_stored
    }
}
