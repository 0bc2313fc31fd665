//! A chat without bytes, sockets, batches and queues: what happened in which order, and what each
//! client is to see of it.
//!
//! What one room says comes to a client in one order, together with the answers that concern this
//! room. Between rooms there is no order, so a client has a queue of expectations for each, and one
//! for what concerns no room.

mod asking;
mod coming;
mod deleting;
mod presence;
mod resuming;
mod waiting;

use std::collections::{BTreeMap, VecDeque};

use chat_server::chat::dialect::utc::Utc;
use chat_server::chat::settings::ChatSettings;
use chat_server::chat::state::history::{ALLOCATION_BYTES, Message};
use chat_server::clock::Now;
use serde_json::{Value, json};

use crate::ask::{Ask, Dialect, Sent, written};
use crate::expect::{Expectations, Item};
use presence::Presence;
pub use resuming::Coming;
use resuming::Token;
use waiting::Parked;
pub use waiting::{Heard, Target};

#[derive(Clone, Debug)]
struct Said {
    id: u64,
    time: u64,
    name: String,
    /// Empty of one that was deleted.
    text: String,
    me: bool,
}

impl Said {
    fn is_deleted(&self) -> bool {
        self.text.is_empty()
    }

    fn bytes(&self) -> usize {
        size_of::<Message>() + ALLOCATION_BYTES + self.name.len() + self.text.len()
    }

    fn json(&self) -> Value {
        if self.is_deleted() {
            let Said { id, time, name, .. } = self;
            return json!({ "id": id, "time": time, "name": name, "deleted": true });
        }
        let mut value =
            json!({ "id": self.id, "time": self.time, "name": self.name, "text": self.text });
        if self.me {
            value["me"] = true.into();
        }
        value
    }
}

#[derive(Debug)]
struct Room {
    shown: String,
    topic: String,
    held: VecDeque<Said>,
    next_id: u64,
    members: Vec<usize>,
    presence: Presence,
}

impl Room {
    fn bytes(&self) -> usize {
        self.held.iter().map(Said::bytes).sum()
    }
}

#[derive(Debug)]
pub struct Client {
    pub dialect: Dialect,
    pub name: Option<String>,
    rooms: Vec<String>,
    current: Option<String>,
    pub sent: VecDeque<Sent>,
    pub closed: bool,
    /// It has not come in, and is shown what is said in the lobby.
    listens: bool,
    /// When it had seen everything.
    pub caught_up_at: u64,
    /// For how long it had not when it was closed; for ever, if it was owed more than anybody may
    /// be, or never came in: one that was only greeted may take not even that.
    pub behind_ms: u64,
    /// When it was closed, clients were let go for what all together held.
    pub may_be_let_go: bool,
    /// When it was closed, somebody else who took nothing held so much.
    pub held_by_stuck: usize,
    pub expected: Expectations,
    /// What it has said last.
    words: VecDeque<(String, u64)>,
    /// Messages taken so far, for flood control.
    tokens: f64,
    tokens_at: u64,
    /// When flood control has last held it up.
    held_up_at: Option<u64>,
    /// What the chat has taken, and has not done yet.
    pub parked: Vec<Parked>,
    /// How much of that was dropped when it was closed.
    pub dropped: usize,
    /// Its user has come back as another client.
    pub is_superseded: bool,
    /// It closes its connection to go for good.
    pub says_goodbye: bool,
    /// Whether it is shown the time before what is said.
    times: bool,
    /// How far it is from UTC.
    zone_minutes: i64,
    /// It is no connection any more, but somebody who may come back until then; and how many had
    /// gone away before.
    away_until: Option<(u64, usize)>,
}

impl Client {
    /// Whether all that it has said has been heard and done.
    pub fn is_heard(&self) -> bool {
        self.sent.is_empty() && self.parked.is_empty()
    }

