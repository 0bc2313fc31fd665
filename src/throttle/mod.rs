//! Flood control: a token bucket in eight bytes, for what one client says and how often one address
//! connects.
//!
//! Time is counted in ticks: `per_second` of them pass in a millisecond and 1,000 of them are worth
//! one token. Every rate is then a whole number of ticks, so that nothing is rounded and nothing
//! drifts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The most tokens in a burst, or a second: far over what one client can use, far under what would
/// overflow.
pub const RATE_MAX: u32 = 1_000_000;

const TICKS_PER_TOKEN: u64 = 1_000;

/// Tokens that a bucket may owe.
pub const DEBT_MAX: u64 = 100;

/// How often something may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// As often as one can.
    Off,
    /// So often and no more.
    Limited(Limit),
}

/// Invariant: both lie in `1..=RATE_MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    burst: u32,
    per_second: u32,
}

impl Rate {
    /// `burst` tokens at once and `per_second` from then on, each in `1..=RATE_MAX`.
    pub fn limited(burst: u32, per_second: u32) -> Result<Rate, RateError> {
        let usable = 1..=RATE_MAX;
        if usable.contains(&burst) && usable.contains(&per_second) {
            Ok(Rate::Limited(Limit { burst, per_second }))
        } else {
            Err(RateError)
        }
    }

    /// How long an empty bucket takes to fill, in milliseconds, rounded up: one that has been left
    /// alone for so long is as good as new. 0 without a limit.
    pub fn fill_ms(&self) -> u64 {
        match *self {
            Rate::Off => 0,
            Rate::Limited(Limit { burst, per_second }) => {
                (u64::from(burst) * TICKS_PER_TOKEN).div_ceil(u64::from(per_second))
            }
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
        let parts = given
            .split_once(':')
            .and_then(|(burst, per_second)| Some((whole(burst)?, whole(per_second)?)));
        parts.ok_or(RateError).and_then(|(burst, per_second)| Rate::limited(burst, per_second))
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

/// A rate that cannot be used. The report of it says what was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("give BURST:PER_SECOND, each from 1 to {RATE_MAX}, such as 20:5, or off for no limit")]
pub struct RateError;

/// What is left to one client, or address. A new bucket is full.
///
/// Invariant: `full_at` is the tick at which the bucket is full again; a past one means that it is
/// full now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenBucket {
    full_at: u64,
}

impl TokenBucket {
    /// Takes one token out at `now_ms` (milliseconds of any clock, under 2^44), or says when, in
    /// the same clock, one will be there. A refusal costs nothing. A clock that steps back costs at
    /// most the time to fill a bucket. The rate is the same in every call.
    pub fn try_take(&mut self, now_ms: u64, rate: &Rate) -> Result<(), u64> {
        let Rate::Limited(Limit { burst, per_second }) = *rate else {
            return Ok(());
        };
        let now = now_ms.saturating_mul(u64::from(per_second));
        let room = u64::from(burst) * TICKS_PER_TOKEN;
        let missing = self.full_at.saturating_sub(now).min(room + DEBT_MAX * TICKS_PER_TOKEN);

        let short = (missing + TICKS_PER_TOKEN).saturating_sub(room);
        if short > 0 {
            self.full_at = now.saturating_add(missing);
            return Err(now_ms.saturating_add(short.div_ceil(u64::from(per_second))));
        }
        self.full_at = now.saturating_add(missing + TICKS_PER_TOKEN);
        Ok(())
    }

    /// Whether a token is there.
    pub fn has_token(&self, now_ms: u64, rate: &Rate) -> bool {
        let Rate::Limited(Limit { burst, per_second }) = *rate else { return true };
        let missing = self.full_at.saturating_sub(now_ms.saturating_mul(u64::from(per_second)));
        missing + TICKS_PER_TOKEN <= u64::from(burst) * TICKS_PER_TOKEN
    }

    /// Whether it is as good as a new one.
    pub fn is_full(&self, now_ms: u64, rate: &Rate) -> bool {
        match *rate {
            Rate::Off => true,
            Rate::Limited(Limit { per_second, .. }) => {
                self.full_at <= now_ms.saturating_mul(u64::from(per_second))
            }
        }
    }

    /// Takes so many tokens out after one that was there, because what that was for took so much;
    /// the bucket may owe up to [`DEBT_MAX`] of them.
    pub fn spend(&mut self, tokens: usize, now_ms: u64, rate: &Rate) {
        let Rate::Limited(Limit { per_second, .. }) = *rate else { return };
        let now = now_ms.saturating_mul(u64::from(per_second));
        self.full_at =
            self.full_at.max(now).saturating_add((tokens as u64).min(DEBT_MAX) * TICKS_PER_TOKEN);
    }

    /// Takes out all the tokens that are there.
    pub fn drain(&mut self, now_ms: u64, rate: &Rate) {
        let Rate::Limited(Limit { burst, per_second }) = *rate else { return };
        let now = now_ms.saturating_mul(u64::from(per_second));
        let room = u64::from(burst) * TICKS_PER_TOKEN;
        let missing = self.full_at.saturating_sub(now).min(room + DEBT_MAX * TICKS_PER_TOKEN);
        let there = room.saturating_sub(missing) / TICKS_PER_TOKEN * TICKS_PER_TOKEN;
        self.full_at = now.saturating_add(missing + there);
    }

    /// How much has been taken out of late and is not there again, in thousandths of a token.
    pub fn missing(&self, now_ms: u64, rate: &Rate) -> u64 {
        let Rate::Limited(Limit { per_second, .. }) = *rate else { return 0 };
        self.full_at.saturating_sub(now_ms.saturating_mul(u64::from(per_second)))
    }
}

#[cfg(test)]
mod tests;
