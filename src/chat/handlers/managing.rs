//! What holds in a room, and who may decide that.

use super::{Context, Done, not_in_room};
use crate::chat::access::{RoomAccess, room_access};
use crate::chat::dialect::acts::{Act, Sentence};
use crate::chat::dialect::reply::{Reply, RoomState, SettingChange};
use crate::chat::ids::{RoomId, UserId};
use crate::chat::name::Name;
use crate::chat::record::RoomChange;
use crate::chat::request::{RequestError, RoomRequest, SettingsChange};
use crate::chat::state::accounts::Role;
use crate::chat::state::rooms::Room;
use crate::chat::state::rooms::rules::{
    Entry, Invites, MemberRecord, NewcomersSee, OPEN, Posting, RoomRole, RoomSettings,
};
use crate::chat::{Chat, LOBBY};

impl Chat {
    /// Does what is asked of rooms.
    pub(super) fn execute_of_room(
        &mut self,
        cx: &mut Context<'_>,
        request: RoomRequest<'_>,
    ) -> Done {
        let room = self.governed(cx, &request)?;
        match request {
            RoomRequest::Settings { changes, .. } if changes.is_empty() => {
                self.tell_settings(cx, room);
                Ok(())
            }
            RoomRequest::Settings { changes, .. } => self.set_settings(cx, room, &changes),
            RoomRequest::Rename { name, .. } => self.rename_room(cx, room, &name),
            RoomRequest::Delete { name, .. } => self.delete_room(cx, room, &name),
            RoomRequest::Keep { .. } => self.keep_room(cx, room),
            RoomRequest::Role { name, role, .. } => self.set_room_role(cx, room, &name, &role),
            RoomRequest::Admit { name, .. } => self.admit(cx, room, &name),
            RoomRequest::Refuse { name, .. } => self.refuse(cx, room, &name),
            RoomRequest::Hook { name, .. } => self.make_hook(cx, room, &name),
            RoomRequest::Hooks { .. } => {
                self.tell_hooks(cx, room);
                Ok(())
            }
            RoomRequest::EndHook { name, .. } => self.end_hook(cx, room, &name),
            RoomRequest::Kick { name, minutes, reason, .. } => {
                let reason = self.reason_of(cx, reason.as_deref())?;
                let reason = Some(&*reason).filter(|reason| !reason.is_empty());
                self.kick(cx, room, &name, minutes, reason)
            }
        }
    }

    /// The room that a request is about, if the client may ask for that there.
    fn governed(
        &self,
        cx: &Context<'_>,
        request: &RoomRequest<'_>,
    ) -> Result<RoomId, RequestError> {
        let room = match request.room() {
            None => self.room_of(cx, None)?,
            Some(typed) => self.known_room(cx, typed)?.id,
        };
        self.check_room_access(cx, room, room_access(request))?;
        Ok(room)
    }

    /// Whether a client may do something in a room that it may know of.
    ///
    /// # Errors
    /// It may not.
    pub(super) fn check_room_access(
        &self,
        cx: &Context<'_>,
        id: RoomId,
        needed: RoomAccess,
    ) -> Done {
        let Some(room) = self.state.rooms().get(id) else { return Ok(()) };
        let (is_allowed, who) = self.has_room_access(cx.user, room, needed);
        if is_allowed {
            return Ok(());
        }
        let name = room.name.as_str();
        if !self.state.is_member(cx.user, id) {
            return Err(not_in_room(name));
        }
        Err(RequestError::new("not_allowed", format!("Only {who} of {name} can do that.")))
    }

