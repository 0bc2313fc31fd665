//! HTTP requests: for the page, for our health, and for a WebSocket.

use std::net::SocketAddr;

use bytes::Bytes;
use log::{debug, info, warn};

use super::Server;
use super::connection::Standing;
use super::proxied::Sender;
use super::ready::Part;
use super::stream::Stream;
use crate::delivery::Wait;
use crate::delivery::encoding::{Compression, Encoding, Framing};
use crate::ids::ClientId;
use crate::server::admission::Rejection;
use crate::server::monitoring::METRICS;
use crate::server::protection::Plain;
use crate::service::{Hello, Service};
use crate::site::{HEALTH, Health, READY};
use crate::wire::close::CloseReason;
use crate::wire::http::precheck::{self, Verdict};
use crate::wire::http::public_url::Inside;
use crate::wire::http::response::Body;
use crate::wire::http::{HttpError, Method, Persistence, Request, Response, events, hook};
use crate::wire::websocket::handshake::{self, Policy, RefusedPage, Upgrade};

/// For a year a browser asks for nothing of this host without TLS (RFC 6797): said only where
/// nothing is to be had without.
const HSTS: &str = "max-age=31536000";

impl<S: Stream, A: Service> Server<S, A> {
    /// Answers a request in its turn; `is_all` says that nothing is behind it in the input. `false`: it is not
    /// its turn.
    pub(super) fn serve_request(
        &mut self,
        id: ClientId,
        mut request: Box<Request<'_>>,
        is_all: bool,
    ) -> bool {
        let is_upgrade = handshake::is_upgrade(&request);
        // Who comes is told much: what is said by those who are here comes first.
        let is_stream = request.path.ends_with(events::PATH);
        if self.visit.part == Part::First && (is_upgrade || is_stream) {
            self.wait(id, Wait::Others);
            return false;
        }
        if is_all && self.visit.has_read_all && request.is_last() && !is_upgrade && !is_stream {
            self.connections[id.index()].end_input();
        }
        let is_served = self.answer(id, &mut request);
        if is_served {
            self.visit.requests += 1;
            self.metrics.requests += 1;
        }
        is_served
    }

    /// Answers a request. `false`: something has to come first.
    fn answer(&mut self, id: ClientId, request: &mut Request<'_>) -> bool {
        let sender = self.sender(id, request);
        let date = self.out.now().http_date();
        let Some(place) = self.admit_sender(id, request, &sender, &date) else { return true };
        if !handshake::is_upgrade(request)
            && let Some(is_served) = self.answer_hook(id, request, &sender, &date)
        {
            return is_served;
        }
        self.answer_taken(id, request, place, &sender, &date);
        true
    }

