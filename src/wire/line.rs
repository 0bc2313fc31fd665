//! Lines: what telnet, `nc` and tcpkali speak.

use memchr::{memchr, memchr2};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::wire::close::CloseReason;
use crate::wire::detect::{FirstLine, Foreign, Payload, first_line, has_words, is_header_field};
use crate::wire::editor::{Editor, Event};
use crate::wire::keys;
use crate::wire::telnet::Telnet;
use crate::wire::{Protocols, Shared, Step};

/// The answer to a first line that begins as a request does and is none.
const ALMOST_REQUEST: &[u8] =
    b"! This looks like a request for a web server, so it was not said. Type it again to say it.\r\n";

/// Why a line cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("line too long: at most {bytes_max} bytes are allowed (--max-message-bytes)")]
pub struct LineTooLong {
    /// The limit, in bytes.
    pub bytes_max: usize,
}

/// What ends a line and what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LineMode {
    /// LF ends a line and belongs to it; every other byte is payload, but for telnet's own.
    Raw,
    /// LF, CR LF and CR NUL end a line (RFC 854) and are not part of it, and so does a CR alone:
    /// terminals in raw mode send nothing else. Telnet's own bytes are taken out.
    Telnet,
}

impl LineMode {
    /// How a line of the server's own ends.
    pub fn ending(self) -> &'static str {
        match self {
            LineMode::Raw => "\n",
            LineMode::Telnet => "\r\n",
        }
    }
}

/// A line at the start of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The message is this long.
    pub content: usize,
    /// The next line starts here.
    pub used: usize,
}

/// What is known of the first line that is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum First {
    Awaited,
    /// It may have been a request: what comes next will show.
    Doubted,
    Seen,
}

/// The line decoder of one client.
///
/// Invariant: no line ends within the first `scanned` bytes of the input it will be given next, so
/// a long line that arrives in many pieces is searched once.
#[derive(Debug, Serialize, Deserialize)]
pub struct Line {
    mode: LineMode,
    telnet: Telnet,
    /// Messages are far shorter than 4 GiB; idle clients are many.
    scanned: u32,
    first: First,
    /// A line of it has been passed on.
    has_spoken: bool,
    /// The last line ended in a CR, behind which nothing had come yet: an LF or a NUL there belongs
    /// to it.
    ended_in_cr: bool,
}

impl Line {
    pub fn new(mode: LineMode) -> Line {
        Line {
            mode,
            telnet: Telnet::default(),
            scanned: 0,
            first: First::Awaited,
            has_spoken: false,
            ended_in_cr: false,
        }
    }

    pub fn mode(&self) -> LineMode {
        self.mode
    }

    /// What the line is that `input` begins with.
    #[inline]
    pub(super) fn step<'i, 's>(
        &mut self,
        input: &'i mut [u8],
        shared: &Shared,
    ) -> (Step<'i, 's>, usize) {
        if self.is_edited() {
            return self.step_of_editor(input, shared);
        }
        match self.decode(input, shared.message_bytes_max) {
            Ok(Some(cut)) => (self.read(&mut input[..cut.content], shared), cut.used),
            // On a port for lines only, TLS waits for an answer to what ends no line.
            Ok(None) if self.is_stranger(shared) && input.starts_with(&[0x16, 0x03]) => {
                (Step::Close(CloseReason::Foreign(Foreign::Tls)), 0)
            }
            Ok(None) if self.is_left(input, shared) => {
                self.scanned = 0;
                // Who is asked for a secret takes that back, as with an empty line.
                let step = match self.is_hiding() {
                    true => Step::Line(b""),
                    false => Step::Control(keys::HOW_TO_LEAVE.to_vec()),
                };
                (step, input.len())
            }
            Ok(None) => (Step::NeedMore, 0),
            Err(error) => (Step::Close(CloseReason::TooLong(error)), 0),
        }
    }

