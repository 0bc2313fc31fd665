//! What one person says to another: between accounts it is kept, in a room that only they know.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::deletions::TOMBSTONE;
use super::model::{Done, Model, Room, Said};
use super::told::{self, Told, lines};

/// What an account that has ended is called.
const LEFT: &str = "someone who left";

impl Model {
    pub fn direct(&mut self, n: usize, to: &str, text: &str) -> Done {
        self.check_secrets(text)?;
        let user = self.find(to).ok_or(&["no_such_name"][..])?;
        let own = self.clients[&n].user;
        if self.is_account(own) && self.is_account(user) {
            let id = self.keep_between(own, user, text);
            self.tell_both(n, user, Some(id), text);
            self.tell_away(n, user);
            return Ok(());
        }
        if self.clients_of(user).is_empty() {
            return Err(&["not_connected"]);
        }
        self.tell_both(n, user, None, text);
        self.tell_away(n, user);
        Ok(())
    }

    /// All devices of both are told.
    fn tell_both(&mut self, n: usize, user: u64, id: Option<u64>, text: &str) {
        let own = self.clients[&n].user;
        let (from, to) = (self.user(own).name.clone(), self.user(user).name.clone());
        let is_guest = id.is_none().then_some(true);
        let object = json!({
            "type": "direct", "from": from, "to": to, "text": text, "id": id, "guest": is_guest
        });
        // To accounts it is said that the other one has none.
        let mark =
            |reader| if is_guest.is_some() && self.is_account(reader) { "guest " } else { "" };
        let received = format!("[{}{from} -> you] {}", mark(user), lines(text));
        let sent = format!("[you -> {}{to}] {}", mark(own), lines(text));
        let is_shown = user != own && !self.ignores(user, own);
        for receiver in self.clients_of(user).into_iter().filter(|_| is_shown) {
            self.tell(receiver, Told::Own { object: object.clone(), line: received.clone() });
        }
        self.tell_all_of(n, &Told::Own { object, line: sent });
    }

    fn keep_between(&mut self, own: u64, other: u64, text: &str) -> u64 {
        let between = Some((own.min(other), own.max(other)));
        let found = self.kept.rooms.iter().find(|(_, room)| room.between == between);
        let room = found.map(|(id, _)| *id).unwrap_or_else(|| {
            let (id, first_id) = (self.kept.next_room, self.kept.ids_used + 1);
            self.kept.next_room += 1;
            let (name, next_id) = ("@".to_owned(), first_id);
            let room = Room { name, first_id, next_id, is_kept: false, rules: None, between };
            self.kept.rooms.insert(id, room);
            self.begin_reading(own, id);
            self.begin_reading(other, id);
            id
        });
        let name = self.user(own).name.clone();
        self.add(room, &name, (Some(own), None), text).id
    }

    // ---- Reading ----

    /// With whom somebody talks in a conversation, as that is called today.
    pub fn partner(&self, user: u64, room: u64) -> String {
        let other = self.other_of(user, room);
        if let Some(other) = self.kept.users.get(&other) {
            return other.name.clone();
        }
        let at = self.gone(user).iter().position(|one| *one == room).expect("it is gone");
        left(at)
    }

    fn other_of(&self, user: u64, room: u64) -> u64 {
        let (one, other) = self.kept.rooms[&room].between.expect("it is a conversation");
        if one == user { other } else { one }
    }

    fn conversations_of(&self, user: u64) -> Vec<u64> {
        let has = |room: &Room| room.between.is_some_and(|(a, b)| a == user || b == user);
        self.kept.rooms.iter().filter(|(_, room)| has(room)).map(|(id, _)| *id).collect()
    }

    /// The conversations of somebody with accounts that have ended.
    fn gone(&self, user: u64) -> Vec<u64> {
        let is_gone = |room: &u64| !self.kept.users.contains_key(&self.other_of(user, *room));
        self.conversations_of(user).into_iter().filter(is_gone).collect()
    }

