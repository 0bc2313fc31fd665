//! Everything on its way out: who gets which bytes and when, and who waits for whom.
//!
//! A service never writes to a socket. It says here what should go where; at the end of a turn the
//! server has each channel's batch handed to its members, and gives every client with something
//! queued one vectored write.
//!
//! What follows from a change leaves when the store has the change: until then it is [`held`].
//!
//! [`Delivery`] is a facade of three parts: [`channels`] has the members and the batches,
//! [`recipients`] each client's queue and the order of writes, [`flow`] who is behind and who
//! waits. Channels and recipients do not know each other; flow reads both; what needs all three is
//! put together here.

mod budget;
mod changing;
pub mod channels;
pub mod coalescing;
pub mod encoding;
mod flow;
mod held;
mod invariants;
pub mod limits;
pub mod metrics;
pub mod outbox;
mod recipients;
mod slots;
pub mod snapshot;
mod turn;

use bytes::Bytes;

use crate::clock::Now;
use crate::delivery::budget::Budget;
use crate::delivery::channels::{ChannelId, Channels, SenderCopy, Share};
use crate::delivery::encoding::{Compressor, Encoder, Encoding};
use crate::delivery::flow::Flow;
use crate::delivery::limits::DeliveryLimits;
use crate::delivery::metrics::DeliveryMetrics;
use crate::delivery::outbox::Outbox;
use crate::delivery::recipients::{Priority, Recipients};
use crate::ids::{ClientId, GroupId};
use crate::memory::MemoryAccount;

pub use channels::Batch;
pub use flow::{Checked, Wait};

/// Members of one batch from which on its writes are bulk and let smaller channels go first.
const BULK_MEMBERS_MIN: usize = 256;

/// Shorter than this, a copy in the client's own buffer costs less than a shared piece.
const SHARED_BYTES_MIN: usize = 512;
/// How long compressing a byte takes, in bytes that are encoded meanwhile: measured with JSON.
const COMPRESSING_COST: u64 = 16;

/// See the module's documentation.
///
/// Invariant: those of its parts; each member slot of a client is that client's in the channel.
#[derive(Debug)]
pub struct Delivery {
    channels: Channels,
    recipients: Recipients,
    flow: Flow,
    budget: Budget,
    compressor: Compressor,
    metrics: DeliveryMetrics,
    /// Everybody is leaving: announcements of that are not published.
    is_draining: bool,
    /// See [`Delivery::is_late`].
    is_late: bool,
}

/// What services call.
impl Delivery {
    pub fn new(limits: DeliveryLimits) -> Delivery {
        let budget = Budget::new(limits.memory_bytes_max, limits.outbox_max_bytes);
        Delivery {
            channels: Channels::new(limits),
            recipients: Recipients::new(limits.clients_expected, budget.account.clone()),
            flow: Flow::new(limits),
            budget,
            compressor: Compressor::default(),
            metrics: DeliveryMetrics::default(),
            is_draining: false,
            is_late: false,
        }
    }

    /// How many clients there is room for without growing.
    pub fn clients_expected(&self) -> usize {
        self.flow.limits.clients_expected
    }

    /// The time of this turn.
    pub fn now(&self) -> Now {
        self.flow.now
    }

    /// What has been done since the start.
    pub fn metrics(&self) -> &DeliveryMetrics {
        &self.metrics
    }

    /// Whether the client that is being served comes after all that others say in this turn. What
    /// takes long is to be done only then: until then it waits for [`Wait::Others`].
    pub fn is_late(&self) -> bool {
        self.is_late
    }

    /// The encoding in which this client gets its messages.
    pub fn encoding(&self, client: ClientId) -> Encoding {
        self.recipients.get(client).encoding
    }

    /// Sends messages to one client, after everything that was sent to it before. `encode` appends
    /// them in the client's encoding. To a client that has gone, nothing is sent.
    pub fn send(&mut self, to: ClientId, encode: impl FnOnce(&mut Encoder)) {
        let Some(recipient) = self.recipients.get_open(to) else { return };
        let encoding = recipient.encoding;
        self.catch_up(to);
        let Delivery { recipients, flow, compressor, metrics, .. } = self;
        metrics.sends += 1;
        enqueue_or_hold(recipients, flow, to, Priority::Prompt, |outbox, account| {
            let bytes = outbox
                .append(account, |tail| encode(&mut Encoder::new(encoding, tail, compressor)));
            metrics.bytes_encoded += bytes as u64;
            bytes
        });
    }

