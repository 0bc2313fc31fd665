//! Rooms that nobody is in: which of them makes place for others.

use super::Rooms;
use crate::chat::LOBBY;
use crate::chat::ids::RoomId;

impl Rooms {
    /// The room that can best be done without: deserted for longest.
    pub fn most_vacant(&self) -> Option<RoomId> {
        let stays = |id: RoomId| self.get(id).is_some_and(|room| self.stays(room));
        self.vacant.iter().map(|&(_, id)| id).find(|&id| !stays(id))
    }

    /// Of the rooms that are kept for somebody, the one that can best be done without: nobody has ever
    /// said anything there, it has no topic, and nobody has been a member for longest. `is_awaited`: something
    /// is on its way there.
    pub fn most_vacant_void(&self, is_awaited: impl Fn(RoomId) -> bool) -> Option<RoomId> {
        let makes_way = |id: RoomId| {
            self.get(id).is_some_and(|room| {
                let is_new = room.history.next_id() == 1 && room.topic.is_empty();
                is_new && room.name.key() != LOBBY
            })
        };
        self.vacant.iter().map(|&(_, id)| id).find(|&id| makes_way(id) && !is_awaited(id))
    }
}
