//! What clients ask for, typed or as JSON: each request means what a plain reading makes of it.

use std::fmt;

use chat_server::chat::dialect::{json, text};
use chat_server::chat::request::commands::{PAGE, find};
use chat_server::chat::request::{Request, RequestError, Resume};
use chat_server::chat::state::history::MessageKind;
use chat_server::chat::text::is_blank;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::cuts::Cuts;
use super::names::acts;

/// Cuts, then text: as a whole and in pieces it is typed, and sent as JSON.
pub fn run(input: &[u8]) {
    let (cuts, payload) = Cuts::read(input);
    for piece in cuts.pieces(payload).chain([payload]) {
        let text = String::from_utf8_lossy(piece);
        check_typed(&text);
        check_json(&text);
    }
}

fn check_error(error: &RequestError) {
    let RequestError { code, message } = error;
    assert!(!message.contains(acts) && message.len() < 1000, "{}", message.escape_unicode());
    let known = ["bad_json", "bad_field", "missing_field", "unknown_type"];
    assert!(known.contains(code), "{code}");
}

// ---- Typed ----

fn check_typed(line: &str) {
    let parsed = text::parse(line);
    if let Err(error) = &parsed {
        check_error(error);
    }
    let parsed = parsed.map_err(|error| error.code);
    match type_naively(line) {
        Err(ELSEWHERE) => assert_ne!(parsed, Err("unknown_type"), "{line:?}"),
        naive => assert_eq!(parsed, naive, "{line:?}"),
    }
}

/// The plain reading knows such a command, and not its arguments: they have tests of their own.
const ELSEWHERE: &str = "elsewhere";

/// The commands as /help lists them.
fn type_naively(line: &str) -> Result<Request<'_>, &'static str> {
    let line = line.trim_end().trim_start_matches('\u{FEFF}');
    // What nobody sees before a slash is not there.
    let line = match line.find('/') {
        Some(slash)
            if line[..slash]
                .chars()
                .all(|c| is_blank(c) || c.is_control() && !c.is_whitespace()) =>
        {
            &line[slash..]
        }
        _ => line,
    };
    // Nor is a space before a command.
    let bare =
        line.trim_start_matches(|c: char| is_blank(c) || c.is_control() || c.is_whitespace());
    let first = bare.split(char::is_whitespace).next().unwrap_or_default();
    let is_command =
        first.starts_with('/') && !first.starts_with("//") && find(&first[1..]).is_some();
    let line = if is_command { bare } else { line };
    let said = |text: &str| {
        Ok(Request::Say {
            room: None,
            text: text.to_owned().into(),
            kind: MessageKind::Said,
            key: None,
        })
    };
    match line.as_bytes() {
        [] => return Ok(Request::Nothing),
        [b'/', b'/', ..] => return said(&line[1..]),
        [b'/', ..] => {}
        _ => {
            return match line.trim_start().to_ascii_lowercase().as_str() {
                "quit" | "exit" => Ok(Request::Help { about: Some("quit".into()) }),
                "help" | "?" => Ok(Request::Help { about: None }),
                _ => said(line),
            };
        }
    }
    let name = line[1..].split(char::is_whitespace).next().unwrap_or_default();
    let arguments = line[1 + name.len()..].trim();
    let words: Vec<&str> = arguments.split_whitespace().collect();
    let some = (!arguments.is_empty()).then(|| arguments.into());
    let page = |number: &str| match number.parse() {
        Ok(page @ 1..=u32::MAX) => Ok((u64::from(page) - 1) * PAGE),
        _ => Err("missing_field"),
    };
    let name = find(name).map_or("", |spec| spec.name);
    Ok(match (name, &words[..]) {
        ("help", _) => Request::Help { about: some },
        ("nick", [name]) => Request::Nick { name: (*name).into() },
        ("join", [room]) => {
            Request::Join { room: (*room).into(), code: None, resume: None, replay: None }
        }
        ("join", [room, code]) => {
            let (room, code) = ((*room).into(), Some((*code).into()));
            Request::Join { room, code, resume: None, replay: None }
        }
        ("leave", _) => Request::Leave { room: some },
        ("rooms", []) => Request::Rooms { after: 0, limit: None },
        ("rooms", [number]) => Request::Rooms { after: page(number)?, limit: None },
        ("who", []) => Request::Who { room: None, name: None, after: 0, limit: None },
        ("who", [number]) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
            Request::Who { room: None, name: None, after: page(number)?, limit: None }
        }
        ("who", [room]) => {
            Request::Who { room: Some((*room).into()), name: None, after: 0, limit: None }
        }
        ("who", [room, number]) => Request::Who {
            room: Some((*room).into()),
            name: None,
            after: page(number)?,
            limit: None,
        },
        ("topic", ["-"]) => Request::Topic { room: None, text: Some("".into()) },
        ("topic", _) => Request::Topic { room: None, text: some },
        ("msg", [room, _, ..]) if room.starts_with(['#', '＃']) => Request::Say {
            room: Some((*room).into()),
            text: arguments[room.len()..].trim().into(),
            kind: MessageKind::Said,
            key: None,
        },
        ("msg", [to, _, ..]) => Request::Direct {
            to: (*to).into(),
            text: arguments[to.len()..].trim().into(),
            key: None,
        },
        ("me", [_, ..]) => Request::Say {
            room: None,
            text: arguments.into(),
            kind: MessageKind::Action,
            key: None,
        },
        ("history", [name, ..]) if name.starts_with('@') => return Err(ELSEWHERE),
        ("history", []) => Request::History { room: None, before: None, after: None, limit: None },
        ("history", [number]) => match number.parse() {
            Ok(limit @ 1..) => {
                Request::History { room: None, before: None, after: None, limit: Some(limit) }
            }
            _ => return Err("missing_field"),
        },
        ("search", _) => Request::Search { text: some, room: None, before: None, limit: None },
        ("quit", _) => Request::Quit { reason: some },
        ("nick" | "join" | "rooms" | "who" | "msg" | "me" | "history", _) => {
            return Err("missing_field");
        }
        ("", _) => return Err("unknown_type"),
        _ => return Err(ELSEWHERE),
    })
}

