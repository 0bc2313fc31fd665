//! The first half of a turn: what has come is read, decoded and offered to the service.

use std::ops::Range;
use std::{io, mem};

use super::connection::Connection;
use super::echo::{self, ANSWERED_BYTES_EACH};
use super::ready::Part;
use super::stream::Stream;
use super::{REQUEST_BYTES_EACH, SERVED_BYTES_EACH, SERVED_READS_MAX, Server, Visit};
use crate::delivery::encoding::FrameKind;
use crate::delivery::{Delivery, Wait};
use crate::ids::ClientId;
use crate::server::timers::Due;
use crate::service::{Incoming, Outcome, Service};
use crate::wire::Step;
use crate::wire::close::CloseReason;
use crate::wire::line::Line;

/// What is read of a connection that goes after all others, for each request that is served.
const LATE_BYTES_EACH: usize = 64;

/// Telnet's commands are two or three bytes long, and count as requests.
const TELNET_BYTES_EACH: usize = 3;

impl<S: Stream, A: Service> Server<S, A> {
    // ---- Reading ----

    /// Gives the connections on the ready list their reads until the time for that is over: all of
    /// them, or one of each part of the turn at least.
    pub(super) fn read(&mut self, mut is_over: impl FnMut(u64) -> bool) {
        self.close_too_slow();
        if self.is_settling {
            return self.serve_waiting();
        }
        let mut woken = Vec::new();
        self.out.take_woken(&mut woken);
        // One that was closed while it waited is on the ready list already, to have the rest of its
        // input dropped.
        woken.retain(|id| self.connection(*id).is_some_and(Connection::resume));
        self.ready.begin_round(woken);
        for part in Part::ALL {
            if part == Part::Heavy {
                self.serve_clear();
            }
            let count = self.ready.len(part);
            let requests_max = self.requests_max(part, count);
            for _ in 0..count {
                let Some(id) = self.ready.pop(part) else { break };
                if self.begin_visit(id, part, requests_max) {
                    self.read_connection(id);
                    self.end_visit(id);
                    let Visit { requests, .. } = self.visit;
                    let of_stream = self.connections[id.index()].stream.take_work();
                    let served = self.visit.work(&self.out);
                    let work = of_stream + served + requests as u64 * REQUEST_BYTES_EACH;
                    if is_over(work) {
                        break;
                    }
                }
            }
        }
        self.out.set_late(false);
    }

    /// What waits in the service for what is clear goes on. After those that talk: one that was
    /// behind has its own word before others fill its queue again.
    pub(super) fn serve_clear(&mut self) {
        for what in self.out.take_clear() {
            self.service.clear(what, &mut self.out);
        }
        self.close_too_slow();
    }

    /// How many pings and requests of each one are served, when there are so many in this part.
    fn requests_max(&self, part: Part, count: usize) -> usize {
        let limits = &self.settings.limits;
        match part {
            Part::First | Part::Heavy => limits.requests_max,
            Part::Greedy => (limits.late_requests_max / count.max(1)).max(limits.requests_max),
        }
    }

    /// Begins with a connection that has been taken from the ready list. `false`: it has gone, or
    /// comes later.
    fn begin_visit(&mut self, id: ClientId, part: Part, requests_max: usize) -> bool {
        let (now, rate) = (self.out.now().ms, self.settings.limits.requests);
        let Some(connection) = self.connection(id) else { return false };
        match part {
            Part::First if connection.is_greedy() => {
                if !self.buckets.is_full(id, now, &rate) {
                    self.ready.push_greedy(id);
                    return false;
                }
                self.connections[id.index()].set_greedy(false);
            }
            Part::First if connection.is_newcomer() => {
                self.wait(id, Wait::Others);
                return false;
            }
            Part::Heavy if !connection.resume() => return false,
            Part::First | Part::Heavy | Part::Greedy => {}
        }
        self.connections[id.index()].begin_turn();
        self.out.set_late(part != Part::First);
        // What is not served would be kept, and many flood at once.
        let read_bytes_max = match part {
            Part::First | Part::Heavy if self.holds_much() => ANSWERED_BYTES_EACH,
            Part::First | Part::Heavy => self.read_buffer.len(),
            Part::Greedy => self.read_buffer.len().min(requests_max * LATE_BYTES_EACH),
        };
        let work_before = self.out.work();
        self.visit = Visit { part, work_before, requests_max, read_bytes_max, ..Visit::default() };
        true
    }

