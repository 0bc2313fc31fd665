//! Lines that a terminal does not show as they are typed.

use super::*;
use crate::ids::Ticket;
use crate::service::{Answer, Job};

const WILL: &[u8] = b"\xFF\xFB\x01";
const WONT: &[u8] = b"\xFF\xFC\x01";
const DO: &[u8] = b"\xFF\xFD\x01";
const DONT: &[u8] = b"\xFF\xFE\x01";
/// To who negotiates, once: that its line be edited here. These terminals do not answer.
const OFFER: &[u8] = b"\xFF\xFB\x03\xFF\xFD\x1F";

/// Asks for a secret after `login`, for two after `change`; tells what it has read. After `slow` and
/// a secret it answers when a ticket is done.
#[derive(Default)]
struct Asker {
    asks: usize,
    is_slow: bool,
    is_done: bool,
}

impl Service for Asker {
    fn greeting(&self) -> Option<&'static str> {
        Some("welcome\r\n")
    }

    fn line_mode(&self) -> crate::wire::line::LineMode {
        crate::wire::line::LineMode::Telnet
    }

    fn opened(&mut self, _: ClientId, _: &Hello<'_>, _: &mut Delivery) {}

    fn message(&mut self, client: ClientId, message: Incoming<'_>, out: &mut Delivery) -> Outcome {
        let said = String::from_utf8_lossy(message.bytes).into_owned();
        let mut tell = |line: &str| {
            out.send(client, |to| to.content(FrameKind::Text, line.as_bytes()));
        };
        if self.asks > 0 && self.is_slow && !self.is_done {
            return Outcome::Blocked(Wait::Ticket(Ticket(1)));
        }
        match said.as_str() {
            "login" => self.asks = 1,
            "change" => self.asks = 2,
            "slow" => (self.asks, self.is_slow) = (1, true),
            "quit" => return Outcome::Close(CloseReason::Done),
            said => {
                tell(&format!("[{said}]\r\n"));
                self.asks = self.asks.saturating_sub(1);
            }
        }
        if self.asks == 0 {
            return Outcome::Done;
        }
        tell("Password:\r\n");
        Outcome::AskSecret
    }

    fn take_jobs(&mut self) -> Vec<Job> {
        Vec::new()
    }

    fn completed(&mut self, _: Ticket, _: Answer, _: &mut Delivery) {
        self.is_done = true;
    }

    fn closed(&mut self, _: ClientId, _: crate::ids::Peer, _: &mut Delivery) {}
}

/// A terminal that sends these pieces, each after the answer to the last; what it is sent.
fn told(pieces: &[&[u8]]) -> Vec<u8> {
    let settings = ServerSettings { limits: limits(), ..ServerSettings::default() };
    let mut sim = Sim::with(settings, |_| Asker::default());
    let peer = sim.connect(PLENTY);
    for piece in pieces {
        sim.send(&peer, piece);
        sim.settle();
    }
    peer.far.borrow().output.clone()
}

/// The same, with what follows the first piece cut at every byte, and into bytes.
#[track_caller]
fn expect(pieces: &[&[u8]], expected: &[&[u8]]) {
    let expected = expected.concat();
    let (first, rest) = pieces.split_first().expect("a piece");
    assert_eq!(told(pieces).escape_ascii().to_string(), expected.escape_ascii().to_string());
    for (at, piece) in rest.iter().enumerate() {
        for cut in 0..=piece.len() {
            let halves = [&piece[..cut], &piece[cut..]];
            let cut_up = [&[*first], &rest[..at], &halves, &rest[at + 1..]].concat();
            assert_eq!(told(&cut_up), expected, "piece {at} cut at {cut}");
        }
    }
    let bytes = rest.iter().flat_map(|piece| piece.chunks(1));
    let bytes: Vec<&[u8]> = [*first].into_iter().chain(bytes).collect();
    assert_eq!(told(&bytes), expected, "byte by byte");
}

const PROMPT: &[u8] = b"Password:\r\n";

#[test]
fn a_terminal_that_speaks_telnet_hides_the_next_line() {
    expect(
        &[b"login\r\n", DO, b"secret\r\n", DONT, b"hello\r\n"],
        &[PROMPT, WILL, OFFER, b"\r\n", b"[secret]\r\n", WONT, b"[hello]\r\n"],
    );
    // Its answer and the line may come together, and the line may be empty or corrected.
    expect(
        &[
            b"login\r\n",
            &[DO, b"secred\x08t\r\n"].concat(),
            DONT,
            b"login\r\n",
            DO,
            b"no\x15\r\n",
            DONT,
        ],
        &[PROMPT, WILL, OFFER, b"\r\n[secret]\r\n", WONT, PROMPT, WILL, b"\r\n[]\r\n", WONT],
    );
}

