//! HTTP over real sockets, byte for byte. The limit on how long a head may take is tested with a
//! virtual clock, in the server's own tests.

mod common;

use std::io::Write;
use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use chat_server::chat::PAGE;
use common::{Client, Server, program, small_window_client};

/// A response as it came.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        fields.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("UTF-8")
    }
}

fn read_head(client: &mut Client) -> Answer {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let line = client.line();
        assert!(line.ends_with(b"\r\n"), "{line:?} after {head:?}");
        head.push_str(str::from_utf8(&line).expect("ASCII"));
    }
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    Answer {
        status: status.unwrap_or_else(|| panic!("no status in {head:?}")),
        head,
        body: Vec::new(),
    }
}

fn read_answer(client: &mut Client) -> Answer {
    let mut answer = read_head(client);
    let length =
        answer.field("Content-Length").map_or(0, |length| length.parse().expect("a length"));
    answer.body = client.bytes(length);
    answer
}

fn ask(client: &mut Client, request: &str) -> Answer {
    client.send(request.as_bytes());
    read_answer(client)
}

fn get(client: &mut Client, path: &str, fields: &str) -> Answer {
    ask(client, &format!("GET {path} HTTP/1.1\r\nHost: chat.example:8080\r\n{fields}\r\n"))
}

/// Asks on a connection of its own, which the server has to end after its answer.
#[track_caller]
fn ask_once(server: &Server, request: &str) -> Answer {
    let mut client = server.connect();
    let answer = ask(&mut client, request);
    assert!(answer.head.contains("\r\nConnection: close\r\n"), "{request}: {}", answer.head);
    assert_eq!(String::from_utf8_lossy(&client.rest()), "", "{request}");
    answer
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A masked text frame `hi`, and how the server says it.
const HI: &[u8] = &[0x81, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2];
const HI_BACK: &[u8] = &[0x81, 2, b'h', b'i'];

#[test]
fn the_page_comes_with_types_tags_and_a_strict_policy() {
    let server = Server::start(&["--mode", "chat"]);
    let mut client = server.connect();
    for (path, kind, holds) in [
        ("/", "text/html; charset=utf-8", "<script type=\"module\" src=\"a/"),
        ("/index.html", "text/html; charset=utf-8", "<!doctype html>"),
        (PAGE.path_of("main.js"), "text/javascript; charset=utf-8", "chat.v1.json"),
        (PAGE.path_of("later.js"), "text/javascript; charset=utf-8", "{\"name\":\"delete-room\""),
        (PAGE.path_of("style.css"), "text/css; charset=utf-8", "body"),
        (PAGE.path_of("favicon.svg"), "image/svg+xml", "<svg"),
        ("/?room=dev&name=%3Cscript%3E", "text/html; charset=utf-8", "<!doctype html>"),
    ] {
        let answer = get(&mut client, path, "");
        assert_eq!((answer.status, answer.field("Content-Type")), (200, Some(kind)), "{path}");
        assert!(answer.text().contains(holds), "{path}");
        assert_eq!(answer.field("X-Content-Type-Options"), Some("nosniff"));
        let policy = answer.field("Content-Security-Policy").expect("a policy");
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"),
            "{policy}"
        );
        assert!(policy.contains("connect-src 'self' ws://chat.example:8080 "), "{policy}");
        assert!(
            policy.contains("frame-ancestors 'none'")
                && !policy.contains("unsafe")
                && !policy.contains('*')
        );
        assert!(answer.field("Date").is_some_and(|date| date.ends_with(" GMT")));

        let tag = answer.field("ETag").expect("a tag").to_owned();
        for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()]
        {
            let unchanged = get(&mut client, path, &format!("If-None-Match: {known}\r\n"));
            assert_eq!(
                (unchanged.status, unchanged.field("ETag")),
                (304, Some(&*tag)),
                "{path} {known}"
            );
            assert_eq!(unchanged.field("Content-Length"), None);
        }
        assert_eq!(get(&mut client, path, "If-None-Match: \"other\"\r\n").body, answer.body);

        client.send(format!("HEAD {path} HTTP/1.1\r\nHost: chat.example:8080\r\n\r\n").as_bytes());
        let head = read_head(&mut client);
        assert_eq!(head.status, 200);
        for field in ["Content-Type", "Content-Length", "ETag", "Content-Security-Policy"] {
            assert_eq!(head.field(field), answer.field(field), "{path}");
        }
    }
    // Nothing in the page comes from elsewhere, and nothing in it is inline.
    let page = get(&mut client, "/", "");
    assert!(
        !page.text().contains("://")
            && !page.text().contains(" style=")
            && !page.text().contains("onclick")
    );
}

