//! What holds between any two turns, for tests to assert.

use super::Server;
use super::connection::{Lifecycle, Reading};
use super::stream::Stream;
use crate::ids::ClientId;
use crate::service::Service;
use crate::wire::Wire;
use crate::wire::http::HEAD_BYTES_MAX;
use crate::wire::websocket::message::frame_bytes_max;

impl<S: Stream, A: Service> Server<S, A> {
    #[doc(hidden)]
    pub fn service(&self) -> &A {
        &self.service
    }

    /// Asserts the invariants of the server and of its sending side, and that every queue is within
    /// its limit.
    #[doc(hidden)]
    pub fn assert_invariants(&self) {
        assert!(self.closed.is_empty(), "the closed are reaped with the turn");
        // Those who have gone stay on the list until their turn comes.
        let is_here = |id: &&ClientId| {
            self.clients.get(id.index()).is_some_and(|client| client.serial == id.serial)
        };
        let mut ready: Vec<usize> =
            self.ready.iter().filter(is_here).map(|id| id.index()).collect();
        ready.sort_unstable();
        let marked = self.clients.iter().filter(|(_, client)| client.reading == Reading::Ready);
        let marked: Vec<usize> = marked.map(|(key, _)| key).collect();
        assert_eq!(ready, marked, "the ready list and the clients marked ready");
        let limits = &self.settings.limits;
        let inbox_bytes_max =
            frame_bytes_max(limits.message_bytes_max).max(HEAD_BYTES_MAX) + limits.read_bytes_max;
        for (key, client) in &self.clients {
            assert_ne!(client.lifecycle, Lifecycle::Closed, "client {key}");
            assert!(
                client.inbox.len() <= inbox_bytes_max,
                "the inbox of client {key}: {} bytes",
                client.inbox.len()
            );
            let is_leaving =
                matches!(client.lifecycle, Lifecycle::Closing { .. } | Lifecycle::Lingering);
            let keeps = !client.inbox.is_empty() || client.pending.is_some();
            assert!(
                !is_leaving || !keeps,
                "client {key} is leaving, and what it said last is kept"
            );
            let is_undecided = matches!(client.wire, Wire::Undecided(_) | Wire::Line(_));
            assert!(
                !client.listens || is_undecided && !client.opened,
                "client {key} listens and has come in"
            );
            let is_offered_again = client.pending.is_none() || client.reading != Reading::Idle;
            assert!(
                is_offered_again,
                "the message of client {key} is kept and nobody will look at it"
            );
        }
        self.addresses.assert_invariants(self.clients.iter().map(|(_, client)| client.peer.ip()));
        self.out.assert_invariants();
    }

    /// Asserts that nothing is kept of clients that have left.
    #[doc(hidden)]
    pub fn assert_at_rest(&self) {
        assert!(self.clients.is_empty() && self.ready.is_empty());
        self.out.assert_at_rest();
    }
}
