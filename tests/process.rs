//! Flags, environment, standard streams, signals, exit codes.

mod common;

use std::fs::File;
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write, pipe};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use chat_server::net::secrets::owner_code::OwnerCode;
use nix::sys::termios::{FlowArg, tcflow};

use common::{
    Client, Server, eventually, ignore_no_signals, program, raise_descriptor_limit,
    small_window_client,
};

const NOTE: &str = "! too slow";

/// Runs a command that is to end by itself.
fn run(command: &mut Command) -> Output {
    command.output().expect("the program runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

/// Asserts that the program ends with this code and says what is wrong in one line that contains
/// `what`.
#[track_caller]
fn assert_complaint(command: &mut Command, code: i32, what: &str) {
    let output = run(command);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{command:?}: {stderr}");
    assert_eq!(stdout, "", "{command:?}");
    assert_eq!(stderr.lines().count(), 1, "{command:?}: {stderr}");
    assert!(stderr.starts_with("chat-server: ") && stderr.contains(what), "{command:?}: {stderr}");
}

// ---- Flags and environment ----

#[test]
fn help_and_version_are_pages_on_standard_output() {
    let help = run(program().arg("--help"));
    assert!(help.status.success());
    assert_eq!(text(&help.stderr), "");
    for part in [
        "Usage: chat-server [OPTIONS] [ADDRESS]",
        "[default: 127.0.0.1:8080]",
        "--mode",
        "--max-message-bytes",
        "--max-clients",
        "--max-clients-per-address",
        "--connect-rate",
        "--drain-seconds",
        "--data <DIR>",
        "--durability",
        "CHAT_DATA",
        "CHAT_DURABILITY",
        "CHAT_ADDRESS",
        "CHAT_MODE",
        "CHAT_MAX_MESSAGE_BYTES",
        "CHAT_MAX_CLIENTS",
        "CHAT_MAX_CLIENTS_PER_ADDRESS",
        "CHAT_CONNECT_RATE",
        "CHAT_DRAIN_SECONDS",
    ] {
        assert!(text(&help.stdout).contains(part), "{part:?} is not in the help page");
    }
    let version = run(program().arg("--version"));
    assert!(version.status.success());
    assert_eq!(text(&version.stdout), concat!("chat-server ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn what_makes_no_sense_is_refused_in_one_line() {
    for (arguments, what) in [
        (&["--no-such-flag"][..], "--no-such-flag"),
        (&["--mode", "shout"], "shout"),
        (&["--mode"], "--mode"),
        (&["--max-message-bytes", "0"], "0"),
        (&["--max-message-bytes", "67108865"], "67108865"),
        (&["--max-message-bytes", "many"], "many"),
        (&["--max-clients", "0"], "0"),
        (&["--max-clients-per-address", "0"], "from 1 to 4294967295, or off"),
        (&["--max-clients-per-address", "few"], "'few' for '--max-clients-per-address <CLIENTS>'"),
        (&["--connect-rate", "5"], "'5' for '--connect-rate <RATE>'"),
        (&["--connect-rate", "5:0"], "give BURST:PER_SECOND"),
        (&["--allow-origin", "chat.example.com"], "did you mean https://chat.example.com?"),
        (&["--allow-origin", "https://*.example.com"], "give * alone"),
        (&["--allow-origin", "https://a.example/chat"], "no path"),
        (&["--allow-origin", "https://me@a.example"], "no user name"),
        (&["--allow-origin", "https://b\u{fc}cher.example"], "xn--"),
        (&["--allow-origin", ""], "an origin is missing"),
        (&["--allow-origin", "https://a.example,,https://b.example"], "an origin is missing"),
        (&["--allow-origin", "https://a.example,b.example"], "did you mean https://b.example?"),
        (&["--acme-webroot", "/dev/null/acme"], "there is no such directory"),
        (&["--proxy-from", "localhost"], "10.0.0.0/8"),
        (&["--proxy-from", "127.0.0.1,10.0.0.0/33"], "'10.0.0.0/33'"),
        (&["--public-url", "chat.example.com"], "https://chat.example.com/"),
        (&["--public-url", "https://chat.example.com/?room=dev"], "a path begins with /"),
        (&["--base-path", "chat"], "/chat/"),
        (&["--data", ""], "--data"),
        (&["--durability", "hope"], "hope"),
        (&["--keep-days", "0"], "0"),
        (&["--data-max-gib", "0"], "0"),
        (&["backup"], "<FILE>"),
        (&["restore", "a", "b"], "'b'"),
        (&["check", "--force"], "--force"),
        (&["check", "--data", "none"], "--data none"),
        (&["export", "#a", "--format", "pdf"], "pdf"),
        (&["owner", "--data", "none"], "only the server's log has the link"),
        (&["owner", "--public-url", "chat.example.com"], "https://chat.example.com/"),
        (&["export", "#", "--data", "/nowhere"], "name"),
        (&["help"], "help"),
        (&["--mode", "chat", "check"], "check"),
        (&["--drain-seconds", "-1"], "-1"),
        (&["--drain-seconds", "3601"], "3601"),
        (&["nonsense"], "nonsense"),
        (&["--port", "70000"], "'70000' for '--port <PORT>'"),
        (&["--host", "no such host"], "--host \"no such host\""),
        (&["--port", "0", "127.0.0.1:0"], "give one or the other"),
        (&["127.0.0.1"], "127.0.0.1"),
        (&["127.0.0.1:65536"], "127.0.0.1:65536"),
        (&["[::1:8080"], "[::1:8080"),
        (&[""], "ADDRESS"),
        (&["127.0.0.1:0", "nonsense"], "nonsense"),
    ] {
        assert_complaint(program().args(arguments), 2, what);
    }
    for (name, value) in [
        ("CHAT_ADDRESS", "nonsense"),
        ("CHAT_MODE", "shout"),
        ("CHAT_MAX_MESSAGE_BYTES", "0"),
        ("CHAT_MAX_CLIENTS", "none"),
        ("CHAT_MAX_CLIENTS_PER_ADDRESS", "none"),
        ("CHAT_CONNECT_RATE", "10/s"),
        ("CHAT_ALLOW_ORIGIN", "chat.example.com"),
        ("CHAT_DRAIN_SECONDS", "soon"),
        ("CHAT_DURABILITY", "hope"),
        ("CHAT_KEEP_DAYS", "for ever"),
        ("CHAT_DATA_MAX_GIB", "all"),
    ] {
        assert_complaint(program().env(name, value), 2, value);
        assert_complaint(program().env(name, value), 2, &format!("chat-server: {name}: "));
    }
    for filter in ["a=b=c", "inof", "verbose"] {
        assert_complaint(program().arg("127.0.0.1:0").env("RUST_LOG", filter), 2, "RUST_LOG");
    }
}

#[test]
fn variables_count_and_flags_win_over_them() {
    let mut command = program();
    command
        .env("CHAT_ADDRESS", "[::1]:0")
        .env("CHAT_MODE", "broadcast")
        .env("CHAT_MAX_MESSAGE_BYTES", "5");
    let server = Server::launch(command);
    assert!(server.address.is_ipv6());
    let (mut a, mut b) = (server.join(), server.join());
    a.send(b"12345\n");
    b.expect(b"12345\n");
    a.send(b"123456\n");
    assert!(text(&a.rest()).contains("at most 5 bytes"));

    let mut command = program();
    command
        .env("CHAT_ADDRESS", "nowhere:0:0")
        .env("CHAT_MAX_MESSAGE_BYTES", "5")
        .env("CHAT_MODE", "broadcast");
    command.args(["127.0.0.1:0", "--max-message-bytes", "6", "--mode", "echo"]);
    let server = Server::launch(command);
    let (mut a, mut b) = (server.join(), server.join());
    a.expect_echo(b"123456\n");
    b.expect_echo(b"mine\n");
}

/// What stands on the command line is to blame before what a variable says; a variable that is
/// misspelt would else set nothing.
#[test]
fn errors_name_the_variable() {
    let misspelt = "CHAT_MAX_CLIENT is no variable of this program; did you mean CHAT_MAX_CLIENTS?";
    assert_complaint(program().env("CHAT_MAX_CLIENT", "5"), 2, misspelt);
    let unknown = "chat-server: CHAT_WITH_ME is no variable of this program (see --help)";
    assert_complaint(program().env("CHAT_WITH_ME", "1"), 2, unknown);
    let both = "chat-server: invalid value 'typed' for '--max-clients <CLIENTS>'";
    let mut command = program();
    command.env("CHAT_MAX_CLIENTS", "many").args(["--max-clients", "typed"]);
    assert_complaint(&mut command, 2, both);
    assert_complaint(program().env("CHAT_COMPRESS", "maybe"), 2, "chat-server: CHAT_COMPRESS: ");
    assert_complaint(program().env("CHAT_HOST", "no such host"), 2, "chat-server: CHAT_HOST: ");
    assert_complaint(
        program().env("CHAT_PORT", "tcp://10.0.0.7:80"),
        2,
        "chat-server: CHAT_PORT: ",
    );
    let mut command = program();
    command.env("CHAT_FORMAT", "pdf").args(["check", "--data", "/nowhere"]);
    assert_complaint(&mut command, 2, "CHAT_FORMAT is no variable");
}

#[test]
fn a_switch_takes_the_words_for_on_and_off_and_an_empty_variable_is_not_set() {
    for value in ["off", "on", "1", "0", "yes", "no", "true", "FALSE", ""] {
        let mut command = program();
        command.env("CHAT_COMPRESS", value).env("CHAT_INSECURE_LOGINS", value);
        for empty in ["CHAT_MAX_CLIENTS", "CHAT_ADDRESS", "CHAT_WIRE", "CHAT_NO_SUCH_FLAG"] {
            command.env(empty, "");
        }
        command.args(["--port", "0"]);
        Server::launch(command).join().expect_echo(b"hello\n");
    }
}

#[test]
fn a_host_and_a_port_can_be_typed_apart() {
    for (arguments, variables, ip) in [
        (&["--port", "0"][..], &[][..], "127.0.0.1"),
        (&["--host", "::1", "--port", "0"], &[], "::1"),
        (&["--host", "[::1]", "--port", "0"], &[], "::1"),
        (&["--host", "127.0.0.2"], &[("CHAT_PORT", "0")], "127.0.0.2"),
        (&["--port", "0"], &[("CHAT_ADDRESS", "[::1]:0")], "127.0.0.1"),
        (&["[::1]:0"], &[("CHAT_HOST", "127.0.0.1"), ("CHAT_PORT", "1")], "::1"),
        (&["0"], &[], "127.0.0.1"),
        (&[":0"], &[], "127.0.0.1"),
    ] {
        let mut command = program();
        command.args(arguments).envs(variables.iter().copied());
        let server = Server::launch(command);
        assert_eq!(server.address.ip().to_string(), ip, "{arguments:?}");
        server.join().expect_echo(b"hello\n");
    }
}

/// What a terminal makes a link of.
#[test]
fn the_log_says_where_the_page_is() {
    let server = Server::start(&["--mode", "chat"]);
    server.wait_for_log(&format!("the page is at http://{}/", server.address));
    let server = Server::start(&["--mode", "chat", "--public-url", "https://chat.example.com/a/"]);
    server.wait_for_log("the page is at https://chat.example.com/a/");
}

#[test]
fn limits_of_addresses_can_be_variables() {
    let mut command = program();
    command
        .arg("127.0.0.1:0")
        .env("CHAT_MAX_CLIENTS_PER_ADDRESS", "1")
        .env("CHAT_CONNECT_RATE", "off");
    let server = Server::launch(command);
    let _first = server.join();
    assert!(text(&server.connect().rest()).contains("your address"));

    let mut command = program();
    command.args(["127.0.0.1:0", "--max-clients-per-address", "off", "--connect-rate", "1:1"]);
    command.env("CHAT_MAX_CLIENTS_PER_ADDRESS", "1").env("CHAT_CONNECT_RATE", "off");
    let server = Server::launch(command);
    // One of them a second may come in.
    (0..100).for_each(|_| drop(server.connect()));
    server.wait_for_line("a refusal", |line| line.ends_with("(--connect-rate)"));
}

#[test]
fn an_address_in_use_is_one_clear_line() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    assert_complaint(program().arg(&address), 1, &address);
    let line = text(&run(program().arg(&address)).stderr).to_owned();
    let free = line.trim_end().strip_suffix(" is free").and_then(|line| line.rsplit_once("; "));
    let free: SocketAddr = free.and_then(|(_, free)| free.parse().ok()).expect(&line);
    assert!(free.port() > taken.local_addr().expect("an address").port(), "{line}");
    // An address of documentation (RFC 5737), which no host has.
    assert_complaint(program().arg("192.0.2.1:0"), 1, "192.0.2.1:0");
}

// ---- The history ----

/// A directory for one test, removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let name = format!("chat-server-process-{name}-{}", std::process::id());
        Scratch(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A server that chats, with this directory.
fn with_data(data: &Path) -> Command {
    let mut command = program();
    command.env("CHAT_DATA", data).args(["127.0.0.1:0", "--mode", "chat"]);
    command
}

#[test]
fn the_log_says_where_history_is_kept() {
    let scratch = Scratch::new("where");
    let server = Server::launch(with_data(&scratch.0));
    server.wait_for_log(&format!("history is kept in {}", scratch.0.display()));
    // Another one cannot have it.
    assert_complaint(&mut with_data(&scratch.0), 1, "another server keeps its history in ");
    let database = scratch.0.join("history.db");
    server.signal("TERM");
    let (status, _, log) = server.finish();
    assert_eq!(status.code(), Some(0), "{log:#?}");
    let journal = std::fs::metadata(database.with_extension("db-wal")).map_or(0, |it| it.len());
    assert!(database.is_file() && journal == 0, "all is in the file: {journal}");

    let mut command = with_data(Path::new("none"));
    let server = Server::launch(command);
    server.wait_for_log("history is in memory only (--data none): a restart forgets it");
    // What a service manager and the platform say.
    let home = Scratch::new("home");
    for (name, below) in [
        ("STATE_DIRECTORY", ""),
        ("XDG_DATA_HOME", "chat-server"),
        ("HOME", ".local/share/chat-server"),
    ] {
        command = program();
        command.args(["127.0.0.1:0", "--mode", "chat"]);
        for other in ["CHAT_DATA", "STATE_DIRECTORY", "XDG_DATA_HOME", "HOME"] {
            command.env_remove(other);
        }
        let path = home.0.join(name);
        let server = Server::launch({
            command.env(name, &path);
            command
        });
        let kept = if below.is_empty() { path } else { path.join(below) };
        server.wait_for_log(&format!("history is kept in {}", kept.display()));
    }
}

/// Echo and broadcast touch no disk.
#[test]
fn only_the_chat_keeps_anything() {
    let scratch = Scratch::new("echo");
    for mode in ["echo", "broadcast"] {
        let server = Server::launch({
            let mut command = program();
            command.env("CHAT_DATA", &scratch.0).args(["127.0.0.1:0", "--mode", mode]);
            command
        });
        server.join().expect_echo(b"hello\n");
        assert!(!scratch.0.exists());
    }
}

#[test]
fn a_history_that_cannot_be_used_is_one_clear_line() {
    let scratch = Scratch::new("unusable");
    std::fs::create_dir_all(&scratch.0).expect("a directory");
    let database = scratch.0.join("history.db");
    std::fs::write(&database, "a letter").expect("a file");
    assert_complaint(&mut with_data(&scratch.0), 1, "is not a history of this program");
    assert_complaint(&mut with_data(&database), 1, "history.db: it is no directory");
}

#[test]
fn a_history_is_looked_after_by_commands() {
    let scratch = Scratch::new("tools");
    let (data, backup) = (scratch.0.join("data"), scratch.0.join("backup.db"));
    let tool = |arguments: &[&str]| {
        let mut command = program();
        command.args(arguments).env("CHAT_DATA", &data);
        command
    };
    let backup = backup.to_str().expect("UTF-8");
    assert_complaint(&mut tool(&["check"]), 1, "there is no history in ");
    let server = Server::launch(with_data(&data));
    for (arguments, says) in [
        (&["check"][..], " is sound: "),
        (&["backup", backup], "backup.db is a copy of "),
        (&["export", "--help"], "Usage: chat-server export [OPTIONS] <ROOM>"),
    ] {
        let done = run(&mut tool(arguments));
        assert!(done.status.success(), "{arguments:?}: {}", text(&done.stderr));
        assert!(text(&done.stdout).contains(says), "{arguments:?}: {}", text(&done.stdout));
    }
    assert_complaint(&mut tool(&["backup", backup]), 1, "exists already");
    assert_complaint(&mut tool(&["export", "#nowhere"]), 1, "there is no room #nowhere");
    assert_complaint(&mut tool(&["restore", backup]), 1, "another server keeps its history in ");
    server.signal("TERM");
    assert_eq!(server.finish().0.code(), Some(0));
    assert_complaint(&mut tool(&["restore", backup]), 1, "--force");
    let done = run(&mut tool(&["restore", backup, "--force"]));
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(text(&done.stdout).ends_with("history.before-restore-1.db\n"));
}

#[test]
fn a_link_for_the_owner_is_made_in_the_shell() {
    let scratch = Scratch::new("owner");
    let owner = |arguments: &[&str]| {
        let mut command = program();
        command.arg("owner").args(arguments).env("CHAT_DATA", &scratch.0);
        command
    };
    let link = |arguments: &[&str], url: &str| {
        let done = run(&mut owner(arguments));
        assert!(done.status.success(), "{}", text(&done.stderr));
        let line = text(&done.stdout);
        let code = line.strip_prefix(url).and_then(|rest| rest.strip_prefix("#setup="));
        let code =
            code.and_then(|rest| rest.strip_suffix('\n')).expect("a link, alone on its line");
        assert_eq!((code.len(), code.matches('-').count()), (14, 2), "{code}");
        code.to_owned()
    };
    assert_complaint(&mut owner(&[]), 1, "there is no history in ");
    std::fs::create_dir_all(&scratch.0).expect("a directory");
    // No server has said where its page is.
    let first = link(&[], "");
    let url = "https://chat.example.com/chat/";
    let second = link(&["--public-url", url], url);
    assert_ne!(first, second);
    let code = OwnerCode::in_directory(&scratch.0);
    assert!(!code.take(&first), "the second has taken its place");
    assert!(code.take(&second) && !code.take(&second));
}

#[test]
fn a_restart_takes_its_port_at_once() {
    let server = Server::start(&[]);
    let address = server.address.to_string();
    // The side that closes first keeps the port in TIME_WAIT: here that is the server.
    let mut client = server.join();
    server.signal("TERM");
    assert_eq!(client.rest_until_end(), b"");
    drop(client);
    server.finish();
    let mut command = program();
    command.arg(&address);
    Server::launch(command).join().expect_echo(b"hello again\n");
}

// ---- Standard streams ----

#[test]
fn the_log_ends_with_what_was_counted() {
    let server = Server::start(&["--max-clients", "2"]);
    let clients = [server.join(), server.join()];
    assert!(text(&server.connect().rest()).starts_with("! this server has as many clients"));
    drop(clients);
    server.signal("TERM");
    let (status, _, log) = server.finish();
    assert_eq!(status.code(), Some(0));
    let [.., served, stopped] = &log[..] else { panic!("{log:#?}") };
    assert!(stopped.ends_with("stopped"), "{log:#?}");
    assert!(served.contains("INFO") && served.contains("served for "), "{log:#?}");
    let counted = " s: accepted 2, rejected 1 (full 1, out of descriptors 0, address full 0, \
                   address too fast 0, banned 0), accept errors 0, turns ";
    assert!(served.contains(counted), "{log:#?}");
}

#[test]
fn standard_output_gets_one_line_and_the_log_the_peers() {
    let server = Server::start(&[]);
    let mut client = server.join();
    client.expect_echo(b"hello\n");
    let peer = client.address();
    drop(client);
    server.signal("TERM");
    let (status, more, log) = server.finish();
    assert_eq!(status.code(), Some(0));
    assert_eq!(more, "", "the line about the address is the only one");
    let about_peer: Vec<_> =
        log.iter().filter(|line| line.ends_with(&format!("Peer address: {peer}"))).collect();
    assert_eq!(about_peer.len(), 1, "{log:#?}");
    assert!(about_peer[0].contains("INFO"));
}

#[test]
fn the_log_is_as_loud_as_rust_log_says() {
    for (filter, peers) in [
        (Some("warn"), false),
        (Some("off"), false),
        (Some("chat_server=debug"), true),
        (Some("chat-server=debug"), true),
        (None, true),
    ] {
        let mut command = program();
        command.arg("127.0.0.1:0").env_remove("RUST_LOG");
        if let Some(filter) = filter {
            command.env("RUST_LOG", filter);
        }
        let server = Server::launch(command);
        server.connect().expect_echo(b"hello\n");
        server.signal("TERM");
        let (status, _, log) = server.finish();
        assert_eq!(status.code(), Some(0));
        assert_eq!(
            log.iter().any(|line| line.contains("Peer address: ")),
            peers,
            "RUST_LOG={filter:?}: {log:#?}"
        );
        assert!(peers || log.is_empty(), "RUST_LOG={filter:?}: {log:#?}");
    }
}

#[test]
fn it_serves_though_nobody_reads_its_standard_output() {
    // A port that is free now; nothing tells the one that the server takes.
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "exec \"$0\" \"$1\" >&-",
        env!("CARGO_BIN_EXE_chat-server"),
        &free.to_string(),
    ]);
    command.env("CHAT_MODE", "echo");
    let mut child = Killed(command.spawn().expect("the program starts"));
    let stream = eventually("a connection", || TcpStream::connect(free).ok());
    Client::over(stream).expect_echo(b"hello\n");
    assert!(child.0.try_wait().expect("its state").is_none());
}

struct Killed(Child);

impl Killed {
    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.0.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "SIG{name} could not be sent");
    }

    fn wait(&mut self) -> ExitStatus {
        eventually("its end", || self.0.try_wait().expect("its state"))
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An echo server with this standard error, and where it listens.
fn with_stderr(stderr: impl Into<Stdio>) -> (Killed, SocketAddr) {
    let mut command = program();
    command.arg("127.0.0.1:0").stdout(Stdio::piped()).stderr(stderr);
    let mut server = Killed(command.spawn().expect("the program starts"));
    let mut line = String::new();
    let stdout = server.0.stdout.take().expect("piped");
    BufReader::new(stdout).read_line(&mut line).expect("standard output");
    let address =
        line.trim_end().strip_prefix("Listening on: ").and_then(|address| address.parse().ok());
    (server, address.unwrap_or_else(|| panic!("it said {line:?}")))
}

/// So many clients come and go, and each is served.
fn serve_many(address: SocketAddr, count: usize) {
    for _ in 0..count {
        Client::over(TcpStream::connect(address).expect("a connection")).expect_echo(b"hello\n");
    }
}

/// A pipe that takes nothing more.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = pipe().expect("a pipe");
    let mut filler = writer.try_clone().expect("a second handle");
    let (filled, is_full) = channel();
    // Stays stuck in the write that finds no room.
    thread::spawn(
        move || while filler.write_all(&[b'.'; 4096]).is_ok() && filled.send(()).is_ok() {},
    );
    while is_full.recv_timeout(Duration::from_millis(500)).is_ok() {}
    (reader, writer)
}

#[test]
fn it_serves_though_nobody_reads_its_log() {
    let (mut reader, writer) = pipe().expect("a pipe");
    let (mut server, address) = with_stderr(writer);
    serve_many(address, 2000);
    let began = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let mut log = String::new();
    reader.read_to_string(&mut log).expect("UTF-8");
    let mut lines = log.lines();
    assert!(lines.next().is_some_and(|line| line.contains("memory for all clients")), "{log}");
    assert!(lines.next().is_some_and(|line| line.contains("Peer address: 127.0.0.1:")), "{log}");
}

#[test]
fn it_starts_serves_and_stops_though_its_log_is_full() {
    let (_reader, writer) = full_pipe();
    let (mut server, address) = with_stderr(writer);
    serve_many(address, 10);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn it_serves_though_its_log_has_no_reader_any_more() {
    let (reader, writer) = pipe().expect("a pipe");
    let (mut server, address) = with_stderr(writer);
    serve_many(address, 1);
    drop(reader);
    serve_many(address, 100);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn it_serves_without_a_standard_error() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "exec \"$0\" \"$1\" 2>&-",
        env!("CARGO_BIN_EXE_chat-server"),
        &free.to_string(),
    ]);
    let mut server = Killed(
        command.env("CHAT_MODE", "echo").stdout(Stdio::null()).spawn().expect("the program starts"),
    );
    drop(eventually("a connection", || TcpStream::connect(free).ok()));
    serve_many(free, 100);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}

