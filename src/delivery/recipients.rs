//! Clients, as seen from the sending side: what each has queued, and which are to be written to.

use std::collections::VecDeque;
use std::mem;
use std::num::NonZero;

use crate::clock::Millis;
use crate::delivery::channels::{ChannelId, MemberSlot};
use crate::delivery::encoding::Encoding;
use crate::delivery::flow::Pressure;
use crate::delivery::held::Held;
use crate::delivery::outbox::Outbox;
use crate::delivery::slots::Slots;
use crate::ids::ClientId;
use crate::memory::MemoryAccount;

/// What the emptied send queues that are kept for the next client may own together, in bytes: 64
/// that have sent a few words, or one that sends one large answer after the other.
const SPARE_BYTES_MAX: usize = 512 * 1024;

/// The two write queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Behind a message to a big channel.
    Bulk,
    /// A few people waiting for a few words.
    Prompt,
}

/// What a client has queued and how long it has been behind.
#[derive(Debug, Default)]
pub struct SendQueue {
    pub outbox: Outbox,
    pub pressure: Pressure,
    /// When the kernel last refused to take more, unless it has taken something since: one
    /// millisecond later, so that zero stands for never.
    blocked_since: Option<NonZero<Millis>>,
    /// How much must not be written before the store has what it follows from: see [`Held`].
    pub held_pieces: usize,
}

impl SendQueue {
    fn is_empty(&self) -> bool {
        self.outbox.is_empty() && self.held_pieces == 0
    }

    /// When the kernel last refused to take more, unless it has taken something since.
    pub fn blocked_since(&self) -> Option<Millis> {
        self.blocked_since.map(|after| after.get() - 1)
    }

    /// The kernel takes something again.
    pub fn unblock(&mut self) {
        self.blocked_since = None;
    }

    /// What it holds beside frames that are shared, in bytes.
    pub fn own_bytes(&self) -> usize {
        size_of::<SendQueue>() + self.outbox.own_bytes()
    }
}

/// One client.
#[derive(Debug)]
pub struct Recipient {
    /// 0: the slot is vacant.
    pub serial: u32,
    pub encoding: Encoding,
    /// The write queue that it is on.
    pub queued: Option<Priority>,
    /// It has an entry in these queues, which stays there when it is on the queue no longer: no
    /// second one is made.
    in_bulk: bool,
    in_prompt: bool,
    /// The kernel took everything it was last given.
    pub is_writable: bool,
    /// Its wire has not been decided: what it has queued has to wait.
    pub is_withheld: bool,
    /// Takes nothing more: it is being closed, or the slot is vacant.
    pub is_closed: bool,
    /// Its connection is broken: all that it is sent is dropped.
    pub is_discarding: bool,
    /// It will be checked: it needs no second deadline when it goes over the mark again.
    pub is_watched: bool,
    /// It is on the list of clients to close as too slow, or was.
    pub is_too_slow: bool,
    /// Present only while something is queued.
    pub send_queue: Option<Box<SendQueue>>,
    pub slots: Slots,
}

impl Recipient {
    fn vacant() -> Recipient {
        Recipient {
            serial: 0,
            encoding: Encoding::default(),
            queued: None,
            in_bulk: false,
            in_prompt: false,
            is_writable: true,
            is_withheld: false,
            is_closed: true,
            is_discarding: false,
            is_watched: false,
            is_too_slow: false,
            send_queue: None,
            slots: Slots::None,
        }
    }

    pub fn pressure(&self) -> Pressure {
        self.send_queue.as_ref().map_or(Pressure::Clear, |queue| queue.pressure)
    }

    /// Whether it holds its channels up.
    pub fn is_over(&self) -> bool {
        matches!(self.pressure(), Pressure::Over { .. })
    }

    /// What it holds with its send queue, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.outbox().map_or(0, |outbox| size_of::<SendQueue>() + outbox.held_bytes())
    }

    /// Whether the kernel takes nothing of what it has queued.
    pub fn is_blocked(&self) -> bool {
        self.send_queue.as_ref().is_some_and(|queue| queue.blocked_since.is_some())
    }

    pub fn held_pieces(&self) -> usize {
        self.send_queue.as_ref().map_or(0, |queue| queue.held_pieces)
    }

    pub fn outbox(&self) -> Option<&Outbox> {
        self.send_queue.as_deref().map(|queue| &queue.outbox)
    }

    /// Whether it has something to write that may be written now.
    pub fn is_ready(&self) -> bool {
        let Some(outbox) = self.outbox() else { return false };
        self.is_writable && !self.is_withheld && !outbox.is_empty()
    }
}

