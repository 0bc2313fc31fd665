//! How many messages fit into an answer, whatever its dialect.

use super::json::RequestRef;
use super::reply::{Line, Reply, Where};
use super::{Dialect, json, text};

/// What the framing of a message takes at most: a frame's header, or the end of a line.
pub const FRAMING_BYTES: usize = 10;

/// Builds an answer with messages of one place that has at most `bytes_max` bytes, but for one message
/// that has more by itself.
pub struct HistoryPage<'a> {
    pub dialect: Dialect,
    pub place: Where<'a>,
    pub reference: Option<&'a RequestRef>,
    pub bytes_max: usize,
}

impl<'a> HistoryPage<'a> {
    /// How many of these fit, in their order. One does at least: there is no other way to tell it.
    pub fn fitting<'b>(&self, messages: impl ExactSizeIterator<Item = &'b Line<'b>>) -> usize {
        let (count, mut bytes) = (messages.len(), self.bytes_around(messages.len()));
        let over = messages.map(|line| self.bytes_of(line)).position(|more| {
            bytes += more;
            bytes > self.bytes_max
        });
        over.map_or(count, |over| over.max(1))
    }

    /// How many messages of a replay come in its first frame. People read all under one heading,
    /// and theirs has been cut to what fits.
    pub fn first_frame(&self, messages: &[Line]) -> usize {
        match self.dialect {
            Dialect::Text => messages.len(),
            Dialect::Json => self.fitting(messages.iter().take(json::HISTORY_MAX as usize)),
        }
    }

    pub fn reply(&self, messages: Vec<Line<'a>>, more: bool, replay: bool) -> Reply<'a> {
        let place = self.place.clone();
        let reference = self.reference;
        Reply::History { place, messages, more, replay, unread: None, reference }
    }

    /// What is around the messages: the object, or the heading.
    fn bytes_around(&self, count: usize) -> usize {
        let bytes = match self.dialect {
            Dialect::Text => text::heading_bytes(&self.place, count),
            Dialect::Json => json::bytes_of(&self.reply(Vec::new(), false, true)),
        };
        bytes + FRAMING_BYTES
    }

    /// What one message takes: with its comma, or as a line.
    fn bytes_of(&self, line: &Line) -> usize {
        match self.dialect {
            Dialect::Text => text::bytes_of(line) + FRAMING_BYTES,
            Dialect::Json => json::bytes_of(line) + 1,
        }
    }
}
