use super::super::frame::*;
use super::super::mask::unmask;
use super::super::{ProtocolError, close_code};
use super::hex;
use proptest::prelude::*;

const LIMIT: usize = 1 << 20;

type Parsed = Result<Option<(FrameHeader, usize)>, ProtocolError>;

/// Parses every prefix, and checks that a shorter one never says anything but "more" or what the
/// longest says.
fn parse_in_pieces(input: &[u8], sender: Sender, payload_bytes_max: usize) -> Parsed {
    let at_once = parse_header(input, sender, payload_bytes_max);
    for end in 0..input.len() {
        let early = parse_header(&input[..end], sender, payload_bytes_max);
        match (&early, &at_once) {
            (Ok(None), Ok(Some((_, header_bytes)))) => {
                assert!(end < *header_bytes, "{end} of {input:x?}")
            }
            (Ok(None), _) => {}
            (early, at_once) => assert_eq!(early, at_once, "{end} of {input:x?}"),
        }
    }
    at_once
}

fn assert_refused(input: &str, code: u16) {
    let input = hex(input);
    let refused = parse_in_pieces(&input, Sender::Client, LIMIT);
    assert_eq!(refused.map_err(|error| error.code), Err(code), "{input:x?}");
}

fn header(opcode: Opcode, payload_bytes: usize) -> FrameHeader {
    FrameHeader { is_final: true, is_compressed: false, opcode, mask_key: None, payload_bytes }
}

#[test]
fn examples_of_rfc_6455_5_7() {
    let key = [0x37, 0xFA, 0x21, 0x3D];
    let server = [
        ("81 05 48 65 6c 6c 6f", header(Opcode::Text, 5), 2),
        ("01 03 48 65 6c", FrameHeader { is_final: false, ..header(Opcode::Text, 3) }, 2),
        ("80 02 6c 6f", header(Opcode::Continuation, 2), 2),
        ("89 05 48 65 6c 6c 6f", header(Opcode::Ping, 5), 2),
        ("82 7E 01 00", header(Opcode::Binary, 256), 4),
        ("82 7F 00 00 00 00 00 01 00 00", header(Opcode::Binary, 65536), 10),
    ];
    for (input, expected, header_bytes) in server {
        assert_eq!(
            parse_in_pieces(&hex(input), Sender::Server, LIMIT),
            Ok(Some((expected, header_bytes))),
            "{input}"
        );
    }
    let client = [
        ("81 85 37 fa 21 3d 7f 9f 4d 51 58", header(Opcode::Text, 5)),
        ("8a 85 37 fa 21 3d 7f 9f 4d 51 58", header(Opcode::Pong, 5)),
    ];
    for (input, expected) in client {
        let mut bytes = hex(input);
        let expected = FrameHeader { mask_key: Some(key), ..expected };
        assert_eq!(
            parse_in_pieces(&bytes, Sender::Client, LIMIT),
            Ok(Some((expected, 6))),
            "{input}"
        );
        unmask(&mut bytes[6..], key, 0);
        assert_eq!(&bytes[6..], b"Hello");
    }
}

#[test]
fn examples_of_rfc_6455_5_7_are_what_we_write() {
    let mut out = Vec::new();
    encode_frame(&mut out, Opcode::Text, b"Hello");
    assert_eq!(out, hex("81 05 48 65 6c 6c 6f"));
    out.clear();
    encode_ping(&mut out, b"Hello");
    assert_eq!(out, hex("89 05 48 65 6c 6c 6f"));
    out.clear();
    let masked =
        FrameHeader { mask_key: Some([0x37, 0xFA, 0x21, 0x3D]), ..header(Opcode::Pong, 5) };
    encode_client_frame(&mut out, masked, b"Hello");
    assert_eq!(out, hex("8a 85 37 fa 21 3d 7f 9f 4d 51 58"));
    for (payload_bytes, start) in [(256, "82 7E 01 00"), (65536, "82 7F 00 00 00 00 00 01 00 00")] {
        let mut out = bytes::BytesMut::new();
        encode_frame(&mut out, Opcode::Binary, &vec![7; payload_bytes]);
        assert_eq!(out[..hex(start).len()], hex(start));
        assert_eq!(out.len(), hex(start).len() + payload_bytes);
    }
}

