//! Requests about rooms that are kept for somebody. They are rare, and have fields of their own.

use std::borrow::Cow;

use serde::Deserialize;

use super::WholeNumber;
use crate::chat::request::{RequestError, RoomRequest, SettingsChange};

/// Every field that such a request can have; each type takes some of them.
#[derive(Debug, Deserialize)]
struct RawRequest<'a> {
    #[serde(borrow)]
    room: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    reason: Option<Cow<'a, str>>,
    #[serde(borrow)]
    entry: Option<Cow<'a, str>>,
    #[serde(borrow)]
    newcomers_see: Option<Cow<'a, str>>,
    #[serde(borrow)]
    posting: Option<Cow<'a, str>>,
    #[serde(borrow)]
    invites: Option<Cow<'a, str>>,
    listed: Option<bool>,
    archived: Option<bool>,
    minutes: Option<WholeNumber<u32>>,
}

const TYPES: [&str; 10] = [
    "room",
    "room_name",
    "delete_room",
    "keep",
    "admit",
    "refuse",
    "kick",
    "hook",
    "hooks",
    "end_hook",
];

/// Whether this is a type of request about rooms.
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
) -> Result<RoomRequest<'a>, RequestError> {
    let raw: RawRequest<'a> = serde_json::from_str(text).map_err(|error| super::misfit(&error))?;
    let RawRequest { room, name, .. } = raw;
    let named = || name.ok_or_else(|| need("name"));
    Ok(match kind {
        "room_name" => RoomRequest::Rename { room, name: named()? },
        "delete_room" => {
            RoomRequest::Delete { room: room.ok_or_else(|| need("room"))?, name: named()? }
        }
        "keep" => RoomRequest::Keep { room },
        "admit" => RoomRequest::Admit { room, name: named()? },
        "refuse" => RoomRequest::Refuse { room, name: named()? },
        "hook" => RoomRequest::Hook { room, name: named()? },
        "hooks" => RoomRequest::Hooks { room },
        "end_hook" => RoomRequest::EndHook { room, name: named()? },
        "kick" => RoomRequest::Kick {
            room,
            name: named()?,
            minutes: raw.minutes.map(|minutes| minutes.0),
            reason: raw.reason,
        },
        // "room", as `knows` has it.
        _ => {
            let changes = SettingsChange {
                entry: raw.entry,
                is_listed: raw.listed,
                newcomers_see: raw.newcomers_see,
                posting: raw.posting,
                invites: raw.invites,
                is_archived: raw.archived,
            };
            RoomRequest::Settings { room, changes }
        }
    })
}
