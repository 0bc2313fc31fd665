//! What devices ask for, in two ways of writing it, read here once more.

pub mod order;
pub mod room;

use serde_json::{Value, json};

use order::OrderRequest;
use room::RoomRequest;

/// What somebody has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    Nothing,
    /// Guests may, where they are let in.
    Guest,
    Account,
    /// An account that is no bot.
    Person,
    Admin,
    Owner,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    Nothing,
    Say {
        room: Option<String>,
        text: String,
    },
    Direct {
        to: String,
        text: String,
    },
    Join {
        room: String,
        code: Option<String>,
    },
    Leave {
        room: Option<String>,
    },
    Nick {
        name: String,
    },
    History {
        room: Option<String>,
        limit: usize,
    },
    HistoryWith {
        name: String,
        limit: usize,
    },
    Conversations,
    Who {
        room: Option<String>,
    },
    Rooms,
    Away {
        text: Option<String>,
    },
    Back,
    Whois {
        name: String,
    },
    Search {
        word: String,
    },
    Login {
        name: String,
        password: Option<String>,
    },
    /// Programs only.
    Token {
        token: String,
    },
    Register {
        name: String,
        password: Option<String>,
        code: Option<String>,
    },
    Logout,
    Account,
    Password {
        old: Option<String>,
        new: Option<String>,
    },
    Delete {
        password: Option<String>,
    },
    MakeToken,
    /// Programs only.
    MakeCookie,
    /// Programs only.
    Sessions,
    /// `is_connection`: it is the number of one.
    EndSession {
        id: u32,
        is_connection: bool,
    },
    /// `room`: into which it leads as well.
    Invite {
        uses: u32,
        room: Option<String>,
    },
    Uninvite {
        id: u64,
    },
    Role {
        name: String,
        role: u8,
    },
    /// For a code by which somebody sets a new password.
    Reset {
        name: String,
    },
    Bot {
        name: String,
    },
    EndBot {
        name: String,
    },
    /// Programs only: what has been read of a room, or of a conversation: `@bob`.
    /// `back`: and nothing after it.
    Read {
        room: String,
        id: u64,
        back: bool,
    },
    /// Programs only.
    Unread,
    /// People only: shows what is unread there, or where anything is.
    Print {
        room: Option<String>,
    },
    /// Programs only.
    Level {
        room: String,
        level: &'static str,
    },
    Room(RoomRequest),
    Order(OrderRequest),
}

pub const LEVELS: [&str; 4] = ["all", "mentions", "none", "hidden"];
const ROLES: [&str; 3] = ["member", "admin", "owner"];

impl Request {
    /// As it is written: of a person it may take several lines.
    pub fn written(&self, is_json: bool) -> Vec<String> {
        match is_json {
            true => vec![self.object().to_string()],
            false => self.lines(),
        }
    }

