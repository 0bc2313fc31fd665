//! Clients that come by a proxy.

use std::net::SocketAddr;

use super::*;
use crate::server::admission::{AddressPolicy, MaxClients};
use crate::server::protection::Plain;
use crate::server::proxies::TrustedProxies;
use crate::throttle::Rate;
use crate::wire::proxy::{self, Start};

const PROXY: &str = "192.0.2.1:40000";
const STRANGER: &str = "198.51.100.9:40000";
const ALICE: &str = "203.0.113.7:51234";
const V1: &[u8] = b"PROXY TCP4 203.0.113.7 192.0.2.80 51234 443\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0F\xCB\x00\x71\x07\xC0\x00\x02\x50\xC8\x22\x01\xBB\x04\x00\x00";
/// A proxy's own, as for its checks of our health.
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";

/// Tells each client whose it is, and that it has come.
struct Whose {
    greeting: Option<&'static str>,
    open: usize,
}

impl Service for Whose {
    fn greeting(&self) -> Option<&'static str> {
        self.greeting
    }

    fn opened(&mut self, client: ClientId, hello: &Hello<'_>, out: &mut Delivery) {
        self.open += 1;
        let line = format!("opened {}\n", hello.peer);
        out.send(client, |to| to.content(FrameKind::Text, line.as_bytes()));
    }

    fn message(&mut self, client: ClientId, message: Incoming<'_>, out: &mut Delivery) -> Outcome {
        let said = String::from_utf8_lossy(message.bytes);
        let line = format!("{}: {said}", message.peer);
        out.send(client, |to| to.content(FrameKind::Text, line.as_bytes()));
        Outcome::Done
    }

    fn closed(&mut self, _: ClientId, _: crate::ids::Peer, _: &mut Delivery) {
        self.open -= 1;
    }
}

fn proxies() -> TrustedProxies {
    vec!["192.0.2.0/24".parse().expect("a network")].into()
}

fn with(protocols: Protocols, greeting: Option<&'static str>) -> Sim<Whose> {
    let addresses = AddressPolicy::new(Some(MaxClients::AtMost(2)), Some(Rate::Off));
    let (limits, proxies) = (limits(), proxies());
    let settings =
        ServerSettings { limits, addresses, proxies, protocols, ..ServerSettings::default() };
    Sim::with(settings, |_| Whose { greeting, open: 0 })
}

impl<A: Service> Sim<A> {
    /// As the listener does it: asks first.
    fn come(&mut self, from: &str) -> Peer {
        let from = from.parse().expect("an address");
        self.server.admit(from, self.now).expect("it is admitted");
        self.connect_from(from, Far { room: PLENTY, ..Far::default() })
    }

    /// Somebody who says this by a proxy.
    fn say(&mut self, from: &str, words: &[u8]) -> Peer {
        let peer = self.come(from);
        self.send(&peer, words);
        self.settle();
        peer
    }
}

const KINDS: [(Protocols, Option<&str>); 4] = [
    (Protocols::Auto, Some("welcome\n")),
    (Protocols::Auto, None),
    (Protocols::Line, Some("welcome\n")),
    (Protocols::Line, None),
];

#[test]
fn a_header_says_whose_a_connection_is_however_it_is_cut() {
    for (protocols, greeting) in KINDS {
        for (header, whose) in [(V1, ALICE), (V2, ALICE), (LOCAL, PROXY), (b"", PROXY)] {
            let input = [header, b"hello\nagain\n"].concat();
            let expected =
                [format!("opened {whose}\n"), format!("{whose}: hello\n{whose}: again\n")];
            for at in 0..=input.len() {
                let mut sim = with(protocols, greeting);
                let peer = sim.come(PROXY);
                for piece in [&input[..at], &input[at..]] {
                    sim.send(&peer, piece);
                    sim.settle();
                }
                let told = peer.take_output();
                let told = told.strip_prefix("welcome\n").unwrap_or(&told);
                assert_eq!(told, expected.concat(), "{protocols:?} {greeting:?} {at} {whose}");
            }
        }
    }
}

