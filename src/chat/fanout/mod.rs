//! From what happened to who is told what.

mod deletions;
mod rooms;
mod said;

pub(super) use deletions::Deletion;

use log::info;

use super::Chat;
use crate::chat::dialect::reply::Reply;
use crate::chat::dialect::{self, Dialect, render};
use crate::chat::handlers::Context;
use crate::chat::ids::{RoomId, UserId};
use crate::chat::name::Name;
use crate::chat::presence::{Change, Sum};
use crate::chat::record::{Cached, Event, Kept, Presence, Record, RoomChange};
use crate::chat::state::history::Message;
use crate::chat::state::rooms::Room;
use crate::delivery::Delivery;
use crate::delivery::channels::ChannelId;
use crate::ids::ClientId;

impl Chat {
    /// Something happens, and what follows from it: one after the other, each is told, recorded
    /// and applied.
    pub(super) fn happen(&mut self, cx: &mut Context<'_>, event: impl Into<Event>) {
        let event = match event.into() {
            Event::Kept(Kept::Said { room, id, message, key }) => {
                return self.happen_said(cx, room, id, message, key.as_deref());
            }
            event => event,
        };
        // The room in which something happened from which more can follow: what makes place does not.
        let changed = match &event {
            Event::Kept(Kept::Room(RoomChange::Removed { room, .. }))
            | Event::Presence(Presence::Left { room, .. }) => Some(*room),
            Event::Cached(Cached::Loaded(room)) => Some(room.room),
            _ => None,
        };
        self.record(cx, event);
        if let Some(room) = changed {
            self.make_place(cx, room);
        }
    }

    /// What follows from what happened in a room.
    fn make_place(&mut self, cx: &mut Context<'_>, room: RoomId) {
        while let Some(event) = self.state.consequence(room) {
            self.record(cx, event);
        }
    }

    /// Tells those whom it concerns, changes the state, and has delivery's channels follow it.
    fn record(&mut self, cx: &mut Context<'_>, event: Event) {
        let record = Record { unix_ms: cx.unix_ms(), by: cx.user, event };
        self.note_changes(&record, cx.out);
        self.publish(cx, &record);
        self.journal.append(&record);
        match record.event {
            Event::Kept(Kept::Opened { room, .. }) => {
                self.state.apply(record);
                self.open_channel(room, cx.out);
            }
            Event::Kept(Kept::Closed { room }) | Event::Cached(Cached::Unloaded { room }) => {
                self.close_room(room, record, cx.out);
            }
            Event::Cached(Cached::Loaded(_)) => self.state.apply(record),
            Event::Kept(Kept::MessageDeleted { room, id }) => {
                self.state.apply(record);
                self.replays.remove_room(room);
                self.questions.deleted(room, Some(id));
            }
            Event::Kept(Kept::HistoryCut { room, .. })
            | Event::Cached(Cached::Expired { room, .. }) => {
                self.state.apply(record);
                self.replays.remove_room(room);
            }
            Event::Kept(Kept::TopicSet { .. } | Kept::Direct { .. }) => self.state.apply(record),
            Event::Kept(Kept::Reading(ref change)) => {
                let room = change.read_in();
                self.apply_reading(cx, record, room);
            }
            Event::Presence(_) => self.record_presence(cx, record),
            Event::Kept(Kept::AccountEnded) => {
                self.state.apply(record);
                self.sessions.aways.end(cx.user);
                // They have its name.
                self.replays.clear();
            }
            Event::Kept(Kept::Room(_)) => self.apply_room_change(record, cx.out),
            // What is said happens by itself: `happen_said`.
            Event::Kept(
                Kept::Said { .. }
                | Kept::AccountMade { .. }
                | Kept::BotMade { .. }
                | Kept::PasswordSet { .. }
                | Kept::RoleSet { .. }
                | Kept::KeyMade(_)
                | Kept::KeyEnded { .. }
                | Kept::Invited { .. }
                | Kept::InvitationEnded { .. }
                | Kept::NameReleased { .. }
                | Kept::Guest(_)
                | Kept::Order(_),
            ) => self.state.apply(record),
        }
    }