    /// Sends whole messages in the client's encoding that are there already, as
    /// [`Delivery::send`] does. They are shared with others who are sent the same, unless they are
    /// so short that a copy takes less.
    pub fn send_shared(&mut self, to: ClientId, messages: &Bytes) {
        if self.recipients.get_open(to).is_none() {
            return;
        }
        self.catch_up(to);
        let Delivery { recipients, flow, metrics, .. } = self;
        metrics.sends += 1;
        let is_shared = messages.len() >= SHARED_BYTES_MIN;
        enqueue_or_hold(recipients, flow, to, Priority::Prompt, |outbox, account| {
            if is_shared {
                outbox.push(messages.clone(), account);
                return 0;
            }
            outbox.append(account, |tail| tail.extend_from_slice(messages))
        });
        if is_shared {
            recipients.held.count_shared(messages);
        }
    }

    /// Encodes messages for [`Delivery::send_shared`] to any client that has this one's encoding.
    pub fn encode_shared(&mut self, client: ClientId, encode: impl FnOnce(&mut Encoder)) -> Bytes {
        let mut messages = self.encode(client, encode);
        messages.shrink_to_fit();
        self.share(messages)
    }

    /// Encodes messages for one client without sending them: a [`SenderCopy`].
    pub fn encode(&mut self, client: ClientId, encode: impl FnOnce(&mut Encoder)) -> Vec<u8> {
        let mut buffer = Vec::new();
        encode(&mut Encoder::new(self.encoding(client), &mut buffer, &mut self.compressor));
        self.metrics.bytes_encoded += buffer.len() as u64;
        buffer
    }

    /// Opens a channel without members.
    pub fn open_channel(&mut self) -> ChannelId {
        let id = self.channels.open();
        self.flow.opened(id);
        id
    }

    /// Closes a channel that nobody is in.
    pub fn close_channel(&mut self, id: ChannelId) {
        self.channels.close(id);
        self.flow.wake(Wait::ChannelClear(id));
    }

    /// Puts a client into a channel. It gets what is published there from now on.
    pub fn join(&mut self, id: ChannelId, client: ClientId) {
        let recipient = self.recipients.get_mut(client);
        debug_assert_eq!(recipient.serial, client.serial);
        recipient.slots.push(self.channels.join(id, client, recipient.encoding));
        self.flow.joined(id, recipient);
    }

    /// Takes a client out of a channel. It gets what was published there until now.
    pub fn leave(&mut self, id: ChannelId, client: ClientId) {
        debug_assert_eq!(self.recipients.get(client).serial, client.serial);
        self.catch_up(client);
        let Some(slot) = self.recipients.take_slot(client, id) else { return };
        if let Some(moved) = self.channels.leave(slot, self.encoding(client)) {
            self.recipients.move_slot(moved, slot);
        }
        self.flow.left(id, self.recipients.get(client), &self.channels);
    }

    /// Sends a message to everybody in a channel, but for the sender, which gets its copy if there
    /// is one. `encode` is called once per encoding in use and appends one whole message, or
    /// nothing.
    pub fn publish(
        &mut self,
        id: ChannelId,
        sender_copy: Option<SenderCopy<'_>>,
        encode: impl FnMut(&mut Encoder),
    ) {
        if self.is_draining {
            return;
        }
        let copy = sender_copy.map(|copy| (copy, self.encoding(copy.sender)));
        let now_ms = self.flow.now.ms;
        let published = self.channels.publish(id, copy, &mut self.compressor, now_ms, encode);
        self.flow.published(id, published.longest_bytes);
        self.metrics.messages_published += 1;
        self.metrics.deliveries += published.members as u64;
        self.metrics.bytes_encoded += published.encoded_bytes as u64;
    }

    /// A member of a channel gets these bytes, whole messages in its encoding or nothing, in place of
    /// the message that has just been published there. For few members: each takes a copy.
    pub fn replace_last(&mut self, id: ChannelId, member: ClientId, bytes: &[u8]) {
        if !self.is_draining {
            let copy = SenderCopy { sender: member, bytes };
            self.channels.replace_last(id, copy, self.recipients.get(member).encoding);
        }
    }

    /// The members of a channel, in an order that stays for as long as nobody joins or leaves.
    pub fn members(&self, id: ChannelId) -> impl Iterator<Item = ClientId> {
        self.channels.members(id)
    }

    /// The channels that a client is in.
    pub fn channels_of(&self, client: ClientId) -> impl ExactSizeIterator<Item = ChannelId> {
        self.recipients.get(client).slots.as_slice().iter().map(|slot| slot.channel)
    }

    /// Whether publishers to this channel should wait: a member is behind and the channel publishes
    /// more than people type, or enough has been published in this turn.
    pub fn congested(&self, id: ChannelId) -> bool {
        self.flow.congested(id, &self.channels)
    }

    /// Whether messages to this client should wait: it is behind, and still reads.
    pub fn client_congested(&self, client: ClientId) -> bool {
        self.recipients.get(client).is_over()
    }

