//! Rooms, who is in them, and what is said there.

use super::model::{Done, Model};
use super::told::Told;

impl Model {
    /// Whether it is new there.
    pub fn enter(&mut self, n: usize, room: &str) -> Result<bool, &'static [&'static str]> {
        let user = self.clients[&n].user;
        let rooms = &self.user(user).rooms;
        let is_new = !rooms.iter().any(|one| one == room);
        if is_new {
            if rooms.len() >= self.rules.rooms_max {
                return Err(&["too_many_rooms"]);
            }
            self.join(n, user, room);
        }
        self.clients.get_mut(&n).expect("it is there").current = Some(room.to_owned());
        Ok(is_new)
    }

    pub fn join(&mut self, n: usize, user: u64, room: &str) {
        let joined = Told::Joined { room: room.to_owned(), name: self.user(user).name.clone() };
        self.announce(n, room, true, &joined);
        self.user_mut(user).rooms.push(room.to_owned());
        for other in self.clients_of(user).into_iter().filter(|other| *other != n) {
            let client = self.clients.get_mut(&other).expect("it is there");
            client.current.get_or_insert_with(|| room.to_owned());
        }
    }

    pub fn leave(&mut self, n: usize, user: u64, room: &str) {
        let left = Told::Left { room: room.to_owned(), name: self.user(user).name.clone() };
        self.announce(n, room, false, &left);
        let rooms = &mut self.user_mut(user).rooms;
        let at = rooms.iter().position(|one| one == room).expect("it is in");
        rooms.swap_remove(at);
        let last = rooms.last().cloned();
        for client in self.clients.values_mut().filter(|client| client.user == user) {
            if client.current.as_deref() == Some(room) {
                client.current.clone_from(&last);
            }
        }
    }

    pub fn leave_all(&mut self, n: usize, user: u64) {
        for room in self.user(user).rooms.clone() {
            self.leave(n, user, &room);
        }
    }

    pub fn room_of(&self, n: usize, room: Option<&str>) -> Result<String, &'static [&'static str]> {
        let client = &self.clients[&n];
        match room {
            None => client.current.clone().ok_or(&["no_room"]),
            Some(room) if self.user(client.user).rooms.iter().any(|one| one == room) => {
                Ok(room.to_owned())
            }
            Some(_) => Err(&["not_in_room", "no_such_room"]),
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
        self.said.push((room.clone(), name.clone(), text.to_owned()));
        self.kept.said += 1;
        let (id, text) = (self.position(&room), text.to_owned());
        for hearer in self.hearers(&room) {
            let (room, name, text) = (room.clone(), name.clone(), text.clone());
            self.tell(hearer, Told::Said { room, id, name, text });
        }
        Ok(())
    }

    /// What would let others in is not said.
    pub fn check_secrets(&self, text: &str) -> Done {
        let keys = self.kept.accounts.values().flat_map(|account| &account.keys);
        match keys.filter(|key| key.is_token).any(|key| text.contains(&key.secret)) {
            true => Err(&["not_said"]),
            false => Ok(()),
        }
    }

    pub fn direct(&mut self, n: usize, to: &str, text: &str) -> Done {
        self.check_secrets(text)?;
        let user = self.find(to).ok_or(&["no_such_name"][..])?;
        let receivers = self.clients_of(user);
        if receivers.is_empty() {
            return Err(&["not_connected"]);
        }
        let own = self.clients[&n].user;
        let (from, to) = (self.user(own).name.clone(), self.user(user).name.clone());
        let text = text.to_owned();
        let told =
            |sent| Told::Direct { from: from.clone(), to: to.clone(), text: text.clone(), sent };
        for receiver in receivers.into_iter().filter(|_| user != own) {
            self.tell(receiver, told(false));
        }
        self.tell_all_of(n, &told(true));
        Ok(())
    }
}
