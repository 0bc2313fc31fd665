//! What holds in rooms, and what somebody may do there.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::model::{ADDRESS_BURST, Done, Model, OWNER, Room};
use super::request::room::{ROLES, SETTINGS};

/// The places of settings, and what they can be, are those of the request.
pub type Settings = [usize; 6];
pub const ENTRY: usize = 0;
pub const NEWCOMERS_SEE: usize = 1;
pub const POSTING: usize = 2;
pub const INVITES: usize = 3;
pub const LISTED: usize = 4;
pub const ARCHIVED: usize = 5;

pub const ALL: usize = 0;
pub const ACCOUNTS: usize = 1;
pub const ASK: usize = 2;
pub const INVITED: usize = 3;

pub const OPEN: Settings = [ALL, 0, 0, 0, 1, 0];
pub const OF_ACCOUNT: Settings = [ACCOUNTS, 0, 0, 0, 1, 0];

/// Roles in a room.
pub const MODERATOR: u8 = 1;
pub const ROOM_OWNER: u8 = 2;

/// Not before somebody lets them in again.
pub const FOR_GOOD: u64 = i64::MAX as u64;

/// What is known of somebody in a room, also after leaving it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub role: u8,
    pub may_return: bool,
    pub has_asked: bool,
    pub sees_from: u64,
    pub removed_until: Option<u64>,
}

/// What holds in a room that is kept for somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomRules {
    pub settings: Settings,
    pub records: BTreeMap<u64, Record>,
}

impl Model {
    pub fn settings(&self, room: u64) -> Settings {
        self.kept.rooms[&room].rules.as_ref().map_or(OPEN, |rules| rules.settings)
    }

    pub fn record(&self, user: u64, room: u64) -> Record {
        let rules = self.kept.rooms[&room].rules.as_ref();
        rules.and_then(|rules| rules.records.get(&user)).copied().unwrap_or_default()
    }

    /// Changes what is known of somebody in a room, if that is kept for somebody.
    pub fn note(&mut self, user: u64, room: u64, change: impl FnOnce(&mut Record)) {
        let mut record = self.record(user, room);
        change(&mut record);
        let room = self.kept.rooms.get_mut(&room).expect("it is there");
        let Some(rules) = &mut room.rules else { return };
        match record == Record::default() {
            true => rules.records.remove(&user),
            false => rules.records.insert(user, record),
        };
    }

    pub fn is_removed(&self, user: u64, room: u64) -> bool {
        let until = self.record(user, room).removed_until;
        until.is_some_and(|until| until == FOR_GOOD || self.unix_ms < until)
    }

    /// Whether there is such a room for somebody.
    pub fn may_know(&self, user: u64, room: u64) -> bool {
        let may_return = self.record(user, room).may_return && !self.is_removed(user, room);
        self.settings(room)[ENTRY] != INVITED || self.is_in(user, room) || may_return
    }

    /// The first message of a room that somebody may read, if it may read any.
    pub fn reads_from(&self, user: u64, room: u64) -> Option<u64> {
        if let Some((one, other)) = self.kept.rooms[&room].between {
            return (one == user || other == user).then_some(0);
        }
        let (settings, sees_from) = (self.settings(room), self.record(user, room).sees_from);
        let may_enter = match settings[ENTRY] {
            ALL => true,
            ACCOUNTS => self.is_account(user),
            _ => false,
        };
        let is_open = may_enter && settings[NEWCOMERS_SEE] == 0 && !self.is_removed(user, room);
        (self.is_in(user, room) || is_open).then_some(sees_from)
    }

    pub fn role_in(&self, user: u64, room: u64) -> u8 {
        let Room { rules, name, .. } = &self.kept.rooms[&room];
        let is_kept = rules.is_some() || name == "#lobby";
        let is_servers = is_kept && self.owner_of(room).is_none();
        let is_owner = self.kept.accounts.get(&user).is_some_and(|one| one.role == OWNER);
        match is_servers && is_owner && self.settings(room)[ENTRY] != INVITED {
            true => ROOM_OWNER,
            false => self.record(user, room).role,
        }
    }

