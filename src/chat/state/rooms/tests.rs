//! The directory against a list that is searched from end to end.

use proptest::prelude::*;

use super::*;
use crate::chat::state::history::MessageKind;

impl Rooms {
    /// The rooms that there are.
    pub(in crate::chat) fn ids(&self) -> Vec<RoomId> {
        self.rooms.iter().map(|room| room.id).collect()
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
            let found = self.find(room.name.key()).map(|room| room.id);
            assert_eq!(found, Some(id), "{}", room.name);
            assert!(id < self.next_id, "{}", room.name);
            let size = (Reverse(room.member_count()), id);
            assert!(self.by_size.contains(&size), "{}", room.name);
            assert_eq!(room.members.is_empty(), room.vacant_since.is_some(), "{}", room.name);
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
    Cut(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..8u8;
    prop_oneof![
        3 => name.clone().prop_map(Step::Open),
        1 => name.clone().prop_map(Step::Close),
        4 => name.clone().prop_map(Step::Enter),
        3 => name.clone().prop_map(Step::Leave),
        3 => (name.clone(), any::<u8>()).prop_map(|(name, bytes)| Step::Say(name, bytes)),
        1 => name.prop_map(Step::Cut),
    ]
}

/// A room of the model: its number, its id, its members, when it was vacated, the ids and sizes of
/// its messages.
struct Naive {
    number: u8,
    id: RoomId,
    members: Vec<UserSlot>,
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
        let (mut next_room, mut next_user) = (RoomId::FIRST, UserSlot::new(0));
        for step in steps {
            clock += 1;
            let (Step::Open(number) | Step::Close(number) | Step::Enter(number) | Step::Leave(number)
                | Step::Say(number, _) | Step::Cut(number)) = step;
            let at = rooms.iter().position(|room| room.number == number);
            match (step, at) {
                (Step::Open(_), None) => {
                    let id = directory.next_id();
                    prop_assert_eq!(id, next_room, "no id is given out twice");
                    next_room = next_room.next();
                    directory.open(id, name(number));
                    directory.open(id, name(number));
                    rooms.push(Naive { number, id, members: vec![], vacated: clock, said: vec![], next_id: ids_used + 1 });
                }
                (Step::Close(_), Some(at)) if !rooms[at].members.is_empty() => directory.close(rooms[at].id),
                (Step::Close(_), Some(at)) => {
                    let room = rooms.remove(at);
                    directory.close(room.id);
                    ids_used = ids_used.max(room.next_id - 1);
                }
                (Step::Enter(_), Some(at)) => {
                    let held = directory.enter(rooms[at].id, next_user).expect("it is there");
                    prop_assert_eq!(held.index as usize, rooms[at].members.len());
                    rooms[at].members.push(next_user);
                    next_user = UserSlot::new(u32::try_from(next_user.index()).expect("few") + 1);
                }
                (Step::Leave(_), Some(at)) if !rooms[at].members.is_empty() => {
                    rooms[at].vacated = clock;
                    let index = clock as usize % rooms[at].members.len();
                    rooms[at].members.swap_remove(index);
                    let (id, room) = (rooms[at].id, directory.slot(rooms[at].id).expect("it is there"));
                    let moved = directory.leave(id, Membership { room, index: index as u32 });
                    prop_assert_eq!(moved, rooms[at].members.get(index).copied());
                }
                (Step::Say(_, bytes), Some(at)) => {
                    let message = Message::new(clock, MessageKind::Said, "alice", &"x".repeat(bytes.into())).expect("a message");
                    let room = &mut rooms[at];
                    room.said.push((room.next_id, message.bytes()));
                    directory.say(room.id, room.next_id, message.clone());
                    directory.say(room.id, room.next_id, message);
                    prop_assert!(room.next_id > highest_said[usize::from(number)], "no room of a name uses an id twice");
                    highest_said[usize::from(number)] = room.next_id;
                    room.next_id += 1;
                    while room.said.len() > 3 || room.said.iter().map(|(_, bytes)| bytes).sum::<usize>() > 400 {
                        room.said.remove(0);
                    }
                }
                (Step::Cut(_), Some(at)) => {
                    let said = &mut rooms[at].said;
                    let kept = said.len() / 2;
                    said.drain(..said.len() - kept);
                    directory.cut(rooms[at].id, kept);
                }
                _ => continue,
            }
            directory.check();
            prop_assert_eq!(directory.count(), rooms.len());
            prop_assert_eq!(directory.is_full(), rooms.len() >= 6);
            let bytes: usize = rooms.iter().flat_map(|room| &room.said).map(|(_, bytes)| bytes).sum();
            prop_assert_eq!(directory.is_over_bytes(), bytes > 1000);
            let vacant = rooms.iter().filter(|room| room.members.is_empty()).min_by_key(|room| room.vacated);
            prop_assert_eq!(directory.most_vacant(), vacant.map(|room| room.id));
            for number in 0..8 {
                let found = rooms.iter().find(|room| room.number == number).map(|room| room.id);
                prop_assert_eq!(directory.find(name(number).key()).map(|room| room.id), found);
            }
            rooms.sort_by_key(|room| (Reverse(room.members.len()), room.id));
            for after in 0..=rooms.len() + 1 {
                let busiest: Vec<&str> = directory.busiest().skip(after).map(|room| room.name.as_str()).collect();
                let naive: Vec<RoomName> = rooms.iter().skip(after).map(|room| name(room.number)).collect();
                prop_assert_eq!(busiest, naive.iter().map(RoomName::as_str).collect::<Vec<_>>());
            }
            for room in &rooms {
                let kept: Vec<u64> = room.said.iter().map(|(id, _)| *id).collect();
                let here = directory.get(room.id).expect("it is there");
                prop_assert_eq!(here.members(), &room.members[..]);
                prop_assert_eq!(here.history.last(10).map(|(id, _)| id).collect::<Vec<_>>(), kept);
            }
        }
    }
}

#[test]
fn what_is_not_there_changes_nothing() {
    let mut directory = Rooms::new(LIMITS);
    let nowhere = RoomId::FIRST.next();
    directory.close(nowhere);
    directory.cut(nowhere, 0);
    directory.set_topic(nowhere, "topic".into());
    assert_eq!(directory.enter(nowhere, UserSlot::new(0)), None);
    let message = Message::new(0, MessageKind::Said, "alice", "hello").expect("a message");
    directory.say(nowhere, 1, message);
    assert!(directory.get(nowhere).is_none());
    directory.check();
}
