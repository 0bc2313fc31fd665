//! What accounts have read: what they say of it, what they are told, and what follows from what
//! they do.

use std::cell::OnceCell;

use super::{Context, Done, bare_name};
use crate::chat::Chat;
use crate::chat::access::may_call_all;
use crate::chat::dialect::Dialect;
use crate::chat::dialect::reply::{Line, ReadingLine, Reply, UnreadRoom, Where};
use crate::chat::ids::{RoomId, UserId};
use crate::chat::mentions::{self, Found};
use crate::chat::reading::unreadable;
use crate::chat::record::{ReadingChange, Record};
use crate::chat::request::{ReadingRequest, RequestError};
use crate::chat::state::Unread;
use crate::chat::state::history::Message;
use crate::chat::state::readings::{Level, Mentioned};
use crate::chat::state::rooms::Room;
use crate::chat::text::quote;

/// Messages on one page of /unread.
pub(in crate::chat) const UNREAD_PAGE: usize = 50;

impl Chat {
    /// Does what is asked of what was read.
    pub(super) fn execute_of_reading(
        &mut self,
        cx: &mut Context<'_>,
        request: ReadingRequest<'_>,
    ) -> Done {
        match request {
            ReadingRequest::Read { room, id, back } => self.read(cx, room.as_deref(), id, back),
            ReadingRequest::Unread => {
                let rooms = self.unread_rooms(cx.user, |unread| !is_hidden(unread));
                let reference = cx.reference;
                cx.reply(&Reply::Unread { rooms, reference });
                Ok(())
            }
            ReadingRequest::Print { room } => self.print_unread(cx, room.as_deref()),
            ReadingRequest::Level { room, level } => self.set_level(cx, room.as_deref(), level),
        }
    }

    fn read(&mut self, cx: &mut Context<'_>, room: Option<&str>, id: u64, back: bool) -> Done {
        let room = self.place_to_read(cx, room)?;
        let Some(Unread { read, last, .. }) = self.state.unread(cx.user, room) else {
            return Ok(());
        };
        // Nobody has read what has not been said, and nothing is unread that may not be seen.
        let sees_from = self.state.sees_from(cx.user, room, cx.unix_ms()).unwrap_or(0);
        let id = id.min(last).max(sees_from.saturating_sub(1));
        if id > read {
            self.happen(cx, ReadingChange::Moved { room, id });
        } else if back && id < read {
            let mentions = self.mentions_between(cx.user, room, id, read);
            self.happen(cx, ReadingChange::MovedBack { room, id, mentions });
        }
        let (Some(here), Some(unread)) =
            (self.state.rooms().get(room), self.state.unread(cx.user, room))
        else {
            return Ok(());
        };
        let (place, reference) = (self.place(cx.user, here), cx.reference);
        let ReadingLine { read: id, unread, mentions, level } = ReadingLine::of(&unread);
        cx.reply(&Reply::Read { place, id, unread, mentions, level, reference });
        Ok(())
    }

    fn set_level(&mut self, cx: &mut Context<'_>, room: Option<&str>, level: Level) -> Done {
        let id = self.place_to_read(cx, room)?;
        self.happen(cx, ReadingChange::LevelSet { room: id, level });
        let Some(room) = self.state.rooms().get(id) else { return Ok(()) };
        let place = self.place(cx.user, room);
        let line = match (level, &place) {
            (Level::All, _) => format!("You are told of everything {place}."),
            (Level::Mentions, _) => format!("You are told of what is for you {place}."),
            (Level::None, _) => format!("You are told of nothing {place}."),
            (Level::Hidden, Where::Room(room)) => {
                format!("{room} is hidden while nothing in it is for you.")
            }
            (Level::Hidden, Where::With(name)) => format!("What {name} says to you is hidden."),
        };
        self.tell_done(cx, "level", &line);
        Ok(())
    }

    // ---- Unread ----

