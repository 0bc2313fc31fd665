//! Date and time for people, in UTC.

use std::fmt;

/// Milliseconds since 1970, shown as `2026-11-22 13:05:09`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utc(pub u64);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1_000;
        let (days, second_of_day) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = civil_from_days(days);
        let (hour, minute, second) = (second_of_day / 3_600, second_of_day / 60 % 60, second_of_day % 60);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
    }
}

/// Year, month (1..=12) and day (1..=31) of the Gregorian calendar, `days` after 1 January 1970.
///
/// Years are counted from 1 March, so that the leap day is the last of its year: a 400 years' era then has 146,097 days,
/// a century 36,524 and four years 1,461, but for the last of each.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    const DAYS_BEFORE_1970: u64 = 719_468;
    let days = days + DAYS_BEFORE_1970;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // From March on, five months have 153 days, time and again.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
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
        let theirs = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(unix_ms)).to_string();
        assert_eq!(Utc(unix_ms).to_string(), theirs.replace('T', " ").trim_end_matches('Z'), "{unix_ms}");
    }

    proptest! {
        #[test]
        fn agrees_with_humantime(unix_ms in 0u64..253_402_300_800_000) {
            agrees(unix_ms);
        }
    }
}
