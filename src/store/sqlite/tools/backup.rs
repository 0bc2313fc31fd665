//! A copy, also while a server writes.

use std::path::Path;

use rusqlite::Connection;

use super::{ToolError, database, directory, new_epoch, remove};
use crate::store::sqlite::open::{Depth, OpenError, inspect};
use crate::store::sqlite::schema::Meta;

/// Copies the history of a directory to a file that is not there yet. A server goes on meanwhile.
///
/// # Errors
/// Why there is no copy.
pub fn backup(data: &Path, to: &Path) -> Result<String, ToolError> {
    let from = database(data)?;
    inspect(&from, Depth::Header)?;
    if to.try_exists().unwrap_or(true) {
        return Err(ToolError::Exists { file: to.to_owned() });
    }
    let unfinished = directory::beside(to, ".new");
    let copied = copy(&from, &unfinished).and_then(|()| {
        let failed = |error| ToolError::File { file: to.to_owned(), error };
        directory::put(&unfinished, to).map_err(failed)
    });
    if let Err(error) = copied {
        // The first error is the one to tell.
        let _ = remove(&unfinished);
        return Err(error);
    }
    Ok(format!("{} is a copy of {}", to.display(), from.display()))
}

/// Makes a whole and compact copy that says of itself that it is another one: what is said after a
/// restore has ids that were given before, and must not be taken for that.
pub fn copy(from: &Path, to: &Path) -> Result<(), ToolError> {
    let failed = |error| ToolError::File { file: to.to_owned(), error };
    directory::create(to).map_err(failed)?;
    let read = |error| ToolError::Open(OpenError::of(from, error));
    // Not one that only reads: such a connection cannot write another file, either.
    let connection = Connection::open(from).map_err(read)?;
    connection.busy_timeout(crate::store::sqlite::reader::BUSY).map_err(read)?;
    connection.execute("VACUUM INTO ?1", [to.to_string_lossy()]).map_err(read)?;
    let written = |error| ToolError::Open(OpenError::of(to, error));
    let connection = Connection::open(to).map_err(written)?;
    Meta::Epoch.set(&connection, new_epoch()).map_err(written)?;
    Meta::IsClean.set(&connection, 1).map_err(written)?;
    connection.close().map_err(|(_, error)| written(error))
}
