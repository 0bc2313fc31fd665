//! One channel: its members by encoding, and what was published there and is not handed out yet.

use std::mem;
use std::ops::Range;

use super::{ChannelId, MemberSlot, SenderCopy, Share};
use crate::clock::Millis;
use crate::delivery::encoding::{Compressor, Encoder, Encoding};
use crate::ids::ClientId;
use crate::memory::MemoryAccount;

/// A part of a batch that is smaller than this share of it is copied: to hold the whole batch for
/// it would take more memory than it is worth.
const SHARED_PART_MIN: usize = 4;

/// One member's place among the members of its encoding.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    pub client: ClientId,
    /// What the batch held before this member joined (or was handed it early): it gets the rest.
    pub from: u32,
}

/// A stretch of the batch that its sender does not get, and what it gets in its place.
#[derive(Debug)]
pub struct StoredCopy {
    pub sender: ClientId,
    pub start: u32,
    pub end: u32,
    bytes: Vec<u8>,
}

/// A part of a batch on its way to one member.
enum Piece<'a> {
    /// These bytes of the batch.
    Shared(Range<usize>),
    /// Bytes for this member alone.
    Copy(&'a [u8]),
}

/// The members that share an encoding, and this turn's messages in it.
///
/// Invariant: it has members; every `from` is at most `batch.len()`; the stretches of one sender
/// do not overlap, and begin at its `from` or later; `last` is where a message begins, or the end.
#[derive(Debug)]
pub struct Subscribers {
    encoding: Encoding,
    pub members: Vec<Member>,
    pub batch: Vec<u8>,
    /// Where the message begins that was published last.
    last: u32,
    pub sender_copies: Vec<StoredCopy>,
}

/// A channel: its members by encoding.
#[derive(Debug, Default)]
pub struct Channel {
    pub subscribers: Vec<Subscribers>,
    /// When all that was published would have been said if nobody had talked faster than people
    /// type.
    pub paced_until: Millis,
    /// It is on the list of channels that have something to hand out.
    pub has_batch: bool,
}

/// What publishing a message came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Bytes in the encoding in which the message is longest.
    pub longest_bytes: usize,
    /// Bytes in all encodings in use together.
    pub encoded_bytes: usize,
    /// Members of the channel.
    pub members: usize,
}

/// What has been handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frozen {
    /// One for each encoding in use.
    pub batches: usize,
    /// Bytes of all of them together.
    pub bytes: usize,
}

impl Channel {
    /// Members of every encoding together.
    pub fn members(&self) -> usize {
        self.subscribers.iter().map(|subscribers| subscribers.members.len()).sum()
    }

    /// The members, in an order that stays for as long as nobody joins or leaves.
    pub fn clients(&self) -> impl Iterator<Item = ClientId> {
        self.subscribers
            .iter()
            .flat_map(|subscribers| subscribers.members.iter().map(|member| member.client))
    }

    /// The largest of this turn's batches, in bytes.
    pub fn batch_bytes(&self) -> usize {
        self.subscribers.iter().map(|subscribers| subscribers.batch.len()).max().unwrap_or(0)
    }

    /// Adds a member; it will get what is published from now on.
    pub fn join(&mut self, id: ChannelId, client: ClientId, encoding: Encoding) -> MemberSlot {
        let known = self.subscribers.iter().position(|known| known.encoding == encoding);
        let at = known.unwrap_or_else(|| {
            self.subscribers.push(Subscribers::new(encoding));
            self.subscribers.len() - 1
        });
        let subscribers = &mut self.subscribers[at];
        // What it published before it joined is no part of its share.
        subscribers.sender_copies.retain(|copy| copy.sender != client);
        let index = offset(subscribers.members.len());
        subscribers.members.push(Member { client, from: offset(subscribers.batch.len()) });
        MemberSlot { channel: id, index }
    }

