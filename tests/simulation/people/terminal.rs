//! A terminal that leaves the line it types to the server: keys go out in pieces, and an emulator that
//! we did not write says what stands on the screen. What is typed is edited here once more, without
//! any cleverness: whenever all has come, the last rows show exactly what will be sent, and the rows
//! above are what the model has this device hear, each once, and the lines that it has ended.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::num::NonZero;

use chat_server::chat::request::commands::COMMANDS;
use chat_server::wire::editor::Size;
use chat_server::wire::telnet_client::TelnetClient;
use fastrand::Rng;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthChar;

use super::draw::Draw;
use super::model::{Model, Rules};
use super::request::Request;
use crate::kept::SharedWire;

/// No screen scrolls: the last rows are free for as long as it is used.
const ROWS: u16 = 1200;
const ROWS_LEFT: u16 = 60;
/// What it says that it has.
const SAID_ROWS: u16 = 24;
/// A line takes no more rows than that.
const TYPED_ROWS_MAX: usize = 6;

/// What people take for one character.
const CLUSTERS: [&str; 9] = ["x", "é", "日", "本", "😀", "👨‍👩‍👧", "🇯🇵", "e\u{301}", "ﾊﾟ"];
/// Lines that begin so are not brought back.
const SECRETS: [&str; 6] = ["login", "register", "password", "token", "confirm", "delete-account"];

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).expect("a terminal has a cell")
}

/// What is typed, as it is to be sent.
#[derive(Debug, Default)]
struct Typed {
    text: String,
    /// In bytes.
    cursor: usize,
    earlier: Vec<String>,
    /// So many lines back is what is shown, and what had been typed before.
    back: usize,
    draft: String,
}

impl Typed {
    fn before(&self) -> &str {
        &self.text[..self.cursor]
    }

    /// Where the character before the cursor begins, and where the one behind it ends.
    fn neighbours(&self) -> (usize, usize) {
        let mut starts = self.text.grapheme_indices(true).map(|(at, _)| at);
        let start = starts.rfind(|at| *at < self.cursor).unwrap_or(0);
        let end = self.text[self.cursor..].graphemes(true).next().map_or(0, str::len);
        (start, self.cursor + end)
    }

    fn insert(&mut self, text: &str) {
        self.text.insert_str(self.cursor, text);
        self.cursor += text.len();
    }

    fn cut(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.cursor = from;
    }

    fn go_back(&mut self, back: usize) {
        if self.back == 0 {
            self.draft = self.text.clone();
        }
        self.back = back;
        self.text = match back {
            0 => self.draft.clone(),
            back => self.earlier[self.earlier.len() - back].clone(),
        };
        self.cursor = self.text.len();
    }

    /// Presses a key, as it is named here.
    fn press(&mut self, key: Key) {
        let (left, right) = self.neighbours();
        match key {
            Key::Text(text) => self.insert(text),
            Key::Left => self.cursor = left,
            Key::Right => self.cursor = right,
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = self.text.len(),
            Key::Backspace => self.cut(left, self.cursor),
            Key::Delete => self.cut(self.cursor, right),
            Key::Word => {
                let kept = self.before().trim_end_matches(' ');
                let start = kept.rfind(' ').map_or(0, |at| at + 1);
                self.cut(start, self.cursor);
            }
            Key::Before => self.cut(0, self.cursor),
            Key::Behind => self.text.truncate(self.cursor),
            Key::Up if self.back < self.earlier.len() => self.go_back(self.back + 1),
            Key::Down if self.back > 0 => self.go_back(self.back - 1),
            Key::Up | Key::Down => {}
        }
    }

    /// Ends the line.
    fn end(&mut self, is_secret: bool) -> String {
        let line = std::mem::take(&mut self.text);
        (self.cursor, self.back) = (0, 0);
        let is_remembered = !is_secret
            && !line.trim().is_empty()
            && !SECRETS
                .contains(&line.split(' ').next().unwrap_or_default().trim_start_matches('/'))
            && !line.contains("cst_")
            && !has_code(&line)
            && self.earlier.last() != Some(&line);
        if is_remembered {
            self.earlier.push(line.clone());
        }
        line
    }
}

