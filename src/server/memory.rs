//! Who has to go when all clients together hold more than the budget.
//!
//! First those that take nothing of what is queued for them, then the others; of these and of
//! those, the ones that hold the most. A search goes through all connections. It is paid for by
//! what was held since the last one: an eighth of the budget, or it is put off for a while.

use std::cmp::Reverse;

use super::Server;
use super::stream::Stream;
use crate::clock::Millis;
use crate::ids::ClientId;
use crate::service::Service;
use crate::wire::close::CloseReason;

/// After a search that did not free enough, the next one comes no earlier than this.
const SEARCH_EVERY_MS: Millis = 100;

/// One that takes nothing and is let go is cut off at once, unless it holds no more than this: the
/// rest of a message, and why it has to go.
const LAST_BYTES_MAX: usize = 1024;

impl<S: Stream, A: Service> Server<S, A> {
    /// Lets clients go if all together hold too much. To be called wherever they may have come to
    /// hold more: the first look costs next to nothing.
    pub(super) fn keep_within_budget(&mut self) {
        if self.out.is_over_budget() && self.out.now().ms >= self.search_from {
            self.free_memory();
        }
    }

    #[cold]
    fn free_memory(&mut self) {
        let all = self.connections.iter().map(|(key, connection)| connection.id(key));
        let holders = all.map(|id| (!self.out.is_blocked(id), Reverse(self.held_by(id)), id));
        let mut holders: Vec<_> = holders.filter(|(_, Reverse(held), _)| *held > 0).collect();
        holders.sort_unstable();
        for (takes, _, id) in holders {
            if self.out.is_within_budget() {
                return;
            }
            self.let_go(id, takes);
        }
        self.search_from = self.out.now().ms + SEARCH_EVERY_MS;
    }

    /// What would be free if a connection were gone, in bytes.
    pub(super) fn held_by(&self, id: ClientId) -> usize {
        let connection = &self.connections[id.index()];
        self.out.client_held_bytes(id)
            + connection.inbox.held_bytes()
            + connection.wire.held_bytes()
            + self.service.held_bytes_of(id)
    }

    fn let_go(&mut self, id: ClientId, takes: bool) {
        let reason = if takes { CloseReason::OutOfMemory } else { CloseReason::TooSlow };
        let was_closing = !self.connections[id.index()].is_served();
        self.close(id, reason);
        // What it does not take would stay here until nobody waits for it any longer.
        let is_stuck = !takes && self.out.client_held_bytes(id) > LAST_BYTES_MAX;
        if was_closing || is_stuck {
            self.out.discard_output(id);
            self.end(id);
        }
    }
}
