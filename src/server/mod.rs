//! A turn's work over any byte stream and any service.
//!
//! Nothing here reads a clock, opens a socket or draws a random number. Whoever drives the server
//! (the event loop, or a simulation) brings streams, readiness and the time.

pub mod admission;
mod close;
mod connection;
mod inbox;
mod invariants;
mod receive;
pub mod settings;
pub mod stream;
mod timers;

use std::io::{self, IoSlice};
use std::mem;
use std::net::SocketAddr;

use slab::Slab;

use crate::clock::{Millis, Now};
use crate::delivery::encoding::{Encoding, FrameKind};
use crate::delivery::outbox::SLICES_MAX;
use crate::delivery::{Batch, Checked, Delivery, Wait};
use crate::ids::{ClientId, Ticket};
use crate::server::admission::{Admission, RecentAddresses, Rejection};
use crate::server::connection::{Client, Input, Lifecycle, Reading};
use crate::server::inbox::Inbox;
use crate::server::settings::Settings;
use crate::server::stream::Stream;
use crate::server::timers::{Due, Timers};
use crate::service::{Answer, Incoming, Job, Outcome, Service};
use crate::site::Site;
use crate::wire::close::CloseReason;
use crate::wire::detect::has_words;
use crate::wire::websocket::message::Scratch;
use crate::wire::{Undecided, Wire};

/// The clients, what they are owed, and the service that they talk to.
///
/// Invariant: a client is on the ready list exactly if its `reading` is `Ready`; a client whose
/// lifecycle is `Closed` is on the `closed` list, and leaves the slab at the end of the turn and
/// never earlier: this turn's events may still name its key.
#[derive(Debug)]
pub struct Server<S, A> {
    settings: Settings,
    clients: Slab<Client<S>>,
    addresses: Admission,
    /// Where HTTP has come from: a silent connection from there may be one that a browser has
    /// opened ahead of need.
    browsers: RecentAddresses,
    /// Where people at terminals have come in from.
    terminals: RecentAddresses,
    service: A,
    out: Delivery,
    timers: Timers,
    ready: Vec<ClientId>,
    closed: Vec<ClientId>,
    /// One buffer for all: an idle client has none.
    read_buffer: Vec<u8>,
    /// Where WebSocket messages are put together, likewise.
    scratch: Scratch,
    site: Site,
    serial: u32,
    draining: bool,
    /// What has been served of the client whose turn it is, in bytes.
    served_bytes: usize,
}

/// What the serving of anything costs beside its bytes, in bytes.
const SERVED_BYTES_EACH: usize = 16;

/// Reads that one client's share of a turn may amount to: a read may hold a thousand frames that
/// inflate to what one read brings, or very many that are empty.
const SERVED_READS_MAX: usize = 4;

/// A message that was not taken, until when.
struct Kept {
    until: Wait,
    message: Box<(FrameKind, Vec<u8>)>,
}

/// What follows once a message has been offered.
enum Next {
    GoOn,
    Wait(Kept),
    Close(CloseReason),
}

impl Next {
    fn of(outcome: Outcome, message: Incoming) -> Next {
        match outcome {
            Outcome::Done => Next::GoOn,
            Outcome::Blocked(until) => {
                let message = Box::new((message.kind, message.bytes.to_vec()));
                Next::Wait(Kept { until, message })
            }
            Outcome::Close(reason) => Next::Close(reason),
        }
    }
}

/// What a read brought.
enum Got {
    Bytes(usize),
    End,
    Nothing,
    Error(io::Error),
}

impl<S: Stream, A: Service> Server<S, A> {
    /// A server without clients; `service` is made with the sending side it will speak through.
    pub fn new(settings: Settings, service: impl FnOnce(&mut Delivery) -> A) -> Server<S, A> {
        let mut out = Delivery::new(settings.limits.delivery);
        let service = service(&mut out);
        Server {
            clients: Slab::with_capacity(settings.limits.delivery.clients_expected),
            addresses: Admission::new(settings.addresses),
            browsers: RecentAddresses::default(),
            terminals: RecentAddresses::default(),
            site: service.site(),
            service,
            out,
            timers: Timers::default(),
            ready: Vec::new(),
            closed: Vec::new(),
            read_buffer: vec![0; settings.limits.read_bytes_max],
            scratch: Scratch::new(settings.limits.message_bytes_max),
            serial: 0,
            draining: false,
            served_bytes: 0,
            settings,
        }
    }

