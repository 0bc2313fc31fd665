//! Which rooms somebody may know of: every room that a client names, or is told of, comes by here.

use super::{Context, Done, no_such_room, not_in_room};
use crate::chat::Chat;
use crate::chat::ids::{RoomId, UserId};
use crate::chat::name::RoomName;
use crate::chat::request::RequestError;
use crate::chat::state::rooms::Room;
use crate::chat::state::rooms::rules::Entry;
use crate::store::Hit;

impl Chat {
    /// The room that a request names, or the one that its sender talks in; an error if the sender
    /// is not a member.
    pub(in crate::chat) fn room_of(
        &self,
        cx: &Context<'_>,
        room: Option<&str>,
    ) -> Result<RoomId, RequestError> {
        let Some(typed) = room else {
            return self.current_room(cx).ok_or_else(|| {
                let message = match self.state.rooms_of(cx.user).next() {
                    Some(_) => "You talk in no room now. /join #ROOM says in which.",
                    None => "You are in no room. Enter one with /join #ROOM.",
                };
                RequestError::new("no_room", message.to_owned())
            });
        };
        let id = self.known_room(cx, typed)?.id;
        match self.state.is_member(cx.user, id) {
            true => Ok(id),
            false => Err(not_in_room(typed)),
        }
    }

    /// Rights are checked again when what has waited is executed.
    pub(super) fn check_member(&self, cx: &Context<'_>, id: RoomId) -> Done {
        if self.state.is_member(cx.user, id) {
            return Ok(());
        }
        let room = self.state.rooms().get(id);
        Err(not_in_room(room.map_or("", |room| room.name.as_str())))
    }

    /// The room that a client talks in.
    pub(super) fn current_room(&self, cx: &Context<'_>) -> Option<RoomId> {
        self.channels.room(self.sessions.get(cx.client)?.current?)
    }

    /// The room in memory that has this name and that the client may know of.
    pub(super) fn known_room(&self, cx: &Context<'_>, typed: &str) -> Result<&Room, RequestError> {
        self.find_room(cx, typed).ok_or_else(|| no_such_room(typed))
    }

    /// The same. Programs name a room with each message, mostly as it is shown and one that they
    /// are in: that is seen without reading the name. (`one_json_message_to_10_members` in
    /// benches/micro.)
    pub(in crate::chat) fn find_room(&self, cx: &Context<'_>, typed: &str) -> Option<&Room> {
        let rooms = self.state.rooms();
        let mut own = self.state.rooms_of(cx.user).filter_map(|id| rooms.get(id));
        own.find(|room| room.name.as_str() == typed)
            .or_else(|| self.known(cx, &RoomName::parse(typed).ok()?))
    }

    /// The room of this name, if the client may know of it.
    pub(in crate::chat) fn known(&self, cx: &Context<'_>, name: &RoomName) -> Option<&Room> {
        self.room_known_to(cx.user, name, cx.unix_ms())
    }

    pub(super) fn room_known_to(
        &self,
        user: UserId,
        name: &RoomName,
        unix_ms: u64,
    ) -> Option<&Room> {
        let rooms = self.state.rooms();
        let room = rooms.find(name.key()).or_else(|| rooms.find_former(name.key(), unix_ms))?;
        self.state.may_know(user, room.id, unix_ms).then_some(room)
    }

    /// The room of this name, for those who show what lets them in.
    pub(super) fn named(&self, name: &RoomName, unix_ms: u64) -> Option<RoomId> {
        let rooms = self.state.rooms();
        let room = rooms.find(name.key()).or_else(|| rooms.find_former(name.key(), unix_ms));
        room.map(|room| room.id)
    }

    /// Whether a room in memory has this name, and the client may not know of it. The store would
    /// find it, too.
    pub(in crate::chat) fn is_hidden(&self, cx: &Context<'_>, name: &RoomName) -> bool {
        self.state.rooms().find(name.key()).is_some() && self.known(cx, name).is_none()
    }

    /// Whether a room is in the list of rooms that somebody is shown.
    pub(in crate::chat) fn is_listed_for(&self, user: UserId, room: &Room) -> bool {
        room.settings().is_in_list() || self.state.is_member(user, room.id)
    }

    /// How many rooms somebody is shown in the list.
    pub(super) fn count_listed_for(&self, user: UserId) -> usize {
        let rooms = self.state.rooms();
        let with_rules = rooms.with_rules().filter_map(|id| rooms.get(id));
        rooms.count() - with_rules.filter(|room| !self.is_listed_for(user, room)).count()
    }

    /// Whether somebody may see who is in a room that it may know of.
    ///
    /// # Errors
    /// It may not.
    pub(super) fn check_sees_members(&self, cx: &Context<'_>, room: &Room, typed: &str) -> Done {
        let sees = match room.settings().entry {
            Entry::All => true,
            Entry::Accounts => self.state.accounts().contains(cx.user),
            Entry::Ask | Entry::Invited => false,
        };
        match sees || self.state.is_member(cx.user, room.id) {
            true => Ok(()),
            false => Err(not_in_room(typed)),
        }
    }

    /// Whether somebody may still be shown what a search has found. A room that is not in memory is
    /// open to all.
    pub(super) fn may_show(&self, cx: &Context<'_>, hit: &Hit) -> bool {
        let room = RoomId::new(hit.room_id).filter(|&id| self.state.rooms().get(id).is_some());
        room.is_none_or(|room| self.state.may_read(cx.user, room, hit.message.id, cx.unix_ms()))
    }
}
