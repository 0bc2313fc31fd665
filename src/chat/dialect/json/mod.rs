//! The JSON dialect, `chat.v1.json`: one object a frame. The fields of what is sent are those of
//! [`super::reply`].

mod order;
mod people;
mod reading;
mod rooms;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use memchr::{memchr, memchr2};
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Parsed;
use super::reply::Reply;
use super::text::ByteCount;
use crate::chat::request::{
    ConversationRequest, PeopleRequest, ReadingRequest, Request, RequestError, Resume,
};
use crate::chat::state::history::MessageKind;
use crate::chat::text::quote;
use crate::delivery::encoding::{Encoder, FrameKind};

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "chat.v1.json";

/// Messages in one answer to `history` that does not say how many.
pub const HISTORY_DEFAULT: u32 = 50;
/// Messages in one answer to `history`, and in one frame of a replay.
pub const HISTORY_MAX: u32 = 100;

/// Messages in one answer to `search` that does not say how many.
pub const SEARCH_DEFAULT: u32 = 20;
/// Messages in one answer to `search`.
pub const SEARCH_MAX: u32 = 50;

/// A `ref` has at most so many bytes: a string without its quotes and escapes, a number as it is
/// written.
const REFERENCE_BYTES_MAX: usize = 64;

/// A `key` has at most so many bytes.
pub const KEY_BYTES_MAX: usize = 32;

/// What a client puts into a request to recognize its answer by: a number or a string, as it was
/// written.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct RequestRef(Box<RawValue>);

impl PartialEq for RequestRef {
    fn eq(&self, other: &RequestRef) -> bool {
        self.0.get() == other.0.get()
    }
}

impl RequestRef {
    fn read(value: &RawValue) -> Result<RequestRef, RequestError> {
        let fits = match value.get().as_bytes() {
            [b'"', ..] => serde_json::from_str::<Borrowed>(value.get())
                .is_ok_and(|text| text.0.len() <= REFERENCE_BYTES_MAX),
            [b'-' | b'0'..=b'9', ..] => value.get().len() <= REFERENCE_BYTES_MAX,
            _ => false,
        };
        if fits {
            return Ok(RequestRef(value.to_owned()));
        }
        let message =
            format!("A ref is a number or a string of at most {REFERENCE_BYTES_MAX} bytes.");
        Err(RequestError::new("bad_field", message))
    }
}

/// A string, borrowed if it has no escapes.
#[derive(Debug, Deserialize)]
struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);

/// Every field that a request can have; each type takes some of them.
#[derive(Debug, Deserialize)]
struct RawRequest<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "ref")]
    reference: Option<&'a RawValue>,
    #[serde(borrow)]
    room: Option<Cow<'a, str>>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    to: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    epoch: Option<Cow<'a, str>>,
    #[serde(borrow)]
    key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
    since: Option<WholeNumber<u64>>,
    replay: Option<WholeNumber<u32>>,
    before: Option<WholeNumber<u64>>,
    after: Option<WholeNumber<u64>>,
    limit: Option<WholeNumber<u32>>,
}

/// A number whose error says in plain words what it has to be: serde would speak of `u64`.
#[derive(Debug)]
struct WholeNumber<N>(N);

trait Unsigned: TryFrom<u64> {
    const MAX: u64;
}

impl Unsigned for u32 {
    const MAX: u64 = u32::MAX as u64;
}

impl Unsigned for u64 {
    const MAX: u64 = u64::MAX;
}

impl<'de, N: Unsigned> Deserialize<'de> for WholeNumber<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WholeNumber<N>, D::Error> {
        deserializer.deserialize_u64(WholeNumberVisitor(PhantomData))
    }
}

struct WholeNumberVisitor<N>(PhantomData<N>);

impl<N: Unsigned> Visitor<'_> for WholeNumberVisitor<N> {
    type Value = WholeNumber<N>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "a whole number from 0 to {}", N::MAX)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<WholeNumber<N>, E> {
        N::try_from(number)
            .map(WholeNumber)
            .map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<WholeNumber<N>, E> {
        Err(E::invalid_value(Unexpected::Signed(number), &self))
    }
}

/// The text of a frame, ready for [`parse`]: without byte order marks before it (RFC 8259, 8.1),
/// and with U+FFFD for halves of surrogate pairs. JavaScript writes those as escapes (ES2019),
/// RFC 8259, 8.2 allows them, and no string in Rust can hold them.
pub fn repair(text: &str) -> Cow<'_, str> {
    let text = text.trim_start_matches('\u{FEFF}');
    let mut repaired: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(found) = memchr(b'\\', &text.as_bytes()[at..]) {
        let escape = at + found;
        at = match (escaped_unit(text, escape), escaped_unit(text, escape + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => escape + 12,
            (Some(0xD800..=0xDFFF), _) => {
                let bytes = repaired.get_or_insert_with(|| text.as_bytes().to_vec());
                bytes[escape + 2..escape + 6].copy_from_slice(b"FFFD");
                escape + 6
            }
            // An escaped character does not begin another escape.
            _ => text.len().min(escape + 2),
        };
    }
    match repaired {
        None => Cow::Borrowed(text),
        Some(bytes) => Cow::Owned(String::from_utf8(bytes).expect("ASCII took the place of ASCII")),
    }
}

