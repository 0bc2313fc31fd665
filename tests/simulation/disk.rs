//! A disk that outlives the server: a store of the chat in memory, whose groups take their time to
//! become durable, and are lost when the server crashes before that.

#[path = "../common/kept_people.rs"]
mod kept_people;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use chat_server::ids::GroupId;
use chat_server::store::order::StoredOrder;
use chat_server::store::{
    Change, Expired, Found, FoundRoom, Hit, Loaded, PageRequest, Progress, Reader, ReadingChange,
    RulesChange, SearchRequest, Space, Store, StoreError, StoredKey, StoredMessage, StoredPeople,
    StoredRoom, Wake,
};

use kept_people::KeptPeople;

/// One search in so many takes too long.
const SLOW_EVERY: usize = 8;

/// A room as the disk has it.
#[derive(Clone, Debug)]
pub struct KeptRoom {
    pub name: Box<str>,
    key: Box<str>,
    skeletons: Vec<Box<str>>,
    topic: Box<str>,
    pub first_id: u64,
    /// As of the last transaction, or of when it was closed in one: as its row has it.
    next_id: u64,
    messages: Vec<StoredMessage>,
    /// When something was said there last, as a count of messages.
    last: u64,
}

impl KeptRoom {
    /// The id after all that was said, also in a transaction that has not ended.
    fn id_to_come(&self) -> u64 {
        self.first_id + self.messages.len() as u64
    }

    fn stored(&self, room: u64, messages_max: usize, bytes_max: usize) -> StoredRoom {
        StoredRoom {
            room,
            name: self.name.clone(),
            topic: self.topic.clone(),
            first_id: self.first_id,
            next_id: self.next_id,
            newest: newest(self.messages.iter(), messages_max, bytes_max),
        }
    }
}

/// All that was ever said and is durable, in its order, and what of it a search finds.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// The number of the room, its name, and what was said there.
    pub said: Vec<(u64, Box<str>, StoredMessage)>,
    /// So many of the oldest have expired.
    pub expired: usize,
    /// So many of the oldest are indexed.
    pub indexed: usize,
    /// Rooms that were deleted.
    deleted: BTreeSet<u64>,
    /// The numbers of the rooms and the ids of messages that were deleted, and of those as well that
    /// are about to be.
    pub tombstones: BTreeSet<(u64, u64)>,
    pub deleting: BTreeSet<(u64, u64)>,
    /// How often something could not be read.
    pub failed: usize,
    searches: usize,
}

/// Whether a text has all of these words. Each may go on, if it does not stand in quotes; those of
/// other scripts may stand anywhere.
pub fn matches(words: &str, text: &str) -> bool {
    let text = text.to_lowercase();
    let of_text = || text.split(|c: char| !c.is_alphanumeric());
    words.to_lowercase().split_whitespace().all(|word| match word.strip_prefix('"') {
        Some(quoted) => of_text().any(|other| other == quoted.trim_end_matches('"')),
        None if word.is_ascii() => of_text().any(|other| other.starts_with(word)),
        None => text.contains(word),
    })
}

