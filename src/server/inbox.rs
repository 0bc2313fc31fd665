//! What has arrived and has not been served yet.

use std::mem;

use crate::delivery::encoding::FrameKind;
use crate::memory::{Entry, MemoryAccount};

/// A message that is not whole has room for a part of what has come of it, divided by this.
const ROOM_DIVISOR: usize = 8;

/// The unread remainder of a connection's input, after a message that its service could not take.
///
/// Invariant: it holds no memory while there is neither, and is one pointer then. Its size is
/// bounded by its caller: one message, and one message of the largest size plus one read. What it
/// holds counts, by capacity, but for bytes that are taken out: for as long as that lasts, the entry
/// stays as it was.
#[derive(Debug, Default)]
pub struct Inbox {
    held: Option<Box<Held>>,
}

#[derive(Debug)]
struct Held {
    entry: Entry,
    /// Not a whole message yet, or behind the one that waits.
    bytes: Vec<u8>,
    /// A message that its service could not take yet.
    waiting: Option<(FrameKind, Vec<u8>)>,
}

impl Held {
    fn count(&mut self) {
        let waiting = self.waiting.as_ref().map_or(0, |(_, bytes)| bytes.capacity());
        self.entry.set(size_of::<Held>() + self.bytes.capacity() + waiting);
    }
}

impl Inbox {
    /// Whether no bytes are left to be served.
    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    pub fn as_slice(&self) -> &[u8] {
        self.held.as_ref().map_or(&[], |held| &held.bytes)
    }

    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        self.held.as_mut().map_or(&mut [], |held| &mut held.bytes)
    }

    /// What it holds, in bytes of memory.
    pub fn held_bytes(&self) -> usize {
        self.held.as_ref().map_or(0, |held| held.entry.bytes())
    }

    /// Appends what arrived.
    pub fn push(&mut self, bytes: &[u8], account: &MemoryAccount) {
        if !bytes.is_empty() {
            let held = self.held(account);
            // A vector would double: a thousand halves of messages would hold as much again.
            if held.bytes.capacity() - held.bytes.len() < bytes.len() {
                held.bytes.reserve_exact(bytes.len() + held.bytes.len() / ROOM_DIVISOR);
            }
            held.bytes.extend_from_slice(bytes);
            held.count();
        }
    }

    /// Takes the bytes out to be served; the place stays for what is put back.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        self.held.as_mut().map(|held| mem::take(&mut held.bytes)).unwrap_or_default()
    }

    /// Puts bytes back of which the first `count` have been served.
    pub fn put_back(&mut self, mut bytes: Vec<u8>, count: usize, account: &MemoryAccount) {
        bytes.drain(..count);
        // A burst must not leave its memory behind with the half line that followed it.
        if bytes.capacity() > 4096 && bytes.len() < bytes.capacity() / 4 {
            bytes.shrink_to_fit();
        }
        if !bytes.is_empty() {
            self.held(account).bytes = bytes;
        }
        self.free_if_empty();
    }

    /// Drops all but the first `count` bytes.
    pub fn truncate(&mut self, count: usize) {
        if let Some(held) = &mut self.held {
            held.bytes.truncate(count);
        }
        self.free_if_empty();
    }

    /// Keeps a message until its service can take it.
    pub fn hold_message(&mut self, kind: FrameKind, bytes: &[u8], account: &MemoryAccount) {
        let held = self.held(account);
        held.waiting = Some((kind, bytes.to_vec()));
        held.count();
    }

    /// Takes the message out that waits.
    pub fn take_message(&mut self) -> Option<(FrameKind, Vec<u8>)> {
        let message = self.held.as_mut()?.waiting.take();
        self.free_if_empty();
        message
    }

    /// The message that waits, and of which kind it is.
    pub fn waiting(&self) -> Option<(FrameKind, &[u8])> {
        let (kind, bytes) = self.held.as_ref()?.waiting.as_ref()?;
        Some((*kind, bytes))
    }

    /// The message that waits.
    pub fn message(&self) -> Option<&[u8]> {
        self.held.as_ref()?.waiting.as_ref().map(|(_, bytes)| &bytes[..])
    }

    pub fn has_message(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.waiting.is_some())
    }

    pub fn clear(&mut self) {
        self.held = None;
    }

    fn held(&mut self, account: &MemoryAccount) -> &mut Held {
        self.held.get_or_insert_with(|| {
            Box::new(Held { entry: account.entry(), bytes: Vec::new(), waiting: None })
        })
    }

    fn free_if_empty(&mut self) {
        self.held.take_if(|held| held.bytes.is_empty() && held.waiting.is_none());
        if let Some(held) = &mut self.held {
            held.count();
        }
    }

    pub fn assert_invariants(&self) {
        let Some(held) = &self.held else { return };
        let waiting = held.waiting.as_ref().map_or(0, |(_, bytes)| bytes.capacity());
        let bytes = size_of::<Held>() + held.bytes.capacity() + waiting;
        assert_eq!(held.entry.bytes(), bytes, "what an inbox holds counts");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_served_is_gone_and_the_rest_stays_in_order() {
        let (mut inbox, account) = (Inbox::default(), MemoryAccount::default());
        inbox.push(b"abc", &account);
        inbox.push(b"def", &account);
        let bytes = inbox.take_bytes();
        assert!(inbox.is_empty());
        inbox.put_back(bytes, 2, &account);
        assert_eq!(inbox.as_mut_slice(), b"cdef");
        inbox.truncate(3);
        assert_eq!(inbox.as_slice(), b"cde");
    }

    #[test]
    fn a_message_waits_beside_the_bytes() {
        let (mut inbox, account) = (Inbox::default(), MemoryAccount::default());
        inbox.push(b"first\nrest", &account);
        let bytes = inbox.take_bytes();
        inbox.hold_message(FrameKind::Text, b"first", &account);
        inbox.put_back(bytes, 6, &account);
        assert!(inbox.has_message());
        assert_eq!(inbox.take_message(), Some((FrameKind::Text, b"first".to_vec())));
        assert_eq!((inbox.take_message(), inbox.as_slice()), (None, &b"rest"[..]));
    }

    #[test]
    fn an_empty_inbox_owns_no_memory() {
        let (mut inbox, account) = (Inbox::default(), MemoryAccount::default());
        inbox.push(&[7; 100_000], &account);
        let bytes = inbox.take_bytes();
        inbox.put_back(bytes, 99_990, &account);
        assert!(inbox.held.as_ref().is_some_and(|held| held.bytes.capacity() < 4096));
        let bytes = inbox.take_bytes();
        inbox.put_back(bytes, 10, &account);
        assert!(inbox.held.is_none());
        inbox.hold_message(FrameKind::Binary, b"", &account);
        assert!(inbox.held.is_some() && inbox.is_empty());
        assert!(inbox.take_message().is_some() && inbox.held.is_none());
        assert_eq!(account.bytes(), 0);
    }

    #[test]
    fn what_is_held_counts_by_capacity_until_it_is_dropped() {
        let (mut inbox, account) = (Inbox::default(), MemoryAccount::default());
        inbox.push(&[7; 1000], &account);
        inbox.hold_message(FrameKind::Text, &[7; 500], &account);
        inbox.assert_invariants();
        assert!(account.bytes() >= 1500 && account.bytes() == inbox.held_bytes());
        assert!(inbox.take_message().is_some());
        inbox.assert_invariants();
        assert!((1000..1500).contains(&account.bytes()));
        drop(inbox);
        assert_eq!(account.bytes(), 0);
    }
}
