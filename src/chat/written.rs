//! Up to where each room has been written to terminals. Who types a line has read what was
//! written before.
//!
//! What was said in this turn, and what is not durable yet, has been written to nobody. What a room
//! says may be kept for the next turn, and is held for what that records as well: it is known by the
//! batch with which it is handed out, and a batch by its group then. What is said in a conversation
//! is sent to each device by itself, and is known by its own group.

use std::collections::{BTreeMap, VecDeque};

use crate::chat::ids::RoomId;
use crate::delivery::channels::ChannelId;
use crate::ids::{ClientId, GroupId};

/// What was said in a room of late: messages from this one on are in batches, or follow from groups,
/// up to this one.
#[derive(Clone, Copy, Debug)]
struct Recent {
    first_id: u64,
    last_with: u64,
}

/// Of a room in which something is said without pause there is always something that is not durable:
/// what came later is apart from what came first, so that the bound goes on.
#[derive(Clone, Copy, Debug)]
struct RoomMark {
    room: RoomId,
    recent: Recent,
    later: Option<Recent>,
}

impl RoomMark {
    fn new(room: RoomId, first_id: u64, with: u64) -> RoomMark {
        RoomMark { room, recent: Recent { first_id, last_with: with }, later: None }
    }

    /// The first message that has not been written yet.
    fn first_unwritten(&self, written: u64) -> Option<u64> {
        let mut recents = [Some(self.recent), self.later].into_iter().flatten();
        recents.find(|recent| recent.last_with > written).map(|recent| recent.first_id)
    }

    fn add(&mut self, id: u64, with: u64, written: u64) {
        let new = Recent { first_id: id, last_with: with };
        if self.recent.last_with <= written {
            self.recent = self.later.take().filter(|it| it.last_with > written).unwrap_or(new);
        }
        if self.recent.last_with < with {
            self.later.get_or_insert(new).last_with = with;
        }
    }
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Written {
    /// By channel; a channel may be another room's by now.
    rooms: Vec<Option<RoomMark>>,
    /// Conversations have no channel: those in which something has not been written yet.
    conversations: BTreeMap<RoomId, RoomMark>,
    /// So many batches have been handed out; the next one has something in it if this is so.
    batches: u64,
    has_batch: bool,
    /// Batches that have not been written yet, and the groups that they are held for.
    handed_out: VecDeque<(u64, GroupId)>,
    /// All batches up to this one were written by the turn before.
    written_batch: u64,
    /// So was all that follows from these groups. Without a store, each turn is a group.
    written: GroupId,
    /// Terminals that have come when something was unread, and up to where it was: that was not
    /// written to them.
    missed: BTreeMap<(ClientId, RoomId), u64>,
}

impl Written {
    /// Something is said in a room.
    pub fn said(&mut self, channel: ChannelId, room: RoomId, id: u64) {
        let (written, batch) = (self.written_batch, self.batches + 1);
        self.has_batch = true;
        if self.rooms.len() <= channel.index() {
            self.rooms.resize(channel.index() + 1, None);
        }
        match &mut self.rooms[channel.index()] {
            Some(mark) if mark.room == room => mark.add(id, batch, written),
            mark => *mark = Some(RoomMark::new(room, id, batch)),
        }
    }

    /// Something is said in a conversation, in a turn whose group is this one.
    pub fn said_between(&mut self, room: RoomId, id: u64, group: Option<GroupId>) {
        let (written, group) = (self.written.0, group.unwrap_or(self.written.next()).0);
        self.conversations
            .entry(room)
            .and_modify(|mark| mark.add(id, group, written))
            .or_insert(RoomMark::new(room, id, group));
    }

    /// The last message of a conversation that has been written, if its last one is this.
    pub fn up_to_between(&self, room: RoomId, last: u64) -> u64 {
        let mark = self.conversations.get(&room);
        let first = mark.and_then(|mark| mark.first_unwritten(self.written.0));
        first.map_or(last, |first| first - 1)
    }

    /// The last message of a room that has been written, if its last one is this.
    pub fn up_to(&self, channel: ChannelId, room: RoomId, last: u64) -> u64 {
        let mark = self.rooms.get(channel.index()).copied().flatten();
        let mark = mark.filter(|mark| mark.room == room);
        let first = mark.and_then(|mark| mark.first_unwritten(self.written_batch));
        first.map_or(last, |first| first - 1)
    }

    /// What rooms have said by now is handed out, and held until this group is durable. Without a
    /// store it is written at once.
    pub fn handed_out(&mut self, group: Option<GroupId>) {
        if !std::mem::take(&mut self.has_batch) {
            return;
        }
        self.batches += 1;
        match group {
            Some(group) => self.handed_out.push_back((self.batches, group)),
            None => self.written_batch = self.batches,
        }
    }

