use super::*;
use proptest::prelude::*;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

const SCOTLAND: &str = "🏴\u{E0067}\u{E0062}\u{E0073}\u{E0063}\u{E0074}\u{E007F}";

#[test]
fn clean_text_is_not_copied() {
    for text in [
        "",
        "hello, world ~",
        "こんにちは、世界。ｶﾀｶﾅ！",
        "naïve café · 20 °C — “quoted” … €",
        "سلام\u{200C}ها \u{200F}مرحبا\u{61C}",
        "שלום\u{200E} עולם",
        "क\u{94D}\u{200D}ष ខ\u{200B}ខ",
        "👩\u{200D}💻 ❤\u{FE0F} 1\u{FE0F}\u{20E3} 🇯🇵 👍🏽",
        "葛\u{E0100}城 ≨\u{FE00}",
        SCOTLAND,
        "\u{E000} \u{F8FF} private use is the reader's own font",
        "[31m is harmless once ESC is gone",
    ] {
        assert!(
            matches!(clean(text), Cow::Borrowed(same) if same == text),
            "{}",
            text.escape_unicode()
        );
    }
}

#[test]
fn what_acts_or_hides_is_taken_out() {
    for (text, cleaned) in [
        ("\u{1b}[2J\u{1b}]0;owned\u{7}", "[2J]0;owned"),
        ("\0a\u{8}b\u{7F}c\u{80}d\u{9B}e\u{9F}", "abcde"),
        ("a\tb\nc\rd\r\ne\u{B}f\u{C}g\u{85}h\u{2028}i\u{2029}j", "a b c d e f g h i j"),
        ("hi\r\n[#lobby] bob: forged", "hi [#lobby] bob: forged"),
        ("\r\r\n\n", "   "),
        ("a\u{202A}b\u{202B}c\u{202C}d\u{202D}e\u{202E}f", "abcdef"),
        ("a\u{2066}b\u{2067}c\u{2068}d\u{2069}e", "abcde"),
        ("a\u{2061}b\u{2064}c\u{206A}d\u{206F}e", "abcde"),
        ("\u{FEFF}a\u{FFF9}b\u{FFFA}c\u{FFFB}d", "abcd"),
        ("a\u{E0001}b\u{E0041}c\u{E007F}d\u{E0FFF}e", "abcde"),
        ("🏴\u{E0068}\u{E0069}\u{E007F}!", "🏴!"),
        ("\u{FE0F}a\u{FE0F}\u{FE0F}\u{E0100}b \u{FE01}", "a\u{FE0F}b "),
        ("\u{200B}\u{FE0F}x", "\u{200B}x"),
        ("é\u{1b}", "é"),
        ("\u{1b}\u{1b}\u{1b}", ""),
    ] {
        assert_eq!(clean(text), cleaned, "{}", text.escape_unicode());
        assert!(matches!(clean(text), Cow::Owned(_)), "{}", text.escape_unicode());
    }
    assert_eq!(clean(&format!("x{SCOTLAND}\u{E0067}y")), format!("x{SCOTLAND}y"));
}

#[test]
fn lines_of_a_message_stay() {
    for (text, cleaned) in [
        ("one\ntwo", "one\ntwo"),
        ("one\r\n\ttwo  \r\n", "one\n\ttwo  "),
        ("\n \n\u{3000}\n  if x:\n\n\ty\n \n\u{200B}\n", "  if x:\n\n\ty"),
        ("a\rb\u{B}c\u{C}d\u{85}e\u{2028}f\u{2029}g", "a b c d e f g"),
        ("a\r\r\nb\u{1b}[2J\u{202E}\n\u{FE0F}c", "a \nb[2J\nc"),
        ("\t x \t", "\t x \t"),
        (" \n ", " \n "),
        ("", ""),
    ] {
        assert_eq!(clean_lines(text), cleaned, "{}", text.escape_unicode());
        assert_eq!(clean_lines(cleaned), cleaned, "{}", text.escape_unicode());
    }
    assert!(matches!(clean_lines("a\n\tb"), Cow::Borrowed("a\n\tb")));
    assert!(matches!(clean_lines("\na\n"), Cow::Borrowed("a")));
}

#[test]
fn a_suspect_is_found_at_every_place() {
    for length in 0..100 {
        for at in 0..length {
            let mut text = "x".repeat(length);
            text.insert(at, '\u{1b}');
            assert_eq!(clean(&text), "x".repeat(length), "{at} of {length}");
        }
    }
}

