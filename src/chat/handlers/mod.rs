//! What is done for each request: it is checked against the state, and happens or is refused.

mod accounts;
mod admitting;
pub(super) mod arrivals;
pub(super) mod conversations;
mod following;
mod hooks;
mod inviting;
mod knowing;
mod lists;
mod managing;
mod names;
mod order;
mod people;
mod preferences;
pub(super) mod readings;
mod renaming;
mod resuming;
mod rooms;
mod search;
mod talk;
mod terminal;

use std::borrow::Cow;
use std::fmt;

pub(in crate::chat) use accounts::{TOKEN_PREFIX, has_secret_form};

pub(super) use self::following::shows_ids;
use self::terminal::edit;
use crate::chat::Chat;
use crate::chat::dialect::json::RequestRef;
use crate::chat::dialect::reply::Reply;
use crate::chat::dialect::{Dialect, notice, render};
use crate::chat::ids::UserId;
use crate::chat::name::Name;
use crate::chat::request::{Request, RequestError};
use crate::chat::settings::MESSAGE_LINES_MAX;
use crate::chat::text::{self, quote};
use crate::delivery::Delivery;
use crate::delivery::channels::{ChannelId, SenderCopy};
use crate::delivery::encoding::Encoder;
use crate::ids::{ClientId, Peer};

type Done = Result<(), RequestError>;

const MINUTE_MS: u64 = 60 * 1000;

/// Who asks, how its answer is marked, and the way to those who are told.
pub(super) struct Context<'a> {
    pub client: ClientId,
    /// For the log.
    pub peer: Peer,
    pub user: UserId,
    pub reference: Option<&'a RequestRef>,
    pub out: &'a mut Delivery,
}

impl Context<'_> {
    pub fn unix_ms(&self) -> u64 {
        self.out.now().unix_ms
    }

    pub fn dialect(&self) -> Dialect {
        self.out.encoding(self.client).dialect.into()
    }

    /// Sends messages to the client that asks.
    pub fn send(&mut self, encode: impl FnOnce(&mut Encoder)) {
        self.out.send(self.client, encode);
    }

    /// Tells the client that asks.
    pub fn reply(&mut self, reply: &Reply<'_>) {
        self.send(|to| render(to, reply));
    }

    /// Tells the client that asks, if a person reads it.
    pub fn notice(&mut self, line: fmt::Arguments<'_>) {
        self.send(|to| notice(to, line));
    }

    pub fn reply_error(&mut self, error: &RequestError) {
        let (RequestError { code, message }, reference) = (error, self.reference);
        self.reply(&Reply::Error { code, message, reference });
    }

    /// A copy for the client that asks.
    pub fn encode(&mut self, reply: &Reply<'_>) -> Vec<u8> {
        self.out.encode(self.client, |to| render(to, reply))
    }

    /// Tells all members of a channel. `own` is what the client that asks gets instead, if that is
    /// something else.
    pub fn publish(&mut self, channel: ChannelId, own: Option<&[u8]>, reply: &Reply<'_>) {
        let sender_copy = own.map(|bytes| SenderCopy { sender: self.client, bytes });
        self.out.publish(channel, sender_copy, |to| render(to, reply));
    }
}

