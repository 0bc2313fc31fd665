//! How a wire is decided, and what silence, ends and pressure do on each.

mod echo;
mod fair;

use super::*;
use crate::chat::Chat;
use crate::config::Config;
use crate::wire::Timeouts;

const GET: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
const PAGE: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fn settings(protocols: Protocols) -> ServerSettings {
    ServerSettings { limits: limits(), protocols, ..ServerSettings::default() }
}

fn auto_echo() -> Sim<Echo> {
    Sim::with(settings(Protocols::Auto), |_| Echo)
}

fn auto_broadcast() -> Sim<Broadcast> {
    Sim::with(settings(Protocols::Auto), Broadcast::new)
}

fn chat(protocols: Protocols) -> Sim<Chat> {
    let config = Config::read(["chat-server".into()]).expect("the defaults are good");
    Sim::with(settings(protocols), |_| Chat::new(config.chat("epoch".to_owned())))
}

/// A frame as a client sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [7, 77, 177, 27];
    let length = u8::try_from(payload.len()).expect("a short payload");
    assert!(length < 126);
    let masked = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key);
    [first, 0x80 | length].into_iter().chain(key).chain(masked).collect()
}

/// A frame as the server sends it.
fn served(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, u8::try_from(payload.len()).expect("a short payload")], payload].concat()
}

const TEXT: u8 = 0x81;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8A;

