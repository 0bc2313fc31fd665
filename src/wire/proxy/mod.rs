//! The header that a proxy puts before what its client sends, to say whose it is: versions 1 and 2
//! of HAProxy's PROXY protocol (proxy-protocol.txt, 2.1 and 2.2).
//!
//! The crates for it are made for ports on which a header always comes: they ask for 15 bytes
//! before they say that there is none, and a line may be shorter; and they wait for whatever
//! length a header claims.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use thiserror::Error;

/// The longest header of version 1, with its line ending (2.1).
pub const V1_BYTES_MAX: usize = 107;
/// The longest header of version 2 that is taken. What a proxy adds to the addresses, such as the
/// names of certificates, takes a few hundred bytes; nginx takes as much.
pub const V2_BYTES_MAX: usize = 4096;

/// What a header of version 1 begins with.
const V1: [&[u8]; 3] = [b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN"];
/// What a header of version 2 begins with.
pub const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// With version and command, family and protocol, and the length of the rest.
const V2_START_BYTES: usize = 16;

/// What says how the client has come by TLS, behind the addresses (2.2.5, PP2_TYPE_SSL).
const SSL: u8 = 0x20;
/// Its first byte: the client has come by TLS (PP2_CLIENT_SSL).
const SSL_CLIENT: u8 = 0x01;
/// With that byte, whether the client's certificate is good.
const SSL_BYTES_MIN: usize = 5;

/// A whole header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Where the client comes from. `None`: the proxy speaks for itself, as it does to check our
    /// health, or does not know.
    pub source: Option<SocketAddr>,
    /// The client has come to the proxy by TLS, as far as the proxy says.
    pub is_protected: bool,
    /// The length of the header.
    pub bytes: usize,
}

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// A header may begin here, or nothing has come.
    NeedMore,
    Header(Header),
    /// Something else.
    Other,
}

/// What begins as a header and is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HeaderError {
    #[error("it is not whole")]
    Cut,
    #[error("its line is malformed")]
    Line,
    #[error("its version or command is not known")]
    Version,
    #[error("its length is less than its addresses take")]
    TooShort,
    #[error("it is longer than {V2_BYTES_MAX} bytes")]
    TooLong,
    #[error("what follows its addresses is malformed")]
    Extras,
}

/// Looks at all that has come; to be asked again with more while it is [`Start::NeedMore`].
///
/// # Errors
/// It is a header, and malformed: nobody knows what follows it.
pub fn parse(input: &[u8]) -> Result<Start, HeaderError> {
    let may_begin = |start: &[u8]| start.starts_with(&input[..input.len().min(start.len())]);
    if input.len() >= V2.len() && may_begin(V2) {
        return parse_v2(input);
    }
    match V1.into_iter().find(|start| input.len() >= start.len() && may_begin(start)) {
        Some(start) => parse_v1(input, start),
        None if may_begin(V2) || V1.into_iter().any(may_begin) => Ok(Start::NeedMore),
        None => Ok(Start::Other),
    }
}

/// What follows the header, if there is a whole one.
pub fn without_header(input: &[u8]) -> &[u8] {
    match parse(input) {
        Ok(Start::Header(header)) => &input[header.bytes..],
        _ => input,
    }
}

/// Whether so much has come that only a header begins so.
pub fn is_begun(input: &[u8]) -> bool {
    input.starts_with(&V2[..5]) || input.starts_with(b"PROXY ") && parse(input) != Ok(Start::Other)
}

fn parse_v1(input: &[u8], start: &[u8]) -> Result<Start, HeaderError> {
    let line = &input[..input.len().min(V1_BYTES_MAX)];
    let Some(end) = line.iter().position(|&byte| byte == b'\n') else {
        return if line.len() < V1_BYTES_MAX {
            Ok(Start::NeedMore)
        } else {
            Err(HeaderError::Line)
        };
    };
    let rest = line[start.len()..end].strip_suffix(b"\r").ok_or(HeaderError::Line)?;
    let source = match start {
        b"PROXY TCP4 " => source_v1::<Ipv4Addr>(rest).ok_or(HeaderError::Line)?,
        b"PROXY TCP6 " => source_v1::<Ipv6Addr>(rest).ok_or(HeaderError::Line)?,
        // What stands behind it is to be ignored.
        _ if rest.first().is_none_or(|&byte| byte == b' ') => None,
        _ => return Err(HeaderError::Line),
    };
    Ok(Start::Header(Header { source, is_protected: false, bytes: end + 1 }))
}

/// Source, destination, and their ports.
fn source_v1<T: FromStr + Into<IpAddr>>(rest: &[u8]) -> Option<Option<SocketAddr>> {
    let mut words = str::from_utf8(rest).ok()?.split(' ');
    let (source, destination) = (words.next()?.parse::<T>().ok()?, words.next()?);
    destination.parse::<T>().ok()?;
    let (port, _) = (port(words.next()?)?, port(words.next()?)?);
    words.next().is_none().then(|| known(source, port))
}

fn port(digits: &str) -> Option<u16> {
    // `u16::from_str` takes `+5`.
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn parse_v2(input: &[u8]) -> Result<Start, HeaderError> {
    let Some((start, rest)) = input.split_first_chunk::<V2_START_BYTES>() else {
        return Ok(Start::NeedMore);
    };
    let [.., command, family, high, low] = *start;
    let is_local = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err(HeaderError::Version),
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let bytes = V2_START_BYTES + length;
    if bytes > V2_BYTES_MAX {
        return Err(HeaderError::TooLong);
    }
    let Some(rest) = rest.get(..length) else { return Ok(Start::NeedMore) };
    let (source, extras) = match family {
        _ if is_local => (None, &[][..]),
        // TCP over IPv4 and over IPv6.
        0x11 => source_v2::<4, 12>(rest).ok_or(HeaderError::TooShort)?,
        0x21 => source_v2::<16, 36>(rest).ok_or(HeaderError::TooShort)?,
        // Unix sockets, datagrams and what is not specified: there is no address.
        _ => (None, &[][..]),
    };
    let is_protected = says_tls(extras).ok_or(HeaderError::Extras)?;
    Ok(Start::Header(Header { source, is_protected, bytes }))
}

/// Source and destination, of `N` bytes each, and their ports: `ALL` bytes. Returns the source, and
/// what follows.
fn source_v2<const N: usize, const ALL: usize>(rest: &[u8]) -> Option<(Option<SocketAddr>, &[u8])>
where
    IpAddr: From<[u8; N]>,
{
    let (addresses, extras) = rest.split_first_chunk::<ALL>()?;
    let ip = IpAddr::from(*addresses.first_chunk::<N>()?);
    let port = u16::from_be_bytes([addresses[2 * N], addresses[2 * N + 1]]);
    Some((known(ip, port), extras))
}

/// Whether these values, each behind its type and its length, say that the client has come by TLS.
/// `None`: they are malformed.
fn says_tls(mut extras: &[u8]) -> Option<bool> {
    let mut is_protected = false;
    while !extras.is_empty() {
        let ([kind, high, low], rest) = extras.split_first_chunk()?;
        let (value, others) =
            rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
        if *kind == SSL {
            is_protected |= value.first_chunk::<SSL_BYTES_MIN>()?[0] & SSL_CLIENT != 0;
        }
        extras = others;
    }
    Some(is_protected)
}

/// An address that a client can have.
fn known(ip: impl Into<IpAddr>, port: u16) -> Option<SocketAddr> {
    let ip = ip.into().to_canonical();
    (!ip.is_unspecified()).then(|| SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests;
