//! What a client's bytes mean: the wire is decided, and then decoded.

use std::mem;
use std::net::IpAddr;

use bytes::Bytes;
use log::{debug, info, warn};

use super::connection::{Client, Lifecycle, Reading};
use super::stream::Stream;
use super::{Kept, Next, SERVED_BYTES_EACH, Server};
use crate::delivery::Wait;
use crate::delivery::encoding::{Compression, Encoding, FrameKind, Framing};
use crate::ids::ClientId;
use crate::server::admission::{is_local, is_same};
use crate::server::timers::Due;
use crate::service::{Hello, Incoming, NO_QUERY, Service};
use crate::site::{HEALTH, Health};
use crate::wire::Protocols;
use crate::wire::close::CloseReason;
use crate::wire::detect::{
    Detected, FirstLine, Foreign, Payload, detect, first_line, is_simple_request,
};
use crate::wire::http::precheck::{self, Verdict};
use crate::wire::http::{
    Connection, HeadParser, HttpError, Method, Request, Response, begins_with_head,
};
use crate::wire::line::Line;
use crate::wire::websocket::frame::{encode_ping, encode_pong};
use crate::wire::websocket::handshake::{self, Policy, RefusedPage, Upgrade};
use crate::wire::websocket::message::{Decoder, Item};
use crate::wire::{Http, Undecided, WebSocket, Wire};

/// By so many bytes a request with a known method has shown that it is one.
const METHOD_BYTES_MAX: usize = 16;

/// What somebody is told whose first words begin as a request does and are none.
const ALMOST_REQUEST: &[u8] =
    b"! This looks like a request for a web server, so it was not said. Type it again to say it.\r\n";

impl<S: Stream, A: Service> Server<S, A> {
    // ---- Deciding ----

    /// Takes up a new client on the wire that the listener is pinned to, or waits for what its
    /// first bytes say.
    pub(super) fn meet(&mut self, id: ClientId) {
        let has_greeting = self.service.greeting().is_some();
        if self.settings.protocols != Protocols::Http && !has_greeting {
            self.open(id);
        }
        match self.settings.protocols {
            Protocols::Line => self.become_line(id),
            Protocols::Http => self.become_http(id),
            Protocols::Auto => {
                if !has_greeting {
                    self.out.hold(id);
                }
                self.timers.push(self.out.now().ms + self.settings.limits.hold_ms, id, Due::Greet);
            }
        }
    }

    /// Makes a client at a terminal known to the service.
    fn open(&mut self, id: ClientId) {
        let client = &mut self.clients[id.index()];
        client.opened = true;
        if mem::take(&mut client.listens) {
            self.service.has_listened(id, &mut self.out);
        }
        let hello = self.hello(id);
        self.service.opened(id, &hello, &mut self.out);
        if self.service.greeting().is_some() {
            self.note_terminal(hello.peer.ip());
        }
    }

    /// Somebody has come in at a terminal. The others at this address may be waiting to see how
    /// that looks.
    fn note_terminal(&mut self, ip: IpAddr) {
        self.turn_addresses();
        if self.terminals.contains(ip) {
            return self.terminals.note(ip);
        }
        self.terminals.note(ip);
        let here = self.clients.iter().filter(|(_, client)| is_same(client.peer.ip(), ip));
        let here: Vec<ClientId> =
            here.map(|(key, client)| ClientId::new(key, client.serial)).collect();
        here.into_iter().for_each(|id| self.listen(id));
    }

    /// Lets one listen that is silent where others are at terminals, and no browser is.
    fn listen(&mut self, id: ClientId) {
        let now = self.out.now().ms;
        let client = &self.clients[id.index()];
        let Wire::Undecided(Undecided { since, .. }) = client.wire else { return };
        let is_silent = client.lifecycle == Lifecycle::Open && client.inbox.is_empty();
        let ip = client.peer.ip();
        let is_terminal = self.terminals.contains(ip) && !self.browsers.contains(ip);
        if is_silent
            && is_terminal
            && now >= since + self.settings.limits.hold_ms
            && !client.listens
        {
            self.clients[id.index()].listens = true;
            self.service.listens(id, &mut self.out);
        }
    }