/// Every character alone between two letters, judged by its general category and not by our list of
/// ranges.
#[test]
fn every_character_there_is() {
    let kept_format: &[char] = &[
        '\u{AD}', '\u{61C}', '\u{180E}', '\u{200B}', '\u{200C}', '\u{200D}', '\u{200E}',
        '\u{200F}', '\u{2060}',
    ];
    for c in ('\0'..'\u{34000}').chain('\u{E0000}'..'\u{E1100}') {
        let text = format!("a{c}b");
        let cleaned = clean(&text);
        let harmful = match c.general_category() {
            GeneralCategory::Control
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator => true,
            // Those of scripts (Arabic, Kaithi, hieroglyphs, shorthand, music) are part of how
            // those are written.
            GeneralCategory::Format => {
                !kept_format.contains(&c)
                    && !matches!(c as u32, 0x600..=0x8FF | 0x110BD..=0x110CD | 0x13430..=0x1343F | 0x1BCA0..=0x1D1FF)
            }
            GeneralCategory::Unassigned => matches!(c as u32, 0x2065 | 0xE0000..=0xE0FFF),
            _ => false,
        };
        assert_eq!(
            cleaned != text,
            harmful,
            "{}: {}",
            c.escape_unicode(),
            cleaned.escape_unicode()
        );
    }
}

/// One character after the other, into a new string.
fn clean_naively(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let before = out.chars().next_back();
        let tags = FLAGS.iter().find(|flag| before == Some('🏴') && rest.starts_with(&flag[4..]));
        let mut width = c.len_utf8();
        let category = c.general_category();
        if rest.starts_with("\r\n") {
            width = 2;
            out.push(' ');
        } else if "\t\n\u{B}\u{C}\r\u{85}\u{2028}\u{2029}".contains(c) {
            out.push(' ');
        } else if let Some(flag) = tags {
            width = flag.len() - 4;
            out.push_str(&flag[4..]);
        } else if is_selector(c) {
            let nothing = "\u{200B}\u{200C}\u{200D}\u{200E}\u{200F}\u{2060}\u{E007F}";
            if before.is_some_and(|b| !b.is_whitespace() && !is_selector(b) && !nothing.contains(b))
            {
                out.push(c);
            }
        } else if category != GeneralCategory::Control
            && !HIDDEN.iter().any(|hidden| hidden.contains(&c))
        {
            out.push(c);
        }
        rest = &rest[width..];
    }
    out
}

const FLAGS: [&str; 3] = [
    "🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}",
    SCOTLAND,
    "🏴\u{E0067}\u{E0062}\u{E0077}\u{E006C}\u{E0073}\u{E007F}",
];

const HIDDEN: [std::ops::RangeInclusive<char>; 7] = [
    '\u{202A}'..='\u{202E}',
    '\u{2061}'..='\u{2065}',
    '\u{2066}'..='\u{2069}',
    '\u{206A}'..='\u{206F}',
    '\u{FEFF}'..='\u{FEFF}',
    '\u{FFF9}'..='\u{FFFB}',
    '\u{E0000}'..='\u{E0FFF}',
];

/// Text that is mostly fine with a good deal of what is not.
fn awkward() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[ -~]{1,40}",
        2 => "[あ-んア-ン、。！]{1,20}",
        1 => any::<char>().prop_map(String::from),
        1 => prop::char::range('\0', '\u{A0}').prop_map(String::from),
        1 => prop::char::range('\u{2000}', '\u{206F}').prop_map(String::from),
        1 => prop::char::range('\u{FE00}', '\u{FE0F}').prop_map(String::from),
        1 => prop::char::range('\u{FEF0}', '\u{FFFF}').prop_map(String::from),
        1 => prop::char::range('\u{E0000}', '\u{E01FF}').prop_map(String::from),
        1 => prop::sample::select(vec!["🏴", FLAGS[0], FLAGS[1], "\r\n", "👩\u{200D}💻"]).prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn agrees_with_its_naive_twin(text in awkward()) {
        let cleaned = clean(&text);
        prop_assert_eq!(&cleaned, &clean_naively(&text));
        prop_assert_eq!(matches!(cleaned, Cow::Borrowed(_)), cleaned == text);
    }

    #[test]
    fn a_plain_text_needs_no_other_look(text in prop_oneof![awkward(), "[ -~]{0,80}"]) {
        let may_be = |c: char| (' '..='~').contains(&c) && c != '-' && c != '_';
        let is_plain_naively = text.starts_with(|c| ('!'..='~').contains(&c)) && text.chars().all(may_be);
        prop_assert_eq!(is_plain(&text), is_plain_naively);
        if is_plain(&text) {
            prop_assert!(matches!(clean(&text), Cow::Borrowed(same) if same == text));
            prop_assert!(matches!(clean_lines(&text), Cow::Borrowed(same) if same == text));
            prop_assert_eq!(lines_of(&text), 1);
        }
    }

    #[test]
    fn cleaning_twice_is_cleaning_once(text in awkward()) {
        let once = clean(&text).into_owned();
        prop_assert!(matches!(clean(&once), Cow::Borrowed(_)), "{}", once.escape_unicode());
    }

    #[test]
    fn bytes_are_text_where_the_standard_library_says_so(bytes in prop::collection::vec(any::<u8>(), 0..80), text in awkward()) {
        let mixed = [text.as_bytes(), &bytes].concat();
        let expected = std::str::from_utf8(&mixed).map_err(|error| NotUtf8 { offset_bytes: error.valid_up_to() });
        prop_assert_eq!(from_bytes(&mixed), expected);
        prop_assert_eq!(from_bytes(text.as_bytes()), Ok(text.as_str()));
    }

    #[test]
    fn a_quoted_value_shows_nothing_that_acts(text in awkward(), chars_max in 0usize..40) {
        let quoted = quote(&text, chars_max).to_string();
        let acts = |c: char| c != ' ' && matches!(c.general_category_group(), GeneralCategoryGroup::Other | GeneralCategoryGroup::Separator);
        prop_assert!(!quoted.contains(acts), "{}", quoted.escape_unicode());
        prop_assert_eq!(clean(&quoted), quoted.as_str());
        prop_assert!(quoted.chars().count() <= chars_max * 10 + 3);
    }
}

