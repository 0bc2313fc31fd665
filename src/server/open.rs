//! From an accepted connection to one that its service knows: its stream is established, its wire
//! decided, silence waited for.

use std::io;
use std::net::IpAddr;

use super::Server;
use super::connection::{Connection, Standing};
use super::stream::Stream;
use crate::ids::ClientId;
use crate::server::admission::is_local;
use crate::server::timers::Due;
use crate::service::{Hello, NO_QUERY, Service};
use crate::wire::close::CloseReason;
use crate::wire::detect::{Foreign, Payload};
use crate::wire::{Decision, Elapsed, Observed, Timer};

impl<S: Stream, A: Service> Server<S, A> {
    // ---- Establishing ----

    /// Goes on with establishing a connection. Returns whether it is established.
    pub(super) fn establish(&mut self, id: ClientId) -> bool {
        let connection = &mut self.connections[id.index()];
        let established = loop {
            match connection.stream.is_established() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                established => break established,
            }
        };
        match established {
            Ok(true) => {
                connection.establish(self.service.line_mode(), self.out.now().ms);
                self.await_header(id);
                self.begin(id);
                true
            }
            Ok(false) => {
                self.flush_later(id);
                false
            }
            Err(error) => {
                self.gone(id, &error);
                false
            }
        }
    }

    pub(super) fn check_established(&mut self, id: ClientId) {
        // One that waits for its read may be established by now.
        let connection = &self.connections[id.index()];
        if !connection.is_establishing() {
            return;
        }
        let until = connection.wire.since() + self.settings.limits.establish_ms;
        if self.out.now().ms < until {
            self.timers.push(until, id, Due::Establish);
        } else if !self.establish(id) {
            self.close(id, CloseReason::Silent);
        }
    }

    /// Begins with the wire that the listener is pinned to, or waits for what first bytes decide:
    /// they may be those of TLS.
    pub(super) fn begin(&mut self, id: ClientId) {
        if self.is_put_off(id) {
            return;
        }
        let is_text = self.wires.payload == Payload::Text;
        let pinned = self.wires.pinned();
        let may_open = self.is_taken_plain(id) && !self.rejected.contains_key(&id);
        if !is_text && pinned != Decision::Http && may_open {
            self.open(id, None);
        }
        if pinned != Decision::NeedMore && !self.may_begin_tls(id) {
            return self.decide(id, pinned);
        }
        if !is_text {
            self.out.withhold(id);
        }
        self.set_wire_timeout(id);
    }

    // ---- Deciding ----

    pub(super) fn decide(&mut self, id: ClientId, decision: Decision) {
        if decision != Decision::NeedMore {
            self.silent.remove(id, self.connections[id.index()].peer().ip());
        }
        if let Some(rejection) = self.rejected.get(&id)
            && decision != Decision::NeedMore
        {
            return self.answer_rejected(id, *rejection, decision);
        }
        match decision {
            Decision::NeedMore => self.await_rest_of_header(id),
            Decision::Header(header) => self.take_header(id, header),
            Decision::NoHeader => self.begin_behind_header(id),
            Decision::BadHeader(error) => self.refuse(id, CloseReason::Header(error)),
            Decision::Foreign(Foreign::Tls) => self.begin_tls(id),
            Decision::Lines if !self.is_taken_plain(id) => self.refuse(id, CloseReason::Plain),
            Decision::Lines => self.become_lines(id),
            Decision::Http => self.become_http(id),
            // What follows the request, cookies perhaps, is not for others to read.
            Decision::LateRequest => self.refuse(id, CloseReason::Late),
            Decision::Foreign(foreign) => self.refuse(id, CloseReason::Foreign(foreign)),
        }
    }

    /// Closes a connection for what it speaks.
    pub(super) fn refuse(&mut self, id: ClientId, reason: CloseReason) {
        if reason == CloseReason::Late {
            self.note_browser(id);
        }
        self.close_when_said(id, reason);
    }

    fn become_lines(&mut self, id: ClientId) {
        let mut replies = Vec::new();
        let connection = &mut self.connections[id.index()];
        let was = connection.wire.kind();
        let is_new = connection.wire.become_lines();
        self.wire_counts.change(was, &connection.wire);
        let arrived = connection.wire.arrive(connection.inbox.as_mut_slice(), &mut replies);
        connection.inbox.truncate(arrived);
        let is_silent = connection.inbox.is_empty();
        self.out.release(id);
        if !replies.is_empty() {
            self.out.append(id, &replies);
        }
        // What speaks telnet, or is all that this port speaks, is no browser.
        if let (Some(greeting), true, true) = (self.service.greeting(), is_silent, is_new) {
            self.out.append(id, greeting.as_bytes());
        }
    }

    fn become_http(&mut self, id: ClientId) {
        self.dismiss_from_service(id);
        self.out.forget(id);
        self.out.release(id);
        let wire = &mut self.connections[id.index()].wire;
        let was = wire.kind();
        wire.become_http(self.out.now().ms);
        self.wire_counts.change(was, wire);
        self.set_wire_timeout(id);
    }

    /// Makes a client at a terminal known to the service.
    pub(super) fn open(&mut self, id: ClientId, first_line: Option<&[u8]>) {
        let connection = &mut self.connections[id.index()];
        let peer = connection.peer();
        if connection.set_standing(Standing::Known) == Standing::Listening {
            self.service.stopped_listening(id, &mut self.out);
        }
        let is_private = self.is_private_line(id);
        let (subprotocol, credential) = (None, None);
        let query = &NO_QUERY;
        let hello = Hello { peer, subprotocol, query, credential, is_private, first_line };
        self.service.opened(id, &hello, &mut self.out);
        if self.wires.payload == Payload::Text {
            self.note_terminal(peer.ip());
        }
    }

    /// Has a terminal hide what its user types, until this is taken back.
    pub(super) fn hide(&mut self, id: ClientId, hides: bool) {
        let mut bytes = Vec::new();
        if let Some(lines) = self.connections[id.index()].wire.lines_mut() {
            lines.set_hiding(hides, &mut bytes);
        }
        if !bytes.is_empty() {
            self.out.append(id, &bytes);
        }
        self.draw_later(id);
    }

    // ---- The wire's timeouts ----

    /// Sets the timeout that begins with what the wire is now.
    pub(super) fn set_wire_timeout(&mut self, id: ClientId) {
        let wire = &self.connections[id.index()].wire;
        if let Some((at, timer)) = wire.next_timeout(&self.wires.timeouts) {
            self.timers.push(at, id, Due::Wire(timer));
        }
    }

    pub(super) fn wire_timeout(&mut self, id: ClientId, timer: Timer) {
        let now = self.out.now().ms;
        let connection = &mut self.connections[id.index()];
        if !connection.is_open() {
            return;
        }
        let observed = Observed {
            now,
            is_waiting: !connection.is_idle(),
            is_local: is_local(connection.peer().ip()),
            input: connection.inbox.as_slice(),
        };
        let again = match connection.wire.on_timeout(timer, &observed, &self.wires.timeouts) {
            Elapsed::Nothing => return,
            Elapsed::Again(at) => at,
            Elapsed::Released { .. } | Elapsed::Silent if self.rejected.contains_key(&id) => {
                return self.decide(id, Decision::Lines);
            }
            Elapsed::Released { greet_at } => {
                if self.released(id) {
                    return;
                }
                greet_at
            }
            Elapsed::Silent => return self.silent_for_long(id),
            Elapsed::Send(bytes, at) => {
                self.out.append(id, &bytes);
                at
            }
            Elapsed::BadRequest(error, method) => return self.refuse_request(id, error, method),
            Elapsed::Close(reason) => return self.close(id, reason),
        };
        self.timers.push(again, id, Due::Wire(timer));
    }

    /// A client has been silent for a moment, in which a request would have come. Returns whether
    /// that is all that its silence leads to.
    fn released(&mut self, id: ClientId) -> bool {
        let pinned = self.wires.pinned();
        let is_bytes = self.wires.payload == Payload::Bytes;
        match pinned {
            _ if !self.is_taken_plain(id) => return false,
            Decision::Http => return false,
            _ if is_bytes => self.out.release(id),
            // It was waited for TLS alone.
            Decision::Lines => self.decide(id, pinned),
            _ => {
                self.turn_addresses();
                self.listen(id);
                return false;
            }
        }
        true
    }

    /// A client has been silent for so long that it waits for a word.
    fn silent_for_long(&mut self, id: ClientId) {
        match self.wires.pinned() {
            Decision::Http => self.decide(id, Decision::Http),
            _ if !self.is_taken_plain(id) => self.refuse(id, CloseReason::Plain),
            Decision::Lines => self.decide(id, Decision::Lines),
            _ if self.wires.payload == Payload::Bytes => self.out.release(id),
            _ => self.greet(id),
        }
    }

    /// A client has been silent. A browser opens connections before it needs them: one that may
    /// come from a browser is sent nothing.
    fn greet(&mut self, id: ClientId) {
        self.turn_addresses();
        self.listen(id);
        let connection = &mut self.connections[id.index()];
        let is_browser = self.browsers.contains(connection.peer().ip());
        if let (Some(greeting), true, false) =
            (self.service.greeting(), connection.inbox.is_empty(), is_browser)
        {
            connection.wire.sent();
            self.out.append(id, greeting.as_bytes());
        }
    }

    // ---- Who else is at this address ----

    /// A client at a terminal has been opened. Others at this address may be waiting to see how
    /// that looks.
    fn note_terminal(&mut self, ip: IpAddr) {
        self.turn_addresses();
        if self.terminals.contains(ip) {
            return self.terminals.note(ip);
        }
        self.terminals.note(ip);
        self.silent.at(ip).into_iter().for_each(|id| self.listen(id));
    }

    /// Lets one listen that is silent where others are at terminals, and no browser is.
    fn listen(&mut self, id: ClientId) {
        let now = self.out.now().ms;
        let connection = &mut self.connections[id.index()];
        let ip = connection.peer().ip();
        let is_terminal = self.terminals.contains(ip) && !self.browsers.contains(ip);
        let is_plain = connection.is_protected() || self.settings.plain.admits(ip);
        let is_silent = is_plain
            && connection.is_open()
            && connection.is_idle()
            && connection.inbox.is_empty()
            && connection.wire.is_long_silent(now, &self.wires.timeouts);
        if !is_silent || connection.is_listening() {
            return;
        }
        if is_terminal {
            connection.set_standing(Standing::Listening);
            self.silent.remove(id, ip);
            self.service.listens(id, &mut self.out);
        } else {
            self.silent.insert(id, ip);
        }
    }

    /// Notes that HTTP comes from this connection's address.
    pub(super) fn note_browser(&mut self, id: ClientId) {
        self.turn_addresses();
        self.browsers.note(self.connections[id.index()].peer().ip());
    }

    /// Forgets what has not been noted of addresses for long, and does not hold of any connection.
    fn turn_addresses(&mut self) {
        let now = self.out.now().ms;
        if self.browsers.is_due(now) {
            let ips = |is: fn(&Connection<S>) -> bool| {
                let connections = self.connections.iter().map(|(_, connection)| connection);
                connections.filter(move |one| is(one)).map(|one| one.peer().ip())
            };
            self.browsers.turn(now, ips(|one| one.wire.is_page()));
            self.terminals
                .turn(now, ips(|one| one.wire.is_terminal() && one.is_known_to_service()));
        }
    }
}
