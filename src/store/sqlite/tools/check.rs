//! Whether a history is whole.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use super::{ToolError, database};
use crate::plural::Count;
use crate::store::search::file::{Coverage, SearchFiles};
use crate::store::search::is_damage;
use crate::store::sqlite::open::{Depth, OpenError, inspect};
use crate::store::sqlite::order::order;
use crate::store::sqlite::people::people;
use crate::store::sqlite::reader::open_to_read;
use crate::store::sqlite::readings;
use crate::store::sqlite::schema::{HAS_ORDER, HAS_PEOPLE, MIGRATIONS, Meta};

/// Checks the file, that the ids of each room have no holes, that what belongs to accounts and rooms
/// has them, and that the index has all messages; says in one line what is there. A server goes on
/// meanwhile.
///
/// # Errors
/// What is wrong.
pub fn check(data: &Path) -> Result<String, ToolError> {
    let file = database(data)?;
    let version = inspect(&file, Depth::Whole)?;
    let failed = |error| ToolError::Open(OpenError::of(&file, error));
    let mut connection = open_to_read(&file).map_err(failed)?;
    // One snapshot for all of it.
    let snapshot = connection.transaction().map_err(failed)?;
    let (mut rooms, mut conversations, mut messages) = (0, 0, 0);
    for room in counted(&snapshot).map_err(failed)? {
        if let Some(what) = room.fault() {
            return Err(OpenError::Damaged { file, what }.into());
        }
        match room.name.starts_with('@') {
            true => conversations += 1,
            false => rooms += 1,
        }
        messages += room.messages;
    }
    let sql = "SELECT count(*) FROM messages WHERE room NOT IN (SELECT room FROM rooms)";
    let stray: u64 = snapshot.query_row(sql, [], |row| row.get(0)).map_err(failed)?;
    if stray > 0 {
        let what = format!("{} of no room", Count(stray, "message"));
        return Err(OpenError::Damaged { file: file.clone(), what }.into());
    }
    if version >= HAS_PEOPLE
        && let Some(what) = fault_of_people(&snapshot, version).map_err(failed)?
    {
        return Err(OpenError::Damaged { file, what }.into());
    }
    if version >= HAS_ORDER
        && let Err(error) = order(&snapshot)
    {
        return Err(OpenError::of(&file, error).into());
    }
    let epoch = Meta::Epoch.text(&snapshot).map_err(failed)?.unwrap_or_default();
    let search = search(&SearchFiles::beside(&file, &epoch))?;
    let conversations = match conversations {
        0 => String::new(),
        count => format!(", {}", Count(count, "conversation")),
    };
    Ok(format!(
        "{} is sound: {}{conversations}, {}, ids without holes; {search}",
        file.display(),
        Count(rooms, "room"),
        Count(messages, "message"),
    ))
}

/// What is wrong with what is kept of people.
fn fault_of_people(connection: &Connection, version: usize) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT count(*) || ' rows of ' || \"table\" || ' belong to none of ' || parent \
               FROM pragma_foreign_key_check GROUP BY \"table\", parent LIMIT 1";
    let stray = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    if stray.is_some() {
        return Ok(stray);
    }
    let sql = "SELECT count(*) || ' accounts have the name ' || min(name) \
               FROM accounts GROUP BY key HAVING count(*) > 1 LIMIT 1";
    let namesakes = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    if namesakes.is_some() {
        return Ok(namesakes);
    }
    // All of it has to be of use to a server that starts. An older file is brought up to date first.
    if version < MIGRATIONS.len() {
        return Ok(None);
    }
    let read = people(connection).and_then(|mut people| readings::load(connection, &mut people));
    match read {
        Err(error) if error.sqlite_error_code().is_none() => Ok(Some(error.to_string())),
        read => read.map(|_| None),
    }
}

/// What can be found of what is kept.
fn search(files: &SearchFiles) -> Result<String, ToolError> {
    let file = || files.index.clone();
    match files.coverage() {
        Ok(Coverage::Behind(0)) => Ok("search finds all of them".to_owned()),
        Ok(Coverage::Behind(count)) => {
            Ok(format!("search does not find {count} of them yet: the server goes on with them"))
        }
        Ok(Coverage::Absent) => Ok("search has no index yet: the server makes it".to_owned()),
        Ok(Coverage::Damaged(what)) => Err(ToolError::Index { file: file(), what }),
        Err(error) if is_damage(&error) => {
            Err(ToolError::Index { file: file(), what: error.to_string() })
        }
        Err(error) => Err(ToolError::Open(OpenError::Failed { file: file(), error })),
    }
}

/// What a room should have, and what it has.
struct Counted {
    name: String,
    first_id: u64,
    next_id: u64,
    messages: u64,
    lowest: Option<u64>,
    highest: Option<u64>,
}

impl Counted {
    fn fault(&self) -> Option<String> {
        let Counted { name, first_id, next_id, messages, lowest, highest } = self;
        let is_whole = next_id.checked_sub(*first_id) == Some(*messages)
            && lowest.is_none_or(|lowest| lowest == *first_id)
            && highest.is_none_or(|highest| highest + 1 == *next_id);
        (!is_whole).then(|| {
            format!(
                "{name} should have the messages {first_id} up to {next_id}, and has {messages}"
            )
        })
    }
}

fn counted(connection: &Connection) -> rusqlite::Result<Vec<Counted>> {
    let sql = "SELECT name, first_id, next_id, count(id), min(id), max(id) \
               FROM rooms LEFT JOIN messages USING (room) GROUP BY rooms.room";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        Ok(Counted {
            name: row.get(0)?,
            first_id: row.get(1)?,
            next_id: row.get(2)?,
            messages: row.get(3)?,
            lowest: row.get(4)?,
            highest: row.get(5)?,
        })
    })?;
    rows.collect()
}