/// Ctrl-S at the terminal where it logs, and later Ctrl-Q.
#[test]
fn it_serves_though_its_terminal_is_stopped() {
    let terminal = nix::pty::openpty(None, None).expect("a terminal");
    let (server, address) = with_stderr(terminal.slave.try_clone().expect("a second handle"));
    serve_many(address, 1);
    tcflow(&terminal.slave, FlowArg::TCOOFF).expect("it stops");
    serve_many(address, 1500);
    tcflow(&terminal.slave, FlowArg::TCOON).expect("it goes on");
    let screen = read_on(terminal.master);
    eventually("the lines that waited, and how many were left out", || {
        let screen = screen.try_iter().collect::<Vec<_>>();
        screen
            .iter()
            .any(|line| line.contains("more lines like this were left out: Peer address: "))
            .then_some(())
    });
    drop(server);

    // It stops in the same manner.
    let terminal = nix::pty::openpty(None, None).expect("a terminal");
    let (mut server, address) = with_stderr(terminal.slave.try_clone().expect("a second handle"));
    tcflow(&terminal.slave, FlowArg::TCOOFF).expect("it stops");
    serve_many(address, 100);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}

/// The lines that come out of a terminal.
fn read_on(master: OwnedFd) -> std::sync::mpsc::Receiver<String> {
    let (to_test, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(File::from(master)).split(b'\n').map_while(Result::ok) {
            let _ = to_test.send(String::from_utf8_lossy(&line).into_owned());
        }
    });
    lines
}

