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

/// Every field that a request can have; each type takes some of them.
#[derive(Debug, Deserialize)]
struct Request<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
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

/// A request as the chat understands it, with its reference, which an error must carry as well.
pub type Parsed<'a> = (Result<Command<'a>, Complaint>, Option<Reference>);

/// Reads one request.
pub fn parse(text: &str) -> Parsed<'_> {
    match serde_json::from_str::<Request>(text) {
        Err(error) if error.is_data() => {
            (Err(Complaint::new("bad_field", format!("A field does not fit: {error}."))), None)
        }
        Err(error) => (Err(Complaint::new("bad_json", format!("This is not a JSON object: {error}."))), None),
        Ok(Request { reference: Some(Reference::Text(text)), .. }) if text.len() > REFERENCE_BYTES_MAX => {
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
