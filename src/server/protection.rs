//! TLS on the port that speaks everything: which connections go on with it, and which may go
//! without.

use std::fmt::Debug;
use std::io;
use std::net::IpAddr;

use clap::ValueEnum;

use super::Server;
use super::proxied::Sender;
use super::stream::Stream;
use crate::ids::ClientId;
use crate::memory::MemoryAccount;
use crate::server::admission::is_local;
use crate::server::timers::Due;
use crate::service::Service;
use crate::wire::close::CloseReason;
use crate::wire::detect::Foreign;
use crate::wire::http::forwarded::{self, Scheme};
use crate::wire::http::{Request, origin};

/// Has streams go on with TLS.
pub trait BeginTls<S>: Debug {
    /// Puts TLS on a stream that has carried these bytes, the first of a handshake. It has to be
    /// established anew then. What it holds from then on counts in this account.
    ///
    /// # Errors
    /// It cannot be had; the connection is over.
    fn begin(&mut self, stream: &mut S, received: &[u8], account: &MemoryAccount)
    -> io::Result<()>;
}

/// Who may go without TLS where it can be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Plain {
    /// Everybody.
    #[default]
    Any,
    /// Those at loopback and private addresses.
    Local,
    /// Nobody.
    Off,
}

impl Plain {
    /// Whether somebody from there may.
    pub fn admits(self, ip: IpAddr) -> bool {
        match self {
            Plain::Any => true,
            Plain::Local => is_local(ip),
            Plain::Off => false,
        }
    }
}

impl<S: Stream, A: Service> Server<S, A> {
    /// Has connections go on with TLS from now on whose first bytes are TLS.
    pub fn set_tls(&mut self, tls: Box<dyn BeginTls<S>>) {
        self.tls = Some(tls);
    }

    /// Whether a connection may turn out to be TLS.
    pub(super) fn may_begin_tls(&self, id: ClientId) -> bool {
        self.tls.is_some() && !self.connections[id.index()].stream.is_protected()
    }

    /// Whether what a connection carries is taken as it is.
    pub(super) fn is_taken_plain(&self, id: ClientId) -> bool {
        let connection = &self.connections[id.index()];
        connection.is_protected() || self.settings.plain.admits(connection.peer().ip())
    }

    /// Whether a request is taken as it comes. A proxy says whether it came to the proxy by TLS.
    pub(super) fn is_request_taken(&self, id: ClientId, sender: &Sender) -> bool {
        match sender.scheme {
            Some(Scheme::Https) => true,
            Some(Scheme::Http) => self.settings.plain.admits(sender.peer().ip()),
            None => self.is_taken_plain(id),
        }
    }

    /// Whether nobody can read what a terminal sends on its way here.
    pub(super) fn is_private_line(&self, id: ClientId) -> bool {
        let connection = &self.connections[id.index()];
        let peer = connection.peer();
        self.settings.insecure_logins
            || connection.stream.is_protected()
            || peer.is_unix()
            || peer.ip().is_loopback()
    }

    /// The same of who has sent a request. What comes from this machine may have been forwarded by a
    /// proxy that says nothing, or by somebody's browser for a page that has its name point here:
    /// all that the request says has to be of this machine, too.
    pub(super) fn is_private_request(
        &self,
        id: ClientId,
        sender: &Sender,
        request: &Request<'_>,
    ) -> bool {
        if self.settings.insecure_logins || self.connections[id.index()].stream.is_protected() {
            return true;
        }
        let page = request.single("origin").ok().flatten();
        let has_page = request.values("origin").next().is_some();
        match sender.scheme {
            Some(scheme) => scheme == Scheme::Https,
            None if page.is_some_and(|page| {
                origin::is_https(page) && origin::is_same(page, request.host, None)
            }) =>
            {
                true
            }
            None => {
                let is_here = sender.proxy.is_unix() || sender.proxy.ip().is_loopback();
                is_here
                    && !forwarded::is_marked(request)
                    && origin::is_loopback(request.host)
                    && (!has_page || page.is_some_and(origin::is_of_loopback))
            }
        }
    }

    /// It speaks TLS, or seems to: begins with that, or else it speaks another protocol. What has
    /// been sent something has read that as an answer to it, and cannot begin any more.
    pub(super) fn begin_tls(&mut self, id: ClientId) {
        let connection = &self.connections[id.index()];
        let is_first = connection.inbox.as_slice().first() == Some(&0x16);
        if !self.may_begin_tls(id) || !is_first || connection.wire.was_sent() {
            return self.refuse(id, CloseReason::Foreign(Foreign::Tls));
        }
        self.dismiss_from_service(id);
        self.out.forget(id);
        self.out.release(id);
        let (now, mode) = (self.out.now().ms, self.service.line_mode());
        let connection = &mut self.connections[id.index()];
        let received = connection.inbox.take_bytes();
        let Some(tls) = &mut self.tls else { return };
        let begun = tls.begin(&mut connection.stream, &received, self.out.account());
        connection.inbox.clear();
        connection.establish_anew(mode, now);
        self.timers.push(now + self.settings.limits.establish_ms, id, Due::Establish);
        match begun {
            Ok(()) => self.read_again(id),
            Err(error) => self.gone(id, &error),
        }
    }
}
