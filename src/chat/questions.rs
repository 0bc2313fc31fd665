//! What only the store knows: who asks, what has been found, and the work of looking it up.
//!
//! A request that needs something from the store waits for a ticket and is offered again when that
//! is done; then it finds its answer here. A client asks one thing at a time, as its requests are
//! served one by one. What is looked up was recorded before it was asked for: the work begins once
//! that is durable, so an answer is never behind what memory knew then.
//!
//! To ask for something else: a variant of [`Question`] and one of [`Finding`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::chat::ids::RoomId;
use crate::chat::name::{NameForms, RoomName};
use crate::chat::state::history::HistoryLimits;
use crate::ids::{ClientId, GroupId, Ticket};
use crate::service::{Answer, Job};
use crate::store::{
    self, FoundRoom, Hit, PageRequest, Reader, SearchRequest, StoreError, StoredMessage,
};

/// Names that are remembered as those of no room in the store.
const ABSENT_MAX: usize = 16;

/// What can be asked.
#[derive(Clone, Debug)]
pub enum Question {
    /// A room that is not in memory, with so many of its newest messages.
    Room { name: RoomName, newest: HistoryLimits },
    /// Messages that are not in memory.
    Page(PageRequest),
    /// `room`: the one to search in, if it is not all that may be read.
    Search { room: Option<RoomName>, search: SearchRequest },
}

/// What was found.
#[derive(Debug)]
pub enum Finding {
    Room(FoundRoom),
    Page(Vec<StoredMessage>),
    Search(store::Found),
    /// The room to search in is not one that is kept.
    NoRoom,
}

pub type Found = Result<Finding, StoreError>;

impl Question {
    /// Looks it up; slow.
    fn run(&self, reader: &dyn Reader) -> Found {
        match self {
            Question::Room { name, newest } => {
                let skeletons: Vec<Box<str>> = name.skeletons().iter().map(Box::from).collect();
                let (messages_max, bytes_max) = (newest.messages_max, newest.bytes_max);
                reader.room(name.key(), &skeletons, messages_max, bytes_max).map(Finding::Room)
            }
            Question::Page(page) => reader.page(page).map(Finding::Page),
            Question::Search { room: None, search } => reader.search(search).map(Finding::Search),
            Question::Search { room: Some(name), search } => {
                let Some(room) = reader.room(name.key(), &[], 0, 0)?.room else {
                    return Ok(Finding::NoRoom);
                };
                let search = SearchRequest { rooms: Some(vec![room.room]), ..search.clone() };
                reader.search(&search).map(Finding::Search)
            }
        }
    }
}

/// What the worker brings back.
struct Brought {
    client: ClientId,
    found: Found,
}

#[derive(Debug)]
struct Asked {
    ticket: Ticket,
    question: Question,
    found: Option<Found>,
    /// How often it was asked, as what was found was too old by the time it came.
    times: u32,
}

