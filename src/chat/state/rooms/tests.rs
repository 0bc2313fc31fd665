//! The directory against a list that is searched from end to end.

use proptest::prelude::*;

use super::*;
use crate::chat::state::history::MessageKind;

impl Rooms {
    /// The rooms that there are.
    pub(in crate::chat) fn ids(&self) -> Vec<RoomId> {
        (0..self.rooms.len()).filter(|&at| self.rooms[at].is_some()).map(RoomId::new).collect()
    }

    pub(in crate::chat) fn history_bytes(&self) -> usize {
        self.history_bytes
    }

    /// The invariant.
    pub(in crate::chat) fn check(&self) {
        let ids = self.ids();
        assert_eq!(self.by_name.count(), ids.len(), "every room is found by its name");
        assert_eq!(self.by_size.len(), ids.len(), "every room is found by its size");
        let (mut bytes, mut vacant) = (0, 0);
        for id in ids {
            let room = self.get(id).expect("it is there");
            assert_eq!(self.find(room.name.key()), Some(id), "{}", room.name);
            assert!(self.by_size.contains(&(Reverse(room.members), id)), "{}", room.name);
            assert_eq!(room.members == 0, room.vacant_since.is_some(), "{}", room.name);
            if let Some(since) = room.vacant_since {
                assert!(self.vacant.contains(&(since, id)), "{}", room.name);
                vacant += 1;
            }
            bytes += room.history.bytes();
        }
        assert_eq!(self.vacant.len(), vacant, "only rooms that nobody is in are vacant");
        assert_eq!(self.history_bytes, bytes, "the histories together");
    }
}

const LIMITS: RoomLimits = RoomLimits {
    rooms_max: 6,
    history: history::HistoryLimits { messages_max: 3, bytes_max: 400 },
    history_bytes_max: 1000,
};

#[derive(Clone, Debug)]
enum Step {
    Open(u8),
    Close(u8),
    Enter(u8),
    Leave(u8),
    Say(u8, u8),
    Halve(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..8u8;
    prop_oneof![
        3 => name.clone().prop_map(Step::Open),
        1 => name.clone().prop_map(Step::Close),
        4 => name.clone().prop_map(Step::Enter),
        3 => name.clone().prop_map(Step::Leave),
        3 => (name.clone(), any::<u8>()).prop_map(|(name, bytes)| Step::Say(name, bytes)),
        1 => name.prop_map(Step::Halve),
    ]
}

/// A room of the model: its number, its id, its members, when it was vacated, the ids and sizes of
/// its messages.
struct Naive {
    number: u8,
    id: RoomId,
    members: u32,
    vacated: u64,
    said: Vec<(u64, usize)>,
    next_id: u64,
}

fn name(number: u8) -> RoomName {
    RoomName::parse(&format!("Room-{number}")).expect("a name")
}

proptest! {
    #[test]
    fn agrees_with_a_list(steps in prop::collection::vec(step(), 0..200)) {
        let mut directory = Rooms::new(LIMITS);
        let mut rooms: Vec<Naive> = Vec::new();
        let (mut clock, mut ids_used, mut highest_said) = (0, 0, [0u64; 8]);
        for step in steps {
            clock += 1;
            let (Step::Open(number) | Step::Close(number) | Step::Enter(number) | Step::Leave(number)
                | Step::Say(number, _) | Step::Halve(number)) = step;
            let at = rooms.iter().position(|room| room.number == number);
            match (step, at) {
                (Step::Open(_), None) => {
                    // The lowest key that is free, as the slab of rooms gives them out.
                    let id = (0..).map(RoomId::new).find(|id| rooms.iter().all(|room| room.id != *id)).expect("one is free");
                    directory.open(id, name(number));
                    rooms.push(Naive { number, id, members: 0, vacated: clock, said: vec![], next_id: ids_used + 1 });
                }
                (Step::Close(_), Some(at)) if rooms[at].members == 0 => {
                    let room = rooms.remove(at);
                    directory.close(room.id);
                    ids_used = ids_used.max(room.next_id - 1);
                }
                (Step::Enter(_), Some(at)) => {
                    rooms[at].members += 1;
                    directory.enter(rooms[at].id);
                }
                (Step::Leave(_), Some(at)) if rooms[at].members > 0 => {
                    rooms[at].members -= 1;
                    rooms[at].vacated = clock;
                    directory.leave(rooms[at].id);
                }
                (Step::Say(_, bytes), Some(at)) => {
                    let message = Message::new(clock, MessageKind::Said, "alice", &"x".repeat(bytes.into())).expect("a message");
                    let room = &mut rooms[at];
                    room.said.push((room.next_id, message.bytes()));
                    prop_assert_eq!(directory.say(room.id, message), room.next_id);
                    prop_assert!(room.next_id > highest_said[usize::from(number)], "no room of a name uses an id twice");
                    highest_said[usize::from(number)] = room.next_id;
                    room.next_id += 1;
                    while room.said.len() > 3 || room.said.iter().map(|(_, bytes)| bytes).sum::<usize>() > 400 {
                        room.said.remove(0);
                    }
                }
                (Step::Halve(_), Some(at)) => {
                    let said = &mut rooms[at].said;
                    said.drain(..said.len() - said.len() / 2);
                    directory.halve(rooms[at].id);
                }
                _ => continue,
            }
            directory.check();
            prop_assert_eq!(directory.count(), rooms.len());
            prop_assert_eq!(directory.is_full(), rooms.len() >= 6);
            let bytes: usize = rooms.iter().flat_map(|room| &room.said).map(|(_, bytes)| bytes).sum();
            prop_assert_eq!(directory.is_over_bytes(), bytes > 1000);
            let vacant = rooms.iter().filter(|room| room.members == 0).min_by_key(|room| room.vacated);
            prop_assert_eq!(directory.most_vacant(), vacant.map(|room| room.id));
            for number in 0..8 {
                let found = rooms.iter().find(|room| room.number == number).map(|room| room.id);
                prop_assert_eq!(directory.find(name(number).key()), found);
            }
            rooms.sort_by_key(|room| (Reverse(room.members), room.id));
            for after in 0..=rooms.len() + 1 {
                let busiest: Vec<&str> = directory.busiest(after as u64).map(|room| room.name.as_str()).collect();
                let naive: Vec<RoomName> = rooms.iter().skip(after).map(|room| name(room.number)).collect();
                prop_assert_eq!(busiest, naive.iter().map(RoomName::as_str).collect::<Vec<_>>());
            }
            for room in &rooms {
                let kept: Vec<u64> = room.said.iter().map(|(id, _)| *id).collect();
                let history = &directory.get(room.id).expect("it is there").history;
                prop_assert_eq!(history.last(10).map(|(id, _)| id).collect::<Vec<_>>(), kept);
            }
        }
    }
}

#[test]
fn what_is_not_there_changes_nothing() {
    let mut directory = Rooms::new(LIMITS);
    let nowhere = RoomId::new(3);
    directory.close(nowhere);
    directory.halve(nowhere);
    let message = Message::new(0, MessageKind::Said, "alice", "hello").expect("a message");
    assert_eq!(directory.say(nowhere, message), 0);
    assert!(directory.get(nowhere).is_none());
    directory.check();
}
