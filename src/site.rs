//! The web page, embedded in the binary, or a sentence in its place; files that the service adds;
//! the health check; and answers to OPTIONS.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha1::{Digest, Sha1};

use crate::wire::http::public_url::BasePath;
use crate::wire::http::response::{ALLOW, Body, HttpError, Persistence, Response};
use crate::wire::http::{Method, Request, precheck};

const HTML: &str = "text/html; charset=utf-8";
/// The media type of scripts.
pub const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Path, media type and content of every file.
const PAGE: [(&str, &str, &[u8]); 16] = [
    ("/", HTML, include_bytes!("web/index.html")),
    ("/index.html", HTML, include_bytes!("web/index.html")),
    ("/app.js", JAVASCRIPT, include_bytes!("web/app.js")),
    ("/accounts.js", JAVASCRIPT, include_bytes!("web/accounts.js")),
    ("/account-words.js", JAVASCRIPT, include_bytes!("web/account-words.js")),
    ("/rooms.js", JAVASCRIPT, include_bytes!("web/rooms.js")),
    ("/order.js", JAVASCRIPT, include_bytes!("web/order.js")),
    ("/conversations.js", JAVASCRIPT, include_bytes!("web/conversations.js")),
    ("/reading.js", JAVASCRIPT, include_bytes!("web/reading.js")),
    ("/resume.js", JAVASCRIPT, include_bytes!("web/resume.js")),
    ("/people-words.js", JAVASCRIPT, include_bytes!("web/people-words.js")),
    ("/dialogs.js", JAVASCRIPT, include_bytes!("web/dialogs.js")),
    ("/qr.js", JAVASCRIPT, include_bytes!("web/qr.js")),
    ("/dom.js", JAVASCRIPT, include_bytes!("web/dom.js")),
    ("/style.css", "text/css; charset=utf-8", include_bytes!("web/style.css")),
    ("/favicon.svg", "image/svg+xml", include_bytes!("web/favicon.svg")),
];

/// What a load balancer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Serving,
    /// Nothing that is said can be stored: the disk is full.
    Full,
    /// About to stop: send no new clients.
    Draining,
}

/// Where monitors and balancers ask.
pub const HEALTH: &str = "/healthz";

/// The files with their entity tags, made once at start.
#[derive(Debug)]
pub struct Site {
    files: Vec<File>,
    not_found: HttpError,
}

#[derive(Debug)]
struct File {
    path: &'static str,
    content_type: &'static str,
    content: &'static [u8],
    /// Strong (RFC 9110 8.8.3): made from every byte of the content.
    etag: String,
}

impl Default for Site {
    fn default() -> Site {
        Site::new()
    }
}

impl Site {
    /// The chat page.
    pub fn new() -> Site {
        let files = PAGE
            .iter()
            .map(|&(path, content_type, content)| File::new(path, content_type, content));
        Site { files: files.collect(), not_found: HttpError::NOT_FOUND }
    }

    /// Adds a file that only the service can make.
    pub fn with_file(
        mut self,
        path: &'static str,
        content_type: &'static str,
        content: &'static [u8],
    ) -> Site {
        self.files.push(File::new(path, content_type, content));
        self
    }

    /// For a service that the page is not made for: what it does, in a sentence.
    pub fn of_sentence(sentence: &'static str) -> Site {
        let files = vec![File::new("/", "text/plain; charset=utf-8", sentence.as_bytes())];
        Site { files, not_found: HttpError::NO_PAGE }
    }

    /// All of it is under this path.
    #[must_use]
    pub fn under(self, base: &BasePath) -> Site {
        let is_root = *base == BasePath::default();
        Site { not_found: if is_root { self.not_found } else { HttpError::ELSEWHERE }, ..self }
    }

    /// Answers a request that asks for no upgrade. `date` is an IMF-fixdate, if there is a clock.
    pub fn respond(&self, request: &Request<'_>, health: Health, date: Option<&str>) -> Response {
        let outcome = match request.method {
            Method::Get | Method::Head if request.path == HEALTH => {
                return health_response(request, health, date);
            }
            // Balancers ask this for our health as well: HAProxy does if it is not told otherwise.
            Method::Options if health == Health::Draining => Err(HttpError::STOPPING),
            Method::Options if self.has(request.path) => {
                return Response::new(204, &[ALLOW], Body::Absent, request.connection, date);
            }
            Method::Get | Method::Head | Method::Options => {
                self.find(request.path).ok_or(self.not_found)
            }
            _ => Err(HttpError::METHOD_NOT_ALLOWED),
        };
        match outcome {
            Ok(file) => file.respond(request, date),
            Err(error) => error.response(Some(request.method), date),
        }
    }

    /// Whether anything is there; `*` is the server itself.
    fn has(&self, path: &str) -> bool {
        ["*", HEALTH, precheck::PATH].contains(&path) || self.find(path).is_some()
    }

    fn find(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

impl File {
    fn new(path: &'static str, content_type: &'static str, content: &'static [u8]) -> File {
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(Sha1::digest(content)));
        File { path, content_type, content, etag }
    }

    fn respond(&self, request: &Request<'_>, date: Option<&str>) -> Response {
        let policy = content_security_policy(request.host);
        let fields = [
            ("Content-Type", self.content_type),
            ("ETag", &self.etag),
            // The names do not change with the content, so a browser has to ask; mostly the answer
            // is 304.
            ("Cache-Control", "no-cache"),
            ("Content-Security-Policy", &policy),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
        ];
        if self.is_known_to(request) {
            // The content type describes a content, and 304 has none.
            return Response::new(304, &fields[1..], Body::Absent, request.connection, date);
        }
        Response::new(200, &fields, Body::of(request, self.content), request.connection, date)
    }

    /// RFC 9110 13.1.2: a weak comparison with every tag of the list.
    fn is_known_to(&self, request: &Request<'_>) -> bool {
        request.list("if-none-match").any(|tag| {
            let opaque = tag.strip_prefix(b"W/").unwrap_or(tag);
            tag == b"*" || opaque == self.etag.as_bytes()
        })
    }
}

/// Nothing but our own files, and WebSockets to where the page came from. Browsers older than CSP
/// level 3 do not count a WebSocket as 'self', so its URLs are spelt out; the host holds no
/// character that could end the directive. One with a zone id is nothing that a policy, or a
/// browser's address, could hold.
fn content_security_policy(host: &str) -> String {
    let sockets = match host {
        "" => String::new(),
        host if host.contains('%') => String::new(),
        host => format!(" ws://{host} wss://{host}"),
    };
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self'{sockets}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

fn health_response(request: &Request<'_>, health: Health, date: Option<&str>) -> Response {
    let (status, text, connection): (u16, &'static [u8], Persistence) = match health {
        Health::Serving => (200, b"ok", request.connection),
        Health::Full => (503, b"full", request.connection),
        Health::Draining => (503, b"draining", Persistence::Close),
    };
    let fields = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
    ];
    Response::new(status, &fields, Body::of(request, text), connection, date)
}
