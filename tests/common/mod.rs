//! The real program on a port of its own, and clients that block with a deadline.

#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigHandler, Signal, signal};
use socket2::{Domain, SockRef, Socket, Type};

/// After this long something hangs. Nothing here is expected to take even a tenth of it.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// The program, without anything that the tester's own environment would tell it.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat-server"));
    clean(&mut command);
    command
}

/// The same program at another path.
pub fn program_at(path: &std::path::Path) -> Command {
    let mut command = Command::new(path);
    clean(&mut command);
    command
}

/// Whatever this test was started to ignore is not passed on to the servers that it starts.
pub fn ignore_no_signals() {
    for reset in [Signal::SIGINT, Signal::SIGHUP] {
        // SAFETY: the default action runs no code of ours.
        unsafe { signal(reset, SigHandler::SigDfl) }.expect("a signal");
    }
}

/// The program with no more than this many file descriptors.
pub fn program_with_descriptors(most: u32) -> Command {
    program_after(&format!("ulimit -n {most}"))
}

/// The program in a shell that has done this before.
pub fn program_after(step: &str) -> Command {
    let mut command = Command::new("sh");
    let script = format!("{step} && exec \"$0\" \"$@\"");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_chat-server")]);
    clean(&mut command);
    command
}

fn clean(command: &mut Command) {
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CHAT_"))
    {
        command.env_remove(name);
    }
    command.env("RUST_LOG", "info");
    // The mode of tests that do not say which: it answers without being asked to.
    command.env("CHAT_MODE", "echo");
    // No test writes to the tester's home directory.
    command.env("CHAT_DATA", "none");
}

/// A running server; it is killed when dropped.
pub struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    log: Mutex<Log>,
    /// What it said it listens on.
    pub address: SocketAddr,
}

struct Log {
    lines: Vec<String>,
    more: Receiver<String>,
}

impl Server {
    /// Starts the program on a free port of 127.0.0.1.
    pub fn start(flags: &[&str]) -> Server {
        let mut command = program();
        command.arg("127.0.0.1:0").args(flags);
        Server::launch(command)
    }

    /// Starts a command that ends up as the program, its address included.
    pub fn launch(mut command: Command) -> Server {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let (to_log, more) = channel();
        // Ends with the child, which closes its end of the pipe.
        thread::spawn(move || {
            for line in stderr.split(b'\n').map_while(Result::ok) {
                let _ = to_log.send(String::from_utf8_lossy(&line).into_owned());
            }
        });
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("standard output");
        let address = line
            .strip_prefix("Listening on: ")
            .and_then(|rest| rest.strip_suffix('\n')?.parse().ok());
        let log = Mutex::new(Log { lines: Vec::new(), more });
        let Some(address) = address else {
            let _ = child.kill();
            let _ = child.wait();
            let log: Vec<String> = log.into_inner().expect("unshared").more.iter().collect();
            panic!("it said {line:?} and not where it listens; its log: {log:#?}");
        };
        Server { child, stdout, log, address }
    }

    pub fn connect(&self) -> Client {
        Client::over(TcpStream::connect(self.address).expect("a connection"))
    }

    /// Connects from this address of this host.
    pub fn connect_from(&self, ip: IpAddr) -> Client {
        let socket =
            Socket::new(Domain::for_address(self.address), Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::new(ip, 0).into()).expect("an address of this host");
        socket.connect(&self.address.into()).expect("a connection");
        Client::over(socket.into())
    }

    /// Connects and waits until the server has taken the client in.
    pub fn join(&self) -> Client {
        let client = self.connect();
        self.wait_for_log(&format!("Peer address: {}", client.address()));
        client
    }

    /// Waits for a line that ends like this in the log, and returns it.
    pub fn wait_for_log(&self, ending: &str) -> String {
        self.wait_for_line(ending, |line| line.ends_with(ending))
    }

    /// Waits for a line of the log that is `wanted`, `what` for short.
    pub fn wait_for_line(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        self.wait_for_line_after(0, what, wanted)
    }

    /// The same, after the first `seen` lines.
    pub fn wait_for_line_after(
        &self,
        mut seen: usize,
        what: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> String {
        let deadline = Instant::now() + DEADLINE;
        let mut log = self.locked();
        loop {
            if let Some(line) = log.lines[seen..].iter().find(|line| wanted(line)) {
                return line.clone();
            }
            seen = log.lines.len();
            match log.more.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => log.lines.push(line),
                Err(error) => panic!("{error}: no {what:?} in the log: {:#?}", log.lines),
            }
        }
    }

    /// What has been logged so far.
    pub fn log(&self) -> Vec<String> {
        let mut log = self.locked();
        let more: Vec<String> = log.more.try_iter().collect();
        log.lines.extend(more);
        log.lines.clone()
    }

    fn locked(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name without SIG.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", name, &self.pid().to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "SIG{name} could not be sent");
    }

    /// The most memory it has ever had resident, in KiB.
    pub fn memory_peak_kib(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("its status");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("its peak");
        peak.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Processor time that it has used, in ticks of (nearly always) ten milliseconds.
    pub fn processor_ticks(&self) -> u64 {
        let stat =
            std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("its state");
        // The name, in parentheses, may hold anything. After it, fields 14 and 15 are user and
        // system time (proc(5)).
        let (_, fields) = stat.rsplit_once(')').expect("a name");
        fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<u64>().expect("a number"))
            .sum()
    }

