//! The chat as the server knows it, with the model looking over its shoulder.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use chat_server::chat::Chat;
use chat_server::chat::ids::UserId;
use chat_server::chat::name::{Name, RoomName};
use chat_server::chat::record::{self, Event, GuestChange, Record};
use chat_server::chat::state::State;
use chat_server::clock::Millis;
use chat_server::delivery::encoding::{Dialect, Framing};
use chat_server::delivery::{Delivery, Wait};
use chat_server::ids::{ClientId, Peer, Ticket};
use chat_server::server::settings::ConnectionLimits;
use chat_server::service::{Answer, Ended, Hello, Incoming, Job, Kept, Outcome, Service};
use chat_server::wire::close::CloseReason;
use chat_server::wire::line::LineMode;

use crate::known_secrets::KnownSecrets;
use crate::late::LateStore;
use crate::model::{Coming, Heard, Model, Target};
use crate::stage::{Links, address_of, client_of};

/// The shadow is looked at once in so many turns.
const COMPARE_EVERY: usize = 32;

/// Passes everything on to the chat, and tells the model in which order it happened.
pub struct Watch {
    pub chat: Chat,
    /// Made of the chat's records alone.
    pub shadow: State,
    /// Groups of records so far.
    pub groups: usize,
    pub model: Rc<RefCell<Model>>,
    pub limits: ConnectionLimits,
    pub store: LateStore,
    pub links: Links,
    pub ids: BTreeMap<usize, ClientId>,
    /// Who is which user of the chat.
    pub users: BTreeMap<UserId, usize>,
    /// Those that wait for tokens, and what they have said of themselves.
    pub coming: BTreeMap<ClientId, Coming>,
    /// Those that have said goodbye and are about to be closed.
    pub goodbyes: BTreeSet<ClientId>,
    /// Draws what the chat draws.
    pub secrets: KnownSecrets,
    /// How many records of this turn the model has been told of.
    pub followed: usize,
    /// How many have been looked at for tokens that have arrived.
    pub proved: usize,
    /// The addresses from which people have come in at terminals, and those from which WebSockets
    /// have.
    pub terminals: BTreeSet<u8>,
    pub browsers: BTreeSet<u8>,
    /// The rooms that nobody holds up and where something waits all the same: since when, and for
    /// how many turns.
    pub idle: BTreeMap<String, (Millis, usize)>,
    /// Who is owed more than the limit because much became durable at once, and since when.
    pub flooded: BTreeMap<ClientId, Millis>,
    /// Prints all that happens.
    pub trace: bool,
}

/// The server numbers its connections from 1, and so does the model.
pub fn number(client: ClientId) -> usize {
    let shown = client.to_string();
    shown
        .strip_prefix("client ")
        .and_then(|number| number.parse().ok())
        .expect("an id shows its serial number")
}

impl Watch {
    /// The state is what the records say, and nothing else.
    pub fn compare_shadow(&self) {
        assert_eq!(self.chat.state(), &self.shadow, "the state, and what its records make");
    }

    /// Which user of the chat a client is, by its name.
    fn note_user(&mut self, number: usize) {
        let name = self.model.borrow_mut().client(number).name.clone().expect("it has come");
        let name = Name::parse(&name).expect("the model's names are names");
        if let Some(user) = self.chat.state().users().find(name.key()) {
            self.users.insert(user.id, number);
        }
    }

    /// A client may have shown that it has got its new token.
    fn note_proven(&mut self, number: usize) {
        let proven = Event::from(GuestChange::TokenProven);
        let new = &self.chat.records_so_far()[self.proved..];
        for _ in new.iter().filter(|record| record.event == proven) {
            self.model.borrow_mut().proved(number);
        }
        self.proved = self.chat.records_so_far().len();
    }

    fn compare(&self, client: ClientId, out: &Delivery) {
        let model = self.model.borrow();
        assert_eq!(
            out.channels_of(client).len(),
            model.rooms_of(number(client)),
            "rooms that {client} is in"
        );
        assert_eq!(self.chat.people(), model.people(), "people");
        assert_eq!(self.chat.rooms(), model.rooms(), "rooms");
    }