/// All clients, and the queues of those to write to.
///
/// Invariant: a client is on a write queue exactly if it has something in its outbox, the kernel
/// would take it and its wire is decided; a send queue is never empty; a client has at most one
/// entry in each write queue, and `in_bulk` and `in_prompt` say so; `own_bytes` is what the send
/// queues hold beside frames that are shared.
#[derive(Debug)]
pub struct Recipients {
    clients: Vec<Recipient>,
    own_bytes: usize,
    pub held: Held,
    /// Where what they share counts.
    pub account: MemoryAccount,
    writes: WriteQueues,
    spare: SpareQueues,
}

#[derive(Debug, Default)]
struct WriteQueues {
    prompt: VecDeque<ClientId>,
    bulk: VecDeque<ClientId>,
}

#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "the boxes themselves are what is reused")]
struct SpareQueues {
    queues: Vec<Box<SendQueue>>,
    /// What they own.
    bytes: usize,
}

impl Recipients {
    pub fn new(clients_expected: usize, account: MemoryAccount) -> Recipients {
        Recipients {
            clients: Vec::with_capacity(clients_expected),
            own_bytes: 0,
            held: Held::default(),
            account,
            writes: WriteQueues::default(),
            spare: SpareQueues::default(),
        }
    }

    /// Makes a place for a new client.
    pub fn add(&mut self, client: ClientId, encoding: Encoding) {
        if self.clients.len() <= client.index() {
            self.clients.resize_with(client.index() + 1, Recipient::vacant);
        }
        self.clients[client.index()] =
            Recipient { serial: client.serial, encoding, is_closed: false, ..Recipient::vacant() };
    }

    /// Frees a client's place.
    pub fn remove(&mut self, client: ClientId) {
        self.drop_queue(client);
        let recipient = self.get_mut(client);
        debug_assert!(recipient.slots.as_slice().is_empty());
        recipient.serial = 0;
        recipient.is_closed = true;
    }

    pub fn get(&self, client: ClientId) -> &Recipient {
        &self.clients[client.index()]
    }

    pub fn get_mut(&mut self, client: ClientId) -> &mut Recipient {
        &mut self.clients[client.index()]
    }

    /// A client that has not gone, and still takes messages.
    pub fn get_open(&self, client: ClientId) -> Option<&Recipient> {
        let recipient = self.clients.get(client.index())?;
        (recipient.serial == client.serial && !recipient.is_closed).then_some(recipient)
    }

    // ---- Member slots ----

    /// Removes a client's slot in a channel, if it has one.
    pub fn take_slot(&mut self, client: ClientId, id: ChannelId) -> Option<MemberSlot> {
        self.get_mut(client).slots.take(|slot| slot.channel == id)
    }

    /// Notes that a member of a channel has been moved to another slot there.
    pub fn move_slot(&mut self, client: ClientId, to: MemberSlot) {
        let mut slots = self.get_mut(client).slots.as_mut_slice().iter_mut();
        *slots.find(|slot| slot.channel == to.channel).expect("a member has a slot") = to;
    }

    // ---- What is queued ----

    /// What all send queues hold beside frames that are shared, in bytes.
    pub fn own_bytes(&self) -> usize {
        self.own_bytes
    }

    /// Adds to what a client has queued. Returns the client if something is queued then.
    #[inline]
    pub fn enqueue(
        &mut self,
        client: ClientId,
        priority: Priority,
        add: impl FnOnce(&mut Outbox, &MemoryAccount) -> usize,
    ) -> Option<&mut Recipient> {
        let recipient = &mut self.clients[client.index()];
        debug_assert_eq!(recipient.serial, client.serial, "a client that has gone gets nothing");
        if recipient.is_discarding {
            return None;
        }
        let before = own_bytes(&recipient.send_queue);
        let queue = recipient.send_queue.get_or_insert_with(|| self.spare.get());
        add(&mut queue.outbox, &self.account);
        self.spare.recycle_if_empty(&mut recipient.send_queue);
        self.own_bytes = self.own_bytes + own_bytes(&recipient.send_queue) - before;
        recipient.send_queue.as_ref()?;
        if recipient.is_ready() {
            self.writes.push(client, recipient, priority);
        }
        Some(recipient)
    }

