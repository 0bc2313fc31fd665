//! Answers that list something: messages, members, rooms, commands.

use std::borrow::Cow;

use bytes::Bytes;

use super::{Context, Done};
use crate::chat::Chat;
use crate::chat::dialect::history::HistoryPage;
use crate::chat::dialect::reply::{Here, Line, Reply, RoomSummary};
use crate::chat::dialect::{notice, render};
use crate::chat::ids::RoomId;
use crate::chat::name::key_of;
use crate::chat::reading::unreadable;
use crate::chat::replays::{Extent, Replay};
use crate::chat::request::commands::{self, CommandSpec, FIRST, PAGE, TOPICS};
use crate::chat::request::{RequestError, Resume};
use crate::chat::state::history::{MESSAGE_BYTES, Message};
use crate::chat::state::rooms::Room;
use crate::chat::state::rooms::rules::{Entry, RoomRole};
use crate::chat::state::users::User;
use crate::chat::text::quote;
use crate::delivery::encoding::Encoder;

/// Lines of one answer that count as one message more in flood control.
const LINES_PER_MESSAGE: usize = 50;
/// Bytes of one answer that do.
const BYTES_PER_MESSAGE: usize = 64 * 1024;

/// How large an answer was.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AnswerSize {
    pub lines: usize,
    pub bytes: usize,
}

impl Chat {
    /// A large answer counts as more than one message: a few bytes must not ask for a megabyte five
    /// times a second.
    pub(super) fn charge_answer(&mut self, cx: &Context<'_>, told: AnswerSize) {
        if let Some(session) = self.sessions.get_mut(cx.client) {
            let messages = told.lines / LINES_PER_MESSAGE + told.bytes / BYTES_PER_MESSAGE;
            session.bucket.spend(messages, cx.out.now().ms, &self.settings.rate);
        }
    }

    /// Whether something was said since a client was here that cannot be told any more.
    pub(super) fn has_gap(&self, cx: &Context<'_>, room: &Room, resume: &Resume<'_>) -> bool {
        !self.knows(room, resume) || resume.since + 1 < self.first_read(cx, room)
    }

    /// Whether the place where a client was is one of this room, in this epoch.
    pub(in crate::chat) fn knows(&self, room: &Room, resume: &Resume<'_>) -> bool {
        let same_epoch = resume.epoch.as_ref().is_none_or(|epoch| *epoch == self.settings.epoch);
        same_epoch && resume.since < room.history.next_id()
    }

    /// The first message of a room that the one who asks may still read.
    fn first_read(&self, cx: &Context<'_>, room: &Room) -> u64 {
        let from = self.state.sees_from(cx.user, room.id, cx.unix_ms()).unwrap_or(u64::MAX);
        room.first_id().max(from.min(room.history.next_id()))
    }

    /// Tells a client that has just joined what was said before. Returns the size of what it has
    /// asked for: what all newcomers are told costs them nothing, as it is there already.
    pub(super) fn replay(
        &mut self,
        cx: &mut Context<'_>,
        id: RoomId,
        resume: Option<Resume<'_>>,
        replay: Option<u32>,
    ) -> AnswerSize {
        let Some(room) = self.state.rooms().get(id) else { return AnswerSize::default() };
        let since = resume.as_ref().filter(|resume| self.knows(room, resume));
        let since = since.map(|resume| resume.since);
        let first_read = self.first_read(cx, room);
        if let Some(lines) = self.read_lines(cx, room)
            && lines.last().map_or(room.history.next_id(), |line| line.id + 1)
                == room.history.next_id()
        {
            return self.replay_read(cx, room, lines, since, replay);
        }
        if first_read > room.first_id() {
            let held: Vec<Line> = self.lines(room, room.history.after(first_read - 1));
            return self.replay_read(cx, room, held, since, replay);
        }
        let asked = match (resume.filter(|resume| self.knows(room, resume)), replay) {
            (Some(resume), _) => Extent::After(resume.since),
            (None, None) => Extent::Default,
            // All who come to the same messages share them, however many they asked for.
            (None, Some(count)) => {
                let page = HistoryPage { reference: None, ..self.page(cx, room) };
                let first = self.last(&page, room, count).first().map(|line| line.id);
                Extent::After(first.map_or(u64::MAX, |first| first - 1))
            }
        };
        let Some(extent) = asked.within(&room.history) else { return AnswerSize::default() };
        let encoding = cx.out.encoding(cx.client);
        // What others share may have somebody in it whom this one ignores, and ids of its own.
        let is_shared = self.state.order().ignored_by(cx.user).next().is_none()
            && !self.sessions.followers.has_ids(cx.client);
        let known = self.replays.get(id, encoding, extent).filter(|_| is_shared);
        let replay = match known {
            Some(replay) => replay.clone(),
            None if !is_shared => self.encode_replay(cx, room, extent),
            None => {
                let replay = self.encode_replay(cx, room, extent);
                // They count for what is short, and others wait for it.
                if cx.out.is_short_of_memory() {
                    self.replays.clear();
                }
                self.replays.insert(id, encoding, extent, &replay);
                replay
            }
        };
        cx.out.send_shared(cx.client, &replay.encoded);
        match extent {
            Extent::Default => AnswerSize::default(),
            Extent::After(_) => AnswerSize { lines: 0, bytes: replay.text_bytes },
        }
    }

