//! Programs that follow what an account hears, in a response that does not end: they are told what a
//! WebSocket of the account is told, in lines.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chat_server::wire::http::events::Wanted;
use fastrand::Rng;
use serde_json::Value;

use super::draw::ROOMS;
use super::hooks::Program;
use super::model::{Client, Model, Said};
use super::told::Told;
use crate::kept::SharedWire;

/// So many of them.
pub const FOLLOWERS: usize = 2;

/// So many of those that go on somewhere may be on their way to the server, or broken by then.
const RESUMES: usize = 4 * FOLLOWERS;

/// Of what is missed, so much text is told in any case.
const REPLAY_BYTES_MIN: usize = 2000;

/// One that hears some rooms alone, from where it was: what is said there is predicted, and what it
/// has missed.
#[derive(Debug, Default)]
pub struct Followed {
    /// As it has asked for them, or what they are called by now.
    names: BTreeSet<String>,
    rooms: BTreeSet<u64>,
    /// The room that it joins, as it has asked for it, and the message behind which it goes on there.
    asked: String,
    since: Option<u64>,
    /// What it has missed and has not been told yet, of one room after the other, and in which state
    /// that was.
    replays: VecDeque<(usize, VecDeque<Value>)>,
    /// So often it is still to be told that there is a gap.
    gaps: usize,
}

impl Followed {
    pub fn new(names: BTreeSet<String>) -> Followed {
        Followed { names, ..Followed::default() }
    }

    pub fn predicts(told: &Told) -> bool {
        matches!(told, Told::Said { .. } | Told::Stub { .. })
    }

    /// Reads from where it wants to go on.
    pub fn asks(&mut self, text: &str) {
        let object: Value = serde_json::from_str(text).unwrap_or_default();
        self.since = object["since"].as_u64();
        self.asked = object["room"].as_str().unwrap_or_default().to_lowercase();
    }

    pub fn leaves(&mut self, room: u64) {
        self.rooms.remove(&room);
    }

    /// Whether it has been told all that it has missed, and that some of it is gone.
    pub fn is_told(&self) -> bool {
        self.replays.is_empty() && self.gaps == 0
    }
}

impl Client {
    pub fn hears(&self, room: u64) -> bool {
        self.followed.as_ref().is_none_or(|followed| followed.rooms.contains(&room))
    }
}

impl Model {
    /// Who hears some rooms alone is told nothing of the others when it comes.
    pub fn forget_told(&mut self, n: usize, is_follower: bool) {
        if let Some(client) = self.clients.get_mut(&n).filter(|_| is_follower) {
            client.expected.clear();
        }
    }

    /// One that follows has joined a room, and is told what it has missed there.
    pub fn follow_from(&mut self, n: usize, room: u64) {
        let user = self.clients[&n].user;
        let Some(since) = self.clients[&n].followed.as_ref().map(|followed| followed.since) else {
            return;
        };
        let known = since.filter(|since| *since < self.kept.rooms[&room].next_id);
        let missed = |since| {
            let missed = self.readable(user, room).filter(move |said: &&Said| said.id > since);
            missed.map(|said| match self.is_ignored(user, said) {
                true => serde_json::json!({ "id": said.id, "ignored": true }),
                false => self.row(said),
            })
        };
        let rows: VecDeque<Value> = known.into_iter().flat_map(missed).collect();
        let from = self.reads_from(user, room).unwrap_or(u64::MAX);
        let here = &self.kept.rooms[&room];
        let first = here.first_id.max(from.min(here.next_id));
        let has_gap = since.is_some() && known.is_none_or(|since| since + 1 < first);
        let name = here.name.to_lowercase();
        // It is what it was if nothing has changed.
        let state = self.states.len() - 1;
        let client = self.clients.get_mut(&n).expect("it is there");
        let followed = client.followed.as_mut().expect("it follows");
        followed.rooms.insert(room);
        followed.names.remove(&followed.asked);
        followed.names.insert(name);
        followed.gaps += usize::from(has_gap);
        if !rows.is_empty() {
            followed.replays.push_back((state, rows));
        }
    }

    /// A room is followed under the name that it has.
    pub fn follow_renamed(&mut self, from: &str, to: &str) {
        let followed = self.clients.values_mut().filter_map(|client| client.followed.as_mut());
        for followed in followed {
            if followed.names.remove(&from.to_lowercase()) {
                followed.names.insert(to.to_lowercase());
            }
        }
    }

    /// Whose streams anybody follows in a room.
    pub fn followers_in(&self, room: u64) -> Vec<String> {
        let clients = self.clients.values().filter(|client| client.follows && client.hears(room));
        let users = clients.map(|client| client.user);
        let users = users.filter(|user| self.is_in(*user, room));
        users.map(|user| self.user(user).name.clone()).collect()
    }

