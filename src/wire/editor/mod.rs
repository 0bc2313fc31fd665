//! The line that somebody types at a terminal, edited here and drawn there: for terminals that send
//! each key as it is pressed and leave it to us what is shown of it.
//!
//! Bytes become keys ([`keys`]), keys change the line ([`buffer`]) or bring an earlier one back
//! ([`history`]), and the line is drawn below all that was said ([`drawing`]). Nothing is drawn
//! where it is typed: the driver asks once for each write, so that a hundred keys, or a hundred
//! messages, are one change of the screen.

mod buffer;
mod drawing;
mod history;
mod keys;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use self::buffer::Buffer;
use self::drawing::{Change, Drawing};
use self::history::History;
use self::keys::{Key, Keys};
use crate::memory::{Entry, MemoryAccount};
use crate::wire::keys::BELL;
use crate::wire::snapshot::base64_bytes;
use serde::{Deserialize, Serialize};

pub use self::drawing::Size;

/// A line has no more bytes than this: as many as a terminal takes that edits it by itself (`N_TTY`
/// of Linux).
const LINE_BYTES_MAX: usize = 4096;

/// Lines that wait to be sent have no more bytes together, each with what it takes beside them.
const AHEAD_BYTES_MAX: usize = 4096;

/// So many bytes are taken before others have their turn: some keys look at the whole line.
const STEP_BYTES_MAX: usize = 64;

/// What keys have led to.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A line has been ended.
    Line {
        line: String,
        /// What is to stay on the screen of it, behind what was said before.
        shown: String,
    },
    /// What the word before the cursor may become is to be looked up, for [`Editor::complete`].
    Complete,
    /// The line has no room for what was typed: of that nothing more is taken, and the line may have
    /// so many bytes. Told once for each line; after that the bell rings.
    Full { bytes_max: usize },
    /// A key that means to leave was pressed.
    Leave,
}

/// The words that the one before the cursor may become.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completions {
    /// Where the word begins, in bytes of the line before the cursor.
    pub start: usize,
    /// What may stand there instead. There may be more.
    pub words: Vec<String>,
    /// What is put behind the only one.
    pub ending: &'static str,
}

/// The line editor of one terminal.
///
/// Invariant: the line is shown exactly if it is drawn, with nothing written after it. What is still
/// to be written of its drawing (`unsent`) comes before anything else that is: so it grows only while
/// no message is written in part.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Editor {
    keys: Keys,
    buffer: Buffer,
    history: History,
    drawing: Drawing,
    #[serde(with = "base64_bytes")]
    unsent: Vec<u8>,
    /// How much of it the terminal has not taken yet.
    left: usize,
    /// What is typed is a secret: it is neither shown nor remembered.
    hides: bool,
    /// The bell is to ring.
    rings: bool,
    /// It rings with the last drawing, which may not have been written.
    rang: bool,
    /// It was told that nothing more goes into this line.
    is_full: bool,
    /// Lines that were ended while one before them waits to be sent. They are shown when they are.
    ahead: VecDeque<String>,
    ahead_bytes: usize,
    /// More may be typed ahead of that.
    takes_ahead: bool,
    /// The terminal edits its line again; what was drawn has to be taken off the screen.
    has_ended: bool,
    #[serde(skip)]
    entry: Option<Entry>,
}

impl Editor {
    /// What has been typed and not ended.
    pub fn line(&self) -> &str {
        self.buffer.text()
    }

    /// The part of it before the cursor.
    pub fn before_cursor(&self) -> &str {
        self.buffer.before_cursor()
    }

    /// Takes some bytes, for as long as nothing comes of them that others have to do; returns how
    /// many they were. A line has at most `bytes_max` bytes.
    pub fn take(&mut self, bytes: &[u8], bytes_max: usize) -> (Option<Event>, usize) {
        let bytes_max = bytes_max.min(LINE_BYTES_MAX);
        let bytes = &bytes[..bytes.len().min(STEP_BYTES_MAX)];
        for (at, &byte) in bytes.iter().enumerate() {
            if let Some(key) = self.keys.next(byte)
                && let Some(event) = self.press(key, bytes_max)
            {
                return (Some(event), at + 1);
            }
        }
        (None, bytes.len())
    }