    /// Somebody comes, goes or is called otherwise: the clients follow.
    fn record_presence(&mut self, cx: &mut Context<'_>, record: Record) {
        let Event::Presence(ref presence) = record.event else { return };
        self.log(cx, presence);
        let (room, is_coming) = match *presence {
            Presence::Joined { room } => (Some(room), true),
            Presence::Left { room, .. } => (Some(room), false),
            Presence::Connected { .. } | Presence::Disconnected | Presence::Renamed { .. } => {
                (None, false)
            }
        };
        let is_new = matches!(presence, Presence::Connected { .. });
        if matches!(presence, Presence::Disconnected) {
            self.sessions.aways.end(cx.user);
        }
        self.state.apply(record);
        if let Some(slot) = self.state.users().slot(cx.user).filter(|_| is_new) {
            self.sessions.connected(cx.client, slot);
        }
        if let Some(room) = room {
            self.follow(cx, room, is_coming);
        }
    }

    /// What is said in a conversation needs none.
    fn open_channel(&mut self, room: RoomId, out: &mut Delivery) {
        if self.state.rooms().get(room).is_some_and(|room| room.between().is_none()) {
            self.channels.insert(room, out.open_channel());
        }
    }

    /// The channel of a room: one that was loaded has none before somebody comes.
    pub(super) fn channel_for(&mut self, room: RoomId, out: &mut Delivery) -> ChannelId {
        self.channels.of(room).unwrap_or_else(|| {
            let channel = out.open_channel();
            self.channels.insert(room, channel);
            channel
        })
    }

    /// A room leaves memory, as a record says.
    pub(super) fn close_room(&mut self, room: RoomId, record: Record, out: &mut Delivery) {
        // The store knows as little as before of one that was not kept.
        let kept = self.state.rooms().get(room).filter(|room| room.kept_from().is_some());
        if let Some(room) = kept {
            self.questions.room_left(&room.name);
        }
        self.state.apply(record);
        self.replays.remove_room(room);
        self.presence.room_closed(room);
        if let Some(channel) = self.channels.remove(room) {
            out.close_channel(channel);
        }
    }

    /// The connections of a user: one of a guest, any number of an account.
    pub(super) fn clients_of(&self, user: UserId) -> impl Iterator<Item = ClientId> {
        let slot = self.state.users().slot(user);
        slot.into_iter().flat_map(move |slot| self.sessions.clients_of(user, slot))
    }

    /// The connections of a user but the one that asks.
    pub(super) fn other_devices(&self, cx: &Context<'_>) -> Vec<ClientId> {
        match self.state.accounts().contains(cx.user) {
            true => self.clients_of(cx.user).filter(|&client| client != cx.client).collect(),
            false => Vec::new(),
        }
    }

    /// The clients of a user join or leave the channel of a room, as their user has. The one that
    /// asks talks there from now on.
    fn follow(&mut self, cx: &mut Context<'_>, room: RoomId, is_coming: bool) {
        let channel = self.channel_for(room, cx.out);
        let others = self.other_devices(cx);
        // One that is about to be logged in is a guest yet.
        let is_own = self.sessions.get(cx.client).is_some_and(|session| session.user == cx.user);
        if is_coming {
            let name = self.state.rooms().get(room).map_or("", |room| room.name.key());
            let followers = &self.sessions.followers;
            for client in others.into_iter().filter(|other| followers.hears(*other, name)) {
                cx.out.join(channel, client);
            }
            if is_own && followers.hears(cx.client, name) {
                cx.out.join(channel, cx.client);
                self.sessions.talk_in(cx.client, Some(channel));
            }
            return;
        }
        for client in others.into_iter().chain(is_own.then_some(cx.client)) {
            cx.out.leave(channel, client);
            if self.talks_in(client, channel) {
                self.sessions.talk_in(client, None);
            }
        }
    }

    /// The clients of somebody who was removed from a room, whose channel they have left.
    fn talk_nowhere(&mut self, user: UserId, room: RoomId, out: &mut Delivery) {
        for client in self.talking_in(room, self.clients_of(user)) {
            self.sessions.talk_in(client, None);
            self.notice_nowhere(client, user, out);
        }
    }

    /// Those of these clients that talk in this room.
    pub(super) fn talking_in(
        &self,
        room: RoomId,
        clients: impl Iterator<Item = ClientId>,
    ) -> Vec<ClientId> {
        let Some(channel) = self.channels.of(room) else { return Vec::new() };
        clients.filter(|&client| self.talks_in(client, channel)).collect()
    }

    fn talks_in(&self, client: ClientId, channel: ChannelId) -> bool {
        self.sessions.get(client).and_then(|session| session.current) == Some(channel)
    }

