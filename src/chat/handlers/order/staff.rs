//! The staff's room: who is in it, and what it is told.

use crate::chat::dialect::reply::Reply;
use crate::chat::handlers::Context;
use crate::chat::ids::{RoomId, UserId};
use crate::chat::record::{Kept, Presence, RoomChange};
use crate::chat::state::accounts::Role;
use crate::chat::state::history::{Message, MessageKind};
use crate::chat::state::rooms::rules::{Entry, Invites, OPEN, RoomSettings};
use crate::chat::{Chat, STAFF_LOG, staff_log};
use crate::ids::ClientId;

/// Nobody owns the room, so nobody changes this, or lets others in.
const SETTINGS: RoomSettings =
    RoomSettings { entry: Entry::Invited, is_listed: false, invites: Invites::Moderators, ..OPEN };

/// What says there what has been done.
const SERVER_NAME: &str = "server";

impl Chat {
    /// Tells the staff of an act of power: a message of the server in their room, kept like any
    /// other. Without staff there is nobody who could do such a thing.
    ///
    /// Invariant: all admins and owners are in that room, and nobody else is; so it is there as long
    /// as somebody owns the server.
    pub(in crate::chat) fn log_act(&mut self, cx: &mut Context<'_>, text: &str) {
        let Some(room) = self.staff_room(cx) else { return };
        let Some(here) = self.state.rooms().get(room) else { return };
        let message = Message::new(cx.unix_ms(), MessageKind::Said, SERVER_NAME, text);
        let message = message.expect("the server's name is short");
        let id = here.history.next_id();
        self.with_user(cx, UserId::SERVER, |chat, cx| {
            cx.reference = None;
            chat.happen(cx, Kept::Said { room, id, message, key: None });
        });
    }

    /// The same of what was done in a room, unless its name is not for everybody: there, the room
    /// itself is told.
    pub(in crate::chat) fn log_act_in(&mut self, cx: &mut Context<'_>, room: RoomId, text: &str) {
        let here = self.state.rooms().get(room);
        if here.is_some_and(|here| here.settings().entry != Entry::Invited) {
            self.log_act(cx, text);
        }
    }

    pub(in crate::chat::handlers) fn is_staff_log(&self, room: RoomId) -> bool {
        self.state.rooms().get(room).is_some_and(|room| room.name.key() == STAFF_LOG)
    }

    /// The staff's room, which is opened when somebody becomes one of them.
    pub(in crate::chat::handlers) fn staff_room(&mut self, cx: &mut Context<'_>) -> Option<RoomId> {
        let name = staff_log();
        if let Some(room) = self.state.rooms().find(name.key()) {
            return Some(room.id);
        }
        let accounts = self.state.accounts().iter();
        let staff = accounts.filter(|(_, account)| account.role != Role::None);
        let staff: Vec<UserId> = staff.map(|(user, _)| user).collect();
        if staff.is_empty() {
            return None;
        }
        let room = self.state.rooms().next_id();
        self.happen(cx, Kept::Opened { room, name });
        self.happen(cx, RoomChange::Set { room, settings: SETTINGS });
        for user in staff {
            self.join_staff(cx, user, room);
        }
        Some(room)
    }

    /// An account has another role: it is in the staff's room exactly if it is one of them.
    pub(in crate::chat::handlers) fn follow_role(&mut self, cx: &mut Context<'_>, user: UserId) {
        let Some(room) = self.staff_room(cx) else { return };
        let is_staff = self.state.accounts().role(user) != Role::None;
        match (is_staff, self.state.is_member(user, room)) {
            (true, false) => self.join_staff(cx, user, room),
            (false, true) => self.leave_staff(cx, user, room),
            (true, true) | (false, false) => {}
        }
    }

    /// Where its devices talk stays as it is.
    fn join_staff(&mut self, cx: &mut Context<'_>, user: UserId, room: RoomId) {
        self.as_member(cx, user, |chat, cx, devices| {
            let current = chat.sessions.get(cx.client).and_then(|session| session.current);
            chat.happen(cx, Presence::Joined { room });
            chat.tell_joined(cx, room, devices);
            let talks_in = chat.sessions.get(cx.client).and_then(|session| session.current);
            if talks_in != current {
                chat.sessions.talk_in(cx.client, current);
            }
        });
    }

    fn leave_staff(&mut self, cx: &mut Context<'_>, user: UserId, room: RoomId) {
        self.as_member(cx, user, |chat, cx, devices| {
            let silenced = chat.talking_in(room, devices.iter().copied());
            chat.happen(cx, Presence::Left { room, reason: None });
            let (time, name) = (cx.unix_ms(), chat.shown_name(user));
            let (room, by, reason, you, reference) = (STAFF_LOG, None, None, true, None);
            let left = Reply::Left { room, name, time, by, reason, you, reference };
            chat.tell_devices(cx, devices, &left);
            for client in silenced {
                chat.notice_nowhere(client, user, cx.out);
            }
        });
    }

    /// Does something as a user, and at one of its devices, if there is one: that hears of it by
    /// itself, and others are told.
    fn as_member(
        &mut self,
        cx: &mut Context<'_>,
        user: UserId,
        act: impl FnOnce(&mut Chat, &mut Context<'_>, &[ClientId]),
    ) {
        let devices: Vec<ClientId> = self.clients_of(user).collect();
        let client = devices.first().copied().unwrap_or(ClientId::NOBODY);
        let peer = cx.peer;
        let cx = &mut Context { client, peer, user, reference: None, out: cx.out };
        act(self, cx, &devices);
    }
}
