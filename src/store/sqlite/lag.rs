//! How far the index of words is behind what is kept, for the log.

use std::time::{Duration, Instant};

/// The administrator is told when more messages than this cannot be found yet,
const MESSAGES_MAX: u64 = 10_000;
/// or one of them for so long,
const WAIT_MAX: Duration = Duration::from_secs(60);
/// and again after this, as long as that lasts.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// What the administrator is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lag {
    /// So many messages cannot be found yet, and one of them not for so long.
    Behind { messages: u64, wait: Duration },
    /// It is not behind any more.
    CaughtUp,
}

/// Looks at the index now and then.
#[derive(Debug, Default)]
pub struct LagWatch {
    /// A message that is not indexed, and when it was the newest.
    mark: Option<(u64, Instant)>,
    told_at: Option<Instant>,
}

impl LagWatch {
    /// The newest message that is kept, and that is indexed. Returns what is to be told, if there
    /// is anything new.
    pub fn look(&mut self, newest: u64, indexed: u64, now: Instant) -> Option<Lag> {
        let messages = newest.saturating_sub(indexed);
        self.mark = match self.mark {
            _ if messages == 0 => None,
            Some((message, since)) if indexed < message => Some((message, since)),
            Some(_) | None => Some((newest, now)),
        };
        let wait = self.mark.map_or(Duration::ZERO, |(_, since)| now.duration_since(since));
        if messages > MESSAGES_MAX || wait > WAIT_MAX {
            let is_due = self.told_at.is_none_or(|at| now.duration_since(at) >= TELL_EVERY);
            return is_due.then(|| {
                self.told_at = Some(now);
                Lag::Behind { messages, wait }
            });
        }
        // Not at each wave of one that is behind by about so much.
        let is_near = messages <= MESSAGES_MAX / 2;
        self.told_at.take_if(|_| is_near).map(|_| Lag::CaughtUp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_lag_is_told_once_a_minute_and_so_is_its_end() {
        let (began, mut watch) = (Instant::now(), LagWatch::default());
        let mut look = |newest, indexed, seconds| {
            watch.look(newest, indexed, began + Duration::from_secs(seconds))
        };
        let behind =
            |messages, seconds| Some(Lag::Behind { messages, wait: Duration::from_secs(seconds) });
        assert_eq!(look(0, 0, 0), None);
        assert_eq!(look(10_000, 0, 1), None);
        assert_eq!(look(20_000, 9_000, 2), behind(11_000, 1));
        assert_eq!(look(90_000, 9_000, 61), None, "that is known");
        assert_eq!(look(90_000, 10_000, 62), behind(80_000, 0));
        assert_eq!(look(90_000, 84_000, 63), None);
        assert_eq!(look(90_000, 86_000, 64), Some(Lag::CaughtUp));
        assert_eq!(look(90_000, 90_000, 65), None);
    }

    #[test]
    fn one_message_that_is_never_indexed_is_told_as_well() {
        let (began, mut watch) = (Instant::now(), LagWatch::default());
        let mut told = Vec::new();
        for second in 0..200 {
            let at = began + Duration::from_secs(second);
            told.extend(watch.look(10 + second, 9, at).map(|lag| (second, lag)));
        }
        let behind = |second| {
            let wait = Duration::from_secs(second);
            (second, Lag::Behind { messages: second + 1, wait })
        };
        assert_eq!(told, [behind(61), behind(121), behind(181)]);
        let at = began + Duration::from_secs(200);
        assert_eq!(watch.look(300, 300, at), Some(Lag::CaughtUp));
        // It goes on, a little behind all the time.
        for second in 201..400 {
            let at = began + Duration::from_secs(second);
            assert_eq!(watch.look(100 + second, 99 + second, at), None);
        }
    }
}
