//! What clients show to be known by, whether that is private, and the cookies of pages.

use std::net::SocketAddr;

use super::*;
use crate::ids::UNIX_PEER;
use crate::server::proxies::TrustedProxies;

const HERE: &str = "127.0.0.1:40000";
const AFAR: &str = "198.51.100.9:40000";
const PROXY: &str = "192.0.2.1:40000";
const COOKIE: &str = "Cookie: a=b; chat-session=alice-1\r\n";
const BEARER: &str = "Authorization: Bearer token-1\r\n";
const HTTPS: &str = "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n";

/// Tells each client what it has shown; has one code for a cookie.
struct Doorman {
    sentence: Option<&'static str>,
    code: Option<&'static str>,
}

impl Service for Doorman {
    fn greeting(&self) -> Option<&'static str> {
        Some("welcome\n")
    }

    fn sentence(&self) -> Option<&'static str> {
        self.sentence
    }

    fn opened(&mut self, client: ClientId, hello: &Hello<'_>, out: &mut Delivery) {
        let line = format!("opened {:?} {}\n", hello.credential, hello.is_private);
        out.send(client, |to| to.content(FrameKind::Text, line.as_bytes()));
    }

    fn message(&mut self, _: ClientId, _: Incoming<'_>, _: &mut Delivery) -> Outcome {
        Outcome::Done
    }

    fn closed(&mut self, _: ClientId, _: crate::ids::Peer, _: &mut Delivery) {}

    fn take_cookie(&mut self, code: &str, unix_ms: u64) -> Option<Box<str>> {
        assert_eq!(unix_ms, 0, "the turn's time");
        self.code.take_if(|one| *one == code).map(|_| "alice-1".into())
    }
}

fn settings() -> ServerSettings {
    let proxies: TrustedProxies = vec!["192.0.2.0/24".parse().expect("a network")].into();
    ServerSettings { proxies, ..ServerSettings::default() }
}

fn sim(settings: ServerSettings) -> Sim<Doorman> {
    Sim::with(settings, |_| Doorman { sentence: None, code: Some("code-1") })
}

/// What the answer to this request is.
#[track_caller]
fn answer(settings: &ServerSettings, from: &str, request: &str) -> String {
    answer_cut(settings, from, request, request.len() / 2)
}

/// The same, however it is cut: at every so many bytes.
#[track_caller]
fn answer_cut(settings: &ServerSettings, from: &str, request: &str, step: usize) -> String {
    let answer = |pieces: &[&[u8]]| {
        let mut sim = sim(settings.clone());
        let from: SocketAddr = if from == "unix" { UNIX_PEER } else { from.parse().expect(from) };
        let peer = sim.connect_from(from, Far { room: PLENTY, ..Far::default() });
        for piece in pieces {
            sim.send(&peer, piece);
            sim.settle();
        }
        peer.output()
    };
    let bytes = request.as_bytes();
    let whole = answer(&[bytes]);
    for at in (0..=bytes.len()).step_by(step) {
        assert_eq!(answer(&[&bytes[..at], &bytes[at..]]), whole, "split at {at}");
    }
    whole
}

fn upgrade(host: &str, fields: &str) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
    )
}

/// The credential and whether it is private; or the status and the sentence.
#[track_caller]
fn hello(settings: &ServerSettings, from: &str, host: &str, fields: &str) -> String {
    let answer = answer(settings, from, &upgrade(host, fields));
    let (head, rest) = answer.split_once("\r\n\r\n").expect("a head");
    match head.starts_with("HTTP/1.1 101 ") {
        true => rest.split_once("opened ").expect("a line").1.trim_end().to_owned(),
        false => format!("{} {}", &head[9..12], rest.trim_end()),
    }
}

const REFUSED: &str = "403 A session's cookie is taken only from the server's own page";

