//! Why a connection is not taken in, and how its peer is told.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use log::info;
use thiserror::Error;

use crate::clock::{Millis, Now};
use crate::server::stream::Stream;
use crate::wire::Protocols;
use crate::wire::detect::{Detected, Payload, detect};
use crate::wire::http::{HttpError, Method};

/// Connections that wait to be told: they fit in the descriptors that are kept from clients. When
/// there are more, the first no longer waits, so that a flood finds nothing to fill.
const WAITING_MAX: usize = 16;
/// A client that speaks first does so as soon as it is connected; a lost packet apart, that is a
/// matter of microseconds.
const WAIT_MS: Millis = 100;
/// Read of what a refused client has sent; a browser's request is smaller.
const ARRIVED_BYTES_MAX: usize = 4096;

/// Why a connection is not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// `--max-clients`, or what the limit of open files allows.
    #[error("this server has as many clients as it can take")]
    Full,
    /// The process, or the system, has no descriptor left.
    #[error("this server is out of file descriptors")]
    OutOfDescriptors,
    /// `--max-clients-per-address`.
    #[error("your address has as many clients here as it may have")]
    AddressFull,
    /// `--connect-rate`.
    #[error("your address connects too often")]
    AddressTooFast,
}

impl Rejection {
    /// The limit that an operator can change.
    fn limit(self) -> &'static str {
        match self {
            Rejection::Full => "--max-clients, open files",
            Rejection::OutOfDescriptors => "open files",
            Rejection::AddressFull => "--max-clients-per-address",
            Rejection::AddressTooFast => "--connect-rate",
        }
    }

    /// The answer to one who has sent these first bytes: a response to a request, or else a line.
    fn answer(self, protocols: Protocols, arrived: &[u8], date: &str) -> Vec<u8> {
        let speaks_http = match protocols {
            Protocols::Auto => detect(arrived, Payload::Text) == Detected::Http,
            Protocols::Line => false,
            Protocols::Http => true,
        };
        if !speaks_http {
            return format!("! {self}; try again later\n").into_bytes();
        }
        let error = match self {
            Rejection::Full | Rejection::OutOfDescriptors => HttpError::FULL,
            Rejection::AddressFull | Rejection::AddressTooFast => HttpError::TOO_MANY,
        };
        let method = arrived.starts_with(b"HEAD ").then_some(Method::Head);
        error.response(method, Some(date)).to_bytes()
    }
}

/// Turns connections away, and notes it.
///
/// Invariant: at most `WAITING_MAX` are `waiting`, in the order of their times.
#[derive(Debug)]
pub struct Rejections<S> {
    protocols: Protocols,
    waiting: VecDeque<Waiting<S>>,
}

/// One that has not shown yet in which manner it is to be told.
#[derive(Debug)]
struct Waiting<S> {
    stream: S,
    refusal: Rejection,
    until: Millis,
}

impl<S: Stream> Rejections<S> {
    pub fn new(protocols: Protocols) -> Rejections<S> {
        Rejections { protocols, waiting: VecDeque::new() }
    }

    /// Tells a client why it cannot come in, and closes the connection. A few are kept for a
    /// moment: a request comes just after its connection, and its sender makes nothing of a line.
    pub fn refuse(&mut self, mut stream: S, peer: SocketAddr, refusal: Rejection, now: Now) {
        info!("{peer}: refused: {refusal} ({})", refusal.limit());
        let mut arrived = [0; ARRIVED_BYTES_MAX];
        match stream.read(&mut arrived) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.may_wait(refusal) => {
                if self.waiting.len() == WAITING_MAX {
                    self.tell_first(now);
                }
                self.waiting.push_back(Waiting { stream, refusal, until: now.ms + WAIT_MS });
            }
            read => self.tell(stream, refusal, &arrived[..read.unwrap_or(0)], now),
        }
    }

    /// Tells those who have waited long enough.
    pub fn turn(&mut self, now: Now) {
        while self.next_deadline().is_some_and(|at| at <= now.ms) {
            self.tell_first(now);
        }
    }

    /// When the next one has waited long enough.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.waiting.front().map(|waiting| waiting.until)
    }

    /// Tells all who wait.
    pub fn finish(&mut self, now: Now) {
        while !self.waiting.is_empty() {
            self.tell_first(now);
        }
    }

    /// Whether a request may come, to be read and answered, and there is a descriptor to wait with.
    fn may_wait(&self, refusal: Rejection) -> bool {
        self.protocols != Protocols::Line && refusal != Rejection::OutOfDescriptors
    }

    fn tell_first(&mut self, now: Now) {
        let Some(Waiting { mut stream, refusal, .. }) = self.waiting.pop_front() else { return };
        let mut arrived = [0; ARRIVED_BYTES_MAX];
        let count = stream.read(&mut arrived).unwrap_or(0);
        self.tell(stream, refusal, &arrived[..count], now);
    }

    /// Nothing is kept of the client, so this is one attempt and no more. What it has sent was read
    /// before: closing with unread input would reset the connection and lose the answer.
    fn tell(&self, mut stream: S, refusal: Rejection, arrived: &[u8], now: Now) {
        let date = now.http_date();
        let _: io::Result<usize> = stream.write(&refusal.answer(self.protocols, arrived, &date));
        let _: io::Result<()> = stream.shutdown_write();
    }
}

#[cfg(test)]
mod tests;
