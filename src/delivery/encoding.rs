//! From a message to the bytes of a wire, once for all clients of one [`Encoding`].

use serde::{Deserialize, Serialize};
use std::ops::Range;

use crate::wire::websocket::deflate::Deflater;
use crate::wire::websocket::frame::{
    Opcode, encode_compressed_frame, encode_frame, encode_frame_with, encode_server_header,
    header_bytes,
};

/// Shorter messages are not compressed: they would hardly become shorter.
const COMPRESSED_BYTES_MIN: usize = 64;

/// How a client's messages become bytes. All clients of a channel with the same encoding share
/// them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Encoding {
    pub framing: Framing,
    pub compression: Compression,
    pub dialect: Dialect,
}

impl Encoding {
    /// Whether a message's content stands in it as it is.
    pub fn is_plain(self) -> bool {
        self.framing == Framing::Lines || self.compression == Compression::None
    }

    /// Makes plain content that stands in a buffer a whole message there, behind `before`, which
    /// are messages that were made so; without any, the content stays where it is. Returns where all
    /// of them are.
    ///
    /// # Panics
    /// When there is no room for a header before it. In a client's frame there is: its header has a
    /// mask, and is four bytes longer.
    #[inline]
    pub fn encode_in_place(
        self,
        kind: FrameKind,
        buffer: &mut [u8],
        before: Range<usize>,
        content: Range<usize>,
    ) -> Range<usize> {
        debug_assert!(self.is_plain());
        let content_bytes = content.len();
        let header_bytes = match self.framing {
            Framing::WebSocket => header_bytes(content_bytes),
            Framing::Lines | Framing::Events | Framing::JsonLines => 0,
        };
        let begin = match before.is_empty() {
            true => content.start.checked_sub(header_bytes).expect("there is room for a header"),
            false => before.end,
        };
        let first = if before.is_empty() { begin } else { before.start };
        let at = begin + header_bytes;
        assert!(at <= content.start, "there is room for a header");
        if at < content.start {
            buffer.copy_within(content, at);
        }
        if self.framing == Framing::WebSocket {
            encode_server_header(&mut &mut buffer[begin..at], opcode(kind), content_bytes);
        }
        first..at + content_bytes
    }
}

/// Where one message ends and the next begins; the wire's choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Framing {
    /// Bytes as they are: the line endings are part of the message.
    #[default]
    Lines,
    /// One frame a message (RFC 6455).
    WebSocket,
    /// Server-sent events: each message is one line of data.
    Events,
    /// Each message is one line.
    JsonLines,
}

/// What the client can inflate; agreed in the handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Compression {
    #[default]
    None,
    /// permessage-deflate (RFC 7692).
    Deflate,
}

/// The language of the messages; the service's choice, which alone knows what the number means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dialect(pub u8);

/// What a message is made of. Lines do not show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FrameKind {
    Text,
    Binary,
}

/// Compresses for all clients; its memory is there from the first compressed message on.
#[derive(Debug, Default)]
pub struct Compressor {
    deflater: Option<Box<Deflater>>,
    scratch: Vec<u8>,
    /// Compressed so far.
    bytes: u64,
}

impl Compressor {
    /// Bytes that have been compressed so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Appends messages in one encoding to a buffer.
#[derive(Debug)]
pub struct Encoder<'a> {
    encoding: Encoding,
    buffer: &'a mut Vec<u8>,
    compressor: &'a mut Compressor,
}

impl<'a> Encoder<'a> {
    pub fn new(
        encoding: Encoding,
        buffer: &'a mut Vec<u8>,
        compressor: &'a mut Compressor,
    ) -> Encoder<'a> {
        Encoder { encoding, buffer, compressor }
    }

    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Appends one whole message; `write` appends its content. On a line, the content is all there
    /// is.
    #[inline]
    pub fn message(&mut self, kind: FrameKind, write: impl FnOnce(&mut Vec<u8>)) {
        match (self.encoding.framing, self.encoding.compression) {
            (Framing::Lines, _) => write(self.buffer),
            (Framing::WebSocket, Compression::None) => {
                encode_frame_with(self.buffer, opcode(kind), write)
            }
            (Framing::WebSocket, Compression::Deflate) => self.compress(opcode(kind), write),
            (Framing::Events, _) => {
                self.buffer.extend_from_slice(b"data: ");
                write(self.buffer);
                self.buffer.extend_from_slice(b"\n\n");
            }
            (Framing::JsonLines, _) => {
                write(self.buffer);
                self.buffer.push(b'\n');
            }
        }
    }

    /// Says by what the next message is known, where a client shows that again to go on.
    pub fn identify(&mut self, id: impl FnOnce() -> String) {
        if self.encoding.framing == Framing::Events {
            for part in ["id: ", &id(), "\n"] {
                self.buffer.extend_from_slice(part.as_bytes());
            }
        }
    }

    /// Appends one whole message whose content is there already. A frame's header is written first
    /// then, as its length is known, and the content is copied once and not moved.
    #[inline]
    pub fn content(&mut self, kind: FrameKind, content: &[u8]) {
        match (self.encoding.framing, self.encoding.compression) {
            (Framing::WebSocket, Compression::None) => {
                self.buffer.reserve(header_bytes(content.len()) + content.len());
                encode_frame(self.buffer, opcode(kind), content);
            }
            _ => self.message(kind, |buffer| buffer.extend_from_slice(content)),
        }
    }

    fn compress(&mut self, opcode: Opcode, write: impl FnOnce(&mut Vec<u8>)) {
        let Compressor { deflater, scratch, bytes } = &mut self.compressor;
        scratch.clear();
        write(scratch);
        if scratch.len() < COMPRESSED_BYTES_MIN {
            return encode_frame(self.buffer, opcode, scratch);
        }
        *bytes += scratch.len() as u64;
        let mut compressed = Vec::new();
        deflater.get_or_insert_default().deflate(scratch, &mut compressed);
        encode_compressed_frame(self.buffer, opcode, &compressed);
    }
}

