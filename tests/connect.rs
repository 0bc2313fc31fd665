//! `chat-server connect`: pipes, terminals, TLS, and what cannot be connected to. A terminal emulator
//! that we did not write says what stands on the screen.

mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use common::{DEADLINE, Directory, Server, program};
use nix::pty::{Winsize, openpty};
use rustix::termios::{LocalModes, OutputModes, tcgetattr, tcsetwinsize};
use socket2::SockRef;

/// Connects, says `input` and ends it; returns what came until the end.
fn piped(arguments: &[&str], input: &str) -> Output {
    let mut child = program()
        .arg("connect")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("piped");
    thread::scope(|scope| {
        // What comes back is read meanwhile: else each would wait for the other. Who cannot connect
        // reads nothing.
        scope.spawn(move || stdin.write_all(input.as_bytes()));
        child.wait_with_output().expect("its output")
    })
}

#[track_caller]
fn expect_failure(arguments: &[&str], code: i32, what: &str) {
    let output = piped(arguments, "hello\n");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
    assert!(told.starts_with("chat-server: ") && told.lines().count() == 1, "{told}");
    assert!(told.contains(what), "{told}, not {what}");
}

fn chat(flags: &[&str]) -> Server {
    Server::start(&[&["--mode", "chat", "--rate-limit", "off"], flags].concat())
}

// ---- Pipes ----

#[test]
fn lines_of_a_pipe_are_said_and_what_comes_is_lines() {
    let server = chat(&[]);
    let mut bob = server.connect();
    bob.enter();
    let address = server.address.to_string();
    let output = piped(&[&address], "/nick ann\nhello, 日本語\n/quit\n");
    let told = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success() && output.stderr.is_empty());
    assert!(told.starts_with("* Welcome! You are guest-2 in #lobby, with 1 other."), "{told}");
    assert!(told.ends_with("* You are ann now.\n* Goodbye.\n") && !told.contains('\r'), "{told}");
    for expected in
        ["* guest-2 joined #lobby.", "* guest-2 is ann now.", "[#lobby] ann: hello, 日本語"]
    {
        assert_eq!(String::from_utf8(bob.line()).expect("text").trim_end(), expected);
    }
    // It ends when all of it has been served, also where nobody says /quit.
    let output = piped(&[&format!(":{}", server.address.port())], "and once more");
    assert!(output.status.success());
    assert_eq!(bob.line(), b"* ann left #lobby.\r\n");
    assert_eq!(bob.line(), b"* guest-3 joined #lobby.\r\n");
    assert_eq!(bob.line(), b"[#lobby] guest-3: and once more\r\n");
}

#[test]
fn bytes_come_back_from_an_echo_however_many() {
    let server = Server::start(&["--mode", "echo"]);
    let lines: String = (0..20_000).map(|number| format!("line {number}\n")).collect();
    let output = piped(&[&server.address.to_string()], &lines);
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).expect("text"), lines);
}

// ---- TLS ----

#[test]
fn a_server_with_tls_is_talked_to_if_somebody_vouches_for_it() {
    let directory = Directory::new("connect");
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
    let made = made.expect("a certificate");
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let (certificate, key) = (directory.file("c.pem", &certificate), directory.file("k.pem", &key));
    let server = chat(&["--tls-cert", &certificate, "--tls-key", &key]);
    let port = server.address.port();
    let told = |arguments: &[&str]| {
        let output = piped(arguments, "/nick ann\n");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    for address in [format!("https://localhost:{port}/"), format!("tls:localhost:{port}")] {
        let told = told(&[&address, "--ca", &certificate]);
        assert!(told.ends_with("* You are ann now.\n"), "{told}");
    }
    let by_number = format!("wss://127.0.0.1:{port}/");
    assert!(told(&["--insecure", &by_number]).ends_with("* You are ann now.\n"));
    // Nobody else does.
    let address = format!("tls:localhost:{port}");
    expect_failure(&[&address], 1, "--ca FILE");
    expect_failure(&[&by_number, "--ca", &certificate], 1, "the server's certificate: ");
    let empty = directory.file("empty.pem", "");
    expect_failure(&[&address, "--ca", &empty], 2, "there is no certificate in it");
    expect_failure(&[&address, "--ca", "/no/such/file"], 2, "--ca /no/such/file: ");
    expect_failure(&[&address, "--ca", &certificate, "--insecure"], 2, "--insecure");
    let plain = chat(&[]);
    let address = format!("tls:localhost:{}", plain.address.port());
    expect_failure(&[&address, "--insecure"], 1, "no TLS is spoken there");
}

// ---- What fails ----

#[test]
fn what_cannot_be_connected_to_is_one_line() {
    expect_failure(&["a b"], 2, "not an address like");
    expect_failure(&["ftp://host/"], 2, "not an address like");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    drop(listener);
    let refused = format!("cannot connect to {address}: Connection refused");
    expect_failure(&[&address], 1, &refused);
}

/// What does not speak lines says so, or says nothing: neither is taken for an answer.
#[test]
fn who_speaks_no_lines_is_told_of() {
    let server = chat(&["--wire", "http"]);
    for input in ["", "hello", "hello\n", "hello\n\n"] {
        let output = piped(&[&server.address.to_string()], input);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{input:?}: {told}");
        let says = ["a web server answers there", "without a word: it speaks no lines"];
        assert!(says.iter().any(|why| told.contains(why)), "{input:?}: {told}");
        assert!(output.stdout.is_empty());
    }
    let silent = other(|mut stream| {
        stream.shutdown(Shutdown::Write).expect("the end");
        stream.read_to_end(&mut Vec::new()).expect("what is said");
    });
    expect_failure(&[&silent], 1, "without a word: it speaks no lines");
    let mut ann = Terminal::open(&server.address.to_string());
    let web = "chat-server: a web server answers there, or a proxy for web";
    ann.expect(&[web, "pages, and no chat for terminals"]);
    assert_eq!(ann.end(), Some(1));
    // Where there is nothing to hear all is well.
    let server = Server::start(&["--mode", "broadcast"]);
    for input in ["", "hello\n", "hello"] {
        let output = piped(&[&server.address.to_string()], input);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // Who says something has a copy of it.
        assert!(output.stderr.is_empty() && output.stdout == input.as_bytes());
    }
}

/// Somebody else listens at the address that is returned, and does this with who connects.
fn other(serve: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    thread::spawn(move || serve(listener.accept().expect("a client").0));
    address
}

#[test]
fn a_line_that_is_lost_is_told_of() {
    let address = other(|mut stream| {
        stream.read_exact(&mut [0; 6]).expect("what is said");
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("an option");
    });
    expect_failure(&[&address], 1, "the connection is lost: Connection reset by peer");
}

#[test]
fn a_web_server_is_no_chat() {
    let address = other(|mut stream| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = stream.read(&mut [0; 64]);
    });
    expect_failure(&[&address], 1, "a web server answers there");
}