    /// Somebody who hears what is said to this and is behind, if everybody waits for them.
    fn behind(&self, target: &Target, out: &Delivery) -> Option<usize> {
        if self.limits.delivery.pace_ahead_ms.is_some() {
            return None;
        }
        let links = self.links.borrow();
        let mut audience = self.model.borrow().audience(target).into_iter();
        audience.find(|number| {
            links[number].is_behind(out.unsent_bytes(self.ids[number]), &self.limits, out.now().ms)
        })
    }

    fn is_congested(&self, target: &Target, out: &Delivery) -> bool {
        match target {
            Target::Person(number) => out.client_congested(self.ids[number]),
            Target::Room(key) => {
                let name = RoomName::parse(key).expect("the model's rooms have names");
                let room = self.chat.state().rooms().find(name.key()).expect("a known room");
                out.congested(self.chat.channel_of(room.id).expect("a room has a channel"))
            }
        }
    }

    /// What waits for a room goes on as soon as the room can: a member may have come to be no
    /// obstacle by the passing of time alone, which is looked at now and then.
    fn check_idle_rooms(&mut self, out: &Delivery) {
        let now_ms = out.now().ms;
        let turns_max = 6 + 20 * self.links.borrow().len() / self.limits.deadlines_max;
        let waited_for = self.model.borrow().waited_for();
        self.idle.retain(|key, _| waited_for.contains(key));
        for key in waited_for {
            if self.is_congested(&Target::Room(key.clone()), out) {
                self.idle.remove(&key);
                continue;
            }
            let (since, turns) = self.idle.entry(key).or_insert((now_ms, 0));
            *turns += 1;
            let is_late = now_ms > *since + self.limits.delivery.stalled_ms / 4;
            assert!(
                *turns < turns_max || !is_late,
                "nobody holds a room up, and something waits for it since {since}, now {now_ms}"
            );
        }
    }

    /// How much somebody holds who takes nothing of it, and has not been let go.
    fn held_by_stuck(&self, out: &Delivery) -> usize {
        let (links, now_ms) = (self.links.borrow(), out.now().ms);
        let is_stuck = |number: &usize| {
            let Some(link) = links.get(number) else { return false };
            let wire = link.wire.borrow();
            let since = wire.blocked_since.filter(|_| wire.write_blocked);
            wire.faults.buffer_bytes_max == 0
                && since.is_some_and(|at| at + self.limits.delivery.stalled_ms / 4 <= now_ms)
        };
        let stuck = self.ids.iter().filter(|(number, _)| is_stuck(number));
        stuck.map(|(_, &id)| out.unsent_bytes(id)).max().unwrap_or(0)
    }

    fn is_over_limit(&self, client: ClientId, out: &Delivery) -> bool {
        out.unsent_bytes(client) > self.limits.delivery.outbox_max_bytes
    }

    /// Whether a client is owed more than anybody may be. Who was freed of so much at once has its
    /// time to get below.
    fn is_guilty(&self, client: ClientId, out: &Delivery) -> bool {
        let since = self.flooded.get(&client);
        let is_late = |since: &Millis| *since + self.limits.delivery.too_slow_ms <= out.now().ms;
        self.is_over_limit(client, out) && since.is_none_or(is_late)
    }

    /// Of those who were within the limit `before` something was freed, some are over it now.
    fn note_flooded(&mut self, before: &[ClientId], out: &Delivery) {
        let flooded = before.iter().filter(|client| self.is_over_limit(**client, out));
        let flooded: Vec<ClientId> = flooded.copied().collect();
        for client in flooded {
            self.flooded.entry(client).or_insert(out.now().ms);
        }
    }

    /// Who has got below the limit is like all others.
    fn forget_flooded(&mut self, out: &Delivery) {
        let mut flooded = std::mem::take(&mut self.flooded);
        let here: BTreeSet<ClientId> = self.ids.values().copied().collect();
        flooded.retain(|client, _| here.contains(client) && self.is_over_limit(*client, out));
        self.flooded = flooded;
    }

