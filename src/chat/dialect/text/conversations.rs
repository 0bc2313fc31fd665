//! What people at terminals are told of their conversations.

use super::{TOMBSTONE, line, page_number};
use crate::chat::dialect::clock::Clock;
use crate::chat::dialect::reply::ConversationLine;
use crate::chat::text::{Row, one_row};
use crate::delivery::encoding::Encoder;

pub fn list(
    to: &mut Encoder,
    conversations: &[ConversationLine],
    total: usize,
    after: u64,
    next: Option<u64>,
) {
    let plural = if total == 1 { "" } else { "s" };
    let (first, last) = (after + 1, after + conversations.len() as u64);
    match (total, conversations.len(), after) {
        (0, ..) => {
            return line(to, format_args!("* You have no conversations. Begin one with /msg."));
        }
        (_, 0, _) => {
            return line(
                to,
                format_args!("* {total} conversation{plural}: there is no such page."),
            );
        }
        (.., 0) => line(to, format_args!("* {total} conversation{plural}, the latest first:")),
        _ => line(
            to,
            format_args!("* {total} conversation{plural}, the latest first, {first} to {last}:"),
        ),
    }
    let clock = Clock::of(to.encoding().dialect);
    for ConversationLine { with, last, time, text, deleted, me, offline, .. } in conversations {
        let text = if *deleted { TOMBSTONE } else { text };
        let (offline, you) =
            (if *offline { " (offline)" } else { "" }, if *me { "you: " } else { "" });
        let (time, text) = (clock.show(*time), one_row(text));
        let row = Row(&text);
        line(to, format_args!("*   {with}{offline}: {time} ({last}) {you}{row}"));
    }
    if let Some(next) = next {
        line(to, format_args!("* More with /conversations {}", page_number(next)));
    }
}
