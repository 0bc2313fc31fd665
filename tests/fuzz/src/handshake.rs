//! Opening handshakes: who may come in, what is agreed on, and what the URL says of a client.

use chat_server::wire::http::origin::AllowedOrigins;
use chat_server::wire::http::{Method, Request, Version};
use chat_server::wire::websocket::extension::negotiate_deflate;
use chat_server::wire::websocket::handshake::{Policy, evaluate};
use tungstenite::handshake::derive_accept_key;

use super::cuts::Cuts;
use super::http::{check_error, check_response, exchange};

const FRIEND: &str = "https://friend.example";

const EXTENSIONS: &[u8] = b"Sec-WebSocket-Extensions: ";

/// What offers of extensions are made of.
const WORDS: [&str; 16] = [
    "permessage-deflate",
    "server_no_context_takeover",
    "client_no_context_takeover",
    "server_max_window_bits",
    "client_max_window_bits",
    "; ",
    ";",
    ", ",
    "=",
    "8",
    "15",
    "16",
    "\"9\"",
    "\"",
    "\\",
    "other",
];

/// Cuts, then a query, and on the next lines more fields of the request, all within a handshake
/// that is as it should be. A line that begins with a byte of 1 offers extensions, a byte for each
/// of their words.
pub fn run(input: &[u8]) {
    let (cuts, payload) = Cuts::read(input);
    let mut lines = payload.split(|&byte| byte == b'\n');
    let query = lines.next().unwrap_or_default();
    let fields: Vec<Vec<u8>> = lines.map(spell_out).collect();
    let request = [
        b"GET /?",
        query,
        b" HTTP/1.1\r\nHost: chat.example:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        &fields.join(&b"\r\n"[..]),
        b"\r\n\r\n",
    ];
    exchange(cuts, &request.concat());
    let offers = fields.iter().map(|field| field.strip_prefix(EXTENSIONS).unwrap_or(field));
    let agreed = negotiate_deflate(offers.clone()).ok().map(|agreed| agreed.is_some());
    assert_eq!(agreed, negotiate_naively(offers).map(|agreed| agreed.is_some()));
}

fn spell_out(line: &[u8]) -> Vec<u8> {
    let Some(words) = line.strip_prefix(b"\x01") else { return line.to_vec() };
    let words = words.iter().map(|&word| WORDS[usize::from(word) % WORDS.len()].as_bytes());
    [EXTENSIONS].into_iter().chain(words).collect::<Vec<_>>().concat()
}

/// Answers an upgrade request, and checks the answer.
pub fn answer(request: &Request, date: Option<&str>) -> Vec<u8> {
    let anywhere = answer_by(request, false, date);
    let on_loopback = answer_by(request, true, date);
    // Where only this machine can connect, fewer come in, and nobody more.
    let is_ours = request.host.starts_with("localhost")
        || request.host.starts_with("127.")
        || request.host.starts_with('[');
    assert!(on_loopback == anywhere || on_loopback.starts_with(b"HTTP/1.1 403 ") && !is_ours);
    anywhere
}

fn answer_by(request: &Request, is_loopback: bool, date: Option<&str>) -> Vec<u8> {
    let origins = AllowedOrigins::from(vec![FRIEND.parse().expect("an origin")]);
    let policy = Policy {
        allowed_origins: &origins,
        is_loopback,
        scheme: None,
        subprotocols: &["chat.v1.json", "other"],
        query_keys: &["name", "room"],
        deflate: true,
    };
    let upgrade = match evaluate(request, &policy, date) {
        Ok(upgrade) => upgrade,
        Err(error) => return check_error(&error, Some(request.method)),
    };
    assert_eq!(check_response(&upgrade.response, false), 101);
    check_due(request);
    let fields = Fields(&upgrade.response);
    let key = request.single("sec-websocket-key").ok().flatten().expect("one key");
    assert_eq!(
        fields.value("Sec-WebSocket-Accept"),
        Some(derive_accept_key(key.as_bytes()).as_str())
    );
    assert_eq!(fields.value("Upgrade").map(str::to_ascii_lowercase).as_deref(), Some("websocket"));
    assert_eq!(fields.value("Connection"), Some("Upgrade"));

    let offered = request
        .list("sec-websocket-protocol")
        .find(|one| [&b"chat.v1.json"[..], b"other"].contains(one));
    assert_eq!(upgrade.subprotocol.map(str::as_bytes), offered);
    assert_eq!(fields.value("Sec-WebSocket-Protocol").map(str::as_bytes), offered);

    let agreed =
        negotiate_naively(request.values("sec-websocket-extensions")).expect("it is well-formed");
    assert_eq!(fields.value("Sec-WebSocket-Extensions"), agreed.as_deref());
    assert_eq!(upgrade.deflate.is_some(), agreed.is_some());

    assert_eq!(upgrade.query.get("name"), said(request.query, "name").as_deref());
    assert_eq!(upgrade.query.get("room"), said(request.query, "room").as_deref());
    upgrade.response
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn value(&self, wanted: &str) -> Option<&'a str> {
        let head = std::str::from_utf8(self.0).expect("a head is ASCII");
        head.lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| value)
    }
}

