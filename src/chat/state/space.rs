//! Place for what is said: which rooms and texts make it.

use super::State;
use crate::chat::ids::RoomId;
use crate::chat::record::{Cached, Event, Kept};
use crate::chat::state::rooms::Room;

impl State {
    /// What has to happen next now that something happened in a room: one without members and
    /// messages closes; if all histories together are over their limit, deserted rooms and quiet
    /// conversations close first, and then the room that grows forgets the older half of what was
    /// said there. With a store, deserted rooms are unloaded, and so are the texts of quiet
    /// conversations and the older half.
    pub fn consequence(&self, room: RoomId) -> Option<Event> {
        let here = self.rooms.get(room)?;
        // Without a store, a conversation of which nothing can be kept is there all the same.
        let is_conversation = || here.between().is_some();
        let can_close = || here.rules().is_none() && (!is_conversation() || self.rooms.has_store);
        if here.members().is_empty() && here.is_void() && can_close() {
            return Some(Kept::Closed { room }.into());
        }
        if !self.rooms.is_over_bytes() {
            return None;
        }
        match self.rooms.quietest() {
            Some(quiet) if (self.rooms.has_store || is_conversation()) && quiet == room => {
                self.cut(here)
            }
            Some(quiet) => Some(self.without(quiet)),
            None => self.cut(here),
        }
    }

    /// What makes place where a room is that can be done without. Of a conversation that is kept,
    /// only the texts can.
    pub fn without(&self, room: RoomId) -> Event {
        let is_conversation = self.rooms.get(room).is_some_and(|room| room.between().is_some());
        match self.rooms.has_store {
            true if is_conversation => Kept::HistoryCut { room, messages_kept: 0 }.into(),
            true => Cached::Unloaded { room }.into(),
            false => Kept::Closed { room }.into(),
        }
    }

    fn cut(&self, room: &Room) -> Option<Event> {
        let kept = Kept::HistoryCut { room: room.id, messages_kept: room.history.len() / 2 };
        (!room.history.is_empty()).then_some(kept.into())
    }
}
