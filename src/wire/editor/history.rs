//! Lines that were typed before, to be brought back.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// All lines of a terminal together take no more than this, in bytes: one long message.
const HISTORY_BYTES_MAX: usize = 4096;
/// What a line takes beside its bytes.
const LINE_BYTES: usize = size_of::<String>();

/// The last lines, the newest at the end, and which of them is being looked at.
///
/// Invariant: the lines have `bytes` bytes together, each with what it takes beside them, and these
/// are at most `HISTORY_BYTES_MAX`.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct History {
    lines: VecDeque<String>,
    bytes: usize,
    /// How many lines back the one is that is shown; 0 is the one that is being typed.
    back: usize,
    /// What was typed before an earlier line was brought back.
    draft: String,
}

impl History {
    pub fn held_bytes(&self) -> usize {
        self.bytes + self.draft.capacity()
    }

    /// Adds a line, unless it is the last one again.
    pub fn add(&mut self, mut line: String) {
        line.shrink_to_fit();
        let bytes = line.len() + LINE_BYTES;
        if line.trim().is_empty() || self.lines.back() == Some(&line) || bytes > HISTORY_BYTES_MAX {
            return;
        }
        self.bytes += bytes;
        self.lines.push_back(line);
        while self.bytes > HISTORY_BYTES_MAX
            && let Some(oldest) = self.lines.pop_front()
        {
            self.bytes -= oldest.len() + LINE_BYTES;
        }
    }

    /// The next line is a new one.
    pub fn leave(&mut self) {
        self.back = 0;
        self.draft = String::new();
    }

    /// The line before the one that is shown; `typed` stands there now.
    pub fn before(&mut self, typed: &str) -> Option<&str> {
        if self.back == self.lines.len() {
            return None;
        }
        if self.back == 0 {
            typed.clone_into(&mut self.draft);
        }
        self.back += 1;
        self.shown()
    }

    /// The line after the one that is shown, and at last what was typed before.
    pub fn after(&mut self) -> Option<&str> {
        self.back = self.back.checked_sub(1)?;
        self.shown()
    }

    fn shown(&self) -> Option<&str> {
        match self.back {
            0 => Some(&self.draft),
            back => self.lines.get(self.lines.len() - back).map(String::as_str),
        }
    }
}
