//! WebSocket frames and messages: what a client sends, against a plain reading of RFC 6455 and
//! against tungstenite, and what the server sends, as tungstenite reads it.

use std::io::{self, Read, Write};

use chat_server::delivery::encoding::{Compressor, Encoder, Encoding, FrameKind, Framing};
use chat_server::wire::websocket::close_code::{INVALID_DATA, PROTOCOL_ERROR, TOO_BIG};
use chat_server::wire::websocket::deflate::{Deflater, compressed_bytes_max};
use chat_server::wire::websocket::extension::negotiate_deflate;
use chat_server::wire::websocket::frame::{FrameHeader, Opcode, encode_client_frame, encode_close};
use chat_server::wire::websocket::message::{Decoder, Item, Scratch, frame_bytes_max};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Message, WebSocket};

use super::cuts::Cuts;
use super::deflate::inflate;

/// One thing that a client said.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    Fragment,
    /// The code of the error that ended it.
    Error(u16),
    /// An error of the compression: which one depends on how far it is read before that is seen.
    NotDeflated,
}

/// A byte of settings, then cuts, then frames: their bytes, or what they are to be made of.
pub fn run(input: &[u8]) {
    let Some((&settings, input)) = input.split_first() else { return };
    let deflates = settings & 1 != 0;
    let bytes_max = [10, 125, 1000, 70_000][usize::from(settings >> 1 & 3)];
    let (cuts, payload) = Cuts::read(input);
    let stream = if settings & 8 == 0 { payload.to_vec() } else { build(payload) };

    let expected = read_naively(&stream, deflates, bytes_max);
    for cuts in [Cuts::NONE, cuts] {
        let mut said = read(&stream, cuts, deflates, bytes_max);
        if let (Some(last), Some(Said::NotDeflated)) = (said.last_mut(), expected.last()) {
            assert!(matches!(last, Said::Error(INVALID_DATA | TOO_BIG)), "{last:?}");
            *last = Said::NotDeflated;
        }
        assert_eq!(said, expected);
    }
    // tungstenite knows no compression, and not the close code 1014 (bad gateway), which came late.
    let is_known = !matches!(
        expected.last(),
        Some(Said::Error(_) | Said::NotDeflated | Said::Close(Some(1014), _))
    );
    if is_known && !deflates {
        check_with_tungstenite(&stream, &expected);
    }
    check_answers(&expected);
}

/// As the server reads: from an inbox that grows.
fn read(stream: &[u8], cuts: Cuts, deflates: bool, bytes_max: usize) -> Vec<Said> {
    let offer = [&b"permessage-deflate"[..]].into_iter().filter(|_| deflates);
    let mut decoder = Decoder::new(negotiate_deflate(offer).expect("it is well-formed"));
    let (mut scratch, mut inbox, mut said) = (Scratch::new(bytes_max), Vec::new(), Vec::new());
    let mut arrived = 0;
    for piece in cuts.pieces(stream) {
        inbox.extend_from_slice(piece);
        arrived += piece.len();
        loop {
            let (item, used) = match decoder.decode(&mut inbox, &mut scratch) {
                Ok(Some((item, used))) => (own(&item), used),
                Ok(None) => {
                    assert_eq!(
                        inbox,
                        stream[arrived - inbox.len()..arrived],
                        "what is not consumed is left as it was"
                    );
                    break;
                }
                Err(error) => (Said::Error(error.code), 0),
            };
            let is_over = matches!(item, Said::Error(_) | Said::Close(..));
            said.push(item);
            if is_over {
                assert_eq!(
                    decoder.decode(&mut inbox, &mut scratch),
                    Ok(None),
                    "nothing is read after the end"
                );
                return said;
            }
            inbox.drain(..used);
        }
        assert!(
            inbox.len() < frame_bytes_max(bytes_max).max(14 + 125),
            "the inbox is stuck at {} bytes",
            inbox.len()
        );
    }
    said
}

fn own(item: &Item) -> Said {
    match *item {
        Item::Text(text) => Said::Text(text.to_owned()),
        Item::Binary(bytes) => Said::Binary(bytes.to_vec()),
        Item::Ping(bytes) => Said::Ping(bytes.to_vec()),
        Item::Pong(bytes) => Said::Pong(bytes.to_vec()),
        Item::Close { code, reason } => Said::Close(code, reason.to_owned()),
        Item::Fragment => Said::Fragment,
    }
}

