//! Messages that are deleted: by whom, and what is shown of them from then on.

use serde_json::{Value, json};

use super::hooks::is_hook;
use super::model::{Done, Model, Said};
use super::request::order::Which;
use super::rights::{ARCHIVED, ENTRY, INVITED, MODERATOR};
use super::told::{Told, row};

/// So many of its last words a guest can take back.
const GUEST_WORDS: usize = 16;
/// One's own last message is looked for among so many.
const LAST: u64 = 100;
/// What people read in place of a text.
pub const TOMBSTONE: &str = "message removed";

impl Model {
    pub fn is_deleted(&self, said: &Said) -> bool {
        self.kept.deleted.contains(&(said.room, said.id))
    }

    /// As a program is shown a message.
    pub fn row(&self, said: &Said) -> Value {
        let (id, name) = (said.id, self.shown(said));
        let mut row = match self.is_deleted(said) {
            true => json!({ "id": id, "name": name, "deleted": true }),
            false => json!({ "id": id, "name": name, "text": said.text }),
        };
        if is_hook(&name) {
            row["hook"] = json!(true);
        }
        row
    }

    /// As a person is.
    pub fn text(&self, said: &Said) -> String {
        if self.is_deleted(said) { TOMBSTONE.to_owned() } else { said.text.clone() }
    }

    pub fn delete_message(
        &mut self,
        n: usize,
        room: Option<&str>,
        with: Option<&str>,
        which: Which,
    ) -> Done {
        let user = self.clients[&n].user;
        let room = match with {
            Some(name) => self.conversation_with(n, name)?.0.ok_or(&["no_such_name"][..])?,
            None => self.room_of(n, room)?,
        };
        let next_id = self.kept.rooms[&room].next_id;
        let id = match which {
            Which::Id(id) => Some(id),
            Which::Back(back) => next_id.checked_sub(back),
            Which::OwnLast => {
                let mut recent = self.readable(user, room).rev();
                let is_meant = |said: &&Said| !self.is_deleted(said) && self.is_own(user, said);
                let own = recent.by_ref().take_while(|said| said.id + LAST >= next_id);
                own.filter(is_meant).map(|said| said.id).next()
            }
        };
        let found = self.readable(user, room).find(|said| Some(said.id) == id);
        let said = found.filter(|said| !self.is_deleted(said)).cloned();
        let said = said.ok_or(&["no_such_message"][..])?;
        let is_own = self.is_own(user, &said);
        let keeps_order = self.keeps_order(user, room);
        if !is_own && !keeps_order {
            return Err(&["not_allowed"]);
        }
        if self.settings(room)[ARCHIVED] == 1 && !keeps_order {
            return Err(&["room_archived"]);
        }
        self.kept.deleted.insert((room, said.id));
        self.tell_deleted(n, &said);
        if !is_own {
            let (by, name) = (self.user(user).name.clone(), self.shown(&said));
            let here = self.kept.rooms[&room].name.clone();
            self.log_act_in(
                room,
                &format!("{by} removed message {} of {name} in {here}.", said.id),
            );
        }
        Ok(())
    }

    /// What somebody would have been told who was away, of the messages that are shown to them.
    pub fn tell_deletions(&mut self, n: usize, place: &str, after: u64, before: u64) -> Done {
        let (room, user) = (self.place_to_read(n, place)?, self.clients[&n].user);
        let before = before.clamp(1, self.kept.rooms[&room].next_id);
        let sees_from = self.reads_from(user, room).expect("it may read there");
        let from = (after + 1).min(before).max(sees_from.min(before));
        let deleted = self.kept.deleted.iter().filter(|(of, _)| *of == room).map(|(_, id)| *id);
        let ids: Vec<u64> = deleted.filter(|id| (from..before).contains(id)).collect();
        let (field, name) = self.place(user, room);
        let object = json!({
            "type": "deletions", field: name, "after": from - 1, "before": before, "ids": ids
        });
        self.tell(n, Told::Own { object, line: String::new() });
        Ok(())
    }

    /// Whether somebody keeps order in a room.
    fn keeps_order(&self, user: u64, room: u64) -> bool {
        let is_staff = self.kept.accounts.get(&user).is_some_and(|one| one.role > 0);
        let is_private = self.settings(room)[ENTRY] == INVITED;
        self.kept.rooms[&room].between.is_none()
            && (is_staff && !is_private || self.role_in(user, room) >= MODERATOR)
    }

    /// Whether somebody has said this, and is known to have.
    fn is_own(&self, user: u64, said: &Said) -> bool {
        if self.is_account(user) {
            return said.by == Some(user);
        }
        let own = self.said.iter().rev().filter(|said| said.guest == Some(user));
        own.take(GUEST_WORDS).any(|own| (own.room, own.id) == (said.room, said.id))
    }

    /// All who may have read it are told, and who has deleted it sees what it was.
    fn tell_deleted(&mut self, n: usize, said: &Said) {
        let (room, id, name) = (said.room, said.id, self.shown(said));
        let by = self.user(self.clients[&n].user).name.clone();
        let line = |is_own: bool, place: &str| {
            let whose = match (name == by, is_own) {
                (true, true) => format!("your message {id}"),
                (true, false) => format!("their message {id}"),
                (false, _) => format!("message {id} of {name}"),
            };
            match is_own {
                true => format!("* You removed {whose} {place}: \"{}\"", row(&said.text)),
                false => format!("* {by} removed {whose} {place}."),
            }
        };
        let object = |field: &str, place: &str| {
            let mut object = json!({
                "type": "deleted", "id": id, "by": by, "room": null, "with": null,
                "name": null, "text": null
            });
            object[field] = place.into();
            object
        };
        if let Some((one, other)) = self.kept.rooms[&room].between {
            let users = if one == other { vec![one] } else { vec![one, other] };
            for user in users {
                let with = self.partner(user, room);
                let place = if with == by { "to you".to_owned() } else { format!("to {with}") };
                for device in self.clients_of(user) {
                    let (object, line) = (object("with", &with), line(device == n, &place));
                    self.tell(device, Told::Own { object, line });
                }
            }
            return;
        }
        let here = self.kept.rooms[&room].name.clone();
        for hearer in self.hearers(room) {
            if self.record(self.clients[&hearer].user, room).sees_from <= id {
                let (object, line) =
                    (object("room", &here), line(hearer == n, &format!("in {here}")));
                self.tell(hearer, Told::Published { room: here.clone(), object, line });
            }
        }
    }
}
