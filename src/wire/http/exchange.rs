//! A connection on which requests come, one after the other.

use super::{HeadParser, HttpError, Method, begins_with_head, hook};
use crate::clock::Millis;
use crate::wire::close::CloseReason;
use crate::wire::detect::{Foreign, is_simple_request};
use crate::wire::{Elapsed, Observed, Step, Timeouts};
use serde::{Deserialize, Serialize};

/// The client may send what it has announced.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A connection on which requests come.
#[derive(Debug, Serialize, Deserialize)]
pub struct Http {
    /// What has come of a head is parsed anew.
    #[serde(skip)]
    parser: HeadParser,
    /// A head has come, and its request is whole with so many bytes.
    awaited_bytes: usize,
    /// When the head that is under way began; before it, when the connection was made or last
    /// answered. While it lingers, when something last came.
    since: Millis,
    /// While it lingers: how long something may still come.
    linger_until: Option<Millis>,
    /// It is kept for the next request: one has been answered.
    answered: bool,
}

impl Http {
    pub fn new(now: Millis) -> Http {
        Http {
            parser: HeadParser::default(),
            awaited_bytes: 0,
            since: now,
            linger_until: None,
            answered: false,
        }
    }

    pub(in crate::wire) fn restored(&mut self, now: Millis) {
        self.since = now;
    }

    pub(in crate::wire) fn received(&mut self, now: Millis) {
        if self.linger_until.is_some() {
            self.since = now;
        }
    }

    pub(in crate::wire) fn step<'i, 's>(
        &mut self,
        input: &'i mut [u8],
        now: Millis,
    ) -> (Step<'i, 's>, usize) {
        if let [0x16, 0x03, ..] = input {
            return (Step::Close(CloseReason::Foreign(Foreign::Tls)), 0);
        }
        // Telnet, which says what it can and then waits: no head begins so.
        if let [0xFF, ..] = input {
            return (Step::BadRequest(HttpError::MALFORMED, None), 0);
        }
        if input.len() < self.awaited_bytes {
            return (Step::NeedMore, 0);
        }
        let is_new = self.parser == HeadParser::default() && self.awaited_bytes == 0;
        let input: &'i [u8] = input;
        match self.parser.parse(input) {
            // HTTP/0.9 has no end of a head to wait for.
            Ok(None) if is_simple_request(input) => {
                (Step::BadRequest(HttpError::MALFORMED, None), 0)
            }
            Ok(None) => {
                if is_new && !input.is_empty() {
                    self.since = now;
                }
                (Step::NeedMore, 0)
            }
            Ok(Some((mut request, head_bytes))) => {
                let body_bytes = match hook::body_bytes(&request) {
                    Ok(bytes) => bytes,
                    Err(error) => return (Step::BadRequest(error, Some(request.method)), 0),
                };
                let used = head_bytes + body_bytes;
                let Some(body) = input.get(head_bytes..used) else {
                    self.awaited_bytes = used;
                    if is_new {
                        self.since = now;
                    }
                    return match hook::is_awaited(&request) {
                        true => (Step::Control(CONTINUE.to_vec()), 0),
                        false => (Step::NeedMore, 0),
                    };
                };
                request.body = body;
                (self.since, self.answered, self.awaited_bytes) = (now, true, 0);
                (Step::Request(Box::new(request)), used)
            }
            Err(error) => (Step::BadRequest(error, head_method(input)), 0),
        }
    }

    pub(in crate::wire) fn next_timeout(&self, timeouts: &Timeouts) -> Millis {
        self.since + timeouts.head_ms
    }

    /// A request head takes too long, or no further request comes.
    pub(in crate::wire) fn on_timeout(
        &self,
        observed: &Observed<'_>,
        timeouts: &Timeouts,
    ) -> Elapsed {
        let is_kept = self.answered && observed.input.is_empty();
        let patience = if is_kept { timeouts.keep_alive_ms } else { timeouts.head_ms };
        // One that has to read its answers first is not read from.
        let from = if observed.is_waiting { observed.now } else { self.since };
        let deadline = from + patience;
        if observed.now < deadline {
            // A head may begin meanwhile, and then has less time than a connection between two
            // requests.
            return Elapsed::Again(deadline.min(observed.now + timeouts.head_ms));
        }
        if observed.input.is_empty() {
            Elapsed::Close(CloseReason::Done)
        } else {
            Elapsed::BadRequest(HttpError::TIMEOUT, head_method(observed.input))
        }
    }

    pub(in crate::wire) fn begin_lingering(&mut self, now: Millis, timeouts: &Timeouts) {
        (self.since, self.linger_until) = (now, Some(now + timeouts.linger_sending_ms));
    }

    /// While it still sends what goes with its request it has longer: a reset would take the answer
    /// away from it.
    pub(in crate::wire) fn lingers_until(&self, timeouts: &Timeouts) -> Millis {
        let silent_at = self.since + timeouts.linger_ms;
        self.linger_until.map_or(silent_at, |until| until.min(silent_at))
    }
}

fn head_method(input: &[u8]) -> Option<Method> {
    begins_with_head(input).then_some(Method::Head)
}
