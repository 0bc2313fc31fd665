//! Rooms that nobody is in: which of them makes place for others.

use super::{Room, Rooms};
use crate::chat::LOBBY;
use crate::chat::ids::RoomId;

impl Rooms {
    /// The room that can best be done without: deserted for longest.
    pub fn most_vacant(&self) -> Option<RoomId> {
        let stays = |id: RoomId| self.get(id).is_some_and(|room| self.stays(room));
        self.vacant.iter().map(|&(_, id)| id).find(|&id| !stays(id))
    }

    /// Of the rooms that are kept for somebody, the one that can best be done without: nobody has ever
    /// said anything there, and nobody has been a member for longest.
    pub fn most_vacant_void(&self) -> Option<RoomId> {
        let is_void = |id: RoomId| self.get(id).is_some_and(Room::is_void);
        let is_lobby = |id| self.get(id).is_some_and(|room| room.name.key() == LOBBY);
        self.vacant.iter().map(|&(_, id)| id).find(|&id| is_void(id) && !is_lobby(id))
    }
}
