use proptest::prelude::*;

use super::*;

/// What is found when the bytes come one by one: the first decision, which must be that of all of
/// them at once.
#[track_caller]
fn decided(input: &[u8], payload: Payload) -> Detected {
    let whole = detect(input, payload);
    let first = (1..=input.len())
        .map(|end| detect(&input[..end], payload))
        .find(|found| *found != Detected::NeedMore);
    assert_eq!(
        first.unwrap_or(Detected::NeedMore),
        whole,
        "byte by byte: {:?}",
        String::from_utf8_lossy(input)
    );
    whole
}

#[test]
fn whatever_is_shaped_like_a_request_is_one() {
    for line in [
        "GET / HTTP/1.1",
        "POST /x HTTP/1.0",
        "OPTIONS * HTTP/1.0",
        "CONNECT far:443 HTTP/1.1",
        "GET http://a/ HTTP/1.1",
        "PROPFIND / HTTP/1.1",
        "patch / HTTP/1.1",
        "get / http/1.1",
        "Get index.html HTTP/1.1",
        "M-SEARCH * HTTP/1.1",
        "BREW coffee HTTP/1.1",
        "PRI * HTTP/2.0",
        "GET / HTTP/9.9",
        "GET / HTTP/2",
        "GET /a b c HTTP/1.1",
        "PROPFIND /a b/ HTTP/1.1",
        "REQMOD icap://s/x ICAP/1.0",
        "SOURCE /live ICE/1.0",
        "POST HTTP/1.1",
        "HTTP/1.1 200 OK",
        "Cookie: secret",
        "GET\t/\tHTTP/1.1",
        "DESCRIBE rtsp://a/b RTSP/1.0",
        "REGISTER sip:a SIP/2.0",
        "GET /",
        "get /index.html",
    ] {
        for payload in [Payload::Text, Payload::Bytes] {
            for ending in ["\r\n", "\n"] {
                let input = format!("{line}{ending}");
                assert_eq!(decided(input.as_bytes(), payload), Detected::Http, "{line}");
                assert_eq!(first_line(line.as_bytes(), payload), FirstLine::Request, "{line}");
                // RFC 9112 2.2, if they come together.
                let after_blank = format!("\r\n\n{input}");
                assert_eq!(detect(after_blank.as_bytes(), payload), Detected::Http, "{line}");
            }
        }
    }
}

#[test]
fn what_people_say_is_no_request() {
    for line in [
        "hello",
        "GETS /",
        "P",
        "try it with HTTP/2",
        "HTTP/1.1",
        "see HTTP/1.1",
        "we speak HTTP/1.1 here",
        "AUTH is what I need help with",
        "my login is broken",
        "/join #dev",
        "get well soon",
        "post it",
        "\u{feff}/nick mina",
        "caf\u{e9}",
    ] {
        let input = format!("{line}\r\n");
        assert_eq!(decided(input.as_bytes(), Payload::Text), Detected::Lines, "{line}");
        assert_eq!(first_line(line.as_bytes(), Payload::Text), FirstLine::Text, "{line}");
    }
    for line in ["GET me a coffee", "OPTIONS are many", "DELETE that", "CONNECT us"] {
        assert_eq!(
            decided(format!("{line}\n").as_bytes(), Payload::Text),
            Detected::Lines,
            "{line}"
        );
        assert_eq!(first_line(line.as_bytes(), Payload::Text), FirstLine::AlmostRequest, "{line}");
        assert_eq!(first_line(line.as_bytes(), Payload::Bytes), FirstLine::Text, "{line}");
    }
}

#[test]
fn enter_is_a_line_and_nothing_is_nothing() {
    assert_eq!(detect(b"", Payload::Text), Detected::NeedMore);
    for enter in ["\r\n", "\n", "\r\0", "\r", "\r\n\r\n"] {
        assert_eq!(detect(enter.as_bytes(), Payload::Text), Detected::Lines, "{enter:?}");
    }
    for open in ["hel", "G", "GET", "GET ", "PROXY", "\u{feff}", "SSH-"] {
        assert_eq!(detect(open.as_bytes(), Payload::Text), Detected::NeedMore, "{open:?}");
    }
    // Telnet, which no browser speaks.
    assert_eq!(detect(b"\xff\xfb\x1f\xff\xfd\x03", Payload::Text), Detected::Lines);
    // Too long for a request: nobody looks for its end again with each byte.
    assert_eq!(detect(&[b'x'; 1024], Payload::Text), Detected::Lines);
}