    /// Tells the model what has been said since it was last told. Whether what `speaker` says now
    /// is among that.
    fn follow(&mut self, speaker: Option<usize>, out: &Delivery) -> bool {
        let mut is_done = false;
        for record in &self.chat.records_so_far()[self.followed..] {
            let Some((by, target, text)) = self.said(record) else { continue };
            self.store.said(text);
            assert!(!is_done, "{speaker:?} is heard before those who waited");
            if !self.model.borrow_mut().served(by, &target, text, out.now()) {
                assert_eq!(Some(by), speaker, "who says {text:?} to {target:?}");
                is_done = true;
            }
        }
        self.followed = self.chat.records_so_far().len();
        is_done
    }

    /// The chat is about to do something.
    fn begin(&mut self, out: &mut Delivery) {
        self.model.borrow_mut().losing = false;
        self.store.record(out);
    }

    /// Those for whom nothing is left that may be written are not behind.
    fn note_caught_up(&self, out: &Delivery) {
        let links = self.links.borrow();
        for (number, &client) in self.ids.iter().filter(|_| self.store.is_on()) {
            let Some(link) = links.get(number) else { continue };
            let wire = link.wire.borrow();
            if wire.dropped {
                continue;
            }
            if out.unsent_bytes(client) == 0 && wire.downlink.is_empty() && !wire.write_blocked {
                self.model.borrow_mut().client(*number).caught_up_at = out.now().ms;
            }
        }
    }

    /// Who says what to whom.
    fn said<'a>(&self, record: &'a Record) -> Option<(usize, Target, &'a str)> {
        let key = |room| {
            let room = self.chat.state().rooms().get(room).expect("it is there");
            Target::Room(room.name.as_str().to_lowercase())
        };
        let Event::Kept(kept) = &record.event else { return None };
        let (target, text) = match kept {
            record::Kept::Said { room, message, .. } => (key(*room), message.text()),
            record::Kept::TopicSet { room, topic } => (key(*room), &**topic),
            record::Kept::Direct { to, text, .. } => (Target::Person(self.users[to]), &**text),
            record::Kept::Opened { .. }
            | record::Kept::Closed { .. }
            | record::Kept::HistoryCut { .. }
            | record::Kept::MessageDeleted { .. }
            | record::Kept::Guest(_) => return None,
            kept => panic!("nobody has an account here: {kept:?}"),
        };
        Some((self.users[&record.by], target, text))
    }
}

impl Service for Watch {
    fn line_mode(&self) -> LineMode {
        self.chat.line_mode()
    }

    fn greeting(&self) -> Option<&str> {
        self.chat.greeting()
    }

    fn listens(&mut self, client: ClientId, out: &mut Delivery) {
        let number = number(client);
        {
            let links = self.links.borrow();
            let link = &links[&number];
            let established_at = link.wire.borrow().established_at;
            assert!(
                established_at.is_some_and(|at| at + self.limits.wire.withhold_ms <= out.now().ms),
                "{client} is silent for a moment only"
            );
            assert!(link.wire.borrow().first.is_empty(), "{client} has said something");
        }
        let address = address_of(number);
        assert!(
            self.terminals.contains(&address) && !self.browsers.contains(&address),
            "{client} is no terminal"
        );
        self.ids.insert(number, client);
        self.begin(out);
        self.model.borrow_mut().listens(number);
        self.chat.listens(client, out);
    }

    fn stopped_listening(&mut self, client: ClientId, out: &mut Delivery) {
        let is_guilty = self.is_guilty(client, out);
        self.model.borrow_mut().stopped_listening(number(client), is_guilty, out.now());
        self.chat.stopped_listening(client, out);
    }

