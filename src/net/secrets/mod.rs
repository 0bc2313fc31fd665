//! Secrets as the system has them.

pub mod owner_code;

use std::io;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use log::error;
use unicode_normalization::UnicodeNormalization;

use self::owner_code::OwnerCode;
use crate::secrets::{SECRET_BYTES, Secrets};

/// 16 bytes, as RFC 9106 3.1 recommends.
const SALT_BYTES: usize = 16;

/// In place of the hash that an account would have: of the same algorithm and with the same
/// parameters. Nobody knows a password for it, and none would count.
const NO_ACCOUNT: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGlzIGhlcmUhIQ\
    $Q2hhbmNlIG9mIGEgbWF0Y2g6IDEgaW4gMl4yNTYgLi4";

/// What is random comes from the system; passwords are hashed with argon2id: 19 MiB and two passes,
/// as OWASP advises, which is what the library does by default.
#[derive(Debug)]
pub struct SystemSecrets {
    owner_code: OwnerCode,
}

impl SystemSecrets {
    pub fn new(owner_code: OwnerCode) -> SystemSecrets {
        SystemSecrets { owner_code }
    }

    pub fn owner_code(&self) -> &OwnerCode {
        &self.owner_code
    }
}

impl Secrets for SystemSecrets {
    /// # Panics
    /// If the system has nothing random: secrets that can be guessed are worse than none.
    fn random(&self) -> [u8; SECRET_BYTES] {
        random().expect("the system has random bytes")
    }

    fn hash(&self, password: &str) -> Box<str> {
        let salt = &self.random()[..SALT_BYTES];
        let hashed = Argon2::default().hash_password_with_salt(prepare(password).as_bytes(), salt);
        let hash: PasswordHash = hashed.expect("salt and parameters are within argon2's limits");
        hash.to_string().into()
    }

    fn verify(&self, password: &str, hash: Option<&str>) -> bool {
        let is_known = hash.is_some();

        let hash = hash.unwrap_or(NO_ACCOUNT);
        match Argon2::default().verify_password(prepare(password).as_bytes(), hash) {
            Ok(()) => is_known,
            Err(argon2::password_hash::Error::PasswordInvalid) => false,
            Err(error) => {
                error!("a password cannot be checked, as its hash is damaged: {error}");
                false
            }
        }
    }

    fn take_owner_code(&self, code: &str) -> bool {
        self.owner_code.take(code)
    }
}

fn random() -> io::Result<[u8; SECRET_BYTES]> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// One form for what different keyboards send for the same password (RFC 8265, 4.2.2).
fn prepare(password: &str) -> String {
    password.nfc().map(|char| if char.is_whitespace() { ' ' } else { char }).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nix::time::{ClockId, clock_gettime};

    use super::*;

    fn secrets() -> SystemSecrets {
        SystemSecrets::new(OwnerCode::in_memory())
    }

    #[test]
    fn a_password_is_the_one_that_was_hashed() {
        let secrets = secrets();
        let hash = secrets.hash("correct horse");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(secrets.verify("correct horse", Some(&hash)));
        assert!(!secrets.verify("correct horse ", Some(&hash)));
        assert!(!secrets.verify("", Some(&hash)));
        assert!(!secrets.verify("correct horse", None));
        assert!(!secrets.verify("correct horse", Some("rubbish")));
        assert_ne!(secrets.hash("correct horse"), hash, "each has a salt of its own");
    }

    #[test]
    fn a_password_is_the_same_on_every_keyboard() {
        let secrets = secrets();
        let hash = secrets.hash("caf\u{E9} \u{30AC}");
        assert!(secrets.verify("cafe\u{301}\u{3000}\u{30AB}\u{3099}", Some(&hash)));
        assert!(!secrets.verify("cafe \u{30AC}", Some(&hash)));
        assert!(!secrets.verify("CAF\u{C9} \u{30AC}", Some(&hash)));
    }

    #[test]
    fn what_stands_for_no_account_is_hashed_in_the_same_way() {
        let parameters = |hash: &str| hash.rsplitn(3, '$').last().map(str::to_owned);
        let hash = secrets().hash("a password");
        assert_eq!(parameters(&hash), parameters(NO_ACCOUNT));
        assert_eq!(hash.len(), NO_ACCOUNT.len(), "salt and output are as long");
        let parsed = PasswordHash::new(NO_ACCOUNT).expect("a hash");
        assert_eq!(parsed.hash.map(|output| output.len()), Some(32));
    }

    /// Names cannot be found out by how long a wrong password takes. The time is that of this thread
    /// alone, whatever else the machine does.
    #[test]
    fn a_wrong_password_takes_as_long_without_an_account() {
        const RUNS: usize = 31;
        let secrets = secrets();
        let hash = secrets.hash("a password");
        let worked = || {
            let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("this thread's time");
            Duration::from(time)
        };
        let time = |hash: Option<&str>| {
            let started = worked();
            assert!(!secrets.verify("another password", hash));
            (worked() - started).as_secs_f64() * 1000.0
        };
        let differences = || {
            let mut each: Vec<f64> = (0..RUNS).map(|_| time(Some(&hash)) - time(None)).collect();
            each.sort_unstable_by(f64::total_cmp);
            each[RUNS / 2]
        };
        let medians: Vec<f64> = (0..3).map(|_| differences()).collect();
        assert!(medians.iter().any(|ms| ms.abs() < 1.0), "{medians:?} ms");
    }

    #[test]
    fn what_is_random_never_comes_twice() {
        let secrets = secrets();
        assert_ne!(secrets.random(), secrets.random());
    }
}
