//! Those who write faster than others read, and those who do not read at all.

mod common;

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use common::{Client, DEADLINE, Server, small_window_client};

/// Far more than a server that bounds its queues needs, and far less than what goes through it in
/// these tests.
const MEMORY_MAX_KIB: u64 = 32 * 1024;

/// Numbered lines of one speaker, about `bytes` in all.
fn lines(speaker: usize, bytes: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes + 64);
    let mut number = 0;
    while text.len() < bytes {
        text.extend_from_slice(format!("{speaker}:{number}:{:1$}\n", "", number % 200).as_bytes());
        number += 1;
    }
    text
}

fn assert_nobody_was_closed(server: &Server) {
    let log = server.log();
    assert!(!log.iter().any(|line| line.contains("closing")), "{log:#?}");
}

fn assert_memory_is_bounded(server: &Server) {
    let peak = server.memory_peak_kib();
    assert!(peak < MEMORY_MAX_KIB, "{peak} KiB");
}

#[test]
fn an_echo_flood_loses_nothing() {
    const CLIENTS: usize = 32;
    const BYTES: usize = 3 * 1024 * 1024;
    let server = Server::start(&[]);
    let clients: Vec<Client> = (0..CLIENTS).map(|_| server.join()).collect();
    thread::scope(|scope| {
        for (me, mut client) in clients.into_iter().enumerate() {
            let mut writer = client.writer();
            scope.spawn(move || {
                let sent = lines(me, BYTES);
                writer.write_all(&sent).expect("it is taken");
            });
            scope.spawn(move || {
                let sent = lines(me, BYTES);
                assert!(client.bytes(sent.len()) == sent, "client {me}");
                client.end_input();
                assert_eq!(client.rest_until_end(), b"");
            });
        }
    });
    assert_nobody_was_closed(&server);
    assert_memory_is_bounded(&server);
}

/// Everybody writes as fast as the socket takes it, and everybody reads what all of them write.
fn broadcast_flood(clients: usize, bytes_each: usize) {
    let server = Server::start(&["--mode", "broadcast"]);
    let said: Vec<Vec<u8>> = (0..clients).map(|me| lines(me, bytes_each)).collect();
    let all: usize = said.iter().map(Vec::len).sum();
    let joined: Vec<Client> = (0..clients).map(|_| server.join()).collect();
    let heard: Vec<Vec<u8>> = thread::scope(|scope| {
        let readers: Vec<_> = joined
            .into_iter()
            .zip(&said)
            .map(|(mut client, said)| {
                let mut writer = client.writer();
                scope.spawn(move || writer.write_all(said).expect("it is taken"));
                scope.spawn(move || client.bytes(all))
            })
            .collect();
        readers.into_iter().map(|reader| reader.join().expect("a reader")).collect()
    });
    assert!(heard.iter().all(|other| *other == heard[0]), "two clients heard different things");
    let mut by_speaker: HashMap<&[u8], Vec<u8>> = HashMap::new();
    for line in heard[0].split_inclusive(|&byte| byte == b'\n') {
        let speaker = line.split(|&byte| byte == b':').next().expect("a speaker");
        by_speaker.entry(speaker).or_default().extend_from_slice(line);
    }
    for (me, said) in said.iter().enumerate() {
        assert!(by_speaker[me.to_string().as_bytes()] == *said, "what {me} said");
    }
    assert_nobody_was_closed(&server);
    assert_memory_is_bounded(&server);
}

#[test]
fn a_broadcast_flood_of_many_loses_nothing() {
    broadcast_flood(24, 256 * 1024);
}

#[test]
fn a_broadcast_flood_of_much_loses_nothing() {
    broadcast_flood(4, 10 * 1024 * 1024);
}

