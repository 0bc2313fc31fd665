//! What a proxy has added to a request: whose it is, and how it came to the proxy.

use std::net::{IpAddr, SocketAddr};

use super::{Request, is_authority};

/// The scheme of a page, as a proxy has seen it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// What X-Forwarded-For, -Proto and -Host say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forwarded<'b> {
    /// The port is 0 unless it is said.
    pub client: Option<SocketAddr>,
    pub scheme: Option<Scheme>,
    pub host: Option<&'b str>,
}

impl<'b> Forwarded<'b> {
    /// Reads what the last proxy, which is trusted, has added; `None` if there is nothing.
    ///
    /// Each proxy adds the address that it was connected from at the end of X-Forwarded-For, so the
    /// last one of a client is the last that is no proxy's. What stands before it anybody could
    /// have written. Of the other fields the last value is our proxy's.
    pub fn read(request: &Request<'b>, is_proxy: impl Fn(IpAddr) -> bool) -> Option<Forwarded<'b>> {
        let addresses: Vec<&[u8]> = request.list("x-forwarded-for").collect();
        let mut client = None;
        for address in addresses.iter().rev().map_while(|address| parse_address(address)) {
            client = Some(address);
            if !is_proxy(address.ip()) {
                break;
            }
        }
        let scheme = request.list("x-forwarded-proto").last();
        let host = request.list("x-forwarded-host").last();
        if addresses.is_empty() && scheme.is_none() && host.is_none() {
            return None;
        }
        let host = host.and_then(|host| str::from_utf8(host).ok());
        Some(Forwarded {
            client,
            scheme: scheme.and_then(parse_scheme),
            host: host.filter(|host| is_authority(host)),
        })
    }
}

/// What proxies add of their own accord, or are told to.
const MARKS: [&str; 6] =
    ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "forwarded", "via"];

/// Whether a proxy, trusted or not, has left a mark on a request.
pub fn is_marked(request: &Request<'_>) -> bool {
    MARKS.iter().any(|mark| request.values(mark).next().is_some())
}

/// An address, or one with its port, as some proxies write it.
fn parse_address(text: &[u8]) -> Option<SocketAddr> {
    let text = str::from_utf8(text).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = match bare.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, 0),
        Err(_) => text.parse().ok()?,
    };
    let ip = address.ip().to_canonical();
    (!ip.is_unspecified()).then(|| SocketAddr::new(ip, address.port()))
}

fn parse_scheme(text: &[u8]) -> Option<Scheme> {
    let is = |names: [&[u8]; 2]| names.iter().any(|name| name.eq_ignore_ascii_case(text));
    if is([b"https", b"wss"]) {
        Some(Scheme::Https)
    } else if is([b"http", b"ws"]) {
        Some(Scheme::Http)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    /// What these fields say, behind proxies at 10.x and ::1.
    fn read(fields: &str) -> Option<(Option<String>, Option<Scheme>, Option<String>)> {
        let head = format!("GET / HTTP/1.1\r\nHost: inside:8080\r\n{fields}\r\n");
        let (request, _) = parse(head.as_bytes()).expect("a request").expect("a whole one");
        let is_proxy = |ip: IpAddr| ip.to_string().starts_with("10.") || ip.is_loopback();
        let said = Forwarded::read(&request, is_proxy)?;
        Some((
            said.client.map(|client| crate::ids::Peer::from(client).to_string()),
            said.scheme,
            said.host.map(str::to_owned),
        ))
    }

    #[track_caller]
    fn client(fields: &str, client: Option<&str>) {
        assert_eq!(read(fields), Some((client.map(str::to_owned), None, None)), "{fields:?}");
    }

    #[test]
    fn the_client_is_the_last_address_that_is_no_proxy_s() {
        client("X-Forwarded-For: 203.0.113.7\r\n", Some("203.0.113.7"));
        client("X-Forwarded-For: 203.0.113.7, 10.0.0.1,10.0.0.2\r\n", Some("203.0.113.7"));
        client("X-Forwarded-For: 203.0.113.7:51234, ::1\r\n", Some("203.0.113.7:51234"));
        client("X-Forwarded-For: 2001:db8::7\r\n", Some("2001:db8::7"));
        client("X-Forwarded-For: [2001:db8::7]\r\n", Some("2001:db8::7"));
        client("X-Forwarded-For: [2001:db8::7]:51234\r\n", Some("[2001:db8::7]:51234"));
        client("X-Forwarded-For: ::ffff:203.0.113.7\r\n", Some("203.0.113.7"));
        // What it has written itself comes first.
        client(
            "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 203.0.113.7\r\n",
            Some("203.0.113.7"),
        );
        client(
            "X-Forwarded-For: 10.0.0.9, 192.0.2.1, 203.0.113.7, 10.0.0.1\r\n",
            Some("203.0.113.7"),
        );
        let many = format!("X-Forwarded-For: {}203.0.113.7\r\n", "192.0.2.1, ".repeat(100));
        client(&many, Some("203.0.113.7"));
        // All are proxies: one of them asks for itself.
        client("X-Forwarded-For: 10.0.0.3, 10.0.0.2\r\n", Some("10.0.0.3"));
    }

    #[test]
    fn behind_garbage_nothing_is_believed() {
        client("X-Forwarded-For: unknown\r\n", None);
        client("X-Forwarded-For: 203.0.113.7, unknown\r\n", None);
        client("X-Forwarded-For: 203.0.113.7, \u{1F4A9}, 10.0.0.1\r\n", Some("10.0.0.1"));
        client("X-Forwarded-For: 0.0.0.0\r\n", None);
        client("X-Forwarded-For: 203.0.113.7:x\r\n", None);
        client("X-Forwarded-For: [::1\r\n", None);
        assert_eq!(read("X-Forwarded-For: ,\r\n"), None);
        assert_eq!(read(""), None);
        assert_eq!(read("Forwarded: for=203.0.113.7\r\n"), None, "another field");
    }

    #[test]
    fn scheme_and_host_are_the_last_ones() {
        let said = |scheme, host: Option<&str>| Some((None, scheme, host.map(str::to_owned)));
        for (fields, expected) in [
            ("X-Forwarded-Proto: https\r\n", said(Some(Scheme::Https), None)),
            ("X-Forwarded-Proto: http, WSS\r\n", said(Some(Scheme::Https), None)),
            ("X-Forwarded-Proto: ws\r\n", said(Some(Scheme::Http), None)),
            ("X-Forwarded-Proto: gopher\r\n", said(None, None)),
            ("X-Forwarded-Host: a.example:8443\r\n", said(None, Some("a.example:8443"))),
            ("X-Forwarded-Host: b, a.example\r\n", said(None, Some("a.example"))),
            ("X-Forwarded-Host: a.example; script-src *\r\n", said(None, None)),
            ("X-Forwarded-Host: \u{E9}\r\n", said(None, None)),
        ] {
            assert_eq!(read(fields), expected, "{fields:?}");
        }
    }
}
