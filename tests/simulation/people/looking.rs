//! What people look up: history, who is in a room, which rooms there are, and where a word was said.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::model::{Done, Model, Said};
use super::told::{Listed, Sight, Told};

/// Messages on a page of a search, for people and for programs.
pub const PEOPLE_HITS: usize = 10;
pub const PROGRAM_HITS: usize = 50;

/// What could be read when a search began.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    said: usize,
    rooms: BTreeSet<u64>,
}

impl Model {
    /// The first message of a room that somebody may read, if it may read any.
    pub fn reads_from(&self, _user: u64, room: u64) -> Option<u64> {
        Some(self.kept.rooms[&room].first_id)
    }

    /// What somebody may read in a room.
    fn readable(&self, user: u64, room: u64) -> impl DoubleEndedIterator<Item = &Said> {
        let from = self.reads_from(user, room).unwrap_or(u64::MAX);
        self.said.iter().filter(move |said| said.room == room && said.id >= from)
    }

    pub fn history(&mut self, n: usize, room: Option<&str>, limit: usize) -> Done {
        let room = self.room_of(n, room)?;
        let user = self.clients[&n].user;
        let all: Vec<Said> = self.readable(user, room).cloned().collect();
        let messages = all[all.len().saturating_sub(limit)..].to_vec();
        let more = messages.len() < all.len();
        let room = self.kept.rooms[&room].name.clone();
        if self.clients[&n].is_json {
            self.tell(n, Told::History { room, messages, more });
            return Ok(());
        }
        self.tell(
            n,
            Told::Line(match messages.len() {
                0 => format!("* Nothing was said in {room} yet."),
                1 => format!("* The last message of {room} (UTC):"),
                count => format!("* The last {count} messages of {room} (UTC):"),
            }),
        );
        for Said { id, name, text, .. } in messages {
            self.tell(n, Told::Dated(format!(" ({id}) {name}: {text}")));
        }
        Ok(())
    }

    pub fn who(&mut self, n: usize, room: Option<&str>) -> Done {
        let id = match room {
            None => self.room_of(n, None)?,
            Some(name) => self.room_called(name).ok_or(&["no_such_room"][..])?,
        };
        let listed = |is: &dyn Fn(u64) -> bool| {
            let of_room = self.all().filter(|(_, user)| user.rooms.contains(&id));
            of_room.filter(|(user, _)| is(*user)).map(|(_, user)| user.name.clone()).collect()
        };
        let is_offline = |user| self.is_account(user) && self.clients_of(user).is_empty();
        let members = Listed {
            members: listed(&|_| true),
            accounts: listed(&|user| self.is_account(user)),
            offline: listed(&is_offline),
        };
        let room = self.kept.rooms[&id].name.clone();
        self.tell(n, Told::Members { room, members });
        Ok(())
    }

    pub fn list_rooms(&mut self, n: usize) {
        let rooms = self.kept.rooms.iter();
        let mut rooms: Vec<(Reverse<usize>, u64, String)> =
            rooms.map(|(id, room)| (Reverse(self.members(*id)), *id, room.name.clone())).collect();
        rooms.sort();
        let rooms: Vec<(String, usize)> =
            rooms.into_iter().map(|(Reverse(members), _, name)| (name, members)).collect();
        if self.clients[&n].is_json {
            self.tell(n, Told::Rooms(rooms));
            return;
        }
        self.tell(
            n,
            Told::Line(match rooms.len() {
                0 => "* There are no rooms. Create one with /join #ROOM.".to_owned(),
                1 => "* 1 room, busiest first:".to_owned(),
                total => format!("* {total} rooms, busiest first:"),
            }),
        );
        for (room, members) in rooms {
            let people = if members == 1 { "person" } else { "people" };
            self.tell(n, Told::Line(format!("*   {room} ({members} {people})")));
        }
    }

    /// A search begins, if none of this client has begun.
    pub fn begins_search(&mut self, n: usize) {
        let user = self.clients[&n].user;
        let rooms = self.kept.rooms.keys().copied();
        let rooms = rooms.filter(|room| self.reads_from(user, *room).is_some()).collect();
        let asked = Asked { said: self.kept.said, rooms };
        self.clients.get_mut(&n).expect("it is there").asked.get_or_insert(asked);
    }

    /// What is found is among what may be read now; what could be read when the search began, and
    /// may be read now, is found.
    pub fn search(&mut self, n: usize, word: &str, asked: &Asked) {
        let user = self.clients[&n].user;
        let all = self.said.iter().enumerate().filter(|(_, said)| said.text.starts_with(word));
        let all = all.filter(|(_, said)| {
            let from = self.kept.rooms.contains_key(&said.room);
            let from = from.then(|| self.reads_from(user, said.room)).flatten();
            from.is_some_and(|from| said.id >= from)
        });
        let hits = all.rev().map(|(at, said)| Sight {
            room: self.kept.rooms[&said.room].name.clone(),
            said: said.clone(),
            is_certain: at < asked.said && asked.rooms.contains(&said.room),
        });
        let hits = hits.collect();
        let limit = if self.clients[&n].is_json { PROGRAM_HITS } else { PEOPLE_HITS };
        self.tell(n, Told::Found { hits, limit });
    }
}
