//! How a terminal is shown what somebody has written.

use std::borrow::Cow;
use std::fmt;

use memchr::{memchr2, memmem};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

use super::{are_all, is_blank};

/// Blanks in a row that a terminal is shown, in columns.
const BLANKS_MAX: usize = 8;

/// A cleaned text on a row of a terminal: of blanks in a row, of any kind, no more are shown than
/// [`BLANKS_MAX`]. So a text that others cannot see cannot push the rest of a message to the
/// start of the next row, where it would pass for a message of somebody else.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a>(pub &'a str);

impl<'a> Row<'a> {
    /// What is shown, in pieces.
    pub fn pieces(self) -> impl Iterator<Item = &'a str> {
        let Row(mut rest) = self;
        let is_ascii = rest.is_ascii();
        // Nearly every message is shown as it is.
        let is_whole = is_ascii && !may_have_excess(rest.as_bytes());
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let excess = if is_whole { None } else { find_excess(rest, is_ascii) };
            let (shown, dropped) = excess.unwrap_or((rest.len(), rest.len()));
            let piece = &rest[..shown];
            rest = &rest[dropped..];
            Some(piece)
        })
    }
}

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces().try_for_each(|piece| f.write_str(piece))
    }
}

/// Whether all of it is ASCII, without line breaks and tabs.
fn is_printable(bytes: &[u8]) -> bool {
    are_all(bytes, |byte| (b' '..=b'~').contains(&byte))
}

/// Whether there may be more spaces in a row than are shown. One of so many is at one of the places
/// looked at, and has four more on one side of it.
fn may_have_excess(ascii: &[u8]) -> bool {
    let is_space = |at: usize| ascii.get(at) == Some(&b' ');
    (BLANKS_MAX..ascii.len())
        .step_by(BLANKS_MAX + 1)
        .any(|at| is_space(at) && (is_space(at - 4) || is_space(at + 4)))
}

/// From where to where the first run of blanks is too long.
fn find_excess(text: &str, is_ascii: bool) -> Option<(usize, usize)> {
    let from = if is_ascii { memmem::find(text.as_bytes(), &[b' '; BLANKS_MAX + 1])? } else { 0 };
    let (mut columns, mut excess) = (0, None);
    for (at, c) in text[from..].char_indices() {
        match (blank_columns(c), excess) {
            (0, None) => columns = 0,
            (0, Some(start)) => return Some((start, from + at)),
            (more, None) if columns + more > BLANKS_MAX => excess = Some(from + at),
            (more, _) => columns += more,
        }
    }
    excess.map(|start| (start, text.len()))
}

/// How far a blank moves what follows, or would on terminals that do not know it; 0 for what is
/// none.
fn blank_columns(c: char) -> usize {
    match c {
        ' ' => 1,
        '!'..='~' => 0,
        '\u{3000}' | '\u{3164}' | '\u{115F}' => 2,
        c if c.is_whitespace() || is_blank(c) => 1,
        // What fonts do not know, and marks that have only a blank to stand on, move what follows
        // or cannot be seen.
        c => usize::from(matches!(
            c.general_category(),
            GeneralCategory::Format | GeneralCategory::PrivateUse | GeneralCategory::Unassigned
        )),
    }
}

/// What a line of a message begins with that is not its first. Nothing else that a terminal is shown
/// begins like this, and each line of a message has it: so none passes for the words of somebody
/// else, or of the server.
const CONTINUATION: &str = "| ";

/// Spaces at the start of such a line that a terminal is shown: six steps of code, and not as many as
/// the narrowest screens have columns.
const INDENT_MAX: usize = 24;

/// Lines in a row on which there is nothing to see that a terminal is shown.
const BLANK_LINES_MAX: usize = 2;

/// How a terminal is shown a tab. Its own would lead anywhere, as what is before the text is of any
/// length.
const TAB: &str = "    ";

/// A cleaned message on a terminal: its first line is a [`Row`], and each further line as well, behind
/// `line_break` and a mark.
#[derive(Clone, Copy, Debug)]
pub struct Lines<'a> {
    pub text: &'a str,
    pub line_break: &'static str,
}

impl Lines<'_> {
    /// Calls `show` with what is shown, in pieces.
    pub fn for_each(self, mut show: impl FnMut(&str)) {
        // Nearly every message is shown as it is.
        if is_printable(self.text.as_bytes()) && !may_have_excess(self.text.as_bytes()) {
            return show(self.text);
        }
        if memchr2(b'\n', b'\t', self.text.as_bytes()).is_none() {
            return Row(self.text).pieces().for_each(show);
        }
        let mut lines = self.text.split('\n').map(spaced);
        if let Some(first) = lines.next() {
            Row(&first).pieces().for_each(&mut show);
        }
        let mut blank_lines = 0;
        for line in lines {
            let is_blank = line.chars().all(|c| c.is_whitespace() || is_blank(c));
            blank_lines = if is_blank { blank_lines + 1 } else { 0 };
            if blank_lines > BLANK_LINES_MAX {
                continue;
            }
            show(self.line_break);
            if is_blank {
                show(CONTINUATION.trim_end());
                continue;
            }
            show(CONTINUATION);
            let bare = line.trim_start_matches(' ');
            show(&line[..(line.len() - bare.len()).min(INDENT_MAX)]);
            Row(bare).pieces().for_each(&mut show);
        }
    }
}

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut written = Ok(());
        self.for_each(|piece| written = written.and_then(|()| f.write_str(piece)));
        written
    }
}

fn spaced(line: &str) -> Cow<'_, str> {
    match line.contains('\t') {
        false => Cow::Borrowed(line),
        true => Cow::Owned(line.replace('\t', TAB)),
    }
}

/// A cleaned message in a list, where each has one row.
pub fn one_row(text: &str) -> Cow<'_, str> {
    match text.contains(['\n', '\t']) {
        false => Cow::Borrowed(text),
        true => Cow::Owned(text.replace(['\n', '\t'], " ")),
    }
}
