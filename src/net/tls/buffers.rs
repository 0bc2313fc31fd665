//! Where bytes are on their way through TLS: what all sessions share, and what each holds.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Write};

use rustls::unbuffered::{EncodeError, EncodeTlsData, EncryptError};

/// Of what was said, sealed in one record (RFC 8446, 5.1).
pub(super) const RECORD_BYTES_MAX: usize = 16 * 1024;
/// The largest record that may come, its head and what TLS 1.2 allows for encryption included (RFC
/// 5246, 6.2.3). No more is kept of what is not whole.
pub(super) const INPUT_BYTES_MAX: usize = 5 + RECORD_BYTES_MAX + 2048;
/// Taken from a socket at once, behind what is not whole.
pub(super) const READ_BYTES_MAX: usize = 32 * 1024;
/// What sealing adds to a record, with room to spare; for a first guess.
pub(super) const SEAL_BYTES: usize = 64;
/// Records that are sealed and offered to a socket at once: as many as it has lately taken at once.
/// Each system call costs as much as a few thousand bytes do. But what the socket refuses of them
/// is held for this one client, while what is not sealed yet is shared by all.
pub(super) const RECORDS_AT_ONCE_MAX: usize = 8;

/// Where records are decrypted and sealed: an idle client has no buffer of its own.
pub struct Scratch {
    pub received: Box<[u8]>,
    /// What goes into one record and lies in several pieces.
    pub gathered: Vec<u8>,
    /// Filled from its start, never emptied: only what is to be sent is ever read.
    pub sealed: Vec<u8>,
}

impl Default for Scratch {
    fn default() -> Scratch {
        Scratch {
            received: vec![0; INPUT_BYTES_MAX + READ_BYTES_MAX].into_boxed_slice(),
            gathered: Vec::with_capacity(RECORD_BYTES_MAX),
            sealed: vec![0; RECORDS_AT_ONCE_MAX * (RECORD_BYTES_MAX + SEAL_BYTES)],
        }
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scratch({} and {} bytes)", self.received.len(), self.sealed.len())
    }
}

/// Bytes that are taken from the front.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub bytes: Vec<u8>,
    taken: usize,
}

impl Held {
    pub fn len(&self) -> usize {
        self.bytes.len() - self.taken
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    pub fn consume(&mut self, count: usize) {
        self.taken += count;
        if self.is_empty() {
            *self = Held::default();
        }
    }

    /// Moves as much as there is room for.
    pub fn take(&mut self, buffer: &mut [u8]) -> usize {
        let count = self.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.as_slice()[..count]);
        self.consume(count);
        count
    }

    /// Appends what `write` writes into so much room, or however much more it says that it needs.
    pub fn append<E>(
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
pub(super) enum Need<E> {
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

/// What is sealed must not be sealed again: a signal in between is nobody else's business.
pub(super) fn write_once<S: Write>(socket: &mut S, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match socket.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            written => return written,
        }
    }
}

/// How much was taken; nothing is no error.
pub(super) fn would_block_is_none(written: io::Result<usize>) -> io::Result<usize> {
    match written {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        written => written,
    }
}

/// Appends what the library has to say.
pub(super) fn encode<D>(mut data: EncodeTlsData<'_, D>, output: &mut Held) {
    // It says how much room it needs, and can be asked once.
    let _: Result<(), ()> = output.append(0, |out| Ok(data.encode(out)?));
}

/// What is left of what was offered.
pub(super) struct Left<'s, 'b> {
    pub slices: &'s [IoSlice<'b>],
    /// Of the first slice.
    pub taken: usize,
}

impl<'s> Left<'s, '_> {
    /// What goes into the next records, at most so much: whole ones from where it lies, or else one
    /// that is put together.
    pub fn next<'g>(&mut self, gathered: &'g mut Vec<u8>, bytes_max: usize) -> &'g [u8]
    where
        's: 'g,
    {
        gathered.clear();
        while let Some((first, others)) = self.slices.split_first() {
            let rest = &first[self.taken..];
            let is_last = others.is_empty() || rest.len() >= bytes_max;
            if gathered.is_empty() && (is_last || rest.len() >= RECORD_BYTES_MAX) {
                let whole = rest.len() - if is_last { 0 } else { rest.len() % RECORD_BYTES_MAX };
                return self.take(&rest[..whole.min(bytes_max)]);
            }
            let room = bytes_max.min(RECORD_BYTES_MAX) - gathered.len();
            gathered.extend_from_slice(self.take(&rest[..rest.len().min(room)]));
            if gathered.len() == bytes_max.min(RECORD_BYTES_MAX) {
                break;
            }
        }
        gathered
    }

    /// Takes the beginning of what is left of the first slice.
    fn take(&mut self, taken: &'s [u8]) -> &'s [u8] {
        self.taken += taken.len();
        if let Some((first, others)) = self.slices.split_first()
            && self.taken == first.len()
        {
            (self.slices, self.taken) = (others, 0);
        }
        taken
    }
}
