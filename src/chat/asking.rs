//! What only the store can find: who asks, what has been found, and the work of looking it up.
//!
//! A search waits for a ticket and is offered again when that is done; then it finds its answer
//! here. A client asks one thing at a time, as its requests are served one by one.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::sync::Arc;

use crate::chat::name::RoomName;
use crate::ids::{ClientId, Ticket};
use crate::service::{Answer, Job};
use crate::store::{Found, Reader, SearchRequest, StoreError};

/// What can be asked.
#[derive(Clone, Debug)]
pub enum Question {
    /// `room`: the one to search in, if it is not all that may be read.
    Search { room: Option<RoomName>, search: SearchRequest },
}

/// What was found.
#[derive(Debug)]
pub enum Finding {
    Search(Found),
    /// The room to search in is not one that is kept.
    NoRoom,
}

type Result = std::result::Result<Finding, StoreError>;

impl Question {
    /// Looks it up; slow.
    fn run(self, reader: &dyn Reader) -> Result {
        let Question::Search { room, mut search } = self;
        if let Some(name) = room {
            match reader.room(name.key(), &[], 0, 0)?.room {
                Some(room) => search.rooms = Some(vec![room.room]),
                None => return Ok(Finding::NoRoom),
            }
        }
        reader.search(&search).map(Finding::Search)
    }
}

/// What the worker brings back.
struct Brought {
    client: ClientId,
    result: Result,
}

#[derive(Debug)]
struct Asked {
    ticket: Ticket,
    result: Option<Result>,
}

/// See the module's documentation.
///
/// Invariant: `held_bytes` is the sum of what was found and not yet told.
#[derive(Default)]
pub struct Asking {
    reader: Option<Arc<dyn Reader>>,
    asked: BTreeMap<ClientId, Asked>,
    jobs: Vec<Job>,
    tickets: u64,
    held_bytes: usize,
    /// Where those who search at a terminal have got to: few at any time.
    next: BTreeMap<ClientId, Next>,
}

/// The next page of a search.
#[derive(Clone, Debug)]
pub struct Next {
    pub text: Box<str>,
    pub cursor: u64,
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl Asking {
    pub fn of(reader: Arc<dyn Reader>) -> Asking {
        Asking { reader: Some(reader), ..Asking::default() }
    }

    /// Whether there is anybody to ask.
    pub fn is_possible(&self) -> bool {
        self.reader.is_some()
    }

    /// What this client waits for, if it has asked and nothing is found yet.
    pub fn waits(&self, client: ClientId) -> Option<Ticket> {
        let asked = self.asked.get(&client)?;
        asked.result.is_none().then_some(asked.ticket)
    }

    pub fn has_answer(&self, client: ClientId) -> bool {
        self.asked.get(&client).is_some_and(|asked| asked.result.is_some())
    }

    /// Asks for a client, and says what it waits for; `None` if there is nobody to ask.
    pub fn ask(&mut self, client: ClientId, question: Question) -> Option<Ticket> {
        let reader = self.reader.clone()?;
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let run = move || {
            let result = question.run(&*reader);
            Box::new(Brought { client, result }) as Answer
        };
        self.jobs.push(Job { ticket, run: Box::new(run) });
        self.asked.insert(client, Asked { ticket, result: None });
        Some(ticket)
    }

    pub fn take_jobs(&mut self) -> Vec<Job> {
        mem::take(&mut self.jobs)
    }

    /// Takes in what was found; who had asked may have gone.
    pub fn complete(&mut self, ticket: Ticket, answer: Answer) {
        let Ok(brought) = answer.downcast::<Brought>() else { return };
        let Brought { client, result } = *brought;
        if let Some(asked) = self.asked.get_mut(&client).filter(|asked| asked.ticket == ticket) {
            self.held_bytes += bytes_of(&result);
            asked.result = Some(result);
        }
    }

    /// What was found for this client.
    pub fn take(&mut self, client: ClientId) -> Option<Result> {
        let result = self.asked.remove(&client)?.result?;
        self.held_bytes -= bytes_of(&result);
        Some(result)
    }

    /// What this client searches for next, if it says nothing else.
    pub fn next(&self, client: ClientId) -> Option<&Next> {
        self.next.get(&client)
    }

    pub fn set_next(&mut self, client: ClientId, next: Option<Next>) {
        match next {
            Some(next) => drop(self.next.insert(client, next)),
            None => drop(self.next.remove(&client)),
        }
    }

    /// The client has gone.
    pub fn forget(&mut self, client: ClientId) {
        self.take(client);
        self.next.remove(&client);
    }

    /// What was found and not yet told, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// This client's part of it.
    pub fn held_bytes_of(&self, client: ClientId) -> usize {
        let result = self.asked.get(&client).and_then(|asked| asked.result.as_ref());
        result.map_or(0, bytes_of)
    }
}

fn bytes_of(result: &Result) -> usize {
    let Ok(Finding::Search(found)) = result else { return 0 };
    let bytes = |hit: &crate::store::Hit| {
        size_of_val(hit) + hit.room.len() + hit.message.author.len() + hit.message.text.len()
    };
    found.hits.iter().map(bytes).sum()
}
