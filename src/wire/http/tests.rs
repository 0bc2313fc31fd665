use super::precheck::{Verdict, judge};
use super::*;
use crate::site::{Health, Site};
use crate::wire::http::origin::{Allowed, AllowedOrigins};
use crate::wire::websocket::handshake::{Policy, admit_page};

fn request(head: &str) -> Request<'_> {
    let (request, consumed) = parse(head.as_bytes()).expect("well-formed").expect("whole");
    assert_eq!(consumed, head.len());
    request
}

/// Parses `input` as it would arrive byte by byte, and checks that each way of looking at it
/// agrees.
fn parse_in_pieces(input: &[u8]) -> Result<Option<(String, usize)>, HttpError> {
    let summary = |parsed: Option<(Request<'_>, usize)>| {
        parsed.map(|(one, consumed)| (format!("{one:?}"), consumed))
    };
    let at_once = HeadParser::default().parse(input).map(summary);
    for split in 0..=input.len() {
        let mut parser = HeadParser::default();
        match parser.parse(&input[..split]) {
            Ok(None) => assert_eq!(parser.parse(input).map(summary), at_once, "split at {split}"),
            early => assert_eq!(early.map(summary), at_once, "split at {split}"),
        }
    }
    let mut parser = HeadParser::default();
    let mut byte_by_byte = Ok(None);
    for end in 0..=input.len() {
        byte_by_byte = parser.parse(&input[..end]).map(summary);
        if !matches!(byte_by_byte, Ok(None)) {
            break;
        }
    }
    assert_eq!(byte_by_byte, at_once);
    at_once
}

#[test]
fn a_request_is_taken_apart() {
    let head = "GET /app.js?a=1&b=? HTTP/1.1\r\nHOST: Chat.example:8080\r\nIf-None-Match: \"x\" , ,\"y\"\r\n\r\n";
    let request = request(head);
    assert_eq!((request.method, request.version), (Method::Get, Version::Http11));
    assert_eq!(
        (request.path, request.query, request.host),
        ("/app.js", "a=1&b=?", "Chat.example:8080")
    );
    assert_eq!(request.connection, Persistence::KeepAlive);
    assert_eq!(request.list("if-none-match").collect::<Vec<_>>(), [&b"\"x\""[..], b"\"y\""]);
    assert!(parse_in_pieces(head.as_bytes()).is_ok_and(|parsed| parsed.is_some()));
}

#[test]
fn pipelined_requests_come_one_by_one() {
    let input = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /3 HTTP/1.0\r\n\r\nGET /4";
    let mut parser = HeadParser::default();
    let mut rest = input.as_bytes();
    let mut paths = Vec::new();
    while let Some((request, consumed)) = parser.parse(rest).expect("well-formed") {
        paths.push(request.path);
        rest = &rest[consumed..];
    }
    assert_eq!(paths, ["/1", "/2", "/3"]);
    assert_eq!(rest, b"GET /4");
}

#[test]
fn empty_lines_before_a_request_are_skipped() {
    let head = b"\r\n\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let (_, consumed) = parse_in_pieces(head).expect("well-formed").expect("whole");
    assert_eq!(consumed, head.len());
}

#[test]
fn empty_lines_before_a_request_are_not_its_end() {
    assert_eq!(parse_in_pieces(b"\r\n\r\nGET / HTTP/9.9\r\n"), Ok(None));
    assert_eq!(parse_in_pieces(b"\r\n\r\nGET / HTTP/9.9\r\n\r\n"), Err(HttpError::VERSION));
}

#[test]
fn bare_line_feeds_end_lines_too() {
    let head = b"GET / HTTP/1.1\nHost: a\n\n";
    assert!(matches!(parse_in_pieces(head), Ok(Some((_, consumed))) if consumed == head.len()));
}

