//! Programs that follow what is said, and say nothing themselves.

use serde_json::json;

use super::Context;
use crate::chat::Chat;
use crate::chat::dialect::Dialect;
use crate::chat::ids::{RoomId, UserId};
use crate::chat::name::RoomName;
use crate::chat::state::accounts::SecretHash;
use crate::service::Following;
use crate::wire::http::HttpError;
use crate::wire::http::events::{Seen, Wanted};
use crate::wire::websocket::handshake::Query;

impl Chat {
    /// Whether who shows this may follow what is said: it is for accounts. What it has asked for in
    /// its URL is what other programs ask for when they join a room.
    pub(in crate::chat) fn may_follow(
        &self,
        wanted: &Wanted,
        credential: Option<&str>,
        unix_ms: u64,
    ) -> Result<Following, HttpError> {
        let hash = SecretHash::of(credential.ok_or(HttpError::STREAM_TOKEN)?);
        let found = self.state.accounts().find_key(hash, unix_ms);
        let (account, _) = found.ok_or(HttpError::STREAM_TOKEN)?;
        self.check_banned(account, unix_ms).map_err(|_| HttpError::STREAM_BANNED)?;
        let mut requests = Vec::new();
        for (room, seen) in &wanted.rooms {
            // What a browser shows is newer than what its page has asked for first.
            let last = wanted.last.as_ref();
            let last = last.filter(|(last, _)| self.is_same_room(account, [room, last], unix_ms));
            let join = match last.map(|(_, seen)| seen).or(seen.as_ref()) {
                None => json!({ "type": "join", "room": room }),
                Some(Seen { id, epoch }) => {
                    json!({ "type": "join", "room": room, "since": id, "epoch": epoch })
                }
            };
            requests.extend(join.to_string().bytes().chain([b'\n']));
        }
        let subprotocol = Dialect::Json.subprotocol().ok_or(HttpError::NOT_FOUND)?;
        Ok(Following { subprotocol, requests })
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
        let names = query.all("follow").filter_map(|room| RoomName::parse(room).ok());
        let keys = names.map(|name| Box::from(name.key())).collect();
        let is_follower = query.has("follow");
        if is_follower {
            self.sessions.follow_only(cx.client, keys);
        }
        is_follower
    }

    /// A client that follows hears a room from here on: its account has been in it already, or it has
    /// asked for it by another name.
    pub(super) fn hear_followed(&mut self, cx: &mut Context<'_>, room: RoomId) {
        if !self.sessions.follows_some(cx.client) {
            return;
        }
        let channel = self.channel_for(room, cx.out);
        if !cx.out.channels_of(cx.client).any(|other| other == channel) {
            cx.out.join(channel, cx.client);
        }
    }
}
