//! Users and rooms together.

use std::mem::size_of;

use super::users::User;
use super::*;
use crate::chat::state::rooms::rules::RoomRules;

impl State {
    /// What holds in each room, and which names have led to it.
    pub(in crate::chat) fn rules_of_all(&self) -> Vec<(String, Option<RoomRules>, Vec<String>)> {
        let mut all: Vec<_> = self
            .rooms
            .iter()
            .map(|room| {
                let former = self.rooms.former().iter().filter(|one| one.room == room.id);
                let former = former.map(|one| one.name.to_string()).collect();
                (room.name.to_string(), room.rules().cloned(), former)
            })
            .collect();
        all.sort_by(|one, other| one.0.cmp(&other.0));
        all
    }

    /// The invariants.
    pub(in crate::chat) fn check(&self) {
        self.users.check();
        self.rooms.check();
        let mut memberships = 0;
        for id in self.rooms.ids() {
            let slot = self.rooms.slot(id).expect("it is there");
            let room = self.rooms.get(id).expect("it is there");
            memberships += room.members().len();
            for (index, &member) in room.members().iter().enumerate() {
                let member = self.users.at(member).expect("members are here").id;
                let mut held = self.users.memberships(member).filter(|held| held.room == slot);
                let held = held.next().map(|held| held.index as usize);
                assert_eq!(held, Some(index), "the place of a member of {}", room.name);
            }
        }
        let of_users = self.users.ids().into_iter().map(|id| self.users.memberships(id).len());
        assert_eq!(of_users.sum::<usize>(), memberships, "no user is in a room that is no more");
    }
}

#[test]
fn a_user_stays_small() {
    assert!(size_of::<User>() <= 40, "{} bytes", size_of::<User>());
    assert_eq!(size_of::<Option<User>>(), size_of::<User>(), "a free slot takes no more");
}
