//! `chat-server health`: whether a server is well, for those who have nothing else to ask with, such
//! as a container without a shell.

use std::str::FromStr;
use std::time::{Duration, Instant};

use httparse::Status;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use thiserror::Error;

use super::destination::{Destination, NoDestination};
use super::line::Line;
use super::tls::Trust;
use super::{ClientError, lost};
use crate::net::listening::{DEFAULT_HOST, DEFAULT_PORT};
use crate::wire::http::public_url::{BasePath, BasePathError};

/// A server that takes so long is not well.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is longer is not the answer that was asked for.
const ANSWER_BYTES_MAX: usize = 4 * 1024;
const HEADERS_MAX: usize = 32;

/// Where the pages of a server are: at a path of it, as its URL says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pages {
    server: Destination,
    base: BasePath,
}

/// There are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoPages {
    #[error(transparent)]
    Destination(#[from] NoDestination),
    #[error(transparent)]
    Path(#[from] BasePathError),
}

impl Pages {
    /// Of the server on this machine that listens where it does by default.
    pub fn here(base: BasePath) -> Pages {
        let (host, port) = (DEFAULT_HOST.to_owned(), DEFAULT_PORT);
        Pages { server: Destination { host, port, is_tls: false }, base }
    }
}

impl FromStr for Pages {
    type Err = NoPages;

    fn from_str(typed: &str) -> Result<Pages, NoPages> {
        let server = typed.parse()?;
        let url = typed.split_once("://").map_or("", |(_, rest)| rest);
        let url = url.split(['?', '#']).next().unwrap_or_default();
        let base = match url.find('/') {
            Some(start) => url[start..].parse()?,
            None => BasePath::default(),
        };
        Ok(Pages { server, base })
    }
}

/// Asks a server whether it serves; returns what it says of itself: `ok`, or `full`.
///
/// # Errors
/// It does not, or does not say so.
pub fn ask(pages: &Pages, trust: &Trust) -> Result<String, ClientError> {
    let Pages { server, base } = pages;
    let mut line = Line::connect(server, trust)?;
    let request = format!(
        "GET {}healthz HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n",
        base.as_str()
    );
    let mut unsent = request.as_bytes();
    let mut answer = Vec::new();
    let mut buffer = [0; ANSWER_BYTES_MAX];
    let until = Instant::now() + PATIENCE;
    loop {
        if !unsent.is_empty() {
            unsent = &unsent[line.write(unsent)?..];
        }
        line.flush()?;
        match line.read(&mut buffer) {
            Ok(count) => {
                answer.extend_from_slice(&buffer[..count]);
                let is_over = count == 0 || answer.len() >= ANSWER_BYTES_MAX;
                if let Some(said) = read(&answer, is_over)? {
                    return Ok(said);
                }
            }
            Err(error) if error.is_none_yet() => wait(&line, !unsent.is_empty(), until)?,
            Err(error) => return Err(error),
        }
    }
}

fn wait(line: &Line, has_more: bool, until: Instant) -> Result<(), ClientError> {
    let left = until.saturating_duration_since(Instant::now());
    let timeout = Timespec::try_from(left).expect("seconds fit");
    let writes = if line.wants_write(has_more) { PollFlags::OUT } else { PollFlags::empty() };
    let mut polled = [PollFd::from_borrowed_fd(line.as_fd(), PollFlags::IN | writes)];
    match poll(&mut polled, Some(&timeout)) {
        Ok(0) => Err(ClientError::Silent(PATIENCE)),
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(lost(error.into())),
    }
}

/// What the answer says, if it is that of a server that is well; `None` while there may be more of it.
fn read(answer: &[u8], is_over: bool) -> Result<Option<String>, ClientError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let start = match head.parse(answer) {
        Ok(Status::Complete(start)) => start,
        Ok(Status::Partial) if !is_over => return Ok(None),
        _ => return Err(ClientError::NoWeb),
    };
    let length =
        head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("Content-Length"));
    let length = length.and_then(|header| str::from_utf8(header.value).ok()?.parse::<usize>().ok());
    let body = &answer[start..];
    if !is_over && length.is_none_or(|length| body.len() < length) {
        return Ok(None);
    }
    let said = String::from_utf8_lossy(body);
    let said = said.trim().chars().filter(|char| !char.is_control()).collect();
    match head.code {
        Some(200) => Ok(Some(said)),
        code => Err(ClientError::Unwell { code: code.unwrap_or_default(), said }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_where_the_url_says() {
        for (typed, server, base) in [
            ("127.0.0.1:9000", "127.0.0.1:9000", "/"),
            ("tls:chat.example.com", "chat.example.com:443", "/"),
            ("http://[::1]:8080", "[::1]:8080", "/"),
            ("https://chat.example.com/", "chat.example.com:443", "/"),
            ("https://chat.example.com/chat#invite=A/B", "chat.example.com:443", "/chat/"),
            ("http://127.0.0.1:8080/a/b/?c=/d", "127.0.0.1:8080", "/a/b/"),
        ] {
            let pages: Pages = typed.parse().expect(typed);
            assert_eq!((pages.server.to_string().as_str(), pages.base.as_str()), (server, base));
        }
        let here = Pages::here("/chat".parse().expect("a path"));
        assert_eq!(Ok(here), "http://127.0.0.1:8080/chat/".parse());
        assert!(matches!("a b".parse::<Pages>(), Err(NoPages::Destination(_))));
        assert!(matches!("http://a/b c".parse::<Pages>(), Err(NoPages::Path(_))));
    }
}
