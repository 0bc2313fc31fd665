use std::sync::LazyLock;

use super::super::extension::{DeflateParams, Malformed, negotiate_deflate};
use super::super::handshake::*;
use crate::wire::http::origin::{Allowed, AllowedOrigins};
use crate::wire::http::{self, HeadParser, HttpError};
use proptest::prelude::*;

const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n";

static NO_ORIGINS: LazyLock<AllowedOrigins> = LazyLock::new(AllowedOrigins::default);

fn policy() -> Policy<'static> {
    Policy {
        allowed_origins: &NO_ORIGINS,
        is_loopback: false,
        scheme: None,
        subprotocols: &["chat.v1.json"],
        query_keys: &["name", "room"],
        deflate: true,
    }
}

/// Evaluates the request at once and split at every byte.
fn evaluate_head(head: &str, policy: &Policy<'_>) -> Result<Upgrade, HttpError> {
    let (request, consumed) = http::parse(head.as_bytes()).expect("well-formed").expect("whole");
    assert_eq!(consumed, head.len());
    assert!(is_upgrade(&request), "{head}");
    let at_once = evaluate(&request, policy, None);
    for split in 0..head.len() {
        let mut parser = HeadParser::default();
        assert!(matches!(parser.parse(&head.as_bytes()[..split]), Ok(None)));
        let (request, _) = parser.parse(head.as_bytes()).expect("well-formed").expect("whole");
        assert_eq!(evaluate(&request, policy, None), at_once, "split at {split}");
    }
    at_once
}

/// A good request with `fields` added.
fn with(fields: &str) -> Result<Upgrade, HttpError> {
    with_policy(fields, &policy())
}

fn with_policy(fields: &str, policy: &Policy<'_>) -> Result<Upgrade, HttpError> {
    let head = format!(
        "GET / HTTP/1.1\r\nHost: server.example.com\r\n{UPGRADE}{KEY}{VERSION}{fields}\r\n"
    );
    evaluate_head(&head, policy)
}

fn response_to(fields: &str) -> String {
    String::from_utf8(with(fields).expect("an upgrade").response).expect("text")
}

#[test]
fn example_of_rfc_6455_1_3() {
    let head = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://server.example.com\r\n\
                Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let upgrade =
        evaluate_head(head, &Policy { subprotocols: &["chat"], ..policy() }).expect("an upgrade");
    let expected = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\r\n";
    assert_eq!(str::from_utf8(&upgrade.response), Ok(expected));
    assert_eq!((upgrade.subprotocol, upgrade.deflate), (Some("chat"), None));
    assert_eq!(upgrade.query, Query::default());
}

#[test]
fn a_plain_request_is_no_upgrade() {
    let is_upgrade = |fields: &str| {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let (request, _) = http::parse(head.as_bytes()).expect("well-formed").expect("whole");
        super::super::handshake::is_upgrade(&request)
    };
    assert!(!is_upgrade(""));
    assert!(!is_upgrade("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"));
    assert!(is_upgrade("Upgrade: WebSocket\r\n"));
    assert!(is_upgrade("Upgrade: h2c, websocket\r\n"));
    assert!(is_upgrade(KEY));
}

#[test]
fn fields_are_compared_without_case_and_in_lists() {
    let head = format!(
        "GET / HTTP/1.1\r\nhost: a\r\nUPGRADE: h2c, WebSocket\r\nconnection: keep-alive, UPGRADE\r\n{KEY}{VERSION}\r\n"
    );
    assert!(evaluate_head(&head, &policy()).is_ok());
}