#[test]
fn targets_come_in_four_forms() {
    let parts = |line: &str| {
        let head = format!("{line} HTTP/1.1\r\nHost: field\r\n\r\n");
        let (request, _) = parse(head.as_bytes())?.expect("whole");
        Ok::<_, HttpError>((
            request.path.to_string(),
            request.query.to_string(),
            request.host.to_string(),
        ))
    };
    let owned = |path: &str, query: &str, host: &str| {
        Ok((path.to_string(), query.to_string(), host.to_string()))
    };
    assert_eq!(parts("GET /?room=dev"), owned("/", "room=dev", "field"));
    assert_eq!(parts("GET http://Target:80/x?y"), owned("/x", "y", "Target:80"));
    assert_eq!(parts("GET WSS://target"), owned("/", "", "target"));
    assert_eq!(parts("GET ws://target?name=a/b"), owned("/", "name=a/b", "target"));
    assert_eq!(parts("GET ws://[::1]:9/"), owned("/", "", "[::1]:9"));
    assert_eq!(parts("OPTIONS *"), owned("*", "", "field"));
    assert_eq!(parts("CONNECT far:443"), owned("", "", "far:443"));
    for bad in [
        "GET *",
        "GET index.html",
        "GET ftp://a/",
        "GET http:///x",
        "GET /#top",
        "GET http://u@h/",
        "CONNECT /",
        "GET /\u{e9}",
    ] {
        assert_eq!(parts(bad), Err(HttpError::BAD_TARGET), "{bad}");
    }
}

