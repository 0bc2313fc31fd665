//! What there is of people and their rooms, by rules that are written down here once more, and
//! every word that each of their devices is to hear.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chat_server::chat::state::accounts::SecretHash;
use chat_server::secrets::{code_of, read_code};
use chat_server::store::StoredPeople;
use serde_json::Value;

use super::request::{Needs, Request};
use super::told::Told;
use crate::disk::Disk;

/// An account has had so many names at most that nobody else can have.
const RESERVED_MAX: usize = 3;
const RESERVED_MS: u64 = 30 * 24 * 60 * 60 * 1000;
const HOUR_MS: u64 = 60 * 60 * 1000;
const WEEK_HOURS: u64 = 7 * 24;
/// What an address may try at once, and what may be tried for an account.
const ADDRESS_BURST: u32 = 20;
const ACCOUNT_BURST: u32 = 10;

const OWNER: u8 = 2;

/// Where the staff is told what has been done, and in whose name.
const STAFF_LOG: &str = "#staff-log";
const SERVER: &str = "server";
const ROOM_OWNER: u8 = 2;
const ROLES: [&str; 3] = ["member", "admin", "owner"];

/// How the chat is set up.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub guests: bool,
    pub is_open: bool,
    pub rooms_max: usize,
    pub announce_below: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    pub id: u32,
    pub secret: String,
    pub is_token: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    pub password: String,
    pub role: u8,
    pub keys: Vec<Key>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Invitation {
    pub code: String,
    by: u64,
    uses: u32,
    until_ms: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct Reserved {
    name: String,
    account: u64,
    until_ms: u64,
}

/// Somebody: a guest while it is connected, or an account.
#[derive(Clone, Debug, PartialEq)]
struct User {
    name: String,
    /// In the order of the chat: the one that was joined last is the last.
    rooms: Vec<String>,
}

/// What outlives the server.
#[derive(Clone, Debug, Default, PartialEq)]
struct Kept {
    accounts: BTreeMap<u64, Account>,
    /// Of accounts.
    users: BTreeMap<u64, User>,
    invitations: BTreeMap<u64, Invitation>,
    next_invitation: u64,
    reserved: Vec<Reserved>,
    /// The rooms that accounts have made, which are for accounts, and whose they are.
    owners: BTreeMap<String, Option<u64>>,
    guests: u64,
    /// So many messages have been said.
    said: usize,
}

/// The same as a disk has it.
#[derive(Debug, Default, PartialEq)]
struct OnDisk {
    accounts: BTreeMap<String, (String, u8)>,
    keys: BTreeSet<(String, u32, [u8; 32], bool)>,
    members: BTreeSet<(String, String)>,
    invitations: BTreeMap<u64, (SecretHash, String, Option<u32>, Option<u64>)>,
    reserved: BTreeMap<String, u64>,
    /// Rooms that are kept for somebody, and their owners.
    owners: BTreeMap<String, Option<String>>,
    next_invitation: u64,
    guests: u64,
    said: usize,
}

/// What a request waits for that needs a secret, and what came of it.
#[derive(Clone, Debug, Default)]
struct Granted {
    ticket: u64,
    /// Whose password was tried, and which.
    tried: Option<(Option<u64>, String)>,
    random: Option<[u8; 32]>,
    is_owner_code: bool,
}

#[derive(Debug)]
pub struct Client {
    pub user: u64,
    pub key: Option<u32>,
    pub current: Option<String>,
    pub is_private: bool,
    pub is_json: bool,
    ip: IpAddr,
    prompt: Option<Request>,
    granted: Option<Granted>,
    /// What it is to hear, and the number of the state in which it was said.
    expected: VecDeque<(usize, Told)>,
}

/// Who hears nothing new any more, and the number of the last state that was kept.
#[derive(Debug)]
struct Past {
    is_json: bool,
    expected: VecDeque<(usize, Told)>,
    last: usize,
}

pub struct Model {
    rules: Rules,
    kept: Kept,
    /// All states of it since the server started, or went back to what is kept.
    states: Vec<Kept>,
    /// Somebody has heard of this one.
    shown: usize,
    /// Rooms, authors and texts, in the order in which they were said.
    said: Vec<(String, String, String)>,
    guests: BTreeMap<u64, User>,
    next_user: u64,
    pub clients: BTreeMap<usize, Client>,
    past: BTreeMap<usize, Past>,
    /// The clients of each account, in the order in which they came.
    devices: BTreeMap<u64, Vec<usize>>,
    told: Vec<(usize, Told)>,
    unix_ms: u64,
    /// How often secrets were tried from an address, and for an account: at least as often as in
    /// vain.
    tried: BTreeMap<IpAddr, u32>,
    asked: BTreeMap<u64, u32>,
    /// The same, of names that were nobody's then.
    asked_names: BTreeMap<String, u32>,
    /// All that anybody was ever given to be known by, and what accounts were called.
    pub secrets: Vec<(String, bool)>,
    pub codes: Vec<String>,
    pub passwords: Vec<(String, String)>,
    pub heard: usize,
}

/// Names that cannot be told from each other have the same look.
fn look(name: &str) -> String {
    name.to_lowercase().replace('0', "o").replace('1', "l")
}

fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

type Done = Result<(), &'static [&'static str]>;

impl Model {
    pub fn new(rules: Rules) -> Model {
        let kept = Kept { next_invitation: 1, ..Kept::default() };
        Model {
            rules,
            states: vec![kept.clone()],
            kept,
            shown: 0,
            said: Vec::new(),
            guests: BTreeMap::new(),
            next_user: 1,
            clients: BTreeMap::new(),
            past: BTreeMap::new(),
            devices: BTreeMap::new(),
            told: Vec::new(),
            unix_ms: 0,
            tried: BTreeMap::new(),
            asked: BTreeMap::new(),
            asked_names: BTreeMap::new(),
            secrets: Vec::new(),
            codes: Vec::new(),
            passwords: Vec::new(),
            heard: 0,
        }
    }

    // ---- Looking ----

    pub fn account_of(&self, client: usize) -> Option<&Account> {
        self.kept.accounts.get(&self.clients.get(&client)?.user)
    }

    fn is_account(&self, user: u64) -> bool {
        self.kept.accounts.contains_key(&user)
    }

    fn user(&self, user: u64) -> &User {
        self.kept.users.get(&user).or_else(|| self.guests.get(&user)).expect("it is somebody")
    }