fn close(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

impl Peer {
    fn take_bytes(&self) -> Vec<u8> {
        mem::take(&mut self.far.borrow_mut().output)
    }
}

impl<A: Service> Sim<A> {
    /// A client that speaks WebSocket, and whose kernel takes this much from now on.
    fn upgraded(&mut self, room: usize) -> Peer {
        let peer = self.connect(PLENTY);
        self.send(&peer, UPGRADE);
        self.settle();
        let answer = peer.take_output();
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        peer.far.borrow_mut().room = room;
        peer
    }
}

// ---- Deciding ----

#[test]
fn the_decision_is_the_same_wherever_the_bytes_are_cut() {
    let frames = [
        frame(0x01, b"he"),
        frame(PING, b"?"),
        frame(0x80, b"llo"),
        frame(0x82, b"\xFF"),
        frame(CLOSE, b""),
    ]
    .concat();
    let answers =
        [served(PONG, b"?"), served(TEXT, b"hello"), served(0x82, b"\xFF"), served(CLOSE, b"")]
            .concat();
    for (input, start, end) in [
        (b"hello\nworld\r\n".to_vec(), "hello\n", b"world\r\n".to_vec()),
        (b"GETS what it gives\n".to_vec(), "GETS", b"gives\n".to_vec()),
        (b"GET\nPOST\n".to_vec(), "GET\nPOST\n", b"\n".to_vec()),
        (b"get / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), "HTTP/1.1 501 ", b"\n".to_vec()),
        (b"GET /\r\n".to_vec(), "HTTP/1.1 400 ", b"\n".to_vec()),
        (
            b"SSH-2.0-x\r\n".to_vec(),
            "This is a chat server and does not speak SSH",
            b"\r\n".to_vec(),
        ),
        (GET.repeat(2).into_bytes(), "HTTP/1.1 200 OK\r\n", b"\r\n\r\nok".to_vec()),
        (b"POST / HTTP/1.1\r\n\r\nhello\n".to_vec(), "HTTP/1.1 400 ", b"[:port].\n".to_vec()),
        ([GET.as_bytes(), UPGRADE.as_bytes(), &frames].concat(), "HTTP/1.1 200 OK\r\n", answers),
    ] {
        let run = |cuts: &[usize]| {
            let mut sim = auto_echo();
            let peer = sim.connect(PLENTY);
            let mut from = 0;
            for &to in cuts.iter().chain([&input.len()]) {
                sim.send(&peer, &input[from..to]);
                sim.settle();
                from = to;
            }
            // Longer than a person is waited for: it changes nothing any more.
            sim.pass(400);
            peer.take_bytes()
        };
        let whole = run(&[]);
        let shown = String::from_utf8_lossy(&whole).into_owned();
        assert!(whole.starts_with(start.as_bytes()) && whole.ends_with(&end), "{shown}");
        for at in 0..=input.len() {
            assert!(run(&[at]) == whole, "split at {at}: {shown}");
        }
        assert!(run(&(0..input.len()).collect::<Vec<_>>()) == whole, "byte by byte: {shown}");
    }
}

const GREETING: &str =
    "* This is a chat. Press Enter to come in, or type what to say in #lobby.\r\n";

#[test]
fn silence_is_told_how_to_come_in_and_nobody_comes_in_by_it() {
    let mut sim = chat(Protocols::Auto);
    let (silent, late) = (sim.connect(PLENTY), sim.connect(PLENTY));
    sim.pass(11_999);
    assert_eq!(silent.output(), "");
    sim.pass(1);
    assert_eq!(
        (silent.take_output(), late.take_output()),
        (GREETING.to_owned(), GREETING.to_owned())
    );
    assert_eq!(sim.server.service.people(), 0);

    // A request that comes so late is refused, and nobody reads it.
    sim.send(&silent, "\r\n");
    sim.settle();
    assert!(
        silent.take_output().starts_with("* Welcome! You are guest-1 in #lobby, with nobody else.")
    );
    sim.send(&late, "GET / HTTP/1.1\r\nCookie: secret\r\n\r\n");
    sim.settle();
    assert_eq!(
        late.output(),
        "! an HTTP request has to come at once; this connection speaks lines by now\r\n"
    );
    assert!(late.is_shut());
    assert_eq!((silent.output(), sim.server.service.people()), (String::new(), 1));
    // Somebody who has talked may talk of requests.
    sim.send(&silent, "hello\r\nGET / HTTP/1.1\r\n");
    sim.settle();
    assert!(!silent.is_shut());

    let quick = sim.connect(PLENTY);
    sim.send(&quick, "hello\r\n");
    sim.settle();
    assert!(quick.take_output().starts_with("* Welcome! "), "before its first line is served");
    sim.pass(30_000);
    assert_eq!(quick.output(), "", "once");
}

#[test]
fn where_a_browser_is_silence_is_told_nothing() {
    let mut sim = chat(Protocols::Auto);
    let (page, spare, terminal) = (sim.connect(PLENTY), sim.connect(PLENTY), sim.connect(PLENTY));
    sim.send(&page, PAGE);
    sim.pass(60_000);
    sim.send(&terminal, "hello\r\n");
    sim.pass(1_000);
    sim.send(&terminal, "is anybody there?\r\n");
    sim.settle();
    assert_eq!(spare.output(), "");
    sim.send(&spare, GET);
    sim.settle();
    assert!(spare.output().starts_with("HTTP/1.1 200 "), "{}", spare.output());

    // For ten minutes after the last request, and for as long as a WebSocket is open.
    let socket = sim.upgraded(PLENTY);
    for _ in 0..180 {
        sim.send(&socket, frame(PONG, b""));
        sim.pass(20_000);
    }
    let spare = sim.connect(PLENTY);
    sim.pass(60_000);
    assert_eq!(spare.output(), "");
    sim.pass(1_300_000);
    let terminal = sim.connect(PLENTY);
    sim.pass(12_000);
    assert_eq!(terminal.output(), GREETING, "the WebSocket has been let go long ago");
}

#[test]
fn a_silent_terminal_beside_one_that_talks_listens() {
    let mut sim = chat(Protocols::Auto);
    let (silent, monitor) = (sim.connect(PLENTY), sim.connect(PLENTY));
    sim.send(&monitor, GET);
    sim.pass(299);
    let early = sim.connect(PLENTY);
    sim.pass(1);
    let talker = sim.connect(PLENTY);
    sim.send(&talker, "first\r\n");
    sim.settle();
    assert_eq!(
        (silent.take_output(), early.take_output()),
        ("[#lobby] guest-1: first\r\n".to_owned(), String::new())
    );
    assert!(
        talker.take_output().starts_with("* Welcome! You are guest-1 in #lobby, with nobody else.")
    );
    sim.pass(300);
    sim.send(&talker, "/nick tess\r\nsecond\r\n/join #dev\r\nelsewhere\r\n");
    sim.settle();
    for listener in [&silent, &early] {
        assert_eq!(
            listener.take_output(),
            "[#lobby] tess: second\r\n",
            "what is said in the lobby and nothing else"
        );
    }
    talker.take_output();
    assert_eq!(sim.server.service.people(), 1, "who listens counts nowhere");

    sim.send(&silent, "\r\n");
    sim.end_input(&early);
    sim.settle();
    assert!(
        silent.output().starts_with("* Welcome! You are guest-2 in #lobby, with 1 other."),
        "{}",
        silent.output()
    );
    assert!(early.is_dropped());
    assert_eq!(
        talker.take_output(),
        "* guest-2 joined #lobby.\r\n",
        "who only listened has not been there"
    );
    let mut sim = chat(Protocols::Auto);
    let (late, talker) = (sim.connect(PLENTY), sim.connect(PLENTY));
    sim.pass(300);
    sim.send(&talker, "hello\r\n");
    sim.settle();
    sim.send(&late, GET);
    sim.settle();
    assert!(late.output().ends_with(
        "! an HTTP request has to come at once; this connection speaks lines by now\r\n"
    ));
}

#[test]
fn a_listener_that_asks_for_the_page_gets_that_and_nothing_else() {
    let mut sim = chat(Protocols::Auto);
    let (talker, page, monitor) = (sim.connect(PLENTY), sim.connect(PLENTY), sim.connect(PLENTY));
    sim.pass(300);
    sim.send(&talker, "\r\n");
    sim.settle();
    // In one turn: something is said, and then the listener asks.
    sim.send(&talker, "hello\r\n");
    sim.send(&page, UPGRADE);
    sim.send(&monitor, GET);
    sim.settle();
    sim.send(&talker, "again\r\n");
    sim.settle();
    assert!(page.output().starts_with("HTTP/1.1 101 "), "{}", page.output());
    assert!(!page.output().contains("] guest-1: hello"), "{}", page.output());
    assert!(page.output().ends_with("[#lobby] guest-1: again"), "{}", page.output());
    assert!(monitor.output().starts_with("HTTP/1.1 200 "), "{}", monitor.output());
    assert!(!monitor.output().contains('['), "{}", monitor.output());
}

#[test]
fn who_comes_and_goes_without_a_word_has_not_been_there() {
    for listen in [Protocols::Auto, Protocols::Line] {
        let mut sim = chat(listen);
        let watcher = sim.connect(PLENTY);
        sim.send(&watcher, "\r\n");
        sim.settle();
        watcher.take_output();
        for (wait, sent) in [(0, ""), (15_000, ""), (0, " "), (0, "\u{feff}"), (0, "\x04")] {
            let check = sim.connect(PLENTY);
            sim.send(&check, sent);
            sim.pass(wait);
            sim.end_input(&check);
            sim.settle();
            assert!(check.is_dropped());
            let check = sim.connect(PLENTY);
            sim.pass(wait);
            sim.break_off(&check, ErrorKind::ConnectionReset);
            sim.settle();
            assert!(check.is_dropped());
        }
        assert_eq!(watcher.output(), "");
    }
}

#[test]
fn telnet_is_greeted_at_once_and_comes_in_with_its_first_line() {
    let mut sim = chat(Protocols::Auto);
    let telnet = sim.connect(PLENTY);
    sim.send(&telnet, b"\xff\xfb\x1f");
    sim.settle();
    assert_eq!(telnet.take_bytes(), [b"\xff\xfd\x1f\xff\xfb\x03", GREETING.as_bytes()].concat());
    assert_eq!(sim.server.service.people(), 0);
    sim.send(&telnet, "hi\r\0");
    sim.settle();
    assert!(telnet.output().starts_with("* Welcome! "), "{}", telnet.output());
}

#[test]
fn other_protocols_are_never_said_and_end_in_their_own_manner() {
    for (sent, answered) in [
        (
            &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03secret\n"[..],
            &b"\x15\x03\x01\x00\x02\x02\x28"[..],
        ),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\nGET / HTTP/1.1\r\nCookie: secret\r\n\r\n", b"! "),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0csecretsecre", b"! "),
        (b"CAP LS 302\r\nNICK secret\r\nUSER secret 0 * :x\r\n", b"ERROR :"),
        (b"PASS secret\r\n", b"ERROR :"),
        (b"USER secret\r\nPASS secret\r\n", b"554 "),
        (b"*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n", b"-ERR "),
        (b"EHLO secret.example\r\n", b"554 "),
        (b"CONNECT\nlogin:a\npasscode:secret\n\n\0", b"ERROR\n"),
        (b"\x05\x01\x02\x01\x01a\x06secret\n", b"\x05\xff"),
        (b"\x03\0\0\x2a\x25\xe0\0\0\0\0\0Cookie: mstshash=secret\r\n", b"! This is a chat of text"),
        (b"PROPFIND / HTTP/1.1\r\nHost: a\r\nAuthorization: secret\r\n\r\n", b"HTTP/1.1 501 "),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", b"HTTP/1.1 505 "),
        (b"patch / HTTP/1.1\r\nHost: a\r\nCookie: secret\r\n\r\n", b"HTTP/1.1 501 "),
    ] {
        let run = |cuts: &[usize]| {
            let mut sim = chat(Protocols::Auto);
            let watcher = sim.connect(PLENTY);
            sim.send(&watcher, "\r\n");
            sim.settle();
            watcher.take_output();
            let stranger = sim.connect(PLENTY);
            let mut from = 0;
            for &to in cuts.iter().chain([&sent.len()]) {
                sim.send(&stranger, &sent[from..to]);
                sim.settle();
                from = to;
            }
            let seen = watcher.output();
            assert!(!seen.contains("secret") && !seen.contains("[#lobby]"), "{seen}");
            assert!(stranger.is_shut(), "{:?}", String::from_utf8_lossy(sent));
            stranger.take_bytes()
        };
        let answer = run(&[]);
        assert!(
            answer.starts_with(answered) && (answered.is_empty() == answer.is_empty()),
            "{answer:?}"
        );
        (0..=sent.len()).for_each(|at| drop(run(&[at])));
        run(&(0..sent.len()).collect::<Vec<_>>());
    }
}

#[test]
fn what_only_begins_as_a_request_gets_a_sentence_and_is_not_said() {
    let mut sim = chat(Protocols::Auto);
    let (watcher, person) = (sim.connect(PLENTY), sim.connect(PLENTY));
    sim.send(&watcher, "\r\n");
    sim.send(&person, "GET me a coffee\r\n");
    sim.settle();
    assert!(person.take_output().ends_with("so it was not said. Type it again to say it.\r\n"));
    assert_eq!(watcher.take_output().matches("guest-2").count(), 0, "and nobody has come in by it");
    sim.send(&person, "GET me a coffee\r\n");
    sim.settle();
    assert_eq!(
        watcher.output(),
        "* guest-2 joined #lobby.\r\n[#lobby] guest-2: GET me a coffee\r\n"
    );
    // What looks like the rest of a request is not said either, wherever it is cut.
    for rest in ["\r\nhello\r\n", "Cookie: secret\r\n\r\n"] {
        for at in 0..rest.len() {
            let program = sim.connect(PLENTY);
            sim.send(&program, "PUT bad\r\n");
            sim.send(&program, &rest[..at]);
            sim.settle();
            sim.send(&program, &rest[at..]);
            sim.settle();
            assert!(program.is_shut(), "{rest:?} at {at}");
        }
    }
    assert_eq!(watcher.output().lines().count(), 2, "{}", watcher.output());
}

#[test]
fn a_late_request_is_no_line_of_echo_or_broadcast() {
    let mut sim = auto_broadcast();
    let (listener, quiet, late) = (sim.connect(PLENTY), sim.connect(PLENTY), sim.connect(PLENTY));
    sim.pass(1000);
    sim.send(&quiet, GET);
    sim.settle();
    assert!(quiet.output().starts_with("HTTP/1.1 200 "), "nothing was said, so it is not too late");
    let talker = sim.connect(PLENTY);
    sim.send(&talker, "hello\n");
    sim.settle();
    assert_eq!(
        (listener.take_output(), late.take_output()),
        ("hello\n".to_owned(), "hello\n".to_owned())
    );
    sim.send(&late, "GET / HTTP/1.1\r\nCookie: secret\r\n\r\n");
    sim.settle();
    assert_eq!(
        late.output(),
        "! an HTTP request has to come at once; this connection speaks lines by now\n"
    );
    assert_eq!(listener.output(), "");

    let mut sim = auto_echo();
    let page = sim.connect(PLENTY);
    sim.pass(1000);
    sim.send(&page, GET);
    sim.settle();
    assert!(page.output().starts_with("HTTP/1.1 200 "), "{}", page.output());
}

#[test]
fn the_end_of_input_decides_for_lines() {
    let mut sim = auto_echo();
    let peer = sim.connect(PLENTY);
    sim.send(&peer, "GE");
    sim.end_input(&peer);
    sim.settle();
    assert_eq!(peer.output(), "GE");
    assert!(peer.is_dropped());
    // And half a request is none.
    let peer = sim.connect(PLENTY);
    sim.send(&peer, "GET / HTTP/1.1\r\nHost: local");
    sim.end_input(&peer);
    sim.settle();
    assert_eq!(peer.output(), "");
    assert!(peer.is_dropped());
}

#[test]
fn a_pinned_listener_does_not_look_at_first_bytes() {
    let mut sim = chat(Protocols::Line);
    let (peer, page) = (sim.connect(PLENTY), sim.connect(PLENTY));
    sim.settle();
    assert_eq!(
        (peer.take_output(), page.take_output()),
        (GREETING.to_owned(), GREETING.to_owned()),
        "at once"
    );
    sim.send(&peer, "hello\r\n");
    sim.send(&page, GET);
    sim.settle();
    assert!(peer.output().starts_with("* Welcome! "));
    assert!(
        page.output().starts_with("! an HTTP request has to come at once"),
        "{}",
        page.output()
    );
    let mut sim = Sim::with(settings(Protocols::Line), |_| Echo);
    let peer = sim.connect(PLENTY);
    sim.send(&peer, GET);
    sim.settle();
    assert_eq!(peer.output(), GET, "bytes are passed on as they come");

    let mut sim = chat(Protocols::Http);
    let (silent, person) = (sim.connect(PLENTY), sim.connect(PLENTY));
    sim.send(&person, "hello\r\n\r\n");
    sim.pass(9_999);
    assert!(person.output().starts_with("HTTP/1.1 400 "), "{}", person.output());
    assert_eq!(silent.output(), "");
    assert!(!silent.is_shut());
    sim.pass(1);
    assert_eq!(silent.output(), "", "nothing was asked, so nothing is answered");
    assert!(silent.is_shut());
}

#[test]
fn what_is_said_before_the_wire_is_decided_is_held() {
    let mut sim = auto_broadcast();
    let talker = sim.connect(PLENTY);
    sim.send(&talker, "first\n");
    sim.settle();
    let (silent, quick, page, socket) =
        (sim.connect(PLENTY), sim.connect(PLENTY), sim.connect(PLENTY), sim.connect(PLENTY));
    sim.send(&talker, "held\n");
    sim.settle();
    for peer in [&silent, &quick, &page, &socket] {
        assert_eq!(peer.output(), "", "nothing is sent before the wire is decided");
    }
    sim.send(&quick, "quick\n");
    sim.send(&page, GET);
    sim.send(&socket, UPGRADE);
    sim.settle();
    assert_eq!(quick.take_output(), "held\nquick\n");
    assert!(
        page.output().starts_with("HTTP/1.1 200 ") && page.output().ends_with("\r\n\r\nok"),
        "{}",
        page.output()
    );
    let answer = socket.take_output();
    assert!(answer.starts_with("HTTP/1.1 101 ") && !answer.contains("held"), "{answer}");
    assert_eq!(silent.output(), "");
    sim.pass(300);
    assert_eq!(silent.take_output(), "held\nquick\n");

    page.take_bytes();
    sim.send(&talker, "last\n");
    sim.settle();
    assert_eq!(silent.take_output(), "last\n");
    // What was said between the request and its answer may or may not be there; this is.
    assert!(socket.take_bytes().ends_with(&served(TEXT, b"last")));
    assert_eq!(page.output(), "", "a page is no member");
}

#[test]
fn first_bytes_and_requests_do_not_wait_for_a_slow_member() {
    let mut sim = auto_broadcast();
    let (slow, speaker) = (sim.connect(0), sim.connect(PLENTY));
    sim.send(&slow, "hello\n");
    sim.send(&speaker, lines('a', 500));
    sim.settle();
    assert!(speaker.unread() > 0, "the room is congested");
    let (page, socket, line) = (sim.connect(PLENTY), sim.connect(PLENTY), sim.connect(PLENTY));
    sim.send(&page, GET);
    sim.send(&socket, [UPGRADE.as_bytes(), &frame(TEXT, b"from a socket")].concat());
    sim.send(&line, "from a terminal\n");
    sim.pass(300);
    assert!(page.output().starts_with("HTTP/1.1 200 "), "{}", page.output());
    assert!(
        socket.take_output().starts_with("HTTP/1.1 101 "),
        "a request is no line, however long it takes"
    );
    let heard = |peer: &Peer| peer.output().matches("from a ").count();
    assert_eq!(heard(&speaker), 0, "what newcomers say waits like what all others say");
    sim.drain(&slow, PLENTY);
    sim.settle();
    assert_eq!((heard(&slow), heard(&speaker)), (2, 2));
}

#[test]
fn what_follows_an_upgrade_is_frames() {
    let mut sim = auto_echo();
    let peer = sim.connect(PLENTY);
    sim.send(
        &peer,
        [UPGRADE.as_bytes(), &frame(TEXT, b"GET / HTTP/1.1\r\n\r\n"), &frame(TEXT, b"x")].concat(),
    );
    sim.settle();
    let output = peer.take_bytes();
    assert!(output.starts_with(b"HTTP/1.1 101 "));
    assert!(
        output.ends_with(&[served(TEXT, b"GET / HTTP/1.1\r\n\r\n"), served(TEXT, b"x")].concat())
    );
    // A second request is a frame, and a bad one.
    sim.send(&peer, GET);
    sim.settle();
    assert!(peer.take_bytes().starts_with(&[CLOSE]));
}

// ---- Requests that take their time ----

#[test]
fn a_head_that_takes_too_long_is_answered_and_the_connection_closed() {
    let mut sim = auto_echo();
    let peer = sim.connect(PLENTY);
    sim.send(&peer, "GET / HTTP/1.1\r\nA: ");
    // One byte a second does not put it off.
    for _ in 0..9 {
        sim.pass(1000);
        sim.send(&peer, "x");
    }
    sim.pass(999);
    assert_eq!(peer.output(), "");
    sim.pass(1);
    assert!(peer.output().starts_with("HTTP/1.1 408 "), "{}", peer.output());
    assert!(peer.is_shut());
    sim.send(&peer, "\r\nHost: x\r\n\r\n");
    sim.pass(1000);
    assert_eq!(peer.output().matches("HTTP/1.1").count(), 1, "{}", peer.output());
    assert!(peer.is_dropped());
}

#[test]
fn a_kept_connection_without_a_request_is_closed_without_a_word() {
    let mut sim = auto_echo();
    let (idle, half) = (sim.connect(PLENTY), sim.connect(PLENTY));
    for peer in [&idle, &half] {
        sim.send(peer, GET);
    }
    sim.pass(6000);
    for peer in [&idle, &half] {
        assert!(peer.take_output().ends_with("ok"));
        sim.send(peer, GET);
    }
    // Longer than balancers keep idle connections.
    sim.pass(89_999);
    for peer in [&idle, &half] {
        assert!(peer.take_output().ends_with("ok"), "each answer starts the time anew");
        assert!(!peer.is_shut());
    }
    sim.send(&half, "GET /");
    sim.pass(1);
    assert_eq!(idle.output(), "");
    assert!(idle.is_shut());
    sim.pass(9_998);
    assert!(!half.is_shut(), "its head has only begun");
    sim.pass(1);
    assert!(half.output().starts_with("HTTP/1.1 408 "));
    assert!(half.is_shut());
}

/// Whenever it begins: the time of a head is not that between two requests.
#[test]
fn a_head_has_its_time_from_its_first_byte_on() {
    for idle_ms in [0, 1, 4_999, 9_999, 10_000, 10_001, 45_000, 85_000, 89_000] {
        let mut sim = auto_echo();
        let peer = sim.connect(PLENTY);
        sim.send(&peer, GET);
        sim.pass(idle_ms);
        assert!(peer.take_output().ends_with("ok"));
        sim.send(&peer, "HEAD / HTTP/1.1\r\nA: ");
        sim.pass(9_999);
        assert_eq!(peer.output(), "", "{idle_ms}");
        sim.pass(1);
        let answer = peer.output();
        assert!(
            answer.starts_with("HTTP/1.1 408 ") && answer.ends_with("\r\n\r\n"),
            "{idle_ms}: {answer}"
        );
    }
}

#[test]
fn what_answers_head_has_no_body_though_the_head_is_bad() {
    for bad in [
        "HEAD / HTTP/1.1\r\n\r\n",
        "HEAD nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
        "HEAD / HTTP/2.0\r\n\r\n",
    ] {
        let mut sim = auto_echo();
        let peer = sim.connect(PLENTY);
        sim.send(&peer, bad);
        sim.settle();
        assert!(
            peer.output().starts_with("HTTP/1.1 ") && peer.output().ends_with("\r\n\r\n"),
            "{}",
            peer.output()
        );
        assert!(peer.is_shut());
    }
}

const OFFERED: &str = "Content-Length: 100000\r\nExpect: 100-continue\r\n";

#[test]
fn what_has_a_body_is_answered_at_once_and_its_body_is_no_request() {
    let body = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(50);
    for (fields, status) in [
        ("Content-Length: 100000\r\n", 405),
        (OFFERED, 405),
        ("Transfer-Encoding: chunked\r\n", 405),
    ] {
        let mut sim = auto_echo();
        let peer = sim.connect(PLENTY);
        sim.send(&peer, format!("POST / HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"));
        sim.settle();
        let answer = peer.output();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(
            answer.contains("\r\nAllow: GET, HEAD, OPTIONS\r\n")
                && answer.contains("\r\nConnection: close\r\n")
        );
        assert!(peer.is_shut() && !peer.is_dropped(), "it may be sending still");
        sim.send(&peer, body.clone());
        sim.settle();
        assert_eq!(
            (peer.unread(), peer.is_dropped()),
            (0, false),
            "what it sends is read, so that nothing is reset"
        );
        sim.end_input(&peer);
        sim.settle();
        assert!(peer.is_dropped());
        assert_eq!(peer.output(), answer);
    }
}

#[test]
fn who_sends_a_body_slowly_has_time_to_read_the_answer_but_not_for_ever() {
    let begin = || {
        let mut sim = auto_echo();
        let peer = sim.connect(PLENTY);
        sim.send(&peer, "PUT / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
        sim.settle();
        assert!(peer.output().starts_with("HTTP/1.1 405 ") && peer.is_shut());
        (sim, peer)
    };
    let (mut sim, peer) = begin();
    for _ in 0..20 {
        sim.send(&peer, "x");
        sim.pass(999);
        assert_eq!((peer.is_dropped(), peer.unread()), (false, 0));
    }
    sim.pass(1);
    assert!(peer.is_dropped(), "it has fallen silent");

    let (mut sim, peer) = begin();
    for _ in 0..59 {
        sim.pass(500);
        sim.send(&peer, "x");
        sim.settle();
        assert!(!peer.is_dropped());
    }
    sim.pass(500);
    assert!(peer.is_dropped(), "it sends without end");
}

// ---- A page that asks beforehand ----

#[test]
fn admission_is_told_for_the_mode_the_page_and_the_end() {
    let ask = |origin: &str| {
        format!("GET /admission?origin={origin} HTTP/1.1\r\nHost: chat.example\r\n\r\n")
    };
    let mut sim = chat(Protocols::Auto);
    let peer = sim.connect(PLENTY);
    for (origin, status, told) in [
        ("https%3A%2F%2Fchat.example", 200, "{\"admitted\":true}"),
        ("https://evil.example", 403, "\"reason\":\"origin\""),
    ] {
        sim.send(&peer, ask(origin));
        sim.settle();
        let answer = peer.take_output();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(told),
            "{answer}"
        );
    }
    sim.server.drain();
    sim.send(&peer, ask("https://chat.example"));
    sim.settle();
    assert!(
        peer.output().starts_with("HTTP/1.1 503 ")
            && peer.output().contains("\"reason\":\"stopping\"")
    );

    for upgradable in [true, false] {
        let mut sim = auto_broadcast();
        let peer = sim.connect(PLENTY);
        sim.send(
            &peer,
            if upgradable { ask("http://chat.example") } else { GET.replace("/healthz", "/") },
        );
        sim.settle();
        let (status, told) =
            if upgradable { (409, "\"reason\":\"mode\"") } else { (200, "to everybody") };
        let answer = peer.take_output();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(told),
            "{answer}"
        );
    }
}

