//! Wires as they are driven: steps, last bytes and timeouts.

use super::*;
use crate::wire::websocket::frame::{FrameHeader, Opcode, encode_client_frame};
use crate::wire::websocket::handshake::Query;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn shared(protocols: Protocols, payload: Payload) -> Shared {
    Shared::new(protocols, payload, 100, Timeouts::default(), MemoryAccount::default())
}

fn text() -> Shared {
    shared(Protocols::Auto, Payload::Text)
}

fn line(mode: LineMode) -> Wire {
    let mut wire = Wire::new(mode, 0);
    assert!(wire.become_lines(), "nothing has been sent");
    wire
}

fn http(now: Millis) -> Wire {
    let mut wire = Wire::new(LineMode::Telnet, now);
    wire.become_http(now);
    wire
}

fn websocket(now: Millis) -> Wire {
    let mut wire = http(now);
    let upgrade = Upgrade {
        response: Vec::new(),
        subprotocol: None,
        deflate: None,
        query: Query::default(),
        credential: None,
    };
    wire.upgrade(&upgrade, now);
    wire
}

fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let header = FrameHeader {
        is_final: true,
        is_compressed: false,
        opcode,
        mask_key: Some([1, 2, 3, 4]),
        payload_bytes: payload.len(),
    };
    encode_client_frame(&mut frame, header, payload);
    frame
}

fn last_bytes(wire: &Wire, reason: CloseReason, payload: Payload) -> Vec<u8> {
    let mut out = Vec::new();
    wire.write_close(reason, payload, &mut out);
    out
}

#[track_caller]
fn step_of(wire: &mut Wire, input: &[u8]) -> (String, usize) {
    let (mut shared, mut input) = (text(), input.to_vec());
    let (step, used) = wire.decode(&mut input, &mut shared, 0);
    let shown = match step {
        Step::Request(request) => format!("Request({})", request.path),
        Step::Line(bytes) => format!("Line({})", bytes.escape_ascii()),
        Step::Text(bytes) => format!("Text({})", bytes.escape_ascii()),
        Step::Binary(bytes) => format!("Binary({})", bytes.escape_ascii()),
        Step::Control(bytes) => format!("Control({})", bytes.escape_ascii()),
        Step::BadRequest(error, _) => format!("BadRequest({})", error.status),
        step => format!("{step:?}"),
    };
    (shown, used)
}

#[test]
fn each_wire_decodes_one_step_after_the_other() {
    assert_eq!(step_of(&mut Wire::new(LineMode::Telnet, 0), b"hello\n"), ("NeedMore".into(), 0));
    assert_eq!(step_of(&mut line(LineMode::Telnet), b"hel\r\nlo"), ("Line(hel)".into(), 5));
    assert_eq!(step_of(&mut line(LineMode::Raw), b"hel\r\nlo"), ("Line(hel\\r\\n)".into(), 5));
    assert_eq!(step_of(&mut line(LineMode::Telnet), b"hel"), ("NeedMore".into(), 0));
    assert_eq!(step_of(&mut line(LineMode::Telnet), GET).0, "Close(Late)");
    assert_eq!(step_of(&mut http(0), GET), ("Request(/)".into(), GET.len()));
    assert_eq!(step_of(&mut http(0), &GET[..9]), ("NeedMore".into(), 0));
    assert_eq!(step_of(&mut http(0), b"GET /\r\n"), ("BadRequest(400)".into(), 0));
    for (opcode, payload, step) in [
        (Opcode::Text, &b"hi"[..], "Text(hi)"),
        (Opcode::Binary, b"\xff", "Binary(\\xff)"),
        (Opcode::Ping, b"?", "Control(\\x8a\\x01?)"),
        (Opcode::Pong, b"", "Control()"),
    ] {
        let frame = frame(opcode, payload);
        assert_eq!(step_of(&mut websocket(0), &frame), (step.into(), frame.len()));
        assert_eq!(step_of(&mut websocket(0), &frame[..1]), ("NeedMore".into(), 0));
    }
    let close = frame(Opcode::Close, &1000_u16.to_be_bytes());
    assert_eq!(step_of(&mut websocket(0), &close).0, "Close(Answer(Some(1000)))");
}

