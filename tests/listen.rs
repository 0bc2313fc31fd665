//! Where the server listens: several addresses, Unix sockets, and sockets that systemd has opened.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{DEADLINE, program};

/// A directory for one test, removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let name = format!("chat-server-listen-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("a directory");
        Scratch(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("chat.sock")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server, killed when dropped, and where it has said that it listens.
struct Running {
    child: Child,
    listens: Vec<String>,
}

impl Running {
    /// Starts a command that says so many times where it listens.
    fn launch(command: &mut Command, count: usize) -> Running {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let lines = stdout.lines().map_while(Result::ok).take(count);
        let listens: Vec<String> = lines
            .map(|line| line.strip_prefix("Listening on: ").expect("where it listens").to_owned())
            .collect();
        let running = Running { child, listens };
        assert_eq!(running.listens.len(), count, "{:?}", running.listens);
        running
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &pid]).status();
        assert!(sent.is_ok_and(|status| status.success()));
    }

    /// Stops it; returns its log.
    fn stop(mut self) -> String {
        self.signal("TERM");
        assert!(self.child.wait().expect("it ends").success());
        let mut log = String::new();
        let mut stderr = self.child.stderr.take().expect("piped");
        stderr.read_to_string(&mut log).expect("text");
        log
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says a line, and asserts that it comes back.
fn echoes<S: Read + Write>(mut stream: S) -> S {
    stream.write_all(b"hello\n").expect("sent");
    let mut answer = [0; 6];
    stream.read_exact(&mut answer).expect("its echo");
    assert_eq!(&answer, b"hello\n");
    stream
}

fn unix(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).expect("a connection");
    stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    stream
}

fn tcp(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    stream
}

/// Asserts that it ends with this code, and says why in one line.
#[track_caller]
fn assert_complaint(command: &mut Command, code: i32, what: &str) {
    let output = command.output().expect("it runs");
    let said = String::from_utf8(output.stderr).expect("text");
    assert_eq!((output.status.code(), said.lines().count()), (Some(code), 1), "{said}");
    assert!(said.starts_with("chat-server: ") && said.contains(what), "{said}");
}

#[test]
fn all_addresses_are_listened_on() {
    let scratch = Scratch::new("all");
    let path = format!("unix:{}", scratch.socket().display());
    let running = Running::launch(program().args(["127.0.0.1:0", "127.0.0.2:0", &path]), 3);
    assert_eq!(running.listens[2], path);
    assert!(running.listens[1].starts_with("127.0.0.2:"));
    for address in &running.listens[..2] {
        echoes(tcp(address));
    }
    echoes(unix(&scratch.socket()));
    drop(running);
    // The variable has them all in one.
    let (path, variable) = (scratch.socket(), format!("127.0.0.1:0, [::1]:0 {path}"));
    let running = Running::launch(program().env("CHAT_ADDRESS", variable), 3);
    assert!(running.listens[1].starts_with("[::1]:"));
    echoes(tcp(&running.listens[1]));
    echoes(unix(&path));
}

#[test]
fn where_the_page_is_is_not_known_from_a_socket() {
    let scratch = Scratch::new("page");
    let page = scratch.0.join("page-url");
    let serve = |arguments: &[&str]| {
        let mut command = program();
        command.args(["--mode", "chat", "--data"]).arg(&scratch.0).args(arguments);
        Running::launch(&mut command, 1).stop()
    };
    let log = serve(&["127.0.0.1:0"]);
    assert!(log.contains("the page is at http://127.0.0.1:"), "{log}");
    assert!(fs::read_to_string(&page).is_ok_and(|url| url.starts_with("http://127.0.0.1:")));
    let socket = format!("unix:{}", scratch.socket().display());
    let log = serve(&[&socket]);
    assert!(!log.contains("the page is at") && log.contains("its page with #setup="), "{log}");
    assert!(!page.exists());
    serve(&[&socket, "--public-url", "https://chat.example.com/"]);
    assert_eq!(fs::read_to_string(&page).ok().as_deref(), Some("https://chat.example.com/"));
}

#[test]
fn one_address_that_cannot_be_had_is_one_clear_line_and_leaves_nothing() {
    let scratch = Scratch::new("one");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let path = format!("unix:{}", scratch.socket().display());
    assert_complaint(program().args(["127.0.0.1:0", &path, &address]), 1, &address);
    assert!(!scratch.socket().exists());
    assert_complaint(program().arg("unix:"), 2, "unix:/run/chat.sock");
    assert_complaint(program().arg(","), 2, "no address");
    assert_complaint(program().arg(format!("unix:/{}", "x".repeat(200))), 1, "is too long");
    assert_complaint(program().arg("unix:/no/such/directory/s"), 1, "unix:/no/such/directory/s");
}

#[test]
fn a_unix_socket_is_for_its_group_and_goes_with_its_server() {
    let scratch = Scratch::new("mode");
    let address = format!("unix:{}", scratch.socket().display());
    let running = Running::launch(program().arg(&address), 1);
    let metadata = fs::metadata(scratch.socket()).expect("its file");
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o660);
    // No address, and no limit of addresses.
    let clients: Vec<UnixStream> = (0..5).map(|_| echoes(unix(&scratch.socket()))).collect();
    drop(clients);
    assert_complaint(program().arg(&address), 1, "another program listens there");
    echoes(unix(&scratch.socket()));
    let log = running.stop();
    assert!(!scratch.socket().exists());
    assert!(log.contains("Peer address: unix\n"), "{log}");
}

