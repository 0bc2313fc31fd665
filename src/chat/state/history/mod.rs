//! What was said in a room lately.

use std::collections::VecDeque;
use std::ops::Range;

use crate::chat::ids::UserId;

/// What the allocator needs for each text besides, and the spare places of a queue that grows:
/// short messages took 1.7 times what they counted for.
pub const ALLOCATION_BYTES: usize = 32;

/// What a message counts for beside its texts.
pub const MESSAGE_BYTES: usize = size_of::<Message>() + ALLOCATION_BYTES;

/// How a message was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// `alice: hello`
    Said,
    /// `* alice waves`
    Action,
}

/// One message. Its id is its place in the room's history, so it is not stored.
///
/// Invariant: the first `author_bytes` bytes of `author_and_text` are the author's name as it was
/// shown at the time. One allocation holds both, because a server keeps millions of these. Nobody
/// says nothing: one without a text was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    unix_ms: u64,
    author_and_text: Box<str>,
    author_bytes: u16,
    kind: MessageKind,
    /// The account that said it, with the lowest byte first; 0 for a guest. So it takes the place
    /// that is left over, and holds the ids of 2^40 users: those of 30 years with 1,000 a second.
    account: [u8; ACCOUNT_BYTES],
}

const ACCOUNT_BYTES: usize = 5;

impl Message {
    /// `None` if the author's name has more than 65,535 bytes, many times what a name may have.
    pub fn new(unix_ms: u64, kind: MessageKind, author: &str, text: &str) -> Option<Message> {
        let author_bytes = u16::try_from(author.len()).ok()?;
        let mut both = String::with_capacity(author.len() + text.len());
        both.push_str(author);
        both.push_str(text);
        let author_and_text = both.into_boxed_str();
        let account = [0; ACCOUNT_BYTES];
        Some(Message { unix_ms, author_and_text, author_bytes, kind, account })
    }

    /// What is left of it once it is deleted.
    #[must_use]
    pub fn tombstone(&self) -> Message {
        let account = self.account;
        Message { author_and_text: self.author().into(), kind: MessageKind::Said, account, ..*self }
    }

    /// Whether it was deleted.
    pub fn is_deleted(&self) -> bool {
        self.text().is_empty()
    }

    /// The same, said by this account.
    #[must_use]
    pub fn by(mut self, account: Option<UserId>) -> Message {
        let bytes = account.map_or(0, UserId::get).to_le_bytes();
        if let Some((low, [0, 0, 0])) = bytes.split_first_chunk() {
            self.account = *low;
        }
        self
    }

    /// The account that said it, if its author has one.
    pub fn account(&self) -> Option<UserId> {
        let mut bytes = [0; size_of::<u64>()];
        bytes[..ACCOUNT_BYTES].copy_from_slice(&self.account);
        UserId::new(u64::from_le_bytes(bytes))
    }

    /// When the server took it, in milliseconds since 1970.
    pub fn unix_ms(&self) -> u64 {
        self.unix_ms
    }

    /// Said or done.
    pub fn kind(&self) -> MessageKind {
        self.kind
    }

    /// Who said it, as shown then.
    pub fn author(&self) -> &str {
        &self.author_and_text[..usize::from(self.author_bytes)]
    }

    /// What was said; empty of one that was deleted.
    pub fn text(&self) -> &str {
        &self.author_and_text[usize::from(self.author_bytes)..]
    }

    /// What it counts for against `HistoryLimits::bytes_max`.
    pub fn bytes(&self) -> usize {
        MESSAGE_BYTES + self.author_and_text.len()
    }
}

/// How much a room remembers. The same for all rooms, so it is given with each push and not stored
/// with each room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryLimits {
    /// Messages; 0 keeps none.
    pub messages_max: usize,
    /// Bytes, as `Message::bytes` counts them.
    pub bytes_max: usize,
}

/// The last messages of a room, oldest first.
///
/// Invariant: ids grow by one from one push to the next, for good: `next_id` never goes back, the
/// messages held are the last ones before it, and `bytes` is the sum of theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    messages: VecDeque<Message>,
    next_id: u64,
    bytes: usize,
}

