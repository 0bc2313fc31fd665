//! Messages that are deleted, by those who have said them: here all are guests.

use std::collections::VecDeque;

use chat_server::chat::text::quote;
use serde_json::json;

use super::{Client, Done, Model, row};
use crate::ask::Which;

/// So many of its last words a guest can take back.
const WORDS: usize = 16;
/// One's own last message is looked for among so many.
const LAST: u64 = 100;
/// So much of it is quoted.
const QUOTED_CHARS: usize = 80;

impl Client {
    pub(super) fn note_word(&mut self, key: &str, id: u64) {
        self.words.push_back((key.to_owned(), id));
        if self.words.len() > WORDS {
            self.words.pop_front();
        }
    }
}

fn has(words: &VecDeque<(String, u64)>, key: &str, id: u64) -> bool {
    words.iter().any(|(of, word)| of == key && *word == id)
}

impl Model {
    pub(super) fn delete(
        &mut self,
        number: usize,
        room: Option<&str>,
        which: Which,
        reference: Option<u64>,
        time: u64,
    ) -> Done {
        let key = self.room_of(number, room)?;
        let (client, room) = (&self.clients[&number], &self.rooms[&key]);
        let id = match which {
            Which::Id(id) => id,
            Which::Back(back) => room.next_id.saturating_sub(back),
            Which::OwnLast if !client.parked.is_empty() => return Err("busy"),
            Which::OwnLast => {
                let recent = room.held.iter().rev().take_while(|it| it.id + LAST >= room.next_id);
                let mut own =
                    recent.filter(|it| !it.is_deleted() && has(&client.words, &key, it.id));
                own.next().ok_or("no_such_message")?.id
            }
        };
        let at = room.held.iter().position(|it| it.id == id && !it.is_deleted());
        let at = at.ok_or("no_such_message")?;
        if !has(&client.words, &key, id) {
            return Err("not_allowed");
        }
        let (by, shown, members) = (self.name(number), room.shown.clone(), room.members.clone());
        let said = &mut self.rooms.get_mut(&key).expect("it is there").held[at];
        let (text, name) = (std::mem::take(&mut said.text), said.name.clone());
        said.me = false;
        let line = match name == by {
            true => format!("* {by} removed their message {id} in {shown}."),
            false => format!("* {by} removed message {id} of {name} in {shown}."),
        };
        let whose = match name == by {
            true => format!("your message {id}"),
            false => format!("message {id} of {name}"),
        };
        let text = row(&text.replace(['\n', '\t'], " "));
        let quoted = quote(&text, QUOTED_CHARS);
        let own = format!("* You removed {whose} in {shown}: {quoted}");
        let told = json!({ "type": "deleted", "room": shown, "id": id, "by": by, "time": time });
        for member in members {
            let is_own = member == number;
            self.line(member, &key, if is_own { own.clone() } else { line.clone() });
            self.json(member, &key, told.clone(), reference.filter(|_| is_own));
        }
        self.tell_listeners(&key, &line);
        Ok(())
    }
}
