//! What follows from changes that are not durable yet, and so must not leave.
//!
//! Each turn's changes are a group. What is said to clients from the first change on is held,
//! behind what is held for them already, until the store has the group that was the newest then.
//! Nobody is to blame for what is held: no mark and no limit of a client counts it. All of it
//! together has one bound.

use std::collections::{HashSet, VecDeque};
use std::mem;

use bytes::Bytes;

use crate::delivery::flow::Flow;
use crate::delivery::outbox::Outbox;
use crate::delivery::recipients::{Priority, Recipient, Recipients};
use crate::ids::{ClientId, GroupId};
use crate::memory::MemoryAccount;

/// What one client is to get once it is durable.
///
/// Invariant: there is at least one mark, their groups ascend, and none is empty. Each mark but the
/// last covers whole frames, `marked_frames` together; the last one covers the rest.
#[derive(Debug, Default)]
pub struct HeldQueue {
    outbox: Outbox,
    marks: VecDeque<Mark>,
    marked_frames: usize,
}

/// A stretch of a [`HeldQueue`].
#[derive(Debug)]
struct Mark {
    /// When this is durable, the stretch may leave.
    group: GroupId,
    /// The frames that it covers, once another mark has begun.
    frames: usize,
    priority: Priority,
}

impl HeldQueue {
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Adds to it what follows from the newest group. Returns whether that is the first of this
    /// group, and how many bytes of it are this client's alone.
    fn add(
        &mut self,
        held: &Held,
        priority: Priority,
        add: impl FnOnce(&mut Outbox, &MemoryAccount) -> usize,
    ) -> (bool, usize) {
        let (group, before) = (held.newest, self.outbox.bytes());
        let last = self.marks.back().map(|mark| mark.group);
        let is_new = last != Some(group);
        if is_new && let Some(last) = last {
            // A stretch ends with a frame.
            self.outbox.close_tail(held.account(last));
        }
        let frames = self.outbox.frames();
        let own_bytes = add(&mut self.outbox, held.account(group));
        if self.outbox.bytes() == before {
            return (false, 0);
        }
        match self.marks.back_mut() {
            Some(mark) if !is_new => mark.priority = mark.priority.max(priority),
            last => {
                if let Some(mark) = last {
                    mark.frames = frames - self.marked_frames;
                    self.marked_frames = frames;
                }
                self.marks.push_back(Mark { group, frames: 0, priority });
            }
        }
        (is_new, own_bytes)
    }

    /// Moves what may leave to the end of an outbox; returns the most urgent of its priorities.
    fn free(
        &mut self,
        durable: GroupId,
        outbox: &mut Outbox,
        account: &MemoryAccount,
    ) -> Option<Priority> {
        let mut freed = None;
        let mut frames = 0;
        while let Some(mark) = self.marks.front()
            && mark.group <= durable
        {
            freed = freed.max(Some(mark.priority));
            frames += mark.frames;
            self.marks.pop_front();
        }
        self.marked_frames -= frames;
        if self.marks.is_empty() {
            outbox.append_all(mem::take(&mut self.outbox), account);
        } else {
            outbox.append_frames(&mut self.outbox, frames, account);
        }
        freed
    }

    fn assert_invariants(&self, durable: GroupId) {
        let marks = &self.marks;
        assert!(marks.iter().is_sorted_by(|one, next| one.group < next.group), "{marks:?}");
        assert!(marks.front().is_some_and(|first| first.group > durable), "{marks:?}");
        let marked: usize = marks.iter().map(|mark| mark.frames).sum();
        assert_eq!(self.marked_frames, marked);
        assert!(!self.outbox.is_empty() && marked <= self.outbox.frames());
    }
}

/// One group that is not durable, and what it holds.
#[derive(Debug)]
struct Group {
    id: GroupId,
    /// Of records and of what is held for it, in bytes.
    bytes: usize,
    /// Where the frames count that follow from it, as long as there are any.
    account: MemoryAccount,
}

