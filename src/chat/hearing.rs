//! What a client says: read, held back if something has to come first, and done.

use std::borrow::Cow;

use super::dialect::Dialect;
use super::dialect::json::RequestRef;
use super::handlers::Context;
use super::request::{Request, RequestError};
use super::settings::{MESSAGE_BYTES_PER_TOKEN, MESSAGE_LINES_PER_TOKEN};
use super::{Chat, text};
use crate::delivery::encoding::{FrameKind, Framing};
use crate::delivery::{Delivery, Wait};
use crate::ids::ClientId;
use crate::service::{Incoming, Outcome};
use crate::wire::close::CloseReason;

/// What a message takes out of its sender's bucket but for one token.
fn tokens(message: &Incoming<'_>, request: Option<&Request<'_>>) -> usize {
    let bytes = message.bytes.len();
    // A line break takes two bytes in JSON, so most messages need no count.
    let counted = request.filter(|_| bytes >= 2 * MESSAGE_LINES_PER_TOKEN);
    let lines = counted.map_or(0, Request::lines);
    (bytes / MESSAGE_BYTES_PER_TOKEN).max(lines / MESSAGE_LINES_PER_TOKEN)
}

impl Chat {
    /// Takes a message, or says what it has to wait for.
    pub(super) fn hear(
        &mut self,
        client: ClientId,
        message: Incoming<'_>,
        out: &mut Delivery,
    ) -> Outcome {
        if message.kind == FrameKind::Binary {
            return Outcome::Close(CloseReason::Unsupported("this chat takes text only"));
        }
        let dialect = Dialect::from(out.encoding(client).dialect);
        let text = text::from_bytes(message.bytes).map(|text| dialect.repair(text));
        let mut reference = None;
        let mut parsed = self.understand(client, dialect, &text, &mut reference);
        self.address_answer(client, dialect, &mut parsed);
        // On a broken connection nobody reads answers. A request that only asks for one is skipped,
        // so that it does not use up the time that is left to serve what was said.
        if out.is_discarding(client) && !parsed.as_ref().is_ok_and(Request::concerns_others) {
            return Outcome::Done;
        }
        if out.is_behind(client) {
            return Outcome::Blocked(Wait::ClientClear(client));
        }
        let Some(user) = self.sessions.get(client).map(|session| session.user) else {
            return Outcome::Done;
        };
        let cx =
            &mut Context { client, peer: message.peer, user, reference: reference.as_ref(), out };
        if !self.unproven.is_empty() {
            self.note_proven(cx);
        }
        if !self.outside.is_empty()
            && let Some(wait) = self.come_in(cx, &mut parsed)
        {
            return Outcome::Blocked(wait);
        }
        // First of all: what is unread decides over what has to be looked up.
        self.read_by_typing(cx);
        match parsed.as_ref().map_or(Ok(None), |request| self.prepare(cx, request)) {
            Ok(None) => {}
            Ok(Some(wait)) => return Outcome::Blocked(wait),
            Err(error) => parsed = Err(error),
        }
        let said_to = parsed.as_ref().ok().and_then(|request| self.said_to(cx, request));
        let behind = said_to.filter(|&what| self.is_held_up(what, cx.out));
        if let Some(Wait::ChannelClear(_)) = behind
            && !self.backlog.has_room_for(client, message.bytes.len())
        {
            return Outcome::Blocked(Wait::Backlog(client));
        }
        let waits = parsed.as_ref().ok().and_then(|request| self.answer_waits(cx, request));
        let tokens = tokens(&message, parsed.as_ref().ok());
        let spent = match waits.map_or_else(|| self.charge(cx, tokens), Err) {
            Ok(spent) => spent,
            Err(wait) => return Outcome::Blocked(wait),
        };
        self.logins.answered(client, text.as_deref().ok());
        self.serve(cx, parsed, said_to, behind.map(|what| (what, spent)))
    }

