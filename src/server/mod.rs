//! A turn's work over any byte stream and any service.
//!
//! Nothing here reads a clock, opens a socket or draws a random number. Streams, readiness and the
//! time come from the event loop, or from a simulation.
//!
//! In reading order: [`connection`] is one connection, [`open`] takes it from accept to a decided
//! wire, [`proxied`] finds out whose it is behind a proxy, [`protection`] puts TLS on it,
//! [`receive`] reads and serves it, [`request`] answers HTTP, [`monitoring`] tells monitors,
//! [`echo`] sends back from where it was read, [`deliver`] writes, [`line`] draws the line that
//! somebody types, [`close`] ends it, [`succession`] hands it to another process, [`stored`] has what follows from a change wait for the store,
//! [`memory`] says who has to go when all together hold too much, [`dismiss`] closes those whom the
//! service does not want.

pub mod admission;
pub mod challenges;
mod close;
mod connection;
mod deliver;
mod dismiss;
mod echo;
mod hooks;
mod inbox;
mod invariants;
mod line;
mod memory;
pub mod metrics;
pub mod monitoring;
mod open;
pub mod protection;
mod proxied;
pub mod proxies;
mod ready;
mod receive;
mod request;
mod sessions;
pub mod settings;
mod stored;
pub mod stream;
mod streams;
pub mod succession;
mod timers;

use std::net::SocketAddr;

use hashbrown::HashMap;
use slab::Slab;

use crate::clock::{Millis, Now, earlier};
use crate::delivery::encoding::Encoding;
use crate::delivery::metrics::DeliveryMetrics;
use crate::delivery::{Batch, Delivery, Wait};
use crate::ids::{ClientId, GroupId, Ticket};
use crate::server::admission::{Admission, RecentAddresses, Rejection, SilentClients};
use crate::server::challenges::Challenges;
use crate::server::connection::Connection;
use crate::server::memory::NextSearch;
use crate::server::metrics::{ServerMetrics, WireCounts};
use crate::server::monitoring::Collector;
use crate::server::protection::BeginTls;
use crate::server::ready::{Part, ReadyList, RequestBuckets};
use crate::server::settings::ServerSettings;
use crate::server::stream::Stream;
use crate::server::timers::{Due, Timers};
use crate::service::{Answer, Job, Service, Wake};
use crate::site::Site;
use crate::wire::close::CloseReason;
use crate::wire::detect::Payload;
use crate::wire::{self, Wire};

/// The connections, what is queued for them, and the service that they talk to.
///
/// Invariant: a connection is on the ready list exactly if it is marked so; one that is gone is on
/// the `closed` list, and leaves the slab at the end of the turn and never earlier: this turn's
/// events may still name its key.
#[derive(Debug)]
pub struct Server<S, A> {
    settings: ServerSettings,
    connections: Slab<Connection<S>>,
    addresses: Admission,
    /// Where HTTP has come from: a silent connection from there may be one that a browser has
    /// opened ahead of need.
    browsers: RecentAddresses,
    /// Where people at terminals have connected from.
    terminals: RecentAddresses,
    silent: SilentClients,
    /// Clients of a proxy that may not come, until they have shown how they are to be told.
    rejected: HashMap<ClientId, Rejection>,
    service: A,
    out: Delivery,
    timers: Timers,
    ready: ReadyList,
    buckets: RequestBuckets,
    /// Streams to be flushed in this turn.
    unflushed: Vec<ClientId>,
    /// Terminals whose line is to be drawn in this turn, if nothing else is written to them.
    undrawn: Vec<ClientId>,
    gone: Vec<ClientId>,
    /// Those that have said their last and are closed once the service has done it, with the
    /// reasons.
    closing_later: HashMap<ClientId, CloseReason>,
    /// One buffer for all: an idle connection has none.
    read_buffer: Vec<u8>,
    wires: wire::Shared,
    /// `None`: TLS is not spoken here.
    tls: Option<Box<dyn BeginTls<S>>>,
    challenges: Option<Box<dyn Challenges>>,
    /// What is counted outside, for monitors.
    collector: Option<Box<dyn Collector>>,
    site: Site,
    metrics: ServerMetrics,
    wire_counts: WireCounts,
    serial: u32,
    draining: bool,
    /// Nothing is read: the state is about to be handed over.
    is_settling: bool,
    /// The newest group that the service has been told to keep.
    kept: GroupId,
    /// See [`Server::store_broken`].
    store_broken: Option<u64>,
    next_search: NextSearch,
    visit: Visit,
}