    /// What keys lead to where the line is edited here. Nobody negotiates and is no person.
    fn step_of_editor<'s>(&mut self, input: &[u8], shared: &Shared) -> (Step<'s, 's>, usize) {
        self.scanned = 0;
        let Some(editor) = self.telnet.editor_mut() else { return (Step::NeedMore, 0) };
        let (event, used) = editor.take(input, shared.message_bytes_max);
        editor.count(&shared.account);
        let step = match event {
            Some(Event::Leave) => Step::Control(keys::HOW_TO_LEAVE.to_vec()),
            Some(event) => {
                (self.first, self.has_spoken) = (First::Seen, true);
                Step::Typed(event)
            }
            None if used == 0 => Step::NeedMore,
            None => Step::Control(Vec::new()),
        };
        (step, used)
    }

    /// What the last line is, which nothing has ended.
    pub(super) fn step_at_end<'i>(&mut self, input: &'i mut [u8], shared: &Shared) -> Step<'i, 'i> {
        let is_said = !self.is_stranger(shared) || has_words(input);
        match is_said && !input.is_empty() {
            true => self.read(input, shared),
            false => Step::NeedMore,
        }
    }

    /// Whether the key that was pressed last means to leave. Of a stranger it may be anything, unless
    /// there is nothing else.
    fn is_left(&self, typed: &[u8], shared: &Shared) -> bool {
        self.mode == LineMode::Telnet
            && keys::mean_to_leave(typed)
            && (!self.is_stranger(shared) || keys::are_only_such(typed))
    }

    /// Whether nobody is known to speak here yet: bytes are anybody's, text is a person's.
    fn is_stranger(&self, shared: &Shared) -> bool {
        shared.payload == Payload::Text && !self.has_spoken
    }

    #[inline]
    fn read<'i, 's>(&mut self, line: &'i mut [u8], shared: &Shared) -> Step<'i, 's> {
        if !self.is_hiding() && self.is_left(line, shared) {
            return Step::Control(keys::HOW_TO_LEAVE.to_vec());
        }
        let length = self.edit(line);
        let line = &line[..length];
        let judged = self.judge(line, |line| match (shared.payload, shared.protocols) {
            // Where bytes are passed on as they come, a port that speaks lines only takes any.
            (Payload::Bytes, Protocols::Line) => FirstLine::Text,
            _ => first_line(line, shared.payload),
        });
        match judged {
            FirstLine::Request => Step::Close(CloseReason::Late),
            FirstLine::Foreign(foreign) => Step::Close(CloseReason::Foreign(foreign)),
            FirstLine::AlmostRequest => Step::Control(ALMOST_REQUEST.to_vec()),
            FirstLine::Text => {
                self.has_spoken = true;
                Step::Line(line)
            }
        }
    }

    /// Looks at bytes that have just arrived, before they are added to the input: returns how many
    /// of them, at the front, are to be added; appends what has to be answered to `replies`.
    pub fn arrive(&mut self, bytes: &mut [u8], replies: &mut Vec<u8>) -> usize {
        let arrived = self.telnet.filter(bytes, self.mode, replies);
        match self.mode {
            LineMode::Raw => arrived,
            LineMode::Telnet => self.without_rest_of_ending(&mut bytes[..arrived]),
        }
    }

    /// Takes out what belongs to the ending of a line that has been served already.
    fn without_rest_of_ending(&mut self, bytes: &mut [u8]) -> usize {
        let Some(first) = bytes.first() else { return 0 };
        let is_rest = self.ended_in_cr && matches!(first, b'\n' | 0);
        self.ended_in_cr = false;
        if is_rest {
            bytes.copy_within(1.., 0);
        }
        bytes.len() - usize::from(is_rest)
    }

    /// Has a terminal hide what is typed from now on, or show it again; appends what tells it so to
    /// `out`. Bytes that are passed on as they come know nothing of that.
    pub fn set_hiding(&mut self, hides: bool, out: &mut Vec<u8>) {
        if self.mode == LineMode::Telnet {
            self.telnet.set_hiding(hides, out);
        }
    }

    /// Has the line edited here, or by the terminal; appends what asks it so to `out`.
    pub fn set_editing(&mut self, on: bool, out: &mut Vec<u8>) {
        if self.mode == LineMode::Telnet {
            self.telnet.set_editing(on, out);
        }
    }

    pub fn editor(&self) -> Option<&Editor> {
        self.telnet.editor()
    }

    /// Whether keys go to the editor.
    pub(super) fn is_edited(&self) -> bool {
        self.editor().is_some_and(|editor| !editor.has_ended())
    }

    pub fn drop_ended_editor(&mut self) {
        self.telnet.drop_ended_editor();
    }

    pub fn editor_mut(&mut self) -> Option<&mut Editor> {
        self.telnet.editor_mut()
    }

    pub fn is_hiding(&self) -> bool {
        self.telnet.is_hiding()
    }

    /// What follows the line that has just been typed: where that was hidden the cursor has not
    /// moved.
    pub fn line_feed(&self) -> &'static [u8] {
        if self.telnet.is_hidden() { b"\r\n" } else { b"" }
    }

    /// Judges one line after the other: they are text but for the first one that is not empty,
    /// which `judge` tells.
    pub fn judge(&mut self, line: &[u8], judge: impl FnOnce(&[u8]) -> FirstLine) -> FirstLine {
        // Nearly every line comes after the first one, and needs no look.
        if self.first == First::Seen {
            return FirstLine::Text;
        }
        let is_empty = line.trim_ascii().is_empty();
        match self.first {
            First::Awaited if is_empty => return FirstLine::Text,
            // A head goes on, or has come to its end.
            First::Doubted if is_empty || is_header_field(line) => return FirstLine::Request,
            First::Awaited | First::Doubted | First::Seen => {}
        }
        let was_doubted = self.first == First::Doubted;
        self.first = First::Seen;
        match judge(line) {
            FirstLine::AlmostRequest if was_doubted => FirstLine::Text,
            FirstLine::AlmostRequest => {
                self.first = First::Doubted;
                FirstLine::AlmostRequest
            }
            first => first,
        }
    }

    /// Does what the keys among a line mean; returns how long the line is then.
    pub fn edit(&self, line: &mut [u8]) -> usize {
        match self.mode {
            LineMode::Raw => line.len(),
            LineMode::Telnet => keys::edit(line),
        }
    }

    /// The first line of `input`; `None` means more bytes are needed.
    ///
    /// # Errors
    /// A line of more than `bytes_max` bytes, its ending not counted.
    #[inline]
    pub fn decode(&mut self, input: &[u8], bytes_max: usize) -> Result<Option<Cut>, LineTooLong> {
        let cut = match self.mode {
            LineMode::Raw => self.find_raw(input),
            LineMode::Telnet => self.find_telnet(input),
        };
        let payload = match cut {
            None => input.len(),
            Some(cut) => cut.content - usize::from(self.mode == LineMode::Raw),
        };
        if payload > bytes_max {
            return Err(LineTooLong { bytes_max });
        }
        self.scanned = if cut.is_some() { 0 } else { u32::try_from(input.len()).unwrap_or(0) };
        if cut.is_some_and(|cut| cut.used == input.len()) {
            self.ended_in_cr = input.ends_with(b"\r");
        }
        Ok(cut)
    }

    fn find_raw(&self, input: &[u8]) -> Option<Cut> {
        let from = self.scanned as usize;
        let used = from + memchr(b'\n', &input[from..])? + 1;
        Some(Cut { content: used, used })
    }

    fn find_telnet(&self, input: &[u8]) -> Option<Cut> {
        let from = self.scanned as usize;
        let content = from + memchr2(b'\n', b'\r', &input[from..])?;
        let is_pair = input[content] == b'\r' && matches!(input.get(content + 1), Some(b'\n' | 0));
        let ending = 1 + usize::from(is_pair);
        Some(Cut { content, used: content + ending })
    }
}

