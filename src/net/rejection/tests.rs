use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::rc::Rc;

use super::*;

const ALL: [Rejection; 5] = [
    Rejection::Full,
    Rejection::OutOfDescriptors,
    Rejection::AddressFull,
    Rejection::AddressTooFast,
    Rejection::Banned,
];
const DATE: &str = "Sun, 22 Nov 2026 15:18:35 GMT";

/// The far end of a connection.
#[derive(Debug, Default)]
struct Far {
    input: Vec<u8>,
    output: Vec<u8>,
    input_ended: bool,
    is_shut: bool,
    is_closed: bool,
}

#[derive(Debug, Default)]
struct Near(Rc<RefCell<Far>>);

impl Read for Near {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Far { input, input_ended, .. } = &mut *self.0.borrow_mut();
        if input.is_empty() && !*input_ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = input.len().min(buffer.len());
        buffer[..count].copy_from_slice(&input[..count]);
        input.drain(..count);
        Ok(count)
    }
}

impl Write for Near {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Near {
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.borrow_mut().is_shut = true;
        Ok(())
    }
}

impl Drop for Near {
    fn drop(&mut self) {
        self.0.borrow_mut().is_closed = true;
    }
}

/// Refuses a connection that has sent this much by now.
fn reject(
    rejections: &mut Rejections<Near>,
    rejection: Rejection,
    input: &[u8],
    ms: u64,
) -> Rc<RefCell<Far>> {
    let far = Rc::new(RefCell::new(Far { input: input.to_vec(), ..Far::default() }));
    rejections.reject(Near(Rc::clone(&far)), (Ipv4Addr::LOCALHOST, 1).into(), rejection, at(ms));
    far
}

/// Its answer; empty as long as there is none.
#[track_caller]
fn answered(far: &RefCell<Far>) -> String {
    let far = far.borrow();
    assert_eq!((far.is_shut, far.is_closed), (!far.output.is_empty(), !far.output.is_empty()));
    String::from_utf8(far.output.clone()).expect("text")
}

fn at(ms: u64) -> Now {
    Now { ms, unix_ms: 0 }
}

fn answer(rejection: Rejection, protocols: Protocols, arrived: &[u8]) -> String {
    String::from_utf8(render(rejection, protocols, arrived, DATE)).expect("text")
}

#[test]
fn a_client_without_a_request_is_answered_with_a_line() {
    for rejection in ALL {
        let expected = match rejection {
            Rejection::Banned => "! your address is banned from this server\n".to_owned(),
            other => format!("! {other}; try again later\n"),
        };
        for arrived in
            [&b""[..], b"hello\r\n", b"GE", b"GET", b"GET me a coffee\r\n", b"\xFF\xFD\x01"]
        {
            let line = answer(rejection, Protocols::Auto, arrived);
            assert_eq!(line, expected);
        }
        let line = answer(rejection, Protocols::Line, b"GET / HTTP/1.1\r\n");
        assert_eq!(line, expected);
    }
}

#[test]
fn a_request_is_answered_with_a_response() {
    for (rejection, status) in ALL.into_iter().zip([503, 503, 429, 429]) {
        for (protocols, arrived) in [
            (Protocols::Auto, &b"GET /?name=alice HTTP/1.1\r\nUpg"[..]),
            (Protocols::Auto, b"POST /"),
            (Protocols::Http, b""),
        ] {
            let response = answer(rejection, protocols, arrived);
            let (head, body) = response.split_once("\r\n\r\n").expect("a head");
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
            for field in ["Retry-After: 10", "Connection: close", &format!("Date: {DATE}")] {
                assert!(head.lines().any(|line| line == field), "no {field} in {head}");
            }
            assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
            assert!(body.contains("try again later"), "{body}");
        }
    }
}

#[test]
fn what_answers_head_has_no_body() {
    for rejection in ALL {
        let response = answer(rejection, Protocols::Auto, b"HEAD / HTTP/1.1\r\n");
        assert!(response.ends_with("\r\n\r\n"), "{response}");
    }
}

