//! Messages that are deleted: what they said is overwritten where it is (`secure_delete`), and noted
//! for those who have made something of it.

use rusqlite::Transaction;

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

/// Tombstones up to this number have expired.
pub fn forget(step: &Transaction<'_>, last_n: u64) -> rusqlite::Result<()> {
    step.prepare_cached("DELETE FROM deletions WHERE n <= ?1")?.execute([last_n]).map(drop)
}