    /// Decides by what is in the inbox, if that is enough.
    pub(super) fn decide(&mut self, id: ClientId) {
        let payload = Payload::of(self.service.greeting());
        let client = &mut self.clients[id.index()];
        let Wire::Undecided(Undecided { told, .. }) = client.wire else { return };
        match detect(client.inbox.as_mut_slice(), payload) {
            // A line that is too long is one before it ends.
            Detected::NeedMore
                if client.inbox.len()
                    > self.settings.limits.message_bytes_max.max(METHOD_BYTES_MAX) =>
            {
                self.become_line(id);
            }
            Detected::NeedMore => {}
            Detected::Lines => self.become_line(id),
            Detected::Http if told => self.refuse_late_request(id),
            Detected::Http => self.become_http(id),
            Detected::Foreign(foreign) => drop(self.give_up(id, CloseReason::Foreign(foreign))),
        }
    }

    /// A client has been silent. A browser opens connections before it needs them: one that may
    /// come from a browser is told nothing.
    pub(super) fn greet(&mut self, id: ClientId) {
        let Some(greeting) = self.service.greeting() else { return self.out.release(id) };
        let now = self.out.now().ms;
        self.turn_addresses();
        self.listen(id);
        let (client, limits) = (&self.clients[id.index()], &self.settings.limits);
        let (Wire::Undecided(Undecided { since, .. }), Lifecycle::Open) =
            (&client.wire, client.lifecycle)
        else {
            return;
        };
        let (ip, since) = (client.peer.ip(), *since);
        let greet_at =
            since + if is_local(ip) { limits.greet_after_ms } else { limits.greet_after_remote_ms };
        if now < greet_at {
            self.timers.push(greet_at, id, Due::Greet);
        } else if client.inbox.is_empty() && !self.browsers.contains(ip) {
            self.clients[id.index()].wire = Wire::Undecided(Undecided { since, told: true });
            self.out.append(id, greeting.as_bytes());
        }
    }

    /// What follows a request, cookies perhaps, is not for others to read, and there is no way left
    /// to answer it.
    fn refuse_late_request(&mut self, id: ClientId) {
        self.note_browser(id);
        self.give_up(id, CloseReason::Late);
    }

    /// Notes that HTTP comes from this client's address.
    fn note_browser(&mut self, id: ClientId) {
        self.turn_addresses();
        self.browsers.note(self.clients[id.index()].peer.ip());
    }

    /// Forgets what has not been noted of addresses for long, and does not hold of any connection.
    fn turn_addresses(&mut self) {
        let now = self.out.now().ms;
        if self.browsers.is_due(now) {
            let ips = |is: fn(&Client<S>) -> bool| {
                let clients = self.clients.iter().map(|(_, client)| client);
                clients.filter(move |client| is(client)).map(|client| client.peer.ip())
            };
            self.browsers.turn(now, ips(|client| matches!(client.wire, Wire::WebSocket(_))));
            self.terminals
                .turn(now, ips(|client| matches!(client.wire, Wire::Line(_)) && client.opened));
        }
    }

    pub(super) fn become_line(&mut self, id: ClientId) {
        let mut line = Line::new(self.service.line_mode());
        let mut replies = Vec::new();
        let client = &mut self.clients[id.index()];
        let arrived = line.arrive(client.inbox.as_mut_slice(), &mut replies);
        client.inbox.truncate(arrived);
        let told = matches!(client.wire, Wire::Undecided(Undecided { told: true, .. }));
        client.wire = Wire::Line(line);
        self.out.release(id);
        if !replies.is_empty() {
            self.out.append(id, &replies);
        }
        // What speaks telnet, or is all that this port speaks, is no browser.
        let client = &self.clients[id.index()];
        if let (Some(greeting), true, false) =
            (self.service.greeting(), client.inbox.is_empty(), told)
        {
            self.out.append(id, greeting.as_bytes());
        }
    }

