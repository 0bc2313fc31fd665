//! Everything on its way out: who is owed what, who is in which channel, and who has to wait for
//! whom.
//!
//! A service never writes to a socket. It says here what should go where; the server's flush step
//! hands each channel's batch to its members and gives every client that is owed something one
//! vectored write. Here also lives the rule of congestion (see `Pressure`), because it is a
//! property of what is queued.

pub mod channels;
pub mod coalescing;
pub mod encoding;
mod invariants;
pub mod limits;
pub mod outbox;
mod turn;

use std::collections::{HashMap, VecDeque};
use std::mem;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::clock::{Millis, Now};
use crate::delivery::channels::{Channel, ChannelId, MemberSlot, Origin};
use crate::delivery::encoding::{Compressor, Encoder, Encoding};
use crate::delivery::limits::DeliveryLimits;
use crate::delivery::outbox::Outbox;
use crate::ids::{ClientId, Ticket};

/// Members of one batch from which on its writes are bulk and let smaller channels go first.
const BULK_MEMBERS_MIN: usize = 256;

/// Of what is said in one turn, in high-water marks: a quarter of what a client may be owed.
const TURN_MARKS_MAX: usize = 4;

/// A channel that takes longer than this to say as much as the high-water mark is just talking (8
/// KiB a second: more than people type) and held up by nobody: it is not what puts its members
/// behind, and adds little while they are.
const TALKING_MS: Millis = 32_000;

/// Emptied outboxes kept for the next client that is owed something.
const SPARE_OUTBOXES_MAX: usize = 64;

/// What a client may have to wait for before its next message is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wait {
    /// This channel's members have caught up.
    ChannelClear(ChannelId),
    /// This client has read enough of what it is owed.
    ClientClear(ClientId),
    /// This moment.
    Time(Millis),
    /// This slow work is done.
    Ticket(Ticket),
}

impl Wait {
    fn channel(&self) -> Option<ChannelId> {
        match self {
            Wait::ChannelClear(id) => Some(*id),
            _ => None,
        }
    }
}

/// How far behind a client is.
///
/// Over the high-water mark it makes those of its channels congested that are not just talking, and
/// publishers wait, until it is under half the mark. If the kernel takes nothing more for it for a
/// second it no longer holds its channels up. It is let go when it stays over the mark too long, or
/// when what it is owed passes the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pressure {
    Clear,
    Over { since: Millis },
    Stalled { since: Millis },
}

/// Which of the two write queues a client is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Queued {
    No,
    /// Behind a message to a big channel.
    Bulk,
    /// A few people waiting for a few words.
    Prompt,
}

/// One client, as seen from the sending side.
#[derive(Debug)]
struct Recipient {
    serial: u32,
    encoding: Encoding,
    queued: Queued,
    /// It has an entry in these queues, which stays there when it is on the queue no longer: no
    /// second one is made.
    in_bulk: bool,
    in_prompt: bool,
    /// The kernel took everything it was last given.
    writable: bool,
    /// Its wire has not been decided: what it is owed has to wait.
    held: bool,
    /// Takes nothing more: it is being closed, or the slot is vacant.
    closed: bool,
    /// Its connection is broken: whatever it is sent is dropped.
    deaf: bool,
    /// Somebody will look at it: it needs no second deadline when it goes over the mark again.
    watched: bool,
    /// Present only while something is owed.
    outbox: Option<Box<SendQueue>>,
    slots: SmallVec<[MemberSlot; 2]>,
}

/// What a client is owed and how long it has been behind.
#[derive(Debug)]
struct SendQueue {
    outbox: Outbox,
    pressure: Pressure,
    /// When the kernel last refused to take more, unless it has taken something since.
    blocked_since: Option<Millis>,
}

