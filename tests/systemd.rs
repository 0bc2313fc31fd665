//! The server under systemd: what it tells over `NOTIFY_SOCKET`, and the units in docs/systemd/.

mod common;

use std::env;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{CertifiedKey, generate_simple_self_signed};

use common::{DEADLINE, Server, ignore_no_signals, program, program_after};

/// Takes what systemd would be told.
struct Systemd {
    socket: UnixDatagram,
    directory: PathBuf,
}

impl Drop for Systemd {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Systemd {
    /// Listens in a directory of its own.
    fn new(name: &str) -> Systemd {
        let name = format!("chat-server-systemd-{name}-{}", std::process::id());
        let directory = env::temp_dir().join(name);
        fs::create_dir_all(&directory).expect("a directory");
        let socket = UnixDatagram::bind(directory.join("notify")).expect("a socket");
        socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        Systemd { socket, directory }
    }

    fn start(&self, variables: &[(&str, &str)], flags: &[&str]) -> Server {
        let mut command = program();
        command.env("NOTIFY_SOCKET", self.directory.join("notify"));
        command.envs(variables.iter().copied()).arg("127.0.0.1:0").args(flags);
        Server::launch(command)
    }

    /// The lines of the next datagram.
    fn told(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let count = self.socket.recv(&mut buffer).expect("something is told");
        let text = str::from_utf8(&buffer[..count]).expect("UTF-8");
        text.lines().map(str::to_owned).collect()
    }
}

#[test]
fn another_process_that_goes_on_is_the_main_one() {
    let systemd = Systemd::new("upgrade");
    let data = systemd.directory.join("data");
    let variables = [("CHAT_DATA", data.to_str().expect("UTF-8"))];
    let server = systemd.start(&variables, &["--mode", "chat"]);
    let listening = format!("STATUS=Listening on {}", server.address);
    assert_eq!(systemd.told(), ["READY=1", &listening]);
    let mut client = server.connect();
    client.enter();
    server.signal("USR2");
    let main = systemd.told();
    let pid = main[0].strip_prefix("MAINPID=").expect("which process it is");
    assert!(main.len() == 1 && pid != server.pid().to_string(), "{main:?}");
    // Only then does the other one tell anything.
    assert_eq!(systemd.told(), ["READY=1", &listening]);
    assert!(Command::new("kill").arg(pid).status().expect("kill(1)").success());
    assert_eq!(systemd.told()[0], "STOPPING=1");
    assert!(client.rest_until_end().ends_with(b"the server is stopping.\r\n"));
}

/// It would take the end of the old process for that of the service, and end the new one.
#[test]
fn what_systemd_would_end_is_not_upgraded() {
    let systemd = Systemd::new("simple");
    let mut command = program_after("export SYSTEMD_EXEC_PID=$$");
    command.args(["127.0.0.1:0", "--mode", "chat"]);
    command.env("CHAT_DATA", systemd.directory.join("data")).env_remove("NOTIFY_SOCKET");
    let server = Server::launch(command);
    server.signal("USR2");
    server
        .wait_for_line("why", |line| line.contains("not upgraded: systemd would end the service"));
    server.join();
}

#[test]
fn it_tells_when_it_is_ready_reloads_and_stops() {
    let systemd = Systemd::new("states");
    let server = systemd.start(&[], &["--mode", "chat", "--drain-seconds", "40"]);
    let listening = format!("STATUS=Listening on {}", server.address);
    assert_eq!(systemd.told(), ["READY=1", &listening]);
    // It is ready when it says so.
    let mut client = server.connect();
    client.enter();
    // Under systemd a hang-up asks to read again what can be, also if that is nothing.
    server.signal("HUP");
    let reloading = systemd.told();
    let usec = reloading[1].strip_prefix("MONOTONIC_USEC=").and_then(|usec| usec.parse().ok());
    let uptime = fs::read_to_string("/proc/uptime").expect("Linux");
    let uptime: f64 = uptime.split(' ').next().and_then(|it| it.parse().ok()).expect("seconds");
    let usec: u64 = usec.expect("a number");
    assert_eq!((reloading[0].as_str(), reloading.len()), ("RELOADING=1", 2));
    assert!(usec > 0 && usec as f64 / 1e6 < uptime + 1.0, "{usec}, and it is {uptime} s");
    assert_eq!(systemd.told(), ["READY=1", &listening]);
    server.signal("TERM");
    assert_eq!(
        systemd.told(),
        ["STOPPING=1", "EXTEND_TIMEOUT_USEC=60000000", "STATUS=Stopping: 1 client to drain"]
    );
    assert!(client.rest_until_end().ends_with(b"the server is stopping.\r\n"));
    assert!(server.finish().0.success());
}

#[test]
fn the_loop_itself_feeds_the_watchdog() {
    let systemd = Systemd::new("watchdog");
    let server = systemd.start(&[("WATCHDOG_USEC", "40000")], &[]);
    assert_eq!(systemd.told()[0], "READY=1");
    // Nobody is there, so that nothing but this has the loop turn.
    for _ in 0..5 {
        assert_eq!(systemd.told(), ["WATCHDOG=1", "STATUS=Serving 0 clients"]);
    }
    let _client = server.join();
    while systemd.told() != ["WATCHDOG=1", "STATUS=Serving 1 client"] {}
    // A loop that hangs feeds nothing: what was sent before it did is all that comes.
    server.signal("STOP");
    let socket = &systemd.socket;
    let stat = format!("/proc/{}/stat", server.pid());
    common::eventually("the process stands still", || {
        fs::read_to_string(&stat).ok()?.contains(") T ").then_some(())
    });
    socket.set_nonblocking(true).expect("a mode");
    while socket.recv(&mut [0; 4096]).is_ok() {}
    let turns = || socket.recv(&mut [0; 4096]).is_ok();
    assert!(!turns(), "it stands still");
    server.signal("CONT");
    common::eventually("the loop turns again", || turns().then_some(()));
}

#[test]
fn a_reload_reads_the_certificate_again() {
    let systemd = Systemd::new("certificate");
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (cert_file, key_file) = (systemd.directory.join("cert"), systemd.directory.join("key"));
    fs::write(&cert_file, cert.pem()).expect("a file");
    fs::write(&key_file, signing_key.serialize_pem()).expect("a file");
    let [cert_file, key_file] =
        [cert_file, key_file].map(|it| it.to_str().expect("UTF-8").to_owned());
    let server = systemd.start(&[], &["--tls-cert", &cert_file, "--tls-key", &key_file]);
    assert_eq!(systemd.told()[0], "READY=1");
    server.signal("HUP");
    assert_eq!(
        [systemd.told()[0].as_str(), systemd.told()[0].as_str()],
        ["RELOADING=1", "READY=1"]
    );
    server.wait_for_line("the certificate", |line| line.contains("certificate"));
}

#[cfg(target_os = "linux")]
#[test]
fn abstract_sockets_are_told_as_well() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;
    let name = format!("chat-server-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let socket = UnixDatagram::bind_addr(&address).expect("a socket");
    socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    let mut command = program();
    command.env("NOTIFY_SOCKET", format!("@{name}")).arg("127.0.0.1:0");
    let _server = Server::launch(command);
    let mut buffer = [0; 4096];
    let count = socket.recv(&mut buffer).expect("something is told");
    assert!(buffer[..count].starts_with(b"READY=1\n"));
}

#[test]
fn without_anybody_to_tell_it_serves_all_the_same() {
    ignore_no_signals();
    let mut command = program();
    command.env("NOTIFY_SOCKET", "/nowhere/at/all").arg("127.0.0.1:0");
    let server = Server::launch(command);
    server.wait_for_line("nobody is told", |line| line.ends_with("nobody is told"));
    server.connect().expect_echo(b"hello\n");
    server.signal("HUP");
    assert!(server.finish().0.success(), "and a hang-up stops it, as that of a terminal");
}

/// systemd's own opinion: `cargo test --test systemd -- --ignored`.
#[test]
#[ignore = "needs systemd-analyze"]
fn systemd_takes_the_units_and_finds_them_safe() {
    let systemd = Systemd::new("units");
    let analyze = |arguments: &[&str]| {
        let mut command = Command::new("systemd-analyze");
        let output = command.args(arguments).current_dir(&systemd.directory).output();
        let output = output.expect("systemd-analyze");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{said}");
        said
    };
    let units = ["chat-server.service", "chat-server.socket"];
    for unit in units {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/systemd").join(unit);
        let text = fs::read_to_string(path).expect("the unit");
        let text = text.replace("/usr/local/bin/chat-server", env!("CARGO_BIN_EXE_chat-server"));
        fs::write(systemd.directory.join(unit), text).expect("a copy");
    }
    let units = units.map(|unit| format!("./{unit}"));
    assert_eq!(analyze(&["verify", "--man=no", &units[0], &units[1]]), "");
    let said = analyze(&["security", "--offline=yes", "--threshold=20", &units[0]]);
    assert!(said.contains("Overall exposure level"), "{said}");
}
