//! How a delivery looks on the wire of one server, and the loop that counts deliveries.
//!
//! All names, rooms and payloads of a run have the same length, so a server's deliveries all have
//! the same length too: a constant head (with holes where the sender's name or address stands), the
//! payload, a constant end. Counting is then a few word comparisons and one multiplication a
//! delivery, and still checks every byte.

use crate::payload::{Kind, PAYLOAD_BYTES, Stamp, digest, said_ns, word};

/// Deliveries, and the sum of their digests.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Tally {
    pub count: u64,
    pub sum: u64,
}

impl Tally {
    #[inline(always)]
    pub fn add(&mut self, digest: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(digest);
    }

    pub fn merge(&mut self, other: Tally) {
        self.count += other.count;
        self.sum = self.sum.wrapping_add(other.sum);
    }

    pub fn without(self, other: Tally) -> Tally {
        Tally { count: self.count.wrapping_sub(other.count), sum: self.sum.wrapping_sub(other.sum) }
    }
}

/// Takes the time stamp of every n-th delivery.
pub struct Sampler {
    every: u32,
    wait: u32,
    pub said_ns: Vec<u64>,
}

impl Sampler {
    pub fn every(every: u32) -> Sampler {
        Sampler { every, wait: every, said_ns: Vec::new() }
    }

    #[inline(always)]
    fn see(&mut self, payload: &[u8]) {
        self.wait -= 1;
        if self.wait == 0 {
            self.wait = self.every;
            self.said_ns.push(said_ns(payload));
        }
    }
}

/// Eight bytes of a delivery of which the masked ones are known.
struct Word {
    at: usize,
    mask: u64,
    value: u64,
}

pub struct Shape {
    measured: Vec<Word>,
    settle: Vec<Word>,
    payload_at: usize,
    pub record_bytes: usize,
}

impl Shape {
    /// `one` and `other` are what stands before the payload for two senders that differ in all they
    /// can differ in.
    pub fn new(one: &[u8], other: &[u8], end: &[u8], stamp: Stamp) -> Shape {
        assert_eq!(one.len(), other.len(), "deliveries of one run have one length");
        let record_bytes = one.len() + PAYLOAD_BYTES + end.len();
        let words = |kind| {
            let mut known = vec![0; record_bytes];
            let mut mask = vec![0; record_bytes];
            for (at, (a, b)) in one.iter().zip(other).enumerate() {
                known[at] = *a;
                mask[at] = if a == b { 0xff } else { 0 };
            }
            known[one.len()..one.len() + 8].copy_from_slice(&stamp.marker(kind));
            mask[one.len()..one.len() + 8].fill(0xff);
            known[one.len() + PAYLOAD_BYTES..].copy_from_slice(end);
            mask[one.len() + PAYLOAD_BYTES..].fill(0xff);
            masked_words(&known, &mask)
        };
        Shape {
            measured: words(Kind::Measured),
            settle: words(Kind::Settle),
            payload_at: one.len(),
            record_bytes,
        }
    }

    /// Counts deliveries from the start of `bytes` up to the first thing that is not a whole one.
    /// Returns the bytes counted.
    pub fn count(&self, bytes: &[u8], tally: &mut Tally, sampler: &mut Sampler) -> usize {
        let mut counted = *tally;
        let mut used = 0;
        for record in bytes.chunks_exact(self.record_bytes) {
            if !fits(&self.measured, record) {
                break;
            }
            let payload = &record[self.payload_at..self.payload_at + PAYLOAD_BYTES];
            counted.add(digest(payload));
            sampler.see(payload);
            used += self.record_bytes;
        }
        *tally = counted;
        used
    }

    /// The payload of a settling message, if `bytes` begins with one.
    pub fn settle<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let record = bytes.get(..self.record_bytes)?;
        fits(&self.settle, record)
            .then(|| &record[self.payload_at..self.payload_at + PAYLOAD_BYTES])
    }

    /// Whether `bytes` may become a delivery once more has arrived.
    pub fn may_begin(&self, bytes: &[u8]) -> bool {
        if bytes.len() >= self.record_bytes {
            return false;
        }
        let mut padded = vec![0; self.record_bytes];
        padded[..bytes.len()].copy_from_slice(bytes);
        let begins = |words: &[Word]| {
            words.iter().all(|w| {
                let there = bytes.len().saturating_sub(w.at).min(8) as u32;
                let seen = if there == 8 { u64::MAX } else { (1 << (8 * there)) - 1 };
                (word(&padded, w.at) ^ w.value) & w.mask & seen == 0
            })
        };
        begins(&self.measured) || begins(&self.settle)
    }
}

#[inline(always)]
fn fits(words: &[Word], record: &[u8]) -> bool {
    let mut difference = 0;
    for w in words {
        difference |= (word(record, w.at) ^ w.value) & w.mask;
    }
    difference == 0
}

fn masked_words(known: &[u8], mask: &[u8]) -> Vec<Word> {
    let last = known.len() - 8;
    (0..known.len().div_ceil(8))
        .map(|place| (place * 8).min(last))
        .map(|at| Word { at, mask: word(mask, at), value: word(known, at) & word(mask, at) })
        .filter(|w| w.mask != 0)
        .collect()
}
