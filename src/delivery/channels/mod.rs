//! Rooms: who is in them, and what was said there that has not been handed out yet.
//!
//! A message is encoded once per [`Encoding`] in use in its channel, straight into that encoding's
//! batch. At the end of the turn, or of one of the next few, the batch is frozen and every member
//! is handed a reference to the same bytes. A member that joins in mid-turn remembers how far the
//! batch had grown, so it gets only what was said after it came.

use std::num::NonZeroU32;

use bytes::Bytes;

use crate::clock::Millis;
use crate::delivery::encoding::{Compressor, Encoder, Encoding};
use crate::ids::ClientId;

/// A channel's key. It stays valid until the channel is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

/// Where a message came from, when its speaker is to see something else than everybody does.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    pub speaker: ClientId,
    /// What the speaker gets instead of the shared message, encoded for its wire; empty for nothing
    /// at all.
    pub instead: &'a [u8],
}

/// One member's place among the members of its encoding.
#[derive(Clone, Copy, Debug)]
struct Member {
    client: ClientId,
    /// What the batch held before this member came (or was handed it early): it gets the rest.
    from: u32,
}

/// A stretch of the batch that its speaker does not get.
#[derive(Debug)]
struct Own {
    speaker: ClientId,
    start: u32,
    end: u32,
    instead: Vec<u8>,
}

/// A part of a batch on its way to one member.
enum Piece<'a> {
    /// The bytes of the batch from the first offset to the second.
    Shared(usize, usize),
    /// Bytes for this member alone.
    Own(&'a [u8]),
}

/// The members that share a encoding, and this turn's messages in it.
///
/// Invariant: it has members; every `from` is at most `batch.len()`; the stretches of one speaker
/// neither touch nor overlap, and begin at its `from` or later.
#[derive(Debug)]
struct Subscribers {
    encoding: Encoding,
    members: Vec<Member>,
    batch: Vec<u8>,
    own: Vec<Own>,
}

/// A channel: its members by encoding.
#[derive(Debug, Default)]
pub struct Channel {
    subscribers: Vec<Subscribers>,
    /// Members over the high-water mark that still drain; while there are any, publishers wait if
    /// they say more than people type.
    pub(crate) congested_members: u32,
    /// When all that was said would have been said if nobody had talked faster than people type.
    pub(crate) paced_until: Millis,
    /// Already on the list of channels that spoke this turn.
    pub(crate) spoke: bool,
}

/// A client's slot in a channel: where to find it without searching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberSlot {
    pub channel: ChannelId,
    index: u32,
}

impl Channel {
    /// Members of every encoding together.
    pub fn members(&self) -> usize {
        self.subscribers.iter().map(|subscribers| subscribers.members.len()).sum()
    }

    /// The members, in an order that stays for as long as nobody comes or goes.
    pub fn clients(&self) -> impl Iterator<Item = ClientId> {
        self.subscribers
            .iter()
            .flat_map(|subscribers| subscribers.members.iter().map(|member| member.client))
    }

    /// The largest of this turn's batches, in bytes.
    pub fn batch_bytes(&self) -> usize {
        self.subscribers.iter().map(|subscribers| subscribers.batch.len()).max().unwrap_or(0)
    }

    /// Seats a client; it will get what is published from now on.
    pub fn join(&mut self, id: ChannelId, client: ClientId, encoding: Encoding) -> MemberSlot {
        let subscribers = match self
            .subscribers
            .iter()
            .position(|subscribers| subscribers.encoding == encoding)
        {
            Some(at) => &mut self.subscribers[at],
            None => {
                self.subscribers.push(Subscribers {
                    encoding,
                    members: Vec::new(),
                    batch: Vec::new(),
                    own: Vec::new(),
                });
                self.subscribers.last_mut().expect("just pushed")
            }
        };
        // What it said before it came is no matter of its share.
        subscribers.own.retain(|own| own.speaker != client);
        let index = offset(subscribers.members.len());
        subscribers.members.push(Member { client, from: offset(subscribers.batch.len()) });
        MemberSlot { channel: id, index }
    }

