//! What only the store knows: who asks, what has been found, and the work of looking it up.
//!
//! A request that needs something from the store waits for a ticket and is offered again when that
//! is done; then it finds its answer here. A client asks one thing at a time, as its requests are
//! served one by one. What is looked up was recorded before it was asked for: the work begins once
//! that is durable, so an answer is never behind what memory knew then. Many who ask for one room
//! at the same time have it read once.
//!
//! To ask for something else: a variant of [`Question`] and one of [`Finding`].

mod finding;

pub use finding::{Finding, Found, Question};

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use finding::{bytes_of, delete_from};

use serde::{Deserialize, Serialize};

use crate::chat::ids::RoomId;
use crate::chat::name::{NameForms, RoomName};
use crate::ids::{ClientId, GroupId, Ticket};
use crate::service::{Answer, Job, Lane};
use crate::store::{FoundRoom, PageRequest, Reader, StoredMessage, StoredRoom};

/// Names that are remembered as those of no room in the store.
const ABSENT_MAX: usize = 16;

#[derive(Debug)]
struct Asked {
    ticket: Ticket,
    question: Question,
    /// How often it was asked, as what was found was too old by the time it came.
    times: u32,
}

/// What is being looked up, or has been found.
#[derive(Debug)]
struct Lookup {
    /// How many have asked for it, and have not got what they wanted. All who ask for a room while
    /// it is being read share what is found.
    askers: usize,
    /// The key of the room that is being read.
    room: Option<Box<str>>,
    found: Option<Found>,
}

/// See the module's documentation.
///
/// Invariant: `lookups` has the ticket of everybody in `asked`, and no others; `held_bytes` is the
/// sum of the texts that were found; `rooms` has the rooms that are being read, by the keys of
/// their names; without lookups `first_ids` is empty. `deleted` has what a lookup may find that has
/// not found anything yet.
#[derive(Default)]
pub struct Questions {
    asked: BTreeMap<ClientId, Asked>,
    lookups: BTreeMap<Ticket, Lookup>,
    rooms: BTreeMap<Box<str>, Ticket>,
    /// Rooms of which the oldest messages have expired while something was looked up, and the first
    /// ids that are kept.
    first_ids: BTreeMap<u64, u64>,
    /// Messages, by their rooms and ids, that were deleted when this was the newest ticket: what is
    /// being looked up under it, or one before, may be as it was.
    deleted: VecDeque<(Ticket, u64, Option<u64>)>,
    /// What is to be looked up once this group is durable.
    jobs: Vec<(GroupId, Job)>,
    tickets: u64,
    held_bytes: usize,
    /// Names that no room in the store has, nor one that looks like them. Newcomers need not wait
    /// for that to be found out again each: an empty lobby where nothing was said is kept nowhere.
    absent: VecDeque<RoomName>,
    /// Where those who search at a terminal have got to: few at any time.
    next: BTreeMap<ClientId, NextPage>,
}

/// The next page of a search.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NextPage {
    pub text: Box<str>,
    pub cursor: u64,
}

