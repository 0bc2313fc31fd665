//! A terminal emulator that we did not write says what stands on the screen.

use std::num::NonZero;

use proptest::prelude::*;
use unicode_width::UnicodeWidthChar;

use super::*;

const PROMPT: &str = "[#lobby] ";
const BYTES_MAX: usize = 4096;

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).expect("a terminal has a cell")
}

/// A terminal with an editor behind it.
struct Terminal {
    editor: Editor,
    screen: vt100::Parser,
    /// The rows above the line: whole messages, and lines that were ended.
    log: Vec<String>,
    lines: Vec<String>,
    columns: u16,
}

impl Terminal {
    fn new(columns: u16, rows: u16) -> Terminal {
        let mut editor = Editor::default();
        editor.set_size(Size { columns, rows });
        let screen = vt100::Parser::new(cells(rows), cells(columns), 0);
        let (log, lines) = (Vec::new(), Vec::new());
        let mut terminal = Terminal { editor, screen, log, lines, columns };
        terminal.flush("");
        terminal
    }

    fn resize(&mut self, columns: u16, rows: u16) {
        self.screen.screen_mut().set_size(cells(rows), cells(columns));
        self.columns = columns;
        self.editor.set_size(Size { columns, rows });
    }

    /// Writes as the server does: what is unsent, messages, and the line again.
    fn flush(&mut self, messages: &str) {
        if !messages.is_empty() {
            self.editor.uncover();
        }
        let mut out = self.editor.unsent().to_vec();
        self.editor.wrote(out.len(), Some(b""));
        out.extend_from_slice(messages.as_bytes());
        self.editor.draw(PROMPT, &mut out);
        self.screen.process(&out);
    }

    /// Types bytes, and writes what comes of them.
    fn type_bytes(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (event, used) = self.editor.take(bytes, BYTES_MAX);
            bytes = &bytes[used..];
            let shown = match event {
                Some(Event::Line { line, shown }) => {
                    self.note(&shown);
                    self.editor.remember(line.clone());
                    self.lines.push(line);
                    shown
                }
                Some(Event::Complete | Event::Full { .. } | Event::Leave) | None => String::new(),
            };
            self.flush(&shown);
        }
    }

    fn hear(&mut self, message: &str) {
        self.note(message);
        self.flush(message);
    }

    /// Notes rows as a terminal breaks them.
    fn note(&mut self, text: &str) {
        for line in text.strip_suffix("\r\n").expect("whole lines").split("\r\n") {
            let (mut row, mut column) = (String::new(), 0);
            for char in line.chars() {
                let width = char.width().unwrap_or(0);
                if column + width > usize::from(self.columns) {
                    self.log.push(std::mem::take(&mut row));
                    column = 0;
                }
                row.push(char);
                column += width;
            }
            self.log.push(row);
        }
    }

    fn cells(&self, row: u16, columns: std::ops::Range<u16>) -> String {
        let cell = |column| self.screen.screen().cell(row, column).map(|cell| cell.contents());
        columns.filter_map(cell).collect()
    }

    fn row(&self, row: u16) -> String {
        self.cells(row, 0..self.columns)
    }

    fn rows(&self) -> Vec<String> {
        (0..self.screen.screen().size().0.get()).map(|row| self.row(row)).collect()
    }

    /// The screen has the log above, and below it the line, with the cursor where it is.
    #[track_caller]
    fn check(&self) {
        let rows = self.rows();
        let (row, column) = self.screen.screen().cursor_position();
        let before_cursor = self.cells(row, 0..column);
        let after_cursor = self.cells(row, column..self.columns);
        let typed = self.editor.before_cursor();
        let rest = &self.editor.line()[typed.len()..];
        // A mark at the very beginning stands on the prompt's last cell.
        let marks = match typed.is_empty() {
            true => rest.len() - rest.trim_start_matches('\u{301}').len(),
            false => 0,
        };
        let (whole, rest) = (format!("{PROMPT}{typed}{}", &rest[..marks]), &rest[marks..]);
        // Of a row, a family that takes six columns may leave five empty.
        let widths = whole.chars().chain(rest.chars()).filter_map(UnicodeWidthChar::width);
        let rows_max = (rows.len() - 1).clamp(1, 8);
        let must_show_all = widths.sum::<usize>() <= rows_max * (usize::from(self.columns) - 6);
        let is_here = |first: usize| {
            let above = &rows[..first];
            let before = rows[first..usize::from(row)].concat() + &before_cursor;
            let after = after_cursor.clone() + &rows[usize::from(row) + 1..].concat();
            let shows_all = before == whole && after == rest;
            let shows_part = !must_show_all
                && whole.ends_with(&before)
                && rest.starts_with(&after)
                && usize::from(row) + 1 - first <= rows_max;
            self.log.ends_with(above) && (shows_all || shows_part)
        };
        assert!(
            (0..=usize::from(row)).any(is_here),
            "{rows:#?}\ncursor {row} {column}, typed {typed:?}, then {rest:?}\nlog {:#?}",
            self.log
        );
    }
}

