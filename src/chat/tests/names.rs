//! Names in many scripts, and that two people never have one.

use proptest::prelude::*;

use super::stage::{JSON, Stage, TEXT, Visit, settings};
use crate::chat::name::Name;

#[test]
fn a_new_name_is_told_to_every_room_that_its_owner_is_in() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice", "bob", "carol", "dave"]);
    for (name, command) in [
        ("bob", "/join #dev"),
        ("carol", "/join #dev"),
        ("carol", "/leave #lobby"),
        ("dave", "/leave"),
    ] {
        stage.say(name, command);
    }
    stage.say("alice", "/join #dev");
    stage.forget();
    stage.play(
        "
        alice> /nick Alicia
        alice< * You are Alicia now.
        bob< * alice is Alicia now.
        carol< * alice is Alicia now.
        dave> /nick david
        dave< * You are david now.
        alice> still me
        bob< [#dev] Alicia: still me
        carol< [#dev] Alicia: still me
        bob> /nick alice
        alice< * bob is alice now.
        bob< * You are alice now.
        carol< * bob is alice now.
    ",
    );
}

#[test]
fn ones_own_name_can_be_spelt_otherwise() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice", "bob"]);
    stage.play(
        "
        alice> /nick ALICE
        alice< * You are ALICE now.
        bob< * alice is ALICE now.
        alice> /nick ＡＬＩＣＥ
        alice< * You are ＡＬＩＣＥ now.
        bob< * ALICE is ＡＬＩＣＥ now.
        alice> /nick ＡＬＩＣＥ
        alice< * You are ＡＬＩＣＥ now.
        bob> /msg alice hello
        bob< [you -> ＡＬＩＣＥ] hello
        alice< [bob -> you] hello
    ",
    );
}

/// Each row: one name, as several people would like to have it.
const ONE_NAME: [&[&str]; 8] = [
    &["carol", "Carol", "CAROL", "ｃａｒｏｌ", "Ｃａｒｏｌ"],
    &["アリス", "ｱﾘｽ"],
    &["ガガ", "ｶﾞｶﾞ", "カ\u{3099}カ\u{3099}"],
    &["josé", "jose\u{301}", "JOSÉ"],
    &["straße", "STRASSE", "strasse"],
    &["ΣΊΣΥΦΟΣ", "σίσυφος"],
    &["❤\u{FE0F}", "❤"],
    &["太郎１", "太郎1"],
];

#[test]
fn two_people_never_have_one_name_whatever_its_case_or_width() {
    for row in ONE_NAME {
        for first in row {
            for second in row {
                let mut stage = Stage::new(settings());
                stage.seat(&["alice", "bob"]);
                stage.say("alice", &format!("/nick {first}"));
                let shown = Name::parse(first).expect("a name");
                assert_eq!(stage.hear("alice"), [format!("* You are {shown} now.")]);
                assert_eq!(stage.hear("bob"), [format!("* alice is {shown} now.")]);
                stage.say("bob", &format!("/nick {second}"));
                let wanted = Name::parse(second).expect("a name");
                assert_eq!(
                    stage.hear("bob"),
                    [format!("! The name {wanted} is taken. Choose another one.")]
                );
                let name = Some(*second);
                stage.open("page", TEXT, Visit { name, ..Visit::default() });
                let greeting = stage.hear("page");
                assert!(
                    greeting[0].starts_with("* Welcome! You are guest-1 in #lobby"),
                    "{greeting:?}"
                );
                assert_eq!(
                    greeting[1],
                    format!("! The name {wanted} is taken. Choose another one.")
                );
                // It is free as soon as its owner has gone, or has taken another one.
                stage.leave("alice");
                stage.say("bob", &format!("/nick {second}"));
                assert_eq!(stage.hear("bob").last(), Some(&format!("* You are {wanted} now.")));
                stage.say("bob", "/nick bob");
                stage.say("page", &format!("/nick {first}"));
                assert!(stage.hear("page").contains(&format!("* You are {shown} now.")));
            }
        }
    }
}

