//! What the server does with what was said: it hands batches out, writes, watches who is behind,
//! and lets clients go.

use super::*;

impl Delivery {
    /// Starts a turn.
    pub(crate) fn begin_turn(&mut self, now: Now) {
        self.now = now;
    }

    /// Makes a place for a new client.
    pub(crate) fn add(&mut self, client: ClientId, encoding: Encoding) {
        let vacant = || Recipient {
            serial: 0,
            encoding,
            queued: Queued::No,
            in_bulk: false,
            in_prompt: false,
            writable: true,
            held: false,
            closed: true,
            deaf: false,
            watched: false,
            outbox: None,
            slots: SmallVec::new(),
        };
        if self.recipients.len() <= client.index() {
            self.recipients.resize_with(client.index() + 1, vacant);
        }
        self.recipients[client.index()] =
            Recipient { serial: client.serial, closed: false, ..vacant() };
    }

    /// Keeps what a client is owed until [`Delivery::release`].
    pub(crate) fn hold(&mut self, client: ClientId) {
        self.recipients[client.index()].held = true;
    }

    pub(crate) fn release(&mut self, client: ClientId) {
        let recipient = &mut self.recipients[client.index()];
        recipient.held = false;
        if recipient.writable && recipient.outbox.is_some() {
            self.queue_write(client, Queued::Prompt);
        }
        self.check_high_water(client);
    }

    /// Sets the encoding of a client that is in no channel.
    pub(crate) fn set_encoding(&mut self, client: ClientId, encoding: Encoding) {
        let recipient = &mut self.recipients[client.index()];
        debug_assert!(recipient.slots.is_empty());
        recipient.encoding = encoding;
    }

    /// Takes nothing more for a client that is leaving: it is in no channel, and what it is owed
    /// stays owed.
    pub(crate) fn shut(&mut self, client: ClientId) {
        debug_assert!(
            self.recipients[client.index()].slots.is_empty(),
            "its service has taken it out of its channels"
        );
        self.recipients[client.index()].closed = true;
        self.wake(Wait::ClientClear(client));
    }

    /// Forgets what a client is owed, but for the rest of a frame that was cut in the middle.
    pub(crate) fn forget(&mut self, client: ClientId) {
        self.clear_pressure(client);
        let recipient = &mut self.recipients[client.index()];
        if let Some(mut owed) = recipient.outbox.take() {
            owed.outbox.keep_cut_piece();
            if owed.outbox.is_empty() {
                recipient.queued = Queued::No;
                self.recycle(owed);
            } else {
                recipient.outbox = Some(owed);
            }
        }
    }

    /// Drops what a client is owed and whatever else it will be sent: its connection is broken.
    pub(crate) fn deafen(&mut self, client: ClientId) {
        self.clear_pressure(client);
        let recipient = &mut self.recipients[client.index()];
        recipient.deaf = true;
        recipient.queued = Queued::No;
        if let Some(owed) = recipient.outbox.take() {
            self.recycle(owed);
        }
        self.wake(Wait::ClientClear(client));
    }

    /// Appends bytes of the wire itself to what a client is owed, even when it is shut.
    pub(crate) fn append(&mut self, client: ClientId, bytes: &[u8]) {
        self.enqueue(client, Queued::Prompt, |outbox| {
            outbox.append(|tail| tail.extend_from_slice(bytes))
        });
    }

    /// Adds bytes of the wire itself that need not be copied.
    pub(crate) fn push(&mut self, client: ClientId, bytes: Bytes) {
        self.enqueue(client, Queued::Prompt, |outbox| outbox.push(bytes));
    }

    /// Frees a client's place.
    pub(crate) fn remove(&mut self, client: ClientId) {
        self.clear_pressure(client);
        let recipient = &mut self.recipients[client.index()];
        debug_assert!(recipient.slots.is_empty());
        recipient.serial = 0;
        recipient.closed = true;
        recipient.queued = Queued::No;
        if let Some(owed) = recipient.outbox.take() {
            self.recycle(owed);
        }
        self.wake(Wait::ClientClear(client));
    }

    /// Notes who waits for what.
    pub(crate) fn wait(&mut self, client: ClientId, until: Wait) {
        self.waiting.entry(until).or_default().push(client);
    }

    /// Slow work is done: those who wait for it go on.
    pub(crate) fn completed(&mut self, ticket: Ticket) {
        self.wake(Wait::Ticket(ticket));
    }

