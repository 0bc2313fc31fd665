//! What a record changes of order, as a store keeps it: bans, and what is between accounts. Guests
//! are muted and ignored for no longer than they are here; accounts that have ended are for good.

use super::opened;
use crate::chat::ids::{RoomId, UserId};
use crate::chat::state::State;
use crate::chat::state::order::{Mute, OrderChange};
use crate::store::Change;
use crate::store::order::{OrderChange as Stored, StoredBan, StoredIgnore, StoredMute};

/// The changes that this makes, as the state is before it.
pub fn changes(state: &State, by: UserId, change: &OrderChange) -> Vec<Change> {
    let is_account = |user: UserId| state.accounts().contains(user);
    let changes = match change {
        OrderChange::Banned { target, ban } => vec![Stored::Ban(StoredBan {
            target: target.stored(),
            by: ban.by.clone(),
            reason: ban.reason.clone(),
            since_ms: ban.since_ms,
            until_ms: ban.until_ms,
        })],
        OrderChange::Unbanned { target } => vec![Stored::BanGone { target: target.stored() }],
        OrderChange::Muted { room, user, mute } => {
            // A room in which somebody is muted is kept, a guest as well: it may be an account soon.
            let here = state.rooms().get(*room).filter(|room| room.kept_from().is_none());
            let muted = is_account(*user).then(|| Change::Order(muted(*room, *user, mute)));
            return here.map(opened).into_iter().chain(muted).collect();
        }
        OrderChange::Unmuted { room, user } if is_account(*user) => {
            vec![Stored::MuteGone { room: room.get(), account: user.get() }]
        }
        OrderChange::Ignored { user } if is_account(by) && is_account(*user) => {
            vec![Stored::Ignored(ignore(by, *user))]
        }
        OrderChange::Unignored { user } if is_account(by) && !state.is_guest(*user) => {
            vec![Stored::IgnoredGone(ignore(by, *user))]
        }
        OrderChange::Unmuted { .. }
        | OrderChange::Ignored { .. }
        | OrderChange::Unignored { .. } => Vec::new(),
    };
    changes.into_iter().map(Change::Order).collect()
}

/// What held for a guest is kept from when it is an account on.
pub fn of_new_account(state: &State, user: UserId) -> impl Iterator<Item = Change> {
    let order = state.order();
    let mutes = order.mutes_of(user).map(move |(room, mute)| muted(room, user, mute));
    let is_account = |other: &UserId| state.accounts().contains(*other);
    let ignored = order.ignored_by(user).filter(|&other| !state.is_guest(other));
    let ignored = ignored.map(move |other| Stored::Ignored(ignore(user, other)));
    let ignoring = order.ignoring(user).filter(is_account);
    let ignoring = ignoring.map(move |other| Stored::Ignored(ignore(other, user)));
    mutes.chain(ignored).chain(ignoring).map(Change::Order)
}

fn muted(room: RoomId, user: UserId, mute: &Mute) -> Stored {
    Stored::Mute(StoredMute {
        room: room.get(),
        account: user.get(),
        reason: mute.reason.clone(),
        until_ms: mute.until_ms,
    })
}

fn ignore(by: UserId, user: UserId) -> StoredIgnore {
    StoredIgnore { account: by.get(), ignored: user.get() }
}

/// The bytes of its texts.
pub fn texts_of(change: &Stored) -> usize {
    match change {
        Stored::Ban(ban) => ban.by.len() + ban.reason.len(),
        Stored::Mute(mute) => mute.reason.len(),
        Stored::BanGone { .. }
        | Stored::MuteGone { .. }
        | Stored::Ignored(_)
        | Stored::IgnoredGone(_) => 0,
    }
}