    fn hello(&self, id: ClientId) -> Hello<'static> {
        Hello { peer: self.clients[id.index()].peer, subprotocol: None, query: &NO_QUERY }
    }

    fn become_http(&mut self, id: ClientId) {
        self.dismiss_from_service(id);
        self.out.forget(id);
        self.out.release(id);
        let since = self.out.now().ms;
        self.clients[id.index()].wire = Wire::Http(Box::new(Http {
            parser: HeadParser::default(),
            since,
            linger_until: 0,
            answered: false,
        }));
        self.timers.push(since + self.settings.limits.head_ms, id, Due::Head);
    }

    fn become_websocket(&mut self, id: ClientId, upgrade: &Upgrade) {
        let now = self.out.now().ms;
        // A client with a smaller window than ours is sent nothing compressed: it could not refer
        // back far enough.
        let compressed = upgrade.deflate.is_some_and(|deflate| deflate.may_compress(usize::MAX));
        let compression = if compressed { Compression::Deflate } else { Compression::None };
        let hello =
            Hello { subprotocol: upgrade.subprotocol, query: &upgrade.query, ..self.hello(id) };
        let dialect = self.service.dialect(&hello);
        self.clients[id.index()].wire =
            Wire::WebSocket(WebSocket::new(Decoder::new(upgrade.deflate), now));
        self.timers.push(now + self.settings.limits.ping_after_ms, id, Due::Ping);
        self.out.append(id, &upgrade.response);
        self.out.set_encoding(id, Encoding { framing: Framing::WebSocket, compression, dialect });
        self.clients[id.index()].opened = true;
        self.service.opened(id, &hello, &mut self.out);
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

    /// Serves the whole messages at the start of `input` for as long as the service takes them;
    /// returns their length.
    pub(super) fn serve(&mut self, id: ClientId, input: &mut [u8]) -> usize {
        let mut used = 0;
        while self.is_free(id) {
            // What one read brings may ask for far more than it is: the next answer waits until
            // this client has read the last.
            if self.out.is_behind(id) {
                self.park(id, Wait::ClientClear(id));
                break;
            }
            if self.has_had_its_share() {
                self.read_again(id);
                break;
            }
            self.served_bytes += SERVED_BYTES_EACH;
            let rest = &mut input[used..];
            let step = match self.clients[id.index()].wire {
                Wire::Undecided(_) => None,
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
            // On a port for lines only, TLS waits for an answer to what ends no line.
            Ok(None) if !self.clients[id.index()].opened && input.starts_with(&[0x16, 0x03]) => {
                self.give_up(id, CloseReason::Foreign(Foreign::Tls))
            }
            Ok(cut) => {
                let cut = cut?;
                self.offer_line(id, &mut input[..cut.content]);
                Some(cut.used)
            }
            Err(error) => self.give_up(id, CloseReason::TooLong(error)),
        }
    }

    /// Offers the service one line. With the first one its sender comes in, if it is a line and not
    /// another protocol's.
    pub(super) fn offer_line(&mut self, id: ClientId, line: &mut [u8]) {
        let Wire::Line(wire) = &mut self.clients[id.index()].wire else { return };
        let length = wire.edit(line);
        let line = &line[..length];
        let (payload, listen) = (Payload::of(self.service.greeting()), self.settings.protocols);
        let judged = wire.judge(line, |line| match (payload, listen) {
            // Where bytes are passed on as they come, a port that speaks lines only takes any.
            (Payload::Bytes, Protocols::Line) => FirstLine::Text,
            _ => first_line(line, payload),
        });
        match judged {
            FirstLine::Request => self.refuse_late_request(id),
            FirstLine::Foreign(foreign) => drop(self.give_up(id, CloseReason::Foreign(foreign))),
            FirstLine::AlmostRequest => self.out.append(id, ALMOST_REQUEST),
            FirstLine::Text if self.clients[id.index()].opened => {
                self.offer(id, FrameKind::Text, line)
            }
            FirstLine::Text => {
                self.open(id);
                match self.waits(id) {
                    None => self.offer(id, FrameKind::Text, line),
                    // It has come in, and waits as others do.
                    Some(until) => {
                        let message = Box::new((FrameKind::Text, line.to_vec()));
                        self.go_on(id, Next::Wait(Kept { until, message }));
                    }
                }
            }
        }
    }

    /// Serves the frame that `input` begins with; `None` if it is not whole.
    fn serve_frame(&mut self, id: ClientId, input: &mut [u8]) -> Option<usize> {
        let Wire::WebSocket(websocket) = &mut self.clients[id.index()].wire else { return None };
        let (item, used) = match websocket.decoder.decode(input, &mut self.scratch) {
            Ok(decoded) => decoded?,
            Err(error) => return self.give_up(id, CloseReason::Broken(error)),
        };
        let message = match item {
            Item::Text(text) => Incoming { kind: FrameKind::Text, bytes: text.as_bytes() },
            Item::Binary(bytes) => Incoming { kind: FrameKind::Binary, bytes },
            Item::Ping(payload) => {
                let mut pong = Vec::with_capacity(payload.len() + 2);
                encode_pong(&mut pong, payload);
                self.out.append(id, &pong);
                return Some(used);
            }
            Item::Pong(_) | Item::Fragment => return Some(used),
            Item::Close { code, .. } => return self.give_up(id, CloseReason::Answer(code)),
        };
        self.served_bytes += message.bytes.len();
        let outcome = self.service.message(id, message, &mut self.out);
        let next = Next::of(outcome, message);
        self.go_on(id, next);
        Some(used)
    }

    /// Answers the request that `input` begins with; `None` if its head is not whole.
    fn serve_request(&mut self, id: ClientId, input: &mut [u8]) -> Option<usize> {
        if let [0x16, 0x03, ..] = input {
            return self.give_up(id, CloseReason::Foreign(Foreign::Tls));
        }
        let (now, date) = (self.out.now(), self.date());
        let Wire::Http(http) = &mut self.clients[id.index()].wire else { return None };
        let (request, used) = match http.parser.parse(input) {
            // HTTP/0.9 has no end of a head to wait for.
            Ok(None) if is_simple_request(input) => {
                return self.refuse_request(id, HttpError::MALFORMED, None, &date);
            }
            Ok(parsed) => parsed?,
            Err(error) => {
                let method = begins_with_head(input).then_some(Method::Head);
                return self.refuse_request(id, error, method, &date);
            }
        };
        (http.since, http.answered) = (now.ms, true);
        // A monitor is no browser.
        if request.path != HEALTH {
            self.note_browser(id);
        }
        if handshake::is_upgrade(&request) {
            return self.upgrade(id, &request, &date).then_some(used);
        }
        let response = self.respond(&request, &date);
        self.out.append(id, &response.head);
        self.out.push(id, Bytes::from_static(response.body));
        if response.connection == Connection::Close {
            return self.give_up(id, CloseReason::Done);
        }
        Some(used)
    }

    /// Answers a request for a WebSocket; `false` if it was refused.
    fn upgrade(&mut self, id: ClientId, request: &Request<'_>, date: &str) -> bool {
        let upgraded = match self.draining {
            true => Err(HttpError::STOPPING),
            false => handshake::evaluate(request, &self.policy(), Some(date)),
        };
        let error = match upgraded {
            Ok(upgrade) => {
                self.become_websocket(id, &upgrade);
                return true;
            }
            Err(error) => error,
        };
        let peer = self.clients[id.index()].peer;
        match error {
            HttpError::UPGRADE_ORIGIN | HttpError::UPGRADE_HOST => {
                let page = RefusedPage { request, error, is_loopback: self.settings.is_loopback };
                warn!("{peer}: refused a page's WebSocket: {page}");
            }
            _ => info!("{peer}: refused a WebSocket: {error}"),
        }
        self.refuse_request(id, error, Some(request.method), date);
        false
    }

    fn policy(&self) -> Policy<'_> {
        Policy {
            allowed_origins: &self.settings.allowed_origins,
            is_loopback: self.settings.is_loopback,
            subprotocols: self.service.subprotocols(),
            query_keys: self.service.query_keys(),
            deflate: self.settings.compress,
        }
    }

    /// Answers a request that asks for no upgrade.
    fn respond(&self, request: &Request<'_>, date: &str) -> Response {
        if precheck::asks(request) {
            let verdict = match (self.draining, self.service.sentence()) {
                (true, _) => Verdict::Stopping,
                (false, Some(_)) => Verdict::Mode,
                (false, None) => precheck::judge(request, &self.policy()),
            };
            return verdict.respond(request, Some(date));
        }
        let health = if self.draining { Health::Draining } else { Health::Serving };
        self.site.respond(request, health, Some(date))
    }

    /// The Date field of a response.
    fn date(&self) -> String {
        self.out.now().http_date()
    }

    /// `method` is that of the request, if it could be read.
    fn refuse_request(
        &mut self,
        id: ClientId,
        error: HttpError,
        method: Option<Method>,
        date: &str,
    ) -> Option<usize> {
        debug!("{}: {error}", self.clients[id.index()].peer);
        self.note_browser(id);
        self.out.append(id, &error.response(method, Some(date)).to_bytes());
        self.give_up(id, CloseReason::Done)
    }

    /// Parts with a client; what is left of its input is of no interest.
    fn give_up(&mut self, id: ClientId, reason: CloseReason) -> Option<usize> {
        self.close(id, reason);
        None
    }

    // ---- Silence ----

    /// Something has come from this client.
    pub(super) fn heard(&mut self, id: ClientId) {
        if let Wire::WebSocket(websocket) = &mut self.clients[id.index()].wire {
            websocket.hear(self.out.now().ms);
        }
    }

    /// A part of a head has come, and nothing before it; or what comes after all is said.
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
        let limits = self.settings.limits;
        // Whoever has to read its answers first is not read from.
        let waiting = client.reading != Reading::Idle;
        let is_kept = http.answered && client.inbox.is_empty();
        let patience = if is_kept { limits.keep_alive_ms } else { limits.head_ms };
        let deadline = if waiting { now.ms } else { http.since } + patience;
        if now.ms < deadline {
            // A head may begin meanwhile, and then has less time than a connection between two
            // requests.
            return self.timers.push(deadline.min(now.ms + limits.head_ms), id, Due::Head);
        }
        if client.inbox.is_empty() {
            self.give_up(id, CloseReason::Done);
        } else {
            let date = self.date();
            let method = begins_with_head(self.clients[id.index()].inbox.as_mut_slice())
                .then_some(Method::Head);
            self.refuse_request(id, HttpError::TIMEOUT, method, &date);
        }
    }

    /// Pings a WebSocket client that has been silent, and parts with one that does not answer.
    pub(super) fn check_idle(&mut self, id: ClientId) {
        let limits = self.settings.limits;
        let now = self.out.now().ms;
        let client = &mut self.clients[id.index()];
        // Whoever has to wait, or has just ceased to, has not been read from: it may have said
        // something.
        let waiting = client.reading != Reading::Idle;
        let (Wire::WebSocket(websocket), Lifecycle::Open) = (&mut client.wire, client.lifecycle)
        else {
            return;
        };
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
        self.give_up(id, CloseReason::Silent);
    }
}
