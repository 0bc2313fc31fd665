//! What is done for each request.

use std::borrow::Cow;

use crate::chat::dialect::history::HistoryPage;
use crate::chat::dialect::json::RequestRef;
use crate::chat::dialect::reply::{JoinedSelf, Line, Reply, RoomSummary};
use crate::chat::dialect::{Dialect, notice, render};
use crate::chat::name::{Name, NameForms, RoomName};
use crate::chat::record::Record;
use crate::chat::request::{self, PAGE, Request, RequestError, Resume};
use crate::chat::state::history::{Message, MessageKind};
use crate::chat::state::rooms::Room;
use crate::chat::text::{self, quote};
use crate::chat::{Chat, lobby};
use crate::delivery::Delivery;
use crate::delivery::channels::{ChannelId as RoomId, SenderCopy};
use crate::ids::ClientId;

/// A topic has at most so many bytes.
const TOPIC_BYTES_MAX: usize = 400;

/// Lines of one answer that count as one message more in flood control.
const LINES_PER_MESSAGE: usize = 50;
/// Bytes of one answer that do.
const BYTES_PER_MESSAGE: usize = 64 * 1024;

/// How large an answer was.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AnswerSize {
    lines: usize,
    bytes: usize,
}

type Done = Result<(), RequestError>;

impl Chat {
    /// Does what a client asks for, and answers.
    ///
    /// # Errors
    /// Why it cannot be done; then nothing has changed.
    pub(super) fn execute(
        &mut self,
        client: ClientId,
        command: Request<'_>,
        reference: Option<&RequestRef>,
        out: &mut Delivery,
    ) -> Done {
        match command {
            Request::Nothing => Ok(()),
            Request::Say { room, text, kind } => {
                self.say(client, room.as_deref(), &text, kind, reference, out)
            }
            Request::Direct { to, text } => self.direct(client, &to, &text, reference, out),
            Request::Join { room, resume, replay } => {
                self.join(client, &room, resume, replay, reference, out)
            }
            Request::Leave { room } => self.leave(client, room.as_deref(), reference, out),
            Request::Nick { name } => self.nick(client, &name, reference, out),
            Request::Topic { room, text } => {
                self.topic(client, room.as_deref(), text.as_deref(), reference, out)
            }
            Request::History { room, before, after, limit } => {
                let id = self.room_of(client, room.as_deref(), out)?;
                let told = self.history(client, id, before, after, limit, reference, out);
                self.charge_answer(client, told, out);
                Ok(())
            }
            Request::Who { room, after, limit } => {
                self.who(client, room.as_deref(), after, limit, reference, out)
            }
            Request::Rooms { after, limit } => {
                self.rooms_page(client, after, limit, reference, out);
                Ok(())
            }
            Request::Typing { room } => self.typing(client, room.as_deref(), out),
            Request::Help { about } => help(client, about.as_deref(), out),
            Request::Quit { reason } => {
                self.leave_all(client, reason.as_deref(), out);
                out.send(client, |to| notice(to, format_args!("* Goodbye.")));
                Ok(())
            }
        }
    }

    // ---- Talking ----

    fn say(
        &mut self,
        client: ClientId,
        room: Option<&str>,
        text: &str,
        kind: MessageKind,
        reference: Option<&RequestRef>,
        out: &mut Delivery,
    ) -> Done {
        let id = self.room_of(client, room, out)?;
        let text = shown(text)?;
        let Some(name) = self.name_of(client) else { return Ok(()) };
        let message = Message::new(out.now().unix_ms, kind, name.as_str(), &text);
        let message = message.expect("names are far shorter than 65,535 bytes");
        self.commit(client, Record::Said { room: id, message }, reference, out);
        Ok(())
    }

    fn direct(
        &mut self,
        client: ClientId,
        to: &str,
        text: &str,
        reference: Option<&RequestRef>,
        out: &mut Delivery,
    ) -> Done {
        let to = self.addressee(to)?;
        let text = shown(text)?.into();
        self.commit(client, Record::Direct { to, text }, reference, out);
        Ok(())
    }

