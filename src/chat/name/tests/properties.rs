//! What holds for any name.

use super::*;
use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

/// What can be said about one character, said about every character there is.
#[test]
fn every_character_there_is() {
    let mut accepted = 0;
    for c in planes() {
        let typed = format!("x{c}");
        let name = match Name::parse(&typed) {
            Ok(name) => name,
            Err(error) => {
                let error = error.to_string();
                assert!(!error.contains(hostile), "{}", error.escape_unicode());
                continue;
            }
        };
        accepted += 1;
        let at = || format!("{c} {}", c.escape_unicode());
        if typed.trim() == typed {
            assert!(!hostile(c) && !c.is_whitespace(), "{}", at());
        }
        assert!(
            !name
                .key()
                .contains(|k: char| k.is_whitespace() || hostile(k) || "[]:,<>!@*".contains(k)),
            "{}",
            at()
        );
        assert_eq!(name, super::name(name.as_str()), "{}", at());
        let respelled: [String; 5] = [
            typed.to_uppercase(),
            typed.to_lowercase(),
            typed.nfd().collect(),
            typed.nfkc().collect(),
            typed.nfkd().collect(),
        ];
        for other in respelled.iter().filter(|&other| *other != typed) {
            // Old Hangul letters are what half-width ones decompose to, and not themselves names.
            if let Ok(other) = Name::parse(other) {
                assert_eq!(other.key(), name.key(), "{}", at());
            }
        }
    }
    // Unicode 18 has some 160,000 characters; the ones refused are few.
    assert!((150_000..170_000).contains(&accepted), "{accepted}");
}

/// The planes that have characters, and the edges of those that have none.
fn planes() -> impl Iterator<Item = char> {
    let empty = ['\u{40000}', '\u{DFFFF}', '\u{F0000}', '\u{FFFFF}', '\u{100000}', char::MAX];
    ('\0'..'\u{34000}').chain('\u{E0000}'..'\u{E1000}').chain(empty)
}

/// Pieces that names are made of, and some that they are not.
fn typed() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[A-Za-z0-9_.-]{1,6}",
        2 => "[Ａ-Ｚａ-ｚ０-９]{1,4}",
        2 => "[ぁ-んァ-ヶ一-十]{1,4}",
        2 => "[ｦ-ﾟ]{1,4}",
        1 => "[À-ÿĀ-žΆ-ώА-я]{1,4}",
        1 => "[\u{300}-\u{36F}]{1,2}",
        1 => "[א-תا-ي]{1,4}",
        1 => "[가-힣ㄱ-ㅣ]{1,3}",
        1 => any::<char>().prop_map(String::from),
        1 => prop::sample::select(vec!["🦀", "❤\u{FE0F}", "👩\u{200D}💻", "🇯🇵", "👍🏽", "\u{200D}", "\u{FE0F}", " ", "ß", "ﬁ", "Σ", "İ"])
            .prop_map(String::from),
    ];
    prop::collection::vec(piece, 1..5).prop_map(|pieces| pieces.concat())
}

/// ASCII letters and digits in their full width.
fn wide(text: &str) -> String {
    let widen = |c: char| match c {
        '!'..='~' => char::from_u32(u32::from(c) + 0xFEE0).expect("the full-width block"),
        c => c,
    };
    text.chars().map(widen).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_is_shown_is_the_same_name(typed in typed()) {
        if let Ok(name) = Name::parse(&typed) {
            let again = Name::parse(name.as_str()).expect("a name stays one");
            prop_assert_eq!(again.as_str(), name.as_str());
            prop_assert_eq!(again.key(), name.key());
            prop_assert_eq!(name.as_str(), typed.trim().nfc().collect::<String>());
        }
        if let Ok(room) = RoomName::parse(&typed) {
            let again = RoomName::parse(room.as_str()).expect("a room's name stays one");
            prop_assert_eq!(again, room);
        }
    }

    #[test]
    fn case_width_and_form_make_no_second_name(typed in typed()) {
        if let Ok(name) = Name::parse(&typed) {
            // Case is turned in NFC, as an iota subscript becomes a letter that takes later marks
            // with it.
            let forms: [String; 6] = [
                name.as_str().to_uppercase(), name.as_str().to_lowercase(), wide(&typed),
                typed.nfd().collect(), typed.nfkc().collect(), typed.nfkd().collect(),
            ];
            for form in forms {
                // The others can be too long or have what NFKC takes apart.
                if let Ok(other) = Name::parse(&form) {
                    prop_assert_eq!(other.key(), name.key(), "{} and {}", typed, form);
                }
            }
        }
    }

    #[test]
    fn both_ways_agree_on_ascii(typed in "[ -~]{0,8}|[a-zA-Z0-9/#*!@:.,<>_-]{1,40}") {
        let typed = typed.trim();
        let slow = || {
            rules::check(typed, &NAME_LIMITS)?;
            comparison::key(typed, comparison::PASSES_MAX).ok_or(NameErrorKind::Unstable)
        };
        if !typed.is_empty() {
            let fast = parse(typed, "", &NAME_LIMITS).map(|name| name.key().to_owned());
            prop_assert_eq!(fast, slow());
        }
    }

    #[test]
    fn limits_hold_and_errors_are_safe(typed in prop_oneof![typed(), any::<String>()]) {
        match (Name::parse(&typed), RoomName::parse(&typed)) {
            (Ok(name), _) => {
                prop_assert!(name.as_str().graphemes(true).count() <= 32 && name.as_str().len() <= 128);
                prop_assert!(!name.key().is_empty() && !name.as_str().contains(char::is_whitespace));
            }
            (Err(name), Err(room)) => {
                for error in [name.to_string(), room.to_string()] {
                    prop_assert!(!error.contains(hostile) && error.len() < 200, "{}", error.escape_unicode());
                }
            }
            (Err(_), Ok(room)) => prop_assert!(room.as_str().starts_with('#')),
        }
    }
}