/// Appends the line that says why, if there is anything to say.
pub(super) fn write_close(
    mode: LineMode,
    reason: CloseReason,
    payload: Payload,
    out: &mut Vec<u8>,
) {
    let ending = mode.ending();
    match reason {
        CloseReason::TooLong(_)
        | CloseReason::Late
        | CloseReason::Plain
        | CloseReason::TooSlow
        | CloseReason::OutOfMemory => {
            out.extend_from_slice(format!("! {reason}{ending}").as_bytes());
        }
        CloseReason::NotStored if payload == Payload::Text => {
            let line = "! The server could not store what was said last. Connect again.";
            out.extend_from_slice(format!("{line}{ending}").as_bytes());
        }
        CloseReason::GoingAway | CloseReason::Restarting if payload == Payload::Text => {
            out.extend_from_slice(format!("* Goodbye: {reason}.{ending}").as_bytes());
        }
        CloseReason::Done
        | CloseReason::Answer(_)
        | CloseReason::Foreign(_)
        | CloseReason::Header(_)
        | CloseReason::Broken(_)
        | CloseReason::Unsupported(_)
        | CloseReason::Silent
        | CloseReason::Banned
        | CloseReason::NotStored
        | CloseReason::Superseded
        | CloseReason::Restarting
        | CloseReason::GoingAway => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Decodes `pieces` as they would arrive: a growing buffer that is searched after each of them.
    fn decode(
        mode: LineMode,
        pieces: &[&[u8]],
        bytes_max: usize,
    ) -> (Vec<Vec<u8>>, Result<Vec<u8>, LineTooLong>) {
        let (mut line, mut inbox, mut lines) = (Line::new(mode), Vec::new(), Vec::new());
        for piece in pieces {
            let mut piece = piece.to_vec();
            let arrived = line.arrive(&mut piece, &mut Vec::new());
            inbox.extend_from_slice(&piece[..arrived]);
            loop {
                match line.decode(&inbox, bytes_max) {
                    Ok(Some(cut)) => {
                        lines.push(inbox[..cut.content].to_vec());
                        inbox.drain(..cut.used);
                    }
                    Ok(None) => break,
                    Err(error) => return (lines, Err(error)),
                }
            }
        }
        (lines, Ok(inbox))
    }

    #[track_caller]
    fn expect(mode: LineMode, input: &[u8], lines: &[&[u8]], rest: &[u8]) {
        let whole = (lines.iter().map(|line| line.to_vec()).collect(), Ok(rest.to_vec()));
        for at in 0..=input.len() {
            let (a, b) = input.split_at(at);
            assert_eq!(decode(mode, &[a, b], 64), whole, "split at {at}");
        }
        let bytes: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(decode(mode, &bytes, 64), whole, "byte by byte");
    }

    #[test]
    fn raw_lines_keep_their_endings_and_every_byte() {
        let lines: [&[u8]; 3] = [b"one\r\n", b"\n", b"\xfe\x80\0two\r\0\n"];
        expect(LineMode::Raw, b"one\r\n\n\xfe\x80\xff\xfb\x01\0two\r\0\nrest", &lines, b"rest");
    }

    #[test]
    fn telnet_lines_end_in_four_ways() {
        let input = b"one\ntwo\r\nthree\r\0\r\nfour\rfi\0ve\n\r\r\xff\xf1six\xff\xff\n\nrest";
        let lines: [&[u8]; 10] =
            [b"one", b"two", b"three", b"", b"four", b"fi\0ve", b"", b"", b"six\xff", b""];
        expect(LineMode::Telnet, input, &lines, b"rest");
    }

    /// Idle clients are many.
    #[test]
    fn a_line_that_is_awaited_takes_few_bytes() {
        assert_eq!(size_of::<Line>(), 24);
    }

    #[test]
    fn the_limit_counts_payload_only() {
        let too_long = Err(LineTooLong { bytes_max: 4 });
        for mode in [LineMode::Raw, LineMode::Telnet] {
            assert_eq!(decode(mode, &[b"1234\n"], 4).0.len(), 1);
            assert_eq!(decode(mode, &[b"12345\n"], 4), (vec![], too_long.clone()));
            assert_eq!(decode(mode, &[b"1234"], 4), (vec![], Ok(b"1234".to_vec())));
            assert_eq!(decode(mode, &[b"12345"], 4), (vec![], too_long.clone()));
            assert_eq!(decode(mode, &[b"12", b"34", b"5"], 4), (vec![], too_long.clone()));
        }
        assert_eq!(
            decode(LineMode::Telnet, &[b"1234\r", b"\n"], 4),
            (vec![b"1234".into()], Ok(vec![]))
        );
        assert_eq!(decode(LineMode::Telnet, &[b"1234\r", b"5"], 4).0, [b"1234"]);
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
            prop_assert_eq!(decode(LineMode::Telnet, &pieces, 1000), decode(LineMode::Telnet, &[&input], 1000));
            let input: Vec<u8> = input.iter().map(|&byte| byte.min(254)).collect();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &input[w[0]..w[1]]).collect();
            let (lines, rest) = decode(LineMode::Raw, &pieces, 1000);
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