impl History {
    /// An empty history that gives `next_id` to its first message: 1 in a new room, more in one
    /// that is resumed.
    pub fn new(next_id: u64) -> History {
        History { messages: VecDeque::new(), next_id, bytes: 0 }
    }

    /// Appends `message`, forgets the oldest until both limits hold, and returns the id given. A
    /// message over `bytes_max` on its own is forgotten as well, so that the bound has no
    /// exception; its id is spent.
    pub fn push(&mut self, message: Message, limits: &HistoryLimits) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.bytes += message.bytes();
        self.messages.push_back(message);
        while self.messages.len() > limits.messages_max || self.bytes > limits.bytes_max {
            let Some(oldest) = self.messages.pop_front() else {
                break;
            };
            self.bytes -= oldest.bytes();
        }
        id
    }

    /// Leaves a tombstone of this message, if it is held.
    pub fn delete(&mut self, id: u64) {
        let held = id.checked_sub(self.first_held());
        let place = held.and_then(|place| usize::try_from(place).ok());
        let Some(message) = place.and_then(|place| self.messages.get_mut(place)) else { return };
        let tombstone = message.tombstone();
        self.bytes = self.bytes - message.bytes() + tombstone.bytes();
        *message = tombstone;
    }

    /// Forgets all but the last `count` messages.
    pub fn keep_last(&mut self, count: usize) {
        while self.messages.len() > count {
            let Some(oldest) = self.messages.pop_front() else { break };
            self.bytes -= oldest.bytes();
        }
    }

    /// The id that the next message will get.
    pub fn next_id(&self) -> u64 {
        self.next_id
    }

    /// The id of the oldest message held. A client that saw up to `id` missed some for good if this
    /// is over `id + 1`.
    pub fn first_id(&self) -> Option<u64> {
        (!self.is_empty()).then(|| self.first_held())
    }

    /// The same, or the id of the next message if none is held.
    pub fn first_held(&self) -> u64 {
        self.ids().start
    }

    /// The message with this id, if it is held.
    pub fn get(&self, id: u64) -> Option<&Message> {
        self.between(id..id.saturating_add(1)).next().map(|(_, message)| message)
    }

    /// How many messages are held.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// What the messages held count for against `HistoryLimits::bytes_max`.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Every message held that came after `id`, oldest first.
    pub fn after(
        &self,
        id: u64,
    ) -> impl DoubleEndedIterator<Item = (u64, &Message)> + ExactSizeIterator {
        self.between(id.saturating_add(1)..self.next_id)
    }

    /// The last `limit` messages held that came before `id`, oldest first.
    pub fn before(
        &self,
        id: u64,
        limit: usize,
    ) -> impl DoubleEndedIterator<Item = (u64, &Message)> + ExactSizeIterator {
        let end = id.min(self.next_id);
        self.between(end.saturating_sub(limit as u64)..end)
    }

    /// The last `limit` messages held, oldest first.
    pub fn last(
        &self,
        limit: usize,
    ) -> impl DoubleEndedIterator<Item = (u64, &Message)> + ExactSizeIterator {
        self.before(self.next_id, limit)
    }

    /// The ids of what is held.
    fn ids(&self) -> Range<u64> {
        self.next_id - self.messages.len() as u64..self.next_id
    }

    /// What is held of `wanted`. Found by arithmetic, so that a page costs what is on it.
    fn between(
        &self,
        wanted: Range<u64>,
    ) -> impl DoubleEndedIterator<Item = (u64, &Message)> + ExactSizeIterator {
        let held = self.ids();
        let start = wanted.start.clamp(held.start, held.end);
        let end = wanted.end.clamp(start, held.end);
        let places = (start - held.start) as usize..(end - held.start) as usize;
        self.messages
            .range(places)
            .enumerate()
            .map(move |(offset, message)| (start + offset as u64, message))
    }
}

#[cfg(test)]
mod tests;