    fn was_behind(&mut self, is_over_limit: bool, now: Now) {
        self.behind_ms =
            if is_over_limit { u64::MAX } else { now.ms.saturating_sub(self.caught_up_at) };
    }
}

#[derive(Debug)]
pub struct Model {
    settings: ChatSettings,
    rate: Option<(f64, f64)>,
    presence_rate: Option<(u32, u32)>,
    rooms: BTreeMap<String, Room>,
    vacant: Vec<String>,
    ids_used: u64,
    guests: u64,
    tokens: Vec<Token>,
    /// How often somebody has gone away.
    absences: usize,
    clients: BTreeMap<usize, Client>,
    /// How often somebody has come, gone or taken another name.
    changes: u64,
    /// The server stops: nobody is told who leaves.
    pub stopping: bool,
    /// What was said last could not be stored, and everybody goes: nobody is told of the others.
    pub losing: bool,
    /// From now on the store does not fail: who would go for that might not have gone at the end.
    pub calm: bool,
    /// Counts what was taken, for the statistics of a run.
    pub taken: usize,
    /// Counts what was parked.
    pub parked: u64,
}

/// What names look like, of those that clients choose from.
fn look(name: &str) -> String {
    let latin = |c: char| match c {
        '0' | '\u{43E}' => 'o',
        '1' => 'l',
        '\u{430}' => 'a',
        '\u{441}' => 'c',
        c => c,
    };
    name.to_lowercase().trim_end_matches(['.', '_']).chars().map(latin).collect()
}

/// A text as a terminal shows it: of blanks in a row, eight columns.
fn row(text: &str) -> String {
    let mut columns = 0;
    let shown = |c: &char| {
        columns += match c {
            '\u{3000}' | '\u{3164}' => 2,
            ' ' | '\u{A0}' | '\u{2800}' | '\u{200B}' | '\u{2003}' => 1,
            _ => {
                columns = 0;
                return true;
            }
        };
        // What is too wide hides all that follows of its run.
        columns = if columns > 8 { 1000 } else { columns };
        columns <= 8
    };
    text.chars().filter(shown).collect()
}

/// A message as a terminal shows it.
fn lines(text: &str) -> String {
    let (mut shown, mut blank_lines) = (Vec::new(), 0);
    for (place, line) in text.split('\n').enumerate() {
        let line = line.replace('\t', "    ");
        let bare = line.trim_start_matches(' ');
        blank_lines = if bare.is_empty() { blank_lines + 1 } else { 0 };
        let indent = " ".repeat((line.len() - bare.len()).min(24));
        match place {
            0 => shown.push(row(&line)),
            _ if blank_lines > 2 => {}
            _ if bare.is_empty() => shown.push("|".to_owned()),
            _ => shown.push(format!("| {indent}{}", row(bare))),
        }
    }
    shown.join("\n")
}

type Done = Result<(), &'static str>;

/// How far a zone is from UTC.
pub fn zone(minutes: i64) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    match minutes.abs() {
        0 => "UTC".to_owned(),
        far => format!("{sign}{:02}:{:02}", far / 60, far % 60),
    }
}

/// A time there.
pub fn local(unix_ms: u64, minutes: i64) -> u64 {
    unix_ms.saturating_add_signed(minutes * 60_000)
}

fn clock(unix_ms: u64, minutes: i64) -> String {
    Utc(local(unix_ms, minutes)).to_string()[11..16].to_owned()
}

fn others(members: usize) -> String {
    match members - 1 {
        0 => "nobody else".into(),
        1 => "1 other".into(),
        count => format!("{count} others"),
    }
}

impl Model {
    pub fn new(
        settings: ChatSettings,
        rate: Option<(u32, u32)>,
        presence_rate: Option<(u32, u32)>,
    ) -> Model {
        Model {
            settings,
            rate: rate.map(|(burst, per_second)| (f64::from(burst), f64::from(per_second))),
            presence_rate,
            rooms: BTreeMap::new(),
            vacant: Vec::new(),
            ids_used: 0,
            guests: 0,
            tokens: Vec::new(),
            absences: 0,
            clients: BTreeMap::new(),
            changes: 0,
            stopping: false,
            losing: false,
            calm: false,
            taken: 0,
            parked: 0,
        }
    }

