//! How long something holds, and why, in words.

use std::fmt;

use super::utc::Utc;
use crate::chat::text::Row;

/// Shown as ` until 2026-11-22 13:05:09 UTC: spam`, or as nothing.
#[derive(Clone, Copy, Debug)]
pub struct Term<'a> {
    pub until: Option<u64>,
    /// Empty if none was given.
    pub reason: &'a str,
}

impl fmt::Display for Term<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(until) = self.until {
            write!(f, " until {} UTC", Utc(until))?;
        }
        match self.reason {
            "" => f.write_str("."),
            reason => write!(f, ": {}", Row(reason)),
        }
    }
}
