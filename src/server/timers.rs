//! Deadlines of clients, in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::clock::Millis;
use crate::ids::ClientId;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// A client that was over the high-water mark deserves a look.
    Pressure,
    /// A client that had to wait for a moment may go on.
    Resume,
    /// A client that is closing should have taken something of what it is owed.
    Drain,
    /// A client whose connection broke had time enough for what it had said by then.
    LastWords,
    /// A client that is closing had time enough.
    Close,
    /// Whoever has said nothing yet is a person at a terminal.
    Greet,
    /// A request head should have come by now.
    Head,
    /// A WebSocket client may have been silent for long.
    Ping,
}

/// A heap of deadlines. One that has lost its meaning is not searched for: it fires, and whoever
/// handles it looks at the client as it is by then.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Millis, ClientId, Due)>>,
}

impl Timers {
    pub fn push(&mut self, at: Millis, client: ClientId, due: Due) {
        self.heap.push(Reverse((at, client, due)));
    }

    /// Gives up memory that the next burst can have anew.
    pub fn trim(&mut self) {
        self.heap.shrink_to_fit();
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<Millis> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    /// Takes out one deadline that has passed.
    pub fn pop_due(&mut self, now: Millis) -> Option<(ClientId, Due)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, client, due))| (client, due))
    }
}