#[test]
fn wrong_requests_are_told_what_is_wrong() {
    let host = "Host: a\r\n";
    let cases = [
        (format!("POST / HTTP/1.1\r\n{host}{UPGRADE}{KEY}{VERSION}"), HttpError::UPGRADE_METHOD),
        (format!("HEAD / HTTP/1.1\r\n{host}{UPGRADE}{KEY}{VERSION}"), HttpError::UPGRADE_METHOD),
        (format!("GET / HTTP/1.0\r\n{host}{UPGRADE}{KEY}{VERSION}"), HttpError::UPGRADE_HTTP10),
        (
            format!("GET / HTTP/1.1\r\n{host}Connection: Upgrade\r\n{KEY}{VERSION}"),
            HttpError::UPGRADE_MISSING,
        ),
        (
            format!("GET / HTTP/1.1\r\n{host}Upgrade: h2c\r\n{KEY}{VERSION}"),
            HttpError::UPGRADE_MISSING,
        ),
        (
            format!("GET / HTTP/1.1\r\n{host}Upgrade: websocket\r\n{KEY}{VERSION}"),
            HttpError::UPGRADE_CONNECTION,
        ),
        (
            format!(
                "GET / HTTP/1.1\r\n{host}Upgrade: websocket\r\nConnection: upgraded\r\n{KEY}{VERSION}"
            ),
            HttpError::UPGRADE_CONNECTION,
        ),
        (format!("GET / HTTP/1.1\r\n{host}{UPGRADE}{KEY}"), HttpError::UPGRADE_VERSION),
        (
            format!("GET / HTTP/1.1\r\n{host}{UPGRADE}{KEY}Sec-WebSocket-Version: 8\r\n"),
            HttpError::UPGRADE_VERSION,
        ),
        (
            format!("GET / HTTP/1.1\r\n{host}{UPGRADE}{KEY}Sec-WebSocket-Version: 013\r\n"),
            HttpError::UPGRADE_VERSION,
        ),
        (format!("GET / HTTP/1.1\r\n{host}{UPGRADE}{KEY}{VERSION}{VERSION}"), HttpError::MALFORMED),
        (format!("GET / HTTP/1.1\r\n{host}{UPGRADE}{VERSION}"), HttpError::UPGRADE_KEY),
        (format!("GET / HTTP/1.1\r\n{host}{UPGRADE}{KEY}{KEY}{VERSION}"), HttpError::MALFORMED),
    ];
    for (head, expected) in cases {
        assert_eq!(evaluate_head(&format!("{head}\r\n"), &policy()), Err(expected), "{head}");
    }
    let statuses = [
        (HttpError::UPGRADE_METHOD, 405),
        (HttpError::UPGRADE_HTTP10, 400),
        (HttpError::UPGRADE_MISSING, 426),
        (HttpError::UPGRADE_CONNECTION, 400),
        (HttpError::UPGRADE_VERSION, 426),
        (HttpError::UPGRADE_KEY, 400),
        (HttpError::UPGRADE_ORIGIN, 403),
    ];
    for (error, status) in statuses {
        assert_eq!(error.status, status);
    }
    let response =
        String::from_utf8(HttpError::UPGRADE_VERSION.response(None, None).head).expect("text");
    for line in [
        "\r\nSec-WebSocket-Version: 13\r\n",
        "\r\nUpgrade: websocket\r\n",
        "\r\nConnection: Upgrade\r\n",
    ] {
        assert!(response.contains(line), "{response}");
    }
}

#[test]
fn the_key_is_sixteen_bytes() {
    let with_key = |key: &str| {
        let head = format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{UPGRADE}{VERSION}Sec-WebSocket-Key: {key}\r\n\r\n"
        );
        evaluate_head(&head, &policy()).map(|_| ())
    };
    for good in [
        "AAAAAAAAAAAAAAAAAAAAAA==",
        "+/+/+/+/+/+/+/+/+/+/+w==",
        "  dGhlIHNhbXBsZSBub25jZQ==  ",
        "abcdefghijklmnopqrstuv==",
    ] {
        assert_eq!(with_key(good), Ok(()), "{good}");
    }
    for bad in [
        "",
        "AAAA",
        "AAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAA=",
        "AAAAAAAAAAAAAAAAAAAAAAA=",
        "AAAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAA====",
        "AAAAAAAAAAAAAAAAAAAAAA==AAAA",
        "-_-_-_-_-_-_-_-_-_-_-w==",
        "AAAAAAAAAAA AAAAAAAAAA==",
    ] {
        assert_eq!(with_key(bad), Err(HttpError::UPGRADE_KEY), "{bad}");
    }
}

