//! The code that makes an owner: printed for whoever runs the server, who has no account yet.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
#[cfg(unix)]
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::random;
use crate::secrets::{code_of, read_code};

/// So long a code is good.
const GOOD_FOR_SECONDS: u64 = 30 * 60;
const FILE: &str = "owner-code";
const FILE_MODE: u32 = 0o600;
/// Where the page is of the server that has been started last.
const PAGE_FILE: &str = "page-url";

/// The code that makes an owner, of which there is one at a time: a new one takes the place of the
/// last. Only its hash is kept, where a server and the command line both find it.
#[derive(Debug)]
pub enum OwnerCode {
    /// With nothing on the disk.
    Memory(Mutex<Option<Kept>>),
    /// In this directory, a server's own.
    Directory(PathBuf),
}

/// What is kept of a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// SHA-256 is enough: nobody can try all codes within the time.
    hash: String,
    /// In seconds since 1970.
    good_until: u64,
}

impl OwnerCode {
    pub fn in_memory() -> OwnerCode {
        OwnerCode::Memory(Mutex::default())
    }

    pub fn in_directory(directory: &Path) -> OwnerCode {
        OwnerCode::Directory(directory.to_owned())
    }

    /// Notes where the page is, if that is known, for who asks for a link at the command line.
    ///
    /// # Errors
    /// It cannot be kept.
    pub fn note_page(&self, url: Option<&str>) -> io::Result<()> {
        let OwnerCode::Directory(directory) = self else { return Ok(()) };
        let file = directory.join(PAGE_FILE);
        match url {
            Some(url) => fs::write(file, url),
            // What is there is of a server before.
            None => match fs::remove_file(file) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                removed => removed,
            },
        }
    }

    /// Where the server's page is, as it was noted.
    pub fn page(&self) -> Option<String> {
        match self {
            OwnerCode::Memory(_) => None,
            OwnerCode::Directory(directory) => fs::read_to_string(directory.join(PAGE_FILE)).ok(),
        }
    }

    /// Makes a code, for a person to type or to click at.
    ///
    /// # Errors
    /// It cannot be kept, or the system has nothing random.
    pub fn make(&self) -> io::Result<String> {
        self.make_at(now())
    }

    fn make_at(&self, now: u64) -> io::Result<String> {
        let shown = code_of(&random()?);
        let kept = Kept { hash: hash_of(&shown), good_until: now + GOOD_FOR_SECONDS };
        match self {
            OwnerCode::Memory(place) => {
                *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
            }
            OwnerCode::Directory(directory) => write(directory, &kept)?,
        }
        Ok(shown)
    }

    /// Whether this is the code. It is good once: it is gone before it counts.
    pub fn take(&self, typed: &str) -> bool {
        self.take_at(typed, now())
    }

    fn take_at(&self, typed: &str, now: u64) -> bool {
        let Some(code) = read_code(typed) else { return false };
        let hash = hash_of(&code);
        // Who learns from the time how far two hashes are the same learns nothing of the code.
        let is_it = |kept: &Kept| kept.hash == hash && now < kept.good_until;
        match self {
            OwnerCode::Memory(place) => {
                let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
                place.take_if(|kept| is_it(kept)).is_some()
            }
            OwnerCode::Directory(directory) => {
                let file = directory.join(FILE);
                read(&file).is_some_and(|kept| is_it(&kept)) && fs::remove_file(file).is_ok()
            }
        }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Of its letters, without hyphens.
fn hash_of(code: &str) -> String {
    let digest = Sha256::digest(code.replace('-', ""));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(file: &Path) -> Option<Kept> {
    let text = fs::read_to_string(file).ok()?;
    let (hash, good_until) = text.trim_end().split_once(' ')?;
    Some(Kept { hash: hash.to_owned(), good_until: good_until.parse().ok()? })
}

/// Puts a finished file in the place of the last.
fn write(directory: &Path, kept: &Kept) -> io::Result<()> {
    let fresh = directory.join(format!("{FILE}.new"));
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(FILE_MODE);
    let mut file = options.open(&fresh)?;
    writeln!(file, "{} {}", kept.hash, kept.good_until)?;
    #[cfg(unix)]
    {
        // Root may ask for a code at the command line: the server is to read it all the same.
        let server = fs::metadata(directory)?;
        if file.metadata()?.uid() != server.uid() {
            chown(&fresh, Some(server.uid()), Some(server.gid()))?;
        }
    }
    fs::rename(fresh, directory.join(FILE))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("chat-owner-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory");
        path
    }

    #[track_caller]
    fn is_good_once_and_for_a_while(code: &OwnerCode) {
        assert!(!code.take_at("7Q2M-4KXR-W9TD", 100), "there is none yet");
        let first = code.make_at(100).expect("a code");
        let second = code.make_at(100).expect("a code");
        assert!(!code.take_at(&first, 100), "the second has taken the place of the first");
        assert!(!code.take_at("7Q2M-4KXR-W9TD", 100));
        assert!(!code.take_at(&second, 100 + GOOD_FOR_SECONDS), "too late");
        let typed = second.to_ascii_lowercase().replace('-', " ");
        assert!(code.take_at(&typed, 99 + GOOD_FOR_SECONDS));
        assert!(!code.take_at(&second, 100), "it was taken");
        let third = code.make_at(100).expect("a code");
        assert!(code.take_at(&third, 101));
    }

    #[test]
    fn a_code_is_good_once_and_for_a_while() {
        is_good_once_and_for_a_while(&OwnerCode::in_memory());
        let directory = directory("once");
        is_good_once_and_for_a_while(&OwnerCode::in_directory(&directory));
        fs::remove_dir_all(directory).expect("it was ours");
    }

    #[test]
    fn another_process_makes_the_code_and_its_file_tells_nobody() {
        let directory = directory("file");
        let shown = OwnerCode::in_directory(&directory).make_at(100).expect("a code");
        let file = directory.join(FILE);
        let mode = fs::metadata(&file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, FILE_MODE);
        let text = fs::read_to_string(&file).expect("text");
        assert!(!text.contains(&shown) && !text.contains(&shown.replace('-', "")));
        assert!(OwnerCode::in_directory(&directory).take_at(&shown, 100));
        assert!(!file.exists());
        fs::write(&file, "rubbish").expect("a file");
        assert!(!OwnerCode::in_directory(&directory).take_at(&shown, 100));
        fs::remove_dir_all(directory).expect("it was ours");
    }
}
