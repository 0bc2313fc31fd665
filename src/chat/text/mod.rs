//! Text that may reach another person's terminal.

mod nearest;
mod row;

pub use nearest::nearest;
pub use row::{Lines, Row, one_row};

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::ops::Range;

use memchr::{memchr, memchr_iter};
use thiserror::Error;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

use crate::chat::emoji;

/// `text` on one line, without what would act on a terminal or hide in it:
///
/// * controls (C0, DEL, C1) go, so that an escape sequence loses its ESC and is seen for what it
///   is;
/// * all that breaks a line (LF, CR, VT, FF, NEL, U+2028, U+2029) and the tab become one space, CR
///   LF included: a message is one line, its words stay apart, and no second line can pass for the
///   server's;
/// * bidi embeddings, overrides and isolates go, as they would reach past the message; LRM, RLM and
///   ALM stay, as they act on the spot only and right-to-left typists need them;
/// * what shows nothing and could carry hidden text goes: tags outside the three flags that use
///   them, invisible operators, deprecated format characters, interlinear annotations, U+FEFF, and
///   variation selectors without a visible character before them. Joiners stay (emoji, Persian,
///   Indic) and so does ZWSP (Khmer, Thai).
///
/// Borrowed when there was nothing to do, which is found out at close to memory speed.
pub fn clean(text: &str) -> Cow<'_, str> {
    clean_as(text, judge)
}

/// The same of a message that may have several lines: its line feeds and tabs stay, CR LF is a line
/// feed, and lines at its start and its end on which there is nothing to see go.
pub fn clean_lines(text: &str) -> Cow<'_, str> {
    let cleaned = clean_as(text, |rest, before| match rest.as_bytes() {
        [b'\n' | b'\t', ..] => Verdict::Keep { bytes: 1 },
        [b'\r', b'\n', ..] => Verdict::Replace { bytes: 2, by: "\n" },
        _ => judge(rest, before),
    });
    if memchr(b'\n', cleaned.as_bytes()).is_none() {
        return cleaned;
    }
    let place = without_blank_ends(&cleaned);
    match cleaned {
        Cow::Borrowed(text) => Cow::Borrowed(&text[place]),
        Cow::Owned(text) => Cow::Owned(text[place].to_owned()),
    }
}

/// Whether a text is as nearly all are: ASCII that begins with something to see, on one line. Nothing
/// in it is cleaned, and it has no token, and no code as they are shown: in each of those is a hyphen
/// or an underscore.
pub fn is_plain(text: &str) -> bool {
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) & (byte != b'-') & (byte != b'_');
    text.starts_with(|c: char| c.is_ascii_graphic()) && are_all(text.as_bytes(), is_plain)
}

/// Whether this holds for all bytes. Sixteen are looked at together, and the last ones with those
/// before them, so that vector instructions do it: what does not hold is put together for each of
/// sixteen lanes, and over these only once.
fn are_all(bytes: &[u8], holds: impl Fn(u8) -> bool) -> bool {
    let Some(last) = bytes.last_chunk::<16>() else { return bytes.iter().all(|&byte| holds(byte)) };
    let mut others = [0; 16];
    for chunk in bytes.as_chunks().0.iter().chain([last]) {
        for (other, &byte) in others.iter_mut().zip(chunk) {
            *other |= u8::from(!holds(byte));
        }
    }
    u128::from_ne_bytes(others) == 0
}

/// How many lines a text has.
pub fn lines_of(text: &str) -> usize {
    1 + memchr_iter(b'\n', text.as_bytes()).count()
}

/// From the first line on which there is something to see to the last one.
fn without_blank_ends(text: &str) -> Range<usize> {
    let is_seen = |c: char| !c.is_whitespace() && !is_blank(c);
    let (Some(first), Some(last)) = (text.find(is_seen), text.rfind(is_seen)) else {
        return 0..text.len();
    };
    let start = text[..first].rfind('\n').map_or(0, |line_feed| line_feed + 1);
    let end = text[last..].find('\n').map_or(text.len(), |line_feed| last + line_feed);
    start..end
}

