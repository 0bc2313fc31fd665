//! What monitors are told of the chat: numbers, and no names.

use std::collections::BTreeMap;

use super::Chat;
use crate::metrics::Exposition;
use crate::service::Posted;

/// What is answered if what was posted is said.
const OK: &str = "ok";
/// All that is answered to what is posted to hooks: the codes of docs/bots.md.
const ANSWERS: [&str; 11] = [
    OK,
    "action_prohibited",
    "contains_secret",
    "invalid_idempotency_key",
    "invalid_payload",
    "invalid_token",
    "no_text",
    "not_stored",
    "rate_limited",
    "too_long",
    "too_many_attempts",
];

/// What was posted to hooks, by what was answered. They only grow.
#[derive(Debug)]
pub(super) struct PostMetrics(BTreeMap<&'static str, u64>);

impl Default for PostMetrics {
    fn default() -> PostMetrics {
        PostMetrics(ANSWERS.map(|answer| (answer, 0)).into())
    }
}

impl PostMetrics {
    /// What has to wait is counted when it is answered.
    pub fn count(&mut self, posted: Posted) {
        let answer = match posted {
            Posted::Done => OK,
            Posted::Refused(refusal) => refusal.code,
            Posted::Blocked(_) => return,
        };
        *self.0.entry(answer).or_default() += 1;
    }
}

impl Chat {
    pub(super) fn write_own_metrics(&self, out: &mut Exposition) {
        out.gauge("chat_server_rooms", "Rooms in memory.", self.state.rooms().count());
        let posts = self.post_metrics.0.iter().map(|(answer, count)| (*answer, *count));
        out.counters(
            "chat_server_hook_posts_total",
            "What programs posted to hooks, by what they were answered.",
            "answer",
            posts,
        );
        if let Some(keeping) = &self.keeping {
            keeping.write_metrics(out);
        }
    }
}
