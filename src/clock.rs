//! Time, as a turn sees it.

use std::time::{Duration, UNIX_EPOCH};

/// A span or a moment in whole milliseconds; moments count from the server's start.
pub type Millis = u64;

/// The one reading of the clocks that a turn gets.
///
/// The event loop makes it; everything below is handed it, so that a simulation can turn time by hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since the server's start; never goes back. Deadlines are in this unit.
    pub ms: Millis,
    /// Milliseconds since 1970-01-01 UTC, for people. May jump when the host's clock is set.
    pub unix_ms: u64,
}

/// The last second of the year 9999, after which HTTP has no dates (RFC 9110, 5.6.7).
const HTTP_DATE_MAX_S: u64 = 253_402_300_799;

impl Now {
    /// The date of an HTTP response. The host's clock can be set to anything.
    pub fn http_date(self) -> String {
        httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs((self.unix_ms / 1000).min(HTTP_DATE_MAX_S)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_clock_makes_a_date() {
        for (unix_ms, date) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (1_795_352_709_999, "Sun, 22 Nov 2026 13:05:09 GMT"),
            (253_402_300_799_999, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (253_402_300_800_000, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(Now { ms: 0, unix_ms }.http_date(), date, "{unix_ms}");
        }
    }
}
