//! Rooms, who is in them, and what is said there.

use super::mentions::Mentioned;
use super::model::{Done, Model, Room, Said};
use super::order::STAFF_LOG;
use super::rights::{NEWCOMERS_SEE, OF_ACCOUNT, ROOM_OWNER, Settings};
use super::told::Told;

impl Model {
    /// Enters a room, which is opened if there is none of that name; whether it is new there.
    pub fn enter(&mut self, n: usize, name: &str) -> Result<(u64, bool), &'static [&'static str]> {
        let user = self.clients[&n].user;
        let known = self.known_room(user, name);
        let is_in = known.is_some_and(|room| self.is_in(user, room));
        if !is_in && name == STAFF_LOG {
            return Err(&["room_refused"]);
        }
        if !is_in && self.user(user).rooms.len() >= self.rules.rooms_max {
            return Err(&["too_many_rooms"]);
        }
        let room = match known {
            Some(room) if is_in => room,
            Some(room) => {
                self.check_entry(user, room)?;
                room
            }
            None => self.open(user, name)?,
        };
        if !is_in {
            self.join(n, user, room);
        }
        self.clients.get_mut(&n).expect("it is there").current = Some(room);
        Ok((room, !is_in))
    }

    fn open(&mut self, user: u64, name: &str) -> Result<u64, &'static [&'static str]> {
        // There is one that may not be known of.
        if self.room_named(name).is_some() {
            return Err(&["room_refused"]);
        }
        let kept = &mut self.kept;
        let (id, first_id) = (kept.next_room, kept.ids_used + 1);
        kept.next_room += 1;
        let (name, next_id) = (name.to_owned(), first_id);
        let room = Room { name, first_id, next_id, is_kept: false, rules: None, between: None };
        let is_lobby = room.name == "#lobby";
        kept.rooms.insert(id, room);
        if self.is_account(user) && !is_lobby {
            self.keep_for(user, id, OF_ACCOUNT);
        }
        Ok(id)
    }

    /// A room is one that is kept from now on, and this is its owner.
    pub fn keep_for(&mut self, user: u64, room: u64, settings: Settings) {
        self.set(room, settings);
        self.note(user, room, |record| (record.role, record.may_return) = (ROOM_OWNER, true));
    }

    /// There is something in a room that stays.
    pub fn keep(&mut self, room: u64) {
        self.kept.rooms.get_mut(&room).expect("it is there").is_kept = true;
        self.kept.next_kept_room = self.kept.next_kept_room.max(room + 1);
    }

    pub fn join(&mut self, n: usize, user: u64, room: u64) {
        let (name, who) = (self.kept.rooms[&room].name.clone(), self.user(user).name.clone());
        self.announce(n, room, true, &Told::Joined { room: name, name: who });
        let (next_id, settings) = (self.kept.rooms[&room].next_id, self.settings(room));
        self.note(user, room, |record| {
            if settings[NEWCOMERS_SEE] == 1 {
                record.sees_from = next_id;
            }
            (record.has_asked, record.removed_until) = (false, None);
        });
        self.user_mut(user).rooms.push(room);
        self.follow_again(user, room);
        if self.is_account(user) {
            self.keep(room);
            self.begin_reading(user, room);
        }
    }

    pub fn leave(&mut self, n: usize, user: u64, room: u64) {
        let (name, who) = (self.kept.rooms[&room].name.clone(), self.user(user).name.clone());
        self.announce(n, room, false, &Told::Left { room: name, name: who });
        self.take_out(user, room);
        self.close_if_void(room);
    }

    /// Somebody is out of a room. Who talked there talks nowhere.
    pub fn take_out(&mut self, user: u64, room: u64) {
        let rooms = &mut self.user_mut(user).rooms;
        let at = rooms.iter().position(|one| *one == room).expect("it is in");
        rooms.swap_remove(at);
        self.end_reading(user, room);
        for client in self.clients.values_mut().filter(|client| client.user == user) {
            client.current = client.current.filter(|current| *current != room);
            client.followed.iter_mut().for_each(|followed| followed.leaves(room));
        }
    }

    /// A room with nobody and nothing in it is no more.
    pub fn close_if_void(&mut self, room: u64) {
        let Room { first_id, next_id, rules, .. } = &self.kept.rooms[&room];
        if self.members(room) == 0 && first_id == next_id && rules.is_none() {
            self.kept.rooms.remove(&room);
        }
    }

    /// What rooms know of somebody goes with it.
    pub fn forget(&mut self, user: u64) {
        for room in self.kept.rooms.values_mut() {
            room.rules.as_mut().and_then(|rules| rules.records.remove(&user));
        }
        self.forget_order(user);
        self.kept.readings.retain(|(of, _), _| *of != user);
    }

    pub fn leave_all(&mut self, n: usize, user: u64) {
        for room in self.user(user).rooms.clone() {
            self.leave(n, user, room);
        }
    }

    pub fn room_of(&self, n: usize, room: Option<&str>) -> Result<u64, &'static [&'static str]> {
        let client = &self.clients[&n];
        let Some(name) = room else { return client.current.ok_or(&["no_room"]) };
        match self.known_room(client.user, name) {
            Some(room) if self.is_in(client.user, room) => Ok(room),
            Some(_) => Err(&["not_in_room"]),
            None => Err(&["no_such_room"]),
        }
    }

    pub fn tell_all_of(&mut self, n: usize, told: &Told) {
        for other in self.others(n) {
            self.tell(other, told.clone());
        }
        self.tell(n, told.clone());
    }

    pub fn say(&mut self, n: usize, room: Option<&str>, text: &str) -> Done {
        self.check_secrets(text)?;
        let room = self.room_of(n, room)?;
        let user = self.clients[&n].user;
        self.check_may_say(user, room)?;
        let name = self.user(user).name.clone();
        let by = self.is_account(user).then_some(user);
        self.say_in(room, &name, by, Some(user), text);
        // Where there is no account, nobody reads.
        let has_readers = !self.kept.accounts.is_empty();
        let mentioned = match has_readers {
            true => self.mentioned(user, room, text),
            false => Mentioned::default(),
        };
        self.said.last_mut().expect("it was said").mentioned = mentioned;
        for named in self.named(user, room, text).unwrap_or_default() {
            self.tell_away(n, named);
        }
        Ok(())
    }

    /// A room has one message more, and all who are in it are told.
    /// `author`: account or guest, if it is not the server.
    pub fn say_in(
        &mut self,
        room: u64,
        name: &str,
        by: Option<u64>,
        author: Option<u64>,
        text: &str,
    ) {
        let guest = author.filter(|_| by.is_none());
        let said = self.add(room, name, (by, guest), text);
        let place = self.kept.rooms[&room].name.clone();
        for hearer in self.hearers(room) {
            if !self.clients[&hearer].hears(room) {
                continue;
            }
            let (of, room) = (room, place.clone());
            let Said { id, name, text, .. } = said.clone();
            let is_ignored =
                author.is_some_and(|author| self.ignores(self.clients[&hearer].user, author));
            // What a terminal has shown as it was typed.
            let is_own = author == self.serves.map(|n| self.clients[&n].user);
            if is_own && self.serves == Some(hearer) && self.clients[&hearer].is_terminal {
                continue;
            }
            match (is_ignored, self.clients[&hearer].is_json) {
                (false, _) => self.tell(hearer, Told::Said { room, of, id, name, text }),
                // A program counts what it has not seen.
                (true, true) => self.tell(hearer, Told::Stub { room, id }),
                (true, false) => {}
            }
        }
    }

    /// A room has one message more.
    pub fn add(
        &mut self,
        id: u64,
        name: &str,
        (by, guest): (Option<u64>, Option<u64>),
        text: &str,
    ) -> Said {
        self.keep(id);
        let room = self.kept.rooms.get_mut(&id).expect("it is there");
        let (name, text) = (name.to_owned(), text.to_owned());
        let mentioned = Mentioned::default();
        let said = Said { room: id, id: room.next_id, name, by, guest, text, mentioned };
        room.next_id += 1;
        self.kept.said += 1;
        self.said.push(said.clone());
        if let Some(by) = by {
            self.advance(by, id, said.id);
        }
        said
    }

    /// What would let others in is not said.
    pub fn check_secrets(&self, text: &str) -> Done {
        let keys = self.kept.accounts.values().flat_map(|account| &account.keys);
        let has_key = keys.filter(|key| key.is_token).any(|key| text.contains(&key.secret));
        match has_key || self.kept.hooks.iter().any(|hook| text.contains(&hook.token)) {
            true => Err(&["not_said"]),
            false => Ok(()),
        }
    }
}
