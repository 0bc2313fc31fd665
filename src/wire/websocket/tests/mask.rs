use super::super::mask::unmask;
use proptest::prelude::*;

const KEY: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];

/// The formula of the RFC, as the oracle.
fn unmask_naive(data: &mut [u8], key: [u8; 4], offset: usize) {
    for (index, byte) in data.iter_mut().enumerate() {
        *byte ^= key[(offset + index) % 4];
    }
}

#[test]
fn every_short_length_alignment_and_offset_agrees_with_the_naive_twin() {
    let original: Vec<u8> = (0..160_u32).map(|index| (index * 7 + 3) as u8).collect();
    for start in 0..16 {
        for end in start..original.len() - 16 {
            for offset in 0..5 {
                let mut fast = original.clone();
                let mut naive = original.clone();
                unmask(&mut fast[start..end], KEY, offset);
                unmask_naive(&mut naive[start..end], KEY, offset);
                assert_eq!(fast, naive, "{start}..{end} at offset {offset}");
            }
        }
    }
}

#[test]
fn the_offset_may_be_the_largest_there_is() {
    let mut fast = *b"hello, world";
    let mut naive = fast;
    unmask(&mut fast, KEY, usize::MAX - 64);
    unmask_naive(&mut naive, KEY, usize::MAX - 64);
    assert_eq!(fast, naive);
}

proptest! {
    #[test]
    fn agrees_with_the_naive_twin(
        mut data in prop::collection::vec(any::<u8>(), 0..5000),
        key in any::<[u8; 4]>(),
        offset in 0_usize..10_000,
    ) {
        let original = data.clone();
        let mut naive = data.clone();
        unmask(&mut data, key, offset);
        unmask_naive(&mut naive, key, offset);
        prop_assert_eq!(&data, &naive);
        unmask(&mut data, key, offset);
        prop_assert_eq!(data, original);
    }

    #[test]
    fn pieces_make_the_whole(
        mut data in prop::collection::vec(any::<u8>(), 0..300),
        key in any::<[u8; 4]>(),
        split in any::<prop::sample::Index>(),
    ) {
        let mut whole = data.clone();
        unmask(&mut whole, key, 0);
        let middle = split.index(data.len() + 1);
        unmask(&mut data[..middle], key, 0);
        unmask(&mut data[middle..], key, middle);
        prop_assert_eq!(data, whole);
    }
}
