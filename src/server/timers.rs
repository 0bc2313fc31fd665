//! Deadlines of clients, in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Server;
use super::stream::Stream;
use crate::clock::{Millis, earlier};
use crate::delivery::Checked;
use crate::ids::ClientId;
use crate::service::Service;
use crate::wire::Timer;
use crate::wire::close::CloseReason;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// A client that was over the high-water mark is to be checked.
    Pressure,
    /// A client that took nothing of what is queued for it should have taken something by now.
    Blocked,
    /// A client that had to wait for a moment may go on.
    Resume,
    /// A closing connection should have taken something of what is queued for it.
    Drain,
    /// A closing connection's stream should have passed on its last bytes.
    Flush,
    /// A client whose connection broke had time enough for what it had said by then.
    LastWords,
    /// A connection that is closing had time enough.
    Close,
    /// A connection's stream should be able to carry bytes by now.
    Establish,
    /// The header of a proxy should have come by now, if one comes.
    Header,
    /// A timeout of its wire.
    Wire(Timer),
}

/// A heap of deadlines. One that has lost its meaning is not searched for: it fires, and is
/// handled by what the connection is by then.
///
/// A connection that comes and goes in one turn, as for a request of HTTP, leaves none behind: its
/// deadlines do not reach the heap, where they would wait for seconds beside tens of thousands.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Millis, ClientId, Due)>>,
    /// Those of this turn that have not passed.
    new: Vec<(Millis, ClientId, Due)>,
    /// The time of this turn.
    now: Millis,
}

impl Timers {
    /// Starts a turn. Deadlines that were set between turns may have passed by now.
    pub fn begin_turn(&mut self, now: Millis) {
        if now > self.now {
            self.heap.extend(self.new.drain(..).map(Reverse));
        }
        self.now = now;
    }

    /// Sets a deadline. One that has passed already is handled in the same turn.
    pub fn push(&mut self, at: Millis, client: ClientId, due: Due) {
        match at <= self.now {
            true => self.heap.push(Reverse((at, client, due))),
            false => self.new.push((at, client, due)),
        }
    }

    /// The turn is over: keeps its deadlines of those that are still here.
    pub fn keep(&mut self, is_here: impl Fn(ClientId) -> bool) {
        let new = self.new.drain(..).filter(|(_, client, _)| is_here(*client));
        self.heap.extend(new.map(Reverse));
    }

    /// Gives up memory that the next burst can have anew.
    pub fn trim(&mut self) {
        self.heap.shrink_to_fit();
        self.new.shrink_to_fit();
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Millis> {
        let new = self.new.iter().map(|(at, ..)| *at).min();
        earlier(self.heap.peek().map(|Reverse((at, ..))| *at), new)
    }

    /// Takes out one deadline that has passed.
    pub fn pop_due(&mut self) -> Option<(ClientId, Due)> {
        if self.heap.peek()?.0.0 > self.now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, client, due))| (client, due))
    }
}

impl<S: Stream, A: Service> Server<S, A> {
    /// Handles deadlines that have passed, as many as one turn may.
    pub(super) fn tick(&mut self) {
        let now = self.out.now().ms;
        let mut left = self.settings.limits.deadlines_max;
        while left > 0
            && let Some((id, due)) = self.timers.pop_due()
        {
            if self.connection(id).is_some() {
                self.handle(id, due);
                left -= 1;
            }
        }
        if self.service.next_deadline().is_some_and(|at| at <= now) {
            self.service.tick(&mut self.out);
        }
        self.close_too_slow();
    }

    fn handle(&mut self, id: ClientId, due: Due) {
        match due {
            Due::Pressure => {
                if let Checked::Again(at) = self.out.check(id) {
                    self.timers.push(at, id, Due::Pressure);
                }
            }
            Due::Blocked => {
                if let Checked::Again(at) = self.out.check_blocked(id) {
                    self.timers.push(at, id, Due::Blocked);
                }
            }
            Due::Resume => {
                if self.connections[id.index()].time_has_come() {
                    self.ready.push(id);
                }
            }
            Due::Drain => self.check_drain(id),
            Due::Flush => self.check_flush(id),
            Due::LastWords => self.close(id, CloseReason::Done),
            Due::Close => self.end_lingering(id),
            Due::Establish => self.check_established(id),
            Due::Header => self.header_is_late(id),
            Due::Wire(timer) => self.wire_timeout(id, timer),
        }
    }
}