    /// A program that shows by what it knows the last event goes on behind it, in each room.
    pub fn check_resumes(&self, wanted: &Wanted, requests: &[u8]) {
        let rooms: Vec<&String> = wanted.rooms.iter().map(|(room, _)| room).collect();
        let mut resumes = self.resumes.iter().filter(|(of, _)| of.iter().eq(rooms.iter().copied()));
        if wanted.last.is_empty() || resumes.clone().next().is_none() {
            return;
        }
        let joins = std::str::from_utf8(requests).expect("UTF-8").lines();
        let joins: Vec<Value> =
            joins.map(|join| serde_json::from_str(join).expect("an object")).collect();
        let goes_on = |places: &BTreeMap<String, u64>| {
            joins.iter().all(|join| {
                let place = places.get(join["room"].as_str().unwrap_or_default());
                place.is_none_or(|place| join["since"] == *place)
            })
        };
        let is_right = resumes.any(|(_, places)| goes_on(places));
        assert!(is_right, "{joins:?} for {:?}", self.resumes);
    }

    /// Those that follow a room hear it again if their account comes back.
    pub fn follow_again(&mut self, user: u64, room: u64) {
        let name = self.kept.rooms[&room].name.to_lowercase();
        for client in self.clients.values_mut().filter(|client| client.user == user) {
            if let Some(followed) = &mut client.followed
                && followed.names.contains(&name)
            {
                followed.rooms.insert(room);
            }
        }
    }

    fn hear_gap(&mut self, n: usize) {
        let Some(client) = self.clients.get_mut(&n) else { return };
        let followed = client.followed.as_mut().expect("it follows some rooms");
        followed.gaps = followed.gaps.checked_sub(1).expect("there is no gap");
    }

    /// One that follows is told what it has missed: all of it, or the newest if that is much.
    fn hear_replay(&mut self, n: usize, messages: &[Value]) {
        let Some(client) = self.clients.get_mut(&n) else { return };
        let followed = client.followed.as_mut().expect("it follows some rooms");
        let (state, rows) = followed.replays.front_mut().expect("it has missed something");
        let bytes: usize =
            rows.iter().map(|row| 100 + row["text"].as_str().unwrap_or_default().len()).sum();
        if bytes > REPLAY_BYTES_MIN {
            while rows.front().is_some_and(|row| row["id"] != messages[0]["id"]) {
                rows.pop_front();
            }
        }
        for message in messages {
            let mut message = message.clone();
            message.as_object_mut().expect("an object").remove("time");
            assert_eq!(rows.pop_front(), Some(message), "client {n} is told what it has missed");
        }
        self.shown = self.shown.max(*state);
        if rows.is_empty() {
            followed.replays.pop_front();
        }
    }
}

#[derive(Debug, Default)]
pub struct Follower {
    connection: Option<(usize, SharedWire)>,
    is_events: bool,
    /// Its response has begun, and is not refused.
    is_begun: bool,
    heard: Vec<u8>,
    /// It hears some rooms alone.
    is_of_rooms: bool,
    /// What it has heard last: the room, and the message.
    seen: Option<(String, u64)>,
    /// What it has asked for, and by what the last event is known, of one whose end has come.
    rooms: Vec<String>,
    id: Option<String>,
    next_id: Option<String>,
    /// The last message of each room that is behind that.
    places: BTreeMap<String, u64>,
    event: String,
}

impl Follower {
    pub fn is_free(&self) -> bool {
        self.connection.is_none()
    }

    /// Shows a token that is good, or was.
    pub fn connect(
        &mut self,
        (number, wire): (usize, SharedWire),
        model: &mut Model,
        rng: &mut Rng,
    ) {
        let live = model.kept.accounts.values().flat_map(|account| &account.keys);
        let live: Vec<&str> =
            live.filter(|key| key.is_token).map(|key| key.secret.as_str()).collect();
        let old = model.secrets.iter().map(|(secret, _)| secret.as_str());
        let tokens = if rng.u32(0..4) > 0 { live } else { old.collect() };
        let token = tokens.get(rng.usize(..tokens.len().max(1))).copied().unwrap_or("cst_none");
        let last = self.id.take().filter(|_| rng.u32(0..4) > 0);
        self.is_events = last.is_some() || rng.bool();
        self.is_of_rooms = last.is_some() || rng.bool();
        let query = match &last {
            Some(_) => query_of(&self.rooms, None),
            None if self.is_of_rooms => self.query(rng),
            None => String::new(),
        };
        let last = match &last {
            Some(id) => {
                model.resumes.push_front((self.rooms.clone(), self.places.clone()));
                model.resumes.truncate(RESUMES);
                format!("Last-Event-ID: {id}\r\n")
            }
            None => {
                self.places.clear();
                String::new()
            }
        };
        let accept = if self.is_events { "Accept: text/event-stream\r\n" } else { "" };
        let request = format!(
            "GET /stream{query} HTTP/1.1\r\nHost: chat.example\r\nAuthorization: Bearer {token}\r\n\
             {accept}{last}\r\n"
        );
        (self.id, self.next_id) = (None, None);
        self.event.clear();
        wire.borrow_mut().uplink.extend(request.as_bytes());
        self.heard.clear();
        self.is_begun = false;
        self.connection = Some((number, wire));
    }

