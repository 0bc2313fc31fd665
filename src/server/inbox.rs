//! Bytes that have arrived and are not a whole message yet.

/// The unread remainder of a client's input.
///
/// Invariant: holds no memory while it is empty, and is one pointer then. Its size is bounded by
/// its caller: one message of the largest size plus one read.
#[derive(Debug, Default)]
pub struct Inbox {
    #[expect(
        clippy::box_collection,
        reason = "nearly all inboxes are empty, and a vector is three words"
    )]
    bytes: Option<Box<Vec<u8>>>,
}

impl Inbox {
    pub fn is_empty(&self) -> bool {
        self.bytes.is_none()
    }

    pub fn len(&self) -> usize {
        self.bytes.as_ref().map_or(0, |bytes| bytes.len())
    }

    pub fn as_slice(&self) -> &[u8] {
        self.bytes.as_deref().map_or(&[], Vec::as_slice)
    }

    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        self.bytes.as_deref_mut().map_or(&mut [], Vec::as_mut_slice)
    }

    /// Appends what arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.bytes.get_or_insert_default().extend_from_slice(bytes);
        }
    }

    /// Drops the first `count` bytes, which have been understood.
    pub fn consume(&mut self, count: usize) {
        let Some(bytes) = &mut self.bytes else { return };
        bytes.drain(..count);
        // A burst must not leave its memory behind with the half line that followed it.
        if bytes.capacity() > 4096 && bytes.len() < bytes.capacity() / 4 {
            bytes.shrink_to_fit();
        }
        self.free_if_empty();
    }

    /// Drops all but the first `count` bytes.
    pub fn truncate(&mut self, count: usize) {
        if let Some(bytes) = &mut self.bytes {
            bytes.truncate(count);
        }
        self.free_if_empty();
    }

    pub fn clear(&mut self) {
        self.bytes = None;
    }

    fn free_if_empty(&mut self) {
        self.bytes.take_if(|bytes| bytes.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_consumed_is_gone_and_the_rest_stays_in_order() {
        let mut inbox = Inbox::default();
        inbox.push(b"abc");
        inbox.push(b"def");
        inbox.consume(2);
        assert_eq!(inbox.as_mut_slice(), b"cdef");
        inbox.consume(0);
        assert_eq!(inbox.as_mut_slice(), b"cdef");
    }

    #[test]
    fn an_empty_inbox_owns_no_memory() {
        let mut inbox = Inbox::default();
        inbox.push(&[7; 100_000]);
        inbox.consume(99_990);
        assert!(inbox.bytes.as_ref().is_some_and(|bytes| bytes.capacity() < 4096));
        inbox.consume(10);
        assert!(inbox.is_empty());
        assert!(inbox.bytes.is_none());
    }
}
