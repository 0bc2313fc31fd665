//! Every message to every client, its sender included, byte for byte, in one order for all.
//!
//! Between wires a text travels as a line one way and as a text frame the other; a line that is not
//! UTF-8 becomes a binary frame.

use crate::delivery::channels::ChannelId;
use crate::delivery::encoding::{FrameKind, Framing};
use crate::delivery::{Delivery, Wait};
use crate::ids::{ClientId, Peer};
use crate::service::{Hello, Incoming, Outcome, Service};

/// The broadcast service: one room with everybody in it.
#[derive(Debug)]
pub struct Broadcast {
    everybody: ChannelId,
}

impl Broadcast {
    pub fn new(out: &mut Delivery) -> Broadcast {
        Broadcast { everybody: out.open_channel() }
    }
}

impl Service for Broadcast {
    fn sentence(&self) -> Option<&'static str> {
        Some(
            "This server sends each line, or each WebSocket message, to everybody; use telnet, nc or a WebSocket client.\n",
        )
    }

    fn opened(&mut self, client: ClientId, _: &Hello<'_>, out: &mut Delivery) {
        out.join(self.everybody, client);
    }

    fn waits(&self, _: ClientId, out: &Delivery) -> Option<Wait> {
        out.congested(self.everybody).then_some(Wait::ChannelClear(self.everybody))
    }

    fn message(&mut self, client: ClientId, message: Incoming<'_>, out: &mut Delivery) -> Outcome {
        let from = out.encoding(client).framing;
        out.publish(self.everybody, None, |to| match (from, to.encoding().framing) {
            (Framing::Lines, Framing::Lines) | (Framing::WebSocket, Framing::WebSocket) => {
                to.content(message.kind, message.bytes)
            }
            (Framing::WebSocket, Framing::Lines) => to.message(message.kind, |batch| {
                batch.extend_from_slice(message.bytes);
                batch.push(b'\n');
            }),
            (Framing::Lines, Framing::WebSocket) => {
                let content = without_ending(message.bytes);
                let kind = if simdutf8::basic::from_utf8(content).is_ok() {
                    FrameKind::Text
                } else {
                    FrameKind::Binary
                };
                to.content(kind, content);
            }
            _ => to.content(message.kind, message.bytes),
        });
        Outcome::Done
    }

    fn closed(&mut self, client: ClientId, _: Peer, out: &mut Delivery) {
        out.leave(self.everybody, client);
    }
}

/// A line's content, as a frame carries it.
fn without_ending(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
