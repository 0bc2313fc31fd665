//! Who has to go when all clients together hold more than the budget.
//!
//! First those that take nothing of what is queued for them, then the others; of these and of
//! those, the ones that hold the most. What was queued for one whose kernel would take it counts
//! last: it may be on its way in a moment, and much of it may be shared.
//!
//! A search goes through all connections. It is paid for by what has come to be held since the last
//! one: an eighth of the budget, or a sixteenth if that one did not free enough.

use std::cmp::Reverse;

use super::Server;
use super::stream::Stream;
use crate::clock::Millis;
use crate::ids::ClientId;
use crate::service::Service;
use crate::wire::close::CloseReason;

/// After a search that did not free enough, the next one comes no earlier than this, unless what is
/// held grows by a sixteenth of the budget.
const SEARCH_EVERY_MS: Millis = 100;

/// One whose kernel takes nothing and that is let go is cut off at once, unless it holds no more
/// than this: the rest of a message, and why it has to go.
const LAST_BYTES_MAX: usize = 1024;

/// When to look again for clients to let go, after a search that did not free enough.
#[derive(Clone, Copy, Debug, Default)]
pub struct NextSearch {
    at: Millis,
    /// The least that has been held since the last one: what is freed is no room for others.
    least_bytes: usize,
}

impl<S: Stream, A: Service> Server<S, A> {
    /// Lets clients go if all together hold too much. To be called wherever they may have come to
    /// hold more: the first look costs next to nothing.
    pub(super) fn keep_within_budget(&mut self) {
        let held_bytes = self.out.held_bytes();
        let next = &mut self.next_search;
        next.least_bytes = next.least_bytes.min(held_bytes);
        let budget = self.settings.limits.delivery.memory_bytes_max;
        let has_grown = || held_bytes - next.least_bytes >= budget / 16;
        if held_bytes > budget && (self.out.now().ms >= next.at || has_grown()) {
            self.free_memory();
        }
    }

    #[cold]
    fn free_memory(&mut self) {
        self.metrics.memory_searches += 1;
        // What it holds for its own convenience goes before any client does.
        self.service.trim();
        if !self.out.is_over_budget() {
            return;
        }
        let all = self.connections.iter().map(|(key, connection)| connection.id(key));
        let mut holders: Vec<_> =
            all.filter(|id| self.held_by(*id) > 0).map(|id| (self.rank(id), id)).collect();
        holders.sort_unstable();
        for ((takes, ..), id) in holders {
            if self.out.is_within_budget() {
                return;
            }
            self.let_go(id, takes);
        }
        self.next_search = NextSearch {
            at: self.out.now().ms + SEARCH_EVERY_MS,
            least_bytes: self.out.held_bytes(),
        };
    }

    /// The lower, the earlier a connection has to go; first of all, whether it takes anything.
    fn rank(&self, id: ClientId) -> (bool, Reverse<usize>, Reverse<usize>) {
        let fresh = if self.out.is_blocked(id) { 0 } else { self.out.client_held_bytes(id) };
        (!self.out.is_stuck(id), Reverse(self.held_by(id) - fresh), Reverse(fresh))
    }

    /// What a connection holds, in bytes.
    pub(super) fn held_by(&self, id: ClientId) -> usize {
        let connection = &self.connections[id.index()];
        self.out.client_held_bytes(id)
            + connection.inbox.held_bytes()
            + connection.stream.held_bytes()
            + connection.wire.held_bytes()
            + self.service.held_bytes_of(id)
    }

    fn let_go(&mut self, id: ClientId, takes: bool) {
        let reason = if takes { CloseReason::OutOfMemory } else { CloseReason::TooSlow };
        let was_closing = !self.connections[id.index()].is_served();
        self.close(id, reason);
        self.out.set_service_bytes(self.service.held_bytes());
        // What it does not take would stay here until nobody waits for it any longer.
        let is_large = self.out.client_held_bytes(id) > LAST_BYTES_MAX;
        if was_closing || is_large && self.out.is_blocked(id) {
            self.end(id);
        }
    }
}