/// Who has something held, and how much that is.
///
/// Invariant: `groups` has each group that is not durable, in order; `waiting` has a client once
/// for each mark of its queue at least, in the order of groups; `bytes` is what the groups have
/// together.
#[derive(Debug, Default)]
pub struct Held {
    newest: GroupId,
    durable: GroupId,
    waiting: VecDeque<(GroupId, ClientId)>,
    groups: VecDeque<Group>,
    bytes: usize,
    /// The accounts of the groups are parts of it, until they are durable: what is held is no part
    /// of the clients' budget.
    account: MemoryAccount,
    /// Where the shared bytes are that the newest group has counted.
    counted: HashSet<usize>,
}

impl Held {
    /// Whether what is said now is held.
    #[inline]
    pub fn is_holding(&self) -> bool {
        self.newest > self.durable
    }

    /// The newest group, and the newest that is durable.
    pub fn groups(&self) -> (GroupId, GroupId) {
        (self.newest, self.durable)
    }

    /// What is held, and the records that it follows from, in bytes; what is shared counts once.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is held of it in frames.
    pub fn frame_bytes(&self) -> usize {
        self.account.shared_bytes()
    }

    /// Where the frames count that follow from a group, which is not durable.
    fn account(&self, group: GroupId) -> &MemoryAccount {
        let at = self.groups.partition_point(|other| other.id < group);
        &self.groups[at].account
    }

    /// The same for the newest group, if that is not durable.
    fn newest_account(&self) -> Option<&MemoryAccount> {
        self.groups.back().map(|newest| &newest.account)
    }

    pub fn record(&mut self, group: GroupId, bytes: usize) {
        debug_assert!(group == self.newest || group == self.newest.next(), "groups have no holes");
        if group > self.newest {
            self.newest = group;
            self.groups.push_back(Group { id: group, bytes: 0, account: self.account.part() });
            self.counted.clear();
        }
        self.count(bytes);
    }

    fn count(&mut self, bytes: usize) {
        let Some(group) = self.groups.back_mut() else { return };
        group.bytes += bytes;
        self.bytes += bytes;
    }

    /// So much has been handed out that many share.
    pub fn count_batches(&mut self, bytes: usize) {
        if self.is_holding() {
            self.count(bytes);
        }
    }

    /// A client has been sent something that others may be sent as well.
    pub fn count_shared(&mut self, bytes: &Bytes) {
        if self.is_holding() && self.counted.insert(bytes.as_ptr().addr()) {
            self.count(bytes.len());
        }
    }

    /// The groups up to this one hold nothing any more: what is left of it counts as free.
    fn end_groups(&mut self, group: GroupId, free: &MemoryAccount) {
        while let Some(first) = self.groups.front()
            && first.id <= group
        {
            self.bytes -= first.bytes;
            first.account.move_to(free);
            self.groups.pop_front();
        }
    }

    /// The next client that has something to be freed, unless it has dropped that.
    fn next_free(&mut self) -> Option<ClientId> {
        let (group, client) = *self.waiting.front()?;
        if group > self.durable {
            return None;
        }
        self.waiting.pop_front();
        Some(client)
    }

    /// The groups that are not durable will never be. Returns who waited for them.
    fn lose(&mut self, free: &MemoryAccount) -> impl Iterator<Item = ClientId> + use<> {
        self.end_groups(self.newest, free);
        self.newest = self.durable;
        mem::take(&mut self.waiting).into_iter().map(|(_, client)| client)
    }

    fn assert_invariants(&self) {
        assert!(self.waiting.iter().is_sorted_by_key(|(group, _)| *group));
        let groups = self.groups.iter();
        assert!(groups.clone().all(|group| self.durable < group.id && group.id <= self.newest));
        let (bytes, frame_bytes) = groups.fold((0, 0), |(bytes, frame_bytes), group| {
            (bytes + group.bytes, frame_bytes + group.account.shared_bytes())
        });
        assert_eq!((self.bytes, self.frame_bytes()), (bytes, frame_bytes), "what is held");
        assert!(self.is_holding() || self.groups.is_empty() && self.waiting.is_empty());
    }

    /// Gives up memory that the next burst can have anew.
    pub fn trim(&mut self) {
        self.waiting.shrink_to_fit();
        self.groups.shrink_to_fit();
        self.counted.shrink_to_fit();
    }
}

