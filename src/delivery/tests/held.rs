//! What is held until it is durable.

use std::collections::VecDeque;

use super::*;

/// What a client has queued, without the limit of one write.
fn outbox(out: &Delivery, key: usize) -> usize {
    out.outbox(client(key)).map_or(0, |outbox| outbox.bytes())
}

fn take(out: &mut Delivery, key: usize, count: usize) {
    out.wrote(client(key), count, false);
}

fn take_all(out: &mut Delivery, key: usize) {
    let count = outbox(out, key);
    take(out, key, count);
}

/// Clients in the order in which they are to be written to, prompt ones first.
fn to_write(out: &mut Delivery) -> Vec<ClientId> {
    let (prompt, bulk) = out.to_write();
    let mut clients: Vec<_> = (0..prompt).filter_map(|_| out.next_prompt()).collect();
    clients.extend((0..bulk).filter_map(|_| out.next_bulk()));
    clients
}

#[test]
fn nothing_is_held_before_anything_is_recorded() {
    let (mut out, rooms) = delivery(2, 1);
    out.join(rooms[0], client(0));
    say(&mut out, rooms[0], "one ");
    out.freeze_batches();
    send(&mut out, 0, "two");
    assert_eq!(queued(&out, 0), "one two");
    assert_eq!(out.groups(), (GroupId(0), GroupId(0)));
}

#[test]
fn what_follows_from_a_group_leaves_when_that_is_durable_and_not_before() {
    let (mut out, rooms) = delivery(3, 1);
    (0..2).for_each(|key| out.join(rooms[0], client(key)));
    send(&mut out, 0, "free ");
    out.record(GroupId(1), 10);
    say(&mut out, rooms[0], "first ");
    out.freeze_batches();
    out.record(GroupId(2), 10);
    say(&mut out, rooms[0], "second ");
    send(&mut out, 2, "alone");
    out.freeze_batches();
    check(&out);
    assert_eq!(queued(&out, 0), "free ");
    assert_eq!((queued(&out, 1), queued(&out, 2)), (String::new(), String::new()));
    assert_eq!(out.unstored_bytes(client(0)), 13);
    assert_eq!(to_write(&mut out), [client(0)], "nobody else has anything to write");
    assert!(!out.is_settled(client(1)), "something is held for it");
    out.durable(GroupId(1));
    check(&out);
    assert_eq!((queued(&out, 0), queued(&out, 1)), ("free first ".into(), "first ".into()));
    assert_eq!(to_write(&mut out).len(), 2, "2 has nothing of the first group");
    out.durable(GroupId(2));
    assert_eq!(queued(&out, 0), "free first second ");
    assert_eq!(queued(&out, 1), "first second ");
    assert_eq!(queued(&out, 2), "alone");
    assert_eq!(out.unstored_bytes(client(0)), 0);
    send(&mut out, 2, "!");
    assert_eq!(queued(&out, 2), "alone!", "all is durable");
}

#[test]
fn several_groups_may_become_durable_at_once_and_frames_stay_shared() {
    let (mut out, rooms) = delivery(2, 1);
    (0..2).for_each(|key| out.join(rooms[0], client(key)));
    for group in 1..=5 {
        out.record(GroupId(group), 0);
        say(&mut out, rooms[0], &format!("{group}").repeat(8));
        out.freeze_batches();
    }
    out.durable(GroupId(4));
    assert_eq!(queued(&out, 0), "11111111222222223333333344444444");
    let frames = |out: &Delivery, key| {
        let outbox = out.outbox(client(key)).expect("something is queued");
        outbox.frame_addresses().collect::<Vec<_>>()
    };
    assert_eq!(frames(&out, 0), frames(&out, 1));
    out.durable(GroupId(5));
    assert_eq!(outbox(&out, 1), 40);
    check(&out);
}

