//! A stage: the chat, a clock that is turned by hand, and actors who read their parts from a
//! script.
//!
//! ```text
//! +bob                        bob comes, with lines at a terminal
//! +web json room=dev          web comes, with the JSON dialect; also: text, and name=..., token=...,
//!                             resume=..., and public, where others could read passwords
//! +carol> /login carol        carol comes with this as the first line at a terminal
//! alice> hello                alice says this
//! bob< [#lobby] alice: hello  bob is told this next
//! bob< * Welcome…             a line that begins like this
//! -bob                        bob's connection is gone
//! -bob bye                    bob has closed it to go
//! @+500                       the clock goes on by 500 ms
//! --                          a turn ends
//! ```
//!
//! What stands together without a `<` between happens in one turn. Whenever a turn ends, everybody
//! has been told exactly what the script says, and nothing else. A program's objects are compared
//! as objects, where `"_"` stands for any value.

use std::collections::BTreeMap;
use std::io::IoSlice;
use std::mem;
use std::sync::Arc;

use serde_json::Value;

use super::known_secrets::KnownSecrets;
use crate::chat::Chat;
use crate::chat::dialect::Dialect;
use crate::chat::presence::PresenceLimits;
use crate::chat::settings::{ChatSettings, DIRECT_PATIENCE_MS, GRACE_MS, Registration};
use crate::chat::state::{history, rooms};
use crate::clock::Now;
use crate::delivery::encoding::{Compression, Encoding, FrameKind, Framing};
use crate::delivery::limits::DeliveryLimits;
use crate::delivery::outbox::SLICES_MAX;
use crate::delivery::{Delivery, Wait};
use crate::ids::{ClientId, Peer};
use crate::service::{Hello, Incoming, Job, Outcome, Post, Posted, Service};
use crate::store::{Loaded, Store};
use crate::throttle::Rate;
use crate::wire::websocket::frame::{Opcode, Sender, parse_header};

/// When every play begins: 2026-11-22 13:05:09 UTC.
pub const START_UNIX_MS: u64 = 1_795_352_709_000;

/// What an actor is told last, when the server closes its connection.
const CLOSED: &str = "(closed)";

pub const LINES: Encoding = Encoding {
    framing: Framing::Lines,
    compression: Compression::None,
    dialect: Dialect::Text.number(),
};
pub const TEXT: Encoding = Encoding { framing: Framing::WebSocket, ..LINES };
pub const JSON: Encoding = Encoding { dialect: Dialect::Json.number(), ..TEXT };

/// What somebody says of itself on coming.
#[derive(Clone, Copy, Default)]
pub struct Visit<'a> {
    pub name: Option<&'a str>,
    pub room: Option<&'a str>,
}

/// What its connection says of it.
#[derive(Clone, Copy)]
pub struct Showing<'a> {
    /// The value of its cookie, or a token.
    pub credential: Option<&'a str>,
    /// Others cannot read its passwords on their way.
    pub is_private: bool,
    /// The token that it comes back with; an empty one asks for one.
    pub resume: Option<&'a str>,
    pub peer: Peer,
    /// What is typed first at a terminal: it comes with this, and says it.
    pub first_line: Option<&'a str>,
}

