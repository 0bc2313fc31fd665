//! Names that rooms have had: for a while they lead to the room, and nobody else can have them.

use std::collections::BTreeMap;

use super::Rooms;
use crate::chat::ids::RoomId;
use crate::chat::name::{Index, NameForms, RoomName};

/// A name that a room has had.
#[derive(Clone, Debug)]
pub struct FormerName {
    pub name: RoomName,
    pub room: RoomId,
    pub until_ms: u64,
}

/// Invariant: `by_name` has the number of every name. No two names look alike, unless they are of
/// one room.
#[derive(Debug, Default)]
pub struct FormerNames {
    /// By numbers that mean nothing else.
    names: BTreeMap<u32, FormerName>,
    by_name: Index,
}

/// Equal if the same names lead to the same rooms.
impl PartialEq for FormerNames {
    fn eq(&self, other: &FormerNames) -> bool {
        let has = |one: &FormerName| {
            let found = other.find(one.name.key());
            found.is_some_and(|it| (it.room, it.until_ms) == (one.room, one.until_ms))
        };
        self.names.len() == other.names.len() && self.names.values().all(has)
    }
}

impl FormerNames {
    pub fn iter(&self) -> impl Iterator<Item = &FormerName> {
        self.names.values()
    }

    pub fn find(&self, key: &str) -> Option<&FormerName> {
        self.names.get(&self.by_name.find(key, |number| self.name_of(number))?)
    }

    /// A name that this one could be taken for, but not one of this room.
    pub fn find_alike(&self, name: &RoomName, except: Option<RoomId>) -> Option<&FormerName> {
        self.names
            .values()
            .find(|one| Some(one.room) != except && one.name.is_confusable_with(name))
    }

    fn name_of(&self, number: u32) -> Option<&RoomName> {
        self.names.get(&number).map(|one| &one.name)
    }

    pub(super) fn insert(&mut self, former: FormerName) {
        self.remove(former.name.key());
        let number = self.names.last_key_value().map_or(0, |(number, _)| number + 1);
        self.by_name.insert(number, &former.name);
        self.names.insert(number, former);
    }

    pub(super) fn remove(&mut self, key: &str) {
        let number = self.by_name.find(key, |number| self.name_of(number));
        if let Some(former) = number.and_then(|number| self.names.remove(&number)) {
            self.by_name.remove(number.unwrap_or_default(), &former.name);
        }
    }

    pub(super) fn remove_room(&mut self, room: RoomId) {
        let of_room = self.names.values().filter(|one| one.room == room);
        let keys: Vec<Box<str>> = of_room.map(|one| one.name.key().into()).collect();
        keys.iter().for_each(|key| self.remove(key));
    }
}

impl Rooms {
    /// A store has kept this.
    pub(in crate::chat::state) fn lead_on(&mut self, former: FormerName) {
        self.former.insert(former);
    }

    /// A name leads nowhere any more.
    pub(in crate::chat::state) fn release(&mut self, key: &str) {
        self.former.remove(key);
    }
}
