//! What is random, and what is slow on purpose: codes, tokens, and the hashes of passwords.
//!
//! The chat decides nothing by chance and waits for nothing: it has this done on a thread for slow
//! work, and goes on with what came of it.

use std::fmt;
use std::ops::Range;

/// Bytes of a secret that nobody can guess.
pub const SECRET_BYTES: usize = 32;

/// Called on a thread for slow work.
pub trait Secrets: Send + Sync + fmt::Debug {
    /// Random bytes.
    fn random(&self) -> [u8; SECRET_BYTES];

    /// The hash of a password with a salt of its own, as a PHC string.
    fn hash(&self, password: &str) -> Box<str>;

    /// Whether a password is the one that was hashed. Takes as long without a hash, so that nobody
    /// learns from the time whether there is an account.
    fn verify(&self, password: &str, hash: Option<&str>) -> bool;

    /// Whether a code is the one that makes an owner. It is good once, and for a while.
    fn take_owner_code(&self, code: &str) -> bool;
}

// ---- Codes that people type ----

/// Letters and digits of which none looks like another, in any case.
const CODE_ALPHABET: &[u8; 30] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";
/// 58 bits: nobody can try so many.
const CODE_CHARS: usize = 12;
/// Between groups of so many there is a hyphen.
const CODE_GROUP_CHARS: usize = 4;
/// As it is shown, with its hyphens.
const CODE_SHOWN_CHARS: usize = CODE_CHARS + CODE_CHARS / CODE_GROUP_CHARS - 1;

/// A code that nobody can guess if these bytes are random: `7Q2M-4KXR-W9TD`.
pub fn code_of(random: &[u8; SECRET_BYTES]) -> String {
    // Of so many bits none of the letters is more likely than another that anybody could tell.
    let mut rest = random[..16].iter().fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
    let mut code = String::with_capacity(CODE_CHARS + CODE_CHARS / CODE_GROUP_CHARS);
    for at in 0..CODE_CHARS {
        if at > 0 && at % CODE_GROUP_CHARS == 0 {
            code.push('-');
        }
        code.push(char::from(CODE_ALPHABET[(rest % CODE_ALPHABET.len() as u128) as usize]));
        rest /= CODE_ALPHABET.len() as u128;
    }
    code
}

/// The letters and digits of a code as somebody has typed it, in upper case: hyphens and spaces
/// anywhere do not count. `None` if it is none.
pub fn read_code(typed: &str) -> Option<String> {
    let mut code = String::with_capacity(CODE_CHARS);
    for letter in typed.bytes().filter(|&byte| !is_gap(byte)) {
        if code.len() == CODE_CHARS || !is_code_letter(letter) {
            return None;
        }
        code.push(char::from(letter.to_ascii_uppercase()));
    }
    (code.len() == CODE_CHARS).then_some(code)
}

/// What separates the letters of a code, however it is typed.
fn is_gap(byte: u8) -> bool {
    matches!(byte, b'-' | b' ')
}

fn is_code_letter(byte: u8) -> bool {
    const LETTERS: [bool; 256] = {
        let mut letters = [false; 256];
        let mut at = 0;
        while at < CODE_ALPHABET.len() {
            letters[CODE_ALPHABET[at] as usize] = true;
            letters[CODE_ALPHABET[at].to_ascii_lowercase() as usize] = true;
            at += 1;
        }
        letters
    };
    LETTERS[usize::from(byte)]
}

/// Whether so many letters of codes stand in a row that there may be one. Each message is asked.
pub fn may_have_code(text: &str) -> bool {
    if text.len() < CODE_CHARS {
        return false;
    }
    let mut letters = 0;
    text.bytes().any(|byte| {
        if is_code_letter(byte) {
            letters += 1;
        } else if !is_gap(byte) {
            letters = 0;
        }
        letters == CODE_CHARS
    })
}

/// All in a text that [`read_code`] would take for a code: as they are shown, wherever that is, and
/// written in any other way as far as they stand by themselves.
pub fn codes_in(text: &str) -> impl Iterator<Item = String> {
    shown_codes(text).chain(lone_codes(text)).map(|(_, code)| code)
}

/// Whether there is something in a text that has the form in which codes are shown.
pub fn has_code(text: &str) -> bool {
    shown_codes(text).next().is_some()
}

/// Whether there is something by itself that looks like a code: other numbers have more groups, and
/// words have no digits.
pub fn has_lone_code(text: &str) -> bool {
    let bytes = text.as_bytes();
    let goes_on =
        |byte: Option<&u8>| byte.is_some_and(|&it| it.is_ascii_alphanumeric() || it == b'-');
    let lone = lone_codes(text).filter(|(place, code)| {
        let (digits, letters) = (code.bytes(), code.bytes());
        place.len() == CODE_CHARS
            && digits.into_iter().any(|byte| byte.is_ascii_digit())
            && letters.into_iter().any(|byte| byte.is_ascii_alphabetic())
    });
    shown_codes(text).chain(lone).any(|(Range { start, end }, _)| {
        !goes_on(start.checked_sub(1).and_then(|at| bytes.get(at))) && !goes_on(bytes.get(end))
    })
}

