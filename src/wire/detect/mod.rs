//! What the first bytes of a connection say about its protocol.
//!
//! One port speaks everything, so programs with quite another idea of it arrive as well: a browser
//! with https, a proxy that puts a header of its own first, an IRC client. What they send may hold
//! cookies and passwords, and is never a line of chat.

use memchr::{memchr, memchr2};

use super::proxy::V2;
use crate::wire::terminal::IAC;

/// What the first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detected {
    /// Nothing yet.
    NeedMore,
    /// A person at a terminal, or a program that talks like one.
    Lines,
    /// A request, well-formed or not.
    Http,
    Foreign(Foreign),
}

/// Protocols that are not spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    Tls,
    /// The header of the PROXY protocol; what follows it is of another protocol.
    Proxy,
    Ssh,
    Smtp,
    Imap,
    Redis,
    Irc,
    Nats,
    Stomp,
    Xmpp,
    Rsync,
    Socks4,
    Socks5,
    /// Anything else that is no text.
    Binary,
}

/// Whose lines are asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// People read them: only text will do.
    Text,
    /// Whatever their senders like: only what is certain to be another protocol is turned away.
    Bytes,
}

impl Payload {
    /// A service that greets people is for them.
    pub fn of(greeting: Option<&str>) -> Payload {
        if greeting.is_some() { Payload::Text } else { Payload::Bytes }
    }
}

/// What the first line of a connection that speaks lines is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstLine {
    Text,
    /// It begins as a request does and is none: most likely a person's words.
    AlmostRequest,
    Request,
    Foreign(Foreign),
}

/// The methods by which most requests are known before their first line is whole.
const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"];

/// A byte order mark, with which a program may begin a text.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// So much without the end of a line is no request: a head that long would be refused, and its line
/// is not looked for again with each byte.
const UNDECIDED_BYTES_MAX: usize = 1024;

/// Looks at all that has come; to be asked again with more while it is [`Detected::NeedMore`].
pub fn detect(input: &[u8], payload: Payload) -> Detected {
    if input.starts_with(V2) {
        return Detected::Foreign(Foreign::Proxy);
    }
    if V2.starts_with(input) && input.contains(&0) {
        return Detected::NeedMore;
    }
    // RFC 9112 2.2: empty lines before a request are skipped. By themselves they are a person's.
    let blank = blank_lines(input);
    let rest = input[blank..].strip_prefix(MARK).unwrap_or(&input[blank..]);
    match rest {
        [] if blank > 0 => return Detected::Lines,
        [] => return Detected::NeedMore,
        [0x16] => return Detected::NeedMore,
        // A handshake record of any version (RFC 8446, 5.1).
        [0x16, 0x03, ..] => return Detected::Foreign(Foreign::Tls),
        _ if begins_request(rest) => return Detected::Http,
        _ => {}
    }
    let end = line_end(rest);
    if payload == Payload::Text
        && let Some(detected) =
            by_signature(&rest[..end.unwrap_or(rest.len()).min(UNDECIDED_BYTES_MAX)])
    {
        return detected;
    }
    match end {
        None if rest.len() >= UNDECIDED_BYTES_MAX => Detected::Lines,
        None => Detected::NeedMore,
        Some(end) => match first_line(&rest[..end], payload) {
            FirstLine::Request => Detected::Http,
            FirstLine::Foreign(foreign) => Detected::Foreign(foreign),
            FirstLine::Text | FirstLine::AlmostRequest => Detected::Lines,
        },
    }
}

/// How many bytes are empty lines, or may become one.
fn blank_lines(input: &[u8]) -> usize {
    let mut count = 0;
    loop {
        count += match input[count..] {
            [b'\n', ..] => 1,
            [b'\r', 0, ..] => 2,
            [b'\r', ..] => 1,
            _ => return count,
        };
    }
}

