//! Memory goes back to the system after a burst, and in the middle of one.

use std::time::Duration;

use crate::clock::{Millis, Now};
use crate::net::clock::millis;

/// So long without any readiness is a quiet moment.
const QUIET_MS: Millis = 50;
/// Memory is not given back more often than this.
const TRIM_EVERY_MS: Millis = 200;

/// While there is no quiet moment, memory is given back when this part of the budget has come to be
/// resident although nothing holds it.
const LOOSE_PART: usize = 32;
/// Or so much of it.
const LOOSE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Or this part of that, for so long: what a trim in the middle of a burst has left behind.
const LINGERING_PART: usize = 8;
const LINGERING_MS: Millis = 1_000;
/// How often to ask the system for that: it takes a microsecond or two.
const LOOK_EVERY_MS: Millis = 20;
/// Giving back takes this part of the time at most, however much is free.
const TRIM_TIME_PART: Millis = 50;

/// Buffers from this size on are mapped: they go back to the system at once when they are freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAPPED_BYTES_MIN: libc::c_int = 128 * 1024;

/// Finds the first quiet moment after things have happened, and moments that are worth it if there
/// is none.
#[derive(Debug)]
pub struct TrimTimer {
    /// When to trim, if nothing happens until then.
    at: Option<Millis>,
    /// When it may be trimmed again.
    next: Millis,
    /// When to look again at what is resident.
    look_at: Millis,
    /// May be resident beside what is held and what was there after the last trim.
    loose_bytes_max: usize,
    /// What was resident then and not held for clients, in bytes; less if there has been less
    /// since.
    unheld_bytes: usize,
    /// Since when enough of it is loose for it to linger.
    lingers_since: Option<Millis>,
}

impl TrimTimer {
    /// So much may be held for clients.
    pub fn new(memory_bytes_max: usize) -> TrimTimer {
        TrimTimer {
            at: None,
            next: 0,
            look_at: 0,
            loose_bytes_max: (memory_bytes_max / LOOSE_PART).min(LOOSE_BYTES_MAX),
            unheld_bytes: usize::MAX,
            lingers_since: None,
        }
    }

    /// Something has happened.
    pub fn put_off(&mut self, now: Now) {
        self.at = Some((now.ms + QUIET_MS).max(self.next));
    }

    /// Whether to trim in this turn, in which nothing has happened.
    pub fn take_due(&mut self, now: Now) -> bool {
        self.at.take_if(|at| *at <= now.ms).is_some()
    }

    /// Whether to ask what is resident in this turn, although things happen.
    pub fn looks(&mut self, now: Now) -> bool {
        let looks = now.ms >= self.look_at.max(self.next);
        if looks {
            self.look_at = now.ms + LOOK_EVERY_MS;
        }
        looks
    }

    /// Whether to trim, with so much resident that is not held for clients.
    pub fn is_loose(&mut self, unheld_bytes: usize, now: Now) -> bool {
        self.unheld_bytes = self.unheld_bytes.min(unheld_bytes);
        let loose_bytes = unheld_bytes - self.unheld_bytes;
        if loose_bytes < self.loose_bytes_max / LINGERING_PART {
            self.lingers_since = None;
            return false;
        }
        let since = *self.lingers_since.get_or_insert(now.ms);
        loose_bytes >= self.loose_bytes_max || now.ms - since >= LINGERING_MS
    }

    /// It is trimmed now, which took so long, and so much is resident that is not held for clients.
    pub fn trimmed(&mut self, unheld_bytes: usize, took: Duration, now: Now) {
        self.unheld_bytes = unheld_bytes;
        self.lingers_since = None;
        self.next = now.ms + TRIM_EVERY_MS.max(TRIM_TIME_PART * millis(took));
    }

    pub fn next_deadline(&self) -> Option<Millis> {
        self.at
    }
}

/// Tells how much memory this process has.
#[derive(Debug)]
pub struct Resident {
    /// The system's table of it (proc_pid_statm(5)), if memory can be given back.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    table: Option<std::fs::File>,
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
impl Resident {
    pub fn open() -> Resident {
        Resident { table: std::fs::File::open("/proc/self/statm").ok() }
    }

