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
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError};
use rustls::{Error as TlsError, ServerConfig};

use crate::memory::Entry;

/// Of what was said, sealed in one record (RFC 8446, 5.1).
const RECORD_BYTES_MAX: usize = 16 * 1024;
/// The largest record that may come, its head and what TLS 1.2 allows for encryption included (RFC
/// 5246, 6.2.3). No more is kept of what is not whole.
const INPUT_BYTES_MAX: usize = 5 + RECORD_BYTES_MAX + 2048;
/// Taken from a socket at once, behind what is not whole.
const READ_BYTES_MAX: usize = 32 * 1024;
/// So much more than fits into a buffer is decrypted for it at most, and one read from the socket.
const RAW_FACTOR: usize = 2;
/// What sealing adds to a record, with room to spare; for a first guess.
const SEAL_BYTES: usize = 64;

/// A fatal alert, decode_error (RFC 8446, 6.2), in a record that every version reads.
const DECODE_ERROR: [u8; 7] = [0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x32];

/// Where records are decrypted: an idle client has no buffer of its own.
pub struct Scratch(Box<[u8]>);

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch(vec![0; INPUT_BYTES_MAX + READ_BYTES_MAX].into_boxed_slice())
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scratch({} bytes)", self.0.len())
    }
}

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
/// Invariant: `input` is at most [`INPUT_BYTES_MAX`] long, `plain` and `output` hold what one read
/// or one record brought at most; and each is without memory while it is empty.
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

/// Bytes that are taken from the front.
#[derive(Debug, Default)]
struct Held {
    bytes: Vec<u8>,
    taken: usize,
}

impl Held {
    fn len(&self) -> usize {
        self.bytes.len() - self.taken
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    fn consume(&mut self, count: usize) {
        self.taken += count;
        if self.is_empty() {
            *self = Held::default();
        }
    }

    /// Moves as much as there is room for.
    fn take(&mut self, buffer: &mut [u8]) -> usize {
        let count = self.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.as_slice()[..count]);
        self.consume(count);
        count
    }

    /// Appends what `write` writes into so much room, or however much more it says that it needs.
    fn append<E>(
        &mut self,
        room: usize,
        mut write: impl FnMut(&mut [u8]) -> Result<usize, Need<E>>,
    ) -> Result<(), E> {
        let end = self.bytes.len();
        let mut room = room;
        loop {
            self.bytes.reserve_exact(room);
            self.bytes.resize(end + room, 0);
            let written = write(&mut self.bytes[end..]);
            self.bytes.truncate(end + *written.as_ref().unwrap_or(&0));
            match written {
                Ok(_) => return Ok(()),
                Err(Need::Room(bytes)) if bytes > room => room = bytes,
                Err(Need::Room(_)) => return Ok(()),
                Err(Need::Other(error)) => return Err(error),
            }
        }
    }
}

/// Why something could not be written.
enum Need<E> {
    Room(usize),
    Other(E),
}

impl From<EncodeError> for Need<()> {
    fn from(error: EncodeError) -> Need<()> {
        match error {
            EncodeError::InsufficientSize(size) => Need::Room(size.required_size),
            EncodeError::AlreadyEncoded => Need::Other(()),
        }
    }
}

