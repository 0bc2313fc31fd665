//! How a connection is closed, in one order:
//!
//! 1. *Closing*, for a [`CloseReason`]: it is not read from any more, its service learns of it, and
//!    its wire writes its last bytes behind what is queued. All that is flushed: for as long as it
//!    reads if it is closed in order (`drain_ms` without taking anything, and what is held for it
//!    until it is durable is waited for), for `linger_ms` if it was too slow or held too much.
//! 2. *Lingering*, once it is *settled*: nothing is queued for it and its stream wants to write
//!    nothing.
//!    Its writing half is shut, and what it still sends is read and dropped, for `linger_ms`, or as
//!    long as it goes on sending what belongs to a request, `linger_sending_ms` at most. Skipped if
//!    the end of its input has been read, or a request behind which it has said that none follows.
//! 3. *Gone*: it leaves the slab at the end of the turn.
//!
//! A connection that breaks is gone at once, unless something it has said is still to be served.

use std::io;

use log::{debug, info, warn};

use super::Server;
use super::connection::Standing;
use super::stream::Stream;
use crate::ids::{ClientId, Peer};
use crate::server::timers::Due;
use crate::service::Service;
use crate::wire::close::CloseReason;

impl<S: Stream, A: Service> Server<S, A> {
    /// Stops reading from everybody: what is queued is flushed, then connections are closed. The
    /// next turns do it. Connections that ask for our health are answered that we are draining
    /// until [`Server::is_drained`]. To be called right after a turn, whose time it goes by.
    pub fn drain(&mut self) {
        self.draining = true;
        self.out.set_draining(true);
        self.close_all(CloseReason::GoingAway);
        self.keep_rest();
    }

    /// Whether all have left but those that may ask for our health, these have read their answers,
    /// and all that was changed is durable, unless nothing can be stored any more.
    pub fn is_drained(&self) -> bool {
        let has_left = self.connections.iter().all(|(key, connection)| {
            let rests = connection.wire.only_asks() && connection.is_open();
            rests && self.is_settled(connection.id(key))
        });
        has_left && (self.unstored_groups() == 0 || self.store_broken().is_some())
    }

    /// Closes all connections but those that only ask, which are told nothing of what is said.
    pub(super) fn close_all(&mut self, reason: CloseReason) {
        let all = self.connections.iter().filter(|(_, connection)| !connection.wire.only_asks());
        let all: Vec<ClientId> = all.map(|(key, connection)| connection.id(key)).collect();
        all.into_iter().for_each(|id| self.close(id, reason));
    }

    /// Closes a connection, and those that what it was about to be sent has put too far behind.
    pub(super) fn close(&mut self, id: ClientId, reason: CloseReason) {
        self.begin_closing(id, reason);
        self.close_too_slow();
    }

    /// Closes a connection that has said its last, once its service has done all that it asked for.
    pub(super) fn close_when_said(&mut self, id: ClientId, reason: CloseReason) {
        match self.service.waits_to_close(id) {
            Some(until) if self.connections[id.index()].is_served() => {
                self.closing_later.insert(id, reason);
                self.wait(id, until);
            }
            _ => self.close(id, reason),
        }
    }

    /// Closes all that have too much queued, or have not read for too long. Asked after each message,
    /// so that there is hardly ever one.
    #[inline]
    pub(super) fn close_too_slow(&mut self) {
        while self.out.has_too_slow() {
            for id in self.out.take_too_slow() {
                self.begin_closing(id, CloseReason::TooSlow);
            }
        }
    }

    fn begin_closing(&mut self, id: ClientId, reason: CloseReason) {
        let Some(connection) = self.connection(id) else { return };
        let is_established = !connection.is_establishing();
        let Some(standing) = connection.begin_closing() else { return };
        self.closing_later.remove(&id);
        let peer = self.connections[id.index()].peer();
        log_close(peer, reason);
        self.metrics.closed.count(reason);
        if reason.is_goodbye() && standing == Standing::Known {
            self.service.said_goodbye(id, peer, &mut self.out);
        }
        self.tell_service(id, standing);
        self.out.shut(id);
        self.out.release(id);
        if !is_established {
            return self.end(id);
        }
        if reason.drops_queue() {
            self.out.forget(id);
        }
        self.write_last(id, reason);
        let (patience, due) = match reason.drops_queue() {
            true => (self.wires.timeouts.linger_ms, Due::Close),
            false => (self.settings.limits.drain_ms, Due::Drain),
        };
        self.timers.push(self.out.now().ms + patience, id, due);
        self.shut_if_settled(id);
    }

    /// Has a wire write its last bytes.
    pub(super) fn write_last(&mut self, id: ClientId, reason: CloseReason) {
        let mut last = Vec::new();
        let wire = &self.connections[id.index()].wire;
        wire.write_close(reason, self.wires.payload, &mut last);
        if !last.is_empty() {
            self.out.append_last(id, &last);
        }
    }

    /// Tells the service that a connection has left which it knew so.
    fn tell_service(&mut self, id: ClientId, standing: Standing) {
        match standing {
            Standing::Unknown => {}
            Standing::Listening => self.service.stopped_listening(id, &mut self.out),
            Standing::Known => {
                let peer = self.connections[id.index()].peer();
                self.service.closed(id, peer, &mut self.out);
            }
        }
    }

    /// The service knows nothing of this connection any more.
    pub(super) fn dismiss_from_service(&mut self, id: ClientId) {
        let standing = self.connections[id.index()].set_standing(Standing::Unknown);
        self.tell_service(id, standing);
    }

