//! The other end of telnet: a program that leaves it to the server what is shown of what is typed.
//!
//! It asks the server to echo and to be sent each key, and tells it how large the terminal is. A
//! server that does not want to leaves the line to the terminal.

use memchr::memchr;

use super::agreement::Agreement;
use super::editor::Size;
use super::telnet::{SB, SE, State};
use super::terminal::{
    DO, DONT, ECHO, IAC, SUPPRESS_GO_AHEAD, TIMING_MARK, WILL, WINDOW_SIZE, WONT,
};

/// What has been agreed on with a server.
#[derive(Debug, Default)]
pub struct TelnetClient {
    state: State,
    /// On the server's side.
    echo: Agreement,
    go_ahead: Agreement,
    /// On ours.
    window: Agreement,
    /// Of the terminal. Without one there is nothing to agree on.
    size: Option<Size>,
}

impl TelnetClient {
    /// Of a pipe: nothing is agreed on.
    pub fn pipe() -> TelnetClient {
        TelnetClient::default()
    }

    /// Of a terminal; appends what is asked for at the beginning to `out`.
    pub fn terminal(size: Size, out: &mut Vec<u8>) -> TelnetClient {
        let mut client = TelnetClient { size: Some(size), ..TelnetClient::default() };
        say(WINDOW_SIZE, client.window.set(true), out);
        say(ECHO, client.echo.set(true), out);
        say(SUPPRESS_GO_AHEAD, client.go_ahead.set(true), out);
        client
    }

    /// Appends to all that a pipe has said what every server of ours answers, whatever it has to say to
    /// the rest: so it is known that one has heard it.
    pub fn end_pipe(out: &mut Vec<u8>) {
        out.extend_from_slice(&[IAC, DO, TIMING_MARK]);
    }

    /// Whether the server shows what is typed: it is to be sent each key, and the terminal to show
    /// nothing.
    pub fn is_echoed(&self) -> bool {
        self.echo == Agreement::On
    }

    /// Appends what is typed to `out`, as data: a byte 255 is written twice (RFC 854).
    pub fn escape(typed: &[u8], out: &mut Vec<u8>) {
        for &byte in typed {
            out.push(byte);
            if byte == IAC {
                out.push(IAC);
            }
        }
    }

    /// The terminal has another size; appends what tells the server so to `out`.
    pub fn set_size(&mut self, size: Size, out: &mut Vec<u8>) {
        self.size = Some(size);
        if self.window == Agreement::On {
            say_size(size, out);
        }
    }

    /// Appends what is to be shown of what the server has sent to `shown`, and answers to `out`.
    pub fn receive(&mut self, mut bytes: &[u8], shown: &mut Vec<u8>, out: &mut Vec<u8>) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.state == State::Data {
                let end = memchr(IAC, bytes).unwrap_or(bytes.len());
                shown.extend_from_slice(&bytes[..end]);
                bytes = &bytes[end..];
                if !bytes.is_empty() {
                    self.state = State::Command;
                    bytes = &bytes[1..];
                }
                continue;
            }
            self.state = match (self.state, byte) {
                (State::Command, WILL | WONT | DO | DONT) => State::Negotiation(byte),
                (State::Command, SB) => State::Subnegotiation,
                (State::Command, IAC) => {
                    shown.push(IAC);
                    State::Data
                }
                (State::Negotiation(verb), option) => {
                    self.told(verb, option, out);
                    State::Data
                }
                (State::Subnegotiation, IAC) => State::SubnegotiationCommand,
                (State::SubnegotiationCommand, SE) => State::Data,
                (State::Subnegotiation | State::SubnegotiationCommand, _) => State::Subnegotiation,
                // What asks for nothing, such as "go ahead".
                (State::Command | State::Data, _) => State::Data,
            };
            bytes = rest;
        }
    }

    fn told(&mut self, verb: u8, option: u8, out: &mut Vec<u8>) {
        let agreement = match (verb, option) {
            (WILL | WONT, ECHO) => &mut self.echo,
            (WILL | WONT, SUPPRESS_GO_AHEAD) => &mut self.go_ahead,
            (DO | DONT, WINDOW_SIZE) => &mut self.window,
            _ => return refuse(verb, option, out),
        };
        if self.size.is_none() {
            return refuse(verb, option, out);
        }
        let was_on = *agreement == Agreement::On;
        let answer = agreement.told(matches!(verb, WILL | DO), true);
        // The server may change its mind: who types says when.
        agreement.forgive();
        say(option, answer, out);
        if let Some(size) = self.size
            && option == WINDOW_SIZE
            && !was_on
            && self.window == Agreement::On
        {
            say_size(size, out);
        }
    }
}

/// Appends that an option of ours is on or off, or that one of the server's shall be.
fn say(option: u8, say: Option<bool>, out: &mut Vec<u8>) {
    let verb = match (option, say) {
        (_, None) => return,
        (WINDOW_SIZE, Some(true)) => WILL,
        (WINDOW_SIZE, Some(false)) => WONT,
        (_, Some(true)) => DO,
        (_, Some(false)) => DONT,
    };
    out.extend_from_slice(&[IAC, verb, option]);
}

/// What is off already needs no answer.
fn refuse(verb: u8, option: u8, out: &mut Vec<u8>) {
    match verb {
        WILL => out.extend_from_slice(&[IAC, DONT, option]),
        DO => out.extend_from_slice(&[IAC, WONT, option]),
        _ => {}
    }
}

