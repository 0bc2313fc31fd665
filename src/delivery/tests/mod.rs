//! What goes to whom, and who waits for whom, against a model that keeps a plain string for each
//! client.

mod held;

use std::io::IoSlice;

use proptest::prelude::*;

use super::*;
use crate::clock::{Millis, Now};
use crate::delivery::channels::MemberSlot;
use crate::delivery::encoding::FrameKind;
use crate::delivery::outbox::SLICES_MAX;
use crate::delivery::recipients::{Recipient, SendQueue};

const CLIENTS: usize = 5;
const ROOMS: usize = 3;

fn limits() -> DeliveryLimits {
    DeliveryLimits { outbox_mark_bytes: 100, outbox_max_bytes: 1000, ..DeliveryLimits::default() }
}

fn client(key: usize) -> ClientId {
    ClientId::new(key, key as u32 + 1)
}

fn delivery(clients: usize, channels: usize) -> (Delivery, Vec<ChannelId>) {
    let mut out = Delivery::new(limits());
    (0..clients).for_each(|key| out.add(client(key), Encoding::default()));
    let channels = (0..channels).map(|_| out.open_channel()).collect();
    (out, channels)
}

fn say(out: &mut Delivery, channel: ChannelId, text: &str) {
    publish(out, channel, None, text);
}

fn publish(out: &mut Delivery, channel: ChannelId, copy: Option<SenderCopy<'_>>, text: &str) {
    out.publish(channel, copy, |to| {
        to.message(FrameKind::Text, |batch| batch.extend_from_slice(text.as_bytes()))
    });
}

fn send(out: &mut Delivery, to: usize, text: &str) {
    send_to(out, client(to), text);
}

fn send_to(out: &mut Delivery, to: ClientId, text: &str) {
    out.send(to, |to| {
        to.message(FrameKind::Text, |buffer| buffer.extend_from_slice(text.as_bytes()))
    });
}

/// What a client has queued, as the next writes would bring it.
fn queued(out: &Delivery, key: usize) -> String {
    let Some(outbox) = out.outbox(client(key)) else { return String::new() };
    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
    let (count, bytes) = outbox.slices(&mut slices);
    assert_eq!(bytes, outbox.bytes(), "few enough pieces for one write");
    slices[..count].iter().map(|slice| String::from_utf8_lossy(slice).into_owned()).collect()
}

/// The invariants of [`Delivery`] and its parts, and by hand those of the clients and their queues.
/// What has been let stand too long is the server's to see to, and not looked for here.
fn check(out: &Delivery) {
    out.channels.assert_invariants();
    out.recipients.assert_invariants();
    out.assert_slots();
    out.assert_congested_members();
    for (client, recipient) in out.recipients.all() {
        let has_some = recipient.outbox().is_some_and(|outbox| !outbox.is_empty());
        let to_write = has_some && recipient.is_writable;
        assert_eq!(
            recipient.queued.is_some(),
            to_write,
            "{client}: queued exactly if there is something to write"
        );
    }
}

#[test]
fn a_word_to_one_client_keeps_its_place_among_those_to_all() {
    let (mut out, channels) = delivery(2, 1);
    out.join(channels[0], client(0));
    out.join(channels[0], client(1));
    say(&mut out, channels[0], "a ");
    send(&mut out, 0, "for you ");
    say(&mut out, channels[0], "b ");
    out.freeze_batches();
    assert_eq!([queued(&out, 0), queued(&out, 1)], ["a for you b ", "a b "]);
}