    /// What is in memory of this process; 0 if the system does not say.
    pub fn bytes(&self) -> usize {
        use std::os::unix::fs::FileExt;
        let mut line = [0; 128];
        let count = self.table.as_ref().and_then(|table| table.read_at(&mut line, 0).ok());
        let pages = resident_pages(&line[..count.unwrap_or(0)]);
        pages.unwrap_or(0) * rustix::param::page_size()
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
impl Resident {
    pub fn open() -> Resident {
        Resident {}
    }

    /// As if nothing ever could be given back.
    pub fn bytes(&self) -> usize {
        0
    }
}

/// The second number: the first is of address space.
#[cfg(any(test, all(target_os = "linux", target_env = "gnu")))]
fn resident_pages(table: &[u8]) -> Option<usize> {
    std::str::from_utf8(table).ok()?.split(' ').nth(1)?.parse().ok()
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

    const BUDGET: usize = 64 << 20;
    const SHORT: Duration = Duration::from_millis(1);

    #[test]
    fn a_quiet_moment_comes_once_and_not_too_often() {
        let mut timer = TrimTimer::new(BUDGET);
        assert!(!timer.take_due(at(1000)), "nothing has happened");
        timer.put_off(at(1000));
        timer.put_off(at(1040));
        assert!(!timer.take_due(at(1089)));
        assert_eq!(timer.next_deadline(), Some(1090));
        assert!(timer.take_due(at(1090)));
        timer.trimmed(0, SHORT, at(1090));
        assert!(!timer.take_due(at(5000)), "nothing has happened since");
        timer.put_off(at(5000));
        assert!(timer.take_due(at(5050)));
        timer.trimmed(0, SHORT, at(5050));
        timer.put_off(at(5060));
        assert_eq!(timer.next_deadline(), Some(5250));
    }

    #[test]
    fn under_load_it_is_trimmed_when_much_is_resident_that_nothing_holds() {
        let mut timer = TrimTimer::new(BUDGET);
        let (own, loose) = (30 << 20, BUDGET / LOOSE_PART);
        let now = at(1_000);
        assert!(!timer.is_loose(own + loose, now), "all of it may be the server's own");
        assert!(!timer.is_loose(own, now));
        assert!(!timer.is_loose(own + loose - 1, now));
        assert!(timer.is_loose(own + loose, now));
        timer.trimmed(own + loose, SHORT, now);
        assert!(!timer.is_loose(own + loose, now), "that could not be given back");
        assert!(timer.is_loose(own + 2 * loose, now));
        let mut timer = TrimTimer::new(64 << 30);
        assert!(!timer.is_loose(own, now));
        assert!(timer.is_loose(own + LOOSE_BYTES_MAX, now), "however large the budget is");
    }

    #[test]
    fn under_load_less_is_given_back_when_it_lingers() {
        let mut timer = TrimTimer::new(BUDGET);
        let (own, little) = (30 << 20, BUDGET / LOOSE_PART / LINGERING_PART);
        assert!(!timer.is_loose(own, at(0)));
        assert!(!timer.is_loose(own + little, at(1_000)));
        assert!(!timer.is_loose(own + little, at(1_000 + LINGERING_MS - 1)));
        assert!(!timer.is_loose(own + little - 1, at(1_000 + LINGERING_MS)), "it is in use again");
        assert!(!timer.is_loose(own + little, at(5_000)));
        assert!(timer.is_loose(own + little, at(5_000 + LINGERING_MS)));
        timer.trimmed(own, SHORT, at(6_000));
        assert!(!timer.is_loose(own + little, at(7_000)));
    }

    #[test]
    fn trimming_takes_a_small_part_of_the_time() {
        let mut timer = TrimTimer::new(BUDGET);
        assert!(timer.looks(at(1_000)));
        assert!(!timer.looks(at(1_000 + LOOK_EVERY_MS - 1)));
        assert!(timer.looks(at(1_000 + LOOK_EVERY_MS)));
        timer.trimmed(0, SHORT, at(2_000));
        assert!(!timer.looks(at(2_000 + TRIM_EVERY_MS - 1)));
        assert!(timer.looks(at(2_000 + TRIM_EVERY_MS)));
        timer.trimmed(0, 30 * SHORT, at(3_000));
        timer.put_off(at(3_001));
        assert_eq!(timer.next_deadline(), Some(3_000 + 30 * TRIM_TIME_PART));
    }

    #[test]
    fn the_table_of_the_system_is_read() {
        assert_eq!(resident_pages(b"53012 1804 1501 912 0 4411 0\n"), Some(1804));
        assert_eq!(resident_pages(b""), None);
        if cfg!(all(target_os = "linux", target_env = "gnu")) {
            let resident = Resident::open();
            let before = resident.bytes();
            let mapped = vec![1_u8; 64 << 20];
            let with_it = resident.bytes();
            assert_eq!(mapped.iter().map(|&byte| u64::from(byte)).sum::<u64>(), 64 << 20);
            assert!(before > 1 << 20 && with_it > before + (48 << 20), "{before} and {with_it}");
        }
    }
}
