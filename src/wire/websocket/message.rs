//! Messages out of frames: fragmentation, text and Close checks, decompression (RFC 6455 5.4 to
//! 5.6, RFC 7692 6.2).

use super::deflate::{Inflater, compressed_bytes_max};
use super::extension::DeflateParams;
use super::frame::{FrameHeader, HEADER_BYTES_MAX, Opcode, Sender, parse_header};
use super::mask::unmask;
use super::{ProtocolError, close_code};
use crate::memory::{Entry, MemoryAccount};
use crate::wire::snapshot::base64_bytes;
use serde::{Deserialize, Serialize};

/// One thing that a client said. It borrows from the input, or from the scratch.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    /// To be answered by a Pong with the same payload.
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    /// The last item of a connection, to be answered by a Close. Without a code the client gave
    /// none.
    Close {
        code: Option<u16>,
        reason: &'a str,
    },
    /// A part of a message whose end has not come; the decoder keeps it, so there is nothing to do.
    Fragment,
}

/// What the decoders of all connections share: nothing in it outlives the item that borrows it.
#[derive(Debug)]
pub struct Scratch {
    message_bytes_max: usize,
    inflater: Inflater,
    /// The message that was put together or inflated last.
    message: Vec<u8>,
    /// Where messages that are under way count.
    account: MemoryAccount,
}

impl Scratch {
    /// `message_bytes_max` bounds every message, after all fragments and after inflation.
    pub fn new(message_bytes_max: usize) -> Scratch {
        Scratch::with_account(message_bytes_max, MemoryAccount::default())
    }

    /// The same; what the decoders hold counts in `account`.
    pub fn with_account(message_bytes_max: usize, account: MemoryAccount) -> Scratch {
        Scratch { message_bytes_max, inflater: Inflater::new(), message: Vec::new(), account }
    }
}

/// How much of a connection's input a decoder can ask to see at once: an inbox that holds so much
/// never gets stuck.
pub fn frame_bytes_max(message_bytes_max: usize) -> usize {
    HEADER_BYTES_MAX + compressed_bytes_max(message_bytes_max)
}

/// A client's decoder, in two words, because idle clients are many. Owns no heap memory except
/// while a fragmented message is under way.
#[derive(Debug, Serialize, Deserialize)]
pub struct Decoder {
    /// The message that is under way.
    fragments: Option<Box<Fragments>>,
    deflate: Option<DeflateParams>,
    /// After a Close or an error: what still comes is not looked at (RFC 6455 1.4 and 7.1.7).
    is_over: bool,
}

/// Invariant: `payload` is not over the limit for its kind; its first `utf8_bytes` bytes are UTF-8,
/// and of an uncompressed text the rest is at most the beginning of one character.
#[derive(Debug, Serialize, Deserialize)]
struct Fragments {
    kind: Kind,
    is_compressed: bool,
    #[serde(with = "base64_bytes")]
    payload: Vec<u8>,
    utf8_bytes: usize,
    /// What it holds.
    #[serde(skip)]
    entry: Entry,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    Text,
    Binary,
}

impl Decoder {
    /// `deflate` is what the handshake negotiated.
    pub fn new(deflate: Option<DeflateParams>) -> Decoder {
        Decoder { fragments: None, deflate, is_over: false }
    }

    /// Heap memory held, in bytes: none between messages.
    pub fn held_bytes(&self) -> usize {
        self.fragments.as_ref().map_or(0, |fragments| fragments.entry.bytes())
    }

    /// It has been read from a snapshot: what it holds counts in this account.
    pub(super) fn count(&mut self, account: &MemoryAccount) {
        if let Some(fragments) = &mut self.fragments {
            fragments.entry = account.entry();
            fragments.entry.set(size_of::<Fragments>() + fragments.payload.capacity());
        }
    }