/// Frames from a recipe: for each the first byte of its header, how its payload is made, and so
/// many bytes to make it of.
fn build(mut recipe: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    while let [first, how, count, rest @ ..] = recipe {
        let (bytes, rest) = rest.split_at(rest.len().min((*count).into()));
        recipe = rest;
        let times = [1, 3, 40, 700][usize::from(how >> 1 & 3)];
        let mut payload = bytes.repeat(times);
        if how & 1 != 0 {
            let message = std::mem::take(&mut payload);
            Deflater::new().deflate(&message, &mut payload);
        }
        let key = if how & 8 == 0 { [0; 4] } else { [*how, *first, *count, 7] };
        let header = FrameHeader {
            is_final: true,
            is_compressed: false,
            opcode: Opcode::Binary,
            mask_key: Some(key),
            payload_bytes: payload.len(),
        };
        let start = stream.len();
        encode_client_frame(&mut stream, header, &payload);
        stream[start] = *first;
    }
    stream
}

// ---- A plain reading of RFC 6455, sections 5.2 to 5.6, and RFC 7692, section 6.2 ----

struct Fragments {
    is_text: bool,
    is_compressed: bool,
    payload: Vec<u8>,
}

fn read_naively(stream: &[u8], deflates: bool, bytes_max: usize) -> Vec<Said> {
    let (mut said, mut fragments, mut at) = (Vec::new(), None, 0);
    while let Some((item, used)) = read_frame(&stream[at..], &mut fragments, deflates, bytes_max) {
        let is_over = matches!(item, Said::Error(_) | Said::NotDeflated | Said::Close(..));
        said.push(item);
        if is_over {
            break;
        }
        at += used;
    }
    said
}

/// What the frame at the start of `input` says, and its length; `None` if it is neither whole nor
/// known to be wrong.
fn read_frame(
    input: &[u8],
    fragments: &mut Option<Fragments>,
    deflates: bool,
    bytes_max: usize,
) -> Option<(Said, usize)> {
    let wrong = |code| Some((Said::Error(code), 0));
    let first = *input.first()?;
    let (is_final, rsv1, rsv23, opcode) =
        (first & 0x80 != 0, first & 0x40 != 0, first & 0x30, first & 0x0F);
    let is_control = opcode >= 8;
    let is_known = matches!(opcode, 0 | 1 | 2 | 8 | 9 | 10);
    if !is_known || rsv23 != 0 || rsv1 && !matches!(opcode, 1 | 2) || is_control && !is_final {
        return wrong(PROTOCOL_ERROR);
    }
    let second = *input.get(1)?;
    if second & 0x80 == 0 || is_control && second & 0x7F > 125 {
        return wrong(PROTOCOL_ERROR);
    }
    let (length, mut at) = match second & 0x7F {
        126 => (u64::from(u16::from_be_bytes(input.get(2..4)?.try_into().expect("two bytes"))), 4),
        127 => (u64::from_be_bytes(input.get(2..10)?.try_into().expect("eight bytes")), 10),
        short => (u64::from(short), 2),
    };
    if at == 4 && length < 126 || at == 10 && length < 0x1_0000 || length >> 63 != 0 {
        return wrong(PROTOCOL_ERROR);
    }
    let compressed_max = compressed_bytes_max(bytes_max) as u64;
    let frame_max = if deflates { compressed_max } else { bytes_max as u64 };
    if !is_control && length > frame_max {
        return wrong(TOO_BIG);
    }
    let key = input.get(at..at + 4)?;
    at += 4;
    let is_compressed = fragments.as_ref().map_or(rsv1, |fragments| fragments.is_compressed);
    let so_far = fragments.as_ref().map_or(0, |fragments| fragments.payload.len() as u64);
    if rsv1 && !deflates || !is_control && fragments.is_some() != (opcode == 0) {
        return wrong(PROTOCOL_ERROR);
    }
    let message_max = if is_compressed { compressed_max } else { bytes_max as u64 };
    if !is_control && so_far + length > message_max {
        return wrong(TOO_BIG);
    }
    let used = at + usize::try_from(length).expect("it is under the limit");
    let payload: Vec<u8> =
        input.get(at..used)?.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    let item = match opcode {
        8 => close(&payload),
        9 => Said::Ping(payload),
        10 => Said::Pong(payload),
        _ => {
            let begun = Fragments { is_text: opcode == 1, is_compressed, payload: Vec::new() };
            let mut message = fragments.take().unwrap_or(begun);
            message.payload.extend(payload);
            match is_final {
                true => finish(message, bytes_max),
                false => {
                    let item = go_on(&message);
                    *fragments = Some(message);
                    item
                }
            }
        }
    };
    Some((item, used))
}