#[test]
fn names_in_several_scripts_are_shown_as_they_were_typed() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice", "bob"]);
    for name in [
        "Ann-2",
        "山田太郎",
        "ﾔﾏﾀﾞ",
        "Ñandú",
        "Дмитрий",
        "דנה",
        "🦀🦀",
        "👩\u{200D}💻",
        "นภา",
        "한글",
    ] {
        stage.say("alice", &format!("/nick {name}"));
        assert_eq!(stage.hear("alice"), [format!("* You are {name} now.")]);
        stage.forget();
        stage.say("alice", "やあ");
        assert_eq!(stage.hear("bob"), [format!("[#lobby] {name}: やあ")]);
    }
    stage.say("alice", "/nick e\u{301}ve");
    assert_eq!(
        stage.hear("alice"),
        ["* You are \u{e9}ve now."],
        "marks are put together with their letters"
    );
}

#[test]
fn a_refused_name_changes_nothing() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice", "bob"]);
    for name in [
        "/quit",
        "#lobby",
        "*",
        "!",
        "...",
        "a:b",
        "a]b",
        "[a",
        "you",
        "YOU",
        "Ｓｅｒｖｅｒ",
        "\u{301}a",
        "a\u{200B}b",
        "a\u{202E}b",
        "\u{2066}x",
        "\u{E0041}",
        "\u{FFFD}",
        "ᅠ",
        "\u{3164}",
        "a\u{e000}",
        "אa",
    ] {
        stage.say("alice", &format!("/nick {name}"));
        let heard = stage.hear("alice");
        assert!(heard.len() == 1 && heard[0].starts_with("! "), "{name:?}: {heard:?}");
        assert_eq!(stage.hear("bob"), [""; 0], "{name:?}");
    }
    for (name, taken) in [
        ("a".repeat(32), true),
        ("a".repeat(33), false),
        ("あ".repeat(32), true),
        ("あ".repeat(33), false),
    ] {
        stage.say("alice", &format!("/nick {name}"));
        assert_eq!(stage.hear("alice")[0].starts_with("* "), taken, "{name}");
    }
}

#[test]
fn a_guest_is_given_a_number_that_nobody_has() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice"]);
    stage.play(
        "
        alice> /nick Guest-1
        alice< * You are Guest-1 now.
        +bob
        alice< * guest-2 joined #lobby.
        bob< * Welcome! You are guest-2 in …
        -bob
        alice< * guest-2 left #lobby.
        +bob
        alice< * guest-3 joined #lobby.
        bob< * Welcome! You are guest-3 in …
    ",
    );
}

#[derive(Clone, Debug)]
enum Step {
    Come(usize, usize),
    Go(usize),
    Nick(usize, usize),
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The stage checks after every turn that everybody is found by name; here is that refusals are
    /// the right ones.
    #[test]
    fn who_holds_a_name_is_the_only_one(steps in prop::collection::vec(prop_oneof![
        (0..5usize, 0..12usize).prop_map(|(actor, name)| Step::Come(actor, name)),
        (0..5usize).prop_map(Step::Go),
        (0..5usize, 0..12usize).prop_map(|(actor, name)| Step::Nick(actor, name)),
    ], 0..60)) {
        let names: Vec<&str> = ONE_NAME[..4].iter().flat_map(|row| &row[..]).copied().collect();
        let row_of = |at: usize| ONE_NAME.iter().position(|row| row.contains(&names[at]));
        let mut stage = Stage::new(settings());
        let mut held = [const { None::<Option<usize>> }; 5];
        for step in steps {
            match step {
                Step::Come(actor, at) if held[actor].is_none() => {
                    let at = at % names.len();
                    let free = held.iter().flatten().all(|row| *row != row_of(at));
                    stage.open(&format!("a{actor}"), TEXT, Visit { name: Some(names[at]), room: None });
                    let heard = stage.hear(&format!("a{actor}"));
                    prop_assert_eq!(heard.iter().any(|line| line.starts_with("! The name")), !free);
                    held[actor] = Some(free.then(|| row_of(at)).flatten());
                }
                Step::Go(actor) if held[actor].is_some() => {
                    stage.leave(&format!("a{actor}"));
                    stage.turn();
                    held[actor] = None;
                }
                Step::Nick(actor, at) if held[actor].is_some() => {
                    let (actor_name, at) = (format!("a{actor}"), at % names.len());
                    let free = (0..5).all(|other| other == actor || held[other] != Some(row_of(at)));
                    stage.forget();
                    stage.say(&actor_name, &format!("/nick {}", names[at]));
                    let heard = stage.hear(&actor_name);
                    let told = heard.iter().any(|line| line.starts_with("* You are"));
                    prop_assert_eq!(told, free, "{:?}", heard);
                    if free {
                        held[actor] = Some(row_of(at));
                    }
                }
                _ => {}
            }
        }
    }
}

