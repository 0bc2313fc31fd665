//! What accounts have read: on which device, what of it is left unread, and what is for them.

use serde_json::{Value, json};

use super::kept::disk::Disk;
use super::people::{log_in, open, register};
use super::stage::{LINES, Stage, Visit, settings};
use crate::chat::settings::{ChatSettings, Registration};

/// A program is known as the account of an actor.
fn program_of(stage: &mut Stage, actor: &str, program: &str) {
    stage.say(actor, "/token a bot");
    let told = stage.hear(actor).pop().expect("a token");
    let token = told.rsplit(' ').next().expect("a word").to_owned();
    stage.show(program, &token);
    stage.forget();
}

/// What a program is answered.
fn ask(stage: &mut Stage, program: &str, request: &Value) -> Value {
    stage.say(program, &request.to_string());
    stage.objects(program).pop().expect("an answer")
}

/// The rooms of which something is unread: how much, and how much of it is for the account.
fn unread(stage: &mut Stage, program: &str) -> Vec<(String, u64, u64)> {
    let told = ask(stage, program, &json!({ "type": "unread" }));
    let rooms = told["rooms"].as_array().expect("rooms").iter();
    let rooms = rooms.map(|room| {
        let number = |field: &str| room[field].as_u64().expect("a number");
        assert_eq!(number("last") - number("read"), number("unread"), "{room}");
        (room["room"].as_str().expect("a name").to_owned(), number("unread"), number("mentions"))
    });
    rooms.filter(|(_, unread, _)| *unread > 0).collect()
}

/// Alice, who has gone, and Bob, in #dev and in the lobby.
fn alice_is_away() -> Stage {
    let mut stage = open();
    register(&mut stage, "a", "alice");
    register(&mut stage, "b", "bob");
    stage.say("a", "/join #dev");
    stage.say("b", "/join #dev");
    stage.leave("a");
    stage.forget();
    stage
}

