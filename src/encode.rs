//! From what is said to the bytes of a wire: one encoding serves all clients of one [`Format`].

use crate::wire::websocket::deflate::Deflater;
use crate::wire::websocket::frame::{Opcode, encode_compressed_frame, encode_frame, encode_frame_with};

/// Shorter messages are not compressed: they would hardly become shorter.
const COMPRESSED_BYTES_MIN: usize = 64;

/// How a client's messages look on its wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Bytes as they are: whoever writes them writes the line endings.
    Line,
    /// One WebSocket frame a message.
    Text,
    /// As `Text`, compressed.
    DeflatedText,
    /// One WebSocket frame a message, of a client that speaks JSON.
    Json,
    /// As `Json`, compressed.
    DeflatedJson,
}

/// What a message is made of. Lines do not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Binary,
}

impl Format {
    /// Whether messages go out as bytes of a stream of lines.
    pub fn is_line(self) -> bool {
        self == Format::Line
    }

    /// Whether the client speaks JSON, and not text for people.
    pub fn is_json(self) -> bool {
        matches!(self, Format::Json | Format::DeflatedJson)
    }
}

/// Compresses for all clients; its memory is there from the first compressed message on.
#[derive(Debug, Default)]
pub struct Compressor {
    deflater: Option<Box<Deflater>>,
    scratch: Vec<u8>,
}

/// Appends messages in one format to a buffer.
#[derive(Debug)]
pub struct Encoder<'a> {
    format: Format,
    buffer: &'a mut Vec<u8>,
    compressor: &'a mut Compressor,
}

impl<'a> Encoder<'a> {
    pub fn new(format: Format, buffer: &'a mut Vec<u8>, compressor: &'a mut Compressor) -> Encoder<'a> {
        Encoder { format, buffer, compressor }
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// Appends one whole message; `write` appends its content. On a line, the content is all there is.
    #[inline]
    pub fn message(&mut self, kind: Kind, write: impl FnOnce(&mut Vec<u8>)) {
        let opcode = match kind {
            Kind::Text => Opcode::Text,
            Kind::Binary => Opcode::Binary,
        };
        match self.format {
            Format::Line => write(self.buffer),
            Format::Text | Format::Json => encode_frame_with(self.buffer, opcode, write),
            Format::DeflatedText | Format::DeflatedJson => self.compress(opcode, write),
        }
    }

    fn compress(&mut self, opcode: Opcode, write: impl FnOnce(&mut Vec<u8>)) {
        let Compressor { deflater, scratch } = &mut self.compressor;
        scratch.clear();
        write(scratch);
        if scratch.len() < COMPRESSED_BYTES_MIN {
            return encode_frame(self.buffer, opcode, scratch);
        }
        let mut compressed = Vec::new();
        deflater.get_or_insert_default().deflate(scratch, &mut compressed);
        encode_compressed_frame(self.buffer, opcode, &compressed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::websocket::frame::{Sender, parse_header};

    fn encode(format: Format, kind: Kind, content: &[u8]) -> Vec<u8> {
        let mut buffer = b"before".to_vec();
        let mut compressor = Compressor::default();
        Encoder::new(format, &mut buffer, &mut compressor).message(kind, |out| out.extend_from_slice(content));
        assert!(buffer.starts_with(b"before"));
        buffer.split_off(6)
    }

    #[test]
    fn a_line_is_its_content() {
        assert_eq!(encode(Format::Line, Kind::Text, b"hello\r\n"), b"hello\r\n");
    }

    #[test]
    fn a_frame_written_in_place_is_the_frame_written_at_once() {
        for bytes in [0, 1, 125, 126, 127, 65_535, 65_536, 100_000] {
            for (kind, opcode) in [(Kind::Text, Opcode::Text), (Kind::Binary, Opcode::Binary)] {
                let content = vec![b'x'; bytes];
                let mut expected = Vec::new();
                encode_frame(&mut expected, opcode, &content);
                assert!(encode(Format::Json, kind, &content) == expected, "{bytes} bytes");
            }
        }
    }

    #[test]
    fn long_messages_are_compressed_and_short_ones_are_not() {
        for (bytes, compressed) in [(63, false), (64, true), (10_000, true)] {
            let frame = encode(Format::DeflatedText, Kind::Text, &vec![b'x'; bytes]);
            let (header, _) = parse_header(&frame, Sender::Server, usize::MAX).expect("a frame").expect("whole");
            assert_eq!(header.is_compressed, compressed, "{bytes} bytes");
            assert_eq!(frame.len() < bytes, compressed, "{bytes} bytes became {}", frame.len());
        }
    }
}
