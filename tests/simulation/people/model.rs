//! What there is of people and their rooms, by rules that are written down here once more, and
//! every word that each of their devices is to hear.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;
use std::net::IpAddr;

use chat_server::chat::state::accounts::SecretHash;

use super::bans::{Ban, Target};
use super::following::Followed;
use super::hooks::Hook;
use super::looking::Asked;
use super::mentions::Mentioned;
use super::order::STAFF_LOG;
use super::positions::{Place, Reading};
use super::reading::Watched;
use super::request::Request;
use super::resuming::{Away, Token, TokenOnDisk, Trace};
use super::rights::{ENTRY, Record, RoomRules, Settings, entry_of, role_name};
use super::term::Term;
use super::told::Told;

/// An account has had so many names at most that nobody else can have.
pub const RESERVED_MAX: usize = 3;
pub const RESERVED_MS: u64 = 30 * 24 * 60 * 60 * 1000;
pub const HOUR_MS: u64 = 60 * 60 * 1000;
pub const WEEK_HOURS: u64 = 7 * 24;
pub const DAY_HOURS: u64 = 24;
/// What an address may try at once, and what may be tried for an account.
pub const ADDRESS_BURST: u32 = 20;
pub const ACCOUNT_BURST: u32 = 10;

pub const OWNER: u8 = 2;
pub const ROLES: [&str; 3] = ["member", "admin", "owner"];

/// How the chat is set up.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub guests: bool,
    pub is_open: bool,
    pub rooms_max: usize,
    pub announce_below: usize,
    /// How long guests may be away.
    pub grace_ms: u64,
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
    /// Whose bot it is.
    pub owner: Option<u64>,
    pub keys: Vec<Key>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Invitation {
    pub code: String,
    pub by: u64,
    pub uses: u32,
    pub until_ms: u64,
    pub rooms: Vec<u64>,
    /// Whose password it sets, if it makes no account.
    pub resets: Option<u64>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Reserved {
    pub name: String,
    pub account: u64,
    pub until_ms: u64,
}

/// Somebody: a guest while it is connected, or an account.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    pub name: String,
    /// In the order of the chat: the one that was joined last is the last.
    pub rooms: Vec<u64>,
}

/// A room, in memory or kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Room {
    pub name: String,
    /// The id of its first message, and of the one that comes next.
    pub first_id: u64,
    pub next_id: u64,
    /// The disk knows of it.
    pub is_kept: bool,
    /// Of one that is kept for somebody.
    pub rules: Option<RoomRules>,
    /// The accounts of a conversation, if it is one.
    pub between: Option<(u64, u64)>,
}

/// What was said, in the order in which it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    pub room: u64,
    pub id: u64,
    pub name: String,
    /// The account that has said it.
    pub by: Option<u64>,
    /// The guest that has, for as long as it is here.
    pub guest: Option<u64>,
    pub text: String,
    pub mentioned: Mentioned,
}

/// What outlives the server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    pub accounts: BTreeMap<u64, Account>,
    /// Of accounts.
    pub users: BTreeMap<u64, User>,
    pub invitations: BTreeMap<u64, Invitation>,
    pub next_invitation: u64,
    pub reserved: Vec<Reserved>,
    pub guests: u64,
    /// With which guests may come back.
    pub tokens: BTreeMap<String, Token>,
    pub rooms: BTreeMap<u64, Room>,
    /// The one that was made last is the last.
    pub hooks: Vec<Hook>,
    /// The keys of what was posted, by the tokens of hooks.
    pub posted: BTreeSet<(String, String)>,
    /// Names that rooms have had: which, and until when they lead there.
    pub former: BTreeMap<String, (u64, u64)>,
    /// Rooms, and who may say nothing there. What is over may still be here, as with bans.
    pub mutes: BTreeMap<(u64, u64), Term>,
    pub bans: BTreeMap<Target, Ban>,
    /// Whom somebody ignores.
    pub ignores: BTreeSet<(u64, u64)>,
    /// Accounts that there are no more.
    pub ended: BTreeSet<u64>,
    /// By accounts and rooms.
    pub readings: BTreeMap<(u64, u64), Reading>,
    /// Accounts, rooms and messages that were read again, and whether they are for them.
    pub found_anew: BTreeMap<(u64, u64, u64), bool>,
    /// The id of the room that is opened next, and what that would be if the server started anew.
    pub next_room: u64,
    pub next_kept_room: u64,
    /// The highest id of any message of a room that is no more.
    pub ids_used: u64,
    /// So many messages have been said,
    pub said: usize,
    /// and these of them, by their rooms and ids, were deleted.
    pub deleted: BTreeSet<(u64, u64)>,
}

