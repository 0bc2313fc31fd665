//! What two accounts say to each other: it is kept in a room of which only they know.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::lists::{AnswerSize, next, page_length};
use super::{Context, Done, called, no_such_name};
use crate::chat::Chat;
use crate::chat::dialect::reply::{ConversationLine, HitLine, Line, Reply, Where};
use crate::chat::ids::{Pair, RoomId, UserId};
use crate::chat::name::{Name, RoomName};
use crate::chat::questions::Question;
use crate::chat::reading::unreadable;
use crate::chat::record::Kept;
use crate::chat::request::{ConversationRequest, Request, RequestError};
use crate::chat::settings::CONVERSATIONS_MAX;
use crate::chat::state::history::{Message, MessageKind};
use crate::chat::state::keys::Scope;
use crate::chat::state::rooms::Room;
use crate::chat::text::quote;
use crate::store::search::snippet;
use crate::store::{Hit, PageRequest};

/// What stands in place of the name of an account that has ended.
pub(in crate::chat) const LEFT: &str = "someone who left";

/// Whom somebody talks with, or whose words somebody asks for.
enum Partner {
    /// It is here, and what was said may be kept.
    Account(UserId),
    /// Its account has ended; what was said is in this room.
    Gone(RoomId),
}

impl Chat {
    pub(super) fn execute_of_conversation(
        &mut self,
        cx: &mut Context<'_>,
        request: &ConversationRequest<'_>,
    ) -> Done {
        let told = match request {
            ConversationRequest::History { with, before, after, limit } => {
                match self.conversation_with(cx, with)? {
                    Some(room) => self.history(cx, room, *before, *after, *limit)?,
                    None => {
                        let place = Where::With(self.shown_partner(cx, with)?);
                        let (messages, more, replay) = (Vec::new(), false, false);
                        let (unread, reference) = (None, cx.reference);
                        cx.reply(&Reply::History {
                            place,
                            messages,
                            more,
                            replay,
                            unread,
                            reference,
                        });
                        return Ok(());
                    }
                }
            }
            ConversationRequest::List { after, limit } => self.conversations(cx, *after, *limit)?,
        };
        self.charge_answer(cx, told);
        Ok(())
    }

    // ---- Saying ----

    /// Says something to somebody, both of whom have accounts: it is kept, and told to all devices
    /// of both.
    pub(super) fn say_between(
        &mut self,
        cx: &mut Context<'_>,
        to: UserId,
        text: &str,
        key: Option<&str>,
    ) -> Done {
        let between = Pair::new(cx.user, to);
        let (Some(from), Some(addressee)) = (self.name_of(cx.user), self.name_of(to)) else {
            return Ok(());
        };
        let known = self.state.rooms().conversation(between);
        let first = known
            .zip(key)
            .and_then(|(room, key)| Some((room, self.said_under(cx, Scope::Room(room.id), key)?)));
        if let Some((room, first)) = first {
            // Under the same key it is the same text, unless it was taken back meanwhile.
            let lines = self.read_lines(cx, room).unwrap_or_default();
            let stored = || lines.iter().find(|it| it.id == first.id).map(|line| line.text);
            let held = room.history.get(first.id).map(Message::text);
            let text = held.or_else(stored).unwrap_or(text);
            let told = Reply::Direct {
                from: from.as_str(),
                to: addressee.as_str(),
                id: Some(first.id),
                text,
                time: first.unix_ms,
                guest: false,
                sent: true,
                marks_guest: false,
                deleted: text.is_empty(),
                reference: cx.reference,
            };
            cx.reply(&told);
            return Ok(());
        }
        let message = Message::new(cx.unix_ms(), MessageKind::Said, from.as_str(), text);
        let message = message.expect("names are far shorter than 65,535 bytes").by(Some(cx.user));
        let room = match known {
            Some(room) => room.id,
            None => self.open_between(cx, between)?,
        };
        let Some(id) = self.state.rooms().get(room).map(|room| room.history.next_id()) else {
            return Ok(());
        };
        self.happen(cx, Kept::Said { room, id, message, key: key.map(Box::from) });
        Ok(())
    }

    fn open_between(
        &mut self,
        cx: &mut Context<'_>,
        between: Pair,
    ) -> Result<RoomId, RequestError> {
        if self.state.rooms().conversations_of(cx.user).nth(CONVERSATIONS_MAX - 1).is_some() {
            let message =
                format!("You have {CONVERSATIONS_MAX} conversations, and no more can be.");
            return Err(RequestError::new("too_many", message));
        }
        let (room, name) = (self.state.rooms().next_id(), RoomName::of_conversation(between));
        self.happen(cx, Kept::Opened { room, name });
        Ok(room)
    }

