//! What the chat has taken and has not done yet, as a room or somebody is behind.

use std::collections::BTreeSet;

use chat_server::clock::Now;

use crate::ask::{Ask, Sent};

use super::Model;

/// Private messages of one client that may wait.
const DIRECTS_MAX: usize = 3;

/// What something is said to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Room(String),
    Person(usize),
}

/// What became of a message that the chat has taken.
#[derive(Clone, Debug)]
pub struct Heard {
    /// What it is said to, if it can be said.
    pub target: Option<Target>,
    /// It has been said.
    pub is_done: bool,
    /// It shows who types in a room that is behind.
    pub is_dropped: bool,
    /// Nothing reaches its sender any more.
    pub is_broken: bool,
}

#[derive(Debug)]
pub struct Parked {
    pub target: Target,
    sent: Sent,
    /// How much its sender had said lately, in messages.
    rank: f64,
    since: u64,
    order: u64,
}

impl Model {
    /// What the next message of a client is said to, if it can be said.
    pub fn said_to(&self, number: usize) -> Option<Target> {
        match &self.clients[&number].sent.front()?.ask {
            Ask::Say { room, text, .. } if !text.trim().is_empty() => {
                self.room_of(number, room.as_deref()).ok().map(Target::Room)
            }
            Ask::Topic { room, text: Some(_) } => {
                self.room_of(number, room.as_deref()).ok().map(Target::Room)
            }
            Ask::Direct { to, text } if !text.trim().is_empty() => {
                let is_here = |to: &usize| self.clients[to].away_until.is_none();
                self.named(to).filter(|&to| to != number).filter(is_here).map(Target::Person)
            }
            _ => None,
        }
    }

    /// The room to which the next message of a client shows that it types.
    pub fn types_in(&self, number: usize) -> Option<String> {
        match &self.clients[&number].sent.front()?.ask {
            Ask::Typing { room } => self.room_of(number, room.as_deref()).ok(),
            _ => None,
        }
    }

    /// Those who hear what is said to this, the speaker perhaps included.
    pub fn audience(&self, target: &Target) -> Vec<usize> {
        match target {
            Target::Room(key) => {
                let members = self.rooms[key].members.iter().copied();
                members.filter(|member| self.clients[member].away_until.is_none()).collect()
            }
            Target::Person(number) => vec![*number],
        }
    }

    pub(super) fn park(&mut self, number: usize, target: Target, sent: Sent, now: Now) {
        let (order, burst) = (self.parked, self.rate.map(|(burst, _)| burst));
        let client = self.client(number);
        let is_direct = |parked: &Parked| matches!(parked.target, Target::Person(_));
        let directs = client.parked.iter().filter(|parked| is_direct(parked)).count();
        if directs >= DIRECTS_MAX && matches!(target, Target::Person(_)) {
            return self.complain(number, "busy", sent.reference);
        }
        let before = client.parked.iter().rev().find(|parked| parked.target == target);
        let spent = burst.map_or(0.0, |burst| burst - client.tokens);
        let rank = before.map_or(spent, |before| before.rank.max(spent));
        client.parked.push(Parked { target, sent, rank, since: now.ms, order });
        self.parked += 1;
    }

