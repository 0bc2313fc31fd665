//! What programs post to hooks, and how they are answered.

use super::Server;
use super::proxied::Sender;
use super::stream::Stream;
use crate::delivery::encoding::FrameKind;
use crate::ids::ClientId;
use crate::service::{Post, Posted, Refusal, Service};
use crate::wire::close::CloseReason;
use crate::wire::http::response::Body;
use crate::wire::http::{HttpError, Method, Persistence, Request, Response, hook};

impl<S: Stream, A: Service> Server<S, A> {
    /// Passes a request on to the service if it is for a hook, and answers it. `None`: it is for
    /// something else; `false`: something has to come first, and the request is to be served again.
    pub(super) fn answer_hook(
        &mut self,
        id: ClientId,
        request: &Request<'_>,
        sender: &Sender,
        date: &str,
    ) -> Option<bool> {
        let token = hook::own_token(request.path).filter(|_| self.service.sentence().is_none())?;
        if let Some(error) = self.refuses_post(request) {
            self.refuse_request(id, error, Some(request.method));
            return Some(true);
        }
        let post = Post {
            peer: sender.peer(),
            token,
            content_type: request.single("content-type").ok().flatten(),
            key: request.single("idempotency-key").ok().flatten(),
            body: request.body,
        };
        let response = match self.service.post(id, &post, &mut self.out) {
            Posted::Blocked(until) => {
                self.wait(id, until);
                return Some(false);
            }
            Posted::Done => response(200, "ok", None, date),
            Posted::Refused(Refusal { status, code, retry_after_s }) => {
                response(status, code, retry_after_s, date)
            }
        };
        // It says what the service knows, and is held with that until it is durable. What comes
        // behind it on this connection would overtake it.
        let bytes = response.to_bytes();
        self.out.send(id, |to| to.content(FrameKind::Text, &bytes));
        self.close(id, CloseReason::Done);
        Some(true)
    }

    fn refuses_post(&self, request: &Request<'_>) -> Option<HttpError> {
        match request.method {
            _ if self.draining => Some(HttpError::STOPPING),
            // Whoever sends one wants to be heard once.
            Method::Post => request.single("idempotency-key").err(),
            _ => Some(HttpError::HOOK_METHOD),
        }
    }
}

/// Pages of other sites are not let read it: none of them is named here (CORS).
fn response(status: u16, text: &'static str, retry_after_s: Option<u64>, date: &str) -> Response {
    let seconds = retry_after_s.map(|seconds| seconds.to_string());
    let mut fields = vec![
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
    ];
    if let Some(seconds) = &seconds {
        fields.push(("Retry-After", seconds));
    }
    Response::new(status, &fields, Body::Whole(text.as_bytes()), Persistence::Close, Some(date))
}
