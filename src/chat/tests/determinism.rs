//! The same requests by the same actors at the same times make equal states and equal records,
//! whatever keys the clients have; and the records alone make that state again.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

use super::kept::disk::Disk;
use super::known_secrets::{KnownSecrets, OWNER_CODE};
use super::resuming::token;
use super::stage::{JSON, LINES, Showing, Stage, TEXT, Visit, settings};
use crate::chat::ids::{RoomId, UserId};
use crate::chat::presence::PresenceLimits;
use crate::chat::record::Record;
use crate::chat::settings::{ChatSettings, Registration};
use crate::chat::state::accounts::SecretHash;
use crate::chat::state::guests::Holder;
use crate::chat::state::readings::Level;
use crate::chat::state::{State, history, rooms};
use crate::delivery::Wait;
use crate::delivery::encoding::Encoding;
use crate::secrets::{Secrets, code_of};
use crate::service::{Outcome, Service};

const ACTORS: [&str; 5] = ["a", "b", "c", "d", "e"];
const NAMES: [&str; 7] = ["alice", "Alice", "аlісе", "bob", "B0b", "guest-3", "two words"];
const ROOMS: [&str; 8] = ["#lobby", "dev", "DEV", "tea", "ops", "zoo", "#l0bby", "no room"];

const PASSWORDS: [&str; 3] = ["password one", "password two", "short"];

#[derive(Clone, Debug)]
enum Step {
    /// Who, in which encoding, by which name, in which room, and with the token of which number: 0
    /// asks for one.
    Open(usize, usize, Option<usize>, Option<usize>, Option<usize>),
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
    let kinds = [
        "me", "msg", "nick", "topic", "history", "who", "rooms", "read", "unread", "level",
        "delete",
    ];
    let kind = prop_oneof![2 => often, 1 => prop::sample::select(kinds.to_vec())];
    let typed = (kind.clone(), name.clone(), room.clone(), text.clone()).prop_map(
        |(kind, name, room, text)| match kind {
            "say" => text,
            "join" | "leave" | "who" => format!("/{kind} {room}"),
            "nick" => format!("/nick {name}"),
            "read" => format!("@{name} {name}: @all {text}"),
            "unread" => format!("/unread {room}"),
            "level" => format!("/level hidden {room}"),
            "delete" if text.len() < 30 => "/delete".to_owned(),
            "delete" => "/delete -2".to_owned(),
            "msg" => format!("/msg {name} {text}"),
            kind => format!("/{kind} {text}"),
        },
    );
    let sent = (kind, name, room, text, 0..9u64).prop_map(|(kind, name, room, text, number)| {
        let kind = if kind == "rooms" { "typing" } else { kind };
        let back = number % 2 == 0;
        let to = if kind == "delete" && back { "in" } else { "to" };
        format!(
            r#"{{"type": "{kind}", "room": "{room}", "name": "{name}", "{to}": "{name}",
                "text": "@{name} {text}", "since": {number}, "ref": {number}, "id": {number},
                "back": {back}, "level": "none"}}"#
        )
    });
    let other =
        prop::sample::select(&["/help", "/quit bye", "/quit", "/leave", "", "/topic -"][..]);
    prop_oneof![6 => typed, 6 => sent, 1 => other.prop_map(str::to_owned)]
}

