//! Echo and broadcast over real connections.

mod common;

use std::collections::HashMap;
use std::io::Write;
use std::thread;

use common::{Client, DEADLINE, Server, program, raise_descriptor_limit};

/// Everything that is not a line ending, zero included, with and without CR; but for 0xFF, which is
/// telnet's.
fn awkward_input() -> Vec<u8> {
    let mut input: Vec<u8> = (0..255).collect();
    input.extend_from_slice(b"\r\n\n\n\xfe\xfe\n\xfe\xfb\x01\n\xc3\x28 not UTF-8 \xf0\x9f\n");
    input.extend_from_slice("日本語\r\n".as_bytes());
    input
}

fn broadcast(flags: &[&str]) -> Server {
    Server::start(&[&["--mode", "broadcast"], flags].concat())
}

#[test]
fn a_line_comes_back_as_it_went() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.expect_echo(b"hello\n");
    client.expect_echo(b"with a carriage return\r\n");
    client.expect_echo(b"\n");
    client.expect_echo(&awkward_input());
    client.end_input();
    assert_eq!(client.rest_until_end(), b"");
}

#[test]
fn nothing_comes_back_before_the_line_ends() {
    let server = Server::start(&[]);
    let (mut slow, mut other) = (server.connect(), server.connect());
    slow.send(b"half a ");
    other.expect_echo(b"meanwhile\n");
    slow.send(b"line\n");
    slow.expect(b"half a line\n");
}

#[test]
fn lines_may_be_cut_at_every_byte() {
    let server = Server::start(&[]);
    let input = awkward_input();
    let mut client = server.connect();
    for at in 0..=input.len() {
        let (a, b) = input.split_at(at);
        client.send(a);
        client.send(b);
        client.expect(&input);
    }
    for byte in &input {
        client.send(&[*byte]);
    }
    client.expect(&input);
}

#[test]
fn many_lines_in_one_write() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let input: Vec<u8> = (0..20_000).flat_map(|i| format!("line {i}\n").into_bytes()).collect();
    client.send(&input);
    client.expect(&input);
    let empty = vec![b'\n'; 100_000];
    client.send(&empty);
    client.expect(&empty);
}

#[test]
fn a_thousand_clients() {
    raise_descriptor_limit();
    let server = Server::start(&[]);
    let mut clients: Vec<Client> = (0..1000).map(|_| server.connect()).collect();
    for (i, client) in clients.iter_mut().enumerate() {
        client.send(format!("I am {i}\n").as_bytes());
    }
    for (i, client) in clients.iter_mut().enumerate().rev() {
        client.expect(format!("I am {i}\n").as_bytes());
        client.end_input();
    }
    for client in &mut clients {
        assert_eq!(client.rest_until_end(), b"");
    }
}

/// Negotiation is answered and passed on to nobody, and the bytes that GNU telnet takes for Ctrl-C
/// and Ctrl-O are those of the character: what it sends for these words, as it was captured.
#[test]
fn telnet_is_understood_where_bytes_are_passed_on() {
    const NEGOTIATION: &[u8] = b"\xff\xfb\x1f\xff\xfd\x01";
    const REFUSAL: &[u8] = b"\xff\xfe\x1f\xff\xfc\x01";
    const MARK: &[u8] = b"\xff\xfd\x06";
    const NO_MARK: &[u8] = b"\xff\xfc\x06";
    let hello = [b"\xe3\xff\xf4", MARK, b"\xff\xf5", MARK, "ロー、".as_bytes()].concat();
    let japanese = ["日".as_bytes(), b"\xe6\xff\xf3", MARK, b"\xac\xe8\xaa\x9e\r\n"].concat();
    for mode in ["echo", "broadcast"] {
        let server = Server::start(&["--mode", mode]);
        let (mut telnet, mut other) = (server.join(), server.join());
        telnet.send(&[NEGOTIATION, &hello, &japanese].concat());
        telnet.expect(&[REFUSAL, NO_MARK, NO_MARK, NO_MARK].concat());
        telnet.expect("ハロー、日本語\r\n".as_bytes());
        if mode == "broadcast" {
            other.expect("ハロー、日本語\r\n".as_bytes());
        }
        other.expect_echo(b"and nothing else\n");
    }
}

