//! The floor of echo: a mio loop that writes whole lines back out of the buffer they were read into.
//! No limits, and nobody else; a client that does not read makes it grow for ever.

use std::io::{self, ErrorKind, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);

struct Client {
    stream: TcpStream,
    partial: Vec<u8>,
    unsent: Vec<u8>,
}

pub fn run(listener: std::net::TcpListener) -> io::Result<()> {
    let mut listener = TcpListener::from_std(listener);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut clients: Vec<Client> = Vec::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                accept(&listener, &poll, &mut clients)?;
            } else if let Some(client) = clients.get_mut(event.token().0) {
                if event.is_writable() && !client.unsent.is_empty() {
                    let unsent = std::mem::take(&mut client.unsent);
                    write(client, &unsent);
                }
                echo(client, &mut buffer);
            }
        }
    }
}

fn accept(listener: &TcpListener, poll: &Poll, clients: &mut Vec<Client>) -> io::Result<()> {
    while let Ok((mut stream, _)) = listener.accept() {
        stream.set_nodelay(true)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut stream, Token(clients.len()), interest)?;
        clients.push(Client { stream, partial: Vec::new(), unsent: Vec::new() });
    }
    Ok(())
}

fn echo(client: &mut Client, buffer: &mut [u8]) {
    loop {
        let count = match client.stream.read(buffer) {
            Ok(count) if count > 0 => count,
            _ => return,
        };
        let whole = memchr::memrchr(b'\n', &buffer[..count]).map_or(0, |end| end + 1);
        if whole > 0 && client.partial.is_empty() {
            write(client, &buffer[..whole]);
        } else if whole > 0 {
            let mut lines = std::mem::take(&mut client.partial);
            lines.extend_from_slice(&buffer[..whole]);
            write(client, &lines);
        }
        client.partial.extend_from_slice(&buffer[whole..count]);
        if count < buffer.len() {
            return;
        }
    }
}

fn write(client: &mut Client, bytes: &[u8]) {
    let mut sent = 0;
    while client.unsent.is_empty() && sent < bytes.len() {
        match client.stream.write(&bytes[sent..]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            // It has gone, which its next read says.
            Err(_) => return,
        }
    }
    client.unsent.extend_from_slice(&bytes[sent..]);
}
