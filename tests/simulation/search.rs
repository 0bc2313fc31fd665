//! Searches, and what they have to find: a naive look at all that is durable says it.

use chat_server::wire::websocket::frame::Opcode;
use fastrand::Rng;

use std::collections::BTreeSet;

use crate::disk::{Disk, Log, matches};
use crate::kept::SharedWire;
use crate::say;
use crate::screen::{KEY, Screen, Seen};

/// Words of what is said.
pub const WORDS: [&str; 6] = ["tea", "teapot", "Tea-time", "端末のリスト", "端子", "zoo"];
/// What is searched for.
const SEARCHED: [&str; 9] = ["tea", "TE", "\"tea\"", "teapot", "端末", "端", "m1", "x", "zoo tea"];
/// Days that have begun, and when: all that is said is said on the first of them.
const DAYS: [(&str, u64); 2] =
    [("2023-11-14", 1_699_920_000_000), ("2023-11-15", 1_700_006_400_000)];
/// Messages on a page of a terminal.
const PAGE: usize = 10;

/// A search that waits for its answer, and what there was when it was asked.
#[derive(Clone, Debug)]
pub struct Search {
    words: String,
    pub room: Option<String>,
    from: Option<String>,
    before: Option<usize>,
    after: Option<usize>,
    pub limit: usize,
    /// The number of the last message of the page before.
    below: usize,
    indexed: usize,
    expired: usize,
    failed: usize,
    is_room_kept: bool,
    /// What was deleted by then.
    tombstones: BTreeSet<(u64, u64)>,
}

/// One message that was found, as somebody was shown it.
#[derive(Debug)]
pub struct ShownHit<'a> {
    pub room: &'a str,
    pub id: u64,
    pub name: &'a str,
    pub text: &'a str,
    /// If it is told to the millisecond.
    pub time: Option<u64>,
}

impl Search {
    pub fn draw(rooms: &[&str], disk: &Disk, rng: &mut Rng) -> Search {
        let mut may = |one_in: u32| rng.u32(0..one_in) == 0;
        let (in_room, from, before, after) = (may(3), may(4), may(6), may(6));
        let search = Search {
            words: SEARCHED[rng.usize(..SEARCHED.len())].to_owned(),
            room: in_room.then(|| rooms[rng.usize(..rooms.len())].to_owned()),
            from: from
                .then(|| format!("{}{}", ["p", "P", "guest-"][rng.usize(0..3)], rng.u32(0..9))),
            before: before.then(|| rng.usize(..DAYS.len())),
            after: after.then(|| rng.usize(..DAYS.len())),
            limit: rng.usize(1..6),
            below: usize::MAX,
            indexed: 0,
            expired: 0,
            failed: 0,
            is_room_kept: false,
            tombstones: BTreeSet::new(),
        };
        let is_filtered = search.room.is_some() || search.from.is_some();
        let words = if is_filtered && rng.u32(0..4) == 0 { String::new() } else { search.words };
        let has_days = words.is_empty();
        // Days alone are nothing to search for.
        let (before, after) = match has_days {
            true => (None, None),
            false => (search.before, search.after),
        };
        Search { words, before, after, ..search }.at(disk)
    }

    /// The same, asked now.
    fn at(mut self, disk: &Disk) -> Search {
        let log = disk.log();
        (self.indexed, self.expired, self.failed) = (log.indexed, log.expired, log.failed);
        self.is_room_kept = self.is_kept(disk);
        self.tombstones = log.tombstones;
        self
    }

    fn is_kept(&self, disk: &Disk) -> bool {
        self.room.as_ref().is_some_and(|room| disk.rooms().contains_key(room.as_str()))
    }

    /// What is typed. `in_text`: the room as well.
    pub fn typed(&self, in_text: bool) -> String {
        let day = |name: &str, day: usize| format!("{name}:{}", DAYS[day].0);
        let parts = [
            self.room.as_ref().filter(|_| in_text).map(|room| format!("in:{room}")),
            Some(self.words.clone()),
            self.from.as_ref().map(|from| format!("from:{from}")),
            self.before.map(|at| day("before", at)),
            self.after.map(|at| day("AFTER", at)),
        ];
        parts.into_iter().flatten().collect::<Vec<String>>().join(" ")
    }

    fn wants(&self, log: &Log, at: usize) -> bool {
        let (_, room, message) = &log.said[at];
        let day = |day: Option<usize>| day.map(|day| DAYS[day].1);
        self.room.as_ref().is_none_or(|wanted| **wanted == **room)
            && self.from.as_ref().is_none_or(|from| from.eq_ignore_ascii_case(&message.author))
            && day(self.before).is_none_or(|before| message.unix_ms < before)
            && day(self.after).is_none_or(|after| message.unix_ms >= after)
            && matches(&self.words, &message.text)
    }

