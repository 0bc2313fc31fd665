//! What is done about guests holds when they come back.

use serde_json::Value;

use super::people::{open, register};
use super::stage::{JSON, LINES, Showing, Stage, Visit};

/// A guest comes, with the token that it had or for a new one, which is returned.
fn come(stage: &mut Stage, actor: &str, name: Option<&str>, resume: &str) -> String {
    let (visit, resume) = (Visit { name, room: Some("lobby") }, Some(resume));
    stage.open_showing(actor, JSON, visit, Showing { resume, ..Showing::default() });
    let welcome = stage.objects(actor).into_iter().next().expect("a welcome");
    welcome["resume"].as_str().expect("a token").to_owned()
}

#[track_caller]
fn ask(stage: &mut Stage, actor: &str, request: &str) -> Value {
    stage.forget();
    stage.say(actor, request);
    stage.objects(actor).pop().expect("an answer")
}

const GOODBYE: &str = "-eve bye\nalice< * eve left #lobby.\nalice< * eve left #ops.";
const ROOM: &str = r##"{"type":"join","room":"#dev"}"##;

/// alice owns #dev, to which all may come, and has muted and removed eve, whom she ignores.
fn with_eve() -> (Stage, String) {
    let mut stage = open();
    register(&mut stage, "alice", "alice");
    for line in ["/join #dev", "/room entry all", "/join #ops", "/room entry all"] {
        stage.say("alice", line);
    }
    let token = come(&mut stage, "eve", Some("eve"), "");
    stage.say("eve", ROOM);
    stage.say("eve", &ROOM.replace("dev", "ops"));
    for line in ["/mute eve spam", "/join #dev", "/kick eve", "/ignore eve"] {
        stage.say("alice", line);
    }
    stage.forget();
    (stage, token)
}

#[test]
fn who_closes_its_tab_is_still_muted_removed_and_ignored() {
    for goodbye in [true, false] {
        let (mut stage, token) = with_eve();
        match goodbye {
            true => stage.play(GOODBYE),
            false => stage.leave("eve"),
        }
        stage.pass(60_000);
        stage.forget();
        let token = come(&mut stage, "back", None, &token);
        assert_eq!(ask(&mut stage, "back", ROOM)["code"], "removed");
        stage.say("back", &ROOM.replace("dev", "ops"));
        let say = r##"{"type":"say","room":"#ops","text":"again"}"##;
        assert_eq!(ask(&mut stage, "back", say)["code"], "muted");
        stage.say("back", r##"{"type":"say","room":"#lobby","text":"again"}"##);
        assert_eq!(stage.hear("alice"), Vec::<String>::new());
        // And once more, and it can be ended.
        stage.leave("back");
        stage.pass(60_000);
        stage.forget();
        come(&mut stage, "third", None, &token);
        assert_eq!(ask(&mut stage, "third", ROOM)["code"], "removed");
        for line in ["/unignore eve", "/invite eve", "/join #ops", "/unmute eve"] {
            stage.say("alice", line);
        }
        assert_eq!(ask(&mut stage, "third", ROOM)["type"], "joined");
        stage.say("third", &ROOM.replace("dev", "ops"));
        assert_eq!(ask(&mut stage, "third", say)["type"], "said");
    }
}

#[test]
fn what_was_done_is_forgotten_with_the_token() {
    let (mut stage, token) = with_eve();
    stage.play(GOODBYE);
    stage.pass(25 * 60 * 60 * 1000);
    come(&mut stage, "back", Some("eve"), &token);
    assert_eq!(ask(&mut stage, "back", ROOM)["type"], "joined");
}

#[test]
fn who_is_removed_from_a_private_room_does_not_come_back_by_its_link() {
    let mut stage = open();
    register(&mut stage, "alice", "alice");
    for line in ["/join #hq", "/room entry invited", "/invite #hq 5"] {
        stage.say("alice", line);
    }
    let told = stage.hear("alice");
    let shown = told.iter().find(|line| line.starts_with("* Invitation")).expect("a code");
    let code = shown.rsplit(' ').next().expect("a code").to_owned();
    let join = format!(r##"{{"type":"join","room":"#hq","code":"{code}"}}"##);
    stage.open("eve", JSON, Visit { name: Some("eve"), room: Some("lobby") });
    stage.open("fay", JSON, Visit { name: Some("fay"), room: Some("lobby") });
    assert_eq!(ask(&mut stage, "eve", &join)["type"], "joined");
    stage.forget();
    stage.say("alice", "/kick eve");
    let told = stage.hear("alice");
    assert_eq!(
        told.last().map(String::as_str),
        Some("* eve is removed from #hq. The invitation by which they came has ended.")
    );
    stage.leave("eve");
    stage.open("eve2", JSON, Visit { name: Some("eve2"), room: Some("lobby") });
    for guest in ["eve2", "fay"] {
        assert_eq!(ask(&mut stage, guest, &join)["code"], "code_refused", "{guest}");
    }
}

#[test]
fn who_ignores_somebody_is_told_nothing_of_what_they_say_on_their_way() {
    let mut stage = open();
    register(&mut stage, "alice", "alice");
    register(&mut stage, "bob", "bob");
    stage.open("page", JSON, Visit { name: Some("page"), room: Some("lobby") });
    stage.open("eve", LINES, Visit { name: Some("eve"), room: None });
    stage.say("eve", "hello");
    stage.say("page", r#"{"type":"ignore","name":"eve"}"#);
    for line in ["/ignore eve", "/ignore bob", "/join #x", "/leave #x"] {
        stage.say("alice", line);
    }
    stage.say("bob", "/join #tea");
    stage.forget();
    stage.say("bob", "/invite alice");
    assert_eq!(stage.hear("alice"), Vec::<String>::new());
    assert_eq!(stage.hear("bob"), ["* alice may join #tea now."]);
    stage.say("eve", "/quit alice is a fool");
    assert_eq!(stage.hear("alice"), ["* eve left #lobby."]);
    assert_eq!(stage.hear("bob"), ["* eve left #lobby: alice is a fool"]);
    let left = stage.objects("page").pop().expect("left");
    assert_eq!((left["type"].as_str(), left.get("reason")), (Some("left"), None));
}

#[test]
fn calls_of_those_whom_somebody_ignores_are_not_counted() {
    let mut stage = open();
    register(&mut stage, "alice", "alice");
    register(&mut stage, "bob", "bob");
    stage.open("eve", LINES, Visit { name: Some("eve"), room: None });
    stage.say("eve", "hello");
    stage.open("page", JSON, Visit::default());
    stage.say("page", r#"{"type":"login","name":"alice","password":"password of alice"}"#);
    for line in ["/ignore eve", "/ignore bob"] {
        stage.say("alice", line);
    }
    stage.leave("alice");
    for (actor, text) in [("bob", "@all: one"), ("eve", "@all: two"), ("bob", "@alice three")] {
        stage.say(actor, text);
    }
    stage.forget();
    stage.say("page", r#"{"type":"unread"}"#);
    let told = stage.objects("page").pop().expect("what is unread");
    assert_eq!(told["rooms"][0]["mentions"], 0, "{told}");
}