#[test]
fn what_many_are_sent_is_shared_if_it_is_long_and_keeps_its_place() {
    let (mut out, channels) = delivery(2, 1);
    out.join(channels[0], client(0));
    out.join(channels[0], client(1));
    for length in [SHARED_BYTES_MIN - 1, SHARED_BYTES_MIN] {
        let messages = Bytes::from("x".repeat(length));
        say(&mut out, channels[0], "before ");
        for key in 0..2 {
            out.send_shared(client(key), &messages);
            send(&mut out, key, " after");
        }
        out.freeze_batches();
        for key in 0..2 {
            assert_eq!(queued(&out, key), format!("before {} after", "x".repeat(length)));
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let outbox = out.outbox(client(key)).expect("something is queued");
            let (count, bytes) = outbox.slices(&mut slices);
            let is_shared = slices[..count].iter().any(|it| it.as_ptr() == messages.as_ptr());
            assert_eq!(is_shared, length >= SHARED_BYTES_MIN, "{length} bytes");
            out.wrote(client(key), bytes, false);
        }
    }
    // One that takes nothing more is sent nothing.
    out.leave(channels[0], client(0));
    out.shut(client(0));
    out.send_shared(client(0), &Bytes::from_static(b"late"));
    assert_eq!(queued(&out, 0), "");
}

#[test]
fn a_room_that_is_left_and_one_that_is_joined() {
    let (mut out, channels) = delivery(2, 2);
    out.join(channels[0], client(0));
    out.join(channels[0], client(1));
    say(&mut out, channels[0], "old ");
    out.leave(channels[0], client(0));
    say(&mut out, channels[0], "unheard ");
    out.join(channels[1], client(0));
    say(&mut out, channels[1], "new ");
    out.leave(channels[0], client(0));
    out.freeze_batches();
    assert_eq!([queued(&out, 0), queued(&out, 1)], ["old new ", "old unheard "]);
    check(&out);
}

#[test]
fn a_member_over_the_mark_congests_all_its_rooms_that_say_much_wherever_it_goes() {
    let (mut out, channels) = delivery(2, 3);
    for &channel in &channels {
        out.join(channel, client(1));
        say(&mut out, channel, &"x".repeat(101));
    }
    out.freeze_batches();
    out.wrote(client(1), 303, false);
    out.join(channels[0], client(0));
    out.join(channels[1], client(0));
    assert!(!out.congested(channels[0]));
    send(&mut out, 0, &"x".repeat(101));
    assert!(out.client_congested(client(0)));
    let congested = |out: &Delivery| [0, 1, 2].map(|channel| out.congested(channels[channel]));
    assert_eq!(congested(&out), [true, true, false]);
    out.join(channels[2], client(0));
    out.leave(channels[0], client(0));
    assert_eq!(congested(&out), [false, true, true]);
    out.wait(client(0), Wait::ChannelClear(channels[1]));
    out.wrote(client(0), 50, true);
    assert_eq!(congested(&out), [false, true, true], "51 are left, and half the mark is 50");
    out.wrote(client(0), 1, true);
    assert_eq!(congested(&out), [false; 3]);
    let mut woken = Vec::new();
    out.take_woken(&mut woken);
    assert_eq!(woken, [client(0)]);
}

#[test]
fn a_room_of_very_short_messages_does_not_just_talk() {
    let mut out = Delivery::new(DeliveryLimits::default());
    out.add(client(0), Encoding::default());
    let channel = out.open_channel();
    out.join(channel, client(0));
    send(&mut out, 0, &"x".repeat(DeliveryLimits::default().outbox_mark_bytes + 1));
    (0..2000).for_each(|_| say(&mut out, channel, "x"));
    assert!(out.congested(channel), "two thousand messages in no time");
}

