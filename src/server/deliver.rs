//! The second half of a turn: what is queued is written, once to each.

use std::io::{self, IoSlice};

use super::Server;
use super::connection::Connection;
use super::stream::Stream;
use crate::delivery::outbox::{Outbox, SLICES_MAX};
use crate::ids::ClientId;
use crate::server::timers::Due;
use crate::service::Service;

impl<S: Stream, A: Service> Server<S, A> {
    /// Writes once to all that have something queued, within the turn's budget.
    pub(super) fn write_all(&mut self) {
        let limits = self.settings.limits;
        let (prompt, bulk) = self.out.to_write();
        let mut left = limits.writes_max;
        for _ in 0..prompt {
            if left == 0 {
                break;
            }
            if let Some(id) = self.out.next_prompt() {
                left = left.saturating_sub(1 + self.write(id) / limits.write_bytes_each);
            }
        }
        left = left.max(limits.bulk_writes_min);
        for _ in 0..bulk {
            if left == 0 {
                break;
            }
            if let Some(id) = self.out.next_bulk() {
                left = left.saturating_sub(1 + self.write(id) / limits.write_bytes_each);
            }
        }
    }

    /// One vectored write. Returns how many bytes the stream took.
    pub(super) fn write(&mut self, id: ClientId) -> usize {
        if self.connections[id.index()].wire.editor().is_some() {
            let taken = self.write_around_line(id);
            // Behind the rest of a drawing that was cut there was none of the line as it is now.
            self.draw_later(id);
            return taken;
        }
        let Some(outbox) = self.out.outbox(id) else { return 0 };
        let connection = &mut self.connections[id.index()];
        let is_last = connection.is_closing() && !self.out.is_holding_for(id);
        let (written, bytes) = write_outbox(&mut connection.stream, outbox, is_last);
        let taken = *written.as_ref().unwrap_or(&0);
        self.wrote(id, written, taken, taken < bytes)
    }

    /// Writes bytes at once to a client that has nothing queued; what its stream does not take is
    /// queued.
    pub(super) fn write_directly(&mut self, id: ClientId, bytes: &[u8]) {
        let stream = &mut self.connections[id.index()].stream;
        let written = retry(|| stream.write(bytes));
        let taken = *written.as_ref().unwrap_or(&0);
        if taken == bytes.len() {
            self.wrote(id, written, taken, false);
            return;
        }
        // What has been taken is not kept until the rest is, which could be many times as much: only
        // its last byte, which shows that a message is cut.
        let (gone, kept) = bytes.split_at(taken.saturating_sub(1));
        self.out.queue_offered(id, gone.len(), kept);
        let taken = taken - gone.len();
        self.wrote(id, written.map(|_| taken), taken, taken < kept.len());
    }

    /// Goes by what a stream has said, which took so many bytes of what is queued, and all that it
    /// was offered unless it is blocked. Returns how many they were.
    pub(super) fn wrote(
        &mut self,
        id: ClientId,
        written: io::Result<usize>,
        taken: usize,
        is_blocked: bool,
    ) -> usize {
        let connection = &mut self.connections[id.index()];
        match written {
            Ok(0) => self.write_failed(id, &io::ErrorKind::WriteZero.into()),
            Ok(_) => {
                connection.wire.sent();
                self.out.wrote(id, taken, is_blocked);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.out.wrote(id, 0, true),
            Err(error) => self.write_failed(id, &error),
        }
        let connection = &self.connections[id.index()];
        if connection.stream.wants_write() {
            self.flush(id);
        } else if !connection.is_closing() {
            return taken;
        }
        self.shut_if_settled(id);
        taken
    }

    /// What is written does not reach this connection any more. What it has said may wait in the
    /// kernel, and is still served unless it is a request.
    fn write_failed(&mut self, id: ClientId, error: &io::Error) {
        let connection = &self.connections[id.index()];
        if connection.is_served() && !connection.wire.only_asks() {
            self.break_off(id);
            self.readable(id.index());
        } else {
            self.gone(id, error);
        }
    }

    // ---- Flushing ----

    /// Has a stream flushed in this turn, if it wants to write.
    pub(super) fn flush_later(&mut self, id: ClientId) {
        if self.connections[id.index()].stream.wants_write() {
            self.unflushed.push(id);
        }
    }

    /// Flushes streams that want to write for reasons of their own, or that can go on.
    pub(super) fn flush_all(&mut self) {
        while let Some(id) = self.unflushed.pop() {
            if self.connection(id).is_none() {
                continue;
            }
            self.flush(id);
            if self.connections[id.index()].is_closing() && self.is_settled(id) {
                self.shut_if_settled(id);
            }
        }
    }

    /// Passes on what a stream has taken and its socket has not.
    #[cold]
    fn flush(&mut self, id: ClientId) {
        let connection = &mut self.connections[id.index()];
        if connection.is_gone() || !connection.stream.wants_write() {
            return;
        }
        match retry(|| connection.stream.flush()) {
            // There is room in it again, which nothing else would report.
            Ok(()) => self.out.writable(id),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => self.write_failed(id, &error),
        }
    }

    // ---- Watching ----

    /// Clients that went over the mark in this turn are checked soon.
    pub(super) fn watch(&mut self) {
        let at = self.out.now().ms + self.settings.limits.delivery.stalled_ms / 4;
        for id in self.out.take_newly_over() {
            // There is too much to keep for one that has not shown yet what it speaks.
            // If something of it is still to be read, that decides.
            let is_silent = |connection: &mut Connection<S>| {
                connection.wire.is_undecided() && connection.is_idle()
            };
            if self.connection(id).is_some_and(is_silent) {
                self.out.release(id);
            }
            self.timers.push(at, id, Due::Pressure);
        }
        let at = self.out.now().ms + self.settings.limits.delivery.blocked_max_ms();
        for id in self.out.take_newly_blocked() {
            self.timers.push(at, id, Due::Blocked);
        }
        self.close_too_slow();
    }
}

/// Writes once what a stream will take of an outbox; returns what it said, and how many bytes it
/// was offered. `is_last`: nothing follows what is in it.
fn write_outbox<S: Stream>(
    stream: &mut S,
    outbox: &Outbox,
    is_last: bool,
) -> (io::Result<usize>, usize) {
    if let Some(bytes) = outbox.single() {
        if is_last {
            return (retry(|| stream.write_last(bytes)), bytes.len());
        }
        return (retry(|| stream.write(bytes)), bytes.len());
    }
    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
    let (count, bytes) = outbox.slices(&mut slices);
    (retry(|| stream.write_vectored(&slices[..count])), bytes)
}

/// Does it again for as long as a signal interrupts it.
pub(super) fn retry<T>(mut act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match act() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
