//! The languages that clients speak. Each is one file that reads requests (`parse`) and writes
//! replies (`render`); [`reply`] has all that clients can be told.
//!
//! To add one: a variant of [`Dialect`], which goes into `ALL` as well, and a file. From there the
//! compiler points to every place where dialects differ.

pub mod acts;
pub mod clock;
pub mod history;
pub mod json;
pub mod reply;
mod rows;
pub mod slack;
pub mod term;
pub mod text;
pub mod utc;

use std::borrow::Cow;
use std::fmt;

use crate::chat::request::{Request, RequestError};
use crate::delivery::encoding::{self, Encoder, Encoding, Framing};
use crate::service::Hello;
use json::RequestRef;
use reply::Reply;

/// A language of the chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Lines for people.
    Text,
    /// One object a message, for programs.
    Json,
}

const ALL: [Dialect; 2] = [Dialect::Text, Dialect::Json];

/// The WebSocket subprotocols that choose a dialect.
pub const SUBPROTOCOLS: [&str; 1] = [json::SUBPROTOCOL];

/// A request and its reference, which an error must carry as well.
pub type Parsed<'a> = (Result<Request<'a>, RequestError>, Option<RequestRef>);

impl Dialect {
    /// The dialect that a client has chosen.
    pub fn of(hello: &Hello<'_>) -> Dialect {
        ALL.into_iter()
            .find(|dialect| dialect.subprotocol() == hello.subprotocol)
            .unwrap_or(Dialect::Text)
    }

    pub fn subprotocol(self) -> Option<&'static str> {
        match self {
            Dialect::Text => None,
            Dialect::Json => Some(json::SUBPROTOCOL),
        }
    }

    /// Delivery compares dialects by their numbers and knows no more of them.
    pub const fn number(self) -> encoding::Dialect {
        encoding::Dialect(match self {
            // A terminal has this one before it has said anything.
            Dialect::Text => 0,
            Dialect::Json => 1,
        })
    }

    /// A message as [`Dialect::parse`] takes it; borrowed if nothing in it needs repair.
    pub fn repair(self, text: &str) -> Cow<'_, str> {
        match self {
            Dialect::Text => Cow::Borrowed(text),
            Dialect::Json => json::repair(text),
        }
    }

    /// Reads one request, and its reference. They are not returned together: what is read of a line
    /// would have to be moved for that.
    pub fn parse<'a>(
        self,
        text: &'a str,
        reference: &mut Option<RequestRef>,
    ) -> Result<Request<'a>, RequestError> {
        match self {
            Dialect::Text => text::parse(text),
            Dialect::Json => {
                let (parsed, found) = json::parse(text);
                *reference = found;
                parsed
            }
        }
    }

    /// How many messages an answer to `history` has, for a client that asks for so many.
    pub fn history_limit(self, asked: Option<u32>) -> u32 {
        match self {
            Dialect::Text => asked.unwrap_or(text::HISTORY_DEFAULT),
            Dialect::Json => asked.unwrap_or(json::HISTORY_DEFAULT).clamp(1, json::HISTORY_MAX),
        }
    }

    /// How many messages an answer to `search` has, for a client that asks for so many.
    pub fn search_limit(self, asked: Option<u32>) -> u32 {
        match self {
            Dialect::Text => text::SEARCH_MAX,
            Dialect::Json => asked.unwrap_or(json::SEARCH_DEFAULT).clamp(1, json::SEARCH_MAX),
        }
    }

    /// Whether the next page is asked for without saying where it begins.
    pub fn remembers_searches(self) -> bool {
        match self {
            Dialect::Text => true,
            Dialect::Json => false,
        }
    }
}

impl From<Dialect> for encoding::Dialect {
    fn from(dialect: Dialect) -> encoding::Dialect {
        dialect.number()
    }
}

impl From<encoding::Dialect> for Dialect {
    #[inline]
    fn from(number: encoding::Dialect) -> Dialect {
        // The others are of people with a clock of their own. Asked for several times with each
        // message.
        if number == Dialect::Json.number() { Dialect::Json } else { Dialect::Text }
    }
}

/// Appends a reply in the dialect of its reader.
pub fn render(to: &mut Encoder, reply: &Reply) {
    match (Dialect::from(to.encoding().dialect), reply) {
        // Nearly all there is: past the function that has room on its stack for all others.
        (Dialect::Text, Reply::Said { room, line, .. }) => text::render_said(to, room, *line),
        (Dialect::Text, _) => text::render(to, reply),
        (Dialect::Json, _) => json::render(to, reply),
    }
}

/// Appends a line that only people are told.
pub fn notice(to: &mut Encoder, line: fmt::Arguments) {
    match Dialect::from(to.encoding().dialect) {
        Dialect::Text => text::line(to, line),
        Dialect::Json => {}
    }
}

/// Whether a client is sent what it says. A terminal has shown it already, as it was typed.
pub fn echoes_sender(encoding: Encoding) -> bool {
    encoding.framing != Framing::Lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Peer;
    use crate::service::NO_QUERY;

    #[test]
    fn each_dialect_has_a_number_and_a_subprotocol_of_its_own() {
        for dialect in ALL {
            assert_eq!(Dialect::from(dialect.number()), dialect);
            let subprotocol = dialect.subprotocol();
            let hello = Hello {
                peer: Peer::default(),
                subprotocol,
                query: &NO_QUERY,
                credential: None,
                is_private: false,
                first_line: None,
            };
            assert_eq!(Dialect::of(&hello), dialect);
            assert!(subprotocol.is_none_or(|name| SUBPROTOCOLS.contains(&name)));
        }
        assert_eq!(Dialect::from(encoding::Dialect::default()), Dialect::Text);
    }
}