#[track_caller]
fn expect(typed: &str, line: &str) {
    for at in 0..=typed.len() {
        let mut terminal = Terminal::new(40, 10);
        for piece in [&typed.as_bytes()[..at], &typed.as_bytes()[at..]] {
            terminal.type_bytes(piece);
            terminal.check();
        }
        terminal.type_bytes(b"\r");
        terminal.check();
        assert_eq!(terminal.lines.last().map(String::as_str), Some(line), "{typed:?} at {at}");
    }
    let mut terminal = Terminal::new(40, 10);
    terminal.type_bytes(typed.as_bytes());
    terminal.type_bytes(b"\r");
    assert_eq!(terminal.lines.last().map(String::as_str), Some(line), "{typed:?} at once");
}

#[test]
fn keys_do_what_they_do_everywhere() {
    for (typed, line) in [
        ("hello", "hello"),
        ("helo\u{8}lo", "hello"),
        ("world\u{1}hello \u{5}!", "hello world!"),
        ("worl\u{1b}[Hhello \u{1b}[Fd", "hello world"),
        ("ac\u{1b}[Db\u{1b}[C!", "abc!"),
        ("ac\u{1b}ODb\u{1b}OC!", "abc!"),
        ("keep drop\u{1b}[1;5D\u{b}", "keep "),
        ("drop keep\u{1b}b\u{15}", "keep"),
        ("one two three\u{17}\u{17}", "one "),
        ("全角　空白\u{17}です", "全角　です"),
        ("xabc\u{1}\u{1b}[3~", "abc"),
        ("xabc\u{1}\u{4}", "abc"),
        ("one two\u{1}\u{1b}d", " two"),
        // Characters as people see them.
        ("ne\u{301}\u{7f}e", "ne"),
        ("日本誤\u{7f}語", "日本語"),
        ("日語\u{1b}[D本", "日本語"),
        ("a🇯🇵\u{7f}b", "ab"),
        ("👨‍👩‍👧\u{8}x", "x"),
        ("👨‍👩‍👧\u{1b}[D\u{1b}[Ca", "👨‍👩‍👧a"),
        // Keys that mean nothing here.
        ("a\u{1b}[15~\u{1b}OP\u{1b}[[Bb\u{1b}]0;title\u{7}c", "abc"),
        ("\u{1b}hello", "hello"),
        ("a\u{0}\u{7}\u{1c}b", "ab"),
        ("a\u{85}b", "ab"),
        // Pasted with its brackets: a tab is a blank.
        ("\u{1b}[200~a\tb\u{1b}[201~c", "a bc"),
        ("first\rsecond", "second"),
        ("first\r\nsecond\r\0third", "third"),
        ("first\rsecond\r\u{1b}[A\u{1b}[A", "first"),
        ("first\rsecond\rtyp\u{1b}[A\u{1b}[Aed\u{1b}[B\u{1b}[Bed", "typed"),
        ("first\rfirst\r\r\u{1b}[A\u{10}!", "first!"),
        ("redrawn\u{c}", "redrawn"),
    ] {
        expect(typed, line);
    }
}

