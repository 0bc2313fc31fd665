//! How a client leaves: it is told why in the manner of its wire, sent what it is owed, and given
//! time to go.

use std::{io, mem};

use log::{debug, info, warn};

use super::connection::{Lifecycle, Reading};
use super::stream::Stream;
use super::{Got, Server};
use crate::ids::ClientId;
use crate::server::timers::Due;
use crate::service::Service;
use crate::wire::close::CloseReason;
use crate::wire::websocket::close_code;
use crate::wire::websocket::frame::encode_close;
use crate::wire::{Undecided, Wire};

/// A Close frame that says nothing (RFC 6455, 5.5.1).
const EMPTY_CLOSE: [u8; 2] = [0x88, 0];

impl<S: Stream, A: Service> Server<S, A> {
    /// Stops reading from everybody: what is queued is flushed, then clients are let go. The next
    /// turns do it. Connections that ask for our health are told that we are draining until
    /// [`Server::is_drained`]. To be called right after a turn, whose time it goes by.
    pub fn drain(&mut self) {
        self.draining = true;
        self.out.drain();
        let all = self.clients.iter().filter(|(_, client)| !matches!(client.wire, Wire::Http(_)));
        let all: Vec<ClientId> =
            all.map(|(key, client)| ClientId::new(key, client.serial)).collect();
        all.into_iter().for_each(|id| self.close(id, CloseReason::GoingAway));
    }

    /// Whether everybody has left but for those who may ask for our health, and they have read
    /// their answers.
    pub fn is_drained(&self) -> bool {
        self.clients.iter().all(|(key, client)| {
            let rests = matches!(client.wire, Wire::Http(_)) && client.lifecycle == Lifecycle::Open;
            rests && self.out.is_settled(ClientId::new(key, client.serial))
        })
    }

    /// Closes a client, and those that what it was about to hear has put too far behind.
    pub(super) fn close(&mut self, id: ClientId, reason: CloseReason) {
        self.begin_closing(id, reason);
        self.close_too_slow();
    }

    /// Closes everybody who is owed too much, or has not read for too long.
    pub(super) fn close_too_slow(&mut self) {
        loop {
            let too_slow = self.out.take_too_slow();
            if too_slow.is_empty() {
                return;
            }
            for id in too_slow {
                self.begin_closing(id, CloseReason::TooSlow);
            }
        }
    }

    fn begin_closing(&mut self, id: ClientId, reason: CloseReason) {
        let Some(client) = self.client(id) else { return };
        let peer_done = match client.lifecycle {
            Lifecycle::Open => false,
            Lifecycle::Ending => true,
            _ => return,
        };
        client.lifecycle = Lifecycle::Closing { peer_done };
        client.inbox.clear();
        client.pending = None;
        let peer = client.peer;
        self.dismiss_from_service(id);
        self.out.shut(id);
        self.out.release(id);
        match reason {
            CloseReason::TooSlow => {
                info!("{peer}: {reason}; closing");
                self.out.forget(id);
            }
            CloseReason::Foreign(foreign) if foreign.way_out().is_some() => {
                warn!("{peer}: {reason}")
            }
            CloseReason::TooLong(_)
            | CloseReason::Late
            | CloseReason::Foreign(_)
            | CloseReason::Broken(_)
            | CloseReason::Unsupported(_) => {
                info!("{peer}: {reason}; closing")
            }
            CloseReason::Done
            | CloseReason::Answer(_)
            | CloseReason::Silent
            | CloseReason::GoingAway => {
                debug!("{peer}: {reason}; closing");
            }
        }
        self.write_close(id, reason);
        let (patience, due) = match reason {
            CloseReason::TooSlow => (self.settings.limits.linger_ms, Due::Close),
            _ => (self.settings.limits.drain_ms, Due::Drain),
        };
        self.timers.push(self.out.now().ms + patience, id, due);
        if self.out.is_settled(id) {
            self.shut(id);
        }
    }

    pub(super) fn dismiss_from_service(&mut self, id: ClientId) {
        let client = &mut self.clients[id.index()];
        if mem::take(&mut client.listens) {
            self.service.has_listened(id, &mut self.out);
        }
        if mem::take(&mut client.opened) {
            self.service.closed(id, &mut self.out);
        }
    }

    /// Ends a closing client that has taken nothing for too long. While it reads, it gets all that
    /// it is owed.
    pub(super) fn drain_client(&mut self, id: ClientId) {
        let now = self.out.now().ms;
        let give_up_at = self.out.last_taken(id) + self.settings.limits.drain_ms;
        if give_up_at <= now {
            self.end(id);
        } else if matches!(self.clients[id.index()].lifecycle, Lifecycle::Closing { .. }) {
            self.timers.push(give_up_at, id, Due::Drain);
        }
    }

