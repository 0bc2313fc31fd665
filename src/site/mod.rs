//! The web page, embedded in the binary, or a sentence in its place; the health check; and answers
//! to OPTIONS.

mod compact;
mod joined;
mod page;

use std::borrow::Cow;
use std::sync::LazyLock;

pub use page::Page;
use page::{Caching, File};

use crate::wire::http::public_url::BasePath;
use crate::wire::http::response::{ALLOW, Body, HttpError, Persistence, Response};
use crate::wire::http::{Method, Request, precheck};

/// What a load balancer is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Serving,
    /// Nothing that is said can be stored: the disk is full.
    Full,
    /// About to stop: send no new clients.
    Draining,
}

/// Where it is asked whether the server serves.
pub const HEALTH: &str = "/healthz";
/// Where it is asked whether it also keeps what is said, and takes new clients.
pub const READY: &str = "/readyz";

/// The page for services that add nothing to it.
static EMBEDDED: LazyLock<Page> = LazyLock::new(|| Page::new(&[page::NO_COMMANDS]));

/// What is answered to requests for files.
#[derive(Debug)]
pub struct Site {
    files: Cow<'static, [File]>,
    not_found: HttpError,
}

impl Default for Site {
    fn default() -> Site {
        Site::new()
    }
}

impl Site {
    /// The chat page, without what the service adds.
    pub fn new() -> Site {
        Site::of_page(&EMBEDDED)
    }

    /// A page that was made once for the whole process.
    pub fn of_page(page: &'static Page) -> Site {
        Site { files: Cow::Borrowed(&page.files), not_found: HttpError::NOT_FOUND }
    }

    /// For a service that the page is not made for: what it does, in a sentence.
    pub fn of_sentence(sentence: &'static str) -> Site {
        let file = File::new("/".to_owned(), page::TEXT, sentence.as_bytes(), Caching::Ask);
        Site { files: Cow::Owned(vec![file]), not_found: HttpError::NO_PAGE }
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
            Method::Get | Method::Head if [HEALTH, READY].contains(&request.path) => {
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
        ["*", HEALTH, READY, precheck::PATH].contains(&path) || self.find(path).is_some()
    }

    fn find(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

impl File {
    fn respond(&self, request: &Request<'_>, date: Option<&str>) -> Response {
        let policy = content_security_policy(request.host);
        let chosen = self.chosen_for(request);
        let mut fields = vec![
            // The content type describes a content, and 304 has none.
            ("Content-Type", self.content_type),
            ("ETag", &chosen.etag),
            ("Cache-Control", self.caching.field()),
            ("Content-Security-Policy", &policy),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
        ];
        if self.gzip.is_some() {
            fields.push(("Vary", "Accept-Encoding"));
        }
        if chosen.is_known_to(request) {
            return Response::new(304, &fields[1..], Body::Absent, request.connection, date);
        }
        if let Some(encoding) = chosen.encoding {
            fields.push(("Content-Encoding", encoding));
        }
        Response::new(200, &fields, Body::of(request, chosen.content), request.connection, date)
    }
}

/// Nothing but our own files, and WebSockets to where the page came from. Browsers older than CSP
/// level 3 do not count a WebSocket as 'self', so its URLs are spelt out; the host holds no
/// character that could end the directive. One with a zone id is nothing that a policy, or a
/// browser's address, could hold. No text becomes a script or markup (Trusted Types), but for the
/// address of the service worker.
fn content_security_policy(host: &str) -> String {
    let sockets = match host {
        "" => String::new(),
        host if host.contains('%') => String::new(),
        host => format!(" ws://{host} wss://{host}"),
    };
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
         connect-src 'self'{sockets}; manifest-src 'self'; worker-src 'self'; \
         require-trusted-types-for 'script'; trusted-types worker; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

fn health_response(request: &Request<'_>, health: Health, date: Option<&str>) -> Response {
    let (status, text, connection): (u16, &'static [u8], Persistence) = match health {
        Health::Serving => (200, b"ok", request.connection),
        // It serves: what was said can be read. Nobody is to start it anew for that.
        Health::Full if request.path == HEALTH => (200, b"full", request.connection),
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
