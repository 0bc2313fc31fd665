//! Request heads, and the answers to them: what is let through means what a plain reading says it
//! means, and nothing in it comes back as more than it was.

use std::sync::LazyLock;

use chat_server::site::{Health, Site};
use chat_server::wire::http::origin::AllowedOrigins;
use chat_server::wire::http::precheck;
use chat_server::wire::http::{
    HEAD_BYTES_MAX, HeadParser, HttpError, Method, Persistence, Request, Version, parse,
};
use chat_server::wire::websocket::handshake::{Policy, is_upgrade};

use super::cuts::Cuts;
use super::handshake;

/// Cuts, then what a client sends.
pub fn run(input: &[u8]) {
    let (cuts, payload) = Cuts::read(input);
    exchange(cuts, payload);
}

static SITE: LazyLock<Site> = LazyLock::new(Site::new);
static SENTENCE: LazyLock<Site> = LazyLock::new(|| Site::of_sentence("It does this.\n"));
static ORIGINS: LazyLock<AllowedOrigins> = LazyLock::new(AllowedOrigins::default);

/// Parses heads and answers them, until one is refused; cut or not, the answers are the same.
pub fn exchange(cuts: Cuts, payload: &[u8]) {
    let mut whole = answers([payload].into_iter());
    let mut cut = answers(cuts.pieces(payload));
    if payload.len() > HEAD_BYTES_MAX && whole.1 == 0 && cut.1 == 0 {
        // A head that is too long can be malformed as well; either is a reason to refuse it.
        assert_eq!(cut.0.pop().is_some(), whole.0.pop().is_some());
    }
    assert_eq!(cut, whole);
}

/// The answers, and how many bytes no answer took.
fn answers<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, usize) {
    let (mut parser, mut inbox, mut answers) = (HeadParser::default(), Vec::new(), Vec::new());
    for piece in pieces {
        inbox.extend_from_slice(piece);
        loop {
            match parser.parse(&inbox) {
                Ok(None) => break,
                Ok(Some((request, used))) => {
                    check_request(&request, &inbox[..used]);
                    let alone = parse(&inbox[..used]).map(|parsed| parsed.map(|(_, used)| used));
                    assert_eq!(alone, Ok(Some(used)), "the head alone is a head");
                    answers.push(answer(&request));
                    if request.connection == Persistence::Close {
                        return (answers, 0);
                    }
                    inbox.drain(..used);
                }
                Err(error) => {
                    answers.push(check_error(&error, None));
                    return (answers, 0);
                }
            }
        }
    }
    (answers, inbox.len())
}

const DATE: Option<&str> = Some("Sun, 06 Nov 1994 08:49:37 GMT");

fn answer(request: &Request) -> Vec<u8> {
    if is_upgrade(request) {
        return handshake::answer(request, DATE);
    }
    let mut responses = vec![
        SITE.respond(request, Health::Serving, DATE),
        SENTENCE.respond(request, Health::Serving, DATE),
    ];
    if precheck::asks(request) {
        let policy = Policy {
            allowed_origins: &ORIGINS,
            is_loopback: true,
            scheme: None,
            subprotocols: &[],
            query_keys: &["name", "room"],
            deflate: false,
        };
        responses.push(precheck::judge(request, &policy).respond(request, DATE));
    }
    for response in &responses {
        let closes = request.connection == Persistence::Close;
        assert!(
            !closes || response.connection == Persistence::Close,
            "what the client wants to end is ended"
        );
        check_response(&response.to_bytes(), request.method == Method::Head);
    }
    responses.swap_remove(0).to_bytes()
}

/// `method` is that of the request, if it could be read.
pub fn check_error(error: &HttpError, method: Option<Method>) -> Vec<u8> {
    let bytes = error.response(method, DATE).to_bytes();
    let status = check_response(&bytes, method == Some(Method::Head));
    assert_eq!(status, error.status);
    assert!((400..=599).contains(&status), "an error of status {status}");
    bytes
}

// ---- Requests ----

/// A line of a head by RFC 9112, without its ending.
fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines =
        head.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty())
}

/// The values of a field, as they stand in the head.
fn values<'a>(head: &'a [u8], name: &str) -> Vec<&'a [u8]> {
    let fields = lines(head).skip(1).filter_map(|line| {
        let colon = line.iter().position(|&byte| byte == b':')?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    });
    fields
        .filter(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, value)| value)
        .collect()
}

