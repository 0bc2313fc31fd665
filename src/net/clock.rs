//! The host's clocks, read once a turn.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use log::warn;

use crate::clock::{Millis, Now, SLEEP_MAX, Stopwatch};

/// Counts from the start of the event loop. Pauses of the process do not count.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
    /// When it was last looked at for the time of a turn.
    looked: Instant,
    stopwatch: Stopwatch,
    calendar: Calendar,
    /// What it has begun with.
    first: Millis,
}

/// The time for people, reckoned from the other clock and looked at every ten milliseconds: reading
/// one clock in a turn takes half as long as reading two, which few clients with echoes notice, as
/// their turns are short (`echo-4x32`).
#[derive(Clone, Copy, Debug, Default)]
struct Calendar {
    /// When it is looked at again.
    look_at: Duration,
    /// What it was when the other clock was zero.
    start: Duration,
}

const CALENDAR_STEP: Duration = Duration::from_millis(10);

impl Calendar {
    /// The time since 1970, `elapsed` after the start.
    fn unix(&mut self, elapsed: Duration) -> Duration {
        if elapsed >= self.look_at {
            let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.start = unix.saturating_sub(elapsed);
            self.look_at = elapsed + CALENDAR_STEP;
        }
        self.start + elapsed
    }
}

impl Clock {
    pub fn start() -> Clock {
        let started = Instant::now();
        let (stopwatch, calendar) = (Stopwatch::default(), Calendar::default());
        Clock { started, looked: started, stopwatch, calendar, first: 0 }
    }

    /// Goes on from what the clock of another process showed.
    pub fn continue_from(&mut self, ms: Millis) {
        self.first = ms;
    }

    /// The time of a turn.
    pub fn now(&mut self) -> Now {
        self.looked = Instant::now();
        let since_start = self.looked.duration_since(self.started);
        let (elapsed, pause) = self.stopwatch.look(since_start);
        if !pause.is_zero() {
            warn!("a pause of {:.1} s: deadlines are put off", pause.as_secs_f32());
        }
        Now { ms: self.first + millis(elapsed), unix_ms: millis(self.calendar.unix(since_start)) }
    }

    /// A budget that has begun with the turn.
    pub fn budget(&self, duration: Duration) -> Budget {
        Budget { until: self.looked + duration }
    }

    /// Since the start, pauses included.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Since the time of a turn was looked at.
    pub fn turn_elapsed(&self) -> Duration {
        self.looked.elapsed()
    }

    /// How long to sleep until this deadline; `None` is for ever.
    pub fn sleep_until(&mut self, deadline: Option<Millis>) -> Option<Duration> {
        let Some(at) = deadline else {
            self.stopwatch.sleep_for_long();
            return None;
        };
        // Rounded up: waking a moment early would mean turning in circles until the deadline.
        let at = at.saturating_sub(self.first);
        let at = self.stopwatch.real(Duration::from_millis(at) + Duration::from_millis(1));
        Some(at.saturating_sub(self.started.elapsed()).min(SLEEP_MAX))
    }
}

/// The time that a part of a turn may take.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    until: Instant,
}

impl Budget {
    pub fn new(duration: Duration) -> Budget {
        Budget { until: Instant::now() + duration }
    }

    pub fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }
}

/// Work that takes some microseconds, in bytes; what a visit takes beside what is served and
/// encoded in it; and how much of it is done between two looks at the clock. To look after every visit is a
/// part of the 1 to 3 % of an echo's CPU time that were saved with it (`echo-4x32`).
const VISIT_BYTES: u64 = 512;
const LOOK_EVERY_BYTES: u64 = 8 * 1024;

/// A budget for many small things, for which the clock is looked at after some of them.
#[derive(Debug)]
pub struct WorkBudget {
    budget: Budget,
    /// What was done since the clock was looked at.
    done_bytes: u64,
    is_over: bool,
}

impl WorkBudget {
    pub fn new(budget: Budget) -> WorkBudget {
        WorkBudget { budget, done_bytes: 0, is_over: false }
    }

    /// So much more was done. Returns whether the time is over.
    pub fn is_over_after(&mut self, work_bytes: u64) -> bool {
        self.done_bytes = self.done_bytes.saturating_add(work_bytes + VISIT_BYTES);
        if self.done_bytes >= LOOK_EVERY_BYTES && !self.is_over {
            self.done_bytes = 0;
            self.is_over = self.budget.is_over();
        }
        self.is_over
    }
}

/// In whole milliseconds; without the division of 128 bits that `as_millis` is.
pub fn millis(duration: Duration) -> Millis {
    duration.as_secs().saturating_mul(1000).saturating_add(u64::from(duration.subsec_millis()))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn the_time_for_people_is_reckoned_and_looked_at_now_and_then() {
        let mut calendar = Calendar::default();
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let first = calendar.unix(Duration::from_secs(5));
        assert!(now() - first < Duration::from_secs(4));
        let later = calendar.unix(Duration::from_secs(5) + CALENDAR_STEP / 2);
        assert_eq!(later - first, CALENDAR_STEP / 2, "reckoned");
        // The clocks go apart: the host's was set, or the machine has slept.
        let looked = calendar.unix(Duration::from_secs(5000));
        assert!(looked < first + Duration::from_secs(4000), "looked at");
    }

    #[test]
    fn a_budget_begins_with_the_turn() {
        let mut clock = Clock::start();
        clock.now();
        thread::sleep(Duration::from_millis(3));
        assert!(clock.budget(Duration::from_millis(2)).is_over());
        assert!(!clock.budget(Duration::from_secs(60)).is_over());
        // Small things are done several at a time.
        let mut work = WorkBudget::new(clock.budget(Duration::from_millis(2)));
        let small = (0..100).take_while(|_| !work.is_over_after(0)).count() as u64;
        assert_eq!(small, LOOK_EVERY_BYTES / VISIT_BYTES - 1);
        assert!(work.is_over_after(0), "once over, it stays over");
        let mut work = WorkBudget::new(clock.budget(Duration::from_millis(2)));
        assert!(work.is_over_after(LOOK_EVERY_BYTES));
        assert_eq!(millis(Duration::new(3, 999_999_999)), 3999);
        assert_eq!(millis(Duration::MAX), Millis::MAX);
    }
}