/// Looks at the first line that is not empty, without its ending.
pub fn first_line(line: &[u8], payload: Payload) -> FirstLine {
    let line = line.strip_prefix(MARK).unwrap_or(line).trim_ascii_end();
    if is_request_line(line) {
        return FirstLine::Request;
    }
    if let Some(foreign) = by_line(line, payload) {
        return FirstLine::Foreign(foreign);
    }
    let begins_as_request = METHODS
        .iter()
        .any(|method| after_word(line, method).is_some() || line == method.as_bytes());
    match payload {
        Payload::Text if is_binary(line) => FirstLine::Foreign(Foreign::Binary),
        Payload::Text if begins_as_request => FirstLine::AlmostRequest,
        _ => FirstLine::Text,
    }
}

/// What needs no end of a line to be known by: protocols of bytes, and telnet.
fn by_signature(line: &[u8]) -> Option<Detected> {
    let command = memchr(IAC, line);
    let foreign = match *line {
        [0x04 | 0x05] => return Some(Detected::NeedMore),
        // RFC 1928, 3: the number of methods follows the version.
        [0x05, 1..=8, ..] => Foreign::Socks5,
        [0x04, 1 | 2, ..] => Foreign::Socks4,
        _ if is_binary(&line[..command.unwrap_or(line.len())]) => Foreign::Binary,
        _ => return command.map(|_| Detected::Lines),
    };
    Some(Detected::Foreign(foreign))
}

fn by_line(line: &[u8], payload: Payload) -> Option<Foreign> {
    let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let mut word = || words.next().unwrap_or_default();
    let (first, second) = (word(), word());
    let more = words.count();
    match first {
        _ if line.starts_with(&[0x16, 0x03]) => Some(Foreign::Tls),
        _ if first.eq_ignore_ascii_case(b"PROXY")
            && [b"TCP4".as_slice(), b"TCP6", b"UNKNOWN"]
                .iter()
                .any(|kind| kind.eq_ignore_ascii_case(second)) =>
        {
            Some(Foreign::Proxy)
        }
        _ if line.starts_with(b"SSH-") && line[4..].first().is_some_and(u8::is_ascii_digit) => {
            Some(Foreign::Ssh)
        }
        _ if payload == Payload::Bytes => None,
        b"EHLO" | b"HELO" | b"LHLO" if !second.is_empty() && more == 0 => Some(Foreign::Smtp),
        b"CAP" | b"cap" if matches!(second, b"LS" | b"REQ" | b"LIST" | b"END" | b"ls" | b"req") => {
            Some(Foreign::Irc)
        }
        b"WEBIRC" | b"AUTHENTICATE" | b"STARTTLS" => Some(Foreign::Irc),
        b"APOP" | b"AUTHINFO" if !second.is_empty() => Some(Foreign::Smtp),
        b"USER" if !second.is_empty() && more == 0 => Some(Foreign::Smtp),
        b"HELLO" if is_number(second) => Some(Foreign::Redis),
        b"NICK" | b"PASS" if !second.is_empty() && more == 0 => Some(Foreign::Irc),
        b"USER" | b"user" if more >= 3 => Some(Foreign::Irc),
        b"AUTH" if !second.is_empty() && more <= 1 => Some(Foreign::Redis),
        _ if matches!(second, b"LOGIN" | b"login") && more == 2 && is_tag(first) => {
            Some(Foreign::Imap)
        }
        b"CONNECT" if second.starts_with(b"{") => Some(Foreign::Nats),
        b"CONNECT" | b"STOMP" if second.is_empty() => Some(Foreign::Stomp),
        b"@RSYNCD:" => Some(Foreign::Rsync),
        b"<?xml" | b"<stream:stream" => Some(Foreign::Xmpp),
        [b'*', count @ ..] if second.is_empty() && is_number(count) => Some(Foreign::Redis),
        _ => None,
    }
}

