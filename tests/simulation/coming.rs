//! Who comes, goes and takes another name.

use std::collections::{BTreeSet, VecDeque};

use serde_json::json;

use crate::ask::Dialect;

use super::presence::Presence;
use super::{Done, Model, Room, Said, look, others, row};

impl Model {
    pub(super) fn enter(
        &mut self,
        number: usize,
        typed: &str,
        time: u64,
    ) -> Result<String, &'static str> {
        let key = typed.to_lowercase();
        if self.clients[&number].rooms.contains(&key) {
            self.client(number).current = Some(key.clone());
            return Ok(key);
        }
        if self.clients[&number].rooms.len() >= self.settings.rooms_per_client_max {
            return Err("too_many_rooms");
        }
        if !self.rooms.contains_key(&key) {
            let is_alike = |other: &str| look(other) == look(&key);
            if key != "#lobby"
                && (is_alike("#lobby") || self.rooms.keys().any(|other| is_alike(other)))
            {
                return Err("room_refused");
            }
            if self.rooms.len() >= self.settings.rooms.rooms_max && key != "#lobby" {
                if self.vacant.is_empty() {
                    return Err("server_full");
                }
                self.close_room(0);
            }
            let room = Room {
                shown: typed.to_owned(),
                topic: String::new(),
                held: VecDeque::new(),
                next_id: self.ids_used + 1,
                members: Vec::new(),
                presence: Presence::default(),
            };
            self.rooms.insert(key.clone(), room);
        }
        let name = self.name(number);
        let shown = self.rooms[&key].shown.clone();
        let joined = json!({ "type": "joined", "room": shown, "name": name, "time": time });
        self.announce(number, &key, 1, &format!("* {name} joined {shown}."), &joined);
        self.changes += 1;
        self.vacant.retain(|vacant| *vacant != key);
        self.rooms.get_mut(&key).expect("just opened").members.push(number);
        let client = self.client(number);
        client.rooms.push(key.clone());
        client.current = Some(key.clone());
        Ok(key)
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of the request")]
    pub(super) fn join(
        &mut self,
        number: usize,
        typed: &str,
        since: Option<u64>,
        same_epoch: bool,
        replay: Option<u32>,
        reference: Option<u64>,
        time: u64,
    ) -> Done {
        let was_in = self.clients[&number].rooms.contains(&typed.to_lowercase());
        let key = self.enter(number, typed, time)?;
        let room = &self.rooms[&key];
        // Past the last id is nowhere; what is no longer held is a gap.
        let known = since.filter(|&since| same_epoch && since < room.next_id);
        let oldest = room.held.front().map_or(room.next_id, |said| said.id);
        let gap = since.is_some() && known.is_none_or(|since| since + 1 < oldest);
        let (members, topic) = (room.members.len(), room.topic.clone());
        let joined = json!({
            "type": "joined", "room": room.shown, "name": self.name(number), "time": time, "you": true,
            "position": room.next_id - 1, "gap": gap, "members": members, "topic": topic,
        });
        let topic = if topic.is_empty() { topic } else { format!(" Topic: {}", row(&topic)) };
        self.line(
            number,
            &key,
            format!(
                "* You are in {} now, with {}.{topic}",
                self.rooms[&key].shown,
                others(members)
            ),
        );
        self.json(number, &key, joined, reference);
        if !was_in || since.is_some() || replay.is_some() {
            self.replay(number, &key, known, replay);
        }
        Ok(())
    }

    pub(super) fn replay(
        &mut self,
        number: usize,
        key: &str,
        since: Option<u64>,
        replay: Option<u32>,
    ) {
        let room = &self.rooms[key];
        let is_asked_for = since.is_some() || replay.is_some();
        let most = if is_asked_for { usize::MAX } else { self.settings.replay_bytes_max };
        let bytes_max = self.settings.answer_bytes_max.min(most);
        let missed: Vec<Said> = match since {
            Some(since) => room.held.iter().filter(|said| said.id > since).cloned().collect(),
            None => {
                let last: Vec<&Said> = room
                    .held
                    .iter()
                    .rev()
                    .take(replay.unwrap_or(self.settings.replay) as usize)
                    .collect();
                let count = self.fitting(number, key, &last, None, bytes_max);
                last[..count].iter().rev().map(|&said| said.clone()).collect()
            }
        };
        let mut rest: Vec<&Said> = missed.iter().collect();
        while !rest.is_empty() {
            rest.truncate(100);
            let count = match self.clients[&number].dialect {
                Dialect::Json => self.fitting(number, key, &rest, None, bytes_max),
                _ => rest.len(),
            };
            let from =
                missed.iter().position(|said| said.id == rest[0].id).expect("it is one of them");
            let page = &missed[from..from + count];
            self.page(number, key, page, page[0].id > self.rooms[key].held[0].id, true, None);
            rest = missed[from + count..].iter().collect();
        }
    }

