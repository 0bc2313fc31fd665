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

/// Letters and digits that nobody takes for one another.
const CODE_ALPHABET: &[u8] = b"23456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A code has so many characters of its alphabet: 58 bits.
const CODE_CHARS: usize = 12;

/// A code that people can type, of random bytes: `7Q2M-4KXR-W9TD`.
pub fn code(random: &[u8; SECRET_BYTES]) -> String {
    let mut code = String::with_capacity(CODE_CHARS + 2);
    for (at, byte) in random[..CODE_CHARS].iter().enumerate() {
        if at > 0 && at % 4 == 0 {
            code.push('-');
        }
        code.push(char::from(CODE_ALPHABET[usize::from(*byte) % CODE_ALPHABET.len()]));
    }
    code
}

/// A code as it was typed, in any case, with or without hyphens and spaces: in one form.
pub fn read_code(typed: &str) -> String {
    let typed = typed.chars().filter(|c| !c.is_whitespace() && *c != '-');
    typed.take(64).map(|c| c.to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let code = code(&std::array::from_fn(|at| at as u8 * 19));
        assert_eq!(code.len(), 14);
        let plain = read_code(&code);
        assert_eq!(plain.len(), CODE_CHARS);
        assert_eq!(read_code(&code.to_lowercase()), plain);
        assert_eq!(read_code(&format!(" {} ", code.replace('-', " "))), plain);
        assert!(plain.bytes().all(|byte| CODE_ALPHABET.contains(&byte)), "{plain}");
    }
}
