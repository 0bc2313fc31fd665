//! Date and time for people, in UTC.

use std::fmt;

use jiff::SignedDuration;
use jiff::civil::{DateTime, date};

/// Milliseconds since 1970, shown as `2026-11-22 13:05:09`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utc(pub u64);

const EPOCH: DateTime = date(1970, 1, 1).at(0, 0, 0, 0);

/// After so many years the Gregorian calendar begins again.
const CYCLE_YEARS: u64 = 400;
const CYCLE_S: u64 = 146_097 * 86_400;

impl fmt::Display for Utc {
    /// jiff's calendar ends with the year 9999, and a host's clock can be set to anything: so it is
    /// asked about the first cycle only, and the others are added to the year.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1_000;
        let (cycles, within) = (seconds / CYCLE_S, seconds % CYCLE_S);
        let Ok(time) = EPOCH.checked_add(SignedDuration::from_secs(within as i64)) else {
            // Without the error: only formatting it would bring jiff's texts into the binary.
            unreachable!("a cycle is within the calendar")
        };
        let year = u64::from(time.year().unsigned_abs()) + cycles * CYCLE_YEARS;
        let (month, day, hour, minute, second) =
            (time.month(), time.day(), time.hour(), time.minute(), time.second());
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn known_times() {
        for (unix_ms, shown) in [
            (0, "1970-01-01 00:00:00"),
            (999, "1970-01-01 00:00:00"),
            (951_782_399_000, "2000-02-28 23:59:59"),
            (951_782_400_000, "2000-02-29 00:00:00"),
            (1_795_352_709_000, "2026-11-22 13:05:09"),
            (4_107_542_400_000, "2100-03-01 00:00:00"),
            (253_402_300_799_999, "9999-12-31 23:59:59"),
            (253_402_300_800_000, "10000-01-01 00:00:00"),
        ] {
            assert_eq!(Utc(unix_ms).to_string(), shown, "{unix_ms}");
        }
        assert_eq!(Utc(u64::MAX).to_string().len(), "584556019-04-03 14:25:51".len());
    }

    #[test]
    fn every_day_of_four_centuries_and_more() {
        for days in 0..200_000 {
            agrees(days * 86_400_000);
        }
    }

    fn agrees(unix_ms: u64) {
        let theirs = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(unix_ms))
            .to_string();
        assert_eq!(
            Utc(unix_ms).to_string(),
            theirs.replace('T', " ").trim_end_matches('Z'),
            "{unix_ms}"
        );
    }

    proptest! {
        #[test]
        fn agrees_with_humantime(unix_ms in 0u64..253_402_300_800_000) {
            agrees(unix_ms);
        }
    }
}