    /// Where a request leads to, if it may lead anywhere; else it has been answered.
    fn admit_sender<'b>(
        &mut self,
        id: ClientId,
        request: &mut Request<'b>,
        sender: &Sender,
        date: &str,
    ) -> Option<Inside<'b>> {
        let whole_path = request.path;
        let place = self.settings.base_path.inside(whole_path);
        if let Inside::Ours(path) = place {
            request.path = path;
        }
        self.note_sender(id, request, sender);
        let connects =
            self.connections[id.index()].note_request() || handshake::is_upgrade(request);
        if let Some(client) = sender.client
            && let Err(rejection) = self.admit_request(client, connects)
        {
            self.note_rejection(id, client, rejection);
            self.refuse_request(id, rejection.http_error(), Some(request.method));
            return None;
        }
        // Who asks for a certificate may have none yet, or one that is over.
        if self.answer_challenge(id, request, date) {
            return None;
        }
        if place == Inside::Elsewhere {
            self.refuse_request(id, HttpError::ELSEWHERE, Some(request.method));
            return None;
        }
        if !self.is_request_taken(id, sender) {
            request.path = whole_path;
            self.redirect(id, request, date);
            return None;
        }
        Some(place)
    }

    fn answer_taken(
        &mut self,
        id: ClientId,
        request: &Request<'_>,
        place: Inside<'_>,
        sender: &Sender,
        date: &str,
    ) {
        if handshake::is_upgrade(request) {
            return self.answer_upgrade(id, request, sender, date);
        }
        if self.answer_metrics(id, request, sender, date) {
            return;
        }
        if place != Inside::WithoutSlash && self.is_for_stream(request) {
            if let Err(error) = self.begin_stream(id, request, sender, date) {
                self.refuse_request(id, error, Some(request.method));
            }
            return;
        }
        let answer = match place {
            Inside::WithoutSlash => Ok(self.redirect_to_base(request, date)),
            Inside::Ours(_) if self.is_about_cookie(request) => {
                self.answer_about_cookie(request, sender, date)
            }
            Inside::Ours(_) | Inside::Elsewhere => Ok(self.respond(request, sender, date)),
        };
        let mut response = match answer {
            Ok(response) => response,
            Err(error) => return self.refuse_request(id, error, Some(request.method)),
        };
        let is_protected = self.connections[id.index()].is_protected();
        if is_protected && self.settings.plain == Plain::Off {
            response.add_field("Strict-Transport-Security", HSTS);
        }
        self.out.append(id, &response.head);
        self.out.push(id, Bytes::from_static(response.body));
        if response.connection == Persistence::Close {
            self.close(id, CloseReason::Done);
        }
    }

    /// Notes that a browser may be where a request has come from. A monitor is none, nor is what
    /// posts to a hook.
    fn note_sender(&mut self, id: ClientId, request: &Request<'_>, sender: &Sender) {
        if [HEALTH, READY, METRICS, events::PATH].contains(&request.path)
            || hook::own_token(request.path).is_some()
        {
            return;
        }
        self.note_browser(id);
        if let Some(client) = sender.client {
            self.browsers.note(client.ip());
        }
    }

    /// Asks whether a proxy's client may ask. A further request on a connection is no new connection,
    /// whoever has sent the first one, unless it becomes a client of its own.
    fn admit_request(&mut self, client: SocketAddr, connects: bool) -> Result<(), Rejection> {
        match connects {
            true => self.admit(client, self.out.now()),
            false if !self.is_wanted(client.ip(), self.out.now()) => Err(Rejection::Banned),
            false => self.addresses.check_room(client.ip()),
        }
    }

    /// Answers a request that came without TLS and has to come with it: to the same port, which
    /// speaks both.
    fn redirect(&mut self, id: ClientId, request: &Request<'_>, date: &str) {
        let Request { host, path, query, .. } = *request;
        // `Host: :80` names no host either.
        if host.is_empty() || host.starts_with(':') || !path.starts_with('/') {
            return self.refuse_request(id, HttpError::TLS_ONLY, Some(request.method));
        }
        let mark = if query.is_empty() { "" } else { "?" };
        let location = format!("https://{host}{path}{mark}{query}");
        let fields = [
            ("Location", location.as_str()),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Cache-Control", "no-store"),
        ];
        let body = Body::of(request, HttpError::TLS_ONLY.sentence.as_bytes());
        let response = Response::new(308, &fields, body, Persistence::Close, Some(date));
        self.out.append(id, &response.to_bytes());
        self.close(id, CloseReason::Done);
    }

    /// Answers a request for a WebSocket.
    fn answer_upgrade(&mut self, id: ClientId, request: &Request<'_>, sender: &Sender, date: &str) {
        let is_private = self.is_private_request(id, sender, request);
        let upgraded = match self.draining {
            true => Err(HttpError::STOPPING),
            false => handshake::evaluate(request, &self.policy(sender), Some(date)),
        };
        let error = match upgraded {
            Ok(upgrade) => {
                if let Some(client) = sender.client {
                    self.set_peer(id, client);
                }
                return self.become_websocket(id, &upgrade, is_private);
            }
            Err(error) => error,
        };
        let peer = sender.peer();
        self.metrics.refused_upgrades.count(error);
        match error {
            HttpError::UPGRADE_ORIGIN | HttpError::UPGRADE_HOST => {
                let (is_loopback, scheme) = (self.is_loopback(sender), sender.scheme);
                let page = RefusedPage { request, error, is_loopback, scheme };
                warn!("{peer}: refused a page's WebSocket: {page}");
            }
            _ => info!("{peer}: refused a WebSocket: {error}"),
        }
        self.refuse_request(id, error, Some(request.method));
    }

    fn become_websocket(&mut self, id: ClientId, upgrade: &Upgrade, is_private: bool) {
        self.metrics.upgrades += 1;
        // A client with a smaller window than ours is sent nothing compressed: it could not refer
        // back far enough.
        let compressed = upgrade.deflate.is_some_and(|deflate| deflate.may_compress(usize::MAX));
        let compression = if compressed { Compression::Deflate } else { Compression::None };
        let connection = &mut self.connections[id.index()];
        let peer = connection.peer();
        let (subprotocol, credential) = (upgrade.subprotocol, upgrade.credential.as_deref());
        let (query, first_line) = (&upgrade.query, None);
        let hello = Hello { peer, subprotocol, query, credential, is_private, first_line };
        let was = connection.wire.kind();
        connection.wire.upgrade(upgrade, self.out.now().ms);
        self.wire_counts.change(was, &connection.wire);
        connection.set_standing(Standing::Known);
        self.set_wire_timeout(id);
        let dialect = self.service.dialect(&hello);
        self.out.append(id, &upgrade.response);
        self.out.set_encoding(id, Encoding { framing: Framing::WebSocket, compression, dialect });
        self.service.opened(id, &hello, &mut self.out);
        // What follows the request came in the same read, and waits like any other.
        if let Some(until) = self.waits(id) {
            self.wait(id, until);
        }
    }

    pub(super) fn policy(&self, sender: &Sender) -> Policy<'_> {
        Policy {
            allowed_origins: &self.settings.allowed_origins,
            is_loopback: self.is_loopback(sender),
            scheme: sender.scheme,
            subprotocols: self.service.subprotocols(),
            query_keys: self.service.query_keys(),
            deflate: self.settings.compress,
        }
    }

    /// Whether only this machine can have sent a request: no proxy has brought it from elsewhere.
    fn is_loopback(&self, sender: &Sender) -> bool {
        let is_here = sender.proxy.is_unix() || sender.proxy.ip().is_loopback();
        self.settings.is_loopback && is_here && !sender.is_forwarded
    }

    /// The response to a request that asks for no upgrade.
    fn respond(&self, request: &Request<'_>, sender: &Sender, date: &str) -> Response {
        if precheck::asks(request) {
            let verdict = match (self.draining, self.service.sentence()) {
                (true, _) => Verdict::Stopping,
                (false, Some(_)) => Verdict::Mode,
                (false, None) => precheck::judge(request, &self.policy(sender)),
            };
            return verdict.respond(request, Some(date));
        }
        let health = if self.draining { Health::Draining } else { self.service.health() };
        self.site.respond(request, health, Some(date))
    }

    /// Where the page is: its links go on from there. A reference without scheme and host is right
    /// whatever is in between.
    fn redirect_to_base(&self, request: &Request<'_>, date: &str) -> Response {
        let base = self.settings.base_path.as_str();
        let to = match request.query {
            "" => base.to_owned(),
            query => format!("{base}?{query}"),
        };
        Response::redirect(&to, request, Some(date))
    }

    /// `method` is that of the request, if it could be read.
    pub(super) fn refuse_request(
        &mut self,
        id: ClientId,
        error: HttpError,
        method: Option<Method>,
    ) {
        debug!("{}: {error}", self.connections[id.index()].peer());
        self.note_browser(id);
        let date = self.out.now().http_date();
        self.out.append(id, &error.response(method, Some(&date)).to_bytes());
        self.close(id, CloseReason::Done);
    }
}
