//! What is on the disk, held to what the model had.

use std::collections::BTreeMap;
use std::mem;

use chat_server::chat::state::accounts::SecretHash;
use chat_server::store::StoredPeople;

use super::model::{Client, Kept, Model, OnDisk, Past, Said};
use crate::disk::Disk;

impl Model {
    pub fn on_disk(&self, kept: &Kept) -> OnDisk {
        let name = |user: &u64| kept.users[user].name.clone();
        let keys = kept.accounts.iter().flat_map(|(user, account)| {
            let keys = account.keys.iter();
            keys.map(|key| (name(user), key.id, SecretHash::of(&key.secret).0, key.is_token))
        });
        let members = kept.users.values();
        let members =
            members.flat_map(|user| user.rooms.iter().map(|room| (*room, user.name.clone())));
        let rooms = kept.rooms.iter().filter(|(_, room)| room.is_kept);
        let invitations = kept.invitations.iter().map(|(id, one)| {
            let until_ms = Some(one.until_ms);
            (*id, (SecretHash::of(&one.code), name(&one.by), Some(one.uses), until_ms))
        });
        OnDisk {
            accounts: kept
                .accounts
                .iter()
                .map(|(user, account)| {
                    (name(user), (format!("hash of {}", account.password), account.role))
                })
                .collect(),
            keys: keys.collect(),
            rooms: rooms.map(|(id, room)| (*id, room.name.clone())).collect(),
            next_room: kept.next_kept_room,
            members: members.collect(),
            invitations: invitations.collect(),
            reserved: kept.reserved.iter().map(|one| (one.name.clone(), one.until_ms)).collect(),
            next_invitation: kept.next_invitation,
            guests: kept.guests,
            said: kept.said,
        }
    }

    /// The server starts with what the disk has: a state that there was, and not before the last of
    /// which anybody has heard. `is_new`: it is another server.
    pub fn recover(&mut self, disk: &Disk, is_new: bool) {
        let people = disk.people();
        let found = read_disk(disk, &people);
        let same = self.states.iter().rposition(|kept| self.on_disk(kept) == found);
        let Some(at) = same else {
            let last = self.states.last().expect("there is one");
            panic!("what is kept never was so: {found:#?}\nand not {:#?}", self.on_disk(last));
        };
        assert!(
            self.shown <= at,
            "what somebody was told is lost: {:#?}\nwas {:#?}",
            found,
            self.on_disk(&self.states[self.shown])
        );
        self.kept = self.states.swap_remove(at);
        self.said.truncate(self.kept.said);
        for (said, (room, _, message)) in self.said.iter().zip(&disk.log().said) {
            let (id, name, text) =
                (message.id, message.author.to_string(), message.text.to_string());
            assert_eq!(Said { room: *room, id, name, text }, *said, "what was said");
        }
        self.kept.rooms.retain(|_, room| room.is_kept);
        self.kept.next_room = self.kept.next_kept_room;
        for user in self.kept.users.values_mut() {
            let account = people.accounts.iter().find(|one| *one.name == *user.name);
            let account = account.expect("they are the same").account;
            let own = people.members.iter().filter(|(_, of)| *of == account);
            user.rooms = own.map(|(room, _)| *room).collect();
        }
        self.states = vec![self.kept.clone()];
        self.shown = 0;
        self.guests.clear();
        self.devices.clear();
        self.past.clear();
        for (n, client) in mem::take(&mut self.clients) {
            let Client { is_json, expected, .. } = client;
            self.past.insert(n, Past { is_json, expected, last: at });
        }
        if is_new {
            self.past.clear();
            self.tried.clear();
            self.asked.clear();
            self.asked_names.clear();
        }
    }
}

fn read_disk(disk: &Disk, people: &StoredPeople) -> OnDisk {
    let names: BTreeMap<u64, &str> =
        people.accounts.iter().map(|account| (account.account, &*account.name)).collect();
    let name = |account: u64| names[&account].to_owned();
    let keys = people.keys.iter();
    let invitations = people.invitations.iter();
    OnDisk {
        accounts: people
            .accounts
            .iter()
            .map(|account| {
                let password = account.password.as_deref().unwrap_or_default().to_owned();
                (account.name.to_string(), (password, account.role))
            })
            .collect(),
        keys: keys.map(|key| (name(key.account), key.key, key.hash, key.is_token)).collect(),
        next_room: disk.next_room(),
        rooms: disk.room_names().iter().map(|(id, name)| (*id, name.to_string())).collect(),
        members: people.members.iter().map(|(room, account)| (*room, name(*account))).collect(),
        invitations: invitations
            .map(|one| {
                (one.invitation, (SecretHash(one.hash), name(one.by), one.uses, one.until_ms))
            })
            .collect(),
        reserved: people.reserved.iter().map(|one| (one.name.to_string(), one.until_ms)).collect(),
        next_invitation: people.next_invitation,
        guests: disk.guests(),
        said: disk.log().said.len(),
    }
}
