//! Letting people into a room, and removing them from it.

use super::{Context, Done, MINUTE_MS};
use crate::chat::Chat;
use crate::chat::dialect::acts::Act;
use crate::chat::dialect::render;
use crate::chat::dialect::reply::Reply;
use crate::chat::ids::{RoomId, UserId};
use crate::chat::name::Name;
use crate::chat::record::{Kept, RoomChange};
use crate::chat::request::RequestError;
use crate::chat::state::rooms::Room;
use crate::chat::state::rooms::rules::{Entry, FOR_GOOD, MemberRecord, OPEN, RoomRole};
use crate::delivery::Wait;
use crate::ids::ClientId;

const INVITATION_ENDED: &str = " The invitation by which they came has ended.";

impl Chat {
    /// Lets somebody in, who joins by itself then.
    pub(super) fn admit(&mut self, cx: &mut Context<'_>, id: RoomId, name: &str) -> Done {
        let user = self.addressee(name)?;
        let shown = self.name_of(user).map(Name::to_string).unwrap_or_default();
        let Some(room) = self.state.rooms().get(id) else { return Ok(()) };
        let place = room.name.to_string();
        if room.settings().is_archived {
            return Err(archived(room));
        }
        if self.state.is_member(user, id) {
            self.tell_done(cx, "admit", &format!("{shown} is in {place} already."));
            return Ok(());
        }
        let is_removed = self.state.member_record(user, id).is_removed(cx.unix_ms());
        if is_removed && self.state.room_role(cx.user, id) < RoomRole::Moderator {
            let message = format!("{shown} was removed from {place}: its moderators decide.");
            return Err(RequestError::new("not_allowed", message));
        }
        // Where anybody may come, letting in somebody is no more than a word to them.
        let is_decided = room.settings().entry == Entry::Ask || is_removed;
        if room.rules().is_some() {
            let record = self.state.member_record(user, id);
            let record =
                MemberRecord { may_return: true, has_asked: false, removed_until: None, ..record };
            self.happen(cx, RoomChange::Recorded { room: id, user, record });
        }
        let (by, time) = (self.name_of(cx.user).map_or("", Name::as_str), cx.unix_ms());
        // They are let in all the same, and find that out if they want to.
        if !self.state.order().ignores(user, cx.user) {
            self.tell_user(cx, user, &Reply::Invited { room: &place, by, time });
        }
        if is_decided {
            let act = self.sentence(cx.user, &place, Act::LetIn { name: &shown });
            self.log_act_in(cx, id, &act);
        }
        self.tell_done(cx, "admit", &format!("{shown} may join {place} now."));
        Ok(())
    }

    /// Somebody who has asked is not let in.
    pub(super) fn refuse(&mut self, cx: &mut Context<'_>, id: RoomId, name: &str) -> Done {
        let user = self.addressee(name)?;
        let record = self.state.member_record(user, id);
        let Some(room) = self.state.rooms().get(id) else { return Ok(()) };
        let (shown, place) = (self.name_of(user).map_or("", Name::as_str), room.name.to_string());
        if !record.has_asked {
            let message = format!("{shown} has not asked to be let into {place}.");
            return Err(RequestError::new("no_such_name", message));
        }
        let told = format!("{shown} is not let into {place}.");
        let act = self.sentence(cx.user, &place, Act::Refused { name: shown });
        let record = MemberRecord { has_asked: false, ..record };
        self.happen(cx, RoomChange::Recorded { room: id, user, record });
        let time = cx.unix_ms();
        self.tell_user(cx, user, &Reply::Refused { room: &place, time });
        self.log_act_in(cx, id, &act);
        self.tell_done(cx, "refuse", &told);
        Ok(())
    }

    /// Whether a client has to ask to be let into this room.
    pub(super) fn has_to_ask(&self, cx: &Context<'_>, room: &Room) -> bool {
        let record = self.state.member_record(cx.user, room.id);
        room.settings().entry == Entry::Ask
            && self.state.accounts().contains(cx.user)
            && !self.state.is_member(cx.user, room.id)
            && !record.may_return
            && !record.is_removed(cx.unix_ms())
            && self.state.room_role(cx.user, room.id) == RoomRole::Member
    }

    /// Asks those who can to let a client in.
    pub(super) fn ask_to_enter(&mut self, cx: &mut Context<'_>, id: RoomId) -> Done {
        let Some(room) = self.state.rooms().get(id) else { return Ok(()) };
        if room.settings().is_archived {
            return Err(archived(room));
        }
        let (record, user) = (self.state.member_record(cx.user, id), cx.user);
        if !record.has_asked {
            let record = MemberRecord { has_asked: true, ..record };
            self.happen(cx, RoomChange::Recorded { room: id, user, record });
            self.tell_moderators_of_asking(cx, id);
        }
        let Some(room) = self.state.rooms().get(id) else { return Ok(()) };
        let (room, reference) = (room.name.as_str(), cx.reference);
        cx.reply(&Reply::Asked { room, name: None, reference });
        Ok(())
    }

