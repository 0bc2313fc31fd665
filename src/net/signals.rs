//! Which signals stop the server, or have it read its certificate again.

use std::ffi::c_int;
use std::io;
use std::sync::Arc;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR2};

/// The signals that the server heeds. One that would stop it and that it was started to ignore stays
/// ignored: nohup(1) does that with SIGHUP, and a shell without job control with the SIGINT of what
/// it starts in the background. SIGHUP stops no server that `reloads`.
pub fn heeded(reloads: bool) -> impl Iterator<Item = c_int> {
    [SIGTERM, SIGINT, SIGHUP, SIGUSR2].into_iter().filter(move |&signal| {
        signal == SIGTERM || signal == SIGUSR2 || signal == SIGHUP && reloads || !is_ignored(signal)
    })
}

/// A service manager sends its signals to all processes of a service, so that whoever asks for an
/// upgrade twice asks the new process as well, which would end by it while it is not heeded yet.
///
/// # Errors
/// What the system says.
pub fn outlive_upgrade_requests() -> io::Result<()> {
    signal_hook::flag::register(SIGUSR2, Arc::default()).map(drop)
}

/// What a signal that stops the server says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// The terminal has gone. Its shell and its kernel say so each for themselves, so that the
    /// second says nothing new.
    HungUp,
    /// Somebody wants it to stop; the second time, at once.
    Asked,
}

/// `None`: it asks for something else.
pub fn meaning(signal: c_int) -> Option<Stop> {
    match signal {
        SIGUSR2 => None,
        SIGHUP => Some(Stop::HungUp),
        _ => Some(Stop::Asked),
    }
}

#[expect(
    unsafe_code,
    reason = "sigaction(2) without a new action only reads the old one, into zeroed memory of its type"
)]
fn is_ignored(signal: c_int) -> bool {
    // SAFETY: a `sigaction` may be all zeroes, and lives until the call is over.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    }
}
