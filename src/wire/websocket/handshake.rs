//! The opening handshake, server side (RFC 6455 4.2).

use std::fmt;

use super::extension::{DeflateParams, negotiate_deflate};
use crate::wire::http::credential;
use crate::wire::http::forwarded::Scheme;
use crate::wire::http::origin::{self, AllowedOrigins, Origin};
use crate::wire::http::response::{Body, HttpError, Persistence, Response};
use crate::wire::http::{Method, Request, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use sha1::{Digest, Sha1};

/// RFC 6455 1.3.
const ACCEPT_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// 16 bytes in base64.
const KEY_BYTES: usize = 24;

/// Some clients draw the key's letters at random instead of its bytes, and so leave bits after the
/// sixteenth byte.
const KEY_BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// What the server agrees to.
#[derive(Debug, Clone, Copy)]
pub struct Policy<'p> {
    /// Whose pages may connect besides the server's own.
    pub allowed_origins: &'p AllowedOrigins,
    /// Only this machine can connect, so that the server's own pages are those under loopback
    /// names.
    pub is_loopback: bool,
    /// The scheme that a trusted proxy says the request came by.
    pub scheme: Option<Scheme>,
    pub subprotocols: &'p [&'static str],
    /// What may be said in the URL's query; the rest of it is not looked at.
    pub query_keys: &'p [&'static str],
    pub deflate: bool,
}

/// What was said in the URL's query, decoded, of the keys that were asked for. An empty value
/// counts as none, though the key is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(&'static str, String)>);

impl Query {
    /// The first value of this key.
    pub fn get(&self, key: &str) -> Option<&str> {
        let mut values = self.0.iter().filter(|(known, _)| *known == key);
        values.find(|(_, value)| !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// All values of this key.
    pub fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| *known == key).map(|(_, value)| value.as_str())
    }

    /// Whether this key is there, with a value or without.
    pub fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(known, _)| *known == key)
    }

    /// `name=alice&room=dev`.
    fn of(request: &Request<'_>, keys: &[&'static str]) -> Result<Query, HttpError> {
        let mut query = Query::default();
        for (key, value) in request.query_pairs() {
            let Some(key) = keys.iter().find(|known| **known == key) else { continue };
            let value = value.ok_or(HttpError::UPGRADE_QUERY)?;
            if query.get(key).is_none() && !(value.is_empty() && query.has(key)) {
                query.0.push((key, value));
            }
        }
        Ok(query)
    }
}

impl FromIterator<(&'static str, String)> for Query {
    fn from_iter<T: IntoIterator<Item = (&'static str, String)>>(pairs: T) -> Query {
        Query(pairs.into_iter().collect())
    }
}

/// A handshake that succeeded.
#[derive(Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// The whole 101 response; the next byte of the connection belongs to a frame.
    pub response: Vec<u8>,
    pub subprotocol: Option<&'static str>,
    pub deflate: Option<DeflateParams>,
    pub query: Query,
    /// What the client shows to be known by.
    pub credential: Option<Box<str>>,
}

/// Whether a request means to open a WebSocket, well or badly: then [`evaluate`] answers it, else
/// the site does.
pub fn is_upgrade(request: &Request<'_>) -> bool {
    has_token(request, "upgrade", "websocket")
        || request.values("sec-websocket-key").next().is_some()
}

/// Answers an upgrade request on any path. `date` is an IMF-fixdate, if there is a clock.
///
/// # Errors
/// The refusal, to be sent before the connection is closed.
pub fn evaluate(
    request: &Request<'_>,
    policy: &Policy<'_>,
    date: Option<&str>,
) -> Result<Upgrade, HttpError> {
    refuse_wrong_request(request)?;
    let accept = accept_key(parse_key(request)?);
    refuse_foreign_origin(request, policy)?;
    let credential = read_credential(request, policy)?;
    let subprotocol = select_subprotocol(request, policy.subprotocols);
    // Read also when it is off: a malformed field is an error all the same.
    let deflate = negotiate_deflate(request.values("sec-websocket-extensions"))
        .map_err(|_| HttpError::UPGRADE_EXTENSIONS)?
        .filter(|_| policy.deflate);
    let query = Query::of(request, policy.query_keys)?;

    let extensions = deflate.map(DeflateParams::to_field);
    let mut fields = vec![
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", &accept),
    ];
    fields.extend(subprotocol.map(|selected| ("Sec-WebSocket-Protocol", selected)));
    fields.extend(extensions.as_deref().map(|accepted| ("Sec-WebSocket-Extensions", accepted)));
    let response = Response::new(101, &fields, Body::Absent, Persistence::KeepAlive, date).head;
    let credential = credential.map(Box::from);
    Ok(Upgrade { response, subprotocol, deflate, query, credential })
}

/// RFC 6455 4.2.1, points 1 to 4 and 6.
fn refuse_wrong_request(request: &Request<'_>) -> Result<(), HttpError> {
    if request.method != Method::Get {
        return Err(HttpError::UPGRADE_METHOD);
    }
    if request.version != Version::Http11 {
        return Err(HttpError::UPGRADE_HTTP10);
    }
    if !has_token(request, "upgrade", "websocket") {
        return Err(HttpError::UPGRADE_MISSING);
    }
    if !has_token(request, "connection", "upgrade") {
        return Err(HttpError::UPGRADE_CONNECTION);
    }
    match request.single("sec-websocket-version")? {
        Some("13") => Ok(()),
        _ => Err(HttpError::UPGRADE_VERSION),
    }
}

fn has_token(request: &Request<'_>, field: &str, token: &str) -> bool {
    request.list(field).any(|one| one.eq_ignore_ascii_case(token.as_bytes()))
}