    fn object(&self) -> Value {
        match self {
            Request::Nothing => json!({ "type": "typing" }),
            Request::Say { room: Some(room), text } => {
                json!({ "type": "say", "room": room, "text": text })
            }
            Request::Say { room: None, text } => json!({ "type": "say", "text": text }),
            Request::Direct { to, text } => json!({ "type": "msg", "to": to, "text": text }),
            Request::Join { room, code } => {
                json!({ "type": "join", "room": room, "code": code })
            }
            Request::Leave { room } => json!({ "type": "leave", "room": room }),
            Request::Nick { name } => json!({ "type": "nick", "name": name }),
            Request::History { room: Some(room), limit } => {
                json!({ "type": "history", "room": room, "limit": limit })
            }
            Request::History { room: None, limit } => json!({ "type": "history", "limit": limit }),
            Request::HistoryWith { name, limit } => {
                json!({ "type": "history", "to": name, "limit": limit })
            }
            Request::Conversations => json!({ "type": "conversations" }),
            Request::Who { room: Some(room) } => json!({ "type": "who", "room": room }),
            Request::Who { room: None } => json!({ "type": "who" }),
            Request::Rooms => json!({ "type": "rooms" }),
            Request::Away { text } => json!({ "type": "away", "text": text }),
            Request::Back => json!({ "type": "back" }),
            Request::Whois { name } => json!({ "type": "whois", "name": name }),
            Request::Search { word } => json!({ "type": "search", "text": word, "limit": 50 }),
            Request::Login { name, password } => {
                json!({ "type": "login", "name": name, "password": password })
            }
            Request::Token { token } => json!({ "type": "login", "token": token }),
            Request::Register { name, password, code } => {
                json!({ "type": "register", "name": name, "password": password, "code": code })
            }
            Request::Logout => json!({ "type": "logout" }),
            Request::Account => json!({ "type": "account" }),
            Request::Password { old, new } => {
                json!({ "type": "password", "old": old, "password": new })
            }
            Request::Delete { password } => {
                json!({ "type": "delete_account", "password": password })
            }
            Request::MakeToken => json!({ "type": "token", "label": "a bot" }),
            Request::MakeCookie => json!({ "type": "cookie" }),
            Request::Sessions => json!({ "type": "sessions" }),
            Request::EndSession { id, is_connection: false } => {
                json!({ "type": "end_session", "id": id })
            }
            Request::EndSession { id, is_connection: true } => {
                json!({ "type": "end_session", "connection": id })
            }
            Request::Invite { uses, room: None } => json!({ "type": "invite", "uses": uses }),
            Request::Invite { uses, room: Some(room) } => {
                json!({ "type": "invite", "uses": uses, "rooms": [room] })
            }
            Request::Uninvite { id } => json!({ "type": "end_invitation", "id": id }),
            Request::Role { name, role } => {
                json!({ "type": "role", "name": name, "role": ROLES[usize::from(*role)] })
            }
            Request::Reset { name } => json!({ "type": "reset", "name": name }),
            Request::Bot { name } => json!({ "type": "bot", "name": name }),
            Request::EndBot { name } => json!({ "type": "end_bot", "name": name }),
            Request::Read { room, id, back } => {
                let (field, place) = place_of(room);
                json!({ "type": "read", field: place, "id": id, "back": back, "ref": 1 })
            }
            Request::Unread => json!({ "type": "unread" }),
            Request::Print { .. } => json!({ "type": "typing" }),
            Request::Level { room, level } => {
                let (field, place) = place_of(room);
                json!({ "type": "level", field: place, "level": level })
            }
            Request::Room(request) => request.object(),
            Request::Order(request) => request.object(),
        }
    }

    fn lines(&self) -> Vec<String> {
        let line = match self {
            Request::Nothing
            | Request::Token { .. }
            | Request::MakeCookie
            | Request::Sessions
            | Request::Read { .. }
            | Request::Unread
            | Request::Level { .. } => String::new(),
            // At a terminal a name is one word.
            Request::Print { room } if room.as_ref().is_some_and(|room| room.contains(' ')) => {
                String::new()
            }
            Request::Print { room } => format!("/unread {}", room.as_deref().unwrap_or_default()),
            // A person talks where it is.
            Request::Say { text, .. } => text.clone(),
            Request::Direct { to, text } => format!("/msg {to} {text}"),
            Request::Join { room, code: None } => format!("/join {room}"),
            Request::Join { room, code: Some(code) } => format!("/join {room} {code}"),
            Request::Leave { room } => format!("/leave {}", room.as_deref().unwrap_or_default()),
            Request::Nick { name } => format!("/nick {name}"),
            Request::History { limit, .. } => format!("/history {limit}"),
            Request::HistoryWith { name, .. } if name.contains(' ') => String::new(),
            Request::HistoryWith { name, limit } => format!("/history @{name} {limit}"),
            Request::Conversations => "/conversations".to_owned(),
            Request::Who { room } => format!("/who {}", room.as_deref().unwrap_or_default()),
            Request::Rooms => "/rooms".to_owned(),
            Request::Away { text } => format!("/away {}", text.as_deref().unwrap_or_default()),
            Request::Back => "/back".to_owned(),
            Request::Whois { name } => format!("/whois {name}"),
            Request::Search { word } => format!("/search {word}"),
            Request::Login { name, password } => {
                let secret = password.clone().unwrap_or_default();
                return vec![format!("/login {name}"), secret];
            }
            Request::Register { name, password, code } => {
                let secret = password.clone().unwrap_or_default();
                let code = code.as_ref().map_or(String::new(), |code| format!("{code} "));
                return vec![format!("/register {code}{name}"), secret];
            }
            Request::Logout => "/logout".to_owned(),
            Request::Account => "/account".to_owned(),
            Request::Password { old, new } => {
                let (old, new) = (old.clone(), new.clone());
                return vec![
                    "/password".to_owned(),
                    old.unwrap_or_default(),
                    new.unwrap_or_default(),
                ];
            }
            Request::Delete { password } => {
                let secret = password.clone().unwrap_or_default();
                return vec!["/delete-account".to_owned(), secret];
            }
            Request::MakeToken => "/token a bot".to_owned(),
            Request::EndSession { id, is_connection } => {
                format!("/sessions end {}{id}", if *is_connection { "c" } else { "" })
            }
            Request::Invite { uses, room: None } => format!("/invite {uses}"),
            Request::Invite { uses, room: Some(room) } => format!("/invite {room} {uses}"),
            Request::Uninvite { id } => format!("/invitations end {id}"),
            Request::Reset { name } => format!("/reset {name}"),
            Request::Bot { name } => format!("/bot {name}"),
            Request::EndBot { name } => format!("/bots end {name}"),
            Request::Role { name, role } => format!("/role {name} {}", ROLES[usize::from(*role)]),
            Request::Room(request) => request.line(),
            Request::Order(request) => request.line(),
        };
        vec![line]
    }

