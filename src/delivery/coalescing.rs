//! When the channels' batches are kept back for a moment, so that more can go out with them.
//!
//! A write costs the kernel about as much with one message in it as with fifty. When many people
//! write to many, the first few messages of a burst would go to everybody in a write each, and the
//! rest in another; waiting for the burst costs less time than those writes do. PostgreSQL's
//! `commit_delay` and a network card's interrupt moderation do the same. A lone message waits for
//! one step at most, and only if the last wait has paid. One decision is made for all channels:
//! what two people say while a crowd talks goes out with it, 10 ms later at most.

use std::time::Duration;

use crate::delivery::Batch;

/// One wait. The kernel makes about 60 us of it.
pub const COALESCE_STEP: Duration = Duration::from_micros(10);

/// Writes that are worth a step: they take at least twice as long.
const MEMBERS_MIN: usize = 32;

/// What a write takes at most, most of it in the kernel's loopback: all steps together take no
/// longer than the writes.
const WRITE: Duration = Duration::from_micros(8);

/// Nobody's message is kept longer than this, however many there are to write to.
const WAIT_MAX: Duration = Duration::from_millis(10);

/// Watches a batch grow.
#[derive(Debug, Default)]
pub struct Coalescer {
    /// When this batch was first kept back.
    since: Option<Duration>,
    /// How many messages it had then, or after the last step.
    messages: usize,
    /// The last wait has brought something.
    paid: bool,
}

impl Coalescer {
    /// Whether the batch should be kept for another [`COALESCE_STEP`]; `now` counts from any
    /// moment, and is only asked for when a batch waits. To be asked once a turn.
    pub fn waits(&mut self, batch: Batch, now: impl Fn() -> Duration) -> bool {
        let has_grown = batch.messages > self.messages;
        self.messages = batch.messages;
        let goes_on = match self.since {
            None => batch.messages > 1 || self.paid,
            Some(since) => {
                self.paid |= has_grown;
                has_grown && now().saturating_sub(since) < wait_max(batch.members)
            }
        };
        if !goes_on || batch.is_full || batch.members < MEMBERS_MIN {
            self.since = None;
            self.messages = 0;
            return false;
        }
        if self.since.is_none() {
            self.since = Some(now());
            self.paid = false;
        }
        true
    }

    /// Whether a batch is being kept back.
    pub fn is_waiting(&self) -> bool {
        self.since.is_some()
    }
}

fn wait_max(members: usize) -> Duration {
    WAIT_MAX.min(WRITE * u32::try_from(members).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(messages: usize, members: usize) -> Batch {
        Batch { messages, members, is_full: false }
    }

    fn us(us: u64) -> impl Fn() -> Duration {
        move || Duration::from_micros(us)
    }

    #[test]
    fn a_single_message_goes_at_once() {
        let mut coalescer = Coalescer::default();
        for turn in 0..10 {
            assert!(!coalescer.waits(batch(1, 100_000), us(turn)));
            assert!(!coalescer.waits(batch(0, 0), us(turn)));
        }
    }

    #[test]
    fn a_burst_waits_for_as_long_as_it_grows() {
        let mut coalescer = Coalescer::default();
        assert!(coalescer.waits(batch(2, 100), us(0)));
        assert!(coalescer.waits(batch(3, 100), us(60)));
        assert!(coalescer.waits(batch(9, 100), us(120)));
        assert!(coalescer.is_waiting());
        assert!(!coalescer.waits(batch(9, 100), us(180)), "nothing came");
        assert!(!coalescer.is_waiting());
    }

    #[test]
    fn after_a_wait_that_paid_a_single_message_waits_once() {
        let mut coalescer = Coalescer::default();
        assert!(coalescer.waits(batch(2, 100), us(0)));
        assert!(coalescer.waits(batch(3, 100), us(60)));
        assert!(!coalescer.waits(batch(3, 100), us(120)));
        assert!(coalescer.waits(batch(1, 100), us(1000)), "there may be more");
        assert!(!coalescer.waits(batch(1, 100), us(1060)), "there was not");
        assert!(!coalescer.waits(batch(1, 100), us(2000)), "so this one does not wait");
    }

    #[test]
    fn nobody_waits_longer_than_the_writes_take() {
        let turns = |members| {
            let mut coalescer = Coalescer::default();
            (2..)
                .take_while(|&messages| {
                    coalescer.waits(batch(messages, members), us(messages as u64))
                })
                .count() as u64
        };
        for members in [32, 100, 1000] {
            let longest = (WRITE * members as u32).as_micros() as u64;
            assert_eq!(
                turns(members),
                longest,
                "{members} members, and the last turn is the one that ends it"
            );
        }
        assert_eq!(turns(1_000_000), WAIT_MAX.as_micros() as u64);
    }

    #[test]
    fn few_members_and_a_full_batch_are_not_worth_a_wait() {
        let mut coalescer = Coalescer::default();
        assert!(!coalescer.waits(batch(50, MEMBERS_MIN - 1), us(0)));
        assert!(coalescer.waits(batch(50, MEMBERS_MIN), us(0)));
        assert!(
            !coalescer.waits(Batch { messages: 51, members: MEMBERS_MIN, is_full: true }, us(60))
        );
    }
}
