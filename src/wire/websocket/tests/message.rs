use super::super::close_code::{INVALID_DATA, PROTOCOL_ERROR, TOO_BIG};
use super::super::deflate::{Deflater, compressed_bytes_max};
use super::super::extension::{DeflateParams, negotiate_deflate};
use super::super::frame::{FrameHeader, Opcode, encode_client_frame};
use super::super::message::{Decoder, Item, Scratch, frame_bytes_max};
use super::hex;
use proptest::prelude::*;

const LIMIT: usize = 10_000;
const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// An item that outlives its input.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    /// The code of the error that ended it.
    Error(u16),
}

fn negotiated() -> Option<DeflateParams> {
    negotiate_deflate([&b"permessage-deflate"[..]].into_iter()).expect("well-formed")
}

/// A connection: its inbox, and what has come out of it.
struct Connection {
    decoder: Decoder,
    scratch: Scratch,
    inbox: Vec<u8>,
    said: Vec<Said>,
}

impl Connection {
    fn new(deflate: Option<DeflateParams>, message_bytes_max: usize) -> Connection {
        Connection {
            decoder: Decoder::new(deflate),
            scratch: Scratch::new(message_bytes_max),
            inbox: Vec::new(),
            said: Vec::new(),
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.inbox.extend_from_slice(bytes);
        loop {
            let before = self.inbox.clone();
            let (said, consumed) = match self.decoder.decode(&mut self.inbox, &mut self.scratch) {
                Ok(Some((item, consumed))) => (own(&item), consumed),
                Ok(None) => {
                    assert_eq!(self.inbox, before, "touched without being consumed");
                    return;
                }
                Err(error) => {
                    assert!(error.reason.len() <= 123);
                    (Some(Said::Error(error.code)), 0)
                }
            };
            self.inbox.drain(..consumed);
            self.said.extend(said);
        }
    }
}

fn own(item: &Item<'_>) -> Option<Said> {
    Some(match *item {
        Item::Text(text) => Said::Text(text.to_string()),
        Item::Binary(bytes) => Said::Binary(bytes.to_vec()),
        Item::Ping(bytes) => Said::Ping(bytes.to_vec()),
        Item::Pong(bytes) => Said::Pong(bytes.to_vec()),
        Item::Close { code, reason } => Said::Close(code, reason.to_string()),
        Item::Fragment => return None,
    })
}

/// Decodes `input` at once, split at every byte, and byte by byte; all must say the same.
fn decode(input: &[u8], deflate: Option<DeflateParams>) -> Vec<Said> {
    let mut at_once = Connection::new(deflate, LIMIT);
    at_once.receive(input);
    for split in 0..input.len() {
        let mut in_two = Connection::new(deflate, LIMIT);
        in_two.receive(&input[..split]);
        in_two.receive(&input[split..]);
        assert_eq!(in_two.said, at_once.said, "split at {split}");
    }
    let mut byte_by_byte = Connection::new(deflate, LIMIT);
    for byte in input {
        byte_by_byte.receive(&[*byte]);
    }
    assert_eq!(byte_by_byte.said, at_once.said);
    at_once.said
}

fn frame_header(opcode: Opcode, is_final: bool) -> FrameHeader {
    FrameHeader { is_final, is_compressed: false, opcode, mask_key: Some(KEY), payload_bytes: 0 }
}

/// A client's frames in a row.
#[derive(Default)]
struct Frames(Vec<u8>);

impl Frames {
    fn frame(mut self, opcode: Opcode, is_final: bool, payload: &[u8]) -> Frames {
        encode_client_frame(&mut self.0, frame_header(opcode, is_final), payload);
        self
    }

    fn compressed(mut self, opcode: Opcode, is_final: bool, payload: &[u8]) -> Frames {
        let header = FrameHeader { is_compressed: true, ..frame_header(opcode, is_final) };
        encode_client_frame(&mut self.0, header, payload);
        self
    }

    fn decode(&self) -> Vec<Said> {
        decode(&self.0, None)
    }

