//! HTTP/1.1 requests (RFC 9112), as far as a chat server needs them: what is posted to a [`hook`]
//! carries a body, and nothing else does.
//!
//! [`HeadParser`] parses heads as they arrive, [`crate::site::Site`] answers them with the embedded
//! web page, and [`super::websocket::handshake`] answers the ones that ask for an upgrade.
//! [`precheck`] tells a page how that would end.

pub mod credential;
pub mod events;
pub mod exchange;
pub mod forwarded;
pub mod hook;
pub mod origin;
pub mod precheck;
pub mod public_url;
pub mod response;
#[cfg(test)]
mod tests;

pub use response::{HttpError, Persistence, Response};

use std::borrow::Cow;

use memchr::memchr_iter;
use percent_encoding::percent_decode_str;

/// A longer request head is refused with 431. Browsers with many cookies stay under 8 KiB.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// More header fields are refused with 431. A browser behind two proxies sends about 30.
pub const HEADERS_MAX: usize = 64;

/// Every method that is known, with what it is called on the wire.
const METHODS: [(Method, &str); 9] = [
    (Method::Get, "GET"),
    (Method::Head, "HEAD"),
    (Method::Post, "POST"),
    (Method::Put, "PUT"),
    (Method::Delete, "DELETE"),
    (Method::Options, "OPTIONS"),
    (Method::Patch, "PATCH"),
    (Method::Trace, "TRACE"),
    (Method::Connect, "CONNECT"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Patch,
    Trace,
    Connect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    Http10,
    Http11,
}

/// A request head. It borrows from the bytes it was parsed from.
#[derive(Debug)]
pub struct Request<'b> {
    pub method: Method,
    pub version: Version,
    /// Begins with `/`, except in `OPTIONS *` and `CONNECT`.
    pub path: &'b str,
    /// What follows the first `?`, still percent-encoded; empty without one.
    pub query: &'b str,
    /// `host[:port]` as the client wrote it, made of harmless characters; empty if an HTTP/1.0
    /// client sent none.
    pub host: &'b str,
    /// Whether the client wants to go on with this connection. Behind a body there is no going on.
    pub connection: Persistence,
    /// A body follows.
    pub has_body: bool,
    /// The body, if it is taken.
    pub body: &'b [u8],
    content: ContentAhead,
    headers: Headers<'b>,
}

#[derive(Debug)]
struct Headers<'b> {
    fields: [httparse::Header<'b>; HEADERS_MAX],
    count: usize,
}

/// Parses one request head after another from a growing buffer, looking at each byte for the head's
/// end only once: a client that sends byte by byte costs no more than one that sends all at once.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct HeadParser {
    /// So many bytes are empty lines before the head, which are skipped (RFC 9112 2.2).
    blank_bytes: usize,
    /// So many bytes hold no end of the head.
    scanned_bytes: usize,
}

impl HeadParser {
    /// Parses the head that `input` begins with; also tells how many bytes it took. `None`: more
    /// bytes are needed, call again with the same bytes and those that follow them.
    ///
    /// # Errors
    /// Every error is meant to be sent to the client, and then the connection closed.
    pub fn parse<'b>(
        &mut self,
        input: &'b [u8],
    ) -> Result<Option<(Request<'b>, usize)>, HttpError> {
        let unseen = input.iter().skip(self.blank_bytes);
        self.blank_bytes += unseen.take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        // The empty line is at most LF CR LF, of which two bytes may have been seen before.
        let start = self.scanned_bytes.saturating_sub(2).max(self.blank_bytes).min(input.len());
        if holds_head_end(&input[start..]) {
            *self = HeadParser::default();
            return parse(input);
        }
        if input.len() > HEAD_BYTES_MAX {
            return Err(HttpError::HEAD_TOO_LARGE);
        }
        self.scanned_bytes = input.len();
        Ok(None)
    }
}

/// Whether an empty line is in `bytes`. Like the parser, takes a bare LF for a line end (RFC 9112
/// 2.2).
fn holds_head_end(bytes: &[u8]) -> bool {
    // The first one decides: requests may follow by the hundred, and each of them is searched for
    // in turn.
    memchr_iter(b'\n', bytes).any(|at| matches!(bytes[at + 1..], [b'\n', ..] | [b'\r', b'\n', ..]))
}

