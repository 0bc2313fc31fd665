//! One room against the plainest model of it: a list of members, and for each what it has to be given.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::encode::Kind;

fn room_id() -> RoomId {
    RoomId::new(0)
}

/// A room, its seats as [`crate::outgoing::Outgoing`] keeps them, and what each client has been given.
#[derive(Default)]
struct Sim {
    room: Room,
    compressor: Compressor,
    seats: HashMap<ClientId, Seat>,
    given: HashMap<ClientId, String>,
}

fn client(key: usize) -> ClientId {
    ClientId::new(key, key as u32 + 1)
}

fn add(given: &mut HashMap<ClientId, String>, to: ClientId, bytes: &[u8]) {
    given.entry(to).or_default().push_str(std::str::from_utf8(bytes).expect("text"));
}

impl Sim {
    fn with(members: usize) -> Sim {
        let mut sim = Sim::default();
        (0..members).for_each(|key| sim.join(key));
        sim
    }

    fn join(&mut self, key: usize) {
        self.seats.insert(client(key), self.room.join(room_id(), client(key), Format::Line));
    }

    fn leave(&mut self, key: usize) {
        self.catch_up(key);
        let seat = self.seats.remove(&client(key)).expect("a member");
        if let Some(moved) = self.room.leave(seat, Format::Line) {
            assert_ne!(moved, client(key));
            self.seats.insert(moved, seat).expect("who moves had a seat");
        }
    }

    fn say(&mut self, text: &str) {
        self.room.publish(&mut self.compressor, None, |to| {
            to.message(Kind::Text, |batch| batch.extend_from_slice(text.as_bytes()))
        });
    }

    fn say_as(&mut self, key: usize, text: &str, instead: &str) {
        let origin = Origin { speaker: client(key), instead: instead.as_bytes() };
        self.room.publish(&mut self.compressor, Some((origin, Format::Line)), |to| {
            to.message(Kind::Text, |batch| batch.extend_from_slice(text.as_bytes()))
        });
    }

    fn catch_up(&mut self, key: usize) {
        let seat = self.seats[&client(key)];
        self.room.catch_up(seat, Format::Line, |bytes| add(&mut self.given, client(key), bytes));
    }

    fn hand_out(&mut self) {
        let (given, members) = (&mut self.given, self.room.members());
        self.room.hand_out(|to, handed| {
            assert_eq!(handed.members, members);
            assert!(handed.frame.is_empty() != handed.own.is_empty(), "either shared or its own");
            add(given, to, &handed.frame);
            add(given, to, handed.own);
        });
        assert_eq!(self.room.batch_bytes(), 0);
    }

    fn given(&self, key: usize) -> &str {
        self.given.get(&client(key)).map_or("", String::as_str)
    }

    /// Every seat is where its member sits, and the invariant of [`Audience`].
    fn check(&self) {
        assert_eq!(self.room.members(), self.seats.len());
        for (client, seat) in &self.seats {
            assert_eq!(self.room.audiences[0].members[seat.index as usize].client, *client);
        }
        for audience in &self.room.audiences {
            assert!(!audience.members.is_empty());
            for member in &audience.members {
                assert!(member.from as usize <= audience.batch.len());
                let mut at = member.from;
                for own in audience.own.iter().filter(|own| own.speaker == member.client) {
                    assert!(own.start >= at && own.end >= own.start);
                    at = own.end + 1;
                }
            }
        }
    }
}

#[test]
fn all_members_share_the_same_bytes() {
    let mut sim = Sim::with(3);
    sim.say("one ");
    sim.say("two");
    let mut frames = Vec::new();
    sim.room.hand_out(|_, handed| frames.push(handed.frame));
    assert_eq!(frames, ["one two"; 3]);
    assert!(frames.iter().all(|frame| frame.as_ptr() == frames[0].as_ptr()), "a reference each, and no copy");
    sim.hand_out();
    assert_eq!(sim.given(0), "", "once");
}

#[test]
fn who_joins_in_mid_turn_gets_only_what_comes_later() {
    let mut sim = Sim::with(1);
    sim.say("before ");
    sim.join(1);
    sim.say("after ");
    sim.join(2);
    sim.hand_out();
    assert_eq!([sim.given(0), sim.given(1), sim.given(2)], ["before after ", "after ", ""]);
    sim.say("next turn");
    sim.hand_out();
    assert_eq!([sim.given(0), sim.given(1), sim.given(2)], ["before after next turn", "after next turn", "next turn"]);
}

#[test]
fn who_leaves_in_mid_turn_gets_all_that_was_said_before() {
    let mut sim = Sim::with(3);
    sim.say("before ");
    sim.leave(0);
    sim.say("after ");
    sim.hand_out();
    assert_eq!([sim.given(0), sim.given(1), sim.given(2)], ["before ", "before after ", "before after "]);
    sim.check();
}

