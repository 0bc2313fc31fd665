//! Who is here, and by what name.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::name::Name;
use crate::client::ClientId;
use crate::rooms::RoomId;
use crate::throttle::TokenBucket;

/// Somebody with a name.
#[derive(Debug)]
pub struct Person {
    pub name: Name,
    serial: u32,
    pub bucket: TokenBucket,
    /// The room that it talks in.
    pub current: Option<RoomId>,
    /// It has been told that nobody hears it there.
    pub told_alone: bool,
}

/// Everybody, by client and by name.
///
/// Invariant: `by_key` holds the index of everybody, under the key of its name.
#[derive(Debug, Default)]
pub struct People {
    people: Vec<Option<Person>>,
    by_key: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl People {
    /// Sets address space aside, so that growing does not copy everybody in the middle of a turn.
    pub fn make_room(&mut self, expected: usize) {
        self.people.reserve_exact(expected.saturating_sub(self.people.len()));
    }

    pub fn get(&self, id: ClientId) -> Option<&Person> {
        self.people.get(id.index())?.as_ref().filter(|person| person.serial == id.serial)
    }

    pub fn get_mut(&mut self, id: ClientId) -> Option<&mut Person> {
        self.people.get_mut(id.index())?.as_mut().filter(|person| person.serial == id.serial)
    }

    /// The one whose name has this key.
    pub fn find(&self, key: &str) -> Option<ClientId> {
        let index = *self.by_key.find(self.hasher.hash_one(key), |&index| self.key(index) == Some(key))?;
        self.people[index as usize].as_ref().map(|person| ClientId { key: index, serial: person.serial })
    }

    /// Adds somebody whose name is free.
    pub fn add(&mut self, id: ClientId, name: Name) {
        if self.people.len() <= id.index() {
            self.people.resize_with(id.index() + 1, || None);
        }
        let person =
            Person { name, serial: id.serial, bucket: TokenBucket::default(), current: None, told_alone: false };
        self.people[id.index()] = Some(person);
        self.index(id);
    }

    pub fn remove(&mut self, id: ClientId) {
        self.unindex(id);
        self.people[id.index()] = None;
    }

    /// Gives somebody a name that is free, or its own in another spelling.
    pub fn rename(&mut self, id: ClientId, name: Name) {
        self.unindex(id);
        if let Some(person) = self.get_mut(id) {
            person.name = name;
        }
        self.index(id);
    }

    pub fn count(&self) -> usize {
        self.by_key.len()
    }

    fn key(&self, index: u32) -> Option<&str> {
        self.people[index as usize].as_ref().map(|person| person.name.key())
    }

    fn index(&mut self, id: ClientId) {
        let People { people, by_key, hasher } = self;
        let hash = |index: &u32| {
            let person = people[*index as usize].as_ref();
            hasher.hash_one(person.expect("only people who are here are indexed").name.key())
        };
        by_key.insert_unique(hash(&id.key), id.key, hash);
    }

    fn unindex(&mut self, id: ClientId) {
        let Some(key) = self.key(id.key) else { return };
        let hash = self.hasher.hash_one(key);
        if let Ok(entry) = self.by_key.find_entry(hash, |&index| index == id.key) {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests;
