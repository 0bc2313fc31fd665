//! What the index forgets: what is no longer kept, and what was deleted.

use rusqlite::Connection;

use super::file::{NEW_DELETIONS, PARTITION, optimize_words, partitions, words};
use super::index::BATCH;

/// Takes some of the messages before this one out of the index: how many, about.
pub fn forget_before(connection: &Connection, first: u64) -> rusqlite::Result<usize> {
    let Some(oldest) = partitions(connection, 0, first / PARTITION)?.pop() else { return Ok(0) };
    let words = words(oldest);
    let count = if oldest < first / PARTITION {
        connection.execute_batch(&format!("DROP TABLE {words}"))?;
        connection.execute("DELETE FROM partitions WHERE partition = ?1", [oldest])?;
        BATCH
    } else {
        let sql = format!(
            "DELETE FROM {words} WHERE rowid IN
            (SELECT rowid FROM {words} WHERE rowid < ?1 ORDER BY rowid LIMIT ?2)"
        );
        connection.prepare_cached(&sql)?.execute((first, BATCH))?
    };
    if count > 0 {
        connection.execute("DELETE FROM days WHERE last < ?1", [first])?;
        // Of one that was dropped, the journal has words still: it is emptied with another's.
        let sql = "UPDATE partitions SET has_deleted = 1 \
                   WHERE partition = (SELECT min(partition) FROM partitions)";
        connection.execute(sql, [])?;
    }
    Ok(count)
}

/// Takes messages out of the index that were deleted: how many, of as many as are taken at once.
/// Their words are not found from then on, and still there.
pub fn forget_deleted(connection: &Connection) -> rusqlite::Result<usize> {
    let done: u64 = connection.query_row("SELECT deletion FROM progress", [], |row| row.get(0))?;
    let mut new = connection.prepare_cached(NEW_DELETIONS)?;
    let new = new.query_map((done, BATCH), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let new: Vec<(u64, u64)> = new.collect::<rusqlite::Result<_>>()?;
    for &(_, n) in &new {
        let partition = n / PARTITION;
        if partitions(connection, partition, partition)?.is_empty() {
            continue;
        }
        let sql = format!("DELETE FROM {} WHERE rowid = ?1", words(partition));
        // It may have been deleted before it was indexed.
        if connection.prepare_cached(&sql)?.execute([n])? > 0 {
            let sql = "UPDATE partitions SET has_deleted = 1 WHERE partition = ?1";
            connection.prepare_cached(sql)?.execute([partition])?;
        }
    }
    if let Some((last, _)) = new.last() {
        connection.execute("UPDATE progress SET deletion = ?1", [last])?;
    }
    Ok(new.len())
}

/// Leaves no words of messages that were deleted, neither in the file nor in its journal; says
/// whether there were any. Not with every deletion: a whole partition is written anew.
pub fn scrub(connection: &Connection) -> rusqlite::Result<bool> {
    let sql = "SELECT partition FROM partitions WHERE has_deleted";
    let mut soiled = connection.prepare_cached(sql)?;
    let soiled = soiled.query_map([], |row| row.get(0))?;
    let soiled: Vec<u64> = soiled.collect::<rusqlite::Result<_>>()?;
    if soiled.is_empty() {
        return Ok(false);
    }
    for partition in soiled {
        connection.execute_batch(&optimize_words(partition))?;
    }
    let sql = "PRAGMA main.wal_checkpoint(TRUNCATE)";
    let is_busy: bool = connection.query_row(sql, [], |row| row.get(0))?;
    // Who searches may be in the way; then it is tried again.
    if !is_busy {
        connection.execute("UPDATE partitions SET has_deleted = 0", [])?;
    }
    Ok(!is_busy)
}
