//! What the wire costs per message: `cargo bench --bench wire`. Each line is the best of several runs, in nanoseconds.

use chat_server::wire::http::HeadParser;
use chat_server::wire::websocket::deflate::{Deflater, Inflater};
use chat_server::wire::websocket::frame::{FrameHeader, Opcode, encode_client_frame, encode_frame};
use chat_server::wire::websocket::handshake::{Policy, evaluate};
use chat_server::wire::websocket::mask::unmask;
use chat_server::wire::websocket::message::{Decoder, Scratch};
use std::hint::black_box;
use std::time::Instant;

const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
const RUNS: usize = 10;

fn main() {
    for payload_bytes in [5, 20, 60, 200, 1000, 10_000] {
        decode(payload_bytes);
        mask(payload_bytes);
        encode(payload_bytes);
    }
    deflate();
    handshake();
}

/// Times `work`, which does something `count` times.
fn report(name: &str, count: usize, mut work: impl FnMut()) {
    let mut best_ns = f64::MAX;
    for _ in 0..RUNS {
        let start = Instant::now();
        work();
        best_ns = best_ns.min(start.elapsed().as_nanos() as f64 / count as f64);
    }
    println!("{name:<40} {best_ns:>10.1} ns");
}

/// As a read of 64 KiB arrives: many frames in a row. Binary costs the same but for the UTF-8 check.
fn decode(payload_bytes: usize) {
    for opcode in [Opcode::Text, Opcode::Binary] {
        let header = FrameHeader { is_final: true, is_compressed: false, opcode, mask_key: Some(KEY), payload_bytes };
        let mut frame = Vec::new();
        encode_client_frame(&mut frame, header, &vec![b'x'; payload_bytes]);
        let count = (64 * 1024 / frame.len()).max(1);
        let arrived = frame.repeat(count);
        let mut input = arrived.clone();
        let mut decoder = Decoder::new(None);
        let mut scratch = Scratch::new(64 * 1024);
        let copy_and_decode = || {
            input.copy_from_slice(&arrived);
            let mut start = 0;
            while let Ok(Some((item, consumed))) = decoder.decode(&mut input[start..], &mut scratch) {
                black_box(item);
                start += consumed;
            }
            assert_eq!(start, arrived.len());
        };
        report(&format!("decode {opcode:?}, {payload_bytes} bytes (with a copy)"), count, copy_and_decode);
    }
}

/// Against the loop over single bytes that the tests hold it to.
fn mask(payload_bytes: usize) {
    let mut data = vec![7; payload_bytes];
    report(&format!("unmask {payload_bytes} bytes"), 10_000, || {
        for _ in 0..10_000 {
            unmask(black_box(&mut data), black_box(KEY), 0);
        }
    });
    report(&format!("unmask {payload_bytes} bytes, naively"), 1000, || {
        for _ in 0..1000 {
            let key = black_box(KEY);
            black_box(&mut data).iter_mut().enumerate().for_each(|(index, byte)| *byte ^= key[index % 4]);
        }
    });
}

fn encode(payload_bytes: usize) {
    let payload = vec![b'x'; payload_bytes];
    let mut out = Vec::with_capacity(1000 * (payload_bytes + 10));
    report(&format!("encode {payload_bytes} bytes"), 1000, || {
        out.clear();
        for _ in 0..1000 {
            encode_frame(&mut out, Opcode::Text, black_box(&payload));
        }
        black_box(&out);
    });
}

fn deflate() {
    let message =
        br##"{"type":"said","room":"#dev","id":12345,"time":1700000000000,"name":"alice","text":"good morning"}"##;
    let mut deflater = Deflater::new();
    let mut inflater = Inflater::new();
    let (mut compressed, mut inflated) = (Vec::new(), Vec::new());
    report("deflate a chat message", 1000, || {
        for _ in 0..1000 {
            compressed.clear();
            deflater.deflate(black_box(message), &mut compressed);
        }
    });
    report("inflate a chat message", 1000, || {
        for _ in 0..1000 {
            let outcome = inflater.inflate(black_box(&compressed), &mut inflated, 64 * 1024);
            assert_eq!(outcome, Ok(()));
        }
    });
}

fn handshake() {
    let head = b"GET /?name=alice&room=dev HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: Mozilla/5.0\r\n\
                 Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nOrigin: http://localhost:8080\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
    let policy = Policy { allowed_origins: &[], subprotocols: &["chat.v1.json"], deflate: true };
    report("answer a handshake", 1000, || {
        for _ in 0..1000 {
            let parsed = HeadParser::default().parse(black_box(head)).expect("well-formed");
            let (request, _) = parsed.expect("whole");
            black_box(evaluate(&request, &policy, None)).expect("an upgrade");
        }
    });
}