    fn typing(&self, client: ClientId, room: Option<&str>, out: &mut Delivery) -> Done {
        let id = self.room_of(client, room, out)?;
        let (Some(room), Some(name)) = (self.directory.get(id), self.name_of(client)) else {
            return Ok(());
        };
        let typing = Reply::Typing { room: room.name.as_str(), name: name.as_str() };
        // It changes nothing and nobody needs it later, so it is no event.
        let nothing = SenderCopy { sender: client, bytes: &[] };
        out.publish(id, Some(nothing), |to| render(to, &typing));
        Ok(())
    }

    // ---- Coming and going ----

    fn join(
        &mut self,
        client: ClientId,
        room: &str,
        resume: Option<Resume<'_>>,
        replay: Option<u32>,
        reference: Option<&RequestRef>,
        out: &mut Delivery,
    ) -> Done {
        let name =
            RoomName::parse(room).map_err(|error| RequestError::of("room_refused", &error))?;
        let known = self.directory.find(name.key());
        let was_in = known.is_some_and(|id| out.channels_of(client).any(|other| other == id));
        let id = self.enter(client, name, out)?;
        let (Some(room), Some(person)) = (self.directory.get(id), self.people.get(client)) else {
            return Ok(());
        };
        let gap = resume.as_ref().is_some_and(|resume| self.has_gap(id, resume));
        let joined = Reply::Joined {
            room: room.name.as_str(),
            name: person.name.as_str(),
            time: out.now().unix_ms,
            own: Some(JoinedSelf {
                you: true,
                position: room.history.next_id() - 1,
                gap,
                members: room.members,
                topic: &room.topic,
            }),
            reference,
        };
        out.send(client, |to| render(to, &joined));
        if !was_in || resume.is_some() || replay.is_some() {
            let told = self.replay(client, id, resume, replay, out);
            self.charge_answer(client, told, out);
        }
        Ok(())
    }

    /// A large answer counts as more than one message: a few bytes must not ask for a megabyte five
    /// times a second.
    pub(super) fn charge_answer(&mut self, client: ClientId, told: AnswerSize, out: &Delivery) {
        if let Some(person) = self.people.get_mut(client) {
            let messages = told.lines / LINES_PER_MESSAGE + told.bytes / BYTES_PER_MESSAGE;
            person.bucket.spend(messages, out.now().ms, &self.settings.rate);
        }
    }

    /// Puts a client into a room, which is opened if need be, and makes it the one that it talks
    /// in.
    pub(super) fn enter(
        &mut self,
        client: ClientId,
        name: RoomName,
        out: &mut Delivery,
    ) -> Result<RoomId, RequestError> {
        let known = self.directory.find(name.key());
        if let Some(id) = known
            && out.channels_of(client).any(|other| other == id)
        {
            self.turn_to(client, Some(id));
            return Ok(id);
        }
        let rooms_max = self.settings.rooms_per_client_max;
        if out.channels_of(client).len() >= rooms_max {
            let message =
                format!("You are in {rooms_max} rooms, and more are not allowed. Leave one first.");
            return Err(RequestError::new("too_many_rooms", message));
        }
        let id = match known {
            Some(id) => id,
            None => self.open(client, name, out)?,
        };
        self.commit(client, Record::Joined { room: id }, None, out);
        Ok(id)
    }

    fn open(
        &mut self,
        client: ClientId,
        name: RoomName,
        out: &mut Delivery,
    ) -> Result<RoomId, RequestError> {
        self.check_look(&name)?;
        // Newcomers have to be put somewhere, so the lobby is let in as one room too many.
        if self.directory.is_full() && name != lobby() {
            let Some(room) = self.directory.most_vacant() else {
                let message =
                    "This server has as many rooms as it can hold. Join one of those in /rooms."
                        .to_owned();
                return Err(RequestError::new("server_full", message));
            };
            self.commit(client, Record::Closed { room }, None, out);
        }
        let room = out.open_channel();
        self.commit(client, Record::Opened { room, name }, None, out);
        Ok(room)
    }