impl Log {
    fn find(&self, search: &SearchRequest) -> Found {
        let before = search.cursor.map_or(self.indexed, |cursor| cursor as usize);
        let may_read = |name: &str| {
            let Some(accounts) = name.strip_prefix('@') else { return true };
            let reader = search.reader.map(|reader| reader.to_string());
            accounts.split(':').any(|one| Some(one) == reader.as_deref())
        };
        let is_wanted = |room: u64, name: &str, message: &StoredMessage| {
            let hidden = search.restricted.iter().find(|(of, _)| *of == room);
            !self.deleted.contains(&room)
                && !self.tombstones.contains(&(room, message.id))
                && hidden.is_none_or(|(_, from)| from.is_some_and(|from| from <= message.id))
                && search.rooms.as_ref().map_or(may_read(name), |rooms| rooms.contains(&room))
                && search.from.as_ref().is_none_or(|from| {
                    let (from, author) = (from.to_lowercase(), message.author.to_lowercase());
                    author == from || author == format!("{from} (hook)")
                })
                && search.before_ms.is_none_or(|before| message.unix_ms < before)
                && search.after_ms.is_none_or(|after| message.unix_ms >= after)
                && matches(&search.words, &message.text)
        };
        let indexed = self.said.iter().enumerate().take(self.indexed.min(before));
        let mut wanted =
            indexed.skip(self.expired).rev().filter_map(|(at, (room, name, message))| {
                let (room_id, room) = (*room, name.clone());
                let hit = || Hit { room_id, room, message: message.clone() };
                is_wanted(room_id, name, message).then(|| (at as u64, hit()))
            });
        let page: Vec<(u64, Hit)> = wanted.by_ref().take(search.hits_max).collect();
        let next = page.last().map(|(at, _)| *at).filter(|_| wanted.next().is_some());
        Found { hits: page.into_iter().map(|(_, hit)| hit).collect(), next }
    }
}

#[derive(Debug, Default)]
struct Inner {
    rooms: BTreeMap<u64, KeptRoom>,
    log: Log,
    /// How long the index takes to follow, and when it does next.
    index_ms: u64,
    index_at: u64,
    /// What the chat is to be told of what has expired.
    expired: Vec<Expired>,
    guests: u64,
    next_room: u64,
    /// The ids of all rooms that there ever were.
    used: BTreeSet<u64>,
    ids_used: u64,
    /// The highest id of any message of a room that had this key and is no more.
    ids_of: BTreeMap<Box<str>, u64>,
    keys: Vec<StoredKey>,
    people: KeptPeople,
    said: u64,
    /// Not durable yet, and when each group will be.
    pending: VecDeque<(GroupId, Vec<Change>, u64)>,
    durable: GroupId,
    /// The chat has heard of that much.
    told: GroupId,
    /// The groups after the durable one are no more, and the chat has not heard of it.
    is_lost: bool,
    space: Space,
    is_unreadable: bool,
    /// How long a group takes to become durable; 0: it is at once.
    latency_ms: u64,
    now_ms: u64,
    starts: u64,
}

/// A disk; its clones are the same one.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<Inner>>);

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}

/// What one run of the server has of a disk.
#[derive(Debug)]
struct Handle {
    disk: Disk,
    start: u64,
    newest: usize,
    /// What was durable when it was released.
    released: GroupId,
}

