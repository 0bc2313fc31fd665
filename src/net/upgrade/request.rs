//! `chat-server upgrade`: asks the server that runs, and waits for what comes of it.

use std::fs::File;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::record::Record;

/// Between two looks at what has come of it.
const STEP: Duration = Duration::from_millis(20);
/// The server itself gives up much earlier.
const PATIENCE: Duration = Duration::from_secs(60);

/// Has the server that keeps its history in this directory go on as the program that is where it was
/// started from.
///
/// # Errors
/// Why it does not, in one line.
pub fn run(directory: &Path) -> Result<String, String> {
    let record = Record::in_directory(directory);
    let nobody = || format!("no server keeps its history in {}", directory.display());
    if !is_locked(directory).map_err(|_| nobody())? {
        return Err(nobody());
    }
    let before = record.read().map_err(|_| {
        format!("the server that keeps its history in {} knows of no upgrade", directory.display())
    })?;
    let pid = Pid::from_raw(before.0).ok_or_else(nobody)?;
    kill_process(pid, Signal::USR2).map_err(|error| format!("process {}: {error}", before.0))?;
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        thread::sleep(STEP);
        let Ok(now) = record.read() else { continue };
        if now.0 != before.0 {
            return Ok(format!("process {} goes on as process {}", before.0, now.0));
        }
        if now.1 != before.1 {
            let why = now.1.split_once(' ').map_or("", |(_, why)| why).to_owned();
            return Err(format!("process {} goes on as it was: {why}", before.0));
        }
    }
    Err(format!("process {} has not said for {} s what comes of it", before.0, PATIENCE.as_secs()))
}

/// Whether a server uses a directory.
fn is_locked(directory: &Path) -> io::Result<bool> {
    Ok(File::open(directory.join("lock"))?.try_lock().is_err())
}
