//! As many clients as there may be, of all or of one address, and one more.

mod common;

use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::{Duration, Instant};

use common::{
    Client, Server, eventually, program, program_with_descriptors, raise_descriptor_limit,
    small_window_client,
};

/// Connects, and waits until the server has decided; `Ok` if it took the client in.
fn knock(server: &Server) -> Result<Client, Client> {
    decision(server, || server.connect())
}

/// The same from an address of one's own choice. All of 127.0.0.0/8 is this host.
fn knock_from(server: &Server, ip: &str) -> Result<Client, Client> {
    decision(server, || server.connect_from(ip.parse().expect("an address")))
}

fn decision(server: &Server, connect: impl FnOnce() -> Client) -> Result<Client, Client> {
    // Ports come again.
    let seen = server.log().len();
    let client = connect();
    let address: SocketAddr = client.address();
    let (taken, refused) = (format!("Peer address: {address}"), format!("{address}: refused"));
    let is_decision = |line: &str| line.ends_with(&taken) || line.contains(&refused);
    let line = server.wait_for_line_after(seen, "a decision", is_decision);
    if line.ends_with(&taken) { Ok(client) } else { Err(client) }
}

/// Clients that were taken in, and those that were not, of so many that knock.
fn crowd(server: &Server, count: usize) -> (Vec<Client>, Vec<Client>) {
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    for _ in 0..count {
        match knock(server) {
            Ok(client) => taken.push(client),
            Err(client) => refused.push(client),
        }
    }
    (taken, refused)
}

fn assert_served(clients: &mut [Client], what: &str) {
    for (i, client) in clients.iter_mut().enumerate() {
        client.expect_echo(format!("{what} {i}\n").as_bytes());
    }
}

/// Some leave, as many come, and one more is refused again.
fn assert_recovery(server: &Server, taken: &mut Vec<Client>) {
    for _ in 0..3 {
        let full = taken.len();
        taken.truncate(full - 10);
        while taken.len() < full {
            taken.push(eventually("a free place", || knock(server).ok()));
        }
        assert!(knock(server).is_err(), "it was full before");
        assert_served(taken, "once more");
    }
}

#[test]
fn without_descriptors_it_refuses_politely_and_recovers() {
    let mut command = program_with_descriptors(64);
    command.args(["127.0.0.1:0", "--max-clients", "1000"]);
    let server = Server::launch(command);
    let (mut taken, refused) = crowd(&server, 100);
    assert!(taken.len() > 40 && taken.len() < 64, "{} were taken in", taken.len());
    for mut client in refused {
        assert_eq!(client.rest(), b"! this server is out of file descriptors; try again later\n");
    }
    assert_served(&mut taken, "still here");
    assert_recovery(&server, &mut taken);
    let warning =
        "the limit of open files (64) leaves room for about 32 clients of --max-clients 1000: ";
    server.wait_for_line(warning, |line| line.contains(warning));
}

/// An accept without a free descriptor fails alike whether somebody waits or nobody does.
#[test]
fn without_descriptors_it_sleeps_while_nothing_happens() {
    let mut command = program_with_descriptors(64);
    command.args(["127.0.0.1:0", "--max-clients", "1000"]);
    let server = Server::launch(command);
    let (mut taken, _refused) = crowd(&server, 70);
    assert_served(&mut taken, "here");
    let before = server.processor_ticks();
    thread::sleep(Duration::from_millis(1000));
    let used = server.processor_ticks() - before;
    // Of about 100. Turning in circles takes half of them even on a machine that is busy with other
    // things.
    assert!(used < 10, "{used} ticks of processor time for nothing");
}

/// They are all waiting when the server looks, and more than there are descriptors for.
#[test]
fn a_storm_without_descriptors_disturbs_nobody_who_is_in() {
    let mut command = program_with_descriptors(64);
    command.args(["127.0.0.1:0", "--max-clients", "1000"]);
    let server = Server::launch(command);
    let (mut taken, _) = crowd(&server, 20);
    server.signal("STOP");
    let storm: Vec<Client> = (0..300).map(|_| server.connect()).collect();
    server.signal("CONT");
    assert_served(&mut taken, "still here");
    let mut refused = 0;
    for mut client in storm {
        let in_it = client.try_send(b"hello\n") && client.line() == b"hello\n";
        refused += usize::from(!in_it);
    }
    assert!(refused >= 240, "{refused} were refused");
    assert_served(&mut taken, "and still here");
    eventually("room for one more", || knock(&server).ok()).expect_echo(b"hello\n");
}

