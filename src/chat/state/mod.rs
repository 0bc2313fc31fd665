//! What the chat knows: users, rooms, who is in which, and what was said.
//!
//! It is a deterministic state machine: the same records in the same order give equal states, on
//! any machine. It knows no connections, channels or clocks, and draws no random numbers. Hash
//! tables are for look-ups only: nothing depends on their order.

pub mod accounts;
pub mod guests;
pub mod history;
pub mod hooks;
pub mod keys;
mod loading;
pub mod order;
pub mod readings;
mod rights;
pub mod rooms;
mod said;
mod slots;
pub mod snapshot;
mod space;
#[cfg(test)]
mod tests;
mod traces;
pub mod users;
mod words;

use std::collections::BTreeSet;

use crate::chat::ids::{Pair, RoomId, UserId};
use crate::chat::name::Name;
use crate::chat::record::{Cached, Event, Kept, Presence, ReadingChange, Record, RoomChange};
use crate::chat::state::accounts::{Account, Accounts, Reserved};
use crate::chat::state::guests::GuestTokens;
use crate::chat::state::hooks::Hooks;
use crate::chat::state::keys::{First, Keys, Scope};
use crate::chat::state::order::{Order, OrderChange};
use crate::chat::state::readings::{Level, Readings};
use crate::chat::state::rooms::{Room, RoomLimits, Rooms};
use crate::chat::state::traces::Traces;
use crate::chat::state::users::{User, Users};
use crate::chat::state::words::GuestWords;

/// How long a name stays that of the account, or leads to the room, that has had it: 30 days.
pub const RESERVED_MS: u64 = 30 * 24 * 60 * 60 * 1000;

/// What an account has not read of a room. Ids have no holes: what is unread is known without
/// counting, and stays so though some of it is kept no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The ids of the last message that was read, and of the last one.
    pub read: u64,
    pub last: u64,
    pub unread: u64,
    /// How many of those are for the account, of as many as are known.
    pub mentions: usize,
    pub level: Level,
}

/// See the module's documentation.
///
/// Invariant: a user is among a room's members exactly if the room is among the user's;
/// `guest_records` has exactly the records of users that are no accounts.
#[derive(Debug)]
pub struct State {
    users: Users,
    rooms: Rooms,
    keys: Keys,
    accounts: Accounts,
    guest_tokens: GuestTokens,
    hooks: Hooks,
    order: Order,
    readings: Readings,
    guest_words: GuestWords,
    /// How many numbers guests have been given.
    guests: u64,
    /// Guests of whom a room has a record, which goes with them.
    guest_records: BTreeSet<(UserId, RoomId)>,
    traces: Traces,
}

/// Equal if the same records from now on would be told in the same way.
impl PartialEq for State {
    fn eq(&self, other: &State) -> bool {
        self.guests == other.guests
            && self.keys == other.keys
            && self.accounts == other.accounts
            && self.order == other.order
            && self.guest_records == other.guest_records
            && self.guest_words == other.guest_words
            && self.traces == other.traces
            && self.guest_tokens == other.guest_tokens
            && self.hooks == other.hooks
            && self.readings == other.readings
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
        State {
            users: Users::default(),
            rooms: Rooms::new(limits),
            keys: Keys::default(),
            accounts: Accounts::default(),
            guest_tokens: GuestTokens::default(),
            hooks: Hooks::default(),
            order: Order::default(),
            readings: Readings::default(),
            guest_words: GuestWords::default(),
            guests: 0,
            guest_records: BTreeSet::new(),
            traces: Traces::default(),
        }
    }

    pub fn readings(&self) -> &Readings {
        &self.readings
    }

    /// What guests have said last.
    pub fn guest_words(&self) -> &GuestWords {
        &self.guest_words
    }

    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// What guests come back with.
    pub fn guest_tokens(&self) -> &GuestTokens {
        &self.guest_tokens
    }

    /// By which tokens programs say something in rooms.
    pub fn hooks(&self) -> &Hooks {
        &self.hooks
    }

