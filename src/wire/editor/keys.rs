//! Bytes to keys: UTF-8, control characters, and the sequences that keys without a character send
//! (ECMA-48, and what terminals make of it).

use crate::wire::keys::{BELL, ESCAPE, INTERRUPT};
use serde::{Deserialize, Serialize};

/// What was pressed, by what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Char(char),
    Enter,
    Tab,
    Left,
    Right,
    WordLeft,
    WordRight,
    Home,
    End,
    Up,
    Down,
    Backspace,
    Delete,
    WordErase,
    WordDelete,
    KillBefore,
    KillAfter,
    Redraw,
    /// Ctrl-C
    Interrupt,
    /// Ctrl-D
    EndOrDelete,
    /// Ctrl-Z
    Suspend,
}

/// No key sends more parameters.
const PARAMETERS_MAX: usize = 8;

/// Which sequence the next byte belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    #[default]
    Ground,
    Escape,
    /// Behind `ESC [`.
    Control,
    /// Behind `ESC [ [`: function keys of the Linux console.
    Console,
    /// Behind `ESC O`.
    Shift,
    /// OSC, DCS and the like: nothing that a key sends.
    String,
    StringEscape,
}

/// What has come of a key that is not whole.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Keys {
    state: State,
    parameters: [u8; PARAMETERS_MAX],
    parameter_count: usize,
    utf8: [u8; 4],
    utf8_count: usize,
    /// An LF or a NUL that comes now belongs to the CR before it.
    is_after_cr: bool,
    /// What comes was pasted, and no Tab in it asks for anything.
    is_pasted: bool,
}

impl Keys {
    /// The key that this byte makes whole.
    pub fn next(&mut self, byte: u8) -> Option<Key> {
        match self.state {
            State::Ground => self.ground(byte),
            State::Escape => self.escape(byte),
            State::Control => self.control(byte),
            State::Console => self.end_sequence(byte, byte.is_ascii_graphic(), None),
            State::Shift => self.end_sequence(byte, byte.is_ascii_graphic(), shift_key(byte)),
            State::String | State::StringEscape => self.string(byte),
        }
    }

    fn ground(&mut self, byte: u8) -> Option<Key> {
        let was_after_cr = std::mem::take(&mut self.is_after_cr);
        if self.utf8_count > 0 || byte >= 0x80 {
            return self.utf8(byte);
        }
        match byte {
            b'\r' => {
                self.is_after_cr = true;
                Some(Key::Enter)
            }
            b'\n' if was_after_cr => None,
            b'\n' => Some(Key::Enter),
            b'\t' if self.is_pasted => Some(Key::Char(' ')),
            ESCAPE => {
                self.state = State::Escape;
                None
            }
            b' '..=b'~' => Some(Key::Char(char::from(byte))),
            _ => control_key(byte),
        }
    }

    /// One more byte of a character that is no ASCII. What is none is shown as such.
    fn utf8(&mut self, byte: u8) -> Option<Key> {
        if self.utf8_count > 0 && byte & 0xC0 != 0x80 {
            // The character before is not whole, and goes; this byte is another one's.
            self.utf8_count = 0;
            return self.ground(byte);
        }
        self.utf8[self.utf8_count] = byte;
        self.utf8_count += 1;
        let read = str::from_utf8(&self.utf8[..self.utf8_count]);
        let char = match read {
            Ok(text) => text.chars().next(),
            Err(error) if error.error_len().is_none() => return None,
            Err(_) => Some(char::REPLACEMENT_CHARACTER),
        };
        self.utf8_count = 0;
        char.filter(|char| !char.is_control()).map(Key::Char)
    }