// ---- JSON ----

fn check_json(text: &str) {
    let repaired = json::repair(text);
    assert!(!repaired.starts_with('\u{FEFF}'));
    assert_eq!(json::repair(&repaired), repaired, "what is repaired needs no more repair");
    let is_object = serde_json::from_str::<Value>(text).is_ok();
    assert!(!is_object || repaired == text, "an object that can be read stays as it is: {text}");
    let error = serde_json::from_str::<Value>(&repaired)
        .map_or_else(|error| error.to_string(), |_| String::new());
    assert!(!error.contains("surrogate"), "{repaired}: {error}");
    check_object(&repaired);
}

fn check_object(text: &str) {
    let (parsed, reference) = json::parse(text);
    if let Err(error) = &parsed {
        check_error(error);
    }
    let reference =
        reference.map(|reference| serde_json::to_string(&reference).expect("a number or a string"));
    if let Some(reference) = &reference {
        assert!(text.contains(reference), "{reference} comes back as it was written");
        assert!(is_reference(reference), "{reference}");
    }
    match serde_json::from_str::<Fields>(text) {
        Ok(fields) => {
            let expected = ask_naively(&fields);
            assert_eq!((parsed.map_err(|error| error.code), reference), expected, "{text}");
        }
        // Unknown fields are passed over with less of a look: a number in one may be out of all
        // range.
        Err(error) if parsed.is_ok() => {
            assert!(text.trim_start().starts_with('{'), "{text}: {error}")
        }
        Err(_) => {}
    }
}

