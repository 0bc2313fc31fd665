//! What the server calls in a turn: who goes on, who is checked, what is handed out and written.

use std::ops::Range;

use super::recipients::Priority;
use super::{Batch, Checked, Delivery, Wait, enqueue};
use crate::clock::Millis;
use crate::delivery::encoding::FrameKind;
use crate::delivery::flow::Pressure;
use crate::delivery::outbox::Outbox;
use crate::ids::{ClientId, Ticket};

/// What is queued for one client is written before others are read from if it is this part of the
/// high-water mark, 16 KiB by default: an echo of 64 KiB takes a quarter less time then.
const LARGE_PART: usize = 16;

impl Delivery {
    /// Slow work is done: those who wait for it go on.
    pub(crate) fn completed(&mut self, ticket: Ticket) {
        self.flow.wake(Wait::Ticket(ticket));
    }

    /// Moves those whose wait is over to the end of `list`.
    pub(crate) fn take_woken(&mut self, list: &mut Vec<ClientId>) {
        self.flow.take_woken(list);
    }

    /// What the service has called for and is clear.
    pub(crate) fn take_clear(&mut self) -> Vec<Wait> {
        self.flow.take_clear()
    }

    /// Whether there are clients that are to be closed as too slow.
    #[inline]
    pub(crate) fn has_too_slow(&self) -> bool {
        self.flow.has_too_slow()
    }

    /// Clients that have too much queued, or have read too little for too long: to be closed.
    pub(crate) fn take_too_slow(&mut self) -> Vec<ClientId> {
        let too_slow = self.flow.take_too_slow();
        self.metrics.clients_too_slow += too_slow.len() as u64;
        too_slow
    }

    /// Clients that went over the mark and are to be checked in a while.
    pub(crate) fn take_newly_over(&mut self) -> Vec<ClientId> {
        let newly_over = self.flow.take_newly_over();
        self.metrics.clients_over_mark += newly_over.len() as u64;
        newly_over
    }

    /// Clients of which the kernel has begun to take nothing, and that are to be checked when it
    /// has taken nothing for `blocked_max_ms`.
    pub(crate) fn take_newly_blocked(&mut self) -> Vec<ClientId> {
        self.flow.take_newly_blocked()
    }

    /// Checks a client of which the kernel took nothing a while ago.
    pub(crate) fn check_blocked(&mut self, client: ClientId) -> Checked {
        self.flow.check_blocked(client, self.recipients.get_mut(client))
    }

    /// Checks a client that went over the mark a while ago.
    pub(crate) fn check(&mut self, client: ClientId) -> Checked {
        self.flow.check(client, self.recipients.get_mut(client), &self.channels)
    }

    /// Hands every channel's batch to the channel's members.
    pub(crate) fn freeze_batches(&mut self) {
        let was_full = self.channels.is_turn_full() || self.flow.is_held_up_turn_full();
        self.channels.reset_published();
        self.flow.reset_published();
        while let Some(id) = self.freeze_next() {
            if !was_full {
                self.flow.wake_if_clear(id, &self.channels);
            }
        }
        if was_full {
            // Channels in which nothing was published have waited as well.
            self.flow.wake_all_clear(&self.channels);
        }
    }

    /// What there is to hand out. Counted once a turn, and not kept with every message.
    pub(crate) fn batch(&self) -> Batch {
        self.channels.batch()
    }

    /// Whether everybody is leaving: nothing is published then.
    pub(crate) fn set_draining(&mut self, is_draining: bool) {
        self.is_draining = is_draining;
    }

    /// What is not durable will never be: what is held is dropped, and what is still to be handed
    /// out. Returns those for whom something was held.
    pub(crate) fn lose_held(&mut self) -> Vec<ClientId> {
        self.channels.drop_batches();
        self.flow.reset_published();
        self.flow.wake_all_clear(&self.channels);
        self.flow.wake(Wait::Store);
        self.recipients.lose_held()
    }

    /// Gives up memory that the next burst can have anew.
    pub(crate) fn trim(&mut self) {
        self.channels.trim();
        self.recipients.trim();
        self.flow.trim();
        self.budget.trim();
    }

    /// Whether there is something to hand out, to write or to read at once.
    pub(crate) fn is_busy(&self) -> bool {
        self.channels.have_batches() || self.to_write() != (0, 0) || self.flow.has_woken()
    }

    /// How many entries the two write queues have, prompt and bulk; some may be stale.
    pub(crate) fn to_write(&self) -> (usize, usize) {
        self.recipients.to_write()
    }

    /// The next prompt client to write to, if it has not been written to meanwhile.
    pub(crate) fn next_prompt(&mut self) -> Option<ClientId> {
        self.recipients.next_write(Priority::Prompt)
    }

    /// The next bulk client to write to, if it has not been written to meanwhile.
    pub(crate) fn next_bulk(&mut self) -> Option<ClientId> {
        self.recipients.next_write(Priority::Bulk)
    }

