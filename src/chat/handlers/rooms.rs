//! Joining rooms and leaving them.

use super::{Context, Done, shown};
use crate::chat::dialect::reply::{JoinedSelf, Reply};
use crate::chat::ids::RoomId;
use crate::chat::name::{NameForms, RoomName};
use crate::chat::record::{Kept, Presence};
use crate::chat::request::{RequestError, Resume};
use crate::chat::{Chat, lobby};
use crate::delivery::Wait;

impl Chat {
    pub(super) fn join(
        &mut self,
        cx: &mut Context<'_>,
        room: &str,
        resume: Option<Resume<'_>>,
        replay: Option<u32>,
    ) -> Done {
        let name =
            RoomName::parse(room).map_err(|error| RequestError::of("room_refused", &error))?;
        let known = self.state.rooms().find(name.key());
        let was_in = known.is_some_and(|room| self.state.is_member(cx.user, room.id));
        let id = self.enter(cx, name)?;
        let (Some(room), Some(name)) = (self.state.rooms().get(id), self.name_of(cx.user)) else {
            return Ok(());
        };
        let own = JoinedSelf {
            you: true,
            position: room.history.next_id() - 1,
            gap: resume.as_ref().is_some_and(|resume| self.has_gap(room, resume)),
            members: room.member_count(),
            topic: &room.topic,
            reading: self.reading_line(cx.user, id),
        };
        let joined = Reply::Joined {
            room: room.name.as_str(),
            name: name.as_str(),
            time: cx.unix_ms(),
            own: Some(own),
            reference: cx.reference,
        };
        cx.reply(&joined);
        if !was_in {
            self.tell_others_joined(cx, id);
        }
        if !was_in || resume.is_some() || replay.is_some() {
            let told = self.replay(cx, id, resume, replay);
            self.charge_answer(cx, told);
        }
        Ok(())
    }

    /// Puts a client into a room, which is opened if need be, and makes it the one that it talks
    /// in.
    pub(super) fn enter(
        &mut self,
        cx: &mut Context<'_>,
        name: RoomName,
    ) -> Result<RoomId, RequestError> {
        let known = self.state.rooms().find(name.key()).map(|room| room.id);
        if let Some(id) = known
            && self.state.is_member(cx.user, id)
        {
            self.sessions.talk_in(cx.client, self.channels.of(id));
            return Ok(id);
        }
        let rooms_max = self.settings.rooms_per_client_max;
        if self.state.rooms_of(cx.user).len() >= rooms_max {
            let message =
                format!("You are in {rooms_max} rooms, and more are not allowed. Leave one first.");
            return Err(RequestError::new("too_many_rooms", message));
        }
        let room = match known {
            Some(id) => id,
            None => self.open(cx, name)?,
        };
        self.happen(cx, Presence::Joined { room });
        Ok(room)
    }

    fn open(&mut self, cx: &mut Context<'_>, name: RoomName) -> Result<RoomId, RequestError> {
        self.check_look(cx, &name)?;
        self.make_room(cx, &name)?;
        let room = self.state.rooms().next_id();
        self.happen(cx, Kept::Opened { room, name });
        Ok(room)
    }

    /// Refuses a new room that could be taken for one that is there, in memory or not. The lobby's
    /// look is always its own, as newcomers have to be put there.
    fn check_look(&mut self, cx: &Context<'_>, name: &RoomName) -> Result<(), RequestError> {
        let lobby = lobby();
        let alike = match name.is_confusable_with(&lobby) {
            _ if *name == lobby => return Ok(()),
            true => Some(lobby.as_str().into()),
            false => match self.state.rooms().find_alike(name) {
                Some(room) => Some(room.name.as_str().into()),
                None => self.alike_in_store(cx, name),
            },
        };
        alike.map_or(Ok(()), |alike| {
            let message = format!(
                "The room {name} looks like {alike}, which is another one. Join that, or choose \
                 another name."
            );
            Err(RequestError::new("room_refused", message))
        })
    }

    pub(super) fn leave(&mut self, cx: &mut Context<'_>, room: Option<&str>) -> Done {
        let id = self.room_of(cx, room)?;
        if let Some(channel) = self.channels.of(id) {
            self.give_back(cx, Some(Wait::ChannelClear(channel)));
        }
        let name = self.state.rooms().get(id).map(|room| room.name.clone());
        self.happen(cx, Presence::Left { room: id, reason: None });
        let (Some(room), Some(name)) = (name, self.name_of(cx.user)) else { return Ok(()) };
        let (room, name, time) = (room.as_str(), name.as_str(), cx.unix_ms());
        let left = |reference| Reply::Left { room, name, time, reason: None, you: true, reference };
        let others = self.other_devices(cx);
        self.tell_devices(cx, &others, &left(None));
        let reference = cx.reference;
        cx.reply(&left(reference));
        let current = self.current_room(cx).and_then(|id| self.state.rooms().get(id));
        match current {
            Some(current) => cx.notice(format_args!("* You talk in {} now.", current.name)),
            None => {
                cx.notice(format_args!("* You are in no room now. Enter one with /join #ROOM."));
            }
        }
        Ok(())
    }

    /// Takes a client out of all its rooms.
    pub(in crate::chat) fn leave_all(&mut self, cx: &mut Context<'_>, reason: Option<&str>) {
        let reason = reason.and_then(|reason| shown(reason).ok());
        let rooms: Vec<RoomId> = self.state.rooms_of(cx.user).collect();
        for room in rooms {
            let reason = reason.as_deref().map(Box::from);
            self.happen(cx, Presence::Left { room, reason });
        }
    }
}
