//! Talking: to a room, and to one user.

use std::borrow::Cow;

use super::admitting::archived;
use super::{Context, Done, no_such_name, shown, shown_lines};
use crate::chat::Chat;
use crate::chat::dialect::reply::{Line, Reply};
use crate::chat::ids::{Pair, RoomId, UserId};
use crate::chat::record::Kept;
use crate::chat::request::{Request, RequestError};
use crate::chat::settings::TOPIC_BYTES_MAX;
use crate::chat::state::history::{Message, MessageKind};
use crate::chat::state::keys::{First, Scope};
use crate::chat::state::rooms::Room;
use crate::chat::state::rooms::rules::{Posting, RoomRole};
use crate::chat::text;

impl Chat {
    pub(super) fn say(
        &mut self,
        cx: &mut Context<'_>,
        room: Option<&str>,
        text: &str,
        kind: MessageKind,
        key: Option<&str>,
    ) -> Done {
        let (room, text) = self.to_say(cx, room, text)?;
        self.say_in(cx, room, &text, kind, key)
    }

    /// The same to a room that was found to be the one meant.
    pub(in crate::chat) fn say_in_found(
        &mut self,
        cx: &mut Context<'_>,
        room: RoomId,
        text: &str,
        kind: MessageKind,
        key: Option<&str>,
    ) -> Done {
        // One look at it in place of four.
        if text::is_plain(text) && !self.may_have_code(text) {
            self.check_is_no_login(cx, text)?;
            return self.say_in(cx, room, text, kind, key);
        }
        self.check_public(cx, text)?;
        let text = shown_lines(cx, text)?;
        self.say_in(cx, room, &text, kind, key)
    }

