//! Guests who come back with what they were given.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::kept::disk::Disk;
use super::known_secrets::{KnownSecrets, OWNER_CODE};
use super::stage::{JSON, LINES, Showing, Stage, TEXT, Visit, settings};
use crate::chat::settings::{ChatSettings, GRACE_MS, Registration};
use crate::chat::state::guests::TOKEN_MS;
use crate::secrets::Secrets;
use crate::service::{Job, Outcome, Service};
use crate::throttle::Rate;

/// The token that is made of the secret with this number, from 1 on.
pub fn token(number: usize) -> String {
    let secrets = KnownSecrets::default();
    let random = (0..number).map(|_| secrets.random()).last().expect("one");
    format!("cst_{}", URL_SAFE_NO_PAD.encode(random))
}

/// Tokens are written as `T1`, `T2`, in the order in which they are made.
#[track_caller]
fn play(stage: &mut Stage, script: &str) {
    let mut script = script.replace("WELCOME", WELCOME);
    for number in (1..=9).rev() {
        script = script.replace(&format!("T{number}"), &token(number));
    }
    stage.play(&script);
}

/// What every welcome has.
const WELCOME: &str = r#""type": "welcome", "epoch": "_", "server": "_", "time": "_", "limits": "_", "accounts": "invited""#;

fn stage() -> Stage {
    Stage::with_people(settings())
}

/// Ann is at a terminal in the lobby, and web in a page.
fn two(settings: ChatSettings) -> Stage {
    let mut stage = Stage::with_people(settings);
    play(
        &mut stage,
        r##"
        +ann
        ann> /nick ann
        ann< * Welcome…
        ann< * You are ann now.
        +web json name=web room=lobby resume=
        web< {WELCOME, "name": "web", "resume": "T1"}
        web< {"type": "joined", "room": "#lobby", "name": "web", "time": "_", "you": true, "position": 0, "gap": false, "members": 2, "topic": ""}
        ann< * web joined #lobby.
        "##,
    );
    stage
}

