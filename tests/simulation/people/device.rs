//! A device: a terminal in a page, or a program. It does what its person could, and what somebody
//! else would who has found an old token.

use std::net::IpAddr;

use chat_server::wire::websocket::frame::Opcode;
use fastrand::Rng;
use serde_json::Value;

use super::draw::Draw;
use super::model::{Model, Rules};
use super::request::Request;
use crate::kept::SharedWire;
use crate::say;
use crate::screen::{KEY, Screen, Seen};

/// The last two are of one network.
pub const ADDRESSES: [&str; 5] =
    ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "2001:db8::2:1"];

#[derive(Debug)]
struct Connection {
    number: usize,
    wire: SharedWire,
    screen: Screen,
    is_welcome: bool,
}

#[derive(Debug)]
pub struct Device {
    at: usize,
    is_json: bool,
    connection: Option<Connection>,
    /// By what it was known last.
    token: Option<(String, bool)>,
    /// With what it may come back as a guest, the newest last.
    resumes: Vec<String>,
}

impl Device {
    /// `at`: which of all it is.
    pub fn new(at: usize, is_json: bool) -> Device {
        Device { at, is_json, connection: None, token: None, resumes: Vec::new() }
    }

    /// Where it comes from: mostly the same address.
    pub fn address(&self, rng: &mut Rng) -> IpAddr {
        let at = if rng.u32(0..4) == 0 { rng.usize(0..ADDRESSES.len()) } else { self.at };
        ADDRESSES[at % ADDRESSES.len()].parse().expect("an address")
    }

    pub fn number(&self) -> Option<usize> {
        self.connection.as_ref().map(|connection| connection.number)
    }

    /// Comes as nobody, or as somebody by a token or a cookie, which may have ended.
    pub fn connect(
        &mut self,
        number: usize,
        from: IpAddr,
        wire: SharedWire,
        model: &Model,
        rng: &mut Rng,
    ) {
        let secrets = &model.secrets;
        let shown = match rng.u32(0..4) {
            0 => None,
            1 if !secrets.is_empty() => Some(secrets[rng.usize(..secrets.len())].clone()),
            _ => self.token.clone(),
        };
        let comes_back = self.is_json && shown.is_none() && rng.u32(0..4) > 0;
        let resume = comes_back.then(|| self.resume(from, model, rng));
        let query = resume.map_or(String::new(), |token| format!("?resume={token}"));
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
            "GET /{query} HTTP/1.1\r\nHost: chat.example\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\
             {shown}{subprotocol}\r\n"
        );
        wire.borrow_mut().uplink.extend(request.as_bytes());
        wire.borrow_mut().arrive(request.len());
        let screen = Screen::http(self.is_json, false);
        self.connection = Some(Connection { number, wire, screen, is_welcome: false });
    }

    /// With which token it wants to come back: mostly its newest, or an older one, or somebody
    /// else's, or none.
    fn resume(&self, from: IpAddr, model: &Model, rng: &mut Rng) -> String {
        let tokens: Vec<&String> = match rng.u32(0..8) {
            _ if !model.may_show(from) => Vec::new(),
            0 => model.kept.tokens.keys().collect(),
            1 => self.resumes.iter().collect(),
            2 => Vec::new(),
            _ => self.resumes.last().into_iter().collect(),
        };
        let at = rng.usize(..tokens.len().max(1));
        tokens.get(at).map_or_else(String::new, |token| (*token).clone())
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

    /// The server has let it go.
    pub fn break_off_if_dropped(&mut self) {
        if self.connection.as_ref().is_some_and(|connection| connection.wire.borrow().dropped) {
            self.break_off();
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
                    if !connection.is_welcome && self.is_json {
                        let welcome: Value = serde_json::from_str(&text).expect("an object");
                        self.resumes.extend(welcome["resume"].as_str().map(str::to_owned));
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
                Seen::Close(Some(1008)) => {
                    model.hear_the_end(number, &connection.screen.reason);
                    return self.break_off();
                }
                Seen::Close(Some(4000)) => {
                    model.hear_of_successor(number);
                    return self.break_off();
                }
                seen => panic!("client {number} saw {seen:?}"),
            }
        }
        if connection.wire.borrow().is_over() {
            self.break_off();
        }
    }

    // ---- Acting ----

    /// Tries what this user may do again, or may not yet: it talks, or somebody comes as it.
    pub fn try_as(&mut self, user: u64, model: &Model, count: &mut u64, rng: &mut Rng) {
        let Some(connection) = &self.connection else { return };
        let Some(client) = model.clients.get(&connection.number) else { return };
        let token = || model.kept.accounts.get(&user)?.keys.iter().find(|key| key.is_token);
        let request = if !connection.is_welcome {
            return;
        } else if client.user == user {
            *count += 1;
            let room = model.room_of_mute(user).filter(|_| self.is_json);
            Request::Say { room, text: format!("m{count}") }
        } else if let Some(key) = token().filter(|_| self.is_json && !model.is_account(client.user))
        {
            Request::Token { token: key.secret.clone() }
        } else if let Some(code) = model.unused_code_for(user)
            && !model.is_account(client.user)
        {
            *count += 1;
            let (code, password) = (Some(code.to_owned()), Some(format!("password {count}")));
            Request::Register { name: model.user(user).name.clone(), password, code }
        } else {
            return;
        };
        self.send(&request, rng);
        // It arrives at this very moment.
        if let Some(connection) = &self.connection {
            connection.wire.borrow_mut().carry(true, rng);
        }
    }

    fn send(&mut self, request: &Request, rng: &mut Rng) {
        let Some(connection) = &self.connection else { return };
        for text in request.written(self.is_json) {
            let frame = say::frame(rng, Opcode::Text, true, text.as_bytes());
            connection.wire.borrow_mut().uplink.extend(frame);
        }
    }

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
            false => draw.as_guest(number),
        };
        if request.is_of_programs() && !self.is_json {
            return;
        }
        self.send(&request, rng);
    }
}
