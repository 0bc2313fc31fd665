//! The only connection that writes.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rusqlite::hooks::Wal;
use rusqlite::{CachedStatement, Connection, Transaction, TransactionBehavior, ffi, params};

use super::age::Belief;
use super::schema::Meta;
use super::shared::Shared;
use super::writer::{Failure, Group, JOURNAL_PAGES_MAX, Target};
use super::{Durability, PAGE_BYTES, deletions, directory, order, people, readings, rules, system};
use crate::store::{Change, KEYS_MAX, RulesChange, StoredMessage};

/// What has to fit before anything is taken again: less could be there though a turn's changes
/// would not fit.
const PROBE_BYTES: u32 = 256 * 1024;
/// How long another program may hold the file, such as an administrator's `sqlite3`.
const BUSY: Duration = Duration::from_secs(2);
/// How long emptying the journal may wait for those who read it, while what is said waits.
const EMPTYING_BUSY: Duration = Duration::from_millis(50);
/// Statements that are kept ready: all there are.
const STATEMENTS_MAX: usize = 64;
/// Messages that one statement adds, if there are so many: it takes a third fewer instructions than
/// a statement for each.
const ROWS: usize = 16;
/// Messages forgotten in one transaction, so that what is said hardly waits for it.
const EXPIRED_MAX: u64 = 1000;
/// Of so many it is looked at how old they are: what comes first may be from a time when the clock was
/// wrong.
const LOOKED_AT_MAX: u64 = 100_000;
/// The journal has so much from the start on: a sync of what makes a file grow takes nearly twice as
/// long, and many times as long on a busy disk, as the file system has to sync its own journal, too.
/// Unless very much is said, ours begins anew before it is full.
const JOURNAL_BYTES_MIN: u64 = 8 * 1024 * 1024;
/// It has so much at most when it begins anew, however long it was.
const JOURNAL_BYTES_MAX: u64 = 2 * JOURNAL_PAGES_MAX as u64 * PAGE_BYTES as u64;

/// The file, open for writing.
pub struct Database {
    connection: Connection,
    shared: Arc<Shared>,
    /// The number of the next message.
    next_n: u64,
    journal: PathBuf,
}

/// What a transaction has found out about a room in which something was said.
#[derive(Clone, Copy, Debug)]
struct Said {
    next_id: u64,
    last_n: u64,
}

/// A message, its number and its room.
struct Numbered<'a> {
    n: u64,
    room: u64,
    message: &'a StoredMessage,
}

impl Database {
    /// Opens a file that is known to be in order.
    pub fn open(
        path: &Path,
        durability: Durability,
        shared: Arc<Shared>,
    ) -> rusqlite::Result<Database> {
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", durability.synchronous())?;
        // macOS only: without it, a sync does not reach the disk's platters.
        connection.pragma_update(None, "fullfsync", durability == Durability::Power)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "journal_size_limit", JOURNAL_BYTES_MAX)?;
        // What is deleted, or has expired, is overwritten.
        connection.pragma_update(None, "secure_delete", true)?;
        // Replaces checkpoints within commits, too; the maintenance thread makes them.
        let counter = Arc::clone(&shared);
        connection.wal_hook(Some(move |_: &mut Wal, pages: i32| {
            counter.journal_pages.store(pages.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        }))?;
        let last_n: u64 =
            connection
                .query_row("SELECT coalesce(max(n), 0) FROM messages", [], |row| row.get(0))?;
        let next_n = last_n.max(Meta::NumbersUsed.number(&connection)?) + 1;
        let journal = directory::beside(path, "-wal");
        lengthen_journal(&journal);
        Ok(Database { connection, shared, next_n, journal })
    }

