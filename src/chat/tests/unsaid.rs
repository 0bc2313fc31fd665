//! What is read as a command, and what is not said as it would let others in: however it is typed.

use super::people::{open, register};
use super::stage::{JSON, LINES, Stage, TEXT, Visit};
use crate::chat::handlers::has_secret_form;

/// What somebody is told last of what it says.
#[track_caller]
fn answer(stage: &mut Stage, actor: &str, said: &str) -> String {
    stage.say(actor, said);
    stage.hear(actor).pop().unwrap_or_default()
}

/// alice has an account and listens; b is at a terminal, and web is a page.
fn with_alice() -> Stage {
    let mut stage = open();
    register(&mut stage, "alice", "alice");
    stage.open("b", LINES, Visit { name: Some("bob"), room: None });
    stage.open("web", JSON, Visit { name: Some("web"), room: Some("lobby") });
    stage.say("b", "hello");
    stage.forget();
    stage
}

#[test]
fn a_full_width_slash_is_a_slash() {
    let mut stage = with_alice();
    for line in
        ["／login alice password1", "／ｌｏｇｉｎ alice password1", "／login　alice　password1"]
    {
        assert!(answer(&mut stage, "b", line).starts_with("! "), "{line}");
        assert_eq!(stage.hear("alice"), Vec::<String>::new(), "{line}");
    }
    assert_eq!(answer(&mut stage, "b", "／msg alice psst"), "[you -> alice] psst");
    assert_eq!(stage.hear("alice"), ["[guest bob -> you] psst"]);
    assert!(answer(&mut stage, "b", "\u{feff} ／who").starts_with("* "), "behind a mark");
    assert!(answer(&mut stage, "b", "／hlep").contains("\"／hlep\". Did you mean /help?"));
    stage.forget();
    stage.say("b", "／／who is it");
    assert_eq!(stage.hear("alice"), ["[#lobby] bob: ／who is it"]);
    assert_eq!(stage.chat.completed_words(stage.id("b"), "／registe").words, ["/register"]);
}

#[test]
fn names_are_known_with_an_at_sign() {
    let mut stage = with_alice();
    register(&mut stage, "carol", "carol");
    for line in ["/msg @alice hi", "/msg ＠alice hi"] {
        assert_eq!(answer(&mut stage, "b", line), "[you -> alice] hi");
    }
    assert_eq!(
        answer(&mut stage, "b", "/ignore @alice"),
        "* You see nothing any more of what alice says."
    );
    assert_eq!(answer(&mut stage, "b", "/unignore @alice"), "* You see again what alice says.");
    assert!(answer(&mut stage, "b", "/login @alice").starts_with("* Password of alice "));
    stage.say("b", "a wrong password");
    stage.forget();
    for line in ["/level none @alice", "/unread @alice"] {
        let expected = "! You and \"alice\" have said nothing to each other yet.";
        assert_eq!(answer(&mut stage, "carol", line), expected, "{line}");
    }
    stage.say("carol", "/msg @alice hi");
    let told = answer(&mut stage, "carol", "/level none @alice");
    assert_eq!(told, "* You are told of nothing from alice.");
}

#[test]
fn a_login_without_its_slash_is_said_nowhere_and_a_bot_may_speak_of_logins() {
    let mut stage = with_alice();
    stage.open("text", TEXT, Visit { name: Some("text"), room: Some("lobby") });
    stage.forget();
    let refused = |told: &str| told.contains("a command without its slash");
    for text in ["login alice password1", "register 7Q2M-4KXR-W9TD bob", "LOGIN alice"] {
        let say = format!(r#"{{"type":"say","text":"{text}"}}"#);
        assert!(refused(&answer(&mut stage, "web", &say)), "{text}");
        let msg = format!(r#"{{"type":"msg","to":"alice","text":"{text}"}}"#);
        assert!(refused(&answer(&mut stage, "web", &msg)), "{text}");
        assert!(refused(&answer(&mut stage, "text", text)), "{text}");
    }
    assert_eq!(stage.hear("alice"), Vec::<String>::new());
    let told = answer(&mut stage, "alice", "/bot ci");
    let token = told.split_whitespace().find(|word| word.starts_with("cst_")).expect("a token");
    stage.open("ci", JSON, Visit::default());
    stage.say("ci", &format!(r#"{{"type":"login","token":"{token}"}}"#));
    stage.say("ci", r##"{"type":"join","room":"#lobby"}"##);
    stage.forget();
    stage.say("ci", r#"{"type":"say","text":"login failed"}"#);
    assert_eq!(stage.hear("alice"), ["[#lobby] ci: login failed"]);
}

#[test]
fn a_code_that_works_is_not_said_however_it_is_written() {
    let mut stage = with_alice();
    stage.say("alice", "/invite");
    let told = stage.hear("alice");
    let code = told[0].rsplit(' ').next().expect("a code").to_owned();
    let plain = code.replace('-', "");
    for text in [
        plain.clone(),
        format!("here: {}!", plain.to_lowercase()),
        code.replace('-', " "),
        format!("https://chat.example/i/{plain}"),
        format!("{}-{}", &plain[..6], &plain[6..]),
        format!("コードは{plain}です"),
    ] {
        let told = answer(&mut stage, "alice", &text);
        assert!(told.contains("There is a code in that"), "{text}: {told}");
        let say = format!(r#"{{"type":"say","text":"first\n{text}"}}"#);
        assert!(answer(&mut stage, "web", &say).contains("There is a code in that"), "{text}");
    }
    stage.say("alice", "/invitations end 1");
    stage.forget();
    stage.say("alice", "SPREADSHEETS and 234567892345, spread the sheets");
    assert_eq!(
        stage.hear("b"),
        ["[#lobby] alice: SPREADSHEETS and 234567892345, spread the sheets"]
    );
}

#[test]
fn what_lets_others_in_is_no_name() {
    let mut stage = with_alice();
    let secret = |stage: &mut Stage, command| {
        let told = answer(stage, "alice", command);
        let is_secret = |word: &&str| has_secret_form(word);
        told.split_whitespace().find(is_secret).expect("a secret").to_owned()
    };
    let code = secret(&mut stage, "/invite");
    let token = secret(&mut stage, "/token laptop");
    for secret in [&code, &token] {
        for line in
            [format!("/nick {secret}"), format!("/join #{secret}"), format!("/register {secret}")]
        {
            let told = answer(&mut stage, "b", &line);
            assert!(told.starts_with("! There is a "), "{line}: {told}");
        }
        for line in [format!("/rename #{secret}"), format!("/hook {secret}")] {
            stage.say("alice", "/join #dev");
            let told = answer(&mut stage, "alice", &line);
            assert!(told.starts_with("! There is a "), "{line}: {told}");
        }
        let visit = Visit { name: Some(secret), room: None };
        stage.open("new", LINES, visit);
        assert!(!stage.hear("new").concat().contains(secret.as_str()), "{secret}");
        stage.leave("new");
    }
}
