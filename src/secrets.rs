//! What is random, and what is slow on purpose: codes, tokens, and the hashes of passwords.
//!
//! The chat decides nothing by chance and waits for nothing: it has this done on a thread for slow
//! work, and goes on with what came of it.

use std::fmt;

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
pub const CODE_CHARS: usize = 12;
/// Between groups of so many there is a hyphen.
pub const CODE_GROUP_CHARS: usize = 4;
/// As it is shown, with its hyphens.
pub const CODE_SHOWN_CHARS: usize = CODE_CHARS + CODE_CHARS / CODE_GROUP_CHARS - 1;

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
    for letter in typed.bytes().filter(|byte| !matches!(byte, b'-' | b' ')) {
        let letter = letter.to_ascii_uppercase();
        if code.len() == CODE_CHARS || !CODE_ALPHABET.contains(&letter) {
            return None;
        }
        code.push(char::from(letter));
    }
    (code.len() == CODE_CHARS).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

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
