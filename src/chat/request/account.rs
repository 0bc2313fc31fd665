//! What a client can ask for that is about accounts, and how people type some of it.

use std::borrow::Cow;
use std::fmt;

use super::Request;
use super::commands::{CommandSpec, page, word};

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
    EndSession { which: SessionRef },
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
    /// Asks which accounts there are. `after`: so many have been seen.
    Accounts { after: u64, limit: Option<u32> },
    /// Makes a bot of one's own, or another token for it.
    Bot { name: Cow<'a, str> },
    /// Asks for one's bots.
    Bots,
    /// Ends a bot.
    EndBot { name: Cow<'a, str> },
}

/// Somewhere where one is logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionRef {
    /// What a browser or a program is known by.
    Key(u32),
    /// A connection that has come by a password, by its number.
    Connection(u32),
}

impl SessionRef {
    /// As somebody types it: `7`, or `c7`.
    pub fn parse(typed: &str) -> Option<SessionRef> {
        match typed.strip_prefix(['c', 'C']) {
            Some(number) => number.parse().ok().map(SessionRef::Connection),
            None => typed.parse().ok().map(SessionRef::Key),
        }
    }
}

impl fmt::Display for SessionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionRef::Key(id) => write!(f, "{id}"),
            SessionRef::Connection(number) => write!(f, "c{number}"),
        }
    }
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
            | AccountRequest::EndBot { .. }
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
            | AccountRequest::Confirm { .. }
            | AccountRequest::Accounts { .. }
            | AccountRequest::Bot { .. }
            | AccountRequest::Bots => false,
        }
    }

    /// Whether it changes what is kept: all do that do not only ask.
    pub fn records(&self) -> bool {
        !matches!(
            self,
            AccountRequest::Show
                | AccountRequest::Sessions
                | AccountRequest::Invitations
                | AccountRequest::Accounts { .. }
                | AccountRequest::Bots
        )
    }

    /// Whether its answer may be large.
    pub fn asks_much(&self) -> bool {
        matches!(self, AccountRequest::Accounts { .. })
    }
}

impl<'a> From<AccountRequest<'a>> for Request<'a> {
    fn from(request: AccountRequest<'a>) -> Request<'a> {
        Request::Account(request)
    }
}

pub const RESET: CommandSpec = CommandSpec {
    name: "reset",
    arguments: "NAME",
    help: "make a code by which somebody can set a new password",
    details: "It is good once and for a day: /register CODE NAME. Whoever else is logged in there \
              is not any more, tokens and bots as well. Admins can for members, owners for \
              everybody.",
    parse: |arguments| Some(AccountRequest::Reset { name: word(arguments)? }.into()),
};

pub const ACCOUNTS: CommandSpec = CommandSpec {
    name: "accounts",
    arguments: "[PAGE]",
    help: "list the accounts of this server",
    details: "Admins and owners can. /ban and /unban let an account not be here, and come again.",
    parse: |arguments| {
        Some(AccountRequest::Accounts { after: page(arguments)?, limit: None }.into())
    },
};

pub const DELETE_ACCOUNT: CommandSpec = CommandSpec {
    name: "delete-account",
    arguments: "",
    help: "end your account",
    details: "You are asked for your password. What you have said stays; your name is nobody's \
              for 30 days.",
    parse: |arguments| {
        arguments.is_empty().then_some(AccountRequest::Delete { password: None }.into())
    },
};

pub const BOT: CommandSpec = CommandSpec {
    name: "bot",
    arguments: "NAME",
    help: "make a bot, or another token for one of yours",
    details: "A bot is an account for a program: it has a token, which is shown once, and no \
              password. It ends with yours, and so do all tokens that it had before.",
    parse: |arguments| Some(AccountRequest::Bot { name: word(arguments)? }.into()),
};

pub const BOTS: CommandSpec = CommandSpec {
    name: "bots",
    arguments: "[end NAME]",
    help: "list your bots, or end one",
    details: "",
    parse: |arguments| match arguments {
        "" => Some(AccountRequest::Bots.into()),
        end => {
            let name = end.strip_prefix("end")?.strip_prefix(char::is_whitespace)?.trim();
            Some(AccountRequest::EndBot { name: word(name)? }.into())
        }
    },
};