    /// Notes that a server is at work, in one transaction with what is put in order meanwhile.
    pub fn begin(&mut self, epoch: Option<&str>, durability: Durability) -> rusqlite::Result<()> {
        let step = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some(epoch) = epoch {
            Meta::Epoch.set(&step, epoch)?;
        }
        Meta::IsClean.set(&step, 0)?;
        Meta::Boot.set(&step, system::boot_id())?;
        Meta::IsPowerSafe.set(&step, durability == Durability::Power)?;
        forget_empty_rooms(&step)?;
        step.commit()
    }

    /// Another process has begun, and this one goes on: nothing is written, unless this one is less
    /// careful, or more.
    pub fn go_on(&mut self, durability: Durability) -> rusqlite::Result<()> {
        let is_safe = u64::from(durability == Durability::Power);
        match Meta::IsPowerSafe.number(&self.connection)? == is_safe {
            true => Ok(()),
            false => Meta::IsPowerSafe.set(&self.connection, is_safe),
        }
    }

    fn write(&mut self, groups: &[Group]) -> rusqlite::Result<u64> {
        let step = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut next_n = self.next_n;
        let mut said: HashMap<u64, Said> = HashMap::new();
        let mut messages = Vec::new();
        for change in groups.iter().flat_map(|group| &group.changes) {
            let Change::Said { room, message, key } = change else {
                // What was said there counts for those that come after it.
                insert_messages(&step, &messages)?;
                messages.clear();
                if let Change::RoomClosed { room } = change
                    && let Some(last) = said.remove(room)
                {
                    update_rooms(&step, &HashMap::from([(*room, last)]))?;
                }
                apply(&step, change)?;
                continue;
            };
            messages.push(Numbered { n: next_n, room: *room, message });
            if let Some(key) = key {
                insert_key(&step, next_n, *room, key, message)?;
            }
            said.insert(*room, Said { next_id: message.id + 1, last_n: next_n });
            next_n += 1;
        }
        insert_messages(&step, &messages)?;
        update_rooms(&step, &said)?;
        step.commit()?;
        if groups.iter().flat_map(|group| &group.changes).any(removes_words) {
            self.shared.note_deleted();
        }
        Ok(next_n)
    }

    fn forget_oldest(&mut self, before_ms: u64, now: Belief) -> rusqlite::Result<usize> {
        let step = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (forgotten, first_ids) = forget_messages(&step, before_ms, now.unix_ms)?;
        forget_keys(&step)?;
        now.keep(&step)?;
        step.commit()?;
        if forgotten > 0 {
            self.shared.note_deleted();
            self.shared.add_expired(first_ids);
        }
        Ok(forgotten)
    }
}

impl Target for Database {
    fn commit(&mut self, groups: &[Group]) -> Result<(), Failure> {
        self.next_n = self.write(groups)?;
        self.shared.tell_follower(self.next_n - 1);
        Ok(())
    }

    fn probe(&mut self) -> Result<(), Failure> {
        let sql = format!("INSERT OR REPLACE INTO meta VALUES ('probe', zeroblob({PROBE_BYTES}))");
        self.connection.execute(&sql, [])?;
        self.connection.execute("DELETE FROM meta WHERE key = 'probe'", [])?;
        Ok(())
    }

    fn expire(&mut self, before_ms: u64, now: Belief) -> Result<usize, Failure> {
        Ok(self.forget_oldest(before_ms, now)?)
    }

    fn empty_journal(&mut self) -> Result<bool, Failure> {
        self.connection.busy_timeout(EMPTYING_BUSY)?;
        // What the file has, it keeps.
        let emptied = checkpoint(&self.connection, &self.shared, "RESTART");
        self.connection.busy_timeout(BUSY)?;
        if let Ok(true) = emptied {
            self.shared.journal_pages.store(0, Ordering::Relaxed);
        }
        Ok(emptied?)
    }

    fn scrub(&mut self) -> Result<bool, Failure> {
        self.connection.busy_timeout(EMPTYING_BUSY)?;
        let emptied = checkpoint(&self.connection, &self.shared, "TRUNCATE");
        self.connection.busy_timeout(BUSY)?;
        if let Ok(true) = emptied {
            self.shared.journal_pages.store(0, Ordering::Relaxed);
            lengthen_journal(&self.journal);
        }
        Ok(emptied?)
    }