    fn escape(&mut self, byte: u8) -> Option<Key> {
        self.state = State::Ground;
        self.parameter_count = 0;
        match byte {
            ESCAPE => self.state = State::Escape,
            b'[' => self.state = State::Control,
            b'O' => self.state = State::Shift,
            b']' | b'P' | b'X' | b'^' | b'_' => self.state = State::String,
            b'b' => return Some(Key::WordLeft),
            b'f' => return Some(Key::WordRight),
            b'd' => return Some(Key::WordDelete),
            0x08 | 0x7F => return Some(Key::WordErase),
            // The key Escape, and another one.
            _ => return self.ground(byte),
        }
        None
    }

    fn control(&mut self, byte: u8) -> Option<Key> {
        match byte {
            b'[' if self.parameter_count == 0 => {
                self.state = State::Console;
                None
            }
            0x20..0x40 => {
                if let Some(place) = self.parameters.get_mut(self.parameter_count) {
                    *place = byte;
                }
                self.parameter_count += 1;
                None
            }
            _ => {
                // What has more of them is no key.
                let parameters = self.parameters.get(..self.parameter_count);
                match (byte, parameters) {
                    (b'~', Some(b"200")) => self.is_pasted = true,
                    (b'~', Some(b"201")) => self.is_pasted = false,
                    _ => {}
                }
                let key = parameters.and_then(|parameters| sequence_key(byte, parameters));
                self.end_sequence(byte, (0x40..0x7F).contains(&byte), key)
            }
        }
    }

    /// A byte that ends a sequence, or cuts it short and is one of its own.
    fn end_sequence(&mut self, byte: u8, belongs: bool, key: Option<Key>) -> Option<Key> {
        self.state = State::Ground;
        if belongs { key } else { self.ground(byte) }
    }

    /// Only its end ends it, or another sequence, or Ctrl-C; what a line was ended by, too, so that
    /// nobody types into nowhere.
    fn string(&mut self, byte: u8) -> Option<Key> {
        match (self.state, byte) {
            (State::StringEscape, b'\\') | (_, BELL) => {
                self.state = State::Ground;
                None
            }
            (State::StringEscape, _) => {
                self.state = State::Escape;
                self.escape(byte)
            }
            (_, ESCAPE) => {
                self.state = State::StringEscape;
                None
            }
            (_, INTERRUPT | b'\r' | b'\n') => {
                self.state = State::Ground;
                self.ground(byte)
            }
            _ => None,
        }
    }
}

fn control_key(byte: u8) -> Option<Key> {
    Some(match byte {
        0x01 => Key::Home,
        0x02 => Key::Left,
        INTERRUPT => Key::Interrupt,
        0x04 => Key::EndOrDelete,
        0x05 => Key::End,
        0x06 => Key::Right,
        0x08 | 0x7F => Key::Backspace,
        b'\t' => Key::Tab,
        0x0B => Key::KillAfter,
        0x0C => Key::Redraw,
        0x0E => Key::Down,
        0x10 => Key::Up,
        0x15 => Key::KillBefore,
        0x17 => Key::WordErase,
        0x1A => Key::Suspend,
        _ => return None,
    })
}

/// The key behind `ESC O`.
fn shift_key(byte: u8) -> Option<Key> {
    match byte {
        b'M' => Some(Key::Enter),
        _ => arrow(byte),
    }
}

fn arrow(byte: u8) -> Option<Key> {
    Some(match byte {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'F' => Key::End,
        b'H' => Key::Home,
        _ => return None,
    })
}

/// The key behind `ESC [`, with these parameters.
fn sequence_key(byte: u8, parameters: &[u8]) -> Option<Key> {
    // Control, and what some terminals send for Alt.
    let is_modified = parameters.ends_with(b";5") || parameters.ends_with(b";3");
    match (byte, parameters) {
        (b'C', _) if is_modified => Some(Key::WordRight),
        (b'D', _) if is_modified => Some(Key::WordLeft),
        (b'~', b"1" | b"7") => Some(Key::Home),
        (b'~', b"4" | b"8") => Some(Key::End),
        (b'~', b"3") => Some(Key::Delete),
        (b'~', b"3;5" | b"3;3") => Some(Key::WordDelete),
        (b'~', _) => None,
        _ => arrow(byte),
    }
}
