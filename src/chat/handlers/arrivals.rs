//! What a client is told first.

use super::resuming::Newcomer;
use super::{Context, Done};
use crate::chat::access::{Access, access};
use crate::chat::dialect::Dialect;
use crate::chat::dialect::reply::{Reply, ServerLimits};
use crate::chat::dialect::text::others;
use crate::chat::ids::UserId;
use crate::chat::keeping::{Keeping, disk_full};
use crate::chat::name::{self, RoomName};
use crate::chat::request::{AccountRequest, Request, RequestError};
use crate::chat::settings::{MESSAGE_LINES_MAX, Registration};
use crate::chat::state::accounts::SecretHash;
use crate::chat::state::rooms::Room;
use crate::chat::{Chat, LOBBY, lobby, text};
use crate::delivery::{Delivery, Wait};
use crate::ids::{ClientId, Peer, Ticket};
use crate::service::Hello;

/// A client that is here and is not in its room yet, as that is being read. It is not heard before.
#[derive(Debug)]
pub(in crate::chat) struct Arrival {
    pub ticket: Ticket,
    pub(super) stage: Stage,
}

/// What it waits for.
#[derive(Debug)]
pub(super) enum Stage {
    /// A token.
    Drawing(Newcomer),
    /// Its room.
    Reading(Coming),
}

/// Who comes, and where to.
#[derive(Debug)]
pub(super) struct Coming {
    pub peer: Peer,
    pub room: Option<Box<str>>,
    /// Why it has not got the name that it asked for.
    pub refused: Option<RequestError>,
}

impl Chat {
    /// Gives a client a name and greets it, with what it has said of itself in its URL.
    pub(in crate::chat) fn arrive(&mut self, cx: &mut Context<'_>, hello: &Hello<'_>) {
        let (query, credential) = (hello.query, hello.credential.map(SecretHash::of));
        let named = match credential.map(|hash| self.account_of(cx, hash)) {
            Some(Ok((account, key))) => {
                self.sessions.attach(cx.client, account);
                self.sessions.set_key(cx.client, key);
                cx.user = account;
                if !self.note_followed(cx, query) {
                    self.enter_channels(cx, None);
                }
                Ok(())
            }
            // It can log in anew.
            Some(Err(error)) => self.take_first_name(cx, None).and(Err(error)),
            // Who may do nothing here takes nobody's name.
            None => {
                let wanted = query.get("name").filter(|_| self.settings.guests);
                self.take_first_name(cx, wanted)
            }
        };
        if cx.dialect() == Dialect::Json {
            self.welcome(cx, None, false);
            let follows = self.sessions.followers.has(cx.client);
            if self.state.accounts().contains(cx.user) && !follows {
                self.tell_rooms(cx, cx.client);
                self.tell_who_asks(cx);
                self.remind_of_being_away(cx);
            }
        }
        if cx.dialect() == Dialect::Text && hello.first_line.is_some_and(is_login) {
            self.outside.insert(cx.client, false);
            return;
        }
        let room = query.get("room").map(Box::from);
        self.settle(cx, Coming { peer: cx.peer, room, refused: named.err() });
    }

    /// Who was to be logged in first asks for something that takes a place here: so it comes in, as
    /// the guest that it is. What it says may be meant as a password: it is not said. Returns what
    /// has to come first.
    pub(in crate::chat) fn come_in(
        &mut self,
        cx: &mut Context<'_>,
        parsed: &mut Result<Request<'_>, RequestError>,
    ) -> Option<Wait> {
        let takes_place = parsed.as_ref().is_ok_and(|it| access(it) != Access::Anybody);
        let is_coming = self.outside.get_mut(&cx.client)?;
        if !takes_place || !self.settings.guests {
            return None;
        }
        if !std::mem::replace(is_coming, true) {
            self.settle(cx, Coming { peer: cx.peer, room: None, refused: None });
            if let Some(arrival) = self.arrivals.get(&cx.client) {
                return Some(Wait::Ticket(arrival.ticket));
            }
        }
        if matches!(parsed, Ok(Request::Say { .. })) {
            let message = "That may have been a password, so it was not said: you were about to log \
                           in. You are a guest now; say it again if others are to read it.";
            *parsed = Err(RequestError::new("not_said", message.to_owned()));
        }
        None
    }

