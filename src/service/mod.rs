//! What the server does with a message.

pub mod broadcast;
pub mod chat;
pub mod echo;

use crate::client::{ClientId, Peer};
use crate::encode::Kind;
use crate::outgoing::{Outgoing, Until};
use crate::wire::line::Rules;

/// One message from a client, as its wire delivered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// A line is always `Text`, whatever its bytes are.
    pub kind: Kind,
    /// A line of [`Rules::Raw`] includes its ending, unless it is the last one before a client's end and has none.
    pub bytes: &'a [u8],
}

/// Where a client comes from, and what it has said of itself in its URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Introduction<'a> {
    pub peer: Peer,
    pub name: Option<&'a str>,
    pub room: Option<&'a str>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Yes,
    /// It changed nothing; the server keeps it and offers it again then, and reads no more from this client meanwhile.
    NotYet(Until),
}

/// A service: the server calls it, and it answers through [`Outgoing`] alone.
///
/// Between `opened` and `closed` of a client its messages come one by one, in order.
pub trait Service {
    /// How lines are cut for this service.
    fn rules(&self) -> Rules {
        Rules::Raw
    }

    /// What somebody at a terminal is told who is silent: how to come in. With a greeting, a client is opened when it has said
    /// its first line; without one at once.
    fn greeting(&self) -> Option<&'static str> {
        None
    }

    /// What it does and how to use it, in one sentence for somebody with a browser, if the chat page is not made for it.
    fn sentence(&self) -> Option<&'static str> {
        None
    }

    /// Somebody at a terminal who has said nothing yet is shown what is said. It has not come in and counts nowhere. Only
    /// called of a service with a greeting.
    fn listens(&mut self, client: ClientId, out: &mut Outgoing) {
        let _ = (client, out);
    }

    /// One that has been listening comes in, or goes.
    fn has_listened(&mut self, client: ClientId, out: &mut Outgoing) {
        let _ = (client, out);
    }

    /// The WebSocket subprotocols that make a client's format [`crate::encode::Format::Json`].
    fn subprotocols(&self) -> &'static [&'static str] {
        &[]
    }

    /// A client is ready to talk.
    fn opened(&mut self, client: ClientId, introduction: Introduction<'_>, out: &mut Outgoing);

    /// What must come first before anything more is read from this client. Called before each read, so that input that
    /// could not be taken stays in the kernel, where it holds the sender back.
    fn waits(&self, client: ClientId, out: &Outgoing) -> Option<Until> {
        let _ = (client, out);
        None
    }

    /// A client says something.
    fn message(&mut self, client: ClientId, message: Message<'_>, out: &mut Outgoing) -> Taken;

    /// A client is leaving. It has to be out of every room when this returns; it can still be sent something.
    fn closed(&mut self, client: ClientId, out: &mut Outgoing);
}