// ---- Terminals ----

/// The program in a terminal.
struct Terminal {
    child: Child,
    master: File,
    slave: OwnedFd,
    screen: vt100::Parser,
    shown: Receiver<Vec<u8>>,
}

const COLUMNS: u16 = 60;
const ROWS: u16 = 12;

impl Terminal {
    fn open(address: &str) -> Terminal {
        Terminal::of_size(address, COLUMNS)
    }

    fn of_size(address: &str, columns: u16) -> Terminal {
        let size = Winsize { ws_row: ROWS, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None).expect("a terminal");
        let end = || Stdio::from(pair.slave.try_clone().expect("a second handle"));
        let mut command = program();
        command.args(["connect", address]).stdin(end()).stdout(end()).stderr(end());
        let child = command.spawn().expect("the program starts");
        let master = File::from(pair.master);
        let mut output = master.try_clone().expect("a second handle");
        let (to_test, shown) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count) = output.read(&mut buffer)
                && to_test.send(buffer[..count].to_vec()).is_ok()
            {}
        });
        let screen = vt100::Parser::new(
            ROWS.try_into().expect("rows"),
            columns.try_into().expect("columns"),
            0,
        );
        Terminal { child, master, slave: pair.slave, screen, shown }
    }

    fn type_text(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).expect("it is typed");
    }

    fn rows(&self) -> Vec<String> {
        let rows = self.screen.screen().rows(0, 200);
        rows.map(|row| row.trim_end().to_owned()).filter(|row| !row.is_empty()).collect()
    }

    /// Waits until the last rows of the screen are these.
    #[track_caller]
    fn expect(&mut self, rows: &[&str]) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let shown = self.rows();
            if shown.iter().map(String::as_str).collect::<Vec<_>>().ends_with(rows) {
                return;
            }
            assert!(Instant::now() < deadline, "{shown:#?}, not {rows:#?}");
            if let Ok(bytes) = self.shown.recv_timeout(Duration::from_millis(50)) {
                self.screen.process(&bytes);
            }
        }
    }

    /// Whether each key is sent as it is pressed.
    fn is_raw(&self) -> bool {
        let modes = tcgetattr(self.slave.as_fd()).expect("its modes");
        let is_set = modes.local_modes.intersects(LocalModes::ICANON | LocalModes::ECHO);
        assert_eq!(is_set, modes.output_modes.contains(OutputModes::OPOST), "half of it");
        !is_set
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "SIG{name} could not be sent");
    }

    /// Waits until it has ended, and left the terminal as it was.
    #[track_caller]
    fn end(mut self) -> Option<i32> {
        let status = common::eventually("its end", || self.child.try_wait().expect("its state"));
        assert!(!self.is_raw(), "the terminal is left raw");
        status.code()
    }
}