    /// Judges an answer, newest first; returns the search for the next page, if there is one.
    pub fn judge(&self, hits: &[ShownHit<'_>], has_next: bool, disk: &Disk) -> Option<Search> {
        let log = disk.log();
        let places: Vec<usize> = hits.iter().map(|hit| place_of(hit, &log)).collect();
        let upto = log.said.len().min(self.below);
        let place = |at: usize| (log.said[at].0, log.said[at].2.id);
        let deleted = places.iter().find(|at| self.tombstones.contains(&place(**at)));
        assert_eq!(deleted, None, "{self:?} finds what was deleted before it was asked: {hits:?}");
        let all: Vec<usize> = (self.expired..upto)
            .rev()
            .filter(|&at| self.wants(&log, at) && !self.tombstones.contains(&place(at)))
            .collect();
        // What is deleted while it is looked for may be missing on its page.
        let is_missing = |at: &usize| log.deleting.contains(&place(*at)) && !places.contains(at);
        if all.iter().any(is_missing) {
            let mut rest = all.iter();
            assert!(places.iter().all(|at| rest.any(|other| other == at)), "{self:?}: {hits:?}");
            let below = *places.last().filter(|_| has_next)?;
            return Some(Search { below, ..self.clone() });
        }
        let first = places.first().map_or(all.len(), |first| {
            let found = all.iter().position(|at| at == first);
            found.unwrap_or_else(|| panic!("{:?} is not what {self:?} is for", hits[0]))
        });
        // What expires while it is looked for may be missing, and what is not indexed yet.
        let is_gone = |at: &usize| *at < log.expired;
        let (newer, rest) = all.split_at(first);
        let newest = newer.iter().find(|at| **at < self.indexed && !is_gone(at));
        assert_eq!(newest, None, "{:?} is not found: {self:?}", newest.map(|at| &log.said[*at]));
        let wanted = &rest[..rest.len().min(self.limit)];
        assert!(wanted.starts_with(&places), "{self:?} finds {hits:?}, and not {wanted:?}");
        assert!(wanted[places.len()..].iter().all(is_gone), "{self:?} finds too little: {hits:?}");
        let rest = &rest[places.len()..];
        match has_next {
            true => assert!(!rest.is_empty() && places.len() == self.limit, "{self:?} goes on"),
            false => assert!(rest.iter().all(is_gone), "{self:?} does not go on after {hits:?}"),
        }
        let below = *places.last().filter(|_| has_next)?;
        Some(Search { below, ..self.clone() })
    }

    /// The next page is asked for now.
    pub fn next_page(self, disk: &Disk) -> Search {
        self.at(disk)
    }

    /// Judges why it could not be answered.
    pub fn judge_failed(&self, disk: &Disk) {
        assert!(disk.log().failed > self.failed, "{self:?} has not failed");
    }

    /// Judges that there is no such room.
    pub fn judge_no_room(&self, disk: &Disk) {
        assert!(self.room.is_some(), "{self:?} is for all rooms");
        assert!(!self.is_room_kept || !self.is_kept(disk), "{self:?}: there is that room");
    }
}

fn place_of(hit: &ShownHit<'_>, log: &Log) -> usize {
    let is_it = |(_, room, message): &(u64, Box<str>, _)| {
        let message: &chat_server::store::StoredMessage = message;
        **room == *hit.room && message.id == hit.id
    };
    let place = log.said.iter().position(is_it);
    let place = place.unwrap_or_else(|| panic!("{hit:?} is found, and is not durable"));
    let (_, _, message) = &log.said[place];
    let is_same = match hit.text.strip_suffix('…') {
        Some(beginning) => message.text.starts_with(beginning),
        None => *message.text == *hit.text,
    };
    assert!(is_same && *message.author == *hit.name, "{hit:?} is {message:?}");
    assert!(hit.time.is_none_or(|time| time == message.unix_ms), "{hit:?} is {message:?}");
    place
}

/// Somebody who reads lines, and does nothing but search.
#[derive(Debug, Default)]
pub struct Searcher {
    connection: Option<(SharedWire, Screen)>,
    is_in: bool,
    asked: Option<Search>,
    /// The rows of the answer that is being read, and how many are missing.
    rows: Vec<String>,
    missing: usize,
    has_next: bool,
    next: Option<Search>,
}

impl Searcher {
    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    pub fn connect(&mut self, wire: SharedWire) {
        let request = format!(
            "GET / HTTP/1.1\r\nHost: chat.example\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        wire.borrow_mut().uplink.extend(request.as_bytes());
        wire.borrow_mut().arrive(request.len());
        self.connection = Some((wire, Screen::http(false, false)));
    }

    pub fn break_off(&mut self) {
        if let Some((wire, _)) = std::mem::take(self).connection {
            wire.borrow_mut().break_off();
        }
    }

    pub fn carry(&mut self, rng: &mut Rng) {
        if let Some((wire, _)) = &self.connection {
            wire.borrow_mut().carry(false, rng);
        }
    }

    pub fn act(&mut self, rooms: &[&str], disk: &Disk, rng: &mut Rng) {
        if !self.is_in || self.asked.is_some() {
            return;
        }
        let (typed, search) = match self.next.clone().filter(|_| rng.bool()) {
            Some(next) => ("/search".to_owned(), next.next_page(disk)),
            None => {
                let search = Search { limit: PAGE, ..Search::draw(rooms, disk, rng) };
                (format!("/search {}", search.typed(true)), search)
            }
        };
        self.asked = Some(search);
        let frame = say::frame(rng, Opcode::Text, true, typed.as_bytes());
        if let Some((wire, _)) = &self.connection {
            wire.borrow_mut().uplink.extend(frame);
        }
    }

    pub fn read(&mut self, disk: &Disk, trace: bool, rng: &mut Rng) {
        let Some((wire, screen)) = &mut self.connection else { return };
        let bytes = wire.borrow_mut().take(usize::MAX);
        let is_over = wire.borrow().is_over();
        for seen in screen.feed(&bytes) {
            match seen {
                Seen::Text(text) => {
                    for line in text.lines() {
                        if trace {
                            println!("{:>9} sees {line}", "searcher");
                        }
                        self.see(line, disk);
                    }
                }
                Seen::Ping(payload) => {
                    let pong = say::frame(rng, Opcode::Pong, true, &payload);
                    if let Some((wire, _)) = &self.connection {
                        wire.borrow_mut().uplink.extend(pong);
                    }
                }
                Seen::Upgraded => {}
                Seen::Close(Some(1012 | 1001)) => return self.break_off(),
                seen => panic!("a searcher saw {seen:?}"),
            }
        }
        if is_over {
            self.break_off();
        }
    }

    fn see(&mut self, line: &str, disk: &Disk) {
        if self.missing > 0 {
            self.rows.push(line.strip_prefix("*   ").expect("a row").to_owned());
            self.missing -= 1;
            if self.missing == 0 {
                self.end_answer(disk);
            }
        } else if line.starts_with("* Welcome! ") {
            self.is_in = true;
        } else if line == "* Nothing was found." {
            self.has_next = false;
            self.end_answer(disk);
        } else if let Some((heading, has_next)) = heading(line) {
            let count = heading.split(' ').next().expect("a word");
            self.missing = count.parse().unwrap_or(1);
            self.has_next = has_next;
        } else if line.starts_with("! There is no room ") {
            self.asked.take().expect("it has asked").judge_no_room(disk);
        } else if line.starts_with("! That takes too long") || line == "! A bad sector." {
            self.asked.take().expect("it has asked").judge_failed(disk);
        } else {
            // Of its coming.
            let is_of_others = !line.starts_with("! ") || line.starts_with("! What is kept cannot");
            assert!(is_of_others, "a searcher saw {line}");
        }
    }

    fn end_answer(&mut self, disk: &Disk) {
        let rows = std::mem::take(&mut self.rows);
        let mut hits: Vec<ShownHit> = rows.iter().map(|row| hit(row)).collect();
        hits.reverse();
        let search = self.asked.take().expect("it has asked");
        self.next = search.judge(&hits, self.has_next, disk);
    }
}

/// What follows of a line that begins an answer, and whether there is more.
fn heading(line: &str) -> Option<(&str, bool)> {
    if let Some(rest) = line.strip_prefix("* Found ") {
        return Some((rest, false));
    }
    let rest = line.strip_prefix("* The last ")?;
    line.ends_with("/search shows older ones:").then_some((rest, true))
}

/// `2023-11-14 22:13:20 #tea (5) p1: hello`
fn hit(row: &str) -> ShownHit<'_> {
    let mut parts = row.splitn(5, ' ').skip(2);
    let (room, id) = (parts.next().expect("a room"), parts.next().expect("an id"));
    let (name, text) = parts.next().expect("a name").split_once(": ").expect("a text");
    let id = id.trim_matches(['(', ')']).parse().expect("an id");
    ShownHit { room, id, name, text, time: None }
}
