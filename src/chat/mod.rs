//! The chat: names, rooms, commands, history.
//!
//! A request (a typed command or a JSON object) is checked against the state by a handler. What
//! happens then is a [`record::Record`]: it is told to those whom it concerns, goes to the
//! [`record::Journal`] and is applied to the state, which changes in no other way. (What is said is
//! one only where it is retained.) The state is deterministic, and has ids of its own.
//!
//! - [`request`]: what clients ask for; [`dialect`]: how it is written, and what they are told.
//! - `keeping`: what is handed to the store; `questions` and `reading`: what it is asked.
//! - `session`: connections, and what is known of each for no longer than it lasts.
//! - [`state::accounts`]: users who are kept; `logins` and `proofs`: how they are known; `access`:
//!   who may ask for what.
//! - `absences`: guests whose connections broke, and who may come back; `away`: who says so.
//! - `followers`: programs that hear some rooms alone, and how far they have come there.
//! - `mentions`: who a message is for; `written`: what terminals have been shown of it.
//! - `terminal`: what the line editor of a terminal asks.
//! - `preferences`: how people at terminals are shown things.
//! - `waiting`: what waits for a room, or for one user, that is behind.
//! - [`state`]: who is here, the rooms, and what was said there.
//! - [`presence`]: comings and goings that are summed up; `replays`: what newcomers are shown.
//! - [`name`], [`text`]: what may be shown on other people's screens; [`crate::throttle`]: how
//!   fast.

mod absences;
mod access;
mod away;
mod backlog;
pub mod dialect;
mod emoji;
mod fanout;
mod followers;
mod handlers;
mod hearing;
pub mod ids;
mod keeping;
mod logins;
mod mentions;
mod metrics;
pub mod name;
mod preferences;
pub mod presence;
mod proofs;
mod questions;
mod reading;
pub mod record;
mod replays;
pub mod request;
mod session;
pub mod settings;
mod starting;
pub mod state;
mod succession;
mod terminal;
#[cfg(test)]
mod tests;
pub mod text;
mod waiting;
mod written;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use absences::Absences;
use backlog::Backlog;
use dialect::Dialect;
use dialect::clock::Clock;
use handlers::Context;
use handlers::arrivals::Arrival;
use ids::RoomId;
use keeping::Keeping;
use logins::Logins;
use metrics::PostMetrics;
use name::RoomName;
use preferences::AllPreferences;
use presence::PresenceSums;
use questions::Questions;
use record::{Journal, Record};
use replays::Replays;
use session::{RoomChannels, Sessions};
use settings::ChatSettings;
use state::State;
use state::accounts::SecretHash;
use written::Written;

use crate::clock::{Millis, Now};
use crate::delivery::channels::ChannelId;
use crate::delivery::encoding;
use crate::delivery::{Delivery, Wait};
use crate::ids::{ClientId, Peer, Ticket};
use crate::metrics::Exposition;
use crate::secrets::Secrets;
use crate::service::succession::Succession;
use crate::service::{
    Answer, Ended, Following, Hello, Incoming, Job, Kept, Outcome, Post, Posted, Service, Wake,
};
use crate::site::{Health, Page, Site};
use crate::store::{Loaded, Store};
use crate::throttle::TokenBucket;
use crate::wire::editor::Completions;
use crate::wire::http::HttpError;
use crate::wire::http::events::Wanted;
use crate::wire::line::LineMode;

/// Where everybody is put who does not say otherwise.
const LOBBY: &str = "#lobby";

fn lobby() -> RoomName {
    RoomName::parse(LOBBY).expect("the lobby's name follows the rules")
}

/// Where admins and owners are told of every act of power. Nobody else knows of it.
const STAFF_LOG: &str = "#staff-log";

fn staff_log() -> RoomName {
    RoomName::parse(STAFF_LOG).expect("the name of the staff's room follows the rules")
}

/// The page, with the table of commands.
pub static PAGE: LazyLock<Page> = LazyLock::new(|| {
    Page::new(&[("commands/server.js", request::commands::COMMANDS_MODULE.as_str())])
});

/// The chat service.
#[derive(Debug)]
pub struct Chat {
    settings: ChatSettings,
    /// What somebody at a terminal is told who is silent.
    greeting: String,
    state: State,
    journal: Journal,
    sessions: Sessions,
    channels: RoomChannels,
    replays: Replays,
    presence: PresenceSums,
    backlog: Backlog,
    questions: Questions,
    logins: Logins,
    written: Written,
    preferences: AllPreferences,
    posts: BTreeMap<SecretHash, TokenBucket>,
    post_metrics: PostMetrics,
    arrivals: BTreeMap<ClientId, Arrival>,
    /// Who waits for a ticket to arrive, the first one first; some may have gone.
    arriving: BTreeMap<Ticket, Vec<ClientId>>,
    absences: Absences,
    /// Those at terminals that are in no room yet, as they are to be logged in first, and whether they
    /// are on their way in as guests: few at any time.
    outside: BTreeMap<ClientId, bool>,
    /// Those that were given another token and may not have got it: few at any time.
    unproven: BTreeSet<ClientId>,
    /// Those that are to be closed.
    ended: Ended,
    /// Without a store, nothing outlives the process.
    keeping: Option<Keeping>,
}

