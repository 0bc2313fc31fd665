//! The telnet protocol's own bytes among the lines (RFC 854), understood and politely refused.

use memchr::memchr;

const IAC: u8 = 255;
const DONT: u8 = 254;
const DO: u8 = 253;
const WONT: u8 = 252;
const WILL: u8 = 251;
const SB: u8 = 250;
const EL: u8 = 248;
const EC: u8 = 247;
const AYT: u8 = 246;
const SE: u8 = 240;

/// The option whose every `DO` is answered (RFC 860): a terminal that sent one throws our output
/// away until then. All other options are states, and a state is refused once (RFC 1143: answering
/// a repetition could go on for ever).
const TIMING_MARK: u8 = 6;

/// Evidence that we are there (RFC 854, AYT).
const HERE: &[u8] = b"* Yes, I am here.\r\n";

/// Erase Character and Erase Line, as the bytes that keys for it send.
const BACKSPACE: u8 = 0x08;
const KILL: u8 = 0x15;

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Data,
    Command,
    /// The option of this verb.
    Negotiation(u8),
    Subnegotiation,
    SubnegotiationCommand,
}

/// Takes commands out of the stream, wherever reads have cut them.
///
/// Invariant: every option is off, on both sides, at all times.
#[derive(Debug, Default)]
pub struct Telnet {
    state: State,
    /// Bytes that the UTF-8 character at the end of the data so far still lacks.
    lacking: u8,
    refused: Option<Box<Refused>>,
}

/// The options that were refused: a bit each, for `WILL` and for `DO`.
#[derive(Debug, Default)]
struct Refused {
    will: [u64; 4],
    r#do: [u64; 4],
}

impl Telnet {
    /// Moves the data among `bytes` to their front and returns how many there are; appends answers
    /// to `replies`.
    pub fn filter(&mut self, bytes: &mut [u8], replies: &mut Vec<u8>) -> usize {
        let first = match self.state {
            State::Data => memchr(IAC, bytes).unwrap_or(bytes.len()),
            _ => 0,
        };
        self.look_at(&bytes[..first]);
        let mut kept = first;
        for at in first..bytes.len() {
            if let Some(byte) = self.next(bytes[at], replies) {
                self.lacking = lacking_after(self.lacking, byte);
                bytes[kept] = byte;
                kept += 1;
            }
        }
        kept
    }

    /// Looks whether data ends within a character; its last four bytes tell.
    fn look_at(&mut self, data: &[u8]) {
        let tail = data.len().saturating_sub(4);
        let before = if tail > 0 { 0 } else { self.lacking };
        self.lacking =
            data[tail..].iter().fold(before, |lacking, &byte| lacking_after(lacking, byte));
    }

    fn next(&mut self, byte: u8, replies: &mut Vec<u8>) -> Option<u8> {
        let (state, data) = match (self.state, byte) {
            (State::Data, IAC) => (State::Command, None),
            (State::Data, _) | (State::Command, IAC) => (State::Data, Some(byte)),
            (State::Command, WILL | WONT | DO | DONT) => (State::Negotiation(byte), None),
            (State::Command, SB) => (State::Subnegotiation, None),
            (State::Command, _) if self.lacking > 0 && mistaken(byte).is_some() => {
                (State::Data, mistaken(byte))
            }
            (State::Command, AYT) => {
                replies.extend_from_slice(HERE);
                (State::Data, None)
            }
            (State::Command, EC) => (State::Data, Some(BACKSPACE)),
            (State::Command, EL) => (State::Data, Some(KILL)),
            // Interrupt, abort output and the like ask for something that we have nothing of.
            (State::Command, _) => (State::Data, None),
            (State::Negotiation(verb), option) => {
                self.refuse(verb, option, replies);
                (State::Data, None)
            }
            (State::Subnegotiation, IAC) => (State::SubnegotiationCommand, None),
            (State::SubnegotiationCommand, SE) => (State::Data, None),
            (State::Subnegotiation | State::SubnegotiationCommand, _) => {
                (State::Subnegotiation, None)
            }
        };
        self.state = state;
        data
    }

    fn refuse(&mut self, verb: u8, option: u8, replies: &mut Vec<u8>) {
        let answer = match verb {
            DO => WONT,
            WILL => DONT,
            // What is off already is confirmed as off: RFC 1143 has nothing to say to that.
            _ => return,
        };
        if (verb, option) == (DO, TIMING_MARK) || self.is_first(verb, option) {
            replies.extend_from_slice(&[IAC, answer, option]);
        }
    }