/// Parses the head that `input` begins with; also tells how many bytes it took. `None`: more bytes
/// are needed. [`HeadParser::parse`] is the same for input that arrives bit by bit.
///
/// # Errors
/// Every error is meant to be sent to the client, and then the connection closed.
pub fn parse(input: &[u8]) -> Result<Option<(Request<'_>, usize)>, HttpError> {
    let mut fields = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut raw = httparse::Request::new(&mut fields);
    let consumed = match raw.parse(input) {
        Ok(httparse::Status::Complete(head_bytes)) if head_bytes <= HEAD_BYTES_MAX => head_bytes,
        Ok(httparse::Status::Partial) if input.len() <= HEAD_BYTES_MAX => return Ok(None),
        Ok(_) => return Err(HttpError::HEAD_TOO_LARGE),
        Err(httparse::Error::TooManyHeaders) => return Err(HttpError::TOO_MANY_HEADERS),
        Err(httparse::Error::Version) if names_version(input) => return Err(HttpError::VERSION),
        Err(_) => return Err(HttpError::MALFORMED),
    };
    let (Some(method), Some(target), Some(version)) = (raw.method, raw.path, raw.version) else {
        return Err(HttpError::MALFORMED);
    };
    let version = if version == 0 { Version::Http10 } else { Version::Http11 };
    let count = raw.headers.len();
    let headers = Headers { fields, count };

    let method = parse_method(method)?;
    let target = parse_target(method, target)?;
    let host = parse_host(&headers, version)?;
    refuse_expectation(&headers, version)?;
    // Before a byte of it is read, so that none can be mistaken for the next request.
    let content = find_body(&headers, version)?;
    let connection = match content {
        ContentAhead::No => parse_connection(&headers, version),
        // It is taken by hooks alone; the response says so to others.
        _ if !matches!(method, Method::Get | Method::Head | Method::Options) => Persistence::Close,
        _ => return Err(HttpError::BODY),
    };
    let request = Request {
        method,
        version,
        path: target.path,
        query: target.query,
        // RFC 9112 3.2.2: the authority of an absolute-form target goes before the Host field.
        host: target.authority.unwrap_or(host),
        connection,
        has_body: content != ContentAhead::No,
        body: b"",
        content,
        headers,
    };
    Ok(Some((request, consumed)))
}

impl<'b> Request<'b> {
    /// Whether its client has said that nothing follows it (RFC 9112 9.6): neither another request
    /// nor a body, which these methods do not have here.
    pub fn is_last(&self) -> bool {
        let has_body = !matches!(self.method, Method::Get | Method::Head | Method::Options);
        self.connection == Persistence::Close && !has_body
    }

    /// Key and value of each pair of the query, the value decoded as that of a form; `None` if it
    /// is not UTF-8.
    pub fn query_pairs(&self) -> impl Iterator<Item = (&'b str, Option<String>)> {
        self.query.split('&').map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let spaced = value.replace('+', " ");
            (key, percent_decode_str(&spaced).decode_utf8().ok().map(Cow::into_owned))
        })
    }

    /// The value of a field that may stand in a request only once; `None` without it.
    ///
    /// # Errors
    /// The field is there twice, or its value is not ASCII.
    pub fn single(&self, name: &str) -> Result<Option<&'b str>, HttpError> {
        self.headers.single(name)
    }

    /// The members of a comma-separated list, over all fields of that name, without empty ones.
    pub fn list(&self, name: &str) -> impl Iterator<Item = &'b [u8]> {
        self.headers.list(name)
    }

    /// The raw value of every field of that name.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &'b [u8]> {
        self.headers.values(name)
    }
}

impl<'b> Headers<'b> {
    fn values(&self, name: &str) -> impl Iterator<Item = &'b [u8]> {
        let fields = self.fields[..self.count].iter();
        fields.filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    fn list(&self, name: &str) -> impl Iterator<Item = &'b [u8]> {
        let members = self.values(name).flat_map(|value| value.split(|&byte| byte == b','));
        members.map(<[u8]>::trim_ascii).filter(|member| !member.is_empty())
    }

    fn single(&self, name: &str) -> Result<Option<&'b str>, HttpError> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) if value.is_ascii() => {
                let value = str::from_utf8(value).map_err(|_| HttpError::MALFORMED)?;
                Ok(Some(value.trim_ascii()))
            }
            (Some(_), _) => Err(HttpError::MALFORMED),
        }
    }
}

fn parse_method(name: &str) -> Result<Method, HttpError> {
    let known = METHODS.iter().find(|(_, known)| *known == name);
    known.map(|(method, _)| *method).ok_or(HttpError::UNKNOWN_METHOD)
}

struct Target<'b> {
    authority: Option<&'b str>,
    path: &'b str,
    query: &'b str,
}

/// The four forms of a request target, RFC 9112 3.2.
fn parse_target(method: Method, target: &str) -> Result<Target<'_>, HttpError> {
    if !target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err(HttpError::BAD_TARGET);
    }
    let (authority, origin_form) = match (method, target) {
        (Method::Connect, authority) => (Some(authority), ""),
        (Method::Options, "*") => (None, "*"),
        (_, origin_form) if origin_form.starts_with('/') => (None, origin_form),
        (_, absolute_form) => {
            let (scheme, rest) = absolute_form.split_once("://").ok_or(HttpError::BAD_TARGET)?;
            if !["http", "https", "ws", "wss"]
                .iter()
                .any(|known| scheme.eq_ignore_ascii_case(known))
            {
                return Err(HttpError::BAD_TARGET);
            }
            let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            (Some(authority), path)
        }
    };
    if authority.is_some_and(|authority| authority.is_empty() || !is_authority(authority)) {
        return Err(HttpError::BAD_TARGET);
    }
    let (path, query) = origin_form.split_once('?').unwrap_or((origin_form, ""));
    let path = if path.is_empty() && method != Method::Connect { "/" } else { path };
    Ok(Target { authority, path, query })
}

