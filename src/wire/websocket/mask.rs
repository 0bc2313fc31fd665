//! The mask that clients put on every payload (RFC 6455 5.3).

/// Words this wide are masked at once; the compiler makes vector instructions of a run of them.
const WORD_BYTES: usize = size_of::<u64>();

/// Takes the mask off `data`, or puts it on. `offset` is how far into the payload `data` begins.
#[inline]
pub fn unmask(data: &mut [u8], key: [u8; 4], offset: usize) {
    let key = u32::from_ne_bytes(std::array::from_fn(|index| key[(offset + index) % 4]));
    let wide_key = (u64::from(key) << 32) | u64::from(key);

    let (words, tail) = data.as_chunks_mut::<WORD_BYTES>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide_key).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(wide_key.to_ne_bytes()) {
        *byte ^= key;
    }
}
