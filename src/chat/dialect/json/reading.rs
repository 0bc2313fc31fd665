//! Requests about what was read, with fields of their own.

use std::borrow::Cow;

use serde::Deserialize;

use super::WholeNumber;
use crate::chat::request::{ReadingRequest, RequestError};
use crate::chat::state::readings::Level;

/// Every field that such a request can have.
#[derive(Debug, Deserialize)]
struct RawRequest<'a> {
    #[serde(borrow)]
    room: Option<Cow<'a, str>>,
    /// Whose conversation it is about, in place of a room.
    #[serde(borrow)]
    to: Option<Cow<'a, str>>,
    #[serde(borrow)]
    level: Option<Cow<'a, str>>,
    id: Option<WholeNumber<u64>>,
    back: Option<bool>,
}

fn raw(text: &str) -> Result<RawRequest<'_>, RequestError> {
    let mut raw: RawRequest<'_> =
        serde_json::from_str(text).map_err(|error| super::misfit(&error))?;
    if let Some(to) = &raw.to {
        raw.room = Some(format!("@{to}").into());
    }
    Ok(raw)
}

/// Reads a `read`. `need`: the error of a field that is missing.
///
/// # Errors
/// A field is missing, or does not fit.
pub fn read<'a>(
    text: &'a str,
    need: impl Fn(&str) -> RequestError,
) -> Result<ReadingRequest<'a>, RequestError> {
    let RawRequest { room, id, back, .. } = raw(text)?;
    let id = id.ok_or_else(|| need("id"))?.0;
    Ok(ReadingRequest::Read { room, id, back: back.unwrap_or(false) })
}

/// Reads a `level`, in the same way.
///
/// # Errors
/// A field is missing, or does not fit.
pub fn level<'a>(
    text: &'a str,
    need: impl Fn(&str) -> RequestError,
) -> Result<ReadingRequest<'a>, RequestError> {
    let RawRequest { room, level, .. } = raw(text)?;
    let level = Level::parse(&level.ok_or_else(|| need("level"))?).ok_or_else(|| {
        let message = "A level is all, mentions, none or hidden.".to_owned();
        RequestError::new("bad_field", message)
    })?;
    Ok(ReadingRequest::Level { room, level })
}
