//! Flow control: who is behind, who waits for whom, and who is too slow.
//!
//! Over the high-water mark a client makes those of its channels congested that are not just
//! talking, and publishers wait, until it is under half the mark. A service may park what waits and
//! have itself called when that is over. If the kernel takes nothing more for the client for a
//! second, it no longer holds its channels up. It is closed as too slow when it stays over the mark
//! too long, or when what it has queued passes the limit. So is one for which the kernel takes
//! nothing for much longer, however little is queued for it: it would hold that for ever.

use std::collections::{HashMap, HashSet};
use std::mem;

use crate::clock::{Millis, Now};
use crate::delivery::channels::{ChannelId, Channels, MemberSlot};
use crate::delivery::limits::DeliveryLimits;
use crate::delivery::recipients::Recipient;
use crate::ids::{ClientId, Ticket};

/// A channel is held up for so long after a member has been slow.
const HELD_UP_MS: Millis = 10_000;

/// A member is slow for which the kernel leaves more than the high-water mark, divided by this.
const SLOW_DIVISOR: usize = 4;

/// What all channels that are held up may publish in one turn together: the high-water mark,
/// divided by this. A word that waits for a member waits until that has read what it had over half
/// the mark: at most the other half, what a turn brings, and the turn's last message. With a mark
/// of 256 KiB and messages of 64 KiB this is 224 KiB, which a member that reads 150 KB a second
/// has read after 1.5 s. A whole mark a turn would make it 3 s. What the first turn brings that
/// finds a member slow is not bounded so, but there is only a quarter of the mark before it.
const HELD_UP_TURN_DIVISOR: usize = 8;

/// What a client may have to wait for before its next message is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wait {
    /// This channel's members have caught up.
    ChannelClear(ChannelId),
    /// This client has read enough of what it has queued: all of it, if it was under the mark.
    ClientClear(ClientId),
    /// This moment.
    Time(Millis),
    /// This slow work is done.
    Ticket(Ticket),
    /// There is memory for large answers again.
    Memory,
    /// What others say in this turn comes first.
    Others,
    /// The service has less of this client's waiting than it had.
    Backlog(ClientId),
    /// The store has caught up with what has been recorded.
    Store,
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pressure {
    #[default]
    Clear,
    /// Over the mark, and reading: its channels' publishers wait for it.
    Over { since: Millis },
    /// Over the mark, and the kernel takes nothing: nobody waits for it.
    Stalled { since: Millis },
}

impl Pressure {
    /// When the client went over the mark.
    pub fn since(self) -> Option<Millis> {
        match self {
            Pressure::Clear => None,
            Pressure::Over { since } | Pressure::Stalled { since } => Some(since),
        }
    }
}

/// What checking a client that is behind has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It has caught up; there is nothing left to watch.
    Clear,
    /// Still behind: check again at this time.
    Again(Millis),
}

/// Who is behind and who waits.
///
/// Invariant: `congested_members` has, for each channel, the number of its members whose pressure
/// is `Over`; a client that has more queued than the mark is not `Clear` unless that is withheld; a
/// client is on `too_slow` at most once; it is in `blocked` exactly if it will be checked for being
/// blocked.
#[derive(Debug)]
pub struct Flow {
    pub now: Now,
    pub limits: DeliveryLimits,
    /// By the channel's key. It stands here, and not with the channel, because members go over the
    /// mark while their channel's batch is handed out.
    congested_members: Vec<u32>,
    /// By the channel's key: until when it publishes little in a turn, as it had to wait lately.
    held_up_until: Vec<Millis>,
    /// What such channels have published in this turn.
    held_up_bytes: usize,
    waiting: HashMap<Wait, Vec<ClientId>>,
    woken: Vec<ClientId>,
    /// What the service is to be told of once it is clear, and what is.
    called_for: HashSet<Wait>,
    clear: Vec<Wait>,
    too_slow: Vec<ClientId>,
    newly_over: Vec<ClientId>,
    /// The kernel took nothing for them. Few at any time: nothing is kept of it with each client.
    blocked: HashSet<ClientId>,
    newly_blocked: Vec<ClientId>,
    /// Since when they have more queued than the limit because much has become durable at once,
    /// for which they are not to blame. They are few, too.
    pub flooded: HashMap<ClientId, Millis>,
}

