//! What a client makes of the bytes it gets, as strictly as the RFCs allow.

use flate2::{Decompress, FlushDecompress};

/// The key of RFC 6455, 1.3, and what it has to be answered with.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// One thing that came.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    Line(String),
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>),
    Upgraded,
    Response { status: u16 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Lines,
    Http,
    Frames,
    /// After a Close frame nothing may come.
    Closed,
}

#[derive(Debug)]
pub struct Screen {
    state: State,
    subprotocol: bool,
    /// Whether compression was asked for, and granted.
    compression: (bool, bool),
    inflater: Option<Decompress>,
    bytes: Vec<u8>,
    /// Why it was closed, as its Close frame says.
    pub reason: String,
}

impl Screen {
    pub fn lines() -> Screen {
        Screen {
            state: State::Lines,
            subprotocol: false,
            compression: (false, false),
            inflater: None,
            bytes: Vec::new(),
            reason: String::new(),
        }
    }

    /// Of a client that asks for this dialect, and perhaps for compression.
    pub fn http(subprotocol: bool, compression: bool) -> Screen {
        Screen {
            state: State::Http,
            subprotocol,
            compression: (compression, false),
            inflater: None,
            bytes: Vec::new(),
            reason: String::new(),
        }
    }

    pub fn may_compress(&self) -> bool {
        self.compression.1
    }

    /// Bytes of something that has not come in full.
    pub fn left_over(&self) -> usize {
        self.bytes.len()
    }

    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Seen> {
        self.bytes.extend_from_slice(bytes);
        let mut seen = Vec::new();
        loop {
            let step = match self.state {
                State::Lines => self.line(),
                State::Http => self.response(),
                State::Frames => self.frame(),
                State::Closed => {
                    assert!(self.bytes.is_empty(), "after a Close frame came {:?}", self.bytes);
                    None
                }
            };
            match step {
                Some(one) => seen.extend(one),
                None => return seen,
            }
        }
    }

    /// `Some(None)`: something came that nobody looks at.
    fn line(&mut self) -> Option<Option<Seen>> {
        if let [255, verb, rest @ ..] = &self.bytes[..] {
            assert!(matches!(verb, 251..=254), "telnet verb {verb}");
            rest.first()?;
            self.bytes.drain(..3);
            return Some(None);
        }
        let end = self.bytes.iter().position(|&byte| byte == b'\n')?;
        let line: Vec<u8> = self.bytes.drain(..=end).collect();
        let line =
            line.strip_suffix(b"\r\n").unwrap_or_else(|| panic!("a line without CR LF: {line:?}"));
        Some(Some(Seen::Line(String::from_utf8(line.to_vec()).expect("UTF-8"))))
    }

    fn response(&mut self) -> Option<Option<Seen>> {
        let end = self.bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = String::from_utf8(self.bytes[..end].to_vec()).expect("ASCII");
        let status: u16 =
            head.strip_prefix("HTTP/1.1 ").expect("a status line")[..3].parse().expect("a status");
        if status == 101 {
            let field = |wanted: &str| {
                let fields = head.lines().filter_map(|line| line.split_once(": "));
                let mut values = fields
                    .filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
                    .map(|(_, value)| value);
                let value = values.next();
                assert_eq!(values.next(), None, "{wanted} twice");
                value
            };
            assert_eq!(field("Sec-WebSocket-Accept"), Some(ACCEPT));
            assert_eq!(field("Upgrade").map(str::to_lowercase).as_deref(), Some("websocket"));
            assert_eq!(field("Sec-WebSocket-Protocol"), self.subprotocol.then_some("chat.v1.json"));
            let granted = field("Sec-WebSocket-Extensions");
            let bare = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
            assert!(
                granted.is_none() || self.compression.0 && granted == Some(bare),
                "{granted:?}"
            );
            self.compression.1 = granted.is_some();
            self.bytes.drain(..end);
            self.state = State::Frames;
            return Some(Some(Seen::Upgraded));
        }
        let length: Option<usize> = head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let whole = end + length.unwrap_or_else(|| panic!("no length: {head}"));
        if self.bytes.len() < whole {
            return None;
        }
        self.bytes.drain(..whole);
        Some(Some(Seen::Response { status }))
    }

    fn frame(&mut self) -> Option<Option<Seen>> {
        let [first, second, rest @ ..] = &self.bytes[..] else { return None };
        assert_eq!(first & 0xB0, 0x80, "the server's frames are whole and have no reserved bits");
        let compressed = first & 0x40 != 0;
        assert!(
            !compressed || self.compression.1 && first & 0x0F == 1,
            "only granted compression, and of messages only"
        );
        assert_eq!(second & 0x80, 0, "a server's frame is not masked");
        let (length, header) = match second & 0x7F {
            126 => (usize::from(u16::from_be_bytes(*rest.first_chunk()?)), 4),
            127 => (u64::from_be_bytes(*rest.first_chunk()?) as usize, 10),
            short => (usize::from(short), 2),
        };
        let shortest = match length {
            0..126 => 2,
            126..0x1_0000 => 4,
            _ => 10,
        };
        assert_eq!(header, shortest, "a length in its shortest form");
        if self.bytes.len() < header + length {
            return None;
        }
        let opcode = first & 0x0F;
        let payload = self.bytes[header..header + length].to_vec();
        self.bytes.drain(..header + length);
        let payload = if compressed { self.inflate(&payload) } else { payload };
        assert!(opcode < 8 || length <= 125, "a control frame of {length} bytes");
        Some(Some(match opcode {
            1 => Seen::Text(String::from_utf8(payload).expect("UTF-8")),
            2 => Seen::Binary(payload),
            8 => {
                self.state = State::Closed;
                self.reason =
                    payload.get(2..).map(String::from_utf8_lossy).unwrap_or_default().into();
                Seen::Close(close_code(&payload))
            }
            9 => Seen::Ping(payload),
            10 => Seen::Pong(payload),
            opcode => panic!("opcode {opcode}"),
        }))
    }

    /// RFC 7692, 7.2.2: every message stands alone.
    fn inflate(&mut self, payload: &[u8]) -> Vec<u8> {
        let mut message = Vec::with_capacity(1 << 20);
        let whole = [payload, &[0, 0, 0xFF, 0xFF]].concat();
        let inflater = self.inflater.get_or_insert_with(|| Decompress::new(false));
        inflater.reset(false);
        inflater
            .decompress_vec(&whole, &mut message, FlushDecompress::Sync)
            .expect("a deflate stream");
        assert_eq!(inflater.total_in(), whole.len() as u64);
        message
    }
}

fn close_code(payload: &[u8]) -> Option<u16> {
    match payload {
        [] => None,
        [high, low, reason @ ..] => {
            std::str::from_utf8(reason).expect("UTF-8");
            Some(u16::from_be_bytes([*high, *low]))
        }
        [_] => panic!("a close code of one byte"),
    }
}