    /// Takes a client from the prompt queue if what it has queued is to be written before others are
    /// read from: it is in no channel, so that only it can have caused what it gets, or it has so
    /// much queued that it is worth a write of its own. Not while a channel has something for its
    /// members: that goes out in the same write.
    pub(crate) fn take_answer(&mut self, client: ClientId) -> bool {
        let recipient = self.recipients.get(client);
        let large = self.flow.limits.outbox_mark_bytes / LARGE_PART;
        let is_due = recipient.slots.as_slice().is_empty()
            || !self.channels.have_batches()
                && recipient.outbox().is_some_and(|outbox| outbox.bytes() >= large);
        is_due && self.recipients.take_prompt(client)
    }

    /// Whether [`Delivery::echo_in_place`] may be used. Else a message is sent as others are, and what
    /// is before it is queued first.
    #[inline]
    pub(crate) fn may_echo_in_place(&self, client: ClientId) -> bool {
        self.recipients.get(client).encoding.is_plain() && self.recipients.may_pass_queue(client)
    }

    /// Makes a message that has come from a client one that goes back to it, where its content
    /// stands in a buffer, behind others: see [`Encoding::encode_in_place`].
    ///
    /// [`Encoding::encode_in_place`]: super::encoding::Encoding::encode_in_place
    #[inline]
    pub(crate) fn echo_in_place(
        &mut self,
        client: ClientId,
        kind: FrameKind,
        buffer: &mut [u8],
        before: Range<usize>,
        content: Range<usize>,
    ) -> Range<usize> {
        let (before_bytes, encoding) = (before.len(), self.recipients.get(client).encoding);
        let echo = encoding.encode_in_place(kind, buffer, before, content);
        self.metrics.sends += 1;
        self.metrics.bytes_encoded += (echo.len() - before_bytes) as u64;
        echo
    }

    /// Queues what [`Delivery::echo_in_place`] has made.
    pub(crate) fn queue_echo(&mut self, client: ClientId, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let Delivery { recipients, flow, .. } = self;
        enqueue(recipients, flow, client, Priority::Prompt, |outbox, account| {
            outbox.append(account, |tail| tail.extend_from_slice(bytes))
        });
    }

    /// Queues what a client's stream has been offered past its queue, behind so many bytes that it
    /// has taken: [`Delivery::wrote`] says then what it took of these.
    pub(crate) fn queue_offered(&mut self, client: ClientId, taken_before: usize, bytes: &[u8]) {
        self.metrics.bytes_written += taken_before as u64;
        self.queue_echo(client, bytes);
        self.recipients.take_prompt(client);
    }

    /// What a client has queued that may leave, if there is any.
    pub(crate) fn outbox(&self, client: ClientId) -> Option<&Outbox> {
        self.recipients.get(client).outbox().filter(|outbox| !outbox.is_empty())
    }

    /// Whether a client is to get more than it has queued that may leave: something is held for it.
    pub(crate) fn is_holding_for(&self, client: ClientId) -> bool {
        self.recipients.get(client).held_pieces() > 0
    }

    /// Whether the line that a client types may be written to it: it has nothing queued, with which
    /// that is written, and would take it.
    pub(crate) fn may_draw(&self, client: ClientId) -> bool {
        let recipient = self.recipients.get(client);
        let takes = recipient.is_writable && !recipient.is_withheld && !recipient.is_discarding;
        takes && self.outbox(client).is_none()
    }

    /// Whether a client has nothing queued, and nothing is held for it. Its share of this turn's
    /// batches does not count.
    pub(crate) fn is_settled(&self, client: ClientId) -> bool {
        self.recipients.get(client).send_queue.is_none()
    }

    /// Whether a client is behind, reading or not. Nothing is read from it then: it would only get
    /// more.
    pub(crate) fn is_behind(&self, client: ClientId) -> bool {
        self.recipients.get(client).pressure() != Pressure::Clear
    }

    /// When the kernel last took something for a client that it takes no more for; now, if it would
    /// take more.
    pub(crate) fn last_taken(&self, client: ClientId) -> Millis {
        let queue = self.recipients.get(client).send_queue.as_ref();
        queue.and_then(|queue| queue.blocked_since()).unwrap_or(self.flow.now.ms)
    }

    /// The kernel would take more for this client.
    pub(crate) fn writable(&mut self, client: ClientId) {
        let recipient = self.recipients.get_mut(client);
        recipient.is_writable = true;
        if let Some(queue) = &mut recipient.send_queue {
            // It has read something. It may be a while until it is written to, for which it is not
            // to blame.
            queue.unblock();
        }
        self.recipients.queue_write(client, Priority::Bulk);
    }

    /// The kernel took `count` bytes for this client; `is_blocked` says that it would take no more.
    pub(crate) fn wrote(&mut self, client: ClientId, count: usize, is_blocked: bool) {
        self.metrics.writes += 1;
        self.metrics.writes_blocked += u64::from(is_blocked);
        self.metrics.bytes_written += count as u64;
        self.recipients.advance(client, count, is_blocked, self.flow.now.ms);
        let recipient = self.recipients.get_mut(client);
        self.flow.wrote(client, count, recipient, &self.channels);
        if is_blocked {
            self.flow.note_blocked(client, recipient);
        }
        self.recipients.written(client);
    }
}