#[test]
fn what_is_no_text_is_shown_as_such() {
    let mut terminal = Terminal::new(40, 10);
    terminal.type_bytes(b"a\xffb\xe6\x97c\xc3\r");
    assert_eq!(terminal.lines, ["a\u{fffd}bc"]);
}

#[test]
fn a_message_is_above_the_line_and_never_in_it() {
    let mut terminal = Terminal::new(40, 6);
    terminal.type_bytes("half a sen".as_bytes());
    terminal.hear("[#lobby] bob: hello\r\n[#lobby] eve: 日本語\r\n");
    terminal.check();
    assert_eq!(terminal.row(0), "[#lobby] bob: hello");
    assert_eq!(terminal.row(2), "[#lobby] half a sen");
    terminal.type_bytes(b"tence\r");
    terminal.check();
    assert_eq!(terminal.rows()[2..], ["[#lobby] half a sentence", PROMPT, "", ""]);
}

#[test]
fn what_comes_with_the_key_that_clears_the_screen_stays() {
    let mut terminal = Terminal::new(40, 6);
    terminal.hear("before\r\n");
    terminal.editor.take(b"half\x0c", BYTES_MAX);
    terminal.log.clear();
    terminal.hear("after\r\n");
    terminal.check();
    assert_eq!(terminal.rows()[..2], ["after", "[#lobby] half"]);
}

#[test]
fn keys_that_mean_to_leave_are_told_apart() {
    let mut editor = Editor::default();
    for (typed, event) in [
        (&b"half\x03"[..], Some(Event::Leave)),
        (b"\x04", Some(Event::Leave)),
        (b"\x1a", Some(Event::Leave)),
        (b"a\x04\x1a", None),
    ] {
        assert_eq!(editor.take(typed, BYTES_MAX).0, event, "{typed:?}");
    }
    assert_eq!(editor.line(), "a");
}

#[test]
fn a_secret_that_is_typed_key_by_key_shows_nothing() {
    let mut terminal = Terminal::new(40, 6);
    terminal.editor.set_hiding(true);
    for key in ["h", "u", "nter", "\x7f", "\x1b[D", "2"] {
        terminal.type_bytes(key.as_bytes());
        assert!(terminal.rows().iter().all(String::is_empty), "{key:?}");
    }
    assert_eq!(terminal.editor.line(), "hunt2e");
}

#[test]
fn a_flood_of_keys_is_taken_a_little_at_a_time() {
    let mut editor = Editor::default();
    assert_eq!(editor.take(&[b'x'; 4000], BYTES_MAX), (None, STEP_BYTES_MAX));
}

#[test]
fn who_interrupts_an_earlier_line_begins_anew() {
    let mut editor = Editor::default();
    for line in ["one", "two"] {
        editor.remember(line.to_owned());
    }
    editor.take(b"draft\x1b[A\x1b[A\x03", BYTES_MAX);
    assert_eq!(editor.line(), "");
    editor.take(b"\x1b[B", BYTES_MAX);
    assert_eq!(editor.line(), "", "the draft is gone");
    editor.take(b"\x1b[A", BYTES_MAX);
    assert_eq!(editor.line(), "two");
}

#[test]
fn who_interrupts_a_secret_has_typed_none() {
    let mut editor = Editor::default();
    editor.set_hiding(true);
    let (line, shown) = (String::new(), "\r\n".to_owned());
    assert_eq!(editor.take(b"secr\x03et", BYTES_MAX), (Some(Event::Line { line, shown }), 5));
    editor.set_hiding(false);
    assert_eq!(editor.take(b"x\x03", BYTES_MAX), (Some(Event::Leave), 2));
}

#[test]
fn a_line_has_a_limit() {
    let mut editor = Editor::default();
    let full = Some(Event::Full { bytes_max: 4 });
    assert_eq!(editor.take("abc日d".as_bytes(), 4), (full, 6));
    assert_eq!(editor.take("d日".as_bytes(), 4), (None, 4), "it is told once");
    assert_eq!(editor.line(), "abcd");
    let mut out = Vec::new();
    editor.draw("", &mut out);
    assert_eq!(out, [&[BELL], &b"abcd"[..]].concat());
    let (event, _) = editor.take(b"ef\r", 4);
    assert!(matches!(event, Some(Event::Line { line, .. }) if line == "abcd"));
    assert_eq!(editor.take(b"abcdef", 4), (Some(Event::Full { bytes_max: 4 }), 5), "of each line");
}