impl Recipients {
    /// Adds to what is held for a client.
    #[inline(never)]
    pub fn hold(
        &mut self,
        client: ClientId,
        priority: Priority,
        add: impl FnOnce(&mut Outbox, &MemoryAccount) -> usize,
    ) {
        self.change_queue(client, |queue, held, _| {
            let overhead = if queue.held.is_none() { size_of::<HeldQueue>() } else { 0 };
            let mut own = queue.held.take().unwrap_or_default();
            let (is_new, own_bytes) = own.add(held, priority, add);
            if is_new {
                held.waiting.push_back((held.newest, client));
                held.count(overhead + size_of::<Mark>() + size_of::<Bytes>());
            }
            held.count(own_bytes);
            queue.held = (!own.marks.is_empty()).then_some(own);
        });
    }

    /// Adds to what is held for a client, if anything is. Returns whether it is.
    pub fn add_behind_held(&mut self, client: ClientId, bytes: &[u8]) -> bool {
        if !self.has_held(client) {
            return false;
        }
        let added = self.change_queue(client, |queue, held, _| {
            let own = queue.held.as_mut()?;
            let account = held.account(own.marks.back()?.group);
            Some(own.outbox.append(account, |tail| tail.extend_from_slice(bytes)))
        });
        added.flatten().is_some()
    }

    /// Where what is shared from now on counts: as held, if it follows from a change that is not
    /// durable.
    pub fn share_account(&self) -> &MemoryAccount {
        self.held.newest_account().unwrap_or(&self.account)
    }

    /// All groups up to this one are durable.
    pub fn set_durable(&mut self, group: GroupId) {
        self.held.durable = self.held.durable.max(group);
        self.held.end_groups(group, &self.account);
    }

    /// Has the next client's part of what is durable written. Returns the client.
    pub fn free_next(&mut self) -> Option<ClientId> {
        while let Some(client) = self.held.next_free() {
            if !self.has_held(client) {
                continue;
            }
            let priority = self.change_queue(client, |queue, held, account| {
                let mut own = queue.held.take()?;
                let priority = own.free(held.durable, &mut queue.outbox, account);
                queue.held = (!own.marks.is_empty()).then_some(own);
                priority
            });
            if let Some(priority) = priority.flatten() {
                self.queue_write(client, priority);
                return Some(client);
            }
        }
        None
    }

    /// What is held will never be durable, and is dropped. Returns for whom something was.
    pub fn lose_held(&mut self) -> Vec<ClientId> {
        let mut lost: Vec<ClientId> = self.held.lose(&self.account).collect();
        lost.retain(|client| {
            let has_held = self.has_held(*client);
            if has_held {
                self.change_queue(*client, |queue, _, _| queue.held = None);
            }
            has_held
        });
        lost
    }

    fn has_held(&self, client: ClientId) -> bool {
        let recipient = self.get(client);
        recipient.serial == client.serial && recipient.held().is_some()
    }

    pub fn assert_held(&self) {
        let durable = self.held.durable;
        for (client, recipient) in self.all() {
            let Some(held) = recipient.held() else { continue };
            held.assert_invariants(durable);
            for mark in &held.marks {
                let is_listed = self.held.waiting.contains(&(mark.group, client));
                assert!(is_listed, "{client} waits for {:?}", mark.group);
            }
        }
        self.held.assert_invariants();
    }
}

impl Flow {
    /// What was held for a client may leave. It may be more than the limit, and the client could
    /// read nothing of it until now: it has `too_slow_ms` to get below.
    pub fn freed(&mut self, client: ClientId, recipient: &mut Recipient) {
        if recipient.outbox().is_some_and(|outbox| self.is_over_limit(outbox)) {
            self.flooded.entry(client).or_insert(self.now.ms);
        }
        self.check_high_water(client, recipient);
    }

    /// A client has read: once at the limit, it is like all others.
    #[cold]
    pub fn end_flood(&mut self, client: ClientId, outbox: &Outbox) {
        if !self.flooded.is_empty() && !self.is_over_limit(outbox) {
            self.flooded.remove(&client);
        }
    }

    fn is_over_limit(&self, outbox: &Outbox) -> bool {
        outbox.bytes() > self.limits.outbox_max_bytes
    }
}