impl Disk {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("nobody panics with it")
    }

    /// A store for a server that starts when nobody is there, with what it starts with: so many
    /// messages of each room.
    pub fn start(&self, newest: usize) -> (Box<dyn Store>, Loaded) {
        self.inner().forget_empty_rooms();
        self.take_over(newest)
    }

    /// The same for one that goes on where another one was.
    pub fn take_over(&self, newest: usize) -> (Box<dyn Store>, Loaded) {
        let mut inner = self.inner();
        inner.starts += 1;
        (inner.durable, inner.told) = (GroupId::default(), GroupId::default());
        inner.is_lost = false;
        inner.pending.clear();
        let loaded = inner.load(newest);
        let (disk, start, released) = (self.clone(), inner.starts, GroupId::default());
        (Box::new(Handle { disk, start, newest, released }), loaded)
    }

    /// The server is no more. Of the groups that are not durable the first `torn` are there all the
    /// same.
    pub fn crash(&self, torn: usize) {
        let mut inner = self.inner();
        inner.commit(torn);
        inner.pending.clear();
        inner.starts += 1;
        // It is not synced: some of it is made again.
        inner.log.indexed /= 2;
    }

    /// What is not durable never will be.
    pub fn fail(&self) {
        let mut inner = self.inner();
        inner.is_lost = !inner.pending.is_empty();
        inner.pending.clear();
    }

    pub fn set_latency(&self, latency_ms: u64) {
        self.inner().latency_ms = latency_ms;
    }

    /// Makes the index follow so late.
    pub fn set_index_latency(&self, index_ms: u64) {
        self.inner().index_ms = index_ms;
    }

    /// All that is durable, and what is found of it.
    pub fn log(&self) -> Log {
        let mut inner = self.inner();
        inner.index();
        let pending = inner.pending.iter().flat_map(|(_, changes, _)| changes);
        let deleting = pending.filter_map(|change| match change {
            Change::Deleted { room, id } => Some((*room, *id)),
            _ => None,
        });
        let deleting = deleting.chain(inner.log.tombstones.iter().copied()).collect();
        Log { deleting, ..inner.log.clone() }
    }

    /// The oldest messages of all are forgotten, as many as are asked for and still there.
    pub fn expire(&self, count: usize) {
        let mut inner = self.inner();
        for _ in 0..count {
            let Some((room, _, message)) = inner.log.said.get(inner.log.expired) else { return };
            let (room, first_id) = (*room, message.id + 1);
            inner.log.expired += 1;
            let here = inner.rooms.get_mut(&room).expect("what is kept is in a room");
            assert_eq!(here.messages.remove(0).id + 1, first_id);
            here.first_id = first_id;
            inner.expired.push(Expired { room, first_id });
        }
    }

    /// Accounts, and what belongs to them.
    pub fn people(&self) -> StoredPeople {
        self.inner().people.stored()
    }

    /// Who may not say something, and who ignores whom.
    pub fn order(&self) -> StoredOrder {
        self.inner().people.order.stored()
    }

    /// How many numbers guests have been given.
    pub fn guests(&self) -> u64 {
        self.inner().guests
    }

    /// The number of the room that is opened next.
    pub fn next_room(&self) -> u64 {
        self.inner().next_room.max(1)
    }

    /// The rooms' names, by their numbers.
    pub fn room_names(&self) -> BTreeMap<u64, Box<str>> {
        self.inner().rooms.iter().map(|(id, room)| (*id, room.name.clone())).collect()
    }

    pub fn set_full(&self, is_full: bool) {
        self.set_space(if is_full { Space::Short } else { Space::Free });
    }

    pub fn set_space(&self, space: Space) {
        self.inner().space = space;
    }

    pub fn set_unreadable(&self, is_unreadable: bool) {
        self.inner().is_unreadable = is_unreadable;
    }

    pub fn is_full(&self) -> bool {
        self.inner().space != Space::Free
    }

    /// Time goes on. Whether something has become durable, or never will.
    pub fn pass(&self, now_ms: u64) -> bool {
        let mut inner = self.inner();
        inner.now_ms = now_ms;
        inner.index();
        let due = inner.pending.iter().take_while(|(.., at)| *at <= now_ms).count();
        inner.commit(due);
        inner.durable > inner.told || inner.is_lost || !inner.expired.is_empty()
    }

    /// The rooms, by their names.
    pub fn rooms(&self) -> BTreeMap<Box<str>, KeptRoom> {
        self.inner().rooms.values().map(|room| (room.name.clone(), room.clone())).collect()
    }
}

impl Inner {
    fn index(&mut self) {
        if self.index_at <= self.now_ms {
            self.log.indexed = self.log.said.len();
            self.index_at = self.now_ms + self.index_ms;
        }
    }

    /// Rooms without members and settings of which all that was said has expired.
    fn forget_empty_rooms(&mut self) {
        let people = self.people.stored();
        let is_kept = |room| {
            people.members.iter().any(|(of, _)| *of == room)
                || people.rules.rooms.iter().any(|settings| settings.room == room)
        };
        let expired = self.log.said[..self.log.expired].iter().map(|(room, ..)| *room);
        let mut empty: BTreeSet<u64> = expired.filter(|room| !is_kept(*room)).collect();
        let rooms = &self.rooms;
        empty.retain(|room| rooms.get(room).is_some_and(|it| it.first_id == it.next_id));
        for room in empty {
            self.apply(Change::RoomClosed { room });
        }
    }

