//! The tables, and how a file of an older version becomes one of this version.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

/// `chat`: tells our files from those of other programs.
pub const APPLICATION_ID: i32 = 0x6368_6174;

/// One step for each version: the first makes the tables, each other one changes what the one
/// before it left. Never change one that was released.
pub const MIGRATIONS: &[&str] = &[VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5, VERSION_6];

/// Messages are keyed by a number that grows over all rooms, so that each transaction writes to the
/// end of the table; keyed by room and id it would change a page for each room. The number is also
/// the order in which an index of words can follow.
const VERSION_1: &str = "
CREATE TABLE meta(
    key TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- `last_n`: the number of the last message said there, 0 before the first.
CREATE TABLE rooms(
    room INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    topic TEXT NOT NULL DEFAULT '',
    first_id INTEGER NOT NULL,
    next_id INTEGER NOT NULL,
    last_n INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What names look like: two rooms with one of these in common could be taken for each other.
CREATE TABLE skeletons(
    skeleton TEXT NOT NULL,
    room INTEGER NOT NULL,
    PRIMARY KEY(skeleton, room)
) STRICT, WITHOUT ROWID;
CREATE INDEX skeletons_by_room ON skeletons(room);

CREATE TABLE messages(
    n INTEGER PRIMARY KEY,
    room INTEGER NOT NULL,
    id INTEGER NOT NULL,
    unix_ms INTEGER NOT NULL,
    is_action INTEGER NOT NULL,
    author TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX messages_by_id ON messages(room, id);

-- The newest keys that clients gave to messages, so that one that is sent again is known.
CREATE TABLE message_keys(
    n INTEGER PRIMARY KEY,
    room INTEGER NOT NULL,
    key TEXT NOT NULL,
    id INTEGER NOT NULL,
    unix_ms INTEGER NOT NULL
) STRICT;
";

/// What belongs to an account goes with it, and a room's members with the room.
const VERSION_2: &str = "
-- `key`: of the name. `password`: its hash. `role`: 1 for admins, 2 for owners, else 0.
CREATE TABLE accounts(
    account INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    password TEXT,
    role INTEGER NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX accounts_by_key ON accounts(key);

-- What browsers and programs are known by.
CREATE TABLE access_keys(
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    key INTEGER NOT NULL,
    hash BLOB NOT NULL,
    is_token INTEGER NOT NULL,
    label TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY(account, key)
) STRICT, WITHOUT ROWID;

-- `n`: the order in which they joined.
CREATE TABLE members(
    n INTEGER PRIMARY KEY,
    room INTEGER NOT NULL REFERENCES rooms ON DELETE CASCADE,
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE
) STRICT;
CREATE UNIQUE INDEX members_by_room ON members(room, account);
CREATE INDEX members_by_account ON members(account);

-- `account`: who has made it. `resets`: the account whose password it sets, if it makes none.
-- `uses`: how often it can still be used, NULL for any number of times.
CREATE TABLE invitations(
    invitation INTEGER PRIMARY KEY,
    hash BLOB NOT NULL,
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    resets INTEGER REFERENCES accounts ON DELETE CASCADE,
    uses INTEGER,
    until_ms INTEGER
) STRICT;
CREATE INDEX invitations_by_account ON invitations(account);
CREATE INDEX invitations_by_reset ON invitations(resets);

-- Names that only one account can take. They stay when that is gone.
CREATE TABLE reserved_names(
    key TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    account INTEGER NOT NULL,
    until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// What holds in rooms goes with them, and what is known there of an account with that.
/// Conversations are rooms whose keys say whose they are. Members of older versions have read all
/// that was said by then.
const VERSION_3: &str = "
-- Rooms that are kept for somebody. The chat knows what the numbers mean.
CREATE TABLE room_settings(
    room INTEGER PRIMARY KEY REFERENCES rooms ON DELETE CASCADE,
    entry INTEGER NOT NULL,
    is_listed INTEGER NOT NULL,
    newcomers_see INTEGER NOT NULL,
    posting INTEGER NOT NULL,
    invites INTEGER NOT NULL,
    is_archived INTEGER NOT NULL
) STRICT;

-- What is known of an account in a room, also after leaving it. `sees_from`: the first message that
-- it may see. `removed_until`: when it may come back.
CREATE TABLE member_records(
    room INTEGER NOT NULL REFERENCES room_settings ON DELETE CASCADE,
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    role INTEGER NOT NULL,
    may_return INTEGER NOT NULL,
    has_asked INTEGER NOT NULL,
    sees_from INTEGER NOT NULL,
    removed_until INTEGER,
    PRIMARY KEY(room, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_records_by_account ON member_records(account);

-- Names that rooms have had.
CREATE TABLE room_names(
    key TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    room INTEGER NOT NULL REFERENCES rooms ON DELETE CASCADE,
    until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX room_names_by_room ON room_names(room);

-- Whether it makes an account, and which rooms it lets into.
ALTER TABLE invitations ADD COLUMN makes_account INTEGER NOT NULL DEFAULT 1;
CREATE TABLE invitation_rooms(
    invitation INTEGER NOT NULL REFERENCES invitations ON DELETE CASCADE,
    room INTEGER NOT NULL REFERENCES rooms ON DELETE CASCADE,
    PRIMARY KEY(invitation, room)
) STRICT, WITHOUT ROWID;
CREATE INDEX invitation_rooms_by_room ON invitation_rooms(room);

-- The account of its author, whatever name it had; NULL of a guest.
ALTER TABLE messages ADD COLUMN account INTEGER;

-- What guests come back with. `before`: the token that it has taken the place of, while that is
-- still good.
CREATE TABLE guest_tokens(
    hash BLOB PRIMARY KEY,
    before BLOB,
    name TEXT NOT NULL,
    until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who is banned: an account, or else a network. `until_ms`: NULL for ever.
CREATE TABLE bans(
    account INTEGER UNIQUE REFERENCES accounts ON DELETE CASCADE,
    network TEXT UNIQUE,
    by_name TEXT NOT NULL,
    reason TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    until_ms INTEGER
) STRICT;

CREATE TABLE mutes(
    room INTEGER NOT NULL REFERENCES rooms ON DELETE CASCADE,
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    reason TEXT NOT NULL,
    until_ms INTEGER,
    PRIMARY KEY(room, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX mutes_by_account ON mutes(account);

-- `ignored`: an account, also one that has ended, as what it has said is still there.
CREATE TABLE ignores(
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    ignored INTEGER NOT NULL,
    PRIMARY KEY(account, ignored)
) STRICT, WITHOUT ROWID;

-- The name is the staff's own from here on. What others have said there stays theirs.
UPDATE rooms SET (key, name) = (
    SELECT free, free FROM (
        SELECT '#staff-log-before-' || rooms.room AS free
        UNION ALL SELECT '#staff-log-before-' || rooms.room || '-' || rooms.next_id
    ) WHERE free NOT IN (SELECT key FROM rooms) LIMIT 1
)
WHERE key = '#staff-log';

-- `read`: the id of the last message that the account has read in the room. `level`: of what it
-- wants to be told, if it has said so.
CREATE TABLE readings(
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    room INTEGER NOT NULL REFERENCES rooms ON DELETE CASCADE,
    read INTEGER NOT NULL,
    level INTEGER,
    PRIMARY KEY(account, room)
) STRICT, WITHOUT ROWID;
CREATE INDEX readings_by_room ON readings(room);
INSERT INTO readings SELECT account, room, next_id - 1, NULL FROM members JOIN rooms USING (room);

-- The account whose bot it is.
ALTER TABLE accounts ADD COLUMN owner INTEGER REFERENCES accounts ON DELETE CASCADE;
CREATE INDEX accounts_by_owner ON accounts(owner);

-- Unread messages that are for an account.
CREATE TABLE mentions(
    room INTEGER NOT NULL REFERENCES rooms ON DELETE CASCADE,
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    id INTEGER NOT NULL,
    PRIMARY KEY(room, account, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX mentions_by_account ON mentions(account);

-- Messages that are for everybody in a room but the account that has said them.
CREATE TABLE calls(
    room INTEGER NOT NULL REFERENCES rooms ON DELETE CASCADE,
    id INTEGER NOT NULL,
    account INTEGER,
    PRIMARY KEY(room, id)
) STRICT, WITHOUT ROWID;
";

/// A message that was deleted is one without a text. An index of words learns here which are: the
/// numbers of deletions are never given again.
const VERSION_4: &str = "
-- `n`: the number of the message.
CREATE TABLE deletions(
    deletion INTEGER PRIMARY KEY AUTOINCREMENT,
    n INTEGER NOT NULL
) STRICT;
CREATE INDEX deletions_by_n ON deletions(n);
";

/// Each account has keys of its own.
const VERSION_5: &str = "
ALTER TABLE message_keys ADD COLUMN account INTEGER;
UPDATE message_keys SET account = (SELECT account FROM messages WHERE messages.n = message_keys.n);
";

/// What programs say by a token, they say as long as the room and the account that has made it are
/// there.
const VERSION_6: &str = "
-- `key`: of the name. `hash`: of the token.
CREATE TABLE hooks(
    room INTEGER NOT NULL REFERENCES room_settings ON DELETE CASCADE,
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    hash BLOB NOT NULL,
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY(room, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX hooks_by_account ON hooks(account);
";

/// The version of a file from which on it has accounts, and from which on messages have authors
/// that are accounts.
pub const HAS_PEOPLE: usize = 2;
pub const HAS_AUTHORS: usize = 3;
/// The same, of bans and the like.
pub const HAS_ORDER: usize = 3;
/// The same, of names that rooms have had.
pub const HAS_FORMER_NAMES: usize = 3;

/// What `meta` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meta {
    Epoch,
    Guests,
    NextRoom,
    NextAccount,
    NextInvitation,
    /// The highest message id of any room that is no more.
    IdsUsed,
    /// The highest number of a message that is no more.
    NumbersUsed,
    /// What time it was thought to be, and for how long the clock had been too far ahead of it.
    BelievedMs,
    DoubtedMs,
    /// Whether the last server stopped in an orderly way.
    IsClean,
    /// Which start of the machine the last server ran on.
    Boot,
    /// Whether all that the last server acknowledged has outlived a power cut.
    IsPowerSafe,
}

impl Meta {
    fn key(self) -> &'static str {
        match self {
            Meta::Epoch => "epoch",
            Meta::Guests => "guests",
            Meta::NextRoom => "next_room",
            Meta::NextAccount => "next_account",
            Meta::NextInvitation => "next_invitation",
            Meta::IdsUsed => "ids_used",
            Meta::NumbersUsed => "numbers_used",
            Meta::BelievedMs => "believed_ms",
            Meta::DoubtedMs => "doubted_ms",
            Meta::IsClean => "is_clean",
            Meta::Boot => "boot",
            Meta::IsPowerSafe => "is_power_safe",
        }
    }

    pub fn set(self, connection: &Connection, value: impl rusqlite::ToSql) -> rusqlite::Result<()> {
        let sql = "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2";
        connection.prepare_cached(sql)?.execute(params![self.key(), value]).map(drop)
    }

    /// Sets a number that never goes back.
    pub fn raise(self, connection: &Connection, value: u64) -> rusqlite::Result<()> {
        let sql = "INSERT INTO meta VALUES (?1, ?2) \
                   ON CONFLICT DO UPDATE SET value = max(value, ?2)";
        connection.prepare_cached(sql)?.execute(params![self.key(), value]).map(drop)
    }

    pub fn text(self, connection: &Connection) -> rusqlite::Result<Option<String>> {
        self.value(connection)
    }

    /// 0 if it was never set.
    pub fn number(self, connection: &Connection) -> rusqlite::Result<u64> {
        Ok(self.value(connection)?.unwrap_or(0))
    }

    fn value<T: rusqlite::types::FromSql>(
        self,
        connection: &Connection,
    ) -> rusqlite::Result<Option<T>> {
        let sql = "SELECT value FROM meta WHERE key = ?1";
        connection.prepare_cached(sql)?.query_row([self.key()], |row| row.get(0)).optional()
    }
}

/// The version of a file; 0 if it is empty.
pub fn version(connection: &Connection) -> rusqlite::Result<usize> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Brings a file to the newest version, one transaction a step.
pub fn migrate(connection: &mut Connection, migrations: &[&str]) -> rusqlite::Result<()> {
    let done = version(connection)?;
    for (at, sql) in migrations.iter().enumerate().skip(done) {
        let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        step.execute_batch(sql)?;
        step.pragma_update(None, "application_id", APPLICATION_ID)?;
        step.pragma_update(None, "user_version", at + 1)?;
        step.commit()?;
    }
    Ok(())
}

/// Where the copy goes that is made before a file of this version is changed.
pub fn copy_path(file: &Path, version: usize) -> PathBuf {
    file.with_extension(format!("version-{version}.db"))
}
