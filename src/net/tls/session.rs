//! One client's TLS, between its socket and the server: decrypts, encrypts, and holds no more than
//! a few records.
//!
//! The unbuffered interface of rustls is used: with the buffered one an idle client costs twice as
//! much memory.

use std::cell::RefCell;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::{fmt, mem};

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncryptError};
use rustls::{Error as TlsError, ServerConfig};

use super::buffers::{
    Held, INPUT_BYTES_MAX, Left, READ_BYTES_MAX, RECORD_BYTES_MAX, RECORDS_AT_ONCE_MAX, SEAL_BYTES,
    Scratch, encode, would_block_is_none, write_once,
};
use crate::memory::Entry;

/// So much more work than a buffer has bytes is done to fill it at most, and one read from the
/// socket.
const WORK_FACTOR: usize = 2;
/// What a record costs beside its bytes, in bytes: half a microsecond.
const RECORD_WORK: usize = 512;
/// What it costs to say something in a handshake, in bytes: two key exchanges and a signature take
/// 0.2 ms, and there are some four things to be said.
const HANDSHAKE_WORK: usize = 32 * 1024;

/// A fatal alert, decode_error (RFC 8446, 6.2), in a record that every version reads.
const DECODE_ERROR: [u8; 7] = [0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x32];

/// How a client's input has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    NotYet,
    /// It has said so.
    Said,
    /// Its connection has ended without that, by its own will or that of somebody between: what has
    /// come is from the client, but it may have said more.
    Cut,
    Failed(ErrorKind),
}

/// One client's TLS.
///
/// Invariant: `input` is at most [`INPUT_BYTES_MAX`] long, `plain` holds what one read brought at
/// most, `output` [`RECORDS_AT_ONCE_MAX`] records; and each is without memory while it is empty.
pub(super) struct Session {
    connection: UnbufferedServerConnection,
    scratch: Rc<RefCell<Scratch>>,
    /// The beginning of a record, or of a message in several.
    input: Vec<u8>,
    /// Decrypted, and not read yet.
    plain: Held,
    /// Sealed, and not taken by the socket.
    output: Held,
    end: End,
    /// Reading has stopped before its socket had no more.
    stopped_early: bool,
    /// So many are sealed next, if there are so many.
    records_at_once: u8,
    /// Since this was last asked.
    work: usize,
    /// Has all three in the account, by capacity.
    entry: Entry,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut session = f.debug_struct("Session");
        session.field("input_bytes", &self.input.len()).field("plain_bytes", &self.plain.len());
        session.field("output_bytes", &self.output.len()).field("end", &self.end).finish()
    }
}

impl Session {
    /// The TLS of a client that has sent these bytes.
    pub fn new(
        config: Arc<ServerConfig>,
        scratch: Rc<RefCell<Scratch>>,
        received: &[u8],
        entry: Entry,
    ) -> Result<Session, TlsError> {
        Ok(Session {
            connection: UnbufferedServerConnection::new(config)?,
            scratch,
            input: received.to_vec(),
            plain: Held::default(),
            output: Held::default(),
            end: End::NotYet,
            stopped_early: false,
            records_at_once: 1,
            work: 0,
            entry,
        })
    }

    pub fn wants_write(&self) -> bool {
        !self.output.is_empty()
    }

    /// Whether it has something to be read that its socket will not report: bytes, or the end.
    pub fn holds_input(&self) -> bool {
        !self.plain.is_empty() || self.end != End::NotYet || self.stopped_early
    }

    pub fn held_bytes(&self) -> usize {
        self.entry.bytes()
    }

    /// What it has done since this was last asked, in bytes.
    pub fn take_work(&mut self) -> u64 {
        mem::take(&mut self.work) as u64
    }

    fn count(&mut self) {
        let held = self.plain.bytes.capacity() + self.output.bytes.capacity();
        self.entry.set(self.input.capacity() + held);
    }

    /// Whether the input has ended, and nobody has said so.
    pub fn is_cut(&self) -> bool {
        self.end == End::Cut
    }

    /// Goes on with the handshake; returns whether it is over.
    pub fn shake_hands<S: Read + Write>(&mut self, socket: &mut S) -> io::Result<bool> {
        let shaken = self.step(socket);
        self.count();
        shaken
    }