    /// The room that a client talked in was taken from it. In no other room is said what is typed
    /// next: it was meant for that one, and somebody may be typing it.
    pub(super) fn notice_nowhere(&self, client: ClientId, user: UserId, out: &mut Delivery) {
        let line = match self.state.rooms_of(user).next() {
            Some(_) => "* You talk in no room now. /join #ROOM says in which.",
            None => "* You are in no room now. Enter one with /join #ROOM.",
        };
        out.send(client, |to| dialect::notice(to, format_args!("{line}")));
    }

    fn log(&self, cx: &Context<'_>, presence: &Presence) {
        let peer = cx.peer;
        match (presence, self.name_of(cx.user)) {
            (Presence::Connected { name, .. }, _) => info!("{peer} is {name}"),
            (Presence::Disconnected, Some(name)) => info!("{name} left ({peer})"),
            (Presence::Renamed { name }, Some(old)) => info!("{old} is {name} now ({peer})"),
            (Presence::Joined { .. } | Presence::Left { .. }, _)
            | (Presence::Disconnected | Presence::Renamed { .. }, None) => {}
        }
    }

    /// Tells all those whom it concerns.
    fn publish(&mut self, cx: &mut Context<'_>, record: &Record) {
        let time = record.unix_ms;
        match &record.event {
            Event::Kept(Kept::TopicSet { room, topic }) => {
                self.publish_topic(cx, *room, topic, time);
            }
            Event::Kept(Kept::Direct { to, text, .. }) => {
                self.publish_direct(cx, *to, None, text, time);
            }
            Event::Presence(Presence::Joined { room }) => {
                let joined =
                    |room, name| Reply::Joined { room, name, time, own: None, reference: None };
                self.announce(cx, *room, Change::Joined, joined);
            }
            Event::Presence(Presence::Left { room, reason }) => {
                self.publish_left(cx, *room, reason.as_deref(), time);
            }
            Event::Presence(Presence::Renamed { name }) => self.publish_renamed(cx, name, time),
            Event::Kept(Kept::AccountMade { name, .. }) => self.publish_renamed(cx, name, time),
            Event::Kept(Kept::Room(change)) => self.publish_room_change(cx, change, time),
            Event::Kept(
                Kept::Said { .. }
                | Kept::Opened { .. }
                | Kept::Closed { .. }
                | Kept::MessageDeleted { .. }
                | Kept::HistoryCut { .. }
                | Kept::BotMade { .. }
                | Kept::AccountEnded
                | Kept::PasswordSet { .. }
                | Kept::RoleSet { .. }
                | Kept::KeyMade(_)
                | Kept::KeyEnded { .. }
                | Kept::Invited { .. }
                | Kept::InvitationEnded { .. }
                | Kept::NameReleased { .. }
                | Kept::Guest(_)
                | Kept::Order(_)
                | Kept::Reading(_),
            )
            | Event::Presence(Presence::Connected { .. } | Presence::Disconnected)
            | Event::Cached(_) => {}
        }
    }

    /// Programs are told in each room that they share, people once.
    fn publish_renamed(&mut self, cx: &mut Context<'_>, name: &Name, time: u64) {
        let (you, to, reference) = (false, name.as_str(), None);
        let rooms: Vec<RoomId> = self.state.rooms_of(cx.user).collect();
        let mut told: Vec<ChannelId> = Vec::new();
        for room in rooms {
            let channel = self.announce(cx, room, Change::Renamed, |room, from| Reply::Renamed {
                room: Some(room),
                from,
                to,
                time,
                you,
                reference,
            });
            let Some(channel) = channel else { continue };
            let mut known: Vec<ClientId> =
                told.iter().flat_map(|&channel| cx.out.members(channel)).collect();
            known.sort_unstable();
            let members = cx.out.members(channel).filter(|&member| {
                let is_person = Dialect::from(cx.out.encoding(member).dialect) == Dialect::Text;
                is_person && member != cx.client && known.binary_search(&member).is_ok()
            });
            for member in members.collect::<Vec<_>>() {
                cx.out.replace_last(channel, member, &[]);
            }
            told.push(channel);
        }
    }

