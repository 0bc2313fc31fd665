//! A session between a client of rustls and a socket that is a buffer.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};

use super::session::{Scratch, Session};
use crate::memory::MemoryAccount;

/// What the client has sent, and what it is going to be sent.
#[derive(Debug, Default)]
struct Buffers {
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
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
        self.outgoing.write(bytes)
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
        let mut sent = io::Cursor::new(std::mem::take(&mut socket.outgoing));
        while client.read_tls(&mut sent).expect("it is read") > 0 {
            client.process_new_packets().expect("records");
        }
        if is_over && !client.wants_write() {
            return (client, socket, session);
        }
    }
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