#[test]
fn http_1_1_needs_exactly_one_host() {
    for good in [
        "a",
        "a.example:80",
        "127.0.0.1:1",
        "[::1]",
        "[::1]:65535",
        "[fe80::1%25eth0]:8080",
        "[fe80::1%eth0]",
        "a_b-c.d",
        "a:",
        "",
    ] {
        let head = format!("GET / HTTP/1.1\r\nHost: {good}\r\n\r\n");
        assert_eq!(parse(head.as_bytes()).map(|parsed| parsed.is_some()), Ok(true), "{good}");
    }
    for bad in [
        "a b",
        "a,b",
        "a;b",
        "a'b",
        "a/b",
        "u@a",
        "a:b",
        "a:65536",
        "[::1",
        "::1",
        "[]",
        "[g]",
        "\u{e9}",
        "a\"",
        "*",
        "[::1%]",
        "[::1%25]",
        "[::1%a;b]",
        "[::1%a%b]",
        "[%eth0]",
        "a%25b",
    ] {
        let head = format!("GET / HTTP/1.1\r\nHost: {bad}\r\n\r\n");
        assert_eq!(parse_in_pieces(head.as_bytes()), Err(HttpError::BAD_HOST), "{bad}");
    }
    assert_eq!(parse_in_pieces(b"GET / HTTP/1.1\r\n\r\n"), Err(HttpError::BAD_HOST));
    assert_eq!(
        parse_in_pieces(b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
        Err(HttpError::BAD_HOST)
    );
    assert_eq!(
        parse_in_pieces(b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
        Err(HttpError::BAD_HOST)
    );
    assert_eq!(request("GET / HTTP/1.0\r\n\r\n").host, "");
}

#[test]
fn connection_is_honoured() {
    let cases = [
        ("1.1", "", Persistence::KeepAlive),
        ("1.1", "Connection: CLOSE\r\n", Persistence::Close),
        ("1.1", "Connection: x\r\nConnection: upgrade, close\r\n", Persistence::Close),
        ("1.1", "Connection: closed\r\n", Persistence::KeepAlive),
        ("1.0", "", Persistence::Close),
        ("1.0", "Connection: Keep-Alive\r\n", Persistence::KeepAlive10),
        ("1.0", "Connection: keep-alive, close\r\n", Persistence::Close),
    ];
    let site = Site::new();
    for (version, field, expected) in cases {
        let head = format!("GET / HTTP/{version}\r\nHost: a\r\n{field}\r\n");
        let request = request(&head);
        assert_eq!(request.connection, expected, "{head}");
        let response = site.respond(&request, Health::Serving, None);
        assert_eq!(response.connection, expected);
        let said = match expected {
            Persistence::KeepAlive => None,
            Persistence::KeepAlive10 => Some("keep-alive"),
            Persistence::Close => Some("close"),
        };
        assert_eq!(field_of(&response, "Connection").as_deref(), said, "{head}");
    }
}

#[test]
fn no_request_may_carry_a_body() {
    let cases = [
        ("Content-Length: 0\r\n", None),
        ("Content-Length: 000\r\nContent-Length: 000\r\n", None),
        ("Content-Length: 1\r\n", Some(HttpError::BODY)),
        ("Content-Length: 1\r\nExpect: 100-continue\r\n", Some(HttpError::BODY)),
        ("Content-Length: 99999999999999999999999999\r\n", Some(HttpError::BODY)),
        ("Transfer-Encoding: chunked\r\n", Some(HttpError::BODY)),
        ("Content-Length: 1, 1\r\n", Some(HttpError::BAD_LENGTH)),
        ("Content-Length: 0\r\nContent-Length: 1\r\n", Some(HttpError::BAD_LENGTH)),
        ("Content-Length: +1\r\n", Some(HttpError::BAD_LENGTH)),
        ("Content-Length: -1\r\n", Some(HttpError::BAD_LENGTH)),
        ("Content-Length: 0x1\r\n", Some(HttpError::BAD_LENGTH)),
        ("Content-Length:\r\n", Some(HttpError::BAD_LENGTH)),
        ("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", Some(HttpError::BAD_LENGTH)),
    ];
    for (field, expected) in cases {
        for method in ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"] {
            let head = format!("{method} / HTTP/1.1\r\nHost: a\r\n{field}\r\n");
            let takes_none = ["GET", "HEAD", "OPTIONS"].contains(&method);
            if takes_none || expected != Some(HttpError::BODY) {
                assert_eq!(parse_in_pieces(head.as_bytes()).err(), expected, "{head}");
                continue;
            }
            // It is the method that is told to be wrong, and what follows is no request.
            assert!(
                parse_in_pieces(head.as_bytes()).is_ok_and(|parsed| parsed.is_some()),
                "{head}"
            );
            let response = respond(&head, Health::Serving);
            assert_eq!(
                (status_of(&response), response.connection),
                (405, Persistence::Close),
                "{head}"
            );
            assert_eq!(request(&head).connection, Persistence::Close);
        }
    }
    let head = b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(parse_in_pieces(head), Err(HttpError::BAD_LENGTH));
}

#[test]
fn expectations_are_met_or_refused() {
    let with = |version, value| {
        parse_in_pieces(
            format!("GET / HTTP/{version}\r\nHost: a\r\nExpect: {value}\r\n\r\n").as_bytes(),
        )
        .err()
    };
    assert_eq!(with("1.1", "100-Continue"), None);
    assert_eq!(with("1.1", "miracles"), Some(HttpError::EXPECTATION));
    assert_eq!(with("1.1", "100-continue, miracles"), Some(HttpError::EXPECTATION));
    assert_eq!(with("1.0", "miracles"), None);
}

#[test]
fn malformed_heads_are_refused() {
    for bad in [
        "GET /\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n: no name\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
    ] {
        let error = parse_in_pieces(bad.as_bytes()).expect_err(bad);
        assert_eq!(error.status, 400, "{bad}");
    }
    assert_eq!(
        parse_in_pieces(b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n"),
        Err(HttpError::UNKNOWN_METHOD)
    );
    assert_eq!(
        parse_in_pieces(b"get / HTTP/1.1\r\nHost: a\r\n\r\n"),
        Err(HttpError::UNKNOWN_METHOD)
    );
    for (line, expected) in [
        ("GET / HTTP/2.0", HttpError::VERSION),
        ("GET / HTTP/9.9", HttpError::VERSION),
        ("get / HTTP/0.9", HttpError::VERSION),
        ("\r\nGET / HTTP/2", HttpError::VERSION),
        ("GET / http/1.1", HttpError::MALFORMED),
        ("GET / HTTP/x.y", HttpError::MALFORMED),
        ("GET / HTTP/", HttpError::MALFORMED),
        ("GET / FTP/1.0", HttpError::MALFORMED),
        ("GET /two words HTTP/1.1", HttpError::MALFORMED),
        ("head / HTTP/1.1", HttpError::UNKNOWN_METHOD),
        ("Get / HTTP/1.0", HttpError::UNKNOWN_METHOD),
        ("PROPFIND / HTTP/1.1", HttpError::UNKNOWN_METHOD),
        ("M-SEARCH * HTTP/1.1", HttpError::UNKNOWN_METHOD),
    ] {
        let head = format!("{line}\r\nHost: a\r\n\r\n");
        assert_eq!(parse_in_pieces(head.as_bytes()), Err(expected), "{line}");
    }
}

#[test]
fn heads_have_a_size_limit() {
    let empty = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n";
    let head_of = |head_bytes: usize| {
        let filler = "x".repeat(head_bytes - empty.len());
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {filler}\r\n\r\n")
    };
    let largest = head_of(HEAD_BYTES_MAX);
    assert_eq!(
        parse(largest.as_bytes()).map(|parsed| parsed.map(|(_, consumed)| consumed)),
        Ok(Some(HEAD_BYTES_MAX))
    );
    // What is pipelined behind it does not count.
    let followed = format!("{largest}{largest}");
    assert!(matches!(
        HeadParser::default().parse(followed.as_bytes()),
        Ok(Some((_, HEAD_BYTES_MAX)))
    ));

    let too_large = head_of(HEAD_BYTES_MAX + 1);
    assert_eq!(parse(too_large.as_bytes()).err(), Some(HttpError::HEAD_TOO_LARGE));
    let mut parser = HeadParser::default();
    assert!(matches!(parser.parse(&too_large.as_bytes()[..HEAD_BYTES_MAX]), Ok(None)));
    assert_eq!(parser.parse(too_large.as_bytes()).err(), Some(HttpError::HEAD_TOO_LARGE));
    // Refused without its end.
    let endless = vec![b'x'; HEAD_BYTES_MAX + 1];
    assert_eq!(HeadParser::default().parse(&endless).err(), Some(HttpError::HEAD_TOO_LARGE));
    assert_eq!(parse(&endless).err(), Some(HttpError::HEAD_TOO_LARGE));

    let fields =
        |count| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count - 1));
    assert!(matches!(parse(fields(HEADERS_MAX).as_bytes()), Ok(Some(_))));
    assert_eq!(parse(fields(HEADERS_MAX + 1).as_bytes()).err(), Some(HttpError::TOO_MANY_HEADERS));
}

