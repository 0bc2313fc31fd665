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
pub use export::{Format, export, left_at};
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
    #[error("there is no room {name} in the history{}", hint_for(name))]
    NoRoom { name: String },
    #[error("{}: {error}", file.display())]
    File { file: PathBuf, error: io::Error },
    #[error("writing failed: {0}")]
    Output(#[from] io::Error),
}

/// The one who asks for a conversation may not know that an account has ended.
fn hint_for(name: &str) -> &'static str {
    match name.starts_with('@') {
        true => " (if one of the accounts has ended: '@NAME:someone who left')",
        false => "",
    }
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
