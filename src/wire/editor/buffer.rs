//! The line and the cursor in it, which moves from one character, as people see characters, to the
//! next.

use serde::{Deserialize, Serialize};
use unicode_segmentation::GraphemeCursor;

/// A line that is being typed.
///
/// Invariant: the cursor stands between two grapheme clusters.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Buffer {
    text: String,
    cursor: usize,
}

impl Buffer {
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn before_cursor(&self) -> &str {
        &self.text[..self.cursor]
    }

    pub fn is_at_end(&self) -> bool {
        self.cursor == self.text.len()
    }

    pub fn capacity(&self) -> usize {
        self.text.capacity()
    }

    /// Takes all of it; what is typed next begins anew.
    pub fn take(&mut self) -> String {
        self.cursor = 0;
        std::mem::take(&mut self.text)
    }

    pub fn clear(&mut self) {
        self.take();
    }

    pub fn set(&mut self, text: &str) {
        text.clone_into(&mut self.text);
        self.cursor = text.len();
    }

    pub fn insert(&mut self, char: char) {
        self.text.insert(self.cursor, char);
        self.cursor += char.len_utf8();
        self.settle();
    }

    /// Replaces what stands between `start` and the cursor.
    pub fn replace_before_cursor(&mut self, start: usize, text: &str) {
        self.text.replace_range(start..self.cursor, text);
        self.cursor = start + text.len();
        self.settle();
    }

    /// A letter may have become one with what is behind the cursor.
    fn settle(&mut self) {
        let mut at = GraphemeCursor::new(self.cursor, self.text.len(), true);
        if !at.is_boundary(&self.text, 0).unwrap_or(true) {
            self.cursor = self.next();
        }
    }

    /// Where the next character ends.
    fn next(&self) -> usize {
        let mut at = GraphemeCursor::new(self.cursor, self.text.len(), true);
        at.next_boundary(&self.text, 0).ok().flatten().unwrap_or(self.text.len())
    }

    /// Where the last character begins.
    fn previous(&self) -> usize {
        let mut at = GraphemeCursor::new(self.cursor, self.text.len(), true);
        at.prev_boundary(&self.text, 0).ok().flatten().unwrap_or(0)
    }

    /// Where the last word begins: behind a blank that has none behind it.
    fn word_start(&self) -> usize {
        let before = self.before_cursor().trim_end();
        let mut chars = before.char_indices().rev();
        let blank = chars.find(|(_, char)| char.is_whitespace());
        blank.map_or(0, |(at, blank)| at + blank.len_utf8())
    }

    /// Where the next word ends.
    fn word_end(&self) -> usize {
        let after = &self.text[self.cursor..];
        let word = after.trim_start();
        let length = word.find(char::is_whitespace).unwrap_or(word.len());
        self.cursor + (after.len() - word.len()) + length
    }

    pub fn move_left(&mut self) {
        self.cursor = self.previous();
    }

    pub fn move_right(&mut self) {
        self.cursor = self.next();
    }

    pub fn move_word_left(&mut self) {
        self.cursor = self.word_start();
        self.settle();
    }

    pub fn move_word_right(&mut self) {
        self.cursor = self.word_end();
        self.settle();
    }

    pub fn move_home(&mut self) {
        self.cursor = 0;
    }

    pub fn move_end(&mut self) {
        self.cursor = self.text.len();
    }

    pub fn delete_left(&mut self) {
        self.delete_from(self.previous());
    }

    pub fn delete_word_left(&mut self) {
        self.delete_from(self.word_start());
    }

    /// Deletes all that is before the cursor.
    pub fn delete_before(&mut self) {
        self.delete_from(0);
    }

    fn delete_from(&mut self, start: usize) {
        self.replace_before_cursor(start, "");
    }

    pub fn delete_right(&mut self) {
        self.delete_to(self.next());
    }

    pub fn delete_word_right(&mut self) {
        self.delete_to(self.word_end());
    }

    /// Deletes all that is behind the cursor.
    pub fn delete_after(&mut self) {
        self.text.truncate(self.cursor);
    }

    fn delete_to(&mut self, end: usize) {
        self.text.drain(self.cursor..end);
        self.settle();
    }
}
