//! Names, rooms' names and text: what may be shown on other people's screens.

use std::borrow::Cow;

use chat_server::chat::name::{Name, NameError, NameForms, RoomName};
use chat_server::chat::text::{
    Lines, Row, clean, clean_lines, from_bytes, is_blank, one_row, quote,
};
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use super::cuts::Cuts;

/// Cuts, then bytes: as a whole and in pieces they are text, a name and a room's name.
pub fn run(input: &[u8]) {
    let (cuts, payload) = Cuts::read(input);
    let expected = std::str::from_utf8(payload).map_err(|error| error.valid_up_to());
    assert_eq!(from_bytes(payload).map_err(|error| error.offset_bytes), expected);
    for piece in cuts.pieces(payload).chain([payload]) {
        let text = String::from_utf8_lossy(piece);
        check_text(&text);
        check_name(&text);
        check_room(&text);
    }
    check_cuts(cuts, &String::from_utf8_lossy(payload));
}

/// Whether a terminal would act on it, or it would reach past its own place in a line.
pub fn acts(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// Whether it hides: tags, invisible operators, interlinear annotations.
fn hides(c: char) -> bool {
    matches!(c, '\u{2061}'..='\u{2065}' | '\u{206A}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
        || matches!(c, '\u{E0000}'..='\u{E0FFF}')
            && !matches!(c, '\u{E0061}'..='\u{E007F}' | '\u{E0100}'..='\u{E01EF}')
}

fn check_text(text: &str) {
    let cleaned = clean(text);
    assert!(!cleaned.contains(|c| acts(c) || hides(c)), "{}", cleaned.escape_unicode());
    assert_eq!(
        matches!(cleaned, Cow::Borrowed(_)),
        cleaned == text,
        "borrowed exactly if nothing had to be done"
    );
    assert!(matches!(clean(&cleaned), Cow::Borrowed(_)), "{}", cleaned.escape_unicode());
    // Nothing is put in but spaces, for what parts words, and the rest stays in order.
    let mut typed = text.chars();
    for c in cleaned.chars() {
        let stood = typed.find(|&typed| typed == c || c == ' ' && typed.is_whitespace());
        assert!(stood.is_some(), "{} became {}", text.escape_unicode(), cleaned.escape_unicode());
    }
    check_row(&cleaned);
    check_lines(text);
    let quoted = quote(text, 40).to_string();
    assert!(!quoted.contains(|c| acts(c) || hides(c)), "{}", quoted.escape_unicode());
    assert_eq!(clean(&quoted), quoted);
    assert!(
        quoted.starts_with('"')
            && quoted.ends_with('"')
            && quoted.chars().count() <= 2 + 40 * 10 + 1
    );
}

/// A message of several lines is its lines, each cleaned by itself, from the first to the last on
/// which there is something to see. On a terminal each of them but the first is marked.
fn check_lines(text: &str) {
    let clean_line = |line: &str| line.split('\t').map(clean).collect::<Vec<_>>().join("\t");
    let lines: Vec<String> = text.replace("\r\n", "\n").split('\n').map(clean_line).collect();
    let is_seen = |line: &String| line.contains(|c: char| !c.is_whitespace() && !is_blank(c));
    let first = lines.iter().position(is_seen).unwrap_or(0);
    let last = lines.iter().rposition(is_seen).unwrap_or(lines.len() - 1);
    let cleaned = clean_lines(text);
    assert_eq!(cleaned, lines[first..=last].join("\n"), "{}", text.escape_unicode());
    let shown = Lines { text: &cleaned, line_break: "\n" }.to_string();
    assert!(!one_row(&cleaned).contains(acts));
    for (place, row) in shown.split('\n').enumerate() {
        assert!(!row.contains(acts), "{}", shown.escape_unicode());
        let row = match row.strip_prefix('|') {
            Some(rest) if place > 0 => rest.trim_start_matches(' '),
            _ => row,
        };
        assert_eq!(Row(row).to_string(), row, "{}", shown.escape_unicode());
    }
    assert_eq!(shown.matches("\n|").count(), shown.matches('\n').count());
}

/// Text on both sides of a space is cleaned as if each stood alone.
fn check_cuts(cuts: Cuts, text: &str) {
    let pieces: Vec<Cow<str>> = cuts.pieces(text.as_bytes()).map(String::from_utf8_lossy).collect();
    let apart: Vec<Cow<str>> = pieces.iter().map(|piece| clean(piece)).collect();
    assert_eq!(clean(&pieces.join(" ")), apart.join(" "));
}

fn check_name(typed: &str) {
    let read = |typed: &str| {
        Name::parse(typed).map(|name| (name.as_str().to_owned(), name.key().to_owned()))
    };
    match read(typed) {
        Err(error) => check_error(&error),
        Ok((shown, key)) => {
            check_shown(typed.trim(), &shown, &key);
            check_forms(&shown, &key, |form| read(form).ok());
            check_skeletons(
                &Name::parse(&shown).expect("a name"),
                &Name::parse(&key).or_else(|_| Name::parse(&shown)).expect("a name"),
            );
            assert!(!shown.starts_with(['/', '#']), "{shown} would be a command or a room");
            assert!(shown.len() <= 128, "{} bytes", shown.len());
            let plain = plainly(&key);
            for reserved in ["you", "me", "server", "system", "admin"] {
                assert_ne!(plain, reserved, "{shown}");
            }
        }
    }
}

/// A key without what makes look-alikes: letters that others have as well, and points around it.
fn plainly(key: &str) -> String {
    let latin = |c: char| match c {
        '\u{430}' | '\u{3B1}' => 'a',
        '\u{435}' => 'e',
        '\u{456}' => 'i',
        '\u{43E}' | '\u{3BF}' | '0' => 'o',
        '\u{440}' => 'p',
        '\u{455}' => 's',
        '\u{443}' => 'y',
        c => c,
    };
    key.trim_matches(['.', '_', '-']).chars().map(latin).collect()
}

/// Whatever its form, a name looks the same.
fn check_skeletons<N: NameForms>(name: &N, other: &N) {
    let skeletons = other.skeletons();
    assert!(
        name.skeletons().iter().any(|skeleton| skeletons.contains(skeleton)),
        "{} and {}",
        name.as_str(),
        other.as_str()
    );
}

/// On a terminal no more than eight blanks stand in a row, and nothing but blanks is left out.
fn check_row(text: &str) {
    let row = Row(text).to_string();
    // What fonts do not know may be seen as nothing as well.
    let is_unknown = |c: char| {
        let category = c.general_category();
        use GeneralCategory::{Format, PrivateUse, Unassigned};
        matches!(category, Format | PrivateUse | Unassigned)
    };
    let is_unseen = |c: char| c.is_whitespace() || is_blank(c) || is_unknown(c);
    assert_eq!(row.replace(is_unseen, ""), text.replace(is_unseen, ""));
    assert!(
        row.split(|c| !is_unseen(c)).all(|run| run.chars().count() <= 8),
        "{}",
        row.escape_unicode()
    );
    assert_eq!(Row(&row).to_string(), row);
    let runs = || text.split(|c| !is_unseen(c));
    assert!(row == text || runs().any(|run| run.chars().count() > 4), "{}", text.escape_unicode());
}

fn check_room(typed: &str) {
    let read = |typed: &str| {
        RoomName::parse(typed).map(|name| (name.as_str().to_owned(), name.key().to_owned()))
    };
    match read(typed) {
        Err(error) => check_error(&error),
        Ok((shown, key)) => {
            let (bare, bare_key) = (&shown[1..], &key[1..]);
            assert!(shown.starts_with('#') && key.starts_with('#'));
            assert!(bare.len() <= 256, "{} bytes", bare.len());
            let typed = typed.trim();
            check_shown(typed.strip_prefix(['#', '＃', '﹟']).unwrap_or(typed), bare, bare_key);
            check_forms(&shown, &key, |form| read(form).ok());
            assert_eq!(read(bare).as_ref(), Ok(&(shown.clone(), key.clone())), "without its #");
        }
    }
}

/// What is shown is what was typed, in NFC, and nothing in it leaves its place; the key is in one
/// case and width.
fn check_shown(typed: &str, shown: &str, key: &str) {
    assert_eq!(shown, typed.nfc().collect::<String>());
    assert!(!shown.is_empty() && !key.is_empty());
    for form in [shown, key] {
        assert!(!form.contains(acts), "{}", form.escape_unicode());
        let misplaced = |c: char| {
            c.is_whitespace() || matches!(c, ':' | '[' | ']' | '<' | '>' | ',' | '!' | '@' | '*')
        };
        assert!(!form.contains(misplaced), "{}", form.escape_unicode());
        assert_eq!(clean(form), form, "a name is text as well");
    }
    assert!(
        !key.contains(['\u{200C}', '\u{200D}', '\u{FE0F}']),
        "nothing unseen makes another name"
    );
    assert_eq!(key, key.nfkc().collect::<String>());
    // It would be a letter in another case, and take later marks with it.
    assert!(!shown.contains('\u{345}'), "an iota subscript that is part of no letter");
}

/// A name as it is shown is that name again, and so is it in other cases and normalization forms,
/// where those are names.
fn check_forms(shown: &str, key: &str, read: impl Fn(&str) -> Option<(String, String)>) {
    assert_eq!(read(shown), Some((shown.to_owned(), key.to_owned())), "a name stays one");
    let forms: [String; 6] = [
        key.to_owned(),
        shown.to_uppercase(),
        shown.to_lowercase(),
        shown.nfd().collect(),
        shown.nfkc().collect(),
        shown.nfkd().collect(),
    ];
    for form in forms {
        if let Some((_, other)) = read(&form) {
            assert_eq!(other, key, "{} and {}", shown.escape_unicode(), form.escape_unicode());
        }
    }
}

fn check_error(error: &NameError) {
    let error = error.to_string();
    assert!(
        !error.contains(|c| acts(c) || hides(c)) && error.len() < 200,
        "{}",
        error.escape_unicode()
    );
}
