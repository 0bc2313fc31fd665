//! A connection that has not shown yet what it speaks.

use super::close::CloseReason;
use super::detect::{Detected, Foreign, detect, has_words};
use super::line::{LineMode, write_close};
use super::proxy::{self, Start};
use super::{Decision, Elapsed, Observed, Payload, Protocols, Shared, Timeouts};
use crate::clock::Millis;
use serde::{Deserialize, Serialize};

/// By so many bytes a request with a known method has shown that it is one.
const METHOD_BYTES_MAX: usize = 16;

/// A connection that has not shown yet what it speaks.
#[derive(Debug, Serialize, Deserialize)]
pub struct Undecided {
    /// When the connection was established.
    since: Millis,
    /// How its lines are cut if it speaks lines.
    mode: LineMode,
    /// It has been sent something, so that no request can be answered on it any more.
    was_sent: bool,
    silence: Silence,
    /// The header of a proxy may come first.
    awaits_header: bool,
}

/// What its silence has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Silence {
    Nothing,
    Released,
    Over,
}

impl Undecided {
    pub fn new(mode: LineMode, now: Millis) -> Undecided {
        let silence = Silence::Nothing;
        Undecided { since: now, mode, was_sent: false, silence, awaits_header: false }
    }

    pub(super) fn mode(&self) -> LineMode {
        self.mode
    }

    pub(super) fn since(&self) -> Millis {
        self.since
    }

    pub(super) fn was_sent(&self) -> bool {
        self.was_sent
    }

    pub(super) fn sent(&mut self) {
        self.was_sent = true;
    }

    pub(super) fn awaits_header(&self) -> bool {
        self.awaits_header
    }

    pub(super) fn set_awaits_header(&mut self, awaits: bool) {
        self.awaits_header = awaits;
    }

    /// What all that has come says.
    pub(super) fn decide(&self, input: &[u8], shared: &Shared) -> Decision {
        if self.awaits_header {
            return match proxy::parse(input) {
                Ok(Start::NeedMore) => Decision::NeedMore,
                Ok(Start::Header(header)) => Decision::Header(header),
                Ok(Start::Other) => Decision::NoHeader,
                Err(error) => Decision::BadHeader(error),
            };
        }
        let pinned = pinned(shared.protocols);
        if pinned != Decision::NeedMore {
            return match input {
                [] | [0x16] => Decision::NeedMore,
                [0x16, 0x03, ..] => Decision::Foreign(Foreign::Tls),
                _ => pinned,
            };
        }
        let undecided_bytes_max = shared.message_bytes_max.max(METHOD_BYTES_MAX);
        match detect(input, shared.payload) {
            // A line that is too long is one before it ends.
            Detected::NeedMore if input.len() > undecided_bytes_max => Decision::Lines,
            Detected::NeedMore => Decision::NeedMore,
            Detected::Lines => Decision::Lines,
            Detected::Http if self.was_sent => Decision::LateRequest,
            Detected::Http => Decision::Http,
            Detected::Foreign(foreign) => Decision::Foreign(foreign),
        }
    }

    /// What all that has ever come says: without words it is nobody.
    pub(super) fn decide_at_end(&self, input: &[u8], shared: &Shared) -> Decision {
        match pinned(shared.protocols) {
            Decision::NeedMore if has_words(input) => Decision::Lines,
            pinned => pinned,
        }
    }

    pub(super) fn write_close(&self, reason: CloseReason, payload: Payload, out: &mut Vec<u8>) {
        // What has been sent something must be a terminal.
        if self.was_sent {
            write_close(self.mode, reason, payload, out);
        }
    }

    pub(super) fn next_timeout(&self, timeouts: &Timeouts) -> Millis {
        self.since + timeouts.withhold_ms
    }

    /// Whether it may still be a browser that is about to ask: it has not been silent for long.
    pub(super) fn may_ask(&self, now: Millis, timeouts: &Timeouts) -> bool {
        now < self.next_timeout(timeouts)
    }

    pub(super) fn on_timeout(&mut self, observed: &Observed<'_>, timeouts: &Timeouts) -> Elapsed {
        let after_ms = match observed.is_local {
            true => timeouts.greet_after_ms,
            false => timeouts.greet_after_remote_ms,
        };
        let greet_at = self.since + after_ms;
        let due = match self.silence {
            Silence::Nothing => self.next_timeout(timeouts),
            Silence::Released => greet_at,
            Silence::Over => Millis::MAX,
        };
        if observed.now < due {
            // It was set before TLS was begun.
            Elapsed::Nothing
        } else if observed.is_waiting {
            // What has come decides, once it is read: it is not silent.
            Elapsed::Again(observed.now + timeouts.withhold_ms)
        } else if observed.now < greet_at {
            self.silence = Silence::Released;
            Elapsed::Released { greet_at }
        } else {
            self.silence = Silence::Over;
            Elapsed::Silent
        }
    }
}

/// The wire that a listener is pinned to from the first byte on, if it is.
pub(super) fn pinned(protocols: Protocols) -> Decision {
    match protocols {
        Protocols::Auto => Decision::NeedMore,
        Protocols::Line => Decision::Lines,
        Protocols::Http => Decision::Http,
    }
}
