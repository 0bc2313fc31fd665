//! Flood control: a token bucket in eight bytes.
//!
//! Time is counted in ticks: `per_second` of them pass in a millisecond and 1,000 of them are worth one message.
//! Every rate is then a whole number of ticks, so that nothing is rounded and nothing drifts.

use std::fmt;
use std::str::FromStr;

/// The most messages in a burst, or a second: far over what one client can use, far under what would overflow.
pub const RATE_MAX: u32 = 1_000_000;

const TICKS_PER_MESSAGE: u64 = 1_000;

/// Messages that a bucket may owe.
pub const DEBT_MAX: u64 = 100;

/// How much one client may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// As much as it can send.
    Off,
    /// So much and no more.
    Limited(Limit),
}

/// Invariant: both lie in `1..=RATE_MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    burst: u32,
    per_second: u32,
}

impl Rate {
    /// `burst` messages at once and `per_second` from then on, each in `1..=RATE_MAX`.
    pub fn limited(burst: u32, per_second: u32) -> Result<Rate, RateError> {
        let usable = 1..=RATE_MAX;
        if usable.contains(&burst) && usable.contains(&per_second) {
            Ok(Rate::Limited(Limit { burst, per_second }))
        } else {
            Err(RateError { given: format!("{burst}:{per_second}") })
        }
    }
}

impl FromStr for Rate {
    type Err = RateError;

    /// `20:5` is a burst of 20 and 5 a second; `off` is no limit.
    fn from_str(given: &str) -> Result<Rate, RateError> {
        if given == "off" {
            return Ok(Rate::Off);
        }
        let parts = given.split_once(':').and_then(|(burst, per_second)| Some((whole(burst)?, whole(per_second)?)));
        parts
            .and_then(|(burst, per_second)| Rate::limited(burst, per_second).ok())
            .ok_or_else(|| RateError { given: given.to_owned() })
    }
}

/// `u32::from_str` takes `+5`, which nobody means.
fn whole(digits: &str) -> Option<u32> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rate::Off => f.write_str("off"),
            Rate::Limited(limit) => write!(f, "{}:{}", limit.burst, limit.per_second),
        }
    }
}

/// A rate that can not be used, as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateError {
    given: String,
}

impl fmt::Display for RateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = super::text::quote(&self.given, 40);
        write!(
            f,
            "{given} is no rate: give BURST:PER_SECOND, each from 1 to {RATE_MAX}, such as 20:5, or off for no limit"
        )
    }
}

impl std::error::Error for RateError {}

/// What one client has left to say. A new bucket is full.
///
/// Invariant: `full_at` is the tick at which the bucket is full again; a past one means that it is full now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenBucket {
    full_at: u64,
}

impl TokenBucket {
    /// Takes one message out at `now_ms` (milliseconds of any clock, under 2^44), or says when, in the same clock, one
    /// will be there. A refusal costs nothing. A clock that steps back costs at most the time to fill a bucket.
    /// The rate is the same in every call.
    pub fn try_take(&mut self, now_ms: u64, rate: &Rate) -> Result<(), u64> {
        let Rate::Limited(Limit { burst, per_second }) = *rate else {
            return Ok(());
        };
        let now = now_ms.saturating_mul(u64::from(per_second));
        let room = u64::from(burst) * TICKS_PER_MESSAGE;
        let missing = self.full_at.saturating_sub(now).min(room + DEBT_MAX * TICKS_PER_MESSAGE);

        let short = (missing + TICKS_PER_MESSAGE).saturating_sub(room);
        if short > 0 {
            self.full_at = now.saturating_add(missing);
            return Err(now_ms.saturating_add(short.div_ceil(u64::from(per_second))));
        }
        self.full_at = now.saturating_add(missing + TICKS_PER_MESSAGE);
        Ok(())
    }

    /// Takes so many messages out after one that was there, because answering that took so much; the bucket may owe up to
    /// [`DEBT_MAX`] of them.
    pub fn spend(&mut self, messages: usize) {
        self.full_at = self.full_at.saturating_add((messages as u64).min(DEBT_MAX) * TICKS_PER_MESSAGE);
    }
}

#[cfg(test)]
mod tests;
