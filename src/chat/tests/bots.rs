//! Bots: accounts of programs, which somebody has made.

use super::conversations::{on, register};
use super::kept::disk::Disk;
use super::known_secrets::OWNER_CODE;
use super::stage::{JSON, LINES, Stage, Visit, open_settings};
use crate::chat::settings::BOTS_MAX;

/// olga owns the server, mia has an account.
fn open() -> Stage {
    let mut stage = Stage::with_people(open_settings());
    stage.open("olga", LINES, Visit::default());
    stage.say("olga", &format!("/register {OWNER_CODE} olga"));
    stage.say("olga", "password of olga");
    register(&mut stage, &["mia"]);
    stage
}

/// Somebody at a terminal makes a bot, and another token for it; returns the last one.
fn token(stage: &mut Stage, owner: &str, bot: &str) -> String {
    stage.say(owner, &format!("/bot {bot}"));
    let told = stage.hear(owner).pop().expect("an answer");
    let (_, token) =
        told.split_once("Its token, shown only once: ").unwrap_or_else(|| panic!("{told}"));
    token.to_owned()
}

#[test]
fn a_bot_is_an_account_that_is_known_by_its_token_alone() {
    let mut stage = open();
    let first = token(&mut stage, "mia", "build");
    stage.show("b", &first);
    stage.forget();
    stage.play(
        r##"
        b> {"type":"join","room":"#lobby"}
        b< {"type":"joined","room":"#lobby","name":"build","time":"_","you":true,"position":0,"gap":false,"members":3,"topic":"","read":0,"unread":0,"mentions":0,"level":"all"}
        olga< * build joined #lobby.
        mia< * build joined #lobby.
        b> {"type":"say","text":"it is built, @mia"}
        b< {"type":"said","room":"#lobby","id":1,"time":"_","name":"build","text":"it is built, @mia"}
        olga< [#lobby] build: it is built, @mia
        mia< [#lobby] build: it is built, @mia
        b> {"type":"account"}
        b< {"type":"account","name":"build","role":"member","rooms":["#lobby"]}
        mia> /msg build thanks
        mia< [you -> build] thanks
        b< {"type":"direct","from":"mia","to":"build","id":1,"text":"thanks","time":"_"}
        olga> /who
        olga< * 3 in #lobby: olga, mia, build (bot)
        b> {"type":"who","room":"#lobby"}
        b< {"type":"members","room":"#lobby","members":["olga","mia","build"],"accounts":["olga","mia","build"],"bots":["build"],"total":3}
        olga> /accounts
        olga< * 3 accounts:
        olga< *   build: bot of mia, since 2026-11-22 13:05:09, 1 connected
        olga< *   mia: member, since 2026-11-22 13:05:09, 1 connected
        olga< *   olga: owner, since 2026-11-22 13:05:09, 1 connected
        mia> /bots
        mia< * Your bots; /bots end NAME ends one:
        mia< *   build, since 2026-11-22 13:05:09, 1 connected
        +x
        x< * Welcome! You are guest-3 in #lobby, with 3 others. Try /nick NAME or /help.
        x< * The last message of #lobby (UTC):
        x< *   2026-11-22 13:05:09 (1) build: it is built, @mia
        olga< * guest-3 joined #lobby.
        mia< * guest-3 joined #lobby.
        b< {"type":"joined","room":"#lobby","name":"guest-3","time":"_"}
        x> /login build
        x< * Password of build (it is not shown; Enter alone stops):
        x> a password
        x< ! The name or the password is wrong.
        x> /login nobody-here
        x< * Password of nobody-here (it is not shown; Enter alone stops):
        x> a password
        x< ! The name or the password is wrong.
        "##,
    );
    // Another token ends the one before, and who has come by it.
    let second = token(&mut stage, "mia", "build");
    let told = stage.objects("b");
    assert_eq!((&told[0]["code"], &told[1]["name"]), (&"session_ended".into(), &"guest-4".into()));
    for (actor, shown, name) in [("c", &first, None), ("d", &second, Some("build"))] {
        stage.open(actor, JSON, Visit::default());
        stage.forget();
        stage.say(actor, &format!(r#"{{"type":"login","token":"{shown}"}}"#));
        assert_eq!(stage.objects(actor)[0]["name"].as_str(), name);
        stage.leave(actor);
    }
    stage.say("mia", "/who");
    let told = stage.hear("mia").pop().expect("an answer");
    assert!(told.contains("build (offline bot)"), "{told}");
}

#[test]
fn a_bot_brings_nobody_here_and_has_no_role_on_the_server() {
    let mut stage = open();
    let shown = token(&mut stage, "mia", "build");
    stage.show("b", &shown);
    stage.forget();
    stage.play(
        r#"
        b> {"type":"bot","name":"another"}
        b< {"type":"error","code":"not_allowed","message":"_"}
        b> {"type":"invite"}
        b< {"type":"error","code":"not_allowed","message":"_"}
        b> {"type":"token","label":"more"}
        b< {"type":"error","code":"not_allowed","message":"_"}
        b> {"type":"password","old":"x","password":"a password"}
        b< {"type":"error","code":"not_allowed","message":"_"}
        olga> /role build admin
        olga< ! build is a bot, and stays a member.
        olga> /reset build
        olga< ! A bot has no password. Its owner makes it a token: /bot NAME.
        olga> /bot build
        olga< ! The name build is taken. Choose another one.
        olga> /bot bui1d
        olga< ! The name bui1d looks like build, which is taken. Choose another one.
        olga> /bots end build
        olga< ! You have no bot "build". /bots lists yours.
        olga> /bots
        olga< * You have no bots. Make one with /bot NAME.
        "#,
    );
}

#[test]
fn an_account_has_so_many_bots_and_no_more() {
    let mut stage = open();
    for number in 0..=BOTS_MAX {
        stage.say("mia", &format!("/bot b{number}"));
        stage.pass(1000);
    }
    let told = stage.hear("mia").pop().expect("an answer");
    assert_eq!(told, "! You have 10 bots. End one with /bots end NAME.");
    stage.play(
        "
        mia> /bots end b3
        olga< [#staff-log] server: The account b3 has ended.
        mia< * The bot b3 has ended. What it has said stays.
        ",
    );
    stage.say("mia", "/bot b10");
    assert!(stage.hear("mia").pop().expect("an answer").starts_with("* b10 is a bot of yours."));
    assert_eq!(stage.chat.state().accounts().count(), 2 + BOTS_MAX);
}

/// Else an account could use up as many names as it likes.
#[test]
fn what_a_bot_was_called_is_reserved_for_its_owner_and_not_too_much_of_it() {
    let disk = Disk::default();
    let mut stage = on(&disk, open_settings());
    register(&mut stage, &["mia", "bob"]);
    for number in 0..20 {
        stage.say("mia", &format!("/bot b{number}"));
        stage.say("mia", &format!("/bots end b{number}"));
        stage.pass(1000);
    }
    let reserved = |stage: &Stage| {
        let reserved = stage.chat.state().accounts().reserved();
        let mut names: Vec<String> = reserved.map(|one| one.name.to_string()).collect();
        names.sort();
        names
    };
    assert_eq!(reserved(&stage), ["b16", "b17", "b18", "b19"]);
    stage.forget();
    stage.play(
        "
        bob> /bot b19
        bob< ! The name b19 was somebody's until a short while ago. Choose another one.
        mia> /bot mia
        mia< ! The name mia is taken. Choose another one.
        ",
    );
    token(&mut stage, "mia", "b19");
    stage.say("mia", "/nick b18");
    stage.turn();
    disk.crash(0);
    let stage = on(&disk, open_settings());
    assert_eq!(reserved(&stage), ["b16", "b17", "mia"]);
}

/// It is told why, as its owner would be.
#[test]
fn a_bot_is_banned_with_its_owner() {
    let mut stage = open();
    let shown = token(&mut stage, "mia", "build");
    stage.show("b", &shown);
    stage.forget();
    stage.play(
        r#"
        olga> /ban mia 10 spam
        olga< [#staff-log] server: olga banned mia until 2026-11-22 13:15:09 UTC: spam
        b< {"type":"error","code":"banned","message":"You are banned from this server until 2026-11-22 13:15:09 UTC: spam"}
        b< (closed)
        mia< ! You are banned from this server until 2026-11-22 13:15:09 UTC: spam
        mia< (closed)
        olga< * mia is banned until 2026-11-22 13:15:09 UTC: spam
        "#,
    );
    stage.open("c", JSON, Visit::default());
    stage.forget();
    let login = format!(r#"{{"type":"login","token":"{shown}"}}"#);
    stage.say("c", &login);
    assert_eq!(stage.objects("c")[0]["code"], "banned");
    stage.say("olga", "/unban mia");
    stage.say("olga", "/ban build");
    stage.say("c", &login);
    assert_eq!(stage.objects("c")[0]["code"], "banned");
    stage.say("olga", "/unban build");
    stage.say("c", &login);
    assert_eq!(stage.objects("c")[0]["name"], "build");
}

#[test]
fn a_bot_ends_with_its_owner_and_its_rooms_are_handed_on() {
    let disk = Disk::default();
    let mut stage = on(&disk, open_settings());
    register(&mut stage, &["mia", "bob"]);
    let shown = token(&mut stage, "mia", "build");
    stage.show("b", &shown);
    stage.say("b", r##"{"type":"join","room":"#dev"}"##);
    stage.say("b", r##"{"type":"say","room":"#dev","text":"hello"}"##);
    stage.say("bob", "/join #dev");
    stage.say("mia", "/delete-account");
    stage.forget();
    stage.say("mia", "password of mia");
    let told = stage.objects("b");
    assert_eq!(told[0]["code"], "session_ended");
    let told = stage.hear("bob");
    assert!(told.contains(&"* build left #dev.".to_owned()), "{told:?}");
    stage.say("bob", "/room");
    let told = stage.hear("bob");
    assert!(told.contains(&"*   owner: bob; you are owner there".to_owned()), "{told:?}");
    stage.turn();
    disk.crash(0);
    let stage = on(&disk, open_settings());
    let names = stage.chat.state().accounts().iter().filter_map(|(user, _)| {
        stage.chat.state().users().get(user).map(|user| user.name.to_string())
    });
    assert_eq!(names.collect::<Vec<_>>(), ["bob"]);
}

#[test]
fn a_bot_is_one_after_a_restart() {
    let disk = Disk::default();
    let mut stage = on(&disk, open_settings());
    register(&mut stage, &["mia"]);
    let shown = token(&mut stage, "mia", "build");
    stage.turn();
    disk.crash(0);
    let mut stage = on(&disk, open_settings());
    stage.show("b", &shown);
    let told = stage.objects("b");
    assert_eq!((&told[0]["name"], &told[0]["role"]), (&"build".into(), &"member".into()));
    stage.say("b", r#"{"type":"bots"}"#);
    assert_eq!(stage.objects("b")[0]["code"], "not_allowed");
    stage.open("m", JSON, Visit::default());
    stage.say("m", r#"{"type":"login","name":"mia","password":"password of mia"}"#);
    stage.forget();
    stage.say("m", r#"{"type":"bots","ref":1}"#);
    let told = &stage.objects("m")[0];
    assert_eq!((&told["bots"][0]["name"], &told["ref"]), (&"build".into(), &1.into()));
    assert_eq!(told["bots"][0]["connected"], 1);
}

/// Who had an account without being its owner has it no more: what lets somebody in ends, with
/// whatever the account has given others power over, and nothing else.
#[test]
fn a_new_password_by_a_code_ends_all_that_let_anybody_in() {
    let mut stage = open();
    register(&mut stage, &["ben", "eve"]);
    stage.say("olga", "/role ben admin");
    let last_word = |told: Vec<String>| {
        let code = told.iter().find(|line| line.starts_with("* Invitation "));
        code.unwrap_or(&told[0]).rsplit(' ').next().expect("a word").to_owned()
    };
    let asked = |stage: &mut Stage, who: &str, line: &str| {
        stage.forget();
        stage.say(who, line);
        last_word(stage.hear(who))
    };
    let of_ben = asked(&mut stage, "ben", "/token a program");
    let of_bot = asked(&mut stage, "ben", "/bot build");
    let of_mia = asked(&mut stage, "mia", "/token a program");
    stage.show("p", &of_ben);
    stage.show("b", &of_bot);
    stage.show("m", &of_mia);
    let for_mia = asked(&mut stage, "ben", "/reset mia");
    let for_anybody = asked(&mut stage, "ben", "/invite");
    let for_eve = asked(&mut stage, "olga", "/reset eve");
    let for_ben = asked(&mut stage, "olga", "/reset ben");
    stage.open("x", LINES, Visit::default());
    stage.say("x", &format!("/register {for_ben} ben"));
    stage.forget();
    stage.say("x", "another password");
    assert!(stage.hear("x").contains(
        &"* You are logged in as ben, admin of this server, in #lobby, #staff-log.".to_owned()
    ));
    let told = stage.hear("ben");
    assert!(told.iter().any(|line| line.starts_with("! You are logged out")), "{told:?}");
    for program in ["p", "b"] {
        let told = stage.objects(program);
        assert!(told.iter().any(|it| it["code"] == "session_ended"), "{program}: {told:?}");
    }
    stage.say("m", r#"{"type":"account"}"#);
    assert_eq!(stage.objects("m").last().expect("an answer")["name"], "mia");
    for (actor, shown, is_good) in
        [("q", &of_ben, false), ("r", &of_bot, false), ("s", &of_mia, true)]
    {
        stage.open(actor, JSON, Visit::default());
        stage.forget();
        stage.say(actor, &format!(r#"{{"type":"login","token":"{shown}"}}"#));
        assert_eq!(stage.objects(actor)[0]["type"] == "account", is_good);
    }
    let codes = [(&for_mia, "mia", false), (&for_anybody, "ann", true), (&for_eve, "eve", true)];
    for (code, name, is_good) in codes {
        let actor = format!("by code {name}");
        stage.open(&actor, LINES, Visit::default());
        stage.forget();
        stage.say(&actor, &format!("/register {code} {name}"));
        let told = stage.hear(&actor);
        assert_eq!(told[0].starts_with("* A password for"), is_good, "{name}: {told:?}");
    }
}

/// Two programs may count their messages, each from 1 on: neither is heard in the other's place.
#[test]
fn what_is_said_under_the_same_key_by_somebody_else_is_said() {
    let disk = Disk::default();
    let mut stage = on(&disk, open_settings());
    register(&mut stage, &["mia"]);
    let tokens = ["build", "deploy"].map(|bot| token(&mut stage, "mia", bot));
    let come = |stage: &mut Stage| {
        for (actor, token) in ["b", "d"].into_iter().zip(&tokens) {
            stage.show(actor, token);
            stage.say(actor, r##"{"type":"join","room":"#lobby"}"##);
        }
        stage.forget();
    };
    let ask = |stage: &mut Stage, actor: &str, to: &str, text: &str| {
        stage.forget();
        stage.say(actor, &format!(r#"{{{to},"text":"{text}","key":"1","ref":1}}"#));
        let told = stage.objects(actor).into_iter().find(|it| it["ref"] == 1);
        let told = told.expect("an answer");
        (told["id"].as_u64(), told["text"].as_str().expect("a text").to_owned())
    };
    let say = r##""type":"say","room":"#lobby""##;
    let (to_mia, to_deploy) = (r#""type":"msg","to":"mia""#, r#""type":"msg","to":"deploy""#);
    let asked = [
        ("b", say, "built", 1),
        ("d", say, "deployed", 2),
        ("b", to_mia, "psst", 1),
        ("d", to_mia, "hey", 1),
        ("b", to_deploy, "go on", 1),
        ("d", r#""type":"msg","to":"build""#, "thanks", 2),
    ];
    come(&mut stage);
    for is_restarted in [false, true] {
        for _ in 0..2 {
            for (actor, to, text, id) in asked {
                let told = ask(&mut stage, actor, to, text);
                assert_eq!(told, (Some(id), text.to_owned()), "{actor}: {to}");
            }
        }
        assert_eq!(disk.log().said.len(), asked.len());
        if !is_restarted {
            disk.crash(0);
            stage = on(&disk, open_settings());
            come(&mut stage);
        }
    }
}

/// Else an account could own as many rooms as it likes.
#[test]
fn what_a_bot_owns_is_its_owners_and_not_too_much_of_it() {
    let mut stage = open();
    register(&mut stage, &["bob"]);
    for (actor, bot) in [("b", "build"), ("d", "deploy")] {
        let shown = token(&mut stage, "mia", bot);
        stage.show(actor, &shown);
    }
    let make = |stage: &mut Stage, actor: &str, room: &str| {
        stage.forget();
        match actor {
            "mia" | "bob" => stage.say(actor, &format!("/join {room}")),
            _ => stage.say(actor, &format!(r#"{{"type":"join","room":"{room}"}}"#)),
        }
        let told = stage.hear(actor).pop().expect("an answer");
        match actor {
            "mia" | "bob" => stage.say(actor, &format!("/leave {room}")),
            _ => stage.say(actor, &format!(r#"{{"type":"leave","room":"{room}"}}"#)),
        }
        told
    };
    for number in 0..99 {
        let actor = ["mia", "b", "d"][number % 3];
        let told = make(&mut stage, actor, &format!("#room-{number}"));
        assert!(!told.contains("too_many") && !told.starts_with("! "), "{number}: {told}");
    }
    assert_eq!(make(&mut stage, "mia", "#last"), "* You are in #last now, with nobody else.");
    let refused = "! You, with your bots, own 100 rooms, and more are not allowed.";
    assert_eq!(make(&mut stage, "mia", "#more"), refused);
    for bot in ["b", "d"] {
        let told = make(&mut stage, bot, "#more");
        assert!(told.contains("too_many_rooms"), "{told}");
    }
    assert_eq!(make(&mut stage, "bob", "#bobs"), "* You are in #bobs now, with nobody else.");
    // Nor is it given one more.
    stage.say("bob", "/join #bobs");
    stage.say("b", r##"{"type":"join","room":"#bobs"}"##);
    stage.forget();
    stage.say("bob", "/role build owner #bobs");
    assert_eq!(stage.hear("bob"), ["! build owns 100 rooms, and more are not allowed."]);
    stage.say("mia", "/delete-room #last");
    stage.forget();
    stage.say("bob", "/role build owner #bobs");
    assert_eq!(stage.hear("bob").pop().expect("an answer"), "* build is owner of that room now.");
}

/// The page sends again what it does not know to have arrived, also when its user has logged in
/// meanwhile.
#[test]
fn what_a_guest_said_is_the_same_when_an_account_sends_it_again() {
    let disk = Disk::default();
    let mut stage = on(&disk, open_settings());
    register(&mut stage, &["mia"]);
    let bot = token(&mut stage, "mia", "build");
    stage.open("g", JSON, Visit::default());
    let ask = |stage: &mut Stage, actor: &str, text: &str| {
        stage.forget();
        let say =
            format!(r##"{{"type":"say","room":"#lobby","text":"{text}","key":"k","ref":1}}"##);
        stage.say(actor, &say);
        let told = stage.objects(actor).into_iter().find(|it| it["ref"] == 1);
        told.expect("an answer")["id"].as_u64()
    };
    stage.say("g", r##"{"type":"join","room":"#lobby"}"##);
    assert_eq!(ask(&mut stage, "g", "hello"), Some(1));
    stage.show("b", &bot);
    stage.say("b", r##"{"type":"join","room":"#lobby"}"##);
    assert_eq!(ask(&mut stage, "b", "hello"), Some(1));
    assert_eq!(ask(&mut stage, "b", "another"), Some(2), "it is not what the guest said");
}