#[test]
fn errors_have_clear_statuses_and_end_the_connection() {
    let server = Server::start(&["--mode", "chat"]);
    let host = "Host: localhost\r\n";
    let long = "x".repeat(17 * 1024);
    let many = "A: b\r\n".repeat(65);
    for (status, request) in [
        (405, format!("DELETE / HTTP/1.1\r\n{host}\r\n")),
        (405, format!("POST / HTTP/1.1\r\n{host}Content-Length: 0\r\n\r\n")),
        (405, format!("POST / HTTP/1.1\r\n{host}Content-Length: 5\r\n\r\nhello")),
        (413, format!("GET / HTTP/1.1\r\n{host}Content-Length: 5\r\n\r\nhello")),
        (
            413,
            format!(
                "GET / HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
            ),
        ),
        (
            400,
            format!(
                "GET / HTTP/1.1\r\n{host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
            ),
        ),
        (400, format!("GET / HTTP/1.1\r\n{host}Content-Length: five\r\n\r\n")),
        (400, "GET / HTTP/1.1\r\n\r\n".to_owned()),
        (400, format!("GET / HTTP/1.1\r\n{host}{host}\r\n")),
        (400, format!("GET / HTTP/1.1\r\n{host}No colon\r\n\r\n")),
        (400, format!("GET nowhere HTTP/1.1\r\n{host}\r\n")),
        (505, format!("GET / HTTP/3.0\r\n{host}\r\n")),
        (431, format!("GET / HTTP/1.1\r\n{host}Cookie: {long}\r\n\r\n")),
        (431, format!("GET /{long} HTTP/1.1\r\n{host}\r\n")),
        (431, format!("GET / HTTP/1.1\r\n{host}{many}\r\n")),
    ] {
        let answer = ask_once(&server, &request);
        assert_eq!(answer.status, status, "{request}");
        assert_eq!(answer.field("Content-Security-Policy"), Some("default-src 'none'"));
        assert!(answer.text().ends_with(".\n") && answer.text().len() > 20, "{answer:?}");
    }
    assert_eq!(
        ask_once(&server, &format!("DELETE / HTTP/1.1\r\n{host}\r\n")).field("Allow"),
        Some("GET, HEAD, OPTIONS")
    );
    for path in ["/nothing", "/..%2fetc/passwd", "/../src/main.rs", "//", "/app.js/"] {
        assert_eq!(
            ask_once(&server, &format!("GET {path} HTTP/1.1\r\n{host}\r\n")).status,
            404,
            "{path}"
        );
    }
}

