//! A program that goes on where it was: it joins with the last id that it has seen, sends again what
//! was not answered, and asks for what a replay has left out.

use std::collections::{BTreeMap, BTreeSet};

use chat_server::store::StoredMessage;
use chat_server::wire::websocket::frame::Opcode;
use fastrand::Rng;
use serde_json::{Value, json};

use crate::disk::Disk;
use crate::kept::SharedWire;
use crate::say;
use crate::screen::{KEY, Screen, Seen};
use crate::search::{self, Search, ShownHit};

pub const ROOMS: [&str; 6] = ["#lobby", "#tea", "#dev", "#zoo", "#z0o", "#ops"];

/// A message as somebody was shown it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Shown {
    name: String,
    text: String,
    time: u64,
}

/// All that anybody was shown.
pub struct Truth {
    disk: Disk,
    /// Old messages expire.
    pub may_expire: bool,
    messages: BTreeMap<(String, u64), Shown>,
    /// Where each text is; all texts are different.
    places: BTreeMap<String, (String, u64)>,
    guests: BTreeSet<u64>,
    said: u64,
    /// Texts that are to be there in the end, if they are not deleted.
    acknowledged: BTreeSet<String>,
    /// What somebody wants to be deleted.
    deleting: BTreeSet<(String, u64)>,
    /// Somebody was told that it is.
    deleted: BTreeSet<(String, u64)>,
    /// The disk was full: numbers of guests are not kept then.
    pub is_tainted: bool,
}

impl Truth {
    pub fn new(disk: Disk, may_expire: bool) -> Truth {
        Truth {
            disk,
            may_expire,
            messages: BTreeMap::new(),
            places: BTreeMap::new(),
            guests: BTreeSet::new(),
            said: 0,
            acknowledged: BTreeSet::new(),
            deleting: BTreeSet::new(),
            deleted: BTreeSet::new(),
            is_tainted: false,
        }
    }

    /// The first message that the disk has of a room. `unknown`: if it has none, and may have lost
    /// some.
    fn first_id(&self, room: &str, unknown: u64) -> u64 {
        match self.disk.rooms().get(room) {
            Some(kept) => kept.first_id,
            None if self.may_expire => unknown,
            None => 1,
        }
    }

    /// The first one when somebody asks.
    fn first_asked(&self, room: &str) -> u64 {
        self.first_id(room, 1)
    }

    /// The first one by now: what is before it may be missing.
    fn first_now(&self, room: &str) -> u64 {
        self.first_id(room, u64::MAX)
    }

    pub fn shown(&self) -> usize {
        self.messages.len()
    }

    /// Somebody is shown a message. `is_repeat`: it is the answer to one that was sent again, whose
    /// author may have another name by now.
    /// `told`: what it was told to be deleted.
    fn show(
        &mut self,
        room: &str,
        message: &Value,
        is_repeat: bool,
        told: &mut BTreeSet<(String, u64)>,
    ) -> u64 {
        let id = message["id"].as_u64().expect("an id");
        let place = (room.to_owned(), id);
        if message["deleted"] == true {
            assert!(message.get("text").is_none(), "a tombstone has a text: {message}");
            let before = self.messages.get(&place);
            let is_same = |it: &Shown| message["name"] == *it.name && message["time"] == it.time;
            assert!(is_repeat || before.is_none_or(is_same), "{message} was {before:?}");
            self.delete(place, told);
            return id;
        }
        // Under the same key it is the same text, and nobody has another one than it has sent.
        assert!(is_repeat || !told.contains(&place), "{id} of {room} was deleted: {message}");
        let text = |field: &str| message[field].as_str().expect("a text").to_owned();
        let time = message["time"].as_u64().expect("a time");
        let shown = Shown { name: text("name"), text: text("text"), time };
        let known = self.places.entry(shown.text.clone()).or_insert_with(|| place.clone());
        assert_eq!(*known, place, "{:?} was said twice", shown.text);
        if let Some(before) = self.messages.get(&place) {
            let same_name = is_repeat || before.name == shown.name;
            assert!(
                same_name && (&before.text, before.time) == (&shown.text, shown.time),
                "message {id} of {room} was {before:?}, and is {shown:?}"
            );
        } else if !is_repeat {
            self.messages.insert(place, shown);
        }
        id
    }