#[test]
fn what_has_been_sent_something_cannot_become_http() {
    let (shared, mut wire) = (text(), Wire::new(LineMode::Telnet, 0));
    assert_eq!(wire.decide(GET, &shared), Decision::Http);
    wire.sent();
    assert_eq!(wire.decide(GET, &shared), Decision::LateRequest);
    assert!(!wire.become_lines(), "it has been greeted already");
    assert_eq!(wire.decide(GET, &shared), Decision::NeedMore, "decided once");
}

#[test]
fn only_words_make_a_line_of_what_ends_undecided() {
    let wire = Wire::new(LineMode::Telnet, 0);
    assert_eq!(wire.decide_at_end(b"\r\n \r", &text()), Decision::NeedMore);
    assert_eq!(wire.decide_at_end(b"bye", &text()), Decision::Lines);
}

#[test]
fn a_last_line_without_an_ending_is_said_if_there_are_words_in_it() {
    for (payload, input, is_line) in [
        (Payload::Text, &b"bye"[..], true),
        (Payload::Text, b" ", false),
        (Payload::Bytes, b" ", true),
        (Payload::Bytes, b"", false),
    ] {
        let mut input = input.to_vec();
        let mut wire = line(LineMode::Telnet);
        let step = wire.decode_end(&mut input, &shared(Protocols::Line, payload));
        assert_eq!(matches!(step, Step::Line(_)), is_line, "{payload:?}: {step:?}");
    }
}

#[test]
fn each_wire_says_in_its_own_manner_why_it_is_closed() {
    let telnet = line(LineMode::Telnet);
    let slow = "! too slow: messages came in faster than this connection read them";
    let close = |reason| last_bytes(&telnet, reason, Payload::Text);
    assert_eq!(close(CloseReason::TooSlow), format!("{slow}\r\n").as_bytes());
    assert_eq!(close(CloseReason::GoingAway), b"* Goodbye: the server is stopping.\r\n");
    let not_stored = "! The server could not store what was said last. Connect again.\r\n";
    assert_eq!(close(CloseReason::NotStored), not_stored.as_bytes());
    assert_eq!(close(CloseReason::Done), b"");
    let raw = line(LineMode::Raw);
    let close = |reason| last_bytes(&raw, reason, Payload::Bytes);
    assert_eq!(close(CloseReason::TooSlow), format!("{slow}\n").as_bytes());
    assert_eq!(close(CloseReason::GoingAway), b"", "bytes have no place for the server's words");
    let mut page = websocket(0);
    assert_eq!(last_bytes(&page, CloseReason::TooSlow, Payload::Text), b"", "no response yet");
    page.sent();
    let close = |reason| last_bytes(&page, reason, Payload::Text);
    assert_eq!(close(CloseReason::TooSlow), b"\x88\x0a\x03\xf5too slow");
    assert_eq!(close(CloseReason::OutOfMemory), b"\x88\x0f\x03\xf5out of memory");
    assert_eq!(close(CloseReason::GoingAway), b"\x88\x02\x03\xe9");
    assert_eq!(close(CloseReason::NotStored), b"\x88\x0c\x03\xf4not stored");
    assert_eq!(close(CloseReason::Answer(None)), b"\x88\0");
    assert_eq!(close(CloseReason::Answer(Some(4000))), b"\x88\x02\x0f\xa0");
    let close = |reason| last_bytes(&http(0), reason, Payload::Text);
    assert_eq!(close(CloseReason::GoingAway), b"");
    assert_eq!(close(CloseReason::Foreign(Foreign::Xmpp)), b"</stream:stream>");
    let mut undecided = Wire::new(LineMode::Telnet, 0);
    assert_eq!(last_bytes(&undecided, CloseReason::GoingAway, Payload::Text), b"");
    undecided.sent();
    assert!(last_bytes(&undecided, CloseReason::GoingAway, Payload::Text).starts_with(b"* "));
}

fn on(wire: &mut Wire, timer: Timer, now: Millis, input: &[u8], is_waiting: bool) -> Elapsed {
    let observed = Observed { now, input, is_waiting, is_local: true };
    wire.on_timeout(timer, &observed, &Timeouts::default())
}