    /// Whether somebody is what is needed in a room, and what those are called who are.
    pub(super) fn has_room_access(
        &self,
        user: UserId,
        room: &Room,
        needed: RoomAccess,
    ) -> (bool, &'static str) {
        let (role, settings) = (self.state.room_role(user, room.id), room.settings());
        let is_member = self.state.is_member(user, room.id);
        let members_invite = settings.invites == Invites::Members && settings.entry != Entry::Ask;
        match needed {
            RoomAccess::Known => (true, "members"),
            RoomAccess::Member => (is_member, "members"),
            RoomAccess::Inviter if members_invite => {
                (is_member || role > RoomRole::Member, "members")
            }
            RoomAccess::Inviter | RoomAccess::Moderator => {
                (role >= RoomRole::Moderator, "the owner and moderators")
            }
            RoomAccess::Owner => (role == RoomRole::Owner, "the owner"),
            RoomAccess::OwnerOrServerOwner => {
                let is_server_owner = self.state.accounts().role(user) == Role::Owner;
                let is_hidden = settings.entry == Entry::Invited;
                (role == RoomRole::Owner || is_server_owner && !is_hidden, "the owner")
            }
        }
    }

    pub(super) fn tell_settings(&self, cx: &mut Context<'_>, id: RoomId) {
        let Some(room) = self.state.rooms().get(id) else { return };
        let reply = Reply::Room(RoomState {
            role: Some(self.state.room_role(cx.user, id).as_str()),
            asking: self.asking(cx, room),
            reference: cx.reference,
            ..self.room_state(room, room.settings())
        });
        cx.reply(&reply);
    }

    /// Those who wait to be let in, for those who can.
    pub(super) fn asking(&self, cx: &Context<'_>, room: &Room) -> Vec<&str> {
        let Some(rules) = room.rules() else { return Vec::new() };
        if self.state.room_role(cx.user, room.id) < RoomRole::Moderator {
            return Vec::new();
        }
        let asking = rules.records().filter(|(_, record)| record.has_asked);
        asking.filter_map(|(user, _)| self.name_of(user).map(Name::as_str)).collect()
    }

