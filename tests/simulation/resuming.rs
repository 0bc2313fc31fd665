//! Programs that come back by tokens: who they are then, and what others are told of it.
//!
//! Somebody who is away is a client that is told nothing, with a number that no connection has.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chat_server::clock::Now;
use chat_server::secrets::Secrets;
use serde_json::json;

use super::waiting::Target;
use super::{Dialect, Model};
use crate::known_secrets::KnownSecrets;

/// Numbers from here on are of those who are away.
const AWAY: usize = 1_000_000;

/// Who has a token.
#[derive(Clone, Debug, PartialEq)]
enum Holder {
    Here(usize),
    Gone(String),
}

#[derive(Debug)]
pub struct Token {
    shown: String,
    /// The one before, until this one has arrived.
    before: Option<String>,
    holder: Holder,
}

/// What a program says of itself as it comes.
#[derive(Clone, Debug)]
pub struct Coming {
    pub name: Option<String>,
    pub room: Option<String>,
    /// The token that it shows, if it has one.
    pub token: Option<String>,
    pub is_private: bool,
}

impl Model {
    /// A token was made: it is for this client, if that is still there.
    pub fn drew(&mut self, client: Option<(usize, Coming)>, secrets: &KnownSecrets, now: Now) {
        let token = format!("cst_{}", URL_SAFE_NO_PAD.encode(secrets.random()));
        if let Some((number, coming)) = client {
            self.come_with_token(number, &coming, token, now.unix_ms);
        }
    }

    fn come_with_token(&mut self, number: usize, coming: &Coming, token: String, time: u64) {
        let client = self.client(number);
        assert!(client.name.is_none() && !client.closed, "client {number} came twice");
        assert_eq!(client.dialect, Dialect::Json, "client {number} is taken for another kind");
        // It was silent for a while first, and has been told nothing.
        client.expected.drop_heard();
        let found = coming.token.as_ref().and_then(|shown| {
            let is_it = |it: &Token| it.shown == *shown || it.before.as_ref() == Some(shown);
            let at = self.tokens.iter().position(is_it)?;
            Some(self.tokens.swap_remove(at).holder)
        });
        let before = coming.token.clone().filter(|_| found.is_some());
        let (resumed, refusal) = match found {
            Some(Holder::Here(other)) => {
                self.move_to(other, number);
                (true, None)
            }
            Some(Holder::Gone(name)) => (false, self.take_first_name(number, Some(&name))),
            None => (false, self.take_first_name(number, coming.name.as_deref())),
        };
        let holder = Holder::Here(number);
        self.tokens.push(Token { shown: token.clone(), before, holder });
        self.push_welcome(number, coming.is_private, Some((&token, resumed)), time);
        for key in self.clients[&number].rooms.clone() {
            let room = &self.rooms[&key];
            let joined = json!({
                "type": "joined", "room": room.shown, "name": self.name(number), "time": time,
                "you": true, "position": room.next_id - 1, "gap": false,
                "members": room.members.len(), "topic": room.topic,
            });
            self.json(number, &key, joined, None);
        }
        let entered = match coming.room.as_deref() {
            None => Ok(()),
            Some(room) => self.join(number, room, None, true, None, None, time),
        };
        for code in refusal.into_iter().chain(entered.err()) {
            self.complain(number, code, None);
        }
    }

    /// Somebody is another client from now on; the one that it was is nobody.
    fn move_to(&mut self, from: usize, to: usize) {
        let old = self.client(from);
        let (name, rooms) = (old.name.take(), std::mem::take(&mut old.rooms));
        let (current, flood) = (old.current.take(), (old.tokens, old.tokens_at));
        let words = std::mem::take(&mut old.words);
        old.is_superseded = true;
        // What it has said and still waits is not done: it says it again.
        old.parked.clear();
        let new = self.client(to);
        (new.name, new.rooms, new.current) = (name, rooms, current);
        (new.tokens, new.tokens_at) = flood;
        new.words = words;
        for room in self.rooms.values_mut() {
            let members = room.members.iter_mut();
            members.filter(|member| **member == from).for_each(|member| *member = to);
        }
        self.redirect(&Target::Person(from), &Target::Person(to));
        for token in self.tokens.iter_mut().filter(|token| token.holder == Holder::Here(from)) {
            token.holder = Holder::Here(to);
        }
        if from >= AWAY {
            self.clients.remove(&from);
        }
    }

    fn has_token(&self, number: usize) -> bool {
        self.tokens.iter().any(|token| token.holder == Holder::Here(number))
    }

    /// A connection has broken: who has a token stays for a while. Whether it does.
    pub(super) fn go_away(&mut self, number: usize, now: Now) -> bool {
        if !self.has_token(number) {
            return false;
        }
        let away = AWAY + number;
        self.connect(away, Dialect::Json);
        self.move_to(number, away);
        self.client(number).is_superseded = false;
        self.absences += 1;
        let until = (now.ms + self.settings.grace_ms, self.absences);
        self.client(away).away_until = Some(until);
        true
    }

    /// Who has been away for too long leaves.
    pub fn end_absences(&mut self, now: Now) {
        loop {
            let away =
                self.clients.iter().filter_map(|(&number, it)| Some((it.away_until?, number)));
            let due = away.min().filter(|((until, _), _)| *until <= now.ms);
            let Some((_, number)) = due else { return };
            self.leave_all(number, None, now.unix_ms);
            self.end_name(number);
            self.clients.remove(&number);
        }
    }

    /// Nobody is away for longer than they may.
    pub fn check_absences(&self, now_ms: u64) {
        let until = self.clients.values().filter_map(|client| client.away_until).min();
        assert!(
            until.is_none_or(|(until, _)| until > now_ms),
            "somebody was to leave at {until:?}"
        );
    }

    /// Nobody is called that any more; who has a token may have the name again.
    pub(super) fn end_name(&mut self, number: usize) {
        let name = self.client(number).name.take();
        for token in self.tokens.iter_mut().filter(|token| token.holder == Holder::Here(number)) {
            token.holder = Holder::Gone(name.clone().expect("it was here"));
        }
    }

    /// A client has said something, so that its new token has reached it.
    pub fn proved(&mut self, number: usize) {
        let mut own = self.tokens.iter_mut().filter(|it| it.holder == Holder::Here(number));
        let before = own.next().and_then(|token| token.before.take());
        assert!(before.is_some(), "client {number} shows that it has got what it had");
    }

    /// Where what was said to a client that has gone is, if its user is away.
    pub(super) fn away_of(number: usize) -> usize {
        AWAY + number
    }
}