#[test]
fn a_flood_of_connections_is_none_of_lines() {
    let server = Server::start(&[]);
    serve_many(server.address, 1500);
    server.signal("TERM");
    let (status, _, log) = server.finish();
    assert_eq!(status.code(), Some(0));
    let peers = log.iter().filter(|line| line.contains("Peer address: ")).count();
    assert!((1001..1200).contains(&peers), "{peers} lines");
    let left_out = log.iter().filter_map(|line| {
        line.split_once("] ")?.1.split_once(" more line")?.0.parse::<usize>().ok()
    });
    assert!(log.last().is_some_and(|line| line.ends_with("] stopped")), "{log:#?}");
    let (told, left_out) = left_out.fold((0, 0), |(told, sum), count| (told + 1, sum + count));
    assert_eq!(peers - told + left_out, 1500, "none is missing: {log:#?}");
}

#[test]
fn it_serves_though_its_standard_output_is_full() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let (_reader, writer) = full_pipe();
    let mut command = program();
    command.arg(free.to_string()).stdout(writer).stderr(Stdio::null());
    let mut server = Killed(command.spawn().expect("the program starts"));
    drop(eventually("a connection", || TcpStream::connect(free).ok()));
    serve_many(free, 10);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}

// ---- Signals ----

/// Starts a server under a shell that ignores these signals.
fn start_ignoring(ignored: &str) -> Server {
    ignore_no_signals();
    let mut command = Command::new("sh");
    let trap = format!("trap '' {ignored}; exec \"$0\" 127.0.0.1:0");
    command.args(["-c", if ignored.is_empty() { "exec \"$0\" 127.0.0.1:0" } else { &trap }]);
    command.arg(env!("CARGO_BIN_EXE_chat-server")).env("CHAT_MODE", "echo").env("RUST_LOG", "info");
    Server::launch(command)
}