fn parse_key<'b>(request: &Request<'b>) -> Result<&'b str, HttpError> {
    let key = request.single("sec-websocket-key")?.ok_or(HttpError::UPGRADE_KEY)?;
    let decoded = if key.len() == KEY_BYTES { KEY_BASE64.decode(key).ok() } else { None };
    if decoded.is_some_and(|decoded| decoded.len() == 16) {
        Ok(key)
    } else {
        Err(HttpError::UPGRADE_KEY)
    }
}

fn accept_key(key: &str) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(ACCEPT_GUID).finalize())
}

/// Keeps pages of other sites from using their visitors' browsers (RFC 6455 10.2). Programs send no
/// Origin and can claim any, so they are no concern of this.
fn refuse_foreign_origin(request: &Request<'_>, policy: &Policy<'_>) -> Result<(), HttpError> {
    match request.single("origin") {
        Ok(None) => Ok(()),
        Ok(Some(origin)) => admit_page(origin, request.host, policy),
        Err(_) => Err(HttpError::UPGRADE_ORIGIN),
    }
}

/// The token that a program shows, or else the cookie of our page.
///
/// # Errors
/// There is a cookie, and nothing shows that the page is ours: another one could use it.
fn read_credential<'b>(
    request: &Request<'b>,
    policy: &Policy<'_>,
) -> Result<Option<&'b str>, HttpError> {
    let cookie = credential::cookie(request);
    if cookie.is_some() {
        refuse_other_page(request, policy)?;
    }
    Ok(credential::bearer(request).or(cookie))
}

/// Refuses what has come from elsewhere than a page of ours.
///
/// # Errors
/// Why not.
pub fn refuse_other_page(request: &Request<'_>, policy: &Policy<'_>) -> Result<(), HttpError> {
    match request.single("origin") {
        Ok(Some(origin)) => match admit_own_page(origin, request.host, policy) {
            Err(HttpError::UPGRADE_ORIGIN) => Err(HttpError::COOKIE_ORIGIN),
            admitted => admitted,
        },
        _ => Err(HttpError::COOKIE_ORIGIN),
    }
}

/// Whether pages of `origin`, as a browser writes it, may open WebSockets to `host`.
///
/// Whose name is pointed at this machine after its page was loaded has a page of the same origin as
/// this server (DNS rebinding). Where only this machine can connect, the server's own names are
/// known, and no others are taken for it.
///
/// # Errors
/// Why not.
pub fn admit_page(origin: &str, host: &str, policy: &Policy<'_>) -> Result<(), HttpError> {
    match policy.allowed_origins.is_any() {
        true => Ok(()),
        false => admit_own_page(origin, host, policy),
    }
}

/// Whether pages of `origin`, as a browser writes it, may do what only the server's own may, such as
/// use somebody's cookie: it has the server's origin, or one that is named by itself.
///
/// # Errors
/// Why not.
pub fn admit_own_page(origin: &str, host: &str, policy: &Policy<'_>) -> Result<(), HttpError> {
    if policy.allowed_origins.names(origin) {
        return Ok(());
    }
    if !origin::is_same(origin, host, policy.scheme) {
        return Err(HttpError::UPGRADE_ORIGIN);
    }
    let is_ours =
        !policy.is_loopback || origin::is_loopback(host) || policy.allowed_origins.names_host(host);
    if is_ours { Ok(()) } else { Err(HttpError::UPGRADE_HOST) }
}

/// Who a refused page was, and what an operator who knows it can do, for a line of the log.
#[derive(Debug, Clone, Copy)]
pub struct RefusedPage<'r, 'b> {
    pub request: &'r Request<'b>,
    pub error: HttpError,
    /// As in [`Policy`].
    pub is_loopback: bool,
    pub scheme: Option<Scheme>,
}

impl fmt::Display for RefusedPage<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origins: Vec<_> = self.request.values("origin").map(Shown).collect();
        let (origins, host) = (Shown::join(&origins), Shown(self.request.host.as_bytes()));
        match self.error {
            HttpError::UPGRADE_HOST => write!(
                f,
                "this server listens on loopback, and Host \"{host}\" (Origin \"{origins}\") is no loopback name; if it is yours"
            )?,
            _ => {
                write!(f, "Origin \"{origins}\" is not that of Host \"{host}\"")?;
                if let Some(scheme) = self.scheme {
                    write!(f, ", which a proxy says came by {}", scheme.as_str())?;
                }
                f.write_str("; if both are yours")?;
            }
        }
        let origin = self
            .request
            .single("origin")
            .ok()
            .flatten()
            .and_then(|origin| origin.parse::<Origin>().ok());
        if let Some(origin) = origin {
            write!(f, ", start with --allow-origin {origin}")?;
        }
        // On loopback its name would have to be allowed all the same.
        if !self.is_loopback {
            f.write_str(", or let the proxy pass Host on as it came")?;
        }
        Ok(())
    }
}

/// Shown of what a client claims.
const SHOWN_BYTES_MAX: usize = 200;

/// A client's words as a line of the log can hold them.
struct Shown<'b>(&'b [u8]);

impl Shown<'_> {
    fn join(several: &[Shown<'_>]) -> String {
        several.iter().map(Shown::to_string).take(3).collect::<Vec<_>>().join("\", \"")
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(SHOWN_BYTES_MAX)];
        write!(f, "{}{}", shown.escape_ascii(), if shown.len() < self.0.len() { "..." } else { "" })
    }
}

/// The first that the client offers and the server has. To unknown ones no field answers, and it is
/// for the client to decide whether it goes on (RFC 6455 4.2.2).
fn select_subprotocol(request: &Request<'_>, supported: &[&'static str]) -> Option<&'static str> {
    let find = |offered: &[u8]| supported.iter().copied().find(|one| one.as_bytes() == offered);
    request.list("sec-websocket-protocol").find_map(find)
}