    fn decode_deflate(&self) -> Vec<Said> {
        decode(&self.0, negotiated())
    }
}

fn text(text: &str) -> Said {
    Said::Text(text.to_string())
}

#[test]
fn an_idle_decoder_is_tiny() {
    assert!(size_of::<Decoder>() <= 32, "{} bytes", size_of::<Decoder>());
    assert_eq!(Decoder::new(negotiated()).held_bytes(), 0);
}

#[test]
fn examples_of_rfc_6455_5_7() {
    assert_eq!(decode(&hex("81 85 37 fa 21 3d 7f 9f 4d 51 58"), None), [text("Hello")]);
    assert_eq!(
        decode(&hex("8a 85 37 fa 21 3d 7f 9f 4d 51 58"), None),
        [Said::Pong(b"Hello".to_vec())]
    );
    let fragmented = Frames::default().frame(Opcode::Text, false, b"Hel").frame(
        Opcode::Continuation,
        true,
        b"lo",
    );
    assert_eq!(fragmented.decode(), [text("Hello")]);
    for payload_bytes in [256, 65536] {
        let payload = vec![7; payload_bytes];
        let frames = Frames::default().frame(Opcode::Binary, true, &payload);
        let mut connection = Connection::new(None, 65536);
        connection.receive(&frames.0);
        assert_eq!(connection.said, [Said::Binary(payload)]);
    }
}

#[test]
fn examples_of_rfc_7692_7_2_3() {
    let hello = [text("Hello")];
    for payload in
        ["f2 48 cd c9 c9 07 00", "00 05 00 fa ff 48 65 6c 6c 6f 00", "f3 48 cd c9 c9 07 00 00"]
    {
        let payload = hex(payload);
        assert_eq!(
            Frames::default().compressed(Opcode::Text, true, &payload).decode_deflate(),
            hello
        );
        let (start, end) = payload.split_at(3);
        let fragmented = Frames::default().compressed(Opcode::Text, false, start).frame(
            Opcode::Continuation,
            true,
            end,
        );
        assert_eq!(fragmented.decode_deflate(), hello);
    }
    let twice = Frames::default()
        .compressed(Opcode::Text, true, &hex("f2 48 cd c9 c9 07 00"))
        .compressed(Opcode::Text, true, &hex("f2 00 11 00 00"));
    assert_eq!(
        twice.decode_deflate(),
        [text("Hello"), Said::Error(INVALID_DATA)],
        "no context is taken over"
    );
}

#[test]
fn every_kind_of_frame() {
    let frames = Frames::default()
        .frame(Opcode::Text, true, "h\u{e9}, \u{3042}\u{1F600}".as_bytes())
        .frame(Opcode::Text, true, b"")
        .frame(Opcode::Binary, true, b"\xFF\x00")
        .frame(Opcode::Binary, true, b"")
        .frame(Opcode::Ping, true, b"ping")
        .frame(Opcode::Ping, true, b"")
        .frame(Opcode::Pong, true, &[0xFF; 125])
        .frame(Opcode::Close, true, b"\x03\xE8bye");
    let expected = [
        text("h\u{e9}, \u{3042}\u{1F600}"),
        text(""),
        Said::Binary(b"\xFF\x00".to_vec()),
        Said::Binary(Vec::new()),
        Said::Ping(b"ping".to_vec()),
        Said::Ping(Vec::new()),
        Said::Pong(vec![0xFF; 125]),
        Said::Close(Some(1000), "bye".to_string()),
    ];
    assert_eq!(frames.decode(), expected);
    assert_eq!(frames.decode_deflate(), expected, "a frame need not be compressed");
}

#[test]
fn control_frames_come_between_fragments() {
    let frames = Frames::default()
        .frame(Opcode::Text, false, b"")
        .frame(Opcode::Ping, true, b"1")
        .frame(Opcode::Continuation, false, b"Hel")
        .frame(Opcode::Continuation, false, b"")
        .frame(Opcode::Pong, true, b"2")
        .frame(Opcode::Continuation, true, b"lo")
        .frame(Opcode::Binary, false, b"x")
        .frame(Opcode::Continuation, true, b"")
        .frame(Opcode::Text, false, b"never ends")
        .frame(Opcode::Close, true, b"");
    let expected = [
        Said::Ping(b"1".to_vec()),
        Said::Pong(b"2".to_vec()),
        text("Hello"),
        Said::Binary(b"x".to_vec()),
        Said::Close(None, String::new()),
    ];
    assert_eq!(frames.decode(), expected);
}

#[test]
fn breaches_of_the_protocol() {
    let refused =
        |frames: Frames| assert_eq!(frames.decode().last(), Some(&Said::Error(PROTOCOL_ERROR)));
    refused(Frames::default().frame(Opcode::Continuation, true, b"of nothing"));
    refused(Frames::default().frame(Opcode::Continuation, false, b"of nothing"));
    refused(Frames::default().frame(Opcode::Text, true, b"").frame(
        Opcode::Continuation,
        true,
        b"of a whole message",
    ));
    refused(Frames::default().frame(Opcode::Text, false, b"").frame(
        Opcode::Text,
        true,
        b"within another",
    ));
    refused(Frames::default().frame(Opcode::Binary, false, b"").frame(
        Opcode::Binary,
        false,
        b"within another",
    ));
    refused(Frames::default().compressed(Opcode::Text, true, b"not negotiated"));
    assert_eq!(
        decode(&hex("81 05 48 65 6c 6c 6f"), None),
        [Said::Error(PROTOCOL_ERROR)],
        "without a mask"
    );
    assert_eq!(
        decode(&hex("09 80 00 00 00 00"), None),
        [Said::Error(PROTOCOL_ERROR)],
        "a fragmented ping"
    );
    let in_continuation =
        [Frames::default().compressed(Opcode::Text, false, b"").0, hex("c0 80 00 00 00 00")]
            .concat();
    assert_eq!(
        decode(&in_continuation, negotiated()),
        [Said::Error(PROTOCOL_ERROR)],
        "RSV1 in a continuation"
    );
}

#[test]
fn nothing_is_read_after_the_end() {
    let after_close =
        Frames::default().frame(Opcode::Close, true, b"").frame(Opcode::Text, true, b"more");
    assert_eq!(after_close.decode(), [Said::Close(None, String::new())]);
    let after_error =
        Frames::default().frame(Opcode::Continuation, true, b"").frame(Opcode::Text, true, b"more");
    assert_eq!(after_error.decode(), [Said::Error(PROTOCOL_ERROR)]);
}

#[test]
fn close_codes() {
    let close =
        |payload: &[u8]| Frames::default().frame(Opcode::Close, true, payload).decode().remove(0);
    let with_code = |code: u16| close(&code.to_be_bytes());
    for code in (1000..=1003).chain(1007..=1014).chain([3000, 3999, 4000, 4999]) {
        assert_eq!(with_code(code), Said::Close(Some(code), String::new()));
    }
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        assert_eq!(with_code(code), Said::Error(PROTOCOL_ERROR), "{code}");
    }
    assert_eq!(close(b"\x03"), Said::Error(PROTOCOL_ERROR));
    assert_eq!(close(b"\x03\xE8\xFF"), Said::Error(INVALID_DATA));
    let longest = [&b"\x03\xE9"[..], &[b'x'; 123]].concat();
    assert_eq!(close(&longest), Said::Close(Some(1001), "x".repeat(123)));
}