#[test]
fn each_signal_stops_an_idle_server() {
    for signal in ["INT", "TERM", "HUP"] {
        let server = start_ignoring("");
        let mut clients = [server.join(), server.join()];
        clients[0].send(b"half a line");
        server.signal(signal);
        for client in &mut clients {
            assert_eq!(client.rest_until_end(), b"", "SIG{signal}");
        }
        drop(clients);
        let (status, _, log) = server.finish();
        assert_eq!(status.code(), Some(0), "SIG{signal}: {log:#?}");
        assert!(log.last().is_some_and(|line| line.ends_with("stopped")), "SIG{signal}: {log:#?}");
    }
}

/// A terminal that is closed says so twice: its shell does, and then the kernel.
#[test]
fn hanging_up_twice_is_hanging_up() {
    ignore_no_signals();
    let (mut server, mut slow, line) = owing("3600");
    server.signal("HUP");
    server.wait_for_line("stopping", |line| line.contains("stopping"));
    server.signal("HUP");
    thread::sleep(Duration::from_millis(200));
    assert!(server.is_running(), "it still owes something");
    assert!(slow.bytes(line.len()) == line);
    assert_eq!(slow.rest_until_end(), b"");
    drop(slow);
    assert_eq!(server.finish().0.code(), Some(0));
}

