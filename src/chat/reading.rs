//! What a request needs to be read from the store before it is done.

use log::warn;

use crate::chat::Chat;
use crate::chat::dialect::reply::Line;
use crate::chat::handlers::Context;
use crate::chat::handlers::readings::UNREAD_PAGE;
use crate::chat::ids::{RoomId, UserId};
use crate::chat::name::RoomName;
use crate::chat::questions::{Page, Question};
use crate::chat::record::{Cached, Kept, LoadedRoom, RoomChange};
use crate::chat::request::{
    AccountRequest, ConversationRequest, OrderRequest, ReadingRequest, Request, RequestError,
    Resume,
};
use crate::chat::settings::OWN_LAST_MAX;
use crate::chat::state::history::{HistoryLimits, MESSAGE_BYTES, Message, MessageKind};
use crate::chat::state::rooms::Room;
use crate::chat::{LOBBY, lobby};
use crate::delivery::Wait;
use crate::store::{FoundRoom, PageRequest, StoredMessage, StoredRoom};

/// Where more is said meanwhile than memory holds, the store is asked so often. After that the client
/// is told what there is, and can ask for the rest.
const TIMES_MAX: u32 = 3;

/// What the name of an author takes at most, and more: pages are cut by what is told of them, and
/// one more message than that is to be there.
const NAME_BYTES_MAX: usize = 1024;

impl Chat {
    /// What has to come first before a request can be done: something has to be read, or the store
    /// is behind. What was read is put where the request finds it.
    ///
    /// # Errors
    /// It cannot be done.
    pub(super) fn prepare(
        &mut self,
        cx: &mut Context<'_>,
        request: &Request<'_>,
    ) -> Result<Option<Wait>, RequestError> {
        self.check_access(cx, request)?;
        if self.keeping.is_some() {
            if let Some(wait) = self.find_out(cx, request)? {
                return Ok(Some(wait));
            }
            if let Some(wait) = self.may_record(cx, request)? {
                return Ok(Some(wait));
            }
        }
        // A code is used up by that: not for something that cannot be stored.
        self.prove(cx, request)
    }

    fn may_record(
        &mut self,
        cx: &Context<'_>,
        request: &Request<'_>,
    ) -> Result<Option<Wait>, RequestError> {
        let records = request.records()
            || request.changes_user() && self.state.accounts().contains(cx.user)
            || self.is_kept_direct(cx, request);
        let may_wait = records && !self.is_repeat(cx, request);
        match &mut self.keeping {
            Some(keeping) if may_wait => {
                keeping.may_record(cx.client, request.keeps_order(), cx.out)
            }
            _ => Ok(None),
        }
    }

    /// Asks the store for what this request needs and memory does not have.
    pub(super) fn find_out(
        &mut self,
        cx: &mut Context<'_>,
        request: &Request<'_>,
    ) -> Result<Option<Wait>, RequestError> {
        if self.keeping.is_none() {
            return Ok(None);
        }
        let looked_up = self.room_looked_up(cx, request);
        let unknown = looked_up.filter(|typed| self.find_room(cx, typed).is_none());
        let name = unknown.and_then(|typed| RoomName::parse(typed).ok());
        if let Some(name) = name.filter(|name| !self.questions.is_absent(name)) {
            match self.questions.room(cx.client, &name) {
                None => {
                    let newest = match self.is_hidden(cx, &name) {
                        true => HistoryLimits { messages_max: 0, bytes_max: 0 },
                        false => self.settings.rooms.history,
                    };
                    return Ok(self.ask(cx, Question::Room { name, newest }));
                }
                Some(Err(())) => return Err(unreadable()),
                Some(Ok(FoundRoom { room, alike: None }))
                    if room.is_none() || self.is_hidden(cx, &name) =>
                {
                    self.questions.note_absent(&name);
                }
                Some(Ok(_)) if self.is_hidden(cx, &name) => {}
                Some(Ok(_)) => {
                    if let Some(room) = self.questions.take_room(cx.client)
                        && let Err(error) = self.load(cx, room)
                    {
                        // It is there all the same, and is asked for again.
                        self.questions.room_left(&name);
                        return Err(error);
                    }
                }
            }
        }
        if let Request::Conversation(ConversationRequest::List { after, limit }) = request
            && self.questions.last(cx.client).is_none()
            && let Some(question) = self.missing_last(cx, *after, *limit)
        {
            return Ok(self.ask(cx, question));
        }
        if let Request::Order(OrderRequest::Deletions { room, after, before }) = request
            && let Some(question) = self.missing_deletions(cx, room.as_deref(), *after, *before)
        {
            return Ok(self.ask(cx, question));
        }
        let Some(page) = self.missing_page(cx, request) else { return Ok(None) };
        let found = RoomId::new(page.room).and_then(|id| self.questions.page(cx.client, id));
        match found {
            Some(found) if found.times >= TIMES_MAX || self.is_fresh(&page, &found) => Ok(None),
            _ => Ok(self.ask(cx, Question::Page(page))),
        }
    }

