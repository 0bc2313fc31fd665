//! TLS: a socket that may carry it, what one client's TLS holds, and the certificate.
//!
//! A connection begins in plain. When its first bytes turn out to be TLS, an [`Acceptor`] puts a
//! [`session::Session`] between its socket and the server, which tells apart what is inside as if
//! it had just been connected.

mod buffers;
pub mod certificate;
mod session;

use std::cell::RefCell;
use std::io::{self, IoSlice, Read, Write};
use std::rc::Rc;
use std::sync::Arc;

use mio::event::Source;
use mio::{Interest, Registry, Token};
use rustls::ServerConfig;

use crate::memory::MemoryAccount;
use crate::net::stream::Socket;
use crate::net::tls::buffers::Scratch;
use crate::net::tls::session::Session;
use crate::server::protection::BeginTls;
use crate::server::stream::Stream;

/// A socket, with TLS on it if its client has begun with that: one that is plain holds one null
/// pointer more for it.
#[derive(Debug)]
pub struct MaybeTls {
    socket: Socket,
    session: Option<Box<Session>>,
}

impl From<Socket> for MaybeTls {
    fn from(socket: Socket) -> MaybeTls {
        MaybeTls { socket, session: None }
    }
}

impl MaybeTls {
    /// What it reads from and writes to.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }
}

impl Read for MaybeTls {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.session {
            None => self.socket.read(buffer),
            Some(session) => session.read(&mut self.socket, buffer),
        }
    }
}

impl Write for MaybeTls {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.session {
            None => self.socket.write(bytes),
            Some(session) => session.write(&mut self.socket, &[IoSlice::new(bytes)]),
        }
    }

    #[inline]
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match &mut self.session {
            None => self.socket.write_vectored(slices),
            Some(session) => session.write(&mut self.socket, slices),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.session {
            None => self.socket.flush(),
            Some(session) => session.flush(&mut self.socket),
        }
    }
}

impl Stream for MaybeTls {
    fn write_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.session {
            None => self.socket.write_last(bytes),
            Some(_) => self.write(bytes),
        }
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        if let Some(session) = &mut self.session {
            session.say_goodbye(&mut self.socket);
        }
        self.socket.shutdown_write()
    }

    #[inline]
    fn wants_write(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.wants_write())
    }

    #[inline]
    fn holds_input(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.holds_input())
    }

    fn is_established(&mut self) -> io::Result<bool> {
        match &mut self.session {
            None => self.socket.is_established(),
            Some(session) => session.shake_hands(&mut self.socket),
        }
    }

    #[inline]
    fn is_protected(&self) -> bool {
        self.session.is_some()
    }

    fn held_bytes(&self) -> usize {
        self.session.as_ref().map_or(0, |session| session.held_bytes())
    }

    fn is_cut(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_cut())
    }

    #[inline]
    fn take_work(&mut self) -> u64 {
        self.session.as_mut().map_or(0, |session| session.take_work())
    }
}

impl Source for MaybeTls {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        self.socket.register(registry, token, interests)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        self.socket.reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.socket.deregister(registry)
    }
}

/// Begins TLS on connections.
#[derive(Debug)]
pub struct Acceptor {
    config: Arc<ServerConfig>,
    scratch: Rc<RefCell<Scratch>>,
}

impl Acceptor {
    fn new(config: Arc<ServerConfig>, scratch: Rc<RefCell<Scratch>>) -> Acceptor {
        Acceptor { config, scratch }
    }
}

impl BeginTls<MaybeTls> for Acceptor {
    fn begin(
        &mut self,
        stream: &mut MaybeTls,
        received: &[u8],
        account: &MemoryAccount,
    ) -> io::Result<()> {
        let config = Arc::clone(&self.config);
        let scratch = Rc::clone(&self.scratch);
        let session = Session::new(config, scratch, received, account.entry());
        stream.session = Some(Box::new(session.map_err(io::Error::other)?));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