/// As nohup(1) does, and a script that starts something in the background.
#[test]
fn a_signal_that_it_was_started_to_ignore_stays_ignored() {
    for ignored in ["HUP", "INT"] {
        let mut server = start_ignoring(ignored);
        let mut client = server.join();
        server.signal(ignored);
        client.expect_echo(b"still here\n");
        thread::sleep(Duration::from_millis(200));
        client.expect_echo(b"and still here\n");
        assert!(server.is_running());
        server.signal("TERM");
        assert_eq!(client.rest_until_end(), b"");
        drop(client);
        let (status, _, log) = server.finish();
        assert_eq!(status.code(), Some(0), "SIG{ignored}: {log:#?}");
    }
}

/// A broadcast server that owes `line` to a client that has not read yet and whose kernel takes
/// little.
fn owing(drain_seconds: &str) -> (Server, Client, Vec<u8>) {
    // More than any kernel buffers by default. It counts as one message, so that nobody waits for
    // the slow reader.
    let mut line: Vec<u8> =
        (0..16 * 1024 * 1024).map(|i: u32| b'a' + (i % 1021 % 26) as u8).collect();
    line.push(b'\n');
    let flags = [
        "--mode",
        "broadcast",
        "--max-message-bytes",
        "20000000",
        "--drain-seconds",
        drain_seconds,
    ];
    let server = Server::start(&flags);
    let slow = small_window_client(&server);
    let mut speaker = server.join();
    speaker.send(&line);
    assert!(speaker.bytes(line.len()) == line, "now it is owed to the slow reader as well");
    (server, slow, line)
}

