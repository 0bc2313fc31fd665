//! Messages that are deleted: who may, who is told, and that nobody is shown them from then on.

use super::conversations::{log_in, on, register, small};
use super::kept::disk::Disk;
use super::order::{self, staffed};
use super::stage::{JSON, LINES, Stage, Visit};
use crate::delivery::Wait;
use crate::service::{Answer, Outcome, Service};

#[test]
fn those_who_keep_order_and_those_who_said_it_remove_a_message() {
    let mut stage = staffed();
    stage.open("web", JSON, Visit { name: Some("web"), room: Some("#lobby") });
    stage.forget();
    stage.play(
        r##"
        mia> buy my pills
        olga< [#lobby] mia: buy my pills
        ada< [#lobby] mia: buy my pills
        web< {"type":"said","room":"#lobby","id":1,"time":"_","name":"mia","text":"buy my pills"}
        web> {"type":"delete","room":"#lobby","id":1,"ref":1}
        web< {"type":"error","code":"not_allowed","message":"_","ref":1}
        ada> /delete 1
        ada< * You removed message 1 of mia in #lobby: "buy my pills"
        ada< [#staff-log] server: ada removed message 1 of mia in #lobby.
        olga< * ada removed message 1 of mia in #lobby.
        olga< [#staff-log] server: ada removed message 1 of mia in #lobby.
        mia< * ada removed message 1 of mia in #lobby.
        web< {"type":"deleted","room":"#lobby","id":1,"by":"ada","time":"_"}
        ada> /delete -1
        ada< ! Message 1 was removed already.
        ada> /report 1
        ada< ! Message 1 was removed already.
        ada> /delete 2
        ada< ! There is no message 2 there. /history shows their numbers.
        web> {"type":"me","text":"waves","key":"k1","ref":2}
        web< {"type":"said","room":"#lobby","id":2,"time":"_","name":"web","text":"waves","me":true,"ref":2}
        olga< [#lobby] * web waves
        ada< [#lobby] * web waves
        mia< [#lobby] * web waves
        web> {"type":"delete","id":2,"ref":3}
        web< {"type":"deleted","room":"#lobby","id":2,"by":"web","time":"_","ref":3}
        olga< * web removed their message 2 in #lobby.
        ada< * web removed their message 2 in #lobby.
        mia< * web removed their message 2 in #lobby.
        web> {"type":"me","text":"waves","key":"k1","ref":4}
        web< {"type":"said","room":"#lobby","id":2,"time":"_","name":"web","deleted":true,"ref":4}
        mia> /history
        mia< * The last 2 messages of #lobby (UTC):
        mia< *   2026-11-22 13:05:09 (1) mia: message removed
        mia< *   2026-11-22 13:05:09 (2) web: message removed
        web> {"type":"history","room":"#lobby"}
        web< {"type":"history","room":"#lobby","messages":[{"id":1,"time":"_","name":"mia","deleted":true},{"id":2,"time":"_","name":"web","deleted":true}],"more":false}
        web> {"type":"join","room":"#lobby","since":0}
        web< {"type":"joined","room":"#lobby","name":"web","time":"_","you":true,"position":2,"gap":false,"members":4,"topic":""}
        web< {"type":"history","room":"#lobby","messages":[{"id":1,"time":"_","name":"mia","deleted":true},{"id":2,"time":"_","name":"web","deleted":true}],"more":false,"replay":true}
        mia> /delete
        mia< ! You have said nothing there lately. /history shows the numbers.
        web> {"type":"delete","room":"#staff-log","id":1}
        web< {"type":"error","code":"no_such_room","message":"_"}
        web> {"type":"delete","room":"#nowhere","id":1}
        web< {"type":"error","code":"no_such_room","message":"_"}
        web> {"type":"delete"}
        web< {"type":"error","code":"missing_field","message":"_"}
        "##,
    );
}

#[test]
fn what_the_server_says_to_the_staff_stays() {
    let mut stage = staffed();
    stage.say("olga", "/join #staff-log");
    stage.forget();
    stage.play(
        "
        olga> /delete 1
        olga< ! Only who said it and those who keep order in this room can do that.
        olga> a slip
        ada< [#staff-log] olga: a slip
        olga> /delete
        olga< * You removed your message 3 in #staff-log: \"a slip\"
        ada< * olga removed their message 3 in #staff-log.
        ",
    );
}

#[test]
fn a_guest_removes_what_it_said_and_nobody_else_of_its_name_does() {
    let mut stage = staffed();
    stage.open("x", LINES, Visit::default());
    for line in ["/nick bob", "one", "two"] {
        stage.say("x", line);
    }
    stage.leave("x");
    stage.open("y", LINES, Visit::default());
    for line in ["/nick bob", "three", "/nick rob"] {
        stage.say("y", line);
    }
    stage.forget();
    stage.play(
        "
        y> /delete 2
        y< ! Only who said it and those who keep order in this room can do that.
        y> /delete
        y< * You removed message 3 of bob in #lobby: \"three\"
        olga< * rob removed message 3 of bob in #lobby.
        ada< * rob removed message 3 of bob in #lobby.
        mia< * rob removed message 3 of bob in #lobby.
        y> /delete
        y< ! You have said nothing there lately. /history shows the numbers.
        ",
    );
}

#[test]
fn who_is_muted_takes_back_what_they_said_and_an_archive_stays_as_it_is() {
    let mut stage = staffed();
    order::register(&mut stage, "tim");
    stage.say("mia", "/join #tea");
    stage.say("tim", "/join #tea");
    for line in ["one", "two"] {
        stage.say("tim", line);
    }
    stage.say("mia", "/mute tim");
    stage.forget();
    stage.play(
        r#"
        tim> three
        tim< ! You are muted in #tea.
        tim> /delete -2
        tim< * You removed your message 1 in #tea: "one"
        mia< * tim removed their message 1 in #tea.
        "#,
    );
    stage.say("mia", "/room archived yes");
    stage.forget();
    stage.play(
        r#"
        tim> /delete
        tim< ! #tea is archived: it is there to be read.
        mia> /delete 2
        mia< * You removed message 2 of tim in #tea: "two"
        tim< * mia removed message 2 of tim in #tea.
        ada< [#staff-log] server: mia removed message 2 of tim in #tea.
        olga< [#staff-log] server: mia removed message 2 of tim in #tea.
        "#,
    );
}

/// The staff does not hear of it, either, and an admin who is not in it removes nothing.
#[test]
fn those_who_may_not_read_a_message_are_not_told_that_it_is_gone() {
    let mut stage = staffed();
    stage.open("tim", JSON, Visit::default());
    stage.say("tim", r#"{"type":"register","name":"tim","password":"password of tim"}"#);
    stage.say("mia", "/join #den");
    stage.say("mia", "/room newcomers-see now");
    stage.say("mia", "before");
    stage.say("tim", r##"{"type":"join","room":"#den"}"##);
    stage.say("ada", "/join #den");
    stage.say("mia", "/room entry invited");
    stage.say("mia", "after");
    stage.forget();
    stage.play(
        r##"
        tim> {"type":"delete","room":"#den","id":1}
        tim< {"type":"error","code":"no_such_message","message":"_"}
        ada> /delete 2
        ada< ! Only who said it and those who keep order in this room can do that.
        mia> /delete 1
        mia< * You removed your message 1 in #den: "before"
        mia> /delete 2
        mia< * You removed your message 2 in #den: "after"
        tim< {"type":"deleted","room":"#den","id":2,"by":"mia","time":"_"}
        ada< * mia removed their message 2 in #den.
        olga> /delete
        olga< ! You have said nothing there lately. /history shows the numbers.
        "##,
    );
}

#[test]
fn what_is_deleted_is_for_nobody_and_counts_as_unread() {
    let disk = Disk::default();
    let mut stage = on(&disk, small(100));
    register(&mut stage, &["alice", "bob"]);
    log_in(&mut stage, "b2", "bob");
    stage.say("alice", "one for @bob");
    stage.say("alice", "two for @bob");
    stage.say("alice", "/delete 1");
    stage.forget();
    let unread = r##"
        b2> {"type":"unread"}
        b2< {"type":"unread","rooms":[{"room":"#lobby","read":0,"last":2,"unread":2,"mentions":1,"level":"all"}]}
    "##;
    stage.play(unread);
    assert_eq!(disk.log().deleting.len(), 1, "what is about to be deleted");
    disk.crash(0);
    let mut stage = on(&disk, small(100));
    log_in(&mut stage, "b2", "bob");
    stage.play(unread);
    stage.play(
        r##"
        b2> {"type":"history","room":"#lobby"}
        b2< {"type":"history","room":"#lobby","messages":[{"id":1,"time":"_","name":"alice","deleted":true},{"id":2,"time":"_","name":"alice","text":"two for @bob"}],"more":false}
        "##,
    );
}

#[test]
fn what_was_said_to_somebody_is_removed_by_who_said_it_also_where_memory_has_it_not() {
    let disk = Disk::default();
    let mut stage = on(&disk, small(1));
    register(&mut stage, &["alice", "bob"]);
    log_in(&mut stage, "a2", "alice");
    for text in ["one", "two"] {
        stage.say("alice", &format!("/msg bob {text}"));
    }
    stage.say("bob", "/msg alice three");
    let key = r#"{"type":"msg","to":"bob","text":"four","key":"k"}"#;
    stage.say("a2", key);
    stage.forget();
    stage.play(
        r##"
        bob> /delete @alice 1
        bob< ! Only who said it can do that.
        alice> /delete @bob 1
        alice< * You removed your message 1 to bob: "one"
        bob< * alice removed their message 1 to you.
        a2< {"type":"deleted","with":"bob","id":1,"by":"alice","time":"_"}
        bob> /delete @alice
        bob< * You removed your message 3 to alice: "three"
        alice< * bob removed their message 3 to you.
        a2< {"type":"deleted","with":"bob","id":3,"by":"bob","time":"_"}
        a2> {"type":"delete","to":"bob","id":4,"ref":1}
        a2< {"type":"deleted","with":"bob","id":4,"by":"alice","time":"_","ref":1}
        alice< * alice removed their message 4 to bob.
        bob< * alice removed their message 4 to you.
        a2> {"type":"msg","to":"bob","text":"four","key":"k"}
        a2< {"type":"direct","from":"alice","to":"bob","id":4,"time":"_","deleted":true}
        a2> {"type":"conversations"}
        a2< {"type":"conversations","conversations":[{"with":"bob","last":4,"time":"_","text":"","deleted":true,"me":true}],"total":1}
        bob> /history @alice
        bob< * The last 4 messages between you and alice (UTC):
        bob< *   2026-11-22 13:05:09 (1) alice: message removed
        bob< *   2026-11-22 13:05:09 (2) alice: two
        bob< *   2026-11-22 13:05:09 (3) bob: message removed
        bob< *   2026-11-22 13:05:09 (4) alice: message removed
        bob> /conversations
        bob< * 1 conversation, the latest first:
        bob< *   alice: 2026-11-22 13:05:09 (4) message removed
        bob> /delete @carol
        bob< ! Nobody here is called "carol". /who lists who is in a room.
        bob> /delete @alice 9
        bob< ! There is no message 9 there. /history shows their numbers.
        "##,
    );
}

/// What is read for somebody while it is deleted.
fn answered(stage: &mut Stage, request: &str, deleted_before_it_is_found: bool) -> Vec<String> {
    let outcome = stage.offer("b2", request.as_bytes());
    assert!(matches!(outcome, Outcome::Blocked(Wait::Ticket(_))), "{outcome:?}");
    let jobs = stage.chat.take_jobs().into_iter();
    let mut found: Vec<(_, Answer)> = jobs.map(|job| (job.ticket, (job.run)())).collect();
    if deleted_before_it_is_found {
        stage.say("alice", "/delete 1");
    }
    for (ticket, answer) in found.drain(..) {
        stage.chat.completed(ticket, answer, &mut stage.out);
    }
    if !deleted_before_it_is_found {
        stage.say("alice", "/delete 1");
    }
    assert_eq!(stage.offer("b2", request.as_bytes()), Outcome::Done);
    assert_eq!(stage.chat.held_bytes(), 0);
    stage.turn();
    stage.hear("b2")
}

#[test]
fn what_was_read_before_it_was_deleted_is_not_shown_after_that() {
    let requests = [
        r##"{"type":"history","room":"#lobby"}"##,
        r##"{"type":"history","room":"#lobby","after":0}"##,
        r##"{"type":"join","room":"#lobby","since":0}"##,
        r#"{"type":"search","text":"secret"}"#,
    ];
    for (request, before) in requests.into_iter().flat_map(|it| [(it, true), (it, false)]) {
        let disk = Disk::default();
        let mut stage = on(&disk, small(1));
        register(&mut stage, &["alice", "bob"]);
        log_in(&mut stage, "b2", "bob");
        stage.say("alice", "a secret");
        stage.say("alice", "nothing");
        stage.forget();
        let told = answered(&mut stage, request, before);
        let at = told.iter().position(|it| it.contains(r#""deleted","#)).expect("it is told");
        assert!(told.len() > at + 1, "{request}: {told:?}");
        assert!(told.iter().all(|it| !it.contains("secret")), "{request}: {told:?}");
    }
}

#[test]
fn what_was_found_in_a_room_that_is_deleted_meanwhile_is_not_shown() {
    for is_found_before in [true, false] {
        let disk = Disk::default();
        let mut stage = on(&disk, small(1));
        register(&mut stage, &["alice", "bob"]);
        log_in(&mut stage, "b2", "bob");
        for (who, line) in [("alice", "/join #plan"), ("bob", "/join #plan"), ("alice", "a secret")]
        {
            stage.say(who, line);
        }
        stage.forget();
        let request = r#"{"type":"search","text":"secret"}"#.as_bytes();
        assert!(matches!(stage.offer("b2", request), Outcome::Blocked(Wait::Ticket(_))));
        let jobs = stage.chat.take_jobs().into_iter();
        let found: Vec<(_, Answer)> = jobs.map(|job| (job.ticket, (job.run)())).collect();
        if !is_found_before {
            stage.say("alice", "/delete-room #plan");
        }
        for (ticket, answer) in found {
            stage.chat.completed(ticket, answer, &mut stage.out);
        }
        if is_found_before {
            stage.say("alice", "/delete-room #plan");
        }
        assert_eq!(stage.offer("b2", request), Outcome::Done);
        stage.turn();
        let told = stage.hear("b2");
        assert!(told.last().is_some_and(|it| it.contains(r#""found","hits":[]"#)), "{told:?}");
    }
}

/// Memory has one message, or all of them.
#[test]
fn who_comes_back_can_ask_what_was_deleted_meanwhile() {
    for held in [1, 100] {
        let disk = Disk::default();
        let mut stage = on(&disk, small(held));
        register(&mut stage, &["alice", "bob"]);
        log_in(&mut stage, "b2", "bob");
        stage.say("bob", "/join #tea");
        for text in ["one", "two", "three", "four"] {
            stage.say("alice", text);
            stage.say("alice", &format!("/msg bob {text}"));
        }
        for line in ["/delete 1", "/delete 3", "/delete @bob 2"] {
            stage.say("alice", line);
        }
        disk.crash(0);
        let mut stage = on(&disk, small(held));
        log_in(&mut stage, "b2", "bob");
        stage.play(
            r##"
            b2> {"type":"deletions","room":"#lobby","ref":1}
            b2< {"type":"deletions","room":"#lobby","after":0,"before":5,"ids":[1,3],"ref":1}
            b2> {"type":"deletions","room":"#lobby","after":1}
            b2< {"type":"deletions","room":"#lobby","after":1,"before":5,"ids":[3]}
            b2> {"type":"deletions","room":"#lobby","after":1,"before":3}
            b2< {"type":"deletions","room":"#lobby","after":1,"before":3,"ids":[]}
            b2> {"type":"deletions","room":"#lobby","after":9,"before":99}
            b2< {"type":"deletions","room":"#lobby","after":4,"before":5,"ids":[]}
            b2> {"type":"deletions","to":"alice"}
            b2< {"type":"deletions","with":"alice","after":0,"before":5,"ids":[2]}
            b2> {"type":"deletions","room":"#tea","after":7}
            b2< {"type":"deletions","room":"#tea","after":0,"before":1,"ids":[]}
            b2> {"type":"deletions","room":"#none"}
            b2< {"type":"error","code":"no_such_room","message":"_"}
            b2> {"type":"deletions","after":-1}
            b2< {"type":"error","code":"bad_field","message":"_"}
            "##,
        );
    }
}

#[test]
fn what_is_deleted_while_that_is_looked_up_is_among_it() {
    for before in [true, false] {
        let disk = Disk::default();
        let mut stage = on(&disk, small(1));
        register(&mut stage, &["alice", "bob"]);
        log_in(&mut stage, "b2", "bob");
        for text in ["one", "two", "three"] {
            stage.say("alice", text);
        }
        stage.say("alice", "/delete 2");
        stage.forget();
        let told = answered(&mut stage, r##"{"type":"deletions","room":"#lobby"}"##, before);
        let expected = r##"{"type":"deletions","room":"#lobby","after":0,"before":4,"ids":[1,2]}"##;
        assert_eq!(told.last().map(String::as_str), Some(expected));
    }
}

/// Who sends again what it has taken back since is told so, also where memory has it not any more.
#[test]
fn what_was_removed_is_said_to_be_so_when_it_is_sent_again() {
    let disk = Disk::default();
    let mut stage = on(&disk, small(1));
    register(&mut stage, &["alice", "bob"]);
    log_in(&mut stage, "a2", "alice");
    let direct = r#"{"type":"msg","to":"bob","text":"psst","key":"k"}"#;
    let say = r##"{"type":"say","room":"#lobby","text":"oops","key":"k"}"##;
    let kept = r##"{"type":"say","room":"#lobby","text":"fine","key":"k2"}"##;
    for request in [direct, say, kept] {
        stage.say("a2", request);
    }
    for line in ["/delete 1", "/delete @bob 1"] {
        stage.say("alice", line);
    }
    for line in ["/msg alice later", "later"] {
        stage.say("bob", line);
    }
    stage.forget();
    for request in [direct, say] {
        stage.say("a2", request);
        let told = stage.objects("a2").pop().expect("an answer");
        assert_eq!((&told["id"], &told["deleted"]), (&1.into(), &true.into()), "{told}");
        assert_eq!(told["text"].as_str().unwrap_or_default(), "", "{told}");
    }
    stage.say("a2", kept);
    let told = stage.objects("a2").pop().expect("an answer");
    assert_eq!(
        (&told["id"], &told["text"], told.get("deleted")),
        (&2.into(), &"fine".into(), None)
    );
    assert_eq!(stage.hear("bob"), Vec::<String>::new());
}