#[test]
fn a_secret_is_neither_shown_nor_remembered() {
    let mut terminal = Terminal::new(40, 10);
    terminal.editor.set_hiding(true);
    terminal.type_bytes(b"secret\x1b[D\x08");
    assert!(terminal.rows().concat().is_empty(), "{:?}", terminal.rows());
    terminal.type_bytes(b"\r");
    assert_eq!(terminal.lines, ["secrt"]);
    terminal.editor.set_hiding(false);
    terminal.type_bytes(b"\x1b[A");
    assert_eq!(terminal.editor.line(), "");
    assert!(!terminal.rows().concat().contains("sec"), "{:?}", terminal.rows());
    // What was typed before is no part of it, and what was typed of it is nothing afterwards.
    terminal.type_bytes(b"seen");
    terminal.editor.set_hiding(true);
    terminal.flush("");
    assert!(!terminal.rows().concat().contains("seen"), "{:?}", terminal.rows());
    terminal.type_bytes(b"hidden");
    terminal.editor.set_hiding(false);
    assert_eq!(terminal.editor.line(), "");
}

#[test]
fn a_word_becomes_what_it_can_only_be() {
    let words = |words: &[&str]| Completions {
        start: 4,
        words: words.iter().map(|word| (*word).to_owned()).collect(),
        ending: " ",
    };
    let mut editor = Editor::default();
    assert_eq!(editor.take(b"say al\tb", BYTES_MAX), (Some(Event::Complete), 7));
    assert_eq!(editor.complete(words(&["alice", "ALINA"]), BYTES_MAX), None);
    assert_eq!(editor.line(), "say ali");
    let list = editor.complete(words(&["alice", "alina"]), BYTES_MAX);
    assert_eq!(list, Some(vec!["alice".to_owned(), "alina".to_owned()]));
    assert_eq!(editor.complete(words(&["Alice"]), BYTES_MAX), None);
    assert_eq!((editor.line(), editor.before_cursor()), ("say Alice ", "say Alice "));
    assert_eq!(editor.complete(words(&[]), BYTES_MAX), None);
    assert_eq!(editor.complete(words(&["Alice and a long tail"]), 12), None);
    assert_eq!(editor.line(), "say Alice ");
}

#[test]
fn a_long_line_shows_the_rows_around_the_cursor() {
    let mut terminal = Terminal::new(20, 5);
    terminal.hear("above\r\n");
    for at in 0..30 {
        terminal.type_bytes(format!("word{at} ").as_bytes());
        terminal.check();
    }
    for key in ["\u{1}", "\u{5}", "\u{1b}b", "\u{1b}[D", "\u{15}"] {
        terminal.type_bytes(key.as_bytes());
        terminal.check();
    }
}

#[test]
fn a_terminal_changes_its_size() {
    let mut terminal = Terminal::new(40, 10);
    terminal.type_bytes("今日は、いい天気ですね。明日も晴れるといいですね。".as_bytes());
    for (columns, rows) in [(30, 10), (60, 20), (12, 4), (2, 1), (1, 1), (80, 24)] {
        terminal.resize(columns, rows);
        terminal.type_bytes(b"\x0c");
        if columns > 6 {
            terminal.log.clear();
            terminal.check();
        }
    }
}

#[test]
fn memory_stays_that_of_a_line() {
    let account = MemoryAccount::default();
    let mut editor = Editor::default();
    for round in 0..1000 {
        for at in 0..50 {
            let line = format!("line {round} {at} {}\r", "x".repeat(at * 7));
            if let (Some(Event::Line { line, .. }), _) = editor.take(line.as_bytes(), BYTES_MAX) {
                editor.remember(line);
            }
        }
        editor.take(b"\x1b[A\x1b[A\x1b[A", BYTES_MAX);
        let mut out = Vec::new();
        editor.draw(PROMPT, &mut out);
        editor.count(&account);
        assert!(account.bytes() < 16 * 1024, "{}", account.bytes());
    }
    drop(editor);
    assert_eq!(account.bytes(), 0);
}

