//! What can be looked up, and what is found.

use std::ops::Range;

use crate::chat::name::{NameForms, RoomName};
use crate::chat::state::history::HistoryLimits;
use crate::store::{
    self, FoundRoom, Hit, PageRequest, Reader, SearchRequest, StoreError, StoredMessage,
};

/// What can be asked.
#[derive(Clone, Debug)]
pub enum Question {
    /// A room that is not in memory, with so many of its newest messages.
    Room { name: RoomName, newest: HistoryLimits },
    /// Messages that are not in memory.
    Page(PageRequest),
    /// The last messages of several rooms.
    Last(Vec<PageRequest>),
    /// Which of these messages of a room are tombstones.
    Deleted { room: u64, ids: Range<u64> },
    /// `room`: the one to search in, if it is not all that may be read.
    Search { room: Option<RoomName>, search: SearchRequest },
}

/// What was found.
#[derive(Debug)]
pub enum Finding {
    Room(FoundRoom),
    /// With the number of their room.
    Page(u64, Vec<StoredMessage>),
    /// With the numbers of their rooms.
    Last(Vec<(u64, StoredMessage)>),
    /// In ascending order, of those that were asked for.
    Deleted {
        room: u64,
        ids: Range<u64>,
        deleted: Vec<u64>,
    },
    Search(store::Found),
    /// The room to search in is not one that is kept.
    NoRoom,
}

pub type Found = Result<Finding, StoreError>;

impl Question {
    /// Looks it up; slow.
    pub(super) fn run(&self, reader: &dyn Reader) -> Found {
        match self {
            Question::Room { name, newest } => {
                let skeletons: Vec<Box<str>> = name.skeletons().iter().map(Box::from).collect();
                let (messages_max, bytes_max) = (newest.messages_max, newest.bytes_max);
                reader.room(name.key(), &skeletons, messages_max, bytes_max).map(Finding::Room)
            }
            Question::Page(page) => {
                reader.page(page).map(|messages| Finding::Page(page.room, messages))
            }
            Question::Last(pages) => {
                let last = |page: &PageRequest| {
                    let found = reader.page(page)?.pop();
                    Ok(found.map(|message| (page.room, message)))
                };
                let found: Result<Vec<_>, StoreError> = pages.iter().map(last).collect();
                found.map(|found| Finding::Last(found.into_iter().flatten().collect()))
            }
            Question::Deleted { room, ids } => {
                let (room, ids) = (*room, ids.clone());
                reader.deleted(room, ids.clone()).map(|deleted| Finding::Deleted {
                    room,
                    ids,
                    deleted,
                })
            }
            Question::Search { room: None, search } => reader.search(search).map(Finding::Search),
            Question::Search { room: Some(name), search } => {
                let Some(room) = reader.room(name.key(), &[], 0, 0)?.room else {
                    return Ok(Finding::NoRoom);
                };
                // What may not be read there is not there.
                let is_hidden =
                    |&(id, from): &(u64, Option<u64>)| id == room.room && from.is_none();
                if search.restricted.iter().any(is_hidden) {
                    return Ok(Finding::NoRoom);
                }
                let search = SearchRequest { rooms: Some(vec![room.room]), ..search.clone() };
                reader.search(&search).map(Finding::Search)
            }
        }
    }
}

/// Leaves a tombstone of a message in what was found; a search does not find those.
pub(super) fn delete_from(found: &mut Found, room: u64, id: Option<u64>) {
    let Ok(found) = found else { return };
    let is_deleted = |message: &StoredMessage| id.is_none_or(|id| message.id == id);
    let of_room = |messages: &mut [StoredMessage]| {
        messages.iter_mut().filter(|it| is_deleted(it)).for_each(StoredMessage::delete);
    };
    match found {
        Finding::Room(FoundRoom { room: Some(found), .. }) if found.room == room => {
            of_room(&mut found.newest);
        }
        Finding::Page(of, messages) if *of == room => of_room(messages),
        Finding::Last(last) => {
            let meant = last.iter_mut().filter(|(of, _)| *of == room);
            meant.for_each(|(_, message)| of_room(std::slice::from_mut(message)));
        }
        Finding::Deleted { room: of, ids, deleted } if *of == room => {
            if let Some(id) = id.filter(|id| ids.contains(id))
                && let Err(place) = deleted.binary_search(&id)
            {
                deleted.insert(place, id);
            }
        }
        Finding::Search(found) => {
            found.hits.retain(|hit| hit.room_id != room || !is_deleted(&hit.message));
        }
        Finding::Room(_) | Finding::Page(..) | Finding::Deleted { .. } | Finding::NoRoom => {}
    }
}

pub(super) fn bytes_of(found: &Found) -> usize {
    match found {
        Ok(Finding::Page(_, messages)) => messages.iter().map(message_bytes).sum(),
        Ok(Finding::Room(FoundRoom { room: Some(room), .. })) => {
            room.newest.iter().map(message_bytes).sum()
        }
        Ok(Finding::Last(messages)) => messages.iter().map(|(_, it)| message_bytes(it)).sum(),
        Ok(Finding::Deleted { deleted, .. }) => size_of_val(&**deleted),
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
