//! What a record changes of what holds in rooms.

use super::{opened, people, readings};
use crate::chat::ids::{RoomId, UserId};
use crate::chat::name::{NameForms, RoomName};
use crate::chat::record::RoomChange;
use crate::chat::state::hooks::Hook;
use crate::chat::state::rooms::Room;
use crate::chat::state::rooms::rules::{MemberRecord, RoomSettings};
use crate::chat::state::{RESERVED_MS, State};
use crate::store::{Change, RulesChange, StoredHook, StoredRecord, StoredRoomName, StoredSettings};

/// The changes that this makes, as the state is before it.
pub fn changes(state: &State, change: &RoomChange, unix_ms: u64) -> Vec<Change> {
    match change {
        RoomChange::Set { room, settings } => {
            let here = state.rooms().get(*room).filter(|room| room.kept_from().is_none());
            let set = Change::Rules(RulesChange::Set(stored(*room, settings)));
            here.map(opened).into_iter().chain([set]).collect()
        }
        RoomChange::Renamed { room, name } => renamed(state, *room, name, unix_ms),
        RoomChange::InvitationUsed { id } => people::used(state, *id).into_iter().collect(),
        RoomChange::NameReleased { name } => {
            vec![Change::Rules(RulesChange::NameGone { key: name.key().into() })]
        }
        RoomChange::HookMade(hook) => vec![Change::Rules(RulesChange::Hook(stored_hook(hook)))],
        RoomChange::HookEnded { room, name } => {
            let (room, key) = (room.get(), name.key().into());
            vec![Change::Rules(RulesChange::HookGone { room, key })]
        }
        RoomChange::Deleted { room } => {
            vec![Change::Rules(RulesChange::Emptied { room: room.get() })]
        }
        RoomChange::Removed { room, user, .. } => match state.accounts().contains(*user) {
            true => {
                let gone = Change::MemberGone { room: room.get(), account: user.get() };
                vec![gone, readings::gone(*user, *room)]
            }
            false => Vec::new(),
        },
        RoomChange::Recorded { room, user, record } => {
            recorded(state, *room, *user, *record).into_iter().collect()
        }
    }
}

fn renamed(state: &State, id: RoomId, name: &RoomName, unix_ms: u64) -> Vec<Change> {
    let Some(room) = state.rooms().get(id) else { return Vec::new() };
    let former = (room.name != *name).then(|| {
        Change::Rules(RulesChange::FormerName(StoredRoomName {
            key: room.name.key().into(),
            name: room.name.as_str().into(),
            room: id.get(),
            until_ms: unix_ms + RESERVED_MS,
        }))
    });
    let renamed = Change::Rules(RulesChange::Renamed {
        room: id.get(),
        name: name.as_str().into(),
        key: name.key().into(),
        skeletons: name.skeletons().iter().map(Box::from).collect(),
    });
    [renamed].into_iter().chain(former).collect()
}

/// What is known of somebody in a room, if it is kept and is something else now.
pub fn recorded(state: &State, room: RoomId, user: UserId, record: MemberRecord) -> Option<Change> {
    let before = state.member_record(user, room);
    if before == record || !state.accounts().contains(user) {
        return None;
    }
    Some(of_record(room, user, record))
}

/// All that rooms know of a guest who is an account from now on.
pub fn of_guest(state: &State, guest: UserId) -> Vec<Change> {
    let rooms = state.rooms().with_rules().filter_map(|id| state.rooms().get(id));
    let known = rooms.filter(|room| room.rules().is_some_and(|rules| rules.has_record(guest)));
    known
        .map(|room: &Room| of_record(room.id, guest, state.member_record(guest, room.id)))
        .collect()
}

fn of_record(room: RoomId, user: UserId, record: MemberRecord) -> Change {
    let (room, account) = (room.get(), user.get());
    if record == MemberRecord::default() {
        return Change::Rules(RulesChange::RecordGone { room, account });
    }
    let MemberRecord { role, may_return, has_asked, sees_from, removed_until } = record;
    Change::Rules(RulesChange::Record(StoredRecord {
        room,
        account,
        role: role.number(),
        may_return,
        has_asked,
        sees_from,
        removed_until,
    }))
}

fn stored_hook(hook: &Hook) -> StoredHook {
    let Hook { room, name, hash, by, created_ms } = hook;
    StoredHook {
        room: room.get(),
        key: name.key().into(),
        name: name.as_str().into(),
        hash: hash.0,
        account: by.get(),
        created_ms: *created_ms,
    }
}

fn stored(room: RoomId, settings: &RoomSettings) -> StoredSettings {
    let RoomSettings { entry, is_listed, newcomers_see, posting, invites, is_archived } = *settings;
    StoredSettings {
        room: room.get(),
        entry: entry.number(),
        is_listed,
        newcomers_see: newcomers_see.number(),
        posting: posting.number(),
        invites: invites.number(),
        is_archived,
    }
}
