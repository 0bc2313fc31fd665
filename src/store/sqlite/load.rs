//! What a chat starts with.

use rusqlite::{Connection, OptionalExtension};

use super::Preload;
use super::order::order;
use super::people::people;
use super::reader::{ROOM_COLUMNS, room, with_newest};
use super::readings;
use super::schema::Meta;
use crate::store::{KEYS_MAX, Loaded, StoredKey, StoredRoom};

/// Reads the rooms spoken in last, all that have members or settings, and all conversations behind
/// them. Only few of the rooms get their messages at once: a start has to be quick however much
/// there is.
pub fn load(
    connection: &mut Connection,
    rooms_max: usize,
    preload: &Preload,
) -> rusqlite::Result<Loaded> {
    // One snapshot for all of it.
    let snapshot = connection.transaction()?;
    let sql = format!(
        "WITH named AS (SELECT room FROM rooms WHERE key NOT GLOB '@*' \
                        ORDER BY last_n DESC, room LIMIT ?1) \
         SELECT {ROOM_COLUMNS} FROM rooms \
         WHERE room IN named OR key GLOB '@*' \
               OR EXISTS (SELECT 1 FROM members WHERE members.room = rooms.room) \
               OR EXISTS (SELECT 1 FROM room_settings AS one WHERE one.room = rooms.room) \
         ORDER BY key GLOB '@*', last_n DESC, room"
    );
    let mut statement = snapshot.prepare(&sql)?;
    let mut rooms: Vec<StoredRoom> =
        statement.query_map([rooms_max], room)?.collect::<rusqlite::Result<_>>()?;
    drop(statement);
    let first = snapshot
        .query_row("SELECT room FROM rooms WHERE key = ?1", [&preload.room_key], |row| row.get(0))
        .optional()?;
    fill(&snapshot, &mut rooms, first, preload)?;
    let mut people = people(&snapshot)?;
    readings::load(&snapshot, &mut people)?;
    Ok(Loaded {
        epoch: Meta::Epoch.text(&snapshot)?.unwrap_or_default().into(),
        guests: Meta::Guests.number(&snapshot)?,
        next_room: Meta::NextRoom.number(&snapshot)?.max(1),
        ids_used: Meta::IdsUsed.number(&snapshot)?,
        rooms,
        keys: newest_keys(&snapshot)?,
        people,
        order: order(&snapshot)?,
    })
}

fn newest_keys(connection: &Connection) -> rusqlite::Result<Vec<StoredKey>> {
    let sql = "SELECT room, key, id, unix_ms, account FROM message_keys ORDER BY n DESC LIMIT ?1";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([KEYS_MAX], |row| {
        Ok(StoredKey {
            room: row.get(0)?,
            key: row.get(1)?,
            id: row.get(2)?,
            unix_ms: row.get(3)?,
            account: row.get(4)?,
        })
    })?;
    let mut keys: Vec<StoredKey> = rows.collect::<rusqlite::Result<_>>()?;
    keys.reverse();
    Ok(keys)
}

/// Gives messages to the first rooms and to this one. Each may take an equal part of what the ones
/// before it have left.
fn fill(
    connection: &Connection,
    rooms: &mut [StoredRoom],
    first: Option<u64>,
    preload: &Preload,
) -> rusqlite::Result<()> {
    let is_filled =
        |index: usize, room: &StoredRoom| index < preload.rooms || Some(room.room) == first;
    let mut bytes_left = preload.bytes_max;
    let mut rooms_left =
        rooms.iter().enumerate().filter(|(index, room)| is_filled(*index, room)).count();
    for (index, slot) in rooms.iter_mut().enumerate() {
        if !is_filled(index, slot) {
            continue;
        }
        let bytes_max = bytes_left / rooms_left;
        let filled = with_newest(connection, slot.clone(), preload.messages_max, bytes_max)?;
        let bytes: usize = filled.newest.iter().map(|it| it.author.len() + it.text.len()).sum();
        rooms_left -= 1;
        // A single message may have more; it is read when somebody asks for it.
        if bytes <= bytes_max {
            bytes_left -= bytes;
            *slot = filled;
        }
    }
    Ok(())
}