/// RFC 9112 3.2: exactly one Host field in HTTP/1.1, and only one that is well-formed.
fn parse_host<'b>(headers: &Headers<'b>, version: Version) -> Result<&'b str, HttpError> {
    match headers.single("host") {
        Ok(Some(host)) if is_authority(host) => Ok(host),
        Ok(None) if version == Version::Http10 => Ok(""),
        _ => Err(HttpError::BAD_HOST),
    }
}

/// Whether the request line is one, of whichever version.
fn names_version(input: &[u8]) -> bool {
    let line = input
        .trim_ascii_start()
        .split(|&byte| byte == b'\n')
        .next()
        .unwrap_or_default()
        .trim_ascii_end();
    let words: Vec<&[u8]> = line.splitn(4, |&byte| byte == b' ').collect();
    let [_, _, version] = words[..] else { return false };
    match version.strip_prefix(b"HTTP/") {
        Some([major]) => major.is_ascii_digit(),
        Some([major, b'.', minor]) => major.is_ascii_digit() && minor.is_ascii_digit(),
        _ => false,
    }
}

/// Whether what a client has sent so far asks with HEAD, though it may be no request that could be
/// parsed.
pub fn begins_with_head(input: &[u8]) -> bool {
    input.trim_ascii_start().starts_with(b"HEAD ")
}

/// Whether `text` can be `host[:port]`. Narrower than RFC 3986, which allows characters no real
/// host has and that would be dangerous where the host is repeated in a Content-Security-Policy.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.rfind([':', ']']) {
        Some(colon) if text.as_bytes()[colon] == b':' => (&text[..colon], &text[colon + 1..]),
        _ => (text, ""),
    };
    let host_is_good = match host.strip_prefix('[') {
        Some(literal) => literal.strip_suffix(']').is_some_and(is_ipv6_literal),
        None => host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')),
    };
    host_is_good
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && (port.is_empty() || port.parse::<u16>().is_ok())
}

/// An address, perhaps with a zone: RFC 6874 has `%25` before it, many clients a bare `%`.
fn is_ipv6_literal(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "none"));
    let is_address =
        address.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
    let is_zone = zone
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~'));
    !address.is_empty() && is_address && !matches!(zone, "" | "25") && is_zone
}

/// What follows the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ContentAhead {
    No,
    /// A body of so many bytes.
    Sized(u64),
    /// A body whose end only shows when it comes.
    Coded,
}

fn find_body(headers: &Headers<'_>, version: Version) -> Result<ContentAhead, HttpError> {
    let encoded = headers.values("transfer-encoding").next().is_some();
    let mut lengths = headers.values("content-length");
    let Some(length) = lengths.next() else {
        // RFC 9112 6.1: HTTP/1.0 has no transfer codings; who sends one there is confused or
        // confuses others.
        return match (encoded, version) {
            (false, _) => Ok(ContentAhead::No),
            (true, Version::Http10) => Err(HttpError::BAD_LENGTH),
            (true, Version::Http11) => Ok(ContentAhead::Coded),
        };
    };
    let well_formed = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
    // RFC 9112 6.3: both, or lengths that differ, are how requests are smuggled.
    if encoded || !well_formed || lengths.any(|other| other != length) {
        return Err(HttpError::BAD_LENGTH);
    }
    let bytes = length.iter().fold(0u64, |bytes, &digit| {
        bytes.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    });
    Ok(if bytes == 0 { ContentAhead::No } else { ContentAhead::Sized(bytes) })
}

/// RFC 9110 10.1.1: who expects `100-continue` gets a final response at once, and its body is never
/// asked for. Other expectations cannot be met, and 417 says so.
fn refuse_expectation(headers: &Headers<'_>, version: Version) -> Result<(), HttpError> {
    let mut expectations = headers.list("expect");
    let met = version == Version::Http10
        || expectations.all(|one| one.eq_ignore_ascii_case(b"100-continue"));
    if met { Ok(()) } else { Err(HttpError::EXPECTATION) }
}

/// RFC 9112 9.3: persistent by default since HTTP/1.1.
fn parse_connection(headers: &Headers<'_>, version: Version) -> Persistence {
    let has =
        |option: &[u8]| headers.list("connection").any(|one| one.eq_ignore_ascii_case(option));
    match version {
        _ if has(b"close") => Persistence::Close,
        Version::Http11 => Persistence::KeepAlive,
        Version::Http10 if has(b"keep-alive") => Persistence::KeepAlive10,
        Version::Http10 => Persistence::Close,
    }
}