    pub fn people(&self) -> usize {
        let is_here = |client: &&Client| client.name.is_some() && client.away_until.is_none();
        self.clients.values().filter(is_here).count()
    }

    pub fn rooms(&self) -> usize {
        self.rooms.len()
    }

    pub fn is_here(&self, number: usize) -> bool {
        self.clients.get(&number).is_some_and(|client| client.name.is_some())
    }

    pub fn rooms_of(&self, number: usize) -> usize {
        self.clients[&number].rooms.len()
    }

    pub fn connect(&mut self, number: usize, dialect: Dialect) {
        let client = Client {
            dialect,
            name: None,
            rooms: Vec::new(),
            current: None,
            sent: VecDeque::new(),
            closed: false,
            listens: false,
            caught_up_at: 0,
            behind_ms: u64::MAX,
            may_be_let_go: false,
            held_by_stuck: 0,
            expected: Expectations::default(),
            words: VecDeque::new(),
            tokens: self.rate.map_or(0.0, |(burst, _)| burst),
            tokens_at: 0,
            held_up_at: None,
            parked: Vec::new(),
            dropped: 0,
            is_superseded: false,
            says_goodbye: false,
            times: false,
            zone_minutes: 0,
            away_until: None,
        };
        assert!(self.clients.insert(number, client).is_none());
    }

    pub fn client(&mut self, number: usize) -> &mut Client {
        self.clients.get_mut(&number).expect("connected")
    }

    pub fn forget(&mut self, number: usize) {
        let client = self.clients.remove(&number).expect("connected");
        assert!(client.name.is_none(), "client {number} has gone and its service was not told");
    }

    /// The names in use and the rooms there are, for clients to choose from.
    pub fn names(&self) -> Vec<String> {
        self.clients.values().filter_map(|client| client.name.clone()).collect()
    }

    // ---- What the server does ----

    pub fn opened(
        &mut self,
        number: usize,
        is_line: bool,
        name: Option<&str>,
        room: Option<&str>,
        is_private: bool,
        time: u64,
    ) {
        let client = self.client(number);
        assert!(client.name.is_none() && !client.closed, "client {number} opened twice");
        assert_eq!(
            is_line,
            client.dialect == Dialect::Line,
            "client {number} is taken for another kind"
        );
        assert!(
            !is_line || !client.sent.is_empty(),
            "client {number} has said nothing, and is there"
        );
        if !is_line {
            // One that asked in time has been told nothing yet, and is not told what it was to hear
            // as a listener.
            client.expected.drop_heard();
        }
        let refusal = self.take_first_name(number, name);
        let greeted = match self.clients[&number].dialect {
            Dialect::Json => self.welcome(number, room, is_private, time),
            _ => self.greet(number, room, time),
        };
        for code in refusal.into_iter().chain(greeted.err()) {
            self.complain(number, code, None);
        }
    }