    /// Whose key a client shows, and which.
    ///
    /// # Errors
    /// It is not known, or not any more, or its account is banned.
    fn account_of(
        &self,
        cx: &Context<'_>,
        shown: SecretHash,
    ) -> Result<(UserId, u32), RequestError> {
        let found =
            self.state.accounts().find_key(shown, cx.unix_ms()).ok_or_else(unknown_session)?;
        self.check_banned(found.0, cx.unix_ms()).map(|()| found)
    }

    /// Something was read for clients that have come, as long as they are here.
    pub(in crate::chat) fn go_on_arriving(&mut self, ticket: Ticket, out: &mut Delivery) {
        for client in self.arriving.remove(&ticket).unwrap_or_default() {
            self.go_on_with(client, ticket, out);
        }
    }

    fn go_on_with(&mut self, client: ClientId, ticket: Ticket, out: &mut Delivery) {
        if self.arrivals.get(&client).is_none_or(|arrival| arrival.ticket != ticket) {
            return;
        }
        let Some(Arrival { stage, .. }) = self.arrivals.remove(&client) else { return };
        let coming = match stage {
            Stage::Drawing(newcomer) => return self.come_with_token(client, newcomer, out),
            Stage::Reading(coming) => coming,
        };
        let Some(user) = self.sessions.get(client).map(|session| session.user) else { return };
        let cx = &mut Context { client, peer: coming.peer, user, reference: None, out };
        self.settle(cx, coming);
    }

    /// Puts a client into its room, if nothing has to be read for that first.
    pub(super) fn settle(&mut self, cx: &mut Context<'_>, coming: Coming) {
        let room = match cx.dialect() {
            Dialect::Json => coming.room.as_deref(),
            Dialect::Text => {
                let room = coming.room.as_deref().filter(|room| RoomName::parse(room).is_ok());
                Some(room.unwrap_or(LOBBY))
            }
        };
        let join = |room: &str| Request::Join {
            room: room.to_owned().into(),
            code: None,
            resume: None,
            replay: None,
        };
        let may_join = self.settings.guests || self.state.accounts().contains(cx.user);
        let read = room.filter(|_| may_join);
        let read = read.map_or(Ok(None), |room| {
            let wait = self.find_out(cx, &join(room))?;
            if wait.is_none() {
                self.check_may_come(cx, room)?;
            }
            Ok(wait)
        });
        let settled = match (read, cx.dialect(), room) {
            _ if !may_join => {
                if cx.dialect() == Dialect::Text {
                    self.outside.insert(cx.client, false);
                }
                self.turn_away(cx)
            }
            (Ok(Some(Wait::Ticket(ticket))), ..) => {
                let stage = Stage::Reading(coming);
                self.arrivals.insert(cx.client, Arrival { ticket, stage });
                self.arriving.entry(ticket).or_default().push(cx.client);
                return;
            }
            (Err(error), Dialect::Json, _) => Err(error),
            (_, Dialect::Json, None) => Ok(()),
            (_, Dialect::Json, Some(room)) => self.execute(cx, join(room)),
            (read, Dialect::Text, _) => self.greet(cx, coming.room.as_deref(), read.map(drop)),
        };
        self.questions.forget(cx.client);
        for error in coming.refused.into_iter().chain(settled.err()) {
            cx.reply_error(&error);
        }
    }

    /// Whether an account may be put into a room where it is not: that is recorded.
    ///
    /// # Errors
    /// The disk is full.
    fn check_may_come(&self, cx: &Context<'_>, room: &str) -> Done {
        let is_in = |here: &Room| self.state.is_member(cx.user, here.id);
        let records =
            self.state.accounts().contains(cx.user) && !self.find_room(cx, room).is_some_and(is_in);
        match records && self.keeping.as_ref().is_some_and(Keeping::is_full) {
            true => Err(disk_full()),
            false => Ok(()),
        }
    }