    /// The rooms of an account of which this holds.
    fn unread_rooms(
        &self,
        user: UserId,
        is_wanted: impl Fn(&Unread) -> bool,
    ) -> Vec<UnreadRoom<'_>> {
        let gone = OnceCell::new();
        let rooms = self.state.readings().of(user).filter_map(|(id, _)| {
            let (room, unread) = (self.state.rooms().get(id)?, self.state.unread(user, id)?);
            let is_told = is_wanted(&unread) && !self.is_with_ignored(user, room);
            is_told.then(|| UnreadRoom::new(self.place_among(user, room, &gone), &unread))
        });
        rooms.collect()
    }

    /// Whether it is a conversation with somebody whom this user ignores.
    fn is_with_ignored(&self, user: UserId, room: &Room) -> bool {
        let between = room.between();
        between.is_some_and(|between| self.state.order().ignores(user, between.other(user)))
    }

    /// Tells somebody at a terminal what was said while it was away, if anything was.
    pub(super) fn tell_unread(&self, cx: &mut Context<'_>) {
        let is_told = |unread: &Unread| match unread.level {
            Level::All | Level::Mentions => unread.unread > 0,
            Level::None => false,
            Level::Hidden => unread.mentions > 0,
        };
        self.tell_unread_rooms(cx, is_told);
    }

    fn tell_unread_rooms(&self, cx: &mut Context<'_>, is_told: impl Fn(&Unread) -> bool) {
        if cx.dialect() == Dialect::Text && self.state.accounts().contains(cx.user) {
            let rooms = self.unread_rooms(cx.user, is_told);
            if !rooms.is_empty() {
                cx.reply(&Reply::Unread { rooms, reference: None });
            }
        }
    }

    /// The room that is named, or the conversation with somebody: `@bob`.
    pub(in crate::chat) fn place_to_read(
        &self,
        cx: &Context<'_>,
        typed: Option<&str>,
    ) -> Result<RoomId, RequestError> {
        let Some(name) = typed.filter(|typed| typed.starts_with('@')) else {
            return self.room_of(cx, typed);
        };
        self.conversation_with(cx, name)?.ok_or_else(|| {
            let name = quote(bare_name(name), 32);
            let message = format!("You and {name} have said nothing to each other yet.");
            RequestError::new("no_such_name", message)
        })
    }

    /// The room whose unread messages are shown: the one that is named, or the first that has some,
    /// beginning with the one that is talked in.
    pub(in crate::chat) fn room_to_print(
        &self,
        cx: &Context<'_>,
        room: Option<&str>,
    ) -> Result<Option<RoomId>, RequestError> {
        if room.is_some() {
            return self.place_to_read(cx, room).map(Some);
        }
        let current = self.room_of(cx, None).ok();
        let rooms = self.state.readings().of(cx.user).map(|(room, _)| room);
        let mut all = current.into_iter().chain(rooms);
        Ok(all.find(|&room| {
            let unread = self.state.unread(cx.user, room);
            let here = self.state.rooms().get(room);
            unread.is_some_and(|unread| unread.unread > 0 && !is_hidden(&unread))
                && here.is_some_and(|here| !self.is_with_ignored(cx.user, here))
        }))
    }

    /// Shows the next page of what is unread, and moves on.
    fn print_unread(&mut self, cx: &mut Context<'_>, room: Option<&str>) -> Done {
        let id = self.room_to_print(cx, room)?;
        let found = id.and_then(|id| self.state.unread(cx.user, id).zip(Some(id)));
        let Some((unread, id)) = found.filter(|(unread, _)| unread.unread > 0) else {
            cx.reply(&Reply::Unread { rooms: Vec::new(), reference: None });
            return Ok(());
        };
        let Some(room) = self.state.rooms().get(id) else { return Ok(()) };
        if self.questions.page(cx.client, id).is_some_and(|page| page.messages.is_none()) {
            return Err(unreadable());
        }
        let (messages, more) = self.newer(cx, room, unread.read, UNREAD_PAGE);
        // What is not kept any more counts as read when there is nothing else.
        let read = messages.last().map_or(unread.last, |line| line.id);
        let told = super::lists::size_of_answer(&messages);
        let place = self.place(cx.user, room);
        let (unread, replay, reference) = (Some(unread.unread), false, cx.reference);
        let is_kept = !messages.is_empty();
        let messages = self.without_ignored(cx, messages);
        // Of what is ignored nothing is shown, nor that it is not kept.
        let is_shown = !messages.is_empty() || !is_kept;
        if is_shown {
            cx.reply(&Reply::History { place, messages, more, replay, unread, reference });
        }
        self.charge_answer(cx, told);
        self.happen(cx, ReadingChange::Moved { room: id, id: read });
        let rooms = self.unread_rooms(cx.user, |unread| unread.unread > 0 && !is_hidden(unread));
        if !rooms.is_empty() || !is_shown {
            cx.reply(&Reply::Unread { rooms, reference: None });
        }
        Ok(())
    }

    /// What a program is told of a room that its account is in.
    pub(super) fn reading_line(&self, user: UserId, room: RoomId) -> Option<ReadingLine> {
        self.state.unread(user, room).map(|unread| ReadingLine::of(&unread))
    }

    // ---- What follows ----

    /// What was said may be for somebody.
    pub(super) fn note_mentions(
        &mut self,
        cx: &mut Context<'_>,
        room: RoomId,
        id: u64,
        found: &Found<UserId>,
    ) {
        if self.state.accounts().is_empty() {
            return;
        }
        let (readings, order) = (self.state.readings(), self.state.order());
        let is_for = |user: &UserId| {
            let is_called = *user != cx.user && !order.ignores(*user, cx.user);
            is_called && readings.get(*user, room).is_some()
        };
        // What an account says to all is not counted for those who ignore it. A guest is not known
        // by what it has said.
        let is_ignored_guest =
            self.state.account(cx.user).is_none() && order.ignoring(cx.user).next().is_some();
        let mut users: Vec<UserId> = match found {
            Found::All if !is_ignored_guest => {
                let mentioned = Mentioned::All;
                return self.happen(cx, ReadingChange::Mentioned { room, id, mentioned });
            }
            Found::All => self.state.members(room).map(|user| user.id).filter(is_for).collect(),
            Found::Members(users) => users.iter().copied().filter(is_for).collect(),
        };
        users.sort_unstable();
        users.dedup();
        if !users.is_empty() {
            let mentioned = Mentioned::Users(users.into());
            self.happen(cx, ReadingChange::Mentioned { room, id, mentioned });
        }
    }

    pub(super) fn find_mentions(&self, author: UserId, room: RoomId, text: &str) -> Found<UserId> {
        let state = &self.state;
        let member = |key: &str| {
            let user = state.users().find(key)?.id;
            state.is_member(user, room).then_some(user)
        };
        mentions::find(text, member, || may_call_all(state, author, room))
    }

    /// The messages after the first of these ids that are for this account, up to the second; as
    /// far as memory has them.
    fn mentions_between(&self, user: UserId, room: RoomId, after: u64, to: u64) -> Box<[u64]> {
        let Some(here) = self.state.rooms().get(room) else { return Box::default() };
        let ignored = self.ignored_names(user);
        let is_seen = |line: &Line<'_>| {
            let is_own = line.account == Some(user);
            !is_own && !ignored.as_ref().is_some_and(|names| self.is_ignored(user, names, line))
        };
        let messages = here.history.after(after).take_while(|(id, _)| *id <= to);
        let is_for_user = |text: &str| match self.find_mentions(user, room, text) {
            Found::All => false,
            Found::Members(users) => users.contains(&user),
        };
        let lines = messages.map(|(id, message)| Line::new(id, message));
        let found = lines.filter(|line| is_for_user(line.text) && is_seen(line));
        found.map(|line| line.id).collect()
    }

    /// Something is said, and has been written to no member of its room yet.
    pub(in crate::chat) fn apply_said(
        &mut self,
        cx: &Context<'_>,
        room: RoomId,
        id: u64,
        message: Message,
        key: Option<&str>,
    ) {
        self.state.say(cx.user, room, id, message, key, cx.unix_ms());
        if self.state.accounts().is_empty() {
            return;
        }
        match self.channels.of(room) {
            Some(channel) => self.written.said(channel, room, id),
            None => {
                let group = self.keeping.as_ref().map(|keeping| keeping.newest());
                self.written.said_between(room, id, group);
            }
        }
        self.note_read(cx, room);
    }

    /// The account that asks has read something.
    fn note_read(&mut self, cx: &Context<'_>, room: RoomId) {
        if let Some(keeping) = &mut self.keeping
            && self.state.readings().get(cx.user, room).is_some()
        {
            keeping.read(cx.user, room, cx.out.now().ms);
        }
    }

    /// What an account has read of a room, if of any, is another now: its other devices are told.
    pub(in crate::chat) fn apply_reading(
        &mut self,
        cx: &mut Context<'_>,
        record: Record,
        room: Option<RoomId>,
    ) {
        self.state.apply(record);
        let Some(room) = room else { return };
        self.note_read(cx, room);
        let devices = self.other_devices(cx);
        let unread = self.state.unread(cx.user, room);
        let (Some(unread), Some(room)) = (unread, self.state.rooms().get(room)) else { return };
        let ReadingLine { read: id, unread, mentions, level } = ReadingLine::of(&unread);
        let (place, reference) = (self.place(cx.user, room), None);
        let read = Reply::Read { place, id, unread, mentions, level, reference };
        self.tell_devices(cx, &devices, &read);
    }

    /// Somebody types a line: at a terminal, all that was written to it before has been read.
    pub(in crate::chat) fn read_by_typing(&mut self, cx: &mut Context<'_>) {
        let is_terminal = cx.dialect() == Dialect::Text;
        if !is_terminal
            || !self.state.accounts().contains(cx.user)
            || cx.out.outbox(cx.client).is_some()
        {
            return;
        }
        let Chat { state, channels, written, .. } = self;
        let moved = state.readings().of(cx.user).filter_map(|(room, reading)| {
            let here = state.rooms().get(room)?;
            let last = state.last_id(room).filter(|last| *last > reading.read)?;
            // What is said in a conversation is written to each device by itself.
            let id = match here.between() {
                Some(_) => written.up_to_between(room, last),
                None => written.up_to(channels.of(room)?, room, last),
            };
            let is_new = id > reading.read && !written.lacks(cx.client, room, reading.read);
            is_new.then_some(ReadingChange::Moved { room, id })
        });
        for change in moved.collect::<Vec<_>>() {
            self.happen(cx, change);
        }
    }

    /// A terminal begins to hear the rooms of its account. What is unread has not been written to
    /// it.
    pub(super) fn note_missed(&mut self, cx: &Context<'_>) {
        if cx.dialect() != Dialect::Text {
            return;
        }
        for (room, reading) in self.state.readings().of(cx.user) {
            if let Some(last) = self.state.last_id(room).filter(|last| *last > reading.read) {
                self.written.missed(cx.client, room, last);
            }
        }
    }
}

fn is_hidden(unread: &Unread) -> bool {
    unread.level == Level::Hidden && unread.mentions == 0
}
