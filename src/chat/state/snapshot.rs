//! What the state has that no store keeps, written down for another process: guests, what is known
//! of them, and rooms in which there is nothing to keep. The rest is in the store.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::State;
use crate::chat::ids::{RoomId, UserId};
use crate::chat::name::{Name, RoomName};
use crate::chat::state::accounts::SecretHash;
use crate::chat::state::guests::{GuestToken, Holder};
use crate::chat::state::keys::{First, Scope};
use crate::chat::state::order::{Mute, OrderChange};
use crate::chat::state::rooms::restored::RestoredRoom;
use crate::chat::state::rooms::rules::MemberRecord;
use crate::chat::state::traces::Trace;

/// See the module's documentation.
#[derive(Debug, Serialize, Deserialize)]
pub struct StateSnapshot {
    next_user: UserId,
    next_room: RoomId,
    ids_used: u64,
    /// How many numbers guests have been given.
    guests: u64,
    rooms: Vec<RoomSnapshot>,
    users: Vec<GuestSnapshot>,
    /// The rooms of accounts that are in several, in their order.
    orders: Vec<(UserId, Vec<RoomId>)>,
    /// Who ignores whom, where one of them is a guest.
    ignored: Vec<(UserId, UserId)>,
    /// What is remembered of guests who have left.
    traces: Vec<(SecretHash, Trace)>,
    /// The invitations by which guests have come into rooms.
    came_by: Vec<(UserId, u64)>,
    /// Of direct messages: the addressee, the author, the key and the time.
    keys: Vec<(UserId, Option<UserId>, Box<str>, u64)>,
    /// What stands for their texts.
    #[serde(default)]
    key_texts: Vec<u64>,
}

/// A room that is in memory.
#[derive(Debug, Serialize, Deserialize)]
struct RoomSnapshot {
    room: RoomId,
    name: Box<str>,
    topic: Box<str>,
    kept_from: Option<u64>,
    next_id: u64,
}

/// A guest who is here, or away and expected back.
#[derive(Debug, Serialize, Deserialize)]
struct GuestSnapshot {
    user: UserId,
    name: Box<str>,
    rooms: Vec<RoomId>,
    words: Vec<(RoomId, u64)>,
    token: Option<TokenSnapshot>,
    mutes: Vec<(RoomId, Box<str>, Option<u64>)>,
    records: Vec<(RoomId, MemberRecord)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct TokenSnapshot {
    hash: SecretHash,
    before: Option<SecretHash>,
    until_ms: u64,
}

/// The store and the snapshot do not fit together.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum StateMismatch {
    #[error("{0} is no name of anybody or any room")]
    Name(Box<str>),
    #[error("in {room} the next message has the id {found} in the history, and not {expected}")]
    NextId { room: Box<str>, expected: u64, found: u64 },
}

impl State {
    pub fn snapshot(&self) -> StateSnapshot {
        let mut rooms: Vec<RoomSnapshot> = self.rooms.iter().map(room_snapshot).collect();
        rooms.sort_unstable_by_key(|room| room.room);
        let guests = self.users.iter().filter(|user| !self.accounts.contains(user.id));
        let mut users: Vec<GuestSnapshot> =
            guests.map(|user| self.guest_snapshot(user.id, &user.name)).collect();
        users.sort_unstable_by_key(|user| user.user);
        let ignored = self
            .order
            .all_ignored()
            .filter(|(by, user)| !self.accounts.contains(*by) || !self.accounts.contains(*user));
        let in_several = self.users.in_several().filter(|user| self.accounts.contains(*user));
        let orders = in_several.map(|user| (user, self.rooms_of(user).collect())).collect();
        let of_users = || self.keys.of_users();
        StateSnapshot {
            orders,
            next_user: self.users.next_id(),
            next_room: self.rooms.next_id(),
            ids_used: self.rooms.ids_used(),
            guests: self.guests,
            rooms,
            users,
            ignored: ignored.collect(),
            traces: self.traces.gone().map(|(token, trace)| (token, trace.clone())).collect(),
            came_by: self.traces.came_by().collect(),
            keys: of_users().map(|(to, by, key, it)| (to, by, key.into(), it.unix_ms)).collect(),
            key_texts: of_users().map(|(.., it)| it.id).collect(),
        }
    }