/// Somebody who is behind, on what it asked for or on what another channel said, is not the trouble
/// of people who talk.
#[test]
fn a_room_that_just_talks_is_held_up_by_nobody() {
    let (mut out, channels) = delivery(1, 2);
    out.join(channels[0], client(0));
    out.join(channels[1], client(0));
    say(&mut out, channels[1], &"x".repeat(50));
    send(&mut out, 0, &"x".repeat(101));
    out.freeze_batches();
    assert!(out.client_congested(client(0)));
    say(&mut out, channels[0], "hi");
    assert!(!out.congested(channels[0]), "two bytes are said in 640 ms at that pace");
    say(&mut out, channels[0], "hi");
    assert!(out.congested(channels[0]), "1.28 s are more than a second");
    assert!(out.congested(channels[1]));
    out.wait(client(0), Wait::ChannelClear(channels[0]));
    out.freeze_batches();
    out.begin_turn(Now { ms: 300, unix_ms: 0 });
    assert_eq!(out.check(client(0)), Checked::Again(550));
    assert!(!out.congested(channels[0]), "as time passes it may go on");
    let mut woken = Vec::new();
    out.take_woken(&mut woken);
    assert_eq!(woken, [client(0)]);
    assert!(out.congested(channels[1]), "that one has more to wait for");
}

/// Those who talk to it would put it behind again before it was read from.
#[test]
fn who_is_no_longer_behind_goes_on_before_those_who_waited_for_it() {
    let (mut out, _) = delivery(3, 0);
    send(&mut out, 1, &"x".repeat(101));
    for key in [0, 2, 1] {
        out.wait(client(key), Wait::ClientClear(client(1)));
    }
    out.wrote(client(1), 101, false);
    let mut woken = Vec::new();
    out.take_woken(&mut woken);
    assert_eq!(woken, [client(1), client(0), client(2)]);
}

#[test]
fn a_full_batch_makes_publishers_wait_until_it_is_handed_out() {
    let (mut out, channels) = delivery(2, 1);
    out.join(channels[0], client(0));
    say(&mut out, channels[0], &"x".repeat(99));
    assert!(!out.congested(channels[0]));
    say(&mut out, channels[0], "y");
    assert!(out.congested(channels[0]));
    out.wait(client(1), Wait::ChannelClear(channels[0]));
    out.freeze_batches();
    assert!(!out.congested(channels[0]));
    assert!(out.is_busy(), "somebody was woken");
    let mut woken = Vec::new();
    out.take_woken(&mut woken);
    assert_eq!(woken, [client(1)]);
}

#[test]
fn a_closed_room_wakes_who_waited_for_it_and_its_number_is_a_new_room() {
    let (mut out, channels) = delivery(2, 1);
    out.join(channels[0], client(0));
    say(&mut out, channels[0], &"x".repeat(200));
    out.wait(client(1), Wait::ChannelClear(channels[0]));
    out.leave(channels[0], client(0));
    out.close_channel(channels[0]);
    let mut woken = Vec::new();
    out.take_woken(&mut woken);
    assert_eq!(woken, [client(1)]);
    out.freeze_batches();
    assert_eq!(queued(&out, 0), "x".repeat(200), "and nobody asks the closed channel for more");
    let again = out.open_channel();
    assert_eq!(again, channels[0], "the test means to reuse it");
    out.join(again, client(1));
    out.freeze_batches();
    assert_eq!([queued(&out, 0), queued(&out, 1)], ["x".repeat(200), String::new()]);
    assert!(!out.congested(again));
    check(&out);
}

#[test]
fn a_client_that_has_gone_gets_nothing_and_nor_does_its_successor() {
    let (mut out, channels) = delivery(1, 1);
    send(&mut out, 0, "hello");
    out.shut(client(0));
    send(&mut out, 0, "too late");
    assert_eq!(queued(&out, 0), "hello");
    out.remove(client(0));
    let successor = ClientId::new(0, 77);
    out.add(successor, Encoding::default());
    out.join(channels[0], successor);
    say(&mut out, channels[0], "to the channel");
    send(&mut out, 0, "to the dead");
    assert_eq!(queued(&out, 0), "");
    out.freeze_batches();
    assert_eq!(queued(&out, 0), "to the channel");
    assert_eq!(out.next_prompt(), None, "the entry of the one that has gone");
    assert_eq!(out.next_prompt(), Some(successor));
    assert_eq!(out.next_prompt(), None);
}

