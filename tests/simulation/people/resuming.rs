//! Guests who come back by their tokens: within their time as who they were, where nobody is told of
//! it, and after it, or after the server has started anew, by their names.

use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chat_server::chat::state::accounts::SecretHash;
use chat_server::chat::state::guests::TOKEN_MS;

use super::bans::network;
use super::model::{Kept, Model, Past, User};
use super::term::Term;
use super::told::Told;

/// From one address so many tokens that are not known are looked up at once.
pub const UNKNOWN_BURST: u32 = 20;
const FORGOTTEN_MAX: usize = 64;

/// A guest may come back with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// The one with which it has come back, until it has said something.
    before: Option<String>,
    name: String,
    until_ms: u64,
    /// Of who is here.
    user: Option<u64>,
}

/// What was done about a guest who has left, and holds when it comes back.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    removed: Vec<(u64, Option<u64>)>,
    mutes: Vec<(u64, Term)>,
    ignores: Vec<(u64, bool)>,
}

/// The same on a disk: the hash of the one before, the name, and until when it is good.
pub type TokenOnDisk = (Option<[u8; 32]>, String, u64);

/// A guest whose connection broke.
#[derive(Clone, Copy, Debug)]
pub struct Away {
    /// The client that it was.
    n: usize,
    until_ms: u64,
    current: Option<u64>,
    ip: IpAddr,
}

/// What a program says that wants a token: the one that it has, and where it comes from.
#[derive(Clone, Debug)]
pub struct Coming {
    pub shown: Option<String>,
    pub ip: IpAddr,
    pub is_private: bool,
}

pub fn on_disk(kept: &Kept) -> BTreeMap<[u8; 32], TokenOnDisk> {
    let hash = |token: &String| SecretHash::of(token).0;
    let tokens = kept.tokens.iter();
    tokens
        .map(|(shown, token)| {
            let Token { before, name, until_ms, .. } = token.clone();
            (hash(shown), (before.as_ref().map(hash), name, until_ms))
        })
        .collect()
}

impl Model {
    /// A client that has waited for a token has one, and is somebody.
    pub fn come_with_token(&mut self, n: usize, coming: &Coming) {
        let token = format!("cst_{}", URL_SAFE_NO_PAD.encode(self.drawn.expect("it was drawn")));
        let unknown = *self.unknown.entry(network(coming.ip)).or_default();
        let found = coming.shown.as_ref().and_then(|shown| self.find_token(shown));
        if coming.shown.is_some() && found.is_none() {
            assert!(unknown < UNKNOWN_BURST, "so many are not shown here");
            *self.unknown.entry(network(coming.ip)).or_default() += 1;
        }
        let before = coming.shown.clone().filter(|_| found.is_some());
        self.insert_client(n, coming.ip, (true, coming.is_private));
        let trace = found.as_ref().and_then(|known| self.traces.remove(known));
        let known = found.map(|known| self.kept.tokens.remove(&known).expect("it was found"));
        let mut refused = false;
        let resumed = known.as_ref().is_some_and(|token| token.user.is_some());
        match known {
            Some(Token { user: Some(user), .. }) => self.take_over(n, user),
            Some(Token { name, .. }) => {
                refused = self.name_refused(&name, 0).is_some();
                if refused { self.guest(n) } else { self.add_guest(n, name) }
            }
            None => self.guest(n),
        }
        let user = self.clients[&n].user;
        let User { name, rooms } = self.user(user).clone();
        self.clients.get_mut(&n).expect("it is there").is_unproven = before.is_some();
        let until_ms = self.unix_ms + TOKEN_MS;
        let given = Token { before, name: name.clone(), until_ms, user: Some(user) };
        self.kept.tokens.insert(token.clone(), given);
        self.resume_trace(user, trace.unwrap_or_default());
        self.forget_tokens();
        self.tell(n, Told::Welcome { name, role: None, resume: Some((token, resumed)) });
        for room in rooms.into_iter().filter(|_| resumed) {
            self.tell_in_room(n, room);
        }
        if resumed {
            self.tell_own_away(n);
        }
        if refused {
            self.tell(n, Told::Error(&["name_taken"]));
        }
        self.end_event();
    }

