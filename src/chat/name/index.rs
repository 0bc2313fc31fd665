//! Who has which name, and who has one that could be taken for it.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::confusable::{Skeletons, skeleton_of};

/// The forms of a name.
pub trait NameForms {
    /// As it is shown.
    fn as_str(&self) -> &str;

    /// As it is compared.
    fn key(&self) -> &str;

    fn skeletons(&self) -> Skeletons {
        Skeletons::of(self.as_str(), self.key())
    }

    /// Whether people could take one for the other.
    fn is_confusable_with(&self, other: &Self) -> bool {
        let others = other.skeletons();
        self.skeletons().iter().any(|skeleton| others.contains(skeleton))
    }
}

/// One skeleton of a name, and whose it is.
#[derive(Clone, Copy, Debug)]
struct Entry {
    holder: u32,
    /// Of the skeleton; kept, as skeletons take long to make.
    hash: u32,
}

/// Holders by the skeletons of their names. Equal keys have equal skeletons, so a name is found in
/// the same way. The names stay with their holders: `name_of` finds them, and tells names apart
/// that have one hash.
///
/// Invariant: there is an entry for each skeleton of each holder's name.
#[derive(Debug, Default)]
pub struct Index {
    by_skeleton: HashTable<Entry>,
    holders: usize,
    hasher: DefaultHashBuilder,
}

impl Index {
    pub fn count(&self) -> usize {
        self.holders
    }

    /// The holder of the name with this key.
    pub fn find<'a, N: NameForms + 'a>(
        &self,
        key: &str,
        name_of: impl Fn(u32) -> Option<&'a N>,
    ) -> Option<u32> {
        let hash = self.hash(&skeleton_of(key));
        let has_key = |entry: &Entry| {
            entry.hash == hash && name_of(entry.holder).is_some_and(|name| name.key() == key)
        };
        self.by_skeleton.find(spread(hash), has_key).map(|entry| entry.holder)
    }

    /// A holder, but not `except`, whose name looks like this one.
    pub fn find_alike<'a, N: NameForms + 'a>(
        &self,
        name: &N,
        except: Option<u32>,
        name_of: impl Fn(u32) -> Option<&'a N>,
    ) -> Option<u32> {
        name.skeletons().iter().find_map(|skeleton| {
            let hash = self.hash(skeleton);
            let is_alike = |entry: &Entry| {
                let is_other = entry.hash == hash && Some(entry.holder) != except;
                is_other
                    && name_of(entry.holder)
                        .is_some_and(|other| other.skeletons().contains(skeleton))
            };
            self.by_skeleton.find(spread(hash), is_alike).map(|entry| entry.holder)
        })
    }

    pub fn insert(&mut self, holder: u32, name: &impl NameForms) {
        self.holders += 1;
        for skeleton in name.skeletons().iter() {
            let hash = self.hash(skeleton);
            self.by_skeleton
                .insert_unique(spread(hash), Entry { holder, hash }, |entry| spread(entry.hash));
        }
    }

    /// Forgets a name that was inserted.
    pub fn remove(&mut self, holder: u32, name: &impl NameForms) {
        self.holders -= 1;
        for skeleton in name.skeletons().iter() {
            let hash = self.hash(skeleton);
            let is_it = |entry: &Entry| entry.holder == holder && entry.hash == hash;
            if let Ok(entry) = self.by_skeleton.find_entry(spread(hash), is_it) {
                entry.remove();
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "half of a hash is one")]
    fn hash(&self, skeleton: &str) -> u32 {
        self.hasher.hash_one(skeleton) as u32
    }
}

/// A hash table uses the lowest and the highest bits of a hash.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}
