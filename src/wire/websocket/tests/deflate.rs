use super::super::ProtocolError;
use super::super::close_code::{INVALID_DATA, TOO_BIG};
use super::super::deflate::{Deflater, Inflater, compressed_bytes_max};
use super::hex;
use flate2::{Compress, Compression, FlushCompress};
use proptest::prelude::*;

const LIMIT: usize = 1 << 20;

fn inflate(compressed: &[u8], message_bytes_max: usize) -> Result<Vec<u8>, ProtocolError> {
    let mut out = Vec::new();
    Inflater::new().inflate(compressed, &mut out, message_bytes_max)?;
    assert!(
        out.capacity() <= message_bytes_max,
        "{} bytes reserved of {message_bytes_max}",
        out.capacity()
    );
    Ok(out)
}

fn deflate(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Deflater::new().deflate(message, &mut out);
    out
}

#[test]
fn examples_of_rfc_7692_7_2_3() {
    let hello = [
        ("one block", "f2 48 cd c9 c9 07 00"),
        ("a block without compression", "00 05 00 fa ff 48 65 6c 6c 6f 00"),
        ("a final block", "f3 48 cd c9 c9 07 00 00"),
        ("a final block, without the empty one behind it", "f3 48 cd c9 c9 07 00"),
        ("two blocks", "f2 48 05 00 00 00 ff ff ca c9 c9 07 00"),
    ];
    for (name, compressed) in hello {
        assert_eq!(inflate(&hex(compressed), LIMIT).as_deref(), Ok(&b"Hello"[..]), "{name}");
    }
    assert_eq!(inflate(&hex("00"), LIMIT).as_deref(), Ok(&b""[..]));
    // The window of the message before is gone, as negotiated.
    assert_eq!(
        inflate(&hex("f2 00 11 00 00"), LIMIT).map_err(|error| error.code),
        Err(INVALID_DATA)
    );
}

#[test]
fn empty_messages() {
    assert_eq!(deflate(b""), hex("00"));
    assert_eq!(inflate(b"", LIMIT).as_deref(), Ok(&b""[..]));
    assert_eq!(inflate(&hex("02 00"), LIMIT).as_deref(), Ok(&b""[..]));
    assert_eq!(inflate(&hex("00"), 0).as_deref(), Ok(&b""[..]));
}

#[test]
fn garbage_and_messages_cut_short_are_refused() {
    for garbage in ["07", "ff ff ff ff", "00 05 00 00 00 48 65", "02 00 07"] {
        assert_eq!(
            inflate(&hex(garbage), LIMIT).map_err(|error| error.code),
            Err(INVALID_DATA),
            "{garbage}"
        );
    }
    let promised_100_bytes = hex("00 64 00 9b ff 48 65 6c 6c 6f");
    assert_eq!(inflate(&promised_100_bytes, LIMIT).map_err(|error| error.code), Err(INVALID_DATA));
    let whole = deflate(&b"All work and no play makes Jack a dull boy. ".repeat(9));
    for end in 1..whole.len() {
        assert_eq!(
            inflate(&whole[..end], LIMIT).map_err(|error| error.code),
            Err(INVALID_DATA),
            "cut at {end}"
        );
    }
}

#[test]
fn a_bomb_stops_at_the_limit() {
    let limit = LIMIT / 16;
    let bomb = deflate(&vec![0; 2 * LIMIT]);
    assert!(bomb.len() < limit / 16, "{} bytes are no bomb", bomb.len());
    let mut out = Vec::new();
    let refused = Inflater::new().inflate(&bomb, &mut out, limit);
    assert_eq!(refused.map_err(|error| error.code), Err(TOO_BIG));
    assert!(out.capacity() <= limit, "{} bytes reserved", out.capacity());
}

#[test]
fn the_limit_is_exact() {
    for message_bytes in [1, 2, 1023, 1024, 1025, 4096, 70_000] {
        for message in [vec![7; message_bytes], noise(message_bytes)] {
            let compressed = deflate(&message);
            assert_eq!(inflate(&compressed, message_bytes), Ok(message));
            let refused = inflate(&compressed, message_bytes - 1);
            assert_eq!(refused.map_err(|error| error.code), Err(TOO_BIG), "{message_bytes}");
        }
    }
}

#[test]
fn an_old_buffer_that_is_larger_than_the_limit_does_not_raise_it() {
    let mut out = Vec::with_capacity(4096);
    let refused = Inflater::new().inflate(&deflate(&[7; 101]), &mut out, 100);
    assert_eq!(refused.map_err(|error| error.code), Err(TOO_BIG));
}

