//! Bans, mutes and whom people ignore, as rows. What belongs to an account goes with it, and what
//! belongs to a room with the room.

use rusqlite::types::Type;
use rusqlite::{Connection, Row, Transaction, params};

use super::people::{change_one, rows};
use crate::store::order::{
    OrderChange, StoredBan, StoredIgnore, StoredMute, StoredOrder, StoredTarget,
};

pub fn apply(step: &Transaction<'_>, change: &OrderChange) -> rusqlite::Result<()> {
    match change {
        OrderChange::Ban(ban) => put_ban(step, ban),
        OrderChange::BanGone { target } => {
            let (account, network) = columns(target);
            let sql = "DELETE FROM bans WHERE account IS ?1 AND network IS ?2";
            change_one(step, sql, params![account, network])
        }
        OrderChange::Mute(StoredMute { room, account, reason, until_ms }) => {
            let sql = "INSERT INTO mutes VALUES (?1, ?2, ?3, ?4) ON CONFLICT(room, account) \
                       DO UPDATE SET reason = ?3, until_ms = ?4";
            change_one(step, sql, params![room, account, reason, until_ms])
        }
        OrderChange::MuteGone { room, account } => {
            let sql = "DELETE FROM mutes WHERE room = ?1 AND account = ?2";
            change_one(step, sql, params![room, account])
        }
        OrderChange::Ignored(StoredIgnore { account, ignored }) => {
            change_one(step, "INSERT INTO ignores VALUES (?1, ?2)", params![account, ignored])
        }
        OrderChange::IgnoredGone(StoredIgnore { account, ignored }) => {
            let sql = "DELETE FROM ignores WHERE account = ?1 AND ignored = ?2";
            change_one(step, sql, params![account, ignored])
        }
    }
}

fn put_ban(step: &Transaction<'_>, ban: &StoredBan) -> rusqlite::Result<()> {
    let StoredBan { target, by, reason, since_ms, until_ms } = ban;
    let (account, network) = columns(target);
    let before = "DELETE FROM bans WHERE account IS ?1 AND network IS ?2";
    step.prepare_cached(before)?.execute(params![account, network])?;
    let sql = "INSERT INTO bans VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    change_one(step, sql, params![account, network, by, reason, since_ms, until_ms])
}

fn columns(target: &StoredTarget) -> (Option<u64>, Option<&str>) {
    match target {
        StoredTarget::Account(account) => (Some(*account), None),
        StoredTarget::Network(network) => (None, Some(network)),
    }
}

/// All that is kept of order.
pub fn order(connection: &Connection) -> rusqlite::Result<StoredOrder> {
    let bans = "SELECT account, network, by_name, reason, since_ms, until_ms FROM bans \
                ORDER BY account IS NULL, account, network";
    let mutes = "SELECT room, account, reason, until_ms FROM mutes ORDER BY room, account";
    let ignores = "SELECT account, ignored FROM ignores ORDER BY account, ignored";
    Ok(StoredOrder {
        bans: rows(connection, bans, ban)?,
        mutes: rows(connection, mutes, |row| {
            let (room, account) = (row.get(0)?, row.get(1)?);
            Ok(StoredMute { room, account, reason: row.get(2)?, until_ms: row.get(3)? })
        })?,
        ignores: rows(connection, ignores, |row| {
            Ok(StoredIgnore { account: row.get(0)?, ignored: row.get(1)? })
        })?,
    })
}

fn ban(row: &Row<'_>) -> rusqlite::Result<StoredBan> {
    let target = match (row.get(0)?, row.get(1)?) {
        (Some(account), None) => StoredTarget::Account(account),
        (None, Some(network)) => StoredTarget::Network(network),
        _ => {
            let why = "a ban is of an account or of a network".into();
            return Err(rusqlite::Error::FromSqlConversionFailure(0, Type::Null, why));
        }
    };
    let (by, reason) = (row.get(2)?, row.get(3)?);
    Ok(StoredBan { target, by, reason, since_ms: row.get(4)?, until_ms: row.get(5)? })
}
