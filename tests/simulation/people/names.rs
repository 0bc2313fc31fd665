//! Names, and those that nobody else can have.

use std::collections::BTreeSet;

use super::model::{Done, Model, RESERVED_MAX, RESERVED_MS, Reserved, User, look, same};
use super::told::Told;

impl Model {
    pub fn name_refused(&self, name: &str, user: u64) -> Option<&'static [&'static str]> {
        let taken = self.all().any(|(id, other)| id != user && look(&other.name) == look(name));
        (taken || self.is_reserved(name, user)).then_some(&["name_taken"])
    }

    /// Whether a name is reserved for somebody else.
    pub fn is_reserved(&self, name: &str, user: u64) -> bool {
        let keeper = self.name_keeper(user);
        let holds = |one: &Reserved| one.account != keeper && self.unix_ms < one.until_ms;
        let mut all = self.kept.reserved.iter();
        all.any(|one| holds(one) && look(&one.name) == look(name))
    }

    /// For whom the names of an account are reserved: those of a bot are its owner's.
    pub fn name_keeper(&self, user: u64) -> u64 {
        self.owner_of_bot(user).unwrap_or(user)
    }

    pub fn nick(&mut self, n: usize, name: &str) -> Done {
        let user = self.clients[&n].user;
        if let Some(codes) = self.name_refused(name, user) {
            return Err(codes);
        }
        let from = self.user(user).name.clone();
        if from != name {
            if self.user(user).rooms.iter().any(|room| self.is_muted(user, *room)) {
                return Err(&["muted"]);
            }
            self.rename(n, user, name);
            if self.is_account(user) {
                self.reserve(&from, name, user);
            }
        }
        let told = Told::RenamedYou { from, to: name.to_owned() };
        self.tell_all_of(n, &told);
        Ok(())
    }

    pub fn rename(&mut self, n: usize, user: u64, name: &str) {
        let User { name: from, rooms } = self.user(user).clone();
        // People are told once, however many rooms they share.
        let mut people = BTreeSet::new();
        for id in rooms {
            for other in self.audience(n, id, false) {
                if self.clients[&other].is_json || people.insert(other) {
                    let room = self.kept.rooms[&id].name.clone();
                    let (from, to) = (from.clone(), name.to_owned());
                    self.tell(other, Told::Renamed { room, from, to });
                }
            }
        }
        self.user_mut(user).name = name.to_owned();
        self.rename_token(user, name);
    }

    /// An account had the first name and has the second.
    pub fn reserve(&mut self, before: &str, name: &str, user: u64) {
        let account = self.name_keeper(user);
        let reserved = &mut self.kept.reserved;
        if !same(before, name) {
            let until_ms = self.unix_ms + RESERVED_MS;
            reserved.retain(|one| look(&one.name) != look(before));
            reserved.push(Reserved { name: before.to_owned(), account, until_ms });
        }
        reserved.retain(|one| !same(&one.name, name));
        self.release_most(account);
    }

    /// Of the names that are reserved for an account, the newest stay.
    pub fn release_most(&mut self, account: u64) {
        let reserved = &mut self.kept.reserved;
        let mut own: Vec<Reserved> =
            reserved.iter().filter(|one| one.account == account).cloned().collect();
        own.sort_by_key(|one| (one.until_ms, one.name.to_lowercase()));
        for one in &own[..own.len().saturating_sub(RESERVED_MAX)] {
            reserved.retain(|other| other.name != one.name);
        }
    }
}