#[test]
fn who_writes_without_reading_is_held_back_and_then_gets_everything() {
    let server = Server::start(&[]);
    let mut witness = server.join();
    let mut client = server.join();
    let sent = lines(0, 48 * 1024 * 1024);
    let held_at = write_until_held_back(&mut client.writer(), &sent);
    assert!(held_at < sent.len(), "the server took everything without being read");
    witness.expect_echo(b"is anybody there?\n");
    thread::scope(|scope| {
        let mut writer = client.writer();
        let rest = &sent[held_at..];
        scope.spawn(move || writer.write_all(rest).expect("it is taken"));
        assert!(client.bytes(sent.len()) == sent);
    });
    assert_nobody_was_closed(&server);
    assert_memory_is_bounded(&server);
}

/// Writes until the kernel has taken nothing for a while; returns how much it took.
fn write_until_held_back(writer: &mut TcpStream, bytes: &[u8]) -> usize {
    writer.set_write_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    let mut taken = 0;
    while taken < bytes.len() {
        match writer.write(&bytes[taken..]) {
            Ok(count) => taken += count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                break;
            }
            Err(error) => panic!("{error}"),
        }
    }
    writer.set_write_timeout(Some(DEADLINE)).expect("a timeout");
    taken
}

/// It is not read from while it does not take its echo, so that it stays under the high-water mark
/// and has twelve times `--too-slow`.
#[test]
fn who_never_reads_its_echo_is_let_go() {
    let server = Server::start(&["--too-slow", "1"]);
    let mut witness = server.join();
    let mut stuck = small_window_client(&server);
    let sent = lines(0, 48 * 1024 * 1024);
    let held_at = write_until_held_back(&mut stuck.writer(), &sent);
    assert!(held_at < sent.len(), "the server took everything without being read");
    server.wait_for_log(&format!(
        "{}: too slow: messages came in faster than this connection read them; closing",
        stuck.address()
    ));
    assert!(sent.starts_with(&stuck.rest()[..1000]));
    witness.expect_echo(b"unharmed\n");
    assert_memory_is_bounded(&server);
}

#[test]
fn who_never_reads_is_let_go_and_the_others_get_everything() {
    let server = Server::start(&["--mode", "broadcast"]);
    let stuck = small_window_client(&server);
    let mut readers: Vec<Client> = (0..3).map(|_| server.join()).collect();
    let said = lines(0, 64 * 1024 * 1024);
    thread::scope(|scope| {
        let mut writer = readers[0].writer();
        let said = &said;
        scope.spawn(move || writer.write_all(said).expect("it is taken"));
        for reader in &mut readers {
            scope.spawn(move || {
                for part in said.chunks(1024 * 1024) {
                    assert!(reader.bytes(part.len()) == part);
                }
            });
        }
    });
    server.wait_for_log(&format!(
        "{}: too slow: messages came in faster than this connection read them; closing",
        stuck.address()
    ));
    let closed = server.log().iter().filter(|line| line.ends_with("closing")).count();
    assert_eq!(closed, 1, "only the one that does not read");
    readers[1].send(b"unharmed\n");
    for reader in &mut readers {
        reader.expect(b"unharmed\n");
    }
    assert_memory_is_bounded(&server);
}

/// It is slower than the others, but it reads: they wait for it, and it stays.
#[test]
fn a_slow_reader_is_waited_for() {
    let server = Server::start(&["--mode", "broadcast"]);
    let mut slow = server.join();
    let mut speaker = server.join();
    let said = lines(0, 5 * 1024 * 1024);
    thread::scope(|scope| {
        let mut writer = speaker.writer();
        let said = &said;
        scope.spawn(move || writer.write_all(said).expect("it is taken"));
        scope.spawn(move || assert!(speaker.bytes(said.len()) == *said));
        for part in said.chunks(50 * 1024) {
            assert!(slow.bytes(part.len()) == part);
            thread::sleep(Duration::from_millis(50));
        }
    });
    assert_nobody_was_closed(&server);
    assert_memory_is_bounded(&server);
}

// ---- The chat ----

/// A word is heard after two seconds at most; a busy machine is given one more.
const WORD_MAX: Duration = Duration::from_secs(3);

