//! Who may ask for what.

use crate::chat::request::Request;

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
        Request::Nothing
        | Request::Help { .. }
        | Request::Quit { .. }
        | Request::Login { .. }
        | Request::Register { .. }
        | Request::Account => Access::Anybody,
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
        Request::Logout
        | Request::Password { .. }
        | Request::Sessions
        | Request::EndSession { .. }
        | Request::Token { .. }
        | Request::Cookie { .. }
        | Request::Invite { .. }
        | Request::Invitations
        | Request::Uninvite { .. }
        | Request::Confirm { .. }
        | Request::Delete { .. } => Access::Account,
        Request::Reset { .. } => Access::Admin,
        Request::Role { .. } => Access::Owner,
    }
}
