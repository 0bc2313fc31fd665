//! The floor: a mio loop that appends all whole lines of a turn to its room's log and gives each
//! client of the room the log in one write. A client's first line is the name of its room. No
//! names, no limits, no order to leave in; a client that does not read makes it grow for ever.
//!
//! Told how many lines a round has, it hands a room's log out when it has them all: then there is
//! one read and one write for each client and round, and fewer nobody can do with.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// What it is to do wrong once, so that the benchmark can check that it notices.
pub const FAULT_VARIABLE: &str = "BARE_FAULT";
/// How many lines a room is said in a round.
pub const ROUND_VARIABLE: &str = "BARE_ROUND";
const FAULTY_TURN: u64 = 40;
const LISTENER: Token = Token(usize::MAX);
/// A round that is not whole is handed out when nothing has come for so long.
const ROUND_PATIENCE: Duration = Duration::from_millis(2);

struct Client {
    stream: TcpStream,
    room: Option<usize>,
    partial: Vec<u8>,
    unsent: Vec<u8>,
    gone: bool,
}

#[derive(Default)]
struct Room {
    members: Vec<usize>,
    log: Vec<u8>,
    lines: usize,
}

#[derive(Default)]
struct Rooms {
    by_name: HashMap<Vec<u8>, usize>,
    rooms: Vec<Room>,
    /// Those with something in their logs.
    said: Vec<usize>,
}

pub fn run(listener: std::net::TcpListener) -> io::Result<()> {
    let mut listener = TcpListener::from_std(listener);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut clients: Vec<Client> = Vec::new();
    let mut rooms = Rooms::default();
    let mut buffer = vec![0; 1 << 18];
    let fault = std::env::var(FAULT_VARIABLE).unwrap_or_default();
    let round = std::env::var(ROUND_VARIABLE).ok().and_then(|lines| lines.parse().ok());
    let mut turns_with_lines = 0;
    loop {
        let is_waiting = round.is_some() && !rooms.said.is_empty();
        poll.poll(&mut events, is_waiting.then_some(ROUND_PATIENCE))?;
        for event in &events {
            let place = event.token().0;
            if event.token() == LISTENER {
                accept(&listener, &poll, &mut clients)?;
            } else if let Some(client) = clients.get_mut(place) {
                read(client, place, &mut buffer, &mut rooms);
                if event.is_writable() && !client.unsent.is_empty() {
                    let unsent = std::mem::take(&mut client.unsent);
                    write(client, &unsent);
                }
            }
        }
        let lines_min = if events.is_empty() { 0 } else { round.unwrap_or(0) };
        turns_with_lines += u64::from(!rooms.said.is_empty());
        let is_faulty = turns_with_lines == FAULTY_TURN;
        rooms.hand_out(&mut clients, lines_min, if is_faulty { &fault } else { "" });
    }
}

impl Rooms {
    fn join(&mut self, name: &[u8], client: usize) -> usize {
        let next = self.rooms.len();
        let room = *self.by_name.entry(name.to_vec()).or_insert(next);
        if room == next {
            self.rooms.push(Room::default());
        }
        self.rooms[room].members.push(client);
        room
    }

    fn say(&mut self, room: usize, lines: &[u8]) {
        let Room { log, lines: count, .. } = &mut self.rooms[room];
        if log.is_empty() {
            self.said.push(room);
        }
        log.extend_from_slice(lines);
        *count += memchr::memchr_iter(b'\n', lines).count();
    }

    /// Hands out the logs that have so many lines.
    fn hand_out(&mut self, clients: &mut [Client], lines_min: usize, fault: &str) {
        let Rooms { rooms, said, .. } = self;
        said.retain(|&room| {
            let Room { members, log, lines } = &mut rooms[room];
            if *lines < lines_min {
                return true;
            }
            for (place, &member) in members.iter().enumerate() {
                match place == 0 && !fault.is_empty() {
                    true => write(&mut clients[member], &spoil(log, fault)),
                    false => write(&mut clients[member], log),
                }
            }
            log.clear();
            *lines = 0;
            false
        });
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
        let (partial, unsent) = (Vec::new(), Vec::new());
        clients.push(Client { stream, room: None, partial, unsent, gone: false });
    }
    Ok(())
}

fn read(client: &mut Client, place: usize, buffer: &mut [u8], rooms: &mut Rooms) {
    loop {
        match client.stream.read(buffer) {
            Ok(count) if count > 0 => {
                hear(client, place, &buffer[..count], rooms);
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

fn hear(client: &mut Client, place: usize, bytes: &[u8], rooms: &mut Rooms) {
    let Some(end) = memchr::memrchr(b'\n', bytes) else {
        client.partial.extend_from_slice(bytes);
        return;
    };
    let (whole, rest) = bytes.split_at(end + 1);
    let joined;
    let mut lines = if client.partial.is_empty() {
        whole
    } else {
        client.partial.extend_from_slice(whole);
        joined = std::mem::take(&mut client.partial);
        &joined
    };
    client.partial.extend_from_slice(rest);
    let room = *client.room.get_or_insert_with(|| {
        let end = memchr::memchr(b'\n', lines).map_or(0, |end| end + 1);
        let name = lines.split_off(..end).unwrap_or_default();
        rooms.join(name, place)
    });
    if !lines.is_empty() {
        rooms.say(room, lines);
    }
}

fn write(client: &mut Client, bytes: &[u8]) {
    if client.gone {
        return;
    }
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