#[test]
fn the_limit_of_clients_is_kept() {
    let server = Server::start(&["--max-clients", "20"]);
    let (mut taken, refused) = crowd(&server, 30);
    assert_eq!(taken.len(), 20);
    for mut client in refused {
        assert_eq!(
            client.rest_until_end(),
            b"! this server has as many clients as it can take; try again later\n"
        );
    }
    assert_served(&mut taken, "still here");
    assert_recovery(&server, &mut taken);
}

#[test]
fn without_a_limit_of_its_own_it_follows_that_of_open_files() {
    let mut command = program_with_descriptors(64);
    command.arg("127.0.0.1:0");
    let server = Server::launch(command);
    let (mut taken, refused) = crowd(&server, 40);
    assert_eq!(taken.len(), 64 - 32, "some descriptors are kept for other things");
    for mut client in refused {
        assert_eq!(
            client.rest_until_end(),
            b"! this server has as many clients as it can take; try again later\n"
        );
    }
    assert_served(&mut taken, "still here");
}

#[test]
fn little_room_is_told_at_start() {
    for (descriptors, flags, expected) in [
        (33, &[][..], Some("(33) leaves room for one client: raise it (ulimit -n, ")),
        (131, &[], Some("(131) leaves room for about 99 clients: raise it (ulimit -n, ")),
        (132, &[], None),
        (64, &["--max-clients", "32"], None),
        (
            232,
            &["--max-clients", "201"],
            Some("(232) leaves room for about 200 clients of --max-clients 201: raise it ("),
        ),
    ] {
        let mut command = program_with_descriptors(descriptors);
        command.arg("127.0.0.1:0").args(flags);
        let server = Server::launch(command);
        knock(&server).ok().expect("there is room for one").expect_echo(b"hello\n");
        let log = server.log();
        let warnings: Vec<_> = log.iter().filter(|line| line.contains("WARN")).collect();
        assert_eq!(
            warnings.len(),
            usize::from(expected.is_some()),
            "{descriptors} {flags:?}: {warnings:#?}"
        );
        let told = expected.is_none_or(|expected| {
            warnings[0].contains(&format!("the limit of open files {expected}"))
        });
        assert!(told, "{descriptors} {flags:?}: {warnings:#?}");
    }
}

/// The soft limit is what a shell usually sets; the hard one is what the server may have.
#[test]
fn the_soft_limit_of_open_files_is_raised() {
    let mut command = std::process::Command::new("sh");
    command.args([
        "-c",
        "ulimit -S -n 20 && exec \"$0\" \"$@\"",
        env!("CARGO_BIN_EXE_chat-server"),
        "127.0.0.1:0",
    ]);
    command.env("RUST_LOG", "info").env("CHAT_MODE", "echo");
    let server = Server::launch(command);
    let (mut taken, refused) = crowd(&server, 60);
    assert!(refused.is_empty());
    assert_served(&mut taken, "here");
}

// ---- Of one address ----

const ADDRESS_FULL: &[u8] =
    b"! your address has as many clients here as it may have; try again later\n";
const ADDRESS_TOO_FAST: &[u8] = b"! your address connects too often; try again later\n";

/// Clients taken in from one address, and how many were refused, each with this line, of so many
/// that knock.
fn crowd_from(server: &Server, ip: &str, count: usize, refusal: &[u8]) -> (Vec<Client>, usize) {
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    for _ in 0..count {
        match knock_from(server, ip) {
            Ok(client) => taken.push(client),
            Err(client) => refused.push(client),
        }
    }
    for client in &mut refused {
        assert_eq!(client.rest_until_end(), refusal);
    }
    (taken, refused.len())
}

#[test]
fn one_address_has_so_many_clients_and_others_have_theirs() {
    let server = Server::start(&["--max-clients-per-address", "3"]);
    let (mut taken, refused) = crowd_from(&server, "127.0.0.2", 5, ADDRESS_FULL);
    assert_eq!((taken.len(), refused), (3, 2));
    server.wait_for_line("the flag", |line| line.ends_with("(--max-clients-per-address)"));
    let (mut others, refused) = crowd_from(&server, "127.0.0.3", 5, ADDRESS_FULL);
    assert_eq!((others.len(), refused), (3, 2));
    assert_served(&mut taken, "still here");
    assert_served(&mut others, "here as well");

    // A client that leaves makes room, for its own address.
    for round in 0..3 {
        taken.pop();
        taken.push(eventually("a free place", || knock_from(&server, "127.0.0.2").ok()));
        assert!(knock_from(&server, "127.0.0.2").is_err(), "round {round}");
        assert!(knock_from(&server, "127.0.0.3").is_err(), "round {round}");
    }
    assert_served(&mut taken, "once more");
    assert_served(&mut others, "all the while");
}