    /// Whether it is still there.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_none()
    }

    /// Waits for its end; returns its exit status, what else it said on standard output, and its
    /// log.
    pub fn finish(mut self) -> (ExitStatus, String, Vec<String>) {
        let deadline = Instant::now() + DEADLINE;
        let status = loop {
            match self.child.try_wait().expect("its state") {
                Some(status) => break status,
                None if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
                None => panic!("it does not end; its log: {:#?}", self.log()),
            }
        };
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).expect("standard output");
        let mut log = self.locked();
        loop {
            match log.more.recv_timeout(DEADLINE) {
                Ok(line) => log.lines.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("somebody else holds its standard error"),
            }
        }
        let lines = log.lines.clone();
        drop(log);
        (status, rest, lines)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is typed next is not shown: IAC WILL ECHO.
pub const HIDES: &[u8] = &[255, 251, 1];

/// A client that speaks lines. Every call blocks, and fails the test after [`DEADLINE`].
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub fn over(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        stream.set_write_timeout(Some(DEADLINE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Client { stream: BufReader::new(stream) }
    }

    /// This client's address, as the server's log shows it.
    pub fn address(&self) -> SocketAddr {
        self.stream.get_ref().local_addr().expect("an address")
    }

    /// A second handle of the same connection, for a thread that only writes.
    pub fn writer(&self) -> TcpStream {
        self.stream.get_ref().try_clone().expect("a second handle")
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.get_ref().write_all(bytes).expect("the server takes it");
    }

    /// Sends and does not mind if the server has had enough; `true` if all of it went out.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.get_ref().write_all(bytes).is_ok()
    }

    /// Comes into the chat as somebody does who presses Enter; returns how it is welcomed.
    #[track_caller]
    pub fn enter(&mut self) -> String {
        self.send(b"\r\n");
        let welcome = String::from_utf8(self.line()).expect("UTF-8");
        assert!(welcome.starts_with("* Welcome!"), "{welcome}");
        welcome
    }

    /// The next line, its ending included; shorter only at the end of the stream.
    pub fn line(&mut self) -> Vec<u8> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).expect("a line");
        line
    }

    /// The next line that is told, without its ending, and telnet's own bytes before it.
    pub fn told(&mut self) -> String {
        let line = self.line();
        let line = line.strip_prefix(HIDES).unwrap_or(&line);
        String::from_utf8_lossy(line).trim_end().to_owned()
    }

    /// Reads until a line is told that has this in it.
    #[track_caller]
    pub fn until(&mut self, wanted: &str) -> String {
        let mut told = (0..50).map(|_| self.told());
        told.find(|line| line.contains(wanted)).unwrap_or_else(|| panic!("{wanted:?} is not told"))
    }

    /// Types a line, and reads until that is told.
    #[track_caller]
    pub fn ask(&mut self, line: &str, wanted: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes());
        self.until(wanted)
    }

    /// As [`Client::line`], for a client that may be cut off.
    pub fn try_line(&mut self) -> std::io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).map(|_| line)
    }

    /// The next so many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).expect("so many bytes");
        bytes
    }

    /// Bytes that [`Client::bytes`] can return without waiting.
    pub fn buffered(&self) -> usize {
        self.stream.buffer().len()
    }

    #[track_caller]
    pub fn expect(&mut self, bytes: &[u8]) {
        let got = self.bytes(bytes.len());
        assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(bytes));
        assert!(got == bytes, "the same but for bytes that are not UTF-8");
    }

    /// Sends a line and reads it back: the server has done all that was asked before.
    #[track_caller]
    pub fn expect_echo(&mut self, line: &[u8]) {
        self.send(line);
        self.expect(line);
    }

    /// Everything up to the end of the stream. A reset counts as an end: what arrived before it is
    /// there all the same.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => {
                panic!("no end after {rest:?}: {error}")
            }
            _ => rest,
        }
    }

    /// Everything up to an orderly end of the stream.
    pub fn rest_until_end(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).expect("an orderly end");
        rest
    }

    /// Closes the writing half.
    pub fn end_input(&mut self) {
        self.stream.get_ref().shutdown(Shutdown::Write).expect("half of it closes");
    }

    /// Breaks the connection: the server sees a reset and no end.
    pub fn reset(self) {
        SockRef::from(self.stream.get_ref())
            .set_linger(Some(Duration::ZERO))
            .expect("a linger time");
    }
}

/// A client whose kernel takes little in for it while it does not read.
pub fn small_window_client(server: &Server) -> Client {
    let socket =
        Socket::new(Domain::for_address(server.address), Type::STREAM, None).expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    socket.connect(&server.address.into()).expect("a connection");
    let client = Client::over(socket.into());
    server.wait_for_log(&format!("Peer address: {}", client.address()));
    client
}

/// Lets this process have many sockets at once.
pub fn raise_descriptor_limit() {
    rlimit::increase_nofile_limit(u64::MAX).expect("more descriptors");
}

/// Calls `attempt` until it brings something.
#[track_caller]
pub fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what}: not within {DEADLINE:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A directory that goes with it.
pub struct Directory(pub PathBuf);

impl Directory {
    pub fn new(name: &str) -> Directory {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let (number, id) = (NUMBER.fetch_add(1, Ordering::Relaxed), std::process::id());
        let path = std::env::temp_dir().join(format!("chat-server-{name}-{id}-{number}"));
        fs::create_dir_all(&path).expect("a directory");
        Directory(path)
    }

    /// The path of a file in it with this content.
    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, content).expect("a file");
        path.to_str().expect("UTF-8").to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
