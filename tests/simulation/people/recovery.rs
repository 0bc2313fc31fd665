//! What is on the disk, held to what the model had.

use std::collections::BTreeMap;
use std::mem;

use chat_server::chat::state::accounts::SecretHash;
use chat_server::store::order::{StoredBan, StoredMute, StoredTarget};
use chat_server::store::{
    StoredGuestToken, StoredPeople, StoredRecord, StoredRoomName, StoredSettings,
};

use super::bans::{Ban, Target};
use super::model::{Client, Kept, Model, OnDisk, Past, Said};
use super::positions::Reading;
use super::request::LEVELS;
use super::resuming::{self, TokenOnDisk};
use super::rights::{Record, Settings};
use super::term::Term;
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
        let rules = || kept.rooms.iter().filter_map(|(id, room)| Some((*id, room.rules.as_ref()?)));
        let is_kept = |user: &u64| kept.users.contains_key(user);
        let is_of_use = |room: &u64| kept.rooms.contains_key(room) && !is_of_no_use(kept, *room);
        let mutes = kept.mutes.iter();
        let mutes = mutes.filter(|((room, user), _)| is_of_use(room) && is_kept(user));
        let mutes = mutes.map(|((room, user), term)| ((*room, name(user)), term.clone()));
        let bans = kept.bans.iter().map(|(target, ban)| {
            let target = match target {
                Target::Account(user) => name(user),
                Target::Address(ip) if ip.is_ipv4() => format!("{ip}/32"),
                Target::Address(ip) => format!("{ip}/64"),
            };
            (target, ban.clone())
        });
        let ignores =
            kept.ignores.iter().filter(|(own, _)| is_kept(own)).filter_map(|(own, other)| {
                let is_ended = kept.ended.contains(other);
                (is_ended || is_kept(other)).then(|| (name(own), (!is_ended).then(|| name(other))))
            });
        let readings = kept.readings.iter();
        let levels = readings
            .filter_map(|((user, room), reading)| Some((*room, name(user), reading.level?)));
        let settings = rules().map(|(id, rules)| (id, rules.settings));
        let records = rules().flat_map(|(room, rules)| {
            let of_accounts =
                rules.records.iter().filter(|(user, _)| kept.users.contains_key(user));
            of_accounts.map(move |(user, record)| ((room, name(user)), *record))
        });
        let invitations = kept.invitations.iter().map(|(id, one)| {
            let until_ms = Some(one.until_ms);
            let (hash, uses) = (SecretHash::of(&one.code), Some(one.uses));
            let resets = one.resets.as_ref().map(name);
            (*id, (hash, name(&one.by), uses, until_ms, one.rooms.clone(), resets))
        });
        OnDisk {
            accounts: kept
                .accounts
                .iter()
                .map(|(user, account)| {
                    let password = match account.owner {
                        Some(_) => String::new(),
                        None => format!("hash of {}", account.password),
                    };
                    (name(user), (password, account.role, account.owner.as_ref().map(name)))
                })
                .collect(),
            keys: keys.collect(),
            rooms: rooms
                .filter(|(id, _)| !is_of_no_use(kept, **id))
                .map(|(id, room)| (*id, room.name.clone()))
                .collect(),
            next_room: kept.next_kept_room,
            settings: settings.collect(),
            records: records.collect(),
            hooks: kept
                .hooks
                .iter()
                .map(|hook| {
                    let hash = SecretHash::of(&hook.token).0;
                    (hook.room, hook.name.clone(), hash, name(&hook.by))
                })
                .collect(),
            former: kept.former.clone(),
            mutes: mutes.collect(),
            bans: bans.collect(),
            ignores: sorted(ignores),
            levels: levels.collect(),
            members: members.collect(),
            invitations: invitations.collect(),
            reserved: kept.reserved.iter().map(|one| (one.name.clone(), one.until_ms)).collect(),
            next_invitation: kept.next_invitation,
            guests: kept.guests,
            tokens: resuming::on_disk(kept),
            said: kept.said,
            deleted: kept.deleted.clone(),
        }
    }

    /// The server starts with what the disk has: a state that there was, and not before the last of
    /// which anybody has heard. `is_new`: it is another server.
    pub fn recover(&mut self, disk: &Disk, is_new: bool) {
        let people = disk.people();
        let found = read_disk(disk, &people);
        let is_it = |kept: &Kept| {
            self.on_disk(kept) == found && may_have_read(kept, &found_readings(kept, &people))
        };
        let same = self.states.iter().rposition(is_it);
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
        self.said.iter_mut().for_each(|said| said.guest = None);
        for (said, (room, _, message)) in self.said.iter().zip(&disk.log().said) {
            let (id, name, guest) = (message.id, message.author.to_string(), None);
            let text = message.text.to_string();
            let kept = Said { room: *room, id, name, guest, text, ..said.clone() };
            assert_eq!(kept, *said, "what was said");
        }
        // A room in which nothing was said and nobody is, is not there before somebody asks for it,
        // and then it is another one.
        let before = self.kept.clone();
        self.kept.rooms.retain(|id, room| room.is_kept && !is_of_no_use(&before, *id));
        let users = &self.kept.users;
        for rules in self.kept.rooms.values_mut().filter_map(|room| room.rules.as_mut()) {
            rules.records.retain(|user, _| users.contains_key(user));
        }
        let ended = &self.kept.ended;
        self.kept.mutes.retain(|(_, user), _| users.contains_key(user));
        self.kept.ignores.retain(|(own, other)| {
            let is_kept = users.contains_key(other) || ended.contains(other);
            users.contains_key(own) && is_kept
        });
        self.kept.next_room = self.kept.next_kept_room;
        for user in self.kept.users.values_mut() {
            let account = people.accounts.iter().find(|one| *one.name == *user.name);
            let account = account.expect("they are the same").account;
            let own = people.members.iter().filter(|(_, of)| *of == account);
            user.rooms = own.map(|(room, _)| *room).collect();
        }
        self.recover_readings(&people);
        self.recover_guests();
        self.recover_answers(at);
        self.states = vec![self.kept.clone()];
        self.shown = 0;
        self.devices.clear();
        // Who was turned out may still hear that.
        self.past.retain(|_, past| past.last == usize::MAX);
        self.past.values_mut().for_each(|past| past.last = at);
        for (n, client) in mem::take(&mut self.clients) {
            let Client { is_json, expected, .. } = client;
            self.past.insert(n, Past { is_json, expected, last: at, is_superseded: false });
        }
        if is_new {
            self.past.clear();
            self.answers.clear();
            self.broken.clear();
            self.tried.clear();
            self.unknown.clear();
            self.unknown_programs.clear();
            self.asked.clear();
            self.asked_names.clear();
        }
    }
}

