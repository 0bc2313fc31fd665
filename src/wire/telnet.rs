//! The telnet protocol's own bytes among the lines (RFC 854), understood and politely refused; but
//! for what a [`Terminal`] agrees on.

use memchr::memchr;
use serde::{Deserialize, Serialize};

use super::editor::Editor;
use super::keys::{BACKSPACE, HOW_TO_LEAVE, INTERRUPT, KILL};
use super::line::LineMode;
use super::terminal::{DO, DONT, IAC, TIMING_MARK, Terminal, WILL, WONT};

pub(super) const SB: u8 = 250;
const EL: u8 = 248;
const EC: u8 = 247;
const AYT: u8 = 246;
pub(super) const SE: u8 = 240;

/// Evidence that we are there (RFC 854, AYT).
const HERE: &[u8] = b"* Yes, I am here.\r\n";

/// The lowest command there is (RFC 1184). What is below and comes behind 255 is no telnet, but text
/// in which 255 stands for something, such as ÿ; the byte behind it may be the end of a line.
const EOF: u8 = 236;
const SUSP: u8 = 237;
const ABORT: u8 = 238;
const IP: u8 = 244;

/// A subnegotiation that is longer never ends: nothing was negotiated that has so much to say.
const SUBNEGOTIATION_BYTES_MAX: u16 = 512;

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    #[default]
    Data,
    Command,
    /// The option of this verb.
    Negotiation(u8),
    Subnegotiation,
    SubnegotiationCommand,
}

/// Takes commands out of the stream, wherever reads have cut them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Telnet {
    state: State,
    /// Bytes that the UTF-8 character at the end of the data so far still lacks.
    lacking: u8,
    /// How long the subnegotiation is so far.
    subnegotiated: u16,
    /// It was told how to leave, and has perhaps thrown that away: GNU telnet shows nothing between
    /// an interrupt and the answer to the timing mark behind it.
    was_interrupted: bool,
    /// Only of what has negotiated, or was asked to.
    terminal: Option<Box<Terminal>>,
}

