//! What devices are told, as people read it and as programs do.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::hooks::is_hook;
use super::model::Said;
use super::positions::Unread;

/// Who is in a room.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    pub members: BTreeSet<String>,
    pub accounts: BTreeSet<String>,
    pub bots: BTreeSet<String>,
    pub offline: BTreeSet<String>,
    pub away: BTreeSet<String>,
    pub roles: BTreeMap<String, &'static str>,
}

/// A message that a search may find, or has to.
#[derive(Clone, Debug, PartialEq)]
pub struct Sight {
    /// What its room is called now, or who it is with.
    pub place: String,
    pub is_conversation: bool,
    pub said: Said,
    pub is_certain: bool,
}

/// A message of several lines, as people read it.
pub fn lines(text: &str) -> String {
    text.replace('\n', "\n| ").replace("| \n", "|\n")
}

/// The same in a list.
pub fn row(text: &str) -> String {
    text.replace('\n', " ")
}

#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    Welcome {
        name: String,
        role: Option<&'static str>,
        /// The token with which it may come back, and whether it has.
        resume: Option<(String, bool)>,
    },
    /// Guests may do nothing here.
    TurnedAway,
    Said {
        room: String,
        /// The room's number.
        of: u64,
        id: u64,
        name: String,
        text: String,
    },
    /// What somebody has said whom this program's person ignores.
    Stub {
        room: String,
        id: u64,
    },
    Joined {
        room: String,
        name: String,
    },
    InRoom {
        room: String,
        name: String,
        members: usize,
        position: u64,
        entry: Option<&'static str>,
        role: Option<&'static str>,
        /// Of accounts.
        unread: Option<Unread>,
    },
    Left {
        room: String,
        name: String,
    },
    LeftYou {
        room: String,
        name: String,
    },
    Renamed {
        room: String,
        from: String,
        to: String,
    },
    RenamedYou {
        from: String,
        to: String,
    },
    Account {
        name: String,
        role: Option<&'static str>,
        rooms: Vec<String>,
    },
    /// One of these.
    Error(&'static [&'static str]),
    Token {
        token: String,
        id: u32,
    },
    Cookie {
        id: u32,
    },
    Invitation {
        code: String,
        id: u64,
        uses: u32,
        rooms: Option<Vec<String>>,
    },
    /// The numbers of what somebody is known by, with how many are connected by it; and those of the
    /// connections that have come by a password.
    Sessions(Vec<(u32, bool, usize)>, BTreeSet<usize>),
    Done(&'static str),
    /// `field`: of its place.
    History {
        field: &'static str,
        place: String,
        messages: Vec<Value>,
        more: bool,
    },
    Members {
        room: String,
        members: Listed,
    },
    /// The busiest first.
    Rooms(Vec<(String, usize, Option<&'static str>)>),
    /// What a room is told, in both dialects. What is `null` is not there.
    Published {
        room: String,
        object: Value,
        line: String,
    },
    /// The same for one device.
    Own {
        object: Value,
        line: String,
    },
    /// Among these, newest first, and at most so many.
    Found {
        hits: Vec<Sight>,
        limit: usize,
    },
    /// One of these, as a person reads it.
    Hit(Vec<Sight>),
    /// What a person reads.
    Line(String),
    /// What a person reads, before the time at which it was said and after it.
    Dated(String, String),
    /// Lines that come together, of one of these kinds.
    OneOf(Vec<Vec<Told>>),
    /// With whom one has talked.
    Conversations {
        rows: Vec<Value>,
        total: usize,
    },
}

/// With what errors begin, or what is in them.
const ERRORS: [(&str, &str); 77] = [
    ("has no account. What is banned", "no_account"),
    ("is banned from this server", "banned"),
    ("You are banned from this server", "banned"),
    ("You cannot ban yourself.", "not_allowed"),
    ("You come from there yourself.", "not_allowed"),
    ("There is no account", "no_account"),
    ("is not banned. /bans lists", "no_such_ban"),
    ("There is no message", "no_such_message"),
    ("was removed already.", "no_such_message"),
    ("You have said nothing there lately.", "no_such_message"),
    ("Nobody owns this server yet", "no_staff"),
    ("It holds for a minute at least", "bad_field"),
    (": its moderators decide.", "not_allowed"),
    ("You are logged out: this was ended elsewhere.", "session_ended"),
    ("You are not logged in any more.", "session_ended"),
    ("Only people with an account can do that here.", "login_required"),
    ("Only owners of this server can do that.", "not_allowed"),
    ("You are the only owner", "not_allowed"),
    ("There is no room", "no_such_room"),
    ("No room can be called", "room_refused"),
    ("which is another one. Join that", "room_refused"),
    (" already. Choose another name.", "room_refused"),
    ("is for people with an account.", "login_required"),
    ("has to let you in. /join", "not_allowed"),
    ("You were removed from", "removed"),
    ("is archived: it is there to be read.", "room_archived"),
    ("There is no hook ", "no_such_hook"),
    ("Only the owner and moderators talk in", "moderators_only"),
    ("can do that.", "not_allowed"),
    ("You can remove those who may do less", "not_allowed"),
    ("is nobody's. With an account", "not_allowed"),
    ("is kept already.", "not_allowed"),
    ("stays as it is.", "not_allowed"),
    ("is where everybody comes in, and stays open.", "not_allowed"),
    ("A room has an owner. Give", "not_allowed"),
    ("is the server owners'.", "not_allowed"),
    ("has not asked to be let into", "no_such_name"),
    ("Everybody can enter", "bad_field"),
    ("type its name back", "bad_field"),
    ("You are in #staff-log for as long", "not_allowed"),
    ("is reserved. Choose another one.", "room_refused"),
    ("Only the owner and moderators of this room can", "not_allowed"),
    ("You cannot mute yourself.", "not_allowed"),
    ("Only owners of this server can do that for", "not_allowed"),
    ("Only the owner of this room can do that", "not_allowed"),
    ("You are muted in", "muted"),
    ("is not muted in", "not_muted"),
    ("You cannot ignore yourself.", "not_allowed"),
    ("You do not ignore", "not_ignored"),
    ("is not in #", "not_in_room"),
    ("You are not in the room", "not_in_room"),
    ("You are in no room.", "no_room"),
    ("You talk in no room now.", "no_room"),
    ("An owner or an admin comes from there now.", "not_allowed"),
    (", and more are not allowed", "too_many_rooms"),
    ("is taken. Choose", "name_taken"),
    ("which is taken. Choose", "name_taken"),
    ("was somebody's until a short while ago", "name_taken"),
    ("Nobody here is called", "no_such_name"),
    ("You cannot let yourself speak again", "not_allowed"),
    ("have said nothing to each other yet", "no_such_name"),
    ("is not connected now", "not_connected"),
    ("is a guest: what is said to guests", "no_account"),
    ("The name or the password is wrong.", "login_failed"),
    ("This code is not known, or has been used, or is over.", "code_refused"),
    ("An account takes an invitation", "code_required"),
    ("Passwords are not taken here", "not_private"),
    ("A password ", "password_refused"),
    ("That was tried too often.", "too_many_attempts"),
    ("Too many people log in", "busy"),
    ("You are logged in as", "logged_in"),
    ("You have no bot", "no_account"),
    ("You have no ", "no_such_"),
    ("is a bot, and stays a member", "not_allowed"),
    ("A bot cannot do that.", "not_allowed"),
    ("A bot has no password.", "not_allowed"),
    ("is a guest, and has no role", "no_account"),
];

/// What people are told besides, which is not looked at.
const NOTICES: [&str; 9] = [
    "* You talk in ",
    "* Said in ",
    "* You are in no room now.",
    "* Nobody else is in ",
    "* Nothing was done.",
    "*   At a terminal: ",
    "*   Into the room: ",
    "* Others could read a password",
    "* (history is kept",
];

impl Told {
    /// The room that is told, if it is one, and not one device alone.
    pub fn published_in(&self) -> Option<&str> {
        match self {
            Told::Said { room, .. }
            | Told::Stub { room, .. }
            | Told::Joined { room, .. }
            | Told::Left { room, .. }
            | Told::Renamed { room, .. }
            | Told::Published { room, .. } => Some(room),
            _ => None,
        }
    }

    pub fn is_notice(line: &str) -> bool {
        line.ends_with("(it is not shown; Enter alone stops):")
            || NOTICES.iter().any(|notice| line.starts_with(notice))
    }

    pub fn fits_line(&self, line: &str) -> bool {
        match self {
            Told::Error(codes) => {
                let Some(message) = line.strip_prefix("! ") else { return false };
                if *codes == ["not_said"] {
                    return message.contains("so it was not said");
                }
                let found = ERRORS.iter().find(|(words, _)| message.contains(words));
                found.is_some_and(|(_, code)| codes.iter().any(|one| one.starts_with(code)))
            }
            Told::Welcome { name, .. } => {
                let rest = line.strip_prefix(&format!("* Welcome! You are {name}"));
                rest.is_some_and(|rest| rest.starts_with([' ', '.']))
            }
            Told::TurnedAway => line.starts_with("* Welcome! This server is for people"),
            Told::Done(_) => line.starts_with("* "),
            Told::Invitation { code, id, .. } => {
                line.starts_with(&format!("* Invitation {id}, ")) && line.ends_with(code)
            }
            Told::Line(expected) => line == expected,
            Told::OneOf(all) => all.iter().any(|lines| lines[0].fits_line(line)),
            Told::Published { line: expected, .. } | Told::Own { line: expected, .. } => {
                line == expected
            }
            Told::Dated(start, end) => line.starts_with(start) && line.ends_with(end),
            Told::Members { room, members } => members.fits_line(room, line),
            Told::Found { .. } => {
                line == "* Nothing was found."
                    || line.starts_with("! That takes too long")
                    || hits_announced(line) > 0
            }
            Told::Hit(hits) => hits.iter().any(|hit| {
                let Sight { place, is_conversation, said: Said { id, name, text, .. }, .. } = hit;
                let room = if *is_conversation { format!("@{place}") } else { place.clone() };
                line.starts_with("*   ")
                    && line.ends_with(&format!(" {room} ({id}) {name}: {}", row(text)))
            }),
            told => line == told.line(),
        }
    }

    fn line(&self) -> String {
        match self {
            Told::Said { room, name, text, .. } => format!("[{room}] {name}: {}", lines(text)),
            Told::Joined { room, name } => format!("* {name} joined {room}."),
            Told::InRoom { room, members, .. } => {
                let others = match members - 1 {
                    0 => "nobody else".to_owned(),
                    1 => "1 other".to_owned(),
                    others => format!("{others} others"),
                };
                format!("* You are in {room} now, with {others}.")
            }
            Told::Left { room, name } => format!("* {name} left {room}."),
            Told::LeftYou { room, .. } => format!("* You left {room}."),
            Told::Renamed { from, to, .. } => format!("* {from} is {to} now."),
            Told::RenamedYou { to, .. } => format!("* You are {to} now."),
            Told::Account { name, role: None, .. } => {
                format!("* You are {name}, a guest. /login NAME or /register.")
            }
            Told::Account { name, role: Some(role), rooms } => {
                let role = match *role {
                    "member" => String::new(),
                    role => format!(", {role} of this server"),
                };
                let rooms = if rooms.is_empty() { "no room".to_owned() } else { rooms.join(", ") };
                format!("* You are logged in as {name}{role}, in {rooms}.")
            }
            Told::Token { token, id } => format!("* Token {id}, shown only once: {token}"),
            told => panic!("no person is told {told:?}"),
        }
    }

    pub fn fits_object(&self, heard: &str) -> bool {
        let mut heard: Value = serde_json::from_str(heard).expect("an object");
        for message in heard["messages"].as_array_mut().into_iter().flatten() {
            message.as_object_mut().expect("an object").remove("time");
        }
        if let Told::Error(codes) = self {
            let code = heard["code"].as_str().unwrap_or_default();
            return heard["type"] == "error" && codes.contains(&code);
        }
        if let Told::Sessions(keys, connections) = self {
            let heard = heard["sessions"].as_array().expect("a list");
            let number = |one: &Value, field: &str| one[field].as_u64();
            let heard_keys = heard.iter().filter_map(|one| {
                let id = number(one, "id")? as u32;
                Some((id, one["kind"] == "token", number(one, "connected")? as usize))
            });
            let heard_connections: BTreeSet<usize> =
                heard.iter().filter_map(|one| Some(number(one, "connection")? as usize)).collect();
            return heard_keys.eq(keys.iter().copied())
                && heard_connections == *connections
                && heard.len() == keys.len() + connections.len();
        }
        match self {
            Told::Members { room, members } => return members.fits_object(room, &heard),
            Told::Conversations { rows, total } => return fits_rows(rows, *total, &heard),
            Told::Found { hits, limit } => return fits_hits(hits, *limit, &heard),
            _ => {}
        }
        let told = self.object();
        let has = |(field, value): (&String, &Value)| match value.is_null() {
            true => heard.get(field).is_none(),
            false => heard[field] == *value,
        };
        told.as_object().expect("an object").iter().all(has)
    }

    /// The fields that it has; those that are `null` are not there.
    fn object(&self) -> Value {
        match self {
            Told::Welcome { name, role, resume } => json!({
                "type": "welcome", "name": name, "role": role,
                "resume": resume.as_ref().map(|(token, _)| token),
                "resumed": resume.as_ref().filter(|(_, resumed)| *resumed).map(|_| true)
            }),
            Told::Said { room, id, name, text, .. } => {
                let hook = is_hook(name).then_some(true);
                json!({
                    "type": "said", "room": room, "id": id, "name": name, "text": text, "hook": hook
                })
            }
            Told::Stub { room, id } => json!({
                "type": "said", "room": room, "id": id, "ignored": true, "name": null, "text": null
            }),
            Told::Joined { room, name } => {
                json!({ "type": "joined", "room": room, "name": name, "you": null })
            }
            Told::InRoom { room, name, members, position, entry, role, unread } => {
                let unread = unread.as_ref();
                json!({
                    "type": "joined", "room": room, "name": name, "you": true, "members": members,
                    "position": position, "entry": entry, "role": role,
                    "read": unread.map(|unread| unread.read),
                    "unread": unread.map(Unread::unread),
                    "mentions": unread.map(|unread| unread.mentions),
                    "level": unread.map(|unread| unread.level)
                })
            }
            Told::Left { room, name } => {
                json!({ "type": "left", "room": room, "name": name, "you": null })
            }
            Told::LeftYou { room, name } => {
                json!({ "type": "left", "room": room, "name": name, "you": true })
            }
            Told::Renamed { room, from, to } => {
                json!({ "type": "renamed", "room": room, "from": from, "to": to, "you": null })
            }
            Told::RenamedYou { from, to } => {
                json!({ "type": "renamed", "room": null, "from": from, "to": to, "you": true })
            }
            Told::Account { name, role, rooms } => {
                json!({ "type": "account", "name": name, "role": role, "rooms": rooms })
            }
            Told::Token { token, id } => json!({ "type": "token", "token": token, "id": id }),
            Told::Cookie { id } => json!({ "type": "cookie", "id": id }),
            Told::Invitation { code, id, uses, rooms } => json!({
                "type": "invitation", "code": code, "id": id, "uses": uses, "rooms": rooms
            }),
            Told::Published { object, .. } | Told::Own { object, .. } => object.clone(),
            Told::Done(what) => json!({ "type": "done", "what": what }),
            Told::Rooms(rooms) => {
                let rows = rooms.iter();
                let rows: Vec<Value> = rows
                    .map(|(room, members, entry)| match entry {
                        None => json!({ "room": room, "members": members, "topic": "" }),
                        Some(entry) => json!({
                            "room": room, "members": members, "topic": "", "entry": entry
                        }),
                    })
                    .collect();
                json!({ "type": "rooms", "rooms": rows, "total": rooms.len(), "next": null })
            }
            Told::History { field, place, messages, more } => {
                json!({ "type": "history", *field: place, "messages": messages, "more": more })
            }
            told => panic!("no program is told {told:?}"),
        }
    }
}

impl Listed {
    fn fits_line(&self, room: &str, line: &str) -> bool {
        let heading = format!("* {} in {room}: ", self.members.len());
        if self.members.is_empty() {
            return line == format!("* Nobody is in {room}.");
        }
        let marked = |name: &String| {
            let is_offline = self.offline.contains(name);
            let is_away = self.away.contains(name) && !is_offline;
            let marks =
                [(is_offline, "offline"), (is_away, "away"), (self.bots.contains(name), "bot")];
            let marks = marks.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark);
            let marks: Vec<&str> = marks.collect();
            if marks.is_empty() { name.clone() } else { format!("{name} ({})", marks.join(" ")) }
        };
        let wanted: BTreeSet<String> = self.members.iter().map(marked).collect();
        let names = line.strip_prefix(&heading);
        names.is_some_and(|names| {
            names.split(", ").map(str::to_owned).collect::<BTreeSet<_>>() == wanted
        })
    }

    fn fits_object(&self, room: &str, heard: &Value) -> bool {
        let of = |field: &str| -> BTreeSet<String> {
            let names = heard[field].as_array().into_iter().flatten();
            names.map(|name| name.as_str().expect("a name").to_owned()).collect()
        };
        heard["type"] == "members"
            && heard["room"] == room
            && heard["total"] == self.members.len()
            && of("members") == self.members
            && of("accounts") == self.accounts
            && of("bots") == self.bots
            && of("offline") == self.offline
            && of("away") == self.away
            && match self.roles.is_empty() {
                true => heard.get("roles").is_none(),
                false => heard["roles"] == json!(self.roles),
            }
    }
}

/// How many hits are told after this line.
pub fn hits_announced(line: &str) -> usize {
    let count = line.strip_prefix("* Found ").or(line.strip_prefix("* The last "));
    let count = count.filter(|_| line.contains("(UTC)"));
    count.and_then(|count| count.split(' ').next()?.parse().ok()).unwrap_or(0)
}

fn fits_hits(hits: &[Sight], limit: usize, heard: &Value) -> bool {
    // One in so many takes too long.
    if heard["code"] == "search_slow" {
        return true;
    }
    let Some(found) = heard["hits"].as_array().filter(|_| heard["type"] == "found") else {
        return false;
    };
    let is = |hit: &Sight, found: &Value| {
        let Sight { place, is_conversation, said: Said { id, name, text, .. }, .. } = hit;
        let (field, other) = if *is_conversation { ("with", "room") } else { ("room", "with") };
        found[field] == **place
            && found.get(other).is_none()
            && found["id"] == *id
            && found["name"] == **name
            && found["text"] == **text
    };
    // Each of them comes after the one before, and what is left out did not have to be found.
    let mut rest = hits.iter();
    for one in found {
        loop {
            match rest.next() {
                Some(hit) if is(hit, one) => break,
                Some(hit) if !hit.is_certain => {}
                Some(_) | None => return false,
            }
        }
    }
    // One that was deleted in the meantime is missing on its page.
    found.len() == limit || heard["next"].is_u64() || rest.all(|hit| !hit.is_certain)
}

fn fits_rows(rows: &[Value], total: usize, heard: &Value) -> bool {
    let Some(found) = heard["conversations"].as_array() else { return false };
    let fits = |(row, found): (&Value, &Value)| {
        row.as_object().expect("a row").iter().all(|(field, value)| match value.is_null() {
            true => found.get(field).is_none(),
            false => found[field] == *value,
        })
    };
    heard["type"] == "conversations"
        && heard["total"] == total
        && found.len() == rows.len()
        && rows.iter().zip(found).all(fits)
}
