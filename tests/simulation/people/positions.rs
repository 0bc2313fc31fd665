//! How far accounts have read, and what that leaves unread.

use serde_json::{Value, json};

use super::model::{Done, Model, Said};
use super::request::{LEVELS, Request};
use super::told::{Told, lines};

/// In rooms of so many members at most, people want to be told of everything.
const ALL_MEMBERS_MAX: usize = 5;
/// A message is known to be for somebody as long as not so many later ones are.
const MENTIONS_MAX: usize = 1000;

/// What an account has read of a room.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    pub read: u64,
    pub level: Option<&'static str>,
}

/// The same, as it is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Unread {
    pub read: u64,
    pub last: u64,
    pub mentions: usize,
    pub level: &'static str,
}

/// A place of somebody who has what is unread shown at a terminal: how far it has read there by typing
/// that, at least and at most, and how far after all of it.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub room: u64,
    pub least: u64,
    pub most: u64,
    pub now: u64,
}

/// How a line stands to what a terminal was to be written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Typed {
    /// All that was queued has been written.
    InOrder,
    /// Not all of it.
    Ahead,
    /// Its connection is broken, and nothing is written any more.
    Last,
}

impl Unread {
    pub fn unread(&self) -> u64 {
        self.last - self.read
    }

    pub fn is_hidden(&self) -> bool {
        self.level == "hidden" && self.mentions == 0
    }
}

impl Model {
    // ---- What happens ----

    /// An account reads in a room from now on, and has read what was said there before.
    pub fn begin_reading(&mut self, user: u64, room: u64) {
        let read = self.kept.rooms[&room].next_id - 1;
        self.kept.readings.entry((user, room)).or_insert(Reading { read, level: None });
    }

    pub fn end_reading(&mut self, user: u64, room: u64) {
        self.kept.readings.remove(&(user, room));
    }

    pub fn advance(&mut self, user: u64, room: u64, id: u64) {
        if let Some(reading) = self.kept.readings.get_mut(&(user, room)) {
            reading.read = reading.read.max(id);
        }
    }

    /// A device hears the rooms of its account from now on; at a terminal, what is unread has not been
    /// written.
    pub fn note_missed(&mut self, n: usize) {
        let user = self.clients[&n].user;
        let unread: Vec<(u64, u64)> = self
            .places_of(user)
            .into_iter()
            .filter_map(|room| Some((room, self.unread(user, room)?)))
            .filter(|(_, unread)| unread.unread() > 0)
            .map(|(room, unread)| (room, unread.last))
            .collect();
        let client = self.clients.get_mut(&n).expect("it is there");
        client.heard.clear();
        client.missed.clear();
        if !client.is_json {
            client.missed.extend(unread);
        }
    }

    /// A line is typed at a terminal, and done or not yet. `found`: how far its account has read in a room by now; `is_written`: whether it was
    /// written such a line.
    pub fn typed(
        &mut self,
        n: usize,
        (text, is_done): (&str, bool),
        typed: Typed,
        found: impl Fn(u64) -> Option<u64>,
        is_written: impl Fn(&str) -> bool,
    ) {
        let Some(client) = self.clients.get(&n) else { return };
        let user = client.user;
        if client.is_json || !self.is_account(user) {
            return;
        }
        let prints = is_done && matches!(self.read(n, text), Request::Print { .. });
        let mut places = Vec::new();
        for room in self.places_of(user) {
            let Some(before) = self.unread(user, room) else { continue };
            let Some(now) = found(room) else { continue };
            let client = &self.clients[&n];
            let lacks = client.missed.get(&room).is_some_and(|missed| *missed > before.read);
            // What it says itself moves that as well.
            if now > before.last {
                continue;
            }
            let heard = client.heard.get(&room).copied().unwrap_or(0);
            let unwritten = client.expected.iter().find_map(|(_, told)| match told {
                Told::Said { of, id, name, text, .. } if *of == room => {
                    let shown = format!("] {name}: {}", lines(text));
                    let on_lines = shown.replace('\n', "\r\n");
                    (!is_written(&shown) && !is_written(&on_lines)).then_some(*id)
                }
                _ => None,
            });
            let written = unwritten.map_or(before.last, |id| id - 1);
            let (least, most) = match typed {
                // While more is on its way to all, the server may take a part of what it has written
                // for unwritten.
                Typed::InOrder if !lacks && heard == before.last => (heard, written),
                Typed::InOrder if !lacks => (before.read, written),
                Typed::Last if !lacks => (before.read, before.last),
                _ => (before.read, before.read),
            };
            let most = most.max(least);
            if prints {
                places.push(Place { room, least, most, now });
                continue;
            }
            assert!(
                (least..=most).contains(&now),
                "client {n} has read room {room} up to {now} and not {least} to {most}: {before:?}"
            );
            self.advance(user, room, now);
        }
        self.clients.get_mut(&n).expect("it is there").printing = places;
    }

    // ---- Looking ----

    /// Where an account reads.
    pub fn places_of(&self, user: u64) -> Vec<u64> {
        let of_user = self.kept.readings.range((user, 0)..=(user, u64::MAX));
        of_user.map(|((_, room), _)| *room).collect()
    }