    /// Moves those whose wait is over to the end of `list`.
    pub(crate) fn take_woken(&mut self, list: &mut Vec<ClientId>) {
        list.append(&mut self.woken);
    }

    /// Clients that are owed too much, or have read too little for too long: let them go.
    pub(crate) fn take_too_slow(&mut self) -> Vec<ClientId> {
        mem::take(&mut self.too_slow)
    }

    /// Clients that went over the mark and need a look in a while.
    pub(crate) fn take_newly_over(&mut self) -> Vec<ClientId> {
        mem::take(&mut self.newly_over)
    }

    /// Hands every channel's batch to the channel's members.
    pub(crate) fn freeze_batches(&mut self) {
        let was_full = self.is_turn_full();
        self.said_bytes = 0;
        self.said_messages = 0;
        for id in mem::take(&mut self.spoke) {
            let mut channel = mem::take(&mut self.channels[id.index()]);
            channel.spoke = false;
            channel.freeze_batches(|client, handed| {
                let queue =
                    if handed.members >= BULK_MEMBERS_MIN { Queued::Bulk } else { Queued::Prompt };
                self.enqueue(client, queue, |outbox| {
                    outbox.push(handed.frame);
                    outbox.append(|tail| tail.extend_from_slice(handed.own));
                });
            });
            // Members that went over the mark just now were counted in the placeholder.
            channel.congested_members += self.channels[id.index()].congested_members;
            self.channels[id.index()] = channel;
            if !was_full && !self.congested(id) {
                self.wake(Wait::ChannelClear(id));
            }
        }
        if was_full {
            // Rooms in which nothing was said have waited as well. They go first, or those that say
            // much would always be before.
            let mut channels: Vec<ChannelId> =
                self.waiting.keys().filter_map(|until| until.channel()).collect();
            channels.sort_by_key(|id| (self.channels[id.index()].paced_until, *id));
            for id in channels {
                if !self.congested(id) {
                    self.wake(Wait::ChannelClear(id));
                }
            }
        }
    }

    /// What there is to hand out. Looked up once a turn, and not kept with every message.
    pub(crate) fn batch(&self) -> Batch {
        let spoke = || self.spoke.iter().map(|id| &self.channels[id.index()]);
        Batch {
            messages: self.said_messages,
            members: spoke().map(Channel::members).sum(),
            is_full: self.is_turn_full() || spoke().any(|channel| self.is_batch_full(channel)),
        }
    }

    /// From now on clients only leave.
    pub(crate) fn drain(&mut self) {
        self.draining = true;
    }

    /// Gives up memory that the next burst can have anew.
    pub(crate) fn trim(&mut self) {
        self.spare = Vec::new();
        self.prompt.shrink_to_fit();
        self.bulk.shrink_to_fit();
        self.waiting.shrink_to_fit();
        self.woken.shrink_to_fit();
        self.newly_over.shrink_to_fit();
        for (_, channel) in &mut self.channels {
            channel.trim();
        }
    }

    /// Whether there is something to hand out, to write or to read at once.
    pub(crate) fn is_busy(&self) -> bool {
        !(self.spoke.is_empty()
            && self.prompt.is_empty()
            && self.bulk.is_empty()
            && self.woken.is_empty())
    }

    /// How many clients are ready to be written to now: prompt ones and bulk ones.
    pub(crate) fn to_write(&self) -> (usize, usize) {
        (self.prompt.len(), self.bulk.len())
    }

    /// The next prompt client to write to, if it has not been written to meanwhile.
    pub(crate) fn next_prompt(&mut self) -> Option<ClientId> {
        let id = self.prompt.pop_front()?;
        self.unqueue(id, Queued::Prompt)
    }

    /// The next bulk client to write to, if it has not been written to meanwhile.
    pub(crate) fn next_bulk(&mut self) -> Option<ClientId> {
        let id = self.bulk.pop_front()?;
        self.unqueue(id, Queued::Bulk)
    }

    fn unqueue(&mut self, id: ClientId, queue: Queued) -> Option<ClientId> {
        let recipient = &mut self.recipients[id.index()];
        if recipient.serial != id.serial {
            return None;
        }
        match queue {
            Queued::No => {}
            Queued::Bulk => recipient.in_bulk = false,
            Queued::Prompt => recipient.in_prompt = false,
        }
        if recipient.queued != queue {
            return None;
        }
        recipient.queued = Queued::No;
        Some(id)
    }