#[test]
fn a_cookie_counts_for_our_own_page_alone() {
    let anywhere = settings();
    let named = ["https://app.example".parse().expect("an origin")];
    let named = ServerSettings { allowed_origins: Vec::from(named).into(), ..settings() };
    let any = ["*".parse().expect("any")];
    let any = ServerSettings { allowed_origins: Vec::from(any).into(), ..settings() };
    let foreign = "403 Pages of this origin may not connect";
    for (settings, origin, told) in [
        (&anywhere, "", REFUSED),
        (&anywhere, "Origin: http://chat.example\r\n", "Some(\"alice-1\") false"),
        (&anywhere, "Origin: https://app.example\r\n", foreign),
        (&anywhere, "Origin: http://chat.example:81\r\n", foreign),
        (&anywhere, "Origin: http://sub.chat.example\r\n", foreign),
        (&anywhere, "Origin: null\r\n", foreign),
        (&anywhere, "Origin: http://chat.example\r\nOrigin: http://chat.example\r\n", foreign),
        (&named, "Origin: https://app.example\r\n", "Some(\"alice-1\") false"),
        (&named, "Origin: http://app.example\r\n", foreign),
        (&any, "", REFUSED),
        (&any, "Origin: http://chat.example\r\n", "Some(\"alice-1\") false"),
        (&any, "Origin: https://app.example\r\n", REFUSED),
        (&any, "Origin: null\r\n", REFUSED),
    ] {
        let fields = format!("{COOKIE}{origin}");
        let found = hello(settings, AFAR, "chat.example", &fields);
        assert!(found.starts_with(told), "{origin:?}: {found}");
    }
    // Without our cookie everything is as it was.
    for (settings, fields, told) in [
        (&anywhere, "Cookie: a=b\r\n", "None false"),
        (&any, "Cookie: a=b\r\nOrigin: https://app.example\r\n", "None false"),
        (&anywhere, "Cookie: chat-session=\r\n", "None false"),
    ] {
        assert_eq!(hello(settings, AFAR, "chat.example", fields), told, "{fields:?}");
    }
}

#[test]
fn a_name_that_is_pointed_at_loopback_gets_no_cookie() {
    let here = ServerSettings { is_loopback: true, ..settings() };
    for (host, told) in [
        ("localhost:8080", "Some(\"alice-1\") true"),
        ("evil.example", "403 This server is for its own machine"),
    ] {
        let fields = format!("{COOKIE}Origin: http://{host}\r\n");
        let found = hello(&here, HERE, host, &fields);
        assert!(found.starts_with(told), "{host}: {found}");
    }
}

#[test]
fn a_program_shows_its_token() {
    for (fields, told) in [
        (BEARER.to_owned(), "Some(\"token-1\") false"),
        (format!("{BEARER}Origin: http://chat.example\r\n"), "Some(\"token-1\") false"),
        (format!("{BEARER}{COOKIE}Origin: http://chat.example\r\n"), "Some(\"token-1\") false"),
        (format!("{BEARER}{COOKIE}"), REFUSED),
        (format!("Authorization: Bearer {}\r\n", "x".repeat(129)), "None false"),
        ("Authorization: Basic eDp5\r\n".to_owned(), "None false"),
    ] {
        let found = hello(&settings(), AFAR, "chat.example", &fields);
        assert!(found.starts_with(told), "{fields:?}: {found}");
    }
}

#[test]
fn what_nobody_between_can_read_is_private() {
    let of_page = |origin: &str| format!("Origin: {origin}\r\n");
    for (from, host, fields, is_private) in [
        (AFAR, "chat.example", String::new(), false),
        (AFAR, "localhost", String::new(), false),
        (AFAR, "chat.example", of_page("http://chat.example"), false),
        // A page of https opens no WebSocket without TLS.
        (AFAR, "chat.example", of_page("https://chat.example"), true),
        (HERE, "localhost:8080", String::new(), true),
        (HERE, "[::1]:8080", of_page("http://[::1]:8080"), true),
        ("unix", "localhost", String::new(), true),
        ("unix", "chat.example", String::new(), false),
        // What has come to this machine from elsewhere.
        (HERE, "chat.example", String::new(), false),
        (HERE, "localhost:8080", "X-Forwarded-For: 203.0.113.7\r\n".to_owned(), false),
        (HERE, "localhost:8080", "Via: 1.1 x\r\n".to_owned(), false),
        (HERE, "localhost:8080", "X-Forwarded-Proto: https\r\n".to_owned(), false),
        // A proxy whose word is taken.
        (PROXY, "chat.example", HTTPS.to_owned(), true),
        (PROXY, "chat.example", HTTPS.replace("https", "http"), false),
        (PROXY, "localhost", "X-Forwarded-For: 127.0.0.1\r\n".to_owned(), false),
        (AFAR, "chat.example", HTTPS.to_owned(), false),
    ] {
        let told = format!("None {is_private}");
        assert_eq!(hello(&settings(), from, host, &fields), told, "{from} {host} {fields:?}");
        let trusting = ServerSettings { insecure_logins: true, ..settings() };
        assert_eq!(hello(&trusting, from, host, &fields), "None true");
    }
    for (from, is_private) in [(HERE, true), ("unix", true), (AFAR, false)] {
        let told = answer(&settings(), from, "hello\n");
        assert_eq!(told, format!("opened None {is_private}\n"), "{from}");
        let trusting = ServerSettings { insecure_logins: true, ..settings() };
        assert_eq!(answer(&trusting, from, "hello\n"), "opened None true\n");
    }
}

fn request(method: &str, path: &str, fields: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: chat.example\r\n{fields}\r\n")
}

const OURS: &str = "Origin: http://chat.example\r\n";
const CODE: &str = "Authorization: Bearer code-1\r\n";

