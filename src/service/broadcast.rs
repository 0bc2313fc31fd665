//! Every message to every client, its sender included, byte for byte, in one order for all.
//!
//! Between wires a text travels as a line one way and as a text frame the other; a line that is not UTF-8 becomes a binary
//! frame.

use crate::client::ClientId;
use crate::encode::Kind;
use crate::outgoing::{Outgoing, Until};
use crate::rooms::RoomId;
use crate::service::{Introduction, Message, Service, Taken};

/// The broadcast service: one room with everybody in it.
#[derive(Debug)]
pub struct Broadcast {
    everybody: RoomId,
}

impl Broadcast {
    pub fn new(out: &mut Outgoing) -> Broadcast {
        Broadcast { everybody: out.open_room() }
    }
}

impl Service for Broadcast {
    fn sentence(&self) -> Option<&'static str> {
        Some(
            "This server sends each line, or each WebSocket message, to everybody; use telnet, nc or a WebSocket client.\n",
        )
    }

    fn opened(&mut self, client: ClientId, _: Introduction<'_>, out: &mut Outgoing) {
        out.join(self.everybody, client);
    }

    fn waits(&self, _: ClientId, out: &Outgoing) -> Option<Until> {
        out.congested(self.everybody).then_some(Until::RoomClear(self.everybody))
    }

    fn message(&mut self, client: ClientId, message: Message<'_>, out: &mut Outgoing) -> Taken {
        let from_line = out.format(client).is_line();
        out.publish(self.everybody, None, |to| match (from_line, to.format().is_line()) {
            (true, true) | (false, false) => to.message(message.kind, |batch| batch.extend_from_slice(message.bytes)),
            (false, true) => to.message(message.kind, |batch| {
                batch.extend_from_slice(message.bytes);
                batch.push(b'\n');
            }),
            (true, false) => {
                let content = without_ending(message.bytes);
                let kind = if simdutf8::basic::from_utf8(content).is_ok() { Kind::Text } else { Kind::Binary };
                to.message(kind, |batch| batch.extend_from_slice(content));
            }
        });
        Taken::Yes
    }

    fn closed(&mut self, client: ClientId, out: &mut Outgoing) {
        out.leave(self.everybody, client);
    }
}

/// A line's content, as a frame carries it.
fn without_ending(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