#[test]
fn errors_that_answer_head_have_no_body() {
    let server = Server::start(&["--mode", "chat"]);
    for (status, path, fields) in [(404, "/nothing", "Connection: close\r\n"), (405, "/", UPGRADE)]
    {
        let mut client = server.connect();
        client.send(format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n").as_bytes());
        let head = read_head(&mut client);
        assert_eq!(head.status, status);
        assert!(head.field("Content-Length").is_some_and(|length| length != "0"), "{head:?}");
        assert_eq!(String::from_utf8_lossy(&client.rest()), "", "{path}");
    }
}

#[test]
fn connections_are_kept_and_requests_may_come_together() {
    let server = Server::start(&["--mode", "chat"]);
    let mut client = server.connect();
    let page = get(&mut client, "/", "");
    let path = PAGE.path_of("words/ja.js");
    let script = get(&mut client, path, "");
    let many: String = (0..100)
        .map(|number| match number % 2 {
            0 => "GET / HTTP/1.1\r\nHost: chat.example:8080\r\n\r\n",
            _ => "\r\nGET /healthz HTTP/1.1\r\nHost: chat.example:8080\r\n\r\n",
        })
        .collect();
    client.send(many.as_bytes());
    for number in 0..100 {
        let answer = read_answer(&mut client);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.text(), if number % 2 == 0 { page.text() } else { "ok" });
    }

    // A small request for something large, many times: the answers wait for their reader, and none
    // is lost.
    let mut greedy = server.connect();
    let request = format!("GET {path} HTTP/1.1\r\nHost: chat.example:8080\r\n\r\n");
    greedy.send(request.repeat(3000).as_bytes());
    // Time for a server that does not wait to pile up all of it.
    thread::sleep(Duration::from_millis(200));
    for number in 0..3000 {
        let answer = read_answer(&mut greedy);
        assert!(answer.body == script.body, "answer {number}");
    }
    assert!(server.memory_peak_kib() < 64 * 1024, "{} KiB", server.memory_peak_kib());

    // Who is done says so; HTTP/1.0 is done unless it says otherwise.
    let last = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_eq!(ask_once(&server, &format!("{last}GET / HTTP/1.1\r\nHost: x\r\n\r\n")).text(), "ok");
    assert_eq!(ask_once(&server, "GET /healthz HTTP/1.0\r\n\r\n").text(), "ok");
    let mut old = server.connect();
    for _ in 0..2 {
        let answer = ask(&mut old, "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        assert_eq!((answer.field("Connection"), answer.text()), (Some("keep-alive"), "ok"));
    }
    // Half-closed after the request: the answer still comes.
    let mut half = server.connect();
    half.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    half.end_input();
    assert_eq!(read_answer(&mut half).text(), "ok");
    assert_eq!(half.rest(), b"");
}

#[test]
fn health_is_asked_while_the_server_drains() {
    let server = Server::start(&["--drain-seconds", "20"]);
    let (mut balancer, mut other_balancer) = (server.connect(), server.connect());
    assert_eq!(get(&mut other_balancer, "/readyz", "").text(), "ok");
    let healthy = get(&mut balancer, "/healthz", "");
    assert_eq!(
        (healthy.status, healthy.text(), healthy.field("Cache-Control")),
        (200, "ok", Some("no-store"))
    );
    // Somebody who is owed much and does not read keeps the server from ending.
    let mut stuck = small_window_client(&server);
    stuck.expect_echo(b"here\n");
    let line = [vec![b'x'; 60_000], vec![b'\n']].concat();
    stuck.send(&line.repeat(20));
    // The answer to this comes after all of that has been read.
    let mut other = server.connect();
    other.expect_echo(b"and here\n");
    server.signal("TERM");
    server.wait_for_line("stopping", |line| line.contains("stopping"));
    assert_eq!(other.rest(), b"");
    let draining = get(&mut balancer, "/healthz", "");
    assert_eq!((draining.status, draining.text()), (503, "draining"));
    assert_eq!(draining.field("Connection"), Some("close"));
    let draining = get(&mut other_balancer, "/readyz", "");
    assert_eq!((draining.status, draining.text()), (503, "draining"));
    drop(stuck);
    assert!(server.finish().0.success());
}

#[test]
fn a_request_never_becomes_chat() {
    let server = Server::start(&["--mode", "chat"]);
    let mut carol = server.connect();
    carol.send(b"/nick carol\r\n/join lobby\r\n");
    while !carol.line().starts_with(b"* You are in #lobby now") {}
    for request in [
        "POST /chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 14\r\n\r\n/nick mallory\n",
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 10000\r\n\r\nhello all\r\nhello again\r\n",
        "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\nhello from the rest\r\n",
    ] {
        let answer = ask_once(&server, request);
        assert!((400..500).contains(&answer.status), "{answer:?}");
    }
    let mut confused = server.connect();
    confused.send(b"PUT bad\r\n\r\nhello\r\n");
    let told = String::from_utf8(confused.rest()).expect("UTF-8");
    assert!(
        told.starts_with("! This looks like a request for a web server, so it was not said."),
        "{told}"
    );
    carol.send(b"/who\r\n");
    carol.expect(b"* 1 in #lobby: carol\r\n");
}

#[test]
fn a_listener_can_be_pinned_to_one_wire() {
    let lines = Server::start(&["--wire", "line"]);
    let mut client = lines.connect();
    client.expect_echo(b"GET / HTTP/1.1\r\n");
    client.expect_echo(b"\r\n");

    let http = Server::start(&["--wire", "http", "--mode", "chat"]);
    assert_eq!(ask_once(&http, "hello\r\n\r\n").status, 400);
    let mut silent = http.connect();
    // Longer than a person is waited for: here nobody is greeted.
    thread::sleep(Duration::from_millis(600));
    assert_eq!(get(&mut silent, "/healthz", "").status, 200);
}

#[test]
fn everything_may_come_one_byte_at_a_time() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let requests = format!(
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /chat HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}\r\n"
    );
    let bytes = [requests.as_bytes(), HI, &[0x89, 0x80, 9, 9, 9, 9], HI].concat();
    for byte in &bytes {
        client.send(&[*byte]);
    }
    assert_eq!(read_answer(&mut client).text(), "ok");
    assert_eq!(read_head(&mut client).status, 101);
    client.expect(HI_BACK);
    client.expect(b"\x8A\0");
    client.expect(HI_BACK);

    // And all of it at once, or cut anywhere.
    for split in (0..=bytes.len()).step_by(7).chain([bytes.len()]) {
        let mut client = server.connect();
        client.send(&bytes[..split]);
        thread::sleep(Duration::from_millis(2));
        client.send(&bytes[split..]);
        assert_eq!(read_answer(&mut client).text(), "ok", "split at {split}");
        assert_eq!(read_head(&mut client).status, 101, "split at {split}");
        client.expect(HI_BACK);
        client.expect(b"\x8A\0");
        client.expect(HI_BACK);
    }
}

