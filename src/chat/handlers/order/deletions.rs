//! Messages that are deleted: by those who have said them, and by those who keep order.

use std::ops::Range;

use crate::chat::Chat;
use crate::chat::dialect::reply::{Line, Reply};
use crate::chat::fanout::Deletion;
use crate::chat::handlers::admitting::archived;
use crate::chat::handlers::lists::AnswerSize;
use crate::chat::handlers::{Context, Done};
use crate::chat::ids::{RoomId, UserId};
use crate::chat::questions::Question;
use crate::chat::reading::unreadable;
use crate::chat::record::Kept;
use crate::chat::request::RequestError;
use crate::chat::request::order::Which;
use crate::chat::settings::{DELETIONS_MAX, OWN_LAST_MAX};
use crate::chat::state::rooms::Room;

impl Chat {
    /// Leaves a tombstone of a message. Where somebody else had said it, that is an act of power.
    pub(super) fn delete(
        &mut self,
        cx: &mut Context<'_>,
        place: Option<&str>,
        which: Option<Which>,
    ) -> Done {
        let room = self.place_to_read(cx, place)?;
        let id = match which {
            Some(which) => self.id_of(cx, room, which)?,
            None => self.own_last(cx, room)?,
        };
        let Some(here) = self.state.rooms().get(room) else { return Ok(()) };
        let line = self.line_of(cx, here, id)?;
        let is_own = self.is_own(cx.user, here, &line);
        self.check_may_delete(cx, here, is_own)?;
        let (name, text) = (line.name.to_owned(), line.text.to_owned());
        let (by, here) = (self.shown_name(cx.user).to_owned(), here.name.as_str().to_owned());
        self.happen(cx, Kept::MessageDeleted { room, id });
        let (name, text, by, time) = (&*name, &*text, &*by, cx.unix_ms());
        self.publish_message_deleted(cx, room, &Deletion { id, name, text, by, time });
        if !is_own {
            self.log_act_in(cx, room, &format!("{by} removed message {id} of {name} in {here}."));
        }
        Ok(())
    }

    /// Tells which messages are tombstones of those that a client has, as far as may be looked at for
    /// one answer: it was not told of those that were deleted while it was not connected.
    pub(super) fn tell_deletions(
        &mut self,
        cx: &mut Context<'_>,
        place: Option<&str>,
        after: u64,
        before: Option<u64>,
    ) -> Done {
        let id = self.place_to_read(cx, place)?;
        let Some(room) = self.state.rooms().get(id) else { return Ok(()) };
        let mut asked = self.ids_to_look_at(cx, room, after, before);
        let (mut ids, mut held_from) = (Vec::new(), asked.start);
        if let Some(found) = self.questions.tombstones(cx.client, id) {
            let deleted = found.ids.ok_or_else(unreadable)?;
            asked.start = asked.start.max(found.asked.start);
            held_from = found.asked.end.max(asked.start);
            if held_from < room.history.first_held() {
                asked.end = held_from;
            }
            ids.extend(deleted.iter().filter(|id| asked.contains(id)));
        }
        let held = room.history.after(held_from - 1).take_while(|(id, _)| *id < asked.end);
        ids.extend(held.filter(|(_, message)| message.is_deleted()).map(|(id, _)| id));
        let told = AnswerSize { lines: 0, bytes: size_of_val(&*ids) };
        let (place, reference) = (self.place(cx.user, room), cx.reference);
        let (after, before) = (asked.start - 1, asked.end);
        cx.reply(&Reply::Deletions { place, after, before, ids, reference });
        self.charge_answer(cx, told);
        Ok(())
    }

    /// What has to be looked up for that, if memory does not have all of these messages.
    pub(in crate::chat) fn missing_deletions(
        &self,
        cx: &Context<'_>,
        place: Option<&str>,
        after: u64,
        before: Option<u64>,
    ) -> Option<Question> {
        let room = self.state.rooms().get(self.place_to_read(cx, place).ok()?)?;
        if self.questions.tombstones(cx.client, room.id).is_some() {
            return None;
        }
        let ids = self.ids_to_look_at(cx, room, after, before);
        let is_held = ids.start.max(room.first_id()) >= room.history.first_held();
        (!is_held && !ids.is_empty()).then(|| Question::Deleted { room: room.id.get(), ids })
    }

    /// The newest of these messages, of those that the one who asks may see.
    fn ids_to_look_at(
        &self,
        cx: &Context<'_>,
        room: &Room,
        after: u64,
        before: Option<u64>,
    ) -> Range<u64> {
        let next_id = room.history.next_id();
        let end = before.unwrap_or(next_id).clamp(1, next_id);
        let from = after.saturating_add(1).max(end.saturating_sub(DELETIONS_MAX)).min(end);
        let sees_from = self.state.sees_from(cx.user, room.id, cx.unix_ms()).unwrap_or(end);
        from.max(sees_from.min(end))..end
    }

    /// The last message in a room of the one who asks, among the last that were said there.
    fn own_last(&self, cx: &Context<'_>, room: RoomId) -> Result<u64, RequestError> {
        if self.backlog.has_any_of(cx.client) {
            let message = "What you said last still waits to be said. Then it has a number.";
            return Err(RequestError::new("busy", message.to_owned()));
        }
        if self.questions.page(cx.client, room).is_some_and(|page| page.messages.is_none()) {
            return Err(unreadable());
        }
        let found = self.state.rooms().get(room).and_then(|here| {
            let held = here.history.last(OWN_LAST_MAX as usize);
            let held = || held.map(|(id, message)| Line::new(id, message)).collect();
            let lines: Vec<Line<'_>> = self.read_lines(cx, here).unwrap_or_else(held);
            let from = self.state.sees_from(cx.user, room, cx.unix_ms())?;
            let from = from.max(here.history.next_id().saturating_sub(OWN_LAST_MAX.into()));
            let is_meant = |line: &&Line<'_>| !line.deleted && self.is_own(cx.user, here, line);
            let last = lines.iter().rev().take_while(|line| line.id >= from).find(is_meant);
            last.map(|line| line.id)
        });
        found.ok_or_else(|| {
            let message = "You have said nothing there lately. /history shows the numbers.";
            RequestError::new("no_such_message", message.to_owned())
        })
    }

    /// Whether somebody has said this: an account, or a guest that is still the same.
    fn is_own(&self, user: UserId, room: &Room, line: &Line<'_>) -> bool {
        match self.state.account(user) {
            Some(account) => line.account == Some(account),
            None => self.state.guest_words().contain(user, room.id, line.id),
        }
    }

    /// Who was muted may take back what they have said. Where nothing is said any more, only those
    /// who keep order can.
    fn check_may_delete(&self, cx: &Context<'_>, room: &Room, is_own: bool) -> Done {
        let keeps_order = room.between().is_none() && self.may_moderate(cx.user, room.id);
        if !is_own && !keeps_order {
            let message = match room.between() {
                None => "Only who said it and those who keep order in this room can do that.",
                Some(_) => "Only who said it can do that.",
            };
            return Err(RequestError::new("not_allowed", message.to_owned()));
        }
        match room.settings().is_archived && !keeps_order {
            true => Err(archived(room)),
            false => Ok(()),
        }
    }
}
