//! What time it is for what is to be forgotten. A clock that jumps ahead by a year, if only for a
//! minute, would have everything forgotten: it is not believed at once.

use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, Transaction};

use super::schema::Meta;

/// A clock that has jumped further ahead than that is not believed.
const JUMP_MS: u64 = 24 * 60 * 60 * 1000;
/// It is once it has stayed there for so long.
const BELIEVED_AFTER_MS: u64 = 24 * 60 * 60 * 1000;
/// Written down when it has gone on by so much.
const KEPT_EVERY_MS: u64 = 60 * 60 * 1000;

/// What time it is thought to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Belief {
    /// In milliseconds since 1970.
    pub unix_ms: u64,
    /// For how long the clock has been too far ahead of that, in milliseconds of work.
    pub doubted_ms: Option<u64>,
}

impl Belief {
    /// As the file has it. One from before it was written down was in use when something was said
    /// there last.
    pub fn kept(connection: &Connection) -> rusqlite::Result<Option<Belief>> {
        let doubted_ms = Meta::DoubtedMs.number(connection)?;
        let kept = match Meta::BelievedMs.number(connection)? {
            0 => {
                let sql = "SELECT unix_ms FROM messages ORDER BY n DESC LIMIT 1";
                connection.query_row(sql, [], |row| row.get(0)).optional()?
            }
            kept => Some(kept),
        };
        let doubted_ms = Some(doubted_ms).filter(|ms| *ms > 0);
        Ok(kept.map(|unix_ms| Belief { unix_ms, doubted_ms }))
    }

    /// Writes it down for the next process, not each time.
    pub fn keep(self, step: &Transaction<'_>) -> rusqlite::Result<()> {
        if Meta::BelievedMs.number(step)?.abs_diff(self.unix_ms) < KEPT_EVERY_MS {
            return Ok(());
        }
        Meta::DoubtedMs.set(step, self.doubted_ms.unwrap_or(0))?;
        Meta::BelievedMs.set(step, self.unix_ms)
    }
}

/// The time of the host's clock as far as it is believed: it goes on as time passes.
#[derive(Debug, Default)]
pub struct BelievedClock {
    /// What was thought last, and when that was.
    last: Option<(Belief, Instant)>,
}

impl BelievedClock {
    /// Goes on from what the process before has thought last. How long it was off, nobody knows.
    pub fn after(kept: Option<Belief>, now: Instant) -> BelievedClock {
        BelievedClock { last: kept.map(|belief| (belief, now)) }
    }

    /// The clock says this now. Returns what time it is, and by how much the clock has jumped ahead
    /// if that is seen for the first time.
    pub fn look(&mut self, unix_ms: u64, now: Instant) -> (Belief, Option<Duration>) {
        let (belief, jump) = self.thought(unix_ms, now);
        self.last = Some((belief, now));
        (belief, jump)
    }

    fn thought(&self, unix_ms: u64, now: Instant) -> (Belief, Option<Duration>) {
        let believed = (Belief { unix_ms, doubted_ms: None }, None);
        let Some((last, at)) = self.last else { return believed };
        let passed = now.saturating_duration_since(at).as_millis();
        let passed_ms = u64::try_from(passed).unwrap_or(u64::MAX);
        let expected_ms = last.unix_ms.saturating_add(passed_ms);
        let ahead_ms = unix_ms.saturating_sub(expected_ms);
        let doubted_ms = last.doubted_ms.map_or(0, |ms| ms.saturating_add(passed_ms));
        if ahead_ms <= JUMP_MS || doubted_ms >= BELIEVED_AFTER_MS {
            return believed;
        }
        let is_new = last.doubted_ms.is_none();
        let belief = Belief { unix_ms: expected_ms, doubted_ms: Some(doubted_ms) };
        (belief, is_new.then(|| Duration::from_millis(ahead_ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const HOUR: Duration = Duration::from_secs(60 * 60);
    const HOUR_MS: u64 = 60 * 60 * 1000;
    const DAY_MS: u64 = JUMP_MS;

    /// What time it is, and the jump that is told.
    fn look(clock: &mut BelievedClock, unix_ms: u64, now: Instant) -> (u64, Option<Duration>) {
        let (belief, jump) = clock.look(unix_ms, now);
        (belief.unix_ms, jump)
    }

    #[test]
    fn a_clock_that_jumps_ahead_is_believed_after_a_day() {
        let (mut clock, start) = (BelievedClock::default(), Instant::now());
        let told = look(&mut clock, 1000, start);
        assert_eq!(told, (1000, None), "there is nothing to hold it against");
        assert_eq!(look(&mut clock, 61_000, start + MINUTE), (61_000, None));
        let told = look(&mut clock, 50_000, start + MINUTE);
        assert_eq!(told, (50_000, None), "it may be set back");
        let ahead = 365 * DAY_MS;
        let told = look(&mut clock, 50_000 + 60_000 + ahead, start + 2 * MINUTE);
        assert_eq!(told, (110_000, Some(Duration::from_millis(ahead))));
        let told = look(&mut clock, 50_000 + 120_000 + ahead, start + 3 * MINUTE);
        assert_eq!(told, (170_000, None), "it is told once");
        let told = look(&mut clock, 230_000, start + 4 * MINUTE);
        assert_eq!(told, (230_000, None), "and is over");
        let jumped = |minutes: u32| 230_000 + ahead + u64::from(minutes) * 60_000;
        let told = look(&mut clock, jumped(1), start + 5 * MINUTE);
        assert!(told.1.is_some(), "again: {told:?}");
        let day = 24 * 60;
        let told = look(&mut clock, jumped(day), start + (4 + day) * MINUTE);
        assert_eq!(told.0, jumped(day) - ahead);
        let told = look(&mut clock, jumped(day + 1), start + (5 + day) * MINUTE);
        assert_eq!(told, (jumped(day + 1), None));
        let told = look(&mut clock, jumped(day + 2), start + (6 + day) * MINUTE);
        assert_eq!(told, (jumped(day + 2), None));
    }

    /// Also if none works for a day: one after the other, eight hours each.
    #[test]
    fn the_next_process_goes_on_with_what_was_thought() {
        let start = Instant::now();
        let (mut kept, ahead) = (Belief { unix_ms: 1000, doubted_ms: None }, 365 * DAY_MS);
        for process in 0..3 {
            let mut clock = BelievedClock::after(Some(kept), start);
            for hour in 0..=8 {
                let now_ms = 1000 + ahead + (process * 24 + hour) * HOUR_MS;
                let (belief, jump) = clock.look(now_ms, start + HOUR * hour as u32);
                assert_eq!(jump.is_some(), (process, hour) == (0, 0), "it is told once");
                let worked_ms = (process * 8 + hour) * HOUR_MS;
                let is_believed = worked_ms >= BELIEVED_AFTER_MS;
                let expected_ms = if is_believed { now_ms } else { 1000 + worked_ms };
                assert_eq!(belief.unix_ms, expected_ms, "{process} {hour}");
                kept = belief;
            }
        }
        assert_eq!(kept.doubted_ms, None);
    }
}
