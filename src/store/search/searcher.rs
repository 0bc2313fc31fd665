//! Answers searches; slow, so never on the event loop.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, Row};

use super::file::{DAY_MS, PARTITION, count_hits, hits, partitions};
use super::index::{Shared, is_damage};
use super::query::Expression;
use super::snippet::snippet;
use crate::store::{Found, Hit, SearchRequest, StoreError, StoredMessage};

/// A search that takes longer is given up: others wait for the same thread.
const TIME_MAX: Duration = Duration::from_millis(200);
/// So many messages of a partition are few.
const FEW: i64 = 32;
/// Steps of SQLite's machine between two looks at the clock.
const STEPS: i32 = 1_000;
/// While more than so many messages are not indexed, a search would leave too much out.
const LAG_MAX: u64 = 100_000;

/// Searches the index, and looks the messages up.
#[derive(Debug)]
pub struct Searcher {
    shared: Arc<Shared>,
    /// The generation of the file that is open.
    open: Mutex<Option<(u64, Connection)>>,
}

impl Searcher {
    pub(super) fn new(shared: Arc<Shared>) -> Searcher {
        Searcher { shared, open: Mutex::new(None) }
    }

    /// What is found, newest first. The texts are shortened around the first word.
    ///
    /// # Errors
    /// The index cannot be read, or it takes too long.
    pub fn search(&self, search: &SearchRequest) -> Result<Found, StoreError> {
        let generation = self.shared.generation.load(Ordering::Acquire);
        if generation == 0 || self.shared.lag() > LAG_MAX {
            return Err(being_made(self.shared.percent()));
        }
        let Some(expression) = Expression::of(search) else { return Ok(Found::default()) };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let found = self.connection(generation, &mut open).and_then(|connection| {
            let began = Instant::now();
            let is_late = move || began.elapsed() > TIME_MAX;
            connection.progress_handler(STEPS, Some(is_late))?;
            find(connection, &expression, search)
        });
        found.map_err(|error| self.failed(&error, &mut open))
    }

    /// A connection to the file as it is now.
    fn connection<'a>(
        &self,
        generation: u64,
        open: &'a mut Option<(u64, Connection)>,
    ) -> rusqlite::Result<&'a mut Connection> {
        let current = open.take().filter(|(opened, _)| *opened == generation);
        let current = match current {
            Some(current) => current,
            None => (generation, self.shared.files.open()?),
        };
        Ok(&mut open.insert(current).1)
    }

    fn failed(&self, error: &rusqlite::Error, open: &mut Option<(u64, Connection)>) -> StoreError {
        if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) {
            return StoreError::TooSlow;
        }
        *open = None;
        if is_damage(error) {
            let path = self.shared.files.index.display();
            log::warn!("The search index {path} is damaged and will be made anew: {error}");
            self.shared.generation.store(0, Ordering::Release);
            return being_made(0);
        }
        StoreError::Failed(format!("the search index cannot be read: {error}").into())
    }
}

fn being_made(percent: u64) -> StoreError {
    StoreError::Failed(
        format!("the search index is being made, {percent} % of it is done: try again soon").into(),
    )
}

fn find(
    connection: &mut Connection,
    expression: &Expression,
    search: &SearchRequest,
) -> rusqlite::Result<Found> {
    // The index does not change between two partitions.
    let snapshot = connection.transaction()?;
    let (after, before) = (search.after_ms.unwrap_or(0), search.before_ms.unwrap_or(u64::MAX));
    let (from, to) = days(&snapshot, search)?;
    let to = to.min(search.cursor.unwrap_or(u64::MAX));
    let limits = (number(from), number(to), number(after), number(before));
    let mut found = Found::default();
    let mut last = None;
    let whole = expression.whole();
    for partition in partitions(&snapshot, from / PARTITION, to / PARTITION)? {
        let few = few(&snapshot, partition, expression)?;
        if few == Some(0) {
            continue;
        }
        let mut statement = snapshot.prepare_cached(&hits(partition))?;
        let wanted = (search.hits_max - found.hits.len()).saturating_add(1);
        let (asked, wanted) = match few {
            Some(_) => (expression.rarest().unwrap_or(&whole), FEW),
            None if search.restricted.is_empty() => (whole.as_str(), number(wanted as u64)),
            None => (whole.as_str(), i64::MAX),
        };
        let parameters = (asked, limits.0, limits.1, limits.2, limits.3, wanted);
        let mut rows = statement.query(parameters)?;
        while let Some(row) = rows.next()? {
            if few.is_some() && !holds(row, expression)? || is_hidden(row, &search.restricted)? {
                continue;
            }
            if found.hits.len() == search.hits_max {
                found.next = last;
                return Ok(found);
            }
            last = Some(row.get(0)?);
            found.hits.push(hit(row, &search.words)?);
        }
    }
    Ok(found)
}

/// How many messages of a partition meet the rarest condition, if they are so few that looking at
/// their texts is less work than asking the index for the other conditions as well. Most partitions
/// have none of a rare word, and are not asked for a common one.
fn few(
    connection: &Connection,
    partition: u64,
    expression: &Expression,
) -> rusqlite::Result<Option<i64>> {
    let Some(rarest) = expression.rarest() else { return Ok(None) };
    let mut statement = connection.prepare_cached(&count_hits(partition))?;
    let count: i64 = statement.query_row((rarest, FEW + 1), |row| row.get(0))?;
    Ok((count <= FEW).then_some(count))
}

fn holds(row: &Row<'_>, expression: &Expression) -> rusqlite::Result<bool> {
    let (author, text) = (row.get_ref(5)?.as_str()?, row.get_ref(6)?.as_str()?);
    Ok(expression.holds(row.get(7)?, author, text))
}

/// Whether a message is one that may not be read. `restricted` is in ascending order.
fn is_hidden(row: &Row<'_>, restricted: &[(u64, Option<u64>)]) -> rusqlite::Result<bool> {
    if restricted.is_empty() {
        return Ok(false);
    }
    let (room, id): (u64, u64) = (row.get(7)?, row.get(2)?);
    let found = restricted.binary_search_by_key(&room, |&(room, _)| room);
    Ok(found.is_ok_and(|at| restricted[at].1.is_none_or(|from| id < from)))
}

/// Between which numbers the messages are that were said at these times, from and to.
fn days(connection: &Connection, search: &SearchRequest) -> rusqlite::Result<(u64, u64)> {
    let from = match search.after_ms {
        None => 0,
        Some(after) => {
            let sql = "SELECT ifnull(min(first), ?2) FROM days WHERE day >= ?1";
            let parameters = (number(after / DAY_MS), number(u64::MAX));
            connection.prepare_cached(sql)?.query_row(parameters, |row| row.get(0))?
        }
    };
    let to = match search.before_ms {
        None => u64::MAX,
        Some(before) => {
            let sql = "SELECT ifnull(max(last) + 1, 0) FROM days WHERE day <= ?1";
            let day = number(before / DAY_MS);
            connection.prepare_cached(sql)?.query_row([day], |row| row.get(0))?
        }
    };
    Ok((from, to))
}

/// SQLite's numbers have a sign.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn hit(row: &Row<'_>, words: &str) -> rusqlite::Result<Hit> {
    let text = row.get_ref(6)?.as_str()?;
    Ok(Hit {
        room_id: row.get(7)?,
        room: row.get(1)?,
        message: StoredMessage {
            id: row.get(2)?,
            unix_ms: row.get(3)?,
            is_action: row.get(4)?,
            author: row.get(5)?,
            text: snippet(words, text).into(),
        },
    })
}
