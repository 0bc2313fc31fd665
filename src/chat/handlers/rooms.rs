//! Joining rooms and leaving them.

use super::{Context, Done, no_such_room, shown};
use crate::chat::dialect::render;
use crate::chat::dialect::reply::{JoinedSelf, Reply};
use crate::chat::ids::RoomId;
use crate::chat::name::{NameForms, RoomName};
use crate::chat::record::{Kept, Presence, RoomChange};
use crate::chat::request::{RequestError, Resume};
use crate::chat::state::rooms::rules::{Entry, MemberRecord, RoomRole, RoomSettings};
use crate::chat::{Chat, STAFF_LOG, lobby, staff_log};
use crate::delivery::Wait;
use crate::plural::Count;

impl Chat {
    pub(super) fn join(
        &mut self,
        cx: &mut Context<'_>,
        room: &str,
        code: Option<&str>,
        resume: Option<Resume<'_>>,
        replay: Option<u32>,
    ) -> Done {
        let name =
            RoomName::parse(room).map_err(|error| RequestError::of("room_refused", &error))?;
        if let Some(code) = code {
            self.come_in_by_code(cx, &name, code)?;
        }
        let known = self.known(cx, &name);
        if let Some(room) = known.filter(|room| self.has_to_ask(cx, room)) {
            let id = room.id;
            return self.ask_to_enter(cx, id);
        }
        let was_in = known.is_some_and(|room| self.state.is_member(cx.user, room.id));
        let asked = Box::<str>::from(name.key());
        let id = self.enter(cx, name)?;
        self.hear_followed(cx, id, &asked, resume.as_ref());
        let (Some(room), Some(name)) = (self.state.rooms().get(id), self.name_of(cx.user)) else {
            return Ok(());
        };
        let own = JoinedSelf {
            gap: resume.as_ref().is_some_and(|resume| self.has_gap(cx, room, resume)),
            ..self.joined_self(cx, room)
        };
        let joined = Reply::Joined {
            room: room.name.as_str(),
            name: name.as_str(),
            time: cx.unix_ms(),
            own: Some(own),
            reference: cx.reference,
        };
        let place = self.place_id(cx.client);
        cx.send(|to| {
            place.into_iter().for_each(|place| to.identify(|| place));
            render(to, &joined);
        });
        if !was_in {
            self.tell_others_joined(cx, id);
        }
        if !was_in || resume.is_some() || replay.is_some() {
            let told = self.replay(cx, id, resume, replay);
            self.charge_answer(cx, told);
        }
        self.note_told(cx.client, id);
        Ok(())
    }

    /// Puts a client into a room, which is opened if need be, and makes it the one that it talks
    /// in.
    pub(super) fn enter(
        &mut self,
        cx: &mut Context<'_>,
        name: RoomName,
    ) -> Result<RoomId, RequestError> {
        let known = self.known(cx, &name).map(|room| room.id);
        if let Some(id) = known
            && self.state.is_member(cx.user, id)
        {
            self.sessions.talk_in(cx.client, self.channels.of(id));
            return Ok(id);
        }
        if name.key() == STAFF_LOG {
            return Err(reserved(&name));
        }
        let rooms_max = self.settings.rooms_per_client_max;
        if self.state.rooms_of(cx.user).len() >= rooms_max {
            let rooms = Count(rooms_max, "room");
            let message = format!("You are in {rooms}, and more are not allowed. Leave one first.");
            return Err(RequestError::new("too_many_rooms", message));
        }
        let room = match known {
            Some(id) => {
                self.check_entry(cx, id)?;
                id
            }
            None => self.open(cx, name)?,
        };
        self.happen(cx, Presence::Joined { room });
        Ok(room)
    }

    fn open(&mut self, cx: &mut Context<'_>, name: RoomName) -> Result<RoomId, RequestError> {
        self.check_look(cx, &name, None)?;
        let is_kept = self.state.accounts().contains(cx.user) && name != lobby();
        if is_kept {
            self.check_owned(cx)?;
        }
        self.make_room(cx, &name)?;
        let room = self.state.rooms().next_id();
        self.release_room_names(cx, &name, room);
        self.happen(cx, Kept::Opened { room, name });
        if is_kept {
            self.keep_for(cx, room, RoomSettings::OF_ACCOUNT);
        }
        Ok(room)
    }

    /// A room is one that is kept from now on, and the one that asks is its owner.
    pub(super) fn keep_for(&mut self, cx: &mut Context<'_>, room: RoomId, settings: RoomSettings) {
        self.happen(cx, RoomChange::Set { room, settings });
        let user = cx.user;
        let record = MemberRecord {
            role: RoomRole::Owner,
            may_return: true,
            ..self.state.member_record(user, room)
        };
        self.happen(cx, RoomChange::Recorded { room, user, record });
    }