#[test]
fn a_bulk_client_that_is_sent_a_word_moves_to_the_front() {
    let (mut out, channels) = delivery(BULK_MEMBERS_MIN, 1);
    (0..BULK_MEMBERS_MIN).for_each(|key| out.join(channels[0], client(key)));
    say(&mut out, channels[0], "to all ");
    out.freeze_batches();
    assert_eq!(out.to_write(), (0, BULK_MEMBERS_MIN));
    send(&mut out, 7, "to you");
    assert_eq!(out.next_prompt(), Some(client(7)));
    assert_eq!(queued(&out, 7), "to all to you");
    let bulk: Vec<ClientId> =
        std::iter::from_fn(|| (out.to_write().1 > 0).then(|| out.next_bulk())).flatten().collect();
    assert_eq!(bulk.len(), BULK_MEMBERS_MIN - 1);
    assert!(!bulk.contains(&client(7)), "written to once");
}

#[derive(Clone, Debug)]
enum Step {
    Join(usize, usize),
    Leave(usize, usize),
    Say { channel: usize, as_client: Option<usize>, has_copy: bool, length: usize },
    Send(usize, usize),
    HandOut,
    Wrote { who: usize, bytes: usize, full: bool },
    Writable(usize),
    Replace(usize),
    Pass(Millis),
    Check(usize),
    NextPrompt,
    NextBulk,
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 0..CLIENTS;
    let channel = || 0..ROOMS;
    prop_oneof![
        4 => (channel(), who()).prop_map(|(channel, who)| Step::Join(channel, who)),
        2 => (channel(), who()).prop_map(|(channel, who)| Step::Leave(channel, who)),
        6 => (channel(), prop::option::of(who()), any::<bool>(), 0..90usize)
            .prop_map(|(channel, as_client, has_copy, length)| {
                Step::Say { channel, as_client, has_copy, length }
            }),
        3 => (who(), 0..90usize).prop_map(|(who, length)| Step::Send(who, length)),
        3 => Just(Step::HandOut),
        4 => (who(), 0..300usize, any::<bool>())
            .prop_map(|(who, bytes, full)| Step::Wrote { who, bytes, full }),
        3 => who().prop_map(Step::Writable),
        1 => who().prop_map(Step::Replace),
        1 => (1..900u64).prop_map(Step::Pass),
        2 => who().prop_map(Step::Check),
        2 => Just(Step::NextPrompt),
        1 => Just(Step::NextBulk),
    ]
}

