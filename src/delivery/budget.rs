//! One budget of memory for all clients together: what is held, and who waits for it.
//!
//! From three quarters of the budget on, large answers wait, and are given out one after the other
//! as memory becomes free, or now and then if it does not: nobody waits for ever for what others
//! hold. Past all of it the server lets clients go, down to seven eighths: so each time an eighth is
//! won, which pays for the search.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::Delivery;
use crate::clock::Millis;
use crate::delivery::flow::Wait;
use crate::ids::ClientId;
use crate::memory::MemoryAccount;

/// So often one large answer is given out although memory is short.
const GRANT_EVERY_MS: Millis = 20;

/// Who holds what, and who waits until there is memory for a large answer.
///
/// Invariant: nobody is on `granted` that waits, or is closed. `places` has the number of everybody
/// who waits, under which they are in `waiting`.
#[derive(Debug)]
pub struct Budget {
    pub account: MemoryAccount,
    bytes_max: usize,
    /// What one client may have queued, and so what an answer may take.
    answer_bytes_max: usize,
    /// What the service holds for clients.
    service_bytes: usize,
    /// In the order in which they came.
    waiting: BTreeMap<u64, ClientId>,
    places: HashMap<ClientId, u64>,
    next_number: u64,
    /// While memory is short, the next one gets an answer then.
    grant_at: Millis,
    /// They have waited, and may have their answer.
    granted: Vec<ClientId>,
}

impl Budget {
    pub fn new(bytes_max: usize, answer_bytes_max: usize) -> Budget {
        Budget {
            account: MemoryAccount::default(),
            bytes_max,
            answer_bytes_max,
            service_bytes: 0,
            waiting: BTreeMap::new(),
            places: HashMap::new(),
            next_number: 0,
            grant_at: 0,
            granted: Vec::new(),
        }
    }

    /// Held, at most, for large answers not to wait.
    fn short_bytes(&self) -> usize {
        self.bytes_max / 4 * 3
    }

    /// A client waits for memory.
    pub fn wait(&mut self, client: ClientId, now_ms: Millis) {
        if self.waiting.is_empty() {
            self.grant_at = now_ms + GRANT_EVERY_MS;
        }
        self.waiting.insert(self.next_number, client);
        self.places.insert(client, self.next_number);
        self.next_number += 1;
    }

    /// A client has no use for memory: it has gone, or waits for something else. Returns whether it
    /// has waited for it.
    pub fn withdraw(&mut self, client: ClientId) -> bool {
        self.granted.retain(|&granted| granted != client);
        let place = self.places.remove(&client);
        place.is_some_and(|number| self.waiting.remove(&number).is_some())
    }

    /// When to grant memory that may not have become free.
    pub fn next_grant(&self) -> Option<Millis> {
        (!self.waiting.is_empty()).then_some(self.grant_at)
    }

    /// Moves those that waited longest to `woken`, as many as there is memory for, with `held_bytes`
    /// held: at least one, while there is any.
    pub fn grant(&mut self, held_bytes: usize, now_ms: Millis, woken: &mut Vec<ClientId>) {
        let is_due = self.grant_at <= now_ms;
        if is_due {
            self.grant_at = now_ms + GRANT_EVERY_MS;
        }
        let free = self.short_bytes().saturating_sub(held_bytes);
        if self.waiting.is_empty() || free == 0 && !(is_due && held_bytes <= self.bytes_max) {
            return;
        }
        let answers = (free / self.answer_bytes_max.max(1)).max(1);
        while self.granted.len() < answers
            && let Some((_, client)) = self.waiting.pop_first()
        {
            self.places.remove(&client);
            woken.push(client);
            self.granted.push(client);
        }
    }

    /// Gives up memory that the next burst can have anew.
    pub fn trim(&mut self) {
        self.places.shrink_to_fit();
        self.granted.shrink_to_fit();
    }

    pub fn assert_at_rest(&self) {
        assert!(self.waiting.is_empty() && self.granted.is_empty(), "nobody waits for memory");
        assert!(self.places.is_empty(), "nobody has a place who does not wait");
        assert_eq!(self.account.entry_bytes(), 0, "something is held for nobody");
    }
}

/// What services call.
impl Delivery {
    /// Whether large answers have to wait: all clients together hold most of what they may, or so
    /// much is held for the store that there has to be an end.
    pub fn is_short_of_memory(&self) -> bool {
        self.held_bytes() >= self.budget.short_bytes() || self.is_store_behind()
    }

    /// Asks whether a client may have a large answer now. If not, it is to wait for
    /// [`Wait::Memory`], behind those that wait already.
    pub fn may_answer(&mut self, client: ClientId) -> bool {
        let granted = self.budget.granted.iter().position(|&granted| granted == client);
        if let Some(at) = granted {
            self.budget.granted.swap_remove(at);
            return true;
        }
        self.budget.waiting.is_empty() && !self.is_short_of_memory()
    }

    /// Makes bytes that many clients can be sent, and that count once.
    pub fn share(&self, bytes: Vec<u8>) -> Bytes {
        self.recipients.share_account().share(bytes)
    }

