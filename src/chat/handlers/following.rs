//! Programs that follow what is said, and say nothing themselves.

use serde_json::json;

use super::Context;
use crate::chat::Chat;
use crate::chat::dialect::reply::{Line, Reply};
use crate::chat::dialect::{Dialect, render};
use crate::chat::ids::{RoomId, UserId};
use crate::chat::name::RoomName;
use crate::chat::proofs::Shown;
use crate::chat::request::Resume;
use crate::chat::state::accounts::SecretHash;
use crate::chat::state::rooms::Room;
use crate::clock::Now;
use crate::delivery::Delivery;
use crate::delivery::channels::ChannelId;
use crate::delivery::encoding::{Encoder, Framing};
use crate::ids::{ClientId, Peer};
use crate::service::Following;
use crate::wire::http::HttpError;
use crate::wire::http::events::{self, Seen, Wanted};
use crate::wire::websocket::handshake::Query;

/// The rooms that a client follows, and with each the last message that it has seen there, if that is
/// one of ours.
const ROOM: &str = "follow";
const SEEN: &str = "seen";

/// Whether a client that connects anew shows by what the last event was known that it was told.
pub(in crate::chat) fn shows_ids(client: ClientId, out: &Delivery) -> bool {
    out.encoding(client).framing == Framing::Events
}

impl Chat {
    /// Whether who shows this may follow what is said: it is for accounts. What it has asked for in
    /// its URL is what other programs ask for when they join a room.
    pub(in crate::chat) fn may_follow(
        &mut self,
        peer: Peer,
        wanted: &Wanted,
        credential: Option<&str>,
        now: Now,
    ) -> Result<Following, HttpError> {
        let hash = SecretHash::of(credential.ok_or(HttpError::STREAM_TOKEN)?);
        let Some((account, _)) = self.state.accounts().find_key(hash, now.unix_ms) else {
            let is_told = self.logins.attempts.count_unknown(Shown::Program, peer, now.ms);
            return Err(if is_told { HttpError::STREAM_TOKEN } else { HttpError::STREAM_TRIES });
        };
        self.check_banned(account, now.unix_ms).map_err(|_| HttpError::STREAM_BANNED)?;
        let (mut requests, mut query) = (Vec::new(), Vec::new());
        for (room, seen) in &wanted.rooms {
            // What a browser shows is newer than what its page has asked for first.
            let mut last = wanted.last.iter();
            let last = last.find(|(last, _)| self.is_same_room(account, [room, last], now.unix_ms));
            let seen = last.map(|(_, seen)| seen).or(seen.as_ref());
            let join = match seen {
                None => json!({ "type": "join", "room": room }),
                Some(Seen { id, epoch }) => {
                    json!({ "type": "join", "room": room, "since": id, "epoch": epoch })
                }
            };
            requests.extend(join.to_string().bytes().chain([b'\n']));
            let ours = |epoch: &Option<String>| {
                epoch.as_ref().is_none_or(|epoch| *epoch == self.settings.epoch)
            };
            let seen = seen.filter(|seen| ours(&seen.epoch));
            let seen = seen.map_or(String::new(), |seen| seen.id.to_string());
            query.extend([(ROOM, room.clone()), (SEEN, seen)]);
        }
        let subprotocol = Dialect::Json.subprotocol().ok_or(HttpError::NOT_FOUND)?;
        Ok(Following { subprotocol, requests, query: query.into_iter().collect() })
    }

    /// Whether these are names of one room for an account: it may have another by now.
    fn is_same_room(&self, account: UserId, [one, other]: [&str; 2], unix_ms: u64) -> bool {
        let (Ok(one), Ok(other)) = (RoomName::parse(one), RoomName::parse(other)) else {
            return false;
        };
        let room = |name| self.room_known_to(account, name, unix_ms).map(|room| room.id);
        one == other || room(&one).is_some_and(|id| room(&other) == Some(id))
    }

    /// A client hears these rooms alone, and each from when it has joined it here.
    pub(super) fn note_followed(&mut self, cx: &Context<'_>, query: &Query) -> bool {
        let places = query.all(ROOM).zip(query.all(SEEN)).filter_map(|(room, seen)| {
            let room = RoomName::parse(room).ok()?;
            Some((Box::from(room.key()), seen.parse().ok()))
        });
        let places = places.collect();
        let is_follower = query.has(ROOM);
        if is_follower {
            self.sessions.followers.begin(cx.client, places, shows_ids(cx.client, cx.out));
        }
        is_follower
    }