    fn load(&self, newest: usize) -> Loaded {
        let mut rooms: Vec<(&u64, &KeptRoom)> = self.rooms.iter().collect();
        rooms.sort_by_key(|(_, room)| std::cmp::Reverse(room.last));
        Loaded {
            epoch: "of the data".into(),
            guests: self.guests,
            next_room: self.next_room.max(1),
            ids_used: self.ids_used,
            rooms: rooms.iter().map(|(id, room)| room.stored(**id, newest, usize::MAX)).collect(),
            keys: self.keys.clone(),
            people: self.people.stored(),
            order: self.people.order.stored(),
        }
    }

    /// Makes the first groups durable, so many at most, in one transaction as the real store makes
    /// it: what was said counts for its room at the end, or before the room is closed.
    fn commit(&mut self, groups_max: usize) {
        let count = groups_max.min(self.pending.len());
        let mut spoken_in = BTreeSet::new();
        for (group, changes, _) in self.pending.drain(..count).collect::<Vec<_>>() {
            for change in changes {
                match change {
                    Change::Said { room, .. } => drop(spoken_in.insert(room)),
                    Change::RoomClosed { room } if spoken_in.remove(&room) => self.count_said(room),
                    _ => {}
                }
                self.apply(change);
            }
            self.durable = group;
        }
        spoken_in.into_iter().for_each(|room| self.count_said(room));
    }

    fn count_said(&mut self, room: u64) {
        let here =
            self.rooms.get_mut(&room).expect("what was said counts for a room that is there");
        here.next_id = here.id_to_come();
    }

    /// Changes what is kept, and holds the chat to what it promises.
    fn apply(&mut self, change: Change) {
        match change {
            Change::RoomOpened { room, name, key, skeletons, first_id } => {
                // Ids are given when somebody comes, and rooms kept when something is said.
                assert!(self.used.insert(room), "the id of room {name} was used before");
                let used = self.ids_of.get(&key).copied().unwrap_or(0);
                assert!(first_id > used, "the ids of {name} begin too early");
                let alike = self.rooms.values().find(|other| {
                    other.skeletons.iter().any(|skeleton| skeletons.contains(skeleton))
                });
                assert!(
                    alike.is_none_or(|other| &*key == "#lobby" || &*other.key == "#lobby"),
                    "{name} looks like {}",
                    alike.expect("there is one").name
                );
                self.next_room = self.next_room.max(room + 1);
                let (topic, messages, last) = ("".into(), Vec::new(), self.said);
                let kept = KeptRoom {
                    name,
                    key,
                    skeletons,
                    topic,
                    first_id,
                    next_id: first_id,
                    messages,
                    last,
                };
                self.rooms.insert(room, kept);
            }
            Change::RoomClosed { room } => {
                let closed = self.rooms.remove(&room).expect("a room that is closed is there");
                assert!(closed.messages.is_empty(), "{} was spoken in, and is gone", closed.name);
                self.ids_used = self.ids_used.max(closed.next_id - 1);
                self.ids_of.insert(closed.key, closed.first_id - 1);
                self.people.close_room(room);
            }
            Change::TopicSet { room, topic } => {
                self.rooms.get_mut(&room).expect("its topic is set").topic = topic;
            }
            Change::Said { room, message, key } => {
                self.said += 1;
                let here = self.rooms.get_mut(&room).expect("something is said there");
                let next_id = here.id_to_come();
                assert_eq!(message.id, next_id, "the next id of {}", here.name);
                if let Some(key) = key {
                    let (id, unix_ms, account) = (message.id, message.unix_ms, message.account);
                    let mut here = self.keys.iter().filter(|one| one.room == room);
                    let is_new = here.all(|one| (one.account, &one.key) != (account, &key));
                    assert!(is_new, "the key {key} of {room} has two messages");
                    self.keys.push(StoredKey { room, key, id, unix_ms, account });
                }
                self.log.said.push((room, here.name.clone(), message.clone()));
                here.messages.push(message);
                here.last = self.said;
            }
            Change::Deleted { room, id } => {
                // It may have expired.
                let here = self.rooms.get_mut(&room).expect("a message is in a room");
                assert!(id < here.id_to_come(), "{id} of {} was not said", here.name);
                let deleted = here.messages.iter_mut().find(|message| message.id == id);
                deleted.into_iter().for_each(StoredMessage::delete);
                self.log.tombstones.insert((room, id));
                self.people.apply(change);
            }
            Change::Member { room, .. } => {
                assert!(self.rooms.contains_key(&room), "a room that has members is kept");
                self.people.apply(change);
            }
            Change::Rules(RulesChange::Set(ref settings)) => {
                assert!(self.rooms.contains_key(&settings.room), "a room with settings is kept");
                self.people.apply(change);
            }
            Change::Rules(RulesChange::Renamed { room, name, key, skeletons }) => {
                let here = self.rooms.get_mut(&room).expect("a room that is renamed is kept");
                for (of, shown, _) in &mut self.log.said {
                    if *of == room {
                        *shown = name.clone();
                    }
                }
                (here.name, here.key, here.skeletons) = (name, key, skeletons);
            }
            Change::Rules(RulesChange::Emptied { room }) => {
                let here = self.rooms.get_mut(&room).expect("a room that is emptied is kept");
                here.first_id = here.id_to_come();
                here.messages.clear();
                self.log.deleted.insert(room);
            }
            Change::Reading(change) => {
                self.check_reading(&change);
                self.people.apply(Change::Reading(change));
            }
            Change::Account(_)
            | Change::Rules(_)
            | Change::AccountGone { .. }
            | Change::AccessKey(_)
            | Change::AccessKeyGone { .. }
            | Change::MemberGone { .. }
            | Change::Invitation(_)
            | Change::InvitationGone { .. }
            | Change::Reserved(_)
            | Change::ReservedGone { .. }
            | Change::GuestToken(_)
            | Change::GuestTokenGone { .. }
            | Change::Order(_) => self.people.apply(change),
            Change::Guests(guests) => {
                assert!(guests > self.guests, "a guest's number is given again");
                self.guests = guests;
            }
        }
    }
}

