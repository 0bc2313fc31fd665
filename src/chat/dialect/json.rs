//! The JSON dialect, `chat.v1.json`: one object a frame. What clients send is read here; what they
//! get is in [`super::output`].

use std::borrow::Cow;

use memchr::memchr;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::chat::request::{Request, RequestError, Resume};
use crate::chat::state::history::MessageKind;

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "chat.v1.json";

/// A `ref` has at most so many bytes: a string without its quotes and escapes, a number as it is
/// written.
const REFERENCE_BYTES_MAX: usize = 64;

/// What a client puts into a request to know its answer again: a number or a string, as it was
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
            [b'"', ..] => serde_json::from_str::<Text>(value.get())
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
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

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
    since: Option<u64>,
    replay: Option<u32>,
    before: Option<u64>,
    after: Option<u64>,
    limit: Option<u32>,
}

/// A request as the chat understands it, with its reference, which an error must carry as well.
pub type Parsed<'a> = (Result<Request<'a>, RequestError>, Option<RequestRef>);

/// The text of a frame, ready for [`parse`]: without byte order marks before it (RFC 8259, 8.1),
/// and with U+FFFD for halves of surrogate pairs. ES2019 writes those as escapes, RFC 8259, 8.2
/// lets them pass, and no string of ours can hold them.
pub fn readable(text: &str) -> Cow<'_, str> {
    let text = text.trim_start_matches('\u{FEFF}');
    let mut mended: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(found) = memchr(b'\\', &text.as_bytes()[at..]) {
        let escape = at + found;
        at = match (unit(text, escape), unit(text, escape + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => escape + 12,
            (Some(0xD800..=0xDFFF), _) => {
                let bytes = mended.get_or_insert_with(|| text.as_bytes().to_vec());
                bytes[escape + 2..escape + 6].copy_from_slice(b"FFFD");
                escape + 6
            }
            // Whatever is escaped begins no escape of its own.
            _ => text.len().min(escape + 2),
        };
    }
    match mended {
        None => Cow::Borrowed(text),
        Some(bytes) => Cow::Owned(String::from_utf8(bytes).expect("ASCII took the place of ASCII")),
    }
}

/// The UTF-16 code unit that is escaped at this place, if one is.
fn unit(text: &str, at: usize) -> Option<u16> {
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
            Ok(reference) => (command(request), reference),
            Err(error) => (Err(error), None),
        },
        Err(error) => {
            let error = match error.is_data() {
                // It quotes the value, which can be as long as a message.
                true => RequestError::new(
                    "bad_field",
                    format!("A field does not fit: {:.200}.", error.to_string()),
                ),
                false => {
                    RequestError::new("bad_json", format!("This is not a JSON object: {error}."))
                }
            };
            (Err(error), salvage(text))
        }
    }
}

/// The reference of an object that is not one, or whose fields do not fit, if it has exactly one
/// that can be read.
fn salvage(text: &str) -> Option<RequestRef> {
    let mut found = None;
    let mut rest = text.trim_start().strip_prefix('{')?;
    while let Some((name, value, after)) = member(rest) {
        if serde_json::from_str::<Text>(name).is_ok_and(|name| name.0 == "ref") {
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
/// strings and brackets are looked at, so that a value that is wrong hides none of those behind it.
fn member(rest: &str) -> Option<(&str, &str, &str)> {
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
    let name = &rest[..string(rest)?];
    let rest = rest[name.len()..].trim_start().strip_prefix(':')?.trim_start();
    let (mut at, mut depth) = (0, 0usize);
    while let Some(byte) = rest.as_bytes().get(at) {
        match byte {
            b'"' => at += string(&rest[at..])? - 1,
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
fn string(text: &str) -> Option<usize> {
    let bytes = text.strip_prefix('"')?.as_bytes();
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        match bytes[at] {
            b'"' => return Some(at + 2),
            _ => at += 2,
        }
    }
}

fn command(request: RawRequest<'_>) -> Result<Request<'_>, RequestError> {
    let RawRequest {
        kind, room, text, to, name, epoch, since, replay, before, after, limit, ..
    } = request;
    let Some(kind) = kind else {
        return Err(RequestError::new(
            "missing_field",
            "An object needs the field \"type\".".to_owned(),
        ));
    };
    let need = |field: &str| {
        let message = format!(
            "The type {} needs the field \"{field}\".",
            crate::chat::text::quote(&kind, 40)
        );
        RequestError::new("missing_field", message)
    };
    Ok(match &*kind {
        "say" => {
            Request::Say { room, text: text.ok_or_else(|| need("text"))?, kind: MessageKind::Said }
        }
        "me" => Request::Say {
            room,
            text: text.ok_or_else(|| need("text"))?,
            kind: MessageKind::Action,
        },
        "msg" => Request::Direct {
            to: to.ok_or_else(|| need("to"))?,
            text: text.ok_or_else(|| need("text"))?,
        },
        "join" => Request::Join {
            room: room.ok_or_else(|| need("room"))?,
            resume: since.map(|since| Resume { since, epoch }),
            replay,
        },
        "leave" => Request::Leave { room },
        "nick" => Request::Nick { name: name.ok_or_else(|| need("name"))? },
        "topic" => Request::Topic { room, text },
        "history" => Request::History { room, before, after, limit },
        "who" => Request::Who { room, after: after.unwrap_or(0), limit },
        "rooms" => Request::Rooms { after: after.unwrap_or(0), limit },
        "typing" => Request::Typing { room },
        _ => {
            let message = format!("There is no type {}.", crate::chat::text::quote(&kind, 40));
            return Err(RequestError::new("unknown_type", message));
        }
    })
}
