//! What an administrator does with a history, each as a command of its own.

mod backup;
mod check;
mod export;
mod restore;

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use backup::backup;
pub use check::check;
pub use export::{Format, export};
pub use restore::restore;

use super::directory::{database_in, remove};
use super::open::OpenError;
use super::{directory, new_epoch};

/// Why a command could not be done, in one line.
#[derive(Debug, Error)]
pub enum ToolError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("there is no history in {}", directory.display())]
    NoHistory { directory: PathBuf },
    #[error("{} exists already: nothing is written over", file.display())]
    Exists { file: PathBuf },
    #[error(
        "there is a history in {} already: --force puts the backup in its place, and keeps what \
         was there beside it", directory.display()
    )]
    Occupied { directory: PathBuf },
    #[error(
        "the history is sound, but {} is damaged ({what}): delete it, and the server makes it anew",
        file.display()
    )]
    Index { file: PathBuf, what: String },
    #[error("there is no room {name} in the history")]
    NoRoom { name: String },
    #[error("{}: {error}", file.display())]
    File { file: PathBuf, error: io::Error },
    #[error("writing failed: {0}")]
    Output(#[from] io::Error),
}

/// The database of a directory, if there is one.
fn database(directory: &Path) -> Result<PathBuf, ToolError> {
    let file = database_in(directory);
    match file.try_exists() {
        Ok(true) => Ok(file),
        Ok(false) => Err(ToolError::NoHistory { directory: directory.to_owned() }),
        Err(error) => Err(ToolError::File { file, error }),
    }
}
