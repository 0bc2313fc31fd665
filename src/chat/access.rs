//! Who may ask for what.

use crate::chat::ids::{RoomId, UserId};
use crate::chat::request::{AccountRequest, ReadingRequest, Request};
use crate::chat::state::State;
use crate::chat::state::accounts::Role;

/// What somebody has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody, even where guests may do nothing else: what leads to being logged in.
    Anybody,
    /// A guest, where guests are let in, or an account.
    Guest,
    Account,
    /// An admin, or an owner.
    Admin,
    Owner,
}

/// The table. Without a wildcard: a new request has to say who may ask for it.
pub fn access(request: &Request<'_>) -> Access {
    match request {
        Request::Account(request) => access_to_accounts(request),
        Request::Reading(
            ReadingRequest::Read { .. }
            | ReadingRequest::Unread
            | ReadingRequest::Print { .. }
            | ReadingRequest::Level { .. },
        ) => Access::Account,
        Request::Nothing | Request::Help { .. } | Request::Quit { .. } => Access::Anybody,
        Request::Say { .. }
        | Request::Direct { .. }
        | Request::Join { .. }
        | Request::Leave { .. }
        | Request::Nick { .. }
        | Request::Topic { .. }
        | Request::History { .. }
        | Request::Who { .. }
        | Request::Rooms { .. }
        | Request::Search { .. }
        | Request::Typing { .. } => Access::Guest,
    }
}

fn access_to_accounts(request: &AccountRequest<'_>) -> Access {
    match request {
        AccountRequest::Login { .. } | AccountRequest::Register { .. } | AccountRequest::Show => {
            Access::Anybody
        }
        AccountRequest::Logout
        | AccountRequest::Password { .. }
        | AccountRequest::Sessions
        | AccountRequest::EndSession { .. }
        | AccountRequest::Token { .. }
        | AccountRequest::Cookie { .. }
        | AccountRequest::Invite { .. }
        | AccountRequest::Invitations
        | AccountRequest::Uninvite { .. }
        | AccountRequest::Confirm { .. }
        | AccountRequest::Delete { .. } => Access::Account,
        AccountRequest::Reset { .. } => Access::Admin,
        AccountRequest::Role { .. } => Access::Owner,
    }
}

/// Anybody can call all who are in a room of so many members at most.
const CALL_ALL_MEMBERS_MAX: u32 = 20;

/// Whether what this user says in a room can be for all who are there: `@all`.
pub fn may_call_all(state: &State, user: UserId, room: RoomId) -> bool {
    let members = state.rooms().get(room).map_or(0, |room| room.member_count());
    members <= CALL_ALL_MEMBERS_MAX || state.accounts().role(user) >= Role::Admin
}