#[test]
fn the_wires_own_bytes_go_ahead_and_its_last_ones_behind() {
    let (mut out, _) = delivery(2, 0);
    out.record(GroupId(1), 0);
    send(&mut out, 0, "held ");
    out.append(client(0), b"pong ");
    assert_eq!(queued(&out, 0), "pong ");
    assert_eq!(to_write(&mut out), [client(0)]);
    take(&mut out, 0, 2);
    out.append_last(client(0), b"bye");
    out.append_last(client(1), b"bye");
    assert_eq!((queued(&out, 0), queued(&out, 1)), ("ng ".into(), "bye".into()));
    out.push(client(0), Bytes::from_static(b"pong "));
    out.durable(GroupId(1));
    assert_eq!(queued(&out, 0), "ng pong held bye");
    check(&out);
}

#[test]
fn a_kept_back_batch_follows_from_what_is_newest_when_it_is_handed_out() {
    let (mut out, rooms) = delivery(2, 1);
    (0..2).for_each(|key| out.join(rooms[0], client(key)));
    out.record(GroupId(1), 0);
    say(&mut out, rooms[0], "one ");
    out.durable(GroupId(1));
    out.record(GroupId(2), 0);
    say(&mut out, rooms[0], "two");
    out.freeze_batches();
    assert_eq!(outbox(&out, 0), 0);
    out.durable(GroupId(2));
    assert_eq!(queued(&out, 0), "one two");
}

#[test]
fn copies_and_catching_up_are_held_as_well() {
    let (mut out, rooms) = delivery(2, 1);
    (0..2).for_each(|key| out.join(rooms[0], client(key)));
    out.record(GroupId(1), 0);
    let copy = SenderCopy { sender: client(0), bytes: b"mine " };
    publish(&mut out, rooms[0], Some(copy), "theirs ");
    send(&mut out, 1, "caught up");
    out.freeze_batches();
    assert_eq!((outbox(&out, 0), outbox(&out, 1)), (0, 0));
    out.durable(GroupId(1));
    assert_eq!((queued(&out, 0), queued(&out, 1)), ("mine ".into(), "theirs caught up".into()));
}

#[test]
fn what_was_said_to_a_big_room_is_freed_in_bulk() {
    let members = BULK_MEMBERS_MIN;
    let (mut out, rooms) = delivery(members + 1, 1);
    (0..members).for_each(|key| out.join(rooms[0], client(key)));
    out.record(GroupId(1), 0);
    say(&mut out, rooms[0], "hello");
    out.freeze_batches();
    send(&mut out, members, "a word");
    send(&mut out, 7, "another");
    out.durable(GroupId(1));
    let prompt: Vec<_> = std::iter::from_fn(|| out.next_prompt()).collect();
    assert_eq!(prompt, [client(members), client(7)], "in the order in which they were answered");
    let bulk = (0..out.to_write().1).filter_map(|_| out.next_bulk());
    assert_eq!(bulk.count(), members - 1);
}

#[test]
fn what_is_held_is_nobodys_debt() {
    let (mut out, rooms) = delivery(2, 1);
    out.join(rooms[0], client(0));
    out.record(GroupId(1), 0);
    (0..50).for_each(|_| send(&mut out, 0, &"x".repeat(100)));
    assert_eq!(out.unstored_bytes(client(0)), 5000, "five times the limit");
    assert!(!out.is_behind(client(0)) && !out.client_congested(client(0)));
    assert!(out.take_too_slow().is_empty() && out.take_newly_over().is_empty());
    let queue_bytes = size_of::<crate::delivery::recipients::SendQueue>();
    assert_eq!(out.client_held_bytes(client(0)), queue_bytes);
    out.durable(GroupId(1));
    assert!(out.is_behind(client(0)), "what may be written counts");
    assert_eq!(out.take_newly_over(), [client(0)]);
    assert!(out.take_too_slow().is_empty(), "it could read nothing of it until now");
    send(&mut out, 0, "more");
    assert!(out.take_too_slow().is_empty());
    let at = |ms| Now { ms, ..Now::default() };
    let too_slow_ms = limits().too_slow_ms;
    out.begin_turn(at(too_slow_ms - 1));
    assert_ne!(out.check(client(0)), Checked::Clear);
    out.begin_turn(at(too_slow_ms));
    out.check(client(0));
    assert_eq!(out.take_too_slow(), [client(0)], "it had its time");
}

