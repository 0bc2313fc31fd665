//! Memory goes back to the system after a burst.

use crate::clock::{Millis, Now};

/// So long without any readiness is a quiet moment.
const QUIET_MS: Millis = 50;
/// Memory is not given back more often than this.
const TRIM_EVERY_MS: Millis = 200;

/// While there is no quiet moment, memory is given back when what is held for clients has become so
/// much less or more: that takes two to six milliseconds. When it grows, what is free may not be
/// what is needed: large buffers are mapped, and the 20 MiB that thousands of small ones have left
/// would stay beside them.
const MOVED_BYTES_MIN: usize = 16 * 1024 * 1024;
/// And not more often than this.
const TRIM_UNDER_LOAD_EVERY_MS: Millis = 2_000;

/// Buffers from this size on are mapped: they go back to the system at once when they are freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED_BYTES_MIN: libc::c_int = 128 * 1024;

/// Finds the first quiet moment after things have happened, and moments that are worth it if there
/// is none.
#[derive(Debug, Default)]
pub struct TrimTimer {
    /// When to trim, if nothing happens until then.
    at: Option<Millis>,
    /// When it was trimmed last.
    last: Millis,
    /// The least and the most that was held for clients since then, in bytes.
    least_held_bytes: usize,
    most_held_bytes: usize,
}

impl TrimTimer {
    /// Something has happened.
    pub fn put_off(&mut self, now: Now) {
        self.at = Some((now.ms + QUIET_MS).max(self.last + TRIM_EVERY_MS));
    }

    /// Whether to trim in this turn, in which nothing has happened.
    pub fn take_due(&mut self, now: Now) -> bool {
        self.at.take_if(|at| *at <= now.ms).is_some()
    }

    /// Whether to trim in this turn although things happen; so much is held for clients now.
    pub fn has_moved_much(&mut self, held_bytes: usize, now: Now) -> bool {
        self.least_held_bytes = self.least_held_bytes.min(held_bytes);
        self.most_held_bytes = self.most_held_bytes.max(held_bytes);
        let (less, more) = (self.most_held_bytes - held_bytes, held_bytes - self.least_held_bytes);
        less.max(more) >= MOVED_BYTES_MIN && now.ms >= self.last + TRIM_UNDER_LOAD_EVERY_MS
    }

    /// It is trimmed now.
    pub fn trimmed(&mut self, held_bytes: usize, now: Now) {
        self.last = now.ms;
        self.least_held_bytes = held_bytes;
        self.most_held_bytes = held_bytes;
    }

    pub fn next_deadline(&self) -> Option<Millis> {
        self.at
    }
}

/// Has every large buffer mapped. The C library would raise that size to that of the largest buffer
/// that was ever freed, and large ones would then leave holes among small ones: after a thousand
/// large answers a busy server kept a gigabyte.
#[cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(
        unsafe_code,
        reason = "mallopt(3) is safe to call at any time, which its declaration cannot say"
    )
)]
pub fn fix_mmap_threshold() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes any numbers, and only sets a parameter of the allocator; it locks what it
    // sets.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES_MIN);
    }
}

/// Gives pages that hold nothing back to the system. A burst leaves free memory between what stays,
/// and the C library would keep it for ever: ten thousand joining at once left twice what they need
/// afterwards.
///
/// Takes time in proportion to what is free, about a tenth of a millisecond for each MiB.
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
        timer.trimmed(0, at(1090));
        assert!(!timer.take_due(at(5000)), "nothing has happened since");
        timer.put_off(at(5000));
        assert!(timer.take_due(at(5050)));
        timer.trimmed(0, at(5050));
        timer.put_off(at(5060));
        assert_eq!(timer.next_deadline(), Some(5250));
    }

    #[test]
    fn under_load_it_is_trimmed_when_much_has_been_freed_or_is_held_anew() {
        let mut timer = TrimTimer::default();
        let much = MOVED_BYTES_MIN;
        assert!(!timer.has_moved_much(much - 1, at(7_000)));
        assert!(timer.has_moved_much(3 * much, at(8_000)));
        timer.trimmed(3 * much, at(8_000));
        assert!(!timer.has_moved_much(4 * much - 1, at(10_000)));
        assert!(timer.has_moved_much(4 * much, at(10_000)));
        timer.trimmed(3 * much, at(8_000));
        assert!(!timer.has_moved_much(2 * much + 1, at(10_001)));
        assert!(timer.has_moved_much(2 * much, at(10_002)));
        timer.trimmed(2 * much, at(10_002));
        assert!(!timer.has_moved_much(0, at(12_001)), "too often");
        assert!(timer.has_moved_much(0, at(12_002)));
        timer.trimmed(0, at(12_002));
        assert!(!timer.has_moved_much(0, at(20_000)), "nothing was held since");
    }
}
