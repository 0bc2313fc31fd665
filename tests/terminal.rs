//! Terminals that leave it to the server what is shown of what is typed, over real sockets. A
//! terminal emulator that we did not write says what stands on their screens.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::num::NonZero;
use std::time::{Duration, Instant};

use common::{DEADLINE, Server};

const IAC: u8 = 255;
const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
const SB: u8 = 250;
const SE: u8 = 240;

/// What PuTTY says as soon as it is connected, but for what it is refused anyway.
const PUTTY: &[u8] = &[IAC, WILL, 31, IAC, WILL, 24, IAC, DO, 1, IAC, WILL, 3, IAC, DO, 3];

/// A telnet program in a terminal.
struct Terminal {
    stream: TcpStream,
    screen: vt100::Parser,
    /// What is known of telnet's own bytes: a command that is not whole.
    command: Vec<u8>,
    size: (u16, u16),
}

impl Terminal {
    /// One that says by itself what it can.
    fn putty(server: &Server) -> Terminal {
        let mut terminal = Terminal::silent(server);
        terminal.send(PUTTY);
        terminal
    }

    /// One that answers what it is asked.
    fn silent(server: &Server) -> Terminal {
        let stream = TcpStream::connect(server.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
        let size = (60, 12);
        let screen = vt100::Parser::new(cells(size.1), cells(size.0), 0);
        Terminal { stream, screen, command: Vec::new(), size }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("it is connected");
    }

    fn type_text(&mut self, text: &str) {
        self.send(text.as_bytes());
    }

    fn resize(&mut self, columns: u16, rows: u16) {
        self.size = (columns, rows);
        self.screen.screen_mut().set_size(cells(rows), cells(columns));
        self.tell_size();
    }

    fn tell_size(&mut self) {
        let ([a, b], [c, d]) = (self.size.0.to_be_bytes(), self.size.1.to_be_bytes());
        self.send(&[IAC, SB, 31, a, b, c, d, IAC, SE]);
    }

    /// Reads what has come; `false` at the end.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let count = match self.stream.read(&mut buffer) {
            Ok(0) => return false,
            Ok(count) => count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => 0,
            Err(error) => panic!("{error}"),
        };
        for &byte in &buffer[..count] {
            self.take(byte);
        }
        true
    }

    fn take(&mut self, byte: u8) {
        match (self.command.len(), byte) {
            (0, IAC) | (1, WILL | WONT | DO | DONT) => self.command.push(byte),
            (0, _) => self.screen.process(&[byte]),
            (2, option) => {
                let verb = self.command[1];
                self.command.clear();
                match (verb, option) {
                    (WILL, 1 | 3) => self.send(&[IAC, DO, option]),
                    (WONT, 1 | 3) => self.send(&[IAC, DONT, option]),
                    (DO, 31) => {
                        self.send(&[IAC, WILL, 31]);
                        self.tell_size();
                    }
                    (DONT, 31) => self.send(&[IAC, WONT, 31]),
                    _ => {}
                }
            }
            (_, other) => panic!("no such command: {other}"),
        }
    }

    fn rows(&self) -> Vec<String> {
        let rows = self.screen.screen().rows(0, self.size.0);
        rows.map(|row| row.trim_end().to_owned()).filter(|row| !row.is_empty()).collect()
    }

    /// Waits until the last rows of the screen are these, and the cursor stands behind so much of
    /// the last of them.
    #[track_caller]
    fn expect(&mut self, rows: &[&str], cursor: u16) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let shown = self.rows();
            let is_there = shown.iter().map(String::as_str).collect::<Vec<_>>().ends_with(rows);
            if is_there && self.screen.screen().cursor_position().1 == cursor {
                return;
            }
            let place = self.screen.screen().cursor_position();
            assert!(Instant::now() < deadline, "{shown:#?}, cursor {place:?}, not {rows:#?}");
            assert!(self.read(), "it was closed: {shown:#?}");
        }
    }

    fn come_in(&mut self, name: &str) {
        self.type_text("\r");
        self.type_text(&format!("/nick {name}\r"));
        self.expect(&[&format!("* You are {name} now."), "[#lobby]"], 9);
    }
}

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).expect("a terminal has a cell")
}

fn chat() -> Server {
    Server::start(&["--mode", "chat", "--rate-limit", "off"])
}

#[test]
fn what_is_typed_stays_whole_while_others_talk() {
    let server = chat();
    let (mut ann, mut bob) = (Terminal::putty(&server), Terminal::putty(&server));
    ann.expect(&[">"], 2);
    ann.come_in("ann");
    bob.come_in("bob");
    ann.expect(&["* guest-2 is bob now.", "[#lobby]"], 9);
    ann.type_text("日本語を半分");
    ann.expect(&["[#lobby] 日本語を半分"], 21);
    bob.type_text("hello, ann\r");
    ann.expect(&["[#lobby] bob: hello, ann", "[#lobby] 日本語を半分"], 21);
    // Backspace takes back a wide character, the arrows go over one.
    ann.type_text("\u{7f}\u{7f}全\u{1b}[D\u{1b}[Dと");
    ann.expect(&["[#lobby] 日本語とを全"], 17);
    bob.type_text("👋\r");
    ann.expect(&["[#lobby] bob: 👋", "[#lobby] 日本語とを全"], 17);
    ann.type_text("\r");
    ann.expect(&["[#lobby] bob: 👋", "[#lobby] 日本語とを全", "[#lobby]"], 9);
    bob.expect(&["[#lobby] 👋", "[#lobby] ann: 日本語とを全", "[#lobby]"], 9);
    // What was typed before comes back, and can be changed.
    ann.type_text("\u{1b}[A\u{15}\u{1b}[B\u{1b}[A");
    ann.expect(&["[#lobby] 日本語とを全"], 21);
    ann.type_text("\u{3}");
    ann.expect(&["* Type /quit to leave.", "[#lobby]"], 9);
    ann.type_text("/quit see you\r");
    bob.expect(&["* ann left #lobby: see you", "[#lobby]"], 9);
    let deadline = Instant::now() + DEADLINE;
    while ann.read() {
        assert!(Instant::now() < deadline, "it is not closed");
    }
    assert_eq!(ann.rows().last().map(String::as_str), Some("* Goodbye."));
}

