//! Keys that reach the server as bytes, from terminals that send each as it is pressed.

use memchr::memchr3;
use unicode_segmentation::UnicodeSegmentation;

/// Backspace and delete take back a character. Which of them the key sends is the terminal's
/// business.
pub const BACKSPACE: u8 = 0x08;
const DELETE: u8 = 0x7F;
/// Ctrl-W takes back a word.
const WORD_ERASE: u8 = 0x17;
/// Ctrl-U takes back the line.
pub const KILL: u8 = 0x15;
/// Ctrl-C takes it back as well, and means to leave; so do Ctrl-D and Ctrl-Z where nothing else
/// stands in the line.
pub(super) const INTERRUPT: u8 = 0x03;
const END: u8 = 0x04;
const SUSPEND: u8 = 0x1A;
pub(super) const ESCAPE: u8 = 0x1B;
/// Terminals ring, or blink. It also ends what is not typed by a key, such as a title (XTerm), as
/// `ESC \` does.
pub const BELL: u8 = 0x07;

/// The answer to keys that mean to leave. Ctrl-C is too easily pressed to do it.
pub const HOW_TO_LEAVE: &[u8] = b"* Type /quit to leave.\r\n";

/// No character that people see is longer than this.
const CLUSTER_BYTES_MAX: usize = 64;
/// U+3000, the space between words of full width.
const WIDE_SPACE: &[u8] = "\u{3000}".as_bytes();

/// Whether these bytes, up to the one that was typed last, mean to leave.
pub fn mean_to_leave(typed: &[u8]) -> bool {
    match typed.last() {
        Some(&INTERRUPT) => true,
        Some(_) => are_only_such(typed),
        None => false,
    }
}

/// Whether nothing but keys that mean to leave was pressed.
pub fn are_only_such(typed: &[u8]) -> bool {
    typed.iter().all(|byte| matches!(*byte, INTERRUPT | END | SUSPEND))
}

/// Does what the keys in a line mean, and drops those that mean nothing here, such as the arrows;
/// returns how long the line is then.
pub fn edit(line: &mut [u8]) -> usize {
    if !line.iter().fold(false, |found, &byte| found | (byte < b' ') | (byte == DELETE)) {
        return line.len();
    }
    let (mut length, mut at) = (0, 0);
    while at < line.len() {
        match line[at] {
            BACKSPACE | DELETE => length -= last_cluster(&line[..length]),
            WORD_ERASE => length = without_last_word(&line[..length]),
            KILL | INTERRUPT => length = 0,
            // By themselves they were answered, if they came by themselves.
            END | SUSPEND if length == 0 => {}
            ESCAPE => {
                at += escape_sequence(&line[at..]);
                continue;
            }
            byte => {
                line[length] = byte;
                length += 1;
            }
        }
        at += 1;
    }
    length
}

/// The length of the last character, as people see characters, in bytes.
fn last_cluster(text: &[u8]) -> usize {
    let mut tail = &text[text.len().saturating_sub(CLUSTER_BYTES_MAX)..];
    while tail.first().is_some_and(|byte| (0x80..0xC0).contains(byte)) && tail.len() > 1 {
        tail = &tail[1..];
    }
    match str::from_utf8(tail) {
        Ok(tail) => tail.graphemes(true).next_back().map_or(0, str::len),
        Err(_) => 1.min(tail.len()),
    }
}

/// How long the text is without its last word, and the blanks behind that.
fn without_last_word(mut text: &[u8]) -> usize {
    let blank = |text: &[u8]| match text {
        [.., b' ' | b'\t'] => 1,
        _ if text.ends_with(WIDE_SPACE) => WIDE_SPACE.len(),
        _ => 0,
    };
    while let count @ 1.. = blank(text) {
        text = &text[..text.len() - count];
    }
    while !text.is_empty() && blank(text) == 0 {
        text = &text[..text.len() - 1];
    }
    text.len()
}

/// The length of the sequence that an ESC begins (ECMA-48): what keys without a character send, and
/// what a program has written that is passed on to us. The key Escape is one by itself.
fn escape_sequence(bytes: &[u8]) -> usize {
    let rest = &bytes[1.min(bytes.len())..];
    1 + match rest {
        // Function keys of the Linux console.
        [b'[', b'[', key, ..] if key.is_ascii_graphic() => 3,
        [b'[', parameters @ ..] => {
            let is_parameter = |byte: &&u8| (0x20..0x40).contains(*byte);
            let count = parameters.iter().take_while(is_parameter).count();
            let ends = parameters.get(count).is_some_and(|byte| (0x40..0x7F).contains(byte));
            1 + count + usize::from(ends)
        }
        [b'O', key, ..] if key.is_ascii_graphic() => 2,
        // OSC, DCS, SOS, PM and APC: strings, which nothing but their end ends.
        [b']' | b'P' | b'X' | b'^' | b'_', string @ ..] => 1 + control_string(string),
        _ => 0,
    }
}