#[test]
fn answers_wait_for_their_reader() {
    let mut sim = auto_echo();
    let peer = sim.connect(0);
    sim.send(&peer, GET.repeat(100));
    sim.settle();
    assert!(peer.unread() > 0, "requests are left where they are while answers are not read");
    for _ in 0..1000 {
        sim.drain(&peer, 500);
        sim.settle();
    }
    assert_eq!(peer.output().matches("HTTP/1.1 200 OK").count(), 100);
}

// ---- WebSocket: silence, pressure, ends ----

#[test]
fn a_silent_client_is_pinged_and_let_go_if_it_does_not_answer() {
    let mut sim = auto_echo();
    let (answers, talks, dead) = (sim.upgraded(PLENTY), sim.upgraded(PLENTY), sim.upgraded(PLENTY));
    sim.pass(15_000);
    sim.send(&talks, frame(TEXT, b"x"));
    sim.pass(9_999);
    assert_eq!(dead.output(), "");
    sim.pass(1);
    assert_eq!(answers.take_bytes(), served(PING, b""));
    assert_eq!(dead.take_bytes(), served(PING, b""));
    assert_eq!(talks.take_bytes(), served(TEXT, b"x"), "not pinged: it was not silent");
    sim.send(&answers, frame(PONG, b""));
    sim.pass(14_999);
    assert!(!dead.is_shut());
    sim.pass(1);
    assert_eq!(dead.take_bytes(), served(CLOSE, &close(1001, "")));
    assert!(dead.is_shut());
    sim.pass(1000);
    assert!(dead.is_dropped());

    assert_eq!(talks.take_bytes(), served(PING, b""), "25 seconds after it talked");
    assert_eq!(answers.take_bytes(), b"");
    sim.pass(9_000);
    assert_eq!(answers.take_bytes(), served(PING, b""), "25 seconds after its answer");
}