#[test]
fn silence_is_held_and_then_greeted() {
    let mut wire = Wire::new(LineMode::Telnet, 1000);
    let timeouts = Timeouts::default();
    assert_eq!(wire.next_timeout(&timeouts), Some((1300, Timer::Silence)));
    assert!(!wire.is_long_silent(1299, &timeouts) && wire.is_long_silent(1300, &timeouts));
    let released = Elapsed::Released { greet_at: 13_000 };
    assert_eq!(on(&mut wire, Timer::Silence, 1300, b"", false), released);
    assert_eq!(on(&mut wire, Timer::Silence, 13_000, b"", false), Elapsed::Silent);
    // A timeout of another wire's means nothing.
    assert_eq!(on(&mut wire, Timer::Head, 99_000, b"", false), Elapsed::Nothing);
}

#[test]
fn a_timeout_that_was_set_before_tls_means_nothing() {
    let mut wire = Wire::new(LineMode::Telnet, 1000);
    assert_eq!(on(&mut wire, Timer::Silence, 1299, b"", false), Elapsed::Nothing);
    let released = Elapsed::Released { greet_at: 13_000 };
    assert_eq!(on(&mut wire, Timer::Silence, 1300, b"", false), released);
    assert_eq!(on(&mut wire, Timer::Silence, 12_000, b"", false), Elapsed::Nothing);
    assert_eq!(on(&mut wire, Timer::Silence, 13_000, b"", false), Elapsed::Silent);
    assert_eq!(on(&mut wire, Timer::Silence, 13_000, b"", false), Elapsed::Nothing, "greeted once");
}

#[test]
fn a_head_has_its_time_and_the_next_request_has_more() {
    let mut wire = http(0);
    assert_eq!(wire.next_timeout(&Timeouts::default()), Some((10_000, Timer::Head)));
    let head = Elapsed::BadRequest(HttpError::TIMEOUT, Some(Method::Head));
    assert_eq!(on(&mut wire, Timer::Head, 10_000, b"HEAD / HT", false), head);
    // While its answers wait to be read, it is not read from.
    assert_eq!(on(&mut wire, Timer::Head, 10_000, b"HEAD / HT", true), Elapsed::Again(20_000));
    let (mut shared, mut input) = (text(), GET.to_vec());
    assert!(matches!(wire.decode(&mut input, &mut shared, 10_000).0, Step::Request(_)));
    assert_eq!(on(&mut wire, Timer::Head, 99_999, b"", false), Elapsed::Again(100_000));
    let closed = Elapsed::Close(CloseReason::Done);
    assert_eq!(on(&mut wire, Timer::Head, 100_000, b"", false), closed);
    // The next head has its time from its first byte on.
    let (step, _) = wire.decode(&mut input[..5], &mut shared, 99_000);
    assert!(matches!(step, Step::NeedMore));
    assert_eq!(on(&mut wire, Timer::Head, 100_000, b"GET /", false), Elapsed::Again(109_000));
}

#[test]
fn a_silent_websocket_is_pinged_once_and_then_closed() {
    let mut wire = websocket(1000);
    assert_eq!(wire.next_timeout(&Timeouts::default()), Some((26_000, Timer::Ping)));
    let ping = Elapsed::Send(b"\x89\0".to_vec(), 41_000);
    assert_eq!(on(&mut wire, Timer::Ping, 26_000, b"", false), ping);
    wire.received(40_000);
    assert_eq!(on(&mut wire, Timer::Ping, 41_000, b"", false), Elapsed::Again(65_000));
    // One that is not read from may have answered.
    assert_eq!(on(&mut wire, Timer::Ping, 65_000, b"", true), Elapsed::Again(90_000));
    let ping = Elapsed::Send(b"\x89\0".to_vec(), 105_000);
    assert_eq!(on(&mut wire, Timer::Ping, 90_000, b"", false), ping);
    let silent = Elapsed::Close(CloseReason::Silent);
    assert_eq!(on(&mut wire, Timer::Ping, 105_000, b"", false), silent);
}

#[test]
fn what_sends_its_body_lingers_longer() {
    let timeouts = Timeouts::default();
    let (mut request, mut terminal) = (http(0), line(LineMode::Telnet));
    assert_eq!(terminal.begin_lingering(0, &timeouts), 1000);
    assert_eq!(terminal.lingers_until(&timeouts), None);
    assert_eq!(request.begin_lingering(0, &timeouts), 1000);
    assert_eq!(request.lingers_until(&timeouts), Some(1000));
    request.received(900);
    assert_eq!(request.lingers_until(&timeouts), Some(1900));
    request.received(29_900);
    assert_eq!(request.lingers_until(&timeouts), Some(30_000));
}