/// Its code, whose it is, how often it is good and until when, the rooms, and whose password it sets.
pub type InvitationOnDisk =
    (SecretHash, String, Option<u32>, Option<u64>, Vec<u64>, Option<String>);

/// The same as a disk has it.
#[derive(Debug, Default, PartialEq)]
pub struct OnDisk {
    /// Passwords, roles, and whose bots they are.
    pub accounts: BTreeMap<String, (String, u8, Option<String>)>,
    pub keys: BTreeSet<(String, u32, [u8; 32], bool)>,
    pub rooms: BTreeMap<u64, String>,
    pub next_room: u64,
    pub settings: BTreeMap<u64, Settings>,
    pub records: BTreeMap<(u64, String), Record>,
    /// Rooms and names of hooks, their tokens, and who has made them.
    pub hooks: BTreeSet<(u64, String, [u8; 32], String)>,
    pub former: BTreeMap<String, (u64, u64)>,
    pub mutes: BTreeMap<(u64, String), Term>,
    pub bans: BTreeMap<String, Ban>,
    /// Without a name: somebody who has left.
    pub ignores: Vec<(String, Option<String>)>,
    pub levels: BTreeSet<(u64, String, &'static str)>,
    pub members: BTreeSet<(u64, String)>,
    pub invitations: BTreeMap<u64, InvitationOnDisk>,
    pub reserved: BTreeMap<String, u64>,
    pub next_invitation: u64,
    pub guests: u64,
    pub tokens: BTreeMap<[u8; 32], TokenOnDisk>,
    pub said: usize,
    pub deleted: BTreeSet<(u64, u64)>,
}

/// What a request waits for that needs a secret, and what came of it.
#[derive(Clone, Debug, Default)]
pub struct Granted {
    pub ticket: u64,
    /// Whose password was tried, and which.
    pub tried: Option<(Option<u64>, String)>,
    pub random: Option<[u8; 32]>,
    pub is_owner_code: bool,
    /// The code was good when it was shown: that of somebody who was banned then is of no use.
    pub has_known_code: bool,
}

#[derive(Debug)]
pub struct Client {
    pub user: u64,
    pub key: Option<u32>,
    pub current: Option<u64>,
    pub is_private: bool,
    pub is_json: bool,
    /// It hears what is said in a response that does not end.
    pub follows: bool,
    /// One that hears some rooms alone.
    pub followed: Option<Followed>,
    /// It is at a terminal and in no room, as its first line was to log it in.
    pub is_outside: bool,
    /// It has come in from there, by the request that is served.
    pub has_come: bool,
    /// It shows what its user types, and is not sent that.
    pub is_terminal: bool,
    /// It has not shown yet that its new token has reached it.
    pub is_unproven: bool,
    pub ip: IpAddr,
    /// When it came.
    pub since_ms: u64,
    pub prompt: Option<Request>,
    /// The secret that came in the line before, if one did.
    pub typed: Option<String>,
    pub granted: Option<Granted>,
    pub asked: Option<Asked>,
    pub watched: Watched,
    /// Of a terminal that has what is unread shown.
    pub printing: Vec<Place>,
    /// At terminals: what was said last of what it has heard, and of what it had not heard when it
    /// came, by rooms.
    pub heard: BTreeMap<u64, u64>,
    pub missed: BTreeMap<u64, u64>,
    /// What it is to hear, and the number of the state in which it was said.
    pub expected: VecDeque<(usize, Told)>,
}

/// Who hears nothing new any more, and the number of the last state that was kept, if others were
/// lost.
#[derive(Debug)]
pub struct Past {
    pub is_json: bool,
    pub expected: VecDeque<(usize, Told)>,
    pub last: usize,
    /// Its guest has come back elsewhere.
    pub is_superseded: bool,
}

pub struct Model {
    pub rules: Rules,
    pub kept: Kept,
    /// All states of it since the server started, or went back to what is kept.
    pub states: Vec<Kept>,
    /// Somebody has heard of this one.
    pub shown: usize,
    pub said: Vec<Said>,
    pub guests: BTreeMap<u64, User>,
    /// Guests whose connections broke.
    pub away: BTreeMap<u64, Away>,
    /// Who says that it is away: why, and since when; and which clients were told of whom.
    pub aways: BTreeMap<u64, (String, u64)>,
    /// The invitations by which guests have come into rooms, and what was done about those who have
    /// left, by their tokens.
    pub came_by: BTreeSet<(u64, u64)>,
    pub traces: BTreeMap<String, Trace>,
    pub told_away: BTreeSet<(usize, u64)>,
    pub next_user: u64,
    pub clients: BTreeMap<usize, Client>,
    pub past: BTreeMap<usize, Past>,
    /// The clients of each account, in the order in which they came.
    pub devices: BTreeMap<u64, Vec<usize>>,
    pub told: Vec<(usize, Told)>,
    /// The client whose request is served.
    pub serves: Option<usize>,
    /// They have been told that they are banned.
    pub turned_out: Vec<usize>,
    pub unix_ms: u64,
    /// The ids of the first messages that memory has of rooms, when somebody goes back.
    pub held_from: BTreeMap<u64, u64>,
    /// All that was read is on the disk by now.
    pub is_settled: bool,
    /// How often secrets were tried from an address, and for an account: at least as often as in
    /// vain.
    pub tried: BTreeMap<IpAddr, u32>,
    pub asked: BTreeMap<u64, u32>,
    /// The same, of names that were nobody's then.
    pub asked_names: BTreeMap<String, u32>,
    /// How many tokens of guests that are not known were shown from an address.
    pub unknown: BTreeMap<IpAddr, u32>,
    /// The same of tokens of programs.
    pub unknown_programs: BTreeMap<IpAddr, u32>,
    /// Where programs went on of late that show by what they know the last event: the rooms that they
    /// ask for, and the last message of each that they have heard.
    pub resumes: VecDeque<(Vec<String>, BTreeMap<String, u64>)>,
    /// The secret that was drawn last.
    pub drawn: Option<[u8; 32]>,
    /// All that anybody was ever given to be known by, and what accounts were called.
    pub secrets: Vec<(String, bool)>,
    pub codes: Vec<String>,
    /// The tokens of all hooks that there ever were, and of those whose makers have ended.
    pub hook_tokens: Vec<String>,
    pub orphaned_hooks: Vec<String>,
    /// Those whose connections the server has found broken.
    pub broken: BTreeSet<usize>,
    /// What programs are answered that have posted something, and the number of the state that
    /// followed from it.
    pub answers: BTreeMap<usize, (usize, u16)>,
    /// Codes for passwords, and whose.
    pub resets: Vec<(String, u64)>,
    pub passwords: Vec<(String, String)>,
    pub heard: usize,
}

/// Names that cannot be told from each other have the same look.
pub fn look(name: &str) -> String {
    name.to_lowercase().replace('0', "o").replace('1', "l")
}

pub fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

pub type Done = Result<(), &'static [&'static str]>;

