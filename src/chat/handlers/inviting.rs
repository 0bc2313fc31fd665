//! Invitations that let people into rooms.

use std::borrow::Cow;

use super::accounts::{too_many_attempts, wrong_code};
use super::admitting::archived;
use super::{Context, Done};
use crate::chat::Chat;
use crate::chat::access::RoomAccess;
use crate::chat::ids::RoomId;
use crate::chat::name::RoomName;
use crate::chat::record::{Presence, RoomChange};
use crate::chat::request::RequestError;
use crate::chat::state::accounts::SecretHash;
use crate::chat::state::rooms::Room;
use crate::chat::state::rooms::rules::MemberRecord;
use crate::secrets::read_code;

/// An invitation lets into at most so many rooms.
const ROOMS_MAX: usize = 10;

impl Chat {
    /// The rooms that an invitation of this client is to let into.
    pub(super) fn rooms_to_invite_into(
        &self,
        cx: &Context<'_>,
        typed: &[Cow<'_, str>],
    ) -> Result<Vec<RoomId>, RequestError> {
        if typed.len() > ROOMS_MAX {
            let message = format!("An invitation lets into at most {ROOMS_MAX} rooms.");
            return Err(RequestError::new("bad_field", message));
        }
        let mut rooms = Vec::new();
        for typed in typed {
            let room = self.known_room(cx, typed)?;
            self.check_room_access(cx, room.id, RoomAccess::Inviter)?;
            if room.settings().is_archived {
                return Err(archived(room));
            }
            if room.rules().is_none() {
                let message = format!("Everybody can enter {} without an invitation.", room.name);
                return Err(RequestError::new("bad_field", message));
            }
            rooms.push(room.id);
        }
        rooms.sort_unstable();
        rooms.dedup();
        Ok(rooms)
    }

    /// The names of the rooms of an invitation, of those that its maker may still know of.
    pub(super) fn invited_into(&self, cx: &Context<'_>, rooms: &[RoomId]) -> Vec<String> {
        let known = rooms.iter().filter(|&&room| self.state.may_know(cx.user, room, cx.unix_ms()));
        let rooms = known.filter_map(|&room| self.state.rooms().get(room));
        rooms.map(|room| room.name.to_string()).collect()
    }

    /// The invitation that has this code, if it can be used. Those of accounts that are banned cannot.
    pub(super) fn good_invitation(&self, cx: &Context<'_>, code: &str) -> Option<u64> {
        let (accounts, unix_ms) = (self.state.accounts(), cx.unix_ms());
        let id = accounts.find_invitation(SecretHash::of(code), unix_ms)?;
        let by = accounts.invitation(id)?.by;
        (!self.state.order().is_banned(by, unix_ms)).then_some(id)
    }

    /// The rooms that an invitation lets into: those of which its maker may still let others in.
    pub(super) fn rooms_of_invitation(&self, id: u64) -> Vec<RoomId> {
        let Some(invitation) = self.state.accounts().invitation(id) else { return Vec::new() };
        let rooms = invitation.rooms.iter().filter_map(|&room| self.state.rooms().get(room));
        let may_invite = |room: &&Room| {
            !room.settings().is_archived
                && self.has_room_access(invitation.by, room, RoomAccess::Inviter).0
        };
        rooms.filter(may_invite).map(|room| room.id).collect()
    }

    /// Puts somebody who has used an invitation into its rooms. Returns those that it is in by that.
    pub(super) fn enter_invited(
        &mut self,
        cx: &mut Context<'_>,
        rooms: Vec<RoomId>,
    ) -> Vec<RoomId> {
        let mut entered = Vec::new();
        for room in rooms {
            let has_room = self.state.rooms_of(cx.user).len() < self.settings.rooms_per_client_max;
            let is_removed = self.state.member_record(cx.user, room).is_removed(cx.unix_ms());
            if self.state.is_member(cx.user, room) || !has_room || is_removed {
                continue;
            }
            self.let_in(cx, room);
            self.happen(cx, Presence::Joined { room });
            entered.push(room);
        }
        entered
    }

    fn let_in(&mut self, cx: &mut Context<'_>, room: RoomId) {
        let user = cx.user;
        let record = MemberRecord { may_return: true, ..self.state.member_record(user, room) };
        if record != self.state.member_record(user, room) {
            self.happen(cx, RoomChange::Recorded { room, user, record });
        }
    }

    /// Lets a client into a room by the code of an invitation. One that is of no use is refused in
    /// the same way, whether there is such a room or not.
    pub(super) fn come_in_by_code(
        &mut self,
        cx: &mut Context<'_>,
        name: &RoomName,
        code: &str,
    ) -> Done {
        if !self.logins.attempts.may_try(cx.peer, None, cx.out.now().ms) {
            return Err(too_many_attempts());
        }
        let code = read_code(code).ok_or_else(wrong_code)?;
        let unix_ms = cx.unix_ms();
        let invitation = self.good_invitation(cx, &code).ok_or_else(wrong_code)?;
        let room = self.named(name, unix_ms).ok_or_else(wrong_code)?;
        if !self.rooms_of_invitation(invitation).contains(&room) {
            return Err(wrong_code());
        }
        if self.state.is_member(cx.user, room) || self.check_entry(cx, room).is_ok() {
            return Ok(());
        }
        let record = self.state.member_record(cx.user, room);
        if record.is_removed(unix_ms) {
            // It is told so as at the room's door.
            return Err(wrong_code());
        }
        // Else it is told so as it enters, and the code is still good.
        if self.state.rooms_of(cx.user).len() < self.settings.rooms_per_client_max {
            self.let_in(cx, room);
            self.happen(cx, RoomChange::InvitationUsed { id: invitation });
        }
        Ok(())
    }
}
