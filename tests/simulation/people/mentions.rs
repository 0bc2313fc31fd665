//! Who a message is for, found without any cleverness: each name at each place.

use std::collections::BTreeSet;

use super::model::Model;
use super::rights::MODERATOR;

const SIGNS: &str = "@＠﹫";
const ENDS: &str = ":,：，、";
const FOR_ALL: [&str; 2] = ["all", "here"];
const PLACES_MAX: usize = 32;
const CALL_ALL_MEMBERS_MAX: usize = 20;

/// Who a message is for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mentioned {
    /// These accounts.
    pub users: BTreeSet<u64>,
    /// Everybody.
    pub all: bool,
}

/// Names are compared so.
fn fold(c: char) -> String {
    let narrow = match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).expect("it is of ASCII"),
        c => c,
    };
    narrow.to_lowercase().collect()
}

fn folded(chars: &[char]) -> String {
    chars.iter().copied().map(fold).collect()
}

impl Model {
    /// Who a message in a room is for that somebody says there.
    pub fn mentioned(&self, author: u64, room: u64, text: &str) -> Mentioned {
        let is_ignored_guest = !self.is_account(author)
            && self.kept.ignores.iter().any(|(_, ignored)| *ignored == author);
        let mut users = match self.named(author, room, text) {
            Some(users) => users,
            // Who a guest was is not known later.
            None if is_ignored_guest => {
                let here = self.all().filter(|(_, user)| user.rooms.contains(&room));
                here.map(|(id, _)| id).collect()
            }
            None => return Mentioned { users: BTreeSet::new(), all: true },
        };
        users.retain(|user| {
            *user != author && self.is_account(*user) && !self.ignores(*user, author)
        });
        Mentioned { users, all: false }
    }

    /// Who is named in it of those who are in the room; `None`: all of them are called.
    pub fn named(&self, author: u64, room: u64, text: &str) -> Option<BTreeSet<u64>> {
        let chars: Vec<char> = text.chars().collect();
        let here: Vec<(u64, Vec<char>)> = self
            .all()
            .filter(|(_, user)| user.rooms.contains(&room))
            .map(|(id, user)| (id, user.name.chars().collect()))
            .collect();
        let mut found = BTreeSet::new();
        for line in chars.split(|c| *c == '\n') {
            let start = line.iter().position(|c| c.is_whitespace() || ENDS.contains(*c));
            if let Some(end) = start.filter(|end| ENDS.contains(line[*end])) {
                let is_it = |name: &[char]| folded(name) == folded(&line[..end]);
                found.extend(here.iter().filter(|(_, name)| is_it(name)).map(|(id, _)| *id));
            }
        }
        let is_plain = |at: usize| chars.get(at).is_some_and(char::is_ascii_alphanumeric);
        let signs = (0..chars.len()).filter(|at| SIGNS.contains(chars[*at]));
        for at in signs.filter(|at| *at == 0 || !is_plain(at - 1)).take(PLACES_MAX) {
            let stands = |name: &[char]| {
                let (from, end) = (at + 1, at + 1 + name.len());
                end <= chars.len()
                    && folded(&chars[from..end]) == folded(name)
                    && !(is_plain(end - 1) && is_plain(end))
            };
            let calls = FOR_ALL.map(|word| word.chars().collect::<Vec<char>>());
            let call = calls.iter().filter(|word| stands(word)).map(Vec::len).max();
            let names = here.iter().filter(|(_, name)| stands(name));
            let longest = names.max_by_key(|(_, name)| name.len());
            let is_call = call > longest.map(|(_, name)| name.len());
            if is_call && self.may_call_all(author, room) {
                return None;
            }
            found.extend(longest.map(|(id, _)| *id));
        }
        Some(found)
    }

    fn may_call_all(&self, user: u64, room: u64) -> bool {
        let is_staff = self.kept.accounts.get(&user).is_some_and(|account| account.role > 0);
        let is_small = self.members(room) <= CALL_ALL_MEMBERS_MAX;
        is_small || is_staff || self.role_in(user, room) >= MODERATOR
    }
}