impl std::fmt::Debug for Questions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Questions").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl Questions {
    /// Asks for a client, and says what it waits for.
    pub fn ask(
        &mut self,
        client: ClientId,
        question: Question,
        reader: Arc<dyn Reader>,
        after: GroupId,
    ) -> Ticket {
        let page = |question: &Question| match question {
            Question::Page(page) => Some(page.room),
            Question::Room { .. }
            | Question::Last(_)
            | Question::Deleted { .. }
            | Question::Search { .. } => None,
        };
        let before = self.asked.get(&client).filter(|before| page(&before.question).is_some());
        let again = before.filter(|before| page(&before.question) == page(&question));
        let times = again.map_or(1, |before| before.times + 1);
        self.forget(client);
        let ticket = match self.being_read(&question) {
            Some(ticket) => ticket,
            None => self.look_up(question.clone(), reader, after),
        };
        if let Some(lookup) = self.lookups.get_mut(&ticket) {
            lookup.askers += 1;
        }
        self.asked.insert(client, Asked { ticket, question, times });
        ticket
    }

    /// The ticket under which a room is being read for somebody else. What it has had is on the disk
    /// since it left memory, or it would be asked for anew: see [`Questions::room_left`].
    fn being_read(&self, question: &Question) -> Option<Ticket> {
        match question {
            Question::Room { name, .. } => self.rooms.get(name.key()).copied(),
            Question::Page(_)
            | Question::Last(_)
            | Question::Deleted { .. }
            | Question::Search { .. } => None,
        }
    }

    fn look_up(&mut self, question: Question, reader: Arc<dyn Reader>, after: GroupId) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let room: Option<Box<str>> = match &question {
            Question::Room { name, .. } => Some(name.key().into()),
            Question::Page(_)
            | Question::Last(_)
            | Question::Deleted { .. }
            | Question::Search { .. } => None,
        };
        self.rooms.extend(room.clone().map(|key| (key, ticket)));
        let run = Box::new(move || Box::new(question.run(&*reader)) as Answer);
        self.jobs.push((after, Job { ticket, lane: Lane::Reading, run }));
        self.lookups.insert(ticket, Lookup { askers: 0, room, found: None });
        ticket
    }

    /// What may be looked up now.
    pub fn take_jobs(&mut self, durable: GroupId) -> Vec<Job> {
        let ready = self.jobs.iter().take_while(|(after, _)| *after <= durable).count();
        self.jobs.drain(..ready).map(|(_, job)| job).collect()
    }

    /// Takes in what was found. Those who had asked for it may have gone, or want something else by
    /// now.
    pub fn complete(&mut self, ticket: Ticket, answer: Answer) {
        let Ok(found) = answer.downcast::<Found>() else { return };
        if let Some(lookup) = self.lookups.get_mut(&ticket) {
            if let Some(key) = lookup.room.take() {
                self.rooms.remove(&key);
            }
            let mut found = *found;
            let deleted = self.deleted.iter().filter(|(newest, ..)| ticket <= *newest);
            deleted.for_each(|&(_, room, id)| delete_from(&mut found, room, id));
            self.held_bytes += bytes_of(&found);
            lookup.found = Some(found);
        }
        self.forget_deleted();
    }

    /// A message was deleted, or with its room all of them: nobody is shown any more what it was.
    pub fn deleted(&mut self, room: RoomId, id: Option<u64>) {
        let Some((&newest, _)) = self.lookups.last_key_value() else { return };
        for found in self.lookups.values_mut().filter_map(|lookup| lookup.found.as_mut()) {
            self.held_bytes -= bytes_of(found);
            delete_from(found, room.get(), id);
            self.held_bytes += bytes_of(found);
        }
        self.deleted.push_back((newest, room.get(), id));
        self.forget_deleted();
    }

    /// What was deleted before all that is being looked up was asked for, is not found by that.
    fn forget_deleted(&mut self) {
        while let Some((newest, ..)) = self.deleted.front()
            && self.lookups.range(..=*newest).all(|(_, lookup)| lookup.found.is_some())
        {
            self.deleted.pop_front();
        }
    }

    /// What this client has asked for, and what was found.
    fn found(&self, client: ClientId) -> Option<(&Asked, &Found)> {
        let asked = self.asked.get(&client)?;
        Some((asked, self.lookups.get(&asked.ticket)?.found.as_ref()?))
    }

    /// What was found of a room that this client asked for: `None` if it has not asked, or has to
    /// ask again.
    pub fn room(&self, client: ClientId, name: &RoomName) -> Option<Result<&FoundRoom, ()>> {
        let (Asked { question: Question::Room { name: other, .. }, .. }, found) =
            self.found(client)?
        else {
            return None;
        };
        let is_it = other == name;
        is_it.then_some(match found {
            Ok(Finding::Room(room)) => Ok(room),
            Ok(_) | Err(_) => Err(()),
        })
    }

    /// Takes the room that was found for this client and those who asked with it: the first of them
    /// puts it into memory, where the others find it.
    pub fn take_room(&mut self, client: ClientId) -> Option<StoredRoom> {
        let ticket = self.asked.get(&client)?.ticket;
        let found = self.lookups.get_mut(&ticket)?.found.as_mut()?;
        let bytes = bytes_of(found);
        let Ok(Finding::Room(FoundRoom { room, .. })) = found else { return None };
        let mut room = room.take()?;
        self.held_bytes -= bytes;
        if let Some(&first_id) = self.first_ids.get(&room.room) {
            room.first_id = room.first_id.max(first_id.min(room.next_id));
            room.newest.retain(|message| message.id >= first_id);
        }
        Some(room)
    }

    /// The oldest messages of a room have expired: what is being read may have them.
    pub fn expired(&mut self, room: u64, first_id: u64) {
        if !self.lookups.is_empty() {
            self.first_ids.insert(room, first_id);
        }
    }

    /// Whether it is known that neither a room of this name is in the store, nor one that looks like
    /// it.
    pub fn is_absent(&self, name: &RoomName) -> bool {
        self.absent.contains(name)
    }

    /// The store has neither a room of this name nor one that looks like it.
    pub fn note_absent(&mut self, name: &RoomName) {
        if !self.is_absent(name) {
            self.absent.truncate(ABSENT_MAX - 1);
            self.absent.push_front(name.clone());
        }
    }

    /// A room of this name is there, and may be hidden: it is looked for like any other.
    pub fn forget_absent(&mut self, name: &RoomName) {
        self.absent.retain(|other| other != name);
    }

    /// The messages that were found for this client, what it asked for, and how often it had to.
    pub fn page(&self, client: ClientId, room: RoomId) -> Option<Page<'_>> {
        let (Asked { question: Question::Page(page), times, .. }, found) = self.found(client)?
        else {
            return None;
        };
        let messages = match found {
            Ok(Finding::Page(_, messages)) => Some(&messages[..]),
            Ok(_) | Err(_) => None,
        };
        (page.room == room.get()).then_some(Page { asked: *page, messages, times: *times })
    }

    /// The last messages that were found for this client, or that they cannot be read; `None` if it
    /// has not asked, or nothing is found yet.
    pub fn last(&self, client: ClientId) -> Option<Result<&[(u64, StoredMessage)], ()>> {
        let (Asked { question: Question::Last(_), .. }, found) = self.found(client)? else {
            return None;
        };
        Some(match found {
            Ok(Finding::Last(messages)) => Ok(messages),
            Ok(_) | Err(_) => Err(()),
        })
    }

    /// The tombstones of a room that were found for this client. `None` as in [`Questions::last`].
    pub fn tombstones(&self, client: ClientId, room: RoomId) -> Option<Tombstones<'_>> {
        let (Asked { question: Question::Deleted { room: of, ids: asked }, .. }, found) =
            self.found(client)?
        else {
            return None;
        };
        let ids = match found {
            Ok(Finding::Deleted { deleted, .. }) => Some(&deleted[..]),
            Ok(_) | Err(_) => None,
        };
        (*of == room.get()).then_some(Tombstones { asked, ids })
    }

    /// What this client waits for, if it searches and nothing is found yet.
    pub fn search_waits(&self, client: ClientId) -> Option<Ticket> {
        let asked = self.asked.get(&client)?;
        let is_search = matches!(asked.question, Question::Search { .. });
        (is_search && self.found(client).is_none()).then_some(asked.ticket)
    }

    pub fn has_searched(&self, client: ClientId) -> bool {
        self.found(client)
            .is_some_and(|(asked, _)| matches!(asked.question, Question::Search { .. }))
    }

    /// What was found for this client.
    pub fn take_search(&mut self, client: ClientId) -> Option<Found> {
        if !self.has_searched(client) {
            return None;
        }
        self.withdraw(client)?.found
    }

    /// What this client searches for next, if it says nothing else.
    pub fn next(&self, client: ClientId) -> Option<&NextPage> {
        self.next.get(&client)
    }

    /// Whether something is still being looked up.
    pub fn is_waiting(&self) -> bool {
        self.lookups.values().any(|lookup| lookup.found.is_none())
    }

    pub fn set_next(&mut self, client: ClientId, next: Option<NextPage>) {
        match next {
            Some(next) => drop(self.next.insert(client, next)),
            None => drop(self.next.remove(&client)),
        }
    }

    /// The client has done what it asked for, or has gone.
    pub fn forget(&mut self, client: ClientId) {
        if !self.asked.is_empty() {
            self.withdraw(client);
        }
    }

    /// The client wants nothing any more. Returns what nobody else wants, either.
    fn withdraw(&mut self, client: ClientId) -> Option<Lookup> {
        let Asked { ticket, .. } = self.asked.remove(&client)?;
        let lookup = self.lookups.get_mut(&ticket)?;
        lookup.askers -= 1;
        if lookup.askers > 0 {
            return None;
        }
        let lookup = self.lookups.remove(&ticket)?;
        self.held_bytes -= lookup.found.as_ref().map_or(0, bytes_of);
        if let Some(key) = &lookup.room {
            self.rooms.remove(key);
        }
        if self.lookups.is_empty() {
            self.first_ids.clear();
        }
        self.forget_deleted();
        Some(lookup)
    }

    /// A room that is kept has left memory: what was found of it, or of names that look like its
    /// name, may be old. It is asked for again.
    pub fn room_left(&mut self, name: &RoomName) {
        self.absent.retain(|other| other != name && !other.is_confusable_with(name));
        let is_about = |asked: &Asked| match &asked.question {
            Question::Room { name: other, .. } => other == name || other.is_confusable_with(name),
            Question::Page(_)
            | Question::Last(_)
            | Question::Deleted { .. }
            | Question::Search { .. } => false,
        };
        let clients = self.asked.iter().filter(|(_, asked)| is_about(asked));
        let clients: Vec<ClientId> = clients.map(|(&client, _)| client).collect();
        clients.into_iter().for_each(|client| self.forget(client));
    }

    /// The texts that were found, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// This client's part of them.
    pub fn held_bytes_of(&self, client: ClientId) -> usize {
        let lookup = self.asked.get(&client).and_then(|asked| self.lookups.get(&asked.ticket));
        let found = lookup.and_then(|lookup| Some((lookup.askers, lookup.found.as_ref()?)));
        found.map_or(0, |(askers, found)| bytes_of(found) / askers.max(1))
    }

    /// All that was asked is of a time that is gone. Tickets go on.
    pub fn clear(&mut self) {
        *self = Questions { tickets: self.tickets, ..Questions::default() };
    }
}

/// Which messages of those that were asked for are tombstones.
#[derive(Clone, Copy, Debug)]
pub struct Tombstones<'a> {
    pub asked: &'a Range<u64>,
    /// `None`: they could not be read.
    pub ids: Option<&'a [u64]>,
}

/// A page that was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    pub asked: PageRequest,
    /// `None`: they could not be read.
    pub messages: Option<&'a [StoredMessage]>,
    pub times: u32,
}
