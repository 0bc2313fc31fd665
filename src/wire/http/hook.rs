//! What programs post to a hook: the only requests whose bodies are taken.

use super::{ContentAhead, HttpError, Method, Request, Version};

/// A longer body is refused with 413, before anything of it is read.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

const DIRECTORY: &str = "hook";

/// The token in the path of a hook, whatever directory the server is under.
pub fn token(path: &str) -> Option<&str> {
    let (directory, token) = path.rsplit_once('/')?;
    let (_, directory) = directory.rsplit_once('/')?;
    (directory == DIRECTORY).then_some(token)
}

/// The same of a path in which nothing is above the directory.
pub fn own_token(path: &str) -> Option<&str> {
    let token = path.strip_prefix('/')?.strip_prefix(DIRECTORY)?.strip_prefix('/')?;
    (!token.contains('/')).then_some(token)
}

/// How many bytes of a body follow that is to be taken.
///
/// # Errors
/// It cannot be, and the request is to be refused.
pub(super) fn body_bytes(request: &Request<'_>) -> Result<usize, HttpError> {
    if request.method != Method::Post || token(request.path).is_none() {
        return Ok(0);
    }
    match request.content {
        ContentAhead::No => Ok(0),
        ContentAhead::Coded => Err(HttpError::LENGTH_REQUIRED),
        ContentAhead::Sized(bytes) => match usize::try_from(bytes) {
            Ok(bytes) if bytes <= BODY_BYTES_MAX => Ok(bytes),
            _ => Err(HttpError::BODY_TOO_LARGE),
        },
    }
}

/// Whether its client waits to be told that it may send the body (RFC 9110 10.1.1).
pub(super) fn is_awaited(request: &Request<'_>) -> bool {
    request.version == Version::Http11 && request.list("expect").next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_the_name_in_the_directory() {
        assert_eq!(own_token("/hook/abc"), Some("abc"));
        assert_eq!(own_token("/hook/"), Some(""));
        for path in ["/", "/hook", "/hook/a/b", "/chat/hook/abc", "//hook/abc", "/hooks/abc"] {
            assert_eq!(own_token(path), None, "{path}");
        }
        assert_eq!(token("/hook/abc"), Some("abc"));
        assert_eq!(token("/chat/hook/abc"), Some("abc"));
        for path in ["/", "/hook", "/hook/a/b", "/xhook/abc", "hook/abc"] {
            assert_eq!(token(path), None, "{path}");
        }
    }
}