    fn user_mut(&mut self, user: u64) -> &mut User {
        match self.kept.users.get_mut(&user) {
            Some(found) => found,
            None => self.guests.get_mut(&user).expect("it is somebody"),
        }
    }

    fn all(&self) -> impl Iterator<Item = (u64, &User)> {
        self.kept.users.iter().chain(&self.guests).map(|(id, user)| (*id, user))
    }

    /// The names of all who are there, and of accounts that are not connected.
    pub fn names(&self) -> Vec<String> {
        self.all().map(|(_, user)| user.name.clone()).collect()
    }

    pub fn account_names(&self) -> Vec<String> {
        self.kept.users.values().map(|user| user.name.clone()).collect()
    }

    pub fn has_owner(&self) -> bool {
        self.kept.accounts.values().any(|account| account.role == OWNER)
    }

    fn find(&self, name: &str) -> Option<u64> {
        self.all().find(|(_, user)| same(&user.name, name)).map(|(id, _)| id)
    }

    fn account_called(&self, name: &str) -> Option<u64> {
        self.find(name).filter(|user| self.is_account(*user))
    }

    fn members(&self, room: &str) -> usize {
        self.all().filter(|(_, user)| user.rooms.iter().any(|one| one == room)).count()
    }

    /// The clients that hear what is said in a room: those of its members, and nobody else.
    fn hearers(&self, room: &str) -> Vec<usize> {
        let hears = |client: &Client| self.user(client.user).rooms.iter().any(|one| one == room);
        self.clients.iter().filter(|(_, client)| hears(client)).map(|(n, _)| *n).collect()
    }

    fn clients_of(&self, user: u64) -> Vec<usize> {
        match self.is_account(user) {
            true => self.devices.get(&user).cloned().unwrap_or_default(),
            false => {
                let own = self.clients.iter().filter(|(_, client)| client.user == user);
                own.map(|(n, _)| *n).collect()
            }
        }
    }

    fn others(&self, n: usize) -> Vec<usize> {
        let user = self.clients[&n].user;
        match self.is_account(user) {
            true => self.clients_of(user).into_iter().filter(|other| *other != n).collect(),
            false => Vec::new(),
        }
    }

    fn position(&self, room: &str) -> u64 {
        self.said.iter().filter(|(one, ..)| one == room).count() as u64
    }

    // ---- Telling ----

    fn tell(&mut self, n: usize, told: Told) {
        self.told.push((n, told));
    }

    fn announce(&mut self, n: usize, room: &str, is_coming: bool, told: &Told) {
        let members = self.members(room) + usize::from(is_coming);
        if (2..=self.rules.announce_below).contains(&members) {
            for other in self.hearers(room).into_iter().filter(|other| *other != n) {
                self.tell(other, told.clone());
            }
        }
    }

    fn tell_account(&mut self, n: usize) {
        let user = self.clients[&n].user;
        let role = self.kept.accounts.get(&user).map(|account| ROLES[usize::from(account.role)]);
        let User { name, rooms } = self.user(user).clone();
        self.tell(n, Told::Account { name, role, rooms });
    }

    fn tell_in_room(&mut self, n: usize, room: &str) {
        let name = self.user(self.clients[&n].user).name.clone();
        let (members, position) = (self.members(room), self.position(room));
        self.tell(n, Told::InRoom { room: room.to_owned(), name, members, position });
    }

    /// What has happened is one state of what is kept, and all that was told follows from it.
    fn end_event(&mut self) {
        if self.states.last() != Some(&self.kept) {
            self.states.push(self.kept.clone());
        }
        let state = self.states.len() - 1;
        for (n, told) in mem::take(&mut self.told) {
            if let Some(client) = self.clients.get_mut(&n) {
                client.expected.push_back((state, told));
            }
        }
        self.check_names();
    }

    /// No two are called alike.
    fn check_names(&self) {
        let mut looks = BTreeSet::new();
        for (_, user) in self.all() {
            assert!(looks.insert(look(&user.name)), "two are called {}", user.name);
        }
    }

    // ---- Hearing ----

    /// A device hears something.
    pub fn hear(&mut self, n: usize, heard: &str) {
        let past = self.past.get_mut(&n);
        let (is_json, expected, last) = match (self.clients.get_mut(&n), past) {
            (Some(client), _) => (client.is_json, &mut client.expected, usize::MAX),
            (None, Some(past)) => (past.is_json, &mut past.expected, past.last),
            (None, None) => panic!("client {n} hears {heard:?} when it is nobody any more"),
        };
        if !is_json && Told::is_notice(heard) {
            return;
        }
        if is_json && heard.starts_with("{\"type\":\"read\"") {
            return self.hear_of_reading(heard);
        }
        let fits = |told: &Told| match is_json {
            true => told.fits_object(heard),
            false => told.fits_line(heard),
        };
        let Some(at) = place_of(expected, is_json, fits) else {
            panic!("client {n} was to hear {:?}, and hears {heard:?}", expected.front());
        };
        let (state, _) = expected.remove(at).expect("it is there");
        assert!(state <= last, "client {n} was told, and it was not kept: {heard:?}");
        if last == usize::MAX {
            self.shown = self.shown.max(state);
        }
        self.heard += 1;
    }

    /// A device hears what its account has read: not more than was said.
    fn hear_of_reading(&self, heard: &str) {
        let heard: Value = serde_json::from_str(heard).expect("an object");
        let number = |field: &str| heard[field].as_u64().expect("a number");
        let said = self.position(heard["room"].as_str().expect("a room"));
        assert!(number("id") + number("unread") <= said, "{said} were said: {heard}");
        assert!(number("mentions") <= number("unread"), "{heard}");
    }

    /// What a device has not heard yet.
    pub fn unheard(&self, n: usize) -> Vec<&Told> {
        let client = self.clients.get(&n);
        client.into_iter().flat_map(|client| &client.expected).map(|(_, told)| told).collect()
    }

    // ---- What happens ----

    pub fn at(&mut self, unix_ms: u64) {
        self.unix_ms = unix_ms;
    }