impl Model {
    pub fn new(rules: Rules) -> Model {
        let kept = Kept { next_invitation: 1, next_room: 1, next_kept_room: 1, ..Kept::default() };
        Model {
            rules,
            states: vec![kept.clone()],
            kept,
            shown: 0,
            said: Vec::new(),
            guests: BTreeMap::new(),
            away: BTreeMap::new(),
            aways: BTreeMap::new(),
            came_by: BTreeSet::new(),
            traces: BTreeMap::new(),
            told_away: BTreeSet::new(),
            next_user: 1,
            clients: BTreeMap::new(),
            past: BTreeMap::new(),
            devices: BTreeMap::new(),
            told: Vec::new(),
            serves: None,
            turned_out: Vec::new(),
            unix_ms: 0,
            held_from: BTreeMap::new(),
            is_settled: false,
            tried: BTreeMap::new(),
            asked: BTreeMap::new(),
            unknown: BTreeMap::new(),
            unknown_programs: BTreeMap::new(),
            resumes: VecDeque::new(),
            drawn: None,
            asked_names: BTreeMap::new(),
            secrets: Vec::new(),
            codes: Vec::new(),
            hook_tokens: Vec::new(),
            orphaned_hooks: Vec::new(),
            broken: BTreeSet::new(),
            answers: BTreeMap::new(),
            resets: Vec::new(),
            passwords: Vec::new(),
            heard: 0,
        }
    }

