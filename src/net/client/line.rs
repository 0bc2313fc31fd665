//! The line to a server: a socket, with TLS on it or without.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustls::ClientConnection;
use socket2::{SockRef, TcpKeepalive};

use super::destination::Destination;
use super::tls::{self, Trust};
use super::{ClientError, lost};

/// How long each address of a name is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A server that is silent for so long is asked whether it is there, and so often (as the server asks
/// its clients).
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(5);
const KEEPALIVE_PROBES: u32 = 3;

/// A line that waits for nothing: who reads and writes polls before.
pub struct Line {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Line {
    pub fn connect(to: &Destination, trust: &Trust) -> Result<Line, ClientError> {
        let tls = match to.is_tls {
            true => Some(Box::new(tls::begin(&to.host, trust)?)),
            false => None,
        };
        let failed = |error| ClientError::Connect { to: to.clone(), error };
        let socket = connect(to).map_err(failed)?;
        let keepalive =
            TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
        #[cfg(not(target_os = "openbsd"))]
        let keepalive = keepalive.with_retries(KEEPALIVE_PROBES);
        SockRef::from(&socket).set_tcp_keepalive(&keepalive).map_err(failed)?;
        // A key is not to wait for the next one.
        socket.set_nodelay(true).map_err(failed)?;
        socket.set_nonblocking(true).map_err(failed)?;
        Ok(Line { socket, tls })
    }

    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// What has come; 0 at the end, and [`ErrorKind::WouldBlock`] while there is nothing.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ClientError> {
        let Some(tls) = &mut self.tls else { return self.socket.read(buffer).map_err(lost) };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read.map_err(lost),
            }
            tls.read_tls(&mut self.socket).map_err(lost)?;
            if let Err(error) = tls.process_new_packets() {
                // The server is told why, if it takes that.
                let _ = tls.write_tls(&mut self.socket);
                return Err(ClientError::Tls(error));
            }
        }
    }

    /// Takes some of `bytes`; 0 while it can take none.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, ClientError> {
        let written = match &mut self.tls {
            None => self.socket.write(bytes),
            Some(tls) => tls.writer().write(bytes),
        };
        let written = written.or_else(none_yet).map_err(lost)?;
        self.flush()?;
        Ok(written)
    }

    /// Whether it is to be written to as soon as the socket takes something; `has_more`: there is
    /// something that it has not taken. TLS takes what there is when the handshake is over.
    pub fn wants_write(&self, has_more: bool) -> bool {
        self.tls.as_ref().map_or(has_more, |tls| tls.wants_write())
    }

    pub fn flush(&mut self) -> Result<(), ClientError> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        while tls.wants_write() {
            if tls.write_tls(&mut self.socket).or_else(none_yet).map_err(lost)? == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Nothing more will be written; what has been is. `false`: it cannot be said yet.
    pub fn end(&mut self) -> Result<bool, ClientError> {
        match &mut self.tls {
            Some(tls) if tls.is_handshaking() => return Ok(false),
            Some(tls) => {
                tls.send_close_notify();
                self.flush()?;
            }
            // The server may have ended it already.
            None => self.socket.shutdown(Shutdown::Write).unwrap_or_default(),
        }
        Ok(true)
    }
}

fn none_yet(error: io::Error) -> io::Result<usize> {
    if error.kind() == ErrorKind::WouldBlock { Ok(0) } else { Err(error) }
}

fn connect(to: &Destination) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(ErrorKind::NotFound, "this name has no address");
    for address in (to.host.as_str(), to.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(socket) => return Ok(socket),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}