#[test]
fn who_gets_below_the_limit_in_time_is_judged_as_any_other() {
    let (mut out, _) = delivery(1, 0);
    out.record(GroupId(1), 0);
    (0..50).for_each(|_| send(&mut out, 0, &"x".repeat(100)));
    out.durable(GroupId(1));
    take(&mut out, 0, 4000);
    out.begin_turn(Now { ms: 2 * limits().too_slow_ms, ..Now::default() });
    assert_ne!(out.check(client(0)), Checked::Clear, "it is over the mark, and takes what it gets");
    assert!(out.take_too_slow().is_empty());
    send(&mut out, 0, "x");
    assert_eq!(out.take_too_slow(), [client(0)], "that is over the limit");
}

#[test]
fn nothing_is_kept_of_who_had_much_at_once_and_has_gone() {
    let (mut out, _) = delivery(3, 0);
    out.record(GroupId(1), 0);
    (0..3).for_each(|key| send(&mut out, key, &"x".repeat(5000)));
    out.durable(GroupId(1));
    check(&out);
    assert_eq!(out.take_newly_over().len(), 3);
    (0..3).for_each(|key| out.shut(client(key)));
    out.forget(client(0));
    out.discard_output(client(1));
    check(&out);
    (0..3).for_each(|key| out.remove(client(key)));
    out.assert_at_rest();
}

#[test]
fn all_that_is_held_has_one_bound() {
    let bound = DeliveryLimits { held_bytes_max: 100_000, ..limits() };
    let mut out = Delivery::new(bound);
    (0..100).for_each(|key| out.add(client(key), Encoding::default()));
    let room = out.open_channel();
    (0..50).for_each(|key| out.join(room, client(key)));
    out.record(GroupId(1), 1000);
    say(&mut out, room, &"x".repeat(8000));
    out.freeze_batches();
    let shared = out.share(vec![b'x'; 6000]);
    (50..60).for_each(|key| out.send_shared(client(key), &shared));
    assert!(!out.is_store_behind(), "what is shared counts once");
    let free = out.held_bytes();
    out.wait(client(0), Wait::Store);
    out.record(GroupId(1), 90_000);
    assert!(out.is_store_behind() && out.is_short_of_memory());
    assert_eq!(out.held_bytes(), free, "records are not held for clients");
    out.record(GroupId(2), 500);
    out.durable(GroupId(1));
    assert!(!out.is_store_behind() && !out.is_short_of_memory());
    let mut woken = Vec::new();
    out.take_woken(&mut woken);
    assert_eq!(woken, [client(0)]);
    send(&mut out, 0, &"x".repeat(99_900));
    assert!(out.is_store_behind());
    out.durable(GroupId(2));
    assert!(!out.is_store_behind());
    check(&out);
}

#[test]
fn shared_bytes_that_are_held_are_no_part_of_the_budget() {
    let (mut out, rooms) = delivery(2, 1);
    out.join(rooms[0], client(0));
    let before = out.held_bytes();
    out.record(GroupId(1), 0);
    say(&mut out, rooms[0], &"x".repeat(10_000));
    out.freeze_batches();
    assert!(out.held_bytes() < before + 1000);
    out.durable(GroupId(1));
    assert!(out.held_bytes() >= before + 10_000);
}

#[test]
fn a_clients_own_bytes_that_are_held_are_no_part_of_the_budget_either() {
    let mut out = Delivery::new(DeliveryLimits { held_bytes_max: 1_000_000, ..limits() });
    out.add(client(0), Encoding::default());
    for group in 1..=50 {
        out.record(GroupId(group), 0);
        send(&mut out, 0, &"x".repeat(3000));
    }
    // A piece of it is full, and another one is begun.
    (0..100).for_each(|_| send(&mut out, 0, &"x".repeat(3000)));
    out.append_last(client(0), &[b'x'; 100_000]);
    out.append_last(client(0), b"bye");
    let queue_bytes = size_of::<crate::delivery::recipients::SendQueue>();
    assert_eq!(out.held_bytes(), queue_bytes, "but for its queue");
    assert!(out.unstored_bytes(client(0)) > 550_000);
    check(&out);
    out.durable(GroupId(20));
    let freed = 20 * 3000;
    assert!((freed..freed + 10_000).contains(&out.held_bytes()), "{}", out.held_bytes());
    assert!(out.client_held_bytes(client(0)) >= freed, "it is what this client holds");
    out.durable(GroupId(50));
    assert!(out.held_bytes() > 550_000);
    out.remove(client(0));
    out.trim();
    assert_eq!(out.held_bytes(), 0);
}

