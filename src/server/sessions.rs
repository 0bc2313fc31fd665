//! The cookie by which a page is known again: somebody who has logged in stays so over a reload.
//!
//! A page logs in over its WebSocket, on which no cookie can be set. It is given a code there, and
//! shows it in a request of its own at once.

use super::Server;
use super::proxied::Sender;
use super::stream::Stream;
use crate::service::Service;
use crate::wire::http::forwarded::Scheme;
use crate::wire::http::response::Body;
use crate::wire::http::{HttpError, Method, Request, Response, credential, origin};
use crate::wire::websocket::handshake;

const PATH: &str = "/session";

impl<S: Stream, A: Service> Server<S, A> {
    /// Whether a request wants a cookie set or taken away.
    pub(super) fn is_about_cookie(&self, request: &Request<'_>) -> bool {
        let is_known = matches!(request.method, Method::Post | Method::Delete);
        request.path == PATH && is_known && self.service.sentence().is_none()
    }

    /// Sets the cookie that the code in the request stands for, or takes it away.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn answer_about_cookie(
        &mut self,
        request: &Request<'_>,
        sender: &Sender,
        date: &str,
    ) -> Result<Response, HttpError> {
        handshake::refuse_other_page(request, &self.policy(sender))?;
        if request.has_body {
            return Err(HttpError::BODY);
        }
        let unix_ms = self.out.now().unix_ms;
        let value = match request.method {
            Method::Delete => None,
            _ => {
                let cookie = credential::bearer(request)
                    .and_then(|code| self.service.take_cookie(code, unix_ms));
                Some(cookie.ok_or(HttpError::SESSION_CODE)?)
            }
        };
        let page = request.single("origin").ok().flatten();
        let is_secure = sender.scheme == Some(Scheme::Https) || page.is_some_and(origin::is_https);
        let path = self.settings.base_path.as_str();
        let cookie = credential::set_cookie(value.as_deref(), path, is_secure);
        let fields = [("Set-Cookie", cookie.as_str()), ("Cache-Control", "no-store")];
        Ok(Response::new(204, &fields, Body::Absent, request.connection, Some(date)))
    }
}
