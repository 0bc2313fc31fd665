//! What a client can ask for that is about what two accounts say to each other.

use std::borrow::Cow;

use super::Request;

/// See [`Request::Conversation`].
#[derive(Clone, Debug, PartialEq)]
pub enum ConversationRequest<'a> {
    /// What was said between oneself and somebody.
    History { with: Cow<'a, str>, before: Option<u64>, after: Option<u64>, limit: Option<u32> },
    /// One's conversations, the latest first. `after`: so many have been seen.
    List { after: u64, limit: Option<u32> },
}

impl<'a> From<ConversationRequest<'a>> for Request<'a> {
    fn from(request: ConversationRequest<'a>) -> Request<'a> {
        Request::Conversation(request)
    }
}