/// As an empty line does. GNU telnet sends a command for the key (RFC 854, IP).
#[test]
fn ctrl_c_takes_back_what_is_asked_for() {
    let interrupt: &[u8] = &[255, 244];
    for key in [&b"\x03"[..], b"half\x03", interrupt] {
        expect(
            &[b"login\r\n", DO, key, DONT, b"hello\r\n"],
            &[PROMPT, WILL, OFFER, b"\r\n", b"[]\r\n", WONT, b"[hello]\r\n"],
        );
    }
}

#[test]
fn what_speaks_no_telnet_is_sent_three_bytes_once() {
    expect(
        &[b"login\n", b"secret\n", b"login\n", b"again\n", b"hello\n"],
        &[PROMPT, WILL, b"[secret]\r\n", PROMPT, b"[again]\r\n[hello]\r\n"],
    );
}

#[test]
fn two_secrets_in_a_row_are_hidden_throughout() {
    expect(
        &[b"change\r\n", DO, b"one\r\n", b"two\r\n", DONT, b"hello\r\n"],
        &[PROMPT, WILL, OFFER, b"\r\n[one]\r\n", PROMPT, b"\r\n[two]\r\n", WONT, b"[hello]\r\n"],
    );
}

#[test]
fn a_secret_that_is_looked_at_elsewhere_stays_hidden_meanwhile() {
    let settings = ServerSettings { limits: limits(), ..ServerSettings::default() };
    let mut sim = Sim::with(settings, |_| Asker::default());
    let peer = sim.connect(PLENTY);
    for piece in [b"slow\r\n".as_slice(), DO, b"secret\r\n"] {
        sim.send(&peer, piece);
        sim.settle();
    }
    let far = Rc::clone(&peer.far);
    assert_eq!(far.borrow().output, [PROMPT, WILL, OFFER, b"\r\n"].concat());
    sim.server.completed(Ticket(1), Box::new(()), sim.now);
    sim.settle();
    let all = [PROMPT, WILL, OFFER, b"\r\n", b"[secret]\r\n", WONT].concat();
    assert_eq!(far.borrow().output, all);
}

#[test]
fn a_terminal_may_answer_late_or_not_as_it_should() {
    // Typed ahead: it was shown as it was typed, and is taken back when that is known.
    expect(
        &[b"login\r\nsecret\r\n", DO, DONT, b"hello\r\n"],
        &[PROMPT, WILL, b"[secret]\r\n", WONT, OFFER, b"[hello]\r\n"],
    );
    // It does not want to.
    expect(
        &[b"login\r\n", DONT, b"secret\r\n", b"login\r\n", DONT, b"again\r\n"],
        &[PROMPT, WILL, OFFER, b"[secret]\r\n", PROMPT, WILL, b"[again]\r\n"],
    );
    // It changes its mind in between.
    expect(
        &[b"login\r\n", DO, DONT, b"secret\r\n", b"hello\r\n"],
        &[PROMPT, WILL, OFFER, WONT, b"[secret]\r\n[hello]\r\n"],
    );
    // It is asked again before it has answered.
    expect(
        &[b"login\r\n", DO, b"secret\r\n", b"login\r\n", DONT, DO, b"again\r\n", DONT],
        &[PROMPT, WILL, OFFER, b"\r\n[secret]\r\n", WONT, PROMPT, WILL, b"\r\n[again]\r\n", WONT],
    );
    // It asks for it by itself, and changes its mind: once.
    expect(
        &[b"hello\r\n", DO, DO, DONT, b"login\r\n", DO, DO, b"secret\r\n", DONT, DONT, DO],
        &[b"[hello]\r\n", WILL, OFFER, WONT, PROMPT, WILL, b"\r\n[secret]\r\n", WONT, WONT],
    );
}

#[test]
fn nothing_breaks_if_the_secret_never_comes() {
    expect(&[b"login\r\n", DO, b"quit\r\n"], &[PROMPT, WILL, OFFER, b"\r\n", WONT]);
    let settings = ServerSettings { limits: limits(), ..ServerSettings::default() };
    let mut sim = Sim::with(settings, |_| Asker::default());
    let peer = sim.connect(PLENTY);
    sim.send(&peer, b"login\r\n\xFF\xFD\x01secr");
    sim.settle();
    sim.end_input(&peer);
    sim.pass(60_000);
    assert!(peer.is_dropped());
    assert!(peer.output().contains("[secr]"), "the last line, which nothing has ended");
}

/// A page has nothing to hide: it shows what it likes.
#[test]
fn a_websocket_is_told_nothing() {
    let settings = ServerSettings { limits: limits(), ..ServerSettings::default() };
    let mut sim = Sim::with(settings, |_| Asker::default());
    let peer = sim.connect(PLENTY);
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    sim.send(&peer, request);
    sim.settle();
    peer.take_output();
    sim.send(&peer, b"\x81\x85\0\0\0\0login\x81\x86\0\0\0\0secret");
    sim.settle();
    assert_eq!(peer.output(), "\u{FFFD}\u{b}Password:\r\n\u{FFFD}\u{a}[secret]\r\n");
}