    fn tell_moderators_of_asking(&self, cx: &mut Context<'_>, id: RoomId) {
        let (Some(room), Some(name)) = (self.state.rooms().get(id), self.name_of(cx.user)) else {
            return;
        };
        let Some(rules) = room.rules() else { return };
        let asked =
            Reply::Asked { room: room.name.as_str(), name: Some(name.as_str()), reference: None };
        let can = rules.records().filter(|(_, record)| record.role >= RoomRole::Moderator);
        for (user, _) in can {
            self.tell_user(cx, user, &asked);
        }
    }

    /// Tells a client who waits to be let in by it.
    pub(super) fn tell_who_asks(&self, cx: &mut Context<'_>) {
        let rooms = self.state.rooms();
        for room in rooms.with_rules().filter_map(|id| rooms.get(id)) {
            for name in self.asking(cx, room) {
                let (room, name) = (room.name.as_str(), Some(name));
                cx.reply(&Reply::Asked { room, name, reference: None });
            }
        }
    }

    /// Removes somebody, and does not let it in again before the time is over.
    pub(super) fn kick(
        &mut self,
        cx: &mut Context<'_>,
        id: RoomId,
        name: &str,
        minutes: Option<u32>,
        reason: Option<&str>,
    ) -> Done {
        let user = self.addressee(name)?;
        let (own, other) = (self.state.room_role(cx.user, id), self.state.room_role(user, id));
        if user == cx.user || other >= own {
            let message = "You can remove those who may do less in this room than you.";
            return Err(RequestError::new("not_allowed", message.to_owned()));
        }
        let Some(room) = self.state.rooms().get(id) else { return Ok(()) };
        let (is_here, place) = (self.state.is_member(user, id), room.name.to_string());
        let may_know = self.state.may_know(user, id, cx.unix_ms());
        if !is_here && !may_know {
            let message = format!("{name} is not in {place}.");
            return Err(RequestError::new("not_in_room", message));
        }
        if room.rules().is_none() {
            self.happen(cx, RoomChange::Set { room: id, settings: OPEN });
        }
        let until = |minutes: u32| cx.unix_ms() + u64::from(minutes) * MINUTE_MS;
        let record = MemberRecord {
            role: RoomRole::Member,
            has_asked: false,
            removed_until: Some(minutes.map_or(FOR_GOOD, until)),
            ..self.state.member_record(user, id)
        };
        if is_here {
            self.give_back_what_waits(cx, id, user);
            let reason = reason.map(Box::from);
            self.happen(cx, RoomChange::Removed { room: id, user, reason });
        }
        self.happen(cx, RoomChange::Recorded { room: id, user, record });
        let ended = if self.end_way_in(cx, id, user) { INVITATION_ENDED } else { "" };
        let shown = self.shown_name(user).to_owned();
        let act = self.sentence(cx.user, &place, Act::Removed { name: &shown, reason });
        self.log_act_in(cx, id, &act);
        let told = format!("{shown} is removed from {place}.{ended}");
        self.tell_done(cx, "kick", &told);
        Ok(())
    }

    /// A guest who was removed would come back as another one by the code that it has come by.
    /// Returns whether there is one that is good no more.
    fn end_way_in(&mut self, cx: &mut Context<'_>, room: RoomId, guest: UserId) -> bool {
        let accounts = self.state.accounts();
        let leads_here =
            |&id: &u64| accounts.invitation(id).is_some_and(|one| one.rooms.contains(&room));
        let ended: Vec<u64> = self.state.came_by(guest).filter(leads_here).collect();
        for &id in &ended {
            self.happen(cx, Kept::InvitationEnded { id });
        }
        !ended.is_empty()
    }

    /// Gives somebody back what waits to be said in a room.
    pub(super) fn give_back_what_waits(
        &mut self,
        cx: &mut Context<'_>,
        room: RoomId,
        user: UserId,
    ) {
        let Some(channel) = self.channels.of(room) else { return };
        for client in self.clients_of(user).collect::<Vec<ClientId>>() {
            let what = Some(Wait::ChannelClear(channel));
            self.with_client(cx, client, user, |chat, cx| chat.give_back(cx, what));
        }
    }

    /// Tells all devices of somebody.
    pub(super) fn tell_user(&self, cx: &mut Context<'_>, user: UserId, reply: &Reply<'_>) {
        for client in self.clients_of(user) {
            cx.out.send(client, |to| render(to, reply));
        }
    }
}

pub(super) fn archived(room: &Room) -> RequestError {
    let message = format!("{} is archived: it is there to be read.", room.name);
    RequestError::new("room_archived", message)
}
