//! What holds of the sending side between any two turns, for tests to assert.

use std::collections::BTreeMap;

use super::{Delivery, Pressure, Queued};
use crate::ids::ClientId;

impl Delivery {
    /// What a client is owed, in bytes, but for its share of this turn's batches.
    #[doc(hidden)]
    pub fn owed_bytes(&self, client: ClientId) -> usize {
        self.outbox(client).map_or(0, |outbox| outbox.bytes())
    }

    pub(crate) fn assert_invariants(&self) {
        let mut over: BTreeMap<usize, u32> = BTreeMap::new();
        for (key, recipient) in self.recipients.iter().enumerate() {
            if recipient.serial == 0 {
                assert!(
                    recipient.outbox.is_none() && recipient.slots.is_empty(),
                    "a vacant place is empty"
                );
                continue;
            }
            for slot in recipient.slots.iter().filter(|_| recipient.is_over()) {
                *over.entry(slot.channel.index()).or_default() += 1;
            }
            let owed = recipient.outbox.as_ref();
            let queued = recipient.queued != Queued::No;
            assert_eq!(
                queued,
                owed.is_some() && recipient.writable && !recipient.held,
                "client {key} on a write queue"
            );
            if let Some(owed) = owed {
                let bytes = owed.outbox.bytes();
                assert!(bytes > 0, "an empty outbox is given back");
                let is_over = bytes > self.limits.outbox_mark_bytes;
                assert!(
                    !is_over || owed.pressure != Pressure::Clear,
                    "client {key} is over the mark"
                );
                let patience = self.limits.too_slow_ms + self.limits.stalled_ms;
                let behind = match owed.pressure {
                    Pressure::Over { since } | Pressure::Stalled { since } => {
                        self.now.ms.saturating_sub(since)
                    }
                    Pressure::Clear => 0,
                };
                let blocked = owed.blocked_since.map_or(0, |at| self.now.ms.saturating_sub(at));
                // It is looked at every so often.
                let look_ms = self.limits.stalled_ms / 4;
                let stalled = behind > look_ms && blocked >= self.limits.stalled_ms + look_ms;
                assert!(
                    recipient.closed || !stalled || !recipient.is_over(),
                    "client {key} takes nothing and holds its channels up"
                );
                let let_go = behind.min(blocked) > patience;
                assert!(
                    recipient.closed || !let_go,
                    "client {key} should have been let go as too slow"
                );
                assert!(
                    recipient.closed || bytes <= self.limits.outbox_max_bytes,
                    "client {key}: {bytes} bytes"
                );
            }
        }
        for queue in [&self.prompt, &self.bulk] {
            let mut waiting: Vec<ClientId> = queue.iter().copied().collect();
            waiting.sort_unstable();
            assert!(
                waiting.is_sorted_by(|one, next| one < next),
                "nobody is on a write queue twice"
            );
        }
        for (key, channel) in &self.channels {
            let congested = over.get(&key).copied().unwrap_or(0);
            assert_eq!(
                channel.congested_members, congested,
                "members of channel {key} that are over the mark"
            );
            let spoke = self.spoke.iter().any(|id| id.index() == key);
            assert_eq!(channel.spoke, spoke, "channel {key} on the list of those that spoke");
            assert!(channel.batch_bytes() == 0 || spoke, "a batch that nobody hands out");
        }
    }

    pub(crate) fn assert_at_rest(&self) {
        assert!(
            self.recipients.iter().all(|recipient| recipient.serial == 0),
            "a place that is not free"
        );
        assert!(self.waiting.is_empty(), "somebody who has left is waiting: {:?}", self.waiting);
        assert!(self.too_slow.is_empty() && self.newly_over.is_empty() && self.spoke.is_empty());
        assert!(
            self.channels.iter().all(|(_, channel)| channel.members() == 0),
            "somebody who has left is in a channel"
        );
    }
}
