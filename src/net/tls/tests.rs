//! A session between a client of rustls and a socket that is a buffer.

use std::cell::RefCell;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::rc::Rc;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};

use super::buffers::Scratch;
use super::session::Session;
use crate::memory::MemoryAccount;

/// What the client has sent, and what it is going to be sent.
#[derive(Debug)]
struct Buffers {
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    /// What it would still take.
    room: usize,
    writes: usize,
}

impl Default for Buffers {
    fn default() -> Buffers {
        Buffers { incoming: Vec::new(), outgoing: Vec::new(), room: usize::MAX, writes: 0 }
    }
}

impl Read for Buffers {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.incoming.len().min(buffer.len());
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        buffer[..count].copy_from_slice(&self.incoming[..count]);
        self.incoming.drain(..count);
        Ok(count)
    }
}

impl Write for Buffers {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.room);
        if taken == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.room -= taken;
        self.writes += 1;
        self.outgoing.write(&bytes[..taken])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The two ends of a connection whose handshake is over.
fn connected() -> (ClientConnection, Buffers, Session) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
    let made = made.expect("a certificate");
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .expect("a pair");
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a certificate");
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let mut client = ClientConnection::new(Arc::new(client), name).expect("a client");
    let scratch: Rc<RefCell<Scratch>> = Rc::default();
    let entry = MemoryAccount::default().entry();
    let mut session = Session::new(Arc::new(config), scratch, &[], entry).expect("a session");
    let mut socket = Buffers::default();
    loop {
        while client.wants_write() {
            client.write_tls(&mut socket.incoming).expect("it is written");
        }
        let is_over = session.shake_hands(&mut socket).expect("a handshake");
        let sent = std::mem::take(&mut socket.outgoing);
        let mut sent = &sent[..];
        while !sent.is_empty() {
            client.read_tls(&mut sent).expect("it is read");
            client.process_new_packets().expect("records");
        }
        if is_over && !client.wants_write() {
            return (client, socket, session);
        }
    }
}

/// What the client reads of what it has been sent.
fn opened(client: &mut ClientConnection, socket: &mut Buffers) -> Vec<u8> {
    let sent = std::mem::take(&mut socket.outgoing);
    let (mut sent, mut plain) = (&sent[..], Vec::new());
    while !sent.is_empty() {
        client.read_tls(&mut sent).expect("it is read");
        client.process_new_packets().expect("records");
        match client.reader().read_to_end(&mut plain) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            read => assert!(read.is_ok(), "{read:?}"),
        }
    }
    plain
}

/// Whatever pieces it lies in and whatever the socket takes of it, it comes whole and in order, and
/// no more is held of it than is offered at once.
#[test]
fn what_is_written_comes_whole_however_it_is_cut() {
    let (mut client, mut socket, mut session) = connected();
    let mut rng = fastrand::Rng::with_seed(7);
    let (mut written, mut read) = (Vec::new(), Vec::new());
    for round in 0..300 {
        let lengths = [0, 1, 100, 16_000, 16_384, 16_385, 40_000, 200_000];
        let pieces: Vec<Vec<u8>> = (0..rng.usize(1..6))
            .map(|_| vec![rng.u8(..); lengths[rng.usize(0..lengths.len())]])
            .collect();
        let slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        socket.room = [usize::MAX, 0, rng.usize(0..300_000)][round % 3];
        match session.write(&mut socket, &slices) {
            Ok(count) => written.extend(pieces.concat().into_iter().take(count)),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        assert!(session.held_bytes() <= 8 * (16 * 1024 + 64), "{}", session.held_bytes());
        read.extend(opened(&mut client, &mut socket));
    }
    socket.room = usize::MAX;
    session.flush(&mut socket).expect("there is room");
    read.extend(opened(&mut client, &mut socket));
    assert!(written == read && session.held_bytes() == 0, "{} of {}", read.len(), written.len());
}

#[test]
fn who_takes_much_is_written_to_in_large_pieces_and_who_does_not_in_small_ones() {
    let (mut client, mut socket, mut session) = connected();
    let words = vec![b'x'; 16 * 128 * 1024];
    let slices = [IoSlice::new(&words)];
    socket.writes = 0;
    assert_eq!(session.write(&mut socket, &slices).expect("it takes all"), words.len());
    assert!(socket.writes <= 20, "{} writes", socket.writes);
    assert_eq!(opened(&mut client, &mut socket), words);
    for room in [10, 0] {
        socket.room = room;
        let taken = session.write(&mut socket, &slices).unwrap_or(0);
        let _: io::Result<()> = session.flush(&mut socket);
        socket.room = usize::MAX;
        // The first had taken so much before. The second had refused something since.
        assert_eq!(taken, if room == 10 { 128 * 1024 } else { 16 * 1024 });
        session.flush(&mut socket).expect("it takes all");
        socket.room = 100;
        assert_eq!(session.write(&mut socket, &slices).expect("it takes something"), 16 * 1024);
        socket.room = usize::MAX;
        session.flush(&mut socket).expect("it takes all");
    }
}

#[test]
fn handshakes_and_small_records_are_work() {
    let (mut client, mut socket, mut session) = connected();
    assert!(session.take_work() >= 64 * 1024, "more than a turn's look at the clock");
    assert_eq!(session.take_work(), 0);
    for _ in 0..100 {
        client.writer().write_all(b"x").expect("it takes that");
        client.write_tls(&mut socket.incoming).expect("it is written");
    }
    let raw = socket.incoming.len() as u64;
    let mut buffer = vec![0; 4096];
    while session.read(&mut socket, &mut buffer).is_ok() {}
    assert_eq!(session.take_work(), raw + 100 * 512);
}

#[test]
fn one_read_decrypts_a_bounded_number_of_small_records() {
    const RECORDS: usize = 20_000;
    const READ_BYTES: usize = 4096;
    let (mut client, mut socket, mut session) = connected();
    for _ in 0..RECORDS {
        client.writer().write_all(b"x").expect("it takes that");
        client.write_tls(&mut socket.incoming).expect("it is written");
    }
    let (mut buffer, mut read) = (vec![0; READ_BYTES], 0);
    loop {
        let before = socket.incoming.len();
        match session.read(&mut socket, &mut buffer) {
            Ok(count) => {
                read += count;
                assert!(buffer[..count].iter().all(|byte| *byte == b'x'));
                let decrypted = before - socket.incoming.len();
                assert!(decrypted <= 2 * READ_BYTES + 32 * 1024, "{decrypted} bytes at once");
                assert!(session.holds_input() || socket.incoming.is_empty(), "nobody reads on");
            }
            Err(error) => break assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
    assert_eq!((read, session.holds_input()), (RECORDS, false));
}
