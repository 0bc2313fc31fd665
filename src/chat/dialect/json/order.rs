//! Requests about order. They are rare and have fields of their own, as those about accounts.

use std::borrow::Cow;

use serde::Deserialize;

use super::WholeNumber;
use crate::chat::request::order::{Which, Whom};
use crate::chat::request::{OrderRequest, RequestError};
use crate::chat::text::quote;

/// Every field that such a request can have; each type takes some of them.
#[derive(Debug, Deserialize)]
struct RawRequest<'a> {
    #[serde(borrow)]
    room: Option<Cow<'a, str>>,
    /// Whose conversation it is about, in place of a room.
    #[serde(borrow)]
    to: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    address: Option<Cow<'a, str>>,
    #[serde(borrow)]
    reason: Option<Cow<'a, str>>,
    minutes: Option<WholeNumber<u32>>,
    id: Option<WholeNumber<u64>>,
    after: Option<WholeNumber<u64>>,
    before: Option<WholeNumber<u64>>,
    limit: Option<WholeNumber<u32>>,
}

const TYPES: [&str; 11] = [
    "ban",
    "unban",
    "bans",
    "mute",
    "unmute",
    "ignore",
    "unignore",
    "ignored",
    "report",
    "delete",
    "deletions",
];

/// Whether this is a type of request about order.
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
) -> Result<OrderRequest<'a>, RequestError> {
    let raw: RawRequest<'a> = serde_json::from_str(text).map_err(|error| super::misfit(&error))?;
    let RawRequest { room, to, name, address, reason, minutes, id, after, before, limit } = raw;
    let minutes = minutes.map(|minutes| minutes.0);
    let name = name.ok_or_else(|| need("name"));
    Ok(match kind {
        "ban" => OrderRequest::Ban { whom: whom(name, address)?, minutes, reason },
        "unban" => OrderRequest::Unban { whom: whom(name, address)? },
        "bans" => OrderRequest::Bans {
            after: after.map_or(0, |after| after.0),
            limit: limit.map(|limit| limit.0),
        },
        "mute" => OrderRequest::Mute { room, name: name?, minutes, reason },
        "unmute" => OrderRequest::Unmute { room, name: name? },
        "ignore" => OrderRequest::Ignore { name: name? },
        "unignore" => OrderRequest::Unignore { name: name? },
        "report" => {
            let which = Which::Id(id.ok_or_else(|| need("id"))?.0);
            OrderRequest::Report { room: place(to, room), which, reason }
        }
        "delete" => {
            let which = Some(Which::Id(id.ok_or_else(|| need("id"))?.0));
            OrderRequest::DeleteMessage { room: place(to, room), which }
        }
        "deletions" => OrderRequest::Deletions {
            room: place(to, room),
            after: after.map_or(0, |after| after.0),
            before: before.map(|before| before.0),
        },
        // "ignored", as `knows` has it.
        _ => OrderRequest::Ignored,
    })
}

fn whom<'a>(
    name: Result<Cow<'a, str>, RequestError>,
    address: Option<Cow<'a, str>>,
) -> Result<Whom<'a>, RequestError> {
    let Some(address) = address else { return name.map(Whom::Name) };
    address.parse().map(Whom::Address).map_err(|_| {
        let message = format!("{} is no address.", quote(&address, 40));
        RequestError::new("bad_field", message)
    })
}

/// Where a message is: in a conversation, or in a room.
fn place<'a>(to: Option<Cow<'a, str>>, room: Option<Cow<'a, str>>) -> Option<Cow<'a, str>> {
    to.map(|name| format!("@{name}").into()).or(room)
}