#[test]
fn random_bytes_never_panic_and_splits_never_matter() {
    use proptest::prelude::*;
    let piece = prop_oneof![
        "[A-Z]{3,7} /[a-z?=#%]{0,5} HTTP/1\\.[0-3]\r\n",
        "(Host|Expect|Connection|Content-Length|Transfer-Encoding): ?[a-z0-9:.,]{0,9}\r\n",
        Just("\r\n".to_string()),
        "\\PC{0,6}",
    ];
    proptest!(|(pieces in prop::collection::vec(piece, 0..6))| {
        let input = pieces.concat();
        // The comparison is inside.
        let _ = parse_in_pieces(input.as_bytes());
    });
}

fn respond(head: &str, health: Health) -> Response {
    Site::new().respond(&request(head), health, None)
}

fn get(path: &str) -> Response {
    respond(&format!("GET {path} HTTP/1.1\r\nHost: chat.example:8080\r\n\r\n"), Health::Serving)
}

fn status_of(response: &Response) -> u16 {
    let head = str::from_utf8(&response.head).expect("text");
    assert!(head.starts_with("HTTP/1.1 ") && head.ends_with("\r\n\r\n"), "{head}");
    head[9..12].parse().expect("a status")
}

fn field_of(response: &Response, name: &str) -> Option<String> {
    let head = str::from_utf8(&response.head).expect("text");
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(field, _)| *field == name).map(|(_, value)| value.to_string())
}

#[test]
fn the_page_is_served() {
    let cases = [
        ("/", "text/html; charset=utf-8"),
        ("/index.html", "text/html; charset=utf-8"),
        ("/?room=dev", "text/html; charset=utf-8"),
    ];
    for (path, content_type) in cases {
        let response = get(path);
        assert_eq!(status_of(&response), 200, "{path}");
        assert!(!response.body.is_empty());
        let field = |name| field_of(&response, name).unwrap_or_default();
        assert_eq!(field("Content-Type"), content_type);
        assert_eq!(field("Content-Length"), response.body.len().to_string());
        assert_eq!(field("Cache-Control"), "no-cache");
        assert_eq!(field("Vary"), "Accept-Encoding");
        assert_eq!(field("X-Content-Type-Options"), "nosniff");
        assert_eq!(field("Referrer-Policy"), "no-referrer");
        let etag = field("ETag");
        assert!(etag.len() > 20 && etag.starts_with('"') && etag.ends_with('"'), "{etag}");
        assert_eq!(response.to_bytes(), [&response.head, response.body].concat());

        let head = format!("HEAD {path} HTTP/1.1\r\nHost: chat.example:8080\r\n\r\n");
        let to_head = respond(&head, Health::Serving);
        assert_eq!((&to_head.head, to_head.body), (&response.head, &b""[..]), "{path}");
    }
}