fn allow(allowed: &[&str]) -> AllowedOrigins {
    allowed.iter().map(|one| one.parse().expect("an origin")).collect::<Vec<Allowed>>().into()
}

#[test]
fn origins_are_our_own_or_on_the_list() {
    let with = |host: &str, origin: &str, allowed: &[&str]| {
        let allowed = allow(allowed);
        let head = format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\n{UPGRADE}{KEY}{VERSION}Origin: {origin}\r\n\r\n"
        );
        match evaluate_head(&head, &Policy { allowed_origins: &allowed, ..policy() }) {
            Ok(_) => true,
            Err(HttpError::UPGRADE_ORIGIN) => false,
            Err(other) => panic!("{other}"),
        }
    };
    let same = [
        ("chat.example", "http://chat.example"),
        ("chat.example", "https://chat.example"),
        ("Chat.Example", "HTTPS://cHAT.eXAMPLE"),
        ("chat.example:80", "http://chat.example"),
        ("chat.example:443", "https://chat.example"),
        ("chat.example", "https://chat.example:443"),
        ("chat.example:8080", "http://chat.example:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("[::1]", "http://[::1]:80"),
    ];
    for (host, origin) in same {
        assert!(with(host, origin, &[]), "{origin} on {host}");
    }
    let foreign = [
        ("chat.example", "http://evil.example"),
        ("chat.example", "http://chat.example.evil.example"),
        ("chat.example", "http://chat.example:8080"),
        ("chat.example:8080", "http://chat.example"),
        ("chat.example:443", "http://chat.example"),
        ("chat.example:80", "https://chat.example"),
        ("chat.example", "ftp://chat.example"),
        ("chat.example", "chat.example"),
        ("chat.example", "null"),
        ("chat.example", ""),
        ("", "http://"),
        ("chat.example", "http://chat.example/"),
        ("chat.example", "http://chat.example http://evil.example"),
        ("chat.example", "http://ch\u{e1}t.example"),
        ("chat.example", "http://chat.example\r\nOrigin: http://chat.example"),
    ];
    for (host, origin) in foreign {
        assert!(!with(host, origin, &["https://other.example"]), "{origin} on {host}");
    }
    assert!(with("a", "https://other.example", &["http://x", "https://other.example"]));
    assert!(with("a", "https://OTHER.example", &["https://other.example"]));
    assert!(!with("a", "http://other.example", &["https://other.example"]));
    assert!(with("a", "null", &["*"]));
    assert!(with("a", "null", &["null"]));
    assert!(super::handshake::with("").is_ok(), "programs send no Origin");
}

/// A page whose own name is pointed at this machine after it was loaded.
#[test]
fn on_loopback_our_own_names_are_those_of_loopback() {
    let with = |host: &str, fields: &str, allowed: &[&str]| {
        let allowed = allow(allowed);
        let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\n{UPGRADE}{KEY}{VERSION}{fields}\r\n");
        evaluate_head(&head, &Policy { allowed_origins: &allowed, is_loopback: true, ..policy() })
            .map(|_| ())
    };
    let same =
        |host: &str, allowed: &[&str]| with(host, &format!("Origin: http://{host}\r\n"), allowed);
    for host in [
        "localhost:8080",
        "LOCALHOST",
        "a.localhost:1",
        "127.0.0.1:8080",
        "127.8.8.8",
        "[::1]:8080",
    ] {
        assert_eq!(same(host, &[]), Ok(()), "{host}");
    }
    for host in [
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example:8080",
        "192.168.0.1:8080",
    ] {
        assert_eq!(same(host, &[]), Err(HttpError::UPGRADE_HOST), "{host}");
        assert_eq!(same(host, &["https://chat.example"]), Err(HttpError::UPGRADE_HOST), "{host}");
        assert_eq!(same(host, &["*"]), Ok(()), "{host}");
        assert_eq!(with(host, "", &[]), Ok(()), "{host}: programs send no Origin");
        assert_eq!(
            with(host, "Origin: http://localhost:8080\r\n", &[]),
            Err(HttpError::UPGRADE_ORIGIN),
            "{host}"
        );
    }
    // A proxy on this machine, which passes Host on, or does not.
    assert_eq!(same("chat.example", &["https://chat.example"]), Ok(()));
    assert_eq!(
        with("backend", "Origin: https://chat.example\r\n", &["https://chat.example"]),
        Ok(())
    );
    assert_eq!(
        with("backend", "Origin: https://chat.example\r\n", &[]),
        Err(HttpError::UPGRADE_ORIGIN)
    );
    // The authority of the target goes before the Host field, and no browser sends one here.
    let head = format!(
        "GET ws://evil.example/ HTTP/1.1\r\nHost: localhost\r\n{UPGRADE}{KEY}{VERSION}Origin: http://evil.example\r\n\r\n"
    );
    assert_eq!(
        evaluate_head(&head, &Policy { is_loopback: true, ..policy() }),
        Err(HttpError::UPGRADE_HOST)
    );
}

