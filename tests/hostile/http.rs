//! Attacks with requests.

use std::thread;
use std::time::{Duration, Instant};

use chat_server::chat::PAGE;

use crate::attack::Attack;
use crate::common::{Client, DEADLINE};
use crate::herd::Herd;
use crate::siege::Siege;
use crate::wire::{
    NARROW, crowd, elsewhere, flood, framed, head, narrow, pour, upgrade_request, websocket,
};

/// A head that is not whole, 16 KiB and one read more; and what is answered to one read before it
/// is answered no more: the mark of 256 KiB and one answer's head. The page itself is shared by
/// all.
const CLIENT_KIB: u64 = 256 + 512;

#[test]
fn heads_that_never_end_are_refused() {
    const ATTACKERS: u64 = 64;
    Siege::new("endless heads", ATTACKERS * CLIENT_KIB / 1024).run(|server| {
        let mut attackers = crowd(server, ATTACKERS as usize);
        for attacker in &mut attackers {
            attacker.send(b"GET / HTTP/1.1\r\nHost: a\r\n");
        }
        for (i, attacker) in attackers.iter_mut().enumerate() {
            match i % 3 {
                0 => pour(attacker, &b"X-Filler: a\r\n".repeat(1000), 1024 * 1024),
                1 => pour(attacker, &[b'a'; 4096], 1024 * 1024),
                _ => pour(attacker, &[b'\t'; 4096], 1024 * 1024),
            };
            let answer = String::from_utf8_lossy(&attacker.rest()).into_owned();
            assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        }
    });
}

/// Everybody who is slow at once, in every wire, for longer than a request head may take.
pub fn slowloris_in_every_wire() {
    const EACH: usize = 150;
    // An inbox of a few bytes, and a name: far under 4 KiB.
    Siege::new("slowloris", 5 * EACH as u64 * 4 / 1024).waits().run(|server| {
        let mut heads = crowd(server, EACH);
        let mut handshakes = crowd(server, EACH);
        let mut lines = crowd(server, EACH);
        let mut undecided = crowd(server, EACH);
        let mut frames: Vec<Client> = (0..EACH).map(|_| websocket(server, "/")).collect();
        let slowly = [
            (&mut heads, "GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ".to_owned().into_bytes()),
            (&mut handshakes, upgrade_request("/", "").trim_end().to_owned().into_bytes()),
            (&mut lines, b"I type with one finger".to_vec()),
            (&mut undecided, b"OPTIONS".to_vec()),
            (&mut frames, framed(0x01, &[b'a'; 120])),
        ];
        let began = Instant::now();
        let mut slowly = slowly;
        // Ten seconds are what a head may take. The last byte of what could be whole is never sent.
        for at in 0.. {
            if began.elapsed() > Duration::from_secs(11) {
                break;
            }
            for (attackers, bytes) in &mut slowly {
                let byte = [bytes[at.min(bytes.len() - 2)]];
                for attacker in attackers.iter_mut() {
                    attacker.try_send(if at < bytes.len() - 1 { &byte } else { b"" });
                }
            }
            thread::sleep(Duration::from_millis(150));
        }
        for attacker in heads.iter_mut().chain(&mut handshakes) {
            let answer = String::from_utf8_lossy(&attacker.rest()).into_owned();
            assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        }
        // People may type slowly, and programs may send slowly: they are served when they are done.
        for attacker in lines.iter_mut().chain(&mut undecided) {
            attacker.send(b"\r\n/quit\r\n");
            assert!(attacker.rest_until_end().ends_with(b"* Goodbye.\r\n"));
        }
    });
}

/// Small requests, as many as fit: the time to find where each ends must not grow with how many
/// follow it.
#[test]
fn requests_in_one_connection_are_all_answered() {
    const ATTACKERS: usize = 8;
    const REQUEST: &[u8] = b"HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    Siege::new("pipelined requests", ATTACKERS as u64 * CLIENT_KIB / 1024).run(|server| {
        let attackers = crowd(server, ATTACKERS);
        let until = Instant::now() + Duration::from_secs(3);
        thread::scope(|scope| {
            for mut attacker in attackers {
                scope.spawn(move || {
                    let many = REQUEST.repeat(1000);
                    while Instant::now() < until {
                        attacker.send(&many);
                        for _ in 0..1000 {
                            assert!(head(&mut attacker).starts_with("HTTP/1.1 200 "));
                        }
                    }
                    attacker.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
                    assert!(attacker.rest_until_end().ends_with(b"ok"));
                });
            }
        });
    });
}

/// A request for the largest file of the page.
fn large() -> String {
    format!("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", PAGE.path_of("words/ja.js"))
}