#[test]
fn the_last_one_to_leave_takes_the_batch_along() {
    let mut sim = Sim::with(1);
    sim.say("to myself");
    sim.leave(0);
    assert_eq!((sim.room.members(), sim.room.batch_bytes()), (0, 0));
    sim.say("to nobody");
    sim.join(1);
    sim.hand_out();
    assert_eq!([sim.given(0), sim.given(1)], ["to myself", ""]);
}

#[test]
fn who_catches_up_gets_nothing_twice() {
    let mut sim = Sim::with(2);
    sim.say("one ");
    sim.catch_up(0);
    sim.catch_up(0);
    assert_eq!(sim.given(0), "one ");
    sim.say("two ");
    sim.catch_up(0);
    sim.say("three");
    sim.hand_out();
    assert_eq!([sim.given(0), sim.given(1)], ["one two three"; 2]);
}

#[test]
fn a_speaker_gets_something_else_or_nothing_instead() {
    let mut sim = Sim::with(3);
    sim.say("a ");
    sim.say_as(0, "b ", "");
    sim.say_as(1, "c ", "C! ");
    sim.say_as(0, "d ", "");
    sim.say_as(0, "e ", "E! ");
    sim.say("f");
    sim.hand_out();
    assert_eq!([sim.given(0), sim.given(1), sim.given(2)], ["a c E! f", "a b C! d e f", "a b c d e f"]);
}

#[test]
fn a_speaker_that_catches_up_between_its_messages() {
    let mut sim = Sim::with(2);
    sim.say_as(0, "a ", "A! ");
    sim.say("b ");
    sim.catch_up(0);
    assert_eq!(sim.given(0), "A! b ");
    sim.say_as(0, "c ", "");
    sim.say_as(0, "d ", "D! ");
    sim.catch_up(0);
    sim.say("e ");
    sim.say_as(0, "f", "F!");
    sim.hand_out();
    assert_eq!([sim.given(0), sim.given(1)], ["A! b D! e F!", "a b c d e f"]);
}

/// A join is announced before the newcomer takes its seat, as something that it said.
#[test]
fn who_speaks_before_it_joins_gets_only_what_comes_later() {
    let mut sim = Sim::with(1);
    sim.say("a ");
    sim.say_as(1, "b ", "B! ");
    sim.join(1);
    sim.check();
    sim.say_as(1, "c ", "C! ");
    sim.say("d");
    sim.hand_out();
    assert_eq!([sim.given(0), sim.given(1)], ["a b c d", "C! d"]);
}

#[derive(Clone, Debug)]
enum Step {
    Join(usize),
    Leave(usize),
    Say { as_member: Option<usize>, instead: bool },
    CatchUp(usize),
    HandOut,
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0..6usize;
    prop_oneof![
        3 => key().prop_map(Step::Join),
        2 => key().prop_map(Step::Leave),
        6 => (prop::option::of(key()), any::<bool>()).prop_map(|(as_member, instead)| Step::Say { as_member, instead }),
        2 => key().prop_map(Step::CatchUp),
        2 => Just(Step::HandOut),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn behaves_like_a_list_of_members(steps in prop::collection::vec(step(), 0..80)) {
        let mut sim = Sim::default();
        let mut expected: HashMap<ClientId, String> = HashMap::new();
        for (number, step) in steps.into_iter().enumerate() {
            let is_member = |key: usize| sim.seats.contains_key(&client(key));
            match step {
                Step::Join(key) if !is_member(key) => sim.join(key),
                Step::Leave(key) if is_member(key) => {
                    sim.leave(key);
                    prop_assert_eq!(sim.given(key), expected.get(&client(key)).map_or("", String::as_str));
                }
                Step::CatchUp(key) if is_member(key) => {
                    sim.catch_up(key);
                    prop_assert_eq!(sim.given(key), expected.get(&client(key)).map_or("", String::as_str));
                }
                Step::Say { as_member, instead } => {
                    let text = format!("message {number}\n");
                    let instead = if instead { format!("my message {number}\n") } else { String::new() };
                    for to in sim.seats.keys() {
                        let own = as_member.is_some_and(|key| client(key) == *to);
                        add(&mut expected, *to, if own { instead.as_bytes() } else { text.as_bytes() });
                    }
                    match as_member {
                        Some(key) => sim.say_as(key, &text, &instead),
                        None => sim.say(&text),
                    }
                }
                Step::HandOut => sim.hand_out(),
                _ => {}
            }
            sim.check();
        }
        sim.hand_out();
        for key in 0..6 {
            prop_assert_eq!(sim.given(key), expected.get(&client(key)).map_or("", String::as_str), "client {}", key);
        }
    }
}