impl Flow {
    pub fn new(limits: DeliveryLimits) -> Flow {
        Flow {
            now: Now::default(),
            limits,
            congested_members: Vec::new(),
            held_up_until: Vec::new(),
            held_up_bytes: 0,
            waiting: HashMap::new(),
            woken: Vec::new(),
            called_for: HashSet::new(),
            clear: Vec::new(),
            too_slow: Vec::new(),
            newly_over: Vec::new(),
            blocked: HashSet::new(),
            newly_blocked: Vec::new(),
            flooded: HashMap::new(),
        }
    }

    // ---- Congested members ----

    /// A channel has been opened.
    pub fn opened(&mut self, id: ChannelId) {
        if self.congested_members.len() <= id.index() {
            self.congested_members.resize(id.index() + 1, 0);
            self.held_up_until.resize(id.index() + 1, 0);
        }
        self.held_up_until[id.index()] = 0;
        debug_assert_eq!(self.congested_members(id), 0, "nobody was in it when it was closed");
    }

    pub fn congested_members(&self, id: ChannelId) -> u32 {
        self.congested_members[id.index()]
    }

    /// Whether publishers to a channel should wait: a member is behind and the channel publishes
    /// more than people type, or enough has been published in this turn.
    pub fn congested(&self, id: ChannelId, channels: &Channels) -> bool {
        let has_congested_members = self.congested_members(id) > 0;
        has_congested_members && channels.is_ahead(id, self.now.ms)
            || channels.is_batch_full(id)
            || channels.is_turn_full()
            || self.is_held_up_turn_full() && self.is_held_up(id)
    }

    /// Whether a member of a channel has been slow of late.
    fn is_held_up(&self, id: ChannelId) -> bool {
        self.congested_members(id) > 0 || self.held_up_until[id.index()] > self.now.ms
    }

    /// A channel has published so much.
    #[inline]
    pub fn published(&mut self, id: ChannelId, bytes: usize) {
        if self.is_held_up(id) {
            self.held_up_bytes += bytes;
        }
    }

    /// Whether channels that are held up have published enough in this turn.
    pub fn is_held_up_turn_full(&self) -> bool {
        self.held_up_bytes >= self.limits.outbox_mark_bytes / HELD_UP_TURN_DIVISOR
    }

    /// Begins to count anew what is published, as the batches are about to be handed out.
    pub fn reset_published(&mut self) {
        self.held_up_bytes = 0;
    }

    /// A client has joined a channel.
    pub fn joined(&mut self, id: ChannelId, recipient: &Recipient) {
        self.congested_members[id.index()] += u32::from(recipient.is_over());
    }

    /// A client has left a channel.
    pub fn left(&mut self, id: ChannelId, recipient: &Recipient, channels: &Channels) {
        if recipient.is_over() {
            self.uncongest(id, channels);
        }
    }

    fn congest_all(&mut self, slots: &[MemberSlot]) {
        for slot in slots {
            self.congested_members[slot.channel.index()] += 1;
        }
    }

    fn uncongest(&mut self, id: ChannelId, channels: &Channels) {
        self.congested_members[id.index()] -= 1;
        self.wake_if_clear(id, channels);
    }

    fn hold_up_all(&mut self, slots: &[MemberSlot]) {
        for slot in slots {
            self.held_up_until[slot.channel.index()] = self.now.ms + HELD_UP_MS;
        }
    }

    fn uncongest_all(&mut self, slots: &[MemberSlot], channels: &Channels) {
        for slot in slots {
            self.uncongest(slot.channel, channels);
        }
    }

    // ---- Pressure ----

    /// Looks whether a client has gone over the mark or the limit. One whose wire is undecided is
    /// not to blame: it holds nobody up, but is to be checked.
    #[inline]
    pub fn check_high_water(&mut self, client: ClientId, recipient: &mut Recipient) {
        let bytes = recipient.outbox().map_or(0, |outbox| outbox.bytes());
        if bytes > self.limits.outbox_max_bytes {
            self.check_limit(client, recipient);
        }
        if bytes > self.limits.outbox_mark_bytes {
            self.raise_pressure(client, recipient);
        }
    }

    #[cold]
    fn check_limit(&mut self, client: ClientId, recipient: &mut Recipient) {
        if !self.flooded.contains_key(&client) {
            self.give_up(client, recipient);
        }
    }

