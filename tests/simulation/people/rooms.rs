//! Rooms, who is in them, and what is said there.

use super::model::{Done, Model, Room, Said};
use super::told::Told;

impl Model {
    /// Enters a room, which is opened if there is none of that name; whether it is new there.
    pub fn enter(&mut self, n: usize, name: &str) -> Result<(u64, bool), &'static [&'static str]> {
        let user = self.clients[&n].user;
        let known = self.room_called(name);
        let is_in = known.is_some_and(|room| self.is_in(user, room));
        if !is_in && self.user(user).rooms.len() >= self.rules.rooms_max {
            return Err(&["too_many_rooms"]);
        }
        let room = known.unwrap_or_else(|| self.open(name));
        if !is_in {
            self.join(n, user, room);
        }
        self.clients.get_mut(&n).expect("it is there").current = Some(room);
        Ok((room, !is_in))
    }

    fn open(&mut self, name: &str) -> u64 {
        let kept = &mut self.kept;
        let (id, first_id) = (kept.next_room, kept.ids_used + 1);
        kept.next_room += 1;
        let room = Room { name: name.to_owned(), first_id, next_id: first_id, is_kept: false };
        kept.rooms.insert(id, room);
        id
    }

    /// There is something in a room that stays.
    pub fn keep(&mut self, room: u64) {
        self.kept.rooms.get_mut(&room).expect("it is there").is_kept = true;
        self.kept.next_kept_room = self.kept.next_kept_room.max(room + 1);
    }

    pub fn join(&mut self, n: usize, user: u64, room: u64) {
        let (name, who) = (self.kept.rooms[&room].name.clone(), self.user(user).name.clone());
        self.announce(n, room, true, &Told::Joined { room: name, name: who });
        self.user_mut(user).rooms.push(room);
        if self.is_account(user) {
            self.keep(room);
        }
        for other in self.clients_of(user).into_iter().filter(|other| *other != n) {
            self.clients.get_mut(&other).expect("it is there").current.get_or_insert(room);
        }
    }

    pub fn leave(&mut self, n: usize, user: u64, room: u64) {
        let (name, who) = (self.kept.rooms[&room].name.clone(), self.user(user).name.clone());
        self.announce(n, room, false, &Told::Left { room: name, name: who });
        let rooms = &mut self.user_mut(user).rooms;
        let at = rooms.iter().position(|one| *one == room).expect("it is in");
        rooms.swap_remove(at);
        let last = rooms.last().copied();
        for client in self.clients.values_mut().filter(|client| client.user == user) {
            if client.current == Some(room) {
                client.current = last;
            }
        }
        self.close_if_void(room);
    }

    /// A room with nobody and nothing in it is no more.
    fn close_if_void(&mut self, room: u64) {
        let Room { first_id, next_id, .. } = self.kept.rooms[&room];
        if self.members(room) == 0 && first_id == next_id {
            self.kept.rooms.remove(&room);
        }
    }

    pub fn leave_all(&mut self, n: usize, user: u64) {
        for room in self.user(user).rooms.clone() {
            self.leave(n, user, room);
        }
    }

    pub fn room_of(&self, n: usize, room: Option<&str>) -> Result<u64, &'static [&'static str]> {
        let client = &self.clients[&n];
        let Some(name) = room else { return client.current.ok_or(&["no_room"]) };
        match self.room_called(name) {
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
        let name = self.user(self.clients[&n].user).name.clone();
        self.say_in(room, &name, text);
        Ok(())
    }

    /// A room has one message more, and all who are in it are told.
    pub fn say_in(&mut self, id: u64, name: &str, text: &str) {
        self.keep(id);
        let room = self.kept.rooms.get_mut(&id).expect("it is there");
        let said =
            Said { room: id, id: room.next_id, name: name.to_owned(), text: text.to_owned() };
        room.next_id += 1;
        let room = room.name.clone();
        self.kept.said += 1;
        self.said.push(said.clone());
        for hearer in self.hearers(id) {
            let Said { id, name, text, .. } = said.clone();
            self.tell(hearer, Told::Said { room: room.clone(), id, name, text });
        }
    }

    /// What would let others in is not said.
    pub fn check_secrets(&self, text: &str) -> Done {
        let keys = self.kept.accounts.values().flat_map(|account| &account.keys);
        match keys.filter(|key| key.is_token).any(|key| text.contains(&key.secret)) {
            true => Err(&["not_said"]),
            false => Ok(()),
        }
    }
}
