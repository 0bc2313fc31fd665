//! Who may know of a room, read in it, and what they may do there: by its rules, and by what is
//! recorded of them.

use crate::chat::LOBBY;
use crate::chat::ids::{RoomId, UserId};
use crate::chat::state::State;
use crate::chat::state::accounts::Role;
use crate::chat::state::rooms::Room;
use crate::chat::state::rooms::rules::{Entry, MemberRecord, NewcomersSee, RoomRole};

impl State {
    /// What is known of somebody in a room.
    pub fn member_record(&self, user: UserId, room: RoomId) -> MemberRecord {
        let rules = self.rooms.get(room).and_then(Room::rules);
        rules.map(|rules| rules.record(user)).unwrap_or_default()
    }

    /// Whether a room exists for somebody: in lists, answers, errors and time, one that may not be
    /// known of is one that there is not.
    pub fn may_know(&self, user: UserId, room: RoomId, unix_ms: u64) -> bool {
        let Some(here) = self.rooms.get(room) else { return false };
        if let Some(between) = here.between() {
            return between.has(user);
        }
        let Some(rules) = here.rules().filter(|rules| rules.settings.entry == Entry::Invited)
        else {
            return true;
        };
        let record = rules.record(user);
        self.is_member(user, room) || record.may_return && !record.is_removed(unix_ms)
    }

    /// The first message of a room that somebody may read; `None`: it may read nothing there.
    pub fn sees_from(&self, user: UserId, room: RoomId, unix_ms: u64) -> Option<u64> {
        let here = self.rooms.get(room)?;
        if let Some(between) = here.between() {
            return between.has(user).then_some(0);
        }
        let Some(rules) = here.rules() else { return Some(0) };
        let (record, settings) = (rules.record(user), &rules.settings);
        if self.is_member(user, room) {
            return Some(record.sees_from);
        }
        let may_enter = match settings.entry {
            Entry::All => true,
            Entry::Accounts => self.accounts.contains(user),
            Entry::Ask | Entry::Invited => false,
        };
        let reads =
            may_enter && settings.newcomers_see == NewcomersSee::All && !record.is_removed(unix_ms);
        reads.then_some(record.sees_from)
    }

    pub fn may_read(&self, user: UserId, room: RoomId, id: u64, unix_ms: u64) -> bool {
        self.sees_from(user, room, unix_ms).is_some_and(|from| from <= id)
    }

    /// Rooms of which somebody may not read all that memory and store have, and from where on it may,
    /// if anything: a search leaves that out.
    pub fn restricted(&self, user: UserId, unix_ms: u64) -> Vec<(u64, Option<u64>)> {
        let rooms = self.rooms.with_rules().map(|id| (id, self.sees_from(user, id, unix_ms)));
        rooms.filter(|(_, from)| *from != Some(0)).map(|(id, from)| (id.get(), from)).collect()
    }

    /// What somebody may do in a room. One without an owner is the server's owners', if they may
    /// know of it.
    pub fn room_role(&self, user: UserId, room: RoomId) -> RoomRole {
        let Some(here) = self.rooms.get(room) else { return RoomRole::Member };
        let is_kept = here.rules().is_some() || here.name.key() == LOBBY;
        let is_owned = here.rules().is_some_and(|rules| rules.owner().is_some());
        let is_hidden = here.settings().entry == Entry::Invited;
        if is_kept && !is_owned && !is_hidden && self.accounts.role(user) == Role::Owner {
            return RoomRole::Owner;
        }
        self.member_record(user, room).role
    }

    /// What is known of somebody who enters a room: a membership begins, and sees what it may from
    /// then on.
    pub fn record_on_join(&self, user: UserId, room: RoomId) -> Option<MemberRecord> {
        let here = self.rooms.get(room)?;
        let mut record = here.rules()?.record(user);
        if here.settings().newcomers_see == NewcomersSee::Now {
            record.sees_from = here.history.next_id();
        }
        record.has_asked = false;
        record.removed_until = None;
        Some(record)
    }

    // ---- Changes ----

    pub(super) fn set_record(&mut self, user: UserId, room: RoomId, record: MemberRecord) {
        self.rooms.set_record(room, user, record);
        if !self.accounts.contains(user) {
            let rules = self.rooms.get(room).and_then(Room::rules);
            match rules.is_some_and(|rules| rules.has_record(user)) {
                true => self.guest_records.insert((user, room)),
                false => self.guest_records.remove(&(user, room)),
            };
        }
    }

    pub(super) fn forget_record(&mut self, user: UserId, room: RoomId) {
        self.set_record(user, room, MemberRecord::default());
    }

    /// What is known of a guest, by rooms as well, goes with it.
    pub(super) fn forget_guest(&mut self, guest: UserId) {
        self.guest_words.forget(guest);
        let all = (guest, RoomId::FIRST)..(guest.next(), RoomId::FIRST);
        while let Some(&(_, room)) = self.guest_records.range(all.clone()).next() {
            self.forget_record(guest, room);
            self.guest_records.remove(&(guest, room));
        }
    }
}
