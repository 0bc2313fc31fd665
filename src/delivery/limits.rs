//! The limits of delivery, with their units and reasons.

use crate::clock::Millis;

/// How much a client may have queued, and for how long it may be behind.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryLimits {
    /// Address space is set aside for so many clients: untouched, it costs nothing, and growing in
    /// the middle of a turn would copy everybody and leave holes.
    pub clients_expected: usize,
    /// Queued for one client before those who publish to it have to wait.
    pub outbox_mark_bytes: usize,
    /// Queued for one client before it is closed as too slow. Above the mark there is room for one
    /// more batch and its largest message.
    pub outbox_max_bytes: usize,
    /// `--memory-mib`: held for all clients together before some are let go.
    pub memory_bytes_max: usize,
    /// What may wait for the store before nothing more is recorded: records, and what is held for
    /// clients until they are durable; what is shared counts once.
    pub held_bytes_max: usize,
    /// `--too-slow`: how long a client may take nothing of what is queued for it, or stay over the
    /// mark without catching up.
    pub too_slow_ms: Millis,
    /// How long the kernel may take nothing for a client over the mark before others no longer wait
    /// for it.
    pub stalled_ms: Millis,
    /// How far a channel may be ahead of the pace of people who type and still wait for nobody;
    /// `None`: all channels wait.
    pub pace_ahead_ms: Option<Millis>,
}

impl DeliveryLimits {
    /// How long the kernel may take nothing for a client under the mark. Much longer than over it:
    /// the kernel takes more in steps only, as its buffers empty, and one that reads slowly must
    /// not be taken for one that does not read.
    pub fn blocked_max_ms(&self) -> Millis {
        12 * self.too_slow_ms
    }
}

impl Default for DeliveryLimits {
    fn default() -> DeliveryLimits {
        DeliveryLimits {
            clients_expected: 0,
            outbox_mark_bytes: 256 * 1024,
            outbox_max_bytes: 4 * 1024 * 1024,
            // The event loop knows the machine.
            memory_bytes_max: usize::MAX,
            held_bytes_max: 32 * 1024 * 1024,
            too_slow_ms: 5_000,
            stalled_ms: 1_000,
            pace_ahead_ms: Some(1_000),
        }
    }
}
