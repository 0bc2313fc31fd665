//! What people look up: history, who is in a room, which rooms there are, and where a word was said.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::model::{Done, Model, Said, User};
use super::rights::{ACCOUNTS, ALL, ENTRY, entry_of, role_name};
use super::told::{Listed, Sight, Told, lines};
use crate::disk::matches;

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
    /// What somebody may read in a room.
    pub fn readable(&self, user: u64, room: u64) -> impl DoubleEndedIterator<Item = &Said> {
        let from = self.reads_from(user, room).unwrap_or(u64::MAX);
        self.said.iter().filter(move |said| said.room == room && said.id >= from)
    }

    pub fn history(&mut self, n: usize, room: Option<&str>, limit: usize) -> Done {
        let room = self.room_of(n, room)?;
        let user = self.clients[&n].user;
        let all: Vec<Said> = self.readable(user, room).cloned().collect();
        let room = self.kept.rooms[&room].name.clone();
        self.tell_history(n, "room", &room, all, limit);
        Ok(())
    }

    /// The last of these messages are told, as those of a room, or as what was said with somebody.
    pub fn tell_history(
        &mut self,
        n: usize,
        field: &'static str,
        place: &str,
        mut all: Vec<Said>,
        limit: usize,
    ) {
        let more = limit < all.len();
        let messages = all.split_off(all.len().saturating_sub(limit));
        let user = self.clients[&n].user;
        if self.clients[&n].is_json {
            let row = |said: &Said| match self.is_ignored(user, said) {
                true => json!({ "id": said.id, "ignored": true }),
                false => self.row(said),
            };
            let (place, messages) = (place.to_owned(), messages.iter().map(row).collect());
            self.tell(n, Told::History { field, place, messages, more });
            return;
        }
        let messages = self.seen(user, &messages);
        let (of, between) = match field {
            "room" => (format!("of {place}"), format!("in {place}")),
            _ => (format!("between you and {place}"), format!("between you and {place}")),
        };
        self.tell(
            n,
            Told::Line(match messages.len() {
                0 => format!("* Nothing was said {between} yet."),
                1 => format!("* The last message {of} (UTC):"),
                count => format!("* The last {count} messages {of} (UTC):"),
            }),
        );
        for said in messages {
            self.tell(n, Model::line_of(&said));
        }
    }

    /// As a person is shown a message among others.
    pub fn line_of(said: &Said) -> Told {
        let Said { id, name, text, .. } = said;
        Told::Dated("*   ".to_owned(), format!(" ({id}) {name}: {}", lines(text)))
    }

    /// Messages as a person is shown them.
    pub fn seen(&self, user: u64, messages: &[Said]) -> Vec<Said> {
        let seen = messages.iter().filter(|said| !self.is_ignored(user, said));
        seen.map(|said| Said { name: self.shown(said), text: self.text(said), ..said.clone() })
            .collect()
    }

    pub fn who(&mut self, n: usize, room: Option<&str>) -> Done {
        let id = match room {
            None => self.room_of(n, None)?,
            Some(name) => self.room_to_look_into(n, name)?,
        };
        let listed = |is: &dyn Fn(u64) -> bool| {
            let of_room = self.all().filter(|(_, user)| user.rooms.contains(&id));
            of_room.filter(|(user, _)| is(*user)).map(|(_, user)| user.name.clone()).collect()
        };
        let is_offline = |user| self.is_account(user) && self.clients_of(user).is_empty();
        let members = Listed {
            members: listed(&|_| true),
            accounts: listed(&|user| self.is_account(user)),
            bots: listed(&|user| self.owner_of_bot(user).is_some()),
            offline: listed(&is_offline),
            away: listed(&|user| self.aways.contains_key(&user)),
            roles: self.roles(id),
        };
        let room = self.kept.rooms[&id].name.clone();
        self.tell(n, Told::Members { room, members });
        Ok(())
    }

    /// The room of this name, if somebody may see who is in it.
    fn room_to_look_into(&self, n: usize, name: &str) -> Result<u64, &'static [&'static str]> {
        let user = self.clients[&n].user;
        let room = self.known_room(user, name).ok_or(&["no_such_room"][..])?;
        let may = match self.settings(room)[ENTRY] {
            ALL => true,
            ACCOUNTS => self.is_account(user),
            _ => false,
        };
        match may || self.is_in(user, room) {
            true => Ok(room),
            false => Err(&["not_in_room"]),
        }
    }

    /// Those who may do more in a room than others, of those who are in it.
    fn roles(&self, room: u64) -> BTreeMap<String, &'static str> {
        let all = self.all().filter(|(_, user)| user.rooms.contains(&room));
        let of = |(id, user): (u64, &User)| {
            let role = role_name(self.record(id, room).role)?;
            Some((user.name.clone(), role))
        };
        all.filter_map(of).collect()
    }

    pub fn list_rooms(&mut self, n: usize) {
        let user = self.clients[&n].user;
        let rooms = self.kept.rooms.iter().filter(|(id, _)| self.is_listed(user, **id));
        let mut rooms: Vec<(Reverse<usize>, u64, String)> =
            rooms.map(|(id, room)| (Reverse(self.members(*id)), *id, room.name.clone())).collect();
        rooms.sort();
        let current = self.clients[&n].current;
        let mine = self.user(user).rooms.clone();
        let here = |id| match mine.contains(&id) {
            _ if current == Some(id) => ", you talk here",
            true => ", you too",
            false => "",
        };
        let heres: Vec<&str> = rooms.iter().map(|(_, id, _)| here(*id)).collect();
        let row = |(Reverse(members), id, room): (Reverse<usize>, u64, String)| {
            (room, members, entry_of(self.settings(id)[ENTRY]))
        };
        let rooms: Vec<(String, usize, Option<&'static str>)> =
            rooms.into_iter().map(row).collect();
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
        for ((room, members, _), here) in rooms.into_iter().zip(heres) {
            let people = if members == 1 { "person" } else { "people" };
            self.tell(n, Told::Line(format!("*   {room} ({members} {people}{here})")));
        }
    }

    /// A search begins, if none of this client has begun.
    pub fn begins_search(&mut self, n: usize) {
        let Some(user) = self.clients.get(&n).map(|client| client.user) else { return };
        let rooms = self.kept.rooms.keys().copied();
        let rooms = rooms.filter(|room| self.reads_from(user, *room).is_some()).collect();
        let asked = Asked { said: self.kept.said, rooms };
        self.clients.get_mut(&n).expect("it is there").asked.get_or_insert(asked);
    }

    /// What is found is among what may be read now; what could be read when the search began, and
    /// may be read now, is found.
    pub fn search(&mut self, n: usize, word: &str, asked: &Asked) {
        let user = self.clients[&n].user;
        let all = self.said.iter().enumerate().filter(|(_, said)| matches(word, &said.text));
        let all = all.filter(|(_, said)| {
            let from = self.kept.rooms.contains_key(&said.room);
            let from = from.then(|| self.reads_from(user, said.room)).flatten();
            from.is_some_and(|from| said.id >= from)
        });
        let all = all.filter(|(_, said)| !self.is_ignored(user, said) && !self.is_deleted(said));
        let hits = all.rev().map(|(at, said)| Sight {
            is_conversation: self.kept.rooms[&said.room].between.is_some(),
            place: match self.kept.rooms[&said.room].between {
                Some(_) => self.partner(user, said.room),
                None => self.kept.rooms[&said.room].name.clone(),
            },
            said: Said { name: self.shown(said), ..said.clone() },
            is_certain: at < asked.said && asked.rooms.contains(&said.room),
        });
        let hits = hits.collect();
        let limit = if self.clients[&n].is_json { PROGRAM_HITS } else { PEOPLE_HITS };
        self.tell(n, Told::Found { hits, limit });
    }
}