    /// Somebody is told that a message is deleted.
    fn delete(&mut self, place: (String, u64), told: &mut BTreeSet<(String, u64)>) {
        assert!(self.deleting.contains(&place), "nobody wants {place:?} to be deleted");
        self.deleted.insert(place.clone());
        told.insert(place);
    }

    /// All that was shown is on the disk, or was and has expired, and so are the tombstones.
    pub fn check(&self) {
        let log = self.disk.log();
        let kept: BTreeMap<(&str, u64), &StoredMessage> =
            log.said.iter().map(|(_, room, it)| ((&**room, it.id), it)).collect();
        for ((room, id), shown) in &self.messages {
            let kept = kept.get(&(room.as_str(), *id));
            let kept = kept.unwrap_or_else(|| panic!("{id} of {room} was shown, and is not kept"));
            let kept = (&*kept.author, &*kept.text, kept.unix_ms);
            assert_eq!(kept, (&*shown.name, &*shown.text, shown.time), "{id} of {room}");
        }
        let is_deleted = |number, it: &StoredMessage| log.tombstones.contains(&(number, it.id));
        let deleted = log.said.iter().filter(|(number, _, it)| is_deleted(*number, it));
        let deleted: BTreeSet<(&str, u64)> =
            deleted.map(|(_, room, it)| (&**room, it.id)).collect();
        for (room, id) in &self.deleted {
            let is_kept = deleted.contains(&(room.as_str(), *id));
            assert!(is_kept, "{id} of {room} was told to be deleted, and is there");
        }
    }

    /// All that was acknowledged is there, and nothing is there twice.
    pub fn check_all(&self) {
        self.check();
        let log = self.disk.log();
        let mut texts = BTreeSet::new();
        for (_, _, message) in &log.said {
            assert!(texts.insert(&*message.text), "{} is kept twice", message.text);
        }
        for text in &self.acknowledged {
            assert!(texts.contains(text.as_str()), "{text} was acknowledged, and is not kept");
        }
    }
}

/// Where a program is in a room.
#[derive(Clone, Debug, Default)]
struct Place {
    /// It has asked to join, and was let in.
    asked: bool,
    is_in: bool,
    /// It has been in this room, and has seen everything up to here.
    seen: Option<u64>,
    /// What comes next; what was missed ends before `tail`.
    live: u64,
    tail: u64,
    /// The first message that there was when it asked to join.
    first: u64,
    /// Of a replay: what comes next, and where it is to end.
    replay: Option<(u64, u64)>,
    /// It asks for what the replay has left out.
    is_asking: bool,
    is_leaving: bool,
}

impl Place {
    /// Whether something is missing between what it saw before and what it was told on joining.
    fn has_hole(&self) -> bool {
        self.is_in && self.seen.is_some_and(|seen| seen + 1 < self.tail)
    }

    /// Where nothing is missing, all until now has been seen.
    fn note_seen(&mut self) {
        if self.is_in && !self.has_hole() {
            self.seen = Some(self.live);
        }
    }

    fn end_replay(&mut self) {
        if let Some((next, end)) = self.replay.take() {
            assert_eq!(next, end + 1, "a replay ends where it was to");
        }
    }

    fn leave(&mut self) {
        self.note_seen();
        let seen = self.seen;
        *self = Place { seen, live: seen.unwrap_or(0), ..Place::default() };
    }
}

/// Said, and not acknowledged.
#[derive(Clone, Debug)]
struct Unsure {
    room: String,
    text: String,
    key: String,
    times: u32,
    is_sent: bool,
}

#[derive(Clone, Debug)]
enum Ask {
    Join { room: String, since: Option<u64>, first: u64 },
    Say { text: String, times: u32 },
    After { room: String, after: u64, limit: usize },
    Before { before: u64, limit: usize, live: u64, first: u64 },
    Search(Box<Search>),
    Delete,
    Leave,
    Other,
}

#[derive(Debug)]
struct Connection {
    wire: SharedWire,
    screen: Screen,
    is_welcome: bool,
}

