//! The directory that a server has for itself.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::open::OpenError;

/// What is said is for those who were there: other users of the machine are not among them.
const DIRECTORY_MODE: u32 = 0o700;
pub const FILE_MODE: u32 = 0o600;

/// A locked directory. The lock ends with this, and with the process.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Makes the directory if it is not there, and locks it.
    pub fn lock(path: &Path) -> Result<Directory, OpenError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                OpenError::NoDirectory { path: path.to_owned() }
            }
            _ => OpenError::Directory { path: path.to_owned(), error },
        };
        DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(FILE_MODE);
        let lock = options.open(path.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Directory { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    pub fn database(&self) -> PathBuf {
        database_in(&self.path)
    }
}

pub fn database_in(directory: &Path) -> PathBuf {
    directory.join("history.db")
}

/// A path with something behind its name: SQLite's files beside a database have such names.
pub fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Gives a finished file its name, so that it is there as a whole or not at all, also after a power
/// cut.
pub fn put(finished: &Path, name: &Path) -> io::Result<()> {
    File::open(finished)?.sync_all()?;
    fs::rename(finished, name)?;
    let directory = name.parent().filter(|path| !path.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

/// Removes a file, if it is there.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// An empty file that only its owner can read, for SQLite to fill.
pub fn create(path: &Path) -> io::Result<()> {
    remove(path)?;
    OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path).map(drop)
}
