//! Attacks of one form, so that they can be mixed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::common::Server;

/// An attack that minds neither what others do to the server meanwhile nor how often it is let go.
#[derive(Clone, Copy)]
pub struct Attack {
    pub name: &'static str,
    /// What it may cost the server, by itself.
    pub memory_mib: u64,
    /// Attacks for about so long. All that it has connected is gone when it returns.
    pub round: fn(&Server, Duration),
}

impl Attack {
    pub fn round(&self, server: &Server, how_long: Duration) {
        (self.round)(server, how_long);
    }
}

/// Tells threads that it is over, also when the test fails: nobody would wait for them for ever.
pub struct SetWhenDropped<'a>(pub &'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