    fn is_first(&mut self, verb: u8, option: u8) -> bool {
        let refused = self.refused.get_or_insert_default();
        let set = if verb == DO { &mut refused.r#do } else { &mut refused.will };
        let (word, bit) = (&mut set[usize::from(option / 64)], 1 << (option % 64));
        let first = *word & bit == 0;
        *word |= bit;
        first
    }
}

/// How many bytes a UTF-8 character lacks after this byte.
fn lacking_after(lacking: u8, byte: u8) -> u8 {
    match byte {
        0x80..=0xBF => lacking.saturating_sub(1),
        0xC2..=0xDF => 1,
        0xE0..=0xEF => 2,
        0xF0..=0xF4 => 3,
        _ => 0,
    }
}

/// The byte for which GNU telnet sends this command. It looks at seven bits only, so that a byte in
/// the middle of a character (the second of U+304F, say) counts as Ctrl-O to it. Nobody interrupts
/// between the bytes of a character, so there the byte is meant.
fn mistaken(command: u8) -> Option<u8> {
    let control = match command {
        // RFC 1184: EOF, SUSP and ABORT; RFC 854: BRK, IP, AO, AYT and EL.
        236 => 0x04,
        237 => 0x1A,
        238 | 243 => 0x1C,
        244 => 0x03,
        245 => 0x0F,
        AYT => 0x14,
        248 => 0x15,
        _ => return None,
    };
    Some(control | 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The data and the replies that come of `pieces`.
    fn filter(pieces: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
        let (mut telnet, mut data, mut replies) = (Telnet::default(), Vec::new(), Vec::new());
        for piece in pieces {
            let mut bytes = piece.to_vec();
            let kept = telnet.filter(&mut bytes, &mut replies);
            data.extend_from_slice(&bytes[..kept]);
        }
        (data, replies)
    }

    #[track_caller]
    fn expect(input: &[u8], data: &[u8], replies: &[u8]) {
        for at in 0..=input.len() {
            let (a, b) = input.split_at(at);
            assert_eq!(filter(&[a, b]), (data.to_vec(), replies.to_vec()), "split at {at}");
        }
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(filter(&bytes), (data.to_vec(), replies.to_vec()), "byte by byte");
    }

    #[test]
    fn text_passes_and_a_doubled_iac_is_a_byte() {
        expect(b"hello\r\n", b"hello\r\n", b"");
        expect(&[b'a', IAC, IAC, b'b'], &[b'a', IAC, b'b'], b"");
    }

    #[test]
    fn every_option_is_refused_once() {
        let offer = [
            IAC, WILL, 1, b'x', IAC, DO, 1, IAC, WILL, 1, IAC, DO, 1, IAC, WONT, 1, IAC, DONT, 1,
            IAC, WILL, 255,
        ];
        expect(&offer, b"x", &[IAC, DONT, 1, IAC, WONT, 1, IAC, DONT, 255]);
    }

    #[test]
    fn every_timing_mark_is_answered() {
        let interrupt = [IAC, 244, IAC, DO, TIMING_MARK];
        expect(
            &[interrupt, interrupt].concat(),
            b"",
            &[IAC, WONT, TIMING_MARK, IAC, WONT, TIMING_MARK],
        );
    }

    #[test]
    fn erasing_is_what_its_keys_are() {
        expect(
            &[b"xy".as_slice(), &[IAC, EC, b'z', IAC, EL], b"\n"].concat(),
            b"xy\x08z\x15\n",
            b"",
        );
    }

    #[test]
    fn interrupt_does_no_harm() {
        let mut input = b"he".to_vec();
        for command in [241, 242, 243, 244, 245, 249, SE, 7] {
            input.extend([IAC, command]);
        }
        input.extend(b"llo\n");
        expect(&input, b"hello\n", b"");
    }

    /// What GNU telnet sends for a line of Japanese, as it was captured.
    #[test]
    fn a_character_is_whole_although_telnet_took_a_byte_of_it_for_a_command() {
        let mark = [IAC, DO, TIMING_MARK];
        let sakura = [&[0xE6, 0xA1, IAC, 243][..], &mark].concat();
        let ku = [&[0xE3, 0x81, IAC, 245][..], &mark].concat();
        let input = [b"/nick ", &sakura[..], "さ".as_bytes(), &ku, b"\n"].concat();
        expect(
            &input,
            "/nick 桜さく\n".as_bytes(),
            &[IAC, WONT, TIMING_MARK, IAC, WONT, TIMING_MARK],
        );
        // Between characters the same commands are commands.
        let input = [&[IAC, 243, b'a', IAC, 245][..], "さ".as_bytes(), &[IAC, 244, b'\n']].concat();
        expect(&input, "aさ\n".as_bytes(), b"");
    }

    #[test]
    fn are_you_there_is_answered() {
        expect(&[b'a', IAC, AYT, b'b'], b"ab", HERE);
    }

    #[test]
    fn subnegotiations_are_skipped_whole() {
        let input = [&[b'a', IAC, SB, 31, 0, 80, IAC, IAC, 0, b'\n', IAC, SE][..], b"b\n"].concat();
        expect(&input, b"ab\n", b"");
    }

    proptest! {
        // Long inputs show more than many.
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Replies are bounded by the number of options, whatever comes, but for the two that have
        /// to be repeated.
        #[test]
        fn no_negotiation_loop(input in prop::collection::vec(
            prop_oneof![Just(IAC), Just(WILL), Just(DO), Just(DONT), Just(WONT), 200..=255u8], 0..4000)) {
            let (_, replies) = filter(&[&input]);
            let marks = input.windows(3).filter(|w| *w == [IAC, DO, TIMING_MARK]).count();
            let here = input.windows(2).filter(|w| *w == [IAC, AYT]).count();
            prop_assert!(replies.len() <= 3 * (512 + marks) + HERE.len() * here);
        }
    }
}
