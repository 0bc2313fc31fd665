//! What the server needs of a byte stream.

use std::io::{Read, Write};

/// What the server needs of a connection; sockets in production, scripts in tests.
///
/// Both directions are non-blocking. A read that fills less than the buffer it was given, and a
/// write that takes less than it was offered, mean what they mean for an edge-triggered epoll
/// (epoll(7), question 9): the other side has to do something first, and whoever drives the server
/// reports readiness again when it has. The end of the input is the exception: it can be reported
/// together with the bytes before it, as [`crate::server::Server::input_ended`], and only once.
pub trait Stream: Read + Write {
    /// Ends the writing half: the peer reads the end of the stream after what was written.
    fn shutdown_write(&mut self) -> std::io::Result<()>;
}
