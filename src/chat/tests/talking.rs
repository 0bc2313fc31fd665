//! What people say, and what they are told.

use std::collections::BTreeSet;

use super::stage::{JSON, Stage, Visit, play, settings};
use crate::chat::request::commands::COMMANDS;
use crate::delivery::encoding::FrameKind;
use crate::ids::Peer;
use crate::service::{Incoming, Outcome};
use crate::wire::close::CloseReason;

#[test]
fn everybody_is_greeted_in_one_line() {
    play(
        "
        +ann
        ann< * Welcome! You are guest-1 in #lobby, with nobody else. Try /nick NAME or /help.
        +bob
        ann< * guest-2 joined #lobby.
        bob< * Welcome! You are guest-2 in #lobby, with 1 other. Try /nick NAME or /help.
        +cid text
        ann< * guest-3 joined #lobby.
        bob< * guest-3 joined #lobby.
        cid< * Welcome! You are guest-3 in #lobby, with 2 others. Try /nick NAME or /help.
    ",
    );
}

#[test]
fn an_introduction_is_a_name_and_a_room() {
    play(
        "
        +ann text name=Ann room=dev
        ann< * Welcome! You are Ann in #dev, with nobody else. Try /nick …
        +bob text name=ANN room=#dev
        ann< * guest-1 joined #dev.
        bob< * Welcome! You are guest-1 in #dev, with 1 other. Try /nick …
        bob< ! The name ANN is taken. Choose another one.
        +cid text name=/x room=#a,b
        cid< * Welcome! You are guest-2 in #lobby, with nobody else. Try /nick …
        cid< ! A name cannot begin with / (U+002F); leave it out.
        cid< ! A room's name cannot have , (U+002C) in it; leave it out.
    ",
    );
}

