//! A device: a terminal in a page, or a program. It does what its person could, and what somebody
//! else would who has found an old token.

use chat_server::wire::websocket::frame::Opcode;
use fastrand::Rng;

use super::model::{Model, Rules};
use super::request::Request;
use crate::kept::SharedWire;
use crate::known_secrets::OWNER_CODE;
use crate::say;
use crate::screen::{KEY, Screen, Seen};

pub const ROOMS: [&str; 4] = ["#lobby", "#tea", "#dev", "#ops"];
/// Some look like others.
const NAMES: [&str; 8] = ["ann", "bob", "b0b", "Bob", "lil", "1il", "dan", "eve"];

#[derive(Debug)]
struct Connection {
    number: usize,
    wire: SharedWire,
    screen: Screen,
    is_welcome: bool,
}

#[derive(Debug)]
pub struct Device {
    is_json: bool,
    connection: Option<Connection>,
    /// By what it was known last.
    token: Option<(String, bool)>,
}

impl Device {
    pub fn new(is_json: bool) -> Device {
        Device { is_json, connection: None, token: None }
    }

    pub fn number(&self) -> Option<usize> {
        self.connection.as_ref().map(|connection| connection.number)
    }

    /// Comes as nobody, or as somebody by a token or a cookie, which may have ended.
    pub fn connect(&mut self, number: usize, wire: SharedWire, model: &Model, rng: &mut Rng) {
        let secrets = &model.secrets;
        let shown = match rng.u32(0..4) {
            0 => None,
            1 if !secrets.is_empty() => Some(secrets[rng.usize(..secrets.len())].clone()),
            _ => self.token.clone(),
        };
        let scheme = if wire.borrow().hello_bytes > 0 { "https" } else { "http" };
        let shown = shown.map_or(String::new(), |(secret, is_token)| match is_token {
            true => format!("Authorization: Bearer {secret}\r\n"),
            false => {
                format!("Origin: {scheme}://chat.example\r\nCookie: a=b; chat-session={secret}\r\n")
            }
        });
        let subprotocol =
            if self.is_json { "Sec-WebSocket-Protocol: chat.v1.json\r\n" } else { "" };
        let request = format!(
            "GET / HTTP/1.1\r\nHost: chat.example\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\
             {shown}{subprotocol}\r\n"
        );
        wire.borrow_mut().uplink.extend(request.as_bytes());
        wire.borrow_mut().arrive(request.len());
        let screen = Screen::http(self.is_json, false);
        self.connection = Some(Connection { number, wire, screen, is_welcome: false });
    }

    /// Whether something that it has sent has not been read.
    pub fn has_more_to_say(&self) -> bool {
        let wire = self.connection.as_ref().map(|connection| &connection.wire);
        wire.is_some_and(|wire| wire.borrow().unread_by_server() > 0)
    }

    pub fn break_off(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.wire.borrow_mut().break_off();
        }
    }

    pub fn carry(&mut self, rng: &mut Rng) {
        if let Some(connection) = &self.connection {
            connection.wire.borrow_mut().carry(false, rng);
        }
    }

    pub fn read(&mut self, model: &mut Model, trace: bool, rng: &mut Rng) {
        let Some(connection) = &mut self.connection else { return };
        let number = connection.number;
        let bytes = connection.wire.borrow_mut().take(usize::MAX);
        for seen in connection.screen.feed(&bytes) {
            match seen {
                Seen::Text(text) => {
                    if trace {
                        println!("{:>9} sees {text}", format!("c{number}"));
                    }
                    connection.is_welcome = true;
                    model.hear(number, &text);
                }
                Seen::Ping(payload) => {
                    let pong = say::frame(rng, Opcode::Pong, true, &payload);
                    connection.wire.borrow_mut().uplink.extend(pong);
                }
                Seen::Upgraded => {}
                // All clients are closed when what is kept was lost.
                Seen::Close(Some(1012)) => return self.break_off(),
                seen => panic!("client {number} saw {seen:?}"),
            }
        }
        if connection.wire.borrow().is_over() {
            self.break_off();
        }
    }

    // ---- Acting ----

    /// Asks for one thing of all that there are.
    pub fn act(&mut self, model: &Model, rules: &Rules, count: &mut u64, rng: &mut Rng) {
        let Some(connection) = &self.connection else { return };
        let number = connection.number;
        if !connection.is_welcome || !model.clients.contains_key(&number) {
            return;
        }
        *count += 1;
        let account = model.account_of(number);
        if let Some(account) = account {
            let keys = &account.keys;
            let key = (!keys.is_empty()).then(|| &keys[rng.usize(..keys.len())]);
            self.token = key.map(|key| (key.secret.clone(), key.is_token));
        }
        let mut draw = Draw { model, rules, count: *count, rng };
        let request = match account.is_some() {
            true => draw.as_account(number),
            false => draw.as_guest(),
        };
        let is_of_programs = matches!(
            request,
            Request::Nothing | Request::Token { .. } | Request::MakeCookie | Request::Sessions
        );
        if is_of_programs && !self.is_json {
            return;
        }
        for text in request.written(self.is_json) {
            let frame = say::frame(rng, Opcode::Text, true, text.as_bytes());
            connection.wire.borrow_mut().uplink.extend(frame);
        }
    }
}