/// What has been done for the connection whose turn it is, and what may be.
#[derive(Clone, Copy, Debug, Default)]
struct Visit {
    part: Part,
    /// What was served of what it has sent, in bytes.
    served_bytes: usize,
    /// What delivery had done before.
    work_before: u64,
    /// Pings and the like, and requests.
    requests: usize,
    requests_max: usize,
    read_bytes_max: usize,
    /// Its last read has left nothing behind.
    has_read_all: bool,
}

impl Visit {
    /// What was served and encoded in it, in bytes.
    fn work(&self, out: &Delivery) -> u64 {
        self.served_bytes as u64 + (out.work() - self.work_before)
    }
}

/// What a request costs beside its bytes, in bytes.
const REQUEST_BYTES_EACH: u64 = 1024;

/// What the serving of anything costs beside its bytes, in bytes.
const SERVED_BYTES_EACH: usize = 16;

/// Reads that one connection's share of a turn may amount to, with what is encoded for it: a read
/// may hold a thousand frames that inflate to what one read brings, very many that are empty, or
/// requests for much.
const SERVED_READS_MAX: usize = 4;

impl<S: Stream, A: Service> Server<S, A> {
    /// A server without clients; `service` is made with the sending side it will speak through.
    pub fn new(settings: ServerSettings, service: impl FnOnce(&mut Delivery) -> A) -> Server<S, A> {
        let mut out = Delivery::new(settings.limits.delivery);
        let service = service(&mut out);
        let wires = wire::Shared::new(
            settings.protocols,
            Payload::of(service.greeting()),
            settings.limits.message_bytes_max,
            settings.limits.wire,
            out.account().clone(),
        );
        Server {
            connections: Slab::with_capacity(settings.limits.delivery.clients_expected),
            addresses: Admission::new(settings.addresses).exempting(settings.proxies.clone()),
            browsers: RecentAddresses::default(),
            terminals: RecentAddresses::default(),
            silent: SilentClients::default(),
            rejected: HashMap::new(),
            site: service.site().under(&settings.base_path),
            service,
            out,
            timers: Timers::default(),
            ready: ReadyList::default(),
            buckets: RequestBuckets::default(),
            unflushed: Vec::new(),
            undrawn: Vec::new(),
            gone: Vec::new(),
            closing_later: HashMap::new(),
            read_buffer: vec![0; settings.limits.read_bytes_max],
            wires,
            tls: None,
            challenges: None,
            collector: None,
            metrics: ServerMetrics::default(),
            wire_counts: WireCounts::default(),
            serial: 0,
            draining: false,
            is_settling: false,
            kept: GroupId::default(),
            store_broken: None,
            next_search: NextSearch::default(),
            visit: Visit::default(),
            settings,
        }
    }

    /// Connections.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// What has been done so far.
    pub fn metrics(&self) -> &ServerMetrics {
        &self.metrics
    }

    /// What the sending side has done so far.
    pub fn delivery_metrics(&self) -> &DeliveryMetrics {
        self.out.metrics()
    }

    /// The key that the next client will have, under which its readiness is to be reported.
    pub fn next_key(&self) -> usize {
        self.connections.vacant_key()
    }

    /// The stream of the client with this key, if it is here.
    pub fn stream(&mut self, key: usize) -> Option<&mut S> {
        self.connections.get_mut(key).map(|connection| &mut connection.stream)
    }

    /// The same, to be looked at.
    pub fn stream_of(&self, key: usize) -> Option<&S> {
        self.connections.get(key).map(|connection| &connection.stream)
    }