    /// Whether the kernel has refused a part of what is queued for this client and has not said yet
    /// that it would take more. [`Wait::ClientClear`] ends when all of it has been taken.
    pub(crate) fn is_refused(&self, client: ClientId) -> bool {
        let recipient = self.recipients.get(client);
        recipient.send_queue.is_some() && !recipient.is_writable
    }

    /// Has [`crate::service::Service::clear`] called once when this is clear: a channel or a client
    /// that is congested now.
    pub fn call_when_clear(&mut self, what: Wait) {
        self.flow.call_when_clear(what);
    }

    /// What is said to clients from now on follows from this group, of so many bytes: it is held
    /// until the group is durable. Called when the first of a turn's changes is made, and again
    /// with the bytes of each that is added.
    pub fn record(&mut self, group: GroupId, bytes: usize) {
        self.recipients.held.record(group, bytes);
    }

    /// All groups up to this one are durable: what follows from them may leave.
    pub fn durable(&mut self, group: GroupId) {
        let Delivery { recipients, flow, .. } = self;
        recipients.set_durable(group);
        while let Some(client) = recipients.free_next() {
            flow.freed(client, recipients.get_mut(client));
        }
        if !self.is_store_behind() {
            self.flow.wake(Wait::Store);
        }
    }

    /// The newest group that anything follows from, and the newest that is durable.
    pub fn groups(&self) -> (GroupId, GroupId) {
        self.recipients.held.groups()
    }

    /// Whether so much is held for the store that nothing more is to be recorded: requests that
    /// would wait for [`Wait::Store`].
    pub fn is_store_behind(&self) -> bool {
        self.recipients.held.bytes() >= self.flow.limits.held_bytes_max
    }

    /// Those who wait for this go on; for what the service alone knows of.
    pub fn wake(&mut self, what: Wait) {
        self.flow.wake(what);
    }

    /// Whether a client's connection is broken: all that it is sent is dropped.
    pub fn is_discarding(&self, client: ClientId) -> bool {
        self.recipients.get(client).is_discarding
    }
}

/// What the server calls in the life of a client; what it calls in a turn is in [`turn`].
impl Delivery {
    /// Starts a turn.
    pub(crate) fn begin_turn(&mut self, now: Now) {
        self.flow.now = now;
    }

    /// Says for the client that is served next whether it comes after all others.
    pub(crate) fn set_late(&mut self, is_late: bool) {
        self.is_late = is_late;
    }

    /// What has been encoded so far, in bytes. Compressing takes much longer than writing.
    pub(crate) fn work(&self) -> u64 {
        self.metrics.bytes_encoded + COMPRESSING_COST * self.compressor.bytes()
    }

    /// Makes a place for a new client.
    pub(crate) fn add(&mut self, client: ClientId, encoding: Encoding) {
        self.recipients.add(client, encoding);
    }

    /// Writes nothing to a client, whatever it has queued, until [`Delivery::release`].
    pub(crate) fn withhold(&mut self, client: ClientId) {
        self.recipients.get_mut(client).is_withheld = true;
    }

    /// Ends [`Delivery::hold`].
    pub(crate) fn release(&mut self, client: ClientId) {
        self.recipients.get_mut(client).is_withheld = false;
        self.recipients.queue_write(client, Priority::Prompt);
        self.flow.check_high_water(client, self.recipients.get_mut(client));
    }

    /// Sets the encoding of a client that is in no channel.
    pub(crate) fn set_encoding(&mut self, client: ClientId, encoding: Encoding) {
        let recipient = self.recipients.get_mut(client);
        debug_assert!(recipient.slots.as_slice().is_empty());
        recipient.encoding = encoding;
    }

    /// Takes nothing more for a client that is closing: it is in no channel, and what it has queued
    /// stays queued.
    pub(crate) fn shut(&mut self, client: ClientId) {
        let recipient = self.recipients.get_mut(client);
        debug_assert!(
            recipient.slots.as_slice().is_empty(),
            "its service has taken it out of its channels"
        );
        recipient.is_closed = true;
        self.budget.withdraw(client);
        self.flow.wake(Wait::ClientClear(client));
    }

    /// Drops what a client has queued, but for the rest of a frame that was cut in the middle.
    pub(crate) fn forget(&mut self, client: ClientId) {
        self.clear_pressure(client);
        self.recipients.keep_cut_piece(client);
    }

    /// Drops what a client has queued and all that it will be sent: its connection is broken.
    pub(crate) fn discard_output(&mut self, client: ClientId) {
        self.clear_pressure(client);
        self.recipients.get_mut(client).is_discarding = true;
        self.recipients.drop_queue(client);
        // Answers are for nobody now: one that waits for the memory for one need not, and is heard.
        if self.budget.withdraw(client) {
            self.flow.wake_with(|woken| woken.push(client));
        }
        self.flow.wake(Wait::ClientClear(client));
    }

