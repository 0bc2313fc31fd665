//! What somebody has said, in the state.

use super::State;
use super::history::Message;
use super::keys::{First, Scope};
use crate::chat::ids::{RoomId, UserId};

impl State {
    /// What [`State::apply`] does with what somebody has said, without a record of it.
    pub(in crate::chat) fn say(
        &mut self,
        by: UserId,
        room: RoomId,
        id: u64,
        message: Message,
        key: Option<&str>,
        unix_ms: u64,
    ) {
        let first = First { id, unix_ms };
        if let Some(key) = key {
            self.keys.insert(Scope::Room(room), message.account(), key, first);
        }
        if message.account().is_none() && by != UserId::SERVER {
            self.guest_words.add(by, room, id);
        }
        self.rooms.say(room, id, message);
        if !self.accounts.is_empty() {
            self.readings.advance(by, room, id);
        }
    }
}
