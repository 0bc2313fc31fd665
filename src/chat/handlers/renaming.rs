//! Another name for a room, and its end.

use super::{Context, Done};
use crate::chat::dialect::acts::Act;
use crate::chat::dialect::reply::{Reply, RoomState};
use crate::chat::ids::{RoomId, UserId};
use crate::chat::name::{Name, NameForms, RoomName};
use crate::chat::record::{Kept, RoomChange};
use crate::chat::request::RequestError;
use crate::chat::state::rooms::Room;
use crate::chat::state::rooms::rules::{Entry, MemberRecord, RoomRole, RoomRules};
use crate::chat::{Chat, LOBBY};
use crate::ids::ClientId;

/// A room has at most so many names that lead to it, without its own.
const FORMER_MAX: usize = 3;

impl Chat {
    pub(super) fn rename_room(&mut self, cx: &mut Context<'_>, id: RoomId, typed: &str) -> Done {
        let name =
            RoomName::parse(typed).map_err(|error| RequestError::of("room_refused", &error))?;
        let Some(room) = self.state.rooms().get(id) else { return Ok(()) };
        check_kept(room)?;
        if room.name.as_str() == name.as_str() {
            self.tell_settings(cx, id);
            return Ok(());
        }
        let from = room.name.clone();
        self.check_look(cx, &name, Some(id))?;
        self.release_room_names(cx, &name, id);
        self.questions.room_left(&from);
        self.questions.forget_absent(&name);
        let to = name.to_string();
        self.happen(cx, RoomChange::Renamed { room: id, name });
        self.release_most(cx, id);
        let act = Act::Renamed { from: from.as_str() };
        let act = self.sentence(cx.user, &to, act);
        self.log_act_in(cx, id, &act);
        if !self.state.is_member(cx.user, id)
            && let Some(room) = self.state.rooms().get(id)
        {
            let (from, reference) = (Some(from.as_str()), cx.reference);
            let by = self.name_of(cx.user).map(Name::as_str);
            let state = self.room_state(room, room.settings());
            cx.reply(&Reply::Room(RoomState { from, by, reference, ..state }));
        }
        Ok(())
    }

    /// Names that look like this one and that rooms have had, which are over, or the room's own.
    pub(super) fn release_room_names(
        &mut self,
        cx: &mut Context<'_>,
        name: &RoomName,
        room: RoomId,
    ) {
        let unix_ms = cx.unix_ms();
        let all = self.state.rooms().former().iter();
        let over = all.filter(|one| {
            let is_own = one.room == room && one.name == *name;
            is_own || one.until_ms <= unix_ms && one.name.is_confusable_with(name)
        });
        for name in over.map(|one| one.name.clone()).collect::<Vec<RoomName>>() {
            self.happen(cx, RoomChange::NameReleased { name });
        }
    }

    /// Of the names that lead to a room, the newest stay.
    fn release_most(&mut self, cx: &mut Context<'_>, room: RoomId) {
        let all = self.state.rooms().former().iter().filter(|one| one.room == room);
        let mut own: Vec<_> = all.map(|one| (one.until_ms, one.name.clone())).collect();
        own.sort_by(|(one, name), (other, other_name)| {
            (one, name.key()).cmp(&(other, other_name.key()))
        });
        let too_many = own.len().saturating_sub(FORMER_MAX);
        for (_, name) in own.into_iter().take(too_many) {
            self.happen(cx, RoomChange::NameReleased { name });
        }
    }

    pub(super) fn delete_room(&mut self, cx: &mut Context<'_>, id: RoomId, typed: &str) -> Done {
        let Some(room) = self.state.rooms().get(id) else { return Ok(()) };
        check_kept(room)?;
        if RoomName::parse(typed).ok().as_ref() != Some(&room.name) {
            let message = format!(
                "To delete {0} and all that was said there, type its name back: {0}.",
                room.name
            );
            return Err(RequestError::new("bad_field", message));
        }
        let told = format!("{} is deleted.", room.name);
        let act = format!("{} deleted {}.", self.shown_name(cx.user), room.name);
        self.log_act_in(cx, id, &act);
        self.end_room(cx, id);
        self.tell_done(cx, "delete_room", &told);
        Ok(())
    }