#[derive(Clone, Debug)]
enum Step {
    Type(&'static str),
    Hear(String),
    Resize(u16, u16),
}

fn step() -> impl Strategy<Value = Step> {
    let keys = [
        "a",
        "b",
        " ",
        "é",
        "日",
        "本",
        "😀",
        "e\u{301}",
        "\u{301}",
        "👨‍👩‍👧",
        "🇯🇵",
        "　",
        "\u{8}",
        "\u{7f}",
        "\u{1}",
        "\u{5}",
        "\u{b}",
        "\u{15}",
        "\u{17}",
        "\u{4}",
        "\u{c}",
        "\r",
        "\r\n",
        "\u{1b}[A",
        "\u{1b}[B",
        "\u{1b}[C",
        "\u{1b}[D",
        "\u{1b}[1;5D",
        "\u{1b}f",
        "\u{1b}[3~",
        "\u{1b}[",
        "\u{1b}",
        "word",
        "a longer piece of text ",
        "長い文章を書いてみます",
        "\t",
    ];
    prop_oneof![
        12 => prop::sample::select(keys.to_vec()).prop_map(Step::Type),
        3 => "[a-z日]{1,30}( [a-z語]{1,10})?".prop_map(|text| Step::Hear(format!("{text}\r\n"))),
        1 => (10..50u16, 2..12u16).prop_map(|(columns, rows)| Step::Resize(columns, rows)),
    ]
}

proptest! {
    /// Whatever is typed and heard, in a terminal of whatever size: the screen shows what would be
    /// sent, and above it what was said.
    #[test]
    fn what_is_on_the_screen_is_what_will_be_sent(
        columns in 10..50u16,
        rows in 2..12u16,
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut terminal = Terminal::new(columns, rows);
        for step in steps {
            let before = terminal.editor.line().to_owned();
            let lines = terminal.lines.len();
            match &step {
                Step::Type(keys) => terminal.type_bytes(keys.as_bytes()),
                Step::Hear(message) => terminal.hear(message),
                Step::Resize(columns, rows) => {
                    // A terminal does with what it shows what it likes, so all of it is drawn anew.
                    terminal.resize(*columns, *rows);
                    terminal.log.clear();
                    terminal.type_bytes(b"\x0c");
                }
            }
            if matches!(step, Step::Type("\u{c}")) {
                terminal.log.clear();
            }
            if terminal.lines.len() > lines {
                prop_assert_eq!(terminal.lines.last(), Some(&before));
            }
            terminal.check();
        }
    }
}

/// Where a message before it was cut, nothing of a drawing has been written.
#[test]
fn a_bell_and_an_empty_screen_come_with_the_next_drawing_if_the_last_was_not_written() {
    let mut editor = Editor::default();
    let (mut first, mut again, mut after) = (Vec::new(), Vec::new(), Vec::new());
    editor.take(b"x\x1b[A\x0c", BYTES_MAX);
    editor.draw(PROMPT, &mut first);
    assert!(first.starts_with(b"\x07\x1b[H\x1b[2J"), "{:?}", first.escape_ascii().to_string());
    editor.wrote(0, None);
    assert!(editor.is_stale());
    editor.draw(PROMPT, &mut again);
    assert_eq!(again, first);
    editor.wrote(0, Some(b""));
    editor.wrote(0, None);
    editor.draw(PROMPT, &mut after);
    assert_eq!(after, [PROMPT.as_bytes(), b"x"].concat(), "once");
}

#[test]
fn a_sequence_of_more_parameters_than_any_key_has_is_no_key() {
    let mut editor = Editor::default();
    editor.remember("before".to_owned());
    editor.take(b"ab\x1b[1;2;3;4;5A\x1b[111111111D\x1b[000000003~", BYTES_MAX);
    assert_eq!((editor.line(), editor.before_cursor()), ("ab", "ab"));
}