#[test]
fn what_is_held_and_forgotten_counts_nowhere() {
    let mut out = Delivery::new(DeliveryLimits { held_bytes_max: 1_000_000, ..limits() });
    (0..9).for_each(|key| out.add(client(key), Encoding::default()));
    let room = out.open_channel();
    (0..8).for_each(|key| out.join(room, client(key)));
    (0..4).for_each(|_| send(&mut out, 8, &"x".repeat(100)));
    let free = out.share(vec![b'x'; 20_000]);
    let before = out.held_bytes();
    assert!(before > 20_000);
    out.record(GroupId(1), 0);
    (0..8).for_each(|key| send(&mut out, key, &"x".repeat(2000)));
    say(&mut out, room, &"x".repeat(10_000));
    out.freeze_batches();
    out.record(GroupId(2), 0);
    let kept = out.share(vec![b'x'; 5000]);
    (0..8).for_each(|key| out.send_shared(client(key), &kept));
    for key in 0..4 {
        out.leave(room, client(key));
        out.shut(client(key));
        out.forget(client(key));
    }
    (4..6).for_each(|key| out.discard_output(client(key)));
    let queues = 2 * size_of::<crate::delivery::recipients::SendQueue>();
    assert_eq!(out.held_bytes(), before + queues, "and hides nothing that is free");
    (6..8).for_each(|key| out.discard_output(client(key)));
    assert_eq!(out.held_bytes(), before);
    out.lose_held();
    assert!(out.held_bytes() >= before + 5000, "what is left of it is held for no commit");
    drop(kept);
    assert_eq!(out.held_bytes(), before);
    drop(free);
    assert!(out.held_bytes() < 20_000);
    check(&out);
}

#[test]
fn there_is_nothing_to_write_of_what_is_only_held() {
    let (mut out, _) = delivery(1, 0);
    out.record(GroupId(1), 0);
    send(&mut out, 0, "held");
    assert!(out.outbox(client(0)).is_none() && !out.is_settled(client(0)));
    out.durable(GroupId(1));
    assert!(out.outbox(client(0)).is_some());
}

#[test]
fn who_is_forgotten_or_has_gone_gets_nothing_that_was_held() {
    let (mut out, _) = delivery(4, 0);
    out.record(GroupId(1), 0);
    (0..4).for_each(|key| send(&mut out, key, "held"));
    out.append(client(0), b"a cut frame");
    assert_eq!(to_write(&mut out), [client(0)]);
    take(&mut out, 0, 3);
    out.forget(client(0));
    out.discard_output(client(1));
    out.remove(client(2));
    out.add(ClientId::new(2, 9), Encoding::default());
    send_to(&mut out, ClientId::new(2, 9), "new");
    check(&out);
    out.durable(GroupId(1));
    assert_eq!(queued(&out, 0), "ut frame");
    assert_eq!((outbox(&out, 1), outbox(&out, 3)), (0, 4));
    assert_eq!(out.outbox(ClientId::new(2, 9)).expect("something").bytes(), 3);
    check(&out);
}

#[test]
fn what_is_held_for_who_was_forgotten_is_no_part_of_what_was_dropped() {
    let (mut out, _) = delivery(2, 0);
    out.record(GroupId(1), 0);
    (0..2).for_each(|key| send(&mut out, key, "dropped"));
    (0..2).for_each(|key| out.forget(client(key)));
    assert!(out.is_settled(client(0)) && out.is_settled(client(1)));
    // The last piece of all is one that client 1 has dropped.
    (0..2).for_each(|key| send(&mut out, 1 - key, "kept "));
    (0..2).for_each(|key| send(&mut out, key, &"x".repeat(600)));
    check(&out);
    out.forget(client(0));
    send(&mut out, 0, "last");
    check(&out);
    out.durable(GroupId(1));
    assert_eq!(queued(&out, 0), "last");
    assert_eq!(queued(&out, 1), format!("kept {}", "x".repeat(600)));
    check(&out);
}

