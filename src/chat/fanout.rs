//! From an event to what everybody sees of it and what is remembered.

use std::mem;

use log::info;

use super::{Chat, LOBBY};
use crate::chat::dialect::json::RequestRef;
use crate::chat::dialect::reply::{Line, Reply};
use crate::chat::dialect::{self, notice, render};
use crate::chat::name::Name;
use crate::chat::record::{Entry, Record};
use crate::chat::state::history::Message;
use crate::chat::state::users::User;
use crate::delivery::Delivery;
use crate::delivery::channels::{ChannelId as RoomId, SenderCopy};
use crate::ids::ClientId;

impl Chat {
    /// Appends an event to the journal; what the journal has committed is published and applied.
    pub(super) fn commit(
        &mut self,
        by: ClientId,
        event: Record,
        reference: Option<&RequestRef>,
        out: &mut Delivery,
    ) {
        let unix_ms = out.now().unix_ms;
        self.journal.append(Entry { event, by, reference: reference.cloned(), unix_ms });
        while let Some(entry) = self.journal.committed() {
            self.publish(&entry, out);
            self.apply(entry, out);
        }
    }

    /// Tells everybody whom it concerns.
    fn publish(&self, entry: &Entry, out: &mut Delivery) {
        let Entry { event, by, reference, unix_ms: time } = entry;
        let (by, time, reference) = (*by, *time, reference.as_ref());
        match event {
            Record::Said { room, message } => self.publish_said(by, *room, message, reference, out),
            Record::Joined { room } => {
                let joined =
                    |room, name| Reply::Joined { room, name, time, own: None, reference: None };
                self.announce(by, *room, 1, joined, out);
            }
            Record::Left { room, reason } => {
                let reason = reason.as_deref();
                let left = |room, name| Reply::Left {
                    room,
                    name,
                    time,
                    reason,
                    you: false,
                    reference: None,
                };
                self.announce(by, *room, 0, left, out);
            }
            Record::Renamed { name } => {
                let to = name.as_str();
                let renamed = |room, from| Reply::Renamed {
                    room: Some(room),
                    from,
                    to,
                    time,
                    you: false,
                    reference: None,
                };
                let rooms: Vec<RoomId> = out.channels_of(by).collect();
                for room in rooms {
                    self.announce(by, room, 0, renamed, out);
                }
            }
            Record::Topic { room, text } => {
                self.publish_topic(by, *room, text, time, reference, out)
            }
            Record::Direct { to, text } => self.publish_direct(by, *to, text, time, reference, out),
            Record::Connected { .. }
            | Record::Disconnected
            | Record::Opened { .. }
            | Record::Closed { .. } => {}
        }
    }

    /// The path of every message: no allocation and no formatting per member, and one rendering per
    /// format.
    fn publish_said(
        &self,
        by: ClientId,
        id: RoomId,
        message: &Message,
        reference: Option<&RequestRef>,
        out: &mut Delivery,
    ) {
        let Some(room) = self.directory.get(id) else { return };
        let (name, line) = (room.name.as_str(), Line::new(room.history.next_id(), message));
        // A program knows its own message by the reference.
        let own = match reference {
            None if dialect::echoes_sender(out.encoding(by)) => None,
            None => Some(Vec::new()),
            reference => {
                Some(out.encode(by, |to| render(to, &Reply::Said { room: name, line, reference })))
            }
        };
        let sender_copy = own.as_deref().map(|bytes| SenderCopy { sender: by, bytes });
        let said = Reply::Said { room: name, line, reference: None };
        out.publish(id, sender_copy, |to| render(to, &said));
        if let Some(listeners) =
            self.listeners.filter(|&listeners| out.members(listeners).next().is_some())
            && name == LOBBY
        {
            out.publish(listeners, None, |to| render(to, &said));
        }
    }