/// A server that others can reach too, as it is meant to be: on loopback only its own names are
/// known.
fn start_anywhere(flags: &[&str]) -> Server {
    let mut command = program();
    command.arg("0.0.0.0:0").args(flags);
    let mut server = Server::launch(command);
    server.address.set_ip(Ipv4Addr::LOCALHOST.into());
    server
}

#[test]
fn origins_are_the_same_or_allowed() {
    // As people write them.
    let server =
        start_anywhere(&["--allow-origin", "HTTPS://Friend.example:443/, http://other.example:81"]);
    let status = |origin: &str| {
        let mut client = server.connect();
        let fields =
            if origin.is_empty() { String::new() } else { format!("Origin: {origin}\r\n") };
        client.send(
            format!("GET / HTTP/1.1\r\nHost: chat.example:8080\r\n{UPGRADE}{fields}\r\n")
                .as_bytes(),
        );
        read_answer(&mut client).status
    };
    assert_eq!(status(""), 101, "a program");
    for origin in
        ["http://chat.example:8080", "https://chat.example:8080", "http://CHAT.example:8080"]
    {
        assert_eq!(status(origin), 101, "{origin}");
    }
    assert_eq!(status("https://friend.example"), 101);
    assert_eq!(status("http://other.example:81"), 101);
    for origin in [
        "http://chat.example",
        "http://chat.example:81",
        "http://chat.example:8080.evil.example",
        "http://evil.example/?http://chat.example:8080",
        "http://friend.example",
        "https://friend.example.evil.example",
        "null",
        "file://",
    ] {
        assert_eq!(status(origin), 403, "{origin}");
    }
    // The page itself is for everybody.
    let mut client = server.connect();
    assert_eq!(get(&mut client, "/", "Origin: http://evil.example\r\n").status, 200);
    let open = Server::start(&["--allow-origin", "*"]);
    let mut client = open.connect();
    let request =
        format!("GET / HTTP/1.1\r\nHost: x\r\n{UPGRADE}Origin: http://evil.example\r\n\r\n");
    assert_eq!(ask(&mut client, &request).status, 101);
}