#[test]
fn behind_a_header_everything_is_told_apart_as_before() {
    let mut sim = with(Protocols::Auto, Some("welcome\n"));
    for (header, protocol, answer) in [
        (V1, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n".as_slice(), "HTTP/1.1 200 OK\r\n"),
        (V2, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\n"),
        (V1, b"SSH-2.0-x\r\n", "This is a chat server and does not speak SSH.\r\n"),
        // One header: what stands behind it is a client's.
        (V1, V1, "! This server does not speak the PROXY protocol.\r\n"),
        (V1, V2, "! This server does not speak the PROXY protocol.\r\n"),
        (LOCAL, V2, "! This server does not speak the PROXY protocol.\r\n"),
    ] {
        let peer = sim.say(PROXY, &[header, protocol].concat());
        assert!(peer.output().starts_with(answer), "{:?}", peer.output());
        sim.pass(60_000);
    }
    let mut sim = with(Protocols::Http, None);
    let peer = sim.say(PROXY, &[V1, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
    assert!(peer.output().starts_with("HTTP/1.1 200 OK\r\n"), "{:?}", peer.output());
}

#[test]
fn a_header_from_elsewhere_is_no_header() {
    for (protocols, greeting) in [(Protocols::Auto, Some("welcome\n")), (Protocols::Auto, None)] {
        for header in [V1, V2, LOCAL] {
            let mut sim = with(protocols, greeting);
            let peer = sim.say(STRANGER, &[header, b"hello\n"].concat());
            let told = peer.output();
            let refused = told.strip_prefix(&format!("opened {STRANGER}\n")).unwrap_or(&told);
            assert_eq!(refused, "! This server does not speak the PROXY protocol.\r\n");
            assert_eq!(sim.server.service.open, 0);
        }
    }
}

#[test]
fn a_malformed_header_ends_its_connection_without_a_word() {
    for (protocols, greeting) in KINDS {
        for header in [
            b"PROXY TCP4 203.0.113.7\r\nhello\n".as_slice(),
            b"PROXY TCP4 203.0.113.7 192.0.2.80 51234 443\nhello\n",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x04\xCB\x00\x71\x07hello\n",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xFF\xFF\xCB\x00\x71\x07hello\n",
            &[b'P', b'R', b'O', b'X', b'Y', b' ', b'U', b'N', b'K', b'N', b'O', b'W', b'N', b' ']
                .into_iter()
                .chain([b'x'; 100])
                .collect::<Vec<_>>(),
        ] {
            let mut sim = with(protocols, greeting);
            let peer = sim.say(PROXY, header);
            assert!(peer.is_shut(), "{}", header.escape_ascii());
            assert_eq!((peer.output().as_str(), sim.server.service.open), ("", 0));
        }
    }
}

#[test]
fn half_a_header_is_waited_for_five_seconds_and_not_beyond_the_end() {
    for (protocols, greeting) in KINDS {
        for header in [V1, V2] {
            let mut sim = with(protocols, greeting);
            let (slow, ended) = (sim.come(PROXY), sim.come(PROXY));
            for peer in [&slow, &ended] {
                sim.send(peer, &header[..header.len() - 1]);
            }
            sim.end_input(&ended);
            sim.pass(4_999);
            assert!(!slow.is_shut() && ended.is_dropped());
            sim.pass(1);
            assert!(slow.is_shut());
            assert_eq!((slow.output(), ended.output()), (String::new(), String::new()));
        }
    }
}

#[test]
fn a_header_that_has_come_is_in_time_although_the_server_is_late_to_read_it() {
    for header in [V1, V2] {
        let mut sim = with(Protocols::Auto, Some("welcome\n"));
        let others = [sim.come(PROXY), sim.come(PROXY)];
        for peer in &others {
            sim.send(peer, &header[..3]);
        }
        sim.settle();
        sim.now.ms += 5000;
        for peer in &others {
            sim.send(peer, [&header[3..], b"hello\n"].concat());
        }
        // The first has taken all the time there is for reading.
        sim.server.receive(sim.now, |_| true);
        sim.server.deliver(true);
        let due = sim.server.next_deadline();
        assert!(due.is_none_or(|at| at >= sim.now.ms + 100), "it is woken at {due:?}");
        sim.pass(10);
        for peer in &others {
            assert_eq!(peer.output(), format!("opened {ALICE}\n{ALICE}: hello\n"));
        }
    }
}

#[test]
fn what_comes_from_a_proxy_without_a_header_is_its_own() {
    // By itself, as words, and at the end of the input.
    for (protocols, greeting) in KINDS {
        let mut sim = with(protocols, greeting);
        let (silent, said) = (sim.come(PROXY), sim.come(PROXY));
        sim.pass(5_000);
        sim.send(&said, "PROXY servers are many\n");
        sim.pass(15_000);
        let begins = greeting.map_or(format!("opened {PROXY}\n"), str::to_owned);
        assert_eq!(silent.output(), begins, "{protocols:?}");
        assert!(said.output().ends_with(&format!("{PROXY}: PROXY servers are many\n")));
        let last = sim.come(PROXY);
        sim.send(&last, "P");
        sim.end_input(&last);
        sim.settle();
        assert!(last.output().ends_with(&format!("{PROXY}: P")), "{:?}", last.output());
    }
    // On a port for HTTP only, nothing becomes a line.
    let mut sim = with(Protocols::Http, None);
    let last = sim.come(PROXY);
    sim.send(&last, "PR");
    sim.end_input(&last);
    sim.settle();
    assert_eq!(last.output(), "");
    // People press Enter twice; a header of version 2 begins so.
    let mut sim = with(Protocols::Auto, Some("welcome\n"));
    let person = sim.say(PROXY, b"\r\n\r\n");
    sim.pass(499);
    assert_eq!(person.output(), "");
    sim.pass(1);
    assert!(person.output().starts_with(&format!("opened {PROXY}\n")), "{:?}", person.output());
}

#[test]
fn what_people_write_as_well_is_not_waited_for_as_long_as_a_header_is() {
    for (protocols, greeting) in KINDS {
        for start in ["\r\n", "\r\n\r\n", "\r", "PROXY"] {
            let mut sim = with(protocols, greeting);
            let (person, slow) = (sim.say(PROXY, start.as_bytes()), sim.come(PROXY));
            sim.pass(499);
            sim.send(&person, "hello\n");
            sim.settle();
            assert!(person.output().contains(&format!("opened {PROXY}\n")), "{start:?}");
            // It is a header after all, and as slow as one may be.
            let header = if start == "PROXY" { V1 } else { V2 };
            sim.send(&slow, start);
            sim.settle();
            sim.pass(400);
            sim.send(&slow, &header[start.len()..20]);
            sim.settle();
            sim.pass(4_000);
            assert!(!slow.is_shut() && slow.output().is_empty(), "{start:?}");
            sim.send(&slow, [&header[20..], b"hello\n"].concat());
            sim.settle();
            assert!(slow.output().contains(&format!("opened {ALICE}\n")), "{:?}", slow.output());
        }
    }
}

// ---- TLS that a proxy has taken away ----

/// That of [`V2`], with whether the client has come by TLS.
fn v2_with_tls(client: u8) -> Vec<u8> {
    let extras = [0x20, 0, 5, client, 0, 0, 0, 0];
    let header = [&V2[..15], &[12 + extras.len() as u8], &V2[16..28], &extras].concat();
    assert!(matches!(proxy::parse(&header), Ok(Start::Header(_))));
    header
}

#[test]
fn who_has_come_to_a_proxy_by_tls_has_come_by_tls() {
    let get = get("/", "");
    let refused = "! this server takes TLS only";
    for (from, client, words, answer) in [
        (PROXY, 1, b"hello\n".as_slice(), "opened 203.0.113.7:51234\n"),
        (PROXY, 0, b"hello\n", refused),
        (STRANGER, 1, b"hello\n", "! This server does not speak the PROXY protocol."),
        (PROXY, 1, &get, "HTTP/1.1 200 OK\r\n"),
        (PROXY, 0, &get, "HTTP/1.1 308 "),
    ] {
        let settings =
            ServerSettings { proxies: proxies(), plain: Plain::Off, ..ServerSettings::default() };
        let mut sim = Sim::with(settings, |_| Whose { greeting: None, open: 0 });
        let peer = sim.say(from, &[&v2_with_tls(client), words].concat());
        assert!(peer.output().starts_with(answer), "{from} {client}: {:?}", peer.output());
        let is_taken = answer.starts_with("HTTP/1.1 200");
        assert_eq!(peer.output().contains("Strict-Transport-Security: "), is_taken);
    }
    // The page has come by https.
    let mut sim = with(Protocols::Auto, None);
    for (client, scheme, may) in [(1, "https", true), (1, "http", false), (0, "http", true)] {
        let request = upgrade(&format!("Origin: {scheme}://inside:8080\r\n"));
        let peer = sim.say(PROXY, &[v2_with_tls(client), request].concat());
        assert_eq!(opened(&peer).is_some(), may, "{client} {scheme}: {}", peer.output());
        sim.end_input(&peer);
        sim.settle();
    }
}

// ---- What the address decides ----

#[test]
fn limits_are_those_of_the_client_and_not_of_its_proxy() {
    for (protocols, greeting) in KINDS {
        let mut sim = with(protocols, greeting);
        let come = |sim: &mut Sim<Whose>| sim.say(PROXY, &[V1, b"hello\n"].concat());
        let (first, _second) = (come(&mut sim), come(&mut sim));
        assert!(first.output().ends_with("hello\n"));
        let third = come(&mut sim);
        let refused = "! your address has as many clients here as it may have; try again later\n";
        assert_eq!(third.output(), refused, "{protocols:?} {greeting:?}");
        assert!(third.is_shut());
        assert_eq!(sim.server.service.open, 2);

        // Others come by the same proxy, and it has a word of its own.
        let other =
            [b"PROXY TCP4 203.0.113.8 192.0.2.80 1 443\r\n".as_slice(), b"hello\n"].concat();
        for words in
            [&other, &other, &b"hello\n".to_vec(), &b"hello\n".to_vec(), &b"hello\n".to_vec()]
        {
            let peer = sim.say(PROXY, words);
            assert!(peer.output().ends_with("hello\n"), "{:?}", peer.output());
        }
        // One that leaves makes room.
        sim.end_input(&first);
        sim.settle();
        assert!(come(&mut sim).output().ends_with("hello\n"));
    }
}

#[test]
fn a_rejected_client_is_told_in_its_own_way() {
    let policy = AddressPolicy::new(None, Rate::limited(1, 1).ok());
    for (rest, answer) in [
        (b"hello\n".as_slice(), "! your address connects too often; try again later\n"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 429 Too Many Requests\r\n"),
        (b"", "! your address connects too often; try again later\n"),
        (b"\x16\x03\x01\x02\x00\x01\x00", "\x15\x03\x01\0\x02\x02\x31"),
    ] {
        let (addresses, proxies) = (policy, proxies());
        let settings = ServerSettings { addresses, proxies, ..ServerSettings::default() };
        let mut sim = Sim::with(settings, |_| Whose { greeting: Some("welcome\n"), open: 0 });
        sim.say(PROXY, &[V1, b"hello\n"].concat());
        let peer = sim.say(PROXY, V1);
        sim.send(&peer, rest);
        sim.settle();
        sim.pass(300);
        assert!(peer.output().starts_with(answer), "{:?}", peer.output());
        assert!(peer.is_shut());
        assert_eq!(sim.server.service.open, 1);
    }
}

#[test]
fn where_browsers_are_is_the_client_s_address() {
    let mut sim = with(Protocols::Auto, Some("welcome\n"));
    sim.say(PROXY, &[V1, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
    let (hers, others) =
        (sim.say(PROXY, V1), sim.say(PROXY, b"PROXY TCP4 203.0.113.8 192.0.2.80 1 443\r\n"));
    sim.pass(20_000);
    assert_eq!(hers.output(), "", "it may be one that her browser has opened ahead of need");
    assert_eq!(others.output(), "welcome\n");
}

#[test]
fn a_public_client_of_a_proxy_next_door_is_not_local() {
    let mut sim = with(Protocols::Auto, Some("welcome\n"));
    sim.server.settings.proxies = vec!["127.0.0.1".parse().expect("an address")].into();
    let (client, local) = (sim.say("127.0.0.1:1", V1), sim.come("127.0.0.1:2"));
    sim.pass(12_000);
    assert_eq!((client.output().as_str(), local.output().as_str()), ("", "welcome\n"));
    sim.pass(8_000);
    assert_eq!(client.output(), "welcome\n");
}

#[test]
fn unix_sockets_have_no_limits_of_addresses() {
    let mut sim = with(Protocols::Auto, None);
    let unix: SocketAddr = crate::ids::UNIX_PEER;
    for _ in 0..5 {
        let peer = sim.say(&unix.to_string(), b"hello\n");
        assert_eq!(peer.output(), "opened unix\nunix: hello\n");
    }
}

// ---- Requests ----

const KEY: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

fn get(path: &str, fields: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: inside:8080\r\n{fields}\r\n").into_bytes()
}

fn upgrade(fields: &str) -> Vec<u8> {
    get("/", &format!("{KEY}{fields}"))
}

/// What the response's frame says that follows the opening of a WebSocket.
fn opened(peer: &Peer) -> Option<String> {
    let output = peer.output();
    let (head, frame) = output.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 101 ")
        .then(|| frame.trim_matches(|c: char| !c.is_ascii_graphic()))
        .and_then(|frame| frame.split_once("opened ").map(|(_, whose)| whose.to_owned()))
}

#[test]
fn a_websocket_is_its_client_s_and_not_the_proxy_s() {
    let mut sim = with(Protocols::Auto, None);
    let alice = "X-Forwarded-For: 198.51.100.66, 203.0.113.7\r\n";
    let first = sim.say(PROXY, &upgrade(alice));
    assert_eq!(opened(&first).as_deref(), Some("203.0.113.7"));
    let (second, third) = (sim.say(PROXY, &upgrade(alice)), sim.say(PROXY, &upgrade(alice)));
    assert!(opened(&second).is_some());
    assert!(third.output().starts_with("HTTP/1.1 429 Too Many Requests\r\n"), "{}", third.output());
    // What it asks for otherwise is refused as well, and others are not.
    let page = sim.say(PROXY, &get("/", alice));
    assert!(page.output().starts_with("HTTP/1.1 429 "));
    let bob = "X-Forwarded-For: 203.0.113.7, 203.0.113.8, 192.0.2.2\r\n";
    assert_eq!(opened(&sim.say(PROXY, &upgrade(bob))).as_deref(), Some("203.0.113.8"));
    // Who has left makes room.
    sim.end_input(&first);
    sim.pass(2_000);
    assert!(opened(&sim.say(PROXY, &upgrade(alice))).is_some());
}

#[test]
fn requests_of_several_clients_on_one_connection_are_their_own() {
    let addresses = AddressPolicy::new(None, Rate::limited(2, 1).ok());
    let settings = ServerSettings { addresses, proxies: proxies(), ..ServerSettings::default() };
    let mut sim = Sim::with(settings, |_| Whose { greeting: None, open: 0 });
    let of = |client: u8| format!("X-Forwarded-For: 203.0.113.{client}\r\n");
    let ask = |sim: &mut Sim<Whose>, proxy: &Peer, head: Vec<u8>| {
        sim.send(proxy, head);
        sim.settle();
        let answer = proxy.take_output();
        answer.split(' ').nth(1).expect("a status").to_owned()
    };
    // What follows on a connection is no new connection, whose ever it is.
    let kept = sim.come(PROXY);
    for client in [7, 7, 7, 7, 8, 8, 8, 8, 9] {
        assert_eq!(ask(&mut sim, &kept, get("/healthz", &of(client))), "200", "{client}");
    }
    // What comes first on one is, and so is a WebSocket wherever it is asked for.
    for (client, status) in [(7, "200"), (7, "429"), (8, "200"), (8, "200"), (8, "429")] {
        let proxy = sim.come(PROXY);
        assert_eq!(ask(&mut sim, &proxy, get("/healthz", &of(client))), status, "{client}");
    }
    assert_eq!(ask(&mut sim, &kept, get("/healthz", &of(7))), "200");
    assert_eq!(ask(&mut sim, &kept, upgrade(&of(7))), "429");
    assert!(kept.is_shut());
    // Of what comes from elsewhere, the field means nothing.
    let stranger = sim.come(STRANGER);
    for _ in 0..5 {
        sim.send(&stranger, get("/healthz", "X-Forwarded-For: 203.0.113.7\r\n"));
        sim.settle();
        assert!(stranger.take_output().contains("HTTP/1.1 200 "));
    }
}

#[test]
fn behind_a_header_fields_are_those_of_another_proxy_or_mean_nothing() {
    let field = "X-Forwarded-For: 198.51.100.66\r\n";
    for (header, whose) in [
        (V1, ALICE),
        // The first proxy is behind another one that is ours.
        (b"PROXY TCP4 192.0.2.7 192.0.2.80 1 443\r\n".as_slice(), "198.51.100.66"),
        (LOCAL, "198.51.100.66"),
    ] {
        let mut sim = with(Protocols::Auto, None);
        let peer = sim.say(PROXY, &[header, &upgrade(field)].concat());
        assert_eq!(opened(&peer).as_deref(), Some(whose));
    }
}

#[test]
fn the_page_s_own_origin_is_the_one_that_the_proxy_was_asked_for() {
    let public = "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\n\
                  X-Forwarded-Host: chat.example\r\n";
    for (from, fields, origin, may) in [
        (PROXY, public, "https://chat.example", true),
        (PROXY, public, "https://chat.example:443", true),
        (PROXY, public, "http://chat.example", false),
        (PROXY, public, "https://evil.example", false),
        (PROXY, public, "http://inside:8080", false),
        (PROXY, "X-Forwarded-For: 203.0.113.7\r\n", "http://inside:8080", true),
        (PROXY, "X-Forwarded-Proto: https\r\n", "https://inside:8080", true),
        // It has not come through the proxy: it listens on loopback, and this is no loopback name.
        (PROXY, "", "http://inside:8080", true),
        ("127.0.0.1:1", "", "http://inside:8080", false),
        ("127.0.0.2:1", public, "https://chat.example", true),
        ("127.0.0.2:1", "", "http://inside:8080", false),
        // Anybody can write fields.
        (STRANGER, public, "https://chat.example", false),
        ("127.0.0.1:1", public, "https://chat.example", false),
    ] {
        let mut sim = with(Protocols::Auto, None);
        sim.server.settings.is_loopback = true;
        let networks = ["192.0.2.0/24", "127.0.0.2"].map(|one| one.parse().expect("a network"));
        sim.server.settings.proxies = networks.to_vec().into();
        let peer = sim.say(from, &upgrade(&format!("{fields}Origin: {origin}\r\n")));
        assert_eq!(opened(&peer).is_some(), may, "{from} {fields} {origin}: {}", peer.output());
        // A page that asks beforehand is told the same.
        let query = format!("/admission?origin={origin}");
        let asks = sim.say(from, &get(&query, fields));
        assert_eq!(asks.output().starts_with("HTTP/1.1 200 "), may, "{}", asks.output());
    }
    // What the page may connect to is named after the host that its browser sees.
    let settings = ServerSettings { proxies: proxies(), ..ServerSettings::default() };
    let mut sim = Sim::with(settings, |_| Whose { greeting: None, open: 0 });
    let page = sim.say(PROXY, &get("/", public));
    assert!(page.output().contains("wss://chat.example;"), "{}", page.output());
}

#[test]
fn no_browser_is_greeted_at_the_address_of_a_request() {
    let mut sim = with(Protocols::Auto, Some("welcome\n"));
    sim.say(PROXY, &get("/", "X-Forwarded-For: 203.0.113.7\r\n"));
    let (hers, proxys) = (sim.come("203.0.113.7:9"), sim.come(PROXY));
    sim.pass(30_000);
    assert_eq!((hers.output(), proxys.output()), (String::new(), String::new()));
}

// ---- A base path ----

#[test]
fn under_a_base_path_is_everything_and_elsewhere_nothing() {
    let base_path = "/chat/".parse().expect("a path");
    let settings = ServerSettings { base_path, ..ServerSettings::default() };
    let mut sim = Sim::with(settings, |_| Whose { greeting: None, open: 0 });
    for (path, answer) in [
        ("/chat/", "HTTP/1.1 200 OK\r\n"),
        ("/chat/index.html", "HTTP/1.1 200 OK\r\n"),
        ("/chat/healthz", "HTTP/1.1 200 OK\r\n"),
        ("/chat/admission", "HTTP/1.1 200 OK\r\n"),
        ("/chat/nothing", "HTTP/1.1 404 Not Found\r\n"),
        ("/chat", "HTTP/1.1 308 Permanent Redirect\r\nLocation: /chat/\r\n"),
        (
            "/chat?room=dev&name=a",
            "HTTP/1.1 308 Permanent Redirect\r\nLocation: /chat/?room=dev&name=a\r\n",
        ),
        ("/", "HTTP/1.1 404 Not Found\r\n"),
        ("/healthz", "HTTP/1.1 404 Not Found\r\n"),
        ("/chatter", "HTTP/1.1 404 Not Found\r\n"),
    ] {
        let peer = sim.say(STRANGER, &get(path, "Connection: close\r\n"));
        assert!(peer.output().starts_with(answer), "{path}: {}", peer.output());
    }
    for (path, may) in [("/chat/", true), ("/chat", true), ("/chat/ws", true), ("/", false)] {
        let peer = sim.say(STRANGER, &get(path, KEY));
        assert_eq!(opened(&peer).is_some(), may, "{path}: {}", peer.output());
    }
}