    /// Removes a member. Returns the member that was moved into its place and so has this slot now.
    pub fn leave(&mut self, slot: MemberSlot, encoding: Encoding) -> Option<ClientId> {
        let subscribers = self.subscribers(encoding);
        subscribers.members.swap_remove(slot.index as usize);
        let moved = subscribers.members.get(slot.index as usize).map(|member| member.client);
        if subscribers.members.is_empty() {
            self.subscribers.retain(|subscribers| subscribers.encoding != encoding);
        }
        moved
    }

    /// Adds to the batch of every encoding in use. `encode` appends one whole message in the
    /// encoding that it is given, or nothing.
    pub fn publish(
        &mut self,
        compressor: &mut Compressor,
        sender_copy: Option<(SenderCopy<'_>, Encoding)>,
        mut encode: impl FnMut(&mut Encoder),
    ) -> Published {
        let mut published = Published::default();
        for subscribers in &mut self.subscribers {
            let start = offset(subscribers.batch.len());
            encode(&mut Encoder::new(subscribers.encoding, &mut subscribers.batch, compressor));
            let end = offset(subscribers.batch.len());
            subscribers.last = start;
            let bytes = (end - start) as usize;
            published.longest_bytes = published.longest_bytes.max(bytes);
            published.encoded_bytes += bytes;
            published.members += subscribers.members.len();
            match sender_copy {
                Some((copy, encoding)) if encoding == subscribers.encoding && start < end => {
                    subscribers.store_copy(copy, start, end)
                }
                _ => {}
            }
        }
        published
    }

    /// Gives a member something else in place of the message that was published last.
    pub fn replace_last(&mut self, copy: SenderCopy<'_>, encoding: Encoding) {
        let known = self.subscribers.iter_mut().find(|known| known.encoding == encoding);
        let Some(subscribers) = known else { return };
        let (start, end) = (subscribers.last, offset(subscribers.batch.len()));
        if start < end {
            subscribers.store_copy(copy, start, end);
        }
    }

    /// What a member has not been handed yet of this turn's batch, as copies; afterwards it has
    /// been handed it.
    pub fn catch_up(&mut self, slot: MemberSlot, encoding: Encoding, mut give: impl FnMut(&[u8])) {
        let subscribers = self.subscribers(encoding);
        let member = &mut subscribers.members[slot.index as usize];
        if member.from as usize == subscribers.batch.len() {
            return;
        }
        let client = member.client;
        let from = mem::replace(&mut member.from, offset(subscribers.batch.len()));
        let copies = subscribers.sender_copies.iter().filter(|copy| copy.sender == client);
        pieces(from as usize, subscribers.batch.len(), copies, |piece| match piece {
            Piece::Shared(range) => give(&subscribers.batch[range]),
            Piece::Copy(bytes) => give(bytes),
        });
        subscribers.sender_copies.retain(|copy| copy.sender != client);
    }

    /// Freezes the batch of every encoding and hands each member its share, with the number of
    /// members of that encoding.
    pub fn freeze(
        &mut self,
        account: &MemoryAccount,
        mut give: impl FnMut(ClientId, Share<'_>, usize),
    ) -> Frozen {
        let mut frozen = Frozen::default();
        for subscribers in &mut self.subscribers {
            if !subscribers.batch.is_empty() {
                frozen.batches += 1;
                frozen.bytes += subscribers.batch.len();
                subscribers.freeze(account, &mut give);
            }
        }
        frozen
    }

    /// Drops what was published and has not been handed out.
    pub fn drop_batches(&mut self) {
        for subscribers in &mut self.subscribers {
            subscribers.batch = Vec::new();
            subscribers.last = 0;
            subscribers.sender_copies.clear();
            subscribers.members.iter_mut().for_each(|member| member.from = 0);
        }
        self.has_batch = false;
    }

    /// Gives up memory that the next burst can have anew.
    pub fn trim(&mut self) {
        for subscribers in &mut self.subscribers {
            subscribers.sender_copies.shrink_to_fit();
            // Moved, and not only shrunk: a list that grew among passing things would keep their
            // pages.
            subscribers.members = subscribers.members.to_vec();
        }
        self.subscribers.shrink_to_fit();
    }

    /// The client that has this slot.
    pub fn member(&self, slot: MemberSlot, encoding: Encoding) -> Option<ClientId> {
        let subscribers = self.subscribers.iter().find(|known| known.encoding == encoding)?;
        subscribers.members.get(slot.index as usize).map(|member| member.client)
    }

    fn subscribers(&mut self, encoding: Encoding) -> &mut Subscribers {
        self.subscribers
            .iter_mut()
            .find(|subscribers| subscribers.encoding == encoding)
            .expect("a member's encoding has subscribers")
    }

    /// Asserts the invariant of [`Subscribers`].
    pub fn assert_invariants(&self) {
        for subscribers in &self.subscribers {
            assert!(!subscribers.members.is_empty());
            for member in &subscribers.members {
                assert!(member.from as usize <= subscribers.batch.len());
                let mut at = member.from;
                let copies = subscribers.sender_copies.iter();
                for copy in copies.filter(|copy| copy.sender == member.client) {
                    assert!(copy.start >= at && copy.end >= copy.start);
                    at = copy.end;
                }
            }
        }
    }
}

impl Subscribers {
    fn new(encoding: Encoding) -> Subscribers {
        let (members, batch, sender_copies) = (Vec::new(), Vec::new(), Vec::new());
        Subscribers { encoding, members, batch, last: 0, sender_copies }
    }

    fn store_copy(&mut self, copy: SenderCopy<'_>, start: u32, end: u32) {
        if let Some(last) = self.sender_copies.last_mut()
            && last.sender == copy.sender
            && last.end == start
        {
            last.end = end;
            last.bytes.extend_from_slice(copy.bytes);
            return;
        }
        let bytes = copy.bytes.to_vec();
        self.sender_copies.push(StoredCopy { sender: copy.sender, start, end, bytes });
    }

    fn freeze(
        &mut self,
        account: &MemoryAccount,
        give: &mut impl FnMut(ClientId, Share<'_>, usize),
    ) {
        let batch = account.share(mem::take(&mut self.batch));
        self.last = 0;
        self.sender_copies.sort_unstable_by_key(|copy| (copy.sender, copy.start));
        let copies = &self.sender_copies[..];
        let members = self.members.len();
        for member in &mut self.members {
            let from = mem::take(&mut member.from) as usize;
            let first = copies.partition_point(|copy| copy.sender < member.client);
            let copies = copies[first..].iter().take_while(|copy| copy.sender == member.client);
            // All its parts together decide: the first that it shares holds the batch for the others.
            let own = copies.clone().map(|copy| (copy.end - copy.start) as usize).sum::<usize>();
            let is_small = (batch.len() - from - own) * SHARED_PART_MIN < batch.len();
            pieces(from, batch.len(), copies, |piece| {
                let share = match piece {
                    Piece::Shared(range) if range == (0..batch.len()) => {
                        Share::Batch(batch.clone())
                    }
                    Piece::Shared(range) if is_small => Share::Copy(&batch[range]),
                    Piece::Shared(range) => Share::Batch(batch.slice(range)),
                    Piece::Copy(bytes) => Share::Copy(bytes),
                };
                give(member.client, share, members);
            });
        }
        self.sender_copies.clear();
        self.sender_copies.shrink_to(16);
    }
}

/// Cuts `from..to` of a batch into what is shared and what one sender gets in its place. `copies`
/// are in ascending order.
fn pieces<'a>(
    from: usize,
    to: usize,
    copies: impl Iterator<Item = &'a StoredCopy>,
    mut give: impl FnMut(Piece<'a>),
) {
    let mut at = from;
    for copy in copies {
        let start = copy.start as usize;
        debug_assert!(start >= at, "catching up drops the stretches that were handed over");
        if at < start {
            give(Piece::Shared(at..start));
        }
        if !copy.bytes.is_empty() {
            give(Piece::Copy(&copy.bytes));
        }
        at = copy.end as usize;
    }
    if at < to {
        give(Piece::Shared(at..to));
    }
}

/// Batches stay far below 4 GiB: a channel over the high-water mark takes no further messages this
/// turn.
fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a batch is smaller than 4 GiB")
}