#[derive(Debug)]
pub struct Program {
    number: usize,
    connection: Option<Connection>,
    epoch: Option<String>,
    places: BTreeMap<String, Place>,
    unsure: Vec<Unsure>,
    /// What it has said on this connection.
    own: Vec<(String, u64)>,
    /// What it was told to be deleted.
    told: BTreeSet<(String, u64)>,
    asked: BTreeMap<u64, Ask>,
    next_ref: u64,
    /// The next page of what it has searched for, and where the server says that it begins.
    next_page: Option<(Search, u64)>,
}

impl Program {
    pub fn new(number: usize) -> Program {
        Program {
            number,
            connection: None,
            epoch: None,
            places: BTreeMap::new(),
            unsure: Vec::new(),
            own: Vec::new(),
            told: BTreeSet::new(),
            asked: BTreeMap::new(),
            next_ref: 0,
            next_page: None,
        }
    }

    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Whether all that it has said is acknowledged, and nothing that it missed is left.
    pub fn is_settled(&self) -> bool {
        self.unsure.is_empty() && !self.places.values().any(Place::has_hole)
    }

    /// Whether it may say this again.
    pub fn is_unsure(&self, text: &str) -> bool {
        self.unsure.iter().any(|unsure| unsure.text == text)
    }

    pub fn connect(&mut self, wire: SharedWire, truth: &Truth, rng: &mut Rng) {
        // All that it is shown from now on is said after that.
        self.told.extend(truth.deleted.iter().cloned());
        let query = match rng.u32(0..4) {
            0 => format!("room={}", &ROOMS[rng.usize(..ROOMS.len())][1..]),
            1 => format!("name=p{}", self.number),
            _ => String::new(),
        };
        let request = format!(
            "GET /?{query} HTTP/1.1\r\nHost: chat.example\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: chat.v1.json\r\n\r\n"
        );
        wire.borrow_mut().uplink.extend(request.as_bytes());
        wire.borrow_mut().arrive(request.len());
        let screen = Screen::http(true, false);
        self.connection = Some(Connection { wire, screen, is_welcome: false });
    }

