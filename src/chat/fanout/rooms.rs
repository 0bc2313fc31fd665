//! Who is told what of a room that is kept for somebody.

use crate::chat::dialect::render;
use crate::chat::dialect::reply::{Reply, RoomState, SettingChange};
use crate::chat::handlers::Context;
use crate::chat::ids::{RoomId, UserId};
use crate::chat::name::{Name, RoomName};
use crate::chat::presence::Change;
use crate::chat::record::{Event, Kept, Record, RoomChange};
use crate::chat::state::rooms::rules::RoomSettings;
use crate::chat::{Chat, LOBBY};
use crate::delivery::Delivery;
use crate::ids::ClientId;

/// Why everybody is out of a room.
const DELETED: &str = "it is deleted";

impl Chat {
    /// Tells a room of a change to it, before that is made.
    pub(super) fn publish_room_change(&self, cx: &mut Context<'_>, change: &RoomChange, time: u64) {
        match change {
            RoomChange::Set { room, settings } => self.publish_settings(cx, *room, settings, time),
            RoomChange::Removed { room, user, reason } => {
                self.publish_removed(cx, *room, *user, reason.as_deref(), time);
            }
            RoomChange::Renamed { room, name } => self.publish_room_renamed(cx, *room, name, time),
            RoomChange::Deleted { room } => self.publish_deleted(cx, *room, time),
            RoomChange::Recorded { .. }
            | RoomChange::NameReleased { .. }
            | RoomChange::HookMade(_)
            | RoomChange::HookEnded { .. }
            | RoomChange::InvitationUsed { .. } => {}
        }
    }

    /// Changes the state as a record says, and where the clients talk of those who are out.
    pub(super) fn apply_room_change(&mut self, record: Record, to: &mut Delivery) {
        let Event::Kept(Kept::Room(change)) = &record.event else { return };
        let out: Vec<(UserId, RoomId)> = match *change {
            RoomChange::Removed { room, user, .. } => vec![(user, room)],
            RoomChange::Deleted { room } => {
                self.questions.deleted(room, None);
                self.state.members(room).map(|user| (user.id, room)).collect()
            }
            RoomChange::Renamed { room, ref name } => {
                // They have its name.
                self.replays.remove_room(room);
                if let Some(here) = self.state.rooms().get(room) {
                    self.sessions.followers.renamed(here.name.key(), name.key());
                }
                Vec::new()
            }
            RoomChange::Set { .. }
            | RoomChange::Recorded { .. }
            | RoomChange::NameReleased { .. }
            | RoomChange::HookMade(_)
            | RoomChange::HookEnded { .. }
            | RoomChange::InvitationUsed { .. } => Vec::new(),
        };
        self.state.apply(record);
        out.into_iter().for_each(|(user, room)| self.talk_nowhere(user, room, to));
    }

    /// Somebody goes. What it says on that those do not see who ignore it.
    pub(super) fn publish_left(
        &mut self,
        cx: &mut Context<'_>,
        id: RoomId,
        reason: Option<&str>,
        time: u64,
    ) {
        let (by, you, reference) = (None, false, None);
        let channel = self.announce(cx, id, Change::Left, |room, name| Reply::Left {
            room,
            name,
            time,
            reason,
            by,
            you,
            reference,
        });
        let Some(channel) = channel.filter(|_| reason.is_some()) else { return };
        let (Some(room), Some(name)) = (self.state.rooms().get(id), self.name_of(cx.user)) else {
            return;
        };
        let (room, name, reason) = (room.name.as_str(), name.as_str(), None);
        let left = Reply::Left { room, name, time, reason, by, you, reference };
        self.show_ignoring(cx, id, channel, |_| Some(&left));
    }

    fn publish_settings(
        &self,
        cx: &mut Context<'_>,
        id: RoomId,
        settings: &RoomSettings,
        time: u64,
    ) {
        let (Some((room, channel)), Some(by)) = (self.room_and_channel(id), self.name_of(cx.user))
        else {
            return;
        };
        let is_lobby = room.name.key() == LOBBY;
        let is_new = room.rules().is_none() && !is_lobby;
        // It is kept in any case: for who does something else there, nothing changes.
        if is_lobby && *settings == *room.settings() {
            return;
        }
        let state = RoomState {
            kept: true,
            owner: if is_new { Some(by.as_str()) } else { self.room_state(room, settings).owner },
            by: Some(by.as_str()),
            time: Some(time),
            changes: match is_new {
                true => vec![SettingChange::Kept],
                false => SettingChange::between(room.settings(), settings),
            },
            ..self.room_state(room, settings)
        };
        let role = self.state.room_role(cx.user, id).as_str();
        let own = cx.reference.map(|reference| {
            let (role, reference) = (Some(role), Some(reference));
            cx.encode(&Reply::Room(RoomState { role, reference, ..state.clone() }))
        });
        cx.publish(channel, own.as_deref(), &Reply::Room(state));
    }

    fn publish_room_renamed(&self, cx: &mut Context<'_>, id: RoomId, name: &RoomName, time: u64) {
        let (Some((room, channel)), Some(by)) = (self.room_and_channel(id), self.name_of(cx.user))
        else {
            return;
        };
        let state = RoomState {
            room: name.as_str(),
            from: Some(room.name.as_str()),
            by: Some(by.as_str()),
            time: Some(time),
            ..self.room_state(room, room.settings())
        };
        let own = cx.reference.map(|reference| {
            cx.encode(&Reply::Room(RoomState { reference: Some(reference), ..state.clone() }))
        });
        cx.publish(channel, own.as_deref(), &Reply::Room(state));
    }

    /// Everybody is out, and told so alone.
    fn publish_deleted(&self, cx: &mut Context<'_>, id: RoomId, time: u64) {
        let Some((room, channel)) = self.room_and_channel(id) else { return };
        let by = self.name_of(cx.user).map(Name::as_str);
        for user in self.state.members(id) {
            let left = Reply::Left {
                room: room.name.as_str(),
                name: user.name.as_str(),
                time,
                reason: Some(DELETED),
                by,
                you: true,
                reference: None,
            };
            for client in self.clients_of(user.id) {
                cx.out.leave(channel, client);
                cx.out.send(client, |to| render(to, &left));
            }
        }
    }

    /// Somebody is out at once: it gets what was said before, and nothing after that.
    fn publish_removed(
        &self,
        cx: &mut Context<'_>,
        id: RoomId,
        user: UserId,
        reason: Option<&str>,
        time: u64,
    ) {
        let Some((room, channel)) = self.room_and_channel(id) else { return };
        let (Some(by), Some(name)) = (self.name_of(cx.user), self.name_of(user)) else { return };
        let (room, name, by) = (room.name.as_str(), name.as_str(), Some(Name::as_str(by)));
        let left = |you| Reply::Left { room, name, time, reason, by, you, reference: None };
        for client in self.clients_of(user).collect::<Vec<ClientId>>() {
            cx.out.leave(channel, client);
            cx.out.send(client, |to| render(to, &left(true)));
        }
        cx.publish(channel, None, &left(false));
    }
}