#[test]
fn an_answer_that_waits_to_be_read_comes_before_its_deadline() {
    let mut sim = auto_echo();
    let peer = sim.upgraded(PLENTY);
    sim.pass(25_000);
    assert_eq!(peer.take_bytes(), served(PING, b""));
    sim.send(&peer, frame(PONG, b""));
    // The server was stopped meanwhile.
    sim.now.ms += 20_000;
    sim.settle();
    assert!(!peer.is_shut() && peer.output().is_empty(), "{}", peer.output());
}

#[test]
fn pongs_are_not_lost_under_pressure() {
    let mut sim = auto_echo();
    let peer = sim.upgraded(0);
    let mut expected = Vec::new();
    for number in 0..40 {
        let text = format!("{number:090}");
        let ping = format!("ping {number}");
        sim.send(&peer, [frame(TEXT, text.as_bytes()), frame(PING, ping.as_bytes())].concat());
        sim.settle();
        expected.extend(served(TEXT, text.as_bytes()));
        expected.extend(served(PONG, ping.as_bytes()));
    }
    assert!(peer.unread() > 0, "it is not read from while it does not read");
    let mut output = Vec::new();
    for _ in 0..expected.len().div_ceil(50) {
        sim.pass(10);
        sim.drain(&peer, 50);
        sim.settle();
        output.extend(peer.take_bytes());
    }
    assert!(output == expected, "{} of {} bytes", output.len(), expected.len());
}