/// What to ask for.
struct Draw<'a> {
    model: &'a Model,
    rules: &'a Rules,
    count: u64,
    rng: &'a mut Rng,
}

impl Draw<'_> {
    fn one_of(&mut self, words: &[String]) -> Option<String> {
        (!words.is_empty()).then(|| words[self.rng.usize(..words.len())].clone())
    }

    fn room(&mut self) -> String {
        ROOMS[self.rng.usize(..ROOMS.len())].to_owned()
    }

    fn name(&mut self) -> String {
        NAMES[self.rng.usize(..NAMES.len())].to_owned()
    }

    fn as_guest(&mut self) -> Request {
        match self.rng.u32(0..12) {
            0..4 => self.login(),
            4 | 5 => self.by_token(),
            6..9 => self.register(),
            _ => self.talk(),
        }
    }

    fn login(&mut self) -> Request {
        let known = &self.model.passwords;
        if known.is_empty() || self.rng.u32(0..10) == 0 {
            return Request::Login { name: self.name(), password: Some("a wrong one".into()) };
        }
        // The newest mostly; one that is no more, at times.
        let (name, password) = match self.rng.u32(0..3) {
            0 => known[self.rng.usize(..known.len())].clone(),
            _ => known[known.len() - 1 - self.rng.usize(..known.len().min(3))].clone(),
        };
        let names = self.model.account_names();
        let name = if self.rng.u32(0..6) == 0 { self.one_of(&names).unwrap_or(name) } else { name };
        Request::Login { name, password: Some(password) }
    }

    fn by_token(&mut self) -> Request {
        let secrets = &self.model.secrets;
        match secrets.is_empty() {
            true => self.talk(),
            false => {
                // Those that were made lately are good, mostly.
                let from = if self.rng.bool() { 0 } else { secrets.len() / 2 };
                let (token, _) = secrets[self.rng.usize(from..secrets.len())].clone();
                Request::Token { token }
            }
        }
    }

    fn register(&mut self) -> Request {
        let codes = &self.model.codes;
        let code = match self.rng.u32(0..4) {
            0 if self.rules.is_open => None,
            0 | 1 if !self.model.has_owner() => Some(OWNER_CODE.to_owned()),
            // Two at once may want to use it up.
            _ => codes.last().cloned().or_else(|| Some("2222-2222-2222".to_owned())),
        };
        let password = match self.rng.u32(0..10) {
            0 => "short".to_owned(),
            _ => format!("password {}", self.count),
        };
        Request::Register { name: self.name(), password: Some(password), code }
    }

    fn talk(&mut self) -> Request {
        let count = self.count;
        match self.rng.u32(0..10) {
            0..4 => {
                let room = self.rng.bool().then(|| self.room());
                Request::Say { room, text: format!("m{count}") }
            }
            4 | 5 => Request::Join { room: self.room(), code: None },
            6 => Request::Leave { room: self.rng.bool().then(|| self.room()) },
            7 => {
                let names = self.model.names();
                let to = self.one_of(&names).unwrap_or_else(|| "nobody".to_owned());
                Request::Direct { to, text: format!("d{count}") }
            }
            8 if self.rng.bool() => self.look(),
            8 => Request::Nick { name: self.name() },
            _ => match self.model.secrets.iter().rfind(|(_, is_token)| *is_token) {
                Some((token, _)) if self.rng.bool() => {
                    Request::Say { room: None, text: format!("use {token} for it") }
                }
                _ => Request::Account,
            },
        }
    }

    fn look(&mut self) -> Request {
        match self.rng.u32(0..6) {
            0 | 1 => {
                let room = self.rng.bool().then(|| self.room());
                Request::History { room, limit: self.rng.usize(1..30) }
            }
            2 => Request::Who { room: self.rng.bool().then(|| self.room()) },
            3 => Request::Rooms,
            _ => Request::Search { word: "m".to_owned() },
        }
    }

    fn as_account(&mut self, number: usize) -> Request {
        let account = self.model.account_of(number).expect("it is one");
        let right = account.password.clone();
        let password = if self.rng.u32(0..5) == 0 { "a wrong one".to_owned() } else { right };
        let ids: Vec<u32> = account.keys.iter().map(|key| key.id).collect();
        match self.rng.u32(0..40) {
            0..20 => self.talk(),
            20..23 => Request::MakeToken,
            23..25 => Request::MakeCookie,
            25..27 => {
                let id = if ids.is_empty() { 9 } else { ids[self.rng.usize(..ids.len())] };
                Request::EndSession { id }
            }
            27 => Request::Sessions,
            28..31 => Request::Invite { uses: self.rng.u32(1..3), room: None },
            31 => Request::Uninvite { id: self.rng.u64(1..6) },
            32 | 33 => Request::Password {
                old: Some(password),
                new: Some(format!("password {}", self.count)),
            },
            34 | 35 => Request::Logout,
            36 => Request::Delete { password: Some(password) },
            37 => {
                let names = self.model.names();
                let name = self.one_of(&names).expect("it is there itself");
                Request::Role { name, role: self.rng.u8(0..3) }
            }
            38 => self.login(),
            _ => self.register(),
        }
    }
}
