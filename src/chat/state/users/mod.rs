//! Who is here, and by what name.

use std::collections::BTreeMap;
use std::slice;

use crate::chat::ids::UserId;
use crate::chat::name::{Index, Name};
use crate::chat::state::rooms::RoomSlot;
use crate::chat::state::slots::{Identified, Slots};

/// Where a user is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserSlot(u32);

impl UserSlot {
    #[cfg(test)]
    pub(in crate::chat) fn new(slot: u32) -> UserSlot {
        UserSlot(slot)
    }

    /// A small number, for tables beside the state. It is another's once the user has gone.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A place among the members of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Membership {
    pub room: RoomSlot,
    pub index: u32,
}

/// Somebody with a name. There is one for every idle client: it should stay small.
#[derive(Debug)]
pub struct User {
    pub id: UserId,
    pub name: Name,
    /// Most users are in one room only; those of others have the rest in `Users::further`.
    first: Option<Membership>,
}

impl Identified for User {
    type Id = UserId;

    fn id(&self) -> UserId {
        self.id
    }
}

/// Everybody, by id and by name.
///
/// Invariant: `by_name` holds the slot of everybody; only users that are in several rooms have
/// further memberships, and never an empty list of them.
#[derive(Debug)]
pub struct Users {
    users: Slots<User>,
    further: BTreeMap<UserId, Vec<Membership>>,
    by_name: Index,
    next_id: UserId,
}

impl Default for Users {
    fn default() -> Users {
        Users {
            users: Slots::default(),
            further: BTreeMap::new(),
            by_name: Index::default(),
            next_id: UserId::FIRST,
        }
    }
}

/// Equal if everybody is the same and shown the same; where they are kept does not matter, and
/// where they are members is compared by room.
impl PartialEq for Users {
    fn eq(&self, other: &Users) -> bool {
        let is_same = |user: &User| {
            other.get(user.id).is_some_and(|other| other.name.as_str() == user.name.as_str())
        };
        self.next_id == other.next_id
            && self.count() == other.count()
            && self.users.iter().all(is_same)
    }
}

impl Users {
    /// The id of the user who comes next.
    pub fn next_id(&self) -> UserId {
        self.next_id
    }

    pub fn get(&self, id: UserId) -> Option<&User> {
        self.users.get(id)
    }

    /// The one whose name has this key.
    pub fn find(&self, key: &str) -> Option<&User> {
        self.by_name.find(key, |slot| self.name(slot)).and_then(|slot| self.users.at(slot))
    }

    /// Somebody, but not `except`, whose name looks like this one.
    pub fn find_alike(&self, name: &Name, except: Option<UserId>) -> Option<&User> {
        let except = except.and_then(|id| self.users.slot(id));
        let slot = self.by_name.find_alike(name, except, |slot| self.name(slot))?;
        self.users.at(slot)
    }

    pub fn slot(&self, id: UserId) -> Option<UserSlot> {
        self.users.slot(id).map(UserSlot)
    }

    pub(super) fn at(&self, slot: UserSlot) -> Option<&User> {
        self.users.at(slot.0)
    }