    /// Refuses a new room that could be taken for one that is there. The lobby's look is always its
    /// own, as newcomers have to be put there.
    fn check_look(&self, name: &RoomName) -> Result<(), RequestError> {
        let lobby = lobby();
        let alike = match name.is_confusable_with(&lobby) {
            _ if *name == lobby => return Ok(()),
            true => Some(&lobby),
            false => self.directory.find_alike(name).map(|room| &room.name),
        };
        alike.map_or(Ok(()), |alike| {
            let message =
                format!("The room {name} looks like {alike}, which is another one. Join that, or choose another name.");
            Err(RequestError::new("room_refused", message))
        })
    }

    /// Whether something was said since a client was here that cannot be told any more.
    fn has_gap(&self, id: RoomId, resume: &Resume<'_>) -> bool {
        let Some(room) = self.directory.get(id) else { return false };
        let oldest = room.history.first_id().unwrap_or(room.history.next_id());
        !self.knows(id, resume) || resume.since + 1 < oldest
    }

    /// Whether the place where a client was is one of this room, in this run of the server.
    fn knows(&self, id: RoomId, resume: &Resume<'_>) -> bool {
        let same_epoch = resume.epoch.as_ref().is_none_or(|epoch| *epoch == self.settings.epoch);
        let next_id = self.directory.get(id).map_or(1, |room| room.history.next_id());
        same_epoch && resume.since < next_id
    }

    /// Tells somebody who has just joined what was said before.
    pub(super) fn replay(
        &self,
        client: ClientId,
        id: RoomId,
        resume: Option<Resume<'_>>,
        replay: Option<u32>,
        out: &mut Delivery,
    ) -> AnswerSize {
        let Some(room) = self.directory.get(id) else { return AnswerSize::default() };
        let page = self.page(client, room, None, out);
        let resume = resume.filter(|resume| self.knows(id, resume));
        let missed = match &resume {
            Some(resume) => lines(room.history.after(resume.since)),
            None => {
                let mut last =
                    lines(room.history.last(replay.unwrap_or(self.settings.replay) as usize));
                last.split_off(last.len() - page.fitting(last.iter().rev()))
            }
        };
        let first_id = room.history.first_id();
        let mut rest = &missed[..];
        while !rest.is_empty() {
            let (messages, others) = rest.split_at(page.first_frame(rest));
            let more = messages.first().map(|line| line.id) > first_id;
            out.send(client, |to| render(to, &page.reply(messages.to_vec(), more, true)));
            rest = others;
        }
        AnswerSize { lines: 0, bytes: bytes(&missed) }
    }

