//! `chat-server connect`: a terminal, or a pipe, at the other end of a line; and what asks whether a
//! server is [well](health).
//!
//! `connect` is a telnet program that leaves the line it types to the server, which knows the prompt and
//! what Tab may complete. The terminal sends each key, and the server shows what becomes of it.

mod destination;
pub mod health;
mod line;
mod terminal;
mod tls;

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::stdio::stdin;
use rustls::{AlertDescription, CertificateError as Untrusted, Error as TlsError};
use thiserror::Error;

use self::line::Line;
use self::terminal::Terminal;
use crate::wire::telnet_client::TelnetClient;

pub use self::destination::Destination;
pub use self::tls::Trust;

/// So much is read at once, from either end.
const READ_BYTES: usize = 16 * 1024;

/// While so much has not been taken by the server, nothing more of it is answered, or read.
const UNSENT_BYTES_MAX: usize = 64 * 1024;

/// Ctrl-] leaves at once, as in other telnet programs: it is the one key that no server is sent.
const LEAVE: u8 = 0x1D;

/// What a web server, or a proxy in front of one, says to what is no request.
const HTTP: &[u8] = b"HTTP/1.";

/// Why there is no connection, or none any more.
#[derive(Debug, Error)]
pub enum ClientError {
    #[error("cannot connect to {to}: {}", plain(.error))]
    Connect { to: Destination, error: io::Error },
    #[error("the connection is lost: {}", plain(.0))]
    Lost(io::Error),
    #[error("a web server answers there, or a proxy for web pages, and no chat for terminals")]
    Web,
    #[error("what listens there has ended the connection without a word: it speaks no lines")]
    Wordless,
    #[error("what answers there is no web server")]
    NoWeb,
    #[error("no answer within {} s", .0.as_secs())]
    Silent(Duration),
    #[error("it answers {code}: {said}")]
    Unwell { code: u16, said: String },
    #[error("{}", of_tls(.0))]
    Tls(TlsError),
    #[error("{host} is no name that a certificate could have")]
    Name { host: String },
    #[error("--ca {}: {error}", .path.display())]
    Authorities { path: PathBuf, error: String },
    #[error("this system trusts no authority: name one with --ca FILE")]
    NoAuthorities,
    #[error("the terminal cannot be used: {}", plain(.0))]
    Terminal(io::Error),
}

impl ClientError {
    /// Whether what was asked for makes no sense.
    pub fn is_usage(&self) -> bool {
        matches!(self, ClientError::Name { .. } | ClientError::Authorities { .. })
    }

    /// Whether there is only nothing to be read yet.
    fn is_none_yet(&self) -> bool {
        matches!(self, ClientError::Lost(error) if error.kind() == ErrorKind::WouldBlock)
    }
}

fn lost(error: io::Error) -> ClientError {
    ClientError::Lost(error)
}

/// Without the number that only programs want.
fn plain(error: &io::Error) -> String {
    let told = error.to_string();
    told.split(" (os error").next().unwrap_or(&told).to_owned()
}

fn of_tls(error: &TlsError) -> String {
    match error {
        TlsError::InvalidMessage(_)
        | TlsError::AlertReceived(AlertDescription::HandshakeFailure) => {
            "no TLS is spoken there, or none that this program knows".to_owned()
        }
        TlsError::InvalidCertificate(Untrusted::UnknownIssuer) => {
            "nobody whom this system trusts vouches for the server's certificate: name who does \
             with --ca FILE"
                .to_owned()
        }
        TlsError::InvalidCertificate(Untrusted::Other(why))
            if why.to_string().contains("CaUsed") =>
        {
            "the server's certificate is one for an authority, and not for a server: make it with \
             -addext basicConstraints=critical,CA:FALSE"
                .to_owned()
        }
        TlsError::InvalidCertificate(why) => format!("the server's certificate: {why}"),
        other => format!("TLS: {other}"),
    }
}