/// As IMAP clients number what they ask for: `a001`.
fn is_tag(word: &[u8]) -> bool {
    word.iter().all(u8::is_ascii_alphanumeric) && word.last().is_some_and(u8::is_ascii_digit)
}

fn is_number(digits: &[u8]) -> bool {
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

/// Whether a whole request line stands here, however wrong: a method, a target, a version of HTTP
/// or of what is made like it.
fn is_request_line(line: &[u8]) -> bool {
    let mut words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return false };
    // A response, or a request without a target.
    let is_status = version(method) == Version::Whole && is_number(target);
    if is_status || is_method(method) && version(target) == Version::Whole || is_known_field(line) {
        return true;
    }
    let Some(last) = words.next_back() else {
        // HTTP/0.9 had no version.
        return is_method(method) && target.starts_with(b"/");
    };
    let is_path = matches!(target[0], b'/' | b'*') || target.contains(&b':');
    let has_three = line.trim_ascii().len() <= method.len() + target.len() + last.len() + 2;
    match version(last) {
        Version::None => false,
        // "try it with HTTP/2" is said by people.
        Version::Short => is_method(method) || is_path && has_three,
        Version::Whole => {
            is_method(method) || has_three || method.iter().all(u8::is_ascii_uppercase)
        }
    }
}

/// Whether a line may be one of a request's head, such as `Cookie: secret`, or of its body.
pub fn is_header_field(line: &[u8]) -> bool {
    let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
    let is_token = |byte: &u8| byte.is_ascii_graphic();
    let is_field = name.len() < line.len() && !name.is_empty() && name.iter().all(is_token);
    is_field || matches!(line, [b' ' | b'\t' | b'{', ..])
}

/// Fields that nobody types as the first thing there is to say, and that hold secrets.
const FIELDS: [&[u8]; 5] =
    [b"Host", b"Cookie", b"Set-Cookie", b"Authorization", b"Proxy-Authorization"];

fn is_known_field(line: &[u8]) -> bool {
    let name = line.split(|&byte| byte == b':').next().unwrap_or_default();
    name.len() < line.len() && FIELDS.iter().any(|field| field.eq_ignore_ascii_case(name))
}

/// Whether there is anything to read in what may be no whole line.
pub fn has_words(input: &[u8]) -> bool {
    let rest = input.strip_prefix(MARK).unwrap_or(input);
    !MARK.starts_with(rest) && rest.iter().any(|byte| *byte > b' ' && *byte != 0x7F)
}

/// Whether the first line is a whole request without a version, as HTTP/0.9 had them.
pub fn is_simple_request(input: &[u8]) -> bool {
    let rest = &input[blank_lines(input)..];
    let line = line_end(rest).map(|end| rest[..end].trim_ascii());
    line.is_some_and(|line| is_request_line(line) && line.split(|&byte| byte == b' ').count() == 2)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    None,
    /// `HTTP/2`.
    Short,
    /// `HTTP/1.1`.
    Whole,
}

fn version(word: &[u8]) -> Version {
    let Some(slash) = memchr(b'/', word) else { return Version::None };
    let (name, number) = (&word[..slash], &word[slash + 1..]);
    if name.is_empty() || !name.iter().all(u8::is_ascii_alphabetic) {
        return Version::None;
    }
    match number {
        [major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => Version::Whole,
        [major, ..] if major.is_ascii_digit() && name.eq_ignore_ascii_case(b"HTTP") => {
            Version::Short
        }
        _ => Version::None,
    }
}

/// Whether a request with a well-known method begins here: its target has begun.
fn begins_request(bytes: &[u8]) -> bool {
    METHODS.iter().any(|method| match after_word(bytes, method) {
        Some([b'/', ..]) => true,
        Some(target) => starts_with_scheme(target),
        None => false,
    })
}

fn starts_with_scheme(target: &[u8]) -> bool {
    ["http://", "https://", "ws://", "wss://"].iter().any(|scheme| {
        target
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes()))
    })
}

