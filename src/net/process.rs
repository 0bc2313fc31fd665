//! What the system knows of this process, under the names that all programs use for it.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::metrics::Exposition;

/// This process, from its start on.
#[derive(Debug)]
pub struct Process {
    started: SystemTime,
}

/// What is of interest of /proc/self/stat (proc_pid_stat(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    /// In user and kernel mode together.
    cpu_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn parse(line: &str) -> Option<Stat> {
        // The program's name, in brackets, may have anything in it.
        let (_, rest) = line.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // The first of these is the third of the line.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let cpu_ticks = field(14)? + field(15)?;
        Some(Stat { cpu_ticks, virtual_bytes: field(23)?, resident_pages: field(24)? })
    }
}

impl Process {
    /// It starts now.
    pub fn starts() -> Process {
        Process { started: SystemTime::now() }
    }

    /// Writes what the system says; nothing of what it does not.
    pub fn write_metrics(&self, out: &mut Exposition) {
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        out.gauge(
            "process_start_time_seconds",
            "When the process began, in seconds since 1970.",
            started.as_secs_f64(),
        );
        if let Ok((soft, _)) = rlimit::getrlimit(rlimit::Resource::NOFILE) {
            out.gauge("process_max_fds", "The most files that may be open.", soft);
        }
        // Since Linux 6.2 it says how many there are; to count them would take long.
        let open = fs::metadata("/proc/self/fd").map_or(0, |directory| directory.len());
        if open > 0 {
            out.gauge("process_open_fds", "Files that are open.", open);
        }
        let line = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        if let Some(stat) = Stat::parse(&line) {
            write_stat(stat, out);
        }
    }
}

#[cfg(target_os = "linux")]
fn write_stat(stat: Stat, out: &mut Exposition) {
    let cpu = stat.cpu_ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
    out.counter("process_cpu_seconds_total", "Time of processors that was used.", cpu);
    out.gauge("process_virtual_memory_bytes", "Address space.", stat.virtual_bytes);
    let resident = stat.resident_pages * rustix::param::page_size() as u64;
    out.gauge("process_resident_memory_bytes", "Memory.", resident);
}

/// Elsewhere, /proc has other things in it.
#[cfg(not(target_os = "linux"))]
fn write_stat(_: Stat, _: &mut Exposition) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_of_a_process_is_read() {
        let line =
            "7 (a (b) c) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 9 9 20 0 4 0 77 123456 789 18 0";
        let stat = Stat { cpu_ticks: 200, virtual_bytes: 123_456, resident_pages: 789 };
        assert_eq!(Stat::parse(line), Some(stat));
        for bad in ["", "7 (a) S 1", "7 a S"] {
            assert_eq!(Stat::parse(bad), None, "{bad}");
        }
    }
}
