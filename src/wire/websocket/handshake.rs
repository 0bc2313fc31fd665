//! The opening handshake, server side (RFC 6455 4.2).

use super::extension::{DeflateParams, negotiate_deflate};
use crate::wire::http::response::{Body, Connection, HttpError, Response};
use crate::wire::http::{Method, Request, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode_str;
use sha1::{Digest, Sha1};

/// RFC 6455 1.3.
const ACCEPT_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// 16 bytes in base64.
const KEY_BYTES: usize = 24;

/// Some clients draw the key's letters at random instead of its bytes, and so leave bits after the sixteenth byte.
const KEY_BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// What the server agrees to.
#[derive(Debug, Clone, Copy)]
pub struct Policy<'p> {
    /// Origins besides the server's own whose pages may connect, as browsers write them; `*` is any.
    pub allowed_origins: &'p [String],
    pub subprotocols: &'p [&'static str],
    pub deflate: bool,
}

/// A handshake that succeeded.
#[derive(Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// The whole 101 response; the next byte of the connection belongs to a frame.
    pub response: Vec<u8>,
    pub subprotocol: Option<&'static str>,
    pub deflate: Option<DeflateParams>,
    /// The query's `name`; an empty one counts as none.
    pub name: Option<String>,
    /// The query's `room`; an empty one counts as none.
    pub room: Option<String>,
}

/// Whether a request means to open a WebSocket, well or badly: then [`evaluate`] answers it, else the site does.
pub fn is_upgrade(request: &Request<'_>) -> bool {
    has_token(request, "upgrade", "websocket") || request.values("sec-websocket-key").next().is_some()
}

/// Answers an upgrade request on any path. `date` is an IMF-fixdate, if there is a clock.
///
/// # Errors
/// The refusal, to be sent before the connection is closed.
pub fn evaluate(request: &Request<'_>, policy: &Policy<'_>, date: Option<&str>) -> Result<Upgrade, HttpError> {
    refuse_wrong_request(request)?;
    let accept = accept_key(parse_key(request)?);
    refuse_foreign_origin(request, policy.allowed_origins)?;
    let subprotocol = select_subprotocol(request, policy.subprotocols);
    // Read also when it is off: a malformed field is an error all the same.
    let deflate = negotiate_deflate(request.values("sec-websocket-extensions"))
        .map_err(|_| HttpError::UPGRADE_EXTENSIONS)?
        .filter(|_| policy.deflate);
    let Query { name, room } = parse_query(request.query)?;

    let extensions = deflate.map(DeflateParams::to_field);
    let mut fields = vec![("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", &accept)];
    fields.extend(subprotocol.map(|selected| ("Sec-WebSocket-Protocol", selected)));
    fields.extend(extensions.as_deref().map(|accepted| ("Sec-WebSocket-Extensions", accepted)));
    let response = Response::new(101, &fields, Body::Absent, Connection::KeepAlive, date).head;
    Ok(Upgrade { response, subprotocol, deflate, name, room })
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
    if decoded.is_some_and(|decoded| decoded.len() == 16) { Ok(key) } else { Err(HttpError::UPGRADE_KEY) }
}

fn accept_key(key: &str) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(ACCEPT_GUID).finalize())
}

/// Keeps pages of other sites from using their visitors' browsers (RFC 6455 10.2). Programs send no Origin and can
/// claim any, so they are no concern of this.
fn refuse_foreign_origin(request: &Request<'_>, allowed_origins: &[String]) -> Result<(), HttpError> {
    let is_allowed = match request.single("origin") {
        Ok(None) => true,
        Ok(Some(origin)) => {
            is_same_origin(origin, request.host)
                || allowed_origins.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin))
        }
        Err(_) => false,
    };
    if is_allowed { Ok(()) } else { Err(HttpError::UPGRADE_ORIGIN) }
}

/// Whether `origin`, as a browser writes it, is on `host`. The scheme only says which port may be left out: behind a
/// proxy that does TLS we can not know which scheme the page came by.
fn is_same_origin(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let default_port = match scheme {
        _ if scheme.eq_ignore_ascii_case("http") => ":80",
        _ if scheme.eq_ignore_ascii_case("https") => ":443",
        _ => return false,
    };
    let without_port =
        |authority: &'_ str| authority.strip_suffix(default_port).unwrap_or(authority).to_ascii_lowercase();
    !authority.is_empty() && without_port(authority) == without_port(host)
}

/// The first that the client offers and the server has. To unknown ones no field answers, and it is for the client to
/// decide whether it goes on (RFC 6455 4.2.2).
fn select_subprotocol(request: &Request<'_>, supported: &[&'static str]) -> Option<&'static str> {
    let find = |offered: &[u8]| supported.iter().copied().find(|one| one.as_bytes() == offered);
    request.list("sec-websocket-protocol").find_map(find)
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Query {
    name: Option<String>,
    room: Option<String>,
}

/// `name=alice&room=dev`; of two with the same key the first counts.
fn parse_query(query: &str) -> Result<Query, HttpError> {
    let mut parsed = Query::default();
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let slot = match key {
            "name" => &mut parsed.name,
            "room" => &mut parsed.room,
            _ => continue,
        };
        let value = decode_value(value)?;
        if slot.is_none() && !value.is_empty() {
            *slot = Some(value);
        }
    }
    Ok(parsed)
}

/// As forms encode it: a plus is a space.
fn decode_value(value: &str) -> Result<String, HttpError> {
    let value = value.replace('+', " ");
    let decoded = percent_decode_str(&value).decode_utf8().map_err(|_| HttpError::UPGRADE_QUERY)?;
    Ok(decoded.into_owned())
}
