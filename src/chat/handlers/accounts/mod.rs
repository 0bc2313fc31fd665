//! Accounts: how a client comes to be known as one, and what it does with it.

mod bots;
mod keys;
mod listing;
mod login;
mod prove;
mod sessions;

pub(in crate::chat) use keys::{TOKEN_PREFIX, has_secret_form};
pub(in crate::chat::handlers) use login::wrong_code;
pub(in crate::chat::handlers) use prove::too_many_attempts;

use super::lists::entry_of;
pub(super) use keys::token_of;

use super::{Context, Done};
use crate::chat::Chat;
use crate::chat::access::{Access, access};
use crate::chat::dialect::reply::{JoinedSelf, Reply};
use crate::chat::ids::{RoomId, UserId};
use crate::chat::name::Name;
use crate::chat::record::{Kept, Presence, RoomChange};
use crate::chat::request::{AccountRequest, Request, RequestError};
use crate::chat::settings::Registration;
use crate::chat::state::accounts::Role;
use crate::chat::state::rooms::Room;
use crate::chat::state::rooms::rules::{MemberRecord, RoomRole};
use crate::delivery::encoding::Framing;
use crate::ids::ClientId;
use crate::service::Service;
use crate::wire::close::CloseReason;

/// An account can have had so many names that are still reserved for it.
const RESERVED_MAX: usize = 3;

impl Chat {
    pub(super) fn login_required(&self) -> RequestError {
        let ways = self.ways_in();
        let message = format!("Only people with an account can do that here. {ways}");
        RequestError::new("login_required", message)
    }