    /// A room with these settings, as it is told.
    pub(in crate::chat) fn room_state<'a>(
        &'a self,
        room: &'a Room,
        settings: &RoomSettings,
    ) -> RoomState<'a> {
        let owner = room.rules().and_then(|rules| rules.owner());
        RoomState {
            room: room.name.as_str(),
            from: None,
            entry: settings.entry.as_str(),
            listed: settings.is_listed,
            newcomers_see: settings.newcomers_see.as_str(),
            posting: settings.posting.as_str(),
            invites: settings.invites.as_str(),
            archived: settings.is_archived,
            kept: room.rules().is_some() || room.name.key() == LOBBY,
            owner: owner.and_then(|owner| self.name_of(owner)).map(Name::as_str),
            role: None,
            asking: Vec::new(),
            by: None,
            time: None,
            changes: Vec::new(),
            reference: None,
        }
    }

    fn set_settings(
        &mut self,
        cx: &mut Context<'_>,
        id: RoomId,
        changes: &SettingsChange<'_>,
    ) -> Done {
        let Some(room) = self.state.rooms().get(id) else { return Ok(()) };
        let before = *room.settings();
        let settings = changed(&before, changes)?;
        let narrows = settings.entry != Entry::All || settings.is_archived;
        if room.name.key() == LOBBY && (narrows || !settings.is_listed) {
            let message = format!("{LOBBY} is where everybody comes in, and stays open.");
            return Err(RequestError::new("not_allowed", message));
        }
        if room.rules().is_none() && room.name.key() != LOBBY {
            return Err(not_kept(room));
        }
        if settings == before {
            self.tell_settings(cx, id);
            return Ok(());
        }
        let name = room.name.clone();
        self.happen(cx, RoomChange::Set { room: id, settings });
        self.questions.forget_absent(&name);
        if settings.is_archived {
            self.end_hooks(cx, id);
        }
        if settings.is_private() && !before.is_private() {
            self.let_members_return(cx, id);
        }
        // That a room is private from now on is the last that others hear of it.
        if before.entry != Entry::Invited || settings.entry != Entry::Invited {
            for change in SettingChange::between(&before, &settings) {
                self.log_act(cx, &self.sentence(cx.user, name.as_str(), Act::Changed(change)));
            }
        }
        self.tell_unless_heard(cx, id);
        Ok(())
    }

    /// What somebody has done to a room, as the staff is told.
    pub(super) fn sentence(&self, by: UserId, room: &str, act: Act<'_>) -> String {
        Sentence { by: self.shown_name(by), room, act }.to_string()
    }

    /// Those who are in a room that takes only people who are let in have been.
    fn let_members_return(&mut self, cx: &mut Context<'_>, room: RoomId) {
        let members: Vec<UserId> = self.state.members(room).map(|user| user.id).collect();
        for user in members {
            let record = self.state.member_record(user, room);
            let record = MemberRecord { may_return: true, ..record };
            if record != self.state.member_record(user, room) {
                self.happen(cx, RoomChange::Recorded { room, user, record });
            }
        }
    }

    /// Who changes a room without being in it is told alone.
    pub(super) fn tell_unless_heard(&self, cx: &mut Context<'_>, room: RoomId) {
        if !self.state.is_member(cx.user, room) {
            self.tell_settings(cx, room);
        }
    }

    /// Keeps a room that a guest has made.
    fn keep_room(&mut self, cx: &mut Context<'_>, id: RoomId) -> Done {
        let Some(room) = self.state.rooms().get(id) else { return Ok(()) };
        if room.rules().is_some() || room.name.key() == LOBBY {
            let message = format!("{} is kept already.", room.name);
            return Err(RequestError::new("not_allowed", message));
        }
        self.check_owned(cx)?;
        let act = self.sentence(cx.user, room.name.as_str(), Act::Changed(SettingChange::Kept));
        self.keep_for(cx, id, OPEN);
        self.log_act_in(cx, id, &act);
        Ok(())
    }

    fn set_room_role(&mut self, cx: &mut Context<'_>, id: RoomId, name: &str, role: &str) -> Done {
        let user = self.addressee(name)?;
        let Some(role) = RoomRole::parse(role) else {
            let message = "A role in a room is owner, moderator or member.".to_owned();
            return Err(RequestError::new("bad_field", message));
        };
        let Some(room) = self.state.rooms().get(id) else { return Ok(()) };
        let shown = self.name_of(user).map(Name::to_string).unwrap_or_default();
        if room.rules().is_none() && room.name.key() != LOBBY {
            return Err(not_kept(room));
        }
        if !self.state.accounts().contains(user) {
            let message = format!("{shown} is a guest, and has no role.");
            return Err(RequestError::new("no_account", message));
        }
        let before = self.state.member_record(user, id);
        if !self.state.is_member(user, id) && before.role == RoomRole::Member {
            let message = format!("{shown} is not in {}.", room.name);
            return Err(RequestError::new("not_in_room", message));
        }
        if room.name.key() == LOBBY && role == RoomRole::Owner {
            let message = format!("{LOBBY} is the server owners'.");
            return Err(RequestError::new("not_allowed", message));
        }
        let owner = room.rules().and_then(|rules| rules.owner());
        if owner == Some(user) && role != RoomRole::Owner {
            let message = format!(
                "A room has an owner. Give {} to somebody else: /role NAME owner {0}.",
                room.name
            );
            return Err(RequestError::new("not_allowed", message));
        }
        if role == RoomRole::Owner && owner != Some(user) && self.owns_all_it_may(user) {
            let message =
                format!("{shown} owns {ROOMS_OWNED_MAX} rooms, and more are not allowed.");
            return Err(RequestError::new("too_many_rooms", message));
        }
        let act = Act::Role { name: &shown, role: role.as_str() };
        let act = self.sentence(cx.user, room.name.as_str(), act);
        self.give_role(cx, id, user, role, owner);
        if role != before.role {
            self.log_act_in(cx, id, &act);
        }
        self.tell_done(cx, "role", &format!("{shown} is {} of that room now.", role.as_str()));
        Ok(())
    }

    /// An account has this role from now on. `owner`: who hands the room over, if it does.
    fn give_role(
        &mut self,
        cx: &mut Context<'_>,
        room: RoomId,
        user: UserId,
        role: RoomRole,
        owner: Option<UserId>,
    ) {
        if self.state.rooms().get(room).is_some_and(|room| room.rules().is_none()) {
            self.happen(cx, RoomChange::Set { room, settings: OPEN });
        }
        if let Some(owner) = owner.filter(|&owner| role == RoomRole::Owner && owner != user) {
            let record = self.state.member_record(owner, room);
            let record = MemberRecord { role: RoomRole::Moderator, ..record };
            self.happen(cx, RoomChange::Recorded { room, user: owner, record });
        }
        let record = self.state.member_record(user, room);
        let may_return = role != RoomRole::Member || record.may_return;
        let record = MemberRecord { role, may_return, removed_until: None, ..record };
        self.happen(cx, RoomChange::Recorded { room, user, record });
        self.publish_role(cx, room, user, role);
    }

    /// Those in a room are told what somebody may do there now.
    pub(super) fn publish_role(
        &self,
        cx: &mut Context<'_>,
        room: RoomId,
        user: UserId,
        role: RoomRole,
    ) {
        let Some((here, channel)) = self.room_and_channel(room) else { return };
        let (name, by, time) = (self.shown_name(user), self.shown_name(cx.user), cx.unix_ms());
        let (room, role) = (here.name.as_str(), role.as_str());
        cx.publish(channel, None, &Reply::Role { room, name, role, by, time });
    }

    /// Whether the client may own one room more.
    ///
    /// # Errors
    /// It owns as many as it may.
    pub(super) fn check_owned(&self, cx: &Context<'_>) -> Done {
        if !self.owns_all_it_may(cx.user) {
            return Ok(());
        }
        let message =
            format!("You, with your bots, own {ROOMS_OWNED_MAX} rooms, and more are not allowed.");
        Err(RequestError::new("too_many_rooms", message))
    }

    fn owns_all_it_may(&self, user: UserId) -> bool {
        let (rooms, accounts) = (self.state.rooms(), self.state.accounts());
        // What a bot owns is its owner's.
        let person = |user| accounts.owner_of(user).unwrap_or(user);
        let with_rules = rooms.with_rules().filter_map(|id| rooms.get(id)?.rules());
        let owners = with_rules.filter_map(|rules| rules.owner());
        owners.filter(|&owner| person(owner) == person(user)).count() >= ROOMS_OWNED_MAX
    }
}

