//! How much memory is held for clients, counted where it is held.
//!
//! Queues know their limits one by one; all of them together have to fit into the machine. So what
//! grows with what clients send or do not read has an [`Entry`] in one [`MemoryAccount`], which
//! follows it as it grows and takes it off the account when it is dropped, wherever that happens.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
    /// The account that the shared bytes count in as well. They change together.
    whole: Option<Mutex<MemoryAccount>>,
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
        let held_bytes = shared.held_bytes();
        let whole = self.whole();
        self.sums.shared.fetch_add(held_bytes, Relaxed);
        if let Some(whole) = whole {
            whole.sums.shared.fetch_add(held_bytes, Relaxed);
        }
        Bytes::from_owner(shared)
    }

    /// An account whose shared bytes count in this one as well.
    pub fn part(&self) -> MemoryAccount {
        let whole = Some(Mutex::new(self.clone()));
        MemoryAccount { sums: Arc::new(Sums { whole, ..Sums::default() }) }
    }

    /// Has the shared bytes of a part count in another account from now on.
    pub fn move_to(&self, other: &MemoryAccount) {
        let Some(mut whole) = self.whole() else { return };
        let bytes = self.shared_bytes();
        whole.sums.shared.fetch_sub(bytes, Relaxed);
        other.sums.shared.fetch_add(bytes, Relaxed);
        *whole = other.clone();
    }

    /// The account that this one is a part of. While it is borrowed, no shared bytes come or go.
    fn whole(&self) -> Option<MutexGuard<'_, MemoryAccount>> {
        let whole = self.sums.whole.as_ref()?;
        Some(whole.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What one holder holds. Counts nothing any more when it is dropped. The default one counts in no
/// account that anybody looks at.
#[derive(Debug, Default)]
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
        let whole = self.account.whole();
        self.account.sums.shared.fetch_sub(self.held_bytes(), Relaxed);
        if let Some(whole) = whole {
            whole.sums.shared.fetch_sub(self.held_bytes(), Relaxed);
        }
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
    fn a_part_counts_where_it_belongs_at_the_moment() {
        let (held, free) = (MemoryAccount::default(), MemoryAccount::default());
        let (one, other) = (held.part(), held.part());
        let bytes = [one.share(vec![0; 100]), one.share(vec![0; 50]), other.share(vec![0; 7])];
        let [first, second, third] = bytes;
        assert_eq!(held.bytes(), 157 + 3 * SHARED_OVERHEAD_BYTES);
        drop(second);
        assert_eq!((held.bytes(), free.bytes()), (107 + 2 * SHARED_OVERHEAD_BYTES, 0));
        one.move_to(&free);
        let (of_other, of_one) = (7 + SHARED_OVERHEAD_BYTES, 100 + SHARED_OVERHEAD_BYTES);
        assert_eq!((held.bytes(), free.bytes()), (of_other, of_one));
        let late = one.share(vec![0; 9]);
        drop((first, third));
        assert_eq!((held.bytes(), free.bytes()), (0, 9 + SHARED_OVERHEAD_BYTES));
        drop(late);
        assert_eq!((held.bytes(), free.bytes()), (0, 0));
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
