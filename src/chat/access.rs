//! Who may ask for what.

use crate::chat::request::{AccountRequest, Request, RoomRequest};

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
        Request::Room(request) => match request.changes() {
            true => Access::Account,
            false => Access::Guest,
        },
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
        RoomRequest::Refuse { .. } | RoomRequest::Kick { .. } => RoomAccess::Moderator,
        RoomRequest::Role { .. } | RoomRequest::Rename { .. } | RoomRequest::Delete { .. } => {
            RoomAccess::Owner
        }
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