    /// The room that has this name, or had it.
    pub fn room_named(&self, name: &str) -> Option<u64> {
        let former = || self.kept.former.get(name).filter(|(_, until)| self.unix_ms < *until);
        self.room_called(name).or_else(|| former().map(|(room, _)| *room))
    }

    /// The same, if there is one for somebody.
    pub fn known_room(&self, user: u64, name: &str) -> Option<u64> {
        self.room_named(name).filter(|room| self.may_know(user, *room))
    }

    /// Whether somebody may enter a room that it may know of.
    pub fn check_entry(&self, user: u64, room: u64) -> Done {
        if self.is_removed(user, room) {
            return Err(&["removed"]);
        }
        let is_let_in = self.record(user, room).may_return || self.role_in(user, room) > 0;
        match self.settings(room)[ENTRY] {
            ALL => Ok(()),
            _ if is_let_in => Ok(()),
            INVITED => Err(&["no_such_room"]),
            _ if !self.is_account(user) => Err(&["login_required"]),
            ACCOUNTS => Ok(()),
            _ => Err(&["not_allowed"]),
        }
    }

    /// Whether somebody may let others into a room.
    pub fn may_invite(&self, user: u64, room: u64) -> bool {
        let settings = self.settings(room);
        let members_may = settings[INVITES] == 0 && settings[ENTRY] != ASK;
        let role = self.role_in(user, room);
        role >= MODERATOR || members_may && self.is_in(user, room)
    }

    /// Whether somebody may say something in a room that it is in.
    pub fn check_may_say(&self, user: u64, room: u64) -> Done {
        let settings = self.settings(room);
        if settings[ARCHIVED] == 1 {
            return Err(&["room_archived"]);
        }
        match settings[POSTING] == 1 && self.role_in(user, room) == 0 {
            true => Err(&["moderators_only"]),
            false if self.is_muted(user, room) => Err(&["muted"]),
            false => Ok(()),
        }
    }

    /// Whether somebody finds a room in the list.
    pub fn is_listed(&self, user: u64, room: u64) -> bool {
        if self.kept.rooms[&room].between.is_some() {
            return false;
        }
        let settings = self.settings(room);
        let is_shown = settings[LISTED] == 1 && settings[ARCHIVED] == 0;
        is_shown && settings[ENTRY] != INVITED || self.is_in(user, room)
    }

    /// What the rooms of a client are called.
    pub fn rooms_of_client(&self, client: usize) -> Vec<String> {
        let rooms = &self.user(self.clients[&client].user).rooms;
        rooms.iter().map(|room| self.kept.rooms[room].name.clone()).collect()
    }

    /// Whether so little was tried from where a client is that more may be.
    pub fn may_try(&self, client: usize) -> bool {
        self.may_try_from(self.clients[&client].ip)
    }

    pub fn may_try_from(&self, ip: IpAddr) -> bool {
        self.tried.get(&ip).is_none_or(|tried| *tried < ADDRESS_BURST / 2)
    }

    pub fn owner_of(&self, room: u64) -> Option<u64> {
        let rules = self.kept.rooms[&room].rules.as_ref()?;
        let owner = rules.records.iter().find(|(_, record)| record.role == ROOM_OWNER);
        owner.map(|(user, _)| *user)
    }
}

/// How it is told who may enter a room, if not everybody.
pub fn entry_of(entry: usize) -> Option<&'static str> {
    (entry != ALL).then(|| SETTINGS[ENTRY].1[entry])
}

/// How it is told what somebody may do in a room, if more than a member.
pub fn role_name(role: u8) -> Option<&'static str> {
    (role > 0).then(|| ROLES[usize::from(role)])
}
