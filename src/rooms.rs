//! Rooms: who is in them, and what was said there that has not been handed out yet.
//!
//! A message is encoded once per [`Format`] in use in its room, straight into that format's batch. At the end of the turn, or
//! of one of the next few, the batch is frozen and every member is handed a reference to the same bytes. A member that joins in mid-turn
//! remembers how far the batch had grown, so it gets only what was said after it came.

use std::num::NonZeroU32;

use bytes::Bytes;

use crate::client::ClientId;
use crate::clock::Millis;
use crate::encode::{Compressor, Encoder, Format};

/// A room's key. It stays valid until the room is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId(NonZeroU32);

impl RoomId {
    /// The room with this key in the slab. One is added, so that an id that may be missing takes no more space.
    pub(crate) fn new(key: usize) -> RoomId {
        let key = u32::try_from(key + 1).ok().and_then(NonZeroU32::new);
        RoomId(key.expect("rooms are far fewer than 2^32"))
    }

    pub(crate) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// Where a message came from, when its speaker is to see something else than everybody does.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    pub speaker: ClientId,
    /// What the speaker gets instead of the shared message, encoded for its wire; empty for nothing at all.
    pub instead: &'a [u8],
}

/// One member's place among the members of its format.
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

/// The members that share a format, and this turn's messages in it.
///
/// Invariant: it has members; every `from` is at most `batch.len()`; the stretches of one speaker neither touch nor
/// overlap, and begin at its `from` or later.
#[derive(Debug)]
struct Audience {
    format: Format,
    members: Vec<Member>,
    batch: Vec<u8>,
    own: Vec<Own>,
}

/// A room: its members by format.
#[derive(Debug, Default)]
pub struct Room {
    audiences: Vec<Audience>,
    /// Members over the high-water mark that still drain; while there are any, publishers wait if they say more than people
    /// type.
    pub(crate) congested_members: u32,
    /// When all that was said would have been said if nobody had talked faster than people type.
    pub(crate) spoken_until: Millis,
    /// Already on the list of rooms that spoke this turn.
    pub(crate) spoke: bool,
}

/// A client's seat in a room: where to find it without searching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    pub room: RoomId,
    index: u32,
}

impl Room {
    /// Members of every format together.
    pub fn members(&self) -> usize {
        self.audiences.iter().map(|audience| audience.members.len()).sum()
    }

    /// The members, in an order that stays for as long as nobody comes or goes.
    pub fn clients(&self) -> impl Iterator<Item = ClientId> {
        self.audiences.iter().flat_map(|audience| audience.members.iter().map(|member| member.client))
    }

    /// The largest of this turn's batches, in bytes.
    pub fn batch_bytes(&self) -> usize {
        self.audiences.iter().map(|audience| audience.batch.len()).max().unwrap_or(0)
    }

    /// Seats a client; it will get what is published from now on.
    pub fn join(&mut self, id: RoomId, client: ClientId, format: Format) -> Seat {
        let audience = match self.audiences.iter().position(|audience| audience.format == format) {
            Some(at) => &mut self.audiences[at],
            None => {
                self.audiences.push(Audience { format, members: Vec::new(), batch: Vec::new(), own: Vec::new() });
                self.audiences.last_mut().expect("just pushed")
            }
        };
        // What it said before it came is no matter of its share.
        audience.own.retain(|own| own.speaker != client);
        let index = offset(audience.members.len());
        audience.members.push(Member { client, from: offset(audience.batch.len()) });
        Seat { room: id, index }
    }

    /// Takes a client out. Returns the member that was moved into its place and so has this seat now.
    pub fn leave(&mut self, seat: Seat, format: Format) -> Option<ClientId> {
        let audience = self.audience(format);
        audience.members.swap_remove(seat.index as usize);
        let moved = audience.members.get(seat.index as usize).map(|member| member.client);
        if audience.members.is_empty() {
            self.audiences.retain(|audience| audience.format != format);
        }
        moved
    }

