//! Memory goes back to the system after a burst.

use crate::clock::{Millis, Now};

/// So long without any readiness is a quiet moment.
const QUIET_MS: Millis = 50;
/// Memory is not given back more often than this.
const TRIM_EVERY_MS: Millis = 200;

/// Finds the first quiet moment after things have happened.
#[derive(Debug, Default)]
pub struct TrimTimer {
    /// When to trim, if nothing happens until then.
    at: Option<Millis>,
    /// When it was trimmed last.
    last: Millis,
}

impl TrimTimer {
    /// Something has happened.
    pub fn put_off(&mut self, now: Now) {
        self.at = Some((now.ms + QUIET_MS).max(self.last + TRIM_EVERY_MS));
    }

    /// Whether to trim in this turn, in which nothing has happened.
    pub fn take_due(&mut self, now: Now) -> bool {
        let is_due = self.at.take_if(|at| *at <= now.ms).is_some();
        if is_due {
            self.last = now.ms;
        }
        is_due
    }

    pub fn next_deadline(&self) -> Option<Millis> {
        self.at
    }
}

/// Gives pages that hold nothing back to the system. A burst leaves free memory between what stays,
/// and the C library would keep it for ever: ten thousand joining at once left twice what they need
/// afterwards.
///
/// Takes time in proportion to what is free, so it is for quiet moments.
#[cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(
        unsafe_code,
        reason = "malloc_trim(3) is safe to call at any time, which its declaration cannot say"
    )
)]
pub fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes any number, and frees nothing that is in use; it locks what it looks at
    // (MT-Safe).
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: Millis) -> Now {
        Now { ms, unix_ms: 0 }
    }

    #[test]
    fn a_quiet_moment_comes_once_and_not_too_often() {
        let mut timer = TrimTimer::default();
        assert!(!timer.take_due(at(1000)), "nothing has happened");
        timer.put_off(at(1000));
        timer.put_off(at(1040));
        assert!(!timer.take_due(at(1089)));
        assert_eq!(timer.next_deadline(), Some(1090));
        assert!(timer.take_due(at(1090)));
        assert!(!timer.take_due(at(5000)), "nothing has happened since");
        timer.put_off(at(5000));
        assert!(timer.take_due(at(5050)));
        timer.put_off(at(5060));
        assert_eq!(timer.next_deadline(), Some(5250));
    }
}