    pub fn read(text: &str, is_json: bool) -> Request {
        match is_json {
            true => Request::of_object(&serde_json::from_str(text).expect("an object")),
            false => Request::of_line(text),
        }
    }

    fn of_object(object: &Value) -> Request {
        if let Some(request) = RoomRequest::of_object(object) {
            return Request::Room(request);
        }
        if let Some(request) = OrderRequest::of_object(object) {
            return Request::Order(request);
        }
        let field = |name: &str| object[name].as_str().map(str::to_owned);
        let word = |name: &str| field(name).expect("a field");
        let place = || field("to").map_or_else(|| word("room"), |name| format!("@{name}"));
        match object["type"].as_str().expect("a type") {
            "say" => Request::Say { room: field("room"), text: word("text") },
            "msg" => Request::Direct { to: word("to"), text: word("text") },
            "join" => Request::Join { room: word("room"), code: field("code") },
            "leave" => Request::Leave { room: field("room") },
            "nick" => Request::Nick { name: word("name") },
            "history" if object["to"].is_string() => Request::HistoryWith {
                name: word("to"),
                limit: object["limit"].as_u64().expect("a limit") as usize,
            },
            "conversations" => Request::Conversations,
            "history" => Request::History {
                room: field("room"),
                limit: object["limit"].as_u64().expect("a limit") as usize,
            },
            "read" => Request::Read {
                room: place(),
                id: object["id"].as_u64().expect("an id"),
                back: object["back"] == true,
            },
            "unread" => Request::Unread,
            "level" => {
                let level = LEVELS.iter().find(|level| object["level"] == **level);
                Request::Level { room: place(), level: level.expect("a level") }
            }
            "who" => Request::Who { room: field("room") },
            "rooms" => Request::Rooms,
            "away" => Request::Away { text: field("text") },
            "back" => Request::Back,
            "whois" => Request::Whois { name: word("name") },
            "search" => Request::Search { word: word("text") },
            "login" if object["token"].is_string() => Request::Token { token: word("token") },
            "login" => Request::Login { name: word("name"), password: field("password") },
            "register" => Request::Register {
                name: word("name"),
                password: field("password"),
                code: field("code"),
            },
            "logout" => Request::Logout,
            "account" => Request::Account,
            "password" => Request::Password { old: field("old"), new: field("password") },
            "delete_account" => Request::Delete { password: field("password") },
            "token" => Request::MakeToken,
            "cookie" => Request::MakeCookie,
            "sessions" => Request::Sessions,
            "end_session" => {
                let id = object["id"].as_u64();
                let number = id.or(object["connection"].as_u64()).expect("a number");
                Request::EndSession { id: number as u32, is_connection: id.is_none() }
            }
            "invite" => Request::Invite {
                uses: object["uses"].as_u64().expect("uses") as u32,
                room: object["rooms"][0].as_str().map(str::to_owned),
            },
            "end_invitation" => Request::Uninvite { id: object["id"].as_u64().expect("an id") },
            "reset" => Request::Reset { name: word("name") },
            "bot" => Request::Bot { name: word("name") },
            "end_bot" => Request::EndBot { name: word("name") },
            "role" => Request::Role { name: word("name"), role: role(&word("role")) },
            other => panic!("nobody asks for {other}"),
        }
    }