/// Whether this is a number or a string that is no longer than it may be.
fn is_reference(written: &str) -> bool {
    match serde_json::from_str::<Value>(written) {
        Ok(Value::String(text)) => text.len() <= 64,
        Ok(Value::Number(_)) => written.len() <= 64,
        // Out of all range, and written well.
        Err(_) => {
            written.starts_with(['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
                && written.len() <= 64
        }
        _ => false,
    }
}

/// The fields of an object as they come, the same name more than once.
struct Fields(Vec<(String, Value, String)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fields, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields, M::Error> {
                let mut fields = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    let read = serde_json::from_str(value.get()).map_err(M::Error::custom)?;
                    fields.push((name, read, value.get().to_owned()));
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

const KNOWN: [&str; 14] = [
    "type", "ref", "room", "text", "to", "name", "epoch", "since", "replay", "before", "after",
    "limit", "key", "code",
];

impl Fields {
    /// The value of a field; `Null` if it is not there.
    fn get(&self, wanted: &str) -> &Value {
        self.0.iter().find(|(name, ..)| name == wanted).map_or(&Value::Null, |(_, value, _)| value)
    }

    fn text(&self, field: &str) -> Option<String> {
        self.get(field).as_str().map(str::to_owned)
    }

    fn number(&self, field: &str) -> Option<u64> {
        self.get(field).as_u64()
    }

    fn small(&self, field: &str) -> Option<u32> {
        self.number(field).map(|number| u32::try_from(number).expect("it was looked at"))
    }

    fn is_twice(&self, field: &str) -> bool {
        self.0.iter().filter(|(name, ..)| name == field).count() > 1
    }

    /// Whether every field that is known is there once, with a value of its kind.
    fn fit(&self) -> bool {
        KNOWN.iter().all(|&field| {
            let value = self.get(field);
            let fits = match field {
                "ref" => is_reference(&self.written("ref")),
                "since" | "before" | "after" => value.is_u64(),
                "replay" | "limit" => {
                    value.as_u64().is_some_and(|number| number <= u64::from(u32::MAX))
                }
                "key" => value.as_str().is_some_and(|key| (1..=32).contains(&key.len())),
                _ => value.is_string(),
            };
            (fits || value.is_null()) && !self.is_twice(field)
        })
    }

    /// The reference with which the answer comes back.
    fn reference(&self) -> Option<String> {
        let reference = self.written("ref");
        (is_reference(&reference) && !self.is_twice("ref")).then_some(reference)
    }

    fn written(&self, wanted: &str) -> String {
        self.0
            .iter()
            .find(|(name, ..)| name == wanted)
            .map_or_else(|| "null".to_owned(), |(.., written)| written.clone())
    }
}

/// A request as docs/protocol.md has it.
fn ask_naively(fields: &Fields) -> (Result<Request<'static>, &'static str>, Option<String>) {
    let reference = fields.reference();
    if !fields.fit() {
        return (Err("bad_field"), reference);
    }
    (request_naively(fields), reference)
}

fn request_naively(fields: &Fields) -> Result<Request<'static>, &'static str> {
    const MISSING: &str = "missing_field";
    let need = |field: &str| fields.text(field).map(Into::into).ok_or(MISSING);
    let (room, key) = (fields.text("room").map(Into::into), fields.text("key").map(Into::into));
    Ok(match fields.text("type").ok_or(MISSING)?.as_str() {
        "say" => Request::Say { room, text: need("text")?, kind: MessageKind::Said, key },
        "me" => Request::Say { room, text: need("text")?, kind: MessageKind::Action, key },
        "msg" => Request::Direct { to: need("to")?, text: need("text")?, key },
        "join" => {
            let epoch = fields.text("epoch").map(Into::into);
            let resume = fields.number("since").map(|since| Resume { since, epoch });
            let (code, replay) = (fields.text("code").map(Into::into), fields.small("replay"));
            Request::Join { room: room.ok_or(MISSING)?, code, resume, replay }
        }
        "leave" => Request::Leave { room },
        "nick" => Request::Nick { name: need("name")? },
        "topic" => Request::Topic { room, text: need("text").ok() },
        "history" => {
            let (before, after) = (fields.number("before"), fields.number("after"));
            Request::History { room, before, after, limit: fields.small("limit") }
        }
        "who" => Request::Who {
            room,
            name: need("name").ok(),
            after: fields.number("after").unwrap_or(0),
            limit: fields.small("limit"),
        },
        "rooms" => Request::Rooms {
            after: fields.number("after").unwrap_or(0),
            limit: fields.small("limit"),
        },
        "search" => Request::Search {
            room,
            text: Some(need("text")?),
            before: fields.number("before"),
            limit: fields.small("limit"),
        },
        "typing" => Request::Typing { room },
        _ => return Err("unknown_type"),
    })
}