    fn raise_pressure(&mut self, client: ClientId, recipient: &mut Recipient) {
        let Some(queue) = &mut recipient.send_queue else { return };
        if queue.pressure != Pressure::Clear {
            return;
        }
        if !recipient.is_withheld {
            queue.pressure = Pressure::Over { since: self.now.ms };
            self.congest_all(recipient.slots.as_slice());
        }
        if !mem::replace(&mut recipient.is_watched, true) {
            self.newly_over.push(client);
        }
    }

    /// A client is no longer behind: those who waited for it may go on.
    pub fn clear_pressure(
        &mut self,
        client: ClientId,
        recipient: &mut Recipient,
        channels: &Channels,
    ) {
        let Some(queue) = &mut recipient.send_queue else { return };
        self.flooded.remove(&client);
        let pressure = mem::replace(&mut queue.pressure, Pressure::Clear);
        if let Pressure::Over { .. } = pressure {
            self.uncongest_all(recipient.slots.as_slice(), channels);
        }
        self.wake(Wait::ClientClear(client));
    }

    /// The kernel took `count` bytes for a client: it may have caught up, or read again.
    #[inline]
    pub fn wrote(
        &mut self,
        client: ClientId,
        count: usize,
        recipient: &mut Recipient,
        channels: &Channels,
    ) {
        let Some(queue) = &mut recipient.send_queue else { return };
        if queue.outbox.bytes() > self.limits.outbox_mark_bytes / SLOW_DIVISOR {
            self.hold_up_all(recipient.slots.as_slice());
        }
        if queue.pressure == Pressure::Clear {
            // It may be waited for although it has not been over the mark.
            if queue.outbox.is_empty() && !self.waiting.is_empty() {
                self.wake(Wait::ClientClear(client));
            }
            return;
        }
        self.end_flood(client, &queue.outbox);
        if queue.outbox.bytes() <= self.limits.outbox_mark_bytes / 2 {
            self.clear_pressure(client, recipient, channels);
        } else if let Pressure::Stalled { since } = queue.pressure
            && count > 0
        {
            queue.pressure = Pressure::Over { since };
            self.congest_all(recipient.slots.as_slice());
        }
    }

    /// The kernel has refused to take more for a client. It will be checked once for as many
    /// refusals as there are until then: one that reads costs no more than that.
    pub fn note_blocked(&mut self, client: ClientId, recipient: &Recipient) {
        if recipient.is_blocked() && !recipient.is_closed && self.blocked.insert(client) {
            self.newly_blocked.push(client);
        }
    }

    /// Checks a client for which the kernel took nothing a while ago.
    pub fn check_blocked(&mut self, client: ClientId, recipient: &mut Recipient) -> Checked {
        let since = recipient.send_queue.as_ref().and_then(|queue| queue.blocked_since());
        let give_up_at = since.map(|at| at + self.limits.blocked_max_ms());
        match give_up_at.filter(|_| !recipient.is_closed) {
            Some(at) if at > self.now.ms => return Checked::Again(at),
            Some(_) => self.give_up(client, recipient),
            None => {}
        }
        self.blocked.remove(&client);
        Checked::Clear
    }

    /// A client's place is free.
    pub fn removed(&mut self, client: ClientId) {
        self.blocked.remove(&client);
    }

    /// Checks a client that went over the mark a while ago.
    pub fn check(
        &mut self,
        client: ClientId,
        recipient: &mut Recipient,
        channels: &Channels,
    ) -> Checked {
        let checked = self.check_slow(client, recipient, channels);
        recipient.is_watched = checked != Checked::Clear;
        checked
    }

    fn check_slow(
        &mut self,
        client: ClientId,
        recipient: &mut Recipient,
        channels: &Channels,
    ) -> Checked {
        let now = self.now.ms;
        let Some(queue) = &mut recipient.send_queue else { return Checked::Clear };
        let Some(since) = queue.pressure.since() else { return Checked::Clear };
        let blocked = queue.blocked_since().map_or(0, |at| now.saturating_sub(at));
        let is_late = |since: Millis| now.saturating_sub(since) >= self.limits.too_slow_ms;
        let flooded = self.flooded.get(&client);
        if blocked > 0 && is_late(since) || flooded.is_some_and(|since| is_late(*since)) {
            self.give_up(client, recipient);
            return Checked::Clear;
        }
        if blocked >= self.limits.stalled_ms && matches!(queue.pressure, Pressure::Over { .. }) {
            queue.pressure = Pressure::Stalled { since };
            self.uncongest_all(recipient.slots.as_slice(), channels);
            self.wake(Wait::ClientClear(client));
        }
        // Channels that it holds up may go on as time passes.
        for slot in recipient.slots.as_slice() {
            self.wake_if_clear(slot.channel, channels);
        }
        Checked::Again(now + self.limits.stalled_ms / 4)
    }