    /// What a message asks for, or the secret in it.
    fn understand<'a>(
        &self,
        client: ClientId,
        dialect: Dialect,
        text: &'a Result<Cow<'_, str>, text::NotUtf8>,
        reference: &mut Option<RequestRef>,
    ) -> Result<Request<'a>, RequestError> {
        let text = match text {
            Ok(text) => text,
            Err(error) => {
                let message = format!("Not said: {error}.");
                return Err(RequestError::new("text_refused", message));
            }
        };
        match self.logins.prompt(client) {
            Some(prompt) => prompt.answered(text).map(Request::from),
            None if self.logins.has_just_typed(client, text) => {
                let message = "That is the password that you have just typed. It is asked for \
                               once, so it was not said.";
                Err(RequestError::new("not_said", message.to_owned()))
            }
            None => dialect.parse(text, reference),
        }
    }

    /// An answer at a terminal is for who has last said something to it only.
    fn address_answer(
        &self,
        client: ClientId,
        dialect: Dialect,
        parsed: &mut Result<Request<'_>, RequestError>,
    ) {
        let Ok(Request::Direct { to, .. }) = parsed else { return };
        if dialect != Dialect::Text || !to.is_empty() {
            return;
        }
        let by = self.preferences.told_by(client);
        match by.and_then(|user| self.state.users().get(user)) {
            Some(by) => *to = by.name.as_str().to_owned().into(),
            None => {
                let message =
                    "Nobody who is here has said anything to you only. /msg NAME TEXT does it.";
                *parsed = Err(RequestError::new("no_such_name", message.to_owned()));
            }
        }
    }

    /// Does what was asked for, or parks it, or says why not. `said_to`: whom it says something to.
    /// `behind`: what it has to wait for, and what it has cost.
    fn serve(
        &mut self,
        cx: &mut Context<'_>,
        parsed: Result<Request<'_>, RequestError>,
        said_to: Option<Wait>,
        behind: Option<(Wait, u64)>,
    ) -> Outcome {
        let quits = matches!(parsed, Ok(Request::Quit { .. }));
        let edits = if let Ok(Request::Edit { on }) = parsed { Some(on) } else { None };
        let room = match said_to {
            Some(Wait::ChannelClear(channel)) => self.channels.room(channel),
            _ => None,
        };
        let done = match (behind, room, &parsed) {
            (Some((what, spent)), _, Ok(request)) => self.park(cx, request, what, spent),
            // It has been found already: it need not be looked for once more.
            (None, Some(room), Ok(Request::Say { text, kind, key, .. })) => {
                self.say_in_found(cx, room, text, *kind, key.as_deref())
            }
            _ => parsed.and_then(|request| self.execute(cx, request)),
        };
        if let Err(error) = done {
            cx.reply_error(&error);
        }
        self.note_line(cx);
        match edits {
            _ if quits => Outcome::Close(CloseReason::Done),
            _ if self.logins.prompt(cx.client).is_some() => Outcome::AskSecret,
            Some(on) => Outcome::SetEditing(on),
            None => Outcome::Done,
        }
    }

    /// What has to come first before a large answer: what others say, memory, the store.
    fn answer_waits(&mut self, cx: &mut Context<'_>, request: &Request<'_>) -> Option<Wait> {
        if !request.asks_much() {
            return None;
        }
        if !cx.out.is_late() {
            return Some(Wait::Others);
        }
        // What may be answered is granted once, so flood control is asked first.
        let (now_ms, rate) = (cx.out.now().ms, &self.settings.rate);
        if !self.sessions.get(cx.client)?.bucket.has_token(now_ms, rate) {
            return None;
        }
        // What a search finds was granted before it was looked up, and is held by now.
        if self.questions.has_searched(cx.client) {
            return None;
        }
        if let Some(ticket) = self.questions.search_waits(cx.client) {
            return Some(Wait::Ticket(ticket));
        }
        if !cx.out.may_answer(cx.client) {
            return Some(Wait::Memory);
        }
        self.look_up(cx, request)
    }

    /// Flood control: takes what a request costs, and returns what is missing after that; or says
    /// what has to come first.
    fn charge(&mut self, cx: &mut Context<'_>, tokens: usize) -> Result<u64, Wait> {
        let (now_ms, rate) = (cx.out.now().ms, &self.settings.rate);
        let Some(session) = self.sessions.get_mut(cx.client) else { return Ok(0) };
        if let Err(at) = session.bucket.try_take(now_ms, rate) {
            self.notice_pace(cx);
            return Err(Wait::Time(at));
        }
        session.bucket.spend(tokens, now_ms, rate);
        Ok(session.bucket.missing(now_ms, rate).max(tokens as u64))
    }

    /// Who pastes much at a terminal would wonder where the rest of it is. Programs know their limits.
    fn notice_pace(&mut self, cx: &mut Context<'_>) {
        if cx.out.encoding(cx.client).framing == Framing::Lines
            && cx.dialect() == Dialect::Text
            && self.sessions.needs_pace_notice(cx.client, cx.out.now().ms, &self.settings.rate)
        {
            cx.notice(format_args!("* That was much at once: the rest follows."));
        }
    }

    /// A client is going: nothing is done for it any more.
    pub(super) fn drop_what_waits(&mut self, client: ClientId, out: &mut Delivery) {
        self.arrivals.remove(&client);
        self.unproven.remove(&client);
        self.stop_waiting(client);
        self.questions.set_next(client, None);
        self.backlog.withdraw(client, None);
        out.wake(Wait::Backlog(client));
        self.logins.forget(client);
        self.outside.remove(&client);
        self.preferences.forget(client);
    }

    /// A client has been served, or is gone: nothing that it waited for is of use any more.
    pub(super) fn stop_waiting(&mut self, client: ClientId) {
        self.logins.proofs.forget(client);
        if self.outside.get(&client) == Some(&true) {
            self.outside.remove(&client);
        }
        if let Some(keeping) = &mut self.keeping {
            keeping.forget(client);
            self.questions.forget(client);
        }
    }
}
