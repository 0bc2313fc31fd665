//! What the server needs of a byte stream.

use std::io::{self, Read, Write};

/// What the server needs of a connection; sockets in production, scripts in tests.
///
/// Both directions are non-blocking. A read that fills less than the buffer it was given, and a
/// write that takes less than it was offered, mean what they mean for an edge-triggered epoll
/// (epoll(7), question 9): the other side has to do something first, and readiness is reported
/// again when it has. The end of the input is the exception: it can be reported together with the
/// bytes before it, as [`crate::server::Server::input_ended`], and only once.
///
/// A stream may hold bytes that it has taken and its socket has not, as TLS does. Then it *wants to
/// write*: [`Write::flush`] passes them on, and fails with `WouldBlock` while the socket takes no
/// more. A write that takes less than it was offered may then also mean that the stream is full and
/// has to be flushed; a flush that succeeds has made room.
pub trait Stream: Read + Write {
    /// Ends the writing half: the peer reads the end of the stream after what was written. Only
    /// called of a stream that wants to write nothing.
    ///
    /// # Errors
    /// What the socket says; the connection is over then.
    fn shutdown_write(&mut self) -> io::Result<()>;

    /// Writes what nothing follows. Once all of it is taken, the writing half is ended or the stream
    /// is dropped, at once: it may be kept for the end to go along.
    ///
    /// # Errors
    /// Those of [`Write::write`].
    fn write_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }

    /// Whether the stream holds bytes that its socket has not taken.
    fn wants_write(&self) -> bool {
        false
    }

    /// Whether bytes can be carried, both ways; goes on with what has to be done for that. Called
    /// after accept, and with each readiness until it is `true`. Nothing is read or written before.
    ///
    /// # Errors
    /// It never will be. The end of the input before that is an error too.
    fn is_established(&mut self) -> io::Result<bool> {
        Ok(true)
    }

    /// Whether the stream holds input, or its end, that no readiness will be reported of: it has
    /// to be read again.
    fn holds_input(&self) -> bool {
        false
    }

    /// Whether the input has ended in a way that may have cut off what came last.
    fn is_cut(&self) -> bool {
        false
    }

    /// Whether nobody between can read or change what it carries.
    fn is_protected(&self) -> bool {
        false
    }

    /// What it holds of bytes in either direction, in bytes of memory. It counts them in the
    /// account itself.
    fn held_bytes(&self) -> usize {
        0
    }

    /// What it has done beside passing bytes on since this was last asked, such as decrypting: as
    /// work, of which serving or encoding a byte is one. It takes time from the others' turn.
    fn take_work(&mut self) -> u64 {
        0
    }
}
