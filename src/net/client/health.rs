//! `chat-server health`: whether a server is well, for those who have nothing else to ask with, such
//! as a container without a shell.

use std::time::{Duration, Instant};

use httparse::Status;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::destination::Destination;
use super::line::Line;
use super::tls::Trust;
use super::{ClientError, lost};

/// A server that takes so long is not well.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is longer is not the answer that was asked for.
const ANSWER_BYTES_MAX: usize = 4 * 1024;
const HEADERS_MAX: usize = 32;

/// Asks a server whether it serves; returns what it says of itself: `ok`, or `full`.
///
/// # Errors
/// It does not, or does not say so.
pub fn ask(to: &Destination, trust: &Trust) -> Result<String, ClientError> {
    let mut line = Line::connect(to, trust)?;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\r\n");
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