#[test]
fn at_a_terminal_the_line_is_edited_by_the_server() {
    let server = chat(&[]);
    let mut ann = Terminal::open(&server.address.to_string());
    ann.expect(&["y in #lobby.", ">"]);
    assert!(ann.is_raw());
    ann.type_text("/nick ann\r");
    ann.expect(&["* You are ann now.", "[#lobby]"]);
    let mut bob = server.connect();
    bob.enter();
    ann.type_text("日本語を半分\u{1b}[D\u{7f}");
    ann.expect(&["* guest-2 joined #lobby.", "[#lobby] 日本語を分"]);
    bob.send(b"hello, ann\n");
    ann.expect(&["[#lobby] guest-2: hello, ann", "[#lobby] 日本語を分"]);
    ann.type_text("\r");
    assert_eq!(bob.line(), "[#lobby] ann: 日本語を分\r\n".as_bytes());
    // The server is told of another size, and lays the line out for it.
    let long = "one two three four five six seven eight nine ten eleven twelve";
    ann.type_text(long);
    ann.expect(&[&format!("[#lobby] {}", &long[..50]), &long[50..]]);
    ann.screen
        .screen_mut()
        .set_size(ROWS.try_into().expect("rows"), 100.try_into().expect("columns"));
    let size = rustix::termios::Winsize { ws_row: ROWS, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(ann.slave.as_fd(), size).expect("another size");
    ann.signal("WINCH");
    ann.expect(&[&format!("[#lobby] {long}")]);
    // The line can be given back to the terminal.
    ann.type_text("\u{15}/edit off\r");
    ann.expect(&["* Your terminal edits its line from now on."]);
    common::eventually("the terminal edits its line", || (!ann.is_raw()).then_some(()));
    ann.type_text("/edit on\n");
    ann.expect(&["[#lobby]"]);
    ann.type_text("/quit\r");
    ann.expect(&["* Goodbye.", "Connection closed."]);
    assert_eq!(ann.end(), Some(0));
}

/// What the README shows is what stands on a screen.
#[test]
fn the_readme_shows_what_a_terminal_shows() {
    let server = chat(&[]);
    let mut alice = Terminal::of_size(&server.address.to_string(), 100);
    alice.expect(&[">"]);
    alice.type_text("/nick alice\r");
    alice.expect(&["* You are alice now.", "[#lobby]"]);
    let mut bob = server.connect();
    bob.enter();
    alice.type_text("this stays whole ");
    alice.expect(&["* guest-2 joined #lobby.", "[#lobby] this stays whole"]);
    bob.send(b"hello!\r\n");
    alice.type_text("while others talk");
    let last = "[#lobby] this stays whole while others talk";
    alice.expect(&["[#lobby] guest-2: hello!", last]);
    let readme =
        include_str!("../README.md").replace("127.0.0.1:8080", &server.address.to_string());
    let (_, shown) = readme.split_once("$ chat-server connect\n").expect("the transcript");
    let shown = shown.split("\n```").next().expect("its end");
    assert_eq!(alice.rows().join("\n"), shown);
}

#[test]
fn a_password_is_not_shown() {
    let server = chat(&["--registration", "open"]);
    let mut ann = Terminal::open(&server.address.to_string());
    ann.expect(&[">"]);
    ann.type_text("/register ann\r");
    ann.expect(&["* A password for ann, to be (it is not shown; Enter alone st", "ops):"]);
    ann.type_text("correct horse\r");
    ann.expect(&["* You are logged in as ann, in #lobby.", "[#lobby]"]);
    assert!(!ann.rows().concat().contains("horse"));
}

#[test]
fn a_server_that_does_not_edit_leaves_the_line_to_the_terminal() {
    let server = Server::start(&["--mode", "echo"]);
    let mut ann = Terminal::open(&server.address.to_string());
    let connected = format!("Connected to {}. Ctrl-] leaves at once.", server.address);
    ann.expect(&[&connected]);
    ann.type_text("hello\n");
    ann.expect(&["hello", "hello"]);
    assert!(!ann.is_raw());
    // Ctrl-D at the start of a line is its end.
    ann.type_text("\u{4}");
    ann.expect(&["Connection closed."]);
    assert_eq!(ann.end(), Some(0));
}

/// However it ends, and whoever ends it.
#[test]
fn the_terminal_is_left_as_it_was() {
    let server = chat(&[]);
    let open = || {
        let mut terminal = Terminal::open(&server.address.to_string());
        terminal.expect(&[">"]);
        assert!(terminal.is_raw());
        terminal
    };
    for signal in ["TERM", "INT", "HUP", "QUIT"] {
        let terminal = open();
        terminal.signal(signal);
        assert_eq!(terminal.end(), None, "{signal} is what ended it");
    }
    let mut terminal = open();
    terminal.type_text("half a line\u{1d}");
    terminal.expect(&["Connection closed."]);
    assert_eq!(terminal.end(), Some(0));
    // Stopped by somebody else, and continued.
    let mut terminal = open();
    terminal.signal("TSTP");
    common::eventually("it is stopped", || (!terminal.is_raw()).then_some(()));
    terminal.signal("CONT");
    common::eventually("it goes on", || terminal.is_raw().then_some(()));
    terminal.type_text("/nick ann\r");
    terminal.expect(&["* You are ann now.", "[#lobby]"]);
    // The server goes away.
    server.signal("KILL");
    common::eventually("its end", || terminal.child.try_wait().expect("its state"));
    assert!(!terminal.is_raw());
}