fn check_request(request: &Request, head: &[u8]) {
    let first = lines(head).next().expect("a request line");
    let words: Vec<&[u8]> =
        first.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).collect();
    let [method, target, version] = words[..] else {
        panic!("a request line of {} words", words.len())
    };
    assert_eq!(format!("{:?}", request.method).to_uppercase().as_bytes(), method);
    assert_eq!(request.version == Version::Http11, version == b"HTTP/1.1");
    check_target(request, std::str::from_utf8(target).expect("a target is ASCII"));
    for name in
        ["host", "connection", "upgrade", "origin", "if-none-match", "sec-websocket-key", "x"]
    {
        let expected = values(head, name);
        assert_eq!(
            request.values(name).map(<[u8]>::trim_ascii).collect::<Vec<_>>(),
            expected,
            "{name}"
        );
        let members = expected
            .iter()
            .flat_map(|value| value.split(|&byte| byte == b','))
            .map(<[u8]>::trim_ascii);
        let members: Vec<&[u8]> = members.filter(|member| !member.is_empty()).collect();
        assert_eq!(request.list(name).collect::<Vec<_>>(), members, "{name}");
    }
    // Whatever another reader would take for a body is no request here: the connection ends with
    // the answer.
    let is_none = |length: &&[u8]| !length.is_empty() && length.iter().all(|&digit| digit == b'0');
    let has_body = !values(head, "transfer-encoding").is_empty()
        || !values(head, "content-length").iter().all(is_none);
    let may_have = !matches!(request.method, Method::Get | Method::Head | Method::Options);
    assert!(!has_body || may_have && request.connection == Persistence::Close, "a body");
    let connection = values(head, "connection");
    let options = connection.iter().flat_map(|value| value.split(|&byte| byte == b','));
    let closes =
        options.map(<[u8]>::trim_ascii).any(|option| option.eq_ignore_ascii_case(b"close"));
    assert!(!closes || request.connection == Persistence::Close);
}

/// RFC 9112 3.2: exactly one Host, and the authority of the target before it.
fn check_target(request: &Request, target: &str) {
    let hosts: Vec<&[u8]> = request.values("host").collect();
    assert!(hosts.len() == 1 || hosts.is_empty() && request.version == Version::Http10);
    let host =
        hosts.first().map_or("", |host| std::str::from_utf8(host).expect("a host is ASCII").trim());
    let host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]%~".contains(&byte);
    assert!(request.host.bytes().all(host_byte), "{:?} would end a policy", request.host);
    if target.starts_with('/') {
        let query =
            if target.contains('?') { format!("?{}", request.query) } else { String::new() };
        assert_eq!((format!("{}{query}", request.path).as_str(), request.host), (target, host));
        assert!(!request.path.contains('?'));
    } else if request.method == Method::Connect {
        assert_eq!((request.host, request.path), (target, ""));
    } else if target != "*" {
        let rest = target.split_once("://").expect("a scheme").1;
        assert!(rest.starts_with(request.host) && !request.host.is_empty());
        assert!(matches!(rest.as_bytes().get(request.host.len()), None | Some(b'/' | b'?')));
    }
}

// ---- Responses ----

/// The directives of the policy; none comes of what a client says.
const POLICY: [&str; 12] = [
    "default-src",
    "script-src",
    "style-src",
    "img-src",
    "connect-src",
    "manifest-src",
    "worker-src",
    "require-trusted-types-for",
    "trusted-types",
    "base-uri",
    "form-action",
    "frame-ancestors",
];

/// Checks that a response is one, whole and alone; returns its status.
pub fn check_response(bytes: &[u8], to_head: bool) -> u16 {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut fields);
    let head_bytes = response.parse(bytes).expect("a head").unwrap();
    let (head, body) = bytes.split_at(head_bytes);
    let is_plain = |line: &[u8]| line.iter().all(|byte| (b' '..=b'~').contains(byte));
    assert!(
        head.split(|&byte| byte == b'\n').all(|line| line.strip_suffix(b"\r").is_none_or(is_plain))
    );
    assert_eq!(
        head.iter().filter(|&&byte| byte == b'\r').count(),
        head.iter().filter(|&&byte| byte == b'\n').count()
    );
    let status = response.code.expect("a status");
    assert_ne!(response.reason, Some(""), "a reason for {status}");
    let mut length = None;
    for (at, field) in response.headers.iter().enumerate() {
        let again =
            response.headers[..at].iter().find(|other| other.name.eq_ignore_ascii_case(field.name));
        // Connection is a list (RFC 9110 7.6.1).
        assert!(again.is_none() || field.name == "Connection", "{} twice", field.name);
        let value = std::str::from_utf8(field.value).expect("it is ASCII");
        match field.name {
            "Content-Length" => length = Some(value.parse::<usize>().expect("a length")),
            "Content-Security-Policy" if status == 200 || status == 304 => {
                let directives = value
                    .split(';')
                    .map(|directive| directive.trim().split(' ').next().expect("a name"));
                assert_eq!(directives.collect::<Vec<_>>(), POLICY);
                let sources =
                    value.split(';').nth(4).expect("connect-src").split_whitespace().count();
                assert!(matches!(sources, 2 | 4), "{value}");
            }
            "Allow"
            | "Cache-Control"
            | "Connection"
            | "Content-Encoding"
            | "Content-Security-Policy"
            | "Content-Type"
            | "Date"
            | "ETag"
            | "Referrer-Policy"
            | "Sec-WebSocket-Accept"
            | "Sec-WebSocket-Extensions"
            | "Sec-WebSocket-Protocol"
            | "Sec-WebSocket-Version"
            | "Upgrade"
            | "Vary"
            | "X-Content-Type-Options" => {}
            name => panic!("the field {name}"),
        }
    }
    match (status, to_head) {
        (101 | 204 | 304, _) => assert!(length.is_none() && body.is_empty()),
        (_, true) => assert!(length.is_some() && body.is_empty()),
        _ => assert_eq!(length, Some(body.len())),
    }
    status
}
