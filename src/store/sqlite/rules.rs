//! What holds in rooms, as rows. That a room has settings before somebody has a record there is for
//! SQLite to hold.

use rusqlite::{Connection, Row, Transaction, params};

use super::deletions;
use super::people::{change_one, rows};
use crate::store::{
    RulesChange, StoredHook, StoredRecord, StoredRoomName, StoredRules, StoredSettings,
};

pub fn apply(step: &Transaction<'_>, change: &RulesChange) -> rusqlite::Result<()> {
    match change {
        RulesChange::Set(settings) => set(step, settings),
        RulesChange::Record(record) => put_record(step, record),
        RulesChange::RecordGone { room, account } => {
            let sql = "DELETE FROM member_records WHERE room = ?1 AND account = ?2";
            change_one(step, sql, [room, account])
        }
        RulesChange::Renamed { room, name, key, skeletons } => {
            let sql = "UPDATE rooms SET key = ?2, name = ?3 WHERE room = ?1";
            change_one(step, sql, params![room, key, name])?;
            step.prepare_cached("DELETE FROM skeletons WHERE room = ?1")?.execute([room])?;
            add_skeletons(step, *room, skeletons)
        }
        RulesChange::FormerName(former) => {
            let StoredRoomName { key, name, room, until_ms } = former;
            let sql = "INSERT INTO room_names VALUES (?1, ?2, ?3, ?4) ON CONFLICT(key) \
                       DO UPDATE SET name = ?2, room = ?3, until_ms = ?4";
            change_one(step, sql, params![key, name, room, until_ms])
        }
        RulesChange::NameGone { key } => {
            change_one(step, "DELETE FROM room_names WHERE key = ?1", [key])
        }
        RulesChange::Hook(hook) => put_hook(step, hook),
        RulesChange::HookGone { room, key } => {
            let sql = "DELETE FROM hooks WHERE room = ?1 AND key = ?2";
            change_one(step, sql, params![room, key])
        }
        RulesChange::Emptied { room } => deletions::delete_all(step, *room),
    }
}

/// What a name looks like.
pub fn add_skeletons(
    step: &Transaction<'_>,
    room: u64,
    skeletons: &[Box<str>],
) -> rusqlite::Result<()> {
    let sql = "INSERT OR IGNORE INTO skeletons VALUES (?1, ?2)";
    let mut insert = step.prepare_cached(sql)?;
    for skeleton in skeletons {
        insert.execute(params![skeleton, room])?;
    }
    Ok(())
}

fn set(step: &Transaction<'_>, settings: &StoredSettings) -> rusqlite::Result<()> {
    let StoredSettings { room, entry, is_listed, newcomers_see, posting, invites, is_archived } =
        settings;
    let sql = "INSERT INTO room_settings VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(room) \
               DO UPDATE SET entry = ?2, is_listed = ?3, newcomers_see = ?4, posting = ?5, \
               invites = ?6, is_archived = ?7";
    let values = params![room, entry, is_listed, newcomers_see, posting, invites, is_archived];
    change_one(step, sql, values)
}

fn put_record(step: &Transaction<'_>, record: &StoredRecord) -> rusqlite::Result<()> {
    let StoredRecord { room, account, role, may_return, has_asked, sees_from, removed_until } =
        record;
    let sql = "INSERT INTO member_records VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
               ON CONFLICT(room, account) DO UPDATE SET role = ?3, may_return = ?4, \
               has_asked = ?5, sees_from = ?6, removed_until = ?7";
    let values = params![room, account, role, may_return, has_asked, sees_from, removed_until];
    change_one(step, sql, values)
}

fn put_hook(step: &Transaction<'_>, hook: &StoredHook) -> rusqlite::Result<()> {
    let StoredHook { room, key, name, hash, account, created_ms } = hook;
    let sql = "INSERT INTO hooks VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(room, key) \
               DO UPDATE SET name = ?3, hash = ?4, account = ?5, created_ms = ?6";
    change_one(step, sql, params![room, key, name, hash, account, created_ms])
}

/// All that holds in rooms.
pub fn rules(connection: &Connection) -> rusqlite::Result<StoredRules> {
    let rooms = "SELECT room, entry, is_listed, newcomers_see, posting, invites, is_archived \
                 FROM room_settings ORDER BY room";
    let records = "SELECT room, account, role, may_return, has_asked, sees_from, removed_until \
                   FROM member_records ORDER BY room, account";
    let names = "SELECT key, name, room, until_ms FROM room_names ORDER BY key";
    let hooks = "SELECT room, key, name, hash, account, created_ms FROM hooks ORDER BY room, key";
    Ok(StoredRules {
        rooms: rows(connection, rooms, settings)?,
        records: rows(connection, records, record)?,
        names: rows(connection, names, room_name)?,
        hooks: rows(connection, hooks, hook)?,
    })
}

fn settings(row: &Row<'_>) -> rusqlite::Result<StoredSettings> {
    Ok(StoredSettings {
        room: row.get(0)?,
        entry: row.get(1)?,
        is_listed: row.get(2)?,
        newcomers_see: row.get(3)?,
        posting: row.get(4)?,
        invites: row.get(5)?,
        is_archived: row.get(6)?,
    })
}

fn room_name(row: &Row<'_>) -> rusqlite::Result<StoredRoomName> {
    Ok(StoredRoomName {
        key: row.get(0)?,
        name: row.get(1)?,
        room: row.get(2)?,
        until_ms: row.get(3)?,
    })
}

fn record(row: &Row<'_>) -> rusqlite::Result<StoredRecord> {
    Ok(StoredRecord {
        room: row.get(0)?,
        account: row.get(1)?,
        role: row.get(2)?,
        may_return: row.get(3)?,
        has_asked: row.get(4)?,
        sees_from: row.get(5)?,
        removed_until: row.get(6)?,
    })
}

fn hook(row: &Row<'_>) -> rusqlite::Result<StoredHook> {
    Ok(StoredHook {
        room: row.get(0)?,
        key: row.get(1)?,
        name: row.get(2)?,
        hash: row.get(3)?,
        account: row.get(4)?,
        created_ms: row.get(5)?,
    })
}
