//! Up to where each room has been written to terminals. Who types a line has read what was
//! written before.
//!
//! What was said in this turn, and what is not durable yet, has been written to nobody.

use std::collections::BTreeMap;

use crate::chat::ids::RoomId;
use crate::delivery::channels::ChannelId;
use crate::ids::{ClientId, GroupId};

/// What was said in a room of late: messages from this one on follow from groups up to this one.
#[derive(Clone, Copy, Debug)]
struct Recent {
    first_id: u64,
    group: GroupId,
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
    /// The first message that has not been written yet.
    fn first_unwritten(&self, written: GroupId) -> Option<u64> {
        let mut recents = [Some(self.recent), self.later].into_iter().flatten();
        recents.find(|recent| recent.group > written).map(|recent| recent.first_id)
    }

    fn add(&mut self, id: u64, group: GroupId, written: GroupId) {
        let new = Recent { first_id: id, group };
        if self.recent.group <= written {
            self.recent = self.later.take().filter(|later| later.group > written).unwrap_or(new);
        }
        if self.recent.group < group {
            self.later.get_or_insert(new).group = group;
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
    /// All that follows from these groups was written by the turn before. Without a store, each
    /// turn is a group.
    written: GroupId,
    /// Terminals that have come when something was unread, and up to where it was: that was not
    /// written to them.
    missed: BTreeMap<(ClientId, RoomId), u64>,
}

impl Written {
    /// Something is said, in a turn whose group is this one.
    pub fn said(&mut self, channel: ChannelId, room: RoomId, id: u64, group: Option<GroupId>) {
        let (written, group) = (self.written, group.unwrap_or(self.written.next()));
        if self.rooms.len() <= channel.index() {
            self.rooms.resize(channel.index() + 1, None);
        }
        match &mut self.rooms[channel.index()] {
            Some(mark) if mark.room == room => mark.add(id, group, written),
            mark => {
                let recent = Recent { first_id: id, group };
                *mark = Some(RoomMark { room, recent, later: None });
            }
        }
    }

    /// The same in a conversation.
    pub fn said_between(&mut self, room: RoomId, id: u64, group: Option<GroupId>) {
        let (written, group) = (self.written, group.unwrap_or(self.written.next()));
        let recent = Recent { first_id: id, group };
        let new = RoomMark { room, recent, later: None };
        self.conversations
            .entry(room)
            .and_modify(|mark| mark.add(id, group, written))
            .or_insert(new);
    }

    /// The last message of a conversation that has been written, if its last one is this.
    pub fn up_to_between(&self, room: RoomId, last: u64) -> u64 {
        let mark = self.conversations.get(&room);
        let first = mark.and_then(|mark| mark.first_unwritten(self.written));
        first.map_or(last, |first| first - 1)
    }

    /// The last message of a room that has been written, if its last one is this.
    pub fn up_to(&self, channel: ChannelId, room: RoomId, last: u64) -> u64 {
        let mark = self.rooms.get(channel.index()).copied().flatten();
        let mark = mark.filter(|mark| mark.room == room);
        let first = mark.and_then(|mark| mark.first_unwritten(self.written));
        first.map_or(last, |first| first - 1)
    }

    /// A turn is over that has received all that it will, without a store.
    pub fn turn_ends(&mut self) {
        self.set_written(self.written.next());
    }

    /// What follows from these groups was free to be written in the turn before.
    pub fn set_written(&mut self, group: GroupId) {
        self.written = group;
        self.conversations.retain(|_, mark| mark.first_unwritten(group).is_some());
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
        written.said(channel, ROOM, 8, None);
        written.said(channel, ROOM, 9, None);
        assert_eq!(written.up_to(channel, ROOM, 9), 7);
        written.turn_ends();
        assert_eq!(written.up_to(channel, ROOM, 9), 9);
        written.said(channel, ROOM, 10, None);
        assert_eq!(written.up_to(channel, ROOM, 10), 9);
        assert_eq!(written.up_to(channel, ROOM.next(), 3), 3, "the channel was another room's");
    }

    #[test]
    fn the_bound_goes_on_where_something_is_always_said() {
        let (mut written, channel) = (Written::default(), channel());
        // A message a group, each durable three groups later.
        for id in 1..=100u64 {
            written.set_written(GroupId(id.saturating_sub(3)));
            written.said(channel, ROOM, id, Some(GroupId(id)));
            let up_to = written.up_to(channel, ROOM, id);
            assert!(up_to <= id.saturating_sub(3), "{up_to} of {id}");
            assert!(up_to + 7 >= id, "{up_to} of {id}");
        }
        written.set_written(GroupId(100));
        assert_eq!(written.up_to(channel, ROOM, 100), 100);
    }
}