fn is_method(word: &[u8]) -> bool {
    METHODS.iter().any(|method| method.as_bytes().eq_ignore_ascii_case(word))
}

/// What follows this word and a space.
fn after_word<'a>(bytes: &'a [u8], word: &str) -> Option<&'a [u8]> {
    bytes.strip_prefix(word.as_bytes())?.strip_prefix(b" ")
}

/// Where the first line ends: in any of the ways of RFC 854, or in the CR that is all that a
/// terminal in raw mode sends.
fn line_end(bytes: &[u8]) -> Option<usize> {
    memchr2(b'\n', b'\r', bytes)
}

/// Whether there are control characters that no key of a terminal sends into a line.
fn is_binary(line: &[u8]) -> bool {
    let is_control = |byte: u8| matches!(byte, 0..=2 | 6 | 0x0E..=0x10 | 0x14 | 0x16 | 0x18 | 0x19 | 0x1C..=0x1F);
    // RDP, which begins with the version of TPKT and a zero, is among them.
    line.iter().any(|&byte| is_control(byte))
}

impl Foreign {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Foreign::Tls => "TLS",
            Foreign::Proxy => "the PROXY protocol",
            Foreign::Ssh => "SSH",
            Foreign::Smtp => "SMTP",
            Foreign::Imap => "IMAP",
            Foreign::Redis => "Redis",
            Foreign::Irc => "IRC",
            Foreign::Nats => "NATS",
            Foreign::Stomp => "STOMP",
            Foreign::Xmpp => "XMPP",
            Foreign::Rsync => "rsync",
            Foreign::Socks4 | Foreign::Socks5 => "SOCKS",
            Foreign::Binary => "something that is no text",
        }
    }

    /// What an operator can do about it.
    pub fn way_out(self) -> Option<&'static str> {
        match self {
            Foreign::Tls => Some(
                "this port has no TLS: give it a certificate (--tls-cert), put a proxy with TLS \
                 before it, or use http:// and ws://",
            ),
            Foreign::Proxy => Some(
                "if the proxy is yours, start with --proxy-from and its address, or turn it off \
                 there (HAProxy: without send-proxy)",
            ),
            _ => None,
        }
    }

    /// The last word, in the manner of the protocol where that is one line; else an end says
    /// enough.
    pub fn answer(self) -> &'static [u8] {
        match self {
            // A fatal alert, handshake_failure (RFC 8446, 6.2), in a record that every version
            // reads.
            Foreign::Tls => &[0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x28],
            Foreign::Proxy => b"! This server does not speak the PROXY protocol.\r\n",
            Foreign::Ssh => b"This is a chat server and does not speak SSH.\r\n",
            // RFC 5321, 4.3.2: no service here.
            Foreign::Smtp => b"554 This is a chat server and takes no mail\r\n",
            Foreign::Imap => b"* BYE This is a chat server and has no mail\r\n",
            Foreign::Redis => b"-ERR This is a chat server and not Redis\r\n",
            Foreign::Irc => {
                b"ERROR :This server does not speak IRC. Come with telnet (names: /nick NAME), a browser, or WebSocket\r\n"
            }
            Foreign::Nats => b"-ERR 'This is a chat server and not NATS'\r\n",
            Foreign::Stomp => b"ERROR\nmessage:This is a chat server and does not speak STOMP\n\n\0",
            Foreign::Xmpp => b"</stream:stream>",
            Foreign::Rsync => b"@ERROR: This is a chat server and does not speak rsync\n",
            // Request rejected; no acceptable methods (RFC 1928, 3).
            Foreign::Socks4 => &[0x00, 0x5B, 0, 0, 0, 0, 0, 0],
            Foreign::Socks5 => &[0x05, 0xFF],
            Foreign::Binary => b"! This is a chat of text, in UTF-8; what came is not.\r\n",
        }
    }
}

#[cfg(test)]
mod tests;