    /// The same, of messages for this client alone: read from the store, or those that it may read.
    fn replay_read(
        &self,
        cx: &mut Context<'_>,
        room: &Room,
        mut lines: Vec<Line<'_>>,
        since: Option<u64>,
        replay: Option<u32>,
    ) -> AnswerSize {
        let first_read = self.first_read(cx, room);
        lines.retain(|line| line.id >= first_read);
        let mut page = HistoryPage { reference: None, ..self.page(cx, room) };
        if since.or(replay.map(u64::from)).is_none() {
            page.bytes_max = page.bytes_max.min(self.settings.replay_bytes_max);
        }
        let messages = match since {
            Some(since) => self.missed(lines, since),
            None => newest(&page, lines, replay.unwrap_or(self.settings.replay)),
        };
        if messages.is_empty() {
            return AnswerSize::default();
        }
        let encoded = self.encode_messages(cx, room, &page, &messages);
        cx.out.send_shared(cx.client, &encoded);
        match since.or(replay.map(u64::from)) {
            None => AnswerSize::default(),
            Some(_) => AnswerSize { lines: 0, bytes: bytes(&messages) },
        }
    }

    /// What was said after this id: the newest of it, and no more than a room has in memory at most.
    fn missed<'a>(&self, lines: Vec<Line<'a>>, since: u64) -> Vec<Line<'a>> {
        let mut missed: Vec<Line> = lines.into_iter().filter(|line| line.id > since).collect();
        let mut left = self.settings.rooms.history.bytes_max;
        let fitting = missed.iter().rev().map_while(|line| {
            left = left.checked_sub(MESSAGE_BYTES + line.name.len() + line.text.len())?;
            Some(())
        });
        let fitting = fitting.count();
        missed.split_off(missed.len() - fitting)
    }

    /// Encodes a replay as it is told to the client that asks. It carries no reference, so it can
    /// be told to others, too.
    fn encode_replay(&self, cx: &mut Context<'_>, room: &Room, extent: Extent) -> Replay {
        let mut page = HistoryPage { reference: None, ..self.page(cx, room) };
        if extent == Extent::Default {
            page.bytes_max = page.bytes_max.min(self.settings.replay_bytes_max);
        }
        let messages = match extent {
            Extent::Default => self.last(&page, room, self.settings.replay),
            Extent::After(id) => self.lines(room, room.history.after(id)),
        };
        let encoded = self.encode_messages(cx, room, &page, &messages);
        Replay { encoded, text_bytes: bytes(&messages) }
    }

    fn encode_messages(
        &self,
        cx: &mut Context<'_>,
        room: &Room,
        page: &HistoryPage<'_>,
        messages: &[Line<'_>],
    ) -> Bytes {
        let first_id = self.first_read(cx, room);
        let messages = self.without_ignored(cx, messages.to_vec());
        let client = cx.client;
        cx.out.encode_shared(client, |to| {
            let mut rest = &messages[..];
            while !rest.is_empty() {
                let (frame, others) = rest.split_at(page.first_frame(rest));
                let more = frame.first().is_some_and(|line| line.id > first_id);
                if let Some(last) = frame.last() {
                    to.identify(|| self.event_id(client, room, last.id));
                }
                render(to, &page.reply(frame.to_vec(), more, true));
                rest = others;
            }
        })
    }

    /// An answer with messages of a room.
    fn page<'a>(&'a self, cx: &Context<'a>, room: &'a Room) -> HistoryPage<'a> {
        HistoryPage {
            dialect: cx.dialect(),
            place: self.place(cx.user, room),
            reference: cx.reference,
            bytes_max: self.settings.answer_bytes_max,
        }
    }

    fn lines<'a>(
        &'a self,
        room: &Room,
        messages: impl Iterator<Item = (u64, &'a Message)>,
    ) -> Vec<Line<'a>> {
        messages
            .map(|(id, message)| self.shown_line(room.between(), Line::new(id, message)))
            .collect()
    }

    /// The last messages of a room, at most so many, that fit into an answer.
    fn last<'a>(&'a self, page: &HistoryPage<'_>, room: &'a Room, count: u32) -> Vec<Line<'a>> {
        newest(page, self.lines(room, room.history.last(count as usize)), count)
    }

    pub(super) fn history(
        &self,
        cx: &mut Context<'_>,
        id: RoomId,
        before: Option<u64>,
        after: Option<u64>,
        limit: Option<u32>,
    ) -> Result<AnswerSize, RequestError> {
        let Some(room) = self.state.rooms().get(id) else { return Ok(AnswerSize::default()) };
        let history = &room.history;
        let first_read = self.first_read(cx, room);
        let limit = cx.dialect().history_limit(limit) as usize;
        let page = self.page(cx, room);
        if self.questions.page(cx.client, id).is_some_and(|page| page.messages.is_none()) {
            return Err(unreadable());
        }
        let (messages, more) = match after {
            Some(after) => self.newer(cx, room, after, limit),
            None => {
                let read = self.read_lines(cx, room);
                let before = before.unwrap_or(u64::MAX);
                // A page that was read has one message more than is told, if there is one.
                let first_of_page =
                    read.as_ref().map(|lines| lines.first().map_or(0, |line| line.id));
                let first_kept = first_read.max(first_of_page.unwrap_or(0));
                let older = read.unwrap_or_else(|| self.lines(room, history.before(before, limit)));
                let wanted = first_read..before;
                let older = older.into_iter().filter(|line| wanted.contains(&line.id)).collect();
                let messages = newest(&page, older, u32::try_from(limit).unwrap_or(u32::MAX));
                let more = messages.first().is_some_and(|line| line.id > first_kept);
                (messages, more)
            }
        };
        let told = size_of_answer(&messages);
        let messages = self.without_ignored(cx, messages);
        cx.reply(&page.reply(messages, more, false));
        Ok(told)
    }

    /// What was said after this id, as much of it as is told at once, and whether there is more.
    pub(super) fn newer<'a>(
        &'a self,
        cx: &Context<'a>,
        room: &'a Room,
        after: u64,
        limit: usize,
    ) -> (Vec<Line<'a>>, bool) {
        let after = after.max(self.first_read(cx, room).saturating_sub(1));
        let newer = self.read_lines(cx, room);
        let newer =
            newer.unwrap_or_else(|| self.lines(room, room.history.after(after).take(limit)));
        let newer = newer.into_iter().filter(|line| line.id > after);
        let mut messages: Vec<Line> = newer.take(limit).collect();
        messages.truncate(self.page(cx, room).fitting(messages.iter()));
        let next_id = room.history.next_id();
        let more = messages.last().is_some_and(|line| line.id + 1 < next_id);
        (messages, more)
    }

    pub(super) fn who(
        &self,
        cx: &mut Context<'_>,
        room: Option<Cow<'_, str>>,
        name: Option<Cow<'_, str>>,
        (after, limit): (u64, Option<u32>),
    ) -> Done {
        let room = match room.as_deref() {
            None => self.state.rooms().get(self.room_of(cx, None)?),
            Some(typed) => {
                let room = self.known_room(cx, typed)?;
                self.check_sees_members(cx, room, typed)?;
                Some(room)
            }
        };
        let Some(room) = room else { return Ok(()) };
        // What is too long for a name is in none.
        let part = name.map(|name| key_of(&name).unwrap_or_else(|| name.into_owned()));
        let fits = |user: &&User| part.as_ref().is_none_or(|part| user.name.key().contains(part));
        let total = match part {
            None => room.member_count() as usize,
            Some(_) => self.state.members(room.id).filter(fits).count(),
        };
        let skip = usize::try_from(after).unwrap_or(usize::MAX);
        let members = self.state.members(room.id).filter(fits).skip(skip).take(page_length(limit));
        let listed: Vec<&User> = members.collect();
        let names = |is: &dyn Fn(&User) -> bool| {
            let those = listed.iter().filter(|user| is(user));
            those.map(|user| user.name.as_str()).collect::<Vec<&str>>()
        };
        let kept = self.state.accounts();
        let accounts = names(&|user| kept.contains(user.id));
        let bots = names(&|user| kept.owner_of(user.id).is_some());
        let offline =
            names(&|user| kept.contains(user.id) && self.clients_of(user.id).next().is_none());
        let away = names(&|user| self.sessions.aways.get(user.id).is_some());
        let role_of = |user: &User| self.state.member_record(user.id, room.id).role;
        let with_role = listed.iter().filter(|user| role_of(user) != RoomRole::Member);
        let roles = with_role.map(|user| (user.name.as_str(), role_of(user).as_str())).collect();
        let members = names(&|_| true);
        let next = next(after, members.len(), total);
        let (room, reference) = (room.name.as_str(), cx.reference);
        cx.reply(&Reply::Members {
            room,
            members,
            accounts,
            bots,
            offline,
            away,
            roles,
            total,
            after,
            next,
            reference,
        });
        Ok(())
    }

    pub(super) fn rooms_page<'a>(&'a self, cx: &mut Context<'_>, after: u64, limit: Option<u32>) {
        let current = self.current_room(cx);
        let user = cx.user;
        let here = |room: &Room| match room.id {
            id if Some(id) == current => Here::Talks,
            id if self.state.is_member(user, id) => Here::Member,
            _ => Here::No,
        };
        let summary = |room: &'a Room| RoomSummary {
            room: room.name.as_str(),
            members: room.member_count(),
            topic: &room.topic,
            entry: entry_of(room),
            here: here(room),
        };
        let skipped = usize::try_from(after).unwrap_or(usize::MAX);
        let rooms = self.state.rooms().busiest().filter(|room| self.is_listed_for(user, room));
        let listed: Vec<RoomSummary<'a>> =
            rooms.skip(skipped).take(page_length(limit)).map(summary).collect();
        let (total, reference) = (self.count_listed_for(user), cx.reference);
        let next = next(after, listed.len(), total);
        cx.reply(&Reply::Rooms { rooms: listed, total, after, next, reference });
    }
}