#[test]
fn who_comes_back_in_time_has_its_name_and_its_rooms_and_nobody_is_told() {
    let mut stage = two(settings());
    play(
        &mut stage,
        r##"
        -web
        --
        @+29999
        ann> hello
        +back json resume=T1
        back< {WELCOME, "name": "web", "resume": "T2", "resumed": true}
        back< {"type": "joined", "room": "#lobby", "name": "web", "time": "_", "you": true, "position": 1, "gap": false, "members": 2, "topic": ""}
        back> {"type": "join", "room": "lobby", "since": 0, "epoch": "e1"}
        back< {"type": "joined", "room": "#lobby", "name": "web", "time": "_", "you": true, "position": 1, "gap": false, "members": 2, "topic": ""}
        back< {"type": "history", "room": "#lobby", "messages": [{"id": 1, "time": "_", "name": "ann", "text": "hello"}], "more": false, "replay": true}
        back> {"type": "say", "text": "here"}
        back< {"type": "said", "room": "#lobby", "id": 2, "time": "_", "name": "web", "text": "here"}
        ann< [#lobby] web: here
        ann> and there
        back< {"type": "said", "room": "#lobby", "id": 3, "time": "_", "name": "ann", "text": "and there"}
        @+60000
        "##,
    );
}

#[test]
fn who_does_not_come_back_leaves_as_others_do() {
    let mut stage = two(settings());
    play(
        &mut stage,
        r##"
        -web
        --
        ann> /who
        ann< * 2 in #lobby: ann, web
        ann> /msg web are you there?
        ann< ! web is not connected now. Say it in a room that you share.
        +cid json name=web
        cid< {WELCOME, "name": "guest-2"}
        cid< {"type": "error", "code": "name_taken", "message": "_"}
        @+29999
        --
        @+1
        ann< * web left #lobby.
        ann> /who
        ann< * 1 in #lobby: ann
        ann> alone
        ann< * Nobody else is in #lobby now. Whoever joins will see what you said.
        "##,
    );
    assert_eq!(stage.chat.state().users().count(), 2);
}

#[test]
fn goodbyes_and_those_without_a_token_leave_at_once() {
    for (resume, leaves) in [(Some(""), "-web bye"), (None, "-web"), (None, "-web bye")] {
        let mut stage = stage();
        stage.open("ann", LINES, Visit { name: Some("ann"), room: None });
        let (visit, showing) = (
            Visit { name: Some("web"), room: Some("lobby") },
            Showing { resume, ..Showing::default() },
        );
        stage.open_showing("web", JSON, visit, showing);
        stage.forget();
        stage.play(&format!("{leaves}\nann< * web left #lobby."));
        assert!(stage.chat.absences.next_deadline().is_none(), "nobody is waited for");
    }
}

#[test]
fn a_connection_that_is_not_known_to_be_dead_is_ended() {
    let mut stage = two(settings());
    play(
        &mut stage,
        r##"
        web> {"type": "join", "room": "dev"}
        web< {"type": "joined", "room": "#dev", "name": "web", "time": "_", "you": true, "position": 0, "gap": false, "members": 1, "topic": ""}
        +back json resume=T1 name=somebody
        web< (closed)
        back< {WELCOME, "name": "web", "resume": "T2", "resumed": true}
        back< {"type": "joined", "room": "#lobby", "name": "web", "time": "_", "you": true, "position": 0, "gap": false, "members": 2, "topic": ""}
        back< {"type": "joined", "room": "#dev", "name": "web", "time": "_", "you": true, "position": 0, "gap": false, "members": 1, "topic": ""}
        ann> hello
        back< {"type": "said", "room": "#lobby", "id": 1, "time": "_", "name": "ann", "text": "hello"}
        back> {"type": "say", "text": "in dev"}
        back< {"type": "said", "room": "#dev", "id": 1, "time": "_", "name": "web", "text": "in dev"}
        "##,
    );
    assert_eq!(stage.chat.people(), 2);
}

#[test]
fn what_the_ended_connection_says_is_not_heard() {
    let mut stage = two(settings());
    let showing = Showing { resume: Some(&token(1)), ..Showing::default() };
    stage.open_showing("back", JSON, Visit::default(), showing);
    let ended = stage.id("web");
    let before = stage.chat.state().rooms().count();
    // The new token is made between two turns, and the one that has ended is closed after that.
    for Job { ticket, run, .. } in stage.chat.take_jobs() {
        stage.chat.completed(ticket, run(), &mut stage.out);
    }
    assert!(stage.chat.sessions.get(ended).is_none());
    stage.offer("web", br#"{"type": "say", "text": "from the dead"}"#);
    stage.turn();
    let lobby = stage.chat.state().rooms().iter().next().expect("the lobby");
    assert_eq!((stage.chat.state().rooms().count(), lobby.history.len()), (before, 0));
}

#[test]
fn a_token_is_good_once_and_until_the_next_one_has_arrived() {
    let mut stage = two(settings());
    play(
        &mut stage,
        r##"
        -web
        --
        +b json resume=T1
        b< {WELCOME, "name": "web", "resume": "T2", "resumed": true}
        b< {"type": "joined", "room": "#lobby", "name": "web", "time": "_", "you": true, "position": 0, "gap": false, "members": 2, "topic": ""}
        -b
        --
        +c json resume=T1
        c< {WELCOME, "name": "web", "resume": "T3", "resumed": true}
        c< {"type": "joined", "room": "#lobby", "name": "web", "time": "_", "you": true, "position": 0, "gap": false, "members": 2, "topic": ""}
        c> {"type": "typing"}
        +d json resume=T1 name=d
        d< {WELCOME, "name": "d", "resume": "T4"}
        +e json resume=T2 name=e
        e< {WELCOME, "name": "e", "resume": "T5"}
        +f json resume=T3
        c< (closed)
        f< {WELCOME, "name": "web", "resume": "T6", "resumed": true}
        f< {"type": "joined", "room": "#lobby", "name": "web", "time": "_", "you": true, "position": 0, "gap": false, "members": 2, "topic": ""}
        "##,
    );
}

#[test]
fn for_a_day_the_token_gives_the_name_if_nobody_has_it() {
    let mut stage = two(settings());
    play(
        &mut stage,
        r##"
        web> {"type": "nick", "name": "robin"}
        web< {"type": "renamed", "from": "web", "to": "robin", "time": "_", "you": true}
        ann< * web is robin now.
        -web
        --
        @+30000
        ann< * robin left #lobby.
        +b json resume=T1 name=other
        b< {WELCOME, "name": "robin", "resume": "T2"}
        -b
        --
        @+30000
        ann> /nick robin
        ann< * You are robin now.
        +c json resume=T2
        c< {WELCOME, "name": "guest-2", "resume": "T3"}
        c< {"type": "error", "code": "name_taken", "message": "_"}
        -c bye
        "##,
    );
    stage.pass(TOKEN_MS - 1);
    play(&mut stage, "+d json resume=T3\nd< {WELCOME, \"name\": \"guest-2\", \"resume\": \"T4\"}");
    play(&mut stage, "-d bye");
    stage.pass(TOKEN_MS);
    play(&mut stage, "+e json resume=T4\ne< {WELCOME, \"name\": \"guest-3\", \"resume\": \"T5\"}");
    assert_eq!(stage.chat.state().guest_tokens().gone_count(), 0, "all others are over");
}

#[test]
fn coming_back_gives_no_fresh_bucket() {
    let rate = Rate::limited(5, 1).expect("a rate");
    let mut stage = two(ChatSettings { rate, ..settings() });
    let say = br#"{"type": "say", "text": "x"}"#;
    let mut said = 0;
    let mut name = "web".to_owned();
    for number in 1..4 {
        while matches!(stage.offer(&name, say), Outcome::Done) {
            said += 1;
        }
        if number % 2 == 1 {
            stage.leave(&name);
        }
        name = format!("b{number}");
        let token = token(number);
        let showing = Showing { resume: Some(&token), ..Showing::default() };
        stage.open_showing(&name, JSON, Visit::default(), showing);
        stage.turn();
    }
    assert_eq!(said, 5);
}

#[test]
fn keys_are_known_after_coming_back() {
    let mut stage = two(settings());
    play(
        &mut stage,
        r##"
        web> {"type": "say", "text": "once", "key": "a key of mine", "ref": 1}
        web< {"type": "said", "room": "#lobby", "id": 1, "time": "_", "name": "web", "text": "once", "ref": 1}
        ann< [#lobby] web: once
        -web
        --
        +b json resume=T1
        b< {WELCOME, "name": "web", "resume": "T2", "resumed": true}
        b< {"type": "joined", "room": "#lobby", "name": "web", "time": "_", "you": true, "position": 1, "gap": false, "members": 2, "topic": ""}
        b> {"type": "say", "text": "once", "key": "a key of mine", "ref": 2}
        b< {"type": "said", "room": "#lobby", "id": 1, "time": "_", "name": "web", "text": "once", "ref": 2}
        "##,
    );
}

#[test]
fn who_becomes_an_account_has_no_token_any_more() {
    for request in [
        format!(
            r#"{{"type": "register", "name": "web", "password": "hunter-22", "code": "{OWNER_CODE}"}}"#
        ),
        r#"{"type": "login", "name": "bob", "password": "hunter-22"}"#.to_owned(),
    ] {
        let settings = ChatSettings { registration: Registration::Open, ..settings() };
        let mut stage = Stage::with_people(settings);
        stage.open("bob", LINES, Visit::default());
        stage.say("bob", "/register bob");
        stage.say("bob", "hunter-22");
        let showing = Showing { resume: Some(""), ..Showing::default() };
        stage.open_showing("web", JSON, Visit { name: Some("web"), room: None }, showing);
        stage.turn();
        assert!(!stage.chat.state().guest_tokens().is_empty());
        stage.say("web", &request);
        assert!(stage.chat.state().guest_tokens().is_empty(), "{request}");
        stage.leave("web");
        stage.forget();
        assert!(stage.chat.absences.next_deadline().is_none(), "nobody is waited for");
    }
}

#[test]
fn a_token_is_for_programs_where_guests_may_come() {
    let mut stage = Stage::with_people(ChatSettings { guests: false, ..settings() });
    play(
        &mut stage,
        r##"
        +web json name=web resume=
        web< {WELCOME, "name": "guest-1"}
        "##,
    );
    assert!(stage.chat.state().guest_tokens().is_empty());
}

#[test]
fn terminals_over_websocket_have_none() {
    let mut stage = stage();
    let showing = Showing { resume: Some(""), ..Showing::default() };
    stage.open_showing("page", TEXT, Visit::default(), showing);
    stage.turn();
    assert!(stage.chat.state().guest_tokens().is_empty());
    // And nobody has, where nothing random can be drawn.
    let mut stage = Stage::new(settings());
    stage.play(
        r#"
        +web json resume=
        web< {"type": "welcome", "name": "guest-1", "epoch": "_", "server": "_", "time": "_", "limits": "_"}
        "#,
    );
}

#[test]
fn a_token_is_never_said_to_a_room() {
    let mut stage = two(settings());
    stage.say("ann", &format!("my token is {}", token(1)));
    assert_eq!(
        stage.hear("ann"),
        ["! There is a token in that by which somebody is known, so it was not said."]
    );
}

#[test]
fn who_goes_before_its_token_is_made_was_never_there() {
    let mut stage = stage();
    let showing = Showing { resume: Some(""), ..Showing::default() };
    stage.open_showing("web", JSON, Visit { name: Some("web"), room: None }, showing);
    assert_eq!(stage.chat.people(), 0);
    stage.leave("web");
    stage.turn();
    assert_eq!((stage.chat.people(), stage.chat.state().users().count()), (0, 0));
    assert!(stage.chat.arrivals.is_empty());
}

fn start(disk: &Disk, secrets: &Arc<KnownSecrets>) -> Stage {
    let (store, loaded) = disk.start(100);
    let mut stage = Stage::with_store(settings(), store, loaded);
    stage.chat = stage.chat.with_secrets(Arc::<KnownSecrets>::clone(secrets));
    stage
}

#[test]
fn after_a_restart_a_guest_has_its_name_again() {
    let (disk, secrets) = (Disk::default(), Arc::default());
    let mut stage = start(&disk, &secrets);
    play(
        &mut stage,
        r##"
        +web json room=lobby resume=
        web< {WELCOME, "name": "guest-1", "resume": "T1"}
        web< {"type": "joined", "room": "#lobby", "name": "guest-1", "time": "_", "you": true, "position": 0, "gap": false, "members": 1, "topic": ""}
        web> {"type": "nick", "name": "web"}
        web< {"type": "renamed", "from": "guest-1", "to": "web", "time": "_", "you": true}
        web> {"type": "say", "text": "once", "key": "a key of mine"}
        web< {"type": "said", "room": "#lobby", "id": 1, "time": "_", "name": "web", "text": "once"}
        +gone json name=gone resume=
        gone< {WELCOME, "name": "gone", "resume": "T2"}
        -gone bye
        +used json name=used resume=
        used< {WELCOME, "name": "used", "resume": "T3"}
        -used
        --
        +used json name=used resume=T3
        used< {WELCOME, "name": "used", "resume": "T4", "resumed": true}
        "##,
    );
    disk.crash(0);
    let mut stage = start(&disk, &secrets);
    play(
        &mut stage,
        r##"
        +web json resume=T1
        web< {WELCOME, "name": "web", "resume": "T5"}
        web> {"type": "join", "room": "lobby", "since": 0, "epoch": "of the data"}
        web< {"type": "joined", "room": "#lobby", "name": "web", "time": "_", "you": true, "position": 1, "gap": false, "members": 1, "topic": ""}
        web< {"type": "history", "room": "#lobby", "messages": [{"id": 1, "time": "_", "name": "web", "text": "once"}], "more": false, "replay": true}
        web> {"type": "say", "text": "once", "key": "a key of mine"}
        web< {"type": "said", "room": "#lobby", "id": 1, "time": "_", "name": "web", "text": "once"}
        +gone json resume=T2
        gone< {WELCOME, "name": "gone", "resume": "T6"}
        +used json resume=T3
        used< {WELCOME, "name": "used", "resume": "T7"}
        "##,
    );
    // Those that were used are not known after another one.
    disk.crash(0);
    let mut stage = start(&disk, &secrets);
    play(
        &mut stage,
        "+web json resume=T1\nweb< {WELCOME, \"name\": \"guest-2\", \"resume\": \"T8\"}",
    );
    let known = disk.people().guests;
    assert_eq!(known.len(), 4, "{known:?}");
}

#[test]
fn who_is_away_when_the_store_fails_is_gone() {
    let (disk, secrets) = (Disk::default(), Arc::default());
    let mut stage = start(&disk, &secrets);
    let visit = Visit { name: Some("web"), room: Some("lobby") };
    stage.open_showing("web", JSON, visit, Showing { resume: Some(""), ..Showing::default() });
    stage.forget();
    stage.leave("web");
    stage.turn();
    assert!(stage.chat.absences.next_deadline().is_some_and(|at| at <= GRACE_MS));
    stage.chat.forget_all();
    assert!(stage.chat.absences.next_deadline().is_none());
}