/// Each way to go is taken by as many as there may be, time and again.
#[test]
fn every_way_to_go_makes_room() {
    let server = Server::start(&["--max-clients-per-address", "4", "--max-message-bytes", "100"]);
    let full_house = |what: &str| -> Vec<Client> {
        let house =
            (0..4).map(|_| eventually(what, || knock_from(&server, "127.0.0.2").ok())).collect();
        assert!(knock_from(&server, "127.0.0.2").is_err(), "{what}");
        house
    };
    for _ in 0..3 {
        full_house("all left").into_iter().for_each(Client::reset);
        for mut client in full_house("all were reset") {
            client.end_input();
            assert_eq!(client.rest_until_end(), b"");
        }
        for mut client in full_house("all ended their input") {
            client.send(&[b'x'; 200]);
            assert!(client.rest().starts_with(b"! "), "too long");
        }
        for mut client in full_house("all said too much") {
            client.send(b"GET / HTTP/1.0\r\n\r\n");
            assert!(client.rest_until_end().starts_with(b"HTTP/1.1 200 "));
        }
        assert_served(&mut full_house("all asked for the page"), "here");
    }
}

/// Some are gone before they are accepted, some while they are served, and some are refused.
#[test]
fn a_storm_of_resets_leaves_nobody_counted() {
    let server = Server::start(&["--max-clients-per-address", "5"]);
    for i in 0..600 {
        let mut client = server.connect_from(IpAddr::from([127, 0, 0, 2]));
        if i % 3 == 0 {
            client.try_send(b"hello\n");
        }
        if i % 50 == 0 {
            server.signal("STOP");
        }
        client.reset();
        if i % 50 == 25 {
            server.signal("CONT");
        }
    }
    server.signal("CONT");
    // The log still tells of the storm, so it is by its answer that one knows to be in.
    let served = || {
        let mut client = server.connect_from(IpAddr::from([127, 0, 0, 2]));
        (client.try_send(b"hello\n") && client.line() == b"hello\n").then_some(client)
    };
    let mut clients: Vec<Client> = (0..5).map(|_| eventually("a free place", served)).collect();
    assert_served(&mut clients, "here");
    assert!(served().is_none(), "it is full");
}

#[test]
fn one_address_connects_so_often_and_others_as_often() {
    let server = Server::start(&["--connect-rate", "20:1"]);
    // What comes between the first and the last of these adds to the burst; the machine may be
    // slow.
    let (taken, refused) = crowd_from(&server, "127.0.0.2", 200, ADDRESS_TOO_FAST);
    assert!(taken.len() >= 20 && refused > 0, "{} were taken in", taken.len());
    server.wait_for_line("the flag", |line| line.ends_with("(--connect-rate)"));
    let (others, _) = crowd_from(&server, "127.0.0.3", 20, ADDRESS_TOO_FAST);
    assert_eq!(others.len(), 20, "another address has a burst of its own");
    eventually("the next one", || knock_from(&server, "127.0.0.2").ok()).expect_echo(b"hello\n");
    // Leaving does not undo having connected.
    drop(taken);
    let (_, refused) = crowd_from(&server, "127.0.0.2", 200, ADDRESS_TOO_FAST);
    assert!(refused > 0);
}

#[test]
fn loopback_is_free_unless_limits_are_given() {
    raise_descriptor_limit();
    let server = Server::start(&[]);
    let mut clients: Vec<Client> = (0..600).map(|_| server.connect()).collect();
    assert_served(&mut clients, "here");
}

/// All of them have `::1`, and so one network of 64 bits.
#[test]
fn ipv6_addresses_are_counted_too() {
    let mut command = program();
    command.args(["[::1]:0", "--max-clients-per-address", "2"]);
    let server = Server::launch(command);
    let (taken, refused) = crowd(&server, 4);
    assert_eq!((taken.len(), refused.len()), (2, 2));
    for mut client in refused {
        assert_eq!(client.rest_until_end(), ADDRESS_FULL);
    }
}

/// A socket for both families sees IPv4 clients under IPv6 addresses, which are all in one network
/// of 64 bits.
#[test]
fn ipv4_addresses_are_told_apart_on_an_ipv6_socket() {
    let mut command = program();
    command.args(["[::ffff:127.0.0.1]:0", "--max-clients-per-address", "2"]);
    let mut server = Server::launch(command);
    server.address.set_ip(IpAddr::from([127, 0, 0, 1]));
    for ip in ["127.0.0.2", "127.0.0.3"] {
        let clients: Vec<_> = (0..3).map(|_| knock_from(&server, ip)).collect();
        assert_eq!(clients.iter().filter(|client| client.is_ok()).count(), 2, "{ip}");
    }
}

