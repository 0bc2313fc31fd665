//! One channel against the plainest model of it: a list of members, and for each what it has to be
//! given.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::delivery::encoding::FrameKind;

fn room_id() -> ChannelId {
    ChannelId::new(0)
}

/// A channel, its slots as [`crate::delivery::Delivery`] keeps them, and what each client has been
/// given.
#[derive(Default)]
struct Sim {
    channel: Channel,
    compressor: Compressor,
    slots: HashMap<ClientId, MemberSlot>,
    given: HashMap<ClientId, String>,
}

fn client(key: usize) -> ClientId {
    ClientId::new(key, key as u32 + 1)
}

fn add(given: &mut HashMap<ClientId, String>, to: ClientId, bytes: &[u8]) {
    given.entry(to).or_default().push_str(std::str::from_utf8(bytes).expect("text"));
}

fn text_of(given: &HashMap<ClientId, String>, key: usize) -> &str {
    given.get(&client(key)).map_or("", String::as_str)
}

impl Sim {
    fn with(members: usize) -> Sim {
        let mut sim = Sim::default();
        (0..members).for_each(|key| sim.join(key));
        sim
    }

    fn join(&mut self, key: usize) {
        self.slots
            .insert(client(key), self.channel.join(room_id(), client(key), Encoding::default()));
    }

    fn leave(&mut self, key: usize) {
        self.catch_up(key);
        let slot = self.slots.remove(&client(key)).expect("a member");
        if let Some(moved) = self.channel.leave(slot, Encoding::default()) {
            assert_ne!(moved, client(key));
            self.slots.insert(moved, slot).expect("who moves had a slot");
        }
    }

    fn say(&mut self, text: &str) {
        self.channel.publish(&mut self.compressor, None, |to| {
            to.message(FrameKind::Text, |batch| batch.extend_from_slice(text.as_bytes()))
        });
    }

    fn say_as(&mut self, key: usize, text: &str, copy: &str) {
        let copy = SenderCopy { sender: client(key), bytes: copy.as_bytes() };
        self.channel.publish(&mut self.compressor, Some((copy, Encoding::default())), |to| {
            to.message(FrameKind::Text, |batch| batch.extend_from_slice(text.as_bytes()))
        });
    }

    fn catch_up(&mut self, key: usize) {
        let slot = self.slots[&client(key)];
        self.channel
            .catch_up(slot, Encoding::default(), |bytes| add(&mut self.given, client(key), bytes));
    }

    fn freeze_batches(&mut self) {
        let (given, members) = (&mut self.given, self.channel.members());
        self.channel.freeze(&MemoryAccount::default(), |to, share, of_members| {
            assert_eq!(of_members, members);
            let bytes = match &share {
                Share::Batch(frame) => frame,
                Share::Copy(bytes) => *bytes,
            };
            assert!(!bytes.is_empty());
            add(given, to, bytes);
        });
        assert_eq!(self.channel.batch_bytes(), 0);
    }

    fn given(&self, key: usize) -> &str {
        text_of(&self.given, key)
    }

    /// Every slot is where its member sits, and the invariant of [`Subscribers`].
    fn check(&self) {
        assert_eq!(self.channel.members(), self.slots.len());
        for (client, slot) in &self.slots {
            assert_eq!(self.channel.subscribers[0].members[slot.index as usize].client, *client);
        }
        self.channel.assert_invariants();
    }
}

#[test]
fn all_members_share_the_same_bytes() {
    let mut sim = Sim::with(3);
    sim.say("one ");
    sim.say("two");
    let mut frames = Vec::new();
    let batches = sim.channel.freeze(&MemoryAccount::default(), |_, share, _| match share {
        Share::Batch(frame) => frames.push(frame),
        Share::Copy(_) => panic!("nobody has a copy of its own"),
    });
    assert_eq!((batches.batches, batches.bytes), (1, 7));
    assert_eq!(frames, ["one two"; 3]);
    assert!(
        frames.iter().all(|frame| frame.as_ptr() == frames[0].as_ptr()),
        "a reference each, and no copy"
    );
    sim.freeze_batches();
    assert_eq!(sim.given(0), "", "once");
}

/// A few bytes must not hold a whole batch.
#[test]
fn a_small_part_of_a_batch_is_a_copy_and_a_large_one_is_shared() {
    let mut sim = Sim::with(2);
    let account = MemoryAccount::default();
    sim.say_as(0, &"x".repeat(65_000), "");
    sim.say(&"topic ".repeat(10));
    sim.say_as(1, &"y".repeat(20_000), "");
    let mut frames = Vec::new();
    sim.channel.freeze(&account, |to, share, _| {
        if let Share::Batch(frame) = share {
            frames.push((to, frame));
        }
    });
    let shared: Vec<_> = frames.iter().map(|(to, frame)| (*to, frame.len())).collect();
    assert_eq!(shared, [(client(1), 65_060)], "20,060 of 85,060 bytes are copied");
    assert!(account.bytes() >= 85_060, "all of the batch is held for it");
    frames.clear();
    assert_eq!(account.bytes(), 0);
}

