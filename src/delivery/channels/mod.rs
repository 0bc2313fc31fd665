//! Channels: who is in them, and what was published there that has not been handed out yet.
//!
//! A message is encoded once per [`Encoding`] in use in its channel, straight into that encoding's
//! batch. At the end of the turn, or of one of the next few, the batch is frozen and every member
//! is handed a reference to the same bytes. A member that joins in mid-turn remembers how far the
//! batch had grown, so it gets only what was published after it joined.

mod channel;

use std::collections::VecDeque;
use std::mem;
use std::num::NonZeroU32;

use bytes::Bytes;
use slab::Slab;

use crate::clock::Millis;
use crate::delivery::encoding::{Compressor, Encoder, Encoding};
use crate::delivery::limits::DeliveryLimits;
use crate::ids::ClientId;
use crate::memory::MemoryAccount;
use channel::{Channel, Frozen, Published};

/// What may be published in one turn, in high-water marks: a quarter of what a client may have
/// queued.
const TURN_MARKS_MAX: usize = 4;

/// A channel that takes longer than this to publish as much as the high-water mark is just talking
/// (8 KiB a second: more than people type) and held up by nobody: it is not what puts its members
/// behind, and adds little while they are.
const TALKING_MS: Millis = 32_000;

/// A channel's key. It stays valid until the channel is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(NonZeroU32);

impl ChannelId {
    /// The channel with this key in the slab. One is added, so that an id that may be missing takes
    /// no more space.
    pub(crate) fn new(key: usize) -> ChannelId {
        let key = u32::try_from(key + 1).ok().and_then(NonZeroU32::new);
        ChannelId(key.expect("channels are far fewer than 2^32"))
    }

    pub(crate) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// What the sender of a message gets in place of the shared message, or another member.
#[derive(Clone, Copy, Debug)]
pub struct SenderCopy<'a> {
    pub sender: ClientId,
    /// Whole messages in the sender's encoding; empty: it gets nothing.
    pub bytes: &'a [u8],
}

/// A client's slot in a channel: where to find it without searching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberSlot {
    pub channel: ChannelId,
    index: u32,
}

/// What one member is handed of a frozen batch.
pub enum Share<'a> {
    /// A part of the batch, shared with the other members.
    Batch(Bytes),
    /// Bytes for this member alone: its sender copy, or a small part of the batch.
    Copy(&'a [u8]),
}

/// What is to be handed out, in all channels together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub messages: usize,
    /// Members of the channels that have a batch; a client that is in several of them counts
    /// several times.
    pub members: usize,
    /// Publishers have to wait until it has been handed out.
    pub is_full: bool,
}

/// All channels, and what is to be handed out in them.
///
/// Invariant: a channel is on `with_batch`, once, exactly if its `has_batch` is set, and has a
/// batch only then; that of [`channel::Subscribers`].
#[derive(Debug)]
pub struct Channels {
    limits: DeliveryLimits,
    slab: Slab<Channel>,
    with_batch: VecDeque<ChannelId>,
    /// Messages in all channels together since their batches were last frozen.
    published_messages: usize,
    /// Their bytes, each in the encoding in which it is longest.
    published_bytes: usize,
}

impl Channels {
    pub fn new(limits: DeliveryLimits) -> Channels {
        Channels {
            limits,
            slab: Slab::new(),
            with_batch: VecDeque::new(),
            published_messages: 0,
            published_bytes: 0,
        }
    }

    /// Opens a channel without members.
    pub fn open(&mut self) -> ChannelId {
        ChannelId::new(self.slab.insert(Channel::default()))
    }

    /// Closes a channel that nobody is in.
    pub fn close(&mut self, id: ChannelId) {
        let channel = self.slab.remove(id.index());
        debug_assert_eq!(channel.members(), 0);
        if channel.has_batch {
            self.with_batch.retain(|&other| other != id);
        }
    }

    pub fn join(&mut self, id: ChannelId, client: ClientId, encoding: Encoding) -> MemberSlot {
        self.slab[id.index()].join(id, client, encoding)
    }

    /// Removes a member. Returns the member that has its slot now.
    pub fn leave(&mut self, slot: MemberSlot, encoding: Encoding) -> Option<ClientId> {
        self.slab[slot.channel.index()].leave(slot, encoding)
    }

    pub fn members(&self, id: ChannelId) -> impl Iterator<Item = ClientId> {
        self.slab[id.index()].clients()
    }