    /// Changes a client's send queue, which it is given for that if it has none. Nothing is changed
    /// if its connection is broken.
    pub fn change_queue<T>(
        &mut self,
        client: ClientId,
        change: impl FnOnce(&mut SendQueue, &mut Held, &MemoryAccount) -> T,
    ) -> Option<T> {
        let recipient = &mut self.clients[client.index()];
        debug_assert_eq!(recipient.serial, client.serial, "a client that has gone gets nothing");
        if recipient.is_discarding {
            return None;
        }
        let before = own_bytes(&recipient.send_queue);
        let queue = recipient.send_queue.get_or_insert_with(|| self.spare.get());
        let changed = change(queue, &mut self.held, &self.account);
        self.spare.recycle_if_empty(&mut recipient.send_queue);
        self.own_bytes = self.own_bytes + own_bytes(&recipient.send_queue) - before;
        Some(changed)
    }

    /// Drops what a client has queued, but for the rest of a frame that was cut in the middle.
    pub fn keep_cut_piece(&mut self, client: ClientId) {
        let recipient = &mut self.clients[client.index()];
        let before = own_bytes(&recipient.send_queue);
        if let Some(queue) = &mut recipient.send_queue {
            queue.outbox.keep_cut_piece();
            self.held.drop_pieces(client, queue);
            if queue.outbox.is_empty() {
                recipient.queued = None;
            }
        }
        self.spare.recycle_if_empty(&mut recipient.send_queue);
        self.own_bytes = self.own_bytes + own_bytes(&recipient.send_queue) - before;
    }

    /// Drops what a client has queued.
    pub fn drop_queue(&mut self, client: ClientId) {
        let recipient = &mut self.clients[client.index()];
        recipient.queued = None;
        self.own_bytes -= own_bytes(&recipient.send_queue);
        if let Some(mut queue) = recipient.send_queue.take() {
            self.held.drop_pieces(client, &mut queue);
            self.spare.put(queue);
        }
    }

    // ---- Writing ----

    /// Puts a client on a write queue if it has something to write that may be written now.
    pub fn queue_write(&mut self, client: ClientId, priority: Priority) {
        let recipient = &mut self.clients[client.index()];
        if recipient.is_ready() {
            self.writes.push(client, recipient, priority);
        }
    }

    /// The kernel took `count` bytes at this time; `is_blocked` says that it would take no more.
    pub fn advance(&mut self, client: ClientId, count: usize, is_blocked: bool, now_ms: Millis) {
        // Neither the tail nor the list of frames gives anything back by this.
        let recipient = self.get_mut(client);
        recipient.is_writable = !is_blocked;
        let Some(queue) = &mut recipient.send_queue else { return };
        queue.outbox.advance(count);
        if count > 0 {
            queue.unblock();
        }
        if is_blocked {
            queue.blocked_since.get_or_insert(NonZero::<Millis>::MIN.saturating_add(now_ms));
        }
    }

    /// After a write: what is left is to be written as well, if the kernel would take it.
    pub fn written(&mut self, client: ClientId) {
        let queue = &mut self.clients[client.index()].send_queue;
        let before = own_bytes(queue);
        self.spare.recycle_if_empty(queue);
        if let Some(queue) = queue {
            queue.outbox.give_up_room();
        }
        self.own_bytes = self.own_bytes + own_bytes(queue) - before;
        self.queue_write(client, Priority::Bulk);
    }

    /// How many entries the prompt queue and the bulk queue have.
    pub fn to_write(&self) -> (usize, usize) {
        (self.writes.prompt.len(), self.writes.bulk.len())
    }

    /// Takes the next entry off a write queue; returns its client if it is still on that queue.
    pub fn next_write(&mut self, priority: Priority) -> Option<ClientId> {
        let client = match priority {
            Priority::Bulk => self.writes.bulk.pop_front()?,
            Priority::Prompt => self.writes.prompt.pop_front()?,
        };
        let recipient = &mut self.clients[client.index()];
        if recipient.serial != client.serial {
            return None;
        }
        match priority {
            Priority::Bulk => recipient.in_bulk = false,
            Priority::Prompt => recipient.in_prompt = false,
        }
        if recipient.queued != Some(priority) {
            return None;
        }
        recipient.queued = None;
        Some(client)
    }

    /// Takes a client from the prompt queue, if it is on it.
    pub fn take_prompt(&mut self, client: ClientId) -> bool {
        let recipient = &mut self.clients[client.index()];
        let is_taken = recipient.queued == Some(Priority::Prompt);
        if is_taken {
            recipient.queued = None;
        }
        is_taken
    }

    /// Whether bytes may be written to a client without being queued: nothing is before them, and
    /// nothing else will be written to it unless it says something.
    #[inline]
    pub fn may_pass_queue(&self, client: ClientId) -> bool {
        let recipient = self.get(client);
        let may_be_written = recipient.is_writable && !recipient.is_withheld;
        let is_open = !recipient.is_closed && !recipient.is_discarding;
        let is_alone = recipient.send_queue.is_none() && recipient.slots.as_slice().is_empty();
        may_be_written && is_open && is_alone && !self.held.is_holding()
    }