/// See the module's documentation.
///
/// Invariant: `held_bytes` is the sum of the texts that were found.
#[derive(Default)]
pub struct Questions {
    asked: BTreeMap<ClientId, Asked>,
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
#[derive(Clone, Debug)]
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
        let times = match (self.asked.get(&client), &question) {
            (Some(Asked { question: Question::Page(before), times, .. }), Question::Page(page))
                if before.room == page.room =>
            {
                times + 1
            }
            _ => 1,
        };
        self.forget(client);
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let to_run = question.clone();
        let run =
            Box::new(move || Box::new(Brought { client, found: to_run.run(&*reader) }) as Answer);
        self.jobs.push((after, Job { ticket, run }));
        self.asked.insert(client, Asked { ticket, question, found: None, times });
        ticket
    }

    /// What may be looked up now.
    pub fn take_jobs(&mut self, durable: GroupId) -> Vec<Job> {
        let ready = self.jobs.iter().take_while(|(after, _)| *after <= durable).count();
        self.jobs.drain(..ready).map(|(_, job)| job).collect()
    }

    /// Takes in what was found. Returns who had asked for it; it may have gone, or want something
    /// else by now.
    pub fn complete(&mut self, ticket: Ticket, answer: Answer) -> Option<ClientId> {
        let Brought { client, found } = *answer.downcast::<Brought>().ok()?;
        if let Some(asked) = self.asked.get_mut(&client).filter(|asked| asked.ticket == ticket) {
            self.held_bytes += bytes_of(&found);
            asked.found = Some(found);
        }
        Some(client)
    }

    /// What was found of a room that this client asked for: `None` if it has not asked, or has to
    /// ask again.
    pub fn room(
        &mut self,
        client: ClientId,
        name: &RoomName,
    ) -> Option<Result<&mut FoundRoom, ()>> {
        let asked = self.asked.get_mut(&client)?;
        match (&asked.question, asked.found.as_mut()?) {
            (Question::Room { name: other, .. }, found) if other == name => match found {
                Ok(Finding::Room(room)) => Some(Ok(room)),
                Ok(Finding::Page(_) | Finding::Search(_) | Finding::NoRoom) | Err(_) => {
                    Some(Err(()))
                }
            },
            (Question::Room { .. } | Question::Page(_) | Question::Search { .. }, _) => None,
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

    /// The messages that were found for this client, what it asked for, and how often it had to.
    pub fn page(&self, client: ClientId, room: RoomId) -> Option<Page<'_>> {
        let asked = self.asked.get(&client)?;
        match (&asked.question, asked.found.as_ref()?) {
            (Question::Page(page), found) if page.room == room.get() => {
                let messages = match found {
                    Ok(Finding::Page(messages)) => Some(&messages[..]),
                    Ok(Finding::Room(_) | Finding::Search(_) | Finding::NoRoom) | Err(_) => None,
                };
                Some(Page { asked: *page, messages, times: asked.times })
            }
            (Question::Room { .. } | Question::Page(_) | Question::Search { .. }, _) => None,
        }
    }

    /// What this client waits for, if it searches and nothing is found yet.
    pub fn search_waits(&self, client: ClientId) -> Option<Ticket> {
        let asked = self.asked.get(&client)?;
        let is_search = matches!(asked.question, Question::Search { .. });
        (is_search && asked.found.is_none()).then_some(asked.ticket)
    }

    pub fn has_searched(&self, client: ClientId) -> bool {
        self.asked.get(&client).is_some_and(|asked| {
            matches!(asked.question, Question::Search { .. }) && asked.found.is_some()
        })
    }

    /// What was found for this client.
    pub fn take_search(&mut self, client: ClientId) -> Option<Found> {
        if !self.has_searched(client) {
            return None;
        }
        let found = self.asked.remove(&client)?.found?;
        self.held_bytes -= bytes_of(&found);
        Some(found)
    }

    /// What this client searches for next, if it says nothing else.
    pub fn next(&self, client: ClientId) -> Option<&NextPage> {
        self.next.get(&client)
    }

    pub fn set_next(&mut self, client: ClientId, next: Option<NextPage>) {
        match next {
            Some(next) => drop(self.next.insert(client, next)),
            None => drop(self.next.remove(&client)),
        }
    }

    /// The client has done what it asked for, or has gone.
    pub fn forget(&mut self, client: ClientId) {
        if self.asked.is_empty() {
            return;
        }
        if let Some(Asked { found: Some(found), .. }) = self.asked.remove(&client) {
            self.held_bytes -= bytes_of(&found);
        }
    }

    /// A room that is kept has left memory: what was found of it, or of names that look like its
    /// name, may be old. It is asked for again.
    pub fn room_left(&mut self, name: &RoomName) {
        self.absent.retain(|other| other != name && !other.is_confusable_with(name));
        let is_about = |asked: &Asked| match &asked.question {
            Question::Room { name: other, .. } => other == name || other.is_confusable_with(name),
            Question::Page(_) | Question::Search { .. } => false,
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
        let found = self.asked.get(&client).and_then(|asked| asked.found.as_ref());
        found.map_or(0, bytes_of)
    }

    /// All that was asked is of a time that is gone. Tickets go on.
    pub fn clear(&mut self) {
        *self = Questions { tickets: self.tickets, ..Questions::default() };
    }
}

/// A page that was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    pub asked: PageRequest,
    /// `None`: they could not be read.
    pub messages: Option<&'a [StoredMessage]>,
    pub times: u32,
}

fn bytes_of(found: &Found) -> usize {
    match found {
        Ok(Finding::Page(messages)) => messages.iter().map(message_bytes).sum(),
        Ok(Finding::Room(FoundRoom { room: Some(room), .. })) => {
            room.newest.iter().map(message_bytes).sum()
        }
        Ok(Finding::Search(found)) => found.hits.iter().map(hit_bytes).sum(),
        Ok(Finding::Room(_) | Finding::NoRoom) | Err(_) => 0,
    }
}

fn hit_bytes(hit: &Hit) -> usize {
    size_of::<Hit>() - size_of::<StoredMessage>() + hit.room.len() + message_bytes(&hit.message)
}

fn message_bytes(message: &StoredMessage) -> usize {
    size_of::<StoredMessage>() + message.author.len() + message.text.len()
}
