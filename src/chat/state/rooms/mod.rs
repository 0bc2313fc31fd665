//! The rooms of the chat: what they are called, who is in them, what was said in them, which is the
//! busiest. What two accounts say to each other is kept in a room, too, of which only they know.

mod conversations;
pub mod former;
pub(super) mod restored;
pub mod rules;
mod vacant;

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::num::NonZeroU32;

use crate::chat::LOBBY;
use crate::chat::ids::{RoomId, UserId};
use crate::chat::name::{Index, RoomName};
use crate::chat::record::LoadedRoom;
use crate::chat::state::history::{self, History, Message};
use crate::chat::state::rooms::conversations::Conversations;
use crate::chat::state::rooms::former::{FormerName, FormerNames};
use crate::chat::state::rooms::rules::{MemberRecord, OPEN, RoomRules, RoomSettings};
use crate::chat::state::slots::{Identified, Slots};
use crate::chat::state::users::{Membership, UserSlot};

/// A room.
#[derive(Debug)]
pub struct Room {
    pub id: RoomId,
    pub name: RoomName,
    pub topic: Box<str>,
    pub history: History,
    /// The slots of its members, in an order that stays for as long as nobody joins or leaves.
    members: Vec<UserSlot>,
    /// When the last member left, as a count of such events; of a conversation, when something was
    /// said last.
    vacant_since: Option<u64>,
    /// The id of the first message that a store keeps; that of the next one, if it keeps the room
    /// and no messages. `None`: no store knows of the room.
    kept_from: Option<u64>,
    /// Of one that is kept for somebody, or in which somebody has a record: it is always in memory.
    rules: Option<Box<RoomRules>>,
}

impl Room {
    pub fn rules(&self) -> Option<&RoomRules> {
        self.rules.as_deref()
    }

    pub fn settings(&self) -> &RoomSettings {
        self.rules().map_or(&OPEN, |rules| &rules.settings)
    }

    /// See the field. Without a store, what is held is all that is kept.
    pub fn kept_from(&self) -> Option<u64> {
        self.kept_from
    }

    /// The id of the first message that is kept, in memory or by a store; that of the next one if
    /// there is none.
    pub fn first_id(&self) -> u64 {
        self.kept_from.unwrap_or_else(|| self.history.first_held())
    }

    /// Whether nothing that was said here is kept.
    pub fn is_void(&self) -> bool {
        self.first_id() == self.history.next_id()
    }

    pub(super) fn members(&self) -> &[UserSlot] {
        &self.members
    }

    pub fn member_count(&self) -> u32 {
        u32::try_from(self.members.len()).expect("users that fit into memory are fewer than 2^32")
    }
}

impl Identified for Box<Room> {
    type Id = RoomId;

    fn id(&self) -> RoomId {
        self.id
    }
}

/// Where a room is kept. It is stored plus one, so that an `Option` costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RoomSlot(NonZeroU32);

impl RoomSlot {
    fn new(slot: u32) -> RoomSlot {
        RoomSlot(NonZeroU32::MIN.saturating_add(slot))
    }

    fn get(self) -> u32 {
        self.0.get() - 1
    }
}

/// How much the chat may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomLimits {
    pub rooms_max: usize,
    /// Of one room.
    pub history: history::HistoryLimits,
    /// Of all rooms together.
    pub history_bytes_max: usize,
}

/// All rooms, by id, by name and by size.
///
/// Invariant: every room but conversations is in `by_name` and in `by_size` under its number of
/// members, and in `vacant` exactly if that is 0; `conversations` has all others; `history_bytes` is
/// the sum of all histories; `with_rules` has exactly the rooms that have rules.
#[derive(Debug)]
pub struct Rooms {
    limits: RoomLimits,
    /// A store keeps what was said: what memory has no place for is unloaded, and not forgotten.
    pub(super) has_store: bool,
    rooms: Slots<Box<Room>>,
    by_name: Index,
    by_size: BTreeSet<(Reverse<u32>, RoomId)>,
    /// Rooms that nobody is in, the longest deserted first.
    vacant: BTreeSet<(u64, RoomId)>,
    vacated: u64,
    conversations: Conversations,
    history_bytes: usize,
    next_id: RoomId,
    /// Rooms that have rules.
    with_rules: BTreeSet<RoomId>,
    former: FormerNames,
    /// The highest message id of any room that is no more. New rooms go on from here, so an id from
    /// an older room of the same name is never taken for one of theirs.
    ids_used: u64,
}