/// See the module's documentation.
///
/// Invariant: a client is on a write queue exactly if it is owed something and the kernel would
/// take it; a channel's `congested_members` counts its members whose pressure is `Over`.
#[derive(Debug)]
pub struct Delivery {
    now: Now,
    limits: DeliveryLimits,
    recipients: Vec<Recipient>,
    channels: slab::Slab<Channel>,
    spoke: Vec<ChannelId>,
    prompt: VecDeque<ClientId>,
    bulk: VecDeque<ClientId>,
    #[expect(clippy::vec_box, reason = "the boxes themselves are what is reused")]
    spare: Vec<Box<SendQueue>>,
    waiting: HashMap<Wait, Vec<ClientId>>,
    woken: Vec<ClientId>,
    too_slow: Vec<ClientId>,
    newly_over: Vec<ClientId>,
    compressor: Compressor,
    /// Messages in all channels together since their batches were last handed out.
    said_messages: usize,
    /// Their bytes, each in the encoding in which it is longest.
    said_bytes: usize,
    /// Nothing more is said to channels: everybody is leaving, and nobody wants to hear that of
    /// everybody.
    draining: bool,
}

/// What is to be handed out, in all channels together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub messages: usize,
    /// Members of the channels in which something was said; who is in several of them counts
    /// several times.
    pub members: usize,
    /// Publishers have to wait until it has been handed out.
    pub is_full: bool,
}

/// What a look at a client that is behind has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It has caught up; there is nothing left to watch.
    Clear,
    /// Still behind: look again at this time.
    Again(Millis),
}

impl Delivery {
    pub fn new(limits: DeliveryLimits) -> Delivery {
        Delivery {
            now: Now::default(),
            limits,
            recipients: Vec::with_capacity(limits.clients_expected),
            channels: slab::Slab::new(),
            spoke: Vec::new(),
            prompt: VecDeque::new(),
            bulk: VecDeque::new(),
            spare: Vec::new(),
            waiting: HashMap::new(),
            woken: Vec::new(),
            too_slow: Vec::new(),
            newly_over: Vec::new(),
            compressor: Compressor::default(),
            said_messages: 0,
            said_bytes: 0,
            draining: false,
        }
    }

    // ---- What services say ----

    /// How many clients there is channel for without growing.
    pub fn clients_expected(&self) -> usize {
        self.limits.clients_expected
    }

    /// The time of this turn.
    pub fn now(&self) -> Now {
        self.now
    }

    /// The encoding in which this client gets its messages.
    pub fn encoding(&self, client: ClientId) -> Encoding {
        self.recipients[client.index()].encoding
    }

    /// Sends messages to one client, after everything that was said to it before. `encode` appends
    /// them in the client's encoding. To a client that has gone, nothing is sent.
    pub fn send(&mut self, to: ClientId, encode: impl FnOnce(&mut Encoder)) {
        let Some(encoding) = self.open_recipient(to).map(|recipient| recipient.encoding) else {
            return;
        };
        self.catch_up(to);
        let mut compressor = mem::take(&mut self.compressor);
        self.enqueue(to, Queued::Prompt, |outbox| {
            outbox.append(|tail| encode(&mut Encoder::new(encoding, tail, &mut compressor)));
        });
        self.compressor = compressor;
    }

    /// Encodes messages for one client without sending them: what it is to get instead of the
    /// shared ones.
    pub fn encode(&mut self, client: ClientId, encode: impl FnOnce(&mut Encoder)) -> Vec<u8> {
        let mut buffer = Vec::new();
        encode(&mut Encoder::new(self.encoding(client), &mut buffer, &mut self.compressor));
        buffer
    }

    /// Opens a channel without members.
    pub fn open_channel(&mut self) -> ChannelId {
        ChannelId::new(self.channels.insert(Channel::default()))
    }

    /// Closes a channel that nobody is in.
    pub fn close_channel(&mut self, id: ChannelId) {
        let channel = self.channels.remove(id.index());
        debug_assert_eq!(channel.members(), 0);
        self.spoke.retain(|&spoke| spoke != id);
        self.wake(Wait::ChannelClear(id));
    }

    /// Puts a client into a channel. It gets what is published there from now on.
    pub fn join(&mut self, id: ChannelId, client: ClientId) {
        let recipient = &mut self.recipients[client.index()];
        debug_assert_eq!(recipient.serial, client.serial);
        let channel = &mut self.channels[id.index()];
        recipient.slots.push(channel.join(id, client, recipient.encoding));
        channel.congested_members += u32::from(recipient.is_over());
    }

