//! What a client is told first.

use super::{Context, Done};
use crate::chat::dialect::Dialect;
use crate::chat::dialect::reply::{Reply, ServerLimits};
use crate::chat::dialect::text::others;
use crate::chat::name::{self, RoomName};
use crate::chat::request::{Request, RequestError};
use crate::chat::{Chat, lobby};
use crate::wire::websocket::handshake::Query;

impl Chat {
    /// Gives a client a name and greets it, with what it has said of itself in its URL.
    pub(in crate::chat) fn arrive(&mut self, cx: &mut Context<'_>, query: &Query) {
        let named = self.take_first_name(cx, query.get("name"));
        let greeted = match cx.dialect() {
            Dialect::Json => self.welcome(cx, query.get("room")),
            Dialect::Text => self.greet(cx, query.get("room")),
        };
        for error in named.err().into_iter().chain(greeted.err()) {
            cx.reply_error(&error);
        }
    }

    /// Greets a program. It joins rooms by itself, so that it can say where it was.
    fn welcome(&mut self, cx: &mut Context<'_>, room: Option<&str>) -> Done {
        if let Some(name) = self.name_of(cx.user) {
            let welcome = Reply::Welcome {
                name: name.as_str(),
                epoch: &self.settings.epoch,
                server: concat!("chat-server/", env!("CARGO_PKG_VERSION")),
                time: cx.unix_ms(),
                limits: ServerLimits {
                    message_bytes: self.settings.message_bytes_max,
                    name_chars: name::CLUSTERS_MAX,
                    room_chars: name::ROOM_CLUSTERS_MAX,
                    rooms: self.settings.rooms_per_client_max,
                },
            };
            cx.reply(&welcome);
        }
        match room {
            None => Ok(()),
            Some(room) => {
                self.execute(cx, Request::Join { room: room.into(), resume: None, replay: None })
            }
        }
    }

    /// Greets a person: one line, then what was said lately.
    fn greet(&mut self, cx: &mut Context<'_>, room: Option<&str>) -> Done {
        let wanted = room.map_or(Ok(None), |room| RoomName::parse(room).map(Some));
        let name = wanted.as_ref().ok().cloned().flatten().unwrap_or_else(lobby);
        let entered = self.enter(cx, name);
        if let Some(name) = self.name_of(cx.user) {
            let room = entered.as_ref().ok().and_then(|&id| self.state.rooms().get(id));
            let place = room.map_or(String::new(), |room| {
                format!(" in {}, with {}", room.name, others(room.member_count()))
            });
            cx.notice(format_args!("* Welcome! You are {name}{place}. Try /nick NAME or /help."));
        }
        self.replay(cx, entered?, None, None);
        wanted.map(drop).map_err(|error| RequestError::of("room_refused", &error))
    }
}