#[test]
fn a_refused_page_is_told_to_the_operator_with_the_way_out() {
    let told = |host: &str, fields: &str, error| {
        let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\n{UPGRADE}{KEY}{VERSION}{fields}\r\n");
        let (request, _) = http::parse(head.as_bytes()).expect("well-formed").expect("whole");
        let is_loopback = error == HttpError::UPGRADE_HOST;
        RefusedPage { request: &request, error, is_loopback, scheme: None }.to_string()
    };
    assert_eq!(
        told("backend", "Origin: https://Chat.Example:443\r\n", HttpError::UPGRADE_ORIGIN),
        "Origin \"https://Chat.Example:443\" is not that of Host \"backend\"; if both are yours, start with \
         --allow-origin https://chat.example, or let the proxy pass Host on as it came"
    );
    assert_eq!(
        told("chat.example", "Origin: https://chat.example\r\n", HttpError::UPGRADE_HOST),
        "this server listens on loopback, and Host \"chat.example\" (Origin \"https://chat.example\") is no loopback name; \
         if it is yours, start with --allow-origin https://chat.example"
    );
    // What no flag would take is not suggested; nothing that a client sends ends the line or goes
    // on without end.
    let strange =
        told("a", "Origin: http://x\" \t\u{9b}31m\u{202e}; rm -rf\r\n", HttpError::UPGRADE_ORIGIN);
    assert!(
        !strange.contains("--allow-origin") && strange.is_ascii() && !strange.contains('\t'),
        "{strange}"
    );
    let long = format!("Origin: http://{}\r\n", "x".repeat(8000)).repeat(2);
    let long = told("a", &long, HttpError::UPGRADE_ORIGIN);
    assert!(long.len() < 1000, "{long}");
}

#[test]
fn subprotocols_are_selected_or_left_out() {
    let select = |fields: &str| {
        let upgrade = with(fields).expect("an upgrade");
        let response = String::from_utf8(upgrade.response).expect("text");
        let line = upgrade
            .subprotocol
            .map(|selected| format!("\r\nSec-WebSocket-Protocol: {selected}\r\n"));
        match line {
            Some(line) => assert!(response.contains(&line), "{response}"),
            None => assert!(!response.contains("Sec-WebSocket-Protocol"), "{response}"),
        }
        upgrade.subprotocol
    };
    assert_eq!(select(""), None);
    assert_eq!(select("Sec-WebSocket-Protocol: chat.v1.json\r\n"), Some("chat.v1.json"));
    assert_eq!(select("Sec-WebSocket-Protocol: v2,, chat.v1.json ,v3\r\n"), Some("chat.v1.json"));
    assert_eq!(
        select("Sec-WebSocket-Protocol: v2\r\nSec-WebSocket-Protocol: chat.v1.json\r\n"),
        Some("chat.v1.json")
    );
    assert_eq!(select("Sec-WebSocket-Protocol: mqtt, Chat.v1.json\r\n"), None);
    let both = Policy { subprotocols: &["a", "b"], ..policy() };
    let upgrade = with_policy("Sec-WebSocket-Protocol: b, a\r\n", &both).expect("an upgrade");
    assert_eq!(upgrade.subprotocol, Some("b"), "the client's order counts");
}

const ACCEPTED: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