#[test]
fn the_room_of_what_has_left_is_used_again() {
    let (mut out, _) = delivery(2, 0);
    for group in 1..2000 {
        out.record(GroupId(group), 0);
        (0..2).for_each(|key| send(&mut out, key, &"x".repeat(100)));
        out.durable(GroupId(group - 1));
        to_write(&mut out);
        (0..2).for_each(|key| take_all(&mut out, key));
    }
    let room = out.recipients.held.room_bytes();
    assert!(room < 4000, "{room} bytes for 200 that are held");
    check(&out);
}

#[test]
fn what_is_lost_is_never_shown() {
    let (mut out, rooms) = delivery(3, 1);
    (0..2).for_each(|key| out.join(rooms[0], client(key)));
    out.record(GroupId(1), 0);
    send(&mut out, 0, "stored ");
    out.record(GroupId(2), 70);
    send(&mut out, 0, "lost");
    send(&mut out, 2, "lost");
    say(&mut out, rooms[0], "lost");
    out.durable(GroupId(1));
    assert_eq!(out.lose_held(), [client(0), client(2)]);
    check(&out);
    out.freeze_batches();
    assert_eq!((queued(&out, 0), outbox(&out, 1)), ("stored ".into(), 0));
    assert!(out.is_settled(client(2)));
    assert_eq!(out.groups(), (GroupId(1), GroupId(1)));
    out.record(GroupId(2), 10);
    say(&mut out, rooms[0], "said again");
    out.freeze_batches();
    out.durable(GroupId(2));
    assert_eq!(queued(&out, 1), "said again");
    check(&out);
}