    fn press(&mut self, key: Key, bytes_max: usize) -> Option<Event> {
        let before = (self.buffer.text().len(), self.buffer.is_at_end());
        match key {
            Key::Char(char) => {
                if self.buffer.text().len() + char.len_utf8() > bytes_max {
                    self.ring();
                    let is_told = std::mem::replace(&mut self.is_full, true);
                    return (!is_told).then_some(Event::Full { bytes_max });
                }
                self.buffer.insert(char);
                // Of a secret nothing is shown that could grow.
                let change = match before.1 && !self.hides {
                    true => Change::Append { from: before.0 },
                    false => Change::All,
                };
                self.drawing.change(change);
                return None;
            }
            Key::Enter => return Some(self.end_line()),
            Key::Tab if self.hides => {}
            Key::Tab => return Some(Event::Complete),
            Key::Interrupt => {
                self.clear();
                // A secret that is asked for is taken back, as with an empty line.
                return Some(if self.hides { self.end_line() } else { Event::Leave });
            }
            Key::EndOrDelete | Key::Suspend if self.buffer.text().is_empty() => {
                return Some(Event::Leave);
            }
            Key::Suspend => {}
            Key::Left => self.buffer.move_left(),
            Key::Right => self.buffer.move_right(),
            Key::WordLeft => self.buffer.move_word_left(),
            Key::WordRight => self.buffer.move_word_right(),
            Key::Home => self.buffer.move_home(),
            Key::End => self.buffer.move_end(),
            Key::Backspace => self.buffer.delete_left(),
            Key::Delete | Key::EndOrDelete => self.buffer.delete_right(),
            Key::WordErase => self.buffer.delete_word_left(),
            Key::WordDelete => self.buffer.delete_word_right(),
            Key::KillBefore => self.buffer.delete_before(),
            Key::KillAfter => self.buffer.delete_after(),
            Key::Up | Key::Down => {
                self.go_through_history(key == Key::Up);
                self.drawing.change(Change::All);
            }
            Key::Redraw => self.drawing.clear_screen(),
        }
        let is_changed = before.0 != self.buffer.text().len();
        self.drawing.change(if is_changed { Change::All } else { Change::Cursor });
        None
    }

    /// What was typed, or brought back, is no more.
    fn clear(&mut self) {
        self.buffer.clear();
        self.is_full = false;
        self.history.leave();
        self.drawing.change(Change::All);
    }

    fn go_through_history(&mut self, back: bool) {
        if self.hides {
            return;
        }
        let text = self.buffer.text();
        let other = if back { self.history.before(text) } else { self.history.after() };
        match other {
            Some(line) => self.buffer.set(line),
            None => self.ring(),
        }
    }

    /// The bell says that a key can do nothing. Not before the next drawing: a message may be cut,
    /// of which the rest is still to be written.
    fn ring(&mut self) {
        self.rings = true;
    }

    fn end_line(&mut self) -> Event {
        let line = self.buffer.take();
        self.is_full = false;
        let shown = match self.hides {
            true => "\r\n".to_owned(),
            false => format!("{}{line}\r\n", self.drawing.prompt()),
        };
        self.uncover();
        self.drawing.change(Change::All);
        self.history.leave();
        Event::Line { line, shown }
    }

    /// A line that was typed may be brought back.
    pub fn remember(&mut self, line: String) {
        if !self.hides {
            self.history.add(line);
        }
    }

    /// What is typed from now on is a secret, or is none any more.
    pub fn set_hiding(&mut self, hides: bool) {
        if self.hides != hides {
            self.hides = hides;
            self.clear();
        }
    }

    /// Has the word before the cursor become what all its completions begin with. Returns the list
    /// of them if that is no more than there is: it is to be shown.
    pub fn complete(&mut self, completions: Completions, bytes_max: usize) -> Option<Vec<String>> {
        let bytes_max = bytes_max.min(LINE_BYTES_MAX);
        let Completions { start, mut words, ending } = completions;
        let typed = self.before_cursor().get(start..)?;
        let typed_bytes = typed.len();
        let Some(first) = words.first() else {
            self.ring();
            return None;
        };
        let common = match words.len() {
            1 => first.clone() + ending,
            _ => common_start(&words).to_owned(),
        };
        // What is typed in another case is as long as what it becomes, or it stays.
        let is_longer = common.chars().count() > typed.chars().count();
        let fits = self.line().len() - typed_bytes + common.len() <= bytes_max;
        if is_longer && fits {
            self.buffer.replace_before_cursor(start, &common);
            self.drawing.change(Change::All);
            return None;
        }
        if words.len() == 1 {
            self.ring();
            return None;
        }
        words.shrink_to_fit();
        Some(words)
    }

    // ---- Typing ahead ----

    /// A line waits to be sent; whether more may be typed meanwhile.
    pub fn set_taking_ahead(&mut self, takes: bool) {
        self.takes_ahead = takes;
    }