pub const PAGES: Attack = Attack {
    name: "unread pages",
    memory_mib: 64 * CLIENT_KIB / 1024,
    round: |server, how_long| {
        let mut herd = Herd::gather(server, 64, elsewhere, Some(NARROW));
        herd.drive(large().as_bytes(), how_long);
    },
};

pub fn who_asks_for_pages_and_does_not_read_them_is_let_go() {
    const ATTACKERS: u64 = 64;
    Siege::new("unread pages", ATTACKERS * CLIENT_KIB / 1024).waits().run(|server| {
        let mut attackers: Vec<Client> = (0..ATTACKERS).map(|_| narrow(server)).collect();
        flood(&attackers, large().as_bytes(), Duration::from_secs(1));
        for attacker in &mut attackers {
            server.wait_for_line("it is let go", |line| {
                line.contains(&attacker.address().to_string()) && line.ends_with("closing")
            });
            assert!(attacker.rest().starts_with(b"HTTP/1.1 200 "));
        }
    });
}

/// It reads, but ten times slower than it asks: it is owed no more than the mark, and gets all that
/// it asked for.
pub fn a_steady_slow_reader_of_pages_is_answered_as_it_reads() {
    const ATTACKERS: u64 = 8;
    const REQUESTS: usize = 600;
    Siege::new("slow reader of pages", ATTACKERS * CLIENT_KIB / 1024).waits().run(|server| {
        thread::scope(|scope| {
            for _ in 0..ATTACKERS {
                scope.spawn(|| {
                    let mut attacker = narrow(server);
                    let mut asker = attacker.writer();
                    let asking = scope.spawn(move || {
                        use std::io::Write;
                        let last = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
                        let all = large().repeat(REQUESTS) + last;
                        asker.write_all(all.as_bytes()).expect("the server takes it");
                    });
                    let mut answers = Vec::new();
                    while !answers.ends_with(b"\r\n\r\nok") {
                        answers.extend(attacker.bytes(1));
                        let more = attacker.buffered();
                        answers.extend(attacker.bytes(more));
                        thread::sleep(Duration::from_micros(500));
                    }
                    asking.join().expect("it was taken");
                    let heads =
                        answers.windows(12).filter(|bytes| bytes == b"HTTP/1.1 200").count();
                    assert_eq!(heads, REQUESTS + 1);
                });
            }
        });
    });
}

#[test]
fn pages_of_other_sites_open_no_websockets() {
    Siege::new("cross-site requests", 4).run(|server| {
        for origin in [
            "http://evil.example",
            "null",
            "http://localhost.evil.example",
            "https://localhost:1",
            "file://",
        ] {
            for protocol in ["", "Sec-WebSocket-Protocol: chat.v1.json\r\n"] {
                for attacker in &mut crowd(server, 20) {
                    let request =
                        upgrade_request("/?room=talk", &format!("Origin: {origin}\r\n{protocol}"));
                    attacker.send(request.as_bytes());
                    // What it sends behind the request is not heard.
                    attacker.try_send(&framed(0x81, b"hello from another site"));
                    let answer = String::from_utf8_lossy(&attacker.rest()).into_owned();
                    assert!(answer.starts_with("HTTP/1.1 403 "), "{origin}: {answer}");
                }
            }
        }
        assert!(!server.log().iter().any(|line| line.contains("panicked")));
    });
}

/// Forms and scripts of other pages can send any body to any port; none of it may be said.
#[test]
fn bodies_are_not_heard() {
    Siege::new("bodies", 4).flags(&["--rate-limit", "off"]).run(|server| {
        for request in [
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 20\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 20\r\n\r\n",
            "PUT /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        ] {
            for attacker in &mut crowd(server, 20) {
                attacker.send(request.as_bytes());
                attacker.try_send(b"/join #talk\r\ntalk 1\r\n");
                let answer = String::from_utf8_lossy(&attacker.rest()).into_owned();
                assert!(answer.starts_with("HTTP/1.1 4"), "{request}: {answer}");
            }
        }
    });
}

/// Between two requests there is more time, which is tested with a virtual clock.
pub fn kept_connections_end_when_a_request_is_not_finished() {
    Siege::new("kept connections", 4).waits().run(|server| {
        let mut attackers = crowd(server, 200);
        for attacker in &mut attackers {
            attacker.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET /");
        }
        let began = Instant::now();
        for attacker in &mut attackers {
            let answers = String::from_utf8_lossy(&attacker.rest_until_end()).into_owned();
            assert!(
                answers.starts_with("HTTP/1.1 200 ") && answers.contains("\r\n\r\nHTTP/1.1 408 "),
                "{answers}"
            );
        }
        assert!(began.elapsed() < DEADLINE);
    });
}