fn wait_until_refusing(server: &Server) {
    eventually("no new connections", || TcpStream::connect(server.address).err());
}

#[test]
fn what_is_queued_reaches_a_slow_reader_and_nobody_new_comes_in() {
    let (mut server, mut slow, line) = owing("3600");
    server.signal("TERM");
    server.wait_for_line("stopping", |line| line.contains("stopping"));
    wait_until_refusing(&server);
    assert!(server.is_running(), "it still owes something");
    assert!(slow.bytes(line.len()) == line);
    assert_eq!(slow.rest_until_end(), b"");
    drop(slow);
    let (status, _, log) = server.finish();
    assert_eq!(status.code(), Some(0));
    assert!(log.last().is_some_and(|line| line.ends_with("stopped")), "{log:#?}");
    assert!(!log.iter().any(|line| line.contains(NOTE)), "{log:#?}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    ignore_no_signals();
    for second in ["INT", "TERM"] {
        let (server, mut slow, line) = owing("3600");
        server.signal("INT");
        server.wait_for_line("stopping", |line| line.contains("stopping"));
        server.signal(second);
        let (status, _, log) = server.finish();
        assert_eq!(status.code(), Some(0));
        assert!(log.last().is_some_and(|line| line.ends_with(" cut off")), "{log:#?}");
        assert!(slow.rest().len() < line.len());
    }
}

#[test]
fn draining_takes_no_longer_than_it_may() {
    let drain = |seconds| {
        let (server, mut slow, line) = owing(seconds);
        server.signal("TERM");
        let (status, _, log) = server.finish();
        assert_eq!(status.code(), Some(0));
        assert!(log.last().is_some_and(|line| line.ends_with(" cut off")), "{seconds} s: {log:#?}");
        assert!(slow.rest().len() < line.len());
    };
    thread::scope(|scope| {
        for seconds in ["0", "1", "6"] {
            scope.spawn(move || drain(seconds));
        }
    });
}

/// How long to drain is a matter of stopping; it says nothing about clients that end their input
/// before.
#[test]
fn no_time_to_drain_does_not_cut_off_those_who_have_ended_their_input() {
    let server = Server::start(&["--drain-seconds", "0"]);
    let input = b"many lines\n".repeat(20_000);
    for _ in 0..5 {
        let mut client = small_window_client(&server);
        client.send(&input);
        client.end_input();
        assert!(client.rest_until_end() == input);
    }
}

/// Stopped, as a debugger, a cgroup or a laptop's lid does it, for longer than a request head may
/// take.
#[test]
fn a_pause_is_not_held_against_those_who_spoke_meanwhile() {
    // More than one poll brings events of.
    const CLIENTS: usize = 1500;
    raise_descriptor_limit();
    let server = Server::start(&["--mode", "chat"]);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Slow: ");
    }
    // The last one is in, and so are those before it.
    clients[CLIENTS - 1].send(b"yes\r\n\r\n");
    assert!(clients[CLIENTS - 1].line().starts_with(b"HTTP/1.1 200 "));
    server.signal("STOP");
    for client in &mut clients[..CLIENTS - 1] {
        client.send(b"yes\r\n\r\n");
    }
    thread::sleep(Duration::from_secs(12));
    server.signal("CONT");
    for (number, client) in clients[..CLIENTS - 1].iter_mut().enumerate() {
        let status = client.line();
        assert!(
            status.starts_with(b"HTTP/1.1 200 "),
            "client {number}: {}",
            String::from_utf8_lossy(&status)
        );
    }
}