#[test]
fn not_utf8_says_where() {
    let error = from_bytes(b"caf\xe9").expect_err("Latin-1");
    assert_eq!(error, NotUtf8 { offset_bytes: 3 });
    assert_eq!(
        error.to_string(),
        "that is not UTF-8 from byte 3 on; set your terminal or client to UTF-8"
    );
    assert_eq!(from_bytes(b"\xed\xa0\x80"), Err(NotUtf8 { offset_bytes: 0 }), "a surrogate");
    assert_eq!(from_bytes("\u{10FFFF}é".as_bytes()), Ok("\u{10FFFF}é"));
    assert_eq!(
        from_bytes("あい".as_bytes().split_at(5).0),
        Err(NotUtf8 { offset_bytes: 3 }),
        "cut short"
    );
}

#[test]
fn quoting() {
    for (value, chars_max, quoted) in [
        ("alice", 10, "\"alice\""),
        ("alice", 5, "\"alice\""),
        ("alice", 4, "\"alic…\""),
        ("", 4, "\"\""),
        ("アリス👩", 9, "\"アリス👩\""),
        ("it's é e\u{301}", 9, "\"it's é e\u{301}\""),
        ("\u{301}a\u{FE0F}", 9, "\"\\u{301}a\\u{fe0f}\""),
        ("हिन्दी", 9, "\"हिन्दी\""),
        ("\u{1b}[2J", 9, "\"\\u{1b}[2J\""),
        ("a\u{202E}b\n\"", 9, "\"a\\u{202e}b\\n\\\"\""),
    ] {
        assert_eq!(quote(value, chars_max).to_string(), quoted);
    }
}

/// A character at a time: after eight columns of blanks nothing more of them is shown.
fn row_naively(text: &str) -> String {
    let mut columns = 0;
    let shown = |c: &char| {
        let wide = ['\u{3000}', '\u{3164}', '\u{115F}'].contains(c);
        let is_blank = c.is_whitespace() || is_blank(*c);
        columns = match (is_blank, wide) {
            (false, _) => 0,
            (true, false) => columns + 1,
            (true, true) => columns + 2,
        };
        // What would go over has its full width from then on, so that a narrower one behind it does
        // not slip in.
        columns = if columns > 8 { 100 } else { columns };
        columns <= 8
    };
    text.chars().filter(shown).collect()
}