#[test]
fn who_comes_back_is_told_what_is_unread_and_reads_it() {
    alice_is_away().play(
        "
        b> one
        b> @ALICE two
        b> alice: three
        +a
        a< * Welcome! You are guest-3 in #lobby, with 2 others. Try /nick NAME or /help.
        b< * guest-3 joined #lobby.
        a> /login alice
        a< * Password of alice (it is not shown; Enter alone stops):
        a> password of alice
        a< * You are logged in as alice, in #lobby, #dev.
        a< * You talk in #lobby. /history shows what was said.
        a< * Unread: #dev 3 (2 for you).
        b< * guest-3 left #lobby.
        b> four
        a< [#dev] bob: four
        a> /unread
        a< * 4 unread in #dev (UTC):
        a< *   2026-11-22 13:05:09 (1) bob: one
        a< *   2026-11-22 13:05:09 (2) bob: @ALICE two
        a< *   2026-11-22 13:05:09 (3) bob: alice: three
        a< *   2026-11-22 13:05:09 (4) bob: four
        a> /unread
        a< * Nothing is unread.
        b> five
        a< [#dev] bob: five
        a> /unread #dev
        a< * Nothing is unread.
        a> /unread #ops
        a< ! There is no room \"#ops\". /rooms lists those that there are.
        ",
    );
}

#[test]
fn what_is_unread_comes_in_pages() {
    let mut stage = alice_is_away();
    (1..=60).for_each(|n| stage.say("b", &format!("m{n}")));
    stage.say("b", "/join #lobby");
    stage.say("b", "@alice in the lobby");
    log_in(&mut stage, "a", "alice");
    stage.say("a", "/unread");
    let told = stage.hear("a");
    assert_eq!(told[0], "* 1 unread in #lobby (UTC):", "where she talks");
    assert_eq!(told[2], "* Unread: #dev 60.");
    stage.say("a", "/unread");
    let told = stage.hear("a");
    assert_eq!((told.len(), told[0].as_str()), (52, "* 60 unread in #dev (UTC):"));
    assert!(told[50].ends_with("(50) bob: m50"), "{told:?}");
    assert_eq!(told[51], "* Unread: #dev 10.");
    stage.say("a", "/unread #dev");
    let told = stage.hear("a");
    assert!(told.len() == 11 && told[10].ends_with("(60) bob: m60"), "{told:?}");
}

#[test]
fn a_line_that_is_typed_has_read_what_was_written_before_on_all_devices() {
    let mut stage = open();
    register(&mut stage, "a", "alice");
    register(&mut stage, "b", "bob");
    program_of(&mut stage, "a", "p");
    stage.play(
        r##"
        b> hello
        a< [#lobby] bob: hello
        p< {"type":"said","room":"#lobby","id":1,"time":"_","name":"bob","text":"hello"}
        a> /who
        a< * 2 in #lobby: alice, bob
        p< {"type":"read","room":"#lobby","id":1,"unread":0,"mentions":0,"level":"all"}
        b> typed
        a> /who
        a< [#lobby] bob: typed
        a< * 2 in #lobby: alice, bob
        p< {"type":"said","room":"#lobby","id":2,"time":"_","name":"bob","text":"typed"}
        a>
        p< {"type":"read","room":"#lobby","id":2,"unread":0,"mentions":0,"level":"all"}
        p> {"type":"unread","ref":1}
        p< {"type":"unread","rooms":[{"room":"#lobby","read":2,"last":2,"unread":0,"mentions":0,"level":"all"}],"ref":1}
        "##,
    );
}

#[test]
fn a_terminal_has_not_read_what_was_not_written_to_it() {
    let mut stage = alice_is_away();
    stage.say("b", "missed");
    log_in(&mut stage, "a", "alice");
    program_of(&mut stage, "a", "p");
    stage.say("b", "seen");
    stage.say("a", "/who");
    assert_eq!(unread(&mut stage, "p"), [("#dev".to_owned(), 2, 0)]);
    // Elsewhere that was read: from now on it has everything.
    ask(&mut stage, "p", &json!({ "type": "read", "room": "#dev", "id": 1 }));
    assert_eq!(unread(&mut stage, "p"), [("#dev".to_owned(), 1, 0)]);
    stage.say("a", "/who");
    assert_eq!(unread(&mut stage, "p"), []);
}

#[test]
fn what_one_says_oneself_is_read() {
    let mut stage = alice_is_away();
    stage.say("b", "@alice one");
    log_in(&mut stage, "a", "alice");
    program_of(&mut stage, "a", "p");
    assert_eq!(unread(&mut stage, "p"), [("#dev".to_owned(), 1, 1)]);
    ask(&mut stage, "p", &json!({ "type": "say", "room": "#dev", "text": "@alice, myself" }));
    assert_eq!(unread(&mut stage, "p"), []);
}

#[test]
fn programs_say_what_they_have_read_and_what_they_want_to_hear() {
    let mut stage = alice_is_away();
    for text in ["one", "@alice two", "three", "alice, four"] {
        stage.say("b", text);
    }
    log_in(&mut stage, "a", "alice");
    program_of(&mut stage, "a", "p");
    program_of(&mut stage, "a", "q");
    stage.play(
        r##"
        p> {"type":"read","room":"#dev","id":2,"ref":1}
        p< {"type":"read","room":"#dev","id":2,"unread":2,"mentions":1,"level":"all","ref":1}
        q< {"type":"read","room":"#dev","id":2,"unread":2,"mentions":1,"level":"all"}
        p> {"type":"read","room":"#dev","id":1}
        p< {"type":"read","room":"#dev","id":2,"unread":2,"mentions":1,"level":"all"}
        p> {"type":"read","room":"#dev","id":1,"back":true}
        p< {"type":"read","room":"#dev","id":1,"unread":3,"mentions":2,"level":"all"}
        q< {"type":"read","room":"#dev","id":1,"unread":3,"mentions":2,"level":"all"}
        p> {"type":"read","room":"#dev","id":99}
        p< {"type":"read","room":"#dev","id":4,"unread":0,"mentions":0,"level":"all"}
        q< {"type":"read","room":"#dev","id":4,"unread":0,"mentions":0,"level":"all"}
        p> {"type":"level","room":"#dev","level":"hidden","ref":2}
        p< {"type":"done","what":"level","ref":2}
        q< {"type":"read","room":"#dev","id":4,"unread":0,"mentions":0,"level":"hidden"}
        q> {"type":"join","room":"#dev"}
        q< {"type":"joined","room":"#dev","name":"alice","time":"_","you":true,"position":4,"gap":false,"members":2,"topic":"","entry":"accounts","role":"owner","read":4,"unread":0,"mentions":0,"level":"hidden"}
        q> {"type":"read","room":"#dev"}
        q< {"type":"error","code":"missing_field","message":"_"}
        q> {"type":"read","room":"#tea","id":1}
        q< {"type":"error","code":"no_such_room","message":"_"}
        q> {"type":"level","level":"loud"}
        q< {"type":"error","code":"bad_field","message":"_"}
        a> /level none #dev
        a< * You are told of nothing in #dev.
        p< {"type":"read","room":"#dev","id":4,"unread":0,"mentions":0,"level":"none"}
        q< {"type":"read","room":"#dev","id":4,"unread":0,"mentions":0,"level":"none"}
        "##,
    );
}

#[test]
fn levels_say_what_is_told_of_on_coming() {
    for (level, quiet, called) in [
        ("all", Some("* Unread: #dev 1."), Some("* Unread: #dev 2 (1 for you).")),
        ("mentions", Some("* Unread: #dev 1."), Some("* Unread: #dev 2 (1 for you).")),
        ("none", None, None),
        ("hidden", None, Some("* Unread: #dev 2 (1 for you).")),
    ] {
        let mut stage = alice_is_away();
        log_in(&mut stage, "x", "alice");
        stage.say("x", &format!("/level {level} #dev"));
        stage.leave("x");
        for (at, (text, expected)) in [("one", quiet), ("two, @alice", called)].iter().enumerate() {
            stage.say("b", text);
            let device = format!("d{at}");
            stage.open(&device, LINES, Visit::default());
            stage.say(&device, "/login alice");
            stage.say(&device, "password of alice");
            let told = stage.hear(&device);
            let told = told.iter().find(|line| line.starts_with("* Unread"));
            assert_eq!(told.map(String::as_str), *expected, "{level}: {text}");
            stage.leave(&device);
        }
    }
}

#[test]
fn what_was_said_to_one_alone_is_unread_until_it_is_read() {
    let mut stage = alice_is_away();
    stage.play(
        "
        b> /msg alice one
        b< [you -> alice] one
        b> two
        b> /msg alice three
        b< [you -> alice] three
        ",
    );
    log_in(&mut stage, "a", "alice");
    program_of(&mut stage, "a", "p");
    let told = ask(&mut stage, "p", &json!({ "type": "unread" }));
    let of_bob = told["rooms"].as_array().expect("a list").iter().find(|it| it["with"] == "bob");
    let expected = json!({
        "with": "bob", "read": 0, "last": 2, "unread": 2, "mentions": 0, "level": "all"
    });
    assert_eq!(of_bob, Some(&expected));
    let read = json!({ "type": "read", "to": "bob", "id": 1 });
    assert_eq!(ask(&mut stage, "p", &read)["unread"], 1);
    stage.play(
        "
        a> /unread @bob
        a< * 1 unread from bob (UTC):
        a< *   2026-11-22 13:05:09 (2) bob: three
        a< * Unread: #dev 1.
        p< {\"type\":\"read\",\"with\":\"bob\",\"id\":2,\"unread\":0,\"mentions\":0,\"level\":\"all\"}
        ",
    );
}

#[test]
fn everybody_is_called_in_small_rooms_by_anybody_and_in_large_ones_by_few() {
    let mut stage = alice_is_away();
    log_in(&mut stage, "a", "alice");
    stage.say("a", "/room #dev entry all");
    program_of(&mut stage, "a", "p");
    stage.say("b", "@all: tea");
    stage.say("b", "so: ＠ｈｅｒｅ");
    assert_eq!(unread(&mut stage, "p"), [("#dev".to_owned(), 2, 2)]);
    let guests: Vec<String> = (0..19).map(|n| format!("g{n}")).collect();
    let names: Vec<&str> = guests.iter().map(String::as_str).collect();
    stage.seat(&names);
    names.iter().for_each(|name| stage.say(name, "/join #dev"));
    stage.say("b", "@all: too many");
    stage.say("g1", "@alice: but you");
    assert_eq!(unread(&mut stage, "p"), [("#dev".to_owned(), 4, 3)]);
    stage.say("g1", "/leave #dev");
    stage.say("g2", "@all: a guest");
    stage.say("g2", "@all @alice: counts once");
    assert_eq!(unread(&mut stage, "p"), [("#dev".to_owned(), 6, 5)]);
}

#[test]
fn who_comes_anew_has_read_what_was_said_before() {
    let mut stage = alice_is_away();
    stage.say("b", "@alice one");
    log_in(&mut stage, "a", "alice");
    program_of(&mut stage, "a", "p");
    assert_eq!(unread(&mut stage, "p").len(), 1);
    stage.say("p", r##"{"type":"leave","room":"#dev"}"##);
    stage.say("b", "@alice two");
    assert_eq!(unread(&mut stage, "p"), []);
    stage.say("p", r##"{"type":"join","room":"#dev"}"##);
    assert_eq!(unread(&mut stage, "p"), [], "it begins anew");
    stage.say("b", "@alice three");
    assert_eq!(unread(&mut stage, "p"), [("#dev".to_owned(), 1, 1)]);
}

// ---- Kept ----

fn start(disk: &Disk) -> Stage {
    let (store, loaded) = disk.start(100);
    let settings = ChatSettings { registration: Registration::Open, ..settings() };
    let mut stage = Stage::with_store(settings, store, loaded);
    stage.chat =
        stage.chat.with_secrets(std::sync::Arc::new(super::known_secrets::KnownSecrets::default()));
    stage
}

#[test]
fn after_a_crash_two_seconds_are_unread_again_and_what_is_for_somebody_is_exact() {
    let disk = Disk::default();
    let mut stage = start(&disk);
    register(&mut stage, "a", "alice");
    register(&mut stage, "b", "bob");
    program_of(&mut stage, "a", "p");
    for text in ["@alice one", "two", "@all three", "four"] {
        stage.say("b", text);
    }
    ask(&mut stage, "p", &json!({ "type": "read", "room": "#lobby", "id": 1 }));
    stage.pass(2000);
    stage.turn();
    ask(&mut stage, "p", &json!({ "type": "read", "room": "#lobby", "id": 3 }));
    ask(&mut stage, "p", &json!({ "type": "level", "room": "#lobby", "level": "none" }));
    stage.turn();
    assert_eq!(unread(&mut stage, "p"), [("#lobby".to_owned(), 1, 0)]);
    stage.say("b", "@alice five");
    disk.crash(0);

    // A level is kept at once, and how far it had read with it.
    let mut stage = start(&disk);
    log_in(&mut stage, "x", "alice");
    program_of(&mut stage, "x", "p");
    assert_eq!(unread(&mut stage, "p"), [("#lobby".to_owned(), 2, 1)]);
    ask(&mut stage, "p", &json!({ "type": "read", "room": "#lobby", "id": 4 }));
    disk.crash(0);

    let mut stage = start(&disk);
    log_in(&mut stage, "x", "alice");
    program_of(&mut stage, "x", "p");
    assert_eq!(unread(&mut stage, "p"), [("#lobby".to_owned(), 2, 1)], "it was not written yet");
    let back = json!({ "type": "read", "room": "#lobby", "id": 0, "back": true });
    assert_eq!(ask(&mut stage, "p", &back)["mentions"], 3);
    ask(&mut stage, "p", &json!({ "type": "read", "room": "#lobby", "id": 1 }));
    // Its device goes: nothing is to be lost by that.
    stage.leave("p");
    stage.turn();
    disk.crash(0);

    let mut stage = start(&disk);
    log_in(&mut stage, "x", "alice");
    stage.say("x", "/unread");
    let told = stage.hear("x");
    assert!(told.contains(&"* 4 unread in #lobby (UTC):".to_owned()), "{told:?}");
}

#[test]
fn who_goes_back_finds_nothing_for_them_of_whom_they_ignore() {
    let mut stage = alice_is_away();
    stage.say("b", "@alice one");
    log_in(&mut stage, "a", "alice");
    program_of(&mut stage, "a", "p");
    stage.play(
        r##"
        a> /ignore bob
        a< * You see nothing any more of what bob says.
        p> {"type":"read","room":"#dev","id":1}
        p< {"type":"read","room":"#dev","id":1,"unread":0,"mentions":0,"level":"all"}
        p> {"type":"read","room":"#dev","id":0,"back":true}
        p< {"type":"read","room":"#dev","id":0,"unread":1,"mentions":0,"level":"all"}
        a> /unignore bob
        a< * You see again what bob says.
        p> {"type":"read","room":"#dev","id":1}
        p< {"type":"read","room":"#dev","id":1,"unread":0,"mentions":0,"level":"all"}
        p> {"type":"read","room":"#dev","id":0,"back":true}
        p< {"type":"read","room":"#dev","id":0,"unread":1,"mentions":1,"level":"all"}
        "##,
    );
}

#[test]
fn what_is_unread_is_read_from_the_store_where_memory_has_it_no_more() {
    let disk = Disk::default();
    let mut stage = start(&disk);
    register(&mut stage, "a", "alice");
    register(&mut stage, "b", "bob");
    stage.leave("a");
    (1..=70).for_each(|n| stage.say("b", &format!("m{n}")));
    disk.crash(0);
    let (store, loaded) = disk.start(3);
    let mut stage = Stage::with_store(settings(), store, loaded);
    stage.chat =
        stage.chat.with_secrets(std::sync::Arc::new(super::known_secrets::KnownSecrets::default()));
    log_in(&mut stage, "a", "alice");
    stage.say("a", "/unread");
    let told = stage.hear("a");
    assert!(told[1].ends_with("(1) bob: m1") && told[50].ends_with("(50) bob: m50"), "{told:?}");
    assert_eq!(told[51], "* Unread: #lobby 20.");
    stage.say("a", "/unread");
    let told = stage.hear("a");
    assert!(told[20].ends_with("(70) bob: m70"), "{told:?}");
    assert_eq!(told.len(), 21);
}

#[test]
fn what_is_read_by_asking_is_not_what_is_looked_up() {
    let disk = Disk::default();
    let mut stage = start(&disk);
    register(&mut stage, "a", "alice");
    register(&mut stage, "b", "bob");
    stage.say("a", "/join #dev");
    stage.leave("a");
    (1..=3).for_each(|n| stage.say("b", &format!("m{n}")));
    disk.crash(0);
    let (store, loaded) = disk.start(1);
    let mut stage = Stage::with_store(settings(), store, loaded);
    stage.chat =
        stage.chat.with_secrets(std::sync::Arc::new(super::known_secrets::KnownSecrets::default()));
    log_in(&mut stage, "a", "alice");
    stage.say("a", "/join #dev");
    log_in(&mut stage, "b", "bob");
    stage.say("b", "/join #dev");
    stage.say("b", "this she has seen");
    stage.turn();
    stage.hear("a");
    stage.say("a", "/unread");
    let told = stage.hear("a");
    assert_eq!(told[0], "* 3 unread in #lobby (UTC):");
    assert!(told[1].ends_with("(1) bob: m1") && told[3].ends_with("(3) bob: m3"), "{told:?}");
}
