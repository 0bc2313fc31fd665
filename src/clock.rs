//! Time, as a turn sees it.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

/// A span or a moment in whole milliseconds; moments count from the server's start.
pub type Millis = u64;

/// The earlier of two deadlines. Two comparisons, and no chain of iterators: asked of all that have
/// deadlines, in every turn.
#[inline]
pub fn earlier(one: Option<Millis>, other: Option<Millis>) -> Option<Millis> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The one reading of the clocks that a turn gets.
///
/// The event loop makes it; everything below is handed it, so that a simulation can turn time by
/// hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since the server's start; never goes back. Deadlines are in this unit.
    pub ms: Millis,
    /// Milliseconds since 1970-01-01 UTC, for people. May jump when the host's clock is set.
    pub unix_ms: u64,
}

impl Now {
    /// The date of an HTTP response, an IMF-fixdate (RFC 9110, 5.6.7). HTTP has no dates after the
    /// year 9999, jiff none after its last day but one, and the host's clock can be set to
    /// anything.
    pub fn http_date(self) -> String {
        let time =
            i64::try_from(self.unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let time = time.unwrap_or(Timestamp::MAX);
        let Ok(date) = DateTimePrinter::new().timestamp_to_rfc9110_string(&time) else {
            // Without the error: only formatting it would bring jiff's texts into the binary.
            unreachable!("the year is not negative")
        };
        date
    }
}

/// While there are deadlines, the event loop sleeps no longer than this at once.
pub const SLEEP_MAX: Duration = Duration::from_secs(1);
/// Turns take far less. What a sleep and a turn take beyond this is a pause: the process was
/// stopped, or its machine was.
const STEP_MAX: Duration = Duration::from_secs(2);

/// Measures the time that counts for deadlines: it stands still in a pause. Clients cannot be
/// judged for what they did meanwhile, as nobody listened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stopwatch {
    /// How long the pauses were, together.
    paused: Duration,
    /// When it was last looked at; `None` if nothing was waited for since.
    looked_at: Option<Duration>,
}

impl Stopwatch {
    /// The time that counts, `elapsed` after the start, and how long a pause has just been.
    pub fn look(&mut self, elapsed: Duration) -> (Duration, Duration) {
        let step = self.looked_at.map_or(Duration::ZERO, |at| elapsed.saturating_sub(at));
        let pause = step.saturating_sub(STEP_MAX);
        self.paused += pause;
        self.looked_at = Some(elapsed);
        (elapsed.saturating_sub(self.paused), pause)
    }

    /// There are no deadlines: the next look may be at any time.
    pub fn sleep_for_long(&mut self) {
        self.looked_at = None;
    }

    /// The time since the start at which so much of it counts, if no further pause comes.
    pub fn real(&self, counted: Duration) -> Duration {
        counted.saturating_add(self.paused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn time_stands_still_in_a_pause() {
        let mut watch = Stopwatch::default();
        assert_eq!(watch.look(seconds(7)), (seconds(7), seconds(0)), "the first look is no pause");
        assert_eq!(watch.look(seconds(9)), (seconds(9), seconds(0)));
        assert_eq!(watch.look(seconds(36)), (seconds(11), seconds(25)));
        assert_eq!(watch.real(seconds(12)), seconds(37));
        assert_eq!(watch.look(seconds(37)), (seconds(12), seconds(0)));
        watch.sleep_for_long();
        assert_eq!(watch.look(seconds(1000)), (seconds(975), seconds(0)), "nothing was waited for");
        assert_eq!(watch.look(seconds(999)), (seconds(974), seconds(0)), "no clock makes it fail");
    }

    #[test]
    fn any_clock_makes_a_date() {
        for (unix_ms, date) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (1_795_352_709_999, "Sun, 22 Nov 2026 13:05:09 GMT"),
            (253_402_207_200_999, "Thu, 30 Dec 9999 22:00:00 GMT"),
            (253_402_207_201_000, "Thu, 30 Dec 9999 22:00:00 GMT"),
            (u64::MAX, "Thu, 30 Dec 9999 22:00:00 GMT"),
        ] {
            assert_eq!(Now { ms: 0, unix_ms }.http_date(), date, "{unix_ms}");
        }
    }
}