#[test]
fn a_close_is_answered_and_nothing_after_it_is_served() {
    for (sent, answered) in [
        (close(1000, "bye"), close(1000, "")),
        (close(4321, ""), close(4321, "")),
        (Vec::new(), Vec::new()),
        (vec![3], close(1002, "close code of one byte")),
        (close(1005, ""), close(1002, "close code that must not be sent")),
        (
            close(1000, "x").into_iter().chain([0xFF]).collect(),
            close(1007, "text that is not UTF-8"),
        ),
    ] {
        let mut sim = auto_echo();
        let peer = sim.upgraded(PLENTY);
        sim.send(
            &peer,
            [frame(TEXT, b"before"), frame(CLOSE, &sent), frame(TEXT, b"after")].concat(),
        );
        sim.settle();
        assert_eq!(peer.take_bytes(), [served(TEXT, b"before"), served(CLOSE, &answered)].concat());
        assert!(peer.is_shut());
        assert!(!peer.is_dropped(), "the client is the first to close (RFC 6455 7.1.1)");
        sim.end_input(&peer);
        sim.settle();
        assert!(peer.is_dropped());
        assert_eq!(peer.output(), "");
    }
}

#[test]
fn a_server_that_closes_waits_for_the_answer_but_not_for_ever() {
    for answers in [true, false] {
        let mut sim = auto_echo();
        let peer = sim.upgraded(PLENTY);
        sim.send(&peer, [0x81, 0x01, b'x']);
        sim.settle();
        assert_eq!(peer.take_bytes(), served(CLOSE, &close(1002, "client frame without a mask")));
        assert!(peer.is_shut() && !peer.is_dropped());
        if answers {
            sim.send(&peer, frame(CLOSE, &close(1002, "")));
            sim.end_input(&peer);
            sim.settle();
        } else {
            sim.pass(1000);
        }
        assert!(peer.is_dropped());
        assert_eq!(peer.output(), "", "one Close is enough");
    }
}

