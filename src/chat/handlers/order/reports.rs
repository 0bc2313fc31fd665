//! What people show the staff.

use crate::chat::Chat;
use crate::chat::dialect::reply::{Line, Where};
use crate::chat::handlers::{Context, Done};
use crate::chat::ids::RoomId;
use crate::chat::request::RequestError;
use crate::chat::request::order::Which;
use crate::chat::settings::REPORT_TOKENS;
use crate::chat::state::rooms::Room;
use crate::chat::text::{one_row, quote};

/// So many characters of what is reported are quoted; the rest is where it was said.
const QUOTED_CHARS: usize = 500;

impl Chat {
    /// Shows the staff a message that its reporter may read, and says whose report it is.
    pub(super) fn report(
        &mut self,
        cx: &mut Context<'_>,
        room: Option<&str>,
        which: Which,
        reason: Option<&str>,
    ) -> Done {
        let (room, id) = self.reported(cx, room, which)?;
        let reason = self.reason_of(cx, reason)?;
        if !self.state.accounts().has_owner() {
            let message = "Nobody owns this server yet, so there is nobody to report it to.";
            return Err(RequestError::new("no_staff", message.to_owned()));
        }
        let Some(here) = self.state.rooms().get(room) else { return Ok(()) };
        let line = self.line_of(cx, here, id)?;
        let (by, author) = (self.shown_name(cx.user), line.name.to_owned());
        let row = one_row(line.text);
        // Two people may tell each other a code; the staff's log has none.
        let has_secret = self.check_hidden(&row, cx.unix_ms()).is_err();
        let quoted = quote(if has_secret { "(a code or a token)" } else { &row }, QUOTED_CHARS);
        let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
        let place = match self.place(cx.user, here) {
            Where::Room(room) => room.to_owned(),
            Where::With(partner) => format!("a conversation with {partner}"),
        };
        let act = format!("{by} reports {author} in {place} ({id}): {quoted}{reason}");
        if let Some(session) = self.sessions.get_mut(cx.client) {
            // One was taken as the request was read.
            session.bucket.spend(REPORT_TOKENS - 1, cx.out.now().ms, &self.settings.rate);
        }
        self.log_act(cx, &act);
        let line = format!("The staff of this server sees now what {author} said there.");
        self.tell_done(cx, "report", &line);
        Ok(())
    }

    /// The room and the number of what is reported.
    pub(in crate::chat) fn reported(
        &self,
        cx: &Context<'_>,
        room: Option<&str>,
        which: Which,
    ) -> Result<(RoomId, u64), RequestError> {
        let room = self.place_of_report(cx, room)?;
        Ok((room, self.id_of(cx, room, which)?))
    }

    /// The number of a message that who asks may read.
    pub(in crate::chat) fn id_of(
        &self,
        cx: &Context<'_>,
        room: RoomId,
        which: Which,
    ) -> Result<u64, RequestError> {
        let next_id = self.state.rooms().get(room).map_or(1, |room| room.history.next_id());
        let id = match which {
            Which::Id(id) => id,
            Which::Back(back) => next_id.saturating_sub(back),
        };
        let first_id = self.state.rooms().get(room).map_or(1, Room::first_id);
        let is_there = (first_id..next_id).contains(&id);
        match is_there && self.state.may_read(cx.user, room, id, cx.unix_ms()) {
            true => Ok(id),
            false => Err(no_such_message(id)),
        }
    }

    /// The room that is named, or the conversation with somebody: `@bob`.
    fn place_of_report(
        &self,
        cx: &Context<'_>,
        typed: Option<&str>,
    ) -> Result<RoomId, RequestError> {
        let Some(name) = typed.filter(|typed| typed.starts_with('@')) else {
            return self.room_of(cx, typed);
        };
        if self.state.account(cx.user).is_none() {
            return Err(self.login_required());
        }
        self.conversation_with(cx, name)?.ok_or_else(|| {
            let message = format!("Nothing was said between you and {}.", &name[1..]);
            RequestError::new("no_such_message", message)
        })
    }

    /// A message, in memory or as it was read for who asks.
    ///
    /// # Errors
    /// It is not there, or was deleted.
    pub(super) fn line_of<'a>(
        &'a self,
        cx: &Context<'_>,
        room: &'a Room,
        id: u64,
    ) -> Result<Line<'a>, RequestError> {
        let held = room.history.get(id);
        let held = held.map(|message| self.shown_line(room.between(), Line::new(id, message)));
        let line =
            held.or_else(|| self.read_lines(cx, room)?.into_iter().find(|line| line.id == id));
        match line {
            Some(line) if line.deleted => {
                let message = format!("Message {id} was removed already.");
                Err(RequestError::new("no_such_message", message))
            }
            line => line.ok_or_else(|| no_such_message(id)),
        }
    }
}

fn no_such_message(id: u64) -> RequestError {
    let message = format!("There is no message {id} there. /history shows their numbers.");
    RequestError::new("no_such_message", message)
}
