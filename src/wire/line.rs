//! Lines: what telnet, `nc` and tcpkali speak.
//!
//! LF ends a line and every other byte is payload.

use std::fmt;

use memchr::memchr;

/// Why a line can not be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineTooLong {
    /// The limit, in bytes.
    pub bytes_max: usize,
}

impl fmt::Display for LineTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line too long: at most {} bytes are allowed (--max-message-bytes)", self.bytes_max)
    }
}

/// The line decoder of one client.
///
/// Invariant: the first `scanned` bytes of the input it will be given next hold no LF, so a long line that arrives in
/// many pieces is searched once.
#[derive(Debug, Default)]
pub struct Line {
    scanned: usize,
}

impl Line {
    /// The length of the first line of `input`, its LF included; `None` means more bytes are needed.
    ///
    /// # Errors
    /// A line of more than `bytes_max` bytes, its LF not counted.
    pub fn decode(&mut self, input: &[u8], bytes_max: usize) -> Result<Option<usize>, LineTooLong> {
        match memchr(b'\n', &input[self.scanned..]) {
            Some(at) if self.scanned + at <= bytes_max => {
                let length = self.scanned + at + 1;
                self.scanned = 0;
                Ok(Some(length))
            }
            None if input.len() <= bytes_max => {
                self.scanned = input.len();
                Ok(None)
            }
            _ => Err(LineTooLong { bytes_max }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Decodes `pieces` as they would arrive: a growing buffer that is searched after each of them.
    fn decode(pieces: &[&[u8]], bytes_max: usize) -> (Vec<Vec<u8>>, Result<Vec<u8>, LineTooLong>) {
        let mut line = Line::default();
        let mut inbox = Vec::new();
        let mut lines = Vec::new();
        for piece in pieces {
            inbox.extend_from_slice(piece);
            loop {
                match line.decode(&inbox, bytes_max) {
                    Ok(Some(length)) => lines.push(inbox.drain(..length).collect()),
                    Ok(None) => break,
                    Err(error) => return (lines, Err(error)),
                }
            }
        }
        (lines, Ok(inbox))
    }

    #[test]
    fn lines_keep_their_endings_and_every_byte() {
        let input: &[u8] = b"one\r\n\n\xff\xfe\0two\nrest";
        let whole = (vec![b"one\r\n".to_vec(), b"\n".to_vec(), b"\xff\xfe\0two\n".to_vec()], Ok(b"rest".to_vec()));
        assert_eq!(decode(&[input], 64), whole);
        for at in 0..=input.len() {
            let (a, b) = input.split_at(at);
            assert_eq!(decode(&[a, b], 64), whole, "split at {at}");
        }
    }

    #[test]
    fn the_limit_counts_payload_only() {
        assert_eq!(decode(&[b"1234\n"], 4), (vec![b"1234\n".to_vec()], Ok(vec![])));
        assert_eq!(decode(&[b"12345\n"], 4), (vec![], Err(LineTooLong { bytes_max: 4 })));
        assert_eq!(decode(&[b"1234"], 4), (vec![], Ok(b"1234".to_vec())));
        assert_eq!(decode(&[b"12345"], 4), (vec![], Err(LineTooLong { bytes_max: 4 })));
        assert_eq!(decode(&[b"12", b"34", b"5"], 4), (vec![], Err(LineTooLong { bytes_max: 4 })));
    }

    proptest! {
        /// However the bytes are cut, the lines are those of a plain `split`.
        #[test]
        fn cutting_changes_nothing(input in prop::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..300),
                                   cuts in prop::collection::vec(0..300usize, 0..20)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|at| at.min(input.len())).collect();
            cuts.extend([0, input.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &input[w[0]..w[1]]).collect();
            let (lines, rest) = decode(&pieces, 1000);
            let mut expected: Vec<Vec<u8>> = input.split_inclusive(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
            let tail = match expected.last() {
                Some(last) if !last.ends_with(b"\n") => expected.pop().unwrap_or_default(),
                _ => Vec::new(),
            };
            prop_assert_eq!(lines, expected);
            prop_assert_eq!(rest, Ok(tail));
        }
    }
}
