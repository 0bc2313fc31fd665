use super::*;
use proptest::prelude::*;

/// A header of version 2.
fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("a short header");
    [V2, &[command, family], &length.to_be_bytes(), rest].concat()
}

/// Addresses and ports as version 2 has them.
fn addresses(source: &str, destination: &str) -> Vec<u8> {
    let (source, destination): (SocketAddr, SocketAddr) =
        (source.parse().expect("an address"), destination.parse().expect("an address"));
    let octets = |address: &SocketAddr| match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let ports = [source.port().to_be_bytes(), destination.port().to_be_bytes()].concat();
    [octets(&source), octets(&destination), ports].concat()
}

const ALICE: &str = "203.0.113.7:51234";
const ALICE_6: &str = "[2001:db8::7]:51234";

/// What becomes of a header that comes bit by bit, and of what follows it.
#[track_caller]
fn expect(header: &[u8], source: Option<&str>) {
    expect_by(header, source, false);
}

#[track_caller]
fn expect_by(header: &[u8], source: Option<&str>, is_protected: bool) {
    let source = source.map(|source| source.parse().expect("an address"));
    let whole = Ok(Start::Header(Header { source, is_protected, bytes: header.len() }));
    for at in 0..header.len() {
        assert_eq!(parse(&header[..at]), Ok(Start::NeedMore), "{at} bytes of it");
    }
    for rest in [b"".as_slice(), b"G", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01", b"PROXY UNKNOWN\r\n"]
    {
        let input = [header, rest].concat();
        assert_eq!(parse(&input), whole, "{}", input.escape_ascii());
        assert_eq!(without_header(&input), rest);
    }
}

#[test]
fn version_1_is_a_line() {
    expect(b"PROXY TCP4 203.0.113.7 192.0.2.1 51234 443\r\n", Some(ALICE));
    expect(b"PROXY TCP6 2001:db8::7 2001:db8::1 51234 443\r\n", Some(ALICE_6));
    expect(b"PROXY TCP6 ::ffff:203.0.113.7 ::1 51234 443\r\n", Some(ALICE));
    expect(b"PROXY UNKNOWN\r\n", None);
    expect(b"PROXY UNKNOWN ffff:f...f:ffff whatever 65535\r\n", None);
    expect(b"PROXY TCP4 0.0.0.0 192.0.2.1 0 443\r\n", None);
    let longest = "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff \
                   ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
    assert_eq!(longest.len(), V1_BYTES_MAX);
    expect(longest.as_bytes(), None);
}

#[test]
fn version_2_is_binary() {
    let (four, six) = (addresses(ALICE, "192.0.2.1:443"), addresses(ALICE_6, "[2001:db8::1]:443"));
    let extras = [0x04, 0x00, 0x01, 0x00, 0xEE, 0x00, 0x02, b'h', b'i'];
    expect(&v2(0x21, 0x11, &four), Some(ALICE));
    expect(&v2(0x21, 0x11, &[&four[..], &extras].concat()), Some(ALICE));
    expect(&v2(0x21, 0x21, &six), Some(ALICE_6));
    expect(&v2(0x21, 0x21, &[&six[..], &extras].concat()), Some(ALICE_6));
    // The proxy speaks for itself: what else it says does not count.
    expect(&v2(0x20, 0x00, &[]), None);
    expect(&v2(0x20, 0x11, &four), None);
    expect(&v2(0x20, 0x11, &[7]), None);
    // No address that a client here could have.
    expect(&v2(0x21, 0x00, &[]), None);
    expect(&v2(0x21, 0x00, &extras), None);
    expect(&v2(0x21, 0x12, &four), None);
    expect(&v2(0x21, 0x31, &[b'/'; 216]), None);
    expect(&v2(0x21, 0x11, &addresses("0.0.0.0:1", "0.0.0.0:1")), None);
    expect(&v2(0x21, 0x11, &[four, vec![0; V2_BYTES_MAX - 28]].concat()), Some(ALICE));
}

/// How a client has come by TLS, as HAProxy says it: with the version in a value inside the value.
fn ssl(client: u8) -> Vec<u8> {
    [&[0x20, 0, 15, client, 0, 0, 0, 0, 0x21, 0, 7], b"TLSv1.3".as_slice()].concat()
}

#[test]
fn version_2_says_whether_the_client_has_come_by_tls() {
    let (four, six) = (addresses(ALICE, "192.0.2.1:443"), addresses(ALICE_6, "[2001:db8::1]:443"));
    let name = [0x02, 0, 4, b'c', b'h', b'a', b't'].as_slice();
    for (client, is_protected) in [(0, false), (1, true), (7, true), (6, false)] {
        for extras in [ssl(client), [name, &ssl(client), name].concat()] {
            let header = v2(0x21, 0x11, &[&four[..], &extras].concat());
            expect_by(&header, Some(ALICE), is_protected);
            let header = v2(0x21, 0x21, &[&six[..], &extras].concat());
            expect_by(&header, Some(ALICE_6), is_protected);
            // The proxy speaks for itself, or of somebody who has no address here.
            expect(&v2(0x20, 0x11, &[&four[..], &extras].concat()), None);
            expect(&v2(0x21, 0x12, &[&four[..], &extras].concat()), None);
        }
    }
    // The least that it may be, and an extra of another type that looks like it inside.
    expect_by(
        &v2(0x21, 0x11, &[&four[..], &[0x20, 0, 5, 1, 0, 0, 0, 0]].concat()),
        Some(ALICE),
        true,
    );
    expect(
        &v2(0x21, 0x11, &[&four[..], &[0xE0, 0, 8], &[0x20, 0, 5, 1, 0, 0, 0, 0]].concat()),
        Some(ALICE),
    );
}

#[test]
fn what_begins_as_a_header_and_is_none_is_an_error() {
    let four = addresses(ALICE, "192.0.2.1:443");
    let with = |extras: &[u8]| v2(0x21, 0x11, &[&four[..], extras].concat());
    for (input, error) in [
        (b"PROXY TCP4 203.0.113.7 192.0.2.1 51234 443\n".to_vec(), HeaderError::Line),
        (b"PROXY TCP4 203.0.113.7 192.0.2.1 51234\r\n".to_vec(), HeaderError::Line),
        (b"PROXY TCP4 203.0.113.7 192.0.2.1 51234 443 9\r\n".to_vec(), HeaderError::Line),
        (b"PROXY TCP4  203.0.113.7 192.0.2.1 51234 443\r\n".to_vec(), HeaderError::Line),
        (b"PROXY TCP4 203.0.113.7 192.0.2.1 65536 443\r\n".to_vec(), HeaderError::Line),
        (b"PROXY TCP4 203.0.113.7 192.0.2.1 +1 443\r\n".to_vec(), HeaderError::Line),
        (b"PROXY TCP4 203.0.113.7 192.0.2.1  443\r\n".to_vec(), HeaderError::Line),
        (b"PROXY TCP4 203.0.113.700 192.0.2.1 1 443\r\n".to_vec(), HeaderError::Line),
        (b"PROXY TCP4 ::1 ::1 1 443\r\n".to_vec(), HeaderError::Line),
        (b"PROXY TCP6 203.0.113.7 192.0.2.1 1 443\r\n".to_vec(), HeaderError::Line),
        (b"PROXY TCP4 \xFF\xFE\r\n".to_vec(), HeaderError::Line),
        (b"PROXY UNKNOWNS\r\n".to_vec(), HeaderError::Line),
        ([b"PROXY UNKNOWN ".as_slice(), &[b'x'; 93]].concat(), HeaderError::Line),
        (v2(0x11, 0x11, &four), HeaderError::Version),
        (v2(0x22, 0x11, &four), HeaderError::Version),
        (v2(0x21, 0x11, &four[..11]), HeaderError::TooShort),
        (v2(0x21, 0x21, &four), HeaderError::TooShort),
        (v2(0x21, 0x11, &[0; V2_BYTES_MAX - 15]), HeaderError::TooLong),
        // A value that is longer than there is room for, or too short for what it is to say.
        (with(&[0x20]), HeaderError::Extras),
        (with(&[0x20, 0]), HeaderError::Extras),
        (with(&[0x20, 0, 5]), HeaderError::Extras),
        (with(&[0x20, 0, 5, 1, 0, 0, 0]), HeaderError::Extras),
        (with(&[0x20, 0, 4, 1, 0, 0, 0]), HeaderError::Extras),
        (with(&[0x20, 0, 0]), HeaderError::Extras),
        (with(&[0xEE, 0xFF, 0xFF, 1]), HeaderError::Extras),
        (with(&[&ssl(1)[..], &[0x04, 0, 1]].concat()), HeaderError::Extras),
        // It claims so much that nothing of it is waited for.
        ([V2, b"\x21\x11\xFF\xFF"].concat(), HeaderError::TooLong),
    ] {
        assert_eq!(parse(&input), Err(error), "{}", input.escape_ascii());
    }
}

proptest! {
    /// As a naive reading of 2.2.1 has it.
    #[test]
    fn extras_are_read_as_they_are_written(
        values in prop::collection::vec(
            (prop_oneof![Just(SSL), any::<u8>()], prop::collection::vec(any::<u8>(), 0..12)),
            0..6,
        ),
        cut in 0..100usize,
    ) {
        let written = |(kind, value): &(u8, Vec<u8>)| [&[*kind, 0, value.len() as u8], &value[..]].concat();
        let bytes: Vec<u8> = values.iter().flat_map(written).collect();
        let mut ssl = values.iter().filter(|(kind, _)| *kind == SSL).map(|(_, value)| value);
        let is_whole = ssl.clone().all(|value| value.len() >= 5);
        let expected = is_whole.then(|| ssl.any(|value| value[0] & 1 == 1));
        prop_assert_eq!(says_tls(&bytes), expected);
        let ends = values.iter().scan(0, |at, value| { *at += written(value).len(); Some(*at) });
        let cut = cut.min(bytes.len());
        if cut > 0 && !ends.into_iter().any(|end| end == cut) {
            prop_assert_eq!(says_tls(&bytes[..cut]), None);
        }
    }
}

#[test]
fn what_does_not_begin_as_a_header_is_something_else_at_once() {
    for input in [
        "hello",
        "p",
        "Peter",
        "PROXYS",
        "PROXY server\n",
        "PROXY \n",
        "proxy TCP4 ",
        "PROXY TCP5 ",
        "GET / HTTP/1.1\r\n",
        "\n",
        "\r\0",
        "\r\n\n",
        "\r\n\r\n\r\n",
        "\r\n\r\nGET",
        "\u{16}\u{3}",
    ] {
        assert_eq!(parse(input.as_bytes()), Ok(Start::Other), "{input:?}");
        assert_eq!(without_header(input.as_bytes()), input.as_bytes());
        assert!(!is_begun(input.as_bytes()));
    }
    for input in ["", "P", "PROXY", "\r", "\r\n\r\n"] {
        assert_eq!(parse(input.as_bytes()), Ok(Start::NeedMore), "{input:?}");
        assert!(!is_begun(input.as_bytes()), "people write that as well: {input:?}");
    }
    for input in ["PROXY ", "PROXY TCP4 203.0.113.7 ", "\r\n\r\n\0", "\r\n\r\n\0\r\nQUIT\n"] {
        assert!(is_begun(input.as_bytes()), "{input:?}");
    }
}

proptest! {
    /// What is said of some bytes is not taken back when more have come.
    #[test]
    fn more_bytes_take_nothing_back(start in 0..6usize, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let starts: [&[u8]; 6] = [b"", b"PROXY ", b"PROXY TCP4 1.2.3.4 ", V2, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00", b"PROXY UNKNOWN"];
        let input = [starts[start], &bytes].concat();
        let mut decided = Ok(Start::NeedMore);
        for at in 0..=input.len() {
            let now = parse(&input[..at]);
            if decided == Ok(Start::NeedMore) {
                decided = now;
            }
            prop_assert_eq!(now, decided);
            if let Ok(Start::Header(header)) = now {
                prop_assert!(header.bytes <= at && header.bytes <= V2_BYTES_MAX);
            }
        }
    }
}
