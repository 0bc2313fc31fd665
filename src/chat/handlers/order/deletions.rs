//! Messages that are deleted: by those who have said them, and by those who keep order.

use crate::chat::Chat;
use crate::chat::dialect::reply::Line;
use crate::chat::fanout::Deletion;
use crate::chat::handlers::admitting::archived;
use crate::chat::handlers::{Context, Done};
use crate::chat::ids::{RoomId, UserId};
use crate::chat::reading::unreadable;
use crate::chat::record::Kept;
use crate::chat::request::RequestError;
use crate::chat::request::order::Which;
use crate::chat::settings::OWN_LAST_MAX;
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