#[test]
fn text_is_utf_8() {
    let bad: [&[u8]; 8] = [
        b"\xFF",
        b"a\x80",
        b"\xC0\x80",
        b"\xED\xA0\x80",
        b"\xF4\x90\x80\x80",
        b"\xE3\x81",
        b"\xF0",
        b"a\xC3b",
    ];
    for bytes in bad {
        let long = [&[b'x'; 200][..], bytes].concat();
        for bytes in [bytes, &long] {
            assert_eq!(
                Frames::default().frame(Opcode::Text, true, bytes).decode(),
                [Said::Error(INVALID_DATA)]
            );
            let fragmented = Frames::default().frame(Opcode::Text, false, bytes).frame(
                Opcode::Continuation,
                true,
                b"",
            );
            assert_eq!(fragmented.decode(), [Said::Error(INVALID_DATA)], "{bytes:x?}");
        }
    }
}

#[test]
fn characters_may_be_split_between_fragments() {
    let whole = "a\u{e9}\u{3042}\u{1F600}z";
    for first in 0..=whole.len() {
        for second in first..=whole.len() {
            let frames = Frames::default()
                .frame(Opcode::Text, false, &whole.as_bytes()[..first])
                .frame(Opcode::Continuation, false, &whole.as_bytes()[first..second])
                .frame(Opcode::Continuation, true, &whole.as_bytes()[second..]);
            let mut connection = Connection::new(None, LIMIT);
            connection.receive(&frames.0);
            assert_eq!(connection.said, [text(whole)], "{first}, {second}");
        }
    }
}

#[test]
fn a_fragment_that_can_never_become_text_fails_at_once() {
    for bad in [&b"ok \xFF"[..], b"\xED\xA0", b"\xF4\x90", b"\xC0", b"\xE3a"] {
        assert_eq!(
            Frames::default().frame(Opcode::Text, false, bad).decode(),
            [Said::Error(INVALID_DATA)]
        );
    }
    let second = Frames::default().frame(Opcode::Text, false, b"\xF0\x9F").frame(
        Opcode::Continuation,
        false,
        b"a",
    );
    assert_eq!(second.decode(), [Said::Error(INVALID_DATA)]);
    let binary = Frames::default().frame(Opcode::Binary, false, b"\xFF").frame(
        Opcode::Continuation,
        true,
        b"\xFF",
    );
    assert_eq!(binary.decode(), [Said::Binary(b"\xFF\xFF".to_vec())]);
}

