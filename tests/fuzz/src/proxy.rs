//! The PROXY protocol: what is said of the first bytes is not taken back when more have come, and a
//! header that is taken says what a naive reader finds in it.

use std::net::{IpAddr, SocketAddr};

use chat_server::wire::proxy::{Header, Start, V2_BYTES_MAX, parse, without_header};

pub fn run(input: &[u8]) {
    let mut decided = Ok(Start::NeedMore);
    for at in 0..=input.len().min(2 * V2_BYTES_MAX) {
        let now = parse(&input[..at]);
        if decided == Ok(Start::NeedMore) {
            decided = now;
        }
        assert_eq!(now, decided, "with {at} bytes");
    }
    match decided {
        Ok(Start::Header(header)) => {
            assert!(header.bytes <= V2_BYTES_MAX);
            assert_eq!(without_header(input), &input[header.bytes..]);
            assert_eq!(header.source, source(&input[..header.bytes]));
            assert_eq!(header.is_protected, says_tls(&input[..header.bytes]));
            forged(header, input);
        }
        // So much is never waited for.
        Ok(Start::NeedMore) => assert!(input.len() < V2_BYTES_MAX),
        Ok(Start::Other) | Err(_) => assert_eq!(without_header(input), input),
    }
}

/// What stands in front of a header makes it none.
fn forged(header: Header, input: &[u8]) {
    let later = [b"x".as_slice(), &input[..header.bytes]].concat();
    assert_eq!(parse(&later), Ok(Start::Other));
}

/// Whether a whole header says that its client has come by TLS.
fn says_tls(header: &[u8]) -> bool {
    let mut at = match (header[12], header[13]) {
        (0x21, 0x11) if header[0] == b'\r' => 16 + 12,
        (0x21, 0x21) if header[0] == b'\r' => 16 + 36,
        _ => return false,
    };
    let mut says = false;
    while at < header.len() {
        says |= header[at] == 0x20 && header[at + 3] & 1 == 1;
        at += 3 + usize::from(header[at + 1]) * 256 + usize::from(header[at + 2]);
    }
    assert_eq!(at, header.len(), "the last one ends with the header");
    says
}

/// The source in a whole header.
fn source(header: &[u8]) -> Option<SocketAddr> {
    let source = match header.strip_prefix(b"PROXY ") {
        Some(line) => {
            let line = String::from_utf8_lossy(line);
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                [protocol, ip, _, port, _] if protocol != "UNKNOWN" => {
                    SocketAddr::new(ip.parse().expect("an address"), port.parse().expect("a port"))
                }
                _ => return None,
            }
        }
        None => {
            let port = |at: usize| u16::from(header[at]) << 8 | u16::from(header[at + 1]);
            match (header[12], header[13]) {
                (0x21, 0x11) => {
                    let ip: [u8; 4] = header[16..20].try_into().expect("four bytes");
                    SocketAddr::new(IpAddr::from(ip), port(24))
                }
                (0x21, 0x21) => {
                    let ip: [u8; 16] = header[16..32].try_into().expect("sixteen bytes");
                    SocketAddr::new(IpAddr::from(ip), port(48))
                }
                _ => return None,
            }
        }
    };
    let source = SocketAddr::new(source.ip().to_canonical(), source.port());
    Some(source).filter(|source| !source.ip().is_unspecified())
}