    /// Whether a client may enter a room that it may know of.
    ///
    /// # Errors
    /// Why it may not.
    pub(super) fn check_entry(&self, cx: &Context<'_>, id: RoomId) -> Done {
        let Some(room) = self.state.rooms().get(id) else { return Ok(()) };
        let (record, name) = (self.state.member_record(cx.user, id), &room.name);
        if record.is_removed(cx.unix_ms()) {
            let message =
                format!("You were removed from {name}. A moderator can let you in again.");
            return Err(RequestError::new("removed", message));
        }
        let is_account = self.state.accounts().contains(cx.user);
        let is_let_in = record.may_return || self.state.room_role(cx.user, id) > RoomRole::Member;
        match room.settings().entry {
            Entry::All => Ok(()),
            _ if is_let_in => Ok(()),
            Entry::Accounts if is_account => Ok(()),
            Entry::Accounts | Entry::Ask if !is_account => {
                let message =
                    format!("{name} is for people with an account. /login NAME, or /register.");
                Err(RequestError::new("login_required", message))
            }
            Entry::Accounts | Entry::Ask => {
                let message =
                    format!("A moderator of {name} has to let you in. /join {name} asks.");
                Err(RequestError::new("not_allowed", message))
            }
            Entry::Invited => Err(no_such_room(name.as_str())),
        }
    }

    /// Refuses a new room that could be taken for one that is there, in memory or not, or whose name
    /// has what would let others in. The lobby's look is always its own, as newcomers have to be put
    /// there.
    /// `except`: the room that is to have this name.
    pub(super) fn check_look(
        &self,
        cx: &Context<'_>,
        name: &RoomName,
        except: Option<RoomId>,
    ) -> Result<(), RequestError> {
        self.check_name_is_no_secret("room_refused", name.as_str(), cx.unix_ms())?;
        let staff_log = staff_log();
        if *name == staff_log || name.is_confusable_with(&staff_log) {
            return Err(reserved(name));
        }
        let lobby = lobby();
        let own = except.and_then(|room| self.state.rooms().get(room));
        let alike: Option<Box<str>> = match name.is_confusable_with(&lobby) {
            _ if *name == lobby && except.is_none() => return Ok(()),
            true => Some(lobby.as_str().into()),
            false => self.alike_here(cx, name, except),
        };
        // What the store has under the name of a room that is renamed is that room.
        let is_own = |alike: &str| own.is_some_and(|own| own.name.as_str() == alike);
        let Some(alike) = alike.filter(|alike| !is_own(alike)) else { return Ok(()) };
        let is_known = RoomName::parse(&alike).is_ok_and(|alike| !self.is_hidden(cx, &alike));
        let is_same = RoomName::parse(&alike).is_ok_and(|alike| alike.key() == name.key());
        let message = match is_known {
            true if is_same => format!("There is a room {alike} already. Choose another name."),
            true => format!(
                "The room {name} looks like {alike}, which is another one. Join that, or choose \
                 another name."
            ),
            false => format!("No room can be called {name} here. Choose another name."),
        };
        Err(RequestError::new("room_refused", message))
    }

    /// The name of a room that this one could be taken for, in memory or not.
    fn alike_here(
        &self,
        cx: &Context<'_>,
        name: &RoomName,
        except: Option<RoomId>,
    ) -> Option<Box<str>> {
        let rooms = self.state.rooms();
        if let Some(room) = rooms.find_alike(name, except) {
            return Some(room.name.as_str().into());
        }
        let former = rooms.former().find_alike(name, except);
        let former = former.filter(|former| cx.unix_ms() < former.until_ms);
        match former.and_then(|former| rooms.get(former.room)) {
            Some(room) => Some(room.name.as_str().into()),
            None => self.alike_in_store(cx, name),
        }
    }

    pub(super) fn leave(&mut self, cx: &mut Context<'_>, room: Option<&str>) -> Done {
        let id = self.room_of(cx, room)?;
        if self.is_staff_log(id) {
            let message = "You are in #staff-log for as long as you are one of the staff.";
            return Err(RequestError::new("not_allowed", message.to_owned()));
        }
        if let Some(channel) = self.channels.of(id) {
            self.give_back(cx, Some(Wait::ChannelClear(channel)));
        }
        let name = self.state.rooms().get(id).map(|room| room.name.clone());
        let others = self.other_devices(cx);
        let silenced = self.talking_in(id, others.iter().copied());
        let leaves_its_room = self.current_room(cx) == Some(id);
        self.happen(cx, Presence::Left { room: id, reason: None });
        if leaves_its_room {
            // It has asked for that, and is told where it talks now.
            let other = self.state.rooms_of(cx.user).last();
            self.sessions.talk_in(cx.client, other.and_then(|room| self.channels.of(room)));
        }
        let (Some(room), Some(name)) = (name, self.name_of(cx.user)) else { return Ok(()) };
        let (room, name, time) = (room.as_str(), name.as_str(), cx.unix_ms());
        let left = |reference| {
            let (reason, by, you) = (None, None, true);
            Reply::Left { room, name, time, reason, by, you, reference }
        };
        self.tell_devices(cx, &others, &left(None));
        for client in silenced {
            self.notice_nowhere(client, cx.user, cx.out);
        }
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
            let here = self.state.rooms().get(room);
            let may_say = here.is_some_and(|here| self.check_may_say(cx, here).is_ok());
            let reason = reason.as_deref().filter(|_| may_say).map(Box::from);
            self.happen(cx, Presence::Left { room, reason });
        }
    }
}

fn reserved(name: &RoomName) -> RequestError {
    let message = format!("The name {name} is reserved. Choose another one.");
    RequestError::new("room_refused", message)
}
