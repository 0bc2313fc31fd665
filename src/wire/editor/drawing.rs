//! How a line is drawn on a terminal, and taken off it again.
//!
//! The line stands in rows of its own, each a column narrower than the terminal and ended by us, so
//! that nothing hangs on what a terminal does with its last column. Where it would take too much of
//! the screen, the rows around the cursor are shown.

use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthChar;

/// How large a terminal is. Until it has said so it is taken for one of 80 columns and 24 rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    pub columns: u16,
    pub rows: u16,
}

impl Default for Size {
    fn default() -> Size {
        Size { columns: 80, rows: 24 }
    }
}

impl Size {
    /// What a terminal says (RFC 1073), where 0 is for what it does not know.
    pub fn said(columns: u16, rows: u16) -> Size {
        let Size { columns: default_columns, rows: default_rows } = Size::default();
        let or = |said: u16, default: u16| if said == 0 { default } else { said };
        Size { columns: or(columns, default_columns), rows: or(rows, default_rows) }
    }
}

/// The line never takes more rows than this.
const ROWS_MAX: usize = 8;
/// Nor is it laid out narrower: a character may take two columns.
const COLUMNS_MIN: usize = 2;
/// Nor wider, however wide a terminal says that it is.
const COLUMNS_MAX: usize = 512;

/// Takes all off the screen, and puts the cursor to its top.
const CLEAR: &[u8] = b"\x1b[H\x1b[2J";

/// What has changed since the line was drawn. The later, the more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Change {
    #[default]
    Nothing,
    Cursor,
    /// What stands at the end, from this byte on, is new.
    Append {
        from: usize,
    },
    All,
}

/// Where the drawing stands on the screen, from the cursor's row on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    /// The first row of the line that is shown, and how many are.
    top: usize,
    rows: usize,
    /// The cursor's row and column. The row counts from the first of the line.
    row: usize,
    column: usize,
}

/// The drawing of a line.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Drawing {
    size: Size,
    prompt: String,
    /// What showed the line when nothing of it was on the screen, if it would still: whoever only
    /// listens has it laid out once.
    #[serde(skip)]
    picture: Option<(Vec<u8>, Place)>,
    /// `None`: nothing of the line is on the screen, and the cursor is at the start of an empty row.
    place: Option<Place>,
    change: Change,
    /// All else is to go off the screen first.
    clears: bool,
    /// It does with the last drawing, which may not have been written.
    cleared: bool,
}

impl Drawing {
    pub fn prompt(&self) -> &str {
        &self.prompt
    }

    pub fn held_bytes(&self) -> usize {
        let picture = self.picture.as_ref().map_or(0, |(bytes, _)| bytes.capacity());
        self.prompt.capacity() + picture
    }

    pub fn is_stale(&self) -> bool {
        self.place.is_none() || self.change != Change::Nothing || self.clears
    }

    pub fn change(&mut self, change: Change) {
        self.change = match (self.change, change) {
            (Change::Append { from }, Change::Append { .. }) => Change::Append { from },
            (Change::Nothing, _) => change,
            (Change::Cursor, Change::Append { .. }) => Change::All,
            (Change::Append { .. }, Change::Cursor) => Change::All,
            (before, _) => before.max(change),
        };
    }

    pub fn set_size(&mut self, size: Size) {
        self.size = size;
        self.change = Change::All;
    }

    /// Has all that is on the screen go before anything else is written.
    pub fn clear_screen(&mut self) {
        self.clears = true;
    }

    /// What was drawn last has been written, or will be before anything else.
    pub fn was_written(&mut self) {
        self.cleared = false;
    }

    /// Nothing was drawn, or it has not been written.
    pub fn was_not_written(&mut self) {
        self.place = None;
        self.clears |= std::mem::take(&mut self.cleared);
    }

