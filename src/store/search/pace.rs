//! When indexing gives way to the talk.

use std::time::{Duration, Instant};

/// When more is said than this in a second, what is said can be found a little later.
const FLOOD_PER_S: u64 = 20_000;
/// How long what is said is counted for that.
const WINDOW: Duration = Duration::from_millis(200);
/// Between two transactions of a flood. About as much is indexed then as is not a flood yet.
const PAUSE: Duration = Duration::from_millis(150);
/// No more than this is left for later: some ten seconds' work.
const LAG_MAX: u64 = 1_000_000;

/// Looks at how much is said while it is indexed.
///
/// A thread that indexes takes a part of a core from the others, also with a low priority, and the
/// caches. (`fanout-32x16` in benches/load, kept, where all threads share a core: a third.)
#[derive(Debug)]
pub(super) struct Pace {
    /// The newest message that there was when that was last looked at.
    newest: u64,
    looked_at: Instant,
    is_flood: bool,
}

impl Pace {
    pub fn new(now: Instant) -> Pace {
        Pace { newest: u64::MAX, looked_at: now, is_flood: false }
    }

    /// A transaction is done. Returns how long the next one is to wait.
    pub fn pause(&mut self, newest: u64, lag: u64, now: Instant) -> Duration {
        let passed = now.duration_since(self.looked_at);
        if passed >= WINDOW {
            let said = newest.saturating_sub(self.newest);
            self.is_flood = u128::from(said) * 1000 > u128::from(FLOOD_PER_S) * passed.as_millis();
            (self.newest, self.looked_at) = (newest, now);
        }
        if self.is_flood && lag <= LAG_MAX { PAUSE } else { Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexing_pauses_while_there_is_a_flood_and_not_for_ever() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let mut pace = Pace::new(start);
        // What was there at the start has not been said just now.
        assert_eq!(pace.pause(5_000_000, 5_000_000, after(250)), Duration::ZERO);
        assert_eq!(pace.pause(5_004_900, 4_900, after(500)), Duration::ZERO, "19,600 a second");
        assert_eq!(pace.pause(5_030_000, 30_000, after(600)), Duration::ZERO, "too early to tell");
        assert_eq!(pace.pause(5_030_000, 30_000, after(750)), PAUSE);
        assert_eq!(pace.pause(5_030_001, 30_001, after(900)), PAUSE);
        assert_eq!(pace.pause(7_000_000, LAG_MAX + 1, after(1_000)), Duration::ZERO, "too much");
        assert_eq!(pace.pause(7_000_000, LAG_MAX, after(1_100)), PAUSE);
        assert_eq!(pace.pause(7_000_100, 900_000, after(1_300)), Duration::ZERO, "it is over");
    }
}
