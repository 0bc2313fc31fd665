//! What the chat knows: users, rooms, who is in which, and what was said.
//!
//! It is a deterministic state machine: the same records in the same order give equal states, on
//! any machine. It knows no connections, channels or clocks, and draws no random numbers. Hash
//! tables are for look-ups only: nothing depends on their order.

pub mod history;
pub mod rooms;
mod slots;
#[cfg(test)]
mod tests;
pub mod users;

use crate::chat::ids::{RoomId, UserId};
use crate::chat::record::{Event, Kept, Presence, Record};
use crate::chat::state::rooms::{Room, RoomLimits, Rooms};
use crate::chat::state::users::{User, Users};

/// See the module's documentation.
///
/// Invariant: a user is among a room's members exactly if the room is among the user's.
#[derive(Debug)]
pub struct State {
    users: Users,
    rooms: Rooms,
    /// How many numbers guests have been given.
    guests: u64,
}

/// Equal if the same records from now on would be told in the same way.
impl PartialEq for State {
    fn eq(&self, other: &State) -> bool {
        self.guests == other.guests
            && self.users == other.users
            && self.rooms == other.rooms
            && self.users.iter().all(|user| self.rooms_of(user.id).eq(other.rooms_of(user.id)))
            && self.rooms.iter().all(|room| {
                let ids = |state: &State| state.members(room.id).map(|user| user.id).collect();
                let (here, there): (Vec<UserId>, Vec<UserId>) = (ids(self), ids(other));
                here == there
            })
    }
}

impl State {
    pub fn new(limits: RoomLimits) -> State {
        State { users: Users::default(), rooms: Rooms::new(limits), guests: 0 }
    }

    pub fn users(&self) -> &Users {
        &self.users
    }

    pub fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    pub fn guests(&self) -> u64 {
        self.guests
    }

    /// Sets address space aside, so that growing does not copy everybody in the middle of a turn.
    pub fn reserve_users(&mut self, expected: usize) {
        self.users.reserve(expected);
    }

    /// Gives up memory that the next burst can have anew.
    pub fn trim(&mut self) {
        self.rooms.trim();
    }

    pub fn is_member(&self, user: UserId, room: RoomId) -> bool {
        let slot = self.rooms.slot(room);
        slot.is_some_and(|slot| self.users.memberships(user).any(|held| held.room == slot))
    }

    /// The rooms that a user is in, in an order that stays for as long as it neither joins nor
    /// leaves one; the one joined last is the last.
    pub fn rooms_of(&self, user: UserId) -> impl ExactSizeIterator<Item = RoomId> {
        self.users.memberships(user).map(|held| self.rooms.id(held.room))
    }

    /// The members of a room, in an order that stays for as long as nobody joins or leaves.
    pub fn members(&self, room: RoomId) -> impl Iterator<Item = &User> {
        let slots = self.rooms.get(room).map_or(&[][..], Room::members);
        slots.iter().filter_map(|&slot| self.users.at(slot))
    }

    /// Changes the state by what happened. What cannot have happened changes nothing.
    pub fn apply(&mut self, record: Record) {
        let Record { by, event, .. } = record;
        match event {
            Event::Kept(kept) => self.apply_kept(kept),
            Event::Presence(presence) => self.apply_presence(by, presence),
        }
    }

    fn apply_kept(&mut self, kept: Kept) {
        match kept {
            Kept::Opened { room, name } => self.rooms.open(room, name),
            Kept::Closed { room } => self.rooms.close(room),
            Kept::TopicSet { room, topic } => self.rooms.set_topic(room, topic),
            Kept::Said { room, id, message } => self.rooms.say(room, id, message),
            Kept::HistoryCut { room, messages_kept } => self.rooms.cut(room, messages_kept),
            Kept::Direct { .. } => {}
        }
    }

    fn apply_presence(&mut self, by: UserId, presence: Presence) {
        match presence {
            Presence::Connected { name, guests } => {
                self.users.add(by, name);
                self.guests = self.guests.max(guests);
            }
            Presence::Disconnected => {
                while let Some(room) = self.rooms_of(by).last() {
                    self.leave(by, room);
                }
                self.users.remove(by);
            }
            Presence::Joined { room } => self.join(by, room),
            Presence::Left { room, .. } => self.leave(by, room),
            Presence::Renamed { name } => self.users.rename(by, name),
        }
    }

    fn join(&mut self, user: UserId, room: RoomId) {
        let Some(slot) = self.users.slot(user).filter(|_| !self.is_member(user, room)) else {
            return;
        };
        if let Some(held) = self.rooms.enter(room, slot) {
            self.users.add_membership(user, held);
        }
    }

    fn leave(&mut self, user: UserId, room: RoomId) {
        let Some(slot) = self.rooms.slot(room) else { return };
        let Some(held) = self.users.remove_membership(user, slot) else { return };
        if let Some(moved) = self.rooms.leave(room, held) {
            self.users.move_membership(moved, held);
        }
    }

    /// What has to happen next now that something happened in a room: one without members and
    /// messages closes; if all histories together are over their limit, deserted rooms close first,
    /// and then the room that grows forgets the older half of what was said there.
    pub fn consequence(&self, room: RoomId) -> Option<Kept> {
        let here = self.rooms.get(room)?;
        if here.members().is_empty() && here.history.is_empty() {
            return Some(Kept::Closed { room });
        }
        if !self.rooms.is_over_bytes() {
            return None;
        }
        match self.rooms.most_vacant() {
            Some(room) => Some(Kept::Closed { room }),
            None if here.history.is_empty() => None,
            None => Some(Kept::HistoryCut { room, messages_kept: here.history.len() / 2 }),
        }
    }
}