    /// Everybody, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = &User> {
        self.users.iter()
    }

    pub fn count(&self) -> usize {
        self.users.len()
    }

    pub(super) fn reserve(&mut self, expected: usize) {
        self.users.reserve(expected);
    }

    /// Adds somebody whose name is free.
    pub(super) fn add(&mut self, id: UserId, name: Name) {
        if id < self.next_id {
            return;
        }
        self.next_id = id.next();
        let Users { users, by_name, .. } = self;
        let slot = users.insert(User { id, name, first: None });
        if let Some(user) = users.at(slot) {
            by_name.insert(slot, &user.name);
        }
    }

    pub(super) fn remove(&mut self, id: UserId) {
        if let Some((slot, user)) = self.users.remove(id) {
            self.by_name.remove(slot, &user.name);
        }
    }

    /// The one who comes next has at least this id.
    pub(super) fn continue_from(&mut self, next_id: u64) {
        self.next_id = UserId::new(next_id).map_or(self.next_id, |next| next.max(self.next_id));
    }

    /// Adds a guest that another process has had, and who keeps its id.
    pub(super) fn restore(&mut self, id: UserId, name: Name) {
        let next_id = std::mem::replace(&mut self.next_id, id);
        if self.get(id).is_none() {
            self.add(id, name);
        }
        self.next_id = next_id.max(id.next());
    }

    /// Those who are in several rooms.
    pub(super) fn in_several(&self) -> impl Iterator<Item = UserId> {
        self.further.keys().copied()
    }

    /// Puts the places of a user in rooms into an order.
    pub(super) fn sort_memberships(&mut self, id: UserId, rank: impl Fn(RoomSlot) -> usize) {
        let mut all: Vec<Membership> = self.memberships(id).copied().collect();
        all.sort_by_key(|held| rank(held.room));
        let mut all = all.into_iter();
        if let Some(user) = self.users.get_mut(id) {
            user.first = all.next();
        }
        if let Some(further) = self.further.get_mut(&id) {
            *further = all.collect();
        }
    }

    /// Gives somebody a name that is free, or its own in another spelling.
    pub(super) fn rename(&mut self, id: UserId, name: Name) {
        let Users { users, by_name, .. } = self;
        let Some(slot) = users.slot(id) else { return };
        let Some(user) = users.get_mut(id) else { return };
        by_name.remove(slot, &user.name);
        by_name.insert(slot, &name);
        user.name = name;
    }

    pub(super) fn memberships(&self, id: UserId) -> impl ExactSizeIterator<Item = &Membership> {
        let first = self.get(id).and_then(|user| user.first.as_ref());
        Memberships { first, further: self.further(id).iter() }
    }

    /// Whether somebody is in this room. Asked for each message, and mostly it is the only one.
    #[inline]
    pub(super) fn is_member(&self, id: UserId, room: RoomSlot) -> bool {
        let first = self.get(id).and_then(|user| user.first);
        first.is_some_and(|held| held.room == room)
            || self.further(id).iter().any(|held| held.room == room)
    }

    fn further(&self, id: UserId) -> &[Membership] {
        match self.further.is_empty() {
            true => &[],
            false => self.further.get(&id).map_or(&[][..], Vec::as_slice),
        }
    }

    pub(super) fn add_membership(&mut self, id: UserId, held: Membership) {
        let Some(user) = self.users.get_mut(id) else { return };
        match user.first {
            None => user.first = Some(held),
            Some(_) => {
                let further = self.further.entry(id).or_default();
                // Accounts stay for long, and join seldom: no place is taken ahead.
                further.reserve_exact(1);
                further.push(held);
            }
        }
    }

    /// Takes out a user's place in a room; the room joined last takes its turn.
    pub(super) fn remove_membership(&mut self, id: UserId, room: RoomSlot) -> Option<Membership> {
        let user = self.users.get_mut(id)?;
        let Some(further) = self.further.get_mut(&id) else {
            return user.first.take_if(|held| held.room == room);
        };
        let removed = match user.first.filter(|held| held.room == room) {
            Some(first) => {
                user.first = further.pop();
                first
            }
            None => {
                let at = further.iter().position(|held| held.room == room)?;
                further.swap_remove(at)
            }
        };
        if further.is_empty() {
            self.further.remove(&id);
        }
        Some(removed)
    }

    /// A user has another place among the members of a room.
    pub(super) fn move_membership(&mut self, slot: UserSlot, to: Membership) {
        let Some(user) = self.users.at_mut(slot.0) else { return };
        let further = self.further.get_mut(&user.id).into_iter().flatten();
        let mut all = user.first.iter_mut().chain(further);
        if let Some(held) = all.find(|held| held.room == to.room) {
            *held = to;
        }
    }

    fn name(&self, slot: u32) -> Option<&Name> {
        self.users.at(slot).map(|user| &user.name)
    }
}

/// A user's places in rooms.
struct Memberships<'a> {
    first: Option<&'a Membership>,
    further: slice::Iter<'a, Membership>,
}

impl<'a> Iterator for Memberships<'a> {
    type Item = &'a Membership;

    fn next(&mut self) -> Option<&'a Membership> {
        self.first.take().or_else(|| self.further.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = usize::from(self.first.is_some()) + self.further.len();
        (count, Some(count))
    }
}

impl ExactSizeIterator for Memberships<'_> {}

#[cfg(test)]
mod tests;