/// `text` with the verdicts of `judge` carried out.
fn clean_as(text: &str, judge: impl Fn(&str, Option<char>) -> Verdict) -> Cow<'_, str> {
    let mut cleaned: Option<String> = None;
    let (mut kept_from, mut at) = (0, 0);
    while let Some(suspect) = find_suspect(text.as_bytes(), at) {
        let run = &text[kept_from..suspect];
        let before = run.chars().next_back().or_else(|| cleaned.as_deref()?.chars().next_back());
        match judge(&text[suspect..], before) {
            Verdict::Keep { bytes } => at = suspect + bytes,
            Verdict::Replace { bytes, by } => {
                let out = cleaned.get_or_insert_with(|| String::with_capacity(text.len()));
                out.push_str(run);
                out.push_str(by);
                at = suspect + bytes;
                kept_from = at;
            }
        }
    }
    match cleaned {
        None => Cow::Borrowed(text),
        Some(mut out) => {
            out.push_str(&text[kept_from..]);
            Cow::Owned(out)
        }
    }
}

/// Where, from `from` on, the next character begins that `judge` has to look at.
fn find_suspect(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while at < bytes.len() {
        at = skip_harmless::<32>(bytes, at);
        at = skip_harmless::<8>(bytes, at);
        // The last few bytes are looked at together with those before them.
        let rest = bytes.len() - at;
        if rest < 8 && bytes.last_chunk().is_some_and(is_harmless::<8>) {
            return None;
        }
        let end = bytes.len().min(at + 32);
        let suspect =
            (at..end).find(|&place| may_begin_suspect(bytes[place]) && is_suspect(&bytes[place..]));
        if suspect.is_some() {
            return suspect;
        }
        at = end;
    }
    None
}

/// Passes over `N` bytes at a time while they are harmless.
fn skip_harmless<const N: usize>(bytes: &[u8], mut at: usize) -> usize {
    while bytes[at..].first_chunk().is_some_and(is_harmless::<N>) {
        at += N;
    }
    at
}

/// Looks at a chunk as a whole, without branches, so that the compiler can use vector
/// instructions.
fn is_harmless<const N: usize>(chunk: &[u8; N]) -> bool {
    !chunk.iter().fold(false, |any, &byte| any | may_begin_suspect(byte))
}

/// Whether a suspect may begin with this byte: an ASCII control or the lead byte of one, never a
/// byte further on.
fn may_begin_suspect(byte: u8) -> bool {
    let control = (byte < 0x20) | (byte == 0x7F);
    control | (byte == 0xC2) | (byte == 0xE2) | (byte == 0xEF) | (byte == 0xF3)
}

/// Whether the character at the start of `rest` is one that `judge` might replace. Others that
/// share a lead byte with those (quotes, dashes, full-width letters, ZWNJ) are passed over here.
fn is_suspect(rest: &[u8]) -> bool {
    match rest {
        [0x00..=0x1F | 0x7F, ..] => true,
        // C1.
        [0xC2, second, ..] => *second < 0xA0,
        // U+2028 to U+202E, U+2061 to U+206F.
        [0xE2, 0x80, third, ..] => (0xA8..=0xAE).contains(third),
        [0xE2, 0x81, third, ..] => (0xA1..=0xAF).contains(third),
        // U+FE00 to U+FE0F, U+FEFF, U+FFF9 to U+FFFB.
        [0xEF, 0xB8, third, ..] => *third < 0x90,
        [0xEF, 0xBB, third, ..] => *third == 0xBF,
        [0xEF, 0xBF, third, ..] => (0xB9..=0xBB).contains(third),
        // Plane 14: tags and variation selectors.
        [0xF3, second, ..] => *second == 0xA0,
        _ => false,
    }
}