/// RFC 6455 4.2.1, and whose pages may connect.
fn check_due(request: &Request) {
    assert_eq!((request.method, request.version), (Method::Get, Version::Http11));
    let has = |name: &str, token: &str| {
        request.list(name).any(|one| one.eq_ignore_ascii_case(token.as_bytes()))
    };
    assert!(has("upgrade", "websocket") && has("connection", "upgrade"));
    assert_eq!(request.values("sec-websocket-version").collect::<Vec<_>>(), [b"13"]);
    let origins: Vec<&[u8]> = request.values("origin").collect();
    let is_ours = |origin: &str| {
        let (scheme, place) = origin.split_once("://").expect("a scheme");
        let port = if scheme == "http" { ":80" } else { ":443" };
        let bare = |place: &str| place.strip_suffix(port).unwrap_or(place).to_owned();
        ["http", "https"].contains(&scheme)
            && bare(place) == bare(&request.host.to_ascii_lowercase())
    };
    match origins[..] {
        [] => {}
        [origin] => {
            let origin = std::str::from_utf8(origin)
                .expect("an origin is ASCII")
                .trim()
                .to_ascii_lowercase();
            assert!(origin == FRIEND || is_ours(&origin), "{origin} at {}", request.host);
        }
        _ => panic!("{} origins", origins.len()),
    }
}

/// The first value of a key of a form that is not empty.
fn said(query: &str, wanted: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(key, value)| *key == wanted && !value.is_empty());
    values.next().map(|(_, value)| {
        let (mut decoded, mut rest) = (Vec::new(), value.as_bytes());
        while let [first, after @ ..] = rest {
            rest = after;
            let hex = after
                .get(..2)
                .filter(|_| *first == b'%')
                .and_then(|hex| std::str::from_utf8(hex).ok());
            let hex = hex.filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
            match hex.map(|hex| u8::from_str_radix(hex, 16).expect("two digits")) {
                Some(byte) => {
                    decoded.push(byte);
                    rest = &after[2..];
                }
                None => decoded.push(if *first == b'+' { b' ' } else { *first }),
            }
        }
        String::from_utf8(decoded).expect("else it is refused")
    })
}

// ---- Extensions ----

enum Token {
    Word(String),
    Quoted(String),
    Mark(u8),
}

/// What the answer to these offers is, if there is one; `None` if they are malformed (RFC 6455
/// 9.1).
fn negotiate_naively<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Option<Option<String>> {
    let mut answer = None;
    for field in fields {
        let tokens = tokens(field)?;
        let offers = tokens
            .split(|token| matches!(token, Token::Mark(b',')))
            .filter(|offer| !offer.is_empty());
        for offer in offers {
            let answered = answer_offer(offer)?;
            answer = answer.or(answered);
        }
    }
    Some(answer)
}

fn tokens(field: &[u8]) -> Option<Vec<Token>> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let (mut tokens, mut at) = (Vec::new(), 0);
    while at < field.len() {
        let start = at;
        at += 1;
        match field[start] {
            space if space.is_ascii_whitespace() => {}
            mark @ (b',' | b';' | b'=') => tokens.push(Token::Mark(mark)),
            b'"' => {
                let mut word = String::new();
                loop {
                    let byte = *field.get(at)?;
                    at += 1;
                    let byte = match byte {
                        b'"' => break,
                        b'\\' => {
                            at += 1;
                            *field.get(at - 1)?
                        }
                        byte => byte,
                    };
                    word.push(is_word(byte).then_some(byte)?.into());
                }
                tokens.push(Token::Quoted((!word.is_empty()).then_some(word)?));
            }
            first if is_word(first) => {
                at = start + field[start..].iter().take_while(|&&byte| is_word(byte)).count();
                tokens.push(Token::Word(String::from_utf8_lossy(&field[start..at]).into_owned()));
            }
            _ => return None,
        }
    }
    Some(tokens)
}

/// RFC 7692 7.1: an offer is answered unless something in it is unknown, wrong or there twice.
fn answer_offer(offer: &[Token]) -> Option<Option<String>> {
    let mut parts = offer.split(|token| matches!(token, Token::Mark(b';')));
    let Some([Token::Word(extension)]) = parts.next() else { return None };
    let mut answer =
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover".to_owned();
    let (mut is_good, mut seen) = (extension == "permessage-deflate", Vec::new());
    for part in parts {
        let (name, value) = match part {
            [Token::Word(name)] => (name, None),
            [Token::Word(name), Token::Mark(b'='), Token::Word(value) | Token::Quoted(value)] => {
                (name, Some(value))
            }
            _ => return None,
        };
        is_good &= !seen.contains(&name);
        seen.push(name);
        let bits = value.map(|value| (8..=15).any(|bits| bits.to_string() == *value));
        is_good &= match (name.as_str(), bits) {
            (
                "server_no_context_takeover"
                | "client_no_context_takeover"
                | "client_max_window_bits",
                None,
            ) => true,
            ("server_max_window_bits" | "client_max_window_bits", Some(is_good)) => is_good,
            _ => false,
        };
        if let ("server_max_window_bits", Some(value)) = (name.as_str(), value) {
            answer.push_str(&format!("; server_max_window_bits={value}"));
        }
    }
    Some(is_good.then_some(answer))
}
