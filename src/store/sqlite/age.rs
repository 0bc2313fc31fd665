//! What time it is for what is to be forgotten. A clock that jumps ahead by a year, if only for a
//! minute, would have everything forgotten: it is not believed at once.

use std::time::{Duration, Instant};

/// A clock that has jumped further ahead than that is not believed.
const JUMP_MS: u64 = 24 * 60 * 60 * 1000;
/// It is once it has stayed there for so long.
const BELIEVED_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The time of the host's clock as far as it is believed: it goes on as time passes.
#[derive(Debug, Default)]
pub struct BelievedClock {
    /// What the clock said when it was believed last, and when that was.
    believed: Option<(u64, Instant)>,
    jumped_at: Option<Instant>,
}

impl BelievedClock {
    /// The clock says this now. Returns the time, in milliseconds since 1970, and by how much the
    /// clock has jumped ahead if that is seen for the first time.
    pub fn look(&mut self, unix_ms: u64, now: Instant) -> (u64, Option<Duration>) {
        let expected_ms = self.believed.map(|(then_ms, at)| {
            let passed = now.saturating_duration_since(at);
            then_ms.saturating_add(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX))
        });
        let expected_ms = expected_ms.unwrap_or(unix_ms);
        let ahead_ms = unix_ms.saturating_sub(expected_ms);
        let stays = |at: Instant| now.saturating_duration_since(at) >= BELIEVED_AFTER;
        if ahead_ms <= JUMP_MS || self.jumped_at.is_some_and(stays) {
            *self = BelievedClock { believed: Some((unix_ms, now)), jumped_at: None };
            return (unix_ms, None);
        }
        let is_new = self.jumped_at.is_none();
        self.jumped_at.get_or_insert(now);
        (expected_ms, is_new.then(|| Duration::from_millis(ahead_ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const DAY_MS: u64 = JUMP_MS;

    #[test]
    fn a_clock_that_jumps_ahead_is_believed_after_a_day() {
        let (mut clock, start) = (BelievedClock::default(), Instant::now());
        assert_eq!(clock.look(1000, start), (1000, None), "there is nothing to hold it against");
        assert_eq!(clock.look(61_000, start + MINUTE), (61_000, None));
        assert_eq!(clock.look(50_000, start + MINUTE), (50_000, None), "it may be set back");
        let ahead = 365 * DAY_MS;
        let told = clock.look(50_000 + 60_000 + ahead, start + 2 * MINUTE);
        assert_eq!(told, (110_000, Some(Duration::from_millis(ahead))));
        let told = clock.look(50_000 + 120_000 + ahead, start + 3 * MINUTE);
        assert_eq!(told, (170_000, None), "it is told once");
        assert_eq!(clock.look(230_000, start + 4 * MINUTE), (230_000, None), "and is over");
        let jumped = |minutes: u32| 230_000 + ahead + u64::from(minutes) * 60_000;
        let told = clock.look(jumped(1), start + 5 * MINUTE);
        assert!(told.1.is_some(), "again: {told:?}");
        let day = 24 * 60;
        let told = clock.look(jumped(day), start + (4 + day) * MINUTE);
        assert_eq!(told.0, jumped(day) - ahead);
        let told = clock.look(jumped(day + 1), start + (5 + day) * MINUTE);
        assert_eq!(told, (jumped(day + 1), None));
        let told = clock.look(jumped(day + 2), start + (6 + day) * MINUTE);
        assert_eq!(told, (jumped(day + 2), None));
    }
}