    fn close(mut self, is_released: bool) -> Result<(), Failure> {
        if !is_released {
            let step = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            Meta::IsClean.set(&step, 1)?;
            step.commit()?;
            // Without it, what is in the journal is as durable; there may be no room for it.
            let emptied = checkpoint(&self.connection, &self.shared, "TRUNCATE");
            if let Err(Failure::Sync(why)) = emptied.map_err(Failure::from) {
                return Err(Failure::Sync(why));
            }
        }
        Ok(self.connection.close().map_err(|(_, error)| error)?)
    }
}

/// Appends zeros to the journal. They are no part of it: it ends where the salt and the checksum of
/// a frame are not its own (fileformat2.html, 4.1), as what older ones have left there is not.
fn lengthen_journal(path: &Path) {
    let lengthen = || -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).open(path)?;
        let missing = JOURNAL_BYTES_MIN.saturating_sub(file.metadata()?.len());
        io::copy(&mut io::repeat(0).take(missing), &mut file)?;
        Ok(())
    };
    // Without room for them, it grows as it is written.
    let _ = lengthen();
}

/// Moves the journal into the file; says whether all of it. A checkpoint does not wait for another
/// one, whatever time it is given (sqlite3_wal_checkpoint_v2), so that threads have to.
pub fn checkpoint(connection: &Connection, shared: &Shared, mode: &str) -> rusqlite::Result<bool> {
    let _alone = shared.checkpoint.lock().unwrap_or_else(PoisonError::into_inner);
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    connection.query_row(&sql, [], |row| {
        let (is_busy, pages, moved): (bool, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(!is_busy && pages == moved)
    })
}

fn apply(step: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
    match change {
        Change::RoomOpened { room, name, key, skeletons, first_id } => {
            let sql =
                "INSERT INTO rooms(room, key, name, first_id, next_id) VALUES (?1, ?2, ?3, ?4, ?4)";
            step.prepare_cached(sql)?.execute(params![room, key, name, first_id])?;
            rules::add_skeletons(step, *room, skeletons)?;
            Meta::NextRoom.raise(step, room + 1)
        }
        Change::RoomClosed { room } => {
            let sql = "SELECT next_id - 1 FROM rooms WHERE room = ?1";
            let used: u64 = step.prepare_cached(sql)?.query_row([room], |row| row.get(0))?;
            Meta::IdsUsed.raise(step, used)?;
            step.prepare_cached("DELETE FROM skeletons WHERE room = ?1")?.execute([room])?;
            step.prepare_cached("DELETE FROM rooms WHERE room = ?1")?.execute([room]).map(drop)
        }
        Change::TopicSet { room, topic } => {
            let sql = "UPDATE rooms SET topic = ?2 WHERE room = ?1";
            step.prepare_cached(sql)?.execute(params![room, topic]).map(drop)
        }
        Change::Deleted { room, id } => deletions::delete(step, *room, *id),
        Change::Guests(guests) => Meta::Guests.raise(step, *guests),
        Change::Account(account) => people::put_account(step, account),
        Change::AccountGone { account } => people::remove_account(step, *account),
        Change::AccessKey(key) => people::add_access_key(step, key),
        Change::AccessKeyGone { account, key } => people::remove_access_key(step, *account, *key),
        Change::Member { room, account } => people::add_member(step, *room, *account),
        Change::MemberGone { room, account } => people::remove_member(step, *room, *account),
        Change::Invitation(invitation) => people::put_invitation(step, invitation),
        Change::InvitationGone { invitation } => people::remove_invitation(step, *invitation),
        Change::Reserved(name) => people::put_reserved(step, name),
        Change::ReservedGone { key } => people::remove_reserved(step, key),
        Change::Order(change) => order::apply(step, change),
        Change::Rules(change) => rules::apply(step, change),
        Change::GuestToken(token) => people::put_guest_token(step, token),
        Change::GuestTokenGone { hash } => people::remove_guest_token(step, hash),
        Change::Reading(change) => readings::apply(step, change),
        Change::Said { .. } => unreachable!("messages are written by the caller"),
    }
}

/// Whether something that people have written is gone, which the journal has still.
fn removes_words(change: &Change) -> bool {
    matches!(
        change,
        Change::Deleted { .. }
            | Change::RoomClosed { .. }
            | Change::Rules(RulesChange::Emptied { .. })
    )
}

fn insert_messages(step: &Transaction<'_>, messages: &[Numbered<'_>]) -> rusqlite::Result<()> {
    let (many, rest) = messages.as_chunks::<ROWS>();
    for (messages, rows) in [(many.as_flattened(), ROWS), (rest, 1)] {
        if messages.is_empty() {
            continue;
        }
        let values = ["(?, ?, ?, ?, ?, ?, ?, ?)"].repeat(rows).join(", ");
        let mut insert = step.prepare_cached(&format!("INSERT INTO messages VALUES {values}"))?;
        for messages in messages.chunks(rows) {
            insert_rows(&mut insert, messages)?;
        }
    }
    Ok(())
}

