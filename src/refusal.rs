//! Why a connection is not taken in, and how its peer is told.

use std::fmt;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};

use log::info;

use crate::client::Stream;
use crate::clock::Now;
use crate::config::Listen;
use crate::throttle::{Rate, TokenBucket};
use crate::wire::http::{FirstBytes, HttpError, looks_like_http};

/// Lines of the log about refusals: enough to tell an incident from its beginning, and then one a second, so that a flood of
/// connections is none of lines.
const LINES: (u32, u32) = (1000, 1);

/// Why a connection is not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `--max-clients`, or what the limit of open files allows.
    Full,
    /// The process, or the system, has no descriptor left.
    OutOfDescriptors,
    /// `--max-clients-per-address`.
    AddressFull,
    /// `--connect-rate`.
    AddressTooFast,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Full => "this server has as many clients as it can take",
            Refusal::OutOfDescriptors => "this server is out of file descriptors",
            Refusal::AddressFull => "your address has as many clients here as it may have",
            Refusal::AddressTooFast => "your address connects too often",
        })
    }
}

impl Refusal {
    /// The limit that an operator can change.
    fn limit(self) -> &'static str {
        match self {
            Refusal::Full => "--max-clients, open files",
            Refusal::OutOfDescriptors => "open files",
            Refusal::AddressFull => "--max-clients-per-address",
            Refusal::AddressTooFast => "--connect-rate",
        }
    }

    /// The answer to one who has sent these first bytes: a response to a request, or else a line.
    fn answer(self, listen: Listen, arrived: &[u8], date: &str) -> Vec<u8> {
        let speaks_http = match listen {
            Listen::Auto => looks_like_http(arrived) == FirstBytes::Http,
            Listen::Line => false,
            Listen::Http => true,
        };
        if !speaks_http {
            return format!("! {self}; try again later\n").into_bytes();
        }
        let error = match self {
            Refusal::Full | Refusal::OutOfDescriptors => HttpError::FULL,
            Refusal::AddressFull | Refusal::AddressTooFast => HttpError::TOO_MANY,
        };
        error.response(Some(date)).to_bytes()
    }
}

/// The door: turns connections away, and notes it.
#[derive(Debug)]
pub struct Refusals {
    listen: Listen,
    rate: Rate,
    lines: TokenBucket,
    /// Refused since the last line in the log.
    untold: u64,
}

impl Refusals {
    pub fn new(listen: Listen) -> Refusals {
        let (burst, per_second) = LINES;
        let rate = Rate::limited(burst, per_second).expect("both are in range");
        Refusals { listen, rate, lines: TokenBucket::default(), untold: 0 }
    }

    /// Tells a client why it can not come in. Nothing is kept of it, so this is one attempt and no more: whoever sends its
    /// request later than it connects gets the line, and perhaps a reset.
    pub fn refuse(&mut self, mut stream: impl Stream, peer: SocketAddr, refusal: Refusal, now: Now) {
        if let Some(untold) = self.note(now) {
            let besides = if untold > 0 { format!("; {untold} others before it") } else { String::new() };
            info!("{peer}: refused: {refusal} ({}){besides}", refusal.limit());
        }
        let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(now.unix_ms));
        let mut arrived = [0; 4096];
        // What it has already sent is read first: closing with unread input would reset the connection and lose the answer.
        let count = stream.read(&mut arrived).unwrap_or(0);
        let _: io::Result<usize> = stream.write(&refusal.answer(self.listen, &arrived[..count], &date));
        let _: io::Result<()> = stream.shutdown_write();
    }

    /// Whether this refusal has a line in the log: how many had none since the last one.
    fn note(&mut self, now: Now) -> Option<u64> {
        match self.lines.try_take(now.ms, &self.rate) {
            Ok(()) => Some(mem::take(&mut self.untold)),
            Err(_) => {
                self.untold += 1;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Refusal; 4] = [Refusal::Full, Refusal::OutOfDescriptors, Refusal::AddressFull, Refusal::AddressTooFast];
    const DATE: &str = "Sun, 22 Nov 2026 15:18:35 GMT";

    fn at(ms: u64) -> Now {
        Now { ms, unix_ms: 0 }
    }

    fn answer(refusal: Refusal, listen: Listen, arrived: &[u8]) -> String {
        String::from_utf8(refusal.answer(listen, arrived, DATE)).expect("text")
    }

    #[test]
    fn whoever_has_not_sent_a_request_is_told_in_a_line() {
        for refusal in ALL {
            for arrived in [&b""[..], b"hello\r\n", b"GE", b"GET", b"get / HTTP/1.1\r\n", b"\xFF\xFD\x01"] {
                let line = answer(refusal, Listen::Auto, arrived);
                assert_eq!(line, format!("! {refusal}; try again later\n"));
            }
            let line = answer(refusal, Listen::Line, b"GET / HTTP/1.1\r\n");
            assert_eq!(line, format!("! {refusal}; try again later\n"));
        }
    }

    #[test]
    fn a_request_is_answered_with_a_response() {
        for (refusal, status) in ALL.into_iter().zip([503, 503, 429, 429]) {
            for (listen, arrived) in [
                (Listen::Auto, &b"GET /?name=alice HTTP/1.1\r\nUpg"[..]),
                (Listen::Auto, b"POST "),
                (Listen::Http, b""),
            ] {
                let response = answer(refusal, listen, arrived);
                let (head, body) = response.split_once("\r\n\r\n").expect("a head");
                assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
                for field in ["Retry-After: 10", "Connection: close", &format!("Date: {DATE}")] {
                    assert!(head.lines().any(|line| line == field), "no {field} in {head}");
                }
                assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
                assert!(body.contains("try again later"), "{body}");
            }
        }
    }

    #[test]
    fn a_flood_of_connections_is_none_of_lines() {
        let mut refusals = Refusals::new(Listen::Auto);
        let told: Vec<u64> = (0..50_000).filter_map(|_| refusals.note(at(7))).collect();
        assert_eq!(told, [0; 1000], "the beginning is told one by one");
        assert_eq!(refusals.note(at(1007)), Some(49_000), "then the others are counted");
        assert_eq!(refusals.note(at(1007)), None);
        let later = (2000..62_000).filter_map(|ms| refusals.note(at(ms)));
        assert_eq!(later.count(), 60, "one a second");
    }
}
