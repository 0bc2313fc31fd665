//! What is told again to those who join a room: encoded once, and shared by all who are told the
//! same until something else is said there.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::chat::ids::RoomId;
use crate::chat::state::history::History;
use crate::delivery::encoding::Encoding;

/// Replays kept at once, and their bytes. Past either, all are dropped: those that are asked for
/// often are back at once.
const REPLAYS_MAX: usize = 1024;
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Which messages of a room are told again; the last of them is the room's last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// What everybody is told who asks for nothing else.
    Default,
    /// All after this id, as was asked for.
    After(u64),
}

impl Extent {
    /// The same extent for all that come to the same messages; `None` if there are none.
    pub fn within(self, history: &History) -> Option<Extent> {
        let (first, next) = (history.first_id()?, history.next_id());
        match self {
            Extent::Default => Some(self),
            Extent::After(id) => {
                (id.saturating_add(1) < next).then_some(Extent::After(id.max(first - 1)))
            }
        }
    }
}

/// One replay: whole messages in one encoding.
#[derive(Clone, Debug)]
pub struct Replay {
    pub encoded: Bytes,
    /// Of the texts in it, for flood control.
    pub text_bytes: usize,
}

/// A room, and what tells its replays from each other.
type Key = (RoomId, Encoding, Extent);

/// The replays that were asked for lately.
///
/// Invariant: each is what a new encoding would give; `bytes` is the sum of theirs and at most
/// `BYTES_MAX`.
#[derive(Debug, Default)]
pub struct Replays {
    by_key: BTreeMap<Key, Replay>,
    bytes: usize,
}

impl Replays {
    pub fn get(&self, room: RoomId, encoding: Encoding, extent: Extent) -> Option<&Replay> {
        self.by_key.get(&(room, encoding, extent))
    }

    pub fn insert(&mut self, room: RoomId, encoding: Encoding, extent: Extent, replay: &Replay) {
        let bytes = replay.encoded.len();
        if bytes > BYTES_MAX {
            return;
        }
        if self.by_key.len() == REPLAYS_MAX || self.bytes + bytes > BYTES_MAX {
            self.clear();
        }
        self.bytes += bytes;
        self.by_key.insert((room, encoding, extent), replay.clone());
    }

    /// What is told of a room is something else from now on.
    pub fn remove_room(&mut self, room: RoomId) {
        // With each message, and hardly anybody joins meanwhile.
        if self.by_key.is_empty() {
            return;
        }
        let first = (room, Encoding::default(), Extent::Default);
        while let Some((&key, _)) = self.by_key.range(first..).next()
            && key.0 == room
            && let Some(replay) = self.by_key.remove(&key)
        {
            self.bytes -= replay.encoded.len();
        }
    }

    /// What they hold.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Drops all; the next who ask have them encoded again.
    pub fn clear(&mut self) {
        *self = Replays::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::state::history::{HistoryLimits, Message, MessageKind};
    use crate::delivery::encoding::{Compression, Dialect, Framing};

    fn replay(bytes: usize) -> Replay {
        Replay { encoded: Bytes::from(vec![0; bytes]), text_bytes: bytes }
    }

    /// The first of all encodings is the default one, which `remove_room` begins with.
    #[test]
    fn a_room_is_removed_with_all_its_encodings_and_no_other_room_is() {
        let lines = Encoding::default();
        let json = Encoding {
            framing: Framing::WebSocket,
            compression: Compression::Deflate,
            dialect: Dialect(1),
        };
        let rooms = [RoomId::FIRST, RoomId::FIRST.next(), RoomId::FIRST.next().next()];
        let mut replays = Replays::default();
        for room in rooms {
            for encoding in [lines, json] {
                for extent in [Extent::Default, Extent::After(3), Extent::After(7)] {
                    replays.insert(room, encoding, extent, &replay(10));
                }
            }
        }
        assert_eq!((replays.by_key.len(), replays.bytes()), (18, 180));
        replays.remove_room(rooms[1]);
        assert_eq!((replays.by_key.len(), replays.bytes()), (12, 120));
        assert!(replays.by_key.keys().all(|key| key.0 != rooms[1]));
    }

    #[test]
    fn they_are_bounded_in_number_and_in_bytes() {
        let mut replays = Replays::default();
        let encoding = Encoding::default();
        for id in 0..10_000 {
            replays.insert(RoomId::FIRST, encoding, Extent::After(id), &replay(100));
            assert!(replays.by_key.len() <= REPLAYS_MAX);
            assert!(replays.get(RoomId::FIRST, encoding, Extent::After(id)).is_some());
        }
        for id in 0..100 {
            replays.insert(RoomId::FIRST, encoding, Extent::After(id), &replay(BYTES_MAX / 7));
            assert!(replays.bytes() <= BYTES_MAX);
        }
        replays.clear();
        replays.insert(RoomId::FIRST, encoding, Extent::Default, &replay(BYTES_MAX + 1));
        assert_eq!((replays.by_key.len(), replays.bytes()), (0, 0));
    }

    #[test]
    fn all_who_come_to_the_same_messages_has_the_same_extent() {
        let limits = HistoryLimits { messages_max: 3, bytes_max: 10_000 };
        let mut history = History::new(1);
        assert_eq!(Extent::Default.within(&history), None, "nothing was said");
        for _ in 0..5 {
            let message = Message::new(0, MessageKind::Said, "ann", "hello").expect("it is short");
            history.push(message, &limits);
        }
        let extents = [
            (Extent::Default, Some(Extent::Default)),
            (Extent::After(0), Some(Extent::After(2))),
            (Extent::After(2), Some(Extent::After(2))),
            (Extent::After(4), Some(Extent::After(4))),
            (Extent::After(5), None),
            (Extent::After(u64::MAX), None),
        ];
        for (asked, expected) in extents {
            assert_eq!(asked.within(&history), expected, "{asked:?}");
        }
    }
}