fn insert_rows(
    insert: &mut CachedStatement<'_>,
    messages: &[Numbered<'_>],
) -> rusqlite::Result<()> {
    for (row, Numbered { n, room, message }) in messages.iter().enumerate() {
        let StoredMessage { id, unix_ms, is_action, author, text, account } = message;
        let first = 8 * row + 1;
        insert.raw_bind_parameter(first, n)?;
        insert.raw_bind_parameter(first + 1, room)?;
        insert.raw_bind_parameter(first + 2, id)?;
        insert.raw_bind_parameter(first + 3, unix_ms)?;
        insert.raw_bind_parameter(first + 4, is_action)?;
        insert.raw_bind_parameter(first + 5, author)?;
        insert.raw_bind_parameter(first + 6, text)?;
        insert.raw_bind_parameter(first + 7, account)?;
    }
    insert.raw_execute().map(drop)
}

fn insert_key(
    step: &Transaction<'_>,
    n: u64,
    room: u64,
    key: &str,
    message: &StoredMessage,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO message_keys VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let of_message = params![n, room, key, message.id, message.unix_ms, message.account];
    step.prepare_cached(sql)?.execute(of_message).map(drop)
}

/// Once for each room, however much was said there. A room that is not there is an error of ours,
/// and must not be acknowledged.
fn update_rooms(step: &Transaction<'_>, said: &HashMap<u64, Said>) -> rusqlite::Result<()> {
    let sql = "UPDATE rooms SET next_id = ?2, last_n = ?3 WHERE room = ?1";
    let mut update = step.prepare_cached(sql)?;
    for (room, Said { next_id, last_n }) in said {
        if update.execute(params![room, next_id, last_n])? != 1 {
            return Err(rusqlite::Error::StatementChangedRows(0));
        }
    }
    Ok(())
}

/// The oldest messages, as long as they are older than that. Only from the beginning on, so that
/// ids have no holes though the host's clock may have been set back. What was said after what is
/// `now` has a time that was wrong: it is as old as what was said next. Returns how many, and the
/// first ids that are left of their rooms.
fn forget_messages(
    step: &Transaction<'_>,
    before_ms: u64,
    now_ms: u64,
) -> rusqlite::Result<(usize, HashMap<u64, u64>)> {
    let mut first_ids: HashMap<u64, u64> = HashMap::new();
    let old_n = last_old(step, before_ms, now_ms)?;
    let (mut count, mut last_n) = (0, 0);
    {
        let sql = "SELECT n, room, id FROM messages WHERE n <= ?1 ORDER BY n LIMIT ?2";
        let mut oldest = step.prepare_cached(sql)?;
        let mut rows = oldest.query([old_n, EXPIRED_MAX])?;
        while let Some(row) = rows.next()? {
            last_n = row.get(0)?;
            first_ids.insert(row.get(1)?, row.get::<_, u64>(2)? + 1);
            count += 1;
        }
    }
    if count == 0 {
        return Ok((0, first_ids));
    }
    step.prepare_cached("DELETE FROM messages WHERE n <= ?1")?.execute([last_n])?;
    Meta::NumbersUsed.raise(step, last_n)?;
    deletions::forget(step, last_n)?;
    let mut update = step.prepare_cached("UPDATE rooms SET first_id = ?2 WHERE room = ?1")?;
    for (room, first_id) in &first_ids {
        update.execute(params![room, first_id])?;
    }
    Ok((count, first_ids))
}

/// The number of the last message of those to forget: as many as are forgotten at a time, or some
/// more.
fn last_old(step: &Transaction<'_>, before_ms: u64, now_ms: u64) -> rusqlite::Result<u64> {
    let sql = "SELECT n, unix_ms FROM messages ORDER BY n LIMIT ?1";
    let mut oldest = step.prepare_cached(sql)?;
    let mut rows = oldest.query([LOOKED_AT_MAX])?;
    let (mut old_n, mut count) = (0, 0);
    while count < EXPIRED_MAX
        && let Some(row) = rows.next()?
    {
        let unix_ms: u64 = row.get(1)?;
        if unix_ms <= now_ms {
            if unix_ms >= before_ms {
                break;
            }
            old_n = row.get(0)?;
        }
        count += u64::from(old_n > 0);
    }
    Ok(old_n)
}

/// The keys that no chat is told of any more.
fn forget_keys(step: &Transaction<'_>) -> rusqlite::Result<()> {
    let sql = "DELETE FROM message_keys WHERE n <= \
               (SELECT n FROM message_keys ORDER BY n DESC LIMIT 1 OFFSET ?1)";
    step.prepare_cached(sql)?.execute([KEYS_MAX]).map(drop)
}

/// Rooms without members and settings of which everything said is forgotten. Only at the start, when nobody is
/// in them.
fn forget_empty_rooms(step: &Transaction<'_>) -> rusqlite::Result<()> {
    let empty = "FROM rooms WHERE last_n > 0 AND first_id = next_id \
                 AND room NOT IN (SELECT room FROM members) \
                 AND room NOT IN (SELECT room FROM room_settings)";
    let used = format!("SELECT coalesce(max(next_id) - 1, 0) {empty}");
    let used: u64 = step.query_row(&used, [], |row| row.get(0))?;
    if used > 0 {
        Meta::IdsUsed.raise(step, used)?;
        step.execute(&format!("DELETE FROM skeletons WHERE room IN (SELECT room {empty})"), [])?;
        step.execute(&format!("DELETE {empty}"), [])?;
    }
    Ok(())
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Failure {
        let code = match &error {
            rusqlite::Error::SqliteFailure(error, _) => error.extended_code,
            _ => 0,
        };
        let is_sync = matches!(code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC);
        // The low byte is the kind of error (sqlite3.h, "Extended Result Codes").
        let is_of_disk = matches!(
            code & 0xff,
            ffi::SQLITE_FULL
                | ffi::SQLITE_IOERR
                | ffi::SQLITE_BUSY
                | ffi::SQLITE_LOCKED
                | ffi::SQLITE_READONLY
                | ffi::SQLITE_CANTOPEN
                | ffi::SQLITE_NOMEM
                | ffi::SQLITE_PERM
        );
        let why = error.to_string();
        match (is_sync, is_of_disk) {
            (true, _) => Failure::Sync(why),
            (_, true) => Failure::Disk(why),
            _ => Failure::Wrong(why),
        }
    }
}