    /// Whether a client is behind, reading or not. Nothing is read from it then: it would only be
    /// owed more.
    pub(crate) fn is_behind(&self, client: ClientId) -> bool {
        let owed = self.recipients[client.index()].outbox.as_ref();
        owed.is_some_and(|owed| owed.pressure != Pressure::Clear)
    }

    /// When the kernel last took something for a client that it takes no more for; now, if it would
    /// take more.
    pub(crate) fn last_taken(&self, client: ClientId) -> Millis {
        let owed = self.recipients[client.index()].outbox.as_ref();
        owed.and_then(|owed| owed.blocked_since).unwrap_or(self.now.ms)
    }

    /// What a client is owed.
    pub(crate) fn outbox(&self, client: ClientId) -> Option<&Outbox> {
        self.recipients[client.index()].outbox.as_deref().map(|owed| &owed.outbox)
    }

    /// Whether a client is owed nothing, neither queued nor in a batch.
    pub(crate) fn is_settled(&self, client: ClientId) -> bool {
        self.recipients[client.index()].outbox.is_none()
    }

    /// The kernel would take more for this client.
    pub(crate) fn writable(&mut self, client: ClientId) {
        let recipient = &mut self.recipients[client.index()];
        recipient.writable = true;
        if let Some(owed) = &mut recipient.outbox {
            // It has read something. It may be a while until it is written to, for which it is not
            // to blame.
            owed.blocked_since = None;
            if !recipient.held {
                self.queue_write(client, Queued::Bulk);
            }
        }
    }

    /// The kernel took `count` bytes for this client; `full` says that it would take no more.
    pub(crate) fn wrote(&mut self, client: ClientId, count: usize, full: bool) {
        let recipient = &mut self.recipients[client.index()];
        recipient.writable = !full;
        let Some(owed) = &mut recipient.outbox else { return };
        owed.outbox.advance(count);
        if count > 0 {
            owed.blocked_since = None;
        }
        if full {
            owed.blocked_since.get_or_insert(self.now.ms);
        }
        let left = owed.outbox.bytes();
        match owed.pressure {
            Pressure::Stalled { since }
                if count > 0 && left > self.limits.outbox_mark_bytes / 2 =>
            {
                owed.pressure = Pressure::Over { since };
                for slot in &recipient.slots {
                    self.channels[slot.channel.index()].congested_members += 1;
                }
            }
            Pressure::Over { .. } | Pressure::Stalled { .. }
                if left <= self.limits.outbox_mark_bytes / 2 =>
            {
                self.clear_pressure(client);
            }
            _ => {}
        }
        let recipient = &mut self.recipients[client.index()];
        if left == 0 {
            let owed = recipient.outbox.take().expect("it was there a moment ago");
            self.recycle(owed);
        } else if !full {
            self.queue_write(client, Queued::Bulk);
        }
    }

    /// Looks at a client that went over the mark a while ago.
    pub(crate) fn check(&mut self, client: ClientId) -> Checked {
        let checked = self.check_slow(client);
        self.recipients[client.index()].watched = checked != Checked::Clear;
        checked
    }

    fn check_slow(&mut self, client: ClientId) -> Checked {
        let now = self.now.ms;
        let recipient = &mut self.recipients[client.index()];
        let Some(owed) = &mut recipient.outbox else { return Checked::Clear };
        let since = match owed.pressure {
            Pressure::Clear => return Checked::Clear,
            Pressure::Over { since } | Pressure::Stalled { since } => since,
        };
        let blocked = owed.blocked_since.map_or(0, |at| now.saturating_sub(at));
        if blocked > 0 && now.saturating_sub(since) >= self.limits.too_slow_ms {
            self.too_slow.push(client);
            return Checked::Clear;
        }
        if blocked >= self.limits.stalled_ms && matches!(owed.pressure, Pressure::Over { .. }) {
            owed.pressure = Pressure::Stalled { since };
            for slot in recipient.slots.clone() {
                self.uncongest(slot.channel);
            }
            self.wake(Wait::ClientClear(client));
        }
        // Rooms that it holds up may go on as time passes.
        for channel in
            self.recipients[client.index()].slots.clone().into_iter().map(|slot| slot.channel)
        {
            if !self.congested(channel) {
                self.wake(Wait::ChannelClear(channel));
            }
        }
        Checked::Again(now + self.limits.stalled_ms / 4)
    }
}
