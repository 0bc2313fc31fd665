//! The rules for services that only echo. Most messages go back from where they were read, and are
//! copied nowhere.

use std::mem;
use std::ops::Range;

use super::Server;
use super::stream::Stream;
use crate::delivery::encoding::FrameKind;
use crate::ids::ClientId;
use crate::service::Service;
use crate::wire::Step;

/// Of a service that only echoes: while more than this is held for all clients together, little
/// is read of each at once. A thousand that flood it and read late hold 16 MiB and not 110, or 25
/// with messages of 16,000 bytes.
const ANSWERS_BYTES_MAX: usize = 4 * 1024 * 1024;
pub(super) const ANSWERED_BYTES_EACH: usize = 4 * 1024;

impl<S: Stream, A: Service> Server<S, A> {
    /// Whether many have left their answers with us, or parts of messages. What is read next is
    /// likely to stay as well.
    pub(super) fn holds_much(&self) -> bool {
        self.service.only_echoes() && self.out.held_bytes() > ANSWERS_BYTES_MAX
    }

    /// Whether nothing is read from this client because it does not take its answers. If it has
    /// ended its input it is read to that end, behind which it has `drain_ms` to take them.
    pub(super) fn is_left_to_read_its_answers(&self, id: ClientId) -> bool {
        let has_end = self.connections[id.index()].has_reported_end();
        self.service.only_echoes() && !has_end && self.out.is_refused(id)
    }

    /// Has a message join `echo`, which is what goes back to its client from where it stands in
    /// `input`: in front of what is still to be served.
    #[inline]
    pub(super) fn echo_in_place(
        &mut self,
        id: ClientId,
        kind: FrameKind,
        input: &mut [u8],
        echo: &mut Range<usize>,
        content: Range<usize>,
    ) {
        self.visit.served_bytes += content.len();
        self.metrics.messages += 1;
        *echo = self.out.echo_in_place(id, kind, input, mem::take(echo), content);
    }

    /// Sends back what is to go back to a client as it came. In the same case as
    /// [`Server::write_while_warm`], it is written from where it stands: what it answers has just
    /// been read, and nothing of it is copied. Else it is queued.
    pub(super) fn send_echo(&mut self, id: ClientId, echo: &[u8]) {
        if echo.is_empty() {
            return;
        }
        let connection = &self.connections[id.index()];
        let has_read_all = self.visit.has_read_all && !connection.has_reported_end();
        if has_read_all && connection.is_open() && connection.is_idle() {
            self.write_directly(id, echo);
        } else {
            self.out.queue_echo(id, echo);
        }
    }
}

/// Which message a step is, and where its content stands, if that is in the `bytes` bytes from
/// `address` on.
#[inline]
pub(super) fn content_at(
    step: &Step<'_, '_>,
    address: usize,
    bytes: usize,
) -> Option<(FrameKind, Range<usize>)> {
    let (kind, content) = match step {
        Step::Text(content) | Step::Line(content) => (FrameKind::Text, content),
        Step::Binary(content) => (FrameKind::Binary, content),
        _ => return None,
    };
    let start = content.as_ptr().addr().checked_sub(address)?;
    let end = start + content.len();
    (end <= bytes).then_some((kind, start..end))
}
