//! What follows from changes that are not durable yet, and so must not leave.
//!
//! Each turn's changes are a group. What is said to clients from the first change on is held,
//! behind what is held for them already, until the store has the group that was the newest then.
//! Nobody is to blame for what is held: no mark and no limit of a client counts it. All of it
//! together has one bound.

use std::collections::{HashMap, HashSet, VecDeque};
use std::mem;
use std::ops::Range;

use bytes::Bytes;

use crate::delivery::flow::Flow;
use crate::delivery::outbox::{Outbox, address_of};
use crate::delivery::recipients::{Priority, Recipient, Recipients, SendQueue};
use crate::ids::{ClientId, GroupId};
use crate::memory::MemoryAccount;

/// What one client alone gets is copied into one buffer for all if it is shorter than this. A
/// longer piece has memory of its own, and is not copied again when it may leave.
const COPIED_MAX: usize = 512;

/// A piece of what one client is to get once it is durable.
///
/// All clients' pieces stand in one queue, and not in one for each client: a message to 1,000 takes
/// 1,000 places at its end and no memory of its own. (`single` in benches/load, kept: the 1,000
/// queues took the server a microsecond each, in allocating, freeing and reading them again.)
#[derive(Debug)]
struct Piece {
    /// When this is durable, it may leave.
    group: GroupId,
    client: ClientId,
    priority: Priority,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Frame(Bytes),
    /// The next so many bytes of [`Pieces::copied`].
    Copied(usize),
}

impl Content {
    fn len(&self) -> usize {
        match self {
            Content::Frame(frame) => frame.len(),
            Content::Copied(bytes) => *bytes,
        }
    }
}

/// All pieces, in the order of their groups.
///
/// Invariant: `copied` has the bytes of all that are copied from `copied_from` on; each client's
/// pieces are as many as its queue says (`held_pieces`), behind those in `dropped`.
#[derive(Debug, Default)]
struct Pieces {
    queue: VecDeque<Piece>,
    copied: Vec<u8>,
    copied_from: usize,
    /// So many of the next pieces of these clients are for nobody any more.
    dropped: HashMap<ClientId, usize>,
    /// What is held passes through it.
    scratch: Outbox,
}

impl Pieces {
    /// Holds what `add` adds to an empty outbox. Returns how many pieces that makes, and their
    /// bytes that are this client's alone.
    fn push(
        &mut self,
        (group, client, priority): (GroupId, ClientId, Priority),
        account: &MemoryAccount,
        add: impl FnOnce(&mut Outbox, &MemoryAccount) -> usize,
    ) -> (usize, usize) {
        let own_bytes = add(&mut self.scratch, account);
        let before = self.queue.len();
        let piece = |content| Piece { group, client, priority, content };
        let tail = self.scratch.take_all(|frame| {
            self.queue.push_back(piece(Content::Frame(frame)));
        });
        if tail.len() >= COPIED_MAX {
            let mut own = mem::take(tail);
            own.shrink_to_fit();
            self.queue.push_back(piece(Content::Frame(account.share(own))));
        } else if !tail.is_empty() {
            self.copied.extend_from_slice(tail);
            let added = tail.len();
            tail.clear();
            let may_join = !self.dropped.contains_key(&client);
            match self.queue.back_mut().filter(|_| may_join) {
                // Several answers to one request take one place.
                Some(Piece {
                    group: of,
                    client: to,
                    priority: at,
                    content: Content::Copied(bytes),
                }) if (*of, *to) == (group, client) => {
                    *bytes += added;
                    *at = priority.max(*at);
                }
                _ => self.queue.push_back(piece(Content::Copied(added))),
            }
        }
        (self.queue.len() - before, own_bytes)
    }

    /// Takes out the next piece, if it may leave; one that is for nobody is dropped.
    fn pop(&mut self, durable: GroupId) -> Option<Piece> {
        while self.queue.front().is_some_and(|first| first.group <= durable) {
            let piece = self.queue.pop_front()?;
            if !self.is_dropped(piece.client) {
                return Some(piece);
            }
            self.take_copied(&piece.content);
        }
        None
    }

    fn is_dropped(&mut self, client: ClientId) -> bool {
        if self.dropped.is_empty() {
            return false;
        }
        let Some(count) = self.dropped.get_mut(&client) else { return false };
        *count -= 1;
        if *count == 0 {
            self.dropped.remove(&client);
        }
        true
    }

    /// The bytes of a piece that was taken out, if they are copied. They go with the next one.
    fn take_copied(&mut self, content: &Content) -> Range<usize> {
        let Content::Copied(bytes) = content else { return 0..0 };
        if self.copied_from > COPIED_MAX && self.copied_from > self.copied.len() / 2 {
            self.copied.drain(..self.copied_from);
            self.copied_from = 0;
        }
        let from = self.copied_from;
        self.copied_from += bytes;
        from..self.copied_from
    }

    /// Drops all of it.
    fn clear(&mut self) {
        *self = Pieces::default();
    }

    /// This client's pieces.
    fn of(&self, client: ClientId) -> impl Iterator<Item = &Piece> {
        let dropped = self.dropped.get(&client).copied().unwrap_or(0);
        self.queue.iter().filter(move |piece| piece.client == client).skip(dropped)
    }

    fn trim(&mut self) {
        self.queue.shrink_to_fit();
        self.copied.drain(..mem::take(&mut self.copied_from));
        self.copied.shrink_to_fit();
        self.dropped.shrink_to_fit();
        self.scratch = Outbox::default();
    }