/// Equal if every room is the same and shown the same, but for its members: [`super::State`]
/// compares those. Where rooms are kept does not matter.
impl PartialEq for Rooms {
    fn eq(&self, other: &Rooms) -> bool {
        let is_same = |room: &Room| {
            // Named one by one, so that a new field cannot be forgotten here.
            let Room { id, name, topic, history, members: _, vacant_since, kept_from, rules } =
                room;
            other.get(*id).is_some_and(|other| {
                other.name.as_str() == name.as_str()
                    && other.topic == *topic
                    && other.history == *history
                    && other.vacant_since == *vacant_since
                    && other.kept_from == *kept_from
                    && other.rules == *rules
            })
        };
        (self.limits, self.has_store) == (other.limits, other.has_store)
            && self.next_id == other.next_id
            && self.former == other.former
            && (self.ids_used, self.vacated) == (other.ids_used, other.vacated)
            && self.rooms.len() == other.rooms.len()
            && self.rooms.iter().all(|room| is_same(room))
    }
}

impl Rooms {
    pub(super) fn new(limits: RoomLimits) -> Rooms {
        Rooms {
            limits,
            has_store: false,
            rooms: Slots::default(),
            by_name: Index::default(),
            by_size: BTreeSet::new(),
            vacant: BTreeSet::new(),
            vacated: 0,
            conversations: Conversations::default(),
            history_bytes: 0,
            next_id: RoomId::FIRST,
            with_rules: BTreeSet::new(),
            former: FormerNames::default(),
            ids_used: 0,
        }
    }

    /// No rooms yet, of those that a store keeps.
    pub(super) fn of_store(limits: RoomLimits, next_id: RoomId, ids_used: u64) -> Rooms {
        Rooms { has_store: true, next_id, ids_used, ..Rooms::new(limits) }
    }

    /// The id of the room that is opened next.
    pub fn next_id(&self) -> RoomId {
        self.next_id
    }

    /// Rooms that people can join.
    pub fn count(&self) -> usize {
        self.by_size.len()
    }

    pub fn get(&self, id: RoomId) -> Option<&Room> {
        self.rooms.get(id).map(|room| &**room)
    }