#[test]
fn a_broadcast_to_a_thousand_clients() {
    raise_descriptor_limit();
    let server = broadcast(&[]);
    let mut clients: Vec<Client> = (0..1000).map(|_| server.connect()).collect();
    // Connections are taken in the order in which they were made, so with the last one all are in.
    clients[999].expect_echo(b"all here?\n");
    clients[0].send(b"hello, \xfe everybody\n");
    for client in &mut clients[..999] {
        client.expect(b"all here?\nhello, \xfe everybody\n");
    }
    clients[999].expect(b"hello, \xfe everybody\n");
}

#[test]
fn a_last_line_without_an_ending_is_served_as_it_came() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.send(b"one\ntwo");
    client.end_input();
    assert_eq!(client.rest_until_end(), b"one\ntwo");

    let server = broadcast(&[]);
    let (mut listener, mut speaker) = (server.join(), server.join());
    speaker.send(b"one\ntwo\xfe");
    speaker.end_input();
    assert_eq!(speaker.rest_until_end(), b"one\ntwo\xfe");
    listener.expect(b"one\ntwo\xfe");
}

/// What `printf 'one\ntwo' | nc` does: words and end arrive together, and the server is told of
/// both only once.
#[test]
fn an_end_that_arrives_together_with_the_words_before_it_is_not_missed() {
    let server = Server::start(&[]);
    let mut known = server.join();
    server.signal("STOP");
    let mut unknown = server.connect();
    for client in [&mut known, &mut unknown] {
        client.send(b"one\ntwo");
        client.end_input();
    }
    server.signal("CONT");
    assert_eq!(known.rest_until_end(), b"one\ntwo");
    assert_eq!(unknown.rest_until_end(), b"one\ntwo");
}

#[test]
fn a_reset_in_mid_line_is_nobody_elses_trouble() {
    for server in [Server::start(&[]), broadcast(&[])] {
        let mut witness = server.join();
        for i in 0..20 {
            let mut client = server.join();
            client.send(b"half a line");
            client.reset();
            witness.expect_echo(format!("still here {i}\n").as_bytes());
        }
        let mut late = server.connect();
        late.expect_echo(b"me too\n");
    }
}

#[test]
fn a_line_at_the_limit_is_served_and_one_over_it_is_refused() {
    for (flags, limit) in [(&[][..], 64 * 1024), (&["--max-message-bytes", "10"], 10)] {
        let server = Server::start(flags);
        let mut witness = server.join();
        for ending in [&b"\n"[..], b""] {
            let exact = [&vec![b'x'; limit], ending].concat();
            let mut client = server.connect();
            client.send(&exact);
            client.end_input();
            assert!(client.rest_until_end() == exact, "a line at the limit");

            let over = [&vec![b'x'; limit + 1], ending].concat();
            let mut client = server.connect();
            client.send(&[b"before\n", &over[..]].concat());
            let error = format!(
                "before\n! line too long: at most {limit} bytes are allowed (--max-message-bytes)\n"
            );
            assert_eq!(String::from_utf8(client.rest()).expect("text"), error);
        }
        witness.expect_echo(b"unharmed\n");
    }
}

/// Closing while the peer still sends would reset the connection, and the reset would overtake the
/// error line.
#[test]
fn who_goes_on_sending_still_reads_why_it_was_refused() {
    let server = Server::start(&["--max-message-bytes", "1000"]);
    let mut witness = server.join();
    let mut client = server.connect();
    let mut writer = client.writer();
    let sending = thread::spawn(move || {
        // Bounded; the server ends it much earlier.
        (0..100_000).take_while(|_| writer.write_all(&[b'x'; 64 * 1024]).is_ok()).count()
    });
    assert_eq!(
        client.line(),
        b"! line too long: at most 1000 bytes are allowed (--max-message-bytes)\n"
    );
    assert_eq!(client.rest(), b"");
    drop(client);
    assert!(sending.join().expect("the writer") < 100_000, "the server took it all");
    witness.expect_echo(b"unharmed\n");
}

