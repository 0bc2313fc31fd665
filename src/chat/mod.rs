//! The chat: names, rooms, commands, history.
//!
//! A request (a typed command or a JSON object) is checked, becomes an [`record::Record`] and is
//! appended to the [`record::Journal`]; what the journal commits is published and applied, and in
//! no other way does state change.
//!
//! - [`request`]: what clients ask for; [`dialect`]: how it is written, and what they are told.
//! - [`state`]: who is here, the rooms, and what was said there.
//! - [`name`], [`text`]: what may be shown on other people's screens; [`crate::throttle`]: how
//!   fast.

pub mod dialect;
mod emoji;
mod fanout;
mod handlers;
pub mod name;
pub mod record;
pub mod request;
pub mod state;
#[cfg(test)]
mod tests;
pub mod text;

use dialect::json::RequestRef;
use dialect::reply::{Reply, ServerLimits};
use dialect::text::others;
use dialect::{Dialect, notice, render};
use name::{Name, RoomName};
use record::{Journal, Record};
use request::{PublishesTo, Request, RequestError};
use state::rooms::{RoomLimits, Rooms};
use state::users::Users;

use crate::delivery::channels::ChannelId as RoomId;
use crate::delivery::encoding::{self, FrameKind};
use crate::delivery::{Delivery, Wait};
use crate::ids::ClientId;
use crate::service::{Hello, Incoming, Outcome, Service};
use crate::site::{self, Site};
use crate::throttle::Rate;
use crate::wire::close::CloseReason;
use crate::wire::line::LineMode;

/// Where everybody is put who does not say otherwise.
const LOBBY: &str = "#lobby";

/// Clients take messages of at least 1 MiB, most of them; a quarter of that leaves room for those
/// that take less.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;

fn lobby() -> RoomName {
    RoomName::parse(LOBBY).expect("the lobby's name follows the rules")
}

/// How the chat behaves; see the flags of the same names.
#[derive(Clone, Debug)]
pub struct Settings {
    pub rooms: RoomLimits,
    pub rooms_per_client_max: usize,
    /// Messages shown to one who joins.
    pub replay: u32,
    pub rate: Rate,
    /// Comings, goings and renamings are told in rooms of at most so many members.
    pub announce_below: u32,
    pub message_bytes_max: usize,
    /// An answer that lists messages has at most so many bytes, but for one message that has more
    /// by itself.
    pub answer_bytes_max: usize,
    /// Tells one run of the server from another: message ids start over with it.
    pub epoch: String,
}

/// The chat service.
#[derive(Debug)]
pub struct Chat {
    settings: Settings,
    people: Users,
    directory: Rooms,
    journal: Journal,
    /// Guests that have been given a number.
    guests: u64,
    /// Those who listen to the lobby without being in it.
    listeners: Option<RoomId>,
}

impl Chat {
    pub fn new(settings: Settings) -> Chat {
        Chat {
            people: Users::default(),
            directory: Rooms::new(settings.rooms),
            journal: Journal::default(),
            guests: 0,
            listeners: None,
            settings,
        }
    }

    /// Users with a name.
    pub fn people(&self) -> usize {
        self.people.count()
    }

    /// Rooms that somebody is in, or where something was said.
    pub fn rooms(&self) -> usize {
        self.directory.count()
    }

    /// The first name of a client: the one it asks for, if that can be had.
    fn first_name(&mut self, wanted: Option<&str>) -> (Name, Option<RequestError>) {
        let error = match wanted.map(|wanted| self.free_name(wanted, None)) {
            None => None,
            Some(Ok(name)) => return (name, None),
            Some(Err(error)) => Some(error),
        };
        loop {
            self.guests += 1;
            let name = Name::guest(self.guests);
            if self.people.find_alike(&name, None).is_none() {
                return (name, error);
            }
        }
    }

    /// A name as somebody typed it, if nobody but `owner` has it, or one that looks like it.
    fn free_name(&self, typed: &str, owner: Option<ClientId>) -> Result<Name, RequestError> {
        let name = Name::parse(typed).map_err(|error| RequestError::of("name_refused", &error))?;
        let message = match self.people.find_alike(&name, owner) {
            None => return Ok(name),
            Some(other) if other.name == name => {
                format!("The name {name} is taken. Choose another one.")
            }
            Some(other) => format!(
                "The name {name} looks like {}, which is taken. Choose another one.",
                other.name
            ),
        };
        Err(RequestError::new("name_taken", message))
    }

    fn reply_error(
        &self,
        client: ClientId,
        error: &RequestError,
        reference: Option<&RequestRef>,
        out: &mut Delivery,
    ) {
        let RequestError { code, message } = error;
        out.send(client, |to| render(to, &Reply::Error { code, message, reference }));
    }

    /// Greets somebody who speaks JSON. It joins rooms by itself, so that it can say where it was.
    fn welcome(
        &mut self,
        client: ClientId,
        room: Option<&str>,
        out: &mut Delivery,
    ) -> Result<(), RequestError> {
        if let Some(person) = self.people.get(client) {
            let welcome = Reply::Welcome {
                name: person.name.as_str(),
                epoch: &self.settings.epoch,
                server: concat!("chat-server/", env!("CARGO_PKG_VERSION")),
                time: out.now().unix_ms,
                limits: ServerLimits {
                    message_bytes: self.settings.message_bytes_max,
                    name_chars: name::CLUSTERS_MAX,
                    room_chars: name::ROOM_CLUSTERS_MAX,
                    rooms: self.settings.rooms_per_client_max,
                },
            };
            out.send(client, |to| render(to, &welcome));
        }
        match room {
            None => Ok(()),
            Some(room) => {
                let join = Request::Join { room: room.into(), resume: None, replay: None };
                self.execute(client, join, None, out)
            }
        }
    }