impl Inner {
    /// Nothing is read, and nothing is for anybody, that is not kept.
    fn check_reading(&self, change: &ReadingChange) {
        let (room, id) = match change {
            ReadingChange::Set(reading) => (reading.room, reading.read),
            ReadingChange::Mentioned { room, id, .. } | ReadingChange::Called { room, id, .. } => {
                (*room, *id)
            }
            ReadingChange::Gone { .. } => return,
        };
        let room = self.rooms.get(&room).expect("a room that is read is kept");
        assert!(id < room.id_to_come(), "{id} of {} is read, and not kept", room.name);
    }
}

impl Handle {
    /// The disk, for as long as it is this run's.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        let inner = self.disk.inner();
        assert_eq!(inner.starts, self.start, "a server that is no more uses the disk");
        inner
    }
}

impl Store for Handle {
    fn append(&mut self, group: GroupId, changes: Vec<Change>) {
        assert!(!changes.is_empty(), "a group has changes");
        let mut inner = self.inner();
        if inner.is_lost {
            return;
        }
        let newest = inner.pending.back().map_or(inner.durable, |(newest, ..)| *newest);
        assert_eq!(group, newest.next(), "groups come in order, without holes");
        let due = inner.now_ms + inner.latency_ms;
        inner.pending.push_back((group, changes, due));
        if inner.latency_ms == 0 {
            inner.commit(usize::MAX);
        }
    }

    fn set_wake(&mut self, _: Wake) {}

    fn progress(&mut self) -> Progress {
        let mut inner = self.inner();
        inner.told = inner.durable;
        match std::mem::take(&mut inner.is_lost) {
            true => Progress::Lost(inner.durable),
            false => Progress::Durable(inner.durable),
        }
    }

    fn space(&self) -> Space {
        self.inner().space
    }

