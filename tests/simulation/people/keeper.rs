//! The chat, with a model beside it that is told of all that the chat serves.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use chat_server::chat::Chat;
use chat_server::chat::ids::UserId;
use chat_server::clock::{Millis, Now};
use chat_server::delivery::encoding::{Dialect, Framing};
use chat_server::delivery::{Delivery, Wait};
use chat_server::ids::{ClientId, Peer, Ticket};
use chat_server::service::succession::Succession;
use chat_server::service::{
    Answer, Ended, Following, Hello, Incoming, Job, Kept, Outcome, Post, Posted, Service, Wake,
};
use chat_server::wire::editor::Completions;
use chat_server::wire::http::HttpError;
use chat_server::wire::http::events::Wanted;
use chat_server::wire::line::LineMode;
use serde_json::Value;

use super::following::Followed;
use super::model::Model;
use super::positions::Typed;
use super::resuming::Coming;
use crate::disk::Disk;
use crate::stage::Links;

/// The tickets of secrets begin here.
pub const SECRET_TICKETS: u64 = 1 << 63;

/// Passes everything on to the chat, and tells the model of it.
pub struct Keeper {
    pub chat: Chat,
    pub model: Rc<RefCell<Model>>,
    pub disk: Disk,
    /// Those that wait for their room, and why they are not as whose secret they have shown.
    pub arriving: Vec<(ClientId, Option<&'static str>)>,
    /// Those that wait for a token.
    pub coming: BTreeMap<ClientId, Coming>,
    pub is_lost: Rc<Cell<bool>>,
    pub links: Links,
    pub trace: bool,
}

fn number(client: ClientId) -> usize {
    let shown = client.to_string();
    shown.strip_prefix("client ").and_then(|number| number.parse().ok()).expect("a number")
}

impl Keeper {
    fn settle(&mut self, out: &Delivery) {
        let Keeper { chat, model, arriving, .. } = self;
        arriving.retain(|&(client, refused)| {
            let waits = chat.waits(client, out).is_some();
            if !waits {
                model.borrow_mut().settled(number(client), refused);
            }
            waits
        });
    }

    /// Who a client is, as the chat knows it.
    fn user_of(&self, client: ClientId) -> Option<UserId> {
        let model = self.model.borrow();
        let name = &model.user(model.clients.get(&number(client))?.user).name;
        let found = self.chat.state().users().iter().find(|user| user.name.as_str() == name);
        found.map(|user| user.id)
    }

    fn check(&self) {
        let mut names: Vec<String> =
            self.chat.state().users().iter().map(|user| user.name.as_str().to_owned()).collect();
        let mut predicted = self.model.borrow().names();
        names.sort();
        predicted.sort();
        assert_eq!(names, predicted, "the names of all");
    }
}

impl Service for Keeper {
    fn greeting(&self) -> Option<&str> {
        self.chat.greeting()
    }

    fn line_mode(&self) -> LineMode {
        self.chat.line_mode()
    }

    fn prompt(&self, client: ClientId) -> String {
        self.chat.prompt(client)
    }

    fn completions(&mut self, client: ClientId, typed: &str, now: Now) -> Completions {
        self.chat.completions(client, typed, now)
    }

    fn has_secret(&self, client: ClientId, line: &str) -> bool {
        self.chat.has_secret(client, line)
    }

    fn query_keys(&self) -> &'static [&'static str] {
        self.chat.query_keys()
    }