    /// The last word, in the manner of the client's wire.
    fn write_close(&mut self, id: ClientId, reason: CloseReason) {
        let mut word = Vec::new();
        let ending = self.service.line_mode().ending();
        let wire = &self.clients[id.index()].wire;
        let speaks_lines =
            matches!(wire, Wire::Line(_) | Wire::Undecided(Undecided { told: true, .. }));
        match (wire, reason) {
            (_, CloseReason::Foreign(foreign)) => word.extend_from_slice(foreign.answer()),
            (Wire::WebSocket(_), CloseReason::Answer(None)) => word.extend_from_slice(&EMPTY_CLOSE),
            (Wire::WebSocket(_), CloseReason::Answer(Some(code))) => {
                encode_close(&mut word, code, "")
            }
            (Wire::WebSocket(_), CloseReason::Done) => {
                encode_close(&mut word, close_code::NORMAL, "")
            }
            (Wire::WebSocket(_), CloseReason::Broken(error)) => {
                encode_close(&mut word, error.code, error.reason)
            }
            (Wire::WebSocket(_), CloseReason::Unsupported(why)) => {
                encode_close(&mut word, close_code::UNSUPPORTED, why)
            }
            (Wire::WebSocket(_), CloseReason::TooSlow) => {
                encode_close(&mut word, close_code::TRY_AGAIN_LATER, "too slow")
            }
            (Wire::WebSocket(_), CloseReason::Silent | CloseReason::GoingAway) => {
                encode_close(&mut word, close_code::GOING_AWAY, "")
            }
            (_, CloseReason::TooLong(_) | CloseReason::Late | CloseReason::TooSlow)
                if speaks_lines =>
            {
                word = format!("! {reason}{ending}").into_bytes()
            }
            (_, CloseReason::GoingAway) if speaks_lines && self.service.greeting().is_some() => {
                word = format!("* Goodbye: {reason}.{ending}").into_bytes();
            }
            _ => {}
        }
        if !word.is_empty() {
            self.out.append(id, &word);
        }
    }

    /// All is said: shuts the writing half and waits for the peer to do the same, if it has not
    /// done so.
    pub(super) fn shut(&mut self, id: ClientId) {
        let client = &mut self.clients[id.index()];
        if client.lifecycle == (Lifecycle::Closing { peer_done: true })
            || client.stream.shutdown_write().is_err()
        {
            return self.end(id);
        }
        client.lifecycle = Lifecycle::Lingering;
        // It is on the list already if its last read may have left something.
        if mem::replace(&mut client.reading, Reading::Ready) != Reading::Ready {
            self.ready.push(id);
        }
        let (now, limits) = (self.out.now().ms, self.settings.limits);
        if let Wire::Http(http) = &mut client.wire {
            (http.since, http.linger_until) = (now, now + limits.linger_sending_ms);
        }
        self.timers.push(now + limits.linger_ms, id, Due::Close);
    }

    /// Ends a client that had time enough. One that is still sending what goes with its request has
    /// more: a reset would take the answer away from it.
    pub(super) fn end_lingering(&mut self, id: ClientId) {
        let client = &self.clients[id.index()];
        if let (Wire::Http(http), Lifecycle::Lingering) = (&client.wire, client.lifecycle) {
            let at = http.linger_until.min(http.since + self.settings.limits.linger_ms);
            if self.out.now().ms < at {
                return self.timers.push(at, id, Due::Close);
            }
        }
        self.end(id);
    }

    /// Reads and drops the last input of a client that we are done with.
    pub(super) fn discard(&mut self, id: ClientId) {
        match self.read_stream(id) {
            Got::Bytes(count) => {
                self.begin_head(id);
                if self.has_more(id, count) {
                    self.read_again(id);
                }
            }
            Got::Nothing => {}
            Got::End | Got::Error(_) => self.end(id),
        }
    }

    /// The connection is broken.
    pub(super) fn gone(&mut self, id: ClientId, error: &io::Error) {
        let client = &mut self.clients[id.index()];
        debug!("{}: gone: {error}", client.peer);
        if matches!(client.lifecycle, Lifecycle::Open | Lifecycle::Ending) {
            client.lifecycle = Lifecycle::Closing { peer_done: true };
            self.dismiss_from_service(id);
            self.out.shut(id);
        }
        self.end(id);
        self.close_too_slow();
    }

    /// The connection is over; the client leaves the slab when the turn ends.
    pub(super) fn end(&mut self, id: ClientId) {
        let client = &mut self.clients[id.index()];
        if matches!(client.lifecycle, Lifecycle::Closing { .. } | Lifecycle::Lingering) {
            client.lifecycle = Lifecycle::Closed;
            self.closed.push(id);
        }
    }
}
