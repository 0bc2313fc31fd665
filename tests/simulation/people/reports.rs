//! What people show the staff.

use super::model::{Done, Model};
use super::request::order::Which;
use super::told::{Told, row};

/// So much of what is reported is quoted.
const QUOTED_CHARS: usize = 500;

fn quoted(text: &str) -> String {
    let more = if text.chars().count() > QUOTED_CHARS { "…" } else { "" };
    let shown: String = text.chars().take(QUOTED_CHARS).collect();
    format!("\"{}{more}\"", shown.replace('\\', "\\\\").replace('"', "\\\""))
}

impl Model {
    pub fn report(
        &mut self,
        n: usize,
        room: Option<&str>,
        which: Which,
        reason: Option<&str>,
    ) -> Done {
        let (room, user) = (self.room_of(n, room)?, self.clients[&n].user);
        let id = match which {
            Which::Id(id) => id,
            Which::Back(back) => self.kept.rooms[&room].next_id.saturating_sub(back),
            Which::OwnLast => panic!("a report says which"),
        };
        let said = self.readable(user, room).find(|said| said.id == id).cloned();
        let said = said.ok_or(&["no_such_message"][..])?;
        if !self.has_owner() {
            return Err(&["no_staff"]);
        }
        if self.is_deleted(&said) {
            return Err(&["no_such_message"]);
        }
        let (by, author) = (self.user(user).name.clone(), self.shown(&said));
        let (place, text) = (self.kept.rooms[&room].name.clone(), row(&said.text));
        let text = quoted(&text);
        let reason = reason.map_or(String::new(), |reason| format!(" ({reason})"));
        self.log_act(&format!("{by} reports {author} in {place} ({id}): {text}{reason}"));
        self.tell(n, Told::Done("report"));
        Ok(())
    }
}
