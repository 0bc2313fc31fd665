//! What accounts have read, and what is for them, as rows.

use rusqlite::{Connection, Transaction, params};

use super::people::{change_one, rows};
use crate::store::{CALLS_MAX, ReadingChange, StoredPeople, StoredReading};

pub fn apply(step: &Transaction<'_>, change: &ReadingChange) -> rusqlite::Result<()> {
    match change {
        ReadingChange::Set(reading) => set(step, reading),
        ReadingChange::Gone { account, room } => {
            let sql = "DELETE FROM mentions WHERE account = ?1 AND room = ?2";
            step.prepare_cached(sql)?.execute([account, room])?;
            let sql = "DELETE FROM readings WHERE account = ?1 AND room = ?2";
            change_one(step, sql, [account, room])
        }
        ReadingChange::Mentioned { room, id, accounts } => {
            let sql = "INSERT INTO mentions VALUES (?1, ?2, ?3)";
            accounts.iter().try_for_each(|account| change_one(step, sql, [room, account, id]))
        }
        ReadingChange::Called { room, id, by } => {
            let sql = "INSERT INTO calls VALUES (?1, ?2, ?3)";
            change_one(step, sql, params![room, id, by])?;
            let sql = "DELETE FROM calls WHERE room = ?1 AND id <= \
                       (SELECT id FROM calls WHERE room = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
            step.prepare_cached(sql)?.execute(params![room, CALLS_MAX]).map(drop)
        }
    }
}

fn set(step: &Transaction<'_>, reading: &StoredReading) -> rusqlite::Result<()> {
    let StoredReading { account, room, read, level } = reading;
    let sql = "INSERT INTO readings VALUES (?1, ?2, ?3, ?4) ON CONFLICT(account, room) \
               DO UPDATE SET read = ?3, level = ?4";
    change_one(step, sql, params![account, room, read, level])?;
    let sql = "DELETE FROM mentions WHERE account = ?1 AND room = ?2 AND id <= ?3";
    step.prepare_cached(sql)?.execute([account, room, read]).map(drop)
}

/// Adds all that is kept of it.
pub fn load(connection: &Connection, people: &mut StoredPeople) -> rusqlite::Result<()> {
    let sql = "SELECT account, room, read, level FROM readings ORDER BY account, room";
    people.readings = rows(connection, sql, |row| {
        Ok(StoredReading {
            account: row.get(0)?,
            room: row.get(1)?,
            read: row.get(2)?,
            level: row.get(3)?,
        })
    })?;
    let sql = "SELECT room, account, id FROM mentions ORDER BY room, account, id";
    people.mentions = rows(connection, sql, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let sql = "SELECT room, id, account FROM calls ORDER BY room, id";
    people.calls = rows(connection, sql, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(())
}
