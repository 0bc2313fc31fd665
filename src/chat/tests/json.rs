//! The JSON dialect: every type, field and error code, and how a program comes back without losing
//! or repeating a message.

use serde_json::json;

use super::stage::{JSON, LINES, Stage, Visit, play, settings};
use crate::service::Outcome;

/// A program on a stage with a terminal, both in #lobby.
fn web_and_ann() -> Stage {
    let mut stage = Stage::new(settings());
    stage.seat(&["ann"]);
    stage.play(r##"
        +web json name=web
        web< {"type": "welcome", "name": "web", "epoch": "e1", "server": "_", "time": 1795352709000, "limits": {"message_bytes": 65536, "message_lines": 500, "name_chars": 32, "room_chars": 64, "rooms": 50}}
    "##);
    stage.play(r##"
        web> {"type": "join", "room": "lobby", "ref": "j"}
        ann< * web joined #lobby.
        web< {"type": "joined", "room": "#lobby", "name": "web", "time": 1795352709000, "you": true, "position": 0, "gap": false, "members": 2, "topic": "", "ref": "j"}
    "##);
    stage
}

#[test]
fn a_program_is_welcomed_and_joins_by_itself() {
    play(
        r##"
        +web json
        web< {"type": "welcome", "name": "guest-1", "epoch": "e1", "server": "_", "time": 1795352709000, "limits": "_"}
        web> {"type": "say", "text": "hello"}
        web< {"type": "error", "code": "no_room", "message": "_"}
        +app json name=app room=#,dev
        app< {"type": "welcome", "name": "app", "epoch": "_", "server": "_", "time": "_", "limits": "_"}
        app< {"type": "error", "code": "room_refused", "message": "_"}
        +bot json name=APP room=dev
        bot< {"type": "welcome", "name": "guest-2", "epoch": "_", "server": "_", "time": "_", "limits": "_"}
        bot< {"type": "joined", "room": "#dev", "name": "guest-2", "time": "_", "you": true, "position": 0, "gap": false, "members": 1, "topic": ""}
        bot< {"type": "error", "code": "name_taken", "message": "The name APP is taken. Choose another one."}
    "##,
    );
    let server = {
        let mut stage = Stage::new(settings());
        stage.open("web", JSON, Visit::default());
        stage.objects("web")[0]["server"].clone()
    };
    assert_eq!(server, json!(format!("chat-server/{}", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn saying_and_doing() {
    web_and_ann().play(r##"
        web> {"type": "say", "room": "#lobby", "text": "hello", "ref": 7}
        ann< [#lobby] web: hello
        web< {"type": "said", "room": "#lobby", "id": 1, "time": 1795352709000, "name": "web", "text": "hello", "ref": 7}
        web> {"type": "say", "text": "no ref"}
        ann< [#lobby] web: no ref
        web< {"type": "said", "room": "#lobby", "id": 2, "time": "_", "name": "web", "text": "no ref"}
        @+1500
        web> {"type": "me", "text": "waves", "ref": "x", "unknown": [1, {}]}
        ann< [#lobby] * web waves
        web< {"type": "said", "room": "#lobby", "id": 3, "time": 1795352710500, "name": "web", "text": "waves", "me": true, "ref": "x"}
        ann> /me waves back
        web< {"type": "said", "room": "#lobby", "id": 4, "time": "_", "name": "ann", "text": "waves back", "me": true}
        ann> and says "hi" \o/
        web< {"type": "said", "room": "#lobby", "id": 5, "time": "_", "name": "ann", "text": "and says \"hi\" \\o/"}
        web> {"type": "say", "text": "a\u001b[2J\nb\u202e\u0000"}
        ann< [#lobby] web: a[2J
        ann< | b
        web< {"type": "said", "room": "#lobby", "id": 6, "time": "_", "name": "web", "text": "a[2J\nb"}
        web> {"type": "say", "text": "/quit"}
        ann< [#lobby] web: /quit
        web< {"type": "said", "room": "#lobby", "id": 7, "time": "_", "name": "web", "text": "/quit"}
    "##);
}

#[test]
fn a_reference_goes_to_its_owner_alone() {
    let mut stage = web_and_ann();
    stage.play(r##"
        +app json name=app room=lobby
        ann< * app joined #lobby.
        web< {"type": "joined", "room": "#lobby", "name": "app", "time": "_"}
        app< {"type": "welcome", "name": "app", "epoch": "_", "server": "_", "time": "_", "limits": "_"}
        app< {"type": "joined", "room": "#lobby", "name": "app", "time": "_", "you": true, "position": 0, "gap": false, "members": 3, "topic": ""}
        web> {"type": "say", "text": "one", "ref": "r1"}
        app> {"type": "say", "text": "two", "ref": "r1"}
        web> {"type": "say", "text": "three", "ref": 1.5}
        web> {"type": "say", "text": "four", "ref": -3}
        ann< [#lobby] web: one
        ann< [#lobby] app: two
        ann< [#lobby] web: three
        ann< [#lobby] web: four
        web< {"type": "said", "room": "#lobby", "id": 1, "time": "_", "name": "web", "text": "one", "ref": "r1"}
        web< {"type": "said", "room": "#lobby", "id": 2, "time": "_", "name": "app", "text": "two"}
        web< {"type": "said", "room": "#lobby", "id": 3, "time": "_", "name": "web", "text": "three", "ref": 1.5}
        web< {"type": "said", "room": "#lobby", "id": 4, "time": "_", "name": "web", "text": "four", "ref": -3}
        app< {"type": "said", "room": "#lobby", "id": 1, "time": "_", "name": "web", "text": "one"}
        app< {"type": "said", "room": "#lobby", "id": 2, "time": "_", "name": "app", "text": "two", "ref": "r1"}
        app< {"type": "said", "room": "#lobby", "id": 3, "time": "_", "name": "web", "text": "three"}
        app< {"type": "said", "room": "#lobby", "id": 4, "time": "_", "name": "web", "text": "four"}
        web> {"type": "topic", "text": "refs", "ref": "t"}
        ann< * web set the topic of #lobby: refs
        web< {"type": "topic", "room": "#lobby", "topic": "refs", "name": "web", "time": "_", "ref": "t"}
        app< {"type": "topic", "room": "#lobby", "topic": "refs", "name": "web", "time": "_"}
        web> {"type": "topic", "text": ""}
        ann< * web cleared the topic of #lobby.
        web< {"type": "topic", "room": "#lobby", "topic": "", "name": "web", "time": "_"}
        app< {"type": "topic", "room": "#lobby", "topic": "", "name": "web", "time": "_"}
        app> {"type": "topic", "ref": 0}
        app< {"type": "topic", "room": "#lobby", "topic": "", "ref": 0}
    "##);
}

#[test]
fn direct_messages_names_and_leaving() {
    web_and_ann().play(r##"
        web> {"type": "msg", "to": "ANN", "text": "psst", "ref": "m"}
        ann< [web -> you] psst
        web< {"type": "direct", "from": "web", "to": "ann", "text": "psst", "time": "_", "guest": true, "ref": "m"}
        ann> /msg web psst
        ann< [you -> web] psst
        web< {"type": "direct", "from": "ann", "to": "web", "text": "psst", "time": "_", "guest": true}
        web> {"type": "msg", "to": "web", "text": "note", "ref": "n"}
        web< {"type": "direct", "from": "web", "to": "web", "text": "note", "time": "_", "guest": true, "ref": "n"}
        web> {"type": "nick", "name": "Web-2", "ref": "k"}
        ann< * web is Web-2 now.
        web< {"type": "renamed", "from": "web", "to": "Web-2", "time": "_", "you": true, "ref": "k"}
        ann> /nick anna
        ann< * You are anna now.
        web< {"type": "renamed", "room": "#lobby", "from": "ann", "to": "anna", "time": "_"}
        web> {"type": "join", "room": "#dev", "ref": 2}
        web< {"type": "joined", "room": "#dev", "name": "Web-2", "time": "_", "you": true, "position": 0, "gap": false, "members": 1, "topic": "", "ref": 2}
        ann> /join #dev
        ann< * You are in #dev now, with 1 other.
        web< {"type": "joined", "room": "#dev", "name": "anna", "time": "_"}
        web> {"type": "leave", "room": "#lobby", "ref": "l"}
        ann< * Web-2 left #lobby.
        web< {"type": "left", "room": "#lobby", "name": "Web-2", "time": "_", "you": true, "ref": "l"}
        ann> /quit so long
        ann< * Goodbye.
        ann< (closed)
        web< {"type": "left", "room": "#dev", "name": "anna", "time": "_", "reason": "so long"}
        web> {"type": "leave"}
        web< {"type": "left", "room": "#dev", "name": "Web-2", "time": "_", "you": true}
    "##);
}

#[test]
fn typing_is_told_to_other_programs_only() {
    let mut stage = web_and_ann();
    stage.play(r##"
        +page text name=page
        ann< * page joined #lobby.
        web< {"type": "joined", "room": "#lobby", "name": "page", "time": "_"}
        page< * Welcome!…
        +app json name=app room=lobby
        ann< * app joined #lobby.
        page< * app joined #lobby.
        web< {"type": "joined", "room": "#lobby", "name": "app", "time": "_"}
        app< {"type": "welcome", "name": "app", "epoch": "_", "server": "_", "time": "_", "limits": "_"}
        app< {"type": "joined", "room": "#lobby", "name": "app", "time": "_", "you": true, "position": 0, "gap": false, "members": 4, "topic": ""}
        web> {"type": "typing", "room": "#lobby", "ref": 1}
        app< {"type": "typing", "room": "#lobby", "name": "web"}
        app> {"type": "typing"}
        web< {"type": "typing", "room": "#lobby", "name": "app"}
        app> {"type": "typing", "room": "#dev", "ref": 2}
        app< {"type": "error", "code": "no_such_room", "message": "_", "ref": 2}
        ann> /join #dev
        ann< * You are in #dev now, with nobody else.
        app> {"type": "typing", "room": "#dev", "ref": 3}
        app< {"type": "error", "code": "not_in_room", "message": "_", "ref": 3}
    "##);
}

#[test]
fn members_and_rooms_come_in_pages() {
    let mut stage = web_and_ann();
    stage.play(r##"
        web> {"type": "who", "ref": 1}
        web< {"type": "members", "room": "#lobby", "members": ["ann", "web"], "total": 2, "ref": 1}
        web> {"type": "who", "room": "lobby", "limit": 1, "ref": 2}
        web< {"type": "members", "room": "#lobby", "members": ["ann"], "total": 2, "next": 1, "ref": 2}
        web> {"type": "who", "room": "lobby", "limit": 1, "after": 1}
        web< {"type": "members", "room": "#lobby", "members": ["web"], "total": 2}
        web> {"type": "who", "after": 18446744073709551615, "limit": 4294967295}
        web< {"type": "members", "room": "#lobby", "members": [], "total": 2}
        web> {"type": "who", "name": "WE"}
        web< {"type": "members", "room": "#lobby", "members": ["web"], "total": 1}
        web> {"type": "who", "name": "n", "limit": 1, "after": 1}
        web< {"type": "members", "room": "#lobby", "members": [], "total": 1}
        web> {"type": "who", "limit": 0}
        web< {"type": "members", "room": "#lobby", "members": ["ann"], "total": 2, "next": 1}
        ann> /join #dev
        ann< * You are in #dev now, with nobody else.
        ann> /topic code
        ann< * ann set the topic of #dev: code
        web> {"type": "rooms", "ref": 3}
        web< {"type": "rooms", "rooms": [{"room": "#lobby", "members": 2, "topic": ""}, {"room": "#dev", "members": 1, "topic": "code"}], "total": 2, "ref": 3}
        web> {"type": "rooms", "limit": 1}
        web< {"type": "rooms", "rooms": [{"room": "#lobby", "members": 2, "topic": ""}], "total": 2, "next": 1}
        web> {"type": "rooms", "after": 1}
        web< {"type": "rooms", "rooms": [{"room": "#dev", "members": 1, "topic": "code"}], "total": 2}
        web> {"type": "rooms", "after": 18446744073709551615}
        web< {"type": "rooms", "rooms": [], "total": 2}
        web> {"type": "who", "room": "#dev"}
        web< {"type": "members", "room": "#dev", "members": ["ann"], "total": 1}
    "##);
    let names: Vec<String> = (0..130).map(|i| format!("p{i}")).collect();
    for name in &names {
        stage.open(name, LINES, Visit { name: Some(name), room: None });
    }
    stage.forget();
    let (mut seen, mut after) = (Vec::new(), json!(0));
    while !after.is_null() {
        stage.say("web", &json!({"type": "who", "after": after, "limit": 1000}).to_string());
        let page = stage.objects("web").remove(0);
        assert!(page["members"].as_array().is_some_and(|members| members.len() <= 50));
        seen.extend(
            page["members"]
                .as_array()
                .expect("members")
                .iter()
                .map(|name| name.as_str().expect("a name").to_owned()),
        );
        after = page["next"].clone();
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 132);
}

#[test]
fn history_before_after_and_how_much() {
    let mut stage = web_and_ann();
    for i in 1..251 {
        stage.say("ann", &format!("m{i}"));
    }
    stage.forget();
    let mut ask = |fields: &str, ids: std::ops::Range<u64>, more: bool| {
        stage.say("web", &format!(r#"{{"type": "history", "ref": "h"{fields}}}"#));
        let answer = stage.objects("web").remove(0);
        let expected: Vec<_> = ids
            .map(|id| json!({"id": id, "time": 1_795_352_709_000u64, "name": "ann", "text": format!("m{id}")}))
            .collect();
        assert_eq!(
            answer,
            json!({"type": "history", "room": "#lobby", "messages": expected, "more": more, "ref": "h"}),
            "{fields}"
        );
    };
    ask("", 201..251, true);
    ask(r##", "room": "#LOBBY""##, 201..251, true);
    ask(r#", "limit": 1000"#, 151..251, true);
    ask(r#", "limit": 3"#, 248..251, true);
    ask(r#", "limit": 0"#, 250..251, true);
    ask(r#", "before": 201, "limit": 100"#, 101..201, true);
    ask(r#", "before": 101, "limit": 100"#, 1..101, false);
    ask(r#", "before": 1"#, 0..0, false);
    ask(r#", "before": 0"#, 0..0, false);
    ask(r#", "before": 18446744073709551615, "limit": 1"#, 250..251, true);
    ask(r#", "after": 0"#, 1..51, true);
    ask(r#", "after": 200"#, 201..251, false);
    ask(r#", "after": 199, "limit": 50"#, 200..250, true);
    ask(r#", "after": 250"#, 0..0, false);
    ask(r#", "after": 18446744073709551615"#, 0..0, false);
}

/// What a program is told on joining: the answer, then the ids that are replayed, and whether there
/// were more before them.
fn joined(stage: &mut Stage, fields: &str) -> (serde_json::Value, Vec<u64>, Vec<bool>) {
    stage.say("web", &format!(r##"{{"type": "join", "room": "#lobby", "ref": "j"{fields}}}"##));
    let mut objects = stage.objects("web");
    let (mut ids, mut more) = (Vec::new(), Vec::new());
    for page in objects.split_off(1) {
        assert_eq!(
            (&page["type"], &page["replay"], &page["room"]),
            (&json!("history"), &json!(true), &json!("#lobby"))
        );
        assert!(page.get("ref").is_none());
        ids.extend(
            page["messages"]
                .as_array()
                .expect("messages")
                .iter()
                .map(|line| line["id"].as_u64().expect("an id")),
        );
        more.push(page["more"].as_bool().expect("more"));
    }
    let answer = objects.remove(0);
    assert_eq!((&answer["you"], &answer["ref"]), (&json!(true), &json!("j")));
    (answer, ids, more)
}

#[test]
fn a_program_that_comes_back_gets_what_it_missed() {
    let mut stage = Stage::new(crate::chat::settings::ChatSettings {
        rooms: crate::chat::state::rooms::RoomLimits {
            history: crate::chat::state::history::HistoryLimits {
                messages_max: 150,
                bytes_max: 1 << 20,
            },
            ..settings().rooms
        },
        ..settings()
    });
    stage.seat(&["ann"]);
    for i in 1..201 {
        stage.say("ann", &format!("m{i}"));
    }
    stage.open("web", JSON, Visit::default());
    stage.forget();
    // 51 to 200 are held.
    for (fields, ids, gap) in [
        ("", 181..201, false),
        (r#", "replay": 0"#, 0..0, false),
        (r#", "replay": 3"#, 198..201, false),
        (r#", "replay": 4294967295"#, 51..201, false),
        (r#", "since": 190"#, 191..201, false),
        (r#", "since": 190, "epoch": "e1""#, 191..201, false),
        (r#", "since": 190, "epoch": "e0""#, 181..201, true),
        (r#", "since": 190, "epoch": "e0", "replay": 1"#, 200..201, true),
        (r#", "since": 200, "epoch": "e1""#, 0..0, false),
        (r#", "since": 201, "epoch": "e1""#, 181..201, true),
        (r#", "since": 18446744073709551615"#, 181..201, true),
        (r#", "since": 50, "epoch": "e1""#, 51..201, false),
        (r#", "since": 49, "epoch": "e1""#, 51..201, true),
        (r#", "since": 0, "epoch": "e1""#, 51..201, true),
        (r#", "since": 190, "replay": 2"#, 191..201, false),
    ] {
        let (answer, told, more) = joined(&mut stage, fields);
        assert_eq!(told, ids.clone().collect::<Vec<_>>(), "{fields}");
        assert_eq!((&answer["gap"], &answer["position"]), (&json!(gap), &json!(200)), "{fields}");
        assert_eq!(more.first().copied(), (!ids.is_empty()).then_some(ids.start > 51), "{fields}");
        assert!(more.len() <= 2, "a hundred messages a frame");
        stage.say("web", r#"{"type": "leave"}"#);
        stage.forget();
    }
    // In the room already: nothing is replayed unless it is asked for.
    let _ = joined(&mut stage, r#", "replay": 0"#);
    assert_eq!(joined(&mut stage, "").1, [0u64; 0]);
    assert_eq!(joined(&mut stage, r#", "since": 199"#).1, [200]);
    assert_eq!(stage.hear("ann"), ["* guest-1 joined #lobby."], "once, however often it asks");
}

#[test]
fn every_error_has_its_code_and_carries_the_reference() {
    let mut stage = Stage::new(crate::chat::settings::ChatSettings {
        rooms_per_client_max: 2,
        rooms: crate::chat::state::rooms::RoomLimits { rooms_max: 3, ..settings().rooms },
        ..settings()
    });
    stage.seat(&["ann"]);
    stage.open("web", JSON, Visit { name: Some("web"), room: Some("lobby") });
    stage.say("ann", "/join #dev");
    stage.forget();
    let state = |stage: &Stage| format!("{:?}", stage.chat.state);
    let before = state(&stage);
    let long = "x".repeat(500);
    for (request, code) in [
        (r#"{"type": "dance"}"#, "unknown_type"),
        (r#"{"type": "quit"}"#, "unknown_type"),
        (r#"{"type": "help"}"#, "unknown_type"),
        (r#"{"type": ""}"#, "unknown_type"),
        (r#"{"no": "type"}"#, "missing_field"),
        (r#"{"type": null}"#, "missing_field"),
        (r#"{"type": "say"}"#, "missing_field"),
        (r#"{"type": "me"}"#, "missing_field"),
        (r#"{"type": "msg", "to": "ann"}"#, "missing_field"),
        (r#"{"type": "msg", "text": "hello"}"#, "missing_field"),
        (r#"{"type": "join"}"#, "missing_field"),
        (r#"{"type": "nick"}"#, "missing_field"),
        (r#"{"type": 5}"#, "bad_field"),
        (r#"{"type": "say", "text": 5}"#, "bad_field"),
        (r#"{"type": "say", "text": ["x"]}"#, "bad_field"),
        (r##"{"type": "join", "room": "#x", "since": -1}"##, "bad_field"),
        (r##"{"type": "join", "room": "#x", "since": 1.5}"##, "bad_field"),
        (r##"{"type": "join", "room": "#x", "replay": 4294967296}"##, "bad_field"),
        (r#"{"type": "history", "before": "12"}"#, "bad_field"),
        (&format!(r#"{{"type": "history", "before": "{}"}}"#, "あ".repeat(20_000)), "bad_field"),
        (r#"{"type": "nick", "name": "ANN"}"#, "name_taken"),
        (r#"{"type": "nick", "name": "a b"}"#, "name_refused"),
        (r#"{"type": "nick", "name": ""}"#, "name_refused"),
        (r#"{"type": "nick", "name": "a\u0000b"}"#, "name_refused"),
        (r##"{"type": "join", "room": "#a b"}"##, "room_refused"),
        (r#"{"type": "join", "room": ""}"#, "room_refused"),
        (r##"{"type": "say", "room": "#nowhere", "text": "x"}"##, "no_such_room"),
        (r##"{"type": "who", "room": "#nowhere"}"##, "no_such_room"),
        (r#"{"type": "history", "room": "\u001b"}"#, "no_such_room"),
        (r##"{"type": "say", "room": "#dev", "text": "x"}"##, "not_in_room"),
        (r##"{"type": "topic", "room": "#dev", "text": "x"}"##, "not_in_room"),
        (r##"{"type": "topic", "room": "#dev"}"##, "not_in_room"),
        (r##"{"type": "history", "room": "#dev"}"##, "not_in_room"),
        (r##"{"type": "leave", "room": "#dev"}"##, "not_in_room"),
        (r#"{"type": "msg", "to": "nobody-here", "text": "x"}"#, "no_such_name"),
        (r#"{"type": "say", "text": ""}"#, "text_empty"),
        (r#"{"type": "say", "text": " \n\u001b "}"#, "text_empty"),
        (r#"{"type": "me", "text": "\t"}"#, "text_empty"),
        (r#"{"type": "msg", "to": "ann", "text": "\u202e"}"#, "text_empty"),
        (&format!(r#"{{"type": "topic", "text": "{long}"}}"#), "text_refused"),
    ] {
        for reference in [json!("r"), json!(5), json!("x".repeat(64))] {
            let request = format!(
                r#"{{"ref": {reference}, {}"#,
                request.strip_prefix('{').expect("an object")
            );
            assert_eq!(stage.offer("web", request.as_bytes()), Outcome::Done);
            let mut objects = stage.objects("web");
            assert_eq!(objects.len(), 1, "{request}: {objects:?}");
            let error = objects.remove(0);
            let message = error["message"].as_str().expect("a message").to_owned();
            assert_eq!(
                error,
                json!({"type": "error", "code": code, "message": message, "ref": reference}),
                "{request}"
            );
            assert!(message.ends_with(['.', '?']) && message.chars().count() < 300, "{message}");
            assert!(message.starts_with(|c: char| c.is_uppercase() || c == '"'), "{message}");
        }
    }
    for (request, code) in [
        ("", "bad_json"),
        ("hello", "bad_json"),
        ("{", "bad_json"),
        ("[]", "bad_json"),
        ("5", "bad_json"),
        ("null", "bad_json"),
        (r#""say""#, "bad_json"),
        (
            r#"["say", null, "lobby", "hello", null, null, null, null, null, null, null, null]"#,
            "bad_json",
        ),
        (r#"{"type": "rooms"} {}"#, "bad_json"),
        (r#"{"type": "rooms", "ref": true}"#, "bad_field"),
        (r#"{"type": "rooms", "ref": {}}"#, "bad_field"),
        (&format!(r#"{{"type": "rooms", "ref": "{}"}}"#, "x".repeat(65)), "bad_field"),
        (&"[".repeat(60_000), "bad_json"),
        (
            &format!(r#"{{"type": "say", "text": "x", "more": {}"#, r#"{"a":"#.repeat(10_000)),
            "bad_json",
        ),
    ] {
        assert_eq!(stage.offer("web", request.as_bytes()), Outcome::Done);
        let objects = stage.objects("web");
        assert_eq!(objects.len(), 1, "{request:.80}: {objects:?}");
        assert_eq!(
            (&objects[0]["type"], &objects[0]["code"]),
            (&json!("error"), &json!(code)),
            "{request:.80}: {objects:?}"
        );
        assert!(objects[0].get("ref").is_none(), "{request:.80}");
    }
    assert_eq!(stage.hear("ann"), [""; 0], "nobody else is told of errors");
    assert_eq!(state(&stage), before, "what is refused changes nothing");
    stage.play(r##"
        web> {"type": "join", "room": "#x"}
        web< {"type": "joined", "room": "#x", "name": "web", "time": "_", "you": true, "position": 0, "gap": false, "members": 1, "topic": ""}
        web> {"type": "join", "room": "#dev", "ref": 1}
        web< {"type": "error", "code": "too_many_rooms", "message": "_", "ref": 1}
        +app json name=app
        app< {"type": "welcome", "name": "app", "epoch": "_", "server": "_", "time": "_", "limits": "_"}
        app> {"type": "join", "room": "#y", "ref": 2}
        app< {"type": "error", "code": "server_full", "message": "_", "ref": 2}
        app> {"type": "leave", "ref": 3}
        app< {"type": "error", "code": "no_room", "message": "_", "ref": 3}
    "##);
}

#[test]
fn a_null_field_is_one_that_is_absent() {
    web_and_ann().play(
        r##"
        web> {"type": "topic", "text": null, "room": null, "ref": null}
        web< {"type": "topic", "room": "#lobby", "topic": ""}
        web> {"type": "history", "before": null, "after": null, "limit": null}
        web< {"type": "history", "room": "#lobby", "messages": [], "more": false}
    "##,
    );
}

/// What a program is told of one request: one object.
#[track_caller]
fn answer(stage: &mut Stage, request: &str) -> String {
    assert_eq!(stage.offer("web", request.as_bytes()), Outcome::Done);
    let mut heard = stage.hear("web");
    assert_eq!(heard.len(), 1, "{request}: {heard:?}");
    heard.remove(0)
}

#[test]
fn a_reference_comes_back_as_it_was_written() {
    let mut stage = web_and_ann();
    let digits = "9".repeat(64);
    let long_text = format!("\"{}\"", "é".repeat(32));
    for reference in [
        "1",
        "0",
        "-0",
        "-17",
        "1.0",
        "1.5",
        "1e3",
        "1E+3",
        "-2.50e-7",
        "9007199254740993",
        "18446744073709551616",
        "1e400",
        &digits,
        r#""""#,
        r#""r1""#,
        r#""\u00e9\n\"\\\/""#,
        r#""😀""#,
        r#""\ud83d\ude00""#,
        &long_text,
    ] {
        for request in [
            r#""type": "say", "text": "hello""#,
            r#""type": "me", "text": "waves""#,
            r#""type": "msg", "to": "web", "text": "psst""#,
            r#""type": "msg", "to": "ann", "text": "psst""#,
            r#""type": "topic", "text": "t""#,
            r#""type": "topic""#,
            r#""type": "nick", "name": "web""#,
            r#""type": "history", "limit": 1"#,
            r#""type": "who""#,
            r#""type": "rooms""#,
            r#""type": "dance""#,
            r#""type": "say", "text": 5"#,
            r#""type": "say""#,
        ] {
            for object in [
                format!("{{\"ref\": {reference}, {request}}}"),
                format!("{{{request}, \"ref\": {reference}}}"),
            ] {
                let answer = answer(&mut stage, &object);
                assert!(answer.ends_with(&format!(",\"ref\":{reference}}}")), "{object}: {answer}");
            }
        }
    }
}

#[test]
fn a_reference_that_is_none_is_an_error_without_one() {
    let mut stage = web_and_ann();
    let long_number = "9".repeat(65);
    let long_text = format!("\"{}\"", "x".repeat(65));
    for reference in [
        "true",
        "false",
        "{}",
        "[1]",
        "{\"ref\": 1}",
        &long_number,
        &long_text,
        "1, \"ref\": 2",
        "null, \"ref\": 2, \"ref\": 3",
    ] {
        let answer = answer(&mut stage, &format!("{{\"type\": \"rooms\", \"ref\": {reference}}}"));
        assert!(
            answer.contains("\"code\":\"bad_field\"") && !answer.contains("\"ref\":"),
            "{reference}: {answer}"
        );
    }
    let answer = answer(&mut stage, r#"{"type": "rooms", "ref": null}"#);
    assert!(answer.contains("\"rooms\"") && !answer.contains("\"ref\""), "{answer}");
}

#[test]
fn an_object_that_is_broken_is_answered_with_its_reference() {
    let mut stage = web_and_ann();
    let nested = format!(r#"{{"ref": "r1", "more": {}"#, "[".repeat(50_000));
    let endless = format!(r#"{{"ref": "r1", {}"#, r#""a": "b", "#.repeat(5_000));
    for (request, code) in [
        (r#"{"ref": "r1""#, "bad_json"),
        (r#"{"ref": "r1", "type": "say", "text": "cut o"#, "bad_json"),
        (r#"{"ref": "r1"} {}"#, "bad_json"),
        (r#"{"type": "say", "text": "\x", "ref": "r1"}"#, "bad_json"),
        (r#"{"type": "say", "text": "\u12", "ref": "r1"}"#, "bad_json"),
        ("{\"type\": \"say\", \"text\": \"two\nlines\", \"ref\": \"r1\"}", "bad_json"),
        (r#"{"type": "say", "text": 01, "ref": "r1"}"#, "bad_json"),
        (r#"{"type": "say", "text": 'x', "ref": "r1"}"#, "bad_json"),
        (r#"{"type": "say", "text": NaN, "ref": "r1"}"#, "bad_json"),
        (r#"{"type": "say", "text": "x", "ref": "r1",}"#, "bad_json"),
        (r#"{"type": "say", "text": {"ref": 2}, "ref": "r1"}"#, "bad_field"),
        (r#"{"type": "say", "text": ["}", "\"", {"ref": 2}], "ref": "r1"}"#, "bad_field"),
        (r#"{"type": "say", "text": "a", "text": "b", "ref": "r1"}"#, "bad_field"),
        (r#"{"ty\u0070e": "rooms", "type": "rooms", "\u0072ef": "r1"}"#, "bad_field"),
        (r#"{"type": "history", "limit": 1e3, "ref": "r1"}"#, "bad_field"),
        (r#"{"type": "history", "limit": 50.0, "ref": "r1"}"#, "bad_field"),
        (r#"{"type": "history", "limit": true, "ref": "r1"}"#, "bad_field"),
        (r#"{"type": "join", "room": "x", "since": "12", "ref": "r1"}"#, "bad_field"),
        (
            r#"{"type": "join", "room": "x", "since": 18446744073709551616, "ref": "r1"}"#,
            "bad_field",
        ),
        (&nested, "bad_json"),
        (&endless, "bad_json"),
    ] {
        let answer = answer(&mut stage, request);
        assert!(answer.contains(&format!("\"code\":\"{code}\"")), "{request:.80}: {answer}");
        assert!(answer.ends_with(",\"ref\":\"r1\"}"), "{request:.80}: {answer}");
    }
    // Where a reference is not the object's own, or not one, there is none.
    for request in [
        r#"[{"ref": "r1"}]"#,
        r#"{"more": {"ref": "r1"}"#,
        r#"{"type": "say", "text": "ref: "r1""#,
        r#"{"ref": "r1"#,
        r#"{"ref": r1}"#,
    ] {
        let answer = answer(&mut stage, request);
        assert!(
            answer.contains("\"bad_json\"") && !answer.contains("\"ref\":"),
            "{request}: {answer}"
        );
    }
}

#[test]
fn half_a_surrogate_pair_becomes_a_replacement_character() {
    let mut stage = web_and_ann();
    for (written, said) in [
        (r"cut off \ud83d", "cut off \u{FFFD}"),
        (r"\ude00 first", "\u{FFFD} first"),
        (r"\ud83d\ude00", "😀"),
        (r"\uD83D\uDE00\uD83D", "😀\u{FFFD}"),
        (r"\ud83d\ud83d\ude00", "\u{FFFD}😀"),
        (r"\ude00\ud83d", "\u{FFFD}\u{FFFD}"),
        (r"\ud83d\t\ude00", "\u{FFFD}\t\u{FFFD}"),
        (r"\ud83d\\ude00", "\u{FFFD}\\ude00"),
        (r"\\ud83d", r"\ud83d"),
        (r"\\\ud83d", "\\\u{FFFD}"),
        (r"é\ud83dé", "é\u{FFFD}é"),
        (r"\ud83d ude00", "\u{FFFD} ude00"),
    ] {
        let answer =
            answer(&mut stage, &format!(r#"{{"type": "say", "text": "{written}", "ref": "r1"}}"#));
        let object: serde_json::Value = serde_json::from_str(&answer).expect("an object");
        assert_eq!(
            (object["text"].as_str(), object["ref"].as_str()),
            (Some(said), Some("r1")),
            "{written}"
        );
        let shown = said.replace('\t', "    ");
        assert_eq!(stage.hear("ann"), [format!("[#lobby] web: {shown}")]);
    }
    for field in [
        r#""type": "\ud83d""#,
        r#""type": "join", "room": "\ud83d""#,
        r#""type": "nick", "name": "\ud83d""#,
        r#""type": "rooms", "\ud83d": 1"#,
    ] {
        let answer = answer(&mut stage, &format!(r#"{{{field}, "ref": "\ud83d"}}"#));
        assert!(answer.ends_with("\"ref\":\"\\uFFFD\"}"), "{field}: {answer}");
    }
    let long = format!(r#"{{"type": "rooms", "ref": 1, "more": "{}"}}"#, r"\ud83d".repeat(200_000));
    assert!(answer(&mut stage, &long).contains("\"rooms\""));
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_frame() {
    let mut stage = web_and_ann();
    for request in [
        "\u{FEFF}{\"type\": \"rooms\", \"ref\": 1}",
        "\u{FEFF}\u{FEFF} {\"type\": \"rooms\", \"ref\": 1}",
    ] {
        assert!(answer(&mut stage, request).starts_with("{\"type\":\"rooms\""));
    }
    assert!(answer(&mut stage, "\u{FEFF}").contains("bad_json"));
}