#[test]
fn blanks_of_any_kind_do_not_reach_the_next_row() {
    let kinds = [
        ' ',
        '\t',
        '\u{A0}',
        '\u{AD}',
        '\u{34F}',
        '\u{61C}',
        '\u{115F}',
        '\u{1160}',
        '\u{1680}',
        '\u{17B4}',
        '\u{180E}',
        '\u{2000}',
        '\u{2003}',
        '\u{2007}',
        '\u{200A}',
        '\u{200B}',
        '\u{200D}',
        '\u{200E}',
        '\u{202F}',
        '\u{205F}',
        '\u{2060}',
        '\u{2800}',
        '\u{3000}',
        '\u{3164}',
        '\u{FE0F}',
        '\u{FFA0}',
        '\u{1D159}',
        '\u{E0020}',
    ];
    for kind in kinds {
        for other in kinds {
            let blanks: String = [kind, other].into_iter().cycle().take(300).collect();
            let text = format!("hi{blanks}[#lobby] alice: yes");
            let shown = Row(&clean(&text)).to_string();
            let blanks = shown
                .strip_prefix("hi")
                .and_then(|rest| rest.split_once('['))
                .expect("the rest is there")
                .0;
            assert!(blanks.chars().count() <= 8, "{}", shown.escape_unicode());
        }
    }
    for text in [
        "",
        "x",
        "        eight",
        "a  b   c",
        "\u{3000}\u{3000}\u{3000}\u{3000}あ",
        "👩\u{200D}💻 1\u{FE0F}\u{20E3}",
    ] {
        assert_eq!(Row(text).to_string(), text);
        assert_eq!(Row(text).pieces().count(), usize::from(!text.is_empty()));
    }
    assert_eq!(Row("         nine").to_string(), "        nine");
    assert_eq!(Row("x         ").to_string(), "x        ");
    assert_eq!(
        Row("a\u{3000}\u{3000}\u{3000}\u{3000}\u{3000}b").to_string(),
        "a\u{3000}\u{3000}\u{3000}\u{3000}b"
    );
}

/// As the documentation has it: `| ` before each further line, and of blanks and of blank lines in a
/// row only so many.
fn lines_naively(text: &str) -> String {
    let (mut shown, mut blank_lines) = (Vec::new(), 0);
    for (place, line) in text.split('\n').enumerate() {
        let line = line.replace('\t', "    ");
        let is_blank = line.chars().all(|c| c.is_whitespace() || is_blank(c));
        if place == 0 {
            shown.push(row_naively(&line));
            continue;
        }
        blank_lines = if is_blank { blank_lines + 1 } else { 0 };
        if is_blank && blank_lines <= 2 {
            shown.push("|".to_owned());
        } else if !is_blank {
            let indent: String = line.chars().take_while(|c| *c == ' ').take(24).collect();
            let rest = line.trim_start_matches(' ');
            shown.push(format!("| {indent}{}", row_naively(rest)));
        }
    }
    shown.join("\r\n")
}

#[test]
fn each_line_of_a_message_but_the_first_is_marked() {
    let shown = |text| Lines { text, line_break: "\n" }.to_string();
    for (text, expected) in [
        ("one", "one"),
        ("one\ttwo", "one    two"),
        ("one\n[#lobby] bob: I quit", "one\n| [#lobby] bob: I quit"),
        ("one\n* bob left.\n! no\n| x", "one\n| * bob left.\n| ! no\n| | x"),
        ("fn a() {\n\tif b {\n\t\tc();\n", "fn a() {\n|     if b {\n|         c();\n|"),
        ("a\n\n\n\n \n\u{200B}\nb\n\nc", "a\n|\n|\n| b\n|\n| c"),
    ] {
        assert_eq!(shown(text), expected, "{text:?}");
    }
    let deep = format!("x\n{}[#lobby] bob: I quit", " ".repeat(300));
    assert_eq!(shown(&deep), format!("x\n| {}[#lobby] bob: I quit", " ".repeat(24)));
    assert_eq!(one_row("a\n\tb"), "a  b");
}

fn blanks() -> impl Strategy<Value = String> {
    let pieces = vec![
        " ",
        "  ",
        "         ",
        "x",
        "あ",
        "\u{3000}",
        "\u{2800}\u{A0}",
        "\u{3164}",
        "👩\u{200D}💻",
        "é",
        "word",
        "\u{115F}",
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_row_agrees_with_its_naive_twin(text in blanks()) {
        let shown = Row(&text).to_string();
        prop_assert_eq!(&shown, &row_naively(&text));
        prop_assert_eq!(Row(&shown).to_string(), shown);
    }

    #[test]
    fn lines_agree_with_their_naive_twin(
        lines in prop::collection::vec(prop_oneof![blanks(), Just("\t".to_owned())], 1..8),
    ) {
        let text = lines.join("\n");
        let shown = Lines { text: &text, line_break: "\r\n" }.to_string();
        prop_assert_eq!(shown, lines_naively(&text));
    }
}

#[test]
fn rows_take_linear_time() {
    let ascii = format!("x{}", " ".repeat(9)).repeat(100_000);
    let mixed = format!("é{}", "\u{3000}".repeat(9)).repeat(50_000);
    let start = std::time::Instant::now();
    assert_eq!(Row(&ascii).to_string().len(), 900_000);
    assert_eq!(Row(&mixed).to_string().chars().count(), 250_000);
    assert!(start.elapsed().as_secs() < 5);
}