    /// Takes a client out. Returns the member that was moved into its place and so has this slot
    /// now.
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
    /// encoding that it is given, or nothing. Returns the length of the message in the encoding in
    /// which it is longest.
    pub fn publish(
        &mut self,
        compressor: &mut Compressor,
        origin: Option<(Origin, Encoding)>,
        mut encode: impl FnMut(&mut Encoder),
    ) -> usize {
        let mut longest = 0;
        for subscribers in &mut self.subscribers {
            let start = offset(subscribers.batch.len());
            encode(&mut Encoder::new(subscribers.encoding, &mut subscribers.batch, compressor));
            let end = offset(subscribers.batch.len());
            longest = longest.max((end - start) as usize);
            match origin {
                Some((origin, encoding)) if encoding == subscribers.encoding && start < end => {
                    subscribers.set_apart(origin, start, end)
                }
                _ => {}
            }
        }
        longest
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
        let from = std::mem::replace(&mut member.from, offset(subscribers.batch.len()));
        let own = subscribers.own.iter().filter(|own| own.speaker == client);
        pieces(from as usize, subscribers.batch.len(), own, |piece| match piece {
            Piece::Shared(start, end) => give(&subscribers.batch[start..end]),
            Piece::Own(bytes) => give(bytes),
        });
        subscribers.own.retain(|own| own.speaker != client);
    }

    /// Freezes every batch and hands each member its share of it, with the number of members that
    /// were handed the same.
    pub fn freeze_batches(&mut self, mut give: impl FnMut(ClientId, Handed<'_>)) {
        for subscribers in &mut self.subscribers {
            if subscribers.batch.is_empty() {
                continue;
            }
            let batch = Bytes::from(std::mem::take(&mut subscribers.batch));
            subscribers.own.sort_unstable_by_key(|own| (own.speaker, own.start));
            let own = &subscribers.own[..];
            let members = subscribers.members.len();
            for member in &mut subscribers.members {
                let from = std::mem::take(&mut member.from) as usize;
                let first = own.partition_point(|own| own.speaker < member.client);
                let own = own[first..].iter().take_while(|own| own.speaker == member.client);
                pieces(from, batch.len(), own, |piece| {
                    let (frame, own) = match piece {
                        Piece::Shared(0, end) if end == batch.len() => (batch.clone(), &[][..]),
                        Piece::Shared(start, end) => (batch.slice(start..end), &[][..]),
                        Piece::Own(bytes) => (Bytes::new(), bytes),
                    };
                    give(member.client, Handed { frame, own, members });
                });
            }
            subscribers.own.clear();
            subscribers.own.shrink_to(16);
        }
    }

    /// Gives up memory that the next burst can have anew.
    pub fn trim(&mut self) {
        for subscribers in &mut self.subscribers {
            subscribers.own.shrink_to_fit();
            // Moved, and not only shrunk: a list that grew among passing things would keep their
            // pages.
            subscribers.members = subscribers.members.to_vec();
        }
        self.subscribers.shrink_to_fit();
    }

    fn subscribers(&mut self, encoding: Encoding) -> &mut Subscribers {
        self.subscribers
            .iter_mut()
            .find(|subscribers| subscribers.encoding == encoding)
            .expect("a member's encoding has an subscribers")
    }
}

/// What one member is handed at the end of a turn: a shared frame, or bytes of its own.
pub struct Handed<'a> {
    pub frame: Bytes,
    pub own: &'a [u8],
    /// How many members the frame is shared with.
    pub members: usize,
}

impl Subscribers {
    fn set_apart(&mut self, origin: Origin, start: u32, end: u32) {
        if let Some(last) = self.own.last_mut()
            && last.speaker == origin.speaker
            && last.end == start
        {
            last.end = end;
            last.instead.extend_from_slice(origin.instead);
            return;
        }
        self.own.push(Own {
            speaker: origin.speaker,
            start,
            end,
            instead: origin.instead.to_vec(),
        });
    }
}

/// Cuts `from..to` of a batch into what is shared and what one speaker gets instead. `own` is in
/// ascending order.
fn pieces<'a>(
    from: usize,
    to: usize,
    own: impl Iterator<Item = &'a Own>,
    mut give: impl FnMut(Piece<'a>),
) {
    let mut at = from;
    for own in own {
        debug_assert!(
            own.start as usize >= at,
            "catching up forgets the stretches that were handed over"
        );
        let start = own.start as usize;
        if at < start {
            give(Piece::Shared(at, start));
        }
        if !own.instead.is_empty() {
            give(Piece::Own(&own.instead));
        }
        at = own.end as usize;
    }
    if at < to {
        give(Piece::Shared(at, to));
    }
}

/// Batches stay far below 4 GiB: a channel over the high-water mark takes no further messages this
/// turn.
fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a batch is smaller than 4 GiB")
}

#[cfg(test)]
mod tests;