    /// A client that follows hears a room from here on: its account has been in it already, or it has
    /// asked for it by another name, which has this key.
    pub(super) fn hear_followed(
        &mut self,
        cx: &mut Context<'_>,
        id: RoomId,
        asked: &str,
        resume: Option<&Resume<'_>>,
    ) {
        if !self.sessions.followers.has(cx.client) {
            return;
        }
        let channel = self.channel_for(id, cx.out);
        if !cx.out.channels_of(cx.client).any(|other| other == channel) {
            cx.out.join(channel, cx.client);
        }
        let Some(room) = self.state.rooms().get(id) else { return };
        let known = resume.filter(|resume| self.knows(room, resume));
        let at = known.map_or(last_id(room), |resume| resume.since);
        self.sessions.followers.came_in(cx.client, asked, room.name.key(), at);
    }

    /// A client that follows has been told all that was said in a room by now.
    pub(in crate::chat) fn note_told(&mut self, client: ClientId, room: RoomId) {
        if let Some(room) = self.state.rooms().get(room) {
            self.sessions.followers.told(client, room.name.key(), last_id(room));
        }
    }

    /// Those that are told by what they know an event, and share that with nobody, are told what is
    /// said in a room by themselves.
    pub(in crate::chat) fn tell_followers(
        &mut self,
        cx: &mut Context<'_>,
        id: RoomId,
        channel: ChannelId,
        line: Line<'_>,
    ) {
        let Some(room) = self.state.rooms().get(id) else { return };
        let clients = self.sessions.followers.with_ids_in(room.name.key());
        for client in clients.collect::<Vec<ClientId>>() {
            if !cx.out.channels_of(client).any(|other| other == channel) {
                continue;
            }
            let user = self.sessions.get(client).map(|session| session.user);
            let ignores = user.is_some_and(|user| self.state.order().ignores(user, cx.user));
            let line = if ignores { Line::stub(line.id, line.time) } else { line };
            let said = Reply::Said { room: room.name.as_str(), line, reference: None };
            let event_id = self.event_id(client, room, line.id);
            cx.out.replace_last(channel, client, b"");
            cx.out.send(client, |to| {
                to.identify(|| event_id);
                render(to, &said);
            });
            self.sessions.followers.told(client, room.name.key(), line.id);
        }
    }

    /// By what a client knows that it has been told this message of a room.
    pub(super) fn event_id(&self, client: ClientId, room: &Room, id: u64) -> String {
        let (followers, epoch) = (&self.sessions.followers, &self.settings.epoch);
        match self.places_of(client).filter(|_| followers.has_ids(client)) {
            None => events::event_id(epoch, [(room.name.as_str(), id)]),
            Some(places) => {
                let is_it = |name: &str| name == room.name.key();
                let places = places.map(|(name, at)| (name, if is_it(name) { id } else { at }));
                events::event_id(epoch, places)
            }
        }
    }

    /// By what a client that follows knows how far it has come.
    pub(super) fn place_id(&self, client: ClientId) -> Option<String> {
        Some(events::event_id(&self.settings.epoch, self.places_of(client)?))
    }

    /// How far a client that follows has come in each of its rooms that its account is in. What
    /// another one is called by now may be nothing for it to know.
    fn places_of(&self, client: ClientId) -> Option<impl Iterator<Item = (&str, u64)>> {
        let user = self.sessions.get(client)?.user;
        let is_in = move |name: &str| {
            let room = self.state.rooms().find(name);
            room.is_some_and(|room| self.state.is_member(user, room.id))
        };
        let places = self.sessions.followers.places_of(client)?;
        Some(places.filter(move |(name, _)| is_in(name)))
    }

    /// Appends what several are told, and by what they know it.
    pub(in crate::chat) fn render_shared(&self, to: &mut Encoder, reply: &Reply) {
        if let Reply::Said { room, line, .. } = reply {
            to.identify(|| events::event_id(&self.settings.epoch, [(*room, line.id)]));
        }
        render(to, reply);
    }
}

/// The last message of a room.
fn last_id(room: &Room) -> u64 {
    room.history.next_id() - 1
}