fn negotiate(offers: &str) -> Result<Option<String>, Malformed> {
    negotiate_deflate([offers.as_bytes()].into_iter())
        .map(|accepted| accepted.map(DeflateParams::to_field))
}

#[test]
fn good_offers_of_deflate_are_accepted() {
    let plain = [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=8",
        "permessage-deflate;client_max_window_bits=\"15\"",
        "permessage-deflate ; server_no_context_takeover ;\tclient_no_context_takeover",
        ", ,permessage-deflate,",
        "x-webkit-deflate-frame, permessage-deflate; client_max_window_bits",
        "foo; bar=\"b\\az\", permessage-deflate",
    ];
    for offers in plain {
        let offers = offers.replace("b,az", "baz");
        assert_eq!(negotiate(&offers), Ok(Some(ACCEPTED.to_string())), "{offers}");
    }
    for bits in 8..=15 {
        let accepted = Ok(Some(format!("{ACCEPTED}; server_max_window_bits={bits}")));
        assert_eq!(
            negotiate(&format!("permessage-deflate; server_max_window_bits={bits}")),
            accepted
        );
        assert_eq!(
            negotiate(&format!("permessage-deflate; server_max_window_bits = \"{bits}\"")),
            accepted
        );
    }
}

#[test]
fn bad_offers_of_deflate_are_declined_and_the_next_is_tried() {
    let bad = [
        "permessage-deflate; unknown",
        "permessage-deflate; unknown=1",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover=true",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=08",
        "permessage-deflate; server_max_window_bits=1",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=100",
        "permessage-deflate; client_max_window_bits=\"0x9\"",
        "permessage-deflate; client_max_window_bits; client_max_window_bits",
        "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "Permessage-Deflate",
        "permessage-bzip2",
    ];
    for offer in bad {
        assert_eq!(negotiate(offer), Ok(None), "{offer}");
        assert_eq!(
            negotiate(&format!("{offer}, permessage-deflate")),
            Ok(Some(ACCEPTED.to_string())),
            "{offer}"
        );
    }
    assert_eq!(negotiate(""), Ok(None));
    let first = negotiate("permessage-deflate; server_max_window_bits=10, permessage-deflate");
    assert_eq!(
        first,
        Ok(Some(format!("{ACCEPTED}; server_max_window_bits=10"))),
        "the client's order counts"
    );
}

#[test]
fn malformed_offers_are_refused() {
    for malformed in [
        ";",
        "=",
        "permessage-deflate;",
        "permessage-deflate; ",
        "permessage-deflate;;a",
        "permessage-deflate a",
        "permessage-deflate; a=",
        "permessage-deflate; a=\"\"",
        "permessage-deflate; a=\"b",
        "permessage-deflate; a=\"b\\",
        "permessage-deflate; a=\"b c\"",
        "permessage-deflate; a=b c",
        "permessage-deflate=1",
        "a/b",
        "\u{e9}",
    ] {
        assert_eq!(negotiate(malformed), Err(Malformed), "{malformed}");
        let error = with(&format!("Sec-WebSocket-Extensions: {malformed}\r\n"));
        assert_eq!(error, Err(HttpError::UPGRADE_EXTENSIONS), "{malformed}");
    }
    assert_eq!(negotiate("a; b=\"c\\d\""), Ok(None));
}

#[test]
fn deflate_is_answered_when_it_is_on() {
    let offer = "Sec-WebSocket-Extensions: foo\r\nSec-WebSocket-Extensions: permessage-deflate\r\n";
    assert!(response_to(offer).contains(&format!("\r\nSec-WebSocket-Extensions: {ACCEPTED}\r\n")));
    assert!(!response_to("").contains("Sec-WebSocket-Extensions"));
    let off = with_policy(offer, &Policy { deflate: false, ..policy() }).expect("an upgrade");
    assert_eq!(off.deflate, None);
    assert!(!String::from_utf8(off.response).expect("text").contains("Sec-WebSocket-Extensions"));
}