    /// Asks whether one more client may come from this peer's address. To be asked once, before
    /// [`Server::accept`].
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&mut self, peer: SocketAddr, now: Now) -> Result<(), Rejection> {
        if !self.is_wanted(peer.ip(), now) {
            return Err(Rejection::Banned);
        }
        self.addresses.admit(peer.ip(), now.ms)
    }

    /// Takes in a client; the readiness of its stream is reported from now on. Returns its key.
    pub fn accept(&mut self, stream: S, peer: SocketAddr, now: Now) -> usize {
        self.begin_turn(now);
        self.serial = self.serial.wrapping_add(1).max(1);
        let entry = self.connections.vacant_entry();
        let id = ClientId::new(entry.key(), self.serial);
        let wire = Wire::new(self.service.line_mode(), now.ms);
        self.wire_counts.add(&wire);
        entry.insert(Connection::new(stream, self.serial, peer.into(), wire));
        self.addresses.connected(peer.ip());
        self.out.add(id, Encoding::default());
        if !self.establish(id) {
            self.timers.push(now.ms + self.settings.limits.establish_ms, id, Due::Establish);
        }
        id.index()
    }

    /// The stream with this key may have something to read, or its end.
    pub fn readable(&mut self, key: usize) {
        if let Some(connection) = self.connections.get_mut(key)
            && connection.make_ready()
        {
            self.ready.push(connection.id(key));
        }
    }

    /// The stream with this key has its end, or an error, behind what is left to read.
    pub fn input_ended(&mut self, key: usize) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.note_input_ended();
            // It may be waiting for its client to take its answers, and does no longer.
            if self.service.only_echoes() && connection.is_waiting() {
                self.out.wake(Wait::ClientClear(connection.id(key)));
            }
        }
        self.readable(key);
    }

    /// The stream with this key is broken in both directions, behind what is left to read. That is
    /// served all the same.
    pub fn broken(&mut self, key: usize) {
        if let Some(connection) = self.connections.get(key) {
            self.break_off(connection.id(key));
        }
        self.readable(key);
    }

    /// The stream with this key may take more.
    pub fn writable(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let id = connection.id(key);
        connection.note_writable();
        if connection.is_establishing() {
            self.readable(key);
        }
        self.flush_later(id);
        self.draw_later(id);
        self.out.writable(id);
    }

    /// Everything between two polls: receive, tick, keep, deliver, reap.
    pub fn turn(&mut self, now: Now) {
        self.receive(now, |_| false);
        self.deliver(true);
    }

    /// The first half of a turn: receive, tick, keep. Before them, what has become durable may
    /// leave. `is_over` is told after every connection that was served how much work that was, its
    /// stream's included, in bytes, and asked whether the time for it is over; those that are left come first in the next
    /// turn.
    pub fn receive(&mut self, now: Now, is_over: impl FnMut(u64) -> bool) {
        self.begin_turn(now);
        self.take_stored();
        self.out.set_service_bytes(self.service.held_bytes());
        self.read(is_over);
        self.tick();
        self.close_ended();
        self.keep();
    }

    /// The second half: deliver, reap. Without `batches`, what was published is kept, and goes out
    /// with what will be published in the next turn.
    pub fn deliver(&mut self, batches: bool) {
        if batches {
            self.out.freeze_batches();
            self.service.handed_out();
        }
        self.write_all();
        self.draw_all();
        self.flush_all();
        self.watch();
        self.keep_within_budget();
        self.reap();
        self.out.grant_memory();
        self.keep_rest();
    }

    /// What is held for all clients together, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.out.held_bytes()
    }

    /// What the channels have to hand out.
    pub fn batch(&self) -> Batch {
        self.out.batch()
    }

    /// Whether there are connections that are known to have more to read.
    pub fn is_reading(&self) -> bool {
        !self.ready.is_empty() && !self.is_settling
    }

    /// Whether there is work that does not wait for any readiness: the next poll must not block.
    pub fn is_busy(&self) -> bool {
        self.is_reading() || self.out.is_busy() || self.has_lost_changes()
    }

    /// When the next deadline passes.
    pub fn next_deadline(&self) -> Option<Millis> {
        let timers = earlier(self.timers.next(), self.out.next_grant());
        earlier(timers, self.service.next_deadline())
    }

    /// How the service begins a turn when what it keeps has become durable.
    pub fn set_wake(&mut self, wake: Wake) {
        self.service.set_wake(wake);
    }

    /// The slow work that the service wants to have done, since this was last asked.
    pub fn take_jobs(&mut self) -> Vec<Job> {
        self.service.take_jobs()
    }

    /// Slow work is done. Clients that wait for it go on in the next turn.
    pub fn completed(&mut self, ticket: Ticket, answer: Answer, now: Now) {
        self.begin_turn(now);
        self.service.completed(ticket, answer, &mut self.out);
        self.out.completed(ticket);
        self.close_ended();
        self.close_too_slow();
    }

    /// Gives up memory that the next burst can have anew; for a quiet moment.
    pub fn trim(&mut self) {
        self.ready.trim();
        self.buckets.trim(self.out.now().ms, &self.settings.limits.requests);
        self.timers.trim();
        self.out.trim();
        self.service.trim();
        self.closing_later.shrink_to_fit();
        self.addresses.trim(self.out.now().ms);
    }

    fn begin_turn(&mut self, now: Now) {
        self.out.begin_turn(now);
        self.timers.begin_turn(now.ms);
    }

    fn reap(&mut self) {
        for id in self.gone.drain(..) {
            self.out.remove(id);
            let connection = self.connections.remove(id.index());
            self.wire_counts.remove(&connection.wire);
            self.addresses.disconnected(connection.peer().ip());
        }
        let Server { timers, connections, .. } = self;
        timers.keep(|id| connections.get(id.index()).is_some_and(|here| here.is(id)));
    }

    fn connection(&mut self, id: ClientId) -> Option<&mut Connection<S>> {
        self.connections.get_mut(id.index()).filter(|connection| connection.is(id))
    }
}

#[cfg(test)]
mod tests;