    fn of_line(line: &str) -> Request {
        let Some(command) = line.strip_prefix('/') else {
            return match line {
                "" => Request::Nothing,
                text => Request::Say { room: None, text: text.to_owned() },
            };
        };
        let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        if let Some(request) = RoomRequest::of_words(&words) {
            return Request::Room(request);
        }
        if let Some(request) = OrderRequest::of_words(&words) {
            return Request::Order(request);
        }
        let word = |at: usize| words.get(at).cloned();
        let one = || word(1).expect("an argument");
        let number = |at: usize| word(at).expect("an argument").parse().expect("a number");
        match words[0].as_str() {
            "msg" => Request::Direct { to: one(), text: words[2..].join(" ") },
            "join" => Request::Join { room: one(), code: word(2) },
            "leave" => Request::Leave { room: word(1) },
            "nick" => Request::Nick { name: one() },
            "history" => match word(2) {
                Some(_) => {
                    let name = one().trim_start_matches('@').to_owned();
                    Request::HistoryWith { name, limit: number(2) as usize }
                }
                None => Request::History { room: None, limit: number(1) as usize },
            },
            "conversations" => Request::Conversations,
            "unread" => Request::Print { room: word(1) },
            "who" => Request::Who { room: word(1) },
            "rooms" => Request::Rooms,
            "away" => {
                let text = words[1..].join(" ");
                Request::Away { text: Some(text).filter(|text| !text.is_empty()) }
            }
            "back" => Request::Back,
            "whois" => Request::Whois { name: one() },
            "search" => Request::Search { word: one() },
            "login" => Request::Login { name: one(), password: None },
            "register" => match word(2) {
                Some(name) => Request::Register { name, password: None, code: word(1) },
                None => Request::Register { name: one(), password: None, code: None },
            },
            "logout" => Request::Logout,
            "account" => Request::Account,
            "password" => Request::Password { old: None, new: None },
            "delete-account" => Request::Delete { password: None },
            "token" => Request::MakeToken,
            "sessions" => {
                let typed = word(2).expect("a number");
                let number = typed.trim_start_matches('c');
                let id = number.parse().expect("a number");
                Request::EndSession { id, is_connection: number != typed }
            }
            "invite" => match word(2) {
                Some(_) => Request::Invite { uses: number(2) as u32, room: word(1) },
                None => Request::Invite { uses: number(1) as u32, room: None },
            },
            "invitations" => Request::Uninvite { id: number(2) },
            "reset" => Request::Reset { name: one() },
            "bot" => Request::Bot { name: one() },
            "bots" => Request::EndBot { name: word(2).expect("a name") },
            "role" => Request::Role { name: one(), role: role(&word(2).expect("a role")) },
            other => panic!("nobody types {other}"),
        }
    }

    /// A request that asked for a secret, with that.
    pub fn answered(&self, secret: &str) -> Request {
        if secret.is_empty() {
            return Request::Nothing;
        }
        let password = Some(secret.to_owned());
        match self.clone() {
            Request::Login { name, .. } => Request::Login { name, password },
            Request::Register { name, code, .. } => Request::Register { name, password, code },
            Request::Password { old: None, .. } => Request::Password { old: password, new: None },
            Request::Password { old, .. } => Request::Password { old, new: password },
            Request::Delete { .. } => Request::Delete { password },
            other => panic!("{other:?} asks for no secret"),
        }
    }