    /// Appends what takes the line off the screen, if it is there; and all else, if that is to go:
    /// what is written next stays.
    pub fn erase(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.clears) {
            self.place = None;
            return out.extend_from_slice(CLEAR);
        }
        let Some(place) = self.place.take() else { return };
        up(place.row - place.top, out);
        out.extend_from_slice(b"\r\x1b[J");
    }

    /// Appends what has the screen show this line with the cursor there.
    pub fn draw(&mut self, prompt: &str, text: &str, cursor: usize, out: &mut Vec<u8>) {
        if self.prompt != prompt {
            prompt.clone_into(&mut self.prompt);
            self.change = Change::All;
        }
        if std::mem::take(&mut self.clears) {
            self.cleared = true;
            self.place = None;
            out.extend_from_slice(CLEAR);
        }
        if let (Change::Nothing, Some((picture, place))) = (self.change, &self.picture) {
            if self.place.is_none() {
                out.extend_from_slice(picture);
                self.place = Some(*place);
            }
            return;
        }
        let layout = Layout::new(self.columns(), prompt, text, cursor);
        self.picture = None;
        let mut place = layout.place(self.rows_max());
        match (std::mem::take(&mut self.change), self.place) {
            (Change::Nothing, Some(_)) => return,
            (Change::Append { from }, Some(before)) if before.holds(&place) => {
                out.extend_from_slice(text.as_bytes().get(from..).unwrap_or_default());
            }
            (Change::Cursor, Some(before)) if before.top == place.top => {
                place.rows = before.rows;
                move_cursor(before, place, out);
            }
            _ => {
                self.erase(out);
                let start = out.len();
                layout.write(place, prompt, text, out);
                self.picture = Some((out[start..].to_vec(), place));
            }
        }
        self.place = Some(place);
    }

    fn columns(&self) -> usize {
        usize::from(self.size.columns).clamp(COLUMNS_MIN + 1, COLUMNS_MAX) - 1
    }

    fn rows_max(&self) -> usize {
        usize::from(self.size.rows.saturating_sub(1)).clamp(1, ROWS_MAX)
    }
}

impl Place {
    /// Whether what is added at the end stays in the row that the cursor is in.
    fn holds(&self, after: &Place) -> bool {
        (self.top, self.rows, self.row) == (after.top, after.rows, after.row)
            && self.row + 1 == self.top + self.rows
    }
}

/// How a prompt and a text are laid out in rows.
struct Layout {
    /// Where each row begins, in bytes of both.
    rows: Vec<usize>,
    /// The cursor's row and column.
    cursor: (usize, usize),
    is_at_end: bool,
}

impl Layout {
    fn new(columns: usize, prompt: &str, text: &str, cursor: usize) -> Layout {
        let (mut rows, mut column, mut at) = (vec![0], 0, 0);
        let cursor = prompt.len() + cursor;
        let mut found = None;
        for cluster in prompt.graphemes(true).chain(text.graphemes(true)) {
            let width = width_of(cluster).min(columns);
            if column + width > columns {
                rows.push(at);
                column = 0;
            }
            if at == cursor {
                found = Some((rows.len() - 1, column));
            }
            column += width;
            at += cluster.len();
        }
        let end = (rows.len() - 1, column);
        Layout { rows, cursor: found.unwrap_or(end), is_at_end: found.is_none() }
    }

    /// Which of its rows are shown, if so many may be.
    fn place(&self, rows_max: usize) -> Place {
        let (row, column) = self.cursor;
        let top = (row + 1).saturating_sub(rows_max);
        let rows = (self.rows.len() - top).min(rows_max);
        Place { top, rows, row, column }
    }

    /// Appends the rows that are shown, and moves the cursor to its place.
    fn write(&self, place: Place, prompt: &str, text: &str, out: &mut Vec<u8>) {
        let end = |row: usize| self.rows.get(row + 1).copied().unwrap_or(usize::MAX);
        for row in place.top..place.top + place.rows {
            if row > place.top {
                out.extend_from_slice(b"\r\n");
            }
            let (from, to) = (self.rows[row], end(row));
            out.extend_from_slice(part(prompt, from, to));
            let skip = |at: usize| at.saturating_sub(prompt.len());
            out.extend_from_slice(part(text, skip(from), skip(to)));
        }
        if !self.is_at_end {
            up(place.top + place.rows - 1 - place.row, out);
            to_column(place.column, out);
        }
    }
}

fn part(text: &str, from: usize, to: usize) -> &[u8] {
    &text.as_bytes()[from.min(text.len())..to.min(text.len())]
}

/// What a cluster takes on most terminals, which look at each of its code points alone.
fn width_of(cluster: &str) -> usize {
    cluster.chars().map(|char| char.width().unwrap_or(0)).sum()
}

fn move_cursor(from: Place, to: Place, out: &mut Vec<u8>) {
    up(from.row.saturating_sub(to.row), out);
    sequence(to.row.saturating_sub(from.row), b'B', out);
    to_column(to.column, out);
}

fn up(rows: usize, out: &mut Vec<u8>) {
    sequence(rows, b'A', out);
}

fn to_column(column: usize, out: &mut Vec<u8>) {
    out.push(b'\r');
    sequence(column, b'C', out);
}

fn sequence(count: usize, action: u8, out: &mut Vec<u8>) {
    if count > 0 {
        out.extend_from_slice(format!("\x1b[{count}").as_bytes());
        out.push(action);
    }
}