/// What `/help` is asked for all of it.
const ALL: &str = "all";

/// Explains one command, or lists all: what one needs first with an explanation, so that it fits a
/// screen of 24 lines.
pub(super) fn help(cx: &mut Context<'_>, about: Option<&str>) -> Done {
    let explain = |to: &mut Encoder, command: &CommandSpec| {
        notice(to, format_args!("* {}: {}", command.usage(), command.help));
    };
    let Some(about) = about else {
        cx.send(|to| {
            FIRST.into_iter().filter_map(commands::find).for_each(|spec| explain(to, spec));
            for (topic, names) in TOPICS {
                notice(to, format_args!("* For {topic}: /{}", names.join(" /")));
            }
            notice(to, format_args!("* /help COMMAND explains one, /help all each of them."));
            notice(to, format_args!("* Anything else is said to the room that you joined last."));
        });
        return Ok(());
    };
    if about.eq_ignore_ascii_case(ALL) {
        cx.send(|to| commands::COMMANDS.iter().for_each(|spec| explain(to, spec)));
        return Ok(());
    }
    let Some(command) = commands::find(about) else {
        let message =
            format!("There is no command {}. Type /help for all of them.", quote(about, 40));
        return Err(RequestError::new("unknown_type", message));
    };
    cx.send(|to| {
        explain(to, command);
        if !command.details.is_empty() {
            notice(to, format_args!("* {}", command.details));
        }
    });
    Ok(())
}

/// Who may enter a room, if not everybody.
pub(super) fn entry_of(room: &Room) -> Option<&'static str> {
    let entry = room.settings().entry;
    (entry != Entry::All).then_some(entry.as_str())
}

/// The last of these, at most so many, that fit into an answer.
fn newest<'a>(page: &HistoryPage<'_>, mut lines: Vec<Line<'a>>, count: u32) -> Vec<Line<'a>> {
    let mut last = lines.split_off(lines.len().saturating_sub(count as usize));
    last.split_off(last.len() - page.fitting(last.iter().rev()))
}

pub(super) fn size_of_answer(messages: &[Line]) -> AnswerSize {
    AnswerSize { lines: messages.len(), bytes: bytes(messages) }
}

fn bytes(messages: &[Line]) -> usize {
    messages.iter().map(|line| line.text.len()).sum()
}

pub(super) fn page_length(limit: Option<u32>) -> usize {
    u64::from(limit.unwrap_or(u32::MAX)).clamp(1, PAGE) as usize
}

/// Where the next page starts, if there is one.
pub(super) fn next(after: u64, listed: usize, total: usize) -> Option<u64> {
    let next = after.saturating_add(listed as u64);
    (listed > 0 && next < total as u64).then_some(next)
}