    /// Adds to the batch of every format in use. `encode` appends one whole message in the format that it is given, or
    /// nothing. Returns the length of the message in the format in which it is longest.
    pub fn publish(
        &mut self,
        compressor: &mut Compressor,
        origin: Option<(Origin, Format)>,
        mut encode: impl FnMut(&mut Encoder),
    ) -> usize {
        let mut longest = 0;
        for audience in &mut self.audiences {
            let start = offset(audience.batch.len());
            encode(&mut Encoder::new(audience.format, &mut audience.batch, compressor));
            let end = offset(audience.batch.len());
            longest = longest.max((end - start) as usize);
            match origin {
                Some((origin, format)) if format == audience.format && start < end => {
                    audience.set_apart(origin, start, end)
                }
                _ => {}
            }
        }
        longest
    }

    /// What a member has not been handed yet of this turn's batch, as copies; afterwards it has been handed it.
    pub fn catch_up(&mut self, seat: Seat, format: Format, mut give: impl FnMut(&[u8])) {
        let audience = self.audience(format);
        let member = &mut audience.members[seat.index as usize];
        if member.from as usize == audience.batch.len() {
            return;
        }
        let client = member.client;
        let from = std::mem::replace(&mut member.from, offset(audience.batch.len()));
        let own = audience.own.iter().filter(|own| own.speaker == client);
        pieces(from as usize, audience.batch.len(), own, |piece| match piece {
            Piece::Shared(start, end) => give(&audience.batch[start..end]),
            Piece::Own(bytes) => give(bytes),
        });
        audience.own.retain(|own| own.speaker != client);
    }

    /// Freezes every batch and hands each member its share of it, with the number of members that were handed the same.
    pub fn hand_out(&mut self, mut give: impl FnMut(ClientId, Handed<'_>)) {
        for audience in &mut self.audiences {
            if audience.batch.is_empty() {
                continue;
            }
            let batch = Bytes::from(std::mem::take(&mut audience.batch));
            audience.own.sort_unstable_by_key(|own| (own.speaker, own.start));
            let own = &audience.own[..];
            let members = audience.members.len();
            for member in &mut audience.members {
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
            audience.own.clear();
            audience.own.shrink_to(16);
        }
    }

    /// Gives up memory that the next burst can have anew.
    pub fn give_back(&mut self) {
        for audience in &mut self.audiences {
            audience.own.shrink_to_fit();
            // Moved, and not only shrunk: a list that grew among passing things would keep their pages.
            audience.members = audience.members.to_vec();
        }
        self.audiences.shrink_to_fit();
    }

    fn audience(&mut self, format: Format) -> &mut Audience {
        self.audiences.iter_mut().find(|audience| audience.format == format).expect("a member's format has an audience")
    }
}

/// What one member is handed at the end of a turn: a shared frame, or bytes of its own.
pub struct Handed<'a> {
    pub frame: Bytes,
    pub own: &'a [u8],
    /// How many members the frame is shared with.
    pub members: usize,
}

impl Audience {
    fn set_apart(&mut self, origin: Origin, start: u32, end: u32) {
        if let Some(last) = self.own.last_mut()
            && last.speaker == origin.speaker
            && last.end == start
        {
            last.end = end;
            last.instead.extend_from_slice(origin.instead);
            return;
        }
        self.own.push(Own { speaker: origin.speaker, start, end, instead: origin.instead.to_vec() });
    }
}

/// Cuts `from..to` of a batch into what is shared and what one speaker gets instead. `own` is in ascending order.
fn pieces<'a>(from: usize, to: usize, own: impl Iterator<Item = &'a Own>, mut give: impl FnMut(Piece<'a>)) {
    let mut at = from;
    for own in own {
        debug_assert!(own.start as usize >= at, "catching up forgets the stretches that were handed over");
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

/// Batches stay far below 4 GiB: a room over the high-water mark takes no further messages this turn.
fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a batch is smaller than 4 GiB")
}

#[cfg(test)]
mod tests;
