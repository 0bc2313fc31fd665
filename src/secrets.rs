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
