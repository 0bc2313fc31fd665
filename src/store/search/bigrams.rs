//! From text to terms that an index can find: words as they are, and scripts that are written
//! without spaces as overlapping pairs of characters.
//!
//! A run of n such characters is n terms, the pairs `c1c2`, `c2c3`, ... and the last character
//! alone. So a query of two characters and more is the phrase of its pairs, and one character is
//! the beginning of a term. Half of all Japanese search words have two characters; an index of
//! trigrams finds none of them.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// Of a longer word so many characters are looked at.
const WORD_CHARS_MAX: usize = 64;

/// A piece of a normalized text; what is between pieces is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Letters and digits of a script that is written with spaces.
    Word(&'a str),
    /// Characters that are found wherever they stand: scripts without spaces, emoji, symbols.
    Run(&'a str),
}

/// `text` in one case and one width (NFKC), without what nobody sees, and without accents on Latin
/// letters: many people search without typing them.
pub fn normalize(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            false => Cow::Borrowed(text),
            true => Cow::Owned(text.to_ascii_lowercase()),
        };
    }
    let mut base = ' ';
    let unaccented = text
        .nfkd()
        .filter(|&c| !is_unseen(c))
        // Lower, upper and lower again folds what differs only by the way through another case.
        .flat_map(char::to_lowercase)
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfd()
        .filter(move |&c| {
            let is_accent = matches!(c, '\u{300}'..='\u{36F}');
            if !is_accent {
                base = c;
            }
            !(is_accent && base.is_ascii_alphabetic())
        });
    Cow::Owned(unaccented.nfc().collect())
}

/// Joiners, variation selectors and marks of direction: what they act on is the same without them.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{E0000}'..='\u{E0FFF}'
    )
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Word,
    Run,
    /// Belongs to what is before it.
    Mark,
    Gap,
}

fn class(c: char) -> Class {
    if c.is_ascii() {
        return if c.is_ascii_alphanumeric() { Class::Word } else { Class::Gap };
    }
    match c.general_category_group() {
        GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number if is_spaceless(c) => {
            Class::Run
        }
        GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number => Class::Word,
        GeneralCategoryGroup::Mark => Class::Mark,
        GeneralCategoryGroup::Symbol => Class::Run,
        _ => Class::Gap,
    }
}

/// Whether people put no spaces between words of this character's script, or may leave them out:
/// Han, Kana, Bopomofo, Hangul, Yi; Thai, Lao, Tibetan, Myanmar, Khmer, Tai.
fn is_spaceless(c: char) -> bool {
    matches!(
        c,
        '\u{E00}'..='\u{109F}' | '\u{1100}'..='\u{11FF}' | '\u{1780}'..='\u{17FF}'
            | '\u{1950}'..='\u{19DF}' | '\u{1A20}'..='\u{1AAF}' | '\u{2E80}'..='\u{A4CF}'
            | '\u{A960}'..='\u{A97F}' | '\u{A9E0}'..='\u{A9FF}' | '\u{AA60}'..='\u{AADF}'
            | '\u{AC00}'..='\u{D7FF}' | '\u{F900}'..='\u{FAFF}' | '\u{16FE0}'..='\u{18DFF}'
            | '\u{1AFF0}'..='\u{1B2FF}' | '\u{20000}'..='\u{3FFFF}'
    )
}

/// The pieces of a normalized text, in order.
pub fn pieces(normalized: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = normalized;
    std::iter::from_fn(move || {
        // A mark without anything before it is not looked at.
        let is_start = |c| matches!(class(c), Class::Word | Class::Run);
        rest = &rest[rest.find(is_start)?..];
        let own = rest.chars().next().map(class)?;
        let ends = |c| class(c) != own && class(c) != Class::Mark;
        let (piece, others) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
        rest = others;
        Some(match own {
            Class::Run => Piece::Run(piece),
            _ => Piece::Word(shortened(piece)),
        })
    })
}