    pub fn unread(&self, user: u64, room: u64) -> Option<Unread> {
        let Reading { read, .. } = *self.kept.readings.get(&(user, room))?;
        self.unread_after(user, room, read)
    }

    /// The same, if it had read all up to this message, and nothing else.
    pub fn unread_after(&self, user: u64, room: u64, read: u64) -> Option<Unread> {
        let Reading { level, .. } = *self.kept.readings.get(&(user, room))?;
        let last = self.kept.rooms[&room].next_id - 1;
        let is_for = |said: &&Said| {
            let mentioned = &said.mentioned;
            let is_named = match self.kept.found_anew.get(&(user, room, said.id)) {
                Some(is_named) => *is_named,
                None => mentioned.users.contains(&user),
            };
            let is_ignored = said.by.is_some_and(|by| self.ignores(user, by));
            said.room == room
                && said.id > read
                && (mentioned.all && said.by != Some(user) && !is_ignored || is_named)
                && !self.is_deleted(said)
        };
        let newest = self.said.iter().rev().take_while(|said| said.room != room || said.id > read);
        let mentions = newest.filter(is_for).count().min(MENTIONS_MAX);
        let is_small = self.members(room) <= ALL_MEMBERS_MAX;
        let usual = if is_small { LEVELS[0] } else { LEVELS[1] };
        Some(Unread { read, last, mentions, level: level.unwrap_or(usual) })
    }

    /// The name of a room, or whom a conversation is with.
    pub fn place(&self, user: u64, room: u64) -> (&'static str, String) {
        match self.kept.rooms[&room].between {
            Some(_) => ("with", self.partner(user, room)),
            None => ("room", self.kept.rooms[&room].name.clone()),
        }
    }

    pub fn place_to_read(&self, n: usize, typed: &str) -> Result<u64, &'static [&'static str]> {
        match typed.strip_prefix('@') {
            Some(name) => self.conversation_with(n, name)?.0.ok_or(&["no_such_name"]),
            None => self.room_of(n, Some(typed)),
        }
    }

    // ---- What is asked for ----

    pub fn read_up_to(&mut self, n: usize, place: &str, id: u64, back: bool) -> Done {
        let (room, user) = (self.place_to_read(n, place)?, self.clients[&n].user);
        let Some(Unread { last, read, .. }) = self.unread(user, room) else { return Ok(()) };
        let sees_from = self.reads_from(user, room).unwrap_or(0);
        let id = id.min(last).max(sees_from.saturating_sub(1));
        if back && id < read {
            self.go_back(user, room, id, read);
        }
        self.advance(user, room, id);
        let unread = self.unread(user, room).expect("it reads there");
        let (field, name) = self.place(user, room);
        let object = json!({
            "type": "read", field: name, "id": unread.read, "unread": unread.unread(),
            "mentions": unread.mentions, "level": unread.level
        });
        self.tell(n, Told::Own { object, line: String::new() });
        Ok(())
    }

    /// Nothing after a message has been read. Who the messages after it are for is found anew, as
    /// far as memory has them.
    fn go_back(&mut self, user: u64, room: u64, id: u64, read: u64) {
        let held_from = self.held_from.get(&room).copied().expect("it is in memory");
        let again = self.said.iter().filter(|said| said.room == room);
        let again = again.filter(|said| said.id > id && said.id <= read);
        let again: Vec<(u64, bool)> = again
            .map(|said| {
                let is_seen = said.id >= held_from && !self.is_ignored(user, said);
                let is_other = said.by != Some(user);
                let named = self.named(user, room, &said.text);
                (said.id, is_seen && is_other && named.is_some_and(|users| users.contains(&user)))
            })
            .collect();
        for (id, is_named) in again {
            self.kept.found_anew.insert((user, room, id), is_named);
        }
        self.kept.readings.get_mut(&(user, room)).expect("it reads there").read = id;
        for device in self.clients_of(user) {
            self.clients.get_mut(&device).expect("it is there").watched.goes_back();
        }
    }

    pub fn set_level(&mut self, n: usize, place: &str, level: &'static str) -> Done {
        let (room, user) = (self.place_to_read(n, place)?, self.clients[&n].user);
        if let Some(reading) = self.kept.readings.get_mut(&(user, room)) {
            reading.level = Some(level);
        }
        self.tell(n, Told::Done("level"));
        Ok(())
    }

    pub fn tell_unread(&mut self, n: usize) {
        let user = self.clients[&n].user;
        let mut rows = Vec::new();
        for room in self.places_of(user) {
            let unread = self.unread(user, room).expect("it reads there");
            let between = self.kept.rooms[&room].between;
            let is_ignored = between.is_some_and(|(one, other)| {
                self.ignores(user, if one == user { other } else { one })
            });
            if is_ignored || unread.is_hidden() {
                continue;
            }
            let (field, name) = self.place(user, room);
            rows.push(json!({
                field: name, "read": unread.read, "last": unread.last, "unread": unread.unread(),
                "mentions": unread.mentions, "level": unread.level
            }));
        }
        let object: Value = json!({ "type": "unread", "rooms": rows });
        self.tell(n, Told::Own { object, line: String::new() });
    }
}