    /// Tells the others in a room, if it is small enough, of somebody who comes (`more` is 1), goes
    /// or changes.
    fn announce<'a>(
        &'a self,
        by: ClientId,
        id: RoomId,
        more: u32,
        output: impl Fn(&'a str, &'a str) -> Reply<'a>,
        out: &mut Delivery,
    ) {
        let (Some(room), Some(person)) = (self.directory.get(id), self.people.get(by)) else {
            return;
        };
        if room.members + more <= self.settings.announce_below {
            let output = output(room.name.as_str(), person.name.as_str());
            let nothing = SenderCopy { sender: by, bytes: &[] };
            out.publish(id, Some(nothing), |to| render(to, &output));
        }
    }

    fn publish_topic(
        &self,
        by: ClientId,
        id: RoomId,
        topic: &str,
        time: u64,
        reference: Option<&RequestRef>,
        out: &mut Delivery,
    ) {
        let (Some(room), Some(person)) = (self.directory.get(id), self.people.get(by)) else {
            return;
        };
        let output = |reference| Reply::Topic {
            room: room.name.as_str(),
            topic,
            name: Some(person.name.as_str()),
            time: Some(time),
            reference,
        };
        let own =
            reference.map(|reference| out.encode(by, |to| render(to, &output(Some(reference)))));
        let sender_copy = own.as_deref().map(|bytes| SenderCopy { sender: by, bytes });
        out.publish(id, sender_copy, |to| render(to, &output(None)));
    }

    fn publish_direct(
        &self,
        by: ClientId,
        to: ClientId,
        text: &str,
        time: u64,
        reference: Option<&RequestRef>,
        out: &mut Delivery,
    ) {
        let (Some(from), Some(addressee)) = (self.people.get(by), self.people.get(to)) else {
            return;
        };
        let output = |sent, reference| Reply::Direct {
            from: from.name.as_str(),
            to: addressee.name.as_str(),
            text,
            time,
            sent,
            reference,
        };
        if to != by {
            out.send(to, |encoder| render(encoder, &output(false, None)));
        }
        out.send(by, |encoder| render(encoder, &output(true, reference)));
    }

    /// Changes the state.
    fn apply(&mut self, entry: Entry, out: &mut Delivery) {
        let by = entry.by;
        match entry.event {
            Record::Connected { name, peer } => {
                info!("{peer} is {name}");
                self.people.add(by, name, peer);
            }
            Record::Disconnected => {
                if let Some(User { name, peer, .. }) = self.people.get(by) {
                    info!("{name} left ({peer})");
                }
                self.people.remove(by);
            }
            Record::Opened { room, name } => self.directory.open(room, name),
            Record::Closed { room } => {
                self.directory.close(room);
                out.close_channel(room);
            }
            Record::Joined { room } => {
                out.join(room, by);
                self.directory.enter(room);
                self.turn_to(by, Some(room));
            }
            Record::Left { room, .. } => {
                out.leave(room, by);
                self.directory.leave(room);
                if self.people.get(by).is_some_and(|person| person.current == Some(room)) {
                    let other = out.channels_of(by).last();
                    self.turn_to(by, other);
                }
                self.close_if_void(by, room, out);
            }
            Record::Renamed { name } => {
                if let Some(User { name: old, peer, .. }) = self.people.get(by) {
                    info!("{old} is {name} now ({peer})");
                }
                self.people.rename(by, name);
            }
            Record::Topic { room, text } => {
                if let Some(room) = self.directory.get_mut(room) {
                    room.topic = text;
                }
            }
            Record::Said { room, message } => {
                self.directory.say(room, message);
                self.notice_alone(by, room, out);
                self.make_room(by, room, out);
            }
            Record::Direct { .. } => {}
        }
    }

    /// Makes a room the one that somebody talks in.
    pub(super) fn turn_to(&mut self, client: ClientId, room: Option<RoomId>) {
        if let Some(person) = self.people.get_mut(client) {
            person.current = room;
            person.alone_notice_sent = false;
        }
    }

    /// Whoever speaks where nobody else is, is told so once.
    fn notice_alone(&mut self, by: ClientId, id: RoomId, out: &mut Delivery) {
        let (Some(room), Some(person)) = (self.directory.get(id), self.people.get_mut(by)) else {
            return;
        };
        if room.members > 1 {
            person.alone_notice_sent = false;
        } else if !mem::replace(&mut person.alone_notice_sent, true) {
            let name: &str = room.name.as_str();
            out.send(by, |to| {
                notice(
                    to,
                    format_args!(
                        "* Nobody else is in {name} now. Whoever joins will see what you said."
                    ),
                );
            });
        }
    }

    /// Keeps all histories together within their limit: deserted rooms go first, then what is old
    /// in the room that grows.
    fn make_room(&mut self, by: ClientId, growing: RoomId, out: &mut Delivery) {
        while self.directory.is_over_bytes() {
            match self.directory.most_vacant() {
                Some(room) => self.commit(by, Record::Closed { room }, None, out),
                None if self
                    .directory
                    .get(growing)
                    .is_some_and(|room| !room.history.is_empty()) =>
                {
                    self.directory.halve(growing);
                }
                None => return,
            }
        }
    }

    /// A room without members and without messages disappears.
    fn close_if_void(&mut self, by: ClientId, id: RoomId, out: &mut Delivery) {
        if self.directory.get(id).is_some_and(|room| room.members == 0 && room.history.is_empty()) {
            self.commit(by, Record::Closed { room: id }, None, out);
        }
    }

    /// The name of somebody who is here.
    pub(super) fn name_of(&self, client: ClientId) -> Option<&Name> {
        self.people.get(client).map(|person| &person.name)
    }
}