#[test]
fn lengths_at_the_borders_go_there_and_back() {
    for payload_bytes in [0, 1, 125, 126, 127, 65535, 65536, LIMIT - 1, LIMIT] {
        let mut out = Vec::new();
        encode_header(&mut out, header(Opcode::Binary, payload_bytes));
        assert_eq!(out.len(), header_bytes(payload_bytes));
        let parsed = parse_in_pieces(&out, Sender::Server, LIMIT);
        assert_eq!(parsed, Ok(Some((header(Opcode::Binary, payload_bytes), out.len()))));
    }
}

#[test]
fn lengths_are_in_their_shortest_form() {
    for input in [
        "82 fe 00 00",
        "82 fe 00 7d",
        "82 ff 00 00 00 00 00 00 00 7e",
        "82 ff 00 00 00 00 00 00 ff ff",
    ] {
        assert_refused(input, close_code::PROTOCOL_ERROR);
    }
}

#[test]
fn hostile_lengths_are_refused_from_the_header_alone() {
    assert_refused("82 ff 80 00 00 00 00 00 00 00", close_code::PROTOCOL_ERROR);
    assert_refused("82 ff ff ff ff ff ff ff ff ff", close_code::PROTOCOL_ERROR);
    assert_refused("82 ff 7f ff ff ff ff ff ff ff", close_code::TOO_BIG);
    assert_refused("81 ff 00 00 00 00 00 10 00 01", close_code::TOO_BIG);
    assert_refused("00 ff 00 00 00 00 00 10 00 01", close_code::TOO_BIG);
    let small = parse_in_pieces(&hex("81 86 00 00 00 00"), Sender::Client, 5);
    assert_eq!(small, Err(ProtocolError::too_big()));
    let fits = parse_in_pieces(&hex("81 85 00 00 00 00"), Sender::Client, 5);
    assert!(matches!(fits, Ok(Some((FrameHeader { payload_bytes: 5, .. }, 6)))));
    let control = parse_in_pieces(&hex("89 86 00 00 00 00"), Sender::Client, 5);
    assert!(matches!(control, Ok(Some(_))), "the limit is for messages");
}

#[test]
fn every_first_byte_is_taken_or_refused_as_the_rfc_says() {
    for first in 0..=u8::MAX {
        let parsed = parse_in_pieces(&[first, 0x80, 1, 2, 3, 4], Sender::Client, LIMIT);
        let (is_final, rsv1, rsv2_rsv3) = (first & 0x80 != 0, first & 0x40 != 0, first & 0x30 != 0);
        let is_good = !rsv2_rsv3
            && match first & 0x0F {
                0 => !rsv1,
                1 | 2 => true,
                8..=10 => is_final && !rsv1,
                _ => false,
            };
        match parsed {
            Ok(Some((header, 6))) => {
                assert!(is_good, "{first:x}");
                assert_eq!((header.is_final, header.is_compressed), (is_final, rsv1));
                assert_eq!(header.opcode as u8, first & 0x0F);
                assert_eq!(header.mask_key, Some([1, 2, 3, 4]));
            }
            Err(ProtocolError { code: close_code::PROTOCOL_ERROR, .. }) => {
                assert!(!is_good, "{first:x}")
            }
            other => panic!("{first:x}: {other:?}"),
        }
    }
}

#[test]
fn control_frames_are_short() {
    for opcode in ["88", "89", "8a"] {
        assert_refused(&format!("{opcode} fe"), close_code::PROTOCOL_ERROR);
        assert_refused(&format!("{opcode} ff"), close_code::PROTOCOL_ERROR);
        let longest = hex(&format!("{opcode} fd 00 00 00 00"));
        assert!(matches!(parse_in_pieces(&longest, Sender::Client, LIMIT), Ok(Some(_))));
    }
}

