//! Requests about accounts. They are rare and have fields of their own, which a message need not be
//! searched for.

use std::borrow::Cow;

use serde::Deserialize;

use super::WholeNumber;
use crate::chat::request::{Request, RequestError};

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
    id: Option<WholeNumber<u64>>,
    uses: Option<WholeNumber<u32>>,
    hours: Option<WholeNumber<u32>>,
    sure: Option<bool>,
}

const TYPES: [&str; 16] = [
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
    Ok(match kind {
        "login" => match raw.token {
            Some(token) => Request::Login { name: None, password: None, token: Some(token) },
            None => Request::Login {
                name: Some(raw.name.ok_or_else(|| need("name"))?),
                password: Some(raw.password.ok_or_else(|| need("password"))?),
                token: None,
            },
        },
        "register" => Request::Register {
            name: raw.name.ok_or_else(|| need("name"))?,
            password: Some(raw.password.ok_or_else(|| need("password"))?),
            code: raw.code,
        },
        "logout" => Request::Logout,
        "password" => Request::Password {
            old: Some(raw.old.ok_or_else(|| need("old"))?),
            new: Some(raw.password.ok_or_else(|| need("password"))?),
        },
        "sessions" => Request::Sessions,
        "end_session" => Request::EndSession {
            id: id.and_then(|id| id.try_into().ok()).ok_or_else(|| need("id"))?,
        },
        "token" => Request::Token { label: raw.label.ok_or_else(|| need("label"))? },
        "cookie" => Request::Cookie { label: raw.label },
        "invite" => {
            let (uses, hours) = (raw.uses.map(|count| count.0), raw.hours.map(|hours| hours.0));
            Request::Invite { uses, hours }
        }
        "invitations" => Request::Invitations,
        "end_invitation" => Request::Uninvite { id: id.ok_or_else(|| need("id"))? },
        "confirm" => Request::Confirm {
            code: raw.code.ok_or_else(|| need("code"))?,
            sure: raw.sure.unwrap_or(false),
        },
        "delete_account" => {
            Request::Delete { password: Some(raw.password.ok_or_else(|| need("password"))?) }
        }
        "role" => Request::Role {
            name: raw.name.ok_or_else(|| need("name"))?,
            role: raw.role.ok_or_else(|| need("role"))?,
        },
        "reset" => Request::Reset { name: raw.name.ok_or_else(|| need("name"))? },
        // "account", as `knows` has it.
        _ => Request::Account,
    })
}
