//! What the operating system tells: cores, CPU time, memory, what machine this is.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

/// Which cores the two sides run on; `None` where there is only one.
#[derive(Clone, Copy)]
pub struct Cores {
    pub server: usize,
    pub load: usize,
}

pub fn cores() -> Option<Cores> {
    let allowed = sched_getaffinity(Pid::from_raw(0)).ok()?;
    let mut usable = (0..CpuSet::count()).filter(|&core| allowed.is_set(core).unwrap_or(false));
    Some(Cores { server: usable.next()?, load: usable.next()? })
}

/// Moves this thread, and whatever it starts from now on, to one core.
pub fn pin_to(core: usize) -> Result<()> {
    let mut only = CpuSet::new();
    only.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &only).with_context(|| format!("moving to core {core}"))
}

pub fn raise_descriptor_limit() -> Result<u64> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(hard)
}

pub fn own_cpu() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into())
}

/// CPU time of a process, all of its threads (also those that have ended), and of its children. It
/// is what /proc/PID/stat shows as utime + stime, but in nanoseconds instead of ticks of 10 ms.
pub fn cpu_of(pid: i32) -> Result<Duration> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid))
        .with_context(|| format!("CPU clock of {pid}"))?;
    let own: Duration = clock_gettime(clock)?.into();
    let children: Duration = children(pid).into_iter().filter_map(|child| cpu_of(child).ok()).sum();
    Ok(own + children)
}

/// CPU time of a process's threads with this name.
pub fn cpu_of_thread(pid: i32, name: &str) -> Result<Duration> {
    let mut nanoseconds = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).context("threads")? {
        let task = task?.path();
        if fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim_end() == name) {
            let times = fs::read_to_string(task.join("schedstat")).context("schedstat")?;
            nanoseconds += times.split(' ').next().context("a time")?.parse::<u64>()?;
        }
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// Resident memory of a process and its children, exactly (the numbers in /proc/PID/statm lag
/// behind).
pub fn resident_bytes_of(pid: i32) -> Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).context("smaps_rollup")?;
    let kib: u64 = rollup
        .lines()
        .find_map(|line| line.strip_prefix("Rss:")?.trim().strip_suffix("kB")?.trim().parse().ok())
        .context("smaps_rollup has no Rss")?;
    let children: u64 =
        children(pid).into_iter().filter_map(|child| resident_bytes_of(child).ok()).sum();
    Ok(kib * 1024 + children)
}

/// What machine the numbers come from, in one line.
pub fn describe() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1))
        .unwrap_or("?");
    let count = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    format!("{count} x {model}, Linux {}", read("/proc/sys/kernel/osrelease").trim())
}

fn children(pid: i32) -> Vec<i32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    tasks
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok())
        .flat_map(|list| {
            list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}