    /// The connection is gone, and what was on its way.
    pub fn break_off(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.wire.borrow_mut().break_off();
        }
        self.asked.clear();
        self.own.clear();
        self.next_page = None;
        self.places.values_mut().for_each(Place::leave);
        self.unsure.iter_mut().for_each(|unsure| unsure.is_sent = false);
    }

    pub fn carry(&mut self, rng: &mut Rng) {
        if let Some(connection) = &self.connection {
            connection.wire.borrow_mut().carry(false, rng);
        }
    }

    fn is_welcome(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.is_welcome)
    }

    fn send(&mut self, mut request: Value, ask: Ask, rng: &mut Rng) {
        let Some(connection) = &self.connection else { return };
        self.next_ref += 1;
        request["ref"] = self.next_ref.into();
        let frame = say::frame(rng, Opcode::Text, true, request.to_string().as_bytes());
        connection.wire.borrow_mut().uplink.extend(frame);
        self.asked.insert(self.next_ref, ask);
    }

    // ---- Acting ----

    /// Does one of all that there is to do.
    pub fn act(&mut self, truth: &mut Truth, rng: &mut Rng) {
        if !self.is_welcome() || self.asked.len() > 6 {
            return;
        }
        let room = ROOMS[rng.usize(..ROOMS.len())].to_owned();
        let place = self.places.get(&room).cloned().unwrap_or_default();
        if !place.is_in || place.is_leaving {
            return self.join(&room, rng.u32(0..6) == 0, truth, rng);
        }
        match rng.u32(0..26) {
            20..26 => self.delete(room, place.live, truth, rng),
            0..8 => {
                truth.said += 1;
                let word = search::WORDS[rng.usize(..search::WORDS.len())];
                let text = format!("m{} {word} {}y", truth.said, "x".repeat(rng.usize(0..60)));
                let (key, is_sent) = (format!("k{}", truth.said), false);
                self.unsure.push(Unsure { room, text, key, times: 0, is_sent });
                self.resend(rng);
            }
            8..11 => {
                let (before, limit) = (rng.u64(0..place.live + 3), rng.usize(1..9));
                let request =
                    json!({ "type": "history", "room": room, "before": before, "limit": limit });
                let (live, first) = (place.live, truth.first_asked(&room));
                self.send(request, Ask::Before { before, limit, live, first }, rng);
            }
            11..13 => {
                let (after, limit) = (rng.u64(0..place.live + 2), rng.usize(1..9));
                self.ask_after(room, after, limit, rng);
            }
            13 if self.unsure.iter().all(|unsure| unsure.room != room) && !place.has_hole() => {
                self.leave(room, rng);
            }
            14 => self.send(json!({ "type": "who", "room": room }), Ask::Other, rng),
            15 => {
                let text = format!("topic {}", rng.u32(0..9));
                self.send(json!({ "type": "topic", "room": room, "text": text }), Ask::Other, rng);
            }
            16 => {
                // Again although it may have arrived.
                self.unsure.iter_mut().for_each(|unsure| unsure.is_sent = false);
                self.resend(rng);
            }
            17 => self.join(&room, false, truth, rng),
            18 => self.search(truth, rng),
            _ => self.go_on(rng),
        }
    }

    /// Deletes what it has said, mostly, or a message of this room.
    fn delete(&mut self, room: String, live: u64, truth: &mut Truth, rng: &mut Rng) {
        let (room, id) = match self.own.is_empty() || rng.u32(0..4) == 0 {
            true => (room, rng.u64(0..live + 2)),
            false => self.own[rng.usize(..self.own.len())].clone(),
        };
        truth.deleting.insert((room.clone(), id));
        self.send(json!({ "type": "delete", "room": room, "id": id }), Ask::Delete, rng);
    }

    /// Does what is left to do, and leaves where nothing is.
    pub fn settle(&mut self, truth: &mut Truth, rng: &mut Rng) {
        if !self.is_welcome() || self.asked.len() > 6 {
            return;
        }
        self.go_on(rng);
        for (room, place) in self.places.clone() {
            let has_unsure = self.unsure.iter().any(|unsure| unsure.room == room);
            if has_unsure && !place.asked && !place.is_in && rng.u32(0..8) == 0 {
                self.join(&room, false, truth, rng);
            } else if place.is_in && !place.is_leaving && !has_unsure && !place.has_hole() {
                self.leave(room, rng);
            }
        }
    }

    fn go_on(&mut self, rng: &mut Rng) {
        self.resend(rng);
        for (room, place) in self.places.clone() {
            if place.has_hole() && !place.is_asking {
                self.places.get_mut(&room).expect("it is there").is_asking = true;
                self.ask_after(room, place.seen.unwrap_or(0), rng.usize(1..20), rng);
            }
        }
    }

    fn ask_after(&mut self, room: String, after: u64, limit: usize, rng: &mut Rng) {
        let request = json!({ "type": "history", "room": room, "after": after, "limit": limit });
        self.send(request, Ask::After { room, after, limit }, rng);
    }

    fn leave(&mut self, room: String, rng: &mut Rng) {
        self.places.get_mut(&room).expect("it is in").is_leaving = true;
        self.send(json!({ "type": "leave", "room": room }), Ask::Leave, rng);
    }

    /// Searches, or asks for the next page.
    fn search(&mut self, truth: &Truth, rng: &mut Rng) {
        let disk = &truth.disk;
        let (search, cursor) = match self.next_page.take().filter(|_| rng.u32(0..4) > 0) {
            Some((search, cursor)) => (search.next_page(disk), Some(cursor)),
            None => (Search::draw(&ROOMS, disk, rng), None),
        };
        let in_text = rng.bool();
        let mut request =
            json!({ "type": "search", "text": search.typed(in_text), "limit": search.limit });
        if let Some(room) = search.room.as_ref().filter(|_| !in_text) {
            request["room"] = room.as_str().into();
        }
        if let Some(cursor) = cursor {
            request["before"] = cursor.into();
        }
        self.send(request, Ask::Search(Box::new(search)), rng);
    }

    fn join(&mut self, room: &str, afresh: bool, truth: &Truth, rng: &mut Rng) {
        let place = self.places.entry(room.to_owned()).or_default();
        if place.asked || place.is_leaving || place.has_hole() {
            return;
        }
        place.asked = true;
        let since = place.seen.filter(|_| !afresh || place.is_in);
        let mut request = json!({ "type": "join", "room": room });
        if let Some(since) = since {
            request["since"] = since.into();
            request["epoch"] = self.epoch.clone().expect("it was welcome").into();
        } else if rng.bool() {
            request["replay"] = rng.u32(0..30).into();
        }
        let first = truth.first_asked(room);
        self.send(request, Ask::Join { room: room.to_owned(), since, first }, rng);
    }

    fn resend(&mut self, rng: &mut Rng) {
        let is_in = |room: &str| {
            self.places.get(room).is_some_and(|place| place.is_in && !place.is_leaving)
        };
        let ready: Vec<usize> = (0..self.unsure.len())
            .filter(|&at| !self.unsure[at].is_sent && is_in(&self.unsure[at].room))
            .collect();
        for at in ready {
            self.unsure[at].times += 1;
            self.unsure[at].is_sent = true;
            let Unsure { room, text, key, times, .. } = self.unsure[at].clone();
            let request = json!({ "type": "say", "room": room, "text": text, "key": key });
            self.send(request, Ask::Say { text, times }, rng);
        }
    }

    // ---- Reading ----

    pub fn read(&mut self, truth: &mut Truth, trace: bool, rng: &mut Rng) {
        let Some(connection) = &mut self.connection else { return };
        let bytes = connection.wire.borrow_mut().take(usize::MAX);
        for seen in connection.screen.feed(&bytes) {
            match seen {
                Seen::Text(text) => {
                    if trace {
                        println!("{:>9} sees {text}", format!("p{}", self.number));
                    }
                    self.see(&serde_json::from_str(&text).expect("an object"), truth);
                }
                Seen::Ping(payload) => {
                    let pong = say::frame(rng, Opcode::Pong, true, &payload);
                    if let Some(connection) = &self.connection {
                        connection.wire.borrow_mut().uplink.extend(pong);
                    }
                }
                Seen::Upgraded => {}
                // All clients are closed when what is kept was lost.
                Seen::Close(Some(1012)) => return self.break_off(),
                // It was silent for long, as everything was held back.
                Seen::Close(Some(1001)) => return self.break_off(),
                seen => panic!("program {} saw {seen:?}", self.number),
            }
        }
        if self.connection.as_ref().is_some_and(|connection| connection.wire.borrow().is_over()) {
            self.break_off();
        }
    }

    fn see(&mut self, object: &Value, truth: &mut Truth) {
        let ask = object["ref"].as_u64().and_then(|reference| self.asked.remove(&reference));
        let room = object["room"].as_str().unwrap_or("").to_owned();
        match object["type"].as_str().expect("a type") {
            "welcome" => self.see_welcome(object, truth),
            "joined" if object["you"] == true => self.see_joined(&room, object, ask, truth),
            "found" => self.see_found(object, ask, truth),
            "said" => self.see_said(&room, object, ask, truth),
            "history" if object["replay"] == true => self.see_replay(&room, object, truth),
            "history" => self.see_page(&room, object, ask, truth),
            "deleted" => {
                self.places.get_mut(&room).expect("it is in").end_replay();
                let id = object["id"].as_u64().expect("an id");
                truth.delete((room, id), &mut self.told);
            }
            "left" if object["you"] == true => {
                let place = self.places.get_mut(&room).expect("it was in");
                place.end_replay();
                place.leave();
            }
            "error" => self.see_error(object["code"].as_str().expect("a code"), ask, truth),
            _ => {}
        }
        self.places.values_mut().for_each(Place::note_seen);
    }

    fn see_welcome(&mut self, object: &Value, truth: &mut Truth) {
        let epoch = object["epoch"].as_str().expect("an epoch").to_owned();
        assert!(
            self.epoch.as_ref().is_none_or(|before| *before == epoch),
            "the epoch is another one now"
        );
        self.epoch = Some(epoch);
        let name = object["name"].as_str().expect("a name");
        if let Some(number) = name.strip_prefix("guest-").and_then(|number| number.parse().ok()) {
            let is_new = truth.guests.insert(number);
            assert!(is_new || truth.is_tainted, "there was another guest-{number}");
        }
        self.connection.as_mut().expect("it is connected").is_welcome = true;
    }

    fn see_found(&mut self, object: &Value, ask: Option<Ask>, truth: &Truth) {
        let Some(Ask::Search(search)) = ask else { panic!("{ask:?} is answered by {object}") };
        let hits = object["hits"].as_array().expect("hits");
        let text = |hit: &'_ Value, field: &str| -> String {
            hit[field].as_str().expect("a text").to_owned()
        };
        let texts: Vec<[String; 3]> =
            hits.iter().map(|hit| ["room", "name", "text"].map(|field| text(hit, field))).collect();
        let hits: Vec<ShownHit> = hits
            .iter()
            .zip(&texts)
            .map(|(hit, [room, name, text])| {
                let (id, time) = (hit["id"].as_u64().expect("an id"), hit["time"].as_u64());
                ShownHit { room, id, name, text, time }
            })
            .collect();
        let cursor = object["next"].as_u64();
        self.next_page = search.judge(&hits, cursor.is_some(), &truth.disk).zip(cursor);
    }

    fn see_joined(&mut self, room: &str, object: &Value, ask: Option<Ask>, truth: &Truth) {
        let (since, first) = match ask {
            Some(Ask::Join { since, first, .. }) => (since, first),
            // By its URL.
            None => (None, 1),
            Some(ask) => panic!("{ask:?} is answered by {object}"),
        };
        let position = object["position"].as_u64().expect("a position");
        let place = self.places.entry(room.to_owned()).or_default();
        let has_gap = object["gap"] == true;
        if let Some(since) = since {
            let may_have_gap = since + 1 < truth.first_now(room);
            assert!(!has_gap || may_have_gap, "all of {room} since {since} is kept");
            assert!(since <= position, "{since} of {room} was seen, and {position} is the last");
        }
        if place.is_in {
            assert_eq!(position, place.live, "the position of {room}");
        }
        place.end_replay();
        (place.is_in, place.asked) = (true, false);
        // Without a place where it was, nothing before the position is missed.
        place.seen = Some(since.filter(|_| !has_gap).unwrap_or(position));
        (place.live, place.tail, place.first) = (position, position + 1, first);
    }

    fn see_replay(&mut self, room: &str, object: &Value, truth: &mut Truth) {
        let place = self.places.get_mut(room).expect("it has joined");
        let told = &mut self.told;
        let ids = list(object).map(|message| truth.show(room, message, false, told));
        let ids: Vec<u64> = ids.collect();
        let (first, last) = (ids[0], ids[ids.len() - 1]);
        assert!(
            ids.windows(2).all(|pair| pair[0] + 1 == pair[1]),
            "a hole in the replay of {room}"
        );
        check_more(object, first, place.first, truth.first_now(room));
        let (next, end) = place.replay.unwrap_or((first, place.live));
        assert_eq!(first, next, "the replay of {room} goes on");
        assert!(last <= end, "a replay of {room} beyond its position");
        if place.replay.is_none() {
            place.tail = first;
        }
        place.replay = Some((last + 1, end));
    }

    fn see_said(&mut self, room: &str, object: &Value, ask: Option<Ask>, truth: &mut Truth) {
        let times = match &ask {
            Some(Ask::Say { times, text }) => {
                let is_answer = object["text"] == **text || object["deleted"] == true;
                assert!(is_answer, "{object} is the answer to {text}");
                let id = object["id"].as_u64().expect("an id");
                self.own.push((room.to_owned(), id));
                truth.acknowledged.insert(text.clone());
                self.unsure.retain(|unsure| unsure.text != *text);
                *times
            }
            None => 0,
            Some(ask) => panic!("{ask:?} is answered by {object}"),
        };
        let place = self.places.get_mut(room).expect("it is in");
        place.end_replay();
        let is_new = object["id"].as_u64().is_some_and(|id| id > place.live);
        let id = truth.show(room, object, !is_new, &mut self.told);
        assert!(is_new || times > 0, "{id} of {room} comes again");
        assert!(!is_new || id == place.live + 1, "{id} of {room} comes after {}", place.live);
        assert!(is_new || times > 1, "{id} of {room} was said once, and comes again");
        place.live = place.live.max(id);
    }

    fn see_page(&mut self, room: &str, object: &Value, ask: Option<Ask>, truth: &mut Truth) {
        let told = &mut self.told;
        let ids = list(object).map(|message| truth.show(room, message, false, told));
        let ids: Vec<u64> = ids.collect();
        assert!(ids.windows(2).all(|pair| pair[0] + 1 == pair[1]), "a hole in a page of {room}");
        let place = self.places.get_mut(room).expect("it is in");
        place.end_replay();
        let (live, first_now) = (place.live, truth.first_now(room));
        match ask {
            Some(Ask::Before { before, limit, live: was_live, first: first_asked }) => {
                assert!(ids.len() <= limit);
                // What was said after the question has come by, and need not be in the answer.
                let last = ids.last().copied().unwrap_or(0);
                let may_be = before.saturating_sub(1).min(was_live)..before.min(live + 1).max(1);
                let has_expired = last == 0 && may_be.start < first_now;
                assert!(
                    may_be.contains(&last) || has_expired,
                    "the page of {room} before {before} ends with {last}"
                );
                check_more(object, ids.first().copied().unwrap_or(1), first_asked, first_now);
            }
            Some(Ask::After { after, limit, .. }) => {
                assert!(ids.len() <= limit);
                let first = ids.first().copied().unwrap_or(after + 1);
                let has_expired = after < first && first <= first_now;
                assert!(first == after + 1 || has_expired, "the page of {room} after {after}");
                let last = ids.last().copied().unwrap_or(after);
                let is_gone = ids.is_empty() && live < first_now;
                let is_whole = last >= live || is_gone;
                assert!(object["more"] == true || is_whole, "{room} goes on after {last}");
                assert!(
                    !ids.is_empty() || after >= live || is_gone,
                    "{room} has more after {after}"
                );
                place.is_asking = false;
                if place.has_hole() && place.seen == Some(after) {
                    let last = if is_gone { live } else { last };
                    place.seen = Some(last.min(place.tail - 1));
                }
            }
            ask => panic!("{ask:?} is answered by {object}"),
        }
    }

    fn see_error(&mut self, code: &str, ask: Option<Ask>, truth: &Truth) {
        match (code, ask) {
            (
                "room_refused" | "server_full" | "too_many_rooms" | "not_readable",
                Some(Ask::Join { room, .. }),
            ) => {
                let place = self.places.get_mut(&room).expect("it has asked");
                assert!(!place.is_in, "{room}: {code}");
                place.asked = false;
                if code == "room_refused" {
                    // Nothing was said there, and another room has the look now.
                    let was_spoken_in = place.seen.unwrap_or(0) > 0;
                    assert!(!was_spoken_in || truth.may_expire, "{room} is kept, and refused");
                    self.unsure.retain(|unsure| unsure.room != room);
                }
            }
            // Not said: it has left while that still waited.
            (
                "no_such_message" | "not_allowed" | "not_stored" | "not_readable" | "not_in_room"
                | "no_such_room",
                Some(Ask::Delete),
            ) => {}
            ("not_stored" | "not_said", Some(Ask::Say { text, .. })) => {
                for unsure in self.unsure.iter_mut().filter(|unsure| unsure.text == text) {
                    unsure.is_sent = false;
                }
            }
            ("not_readable", Some(Ask::After { room, .. })) => {
                self.places.get_mut(&room).expect("it has asked").is_asking = false;
            }
            ("not_readable", Some(Ask::Before { .. } | Ask::Other))
            | ("not_stored" | "not_said", Some(Ask::Other)) => {}
            ("search_slow" | "search_unavailable", Some(Ask::Search(search))) => {
                search.judge_failed(&truth.disk);
            }
            ("no_such_room", Some(Ask::Search(search))) => search.judge_no_room(&truth.disk),
            // It has left meanwhile, in the same breath.
            (
                "not_in_room" | "no_such_room",
                Some(Ask::Other | Ask::Before { .. } | Ask::After { .. } | Ask::Leave),
            ) => {}
            // What came with its URL.
            (_, None) => {}
            (code, ask) => panic!("program {}: {ask:?} is answered by {code}", self.number),
        }
    }
}

/// More is offered if there is more before this message: of the first that there was when it was
/// asked for, or of the first by now.
fn check_more(object: &Value, first: u64, first_asked: u64, first_now: u64) {
    match object["more"] == true {
        true => assert!(first > first_asked, "nothing is before {first}: {object}"),
        false => assert!(first <= first_now, "there is more before {first}: {object}"),
    }
}

fn list(object: &Value) -> impl Iterator<Item = &Value> {
    object["messages"].as_array().expect("messages").iter()
}