#[test]
fn a_request_that_comes_just_after_its_connection_is_answered() {
    let mut rejections = Rejections::new(Protocols::Auto, false);
    let asks = reject(&mut rejections, Rejection::AddressFull, b"", 0);
    let silent = reject(&mut rejections, Rejection::AddressFull, b"", 1);
    asks.borrow_mut().input.extend_from_slice(b"GET / HTTP/1.1\r\n");
    assert_eq!(rejections.next_deadline(), Some(100));
    rejections.answer_due(at(99));
    assert_eq!((answered(&asks), answered(&silent)), (String::new(), String::new()));
    rejections.answer_due(at(100));
    assert!(answered(&asks).starts_with("HTTP/1.1 429 "));
    assert_eq!((answered(&silent), rejections.next_deadline()), (String::new(), Some(101)));
    rejections.answer_due(at(200));
    assert!(answered(&silent).starts_with("! your address "));
    assert_eq!(rejections.next_deadline(), None);
}

#[test]
fn nobody_waits_without_a_reason() {
    let mut rejections = Rejections::new(Protocols::Auto, false);
    for input in [&b"hello\n"[..], b"GET / HTTP/1.1\r\n"] {
        assert_ne!(answered(&reject(&mut rejections, Rejection::Full, input, 0)), "");
    }
    assert_ne!(
        answered(&reject(&mut rejections, Rejection::OutOfDescriptors, b"", 0)),
        "",
        "its descriptor is needed"
    );
    let far = Rc::new(RefCell::new(Far { input_ended: true, ..Far::default() }));
    rejections.reject(
        Near(Rc::clone(&far)),
        (Ipv4Addr::LOCALHOST, 1).into(),
        Rejection::Full,
        at(0),
    );
    assert_ne!(answered(&far), "", "it will say nothing more");
    let mut rejections = Rejections::new(Protocols::Line, false);
    assert_ne!(
        answered(&reject(&mut rejections, Rejection::Full, b"", 0)),
        "",
        "no request will come"
    );
}

#[test]
fn a_flood_does_not_make_more_wait() {
    let mut rejections = Rejections::new(Protocols::Auto, false);
    let flood: Vec<_> =
        (0..1000).map(|_| reject(&mut rejections, Rejection::AddressTooFast, b"", 5)).collect();
    let waiting = flood.iter().filter(|far| answered(far).is_empty()).count();
    assert_eq!((waiting, rejections.waiting.len()), (WAITING_MAX, WAITING_MAX));
    assert!(
        flood[..1000 - WAITING_MAX].iter().all(|far| !answered(far).is_empty()),
        "the first are told first"
    );
    rejections.answer_all(at(6));
    assert!(
        flood
            .iter()
            .all(|far| answered(far) == "! your address connects too often; try again later\n")
    );
}

/// The beginning of a handshake (RFC 8446, 5.1).
const HELLO: &[u8] = &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xFC];

#[test]
fn a_client_of_tls_is_told_by_an_alert() {
    let header = b"PROXY TCP4 203.0.113.7 192.0.2.80 51234 443\r\n";
    for protocols in [Protocols::Auto, Protocols::Line, Protocols::Http] {
        for rejection in ALL {
            for arrived in [HELLO.to_vec(), [header, HELLO].concat()] {
                let answer = render(rejection, protocols, &arrived, DATE);
                assert_eq!(answer, [0x15, 3, 1, 0, 2, 2, 49], "fatal, access_denied");
            }
        }
    }
}

#[test]
fn where_tls_is_spoken_a_handshake_is_waited_for_as_a_request_is() {
    for protocols in [Protocols::Auto, Protocols::Line, Protocols::Http] {
        let mut rejections = Rejections::new(protocols, true);
        let shakes = reject(&mut rejections, Rejection::Full, b"", 0);
        assert_eq!(rejections.next_deadline(), Some(100), "{protocols:?}");
        shakes.borrow_mut().input.extend_from_slice(HELLO);
        rejections.answer_due(at(100));
        assert_eq!(shakes.borrow().output, Rejection::TLS_ALERT);
        assert!(shakes.borrow().is_shut);
    }
}