/// An account and its bots own at most so many rooms: they stay when they are empty.
const ROOMS_OWNED_MAX: usize = 100;

fn not_kept(room: &Room) -> RequestError {
    let message = format!("{} is nobody's. With an account: /keep makes it yours.", room.name);
    RequestError::new("not_allowed", message)
}

/// The settings after these changes.
fn changed(
    before: &RoomSettings,
    changes: &SettingsChange<'_>,
) -> Result<RoomSettings, RequestError> {
    let misfit =
        |field: &str, words: &str| RequestError::new("bad_field", format!("{field} is {words}."));
    let mut settings = *before;
    if let Some(typed) = &changes.entry {
        let words = "all, accounts, ask or invited";
        settings.entry = Entry::parse(typed).ok_or_else(|| misfit("entry", words))?;
    }
    if let Some(typed) = &changes.newcomers_see {
        settings.newcomers_see =
            NewcomersSee::parse(typed).ok_or_else(|| misfit("newcomers_see", "all or now"))?;
    }
    if let Some(typed) = &changes.posting {
        settings.posting =
            Posting::parse(typed).ok_or_else(|| misfit("posting", "all or moderators"))?;
    }
    if let Some(typed) = &changes.invites {
        settings.invites =
            Invites::parse(typed).ok_or_else(|| misfit("invites", "members or moderators"))?;
    }
    settings.is_listed = changes.is_listed.unwrap_or(settings.is_listed);
    settings.is_archived = changes.is_archived.unwrap_or(settings.is_archived);
    Ok(settings)
}
