//! TLS on the one port, spoken to by rustls, tungstenite, and whatever the machine has of openssl
//! and curl.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use common::{DEADLINE, Server, program};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

/// A certificate for localhost with its key, in files of a directory of its own.
struct Pair {
    directory: PathBuf,
}

impl Pair {
    fn new() -> Pair {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("chat-tls-{}-{}", std::process::id(), NUMBER.fetch_add(1, Relaxed));
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).expect("a directory");
        let pair = Pair { directory };
        pair.renew();
        pair
    }

    /// Writes a new certificate in place of the old one.
    fn renew(&self) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
        let made = made.expect("a certificate");
        fs::write(self.key(), made.signing_key.serialize_pem()).expect("a file");
        fs::write(self.certificate(), made.cert.pem()).expect("a file");
    }

    fn certificate(&self) -> PathBuf {
        self.directory.join("cert.pem")
    }

    fn key(&self) -> PathBuf {
        self.directory.join("key.pem")
    }

    fn server(&self, flags: &[&str]) -> Server {
        let (certificate, key) = (self.certificate(), self.key());
        let of_pair = ["--tls-cert", text(&certificate), "--tls-key", text(&key)];
        Server::start(&[&of_pair, flags].concat())
    }

    fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> ClientConnection {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(self.certificate()).expect("in PEM");
        roots.add(certificate).expect("a certificate");
        let config = ClientConfig::builder_with_protocol_versions(versions)
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").expect("a name");
        ClientConnection::new(Arc::new(config), name).expect("a client")
    }

    fn connect(&self, server: &Server) -> Tls {
        let (mut client, mut stream) = (self.client(rustls::ALL_VERSIONS), tcp(server));
        client.complete_io(&mut stream).expect("a handshake");
        over(client, stream)
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn text(path: &std::path::Path) -> &str {
    path.to_str().expect("UTF-8")
}

type Tls = BufReader<StreamOwned<ClientConnection, TcpStream>>;

fn tcp(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    stream.set_nodelay(true).expect("an option");
    stream
}

fn over(client: ClientConnection, stream: TcpStream) -> Tls {
    BufReader::new(StreamOwned::new(client, stream))
}

fn say(tls: &mut Tls, bytes: &[u8]) {
    tls.get_mut().write_all(bytes).expect("it is sent");
}

fn line(tls: &mut Tls) -> String {
    let mut line = String::new();
    tls.read_line(&mut line).expect("a line");
    line
}

fn expect_echo(tls: &mut Tls, said: &str) {
    say(tls, said.as_bytes());
    assert_eq!(line(tls), said);
}

/// Everything up to the end, which has to be said.
fn rest(tls: &mut Tls) -> String {
    let mut rest = String::new();
    tls.read_to_string(&mut rest).expect("an end with close_notify");
    rest
}

/// The bytes that a client begins with.
fn hello(client: &mut ClientConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("memory");
    bytes
}

#[test]
fn lines_https_and_plain_share_the_port() {
    let pair = Pair::new();
    let server = pair.server(&[]);
    let mut tls = pair.connect(&server);
    expect_echo(&mut tls, "hello over TLS\n");
    let mut plain = server.connect();
    plain.expect_echo(b"hello in plain\n");
    let mut page = pair.connect(&server);
    say(&mut page, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let answer = rest(&mut page);
    assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains("Strict-"), "{answer}");
    // Larger than a record, both ways.
    let long = format!("{}\n", "x".repeat(60_000));
    for _ in 0..20 {
        expect_echo(&mut tls, &long);
    }
}

#[test]
fn each_version_is_spoken_and_tls_1_2_renegotiates_nothing() {
    let pair = Pair::new();
    let server = pair.server(&[]);
    for version in rustls::ALL_VERSIONS {
        let mut tls = over(pair.client(&[version]), tcp(&server));
        expect_echo(&mut tls, "hello\n");
        assert_eq!(tls.get_ref().conn.protocol_version(), Some(version.version));
    }
}

#[test]
fn a_hello_may_come_in_pieces_of_any_size() {
    let pair = Pair::new();
    let server = pair.server(&[]);
    let count = hello(&mut pair.client(rustls::ALL_VERSIONS)).len();
    let splits = (1..8).chain((8..count).step_by(97));
    for at in splits {
        let mut client = pair.client(rustls::ALL_VERSIONS);
        let bytes = hello(&mut client);
        let mut stream = tcp(&server);
        stream.write_all(&bytes[..at]).expect("it is sent");
        std::thread::sleep(Duration::from_millis(2));
        stream.write_all(&bytes[at..]).expect("it is sent");
        expect_echo(&mut over(client, stream), "hello\n");
    }
}

/// Passes on one byte at a time.
struct ByByte(TcpStream);

impl Read for ByByte {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for ByByte {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(&bytes[..1])
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn every_byte_may_come_by_itself() {
    let pair = Pair::new();
    let server = pair.server(&[]);
    for version in rustls::ALL_VERSIONS {
        let mut tls = StreamOwned::new(pair.client(&[version]), ByByte(tcp(&server)));
        tls.write_all(b"one\ntwo\n").expect("it is sent");
        let mut answer = [0; 8];
        tls.read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"one\ntwo\n");
    }
}

#[test]
fn a_page_opens_its_websocket_over_tls() {
    let pair = Pair::new();
    let server = pair.server(&["--mode", "chat"]);
    let request = tungstenite::http::Request::builder()
        .uri("wss://localhost/?name=ann")
        .header("Host", format!("localhost:{}", server.address.port()))
        .header("Origin", format!("https://localhost:{}", server.address.port()))
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(())
        .expect("a request");
    let tls = StreamOwned::new(pair.client(rustls::ALL_VERSIONS), tcp(&server));
    let (mut socket, _) = tungstenite::client(request, tls).expect("an upgrade");
    let greeting = socket.read().expect("a message");
    assert!(greeting.is_text(), "{greeting:?}");
    socket.send(tungstenite::Message::text("hello")).expect("it is sent");
    socket.close(None).expect("it is sent");
    while socket.read().is_ok() {}
}

#[test]
fn an_input_that_ends_is_answered_and_the_answer_ends_with_close_notify() {
    let pair = Pair::new();
    let server = pair.server(&[]);
    // Said by the client, with its connection open; and by its connection alone.
    for is_said in [true, false] {
        let mut tls = pair.connect(&server);
        say(&mut tls, b"one\n");
        assert_eq!(line(&mut tls), "one\n");
        say(&mut tls, b"two\nhalf");
        let inner = tls.get_mut();
        if is_said {
            inner.conn.send_close_notify();
            inner.flush().expect("it is sent");
        } else {
            inner.sock.shutdown(Shutdown::Write).expect("half closed");
        }
        // What may have been cut is not said.
        assert_eq!(rest(&mut tls), if is_said { "two\nhalf" } else { "two\n" });
    }
}

#[test]
fn what_is_no_handshake_is_told_so_in_its_own_manner() {
    let pair = Pair::new();
    let server = pair.server(&["--mode", "chat"]);
    for garbage in
        [&b"\x16\x03\x01\x00\x05hello"[..], b"\x16\x03\x01\xff\xff\x01\x00", &[0x16; 300]]
    {
        let mut stream = tcp(&server);
        stream.write_all(garbage).expect("it is sent");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let is_alert = answer.len() == 7 && answer[0] == 0x15;
        assert!(is_alert || answer.starts_with(b"! "), "{garbage:x?}: {answer:x?}");
    }
    // TLS inside TLS is another protocol.
    let mut tls = pair.connect(&server);
    let inner = hello(&mut pair.client(rustls::ALL_VERSIONS));
    say(&mut tls, &inner);
    let mut answer = Vec::new();
    let _ = tls.read_to_end(&mut answer);
    assert_eq!(answer[..1], [0x15], "{answer:x?}");
    // In the middle of lines the byte is what it is.
    let echo = pair.server(&[]);
    let mut plain = echo.connect();
    plain.expect_echo(b"a\n");
    plain.expect_echo(b"\x16\x03\x01\n");
}

#[test]
fn pinned_ports_and_other_modes_speak_tls_as_well() {
    let pair = Pair::new();
    for flags in [
        &["--wire", "line"][..],
        &["--mode", "broadcast"],
        &["--mode", "broadcast", "--wire", "line"],
    ] {
        let server = pair.server(flags);
        let mut tls = pair.connect(&server);
        expect_echo(&mut tls, "hello\n");
        server.connect().expect_echo(b"hello\n");
    }
    let server = pair.server(&["--wire", "http"]);
    let mut page = pair.connect(&server);
    say(&mut page, b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(rest(&mut page).starts_with("HTTP/1.1 200 "));
    // A person in plain is still greeted by a port for lines, after a moment.
    let server = pair.server(&["--wire", "line", "--mode", "chat"]);
    assert!(server.connect().line().starts_with(b"* "));
    let mut tls = pair.connect(&server);
    say(&mut tls, b"/help\n");
    assert!(line(&mut tls).starts_with("* "));
}

#[test]
fn a_slow_handshake_is_greeted_by_nobody_and_has_ten_seconds() {
    let pair = Pair::new();
    let server = pair.server(&["--mode", "chat", "--greet-after", "400"]);
    let mut stream = tcp(&server);
    let bytes = hello(&mut pair.client(rustls::ALL_VERSIONS));
    let begun = Instant::now();
    stream.write_all(&bytes[..40]).expect("it is sent");
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    assert!(answer.is_empty() && read.is_ok_and(|count| count == 0), "{answer:x?}");
    let seconds = begun.elapsed().as_secs();
    assert!((9..25).contains(&seconds), "after {seconds} s");
}

#[test]
fn a_new_certificate_is_used_after_a_hang_up_and_a_broken_one_is_not() {
    let pair = Pair::new();
    // As nohup(1) starts it: nothing stops, so there is nothing to ignore.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(program().get_program());
    command.args(["127.0.0.1:0", "--mode", "echo"]).env("RUST_LOG", "info");
    command.arg("--tls-cert").arg(pair.certificate()).arg("--tls-key").arg(pair.key());
    let server = Server::launch(command);
    let mut old = pair.connect(&server);
    expect_echo(&mut old, "before\n");
    let presented = |tls: &Tls| tls.get_ref().conn.peer_certificates().map(<[_]>::to_vec);
    let before = presented(&old);
    pair.renew();
    server.signal("HUP");
    server.wait_for_line("a renewal", |line| line.contains("is used from now on"));
    expect_echo(&mut old, "in the middle of talk\n");
    let mut new = pair.connect(&server);
    expect_echo(&mut new, "after\n");
    assert_ne!(presented(&new), before);
    // The old key with a new certificate.
    let key = fs::read(pair.key()).expect("a file");
    let good = fs::read(pair.certificate()).expect("a file");
    pair.renew();
    fs::write(pair.key(), key).expect("a file");
    server.signal("HUP");
    server.wait_for_line("a warning", |line| line.contains("the certificate stays what it was"));
    fs::write(pair.certificate(), good).expect("a file");
    expect_echo(&mut pair.connect(&server), "as before\n");
}

#[test]
fn who_may_not_go_without_is_told_how_to_come() {
    let pair = Pair::new();
    let server = pair.server(&["--mode", "chat", "--plain", "off", "--greet-after", "400"]);
    let mut talker = server.connect();
    talker.send(b"hello\r\n");
    let told = String::from_utf8(talker.rest()).expect("UTF-8");
    assert!(told.starts_with("! this server takes TLS only: chat-server connect "), "{told}");
    assert_eq!(String::from_utf8(server.connect().rest()).expect("UTF-8"), told, "the silent too");
    let mut page = server.connect();
    page.send(b"GET /a?b=c HTTP/1.1\r\nHost: chat.example:8443\r\n\r\n");
    let answer = String::from_utf8(page.rest()).expect("UTF-8");
    assert!(answer.starts_with("HTTP/1.1 308 Permanent Redirect\r\n"), "{answer}");
    assert!(answer.contains("\r\nLocation: https://chat.example:8443/a?b=c\r\n"), "{answer}");
    let mut nameless = server.connect();
    nameless.send(b"GET / HTTP/1.0\r\n\r\n");
    assert!(nameless.rest().starts_with(b"HTTP/1.1 426 "));
    let mut tls = pair.connect(&server);
    say(&mut tls, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let answer = rest(&mut tls);
    assert!(answer.contains("\r\nStrict-Transport-Security: max-age=31536000\r\n"), "{answer}");
    // Loopback is local.
    pair.server(&["--plain", "local"]).connect().expect_echo(b"hello\n");
}

#[test]
fn challenges_are_answered_with_tls_and_without() {
    let pair = Pair::new();
    let challenges = pair.directory.join(".well-known/acme-challenge");
    fs::create_dir_all(&challenges).expect("a directory");
    fs::write(challenges.join("token"), "token.digest").expect("a file");
    let server = pair.server(&["--plain", "off", "--acme-webroot", text(&pair.directory)]);
    let get = |token: &str| {
        let mut client = server.connect();
        client.send(format!("GET /.well-known/acme-challenge/{token} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes());
        String::from_utf8(client.rest()).expect("UTF-8")
    };
    let answer = get("token");
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\ntoken.digest"),
        "{answer}"
    );
    assert!(get("other").starts_with("HTTP/1.1 308 "));
    assert!(get("../../key.pem").starts_with("HTTP/1.1 308 "));
}

#[test]
fn what_is_wrong_with_a_certificate_is_one_line() {
    let (pair, other) = (Pair::new(), Pair::new());
    let (certificate, key, other_key) = (pair.certificate(), pair.key(), other.key());
    let missing = pair.directory.join("missing.pem");
    for (flags, expected) in [
        (vec!["--tls-cert", text(&certificate)], "--tls-key"),
        (vec!["--tls-key", text(&key)], "--tls-cert"),
        (vec!["--tls-cert", text(&missing), "--tls-key", text(&key)], "missing.pem: No such file"),
        (vec!["--tls-cert", text(&key), "--tls-key", text(&key)], "there is no certificate in it"),
        (
            vec!["--tls-cert", text(&certificate), "--tls-key", text(&certificate)],
            "there is no private key",
        ),
        (
            vec!["--tls-cert", text(&certificate), "--tls-key", text(&other_key)],
            "are of no use together",
        ),
        (vec!["--plain", "off"], "--tls-cert"),
    ] {
        let output = program().arg("127.0.0.1:0").args(&flags).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {said}");
        assert!(said.lines().count() == 1 && said.contains(expected), "{flags:?}: {said}");
    }
}

/// Whether the machine has this program.
fn has(name: &str) -> bool {
    let mut program = Command::new(name);
    program
        .args(if name == "curl" { ["--version"] } else { ["version"] })
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let is_there = program.status().is_ok();
    if !is_there {
        eprintln!("not tested: there is no {name} here");
    }
    is_there
}

#[test]
fn openssl_and_curl_are_understood() {
    let pair = Pair::new();
    let server = pair.server(&["--mode", "chat"]);
    let port = server.address.port();
    let certificate = pair.certificate();
    if has("openssl") {
        for version in ["-tls1_2", "-tls1_3"] {
            let mut client = Command::new("openssl")
                .args(["s_client", "-quiet", version, "-verify_return_error", "-CAfile"])
                .args([text(&certificate), "-connect", &format!("127.0.0.1:{port}")])
                .args(["-servername", "localhost"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("openssl starts");
            client.stdin.as_mut().expect("piped").write_all(b"/quit\n").expect("it is sent");
            let output = client.wait_with_output().expect("it ends");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(said.contains("* "), "{version}: {said}");
        }
    }
    if has("curl") {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "20", "--cacert", text(&certificate)])
            .args(["--resolve", &format!("localhost:{port}:127.0.0.1")])
            .arg(format!("https://localhost:{port}/healthz"))
            .output()
            .expect("curl starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_reader_that_pauses_gets_everything() {
    let pair = Pair::new();
    let server = pair.server(&[]);
    let mut tls = pair.connect(&server);
    let line = format!("{}\n", "y".repeat(9_999));
    let inner = tls.get_mut();
    inner.sock.set_nonblocking(true).expect("an option");
    // Until neither side takes any more.
    let (mut sent, mut stuck_since) = (0, Instant::now());
    while sent < 64_000_000 && stuck_since.elapsed() < Duration::from_millis(500) {
        match inner.write(line.as_bytes()) {
            Ok(count) if count > 0 => (sent, stuck_since) = (sent + count, Instant::now()),
            Err(error) if error.kind() != ErrorKind::WouldBlock => panic!("{error}"),
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    // Reading only, as nothing more may be taken before that.
    let mut expected = line.bytes().cycle();
    let mut buffer = vec![0; 65_536];
    let (mut got, begun) = (0, Instant::now());
    while got < sent / 10_000 * 10_000 {
        let _ = inner.conn.write_tls(&mut inner.sock);
        if inner.conn.read_tls(&mut inner.sock).is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
        inner.conn.process_new_packets().expect("records");
        while let Ok(count @ 1..) = inner.conn.reader().read(&mut buffer) {
            assert!(buffer[..count].iter().all(|byte| expected.next() == Some(*byte)), "at {got}");
            got += count;
        }
        assert!(begun.elapsed() < DEADLINE, "{got} of {sent}");
    }
}

// ---- Together with what else the port does ----

const ALICE: &str = "203.0.113.7:51234";
const V1: &[u8] = b"PROXY TCP4 203.0.113.7 192.0.2.80 51234 443\r\n";
const V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0C\xCB\x00\x71\x07\xC0\x00\x02\x50\xC8\x22\x01\xBB";
const BEHIND_PROXY: [&str; 2] = ["--proxy-from", "127.0.0.1"];
const NOT_SPOKEN: &str = "! This server does not speak the PROXY protocol.\r\n";

impl Pair {
    /// A client by a proxy that puts this header in front of what it passes on.
    fn connect_behind(&self, header: &[u8], server: &Server) -> Tls {
        let (mut client, mut stream) = (self.client(rustls::ALL_VERSIONS), tcp(server));
        // In one segment.
        let bytes = [header, &hello(&mut client)].concat();
        stream.write_all(&bytes).expect("it is sent");
        client.complete_io(&mut stream).expect("a handshake");
        over(client, stream)
    }
}

/// Keys cannot be handed over: who speaks TLS is told to come again, and comes to the process that
/// has taken over.
#[test]
fn an_upgrade_ends_connections_under_tls() {
    let pair = Pair::new();
    let data = common::Directory::new("tls-upgrade");
    let mut command = common::program();
    command.env("CHAT_MODE", "chat").env("CHAT_DATA", &data.0).arg("127.0.0.1:0");
    command.args(["--tls-cert", text(&pair.certificate()), "--tls-key", text(&pair.key())]);
    let server = Server::launch(command);
    let mut secret = pair.connect(&server);
    say(&mut secret, b"\r\n/nick secret\r\n");
    let mut plain = server.connect();
    plain.enter();
    plain.send(b"/who\r\n");
    loop {
        let line = String::from_utf8(plain.line()).expect("UTF-8");
        if line.contains("secret") {
            break;
        }
    }
    server.signal("USR2");
    let mut rest = Vec::new();
    secret.read_to_end(&mut rest).expect("an orderly end");
    let rest = String::from_utf8(rest).expect("UTF-8");
    assert!(rest.ends_with("* Goodbye: the server restarts; connect again.\r\n"), "{rest}");
    let mut left = String::new();
    while left != "* secret left #lobby.\r\n" {
        left = String::from_utf8(plain.line()).expect("UTF-8");
        assert!(!left.is_empty(), "the plain connection has ended");
    }
    let mut again = pair.connect(&server);
    say(&mut again, b"\r\n/nick secret\r\nhere again\r\n");
    while left != "[#lobby] secret: here again\r\n" {
        left = String::from_utf8(plain.line()).expect("UTF-8");
        assert!(!left.is_empty(), "the plain connection has ended");
    }
    let noted = fs::read_to_string(data.0.join("process")).expect("it is noted");
    let killed = std::process::Command::new("kill").args(["-9", noted.trim()]).status();
    assert!(killed.is_ok_and(|status| status.success()));
}

#[test]
fn a_header_of_a_proxy_is_followed_by_tls() {
    let pair = Pair::new();
    for flags in [&[][..], &["--wire", "line"], &["--mode", "broadcast"]] {
        let server = pair.server(&[&BEHIND_PROXY, flags].concat());
        for header in [V1, V2] {
            let seen = server.log().len();
            let mut tls = pair.connect_behind(header, &server);
            expect_echo(&mut tls, "hello over TLS\n");
            server.wait_for_line_after(seen, "her address", |line| {
                line.contains(&format!("Peer address: {ALICE} (by 127.0.0.1:"))
            });
        }
        // What comes from the proxy itself has none, with TLS and without.
        expect_echo(&mut pair.connect(&server), "its own\n");
        server.connect().expect_echo(b"its own\n");
    }
}

#[test]
fn a_header_and_the_hello_behind_it_may_come_in_pieces() {
    let pair = Pair::new();
    let server = pair.server(&BEHIND_PROXY);
    for header in [V1, V2] {
        let near = header.len() - 2..header.len() + 8;
        for at in (1..header.len() - 2).step_by(7).chain(near) {
            let mut client = pair.client(rustls::ALL_VERSIONS);
            let bytes = [header, &hello(&mut client)].concat();
            let mut stream = tcp(&server);
            stream.write_all(&bytes[..at]).expect("it is sent");
            std::thread::sleep(Duration::from_millis(2));
            stream.write_all(&bytes[at..]).expect("it is sent");
            expect_echo(&mut over(client, stream), "hello\n");
        }
    }
}

#[test]
fn a_request_behind_a_header_and_tls_is_its_client_s() {
    let pair = Pair::new();
    let server = pair.server(&[&BEHIND_PROXY[..], &["--mode", "chat"]].concat());
    for header in [V1, V2] {
        let seen = server.log().len();
        let mut page = pair.connect_behind(header, &server);
        let request = "GET / HTTP/1.1\r\nHost: chat.example\r\nOrigin: https://evil.example\r\n\
            Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            X-Forwarded-For: 198.51.100.66\r\nX-Forwarded-Proto: http\r\n\r\n";
        say(&mut page, request.as_bytes());
        let answer = rest(&mut page);
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        // The fields are what she says herself.
        server.wait_for_line_after(seen, "her address", |line| {
            line.contains(&format!("{ALICE}: refused a page's WebSocket"))
        });
        let mut page = pair.connect_behind(header, &server);
        let own = request.replace("evil", "chat");
        say(&mut page, own.as_bytes());
        assert!(line(&mut page).starts_with("HTTP/1.1 101 "));
    }
}

#[test]
fn a_header_inside_tls_is_none() {
    let pair = Pair::new();
    let server = pair.server(&[&BEHIND_PROXY[..], &["--mode", "chat"]].concat());
    for header in [V1, V2] {
        let mut inside = [pair.connect(&server), pair.connect_behind(V1, &server)];
        for tls in &mut inside {
            say(tls, &[header, b"hello\n"].concat());
            assert_eq!(rest(tls), NOT_SPOKEN);
        }
    }
}

#[test]
fn behind_a_proxy_only_what_came_to_it_in_plain_is_led_to_tls() {
    let pair = Pair::new();
    for (base, target) in [("/", "/?a=b"), ("/chat/", "/chat/?a=b"), ("/chat/", "/chat")] {
        let flags = ["--mode", "chat", "--plain", "off", "--base-path", base];
        let server = pair.server(&[&BEHIND_PROXY[..], &flags].concat());
        let get = |fields: &str| {
            let mut client = server.connect();
            let head = format!("GET {target} HTTP/1.1\r\nHost: inside:8080\r\n{fields}");
            client.send(format!("{head}Connection: close\r\n\r\n").as_bytes());
            String::from_utf8(client.rest()).expect("UTF-8")
        };
        let public = "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Host: chat.example\r\n";
        let secure = get(&format!("{public}X-Forwarded-Proto: https\r\n"));
        let expected = if target == "/chat" { "HTTP/1.1 308 " } else { "HTTP/1.1 200 " };
        assert!(secure.starts_with(expected) && !secure.contains("https://"), "{secure}");
        for (fields, host) in [
            (format!("{public}X-Forwarded-Proto: http\r\n"), "chat.example"),
            // The proxy does not say what it came by, and has not come by TLS itself.
            (public.to_owned(), "chat.example"),
            (String::new(), "inside:8080"),
        ] {
            let answer = get(&fields);
            assert!(answer.starts_with("HTTP/1.1 308 "), "{fields}: {answer}");
            let location = format!("\r\nLocation: https://{host}{target}\r\n");
            assert!(answer.contains(&location), "{fields}: {answer}");
        }
    }
}

#[test]
fn challenges_are_answered_beside_the_path_of_the_page() {
    let pair = Pair::new();
    let challenges = pair.directory.join(".well-known/acme-challenge");
    fs::create_dir_all(&challenges).expect("a directory");
    fs::write(challenges.join("token"), "token.digest").expect("a file");
    let webroot = ["--acme-webroot", text(&pair.directory), "--base-path", "/chat/"];
    for plain in ["off", "any"] {
        let flags = [&webroot[..], &["--mode", "chat", "--plain", plain], &BEHIND_PROXY].concat();
        let server = pair.server(&flags);
        for fields in ["", "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: http\r\n"] {
            let mut client = server.connect();
            let head = "GET /.well-known/acme-challenge/token HTTP/1.1\r\nHost: a\r\n";
            client.send(format!("{head}{fields}Connection: close\r\n\r\n").as_bytes());
            let answer = String::from_utf8(client.rest()).expect("UTF-8");
            let is_answer = answer.starts_with("HTTP/1.1 200 ");
            assert!(is_answer && answer.ends_with("\r\n\r\ntoken.digest"), "{answer}");
        }
    }
}

/// The alert for who may not come (RFC 8446, 6).
const ACCESS_DENIED: &[u8] = &[0x15, 3, 1, 0, 2, 2, 49];

#[test]
fn who_may_not_come_is_told_by_an_alert_at_the_door() {
    let pair = Pair::new();
    for wire in ["auto", "line", "http"] {
        let server = pair.server(&["--max-clients", "1", "--wire", wire]);
        let _first = pair.connect(&server);
        for _ in 0..3 {
            let (mut client, mut stream) = (pair.client(rustls::ALL_VERSIONS), tcp(&server));
            let error = client.complete_io(&mut stream).expect_err("there is no room");
            let told = error.get_ref().expect("a reason").to_string();
            assert!(told.contains("AccessDenied"), "{wire}: {told}");
        }
        if has("openssl") {
            let address = server.address.to_string();
            let mut openssl = Command::new("openssl");
            openssl.args(["s_client", "-connect", &address]).stdin(Stdio::null());
            let told = openssl.output().expect("it runs").stderr;
            let told = String::from_utf8_lossy(&told).into_owned();
            assert!(told.contains("alert access denied"), "{wire}: {told}");
        }
        // In plain it is told as before.
        let mut third = server.connect();
        let words: &[u8] = if wire == "http" { b"GET / HTTP/1.0\r\n\r\n" } else { b"hello\n" };
        third.send(words);
        let told = String::from_utf8(third.rest()).expect("UTF-8");
        let mark = if wire == "http" { "HTTP/1.1 503 " } else { "! this server has as many" };
        assert!(told.starts_with(mark), "{wire}: {told}");
    }
}

#[test]
fn too_many_of_one_client_by_a_proxy_are_told_by_an_alert_if_they_speak_tls() {
    let pair = Pair::new();
    for wire in ["auto", "line", "http"] {
        let limit = ["--mode", "chat", "--max-clients-per-address", "1", "--wire", wire];
        let server = pair.server(&[&BEHIND_PROXY[..], &limit].concat());
        let _first = pair.connect_behind(V2, &server);
        let mut second = tcp(&server);
        let hello = hello(&mut pair.client(rustls::ALL_VERSIONS));
        second.write_all(&[V1, &hello].concat()).expect("it is sent");
        let mut answer = Vec::new();
        let _ = second.read_to_end(&mut answer);
        assert_eq!(answer, ACCESS_DENIED, "{wire}: {answer:x?}");
        server.wait_for_line("a refusal", |line| {
            line.contains(&format!("{ALICE} (by 127.0.0.1:")) && line.contains("refused: ")
        });
        // In plain it is told, once.
        let mut third = server.connect();
        let words: &[u8] = if wire == "http" { b"GET / HTTP/1.0\r\n\r\n" } else { b"hello\n" };
        third.send(&[V1, words].concat());
        let told = String::from_utf8(third.rest()).expect("UTF-8");
        let mark = if wire == "http" { "HTTP/1.1 429 " } else { "! your address has" };
        assert_eq!((told.matches(mark).count(), told.find(mark)), (1, Some(0)), "{wire}: {told}");
    }
}

#[cfg(unix)]
#[test]
fn a_unix_socket_carries_tls_and_headers_before_it() {
    use std::os::unix::net::UnixStream;

    let pair = Pair::new();
    let path = pair.directory.join("chat.sock");
    let unix = format!("unix:{}", path.display());
    let (certificate, key) = (pair.certificate(), pair.key());
    let mut command = program();
    command.args(["127.0.0.1:0", &unix, "--proxy-from", "unix", "--plain", "off"]);
    command.args(["--tls-cert", text(&certificate), "--tls-key", text(&key)]);
    let server = Server::launch(command);
    for header in [b"", V1, V2] {
        let mut stream = UnixStream::connect(&path).expect("a connection");
        stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
        stream.write_all(header).expect("it is sent");
        let mut tls = StreamOwned::new(pair.client(rustls::ALL_VERSIONS), stream);
        tls.write_all(b"hello\n").expect("it is sent");
        let mut answer = [0; 6];
        tls.read_exact(&mut answer).expect("an echo");
        assert_eq!(&answer, b"hello\n");
        tls.conn.send_close_notify();
        tls.flush().expect("it is sent");
        let mut rest = Vec::new();
        tls.read_to_end(&mut rest).expect("an end with close_notify");
        assert!(rest.is_empty(), "{rest:?}");
    }
    server.wait_for_log(&format!("Peer address: {ALICE} (by unix)"));
}

/// What the server's process has for itself, in KiB.
#[cfg(target_os = "linux")]
fn private_kib(server: &Server) -> i64 {
    let path = format!("/proc/{}/smaps_rollup", server.pid());
    let map = fs::read_to_string(path).expect("Linux has it");
    let line = map.lines().find(|line| line.starts_with("Private_Dirty:")).expect("it is there");
    line.split_ascii_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
}

#[cfg(target_os = "linux")]
#[test]
fn an_idle_client_costs_at_most_4_kib_more_than_a_plain_one() {
    const CLIENTS: i64 = 500;
    let pair = Pair::new();
    let server = pair.server(&[]);
    // What the first ones leave behind is not theirs.
    let warm: Vec<Tls> = (0..30).map(|_| pair.connect(&server)).collect();
    for mut tls in warm {
        expect_echo(&mut tls, "hello\n");
    }
    server.connect().expect_echo(b"hello\n");
    std::thread::sleep(Duration::from_secs(3));
    let before = private_kib(&server);
    let clients: Vec<Tls> = (0..CLIENTS)
        .map(|_| {
            let mut tls = pair.connect(&server);
            expect_echo(&mut tls, "hello\n");
            tls
        })
        .collect();
    // It gives back what it does not need in a quiet moment.
    let mut least = i64::MAX;
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(500));
        least = least.min((private_kib(&server) - before) * 1024 / CLIENTS);
    }
    println!("{least} bytes a client");
    // A plain one has some 240.
    assert!(least <= 4096 + 240, "{least} bytes a client");
    drop(clients);
}

#[test]
fn a_thousand_half_handshakes_keep_nobody_waiting_who_talks() {
    let pair = Pair::new();
    let server = pair.server(&[]);
    let mut talkers = [server.connect(), server.connect(), server.connect()];
    let hello = hello(&mut pair.client(rustls::ALL_VERSIONS));
    let (mut halves, mut worst) = (Vec::new(), Duration::ZERO);
    for number in 0..1000 {
        let mut stream = tcp(&server);
        stream.write_all(&hello).expect("it is sent");
        halves.push(stream);
        if number % 50 == 49 {
            for talker in &mut talkers {
                let begun = Instant::now();
                talker.expect_echo(b"hello\n");
                worst = worst.max(begun.elapsed());
            }
        }
    }
    println!("the worst word took {worst:?}");
    // Without optimization a handshake takes milliseconds.
    let most = if cfg!(debug_assertions) { 1000 } else { 50 };
    assert!(worst < Duration::from_millis(most), "{worst:?}");
    // They have ten seconds, and none of them is answered again.
    pair.connect(&server);
}

#[test]
fn what_came_whole_before_garbage_is_taken() {
    let pair = Pair::new();
    let server = pair.server(&["--mode", "broadcast"]);
    let mut listener = server.connect();
    listener.expect_echo(b"here\n");
    let (mut client, mut stream) = (pair.client(rustls::ALL_VERSIONS), tcp(&server));
    client.complete_io(&mut stream).expect("a handshake");
    client.writer().write_all(b"said\nhalf").expect("it takes that");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("it is written");
    bytes.extend_from_slice(b"no record at all\n");
    stream.write_all(&bytes).expect("it is sent");
    let mut talker = server.connect();
    listener.expect(b"said\n");
    talker.send(b"next\n");
    listener.expect(b"next\n");
}

#[test]
fn nobody_is_sent_to_a_host_without_a_name() {
    let pair = Pair::new();
    let server = pair.server(&["--plain", "off"]);
    for host in ["", ":80", ":"] {
        let mut page = server.connect();
        page.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes());
        let answer = String::from_utf8(page.rest()).expect("UTF-8");
        assert!(answer.starts_with("HTTP/1.1 426 "), "{host:?}: {answer}");
    }
}
