//! The host's clocks, read once a turn.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use log::warn;

use crate::clock::{Millis, Now, SLEEP_MAX, Stopwatch};

/// Counts from the start of the event loop. Pauses of the process do not count.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
    stopwatch: Stopwatch,
}

impl Clock {
    pub fn start() -> Clock {
        Clock { started: Instant::now(), stopwatch: Stopwatch::default() }
    }

    /// The time of a turn.
    pub fn now(&mut self) -> Now {
        let (elapsed, pause) = self.stopwatch.look(self.started.elapsed());
        if !pause.is_zero() {
            warn!("a pause of {:.1} s: deadlines are put off", pause.as_secs_f32());
        }
        Now {
            ms: millis(elapsed),
            unix_ms: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis),
        }
    }

    /// Since the start, pauses included.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// How long to sleep until this deadline; `None` is for ever.
    pub fn sleep_until(&mut self, deadline: Option<Millis>) -> Option<Duration> {
        let Some(at) = deadline else {
            self.stopwatch.sleep_for_long();
            return None;
        };
        // Rounded up: waking a moment early would mean turning in circles until the deadline.
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

pub fn millis(duration: Duration) -> Millis {
    Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}