#[test]
fn a_line_is_said_to_the_others_in_the_room() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice", "bob", "carol"]);
    stage.play(
        "
        alice> hello
        bob< [#lobby] alice: hello
        carol< [#lobby] alice: hello
        bob> hello, alice
        alice< [#lobby] bob: hello, alice
        carol< [#lobby] bob: hello, alice
        carol> /me waves to   everybody
        alice< [#lobby] * carol waves to   everybody
        bob< [#lobby] * carol waves to   everybody
        alice>   こんにちは 🦀  
        bob< [#lobby] alice:   こんにちは 🦀
        carol< [#lobby] alice:   こんにちは 🦀
        alice> //quit is how you leave
        bob< [#lobby] alice: /quit is how you leave
        carol< [#lobby] alice: /quit is how you leave
        alice> //
        bob< [#lobby] alice: /
        carol< [#lobby] alice: /
    ",
    );
}

#[test]
fn a_frame_speaker_sees_its_own_words_and_a_terminal_does_not() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice"]);
    stage.play(
        "
        +page text name=page
        alice< * page joined #lobby.
        page< * Welcome!…
        page> hello
        alice< [#lobby] page: hello
        page< [#lobby] page: hello
        page> /me waves
        alice> hello back
        alice< [#lobby] * page waves
        page< [#lobby] * page waves
        page< [#lobby] alice: hello back
    ",
    );
}

#[test]
fn nothing_is_said_by_an_empty_line() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice", "bob"]);
    stage.play(
        "
        alice>
        --
        alice>
        alice>    \t
        --
    ",
    );
    assert_eq!(stage.offer("alice", b"  \r"), Outcome::Done);
    assert_eq!(stage.offer("alice", b"\x1b\x07"), Outcome::Done);
    assert_eq!(stage.hear("alice"), ["! There was nothing to say in that."]);
    assert_eq!(stage.hear("bob"), [""; 0]);
}

#[test]
fn who_speaks_alone_is_told_so_once() {
    play(
        "
        +ann
        ann< * Welcome!…
        ann> is anybody here?
        ann< * Nobody else is in #lobby now. Whoever joins will see what you said.
        ann> no?
        --
        +bob
        ann< * guest-2 joined #lobby.
        bob< * Welcome!…
        bob< * The last 2 messages of #lobby (UTC):
        bob< *   2026-11-22 13:05:09 (1) guest-1: is anybody here?
        bob< *   2026-11-22 13:05:09 (2) guest-1: no?
        ann> there you are
        bob< [#lobby] guest-1: there you are
        -bob
        ann< * guest-2 left #lobby.
        ann> and gone
        ann< * Nobody else is in #lobby now. Whoever joins will see what you said.
        ann> oh
        --
        ann> /join #dev
        ann< * You are in #dev now, with nobody else.
        ann> and here?
        ann< * Nobody else is in #dev now. Whoever joins will see what you said.
    ",
    );
}

#[test]
fn a_direct_message_has_two_views() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice", "bob", "carol"]);
    stage.play(
        "
        alice> /msg BOB  how are  you?
        alice< [you -> bob] how are  you?
        bob< [alice -> you] how are  you?
        bob> /msg bob a note
        bob< [you -> bob] a note
        bob> /msg bo hello
        bob< ! Nobody here is called \"bo\". /who lists who is in a room.
        bob> /msg alice
        bob< ! That is not how /msg works. Type it as: /msg NAME TEXT
        bob> /msg
        bob< ! That is not how /msg works. Type it as: /msg NAME TEXT
        -carol
        alice< * carol left #lobby.
        bob< * carol left #lobby.
        alice> /msg carol still there?
        alice< ! Nobody here is called \"carol\". /who lists who is in a room.
        bob> /leave
        alice< * bob left #lobby.
        bob< * You left #lobby.
        bob< * You are in no room now. Enter one with /join #ROOM.
        alice> /msg bob and without a room?
        alice< [you -> bob] and without a room?
        bob< [alice -> you] and without a room?
    ",
    );
    assert_eq!(stage.offer("alice", b"/msg bob \x1b\x07"), Outcome::Done);
    assert_eq!(stage.hear("alice"), ["! There was nothing to say in that."]);
    assert_eq!(stage.hear("bob"), [""; 0]);
}

#[test]
fn quitting_says_goodbye_to_every_room() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice", "bob", "carol"]);
    stage.play(
        "
        bob> /join #dev
        bob< * You are in #dev now, with nobody else.
        carol> /join #dev
        bob< * carol joined #dev.
        carol< * You are in #dev now, with 1 other.
        bob> /quit see you tomorrow
        alice< * bob left #lobby: see you tomorrow
        carol< * bob left #lobby: see you tomorrow
        carol< * bob left #dev: see you tomorrow
        bob< * Goodbye.
        bob< (closed)
        carol> /QUIT
        alice< * carol left #lobby.
        carol< * Goodbye.
        carol< (closed)
        alice> /nick bob
        alice< * You are bob now.
    ",
    );
    assert_eq!((stage.chat.people(), stage.chat.rooms()), (1, 1));
}

#[test]
fn what_can_not_be_done_is_told_in_one_line_that_says_why_and_what_to_do() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice", "bob"]);
    stage.play(
        "
        bob> /join #dev
        bob< * You are in #dev now, with nobody else.
        alice> /dance now
        alice< ! There is no command \"/dance\". Type /help for the commands, or //text to say /text.
        alice> /
        alice< ! There is no command \"/\". Type /help for the commands, or //text to say /text.
        alice> /help dance
        alice< ! There is no command \"dance\". Type /help for all of them.
        alice> /nick
        alice< ! That is not how /nick works. Type it as: /nick NAME
        alice> /nick al ice
        alice< ! That is not how /nick works. Type it as: /nick NAME
        alice> /nick bob
        alice< ! The name bob is taken. Choose another one.
        alice> /nick #alice
        alice< ! A name cannot begin with # (U+0023); leave it out.
        alice> /nick server
        alice< ! \"server\" is reserved; choose another name.
        alice> /join
        alice< ! That is not how /join works. Type it as: /join #ROOM [CODE]
        alice> /join #
        alice< ! A room's name cannot be empty; give one, such as #dev.
        alice> /leave #dev
        alice< ! You are not in the room \"#dev\". Enter it with /join.
        alice> /leave #nowhere
        alice< ! There is no room \"#nowhere\". /rooms lists those that there are.
        alice> /who #nowhere
        alice< ! There is no room \"#nowhere\". /rooms lists those that there are.
        alice> /who #dev x
        alice< ! That is not how /who works. Type it as: /who [#ROOM] [PAGE]
        alice> /rooms 0
        alice< ! That is not how /rooms works. Type it as: /rooms [PAGE]
        alice> /history -1
        alice< ! That is not how /history works. Type it as: /history [@NAME] [N]
        alice> /me
        alice< ! That is not how /me works. Type it as: /me ACTION
    ",
    );
    for refused in ["/leave", "/who", "/topic", "/topic x", "/history", "/me waves", "hello", "//x"]
    {
        stage.play(
            "
            alice> /leave
            alice< * You left #lobby.
            alice< * You are in no room now. Enter one with /join #ROOM.
            bob< * alice left #lobby.
        ",
        );
        stage.say("alice", refused);
        assert_eq!(
            stage.hear("alice"),
            ["! You are in no room. Enter one with /join #ROOM."],
            "{refused}"
        );
        stage.play(
            "
            alice> /join #lobby
            alice< * You are in #lobby now, with 1 other.
            bob< * alice joined #lobby.
        ",
        );
    }
}

#[test]
fn every_complaint_is_one_line_that_names_no_control() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice"]);
    let hostile = "\u{1b}[31m\u{9b}\u{202e}\u{7}x\u{2028}";
    for command in
        ["/", "/nick ", "/join ", "/leave ", "/who ", "/msg bob", "/help ", "/rooms ", "/history "]
    {
        for hostile in
            [hostile.to_owned(), hostile.repeat(50), "あ".repeat(2000), "\u{301}".repeat(3000)]
        {
            stage.say("alice", &format!("{command}{hostile}"));
            let heard = stage.hear("alice");
            assert_eq!(heard.len(), 1, "{command}: {heard:?}");
            assert!(
                heard[0].starts_with("! ") && heard[0].chars().count() < 500,
                "{command}: {heard:?}"
            );
        }
    }
}

/// With the line that was typed, and the one that is typed next.
#[test]
fn help_fits_a_small_screen() {
    let mut stage = Stage::with_people(settings());
    stage.seat(&["alice"]);
    stage.say("alice", "/help");
    let heard = stage.hear("alice");
    let rows: usize = heard.iter().map(|line| line.chars().count().div_ceil(80)).sum();
    assert!(rows + 2 <= 24, "{rows} rows: {heard:#?}");
    let shown = heard.join(" ");
    assert!(COMMANDS.iter().all(|spec| shown.contains(&format!("/{}", spec.name))), "{shown}");
    assert!(shown.contains("/help all"), "{shown}");
}

#[test]
fn help_is_the_table() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice"]);
    stage.say("alice", "/help All");
    let heard = stage.hear("alice");
    assert_eq!(heard.len(), COMMANDS.len());
    let mut names = BTreeSet::new();
    for (line, command) in heard.iter().zip(&COMMANDS) {
        assert!(line.starts_with(&format!("* /{}", command.name)), "{line}");
        assert!(line.contains(command.arguments) && line.ends_with(command.help), "{line}");
        assert!(names.insert(command.name), "{} is there twice", command.name);
        for typed in
            [command.name.to_owned(), format!("/{}", command.name), command.name.to_uppercase()]
        {
            stage.say("alice", &format!("/help {typed}"));
            let one = stage.hear("alice");
            assert_eq!(one[0], *line);
            assert_eq!(one.len(), 1 + usize::from(!command.details.is_empty()), "{one:?}");
        }
        // What is asked for without what it needs is answered, and not taken for something unknown.
        stage.say("alice", &format!("/{}", command.name));
        let answer = stage.hear("alice").join("\n");
        assert!(!answer.contains("There is no command"), "/{}: {answer}", command.name);
        if command.name == "quit" {
            stage.seat(&["alice"]);
        } else if command.name == "leave" {
            stage.say("alice", "/join #lobby");
            stage.forget();
        }
    }
    for issue in [
        "help", "nick", "join", "leave", "rooms", "who", "topic", "msg", "me", "history", "quit",
        "/",
    ] {
        assert!(names.contains(issue), "{issue} cannot be typed");
    }
}

#[test]
fn what_is_not_utf_8_is_not_said() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice", "bob"]);
    for bytes in [
        &b"caf\xe9"[..],
        b"\xff",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"abc \xe3\x81",
        b"/nick \xff",
        b"\xf5\x80\x80\x80",
    ] {
        assert_eq!(stage.offer("alice", bytes), Outcome::Done);
        let heard = stage.hear("alice");
        let at = String::from_utf8_lossy(bytes).find('\u{FFFD}').expect("it is not UTF-8");
        let told = format!(
            "! Not said: that is not UTF-8 from byte {at} on; set your terminal or client to UTF-8."
        );
        assert_eq!(heard, [told], "{bytes:?}");
        assert_eq!(stage.hear("bob"), [""; 0], "{bytes:?}");
    }
    stage.say("alice", "café");
    assert_eq!(stage.hear("bob"), ["[#lobby] alice: café"]);
}

#[test]
fn what_is_binary_ends_the_connection() {
    let mut stage = Stage::new(settings());
    stage.seat(&["bob"]);
    stage.play(
        "
        +page text name=page
        bob< * page joined #lobby.
        page< * Welcome!…
    ",
    );
    let message = Incoming { peer: Peer::default(), kind: FrameKind::Binary, bytes: b"hello" };
    let outcome = stage.offer_frame("page", message);
    assert_eq!(outcome, Outcome::Close(CloseReason::Unsupported("this chat takes text only")));
    assert_eq!(stage.hear("page"), ["(closed)"]);
    assert_eq!(stage.hear("bob"), ["* page left #lobby."]);
}

/// The stage itself sees to it that nobody is told a control character; here is that the rest
/// arrives.
#[test]
fn no_control_reaches_another_terminal_by_any_way() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice", "bob"]);
    stage.say("bob", "/join #dev");
    stage.say("bob", "/join #lobby");
    stage.forget();
    let mut hostile: Vec<char> =
        (0..0xA0).filter_map(char::from_u32).filter(|c| c.is_control()).collect();
    hostile.extend(
        "\u{2028}\u{2029}\u{202A}\u{202B}\u{202C}\u{202D}\u{202E}\u{2066}\u{2067}\u{2068}\u{2069}\u{FEFF}".chars(),
    );
    for c in hostile {
        let evil = format!("{c}[2J{c}]0;title{c}\\x{c}");
        for command in ["", "/me ", "/msg bob ", "/topic ", "//"] {
            stage.say("alice", &format!("{command}a{evil}z"));
            let heard = stage.hear("bob");
            assert_eq!(heard.len(), 1, "{c:?} by {command:?}: {heard:?}");
            assert!(
                heard[0].contains("[2J") && heard[0].ends_with('z'),
                "{c:?} by {command:?}: {heard:?}"
            );
        }
        for command in ["/nick ", "/join "] {
            stage.say("alice", &format!("{command}a{c}b"));
            assert_eq!(stage.hear("bob"), [""; 0], "{c:?} by {command:?}");
            let heard = stage.hear("alice");
            assert!(
                heard.last().is_some_and(|line| line.starts_with("! ")),
                "{c:?} by {command:?}: {heard:?}"
            );
        }
        stage.say("alice", "/topic");
        stage.say("alice", "/rooms");
        stage.forget();
    }
    stage.say("alice", "/history 1000");
    assert!(stage.hear("alice").len() > 100);
    stage.say("alice", "/quit \u{1b}[31mred\u{7f}");
    assert_eq!(stage.hear("bob"), ["* alice left #lobby: [31mred"]);
}

#[test]
fn a_command_is_one_whatever_unseen_comes_before_it() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice", "bob", "carol"]);
    for unseen in [
        "\u{FEFF}",
        "\u{FEFF}\u{FEFF}",
        "\u{200B}",
        "\u{2060}\u{FEFF}",
        "\u{200E}",
        "\u{7}",
        "\u{1b}",
        "\u{3164}",
    ] {
        stage.say("carol", &format!("{unseen}/msg bob the password is hunter2"));
        assert_eq!(stage.hear("alice"), [""; 0], "{}", unseen.escape_unicode());
        assert_eq!(stage.hear("bob"), ["[carol -> you] the password is hunter2"]);
        assert_eq!(stage.hear("carol"), ["[you -> bob] the password is hunter2"]);
    }
    stage.play(
        "
        alice> \u{FEFF}hello
        bob< [#lobby] alice: hello
        carol< [#lobby] alice: hello
        alice> \u{FEFF}
        alice> \u{200F}\u{5D0}
        bob< [#lobby] alice: \u{200F}\u{5D0}
        carol< [#lobby] alice: \u{200F}\u{5D0}
        alice> \u{2800}\u{3164}\u{200B}
        alice< ! There was nothing to say in that.
        alice> /topic \u{202E}\u{200B}
        alice< ! There was nothing to say in that.
        alice> /me \u{3164}
        alice< ! There was nothing to say in that.
    ",
    );
}

#[test]
fn blanks_do_not_make_lines_of_other_people() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice", "bob"]);
    stage.open("web", JSON, Visit { name: Some("web"), room: Some("lobby") });
    stage.forget();
    for blank in [" ", "\u{A0}", "\u{3000}", "\u{2800}", "\u{3164}", " \u{200B}", "\t"] {
        let text = format!("hi{}[#lobby] bob: I quit", blank.repeat(80));
        let is_shown = |line: &str| {
            let columns: usize = line.chars().map(|c| if c < '\u{2E80}' { 1 } else { 2 }).sum();
            assert!(
                line.ends_with("[#lobby] bob: I quit") && columns < 80,
                "{}",
                line.escape_unicode()
            );
        };
        stage.say("alice", &text);
        is_shown(&stage.hear("bob")[0]);
        let said = stage.objects("web").remove(0);
        let as_said = text.replace('\t', " ");
        assert_eq!(said["text"].as_str(), Some(&*as_said), "programs get what was said");
        stage.say("alice", &format!("/me {text}"));
        stage.say("alice", &format!("/msg bob {text}"));
        stage.say("alice", &format!("/topic {text}"));
        stage.say("bob", "/topic");
        stage.say("bob", "/rooms");
        stage.say("bob", "/join lobby");
        stage.say("bob", "/history 1");
        stage.say("bob", "/join #b");
        stage.say("bob", "/leave");
        let heard = stage.hear("bob");
        assert_eq!(heard.iter().filter(|line| line.ends_with("I quit")).count(), 7, "{heard:#?}");
        heard.iter().filter(|line| line.contains("I quit")).for_each(|line| is_shown(line));
        stage.forget();
    }
    stage.say("alice", &format!("/quit so{}[#lobby] bob: I quit", " ".repeat(100)));
    assert_eq!(stage.hear("bob"), ["* alice left #lobby: so        [#lobby] bob: I quit"]);
}
