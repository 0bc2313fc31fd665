//! Time, as a turn sees it.

/// A span or a moment in whole milliseconds; moments count from the server's start.
pub type Millis = u64;

/// The one reading of the clocks that a turn gets.
///
/// The event loop makes it; everything below is handed it, so that a simulation can turn time by hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since the server's start; never goes back. Deadlines are in this unit.
    pub ms: Millis,
    /// Milliseconds since 1970-01-01 UTC, for people. May jump when the host's clock is set.
    pub unix_ms: u64,
}
