//! What devices are told, as people read it and as programs do.

use serde_json::{Value, json};

#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    Welcome {
        name: String,
        role: Option<&'static str>,
    },
    /// Guests may do nothing here.
    TurnedAway,
    Said {
        room: String,
        id: u64,
        name: String,
        text: String,
    },
    /// `id`: its place in a conversation that is kept. `marks_guest`: its reader has an account, and
    /// the other one has none.
    Direct {
        from: String,
        to: String,
        id: Option<u64>,
        text: String,
        sent: bool,
        marks_guest: bool,
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
    },
    Sessions(Vec<(u32, bool, usize)>),
    Done(&'static str),
}

/// With what errors begin, or what is in them.
const ERRORS: [(&str, &str); 26] = [
    ("You are logged out: this was ended elsewhere.", "session_ended"),
    ("You are not logged in any more.", "session_ended"),
    ("Only people with an account can do that here.", "login_required"),
    ("is for people with an account.", "login_required"),
    ("Only owners of this server can do that.", "not_allowed"),
    ("You are the only owner", "not_allowed"),
    ("You are in #staff-log for as long", "not_allowed"),
    ("There is no room", "no_such_room"),
    ("You are not in the room", "not_in_room"),
    ("You are in no room.", "no_room"),
    ("rooms, and more are not allowed", "too_many_rooms"),
    ("is taken. Choose", "name_taken"),
    ("which is taken. Choose", "name_taken"),
    ("was somebody's until a short while ago", "name_taken"),
    ("Nobody here is called", "no_such_name"),
    ("is not connected now", "not_connected"),
    ("The name or the password is wrong.", "login_failed"),
    ("This code is not known, or has been used, or is over.", "code_refused"),
    ("An account takes an invitation", "code_required"),
    ("Passwords are not taken here", "not_private"),
    ("A password ", "password_refused"),
    ("That was tried too often.", "too_many_attempts"),
    ("Too many people log in", "busy"),
    ("You are logged in as", "logged_in"),
    ("You have no ", "no_such_"),
    ("is a guest, and has no role", "no_account"),
];

/// What people are told besides, which is not looked at.
const NOTICES: [&str; 8] = [
    "* You talk in ",
    "* You are in no room now.",
    "* Nobody else is in ",
    "* Nothing was done.",
    "*   At a terminal: ",
    "* Others could read a password",
    "* (history is kept",
    "* Unread: ",
];

impl Told {
    /// The room that is told, if it is one, and not one device alone.
    pub fn published_in(&self) -> Option<&str> {
        match self {
            Told::Said { room, .. }
            | Told::Joined { room, .. }
            | Told::Left { room, .. }
            | Told::Renamed { room, .. } => Some(room),
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
            told => line == told.line(),
        }
    }

    fn line(&self) -> String {
        match self {
            Told::Said { room, name, text, .. } => format!("[{room}] {name}: {text}"),
            Told::Direct { to, text, sent: true, marks_guest, .. } => {
                format!("[you -> {}{to}] {text}", if *marks_guest { "guest " } else { "" })
            }
            Told::Direct { from, text, marks_guest, .. } => {
                format!("[{}{from} -> you] {text}", if *marks_guest { "guest " } else { "" })
            }
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
        let heard: Value = serde_json::from_str(heard).expect("an object");
        if let Told::Error(codes) = self {
            let code = heard["code"].as_str().unwrap_or_default();
            return heard["type"] == "error" && codes.contains(&code);
        }
        if let Told::Sessions(sessions) = self {
            let heard = heard["sessions"].as_array().into_iter().flatten();
            let heard: Vec<(u32, bool, usize)> = heard
                .map(|one| {
                    let number = |field: &str| one[field].as_u64().expect("a number");
                    (number("id") as u32, one["kind"] == "token", number("connected") as usize)
                })
                .collect();
            return heard == *sessions;
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
            Told::Welcome { name, role } => {
                json!({ "type": "welcome", "name": name, "role": role })
            }
            Told::Said { room, id, name, text } => {
                json!({ "type": "said", "room": room, "id": id, "name": name, "text": text })
            }
            Told::Direct { from, to, id, text, .. } => json!({
                "type": "direct", "from": from, "to": to, "id": id, "text": text,
                "guest": id.is_none().then_some(true)
            }),
            Told::Joined { room, name } => {
                json!({ "type": "joined", "room": room, "name": name, "you": null })
            }
            Told::InRoom { room, name, members, position } => json!({
                "type": "joined", "room": room, "name": name, "you": true, "members": members,
                "position": position
            }),
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
            Told::Invitation { code, id, uses } => {
                json!({ "type": "invitation", "code": code, "id": id, "uses": uses })
            }
            Told::Done(what) => json!({ "type": "done", "what": what }),
            told => panic!("no program is told {told:?}"),
        }
    }
}