    /// Whom a message is from, as it is shown today.
    pub fn shown(&self, said: &Said) -> String {
        let author = said.by.map(|by| self.kept.users.get(&by));
        match author {
            Some(Some(author)) if self.kept.rooms[&said.room].between.is_some() => {
                author.name.clone()
            }
            Some(None) => LEFT.to_owned(),
            Some(Some(_)) | None => said.name.clone(),
        }
    }

    /// The conversation with somebody of this name, if there is one, and what to call it.
    pub fn conversation_with(
        &self,
        n: usize,
        name: &str,
    ) -> Result<(Option<u64>, String), Refused> {
        let user = self.clients[&n].user;
        if let Some(other) = self.find(name) {
            if !self.is_account(other) {
                return Err(&["no_account"]);
            }
            let all = self.conversations_of(user).into_iter();
            let room = all.into_iter().find(|room| self.other_of(user, *room) == other);
            return Ok((room, self.user(other).name.clone()));
        }
        let gone = self.gone(user);
        let at = (0..gone.len()).find(|at| left(*at) == name);
        at.map(|at| (Some(gone[at]), name.to_owned())).ok_or(&["no_such_name"])
    }

    pub fn history_with(&mut self, n: usize, name: &str, limit: usize) -> Done {
        let (room, with) = self.conversation_with(n, name)?;
        let user = self.clients[&n].user;
        let all: Vec<Said> = match room {
            Some(room) => self.readable(user, room).cloned().collect(),
            None => Vec::new(),
        };
        self.tell_history(n, "with", &with, all, limit);
        Ok(())
    }

    pub fn list_conversations(&mut self, n: usize) {
        let user = self.clients[&n].user;
        let last = |room: u64| self.said.iter().rposition(|said| said.room == room);
        let mut all: Vec<(Reverse<usize>, u64)> = self
            .conversations_of(user)
            .into_iter()
            .map(|room| (Reverse(last(room).expect("it was begun by a word")), room))
            .collect();
        all.sort();
        let rows = all.iter().map(|(Reverse(at), room)| {
            let (said, other) = (&self.said[*at], self.other_of(user, *room));
            let is_gone = !self.kept.users.contains_key(&other);
            let is_offline = !is_gone && self.clients_of(other).is_empty();
            // The text of somebody who is ignored is not shown.
            let is_ignored = self.is_ignored(user, said);
            let is_deleted = !is_ignored && self.is_deleted(said);
            let text = if is_ignored || is_deleted { "" } else { &said.text };
            let (me, yes) = (said.by == Some(user), |is: bool| is.then_some(true));
            let row = json!({
                "with": self.partner(user, *room), "last": said.id, "text": text,
                "deleted": yes(is_deleted), "me": yes(me), "gone": yes(is_gone), "offline": yes(is_offline)
            });
            let (offline, you) =
                (if is_offline { " (offline)" } else { "" }, if me { "you: " } else { "" });
            let with = self.partner(user, *room);
            let text = if is_deleted { TOMBSTONE } else { text };
            let line = (format!("*   {with}{offline}: "), format!(" ({}) {you}{}", said.id, told::row(text)));
            (row, line)
        });
        let (rows, lines): (Vec<Value>, Vec<(String, String)>) = rows.unzip();
        if self.clients[&n].is_json {
            let total = rows.len();
            self.tell(n, Told::Conversations { rows, total });
            return;
        }
        self.tell(
            n,
            Told::Line(match lines.len() {
                0 => "* You have no conversations. Begin one with /msg.".to_owned(),
                1 => "* 1 conversation, the latest first:".to_owned(),
                total => format!("* {total} conversations, the latest first:"),
            }),
        );
        for (start, end) in lines {
            self.tell(n, Told::Dated(start, end));
        }
    }
}

type Refused = &'static [&'static str];

fn left(at: usize) -> String {
    match at {
        0 => LEFT.to_owned(),
        at => format!("{LEFT} ({})", at + 1),
    }
}