/// What the model knows of a client.
#[derive(Clone, Default)]
struct Model {
    queued: String,
    channels: [bool; ROOMS],
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn behaves_like_a_string_for_each(steps in prop::collection::vec(step(), 0..120)) {
        let (mut out, channels) = delivery(CLIENTS, ROOMS);
        let mut ids: Vec<ClientId> = (0..CLIENTS).map(client).collect();
        let mut models = vec![Model::default(); CLIENTS];
        let mut now = Now::default();
        let mut serial = 100;
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Join(channel, who) if !models[who].channels[channel] => {
                    out.join(channels[channel], ids[who]);
                    models[who].channels[channel] = true;
                }
                Step::Leave(channel, who) => {
                    out.leave(channels[channel], ids[who]);
                    models[who].channels[channel] = false;
                }
                Step::Say { channel, as_client, has_copy, length } => {
                    // Rooms have no order among each other in what a member is handed; with one at
                    // a time there is one.
                    let has_batch = |other: usize| out.channels.has_batch(channels[other]);
                    if (0..ROOMS).any(|other| other != channel && has_batch(other)) {
                        out.freeze_batches();
                    }
                    let text = format!("{number}:{}\n", "x".repeat(length));
                    let copy = if has_copy { format!("{number}!\n") } else { String::new() };
                    let bytes = copy.as_bytes();
                    let sender_copy = as_client.map(|who| SenderCopy { sender: ids[who], bytes });
                    publish(&mut out, channels[channel], sender_copy, &text);
                    let models = models.iter_mut().enumerate();
                    for (who, model) in models.filter(|(_, model)| model.channels[channel]) {
                        model.queued.push_str(if as_client == Some(who) { &copy } else { &text });
                    }
                }
                Step::Send(who, length) => {
                    let text = format!("{number}:{}\n", "y".repeat(length));
                    send_to(&mut out, ids[who], &text);
                    models[who].queued.push_str(&text);
                    // It has caught up, so what it has queued is complete.
                    prop_assert_eq!(queued(&out, who), &models[who].queued[..]);
                }
                Step::HandOut => out.freeze_batches(),
                Step::Wrote { who, bytes, full } => {
                    // As the server does it: one that is on a queue is taken off it, and then
                    // written to.
                    let Some(outbox) = out.outbox(ids[who]) else { continue };
                    let bytes = bytes.min(outbox.bytes());
                    if !out.recipients.get(ids[who]).is_writable {
                        continue;
                    }
                    out.recipients.get_mut(ids[who]).queued = None;
                    let full = full || bytes < outbox_bytes(&out, ids[who]);
                    out.wrote(ids[who], bytes, full);
                    models[who].queued.drain(..bytes);
                }
                Step::NextPrompt | Step::NextBulk => {
                    let next = match step {
                        Step::NextPrompt => out.next_prompt(),
                        _ => out.next_bulk(),
                    };
                    if let Some(id) = next {
                        prop_assert_eq!(id, ids[id.index()], "a stale entry");
                        let bytes = outbox_bytes(&out, id);
                        prop_assert!(bytes > 0);
                        out.wrote(id, bytes, false);
                        models[id.index()].queued.drain(..bytes);
                    }
                }
                Step::Writable(who) => out.writable(ids[who]),
                Step::Replace(who) => {
                    let joined = models[who].channels;
                    for channel in channels.iter().filter(|channel| joined[channel.index()]) {
                        out.leave(*channel, ids[who]);
                    }
                    out.shut(ids[who]);
                    out.remove(ids[who]);
                    serial += 1;
                    ids[who] = ClientId::new(who, serial);
                    out.add(ids[who], Encoding::default());
                    models[who] = Model::default();
                }
                Step::Pass(ms) => {
                    now.ms += ms;
                    out.begin_turn(now);
                }
                Step::Check(who) => {
                    out.check(ids[who]);
                }
                Step::Join(..) => {}
            }
            check(&out);
        }
        out.freeze_batches();
        check(&out);
        for (who, model) in models.iter().enumerate() {
            prop_assert_eq!(queued(&out, who), &model.queued[..], "client {}", who);
        }
    }
}

#[test]
fn the_bulk_queue_holds_everybody_once_however_often_they_turn_prompt() {
    let (mut out, channels) = delivery(BULK_MEMBERS_MIN, 1);
    (0..BULK_MEMBERS_MIN).for_each(|key| out.join(channels[0], client(key)));
    for _ in 0..3 {
        say(&mut out, channels[0], "to all ");
        out.freeze_batches();
        (0..BULK_MEMBERS_MIN).for_each(|key| send(&mut out, key, "to you"));
        while let Some(id) = out.next_prompt() {
            out.wrote(id, outbox_bytes(&out, id), false);
        }
        assert_eq!(out.to_write(), (0, BULK_MEMBERS_MIN));
    }
    say(&mut out, channels[0], "to all");
    out.freeze_batches();
    let written = (0..BULK_MEMBERS_MIN).filter(|_| out.next_bulk().is_some()).count();
    assert_eq!(written, BULK_MEMBERS_MIN, "and all that are on it are written to");
}

fn outbox_bytes(out: &Delivery, id: ClientId) -> usize {
    out.outbox(id).map_or(0, Outbox::bytes)
}