    /// How one comes in as somebody.
    pub(super) fn ways_in(&self) -> &'static str {
        match self.settings.registration {
            Registration::Invited => "/login NAME, or /register CODE NAME with an invitation.",
            Registration::Open => "/login NAME, or /register NAME.",
        }
    }

    /// Whether this client may ask for that.
    ///
    /// # Errors
    /// Why it may not.
    pub(in crate::chat) fn check_access(&self, cx: &Context<'_>, request: &Request<'_>) -> Done {
        let needed = access(request);
        if needed == Access::Anybody || needed == Access::Guest && self.settings.guests {
            return Ok(());
        }
        let accounts = self.state.accounts();
        if !accounts.contains(cx.user) {
            return Err(self.login_required());
        }
        let (role, who) = match needed {
            Access::Anybody | Access::Guest | Access::Account => return Ok(()),
            Access::Person if accounts.owner_of(cx.user).is_none() => return Ok(()),
            Access::Person => {
                let message = "A bot cannot do that. Its owner can do some of it: /bot NAME.";
                return Err(RequestError::new("not_allowed", message.to_owned()));
            }
            Access::Admin => (Role::Admin, "admins and owners"),
            Access::Owner => (Role::Owner, "owners"),
        };
        if accounts.role(cx.user) < role {
            let in_room = match request {
                Request::Account(AccountRequest::Role { .. }) => {
                    " In a room: /role NAME ROLE #ROOM."
                }
                _ => "",
            };
            let message = format!("Only {who} of this server can do that.{in_room}");
            return Err(RequestError::new("not_allowed", message));
        }
        Ok(())
    }

    /// Does what is asked of accounts.
    pub(super) fn execute_of_account(
        &mut self,
        cx: &mut Context<'_>,
        request: AccountRequest<'_>,
    ) -> Done {
        match request {
            AccountRequest::Login { name, password, token } => {
                self.login(cx, name.as_deref(), password.is_some(), token.as_deref())
            }
            AccountRequest::Register { name, password, code } => {
                self.register(cx, &name, password.as_deref(), code.as_deref())
            }
            AccountRequest::Logout => self.logout(cx),
            AccountRequest::Show => {
                self.tell_account(cx);
                Ok(())
            }
            AccountRequest::Password { old, new } => {
                self.set_password(cx, old.as_deref(), new.as_deref())
            }
            AccountRequest::Sessions => self.sessions(cx),
            AccountRequest::EndSession { which } => self.end_session(cx, which),
            AccountRequest::Token { label } => self.make_token(cx, &label),
            AccountRequest::Cookie { label } => self.make_cookie(cx, label.as_deref()),
            AccountRequest::Invite { uses, hours, rooms, accounts } => {
                self.invite(cx, uses, hours, &rooms, accounts)
            }
            AccountRequest::Invitations => self.invitations(cx),
            AccountRequest::Uninvite { id } => self.uninvite(cx, id),
            AccountRequest::Confirm { code, sure } => self.confirm(cx, &code, sure),
            AccountRequest::Delete { password } => self.delete_account(cx, password.is_some()),
            AccountRequest::Role { name, role } => self.set_role(cx, &name, &role),
            AccountRequest::Reset { name } => self.reset(cx, &name),
            AccountRequest::Bot { name } => self.make_bot(cx, &name),
            AccountRequest::Bots => {
                self.tell_bots(cx);
                Ok(())
            }
            AccountRequest::EndBot { name } => self.end_bot(cx, &name),
            AccountRequest::Accounts { after, limit } => {
                self.accounts_page(cx, after, limit);
                Ok(())
            }
        }
    }

    /// Tells a client who it is.
    pub(super) fn tell_account(&self, cx: &mut Context<'_>) {
        let Some(name) = self.name_of(cx.user) else { return };
        let rooms = self.state.rooms_of(cx.user).filter_map(|id| self.state.rooms().get(id));
        let rooms = rooms.map(|room| room.name.as_str()).collect();
        let role = self.role_of(cx.user);
        let reference = cx.reference;
        cx.reply(&Reply::Account { name: name.as_str(), role, rooms, reference });
    }

    /// What an account may do on this server, in a word; a guest has none.
    pub(super) fn role_of(&self, user: UserId) -> Option<&'static str> {
        self.state.accounts().get(user).map(|account| account.role.as_str())
    }

    // ---- Becoming somebody else ----

    /// A client that is a guest is a device of this account from now on: it is where the account
    /// is, and the account is where the guest was.
    pub(super) fn become_account(&mut self, cx: &mut Context<'_>, account: UserId) {
        let rooms: Vec<RoomId> = self.state.rooms_of(cx.user).collect();
        let current = self.sessions.get(cx.client).and_then(|session| session.current);
        let current = current.and_then(|channel| self.channels.room(channel));
        // The account comes before the guest goes, so that a room stays that the guest alone was in.
        let unix_ms = cx.unix_ms();
        let is_new = |chat: &Chat, room: &RoomId| {
            let record = chat.state.member_record(account, *room);
            !chat.state.is_member(account, *room) && !record.is_removed(unix_ms)
        };
        let new: Vec<RoomId> = rooms.iter().copied().filter(|room| is_new(self, room)).collect();
        let free = self.settings.rooms_per_client_max;
        let free = free.saturating_sub(self.state.rooms_of(account).len());
        let new: Vec<RoomId> = new.into_iter().take(free).collect();
        for &room in &new {
            self.let_in_too(cx, room, account);
            self.with_user(cx, account, |chat, cx| chat.happen(cx, Presence::Joined { room }));
        }
        self.leave_all(cx, None);
        self.end_token(cx);
        self.happen(cx, Presence::Disconnected);
        self.sessions.attach(cx.client, account);
        cx.user = account;
        self.enter_channels(cx, current);
        for room in new {
            self.tell_others_joined(cx, room);
        }
    }

    /// A guest that was let into a private room brings its account along.
    fn let_in_too(&mut self, cx: &mut Context<'_>, room: RoomId, account: UserId) {
        let is_private = |room: &Room| room.settings().is_private();
        if self.state.rooms().get(room).is_some_and(is_private) {
            let record = self.state.member_record(account, room);
            let record = MemberRecord { may_return: true, ..record };
            self.happen(cx, RoomChange::Recorded { room, user: account, record });
        }
    }

    /// Does something as another user, for the same client.
    pub(in crate::chat::handlers) fn with_user(
        &mut self,
        cx: &mut Context<'_>,
        user: UserId,
        act: impl FnOnce(&mut Chat, &mut Context<'_>),
    ) {
        let Context { client, peer, reference, .. } = *cx;
        act(self, &mut Context { client, peer, user, reference, out: cx.out });
    }

    /// A device of an account hears its rooms from now on, and talks in this one of them.
    pub(super) fn enter_channels(&mut self, cx: &mut Context<'_>, current: Option<RoomId>) {
        let rooms: Vec<RoomId> = self.state.rooms_of(cx.user).collect();
        for &room in &rooms {
            let channel = self.channel_for(room, cx.out);
            cx.out.join(channel, cx.client);
        }
        self.note_missed(cx);
        let current = current.filter(|room| rooms.contains(room)).or(rooms.last().copied());
        let channel = current.and_then(|room| self.channels.of(room));
        self.sessions.talk_in(cx.client, channel);
    }

    /// A client hears and talks nowhere from now on, though its account stays where it is.
    pub(super) fn leave_channels(&mut self, cx: &mut Context<'_>) {
        for room in self.state.rooms_of(cx.user).collect::<Vec<_>>() {
            if let Some(channel) = self.channels.of(room) {
                cx.out.leave(channel, cx.client);
            }
        }
        self.written.forget(cx.client);
        self.sessions.talk_in(cx.client, None);
    }

    /// A client is nobody any more. A guest is gone with it; an account stays.
    pub(in crate::chat) fn go_away(&mut self, cx: &mut Context<'_>, reason: Option<&str>) {
        if self.state.accounts().contains(cx.user) {
            log::info!("{} left by one device ({})", self.shown_name(cx.user), cx.peer);
            self.leave_channels(cx);
            return;
        }
        self.leave_all(cx, reason);
        self.happen(cx, Presence::Disconnected);
    }

    /// A client of an account is a guest again, in no room.
    pub(super) fn become_guest(&mut self, cx: &mut Context<'_>) {
        self.give_back(cx, None);
        self.leave_channels(cx);
        cx.user = self.state.users().next_id();
        self.sessions.become_guest(cx.client, cx.user);
        // No name was asked for, so none can be refused.
        let _ = self.take_first_name(cx, None);
    }

    pub(in crate::chat::handlers) fn shown_name(&self, user: UserId) -> &str {
        self.name_of(user).map_or("", Name::as_str)
    }

    /// The other devices of an account are told that it is in a room now.
    pub(super) fn tell_others_joined(&self, cx: &mut Context<'_>, room: RoomId) {
        let name = self.state.rooms().get(room).map_or("", |room| room.name.key());
        let mut others = self.other_devices(cx);
        others.retain(|other| self.sessions.followers.hears(*other, name));
        if !others.is_empty() {
            self.tell_joined(cx, room, &others);
        }
    }

    /// Tells devices of the account that asks that it is in a room.
    pub(super) fn tell_joined(&self, cx: &mut Context<'_>, room: RoomId, devices: &[ClientId]) {
        let (Some(room), Some(name)) = (self.state.rooms().get(room), self.name_of(cx.user)) else {
            return;
        };
        let joined = Reply::Joined {
            room: room.name.as_str(),
            name: name.as_str(),
            time: cx.unix_ms(),
            own: Some(self.joined_self(cx, room)),
            reference: None,
        };
        self.tell_devices(cx, devices, &joined);
    }

    /// What somebody is told of a room that it is in now.
    pub(in crate::chat::handlers) fn joined_self<'a>(
        &self,
        cx: &Context<'_>,
        room: &'a Room,
    ) -> JoinedSelf<'a> {
        let role = self.state.room_role(cx.user, room.id);
        JoinedSelf {
            you: true,
            position: room.history.next_id() - 1,
            gap: false,
            members: room.member_count(),
            topic: &room.topic,
            entry: entry_of(room),
            role: (role != RoomRole::Member).then_some(role.as_str()),
            reading: self.reading_line(cx.user, room.id),
        }
    }

    /// Tells devices that are not the one that asks.
    pub(in crate::chat::handlers) fn tell_devices(
        &self,
        cx: &mut Context<'_>,
        devices: &[ClientId],
        reply: &Reply<'_>,
    ) {
        for &device in devices {
            cx.out.send(device, |to| crate::chat::dialect::render(to, reply));
        }
    }

    // ---- Names ----

    /// An account has another name, and the one before is reserved for it, or for who owns it: not
    /// too many of them, and not for ever.
    pub(super) fn release_names(&mut self, cx: &mut Context<'_>) {
        let unix_ms = cx.unix_ms();
        let over = self.state.accounts().reserved().filter(|one| one.until_ms <= unix_ms);
        let mut released: Vec<Name> = over.map(|one| one.name.clone()).collect();
        let keeper = self.state.accounts().name_keeper(cx.user);
        let own = self.state.accounts().reserved().filter(|one| one.account == keeper);
        let mut own: Vec<_> = own.filter(|one| unix_ms < one.until_ms).collect();
        own.sort_by_key(|one| (one.until_ms, one.name.key()));
        let too_many = own.len().saturating_sub(RESERVED_MAX);
        released.extend(own.into_iter().take(too_many).map(|one| one.name.clone()));
        for name in released {
            self.happen(cx, Kept::NameReleased { name });
        }
    }

    /// An account is about to leave its name, which will be reserved for it. What looks like that
    /// and is reserved is over, or was its own: nobody else could have taken the name.
    pub(super) fn release_alike(&mut self, cx: &mut Context<'_>) {
        while let Some(own) = self.name_of(cx.user)
            && let Some(alike) = self.state.accounts().reserved_alike(own)
        {
            let name = alike.name.clone();
            self.happen(cx, Kept::NameReleased { name });
        }
    }

    // ---- The end ----

    /// Ends an account. Its devices are guests again.
    pub(super) fn delete_account(&mut self, cx: &mut Context<'_>, has_password: bool) -> Done {
        if !has_password {
            return self.prompt(cx, crate::chat::logins::Prompt::Delete);
        }
        self.take_proof(cx, Some(cx.user))?;
        if self.is_last_owner(cx) {
            let message = "You are the only owner of this server. Give it to somebody first: /role \
                           NAME owner.";
            return Err(RequestError::new("not_allowed", message.to_owned()));
        }
        for bot in self.state.accounts().bots_of(cx.user).collect::<Vec<UserId>>() {
            self.with_client(cx, ClientId::NOBODY, bot, Chat::end_account);
        }
        self.end_account(cx);
        cx.user = self.state.users().next_id();
        self.sessions.become_guest(cx.client, cx.user);
        let _ = self.take_first_name(cx, None);
        self.tell_done(cx, "delete_account", "Your account is gone. What you have said stays.");
        // That has answered.
        cx.reference = None;
        self.tell_account(cx);
        Ok(())
    }

    /// The account that asks is no more; nor are its devices, but for the one that asks.
    fn end_account(&mut self, cx: &mut Context<'_>) {
        let devices = self.other_devices(cx);
        let (streams, devices): (Vec<ClientId>, Vec<ClientId>) =
            devices.into_iter().partition(|&device| is_stream(cx, device));
        streams.iter().for_each(|&stream| self.closed(stream, cx.peer, cx.out));
        for device in devices {
            self.end_device(cx, device);
        }
        // Who ends is one of the staff yet, and leaves their room with all others.
        self.staff_room(cx);
        self.leave_all(cx, None);
        self.hand_rooms_on(cx);
        self.release_names(cx);
        self.release_alike(cx);
        let ended = format!("The account {} has ended.", self.shown_name(cx.user));
        self.log_act(cx, &ended);
        self.happen(cx, Kept::AccountEnded);
        // What is told before anything has happened is told at once, and this may be lost yet.
        streams.into_iter().for_each(|stream| self.end_stream(cx, stream));
        log::info!("an account has ended: {:?} ({})", cx.user, cx.peer);
    }

    /// Whether nobody else owns this server who can come: one who is banned cannot.
    fn is_last_owner(&self, cx: &Context<'_>) -> bool {
        let is_owner = |user| self.state.accounts().role(user) == Role::Owner;
        let can_come = |user| !self.state.order().is_banned(user, cx.unix_ms());
        let mut others = self.state.accounts().iter().map(|(user, _)| user);
        is_owner(cx.user) && !others.any(|user| user != cx.user && is_owner(user) && can_come(user))
    }

    /// Another device of the account that asks is a guest again, and is told so.
    pub(super) fn end_device(&mut self, cx: &mut Context<'_>, device: ClientId) {
        let Some(user) = self.sessions.get(device).map(|session| session.user) else { return };
        let peer = cx.peer;
        if is_stream(cx, device) {
            self.closed(device, peer, cx.out);
            return self.end_stream(cx, device);
        }
        let other = &mut Context { client: device, peer, user, reference: None, out: cx.out };
        self.become_guest(other);
        other.reply_error(&ended_elsewhere());
        self.tell_account(other);
    }

    /// Guests follow nothing: a stream of an account that is nobody any more ends.
    fn end_stream(&mut self, cx: &mut Context<'_>, stream: ClientId) {
        let (peer, user) = (cx.peer, cx.user);
        let other = &mut Context { client: stream, peer, user, reference: None, out: cx.out };
        other.reply_error(&ended_elsewhere());
        self.ended.clients.push((stream, CloseReason::Done));
    }

    pub(in crate::chat::handlers) fn tell_done(
        &self,
        cx: &mut Context<'_>,
        what: &str,
        line: &str,
    ) {
        let reference = cx.reference;
        cx.reply(&Reply::Done { what, line, reference });
    }

    // ---- Roles ----

    pub(super) fn set_role(&mut self, cx: &mut Context<'_>, name: &str, role: &str) -> Done {
        let user = self.addressee(name)?;
        if !self.state.accounts().contains(user) {
            let message = format!("{} is a guest, and has no role.", self.shown_name(user));
            return Err(RequestError::new("no_account", message));
        }
        let Some(role) = Role::parse(role) else {
            let message = "A role is owner, admin or member.".to_owned();
            return Err(RequestError::new("bad_field", message));
        };
        if self.state.accounts().owner_of(user).is_some() {
            let message = format!("{} is a bot, and stays a member.", self.shown_name(user));
            return Err(RequestError::new("not_allowed", message));
        }
        if user == cx.user && role != Role::Owner && self.is_last_owner(cx) {
            let message = "You are the only owner. Make somebody else one first.".to_owned();
            return Err(RequestError::new("not_allowed", message));
        }
        let before = self.state.accounts().role(user);
        self.happen(cx, Kept::RoleSet { user, role });
        let name = self.shown_name(user).to_owned();
        if role != before {
            self.follow_role(cx, user);
            let by = self.shown_name(cx.user);
            let act = format!("{by} made {name} {} of this server.", role.as_str());
            self.log_act(cx, &act);
        }
        log::info!("{name} is {} of this server ({})", role.as_str(), cx.peer);
        let line = format!("{name} is {} of this server now.", role.as_str());
        self.tell_done(cx, "role", &line);
        let told: Vec<ClientId> = self.clients_of(user).filter(|&one| one != cx.client).collect();
        for client in told {
            self.with_client(cx, client, user, |chat, cx| chat.tell_account(cx));
        }
        Ok(())
    }

    pub(in crate::chat::handlers) fn with_client(
        &mut self,
        cx: &mut Context<'_>,
        client: ClientId,
        user: UserId,
        act: impl FnOnce(&mut Chat, &mut Context<'_>),
    ) {
        let peer = cx.peer;
        act(self, &mut Context { client, peer, user, reference: None, out: cx.out });
    }
}

fn is_stream(cx: &Context<'_>, client: ClientId) -> bool {
    matches!(cx.out.encoding(client).framing, Framing::Events | Framing::JsonLines)
}

fn ended_elsewhere() -> RequestError {
    let message = "You are logged out: this was ended elsewhere.".to_owned();
    RequestError::new("session_ended", message)
}
