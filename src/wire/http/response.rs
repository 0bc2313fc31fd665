//! Response heads, and the errors that are sent as responses.

use thiserror::Error;

use super::{Method, Request};

/// What happens to the connection after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    KeepAlive,
    /// As `KeepAlive`, to an HTTP/1.0 client, which needs a field that says so.
    KeepAlive10,
    Close,
}

/// A whole response, in two parts so that an embedded file is never copied.
#[derive(Debug, PartialEq, Eq)]
pub struct Response {
    pub head: Vec<u8>,
    /// Empty where none belongs: after HEAD, 101, 204 and 304.
    pub body: &'static [u8],
    pub connection: Persistence,
}

/// How much of a body a response says it has, and how much it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// Sent, with its length.
    Whole(&'static [u8]),
    /// Only its length is sent: the answer to HEAD.
    LengthOnly(&'static [u8]),
    /// Neither: 101, 204 and 304.
    Absent,
}

impl Body {
    pub(crate) fn of(request: &Request<'_>, content: &'static [u8]) -> Body {
        if request.method == Method::Head {
            Body::LengthOnly(content)
        } else {
            Body::Whole(content)
        }
    }
}

impl Response {
    /// `date` is an IMF-fixdate (RFC 9110 5.6.7); left out by a caller without a clock.
    pub(crate) fn new(
        status: u16,
        fields: &[(&str, &str)],
        body: Body,
        connection: Persistence,
        date: Option<&str>,
    ) -> Response {
        let mut head = Vec::with_capacity(512);
        push(&mut head, &["HTTP/1.1 ", &status.to_string(), " ", reason_phrase(status), "\r\n"]);
        for (name, value) in fields {
            push(&mut head, &[name, ": ", value, "\r\n"]);
        }
        if let Some(date) = date {
            push(&mut head, &["Date: ", date, "\r\n"]);
        }
        if let Body::Whole(body) | Body::LengthOnly(body) = body {
            push(&mut head, &["Content-Length: ", &body.len().to_string(), "\r\n"]);
        }
        match connection {
            Persistence::KeepAlive => {}
            Persistence::KeepAlive10 => push(&mut head, &["Connection: keep-alive\r\n"]),
            Persistence::Close => push(&mut head, &["Connection: close\r\n"]),
        }
        push(&mut head, &["\r\n"]);
        let body = if let Body::Whole(body) = body { body } else { b"" };
        Response { head, body, connection }
    }

    /// Adds a field.
    pub(crate) fn add_field(&mut self, name: &str, value: &str) {
        let end = self.head.len().saturating_sub(2);
        self.head.truncate(end);
        push(&mut self.head, &[name, ": ", value, "\r\n\r\n"]);
    }

    /// The resource is at this reference.
    pub(crate) fn redirect(to: &str, request: &Request<'_>, date: Option<&str>) -> Response {
        let fields = [("Location", to), ("Cache-Control", "no-cache")];
        Response::new(308, &fields, Body::of(request, b""), request.connection, date)
    }

    /// Head and body in one piece.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.head, self.body].concat()
    }
}

fn push(head: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        head.extend_from_slice(part.as_bytes());
    }
}