    /// Takes a client out of a channel. It gets what was published there until now.
    pub fn leave(&mut self, id: ChannelId, client: ClientId) {
        debug_assert_eq!(self.recipients[client.index()].serial, client.serial);
        self.catch_up(client);
        let recipient = &mut self.recipients[client.index()];
        let Some(at) = recipient.slots.iter().position(|slot| slot.channel == id) else { return };
        let slot = recipient.slots.swap_remove(at);
        let (encoding, over) = (recipient.encoding, recipient.is_over());
        let channel = &mut self.channels[id.index()];
        if let Some(moved) = channel.leave(slot, encoding) {
            let slots = &mut self.recipients[moved.index()].slots;
            let moved =
                slots.iter_mut().find(|other| other.channel == id).expect("a member has a slot");
            *moved = slot;
        }
        if over {
            self.uncongest(id);
        }
    }

    /// Says something to everybody in a channel. `encode` is called once per encoding in use and
    /// appends one whole message, or nothing.
    pub fn publish(
        &mut self,
        id: ChannelId,
        origin: Option<Origin>,
        encode: impl FnMut(&mut Encoder),
    ) {
        if self.draining {
            return;
        }
        let origin =
            origin.map(|origin| (origin, self.recipients[origin.speaker.index()].encoding));
        let channel = &mut self.channels[id.index()];
        let bytes = channel.publish(&mut self.compressor, origin, encode);
        self.said_bytes += bytes;
        self.said_messages += 1;
        // Rounded up, or very short messages would take no time at all.
        let takes_ms =
            (bytes as Millis * TALKING_MS).div_ceil(self.limits.outbox_mark_bytes as Millis);
        let paced_until = channel.paced_until.max(self.now.ms) + takes_ms;
        channel.paced_until = paced_until.min(self.now.ms + self.limits.too_slow_ms);
        if !mem::replace(&mut channel.spoke, true) {
            self.spoke.push(id);
        }
    }

    /// The members of a channel, in an order that stays for as long as nobody comes or goes.
    pub fn members(&self, id: ChannelId) -> impl Iterator<Item = ClientId> {
        self.channels[id.index()].clients()
    }

    /// The channels that a client is in.
    pub fn channels_of(&self, client: ClientId) -> impl ExactSizeIterator<Item = ChannelId> {
        self.recipients[client.index()].slots.iter().map(|slot| slot.channel)
    }

    /// Whether publishers to this channel should wait: a member is behind and the channel says more
    /// than people type, or enough has been said in this turn.
    pub fn congested(&self, id: ChannelId) -> bool {
        let channel = &self.channels[id.index()];
        let is_full = self.is_batch_full(channel);
        let pace_ahead_ms = self.limits.pace_ahead_ms;
        let is_ahead = pace_ahead_ms.is_none_or(|ahead| channel.paced_until > self.now.ms + ahead);
        is_ahead && channel.congested_members > 0 || is_full || self.is_turn_full()
    }

    fn is_batch_full(&self, channel: &Channel) -> bool {
        channel.batch_bytes() >= self.limits.outbox_mark_bytes
    }

    /// Whether enough has been said in all channels together: somebody may be in many of them and
    /// will be owed it all at once.
    fn is_turn_full(&self) -> bool {
        self.said_bytes >= TURN_MARKS_MAX * self.limits.outbox_mark_bytes
    }

    /// Whether messages to this client should wait: it is behind, and still reads.
    pub fn client_congested(&self, client: ClientId) -> bool {
        self.recipients[client.index()].is_over()
    }

    /// Whether a client's connection is broken: whatever it is sent is dropped.
    pub fn is_deaf(&self, client: ClientId) -> bool {
        self.recipients[client.index()].deaf
    }

    // ---- Within ----

    fn open_recipient(&mut self, client: ClientId) -> Option<&mut Recipient> {
        self.recipients
            .get_mut(client.index())
            .filter(|recipient| recipient.serial == client.serial && !recipient.closed)
    }

    /// Hands a client its share of the batches of its channels, so that what it is sent next comes
    /// after it.
    fn catch_up(&mut self, client: ClientId) {
        if self.spoke.is_empty() {
            return;
        }
        let recipient = &self.recipients[client.index()];
        let encoding = recipient.encoding;
        for slot in recipient.slots.clone() {
            let mut channel = mem::take(&mut self.channels[slot.channel.index()]);
            if channel.spoke {
                channel.catch_up(slot, encoding, |bytes| {
                    self.enqueue(client, Queued::Prompt, |outbox| {
                        outbox.append(|tail| tail.extend_from_slice(bytes))
                    });
                });
            }
            channel.congested_members += self.channels[slot.channel.index()].congested_members;
            self.channels[slot.channel.index()] = channel;
        }
    }