    fn assert_invariants(&self) {
        assert!(self.queue.iter().is_sorted_by_key(|piece| piece.group));
        let copied = self.queue.iter().filter_map(|piece| match piece.content {
            Content::Copied(bytes) => Some(bytes),
            Content::Frame(_) => None,
        });
        assert_eq!(self.copied.len() - self.copied_from, copied.sum::<usize>());
        for (client, count) in &self.dropped {
            let pieces = self.queue.iter().filter(|piece| piece.client == *client);
            assert!((1..=pieces.count()).contains(count), "pieces of {client} were dropped");
        }
        assert!(self.scratch.is_empty());
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
/// Invariant: `groups` has each group that is not durable, in order; `bytes` is what the groups have
/// together; that of [`Pieces`].
#[derive(Debug, Default)]
pub struct Held {
    newest: GroupId,
    durable: GroupId,
    pieces: Pieces,
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

    /// Where the frames count that follow from the newest group, if that is not durable.
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

    /// Holds what `add` adds to an empty outbox, until the newest group is durable. Returns how many
    /// pieces that makes.
    fn hold(
        &mut self,
        client: ClientId,
        priority: Priority,
        add: impl FnOnce(&mut Outbox, &MemoryAccount) -> usize,
    ) -> usize {
        let Some(newest) = self.groups.back() else { return 0 };
        let of = (newest.id, client, priority);
        let (pieces, own_bytes) = self.pieces.push(of, &newest.account, add);
        self.count(pieces * size_of::<Piece>() + own_bytes);
        pieces
    }

    /// The groups that are not durable will never be.
    fn lose(&mut self, free: &MemoryAccount) {
        self.end_groups(self.newest, free);
        self.newest = self.durable;
        self.pieces.clear();
    }

    /// This client's pieces are for nobody any more.
    pub fn drop_pieces(&mut self, client: ClientId, queue: &mut SendQueue) {
        let count = mem::take(&mut queue.held_pieces);
        if count > 0 {
            *self.pieces.dropped.entry(client).or_default() += count;
        }
    }

    /// What is held for this client, in bytes.
    pub fn bytes_of(&self, client: ClientId) -> usize {
        self.pieces.of(client).map(|piece| piece.content.len()).sum()
    }

    /// Where the frames that are held for this client are in memory.
    pub fn frame_addresses_of(&self, client: ClientId) -> impl Iterator<Item = Range<usize>> {
        self.pieces.of(client).filter_map(|piece| match &piece.content {
            Content::Frame(frame) => Some(address_of(frame)),
            Content::Copied(_) => None,
        })
    }

    fn assert_invariants(&self) {
        self.pieces.assert_invariants();
        let first = self.pieces.queue.front();
        assert!(first.is_none_or(|first| self.durable < first.group), "it may leave");
        let groups = self.groups.iter();
        assert!(groups.clone().all(|group| self.durable < group.id && group.id <= self.newest));
        let (bytes, frame_bytes) = groups.fold((0, 0), |(bytes, frame_bytes), group| {
            (bytes + group.bytes, frame_bytes + group.account.shared_bytes())
        });
        assert_eq!((self.bytes, self.frame_bytes()), (bytes, frame_bytes), "what is held");
        assert!(self.is_holding() || self.groups.is_empty() && self.pieces.queue.is_empty());
    }

    /// What the queue and the buffer of all pieces have room for, in bytes.
    #[cfg(test)]
    pub fn room_bytes(&self) -> usize {
        self.pieces.copied.capacity() + self.pieces.queue.capacity() * size_of::<Piece>()
    }

    /// Gives up memory that the next burst can have anew.
    pub fn trim(&mut self) {
        self.pieces.trim();
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
            queue.held_pieces += held.hold(client, priority, add);
        });
    }

    /// Adds to what is held for a client, if anything is. Returns whether it is.
    pub fn add_behind_held(&mut self, client: ClientId, bytes: &[u8]) -> bool {
        let has_held = self.get(client).held_pieces() > 0;
        if has_held {
            self.hold(client, Priority::Bulk, |outbox, account| {
                outbox.append(account, |tail| tail.extend_from_slice(bytes))
            });
        }
        has_held
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

    /// Has the next piece that is durable written. Returns its client.
    pub fn free_next(&mut self) -> Option<ClientId> {
        let Piece { client, priority, content, .. } = self.held.pieces.pop(self.held.durable)?;
        self.change_queue(client, |queue, held, account| {
            queue.held_pieces -= 1;
            let copied = held.pieces.take_copied(&content);
            match content {
                Content::Frame(frame) => queue.outbox.push(frame, account),
                Content::Copied(_) => {
                    let bytes = &held.pieces.copied[copied];
                    queue.outbox.append(account, |tail| tail.extend_from_slice(bytes));
                }
            }
        });
        self.queue_write(client, priority);
        Some(client)
    }

    /// What is held will never be durable, and is dropped. Returns for whom something was.
    pub fn lose_held(&mut self) -> Vec<ClientId> {
        let mut lost: Vec<ClientId> = Vec::new();
        for at in 0..self.held.pieces.queue.len() {
            let client = self.held.pieces.queue[at].client;
            let recipient = self.get(client);
            if recipient.serial == client.serial && recipient.held_pieces() > 0 {
                self.change_queue(client, |queue, _, _| queue.held_pieces = 0);
                lost.push(client);
            }
        }
        self.held.lose(&self.account);
        lost
    }

    pub fn assert_held(&self) {
        for (client, recipient) in self.all() {
            let pieces = self.held.pieces.of(client).count();
            assert_eq!(recipient.held_pieces(), pieces, "what is held for {client}");
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