    pub fn needs(&self) -> Needs {
        match self {
            Request::Nothing
            | Request::Login { .. }
            | Request::Token { .. }
            | Request::Register { .. }
            | Request::Account => Needs::Nothing,
            Request::Say { .. }
            | Request::Direct { .. }
            | Request::Join { .. }
            | Request::Leave { .. }
            | Request::Nick { .. }
            | Request::History { .. }
            | Request::Who { .. }
            | Request::Rooms
            | Request::Away { .. }
            | Request::Back
            | Request::Whois { .. }
            | Request::Search { .. } => Needs::Guest,
            Request::Room(request) => request.needs(),
            Request::Order(request) => match request {
                OrderRequest::Ignore { .. }
                | OrderRequest::Unignore { .. }
                | OrderRequest::Report { .. }
                | OrderRequest::Delete { .. }
                | OrderRequest::Deletions { .. } => Needs::Guest,
                OrderRequest::Mute { .. } | OrderRequest::Unmute { .. } => Needs::Account,
                OrderRequest::Ban { .. } | OrderRequest::Unban { .. } | OrderRequest::Bans => {
                    Needs::Admin
                }
            },
            Request::Role { .. } => Needs::Owner,
            Request::Reset { .. } => Needs::Admin,
            Request::HistoryWith { .. }
            | Request::Read { .. }
            | Request::Unread
            | Request::Print { .. }
            | Request::Level { .. }
            | Request::Conversations
            | Request::Logout
            | Request::Sessions
            | Request::EndSession { .. }
            | Request::Uninvite { .. } => Needs::Account,
            Request::Password { .. }
            | Request::Delete { .. }
            | Request::MakeToken
            | Request::MakeCookie
            | Request::Invite { .. }
            | Request::Bot { .. }
            | Request::EndBot { .. } => Needs::Person,
        }
    }

    /// Whether nobody asks for it at a terminal.
    pub fn is_of_programs(&self) -> bool {
        matches!(
            self,
            Request::Nothing
                | Request::Token { .. }
                | Request::MakeCookie
                | Request::Sessions
                | Request::Read { .. }
                | Request::Unread
                | Request::Level { .. }
        )
    }

    /// Whether others see anything of it.
    pub fn concerns_others(&self) -> bool {
        match self {
            Request::Room(request) => request.concerns_others(),
            Request::Order(OrderRequest::Bans | OrderRequest::Deletions { .. }) => false,
            Request::Order(_) => true,
            Request::Read { .. } | Request::Level { .. } => true,
            // On a broken connection nothing is shown, and so nothing is read.
            Request::Unread | Request::Print { .. } => false,
            Request::Say { .. }
            | Request::Direct { .. }
            | Request::Join { .. }
            | Request::Leave { .. }
            | Request::Nick { .. }
            | Request::Away { .. }
            | Request::Back
            | Request::Logout
            | Request::Password { .. }
            | Request::EndSession { .. }
            | Request::Uninvite { .. }
            | Request::Delete { .. }
            | Request::EndBot { .. }
            | Request::Reset { .. }
            | Request::Role { .. } => true,
            Request::Nothing
            | Request::History { .. }
            | Request::HistoryWith { .. }
            | Request::Conversations
            | Request::Who { .. }
            | Request::Rooms
            | Request::Whois { .. }
            | Request::Search { .. }
            | Request::Login { .. }
            | Request::Token { .. }
            | Request::Register { .. }
            | Request::Account
            | Request::MakeToken
            | Request::MakeCookie
            | Request::Sessions
            | Request::Bot { .. }
            | Request::Invite { .. } => false,
        }
    }

    /// Whether something secret is needed for it first.
    pub fn waits(&self, is_private: bool) -> bool {
        match self {
            Request::Login { password, .. } => password.is_some() || !is_private,
            Request::Register { password, .. } | Request::Delete { password } => password.is_some(),
            Request::Password { old, new } => old.is_some() && new.is_some(),
            Request::MakeToken
            | Request::MakeCookie
            | Request::Bot { .. }
            | Request::Room(RoomRequest::Hook { .. })
            | Request::Reset { .. }
            | Request::Invite { .. } => true,
            _ => false,
        }
    }
}

/// A room, or with an `@` whom a conversation is with, and in which field that is written.
fn place_of(place: &str) -> (&'static str, &str) {
    place.strip_prefix('@').map_or(("room", place), |name| ("to", name))
}

fn role(name: &str) -> u8 {
    ROLES.iter().position(|role| *role == name).expect("a role") as u8
}
