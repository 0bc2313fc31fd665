//! What a record changes of what accounts have read, as a store keeps it; and what it is handed later.
//!
//! How far somebody has read changes with every line that is read, so a store is handed that every
//! two seconds, and nobody waits for it: after a crash so much may be unread again. The other way
//! round it cannot be: what was read was handed over before. What is *for* somebody goes with its
//! message. It cannot be found out again later: names change, and who may call everybody.

use std::collections::BTreeSet;

use super::Keeping;
use crate::chat::Chat;
use crate::chat::ids::{RoomId, UserId};
use crate::chat::record::ReadingChange;
use crate::chat::state::State;
use crate::chat::state::readings::{Level, Mentioned};
use crate::clock::Millis;
use crate::delivery::Delivery;
use crate::store::{self, Change, StoredReading};

/// What was read is written together, so often.
const WRITE_MS: Millis = 2_000;

/// What accounts have read that a store has not been handed yet.
///
/// Invariant: there is a deadline exactly if there is something.
#[derive(Debug, Default)]
pub struct ReadLately {
    readings: BTreeSet<(UserId, RoomId)>,
    due: Option<Millis>,
}

impl ReadLately {
    pub fn next_deadline(&self) -> Option<Millis> {
        self.due
    }

    fn insert(&mut self, user: UserId, room: RoomId, now_ms: Millis) {
        self.readings.insert((user, room));
        self.due.get_or_insert(now_ms + WRITE_MS);
    }
}

/// The changes that this record makes, as the state is before it.
pub fn changes(state: &State, by: UserId, change: &ReadingChange) -> Vec<Change> {
    let changes = match change {
        ReadingChange::Moved { .. } => Vec::new(),
        ReadingChange::MovedBack { room, id, mentions } => {
            // The store may not have been handed yet how far it was.
            let now = stored(state, by, *room);
            let moved = now.map(|now| StoredReading { read: *id, ..now });
            let sets = now.into_iter().chain(moved).map(store::ReadingChange::Set);
            let found = mentions.iter().map(|&id| {
                let accounts = [by.get()].into();
                store::ReadingChange::Mentioned { room: room.get(), id, accounts }
            });
            sets.chain(found).collect()
        }
        ReadingChange::LevelSet { room, level } => {
            let level = Some(level.number());
            let set = stored(state, by, *room).map(|it| StoredReading { level, ..it });
            set.map(store::ReadingChange::Set).into_iter().collect()
        }
        ReadingChange::Mentioned { room, id, mentioned } => {
            let (room, id) = (room.get(), *id);
            vec![match mentioned {
                Mentioned::All => {
                    let by = state.account(by).map(UserId::get);
                    store::ReadingChange::Called { room, id, by }
                }
                Mentioned::Users(users) => {
                    let accounts = users.iter().map(|user| user.get()).collect();
                    store::ReadingChange::Mentioned { room, id, accounts }
                }
            }]
        }
    };
    changes.into_iter().map(Change::Reading).collect()
}

/// An account has read all that was said in a room before it came.
pub fn begun(state: &State, user: UserId, room: RoomId) -> Option<Change> {
    let (account, read) = (user.get(), state.last_id(room)?);
    let reading = StoredReading { account, room: room.get(), read, level: None };
    Some(Change::Reading(store::ReadingChange::Set(reading)))
}

pub fn gone(user: UserId, room: RoomId) -> Change {
    Change::Reading(store::ReadingChange::Gone { account: user.get(), room: room.get() })
}

/// The texts of a change, and what is as long as a text.
pub fn bytes_of(change: &store::ReadingChange) -> usize {
    match change {
        store::ReadingChange::Mentioned { accounts, .. } => size_of_val(&**accounts),
        store::ReadingChange::Set(_)
        | store::ReadingChange::Gone { .. }
        | store::ReadingChange::Called { .. } => 0,
    }
}

fn stored(state: &State, user: UserId, room: RoomId) -> Option<StoredReading> {
    let reading = state.readings().get(user, room)?;
    let level = reading.level.map(Level::number);
    Some(StoredReading { account: user.get(), room: room.get(), read: reading.read, level })
}

impl Keeping {
    /// An account has read something, which the store is handed in a while.
    pub fn read(&mut self, user: UserId, room: RoomId, now_ms: Millis) {
        self.read_lately.insert(user, room, now_ms);
    }
}

impl Chat {
    /// Hands over what was read for long enough ago.
    pub(in crate::chat) fn write_due_readings(&mut self, out: &mut Delivery) {
        let due = self.keeping.as_ref().and_then(|keeping| keeping.read_lately.due);
        if due.is_some_and(|at| at <= out.now().ms) {
            self.write_readings(out);
        }
    }

    /// Hands over what was read lately. What cannot be recorded now is tried again later.
    pub(in crate::chat) fn write_readings(&mut self, out: &mut Delivery) {
        let Some(keeping) = &mut self.keeping else { return };
        if keeping.is_full() || out.is_store_behind() {
            let due = &mut keeping.read_lately.due;
            *due = due.map(|_| out.now().ms + WRITE_MS);
            return;
        }
        let ReadLately { readings, .. } = std::mem::take(&mut keeping.read_lately);
        for (user, room) in readings {
            if let Some(reading) = stored(&self.state, user, room) {
                keeping.add(Change::Reading(store::ReadingChange::Set(reading)), out);
            }
        }
    }
}