/// Whether something in it may be the code of an invitation.
fn has_code(line: &str) -> bool {
    let is_group =
        |group: &str| group.len() == 4 && group.chars().all(|c| c.is_ascii_alphanumeric());
    line.split(' ').any(|word| word.split('-').filter(|group| is_group(group)).count() >= 3)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Key {
    Text(&'static str),
    Left,
    Right,
    Home,
    End,
    Backspace,
    Delete,
    Word,
    Before,
    Behind,
    Up,
    Down,
}

impl Key {
    fn bytes(self, rng: &mut Rng) -> &'static [u8] {
        let one_of = |ways: [&'static [u8]; 2], rng: &mut Rng| ways[usize::from(rng.bool())];
        match self {
            Key::Text(text) => text.as_bytes(),
            Key::Left => one_of([b"\x1b[D", b"\x02"], rng),
            Key::Right => one_of([b"\x1b[C", b"\x1bOC"], rng),
            Key::Home => one_of([b"\x1b[H", b"\x01"], rng),
            Key::End => one_of([b"\x1b[F", b"\x05"], rng),
            Key::Backspace => one_of([b"\x7f", b"\x08"], rng),
            Key::Delete => b"\x1b[3~",
            Key::Word => b"\x17",
            Key::Before => b"\x15",
            Key::Behind => b"\x0b",
            Key::Up => one_of([b"\x1b[A", b"\x10"], rng),
            Key::Down => one_of([b"\x1b[B", b"\x0e"], rng),
        }
    }
}

struct Connection {
    number: usize,
    wire: SharedWire,
    telnet: TelnetClient,
    screen: vt100::Parser,
    /// The rows above this one have been looked at.
    done: u16,
    typed: Typed,
    /// What was ended, and is not on the screen yet, and whether it is a secret, of which a row is empty.
    ended: VecDeque<(String, bool)>,
    /// What is still to be typed: a secret only once it is asked for.
    lines: VecDeque<String>,
    /// What Tab may make of a word, with the word.
    completes: Option<(String, BTreeSet<String>)>,
    /// All has come, and was looked at.
    is_settled: bool,
}

/// A terminal, connected or not.
pub struct Terminal {
    connection: Option<Connection>,
}

impl Terminal {
    pub fn new() -> Terminal {
        Terminal { connection: None }
    }

    pub fn number(&self) -> Option<usize> {
        self.connection.as_ref().map(|connection| connection.number)
    }

    pub fn address(&self) -> IpAddr {
        "192.0.2.77".parse().expect("an address")
    }

    pub fn connect(
        &mut self,
        number: usize,
        wire: SharedWire,
        (model, rules): (&Model, &Rules),
        count: &mut u64,
        rng: &mut Rng,
    ) {
        let columns = rng.u16(30..100);
        let mut out = Vec::new();
        let telnet = TelnetClient::terminal(Size { columns, rows: SAID_ROWS }, &mut out);
        wire.borrow_mut().uplink.extend(out);
        // Who presses Enter comes in; others log in first.
        let lines = match rng.bool() {
            true => [String::new()].into(),
            false => {
                *count += 1;
                Draw { model, rules, count: *count, rng }
                    .as_newcomer(self.address())
                    .written(false)
                    .into()
            }
        };
        self.connection = Some(Connection {
            number,
            wire,
            telnet,
            screen: vt100::Parser::new(cells(ROWS), cells(columns), 0),
            done: 0,
            typed: Typed::default(),
            ended: VecDeque::new(),
            lines,
            completes: None,
            is_settled: false,
        });
    }

    /// The server has let it go.
    pub fn break_off_if_dropped(&mut self) {
        if self.connection.as_ref().is_some_and(|connection| connection.wire.borrow().dropped) {
            self.break_off();
        }
    }

    pub fn break_off(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.wire.borrow_mut().break_off();
        }
    }

    pub fn is_settled(&self) -> bool {
        self.connection.as_ref().is_none_or(|it| {
            it.is_settled && it.ended.is_empty() && it.wire.borrow().unread_by_server() == 0
        })
    }

    pub fn carry(&mut self, rng: &mut Rng) {
        if let Some(connection) = &self.connection {
            connection.wire.borrow_mut().carry(false, rng);
        }
    }

    /// Reads what has come; `is_still`: the server does nothing more before something comes.
    pub fn read(&mut self, model: &mut Model, is_still: bool, trace: bool) {
        let Some(connection) = &mut self.connection else { return };
        connection.take();
        let is_over = connection.wire.borrow().is_over();
        if is_over {
            connection.hear_the_rest(model);
            return self.break_off();
        }
        connection.note_visible(model);
        connection.is_settled = is_still && connection.has_all();
        if connection.is_settled {
            connection.look(model, trace);
        }
        if connection.screen.screen().cursor_position().0 + ROWS_LEFT > ROWS {
            self.break_off();
        }
    }

    /// Types on, or begins with something else.
    pub fn act(&mut self, model: &Model, rules: &Rules, count: &mut u64, rng: &mut Rng) {
        let Some(connection) = &mut self.connection else { return };
        if !connection.telnet.is_echoed() {
            return;
        }
        if connection.lines.is_empty() && model.clients.contains_key(&connection.number) {
            *count += 1;
            let mut draw = Draw { model, rules, count: *count, rng };
            let request = match model.account_of(connection.number).is_some() {
                true => draw.as_account(connection.number),
                false => draw.as_guest(connection.number),
            };
            if request.is_of_programs() {
                return;
            }
            let mut lines = request.written(false);
            // Something that takes several rows.
            if matches!(request, Request::Say { .. }) && rng.u32(0..4) == 0 {
                lines[0] += &format!(" {}", "日本é😀".repeat(rng.usize(1..12)));
            }
            connection.lines.extend(lines);
        }
        // What is on its way is drawn for the size before: it has one row in both.
        let is_short = connection.typed.text.len() < 8;
        let may_resize = connection.is_settled && is_short && connection.completes.is_none();
        if may_resize && rng.u32(0..12) == 0 {
            return connection.resize(rng);
        }
        connection.type_on(model, rng);
    }
}

impl Connection {
    fn take(&mut self) {
        let bytes = self.wire.borrow_mut().take(usize::MAX);
        let (mut shown, mut answers) = (Vec::new(), Vec::new());
        self.telnet.receive(&bytes, &mut shown, &mut answers);
        self.screen.process(&shown);
        self.wire.borrow_mut().uplink.extend(answers);
    }

    fn has_all(&self) -> bool {
        let wire = self.wire.borrow();
        // What the server is told next is that it can write more.
        let is_written = wire.buffer.is_empty() && !wire.write_blocked && !wire.writable;
        self.telnet.is_echoed()
            && is_written
            && wire.downlink.is_empty()
            && wire.unread_by_server() == 0
    }

    fn send(&mut self, bytes: &[u8]) {
        self.is_settled = false;
        self.wire.borrow_mut().uplink.extend(bytes);
    }

    // ---- Typing ----

    fn press(&mut self, key: Key, hides: bool, rng: &mut Rng) {
        // Of secrets nothing is brought back.
        if !(hides && matches!(key, Key::Up | Key::Down)) {
            self.typed.press(key);
        }
        let bytes = key.bytes(rng);
        self.send(bytes);
    }

    /// A few keys more of the line that is being typed.
    fn type_on(&mut self, model: &Model, rng: &mut Rng) {
        let Some(line) = self.lines.front().cloned() else { return };
        let client = model.clients.get(&self.number);
        let hides = client.is_some_and(|client| client.prompt.is_some());
        let is_first = self.typed.text.is_empty();
        // It has been typed, and is looked at.
        if is_first && client.is_some_and(|client| client.granted.is_some()) {
            return;
        }
        // What a line leads to may be that the next one is a secret.
        if is_first && !(self.is_settled && self.ended.is_empty()) || self.completes.is_some() {
            return;
        }
        if is_first && !hides && self.is_settled && rng.u32(0..8) == 0 {
            return self.complete(model, rng);
        }
        for _ in 0..rng.u32(1..8) {
            if !line.starts_with(&self.typed.text) || self.typed.cursor < self.typed.text.len() {
                // Something else was brought back.
                self.press(Key::End, hides, rng);
                self.press(Key::Before, hides, rng);
            }
            match rng.u32(0..10) {
                0 => self.slip(hides, rng),
                _ => match line[self.typed.text.len()..].graphemes(true).next() {
                    Some(next) => {
                        self.typed.insert(next);
                        let bytes = next.as_bytes().to_vec();
                        self.send(&bytes);
                    }
                    None => return self.end_line(hides, rng),
                },
            }
        }
    }

    /// Something that is taken back again, or not at once.
    fn slip(&mut self, hides: bool, rng: &mut Rng) {
        let cluster = CLUSTERS[rng.usize(..CLUSTERS.len())];
        let keys: &[Key] = match rng.u32(0..8) {
            0 | 1 => &[Key::Text(cluster), Key::Backspace],
            2 => &[Key::Left, Key::Right],
            3 => &[Key::Home, Key::Text(cluster), Key::Left, Key::Delete, Key::End],
            4 => &[Key::Text(" "), Key::Text(cluster), Key::Word, Key::Backspace],
            5 => &[Key::Up, Key::Up, Key::Down],
            6 => &[Key::Text(cluster), Key::Left, Key::Behind],
            _ => &[Key::Up, Key::Down],
        };
        for key in keys {
            self.press(*key, hides, rng);
        }
    }

    fn end_line(&mut self, hides: bool, rng: &mut Rng) {
        self.lines.pop_front();
        let line = self.typed.end(hides);
        self.ended.push_back((line, hides));
        self.send([&b"\r"[..], b"\r\n", b"\r\0"][rng.usize(0..3)]);
    }

    fn resize(&mut self, rng: &mut Rng) {
        let columns = rng.u16(30..100);
        self.screen.screen_mut().set_size(cells(ROWS), cells(columns));
        let mut out = Vec::new();
        self.telnet.set_size(Size { columns, rows: SAID_ROWS }, &mut out);
        self.send(&out);
    }

    /// Has a word become what it can be.
    fn complete(&mut self, model: &Model, rng: &mut Rng) {
        let word = ["#", "#d", "#t", "#s", "/jo", "d", "@t"][rng.usize(0..7)];
        self.typed.insert(word);
        self.completes = Some((word.to_owned(), BTreeSet::new()));
        self.note_visible(model);
        self.send(format!("{word}\t").as_bytes());
    }

    /// All that may be shown of names while it is not known when the server looks them up.
    fn note_visible(&mut self, model: &Model) {
        let Some((_, words)) = &mut self.completes else { return };
        words.extend(COMMANDS.iter().map(|spec| format!("/{}", spec.name)));
        let Some(user) = model.clients.get(&self.number).map(|client| client.user) else { return };
        if !model.may(user) {
            return;
        }
        let rooms = model.kept.rooms.iter().filter(|(id, _)| model.is_listed(user, **id));
        words.extend(rooms.map(|(_, room)| room.name.clone()));
        for (_, other) in model.all().filter(|(id, _)| *id != user) {
            if other.rooms.iter().any(|room| model.is_in(user, *room)) {
                words.extend([other.name.clone(), format!("@{}", other.name)]);
            }
        }
    }

    // ---- Looking ----

    fn columns(&self) -> u16 {
        self.screen.screen().size().1.get()
    }

    fn row(&self, row: u16) -> String {
        let cell = |column| self.screen.screen().cell(row, column).map(|cell| cell.contents());
        (0..self.columns()).filter_map(cell).collect()
    }

    /// The row of the cursor within the line, and its column, and the rows of the line.
    fn layout(&self, shown: &str, cursor: usize) -> (usize, usize, Vec<String>) {
        let room = usize::from(self.columns()) - 1;
        let (mut rows, mut column, mut place) = (vec![String::new()], 0, None);
        let mut at = 0;
        for cluster in shown.graphemes(true) {
            let width: usize = cluster.chars().map(|char| char.width().unwrap_or(0)).sum();
            if column + width > room {
                rows.push(String::new());
                column = 0;
            }
            if at == cursor {
                place = Some((rows.len() - 1, column));
            }
            rows.last_mut().expect("one").push_str(cluster);
            column += width;
            at += cluster.len();
        }
        let (row, column) = place.unwrap_or((rows.len() - 1, column));
        (row, column, rows)
    }

    /// All has come: below is what will be sent, and above it what there is to hear.
    fn look(&mut self, model: &mut Model, trace: bool) {
        let client = model.clients.get(&self.number);
        let hides = client.is_some_and(|client| client.prompt.is_some());
        let room = client.and_then(|client| model.kept.rooms.get(&client.current?));
        let prompt = room.map_or("> ".to_owned(), |room| format!("[{}] ", room.name));
        let (row, column) = self.screen.screen().cursor_position();
        if let Some((word, words)) = self.completes.take() {
            let now = self.row(row);
            let text =
                now.strip_prefix(&prompt).unwrap_or_else(|| panic!("{now:?}, not {prompt:?}"));
            let key = |text: &str| text.trim_end_matches([' ', ':']).to_lowercase();
            let is_it = |name: &String| name.to_lowercase().starts_with(&key(text));
            assert!(
                text == word || key(text).starts_with(&word) && words.iter().any(is_it),
                "{word:?} became {text:?}, which is none of {words:?}"
            );
            self.typed.text = text.to_owned();
            self.typed.cursor = text.len();
            let above = self.above(row);
            let lists = |line: &String| {
                let listed = line.strip_prefix("* ").map(|list| list.split(", "));
                listed.is_some_and(|mut listed| {
                    listed.all(|one| words.contains(one) && one.to_lowercase().starts_with(&word))
                })
            };
            for line in above.into_iter().filter(|line| !lists(line)) {
                self.hear(model, &line, trace);
            }
            self.done = row;
            return;
        }
        let shown = if hides { String::new() } else { prompt + &self.typed.text };
        let cursor =
            shown.len() - if hides { 0 } else { self.typed.text.len() - self.typed.cursor };
        let (of_line, in_row, rows) = self.layout(&shown, cursor);
        assert!(rows.len() <= TYPED_ROWS_MAX, "nobody types so much: {rows:?}");
        let first = row.checked_sub(of_line as u16).filter(|first| *first >= self.done);
        let first = first.unwrap_or_else(|| self.panic(&rows, "is above what was there before"));
        let stands = (0..).map(|at| self.row(first + at)).take(rows.len() + 1);
        let stands: Vec<String> = stands.collect();
        if stands[..rows.len()] != rows[..] || !stands[rows.len()].is_empty() {
            self.panic(&rows, "is not what is to be sent");
        }
        assert_eq!(usize::from(column), in_row, "the cursor of client {}, {rows:?}", self.number);
        for line in self.above(first) {
            self.hear(model, &line, trace);
        }
        self.done = first;
    }

    fn panic(&self, rows: &[String], why: &str) -> ! {
        let row = self.screen.screen().cursor_position().0;
        let screen: Vec<String> =
            (row.saturating_sub(12)..row + 4).map(|at| self.row(at)).collect();
        panic!("client {}: the line {why}: {rows:#?}, on {screen:#?}", self.number);
    }

    /// The lines between those that were looked at and this row, as they were before the terminal
    /// broke them.
    fn above(&self, row: u16) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let mut goes_on = false;
        for at in self.done..row {
            let text = self.row(at);
            match lines.last_mut() {
                Some(last) if goes_on => last.push_str(&text),
                // One more line of the message above.
                Some(last) if text.starts_with('|') => {
                    last.push('\n');
                    last.push_str(&text);
                }
                _ => lines.push(text),
            }
            // Where a wide character has no room the emulator breaks the row and does not say so. No
            // line begins with one.
            let is_wide = |row| self.screen.screen().cell(row, 0).is_some_and(|it| it.is_wide());
            goes_on = self.screen.screen().row_wrapped(at) || is_wide(at + 1);
        }
        lines
    }

    /// A line that is no more what is typed.
    fn hear(&mut self, model: &mut Model, line: &str, trace: bool) {
        if trace {
            println!("{:>9} sees {line}", format!("c{}", self.number));
        }
        let is_prompt = |text: &str| {
            text == "> " || text.starts_with('[') && text.find("] ") == Some(text.len() - 2)
        };
        let is_ended = match self.ended.front() {
            Some((_, true)) if line.is_empty() => true,
            // A command may be typed while the answer to a password is on its way, and reach the
            // server when that asks for none any more.
            Some((ended, hides)) if !hides || ended.starts_with('/') => {
                line.strip_suffix(ended.as_str()).is_some_and(is_prompt)
            }
            _ => false,
        };
        if is_ended {
            self.ended.pop_front();
        } else if !line.starts_with("* This is a chat") {
            model.hear(self.number, line);
        }
    }

    /// The server has closed it.
    fn hear_the_rest(&mut self, model: &mut Model) {
        let row = self.screen.screen().cursor_position().0;
        let lines = self.above(row);
        if lines.iter().any(|line| line.starts_with("! The server could not store")) {
            return;
        }
        for line in lines {
            self.hear(model, &line, false);
        }
        // What was on its way when the connection broke has not come.
        if self.wire.borrow().dropped {
            model.past.remove(&self.number);
        } else if model.past.contains_key(&self.number) {
            model.hear_the_end(self.number, "banned");
        }
    }
}
