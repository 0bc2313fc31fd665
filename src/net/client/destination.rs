//! What is connected to, in the ways in which people type it.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use thiserror::Error;

use crate::net::listening::{DEFAULT_HOST, DEFAULT_PORT};

const HTTPS_PORT: u16 = 443;
const HTTP_PORT: u16 = 80;
const TELNET_PORT: u16 = 23;

/// A server to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    pub host: String,
    pub port: u16,
    pub is_tls: bool,
}

/// It is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "not an address like chat.example.com, chat.example.com:8080, [::1]:8080, :8080, tls:chat.example.com or https://chat.example.com/"
)]
pub struct NoDestination;

impl FromStr for Destination {
    type Err = NoDestination;

    /// The URL of the page leads to the port where the page is: there, lines are spoken as well.
    fn from_str(typed: &str) -> Result<Destination, NoDestination> {
        let (is_tls, port, rest) = match typed.split_once("://") {
            Some((scheme, rest)) => {
                let (is_tls, port) = match scheme.to_ascii_lowercase().as_str() {
                    "https" | "wss" => (true, HTTPS_PORT),
                    "http" | "ws" => (false, HTTP_PORT),
                    "telnet" => (false, TELNET_PORT),
                    _ => return Err(NoDestination),
                };
                (is_tls, port, rest.split(['/', '?', '#']).next().unwrap_or_default())
            }
            None => match typed.strip_prefix("tls:") {
                Some(rest) => (true, HTTPS_PORT, rest),
                None => (false, DEFAULT_PORT, typed),
            },
        };
        let (host, port) = host_and_port(rest, port)?;
        Ok(Destination { host: host.to_owned(), port, is_tls })
    }
}

fn host_and_port(typed: &str, default: u16) -> Result<(&str, u16), NoDestination> {
    if typed.parse::<Ipv6Addr>().is_ok() {
        return Ok((typed, default));
    }
    let (host, port) = match typed.strip_prefix('[') {
        Some(typed) => {
            let (host, rest) = typed.split_once(']').ok_or(NoDestination)?;
            host.parse::<Ipv6Addr>().map_err(|_| NoDestination)?;
            match rest.strip_prefix(':') {
                None if !rest.is_empty() => return Err(NoDestination),
                port => (host, port),
            }
        }
        None if typed.parse::<u16>().is_ok() => ("", Some(typed)),
        None => typed.split_once(':').map_or((typed, None), |(host, port)| (host, Some(port))),
    };
    let is_foreign = |char: char| char.is_whitespace() || "/@[]".contains(char);
    if host.contains(is_foreign) || (host, port) == ("", None) {
        return Err(NoDestination);
    }
    let port = port.map_or(Ok(default), |port| port.parse().map_err(|_| NoDestination))?;
    Ok((if host.is_empty() { DEFAULT_HOST } else { host }, port))
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_as_people_type_them() {
        for (typed, host, port, is_tls) in [
            ("chat.example.com", "chat.example.com", 8080, false),
            ("chat.example.com:9000", "chat.example.com", 9000, false),
            ("127.0.0.1", "127.0.0.1", 8080, false),
            (":9000", "127.0.0.1", 9000, false),
            ("9000", "127.0.0.1", 9000, false),
            ("::1", "::1", 8080, false),
            ("[::1]", "::1", 8080, false),
            ("[fe80::1]:9000", "fe80::1", 9000, false),
            ("tls:chat.example.com", "chat.example.com", 443, true),
            ("tls:[::1]:8443", "::1", 8443, true),
            ("tls::8443", "127.0.0.1", 8443, true),
            ("https://chat.example.com/", "chat.example.com", 443, true),
            ("HTTPS://chat.example.com:8443/#invite=CODE", "chat.example.com", 8443, true),
            ("wss://chat.example.com?name=ann", "chat.example.com", 443, true),
            ("http://127.0.0.1:8080/", "127.0.0.1", 8080, false),
            ("ws://[::1]/", "::1", 80, false),
            ("telnet://chat.example.com", "chat.example.com", 23, false),
        ] {
            let host = host.to_owned();
            assert_eq!(typed.parse(), Ok(Destination { host, port, is_tls }), "{typed}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for typed in [
            "",
            "a b",
            "host:",
            "host:port",
            "host:65536",
            "[::1",
            "[::1]9000",
            "[host]:1",
            "1:2:3",
            "ftp://host/",
            "https://",
            "https://ann@host/",
            "tls:",
            "host/path",
        ] {
            assert_eq!(typed.parse::<Destination>(), Err(NoDestination), "{typed}");
        }
    }

    #[test]
    fn it_is_shown_as_it_could_be_typed() {
        for typed in ["chat.example.com:8080", "[::1]:443"] {
            assert_eq!(typed.parse::<Destination>().map(|to| to.to_string()), Ok(typed.to_owned()));
        }
    }
}