#[test]
fn an_inflater_goes_on_after_an_error() {
    let mut inflater = Inflater::new();
    let mut out = Vec::new();
    for bad in [hex("ff ff"), deflate(&[0; 9999])] {
        inflater.inflate(&bad, &mut out, 100).expect_err("garbage, then a bomb");
        inflater.inflate(&deflate(b"fine"), &mut out, 100).expect("a good message");
        assert_eq!(out, b"fine");
    }
}

#[test]
fn many_final_blocks_make_one_message() {
    let mut compressed = hex("f3 48 cd c9 c9 07 00").repeat(1000);
    assert_eq!(inflate(&compressed, LIMIT), Ok(b"Hello".repeat(1000)));
    compressed.push(0);
    assert_eq!(inflate(&compressed, LIMIT), Ok(b"Hello".repeat(1000)));
}

#[test]
fn what_does_not_compress_keeps_to_its_bound() {
    for message_bytes in [0, 1, 100, 16_384, 65_535, 65_536, 300_000] {
        let compressed = deflate(&noise(message_bytes));
        assert!(
            compressed.len() <= compressed_bytes_max(message_bytes),
            "{message_bytes}: {}",
            compressed.len()
        );
    }
}

/// The rule behind `DeflateParams::may_compress`: a message no longer than a window never refers
/// out of it.
#[test]
fn a_short_message_fits_a_small_window() {
    for bits in 9..15 {
        let mut message = noise((1 << bits) - 40);
        message.extend_from_within(..40);
        assert_eq!(message.len(), 1 << bits);
        let mut out = Vec::with_capacity(message.len() + 100);
        let mut narrow = flate2::Decompress::new_with_window_bits(false, bits);
        let mut compressed = deflate(&message);
        compressed.extend_from_slice(&hex("00 00 ff ff"));
        // Byte by byte, so that the inflater can refer to its window only and not to what it has
        // just written.
        for byte in compressed {
            narrow
                .decompress_vec(&[byte], &mut out, flate2::FlushDecompress::None)
                .expect("fits the window");
        }
        assert_eq!(out, message);
    }
}

/// Bytes without a pattern; the generator is a plain linear congruence.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

/// A message as another implementation may send it: any level, any flushes in between.
fn deflate_foreign(pieces: &[Vec<u8>], level: u32, flush: FlushCompress, finish: bool) -> Vec<u8> {
    let mut stream = Compress::new(Compression::new(level), false);
    let mut out = Vec::with_capacity(100_000);
    for piece in pieces {
        stream.compress_vec(piece, &mut out, flush).expect("room enough");
    }
    if finish {
        stream.compress_vec(b"", &mut out, FlushCompress::Finish).expect("room enough");
    } else {
        stream.compress_vec(b"\n", &mut out, FlushCompress::Sync).expect("room enough");
        assert!(out.ends_with(&[0, 0, 0xFF, 0xFF]));
        out.truncate(out.len() - 4);
    }
    out
}

fn any_message() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..3000),
        prop::collection::vec(0_u8..3, 0..9000),
        "[a-e ]{0,300}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn messages_go_there_and_back(messages in prop::collection::vec(any_message(), 1..4)) {
        let (mut deflater, mut inflater) = (Deflater::new(), Inflater::new());
        let (mut compressed, mut inflated) = (Vec::new(), Vec::new());
        for message in messages {
            compressed.clear();
            deflater.deflate(&message, &mut compressed);
            prop_assert_eq!(inflater.inflate(&compressed, &mut inflated, LIMIT), Ok(()));
            prop_assert_eq!(&inflated, &message);
        }
    }

    #[test]
    fn deflating_appends(message in any_message(), before in any::<[u8; 3]>()) {
        let mut out = before.to_vec();
        Deflater::new().deflate(&message, &mut out);
        prop_assert_eq!(&out[..3], &before);
        prop_assert_eq!(&out[3..], &deflate(&message));
    }

    #[test]
    fn other_compressors_are_understood(
        pieces in prop::collection::vec(any_message(), 0..4),
        level in 0_u32..10,
        flush in prop::sample::select(vec![0, 1, 2, 3]),
        finish in any::<bool>(),
    ) {
        let flush = [FlushCompress::None, FlushCompress::Partial, FlushCompress::Sync, FlushCompress::Full][flush];
        let mut message = pieces.concat();
        if !finish {
            message.push(b'\n');
        }
        let compressed = deflate_foreign(&pieces, level, flush, finish);
        prop_assert_eq!(inflate(&compressed, LIMIT), Ok(message));
    }

    #[test]
    fn random_bytes_never_go_over_the_limit(compressed in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = inflate(&compressed, 50) {
            prop_assert!(message.len() <= 50);
        }
    }
}