    /// Something was said. Whether it had been parked: then it was its turn.
    pub fn served(&mut self, number: usize, target: &Target, text: &str, now: Now) -> bool {
        let parked = &self.clients[&number].parked;
        let Some(at) = parked.iter().position(|parked| parked.target == *target) else {
            return false;
        };
        let rank = parked[at].rank;
        let all = self.clients.values().flat_map(|client| &client.parked);
        let others = all.filter(|other| other.target == *target);
        let least = others.map(|other| other.rank).fold(rank, f64::min);
        assert!(rank < least + 0.01, "client {number} has said {rank}, and another {least}");
        let Parked { mut sent, .. } = self.client(number).parked.remove(at);
        match (&mut sent.ask, target) {
            (Ask::Say { room, text: said, .. }, Target::Room(key)) => {
                assert_eq!(said, text, "what client {number} said first, and what was said");
                *room = Some(key.clone());
            }
            (Ask::Topic { room, text: Some(said) }, Target::Room(key)) => {
                assert_eq!(said, text, "what client {number} said first, and what was set");
                *room = Some(key.clone());
            }
            (Ask::Direct { to, text: said }, Target::Person(other)) => {
                assert_eq!(said, text, "what client {number} said first, and what was told");
                *to = self.name(*other);
            }
            (ask, target) => panic!("client {number} said {ask:?} to {target:?}"),
        }
        if let Err(code) = self.act(number, sent.ask, sent.reference, now.unix_ms) {
            panic!("what client {number} said is refused with {code}");
        }
        true
    }

    /// What was to be said to somebody who has gone is answered.
    pub fn addressee_gone(&mut self, gone: usize) {
        let away = Model::away_of(gone);
        let is_away = self.clients.contains_key(&away);
        self.answer(|parked| parked.target == Target::Person(gone), "no_such_name");
        let code = if is_away { "not_connected" } else { "no_such_name" };
        self.answer(|parked| parked.target == Target::Person(away), code);
    }

    /// What waits for somebody waits for it as another client.
    pub(super) fn redirect(&mut self, from: &Target, to: &Target) {
        let parked = self.clients.values_mut().flat_map(|client| &mut client.parked);
        for parked in parked.filter(|parked| parked.target == *from) {
            parked.target = to.clone();
        }
    }

    /// Private messages that have waited long enough are answered.
    pub fn give_up_waiting(&mut self, now_ms: u64) {
        let patience_ms = self.settings.direct_patience_ms;
        let is_due = |parked: &Parked| {
            matches!(parked.target, Target::Person(_)) && parked.since + patience_ms <= now_ms
        };
        self.answer(is_due, "busy");
    }

    /// The rooms for which something waits.
    pub fn waited_for(&self) -> BTreeSet<String> {
        let parked = self.clients.values().flat_map(|client| &client.parked);
        let rooms = parked.filter_map(|parked| match &parked.target {
            Target::Room(key) => Some(key.clone()),
            Target::Person(_) => None,
        });
        rooms.collect()
    }

    /// Nothing waits for longer than it may.
    pub fn check_patience(&self, now_ms: u64) {
        for (number, client) in &self.clients {
            for parked in &client.parked {
                let waited_ms = now_ms - parked.since;
                let is_room = matches!(parked.target, Target::Room(_));
                let is_patient = is_room || waited_ms <= self.settings.direct_patience_ms;
                assert!(is_patient, "client {number} waits for {waited_ms} ms: {parked:?}");
            }
        }
    }

    fn answer(&mut self, which: impl Fn(&Parked) -> bool, code: &'static str) {
        let numbers: Vec<usize> = self.clients.keys().copied().collect();
        for number in numbers {
            for sent in self.take_parked(number, &which) {
                self.complain(number, code, sent.reference);
            }
        }
    }

    /// What still waits is given back to somebody who leaves a room, or all.
    pub(super) fn give_back(&mut self, number: usize, key: Option<&str>) {
        let is_back =
            |parked: &Parked| key.is_none_or(|key| parked.target == Target::Room(key.to_owned()));
        for sent in self.take_parked(number, is_back) {
            self.complain(number, "not_said", sent.reference);
        }
    }

    fn take_parked(&mut self, number: usize, which: impl Fn(&Parked) -> bool) -> Vec<Sent> {
        let parked = std::mem::take(&mut self.client(number).parked);
        let (mut taken, rest): (Vec<Parked>, _) = parked.into_iter().partition(which);
        self.client(number).parked = rest;
        taken.sort_by_key(|parked| parked.order);
        taken.into_iter().map(|parked| parked.sent).collect()
    }
}