/// What has the form in which codes are shown, anywhere in a text.
fn shown_codes(text: &str) -> impl Iterator<Item = (Range<usize>, String)> {
    let hyphens = memchr::memchr_iter(b'-', text.as_bytes());
    hyphens.filter_map(|at| {
        let begin = at.checked_sub(CODE_GROUP_CHARS)?;
        let place = begin..begin + CODE_SHOWN_CHARS;
        let typed = text.get(place.clone())?;
        let is_second = typed.as_bytes()[2 * CODE_GROUP_CHARS + 1] == b'-';
        read_code(typed).filter(|_| is_second).map(|code| (place, code))
    })
}

/// So many letters of codes, with or without something between them, and neither letters nor digits
/// around them.
fn lone_codes(text: &str) -> impl Iterator<Item = (Range<usize>, String)> {
    let bytes = text.as_bytes();
    let begins = (0..bytes.len()).filter(|&at| {
        is_code_letter(bytes[at]) && (at == 0 || !bytes[at - 1].is_ascii_alphanumeric())
    });
    begins.filter_map(|begin| {
        let mut code = String::with_capacity(CODE_CHARS);
        for (at, &byte) in bytes.iter().enumerate().skip(begin) {
            if is_gap(byte) {
                continue;
            }
            if !is_code_letter(byte) {
                return None;
            }
            code.push(char::from(byte.to_ascii_uppercase()));
            if code.len() == CODE_CHARS {
                let end = at + 1;
                let goes_on = bytes.get(end).is_some_and(u8::is_ascii_alphanumeric);
                return (!goes_on).then_some((begin..end, code));
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_however_it_is_written() {
        const CODE: &str = "7Q2M4KXRW9TD";
        for text in [
            "7Q2M-4KXR-W9TD",
            "see 7q2m4kxrw9td",
            "the one: 7Q2M 4KXR W9TD.",
            "https://chat.example/i/7Q2M4KXRW9TD",
            "コード7Q2M-4KXRW9TDです",
            "x7Q2M-4KXR-W9TDx",
            "7-Q-2-M-4-K-X-R-W-9-T-D",
        ] {
            assert!(may_have_code(text), "{text}");
            assert!(codes_in(text).any(|code| code == CODE), "{text}");
        }
        for text in ["", "7Q2M4KXRW9T", "x7Q2M4KXRW9TD", "7Q2M4KXRW9TD2", "7Q2M, 4KXR, W9TD"] {
            assert!(!codes_in(text).any(|code| code == CODE), "{text}");
        }
        for text in ["7Q2M-4KXR-W9TD", "7q2m4kxrw9td!"] {
            assert!(has_lone_code(text), "{text}");
        }
        for text in ["SPREADSHEETS", "spread the sheets", "234567892345", "7Q2M-4KXR-W9TD-2222"] {
            assert!(!has_lone_code(text), "{text}");
        }
    }

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let code = code_of(&[7; SECRET_BYTES]);
        assert_eq!(code.len(), 14);
        assert_eq!(code.matches('-').count(), 2);
        let letters = code.replace('-', "");
        for typed in [
            code.clone(),
            letters.clone(),
            code.to_ascii_lowercase(),
            format!("  {}", code.replace('-', " ")),
            letters.chars().flat_map(|letter| [letter, ' ', '-']).collect(),
        ] {
            assert_eq!(read_code(&typed).as_ref(), Some(&letters), "{typed:?}");
        }
        for typed in
            ["", "7Q2M", "7Q2M-4KXR-W9T0", "7Q2M-4KXR-W9TL", "7Q2M-4KXR-W9TDD", "７Q2M-4KXR-W9TD"]
        {
            assert_eq!(read_code(typed), None, "{typed:?}");
        }
    }

    #[test]
    fn every_letter_comes_everywhere() {
        let mut seen = [[false; CODE_ALPHABET.len()]; CODE_CHARS];
        for seed in 0..4000u32 {
            let mut random = [0; SECRET_BYTES];
            for (at, byte) in random.iter_mut().enumerate() {
                let mixed = (seed * 32 + at as u32 + 1).wrapping_mul(0x9E37_79B1);
                *byte = (mixed ^ mixed >> 15).wrapping_mul(0x85EB_CA6B).to_be_bytes()[1];
            }
            let code = read_code(&code_of(&random)).expect("a code");
            for (letters, letter) in seen.iter_mut().zip(code.bytes()) {
                let at = CODE_ALPHABET.iter().position(|one| *one == letter);
                letters[at.expect("one of ours")] = true;
            }
        }
        assert!(seen.iter().flatten().all(|seen| *seen));
    }
}