#[test]
fn the_page_may_load_and_connect_to_nothing_foreign() {
    assert_eq!(
        field_of(&get("/"), "Content-Security-Policy").as_deref(),
        Some(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
             connect-src 'self' ws://chat.example:8080 wss://chat.example:8080; \
             manifest-src 'self'; worker-src 'self'; \
             require-trusted-types-for 'script'; trusted-types worker; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
    );
    for head in ["GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]:8080\r\n\r\n"]
    {
        let policy =
            field_of(&respond(head, Health::Serving), "Content-Security-Policy").expect("a policy");
        assert!(policy.contains("connect-src 'self'; "), "{policy}");
    }
}

#[test]
fn a_known_file_is_not_sent_again() {
    let etag = field_of(&get("/"), "ETag").expect("a tag");
    let with = |method: &str, tags: &str| {
        let head = format!("{method} / HTTP/1.1\r\nHost: a\r\nIf-None-Match: {tags}\r\n\r\n");
        respond(&head, Health::Serving)
    };
    for tags in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".to_string()] {
        for method in ["GET", "HEAD"] {
            let response = with(method, &tags);
            assert_eq!(status_of(&response), 304, "{tags}");
            assert_eq!(response.body, b"");
            assert_eq!(field_of(&response, "ETag").as_ref(), Some(&etag));
            assert_eq!(field_of(&response, "Content-Length"), None);
            assert_eq!(field_of(&response, "Content-Type"), None);
        }
    }
    for tags in ["\"other\"".to_string(), etag.trim_matches('"').to_string(), String::new()] {
        assert_eq!(status_of(&with("GET", &tags)), 200, "{tags}");
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    for path in ["/missing", "/app.js/", "//", "/../Cargo.toml", "/%61pp.js", "/healthz/"] {
        let response = get(path);
        assert_eq!(
            (status_of(&response), response.connection),
            (404, Persistence::Close),
            "{path}"
        );
        assert_eq!(response.body, HttpError::NOT_FOUND.sentence.as_bytes());
    }
    let to_head = respond("HEAD /missing HTTP/1.1\r\nHost: a\r\n\r\n", Health::Serving);
    assert_eq!((status_of(&to_head), to_head.body), (404, &b""[..]));
    assert_eq!(
        field_of(&to_head, "Content-Length"),
        Some(HttpError::NOT_FOUND.sentence.len().to_string())
    );
}

#[test]
fn other_methods_are_not_allowed() {
    for line in [
        "POST /",
        "PUT /index.html",
        "DELETE /x",
        "PATCH /",
        "TRACE /",
        "CONNECT a:1",
        "POST /healthz",
        "POST /admission",
    ] {
        let response = respond(&format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n"), Health::Serving);
        assert_eq!(status_of(&response), 405, "{line}");
        assert_eq!(field_of(&response, "Allow").as_deref(), Some("GET, HEAD, OPTIONS"));
    }
}

#[test]
fn options_tells_the_methods_and_our_health() {
    for line in [
        "OPTIONS /",
        "OPTIONS *",
        "OPTIONS /healthz",
        "OPTIONS /index.html",
        "OPTIONS /admission?origin=x",
    ] {
        for (rest, connection) in [
            ("HTTP/1.1\r\nHost: a\r\n\r\n", Persistence::KeepAlive),
            ("HTTP/1.0\r\n\r\n", Persistence::Close),
            ("HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", Persistence::KeepAlive10),
            ("HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", Persistence::KeepAlive),
        ] {
            let head = format!("{line} {rest}");
            let response = respond(&head, Health::Serving);
            assert_eq!(
                (status_of(&response), response.body, response.connection),
                (204, &b""[..], connection),
                "{head}"
            );
            assert_eq!(field_of(&response, "Allow").as_deref(), Some("GET, HEAD, OPTIONS"));
            // RFC 9110 8.6.
            assert_eq!(field_of(&response, "Content-Length"), None);
            let draining = respond(&head, Health::Draining);
            assert_eq!(
                (status_of(&draining), draining.connection),
                (503, Persistence::Close),
                "{head}"
            );
        }
    }
    assert_eq!(
        status_of(&respond("OPTIONS /nothing HTTP/1.1\r\nHost: a\r\n\r\n", Health::Serving)),
        404
    );
}

#[test]
fn a_service_without_a_page_says_what_it_does() {
    let site = Site::of_sentence("It does this.\n");
    let get = |method: &str, path: &str| {
        site.respond(
            &request(&format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n")),
            Health::Serving,
            None,
        )
    };
    let answer = get("GET", "/?x");
    assert_eq!((status_of(&answer), answer.body), (200, &b"It does this.\n"[..]));
    assert_eq!(field_of(&answer, "Content-Type").as_deref(), Some("text/plain; charset=utf-8"));
    let to_head = get("HEAD", "/");
    assert_eq!((status_of(&to_head), to_head.body), (200, &b""[..]));
    assert_eq!(field_of(&to_head, "Content-Length").as_deref(), Some("14"));
    for path in ["/index.html", "/a/x/main.js"] {
        assert_eq!(
            (status_of(&get("GET", path)), get("GET", path).body),
            (404, HttpError::NO_PAGE.sentence.as_bytes())
        );
        assert_eq!(status_of(&get("OPTIONS", path)), 404);
    }
    assert_eq!(get("GET", "/healthz").body, b"ok");
    assert_eq!(status_of(&get("OPTIONS", "/")), 204);
}

// ---- Whether a page would be admitted ----

fn judged(
    is_loopback: bool,
    allowed: &AllowedOrigins,
    host: &str,
    target: &str,
    fields: &str,
) -> Verdict {
    let policy = Policy {
        allowed_origins: allowed,
        is_loopback,
        scheme: None,
        subprotocols: &[],
        query_keys: &["name", "room"],
        deflate: false,
    };
    judge(&request(&format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n")), &policy)
}

#[test]
fn what_is_said_beforehand_is_what_an_upgrade_meets() {
    let allowed: AllowedOrigins =
        vec!["https://friend.example".parse::<Allowed>().expect("an origin")].into();
    let origins = [
        "http://chat.example",
        "http://localhost:8080",
        "https://friend.example",
        "null",
        "nonsense",
        "",
    ];
    for is_loopback in [false, true] {
        for host in ["chat.example", "localhost:8080", "friend.example"] {
            for origin in origins {
                let policy = Policy {
                    allowed_origins: &allowed,
                    is_loopback,
                    scheme: None,
                    subprotocols: &[],
                    query_keys: &["name", "room"],
                    deflate: false,
                };
                let expected = match admit_page(origin, host, &policy) {
                    Ok(()) => Verdict::Admitted,
                    Err(HttpError::UPGRADE_HOST) => Verdict::Host,
                    Err(HttpError::UPGRADE_ORIGIN) => Verdict::Origin,
                    Err(other) => panic!("{other}"),
                };
                let in_query = format!("/admission?x=1&origin={}", origin.replace(':', "%3A"));
                assert_eq!(
                    judged(is_loopback, &allowed, host, &in_query, ""),
                    expected,
                    "{origin} at {host}"
                );
                let of_its_own = format!("Origin: {origin}\r\n");
                assert_eq!(
                    judged(is_loopback, &allowed, host, "/admission", &of_its_own),
                    expected,
                    "{origin} at {host}"
                );
                assert_eq!(
                    judged(is_loopback, &allowed, host, "/admission?origins=x", ""),
                    Verdict::Admitted
                );
            }
        }
    }
    let none = AllowedOrigins::default();
    assert_eq!(judged(false, &none, "a", "/admission?origin=%FF", ""), Verdict::Origin);
    assert_eq!(
        judged(false, &none, "a", "/admission?origin=http://a", "Origin: http://b\r\n"),
        Verdict::Admitted
    );
    assert_eq!(
        judged(false, &none, "a", "/admission", "Origin: http://a\r\nOrigin: http://a\r\n"),
        Verdict::Origin
    );
}

#[test]
fn the_answer_is_an_object_that_nobody_keeps() {
    for (admission, status, reason) in [
        (Verdict::Admitted, 200, None),
        (Verdict::Origin, 403, Some("origin")),
        (Verdict::Host, 403, Some("origin")),
        (Verdict::Mode, 409, Some("mode")),
        (Verdict::Stopping, 503, Some("stopping")),
    ] {
        let response =
            admission.respond(&request("GET /admission HTTP/1.1\r\nHost: a\r\n\r\n"), None);
        assert_eq!(status_of(&response), status);
        assert_eq!(field_of(&response, "Content-Type").as_deref(), Some("application/json"));
        assert_eq!(field_of(&response, "Cache-Control").as_deref(), Some("no-store"));
        let object: serde_json::Value = serde_json::from_slice(response.body).expect("JSON");
        assert_eq!(
            (object["admitted"].as_bool(), object["reason"].as_str()),
            (Some(reason.is_none()), reason)
        );
        assert_eq!(
            object["message"].as_str().is_some_and(|message| message.ends_with('.')),
            reason.is_some()
        );
        let to_head =
            admission.respond(&request("HEAD /admission HTTP/1.1\r\nHost: a\r\n\r\n"), None);
        assert_eq!((&to_head.head, to_head.body), (&response.head, &b""[..]));
    }
}

#[test]
fn health_is_told() {
    let serving = get("/healthz?verbose");
    assert_eq!(
        (status_of(&serving), serving.body, serving.connection),
        (200, &b"ok"[..], Persistence::KeepAlive)
    );
    let draining = respond("GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", Health::Draining);
    assert_eq!(
        (status_of(&draining), draining.body, draining.connection),
        (503, &b"draining"[..], Persistence::Close)
    );
    let ask = |path: &str, health| {
        let response = respond(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"), health);
        (status_of(&response), response.body, response.connection)
    };
    // Who cannot keep what is said serves all the same, and is not ready.
    assert_eq!(ask("/healthz", Health::Full), (200, &b"full"[..], Persistence::KeepAlive));
    assert_eq!(ask("/readyz", Health::Full), (503, &b"full"[..], Persistence::KeepAlive));
    assert_eq!(ask("/readyz", Health::Serving), (200, &b"ok"[..], Persistence::KeepAlive));
    assert_eq!(ask("/readyz", Health::Draining), (503, &b"draining"[..], Persistence::Close));
    let to_head = respond("HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n", Health::Serving);
    assert_eq!((status_of(&to_head), to_head.body), (200, &b""[..]));
    assert_eq!(field_of(&to_head, "Content-Length").as_deref(), Some("2"));
}

#[test]
fn errors_say_what_is_wrong_in_one_sentence_and_close() {
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    for error in [
        HttpError::MALFORMED,
        HttpError::BODY,
        HttpError::EXPECTATION,
        HttpError::HEAD_TOO_LARGE,
        HttpError::UNKNOWN_METHOD,
        HttpError::VERSION,
        HttpError::METHOD_NOT_ALLOWED,
        HttpError::UPGRADE_VERSION,
        HttpError::UPGRADE_ORIGIN,
        HttpError::UPGRADE_HOST,
        HttpError::NO_PAGE,
    ] {
        let response = error.response(None, Some(date));
        assert_eq!(status_of(&response), error.status);
        let first_line = str::from_utf8(&response.head)
            .expect("text")
            .lines()
            .next()
            .unwrap_or_default()
            .to_string();
        assert!(first_line.len() > "HTTP/1.1 400 ".len(), "no reason phrase: {first_line}");
        assert_eq!(response.body, error.sentence.as_bytes());
        assert!(
            error.sentence.ends_with(".\n") && error.sentence.matches('\n').count() == 1,
            "{}",
            error.sentence
        );
        assert_eq!(
            field_of(&response, "Content-Type").as_deref(),
            Some("text/plain; charset=utf-8")
        );
        assert_eq!(field_of(&response, "Content-Length"), Some(response.body.len().to_string()));
        assert_eq!(field_of(&response, "Date").as_deref(), Some(date));
        assert!(str::from_utf8(&response.head).expect("text").contains("Connection: close\r\n"));
    }
    let told = HttpError::HEAD_TOO_LARGE.sentence.contains(&HEAD_BYTES_MAX.to_string())
        && HttpError::TOO_MANY_HEADERS.sentence.contains(&HEADERS_MAX.to_string());
    assert!(told, "the limits told are not the limits there are");
}