    /// What is held for all clients together, in bytes, but for what waits for the store: that has
    /// a bound of its own.
    pub fn held_bytes(&self) -> usize {
        self.budget.account.bytes() + self.recipients.own_bytes() + self.budget.service_bytes
    }
}

/// What the server calls.
impl Delivery {
    /// Where what it holds for clients counts.
    pub(crate) fn account(&self) -> &MemoryAccount {
        &self.budget.account
    }

    /// The service holds so much for clients.
    pub(crate) fn set_service_bytes(&mut self, bytes: usize) {
        self.budget.service_bytes = bytes;
    }

    /// Whether clients are to be let go.
    pub(crate) fn is_over_budget(&self) -> bool {
        self.held_bytes() > self.budget.bytes_max
    }

    /// Whether enough clients have been let go.
    pub(crate) fn is_within_budget(&self) -> bool {
        self.held_bytes() <= self.budget.bytes_max / 8 * 7
    }

    /// What a client holds of what is queued for it, in bytes.
    pub(crate) fn client_held_bytes(&self, client: ClientId) -> usize {
        self.recipients.get(client).held_bytes()
    }

    /// Whether the kernel takes nothing of what is queued for a client, at the moment.
    pub(crate) fn is_blocked(&self, client: ClientId) -> bool {
        self.recipients.get(client).is_blocked()
    }

    /// The same for some time: one that reads as fast as it can is full for a moment, too.
    pub(crate) fn is_stuck(&self, client: ClientId) -> bool {
        let stuck_from = self.last_taken(client) + self.flow.limits.stalled_ms / 4;
        self.is_blocked(client) && stuck_from <= self.now().ms
    }

    /// Lets those go on that wait for memory, as far as there is any.
    pub(crate) fn grant_memory(&mut self) {
        if self.is_store_behind() {
            return;
        }
        let (held_bytes, now_ms) = (self.held_bytes(), self.now().ms);
        let Delivery { budget, flow, .. } = self;
        flow.wake_with(|woken| budget.grant(held_bytes, now_ms, woken));
    }

    /// When to call [`Delivery::grant_memory`] next, if nothing happens. While the store is behind,
    /// its next commit begins a turn.
    pub(crate) fn next_grant(&self) -> Option<Millis> {
        self.budget.next_grant().filter(|_| !self.is_store_behind())
    }

    /// Notes who waits for what.
    pub(crate) fn wait(&mut self, client: ClientId, until: Wait) {
        self.metrics.waits += 1;
        match until {
            Wait::Memory => self.budget.wait(client, self.flow.now.ms),
            other => {
                self.budget.withdraw(client);
                self.flow.wait(client, other);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(key: usize) -> ClientId {
        ClientId::new(key, 1)
    }

    fn granted(budget: &mut Budget, held_bytes: usize) -> Vec<ClientId> {
        granted_at(budget, held_bytes, 0)
    }

    fn granted_at(budget: &mut Budget, held_bytes: usize, now_ms: Millis) -> Vec<ClientId> {
        let mut woken = Vec::new();
        budget.grant(held_bytes, now_ms, &mut woken);
        woken
    }

    fn drop_grant(budget: &mut Budget, client: ClientId) {
        assert!(!budget.withdraw(client), "it does not wait");
    }

    #[test]
    fn those_that_wait_get_memory_in_order_and_no_more_than_there_is() {
        let mut budget = Budget::new(4000, 1000);
        (0..6).for_each(|key| budget.wait(client(key), 0));
        assert_eq!(granted(&mut budget, 3000), [], "three quarters are held");
        assert_eq!(granted(&mut budget, 2999), [client(0)], "one, even if it might not fit");
        assert_eq!(granted(&mut budget, 2999), [], "that one has not had its answer");
        assert_eq!(granted(&mut budget, 0), [client(1), client(2)], "three together");
        budget.withdraw(client(0));
        budget.withdraw(client(1));
        assert_eq!(granted(&mut budget, 1000), [client(3)]);
        (0..4).for_each(|key| drop_grant(&mut budget, client(key)));
        assert_eq!(granted(&mut budget, 0), [client(4), client(5)]);
        [4, 5].iter().for_each(|&key| drop_grant(&mut budget, client(key)));
        budget.assert_at_rest();
    }
    /// What is short may be what those hold that wait.
    #[test]
    fn nobody_waits_for_ever() {
        let mut budget = Budget::new(4000, 1000);
        [0, 9, 1].iter().for_each(|&key| budget.wait(client(key), 100));
        assert!(budget.withdraw(client(9)) && !budget.withdraw(client(9)), "it has gone");
        assert_eq!(
            (budget.waiting.len(), budget.places.len()),
            (2, 2),
            "and nothing is kept of it"
        );
        assert_eq!(budget.next_grant(), Some(120));
        assert_eq!(granted_at(&mut budget, 3500, 119), []);
        assert_eq!(granted_at(&mut budget, 3500, 120), [client(0)]);
        assert_eq!(granted_at(&mut budget, 3500, 140), [], "that one has not had its answer");
        budget.withdraw(client(0));
        assert_eq!(granted_at(&mut budget, 4001, 160), [], "clients are being let go");
        assert_eq!(granted_at(&mut budget, 3500, 179), []);
        assert_eq!(granted_at(&mut budget, 3500, 180), [client(1)]);
    }
}
