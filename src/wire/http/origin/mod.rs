//! Web origins (RFC 6454), and whose pages may open WebSockets here.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

use super::forwarded::Scheme;

/// Where a page comes from, in one form for all ways to write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `null`: sandboxed frames, pages from files, and whatever else has no origin to show.
    Opaque,
    Place(Place),
}

/// `https://chat.example`, and what webviews and extensions have in its place: `tauri://localhost`,
/// `file://`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// In lower case.
    scheme: String,
    /// In lower case; IPv6 addresses in brackets. Empty only with `file`.
    host: String,
    /// `None`: the one that goes without saying.
    port: Option<u16>,
}

/// Why a text is no origin.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct OriginError(String);

fn wrong<T>(what: impl Into<String>) -> Result<T, OriginError> {
    Err(OriginError(what.into()))
}

impl fmt::Display for Origin {
    /// As browsers write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Opaque => f.write_str("null"),
            Origin::Place(Place { scheme, host, port: None }) => write!(f, "{scheme}://{host}"),
            Origin::Place(Place { scheme, host, port: Some(port) }) => {
                write!(f, "{scheme}://{host}:{port}")
            }
        }
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    /// Reads what a browser sends in its Origin field.
    fn from_str(text: &str) -> Result<Origin, OriginError> {
        if text.eq_ignore_ascii_case("null") {
            return Ok(Origin::Opaque);
        }
        let Some((scheme, authority)) = text.split_once("://") else {
            return wrong(format!(
                "an origin is SCHEME://HOST or SCHEME://HOST:PORT{}",
                meant(text)
            ));
        };
        let scheme = parse_scheme(scheme)?;
        if scheme == "file" && authority.is_empty() {
            return Ok(Origin::Place(Place { scheme, host: String::new(), port: None }));
        }
        if authority.contains(['/', '?', '#', '\\']) {
            return wrong("an origin has no path and no query: it ends with the host or the port");
        }
        if authority.contains('@') {
            return wrong("an origin has no user name and no password");
        }
        let (host, port) = split_port(authority);
        let host = if is_web(&scheme) { parse_web_host(host)? } else { parse_other_host(host)? };
        let port = parse_port(port)?.filter(|port| default_port(&scheme) != Some(*port));
        Ok(Origin::Place(Place { scheme, host, port }))
    }
}

fn is_web(scheme: &str) -> bool {
    default_port(scheme).is_some()
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// What was meant if the scheme was left out.
fn meant(text: &str) -> String {
    let scheme = if is_loopback(split_port(text).0) { "http" } else { "https" };
    let candidate = format!("{scheme}://{}", text.trim_end_matches('/'));
    match candidate.parse::<Origin>() {
        Ok(_) if !text.contains(['/', '*']) => format!("; did you mean {candidate}?"),
        _ => String::new(),
    }
}

/// RFC 3986 3.1. Pages have no origin of `ws` or `wss`: those are what a WebSocket is opened with.
fn parse_scheme(scheme: &str) -> Result<String, OriginError> {
    let scheme = scheme.to_ascii_lowercase();
    let mut bytes = scheme.bytes();
    let begins = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase());
    if !begins || !bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) {
        return wrong(format!("{scheme:?} is no scheme, such as https"));
    }
    match scheme.as_str() {
        "ws" => wrong("pages come by http or https; give http:// in place of ws://"),
        "wss" => wrong("pages come by http or https; give https:// in place of wss://"),
        "http" | "https" => Ok(scheme),
        "ftp" | "ftps" | "tcp" | "tls" | "ssl" => {
            wrong(format!("no page comes by {scheme}; give http:// or https://"))
        }
        // Typing errors leave out, double or swap a letter.
        typo if typo.len() <= 7 && typo.bytes().all(|byte| b"htps".contains(&byte)) => {
            wrong(format!("{scheme:?} is no scheme; did you mean https?"))
        }
        _ => Ok(scheme),
    }
}

/// Splits `host:port`, where the host may be an IPv6 address in brackets; the port may be missing
/// or empty.
fn split_port(authority: &str) -> (&str, &str) {
    match authority.rfind([':', ']']) {
        Some(colon) if authority.as_bytes()[colon] == b':' => {
            (&authority[..colon], &authority[colon + 1..])
        }
        _ => (authority, ""),
    }
}

fn parse_port(port: &str) -> Result<Option<u16>, OriginError> {
    match port {
        "" => Ok(None),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => match digits.parse() {
            Ok(0) => wrong("0 is no port that a page comes from"),
            Ok(port) => Ok(Some(port)),
            Err(_) => wrong(format!("{digits} is no port; they end at 65535")),
        },
        other => wrong(format!("{other:?} is no port")),
    }
}