#[test]
fn a_line_takes_several_rows_and_follows_the_terminals_size() {
    let server = chat();
    let (mut ann, mut bob) = (Terminal::putty(&server), Terminal::putty(&server));
    ann.come_in("ann");
    bob.come_in("bob");
    let long = "a sentence of many words that goes on and on and on, until the row is full";
    ann.type_text(long);
    let (first, rest) = long.split_at(50);
    ann.expect(&[&format!("[#lobby] {first}"), rest], rest.len() as u16);
    bob.type_text("short\r");
    ann.expect(&["[#lobby] bob: short", &format!("[#lobby] {first}"), rest], rest.len() as u16);
    ann.resize(100, 20);
    ann.expect(&["[#lobby] bob: short", &format!("[#lobby] {long}")], 9 + long.len() as u16);
    ann.type_text("\r");
    bob.expect(&["[#lobby]"], 9);
    // Pasted at once: three lines, and the half of one.
    ann.type_text("one\rtwo\r/where\rhalf");
    ann.expect(
        &[
            "[#lobby] one",
            "[#lobby] two",
            "[#lobby] /where",
            "* You talk in #lobby, and are in no other room.",
            "[#lobby] half",
        ],
        13,
    );
    bob.expect(&["[#lobby] ann: one", "[#lobby] ann: two", "[#lobby]"], 9);
}

#[test]
fn tab_completes_commands_rooms_and_names() {
    let server = chat();
    let (mut ann, mut bob) = (Terminal::putty(&server), Terminal::putty(&server));
    ann.come_in("ann");
    bob.come_in("bob");
    bob.type_text("/join #development\r");
    bob.expect(&["* You are in #development now, with nobody else.", "[#development]"], 15);
    for (typed, line) in [
        ("bo\t", "bob: "),
        ("so @B\t", "so @bob "),
        ("/joi\t", "/join "),
        ("/join #D\t", "/join #development "),
        ("/help whe\t", "/help where"),
        ("/msg b\thi", "/msg bob hi"),
        ("nobody\t", "nobody"),
    ] {
        ann.type_text("\u{15}");
        ann.type_text(typed);
        let shown = format!("[#lobby] {line}");
        ann.expect(&[shown.trim_end()], shown.len() as u16);
    }
    ann.type_text("\u{15}/re\t");
    ann.expect(&["* /refuse, /register, /rename, /reply, /report, /reset", "[#lobby] /re"], 12);
    ann.type_text("n\t");
    ann.expect(&["[#lobby] /rename"], 17);
}

#[test]
fn the_prompt_says_where_one_talks() {
    let server = chat();
    let mut ann = Terminal::putty(&server);
    ann.come_in("ann");
    ann.type_text("/join #dev\r");
    ann.expect(&["* You are in #dev now, with nobody else.", "[#dev]"], 7);
    ann.type_text("/leave\r");
    ann.expect(&["* You left #dev.", "* You talk in #lobby now.", "[#lobby]"], 9);
    ann.type_text("/leave\r");
    ann.expect(&["* You are in no room now. Enter one with /join #ROOM.", ">"], 2);
}

/// GNU telnet and others on a port of one's own say nothing until they are asked.
#[test]
fn it_is_asked_for_by_hand_and_given_back() {
    let server = chat();
    let mut ann = Terminal::silent(&server);
    ann.type_text("\r\n");
    ann.expect(&["/nick NAME or /help."], 0);
    ann.type_text("/edit on\r\n");
    ann.expect(&["[#lobby]"], 9);
    ann.type_text("typed her\u{8}re");
    ann.expect(&["[#lobby] typed here"], 19);
    ann.type_text("\u{15}/edit off\r");
    ann.expect(&["* Your terminal edits its line from now on."], 0);
    ann.type_text("/where\r\n");
    ann.expect(&["* You talk in #lobby, and are in no other room."], 0);
}

#[test]
fn what_has_no_room_in_the_line_is_told_of_in_words() {
    let server = chat();
    let mut ann = Terminal::putty(&server);
    ann.come_in("ann");
    ann.resize(100, 40);
    ann.type_text(&"x".repeat(4095));
    ann.type_text("日本and more\u{15}short");
    ann.expect(
        &["! A line has at most 4096 bytes. What is over is left out.", "[#lobby] short"],
        14,
    );
}

/// The last words stand by themselves, whatever was being typed.
#[test]
fn a_server_that_stops_takes_the_line_off_the_screen() {
    let server = chat();
    let mut ann = Terminal::putty(&server);
    ann.come_in("ann");
    ann.type_text("half a thou");
    ann.expect(&["[#lobby] half a thou"], 20);
    server.signal("TERM");
    ann.expect(&["* You are ann now.", "* Goodbye: the server is stopping."], 0);
}

#[test]
fn what_does_not_negotiate_is_sent_nothing_new() {
    let server = chat();
    let mut nc = server.connect();
    nc.send(b"\n/nick nc\nhello\n/quit\n");
    let told = String::from_utf8(nc.rest_until_end()).expect("text");
    assert!(told.contains("* You are nc now.\r\n") && told.ends_with("* Goodbye.\r\n"), "{told}");
    assert!(!told.contains('\u{1b}') && !told.contains("[#lobby] "), "{told}");
}