    /// All of them, conversations as well, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = &Room> {
        self.rooms.iter().map(|room| &**room)
    }

    /// The room whose name has this key.
    pub fn find(&self, key: &str) -> Option<&Room> {
        self.by_name.find(key, |slot| self.name(slot)).and_then(|slot| self.at(slot))
    }

    /// A room, but not `except`, whose name looks like this one.
    pub fn find_alike(&self, name: &RoomName, except: Option<RoomId>) -> Option<&Room> {
        let except = except.and_then(|room| self.rooms.slot(room));
        let slot = self.by_name.find_alike(name, except, |slot| self.name(slot))?;
        self.at(slot)
    }

    /// The names that rooms have had.
    pub fn former(&self) -> &FormerNames {
        &self.former
    }

    /// The room that has had a name with this key, if that still leads to it.
    pub fn find_former(&self, key: &str, unix_ms: u64) -> Option<&Room> {
        let former = self.former.find(key).filter(|former| unix_ms < former.until_ms)?;
        self.get(former.room)
    }

    /// The busiest rooms first.
    pub fn busiest(&self) -> impl Iterator<Item = &Room> {
        self.by_size.iter().filter_map(|(_, id)| self.get(*id))
    }

    /// The rooms that have rules.
    pub fn with_rules(&self) -> impl Iterator<Item = RoomId> {
        self.with_rules.iter().copied()
    }

    /// Whether another room would be one too many.
    pub fn is_full(&self) -> bool {
        let is_extra = self.find(LOBBY).is_some_and(|room| self.is_held_lobby(room));
        self.count() - usize::from(is_extra) >= self.limits.rooms_max
    }

    /// Whether a room stays in memory though nobody is in it.
    fn stays(&self, room: &Room) -> bool {
        room.rules.is_some() || self.is_held_lobby(room)
    }

    /// What newcomers are put into would be read from the store again with each of them.
    fn is_held_lobby(&self, room: &Room) -> bool {
        self.has_store && room.vacant_since.is_some() && room.name.key() == LOBBY
    }

    /// Whether the histories together are over their limit.
    pub fn is_over_bytes(&self) -> bool {
        self.history_bytes > self.limits.history_bytes_max
    }

    /// Gives up memory that the next burst can have anew.
    pub(super) fn trim(&mut self) {
        for room in
            self.rooms.iter_mut().filter(|room| room.members.capacity() > room.members.len())
        {
            // Moved, and not only shrunk: a list that grew among passing things would keep their
            // pages.
            room.members = room.members.to_vec();
        }
    }

    pub(super) fn slot(&self, id: RoomId) -> Option<RoomSlot> {
        self.rooms.slot(id).map(RoomSlot::new)
    }

    /// The room that is kept here.
    pub(super) fn id(&self, slot: RoomSlot) -> RoomId {
        self.at(slot.get()).expect("a room with members is kept").id
    }

    /// Adds a room that nobody is in yet.
    pub(super) fn open(&mut self, id: RoomId, name: RoomName) {
        if id < self.next_id {
            return;
        }
        self.next_id = id.next();
        let history = History::new(self.ids_used + 1);
        self.insert(id, name, "".into(), history, None);
    }

    /// Adds a room that a store has kept.
    pub(super) fn load(&mut self, loaded: LoadedRoom) {
        let LoadedRoom { room: id, name, topic, first_id, next_id, newest } = loaded;
        if self.get(id).is_some() {
            return;
        }
        self.next_id = self.next_id.max(id.next());
        let mut history = History::new(next_id - newest.len() as u64);
        for message in newest {
            history.push(message, &self.limits.history);
        }
        self.history_bytes += history.bytes();
        self.insert(id, name, topic, history, Some(first_id));
    }

    fn insert(
        &mut self,
        id: RoomId,
        name: RoomName,
        topic: Box<str>,
        history: History,
        kept_from: Option<u64>,
    ) {
        self.vacated += 1;
        let (members, vacant_since) = (Vec::new(), Some(self.vacated));
        let (rules, between, is_held) = (None, name.between(), !history.is_empty());
        let room = Room { id, name, topic, history, members, vacant_since, kept_from, rules };
        let slot = self.rooms.insert(Box::new(room));
        if let Some(between) = between {
            return self.conversations.insert(between, id, self.vacated, is_held);
        }
        if let Some(room) = self.rooms.at(slot) {
            self.by_name.insert(slot, &room.name);
        }
        self.by_size.insert((Reverse(0), id));
        self.vacant.insert((self.vacated, id));
    }

    /// Forgets a room that nobody is in.
    pub(super) fn close(&mut self, id: RoomId) {
        if let Some(room) = self.remove(id) {
            self.ids_used = self.ids_used.max(room.history.next_id() - 1);
        }
    }

    /// Leaves a room that nobody is in to the store.
    pub(super) fn unload(&mut self, id: RoomId) {
        self.remove(id);
    }

    fn remove(&mut self, id: RoomId) -> Option<Box<Room>> {
        let since = self.get(id)?.vacant_since?;
        let (slot, room) = self.rooms.remove(id)?;
        self.history_bytes -= room.history.bytes();
        if let Some(between) = room.between() {
            self.conversations.remove(between, id, since);
            return Some(room);
        }
        self.by_name.remove(slot, &room.name);
        self.vacant.remove(&(since, id));
        self.by_size.remove(&(Reverse(0), id));
        self.with_rules.remove(&id);
        Some(room)
    }

    /// Adds a member; returns its place.
    pub(super) fn enter(&mut self, id: RoomId, user: UserSlot) -> Option<Membership> {
        let slot = self.slot(id)?;
        let room = self.rooms.get_mut(id)?;
        let before = room.member_count();
        room.members.push(user);
        if let Some(since) = room.vacant_since.take() {
            self.vacant.remove(&(since, id));
        }
        self.resize(id, before, before + 1);
        Some(Membership { room: slot, index: before })
    }

    /// Takes a member out of its place. Returns the member that was moved there.
    pub(super) fn leave(&mut self, id: RoomId, held: Membership) -> Option<UserSlot> {
        let room = self.rooms.get_mut(id)?;
        let before = room.member_count();
        room.members.swap_remove(held.index as usize);
        let moved = room.members.get(held.index as usize).copied();
        if room.members.is_empty() {
            self.vacated += 1;
            room.vacant_since = Some(self.vacated);
            self.vacant.insert((self.vacated, id));
        }
        self.resize(id, before, before - 1);
        moved
    }

    pub(super) fn set_topic(&mut self, id: RoomId, topic: Box<str>) {
        if let Some(room) = self.rooms.get_mut(id) {
            room.topic = topic;
        }
        self.keep(id);
    }

    /// A room has these settings from now on, and is kept for good.
    pub(super) fn set_settings(&mut self, id: RoomId, settings: RoomSettings) {
        let Some(room) = self.rooms.get_mut(id) else { return };
        match &mut room.rules {
            Some(rules) => rules.settings = settings,
            None => room.rules = Some(Box::new(RoomRules::new(settings))),
        }
        self.with_rules.insert(id);
        self.keep(id);
    }

    /// This is known of somebody in a room that has rules.
    pub(super) fn set_record(&mut self, id: RoomId, user: UserId, record: MemberRecord) {
        let rules = self.rooms.get_mut(id).and_then(|room| room.rules.as_mut());
        if let Some(rules) = rules {
            rules.set_record(user, record);
        }
    }

    /// A room has another name; the one before leads to it until this time.
    pub(super) fn rename(&mut self, id: RoomId, name: RoomName, until_ms: u64) {
        let Rooms { rooms, by_name, former, .. } = self;
        let Some(slot) = rooms.slot(id) else { return };
        let Some(room) = rooms.get_mut(id) else { return };
        by_name.remove(slot, &room.name);
        by_name.insert(slot, &name);
        let name = std::mem::replace(&mut room.name, name);
        if name != room.name {
            former.insert(FormerName { name, room: id, until_ms });
        }
    }

    /// A room is kept for nobody any more.
    pub(super) fn forget_rules(&mut self, id: RoomId) {
        if let Some(room) = self.rooms.get_mut(id) {
            room.rules = None;
        }
        self.with_rules.remove(&id);
        self.former.remove_room(id);
    }

    /// There is something in a room that a store keeps: a topic, a word, or a member who stays.
    pub(super) fn keep(&mut self, id: RoomId) {
        let room = if self.has_store { self.rooms.get_mut(id) } else { None };
        if let Some(room) = room {
            room.kept_from.get_or_insert(room.history.next_id());
        }
    }

    /// Remembers what was said, if it is the room's next message.
    pub(super) fn say(&mut self, id: RoomId, message_id: u64, message: Message) {
        self.keep(id);
        let next = self.rooms.get_mut(id).filter(|room| room.history.next_id() == message_id);
        let Some(room) = next else { return };
        let before = room.history.bytes();
        room.history.push(message, &self.limits.history);
        self.history_bytes = self.history_bytes - before + room.history.bytes();
        if room.between().is_some() {
            self.move_up(id);
        }
    }

    /// Forgets all but the last messages of a room.
    pub(super) fn cut(&mut self, id: RoomId, messages_kept: usize) {
        self.change_history(id, |history| history.keep_last(messages_kept));
    }

    /// A store has forgotten what was said before this message.
    pub(super) fn forget_before(&mut self, id: RoomId, first_id: u64) {
        let Some(room) = self.rooms.get_mut(id) else { return };
        let next_id = room.history.next_id();
        let first_id = first_id.min(next_id);
        room.kept_from = room.kept_from.map(|from| from.max(first_id));
        let left = usize::try_from(next_id - first_id).unwrap_or(usize::MAX);
        self.change_history(id, |history| history.keep_last(left));
    }

    pub(super) fn change_history(&mut self, id: RoomId, change: impl FnOnce(&mut History)) {
        let Some(room) = self.rooms.get_mut(id) else { return };
        let before = room.history.bytes();
        change(&mut room.history);
        self.history_bytes = self.history_bytes - before + room.history.bytes();
        self.conversations.hold(room);
    }

    fn resize(&mut self, id: RoomId, before: u32, after: u32) {
        self.by_size.remove(&(Reverse(before), id));
        self.by_size.insert((Reverse(after), id));
    }

    fn at(&self, slot: u32) -> Option<&Room> {
        self.rooms.at(slot).map(|room| &**room)
    }

    fn name(&self, slot: u32) -> Option<&RoomName> {
        self.at(slot).map(|room| &room.name)
    }
}

#[cfg(test)]
mod tests;
