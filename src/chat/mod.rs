//! The chat: names, rooms, commands, history.
//!
//! A request (a typed command or a JSON object) is checked against the state by a handler. What
//! happens then is a [`record::Record`]: it is told to those whom it concerns, goes to the
//! [`record::Journal`] and is applied to the state, which changes in no other way. The state is a
//! deterministic machine and knows users and rooms by ids of its own.
//!
//! - [`request`]: what clients ask for; [`dialect`]: how it is written, and what they are told.
//! - `session`: connections, and what is known of each for no longer than it lasts.
//! - `asking`: what only the store can find.
//! - `waiting`: what waits for a room, or for one user, that is behind.
//! - [`state`]: who is here, the rooms, and what was said there.
//! - [`presence`]: comings and goings that are summed up; `replays`: what newcomers are shown.
//! - [`name`], [`text`]: what may be shown on other people's screens; [`crate::throttle`]: how
//!   fast.

mod asking;
mod backlog;
pub mod dialect;
mod emoji;
mod fanout;
mod handlers;
pub mod ids;
pub mod name;
pub mod presence;
pub mod record;
mod replays;
pub mod request;
mod session;
pub mod settings;
pub mod state;
#[cfg(test)]
mod tests;
pub mod text;
mod waiting;

use std::sync::Arc;

use asking::Asking;
use backlog::Backlog;
use dialect::Dialect;
use handlers::Context;
use ids::RoomId;
use name::RoomName;
use presence::PresenceSums;
use record::{Journal, Presence, Record};
use replays::Replays;
use request::{Request, RequestError};
use session::{RoomChannels, Sessions};
use settings::{ChatSettings, MESSAGE_BYTES_PER_TOKEN};
use state::State;

use crate::clock::Millis;
use crate::delivery::channels::ChannelId;
use crate::delivery::encoding::{self, FrameKind};
use crate::delivery::{Delivery, Wait};
use crate::ids::{ClientId, Peer, Ticket};
use crate::service::{Answer, Hello, Incoming, Job, Outcome, Service};
use crate::site::{self, Site};
use crate::store::Reader;
use crate::wire::close::CloseReason;
use crate::wire::line::LineMode;

/// Where everybody is put who does not say otherwise.
const LOBBY: &str = "#lobby";

fn lobby() -> RoomName {
    RoomName::parse(LOBBY).expect("the lobby's name follows the rules")
}

/// The chat service.
#[derive(Debug)]
pub struct Chat {
    settings: ChatSettings,
    state: State,
    journal: Journal,
    sessions: Sessions,
    channels: RoomChannels,
    replays: Replays,
    presence: PresenceSums,
    backlog: Backlog,
    asking: Asking,
}

impl Chat {
    pub fn new(settings: ChatSettings) -> Chat {
        Chat {
            state: State::new(settings.rooms),
            journal: Journal::default(),
            sessions: Sessions::default(),
            channels: RoomChannels::default(),
            replays: Replays::default(),
            presence: PresenceSums::default(),
            backlog: Backlog::default(),
            asking: Asking::default(),
            settings,
        }
    }

    /// A chat that retains its records until they are taken.
    pub fn retaining_records(settings: ChatSettings) -> Chat {
        Chat { journal: Journal::retaining(), ..Chat::new(settings) }
    }

    /// The same, with somebody to ask for what was said.
    #[must_use]
    pub fn with_reader(self, reader: Arc<dyn Reader>) -> Chat {
        Chat { asking: Asking::of(reader), ..self }
    }

    /// What has to come first before a large answer: what others say, memory, the store.
    fn answer_waits(&mut self, cx: &mut Context<'_>, request: &Request<'_>) -> Option<Wait> {
        if !request.asks_much() {
            return None;
        }
        if !cx.out.is_late() {
            return Some(Wait::Others);
        }
        // What may be answered is granted once, so flood control is asked first.
        let (now_ms, rate) = (cx.out.now().ms, &self.settings.rate);
        if !self.sessions.get(cx.client)?.bucket.has_token(now_ms, rate) {
            return None;
        }
        if !cx.out.may_answer(cx.client) {
            return Some(Wait::Memory);
        }
        self.look_up(cx, request)
    }

    /// Users with a name.
    pub fn people(&self) -> usize {
        self.state.users().count()
    }

    /// Rooms that somebody is in, or where something was said.
    pub fn rooms(&self) -> usize {
        self.state.rooms().count()
    }

    /// Users, rooms and history, to be read.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The channel in which a room's members are told what happens there.
    pub fn channel_of(&self, room: RoomId) -> Option<ChannelId> {
        self.channels.of(room)
    }

    /// The records of this turn so far; see [`Chat::retaining_records`].
    pub fn records_so_far(&self) -> &[Record] {
        self.journal.group()
    }