fn reason_phrase(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        204 => "No Content",
        304 => "Not Modified",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        417 => "Expectation Failed",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

/// A request that is refused: sent as a response of one sentence, after which the connection is
/// closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{status} {}", .sentence.trim_end())]
pub struct HttpError {
    pub status: u16,
    /// For people, with its line end.
    pub sentence: &'static str,
    fields: &'static [(&'static str, &'static str)],
}

/// The methods of every resource, as a field.
pub(crate) const ALLOW: (&str, &str) = ("Allow", "GET, HEAD, OPTIONS");
const ALLOW_ALL: &[(&str, &str)] = &[ALLOW];
const ALLOW_GET: &[(&str, &str)] = &[("Allow", "GET")];
const ALLOW_POST: &[(&str, &str)] = &[("Allow", "POST")];
const BEARER: &[(&str, &str)] = &[("WWW-Authenticate", "Bearer")];
const RETRY_AFTER: &[(&str, &str)] = &[("Retry-After", "10")];
const UPGRADE: &[(&str, &str)] = &[("Upgrade", "websocket"), ("Connection", "Upgrade")];
const UPGRADE_TLS: &[(&str, &str)] = &[("Upgrade", "TLS/1.2"), ("Connection", "Upgrade")];
const UPGRADE_13: &[(&str, &str)] =
    &[("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13")];

impl HttpError {
    const fn new(status: u16, sentence: &'static str) -> HttpError {
        HttpError { status, sentence, fields: &[] }
    }

    const fn with(self, fields: &'static [(&'static str, &'static str)]) -> HttpError {
        HttpError { fields, ..self }
    }

    pub const MALFORMED: HttpError =
        HttpError::new(400, "This is not a well-formed HTTP/1.1 request.\n");
    pub const BAD_TARGET: HttpError = HttpError::new(
        400,
        "The request target must be a path that begins with /, or an http or ws URL.\n",
    );
    pub const BAD_HOST: HttpError =
        HttpError::new(400, "The request needs exactly one Host field, as host[:port].\n");
    pub const BAD_LENGTH: HttpError = HttpError::new(
        400,
        "Content-Length and Transfer-Encoding are malformed or contradict each other.\n",
    );
    pub const TIMEOUT: HttpError =
        HttpError::new(408, "The request took longer than 10 seconds.\n");
    pub const LENGTH_REQUIRED: HttpError =
        HttpError::new(411, "What is posted to a hook needs a Content-Length.\n");
    pub const BODY_TOO_LARGE: HttpError =
        HttpError::new(413, "What is posted to a hook has at most 65536 bytes.\n");
    pub const STREAM_METHOD: HttpError =
        HttpError::new(405, "What is said is followed with GET.\n").with(ALLOW_GET);
    pub const STREAM_QUERY: HttpError = HttpError::new(
        400,
        "What is said is followed as /stream?room=dev&since=12&room=ops, percent-encoded, with at \
         most 50 rooms and 4096 bytes of names.\n",
    );
    pub const STREAM_TOKEN: HttpError =
        HttpError::new(401, "What is said is for those who show their token.\n").with(BEARER);
    pub const STREAM_TRIES: HttpError =
        HttpError::new(429, "Too many tokens that are not known were shown from your address.\n")
            .with(&[("Retry-After", "2")]);
    pub const STREAM_BANNED: HttpError =
        HttpError::new(403, "This account is banned from this server.\n");
    pub const HOOK_METHOD: HttpError =
        HttpError::new(405, "A hook is for POST.\n").with(ALLOW_POST);
    pub const BODY: HttpError =
        HttpError::new(413, "No request body is taken here; send the request without one.\n");
    pub const EXPECTATION: HttpError =
        HttpError::new(417, "The only expectation that can be met here is 100-continue.\n");
    pub const HEAD_TOO_LARGE: HttpError =
        HttpError::new(431, "The request head is longer than 16384 bytes.\n");
    pub const TOO_MANY_HEADERS: HttpError =
        HttpError::new(431, "The request has more than 64 header fields.\n");
    pub const UNKNOWN_METHOD: HttpError =
        HttpError::new(501, "This method is not known here; use GET, HEAD or OPTIONS.\n")
            .with(ALLOW_ALL);
    pub const VERSION: HttpError =
        HttpError::new(505, "Only HTTP/1.0 and HTTP/1.1 are spoken here.\n");

    pub const NOT_FOUND: HttpError =
        HttpError::new(404, "There is nothing here; the chat page is at /.\n");
    pub const NO_PAGE: HttpError =
        HttpError::new(404, "There is nothing here; what this server does is told at /.\n");
    pub const ELSEWHERE: HttpError =
        HttpError::new(404, "There is nothing here; this server is under another path.\n");
    pub const METHOD_NOT_ALLOWED: HttpError =
        HttpError::new(405, "Only GET, HEAD and OPTIONS are allowed here.\n").with(ALLOW_ALL);

    pub const TLS_ONLY: HttpError =
        HttpError::new(426, "This server takes TLS only: use https:// and wss://.\n")
            .with(UPGRADE_TLS);

    pub const NO_TOKEN: HttpError =
        HttpError::new(401, "Metrics are for those who show their token (--metrics-token).\n")
            .with(BEARER);

    pub const BANNED: HttpError = HttpError::new(403, "Your address is banned from this server.\n");
    pub const TOO_MANY: HttpError =
        HttpError::new(429, "Too many connections come from your address; try again later.\n")
            .with(RETRY_AFTER);
    pub const FULL: HttpError =
        HttpError::new(503, "This server has as many clients as it can take; try again later.\n")
            .with(RETRY_AFTER);
    pub const STOPPING: HttpError =
        HttpError::new(503, "The server is stopping; connect again in a while.\n");

    pub const UPGRADE_METHOD: HttpError =
        HttpError::new(405, "A WebSocket is opened with GET.\n").with(ALLOW_GET);
    pub const UPGRADE_HTTP10: HttpError =
        HttpError::new(400, "A WebSocket is opened with HTTP/1.1.\n");
    pub const UPGRADE_MISSING: HttpError =
        HttpError::new(426, "A WebSocket is opened with the field Upgrade: websocket.\n")
            .with(UPGRADE);
    pub const UPGRADE_CONNECTION: HttpError =
        HttpError::new(400, "A WebSocket is opened with the field Connection: Upgrade.\n");
    pub const UPGRADE_VERSION: HttpError =
        HttpError::new(426, "The only WebSocket version spoken here is 13.\n").with(UPGRADE_13);
    pub const UPGRADE_KEY: HttpError =
        HttpError::new(400, "The request needs one Sec-WebSocket-Key: 16 bytes in base64.\n");
    pub const UPGRADE_EXTENSIONS: HttpError =
        HttpError::new(400, "Sec-WebSocket-Extensions is malformed; see RFC 6455 section 9.1.\n");
    pub const UPGRADE_QUERY: HttpError =
        HttpError::new(400, "The name and room in the URL must be percent-encoded UTF-8.\n");
    pub const UPGRADE_ORIGIN: HttpError = HttpError::new(
        403,
        "Pages of this origin may not connect; the server's operator can allow it (--allow-origin).\n",
    );
    pub const UPGRADE_HOST: HttpError = HttpError::new(
        403,
        "This server is for its own machine: open the page as localhost or 127.0.0.1. \
         The server's operator can allow another name (--allow-origin).\n",
    );

    pub const COOKIE_ORIGIN: HttpError = HttpError::new(
        403,
        "A session's cookie is taken only from the server's own page, which its Origin shows. \
         Programs show a token (Authorization: Bearer).\n",
    );
    pub const SESSION_CODE: HttpError =
        HttpError::new(403, "This code is not known any more; log in again.\n");

    /// `method` is that of the request, if it could be read: what answers HEAD has no body (RFC
    /// 9110 9.3.2).
    pub fn response(&self, method: Option<Method>, date: Option<&str>) -> Response {
        let sentence = self.sentence.as_bytes();
        let body = if method == Some(Method::Head) {
            Body::LengthOnly(sentence)
        } else {
            Body::Whole(sentence)
        };
        let own = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Cache-Control", "no-store"),
            ("Content-Security-Policy", "default-src 'none'"),
            ("X-Content-Type-Options", "nosniff"),
        ];
        Response::new(self.status, &[&own, self.fields].concat(), body, Persistence::Close, date)
    }
}
