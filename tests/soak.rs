//! Random clients of all wires, a quarter of them over TLS, for as long as you like, and what is left of them when they have
//! gone.
//!
//! `cargo test --release --test soak -- --ignored --nocapture` takes ten minutes;
//! `SOAK_SECONDS=3600` another time, and `SOAK_SEED=7` other dice.

mod common;
#[path = "hostile/conversation.rs"]
#[allow(dead_code, reason = "the attacks use the rest of it")]
mod conversation;
#[path = "hostile/gauge.rs"]
mod gauge;
#[path = "hostile/wire.rs"]
#[allow(dead_code, reason = "the attacks use the rest of it")]
mod wire;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::AddAssign;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use fastrand::Rng;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use socket2::SockRef;

use chat_server::chat::PAGE;
use common::{Server, eventually, raise_descriptor_limit};
use conversation::Conversation;
use gauge::Gauge;
use wire::{CLOSE, COMPRESSED_TEXT, PING, TEXT, claim, deflated, framed, upgrade_request};

/// Connections that each of the two threads holds at once.
const CLIENTS_MAX: usize = 150;
const THREADS: u64 = 2;
/// Memory that may be left over, against what there was after the first cycle: the allocator's
/// arenas end up a little differently filled each time. A leak of a hundred bytes a connection
/// would be four times as much in ten minutes.
const LEFT_OVER_KIB: u64 = 2 * 1024;

/// What has been done to the server.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    connections: u64,
    messages: u64,
    bytes_read: u64,
}

impl AddAssign for Load {
    fn add_assign(&mut self, other: Load) {
        self.connections += other.connections;
        self.messages += other.messages;
        self.bytes_read += other.bytes_read;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    Lines,
    Http,
    Text,
    Deflate,
    Json,
    Garbage,
}

/// Somebody who neither waits for the server nor minds what it does.
struct Visitor {
    stream: TcpStream,
    /// What it speaks inside TLS, if it does.
    tls: Option<Box<ClientConnection>>,
    speaks: Speaks,
    reads: bool,
}

impl Visitor {
    fn come(address: SocketAddr, client: &Arc<ClientConfig>, rng: &mut Rng) -> Visitor {
        use Speaks::{Deflate, Garbage, Http, Json, Lines, Text};
        let speaks = *rng
            .choice([Lines, Lines, Http, Text, Deflate, Json, Json, Garbage])
            .as_ref()
            .expect("a choice");
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nonblocking(true).expect("non-blocking");
        let tls = (rng.u8(..4) == 0).then(|| {
            let name = "localhost".try_into().expect("a name");
            Box::new(ClientConnection::new(Arc::clone(client), name).expect("a client"))
        });
        let mut visitor = Visitor { stream, tls, speaks, reads: rng.u8(..) > 20 };
        let path = format!("/?name=v{}&room=r{}", rng.u16(..), rng.u8(..40));
        let fields = match speaks {
            Text => "",
            Json => "Sec-WebSocket-Protocol: chat.v1.json\r\n",
            Deflate => "Sec-WebSocket-Extensions: permessage-deflate\r\n",
            Lines | Http | Garbage => return visitor,
        };
        visitor.write(upgrade_request(&path, fields).as_bytes());
        visitor
    }

    /// What does not fit is not sent: then it was a cut message, and the server has to live with
    /// that too.
    fn write(&mut self, bytes: &[u8]) {
        let Some(tls) = &mut self.tls else {
            let _ = self.stream.write(bytes);
            return;
        };
        let _ = tls.writer().write(bytes);
        while tls.wants_write() && tls.write_tls(&mut self.stream).is_ok() {}
    }

    fn act(&mut self, rng: &mut Rng) {
        let message = match self.speaks {
            Speaks::Lines => (command(rng) + ["\r\n", "\n", "\r\0"][rng.usize(..3)]).into_bytes(),
            Speaks::Http => request(rng).into_bytes(),
            Speaks::Text => framed(TEXT, command(rng).as_bytes()),
            Speaks::Deflate => framed(COMPRESSED_TEXT, &deflated(command(rng).as_bytes())),
            Speaks::Json => framed(TEXT, object(rng).as_bytes()),
            Speaks::Garbage => (0..rng.usize(..300)).map(|_| rng.u8(..)).collect(),
        };
        self.write(&message);
        let strange = match (self.speaks, rng.u8(..)) {
            (Speaks::Lines, 0..4) => vec![255, 251, rng.u8(..), 255, 246],
            (Speaks::Text | Speaks::Deflate | Speaks::Json, 0..8) => framed(PING, b"?"),
            (Speaks::Text | Speaks::Deflate | Speaks::Json, 8..10) => claim(TEXT, rng.u64(..)),
            (Speaks::Text | Speaks::Deflate | Speaks::Json, 10..14) => framed(0x01, b"a part"),
            _ => return,
        };
        self.write(&strange);
    }

