//! The same requests by the same actors at the same times make equal states and equal records,
//! whatever keys the clients have; and the records alone make that state again.

use proptest::prelude::*;

use super::stage::{JSON, LINES, Stage, TEXT, Visit, settings};
use crate::chat::presence::PresenceLimits;
use crate::chat::record::Record;
use crate::chat::settings::ChatSettings;
use crate::chat::state::{State, history, rooms};
use crate::delivery::encoding::Encoding;
use crate::service::{Outcome, Service};

const ACTORS: [&str; 5] = ["a", "b", "c", "d", "e"];
const NAMES: [&str; 7] = ["alice", "Alice", "аlісе", "bob", "B0b", "guest-3", "two words"];
const ROOMS: [&str; 8] = ["#lobby", "dev", "DEV", "tea", "ops", "zoo", "#l0bby", "no room"];

#[derive(Clone, Debug)]
enum Step {
    Open(usize, usize, Option<usize>, Option<usize>),
    Ask(usize, String),
    Leave(usize),
    Pass(u64),
    Turn,
}

/// Every kind of request as a person types it, and as a program sends it.
fn request() -> impl Strategy<Value = String> {
    let (name, room) = (prop::sample::select(&NAMES[..]), prop::sample::select(&ROOMS[..]));
    let text = prop_oneof!["[a-z]{1,60}", Just(" ".to_owned()), Just("x".repeat(300))];
    // Rooms are to be deserted with something said in them, and to make room for others.
    let often = prop::sample::select(&["say", "say", "join", "join", "leave"][..]);
    let kinds = ["me", "msg", "nick", "topic", "history", "who", "rooms"];
    let kind = prop_oneof![2 => often, 1 => prop::sample::select(kinds.to_vec())];
    let typed = (kind.clone(), name.clone(), room.clone(), text.clone()).prop_map(
        |(kind, name, room, text)| match kind {
            "say" => text,
            "join" | "leave" | "who" => format!("/{kind} {room}"),
            "nick" => format!("/nick {name}"),
            "msg" => format!("/msg {name} {text}"),
            kind => format!("/{kind} {text}"),
        },
    );
    let sent = (kind, name, room, text, 0..9u64).prop_map(|(kind, name, room, text, number)| {
        let kind = if kind == "rooms" { "typing" } else { kind };
        format!(
            r#"{{"type": "{kind}", "room": "{room}", "name": "{name}", "to": "{name}",
                "text": "{text}", "since": {number}, "ref": {number}}}"#
        )
    });
    let other =
        prop::sample::select(&["/help", "/quit bye", "/quit", "/leave", "", "/topic -"][..]);
    prop_oneof![6 => typed, 6 => sent, 1 => other.prop_map(str::to_owned)]
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..ACTORS.len();
    let (name, room) = (prop::option::of(0..NAMES.len()), prop::option::of(0..ROOMS.len()));
    prop_oneof![
        4 => (who.clone(), 0..3usize, name, room).prop_map(|(who, encoding, name, room)| {
            Step::Open(who, encoding, name, room)
        }),
        16 => (who.clone(), request()).prop_map(|(who, request)| Step::Ask(who, request)),
        1 => who.prop_map(Step::Leave),
        1 => (0..5000u64).prop_map(Step::Pass),
        3 => Just(Step::Turn),
    ]
}

fn tiny(rooms_max: usize, messages_max: usize, history_bytes_max: usize) -> ChatSettings {
    let history = history::HistoryLimits { messages_max, bytes_max: 1000 };
    ChatSettings {
        rooms: rooms::RoomLimits { rooms_max, history, history_bytes_max },
        rooms_per_client_max: 2,
        rate: "50:20".parse().expect("a rate"),
        presence: PresenceLimits { rate: "3:2".parse().expect("a rate"), sum_ms: 700 },
        ..settings()
    }
}

/// One step on one stage; what became of it, and what everybody was told.
fn take(stage: &mut Stage, step: &Step) -> (Option<&'static str>, Vec<Vec<String>>) {
    let is_here = |stage: &Stage, who: &usize| stage.is_here(ACTORS[*who]);
    let outcome = match step {
        Step::Open(who, encoding, name, room) if !is_here(stage, who) => {
            let encoding: Encoding = [LINES, TEXT, JSON][*encoding];
            let visit = Visit { name: name.map(|at| NAMES[at]), room: room.map(|at| ROOMS[at]) };
            stage.open(ACTORS[*who], encoding, visit);
            None
        }
        Step::Ask(who, request) if is_here(stage, who) => {
            Some(match stage.offer(ACTORS[*who], request.as_bytes()) {
                Outcome::Done => "done",
                Outcome::Blocked(_) => "blocked",
                Outcome::Close(_) => "close",
                Outcome::AskSecret => "secret",
            })
        }
        Step::Leave(who) if is_here(stage, who) => {
            stage.leave(ACTORS[*who]);
            None
        }
        Step::Pass(ms) => {
            stage.pass(*ms);
            None
        }
        _ => None,
    };
    let is_turn = matches!(step, Step::Turn | Step::Leave(_)) || outcome == Some("close");
    let told = if is_turn { stage.hear_all() } else { Vec::new() };
    (outcome, told)
}

fn rebuild(settings: &ChatSettings, records: &[Record], times: usize) -> State {
    let mut state = State::new(settings.rooms);
    for record in records {
        (0..times).for_each(|_| state.apply(record.clone()));
    }
    state
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn the_same_requests_make_the_same_state(
        steps in prop::collection::vec(step(), 0..200),
        rooms_max in 1..5usize, messages_max in 0..8usize, history_bytes_max in 200..2000usize,
    ) {
        let settings = tiny(rooms_max, messages_max, history_bytes_max);
        let mut one = Stage::new(settings.clone());
        let mut other = Stage::with_other_keys(settings.clone());
        for step in &steps {
            let (taken, told) = take(&mut one, step);
            let (taken_there, told_there) = take(&mut other, step);
            prop_assert_eq!((taken, told), (taken_there, told_there), "{:?}", step);
        }
        prop_assert_eq!(one.chat.state(), other.chat.state());
        let take_records = |stage: &mut Stage| {
            stage.chat.keep(&mut stage.out);
            stage.chat.take_records()
        };
        let (records, records_there) = (take_records(&mut one), take_records(&mut other));
        // Names are equal in any case, and shown in one.
        prop_assert_eq!(format!("{:?}", records), format!("{:?}", records_there));
        prop_assert_eq!(one.chat.state(), &rebuild(&settings, &records, 1));
        prop_assert_eq!(one.chat.state(), &rebuild(&settings, &records, 2), "each applied twice");
        prop_assert!(take_records(&mut one).is_empty(), "records are handed over once");
    }
}

#[test]
fn in_memory_mode_no_record_is_retained() {
    let mut stage = Stage::in_memory(settings());
    stage.seat(&["alice", "bob"]);
    stage.say("alice", "hello");
    stage.turn();
    assert_eq!(stage.chat.take_records(), []);
}