#[test]
fn a_message_over_the_limit_is_refused_from_its_header_alone() {
    // 10000 and 10001 bytes are claimed; not one comes.
    assert_eq!(decode(&hex("82 fe 27 10"), None), []);
    assert_eq!(decode(&hex("82 fe 27 11 00 00 00 00"), None), [Said::Error(TOO_BIG)]);
    assert_eq!(
        decode(&hex("82 ff 00 00 00 00 7f ff ff ff 00 00 00 00"), None),
        [Said::Error(TOO_BIG)]
    );
    // An uncompressed message has no right to the slack of a compressed one.
    assert_eq!(decode(&hex("82 fe 27 11 00 00 00 00"), negotiated()), [Said::Error(TOO_BIG)]);
}

#[test]
fn fragments_count_together() {
    let half = [b'x'; LIMIT / 2];
    let whole = |extra: &[u8]| {
        let frames = Frames::default()
            .frame(Opcode::Text, false, &half)
            .frame(Opcode::Continuation, false, &half)
            .frame(Opcode::Continuation, true, extra);
        let mut connection = Connection::new(None, LIMIT);
        connection.receive(&frames.0);
        connection.said
    };
    assert_eq!(whole(b""), [text(&"x".repeat(LIMIT))]);
    assert_eq!(whole(b"x"), [Said::Error(TOO_BIG)]);
}

#[test]
fn only_a_message_under_way_holds_memory() {
    let mut connection = Connection::new(None, LIMIT);
    connection.receive(&Frames::default().frame(Opcode::Text, false, b"").0);
    for _ in 0..LIMIT {
        connection.receive(&Frames::default().frame(Opcode::Continuation, false, b"x").0);
        assert!(
            connection.decoder.held_bytes() <= LIMIT + 100,
            "{} bytes",
            connection.decoder.held_bytes()
        );
    }
    assert!(connection.decoder.held_bytes() > LIMIT);
    connection.receive(&Frames::default().frame(Opcode::Continuation, true, b"").0);
    assert_eq!((connection.said.len(), connection.decoder.held_bytes()), (1, 0));

    connection.receive(&Frames::default().frame(Opcode::Text, false, b"abc").0);
    assert!(
        (1..200).contains(&connection.decoder.held_bytes()),
        "{} bytes",
        connection.decoder.held_bytes()
    );
    connection.receive(&Frames::default().frame(Opcode::Close, true, b"").0);
    assert_eq!(connection.decoder.held_bytes(), 0);
}

fn deflate(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Deflater::new().deflate(message, &mut out);
    out
}

#[test]
fn inflated_messages_keep_to_the_limit_and_to_utf_8() {
    let said = |payload: &[u8]| {
        let mut connection = Connection::new(negotiated(), LIMIT);
        connection.receive(&Frames::default().compressed(Opcode::Text, true, payload).0);
        connection.said
    };
    assert_eq!(said(&deflate(&[b'x'; LIMIT])), [text(&"x".repeat(LIMIT))]);
    assert_eq!(said(&deflate(&[b'x'; LIMIT + 1])), [Said::Error(TOO_BIG)]);
    assert_eq!(said(&deflate(&[b'x'; 50 * LIMIT])), [Said::Error(TOO_BIG)]);
    assert_eq!(said(&deflate(b"\xFF")), [Said::Error(INVALID_DATA)]);
    assert_eq!(said(b"\xFF\xFF"), [Said::Error(INVALID_DATA)]);

    let bomb = deflate(&vec![b'x'; 50 * LIMIT]);
    let (start, end) = bomb.split_at(bomb.len() / 2);
    let frames = Frames::default().compressed(Opcode::Text, false, start).frame(
        Opcode::Continuation,
        true,
        end,
    );
    let mut connection = Connection::new(negotiated(), LIMIT);
    connection.receive(&frames.0);
    assert_eq!(connection.said, [Said::Error(TOO_BIG)]);
    assert_eq!(connection.decoder.held_bytes(), 0);
}

#[test]
fn compressed_fragments_are_bounded_before_they_are_inflated() {
    let longest = vec![0; compressed_bytes_max(LIMIT)];
    let frames = Frames::default().compressed(Opcode::Binary, false, &longest);
    assert!(frames.0.len() <= frame_bytes_max(LIMIT), "an inbox must be able to hold it");
    let mut connection = Connection::new(negotiated(), LIMIT);
    connection.receive(&frames.0);
    assert_eq!(connection.said, []);
    connection.receive(&Frames::default().frame(Opcode::Continuation, false, b"x").0);
    assert_eq!(connection.said, [Said::Error(TOO_BIG)]);
    let mut connection = Connection::new(negotiated(), LIMIT);
    connection.receive(
        &Frames::default().compressed(Opcode::Binary, true, &[&longest[..], b"x"].concat()).0[..8],
    );
    assert_eq!(connection.said, [Said::Error(TOO_BIG)]);
}