#[test]
fn answers_are_written_at_once_to_who_is_in_no_channel_and_if_they_are_large() {
    let (mut out, rooms) = delivery(2, 1);
    out.join(rooms[0], client(1));
    send(&mut out, 0, "a");
    send(&mut out, 1, "b");
    assert!(out.take_answer(client(0)));
    out.wrote(client(0), 1, false);
    assert!(!out.take_answer(client(0)), "there is nothing left");
    assert!(!out.take_answer(client(1)), "its channel may have something for it in this turn");
    send(&mut out, 1, "a sixteenth of the mark");
    assert!(out.take_answer(client(1)));
    out.wrote(client(1), 24, false);
    say(&mut out, rooms[0], "it has");
    send(&mut out, 0, "a");
    send(&mut out, 1, "a sixteenth of the mark");
    assert!(!out.take_answer(client(1)), "that goes out in the same write");
    assert!(out.take_answer(client(0)), "which does not concern others");
    out.wrote(client(0), 1, false);
    out.freeze_batches();
    check(&out);
}

#[test]
fn what_is_done_is_counted() {
    let (mut out, channels) = delivery(3, 1);
    (0..3).for_each(|key| out.join(channels[0], client(key)));
    assert_eq!(*out.metrics(), DeliveryMetrics::default());
    say(&mut out, channels[0], "four");
    let copy = out.encode(client(0), |to| {
        to.message(FrameKind::Text, |buffer| buffer.extend_from_slice(b"my six"))
    });
    let copy = SenderCopy { sender: client(0), bytes: &copy };
    publish(&mut out, channels[0], Some(copy), "five.");
    send(&mut out, 1, "to you");
    out.freeze_batches();
    assert_eq!(
        [queued(&out, 0), queued(&out, 1), queued(&out, 2)],
        ["fourmy six", "fourfive.to you", "fourfive."]
    );
    out.wrote(client(0), 10, false);
    out.wrote(client(1), 3, true);
    out.wrote(client(1), 0, true);
    out.wait(client(2), Wait::Time(7));
    let metrics = *out.metrics();
    assert_eq!(
        metrics,
        DeliveryMetrics {
            messages_published: 2,
            deliveries: 6,
            sends: 1,
            bytes_encoded: 4 + 6 + 5 + 6,
            batches_frozen: 1,
            writes: 3,
            writes_blocked: 2,
            bytes_written: 13,
            waits: 1,
            ..DeliveryMetrics::default()
        }
    );
    out.set_draining(true);
    say(&mut out, channels[0], "unheard");
    assert_eq!(*out.metrics(), metrics, "what is not published is not counted");
}

#[test]
fn a_client_is_too_slow_once_and_one_that_is_closing_no_more() {
    let (mut out, _) = delivery(2, 0);
    send(&mut out, 0, &"x".repeat(1001));
    send(&mut out, 0, "y");
    out.wrote(client(0), 1, true);
    out.begin_turn(Now { ms: 6_000, unix_ms: 0 });
    assert_eq!(out.check(client(0)), Checked::Clear);
    assert_eq!(out.take_newly_over(), [client(0)]);
    assert_eq!(out.take_too_slow(), [client(0)]);
    out.shut(client(1));
    out.append(client(1), &[b'x'; 1001]);
    assert_eq!(out.take_too_slow(), [], "it is being closed");
    let DeliveryMetrics { clients_too_slow, clients_over_mark, .. } = *out.metrics();
    assert_eq!((clients_too_slow, clients_over_mark), (1, 1));
    assert_eq!(out.take_newly_over(), [client(1)]);
}

