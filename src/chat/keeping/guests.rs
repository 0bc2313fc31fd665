//! What a record changes of the tokens of guests that a store keeps.

use crate::chat::ids::UserId;
use crate::chat::name::Name;
use crate::chat::record::{Event, GuestChange, Kept, Presence, Record};
use crate::chat::state::State;
use crate::chat::state::accounts::SecretHash;
use crate::chat::state::guests::{GuestToken, TOKEN_MS};
use crate::store::{Change, StoredGuestToken};

/// The changes that this record makes, as the state is before it.
pub fn changes(state: &State, record: &Record) -> Vec<Change> {
    let (by, unix_ms) = (record.by, record.unix_ms);
    match &record.event {
        Event::Kept(Kept::Guest(GuestChange::TokenGiven { hash, shown })) => {
            given(state, by, *hash, *shown, unix_ms)
        }
        Event::Kept(Kept::Guest(GuestChange::TokenProven)) => {
            changed(state, by, |stored| stored.before = None)
        }
        Event::Kept(Kept::Guest(GuestChange::TokenEnded { hash })) => vec![gone(*hash)],
        Event::Presence(Presence::Renamed { name }) => {
            changed(state, by, |stored| stored.name = name.as_str().into())
        }
        Event::Presence(Presence::Disconnected) => {
            changed(state, by, |stored| stored.until_ms = unix_ms + TOKEN_MS)
        }
        _ => Vec::new(),
    }
}

/// The token of a guest that is an account from now on.
pub fn ended_with(state: &State, user: UserId) -> Option<Change> {
    state.guest_tokens().of(user).map(gone)
}

fn given(
    state: &State,
    by: UserId,
    hash: SecretHash,
    shown: Option<SecretHash>,
    unix_ms: u64,
) -> Vec<Change> {
    let Some(user) = state.users().get(by) else { return Vec::new() };
    let known = shown.and_then(|shown| state.guest_tokens().find(shown)).map(|(hash, _)| hash);
    let own = state.guest_tokens().of(by).filter(|own| Some(*own) != known);
    let before = shown.filter(|_| known.is_some());
    let token = stored(hash, before, &user.name, unix_ms + TOKEN_MS);
    known.into_iter().chain(own).map(gone).chain([Change::GuestToken(token)]).collect()
}

/// The token of a user who is here, if it has one, but for this.
fn changed(state: &State, user: UserId, change: impl FnOnce(&mut StoredGuestToken)) -> Vec<Change> {
    let found = state.guest_tokens().of(user).and_then(|hash| {
        let GuestToken { before, until_ms, .. } = state.guest_tokens().get(hash)?;
        Some(stored(hash, *before, &state.users().get(user)?.name, *until_ms))
    });
    let Some(mut token) = found else { return Vec::new() };
    change(&mut token);
    vec![Change::GuestToken(token)]
}

fn gone(hash: SecretHash) -> Change {
    Change::GuestTokenGone { hash: hash.0 }
}

fn stored(
    hash: SecretHash,
    before: Option<SecretHash>,
    name: &Name,
    until_ms: u64,
) -> StoredGuestToken {
    let before = before.map(|before| before.0);
    StoredGuestToken { hash: hash.0, before, name: name.as_str().into(), until_ms }
}
