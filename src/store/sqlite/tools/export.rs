//! What was said in a room, for other programs and for people.

use std::fmt::{self, Display, Formatter, Write as _};
use std::io::{self, Write};
use std::path::Path;

use clap::ValueEnum;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;

use super::{ToolError, database};
use crate::store::sqlite::open::{Depth, OpenError, inspect};
use crate::store::sqlite::reader::{open_to_read, page_with};
use crate::store::sqlite::schema::{HAS_AUTHORS, HAS_FORMER_NAMES, HAS_PEOPLE};
use crate::store::{PageRequest, StoredMessage, is_hook_author};

/// What is read at once.
const PAGE_MESSAGES_MAX: usize = 1000;
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// How an export is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A line for each message; a further line of one begins with `| `.
    #[default]
    Text,
    /// A JSON object for each message, one a line.
    Json,
    /// A page for a browser.
    Html,
}

/// What is written in place of the name of an account that has ended, as in the chat.
const LEFT: &str = "someone who left";
/// And in place of a text that was removed.
const TOMBSTONE: &str = "message removed";

/// Writes all that is kept of a room, oldest first, as it is read. `name` is for errors. The key of
/// a conversation is those of its two accounts, as in `@alice:bob`; one of them may be [`left_at`].
/// A server goes on meanwhile.
///
/// # Errors
/// Why it could not be read or written.
pub fn export(
    data: &Path,
    (name, key): (&str, &str),
    format: Format,
    out: &mut dyn Write,
) -> Result<(), ToolError> {
    let file = database(data)?;
    let version = inspect(&file, Depth::Header)?;
    let failed = |error| ToolError::Open(OpenError::of(&file, error));
    let connection = open_to_read(&file).map_err(failed)?;
    let Some((room, shown)) = room_of(&connection, version, name, key).map_err(failed)? else {
        return Err(ToolError::NoRoom { name: name.to_owned() });
    };
    let author = if version >= HAS_AUTHORS { "account" } else { "NULL" };
    begin(out, format, &shown)?;
    let mut wanted = PageRequest {
        room,
        from: 0,
        before: u64::MAX,
        newest: false,
        messages_max: PAGE_MESSAGES_MAX,
        bytes_max: PAGE_BYTES_MAX,
    };
    // Nothing is being read while somebody takes his time with what was written: a reader keeps the
    // server's journal from being emptied.
    loop {
        let mut messages = page_with(&connection, &wanted, author).map_err(failed)?;
        show_who_left(&connection, &mut messages).map_err(failed)?;
        let Some(last) = messages.last() else { break };
        wanted.from = last.id + 1;
        for message in &messages {
            write_message(out, format, message)?;
        }
    }
    Ok(end(out, format)?)
}

/// Which account it is that has ended, of those with whom somebody has talked, in the order in which
/// that began: 1 is the first. What is typed is what the chat calls them, `someone who left` and
/// `someone who left (2)`.
pub fn left_at(typed: &str) -> Option<u64> {
    let rest = typed.strip_prefix(LEFT)?;
    if rest.is_empty() {
        return Some(1);
    }
    let number = rest.strip_prefix(" (")?.strip_suffix(')')?;
    number.parse().ok().filter(|number| *number > 1)
}

/// The room and its name.
fn room_of(
    connection: &Connection,
    version: usize,
    name: &str,
    key: &str,
) -> rusqlite::Result<Option<(u64, String)>> {
    let accounts = key.strip_prefix('@').and_then(|keys| keys.split_once(':'));
    let Some((one, other)) = accounts else {
        let by_key = |sql| {
            let found = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            connection.query_row(sql, [key], found).optional()
        };
        let found = by_key("SELECT room, name FROM rooms WHERE key = ?1")?;
        return match found {
            None if version >= HAS_FORMER_NAMES => by_key(
                "SELECT rooms.room, rooms.name FROM rooms JOIN room_names USING (room) \
                 WHERE room_names.key = ?1",
            ),
            found => Ok(found),
        };
    };
    if version < HAS_PEOPLE {
        return Ok(None);
    }
    let room = match (left_at(one), left_at(other)) {
        (None, None) => {
            let sql = "SELECT room FROM rooms, (SELECT \
                           (SELECT account FROM accounts WHERE key = ?1) AS one, \
                           (SELECT account FROM accounts WHERE key = ?2) AS other) \
                       WHERE key = '@' || min(one, other) || ':' || max(one, other)";
            connection.query_row(sql, [one, other], |row| row.get(0)).optional()?
        }
        (Some(at), None) => room_with_who_left(connection, other, at)?,
        (None, Some(at)) => room_with_who_left(connection, one, at)?,
        (Some(_), Some(_)) => None,
    };
    Ok(room.map(|room| (room, name.to_owned())))
}

