//! What the line editor of a terminal asks: what stands in front of the line, what a word may
//! become, and which lines it must not bring back.

use crate::chat::Chat;
use crate::chat::handlers::has_secret_form;
use crate::chat::ids::UserId;
use crate::chat::request::commands::{self, COMMANDS, SLASHES};
use crate::clock::Now;
use crate::ids::ClientId;
use crate::wire::editor::Completions;

/// So many are looked at: somebody may press Tab in a room of ten thousand.
const LOOKED_AT_MAX: usize = 2_000;

/// Commands behind which a password or a code may stand.
const SECRET_COMMANDS: [&str; 6] =
    ["login", "register", "password", "confirm", "token", "delete-account"];

impl Chat {
    /// `[#lobby] `: where a line is said.
    pub(super) fn line_prompt(&self, client: ClientId) -> String {
        let channel = self.sessions.get(client).and_then(|session| session.current);
        let room = channel.and_then(|channel| self.channels.room(channel));
        match room.and_then(|id| self.state.rooms().get(id)) {
            Some(room) => format!("[{}] ", room.name),
            None => "> ".to_owned(),
        }
    }

    /// Flood control for a key that looks something up; `false`: there have been too many.
    pub(super) fn charge_key(&mut self, client: ClientId, now: Now) -> bool {
        let session = self.sessions.get_mut(client);
        session.is_none_or(|it| it.bucket.try_take(now.ms, &self.settings.rate).is_ok())
    }

    /// What the last word of `typed` may become: a command, a room that the client is shown in
    /// /rooms, or somebody in its rooms.
    pub(super) fn completed_words(&self, client: ClientId, typed: &str) -> Completions {
        let blank = typed.char_indices().rev().find(|(_, char)| char.is_whitespace());
        let start = blank.map_or(0, |(at, char)| at + char.len_utf8());
        let word = &typed[start..];
        let Some(user) = self.sessions.get(client).map(|session| session.user) else {
            return Completions::default();
        };
        // Who may ask for no list is shown none.
        let may_look = self.settings.guests || self.state.accounts().contains(user);
        let first = typed.split_whitespace().next().unwrap_or_default();
        let (words, ending) = if start == 0 && word.starts_with(SLASHES) {
            (command_names(word, "/"), " ")
        } else if commands::find(first).is_some_and(|spec| spec.name == "help") {
            (command_names(word, ""), "")
        } else if word.is_empty() || !may_look {
            (Vec::new(), "")
        } else if word.starts_with(['#', '＃']) {
            (self.room_names(user, word), " ")
        } else {
            (self.people_near(user, word), if start == 0 { ": " } else { " " })
        };
        Completions { start, words, ending }
    }

    fn room_names(&self, user: UserId, word: &str) -> Vec<String> {
        let key = fold(word).replace('＃', "#");
        let rooms = self.state.rooms().busiest().take(LOOKED_AT_MAX);
        let known = rooms.filter(|room| self.is_listed_for(user, room));
        matching(known.map(|room| room.name.as_str()), &key, "")
    }

    fn people_near(&self, user: UserId, word: &str) -> Vec<String> {
        let (mark, name) = match word.strip_prefix('@') {
            Some(name) => ("@", name),
            None => ("", word),
        };
        let members = self.state.rooms_of(user).flat_map(|room| self.state.members(room));
        let others = members.take(LOOKED_AT_MAX).filter(|member| member.id != user);
        matching(others.map(|member| member.name.as_str()), &fold(name), mark)
    }
}

fn command_names(word: &str, mark: &str) -> Vec<String> {
    let key = fold(word.strip_prefix(SLASHES).unwrap_or(word));
    let names = COMMANDS.iter().map(|spec| spec.name).filter(|name| *name != "/");
    matching(names, &key, mark)
}

/// The names that begin so, each with a mark before it, in order.
fn matching<'a>(names: impl Iterator<Item = &'a str>, key: &str, mark: &str) -> Vec<String> {
    let mut names: Vec<&str> = names.filter(|name| fold(name).starts_with(key)).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(|name| format!("{mark}{name}")).collect()
}

fn fold(text: &str) -> String {
    text.to_lowercase()
}

/// Whether a line is not to be brought back: it asks for what passwords and codes belong to, with a
/// slash or without, as far as it was spelled right; or there is something in it that looks like a
/// code or a token.
pub(super) fn has_secret(line: &str) -> bool {
    let first = line.split_whitespace().next().unwrap_or_default();
    let name = first.trim_start_matches(SLASHES);
    let meant = match commands::find(name) {
        None if first.starts_with(SLASHES) => commands::nearest(name).and_then(commands::find),
        found => found,
    };
    meant.is_some_and(|spec| SECRET_COMMANDS.contains(&spec.name)) || has_secret_form(line)
}
