//! Accounts and what belongs to them, as rows. That a key, a membership or an invitation has its
//! account, and a membership its room, is for SQLite to hold: what a change points to and is not
//! there is an error of ours, and so is a change that changes nothing.

use rusqlite::{Connection, Params, Row, Transaction, params};

use super::rules::rules;
use super::schema::Meta;
use crate::store::{
    StoredAccessKey, StoredAccount, StoredGuestToken, StoredInvitation, StoredName, StoredPeople,
};

pub fn put_account(step: &Transaction<'_>, account: &StoredAccount) -> rusqlite::Result<()> {
    let StoredAccount { account, name, key, password, role, created_ms, owner } = account;
    let sql = "INSERT INTO accounts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(account) \
               DO UPDATE SET key = ?2, name = ?3, password = ?4, role = ?5, created_ms = ?6, \
               owner = ?7";
    change_one(step, sql, params![account, key, name, password, role, created_ms, owner])?;
    Meta::NextAccount.raise(step, account + 1)
}

/// Its keys, memberships, invitations and bots go with it.
pub fn remove_account(step: &Transaction<'_>, account: u64) -> rusqlite::Result<()> {
    change_one(step, "DELETE FROM accounts WHERE account = ?1", [account])
}

pub fn add_access_key(step: &Transaction<'_>, key: &StoredAccessKey) -> rusqlite::Result<()> {
    let StoredAccessKey { account, key, hash, is_token, label, created_ms } = key;
    let sql = "INSERT INTO access_keys VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    change_one(step, sql, params![account, key, hash, is_token, label, created_ms])
}

pub fn remove_access_key(step: &Transaction<'_>, account: u64, key: u32) -> rusqlite::Result<()> {
    let sql = "DELETE FROM access_keys WHERE account = ?1 AND key = ?2";
    change_one(step, sql, params![account, key])
}

pub fn add_member(step: &Transaction<'_>, room: u64, account: u64) -> rusqlite::Result<()> {
    change_one(step, "INSERT INTO members(room, account) VALUES (?1, ?2)", [room, account])
}

pub fn remove_member(step: &Transaction<'_>, room: u64, account: u64) -> rusqlite::Result<()> {
    change_one(step, "DELETE FROM members WHERE room = ?1 AND account = ?2", [room, account])
}

pub fn put_invitation(
    step: &Transaction<'_>,
    invitation: &StoredInvitation,
) -> rusqlite::Result<()> {
    let StoredInvitation { invitation, hash, by, resets, uses, until_ms, rooms, makes_account } =
        invitation;
    let sql = "INSERT INTO invitations VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
               ON CONFLICT(invitation) DO UPDATE SET hash = ?2, account = ?3, resets = ?4, \
               uses = ?5, until_ms = ?6, makes_account = ?7";
    change_one(step, sql, params![invitation, hash, by, resets, uses, until_ms, makes_account])?;
    let sql = "INSERT OR IGNORE INTO invitation_rooms VALUES (?1, ?2)";
    for room in rooms {
        step.prepare_cached(sql)?.execute([invitation, room])?;
    }
    Meta::NextInvitation.raise(step, invitation + 1)
}

pub fn remove_invitation(step: &Transaction<'_>, invitation: u64) -> rusqlite::Result<()> {
    change_one(step, "DELETE FROM invitations WHERE invitation = ?1", [invitation])
}

pub fn put_reserved(step: &Transaction<'_>, reserved: &StoredName) -> rusqlite::Result<()> {
    let StoredName { key, name, account, until_ms } = reserved;
    let sql = "INSERT INTO reserved_names VALUES (?1, ?2, ?3, ?4) ON CONFLICT(key) \
               DO UPDATE SET name = ?2, account = ?3, until_ms = ?4";
    change_one(step, sql, params![key, name, account, until_ms])
}

pub fn remove_reserved(step: &Transaction<'_>, key: &str) -> rusqlite::Result<()> {
    change_one(step, "DELETE FROM reserved_names WHERE key = ?1", [key])
}

pub fn put_guest_token(step: &Transaction<'_>, token: &StoredGuestToken) -> rusqlite::Result<()> {
    let StoredGuestToken { hash, before, name, until_ms } = token;
    let sql = "INSERT INTO guest_tokens VALUES (?1, ?2, ?3, ?4) ON CONFLICT(hash) \
               DO UPDATE SET before = ?2, name = ?3, until_ms = ?4";
    change_one(step, sql, params![hash, before, name, until_ms])
}