/// An idle client costs next to nothing. A send queue fills its class of allocations: with eight
/// bytes more, a message to a thousand members takes a tenth longer.
#[test]
fn clients_and_channels_are_small() {
    assert_eq!(size_of::<SendQueue>(), 104);
    assert!(size_of::<Recipient>() <= 48, "{} bytes a client", size_of::<Recipient>());
    assert!(size_of::<MemberSlot>() <= 8, "{} bytes a slot", size_of::<MemberSlot>());
    assert!(size_of::<Option<ChannelId>>() <= 4);
}

/// The channel's own batch may put its members behind while it is handed out.
#[test]
fn members_that_a_batch_puts_over_the_mark_congest_its_channel() {
    let (mut out, channels) = delivery(3, 2);
    for key in 0..3 {
        out.join(channels[0], client(key));
        out.join(channels[1], client(key));
    }
    say(&mut out, channels[0], &"x".repeat(60));
    say(&mut out, channels[1], &"y".repeat(60));
    out.freeze_batches();
    check(&out);
    assert!((0..3).all(|key| out.client_congested(client(key))));
    assert!(channels.iter().all(|&channel| out.congested(channel)));
    out.leave(channels[0], client(1));
    while let Some(id) = out.next_prompt() {
        out.wrote(id, 120, false);
    }
    check(&out);
    assert!(channels.iter().all(|&channel| !out.congested(channel)));
}

#[test]
fn a_stalled_client_that_reads_again_holds_its_channels_up_again() {
    let (mut out, channels) = delivery(1, 1);
    out.join(channels[0], client(0));
    say(&mut out, channels[0], &"x".repeat(300));
    out.freeze_batches();
    assert_eq!(out.next_prompt(), Some(client(0)));
    out.wrote(client(0), 1, true);
    assert!(out.congested(channels[0]));
    out.begin_turn(Now { ms: 1_000, unix_ms: 0 });
    out.check(client(0));
    assert!(!out.congested(channels[0]), "nobody waits for it");
    out.wrote(client(0), 1, true);
    assert!(out.congested(channels[0]), "it reads");
    check(&out);
}

#[test]
fn a_full_turn_makes_all_channels_wait_until_it_is_handed_out() {
    let (mut out, channels) = delivery(2, 6);
    for &channel in &channels[..5] {
        out.join(channel, client(0));
        say(&mut out, channel, &"x".repeat(80));
    }
    assert!(out.congested(channels[5]), "although nothing was said there");
    out.wait(client(1), Wait::ChannelClear(channels[5]));
    out.freeze_batches();
    assert!(!out.congested(channels[5]));
    let mut woken = Vec::new();
    out.take_woken(&mut woken);
    assert_eq!(woken, [client(1)]);
}

/// Once a member has been slow, its channels publish an eighth of the mark in a turn, all together.
#[test]
fn channels_that_are_held_up_publish_little_in_a_turn() {
    let (mut out, channels) = delivery(2, 3);
    for &channel in &channels[..2] {
        out.join(channel, client(0));
    }
    out.join(channels[2], client(1));
    say(&mut out, channels[0], &"x".repeat(30));
    assert!(!out.congested(channels[0]), "nobody has been slow");
    out.freeze_batches();
    out.wrote(client(0), 4, true);
    say(&mut out, channels[0], &"x".repeat(11));
    assert!(!out.congested(channels[0]), "12 are an eighth");
    say(&mut out, channels[1], "x");
    out.call_when_clear(Wait::ChannelClear(channels[1]));
    assert_eq!([0, 1, 2].map(|at| out.congested(channels[at])), [true, true, false]);
    assert_eq!(out.take_clear(), []);
    out.freeze_batches();
    assert_eq!([0, 1, 2].map(|at| out.congested(channels[at])), [false; 3]);
    assert_eq!(out.take_clear(), [Wait::ChannelClear(channels[1])]);
    assert_eq!(out.take_clear(), [], "it is told once");
    out.begin_turn(Now { ms: 10_000, unix_ms: 0 });
    say(&mut out, channels[1], &"x".repeat(50));
    assert!(!out.congested(channels[1]), "that is long ago");
}
