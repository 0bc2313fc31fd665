//! Who may ask for what.

use crate::chat::ids::{RoomId, UserId};
use crate::chat::request::{AccountRequest, OrderRequest, ReadingRequest, Request, RoomRequest};
use crate::chat::state::State;
use crate::chat::state::accounts::Role;
use crate::chat::state::rooms::rules::RoomRole;

/// What somebody has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody, even where guests may do nothing else: what leads to being logged in.
    Anybody,
    /// A guest, where guests are let in, or an account.
    Guest,
    Account,
    /// An account that is no bot.
    Person,
    /// An admin, or an owner.
    Admin,
    Owner,
}

/// The table. Without a wildcard: a new request has to say who may ask for it.
pub fn access(request: &Request<'_>) -> Access {
    match request {
        Request::Account(request) => access_to_accounts(request),
        Request::Conversation(_) => Access::Account,
        Request::Order(request) => access_to_order(request),
        Request::Room(request) => match request.changes() {
            true => Access::Account,
            false => Access::Guest,
        },
        Request::Reading(
            ReadingRequest::Read { .. }
            | ReadingRequest::Unread
            | ReadingRequest::Print { .. }
            | ReadingRequest::Level { .. },
        ) => Access::Account,
        Request::Nothing
        | Request::Preference(_)
        | Request::Help { .. }
        | Request::Where
        | Request::Edit { .. }
        | Request::Quit { .. } => Access::Anybody,
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
        | Request::People(_)
        | Request::Typing { .. } => Access::Guest,
    }
}

fn access_to_accounts(request: &AccountRequest<'_>) -> Access {
    match request {
        AccountRequest::Login { .. } | AccountRequest::Register { .. } | AccountRequest::Show => {
            Access::Anybody
        }
        AccountRequest::Logout
        | AccountRequest::Sessions
        | AccountRequest::EndSession { .. }
        | AccountRequest::Invitations
        | AccountRequest::Uninvite { .. } => Access::Account,
        // A bot has one token, which its owner makes, and brings nobody here.
        AccountRequest::Password { .. }
        | AccountRequest::Token { .. }
        | AccountRequest::Cookie { .. }
        | AccountRequest::Invite { .. }
        | AccountRequest::Confirm { .. }
        | AccountRequest::Delete { .. }
        | AccountRequest::Bot { .. }
        | AccountRequest::Bots
        | AccountRequest::EndBot { .. } => Access::Person,
        AccountRequest::Reset { .. } | AccountRequest::Accounts { .. } => Access::Admin,
        AccountRequest::Role { .. } => Access::Owner,
    }
}

fn access_to_order(request: &OrderRequest<'_>) -> Access {
    match request {
        OrderRequest::Ignore { .. }
        | OrderRequest::Unignore { .. }
        | OrderRequest::Ignored
        | OrderRequest::Report { .. }
        | OrderRequest::DeleteMessage { .. }
        | OrderRequest::Deletions { .. } => Access::Guest,
        // Only those who keep order in the room.
        OrderRequest::Mute { .. } | OrderRequest::Unmute { .. } => Access::Account,
        OrderRequest::Ban { .. } | OrderRequest::Unban { .. } | OrderRequest::Bans { .. } => {
            Access::Admin
        }
    }
}

/// What somebody has to be in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomAccess {
    /// Anybody who may know of it.
    Known,
    Member,
    /// A member, or a moderator, as the room is set; a moderator if people have to ask.
    Inviter,
    /// A moderator, or the owner.
    Moderator,
    Owner,
    /// The owner, or an owner of the server who may know of it: whose room it is may be banned, or
    /// never come again.
    OwnerOrServerOwner,
}

/// The table for rooms.
pub fn room_access(request: &RoomRequest<'_>) -> RoomAccess {
    match request {
        RoomRequest::Settings { changes, .. } if changes.is_empty() => RoomAccess::Known,
        RoomRequest::Settings { changes, .. } => {
            match changes.entry.is_some() || changes.is_archived.is_some() {
                true => RoomAccess::Owner,
                false => RoomAccess::Moderator,
            }
        }
        RoomRequest::Keep { .. } => RoomAccess::Member,
        RoomRequest::Admit { .. } => RoomAccess::Inviter,
        RoomRequest::Refuse { .. }
        | RoomRequest::Kick { .. }
        | RoomRequest::Hook { .. }
        | RoomRequest::Hooks { .. }
        | RoomRequest::EndHook { .. } => RoomAccess::Moderator,
        RoomRequest::Role { .. } | RoomRequest::Rename { .. } => RoomAccess::Owner,
        RoomRequest::Delete { .. } => RoomAccess::OwnerOrServerOwner,
    }
}

/// Anybody can call all who are in a room of so many members at most.
const CALL_ALL_MEMBERS_MAX: u32 = 20;

/// Whether what this user says in a room can be for all who are there: `@all`.
pub fn may_call_all(state: &State, user: UserId, room: RoomId) -> bool {
    let members = state.rooms().get(room).map_or(0, |room| room.member_count());
    members <= CALL_ALL_MEMBERS_MAX
        || state.accounts().role(user) >= Role::Admin
        || state.room_role(user, room) >= RoomRole::Moderator
}
