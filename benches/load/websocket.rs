//! As much of RFC 6455 as a client needs that knows what it will be sent.

use crate::contender::{Step, Verdict};

const FIN_TEXT: u8 = 0x81;
const FIN_CLOSE: u8 = 0x88;
const FIN_PONG: u8 = 0x8a;
const OPCODE_CLOSE: u8 = 8;
const OPCODE_PING: u8 = 9;
const OPCODE_PONG: u8 = 10;
const MASKED: u8 = 0x80;

/// The field by which a client asks to be told everything in JSON.
pub const JSON_FIELD: &str = "Sec-WebSocket-Protocol: chat.v1.json\r\n";

/// The server has to unmask whatever the key is, so the same one serves for all.
const MASK: [u8; 4] = [0x5a, 0xc3, 0x71, 0x9e];

pub fn greeting(path: &str) -> Vec<Step> {
    greeting_with(path, "")
}

/// The same with more fields, each with its line's ending.
pub fn greeting_with(path: &str, fields: &str) -> Vec<Step> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         {fields}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    vec![
        Step::Send(request.into_bytes()),
        Step::Await { starting: b"HTTP/1.1 101 ", until: b"\r\n\r\n".to_vec() },
    ]
}

pub fn push_text(payload: &[u8], out: &mut Vec<u8>) {
    push_frame(FIN_TEXT, payload, out);
}

pub fn close() -> Vec<u8> {
    let mut frame = Vec::new();
    push_frame(FIN_CLOSE, &1000_u16.to_be_bytes(), &mut frame);
    frame
}

/// The start of an unmasked text frame that carries `before` and then a message of this length.
pub fn head(before: &[u8], message_bytes: usize) -> Vec<u8> {
    [&header(before.len() + message_bytes), before].concat()
}

/// The header of an unmasked text frame.
pub fn header(content_bytes: usize) -> Vec<u8> {
    let mut header = Vec::new();
    push_header(FIN_TEXT, 0, content_bytes, &mut header);
    header
}

/// Bytes of the first frame from a server, if it is all there.
pub fn unit_bytes(bytes: &[u8]) -> Option<usize> {
    let (header, body) = header_and_body_bytes(bytes)?;
    let whole = header.checked_add(body)?;
    (bytes.len() >= whole).then_some(whole)
}

/// What a whole frame from a server carries.
pub fn content(frame: &[u8]) -> &[u8] {
    header_and_body_bytes(frame).and_then(|(header, _)| frame.get(header..)).unwrap_or_default()
}

/// Judges a frame that is no delivery; `judge_text` judges what a data frame carries.
pub fn judge(frame: &[u8], judge_text: fn(&[u8]) -> Verdict) -> Verdict {
    let Some((header, _)) = header_and_body_bytes(frame) else {
        return Verdict::Wrong("half a frame".into());
    };
    let body = &frame[header..];
    match frame[0] & 15 {
        OPCODE_PING => {
            let mut pong = Vec::new();
            push_frame(FIN_PONG, body, &mut pong);
            Verdict::Answer(pong)
        }
        OPCODE_PONG => Verdict::Skip,
        OPCODE_CLOSE => Verdict::Wrong(format!("close frame {:?}", String::from_utf8_lossy(body))),
        _ => judge_text(body),
    }
}

/// For servers that send deliveries only.
pub fn nothing_else(text: &[u8]) -> Verdict {
    Verdict::Wrong(String::from_utf8_lossy(text).into_owned())
}

fn push_frame(first: u8, body: &[u8], out: &mut Vec<u8>) {
    push_header(first, MASKED, body.len(), out);
    out.extend_from_slice(&MASK);
    out.extend(body.iter().zip(MASK.iter().cycle()).map(|(byte, key)| byte ^ key));
}

fn push_header(first: u8, masked: u8, body_bytes: usize, out: &mut Vec<u8>) {
    out.push(first);
    match u16::try_from(body_bytes).expect("the load sends frames of less than 64 KiB only") {
        short @ 0..126 => out.push(masked | short as u8),
        medium => {
            out.push(masked | 126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
    }
}

fn header_and_body_bytes(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes.get(1)? & 127 {
        126 => Some((4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)))),
        127 => Some((10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize)),
        short => Some((2, usize::from(short))),
    }
}