    fn read(&mut self, buffer: &mut [u8]) -> u64 {
        let Some(tls) = &mut self.tls else {
            return self.stream.read(buffer).unwrap_or(0) as u64;
        };
        let is_whole = tls.read_tls(&mut self.stream).is_ok() && tls.process_new_packets().is_ok();
        while tls.wants_write() && tls.write_tls(&mut self.stream).is_ok() {}
        if is_whole { tls.reader().read(buffer).unwrap_or(0) as u64 } else { 0 }
    }

    fn leave(mut self, rng: &mut Rng) {
        match rng.u8(..5) {
            0 => {
                SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("a linger time")
            }
            1 => drop(self.stream.shutdown(std::net::Shutdown::Write)),
            2 if self.speaks == Speaks::Lines => self.write("/quit さようなら\r\n".as_bytes()),
            3 => self.write(&framed(CLOSE, &1000u16.to_be_bytes())),
            _ => {}
        }
    }
}

fn command(rng: &mut Rng) -> String {
    let (room, name) = (rng.u8(..40), rng.u16(..));
    match rng.u8(..20) {
        0..2 => format!("/join #r{room}"),
        2 => "/leave".to_owned(),
        3 => format!("/nick v{name}"),
        4 => format!("/msg v{name} psst"),
        5 => format!("/history {}", rng.u8(..)),
        6 => ["/who", "/rooms", "/help", "/dance", ""][rng.usize(..5)].to_owned(),
        7 => format!("/topic about {name}"),
        8 => format!("/me {}", "x".repeat(rng.usize(..3000))),
        9 => "こんにちは 👋 ".repeat(rng.usize(..100)),
        _ => format!("hello {name}"),
    }
}

fn object(rng: &mut Rng) -> String {
    let (room, name, id) = (rng.u8(..40), rng.u16(..), rng.u16(..));
    match rng.u8(..14) {
        0 => format!(r#"{{"type":"join","room":"r{room}","ref":{id}}}"#),
        1 => format!(r#"{{"type":"join","room":"r{room}","since":{id},"epoch":"x"}}"#),
        2 => format!(r#"{{"type":"join","room":"r{room}","since":{id}}}"#),
        3 => format!(r#"{{"type":"leave","room":"r{room}"}}"#),
        4 => format!(r#"{{"type":"nick","name":"v{name}"}}"#),
        5 => format!(r#"{{"type":"msg","to":"v{name}","text":"psst"}}"#),
        6 => format!(r#"{{"type":"history","room":"r{room}","before":{id}}}"#),
        7 => r#"{"type":"who"}"#.to_owned(),
        8 => r#"{"type":"rooms"}"#.to_owned(),
        9 => r#"{"type":"typing"}"#.to_owned(),
        10 => r#"{"type":"#.repeat(rng.usize(..50)),
        _ => format!(r#"{{"type":"say","text":"hello {name}","ref":"{id}"}}"#),
    }
}

fn request(rng: &mut Rng) -> String {
    let path = ["/", PAGE.path_of("main.js"), "/healthz", "/nowhere"][rng.usize(..4)];
    match rng.u8(..10) {
        0 => "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc".to_owned(),
        1 => format!("GET {path} HTTP/1.1\r\nHo"),
        _ => format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"),
    }
}

/// One thread's share; everybody has left at the end of it.
fn load(address: SocketAddr, client: &Arc<ClientConfig>, until: Instant, seed: u64) -> Load {
    let mut rng = Rng::with_seed(seed);
    let mut done = Load::default();
    let mut visitors: Vec<Visitor> = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    while Instant::now() < until {
        if visitors.len() < CLIENTS_MAX && rng.u8(..) < 60 {
            visitors.push(Visitor::come(address, client, &mut rng));
            done.connections += 1;
        }
        for _ in 0..visitors.len().div_ceil(10) {
            let at = rng.usize(..visitors.len());
            match rng.u8(..) {
                0..10 => visitors.swap_remove(at).leave(&mut rng),
                10..13 => visitors[at].reads = false,
                _ => {
                    visitors[at].act(&mut rng);
                    done.messages += 1;
                }
            }
            if visitors.is_empty() {
                break;
            }
        }
        for visitor in &mut visitors {
            if visitor.reads {
                done.bytes_read += visitor.read(&mut buffer);
            }
        }
        thread::sleep(Duration::from_millis(2));
    }
    for visitor in visitors {
        visitor.leave(&mut rng);
    }
    done
}

/// All threads' load, and the gauges when everybody has gone.
fn cycle(
    server: &Server,
    client: &Arc<ClientConfig>,
    descriptors: usize,
    seconds: f64,
    seed: u64,
) -> (Load, Gauge) {
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    let mut done = Load::default();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|i| scope.spawn(move || load(server.address, client, until, seed ^ (i << 32))))
            .collect();
        for thread in threads {
            done += thread.join().expect("a load");
        }
    });
    eventually("everybody has gone", || {
        (Gauge::read(server).descriptors <= descriptors).then_some(())
    });
    // Memory is given back in the first quiet moment.
    thread::sleep(Duration::from_secs(1));
    (done, Gauge::read(server))
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.parse().ok()
}

/// A directory with a certificate and its key, and a client that knows it.
fn certificate() -> (PathBuf, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
    let made = made.expect("a certificate");
    let directory = env::temp_dir().join(format!("chat-server-soak-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("a directory");
    fs::write(directory.join("cert.pem"), made.cert.pem()).expect("written");
    fs::write(directory.join("key.pem"), made.signing_key.serialize_pem()).expect("written");
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a certificate");
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    (directory, Arc::new(config))
}

fn soak(seconds: f64) {
    let seed = number("SOAK_SEED").unwrap_or(1);
    raise_descriptor_limit();
    // Small histories, so that they are full after the first cycle; flood control that lets much
    // through.
    let flags =
        ["--history-messages", "20", "--history-mib", "1", "--rate-limit", "200:100", "--compress"];
    let (directory, client) = certificate();
    let files = ["cert.pem", "key.pem"].map(|file| directory.join(file).display().to_string());
    let tls = ["--tls-cert", &files[0], "--tls-key", &files[1]];
    let server = Server::start(&[&["--mode", "chat"][..], &flags, &tls].concat());
    fs::remove_dir_all(directory).expect("it is ours");
    let conversation = Conversation::begin(server.address);
    thread::sleep(Duration::from_millis(500));
    let start = Gauge::read(&server);
    let (_, warm) = cycle(&server, &client, start.descriptors, seconds / 5.0, seed);
    let (done, end) = cycle(&server, &client, start.descriptors, seconds * 4.0 / 5.0, seed + 1);
    let talk = conversation.end();
    println!(
        "soak of {seconds} s, seed {seed}: {} connections, {} messages and requests, {} MiB read; memory {} KiB at the start, {} \
         after the first cycle, {} at the peak, {} at the end; descriptors {} and {}; the honest said {} messages, the worst \
         took {} ms",
        done.connections,
        done.messages,
        done.bytes_read / 1024 / 1024,
        start.resident_kib,
        warm.resident_kib,
        end.peak_kib,
        end.resident_kib,
        start.descriptors,
        end.descriptors,
        talk.messages,
        talk.worst.as_millis(),
    );
    assert!(end.descriptors <= start.descriptors);
    let left_over = end.resident_kib.saturating_sub(warm.resident_kib);
    assert!(left_over <= LEFT_OVER_KIB, "{left_over} KiB more than after the first cycle");
    assert!(!server.log().iter().any(|line| line.contains("panicked")));
}

#[test]
fn what_came_has_gone_after_a_few_seconds_of_everything() {
    soak(8.0);
}

#[test]
#[ignore = "takes ten minutes; .ci/run runs one of them"]
fn what_came_has_gone_after_ten_minutes_of_everything() {
    soak(number("SOAK_SECONDS").unwrap_or(600) as f64);
}
