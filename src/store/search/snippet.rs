//! The part of a message that a hit shows.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;

use super::query::first_match;

/// A hit shows at most so many characters (grapheme clusters),
const CHARACTERS_MAX: usize = 160;
/// so many of them before the first word that was found,
const BEFORE_MAX: usize = 40;
/// and at most so many bytes: a character can have any number of marks.
const BYTES_MAX: usize = 2_000;

/// `text` shortened around the first of `words`.
pub fn snippet<'a>(words: &str, text: &'a str) -> Cow<'a, str> {
    if text.len() <= CHARACTERS_MAX {
        return Cow::Borrowed(text);
    }
    let found = first_match(words, text).unwrap_or(0);
    // The last characters before what was found; if all of them fit, the text is shown from its
    // beginning.
    let before = text[..found].grapheme_indices(true).rev().take(BEFORE_MAX + 1);
    let before: Vec<usize> = before.map(|(at, _)| at).collect();
    let start = match before.get(BEFORE_MAX) {
        Some(_) => before[BEFORE_MAX - 1],
        None => 0,
    };
    let start = if found - start > BYTES_MAX / 2 { found } else { start };
    let rest = &text[start..];
    let mut ends = rest.grapheme_indices(true).map(|(at, character)| at + character.len());
    let end = ends
        .by_ref()
        .take(CHARACTERS_MAX)
        .take_while(|&end| end <= BYTES_MAX)
        .last()
        // The first character alone has more.
        .unwrap_or_else(|| boundary(rest, BYTES_MAX));
    if start == 0 && end == rest.len() {
        return Cow::Borrowed(text);
    }
    let head = if start > 0 { "…" } else { "" };
    let tail = if end < rest.len() { "…" } else { "" };
    Cow::Owned(format!("{head}{}{tail}", &rest[..end]))
}

/// The last place up to `bytes` that does not tear a code point apart.
fn boundary(text: &str, bytes: usize) -> usize {
    let is_boundary = |place: &usize| text.is_char_boundary(*place);
    (0..=bytes.min(text.len())).rev().find(is_boundary).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_stay() {
        assert_eq!(snippet("x", "hello x"), "hello x");
        let kanji = "漢".repeat(160);
        assert_eq!(snippet("漢", &kanji), kanji);
    }

    #[test]
    fn long_texts_are_cut_around_the_first_word() {
        let text = format!("{}端末{}", "あ".repeat(300), "い".repeat(300));
        let expected = format!("…{}端末{}…", "あ".repeat(40), "い".repeat(118));
        assert_eq!(snippet("端末", &text), expected);
        let at_start = format!("{}{}", "a ".repeat(10), "b".repeat(500));
        assert_eq!(snippet("bbb", &at_start), format!("{}…", &at_start[..160]));
    }

    #[test]
    fn characters_stay_whole() {
        let family = "👨‍👩‍👧";
        let text = format!("{}x{}", family.repeat(100), family.repeat(300));
        let shown = snippet("x", &text);
        let bare = shown.trim_matches('…').replace('x', "");
        assert_eq!(bare, family.repeat(bare.len() / family.len()));
        let marks = format!("a{}", "\u{301}".repeat(5_000));
        assert!(snippet("a", &marks).len() <= BYTES_MAX + "……".len());
    }
}