#[test]
fn bad_handshakes_are_refused_with_the_reason() {
    let server = Server::start(&[]);
    let good = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}\r\n");
    for (status, from, to) in [
        (426, "Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"),
        (426, "Sec-WebSocket-Version: 13\r\n", ""),
        (400, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Key: dGhlIHNhbXBsZQ=="),
        (400, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
        (400, "Connection: Upgrade", "Connection: keep-alive"),
        (400, "HTTP/1.1", "HTTP/1.0"),
        (405, "GET", "PUT"),
        (400, "GET /", "GET /?name=%FF"),
        (
            400,
            "Upgrade: websocket",
            "Upgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate;;",
        ),
    ] {
        let answer = ask_once(&server, &good.replacen(from, to, 1));
        assert_eq!(answer.status, status, "{to}: {answer:?}");
        if status == 426 {
            assert_eq!(answer.field("Sec-WebSocket-Version"), Some("13"));
        }
    }
    let mut client = server.connect();
    let answer = ask(&mut client, &good);
    assert_eq!(answer.status, 101);
    assert_eq!(answer.field("Sec-WebSocket-Accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
}

/// Upgrades with these fields; the status.
fn upgrade_status(server: &Server, host: &str, fields: &str) -> u16 {
    let mut client = server.connect();
    ask(&mut client, &format!("GET / HTTP/1.1\r\nHost: {host}\r\n{UPGRADE}{fields}\r\n")).status
}

/// Its own pages are those under loopback names: any other name may have been pointed here while
/// its page was open.
#[test]
fn on_loopback_a_rebound_name_opens_no_websocket() {
    for address in ["127.0.0.1:0", "[::1]:0", "[::ffff:127.0.0.1]:0"] {
        let mut command = program();
        command.args([address, "--mode", "chat", "--allow-origin", "https://chat.example"]);
        let mut server = Server::launch(command);
        server.address.set_ip(server.address.ip().to_canonical());
        let own = |host: &str| upgrade_status(&server, host, &format!("Origin: http://{host}\r\n"));
        for host in [
            "localhost:8080",
            "LOCALHOST.",
            "chat.localhost:1",
            "127.0.0.1:8080",
            "127.9.9.9",
            "[::1]:8080",
        ] {
            assert_eq!(own(host), 101, "{host} at {address}");
        }
        for host in ["evil.example:8080", "localhost.evil.example", "192.168.0.1:8080"] {
            assert_eq!(own(host), 403, "{host} at {address}");
            assert_eq!(
                upgrade_status(&server, host, ""),
                101,
                "a program, perhaps through a proxy"
            );
            // What it could only read is for everybody.
            assert_eq!(
                ask(&mut server.connect(), &format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"))
                    .status,
                200
            );
        }
        server.wait_for_line("a warning", |line| {
            line.contains("WARN")
                && line.ends_with("start with --allow-origin http://evil.example:8080")
        });
        assert_eq!(own("chat.example"), 101, "it is named");
        assert_eq!(
            upgrade_status(&server, "backend", "Origin: https://chat.example\r\n"),
            101,
            "through a proxy"
        );
    }
    let any = Server::start(&["--allow-origin", "*"]);
    assert_eq!(upgrade_status(&any, "evil.example", "Origin: http://evil.example\r\n"), 101);
}

#[test]
fn a_refused_page_is_found_in_the_log() {
    let server = start_anywhere(&["--mode", "chat"]);
    assert_eq!(upgrade_status(&server, "backend", "Origin: https://chat.example.com\r\n"), 403);
    server.wait_for_log(
        "Origin \"https://chat.example.com\" is not that of Host \"backend\"; if both are yours, start with \
         --allow-origin https://chat.example.com, or let the proxy pass Host on as it came",
    );
    // Where that would not be enough, it is not said.
    let on_loopback = Server::start(&["--mode", "chat"]);
    assert_eq!(
        upgrade_status(&on_loopback, "backend", "Origin: https://chat.example.com\r\n"),
        403
    );
    on_loopback
        .wait_for_log("; if both are yours, start with --allow-origin https://chat.example.com");
    assert_eq!(
        upgrade_status(&server, "localhost", "Origin: \u{1b}[31m\u{e9}\r\n"),
        400,
        "a control character"
    );
    assert_eq!(upgrade_status(&server, "localhost", "Origin: \u{e9}\u{9b}\r\n"), 403);
    server.wait_for_line("escaped", |line| {
        line.contains("WARN") && line.contains("Origin \"\\xc3\\xa9\\xc2\\x9b\" is not")
    });
    assert_eq!(upgrade_status(&server, "localhost", "Sec-WebSocket-Version: 8\r\n"), 400);
    server.wait_for_line("another refusal", |line| {
        line.contains("INFO") && line.contains("refused a WebSocket: 400 ")
    });
}

#[test]
fn a_page_can_ask_beforehand_whether_it_is_admitted() {
    let server = Server::start(&["--mode", "chat", "--drain-seconds", "20"]);
    let mut page = server.connect();
    let host = server.address.to_string();
    let mut asked = |origin: &str, fields: &str| {
        let path = format!(
            "/admission{}",
            if origin.is_empty() { String::new() } else { format!("?origin={origin}") }
        );
        let answer =
            ask(&mut page, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"));
        let object: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(answer.field("Cache-Control"), Some("no-store"));
        (
            answer.status,
            object["admitted"].clone(),
            object["reason"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let admitted = (200, true.into(), String::new());
    let foreign = (403, false.into(), "origin".to_owned());
    assert_eq!(asked("", ""), admitted);
    assert_eq!(asked(&format!("http%3A%2F%2F{host}"), ""), admitted);
    assert_eq!(asked("http://evil.example", ""), foreign);
    assert_eq!(asked("", "Origin: http://evil.example\r\n"), foreign);
    assert_eq!(
        ask_once(&server, "POST /admission HTTP/1.1\r\nHost: localhost\r\n\r\n").status,
        405
    );

    // Somebody who is owed much keeps the server from ending.
    let mut stuck = small_window_client(&server);
    stuck.send(&b"/help\r\n".repeat(15));
    thread::sleep(Duration::from_millis(500));
    server.signal("TERM");
    server.wait_for_line("stopping", |line| line.contains("stopping"));
    assert_eq!(asked("", ""), (503, false.into(), "stopping".to_owned()));

    for mode in ["echo", "broadcast"] {
        let server = Server::start(&["--mode", mode]);
        let answer =
            ask(&mut server.connect(), "GET /admission HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(answer.status, 409);
        assert!(
            answer.text().starts_with("{\"admitted\":false,\"reason\":\"mode\","),
            "{}",
            answer.text()
        );
    }
}

#[test]
fn without_a_chat_the_front_page_says_what_there_is() {
    for (mode, what) in [("echo", "back to its sender"), ("broadcast", "to everybody")] {
        let server = Server::start(&["--mode", mode]);
        let mut client = server.connect();
        let answer = get(&mut client, "/", "");
        assert_eq!(
            (answer.status, answer.field("Content-Type")),
            (200, Some("text/plain; charset=utf-8"))
        );
        assert!(
            answer.text().contains(what) && answer.text().lines().count() == 1,
            "{}",
            answer.text()
        );
        assert_eq!(get(&mut client, "/healthz", "").text(), "ok");
        for path in ["/index.html", PAGE.path_of("main.js"), PAGE.path_of("style.css")] {
            assert_eq!(get(&mut server.connect(), path, "").status, 404, "{path}");
        }
    }
}

// ---- As proxies and programs ask ----

#[test]
fn health_checks_by_options_are_answered() {
    let server = Server::start(&["--mode", "chat"]);
    // HAProxy's, if it is not told otherwise.
    let mut check = server.connect();
    let answer = ask(&mut check, "OPTIONS / HTTP/1.0\r\n\r\n");
    assert_eq!((answer.status, answer.field("Allow")), (204, Some("GET, HEAD, OPTIONS")));
    assert_eq!(check.rest(), b"");
    let mut kept = server.connect();
    for target in ["*", "/", "/healthz"] {
        let answer =
            ask(&mut kept, &format!("OPTIONS {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert_eq!((answer.status, answer.field("Content-Length")), (204, None), "{target}");
    }
    assert_eq!(get(&mut kept, "/healthz", "").text(), "ok");
}

/// A reset would take the answer away from a client that is still sending.
#[test]
fn who_sends_a_body_reads_why_it_is_not_taken() {
    let server = Server::start(&["--mode", "chat"]);
    let body = vec![b'x'; 8 * 1024 * 1024];
    for fields in [
        format!("Content-Length: {}\r\n", body.len()),
        format!("Content-Length: {}\r\nExpect: 100-continue\r\n", body.len()),
        "Transfer-Encoding: chunked\r\n".to_owned(),
    ] {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let mut client = server.connect();
            client
                .send(format!("{method} / HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n").as_bytes());
            if !fields.contains("Expect") {
                client.writer().write_all(&body).expect("all of it is taken");
            }
            let answer = read_answer(&mut client);
            assert_eq!(
                (answer.status, answer.field("Allow")),
                (405, Some("GET, HEAD, OPTIONS")),
                "{method} {fields}"
            );
            assert_eq!(client.rest_until_end(), b"");
        }
    }
}

#[test]
fn hosts_may_have_a_zone() {
    let server = Server::start(&["--mode", "chat"]);
    for host in ["[fe80::1%25eth0]:8080", "[fe80::1%eth0]"] {
        let answer = ask(&mut server.connect(), &format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(answer.status, 200, "{host}");
        assert!(
            answer.field("Content-Security-Policy").is_some_and(|policy| !policy.contains('%')),
            "{answer:?}"
        );
    }
}