    /// Greets a person: one line, then what was said lately.
    fn greet(
        &mut self,
        client: ClientId,
        room: Option<&str>,
        out: &mut Delivery,
    ) -> Result<(), RequestError> {
        let wanted = room.map_or(Ok(None), |room| RoomName::parse(room).map(Some));
        let name = wanted.as_ref().ok().cloned().flatten().unwrap_or_else(lobby);
        let entered = self.enter(client, name, out);
        if let Some(person) = self.people.get(client) {
            let place = match entered.as_ref().ok().and_then(|&id| self.directory.get(id)) {
                Some(room) => format!(" in {}, with {}", room.name, others(room.members)),
                None => String::new(),
            };
            let name = &person.name;
            out.send(client, |to| {
                notice(
                    to,
                    format_args!("* Welcome! You are {name}{place}. Try /nick NAME or /help."),
                );
            });
        }
        let told = self.replay(client, entered?, None, None, out);
        self.charge_answer(client, told, out);
        wanted.map(drop).map_err(|error| RequestError::of("room_refused", &error))
    }

    /// What is behind of all that a request publishes to: the request waits until it has caught up.
    fn congestion(&self, client: ClientId, request: &Request<'_>, out: &Delivery) -> Option<Wait> {
        let room = match request.publishes_to() {
            PublishesTo::Nobody => None,
            PublishesTo::Room(room) => self.room_of(client, room, out).ok(),
            PublishesTo::NewRoom(room) => {
                RoomName::parse(room).ok().and_then(|name| self.directory.find(name.key()))
            }
            PublishesTo::Client(name) => {
                let to = self.addressee(name).ok()?;
                return out.client_congested(to).then_some(Wait::ClientClear(to));
            }
            PublishesTo::AllRooms => out.channels_of(client).find(|&id| out.congested(id)),
        };
        room.filter(|&id| out.congested(id)).map(Wait::ChannelClear)
    }
}

impl Service for Chat {
    fn line_mode(&self) -> LineMode {
        LineMode::Telnet
    }

    fn greeting(&self) -> Option<&'static str> {
        Some("* This is a chat. Press Enter to come in, or type what to say in #lobby.\r\n")
    }

    fn site(&self) -> Site {
        let commands = request::COMMANDS_MODULE.as_bytes();
        Site::new().with_file("/commands.js", site::JAVASCRIPT, commands)
    }

    fn listens(&mut self, client: ClientId, out: &mut Delivery) {
        let listeners = *self.listeners.get_or_insert_with(|| out.open_channel());
        out.join(listeners, client);
    }

    fn has_listened(&mut self, client: ClientId, out: &mut Delivery) {
        if let Some(listeners) = self.listeners {
            out.leave(listeners, client);
        }
    }

    fn subprotocols(&self) -> &'static [&'static str] {
        &dialect::SUBPROTOCOLS
    }

    fn dialect(&self, hello: &Hello<'_>) -> encoding::Dialect {
        Dialect::of(hello).into()
    }

    fn opened(&mut self, client: ClientId, hello: &Hello<'_>, out: &mut Delivery) {
        self.people.make_room(out.clients_expected());
        let (name, error) = self.first_name(hello.query.get("name"));
        self.commit(client, Record::Connected { name, peer: hello.peer }, None, out);
        let greeted = match Dialect::from(out.encoding(client).dialect) {
            Dialect::Text => self.greet(client, hello.query.get("room"), out),
            Dialect::Json => self.welcome(client, hello.query.get("room"), out),
        };
        for error in error.into_iter().chain(greeted.err()) {
            self.reply_error(client, &error, None, out);
        }
    }

    fn waits(&self, client: ClientId, out: &Delivery) -> Option<Wait> {
        let current: RoomId = self.people.get(client)?.current?;
        out.congested(current).then_some(Wait::ChannelClear(current))
    }

    fn message(&mut self, client: ClientId, message: Incoming<'_>, out: &mut Delivery) -> Outcome {
        if message.kind == FrameKind::Binary {
            return Outcome::Close(CloseReason::Unsupported("this chat takes text only"));
        }
        let dialect = Dialect::from(out.encoding(client).dialect);
        let text = text::from_bytes(message.bytes).map(|text| dialect.repair(text));
        let (parsed, reference) = match &text {
            Ok(text) => dialect.parse(text),
            Err(error) => {
                (Err(RequestError::new("text_refused", format!("Not said: {error}."))), None)
            }
        };
        // Nobody is left to hear an answer, so what only asks for one takes none of the time that
        // last words have.
        if out.is_discarding(client) && !parsed.as_ref().is_ok_and(Request::concerns_others) {
            return Outcome::Done;
        }
        if out.is_behind(client) {
            return Outcome::Blocked(Wait::ClientClear(client));
        }
        if let Some(until) =
            parsed.as_ref().ok().and_then(|command| self.congestion(client, command, out))
        {
            return Outcome::Blocked(until);
        }
        let Some(person) = self.people.get_mut(client) else { return Outcome::Done };
        if let Err(at) = person.bucket.try_take(out.now().ms, &self.settings.rate) {
            return Outcome::Blocked(Wait::Time(at));
        }
        let quits = matches!(parsed, Ok(Request::Quit { .. }));
        let done =
            parsed.and_then(|command| self.execute(client, command, reference.as_ref(), out));
        if let Err(error) = done {
            self.reply_error(client, &error, reference.as_ref(), out);
        }
        if quits { Outcome::Close(CloseReason::Done) } else { Outcome::Done }
    }

    fn closed(&mut self, client: ClientId, out: &mut Delivery) {
        self.leave_all(client, None, out);
        if self.people.get(client).is_some() {
            self.commit(client, Record::Disconnected, None, out);
        }
    }
}