enum Verdict {
    Keep { bytes: usize },
    Replace { bytes: usize, by: &'static str },
}

/// What becomes of the character at the start of `rest`; `before` is the last one kept.
fn judge(rest: &str, before: Option<char>) -> Verdict {
    let Some(c) = rest.chars().next() else {
        return Verdict::Keep { bytes: 0 };
    };
    let bytes = c.len_utf8();
    match c {
        '\r' if rest[bytes..].starts_with('\n') => Verdict::Replace { bytes: 2, by: " " },
        '\t'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => Verdict::Replace { bytes, by: " " },
        '\0'..='\u{1F}' | '\u{7F}'..='\u{9F}' => Verdict::Replace { bytes, by: "" },
        // Bidi embeddings, overrides and isolates.
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => Verdict::Replace { bytes, by: "" },
        // Invisible operators and deprecated format characters.
        '\u{2061}'..='\u{2065}' | '\u{206A}'..='\u{206F}' => Verdict::Replace { bytes, by: "" },
        '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' => Verdict::Replace { bytes, by: "" },
        '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' if selects(before) => {
            Verdict::Keep { bytes }
        }
        '\u{FE00}'..='\u{FE0F}' => Verdict::Replace { bytes, by: "" },
        '\u{E0000}'..='\u{E0FFF}' => match emoji::flag_tags(before, rest) {
            Some(bytes) => Verdict::Keep { bytes },
            None => Verdict::Replace { bytes, by: "" },
        },
        _ => Verdict::Keep { bytes },
    }
}

/// Whether a variation selector has something to select after `before`: something visible that has
/// none yet.
fn selects(before: Option<char>) -> bool {
    before.is_some_and(|c| {
        let invisible = matches!(c, '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{E007F}');
        !is_selector(c) && !invisible && !c.is_whitespace()
    })
}

fn is_selector(c: char) -> bool {
    matches!(c, '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
}

/// Whether `c` shows nothing, though it is no white space: Default_Ignorable_Code_Point of Unicode,
/// and letters, marks and symbols that are blank.
pub fn is_blank(c: char) -> bool {
    matches!(
        c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
            | '\u{FFA0}' | '\u{FFF0}'..='\u{FFF8}' | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}' | '\u{2800}'
            | '\u{FFF9}'..='\u{FFFC}' | '\u{13441}'..='\u{13442}' | '\u{16FE4}' | '\u{1D159}'
    )
}

/// `bytes` as text, or where they cease to be UTF-8.
pub fn from_bytes(bytes: &[u8]) -> Result<&str, NotUtf8> {
    // The flavour that knows the place is slower, so it is asked only when there is one.
    simdutf8::basic::from_utf8(bytes).or_else(|_| {
        simdutf8::compat::from_utf8(bytes)
            .map_err(|error| NotUtf8 { offset_bytes: error.valid_up_to() })
    })
}

/// Bytes that are not UTF-8 from `offset_bytes` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("that is not UTF-8 from byte {offset_bytes} on; set your terminal or client to UTF-8")]
pub struct NotUtf8 {
    pub offset_bytes: usize,
}

/// `value` in double quotes for an error line, with everything invisible escaped and at most
/// `chars_max` characters of it.
pub fn quote(value: &str, chars_max: usize) -> Quoted<'_> {
    Quoted { value, chars_max }
}

/// See [`quote`].
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a> {
    value: &'a str,
    chars_max: usize,
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for (place, c) in self.value.chars().enumerate() {
            if place == self.chars_max {
                f.write_char('…')?;
                break;
            }
            // Marks belong to the letter before them; an apostrophe needs no escape between double
            // quotes.
            let is_mark =
                c.general_category_group() == GeneralCategoryGroup::Mark && !is_selector(c);
            if c == '\'' || is_mark && place > 0 {
                f.write_char(c)?;
            } else {
                write!(f, "{}", c.escape_debug())?;
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests;
