//! Every message back to its sender, byte for byte.

use crate::delivery::Delivery;
use crate::ids::{ClientId, Peer};
use crate::service::{Hello, Incoming, Outcome, Service};

/// The echo service (in the manner of RFC 862). A sender that does not read its echo is not read
/// from, and most messages go back from where they were read: the server's own rules for services
/// that only echo.
#[derive(Debug, Default)]
pub struct Echo;

impl Service for Echo {
    fn sentence(&self) -> Option<&'static str> {
        Some(
            "This server sends each line, or each WebSocket message, back to its sender; use telnet, nc or a WebSocket client.\n",
        )
    }

    fn opened(&mut self, _: ClientId, _: &Hello<'_>, _: &mut Delivery) {}

    fn only_echoes(&self) -> bool {
        true
    }

    fn message(&mut self, client: ClientId, message: Incoming<'_>, out: &mut Delivery) -> Outcome {
        out.send(client, |to| to.content(message.kind, message.bytes));
        Outcome::Done
    }

    fn closed(&mut self, _: ClientId, _: Peer, _: &mut Delivery) {}
}
