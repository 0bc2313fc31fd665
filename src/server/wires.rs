//! What a client's bytes mean: the wire is decided, and then decoded.

use std::mem;

use bytes::Bytes;
use log::debug;
use memchr::memmem;

use super::{Kept, SERVED_BYTES_EACH, Server};
use crate::client::{ClientId, Lifecycle, Reading, Stream};
use crate::config::Listen;
use crate::encode::{Format, Kind};
use crate::outgoing::{Farewell, Until};
use crate::service::{Introduction, Message, Service};
use crate::timers::Due;
use crate::wire::http::site::Health;
use crate::wire::http::{Connection, FirstBytes, HeadParser, HttpError, Method, looks_like_http};
use crate::wire::line::Line;
use crate::wire::websocket::frame::{encode_ping, encode_pong};
use crate::wire::websocket::handshake::{self, Policy, Upgrade};
use crate::wire::websocket::message::{Decoder, Item};
use crate::wire::{Http, WebSocket, Wire};

impl<S: Stream, A: Service> Server<S, A> {
    // ---- Deciding ----

    /// Takes up a new client on the wire that the listener is pinned to, or waits for what its first bytes say.
    pub(super) fn meet(&mut self, id: ClientId) {
        match self.settings.listen {
            Listen::Line => self.become_line(id, false),
            Listen::Http => self.become_http(id, false),
            Listen::Auto => {
                if !self.service.greets() {
                    self.service.opened(id, self.introduction(id), &mut self.out);
                    self.out.hold(id);
                }
                let at = self.out.now().ms + self.settings.limits.greet_after_ms;
                self.timers.push(at, id, Due::Greet);
            }
        }
    }

    /// Whether the service knows this client.
    pub(super) fn is_opened(&self, id: ClientId) -> bool {
        match self.clients[id.index()].wire {
            Wire::Undecided => !self.service.greets(),
            Wire::Http(_) => false,
            Wire::Line(_) | Wire::WebSocket(_) => true,
        }
    }

    /// Decides by what is in the inbox, if that is enough.
    pub(super) fn decide(&mut self, id: ClientId) {
        let client = &mut self.clients[id.index()];
        if let Wire::Undecided = client.wire {
            match looks_like_http(client.inbox.as_mut_slice()) {
                FirstBytes::Http => self.become_http(id, self.is_opened(id)),
                FirstBytes::NotHttp => self.become_line(id, self.is_opened(id)),
                FirstBytes::NeedMore => {}
            }
        }
    }

    /// A client that has been silent, or slow to say what it is, speaks lines.
    pub(super) fn greet(&mut self, id: ClientId) {
        let client = &self.clients[id.index()];
        // One that is leaving undecided must not come to the service now: nobody would take it out again.
        if let (Wire::Undecided, Lifecycle::Open) = (&client.wire, client.lifecycle) {
            self.become_line(id, self.is_opened(id));
            self.served_bytes = 0;
            // One on the ready list is served with its next read.
            if self.clients[id.index()].reading == Reading::Idle {
                self.serve_inbox(id);
            }
        }
    }

    /// `opened`: the service knows the client already.
    pub(super) fn become_line(&mut self, id: ClientId, opened: bool) {
        let mut line = Line::new(self.service.rules());
        let mut replies = Vec::new();
        let client = &mut self.clients[id.index()];
        let arrived = line.arrive(client.inbox.as_mut_slice(), &mut replies);
        client.inbox.truncate(arrived);
        client.wire = Wire::Line(line);
        self.out.release(id);
        if !replies.is_empty() {
            self.out.append(id, &replies);
        }
        if !opened {
            self.service.opened(id, self.introduction(id), &mut self.out);
        }
    }