/// One that came while the disk was full is not there.
pub fn remove_guest_token(step: &Transaction<'_>, hash: &[u8; 32]) -> rusqlite::Result<()> {
    step.prepare_cached("DELETE FROM guest_tokens WHERE hash = ?1")?.execute([hash]).map(drop)
}

/// A change that hits nothing must not be acknowledged.
pub fn change_one(step: &Transaction<'_>, sql: &str, values: impl Params) -> rusqlite::Result<()> {
    match step.prepare_cached(sql)?.execute(values)? {
        1 => Ok(()),
        count => Err(rusqlite::Error::StatementChangedRows(count)),
    }
}

/// All that is kept of people but what they have read.
pub fn people(connection: &Connection) -> rusqlite::Result<StoredPeople> {
    let accounts = "SELECT account, name, key, password, role, created_ms, owner FROM accounts \
                    ORDER BY account";
    let keys = "SELECT account, key, hash, is_token, label, created_ms FROM access_keys \
                ORDER BY account, key";
    let members = "SELECT room, account FROM members ORDER BY n";
    let invitations = "SELECT invitation, hash, account, resets, uses, until_ms, makes_account \
                       FROM invitations ORDER BY invitation";
    let their_rooms = "SELECT invitation, room FROM invitation_rooms ORDER BY invitation, room";
    let reserved = "SELECT key, name, account, until_ms FROM reserved_names ORDER BY until_ms, key";
    let mut invitations: Vec<StoredInvitation> = rows(connection, invitations, invitation)?;
    let their_rooms: Vec<(u64, u64)> =
        rows(connection, their_rooms, |row| Ok((row.get(0)?, row.get(1)?)))?;
    for (of, room) in their_rooms {
        if let Ok(at) = invitations.binary_search_by_key(&of, |one| one.invitation) {
            invitations[at].rooms.push(room);
        }
    }
    let guests = "SELECT hash, before, name, until_ms FROM guest_tokens ORDER BY until_ms, hash";
    Ok(StoredPeople {
        accounts: rows(connection, accounts, account)?,
        keys: rows(connection, keys, access_key)?,
        members: rows(connection, members, |row| Ok((row.get(0)?, row.get(1)?)))?,
        invitations,
        reserved: rows(connection, reserved, reserved_name)?,
        guests: rows(connection, guests, guest_token)?,
        next_account: Meta::NextAccount.number(connection)?.max(1),
        next_invitation: Meta::NextInvitation.number(connection)?.max(1),
        rules: rules(connection)?,
        ..StoredPeople::default()
    })
}

pub fn rows<T>(
    connection: &Connection,
    sql: &str,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare(sql)?.query_map([], read)?.collect()
}

fn account(row: &Row<'_>) -> rusqlite::Result<StoredAccount> {
    Ok(StoredAccount {
        account: row.get(0)?,
        name: row.get(1)?,
        key: row.get(2)?,
        password: row.get(3)?,
        role: row.get(4)?,
        created_ms: row.get(5)?,
        owner: row.get(6)?,
    })
}

fn access_key(row: &Row<'_>) -> rusqlite::Result<StoredAccessKey> {
    Ok(StoredAccessKey {
        account: row.get(0)?,
        key: row.get(1)?,
        hash: row.get(2)?,
        is_token: row.get(3)?,
        label: row.get(4)?,
        created_ms: row.get(5)?,
    })
}

fn invitation(row: &Row<'_>) -> rusqlite::Result<StoredInvitation> {
    Ok(StoredInvitation {
        invitation: row.get(0)?,
        hash: row.get(1)?,
        by: row.get(2)?,
        resets: row.get(3)?,
        uses: row.get(4)?,
        until_ms: row.get(5)?,
        rooms: Vec::new(),
        makes_account: row.get(6)?,
    })
}

fn reserved_name(row: &Row<'_>) -> rusqlite::Result<StoredName> {
    Ok(StoredName {
        key: row.get(0)?,
        name: row.get(1)?,
        account: row.get(2)?,
        until_ms: row.get(3)?,
    })
}

fn guest_token(row: &Row<'_>) -> rusqlite::Result<StoredGuestToken> {
    Ok(StoredGuestToken {
        hash: row.get(0)?,
        before: row.get(1)?,
        name: row.get(2)?,
        until_ms: row.get(3)?,
    })
}