#[test]
fn a_code_is_changed_for_a_cookie_once() {
    let expected = "HTTP/1.1 204 No Content\r\n\
        Set-Cookie: chat-session=alice-1; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000\r\n\
        Cache-Control: no-store\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n";
    let post = request("POST", "/session", &format!("{OURS}{CODE}Content-Length: 0\r\n"));
    assert_eq!(answer_cut(&settings(), AFAR, &post, 1), expected);
    let twice = answer(&settings(), AFAR, &format!("{post}{post}"));
    let again = twice.strip_prefix(expected).expect("the first is answered, and the line is kept");
    assert!(again.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{again}");
    assert!(again.ends_with("\r\n\r\nThis code is not known any more; log in again.\n"));
    assert!(!again.contains("Set-Cookie"));
}

#[test]
fn a_cookie_is_taken_away_again() {
    let delete = request("DELETE", "/session", &format!("{COOKIE}{OURS}"));
    let expected = "HTTP/1.1 204 No Content\r\n\
        Set-Cookie: chat-session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0\r\n\
        Cache-Control: no-store\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n";
    assert_eq!(answer(&settings(), AFAR, &delete), expected);
}

#[test]
fn a_cookie_is_for_tls_where_the_page_has_come_by_it() {
    let base = ServerSettings { base_path: "/chat".parse().expect("a path"), ..settings() };
    let of_https = "Origin: https://chat.example\r\n";
    for (settings, from, path, fields, ends) in [
        (
            settings(),
            PROXY,
            "/session",
            format!("{of_https}{HTTPS}"),
            "Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000; Secure\r\n",
        ),
        (settings(), AFAR, "/session", of_https.to_owned(), "Max-Age=31536000; Secure\r\n"),
        (
            base,
            AFAR,
            "/chat/session",
            OURS.to_owned(),
            "Path=/chat/; HttpOnly; SameSite=Strict; Max-Age=31536000\r\n",
        ),
    ] {
        let answer = answer(&settings, from, &request("POST", path, &format!("{CODE}{fields}")));
        assert!(answer.starts_with("HTTP/1.1 204 ") && answer.contains(ends), "{answer}");
    }
}

#[test]
fn other_pages_set_no_cookie() {
    let any =
        ServerSettings { allowed_origins: vec!["*".parse().expect("any")].into(), ..settings() };
    for settings in [settings(), any] {
        for method in ["POST", "DELETE"] {
            for fields in [
                "",
                "Origin: null\r\n",
                "Origin: http://evil.example\r\n",
                "Origin: http://chat.example:81\r\n",
                "Origin: http://chat.example\r\nOrigin: http://evil.example\r\n",
            ] {
                let asked = request(method, "/session", &format!("{CODE}{COOKIE}{fields}"));
                let answer = answer(&settings, AFAR, &asked);
                assert!(answer.starts_with("HTTP/1.1 403 "), "{method} {fields:?}: {answer}");
                assert!(answer.contains("is taken only from the server's own page"), "{answer}");
                assert!(!answer.contains("Set-Cookie"), "{answer}");
            }
        }
    }
}

#[test]
fn what_is_no_request_for_a_cookie_is_answered_as_ever() {
    for (method, path, fields, status) in [
        ("POST", "/session", format!("{OURS}{CODE}Content-Length: 1\r\n"), "413"),
        ("POST", "/session", format!("{OURS}{CODE}Transfer-Encoding: chunked\r\n"), "413"),
        ("POST", "/session", OURS.to_owned(), "403"),
        ("POST", "/session", format!("{OURS}Authorization: Bearer code-2\r\n"), "403"),
        ("POST", "/session", format!("{OURS}Cookie: chat-session=code-1\r\n"), "403"),
        ("POST", "/session?code=code-1", OURS.to_owned(), "403"),
        ("POST", "/sessions", format!("{OURS}{CODE}"), "405"),
        ("PUT", "/session", format!("{OURS}{CODE}"), "405"),
        ("GET", "/session", format!("{OURS}{CODE}"), "404"),
    ] {
        let answer = answer(&settings(), AFAR, &request(method, path, &fields));
        let head = answer.strip_prefix("HTTP/1.1 ").expect("a response");
        assert!(head.starts_with(status), "{method} {path} {fields:?}: {head}");
        assert!(!head.contains("Set-Cookie"), "{head}");
    }
    // Where nobody chats, there are no sessions.
    let mut sim = Sim::with(settings(), |_| Doorman { sentence: Some("Echo.\n"), code: None });
    let peer = sim.connect(PLENTY);
    sim.send(&peer, request("POST", "/session", &format!("{OURS}{CODE}")));
    sim.settle();
    assert!(peer.output().starts_with("HTTP/1.1 405 "), "{}", peer.output());
}
