//! The server goes on in another process, with its connections.
//!
//! In the process that has it: [`Server::settle`], turns until it [`Server::is_quiet`], then
//! [`Server::snapshot`], [`Server::release`], and [`Server::snapshot_of`] each connection. If the
//! other one fails, [`Server::resume`]; else [`Server::retire`]. In the other process:
//! [`Server::restore`], then [`Server::restore_connection`] for each connection, those last that are
//! not handed over.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::Server;
use super::connection::{Connection, RestoredConnection, Standing};
use super::stream::Stream;
use crate::clock::Now;
use crate::delivery::encoding::FrameKind;
use crate::delivery::snapshot::RecipientSnapshot;
use crate::ids::ClientId;
use crate::server::timers::Due;
use crate::service::Service;
use crate::service::succession::{Refused, Snapshot, Succession};
use crate::wire::Wire;
use crate::wire::close::CloseReason;
use crate::wire::snapshot::base64_bytes;

/// What cannot be handed over says so before anything else.
const CANNOT: &str = "this service cannot be handed over";
/// What clients have not read is copied for each of them, though all may be behind with the same,
/// and several times on the way.
pub(super) const UNSENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// One connection, written down for another process.
#[derive(Debug, Serialize, Deserialize)]
pub struct ConnectionSnapshot {
    serial: u32,
    peer: SocketAddr,
    standing: Standing,
    came_by_tls: bool,
    has_asked: bool,
    wire: Snapshot,
    /// What has come and is not decoded yet.
    #[serde(with = "base64_bytes")]
    input: Vec<u8>,
    /// A message that its service could not take yet.
    waiting: Option<WaitingMessage>,
    recipient: RecipientSnapshot,
    service: Option<Snapshot>,
}

#[derive(Debug, Serialize, Deserialize)]
struct WaitingMessage {
    kind: FrameKind,
    #[serde(with = "base64_bytes")]
    bytes: Vec<u8>,
}

/// A server that is about to go on elsewhere, but for its connections.
#[derive(Debug)]
pub struct ServerSnapshot {
    /// The number of the connection that came last.
    pub serial: u32,
    pub service: Snapshot,
}

/// What becomes of a connection.
#[derive(Debug)]
pub enum Leaving {
    /// It is handed over.
    Goes(ConnectionSnapshot),
    /// It cannot be, and is known to the service: to it it breaks.
    Stays(ConnectionSnapshot),
}

impl<S: Stream, A: Service> Server<S, A> {
    fn succession(&mut self) -> Result<&mut dyn Succession, Refused> {
        self.service.succession().ok_or_else(|| CANNOT.into())
    }

    /// Whether it can be handed over, as far as that can be told before anything is stopped.
    ///
    /// # Errors
    /// Why not.
    pub fn check_succession(&mut self) -> Result<(), Refused> {
        if self.draining {
            return Err("the server is stopping".into());
        }
        let ids = self.connections.iter().map(|(key, connection)| connection.id(key));
        let unsent: usize = ids.map(|id| self.out.unsent_bytes(id)).sum();
        if unsent > UNSENT_BYTES_MAX {
            let mib = unsent >> 20;
            return Err(format!("{mib} MiB wait for clients that read slowly: try again").into());
        }
        self.succession()?.check()
    }

    /// Stops reading, and has all done at once that waits. To be called right after a turn; the
    /// next turns do the rest.
    pub fn settle(&mut self) {
        self.is_settling = true;
        if let Some(succession) = self.service.succession() {
            succession.settle(&mut self.out);
        }
        for (id, reason) in std::mem::take(&mut self.closing_later) {
            self.close_when_said(id, reason);
        }
        self.keep_rest();
    }

    /// Nothing is read: only those go on that were waiting for what has come, with the message that
    /// they have sent already.
    pub(super) fn serve_waiting(&mut self) {
        let mut woken = Vec::new();
        self.out.take_woken(&mut woken);
        for id in woken {
            if !self.connection(id).is_some_and(Connection::resume) {
                continue;
            }
            let connection = &mut self.connections[id.index()];
            connection.begin_turn();
            if let Some((kind, bytes)) = connection.inbox.take_message() {
                self.offer(id, kind, &bytes);
            }
            // It is read from in its turn, here or elsewhere.
            self.read_again(id);
        }
        self.serve_clear();
    }

    /// Whether all is done that was under way, and durable, and handed out.
    pub fn is_quiet(&mut self) -> bool {
        let Server { service, out, .. } = self;
        let is_settled = service.succession().is_some_and(|it| it.is_settled(out));
        self.keep_rest();
        is_settled && self.out.is_at_rest()
    }

    /// Closes what the service keeps, for the other process to open.
    ///
    /// # Errors
    /// Why that cannot be done.
    pub fn release(&mut self) -> Result<(), Refused> {
        self.succession()?.release()
    }

    /// Opens it again.
    ///
    /// # Errors
    /// Why that cannot be done; the service says by itself that it is broken.
    pub fn take_back(&mut self) -> Result<(), Refused> {
        self.succession()?.take_back()
    }

    /// Reads again: the state was not handed over.
    pub fn resume(&mut self) {
        self.is_settling = false;
    }

    /// What another process has to know beside the connections. Nothing is changed by it.
    ///
    /// # Errors
    /// It cannot be handed over.
    pub fn snapshot(&mut self) -> Result<ServerSnapshot, Refused> {
        let service = self.succession()?.snapshot();
        Ok(ServerSnapshot { serial: self.serial, service })
    }