#[test]
fn clients_mask_and_servers_do_not() {
    assert_refused("81 05", close_code::PROTOCOL_ERROR);
    let masked = parse_in_pieces(&hex("81 85"), Sender::Server, LIMIT);
    assert_eq!(masked.map_err(|error| error.code), Err(close_code::PROTOCOL_ERROR));
}

#[test]
fn what_is_too_long_for_a_control_frame_is_cut_off() {
    let mut out = Vec::new();
    encode_close(&mut out, 1001, "bye");
    assert_eq!(out, hex("88 05 03e9 62 79 65"));
    out.clear();
    // 122 bytes, then a character of three that does not fit into the last one.
    encode_close(&mut out, 1001, &format!("{}\u{3042}", "x".repeat(122)));
    assert_eq!((out.len(), out[1]), (2 + 124, 124));
    out.clear();
    encode_close(&mut out, 1001, &"x".repeat(200));
    assert_eq!((out.len(), out[1]), (2 + 125, 125));
    out.clear();
    encode_ping(&mut out, &[b'x'; 200]);
    assert_eq!((out.len(), out[1]), (2 + 125, 125));
    out.clear();
    encode_pong(&mut out, &[b'x'; 200]);
    assert_eq!((out.len(), out[1]), (2 + 125, 125));
}

fn any_header() -> impl Strategy<Value = FrameHeader> {
    let data =
        (prop::sample::select(vec![Opcode::Continuation, Opcode::Text, Opcode::Binary]), 0..LIMIT);
    let control =
        (prop::sample::select(vec![Opcode::Close, Opcode::Ping, Opcode::Pong]), 0..126_usize);
    (prop_oneof![data, control], any::<bool>(), any::<bool>(), any::<Option<[u8; 4]>>()).prop_map(
        |((opcode, payload_bytes), is_final, is_compressed, mask_key)| FrameHeader {
            is_final: is_final || opcode.is_control(),
            is_compressed: is_compressed && matches!(opcode, Opcode::Text | Opcode::Binary),
            opcode,
            mask_key,
            payload_bytes,
        },
    )
}

#[test]
fn a_payload_rendered_in_place_makes_the_same_frame() {
    for payload_bytes in [0, 1, 125, 126, 65535, 65536] {
        let payload: Vec<u8> = (0..payload_bytes).map(|index| index as u8).collect();
        let mut expected = b"before".to_vec();
        encode_frame(&mut expected, Opcode::Text, &payload);
        let mut vec = b"before".to_vec();
        encode_frame_with(&mut vec, Opcode::Text, |out| {
            payload.iter().for_each(|&byte| out.push(byte))
        });
        assert_eq!(vec, expected, "{payload_bytes}");
        let mut bytes_mut = bytes::BytesMut::from(&b"before"[..]);
        encode_frame_with(&mut bytes_mut, Opcode::Text, |out| out.extend_from_slice(&payload));
        assert_eq!(bytes_mut, expected, "{payload_bytes}");
    }
}

proptest! {
    #[test]
    fn headers_go_there_and_back(header in any_header(), behind in prop::collection::vec(any::<u8>(), 0..4)) {
        let mut bytes = Vec::new();
        encode_header(&mut bytes, header);
        let header_bytes = bytes.len();
        prop_assert!(header_bytes <= HEADER_BYTES_MAX);
        bytes.extend_from_slice(&behind);
        let sender = if header.mask_key.is_some() { Sender::Client } else { Sender::Server };
        prop_assert_eq!(parse_in_pieces(&bytes, sender, LIMIT), Ok(Some((header, header_bytes))));
    }

    #[test]
    fn what_is_parsed_is_what_would_be_written(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
        for sender in [Sender::Client, Sender::Server] {
            if let Ok(Some((header, header_bytes))) = parse_in_pieces(&bytes, sender, LIMIT) {
                let mut again = Vec::new();
                encode_header(&mut again, header);
                prop_assert_eq!(&again[..], &bytes[..header_bytes]);
            }
        }
    }
}
