//! What has been agreed on with a terminal: who shows what is typed, and how large it is (the
//! options of RFC 854, agreed on as RFC 1143 has it). A terminal that lets us show what is typed has
//! its line edited here.

use super::agreement::Agreement;
use super::editor::{Editor, Size};
use serde::{Deserialize, Serialize};

pub(super) const DONT: u8 = 254;
pub(super) const DO: u8 = 253;
pub(super) const WONT: u8 = 252;
pub(super) const WILL: u8 = 251;
/// Interpret As Command (RFC 854): nothing but telnet begins a line with it.
pub(super) const IAC: u8 = 255;

/// Whose user sees what it types (RFC 857): the terminal shows it unless we do.
pub(super) const ECHO: u8 = 1;

/// With this and with echo on our side a terminal sends each key as it is pressed (RFC 858).
pub(super) const SUPPRESS_GO_AHEAD: u8 = 3;

/// The option whose every `DO` is answered (RFC 860): a terminal that sent one throws our output
/// away until then. All other options are states, and a state is refused once (RFC 1143: answering
/// a repetition could go on for ever).
pub const TIMING_MARK: u8 = 6;

/// How large the terminal is (RFC 1073): two bytes of columns, two of rows.
pub(super) const WINDOW_SIZE: u8 = 31;
const WINDOW_SIZE_BYTES: usize = 4;

/// Whether the line is to be edited here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Editing {
    /// Not by itself: nothing has shown that this speaks telnet.
    #[default]
    Unasked,
    Wanted,
    Unwanted,
}

/// A terminal that negotiates, or that was asked to.
///
/// Invariant: every option is off, on both sides, at all times, but for the three that are here; the
/// line is edited exactly if all that it takes is agreed on.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Terminal {
    /// On our side.
    echo: Agreement,
    go_ahead: Agreement,
    /// It wants us to echo, and has not only agreed to it.
    asks_for_echo: bool,
    /// On its side.
    window: Agreement,
    editing: Editing,
    /// The next line is a secret, and not to be shown as it is typed.
    hides: bool,
    editor: Option<Box<Editor>>,
    size: Size,
    /// The subnegotiation that is being received: its option, and what it says.
    said: [u8; 1 + WINDOW_SIZE_BYTES],
    said_bytes: usize,
    refused: Refused,
}

/// The options that were refused: a bit each, for `WILL` and for `DO`.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Refused {
    will: [u64; 4],
    r#do: [u64; 4],
}

impl Terminal {
    /// It has negotiated, so it speaks telnet. With this its line is edited, unless that is not
    /// wanted.
    pub fn note_telnet(&mut self) {
        if self.editing == Editing::Unasked {
            self.editing = Editing::Wanted;
        }
    }

    /// Its user wants the line to be edited here, or not.
    pub fn set_editing(&mut self, on: bool, out: &mut Vec<u8>) {
        self.editing = if on { Editing::Wanted } else { Editing::Unwanted };
        for agreement in [&mut self.echo, &mut self.go_ahead, &mut self.window] {
            agreement.forgive();
        }
        self.settle(out);
    }

    /// What is typed from now on is a secret, or is none any more.
    pub fn set_hiding(&mut self, hides: bool, out: &mut Vec<u8>) {
        if hides && !self.hides {
            self.echo.forgive();
        }
        self.hides = hides;
        self.settle(out);
    }

    /// Whether what is typed is to be hidden.
    pub fn is_hiding(&self) -> bool {
        self.hides
    }

    /// Whether it is hidden, and nothing is shown in its place: the terminal has agreed that showing
    /// it is our business.
    pub fn is_hidden(&self) -> bool {
        self.hides && self.echo == Agreement::On && !self.is_edited()
    }

    /// Whether keys go to the editor; it may be there without that, to take its line off the screen.
    fn is_edited(&self) -> bool {
        self.editor.as_ref().is_some_and(|editor| !editor.has_ended())
    }

    pub fn drop_ended_editor(&mut self) {
        let is_done = |editor: &mut Box<Editor>| {
            editor.has_ended() && editor.unsent().is_empty() && editor.ahead().next().is_none()
        };
        self.editor.take_if(is_done);
    }

    pub fn editor(&self) -> Option<&Editor> {
        self.editor.as_deref()
    }

    pub fn editor_mut(&mut self) -> Option<&mut Editor> {
        self.editor.as_deref_mut()
    }