    /// Gives up memory that the next burst can have anew.
    pub fn trim(&mut self) {
        self.spare = SpareQueues::default();
        self.held.trim();
        self.writes.prompt.shrink_to_fit();
        self.writes.bulk.shrink_to_fit();
    }

    /// Clients that have not gone.
    pub fn all(&self) -> impl Iterator<Item = (ClientId, &Recipient)> {
        let clients = self.clients.iter().enumerate();
        clients
            .filter(|(_, recipient)| recipient.serial != 0)
            .map(|(key, recipient)| (ClientId::new(key, recipient.serial), recipient))
    }

    pub fn assert_invariants(&self) {
        for recipient in self.clients.iter().filter(|recipient| recipient.serial == 0) {
            let is_empty = recipient.send_queue.is_none() && recipient.slots.as_slice().is_empty();
            assert!(is_empty && recipient.queued.is_none(), "a vacant place is empty");
        }
        let bulk = self.writes.bulk.iter();
        let prompt = self.writes.prompt.iter();
        for (queue, priority) in [(bulk, Priority::Bulk), (prompt, Priority::Prompt)] {
            let mut queue: Vec<ClientId> = queue.copied().collect();
            queue.sort_unstable();
            let is_ascending = queue.is_sorted_by(|one, next| one < next);
            assert!(is_ascending, "nobody is on a write queue twice");
            for (client, recipient) in self.all() {
                let has_entry = match priority {
                    Priority::Bulk => recipient.in_bulk,
                    Priority::Prompt => recipient.in_prompt,
                };
                let is_listed = queue.binary_search(&client).is_ok();
                assert_eq!(has_entry, is_listed, "the entry of {client} in the {priority:?} queue");
                let is_queued = recipient.queued == Some(priority);
                assert!(!is_queued || has_entry, "{client} is marked as queued and is not");
            }
        }
        for (client, recipient) in self.all() {
            let is_queued = recipient.queued.is_some();
            assert_eq!(is_queued, recipient.is_ready(), "{client} on a write queue");
            let is_empty = recipient.send_queue.as_ref().is_some_and(|queue| queue.is_empty());
            assert!(!is_empty, "an empty send queue is given back");
        }
        self.assert_held();
        let all = self.clients.iter().map(|recipient| own_bytes(&recipient.send_queue));
        assert_eq!(self.own_bytes, all.sum::<usize>(), "what send queues hold");
        for queue in &self.spare.queues {
            assert!(queue.is_empty() && queue.pressure == Pressure::Clear);
        }
        let spare_bytes = self.spare.queues.iter().map(|queue| queue.own_bytes()).sum::<usize>();
        assert_eq!(self.spare.bytes, spare_bytes, "what spare queues own");
        assert!(spare_bytes <= SPARE_BYTES_MAX);
    }
}

fn own_bytes(queue: &Option<Box<SendQueue>>) -> usize {
    queue.as_ref().map_or(0, |queue| queue.own_bytes())
}

impl WriteQueues {
    /// Puts a client on a queue, unless it is on it already or on the one that goes first.
    fn push(&mut self, client: ClientId, recipient: &mut Recipient, priority: Priority) {
        let (queue, has_entry) = match (recipient.queued, priority) {
            (None, Priority::Bulk) => (&mut self.bulk, &mut recipient.in_bulk),
            (None | Some(Priority::Bulk), Priority::Prompt) => {
                (&mut self.prompt, &mut recipient.in_prompt)
            }
            _ => return,
        };
        if !mem::replace(has_entry, true) {
            queue.push_back(client);
        }
        recipient.queued = Some(priority);
    }
}

impl SpareQueues {
    fn get(&mut self) -> Box<SendQueue> {
        let Some(queue) = self.queues.pop() else { return Box::default() };
        self.bytes -= queue.own_bytes();
        queue
    }

    fn put(&mut self, mut queue: Box<SendQueue>) {
        queue.outbox.reset();
        let bytes = self.bytes + queue.own_bytes();
        if bytes <= SPARE_BYTES_MAX {
            queue.pressure = Pressure::Clear;
            queue.unblock();
            self.queues.push(queue);
            self.bytes = bytes;
        }
    }

    fn recycle_if_empty(&mut self, queue: &mut Option<Box<SendQueue>>) {
        if let Some(queue) = queue.take_if(|queue| queue.is_empty()) {
            self.put(queue);
        }
    }
}