/// The UTF-16 code unit that is escaped at this place, if one is.
fn escaped_unit(text: &str, at: usize) -> Option<u16> {
    let digits = text.as_bytes().get(at..at + 6)?.strip_prefix(b"\\u")?;
    // A sign is no digit.
    digits
        .iter()
        .all(u8::is_ascii_hexdigit)
        .then(|| u16::from_str_radix(&text[at + 2..at + 6], 16).ok())?
}

/// Reads one request.
pub fn parse(text: &str) -> Parsed<'_> {
    // An array would be taken for the values of an object's fields.
    if !text.trim_start().starts_with('{') {
        return (Err(RequestError::new("bad_json", "This is not a JSON object.".to_owned())), None);
    }
    match serde_json::from_str::<RawRequest>(text) {
        Ok(request) => match request.reference.map(RequestRef::read).transpose() {
            Ok(reference) => {
                (check_key(&request).and_then(|()| to_request(text, request)), reference)
            }
            Err(error) => (Err(error), None),
        },
        Err(error) => {
            let error = match error.is_data() {
                true => misfit(&error),
                false => {
                    RequestError::new("bad_json", format!("This is not a JSON object: {error}."))
                }
            };
            (Err(error), salvage_reference(text))
        }
    }
}

/// A field has a value that is of no use. The error quotes it, and it can be as long as a message.
fn misfit(error: &serde_json::Error) -> RequestError {
    let message = format!("A field does not fit: {:.200}.", error.to_string());
    RequestError::new("bad_field", message)
}

/// The reference of a broken object, or of one whose fields do not fit, if it has exactly one that
/// can be read.
fn salvage_reference(text: &str) -> Option<RequestRef> {
    let mut found = None;
    let mut rest = text.trim_start().strip_prefix('{')?;
    while let Some((name, value, after)) = next_member(rest) {
        if serde_json::from_str::<Borrowed>(name).is_ok_and(|name| name.0 == "ref") {
            let value = serde_json::from_str::<&RawValue>(value)
                .ok()
                .and_then(|value| RequestRef::read(value).ok());
            if found.replace(value).is_some() {
                return None;
            }
        }
        rest = after;
    }
    found.flatten()
}