    /// Gives a client its first name; says why it is not the one that it asked for.
    fn take_first_name(&mut self, number: usize, name: Option<&str>) -> Option<&'static str> {
        let mut refusal = None;
        let first = match name.map(|name| (name, self.alike(name))) {
            Some((name, _)) if name.contains(' ') => Err(Some("name_refused")),
            Some((_, Some(_))) => Err(Some("name_taken")),
            Some((name, None)) => Ok(name.to_owned()),
            None => Err(None),
        };
        let first = first.unwrap_or_else(|why| {
            refusal = why;
            loop {
                self.guests += 1;
                let name = format!("guest-{}", self.guests);
                if self.alike(&name).is_none() {
                    return name;
                }
            }
        });
        self.client(number).name = Some(first);
        refusal
    }

    fn welcome(&mut self, number: usize, room: Option<&str>, is_private: bool, time: u64) -> Done {
        self.push_welcome(number, is_private, None, time);
        match room {
            None => Ok(()),
            Some(room) => self.join(number, room, None, true, None, None, time),
        }
    }

    /// `token`: the one that it is given, and whether it has come back.
    fn push_welcome(
        &mut self,
        number: usize,
        is_private: bool,
        token: Option<(&str, bool)>,
        time: u64,
    ) {
        let mut welcome = json!({
            "type": "welcome", "name": self.name(number), "epoch": self.settings.epoch, "time": time,
            "server": format!("chat-server/{}", env!("CARGO_PKG_VERSION")),
            "limits": {
                "message_bytes": self.settings.message_bytes_max, "message_lines": 500,
                "name_chars": 32, "room_chars": 64,
                "rooms": self.settings.rooms_per_client_max,
            },
        });
        if is_private {
            welcome["accounts"] = "invited".into();
        }
        if let Some((token, resumed)) = token {
            welcome["resume"] = token.into();
            if resumed {
                welcome["resumed"] = true.into();
            }
        }
        self.client(number).expected.push("", Item::Json(welcome));
    }

    fn greet(&mut self, number: usize, room: Option<&str>, time: u64) -> Done {
        let name = self.name(number);
        let entered = self.enter(number, room.unwrap_or("#lobby"), time);
        let place = match &entered {
            Ok(key) => format!(
                " in {}, with {}",
                self.rooms[key].shown,
                others(self.rooms[key].members.len())
            ),
            Err(_) => String::new(),
        };
        let help = "Try /nick NAME or /help.";
        self.line(number, "", format!("* Welcome! You are {name}{place}. {help}"));
        self.replay(number, &entered?, None, None);
        Ok(())
    }

    /// A silent client listens from now on, as terminals do.
    pub fn listens(&mut self, number: usize) {
        let client = self.client(number);
        assert!(
            client.name.is_none() && !client.listens,
            "client {number} is in, or listens twice"
        );
        client.listens = true;
    }

    /// It listens no more: it comes in, asks for something else, or goes.
    pub fn stopped_listening(&mut self, number: usize, is_over_limit: bool, now: Now) {
        let client = self.client(number);
        assert!(std::mem::take(&mut client.listens), "client {number} did not listen");
        client.was_behind(is_over_limit, now);
    }

    /// Flood control holds a client up: at a terminal it is told so, once until it has not been held
    /// up for as long as an empty bucket takes to fill.
    pub fn held_up(&mut self, number: usize, now: Now) {
        let (burst, per_second) = self.rate.expect("there is flood control");
        let client = self.client(number);
        let last = client.held_up_at.replace(now.ms);
        let fill_ms = (burst * 1000.0 / per_second).ceil() as u64;
        if client.dialect == Dialect::Line && last.is_none_or(|last| last + fill_ms <= now.ms) {
            let told = "* That was much at once: the rest follows.";
            self.line(number, "", told.to_owned());
        }
    }

    /// The service has taken the next message of a client.
    pub fn took(&mut self, number: usize, bytes: &[u8], fate: Heard, now: Now) {
        self.taken += 1;
        let rate = self.rate;
        let client = self.client(number);
        assert!(
            !client.closed && client.name.is_some(),
            "client {number} was heard before it came or after it went"
        );
        let sent = client
            .sent
            .pop_front()
            .unwrap_or_else(|| panic!("client {number} did not say {bytes:?}"));
        let (said, heard) = (String::from_utf8_lossy(&sent.bytes), String::from_utf8_lossy(bytes));
        assert_eq!(said, heard, "what client {number} said, and what the service heard");
        if matches!(sent.ask, Ask::Binary) {
            return;
        }
        // Of one whose connection broke, what only asks for an answer is passed over.
        let is_passed_over = fate.is_broken && !sent.ask.concerns_others();
        if let Some((burst, per_second)) = rate.filter(|_| !is_passed_over) {
            let refill = now.ms.saturating_sub(client.tokens_at) as f64 * per_second / 1000.0;
            client.tokens = (client.tokens + refill).min(burst) - 1.0;
            client.tokens_at = now.ms;
            assert!(client.tokens > -0.001, "client {number} is over its rate");
            client.tokens -= (bytes.len() / 4096) as f64;
        }
        if fate.is_dropped {
            return;
        }
        if let Some(target) = fate.target.filter(|_| !fate.is_done) {
            return self.park(number, target, sent, now);
        }
        if let Err(code) = self.act(number, sent.ask, sent.reference, now.unix_ms) {
            self.complain(number, code, sent.reference);
        }
    }

    /// `is_over_limit`: it is owed more than anybody may be.
    pub fn closed(&mut self, number: usize, is_over_limit: bool, now: Now) {
        assert!(!self.clients[&number].closed, "client {number} closed twice");
        let client = self.client(number);
        client.dropped = std::mem::take(&mut client.parked).len();
        let goes = client.says_goodbye;
        if goes || !self.go_away(number, now) {
            self.leave_all(number, None, now.unix_ms);
            self.end_name(number);
        }
        let client = self.client(number);
        client.was_behind(is_over_limit, now);
        client.closed = true;
    }

    fn act(&mut self, number: usize, ask: Ask, reference: Option<u64>, time: u64) -> Done {
        match ask {
            Ask::Nothing | Ask::Binary | Ask::Help => Ok(()),
            Ask::Say { room, text, me } => {
                self.say(number, room.as_deref(), text, me, reference, time)
            }
            Ask::Delete { room, which } => {
                self.delete(number, room.as_deref(), which, reference, time)
            }
            Ask::Direct { to, text } => self.direct(number, &to, &text, reference, time),
            Ask::Join { room, since, same_epoch, replay } => {
                self.join(number, &room, since, same_epoch, replay, reference, time)
            }
            Ask::Leave { room } => self.leave(number, room.as_deref(), reference, time),
            Ask::Nick { name, valid } => self.nick(number, &name, valid, reference, time),
            Ask::Topic { room, text } => self.topic(number, room.as_deref(), text, reference, time),
            Ask::History { room, before, after, limit } => {
                let key = self.room_of(number, room.as_deref())?;
                self.history(number, &key, before, after, limit, reference);
                Ok(())
            }
            Ask::Who { room, after, limit } => {
                self.who(number, room.as_deref(), after, limit, reference)
            }
            Ask::Rooms => {
                self.list_rooms(number, reference);
                Ok(())
            }
            Ask::Times { on } => {
                self.client(number).times = on;
                let zone = zone(self.clients[&number].zone_minutes);
                let line = match on {
                    true => format!("* What is said comes with its time ({zone})."),
                    false => "* What is said comes without its time.".to_owned(),
                };
                self.line(number, "", line);
                Ok(())
            }
            Ask::Zone { minutes } => {
                self.client(number).zone_minutes = minutes;
                let place = if minutes == 540 { " in Asia/Tokyo" } else { "" };
                let line = format!("* It is {}{place} ({}).", clock(time, minutes), zone(minutes));
                self.line(number, "", line);
                Ok(())
            }
            Ask::Typing { room } => {
                let key = self.room_of(number, room.as_deref())?;
                if self.rooms[&key].members.len() > self.settings.announce_below as usize {
                    return Ok(());
                }
                let name = self.name(number);
                let typing =
                    json!({ "type": "typing", "room": self.rooms[&key].shown, "name": name });
                for member in
                    self.rooms[&key].members.clone().into_iter().filter(|&member| member != number)
                {
                    self.json(member, &key, typing.clone(), None);
                }
                Ok(())
            }
            Ask::Quit { words } => {
                self.give_back(number, None);
                self.leave_all(number, words.as_deref(), time);
                self.line(number, "", "* Goodbye.".to_owned());
                Ok(())
            }
            Ask::Bad { code } => Err(code),
        }
    }

    // ---- Talking ----

    fn say(
        &mut self,
        number: usize,
        room: Option<&str>,
        text: String,
        me: bool,
        reference: Option<u64>,
        time: u64,
    ) -> Done {
        let key = self.room_of(number, room)?;
        if text.trim().is_empty() {
            return Err("text_empty");
        }
        let name = self.name(number);
        let next_id = self.rooms[&key].next_id;
        self.client(number).note_word(&key, next_id);
        let room = self.rooms.get_mut(&key).expect("a member's room");
        let said = Said { id: room.next_id, time, name, text, me };
        let mut told = said.json();
        told["type"] = "said".into();
        told["room"] = room.shown.clone().into();
        let star = if me { "* " } else { "" };
        let colon = if me { "" } else { ":" };
        let line = format!("[{}] {star}{}{colon} {}", room.shown, said.name, lines(&said.text));
        room.next_id += 1;
        room.held.push_back(said);
        let limits = self.settings.rooms.history;
        while room.held.len() > limits.messages_max || room.bytes() > limits.bytes_max {
            room.held.pop_front();
        }
        for member in room.members.clone() {
            // A terminal has shown its owner what was typed.
            if member != number || self.clients[&member].dialect != Dialect::Line {
                self.timed(member, &key, time, &line);
                self.json(member, &key, told.clone(), reference.filter(|_| member == number));
            }
        }
        self.tell_listeners(&key, &line);
        while self.rooms.values().map(Room::bytes).sum::<usize>()
            > self.settings.rooms.history_bytes_max
        {
            if !self.vacant.is_empty() {
                self.close_room(0);
                continue;
            }
            let held = &mut self.rooms.get_mut(&key).expect("it is there").held;
            if held.is_empty() {
                break;
            }
            held.drain(..held.len() - held.len() / 2);
        }
        Ok(())
    }

    /// Those who listen are told what happens in the lobby.
    fn tell_listeners(&mut self, key: &str, line: &str) {
        for client in self.clients.values_mut().filter(|client| client.listens && key == "#lobby") {
            client.expected.push_lines(key, line);
        }
    }

    fn direct(
        &mut self,
        number: usize,
        to: &str,
        text: &str,
        reference: Option<u64>,
        time: u64,
    ) -> Done {
        let addressee = self.named(to).ok_or("no_such_name")?;
        if text.trim().is_empty() {
            return Err("text_empty");
        }
        if self.clients[&addressee].away_until.is_some() {
            return Err("not_connected");
        }
        let (from, to) = (self.name(number), self.name(addressee));
        let direct = json!({
            "type": "direct", "from": from, "to": to, "text": text, "time": time, "guest": true
        });
        if addressee != number {
            self.timed(addressee, "", time, &format!("[{from} -> you] {}", lines(text)));
            self.json(addressee, "", direct.clone(), None);
        }
        self.timed(number, "", time, &format!("[you -> {to}] {}", lines(text)));
        self.json(number, "", direct, reference);
        Ok(())
    }

    fn topic(
        &mut self,
        number: usize,
        room: Option<&str>,
        text: Option<String>,
        reference: Option<u64>,
        time: u64,
    ) -> Done {
        let key = self.room_of(number, room)?;
        let (name, shown) = (self.name(number), self.rooms[&key].shown.clone());
        let Some(text) = text else {
            let topic = self.rooms[&key].topic.clone();
            self.line(
                number,
                &key,
                match &*topic {
                    "" => format!("* {shown} has no topic. Set one with /topic TEXT."),
                    topic => format!("* The topic of {shown}: {}", row(topic)),
                },
            );
            self.json(
                number,
                &key,
                json!({ "type": "topic", "room": shown, "topic": topic }),
                reference,
            );
            return Ok(());
        };
        let line = match &*text {
            "" => format!("* {name} cleared the topic of {shown}."),
            text => format!("* {name} set the topic of {shown}: {}", row(text)),
        };
        let told =
            json!({ "type": "topic", "room": shown, "topic": text, "name": name, "time": time });
        self.rooms.get_mut(&key).expect("a member's room").topic = text;
        for member in self.rooms[&key].members.clone() {
            self.line(member, &key, line.clone());
            self.json(member, &key, told.clone(), reference.filter(|_| member == number));
        }
        Ok(())
    }

    // ---- Telling ----

    /// Tells the others in a room, if it is small enough, and returns them. People are told of
    /// another name elsewhere.
    fn announce(
        &mut self,
        by: usize,
        key: &str,
        more: usize,
        line: &str,
        told: &Value,
    ) -> Vec<usize> {
        let mut others = self.rooms[key].members.clone();
        if self.stopping
            || others.len() + more > self.settings.announce_below as usize
            || others.len() + more == 1
            || !self.is_told_at_once(key, told)
            || self.losing
        {
            return Vec::new();
        }
        others.retain(|&member| member != by);
        for &member in &others {
            self.json(member, key, told.clone(), None);
            if told["type"] != "renamed" {
                self.line(member, key, line.to_owned());
            }
        }
        others
    }

    fn complain(&mut self, number: usize, code: &'static str, reference: Option<u64>) {
        self.line(number, "", "!".to_owned());
        self.json(number, "", json!({ "type": "error", "code": code }), reference);
    }

    /// Expects a line, of those who read lines.
    fn line(&mut self, number: usize, key: &str, line: String) {
        self.expect(number, key, Item::Line(line));
    }

    /// Expects a line, before which its time is shown to those who have asked for that.
    fn timed(&mut self, number: usize, key: &str, time: u64, line: &str) {
        let Client { times, zone_minutes, .. } = self.clients[&number];
        let at = if times { clock(time, zone_minutes) + " " } else { String::new() };
        self.line(number, key, at + line);
    }

    /// Expects an object, of those who read objects.
    fn json(&mut self, number: usize, key: &str, mut object: Value, reference: Option<u64>) {
        if let Some(reference) = reference {
            object["ref"] = written(reference).into();
        }
        self.expect(number, key, Item::Json(object));
    }

    fn expect(&mut self, number: usize, key: &str, item: Item) {
        let client = self.client(number);
        if client.away_until.is_some() {
            return;
        }
        if item.is_json() != (client.dialect == Dialect::Json) {
            return;
        }
        match item {
            Item::Line(line) if client.dialect == Dialect::Line => {
                client.expected.push_lines(key, &line);
            }
            item => client.expected.push(key, item),
        }
    }

    // ---- Finding ----

    fn name(&self, number: usize) -> String {
        self.clients[&number].name.clone().expect("it has come and not gone")
    }

    fn named(&self, name: &str) -> Option<usize> {
        let key = name.to_lowercase();
        let has =
            |client: &Client| client.name.as_ref().is_some_and(|name| name.to_lowercase() == key);
        self.clients.iter().find(|(_, client)| has(client)).map(|(&number, _)| number)
    }

    /// Who has this name, or one that looks like it.
    fn alike(&self, name: &str) -> Option<usize> {
        let has = |client: &Client| {
            client.name.as_ref().is_some_and(|name_in_use| look(name_in_use) == look(name))
        };
        self.clients.iter().find(|(_, client)| has(client)).map(|(&number, _)| number)
    }

    fn room_of(&self, number: usize, room: Option<&str>) -> Result<String, &'static str> {
        let client = &self.clients[&number];
        let Some(typed) = room else { return client.current.clone().ok_or("no_room") };
        let key = typed.to_lowercase();
        match (self.rooms.contains_key(&key), client.rooms.contains(&key)) {
            (_, true) => Ok(key),
            (true, false) => Err("not_in_room"),
            (false, false) => Err("no_such_room"),
        }
    }
}