#[test]
fn what_is_held_is_released_also_to_one_that_has_begun_to_send() {
    for greet_after_ms in [1, 12_000] {
        let limits = limits();
        let wire = Timeouts { greet_after_ms, ..limits.wire };
        let settings = ServerSettings {
            limits: ConnectionLimits { wire, ..limits },
            ..settings(Protocols::Auto)
        };
        let mut sim = Sim::with(settings, Broadcast::new);
        let (begun, talker) = (sim.connect(PLENTY), sim.connect(PLENTY));
        sim.send(&begun, "GE");
        sim.send(&talker, "held\n");
        sim.settle();
        assert_eq!(begun.output(), "");
        sim.pass(300);
        assert_eq!(begun.take_output(), "held\n", "greeted after {greet_after_ms} ms");
    }
}

#[test]
fn draining_says_so_to_each_in_its_own_manner() {
    let mut sim = chat(Protocols::Auto);
    let (socket, page, undecided, terminal) =
        (sim.upgraded(PLENTY), sim.connect(PLENTY), sim.connect(PLENTY), sim.connect(PLENTY));
    sim.send(&page, GET);
    sim.send(&terminal, "hello\r\n");
    sim.settle();
    for peer in [&socket, &page, &terminal] {
        peer.take_bytes();
    }
    sim.server.drain();
    sim.settle();
    assert_eq!(socket.take_bytes(), served(CLOSE, &close(1001, "")));
    let last_words = terminal.take_output();
    assert!(last_words.ends_with("* Goodbye: the server is stopping.\r\n"), "{last_words}");
    assert_eq!(undecided.output(), "");
    assert!(undecided.is_shut());
    sim.send(&page, GET);
    sim.settle();
    assert!(page.output().starts_with("HTTP/1.1 503 ") && page.is_shut());
    sim.pass(1000);
    assert!(sim.server.is_empty());
}

