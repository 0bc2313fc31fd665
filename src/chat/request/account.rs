//! What a client can ask for that is about accounts.

use std::borrow::Cow;

use super::Request;

/// See [`Request::Account`].
#[derive(Clone, Debug, PartialEq)]
pub enum AccountRequest<'a> {
    /// To be known as an account from now on: by its password, or by a token. Without either, a
    /// terminal is asked for the password.
    Login {
        name: Option<Cow<'a, str>>,
        password: Option<Cow<'a, str>>,
        token: Option<Cow<'a, str>>,
    },
    /// To make an account of a guest. `code`: of an invitation, or of the first owner.
    Register { name: Cow<'a, str>, password: Option<Cow<'a, str>>, code: Option<Cow<'a, str>> },
    /// To be a guest again.
    Logout,
    /// Asks who one is.
    Show,
    /// Sets another password.
    Password { old: Option<Cow<'a, str>>, new: Option<Cow<'a, str>> },
    /// Asks where one is logged in.
    Sessions,
    /// Ends one of those.
    EndSession { id: u32 },
    /// A token for a program.
    Token { label: Cow<'a, str> },
    /// A cookie for this browser.
    Cookie { label: Option<Cow<'a, str>> },
    /// A code by which others can have accounts, if not only these rooms: so often, for so many
    /// hours.
    Invite {
        uses: Option<u32>,
        hours: Option<u32>,
        rooms: Vec<Cow<'a, str>>,
        accounts: Option<bool>,
    },
    /// Asks for one's invitations.
    Invitations,
    /// Ends an invitation.
    Uninvite { id: u64 },
    /// Lets a terminal in that shows this code; without `sure`, asks where it is.
    Confirm { code: Cow<'a, str>, sure: bool },
    /// Ends one's account.
    Delete { password: Option<Cow<'a, str>> },
    /// Says what an account may do on this server.
    Role { name: Cow<'a, str>, role: Cow<'a, str> },
    /// A code by which somebody can set a new password.
    Reset { name: Cow<'a, str> },
}

impl AccountRequest<'_> {
    /// Whether it is done though nobody reads the answer: it ends something, or makes it another
    /// one. What only lets its sender go on is of no use to somebody who has gone.
    pub fn changes(&self) -> bool {
        match self {
            AccountRequest::Logout
            | AccountRequest::Password { .. }
            | AccountRequest::EndSession { .. }
            | AccountRequest::Uninvite { .. }
            | AccountRequest::Delete { .. }
            | AccountRequest::Role { .. }
            | AccountRequest::Reset { .. } => true,
            AccountRequest::Login { .. }
            | AccountRequest::Register { .. }
            | AccountRequest::Show
            | AccountRequest::Sessions
            | AccountRequest::Token { .. }
            | AccountRequest::Cookie { .. }
            | AccountRequest::Invite { .. }
            | AccountRequest::Invitations
            | AccountRequest::Confirm { .. } => false,
        }
    }

    /// Whether it changes what is kept: all do that do not only ask.
    pub fn records(&self) -> bool {
        !matches!(
            self,
            AccountRequest::Show | AccountRequest::Sessions | AccountRequest::Invitations
        )
    }
}

impl<'a> From<AccountRequest<'a>> for Request<'a> {
    fn from(request: AccountRequest<'a>) -> Request<'a> {
        Request::Account(request)
    }
}
