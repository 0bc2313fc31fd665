//! The chat: names, rooms, commands, history.
//!
//! A request (a typed command or a JSON object) is checked, becomes an [`event::Event`] and is
//! appended to the [`event::Journal`]; what the journal commits is published and applied, and in no
//! other way does state change.
//!
//! - [`command`], [`json`]: what clients ask for, in two dialects; [`output`]: what they are told,
//!   in both.
//! - [`people`], [`directory`]: who is here, and the rooms; [`history`]: what was said in a room.
//! - [`name`], [`text`]: what may be shown on other people's screens; [`crate::throttle`]: how
//!   fast.

pub mod command;
mod commit;
pub mod dialect;
pub mod directory;
mod emoji;
pub mod event;
pub mod history;
pub mod json;
pub mod name;
pub mod output;
pub mod people;
mod requests;
#[cfg(test)]
mod tests;
pub mod text;
pub mod utc;

use crate::delivery::channels::ChannelId as RoomId;
use crate::delivery::encoding::{Dialect, FrameKind};
use crate::delivery::{Delivery, Wait};
use crate::ids::ClientId;
use crate::service::{Hello, Incoming, Outcome, Service};
use crate::throttle::Rate;
use crate::wire::line::LineMode;
use command::{Command, Complaint};
use directory::Directory;
use event::{Event, Journal};
use json::Reference;
use name::{Name, RoomName};
use output::{Output, Promised, note, others, tell};
use people::People;

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
    pub rooms: directory::Limits,
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
    people: People,
    directory: Directory,
    journal: Journal,
    /// Guests that have been given a number.
    guests: u64,
    /// Those who listen to the lobby without being in it.
    listeners: Option<RoomId>,
}

impl Chat {
    pub fn new(settings: Settings) -> Chat {
        Chat {
            people: People::default(),
            directory: Directory::new(settings.rooms),
            journal: Journal::default(),
            guests: 0,
            listeners: None,
            settings,
        }
    }

    /// People with a name.
    pub fn people(&self) -> usize {
        self.people.count()
    }

    /// Rooms that somebody is in, or where something was said.
    pub fn rooms(&self) -> usize {
        self.directory.count()
    }

    /// The first name of a client: the one it asks for, if that can be had.
    fn first_name(&mut self, wanted: Option<&str>) -> (Name, Option<Complaint>) {
        let complaint = match wanted.map(|wanted| self.free_name(wanted, None)) {
            None => None,
            Some(Ok(name)) => return (name, None),
            Some(Err(complaint)) => Some(complaint),
        };
        loop {
            self.guests += 1;
            let name = Name::guest(self.guests);
            if self.people.find_alike(&name, None).is_none() {
                return (name, complaint);
            }
        }
    }

    /// A name as somebody typed it, if nobody but `owner` has it, or one that looks like it.
    fn free_name(&self, typed: &str, owner: Option<ClientId>) -> Result<Name, Complaint> {
        let name = Name::parse(typed).map_err(|error| Complaint::of("name_refused", &error))?;
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
        Err(Complaint::new("name_taken", message))
    }

    fn complain(
        &self,
        client: ClientId,
        complaint: &Complaint,
        reference: Option<&Reference>,
        out: &mut Delivery,
    ) {
        let Complaint { code, message } = complaint;
        out.send(client, |to| tell(to, &Output::Error { code, message, reference }));
    }

