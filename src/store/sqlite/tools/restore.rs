//! A backup in the place of what is there.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::backup::copy;
use super::{ToolError, directory, remove};
use crate::store::sqlite::directory::Directory;
use crate::store::sqlite::open::{Depth, inspect};

/// Puts a copy of a backup into a directory that no server uses. What was there is kept beside it,
/// and is only replaced if `force` says so.
///
/// # Errors
/// Why nothing was changed.
pub fn restore(data: &Path, from: &Path, force: bool) -> Result<String, ToolError> {
    inspect(from, Depth::Whole)?;
    let lock = Directory::lock(data)?;
    let file = lock.database();
    let failed = |error| ToolError::File { file: file.clone(), error };
    let is_occupied = file.try_exists().map_err(failed)?;
    if is_occupied && !force {
        return Err(ToolError::Occupied { directory: data.to_owned() });
    }
    let unfinished = directory::beside(&file, ".new");
    copy(from, &unfinished)?;
    let aside = is_occupied.then(|| put_aside(&file)).transpose()?;
    // They belong to what was there. SQLite would take the journal for one of the new file.
    for suffix in ["-wal", "-shm"] {
        remove(&directory::beside(&file, suffix)).map_err(failed)?;
    }
    // Derived from what was there; it is made again.
    for name in ["search.db", "search.db-wal", "search.db-shm"] {
        remove(&data.join(name)).map_err(failed)?;
    }
    directory::put(&unfinished, &file).map_err(failed)?;
    let kept = aside.map(|aside| format!("; what was there is in {}", aside.display()));
    Ok(format!("{} is restored{}", file.display(), kept.unwrap_or_default()))
}

/// Keeps a file, and the part of it that is in its journal, under another name as well.
fn put_aside(file: &Path) -> Result<PathBuf, ToolError> {
    let failed = |error| ToolError::File { file: file.to_owned(), error };
    // Closing it moves the journal into it, if it is not too damaged for that.
    if let Ok(connection) = Connection::open(file) {
        let _ = connection.query_row("SELECT count(*) FROM meta", [], |_| Ok(()));
    }
    let name = |number| file.with_extension(format!("before-restore-{number}.db"));
    let aside = (1..u32::MAX).map(name).find(|name| !name.exists()).unwrap_or_else(|| name(0));
    fs::hard_link(file, &aside).or_else(|_| fs::rename(file, &aside)).map_err(failed)?;
    let journal = directory::beside(file, "-wal");
    if journal.try_exists().map_err(failed)? {
        fs::rename(&journal, directory::beside(&aside, "-wal")).map_err(failed)?;
    }
    Ok(aside)
}