/// In a subnegotiation a byte of 255 is doubled (RFC 1073).
fn say_size(size: Size, out: &mut Vec<u8>) {
    out.extend_from_slice(&[IAC, SB, WINDOW_SIZE]);
    for byte in [size.columns, size.rows].into_iter().flat_map(u16::to_be_bytes) {
        out.push(byte);
        if byte == IAC {
            out.push(IAC);
        }
    }
    out.extend_from_slice(&[IAC, SE]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::wire::editor::Editor;
    use crate::wire::line::LineMode;
    use crate::wire::telnet::Telnet;

    const SIZE: Size = Size { columns: 255, rows: 24 };
    const SAYS_SIZE: &[u8] = &[IAC, SB, 31, 0, IAC, IAC, 0, 24, IAC, SE];

    #[test]
    fn what_is_no_text_is_not_shown_wherever_it_is_cut() {
        let input = [
            &b"one"[..],
            &[IAC, WILL, 24, IAC, DO, 6, IAC, WONT, 24, IAC, 249],
            &[IAC, SB, 24, 1, IAC, IAC, b'x', IAC, SE],
            b"two\r\n",
            &[IAC, IAC, b'!'],
        ]
        .concat();
        for at in 0..=input.len() {
            let (mut client, mut shown, mut out) = (TelnetClient::pipe(), vec![], vec![]);
            client.receive(&input[..at], &mut shown, &mut out);
            client.receive(&input[at..], &mut shown, &mut out);
            assert_eq!(shown, [&b"onetwo\r\n"[..], &[IAC, b'!']].concat(), "split at {at}");
            assert_eq!(out, [IAC, DONT, 24, IAC, WONT, 6], "split at {at}");
        }
    }

    #[test]
    fn a_pipe_agrees_to_nothing() {
        let (mut client, mut shown, mut out) = (TelnetClient::pipe(), vec![], vec![]);
        client.receive(&[IAC, WILL, ECHO, IAC, DO, WINDOW_SIZE], &mut shown, &mut out);
        assert_eq!(out, [IAC, DONT, ECHO, IAC, WONT, WINDOW_SIZE]);
        assert!(!client.is_echoed() && shown.is_empty());
    }

    /// What each of both says to the other until neither has anything to say.
    fn settle(client: &mut TelnetClient, server: &mut Telnet, out: &mut Vec<u8>) {
        let mut replies = Vec::new();
        for _ in 0..10 {
            server.filter(out, LineMode::Telnet, &mut replies);
            out.clear();
            client.receive(&replies, &mut Vec::new(), out);
            replies.clear();
        }
        assert!(out.is_empty(), "they do not come to an end");
    }

    #[test]
    fn it_agrees_with_the_server() {
        let (mut server, mut out) = (Telnet::default(), Vec::new());
        let mut client = TelnetClient::terminal(SIZE, &mut out);
        assert_eq!(out, [IAC, WILL, 31, IAC, DO, 1, IAC, DO, 3]);
        assert!(!client.is_echoed(), "the server has not said so");
        let is_edited =
            |server: &Telnet| server.editor().is_some_and(|editor: &Editor| !editor.has_ended());
        settle(&mut client, &mut server, &mut out);
        assert!(client.is_echoed() && is_edited(&server));
        let mut said = Vec::new();
        client.set_size(SIZE, &mut said);
        assert_eq!(said, SAYS_SIZE);
        // Its user gives the line back to the terminal, and takes it again; more than once.
        for on in [false, true, false, true] {
            let mut told = Vec::new();
            server.set_editing(on, &mut told);
            client.receive(&told, &mut Vec::new(), &mut out);
            settle(&mut client, &mut server, &mut out);
            assert_eq!((client.is_echoed(), is_edited(&server)), (on, on));
            said.clear();
            client.set_size(SIZE, &mut said);
            assert_eq!(said.is_empty(), !on, "the size is told while it is asked for");
        }
    }

    #[test]
    fn a_server_that_does_not_edit_leaves_the_line_to_the_terminal() {
        let mut out = Vec::new();
        let mut client = TelnetClient::terminal(SIZE, &mut out);
        out.clear();
        client.receive(&[IAC, WONT, 1, IAC, WONT, 3, IAC, DONT, 31], &mut Vec::new(), &mut out);
        assert!(out.is_empty() && !client.is_echoed());
    }
    proptest! {
        /// However late what each says reaches the other, and whatever its user wants meanwhile.
        #[test]
        fn they_agree_in_the_end(steps in prop::collection::vec(0..8u8, 0..60)) {
            let (mut server, mut to_server, mut to_client) = (Telnet::default(), vec![], vec![]);
            let mut client = TelnetClient::terminal(SIZE, &mut to_server);
            let (mut hides, mut edits) = (false, true);
            for step in steps {
                match step {
                    0 | 1 => {
                        hides = step == 1;
                        server.set_hiding(hides, &mut to_client);
                    }
                    2 | 3 => {
                        edits = step == 3;
                        server.set_editing(edits, &mut to_client);
                    }
                    4 | 5 => {
                        let count = to_server.len().min(usize::from(step));
                        let mut said: Vec<u8> = to_server.drain(..count).collect();
                        server.filter(&mut said, LineMode::Telnet, &mut to_client);
                    }
                    _ => {
                        let count = to_client.len().min(usize::from(step - 3));
                        let told: Vec<u8> = to_client.drain(..count).collect();
                        client.receive(&told, &mut Vec::new(), &mut to_server);
                    }
                }
            }
            while !(to_server.is_empty() && to_client.is_empty()) {
                server.filter(&mut std::mem::take(&mut to_server), LineMode::Telnet, &mut to_client);
                let told = std::mem::take(&mut to_client);
                client.receive(&told, &mut Vec::new(), &mut to_server);
            }
            let is_edited = server.editor().is_some_and(|editor| !editor.has_ended());
            prop_assert_eq!(is_edited, edits);
            prop_assert_eq!(client.is_echoed(), hides || edits);
            prop_assert_eq!(client.window == Agreement::On, edits);
        }
    }
}
