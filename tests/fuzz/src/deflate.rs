//! permessage-deflate payloads: what is inflated is bounded and is what another inflater makes of
//! it, and what is deflated comes back.

use chat_server::wire::websocket::close_code::{INVALID_DATA, TOO_BIG};
use chat_server::wire::websocket::deflate::{Deflater, Inflater, compressed_bytes_max};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::cuts::Cuts;

/// What senders leave out (RFC 7692 7.2.1), and an empty final block, by which one knows that
/// nothing is missing.
const TAIL: [u8; 9] = [0x00, 0x00, 0xFF, 0xFF, 0x01, 0x00, 0x00, 0xFF, 0xFF];

/// Messages before the last, so that an input of many short ones does not take long.
const PIECES_MAX: usize = 8;

/// A byte that chooses the limit, then cuts, then a payload.
pub fn run(input: &[u8]) {
    let Some((&settings, input)) = input.split_first() else { return };
    let bytes_max = [0, 1, 10, 100, 1000, 10_000, 100_000, 1_000_000][usize::from(settings % 8)];
    let (cuts, payload) = Cuts::read(input);
    // One inflater serves all clients: what it was given before changes nothing.
    let mut shared = Inflater::new();
    for message in cuts.pieces(payload).take(PIECES_MAX).chain([payload]) {
        check_inflated(&mut shared, message, bytes_max);
    }
    check_round_trip(&mut shared, cuts, payload);
}

fn check_inflated(inflater: &mut Inflater, payload: &[u8], bytes_max: usize) {
    let mut message = Vec::new();
    let outcome = inflater.inflate(payload, &mut message, bytes_max).map_err(|error| error.code);
    assert!(
        message.capacity() <= bytes_max,
        "{} bytes reserved, limit {bytes_max}",
        message.capacity()
    );
    match (inflate(payload), outcome) {
        (Some(expected), Ok(())) => assert_eq!(message, expected),
        (Some(expected), Err(TOO_BIG)) => {
            assert!(expected.len() > bytes_max, "{} bytes are allowed", expected.len())
        }
        // It may have become too long before that was seen.
        (None, Err(INVALID_DATA | TOO_BIG)) => {}
        (expected, outcome) => panic!("{outcome:?} and not {expected:?}"),
    }
}

fn check_round_trip(inflater: &mut Inflater, cuts: Cuts, payload: &[u8]) {
    let mut deflater = Deflater::new();
    for message in cuts.pieces(payload).take(PIECES_MAX).chain([payload, &[]]) {
        let mut compressed = b"before".to_vec();
        deflater.deflate(message, &mut compressed);
        let compressed =
            compressed.strip_prefix(b"before").expect("it is appended to what was there");
        assert!(
            compressed.len() <= compressed_bytes_max(message.len()),
            "{} bytes",
            compressed.len()
        );
        assert_eq!(inflate(compressed).as_deref(), Some(message));
        check_inflated(inflater, compressed, message.len());
        check_inflated(inflater, compressed, message.len().saturating_sub(1));
    }
}

/// What a payload inflates to, if it is what it should be.
pub fn inflate(payload: &[u8]) -> Option<Vec<u8>> {
    let whole = [payload, &TAIL].concat();
    let (mut message, mut read) = (Vec::new(), 0);
    // RFC 7692 7.2.3.4: after a final block a new stream begins; one that ends with the payload
    // needs no tail.
    while read != payload.len() && read != whole.len() {
        read += inflate_stream(&whole[read..], &mut message)?;
    }
    Some(message)
}

/// Appends what the DEFLATE stream at the start of `input` holds; returns its length.
fn inflate_stream(input: &[u8], message: &mut Vec<u8>) -> Option<usize> {
    let mut room = 4 * input.len();
    loop {
        let mut out = vec![0; room];
        let mut stream = DecompressorOxide::new();
        let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let (status, read, written) = decompress(&mut stream, input, &mut out, 0, flags);
        match status {
            TINFLStatus::HasMoreOutput => room *= 4,
            TINFLStatus::Done => {
                message.extend_from_slice(&out[..written]);
                return Some(read);
            }
            _ => return None,
        }
    }
}