    /// Adds a message to a channel's batches.
    pub fn publish(
        &mut self,
        id: ChannelId,
        sender_copy: Option<(SenderCopy<'_>, Encoding)>,
        compressor: &mut Compressor,
        now_ms: Millis,
        encode: impl FnMut(&mut Encoder),
    ) -> Published {
        let channel = &mut self.slab[id.index()];
        let published = channel.publish(compressor, sender_copy, encode);
        self.published_bytes += published.longest_bytes;
        self.published_messages += 1;
        // Rounded up, or very short messages would take no time at all.
        let takes_ms = (published.longest_bytes as Millis * TALKING_MS)
            .div_ceil(self.limits.outbox_mark_bytes as Millis);
        let paced_until = channel.paced_until.max(now_ms) + takes_ms;
        channel.paced_until = paced_until.min(now_ms + self.limits.too_slow_ms);
        if !mem::replace(&mut channel.has_batch, true) {
            self.with_batch.push_back(id);
        }
        published
    }

    /// Gives a member something else in place of the message that was published last.
    pub fn replace_last(&mut self, id: ChannelId, copy: SenderCopy<'_>, encoding: Encoding) {
        self.slab[id.index()].replace_last(copy, encoding);
    }

    /// Gives a member copies of what it has not been handed yet of its channel's batch.
    pub fn catch_up(&mut self, slot: MemberSlot, encoding: Encoding, give: impl FnMut(&[u8])) {
        let channel = &mut self.slab[slot.channel.index()];
        if channel.has_batch {
            channel.catch_up(slot, encoding, give);
        }
    }

    /// Whether any channel has something to hand out.
    pub fn have_batches(&self) -> bool {
        !self.with_batch.is_empty()
    }

    /// Begins to count anew what is published, as the batches are about to be handed out.
    pub fn reset_published(&mut self) {
        self.published_bytes = 0;
        self.published_messages = 0;
    }

    /// Freezes the batches of the next channel that has any, which count in this account, and hands
    /// them to its members: `give` gets the member, its share, and how many members the batch has.
    /// Returns the channel and what was handed out.
    pub fn freeze_next(
        &mut self,
        account: &MemoryAccount,
        give: impl FnMut(ClientId, Share<'_>, usize),
    ) -> Option<(ChannelId, Frozen)> {
        let id = self.with_batch.pop_front()?;
        let channel = &mut self.slab[id.index()];
        channel.has_batch = false;
        Some((id, channel.freeze(account, give)))
    }

    /// Drops what was published and has not been handed out.
    pub fn drop_batches(&mut self) {
        for id in self.with_batch.drain(..) {
            self.slab[id.index()].drop_batches();
        }
        self.reset_published();
    }

    /// Whether a channel's batch holds as much as a client should have queued.
    pub fn is_batch_full(&self, id: ChannelId) -> bool {
        self.is_full(&self.slab[id.index()])
    }

    fn is_full(&self, channel: &Channel) -> bool {
        channel.batch_bytes() >= self.limits.outbox_mark_bytes
    }

    /// Whether enough has been published in all channels together: a client may be in many of them
    /// and gets it all at once.
    pub fn is_turn_full(&self) -> bool {
        self.published_bytes >= TURN_MARKS_MAX * self.limits.outbox_mark_bytes
    }

    /// When all that was published here would have been said at the pace of people who type.
    pub fn paced_until(&self, id: ChannelId) -> Millis {
        self.slab[id.index()].paced_until
    }

    /// Whether a channel publishes more than people type.
    pub fn is_ahead(&self, id: ChannelId, now_ms: Millis) -> bool {
        let ahead_ms = self.limits.pace_ahead_ms;
        ahead_ms.is_none_or(|ahead_ms| self.paced_until(id) > now_ms + ahead_ms)
    }

    /// What there is to hand out. Counted once a turn, and not kept with every message.
    pub fn batch(&self) -> Batch {
        let with_batch = || self.with_batch.iter().map(|id| &self.slab[id.index()]);
        Batch {
            messages: self.published_messages,
            members: with_batch().map(Channel::members).sum(),
            is_full: self.is_turn_full() || with_batch().any(|channel| self.is_full(channel)),
        }
    }

    /// Gives up memory that the next burst can have anew.
    pub fn trim(&mut self) {
        self.with_batch.shrink_to_fit();
        for (_, channel) in &mut self.slab {
            channel.trim();
        }
    }

    /// The client that has this slot.
    pub fn member(&self, slot: MemberSlot, encoding: Encoding) -> Option<ClientId> {
        self.slab[slot.channel.index()].member(slot, encoding)
    }

    /// The keys of all channels.
    pub fn keys(&self) -> impl Iterator<Item = usize> {
        self.slab.iter().map(|(key, _)| key)
    }

    /// Whether a channel is on the list of those that have something to hand out.
    #[cfg(test)]
    pub fn has_batch(&self, id: ChannelId) -> bool {
        self.slab[id.index()].has_batch
    }

    /// How many members all channels have together.
    pub fn all_members(&self) -> usize {
        self.slab.iter().map(|(_, channel)| channel.members()).sum()
    }

    pub fn assert_invariants(&self) {
        for (key, channel) in &self.slab {
            let listed = self.with_batch.iter().filter(|id| id.index() == key).count();
            assert_eq!(
                listed,
                usize::from(channel.has_batch),
                "channel {key} on the list of those with a batch"
            );
            let is_handed_out = channel.batch_bytes() == 0 || channel.has_batch;
            assert!(is_handed_out, "a batch that nobody hands out");
            channel.assert_invariants();
        }
    }
}

#[cfg(test)]
mod tests;
