//! Who may say nothing in a room.

use super::until_ms;
use crate::chat::Chat;
use crate::chat::dialect::reply::Reply;
use crate::chat::dialect::term::Term;
use crate::chat::handlers::{Context, Done};
use crate::chat::ids::{RoomId, UserId};
use crate::chat::request::RequestError;
use crate::chat::settings::MUTES_MAX;
use crate::chat::state::accounts::Role;
use crate::chat::state::order::{Mute, OrderChange};
use crate::chat::state::rooms::rules::{Entry, RoomRole};
use crate::ids::ClientId;

impl Chat {
    /// Lets somebody say nothing in a room any more.
    pub(super) fn mute(
        &mut self,
        cx: &mut Context<'_>,
        room: Option<&str>,
        name: &str,
        minutes: Option<u32>,
        reason: Option<&str>,
    ) -> Done {
        let (room, user) = self.to_mute(cx, room, name, "You cannot mute yourself.")?;
        let (reason, until_ms) = (self.reason_of(cx, reason)?, until_ms(cx, minutes)?);
        for over in self.state.order().mutes_over(room, cx.unix_ms()) {
            self.happen(cx, OrderChange::Unmuted { room, user: over });
        }
        if self.state.order().mutes_in(room).count() >= MUTES_MAX {
            let message = format!("{MUTES_MAX} people are muted here. End that for one: /unmute.");
            return Err(RequestError::new("too_many", message));
        }
        let mute = Mute { reason, until_ms };
        let (by, name) = (self.shown_name(cx.user).to_owned(), self.shown_name(user).to_owned());
        let here = self.room_name(room).to_owned();
        let (act, line) = {
            let term = Term { until: until_ms, reason: &mute.reason };
            (format!("{by} muted {name} in {here}{term}"), format!("{name} is muted{term}"))
        };
        self.happen(cx, OrderChange::Muted { room, user, mute: mute.clone() });
        self.log_act_in(cx, room, &act);
        let devices: Vec<ClientId> = self.clients_of(user).collect();
        let (room, name, by, time) = (&*here, &*name, &*by, cx.unix_ms());
        let (until, reason) = (until_ms, &*mute.reason);
        self.tell_devices(cx, &devices, &Reply::Muted { room, name, by, until, reason, time });
        self.tell_done(cx, "mute", &line);
        Ok(())
    }

    /// Lets somebody speak again.
    pub(super) fn unmute(&mut self, cx: &mut Context<'_>, room: Option<&str>, name: &str) -> Done {
        let (room, user) = self.to_mute(cx, room, name, "You cannot let yourself speak again.")?;
        let (by, name) = (self.shown_name(cx.user).to_owned(), self.shown_name(user).to_owned());
        let here = self.room_name(room).to_owned();
        if self.state.order().mute(room, user, cx.unix_ms()).is_none() {
            let message = format!("{name} is not muted in {here}.");
            return Err(RequestError::new("not_muted", message));
        }
        self.happen(cx, OrderChange::Unmuted { room, user });
        self.log_act_in(cx, room, &format!("{by} lets {name} speak again in {here}."));
        let devices: Vec<ClientId> = self.clients_of(user).collect();
        let (room, name_, by, time) = (&*here, &*name, &*by, cx.unix_ms());
        self.tell_devices(cx, &devices, &Reply::Unmuted { room, name: name_, by, time });
        self.tell_done(cx, "unmute", &format!("{name} may speak again."));
        Ok(())
    }

    /// The room and the person, whom who asks may mute there. `oneself`: why not if it is both.
    fn to_mute(
        &self,
        cx: &Context<'_>,
        room: Option<&str>,
        name: &str,
        oneself: &str,
    ) -> Result<(RoomId, UserId), RequestError> {
        let room = self.room_of(cx, room)?;
        let refused = |message: &str| Err(RequestError::new("not_allowed", message.to_owned()));
        if !self.may_moderate(cx.user, room) {
            return refused("Only the owner and moderators of this room can do that.");
        }
        let user = self.addressee(name)?;
        if !self.state.may_know(user, room, cx.unix_ms()) {
            let message = format!("{} is not in {}.", self.shown_name(user), self.room_name(room));
            return Err(RequestError::new("not_in_room", message));
        }
        let roles = self.state.accounts();
        if user == cx.user {
            return refused(oneself);
        }
        if roles.role(user) != Role::None && roles.role(cx.user) != Role::Owner {
            return refused("Only owners of this server can do that for admins and owners.");
        }
        let in_room = |user| self.state.room_role(user, room);
        if roles.role(cx.user) == Role::None && in_room(user) >= in_room(cx.user) {
            return refused("Only the owner of this room can do that for moderators.");
        }
        Ok((room, user))
    }

    /// Whether somebody keeps order in a room: its owner and moderators do, and the server's staff
    /// where others than those who were let in may come.
    pub(in crate::chat::handlers) fn may_moderate(&self, user: UserId, room: RoomId) -> bool {
        let settings = self.state.rooms().get(room).map(|room| *room.settings());
        let is_private = settings.is_none_or(|settings| settings.entry == Entry::Invited);
        let is_staff = self.state.accounts().role(user) != Role::None;
        is_staff && !is_private || self.state.room_role(user, room) >= RoomRole::Moderator
    }

    /// Whether who asks may say something in a room. Asked for each message.
    ///
    /// # Errors
    /// They are muted there.
    pub(in crate::chat::handlers) fn check_muted(&self, cx: &Context<'_>, room: RoomId) -> Done {
        let mute = self.state.order().mute(room, cx.user, cx.unix_ms());
        mute.map_or(Ok(()), |mute| {
            let term = Term { until: mute.until_ms, reason: &mute.reason };
            let message = format!("You are muted in {}{term}", self.room_name(room));
            Err(RequestError::new("muted", message))
        })
    }

    /// Whether who asks may take another name: all who are in a room read that, and somebody who may
    /// say nothing there would say it so.
    ///
    /// # Errors
    /// They are muted in one of their rooms.
    pub(in crate::chat::handlers) fn check_may_rename(&self, cx: &Context<'_>) -> Done {
        self.state.rooms_of(cx.user).try_for_each(|room| self.check_muted(cx, room))
    }

    fn room_name(&self, room: RoomId) -> &str {
        self.state.rooms().get(room).map_or("", |room| room.name.as_str())
    }
}