#[test]
fn other_protocols_are_known_wherever_they_are_cut() {
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\xff\n";
    let always: [(&[u8], Foreign); 6] = [
        (hello, Foreign::Tls),
        (b"PROXY TCP4 203.0.113.7 192.0.2.1 51234 80\r\n", Foreign::Proxy),
        (b"PROXY TCP6 ::1 ::1 1 2\r\n", Foreign::Proxy),
        (b"proxy unknown\r\n", Foreign::Proxy),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Foreign::Ssh),
        (b"SSH-1.99-x\n", Foreign::Ssh),
    ];
    for (input, foreign) in always {
        for payload in [Payload::Text, Payload::Bytes] {
            assert_eq!(decided(input, payload), Detected::Foreign(foreign), "{foreign:?}");
        }
    }
    let in_text: [(&[u8], Foreign); 24] = [
        (b"cap ls 302\r\n", Foreign::Irc),
        (b"WEBIRC secret gw host 1.2.3.4\r\n", Foreign::Irc),
        (b"USER alice\r\n", Foreign::Smtp),
        (b"HELLO 3 AUTH a secret\r\n", Foreign::Redis),
        (b"AUTH secret\r\n", Foreign::Redis),
        (b"a001 LOGIN bob secret\r\n", Foreign::Imap),
        (b"EHLO mail.example\r\n", Foreign::Smtp),
        (b"*1\r\n$4\r\nPING\r\n", Foreign::Redis),
        (b"CAP LS 302\r\n", Foreign::Irc),
        (b"NICK bob\r\n", Foreign::Irc),
        (b"PASS secret\r\n", Foreign::Irc),
        (b"USER bob 0 * :Bob\r\n", Foreign::Irc),
        (b"CONNECT {\"verbose\":false,\"pass\":\"secret\"}\r\n", Foreign::Nats),
        (b"CONNECT\naccept-version:1.2\n", Foreign::Stomp),
        (b"<?xml version='1.0'?>\n", Foreign::Xmpp),
        (b"@RSYNCD: 31.0\n", Foreign::Rsync),
        (b"\x05\x01\x00", Foreign::Socks5),
        (b"\x05\x02\x00\x02", Foreign::Socks5),
        (b"\x04\x01\x00\x50\x7f\x00\x00\x01root\x00", Foreign::Socks4),
        // RDP, PostgreSQL, MQTT, LDAP.
        (b"\x03\x00\x00\x13\x0e\xe0", Foreign::Binary),
        (b"\x00\x00\x00\x08\x04\xd2\x16\x2f", Foreign::Binary),
        (b"\x10\x0c\x00\x04MQTT\x04", Foreign::Binary),
        (b"0\x0c\x02\x01\x01`\x07", Foreign::Binary),
        (b"AMQP\x00\x00\x09\x01", Foreign::Binary),
    ];
    for (input, foreign) in in_text {
        assert_eq!(decided(input, Payload::Text), Detected::Foreign(foreign), "{foreign:?}");
        assert_ne!(
            decided(input, Payload::Bytes),
            Detected::Foreign(foreign),
            "{foreign:?} among bytes"
        );
    }
}

#[test]
fn the_second_version_of_the_proxy_header_is_no_enter() {
    let header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c";
    for payload in [Payload::Text, Payload::Bytes] {
        assert_eq!(detect(header, payload), Detected::Foreign(Foreign::Proxy));
        (5..12).for_each(|end| {
            assert_eq!(detect(&header[..end], payload), Detected::NeedMore, "{end} bytes")
        });
    }
    // If its empty lines come first, they count as Enter, and the next line is none of a person.
    assert_eq!(first_line(b"\0", Payload::Text), FirstLine::Foreign(Foreign::Binary));
}

#[test]
fn simple_requests_have_no_version() {
    assert!(is_simple_request(b"GET /\r\n") && is_simple_request(b"\r\nget /x\n"));
    assert!(
        !is_simple_request(b"GET / HTTP/1.1\r\n")
            && !is_simple_request(b"GET /")
            && !is_simple_request(b"")
    );
}

proptest! {
    /// A decision once made is not changed by what follows.
    #[test]
    fn what_follows_a_decision_changes_nothing(input in prop::collection::vec(prop_oneof![
        Just(b'\r'), Just(b'\n'), Just(b' '), Just(b'/'), Just(0), Just(0xFF), Just(0x16), b'A'..=b'Z', any::<u8>()], 0..40),
        text: bool) {
        let payload = if text { Payload::Text } else { Payload::Bytes };
        let mut before = Detected::NeedMore;
        for end in 0..=input.len() {
            let found = detect(&input[..end], payload);
            // Empty lines decide by themselves, unless something has come behind them.
            if before != Detected::NeedMore && !(before == Detected::Lines && blank_lines(&input[..end - 1]) == end - 1) {
                prop_assert_eq!(found, before, "at {}", end);
            }
            before = found;
        }
    }
}