#[derive(Clone, Debug)]
enum Step {
    Record,
    /// Of those that are not durable, so many.
    Durable(u64),
    Lose,
    Send(usize, usize),
    Share(usize, usize),
    Publish(usize),
    Freeze,
    Ping(usize, usize),
    Write(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0..CLIENTS;
    prop_oneof![
        3 => Just(Step::Record),
        3 => (1..4u64).prop_map(Step::Durable),
        1 => Just(Step::Lose),
        4 => (key(), 1..100usize).prop_map(|(key, bytes)| Step::Send(key, bytes)),
        1 => (key(), 500..600usize).prop_map(|(key, bytes)| Step::Share(key, bytes)),
        3 => (1..100usize).prop_map(Step::Publish),
        3 => Just(Step::Freeze),
        2 => (key(), 1..20usize).prop_map(|(key, bytes)| Step::Ping(key, bytes)),
        4 => (key(), 1..3000usize).prop_map(|(key, bytes)| Step::Write(key, bytes)),
    ]
}

/// What one client is to get: frames in order, each with the group that it waits for.
#[derive(Default)]
struct Twin {
    /// Chat frames that have not left whole.
    frames: VecDeque<(u64, Vec<u8>)>,
    pings: VecDeque<Vec<u8>>,
    /// What has been taken of the frame that is on its way.
    stream: Vec<u8>,
}

impl Twin {
    /// Takes bytes off the stream: whole frames, of the chat's in their order and durable, of the
    /// wire's in theirs.
    fn take(&mut self, bytes: &[u8], durable: u64) {
        self.stream.extend_from_slice(bytes);
        loop {
            let of_chat = self.stream.first().is_some_and(|first| *first != b'!');
            let next = match of_chat {
                true => self.frames.front().map(|(group, frame)| (*group, frame)),
                false => self.pings.front().map(|frame| (0, frame)),
            };
            if self.stream.is_empty() {
                return;
            }
            let (group, frame) = next.expect("nothing comes that was not sent");
            assert!(group <= durable, "a frame of group {group} left, and {durable} is durable");
            let count = frame.len().min(self.stream.len());
            assert_eq!(self.stream[..count], frame[..count], "in order, and nothing in between");
            if count < frame.len() {
                return;
            }
            self.stream.drain(..count);
            match of_chat {
                true => drop(self.frames.pop_front()),
                false => drop(self.pings.pop_front()),
            }
        }
    }
}

/// A frame that no other one looks like.
fn frame(number: &mut usize, kind: char, bytes: usize) -> String {
    *number += 1;
    format!("{kind}{number}{}", ".".repeat(bytes))
}

proptest! {
    /// A client's stream is whole frames, the chat's in their order, and nothing of it has left
    /// before its group was durable; when all is, all has come.
    #[test]
    fn a_stream_is_an_ordered_merge_of_what_is_durable(
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let big = DeliveryLimits { outbox_max_bytes: usize::MAX, ..limits() };
        let mut out = Delivery::new(big);
        (0..CLIENTS).for_each(|key| out.add(client(key), Encoding::default()));
        let room = out.open_channel();
        (0..CLIENTS).step_by(2).for_each(|key| out.join(room, client(key)));
        let mut twins: Vec<Twin> = (0..CLIENTS).map(|_| Twin::default()).collect();
        // Published, and not handed out.
        let mut batch: Vec<Vec<u8>> = Vec::new();
        let (mut newest, mut durable, mut number) = (0u64, 0u64, 0);
        let hand_out = |twin: &mut Twin, batch: &[Vec<u8>], newest: u64| {
            twin.frames.extend(batch.iter().map(|frame| (newest, frame.clone())));
        };
        let mut handed = [0; CLIENTS];
        for step in steps.into_iter().chain([Step::Freeze, Step::Durable(u64::MAX)]) {
            match step {
                Step::Record => {
                    newest += 1;
                    out.record(GroupId(newest), 10);
                }
                Step::Durable(count) => {
                    durable = newest.min(durable.saturating_add(count));
                    out.durable(GroupId(durable));
                }
                Step::Lose => {
                    out.lose_held();
                    newest = durable;
                    batch.clear();
                    handed = [0; CLIENTS];
                    twins.iter_mut().for_each(|twin| twin.frames.retain(|(of, _)| *of <= durable));
                }
                Step::Send(key, bytes) | Step::Share(key, bytes) => {
                    let text = frame(&mut number, 'm', bytes);
                    if key.is_multiple_of(2) {
                        hand_out(&mut twins[key], &batch[handed[key]..], newest);
                        handed[key] = batch.len();
                    }
                    if bytes < 500 {
                        send(&mut out, key, &text);
                    } else {
                        let shared = out.share(text.clone().into_bytes());
                        out.send_shared(client(key), &shared);
                    }
                    twins[key].frames.push_back((newest, text.into_bytes()));
                }
                Step::Publish(bytes) => {
                    let text = frame(&mut number, 'p', bytes);
                    say(&mut out, room, &text);
                    batch.push(text.into_bytes());
                }
                Step::Freeze => {
                    out.freeze_batches();
                    for key in (0..CLIENTS).step_by(2) {
                        hand_out(&mut twins[key], &batch[handed[key]..], newest);
                    }
                    batch.clear();
                    handed = [0; CLIENTS];
                }
                Step::Ping(key, bytes) => {
                    let text = frame(&mut number, '!', bytes);
                    out.append(client(key), text.as_bytes());
                    twins[key].pings.push_back(text.into_bytes());
                }
                Step::Write(key, bytes) => write(&mut out, &mut twins, key, bytes, durable),
            }
            check(&out);
            out.take_newly_over();
        }
        for key in 0..CLIENTS {
            while outbox(&out, key) > 0 {
                write(&mut out, &mut twins, key, usize::MAX, durable);
            }
            let Twin { frames, pings, stream } = &twins[key];
            prop_assert!(frames.is_empty() && pings.is_empty() && stream.is_empty());
            prop_assert!(out.is_settled(client(key)));
        }
        prop_assert!(!out.is_store_behind());
    }
}

fn write(out: &mut Delivery, twins: &mut [Twin], key: usize, bytes: usize, durable: u64) {
    let Some(outbox) = out.outbox(client(key)) else { return };
    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
    let (count, offered) = outbox.slices(&mut slices);
    let all: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
    let taken = bytes.min(offered);
    if taken > 0 {
        // It is taken from its queue, and the others stay on theirs.
        let others = to_write(out).into_iter().filter(|other| *other != client(key));
        others.for_each(|other| out.writable(other));
        twins[key].take(&all[..taken], durable);
        out.wrote(client(key), taken, false);
    }
}