    /// What was done about a guest holds again.
    fn resume_trace(&mut self, guest: u64, Trace { removed, mutes, ignores }: Trace) {
        for (room, until_ms) in removed {
            if self.kept.rooms.contains_key(&room) {
                self.note(guest, room, |record| record.removed_until = until_ms);
            }
        }
        let mutes = mutes.into_iter().filter(|(room, _)| self.kept.rooms.contains_key(room));
        for (room, term) in mutes.collect::<Vec<_>>() {
            self.kept.mutes.insert((room, guest), term);
        }
        for (other, by_guest) in ignores {
            if self.all().any(|(id, _)| id == other) {
                let pair = if by_guest { (guest, other) } else { (other, guest) };
                self.kept.ignores.insert(pair);
            }
        }
    }

    /// Whether something was done about a guest who has left.
    pub fn has_traces(&self) -> bool {
        let is_empty =
            |it: &Trace| it.removed.is_empty() && it.mutes.is_empty() && it.ignores.is_empty();
        !self.traces.values().all(is_empty)
    }

    fn trace_of(&self, guest: u64) -> Trace {
        let rules =
            self.kept.rooms.iter().filter_map(|(id, room)| Some((*id, room.rules.as_ref()?)));
        let removed =
            rules.filter_map(|(id, rules)| Some((id, rules.records.get(&guest)?.removed_until)));
        let mutes = self.kept.mutes.iter().filter(|((_, of), _)| *of == guest);
        let ignores = self.kept.ignores.iter().filter_map(|(own, other)| match guest {
            guest if guest == *own => Some((*other, true)),
            guest if guest == *other => Some((*own, false)),
            _ => None,
        });
        Trace {
            removed: removed.filter(|(_, until_ms)| until_ms.is_some()).collect(),
            mutes: mutes.map(|((room, _), term)| (*room, term.clone())).collect(),
            ignores: ignores.collect(),
        }
    }

    fn find_token(&self, shown: &String) -> Option<String> {
        let is_it = |(token, it): &(&String, &Token)| {
            let is_good = it.user.is_some() || self.unix_ms < it.until_ms;
            is_good && (*token == shown || it.before.as_ref() == Some(shown))
        };
        self.kept.tokens.iter().find(is_it).map(|(token, _)| token.clone())
    }

    /// A guest is this client from now on; the one that it was, if it still is, is ended.
    fn take_over(&mut self, n: usize, user: u64) {
        let old = self.clients_of(user).into_iter().find(|old| *old != n);
        let current = match old {
            Some(old) => {
                let client = self.clients.remove(&old).expect("it is there");
                let (is_json, expected) = (client.is_json, client.expected);
                let past = Past { is_json, expected, last: usize::MAX, is_superseded: true };
                self.past.insert(old, past);
                client.current
            }
            None => self.away.remove(&user).expect("it is here").current,
        };
        let rooms = &self.user(user).rooms;
        let current = current.filter(|room| rooms.contains(room)).or(rooms.last().copied());
        let client = self.clients.get_mut(&n).expect("it has just come");
        (client.user, client.current) = (user, current);
    }

    /// A client has said something, so that it has got its new token.
    pub fn proved(&mut self, n: usize) {
        let Some(client) = self.clients.get_mut(&n) else { return };
        let user = client.user;
        if std::mem::take(&mut client.is_unproven) {
            let own = self.kept.tokens.values_mut().find(|token| token.user == Some(user));
            own.into_iter().for_each(|token| token.before = None);
            self.end_event();
        }
    }