    /// Appends bytes of the wire itself to what a client has queued, even when it is shut: ahead of
    /// what is held for it.
    pub(crate) fn append(&mut self, client: ClientId, bytes: &[u8]) {
        let priority = self.wire_priority();
        enqueue(&mut self.recipients, &mut self.flow, client, priority, |outbox, account| {
            outbox.append(account, |tail| tail.extend_from_slice(bytes))
        });
    }

    /// Appends the last bytes of the wire itself: behind all that the client is to get.
    pub(crate) fn append_last(&mut self, client: ClientId, bytes: &[u8]) {
        if !self.recipients.add_behind_held(client, bytes) {
            self.append(client, bytes);
        }
    }

    /// Adds bytes of the wire itself that need not be copied, unless they are so short that a copy
    /// takes less.
    pub(crate) fn push(&mut self, client: ClientId, bytes: Bytes) {
        if bytes.len() < SHARED_BYTES_MIN {
            return self.append(client, &bytes);
        }
        let priority = self.wire_priority();
        enqueue(&mut self.recipients, &mut self.flow, client, priority, |outbox, account| {
            outbox.push(bytes, account);
            0
        });
    }

    /// Answers to a client that comes after all others are written after theirs as well.
    fn wire_priority(&self) -> Priority {
        if self.is_late { Priority::Bulk } else { Priority::Prompt }
    }

    /// Frees a client's place.
    pub(crate) fn remove(&mut self, client: ClientId) {
        self.clear_pressure(client);
        self.recipients.remove(client);
        self.flow.removed(client);
        self.flow.wake(Wait::ClientClear(client));
    }
}

/// What takes more than one part.
impl Delivery {
    /// Hands a client its share of the batches of its channels, so that what it is sent next comes
    /// after it.
    fn catch_up(&mut self, client: ClientId) {
        if !self.channels.have_batches() {
            return;
        }
        let Delivery { channels, recipients, flow, .. } = self;
        let recipient = recipients.get(client);
        let (encoding, slots) = (recipient.encoding, recipient.slots.as_slice().len());
        for at in 0..slots {
            let slot = recipients.get(client).slots.as_slice()[at];
            channels.catch_up(slot, encoding, |bytes| {
                enqueue_or_hold(recipients, flow, client, Priority::Prompt, |outbox, account| {
                    outbox.append(account, |tail| tail.extend_from_slice(bytes))
                });
            });
        }
    }

    /// Hands the batches of one channel to its members. Returns the channel, if there was one.
    fn freeze_next(&mut self) -> Option<ChannelId> {
        let Delivery { channels, recipients, flow, metrics, .. } = self;
        let held_or_free = recipients.share_account().clone();
        let (id, frozen) = channels.freeze_next(&held_or_free, |member, share, members| {
            let is_bulk = members >= BULK_MEMBERS_MIN;
            let priority = if is_bulk { Priority::Bulk } else { Priority::Prompt };
            enqueue_or_hold(recipients, flow, member, priority, |outbox, account| match share {
                Share::Batch(frame) => {
                    outbox.push(frame, account);
                    0
                }
                Share::Copy(bytes) => outbox.append(account, |tail| tail.extend_from_slice(bytes)),
            });
        })?;
        recipients.held.count_batches(frozen.bytes);
        metrics.batches_frozen += frozen.batches as u64;
        Some(id)
    }

    fn clear_pressure(&mut self, client: ClientId) {
        self.flow.clear_pressure(client, self.recipients.get_mut(client), &self.channels);
    }
}

/// Adds what the service says to what a client has queued, or holds it: it may follow from changes
/// that are not durable. Not a method, as the channels are borrowed while they hand their batches
/// out.
#[inline]
fn enqueue_or_hold(
    recipients: &mut Recipients,
    flow: &mut Flow,
    client: ClientId,
    priority: Priority,
    add: impl FnOnce(&mut Outbox, &MemoryAccount) -> usize,
) {
    if recipients.held.is_holding() {
        recipients.hold(client, priority, add);
    } else {
        enqueue(recipients, flow, client, priority, add);
    }
}

/// Adds to what a client has queued, and checks the mark and the limit.
#[inline]
fn enqueue(
    recipients: &mut Recipients,
    flow: &mut Flow,
    client: ClientId,
    priority: Priority,
    add: impl FnOnce(&mut Outbox, &MemoryAccount) -> usize,
) {
    if let Some(recipient) = recipients.enqueue(client, priority, add) {
        flow.check_high_water(client, recipient);
    }
}

#[cfg(test)]
mod tests;