/// A host of http or https, in the form that browsers bring it into.
fn parse_web_host(host: &str) -> Result<String, OriginError> {
    if host.contains('*') {
        return wrong(
            "no part of an origin can be left open: name each one, or give * alone for any origin",
        );
    }
    if !host.is_ascii() {
        return wrong("give the host as browsers send it, in ASCII (Punycode): xn--...");
    }
    if let Some(literal) = host.strip_prefix('[') {
        let address =
            literal.strip_suffix(']').and_then(|address| address.parse::<Ipv6Addr>().ok());
        return address.map_or_else(
            || wrong(format!("{host} is no IPv6 address")),
            |address| Ok(format!("[{address}]")),
        );
    }
    let host = host.to_ascii_lowercase();
    if host.is_empty()
        || !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
    {
        return wrong(format!("{host:?} is no host"));
    }
    if host.strip_suffix('.').unwrap_or(&host).split('.').any(str::is_empty) {
        return wrong(format!("{host:?} has an empty part"));
    }
    // Browsers take a host for an IPv4 address if its last label is a number, and send it with four
    // of them.
    let last = host.strip_suffix('.').unwrap_or(&host).rsplit('.').next().unwrap_or_default();
    let is_number = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit())
        || last.starts_with("0x");
    if is_number && host.parse::<Ipv4Addr>().is_err() {
        return wrong(format!(
            "{host:?} is no IPv4 address as browsers send it, such as 127.0.0.1"
        ));
    }
    Ok(host)
}

/// What stands for the host in other schemes, such as the id of an extension.
fn parse_other_host(host: &str) -> Result<String, OriginError> {
    if host.contains('*') {
        return parse_web_host(host);
    }
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b".-_~{}".contains(&byte);
    match !host.is_empty() && host.bytes().all(is_good) {
        true => Ok(host.to_ascii_lowercase()),
        false => wrong(format!("{host:?} is no host")),
    }
}

// ---- Who may connect ----

/// One value of `--allow-origin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// `*`: any.
    Any,
    This(Origin),
}

impl FromStr for Allowed {
    type Err = OriginError;

    /// As people write it: with spaces around it, as behind a comma, and a slash at the end, as
    /// copied from a browser.
    fn from_str(given: &str) -> Result<Allowed, OriginError> {
        match given.trim() {
            "" => wrong("an origin is missing; leave the option out to allow none"),
            "*" => Ok(Allowed::Any),
            given if given.to_ascii_lowercase().starts_with("file:///") => {
                wrong("the origin of files is file:// or null")
            }
            given => {
                let is_bare = given.ends_with("://");
                let origin = given.strip_suffix('/').filter(|_| !is_bare).unwrap_or(given);
                origin.parse().map(Allowed::This)
            }
        }
    }
}

/// Whose pages may open WebSockets besides the server's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedOrigins(Vec<Allowed>);

impl From<Vec<Allowed>> for AllowedOrigins {
    fn from(allowed: Vec<Allowed>) -> AllowedOrigins {
        AllowedOrigins(allowed)
    }
}

impl AllowedOrigins {
    /// Whether pages of any origin may.
    pub fn is_any(&self) -> bool {
        self.0.contains(&Allowed::Any)
    }

    /// Whether pages of this origin may.
    pub fn allows(&self, origin: &str) -> bool {
        self.is_any() || self.names(origin)
    }

    /// Whether this origin is named by itself.
    pub fn names(&self, origin: &str) -> bool {
        origin.parse().is_ok_and(|origin| self.0.contains(&Allowed::This(origin)))
    }

    /// Whether the host of a request is that of one of the origins.
    pub fn names_host(&self, host: &str) -> bool {
        let host = bare_host(host);
        let is_it = |allowed: &Allowed| match allowed {
            Allowed::This(Origin::Place(place)) => {
                is_web(&place.scheme) && bare_host(&place.host) == host
            }
            Allowed::This(Origin::Opaque) | Allowed::Any => false,
        };
        self.0.iter().any(is_it)
    }
}

/// Without its port, in lower case, and without the dot that ends an absolute name.
fn bare_host(host: &str) -> String {
    let host = split_port(host).0;
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// Whether `host[:port]` can only be this machine: no zone of the DNS has a say in these names (RFC
/// 6761 6.3).
pub fn is_loopback(host: &str) -> bool {
    let host = bare_host(host);
    let address = match host.strip_prefix('[').and_then(|literal| literal.strip_suffix(']')) {
        Some(literal) => {
            let address = literal.split('%').next().unwrap_or_default();
            address.parse::<Ipv6Addr>().map(|address| IpAddr::from(address).to_canonical()).ok()
        }
        None => host.parse::<Ipv4Addr>().map(IpAddr::from).ok(),
    };
    match address {
        Some(address) => address.is_loopback(),
        None => host == "localhost" || host.ends_with(".localhost"),
    }
}

/// Whether a page of `origin` is on a loopback name, as a browser writes it.
pub fn is_of_loopback(origin: &str) -> bool {
    matches!(origin.parse(), Ok(Origin::Place(place)) if is_web(&place.scheme) && is_loopback(&place.host))
}

/// Whether a page of `origin`, as a browser writes it, has come by TLS: such a page opens no
/// connection without (Mixed Content 5.1).
pub fn is_https(origin: &str) -> bool {
    matches!(origin.parse(), Ok(Origin::Place(place)) if place.scheme == "https")
}

/// Whether `origin`, as a browser writes it, is on `host`. Unless `came_by` is known, the scheme
/// only says which port may be left out: a proxy that does TLS may not have told us which scheme
/// the page came by.
pub fn is_same(origin: &str, host: &str, came_by: Option<Scheme>) -> bool {
    let Ok(Origin::Place(Place { scheme, host: own, port })) = origin.parse() else { return false };
    if !is_web(&scheme) || came_by.is_some_and(|known| known.as_str() != scheme) {
        return false;
    }
    let there: Result<Origin, _> = format!("{scheme}://{host}").parse();
    matches!(there, Ok(Origin::Place(place)) if place.host == own && place.port == port)
}

#[cfg(test)]
mod tests;
