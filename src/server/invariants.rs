//! What holds between any two turns, for tests to assert.

use super::Server;
use super::connection::Connection;
use super::metrics::WireCounts;
use super::stream::Stream;
use crate::ids::ClientId;
use crate::service::Service;
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
        assert!(self.gone.is_empty(), "those that have gone are reaped with the turn");
        assert!(self.unflushed.is_empty(), "streams are flushed with the turn");
        self.assert_ready_list();
        let mut wires = WireCounts::default();
        self.connections.iter().for_each(|(_, connection)| wires.add(&connection.wire));
        assert_eq!(self.wire_counts, wires, "connections by what they speak");
        for (key, connection) in &self.connections {
            self.assert_connection(key, connection);
        }
        let ips = self.connections.iter().map(|(_, connection)| connection.peer().ip());
        self.addresses.assert_invariants(ips);
        let now = self.out.now().ms;
        self.out.assert_invariants(self.timers.next().is_none_or(|at| at > now));
        self.assert_account();
        self.assert_budget();
    }

    /// The account is what a walk through all connections finds.
    fn assert_account(&self) {
        let held = |connection: &Connection<S>| {
            connection.inbox.held_bytes()
                + connection.wire.held_bytes()
                + connection.stream.held_bytes()
        };
        let connections = self.connections.iter();
        let received = connections.map(|(_, connection)| held(connection)).sum();
        // Others may have been sent a page, which is part of the program and does not count.
        let terminals =
            self.connections.iter().filter(|(_, connection)| connection.wire.is_terminal());
        self.out.assert_account(received, terminals.map(|(key, connection)| connection.id(key)));
    }

    /// All together hold no more than the budget. If it cannot be had, nobody is served who holds
    /// much.
    fn assert_budget(&self) {
        let budget = self.settings.limits.delivery.memory_bytes_max;
        let served = self.connections.iter().filter(|(_, connection)| connection.is_served());
        let served: usize = served.map(|(key, connection)| self.held_by(connection.id(key))).sum();
        let held = self.out.held_bytes();
        assert!(held <= budget || served <= budget / 16, "{held} bytes held, {served} of them");
    }

    fn assert_ready_list(&self) {
        // Those that have gone stay on the list until their turn comes.
        self.ready.assert_invariants();
        let is_here = |id: &ClientId| {
            self.connections.get(id.index()).is_some_and(|connection| connection.is(*id))
        };
        let mut ready: Vec<usize> =
            self.ready.ready().filter(is_here).map(|id| id.index()).collect();
        ready.sort_unstable();
        let marked = self.connections.iter().filter(|(_, connection)| connection.is_ready());
        let marked: Vec<usize> = marked.map(|(key, _)| key).collect();
        assert_eq!(ready, marked, "the ready list and the connections marked ready");
    }

    fn assert_connection(&self, key: usize, connection: &Connection<S>) {
        assert!(!connection.is_gone(), "connection {key} should have been reaped");
        let limits = &self.settings.limits;
        let inbox_bytes_max =
            frame_bytes_max(limits.message_bytes_max).max(HEAD_BYTES_MAX) + limits.read_bytes_max;
        connection.inbox.assert_invariants();
        let inbox_bytes = connection.inbox.len();
        assert!(inbox_bytes <= inbox_bytes_max, "the inbox of {key}: {inbox_bytes} bytes");
        let keeps = inbox_bytes > 0 || connection.inbox.has_message();
        assert!(
            connection.is_served() || !keeps,
            "connection {key} is not served, and what it said is kept"
        );
        assert!(
            !connection.is_establishing() || self.out.is_settled(connection.id(key)),
            "connection {key} is not established, and something is to be sent to it"
        );
        let is_silent = connection.wire.is_undecided() || connection.wire.is_terminal();
        assert!(
            !connection.is_listening() || is_silent,
            "connection {key} listens, and its wire is no terminal's"
        );
        assert!(
            !connection.inbox.has_message() || !connection.is_idle() || connection.is_paced(),
            "the message of connection {key} is kept and will not be offered again"
        );
    }

    /// Asserts that nothing is kept of clients that have left.
    #[doc(hidden)]
    pub fn assert_at_rest(&self) {
        assert!(self.connections.is_empty() && self.ready.is_empty());
        assert!(self.silent.is_empty(), "nobody is silent who has gone");
        assert!(self.rejected.is_empty(), "nobody waits to be told who has gone");
        self.out.assert_at_rest();
    }
}
