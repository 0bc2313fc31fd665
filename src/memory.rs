//! How much memory is held for clients, counted where it is held.
//!
//! Queues know their limits one by one; all of them together have to fit into the machine. So what
//! grows with what clients send or do not read has an [`Entry`] in one [`MemoryAccount`], which
//! follows it as it grows and takes it off the account when it is dropped, wherever that happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;

/// What the allocator and a reference count take beside the bytes themselves.
const SHARED_OVERHEAD_BYTES: usize = 96;

/// The sum of all entries, and of all shared bytes. Clones are the same account.
#[derive(Clone, Debug, Default)]
pub struct MemoryAccount {
    sums: Arc<Sums>,
}

#[derive(Debug, Default)]
struct Sums {
    entries: AtomicUsize,
    shared: AtomicUsize,
}

impl MemoryAccount {
    /// What is held at the moment, in bytes.
    pub fn bytes(&self) -> usize {
        self.entry_bytes() + self.shared_bytes()
    }

    /// The part of it that has one holder.
    pub fn entry_bytes(&self) -> usize {
        self.sums.entries.load(Relaxed)
    }

    /// The part of it that may have several.
    pub fn shared_bytes(&self) -> usize {
        self.sums.shared.load(Relaxed)
    }

    /// An entry of nothing.
    pub fn entry(&self) -> Entry {
        Entry { account: self.clone(), bytes: 0 }
    }

    /// Makes bytes shareable; they count once, until the last reference to any of them is dropped.
    pub fn share(&self, bytes: Vec<u8>) -> Bytes {
        let shared = Shared { account: self.clone(), bytes };
        self.sums.shared.fetch_add(shared.held_bytes(), Relaxed);
        Bytes::from_owner(shared)
    }
}

/// What one holder holds. Counts nothing any more when it is dropped.
#[derive(Debug)]
pub struct Entry {
    account: MemoryAccount,
    bytes: usize,
}

impl Entry {
    /// The holder holds so much now.
    #[inline]
    pub fn set(&mut self, bytes: usize) {
        if bytes > self.bytes {
            self.account.sums.entries.fetch_add(bytes - self.bytes, Relaxed);
        } else if bytes < self.bytes {
            self.account.sums.entries.fetch_sub(self.bytes - bytes, Relaxed);
        }
        self.bytes = bytes;
    }

    /// What it counts for.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// Bytes that count until they are dropped.
struct Shared {
    account: MemoryAccount,
    bytes: Vec<u8>,
}

impl Shared {
    fn held_bytes(&self) -> usize {
        self.bytes.capacity() + SHARED_OVERHEAD_BYTES
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.account.sums.shared.fetch_sub(self.held_bytes(), Relaxed);
    }
}

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_counts_for_as_long_as_it_lives() {
        let account = MemoryAccount::default();
        let (mut one, mut other) = (account.entry(), account.entry());
        one.set(100);
        other.set(20);
        one.set(70);
        assert_eq!((account.bytes(), one.bytes()), (90, 70));
        drop(one);
        assert_eq!(account.bytes(), 20);
        drop(other);
        assert_eq!(account.bytes(), 0);
    }

    #[test]
    fn shared_bytes_count_once_and_until_the_last_slice_is_gone() {
        let account = MemoryAccount::default();
        let mut bytes = Vec::with_capacity(1000);
        bytes.extend_from_slice(b"hello");
        let shared = account.share(bytes);
        let (copy, slice) = (shared.clone(), shared.slice(1..3));
        assert_eq!(account.bytes(), 1000 + SHARED_OVERHEAD_BYTES, "by capacity");
        drop(shared);
        drop(copy);
        assert_eq!(&slice[..], b"el");
        assert_eq!(account.bytes(), 1000 + SHARED_OVERHEAD_BYTES);
        drop(slice);
        assert_eq!(account.bytes(), 0);
    }
}
