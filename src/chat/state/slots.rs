//! What has an id, found by it.

use std::cell::Cell;
use std::fmt;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// What knows its id.
pub trait Identified {
    type Id: Copy + Eq + std::hash::Hash;

    fn id(&self) -> Self::Id;
}

/// Things by id, and by the small number of the slot that each is in: a table of such numbers costs
/// a third of one of ids. Slots are reused and never leave the state.
///
/// Invariant: `by_id` holds the slot of everything.
pub struct Slots<T> {
    slots: slab::Slab<T>,
    by_id: HashTable<u32>,
    /// The slot that was found last: one message looks the same room up several times in a row.
    found: Cell<u32>,
    hasher: DefaultHashBuilder,
}

impl<T: fmt::Debug> fmt::Debug for Slots<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.slots).finish()
    }
}

impl<T> Default for Slots<T> {
    fn default() -> Slots<T> {
        let (by_id, hasher) = (HashTable::new(), DefaultHashBuilder::default());
        Slots { slots: slab::Slab::new(), by_id, found: Cell::new(0), hasher }
    }
}

impl<T: Identified> Slots<T> {
    pub fn reserve(&mut self, expected: usize) {
        self.slots.reserve_exact(expected.saturating_sub(self.slots.len()));
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    #[inline]
    pub fn slot(&self, id: T::Id) -> Option<u32> {
        let found = self.found.get();
        let is_found = self.at(found).is_some_and(|item| item.id() == id);
        if is_found { Some(found) } else { self.look_up(id) }
    }

    fn look_up(&self, id: T::Id) -> Option<u32> {
        // Each message asks whether its author has an account, and there may be none.
        if self.slots.is_empty() {
            return None;
        }
        let is_it = |slot: &u32| self.at(*slot).is_some_and(|item| item.id() == id);
        let slot = self.by_id.find(self.hasher.hash_one(id), is_it).copied()?;
        self.found.set(slot);
        Some(slot)
    }

    pub fn at(&self, slot: u32) -> Option<&T> {
        self.slots.get(slot as usize)
    }

    pub fn at_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.slots.get_mut(slot as usize)
    }

    #[inline]
    pub fn get(&self, id: T::Id) -> Option<&T> {
        let found = self.at(self.found.get()).filter(|item| item.id() == id);
        found.or_else(|| self.at(self.look_up(id)?))
    }

    pub fn get_mut(&mut self, id: T::Id) -> Option<&mut T> {
        self.at_mut(self.slot(id)?)
    }

    /// Adds what is not there yet; returns its slot.
    pub fn insert(&mut self, item: T) -> u32 {
        let hash = self.hasher.hash_one(item.id());
        let slot = u32::try_from(self.slots.insert(item));
        let slot = slot.expect("users and rooms that fit into memory are fewer than 2^32");
        let Slots { slots, by_id, hasher, .. } = self;
        by_id.insert_unique(hash, slot, |&slot| hasher.hash_one(slots[slot as usize].id()));
        slot
    }

    /// Takes one out, with the slot that it was in.
    pub fn remove(&mut self, id: T::Id) -> Option<(u32, T)> {
        let Slots { slots, by_id, hasher, .. } = self;
        let is_it = |slot: &u32| slots.get(*slot as usize).is_some_and(|item| item.id() == id);
        let (slot, _) = by_id.find_entry(hasher.hash_one(id), is_it).ok()?.remove();
        Some((slot, slots.remove(slot as usize)))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().map(|(_, item)| item)
    }

    /// All of them, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.slots.iter().map(|(_, item)| item)
    }
}
