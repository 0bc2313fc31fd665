//! Who is here, and by what name.

use crate::chat::name::{Index, Name};
use crate::delivery::channels::ChannelId as RoomId;
use crate::ids::{ClientId, Peer};
use crate::throttle::TokenBucket;

/// Somebody with a name.
#[derive(Debug)]
pub struct User {
    pub name: Name,
    /// For the log.
    pub peer: Peer,
    serial: u32,
    pub bucket: TokenBucket,
    /// The room that it talks in.
    pub current: Option<RoomId>,
    /// It has been told that nobody hears it there.
    pub alone_notice_sent: bool,
}

/// Everybody, by client and by name.
///
/// Invariant: `by_name` holds the index of everybody.
#[derive(Debug, Default)]
pub struct Users {
    people: Vec<Option<User>>,
    by_name: Index,
}

impl Users {
    /// Sets address space aside, so that growing does not copy everybody in the middle of a turn.
    pub fn make_room(&mut self, expected: usize) {
        self.people.reserve_exact(expected.saturating_sub(self.people.len()));
    }

    pub fn get(&self, id: ClientId) -> Option<&User> {
        self.people.get(id.index())?.as_ref().filter(|person| person.serial == id.serial)
    }

    pub fn get_mut(&mut self, id: ClientId) -> Option<&mut User> {
        self.people.get_mut(id.index())?.as_mut().filter(|person| person.serial == id.serial)
    }

    /// The one whose name has this key.
    pub fn find(&self, key: &str) -> Option<ClientId> {
        self.by_name.find(key, |index| self.name(index)).and_then(|index| self.id(index))
    }

    /// Somebody, but not `except`, whose name looks like this one.
    pub fn find_alike(&self, name: &Name, except: Option<ClientId>) -> Option<&User> {
        let index =
            self.by_name.find_alike(name, except.map(|id| id.key), |index| self.name(index))?;
        self.people[index as usize].as_ref()
    }

    /// Adds somebody whose name is free.
    pub fn add(&mut self, id: ClientId, name: Name, peer: Peer) {
        if self.people.len() <= id.index() {
            self.people.resize_with(id.index() + 1, || None);
        }
        self.by_name.insert(id.key, &name);
        let bucket = TokenBucket::default();
        let person =
            User { name, peer, serial: id.serial, bucket, current: None, alone_notice_sent: false };
        self.people[id.index()] = Some(person);
    }

    pub fn remove(&mut self, id: ClientId) {
        if let Some(person) = self.people[id.index()].take() {
            self.by_name.remove(id.key, &person.name);
        }
    }

    /// Gives somebody a name that is free, or its own in another spelling.
    pub fn rename(&mut self, id: ClientId, name: Name) {
        let Users { people, by_name } = self;
        let Some(person) = people[id.index()].as_mut().filter(|person| person.serial == id.serial)
        else {
            return;
        };
        by_name.remove(id.key, &person.name);
        by_name.insert(id.key, &name);
        person.name = name;
    }

    pub fn count(&self) -> usize {
        self.by_name.count()
    }

    fn id(&self, index: u32) -> Option<ClientId> {
        self.people[index as usize]
            .as_ref()
            .map(|person| ClientId { key: index, serial: person.serial })
    }

    fn name(&self, index: u32) -> Option<&Name> {
        self.people[index as usize].as_ref().map(|person| &person.name)
    }
}

#[cfg(test)]
mod tests;