    /// Tells the others in a room, if it is small enough, of somebody who comes, goes or takes
    /// another name: at once, where is returned, or later in a sum.
    pub(super) fn announce<'a>(
        &'a mut self,
        cx: &mut Context<'_>,
        id: RoomId,
        change: Change,
        reply: impl Fn(&'a str, &'a str) -> Reply<'a>,
    ) -> Option<ChannelId> {
        let (limits, now_ms) = (&self.settings.presence, cx.out.now().ms);
        if !self.has_audience(id, change)
            || !self.presence.is_told_at_once(id, change, now_ms, limits)
        {
            return None;
        }
        let (room, channel) = self.room_and_channel(id)?;
        let name = self.name_of(cx.user)?;
        // Who was away leaves without a connection.
        let own = self.sessions.get(cx.client).map(|_| &[][..]);
        cx.publish(channel, own, &reply(room.name.as_str(), name.as_str()));
        Some(channel)
    }

    /// Whether anybody else is in a room, and not too many are to be told of such things.
    fn has_audience(&self, id: RoomId, change: Change) -> bool {
        let is_coming = u32::from(change == Change::Joined);
        let members = self.state.rooms().get(id).map_or(0, Room::member_count) + is_coming;
        (2..=self.settings.announce_below).contains(&members)
    }

    /// Tells rooms what has been summed up for long enough, but for those that have grown big
    /// meanwhile.
    pub(super) fn publish_sums(&mut self, out: &mut Delivery) {
        let (now, limits) = (out.now(), &self.settings.presence);
        while let Some((id, sum)) = self.presence.take_due(now.ms, limits) {
            let Some((room, channel)) = self.room_and_channel(id) else { continue };
            if room.member_count() > self.settings.announce_below {
                continue;
            }
            let Sum { joined, left, renamed } = sum;
            let (members, time) = (room.member_count(), now.unix_ms);
            let room = room.name.as_str();
            let presence = Reply::Presence { room, joined, left, renamed, members, time };
            out.publish(channel, None, |to| render(to, &presence));
        }
        self.presence.forget_idle(now.ms, limits);
    }

    fn publish_topic(&self, cx: &mut Context<'_>, id: RoomId, topic: &str, time: u64) {
        let Some((room, channel)) = self.room_and_channel(id) else { return };
        let Some(name) = self.name_of(cx.user) else { return };
        let reply = |reference| Reply::Topic {
            room: room.name.as_str(),
            topic,
            name: Some(name.as_str()),
            time: Some(time),
            reference,
        };
        let own = cx.reference.map(|reference| cx.encode(&reply(Some(reference))));
        cx.publish(channel, own.as_deref(), &reply(None));
    }

    /// What is said in a conversation has no channel: it goes to the devices of both.
    fn publish_between(
        &mut self,
        cx: &mut Context<'_>,
        id: RoomId,
        message_id: u64,
        message: &Message,
    ) {
        let between = self.state.rooms().get(id).and_then(Room::between);
        if let Some(between) = between {
            let (to, text, time) = (between.other(cx.user), message.text(), message.unix_ms());
            self.publish_direct(cx, to, Some(message_id), text, time);
        }
    }

    /// `id`: its place in a conversation that is kept.
    fn publish_direct(
        &mut self,
        cx: &mut Context<'_>,
        to: UserId,
        id: Option<u64>,
        text: &str,
        time: u64,
    ) {
        let (Some(from), Some(addressee)) = (self.name_of(cx.user), self.name_of(to)) else {
            return;
        };
        let (from, name, guest) = (from.as_str(), addressee.as_str(), id.is_none());
        let sender = cx.user;
        let of_account = |sent| self.state.account(if sent { sender } else { to }).is_some();
        let reply = |sent, reference| Reply::Direct {
            from,
            to: name,
            id,
            text,
            time,
            guest,
            sent,
            marks_guest: guest && of_account(sent),
            deleted: false,
            reference,
        };
        let is_shown = to != cx.user && !self.state.order().ignores(to, cx.user);
        let receivers = self.clients_of(to).filter(|&other| other != cx.client && is_shown);
        let receivers: Vec<ClientId> = receivers.collect();
        for &other in &receivers {
            cx.out.send(other, |encoder| render(encoder, &reply(false, None)));
        }
        for other in self.other_devices(cx) {
            cx.out.send(other, |encoder| render(encoder, &reply(true, None)));
        }
        let reference = cx.reference;
        cx.reply(&reply(true, reference));
        self.tell_away(cx, to);
        for other in receivers {
            self.ring_at(other, cx.out);
            if Dialect::from(cx.out.encoding(other).dialect) == Dialect::Text {
                self.preferences.set_told_by(other, sender);
            }
        }
    }

    pub(super) fn room_and_channel(&self, id: RoomId) -> Option<(&Room, ChannelId)> {
        Some((self.state.rooms().get(id)?, self.channels.of(id)?))
    }

    /// The name of somebody who is here.
    pub(super) fn name_of(&self, user: UserId) -> Option<&Name> {
        self.state.users().get(user).map(|user| &user.name)
    }
}