impl Telnet {
    /// Moves the data among `bytes` to their front and returns how many there are; appends answers
    /// to `replies`. Where bytes are passed on as they come there is nothing to edit and no command
    /// to leave by, and 255 is passed on to nobody: it would be telnet's to who gets it.
    pub fn filter(&mut self, bytes: &mut [u8], mode: LineMode, replies: &mut Vec<u8>) -> usize {
        let first = match self.state {
            State::Data => memchr(IAC, bytes).unwrap_or(bytes.len()),
            _ => 0,
        };
        self.look_at(&bytes[..first]);
        let mut kept = first;
        for at in first..bytes.len() {
            if let Some(byte) = self.next(bytes[at], mode, replies) {
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

    fn next(&mut self, byte: u8, mode: LineMode, replies: &mut Vec<u8>) -> Option<u8> {
        let (state, data) = match (self.state, byte) {
            (State::Data, IAC) => (State::Command, None),
            (State::Command, IAC) if mode == LineMode::Raw => (State::Data, None),
            (State::Data, _) | (State::Command, IAC) => (State::Data, Some(byte)),
            (State::Command, WILL | WONT | DO | DONT) => (State::Negotiation(byte), None),
            (State::Command, SB) => {
                self.begin_subnegotiation();
                (State::Subnegotiation, None)
            }
            (State::Command, ..EOF) => (State::Data, Some(byte)),
            (State::Command, _) if self.lacking > 0 && mistaken(byte).is_some() => {
                (State::Data, mistaken(byte))
            }
            (State::Command, AYT) => {
                replies.extend_from_slice(HERE);
                (State::Data, None)
            }
            (State::Command, _) if mode == LineMode::Raw => (State::Data, None),
            (State::Command, EC) => (State::Data, Some(BACKSPACE)),
            (State::Command, EL) => (State::Data, Some(KILL)),
            (State::Command, IP | ABORT) if self.is_hiding() => (State::Data, Some(INTERRUPT)),
            (State::Command, IP | EOF | SUSP | ABORT) => {
                self.was_interrupted = true;
                replies.extend_from_slice(HOW_TO_LEAVE);
                (State::Data, None)
            }
            // Abort output and the like ask for something that we have nothing of.
            (State::Command, _) => (State::Data, None),
            (State::Negotiation(verb), option) => {
                self.negotiate(verb, option, mode, replies);
                (State::Data, None)
            }
            // What is behind it may be a command.
            (State::Subnegotiation | State::SubnegotiationCommand, _) if self.is_endless() => {
                self.state = State::Data;
                return self.next(byte, mode, replies);
            }
            (State::Subnegotiation, IAC) => (State::SubnegotiationCommand, None),
            (State::SubnegotiationCommand, SE) => {
                self.terminal.iter_mut().for_each(|terminal| terminal.end_subnegotiation());
                (State::Data, None)
            }
            (State::Subnegotiation | State::SubnegotiationCommand, _) => {
                self.terminal.iter_mut().for_each(|terminal| terminal.subnegotiate(byte));
                (State::Subnegotiation, None)
            }
        };
        self.state = state;
        data
    }

    /// Counts a byte of a subnegotiation; whether that has become too long to have an end.
    fn is_endless(&mut self) -> bool {
        self.subnegotiated += 1;
        self.subnegotiated > SUBNEGOTIATION_BYTES_MAX
    }

    fn begin_subnegotiation(&mut self) {
        self.subnegotiated = 0;
        if let Some(terminal) = &mut self.terminal {
            terminal.begin_subnegotiation();
        }
    }

    fn negotiate(&mut self, verb: u8, option: u8, mode: LineMode, replies: &mut Vec<u8>) {
        let terminal = self.terminal.get_or_insert_default();
        if mode == LineMode::Telnet {
            terminal.note_telnet();
        }
        terminal.told(verb, option, replies);
        if (verb, option) == (DO, TIMING_MARK) && std::mem::take(&mut self.was_interrupted) {
            replies.extend_from_slice(HOW_TO_LEAVE);
        }
    }

    // ---- The terminal ----

    /// Whether what is typed is to be hidden.
    pub fn is_hiding(&self) -> bool {
        self.terminal.as_ref().is_some_and(|terminal| terminal.is_hiding())
    }

    /// Whether it is hidden by the terminal.
    pub fn is_hidden(&self) -> bool {
        self.terminal.as_ref().is_some_and(|terminal| terminal.is_hidden())
    }

    /// Has the terminal hide what is typed, or show it again; appends what tells it so to `out`.
    pub fn set_hiding(&mut self, hides: bool, out: &mut Vec<u8>) {
        self.terminal.get_or_insert_default().set_hiding(hides, out);
    }

    /// Has the line edited here, or by the terminal; appends what asks it so to `out`.
    pub fn set_editing(&mut self, on: bool, out: &mut Vec<u8>) {
        self.terminal.get_or_insert_default().set_editing(on, out);
    }

    pub fn editor(&self) -> Option<&Editor> {
        self.terminal.as_ref()?.editor()
    }

    pub fn drop_ended_editor(&mut self) {
        if let Some(terminal) = &mut self.terminal {
            terminal.drop_ended_editor();
        }
    }

    pub fn editor_mut(&mut self) -> Option<&mut Editor> {
        self.terminal.as_mut()?.editor_mut()
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

    /// What is offered to who negotiates: its line is edited here if it agrees.
    const OFFER: &[u8] = &[IAC, WILL, 3, IAC, DO, 31];

    /// The data and the replies that come of `pieces`.
    fn filter(pieces: &[&[u8]], mode: LineMode) -> (Vec<u8>, Vec<u8>) {
        let (mut telnet, mut data, mut replies) = (Telnet::default(), Vec::new(), Vec::new());
        for piece in pieces {
            let mut bytes = piece.to_vec();
            let kept = telnet.filter(&mut bytes, mode, &mut replies);
            data.extend_from_slice(&bytes[..kept]);
        }
        (data, replies)
    }

    #[track_caller]
    fn expect(input: &[u8], data: &[u8], replies: &[u8]) {
        expect_in(LineMode::Telnet, input, data, replies);
    }

    #[track_caller]
    fn expect_in(mode: LineMode, input: &[u8], data: &[u8], replies: &[u8]) {
        for at in 0..=input.len() {
            let (a, b) = input.split_at(at);
            assert_eq!(filter(&[a, b], mode), (data.to_vec(), replies.to_vec()), "split at {at}");
        }
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(filter(&bytes, mode), (data.to_vec(), replies.to_vec()), "byte by byte");
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
        let refused = [IAC, DONT, 1, IAC, WONT, 1, IAC, DONT, 255];
        expect_in(LineMode::Raw, &offer, b"x", &refused);
    }

    #[test]
    fn every_timing_mark_is_answered() {
        let abort = [IAC, 245, IAC, DO, TIMING_MARK];
        let answer = [IAC, WONT, TIMING_MARK];
        expect(&[abort, abort].concat(), b"", &[&answer, OFFER, &answer].concat());
        let interrupt = [IAC, IP, IAC, DO, TIMING_MARK];
        let told = [HOW_TO_LEAVE, &answer, OFFER, HOW_TO_LEAVE].concat();
        expect(&[interrupt, abort].concat(), b"", &[&told[..], &answer].concat());
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
    fn what_asks_for_nothing_that_we_have_does_no_harm() {
        let mut input = b"he".to_vec();
        for command in [239, 241, 242, 243, 245, 249, SE] {
            input.extend([IAC, command]);
        }
        input.extend(b"llo\n");
        expect(&input, b"hello\n", b"");
    }

    #[test]
    fn keys_that_mean_to_leave_are_told_how() {
        for command in [IP, EOF, SUSP, ABORT] {
            expect(&[b'a', IAC, command, b'b'], b"ab", HOW_TO_LEAVE);
        }
    }

    /// What speaks no telnet: Latin-1, say.
    #[test]
    fn no_end_of_a_line_is_taken_for_a_command() {
        expect(b"a\xff\nb\xff\r\n\xffc", b"a\nb\r\nc", b"");
    }

    #[test]
    fn a_subnegotiation_without_an_end_ends() {
        let bytes_max = usize::from(SUBNEGOTIATION_BYTES_MAX);
        let filler = vec![b'x'; bytes_max - 1];
        expect(&[&[IAC, SB], &filler[..], b"hello\n"].concat(), b"ello\n", b"");
        let (with_end, after) = ([&[IAC, SB], &filler[2..], &[IAC, SE]].concat(), b"hello\n");
        expect(&[&with_end[..], after].concat(), after, b"");
    }

    /// What GNU telnet sends for a line of Japanese, as it was captured.
    #[test]
    fn a_character_is_whole_although_telnet_took_a_byte_of_it_for_a_command() {
        let mark = [IAC, DO, TIMING_MARK];
        let sakura = [&[0xE6, 0xA1, IAC, 243][..], &mark].concat();
        let ku = [&[0xE3, 0x81, IAC, 245][..], &mark].concat();
        let input = [b"/nick ", &sakura[..], "さ".as_bytes(), &ku, b"\n"].concat();
        let answer = [IAC, WONT, TIMING_MARK];
        let answers = [&answer, OFFER, &answer].concat();
        expect(&input, "/nick 桜さく\n".as_bytes(), &answers);
        // Between characters the same commands are commands.
        let input = [&[IAC, 243, b'a', IAC, 245][..], "さ".as_bytes(), &[IAC, 245, b'\n']].concat();
        expect(&input, "aさ\n".as_bytes(), b"");
    }

    /// Where lines go back as they came.
    #[test]
    fn raw_bytes_are_exact_but_for_telnets_own() {
        let raw = |input: &[u8], data: &[u8], replies: &[u8]| {
            expect_in(LineMode::Raw, input, data, replies);
        };
        let bytes: Vec<u8> = (0..IAC).collect();
        raw(&bytes, &bytes, b"");
        raw(&[IAC, WILL, 31, b'a', IAC, IAC, b'b', b'\n'], b"ab\n", &[IAC, DONT, 31]);
        raw(&[b'a', IAC, EC, IAC, EL, IAC, IP, IAC, EOF, b'\n'], b"a\n", b"");
        // 日本語 and ハロー as GNU telnet sends them.
        let mark = [IAC, DO, TIMING_MARK];
        let answer = [IAC, WONT, TIMING_MARK];
        let go = [&[0xE8, 0xAA, 0x9E][..], b"\r\n"].concat();
        let hon = [&[0xE6, IAC, 243][..], &mark, &[0xAC]].concat();
        raw(&["日".as_bytes(), &hon, &go].concat(), "日本語\r\n".as_bytes(), &answer);
        let ha = [&[0xE3, IAC, IP][..], &mark, &[IAC, 245], &mark].concat();
        raw(
            &[&ha, "ロー\r\n".as_bytes()].concat(),
            "ハロー\r\n".as_bytes(),
            &[answer, answer].concat(),
        );
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

    #[test]
    fn what_follows_a_subnegotiation_without_an_end_is_read_as_ever() {
        let endless = [&[IAC, SB][..], &[7; SUBNEGOTIATION_BYTES_MAX as usize]].concat();
        expect(&[&endless[..], b"a"].concat(), b"a", b"");
        expect(&[&endless[..], &[IAC, AYT], b"a"].concat(), b"a", HERE);
        expect(&[&endless[..], &[IAC, IAC]].concat(), &[IAC], b"");
        expect_in(LineMode::Raw, &[&endless[..], &[IAC, IAC], b"a"].concat(), b"a", b"");
    }

    /// A terminal as RFC 1143 wants it: agrees to all that it is offered, and confirms all that is
    /// taken back, when it comes to that.
    #[derive(Default)]
    struct Agreeing {
        on: [bool; 32],
        /// On its way to it.
        told: Vec<u8>,
        /// On its way from it.
        says: Vec<u8>,
    }

    impl Agreeing {
        fn read(&mut self) {
            let Some([iac, verb, option]) = self.told.first_chunk().copied() else { return };
            self.told.drain(..3);
            assert_eq!(iac, IAC);
            let answer = match verb {
                WILL => DO,
                WONT => DONT,
                DO => WILL,
                _ => WONT,
            };
            let on = matches!(verb, WILL | DO);
            let was = std::mem::replace(&mut self.on[usize::from(option)], on);
            assert_ne!(was, on, "it is told what it does already: {verb} {option}");
            self.says.extend([IAC, answer, option]);
        }
    }

    proptest! {
        /// However late answers are, both sides end with what was wanted last, and nobody is asked
        /// for what is so already.
        #[test]
        fn both_sides_agree_in_the_end(steps in prop::collection::vec(0..8u8, 0..60)) {
            let (mut telnet, mut terminal) = (Telnet::default(), Agreeing::default());
            let (mut hides, mut has_hidden, mut edits) = (false, false, None);
            let listen = |telnet: &mut Telnet, terminal: &mut Agreeing, bytes: usize| {
                let bytes = bytes.min(terminal.says.len());
                let mut said: Vec<u8> = terminal.says.drain(..bytes).collect();
                let kept = telnet.filter(&mut said, LineMode::Telnet, &mut terminal.told);
                assert_eq!(kept, 0, "all is protocol");
            };
            for step in steps {
                match step {
                    0 | 1 => {
                        hides = step == 1;
                        has_hidden |= hides;
                        telnet.set_hiding(hides, &mut terminal.told);
                        prop_assert_eq!(telnet.is_hiding(), hides);
                    }
                    2 | 3 => {
                        edits = Some(step == 3);
                        telnet.set_editing(step == 3, &mut terminal.told);
                    }
                    4 => terminal.read(),
                    bytes => listen(&mut telnet, &mut terminal, usize::from(bytes - 4)),
                }
            }
            while !terminal.told.is_empty() || !terminal.says.is_empty() {
                terminal.read();
                listen(&mut telnet, &mut terminal, 3);
            }
            // What has been asked once has answered, and is known to speak telnet.
            let edits = edits.unwrap_or(has_hidden);
            prop_assert_eq!(terminal.on[1], hides || edits);
            prop_assert_eq!((terminal.on[3], terminal.on[31]), (edits, edits));
            prop_assert_eq!(telnet.editor().is_some_and(|editor| !editor.has_ended()), edits);
            prop_assert_eq!(telnet.is_hidden(), hides && !edits);
        }
    }

    proptest! {
        // Long inputs show more than many.
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Replies are bounded by the number of options, whatever comes, but for the two that have
        /// to be repeated.
        #[test]
        fn no_negotiation_loop(input in prop::collection::vec(
            prop_oneof![Just(IAC), Just(WILL), Just(DO), Just(DONT), Just(WONT), 200..=255u8], 0..4000)) {
            let (_, replies) = filter(&[&input], LineMode::Telnet);
            let marks = input.windows(3).filter(|w| *w == [IAC, DO, TIMING_MARK]).count();
            let told = |w: &&[u8]| w[0] == IAC && matches!(w[1], AYT | IP | EOF | SUSP | ABORT);
            let told = input.windows(2).filter(told).count();
            prop_assert!(replies.len() <= OFFER.len() + 3 * (512 + marks) + 2 * HOW_TO_LEAVE.len() * told);
        }
    }
}