    /// Whether more may be typed while a line waits. Nobody could see what secret that is for.
    pub fn takes_ahead(&self) -> bool {
        self.takes_ahead && !self.hides && !self.has_ended && self.ahead_bytes < AHEAD_BYTES_MAX
    }

    /// A line has been ended behind one that waits.
    pub fn put_ahead(&mut self, line: String) {
        self.ahead_bytes += line.len() + size_of::<String>();
        self.ahead.push_back(line);
    }

    /// The next of them is to be sent: nothing of the line may be on the screen.
    pub fn take_ahead(&mut self) -> Option<String> {
        let line = self.ahead.pop_front()?;
        self.ahead_bytes -= line.len() + size_of::<String>();
        self.uncover();
        Some(line)
    }

    /// Those that wait.
    pub fn ahead(&self) -> impl Iterator<Item = &str> {
        self.ahead.iter().map(String::as_str)
    }

    // ---- Drawing ----

    /// How large the terminal is.
    pub fn set_size(&mut self, size: Size) {
        self.drawing.set_size(size);
    }

    /// Takes the line off the screen, so that something else can be written there.
    pub fn uncover(&mut self) {
        self.drawing.erase(&mut self.unsent);
    }

    /// Whether what is shown is not what has been typed.
    pub fn is_stale(&self) -> bool {
        let is_written = self.unsent.is_empty() && !self.rings;
        self.has_ended || !is_written || self.drawing.is_stale()
    }

    /// Takes the line off the screen for good, or has it come back.
    pub fn set_ended(&mut self, ended: bool) {
        if ended && !self.has_ended {
            self.clear();
            self.uncover();
        }
        self.has_ended = ended;
    }

    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Appends what makes a terminal show the line, behind all that was written to it.
    pub fn draw(&mut self, prompt: &str, out: &mut Vec<u8>) {
        self.rang = std::mem::take(&mut self.rings);
        if self.rang {
            out.push(BELL);
        }
        match self.hides {
            true => self.drawing.draw("", "", 0, out),
            false => {
                let (text, cursor) = (self.buffer.text(), self.buffer.before_cursor().len());
                self.drawing.draw(prompt, text, cursor, out);
            }
        }
    }

    /// What is still to be written of the drawing, before anything else.
    pub fn unsent(&self) -> &[u8] {
        &self.unsent
    }

    /// Adds to it what is to stay on the screen.
    pub fn push(&mut self, shown: &str) {
        self.unsent.extend_from_slice(shown.as_bytes());
    }

    /// Whether the terminal has not taken all that it was given: it is given no other drawing.
    pub fn is_behind(&self) -> bool {
        self.left > 0
    }

    /// So many bytes of it have been written. `rest`: what of the last drawing is still to be, or
    /// that nothing of it was written.
    pub fn wrote(&mut self, count: usize, rest: Option<&[u8]>) {
        self.unsent.drain(..count);
        let rang = std::mem::take(&mut self.rang);
        match rest {
            Some(rest) => {
                self.unsent.extend_from_slice(rest);
                self.drawing.was_written();
            }
            None => {
                self.rings |= rang;
                self.drawing.was_not_written();
            }
        }
        // A drawing must not leave its memory behind.
        self.unsent.shrink_to_fit();
        self.left = self.unsent.len();
    }

    // ---- Memory ----

    /// What it holds, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.entry.as_ref().map_or(0, Entry::bytes)
    }

    /// What it holds counts in this account.
    pub fn count(&mut self, account: &MemoryAccount) {
        let texts = self.buffer.capacity() + self.history.held_bytes() + self.unsent.capacity();
        let ahead = self.ahead.iter().map(String::capacity).sum::<usize>()
            + self.ahead.capacity() * size_of::<String>();
        let bytes = size_of::<Editor>() + texts + ahead + self.drawing.held_bytes();
        self.entry.get_or_insert_with(|| account.entry()).set(bytes);
    }
}

/// What all words begin with, but for case; as it stands in the first.
fn common_start(words: &[String]) -> &str {
    let Some((first, others)) = words.split_first() else { return "" };
    let fold = |char: char| char.to_lowercase().collect::<String>();
    let mut end = first.len();
    for other in others {
        let mut others = other.chars();
        let differs = |&(_, char): &(usize, char)| {
            others.next().is_none_or(|other| fold(other) != fold(char))
        };
        let at = first[..end].char_indices().find(differs);
        end = at.map_or(end, |(at, _)| at);
    }
    &first[..end]
}
