//! Messages that are deleted: what they said is overwritten where it is (`secure_delete`), and noted
//! for those who have made something of it.

use std::ops::Range;

use rusqlite::{Connection, Transaction};

use super::schema::Meta;

/// Leaves a tombstone of a message, for nobody. It may have expired meanwhile.
pub fn delete(step: &Transaction<'_>, room: u64, id: u64) -> rusqlite::Result<()> {
    let sql = "UPDATE messages SET text = '', is_action = 0 WHERE room = ?1 AND id = ?2";
    if step.prepare_cached(sql)?.execute([room, id])? == 0 {
        return Ok(());
    }
    for sql in [
        "INSERT INTO deletions(n) SELECT n FROM messages WHERE room = ?1 AND id = ?2",
        "DELETE FROM mentions WHERE room = ?1 AND id = ?2",
        "DELETE FROM calls WHERE room = ?1 AND id = ?2",
    ] {
        step.prepare_cached(sql)?.execute([room, id])?;
    }
    Ok(())
}

/// Removes the messages of a room. Numbers of messages are never given again.
pub fn delete_all(step: &Transaction<'_>, room: u64) -> rusqlite::Result<()> {
    let sql = "SELECT coalesce(max(n), 0) FROM messages WHERE room = ?1";
    let last_n: u64 = step.prepare_cached(sql)?.query_row([room], |row| row.get(0))?;
    Meta::NumbersUsed.raise(step, last_n)?;
    for sql in [
        "INSERT INTO deletions(n) SELECT n FROM messages WHERE room = ?1 AND text <> ''",
        "DELETE FROM messages WHERE room = ?1",
    ] {
        step.prepare_cached(sql)?.execute([room])?;
    }
    Ok(())
}

/// Which of these messages of a room are tombstones. Only indexes are read, and no texts.
pub fn among(connection: &Connection, room: u64, ids: Range<u64>) -> rusqlite::Result<Vec<u64>> {
    let sql = "SELECT id FROM messages WHERE room = ?1 AND id >= ?2 AND id < ?3 \
               AND EXISTS (SELECT 1 FROM deletions WHERE deletions.n = messages.n) ORDER BY id";
    // SQLite's integers have a sign. No id comes near to the bound.
    let numbers = [room, ids.start, ids.end].map(|it| i64::try_from(it).unwrap_or(i64::MAX));
    connection.prepare_cached(sql)?.query_map(numbers, |row| row.get(0))?.collect()
}

/// Tombstones up to this number have expired.
pub fn forget(step: &Transaction<'_>, last_n: u64) -> rusqlite::Result<()> {
    step.prepare_cached("DELETE FROM deletions WHERE n <= ?1")?.execute([last_n]).map(drop)
}
