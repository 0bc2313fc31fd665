//! What a request shows for whose it is: the cookie of a page, or the token of a program.
//!
//! A browser sends cookies along whoever's page has made it send something, so a cookie counts only
//! where the page is ours. Tokens are sent by those alone who have them.

use super::Request;

/// The cookie's name.
pub const COOKIE: &str = "chat-session";
/// A longer value is none of ours.
pub const CREDENTIAL_BYTES_MAX: usize = 128;
/// Browsers keep a cookie for a little more than a year at most.
pub const COOKIE_SECONDS: u32 = 365 * 24 * 60 * 60;

/// The value of our cookie; `None` without one, and with several that are not the same: a
/// neighbouring host could have set one of them for its own ends, and nothing tells which.
pub fn cookie<'b>(request: &Request<'b>) -> Option<&'b str> {
    let pairs = request.values("cookie").flat_map(|field| field.split(|&byte| byte == b';'));
    let mut values = pairs.filter_map(|pair| {
        pair.trim_ascii().strip_prefix(COOKIE.as_bytes())?.strip_prefix(b"=").map(checked)
    });
    let first = values.next()?;
    first.filter(|_| values.all(|other| other == first))
}

/// The token of `Authorization: Bearer` (RFC 6750 2.1); other schemes are between a client and a
/// proxy.
pub fn bearer<'b>(request: &Request<'b>) -> Option<&'b str> {
    let field = request.single("authorization").ok()??;
    let (scheme, token) = field.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| checked(token.as_bytes())).flatten()
}

/// A value of ours: nothing in it has to be quoted in a field (RFC 6265 4.1.1).
fn checked(value: &[u8]) -> Option<&str> {
    let value = value.trim_ascii();
    let is_ours = |byte: &u8| byte.is_ascii_graphic() && !b"\",;\\".contains(byte);
    let fits = (1..=CREDENTIAL_BYTES_MAX).contains(&value.len());
    (fits && value.iter().all(is_ours)).then(|| str::from_utf8(value).ok()).flatten()
}

/// A `Set-Cookie` that scripts cannot read and other sites cannot have sent (RFC 6265bis 4.1);
/// without a value, one that takes the cookie away. `path`: all of ours is under it. `is_secure`: it
/// is never to be sent without TLS.
pub fn set_cookie(value: Option<&str>, path: &str, is_secure: bool) -> String {
    let seconds = value.map_or(0, |_| COOKIE_SECONDS);
    let (value, secure) = (value.unwrap_or_default(), if is_secure { "; Secure" } else { "" });
    format!("{COOKIE}={value}; Path={path}; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn shown(fields: &str) -> (Option<String>, Option<String>) {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let (request, _) = parse(head.as_bytes()).expect("a request").expect("a whole one");
        (cookie(&request).map(str::to_owned), bearer(&request).map(str::to_owned))
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        for (fields, value) in [
            ("Cookie: chat-session=abc\r\n", Some("abc")),
            ("cookie: a=b; chat-session=abc; c=d\r\n", Some("abc")),
            ("Cookie: a=b\r\nCookie:chat-session=abc \r\n", Some("abc")),
            ("Cookie: a=b;chat-session=a=b==;c\r\n", Some("a=b==")),
            ("Cookie: chat-session=abc; chat-session=abc\r\n", Some("abc")),
            ("Cookie: chat-session=abc; chat-session=abd\r\n", None),
            ("Cookie: chat-session=abc\r\nCookie: chat-session=\r\n", None),
            ("Cookie: chat-session=; chat-session=abc\r\n", None),
            ("Cookie: chat-session=\r\n", None),
            ("Cookie: chat-session\r\n", None),
            ("Cookie: chat-session2=abc; xchat-session=abc; Chat-Session=abc\r\n", None),
            ("Cookie: chat-session=a b\r\n", None),
            ("Cookie: chat-session=\"abc\"\r\n", None),
            ("Cookie: chat-session=a\u{E9}\r\n", None),
            ("Cookies: chat-session=abc\r\n", None),
            ("", None),
        ] {
            assert_eq!(shown(fields), (value.map(str::to_owned), None), "{fields:?}");
        }
    }

    #[test]
    fn a_token_is_that_of_bearer() {
        for (fields, value) in [
            ("Authorization: Bearer abc\r\n", Some("abc")),
            ("authorization: BEARER   abc-._~+/9== \r\n", Some("abc-._~+/9==")),
            ("Authorization: Basic YWxpY2U6eA==\r\n", None),
            ("Authorization: Bearer\r\n", None),
            ("Authorization: Bearer \r\n", None),
            ("Authorization: abc\r\n", None),
            ("Authorization: Bearer abc def\r\n", None),
            ("Authorization: Bearer abc\r\nAuthorization: Bearer abc\r\n", None),
        ] {
            assert_eq!(shown(fields), (None, value.map(str::to_owned)), "{fields:?}");
        }
    }

    #[test]
    fn a_value_that_is_too_long_is_none() {
        for (bytes, is_one) in [(CREDENTIAL_BYTES_MAX, true), (CREDENTIAL_BYTES_MAX + 1, false)] {
            let value = "x".repeat(bytes);
            let fields =
                format!("Cookie: chat-session={value}\r\nAuthorization: Bearer {value}\r\n");
            let expected = is_one.then_some(value);
            assert_eq!(shown(&fields), (expected.clone(), expected));
        }
    }

    #[test]
    fn a_cookie_is_set_and_taken_away() {
        assert_eq!(
            set_cookie(Some("abc"), "/chat/", true),
            "chat-session=abc; Path=/chat/; HttpOnly; SameSite=Strict; Max-Age=31536000; Secure"
        );
        assert_eq!(
            set_cookie(None, "/", false),
            "chat-session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"
        );
    }
}