#[test]
fn slow_readers_of_whole_requests_are_not_told_that_their_head_is_late() {
    let mut sim = auto_echo();
    let peer = sim.connect(0);
    sim.send(&peer, GET.repeat(100));
    for _ in 0..30 {
        sim.pass(1000);
        sim.drain(&peer, 500);
    }
    assert!(!peer.output().contains("408"), "{}", peer.output());
}

#[test]
fn draining_waits_for_an_answer_that_is_being_read() {
    let mut sim = auto_echo();
    let peer = sim.connect(100);
    sim.send(&peer, GET.repeat(5));
    sim.settle();
    sim.server.drain();
    sim.settle();
    assert!(!sim.server.is_drained(), "answers are owed");
    while peer.output().matches("ok").count() < 5 {
        sim.drain(&peer, 100);
        sim.settle();
    }
    assert!(sim.server.is_drained());
}

#[test]
fn a_client_that_has_not_shown_what_it_speaks_holds_nobody_up() {
    let settings = ServerSettings {
        limits: ConnectionLimits {
            wire: Timeouts { withhold_ms: 60_000, ..Timeouts::default() },
            ..limits()
        },
        protocols: Protocols::Auto,
        ..ServerSettings::default()
    };
    let mut sim = Sim::with(settings, Broadcast::new);
    let silent = sim.connect(PLENTY);
    let speaker = sim.connect(PLENTY);
    for _ in 0..100 {
        sim.send(&speaker, lines('s', 20));
        sim.settle();
    }
    assert_eq!(speaker.output().len(), 100 * 20 * 10, "all of it came back, and none had to wait");
    assert_eq!(silent.output().len(), 100 * 20 * 10, "it was taken for a reader of lines");
}

