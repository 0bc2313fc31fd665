//! What somebody has said, as people read it.

use super::{LINE_BREAK, line_break};
use crate::chat::dialect::clock::Clock;
use crate::chat::dialect::reply::Line;
use crate::chat::text::Lines;
use crate::delivery::encoding::{Encoder, FrameKind, Framing};

/// What a message takes at a terminal beside its room, its author and its text: brackets, blanks and
/// its end, and its time.
const SAID_BYTES: usize = 16;

/// A message as people read it. Every message takes this way, so it does without formatting.
pub fn render_said(to: &mut Encoder, room: &str, line: Line) {
    let line_break = line_break(to);
    let is_line = to.encoding().framing == Framing::Lines;
    let clock = Clock::of(to.encoding().dialect);
    to.message(FrameKind::Text, |buffer| {
        // The first message of a batch finds a buffer without memory, and would have it grow with
        // each part.
        buffer.reserve(room.len() + line.name.len() + line.text.len() + SAID_BYTES);
        if clock.shows_times {
            buffer.extend_from_slice(clock.before(line.time).as_bytes());
        }
        // What is always the same is written part by part, and not in a loop: its length is known
        // then, and no copy is called for two bytes.
        buffer.extend_from_slice(b"[");
        buffer.extend_from_slice(room.as_bytes());
        if line.me {
            buffer.extend_from_slice(b"] * ");
            buffer.extend_from_slice(line.name.as_bytes());
            buffer.extend_from_slice(b" ");
        } else {
            buffer.extend_from_slice(b"] ");
            buffer.extend_from_slice(line.name.as_bytes());
            buffer.extend_from_slice(b": ");
        }
        Lines { text: line.text, line_break }.for_each(|part| {
            buffer.extend_from_slice(part.as_bytes());
        });
        if is_line {
            buffer.extend_from_slice(LINE_BREAK.as_bytes());
        }
    });
}
