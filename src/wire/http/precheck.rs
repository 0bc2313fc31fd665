//! Whether a page could open a WebSocket here, asked beforehand: a browser does not show its page
//! why one was refused.

use super::response::{Body, HttpError, Persistence, Response};
use super::{Method, Request};
use crate::wire::websocket::handshake::{Policy, admit_page};

pub const PATH: &str = "/admission";

/// What a page would meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Admitted,
    /// Its origin is not ours, and not allowed.
    Origin,
    /// It has our origin by a name that is not ours.
    Host,
    /// This server does not chat.
    Mode,
    Stopping,
}

/// Whether this request is the question.
pub fn asks(request: &Request<'_>) -> bool {
    request.path == PATH && matches!(request.method, Method::Get | Method::Head)
}

/// What is to be said of a page of the origin in the query, or else of the one that asks; programs
/// are admitted.
pub fn judge(request: &Request<'_>, policy: &Policy<'_>) -> Verdict {
    let asked = request.query_pairs().find(|(key, _)| *key == "origin");
    let origin = match asked {
        Some((_, origin)) => origin.map(Some).ok_or(HttpError::UPGRADE_ORIGIN),
        None => request.single("origin").map(|origin| origin.map(str::to_owned)),
    };
    let admitted = match origin {
        Ok(Some(origin)) => admit_page(&origin, request.host, policy),
        Ok(None) => Ok(()),
        Err(_) => Err(HttpError::UPGRADE_ORIGIN),
    };
    match admitted {
        Ok(()) => Verdict::Admitted,
        Err(HttpError::UPGRADE_HOST) => Verdict::Host,
        Err(_) => Verdict::Origin,
    }
}

impl Verdict {
    fn answer(self) -> (u16, &'static str) {
        match self {
            Verdict::Admitted => (200, r#"{"admitted":true}"#),
            Verdict::Origin => (
                403,
                r#"{"admitted":false,"reason":"origin","message":"Pages of this origin may not connect; the server's operator can allow it (--allow-origin)."}"#,
            ),
            Verdict::Host => (
                403,
                r#"{"admitted":false,"reason":"origin","message":"This server is for its own machine: open the page as localhost or 127.0.0.1. The server's operator can allow another name (--allow-origin)."}"#,
            ),
            Verdict::Mode => (
                409,
                r#"{"admitted":false,"reason":"mode","message":"This server does not chat: it was started in another mode (--mode)."}"#,
            ),
            Verdict::Stopping => (
                503,
                r#"{"admitted":false,"reason":"stopping","message":"The server is stopping; connect again in a while."}"#,
            ),
        }
    }

    /// `date` is an IMF-fixdate, if there is a clock.
    pub fn respond(self, request: &Request<'_>, date: Option<&str>) -> Response {
        let (status, text) = self.answer();
        let connection =
            if self == Verdict::Stopping { Persistence::Close } else { request.connection };
        let fields = [
            ("Content-Type", "application/json"),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        ];
        Response::new(status, &fields, Body::of(request, text.as_bytes()), connection, date)
    }
}
