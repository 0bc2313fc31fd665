//! What the server has done so far, counted.

use std::fmt;

use super::Server;
use super::admission::Rejection;
use super::stream::Stream;
use crate::metrics::Exposition;
use crate::service::Service;
use crate::wire::close::CloseReason;
use crate::wire::http::HttpError;
use crate::wire::{Wire, WireKind};

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
    /// Requests that have not become WebSockets although they asked for it, by why.
    pub refused_upgrades: RefusedUpgrades,
    /// Clients of proxies that were turned away, by why.
    pub rejected: Rejected,
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

/// Connections, or clients of proxies, that were turned away, by why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rejected {
    pub full: u64,
    pub out_of_descriptors: u64,
    pub address_full: u64,
    pub address_too_fast: u64,
    pub banned: u64,
}

impl Rejected {
    pub fn count(&mut self, rejection: Rejection) {
        *match rejection {
            Rejection::Full => &mut self.full,
            Rejection::OutOfDescriptors => &mut self.out_of_descriptors,
            Rejection::AddressFull => &mut self.address_full,
            Rejection::AddressTooFast => &mut self.address_too_fast,
            Rejection::Banned => &mut self.banned,
        } += 1;
    }

    pub fn total(&self) -> u64 {
        let Rejected { full, out_of_descriptors, address_full, address_too_fast, banned } = *self;
        full + out_of_descriptors + address_full + address_too_fast + banned
    }
}

/// Requests that have not become WebSockets, by why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RefusedUpgrades {
    /// A page of an origin that may not connect.
    pub origin: u64,
    /// A page under a name that a server of this machine alone does not go by.
    pub host: u64,
    /// The server was stopping.
    pub stopping: u64,
    /// The request was no good one.
    pub malformed: u64,
}

impl RefusedUpgrades {
    pub(super) fn count(&mut self, error: HttpError) {
        *match error {
            HttpError::UPGRADE_ORIGIN | HttpError::COOKIE_ORIGIN => &mut self.origin,
            HttpError::UPGRADE_HOST => &mut self.host,
            HttpError::STOPPING => &mut self.stopping,
            _ => &mut self.malformed,
        } += 1;
    }
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
            CloseReason::GoingAway | CloseReason::Restarting => &mut self.going_away,
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

/// Connections, by what they speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WireCounts([usize; WireKind::ALL.len()]);

impl WireCounts {
    pub fn add(&mut self, wire: &Wire) {
        self.0[wire.kind() as usize] += 1;
    }

    pub fn remove(&mut self, wire: &Wire) {
        self.0[wire.kind() as usize] -= 1;
    }

    /// A wire is no longer what it was.
    pub fn change(&mut self, was: WireKind, wire: &Wire) {
        self.0[was as usize] -= 1;
        self.add(wire);
    }
}

impl<S: Stream, A: Service> Server<S, A> {
    /// Writes what monitors are told of it and of what is below it. `rejected`: those that were
    /// turned away before they came here.
    pub(super) fn write_metrics(&self, rejected: Rejected, out: &mut Exposition) {
        let kinds = WireKind::ALL.map(|kind| (kind.name(), self.wire_counts.0[kind as usize]));
        out.gauges("chat_server_connections", "Connections, by what they speak.", "wire", kinds);
        self.write_refusals(rejected, out);
        let ServerMetrics { reads, read_bytes, messages, requests, upgrades, .. } = self.metrics;
        out.counter(
            "chat_server_received_messages_total",
            "Lines and WebSocket messages that came, each time they were looked at.",
            messages,
        );
        out.counter("chat_server_received_bytes_total", "Bytes that came.", read_bytes);
        out.counter("chat_server_reads_total", "Reads that brought something.", reads);
        out.counter("chat_server_http_requests_total", "HTTP requests.", requests);
        out.counter(
            "chat_server_websocket_upgrades_total",
            "Requests that became WebSockets.",
            upgrades,
        );
        self.out.write_metrics(out);
        out.gauge(
            "chat_server_client_memory_bytes",
            "Memory that is held for clients: what they sent, and what waits to be sent to them.",
            self.out.held_bytes(),
        );
        out.gauge(
            "chat_server_client_memory_max_bytes",
            "The most of that (--memory-mib).",
            self.settings.limits.delivery.memory_bytes_max,
        );
        self.service.write_metrics(out);
    }

    fn write_refusals(&self, rejected: Rejected, out: &mut Exposition) {
        let proxied = self.metrics.rejected;
        out.counters(
            "chat_server_rejected_connections_total",
            "Connections that were turned away before anything was read, by why.",
            "reason",
            [
                ("full", rejected.full + proxied.full),
                ("descriptors", rejected.out_of_descriptors + proxied.out_of_descriptors),
                ("address_full", rejected.address_full + proxied.address_full),
                ("address_too_fast", rejected.address_too_fast + proxied.address_too_fast),
                ("banned", rejected.banned + proxied.banned),
            ],
        );
        let RefusedUpgrades { origin, host, stopping, malformed } = self.metrics.refused_upgrades;
        out.counters(
            "chat_server_refused_upgrades_total",
            "Requests that did not become WebSockets although they asked for it, by why.",
            "reason",
            [("origin", origin), ("host", host), ("stopping", stopping), ("malformed", malformed)],
        );
        let ClosedMetrics { done, refused, too_slow, out_of_memory, .. } = self.metrics.closed;
        let ClosedMetrics { silent, going_away, not_stored, broken, .. } = self.metrics.closed;
        out.counters(
            "chat_server_closed_connections_total",
            "Connections that began to close, by why.",
            "reason",
            [
                ("done", done),
                ("refused", refused),
                ("too_slow", too_slow),
                ("out_of_memory", out_of_memory),
                ("silent", silent),
                ("stopping", going_away),
                ("not_stored", not_stored),
                ("broken", broken),
            ],
        );
    }
}