    /// Decodes the frame that `input` begins with; also tells how many bytes it took, which must
    /// not be handed in again. `None`: more bytes are needed; `input` is as it was, and the next
    /// call sees it again with what follows.
    ///
    /// # Errors
    /// The client broke the protocol or went over the limit: it is to be sent a Close frame and
    /// let go. From then on, as after `Item::Close`, this returns `None`.
    #[inline]
    pub fn decode<'a>(
        &mut self,
        input: &'a mut [u8],
        scratch: &'a mut Scratch,
    ) -> Result<Option<(Item<'a>, usize)>, ProtocolError> {
        if self.is_over {
            return Ok(None);
        }
        let outcome = self.decode_frame(input, scratch);
        if matches!(outcome, Err(_) | Ok(Some((Item::Close { .. }, _)))) {
            self.is_over = true;
            self.fragments = None;
        }
        outcome
    }

    #[inline]
    fn decode_frame<'a>(
        &mut self,
        input: &'a mut [u8],
        scratch: &'a mut Scratch,
    ) -> Result<Option<(Item<'a>, usize)>, ProtocolError> {
        let payload_bytes_max = match self.deflate {
            Some(_) => compressed_bytes_max(scratch.message_bytes_max),
            None => scratch.message_bytes_max,
        };
        let Some((header, header_bytes)) = parse_header(input, Sender::Client, payload_bytes_max)?
        else {
            return Ok(None);
        };
        self.check_header(&header, scratch.message_bytes_max)?;
        let frame_bytes = header_bytes + header.payload_bytes;
        // Only a whole frame is unmasked, so that no byte is unmasked twice.
        let Some(payload) = input.get_mut(header_bytes..frame_bytes) else {
            return Ok(None);
        };
        if let Some(key) = header.mask_key {
            unmask(payload, key, 0);
        }
        let item = match header.opcode {
            Opcode::Text => self.begin(Kind::Text, &header, payload, scratch)?,
            Opcode::Binary => self.begin(Kind::Binary, &header, payload, scratch)?,
            Opcode::Continuation => self.go_on(header.is_final, payload, scratch)?,
            Opcode::Ping => Item::Ping(payload),
            Opcode::Pong => Item::Pong(payload),
            Opcode::Close => parse_close(payload)?,
        };
        Ok(Some((item, frame_bytes)))
    }

    /// What can be said against a frame before its payload has come.
    #[inline]
    fn check_header(
        &self,
        header: &FrameHeader,
        message_bytes_max: usize,
    ) -> Result<(), ProtocolError> {
        if header.is_compressed && self.deflate.is_none() {
            return Err(ProtocolError::protocol(
                "compressed frame, but compression was not negotiated",
            ));
        }
        let (is_compressed, so_far_bytes) = match (header.opcode, &self.fragments) {
            (Opcode::Continuation, Some(so_far)) => (so_far.is_compressed, so_far.payload.len()),
            (Opcode::Continuation, _) => {
                return Err(ProtocolError::protocol("continuation of no message"));
            }
            (Opcode::Text | Opcode::Binary, Some(_)) => {
                return Err(ProtocolError::protocol("new message inside a fragmented one"));
            }
            (Opcode::Text | Opcode::Binary, _) => (header.is_compressed, 0),
            (Opcode::Close | Opcode::Ping | Opcode::Pong, _) => return Ok(()),
        };
        let bytes_max =
            if is_compressed { compressed_bytes_max(message_bytes_max) } else { message_bytes_max };
        if so_far_bytes + header.payload_bytes > bytes_max {
            Err(ProtocolError::too_big())
        } else {
            Ok(())
        }
    }

    /// The first frame of a message, which mostly is its last too.
    #[inline]
    fn begin<'a>(
        &mut self,
        kind: Kind,
        header: &FrameHeader,
        payload: &'a [u8],
        scratch: &'a mut Scratch,
    ) -> Result<Item<'a>, ProtocolError> {
        match (header.is_final, header.is_compressed) {
            (true, false) => kind.item(payload),
            (true, true) => inflate(kind, payload, scratch),
            (false, is_compressed) => {
                let entry = scratch.account.entry();
                let mut fragments = Box::new(Fragments {
                    kind,
                    is_compressed,
                    payload: Vec::new(),
                    utf8_bytes: 0,
                    entry,
                });
                fragments.append(payload, scratch.message_bytes_max)?;
                self.fragments = Some(fragments);
                Ok(Item::Fragment)
            }
        }
    }

    fn go_on<'a>(
        &mut self,
        is_final: bool,
        payload: &[u8],
        scratch: &'a mut Scratch,
    ) -> Result<Item<'a>, ProtocolError> {
        let Some(fragments) = &mut self.fragments else {
            return Err(ProtocolError::protocol("continuation of no message"));
        };
        fragments.append(payload, scratch.message_bytes_max)?;
        if !is_final {
            return Ok(Item::Fragment);
        }
        let kind = fragments.kind;
        let is_compressed = fragments.is_compressed;
        let message = std::mem::take(&mut fragments.payload);
        self.fragments = None;
        if is_compressed {
            return inflate(kind, &message, scratch);
        }
        scratch.message = message;
        kind.item(&scratch.message)
    }
}