/// Connects, and passes on what is typed and what comes until the server ends it.
///
/// # Errors
/// Why not, in one line.
pub fn run(to: &Destination, trust: &Trust) -> Result<(), ClientError> {
    let line = Line::connect(to, trust)?;
    let terminal = Terminal::open().map_err(ClientError::Terminal)?;
    let mut unsent = Vec::new();
    let telnet = match &terminal {
        Some(terminal) => {
            tell(format_args!("Connected to {to}. Ctrl-] leaves at once."));
            TelnetClient::terminal(terminal.size(), &mut unsent)
        }
        None => TelnetClient::pipe(),
    };
    let input = Input::Open;
    let start = Vec::new();
    let (last, has_heard) = (b'\n', false);
    let mut client = Client { line, terminal, telnet, unsent, input, start, last, has_heard };
    let ended = client.run();
    // The terminal is as it was before the last words are written to it.
    if client.terminal.take().is_some() {
        if client.last != b'\n' {
            tell(format_args!(""));
        }
        if ended.is_ok() {
            tell(format_args!("Connection closed."));
        }
    }
    ended
}

/// Says something of our own. A terminal that has gone is told nothing.
fn tell(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// What becomes of what is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Input {
    Open,
    /// There is no more, and the server has not been told yet.
    Over,
    Told,
}

struct Client {
    line: Line,
    terminal: Option<Terminal>,
    telnet: TelnetClient,
    /// What the line has not taken yet. Until it has, no more is read of what is typed, but at a
    /// terminal in raw mode: there the key that leaves has to be seen.
    unsent: Vec<u8>,
    input: Input,
    /// The first bytes from the server, for as long as they may be those of a web server.
    start: Vec<u8>,
    /// The last byte from the server. A pipe is not written a CR before it is known what is behind.
    last: u8,
    /// The server has sent anything, if only an answer of telnet's.
    has_heard: bool,
}