/// A conversation of an account with one that has ended, by its place among those.
fn room_with_who_left(
    connection: &Connection,
    key: &str,
    at: u64,
) -> rusqlite::Result<Option<u64>> {
    let sql = "WITH conversations AS ( \
                   SELECT room, CAST(substr(key, 2) AS INTEGER) AS one, \
                          CAST(substr(key, instr(key, ':') + 1) AS INTEGER) AS other \
                   FROM rooms WHERE key GLOB '@*') \
               SELECT room FROM conversations, accounts \
               WHERE accounts.key = ?1 AND account IN (one, other) \
                   AND iif(account = one, other, one) NOT IN (SELECT account FROM accounts) \
               ORDER BY room LIMIT 1 OFFSET ?2";
    connection.query_row(sql, params![key, at - 1], |row| row.get(0)).optional()
}

fn show_who_left(connection: &Connection, messages: &mut [StoredMessage]) -> rusqlite::Result<()> {
    for message in messages.iter_mut() {
        let Some(account) = message.account else { continue };
        let sql = "SELECT 1 FROM accounts WHERE account = ?1";
        if !connection.prepare_cached(sql)?.exists([account])? {
            message.author = LEFT.into();
        }
    }
    Ok(())
}

/// As `history` has it in the JSON protocol.
#[derive(Serialize)]
struct JsonMessage<'a> {
    id: u64,
    time: u64,
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    text: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    me: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    hook: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
}

fn begin(out: &mut dyn Write, format: Format, room: &str) -> io::Result<()> {
    let room = Escaped(room);
    match format {
        Format::Text | Format::Json => Ok(()),
        Format::Html => writeln!(
            out,
            "<!DOCTYPE html>\n<html>\n<meta charset=\"utf-8\">\n<title>{room}</title>\n\
             <style>body {{ font: 1em/1.5 sans-serif; max-width: 50em; margin: 2em auto }} \
             time {{ color: #666 }} p {{ margin: 0; overflow-wrap: anywhere; \
             white-space: pre-wrap }}</style>\n<h1>{room}</h1>"
        ),
    }
}

fn end(out: &mut dyn Write, format: Format) -> io::Result<()> {
    if format == Format::Html {
        writeln!(out, "</html>")?;
    }
    out.flush()
}

fn write_message(out: &mut dyn Write, format: Format, message: &StoredMessage) -> io::Result<()> {
    let StoredMessage { id, unix_ms, is_action, author, text, .. } = message;
    let time = Time(*unix_ms);
    let is_deleted = text.is_empty();
    match (format, is_action) {
        (Format::Text, _) if is_deleted => writeln!(out, "{time} <{author}> [{TOMBSTONE}]"),
        (Format::Text, false) => writeln!(out, "{time} <{author}> {}", Lines(text)),
        (Format::Text, true) => writeln!(out, "{time} * {author} {}", Lines(text)),
        (Format::Json, _) => {
            let message = JsonMessage {
                id: *id,
                time: *unix_ms,
                name: author,
                text,
                me: *is_action,
                hook: is_hook_author(author),
                deleted: is_deleted,
            };
            serde_json::to_writer(&mut *out, &message)?;
            writeln!(out)
        }
        (Format::Html, _) => {
            let (author, text) = (Escaped(author), Escaped(text));
            write!(out, "<p id=\"{id}\"><time>{time}</time> ")?;
            match is_action {
                _ if is_deleted => writeln!(out, "<b>{author}</b> <i>{TOMBSTONE}</i></p>"),
                false => writeln!(out, "<b>{author}</b> {text}</p>"),
                true => writeln!(out, "<i>{author} {text}</i></p>"),
            }
        }
    }
}

/// In UTC, to the second.
struct Time(u64);

impl Display for Time {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let time = i64::try_from(self.0).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let time = time.unwrap_or(Timestamp::MAX).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        f.write_str(&time)
    }
}

/// A text of which no line but the first passes for a message, whatever is in it.
struct Lines<'a>(&'a str);

impl Display for Lines<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut lines = self.0.split('\n');
        f.write_str(lines.next().unwrap_or_default())?;
        lines.try_for_each(|line| write!(f, "\n| {line}"))
    }
}

/// Text that is no markup, whatever is in it.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}