impl Model {
    /// What was read in the last moment may be unread again, and nothing else.
    fn recover_readings(&mut self, people: &StoredPeople) {
        let mut found = found_readings(&self.kept, people);
        for (place, reading) in &mut self.kept.readings {
            let kept = found.remove(place);
            let kept = kept.unwrap_or_else(|| panic!("{place:?} is not kept: {reading:?}"));
            assert!(kept.read <= reading.read, "{place:?}: {kept:?} was never so: {reading:?}");
            assert_eq!(kept.level, reading.level, "the level of {place:?}");
            let is_same = kept.read == reading.read;
            assert!(is_same || !self.is_settled, "{kept:?} of {place:?}: {reading:?}");
            *reading = kept;
        }
        assert_eq!(found, BTreeMap::new(), "nobody reads there");
    }
}

/// What was read, as the disk has it, by the accounts of this state.
fn found_readings(kept: &Kept, people: &StoredPeople) -> BTreeMap<(u64, u64), Reading> {
    let user_of = |account: u64| {
        let account = people.accounts.iter().find(|one| one.account == account)?;
        let mut users = kept.users.iter();
        users.find(|(_, user)| *user.name == *account.name).map(|(id, _)| *id)
    };
    let readings = people.readings.iter().filter_map(|one| {
        let level = one.level.map(|level| LEVELS[usize::from(level)]);
        Some(((user_of(one.account)?, one.room), Reading { read: one.read, level }))
    });
    readings.collect()
}

/// Whether so much can have been read in this state: after it somebody may have gone back.
fn may_have_read(kept: &Kept, found: &BTreeMap<(u64, u64), Reading>) -> bool {
    let is_fine = |(place, reading): (&(u64, u64), &Reading)| {
        found.get(place).is_none_or(|found| found.read <= reading.read)
    };
    kept.readings.iter().all(is_fine)
}