    fn guest_snapshot(&self, user: UserId, name: &Name) -> GuestSnapshot {
        let token = self.guest_tokens.of(user).and_then(|hash| {
            let GuestToken { before, until_ms, .. } = *self.guest_tokens.get(hash)?;
            Some(TokenSnapshot { hash, before, until_ms })
        });
        let mutes = self.order.all_mutes().filter(|(_, muted, _)| *muted == user);
        let records = (user, RoomId::FIRST)..(user.next(), RoomId::FIRST);
        let records = self.guest_records.range(records).map(|&(_, room)| room);
        GuestSnapshot {
            user,
            name: name.as_str().into(),
            rooms: self.rooms_of(user).collect(),
            words: self.guest_words.of(user).collect(),
            token,
            mutes: mutes
                .map(|(room, _, Mute { reason, until_ms })| (room, reason.clone(), *until_ms))
                .collect(),
            records: records.map(|room| (room, self.member_record(user, room))).collect(),
        }
    }

    /// Adds what a snapshot has to what a store has kept.
    ///
    /// # Errors
    /// They are not of the same chat, at the same time.
    pub fn restore(&mut self, snapshot: StateSnapshot) -> Result<(), StateMismatch> {
        for room in snapshot.rooms {
            self.restore_room(room)?;
        }
        self.rooms.continue_from(snapshot.next_room, snapshot.ids_used);
        for guest in snapshot.users {
            self.restore_guest(guest)?;
        }
        for (user, order) in snapshot.orders {
            let State { users, rooms, .. } = self;
            let rank = |slot| order.iter().position(|room| *room == rooms.id(slot));
            users.sort_memberships(user, |slot| rank(slot).unwrap_or(usize::MAX));
        }
        self.users.continue_from(snapshot.next_user.get());
        self.guests = self.guests.max(snapshot.guests);
        for (by, user) in snapshot.ignored {
            self.order.apply(by, OrderChange::Ignored { user });
        }
        self.traces.restore(snapshot.traces, snapshot.came_by);
        let texts = snapshot.key_texts.into_iter().chain(std::iter::repeat(0));
        for ((to, by, key, unix_ms), id) in snapshot.keys.into_iter().zip(texts) {
            self.keys.insert(Scope::User(to), by, &key, First { id, unix_ms });
        }
        Ok(())
    }

    fn restore_room(&mut self, room: RoomSnapshot) -> Result<(), StateMismatch> {
        let RoomSnapshot { room, name, topic, kept_from, next_id } = room;
        if let Some(here) = self.rooms.get(room) {
            let found = here.history.next_id();
            return match found == next_id {
                true => Ok(()),
                false => Err(StateMismatch::NextId { room: name, expected: next_id, found }),
            };
        }
        let name = RoomName::kept(&name).map_err(|_| StateMismatch::Name(name))?;
        self.rooms.restore(RestoredRoom { room, name, topic, kept_from, next_id });
        Ok(())
    }

    fn restore_guest(&mut self, guest: GuestSnapshot) -> Result<(), StateMismatch> {
        let GuestSnapshot { user, name, rooms, words, token, mutes, records } = guest;
        let name = Name::kept(&name).map_err(|_| StateMismatch::Name(name))?;
        self.users.restore(user, name);
        for room in rooms {
            self.join(user, room);
        }
        for (room, id) in words {
            self.guest_words.add(user, room, id);
        }
        if let Some(TokenSnapshot { hash, before, until_ms }) = token {
            // The store has it as that of somebody who has left.
            self.guest_tokens.end(hash);
            let holder = Holder::Here(user);
            self.guest_tokens.insert(hash, GuestToken { before, until_ms, holder });
        }
        for (room, reason, until_ms) in mutes {
            let mute = Mute { reason, until_ms };
            self.order.apply(user, OrderChange::Muted { room, user, mute });
        }
        for (room, record) in records {
            self.set_record(user, room, record);
        }
        Ok(())
    }
}

fn room_snapshot(room: &super::rooms::Room) -> RoomSnapshot {
    RoomSnapshot {
        room: room.id,
        name: room.name.as_str().into(),
        topic: room.topic.clone(),
        kept_from: room.kept_from(),
        next_id: room.history.next_id(),
    }
}