    fn query_keys(&self) -> &'static [&'static str] {
        self.chat.query_keys()
    }

    fn dialect(&self, hello: &Hello<'_>) -> Dialect {
        self.chat.dialect(hello)
    }

    fn subprotocols(&self) -> &'static [&'static str] {
        self.chat.subprotocols()
    }

    fn opened(&mut self, client: ClientId, hello: &Hello<'_>, out: &mut Delivery) {
        if self.trace {
            println!("{:>7} {client} {hello:?} {:?}", out.now().ms, out.encoding(client));
        }
        assert_eq!(hello.peer, client_of(number(client)).into(), "where {client} comes from");
        self.ids.insert(number(client), client);
        self.begin(out);
        self.chat.opened(client, hello, out);
        let is_line = out.encoding(client).framing == Framing::Lines;
        let of_kind = if is_line { &mut self.terminals } else { &mut self.browsers };
        of_kind.insert(address_of(number(client)));
        let get = |key: &str| hello.query.get(key);
        let (name, room) = (get("name"), get("room"));
        if hello.query.has("resume") {
            let owned = |value: Option<&str>| value.map(str::to_owned);
            let (token, is_private) = (owned(get("resume")), hello.is_private);
            let coming = Coming { name: owned(name), room: owned(room), token, is_private };
            self.coming.insert(client, coming);
            assert!(self.waits(client, out).is_some(), "{client} comes without a token");
        } else {
            self.follow(None, out);
            let (number, time) = (number(client), out.now().unix_ms);
            let mut model = self.model.borrow_mut();
            model.opened(number, is_line, name, room, hello.is_private, time);
            drop(model);
            self.note_user(number);
        }
        self.compare(client, out);
    }

    fn take_jobs(&mut self) -> Vec<Job> {
        self.chat.take_jobs()
    }

    fn completed(&mut self, ticket: Ticket, answer: Answer, out: &mut Delivery) {
        self.begin(out);
        self.chat.completed(ticket, answer, out);
        self.follow(None, out);
        let mut waiting = self.coming.keys().copied();
        let client = waiting.find(|&client| self.chat.waits(client, out).is_none());
        let coming = client.and_then(|client| Some((client, self.coming.remove(&client)?)));
        let coming = coming.map(|(client, coming)| (number(client), coming));
        let mut model = self.model.borrow_mut();
        model.drew(coming, &self.secrets, out.now());
        drop(model);
        if let Some(client) = client {
            if self.trace {
                println!("{:>7} {client} comes with a token", out.now().ms);
            }
            self.note_user(number(client));
            self.compare(client, out);
        }
    }

    fn said_goodbye(&mut self, client: ClientId, peer: Peer, out: &mut Delivery) {
        let mut model = self.model.borrow_mut();
        let is_meant = model.client(number(client)).says_goodbye;
        assert!(is_meant, "{client} has said no goodbye");
        drop(model);
        self.begin(out);
        self.chat.said_goodbye(client, peer, out);
        self.goodbyes.insert(client);
    }

    fn take_ended(&mut self) -> Ended {
        let ended = self.chat.take_ended();
        for (client, reason) in &ended.clients {
            let is_right = self.model.borrow_mut().client(number(*client)).is_superseded;
            assert!(is_right && *reason == CloseReason::Superseded, "{client} is ended");
        }
        ended
    }

    fn waits(&self, client: ClientId, out: &Delivery) -> Option<Wait> {
        self.chat.waits(client, out)
    }

    fn waits_to_close(&self, client: ClientId) -> Option<Wait> {
        self.chat.waits_to_close(client)
    }

    fn clear(&mut self, what: Wait, out: &mut Delivery) {
        self.begin(out);
        self.chat.clear(what, out);
        if self.trace {
            println!("{:>7} {what:?} is clear", out.now().ms);
        }
        self.follow(None, out);
        if let Wait::ClientClear(client) = what
            && self.ids.get(&number(client)) != Some(&client)
        {
            self.model.borrow_mut().addressee_gone(number(client));
        }
    }

    fn message(&mut self, client: ClientId, message: Incoming<'_>, out: &mut Delivery) -> Outcome {
        assert_eq!(message.peer, client_of(number(client)).into(), "where {client} comes from");
        if self.model.borrow_mut().client(number(client)).is_superseded {
            return self.chat.message(client, message, out);
        }
        let target = self.model.borrow().said_to(number(client));
        let types_in = self.model.borrow().types_in(number(client)).map(Target::Room);
        let behind = target.as_ref().and_then(|target| self.behind(target, out));
        let is_dropped = types_in.is_some_and(|target| self.is_congested(&target, out));
        self.begin(out);
        let taken = self.chat.message(client, message, out);
        if self.trace {
            println!(
                "{:>7} {client} {taken:?} {:?}",
                out.now().ms,
                String::from_utf8_lossy(message.bytes)
            );
        }
        self.note_proven(number(client));
        if let Outcome::Blocked(Wait::Time(_)) = taken {
            self.model.borrow_mut().held_up(number(client), out.now());
        }
        let is_taken = !matches!(taken, Outcome::Blocked(_));
        let is_done = self.follow(is_taken.then_some(number(client)), out);
        if is_taken {
            assert!(
                !is_done || behind.is_none(),
                "{client} is heard although {behind:?} is behind"
            );
            if let Some(target) = target.as_ref().filter(|_| !is_done) {
                assert!(self.is_congested(target, out), "{client} waits for nothing");
            }
            let is_broken = self
                .links
                .borrow()
                .get(&number(client))
                .is_some_and(|link| link.wire.borrow().reset);
            let heard = Heard { target, is_done, is_dropped, is_broken };
            self.model.borrow_mut().took(number(client), message.bytes, heard, out.now());
        }
        self.compare(client, out);
        taken
    }

    fn held_bytes(&self) -> usize {
        self.chat.held_bytes()
    }

    fn held_bytes_of(&self, client: ClientId) -> usize {
        self.chat.held_bytes_of(client)
    }

    fn trim(&mut self) {
        self.chat.trim();
    }

    fn next_deadline(&self) -> Option<Millis> {
        [self.chat.next_deadline(), self.store.next_deadline()].into_iter().flatten().min()
    }

    fn tick(&mut self, out: &mut Delivery) {
        if self.chat.next_deadline().is_none_or(|at| at > out.now().ms) {
            return;
        }
        self.begin(out);
        self.chat.tick(out);
        self.follow(None, out);
        self.model.borrow_mut().tell_sums(out.now().unix_ms);
        self.model.borrow_mut().give_up_waiting(out.now().ms);
        self.model.borrow_mut().end_absences(out.now());
    }

    fn keep(&mut self, out: &mut Delivery) {
        self.model.borrow().check_sums(out.now().unix_ms);
        self.chat.keep(out);
        self.followed = 0;
        self.proved = 0;
        self.model.borrow().check_patience(out.now().ms);
        self.model.borrow().check_absences(out.now().ms);
        self.check_idle_rooms(out);
        for record in self.chat.take_records() {
            self.shadow.apply(record);
        }
        self.store.append(out.now().ms);
        self.note_caught_up(out);
        let losing = std::mem::take(&mut self.model.borrow_mut().losing);
        let stays = self
            .ids
            .keys()
            .find(|&&number| number <= self.store.lost_upto && self.model.borrow().is_here(number));
        assert!(!losing || stays.is_none(), "client {stays:?} knows what was lost");
        self.groups += 1;
        if self.groups.is_multiple_of(COMPARE_EVERY) {
            self.compare_shadow();
        }
    }

    fn stored(&mut self, out: &mut Delivery) -> Kept {
        self.forget_flooded(out);
        let within: Vec<ClientId> =
            self.ids.values().copied().filter(|id| !self.is_over_limit(*id, out)).collect();
        let kept = self.store.stored(&self.links, &self.ids, !self.model.borrow().calm, out);
        self.note_flooded(&within, out);
        if kept == Kept::Lost {
            self.model.borrow_mut().losing = true;
            if self.trace {
                println!("{:>7} groups are lost", out.now().ms);
            }
        }
        kept
    }

    fn closed(&mut self, client: ClientId, peer: Peer, out: &mut Delivery) {
        if !self.model.borrow().losing {
            self.store.record(out);
        }
        if self.trace {
            println!("{:>7} {client} leaves", out.now().ms);
        }
        self.ids.remove(&number(client));
        self.coming.remove(&client);
        let is_guilty = self.is_guilty(client, out);
        // So much is held while clients are let go, and only then.
        let is_let_go = out.held_bytes() > self.limits.delivery.memory_bytes_max / 8 * 7;
        let held_by_stuck = self.held_by_stuck(out);
        let mut model = self.model.borrow_mut();
        model.client(number(client)).may_be_let_go |= is_let_go;
        model.client(number(client)).held_by_stuck = held_by_stuck;
        // It may be closed for another reason before that is read.
        model.client(number(client)).says_goodbye = self.goodbyes.remove(&client);
        drop(model);
        self.chat.closed(client, peer, out);
        self.follow(None, out);
        self.model.borrow_mut().closed(number(client), is_guilty, out.now());
        self.compare(client, out);
    }
}