#[test]
fn a_small_window_is_kept_to_by_not_compressing_long_messages() {
    let params = |offer: &str| {
        negotiate_deflate([offer.as_bytes()].into_iter()).expect("well-formed").expect("good")
    };
    assert!(params("permessage-deflate").may_compress(usize::MAX));
    assert!(params("permessage-deflate; server_max_window_bits=15").may_compress(usize::MAX));
    assert!(params("permessage-deflate; server_max_window_bits=8").may_compress(256));
    assert!(!params("permessage-deflate; server_max_window_bits=8").may_compress(257));
    assert!(!params("permessage-deflate; server_max_window_bits=14").may_compress(16_385));
}

fn query_of(target: &str) -> Result<(Option<String>, Option<String>), HttpError> {
    let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{UPGRADE}{KEY}{VERSION}\r\n");
    let (request, _) = http::parse(head.as_bytes()).expect("well-formed").expect("whole");
    evaluate(&request, &policy(), None).map(|upgrade| {
        let get = |key| upgrade.query.get(key).map(str::to_owned);
        (get("name"), get("room"))
    })
}

#[test]
fn the_query_names_who_and_where() {
    let some = |name: &str, room: &str| Ok((Some(name.to_string()), Some(room.to_string())));
    assert_eq!(query_of("/?name=alice&room=dev"), some("alice", "dev"));
    assert_eq!(query_of("/any/path?room=%23dev&x=%FF&name=al+ice%2B%26"), some("al ice+&", "#dev"));
    assert_eq!(query_of("/?name=%E3%81%82&room=%C3%A9"), some("\u{3042}", "\u{e9}"));
    assert_eq!(query_of("ws://a/?name=b&room=c"), some("b", "c"));
    assert_eq!(query_of("/?name=a&name=b&room=c=d"), some("a", "c=d"));
    assert_eq!(query_of("/?name=100%&room=%zz"), some("100%", "%zz"));
    assert_eq!(query_of("/?name=%EF%BF%BD&room=%FF%EF%BF%BD"), Err(HttpError::UPGRADE_QUERY));
    // What a page makes of a bad address. It has to come in, so that it is told that this is no
    // name.
    assert_eq!(query_of("/?name=%EF%BF%BD&room=dev"), some("\u{FFFD}", "dev"));
    assert_eq!(query_of("/"), Ok((None, None)));
    assert_eq!(query_of("/?name=&room&nickname=x"), Ok((None, None)));
    for bad in ["/?name=%FF", "/?room=%C3", "/?name=a&name=%ED%A0%80"] {
        assert_eq!(query_of(bad), Err(HttpError::UPGRADE_QUERY), "{bad}");
    }
}

proptest! {
    #[test]
    fn names_go_through_the_query_whatever_they_are(name in "\\PC{1,20}", room in ".{1,20}") {
        let encode = |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let target = format!("/?name={}&room={}", encode(&name), encode(&room));
        prop_assert_eq!(query_of(&target), Ok((Some(name), Some(room))));
    }

    #[test]
    fn random_offers_never_panic(offers in "(permessage-deflate|[a-z]{0,2}|[;=,\" \\\\]|server_max_window_bits|1[0-9]){0,12}") {
        if let Ok(Some(accepted)) = negotiate(&offers) {
            prop_assert!(accepted.starts_with(ACCEPTED));
            prop_assert!(offers.contains("permessage-deflate"));
        }
    }
}

#[test]
fn a_key_without_a_value_is_there_and_has_none() {
    let query_of = |query: &str| {
        let head = format!(
            "GET /?{query} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        let policy = Policy { query_keys: &["name", "resume"], ..policy() };
        evaluate_head(&head, &policy).expect("an upgrade").query
    };
    let of = |query: &str| {
        let query = query_of(query);
        (query.has("resume"), query.get("resume").map(str::to_owned))
    };
    assert_eq!(of("name=a"), (false, None));
    for asking in ["resume=", "resume", "resume=&resume=", "name=&resume="] {
        assert_eq!(of(asking), (true, None), "{asking}");
    }
    for showing in ["resume=t", "resume=&resume=t", "resume=t&resume=u", "resume=t&resume="] {
        assert_eq!(of(showing), (true, Some("t".to_owned())), "{showing}");
    }
}