    fn step<S: Read + Write>(&mut self, socket: &mut S) -> io::Result<bool> {
        // What has come before this began.
        let mut received = mem::take(&mut self.input);
        self.receive(&mut received, socket)?;
        loop {
            let is_held = match self.pass_on(socket) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => true,
                flushed => flushed.map(|()| false)?,
            };
            if !self.connection.is_handshaking() {
                return Ok(true);
            }
            match self.end {
                End::NotYet if is_held => return Ok(false),
                End::NotYet => {}
                End::Failed(kind) => return Err(kind.into()),
                End::Said | End::Cut => return Err(ErrorKind::UnexpectedEof.into()),
            }
            match self.fill(socket) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if self.connection.is_handshaking() => return Err(error),
                Err(error) => self.end = End::Failed(error.kind()),
                Ok(()) => {}
            }
        }
    }

    /// Reads until the buffer is full, the socket has no more, or it was more work than a multiple
    /// of what the buffer takes: records of one byte cost many times as much as what is in them.
    pub fn read<S: Read + Write>(
        &mut self,
        socket: &mut S,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        let (mut count, before) = (self.plain.take(buffer), self.work);
        self.stopped_early = false;
        while count < buffer.len() && self.end == End::NotYet {
            if count > 0 && self.work - before >= WORK_FACTOR * buffer.len() {
                self.stopped_early = true;
                break;
            }
            match self.fill(socket) {
                Ok(()) => count += self.plain.take(&mut buffer[count..]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.count();
                    return if count == 0 { Err(error) } else { Ok(count) };
                }
                // A socket may say it only once. What came whole before is the client's.
                Err(error) => {
                    self.end = End::Failed(error.kind());
                    count += self.plain.take(&mut buffer[count..]);
                }
            }
        }
        self.count();
        match self.end {
            End::Failed(kind) if count == 0 => Err(kind.into()),
            _ => Ok(count),
        }
    }

    /// Reads once from the socket, and decrypts what is whole.
    fn fill<S: Read + Write>(&mut self, socket: &mut S) -> io::Result<()> {
        let scratch = Rc::clone(&self.scratch);
        let scratch = &mut scratch.borrow_mut().received;
        let before = self.input.len();
        let count = socket.read(&mut scratch[before..before + READ_BYTES_MAX])?;
        if count == 0 {
            self.end = End::Cut;
            return Ok(());
        }
        scratch[..before].copy_from_slice(&self.input);
        self.work += count;
        self.receive(&mut scratch[..before + count], socket)
    }

    /// Takes in the records that `received` begins with, and keeps the rest of it.
    fn receive<S: Write>(&mut self, received: &mut [u8], socket: &mut S) -> io::Result<()> {
        let (used, processed) = self.process(received);
        let rest = &mut received[used..];
        if processed.is_err() || rest.len() > INPUT_BYTES_MAX {
            self.send_alert(rest, socket);
            self.end = End::Failed(ErrorKind::InvalidData);
            let why = processed.err().unwrap_or(TlsError::General("too long".to_owned()));
            self.input = Vec::new();
            return Err(io::Error::new(ErrorKind::InvalidData, why));
        }
        let rest = if self.end == End::NotYet { &*rest } else { &[] };
        if self.input.is_empty() || rest.is_empty() {
            self.input = rest.to_vec();
        } else {
            self.input.clear();
            self.input.reserve_exact(rest.len());
            self.input.extend_from_slice(rest);
        }
        Ok(())
    }

    /// Goes on until there is nothing to do but wait; returns how many bytes were used.
    fn process(&mut self, incoming: &mut [u8]) -> (usize, Result<(), TlsError>) {
        let mut used = 0;
        let is_handshaking = self.connection.is_handshaking();
        loop {
            let status = self.connection.process_tls_records(&mut incoming[used..]);
            used += status.discard;
            match status.state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        match record {
                            Ok(record) => {
                                self.work += RECORD_WORK;
                                used += record.discard;
                                self.plain.bytes.extend_from_slice(record.payload);
                            }
                            Err(error) => return (used, Err(error)),
                        }
                    }
                }
                Ok(ConnectionState::EncodeTlsData(data)) => {
                    self.work += if is_handshaking { HANDSHAKE_WORK } else { RECORD_WORK };
                    encode(data, &mut self.output);
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed) => self.end = End::Said,
                Ok(_) => return (used, Ok(())),
                Err(error) => return (used, Err(error)),
            }
        }
    }

    /// Tells the peer that it did something wrong, if its socket takes that at once.
    fn send_alert<S: Write>(&mut self, rest: &mut [u8], socket: &mut S) {
        let is_plain = self.connection.is_handshaking() && self.output.is_empty();
        if let Ok(ConnectionState::EncodeTlsData(data)) =
            self.connection.process_tls_records(rest).state
        {
            encode(data, &mut self.output);
        } else if is_plain {
            // The library has no alert for a message that claims too much.
            self.output.bytes.extend_from_slice(&DECODE_ERROR);
        }
        let _: io::Result<()> = self.pass_on(socket);
    }

    /// Takes what its socket takes, and [`RECORDS_AT_ONCE_MAX`] records more at most, of which it
    /// holds then what the socket has refused.
    pub fn write<S: Write>(&mut self, socket: &mut S, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = self.write_records(socket, slices);
        self.count();
        written
    }

    fn write_records<S: Write>(
        &mut self,
        socket: &mut S,
        slices: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        self.pass_on(socket)?;
        let scratch = Rc::clone(&self.scratch);
        let Scratch { gathered, sealed, .. } = &mut *scratch.borrow_mut();
        let (mut left, mut count) = (Left { slices, taken: 0 }, 0);
        while !left.slices.is_empty() {
            let (plain_bytes, sealed_bytes) = self.seal(&mut left, gathered, sealed)?;
            count += plain_bytes;
            if !self.send(&sealed[..sealed_bytes], socket)? {
                self.records_at_once = 1;
                break;
            }
            if plain_bytes == self.bytes_at_once() {
                let doubled = 2 * usize::from(self.records_at_once);
                self.records_at_once = doubled.min(RECORDS_AT_ONCE_MAX) as u8;
            }
        }
        Ok(count)
    }

    fn bytes_at_once(&self) -> usize {
        usize::from(self.records_at_once) * RECORD_BYTES_MAX
    }

    /// Seals as many records as are offered at once. Returns how much went into them, and how much
    /// came of it.
    fn seal(
        &mut self,
        left: &mut Left<'_, '_>,
        gathered: &mut Vec<u8>,
        sealed: &mut Vec<u8>,
    ) -> io::Result<(usize, usize)> {
        let (mut plain_bytes, mut sealed_bytes) = (0, 0);
        loop {
            let plain = left.next(gathered, self.bytes_at_once() - plain_bytes);
            if plain.is_empty() {
                return Ok((plain_bytes, sealed_bytes));
            }
            let added = self.seal_one(plain, sealed, sealed_bytes);
            sealed_bytes += added.map_err(|_| io::Error::other("TLS: the keys are used up"))?;
            plain_bytes += plain.len();
        }
    }

    /// Encrypts into `sealed` from `at` on; what the library itself has to say goes before it.
    /// Returns how much came of it.
    fn seal_one(
        &mut self,
        plain: &[u8],
        sealed: &mut Vec<u8>,
        at: usize,
    ) -> Result<usize, EncryptError> {
        loop {
            match self.connection.process_tls_records(&mut self.input).state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    return match traffic.encrypt(plain, &mut sealed[at..]) {
                        Err(EncryptError::InsufficientSize(size)) => {
                            sealed.resize(at + size.required_size, 0);
                            traffic.encrypt(plain, &mut sealed[at..])
                        }
                        encrypted => encrypted,
                    };
                }
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.output),
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                _ => return Err(EncryptError::EncryptExhausted),
            }
        }
    }

    /// Sends records behind what is held, and holds what the socket refuses. Returns whether it has
    /// taken all.
    fn send<S: Write>(&mut self, records: &[u8], socket: &mut S) -> io::Result<bool> {
        let sent = match self.output.is_empty() && !records.is_empty() {
            true => would_block_is_none(write_once(socket, records))?,
            false => 0,
        };
        self.output.bytes.extend_from_slice(&records[sent..]);
        Ok(self.output.is_empty())
    }

    /// Passes on what the socket has not taken.
    pub fn flush<S: Write>(&mut self, socket: &mut S) -> io::Result<()> {
        let passed_on = self.pass_on(socket);
        self.count();
        passed_on
    }

    fn pass_on<S: Write>(&mut self, socket: &mut S) -> io::Result<()> {
        while !self.output.is_empty() {
            let count = write_once(socket, self.output.as_slice())?;
            self.output.consume(count);
        }
        Ok(())
    }

    /// Says that nothing follows: without that, a peer has to take the end for somebody's between.
    pub fn say_goodbye<S: Write>(&mut self, socket: &mut S) {
        if !self.output.is_empty() || self.connection.is_handshaking() {
            return;
        }
        let state = self.connection.process_tls_records(&mut self.input).state;
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = state {
            let queue = |out: &mut [u8]| Ok(traffic.queue_close_notify(out)?);
            // A socket that takes no more of these few bytes is not going to be read to its end.
            if self.output.append(SEAL_BYTES, queue).is_ok() {
                let _: io::Result<()> = self.pass_on(socket);
                self.output = Held::default();
            }
        }
    }
}
