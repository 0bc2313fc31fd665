//! Who is read from and served, and in which order: the ready list.
//!
//! A turn may end before all have been served. The rest is served first in the next one, before
//! those that have become ready since. Behind them come those that ask for much and those that ask
//! too often, each in a queue of its own, with what is left of the time: one visit at least.

use std::collections::VecDeque;

use hashbrown::HashMap;

use crate::clock::Millis;
use crate::ids::ClientId;
use crate::throttle::{Rate, TokenBucket};

/// The parts of a turn's reading, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Part {
    /// Those that talk.
    #[default]
    First,
    /// Those that come, and those that ask for something that takes long.
    Heavy,
    /// Those whose bucket of requests has been empty, or that have sent more than one visit serves,
    /// until their bucket is full again.
    Greedy,
}

impl Part {
    pub const ALL: [Part; 3] = [Part::First, Part::Heavy, Part::Greedy];
}

/// Invariant: a connection that is ready is in `queue`, `newly` or `greedy`, once. One in `heavy`
/// waits, unless it has been closed meanwhile. Nobody waits for more rounds than there were others
/// before it.
#[derive(Debug, Default)]
pub(super) struct ReadyList {
    queue: VecDeque<Entry>,
    /// Ready since the queue was last gone through.
    newly: Vec<ClientId>,
    heavy: VecDeque<Entry>,
    greedy: VecDeque<Entry>,
    round: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    id: ClientId,
    /// The last round in which its turn may come.
    until: u64,
}

impl ReadyList {
    pub fn push(&mut self, id: ClientId) {
        self.newly.push(id);
    }

    pub fn push_heavy(&mut self, id: ClientId) {
        self.heavy.push_back(Entry { id, until: last_round(self.round + 1, self.heavy.len()) });
    }

    pub fn push_greedy(&mut self, id: ClientId) {
        self.greedy.push_back(Entry { id, until: last_round(self.round, self.greedy.len()) });
    }

    /// Begins a round: behind the rest of the last one come those whose wait is over, which have
    /// waited longest, and then those that are newly ready.
    pub fn begin_round(&mut self, woken: Vec<ClientId>) {
        self.round += 1;
        for id in woken.into_iter().chain(self.newly.drain(..)) {
            self.queue.push_back(Entry { id, until: last_round(self.round, self.queue.len()) });
        }
    }

    pub fn len(&self, part: Part) -> usize {
        match part {
            Part::First => self.queue.len(),
            Part::Heavy => self.heavy.len(),
            Part::Greedy => self.greedy.len(),
        }
    }

    pub fn pop(&mut self, part: Part) -> Option<ClientId> {
        let entry = match part {
            Part::First => self.queue.pop_front(),
            Part::Heavy => self.heavy.pop_front(),
            Part::Greedy => self.greedy.pop_front(),
        };
        entry.map(|entry| entry.id)
    }

    pub fn is_empty(&self) -> bool {
        let queues = [&self.queue, &self.heavy, &self.greedy];
        self.newly.is_empty() && queues.iter().all(|queue| queue.is_empty())
    }

    /// Gives up memory that the next burst can have anew.
    pub fn trim(&mut self) {
        self.newly.shrink_to_fit();
        [&mut self.queue, &mut self.heavy, &mut self.greedy]
            .into_iter()
            .for_each(VecDeque::shrink_to_fit);
    }

    /// All that are listed as ready.
    pub fn ready(&self) -> impl Iterator<Item = ClientId> {
        let listed = self.queue.iter().chain(&self.greedy).map(|entry| entry.id);
        listed.chain(self.newly.iter().copied())
    }

    pub fn assert_invariants(&self) {
        for queue in [&self.queue, &self.heavy, &self.greedy] {
            for entry in queue {
                assert!(entry.until > self.round, "{} has been passed over", entry.id);
            }
        }
    }
}

/// The last round in which the turn of one may come that has so many before it, if one is served in
/// each round from this one on.
fn last_round(round: u64, before: usize) -> u64 {
    round + before as u64
}

/// Buckets are looked through for full ones when there are twice as many as were not full last
/// time, and so many at least.
const BUCKETS_MIN: usize = 64;

/// The buckets of those that have pinged or requested something lately. Few do at any time, so that
/// an idle connection has none.
///
/// Invariant: a client without a bucket has a full one.
#[derive(Debug, Default)]
pub(super) struct RequestBuckets {
    buckets: HashMap<ClientId, TokenBucket>,
    /// How many were left when full ones were last looked for.
    swept_len: usize,
}

impl RequestBuckets {
    /// Takes so many tokens out of a bucket that is not empty; it may owe some then. Returns whether
    /// it is empty now.
    pub fn spend(&mut self, id: ClientId, tokens: usize, now_ms: Millis, rate: &Rate) -> bool {
        if *rate == Rate::Off {
            return false;
        }
        if self.buckets.len() >= (2 * self.swept_len).max(BUCKETS_MIN) {
            self.sweep(now_ms, rate);
        }
        let bucket = self.buckets.entry(id).or_default();
        if bucket.has_token(now_ms, rate) {
            bucket.spend(tokens, now_ms, rate);
        }
        !bucket.has_token(now_ms, rate)
    }

    pub fn is_full(&self, id: ClientId, now_ms: Millis, rate: &Rate) -> bool {
        self.buckets.get(&id).is_none_or(|bucket| bucket.is_full(now_ms, rate))
    }

    /// Forgets the full ones.
    pub fn sweep(&mut self, now_ms: Millis, rate: &Rate) {
        self.buckets.retain(|_, bucket| !bucket.is_full(now_ms, rate));
        self.swept_len = self.buckets.len();
    }

    /// Gives up memory that the next burst can have anew.
    pub fn trim(&mut self, now_ms: Millis, rate: &Rate) {
        self.sweep(now_ms, rate);
        self.buckets.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: usize) -> ClientId {
        ClientId::new(number, 1)
    }

    #[test]
    fn the_rest_goes_before_those_whose_wait_is_over_and_these_before_the_newly_ready() {
        let mut list = ReadyList::default();
        (1..4).for_each(|number| list.push(client(number)));
        list.begin_round(Vec::new());
        assert_eq!(list.pop(Part::First), Some(client(1)));
        list.push(client(1));
        list.begin_round(vec![client(9)]);
        let order: Vec<ClientId> = std::iter::from_fn(|| list.pop(Part::First)).collect();
        assert_eq!(order, [2, 3, 9, 1].map(client));
        assert!(list.is_empty());
    }

    #[test]
    fn a_bucket_is_kept_only_while_it_is_not_full() {
        let rate = Rate::limited(100, 50).expect("in range");
        let mut buckets = RequestBuckets::default();
        assert!(!buckets.spend(client(0), 99, 0, &rate) && buckets.spend(client(0), 31, 0, &rate));
        assert!(!buckets.is_full(client(0), 0, &rate) && buckets.is_full(client(1), 0, &rate));
        assert!(buckets.spend(client(0), 100, 0, &rate), "an empty bucket owes no more for that");
        assert!(
            !buckets.is_full(client(0), 2_599, &rate) && buckets.is_full(client(0), 2_600, &rate)
        );
        for number in 1..10_000 {
            buckets.spend(client(number), 1, number as Millis, &rate);
            assert!(buckets.buckets.len() <= 2 * BUCKETS_MIN.max(101), "{number}");
        }
        buckets.trim(20_000, &rate);
        assert!(buckets.buckets.is_empty());
        buckets.spend(client(0), 1_000, 0, &Rate::Off);
        assert!(buckets.buckets.is_empty());
    }
}