    fn release(&mut self) -> Result<(), StoreError> {
        let inner = self.inner();
        assert!(inner.pending.is_empty(), "all of it is durable");
        let durable = inner.durable;
        drop(inner);
        self.released = durable;
        Ok(())
    }

    fn take_back(&mut self) -> Result<(), StoreError> {
        let mut inner = self.disk.inner();
        inner.starts += 1;
        (inner.durable, inner.told) = (self.released, self.released);
        self.start = inner.starts;
        Ok(())
    }

    fn take_expired(&mut self) -> Vec<Expired> {
        std::mem::take(&mut self.inner().expired)
    }

    fn reader(&self) -> Arc<dyn Reader> {
        Arc::new(self.disk.clone())
    }

    fn reload(&mut self) -> Result<Loaded, StoreError> {
        let newest = self.newest;
        Ok(self.inner().load(newest))
    }
}

impl Reader for Disk {
    fn room(
        &self,
        key: &str,
        skeletons: &[Box<str>],
        messages_max: usize,
        bytes_max: usize,
    ) -> Result<FoundRoom, StoreError> {
        let mut inner = self.inner();
        inner.check_readable()?;
        let room = inner.rooms.iter().find(|(_, room)| &*room.key == key);
        let alike = inner.rooms.values().find(|room| {
            &*room.key != key && room.skeletons.iter().any(|one| skeletons.contains(one))
        });
        Ok(FoundRoom {
            room: room.map(|(id, room)| room.stored(*id, messages_max, bytes_max)),
            alike: alike.map(|room| room.name.clone()),
        })
    }

    fn page(&self, page: &PageRequest) -> Result<Vec<StoredMessage>, StoreError> {
        let mut inner = self.inner();
        inner.check_readable()?;
        let Some(room) = inner.rooms.get(&page.room) else { return Ok(Vec::new()) };
        let wanted = page.from..page.before;
        let messages = room.messages.iter().filter(|message| wanted.contains(&message.id));
        if page.newest {
            return Ok(newest(messages, page.messages_max, page.bytes_max));
        }
        Ok(fitting(messages, page.messages_max, page.bytes_max))
    }

    fn deleted(&self, room: u64, ids: Range<u64>) -> Result<Vec<u64>, StoreError> {
        let mut inner = self.inner();
        inner.check_readable()?;
        let Some(here) = inner.rooms.get(&room) else { return Ok(Vec::new()) };
        let deleted = here.messages.iter().filter(|message| message.text.is_empty());
        Ok(deleted.map(|message| message.id).filter(|id| ids.contains(id)).collect())
    }

    fn search(&self, search: &SearchRequest) -> Result<Found, StoreError> {
        let mut inner = self.inner();
        inner.index();
        inner.log.searches += 1;
        let is_slow = inner.log.searches.is_multiple_of(SLOW_EVERY);
        inner.check_readable()?;
        if is_slow {
            inner.log.failed += 1;
            return Err(StoreError::TooSlow);
        }
        Ok(inner.log.find(search))
    }
}

impl Inner {
    fn check_readable(&mut self) -> Result<(), StoreError> {
        if !self.is_unreadable {
            return Ok(());
        }
        self.log.failed += 1;
        Err(StoreError::Failed("a bad sector".into()))
    }
}

fn newest<'a>(
    messages: impl DoubleEndedIterator<Item = &'a StoredMessage>,
    messages_max: usize,
    bytes_max: usize,
) -> Vec<StoredMessage> {
    let mut newest = fitting(messages.rev(), messages_max, bytes_max);
    newest.reverse();
    newest
}

fn fitting<'a>(
    messages: impl Iterator<Item = &'a StoredMessage>,
    messages_max: usize,
    bytes_max: usize,
) -> Vec<StoredMessage> {
    let mut bytes = 0;
    let fits = |(at, message): &(usize, &StoredMessage)| {
        bytes += message.author.len() + message.text.len();
        *at == 0 || bytes <= bytes_max
    };
    let fitting = messages.take(messages_max).enumerate().take_while(fits);
    fitting.map(|(_, message)| message.clone()).collect()
}
