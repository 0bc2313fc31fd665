//! The chat as the server knows it, with the model looking over its shoulder.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use chat_server::client::ClientId;
use chat_server::config::Limits;
use chat_server::outgoing::{Outgoing, Until};
use chat_server::service::chat::Chat;
use chat_server::service::{Introduction, Message, Service, Taken};
use chat_server::wire::line::Rules;

use crate::model::Model;
use crate::stage::{Links, address_of};

/// Passes everything on to the chat, and tells the model in which order it happened.
pub struct Watch {
    pub chat: Chat,
    pub model: Rc<RefCell<Model>>,
    pub limits: Limits,
    pub links: Links,
    pub ids: BTreeMap<usize, ClientId>,
    /// The addresses from which people have come in at terminals, and those from which WebSockets have.
    pub terminals: BTreeSet<u8>,
    pub browsers: BTreeSet<u8>,
    /// Prints all that happens.
    pub trace: bool,
}

/// The server numbers its connections from 1, and so does the model.
pub fn number(client: ClientId) -> usize {
    let shown = client.to_string();
    shown.strip_prefix("client ").and_then(|number| number.parse().ok()).expect("an id shows its serial number")
}

impl Watch {
    fn compare(&self, client: ClientId, out: &Outgoing) {
        let model = self.model.borrow();
        assert_eq!(out.rooms_of(client).len(), model.rooms_of(number(client)), "rooms that {client} is in");
        assert_eq!(self.chat.people(), model.people(), "people");
        assert_eq!(self.chat.rooms(), model.rooms(), "rooms");
    }

    /// Somebody who hears this client and is behind, if everybody waits for them.
    fn behind(&self, client: ClientId, out: &Outgoing) -> Option<usize> {
        if self.limits.talked_ahead_ms.is_some() {
            return None;
        }
        let links = self.links.borrow();
        let mut audience = self.model.borrow().audience(number(client)).into_iter();
        audience.find(|number| links[number].is_behind(out.owed_bytes(self.ids[number]), &self.limits, out.now().ms))
    }
}

impl Service for Watch {
    fn rules(&self) -> Rules {
        self.chat.rules()
    }

    fn greeting(&self) -> Option<&'static str> {
        self.chat.greeting()
    }

    fn listens(&mut self, client: ClientId, out: &mut Outgoing) {
        let number = number(client);
        {
            let links = self.links.borrow();
            let link = &links[&number];
            assert!(link.accepted_at + self.limits.hold_ms <= out.now().ms, "{client} is silent for a moment only");
            assert!(link.wire.borrow().first.is_empty(), "{client} has said something");
        }
        let address = address_of(number);
        assert!(self.terminals.contains(&address) && !self.browsers.contains(&address), "{client} is no terminal");
        self.ids.insert(number, client);
        self.model.borrow_mut().listens(number);
        self.chat.listens(client, out);
    }

    fn has_listened(&mut self, client: ClientId, out: &mut Outgoing) {
        let is_over_limit = out.owed_bytes(client) > self.limits.outbox_max_bytes;
        self.model.borrow_mut().has_listened(number(client), is_over_limit, out.now());
        self.chat.has_listened(client, out);
    }

    fn subprotocols(&self) -> &'static [&'static str] {
        self.chat.subprotocols()
    }

    fn opened(&mut self, client: ClientId, introduction: Introduction<'_>, out: &mut Outgoing) {
        if self.trace {
            println!("{:>7} {client} {introduction:?} {:?}", out.now().ms, out.format(client));
        }
        self.ids.insert(number(client), client);
        self.chat.opened(client, introduction, out);
        let is_line = out.format(client).is_line();
        let of_kind = if is_line { &mut self.terminals } else { &mut self.browsers };
        of_kind.insert(address_of(number(client)));
        let Introduction { name, room, .. } = introduction;
        self.model.borrow_mut().opened(number(client), is_line, name, room, out.now().unix_ms);
        self.compare(client, out);
    }

    fn waits(&self, client: ClientId, out: &Outgoing) -> Option<Until> {
        self.chat.waits(client, out)
    }

    fn message(&mut self, client: ClientId, message: Message<'_>, out: &mut Outgoing) -> Taken {
        let behind = self.behind(client, out);
        let taken = self.chat.message(client, message, out);
        if self.trace {
            println!("{:>7} {client} {taken:?} {:?}", out.now().ms, String::from_utf8_lossy(message.bytes));
        }
        if taken == Taken::Yes {
            assert_eq!(behind, None, "{client} is heard although this one is behind");
            let is_broken = self.links.borrow().get(&number(client)).is_some_and(|link| link.wire.borrow().reset);
            self.model.borrow_mut().took(number(client), message.bytes, is_broken, out.now());
        }
        self.compare(client, out);
        taken
    }

    fn closed(&mut self, client: ClientId, out: &mut Outgoing) {
        if self.trace {
            println!("{:>7} {client} leaves", out.now().ms);
        }
        self.ids.remove(&number(client));
        let is_over_limit = out.owed_bytes(client) > self.limits.outbox_max_bytes;
        self.chat.closed(client, out);
        self.model.borrow_mut().closed(number(client), is_over_limit, out.now());
        self.compare(client, out);
    }
}