fn shortened(word: &str) -> &str {
    let end = word.char_indices().nth(WORD_CHARS_MAX).map_or(word.len(), |(end, _)| end);
    &word[..end]
}

/// Appends the terms of a text that is kept, each after a space.
pub fn append_terms(normalized: &str, terms: &mut String) {
    if normalized.is_ascii() {
        return append_ascii_words(normalized, terms);
    }
    pieces(normalized).for_each(|piece| append_piece(piece, true, terms));
}

/// The same of a text that has nothing but words: it is told from the pieces by a test.
fn append_ascii_words(normalized: &str, terms: &mut String) {
    let words = normalized.split(|c: char| !c.is_ascii_alphanumeric());
    for word in words.filter(|word| !word.is_empty()) {
        append_piece(Piece::Word(&word[..word.len().min(WORD_CHARS_MAX)]), true, terms);
    }
}

/// Appends the terms of one piece. `is_whole`: a run ends here, so that its last character is a
/// term as well.
pub fn append_piece(piece: Piece<'_>, is_whole: bool, terms: &mut String) {
    match piece {
        Piece::Word(word) => {
            terms.push(' ');
            terms.push_str(word);
        }
        Piece::Run(run) => {
            let mut chars = run.char_indices().peekable();
            while let Some((start, c)) = chars.next() {
                let pair_end = chars.peek().map(|&(next, following)| next + following.len_utf8());
                if pair_end.is_none() && !is_whole {
                    break;
                }
                terms.push(' ');
                terms.push_str(&run[start..pair_end.unwrap_or(start + c.len_utf8())]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str) -> String {
        let mut terms = String::new();
        append_terms(&normalize(text), &mut terms);
        terms
    }

    #[test]
    fn words_stay_and_runs_become_pairs() {
        assert_eq!(terms("Hello, World-wide 42!"), " hello world wide 42");
        assert_eq!(terms("端末のリスト"), " 端末 末の のリ リス スト ト");
        assert_eq!(terms("字"), " 字");
        assert_eq!(terms("東京Tower2号"), " 東京 京 tower2 号");
        assert_eq!(terms("한국어 검색"), " 한국 국어 어 검색 색");
        assert_eq!(terms("ภาษา"), " ภา าษ ษา า");
    }

    #[test]
    fn one_case_one_width_no_accents() {
        assert_eq!(terms("ＡＢＣ　１２"), " abc 12");
        assert_eq!(terms("ﾌｧｲﾙ ﾊﾟﾝ"), terms("ファイル パン"));
        assert_eq!(terms("Straße CAFÉ cafe\u{301}"), " strasse cafe cafe");
        assert_eq!(terms("か\u{3099}"), terms("が"));
        assert_ne!(terms("が"), terms("か"));
        assert_ne!(terms("мой"), terms("мои"));
        assert_eq!(terms("ΣΊΣΥΦΟΣ"), terms("σίσυφος"));
    }

    #[test]
    fn emoji_and_symbols_are_found_wherever_they_stand() {
        assert_eq!(terms("party🎉🎉!"), " party 🎉🎉 🎉");
        assert_eq!(terms("❤\u{FE0F}"), terms("❤"));
        assert_eq!(terms("5€"), " 5 €");
    }

    #[test]
    fn words_without_runs_are_told_as_their_pieces_are() {
        for seed in 0..2_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let count = random.usize(..200);
            let character = || if random.bool() { random.char('\0'..='\x7F') } else { 'a' };
            let text: String = std::iter::repeat_with(character).take(count).collect();
            let (normalized, mut by_pieces) = (normalize(&text), String::new());
            pieces(&normalized).for_each(|piece| append_piece(piece, true, &mut by_pieces));
            assert_eq!(terms(&text), by_pieces, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_text_is_no_term() {
        assert_eq!(terms(" \0\u{301}\u{7} \u{E000}7 \"*\" ・。 "), " 7");
        assert_eq!(terms(&"a".repeat(70)), format!(" {}", "a".repeat(64)));
    }
}
