//! What a record changes of the accounts that a store keeps.

use super::{guests, opened, order, readings, rules};
use crate::chat::ids::{RoomId, UserId};
use crate::chat::name::Name;
use crate::chat::record::{Event, Kept, Presence, Record};
use crate::chat::state::State;
use crate::chat::state::accounts::{AccessKey, Account, Invitation, Reserved};
use crate::store::{Change, StoredAccessKey, StoredAccount, StoredInvitation, StoredName};

/// The changes that this record makes, as the state is before it.
pub fn changes(state: &State, record: &Record) -> Vec<Change> {
    let (by, unix_ms) = (record.by, record.unix_ms);
    match &record.event {
        Event::Presence(presence) => changes_of_presence(state, by, presence, unix_ms),
        Event::Kept(kept) => changes_of_kept(state, by, kept, unix_ms),
        Event::Cached(_) => Vec::new(),
    }
}

fn changes_of_presence(
    state: &State,
    by: UserId,
    presence: &Presence,
    unix_ms: u64,
) -> Vec<Change> {
    let account = by.get();
    match presence {
        Presence::Joined { room } => joined(state, *room, by),
        Presence::Left { room, .. } => {
            vec![Change::MemberGone { room: room.get(), account }, readings::gone(by, *room)]
        }
        Presence::Renamed { name } => {
            let reserved = state.reserved_by(by, name, unix_ms);
            let reserved = reserved.map(|reserved| Change::Reserved(stored_name(&reserved)));
            let renamed = changed(state, by, |stored| {
                stored.name = name.as_str().into();
                stored.key = name.key().into();
            });
            renamed.into_iter().chain(released(state, name)).chain(reserved).collect()
        }
        Presence::Connected { .. } | Presence::Disconnected => Vec::new(),
    }
}

fn changes_of_kept(state: &State, by: UserId, kept: &Kept, unix_ms: u64) -> Vec<Change> {
    let account = by.get();
    match kept {
        Kept::AccountMade { name, password, role, invitation } => {
            let made = Account::new(password.clone(), *role, unix_ms, Vec::new());
            let used = invitation.and_then(|id| used(state, id));
            let rooms = state.rooms_of(by).flat_map(|room| member(state, room, by));
            [Change::Account(stored(by, name, &made))]
                .into_iter()
                .chain(guests::ended_with(state, by))
                .chain(used)
                .chain(rooms)
                .chain(order::of_new_account(state, by))
                .chain(rules::of_guest(state, by))
                .collect()
        }
        Kept::BotMade { bot, name } => {
            let made = Change::Account(stored(*bot, name, &Account::bot(by, unix_ms)));
            [made].into_iter().chain(released(state, name)).collect()
        }
        Kept::AccountEnded => {
            let reserved = state.reserved_at_end(by, unix_ms);
            let reserved = reserved.map(|reserved| Change::Reserved(stored_name(&reserved)));
            [Change::AccountGone { account }].into_iter().chain(reserved).collect()
        }
        Kept::PasswordSet { password } => {
            changed(state, by, |stored| stored.password = Some(password.clone()))
                .into_iter()
                .collect()
        }
        Kept::RoleSet { user, role } => {
            changed(state, *user, |stored| stored.role = role.number()).into_iter().collect()
        }
        Kept::KeyMade(key) => vec![Change::AccessKey(stored_key(by, key))],
        Kept::KeyEnded { key } => vec![Change::AccessKeyGone { account, key: *key }],
        Kept::Invited { id, invitation } => {
            vec![Change::Invitation(stored_invitation(*id, invitation))]
        }
        Kept::InvitationEnded { id } => vec![Change::InvitationGone { invitation: *id }],
        Kept::NameReleased { name } => vec![Change::ReservedGone { key: name.key().into() }],
        Kept::Order(change) => order::changes(state, by, change),
        Kept::Room(change) => rules::changes(state, change, unix_ms),
        Kept::Reading(change) => readings::changes(state, by, change),
        Kept::Opened { .. }
        | Kept::Closed { .. }
        | Kept::TopicSet { .. }
        | Kept::Said { .. }
        | Kept::MessageDeleted { .. }
        | Kept::HistoryCut { .. }
        | Kept::Direct { .. }
        | Kept::Guest(_) => Vec::new(),
    }
}

/// A name that was reserved for who takes it.
fn released(state: &State, name: &Name) -> Option<Change> {
    let is_reserved = state.accounts().is_reserved(name.key());
    is_reserved.then(|| Change::ReservedGone { key: name.key().into() })
}

fn joined(state: &State, room: RoomId, by: UserId) -> Vec<Change> {
    let record = state.record_on_join(by, room);
    let record = record.and_then(|record| rules::recorded(state, room, by, record));
    member(state, room, by).into_iter().chain(record).collect()
}

/// A membership and what was read by then, and the room before it, if the store does not know of
/// it yet.
fn member(state: &State, id: RoomId, by: UserId) -> Vec<Change> {
    let room = state.rooms().get(id).filter(|room| room.kept_from().is_none());
    let member = Change::Member { room: id.get(), account: by.get() };
    let reading = readings::begun(state, by, id);
    room.map(opened).into_iter().chain([member]).chain(reading).collect()
}

/// An account as it is, but for this.
fn changed(state: &State, user: UserId, change: impl FnOnce(&mut StoredAccount)) -> Option<Change> {
    let (account, name) = (state.accounts().get(user)?, &state.users().get(user)?.name);
    let mut stored = stored(user, name, account);
    change(&mut stored);
    Some(Change::Account(stored))
}

/// An invitation that was used once more.
pub(super) fn used(state: &State, id: u64) -> Option<Change> {
    let mut invitation = state.accounts().invitation(id)?.clone();
    let left = invitation.uses.map(|uses| uses.saturating_sub(1));
    if left == Some(0) {
        return Some(Change::InvitationGone { invitation: id });
    }
    invitation.uses = left;
    Some(Change::Invitation(stored_invitation(id, &invitation)))
}

fn stored(user: UserId, name: &Name, account: &Account) -> StoredAccount {
    StoredAccount {
        account: user.get(),
        name: name.as_str().into(),
        key: name.key().into(),
        password: account.password.clone(),
        role: account.role.number(),
        created_ms: account.created_ms,
        owner: account.owner.map(UserId::get),
    }
}

fn stored_key(user: UserId, key: &AccessKey) -> StoredAccessKey {
    StoredAccessKey {
        account: user.get(),
        key: key.id,
        hash: key.hash.0,
        is_token: key.is_token,
        label: key.label.clone(),
        created_ms: key.created_ms,
    }
}

fn stored_invitation(id: u64, invitation: &Invitation) -> StoredInvitation {
    StoredInvitation {
        invitation: id,
        hash: invitation.hash.0,
        by: invitation.by.get(),
        resets: invitation.resets.map(UserId::get),
        uses: invitation.uses,
        until_ms: invitation.until_ms,
        rooms: invitation.rooms.iter().map(|room| room.get()).collect(),
        makes_account: invitation.makes_account,
    }
}

fn stored_name(reserved: &Reserved) -> StoredName {
    StoredName {
        key: reserved.name.key().into(),
        name: reserved.name.as_str().into(),
        account: reserved.account.get(),
        until_ms: reserved.until_ms,
    }
}
