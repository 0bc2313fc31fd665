//! What attackers send and read, byte by byte: no well-behaved library would do it.

use std::io::{self, ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

use crate::common::{Client, Server};

pub const TEXT: u8 = 0x81;
pub const COMPRESSED_TEXT: u8 = 0xC1;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8A;

/// So many connections.
pub fn crowd(server: &Server, count: usize) -> Vec<Client> {
    (0..count).map(|_| server.connect()).collect()
}

/// A client whose kernel takes next to nothing in for it while it does not read.
pub fn narrow(server: &Server) -> Client {
    Client::over(dial(server, HERE, Some(NARROW)).expect("a connection"))
}

/// The smallest receive buffer that there is, about.
pub const NARROW: usize = 4096;

/// The address of the honest, and of attackers who have only one.
pub const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// The address of an attacker who has many, at the prefix 127.0.0.0/8 of every Linux machine.
pub fn elsewhere(number: usize) -> Ipv4Addr {
    let [.., high, low] = (number % 0xFF00 + 0x0100).to_be_bytes();
    if cfg!(target_os = "linux") { Ipv4Addr::new(127, 1, high, low) } else { HERE }
}

/// Connects from an address of this host, with a receive buffer of so many bytes.
pub fn dial(server: &Server, from: Ipv4Addr, window: Option<usize>) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(server.address), Type::STREAM, None)?;
    if let Some(bytes) = window {
        socket.set_recv_buffer_size(bytes)?;
    }
    if from != HERE {
        socket.bind(&SocketAddr::new(IpAddr::from(from), 0).into())?;
    }
    socket.connect(&server.address.into())?;
    Ok(socket.into())
}

/// The request for an upgrade, with more fields.
pub fn upgrade_request(path: &str, fields: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
    )
}

/// Asks for an upgrade and reads the answer's head.
pub fn upgrade(client: &mut Client, path: &str, fields: &str) -> String {
    client.send(upgrade_request(path, fields).as_bytes());
    head(client)
}

/// The head of an answer.
pub fn head(client: &mut Client) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let line = client.line();
        assert!(!line.is_empty(), "the end after {head:?}");
        head.push_str(&String::from_utf8_lossy(&line));
    }
    head
}

/// A WebSocket client that speaks text, greeted.
pub fn websocket(server: &Server, path: &str) -> Client {
    let mut client = server.connect();
    assert!(upgrade(&mut client, path, "").starts_with("HTTP/1.1 101 "));
    client
}

/// A WebSocket client that speaks JSON, welcomed.
pub fn json(server: &Server, path: &str) -> Client {
    let mut client = server.connect();
    assert!(upgrade(&mut client, path, JSON).starts_with("HTTP/1.1 101 "));
    assert!(frame(&mut client).1.starts_with(br#"{"type":"welcome""#));
    client
}

/// The field of a handshake that asks for compression.
pub const DEFLATE: &str =
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
/// The field of a handshake that asks for JSON.
pub const JSON: &str = "Sec-WebSocket-Protocol: chat.v1.json\r\n";

/// A client that compresses.
pub fn deflating(server: &Server, path: &str) -> Client {
    let mut client = server.connect();
    let head = upgrade(&mut client, path, DEFLATE);
    assert!(head.contains("permessage-deflate"), "{head}");
    client
}

/// The header of a client's frame that claims so much, with a mask of zeros.
pub fn claim(first: u8, bytes: u64) -> Vec<u8> {
    let mut header = vec![first];
    match bytes {
        short @ 0..126 => header.push(0x80 | short as u8),
        medium @ 126..=0xFFFF => {
            header.push(0x80 | 126);
            header.extend((medium as u16).to_be_bytes());
        }
        long => {
            header.push(0x80 | 127);
            header.extend(long.to_be_bytes());
        }
    }
    header.extend([0; 4]);
    header
}

/// A client's frame.
pub fn framed(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = claim(first, payload.len() as u64);
    frame.extend_from_slice(payload);
    frame
}

/// The first byte and the payload of the next frame from the server.
pub fn frame(client: &mut Client) -> (u8, Vec<u8>) {
    let head = client.bytes(2);
    let length = match head[1] {
        126 => u16::from_be_bytes(client.bytes(2).try_into().expect("two")).into(),
        127 => u64::from_be_bytes(client.bytes(8).try_into().expect("eight")) as usize,
        length => length.into(),
    };
    (head[0], client.bytes(length))
}

/// The code that the server closes with; then the end, and nothing more.
#[track_caller]
pub fn close_code(client: &mut Client) -> u16 {
    loop {
        if let (CLOSE, payload) = frame(client) {
            assert_eq!(client.rest(), b"", "after a Close");
            return payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
        }
    }
}

/// The payload of a compressed frame.
pub fn deflated(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 100);
    let mut stream = flate2::Compress::new(flate2::Compression::best(), false);
    stream.compress_vec(message, &mut out, flate2::FlushCompress::Sync).expect("a stream");
    out.truncate(out.len() - 4);
    out
}

/// Sends the same bytes again and again until the server has taken nothing for a while, or has had
/// enough, or `most` bytes are out. Returns how many are.
pub fn pour(client: &Client, bytes: &[u8], most: usize) -> usize {
    let mut stream = client.writer();
    stream.set_write_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    let mut poured = 0;
    while poured < most {
        match stream.write(&bytes[poured % bytes.len()..]) {
            Ok(count) => poured += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    poured
}

/// As [`pour`], from one client after the other, for so long and without waiting for anybody.
pub fn flood(clients: &[Client], bytes: &[u8], how_long: Duration) {
    let mut streams: Vec<(TcpStream, usize)> =
        clients.iter().map(|client| (client.writer(), 0)).collect();
    for (stream, _) in &streams {
        stream.set_nonblocking(true).expect("non-blocking");
    }
    let until = Instant::now() + how_long;
    while Instant::now() < until {
        let mut idle = true;
        for (stream, poured) in &mut streams {
            if let Ok(count) = stream.write(&bytes[*poured % bytes.len()..]) {
                *poured += count;
                idle = false;
            }
        }
        if idle {
            thread::sleep(Duration::from_millis(1));
        }
    }
    for (stream, _) in &streams {
        stream.set_nonblocking(false).expect("blocking");
    }
}

/// Reads and forgets all that comes to these clients, until `how_long` has passed and they are cut
/// off.
pub fn drink(clients: &[Client], how_long: Duration) {
    thread::scope(|scope| {
        for client in clients {
            scope.spawn(|| io::copy(&mut client.writer(), &mut io::sink()).ok());
        }
        thread::sleep(how_long);
        cut_off(clients);
    });
}

/// Ends connections in both directions.
pub fn cut_off(clients: &[Client]) {
    for client in clients {
        let _ = client.writer().shutdown(Shutdown::Both);
    }
}

/// One byte of urgent data.
pub fn send_urgent(client: &Client, byte: u8) -> bool {
    SockRef::from(&client.writer()).send_out_of_band(&[byte]).is_ok()
}