    /// Mostly it goes on where it was, by either way that there is, and hears another room as well.
    fn query(&mut self, rng: &mut Rng) -> String {
        let any = ROOMS[rng.usize(..ROOMS.len())].to_owned();
        let seen = self.seen.take().filter(|_| rng.u32(0..4) > 0);
        let since;
        (self.rooms, since) = match seen {
            Some((room, _)) if room == any => (vec![any], None),
            Some((room, id)) => (vec![room, any], Some(id)),
            None => (vec![any], Some(rng.u64(0..9))),
        };
        query_of(&self.rooms, since)
    }

    /// An event is whole: by its id the server is told where to go on.
    fn dispatch(&mut self, object: &Value) {
        let room = object["room"].as_str().unwrap_or_default().to_owned();
        match object["type"].as_str().unwrap_or_default() {
            "said" => drop(self.places.insert(room, object["id"].as_u64().expect("an id"))),
            "history" if object["replay"] == true => {
                let last = object["messages"].as_array().and_then(|messages| messages.last());
                let id = last.and_then(|last| last["id"].as_u64());
                self.places.extend(id.map(|id| (room, id)));
            }
            "room" => {
                let place = object["from"].as_str().and_then(|from| self.places.remove(from));
                self.places.extend(place.map(|place| (room, place)));
            }
            // Whether it is told more of that room is another matter, and so is where a room begins
            // that it has come to.
            "left" | "joined" if object["you"] == true || object["gap"] == true => {
                self.places.remove(&room);
            }
            _ => {}
        }
        if let Some(id) = self.next_id.take() {
            self.id = Some(id);
        }
    }

    /// What some rooms alone are told is predicted of what is said there.
    fn hear(&mut self, model: &mut Model, number: usize, object: &str) {
        if !self.is_of_rooms {
            return model.hear(number, object);
        }
        let heard: Value = serde_json::from_str(object).expect("an object");
        let room = heard["room"].as_str().unwrap_or_default().to_owned();
        match heard["type"].as_str().unwrap_or_default() {
            "said" => {
                self.seen = heard["id"].as_u64().map(|id| (room, id));
                model.hear(number, object);
            }
            "joined" if heard["gap"] == true => model.hear_gap(number),
            "history" if heard["replay"] == true => {
                let messages = heard["messages"].as_array().expect("messages");
                let last = messages.last().and_then(|last| last["id"].as_u64());
                self.seen = last.map(|id| (room, id));
                model.hear_replay(number, messages);
            }
            _ => {}
        }
    }

    pub fn break_off(&mut self) {
        if let Some((_, wire)) = self.connection.take() {
            wire.borrow_mut().break_off();
        }
    }

    pub fn carry(&mut self, rng: &mut Rng) {
        if let Some((_, wire)) = &self.connection {
            wire.borrow_mut().carry(false, rng);
        }
    }

    /// The number of the connection, if it follows.
    pub fn number(&self) -> Option<usize> {
        self.connection.as_ref().filter(|_| self.is_begun).map(|(number, _)| *number)
    }

    pub fn read(&mut self, model: &mut Model) {
        let Some((number, wire)) = self.connection.clone() else { return };
        self.heard.extend(wire.borrow_mut().take(usize::MAX));
        let is_over = wire.borrow().is_over();
        if !self.is_begun
            && let Some(end) = place_of(&self.heard, b"\r\n\r\n")
        {
            let head: Vec<u8> = self.heard.drain(..end + 4).collect();
            if !head.starts_with(b"HTTP/1.1 200 ") {
                return self.break_off();
            }
            self.is_begun = true;
        }
        while self.is_begun
            && let Some(end) = place_of(&self.heard, b"\n")
        {
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            let line = String::from_utf8(line).expect("UTF-8");
            let line = line.trim_end();
            let object = match self.is_events {
                true => line.strip_prefix("data: ").unwrap_or_default(),
                false => line,
            };
            if !object.is_empty() {
                self.hear(model, number, object);
                object.clone_into(&mut self.event);
            }
            if let Some(id) = line.strip_prefix("id: ") {
                self.next_id = Some(id.to_owned());
            }
            if line.is_empty() && !self.event.is_empty() && self.is_of_rooms {
                let object = std::mem::take(&mut self.event);
                self.dispatch(&serde_json::from_str(&object).expect("an object"));
            }
        }
        if is_over {
            self.break_off();
        }
    }
}

/// What is asked for in a URL: `since` is of the first room.
fn query_of(rooms: &[String], since: Option<u64>) -> String {
    let mut query = String::new();
    for (at, room) in rooms.iter().enumerate() {
        query.push_str(if at == 0 { "?room=" } else { "&room=" });
        query.push_str(&room.replace('#', "%23"));
        if let Some(since) = since.filter(|_| at == 0) {
            query.push_str(&format!("&since={since}"));
        }
    }
    query
}

fn place_of(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|part| part == wanted)
}

/// From where any of them comes.
pub fn address(rng: &mut Rng) -> std::net::SocketAddr {
    (Program::address(rng), 1000).into()
}
