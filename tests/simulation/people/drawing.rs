//! Secrets that are known, and whose were drawn last.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use chat_server::secrets::{SECRET_BYTES, Secrets, read_code};

use crate::known_secrets::{KnownSecrets, OWNER_CODE};

/// Secrets whose numbers go on when the server starts again, and what was drawn last.
#[derive(Debug, Default)]
pub struct Drawing {
    known: KnownSecrets,
    /// The code of the first owner has been shown, and nobody has used it.
    pub offers_owner: AtomicBool,
    pub took_owner: AtomicBool,
    pub drawn: Mutex<Option<[u8; SECRET_BYTES]>>,
}

impl Secrets for Drawing {
    fn random(&self) -> [u8; SECRET_BYTES] {
        let random = self.known.random();
        *self.drawn.lock().expect("nobody panics with it") = Some(random);
        random
    }

    fn hash(&self, password: &str) -> Box<str> {
        self.known.hash(password)
    }

    fn verify(&self, password: &str, hash: Option<&str>) -> bool {
        self.known.verify(password, hash)
    }

    fn take_owner_code(&self, code: &str) -> bool {
        let is_it = read_code(code) == read_code(OWNER_CODE);
        let takes = is_it && self.offers_owner.swap(false, Ordering::Relaxed);
        self.took_owner.store(takes, Ordering::Relaxed);
        takes
    }
}
