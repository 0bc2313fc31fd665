//! Lines and telnet's commands among them, against a plain reading of RFC 854.

use chat_server::wire::line::{Line, LineMode};

use super::cuts::Cuts;

const HOW_TO_LEAVE: &[u8] = b"* Type /quit to leave.\r\n";

/// What came of an input.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    lines: Vec<Vec<u8>>,
    /// What is left at the end; `None` if a line was too long.
    rest: Option<Vec<u8>>,
    replies: Vec<u8>,
}

/// A byte of settings, then cuts, then what a client sends.
pub fn run(input: &[u8]) {
    let Some((&settings, input)) = input.split_first() else { return };
    let mode = if settings & 1 == 0 { LineMode::Telnet } else { LineMode::Raw };
    let bytes_max = [5, 20, 100, 1000][usize::from(settings >> 1 & 3)];
    let (cuts, payload) = Cuts::read(input);
    let expected = read_naively(mode, payload, bytes_max);
    let expected = Outcome { replies: without_agreements(mode, &expected.replies), ..expected };
    for cuts in [Cuts::NONE, cuts] {
        let outcome = read(mode, cuts.pieces(payload), bytes_max);
        let outcome = Outcome { replies: without_agreements(mode, &outcome.replies), ..outcome };
        assert_eq!((&outcome.lines, &outcome.rest), (&expected.lines, &expected.rest));
        // After a line that is too long nothing is read any more.
        match outcome.rest {
            Some(_) => assert_eq!(outcome.replies, expected.replies),
            None => assert!(expected.replies.starts_with(&outcome.replies)),
        }
    }
}

/// Replies without what is agreed on with a terminal, which has its own tests: echo, the go-ahead and
/// the size of the window. Where bytes are passed on as they come nothing is.
fn without_agreements(mode: LineMode, replies: &[u8]) -> Vec<u8> {
    let (mut kept, mut rest) = (Vec::new(), replies);
    while let Some((&byte, after)) = rest.split_first() {
        match rest {
            [255, 251..=254, 1 | 3 | 31, after @ ..] if mode == LineMode::Telnet => rest = after,
            [255, 251..=254, _, after @ ..] => {
                kept.extend_from_slice(&rest[..3]);
                rest = after;
            }
            _ => {
                kept.push(byte);
                rest = after;
            }
        }
    }
    kept
}

/// As the server reads: each piece is filtered as it arrives, and the inbox is searched after each.
fn read<'a>(mode: LineMode, pieces: impl Iterator<Item = &'a [u8]>, bytes_max: usize) -> Outcome {
    let (mut line, mut inbox) = (Line::new(mode), Vec::new());
    let (mut lines, mut replies) = (Vec::new(), Vec::new());
    for piece in pieces {
        let mut piece = piece.to_vec();
        let arrived = line.arrive(&mut piece, &mut replies);
        inbox.extend_from_slice(&piece[..arrived]);
        loop {
            match line.decode(&inbox, bytes_max) {
                Ok(None) => break,
                Ok(Some(cut)) => {
                    lines.push(inbox[..cut.content].to_vec());
                    inbox.drain(..cut.used);
                }
                Err(error) => {
                    assert_eq!(error.bytes_max, bytes_max);
                    return Outcome { lines, rest: None, replies };
                }
            }
        }
    }
    Outcome { lines, rest: Some(inbox), replies }
}

fn read_naively(mode: LineMode, payload: &[u8], bytes_max: usize) -> Outcome {
    let (data, replies) = take_commands_out(payload, mode == LineMode::Raw);
    let (mut lines, mut line) = (Vec::new(), Vec::new());
    let mut after_cr = false;
    for byte in data {
        let is_rest = mode == LineMode::Telnet && after_cr && matches!(byte, 0 | b'\n');
        after_cr = byte == b'\r';
        if is_rest {
            continue;
        }
        if !(byte == b'\n' || mode == LineMode::Telnet && byte == b'\r') {
            line.push(byte);
            continue;
        }
        if line.len() > bytes_max {
            return Outcome { lines, rest: None, replies };
        }
        if mode == LineMode::Raw {
            line.push(b'\n');
        }
        lines.push(std::mem::take(&mut line));
    }
    let is_too_long = line.len() > bytes_max;
    Outcome { lines, rest: (!is_too_long).then_some(line), replies }
}

