//! Who has which name, and who has one that looks like it.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::look::{Looks, look};

/// What has a name.
pub trait Named {
    /// As it is shown.
    fn as_str(&self) -> &str;

    /// As it is compared.
    fn key(&self) -> &str;

    fn looks(&self) -> Looks {
        Looks::of(self.as_str(), self.key())
    }
}

/// One look of a name, and whose it is.
#[derive(Clone, Copy, Debug)]
struct Entry {
    holder: u32,
    /// Of the look; kept, as looks take long to make.
    hash: u32,
}

/// Holders by how their names look. Equal keys look alike, so a name is found in the same way. The
/// names stay with their holders: `name_of` finds them, and tells names apart that have one hash.
///
/// Invariant: there is an entry for each look of each holder's name.
#[derive(Debug, Default)]
pub struct Index {
    by_look: HashTable<Entry>,
    holders: usize,
    hasher: DefaultHashBuilder,
}

impl Index {
    pub fn count(&self) -> usize {
        self.holders
    }

    /// The holder of the name with this key.
    pub fn find<'a, N: Named + 'a>(
        &self,
        key: &str,
        name_of: impl Fn(u32) -> Option<&'a N>,
    ) -> Option<u32> {
        let hash = self.hash(&look(key));
        let has_key = |entry: &Entry| {
            entry.hash == hash && name_of(entry.holder).is_some_and(|name| name.key() == key)
        };
        self.by_look.find(spread(hash), has_key).map(|entry| entry.holder)
    }

    /// A holder, but not `except`, whose name looks like this one.
    pub fn find_alike<'a, N: Named + 'a>(
        &self,
        name: &N,
        except: Option<u32>,
        name_of: impl Fn(u32) -> Option<&'a N>,
    ) -> Option<u32> {
        name.looks().iter().find_map(|look| {
            let hash = self.hash(look);
            let is_alike = |entry: &Entry| {
                let is_other = entry.hash == hash && Some(entry.holder) != except;
                is_other && name_of(entry.holder).is_some_and(|other| other.looks().contain(look))
            };
            self.by_look.find(spread(hash), is_alike).map(|entry| entry.holder)
        })
    }

    pub fn insert(&mut self, holder: u32, name: &impl Named) {
        self.holders += 1;
        for look in name.looks().iter() {
            let hash = self.hash(look);
            self.by_look
                .insert_unique(spread(hash), Entry { holder, hash }, |entry| spread(entry.hash));
        }
    }

    /// Forgets a name that was inserted.
    pub fn remove(&mut self, holder: u32, name: &impl Named) {
        self.holders -= 1;
        for look in name.looks().iter() {
            let hash = self.hash(look);
            let is_it = |entry: &Entry| entry.holder == holder && entry.hash == hash;
            if let Ok(entry) = self.by_look.find_entry(spread(hash), is_it) {
                entry.remove();
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "half of a hash is one")]
    fn hash(&self, look: &str) -> u32 {
        self.hasher.hash_one(look) as u32
    }
}

/// A table goes by the lowest and the highest bits of a hash.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}
