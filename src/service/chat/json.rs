//! The JSON dialect, `chat.v1.json`: one object a frame. What clients send is read here; what they get is in
//! [`super::output`].

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::command::{Command, Complaint, Resume};
use super::history::Kind;

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "chat.v1.json";

/// A `ref` has at most so many bytes.
const REFERENCE_BYTES_MAX: usize = 64;

/// What a client puts into a request to know its answer again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reference {
    Number(serde_json::Number),
    Text(Box<str>),
}

impl Reference {
    fn fits(&self) -> bool {
        match self {
            Reference::Number(_) => true,
            Reference::Text(text) => text.len() <= REFERENCE_BYTES_MAX,
        }
    }
}

/// Every field that a request can have; each type takes some of them.
#[derive(Debug, Deserialize)]
struct Request<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(rename = "ref")]
    reference: Option<Reference>,
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

/// What there is to read in a request whose fields do not fit.
#[derive(Debug, Deserialize)]
struct Referring {
    #[serde(rename = "ref")]
    reference: Option<Reference>,
}

/// A request as the chat understands it, with its reference, which an error must carry as well.
pub type Parsed<'a> = (Result<Command<'a>, Complaint>, Option<Reference>);

/// Reads one request.
pub fn parse(text: &str) -> Parsed<'_> {
    // An array would be taken for the values of an object's fields.
    if !text.trim_start().starts_with('{') {
        return (Err(Complaint::new("bad_json", "This is not a JSON object.".to_owned())), None);
    }
    match serde_json::from_str::<Request>(text) {
        Err(error) if error.is_data() => {
            // It quotes the value, which can be as long as a message.
            let message = format!("A field does not fit: {:.200}.", error.to_string());
            let referring = serde_json::from_str::<Referring>(text).ok();
            (Err(Complaint::new("bad_field", message)), referring.and_then(|it| it.reference).filter(Reference::fits))
        }
        Err(error) => (Err(Complaint::new("bad_json", format!("This is not a JSON object: {error}."))), None),
        Ok(Request { reference: Some(reference), .. }) if !reference.fits() => {
            let message = format!("A ref has at most {REFERENCE_BYTES_MAX} bytes.");
            (Err(Complaint::new("bad_field", message)), None)
        }
        Ok(mut request) => {
            let reference = request.reference.take();
            (command(request), reference)
        }
    }
}

fn command(request: Request<'_>) -> Result<Command<'_>, Complaint> {
    let Request { kind, room, text, to, name, epoch, since, replay, before, after, limit, .. } = request;
    let Some(kind) = kind else {
        return Err(Complaint::new("missing_field", "An object needs the field \"type\".".to_owned()));
    };
    let need = |field: &str| {
        let message = format!("The type {} needs the field \"{field}\".", super::text::quote(&kind, 40));
        Complaint::new("missing_field", message)
    };
    Ok(match &*kind {
        "say" => Command::Say { room, text: text.ok_or_else(|| need("text"))?, kind: Kind::Said },
        "me" => Command::Say { room, text: text.ok_or_else(|| need("text"))?, kind: Kind::Action },
        "msg" => Command::Direct { to: to.ok_or_else(|| need("to"))?, text: text.ok_or_else(|| need("text"))? },
        "join" => Command::Join {
            room: room.ok_or_else(|| need("room"))?,
            resume: since.map(|since| Resume { since, epoch }),
            replay,
        },
        "leave" => Command::Leave { room },
        "nick" => Command::Nick { name: name.ok_or_else(|| need("name"))? },
        "topic" => Command::Topic { room, text },
        "history" => Command::History { room, before, after, limit },
        "who" => Command::Who { room, after: after.unwrap_or(0), limit },
        "rooms" => Command::Rooms { after: after.unwrap_or(0), limit },
        "typing" => Command::Typing { room },
        _ => {
            let message = format!("There is no type {}.", super::text::quote(&kind, 40));
            return Err(Complaint::new("unknown_type", message));
        }
    })
}