    /// Whether this is something to be kept: both who says it and whom it is said to have accounts.
    pub(in crate::chat) fn is_kept_direct(&self, cx: &Context<'_>, request: &Request<'_>) -> bool {
        let Request::Direct { to, .. } = request else { return false };
        self.addressee(to).is_ok_and(|to| self.state.keeps_between(cx.user, to))
    }

    // ---- Finding ----

    /// The conversation with somebody who is named like this, if anything was said there.
    ///
    /// # Errors
    /// There is nobody of that name, or nothing can be kept.
    pub(in crate::chat) fn conversation_with(
        &self,
        cx: &Context<'_>,
        typed: &str,
    ) -> Result<Option<RoomId>, RequestError> {
        Ok(match self.partner(cx, typed)? {
            Partner::Gone(room) => Some(room),
            Partner::Account(other) => {
                let room = self.state.rooms().conversation(Pair::new(cx.user, other));
                room.map(|room| room.id)
            }
        })
    }

    /// The room of a conversation that is to be searched, if there is one.
    pub(super) fn searched_conversation(
        &self,
        cx: &Context<'_>,
        typed: &str,
    ) -> Result<Vec<u64>, RequestError> {
        if self.state.account(cx.user).is_none() {
            return Err(self.login_required());
        }
        Ok(self.conversation_with(cx, typed)?.map(RoomId::get).into_iter().collect())
    }

    fn partner(&self, cx: &Context<'_>, typed: &str) -> Result<Partner, RequestError> {
        let typed = typed.strip_prefix('@').unwrap_or(typed);
        if let Some(user) = called(typed).and_then(|name| self.state.users().find(name.key())) {
            if self.state.accounts().contains(user.id) {
                return Ok(Partner::Account(user.id));
            }
            let name = &user.name;
            let message = format!("{name} is a guest: what is said to guests is not kept.");
            return Err(RequestError::new("no_account", message));
        }
        let gone = self.gone(cx.user);
        let found = (0..gone.len()).find(|&at| left(at).eq_ignore_ascii_case(typed));
        found.map(|at| Partner::Gone(gone[at])).ok_or_else(|| no_such_name(typed))
    }

    /// As somebody is shown who was named like this.
    fn shown_partner(&self, cx: &Context<'_>, typed: &str) -> Result<Cow<'_, str>, RequestError> {
        Ok(match self.partner(cx, typed)? {
            Partner::Account(other) => self.account_name(other).into(),
            Partner::Gone(_) => quote(typed, 64).to_string().into(),
        })
    }

    /// The conversations of somebody with accounts that have ended, in the order in which they began.
    fn gone(&self, user: UserId) -> Vec<RoomId> {
        let all = self.state.rooms().conversations_of(user);
        let is_gone = |room: &&Room| {
            room.between().is_some_and(|between| self.name_of(between.other(user)).is_none())
        };
        let mut gone: Vec<RoomId> = all.filter(is_gone).map(|room| room.id).collect();
        gone.sort_unstable();
        gone
    }

    /// Whom somebody talks with in a conversation, as that is called today.
    pub(in crate::chat) fn partner_name(
        &self,
        user: UserId,
        room: RoomId,
        between: Pair,
    ) -> Cow<'_, str> {
        self.partner_among(user, room, between, &OnceCell::new())
    }