    /// Who is banned or muted, and who ignores whom.
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// The messages that may be sent again.
    pub fn keys(&self) -> &Keys {
        &self.keys
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

    /// Whether this is a guest who is here: of one who has left nothing is kept.
    pub fn is_guest(&self, user: UserId) -> bool {
        self.users.get(user).is_some() && !self.accounts.contains(user)
    }

    /// A user who has an account.
    pub fn account(&self, user: UserId) -> Option<UserId> {
        self.accounts.contains(user).then_some(user)
    }

    /// Whether what one of these says to the other is kept.
    pub fn keeps_between(&self, one: UserId, other: UserId) -> bool {
        self.accounts.contains(one) && self.accounts.contains(other)
    }

    pub fn is_member(&self, user: UserId, room: RoomId) -> bool {
        let slot = self.rooms.slot(room);
        slot.is_some_and(|slot| self.users.is_member(user, slot))
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
        let Record { by, event, unix_ms } = record;
        match event {
            Event::Kept(kept) => self.apply_kept(by, kept, unix_ms),
            Event::Presence(presence) => self.apply_presence(by, presence, unix_ms),
            Event::Cached(Cached::Loaded(room)) => self.rooms.load(*room),
            Event::Cached(Cached::Unloaded { room }) => {
                self.readings.close_room(room);
                self.rooms.unload(room);
            }
            Event::Cached(Cached::Expired { room, first_id }) => {
                self.rooms.forget_before(room, first_id);
            }
        }
    }

    fn apply_kept(&mut self, by: UserId, kept: Kept, unix_ms: u64) {
        match kept {
            Kept::Opened { room, name } => {
                self.rooms.open(room, name);
                self.begin_conversation(room);
            }
            Kept::Closed { room } => {
                for account in self.conversing(room) {
                    self.readings.end(account, room);
                }
                self.readings.close_room(room);
                self.rooms.close(room);
                self.order.forget_room(room);
            }
            Kept::TopicSet { room, topic } => self.rooms.set_topic(room, topic),
            Kept::Said { room, id, message, key } => {
                self.say(by, room, id, message, key.as_deref(), unix_ms);
            }
            Kept::MessageDeleted { room, id } => self.delete_message(room, id),
            Kept::HistoryCut { room, messages_kept } => self.rooms.cut(room, messages_kept),
            Kept::Direct { to, text, key } => {
                let by = self.account(by);
                if let Some(key) = key {
                    self.keys.insert(Scope::User(to), by, &key, First::direct(&text, unix_ms));
                }
            }
            Kept::AccountMade { .. } if self.accounts.contains(by) => {}
            Kept::AccountMade { name, password, role, invitation } => {
                self.make_account(by, name, Account::new(password, role, unix_ms, Vec::new()));
                if let Some(invitation) = invitation {
                    self.accounts.use_invitation(invitation);
                }
            }
            Kept::BotMade { bot, name } => self.make_bot(by, bot, name, unix_ms),
            Kept::AccountEnded => self.end_account(by, unix_ms),
            Kept::PasswordSet { password } => self.accounts.set_password(by, password),
            Kept::RoleSet { user, role } => self.accounts.set_role(user, role),
            Kept::KeyMade(key) => self.accounts.add_key(by, key),
            Kept::KeyEnded { key } => self.accounts.end_key(by, key),
            Kept::Invited { id, invitation } => self.accounts.invite(id, invitation),
            Kept::InvitationEnded { id } => self.accounts.end_invitation(id),
            Kept::NameReleased { name } => self.accounts.release(name.key()),
            Kept::Order(change) => {
                if let OrderChange::Muted { room, .. } = change {
                    self.rooms.keep(room);
                }
                self.order.apply(by, change);
            }
            Kept::Room(change) => self.apply_to_room(by, change, unix_ms),
            Kept::Guest(change) => self.apply_of_guest(by, change, unix_ms),
            Kept::Reading(change) => self.apply_reading(by, change),
        }
    }

    fn make_account(&mut self, by: UserId, name: Name, account: Account) {
        self.end_token_of(by);
        self.users.rename(by, name);
        self.accounts.make(by, account);
        let rooms: Vec<RoomId> = self.rooms_of(by).collect();
        for room in rooms {
            self.rooms.keep(room);
            self.begin_reading(by, room);
        }
        self.guest_records.retain(|(guest, _)| *guest != by);
        self.guest_words.forget(by);
        self.traces.forget(by);
    }

    /// Leaves a tombstone of a message: it is for nobody any more.
    fn delete_message(&mut self, room: RoomId, id: u64) {
        self.rooms.change_history(room, |history| history.delete(id));
        if !self.accounts.is_empty() {
            let members = self.members(room).map(|user| user.id);
            let readers: Vec<UserId> = members.chain(self.conversing(room)).collect();
            self.readings.forget(room, id, &readers);
        }
    }

    fn make_bot(&mut self, owner: UserId, bot: UserId, name: Name, unix_ms: u64) {
        if !self.accounts.contains(bot) {
            self.accounts.release(name.key());
            self.users.add(bot, name);
            self.accounts.make(bot, Account::bot(owner, unix_ms));
        }
    }

    fn end_account(&mut self, by: UserId, unix_ms: u64) {
        if let Some(reserved) = self.reserved_at_end(by, unix_ms) {
            self.accounts.reserve(reserved);
        }
        let rooms: Vec<RoomId> = self.rooms.with_rules().collect();
        rooms.into_iter().for_each(|room| self.forget_record(by, room));
        self.accounts.end(by);
        self.order.end_account(by);
        self.hooks.end_account(by);
        self.readings.end_all(by);
        self.users.remove(by);
    }

    fn apply_reading(&mut self, by: UserId, change: ReadingChange) {
        let readings = &mut self.readings;
        match change {
            ReadingChange::Moved { room, id } => readings.advance(by, room, id),
            ReadingChange::MovedBack { room, id, mentions } => {
                readings.go_back(by, room, id, &mentions);
            }
            ReadingChange::LevelSet { room, level } => readings.set_level(by, room, Some(level)),
            ReadingChange::Mentioned { room, id, mentioned } => {
                let by = self.accounts.contains(by).then_some(by);
                readings.note(room, id, by, &mentioned);
            }
        }
    }

    fn end_token_of(&mut self, user: UserId) {
        if let Some(hash) = self.guest_tokens.of(user) {
            self.guest_tokens.end(hash);
        }
    }

    /// An account has read all that was said in a room before it came.
    fn begin_reading(&mut self, user: UserId, room: RoomId) {
        if let Some(last) = self.last_id(room) {
            self.readings.begin(user, room, last);
        }
    }

    /// Both of a conversation read there, as members read in a room.
    fn begin_conversation(&mut self, room: RoomId) {
        for account in self.conversing(room) {
            self.begin_reading(account, room);
        }
    }

    /// The accounts whose conversation this is, if it is one: those that there still are.
    fn conversing(&self, room: RoomId) -> Vec<UserId> {
        let between = self.rooms.get(room).and_then(Room::between);
        let accounts = between.into_iter().flat_map(Pair::accounts);
        accounts.filter(|&account| self.accounts.contains(account)).collect()
    }

    /// What an account has not read of a room.
    pub fn unread(&self, user: UserId, room: RoomId) -> Option<Unread> {
        let (reading, here) = (self.readings.get(user, room)?, self.rooms.get(room)?);
        let (read, last) = (reading.read, here.history.next_id() - 1);
        let is_ignored = |by| self.order.ignores(user, by);
        let mentions = self.readings.mentions_after(user, room, read, is_ignored);
        let level = reading.level.unwrap_or(Level::usual(here.member_count()));
        Some(Unread { read, last, unread: last.saturating_sub(read), mentions, level })
    }

    /// The id of the last message of a room, 0 before the first.
    pub fn last_id(&self, room: RoomId) -> Option<u64> {
        self.rooms.get(room).map(|room| room.history.next_id() - 1)
    }

    fn apply_presence(&mut self, by: UserId, presence: Presence, unix_ms: u64) {
        match presence {
            Presence::Connected { name, guests } => {
                self.users.add(by, name);
                self.guests = self.guests.max(guests);
            }
            Presence::Disconnected => {
                while let Some(room) = self.rooms_of(by).last() {
                    self.leave(by, room);
                }
                self.end_guest(by, unix_ms);
                self.users.remove(by);
            }
            Presence::Joined { room } => {
                if let Some(record) = self.record_on_join(by, room) {
                    self.set_record(by, room, record);
                }
                self.join(by, room);
                if self.accounts.contains(by) {
                    self.rooms.keep(room);
                }
            }
            Presence::Left { room, .. } => self.leave(by, room),
            Presence::Renamed { name } => {
                if let Some(reserved) = self.reserved_by(by, &name, unix_ms) {
                    self.accounts.reserve(reserved);
                }
                self.accounts.release(name.key());
                self.users.rename(by, name);
            }
        }
    }

    /// What is reserved when a user takes another name: the one before, if it is an account's.
    pub fn reserved_by(&self, user: UserId, name: &Name, unix_ms: u64) -> Option<Reserved> {
        let before = &self.users.get(user).filter(|_| self.accounts.contains(user))?.name;
        let until_ms = unix_ms + RESERVED_MS;
        let account = self.accounts.name_keeper(user);
        (before != name).then(|| Reserved { name: before.clone(), account, until_ms })
    }

    /// What is reserved when an account ends: its name.
    pub fn reserved_at_end(&self, user: UserId, unix_ms: u64) -> Option<Reserved> {
        let name = self.users.get(user)?.name.clone();
        let account = self.accounts.name_keeper(user);
        Some(Reserved { name, account, until_ms: unix_ms + RESERVED_MS })
    }

    fn apply_to_room(&mut self, by: UserId, change: RoomChange, unix_ms: u64) {
        match change {
            RoomChange::Set { room, settings } => self.rooms.set_settings(room, settings),
            RoomChange::Recorded { room, user, record } => self.set_record(user, room, record),
            RoomChange::Removed { room, user, .. } => self.leave(user, room),
            RoomChange::Renamed { room, name } => {
                self.rooms.rename(room, name, unix_ms + RESERVED_MS);
            }
            RoomChange::NameReleased { name } => self.rooms.release(name.key()),
            RoomChange::InvitationUsed { id } => self.use_invitation(by, id),
            RoomChange::HookMade(hook) => self.hooks.make(hook),
            RoomChange::HookEnded { room, name } => self.hooks.end(room, &name),
            RoomChange::Deleted { room } => {
                let members: Vec<UserId> = self.members(room).map(|user| user.id).collect();
                members.into_iter().for_each(|user| self.leave(user, room));
                self.guest_records.retain(|(_, of)| *of != room);
                self.accounts.forget_room(room);
                self.hooks.end_room(room);
                self.rooms.forget_rules(room);
            }
        }
    }

    fn join(&mut self, user: UserId, room: RoomId) {
        let Some(slot) = self.users.slot(user).filter(|_| !self.is_member(user, room)) else {
            return;
        };
        if let Some(held) = self.rooms.enter(room, slot) {
            self.users.add_membership(user, held);
            if self.accounts.contains(user) {
                self.begin_reading(user, room);
            }
        }
    }

    fn leave(&mut self, user: UserId, room: RoomId) {
        let Some(slot) = self.rooms.slot(room) else { return };
        let Some(held) = self.users.remove_membership(user, slot) else { return };
        self.readings.end(user, room);
        if let Some(moved) = self.rooms.leave(room, held) {
            self.users.move_membership(moved, held);
        }
    }
}
