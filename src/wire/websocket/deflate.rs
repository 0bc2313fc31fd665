//! permessage-deflate payloads (RFC 7692 7.2), without context takeover: every message stands
//! alone, so one [`Deflater`] and one [`Inflater`] serve all clients and a client costs no memory.

use super::ProtocolError;
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// What a sync flush ends with, and what senders leave out (RFC 7692 7.2.1).
const FLUSH_TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

/// What is put back, and an empty final block: only if it is recognized as one was the message not
/// cut short.
const END_TAIL: [u8; 9] = [0x00, 0x00, 0xFF, 0xFF, 0x01, 0x00, 0x00, 0xFF, 0xFF];

/// Room made for a message before its inflated size is known.
const INFLATED_BYTES_MIN: usize = 1024;

/// How long a compressed message may be so that inflated it can still be under the limit: what does
/// not compress becomes longer, with zlib at its smallest memory level by four bytes in a hundred.
pub fn compressed_bytes_max(message_bytes_max: usize) -> usize {
    message_bytes_max.saturating_add(message_bytes_max / 16).saturating_add(64)
}

/// Half the work of the default level, for about a fifth more bytes: measured with the Autobahn
/// messages of 12.*.
const LEVEL: u32 = 2;

/// Compresses messages; one for the whole server.
#[derive(Debug)]
pub struct Deflater {
    stream: Compress,
}

impl Default for Deflater {
    fn default() -> Deflater {
        Deflater::new()
    }
}

impl Deflater {
    pub fn new() -> Deflater {
        Deflater { stream: Compress::new(Compression::new(LEVEL), false) }
    }

    /// Appends the payload of a compressed frame to `out`. Refers back by less than `message.len()`
    /// bytes: see [`super::extension::DeflateParams::may_compress`].
    pub fn deflate(&mut self, message: &[u8], out: &mut Vec<u8>) {
        self.stream.reset();
        loop {
            let rest = &message[self.stream.total_in() as usize..];
            out.reserve(compressed_bytes_max(rest.len()));
            let status = self.stream.compress_vec(rest, out, FlushCompress::Sync);
            status.expect("a raw stream that is never finished takes any input");
            let is_read = self.stream.total_in() as usize == message.len();
            // A flush is over when it has left room: zlib's own rule.
            if is_read && out.len() < out.capacity() {
                break;
            }
        }
        debug_assert!(out.ends_with(&FLUSH_TAIL));
        out.truncate(out.len() - FLUSH_TAIL.len());
    }
}

/// Inflates messages; one for the whole server.
#[derive(Debug)]
pub struct Inflater {
    stream: Decompress,
}

/// Where the stream was when its input had been read.
#[derive(Debug, PartialEq, Eq)]
enum Fed {
    /// Right behind a final block.
    AtEnd,
    InStream,
}

impl Default for Inflater {
    fn default() -> Inflater {
        Inflater::new()
    }
}

impl Inflater {
    /// The window is the largest there is, so it suffices for whatever window a client uses.
    pub fn new() -> Inflater {
        Inflater { stream: Decompress::new(false) }
    }

    /// Replaces `out` by the message that the payload of one or more frames holds.
    ///
    /// # Errors
    /// 1009 as soon as the message is longer than `message_bytes_max`, without having reserved more
    /// than that; 1007 when it is not a DEFLATE stream or has been cut short.
    pub fn inflate(
        &mut self,
        compressed: &[u8],
        out: &mut Vec<u8>,
        message_bytes_max: usize,
    ) -> Result<(), ProtocolError> {
        out.clear();
        // Not what RFC 7692 7.2.3.6 asks of a sender, but some send it for an empty message, and it
        // means nothing else.
        if compressed.is_empty() {
            return Ok(());
        }
        self.stream.reset(false);
        // A message that ends with a final block needs no tail (RFC 7692 7.2.3.4).
        if self.feed(compressed, out, message_bytes_max)? == Fed::AtEnd {
            return Ok(());
        }
        match self.feed(&END_TAIL, out, message_bytes_max)? {
            Fed::AtEnd => Ok(()),
            Fed::InStream => Err(not_deflate()),
        }
    }

    fn feed(
        &mut self,
        mut input: &[u8],
        out: &mut Vec<u8>,
        message_bytes_max: usize,
    ) -> Result<Fed, ProtocolError> {
        loop {
            make_room(out, input.len(), message_bytes_max);
            let read_before = self.stream.total_in();
            let written_before = out.len();
            let (status, has_room) = self.step(input, out, message_bytes_max)?;
            let read_bytes = (self.stream.total_in() - read_before) as usize;
            input = &input[read_bytes..];
            match status {
                Status::StreamEnd if input.is_empty() => return Ok(Fed::AtEnd),
                // RFC 7692 7.2.3.4: after a final block a new stream begins.
                Status::StreamEnd => self.stream.reset(false),
                _ if input.is_empty() && has_room => return Ok(Fed::InStream),
                _ if has_room && read_bytes == 0 && out.len() == written_before => {
                    return Err(not_deflate());
                }
                _ => {}
            }
        }
    }

    /// Inflates into what room `out` has; also tells whether some of it is left. When the limit has
    /// been reached, the rest must not produce a single byte.
    fn step(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        message_bytes_max: usize,
    ) -> Result<(Status, bool), ProtocolError> {
        if out.len() < message_bytes_max {
            let status = self
                .stream
                .decompress_vec(input, out, FlushDecompress::None)
                .map_err(|_| not_deflate())?;
            let is_too_big = out.len() > message_bytes_max;
            return if is_too_big {
                Err(ProtocolError::too_big())
            } else {
                Ok((status, out.len() < out.capacity()))
            };
        }
        let written_before = self.stream.total_out();
        let status = self
            .stream
            .decompress(input, &mut [0], FlushDecompress::None)
            .map_err(|_| not_deflate())?;
        let is_too_big = self.stream.total_out() > written_before;
        if is_too_big { Err(ProtocolError::too_big()) } else { Ok((status, true)) }
    }
}

/// Grows `out` by doubling, to the limit and no further.
fn make_room(out: &mut Vec<u8>, input_bytes: usize, message_bytes_max: usize) {
    if out.len() == out.capacity() {
        let wanted_bytes = (2 * out.capacity())
            .max(4 * input_bytes)
            .max(INFLATED_BYTES_MIN)
            .min(message_bytes_max);
        out.reserve_exact(wanted_bytes.saturating_sub(out.len()));
    }
}

#[cold]
fn not_deflate() -> ProtocolError {
    ProtocolError::invalid_data("compressed message that can not be inflated")
}