    /// A client is to be closed as too slow, unless it is closing already.
    fn give_up(&mut self, client: ClientId, recipient: &mut Recipient) {
        if !recipient.is_closed && !mem::replace(&mut recipient.is_too_slow, true) {
            self.too_slow.push(client);
        }
    }

    #[inline]
    pub fn has_too_slow(&self) -> bool {
        !self.too_slow.is_empty()
    }

    /// Clients that have too much queued, or have read too little for too long.
    pub fn take_too_slow(&mut self) -> Vec<ClientId> {
        mem::take(&mut self.too_slow)
    }

    /// Clients that went over the mark and are to be checked in a while.
    pub fn take_newly_over(&mut self) -> Vec<ClientId> {
        mem::take(&mut self.newly_over)
    }

    /// Clients that are to be checked when the kernel has taken nothing for too long.
    pub fn take_newly_blocked(&mut self) -> Vec<ClientId> {
        mem::take(&mut self.newly_blocked)
    }

    // ---- Waiting ----

    /// Notes who waits for what.
    pub fn wait(&mut self, client: ClientId, until: Wait) {
        self.waiting.entry(until).or_default().push(client);
    }

    /// The service is told once this is clear.
    pub fn call_when_clear(&mut self, what: Wait) {
        self.called_for.insert(what);
    }

    /// What has become clear since this was last asked, and was called for.
    pub fn take_clear(&mut self) -> Vec<Wait> {
        mem::take(&mut self.clear)
    }

    /// Those who wait for this may go on.
    pub fn wake(&mut self, what: Wait) {
        if !self.called_for.is_empty() && self.called_for.remove(&what) {
            self.clear.push(what);
        }
        if let Some(mut clients) = self.waiting.remove(&what) {
            // The client itself goes first: if those that write to it did, it would be behind again
            // before its own message is taken.
            if let Wait::ClientClear(behind) = what {
                clients.sort_by_key(|client| *client != behind);
            }
            self.woken.append(&mut clients);
        }
    }

    /// Those who wait for this channel may go on, if it is not congested.
    pub fn wake_if_clear(&mut self, id: ChannelId, channels: &Channels) {
        if !self.congested(id, channels) {
            self.wake(Wait::ChannelClear(id));
        }
    }

    /// The same for all channels that are waited for. Those that publish little go first, or those
    /// that publish much would always be before them.
    pub fn wake_all_clear(&mut self, channels: &Channels) {
        let mut waited_for: Vec<ChannelId> =
            self.waiting.keys().chain(&self.called_for).filter_map(Wait::channel).collect();
        waited_for.sort_by_key(|id| (channels.paced_until(*id), *id));
        waited_for.dedup();
        for id in waited_for {
            self.wake_if_clear(id, channels);
        }
    }

    /// Has others added whose wait is over.
    pub fn wake_with(&mut self, add: impl FnOnce(&mut Vec<ClientId>)) {
        add(&mut self.woken);
    }

    pub fn has_woken(&self) -> bool {
        !self.woken.is_empty() || !self.clear.is_empty()
    }

    /// Moves those whose wait is over to the end of `list`.
    pub fn take_woken(&mut self, list: &mut Vec<ClientId>) {
        list.append(&mut self.woken);
    }

    /// Gives up memory that the next burst can have anew.
    pub fn trim(&mut self) {
        self.waiting.shrink_to_fit();
        self.called_for.shrink_to_fit();
        self.woken.shrink_to_fit();
        self.newly_over.shrink_to_fit();
        self.blocked.shrink_to_fit();
        self.flooded.shrink_to_fit();
    }

    /// Asserts that nobody waits and nobody is to be closed.
    pub fn assert_at_rest(&self) {
        assert!(self.waiting.is_empty(), "a client that has left is waiting: {:?}", self.waiting);
        assert!(self.called_for.is_empty() && self.clear.is_empty(), "{:?}", self.called_for);
        assert!(self.too_slow.is_empty() && self.newly_over.is_empty());
        assert!(self.blocked.is_empty() && self.newly_blocked.is_empty());
        assert!(self.flooded.is_empty());
        assert!(self.congested_members.iter().all(|&count| count == 0));
    }
}