impl From<EncryptError> for Need<EncryptError> {
    fn from(error: EncryptError) -> Need<EncryptError> {
        match error {
            EncryptError::InsufficientSize(size) => Need::Room(size.required_size),
            exhausted @ EncryptError::EncryptExhausted => Need::Other(exhausted),
        }
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
                Ok(_) => {}
            }
        }
    }

    /// Reads until the buffer is full, the socket has no more, or a multiple of what the buffer
    /// takes has been decrypted: records of one byte cost many times as much as what is in them.
    pub fn read<S: Read + Write>(
        &mut self,
        socket: &mut S,
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        let (mut count, mut raw) = (self.plain.take(buffer), 0);
        self.stopped_early = false;
        while count < buffer.len() && self.end == End::NotYet {
            if count > 0 && raw >= RAW_FACTOR * buffer.len() {
                self.stopped_early = true;
                break;
            }
            match self.fill(socket) {
                Ok(bytes) => {
                    raw += bytes;
                    count += self.plain.take(&mut buffer[count..]);
                }
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

    /// Reads once from the socket, and decrypts what is whole; returns how much was read.
    fn fill<S: Read + Write>(&mut self, socket: &mut S) -> io::Result<usize> {
        let scratch = Rc::clone(&self.scratch);
        let scratch = &mut scratch.borrow_mut().0;
        let before = self.input.len();
        let count = socket.read(&mut scratch[before..before + READ_BYTES_MAX])?;
        if count == 0 {
            self.end = End::Cut;
            return Ok(0);
        }
        scratch[..before].copy_from_slice(&self.input);
        self.receive(&mut scratch[..before + count], socket)?;
        Ok(count)
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
        loop {
            let status = self.connection.process_tls_records(&mut incoming[used..]);
            used += status.discard;
            match status.state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        match record {
                            Ok(record) => {
                                used += record.discard;
                                self.plain.bytes.extend_from_slice(record.payload);
                            }
                            Err(error) => return (used, Err(error)),
                        }
                    }
                }
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.output),
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

    /// Takes what its socket takes, and one record more at most, which it holds then.
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
        let (mut gathered, mut count) = (Vec::new(), 0);
        let mut left = Left { slices, taken: 0 };
        loop {
            let plain = left.next(&mut gathered);
            if plain.is_empty() {
                return Ok(count);
            }
            let bytes = plain.len();
            let sealed = self.seal(plain);
            sealed.map_err(|_| io::Error::other("TLS: the keys are used up"))?;
            count += bytes;
            match self.pass_on(socket) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(count),
                Err(error) => return Err(error),
            }
        }
    }

    /// Encrypts into one record, behind what the library itself has to say.
    fn seal(&mut self, plain: &[u8]) -> Result<(), EncryptError> {
        loop {
            match self.connection.process_tls_records(&mut self.input).state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    let room = plain.len() + SEAL_BYTES;
                    return self.output.append(room, |out| Ok(traffic.encrypt(plain, out)?));
                }
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.output),
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                _ => return Err(EncryptError::EncryptExhausted),
            }
        }
    }

    /// Passes on what the socket has not taken.
    pub fn flush<S: Write>(&mut self, socket: &mut S) -> io::Result<()> {
        let passed_on = self.pass_on(socket);
        self.count();
        passed_on
    }

    fn pass_on<S: Write>(&mut self, socket: &mut S) -> io::Result<()> {
        while !self.output.is_empty() {
            match socket.write(self.output.as_slice()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => self.output.consume(count),
                Err(error) => return Err(error),
            }
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

/// Appends what the library has to say.
fn encode<D>(mut data: EncodeTlsData<'_, D>, output: &mut Held) {
    // It says how much room it needs, and can be asked once.
    let _: Result<(), ()> = output.append(0, |out| Ok(data.encode(out)?));
}

/// What is left of what was offered.
struct Left<'s, 'b> {
    slices: &'s [IoSlice<'b>],
    /// Of the first slice.
    taken: usize,
}

impl<'s> Left<'s, '_> {
    /// The next record's worth; put together only if it lies in several pieces.
    fn next<'g>(&mut self, gathered: &'g mut Vec<u8>) -> &'g [u8]
    where
        's: 'g,
    {
        gathered.clear();
        loop {
            let Some((first, others)) = self.slices.split_first() else { return gathered };
            let rest = &first[self.taken..];
            let count = rest.len().min(RECORD_BYTES_MAX - gathered.len());
            let is_all = count == rest.len();
            let is_full = gathered.len() + count == RECORD_BYTES_MAX;
            if is_all {
                (self.slices, self.taken) = (others, 0);
            } else {
                self.taken += count;
            }
            if gathered.is_empty() && (is_full || self.slices.is_empty()) {
                return &rest[..count];
            }
            gathered.extend_from_slice(&rest[..count]);
            if is_full {
                return gathered;
            }
        }
    }
}
