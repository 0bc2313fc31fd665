//! Frame headers (RFC 6455 5.2), read and written.

use super::ProtocolError;
use super::mask::unmask;
use bytes::BufMut;
use std::ops::DerefMut;

/// A header is at most so long: two bytes, a 64-bit length, a mask.
pub const HEADER_BYTES_MAX: usize = 14;

/// RFC 6455 5.5: what a control frame carries at most.
pub const CONTROL_BYTES_MAX: usize = 125;

/// The second byte says that 16 bits of length follow.
const LENGTH_16: u8 = 126;
/// The second byte says that 64 bits of length follow.
const LENGTH_64: u8 = 127;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_RSV3: u8 = 0x30;
const MASKED: u8 = 0x80;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    Continuation = 0x0,
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xA,
}

impl Opcode {
    #[inline]
    pub fn is_control(self) -> bool {
        self as u8 >= Opcode::Close as u8
    }
}

/// Who sent a frame. Clients must mask and servers must not (RFC 6455 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    Client,
    Server,
}

/// Invariant: a control frame is final, uncompressed and has at most [`CONTROL_BYTES_MAX`] bytes of
/// payload; a continuation is not marked compressed; a client's frame has a key and a server's has
/// none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    pub is_final: bool,
    /// RSV1: the message that this frame begins is compressed (RFC 7692 6).
    pub is_compressed: bool,
    pub opcode: Opcode,
    pub mask_key: Option<[u8; 4]>,
    pub payload_bytes: usize,
}

/// Parses the header that `input` begins with; also tells how many bytes it took. `None`: more
/// bytes are needed.
///
/// # Errors
/// 1002 for every breach of RFC 6455, as soon as the byte that shows it has come; 1009 for a data
/// frame longer than `payload_bytes_max`, before its payload has come.
#[inline]
pub fn parse_header(
    input: &[u8],
    sender: Sender,
    payload_bytes_max: usize,
) -> Result<Option<(FrameHeader, usize)>, ProtocolError> {
    let Some((&first, rest)) = input.split_first() else {
        return Ok(None);
    };
    let opcode = parse_first_byte(first)?;
    let Some((&second, rest)) = rest.split_first() else {
        return Ok(None);
    };
    if (second & MASKED != 0) != (sender == Sender::Client) {
        return Err(wrong_mask(sender));
    }
    let short_length = second & !MASKED;
    if opcode.is_control() && usize::from(short_length) > CONTROL_BYTES_MAX {
        return Err(ProtocolError::protocol("control frame longer than 125 bytes"));
    }
    let Some((payload_bytes, rest)) = parse_length(short_length, rest)? else {
        return Ok(None);
    };
    if payload_bytes > payload_bytes_max as u64 && !opcode.is_control() {
        return Err(ProtocolError::too_big());
    }
    let (mask_key, rest) = match (sender, rest.split_first_chunk::<4>()) {
        (Sender::Server, _) => (None, rest),
        (Sender::Client, Some((key, rest))) => (Some(*key), rest),
        (Sender::Client, None) => return Ok(None),
    };
    let header = FrameHeader {
        is_final: first & FIN != 0,
        is_compressed: first & RSV1 != 0,
        opcode,
        mask_key,
        // Not over the limit, which is a usize.
        payload_bytes: payload_bytes as usize,
    };
    Ok(Some((header, input.len() - rest.len())))
}

#[inline]
fn parse_first_byte(first: u8) -> Result<Opcode, ProtocolError> {
    let opcode = match first & 0x0F {
        0x0 => Opcode::Continuation,
        0x1 => Opcode::Text,
        0x2 => Opcode::Binary,
        0x8 => Opcode::Close,
        0x9 => Opcode::Ping,
        0xA => Opcode::Pong,
        _ => return Err(ProtocolError::protocol("reserved opcode")),
    };
    let may_be_compressed = matches!(opcode, Opcode::Text | Opcode::Binary);
    if first & RSV2_RSV3 != 0 || (first & RSV1 != 0 && !may_be_compressed) {
        return Err(ProtocolError::protocol("reserved bit set"));
    }
    if opcode.is_control() && first & FIN == 0 {
        return Err(ProtocolError::protocol("fragmented control frame"));
    }
    Ok(opcode)
}

/// The payload's length, and what follows it. RFC 6455 5.2: in the shortest form, and without the
/// highest bit.
#[inline]
fn parse_length(short_length: u8, rest: &[u8]) -> Result<Option<(u64, &[u8])>, ProtocolError> {
    let (length, rest, shortest) = match short_length {
        LENGTH_16 => match rest.split_first_chunk() {
            Some((length, rest)) => {
                (u64::from(u16::from_be_bytes(*length)), rest, u64::from(LENGTH_16))
            }
            None => return Ok(None),
        },
        LENGTH_64 => match rest.split_first_chunk() {
            Some((length, rest)) => (u64::from_be_bytes(*length), rest, u64::from(u16::MAX) + 1),
            None => return Ok(None),
        },
        length => (u64::from(length), rest, 0),
    };
    if length < shortest {
        return Err(ProtocolError::protocol("length not in its shortest form"));
    }
    if length > i64::MAX as u64 {
        return Err(ProtocolError::protocol("length with its highest bit set"));
    }
    Ok(Some((length, rest)))
}