    fn subprotocols(&self) -> &'static [&'static str] {
        self.chat.subprotocols()
    }

    fn dialect(&self, hello: &Hello<'_>) -> Dialect {
        self.chat.dialect(hello)
    }

    fn opened(&mut self, client: ClientId, hello: &Hello<'_>, out: &mut Delivery) {
        if self.trace {
            println!("{:>7} {client} comes, showing {:?}", out.now().ms, hello.credential);
        }
        let refused = {
            let model = &mut *self.model.borrow_mut();
            let (ways, ip) = ((hello.subprotocol.is_some(), hello.is_private), hello.peer.ip());
            model.at(out.now().unix_ms);
            assert!(!model.may_not_come_from(ip), "{client} comes from {ip}");
            if hello.query.has("resume") && model.rules.guests {
                let shown = hello.query.get("resume").map(str::to_owned);
                let is_private = hello.is_private;
                self.coming.insert(client, Coming { shown, ip, is_private });
                self.chat.opened(client, hello, out);
                assert!(self.chat.waits(client, out).is_some(), "{client} waits for a token");
                return;
            }
            model.opened(number(client), ip, ways, hello.credential);
            model.forget_told(number(client), hello.query.has("follow"));
            let framing = out.encoding(client).framing;
            if let Some(client) = model.clients.get_mut(&number(client)) {
                client.follows = matches!(framing, Framing::Events | Framing::JsonLines);
                let names = hello.query.all("follow").map(str::to_lowercase);
                client.followed = hello.query.has("follow").then(|| Followed::new(names.collect()));
            }
            model.set_terminal(number(client), framing == Framing::Lines);
            hello.credential.and_then(|shown| model.refused_secret(shown))
        };
        self.chat.opened(client, hello, out);
        let is_login =
            |line: &[u8]| line.starts_with(b"/login ") || line.starts_with(b"/register ");
        match hello.first_line.is_some_and(is_login) {
            true => self.model.borrow_mut().stays_outside(number(client)),
            false => self.arriving.push((client, refused)),
        }
        self.settle(out);
        self.check();
    }

    fn admits(&self, ip: IpAddr, unix_ms: u64) -> bool {
        let admits = self.chat.admits(ip, unix_ms);
        assert_eq!(admits, !self.model.borrow().is_address_banned(ip, unix_ms), "{ip} is let in");
        admits
    }

    fn dismissed(&mut self, client: ClientId, peer: Peer, out: &mut Delivery) {
        self.chat.dismissed(client, peer, out);
        let model = &mut *self.model.borrow_mut();
        model.at(out.now().unix_ms);
        model.dismissed(number(client));
    }

    fn succession(&mut self) -> Option<&mut dyn Succession> {
        self.chat.succession()
    }

    fn take_ended(&mut self) -> Ended {
        self.chat.take_ended()
    }

    fn follow(
        &mut self,
        peer: Peer,
        wanted: &Wanted,
        credential: Option<&str>,
        now: Now,
    ) -> Result<Following, HttpError> {
        let followed = self.chat.follow(peer, wanted, credential, now);
        let model = &mut *self.model.borrow_mut();
        model.at(now.unix_ms);
        let account = credential.and_then(|shown| model.find_key(shown));
        if followed == Err(HttpError::STREAM_TRIES) || account.is_none() {
            model.shows_token(peer.ip(), followed != Err(HttpError::STREAM_TRIES));
            return followed;
        }
        let may = account.is_some_and(|(account, _)| !model.is_banned(account));
        assert_eq!(followed.is_ok(), may, "{credential:?} follows what is said");
        if let Ok(following) = &followed {
            model.check_resumes(wanted, &following.requests);
        }
        followed
    }

    fn waits(&self, client: ClientId, out: &Delivery) -> Option<Wait> {
        self.chat.waits(client, out)
    }

    fn waits_to_close(&self, client: ClientId) -> Option<Wait> {
        self.chat.waits_to_close(client)
    }

    fn message(&mut self, client: ClientId, message: Incoming<'_>, out: &mut Delivery) -> Outcome {
        let skips = out.is_discarding(client);
        let has_all = out.unsent_bytes(client) == 0;
        let (user, is_heard) = (self.user_of(client), self.chat.waits(client, out).is_none());
        let outcome = self.chat.message(client, message, out);
        let text = String::from_utf8_lossy(message.bytes);
        if self.trace {
            println!("{:>7} {client} {outcome:?} {text}", out.now().ms);
        }
        self.model.borrow_mut().at(out.now().unix_ms);
        if is_heard && self.model.borrow_mut().comes_in(number(client), &text, skips) {
            self.arriving.push((client, None));
            self.settle(out);
        }
        let mut model = self.model.borrow_mut();
        if !skips || model.concerns_others(number(client), &text) {
            model.proved(number(client));
        }
        if is_heard {
            let is_done = !matches!(outcome, Outcome::Blocked(_));
            let state = self.chat.state();
            let found = |room: u64| {
                let mut readings = state.readings().of(user?);
                let found = readings.find(|(id, _)| id.get() == room);
                found.map(|(_, reading)| reading.read)
            };
            let links = self.links.borrow();
            let is_written = |line: &str| {
                let Some(link) = links.get(&number(client)) else { return true };
                let wire = link.wire.borrow();
                wire.spied.windows(line.len()).any(|part| part == line.as_bytes())
            };
            // Another process does not know of it before it has written something.
            if skips {
                model.broken.insert(number(client));
            }
            let typed = match (model.broken.contains(&number(client)), has_all) {
                (true, _) => Typed::Last,
                (false, true) => Typed::InOrder,
                (false, false) => Typed::Ahead,
            };
            model.typed(number(client), (&text, is_done), typed, found, is_written);
            if !is_done {
                model.end_event();
            }
        }
        match outcome {
            Outcome::Blocked(Wait::Ticket(Ticket(ticket))) if ticket >= SECRET_TICKETS => {
                model.grant(number(client), &text, ticket);
            }
            Outcome::Blocked(_) => model.begins_search(number(client)),
            Outcome::Done | Outcome::AskSecret | Outcome::SetEditing(_) | Outcome::Close(_) => {
                let rooms = self.chat.state().rooms().iter();
                model.held_from =
                    rooms.map(|room| (room.id.get(), room.history.first_held())).collect();
                model.served(number(client), &text, skips);
                drop(model);
                self.check();
            }
        }
        outcome
    }

    fn post(&mut self, client: ClientId, post: &Post<'_>, out: &mut Delivery) -> Posted {
        let posted = self.chat.post(client, post, out);
        let body = String::from_utf8_lossy(post.body);
        if self.trace {
            println!("{:>7} {client} posts to {}: {posted:?} {body}", out.now().ms, post.token);
        }
        let object = serde_json::from_str(&body).unwrap_or(Value::Null);
        let text = object["text"].as_str().unwrap_or(&body);
        let mut model = self.model.borrow_mut();
        model.at(out.now().unix_ms);
        let from = (number(client), post.peer.ip());
        model.posted(from, post.token, (text, post.key), posted);
        drop(model);
        self.check();
        posted
    }

    fn clear(&mut self, what: Wait, out: &mut Delivery) {
        self.chat.clear(what, out);
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

    fn take_jobs(&mut self) -> Vec<Job> {
        self.chat.take_jobs()
    }

    fn completed(&mut self, ticket: Ticket, answer: Answer, out: &mut Delivery) {
        self.chat.completed(ticket, answer, out);
        self.model.borrow_mut().at(out.now().unix_ms);
        let mut waiting = self.coming.keys().copied();
        if let Some(client) = waiting.find(|client| self.chat.waits(*client, out).is_none()) {
            let coming = self.coming.remove(&client).expect("it waits");
            if self.trace {
                println!(
                    "{:>7} {client} comes with a token, showing {:?}",
                    out.now().ms,
                    coming.shown
                );
            }
            self.model.borrow_mut().come_with_token(number(client), &coming);
            self.check();
        }
        self.settle(out);
    }

    fn next_deadline(&self) -> Option<Millis> {
        self.chat.next_deadline()
    }

    fn tick(&mut self, out: &mut Delivery) {
        self.chat.tick(out);
        let mut model = self.model.borrow_mut();
        model.at(out.now().unix_ms);
        model.end_absences();
        drop(model);
        self.check();
    }

    fn keep(&mut self, out: &mut Delivery) {
        self.chat.keep(out);
    }

    fn handed_out(&mut self) {
        self.chat.handed_out();
    }

    fn set_wake(&mut self, wake: Wake) {
        self.chat.set_wake(wake);
    }

    fn stored(&mut self, out: &mut Delivery) -> Kept {
        let kept = self.chat.stored(out);
        if kept != Kept::Whole {
            if self.trace {
                println!("{:>7} lost", out.now().ms);
            }
            self.arriving.clear();
            self.coming.clear();
            self.model.borrow_mut().recover(&self.disk, false);
            self.is_lost.set(true);
        }
        kept
    }

    fn closed(&mut self, client: ClientId, peer: Peer, out: &mut Delivery) {
        if self.trace {
            println!("{:>7} {client} leaves", out.now().ms);
        }
        self.arriving.retain(|(arriving, _)| *arriving != client);
        self.coming.remove(&client);
        self.chat.closed(client, peer, out);
        let model = &mut *self.model.borrow_mut();
        model.at(out.now().unix_ms);
        model.closed(number(client));
    }
}
