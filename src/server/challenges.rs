//! ACME's http-01 challenges (RFC 8555, 8.3): who asks for a certificate shows that the name is
//! theirs by what this port answers.

use std::fmt::Debug;

use super::Server;
use super::stream::Stream;
use crate::ids::ClientId;
use crate::service::Service;
use crate::wire::close::CloseReason;
use crate::wire::http::response::{Body, Persistence, Response};
use crate::wire::http::{Method, Request};

const PREFIX: &str = "/.well-known/acme-challenge/";

/// Tokens are base64url (RFC 8555, 8.3), of 43 characters mostly.
const TOKEN_BYTES_MAX: usize = 128;

/// Has the answers.
pub trait Challenges: Debug {
    /// The answer to this token, which is made of letters, digits, `-` and `_` only.
    fn answer(&self, token: &str) -> Option<Vec<u8>>;
}

/// The token that is asked for.
fn token<'b>(request: &Request<'b>) -> Option<&'b str> {
    let token = request.path.strip_prefix(PREFIX)?;
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_token = (1..=TOKEN_BYTES_MAX).contains(&token.len()) && token.bytes().all(is_good);
    (is_token && matches!(request.method, Method::Get | Method::Head)).then_some(token)
}

impl<S: Stream, A: Service> Server<S, A> {
    /// Has challenges answered from now on, with TLS and without.
    pub fn set_challenges(&mut self, challenges: Box<dyn Challenges>) {
        self.challenges = Some(challenges);
    }

    /// Answers a request if it is a challenge that has an answer; returns whether it was.
    pub(super) fn answer_challenge(
        &mut self,
        id: ClientId,
        request: &Request<'_>,
        date: &str,
    ) -> bool {
        let answer = self.challenges.as_ref().zip(token(request));
        let Some(answer) = answer.and_then(|(challenges, token)| challenges.answer(token)) else {
            return false;
        };
        let length = answer.len().to_string();
        let fields =
            [("Content-Type", "application/octet-stream"), ("Content-Length", length.as_str())];
        let response = Response::new(200, &fields, Body::Absent, request.connection, Some(date));
        self.out.append(id, &response.head);
        if request.method == Method::Get {
            self.out.append(id, &answer);
        }
        if request.connection == Persistence::Close {
            self.close(id, CloseReason::Done);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::http::parse;

    #[test]
    fn only_tokens_are_asked_for() {
        for (target, expected) in [
            ("/.well-known/acme-challenge/aB0-_", Some("aB0-_")),
            ("/.well-known/acme-challenge/", None),
            ("/.well-known/acme-challenge/../secret", None),
            ("/.well-known/acme-challenge/%2e%2e", None),
            ("/.well-known/acme-challenge/a.b", None),
            ("/.well-known/acme-challenge/a/b", None),
            ("/.well-known/acme", None),
            ("/", None),
        ] {
            let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
            let (request, _) = parse(head.as_bytes()).expect("well-formed").expect("whole");
            assert_eq!(token(&request), expected, "{target}");
        }
        let long = "a".repeat(129);
        let head = format!("GET {PREFIX}{long} HTTP/1.1\r\nHost: a\r\n\r\n");
        let (request, _) = parse(head.as_bytes()).expect("well-formed").expect("whole");
        assert_eq!(token(&request), None);
    }
}