fn opcode(kind: FrameKind) -> Opcode {
    match kind {
        FrameKind::Text => Opcode::Text,
        FrameKind::Binary => Opcode::Binary,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::websocket::frame::{Sender, parse_header};

    const WEBSOCKET: Encoding = Encoding {
        framing: Framing::WebSocket,
        compression: Compression::None,
        dialect: Dialect(0),
    };
    const DEFLATED: Encoding = Encoding { compression: Compression::Deflate, ..WEBSOCKET };

    fn encode(encoding: Encoding, kind: FrameKind, content: &[u8]) -> Vec<u8> {
        let mut buffer = b"before".to_vec();
        let mut compressor = Compressor::default();
        Encoder::new(encoding, &mut buffer, &mut compressor)
            .message(kind, |out| out.extend_from_slice(content));
        assert!(buffer.starts_with(b"before"));
        buffer.split_off(6)
    }

    #[test]
    fn a_line_is_its_content() {
        assert_eq!(encode(Encoding::default(), FrameKind::Text, b"hello\r\n"), b"hello\r\n");
    }

    #[test]
    fn a_frame_written_in_place_is_the_frame_written_at_once() {
        for bytes in [0, 1, 125, 126, 127, 65_535, 65_536, 100_000] {
            for (kind, opcode) in
                [(FrameKind::Text, Opcode::Text), (FrameKind::Binary, Opcode::Binary)]
            {
                let content = vec![b'x'; bytes];
                let mut expected = Vec::new();
                encode_frame(&mut expected, opcode, &content);
                assert!(encode(WEBSOCKET, kind, &content) == expected, "{bytes} bytes");
                for encoding in [Encoding::default(), WEBSOCKET, DEFLATED] {
                    let mut whole = Vec::new();
                    Encoder::new(encoding, &mut whole, &mut Compressor::default())
                        .content(kind, &content);
                    assert!(whole == encode(encoding, kind, &content), "{bytes} bytes");
                }
            }
        }
    }

    #[test]
    fn a_message_made_in_place_is_the_one_made_elsewhere() {
        for encoding in [Encoding::default(), WEBSOCKET] {
            for sizes in [vec![0], vec![125], vec![70_000, 3, 126], vec![1; 9], vec![0, 65_536, 0]]
            {
                let (mut buffer, mut expected, mut compressor) =
                    (b"served".to_vec(), Vec::new(), Compressor::default());
                let mut places = Vec::new();
                for (at, bytes) in sizes.iter().enumerate() {
                    let content = vec![b'a' + at as u8; *bytes];
                    Encoder::new(encoding, &mut expected, &mut compressor)
                        .content(FrameKind::Text, &content);
                    if encoding == WEBSOCKET {
                        buffer.extend(vec![b'-'; header_bytes(*bytes) + 4]);
                    }
                    places.push(buffer.len()..buffer.len() + bytes);
                    buffer.extend(content);
                }
                buffer.extend(b"behind");
                let mut made = 0..0;
                for content in places {
                    made = encoding.encode_in_place(FrameKind::Text, &mut buffer, made, content);
                }
                assert!(buffer[made] == expected, "{encoding:?}, {sizes:?}");
                assert!(buffer.starts_with(b"served") && buffer.ends_with(b"behind"));
            }
        }
    }

    #[test]
    fn long_messages_are_compressed_and_short_ones_are_not() {
        for (bytes, compressed) in [(63, false), (64, true), (10_000, true)] {
            let frame = encode(DEFLATED, FrameKind::Text, &vec![b'x'; bytes]);
            let (header, _) =
                parse_header(&frame, Sender::Server, usize::MAX).expect("a frame").expect("whole");
            assert_eq!(header.is_compressed, compressed, "{bytes} bytes");
            assert_eq!(frame.len() < bytes, compressed, "{bytes} bytes became {}", frame.len());
        }
    }
}