    /// Connected clients.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// The key that the next client will have, under which its readiness is to be reported.
    pub fn next_key(&self) -> usize {
        self.clients.vacant_key()
    }

    /// Asks whether one more client may come from this peer's address. To be asked once, before
    /// [`Server::accept`].
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&mut self, peer: SocketAddr, now: Now) -> Result<(), Rejection> {
        self.addresses.admit(peer.ip(), now.ms)
    }

    /// Takes in a client; the readiness of its stream is reported from now on. Returns its key.
    pub fn accept(&mut self, stream: S, peer: SocketAddr, now: Now) -> usize {
        self.out.begin_turn(now);
        self.serial = self.serial.wrapping_add(1).max(1);
        let entry = self.clients.vacant_entry();
        let id = ClientId::new(entry.key(), self.serial);
        entry.insert(Client {
            stream,
            serial: self.serial,
            peer: peer.into(),
            lifecycle: Lifecycle::Open,
            reading: Reading::Idle,
            input: Input::Open,
            opened: false,
            listens: false,
            wire: Wire::Undecided(Undecided { since: now.ms, told: false }),
            inbox: Inbox::default(),
            pending: None,
        });
        self.addresses.connected(peer.ip());
        self.out.add(id, Encoding::default());
        self.meet(id);
        id.index()
    }

    /// The stream with this key may have something to read, or its end.
    pub fn readable(&mut self, key: usize) {
        if let Some(client) = self.clients.get_mut(key)
            && client.reading == Reading::Idle
        {
            client.reading = Reading::Ready;
            self.ready.push(ClientId::new(key, client.serial));
        }
    }

    /// The stream with this key has its end, or an error, behind what is left to read.
    pub fn input_ended(&mut self, key: usize) {
        if let Some(client) = self.clients.get_mut(key) {
            client.input = Input::Ended;
        }
        self.readable(key);
    }

    /// The stream with this key is broken in both directions, behind what is left to read. That is
    /// served all the same.
    pub fn broken(&mut self, key: usize) {
        if let Some(client) = self.clients.get(key) {
            let id = ClientId::new(key, client.serial);
            self.break_off(id);
        }
        self.readable(key);
    }

    /// Nothing that is written reaches this client any more.
    fn break_off(&mut self, id: ClientId) {
        let client = &mut self.clients[id.index()];
        let is_new = matches!(client.input, Input::Open | Input::Ended);
        client.input = match client.input {
            Input::Ended | Input::Left => Input::Left,
            Input::Open | Input::Broken => Input::Broken,
        };
        if is_new && matches!(client.lifecycle, Lifecycle::Open | Lifecycle::Ending) {
            self.out.discard_output(id);
            self.timers.push(
                self.out.now().ms + self.settings.limits.last_words_ms,
                id,
                Due::LastWords,
            );
        }
    }

    /// The stream with this key may take more.
    pub fn writable(&mut self, key: usize) {
        if let Some(client) = self.clients.get(key) {
            self.out.writable(ClientId::new(key, client.serial));
        }
    }

    /// Everything between two polls: read, tick, flush, reap.
    pub fn turn(&mut self, now: Now) {
        self.receive(now);
        self.deliver(true);
    }

    /// The first half of a turn: read, tick.
    pub fn receive(&mut self, now: Now) {
        self.out.begin_turn(now);
        self.read();
        self.tick();
        self.service.keep(&mut self.out);
    }

    /// The second half: flush, reap. Without `rooms`, what was said in them is kept, and goes out
    /// with what will be said in the next turn.
    pub fn deliver(&mut self, rooms: bool) {
        if rooms {
            self.out.freeze_batches();
        }
        self.flush();
        self.watch();
        self.reap();
    }

    /// What the rooms have to hand out.
    pub fn batch(&self) -> Batch {
        self.out.batch()
    }

    /// Whether there are clients who are known to have more to read.
    pub fn is_reading(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether there is work that does not wait for any readiness: the next poll must not block.
    pub fn is_busy(&self) -> bool {
        !self.ready.is_empty() || self.out.is_busy()
    }

    /// When the next deadline passes.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.timers.next().into_iter().chain(self.service.next_deadline()).min()
    }

    /// The slow work that the service wants to have done, since this was last asked.
    pub fn take_jobs(&mut self) -> Vec<Job> {
        self.service.take_jobs()
    }

    /// Slow work is done. Those who wait for it go on in the next turn.
    pub fn completed(&mut self, ticket: Ticket, answer: Answer, now: Now) {
        self.out.begin_turn(now);
        self.service.completed(ticket, answer, &mut self.out);
        self.out.completed(ticket);
        self.close_too_slow();
    }

    /// Gives up memory that the next burst can have anew; for a quiet moment.
    pub fn trim(&mut self) {
        self.ready.shrink_to_fit();
        self.timers.trim();
        self.out.trim();
        self.addresses.trim(self.out.now().ms);
    }

    // ---- Read ----

    /// Gives every client on the ready list its read. Those whose wait is over go first: they have
    /// waited longest.
    fn read(&mut self) {
        let mut list = Vec::new();
        self.out.take_woken(&mut list);
        // One that was let go while it waited is on the ready list already, to have the rest of its
        // input dropped.
        list.retain(|id| match self.client(*id) {
            Some(client) if client.reading == Reading::Waiting => {
                client.reading = Reading::Ready;
                true
            }
            _ => false,
        });
        list.append(&mut self.ready);
        for id in list.drain(..) {
            self.read_client(id);
        }
        // Keeps the larger buffer for the next turn.
        list.append(&mut self.ready);
        self.ready = list;
    }

    fn read_client(&mut self, id: ClientId) {
        self.served_bytes = 0;
        let Some(client) = self.client(id) else { return };
        client.reading = Reading::Idle;
        match client.lifecycle {
            Lifecycle::Open => {}
            Lifecycle::Ending => return self.serve_rest(id),
            Lifecycle::Lingering => return self.discard(id),
            Lifecycle::Closing { .. } | Lifecycle::Closed => return,
        }
        if !self.serve_inbox(id) {
            return;
        }
        if let Some(until) = self.waits(id) {
            return self.park(id, until);
        }
        match self.read_stream(id) {
            Got::Bytes(count) => {
                self.heard(id);
                self.serve_read(id, count);
                if self.has_more(id, count) {
                    self.read_again(id);
                }
            }
            Got::End => {
                self.clients[id.index()].lifecycle = Lifecycle::Ending;
                self.serve_rest(id);
            }
            Got::Nothing => {}
            Got::Error(_) if self.clients[id.index()].input == Input::Left => {
                self.clients[id.index()].lifecycle = Lifecycle::Ending;
                self.serve_rest(id);
            }
            // What is left in the inbox is a part of a message.
            Got::Error(error) => self.gone(id, &error),
        }
    }

    /// What must come first before this client is read from or served. First bytes and requests
    /// wait for nobody else: who is not heard in time would be taken for a person at a terminal,
    /// and its request for what that person says.
    fn waits(&self, id: ClientId) -> Option<Wait> {
        match self.clients[id.index()].wire {
            _ if self.out.is_behind(id) => Some(Wait::ClientClear(id)),
            Wire::Undecided(_) | Wire::Http(_) => None,
            Wire::Line(_) | Wire::WebSocket(_) => self.service.waits(id, &self.out),
        }
    }

    fn read_stream(&mut self, id: ClientId) -> Got {
        loop {
            return match self.clients[id.index()].stream.read(&mut self.read_buffer) {
                Ok(0) => Got::End,
                Ok(count) => Got::Bytes(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Got::Nothing,
                Err(error) => Got::Error(error),
            };
        }
    }

    /// Whether there is more to read after a read that brought `count` bytes.
    fn has_more(&self, id: ClientId, count: usize) -> bool {
        count == self.read_buffer.len() || self.clients[id.index()].input != Input::Open
    }

    /// Puts a client on the ready list, unless it has to wait for something.
    fn read_again(&mut self, id: ClientId) {
        if let Some(client) = self.client(id)
            && client.reading == Reading::Idle
        {
            client.reading = Reading::Ready;
            self.ready.push(id);
        }
    }

    /// Serves what a read has brought, after what was there before.
    fn serve_read(&mut self, id: ClientId, count: usize) {
        let mut buffer = mem::take(&mut self.read_buffer);
        let arrived = self.arrive(id, &mut buffer[..count]);
        if self.clients[id.index()].inbox.is_empty()
            && !matches!(self.clients[id.index()].wire, Wire::Undecided(_))
        {
            let used = self.serve(id, &mut buffer[..arrived]);
            if used < arrived {
                self.begin_head(id);
                self.clients[id.index()].inbox.push(&buffer[used..arrived]);
            }
        } else {
            self.clients[id.index()].inbox.push(&buffer[..arrived]);
            self.decide(id);
            self.serve_inbox(id);
        }
        self.read_buffer = buffer;
    }

    /// Serves what could not be served before; `true` if the client is free to be read from now.
    fn serve_inbox(&mut self, id: ClientId) -> bool {
        let client = &mut self.clients[id.index()];
        if let Some(message) = client.pending.take() {
            self.offer(id, message.0, &message.1);
        }
        if self.is_free(id) && !self.clients[id.index()].inbox.is_empty() {
            if let Some(until) = self.waits(id) {
                self.park(id, until);
                return false;
            }
            let mut inbox = mem::take(&mut self.clients[id.index()].inbox);
            let used = self.serve(id, inbox.as_mut_slice());
            inbox.consume(used);
            self.clients[id.index()].inbox = inbox;
        }
        self.is_free(id) && self.clients[id.index()].reading == Reading::Idle
    }

    /// Whether enough has been served of the client whose turn it is: the others come first.
    fn has_had_its_share(&self) -> bool {
        self.served_bytes >= SERVED_READS_MAX * self.settings.limits.read_bytes_max
    }

    /// Serves what is left of a client whose input has ended: at last the line that has no ending.
    fn serve_rest(&mut self, id: ClientId) {
        let client = &self.clients[id.index()];
        // One that goes without a word has not come.
        if matches!(client.wire, Wire::Undecided(_)) && has_words(client.inbox.as_slice()) {
            self.become_line(id);
        }
        if !self.serve_inbox(id) {
            return;
        }
        let mut inbox = mem::take(&mut self.clients[id.index()].inbox);
        let client = &self.clients[id.index()];
        // What breaks off is not whole; what ends is.
        let is_whole = client.input != Input::Broken && matches!(client.wire, Wire::Line(_));
        let is_said = client.opened || has_words(inbox.as_slice());
        if is_whole && is_said && !inbox.is_empty() {
            self.offer_line(id, inbox.as_mut_slice());
        }
        if self.is_free(id) {
            self.close(id, CloseReason::Done);
        }
    }

    /// Offers the service one message, and keeps it if it is not taken yet.
    fn offer(&mut self, id: ClientId, kind: FrameKind, bytes: &[u8]) {
        self.served_bytes += bytes.len();
        let message = Incoming { kind, bytes };
        let outcome = self.service.message(id, message, &mut self.out);
        self.go_on(id, Next::of(outcome, message));
    }

    /// Goes on after a message has been offered.
    fn go_on(&mut self, id: ClientId, next: Next) {
        match next {
            Next::GoOn => self.close_too_slow(),
            Next::Wait(Kept { until, message }) => {
                self.clients[id.index()].pending = Some(message);
                self.park(id, until);
            }
            Next::Close(reason) => self.close(id, reason),
        }
    }

    fn park(&mut self, id: ClientId, until: Wait) {
        let client = &mut self.clients[id.index()];
        client.reading = Reading::Waiting;
        match until {
            Wait::Time(at) => self.timers.push(at, id, Due::Resume),
            Wait::ChannelClear(_) | Wait::ClientClear(_) | Wait::Ticket(_) => {
                self.out.wait(id, until)
            }
        }
    }

    /// Whether a client may be served: it is neither leaving nor waiting.
    fn is_free(&self, id: ClientId) -> bool {
        let client = &self.clients[id.index()];
        client.reading != Reading::Waiting
            && matches!(client.lifecycle, Lifecycle::Open | Lifecycle::Ending)
    }

    // ---- Tick ----

    fn tick(&mut self) {
        let now = self.out.now().ms;
        while let Some((id, due)) = self.timers.pop_due(now) {
            let Some(client) = self.client(id) else { continue };
            match due {
                Due::Resume if client.reading == Reading::Waiting => {
                    client.reading = Reading::Ready;
                    self.ready.push(id);
                }
                Due::Resume => {}
                Due::LastWords => self.close(id, CloseReason::Done),
                Due::Close => self.end_lingering(id),
                Due::Drain => self.drain_client(id),
                Due::Greet => self.greet(id),
                Due::Head => self.check_head(id),
                Due::Ping => self.check_idle(id),
                Due::Pressure => {
                    if let Checked::Again(at) = self.out.check(id) {
                        self.timers.push(at, id, Due::Pressure);
                    }
                }
            }
        }
        if self.service.next_deadline().is_some_and(|at| at <= now) {
            self.service.tick(&mut self.out);
        }
        self.close_too_slow();
    }

    /// Clients that went over the mark in this turn get a look soon.
    fn watch(&mut self) {
        let at = self.out.now().ms + self.settings.limits.delivery.stalled_ms / 4;
        for id in self.out.take_newly_over() {
            // There is too much to keep for one that has not shown yet what it speaks.
            if self.client(id).is_some_and(|client| matches!(client.wire, Wire::Undecided(_))) {
                self.out.release(id);
            }
            self.timers.push(at, id, Due::Pressure);
        }
        self.close_too_slow();
    }

    // ---- Flush ----

    /// Writes once to everybody who is owed something, within the turn's budget.
    fn flush(&mut self) {
        let (prompt, bulk) = self.out.to_write();
        let prompt = prompt.min(self.settings.limits.writes_max);
        let bulk = bulk.min(
            (self.settings.limits.writes_max - prompt).max(self.settings.limits.bulk_writes_min),
        );
        for _ in 0..prompt {
            if let Some(id) = self.out.next_prompt() {
                self.write(id);
            }
        }
        for _ in 0..bulk {
            if let Some(id) = self.out.next_bulk() {
                self.write(id);
            }
        }
    }

    /// One vectored write.
    fn write(&mut self, id: ClientId) {
        let Some(outbox) = self.out.outbox(id) else { return };
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let (count, bytes) = outbox.slices(&mut slices);
        let stream = &mut self.clients[id.index()].stream;
        let written = loop {
            let written = match &slices[..count] {
                [one] => stream.write(one),
                several => stream.write_vectored(several),
            };
            match written {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => break written,
            }
        };
        match written {
            Ok(0) => self.write_failed(id, &io::ErrorKind::WriteZero.into()),
            Ok(taken) => {
                if let Wire::Undecided(undecided) = &mut self.clients[id.index()].wire {
                    undecided.told = true;
                }
                self.out.wrote(id, taken, taken < bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.out.wrote(id, 0, true),
            Err(error) => self.write_failed(id, &error),
        }
        if matches!(self.clients[id.index()].lifecycle, Lifecycle::Closing { .. })
            && self.out.is_settled(id)
        {
            self.shut(id);
        }
    }

    /// Nobody hears this client any longer who is still to be heard itself: what it has said may
    /// wait in the kernel.
    fn write_failed(&mut self, id: ClientId, error: &io::Error) {
        let client = &self.clients[id.index()];
        match (client.lifecycle, &client.wire) {
            (
                Lifecycle::Open | Lifecycle::Ending,
                Wire::Undecided(_) | Wire::Line(_) | Wire::WebSocket(_),
            ) => {
                self.break_off(id);
                self.readable(id.index());
            }
            _ => self.gone(id, error),
        }
    }

    // ---- Reap ----

    fn reap(&mut self) {
        for id in self.closed.drain(..) {
            self.out.remove(id);
            let client = self.clients.remove(id.index());
            self.addresses.disconnected(client.peer.ip());
        }
    }

    fn client(&mut self, id: ClientId) -> Option<&mut Client<S>> {
        self.clients.get_mut(id.index()).filter(|client| client.serial == id.serial)
    }
}

#[cfg(test)]
mod tests;
