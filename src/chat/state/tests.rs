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
                let mut former: Vec<String> = former.map(|one| one.name.to_string()).collect();
                former.sort();
                (room.name.to_string(), room.rules().cloned(), former)
            })
            .collect();
        all.sort_by(|one, other| one.0.cmp(&other.0));
        all
    }

    /// The same, of what outlives connections.
    pub(in crate::chat) fn kept_rules(&self) -> Vec<(String, String, Vec<String>)> {
        let of_room = |(name, rules, former): (String, Option<RoomRules>, Vec<String>)| {
            let rules = rules?;
            let records = rules.records().filter(|(user, _)| self.accounts.contains(*user));
            let kept = format!("{:?} {:?}", rules.settings, records.collect::<Vec<_>>());
            Some((name, kept, former))
        };
        self.rules_of_all().into_iter().filter_map(of_room).collect()
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