    /// It has said what is to be with an option; appends the answer to `replies`.
    pub fn told(&mut self, verb: u8, option: u8, replies: &mut Vec<u8>) {
        let may_edit = self.may_edit();
        let echo_is_wanted = self.hides || may_edit;
        if (verb, option) == (DO, ECHO) && self.echo.is_off() {
            self.asks_for_echo = true;
        }
        let (agreement, is_wanted) = match (verb, option) {
            (DO | DONT, ECHO) => (Some(&mut self.echo), echo_is_wanted),
            (DO | DONT, SUPPRESS_GO_AHEAD) => (Some(&mut self.go_ahead), may_edit),
            (WILL | WONT, WINDOW_SIZE) => (Some(&mut self.window), may_edit),
            _ => (None, false),
        };
        match agreement {
            Some(agreement) if agreement.may_change(is_wanted) => {
                let say = agreement.told(matches!(verb, DO | WILL), is_wanted);
                say_of(option, say, replies);
            }
            _ => self.refuse(verb, option, replies),
        }
        self.settle(replies);
    }

    fn refuse(&mut self, verb: u8, option: u8, replies: &mut Vec<u8>) {
        let (set, answer) = match verb {
            DO => (&mut self.refused.r#do, WONT),
            WILL => (&mut self.refused.will, DONT),
            // What is off already is confirmed as off: RFC 1143 has nothing to say to that.
            _ => return,
        };
        let (word, bit) = (&mut set[usize::from(option / 64)], 1 << (option % 64));
        let is_first = *word & bit == 0;
        *word |= bit;
        if is_first || (verb, option) == (DO, TIMING_MARK) {
            replies.extend_from_slice(&[IAC, answer, option]);
        }
    }

    /// Whether the line is to be edited here, and the terminal has not said that it cannot be.
    fn may_edit(&self) -> bool {
        self.editing == Editing::Wanted && self.go_ahead != Agreement::Refused
    }

    /// Offers what is wanted and takes back what is not. Echo is offered last, unless the terminal
    /// has asked for it: one that has that alone shows nothing of what is typed, as if all of it were
    /// secret.
    fn settle(&mut self, out: &mut Vec<u8>) {
        let is_wanted = self.editing == Editing::Wanted;
        let go_ahead = self.go_ahead.set(is_wanted);
        say_of(SUPPRESS_GO_AHEAD, go_ahead, out);
        let window = self.window.set(self.may_edit());
        say_of(WINDOW_SIZE, window, out);
        let edits = is_wanted && self.go_ahead == Agreement::On;
        let stays = self.may_edit() && self.asks_for_echo && self.echo == Agreement::On;
        let echo = self.echo.set(edits || stays || self.hides);
        say_of(ECHO, echo, out);
        let is_edited = edits && self.echo == Agreement::On;
        if is_edited && self.editor.is_none() {
            self.editor.get_or_insert_default().set_size(self.size);
        }
        if let Some(editor) = &mut self.editor {
            editor.set_ended(!is_edited);
            editor.set_hiding(self.hides);
        }
    }

    // ---- Subnegotiation ----

    pub fn begin_subnegotiation(&mut self) {
        self.said_bytes = 0;
    }

    /// The next byte of a subnegotiation.
    pub fn subnegotiate(&mut self, byte: u8) {
        if let Some(place) = self.said.get_mut(self.said_bytes) {
            *place = byte;
        }
        self.said_bytes += 1;
    }

    pub fn end_subnegotiation(&mut self) {
        let [option, columns @ .., _, _] = self.said;
        if (option, self.said_bytes) == (WINDOW_SIZE, self.said.len()) {
            let rows = [self.said[3], self.said[4]];
            self.size = Size::said(u16::from_be_bytes(columns), u16::from_be_bytes(rows));
            if let Some(editor) = &mut self.editor {
                editor.set_size(self.size);
            }
        }
    }
}

/// Appends what is said of an option: of ours that we will or will not, of the others that they
/// shall or shall not.
fn say_of(option: u8, say: Option<bool>, out: &mut Vec<u8>) {
    let verb = match (option, say) {
        (_, None) => return,
        (WINDOW_SIZE, Some(true)) => DO,
        (WINDOW_SIZE, Some(false)) => DONT,
        (_, Some(true)) => WILL,
        (_, Some(false)) => WONT,
    };
    out.extend_from_slice(&[IAC, verb, option]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::editor::Event;

    /// What a terminal is answered that sends these verbs and options.
    #[track_caller]
    fn expect(terminal: &mut Terminal, told: &[(u8, u8)], said: &[(u8, u8)]) {
        let mut replies = Vec::new();
        terminal.note_telnet();
        told.iter().for_each(|&(verb, option)| terminal.told(verb, option, &mut replies));
        let said: Vec<u8> = said.iter().flat_map(|&(verb, option)| [IAC, verb, option]).collect();
        assert_eq!(replies, said, "{told:?}");
    }

    #[test]
    fn putty_asks_for_all_of_it_at_once() {
        let mut terminal = Terminal::default();
        let asked = [(WILL, 31), (WILL, 32), (WILL, 24), (WILL, 39), (DO, 1), (WILL, 3), (DO, 3)];
        let refused = [(DONT, 32), (DONT, 24), (DONT, 39), (WILL, 1), (DONT, 3)];
        expect(&mut terminal, &asked, &[&[(DO, 31), (WILL, 3)], &refused[..]].concat());
        assert!(terminal.is_edited());
        let mut size = |bytes: &[u8]| {
            terminal.begin_subnegotiation();
            bytes.iter().for_each(|byte| terminal.subnegotiate(*byte));
            terminal.end_subnegotiation();
            terminal.size
        };
        assert_eq!(size(&[31, 0, 100, 0, 30]), Size { columns: 100, rows: 30 });
        for other in [&[31, 0, 1, 0][..], &[31, 0, 1, 0, 1, 0], &[24, 0, 1, 0, 1], &[]] {
            assert_eq!(size(other), Size { columns: 100, rows: 30 }, "{other:?}");
        }
        assert_eq!(size(&[31, 0, 0, 0, 0]), Size::default(), "it does not know");
    }

    #[test]
    fn gnu_telnet_is_offered_it_when_it_has_negotiated() {
        let mut terminal = Terminal::default();
        expect(&mut terminal, &[(DO, TIMING_MARK)], &[(WONT, 6), (WILL, 3), (DO, 31)]);
        expect(&mut terminal, &[(DO, 3)], &[(WILL, 1)]);
        assert!(!terminal.is_edited());
        expect(&mut terminal, &[(WILL, 31), (DO, 1)], &[]);
        assert!(terminal.is_edited());
        // A secret changes nothing that the terminal would have to know.
        let mut out = Vec::new();
        terminal.set_hiding(true, &mut out);
        terminal.set_hiding(false, &mut out);
        assert!(out.is_empty() && !terminal.is_hidden());
        terminal.set_editing(false, &mut out);
        assert_eq!(out, [IAC, WONT, 3, IAC, DONT, 31, IAC, WONT, 1]);
        assert!(!terminal.is_edited());
        expect(&mut terminal, &[(DONT, 3), (WONT, 31), (DONT, 1)], &[]);
        expect(&mut terminal, &[(DO, 3)], &[(WONT, 3)]);
        out.clear();
        terminal.set_editing(true, &mut out);
        assert_eq!(out, [IAC, WILL, 3, IAC, DO, 31]);
    }

    #[test]
    fn what_cannot_send_each_key_keeps_its_line() {
        let mut terminal = Terminal::default();
        let told = [(WILL, 24), (DONT, 3), (WONT, 31)];
        expect(&mut terminal, &told, &[(DONT, 24), (WILL, 3), (DO, 31)]);
        let mut out = Vec::new();
        terminal.set_hiding(true, &mut out);
        expect(&mut terminal, &[(DO, 1)], &[]);
        assert!(terminal.is_hidden() && !terminal.is_edited());
        terminal.set_hiding(false, &mut out);
        assert_eq!(out, [IAC, WILL, 1, IAC, WONT, 1]);
        expect(&mut terminal, &[(DONT, 1)], &[]);
    }

    #[test]
    fn a_secret_is_hidden_before_and_after_the_line_is_edited() {
        let (mut terminal, mut out) = (Terminal::default(), Vec::new());
        terminal.set_hiding(true, &mut out);
        assert_eq!(out, [IAC, WILL, 1]);
        expect(&mut terminal, &[(DO, 1)], &[(WILL, 3), (DO, 31)]);
        assert!(terminal.is_hidden());
        expect(&mut terminal, &[(DO, 3)], &[]);
        assert!(!terminal.is_hidden(), "the editor hides it");
        let editor = terminal.editor_mut().expect("it is edited");
        let (event, _) = editor.take(b"secret\r", 64);
        let shown = "\r\n".to_owned();
        assert_eq!(event, Some(Event::Line { line: "secret".to_owned(), shown }));
        // It wants to show what is typed, after all.
        out.clear();
        terminal.told(DONT, 1, &mut out);
        assert_eq!(out, [IAC, WONT, 1]);
        assert!(!terminal.is_edited() && !terminal.is_hidden());
    }
}