impl Chat {
    pub fn new(settings: ChatSettings) -> Chat {
        Chat {
            greeting: settings.greeting(),
            state: State::new(settings.rooms),
            journal: Journal::default(),
            sessions: Sessions::default(),
            channels: RoomChannels::default(),
            replays: Replays::default(),
            presence: PresenceSums::default(),
            backlog: Backlog::default(),
            questions: Questions::default(),
            logins: Logins::default(),
            written: Written::default(),
            preferences: AllPreferences::default(),
            posts: BTreeMap::new(),
            post_metrics: PostMetrics::default(),
            arrivals: BTreeMap::new(),
            arriving: BTreeMap::new(),
            absences: Absences::default(),
            outside: BTreeMap::new(),
            unproven: BTreeSet::new(),
            ended: Ended::default(),
            keeping: None,
            settings,
        }
    }

    /// A chat that goes on with what a store has kept, and has it keep what is said.
    pub fn with_store(settings: ChatSettings, store: Box<dyn Store>, loaded: Loaded) -> Chat {
        let keeping = Some(Keeping::new(store, loaded.guests));
        let mut chat = Chat { keeping, ..Chat::new(settings) };
        chat.start_from(loaded);
        chat
    }

    /// Lets people have accounts: their passwords are hashed and compared with this.
    #[must_use]
    pub fn with_secrets(mut self, secrets: Arc<dyn Secrets>) -> Chat {
        self.logins.secrets = Some(secrets);
        self
    }

    /// Whether some account owns this server.
    pub fn has_owner(&self) -> bool {
        self.state.accounts().has_owner()
    }

    /// A chat that retains its records until they are taken.
    pub fn retaining_records(settings: ChatSettings) -> Chat {
        Chat { journal: Journal::retaining(), ..Chat::new(settings) }
    }