/// A message as a client may send it.
#[derive(Debug, Clone)]
struct Message {
    said: Said,
    is_compressed: bool,
    cuts: Vec<prop::sample::Index>,
    /// One may come before every fragment but the first.
    controls: Vec<Option<Said>>,
    key: [u8; 4],
}

fn any_message() -> impl Strategy<Value = Message> {
    let control = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..126).prop_map(Said::Ping),
        prop::collection::vec(any::<u8>(), 0..126).prop_map(Said::Pong),
    ];
    let data = prop_oneof![
        "\\PC{0,80}".prop_map(Said::Text),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Said::Binary)
    ];
    let cuts = prop::collection::vec(any::<prop::sample::Index>(), 0..5);
    let controls = prop::collection::vec(prop::option::of(control), 5);
    (data, any::<bool>(), cuts, controls, any::<[u8; 4]>()).prop_map(
        |(said, is_compressed, cuts, controls, key)| Message {
            said,
            is_compressed,
            cuts,
            controls,
            key,
        },
    )
}

impl Message {
    fn encode(&self, out: &mut Vec<u8>, expected: &mut Vec<Said>) {
        let (opcode, content) = parts(&self.said);
        let payload = if self.is_compressed { deflate(content) } else { content.to_vec() };
        let mut cuts: Vec<usize> =
            self.cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
        cuts.sort_unstable();
        let starts = std::iter::once(0).chain(cuts.iter().copied());
        let ends = cuts.iter().copied().chain([payload.len()]);
        for (index, (start, end)) in starts.zip(ends).enumerate() {
            if let (1.., Some(control)) = (index, &self.controls[index % 5]) {
                let (opcode, payload) = parts(control);
                encode_client_frame(out, frame_header(opcode, true), payload);
                expected.push(control.clone());
            }
            let header = FrameHeader {
                is_final: index == cuts.len(),
                is_compressed: self.is_compressed && index == 0,
                opcode: if index == 0 { opcode } else { Opcode::Continuation },
                mask_key: Some(self.key),
                payload_bytes: 0,
            };
            encode_client_frame(out, header, &payload[start..end]);
        }
        expected.push(self.said.clone());
    }
}

fn parts(said: &Said) -> (Opcode, &[u8]) {
    match said {
        Said::Text(text) => (Opcode::Text, text.as_bytes()),
        Said::Binary(bytes) => (Opcode::Binary, bytes),
        Said::Ping(bytes) => (Opcode::Ping, bytes),
        Said::Pong(bytes) => (Opcode::Pong, bytes),
        Said::Close(..) | Said::Error(_) => unreachable!("not generated"),
    }
}

proptest! {
    #[test]
    fn what_is_said_is_heard_however_it_is_cut(
        messages in prop::collection::vec(any_message(), 0..6),
        arrivals in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let (mut stream, mut expected) = (Vec::new(), Vec::new());
        for message in &messages {
            message.encode(&mut stream, &mut expected);
        }
        let mut arrivals: Vec<usize> = arrivals.iter().map(|arrival| arrival.index(stream.len() + 1)).collect();
        arrivals.push(stream.len());
        arrivals.sort_unstable();
        let mut connection = Connection::new(negotiated(), LIMIT);
        let mut start = 0;
        for end in arrivals {
            connection.receive(&stream[start..end]);
            start = end;
        }
        prop_assert_eq!(connection.said, expected);
        prop_assert_eq!(connection.inbox, b"");
        prop_assert_eq!(connection.decoder.held_bytes(), 0);
    }

    #[test]
    fn random_bytes_say_the_same_however_they_are_cut(
        frames in prop::collection::vec((any::<u8>(), 0_u8..8, any::<[u8; 4]>(), any::<[u8; 8]>()), 0..8),
    ) {
        let mut stream = Vec::new();
        for (first, payload_bytes, key, payload) in frames {
            stream.extend_from_slice(&[first & 0xCF, 0x80 | payload_bytes]);
            stream.extend_from_slice(&key);
            stream.extend_from_slice(&payload[..usize::from(payload_bytes)]);
        }
        decode(&stream, None);
        decode(&stream, negotiated());
    }
}