    fn guest(&mut self, n: usize) {
        loop {
            self.kept.guests += 1;
            let name = format!("guest-{}", self.kept.guests);
            if self.all().all(|(_, user)| look(&user.name) != look(&name)) {
                let user = self.next_user;
                self.next_user += 1;
                self.guests.insert(user, User { name, rooms: Vec::new() });
                let client = self.clients.get_mut(&n).expect("it is there");
                (client.user, client.key, client.current) = (user, None, None);
                return;
            }
        }
    }

    fn attach(&mut self, n: usize, account: u64) {
        self.detach(n);
        self.devices.entry(account).or_default().push(n);
        self.clients.get_mut(&n).expect("it is there").user = account;
    }

    fn detach(&mut self, n: usize) {
        for devices in self.devices.values_mut() {
            devices.retain(|device| *device != n);
        }
        self.clients.get_mut(&n).expect("it is there").key = None;
    }

    fn find_key(&self, secret: &str) -> Option<(u64, u32)> {
        self.kept.accounts.iter().find_map(|(user, account)| {
            let key = account.keys.iter().find(|key| key.secret == secret)?;
            Some((*user, key.id))
        })
    }

    pub fn opened(
        &mut self,
        n: usize,
        ip: IpAddr,
        (is_json, is_private): (bool, bool),
        shown: Option<&str>,
    ) {
        let client = Client {
            user: 0,
            key: None,
            current: None,
            is_private,
            is_json,
            ip,
            prompt: None,
            granted: None,
            expected: VecDeque::new(),
        };
        self.clients.insert(n, client);
        match shown.and_then(|secret| self.find_key(secret)) {
            Some((account, key)) => {
                self.attach(n, account);
                let current = self.user(account).rooms.last().cloned();
                let client = self.clients.get_mut(&n).expect("it is there");
                (client.key, client.current) = (Some(key), current);
            }
            None => self.guest(n),
        }
        if is_json {
            let user = self.clients[&n].user;
            let account = self.kept.accounts.get(&user);
            let role = account.map(|account| ROLES[usize::from(account.role)]);
            let User { name, rooms } = self.user(user).clone();
            self.tell(n, Told::Welcome { name, role });
            let is_account = role.is_some();
            for room in rooms.into_iter().filter(|_| is_account) {
                self.tell_in_room(n, &room);
            }
        }
        self.end_event();
    }

    /// A client has come where it wanted to. `was_unknown`: what it has shown was nobody's.
    pub fn settled(&mut self, n: usize, was_unknown: bool) {
        let Some(client) = self.clients.get(&n) else { return };
        let (is_json, user) = (client.is_json, client.user);
        let mut entered = Ok(());
        if !self.may(user) {
            if !is_json {
                self.tell(n, Told::TurnedAway);
            }
        } else if !is_json {
            entered = self.enter(n, "#lobby").map(drop);
            let name = self.user(user).name.clone();
            self.tell(n, Told::Welcome { name, role: None });
        }
        if was_unknown {
            self.tell(n, Told::Error(&["session_ended"]));
        }
        if let Err(codes) = entered {
            self.tell(n, Told::Error(codes));
        }
        self.end_event();
    }

    pub fn is_known(&self, secret: &str) -> bool {
        self.find_key(secret).is_some()
    }

    fn may(&self, user: u64) -> bool {
        self.rules.guests || self.is_account(user)
    }

    pub fn closed(&mut self, n: usize) {
        let Some(user) = self.clients.get(&n).map(|client| client.user) else { return };
        if !self.is_account(user) {
            self.leave_all(n, user);
            self.guests.remove(&user);
        }
        self.detach(n);
        self.clients.remove(&n);
        self.end_event();
    }

    // ---- Rooms ----

