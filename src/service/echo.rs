//! Every message back to its sender, byte for byte.

use crate::client::ClientId;
use crate::outgoing::{Outgoing, Until};
use crate::service::{Introduction, Message, Service, Taken};
use crate::wire::line::Rules;

/// The echo service (in the manner of RFC 862). A sender that does not read its echo is not read from: the server's own rule.
#[derive(Debug, Default)]
pub struct Echo;

impl Service for Echo {
    fn rules(&self) -> Rules {
        Rules::Raw
    }

    fn greets(&self) -> bool {
        false
    }

    fn subprotocols(&self) -> &'static [&'static str] {
        &[]
    }

    fn opened(&mut self, _: ClientId, _: Introduction<'_>, _: &mut Outgoing) {}

    fn waits(&self, _: ClientId, _: &Outgoing) -> Option<Until> {
        None
    }

    fn message(&mut self, client: ClientId, message: Message<'_>, out: &mut Outgoing) -> Taken {
        out.send(client, |to| to.message(message.kind, |buffer| buffer.extend_from_slice(message.bytes)));
        Taken::Yes
    }

    fn closed(&mut self, _: ClientId, _: &mut Outgoing) {}
}