impl Chat {
    /// Does what a client asks for, and answers.
    ///
    /// # Errors
    /// Why it cannot be done; then nothing has changed.
    pub(super) fn execute(&mut self, cx: &mut Context<'_>, request: Request<'_>) -> Done {
        match request {
            Request::Nothing => Ok(()),
            Request::Say { room, text, kind, key } => {
                self.say(cx, room.as_deref(), &text, kind, key.as_deref())
            }
            Request::Direct { to, text, key } => self.direct(cx, &to, &text, key.as_deref()),
            Request::Join { room, code, resume, replay } => {
                self.join(cx, &room, code.as_deref(), resume, replay)
            }
            Request::Leave { room } => self.leave(cx, room.as_deref()),
            Request::Nick { name } => self.nick(cx, &name),
            Request::Topic { room, text } => self.topic(cx, room.as_deref(), text.as_deref()),
            Request::History { room, before, after, limit } => {
                let id = self.room_of(cx, room.as_deref())?;
                let told = self.history(cx, id, before, after, limit)?;
                self.charge_answer(cx, told);
                Ok(())
            }
            Request::Who { room, name, after, limit } => self.who(cx, room, name, (after, limit)),
            Request::Rooms { after, limit } => {
                self.rooms_page(cx, after, limit);
                Ok(())
            }
            Request::Search { text, room, before, limit: _ } => {
                self.search(cx, text.as_deref(), room.as_deref(), before)
            }
            Request::Where => {
                self.tell_where(cx);
                Ok(())
            }
            Request::Edit { on } => {
                edit(cx, on);
                Ok(())
            }
            Request::Typing { room } => self.typing(cx, room.as_deref()),
            Request::Help { about } => {
                lists::help(cx, about.as_deref())?;
                if about.is_none() && self.keeping.is_some() {
                    cx.notice(format_args!("* (history is kept; /search WORDS finds it)"));
                }
                Ok(())
            }
            Request::Quit { reason } => {
                let reason = reason.filter(|reason| self.check_public(cx, reason).is_ok());
                self.give_back(cx, None);
                self.go_away(cx, reason.as_deref());
                cx.notice(format_args!("* Goodbye."));
                Ok(())
            }
            Request::Conversation(request) => self.execute_of_conversation(cx, &request),
            Request::Account(request) => self.execute_of_account(cx, request),
            Request::Order(request) => self.execute_of_order(cx, request),
            Request::Room(request) => self.execute_of_room(cx, request),
            Request::Reading(request) => self.execute_of_reading(cx, request),
            Request::People(request) => self.execute_of_people(cx, request),
            Request::Preference(request) => self.execute_of_preference(cx, request),
        }
    }

    // ---- Finding ----

    pub(super) fn addressee(&self, typed: &str) -> Result<UserId, RequestError> {
        let found = called(typed).and_then(|name| self.state.users().find(name.key()));
        found.map(|user| user.id).ok_or_else(|| no_such_name(typed))
    }
}

/// The name that somebody means who types it, with an `@` before it or without.
fn called(typed: &str) -> Option<Name> {
    Name::parse(bare_name(typed)).ok()
}

fn bare_name(typed: &str) -> &str {
    let typed = typed.trim();
    typed.strip_prefix(['@', '＠', '﹫']).unwrap_or(typed)
}

fn not_in_room(typed: &str) -> RequestError {
    let name = quote(typed, 64);
    let message = format!("You are not in the room {name}. Enter it with /join.");
    RequestError::new("not_in_room", message)
}

fn no_such_room(typed: &str) -> RequestError {
    let name = quote(typed, 64);
    let message = format!("There is no room {name}. /rooms lists those that there are.");
    RequestError::new("no_such_room", message)
}

fn no_such_name(typed: &str) -> RequestError {
    let name = quote(typed, 32);
    let message = format!("Nobody here is called {name}. /who lists who is in a room.");
    RequestError::new("no_such_name", message)
}

/// What others are shown of a text that has one line.
fn shown(text: &str) -> Result<Cow<'_, str>, RequestError> {
    seen(text::clean(text))
}

/// The same of what is said: a program's message may have several lines. What somebody sends from a
/// terminal is a line.
fn shown_lines<'a>(cx: &Context<'_>, text: &'a str) -> Result<Cow<'a, str>, RequestError> {
    if cx.dialect() == Dialect::Text {
        return shown(text);
    }
    let text = seen(text::clean_lines(text))?;
    let lines = if text.len() < MESSAGE_LINES_MAX { 1 } else { text::lines_of(&text) };
    if lines > MESSAGE_LINES_MAX {
        let message = format!(
            "A message has at most {MESSAGE_LINES_MAX} lines, and this has {lines}. Send it in parts."
        );
        return Err(RequestError::new("text_refused", message));
    }
    Ok(text)
}

/// A cleaned text, if there is anything to see in it.
fn seen(text: Cow<'_, str>) -> Result<Cow<'_, str>, RequestError> {
    let is_seen = |c: char| c.is_ascii_graphic() || !c.is_whitespace() && !text::is_blank(c);
    match text.chars().any(is_seen) {
        true => Ok(text),
        false => {
            Err(RequestError::new("text_empty", "There was nothing to say in that.".to_owned()))
        }
    }
}