    /// Charges a connection for the pings and requests that were served. One that has used up its
    /// bucket, or has sent more of them at once than are served in one visit, comes after those
    /// that have not: a thousand that are new have a thousand full buckets.
    fn end_visit(&mut self, id: ClientId) {
        let (now, rate) = (self.out.now().ms, self.settings.limits.requests);
        let Visit { requests, requests_max, .. } = self.visit;
        if requests == 0 {
            return;
        }
        let is_empty = self.buckets.spend(id, requests, now, &rate);
        let connection = &mut self.connections[id.index()];
        let has_more = requests >= requests_max && connection.is_ready();
        if is_empty || has_more {
            connection.set_greedy(true);
        }
    }

    fn read_connection(&mut self, id: ClientId) {
        let connection = &self.connections[id.index()];
        if connection.is_establishing() && !self.establish(id) {
            return;
        }
        if let Some(&reason) = self.closing_later.get(&id) {
            return self.close_when_said(id, reason);
        }
        let connection = &self.connections[id.index()];
        if connection.is_lingering() {
            self.discard(id);
        } else if connection.is_ending() {
            self.serve_rest(id);
        } else if connection.is_open() && self.serve_inbox(id) {
            match self.waits(id) {
                Some(until) => self.wait(id, until),
                None => self.read_and_serve(id),
            }
        }
        self.flush_later(id);
        self.draw_later(id);
        self.write_while_warm(id);
        self.keep_within_budget();
    }

    /// Writes an answer while it is in the cache, rather than after all others have been read, and
    /// has its memory for the next one; its client goes on meanwhile. Only if nothing else is going
    /// to be written to this client in this turn: its input was read to the end, and no channel has
    /// a batch for it.
    pub(super) fn write_while_warm(&mut self, id: ClientId) {
        let connection = &self.connections[id.index()];
        if connection.is_open() && connection.is_idle() && self.out.take_answer(id) {
            self.write(id);
        }
    }