#[test]
fn a_line_of_64_mib() {
    let server = Server::start(&["--max-message-bytes", "67108864", "--mode", "broadcast"]);
    let mut witness = server.join();
    let mut client = server.join();
    let mut line = vec![b'x'; 64 * 1024 * 1024];
    for (i, byte) in line.iter_mut().step_by(1013).enumerate() {
        *byte = b'a' + (i % 26) as u8;
    }
    line.push(b'\n');
    client.send(&line);
    assert!(client.bytes(line.len()) == line, "its own line");
    assert!(witness.bytes(line.len()) == line, "the same line");
    client.send(&[b'x'; 100]);
    client.end_input();
    witness.expect(&[b'x'; 100]);
}

#[test]
fn it_listens_by_name_and_on_ipv6() {
    for address in ["localhost:0", "[::1]:0"] {
        let mut command = program();
        command.arg(address);
        let server = Server::launch(command);
        assert!(server.address.ip().is_loopback());
        assert_ne!(server.address.port(), 0);
        assert_eq!(server.address.is_ipv6(), server.address.to_string().starts_with("[::1]"));
        server.join().expect_echo(b"hello\n");
    }
}

#[test]
fn everybody_hears_the_same_in_the_same_order() {
    const CLIENTS: usize = 16;
    const LINES: usize = 500;
    let server = broadcast(&[]);
    let clients: Vec<Client> = (0..CLIENTS).map(|_| server.join()).collect();
    let lines = |me: usize| (0..LINES).map(move |i| format!("{me}:{i}\n").into_bytes());
    let all: usize = (0..CLIENTS).flat_map(lines).map(|line| line.len()).sum();

    let heard: Vec<Vec<u8>> = thread::scope(|scope| {
        let threads: Vec<_> = clients
            .into_iter()
            .enumerate()
            .map(|(me, mut client)| {
                let mut writer = client.writer();
                scope.spawn(move || {
                    lines(me).for_each(|line| writer.write_all(&line).expect("it is taken"))
                });
                scope.spawn(move || client.bytes(all))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a reader")).collect()
    });

    assert!(heard.iter().all(|other| *other == heard[0]), "two clients heard different things");
    let mut by_speaker: HashMap<String, Vec<u8>> = HashMap::new();
    for line in heard[0].split_inclusive(|&byte| byte == b'\n') {
        let text = String::from_utf8(line.to_vec()).expect("text");
        let speaker = text.split(':').next().expect("a speaker").to_owned();
        by_speaker.entry(speaker).or_default().extend_from_slice(line);
    }
    for me in 0..CLIENTS {
        assert_eq!(
            by_speaker[&me.to_string()],
            lines(me).flatten().collect::<Vec<u8>>(),
            "speaker {me}"
        );
    }
}

/// Guards the helper itself: a test that waits for nothing in particular would pass whatever the
/// server does.
#[test]
fn a_deadline_is_set_on_every_client() {
    let server = Server::start(&[]);
    let client = server.connect();
    assert_eq!(client.writer().read_timeout().expect("a timeout"), Some(DEADLINE));
}

/// A read stops short at urgent data, with more behind it that no further readiness announces.
#[cfg(target_os = "linux")]
#[test]
fn urgent_data_stands_where_it_was_sent_and_nothing_behind_it_waits() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    let writer = client.writer();
    let urgent = socket2::SockRef::from(&writer);
    for _ in 0..20 {
        client.send(b"abc\n");
        urgent.send_out_of_band(b"X").expect("urgent data is sent");
        client.send(b"def\n");
        client.expect(b"abc\nXdef\n");
    }
}
