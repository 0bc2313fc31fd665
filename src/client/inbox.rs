//! Bytes that have arrived and are not a whole message yet.

/// The unread remainder of a client's input.
///
/// Invariant: holds no memory while it is empty. Its size is bounded by its caller: one message of the largest
/// size plus one read.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
}

impl Inbox {
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Appends what arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Drops the first `count` bytes, which have been understood.
    pub fn consume(&mut self, count: usize) {
        if count == self.bytes.len() {
            self.clear();
        } else if count > 0 {
            self.bytes.drain(..count);
            // A burst must not leave its memory behind with the half line that followed it.
            if self.bytes.capacity() > 4096 && self.bytes.len() < self.bytes.capacity() / 4 {
                self.bytes.shrink_to_fit();
            }
        }
    }

    /// Drops all but the first `count` bytes.
    pub fn truncate(&mut self, count: usize) {
        self.bytes.truncate(count);
        if count == 0 {
            self.clear();
        }
    }

    pub fn clear(&mut self) {
        self.bytes = Vec::new();
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
        assert!(inbox.bytes.capacity() < 4096, "{}", inbox.bytes.capacity());
        inbox.consume(10);
        assert!(inbox.is_empty());
        assert_eq!(inbox.bytes.capacity(), 0);
    }
}