    /// An answer with messages of a room.
    fn page<'a>(
        &self,
        client: ClientId,
        room: &'a Room,
        reference: Option<&'a RequestRef>,
        out: &Delivery,
    ) -> HistoryPage<'a> {
        let bytes_max = self.settings.answer_bytes_max;
        HistoryPage {
            dialect: Dialect::from(out.encoding(client).dialect),
            room: room.name.as_str(),
            reference,
            bytes_max,
        }
    }

    fn leave(
        &mut self,
        client: ClientId,
        room: Option<&str>,
        reference: Option<&RequestRef>,
        out: &mut Delivery,
    ) -> Done {
        let id = self.room_of(client, room, out)?;
        let name = self.directory.get(id).map(|room| room.name.clone());
        self.commit(client, Record::Left { room: id, reason: None }, None, out);
        let (Some(room), Some(person)) = (name, self.people.get(client)) else { return Ok(()) };
        let (name, time) = (person.name.as_str(), out.now().unix_ms);
        let left =
            Reply::Left { room: room.as_str(), name, time, reason: None, you: true, reference };
        let current =
            person.current.and_then(|id| self.directory.get(id)).map(|room| room.name.as_str());
        out.send(client, |to| {
            render(to, &left);
            match current {
                Some(current) => notice(to, format_args!("* You talk in {current} now.")),
                None => notice(
                    to,
                    format_args!("* You are in no room now. Enter one with /join #ROOM."),
                ),
            }
        });
        Ok(())
    }

    /// Takes a client out of all its rooms.
    pub(super) fn leave_all(&mut self, client: ClientId, reason: Option<&str>, out: &mut Delivery) {
        let reason = reason.and_then(|reason| shown(reason).ok());
        let rooms: Vec<RoomId> = out.channels_of(client).collect();
        for room in rooms {
            let reason = reason.as_deref().map(Box::from);
            self.commit(client, Record::Left { room, reason }, None, out);
        }
    }

    fn nick(
        &mut self,
        client: ClientId,
        typed: &str,
        reference: Option<&RequestRef>,
        out: &mut Delivery,
    ) -> Done {
        let name = self.free_name(typed, Some(client))?;
        let Some(old) = self.name_of(client).cloned() else { return Ok(()) };
        if old.as_str() != name.as_str() {
            self.commit(client, Record::Renamed { name: name.clone() }, None, out);
        }
        let (from, to, time) = (old.as_str(), name.as_str(), out.now().unix_ms);
        let renamed = Reply::Renamed { room: None, from, to, time, you: true, reference };
        out.send(client, |to| render(to, &renamed));
        Ok(())
    }

    // ---- Asking ----

    fn topic(
        &mut self,
        client: ClientId,
        room: Option<&str>,
        text: Option<&str>,
        reference: Option<&RequestRef>,
        out: &mut Delivery,
    ) -> Done {
        let id = self.room_of(client, room, out)?;
        let Some(text) = text else {
            let Some(room) = self.directory.get(id) else { return Ok(()) };
            let (name, topic) = (room.name.as_str(), &*room.topic);
            let output = Reply::Topic { room: name, topic, name: None, time: None, reference };
            out.send(client, |to| render(to, &output));
            return Ok(());
        };
        // What clears a topic is nothing, or white space, and not what is nothing when it has been
        // cleaned.
        let text = if text.trim().is_empty() { "".into() } else { shown(text)? };
        let text = text.trim();
        if text.len() > TOPIC_BYTES_MAX {
            let message = format!(
                "A topic has at most {TOPIC_BYTES_MAX} bytes of UTF-8, and this has {}. Shorten it.",
                text.len()
            );
            return Err(RequestError::new("text_refused", message));
        }
        self.commit(client, Record::Topic { room: id, text: text.into() }, reference, out);
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of the request")]
    fn history(
        &self,
        client: ClientId,
        id: RoomId,
        before: Option<u64>,
        after: Option<u64>,
        limit: Option<u32>,
        reference: Option<&RequestRef>,
        out: &mut Delivery,
    ) -> AnswerSize {
        let Some(room) = self.directory.get(id) else { return AnswerSize::default() };
        let history = &room.history;
        let page = self.page(client, room, reference, out);
        let limit = page.dialect.history_limit(limit) as usize;
        let (messages, more) = match after {
            Some(after) => {
                let newer = history.after(after);
                let all = newer.len();
                let mut messages = lines(newer.take(limit));
                messages.truncate(page.fitting(messages.iter()));
                let more = all > messages.len();
                (messages, more)
            }
            None => {
                let mut messages = lines(history.before(before.unwrap_or(u64::MAX), limit));
                let messages =
                    messages.split_off(messages.len() - page.fitting(messages.iter().rev()));
                let oldest = messages.first().map(|line| line.id);
                let more = oldest.is_some() && oldest > history.first_id();
                (messages, more)
            }
        };
        let told = AnswerSize { lines: messages.len(), bytes: bytes(&messages) };
        out.send(client, |to| render(to, &page.reply(messages, more, false)));
        told
    }

    fn who(
        &self,
        client: ClientId,
        room: Option<&str>,
        after: u64,
        limit: Option<u32>,
        reference: Option<&RequestRef>,
        out: &mut Delivery,
    ) -> Done {
        let id = match room {
            None => self.room_of(client, None, out)?,
            Some(typed) => self.known_room(typed)?,
        };
        let Some(room) = self.directory.get(id) else { return Ok(()) };
        let total = room.members as usize;
        let skip = usize::try_from(after).unwrap_or(usize::MAX);
        let members: Vec<&str> = out
            .members(id)
            .skip(skip)
            .take(page_length(limit))
            .filter_map(|member| self.name_of(member).map(Name::as_str))
            .collect();
        let next = next(after, members.len(), total);
        let page =
            Reply::Members { room: room.name.as_str(), members, total, after, next, reference };
        out.send(client, |to| render(to, &page));
        Ok(())
    }

    fn rooms_page<'a>(
        &'a self,
        client: ClientId,
        after: u64,
        limit: Option<u32>,
        reference: Option<&RequestRef>,
        out: &mut Delivery,
    ) {
        let listed = |room: &'a Room| RoomSummary {
            room: room.name.as_str(),
            members: room.members,
            topic: &room.topic,
        };
        let rooms: Vec<RoomSummary> =
            self.directory.busiest(after).take(page_length(limit)).map(listed).collect();
        let total = self.directory.count();
        let next = next(after, rooms.len(), total);
        out.send(client, |to| render(to, &Reply::Rooms { rooms, total, after, next, reference }));
    }

    // ---- Finding ----

    /// The room that a client names, or talks in; it has to be in it.
    pub(super) fn room_of(
        &self,
        client: ClientId,
        room: Option<&str>,
        out: &Delivery,
    ) -> Result<RoomId, RequestError> {
        let Some(typed) = room else {
            return self.people.get(client).and_then(|person| person.current).ok_or_else(|| {
                RequestError::new(
                    "no_room",
                    "You are in no room. Enter one with /join #ROOM.".to_owned(),
                )
            });
        };
        let id = self.known_room(typed)?;
        match out.channels_of(client).any(|other| other == id) {
            true => Ok(id),
            false => {
                let name = quote(typed, 64);
                Err(RequestError::new(
                    "not_in_room",
                    format!("You are not in the room {name}. Enter it with /join."),
                ))
            }
        }
    }

    fn known_room(&self, typed: &str) -> Result<RoomId, RequestError> {
        let found = RoomName::parse(typed).ok().and_then(|name| self.directory.find(name.key()));
        found.ok_or_else(|| {
            let message = format!(
                "There is no room {}. /rooms lists those that there are.",
                quote(typed, 64)
            );
            RequestError::new("no_such_room", message)
        })
    }

    pub(super) fn addressee(&self, typed: &str) -> Result<ClientId, RequestError> {
        let found = Name::parse(typed).ok().and_then(|name| self.people.find(name.key()));
        found.ok_or_else(|| {
            let message =
                format!("Nobody here is called {}. /who lists who is in a room.", quote(typed, 32));
            RequestError::new("no_such_name", message)
        })
    }
}

