//! Who may ask for what.

use crate::chat::request::{AccountRequest, OrderRequest, Request};

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
        Request::Order(request) => access_to_order(request),
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

fn access_to_order(request: &OrderRequest<'_>) -> Access {
    match request {
        OrderRequest::Ignore { .. }
        | OrderRequest::Unignore { .. }
        | OrderRequest::Ignored
        | OrderRequest::Report { .. } => Access::Guest,
        OrderRequest::Ban { .. }
        | OrderRequest::Unban { .. }
        | OrderRequest::Bans { .. }
        | OrderRequest::Mute { .. }
        | OrderRequest::Unmute { .. } => Access::Admin,
    }
}
