//! Sockets as the server sees them.
//!
//! On Linux they are read and written without the C library. There, a call that can wait is a place
//! where its thread may be cancelled, and in a process of several threads it takes two locked
//! instructions to say so and two to take it back: for an echo that is 1 % of its CPU time, as the
//! benchmark `echo-4x32` shows.

use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use mio::event::Source;
use mio::net::TcpStream;
#[cfg(unix)]
use mio::net::UnixStream;
use mio::{Interest, Registry, Token};

use crate::server::stream::Stream;

/// A connection of any kind.
#[derive(Debug)]
pub enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// Does the same with what is inside, of whatever kind it is.
macro_rules! each {
    ($socket:expr, $inner:ident => $act:expr) => {
        match $socket {
            Socket::Tcp($inner) => $act,
            #[cfg(unix)]
            Socket::Unix($inner) => $act,
        }
    };
}

impl AsFd for Socket {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        each!(self, socket => socket.as_fd())
    }
}

impl Socket {
    /// One that another process has had.
    ///
    /// # Errors
    /// It is no socket that could be read without waiting.
    pub fn handed_over(fd: OwnedFd, is_unix: bool) -> io::Result<Socket> {
        if is_unix {
            let socket = std::os::unix::net::UnixStream::from(fd);
            socket.set_nonblocking(true)?;
            return Ok(Socket::Unix(UnixStream::from_std(socket)));
        }
        let socket = std::net::TcpStream::from(fd);
        socket.set_nonblocking(true)?;
        Ok(Socket::Tcp(TcpStream::from_std(socket)))
    }

    pub fn is_unix(&self) -> bool {
        matches!(self, Socket::Unix(_))
    }
}

#[cfg(target_os = "linux")]
impl Read for Socket {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (count, _) = rustix::net::recv(self.as_fd(), buffer, rustix::net::RecvFlags::empty())?;
        Ok(count)
    }
}

#[cfg(target_os = "linux")]
impl Write for Socket {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::net::send(self.as_fd(), bytes, rustix::net::SendFlags::NOSIGNAL)?)
    }

    /// The signal that it may raise is ignored, as in every Rust program.
    #[inline]
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(rustix::io::writev(self.as_fd(), slices)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(not(target_os = "linux"))]
impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        each!(self, socket => socket.read(buffer))
    }
}

#[cfg(not(target_os = "linux"))]
impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        each!(self, socket => socket.write(bytes))
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        each!(self, socket => socket.write_vectored(slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        each!(self, socket => socket.flush())
    }
}

impl Stream for Socket {
    /// The kernel sends them in one packet with the end. A request with a connection of its own
    /// takes a tenth less CPU time for it (`http-close`, or `ab` without `-k`).
    #[cfg(target_os = "linux")]
    fn write_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let flags = rustix::net::SendFlags::NOSIGNAL | rustix::net::SendFlags::MORE;
        Ok(rustix::net::send(self.as_fd(), bytes, flags)?)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        each!(self, socket => socket.shutdown(Shutdown::Write))
    }
}

impl Source for Socket {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        each!(self, socket => socket.register(registry, token, interests))
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interests: Interest,
    ) -> io::Result<()> {
        each!(self, socket => socket.reregister(registry, token, interests))
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        each!(self, socket => socket.deregister(registry))
    }
}