/// What others are shown of a text.
fn shown(text: &str) -> Result<Cow<'_, str>, RequestError> {
    let text = text::clean(text);
    match text.chars().all(|c| c.is_whitespace() || text::is_blank(c)) {
        true => {
            Err(RequestError::new("text_empty", "There was nothing to say in that.".to_owned()))
        }
        false => Ok(text),
    }
}

fn help(client: ClientId, about: Option<&str>, out: &mut Delivery) -> Done {
    let Some(about) = about else {
        out.send(client, |to| {
            for command in &request::COMMANDS {
                notice(
                    to,
                    format_args!("* /{} {}: {}", command.name, command.arguments, command.help),
                );
            }
            notice(to, format_args!("* Anything else is said to the room that you joined last."));
        });
        return Ok(());
    };
    let Some(command) = request::find(about) else {
        let message =
            format!("There is no command {}. Type /help for all of them.", quote(about, 40));
        return Err(RequestError::new("unknown_type", message));
    };
    out.send(client, |to| {
        notice(to, format_args!("* /{} {}: {}", command.name, command.arguments, command.help));
        if !command.details.is_empty() {
            notice(to, format_args!("* {}", command.details));
        }
    });
    Ok(())
}

fn lines<'a>(messages: impl Iterator<Item = (u64, &'a Message)>) -> Vec<Line<'a>> {
    messages.map(|(id, message)| Line::new(id, message)).collect()
}

fn bytes(messages: &[Line]) -> usize {
    messages.iter().map(|line| line.text.len()).sum()
}

fn page_length(limit: Option<u32>) -> usize {
    u64::from(limit.unwrap_or(u32::MAX)).clamp(1, PAGE) as usize
}

/// Where the next page starts, if there is one.
fn next(after: u64, listed: usize, total: usize) -> Option<u64> {
    let next = after.saturating_add(listed as u64);
    (listed > 0 && next < total as u64).then_some(next)
}