    // ---- Closing ----

    /// Whether all that was to be sent has reached the socket.
    pub(super) fn is_settled(&self, id: ClientId) -> bool {
        self.out.is_settled(id) && !self.connections[id.index()].stream.wants_write()
    }

    /// Goes on with a closing connection to which something has been written, or nothing has to be.
    pub(super) fn shut_if_settled(&mut self, id: ClientId) {
        if !self.connections[id.index()].is_closing() || !self.out.is_settled(id) {
            return;
        }
        if self.connections[id.index()].stream.wants_write() {
            self.timers.push(self.out.now().ms + self.settings.limits.drain_ms, id, Due::Flush);
        } else {
            self.shut(id);
        }
    }

    /// Ends a closing connection that has taken nothing for too long. While it reads, it gets all
    /// that is queued for it, and while nothing may be written to it, it is not to blame.
    pub(super) fn check_drain(&mut self, id: ClientId) {
        let now = self.out.now().ms;
        let give_up_at = self.out.last_taken(id) + self.settings.limits.drain_ms;
        if give_up_at <= now {
            self.end(id);
        } else if self.connections[id.index()].is_closing() {
            self.timers.push(give_up_at, id, Due::Drain);
        }
    }

    /// Ends a closing connection whose stream could pass on none of its last bytes for too long.
    pub(super) fn check_flush(&mut self, id: ClientId) {
        let connection = &mut self.connections[id.index()];
        if connection.is_stuck() {
            self.end(id);
        } else if connection.is_closing() {
            self.timers.push(self.out.now().ms + self.settings.limits.drain_ms, id, Due::Flush);
        }
    }

    // ---- Lingering ----

    /// All is said: shuts the writing half and waits for the peer to do the same, if it has not
    /// done so.
    fn shut(&mut self, id: ClientId) {
        let now = self.out.now().ms;
        let connection = &mut self.connections[id.index()];
        if connection.stream.shutdown_write().is_err() || connection.has_closed_too() {
            return self.end(id);
        }
        if connection.begin_lingering() {
            self.ready.push(id);
        }
        let until = connection.wire.begin_lingering(now, &self.wires.timeouts);
        self.timers.push(until, id, Due::Close);
    }

    /// Reads and drops the last input of a connection that we are done with.
    pub(super) fn discard(&mut self, id: ClientId) {
        match self.read_stream(id) {
            Ok(0) => self.end(id),
            Ok(count) => {
                let now = self.out.now().ms;
                self.connections[id.index()].wire.received(now);
                if self.has_more(id, count) {
                    self.read_again(id);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.end(id),
        }
    }

    /// Ends a connection that had time enough, unless its wire lets it linger longer.
    pub(super) fn end_lingering(&mut self, id: ClientId) {
        let connection = &self.connections[id.index()];
        let until = connection.wire.lingers_until(&self.wires.timeouts);
        match until.filter(|at| connection.is_lingering() && self.out.now().ms < *at) {
            Some(at) => self.timers.push(at, id, Due::Close),
            None => self.end(id),
        }
    }

    // ---- Breaking, and the end ----

    /// Nothing that is written reaches this connection any more; what it has sent is served.
    pub(super) fn break_off(&mut self, id: ClientId) {
        let connection = &mut self.connections[id.index()];
        if connection.note_broken() && connection.is_served() {
            self.out.discard_output(id);
            let at = self.out.now().ms + self.settings.limits.last_words_ms;
            self.timers.push(at, id, Due::LastWords);
        }
    }

    /// The connection is broken, and nothing of it is left to be served.
    pub(super) fn gone(&mut self, id: ClientId, error: &io::Error) {
        let connection = &mut self.connections[id.index()];
        debug!("{}: gone: {error}", connection.peer());
        if let Some(standing) = connection.begin_closing() {
            self.closing_later.remove(&id);
            self.metrics.closed.broken += 1;
            self.tell_service(id, standing);
            self.out.shut(id);
        }
        self.end(id);
        self.close_too_slow();
    }

    /// The connection is over; it leaves the slab when the turn ends. What is queued for it counts
    /// no longer.
    pub(super) fn end(&mut self, id: ClientId) {
        if self.connections[id.index()].end() {
            self.out.discard_output(id);
            self.silent.remove(id, self.connections[id.index()].peer().ip());
            self.rejected.remove(&id);
            self.gone.push(id);
        }
    }
}

/// What an operator can do something about is a warning.
fn log_close(peer: Peer, reason: CloseReason) {
    match reason {
        CloseReason::Foreign(foreign) if foreign.way_out().is_some() => warn!("{peer}: {reason}"),
        CloseReason::Header(_) => warn!("{peer}: {reason}"),
        CloseReason::TooSlow
        | CloseReason::OutOfMemory
        | CloseReason::TooLong(_)
        | CloseReason::Late
        | CloseReason::Plain
        | CloseReason::Foreign(_)
        | CloseReason::Broken(_)
        | CloseReason::Banned
        | CloseReason::Unsupported(_) => info!("{peer}: {reason}; closing"),
        CloseReason::Done
        | CloseReason::Answer(_)
        | CloseReason::Silent
        | CloseReason::NotStored
        | CloseReason::Superseded
        | CloseReason::Restarting
        | CloseReason::GoingAway => debug!("{peer}: {reason}; closing"),
    }
}