    // ---- Looking ----

    pub fn account_of(&self, client: usize) -> Option<&Account> {
        self.kept.accounts.get(&self.clients.get(&client)?.user)
    }

    pub fn is_account(&self, user: u64) -> bool {
        self.kept.accounts.contains_key(&user)
    }

    pub fn owner_of_bot(&self, user: u64) -> Option<u64> {
        self.kept.accounts.get(&user)?.owner
    }

    pub fn user(&self, user: u64) -> &User {
        self.kept.users.get(&user).or_else(|| self.guests.get(&user)).expect("it is somebody")
    }

    pub fn user_mut(&mut self, user: u64) -> &mut User {
        match self.kept.users.get_mut(&user) {
            Some(found) => found,
            None => self.guests.get_mut(&user).expect("it is somebody"),
        }
    }

    pub fn all(&self) -> impl Iterator<Item = (u64, &User)> {
        self.kept.users.iter().chain(&self.guests).map(|(id, user)| (*id, user))
    }

    /// The names of all who are there, and of accounts that are not connected.
    pub fn names(&self) -> Vec<String> {
        self.all().map(|(_, user)| user.name.clone()).collect()
    }

    pub fn account_names(&self) -> Vec<String> {
        self.kept.users.values().map(|user| user.name.clone()).collect()
    }

    pub fn owner_names(&self) -> Vec<String> {
        let owners = self.kept.accounts.iter().filter(|(_, account)| account.role == OWNER);
        owners.map(|(user, _)| self.user(*user).name.clone()).collect()
    }

    pub fn has_owner(&self) -> bool {
        self.kept.accounts.values().any(|account| account.role == OWNER)
    }

    pub fn find(&self, name: &str) -> Option<u64> {
        self.all().find(|(_, user)| same(&user.name, name)).map(|(id, _)| id)
    }

    pub fn account_called(&self, name: &str) -> Option<u64> {
        self.find(name).filter(|user| self.is_account(*user))
    }

    pub fn room_called(&self, name: &str) -> Option<u64> {
        self.kept.rooms.iter().find(|(_, room)| same(&room.name, name)).map(|(id, _)| *id)
    }

    pub fn is_in(&self, user: u64, room: u64) -> bool {
        self.user(user).rooms.contains(&room)
    }

    pub fn members(&self, room: u64) -> usize {
        self.all().filter(|(_, user)| user.rooms.contains(&room)).count()
    }

    /// The clients that hear what is said in a room: those of its members, and nobody else.
    pub fn hearers(&self, room: u64) -> Vec<usize> {
        let hears = |n: &usize, client: &Client| {
            !self.turned_out.contains(n) && self.is_in(client.user, room)
        };
        self.clients.iter().filter(|(n, client)| hears(n, client)).map(|(n, _)| *n).collect()
    }

