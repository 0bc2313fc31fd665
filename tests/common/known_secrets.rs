//! Secrets that are the same in every run, for tests of who is known by what. Those of the chat in
//! `src` have them as well.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use chat_server::secrets::{SECRET_BYTES, Secrets, read_code};

/// The code that makes an owner, once.
pub const OWNER_CODE: &str = "7Q2M-4KXR-W9TD";

#[derive(Debug, Default)]
pub struct KnownSecrets {
    given: AtomicU64,
    has_taken: AtomicBool,
}

impl Secrets for KnownSecrets {
    fn random(&self) -> [u8; SECRET_BYTES] {
        let number = self.given.fetch_add(1, Ordering::Relaxed) + 1;
        let mut bytes = [0; SECRET_BYTES];
        bytes[8..16].copy_from_slice(&number.to_be_bytes());
        bytes[24..].copy_from_slice(&number.to_be_bytes());
        bytes
    }

    fn hash(&self, password: &str) -> Box<str> {
        format!("hash of {password}").into()
    }

    fn verify(&self, password: &str, hash: Option<&str>) -> bool {
        hash.is_some_and(|hash| *hash == *self.hash(password))
    }

    fn take_owner_code(&self, code: &str) -> bool {
        let is_it = read_code(code) == read_code(OWNER_CODE);
        is_it && !self.has_taken.swap(true, Ordering::Relaxed)
    }
}
