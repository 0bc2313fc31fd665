//! `/metrics`: what monitors are told, and who is one.

use std::fmt::Debug;

use bytes::Bytes;
use log::info;
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::Server;
use super::metrics::Rejected;
use super::proxied::Sender;
use super::proxies::AddressSource;
use super::stream::Stream;
use crate::ids::ClientId;
use crate::metrics::{CONTENT_TYPE, Exposition};
use crate::service::Service;
use crate::wire::close::CloseReason;
use crate::wire::http::credential::{CREDENTIAL_BYTES_MAX, bearer};
use crate::wire::http::forwarded::is_marked;
use crate::wire::http::response::{Body, Persistence, Response};
use crate::wire::http::{HttpError, Method, Request};

pub const METRICS: &str = "/metrics";

/// A shorter token could be guessed.
const TOKEN_BYTES_MIN: usize = 16;

/// Who is told the metrics: nobody, unless an address or a token is named.
#[derive(Clone, Debug, Default)]
pub struct MetricsAccess {
    /// `--metrics-from`.
    pub from: Vec<AddressSource>,
    /// `--metrics-token`.
    pub token: Option<MetricsToken>,
}

impl MetricsAccess {
    /// Whether anybody is told.
    pub fn is_on(&self) -> bool {
        !self.from.is_empty() || self.token.is_some()
    }
}

/// The hash of a token: two hashes that are compared tell nothing of what they are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricsToken([u8; 32]);

/// A token that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "a token has {TOKEN_BYTES_MIN} to {CREDENTIAL_BYTES_MAX} letters, digits and signs without \
     spaces, quotes, commas, semicolons and backslashes: openssl rand -hex 24 makes one"
)]
pub struct MetricsTokenError;

impl MetricsToken {
    /// Takes what stands in a file.
    ///
    /// # Errors
    /// What a token is.
    pub fn new(written: &str) -> Result<MetricsToken, MetricsTokenError> {
        let token = written.trim_ascii();
        let fits = (TOKEN_BYTES_MIN..=CREDENTIAL_BYTES_MAX).contains(&token.len());
        let is_good = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
        match fits && token.bytes().all(is_good) {
            true => Ok(MetricsToken::hash(token)),
            false => Err(MetricsTokenError),
        }
    }

    fn hash(token: &str) -> MetricsToken {
        MetricsToken(Sha256::digest(token).into())
    }
}

/// Has what is counted where connections come from.
pub trait Collector: Debug {
    /// Those that were turned away there.
    fn rejected(&self) -> Rejected;

    fn write_metrics(&self, out: &mut Exposition);
}

impl<S: Stream, A: Service> Server<S, A> {
    /// Has monitors told what is counted outside as well.
    pub fn set_collector(&mut self, collector: Box<dyn Collector>) {
        self.collector = Some(collector);
    }

    /// Answers a request for the metrics; returns whether it did. Who may not read them is asked
    /// for the token if there is one, and else finds nothing there, as on any unknown path.
    pub(super) fn answer_metrics(
        &mut self,
        id: ClientId,
        request: &Request<'_>,
        sender: &Sender,
        date: &str,
    ) -> bool {
        let access = &self.settings.metrics;
        let asks = matches!(request.method, Method::Get | Method::Head) && request.path == METRICS;
        if !asks || !access.is_on() {
            return false;
        }
        let has_token = access.token.is_some();
        let shown = bearer(request).map(MetricsToken::hash);
        let is_monitor =
            has_token && shown == access.token || is_from(&access.from, request, sender);
        if !is_monitor {
            info!("{}: refused the metrics (--metrics-from, --metrics-token)", sender.peer());
            if has_token {
                self.refuse_request(id, HttpError::NO_TOKEN, Some(request.method));
            }
            return has_token;
        }
        let text = self.metrics_text();
        let length = text.len().to_string();
        let fields = [
            ("Content-Type", CONTENT_TYPE),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            ("Content-Length", length.as_str()),
        ];
        let response = Response::new(200, &fields, Body::Absent, request.connection, Some(date));
        self.out.append(id, &response.head);
        if request.method == Method::Get {
            self.out.push(id, Bytes::from(text));
        }
        if request.connection == Persistence::Close {
            self.close(id, CloseReason::Done);
        }
        true
    }

    /// All that is counted.
    fn metrics_text(&self) -> String {
        let mut out = Exposition::default();
        let version = [(env!("CARGO_PKG_VERSION"), 1)];
        out.gauges("chat_server_build_info", "1, of this version.", "version", version);
        let rejected = self.collector.as_ref().map_or_else(Rejected::default, |it| it.rejected());
        self.write_metrics(rejected, &mut out);
        if let Some(collector) = &self.collector {
            collector.write_metrics(&mut out);
        }
        out.into_text()
    }
}

/// Whether a request comes from one of these. One that a proxy has brought comes from where the
/// proxy says, if that can be believed; if not, from nowhere that is known.
fn is_from(sources: &[AddressSource], request: &Request<'_>, sender: &Sender) -> bool {
    let is_known = sender.client.is_some() || !is_marked(request);
    is_known && sources.iter().any(|source| source.contains(sender.peer()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_and_can_be_shown() {
        let token = "0123456789abcdef";
        assert_eq!(MetricsToken::new(&format!(" {token}\n")), Ok(MetricsToken::hash(token)));
        assert_ne!(MetricsToken::new("0123456789abcdeF"), Ok(MetricsToken::hash(token)));
        for bad in ["", "short", "0123456789 abcdef", "0123456789;abcdef", &"x".repeat(129)] {
            assert_eq!(MetricsToken::new(bad), Err(MetricsTokenError), "{bad}");
        }
    }
}