    /// The records of all turns that have been kept, since this was last called; see
    /// [`Chat::retaining_records`].
    pub fn take_records(&mut self) -> Vec<Record> {
        self.journal.take()
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
        let listeners = *self.channels.listeners.get_or_insert_with(|| out.open_channel());
        out.join(listeners, client);
    }

    fn stopped_listening(&mut self, client: ClientId, out: &mut Delivery) {
        if let Some(listeners) = self.channels.listeners {
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
        self.state.reserve_users(out.clients_expected());
        self.sessions.reserve(out.clients_expected());
        let user = self.state.users().next_id();
        self.sessions.add(client, user);
        self.arrive(
            &mut Context { client, peer: hello.peer, user, reference: None, out },
            hello.query,
        );
    }

    fn waits_to_close(&self, client: ClientId) -> Option<Wait> {
        self.backlog.has_any_of(client).then_some(Wait::Backlog(client))
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
        // On a broken connection nobody reads answers. A request that only asks for one is skipped,
        // so that it does not use up the time that is left to serve what was said.
        if out.is_discarding(client) && !parsed.as_ref().is_ok_and(Request::concerns_others) {
            return Outcome::Done;
        }
        if out.is_behind(client) {
            return Outcome::Blocked(Wait::ClientClear(client));
        }
        let Some(user) = self.sessions.get(client).map(|session| session.user) else {
            return Outcome::Done;
        };
        let cx =
            &mut Context { client, peer: message.peer, user, reference: reference.as_ref(), out };
        let said_to = parsed.as_ref().ok().and_then(|request| self.said_to(cx, request));
        let behind = said_to.filter(|&what| self.is_held_up(what, cx.out));
        if let Some(Wait::ChannelClear(_)) = behind
            && !self.backlog.has_room_for(client, message.bytes.len())
        {
            return Outcome::Blocked(Wait::Backlog(client));
        }
        if let Some(wait) = parsed.as_ref().ok().and_then(|request| self.answer_waits(cx, request))
        {
            return Outcome::Blocked(wait);
        }
        let Some(session) = self.sessions.get_mut(client) else { return Outcome::Done };
        let (now_ms, rate) = (cx.out.now().ms, &self.settings.rate);
        if let Err(at) = session.bucket.try_take(now_ms, rate) {
            return Outcome::Blocked(Wait::Time(at));
        }
        let tokens = message.bytes.len() / MESSAGE_BYTES_PER_TOKEN;
        session.bucket.spend(tokens, now_ms, rate);
        let spent = session.bucket.missing(now_ms, rate).max(tokens as u64);
        let quits = matches!(parsed, Ok(Request::Quit { .. }));
        let done = parsed.and_then(|request| match behind {
            None => self.execute(cx, request),
            Some(what) => self.park(cx, &request, what, spent),
        });
        if let Err(error) = done {
            cx.reply_error(&error);
        }
        if quits { Outcome::Close(CloseReason::Done) } else { Outcome::Done }
    }

    fn clear(&mut self, what: Wait, out: &mut Delivery) {
        self.serve_backlog(what, out);
    }

    fn held_bytes(&self) -> usize {
        self.backlog.held_bytes() + self.asking.held_bytes()
    }

    fn held_bytes_of(&self, client: ClientId) -> usize {
        self.backlog.held_bytes_of(client) + self.asking.held_bytes_of(client)
    }

    fn trim(&mut self) {
        self.state.trim();
        self.replays.clear();
        self.presence.trim();
        self.backlog.trim();
    }

    fn take_jobs(&mut self) -> Vec<Job> {
        self.asking.take_jobs()
    }

    fn completed(&mut self, ticket: Ticket, answer: Answer, _: &mut Delivery) {
        self.asking.complete(ticket, answer);
    }

    fn next_deadline(&self) -> Option<Millis> {
        let presence = self.presence.next_deadline();
        presence.into_iter().chain(self.backlog.next_deadline()).min()
    }

    fn tick(&mut self, out: &mut Delivery) {
        self.publish_sums(out);
        self.give_up_waiting(out);
    }

    fn keep(&mut self, _: &mut Delivery) {
        self.journal.keep();
    }

    fn closed(&mut self, client: ClientId, peer: Peer, out: &mut Delivery) {
        let Some(user) = self.sessions.get(client).map(|session| session.user) else { return };
        self.asking.forget(client);
        let cx = &mut Context { client, peer, user, reference: None, out };
        self.backlog.withdraw(client, None);
        cx.out.wake(Wait::Backlog(client));
        self.leave_all(cx, None);
        self.happen(cx, Presence::Disconnected);
        self.sessions.remove(client);
    }
}