    fn read_and_serve(&mut self, id: ClientId) {
        match self.read_stream(id) {
            Ok(0) => self.serve_end(id),
            Ok(count) => {
                let now = self.out.now().ms;
                self.connections[id.index()].wire.received(now);
                self.serve_read(id, count);
                if self.has_more(id, count) {
                    self.read_again(id);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // What it has said is served first.
            Err(_) if self.connections[id.index()].is_paced() => {}
            Err(_) if self.connections[id.index()].error_is_end() => self.serve_end(id),
            Err(_) if self.service.waits_to_close(id).is_some() => {
                self.break_off(id);
                self.close_when_said(id, CloseReason::Done);
            }
            // What is left in the inbox is a part of a message.
            Err(error) => self.gone(id, &error),
        }
    }

    fn serve_end(&mut self, id: ClientId) {
        self.connections[id.index()].end_input();
        self.serve_rest(id);
    }

    /// Reads once; 0 is the end of the input.
    pub(super) fn read_stream(&mut self, id: ClientId) -> io::Result<usize> {
        let read = loop {
            let buffer = &mut self.read_buffer[..self.visit.read_bytes_max];
            match self.connections[id.index()].stream.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        if let Ok(count @ 1..) = read {
            let holds_more = self.connections[id.index()].stream.holds_input();
            self.visit.has_read_all = count < self.visit.read_bytes_max && !holds_more;
            self.metrics.reads += 1;
            self.metrics.read_bytes += count as u64;
        }
        read
    }

    /// Whether there is more to read after a read that brought `count` bytes.
    pub(super) fn has_more(&self, id: ClientId, count: usize) -> bool {
        let connection = &self.connections[id.index()];
        count == self.visit.read_bytes_max
            || connection.has_reported_end()
            || connection.stream.holds_input()
    }

    /// Puts a connection on the ready list, unless it has to wait for something.
    pub(super) fn read_again(&mut self, id: ClientId) {
        if self.connections[id.index()].make_ready() {
            self.ready.push(id);
        }
    }

    // ---- Waiting ----

    /// What must come first before this connection is read from or served. First bytes and requests
    /// wait for nobody else.
    pub(super) fn waits(&self, id: ClientId) -> Option<Wait> {
        if self.out.is_behind(id) {
            Some(Wait::ClientClear(id))
        } else if !self.connections[id.index()].wire.carries_messages() {
            None
        } else if self.is_left_to_read_its_answers(id) {
            Some(Wait::ClientClear(id))
        } else {
            self.service.waits(id, &self.out)
        }
    }

    pub(super) fn wait(&mut self, id: ClientId, until: Wait) {
        match until {
            Wait::Time(_) if self.edits_meanwhile(id) => self.connections[id.index()].pace(),
            _ => self.connections[id.index()].wait(),
        }
        match until {
            Wait::Time(at) => self.timers.push(at, id, Due::Resume),
            Wait::Others => self.ready.push_heavy(id),
            Wait::ChannelClear(_)
            | Wait::ClientClear(_)
            | Wait::Ticket(_)
            | Wait::Memory
            | Wait::Backlog(_)
            | Wait::Store => self.out.wait(id, until),
        }
    }

    /// Whether a connection may be served: it is neither closing nor waiting.
    pub(super) fn is_free(&self, id: ClientId) -> bool {
        let connection = &self.connections[id.index()];
        connection.is_served() && !connection.is_waiting() && !connection.is_paced()
    }

    /// Whether enough has been served of the connection whose turn it is: the others come first.
    fn has_had_its_share(&self) -> bool {
        let Visit { requests, requests_max, .. } = self.visit;
        self.visit.work(&self.out)
            >= (SERVED_READS_MAX * self.settings.limits.read_bytes_max) as u64
            || requests >= requests_max
    }

    // ---- Serving ----

    /// Serves what a read has brought, after what was there before.
    fn serve_read(&mut self, id: ClientId, count: usize) {
        let mut buffer = mem::take(&mut self.read_buffer);
        let mut replies = Vec::new();
        let connection = &mut self.connections[id.index()];
        let arrived = connection.wire.arrive(&mut buffer[..count], &mut replies);
        // One byte may be the LF of a line that was served with its CR.
        let telnet_bytes = (count - arrived).saturating_sub(1);
        self.visit.requests += telnet_bytes.div_ceil(TELNET_BYTES_EACH);
        if !replies.is_empty() {
            self.out.append(id, &replies);
        }
        if connection.inbox.is_empty() && !connection.wire.is_undecided() {
            let used = self.serve(id, &mut buffer[..arrived]);
            self.connections[id.index()].inbox.push(&buffer[used..arrived], self.out.account());
            self.queue_requests(id);
        } else {
            connection.inbox.push(&buffer[..arrived], self.out.account());
            let decision = connection.wire.decide(connection.inbox.as_slice(), &self.wires);
            self.decide(id, decision);
            self.serve_inbox(id);
        }
        self.read_buffer = buffer;
    }

    /// Serves what could not be served before; `true` if the connection is free to be read from
    /// now.
    fn serve_inbox(&mut self, id: ClientId) -> bool {
        self.offer_held(id);
        if self.takes_input(id) && !self.connections[id.index()].inbox.is_empty() {
            if let Some(until) = self.waits(id) {
                self.wait(id, until);
                return false;
            }
            let mut bytes = self.connections[id.index()].inbox.take_bytes();
            let used = self.serve(id, &mut bytes);
            self.connections[id.index()].inbox.put_back(bytes, used, self.out.account());
            self.queue_requests(id);
        }
        self.takes_input(id) && self.connections[id.index()].is_idle()
    }

    /// Serves what is left of a connection whose input has ended: at last the line that has no
    /// ending.
    fn serve_rest(&mut self, id: ClientId) {
        self.end_header(id);
        let connection = &self.connections[id.index()];
        let decision = connection.wire.decide_at_end(connection.inbox.as_slice(), &self.wires);
        self.decide(id, decision);
        if !self.serve_inbox(id) {
            return;
        }
        let connection = &mut self.connections[id.index()];
        let mut rest = connection.inbox.take_bytes();
        if connection.has_whole_end() && !connection.stream.is_cut() {
            match connection.wire.decode_end(&mut rest, &self.wires) {
                Step::Line(line) => self.offer_line(id, line),
                Step::Control(answer) => self.out.append(id, &answer),
                Step::Close(reason) => self.refuse(id, reason),
                _ => {}
            }
        }
        let count = rest.len();
        self.connections[id.index()].inbox.put_back(rest, count, self.out.account());
        if self.is_free(id) {
            self.close_when_said(id, CloseReason::Done);
        }
    }

    /// Serves the whole messages at the start of `input` for as long as the service takes them;
    /// returns their length.
    fn serve(&mut self, id: ClientId, input: &mut [u8]) -> usize {
        let mut used = 0;
        // What goes back to it from where it stands, in front of what is still to be served.
        let mut echo = 0..0;
        while self.takes_input(id) {
            // With so much unsent, this client is behind.
            if echo.len() >= self.settings.limits.delivery.outbox_mark_bytes {
                self.send_echo(id, &input[mem::take(&mut echo)]);
            }
            // What one read brings may ask for far more than it is: the next answer waits until
            // this client has read the last.
            if self.out.is_behind(id) {
                self.wait(id, Wait::ClientClear(id));
                break;
            }
            if self.has_had_its_share() {
                self.read_again(id);
                break;
            }
            if used == input.len() {
                break;
            }
            self.visit.served_bytes += SERVED_BYTES_EACH;
            match self.serve_step(id, input, used, &mut echo) {
                Some(bytes) => used += bytes,
                None => break,
            }
        }
        self.send_echo(id, &input[echo]);
        // What a closing connection has sent is of no interest.
        let is_served = self.connections[id.index()].is_served();
        if is_served && !self.closing_later.contains_key(&id) { used } else { input.len() }
    }

    /// Serves what stands at `at` in `input`; returns its length, or `None` if it is not whole, or
    /// the last. If it goes back as it came it joins `echo`, and else it is served behind that.
    #[inline]
    fn serve_step(
        &mut self,
        id: ClientId,
        input: &mut [u8],
        at: usize,
        echo: &mut Range<usize>,
    ) -> Option<usize> {
        let connection = &mut self.connections[id.index()];
        let (address, input_bytes) = (input.as_ptr().addr(), input.len() - at);
        let (before, rest) = input.split_at_mut(at);
        // Not taken apart: a step would be moved for that, and waited for.
        let decoded = connection.wire.decode(rest, &mut self.wires, self.out.now().ms);
        let used = decoded.1;
        if self.service.only_echoes() && !matches!(decoded.0, Step::NeedMore) {
            if let Some((kind, content)) = echo::content_at(&decoded.0, address, at + used)
                && connection.is_known_to_service()
                && self.out.may_echo_in_place(id)
            {
                drop(decoded);
                self.echo_in_place(id, kind, input, echo, content);
                return Some(used);
            }
            self.out.queue_echo(id, &before[mem::take(echo)]);
        }
        let (kind, bytes) = match decoded.0 {
            Step::Text(bytes) => (FrameKind::Text, bytes),
            Step::Binary(bytes) => (FrameKind::Binary, bytes),
            Step::Line(line) => {
                self.offer_line(id, line);
                return Some(used);
            }
            Step::Typed(event) => {
                self.charge_keys(id, used);
                self.serve_typed(id, event);
                return Some(used);
            }
            Step::Control(answer) => {
                self.charge_keys(id, used);
                self.send_control(id, &answer);
                return Some(used);
            }
            Step::Request(request) => {
                return self.serve_request(id, request, used == input_bytes).then_some(used);
            }
            Step::NeedMore => return None,
            Step::BadRequest(error, method) => {
                self.refuse_request(id, error, method);
                return None;
            }
            Step::Close(reason) => {
                self.refuse(id, reason);
                return None;
            }
        };
        self.visit.served_bytes += bytes.len();
        let message = Incoming { peer: connection.peer(), kind, bytes };
        let outcome = offer(&mut self.service, &mut self.out, connection, id, message);
        self.conclude(id, outcome);
        Some(used)
    }

    /// Answers what is the wire's own business.
    fn send_control(&mut self, id: ClientId, answer: &[u8]) {
        self.visit.requests += 1;
        if !answer.is_empty() {
            self.out.append(id, answer);
        }
    }

    /// Offers the service a message.
    pub(super) fn offer(&mut self, id: ClientId, kind: FrameKind, bytes: &[u8]) {
        self.visit.served_bytes += bytes.len();
        let connection = &mut self.connections[id.index()];
        let message = Incoming { peer: connection.peer(), kind, bytes };
        let outcome = offer(&mut self.service, &mut self.out, connection, id, message);
        self.conclude(id, outcome);
    }

    /// Does what the service wants done after a message.
    fn conclude(&mut self, id: ClientId, outcome: Outcome) {
        if let Outcome::Blocked(until) = outcome {
            return self.wait(id, until);
        }
        self.metrics.messages += 1;
        let hides = outcome == Outcome::AskSecret;
        let lines = self.connections[id.index()].wire.lines();
        if hides != lines.is_some_and(Line::is_hiding) {
            self.hide(id, hides);
        }
        match outcome {
            Outcome::Close(reason) => self.close_when_said(id, reason),
            Outcome::SetEditing(on) => self.set_editing(id, on),
            _ => self.close_too_slow(),
        }
    }
}

/// Offers the service a message, and keeps it if it is not taken yet.
#[inline]
fn offer<S, A: Service>(
    service: &mut A,
    out: &mut Delivery,
    connection: &mut Connection<S>,
    id: ClientId,
    message: Incoming<'_>,
) -> Outcome {
    let outcome = service.message(id, message, out);
    if let Outcome::Blocked(_) = outcome {
        connection.inbox.hold_message(message.kind, message.bytes, out.account());
    }
    outcome
}