#[cold]
fn wrong_mask(sender: Sender) -> ProtocolError {
    ProtocolError::protocol(match sender {
        Sender::Client => "client frame without a mask",
        Sender::Server => "server frame with a mask",
    })
}

/// How many bytes a server's header of a payload of this size takes.
pub fn header_bytes(payload_bytes: usize) -> usize {
    match payload_bytes {
        0..126 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    }
}

/// Writes a header.
///
/// # Panics
/// When the header breaks the invariant of [`FrameHeader`] for control frames, in debug builds.
pub fn encode_header(out: &mut impl BufMut, header: FrameHeader) {
    debug_assert!(
        !header.opcode.is_control()
            || (header.is_final && header.payload_bytes <= CONTROL_BYTES_MAX)
    );
    let mut first = header.opcode as u8;
    first |= if header.is_final { FIN } else { 0 };
    first |= if header.is_compressed { RSV1 } else { 0 };
    let masked = if header.mask_key.is_some() { MASKED } else { 0 };
    out.put_u8(first);
    match header.payload_bytes {
        short @ 0..126 => out.put_u8(masked | short as u8),
        medium @ 126..=0xFFFF => {
            out.put_u8(masked | LENGTH_16);
            out.put_u16(medium as u16);
        }
        long => {
            out.put_u8(masked | LENGTH_64);
            out.put_u64(long as u64);
        }
    }
    if let Some(key) = header.mask_key {
        out.put_slice(&key);
    }
}

/// Writes the header of an unfragmented frame as a server sends it.
pub fn encode_server_header(out: &mut impl BufMut, opcode: Opcode, payload_bytes: usize) {
    encode_header(out, server_header(opcode, payload_bytes));
}

/// Writes an unfragmented frame as a server sends it.
pub fn encode_frame(out: &mut impl BufMut, opcode: Opcode, payload: &[u8]) {
    encode_server_header(out, opcode, payload.len());
    out.put_slice(payload);
}

/// Writes the unfragmented frame whose payload is what `render` appends, so that a message can be
/// rendered straight into the buffer it is sent from. A payload over 125 bytes is moved once, to
/// make room for its longer header.
#[inline]
pub fn encode_frame_with<B>(out: &mut B, opcode: Opcode, render: impl FnOnce(&mut B))
where
    B: BufMut + DerefMut<Target = [u8]>,
{
    let frame_start = out.len();
    out.put_bytes(0, header_bytes(0));
    let payload_start = out.len();
    render(out);
    let payload_end = out.len();
    let header = server_header(opcode, payload_end - payload_start);
    let header_end = frame_start + header_bytes(header.payload_bytes);
    if header_end > payload_start {
        out.put_bytes(0, header_end - payload_start);
        out.copy_within(payload_start..payload_end, header_end);
    }
    encode_header(&mut &mut out[frame_start..header_end], header);
}

/// Writes a frame whose payload was made by [`super::deflate::Deflater::deflate`].
pub fn encode_compressed_frame(out: &mut impl BufMut, opcode: Opcode, compressed: &[u8]) {
    encode_header(
        out,
        FrameHeader { is_compressed: true, ..server_header(opcode, compressed.len()) },
    );
    out.put_slice(compressed);
}

/// Writes a Close frame. A reason over 123 bytes is cut off where a character ends.
pub fn encode_close(out: &mut impl BufMut, code: u16, reason: &str) {
    let mut reason_bytes = reason.len().min(CONTROL_BYTES_MAX - size_of::<u16>());
    while !reason.is_char_boundary(reason_bytes) {
        reason_bytes -= 1;
    }
    let reason = &reason[..reason_bytes];
    encode_header(out, server_header(Opcode::Close, size_of::<u16>() + reason.len()));
    out.put_u16(code);
    out.put_slice(reason.as_bytes());
}

/// Writes a Ping frame. A payload over 125 bytes is cut off there.
pub fn encode_ping(out: &mut impl BufMut, payload: &[u8]) {
    encode_frame(out, Opcode::Ping, &payload[..payload.len().min(CONTROL_BYTES_MAX)]);
}

/// Writes the answer to a Ping that carried `payload`, which is never over 125 bytes.
pub fn encode_pong(out: &mut impl BufMut, payload: &[u8]) {
    encode_frame(out, Opcode::Pong, &payload[..payload.len().min(CONTROL_BYTES_MAX)]);
}

/// Writes any frame as a client sends it: for tests and benchmarks.
pub fn encode_client_frame(out: &mut Vec<u8>, header: FrameHeader, payload: &[u8]) {
    encode_header(out, FrameHeader { payload_bytes: payload.len(), ..header });
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = header.mask_key {
        unmask(&mut out[start..], key, 0);
    }
}

fn server_header(opcode: Opcode, payload_bytes: usize) -> FrameHeader {
    FrameHeader { is_final: true, is_compressed: false, opcode, mask_key: None, payload_bytes }
}