/// The length of a control string with its end; if it has none, it is the rest of the line. Another
/// sequence ends it, too, and so does Ctrl-C, which may have been served before the rest has come.
fn control_string(string: &[u8]) -> usize {
    let Some(at) = memchr3(BELL, ESCAPE, INTERRUPT, string) else { return string.len() };
    match string[at..] {
        [BELL, ..] => at + 1,
        [ESCAPE, b'\\', ..] => at + 2,
        _ => at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn expect(typed: &[u8], line: &[u8]) {
        let mut bytes = typed.to_vec();
        let length = edit(&mut bytes);
        let (typed, edited) = (typed.escape_ascii(), bytes[..length].escape_ascii());
        assert_eq!(edited.to_string(), line.escape_ascii().to_string(), "{typed}");
    }

    #[test]
    fn keys_that_take_back_do() {
        for (typed, line) in [
            ("helo\u{8}lo", "hello"),
            ("wrold\u{7f}\u{7f}\u{7f}\u{7f}orld", "world"),
            ("\u{8}\u{7f}a", "a"),
            ("rubbish\u{15}clean", "clean"),
            ("\u{15}", ""),
            ("abandoned\u{3}new", "new"),
            // As people see characters: a letter with marks, a flag, a family.
            ("ne\u{301}\u{8}", "n"),
            ("日本語\u{8}", "日本"),
            ("a🇯🇵\u{7f}b", "ab"),
            ("👨‍👩‍👧\u{8}x", "x"),
            ("one two three\u{17}", "one two "),
            ("one two  \u{17}\u{17}three", "three"),
            ("全角　空白\u{17}です", "全角　です"),
            ("\u{17}x", "x"),
            ("no keys", "no keys"),
            ("a\ttab", "a\ttab"),
        ] {
            expect(typed.as_bytes(), line.as_bytes());
        }
        expect(b"a\xff\xfe\x08b", b"a\xffb");
    }

    #[test]
    fn keys_without_a_character_leave_none() {
        for (typed, line) in [
            // Arrows, Home, Delete, F1 of XTerm and of the Linux console, a pasted word.
            ("a\u{1b}[Ab\u{1b}[1;5Dc", "abc"),
            ("\u{1b}OHa\u{1b}[3~b", "ab"),
            ("\u{1b}OPa\u{1b}[[Ab", "ab"),
            ("\u{1b}[200~pasted\u{1b}[201~", "pasted"),
            // What programs write: colours, a title, a link.
            ("\u{1b}[1;31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}text", "text"),
            ("\u{1b}]8;;http://a\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{1b}Pdevice\u{1b}\\text", "text"),
            ("\u{1b}]0;title\u{1b}[Atext", "text"),
            ("text\u{1b}]title without an end", "text"),
            // Escape by itself, and sequences that something else cuts short.
            ("\u{1b}hello", "hello"),
            ("hello\u{1b}", "hello"),
            ("hello\u{1b}[", "hello"),
            ("hello\u{1b}O", "helloO"),
            ("\u{1b}[12日本", "日本"),
            ("\u{1b}[1\u{8}a", "a"),
            // Ctrl-C takes back the line wherever it is pressed, and Ctrl-D ends nothing.
            ("lost\u{1b}]title\u{3}kept", "kept"),
            ("lost\u{1b}[[\u{3}kept", "kept"),
            ("\u{4}\u{1a}kept", "kept"),
        ] {
            expect(typed.as_bytes(), line.as_bytes());
        }
    }

    #[test]
    fn keys_that_mean_to_leave_are_known() {
        for leaving in ["\u{3}", "\u{4}", "\u{1a}", "\u{4}\u{4}", "half a line\u{3}"] {
            assert!(mean_to_leave(leaving.as_bytes()), "{leaving:?}");
        }
        for staying in ["", "text", "text\u{4}", "a\u{1a}", "\u{3}text"] {
            assert!(!mean_to_leave(staying.as_bytes()), "{staying:?}");
        }
    }
}