    fn end_room(&mut self, cx: &mut Context<'_>, room: RoomId) {
        for user in self.state.members(room).map(|user| user.id).collect::<Vec<UserId>>() {
            self.give_back_what_waits(cx, room, user);
        }
        self.happen(cx, RoomChange::Deleted { room });
        self.happen(cx, Kept::Closed { room });
    }

    /// The rooms of an account that ends are a moderator's, or else those of the oldest account that
    /// is in them. Where there is none, one of which nobody else can know, or in which nothing was
    /// said and nobody is, is gone.
    pub(super) fn hand_rooms_on(&mut self, cx: &mut Context<'_>) {
        let rooms = self.state.rooms();
        let with_rules = rooms.with_rules().filter_map(|id| rooms.get(id));
        let own = with_rules
            .filter(|room| room.rules().is_some_and(|rules| rules.owner() == Some(cx.user)));
        for room in own.map(|room| room.id).collect::<Vec<RoomId>>() {
            let Some(here) = self.state.rooms().get(room) else { continue };
            // Guests who are in it could let nobody in, and once they have gone nobody could enter.
            let is_lost = here.settings().entry == Entry::Invited;
            let is_empty = here.is_void() && here.member_count() == 0;
            match self.heir(cx.user, here, cx.unix_ms()) {
                Some(user) => {
                    let record = self.state.member_record(user, room);
                    let record = MemberRecord { role: RoomRole::Owner, may_return: true, ..record };
                    self.happen(cx, RoomChange::Recorded { room, user, record });
                    self.tell_heir(cx, room, user);
                }
                None if is_lost || is_empty => self.end_room(cx, room),
                None => {}
            }
        }
    }

    /// Who owns a room from now on is told so, in the room or not, and with it all who are there.
    fn tell_heir(&mut self, cx: &mut Context<'_>, id: RoomId, heir: UserId) {
        let role = RoomRole::Owner;
        self.publish_role(cx, id, heir, role);
        let Some(here) = self.state.rooms().get(id) else { return };
        let (room, name, role) = (here.name.as_str(), self.shown_name(heir), role.as_str());
        let act = self.sentence(cx.user, room, Act::Role { name, role });
        if !self.state.is_member(heir, id) {
            let (by, time) = (self.shown_name(cx.user), cx.unix_ms());
            let devices: Vec<ClientId> = self.clients_of(heir).collect();
            self.tell_devices(cx, &devices, &Reply::Role { room, name, role, by, time });
        }
        self.log_act_in(cx, id, &act);
    }

    /// A moderator, or else the oldest account that is in a room; if it is private, that may come back.
    fn heir(&self, owner: UserId, room: &Room, unix_ms: u64) -> Option<UserId> {
        let moderators = room.rules().into_iter().flat_map(RoomRules::records);
        let mut moderators = moderators.filter(|(_, record)| record.role == RoomRole::Moderator);
        let members = self.state.members(room.id).map(|user| user.id);
        let is_heir = |user: &UserId| *user != owner && self.state.accounts().contains(*user);
        let is_removed = |record: &MemberRecord| record.is_removed(unix_ms);
        let away = room.rules().into_iter().flat_map(RoomRules::records);
        let mut away = away.filter(|(user, record)| {
            let may_come = record.may_return && !is_removed(record);
            room.settings().is_private() && is_heir(user) && may_come
        });
        let member = members.filter(is_heir).min();
        let moderator = moderators.next().map(|(user, _)| user);
        moderator.or(member).or_else(|| away.next().map(|(user, _)| user))
    }
}

fn check_kept(room: &Room) -> Done {
    if room.rules().is_some() && room.name.key() != LOBBY {
        return Ok(());
    }
    Err(RequestError::new("not_allowed", format!("{} stays as it is.", room.name)))
}