#[test]
fn nobody_gets_a_name_that_looks_like_one_in_use() {
    let mut stage = Stage::new(settings());
    stage.seat(&["coco", "modem"]);
    stage.play(
        "
        +bob
        bob< * Welcome! You are guest-1 in #lobby, with 2 others. …
        coco< * guest-1 joined #lobby.
        modem< * guest-1 joined #lobby.
        bob> /nick сосо
        bob< ! The name сосо looks like coco, which is taken. Choose another one.
        bob> /nick \u{441}oco
        bob< ! A name cannot hide letters of one script among those of another; use one script.
        bob> /nick coco.
        bob< ! The name coco. looks like coco, which is taken. Choose another one.
        bob> /nick modern
        bob< ! The name modern looks like modem, which is taken. Choose another one.
        bob> /nick guest-l
        bob< * You are guest-l now.
        coco< * guest-1 is guest-l now.
        modem< * guest-1 is guest-l now.
        coco> /nick сосо
        coco< * You are сосо now.
        bob< * coco is сосо now.
        modem< * coco is сосо now.
        bob> /nick coco
        bob< ! The name coco looks like сосо, which is taken. Choose another one.
        bob> /msg coco is that you?
        bob< ! Nobody here is called \"coco\". /who lists who is in a room.
        -coco
        bob< * сосо left #lobby.
        modem< * сосо left #lobby.
        bob> /nick coco
        bob< * You are coco now.
        modem< * guest-l is coco now.
    ",
    );
}

#[test]
fn a_guest_is_given_no_number_that_looks_like_a_name() {
    let mut stage = Stage::new(settings());
    stage.seat(&["guest-l", "ɡuest-2"]);
    stage.open("web", JSON, Visit { name: Some("guest-I"), ..Visit::default() });
    let objects = stage.objects("web");
    assert_eq!(objects[0]["name"], "guest-3");
    assert_eq!((objects[1]["code"].as_str(), objects.len()), (Some("name_taken"), 2));
}

#[test]
fn no_room_looks_like_another() {
    let mut stage = Stage::new(settings());
    stage.seat(&["alice", "bob"]);
    stage.play(
        "
        alice> /join #dev
        alice< * You are in #dev now, with nobody else.
        bob> /join #d\u{435}v
        bob< ! A room's name cannot hide letters of one script among those of another; use one script.
        bob> /join #_dev_
        bob< ! The room #_dev_ looks like #dev, which is another one. Join that, or choose another name.
        bob> /join #ＤＥＶ
        bob< * You are in #dev now, with 1 other.
        alice< * bob joined #dev.
        bob> /join #lobby.
        bob< ! The room #lobby. looks like #lobby, which is another one. Join that, or choose another name.
        alice> /join #c
        alice< * You are in #c now, with nobody else.
        alice> /join #c#
        alice< * You are in #c# now, with nobody else.
    ",
    );
    let mut stage = Stage::new(settings());
    stage.open("web", JSON, Visit::default());
    stage.forget();
    stage.say("web", "{\"type\": \"join\", \"room\": \"#l0bby\", \"ref\": 1}");
    let refused = stage.objects("web").remove(0);
    assert_eq!(
        (refused["code"].as_str(), refused["ref"].as_u64()),
        (Some("room_refused"), Some(1)),
        "{refused}"
    );
    stage.play(
        "
        +ann
        ann< * Welcome! You are guest-2 in #lobby, with nobody else. …
    ",
    );
}
