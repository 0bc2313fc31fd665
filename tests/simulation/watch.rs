//! The chat as the server knows it, with the model looking over its shoulder.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use chat_server::chat::Chat;
use chat_server::chat::state::State;
use chat_server::clock::Millis;
use chat_server::delivery::encoding::{Dialect, Framing};
use chat_server::delivery::{Delivery, Wait};
use chat_server::ids::{ClientId, Peer};
use chat_server::server::settings::ConnectionLimits;
use chat_server::service::{Hello, Incoming, Outcome, Service};
use chat_server::wire::line::LineMode;

use crate::model::Model;
use crate::stage::{Links, address_of};

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
    pub links: Links,
    pub ids: BTreeMap<usize, ClientId>,
    /// The addresses from which people have come in at terminals, and those from which WebSockets
    /// have.
    pub terminals: BTreeSet<u8>,
    pub browsers: BTreeSet<u8>,
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

    /// Somebody who hears this client and is behind, if everybody waits for them.
    fn behind(&self, client: ClientId, out: &Delivery) -> Option<usize> {
        if self.limits.delivery.pace_ahead_ms.is_some() {
            return None;
        }
        let links = self.links.borrow();
        let mut audience = self.model.borrow().audience(number(client)).into_iter();
        audience.find(|number| {
            links[number].is_behind(out.unsent_bytes(self.ids[number]), &self.limits, out.now().ms)
        })
    }
}

impl Service for Watch {
    fn line_mode(&self) -> LineMode {
        self.chat.line_mode()
    }

    fn greeting(&self) -> Option<&'static str> {
        self.chat.greeting()
    }

    fn listens(&mut self, client: ClientId, out: &mut Delivery) {
        let number = number(client);
        {
            let links = self.links.borrow();
            let link = &links[&number];
            let established_at = link.wire.borrow().established_at;
            assert!(
                established_at.is_some_and(|at| at + self.limits.wire.hold_ms <= out.now().ms),
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
        self.model.borrow_mut().listens(number);
        self.chat.listens(client, out);
    }

    fn stopped_listening(&mut self, client: ClientId, out: &mut Delivery) {
        let is_over_limit = out.unsent_bytes(client) > self.limits.delivery.outbox_max_bytes;
        self.model.borrow_mut().stopped_listening(number(client), is_over_limit, out.now());
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
        self.ids.insert(number(client), client);
        self.chat.opened(client, hello, out);
        let is_line = out.encoding(client).framing == Framing::Lines;
        let of_kind = if is_line { &mut self.terminals } else { &mut self.browsers };
        of_kind.insert(address_of(number(client)));
        let (name, room) = (hello.query.get("name"), hello.query.get("room"));
        self.model.borrow_mut().opened(number(client), is_line, name, room, out.now().unix_ms);
        self.compare(client, out);
    }

    fn waits(&self, client: ClientId, out: &Delivery) -> Option<Wait> {
        self.chat.waits(client, out)
    }

    fn message(&mut self, client: ClientId, message: Incoming<'_>, out: &mut Delivery) -> Outcome {
        let behind = self.behind(client, out);
        let taken = self.chat.message(client, message, out);
        if self.trace {
            println!(
                "{:>7} {client} {taken:?} {:?}",
                out.now().ms,
                String::from_utf8_lossy(message.bytes)
            );
        }
        if !matches!(taken, Outcome::Blocked(_)) {
            assert_eq!(behind, None, "{client} is heard although this one is behind");
            let is_broken = self
                .links
                .borrow()
                .get(&number(client))
                .is_some_and(|link| link.wire.borrow().reset);
            self.model.borrow_mut().took(number(client), message.bytes, is_broken, out.now());
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
        self.chat.next_deadline()
    }

    fn tick(&mut self, out: &mut Delivery) {
        self.chat.tick(out);
        self.model.borrow_mut().tell_sums(out.now().unix_ms);
    }

    fn keep(&mut self, out: &mut Delivery) {
        self.model.borrow().check_sums(out.now().unix_ms);
        self.chat.keep(out);
        for record in self.chat.take_records() {
            self.shadow.apply(record);
        }
        self.groups += 1;
        if self.groups.is_multiple_of(COMPARE_EVERY) {
            self.compare_shadow();
        }
    }

    fn closed(&mut self, client: ClientId, peer: Peer, out: &mut Delivery) {
        if self.trace {
            println!("{:>7} {client} leaves", out.now().ms);
        }
        self.ids.remove(&number(client));
        let is_over_limit = out.unsent_bytes(client) > self.limits.delivery.outbox_max_bytes;
        // So much is held while clients are let go, and only then.
        let is_let_go = out.held_bytes() > self.limits.delivery.memory_bytes_max / 8 * 7;
        self.model.borrow_mut().client(number(client)).may_be_let_go |= is_let_go;
        self.chat.closed(client, peer, out);
        self.model.borrow_mut().closed(number(client), is_over_limit, out.now());
        self.compare(client, out);
    }
}
