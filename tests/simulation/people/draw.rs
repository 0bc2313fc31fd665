//! What a device asks for, drawn of all that there is to ask for.

use std::net::IpAddr;

use fastrand::Rng;

use super::device::ADDRESSES;
use super::model::{Model, OWNER, Rules};
use super::order::STAFF_LOG;
use super::request::order::{OrderRequest, Which};
use super::request::room::{RoomRequest, SETTINGS};
use super::request::{LEVELS, Request};
use super::rights::{ENTRY, MODERATOR, ROOM_OWNER};
use crate::known_secrets::OWNER_CODE;

pub const ROOMS: [&str; 4] = ["#lobby", "#tea", "#dev", "#ops"];
/// Some look like others, and some begin like others.
const NAMES: [&str; 12] = [
    "ann",
    "bob",
    "b0b",
    "Bob",
    "lil",
    "1il",
    "dan",
    "eve",
    "田",
    "田中",
    "田中さん",
    "田中さんも",
];

/// What to ask for.
pub struct Draw<'a> {
    pub model: &'a Model,
    pub rules: &'a Rules,
    pub count: u64,
    pub rng: &'a mut Rng,
}

impl Draw<'_> {
    fn one_of(&mut self, words: &[String]) -> Option<String> {
        (!words.is_empty()).then(|| words[self.rng.usize(..words.len())].clone())
    }

    fn room(&mut self) -> String {
        if self.rng.u32(0..30) == 0 {
            return STAFF_LOG.to_owned();
        }
        ROOMS[self.rng.usize(..ROOMS.len())].to_owned()
    }

    /// What a room may be called from now on.
    fn new_room(&mut self) -> String {
        match self.rng.u32(0..3) {
            0 => "#den".to_owned(),
            _ => self.room(),
        }
    }

    fn name(&mut self) -> String {
        NAMES[self.rng.usize(..NAMES.len())].to_owned()
    }

    pub fn as_guest(&mut self, number: usize) -> Request {
        match self.rng.u32(0..12) {
            0..4 => self.login(),
            4 | 5 => self.by_token(number),
            6..9 => self.register(self.may_guess(number)),
            9 if self.rng.bool() => self.in_rooms(number),
            9 => self.in_order(number),
            10 => self.delete(number),
            _ => self.talk(number),
        }
    }

    /// Of somebody who is nobody yet.
    pub fn as_newcomer(&mut self, from: IpAddr) -> Request {
        let may_guess = self.model.may_try_from(from);
        match self.rng.u32(0..3) {
            0 => self.register(may_guess),
            _ => self.login(),
        }
    }

    /// Whether codes that may be good for nothing are shown: at a terminal, what follows where too many
    /// were is no password any more.
    fn may_guess(&self, number: usize) -> bool {
        self.model.clients[&number].is_json || self.model.may_try(number)
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

    fn by_token(&mut self, number: usize) -> Request {
        let secrets = &self.model.secrets;
        match secrets.is_empty() {
            true => self.talk(number),
            false => {
                let of_banned = self.model.token_of_banned().filter(|_| self.rng.bool());
                if let Some(token) = of_banned {
                    return Request::Token { token };
                }
                // Those that were made lately are good, mostly.
                let from = if self.rng.bool() { 0 } else { secrets.len() / 2 };
                let (token, _) = secrets[self.rng.usize(from..secrets.len())].clone();
                Request::Token { token }
            }
        }
    }

    fn register(&mut self, may_guess: bool) -> Request {
        if may_guess && self.rng.u32(0..3) == 0 {
            let back = self.rng.usize(0..4).saturating_sub(2);
            if let Some((code, name)) = self.model.code_for_password(back) {
                let is_guess = self.rng.u32(0..10) == 0;
                let code = if is_guess { "3333-3333-3333".to_owned() } else { code };
                let name = if self.rng.u32(0..8) == 0 { self.name() } else { name };
                let password = Some(format!("password {}", self.count));
                return Request::Register { name, password, code: Some(code) };
            }
        }
        if !may_guess && !self.rules.is_open {
            return self.login();
        }
        let codes = &self.model.codes;
        let of_banned = self.model.code_of_banned().filter(|_| self.rng.bool());
        let code = match self.rng.u32(0..4) {
            _ if of_banned.is_some() => of_banned,
            0 if self.rules.is_open => None,
            0 | 1 if !self.model.has_owner() => Some(OWNER_CODE.to_owned()),
            // Two at once may want to use it up.
            _ => codes.last().cloned().or_else(|| Some("2222-2222-2222".to_owned())),
        };
        let code = code.filter(|_| may_guess);
        let password = match self.rng.u32(0..10) {
            0 => "short".to_owned(),
            _ => format!("password {}", self.count),
        };
        Request::Register { name: self.name(), password: Some(password), code }
    }

    fn talk(&mut self, number: usize) -> Request {
        let count = self.count;
        match self.rng.u32(0..11) {
            10 => self.be_away_or_ask(number),
            0..4 => {
                let room = self.rng.bool().then(|| self.room());
                let names = self.model.names();
                let ignoring = self.model.ignoring(number);
                let name = self.one_of(&ignoring).filter(|_| self.rng.bool());
                let name = name.or_else(|| self.one_of(&names));
                let text = match name.filter(|_| self.rng.u32(0..3) == 0) {
                    Some(name)
                        if self.model.clients[&number].is_json && count.is_multiple_of(3) =>
                    {
                        self.lines_for(&name)
                    }
                    Some(name) => self.text_for(&name),
                    None => format!("m{count}"),
                };
                Request::Say { room, text }
            }
            4 | 5 => Request::Join { room: self.room(), code: None },
            6 => Request::Leave { room: self.rng.bool().then(|| self.room()) },
            7 => {
                let names = self.model.names();
                let to = self.one_of(&names).unwrap_or_else(|| "nobody".to_owned());
                let has_lines = self.model.clients[&number].is_json && count.is_multiple_of(3);
                let more = if has_lines { "\n\nmore" } else { "" };
                Request::Direct { to, text: format!("d{count}{more}") }
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

    fn be_away_or_ask(&mut self, number: usize) -> Request {
        match self.rng.u32(0..9) {
            0 => Request::Away { text: None },
            1 => Request::Away { text: Some(format!("reason {}", self.count)) },
            2 => Request::Back,
            // Somebody who is away, if anybody is.
            3..6 => {
                let aways: Vec<String> = self
                    .model
                    .aways
                    .keys()
                    .map(|user| self.model.user(*user).name.clone())
                    .collect();
                let to = self.one_of(&aways).unwrap_or_else(|| "nobody".to_owned());
                Request::Direct { to, text: format!("d{}", self.count) }
            }
            _ => {
                // Mostly somebody who is where the one who asks is not.
                let own = self.model.rooms_of_client(number);
                let model = self.model;
                let is_elsewhere = |room: &u64| !own.contains(&model.kept.rooms[room].name);
                let others = model.all().filter(|(_, user)| user.rooms.iter().any(is_elsewhere));
                let others: Vec<String> = others.map(|(_, user)| user.name.clone()).collect();
                let names = self.model.names();
                let name = self.one_of(&others).filter(|_| self.rng.u32(0..4) > 0);
                let name = name.or_else(|| self.one_of(&names));
                Request::Whois { name: name.unwrap_or_else(|| "nobody".to_owned()) }
            }
        }
    }

    /// Something that is for somebody, or for everybody, or not quite.
    fn text_for(&mut self, name: &str) -> String {
        let (count, loud) = (self.count, name.to_uppercase());
        let wide = |c: char| match c {
            '!'..='~' => char::from_u32(c as u32 + 0xFEE0).expect("it is a character"),
            c => c,
        };
        let wide: String = name.chars().map(wide).collect();
        match self.rng.u32(0..12) {
            0 | 1 => format!("m{count} for @{name}"),
            2 => format!("m{count} for ＠{name}さん @田中さん"),
            3 => format!("{loud}: m{count}"),
            4 => format!("{name}、 m{count}"),
            5 => format!("{name} : m{count}"),
            6 => format!("m{count} ﹫{loud}, @{name}"),
            7 => format!("m{count} x@{name} @{name}x"),
            8 => format!("m{count} @{wide}"),
            9 => format!("m{count} so @All!"),
            10 => format!("m{count} ＠here @{name}"),
            _ => format!("m{count} @allx @{name}."),
        }
    }

    /// The same on several lines, which only programs say.
    fn lines_for(&mut self, name: &str) -> String {
        let count = self.count;
        match self.rng.u32(0..4) {
            0 => format!("m{count} for\n{name}: this\n\nand @{name}"),
            1 => format!("m{count}\n{name} : not this\n {name}: nor this"),
            2 => format!("m{count}\n@{name}"),
            _ => format!("m{count}\n\n{name}, this"),
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
            4 => self.look_into_conversations(),
            _ => {
                let word = ["m", "d"][self.rng.usize(0..2)];
                Request::Search { word: word.to_owned() }
            }
        }
    }

    fn look_into_conversations(&mut self) -> Request {
        let names = self.model.names();
        match self.rng.u32(0..4) {
            0 => Request::Conversations,
            1 => {
                let name = "someone who left".to_owned();
                Request::HistoryWith { name, limit: self.rng.usize(1..30) }
            }
            _ => {
                let name = self.one_of(&names).unwrap_or_else(|| "nobody".to_owned());
                Request::HistoryWith { name, limit: self.rng.usize(1..30) }
            }
        }
    }

    pub fn as_account(&mut self, number: usize) -> Request {
        let account = self.model.account_of(number).expect("it is one");
        let right = account.password.clone();
        let password = if self.rng.u32(0..5) == 0 { "a wrong one".to_owned() } else { right };
        let is_staff = account.role > 0;
        let ids: Vec<u32> = account.keys.iter().map(|key| key.id).collect();
        // Of an admin's code it makes a difference who its account is by the time it is used.
        let of_admin = self.model.name_with_code_of_admin().map(str::to_owned);
        match (account.role, of_admin) {
            (OWNER, Some(name)) if self.rng.u32(0..6) == 0 => {
                return Request::Role { name, role: self.rng.u8(1..3) };
            }
            // Without admins there is nobody who may do some things and not others.
            (OWNER, None) if self.rng.u32(0..6) == 0 => {
                let names = self.model.account_names();
                let name = self.one_of(&names).expect("it is one itself");
                return Request::Role { name, role: 1 };
            }
            (1, _) if self.rng.u32(0..8) == 0 => {
                let names = self.model.owner_names();
                let name = self.one_of(&names).unwrap_or_else(|| self.name());
                return Request::Reset { name };
            }
            (1, None) if self.rng.u32(0..6) == 0 => {
                let names = self.model.names();
                return Request::Reset { name: self.one_of(&names).expect("it is there itself") };
            }
            _ => {}
        }
        let user = self.model.clients[&number].user;
        if self.model.kept.hooks.iter().any(|hook| hook.by == user) && self.rng.u32(0..25) == 0 {
            return Request::Delete { password: Some(password) };
        }
        match self.rng.u32(0..46) {
            0..10 => self.talk(number),
            44 | 45 => {
                let names = self.model.names();
                Request::Reset { name: self.one_of(&names).expect("it is there itself") }
            }
            10 | 11 => self.delete(number),
            15..19 if is_staff => self.in_order(number),
            12..19 => self.in_rooms(number),
            19 => self.in_order(number),
            20..23 => Request::MakeToken,
            23..25 => Request::MakeCookie,
            25 => {
                let id = if ids.is_empty() { 9 } else { ids[self.rng.usize(..ids.len())] };
                Request::EndSession { id, is_connection: false }
            }
            26 => {
                // Somebody else's, at times.
                let own = self.model.clients_of(self.model.clients[&number].user);
                let all: Vec<usize> = self.model.clients.keys().copied().collect();
                let from = if self.rng.u32(0..4) == 0 { all } else { own };
                let id = from[self.rng.usize(..from.len())] as u32;
                Request::EndSession { id, is_connection: true }
            }
            27 => Request::Sessions,
            28..31 => {
                let room = self.rng.bool().then(|| self.room());
                Request::Invite { uses: self.rng.u32(1..3), room }
            }
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
            40 => Request::Bot { name: self.bot_name(number) },
            42 => self.ignore_or_be_called(number),
            43 => self.unread(number),
            41 if self.rng.bool() => Request::EndBot { name: self.bot_name(number) },
            38 if self.rng.bool() => self.login(),
            39 if self.rng.bool() => self.register(self.may_guess(number)),
            _ => self.read(number),
        }
    }

    /// Ignores somebody, or calls one who ignores it.
    fn ignore_or_be_called(&mut self, number: usize) -> Request {
        let (ignoring, names) = (self.model.ignoring(number), self.model.account_names());
        match self.one_of(&ignoring) {
            Some(name) => Request::Say { room: None, text: format!("m{} @{name}", self.count) },
            None => {
                let name = self.one_of(&names).expect("it is one itself");
                Request::Order(OrderRequest::Ignore { name })
            }
        }
    }

    /// What a bot is called, or is to be.
    fn bot_name(&mut self, number: usize) -> String {
        let bots = self.model.bots_of(self.model.clients[&number].user);
        let names: Vec<String> =
            bots.into_iter().map(|bot| self.model.user(bot).name.clone()).collect();
        match self.one_of(&names) {
            Some(name) if self.rng.bool() => name,
            _ => self.name(),
        }
    }

    /// Something about rooms: mostly about those that it is in.
    fn in_rooms(&mut self, number: usize) -> Request {
        let names = self.model.names();
        let name = self.one_of(&names).expect("it is there itself");
        let own = self.model.rooms_of_client(number);
        let room = match self.one_of(&own) {
            Some(room) if self.rng.u32(0..4) > 0 => room,
            _ => self.room(),
        };
        let named = self.rng.bool().then(|| room.clone());
        if let Some(request) = self.about_programs(number, &room) {
            return Request::Room(request);
        }
        Request::Room(match self.rng.u32(0..30) {
            0 => RoomRequest::Show { room: named },
            1..8 => {
                let setting = self.rng.usize(..SETTINGS.len());
                let setting = if self.rng.u32(0..3) == 0 { ENTRY } else { setting };
                let value = self.rng.usize(..SETTINGS[setting].1.len());
                RoomRequest::Set { room: named, setting, value }
            }
            8 => RoomRequest::Rename { room: named, name: self.new_room() },
            9 => RoomRequest::Delete { room },
            10 | 11 => RoomRequest::Role { room, name, role: self.rng.u8(0..3) },
            12 => RoomRequest::Keep { room: named },
            13..16 => RoomRequest::Admit { room: named, name },
            16 => RoomRequest::Refuse { room: named, name },
            17..20 => {
                let minutes = self.rng.bool().then(|| self.rng.u64(0..2));
                let reason = self.rng.bool().then(|| "spam".to_owned());
                RoomRequest::Kick { room: named, name, minutes, reason }
            }
            20..26 => {
                let name = ["deploy", "Deploy", "build"][self.rng.usize(0..3)].to_owned();
                let name = if self.rng.u32(0..5) == 0 { self.name() } else { name };
                match self.rng.u32(0..4) {
                    0 => RoomRequest::EndHook { room: named, name },
                    _ => RoomRequest::Hook { room: named, name },
                }
            }
            _ => return self.join_by_code(number),
        })
    }

    /// At times, somebody who has made a hook, and where.
    fn hook_maker(&mut self) -> Option<(String, String)> {
        let makers = self.model.hook_makers();
        let may = !makers.is_empty() && self.rng.u32(0..3) == 0;
        may.then(|| makers[self.rng.usize(..makers.len())].clone())
    }

    /// At times, what makes a hook that others made fall silent, or a stream; or what leads to that.
    fn about_programs(&mut self, number: usize, room: &str) -> Option<RoomRequest> {
        let here = self.model.room_called(room).filter(|_| self.rng.u32(0..3) == 0)?;
        let (user, room) = (self.model.clients[&number].user, room.to_owned());
        let role = self.model.role_in(user, here);
        let own = self.model.user(user).name.clone();
        let mut makers = self.model.hook_makers();
        makers.retain(|(of, name)| *of == room && *name != own);
        let kick = |name, minutes| RoomRequest::Kick {
            room: Some(room.clone()),
            name,
            minutes,
            reason: None,
        };
        let followers = self.model.followers_in(here);
        match self.rng.u32(0..3) {
            0 if role >= MODERATOR => {
                let minutes = self.rng.bool().then_some(1);
                Some(kick(self.one_of(&followers)?, minutes))
            }
            _ if role == MODERATOR && makers.is_empty() => {
                Some(RoomRequest::Hook { room: Some(room.clone()), name: "deploy".to_owned() })
            }
            _ if role == ROOM_OWNER => Some(match makers.pop() {
                Some((room, name)) if self.rng.bool() => RoomRequest::Role { room, name, role: 0 },
                Some((_, name)) => kick(name, None),
                None => {
                    let names = self.model.account_names();
                    let name = self.one_of(&names)?;
                    RoomRequest::Role { room, name, role: MODERATOR }
                }
            }),
            _ => None,
        }
    }

    /// One of the last messages of a room that it is in, mostly.
    fn delete(&mut self, number: usize) -> Request {
        if self.model.clients[&number].is_json && self.rng.u32(0..4) == 0 {
            let place = match self.read(number) {
                Request::Read { room, .. } | Request::Level { room, .. } => room,
                _ => self.room(),
            };
            let (after, before) = (self.rng.u64(0..10), self.rng.u64(1..30));
            return Request::Order(OrderRequest::Deletions { place, after, before });
        }
        let own = self.model.rooms_of_client(number);
        let room = self.one_of(&own).filter(|_| self.rng.u32(0..6) > 0);
        let room = room.unwrap_or_else(|| self.room());
        let names = self.model.names();
        let with = self.one_of(&names).filter(|_| self.rng.u32(0..4) == 0);
        let here = self.model.room_called(&room).map(|room| &self.model.kept.rooms[&room]);
        let last = here.filter(|_| with.is_none()).map_or(6, |here| here.next_id);
        let is_json = self.model.clients[&number].is_json;
        let which = match self.rng.u32(0..4) {
            0 if !is_json => Which::OwnLast,
            1 if !is_json => Which::Back(self.rng.u64(0..4)),
            _ => Which::Id(last.saturating_sub(self.rng.u64(0..6))),
        };
        let room = self.rng.bool().then_some(room);
        Request::Order(OrderRequest::Delete { room, with, which })
    }

    /// What has been read, of a room that it is in, mostly.
    fn read(&mut self, number: usize) -> Request {
        let own = self.model.rooms_of_client(number);
        let names = self.model.names();
        let room = match self.one_of(&names).filter(|_| self.rng.u32(0..4) == 0) {
            Some(name) => format!("@{name}"),
            None => self.one_of(&own).unwrap_or_else(|| self.room()),
        };
        if !self.model.clients[&number].is_json {
            return Request::Print { room: self.rng.bool().then_some(room) };
        }
        match self.rng.u32(0..6) {
            0 => Request::Unread,
            1 => Request::Level { room, level: LEVELS[self.rng.usize(..LEVELS.len())] },
            2 => Request::Read { room, id: self.rng.u64(0..20), back: true },
            _ => Request::Read { room, id: self.rng.u64(0..20), back: false },
        }
    }

    fn unread(&self, number: usize) -> Request {
        match self.model.clients[&number].is_json {
            true => Request::Unread,
            false => Request::Print { room: None },
        }
    }

    fn in_order(&mut self, number: usize) -> Request {
        let names = self.model.names();
        let name = self.one_of(&names).expect("it is there itself");
        let room = self.rng.bool().then(|| self.room());
        let minutes = match self.rng.u32(0..8) {
            0 => Some(0),
            1..6 => Some(1),
            _ => None,
        };
        let reason = self.rng.bool().then(|| "spam".to_owned());
        let (room, name) = match self.hook_maker() {
            Some((of_hook, maker)) => (Some(of_hook), maker),
            None => (room, name),
        };
        Request::Order(match self.rng.u32(0..16) {
            0..3 => OrderRequest::Mute { room, name, minutes, reason },
            3 => OrderRequest::Unmute { room, name },
            4 | 5 => OrderRequest::Ignore { name },
            6 => OrderRequest::Unignore { name },
            7..10 => self.report(number, reason),
            10..13 => OrderRequest::Ban { whom: self.whom(name), minutes, reason },
            13 | 14 => {
                let bans = &self.model.kept.bans;
                let banned: Vec<String> =
                    bans.keys().map(|target| self.model.shown_target(*target)).collect();
                let whom = self.one_of(&banned).unwrap_or(name);
                OrderRequest::Unban { whom: whom.replace("/64", "42") }
            }
            _ => OrderRequest::Bans,
        })
    }

    /// A name, or an address.
    fn whom(&mut self, name: String) -> String {
        match self.rng.u32(0..3) {
            0 => ADDRESSES[self.rng.usize(..ADDRESSES.len())].to_owned(),
            _ => name,
        }
    }

    fn report(&mut self, number: usize, reason: Option<String>) -> OrderRequest {
        let client = &self.model.clients[&number];
        let own = self.model.rooms_of_client(number);
        let room = self.one_of(&own).filter(|_| client.is_json);
        let known = room.as_ref().and_then(|name| self.model.room_called(name)).or(client.current);
        let next_id = known.map_or(1, |room| self.model.kept.rooms[&room].next_id);
        let back = self.rng.u64(0..6);
        let which = match client.is_json || self.rng.bool() {
            true => Which::Id(next_id.saturating_sub(back)),
            false => Which::Back(back),
        };
        OrderRequest::Report { room, which, reason }
    }

    /// A code may lead somewhere else, or nowhere any more.
    fn join_by_code(&mut self, number: usize) -> Request {
        let of_banned = self.model.code_of_banned().filter(|_| self.rng.bool());
        let code = of_banned.or_else(|| self.model.codes.last().cloned());
        // What is tried too often is refused, and so is too much else then.
        let code = code.filter(|_| self.model.may_try(number));
        Request::Join { room: self.room(), code }
    }
}