#[test]
fn who_joins_in_mid_turn_gets_only_what_comes_later() {
    let mut sim = Sim::with(1);
    sim.say("before ");
    sim.join(1);
    sim.say("after ");
    sim.join(2);
    sim.freeze_batches();
    assert_eq!([sim.given(0), sim.given(1), sim.given(2)], ["before after ", "after ", ""]);
    sim.say("next turn");
    sim.freeze_batches();
    assert_eq!(
        [sim.given(0), sim.given(1), sim.given(2)],
        ["before after next turn", "after next turn", "next turn"]
    );
}

#[test]
fn who_leaves_in_mid_turn_gets_all_that_was_said_before() {
    let mut sim = Sim::with(3);
    sim.say("before ");
    sim.leave(0);
    sim.say("after ");
    sim.freeze_batches();
    assert_eq!(
        [sim.given(0), sim.given(1), sim.given(2)],
        ["before ", "before after ", "before after "]
    );
    sim.check();
}

#[test]
fn the_last_one_to_leave_takes_the_batch_along() {
    let mut sim = Sim::with(1);
    sim.say("to myself");
    sim.leave(0);
    assert_eq!((sim.channel.members(), sim.channel.batch_bytes()), (0, 0));
    sim.say("to nobody");
    sim.join(1);
    sim.freeze_batches();
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
    sim.freeze_batches();
    assert_eq!([sim.given(0), sim.given(1)], ["one two three"; 2]);
}

#[test]
fn a_sender_gets_its_copy_or_nothing() {
    let mut sim = Sim::with(3);
    sim.say("a ");
    sim.say_as(0, "b ", "");
    sim.say_as(1, "c ", "C! ");
    sim.say_as(0, "d ", "");
    sim.say_as(0, "e ", "E! ");
    sim.say("f");
    sim.freeze_batches();
    assert_eq!(
        [sim.given(0), sim.given(1), sim.given(2)],
        ["a c E! f", "a b C! d e f", "a b c d e f"]
    );
}

#[test]
fn a_sender_that_catches_up_between_its_messages() {
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
    sim.freeze_batches();
    assert_eq!([sim.given(0), sim.given(1)], ["A! b D! e F!", "a b c d e f"]);
}

/// A join is announced before the newcomer takes its slot, as something that it said.
#[test]
fn who_speaks_before_it_joins_gets_only_what_comes_later() {
    let mut sim = Sim::with(1);
    sim.say("a ");
    sim.say_as(1, "b ", "B! ");
    sim.join(1);
    sim.check();
    sim.say_as(1, "c ", "C! ");
    sim.say("d");
    sim.freeze_batches();
    assert_eq!([sim.given(0), sim.given(1)], ["a b c d", "C! d"]);
}

#[derive(Clone, Debug)]
enum Step {
    Join(usize),
    Leave(usize),
    Say { as_member: Option<usize>, has_copy: bool },
    CatchUp(usize),
    HandOut,
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0..6usize;
    prop_oneof![
        3 => key().prop_map(Step::Join),
        2 => key().prop_map(Step::Leave),
        6 => (prop::option::of(key()), any::<bool>())
            .prop_map(|(as_member, has_copy)| Step::Say { as_member, has_copy }),
        2 => key().prop_map(Step::CatchUp),
        2 => Just(Step::HandOut),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn behaves_like_a_list_of_members(steps in prop::collection::vec(step(), 0..80)) {
        let mut sim = Sim::default();
        let mut expected: HashMap<ClientId, String> = HashMap::new();
        for (number, step) in steps.into_iter().enumerate() {
            let is_member = |key: usize| sim.slots.contains_key(&client(key));
            match step {
                Step::Join(key) if !is_member(key) => sim.join(key),
                Step::Leave(key) if is_member(key) => {
                    sim.leave(key);
                    prop_assert_eq!(sim.given(key), text_of(&expected, key));
                }
                Step::CatchUp(key) if is_member(key) => {
                    sim.catch_up(key);
                    prop_assert_eq!(sim.given(key), text_of(&expected, key));
                }
                Step::Say { as_member, has_copy } => {
                    let text = format!("message {number}\n");
                    let copy = has_copy.then(|| format!("my message {number}\n"));
                    let copy = copy.unwrap_or_default();
                    for to in sim.slots.keys() {
                        let own = as_member.is_some_and(|key| client(key) == *to);
                        add(&mut expected, *to, if own { &copy } else { &text }.as_bytes());
                    }
                    match as_member {
                        Some(key) => sim.say_as(key, &text, &copy),
                        None => sim.say(&text),
                    }
                }
                Step::HandOut => sim.freeze_batches(),
                _ => {}
            }
            sim.check();
        }
        sim.freeze_batches();
        for key in 0..6 {
            prop_assert_eq!(sim.given(key), text_of(&expected, key), "client {}", key);
        }
    }
}

/// Each gets most of the batch in several parts, and the first of them holds it for the others.
#[test]
fn many_who_speak_in_turns_share_what_they_said() {
    let mut sim = Sim::with(100);
    for _ in 0..5 {
        (0..100).for_each(|key| sim.say_as(key, &"x".repeat(60), ""));
    }
    let mut copied = 0;
    sim.channel.freeze(&MemoryAccount::default(), |_, share, _| match share {
        Share::Batch(_) => {}
        Share::Copy(bytes) => copied += bytes.len(),
    });
    assert_eq!(copied, 0);
}