#[test]
fn limits_of_addresses_do_not_hold_for_unix_sockets() {
    let scratch = Scratch::new("limits");
    let address = format!("unix:{}", scratch.socket().display());
    let limits = ["--max-clients-per-address", "1", "--connect-rate", "1:1"];
    let running = Running::launch(program().arg(&address).args(limits), 1);
    let clients: Vec<UnixStream> = (0..5).map(|_| echoes(unix(&scratch.socket()))).collect();
    drop((clients, running));
    let all = ["--max-clients", "1"];
    let running = Running::launch(program().arg(&address).args(all), 1);
    let first = echoes(unix(&scratch.socket()));
    let mut answer = String::new();
    unix(&scratch.socket()).read_to_string(&mut answer).expect("text");
    assert!(answer.starts_with("! this server has as many clients"), "{answer}");
    drop(first);
    let _ = running.stop();
}

#[test]
fn what_a_crash_has_left_is_replaced_and_nothing_else() {
    let scratch = Scratch::new("stale");
    let address = format!("unix:{}", scratch.socket().display());
    let mut running = Running::launch(program().arg(&address), 1);
    running.child.kill().expect("it is there");
    running.child.wait().expect("it ends");
    assert!(scratch.socket().exists(), "nobody has removed it");
    let running = Running::launch(program().arg(&address), 1);
    echoes(unix(&scratch.socket()));

    // Another one has taken its place: that is not ours to remove.
    fs::remove_file(scratch.socket()).expect("removed");
    let other = UnixListener::bind(scratch.socket()).expect("a socket");
    let _ = running.stop();
    assert!(scratch.socket().exists());
    drop(other);
    fs::remove_file(scratch.socket()).expect("removed");
    fs::write(scratch.socket(), "precious").expect("written");
    assert_complaint(program().arg(&address), 1, "no socket");
    assert_eq!(fs::read(scratch.socket()).expect("it is there"), b"precious");
}

#[test]
fn a_unix_socket_carries_everything() {
    let scratch = Scratch::new("wires");
    let address = format!("unix:{}", scratch.socket().display());
    let running = Running::launch(program().arg(&address).env("CHAT_MODE", "chat"), 1);
    let mut page = unix(&scratch.socket());
    page.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut answer = String::new();
    page.read_to_string(&mut answer).expect("text");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let (mut alice, mut bob) = (unix(&scratch.socket()), unix(&scratch.socket()));
    bob.write_all(b"/nick bob\n").expect("sent");
    read_until(&mut bob, "bob");
    alice.write_all(b"hello bob\n").expect("sent");
    read_until(&mut bob, "hello bob");
    let _ = running.stop();
}

fn read_until(stream: &mut UnixStream, what: &str) {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(what) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap_or_else(|error| {
            panic!("{error}: no {what:?} in {:?}", String::from_utf8_lossy(&read))
        });
        read.push(byte[0]);
    }
}

// ---- Sockets that were opened before ----

/// The program as systemd starts it, with one socket.
fn activated(socket: OwnedFd, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
    command.args(["-c", script, env!("CARGO_BIN_EXE_chat-server")]).args(arguments);
    command.env("CHAT_MODE", "echo").env("CHAT_DATA", "none").env("RUST_LOG", "info");
    command.env_remove("CHAT_ADDRESS").stdin(socket);
    command
}

#[test]
fn a_socket_that_systemd_passes_takes_the_place_of_the_default() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address").to_string();
    // It has connected before the server was there.
    let early = tcp(&address);
    let running = Running::launch(&mut activated(socket.into(), &[]), 1);
    assert_eq!(running.listens[0], address);
    echoes(early);
    echoes(tcp(&address));
    let _ = running.stop();
}

#[test]
fn addresses_that_are_given_come_behind_those_that_systemd_passes() {
    let scratch = Scratch::new("systemd");
    let socket = UnixListener::bind(scratch.socket()).expect("a socket");
    let running = Running::launch(&mut activated(socket.into(), &["127.0.0.1:0"]), 2);
    assert_eq!(running.listens[0], format!("unix:{}", scratch.socket().display()));
    echoes(unix(&scratch.socket()));
    echoes(tcp(&running.listens[1]));
    let _ = running.stop();
    assert!(scratch.socket().exists(), "the file is systemd's");
}

#[test]
fn what_is_passed_and_does_not_listen_is_one_clear_line() {
    let file: OwnedFd = fs::File::open("/dev/null").expect("a file").into();
    assert_complaint(&mut activated(file, &[]), 1, "descriptor 3 (LISTEN_FDS)");
}

#[test]
fn storms_at_one_address_keep_nobody_waiting_at_another() {
    let running = Running::launch(program().args(["127.0.0.1:0", "127.0.0.1:0"]), 2);
    let (first, second) = (running.listens[0].clone(), running.listens[1].clone());
    std::thread::scope(|scope| {
        let storm = scope.spawn(|| {
            for _ in 0..2000 {
                drop(TcpStream::connect(&first));
            }
        });
        while !storm.is_finished() {
            echoes(tcp(&second));
            std::thread::sleep(Duration::from_millis(5));
        }
    });
}