/// RFC 6455 8.1: text that no further fragment can mend is refused at once.
fn go_on(message: &Fragments) -> Said {
    let is_plain_text = message.is_text && !message.is_compressed;
    match std::str::from_utf8(&message.payload) {
        Err(error) if is_plain_text && error.error_len().is_some() => Said::Error(INVALID_DATA),
        _ => Said::Fragment,
    }
}

fn finish(message: Fragments, bytes_max: usize) -> Said {
    let payload = match message.is_compressed {
        false => message.payload,
        true => match inflate(&message.payload) {
            None => return Said::NotDeflated,
            Some(inflated) if inflated.len() > bytes_max => return Said::Error(TOO_BIG),
            Some(inflated) => inflated,
        },
    };
    match message.is_text {
        false => Said::Binary(payload),
        true => String::from_utf8(payload).map_or(Said::Error(INVALID_DATA), Said::Text),
    }
}

fn close(payload: &[u8]) -> Said {
    let (code, reason) = match payload {
        [] => return Said::Close(None, String::new()),
        [_] => return Said::Error(PROTOCOL_ERROR),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    match (code, String::from_utf8(reason.to_vec())) {
        (1000..=1003 | 1007..=1014 | 3000..=4999, Ok(reason)) => Said::Close(Some(code), reason),
        (1000..=1003 | 1007..=1014 | 3000..=4999, Err(_)) => Said::Error(INVALID_DATA),
        _ => Said::Error(PROTOCOL_ERROR),
    }
}

// ---- tungstenite ----

/// A connection that has brought all its bytes.
struct Brought<'a>(&'a [u8]);

impl Read for Brought<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Brought<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What tungstenite makes of a stream, to its end or to its first error.
fn read_with_tungstenite(stream: &[u8], role: Role) -> Vec<Said> {
    let config = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(0);
    let mut socket = WebSocket::from_raw_socket(Brought(stream), role, Some(config));
    let mut said = Vec::new();
    while let Ok(message) = socket.read() {
        said.push(match message {
            Message::Text(text) => Said::Text(text.to_string()),
            Message::Binary(bytes) => Said::Binary(bytes.to_vec()),
            Message::Ping(bytes) => Said::Ping(bytes.to_vec()),
            Message::Pong(bytes) => Said::Pong(bytes.to_vec()),
            Message::Close(None) => Said::Close(None, String::new()),
            Message::Close(Some(close)) => {
                Said::Close(Some(close.code.into()), close.reason.to_string())
            }
            Message::Frame(frame) => panic!("tungstenite does not put frames together: {frame}"),
        });
    }
    said
}

fn check_with_tungstenite(stream: &[u8], said: &[Said]) {
    let whole: Vec<&Said> = said.iter().filter(|said| **said != Said::Fragment).collect();
    assert_eq!(read_with_tungstenite(stream, Role::Server).iter().collect::<Vec<_>>(), whole);
}

/// What the server would send if it said all this itself.
fn check_answers(said: &[Said]) {
    let (mut stream, mut compressor, mut expected) =
        (Vec::new(), Compressor::default(), Vec::new());
    for said in said {
        let (kind, bytes) = match said {
            Said::Text(text) => (FrameKind::Text, text.as_bytes()),
            Said::Binary(bytes) => (FrameKind::Binary, &bytes[..]),
            Said::Close(Some(1014), _) => continue,
            Said::Close(Some(code), reason) => {
                encode_close(&mut stream, *code, reason);
                expected.push(said);
                continue;
            }
            _ => continue,
        };
        Encoder::new(
            Encoding { framing: Framing::WebSocket, ..Encoding::default() },
            &mut stream,
            &mut compressor,
        )
        .message(kind, |out| out.extend_from_slice(bytes));
        expected.push(said);
    }
    assert_eq!(read_with_tungstenite(&stream, Role::Client).iter().collect::<Vec<_>>(), expected);
}