    /// Greets somebody who speaks JSON. It joins rooms by itself, so that it can say where it was.
    fn welcome(
        &mut self,
        client: ClientId,
        room: Option<&str>,
        out: &mut Delivery,
    ) -> Result<(), Complaint> {
        if let Some(person) = self.people.get(client) {
            let welcome = Output::Welcome {
                name: person.name.as_str(),
                epoch: &self.settings.epoch,
                server: concat!("chat-server/", env!("CARGO_PKG_VERSION")),
                time: out.now().unix_ms,
                limits: Promised {
                    message_bytes: self.settings.message_bytes_max,
                    name_chars: name::CLUSTERS_MAX,
                    room_chars: name::ROOM_CLUSTERS_MAX,
                    rooms: self.settings.rooms_per_client_max,
                },
            };
            out.send(client, |to| tell(to, &welcome));
        }
        match room {
            None => Ok(()),
            Some(room) => {
                let join = Command::Join { room: room.into(), resume: None, replay: None };
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
    ) -> Result<(), Complaint> {
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
                note(
                    to,
                    format_args!("* Welcome! You are {name}{place}. Try /nick NAME or /help."),
                );
            });
        }
        let told = self.replay(client, entered?, None, None, out);
        self.charge(client, told, out);
        wanted.map(drop).map_err(|error| Complaint::of("room_refused", &error))
    }

    /// The room that a command publishes to and that is behind; it is done when that has caught up.
    fn congestion(&self, client: ClientId, command: &Command<'_>, out: &Delivery) -> Option<Wait> {
        let room = match command {
            Command::Say { room, .. }
            | Command::Topic { room, text: Some(_) }
            | Command::Typing { room } => self.room_of(client, room.as_deref(), out).ok(),
            Command::Join { room, .. } => {
                RoomName::parse(room).ok().and_then(|name| self.directory.find(name.key()))
            }
            Command::Direct { to, .. } => {
                let to = self.addressee(to).ok()?;
                return out.client_congested(to).then_some(Wait::ClientClear(to));
            }
            Command::Nick { .. } | Command::Leave { .. } | Command::Quit { .. } => {
                out.channels_of(client).find(|&id| out.congested(id))
            }
            _ => None,
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
        &[json::SUBPROTOCOL]
    }

    fn query_keys(&self) -> &'static [&'static str] {
        &["name", "room"]
    }

    fn dialect(&self, hello: &Hello<'_>) -> Dialect {
        if hello.subprotocol == Some(json::SUBPROTOCOL) { dialect::JSON } else { dialect::TEXT }
    }

    fn opened(&mut self, client: ClientId, hello: &Hello<'_>, out: &mut Delivery) {
        self.people.make_room(out.clients_expected());
        let (name, complaint) = self.first_name(hello.query.get("name"));
        self.commit(client, Event::Came { name, peer: hello.peer }, None, out);
        let greeted = match out.encoding(client).dialect == dialect::JSON {
            true => self.welcome(client, hello.query.get("room"), out),
            false => self.greet(client, hello.query.get("room"), out),
        };
        for complaint in complaint.into_iter().chain(greeted.err()) {
            self.complain(client, &complaint, None, out);
        }
    }

    fn waits(&self, client: ClientId, out: &Delivery) -> Option<Wait> {
        let current: RoomId = self.people.get(client)?.current?;
        out.congested(current).then_some(Wait::ChannelClear(current))
    }

    fn message(&mut self, client: ClientId, message: Incoming<'_>, out: &mut Delivery) -> Outcome {
        if message.kind == FrameKind::Binary {
            out.reject(client, "this chat takes text only");
            return Outcome::Done;
        }
        let json = out.encoding(client).dialect == dialect::JSON;
        let readable;
        let (parsed, reference) = match text::from_bytes(message.bytes) {
            Err(error) => {
                (Err(Complaint::new("text_refused", format!("Not said: {error}."))), None)
            }
            Ok(text) if json => {
                readable = json::readable(text);
                json::parse(&readable)
            }
            Ok(text) => (command::parse(text), None),
        };
        // Nobody is left to hear an answer, so what only asks for one takes none of the time that
        // last words have.
        if out.is_deaf(client) && !parsed.as_ref().is_ok_and(Command::concerns_others) {
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
        let done =
            parsed.and_then(|command| self.execute(client, command, reference.as_ref(), out));
        if let Err(complaint) = done {
            self.complain(client, &complaint, reference.as_ref(), out);
        }
        Outcome::Done
    }

    fn closed(&mut self, client: ClientId, out: &mut Delivery) {
        self.leave_all(client, None, out);
        if self.people.get(client).is_some() {
            self.commit(client, Event::Went, None, out);
        }
    }
}
