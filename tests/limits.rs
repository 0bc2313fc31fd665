//! As many clients as there may be, and one more.

mod common;

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use common::{Client, Server, eventually, program_with_descriptors};

/// Connects, and waits until the server has decided; `Ok` if it took the client in.
fn knock(server: &Server) -> Result<Client, Client> {
    let client = server.connect();
    let address: SocketAddr = client.address();
    let (taken, refused) = (format!("Peer address: {address}"), format!("{address}: refused"));
    let line = server.wait_for_line("a decision", |line| line.ends_with(&taken) || line.contains(&refused));
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
    let warning = "--max-clients 1000: the limit of open files (64) allows about 32";
    server.wait_for_log(warning);
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
    // Of about 100. Turning in circles takes half of them even on a machine that is busy with other things.
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
        assert_eq!(client.rest_until_end(), b"! this server has as many clients as it can take; try again later\n");
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
        assert_eq!(client.rest_until_end(), b"! this server has as many clients as it can take; try again later\n");
    }
    assert_served(&mut taken, "still here");
}

/// The soft limit is what a shell usually sets; the hard one is what the server may have.
#[test]
fn the_soft_limit_of_open_files_is_raised() {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "ulimit -S -n 20 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_chat-server"), "127.0.0.1:0"]);
    command.env("RUST_LOG", "info").env("CHAT_MODE", "echo");
    let server = Server::launch(command);
    let (mut taken, refused) = crowd(&server, 60);
    assert!(refused.is_empty());
    assert_served(&mut taken, "here");
}