    /// Tells somebody who has no account that this takes one here.
    fn turn_away(&self, cx: &mut Context<'_>) -> Done {
        cx.notice(format_args!(
            "* Welcome! This server is for people with an account: {}",
            self.ways_in()
        ));
        Ok(())
    }

    /// Greets a program. It joins rooms by itself, so that it can say where it was. `resume`: the
    /// token with which it may come back; `resumed`: it has done so, and is in its rooms.
    pub(super) fn welcome(&self, cx: &mut Context<'_>, resume: Option<&str>, resumed: bool) {
        let Some(name) = self.name_of(cx.user) else { return };
        let welcome = Reply::Welcome {
            name: name.as_str(),
            epoch: &self.settings.epoch,
            server: concat!("chat-server/", env!("CARGO_PKG_VERSION")),
            time: cx.unix_ms(),
            limits: ServerLimits {
                message_bytes: self.settings.message_bytes_max,
                message_lines: MESSAGE_LINES_MAX,
                name_chars: name::CLUSTERS_MAX,
                room_chars: name::ROOM_CLUSTERS_MAX,
                rooms: self.settings.rooms_per_client_max,
            },
            role: self.role_of(cx.user),
            accounts: self.way_to_accounts(cx),
            resume,
            resumed,
        };
        cx.reply(&welcome);
    }

    /// How one comes to an account, where passwords are taken.
    fn way_to_accounts(&self, cx: &Context<'_>) -> Option<&'static str> {
        let is_possible = self.logins.secrets.is_some() && self.sessions.is_private(cx.client);
        is_possible.then_some(match self.settings.registration {
            Registration::Invited => "invited",
            Registration::Open => "open",
        })
    }

    /// Tells a program in which rooms its account is.
    pub(super) fn tell_rooms(&self, cx: &mut Context<'_>, client: ClientId) {
        for id in self.state.rooms_of(cx.user).collect::<Vec<_>>() {
            self.tell_joined(cx, id, &[client]);
        }
    }

    /// Greets a person: one line, then what was said lately. `read`: whether its room could be.
    fn greet(&mut self, cx: &mut Context<'_>, room: Option<&str>, read: Done) -> Done {
        let wanted = room.map_or(Ok(None), |room| RoomName::parse(room).map(Some));
        let name = wanted.as_ref().ok().cloned().flatten().unwrap_or_else(lobby);
        let rooms_before = self.state.rooms_of(cx.user).len();
        let entered = read.and_then(|()| self.enter(cx, name));
        if let Ok(room) = entered
            && self.state.rooms_of(cx.user).len() > rooms_before
        {
            self.tell_others_joined(cx, room);
        }
        if let Some(name) = self.name_of(cx.user) {
            let room = entered.as_ref().ok().and_then(|&id| self.state.rooms().get(id));
            let place = room.map_or(String::new(), |room| {
                format!(" in {}, with {}", room.name, others(room.member_count()))
            });
            cx.notice(format_args!("* Welcome! You are {name}{place}. Try /nick NAME or /help."));
        }
        self.replay(cx, entered?, None, None);
        self.remind_of_being_away(cx);
        self.tell_unread(cx);
        wanted.map(drop).map_err(|error| RequestError::of("room_refused", &error))
    }
}

/// Whether a line leads to being logged in.
fn is_login(line: &[u8]) -> bool {
    let Ok(text) = text::from_bytes(line).map(|text| Dialect::Text.repair(text)) else {
        return false;
    };
    matches!(
        Dialect::Text.parse(&text, &mut None),
        Ok(Request::Account(AccountRequest::Login { .. } | AccountRequest::Register { .. }))
    )
}

pub(super) fn unknown_session() -> RequestError {
    let message = "You are not logged in any more. Log in again.".to_owned();
    RequestError::new("session_ended", message)
}