    /// The connections, by their keys.
    pub fn keys(&self) -> Vec<usize> {
        self.connections.iter().map(|(key, _)| key).collect()
    }

    /// What another process has to know of a connection, if anything. Nothing is changed by it.
    pub fn snapshot_of(&mut self, key: usize) -> Option<Leaving> {
        let id = self.connections.get(key)?.id(key);
        let snapshot = self.connection_snapshot(id)?;
        let stream = &self.connections[key].stream;
        let is_plain = !stream.is_protected() && !stream.wants_write();
        if is_plain && !self.rejected.contains_key(&id) && !self.closing_later.contains_key(&id) {
            return Some(Leaving::Goes(snapshot));
        }
        snapshot.service.is_some().then_some(Leaving::Stays(snapshot))
    }

    fn connection_snapshot(&mut self, id: ClientId) -> Option<ConnectionSnapshot> {
        let Server { connections, service, out, .. } = self;
        let connection = &connections[id.index()];
        let known = connection.known()?;
        let service = service.succession().and_then(|it| it.snapshot_of(id, out));
        let waiting = connection.inbox.waiting();
        Some(ConnectionSnapshot {
            serial: id.serial,
            peer: known.peer.into(),
            standing: known.standing,
            came_by_tls: known.came_by_tls,
            has_asked: known.has_asked,
            wire: to_raw_value(&connection.wire).expect("its maps have texts as keys"),
            input: connection.inbox.as_slice().to_vec(),
            waiting: waiting.map(|(kind, bytes)| WaitingMessage { kind, bytes: bytes.to_vec() }),
            recipient: out.snapshot(id),
            service,
        })
    }

    /// The server goes on elsewhere with these connections: they are forgotten here. The others are
    /// told that it restarts, and are closed; nothing else is served.
    pub fn retire(&mut self, handed_over: &[usize]) {
        if let Some(succession) = self.service.succession() {
            succession.retire(&mut self.out);
        }
        for &key in handed_over {
            let Some(connection) = self.connections.get_mut(key) else { continue };
            let id = connection.id(key);
            connection.begin_closing();
            self.out.shut(id);
            self.end(id);
        }
        (self.draining, self.is_settling) = (true, false);
        self.out.set_draining(true);
        let all = self.connections.iter().map(|(key, connection)| connection.id(key));
        let all: Vec<ClientId> = all.collect();
        all.into_iter().for_each(|id| self.close(id, CloseReason::Restarting));
        self.reap();
    }

    // ---- In the other process ----

    /// Takes what its service has known elsewhere. No client is here yet; their numbers go on.
    ///
    /// # Errors
    /// It makes no sense here.
    pub fn restore(&mut self, serial: u32, service: &RawValue, now: Now) -> Result<(), Refused> {
        self.begin_turn(now);
        self.serial = serial;
        let succession = self.service.succession().ok_or(CANNOT)?;
        succession.restore(service, &mut self.out)
    }

    /// Takes in a connection of another process, which goes on where it was. Without a stream it was
    /// left there, and to its service it breaks. Returns its key, under which its readiness is
    /// reported.
    ///
    /// # Errors
    /// It makes no sense here.
    pub fn restore_connection(
        &mut self,
        stream: Option<S>,
        snapshot: ConnectionSnapshot,
        now: Now,
    ) -> Result<usize, Refused> {
        self.begin_turn(now);
        let id = ClientId::new(self.connections.vacant_key(), snapshot.serial);
        self.out.add_restored(id, &snapshot.recipient);
        if let (Some(known), Some(succession)) = (&snapshot.service, self.service.succession()) {
            succession.restore_client(id, snapshot.peer.into(), known, &mut self.out)?;
        }
        match stream {
            Some(stream) => self.restore_open(id, stream, snapshot)?,
            None => {
                self.service.closed(id, snapshot.peer.into(), &mut self.out);
                self.out.shut(id);
                self.out.remove(id);
            }
        }
        Ok(id.index())
    }

    fn restore_open(
        &mut self,
        id: ClientId,
        stream: S,
        snapshot: ConnectionSnapshot,
    ) -> Result<(), Refused> {
        let ConnectionSnapshot { peer, standing, came_by_tls, has_asked, wire, .. } = snapshot;
        let mut wire: Wire = serde_json::from_str(wire.get()).map_err(told)?;
        let now = self.out.now().ms;
        wire.restored(self.out.account(), now);
        self.wire_counts.add(&wire);
        let (is_page, is_terminal) = (wire.is_page(), wire.is_terminal());
        let known = RestoredConnection { peer: peer.into(), standing, came_by_tls, has_asked };
        let mut connection = Connection::restored(stream, id.serial, wire, known);
        connection.inbox.push(&snapshot.input, self.out.account());
        if let Some(WaitingMessage { kind, bytes }) = &snapshot.waiting {
            connection.inbox.hold_message(*kind, bytes, self.out.account());
        }
        self.connections.insert(connection);
        self.addresses.connected(peer.ip());
        if is_page {
            self.browsers.note(peer.ip());
        } else if is_terminal && standing == Standing::Known {
            self.terminals.note(peer.ip());
        }
        if standing == Standing::Listening {
            self.service.listens(id, &mut self.out);
        }
        self.out.queue_restored(id, &snapshot.recipient);
        if self.connections[id.index()].wire.awaits_header() {
            let at = now + self.wires.timeouts.header_start_ms;
            self.timers.push(at, id, Due::Header);
        }
        self.set_wire_timeout(id);
        self.readable(id.index());
        self.draw_later(id);
        Ok(())
    }
}

fn told(error: serde_json::Error) -> Refused {
    error.to_string().into()
}
