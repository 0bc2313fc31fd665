//! Rooms that another process has had.

use super::Rooms;
use crate::chat::ids::RoomId;
use crate::chat::name::RoomName;
use crate::chat::state::history::History;

/// What is known of a room that another process has had, beside what was said there.
pub(in crate::chat::state) struct RestoredRoom {
    pub room: RoomId,
    pub name: RoomName,
    pub topic: Box<str>,
    pub kept_from: Option<u64>,
    pub next_id: u64,
}

impl Rooms {
    /// The highest message id of any room that is no more.
    pub(in crate::chat::state) fn ids_used(&self) -> u64 {
        self.ids_used
    }

    /// Adds a room that another process has had in memory, without what was said there: a store has
    /// that, if it knows of the room.
    pub(in crate::chat::state) fn restore(&mut self, room: RestoredRoom) {
        let RestoredRoom { room: id, name, topic, kept_from, next_id } = room;
        self.next_id = self.next_id.max(id.next());
        self.insert(id, name, topic, History::new(next_id), kept_from);
    }

    /// Ids go on from these.
    pub(in crate::chat::state) fn continue_from(&mut self, next_id: RoomId, ids_used: u64) {
        self.next_id = self.next_id.max(next_id);
        self.ids_used = self.ids_used.max(ids_used);
    }
}