    /// A turn is over that has received all that it will, without a store.
    pub fn turn_ends(&mut self) {
        self.set_written(self.written.next());
    }

    /// What follows from these groups was free to be written in the turn before.
    pub fn set_written(&mut self, group: GroupId) {
        self.written = group;
        self.conversations.retain(|_, mark| mark.first_unwritten(group.0).is_some());
        while let Some(&(batch, _)) = self.handed_out.front().filter(|(_, held)| *held <= group) {
            self.written_batch = batch;
            self.handed_out.pop_front();
        }
    }

    /// A terminal has come, and was not written what was said in a room up to this message.
    pub fn missed(&mut self, client: ClientId, room: RoomId, id: u64) {
        self.missed.insert((client, room), id);
    }

    /// Whether a terminal lacks something in a room of which so much was read. What is read
    /// elsewhere it does not lack, until its account goes back to that.
    pub fn lacks(&self, client: ClientId, room: RoomId, read: u64) -> bool {
        self.missed.get(&(client, room)).is_some_and(|&missed| missed > read)
    }

    /// What a terminal lacks of rooms.
    pub fn missed_of(&self, client: ClientId) -> impl Iterator<Item = (RoomId, u64)> {
        let of_client = self.missed.range((client, RoomId::FIRST)..);
        let of_client = of_client.take_while(move |((of, _), _)| *of == client);
        of_client.map(|(&(_, room), &id)| (room, id))
    }

    /// A client is no terminal of its account any more.
    pub fn forget(&mut self, client: ClientId) {
        let of_client = self.missed.range((client, RoomId::FIRST)..).map(|(key, _)| *key);
        let of_client: Vec<_> = of_client.take_while(|(of, _)| *of == client).collect();
        for key in of_client {
            self.missed.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: RoomId = RoomId::FIRST;

    fn channel() -> ChannelId {
        crate::delivery::Delivery::new(crate::delivery::limits::DeliveryLimits::default())
            .open_channel()
    }

    #[test]
    fn what_was_said_in_this_turn_was_written_to_nobody() {
        let (mut written, channel) = (Written::default(), channel());
        assert_eq!(written.up_to(channel, ROOM, 7), 7);
        written.said(channel, ROOM, 8);
        written.said(channel, ROOM, 9);
        written.said_between(ROOM.next(), 4, None);
        assert_eq!(written.up_to(channel, ROOM, 9), 7);
        assert_eq!(written.up_to_between(ROOM.next(), 4), 3);
        // It is kept for the next turn.
        written.turn_ends();
        assert_eq!(written.up_to(channel, ROOM, 9), 7);
        assert_eq!(written.up_to_between(ROOM.next(), 4), 4);
        written.turn_ends();
        written.handed_out(None);
        assert_eq!(written.up_to(channel, ROOM, 9), 9);
        written.said(channel, ROOM, 10);
        assert_eq!(written.up_to(channel, ROOM, 10), 9);
        assert_eq!(written.up_to(channel, ROOM.next(), 3), 3, "the channel was another room's");
    }

    #[test]
    fn what_is_kept_for_the_next_turn_is_held_for_that_as_well() {
        let (mut written, channel) = (Written::default(), channel());
        written.said(channel, ROOM, 1);
        // Its own group is durable before it is handed out, with another one.
        written.set_written(GroupId(1));
        assert_eq!(written.up_to(channel, ROOM, 1), 0);
        written.handed_out(Some(GroupId(2)));
        written.set_written(GroupId(1));
        assert_eq!(written.up_to(channel, ROOM, 1), 0);
        written.set_written(GroupId(2));
        assert_eq!(written.up_to(channel, ROOM, 1), 1);
    }

    #[test]
    fn the_bound_goes_on_where_something_is_always_said() {
        let (mut written, channel) = (Written::default(), channel());
        // A message a group, each durable three groups later.
        for id in 1..=100u64 {
            written.set_written(GroupId(id.saturating_sub(3)));
            written.said(channel, ROOM, id);
            written.handed_out(Some(GroupId(id)));
            let up_to = written.up_to(channel, ROOM, id);
            assert!(up_to <= id.saturating_sub(3), "{up_to} of {id}");
            assert!(up_to + 7 >= id, "{up_to} of {id}");
        }
        written.set_written(GroupId(100));
        assert_eq!(written.up_to(channel, ROOM, 100), 100);
        assert!(written.handed_out.is_empty());
    }
}