    /// Whether it is new there.
    fn enter(&mut self, n: usize, room: &str) -> Result<bool, &'static [&'static str]> {
        let user = self.clients[&n].user;
        let rooms = &self.user(user).rooms;
        let is_new = !rooms.iter().any(|one| one == room);
        if is_new {
            if rooms.len() >= self.rules.rooms_max {
                return Err(&["too_many_rooms"]);
            }
            self.make_or_knock(user, room)?;
            self.join(n, user, room);
        }
        self.clients.get_mut(&n).expect("it is there").current = Some(room.to_owned());
        Ok(is_new)
    }

    /// What an account makes is for accounts, and stays.
    fn make_or_knock(&mut self, user: u64, room: &str) -> Done {
        let is_account = self.is_account(user);
        let is_owned = self.kept.owners.contains_key(room);
        if is_owned && !is_account {
            return Err(&["login_required"]);
        }
        let is_there = is_owned || self.members(room) > 0 || self.position(room) > 0;
        if is_account && !is_there && room != "#lobby" {
            self.kept.owners.insert(room.to_owned(), Some(user));
        }
        Ok(())
    }

    /// The rooms of an account that ends are those of the oldest account there, and gone if there is
    /// none and nothing was said.
    fn hand_rooms_on(&mut self, user: u64) {
        let owners = mem::take(&mut self.kept.owners);
        let heir = |room: &str| {
            let is_in = |one: &User| one.rooms.iter().any(|one| one == room);
            self.kept.users.iter().find(|(id, one)| **id != user && is_in(one)).map(|(id, _)| *id)
        };
        let after = owners.into_iter().filter_map(|(room, owner)| {
            if owner != Some(user) {
                return Some((room, owner));
            }
            let heir = heir(&room);
            let is_of_use =
                heir.is_some() || self.members(&room) + self.position(&room) as usize > 0;
            is_of_use.then_some((room, heir))
        });
        self.kept.owners = after.collect();
    }

    fn join(&mut self, n: usize, user: u64, room: &str) {
        let joined = Told::Joined { room: room.to_owned(), name: self.user(user).name.clone() };
        self.announce(n, room, true, &joined);
        self.user_mut(user).rooms.push(room.to_owned());
        for other in self.clients_of(user).into_iter().filter(|other| *other != n) {
            let client = self.clients.get_mut(&other).expect("it is there");
            client.current.get_or_insert_with(|| room.to_owned());
        }
    }

    fn leave(&mut self, n: usize, user: u64, room: &str) {
        let left = Told::Left { room: room.to_owned(), name: self.user(user).name.clone() };
        self.announce(n, room, false, &left);
        let rooms = &mut self.user_mut(user).rooms;
        let at = rooms.iter().position(|one| one == room).expect("it is in");
        rooms.swap_remove(at);
        let last = rooms.last().cloned();
        for client in self.clients.values_mut().filter(|client| client.user == user) {
            if client.current.as_deref() == Some(room) {
                client.current.clone_from(&last);
            }
        }
    }

    fn leave_all(&mut self, n: usize, user: u64) {
        for room in self.user(user).rooms.clone() {
            self.leave(n, user, &room);
        }
    }

    fn room_of(&self, n: usize, room: Option<&str>) -> Result<String, &'static [&'static str]> {
        let client = &self.clients[&n];
        match room {
            None => client.current.clone().ok_or(&["no_room"]),
            Some(room) if self.user(client.user).rooms.iter().any(|one| one == room) => {
                Ok(room.to_owned())
            }
            Some(_) => Err(&["not_in_room", "no_such_room"]),
        }
    }

    // ---- Requests ----

    fn read(&self, n: usize, text: &str) -> Request {
        let client = &self.clients[&n];
        match &client.prompt {
            Some(prompt) => prompt.answered(text),
            None => Request::read(text, client.is_json),
        }
    }

    /// A request waits for a secret.
    pub fn grant(&mut self, n: usize, text: &str, ticket: u64) {
        if self.clients[&n].granted.as_ref().is_some_and(|granted| granted.ticket == ticket) {
            return;
        }
        let request = self.read(n, text);
        let tried = match &request {
            Request::Login { name, password: Some(password) } => {
                Some((self.account_called(name), password.clone()))
            }
            Request::Password { old: Some(password), .. }
            | Request::Delete { password: Some(password) } => {
                Some((Some(self.clients[&n].user), password.clone()))
            }
            _ => None,
        };
        match (&request, &tried) {
            (_, Some((Some(account), _))) => *self.asked.entry(*account).or_default() += 1,
            (Request::Login { name, .. }, Some((None, _))) => {
                *self.asked_names.entry(name.to_lowercase()).or_default() += 1;
            }
            _ => {}
        }
        let client = self.clients.get_mut(&n).expect("it is there");
        if tried.is_some() || matches!(request, Request::Register { .. }) {
            *self.tried.entry(client.ip).or_default() += 1;
        }
        let tried = tried.map(|(user, password)| {
            let is_right = user.is_some_and(|user| {
                self.kept.accounts.get(&user).is_some_and(|account| account.password == password)
            });
            (user.filter(|_| is_right), password)
        });
        client.granted = Some(Granted { ticket, tried, ..Granted::default() });
    }

    /// What came of it.
    pub fn drew(&mut self, ticket: u64, random: [u8; 32], is_owner_code: bool) {
        let of = |client: &&mut Client| {
            client.granted.as_ref().is_some_and(|granted| granted.ticket == ticket)
        };
        if let Some(client) = self.clients.values_mut().find(of) {
            let granted = client.granted.as_mut().expect("it has");
            (granted.random, granted.is_owner_code) = (Some(random), is_owner_code);
        }
    }

    /// A request has been served. `is_skipped`: of those that only ask, as nobody would hear it.
    pub fn served(&mut self, n: usize, text: &str, skips: bool) {
        let Some(client) = self.clients.get(&n) else { return };
        let is_prompted = client.prompt.is_some();
        let request = self.read(n, text);
        if skips && !request.concerns_others() {
            return;
        }
        let client = self.clients.get_mut(&n).expect("it is there");
        let granted = client.granted.take();
        if is_prompted {
            client.prompt = None;
        }
        if let Err(codes) = self.serve(n, &request, granted) {
            self.tell(n, Told::Error(codes));
        }
        self.end_event();
    }

    fn serve(&mut self, n: usize, request: &Request, granted: Option<Granted>) -> Done {
        let user = self.clients[&n].user;
        let role = self.kept.accounts.get(&user).map(|account| account.role);
        match request.needs() {
            Needs::Nothing => {}
            Needs::Guest if self.may(user) => {}
            _ if role.is_none() => return Err(&["login_required"]),
            Needs::Owner if role != Some(OWNER) => return Err(&["not_allowed"]),
            _ => {}
        }
        if request.waits(self.clients[&n].is_private) && granted.is_none() {
            // It was refused before anything was tried.
            if let Some(codes) = self.refused(n, request) {
                return Err(codes);
            }
            self.check_throttle(n, request);
            return Err(&["too_many_attempts", "busy"]);
        }
        self.execute(n, request, &granted.unwrap_or_default())
    }

    /// Nobody is turned away who has not tried often.
    fn check_throttle(&self, n: usize, request: &Request) {
        let client = &self.clients[&n];
        let account = match request {
            Request::Login { name, .. } => self.account_called(name),
            _ => Some(client.user),
        };
        let wrong = account.and_then(|account| self.asked.get(&account)).copied().unwrap_or(0);
        let name = match request {
            Request::Login { name, .. } => self.asked_names.get(&name.to_lowercase()),
            _ => None,
        };
        let wrong = wrong.max(name.copied().unwrap_or(0));
        let tried = self.tried.get(&client.ip).copied().unwrap_or(0);
        assert!(
            tried >= ADDRESS_BURST || wrong >= ACCOUNT_BURST,
            "{request:?} of client {n} is refused after {tried} and {wrong}"
        );
    }

    /// Why a request is refused before a password is looked at.
    fn refused(&self, n: usize, request: &Request) -> Option<&'static [&'static str]> {
        let client = &self.clients[&n];
        match request {
            Request::Login { .. } | Request::Delete { .. } if !client.is_private => {
                Some(&["not_private"])
            }
            Request::Password { new: Some(new), .. } => match client.is_private {
                true => weak(new, &self.user(client.user).name),
                false => Some(&["not_private"]),
            },
            Request::Register { name, password, code } => {
                if !client.is_private {
                    return Some(&["not_private"]);
                }
                let name_refused = self.name_refused(name, client.user);
                name_refused
                    .or_else(|| weak(password.as_deref()?, name))
                    .or_else(|| self.code_refused(code.as_deref()))
            }
            _ => None,
        }
    }

    fn name_refused(&self, name: &str, user: u64) -> Option<&'static [&'static str]> {
        let is_alike = |other: &str| look(other) == look(name);
        let taken = self.all().any(|(id, other)| id != user && is_alike(&other.name));
        let holds = |one: &Reserved| one.account != user && self.unix_ms < one.until_ms;
        let is_reserved = self.kept.reserved.iter().any(|one| holds(one) && is_alike(&one.name));
        (taken || is_reserved).then_some(&["name_taken"])
    }

    fn code_refused(&self, code: Option<&str>) -> Option<&'static [&'static str]> {
        match code {
            None if self.rules.is_open => None,
            None => Some(&["code_required"]),
            Some(code) => read_code(code).is_none().then_some(&["code_refused"]),
        }
    }

    fn execute(&mut self, n: usize, request: &Request, granted: &Granted) -> Done {
        match request {
            Request::Nothing => Ok(()),
            Request::Say { room, text } => self.say(n, room.as_deref(), text),
            Request::Direct { to, text } => self.direct(n, to, text),
            Request::Join { room } => {
                let is_new = self.enter(n, room)?;
                self.tell_in_room(n, room);
                for other in self.others(n).into_iter().filter(|_| is_new) {
                    self.tell_in_room(other, room);
                }
                Ok(())
            }
            Request::Leave { room } => {
                let (room, user) = (self.room_of(n, room.as_deref())?, self.clients[&n].user);
                if room == STAFF_LOG {
                    return Err(&["not_allowed"]);
                }
                self.leave(n, user, &room);
                let name = self.user(user).name.clone();
                let left = Told::LeftYou { room, name };
                self.tell_all_of(n, &left);
                Ok(())
            }
            Request::Nick { name } => self.nick(n, name),
            Request::Login { .. } | Request::Token { .. } => self.login(n, request, granted),
            Request::Register { .. } => self.register(n, request, granted),
            Request::Logout => {
                self.logout(n);
                Ok(())
            }
            Request::Account => {
                self.tell_account(n);
                Ok(())
            }
            Request::Password { .. } => self.set_password(n, request, granted),
            Request::Delete { .. } => self.delete(n, request, granted),
            Request::MakeToken | Request::MakeCookie => self.make_key(n, request, granted),
            Request::EndSession { id } => self.end_session(n, *id),
            Request::Sessions => {
                self.tell_sessions(n);
                Ok(())
            }
            Request::Invite { uses } => self.invite(n, *uses, granted),
            Request::Uninvite { id } => {
                let user = self.clients[&n].user;
                if self.kept.invitations.get(id).is_none_or(|one| one.by != user) {
                    return Err(&["no_such_invitation"]);
                }
                self.kept.invitations.remove(id);
                self.tell(n, Told::Done("end_invitation"));
                Ok(())
            }
            Request::Role { name, role } => self.set_role(n, name, *role),
        }
    }

    fn tell_all_of(&mut self, n: usize, told: &Told) {
        for other in self.others(n) {
            self.tell(other, told.clone());
        }
        self.tell(n, told.clone());
    }

    fn say(&mut self, n: usize, room: Option<&str>, text: &str) -> Done {
        self.check_secrets(text)?;
        let room = self.room_of(n, room)?;
        let name = self.user(self.clients[&n].user).name.clone();
        self.said_in(&room, &name, text);
        Ok(())
    }

    fn said_in(&mut self, room: &str, name: &str, text: &str) {
        self.said.push((room.to_owned(), name.to_owned(), text.to_owned()));
        self.kept.said += 1;
        let id = self.position(room);
        for hearer in self.hearers(room) {
            let (room, name, text) = (room.to_owned(), name.to_owned(), text.to_owned());
            self.tell(hearer, Told::Said { room, id, name, text });
        }
    }

    /// The staff is told of an act, if there is any.
    fn log(&mut self, text: &str) {
        if self.has_owner() {
            self.said_in(STAFF_LOG, SERVER, text);
        }
    }

    /// An account is in the staff's room exactly if its role says so.
    fn follow_role(&mut self, n: usize, user: u64) {
        let is_staff = self.kept.accounts[&user].role > 0;
        let is_in = self.user(user).rooms.iter().any(|room| room == STAFF_LOG);
        let devices = self.clients_of(user);
        let own = devices.first().copied().unwrap_or(n);
        if is_staff && !is_in {
            self.kept.owners.entry(STAFF_LOG.to_owned()).or_insert(None);
            self.join(own, user, STAFF_LOG);
            for device in devices {
                let client = self.clients.get_mut(&device).expect("it is there");
                client.current.get_or_insert_with(|| STAFF_LOG.to_owned());
                self.tell_in_room(device, STAFF_LOG);
            }
        } else if is_in && !is_staff {
            self.leave(own, user, STAFF_LOG);
            let name = self.user(user).name.clone();
            for device in devices {
                let (room, name) = (STAFF_LOG.to_owned(), name.clone());
                self.tell(device, Told::LeftYou { room, name });
            }
        }
    }

    /// What would let others in is not said.
    fn check_secrets(&self, text: &str) -> Done {
        let keys = self.kept.accounts.values().flat_map(|account| &account.keys);
        match keys.filter(|key| key.is_token).any(|key| text.contains(&key.secret)) {
            true => Err(&["not_said"]),
            false => Ok(()),
        }
    }

    fn direct(&mut self, n: usize, to: &str, text: &str) -> Done {
        self.check_secrets(text)?;
        let user = self.find(to).ok_or(&["no_such_name"][..])?;
        let (receivers, own) = (self.clients_of(user), self.clients[&n].user);
        let (from, to) = (self.user(own).name.clone(), self.user(user).name.clone());
        let text = text.to_owned();
        let is_kept = self.is_account(own) && self.is_account(user);
        if receivers.is_empty() && !is_kept {
            return Err(&["not_connected"]);
        }
        let id = is_kept.then(|| {
            let between = format!("@{}:{}", own.min(user), own.max(user));
            self.said.push((between.clone(), from.clone(), text.clone()));
            self.kept.said += 1;
            self.position(&between)
        });
        let (of_sender, of_other) = (self.is_account(own), self.is_account(user));
        let told = |sent| Told::Direct {
            from: from.clone(),
            to: to.clone(),
            id,
            text: text.clone(),
            sent,
            marks_guest: if sent { of_sender && !of_other } else { of_other && !of_sender },
        };
        for receiver in receivers.into_iter().filter(|_| user != own) {
            self.tell(receiver, told(false));
        }
        self.tell_all_of(n, &told(true));
        Ok(())
    }

    fn nick(&mut self, n: usize, name: &str) -> Done {
        let user = self.clients[&n].user;
        if let Some(codes) = self.name_refused(name, user) {
            return Err(codes);
        }
        let from = self.user(user).name.clone();
        if from != name {
            self.rename(n, user, name);
            if self.is_account(user) {
                self.reserve(&from, name, user);
            }
        }
        let told = Told::RenamedYou { from, to: name.to_owned() };
        self.tell_all_of(n, &told);
        Ok(())
    }

    fn rename(&mut self, n: usize, user: u64, name: &str) {
        let User { name: from, rooms } = self.user(user).clone();
        for room in rooms {
            let (from, to) = (from.clone(), name.to_owned());
            self.announce(n, &room.clone(), false, &Told::Renamed { room, from, to });
        }
        self.user_mut(user).name = name.to_owned();
    }

    /// An account had the first name and has the second.
    fn reserve(&mut self, before: &str, name: &str, user: u64) {
        let reserved = &mut self.kept.reserved;
        if !same(before, name) {
            let until_ms = self.unix_ms + RESERVED_MS;
            reserved.retain(|one| look(&one.name) != look(before));
            reserved.push(Reserved { name: before.to_owned(), account: user, until_ms });
        }
        reserved.retain(|one| !same(&one.name, name));
        let mut own: Vec<Reserved> =
            reserved.iter().filter(|one| one.account == user).cloned().collect();
        own.sort_by_key(|one| (one.until_ms, one.name.to_lowercase()));
        for one in &own[..own.len().saturating_sub(RESERVED_MAX)] {
            reserved.retain(|other| other.name != one.name);
        }
    }

    // ---- Becoming somebody ----

    fn login(&mut self, n: usize, request: &Request, granted: &Granted) -> Done {
        let user = self.clients[&n].user;
        if self.is_account(user) {
            return Err(&["logged_in"]);
        }
        let (account, key) = match request {
            Request::Token { token } => {
                let (account, key) = self.find_key(token).ok_or(&["login_failed"][..])?;
                (account, Some(key))
            }
            Request::Login { password: None, .. } => {
                if self.clients[&n].is_private {
                    self.clients.get_mut(&n).expect("it is there").prompt = Some(request.clone());
                }
                return Ok(());
            }
            Request::Login { name, .. } => {
                let account = self.account_called(name);
                match account.filter(|_| self.is_right(account, granted)) {
                    Some(account) => (account, None),
                    None => return Err(&["login_failed"]),
                }
            }
            _ => unreachable!("it is a login"),
        };
        self.become_account(n, account);
        self.clients.get_mut(&n).expect("it is there").key = key;
        self.tell_account(n);
        if self.clients[&n].is_json {
            for room in self.user(account).rooms.clone() {
                self.tell_in_room(n, &room);
            }
        }
        Ok(())
    }

    /// Whether the password that was tried is the one that this account has now.
    fn is_right(&self, account: Option<u64>, granted: &Granted) -> bool {
        let Some((Some(tried), password)) = &granted.tried else { return false };
        account == Some(*tried)
            && self.kept.accounts.get(tried).is_some_and(|now| now.password == *password)
    }

    fn become_account(&mut self, n: usize, account: u64) {
        let guest = self.clients[&n].user;
        let (rooms, current) = (self.user(guest).rooms.clone(), self.clients[&n].current.clone());
        let has = self.user(account).rooms.clone();
        let free = self.rules.rooms_max.saturating_sub(has.len());
        let new: Vec<String> =
            rooms.into_iter().filter(|room| !has.contains(room)).take(free).collect();
        for room in &new {
            self.join(n, account, room);
        }
        self.leave_all(n, guest);
        self.guests.remove(&guest);
        self.attach(n, account);
        let rooms = &self.user(account).rooms;
        let current = current.filter(|room| rooms.contains(room)).or(rooms.last().cloned());
        self.clients.get_mut(&n).expect("it is there").current = current;
        for room in new {
            for other in self.others(n) {
                self.tell_in_room(other, &room);
            }
        }
    }

    fn register(&mut self, n: usize, request: &Request, granted: &Granted) -> Done {
        let Request::Register { name, password, code } = request else { return Ok(()) };
        let user = self.clients[&n].user;
        if self.is_account(user) {
            return Err(&["logged_in"]);
        }
        if let Some(codes) = self.name_refused(name, user).or(self.code_refused(code.as_deref())) {
            return Err(codes);
        }
        let Some(password) = password else {
            if !self.clients[&n].is_private {
                return Err(&["not_private"]);
            }
            self.clients.get_mut(&n).expect("it is there").prompt = Some(request.clone());
            return Ok(());
        };
        let code = code.as_deref().and_then(read_code);
        let of_code = |(_, one): &(&u64, &Invitation)| {
            Some(&one.code) == code.as_ref() && self.unix_ms < one.until_ms
        };
        let invitation = self.kept.invitations.iter().find(of_code).map(|(id, _)| *id);
        let role = if code.is_some() && invitation.is_none() {
            if !granted.is_owner_code {
                return Err(&["code_refused"]);
            }
            OWNER
        } else {
            0
        };
        self.rename(n, user, name);
        let made = self.guests.remove(&user).expect("it was a guest");
        self.kept.users.insert(user, made);
        let account = Account { password: password.clone(), role, keys: Vec::new() };
        self.kept.accounts.insert(user, account);
        if let Some(id) = invitation {
            let invitation = self.kept.invitations.get_mut(&id).expect("it is there");
            invitation.uses -= 1;
            if invitation.uses == 0 {
                self.kept.invitations.remove(&id);
            }
        }
        self.passwords.push((name.clone(), password.clone()));
        self.attach(n, user);
        if role == OWNER {
            self.follow_role(n, user);
            self.log(&format!("{name} is owner of this server."));
        }
        self.tell_account(n);
        Ok(())
    }

    // ---- Being nobody again ----

    fn become_guest(&mut self, n: usize) {
        self.detach(n);
        self.guest(n);
    }

    fn end_device(&mut self, n: usize) {
        self.become_guest(n);
        self.tell(n, Told::Error(&["session_ended"]));
        self.tell_account(n);
    }

    fn logout(&mut self, n: usize) {
        let key = self.clients[&n].key;
        let keys = &self.account_of(n).expect("it is an account").keys;
        let key = key.filter(|id| keys.iter().any(|key| key.id == *id && !key.is_token));
        if let Some(key) = key {
            self.end_key(n, key);
        }
        self.become_guest(n);
        if !self.clients[&n].is_json && self.rules.guests {
            let _ = self.enter(n, "#lobby");
        }
        self.tell_account(n);
    }

    /// All who have come by a key, but the one that asks, are guests again.
    fn end_key(&mut self, n: usize, key: u32) {
        let user = self.clients[&n].user;
        let keys = &mut self.kept.accounts.get_mut(&user).expect("it is an account").keys;
        keys.retain(|one| one.id != key);
        for other in self.others(n) {
            if self.clients[&other].key == Some(key) {
                self.end_device(other);
            }
        }
    }

    fn set_password(&mut self, n: usize, request: &Request, granted: &Granted) -> Done {
        let Request::Password { old, new } = request else { return Ok(()) };
        let (Some(_), Some(new)) = (old, new) else {
            if !self.clients[&n].is_private {
                return Err(&["not_private"]);
            }
            self.clients.get_mut(&n).expect("it is there").prompt = Some(request.clone());
            return Ok(());
        };
        let user = self.clients[&n].user;
        if !self.is_right(Some(user), granted) {
            return Err(&["login_failed"]);
        }
        let account = self.kept.accounts.get_mut(&user).expect("it is an account");
        account.password.clone_from(new);
        let here = self.clients[&n].key;
        account.keys.retain(|key| key.is_token || Some(key.id) == here);
        let stay: Vec<u32> = account.keys.iter().map(|key| key.id).collect();
        self.passwords.push((self.user(user).name.clone(), new.clone()));
        for other in self.others(n) {
            if !self.clients[&other].key.is_some_and(|key| stay.contains(&key)) {
                self.end_device(other);
            }
        }
        self.tell(n, Told::Done("password"));
        Ok(())
    }

    fn owners(&self) -> usize {
        self.kept.accounts.values().filter(|account| account.role == OWNER).count()
    }

    fn delete(&mut self, n: usize, request: &Request, granted: &Granted) -> Done {
        if *request == (Request::Delete { password: None }) {
            if !self.clients[&n].is_private {
                return Err(&["not_private"]);
            }
            self.clients.get_mut(&n).expect("it is there").prompt = Some(request.clone());
            return Ok(());
        }
        let user = self.clients[&n].user;
        if !self.is_right(Some(user), granted) {
            return Err(&["login_failed"]);
        }
        if self.kept.accounts[&user].role == OWNER && self.owners() == 1 {
            return Err(&["not_allowed"]);
        }
        for other in self.others(n) {
            self.end_device(other);
        }
        self.leave_all(n, user);
        self.log(&format!("The account {} has ended.", self.user(user).name));
        self.hand_rooms_on(user);
        let gone = self.kept.users.remove(&user).expect("it is there");
        self.kept.accounts.remove(&user);
        self.kept.invitations.retain(|_, invitation| invitation.by != user);
        let until_ms = self.unix_ms + RESERVED_MS;
        self.kept.reserved.retain(|one| look(&one.name) != look(&gone.name));
        self.kept.reserved.push(Reserved { name: gone.name, account: user, until_ms });
        self.become_guest(n);
        self.tell(n, Told::Done("delete_account"));
        self.tell_account(n);
        Ok(())
    }

    // ---- Keys, invitations, roles ----

    fn make_key(&mut self, n: usize, request: &Request, granted: &Granted) -> Done {
        let is_token = *request == Request::MakeToken;
        if !is_token && !self.clients[&n].is_private {
            return Err(&["not_private"]);
        }
        let random = URL_SAFE_NO_PAD.encode(granted.random.expect("it was drawn"));
        let secret = if is_token { format!("cst_{random}") } else { random };
        assert!(self.secrets.iter().all(|(other, _)| *other != secret), "{secret} comes again");
        self.secrets.push((secret.clone(), is_token));
        let user = self.clients[&n].user;
        let keys = &mut self.kept.accounts.get_mut(&user).expect("it is an account").keys;
        let id = keys.last().map_or(1, |key| key.id + 1);
        keys.push(Key { id, secret: secret.clone(), is_token });
        match is_token {
            true => self.tell(n, Told::Token { token: secret, id }),
            false => {
                self.clients.get_mut(&n).expect("it is there").key = Some(id);
                self.tell(n, Told::Cookie { id });
            }
        }
        Ok(())
    }

    fn end_session(&mut self, n: usize, id: u32) -> Done {
        let keys = &self.account_of(n).expect("it is an account").keys;
        if !keys.iter().any(|key| key.id == id) {
            return Err(&["no_such_session"]);
        }
        self.end_key(n, id);
        self.tell(n, Told::Done("end_session"));
        if self.clients[&n].key == Some(id) {
            self.become_guest(n);
            self.tell_account(n);
        }
        Ok(())
    }

    fn tell_sessions(&mut self, n: usize) {
        let user = self.clients[&n].user;
        let by = |id: u32| {
            let devices = self.clients_of(user);
            devices.into_iter().filter(|one| self.clients[one].key == Some(id)).count()
        };
        let keys = &self.kept.accounts[&user].keys;
        let sessions = keys.iter().map(|key| (key.id, key.is_token, by(key.id))).collect();
        self.tell(n, Told::Sessions(sessions));
    }

    fn invite(&mut self, n: usize, uses: u32, granted: &Granted) -> Done {
        let shown = code_of(&granted.random.expect("it was drawn"));
        let code = read_code(&shown).expect("it is a code");
        self.codes.push(shown.clone());
        let (id, by) = (self.kept.next_invitation, self.clients[&n].user);
        self.kept.next_invitation += 1;
        let until_ms = self.unix_ms + WEEK_HOURS * HOUR_MS;
        self.kept.invitations.insert(id, Invitation { code, by, uses, until_ms });
        self.tell(n, Told::Invitation { code: shown, id, uses });
        Ok(())
    }

    fn set_role(&mut self, n: usize, name: &str, role: u8) -> Done {
        let user = self.find(name).ok_or(&["no_such_name"][..])?;
        if !self.is_account(user) {
            return Err(&["no_account"]);
        }
        if user == self.clients[&n].user && role != OWNER && self.owners() == 1 {
            return Err(&["not_allowed"]);
        }
        let account = self.kept.accounts.get_mut(&user).expect("it is there");
        if mem::replace(&mut account.role, role) != role {
            self.follow_role(n, user);
            let by = self.user(self.clients[&n].user).name.clone();
            let (name, role) = (self.user(user).name.clone(), ROLES[usize::from(role)]);
            self.log(&format!("{by} made {name} {role} of this server."));
        }
        self.tell(n, Told::Done("role"));
        for other in self.clients_of(user).into_iter().filter(|other| *other != n) {
            self.tell_account(other);
        }
        Ok(())
    }

    // ---- What is kept ----

    fn on_disk(&self, kept: &Kept) -> OnDisk {
        let name = |user: &u64| kept.users[user].name.clone();
        let keys = kept.accounts.iter().flat_map(|(user, account)| {
            let keys = account.keys.iter();
            keys.map(|key| (name(user), key.id, SecretHash::of(&key.secret).0, key.is_token))
        });
        let members = kept.users.values();
        let members = members
            .flat_map(|user| user.rooms.iter().map(|room| (room.clone(), user.name.clone())));
        let invitations = kept.invitations.iter().map(|(id, one)| {
            let until_ms = Some(one.until_ms);
            (*id, (SecretHash::of(&one.code), name(&one.by), Some(one.uses), until_ms))
        });
        OnDisk {
            accounts: kept
                .accounts
                .iter()
                .map(|(user, account)| {
                    (name(user), (format!("hash of {}", account.password), account.role))
                })
                .collect(),
            keys: keys.collect(),
            members: members.collect(),
            invitations: invitations.collect(),
            reserved: kept.reserved.iter().map(|one| (one.name.clone(), one.until_ms)).collect(),
            owners: kept
                .owners
                .iter()
                .map(|(room, owner)| (room.clone(), owner.as_ref().map(name)))
                .collect(),
            next_invitation: kept.next_invitation,
            guests: kept.guests,
            said: kept.said,
        }
    }

    /// The server starts with what the disk has: a state that there was, and not before the last of
    /// which anybody has heard. `is_new`: it is another server.
    pub fn recover(&mut self, disk: &Disk, is_new: bool) {
        let (people, rooms) = (disk.people(), disk.room_names());
        let found = read_disk(disk, &people, &rooms);
        let same = self.states.iter().rposition(|kept| self.on_disk(kept) == found);
        let Some(at) = same else {
            let last = self.states.last().expect("there is one");
            panic!("what is kept never was so: {found:#?}\nand not {:#?}", self.on_disk(last));
        };
        assert!(
            self.shown <= at,
            "what somebody was told is lost: {:#?}\nwas {:#?}",
            found,
            self.on_disk(&self.states[self.shown])
        );
        self.kept = self.states.swap_remove(at);
        self.said.truncate(self.kept.said);
        for ((room, name, text), (_, kept, message)) in self.said.iter().zip(&disk.log().said) {
            // The numbers of accounts are others here.
            let place = |room: &str| if room.starts_with('@') { "@" } else { room }.to_owned();
            let kept = (place(kept), &*message.author, &*message.text);
            assert_eq!(kept, (place(room), &**name, &**text), "what was said");
        }
        for user in self.kept.users.values_mut() {
            let account = people.accounts.iter().find(|one| *one.name == *user.name);
            let account = account.expect("they are the same").account;
            let own = people.members.iter().filter(|(_, of)| *of == account);
            user.rooms = own.map(|(room, _)| rooms[room].to_string()).collect();
        }
        self.states = vec![self.kept.clone()];
        self.shown = 0;
        self.guests.clear();
        self.devices.clear();
        self.past.clear();
        for (n, client) in mem::take(&mut self.clients) {
            let Client { is_json, expected, .. } = client;
            self.past.insert(n, Past { is_json, expected, last: at });
        }
        if is_new {
            self.past.clear();
            self.tried.clear();
            self.asked.clear();
            self.asked_names.clear();
        }
    }
}

