//! The floor: a mio loop that appends all whole lines of a turn to one log and gives each client
//! the log in one write. No names, no limits, no order to leave in; a client that does not read
//! makes it grow for ever.

use std::io::{self, ErrorKind, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// What it is to do wrong once, so that the benchmark can check that it notices.
pub const FAULT_VARIABLE: &str = "BARE_FAULT";
const FAULTY_TURN: u64 = 40;
const LISTENER: Token = Token(usize::MAX);

struct Client {
    stream: TcpStream,
    partial: Vec<u8>,
    unsent: Vec<u8>,
    gone: bool,
}

pub fn run(listener: std::net::TcpListener) -> io::Result<()> {
    let mut listener = TcpListener::from_std(listener);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut clients: Vec<Client> = Vec::new();
    let mut buffer = vec![0; 1 << 18];
    let mut log = Vec::new();
    let fault = std::env::var(FAULT_VARIABLE).unwrap_or_default();
    let mut turns_with_lines = 0;
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                accept(&listener, &poll, &mut clients)?;
            } else if let Some(client) = clients.get_mut(event.token().0) {
                read(client, &mut buffer, &mut log);
                if event.is_writable() && !client.unsent.is_empty() {
                    let unsent = std::mem::take(&mut client.unsent);
                    write(client, &unsent);
                }
            }
        }
        if !log.is_empty() {
            turns_with_lines += 1;
            for (place, client) in clients.iter_mut().filter(|client| !client.gone).enumerate() {
                match turns_with_lines == FAULTY_TURN && place == 0 {
                    true => write(client, &spoil(&log, &fault)),
                    false => write(client, &log),
                }
            }
            log.clear();
        }
    }
}

fn spoil(log: &[u8], fault: &str) -> Vec<u8> {
    let first = memchr::memchr(b'\n', log).map_or(0, |end| end + 1);
    let (line, rest) = log.split_at(first);
    match fault {
        "lose" => rest.to_vec(),
        "double" => [line, line, rest].concat(),
        "replace" => [rest.get(..first).unwrap_or(b""), rest].concat(),
        "invent" => [b"nobody said this\n", log].concat(),
        "alter" => {
            let mut spoilt = log.to_vec();
            spoilt[first - 2] ^= 1;
            spoilt
        }
        _ => log.to_vec(),
    }
}

fn accept(listener: &TcpListener, poll: &Poll, clients: &mut Vec<Client>) -> io::Result<()> {
    while let Ok((mut stream, _)) = listener.accept() {
        stream.set_nodelay(true)?;
        poll.registry().register(
            &mut stream,
            Token(clients.len()),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        clients.push(Client { stream, partial: Vec::new(), unsent: Vec::new(), gone: false });
    }
    Ok(())
}

fn read(client: &mut Client, buffer: &mut [u8], log: &mut Vec<u8>) {
    loop {
        match client.stream.read(buffer) {
            Ok(count) if count > 0 => {
                let bytes = &buffer[..count];
                match memchr::memrchr(b'\n', bytes) {
                    Some(end) => {
                        log.append(&mut client.partial);
                        log.extend_from_slice(&bytes[..=end]);
                        client.partial.extend_from_slice(&bytes[end + 1..]);
                    }
                    None => client.partial.extend_from_slice(bytes),
                }
                if count < buffer.len() {
                    return;
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            _ => {
                client.gone = true;
                return;
            }
        }
    }
}

fn write(client: &mut Client, bytes: &[u8]) {
    if !client.unsent.is_empty() {
        client.unsent.extend_from_slice(bytes);
        return;
    }
    let mut sent = 0;
    while sent < bytes.len() {
        match client.stream.write(&bytes[sent..]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(_) => {
                client.gone = true;
                return;
            }
        }
    }
    client.unsent.extend_from_slice(&bytes[sent..]);
}