fn read_disk(disk: &Disk, people: &StoredPeople) -> OnDisk {
    let names: BTreeMap<u64, &str> =
        people.accounts.iter().map(|account| (account.account, &*account.name)).collect();
    let name = |account: u64| names[&account].to_owned();
    let (order, log) = (disk.order(), disk.log());
    let keys = people.keys.iter();
    let invitations = people.invitations.iter();
    let levels = people
        .readings
        .iter()
        .filter_map(|one| Some((one.room, name(one.account), LEVELS[usize::from(one.level?)])));
    OnDisk {
        accounts: people
            .accounts
            .iter()
            .map(|account| {
                let password = account.password.as_deref().unwrap_or_default().to_owned();
                (account.name.to_string(), (password, account.role, account.owner.map(name)))
            })
            .collect(),
        keys: keys.map(|key| (name(key.account), key.key, key.hash, key.is_token)).collect(),
        next_room: disk.next_room(),
        settings: people.rules.rooms.iter().map(settings).collect(),
        records: people.rules.records.iter().map(|one| record(one, name(one.account))).collect(),
        hooks: people
            .rules
            .hooks
            .iter()
            .map(|hook| (hook.room, hook.name.to_string(), hook.hash, name(hook.account)))
            .collect(),
        former: people.rules.names.iter().map(former).collect(),
        mutes: order.mutes.iter().map(|one| mute(one, name(one.account))).collect(),
        bans: order.bans.iter().map(|one| ban(one, name)).collect(),
        ignores: sorted(order.ignores.iter().map(|one| {
            (name(one.account), names.get(&one.ignored).map(|name| (*name).to_owned()))
        })),
        levels: levels.collect(),
        rooms: disk
            .room_names()
            .iter()
            .filter(|(id, _)| {
                log.said.iter().any(|(room, ..)| room == *id)
                    || people.members.iter().any(|(room, _)| room == *id)
                    || people.rules.rooms.iter().any(|one| one.room == **id)
            })
            .map(|(id, name)| (*id, name_of(name)))
            .collect(),
        members: people.members.iter().map(|(room, account)| (*room, name(*account))).collect(),
        invitations: invitations
            .map(|one| {
                let (hash, rooms) = (SecretHash(one.hash), one.rooms.clone());
                let (by, resets) = (name(one.by), one.resets.map(name));
                (one.invitation, (hash, by, one.uses, one.until_ms, rooms, resets))
            })
            .collect(),
        reserved: people.reserved.iter().map(|one| (one.name.to_string(), one.until_ms)).collect(),
        next_invitation: people.next_invitation,
        guests: disk.guests(),
        tokens: people.guests.iter().map(token).collect(),
        said: log.said.len(),
        deleted: log.tombstones,
    }
}

/// Those that have left have no names: they are counted.
fn sorted<T: Ord>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = all.collect();
    all.sort();
    all
}

fn settings(stored: &StoredSettings) -> (u64, Settings) {
    let StoredSettings { room, entry, is_listed, newcomers_see, posting, invites, is_archived } =
        *stored;
    let settings = [entry, newcomers_see, posting, invites, is_listed.into(), is_archived.into()];
    (room, settings.map(usize::from))
}

fn record(stored: &StoredRecord, name: String) -> ((u64, String), Record) {
    let StoredRecord { room, role, may_return, has_asked, sees_from, removed_until, .. } = *stored;
    ((room, name), Record { role, may_return, has_asked, sees_from, removed_until })
}

fn former(stored: &StoredRoomName) -> (String, (u64, u64)) {
    (stored.name.to_string(), (stored.room, stored.until_ms))
}

fn token(stored: &StoredGuestToken) -> ([u8; 32], TokenOnDisk) {
    (stored.hash, (stored.before, stored.name.to_string(), stored.until_ms))
}

fn term(until_ms: Option<u64>, reason: &str) -> Term {
    Term { until_ms, reason: (!reason.is_empty()).then(|| reason.to_owned()) }
}

fn mute(stored: &StoredMute, name: String) -> ((u64, String), Term) {
    ((stored.room, name), term(stored.until_ms, &stored.reason))
}

fn ban(stored: &StoredBan, name: impl Fn(u64) -> String) -> (String, Ban) {
    let StoredBan { target, by, reason, since_ms, until_ms } = stored;
    let target = match target {
        StoredTarget::Account(account) => name(*account),
        StoredTarget::Network(network) => network.to_string(),
    };
    (target, Ban { by: by.to_string(), since_ms: *since_ms, term: term(*until_ms, reason) })
}

/// Conversations have no names.
fn name_of(stored: &str) -> String {
    if stored.starts_with('@') { "@".to_owned() } else { stored.to_owned() }
}

/// Whether nobody who is kept is in a room, and nothing was said there.
fn is_of_no_use(kept: &Kept, id: u64) -> bool {
    let room = &kept.rooms[&id];
    let is_deserted = kept.users.values().all(|user| !user.rooms.contains(&id));
    is_deserted && room.first_id == room.next_id && room.rules.is_none()
}