impl Default for Showing<'_> {
    fn default() -> Self {
        Showing {
            credential: None,
            is_private: true,
            resume: None,
            peer: Peer::default(),
            first_line: None,
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Presence {
    Here,
    /// Its connection is gone, and with it what it was owed.
    Gone,
    /// It gets what it is owed, and then the end.
    Closing,
    /// It has got that.
    Closed,
}

struct Actor {
    id: ClientId,
    presence: Presence,
    /// AnswerSize, and not yet looked at.
    heard: Vec<String>,
}

pub struct Stage {
    pub chat: Chat,
    pub out: Delivery,
    pub now: Now,
    actors: BTreeMap<String, Actor>,
    serial: u32,
    /// Seats of clients that have gone, for the next ones, as a slab reuses them.
    vacant: Vec<usize>,
    /// So many places there are; the next one is behind them.
    slots: usize,
    /// How often the store was asked.
    pub asked: usize,
    /// Some addresses are not admitted any more.
    pub dismisses_addresses: bool,
}

pub fn settings() -> ChatSettings {
    ChatSettings {
        rooms: rooms::RoomLimits {
            rooms_max: 1000,
            history: history::HistoryLimits { messages_max: 1000, bytes_max: 1024 * 1024 },
            history_bytes_max: 16 * 1024 * 1024,
        },
        rooms_per_client_max: 50,
        replay: 20,
        replay_bytes_max: 32 * 1024,
        rate: Rate::Off,
        announce_below: 100,
        presence: PresenceLimits { rate: Rate::Off, sum_ms: 1000 },
        message_bytes_max: 64 * 1024,
        answer_bytes_max: 256 * 1024,
        direct_patience_ms: DIRECT_PATIENCE_MS,
        grace_ms: GRACE_MS,
        guests: true,
        registration: Registration::default(),
        proxies: Vec::new(),
        public_url: None,
        base_path: "/".to_owned(),
        times: false,
        epoch: "e1".to_owned(),
    }
}

/// The same, and whoever wants an account may have one.
pub fn open_settings() -> ChatSettings {
    ChatSettings { registration: Registration::Open, ..settings() }
}

/// Plays a script on a stage of its own.
#[track_caller]
pub fn play(script: &str) -> Stage {
    let mut stage = Stage::new(settings());
    stage.play(script);
    stage
}

impl Stage {
    pub fn new(settings: ChatSettings) -> Stage {
        Stage::with_limits(settings, DeliveryLimits::default())
    }

    /// The same, with clients that have other keys and serial numbers.
    pub fn with_other_keys(settings: ChatSettings) -> Stage {
        Stage { serial: 1000, vacant: vec![3, 1, 4, 0, 2], slots: 5, ..Stage::new(settings) }
    }

    /// With a store.
    pub fn with_store(settings: ChatSettings, store: Box<dyn Store>, loaded: Loaded) -> Stage {
        Stage { chat: Chat::with_store(settings.clone(), store, loaded), ..Stage::new(settings) }
    }

    /// The same, as the server runs it.
    pub fn in_memory(settings: ChatSettings) -> Stage {
        Stage { chat: Chat::new(settings.clone()), ..Stage::new(settings) }
    }

    /// The same, where people can have accounts.
    pub fn with_people(settings: ChatSettings) -> Stage {
        let mut stage = Stage::new(settings);
        stage.chat = stage.chat.with_secrets(Arc::new(KnownSecrets::default()));
        stage
    }

    pub fn with_limits(settings: ChatSettings, limits: DeliveryLimits) -> Stage {
        let mut stage = Stage {
            chat: Chat::retaining_records(settings),
            out: Delivery::new(limits),
            now: Now { ms: 0, unix_ms: START_UNIX_MS },
            actors: BTreeMap::new(),
            serial: 0,
            vacant: Vec::new(),
            slots: 0,
            asked: 0,
            dismisses_addresses: false,
        };
        stage.out.begin_turn(stage.now);
        // Nobody else is being served.
        stage.out.set_late(true);
        stage
    }

    #[track_caller]
    pub fn play(&mut self, script: &str) {
        let mut lines =
            script.lines().map(str::trim_start).filter(|line| !line.is_empty()).peekable();
        while let Some(line) = lines.next() {
            if let Some((name, told)) = part(line, '<') {
                panic!("{name} is told {told:?} before a turn");
            }
            self.act(line);
            let mut expected: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            match lines.peek() {
                Some(next) if part(next, '<').is_none() && *next != "--" => continue,
                Some(&"--") => drop(lines.next()),
                _ => {}
            }
            while let Some((name, told)) = lines.peek().and_then(|next| part(next, '<')) {
                expected.entry(name).or_default().push(told);
                lines.next();
            }
            self.turn();
            self.compare(line, &expected);
        }
    }

    #[track_caller]
    fn act(&mut self, line: &str) {
        if let Some(coming) = line.strip_prefix('+') {
            let said = coming.split_once("> ");
            let coming = said.map_or(coming, |(coming, _)| coming);
            let mut words = coming.split(' ');
            let name = words.next().expect("who");
            let (mut encoding, mut visit) = (LINES, Visit::default());
            let first_line = said.map(|(_, said)| said);
            let mut showing = Showing { first_line, ..Showing::default() };
            for word in words {
                match word.split_once('=') {
                    Some(("name", name)) => visit.name = Some(name),
                    Some(("room", room)) => visit.room = Some(room),
                    Some(("token", token)) => showing.credential = Some(token),
                    Some(("resume", token)) => showing.resume = Some(token),
                    None if word == "public" => showing.is_private = false,
                    None if word == "json" => encoding = JSON,
                    None if word == "text" => encoding = TEXT,
                    _ => panic!("{line}: what is {word:?}?"),
                }
            }
            self.open_showing(name, encoding, visit, showing);
            first_line.into_iter().for_each(|said| self.say_now(name, said));
        } else if let Some((name, said)) = part(line, '>') {
            self.say_now(name, said);
        } else if let Some(name) = line.strip_prefix('-') {
            match name.strip_suffix(" bye") {
                Some(name) => self.say_goodbye(name),
                None => self.leave(name),
            }
        } else if let Some(ms) = line.strip_prefix("@+") {
            self.pass(ms.parse().expect("milliseconds"));
        } else {
            assert_eq!(line, "--", "is no direction");
        }
    }

    pub fn open(&mut self, name: &str, encoding: Encoding, visit: Visit) -> ClientId {
        self.open_showing(name, encoding, visit, Showing::default())
    }

    pub fn open_showing(
        &mut self,
        name: &str,
        encoding: Encoding,
        visit: Visit,
        showing: Showing,
    ) -> ClientId {
        self.serial += 1;
        let index = self.vacant.pop().unwrap_or(self.slots);
        self.slots = self.slots.max(index + 1);
        let id = ClientId::new(index, self.serial);
        self.out.add(id, encoding);
        let before = self
            .actors
            .insert(name.to_owned(), Actor { id, presence: Presence::Here, heard: Vec::new() });
        assert!(before.is_none(), "{name} is here already");
        let pairs = [("name", visit.name), ("room", visit.room), ("resume", showing.resume)];
        let query =
            pairs.into_iter().filter_map(|(key, value)| Some((key, value?.to_owned()))).collect();
        let hello = Hello {
            peer: showing.peer,
            subprotocol: None,
            query: &query,
            credential: showing.credential,
            is_private: showing.is_private,
            first_line: showing.first_line.map(str::as_bytes),
        };
        self.chat.opened(id, &hello, &mut self.out);
        id
    }

    /// A program that is known by this.
    pub fn show(&mut self, name: &str, credential: &str) {
        let showing = Showing { credential: Some(credential), ..Showing::default() };
        self.open_showing(name, JSON, Visit::default(), showing);
    }

    /// Somebody at a terminal, who has taken the name that it has in the script; nobody has heard
    /// of that.
    pub fn seat(&mut self, names: &[&str]) {
        for name in names {
            self.open(name, LINES, Visit { name: Some(name), room: None });
            self.hear(name);
        }
        for name in names {
            self.hear(name);
        }
    }

    pub fn id(&self, name: &str) -> ClientId {
        self.actors.get(name).unwrap_or_else(|| panic!("{name} is not here")).id
    }

    /// A program posts this to a hook.
    pub fn post(&mut self, token: &str, post: Post<'_>) -> Posted {
        let post = Post { token, ..post };
        self.chat.post(ClientId::NOBODY, &post, &mut self.out)
    }

    /// Offers the chat a message.
    pub fn offer(&mut self, name: &str, bytes: &[u8]) -> Outcome {
        self.offer_frame(name, Incoming { peer: Peer::default(), kind: FrameKind::Text, bytes })
    }

    /// Offers the chat a message, and closes as the server does if it was the last.
    pub fn offer_frame(&mut self, name: &str, message: Incoming<'_>) -> Outcome {
        let id = self.id(name);
        let outcome = self.chat.message(id, message, &mut self.out);
        if let Outcome::Close(_) = outcome {
            self.close(id);
        }
        self.close_too_slow();
        outcome
    }

    /// Says something that is taken; the turn goes on.
    #[track_caller]
    fn say_now(&mut self, name: &str, text: &str) {
        let mut outcome = self.offer(name, text.as_bytes());
        while let Outcome::Blocked(Wait::Ticket(_)) = outcome {
            self.hand_out();
            outcome = self.offer(name, text.as_bytes());
        }
        assert!(!matches!(outcome, Outcome::Blocked(_)), "{name}> {text}: {outcome:?}");
    }

    /// Says something that is taken, in a turn of its own.
    #[track_caller]
    pub fn say(&mut self, name: &str, text: &str) {
        self.say_now(name, text);
        self.turn();
    }

    /// Breaks a connection, unless it was ended before; the turn goes on.
    pub fn leave(&mut self, name: &str) {
        if self.actors.get(name).is_some_and(|actor| actor.presence != Presence::Here) {
            return;
        }
        let id = self.id(name);
        self.chat.closed(id, Peer::default(), &mut self.out);
        self.out.shut(id);
        self.actors.get_mut(name).expect("it was there").presence = Presence::Gone;
    }

    /// Closes a connection as somebody does who goes for good; the turn goes on.
    fn say_goodbye(&mut self, name: &str) {
        self.chat.said_goodbye(self.id(name), Peer::default(), &mut self.out);
        self.leave(name);
    }

    pub fn pass(&mut self, ms: u64) {
        self.now.ms += ms;
        self.now.unix_ms += ms;
        self.out.begin_turn(self.now);
        if self.chat.next_deadline().is_some_and(|at| at <= self.now.ms) {
            self.chat.tick(&mut self.out);
        }
    }

    fn close_too_slow(&mut self) {
        for id in self.out.take_too_slow() {
            self.close(id);
        }
        self.close_ended();
    }

    fn close_ended(&mut self) {
        let ended = self.chat.take_ended();
        self.dismisses_addresses |= ended.addresses;
        for (id, _) in ended.clients {
            self.close(id);
        }
    }

    /// What begins a turn: what was waited for may go on. Whether there was anything.
    pub fn begin_turn(&mut self) -> bool {
        let clear = self.out.take_clear();
        let any = !clear.is_empty();
        for what in clear {
            self.chat.clear(what, &mut self.out);
        }
        if self.chat.next_deadline().is_some_and(|at| at <= self.now.ms) {
            self.chat.tick(&mut self.out);
        }
        self.close_too_slow();
        any
    }

    fn close(&mut self, id: ClientId) {
        self.chat.closed(id, Peer::default(), &mut self.out);
        self.out.shut(id);
        let actor = self.actors.values_mut().find(|actor| actor.id == id);
        actor.expect("only those who are here are closed").presence = Presence::Closing;
    }

    /// Turns until nothing is left that could go on.
    pub fn turn(&mut self) {
        self.hand_out();
        while self.begin_turn() {
            self.hand_out();
        }
        self.check();
    }

    /// Hands out what was said, as a turn's flush step does, to kernels that take everything.
    fn hand_out(&mut self) {
        self.chat.keep(&mut self.out);
        self.chat.stored(&mut self.out);
        let mut jobs = self.chat.take_jobs();
        while !jobs.is_empty() {
            for Job { ticket, run, .. } in jobs {
                self.asked += 1;
                self.chat.completed(ticket, run(), &mut self.out);
            }
            // As the next turn does, which follows at once.
            self.chat.keep(&mut self.out);
            self.chat.stored(&mut self.out);
            jobs = self.chat.take_jobs();
        }
        self.close_ended();
        self.out.freeze_batches();
        self.chat.handed_out();
        for actor in self.actors.values_mut().filter(|actor| actor.presence != Presence::Closed) {
            let bytes = take_owed(&mut self.out, actor.id);
            match self.out.encoding(actor.id).framing {
                Framing::Lines | Framing::Events | Framing::JsonLines => {
                    read_lines(&bytes, &mut actor.heard)
                }
                Framing::WebSocket => read_frames(&bytes, &mut actor.heard),
            }
            if actor.presence != Presence::Here {
                self.out.remove(actor.id);
                self.vacant.push(actor.id.index());
            }
            if actor.presence == Presence::Closing {
                actor.heard.push(CLOSED.to_owned());
                actor.presence = Presence::Closed;
            }
        }
        self.actors.retain(|_, actor| actor.presence != Presence::Gone);
    }

    pub fn is_here(&self, name: &str) -> bool {
        self.actors.contains_key(name)
    }

    /// What everybody was told since they were last asked, by name.
    pub fn hear_all(&mut self) -> Vec<Vec<String>> {
        self.turn();
        let heard = self.actors.values_mut().map(|actor| mem::take(&mut actor.heard)).collect();
        self.actors.retain(|_, actor| actor.presence == Presence::Here);
        heard
    }

    /// What somebody was told since it was last asked.
    pub fn hear(&mut self, name: &str) -> Vec<String> {
        self.turn();
        let actor = self.actors.get_mut(name).unwrap_or_else(|| panic!("{name} is not here"));
        let heard = mem::take(&mut actor.heard);
        if actor.presence != Presence::Here {
            self.actors.remove(name);
        }
        heard
    }

    /// The objects that a program was told since it was last asked.
    pub fn objects(&mut self, name: &str) -> Vec<Value> {
        self.hear(name)
            .iter()
            .map(|object| serde_json::from_str(object).expect("an object"))
            .collect()
    }

    /// Nobody looks at what was said so far.
    pub fn forget(&mut self) {
        self.turn();
        self.actors.values_mut().for_each(|actor| actor.heard.clear());
    }

    #[track_caller]
    fn compare(&mut self, after: &str, expected: &BTreeMap<&str, Vec<&str>>) {
        for name in expected.keys() {
            assert!(self.actors.contains_key(*name), "{name} is not here");
        }
        for (name, actor) in &mut self.actors {
            let expected = expected.get(name.as_str()).map_or(&[][..], Vec::as_slice);
            let heard = mem::take(&mut actor.heard);
            let same = heard.len() == expected.len()
                && heard.iter().zip(expected).all(|(heard, told)| fits(heard, told));
            assert!(same, "after {after:?}, {name} is told\n{heard:#?}\nand not\n{expected:#?}");
        }
        self.actors.retain(|_, actor| actor.presence == Presence::Here);
    }

    /// What holds after every turn.
    fn check(&mut self) {
        self.chat.state.check();
        for id in self.chat.state.rooms().ids() {
            let room = self.chat.state.rooms().get(id).expect("a room that is listed");
            let name = &room.name;
            let has_store = self.chat.keeping.is_some();
            let of_state = self.chat.state.members(id);
            let mut of_state: Vec<ClientId> = of_state
                .flat_map(|user| {
                    let clients: Vec<ClientId> = self.chat.clients_of(user.id).collect();
                    let is_kept = self.chat.state.accounts().contains(user.id);
                    let is_away = self.chat.absences.is_away(user.id);
                    let count = usize::from(!is_away);
                    assert!(is_kept || clients.len() == count, "a guest has a session, or is away");
                    clients
                })
                .collect();
            let Some(channel) = self.chat.channels.of(id) else {
                let is_conversation = room.between().is_some();
                let may_be = has_store || is_conversation;
                assert!(may_be && of_state.is_empty(), "a room has a channel");
                continue;
            };
            assert_eq!(room.between(), None, "a conversation has no channel");
            assert_eq!(self.chat.channels.room(channel), Some(id), "{name}");
            let mut members: Vec<ClientId> = self.out.members(channel).collect();
            members.sort_unstable();
            of_state.sort_unstable();
            assert_eq!(members, of_state, "{name}");
            let is_kept = room.rules().is_some();
            assert!(room.member_count() > 0 || !room.is_void() || is_kept, "{name} is void");
        }
        for actor in self.actors.values().filter(|actor| actor.presence == Presence::Here) {
            let Some(session) = self.chat.sessions.get(actor.id) else { continue };
            let user = self.chat.state.users().get(session.user).expect("a session has a user");
            let rooms: Vec<_> = self.chat.state.rooms_of(user.id).collect();
            let channels: Vec<_> = self.out.channels_of(actor.id).collect();
            let of_state: Vec<_> =
                rooms.iter().filter_map(|room| self.chat.channels.of(*room)).collect();
            assert_eq!(channels, of_state, "{}", user.name);
            // From whom a room was taken, it talks in none until it says in which.
            let talks_in = session.current.is_none_or(|current| channels.contains(&current));
            assert!(talks_in, "{} talks where it is not", user.name);
        }
    }
}

/// All that a client is owed by now; its kernel takes it.
fn take_owed(out: &mut Delivery, id: ClientId) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(outbox) = out.outbox(id).filter(|outbox| !outbox.is_empty()) {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let (count, bytes) = outbox.slices(&mut slices);
        slices[..count].iter().for_each(|slice| all.extend_from_slice(slice));
        out.wrote(id, bytes, false);
    }
    all
}

/// `alice> hello`: who, and what.
fn part(line: &str, arrow: char) -> Option<(&str, &str)> {
    let (name, rest) = line.split_once(arrow)?;
    let is_name = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    is_name.then(|| (name, rest.strip_prefix(' ').unwrap_or(rest)))
}

/// What terminals do, and how it is shown.
const SIGNS: [(&str, &str); 2] =
    [("\u{7}", "(it rings)"), ("\u{1b}[H\u{1b}[2J\u{1b}[3J", "(it is cleared)")];

fn read_lines(bytes: &[u8], heard: &mut Vec<String>) {
    let mut text = std::str::from_utf8(bytes).expect("lines are UTF-8");
    while !text.is_empty() {
        // What a terminal is to act on stands between lines.
        let sign = SIGNS.iter().find(|(sign, _)| text.starts_with(sign));
        if let Some((sign, name)) = sign {
            heard.push((*name).to_owned());
            text = &text[sign.len()..];
            continue;
        }
        let (line, rest) = text.split_once("\r\n").expect("a line ends in CR LF");
        assert!(!line.contains(acts), "a terminal would act on {line:?}");
        heard.push(line.to_owned());
        text = rest;
    }
}

fn read_frames(mut bytes: &[u8], heard: &mut Vec<String>) {
    while !bytes.is_empty() {
        let (header, used) = parse_header(bytes, Sender::Server, usize::MAX)
            .expect("a frame")
            .expect("a whole frame");
        assert_eq!((header.opcode, header.is_final), (Opcode::Text, true));
        let (payload, rest) = bytes[used..].split_at(header.payload_bytes);
        let text = std::str::from_utf8(payload).expect("text frames are UTF-8");
        for (place, line) in text.split('\n').enumerate() {
            assert!(!line.contains(acts), "a terminal would act on {text:?}");
            assert!(place == 0 || line.starts_with('|'), "not marked: {text:?}");
        }
        heard.push(text.to_owned());
        bytes = rest;
    }
}

/// Controls, and what turns the direction of other people's text.
fn acts(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

fn fits(heard: &str, told: &str) -> bool {
    if heard.starts_with('{') && told.starts_with('{') {
        let told = serde_json::from_str(told).unwrap_or_else(|error| panic!("{error}: {told}"));
        return fits_object(&serde_json::from_str(heard).expect("an object"), &told);
    }
    match told.strip_suffix('…') {
        Some(start) => heard.starts_with(start),
        None => heard == told,
    }
}

fn fits_object(heard: &Value, told: &Value) -> bool {
    match (heard, told) {
        (_, Value::String(any)) if any == "_" => true,
        (Value::Object(heard), Value::Object(told)) => {
            heard.len() == told.len()
                && told
                    .iter()
                    .all(|(key, told)| heard.get(key).is_some_and(|heard| fits_object(heard, told)))
        }
        (Value::Array(heard), Value::Array(told)) => {
            heard.len() == told.len()
                && heard.iter().zip(told).all(|(heard, told)| fits_object(heard, told))
        }
        _ => heard == told,
    }
}
