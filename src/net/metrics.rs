//! What the event loop counts.

use std::cell::RefCell;
use std::fmt;
use std::fs;
use std::path::Path;
use std::rc::Rc;

use crate::metrics::{Exposition, Histogram};
use crate::net::logging;
use crate::net::process::Process;
use crate::server::metrics::Rejected;
use crate::server::monitoring::{Collector, MetricsToken};
use crate::service::Lane;

/// Counted since the start; nothing is ever subtracted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetMetrics {
    /// Turns of the loop.
    pub turns: u64,
    /// Connections that became clients.
    pub accepted: u64,
    pub rejected: Rejected,
    /// Times that the kernel gave no connection although it should have, or that one could not be
    /// registered.
    pub accept_errors: u64,
    /// Jobs that the workers have been given.
    pub jobs: Jobs,
    /// How long turns took, where monitors may ask for that.
    pub turn_seconds: Histogram,
}

/// Slow work, by the worker that does it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Jobs {
    pub reading: JobCounts,
    pub passwords: JobCounts,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobCounts {
    pub given: u64,
    pub done: u64,
}

impl Jobs {
    pub fn of(&mut self, lane: Lane) -> &mut JobCounts {
        match lane {
            Lane::Reading => &mut self.reading,
            Lane::Passwords => &mut self.passwords,
        }
    }
}

impl JobCounts {
    fn waiting(self) -> u64 {
        self.given - self.done
    }
}

/// For the log: each counter after its name.
impl fmt::Display for NetMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NetMetrics { turns, accepted, rejected, accept_errors, jobs, .. } = self;
        let jobs = jobs.reading.given + jobs.passwords.given;
        write!(f, "accepted {accepted}, rejected {}", rejected.total())?;
        if rejected.total() > 0 {
            let Rejected { full, out_of_descriptors, address_full, .. } = rejected;
            let Rejected { address_too_fast, banned, .. } = rejected;
            write!(
                f,
                " (full {full}, out of descriptors {out_of_descriptors}, address full \
                 {address_full}, address too fast {address_too_fast}, banned {banned})"
            )?;
        }
        write!(f, ", accept errors {accept_errors}, turns {turns}, jobs {jobs}")
    }
}

/// The token in a file.
///
/// # Errors
/// Why there is none, in one line.
pub fn token_in(file: &Path) -> Result<MetricsToken, String> {
    let written = fs::read_to_string(file).map_err(|error| error.to_string())?;
    MetricsToken::new(&written).map_err(|error| error.to_string())
}

/// What monitors are told of the event loop, the log and the process.
#[derive(Debug)]
pub struct LoopCollector {
    /// The event loop's own.
    metrics: Rc<RefCell<NetMetrics>>,
    clients_max: usize,
    process: Process,
}

impl LoopCollector {
    pub fn new(metrics: &Rc<RefCell<NetMetrics>>, clients_max: usize) -> LoopCollector {
        LoopCollector { metrics: Rc::clone(metrics), clients_max, process: Process::starts() }
    }
}

impl Collector for LoopCollector {
    fn rejected(&self) -> Rejected {
        self.metrics.borrow().rejected
    }

    fn write_metrics(&self, out: &mut Exposition) {
        let NetMetrics { accepted, accept_errors, jobs, turn_seconds, .. } = *self.metrics.borrow();
        out.gauge(
            "chat_server_connections_max",
            "The most connections (--max-clients, or what open files allow).",
            self.clients_max,
        );
        out.counter(
            "chat_server_accepted_connections_total",
            "Connections that were not turned away.",
            accepted,
        );
        out.counter(
            "chat_server_accept_errors_total",
            "Times that the kernel gave no connection although it should have.",
            accept_errors,
        );
        out.histogram(
            "chat_server_turn_seconds",
            "How long a turn of the event loop took: everybody waits so long.",
            &turn_seconds,
        );
        let Jobs { reading, passwords } = jobs;
        out.counters(
            "chat_server_jobs_total",
            "Slow work, by the thread that does it.",
            "worker",
            [("reading", reading.given), ("passwords", passwords.given)],
        );
        out.gauges(
            "chat_server_waiting_jobs",
            "Slow work that is not done yet.",
            "worker",
            [("reading", reading.waiting()), ("passwords", passwords.waiting())],
        );
        let (lost, left_out) = logging::missing_lines();
        out.counters(
            "chat_server_log_lines_missing_total",
            "Lines that the log lacks: nobody took them, or there were too many alike.",
            "reason",
            [("lost", lost), ("thinned", left_out)],
        );
        self.process.write_metrics(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::admission::Rejection;

    #[test]
    fn each_rejection_has_a_counter_of_its_own() {
        let mut rejected = Rejected::default();
        for (times, rejection) in [
            Rejection::Full,
            Rejection::OutOfDescriptors,
            Rejection::AddressFull,
            Rejection::AddressTooFast,
            Rejection::Banned,
        ]
        .into_iter()
        .enumerate()
        {
            (0..=times).for_each(|_| rejected.count(rejection));
        }
        let expected = Rejected {
            full: 1,
            out_of_descriptors: 2,
            address_full: 3,
            address_too_fast: 4,
            banned: 5,
        };
        assert_eq!(rejected, expected);
        let metrics = NetMetrics { accepted: 7, rejected, turns: 9, ..NetMetrics::default() };
        assert_eq!(
            metrics.to_string(),
            "accepted 7, rejected 15 (full 1, out of descriptors 2, address full 3, address too \
             fast 4, banned 5), accept errors 0, turns 9, jobs 0"
        );
        assert_eq!(
            NetMetrics::default().to_string(),
            "accepted 0, rejected 0, accept errors 0, turns 0, jobs 0"
        );
    }
}
