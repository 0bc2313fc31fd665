//! How a rejected connection is told why.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use log::info;

use crate::clock::{Millis, Now};
use crate::ids::Peer;
use crate::server::admission::Rejection;
use crate::server::stream::Stream;
use crate::wire::Protocols;
use crate::wire::detect::{Detected, Foreign, Payload, detect};
use crate::wire::proxy::without_header;

/// Connections that wait for their answer: they fit in the descriptors that are kept from clients.
/// When there are more, the first no longer waits, so that a flood finds nothing to fill.
const WAITING_MAX: usize = 16;
/// A client that speaks first does so as soon as it is connected; a lost packet apart, that is a
/// matter of microseconds.
const WAIT_MS: Millis = 100;
/// Read of what a rejected client has sent; a browser's request is smaller.
const ARRIVED_BYTES_MAX: usize = 4096;

/// Rejects connections, and logs it.
///
/// Invariant: at most `WAITING_MAX` are `waiting`, in the order of their times.
#[derive(Debug)]
pub struct Rejections<S> {
    protocols: Protocols,
    speaks_tls: bool,
    waiting: VecDeque<Waiting<S>>,
}

/// A connection that has not shown yet whether it speaks HTTP or TLS.
#[derive(Debug)]
struct Waiting<S> {
    stream: S,
    rejection: Rejection,
    until: Millis,
}

impl<S: Stream> Rejections<S> {
    pub fn new(protocols: Protocols, speaks_tls: bool) -> Rejections<S> {
        Rejections { protocols, speaks_tls, waiting: VecDeque::new() }
    }

    /// Answers a connection and closes it. A few are kept for a moment: a request, or a handshake of
    /// TLS, comes just after its connection, and its sender makes nothing of a line.
    pub fn reject(&mut self, mut stream: S, peer: SocketAddr, rejection: Rejection, now: Now) {
        info!("{}: refused: {rejection} ({})", Peer::from(peer), rejection.limit());
        let mut arrived = [0; ARRIVED_BYTES_MAX];
        match stream.read(&mut arrived) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.may_wait(rejection) => {
                if self.waiting.len() == WAITING_MAX {
                    self.answer_first(now);
                }
                self.waiting.push_back(Waiting { stream, rejection, until: now.ms + WAIT_MS });
            }
            read => self.answer(stream, rejection, &arrived[..read.unwrap_or(0)], now),
        }
    }

    /// Answers those that have waited long enough.
    pub fn answer_due(&mut self, now: Now) {
        while self.next_deadline().is_some_and(|at| at <= now.ms) {
            self.answer_first(now);
        }
    }

    /// When the next one has waited long enough.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.waiting.front().map(|waiting| waiting.until)
    }

    /// Answers all that wait.
    pub fn answer_all(&mut self, now: Now) {
        while !self.waiting.is_empty() {
            self.answer_first(now);
        }
    }

    /// Whether a request or a handshake may come, to be read and answered, and there is a descriptor
    /// to wait with.
    fn may_wait(&self, rejection: Rejection) -> bool {
        let may_come = self.protocols != Protocols::Line || self.speaks_tls;
        may_come && rejection != Rejection::OutOfDescriptors
    }

    fn answer_first(&mut self, now: Now) {
        let Some(Waiting { mut stream, rejection, .. }) = self.waiting.pop_front() else { return };
        let mut arrived = [0; ARRIVED_BYTES_MAX];
        let count = stream.read(&mut arrived).unwrap_or(0);
        self.answer(stream, rejection, &arrived[..count], now);
    }

    /// Nothing is kept of the connection, so this is one attempt and no more. What it has sent was
    /// read before: closing with unread input would reset the connection and lose the answer.
    fn answer(&self, mut stream: S, rejection: Rejection, arrived: &[u8], now: Now) {
        let answer = render(rejection, self.protocols, arrived, &now.http_date());
        let _: io::Result<usize> = stream.write(&answer);
        let _: io::Result<()> = stream.shutdown_write();
    }
}

/// The answer to a connection that has sent these first bytes: an alert to TLS, which all clients of
/// TLS begin with, a response to a request, or else a line.
fn render(rejection: Rejection, protocols: Protocols, arrived: &[u8], date: &str) -> Vec<u8> {
    // Whatever a proxy says of its client, it is this one that is answered.
    let arrived = without_header(arrived);
    let detected = detect(arrived, Payload::Text);
    if detected == Detected::Foreign(Foreign::Tls) {
        return Rejection::TLS_ALERT.to_vec();
    }
    let speaks_http = match protocols {
        Protocols::Auto => detected == Detected::Http,
        Protocols::Line => false,
        Protocols::Http => true,
    };
    if !speaks_http {
        return rejection.line().into_bytes();
    }
    rejection.response(arrived.starts_with(b"HEAD "), date)
}

#[cfg(test)]
mod tests;
