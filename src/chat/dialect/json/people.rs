//! Requests about accounts. They are rare and have fields of their own, which a message need not be
//! searched for.

use std::borrow::Cow;

use serde::Deserialize;

use super::{Borrowed, WholeNumber};
use crate::chat::request::{AccountRequest, Request, RequestError, RoomRequest, SessionRef};

/// Every field that such a request can have; each type takes some of them.
#[derive(Debug, Deserialize)]
struct RawRequest<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    password: Option<Cow<'a, str>>,
    #[serde(borrow)]
    old: Option<Cow<'a, str>>,
    #[serde(borrow)]
    token: Option<Cow<'a, str>>,
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
    #[serde(borrow)]
    label: Option<Cow<'a, str>>,
    #[serde(borrow)]
    role: Option<Cow<'a, str>>,
    #[serde(borrow)]
    room: Option<Cow<'a, str>>,
    id: Option<WholeNumber<u64>>,
    connection: Option<WholeNumber<u32>>,
    uses: Option<WholeNumber<u32>>,
    hours: Option<WholeNumber<u32>>,
    sure: Option<bool>,
    #[serde(borrow)]
    rooms: Option<Vec<Borrowed<'a>>>,
    accounts: Option<bool>,
    after: Option<WholeNumber<u64>>,
    limit: Option<WholeNumber<u32>>,
}

const TYPES: [&str; 20] = [
    "login",
    "register",
    "logout",
    "account",
    "password",
    "sessions",
    "end_session",
    "token",
    "cookie",
    "invite",
    "invitations",
    "end_invitation",
    "confirm",
    "delete_account",
    "role",
    "reset",
    "accounts",
    "bot",
    "bots",
    "end_bot",
];

/// Whether this is a type of request about accounts.
pub fn knows(kind: &str) -> bool {
    TYPES.contains(&kind)
}

/// Reads one whose type is known. `need`: the error of a field that is missing.
///
/// # Errors
/// A field is missing, or does not fit.
pub fn parse<'a>(
    text: &'a str,
    kind: &str,
    need: impl Fn(&str) -> RequestError,
) -> Result<Request<'a>, RequestError> {
    let raw: RawRequest<'a> = serde_json::from_str(text).map_err(|error| super::misfit(&error))?;
    let id = raw.id.map(|id| id.0);
    let (after, limit) = (raw.after.map_or(0, |after| after.0), raw.limit.map(|limit| limit.0));
    let request = match kind {
        "bot" | "bots" | "end_bot" => of_bots(kind, raw.name.ok_or_else(|| need("name")))?,
        "login" => match raw.token {
            Some(token) => AccountRequest::Login { name: None, password: None, token: Some(token) },
            None => AccountRequest::Login {
                name: Some(raw.name.ok_or_else(|| need("name"))?),
                password: Some(raw.password.ok_or_else(|| need("password"))?),
                token: None,
            },
        },
        "register" => AccountRequest::Register {
            name: raw.name.ok_or_else(|| need("name"))?,
            password: Some(raw.password.ok_or_else(|| need("password"))?),
            code: raw.code,
        },
        "logout" => AccountRequest::Logout,
        "password" => AccountRequest::Password {
            old: Some(raw.old.ok_or_else(|| need("old"))?),
            new: Some(raw.password.ok_or_else(|| need("password"))?),
        },
        "sessions" => AccountRequest::Sessions,
        "end_session" => {
            let which = session_of(id, raw.connection).ok_or_else(|| need("id"))?;
            AccountRequest::EndSession { which }
        }
        "token" => AccountRequest::Token { label: raw.label.ok_or_else(|| need("label"))? },
        "cookie" => AccountRequest::Cookie { label: raw.label },
        "invite" => {
            let (uses, hours) = (raw.uses.map(|count| count.0), raw.hours.map(|hours| hours.0));
            let rooms = raw.rooms.unwrap_or_default().into_iter().map(|room| room.0).collect();
            AccountRequest::Invite { uses, hours, rooms, accounts: raw.accounts }
        }
        "invitations" => AccountRequest::Invitations,
        "end_invitation" => AccountRequest::Uninvite { id: id.ok_or_else(|| need("id"))? },
        "confirm" => AccountRequest::Confirm {
            code: raw.code.ok_or_else(|| need("code"))?,
            sure: raw.sure.unwrap_or(false),
        },
        "delete_account" => {
            AccountRequest::Delete { password: Some(raw.password.ok_or_else(|| need("password"))?) }
        }
        "role" => {
            let (name, role) = (raw.name.ok_or_else(|| need("name"))?, raw.role);
            return Ok(role_of(name, role.ok_or_else(|| need("role"))?, raw.room));
        }
        "reset" => AccountRequest::Reset { name: raw.name.ok_or_else(|| need("name"))? },
        "accounts" => AccountRequest::Accounts { after, limit },
        // "account", as `knows` has it.
        _ => AccountRequest::Show,
    };
    Ok(request.into())
}

/// Where somebody is logged in.
fn session_of(id: Option<u64>, connection: Option<WholeNumber<u32>>) -> Option<SessionRef> {
    let key = id.and_then(|id| id.try_into().ok()).map(SessionRef::Key);
    key.or(connection.map(|number| SessionRef::Connection(number.0)))
}

fn of_bots<'a>(
    kind: &str,
    name: Result<Cow<'a, str>, RequestError>,
) -> Result<AccountRequest<'a>, RequestError> {
    Ok(match kind {
        "bot" => AccountRequest::Bot { name: name? },
        "end_bot" => AccountRequest::EndBot { name: name? },
        _ => AccountRequest::Bots,
    })
}

/// What somebody may do on this server, or in a room.
fn role_of<'a>(name: Cow<'a, str>, role: Cow<'a, str>, room: Option<Cow<'a, str>>) -> Request<'a> {
    match room {
        None => AccountRequest::Role { name, role }.into(),
        Some(room) => RoomRequest::Role { room: Some(room), name, role }.into(),
    }
}