    /// Connections that are somebody.
    pub fn people(&self) -> usize {
        self.sessions.count()
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

    fn greeting(&self) -> Option<&str> {
        Some(&self.greeting)
    }

    fn site(&self) -> Site {
        Site::of_page(&PAGE)
    }

    fn listens(&mut self, client: ClientId, out: &mut Delivery) {
        // It has no account yet.
        if !self.settings.guests {
            return;
        }
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

    fn admits(&self, ip: IpAddr, unix_ms: u64) -> bool {
        self.state.order().ban_of(ip, unix_ms).is_none()
    }

    fn dismissed(&mut self, client: ClientId, peer: Peer, out: &mut Delivery) {
        self.tell_banned(client, peer, out);
        let Some(user) = self.sessions.get(client).map(|session| session.user) else { return };
        // Nobody waits for it to come back.
        self.end_token(&mut Context { client, peer, user, reference: None, out });
    }

    fn opened(&mut self, client: ClientId, hello: &Hello<'_>, out: &mut Delivery) {
        self.state.reserve_users(out.clients_expected());
        self.sessions.reserve(out.clients_expected());
        if self.give_token_first(client, hello, out) {
            return;
        }
        let user = self.state.users().next_id();
        self.sessions.add(client, user, hello.peer, out.now().unix_ms);
        self.sessions.set_private(client, hello.is_private);
        if self.settings.times && Dialect::of(hello) == Dialect::Text {
            out.set_dialect(client, Clock::showing_times().dialect());
        }
        let cx = &mut Context { client, peer: hello.peer, user, reference: None, out };
        self.arrive(cx, hello);
    }

    fn take_cookie(&mut self, code: &str, unix_ms: u64) -> Option<Box<str>> {
        self.logins.take_cookie(code, unix_ms)
    }

    fn post(&mut self, client: ClientId, post: &Post<'_>, out: &mut Delivery) -> Posted {
        self.take_post(client, post, out)
    }

    fn follow(
        &mut self,
        peer: Peer,
        wanted: &Wanted,
        credential: Option<&str>,
        now: Now,
    ) -> Result<Following, HttpError> {
        self.may_follow(peer, wanted, credential, now)
    }

    fn waits(&self, client: ClientId, _: &Delivery) -> Option<Wait> {
        self.arrivals.get(&client).map(|arrival| Wait::Ticket(arrival.ticket))
    }

    fn waits_to_close(&self, client: ClientId) -> Option<Wait> {
        self.backlog.has_any_of(client).then_some(Wait::Backlog(client))
    }

    fn prompt(&self, client: ClientId) -> String {
        self.line_prompt(client)
    }

    fn completions(&mut self, client: ClientId, typed: &str, now: Now) -> Completions {
        match self.charge_key(client, now) {
            true => self.completed_words(client, typed),
            false => Completions::default(),
        }
    }

    fn has_secret(&self, client: ClientId, line: &str) -> bool {
        terminal::has_secret(line) || self.logins.has_just_typed(client, line)
    }

    fn message(&mut self, client: ClientId, message: Incoming<'_>, out: &mut Delivery) -> Outcome {
        if let Some(arrival) = self.arrivals.get(&client) {
            return Outcome::Blocked(Wait::Ticket(arrival.ticket));
        }
        let outcome = self.hear(client, message, out);
        if !matches!(outcome, Outcome::Blocked(_)) {
            self.stop_waiting(client);
        }
        outcome
    }

    fn clear(&mut self, what: Wait, out: &mut Delivery) {
        self.serve_backlog(what, out);
    }

    fn held_bytes(&self) -> usize {
        self.backlog.held_bytes() + self.questions.held_bytes()
    }

    fn held_bytes_of(&self, client: ClientId) -> usize {
        self.backlog.held_bytes_of(client) + self.questions.held_bytes_of(client)
    }

    fn trim(&mut self) {
        self.state.trim();
        self.replays.clear();
        self.presence.trim();
        self.backlog.trim();
        self.absences.trim();
        self.trim_posts();
    }

    fn take_jobs(&mut self) -> Vec<Job> {
        let mut jobs = self.logins.proofs.take_jobs();
        if let Some(keeping) = &self.keeping {
            jobs.extend(self.questions.take_jobs(keeping.durable()));
        }
        jobs
    }

    fn completed(&mut self, ticket: Ticket, answer: Answer, out: &mut Delivery) {
        if let Err(answer) = self.logins.proofs.complete(ticket, answer) {
            self.questions.complete(ticket, answer);
        }
        self.go_on_arriving(ticket, out);
    }

    fn next_deadline(&self) -> Option<Millis> {
        let presence = self.presence.next_deadline();
        let keeping = self.keeping.as_ref().and_then(Keeping::next_deadline);
        let absences = self.absences.next_deadline();
        let others = self.backlog.next_deadline().into_iter().chain(keeping).chain(absences);
        presence.into_iter().chain(others).chain(self.preferences.next_deadline()).min()
    }

    fn tick(&mut self, out: &mut Delivery) {
        self.publish_sums(out);
        self.give_up_waiting(out);
        self.end_absences(out);
        self.follow_zones(out);
        self.write_due_readings(out);
        if let Some(keeping) = &mut self.keeping {
            keeping.tick(out);
        }
    }

    fn keep(&mut self, _: &mut Delivery) {
        self.journal.keep();
        match &mut self.keeping {
            Some(keeping) => keeping.hand_over(),
            None => self.written.turn_ends(),
        }
    }

    fn handed_out(&mut self) {
        self.written.handed_out(self.keeping.as_ref().map(Keeping::newest));
    }

    fn set_wake(&mut self, wake: Wake) {
        if let Some(keeping) = &mut self.keeping {
            keeping.set_wake(wake);
        }
    }

    fn stored(&mut self, out: &mut Delivery) -> Kept {
        self.follow_store(out)
    }

    fn health(&self) -> Health {
        match &self.keeping {
            Some(keeping) if keeping.is_full() => Health::Full,
            _ => Health::Serving,
        }
    }

    fn write_metrics(&self, out: &mut Exposition) {
        self.write_own_metrics(out);
    }

    fn succession(&mut self) -> Option<&mut dyn Succession> {
        Some(self)
    }

    fn said_goodbye(&mut self, client: ClientId, peer: Peer, out: &mut Delivery) {
        let Some(user) = self.sessions.get(client).map(|session| session.user) else { return };
        if self.state.guest_tokens().of(user).is_some() {
            self.drop_what_waits(client, out);
            self.go_away(&mut Context { client, peer, user, reference: None, out }, None);
        }
    }

    fn take_ended(&mut self) -> Ended {
        std::mem::take(&mut self.ended)
    }

    fn closed(&mut self, client: ClientId, peer: Peer, out: &mut Delivery) {
        self.drop_what_waits(client, out);
        let Some(user) = self.sessions.get(client).map(|session| session.user) else { return };
        let cx = &mut Context { client, peer, user, reference: None, out };
        if self.state.accounts().contains(user) {
            self.write_readings(cx.out);
        }
        if !self.wait_for_return(cx) {
            self.go_away(cx, None);
        }
        self.sessions.remove(client);
    }
}