/// The requests have arrived when the server looks, as it was made to look late.
#[test]
fn a_refused_request_gets_a_response() {
    for (flags, expected) in [
        (["--max-clients", "1"], "HTTP/1.1 503 Service Unavailable\r\n"),
        (["--max-clients-per-address", "1"], "HTTP/1.1 429 Too Many Requests\r\n"),
        (["--connect-rate", "1:1"], "HTTP/1.1 429 Too Many Requests\r\n"),
    ] {
        let server = Server::start(&flags);
        let mut first = server.join();
        server.signal("STOP");
        let request = b"GET /?room=dev HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n\r\n";
        let mut burst: Vec<Client> = (0..3).map(|_| server.connect()).collect();
        burst.iter_mut().for_each(|client| client.send(request));
        let mut silent = server.connect();
        server.signal("CONT");
        let answers: Vec<String> = burst
            .iter_mut()
            .map(|client| String::from_utf8(client.rest_until_end()).expect("text"))
            .collect();
        // One of them may have come after a second.
        assert!(
            answers.iter().filter(|answer| answer.starts_with(expected)).count() >= 2,
            "{answers:#?}"
        );
        for refused in answers.iter().filter(|answer| answer.starts_with(expected)) {
            let (head, body) = refused.split_once("\r\n\r\n").expect("a head");
            assert!(
                head.contains("\r\nRetry-After: 10") && head.contains("\r\nConnection: close"),
                "{head}"
            );
            assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())), "{head}");
            assert!(body.ends_with("; try again later.\n"), "{body}");
        }
        let line = silent.line();
        assert!(
            line.starts_with(b"! ") && line.ends_with(b"; try again later\n"),
            "{flags:?}: {line:?}"
        );
        first.expect_echo(b"still here\n");
    }
}

/// A port that speaks nothing else answers before it is asked.
#[test]
fn a_port_for_http_refuses_with_a_response() {
    let server = Server::start(&["--wire", "http", "--max-clients-per-address", "1"]);
    let _first = server.join();
    let mut second = server.connect();
    assert!(second.rest_until_end().starts_with(b"HTTP/1.1 429 "));
}

/// The budget holds for the process: answers that nobody reads, from very many who ask for them.
#[test]
#[cfg(target_os = "linux")]
fn all_clients_together_keep_to_the_budget_and_talkers_do_not_notice() {
    const BUDGET_MIB: u64 = 64;
    let flags = ["--mode", "chat", "--memory-mib", "64", "--rate-limit", "off", "--too-slow", "2"];
    let server = Server::start(&flags);
    let line = "memory for all clients together: 64 MiB (--memory-mib)";
    server.wait_for_line(line, |logged| logged.ends_with(line));
    let (mut talker, mut listener) = (server.connect(), server.connect());
    for (client, name) in [(&mut talker, "talker"), (&mut listener, "listener")] {
        client.send(format!("/nick {name}\n/join #quiet\n/leave #lobby\n").as_bytes());
        while !client.line().starts_with(b"* You left #lobby") {}
    }
    let mut archivist = server.connect();
    archivist.send(b"/nick archivist\n");
    for number in 0..20 {
        archivist.send(format!("{number}{}\n", "\"".repeat(40_000)).as_bytes());
    }
    archivist.send(b"/nick librarian\n");
    while !String::from_utf8_lossy(&archivist.line()).contains("librarian") {}
    let base_kib = server.memory_peak_kib();

    let ask = |_| {
        let mut client = small_window_client(&server);
        client.send(b"/history 20\n");
        // Half a line besides, and nothing is read.
        client.send(&[b'x'; 30_000]);
        client
    };
    let mut slowest = Duration::ZERO;
    let mut crowd: Vec<Client> = Vec::new();
    for word in 0..30 {
        crowd.extend((0..20).map(ask));
        let said = format!("word {word}.\n");
        let since = Instant::now();
        talker.send(said.as_bytes());
        while !String::from_utf8_lossy(&listener.line()).contains(said.trim_end()) {}
        slowest = slowest.max(since.elapsed());
    }
    let peak_kib = server.memory_peak_kib();
    assert!(
        peak_kib <= base_kib + BUDGET_MIB * 1024 * 11 / 10,
        "{peak_kib} KiB, {base_kib} before"
    );
    assert!(peak_kib >= base_kib + BUDGET_MIB * 1024 / 2, "{peak_kib} KiB: it was not tried");
    assert!(slowest < Duration::from_secs(3), "a word took {slowest:?}");
}