    /// The same, of several: `gone`: what is looked for once for all of them.
    fn partner_among(
        &self,
        user: UserId,
        room: RoomId,
        between: Pair,
        gone: &OnceCell<Vec<RoomId>>,
    ) -> Cow<'_, str> {
        match self.name_of(between.other(user)) {
            Some(name) => name.as_str().into(),
            None => {
                let gone = gone.get_or_init(|| self.gone(user));
                left(gone.binary_search(&room).unwrap_or(0))
            }
        }
    }

    /// What an account is called today.
    fn account_name(&self, account: UserId) -> &str {
        self.name_of(account).map_or(LEFT, Name::as_str)
    }

    /// Where something was said, as the one who asks is told.
    pub(in crate::chat) fn place<'a>(&'a self, user: UserId, room: &'a Room) -> Where<'a> {
        self.place_among(user, room, &OnceCell::new())
    }

    /// The same, of several.
    pub(super) fn place_among<'a>(
        &'a self,
        user: UserId,
        room: &'a Room,
        gone: &OnceCell<Vec<RoomId>>,
    ) -> Where<'a> {
        match room.between() {
            None => Where::Room(room.name.as_str()),
            Some(between) => Where::With(self.partner_among(user, room.id, between, gone)),
        }
    }

    /// A message that a search has found, if the one who asks may read it.
    pub(super) fn hit_line<'a>(&'a self, cx: &Context<'_>, hit: &'a Hit) -> Option<HitLine<'a>> {
        let between = Pair::parse(&hit.room);
        let place = match between {
            None => Where::Room(&hit.room),
            Some(between) => {
                let room = self.state.rooms().conversation(between);
                let room = room.filter(|_| between.has(cx.user))?;
                Where::With(self.partner_name(cx.user, room.id, between))
            }
        };
        Some(HitLine { place, line: self.shown_line(between, Line::stored(&hit.message)) })
    }

    /// A message as it is shown today. In a conversation both are called as they are now; in a room,
    /// as they were, but for those whose accounts have ended.
    pub(in crate::chat) fn shown_line<'a>(
        &'a self,
        between: Option<Pair>,
        line: Line<'a>,
    ) -> Line<'a> {
        let name = match line.account {
            Some(account) if between.is_some() => self.account_name(account),
            Some(account) if !self.state.accounts().contains(account) => LEFT,
            Some(_) | None => line.name,
        };
        Line { name, ..line }
    }

    // ---- Listing ----

    fn listed(&self, user: UserId, after: u64, limit: Option<u32>) -> Vec<&Room> {
        let after = usize::try_from(after).unwrap_or(usize::MAX);
        let all = self.state.rooms().conversations_of(user).filter(|room| !room.is_void());
        all.skip(after).take(page_length(limit)).collect()
    }

    /// The last messages of those that are to be listed, where memory does not have them.
    pub(in crate::chat) fn missing_last(
        &self,
        cx: &Context<'_>,
        after: u64,
        limit: Option<u32>,
    ) -> Option<Question> {
        let absent = |room: &&Room| room.history.is_empty() && !room.is_void();
        let wanted = self.listed(cx.user, after, limit).into_iter().filter(absent);
        let pages = wanted.map(|room| PageRequest {
            room: room.id.get(),
            from: room.history.next_id() - 1,
            before: room.history.next_id(),
            newest: true,
            messages_max: 1,
            bytes_max: self.settings.message_bytes_max,
        });
        let pages: Vec<PageRequest> = pages.collect();
        (!pages.is_empty()).then_some(Question::Last(pages))
    }

    fn conversations(
        &self,
        cx: &mut Context<'_>,
        after: u64,
        limit: Option<u32>,
    ) -> Result<AnswerSize, RequestError> {
        let read = match self.questions.last(cx.client) {
            Some(Err(())) => return Err(unreadable()),
            Some(Ok(read)) => read,
            None => &[],
        };
        let listed = self.listed(cx.user, after, limit);
        let count = listed.len();
        let gone = OnceCell::new();
        let lines = listed.into_iter().filter_map(|room| {
            let held = room.history.last(1).next().map(|(id, message)| Line::new(id, message));
            let of_room = |(id, _): &&(u64, _)| *id == room.id.get();
            let read = || read.iter().find(of_room).map(|(_, message)| Line::stored(message));
            self.conversation_line(cx.user, room, held.or_else(read)?, &gone)
        });
        let lines: Vec<ConversationLine<'_>> = lines.collect();
        let told = AnswerSize {
            lines: lines.len(),
            bytes: lines.iter().map(|line| line.text.len()).sum(),
        };
        let all = self.state.rooms().conversations_of(cx.user);
        let total = all.filter(|room| !room.is_void()).count();
        let (next, reference) = (next(after, count, total), cx.reference);
        let conversations = lines;
        cx.reply(&Reply::Conversations { conversations, total, after, next, reference });
        Ok(told)
    }

    fn conversation_line<'a>(
        &'a self,
        user: UserId,
        room: &Room,
        last: Line<'a>,
        gone: &OnceCell<Vec<RoomId>>,
    ) -> Option<ConversationLine<'a>> {
        let between = room.between()?;
        let other = between.other(user);
        let author = last.account.filter(|&author| author != user);
        let is_ignored = author.is_some_and(|author| self.state.order().ignores(user, author));
        Some(ConversationLine {
            with: self.partner_among(user, room.id, between, gone),
            last: last.id,
            time: last.time,
            text: if is_ignored { "".into() } else { snippet("", last.text) },
            deleted: last.deleted && !is_ignored,
            me: last.account == Some(user),
            gone: self.name_of(other).is_none(),
            offline: self.name_of(other).is_some() && self.clients_of(other).next().is_none(),
        })
    }
}

/// What stands for the one at this place among those who have left.
fn left(at: usize) -> Cow<'static, str> {
    match at {
        0 => LEFT.into(),
        at => format!("{LEFT} ({})", at + 1).into(),
    }
}