    pub(super) fn leave(
        &mut self,
        number: usize,
        room: Option<&str>,
        reference: Option<u64>,
        time: u64,
    ) -> Done {
        let key = self.room_of(number, room)?;
        let (name, shown) = (self.name(number), self.rooms[&key].shown.clone());
        self.give_back(number, Some(&key));
        self.depart(number, &key, None, time);
        self.line(number, &key, format!("* You left {shown}."));
        let current =
            self.clients[&number].current.as_ref().map(|current| &self.rooms[current].shown);
        let now = match current {
            Some(current) => format!("* You talk in {current} now."),
            None => "* You are in no room now. Enter one with /join #ROOM.".to_owned(),
        };
        self.line(number, &key, now);
        let left =
            json!({ "type": "left", "room": shown, "name": name, "time": time, "you": true });
        self.json(number, &key, left, reference);
        Ok(())
    }

    fn depart(&mut self, number: usize, key: &str, words: Option<&str>, time: u64) {
        let (name, shown) = (self.name(number), self.rooms[key].shown.clone());
        let mut left = json!({ "type": "left", "room": shown, "name": name, "time": time });
        let line = match words {
            None => format!("* {name} left {shown}."),
            Some(words) => {
                left["reason"] = words.into();
                format!("* {name} left {shown}: {}", row(words))
            }
        };
        self.announce(number, key, 0, &line, &left);
        self.changes += 1;
        let client = self.client(number);
        let at = client.rooms.iter().position(|room| room == key).expect("a member");
        client.rooms.swap_remove(at);
        if client.current.as_deref() == Some(key) {
            client.current = client.rooms.last().cloned();
        }
        let room = self.rooms.get_mut(key).expect("a member's room");
        room.members.retain(|&member| member != number);
        if room.members.is_empty() {
            let void = room.held.is_empty();
            self.vacant.push(key.to_owned());
            if void {
                self.close_room(self.vacant.len() - 1);
            }
        }
    }

    pub(super) fn leave_all(&mut self, number: usize, words: Option<&str>, time: u64) {
        for key in self.clients[&number].rooms.clone() {
            self.depart(number, &key, words, time);
        }
    }

    /// Forgets one of the deserted rooms; the first of them was left first.
    pub(super) fn close_room(&mut self, vacant: usize) {
        let room = self.rooms.remove(&self.vacant.remove(vacant)).expect("a vacant room is one");
        self.ids_used = self.ids_used.max(room.next_id - 1);
    }

    pub(super) fn nick(
        &mut self,
        number: usize,
        name: &str,
        valid: bool,
        reference: Option<u64>,
        time: u64,
    ) -> Done {
        if !valid {
            return Err("name_refused");
        }
        let alike = self
            .clients
            .iter()
            .filter(|(other, _)| **other != number)
            .filter_map(|(_, it)| it.name.as_ref());
        if alike.into_iter().any(|other| look(other) == look(name)) {
            return Err("name_taken");
        }
        let old = self.name(number);
        let mut renamed = json!({ "type": "renamed", "from": old, "to": name, "time": time });
        if old != name {
            let mut told = BTreeSet::new();
            for key in self.clients[&number].rooms.clone() {
                renamed["room"] = self.rooms[&key].shown.clone().into();
                told.extend(self.announce(number, &key, 0, "", &renamed));
            }
            // People are told once, and not in which room: it may come in the order of any.
            for member in told {
                if self.clients[&member].dialect != Dialect::Json {
                    self.client(member).expected.float(format!("* {old} is {name} now."));
                }
            }
            self.client(number).name = Some(name.to_owned());
            self.changes += 1;
        }
        let renamed =
            json!({ "type": "renamed", "from": old, "to": name, "time": time, "you": true });
        self.line(number, "", format!("* You are {name} now."));
        self.json(number, "", renamed, reference);
        Ok(())
    }
}