    /// Where something is said, and what others are shown of it.
    pub(in crate::chat) fn to_say<'a>(
        &self,
        cx: &Context<'_>,
        room: Option<&str>,
        text: &'a str,
    ) -> Result<(RoomId, Cow<'a, str>), RequestError> {
        self.check_public(cx, text)?;
        Ok((self.room_of(cx, room)?, shown_lines(cx, text)?))
    }

    /// Says what others are shown, to a room that its sender was in when it said so.
    pub(in crate::chat) fn say_in(
        &mut self,
        cx: &mut Context<'_>,
        room: RoomId,
        text: &str,
        kind: MessageKind,
        key: Option<&str>,
    ) -> Done {
        self.check_member(cx, room)?;
        let (Some(name), Some(here)) = (self.name_of(cx.user), self.state.rooms().get(room)) else {
            return Ok(());
        };
        let said = |key| {
            let own = self.said_under(cx, Scope::Room(room), key);
            own.or_else(|| self.said_as_guest(here, text, key))
        };
        if let Some(first) = key.and_then(said) {
            // Under the same key it is the same text; its author may have another name by now.
            let (name, time, me) = (name.as_str(), first.unix_ms, kind == MessageKind::Action);
            // It may have been taken back meanwhile.
            let stored = || self.read_lines(cx, here)?.into_iter().find(|it| it.id == first.id);
            let held = here.history.get(first.id).map(|message| Line::new(first.id, message));
            let line = match held.or_else(stored) {
                Some(line) => line,
                None => {
                    let (id, account) = (first.id, None);
                    let (hook, ignored, deleted) = (false, false, false);
                    Line { id, time, name, text, me, hook, account, ignored, deleted }
                }
            };
            let (room, reference) = (here.name.as_str(), cx.reference);
            cx.reply(&Reply::Said { room, line, reference });
            return Ok(());
        }
        self.check_may_say(cx, here)?;
        let message = Message::new(cx.unix_ms(), kind, name.as_str(), text);
        let message = message.expect("names are far shorter than 65,535 bytes");
        let message = message.by(self.state.account(cx.user));
        let id = here.history.next_id();
        self.happen_said(cx, room, id, message, key);
        // Of guests nothing is kept, hardly any terminal rings, and hardly anybody is away.
        let accounts = self.state.accounts();
        if !accounts.is_empty() || self.preferences.any_rings() || !self.sessions.aways.is_empty() {
            let found = self.find_mentions(cx.user, room, text);
            self.note_mentions(cx, room, id, &found);
            self.ring(cx, room, &found);
            self.tell_away_of(cx, &found);
        }
        Ok(())
    }

    /// What was said before by who asks, under the same key.
    pub(super) fn said_under(&self, cx: &Context<'_>, scope: Scope, key: &str) -> Option<First> {
        self.state.keys().find(scope, self.state.account(cx.user), key)
    }

    /// The same by a guest, who may have logged in before sending it again: it is the same text.
    fn said_as_guest(&self, room: &Room, text: &str, key: &str) -> Option<First> {
        let first = self.state.keys().find(Scope::Room(room.id), None, key)?;
        let message = room.history.get(first.id)?;
        (message.account().is_none() && message.text() == text).then_some(first)
    }

    /// The same of what was told to somebody and is kept nowhere.
    fn told_under(&self, cx: &Context<'_>, to: UserId, text: &str, key: &str) -> Option<First> {
        let scope = Scope::User(to);
        let as_guest = self.state.keys().find(scope, None, key);
        let is_same = |first: &First| *first == First::direct(text, first.unix_ms);
        self.said_under(cx, scope, key).or(as_guest.filter(is_same))
    }

    /// Whether a member may say something in a room.
    ///
    /// # Errors
    /// It may not.
    pub(super) fn check_may_say(&self, cx: &Context<'_>, room: &Room) -> Done {
        let settings = room.settings();
        if settings.is_archived {
            return Err(archived(room));
        }
        if settings.posting == Posting::Moderators
            && self.state.room_role(cx.user, room.id) == RoomRole::Member
        {
            let message = format!("Only the owner and moderators talk in {}.", room.name);
            return Err(RequestError::new("moderators_only", message));
        }
        self.check_muted(cx, room.id)
    }

    /// Whether this was said before, under the same key.
    pub(in crate::chat) fn is_repeat(&self, cx: &Context<'_>, request: &Request<'_>) -> bool {
        self.repeated(cx, request).is_some()
    }

    /// The room or the conversation, and the message there, that was said before under the key of a
    /// request.
    pub(in crate::chat) fn repeated(
        &self,
        cx: &Context<'_>,
        request: &Request<'_>,
    ) -> Option<(RoomId, u64)> {
        let (room, key) = match request {
            Request::Say { room, key: Some(key), .. } => {
                (self.room_of(cx, room.as_deref()).ok()?, key)
            }
            Request::Direct { to, key: Some(key), .. } => {
                let between = Pair::new(cx.user, self.addressee(to).ok()?);
                (self.state.rooms().conversation(between)?.id, key)
            }
            _ => return None,
        };
        Some((room, self.said_under(cx, Scope::Room(room), key)?.id))
    }

    pub(super) fn direct(
        &mut self,
        cx: &mut Context<'_>,
        to: &str,
        text: &str,
        key: Option<&str>,
    ) -> Done {
        let (user, text) = self.to_tell(cx, to, text)?;
        self.tell(cx, user, to, &text, key)
    }

    /// Whom something is said to, and what is shown of it.
    pub(in crate::chat) fn to_tell<'a>(
        &self,
        cx: &Context<'_>,
        to: &str,
        text: &'a str,
    ) -> Result<(UserId, Cow<'a, str>), RequestError> {
        self.check_secrets(cx, text)?;
        Ok((self.addressee(to)?, shown_lines(cx, text)?))
    }

    /// Tells a user who had this name when that was asked for.
    pub(in crate::chat) fn tell(
        &mut self,
        cx: &mut Context<'_>,
        to: UserId,
        name: &str,
        text: &str,
        key: Option<&str>,
    ) -> Done {
        let Some(addressee) = self.state.users().get(to) else { return Err(no_such_name(name)) };
        let first = key.and_then(|key| self.told_under(cx, to, text, key));
        let is_kept = self.state.keeps_between(cx.user, to);
        if is_kept && first.is_none() {
            return self.say_between(cx, to, text, key);
        }
        if !is_kept && self.clients_of(to).next().is_none() {
            let message = format!(
                "{} is not connected now. Say it in a room that you share.",
                addressee.name
            );
            return Err(RequestError::new("not_connected", message));
        }
        if let (Some(first), Some(from)) = (first, self.name_of(cx.user)) {
            let told = Reply::Direct {
                from: from.as_str(),
                to: addressee.name.as_str(),
                id: None,
                text,
                time: first.unix_ms,
                guest: true,
                sent: true,
                marks_guest: self.state.accounts().contains(cx.user),
                deleted: false,
                reference: cx.reference,
            };
            cx.reply(&told);
            return Ok(());
        }
        self.happen(cx, Kept::Direct { to, text: text.into(), key: key.map(Box::from) });
        Ok(())
    }

    /// It changes nothing and nobody needs it later, so it is recorded nowhere. Big rooms are not
    /// told of it, as they are not told who comes and goes.
    pub(super) fn typing(&self, cx: &mut Context<'_>, room: Option<&str>) -> Done {
        let id = self.room_of(cx, room)?;
        let (Some(room), Some(channel)) = (self.state.rooms().get(id), self.channels.of(id)) else {
            return Ok(());
        };
        // It says nothing that is worth waiting for.
        if self.check_may_say(cx, room).is_err()
            || room.member_count() > self.settings.announce_below
            || cx.out.congested(channel)
        {
            return Ok(());
        }
        let Some(name) = self.name_of(cx.user) else { return Ok(()) };
        let typing = Reply::Typing { room: room.name.as_str(), name: name.as_str() };
        cx.publish(channel, Some(&[]), &typing);
        self.hide_last(cx, id, channel, None);
        Ok(())
    }

    pub(super) fn topic(
        &mut self,
        cx: &mut Context<'_>,
        room: Option<&str>,
        text: Option<&str>,
    ) -> Done {
        let Some(text) = text else {
            let id = self.room_of(cx, room)?;
            let Some(room) = self.state.rooms().get(id) else { return Ok(()) };
            let (room, topic, reference) = (room.name.as_str(), &*room.topic, cx.reference);
            cx.reply(&Reply::Topic { room, topic, name: None, time: None, reference });
            return Ok(());
        };
        let (room, text) = self.to_set(cx, room, text)?;
        self.set_topic(cx, room, &text)
    }

    /// The room whose topic is set, and the topic.
    pub(in crate::chat) fn to_set<'a>(
        &self,
        cx: &Context<'_>,
        room: Option<&str>,
        text: &'a str,
    ) -> Result<(RoomId, Cow<'a, str>), RequestError> {
        self.check_public(cx, text)?;
        let room = self.room_of(cx, room)?;
        // What clears a topic is nothing, or white space, and not what is nothing when it has been
        // cleaned.
        let text = if text.trim().is_empty() { "".into() } else { shown(text)? };
        let bytes = text.trim().len();
        if bytes > TOPIC_BYTES_MAX {
            let message = format!(
                "A topic has at most {TOPIC_BYTES_MAX} bytes of UTF-8, and this has {bytes}. \
                 Shorten it."
            );
            return Err(RequestError::new("text_refused", message));
        }
        Ok((room, text))
    }

    pub(in crate::chat) fn set_topic(
        &mut self,
        cx: &mut Context<'_>,
        room: RoomId,
        text: &str,
    ) -> Done {
        self.check_member(cx, room)?;
        if let Some(here) = self.state.rooms().get(room) {
            self.check_may_say(cx, here)?;
        }
        self.happen(cx, Kept::TopicSet { room, topic: text.trim().into() });
        Ok(())
    }
}