    /// The connection of a guest broke: whether it stays for a while.
    pub fn goes_away(&mut self, n: usize) -> bool {
        let client = &self.clients[&n];
        let user = client.user;
        if !self.kept.tokens.values().any(|token| token.user == Some(user)) {
            return false;
        }
        let until_ms = self.unix_ms + self.rules.grace_ms;
        let away = Away { n, until_ms, current: client.current, ip: client.ip };
        self.away.insert(user, away);
        self.clients.remove(&n);
        true
    }

    /// Those who have been away for too long leave.
    pub fn end_absences(&mut self) {
        loop {
            let all = self.away.iter().map(|(user, away)| (away.until_ms, *user));
            let due = all.min().filter(|(until_ms, _)| *until_ms <= self.unix_ms);
            let Some((_, user)) = due else { return };
            self.end_absence(user);
            self.forget_tokens();
            self.end_event();
        }
    }

    /// Nor does the server know of tokens that are over, a few at a time.
    fn forget_tokens(&mut self) {
        let over = self.kept.tokens.iter().filter(|(_, token)| token.user.is_none());
        let over = over.filter(|(_, token)| token.until_ms <= self.unix_ms);
        let mut over: Vec<_> = over.map(|(it, token)| (token.until_ms, it.clone())).collect();
        over.sort_by_key(|(until_ms, it)| (*until_ms, SecretHash::of(it)));
        for (_, token) in over.iter().take(FORGOTTEN_MAX) {
            self.kept.tokens.remove(token);
        }
    }

    fn end_absence(&mut self, user: u64) {
        let Away { n, .. } = self.away.remove(&user).expect("it is away");
        self.end_guest(n, user);
    }

    /// Those who are away from an address that is banned leave for good.
    pub fn end_absences_from(&mut self, ip: IpAddr) {
        let from = self.away.iter().filter(|(_, away)| away.ip == ip);
        for user in from.map(|(user, _)| *user).collect::<Vec<u64>>() {
            self.end_token(user);
            self.end_absence(user);
        }
    }

    /// A guest is here no more; who has a token may have the name again.
    pub fn end_guest(&mut self, n: usize, user: u64) {
        self.leave_all(n, user);
        let token = self.kept.tokens.iter().find(|(_, token)| token.user == Some(user));
        if let Some((token, _)) = token {
            let (token, trace) = (token.clone(), self.trace_of(user));
            self.traces.insert(token, trace);
        }
        self.came_by.retain(|(guest, _)| *guest != user);
        self.forget(user);
        self.guests.remove(&user);
        self.end_away(user);
        let until_ms = self.unix_ms + TOKEN_MS;
        for token in self.kept.tokens.values_mut().filter(|token| token.user == Some(user)) {
            (token.user, token.until_ms) = (None, until_ms);
        }
    }

    /// A guest does not come back by its token.
    pub fn end_token(&mut self, user: u64) {
        self.kept.tokens.retain(|_, token| token.user != Some(user));
    }

    /// A guest who is here is called that now.
    pub fn rename_token(&mut self, user: u64, name: &str) {
        for token in self.kept.tokens.values_mut().filter(|token| token.user == Some(user)) {
            name.clone_into(&mut token.name);
        }
    }

    /// Whether one more token that is not known may be shown from an address.
    pub fn may_show(&self, ip: IpAddr) -> bool {
        self.unknown.get(&network(ip)).is_none_or(|unknown| *unknown < UNKNOWN_BURST / 2)
    }

    /// A server starts with what is kept: no guest is here.
    pub fn recover_guests(&mut self) {
        self.guests.clear();
        self.away.clear();
        self.aways.clear();
        self.came_by.clear();
        self.traces.clear();
        self.told_away.clear();
        self.kept.tokens.values_mut().for_each(|token| token.user = None);
    }

    /// A device is closed, as its guest has come back elsewhere.
    pub fn hear_of_successor(&mut self, n: usize) {
        let past = self.past.remove(&n);
        assert!(past.is_some_and(|past| past.is_superseded), "client {n} is ended");
    }
}
