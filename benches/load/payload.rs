//! The 32 bytes that every measured message carries: who may count it, which message it is, when it
//! was said.
//!
//! ```text
//!  0..8   marker: kind and number of the run, so that nothing from elsewhere is ever counted
//!  8..16  message number, hexadecimal, unique within the run
//! 16..32  when it was said: nanoseconds on the clock of the load, hexadecimal
//! ```
//! Longer messages are filled up with dots behind it. All of it is printable ASCII, so that it passes a chat server unchanged, in text frames too.

pub const PAYLOAD_BYTES: usize = 32;

/// What distinguishes a message.
pub type Payload = [u8; PAYLOAD_BYTES];

/// What fills a message up to its length.
pub fn padding(message_bytes: usize) -> Vec<u8> {
    vec![b'.'; message_bytes - PAYLOAD_BYTES]
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Counted and checked.
    Measured,
    /// Said until everybody in the room has received it; never counted.
    Settle,
}

/// What marks the messages of one run.
#[derive(Clone, Copy)]
pub struct Stamp {
    run: u16,
}

impl Stamp {
    pub fn new(run: u16) -> Stamp {
        Stamp { run }
    }

    pub fn marker(self, kind: Kind) -> [u8; 8] {
        let mut marker = match kind {
            Kind::Measured => *b"~lm~0000",
            Kind::Settle => *b"~ls~0000",
        };
        marker[4..].copy_from_slice(&hex(u32::from(self.run))[4..]);
        marker
    }

    pub fn payload(self, kind: Kind, number: u32, said_ns: u64) -> Payload {
        let mut payload = [0; PAYLOAD_BYTES];
        payload[..8].copy_from_slice(&self.marker(kind));
        renumber(&mut payload, number);
        payload[16..24].copy_from_slice(&hex((said_ns >> 32) as u32));
        payload[24..].copy_from_slice(&hex(said_ns as u32));
        payload
    }
}

/// Makes the next message of what was said at the same time.
pub fn renumber(payload: &mut [u8], number: u32) {
    payload[8..16].copy_from_slice(&hex(number));
}

/// A number that changes when any byte after the marker changes. Summed over the messages of a
/// round it does not depend on their order, so one addition a delivery finds what was lost, doubled
/// or altered.
#[inline(always)]
pub fn digest(payload: &[u8]) -> u64 {
    let number = word(payload, 8) ^ 0x9e37_79b9_7f4a_7c15;
    let said = word(payload, 16).rotate_left(23) ^ word(payload, 24) ^ 0xd6e8_feb8_6659_fd93;
    let product = u128::from(number) * u128::from(said);
    (product as u64) ^ ((product >> 64) as u64)
}

pub fn number(payload: &[u8]) -> u32 {
    read_hex(&payload[8..16]) as u32
}

pub fn said_ns(payload: &[u8]) -> u64 {
    read_hex(&payload[16..PAYLOAD_BYTES])
}

/// Eight bytes as a number.
#[inline(always)]
pub fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// Eight hexadecimal digits, all at once: the load writes a number into each of millions of
/// messages a second.
fn hex(value: u32) -> [u8; 8] {
    let mut nibbles = u64::from(value);
    nibbles = (nibbles | nibbles << 16) & 0x0000_ffff_0000_ffff;
    nibbles = (nibbles | nibbles << 8) & 0x00ff_00ff_00ff_00ff;
    nibbles = (nibbles | nibbles << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    let letters = ((nibbles + 0x0606_0606_0606_0606) >> 4) & 0x0101_0101_0101_0101;
    let to_letter = u64::from(b'a' - b'9' - 1);
    (nibbles + 0x3030_3030_3030_3030 + letters * to_letter).to_be_bytes()
}

fn read_hex(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |value, &digit| {
        let nibble =
            if digit <= b'9' { digit.wrapping_sub(b'0') } else { digit.wrapping_sub(b'a' - 10) };
        value << 4 | u64::from(nibble & 15)
    })
}