    fn introduction(&self, id: ClientId) -> Introduction<'static> {
        Introduction { peer: self.clients[id.index()].peer, ..Introduction::default() }
    }

    /// `opened`: the service knows the client already, and has to part with it until it speaks WebSocket.
    fn become_http(&mut self, id: ClientId, opened: bool) {
        if opened {
            self.service.closed(id, &mut self.out);
            self.out.forget(id);
        }
        self.out.release(id);
        let since = self.out.now().ms;
        self.clients[id.index()].wire = Wire::Http(Box::new(Http { parser: HeadParser::default(), since }));
        self.timers.push(since + self.settings.limits.head_ms, id, Due::Head);
    }

    fn become_websocket(&mut self, id: ClientId, upgrade: &Upgrade) {
        let now = self.out.now().ms;
        // A client with a smaller window than ours is sent nothing compressed: it could not refer back far enough.
        let compressed = upgrade.deflate.is_some_and(|deflate| deflate.may_compress(usize::MAX));
        let format = match (upgrade.subprotocol.is_some(), compressed) {
            (false, false) => Format::Text,
            (false, true) => Format::DeflatedText,
            (true, false) => Format::Json,
            (true, true) => Format::DeflatedJson,
        };
        self.clients[id.index()].wire = Wire::WebSocket(WebSocket::new(Decoder::new(upgrade.deflate), now));
        self.timers.push(now + self.settings.limits.ping_after_ms, id, Due::Ping);
        self.out.append(id, &upgrade.response);
        self.out.set_format(id, format);
        let (name, room) = (upgrade.name.as_deref(), upgrade.room.as_deref());
        let introduction = Introduction { name, room, ..self.introduction(id) };
        self.service.opened(id, introduction, &mut self.out);
        // What follows the request came in the same read, and waits like any other.
        if let Some(until) = self.waits(id) {
            self.park(id, until);
        }
    }

    // ---- Decoding ----

    /// Looks at bytes as they arrive; returns how many of them, at the front, are to be served.
    pub(super) fn arrive(&mut self, id: ClientId, bytes: &mut [u8]) -> usize {
        let Wire::Line(line) = &mut self.clients[id.index()].wire else { return bytes.len() };
        let mut replies = Vec::new();
        let arrived = line.arrive(bytes, &mut replies);
        if !replies.is_empty() {
            self.out.append(id, &replies);
        }
        arrived
    }

    /// Serves the whole messages at the start of `input` for as long as the service takes them; returns their length.
    pub(super) fn serve(&mut self, id: ClientId, input: &mut [u8]) -> usize {
        let mut used = 0;
        while self.is_free(id) {
            // What one read brings may ask for far more than it is: the next answer waits until this client has read the last.
            if self.out.is_behind(id) {
                self.park(id, Until::ClientClear(id));
                break;
            }
            if self.has_had_its_share() {
                self.read_again(id);
                break;
            }
            self.served_bytes += SERVED_BYTES_EACH;
            let rest = &mut input[used..];
            let step = match self.clients[id.index()].wire {
                Wire::Undecided => None,
                Wire::Line(_) => self.serve_line(id, rest),
                Wire::Http(_) => self.serve_request(id, rest),
                Wire::WebSocket(_) => self.serve_frame(id, rest),
            };
            match step {
                Some(bytes) => used += bytes,
                None => break,
            }
        }
        match self.clients[id.index()].lifecycle {
            Lifecycle::Open | Lifecycle::Ending => used,
            // Whoever is leaving has said its last word.
            _ => input.len(),
        }
    }

    /// Serves the line that `input` begins with; `None` if it is not whole.
    fn serve_line(&mut self, id: ClientId, input: &mut [u8]) -> Option<usize> {
        let Wire::Line(line) = &mut self.clients[id.index()].wire else { return None };
        match line.decode(input, self.settings.limits.message_bytes_max) {
            Ok(cut) => {
                let cut = cut?;
                if line.take_first() && self.service.greets() && self.is_late_request(&input[..cut.content]) {
                    return self.give_up(id, Farewell::Late);
                }
                self.offer(id, Kind::Text, &input[..cut.content]);
                Some(cut.used)
            }
            Err(error) => self.give_up(id, Farewell::TooLong(error)),
        }
    }

    /// Whether this is a request that came after its sender had been taken for a person. What follows it, cookies perhaps, is
    /// not for others to read.
    fn is_late_request(&self, line: &[u8]) -> bool {
        let is_request = looks_like_http(line) == FirstBytes::Http && memmem::find(line, b" HTTP/").is_some();
        self.settings.listen == Listen::Auto && is_request
    }

    /// Serves the frame that `input` begins with; `None` if it is not whole.
    fn serve_frame(&mut self, id: ClientId, input: &mut [u8]) -> Option<usize> {
        let Wire::WebSocket(websocket) = &mut self.clients[id.index()].wire else { return None };
        let (item, used) = match websocket.decoder.decode(input, &mut self.scratch) {
            Ok(decoded) => decoded?,
            Err(error) => return self.give_up(id, Farewell::Broken(error)),
        };
        let message = match item {
            Item::Text(text) => Message { kind: Kind::Text, bytes: text.as_bytes() },
            Item::Binary(bytes) => Message { kind: Kind::Binary, bytes },
            Item::Ping(payload) => {
                let mut pong = Vec::with_capacity(payload.len() + 2);
                encode_pong(&mut pong, payload);
                self.out.append(id, &pong);
                return Some(used);
            }
            Item::Pong(_) | Item::Fragment => return Some(used),
            Item::Close { code, .. } => return self.give_up(id, Farewell::Answer(code)),
        };
        self.served_bytes += message.bytes.len();
        let kept = Kept::of(self.service.message(id, message, &mut self.out), message);
        self.go_on(id, kept);
        Some(used)
    }

    /// Answers the request that `input` begins with; `None` if its head is not whole.
    fn serve_request(&mut self, id: ClientId, input: &mut [u8]) -> Option<usize> {
        let now = self.out.now();
        let date = now.http_date();
        let Wire::Http(http) = &mut self.clients[id.index()].wire else { return None };
        let (request, used) = match http.parser.parse(input) {
            Ok(parsed) => parsed?,
            Err(error) => return self.refuse_request(id, error, None, &date),
        };
        http.since = now.ms;
        if handshake::is_upgrade(&request) {
            let method = Some(request.method);
            if self.draining {
                return self.refuse_request(id, HttpError::STOPPING, method, &date);
            }
            let policy = Policy {
                allowed_origins: &self.settings.allowed_origins,
                subprotocols: self.service.subprotocols(),
                deflate: self.settings.compress,
            };
            match handshake::evaluate(&request, &policy, Some(&date)) {
                Ok(upgrade) => self.become_websocket(id, &upgrade),
                Err(error) => return self.refuse_request(id, error, method, &date),
            }
            return Some(used);
        }
        let health = if self.draining { Health::Draining } else { Health::Serving };
        let response = self.site.respond(&request, health, Some(&date));
        self.out.append(id, &response.head);
        self.out.push(id, Bytes::from_static(response.body));
        if response.connection == Connection::Close {
            return self.give_up(id, Farewell::Done);
        }
        Some(used)
    }

    /// `method` is that of the request, if it could be read.
    fn refuse_request(&mut self, id: ClientId, error: HttpError, method: Option<Method>, date: &str) -> Option<usize> {
        debug!("{}: {error}", self.clients[id.index()].peer);
        self.out.append(id, &error.response(method, Some(date)).to_bytes());
        self.give_up(id, Farewell::Done)
    }

    /// Parts with a client; what is left of its input is of no interest.
    fn give_up(&mut self, id: ClientId, farewell: Farewell) -> Option<usize> {
        self.out.dismiss(id, farewell);
        self.part();
        None
    }

    // ---- Silence ----

    /// Something has come from this client.
    pub(super) fn heard(&mut self, id: ClientId) {
        if let Wire::WebSocket(websocket) = &mut self.clients[id.index()].wire {
            websocket.hear(self.out.now().ms);
        }
    }

    /// A part of a head has come, and nothing before it.
    pub(super) fn begin_head(&mut self, id: ClientId) {
        if let Wire::Http(http) = &mut self.clients[id.index()].wire {
            http.since = self.out.now().ms;
        }
    }

    /// A request head takes too long, or no further request comes.
    pub(super) fn check_head(&mut self, id: ClientId) {
        let client = &self.clients[id.index()];
        let (Wire::Http(http), Lifecycle::Open) = (&client.wire, client.lifecycle) else { return };
        let now = self.out.now();
        // Whoever has to read its answers first is not read from.
        let waiting = client.reading != Reading::Idle;
        let deadline = if waiting { now.ms } else { http.since } + self.settings.limits.head_ms;
        if now.ms < deadline {
            return self.timers.push(deadline, id, Due::Head);
        }
        if client.inbox.is_empty() {
            self.give_up(id, Farewell::Done);
        } else {
            let date = now.http_date();
            self.refuse_request(id, HttpError::TIMEOUT, None, &date);
        }
    }

    /// Pings a WebSocket client that has been silent, and parts with one that does not answer.
    pub(super) fn check_silence(&mut self, id: ClientId) {
        let limits = self.settings.limits;
        let now = self.out.now().ms;
        let client = &mut self.clients[id.index()];
        // Whoever has to wait, or has just ceased to, has not been read from: it may have said something.
        let waiting = client.reading != Reading::Idle;
        let (Wire::WebSocket(websocket), Lifecycle::Open) = (&mut client.wire, client.lifecycle) else { return };
        let silence = now.saturating_sub(websocket.heard());
        if waiting || silence < limits.ping_after_ms {
            let at = if waiting { now } else { websocket.heard() } + limits.ping_after_ms;
            return self.timers.push(at, id, Due::Ping);
        }
        if !mem::replace(&mut websocket.pinged, true) {
            let mut ping = Vec::with_capacity(2);
            encode_ping(&mut ping, b"");
            self.out.append(id, &ping);
            return self.timers.push(now + limits.pong_ms, id, Due::Ping);
        }
        self.give_up(id, Farewell::Silent);
    }
}