/// All that there is to ask for about accounts. Secrets are those that may have been drawn by then.
fn about_accounts() -> impl Strategy<Value = String> {
    let secret = |count: usize| {
        let secrets = KnownSecrets::default();
        (0..count).map(|_| secrets.random()).last().expect("one")
    };
    let password = || prop::sample::select(&PASSWORDS[..]);
    let name = || prop::sample::select(&NAMES[..3]);
    let code = (1..6usize).prop_map(move |count| code_of(&secret(count)));
    let code = prop_oneof![2 => code, 1 => Just(OWNER_CODE.to_owned())];
    let token = (1..6usize).prop_map(move |count| URL_SAFE_NO_PAD.encode(secret(count)));
    let of_program = prop_oneof![
        3 => (name(), password()).prop_map(|(name, password)| {
            format!(r#"{{"type": "register", "name": "{name}", "password": "{password}"}}"#)
        }),
        2 => (name(), password(), code).prop_map(|(name, password, code)| format!(
            r#"{{"type": "register", "name": "{name}", "password": "{password}", "code": "{code}"}}"#
        )),
        4 => (name(), password()).prop_map(|(name, password)| {
            format!(r#"{{"type": "login", "name": "{name}", "password": "{password}"}}"#)
        }),
        2 => token.prop_map(|token| format!(r#"{{"type": "login", "token": "cst_{token}"}}"#)),
        1 => (password(), password()).prop_map(|(old, new)| {
            format!(r#"{{"type": "password", "old": "{old}", "password": "{new}"}}"#)
        }),
        1 => password().prop_map(|password| {
            format!(r#"{{"type": "delete_account", "password": "{password}"}}"#)
        }),
        1 => Just(r#"{"type": "cookie"}"#.to_owned()),
        1 => Just(r#"{"type": "invite", "uses": 2}"#.to_owned()),
        1 => Just(r#"{"type": "token", "label": "a bot"}"#.to_owned()),
        2 => prop::sample::select(&["bot", "end_bot", "bots"][..])
            .prop_map(|kind| format!(r#"{{"type": "{kind}", "name": "robot"}}"#)),
        1 => (1..4u64).prop_map(|id| format!(r#"{{"type": "end_session", "id": {id}}}"#)),
        1 => (1..4u64).prop_map(|id| format!(r#"{{"type": "end_invitation", "id": {id}}}"#)),
        1 => Just(r#"{"type": "logout"}"#.to_owned()),
        3 => (name(), name()).prop_map(|(to, text)| {
            format!(r#"{{"type": "msg", "to": "{to}", "text": "{text}", "key": "{text}"}}"#)
        }),
        1 => name().prop_map(|name| format!(r#"{{"type": "history", "to": "{name}"}}"#)),
        1 => Just(r#"{"type": "conversations"}"#.to_owned()),
    ];
    let roles = prop::sample::select(&["owner", "admin", "member"][..]);
    let acts = ["mute", "unmute", "ban", "unban", "ignore", "unignore"];
    let acts = prop::sample::select(acts.to_vec());
    let typed = prop_oneof![
        2 => name().prop_map(|name| format!("/register {name}")),
        3 => name().prop_map(|name| format!("/login {name}")),
        // Answers to what is asked.
        6 => password().prop_map(str::to_owned),
        2 => (0..9u32).prop_map(|number| format!("/nick n{number}")),
        1 => (name(), roles).prop_map(|(name, role)| format!("/role {name} {role}")),
        2 => (name(), acts, 0..3u32).prop_map(|(name, act, minutes)| {
            let minutes = if minutes == 0 { String::new() } else { format!(" {minutes} so") };
            format!("/{act} {name}{minutes}")
        }),
        1 => prop::sample::select(
            &["/ban 192.0.2.7 1", "/ban 2001:db8::7", "/unban 192.0.2.7", "/bans", "/ignore",
              "/report -1 so", "/report @bob", "/report @alice 1", "/accounts"][..]
        ).prop_map(str::to_owned),
        4 => prop::sample::select(
            &["/password", "/delete-account", "/invite 2", "/token a bot", "/logout",
              "/sessions end 1", "/invitations end 1"][..]
        ).prop_map(str::to_owned),
    ];
    prop_oneof![of_program, typed]
}

/// All that there is to ask for about rooms.
fn about_rooms() -> impl Strategy<Value = String> {
    let (name, room) = (prop::sample::select(&NAMES[..4]), prop::sample::select(&ROOMS[1..6]));
    let setting = prop::sample::select(
        &[
            "entry all",
            "entry accounts",
            "entry ask",
            "entry invited",
            "listed no",
            "newcomers-see now",
            "newcomers-see all",
            "posting moderators",
            "posting all",
            "invites moderators",
            "archived yes",
            "archived no",
        ][..],
    );
    let roles = prop::sample::select(&["owner", "moderator", "member"][..]);
    let code = (1..6usize).prop_map(|count| {
        let secrets = KnownSecrets::default();
        code_of(&(0..count).map(|_| secrets.random()).last().expect("one"))
    });
    (name, room, setting, roles, code, 0..12u8).prop_map(
        |(name, room, setting, role, code, kind)| match kind {
            0..3 => format!("/room #{room} {setting}"),
            3 => format!("/room #{room}"),
            4 => format!("/keep #{room}"),
            5 => format!("/accept {name} #{room}"),
            6 => format!("/refuse {name} #{room}"),
            7 => format!("/kick {name} 1 away"),
            8 => format!("/role {name} {role} #{room}"),
            9 => format!("/rename #{room}"),
            10 => format!("/join #{room} {code}"),
            _ if name == "bob" => format!("/delete-room #{room}"),
            _ => format!("/invite #{room} 2"),
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..ACTORS.len();
    let (name, room) = (prop::option::of(0..NAMES.len()), prop::option::of(0..ROOMS.len()));
    prop_oneof![
        4 => (who.clone(), 0..3usize, name, room, prop::option::of(0..9usize)).prop_map(
            |(who, encoding, name, room, resume)| Step::Open(who, encoding, name, room, resume)
        ),
        16 => (who.clone(), request()).prop_map(|(who, request)| Step::Ask(who, request)),
        12 => (who.clone(), about_accounts()).prop_map(|(who, request)| Step::Ask(who, request)),
        8 => (who.clone(), about_rooms()).prop_map(|(who, request)| Step::Ask(who, request)),
        1 => who.prop_map(Step::Leave),
        1 => (0..5000u64).prop_map(Step::Pass),
        1 => (20_000..50_000u64).prop_map(Step::Pass),
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
        registration: Registration::Open,
        ..settings()
    }
}

/// One step on one stage; what became of it, and what everybody was told.
fn take(stage: &mut Stage, step: &Step) -> (Option<&'static str>, Vec<Vec<String>>) {
    let is_here = |stage: &Stage, who: &usize| stage.is_here(ACTORS[*who]);
    let outcome = match step {
        Step::Open(who, encoding, name, room, resume) if !is_here(stage, who) => {
            let encoding: Encoding = [LINES, TEXT, JSON][*encoding];
            let visit = Visit { name: name.map(|at| NAMES[at]), room: room.map(|at| ROOMS[at]) };
            let resume = resume.map(|number| match number {
                0 => String::new(),
                number => token(number),
            });
            let showing = Showing { resume: resume.as_deref(), ..Showing::default() };
            stage.open_showing(ACTORS[*who], encoding, visit, showing);
            None
        }
        Step::Ask(who, request) if is_here(stage, who) => {
            let mut outcome = stage.offer(ACTORS[*who], request.as_bytes());
            while let Outcome::Blocked(Wait::Ticket(_)) = outcome {
                stage.turn();
                outcome = stage.offer(ACTORS[*who], request.as_bytes());
            }
            Some(match outcome {
                Outcome::Done => "done",
                Outcome::Blocked(_) => "blocked",
                Outcome::Close(_) => "close",
                Outcome::AskSecret => "secret",
                Outcome::SetEditing(_) => "editing",
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
    // Others may have been closed by that.
    let is_ban = matches!(step, Step::Ask(_, request) if request.starts_with("/ban "));
    let is_turn = is_ban || matches!(step, Step::Turn | Step::Leave(_)) || outcome == Some("close");
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
        let mut one = Stage::with_people(settings.clone());
        let mut other = Stage::with_other_keys(settings.clone());
        other.chat = other.chat.with_secrets(Arc::new(KnownSecrets::default()));
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

    #[test]
    fn what_is_kept_of_people_is_what_they_are(
        steps in prop::collection::vec(step(), 0..200),
        (rooms_max, messages_max) in (1..5usize, 0..8usize),
    ) {
        let settings = tiny(rooms_max, messages_max, 2000);
        let disk = Disk::default();
        let start = || {
            let (store, loaded) = disk.start(100);
            Stage::with_store(settings.clone(), store, loaded)
        };
        let mut stage = start();
        stage.chat = stage.chat.with_secrets(Arc::new(KnownSecrets::default()));
        for step in &steps {
            take(&mut stage, step);
        }
        stage.turn();
        // What was read is handed over by now.
        stage.pass(2000);
        stage.turn();
        disk.crash(0);
        let loaded = start();
        let (state, again) = (stage.chat.state(), loaded.chat.state());
        prop_assert_eq!(state.kept_rules(), again.kept_rules());
        prop_assert_eq!(state.accounts(), again.accounts());
        prop_assert_eq!(order(state), order(again));
        for (user, _) in state.accounts().iter() {
            prop_assert_eq!(person(state, user), person(again, user));
            prop_assert_eq!(unread(state, user), unread(again, user));
        }
        let guests = disk.people().guests;
        prop_assert_eq!(guests.len(), state.guest_tokens().count());
        for stored in guests {
            let token = state.guest_tokens().get(SecretHash(stored.hash)).expect("it is known");
            let name = match &token.holder {
                Holder::Here(user) => &state.users().get(*user).expect("it is here").name,
                Holder::Gone(name) => name,
            };
            prop_assert_eq!(name.as_str(), &*stored.name);
            prop_assert_eq!(token.before.map(|before| before.0), stored.before);
            prop_assert_eq!(token.until_ms, stored.until_ms);
        }
        prop_assert_eq!((state.guests(), disk.guests()), (again.guests(), state.guests()));
        let rooms = disk.room_names();
        prop_assert!(rooms.keys().all(|room| *room < disk.next_room()));
        let ignores = state.accounts().iter().flat_map(|(user, _)| {
            let ignored = state.order().ignored_by(user);
            ignored.filter(|&other| !state.is_guest(other)).map(move |it| (user, it))
        });
        let ignores: BTreeSet<_> =
            ignores.map(|(user, other)| (user.get(), other.get())).collect();
        let stored = disk.order().ignores.into_iter().map(|it| (it.account, it.ignored));
        prop_assert_eq!(ignores, stored.collect());
        let members = disk.people().members.into_iter();
        let members: BTreeSet<_> = members.map(|(room, user)| (user, rooms[&room].clone())).collect();
        let accounts = state.accounts().iter();
        let of_state = accounts.flat_map(|(user, _)| {
            person(state, user).1.into_iter().map(move |room| (user.get(), room.into()))
        });
        prop_assert_eq!(members, of_state.collect());
    }
}

/// What holds of accounts, and of addresses.
fn order(state: &State) -> Vec<String> {
    let order = state.order();
    let bans = order.bans().map(|ban| format!("{ban:?}"));
    let accounts: Vec<UserId> = state.accounts().iter().map(|(user, _)| user).collect();
    let mutes = accounts.iter().flat_map(|&user| order.mutes_of(user).map(move |it| (user, it)));
    let mutes = mutes.map(|mute| format!("{mute:?}"));
    let is_kept = |user: &UserId| !state.is_guest(*user);
    let ignored = accounts.iter().map(|&user| {
        let ignored: Vec<UserId> = order.ignored_by(user).filter(is_kept).collect();
        format!("{user:?} ignores {ignored:?}")
    });
    bans.chain(mutes).chain(ignored).collect()
}

/// The name of an account and of its rooms.
fn person(state: &State, user: UserId) -> (String, BTreeSet<String>) {
    let name = state.users().get(user).expect("it is there").name.as_str().to_owned();
    let rooms = state.rooms_of(user).filter_map(|room| state.rooms().get(room));
    (name, rooms.map(|room| room.name.as_str().to_owned()).collect())
}

/// What an account has not read: the ids of the last message that it has and of the last one, how
/// much is for it, and what it has said of each room.
fn unread(state: &State, user: UserId) -> Vec<(RoomId, u64, u64, usize, Option<Level>)> {
    let of_user = state.readings().of(user);
    let unread = of_user.map(|(room, reading)| {
        let unread = state.unread(user, room).expect("it is there");
        (room, unread.read, unread.last, unread.mentions, reading.level)
    });
    unread.collect()
}

#[test]
fn in_memory_mode_no_record_is_retained() {
    let mut stage = Stage::in_memory(settings());
    stage.seat(&["alice", "bob"]);
    stage.say("alice", "hello");
    stage.turn();
    assert_eq!(stage.chat.take_records(), []);
}