impl Client {
    fn run(&mut self) -> Result<(), ClientError> {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            self.send()?;
            let ready = self.wait().map_err(lost)?;
            if ready.has_come && !self.receive(&mut buffer)? {
                return if self.has_heard { Ok(()) } else { Err(ClientError::Wordless) };
            }
            if ready.is_resized
                && let Some(terminal) = &self.terminal
            {
                while io::Read::read(&mut &terminal.resized, &mut buffer).is_ok() {}
                self.telnet.set_size(terminal.size(), &mut self.unsent);
            }
            if ready.is_typed && !self.take_typed(&mut buffer)? {
                return Ok(());
            }
        }
    }

    /// Waits until there is something to do.
    fn wait(&self) -> io::Result<Ready> {
        // At a terminal in which Ctrl-C is only another key, there has to be a way out.
        let is_read = self.unsent.is_empty() || self.telnet.is_echoed();
        let is_typing = self.input == Input::Open && is_read;
        let writes = self.line.wants_write(!self.unsent.is_empty());
        let mut awaited = if writes { PollFlags::OUT } else { PollFlags::empty() };
        if self.unsent.len() < UNSENT_BYTES_MAX {
            awaited |= PollFlags::IN;
        }
        let (line, stdin) = (self.line.as_fd(), stdin());
        let mut polled = vec![PollFd::from_borrowed_fd(line, awaited)];
        polled.extend(is_typing.then(|| PollFd::from_borrowed_fd(stdin, PollFlags::IN)));
        let resized = self.terminal.as_ref().map(|terminal| &terminal.resized);
        polled.extend(resized.map(|resized| PollFd::new(resized, PollFlags::IN)));
        match poll(&mut polled, None) {
            Ok(_) => {}
            // Whoever interrupts it leaves nothing else to do here.
            Err(Errno::INTR) => return Ok(Ready::default()),
            Err(error) => return Err(error.into()),
        }
        let is_ready = |at: usize, flags| polled[at].revents().intersects(flags);
        let readable = PollFlags::IN | PollFlags::HUP | PollFlags::ERR;
        Ok(Ready {
            has_come: is_ready(0, readable),
            is_typed: is_typing && is_ready(1, readable),
            is_resized: resized.is_some() && is_ready(polled.len() - 1, readable),
        })
    }

    /// Sends what is to be sent, and tells the server when there is no more.
    fn send(&mut self) -> Result<(), ClientError> {
        self.line.flush()?;
        // What is answered after the end goes nowhere.
        if self.input == Input::Told {
            self.unsent.clear();
        }
        while !self.unsent.is_empty() {
            let written = self.line.write(&self.unsent)?;
            if written == 0 {
                return Ok(());
            }
            self.unsent.drain(..written);
        }
        if self.input == Input::Over && self.line.end()? {
            self.input = Input::Told;
        }
        Ok(())
    }

    /// Shows what has come; `false` at the end.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<bool, ClientError> {
        let count = match self.line.read(buffer) {
            Ok(0) => return Ok(false),
            Ok(count) => count,
            Err(error) if error.is_none_yet() => return Ok(true),
            Err(error) => return Err(error),
        };
        self.has_heard = true;
        let mut shown = Vec::new();
        let was_echoed = self.telnet.is_echoed();
        self.telnet.receive(&buffer[..count], &mut shown, &mut self.unsent);
        if let Some(terminal) = &self.terminal
            && was_echoed != self.telnet.is_echoed()
        {
            terminal.set_raw(!was_echoed).map_err(ClientError::Terminal)?;
        }
        self.check_start(&shown)?;
        let is_shown = self.show(&shown);
        self.last = shown.last().copied().unwrap_or(self.last);
        Ok(is_shown)
    }

    fn check_start(&mut self, shown: &[u8]) -> Result<(), ClientError> {
        let missing = HTTP.len() - self.start.len();
        self.start.extend_from_slice(&shown[..missing.min(shown.len())]);
        if self.start == HTTP { Err(ClientError::Web) } else { Ok(()) }
    }

    /// Returns whether anybody still looks.
    fn show(&mut self, shown: &[u8]) -> bool {
        let lines;
        let shown = match self.terminal {
            Some(_) => shown,
            None => {
                lines = without_cr(self.last, shown);
                &lines
            }
        };
        let mut out = io::stdout().lock();
        out.write_all(shown).and_then(|()| out.flush()).is_ok()
    }

    /// Takes what was typed; `false` if that is to be the end.
    fn take_typed(&mut self, buffer: &mut [u8]) -> Result<bool, ClientError> {
        let count = match rustix::io::read(stdin(), &mut *buffer) {
            Ok(count) => count,
            Err(Errno::INTR | Errno::AGAIN) => return Ok(true),
            // A terminal that has gone.
            Err(Errno::IO) => 0,
            Err(error) => return Err(ClientError::Terminal(error.into())),
        };
        let typed = &buffer[..count];
        if typed.is_empty() {
            self.input = Input::Over;
            if self.terminal.is_none() {
                TelnetClient::end_pipe(&mut self.unsent);
            }
        }
        if self.terminal.is_some() && typed.contains(&LEAVE) {
            return Ok(false);
        }
        // Nobody goes on typing for long to a server that reads nothing.
        if self.unsent.len() < UNSENT_BYTES_MAX {
            TelnetClient::escape(typed, &mut self.unsent);
        }
        Ok(true)
    }
}

/// As programs end their lines, in LF alone; `last` came before these bytes.
fn without_cr(mut last: u8, bytes: &[u8]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(bytes.len() + 1);
    for &byte in bytes {
        if last == b'\r' && byte != b'\n' {
            lines.push(b'\r');
        }
        if byte != b'\r' {
            lines.push(byte);
        }
        last = byte;
    }
    lines
}

#[derive(Debug, Default)]
struct Ready {
    has_come: bool,
    is_typed: bool,
    is_resized: bool,
}
