//! How times are shown at a terminal.

use std::fmt;

use super::Dialect;
use super::utc::Utc;
use crate::delivery::encoding;

/// Offsets from UTC are whole quarters of an hour, from -12:00 to +14:00.
const QUARTER_MINUTES: i32 = 15;
const QUARTERS_MIN: i32 = -48;
const QUARTERS_MAX: i32 = 56;

/// The first number of a dialect that is one of people with a clock of their own.
const FIRST: i32 = 2;

/// What somebody at a terminal has chosen. Those who chose alike share what is said to them: the
/// choice is part of the number of their dialect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// What is said comes with its time.
    pub shows_times: bool,
    /// From UTC.
    quarters: i32,
}

impl Clock {
    /// That of those who see times and have named no zone.
    pub fn showing_times() -> Clock {
        Clock { shows_times: true, ..Clock::default() }
    }

    /// The same in another zone. Of a zone that is off by something else, the quarter of an hour
    /// before; of one further away than any, UTC.
    #[must_use]
    pub fn offset(self, minutes: i32) -> Clock {
        let quarters = minutes.div_euclid(QUARTER_MINUTES);
        let is_known = (QUARTERS_MIN..=QUARTERS_MAX).contains(&quarters);
        Clock { quarters: if is_known { quarters } else { 0 }, ..self }
    }

    /// How far its zone is from UTC.
    pub fn minutes(self) -> i32 {
        self.quarters * QUARTER_MINUTES
    }

    /// That of a client whose messages are encoded so.
    pub fn of(dialect: encoding::Dialect) -> Clock {
        match i32::from(dialect.0) - FIRST {
            code @ 0.. => Clock { shows_times: code % 2 == 1, quarters: code / 2 + QUARTERS_MIN },
            _ => Clock::default(),
        }
    }

    pub fn dialect(self) -> encoding::Dialect {
        if self == Clock::default() {
            return Dialect::Text.number();
        }
        let code = FIRST + 2 * (self.quarters - QUARTERS_MIN) + i32::from(self.shows_times);
        encoding::Dialect(u8::try_from(code).expect("there are 210 clocks"))
    }

    /// A time of this zone: `2026-11-22 13:05:09`.
    pub fn show(self, unix_ms: u64) -> Utc {
        let offset_ms = i64::from(self.minutes()) * 60_000;
        Utc(unix_ms.saturating_add_signed(offset_ms))
    }

    /// What stands before a message of this time.
    pub fn before(self, unix_ms: u64) -> String {
        if self.shows_times { self.time(unix_ms) + " " } else { String::new() }
    }

    /// The hours and minutes of this zone.
    pub fn time(self, unix_ms: u64) -> String {
        let minutes = self.show(unix_ms).0 / 60_000 % (24 * 60);
        format!("{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

impl fmt::Display for Clock {
    /// The zone: `UTC`, or how far from it: `+09:00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.minutes().unsigned_abs();
        let sign = match self.quarters {
            0 => return f.write_str("UTC"),
            ..0 => '-',
            _ => '+',
        };
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_clock_has_a_number_of_its_own() {
        let mut numbers = vec![Dialect::Json.number()];
        for minutes in (-12 * 60..=14 * 60).step_by(15) {
            for shows_times in [false, true] {
                let clock = Clock { shows_times, ..Clock::default() }.offset(minutes);
                assert_eq!(Clock::of(clock.dialect()), clock);
                assert_eq!(Dialect::from(clock.dialect()), Dialect::Text);
                numbers.push(clock.dialect());
            }
        }
        numbers.sort_unstable();
        let count = numbers.len();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
    }

    #[test]
    fn times_are_those_of_the_zone() {
        let noon = 1_795_348_800_000 + 5 * 60_000;
        for (minutes, zone, time, date) in [
            (0, "UTC", "12:05", "2026-11-22 12:05:00"),
            (9 * 60, "+09:00", "21:05", "2026-11-22 21:05:00"),
            (-3 * 60 - 30, "-03:30", "08:35", "2026-11-22 08:35:00"),
            (13 * 60, "+13:00", "01:05", "2026-11-23 01:05:00"),
            // Of Amsterdam before the war, and of nobody.
            (20, "+00:15", "12:20", "2026-11-22 12:20:00"),
            (-20, "-00:30", "11:35", "2026-11-22 11:35:00"),
            (15 * 60, "UTC", "12:05", "2026-11-22 12:05:00"),
        ] {
            let clock = Clock::default().offset(minutes);
            assert_eq!(
                (clock.to_string(), clock.time(noon), clock.show(noon).to_string()),
                (zone.to_owned(), time.to_owned(), date.to_owned())
            );
        }
        assert_eq!(Clock::default().offset(-60).time(0), "00:00", "before all time");
    }
}