/// The data and what the commands among it are answered by.
fn take_commands_out(mut input: &[u8], is_raw: bool) -> (Vec<u8>, Vec<u8>) {
    let (mut data, mut replies) = (Vec::new(), Vec::new());
    let mut refused = Vec::new();
    let mut was_interrupted = false;
    loop {
        input = match input {
            [] | [255] | [255, 251..=254] => break,
            [255, 255, rest @ ..] => {
                data.extend((!is_raw).then_some(255));
                rest
            }
            [255, 250, rest @ ..] => match after_subnegotiation(rest) {
                Some(after) => after,
                None => rest.get(512..).unwrap_or_default(),
            },
            [255, no_command @ ..236, rest @ ..] => {
                data.push(*no_command);
                rest
            }
            [255, verb @ 251..=254, option, rest @ ..] => {
                let answer = match verb {
                    253 => Some(252),
                    251 => Some(254),
                    _ => None,
                };
                let is_timing_mark = (*verb, *option) == (253, 6);
                if let Some(answer) = answer
                    && (is_timing_mark || !refused.contains(&(verb, option)))
                {
                    refused.push((verb, option));
                    replies.extend_from_slice(&[255, answer, *option]);
                }
                if is_timing_mark && std::mem::take(&mut was_interrupted) {
                    replies.extend_from_slice(HOW_TO_LEAVE);
                }
                rest
            }
            [255, command, rest @ ..] => {
                match meant(*command) {
                    Some(byte) if is_within_character(&data) => data.push(byte),
                    _ if is_raw && *command != 246 => {}
                    // Erase Character and Erase Line are what their keys send.
                    _ if *command == 247 => data.push(0x08),
                    _ if *command == 248 => data.push(0x15),
                    _ if matches!(*command, 236..=238 | 244) => {
                        was_interrupted = true;
                        replies.extend_from_slice(HOW_TO_LEAVE);
                    }
                    _ if *command == 246 => replies.extend_from_slice(b"* Yes, I am here.\r\n"),
                    _ => {}
                }
                rest
            }
            [byte, rest @ ..] => {
                data.push(*byte);
                rest
            }
        };
    }
    (data, replies)
}

/// What follows IAC SE, but for an IAC that belongs to the subnegotiation; it has 512 bytes at most.
fn after_subnegotiation(input: &[u8]) -> Option<&[u8]> {
    let whole = input.len();
    let mut input = input;
    while whole - input.len() < 511 {
        input = match input {
            [255, 240, rest @ ..] => return Some(rest),
            [255, _, rest @ ..] | [0..=254, rest @ ..] => rest,
            _ => return None,
        };
    }
    None
}

/// The byte that a telnet with 7-bit eyes took for a control character.
fn meant(command: u8) -> Option<u8> {
    let byte = match command {
        236 => 0x84,
        237 => 0x9A,
        238 | 243 => 0x9C,
        244 => 0x83,
        245 => 0x8F,
        246 => 0x94,
        248 => 0x95,
        _ => return None,
    };
    Some(byte)
}

/// Whether the last character of `data` lacks continuation bytes.
fn is_within_character(data: &[u8]) -> bool {
    let continuations = data.iter().rev().take_while(|&&byte| byte & 0xC0 == 0x80).count();
    let lead = data[..data.len() - continuations].last();
    let needed = match lead {
        Some(0xC2..=0xDF) => 1,
        Some(0xE0..=0xEF) => 2,
        Some(0xF0..=0xF4) => 3,
        _ => 0,
    };
    continuations < needed
}