/// Where what is heard stands among what is to be heard. What is said in one room comes in its order,
/// and between rooms there is none; what one device alone is told comes after all that was said
/// before, and before what is said later.
fn place_of(
    expected: &VecDeque<(usize, Told)>,
    is_json: bool,
    fits: impl Fn(&Told) -> bool,
) -> Option<usize> {
    let mut rooms = Vec::new();
    for (at, (_, told)) in expected.iter().enumerate() {
        let Some(room) = told.published_in() else {
            return (at == 0 && fits(told)).then_some(at);
        };
        // People are not told in which room that is, so it may come in the order of any.
        let is_anywhere = !is_json && matches!(told, Told::Renamed { .. });
        if (is_anywhere || !rooms.contains(&room)) && fits(told) {
            return Some(at);
        }
        if !is_anywhere {
            rooms.push(room);
        }
    }
    None
}

fn read_disk(disk: &Disk, people: &StoredPeople, rooms: &BTreeMap<u64, Box<str>>) -> OnDisk {
    let names: BTreeMap<u64, &str> =
        people.accounts.iter().map(|account| (account.account, &*account.name)).collect();
    let name = |account: u64| names[&account].to_owned();
    let keys = people.keys.iter();
    let invitations = people.invitations.iter();
    OnDisk {
        accounts: people
            .accounts
            .iter()
            .map(|account| {
                let password = account.password.as_deref().unwrap_or_default().to_owned();
                (account.name.to_string(), (password, account.role))
            })
            .collect(),
        keys: keys.map(|key| (name(key.account), key.key, key.hash, key.is_token)).collect(),
        members: people
            .members
            .iter()
            .map(|(room, account)| (rooms[room].to_string(), name(*account)))
            .collect(),
        invitations: invitations
            .map(|one| {
                (one.invitation, (SecretHash(one.hash), name(one.by), one.uses, one.until_ms))
            })
            .collect(),
        reserved: people.reserved.iter().map(|one| (one.name.to_string(), one.until_ms)).collect(),
        owners: people
            .rules
            .rooms
            .iter()
            .map(|one| {
                let mut records = people.rules.records.iter();
                let owner = records.find(|it| it.room == one.room && it.role == ROOM_OWNER);
                (rooms[&one.room].to_string(), owner.map(|it| name(it.account)))
            })
            .collect(),
        next_invitation: people.next_invitation,
        guests: disk.guests(),
        said: disk.log().said.len(),
    }
}

/// Why nobody of this name can have this password.
fn weak(password: &str, name: &str) -> Option<&'static [&'static str]> {
    let is_weak = password.chars().count() < 8 || password.eq_ignore_ascii_case(name);
    is_weak.then_some(&["password_refused"])
}