impl Fragments {
    /// The caller has checked the limit.
    fn append(&mut self, payload: &[u8], message_bytes_max: usize) -> Result<(), ProtocolError> {
        let needed_bytes = self.payload.len() + payload.len();
        if needed_bytes > self.payload.capacity() {
            // Doubling keeps many small fragments cheap, but never past what the message may have
            // at most.
            let doubled_bytes = (2 * self.payload.capacity()).min(message_bytes_max);
            self.payload.reserve_exact(needed_bytes.max(doubled_bytes) - self.payload.len());
        }
        self.entry.set(size_of::<Fragments>() + self.payload.capacity());
        self.payload.extend_from_slice(payload);
        if self.kind == Kind::Text && !self.is_compressed {
            self.check_text()?;
        }
        Ok(())
    }

    /// Fails as soon as no further fragment can make the text UTF-8 (RFC 6455 8.1).
    fn check_text(&mut self) -> Result<(), ProtocolError> {
        match simdutf8::compat::from_utf8(&self.payload[self.utf8_bytes..]) {
            Ok(text) => self.utf8_bytes += text.len(),
            Err(error) if error.error_len().is_none() => self.utf8_bytes += error.valid_up_to(),
            Err(_) => return Err(not_utf8()),
        }
        Ok(())
    }
}

impl Kind {
    #[inline]
    fn item(self, message: &[u8]) -> Result<Item<'_>, ProtocolError> {
        match self {
            Kind::Text => {
                simdutf8::basic::from_utf8(message).map(Item::Text).map_err(|_| not_utf8())
            }
            Kind::Binary => Ok(Item::Binary(message)),
        }
    }
}

fn inflate<'a>(
    kind: Kind,
    compressed: &[u8],
    scratch: &'a mut Scratch,
) -> Result<Item<'a>, ProtocolError> {
    scratch.inflater.inflate(compressed, &mut scratch.message, scratch.message_bytes_max)?;
    kind.item(&scratch.message)
}

/// RFC 6455 5.5.1: nothing, or a code and a reason.
fn parse_close(payload: &[u8]) -> Result<Item<'_>, ProtocolError> {
    let (code, reason) = match payload {
        [] => {
            return Ok(Item::Close { code: None, reason: "" });
        }
        [_] => return Err(ProtocolError::protocol("close code of one byte")),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    if !may_be_received(code) {
        return Err(ProtocolError::protocol("close code that must not be sent"));
    }
    match simdutf8::basic::from_utf8(reason) {
        Ok(reason) => Ok(Item::Close { code: Some(code), reason }),
        Err(_) => Err(not_utf8()),
    }
}

/// RFC 6455 7.4 and the IANA registry: 1004 to 1006 and 1015 are never on the wire, 1016 to 2999
/// are not assigned.
fn may_be_received(code: u16) -> bool {
    matches!(code, close_code::NORMAL..=1003 | 1007..=1014 | 3000..=4999)
}

#[cold]
fn not_utf8() -> ProtocolError {
    ProtocolError::invalid_data("text that is not UTF-8")
}