/// The first member of what is left of an object: its name, its value, and what follows. Only
/// strings and brackets are read, so that a wrong value does not hide the members after it.
fn next_member(rest: &str) -> Option<(&str, &str, &str)> {
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
    let name = &rest[..string_bytes(rest)?];
    let rest = rest[name.len()..].trim_start().strip_prefix(':')?.trim_start();
    let (mut at, mut depth) = (0, 0usize);
    while let Some(byte) = rest.as_bytes().get(at) {
        match byte {
            b'"' => at += string_bytes(&rest[at..])? - 1,
            b'{' | b'[' => depth += 1,
            b',' | b'}' | b']' if depth == 0 => break,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    Some((name, rest[..at].trim_end(), &rest[at..]))
}

/// The length of the string that begins here, with its quotes.
fn string_bytes(text: &str) -> Option<usize> {
    let bytes = text.strip_prefix('"')?.as_bytes();
    let mut at = 0;
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        match bytes[at] {
            b'"' => return Some(at + 2),
            _ => at += 2,
        }
    }
}

fn check_key(request: &RawRequest<'_>) -> Result<(), RequestError> {
    let fits = |key: &Cow<'_, str>| (1..=KEY_BYTES_MAX).contains(&key.len());
    if request.key.as_ref().is_none_or(fits) {
        return Ok(());
    }
    let message = format!("A key has from 1 to {KEY_BYTES_MAX} bytes.");
    Err(RequestError::new("bad_field", message))
}

fn to_request<'a>(text_of: &'a str, request: RawRequest<'a>) -> Result<Request<'a>, RequestError> {
    let RawRequest {
        kind,
        room,
        text,
        to,
        name,
        epoch,
        key,
        code,
        since,
        replay,
        before,
        after,
        limit,
        ..
    } = request;
    let (since, before) = (since.map(|id| id.0), before.map(|id| id.0));
    let (replay, limit) = (replay.map(|count| count.0), limit.map(|count| count.0));
    let after = after.map(|place| place.0);
    let kind = kind.ok_or_else(without_type)?;
    let need = |field: &str| {
        let message = format!("The type {} needs the field \"{field}\".", quote(&kind, 40));
        RequestError::new("missing_field", message)
    };
    Ok(match &*kind {
        "say" => said(room, text.ok_or_else(|| need("text"))?, MessageKind::Said, key),
        "me" => said(room, text.ok_or_else(|| need("text"))?, MessageKind::Action, key),
        "msg" => Request::Direct {
            to: to.ok_or_else(|| need("to"))?,
            text: text.ok_or_else(|| need("text"))?,
            key,
        },
        "join" => {
            let resume = since.map(|since| Resume { since, epoch });
            Request::Join { room: room.ok_or_else(|| need("room"))?, code, resume, replay }
        }
        "leave" => Request::Leave { room },
        "nick" => Request::Nick { name: name.ok_or_else(|| need("name"))? },
        "topic" => Request::Topic { room, text },
        "history" => history(room, to, (before, after), limit),
        "conversations" => ConversationRequest::List { after: after.unwrap_or(0), limit }.into(),
        "who" => Request::Who { room, name, after: after.unwrap_or(0), limit },
        "rooms" => Request::Rooms { after: after.unwrap_or(0), limit },
        "search" => {
            let room = room.or_else(|| to.map(|name| Cow::Owned(format!("@{name}"))));
            Request::Search { text: Some(text.ok_or_else(|| need("text"))?), room, before, limit }
        }
        "typing" => Request::Typing { room },
        "away" => PeopleRequest::Away { text: Some(text.unwrap_or_default()) }.into(),
        "back" => PeopleRequest::Back.into(),
        "whois" => PeopleRequest::Whois { name: name.ok_or_else(|| need("name"))? }.into(),
        "read" => reading::read(text_of, need)?.into(),
        "unread" => ReadingRequest::Unread.into(),
        "level" => reading::level(text_of, need)?.into(),
        kind => return rare(text_of, kind, need),
    })
}

/// A request of those that have fields of their own.
fn rare<'a>(
    text: &'a str,
    kind: &str,
    need: impl Fn(&str) -> RequestError,
) -> Result<Request<'a>, RequestError> {
    if people::knows(kind) {
        return people::parse(text, kind, need);
    }
    if rooms::knows(kind) {
        return rooms::parse(text, kind, need).map(Request::from);
    }
    if order::knows(kind) {
        return order::parse(text, kind, need).map(Request::from);
    }
    let message = format!("There is no type {}.", quote(kind, 40));
    Err(RequestError::new("unknown_type", message))
}

/// Of a room, or of what was said to somebody.
fn history<'a>(
    room: Option<Cow<'a, str>>,
    to: Option<Cow<'a, str>>,
    (before, after): (Option<u64>, Option<u64>),
    limit: Option<u32>,
) -> Request<'a> {
    match to.filter(|_| room.is_none()) {
        None => Request::History { room, before, after, limit },
        Some(with) => ConversationRequest::History { with, before, after, limit }.into(),
    }
}

fn without_type() -> RequestError {
    RequestError::new("missing_field", "An object needs the field \"type\".".to_owned())
}

fn said<'a>(
    room: Option<Cow<'a, str>>,
    text: Cow<'a, str>,
    kind: MessageKind,
    key: Option<Cow<'a, str>>,
) -> Request<'a> {
    Request::Say { room, text, kind, key }
}

/// Appends a reply as one object.
pub fn render(to: &mut Encoder, reply: &Reply) {
    to.message(FrameKind::Text, |buffer| {
        serde_json::to_writer(buffer, reply).expect("strings and numbers always serialize");
    });
}

/// How many bytes this is as JSON.
pub fn bytes_of(value: &impl Serialize) -> usize {
    let mut count = ByteCount::default();
    serde_json::to_writer(&mut count, value).expect("strings and numbers always serialize");
    count.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_does_not_fit_is_explained_in_plain_words() {
        for (field, value, expected) in [
            (
                "since",
                "\"7\"",
                "string \"7\", expected a whole number from 0 to 18446744073709551615",
            ),
            (
                "before",
                "-1",
                "integer `-1`, expected a whole number from 0 to 18446744073709551615",
            ),
            ("after", "1.5", "floating point `1.5`, expected a whole number from 0 to"),
            ("limit", "true", "boolean `true`, expected a whole number from 0 to 4294967295"),
            ("replay", "4294967296", "`4294967296`, expected a whole number from 0 to 4294967295"),
        ] {
            let text = format!("{{\"type\":\"history\",\"{field}\":{value}}}");
            let error = parse(&text).0.expect_err(field);
            assert_eq!(error.code, "bad_field");
            assert!(error.message.contains(expected), "{field}: {}", error.message);
        }
        let largest = format!("{{\"type\":\"history\",\"before\":{},\"limit\":null}}", u64::MAX);
        let request =
            Request::History { room: None, before: Some(u64::MAX), after: None, limit: None };
        assert_eq!(parse(&largest).0, Ok(request));
    }
}