    pub fn clients_of(&self, user: u64) -> Vec<usize> {
        match self.is_account(user) {
            true => self.devices.get(&user).cloned().unwrap_or_default(),
            false => {
                let own = self.clients.iter().filter(|(_, client)| client.user == user);
                own.map(|(n, _)| *n).collect()
            }
        }
    }

    pub fn others(&self, n: usize) -> Vec<usize> {
        let user = self.clients[&n].user;
        match self.is_account(user) {
            true => self.clients_of(user).into_iter().filter(|other| *other != n).collect(),
            false => Vec::new(),
        }
    }

    // ---- Telling ----

    pub fn tell(&mut self, n: usize, told: Told) {
        self.told.push((n, told));
    }

    pub fn announce(&mut self, n: usize, room: u64, is_coming: bool, told: &Told) {
        for other in self.audience(n, room, is_coming) {
            self.tell(other, told.clone());
        }
    }

    /// The others who are told of what a client does in a room.
    pub fn audience(&self, n: usize, room: u64, is_coming: bool) -> Vec<usize> {
        let members = self.members(room) + usize::from(is_coming);
        if !(2..=self.rules.announce_below).contains(&members) {
            return Vec::new();
        }
        self.hearers(room).into_iter().filter(|other| *other != n).collect()
    }

    pub fn tell_account(&mut self, n: usize) {
        let user = self.clients[&n].user;
        let role = self.kept.accounts.get(&user).map(|account| ROLES[usize::from(account.role)]);
        let User { name, rooms } = self.user(user).clone();
        let rooms = rooms.iter().map(|room| self.kept.rooms[room].name.clone()).collect();
        self.tell(n, Told::Account { name, role, rooms });
    }

    pub fn tell_in_room(&mut self, n: usize, id: u64) {
        let user = self.clients[&n].user;
        let name = self.user(user).name.clone();
        let Room { name: room, next_id, .. } = self.kept.rooms[&id].clone();
        let (members, position) = (self.members(id), next_id - 1);
        let entry = entry_of(self.settings(id)[ENTRY]);
        let role = role_name(self.role_in(user, id));
        let unread = self.unread(user, id);
        self.tell(n, Told::InRoom { room, name, members, position, entry, role, unread });
    }

    /// What has happened is one state of what is kept, and all that was told follows from it.
    pub fn end_event(&mut self) {
        if self.states.last() != Some(&self.kept) {
            self.states.push(self.kept.clone());
        }
        let state = self.states.len() - 1;
        for (n, told) in mem::take(&mut self.told) {
            if let Some(client) = self.clients.get_mut(&n)
                && (client.followed.is_none() || Followed::predicts(&told))
            {
                client.expected.push_back((state, told));
            }
        }
        for n in mem::take(&mut self.turned_out) {
            let client = self.clients.get_mut(&n).expect("it is told first");
            let (is_json, expected) = (client.is_json, mem::take(&mut client.expected));
            let past = Past { is_json, expected, last: usize::MAX, is_superseded: false };
            self.past.insert(n, past);
            self.closed(n);
        }
        self.check_names();
        self.check_staff();
    }

    /// No two are called alike.
    pub fn check_names(&self) {
        let mut looks = BTreeSet::new();
        for (_, user) in self.all() {
            assert!(looks.insert(look(&user.name)), "two are called {}", user.name);
        }
    }

    /// Nobody but the staff is where the staff is told what has been done.
    fn check_staff(&self) {
        let Some(room) = self.room_called(STAFF_LOG) else { return };
        for (id, user) in self.all() {
            let is_staff = self.kept.accounts.get(&id).is_some_and(|account| account.role > 0);
            assert_eq!(is_staff, user.rooms.contains(&room), "{} in {STAFF_LOG}", user.name);
        }
    }
}

/// Why nobody of this name can have this password.
pub fn weak(password: &str, name: &str) -> Option<&'static [&'static str]> {
    let is_weak = password.chars().count() < 8 || password.eq_ignore_ascii_case(name);
    is_weak.then_some(&["password_refused"])
}