    /// Adds to what a client is owed, and watches the mark and the limit.
    fn enqueue(&mut self, client: ClientId, queue: Queued, add: impl FnOnce(&mut Outbox)) {
        let spare = &mut self.spare;
        let recipient = &mut self.recipients[client.index()];
        debug_assert_eq!(
            recipient.serial, client.serial,
            "only clients that are here are owed something"
        );
        if recipient.deaf {
            return;
        }
        let owed = recipient.outbox.get_or_insert_with(|| spare.pop().unwrap_or_default());
        add(&mut owed.outbox);
        let bytes = owed.outbox.bytes();
        self.check_high_water(client);
        let recipient = &mut self.recipients[client.index()];
        if bytes > self.limits.outbox_max_bytes && !recipient.closed {
            self.too_slow.push(client);
        }
        if bytes == 0 {
            let owed = recipient.outbox.take().expect("it was put there a moment ago");
            self.recycle(owed);
        } else if recipient.writable && !recipient.held {
            self.queue_write(client, queue);
        }
    }

    /// Looks whether a client has gone over the mark. One whose wire is undecided is not to blame:
    /// it holds nobody up, but is to be looked at.
    fn check_high_water(&mut self, client: ClientId) {
        let recipient = &mut self.recipients[client.index()];
        let Some(owed) = &mut recipient.outbox else { return };
        if owed.outbox.bytes() <= self.limits.outbox_mark_bytes || owed.pressure != Pressure::Clear
        {
            return;
        }
        if !recipient.held {
            owed.pressure = Pressure::Over { since: self.now.ms };
            for slot in &recipient.slots {
                self.channels[slot.channel.index()].congested_members += 1;
            }
        }
        if !mem::replace(&mut recipient.watched, true) {
            self.newly_over.push(client);
        }
    }

    fn queue_write(&mut self, client: ClientId, queue: Queued) {
        let recipient = &mut self.recipients[client.index()];
        match (recipient.queued, queue) {
            (Queued::No, Queued::Bulk) => {
                if !mem::replace(&mut recipient.in_bulk, true) {
                    self.bulk.push_back(client);
                }
            }
            (Queued::No | Queued::Bulk, Queued::Prompt) => {
                if !mem::replace(&mut recipient.in_prompt, true) {
                    self.prompt.push_back(client);
                }
            }
            _ => return,
        }
        recipient.queued = queue;
    }

    /// A client is no longer behind: whoever waited for it may go on.
    fn clear_pressure(&mut self, client: ClientId) {
        let recipient = &mut self.recipients[client.index()];
        let Some(owed) = &mut recipient.outbox else { return };
        let pressure = mem::replace(&mut owed.pressure, Pressure::Clear);
        if let Pressure::Over { .. } = pressure {
            for slot in recipient.slots.clone() {
                self.uncongest(slot.channel);
            }
        }
        self.wake(Wait::ClientClear(client));
    }

    fn uncongest(&mut self, id: ChannelId) {
        self.channels[id.index()].congested_members -= 1;
        if !self.congested(id) {
            self.wake(Wait::ChannelClear(id));
        }
    }

    fn wake(&mut self, what: Wait) {
        if let Some(mut clients) = self.waiting.remove(&what) {
            // Others would put it behind again before it could say a word.
            if let Wait::ClientClear(behind) = what {
                clients.sort_by_key(|client| *client != behind);
            }
            self.woken.append(&mut clients);
        }
    }

    fn recycle(&mut self, mut owed: Box<SendQueue>) {
        if self.spare.len() < SPARE_OUTBOXES_MAX {
            owed.outbox.reset();
            owed.pressure = Pressure::Clear;
            owed.blocked_since = None;
            self.spare.push(owed);
        }
    }
}

impl Recipient {
    fn is_over(&self) -> bool {
        self.outbox.as_ref().is_some_and(|owed| matches!(owed.pressure, Pressure::Over { .. }))
    }
}

impl Default for SendQueue {
    fn default() -> SendQueue {
        SendQueue { outbox: Outbox::default(), pressure: Pressure::Clear, blocked_since: None }
    }
}

#[cfg(test)]
mod tests;
