//! What holds of delivery between any two turns, for tests to assert.

use std::collections::BTreeMap;

use super::Delivery;
use super::channels::ChannelId;
use super::flow::{Flow, Pressure};
use super::recipients::Recipient;
use crate::clock::Millis;
use crate::ids::ClientId;

impl Delivery {
    /// What a client has queued, in bytes, but for its share of this turn's batches.
    #[doc(hidden)]
    pub fn unsent_bytes(&self, client: ClientId) -> usize {
        self.outbox(client).map_or(0, |outbox| outbox.bytes())
    }

    /// What is held for a client until it is durable, in bytes.
    #[doc(hidden)]
    pub fn unstored_bytes(&self, client: ClientId) -> usize {
        self.recipients.held.bytes_of(client)
    }

    /// `is_checked`: all checks of clients that were due have been made.
    pub(crate) fn assert_invariants(&self, is_checked: bool) {
        self.channels.assert_invariants();
        self.recipients.assert_invariants();
        self.assert_slots();
        self.assert_congested_members();
        for (client, recipient) in self.recipients.all() {
            self.flow.assert_recipient(client, recipient, is_checked);
        }
    }

    /// What is counted is what a walk finds: `entry_bytes` on the server's side; of frames, which
    /// may be parts of larger ones, not less than those of `clients`.
    pub(crate) fn assert_account(
        &self,
        entry_bytes: usize,
        clients: impl Iterator<Item = ClientId>,
    ) {
        let account = self.account();
        assert_eq!(account.entry_bytes(), entry_bytes, "what has one holder");
        let held = &self.recipients.held;
        let mut frames: Vec<_> = clients
            .flat_map(|client| {
                let outbox = self.recipients.get(client).outbox();
                let queued = outbox.into_iter().flat_map(|outbox| outbox.frame_addresses());
                queued.chain(held.frame_addresses_of(client))
            })
            .collect();
        frames.sort_unstable_by_key(|frame| frame.start);
        let (mut found, mut end) = (0, 0);
        for frame in frames {
            found += frame.end.max(end) - frame.start.max(end);
            end = frame.end.max(end);
        }
        let shared = account.shared_bytes() + self.recipients.held.frame_bytes();
        assert!(shared >= found, "{found} bytes of frames are held, and {shared} counted");
    }

    /// Every slot is where its member is, and every member has one.
    pub(super) fn assert_slots(&self) {
        let mut slots = 0;
        for (client, recipient) in self.recipients.all() {
            for slot in recipient.slots.as_slice() {
                let member = self.channels.member(*slot, recipient.encoding);
                assert_eq!(member, Some(client), "the slot of {client} in {:?}", slot.channel);
            }
            slots += recipient.slots.as_slice().len();
        }
        assert_eq!(slots, self.channels.all_members(), "slots and members");
    }

    /// Each channel's count of members over the mark is right.
    pub(super) fn assert_congested_members(&self) {
        let mut over: BTreeMap<usize, u32> = BTreeMap::new();
        for (_, recipient) in self.recipients.all().filter(|(_, recipient)| recipient.is_over()) {
            for slot in recipient.slots.as_slice() {
                *over.entry(slot.channel.index()).or_default() += 1;
            }
        }
        for key in self.channels.keys() {
            assert_eq!(
                self.flow.congested_members(ChannelId::new(key)),
                over.get(&key).copied().unwrap_or(0),
                "members of channel {key} that are over the mark"
            );
        }
    }

    pub(crate) fn assert_at_rest(&self) {
        assert!(self.recipients.all().next().is_none(), "a place that is not free");
        assert!(!self.channels.have_batches(), "a batch that nobody gets");
        assert_eq!(self.channels.all_members(), 0, "a client that has left is in a channel");
        self.flow.assert_at_rest();
        self.budget.assert_at_rest();
    }
}

impl Flow {
    /// Asserts what holds of one client that has something queued; `is_checked`: the checks that
    /// were due have been made.
    pub fn assert_recipient(&self, client: ClientId, recipient: &Recipient, is_checked: bool) {
        let Some(queue) = &recipient.send_queue else { return };
        let limits = &self.limits;
        let elapsed_ms =
            |since: Option<Millis>| since.map_or(0, |at| self.now.ms.saturating_sub(at));
        let bytes = queue.outbox.bytes();
        let (behind, blocked) =
            (elapsed_ms(queue.pressure.since()), elapsed_ms(queue.blocked_since()));
        assert!(
            bytes <= limits.outbox_mark_bytes
                || queue.pressure != Pressure::Clear
                || recipient.is_withheld,
            "{client} is over the mark"
        );
        let is_flooded = self.flooded.contains_key(&client);
        let is_within = bytes <= limits.outbox_max_bytes;
        assert!(!is_flooded || !is_within, "{client} is flooded by {bytes} bytes");
        assert!(recipient.is_closed || is_within || is_flooded, "{client}: {bytes} bytes");
        if recipient.is_closed || !is_checked {
            return;
        }
        // It is checked every so often.
        let check_ms = limits.stalled_ms / 4;
        let is_stalled = behind > check_ms && blocked >= limits.stalled_ms + check_ms;
        assert!(
            !is_stalled || !recipient.is_over(),
            "{client} takes nothing and holds its channels up"
        );
        let is_too_slow = behind.min(blocked) > limits.too_slow_ms + limits.stalled_ms
            || blocked > limits.blocked_max_ms();
        assert!(!is_too_slow, "{client} should have been closed as too slow");
    }
}