/// The next line, without its ending.
fn told(client: &mut Client) -> String {
    let line = String::from_utf8(client.line()).expect("lines are UTF-8");
    line.trim_end().to_owned()
}

/// Somebody in the lobby who has this name.
fn named(server: &Server, name: &str) -> Client {
    let mut client = server.connect();
    client.send(format!("/nick {name}\n").as_bytes());
    while told(&mut client) != format!("* You are {name} now.") {}
    client
}

/// Reads at this pace for as long as the server is there.
fn read_at(client: &Client, bytes_per_second: usize) {
    let mut reader = client.writer();
    thread::spawn(move || {
        let (mut buffer, mut all, started) = ([0; 16 * 1024], 0, Instant::now());
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            all += count;
            let due = Duration::from_secs_f64(all as f64 / bytes_per_second as f64);
            thread::sleep(due.saturating_sub(started.elapsed()));
        }
    });
}

/// Some say as much as they can and some read slowly; a word that somebody says now and then does
/// not wait for all of that.
#[test]
fn a_word_does_not_wait_for_those_who_say_much() {
    let server = Server::start(&["--mode", "chat"]);
    let mut listener = named(&server, "listener");
    let mut honest = named(&server, "honest");
    let slow: Vec<Client> = (0..3).map(|i| named(&server, &format!("slow{i}"))).collect();
    let speakers: Vec<Client> = (0..10).map(|i| named(&server, &format!("much{i}"))).collect();
    let (heard, words) = mpsc::channel();
    thread::spawn(move || {
        while let Ok(line) = listener.try_line() {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if line.starts_with("[#lobby] honest: ") && heard.send((line, Instant::now())).is_err()
            {
                return;
            }
        }
    });
    read_at(&honest, usize::MAX);
    for (i, client) in slow.iter().enumerate() {
        read_at(client, 150_000 + 125_000 * i);
    }
    for client in &speakers {
        read_at(client, usize::MAX);
        let mut writer = client.writer();
        let line = [vec![b'x'; 64_000], b"\n".to_vec()].concat();
        thread::spawn(move || while writer.write_all(&line).is_ok() {});
    }
    for number in 0..8 {
        thread::sleep(Duration::from_millis(500));
        let said_at = Instant::now();
        honest.send(format!("word {number}\n").as_bytes());
        let (line, heard_at) = words.recv_timeout(DEADLINE).expect("it is heard");
        assert_eq!(line, format!("[#lobby] honest: word {number}"));
        assert!(heard_at - said_at < WORD_MAX, "{line} took {:?}", heard_at - said_at);
    }
    assert_nobody_was_closed(&server);
    assert_memory_is_bounded(&server);
}

/// A room whose member is behind: who has said something there leaves at once and gets it back, and
/// a private word to that member waits by itself.
#[test]
fn nothing_but_what_is_said_waits_for_a_room() {
    let server = Server::start(&["--mode", "chat"]);
    let mut bob = named(&server, "bob");
    let mut carol = named(&server, "carol");
    let mut slow = small_window_client(&server);
    slow.send(b"/nick slow\n");
    let crowd: Vec<Client> = (0..10).map(|i| named(&server, &format!("much{i}"))).collect();
    // It takes something all the time, and far too little.
    read_at(&slow, 20_000);
    for mut client in crowd.iter().map(Client::writer) {
        client.write_all(&[vec![b'x'; 64_000], b"\n".to_vec()].concat()).expect("it is taken");
    }
    thread::sleep(Duration::from_millis(400));
    let started = Instant::now();
    carol.send(b"/msg slow are you there?\n/who\n");
    bob.send(b"a word\n/leave\n");
    while told(&mut bob) != "! Not said, as you left before it could be: \"a word\"." {}
    assert_eq!(told(&mut bob), "* You left #lobby.");
    while !told(&mut carol).contains(" in #lobby: ") {}
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    while !told(&mut carol).starts_with("! slow is not reading what was sent before; your message")
    {
    }
    assert!(started.elapsed() < WORD_MAX, "{:?}", started.elapsed());
}