    /// The room that a request is about, as typed.
    fn room_looked_up<'a>(&self, cx: &Context<'_>, request: &'a Request<'_>) -> Option<&'a str> {
        match request {
            // It is there from when it has an account on.
            Request::Account(AccountRequest::Register { password: Some(_), .. })
                if self.outside.contains_key(&cx.client) =>
            {
                Some(LOBBY)
            }
            _ => request.looked_up(),
        }
    }

    pub(super) fn ask(&mut self, cx: &Context<'_>, question: Question) -> Option<Wait> {
        let keeping = self.keeping.as_ref()?;
        let (reader, after) = (keeping.reader(), keeping.newest());
        Some(Wait::Ticket(self.questions.ask(cx.client, question, reader, after)))
    }

    /// Whether what was found is all that is wanted by now, or goes on where memory begins.
    fn is_fresh(&self, wanted: &PageRequest, found: &Page<'_>) -> bool {
        let room = RoomId::new(wanted.room).and_then(|id| self.state.rooms().get(id));
        // What was read may have become unread meanwhile.
        let begins = found.asked.from <= wanted.from;
        let ends = found.asked.before >= wanted.before
            || room.is_some_and(|room| room.history.first_held() <= found.asked.before);
        begins && ends
    }

    /// The messages that a request is answered with, if memory does not have all of them.
    fn missing_page(&self, cx: &Context<'_>, request: &Request<'_>) -> Option<PageRequest> {
        let (room, page) = match request {
            Request::History { room, before, after, limit } => {
                let room = self.state.rooms().get(self.room_of(cx, room.as_deref()).ok()?)?;
                let limit = cx.dialect().history_limit(*limit) as usize;
                (room, self.history_wanted(room, *before, *after, limit))
            }
            Request::Reading(ReadingRequest::Print { room }) => {
                let id = self.room_to_print(cx, room.as_deref()).ok()??;
                let read = self.state.readings().get(cx.user, id)?.read;
                let room = self.state.rooms().get(id)?;
                (room, self.history_wanted(room, None, Some(read), UNREAD_PAGE))
            }
            Request::Conversation(ConversationRequest::History { with, before, after, limit }) => {
                let room = self.conversation_with(cx, with).ok()??;
                let limit = cx.dialect().history_limit(*limit) as usize;
                let room = self.state.rooms().get(room)?;
                (room, self.history_wanted(room, *before, *after, limit))
            }
            Request::Join { room, resume, replay, .. } => {
                let room = self.find_room(cx, room)?;
                let is_asked_for = resume.is_some() || replay.is_some();
                if self.state.is_member(cx.user, room.id) && !is_asked_for {
                    return None;
                }
                (room, self.replay_wanted(room, resume.as_ref(), *replay))
            }
            Request::Order(OrderRequest::Report { room, which, .. }) => {
                let (room, id) = self.reported(cx, room.as_deref(), *which).ok()?;
                (self.state.rooms().get(room)?, self.one_wanted(room, id))
            }
            Request::Order(OrderRequest::DeleteMessage { room, which }) => {
                let room = self.place_to_read(cx, room.as_deref()).ok()?;
                let here = self.state.rooms().get(room)?;
                (
                    here,
                    match which {
                        Some(which) => self.one_wanted(room, self.id_of(cx, room, *which).ok()?),
                        None => self.history_wanted(here, None, None, OWN_LAST_MAX as usize),
                    },
                )
            }
            Request::Say { .. } | Request::Direct { .. } => {
                let (room, id) = self.repeated(cx, request)?;
                (self.state.rooms().get(room)?, self.one_wanted(room, id))
            }
            _ => return None,
        };
        let from = self.state.sees_from(cx.user, room.id, cx.unix_ms()).unwrap_or(u64::MAX);
        let page = PageRequest { from: page.from.max(from), ..page };
        let first = match page.newest {
            true => page.from.max(page.before.saturating_sub(page.messages_max as u64)),
            false => page.from,
        };
        let first = first.max(room.first_id());
        (first < page.before && first < room.history.first_held()).then_some(page)
    }

    fn history_wanted(
        &self,
        room: &Room,
        before: Option<u64>,
        after: Option<u64>,
        limit: usize,
    ) -> PageRequest {
        let next_id = room.history.next_id();
        PageRequest {
            room: room.id.get(),
            from: after.map_or(0, |after| after.saturating_add(1)),
            before: match after {
                Some(_) => next_id,
                None => before.map_or(next_id, |before| before.min(next_id)),
            },
            newest: after.is_none(),
            // One more tells whether there is more.
            messages_max: limit.saturating_add(1),
            bytes_max: self.page_bytes(self.settings.answer_bytes_max),
        }
    }

    fn replay_wanted(
        &self,
        room: &Room,
        resume: Option<&Resume<'_>>,
        replay: Option<u32>,
    ) -> PageRequest {
        let settings = &self.settings;
        let default_bytes = settings.answer_bytes_max.min(settings.replay_bytes_max);
        let known = resume.filter(|resume| self.knows(room, resume));
        let (from, messages_max, bytes) = match (known, replay) {
            // As much as a room has in memory at most.
            (Some(resume), _) => {
                let bytes_max = settings.rooms.history.bytes_max;
                (resume.since + 1, bytes_max / MESSAGE_BYTES + 1, bytes_max)
            }
            (None, Some(count)) => (0, count as usize, settings.answer_bytes_max),
            (None, None) => (0, settings.replay as usize, default_bytes),
        };
        PageRequest {
            room: room.id.get(),
            from,
            before: room.history.next_id(),
            newest: true,
            messages_max,
            bytes_max: self.page_bytes(bytes),
        }
    }

    fn one_wanted(&self, room: RoomId, id: u64) -> PageRequest {
        PageRequest {
            room: room.get(),
            from: id,
            before: id + 1,
            newest: false,
            messages_max: 1,
            bytes_max: self.page_bytes(0),
        }
    }

    fn page_bytes(&self, bytes_max: usize) -> usize {
        bytes_max + self.settings.message_bytes_max + NAME_BYTES_MAX
    }

    /// What was read for this client of a room, oldest first, and what memory has after that. `None`
    /// if nothing was.
    pub(super) fn read_lines<'a>(
        &'a self,
        cx: &Context<'_>,
        room: &'a Room,
    ) -> Option<Vec<Line<'a>>> {
        let page = self.questions.page(cx.client, room.id)?;
        let shown = |line| self.shown_line(room.between(), line);
        let mut lines: Vec<Line<'a>> = page.messages?.iter().map(Line::stored).map(shown).collect();
        let next_id = lines.last().map_or(page.asked.before, |line| line.id + 1);
        let is_whole = next_id == page.asked.before && next_id >= room.history.first_held();
        if is_whole {
            let later = room.history.after(next_id - 1);
            lines.extend(later.map(|(id, message)| shown(Line::new(id, message))));
        }
        Some(lines)
    }

    /// The name of a room that is not in memory and looks like this one, as far as the client has
    /// asked for it.
    pub(super) fn alike_in_store(&self, cx: &Context<'_>, name: &RoomName) -> Option<Box<str>> {
        self.questions.room(cx.client, name)?.ok()?.alike.clone()
    }

    /// Puts a room into memory that a store has kept.
    fn load(&mut self, cx: &mut Context<'_>, stored: StoredRoom) -> Result<(), RequestError> {
        let Some(loaded) = loaded(stored) else { return Err(unreadable()) };
        self.make_room(cx, &loaded.name)?;
        self.happen(cx, Cached::Loaded(Box::new(loaded)));
        Ok(())
    }

    /// Has one room less in memory, if there are as many as there may be. Newcomers have to be put
    /// somewhere, so the lobby is let in as one room too many.
    pub(super) fn make_room(
        &mut self,
        cx: &mut Context<'_>,
        name: &RoomName,
    ) -> Result<(), RequestError> {
        if !self.state.rooms().is_full() || *name == lobby() {
            return Ok(());
        }
        let rooms = self.state.rooms();
        if let Some(room) = rooms.most_vacant() {
            let gone = self.state.without(room);
            self.happen(cx, gone);
        } else if let Some(room) = rooms.most_vacant_void(|id| self.is_awaited(id)) {
            self.happen(cx, RoomChange::Deleted { room });
            self.happen(cx, Kept::Closed { room });
        } else {
            let message =
                "This server has as many rooms as it can hold. Join one of those in /rooms."
                    .to_owned();
            return Err(RequestError::new("server_full", message));
        }
        Ok(())
    }

    /// Whether somebody is invited into a room, or a program posts there.
    fn is_awaited(&self, room: RoomId) -> bool {
        let mut invitations = self.state.accounts().invitations();
        self.state.hooks().of_room(room).next().is_some()
            || invitations.any(|(_, one)| one.rooms.contains(&room))
    }
}

/// A room as memory holds it; `None` if its name is none any more.
pub(super) fn loaded(stored: StoredRoom) -> Option<LoadedRoom> {
    let StoredRoom { room, name, topic, first_id, next_id, newest } = stored;
    let (Some(room), Ok(name)) = (RoomId::new(room), RoomName::kept(&name)) else {
        warn!("the room {name} is kept, and cannot be opened: no room can have its name");
        return None;
    };
    let newest: Option<Vec<Message>> = newest.iter().map(message).collect();
    Some(LoadedRoom { room, name, topic, first_id, next_id, newest: newest.unwrap_or_default() })
}

fn message(stored: &StoredMessage) -> Option<Message> {
    let kind = if stored.is_action { MessageKind::Action } else { MessageKind::Said };
    let account = stored.account.and_then(UserId::new);
    let message = Message::new(stored.unix_ms, kind, &stored.author, &stored.text)?;
    Some(message.by(account))
}

pub(super) fn unreadable() -> RequestError {
    let message = "What is kept cannot be read at the moment. Try again later.".to_owned();
    RequestError::new("not_readable", message)
}