/// Who has said that nothing follows the request is not waited for, and no deadline is left of it.
#[test]
fn a_connection_for_one_request_is_over_in_one_turn() {
    const LAST: [&str; 2] = [
        "GET /healthz HTTP/1.0\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ];
    let mut sim = Sim::with(ServerSettings::default(), |_| Echo);
    for request in LAST {
        let peer = sim.connect(PLENTY);
        sim.send(&peer, request);
        sim.turn();
        assert!(peer.output().ends_with("\r\n\r\nok") && peer.is_dropped(), "{request}");
        assert!(peer.far.borrow().ended_together, "in one packet");
        assert_eq!(sim.server.next_deadline(), None, "{request}");
    }
    // What has come behind it must not reset the connection before the answer has been read.
    for more in ["\r\n", LAST[0]] {
        let peer = sim.connect(PLENTY);
        sim.send(&peer, [LAST[1], more].concat());
        sim.turn();
        assert!(peer.output().ends_with("\r\n\r\nok") && !peer.is_dropped(), "{more}");
        sim.end_input(&peer);
        sim.settle();
        assert!(peer.is_dropped());
    }
}

/// The same of what has come behind it and was not read with it: a read brings 64 bytes here.
#[test]
fn what_a_read_has_left_behind_the_last_request_is_read_before_its_connection_is_closed() {
    let mut sim = auto_echo();
    let head = "GET /healthz HTTP/1.0\r\nX: ";
    let request = format!("{head}{:x<1$}\r\n\r\n", "", 64 - head.len() - 4);
    for more in ["", "\r\n"] {
        let peer = sim.connect(PLENTY);
        sim.send(&peer, [&request, more].concat());
        sim.settle();
        assert!(peer.output().ends_with("\r\n\r\nok"), "{more}");
        assert_eq!((peer.unread(), peer.is_dropped()), (0, false), "{more}");
        sim.end_input(&peer);
        sim.settle();
        assert!(peer.is_dropped());
    }
}

/// An upgrade is never the last that its client sends, whatever it says of the connection.
#[test]
fn a_websocket_whose_request_says_close_is_served() {
    let mut sim = auto_echo();
    let peer = sim.connect(PLENTY);
    sim.send(&peer, UPGRADE.replace(": Upgrade\r", ": Upgrade, close\r"));
    sim.settle();
    assert!(peer.output().starts_with("HTTP/1.1 101 "), "{}", peer.output());
    sim.send(&peer, frame(0x81, b"hello"));
    sim.settle();
    assert!(peer.output().ends_with("\x05hello") && !peer.is_dropped());
}
