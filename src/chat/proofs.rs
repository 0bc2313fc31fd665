//! What requests need of [`Secrets`]: passwords hashed and compared, codes, random bytes.
//!
//! A request waits for a ticket while that is done on another thread, and finds what came of it
//! when it is offered again, as with what is read from the store ([`super::questions`]).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use crate::chat::ids::UserId;
use crate::ids::{ClientId, Peer, Ticket};
use crate::secrets::{SECRET_BYTES, Secrets};
use crate::service::{Answer, Job, Lane};
use crate::throttle::{Rate, TokenBucket};

/// Questions to the store count their tickets from 1 on.
const FIRST_TICKET: u64 = 1 << 63;

/// So many requests may wait for their passwords at a time. One takes some 30 ms.
pub const PENDING_MAX: usize = 16;

/// What is to be done, in this order, until something is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// A password, and the hash that it is to have; without one, nothing is right.
    pub verify: Option<(Box<str>, Option<Box<str>>)>,
    /// A code that may be the one of the first owner.
    pub owner_code: Option<Box<str>>,
    /// A new password.
    pub hash: Option<Box<str>>,
}

impl Work {
    /// Whether a password is hashed in it.
    fn is_slow(&self) -> bool {
        self.verify.is_some() || self.hash.is_some()
    }

    /// Does it; slow.
    fn run(&self, secrets: &dyn Secrets) -> Proof {
        let is_right = self
            .verify
            .as_ref()
            .is_none_or(|(password, hash)| secrets.verify(password, hash.as_deref()));
        let is_right =
            is_right && self.owner_code.as_ref().is_none_or(|code| secrets.take_owner_code(code));
        let password = self.hash.as_ref().filter(|_| is_right);
        Proof {
            is_right,
            had_code: self.owner_code.is_some(),
            tried: self.verify.as_ref().and_then(|(_, hash)| hash.clone()),
            hash: password.map(|password| secrets.hash(password)),
            random: secrets.random(),
        }
    }
}

/// What came of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Proof {
    /// The password and the code are right, if there was one to be.
    pub is_right: bool,
    /// There was a code.
    pub had_code: bool,
    /// The hash that the password was compared with.
    pub tried: Option<Box<str>>,
    /// The hash of the new password.
    pub hash: Option<Box<str>>,
    pub random: [u8; SECRET_BYTES],
}

/// Whose password is tried.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Whose {
    Account(UserId),
    /// No account has this name; its key.
    Nobody(Box<str>),
}

#[derive(Debug)]
struct Asked {
    ticket: Ticket,
    whose: Option<Whose>,
    proof: Option<Proof>,
}

/// Who waits for what.
#[derive(Default)]
pub struct Proofs {
    asked: BTreeMap<ClientId, Asked>,
    /// Who waits for which ticket, as long as it is there.
    clients: BTreeMap<Ticket, ClientId>,
    jobs: Vec<Job>,
    /// Passwords that are being hashed, or are going to be: also for clients that have gone, as
    /// what was given to the thread is done.
    hashing: BTreeSet<Ticket>,
    tickets: u64,
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proof").field("is_right", &self.is_right).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Proofs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proofs").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl Proofs {
    /// Has something done for a client, and says what it waits for.
    pub fn ask(
        &mut self,
        client: ClientId,
        work: Work,
        whose: Option<Whose>,
        secrets: Arc<dyn Secrets>,
    ) -> Ticket {
        let ticket = Ticket(FIRST_TICKET + self.tickets);
        self.tickets += 1;
        let lane = if work.is_slow() { Lane::Passwords } else { Lane::Reading };
        if lane == Lane::Passwords {
            self.hashing.insert(ticket);
        }
        let run = Box::new(move || Box::new(work.run(&*secrets)) as Answer);
        self.jobs.push(Job { ticket, lane, run });
        self.clients.insert(ticket, client);
        self.asked.insert(client, Asked { ticket, whose, proof: None });
        ticket
    }

    /// What a client waits for.
    pub fn waits(&self, client: ClientId) -> Option<Ticket> {
        let asked = self.asked.get(&client)?;
        asked.proof.is_none().then_some(asked.ticket)
    }

    pub fn has(&self, client: ClientId) -> bool {
        self.asked.get(&client).is_some_and(|asked| asked.proof.is_some())
    }

    /// Whether as many passwords wait to be hashed as may.
    pub fn is_busy(&self) -> bool {
        self.hashing.len() >= PENDING_MAX
    }

    pub fn take(&mut self, client: ClientId) -> Option<Proof> {
        self.take_tried(client).map(|(proof, _)| proof)
    }

    /// What came of it, and whose password was tried.
    pub fn take_tried(&mut self, client: ClientId) -> Option<(Proof, Option<Whose>)> {
        let Asked { whose, proof, .. } = self.asked.remove(&client)?;
        proof.map(|proof| (proof, whose))
    }

    /// The client has done what it asked for, or has gone.
    pub fn forget(&mut self, client: ClientId) {
        if !self.asked.is_empty() {
            self.asked.remove(&client);
        }
    }

    pub fn take_jobs(&mut self) -> Vec<Job> {
        std::mem::take(&mut self.jobs)
    }

    /// Takes in what came of it, if this is one of its tickets. Who asked may have gone.
    pub fn complete(&mut self, ticket: Ticket, answer: Answer) -> Result<(), Answer> {
        let proof = answer.downcast::<Proof>()?;
        self.hashing.remove(&ticket);
        let client = self.clients.remove(&ticket);
        let asked = client.and_then(|client| self.asked.get_mut(&client));
        if let Some(asked) = asked.filter(|asked| asked.ticket == ticket) {
            asked.proof = Some(*proof);
        }
        Ok(())
    }

    /// Nobody is here any more. Tickets go on, and so does what was given to the thread.
    pub fn is_waiting(&self) -> bool {
        !self.asked.is_empty()
    }

    pub fn clear(&mut self) {
        self.asked.clear();
    }
}

/// How often passwords and codes may be tried: from one address, 20 times and once in two seconds
/// after that; wrong ones for one account, 10 times and once in a minute. Names that are nobody's
/// are counted like those of accounts: else the answers would tell which is which.
const ADDRESS_RATE: (u32, u64) = (20, 2);
const ACCOUNT_RATE: (u32, u64) = (10, 60);

/// Counts attempts.
#[derive(Debug, Default)]
pub struct Attempts {
    /// Of IPv6, networks of 64 bits: one host has a whole one.
    addresses: HashMap<IpAddr, TokenBucket>,
    accounts: HashMap<Whose, TokenBucket>,
    /// Of addresses that have shown tokens which nobody has. Not counted with passwords: after a
    /// restart without a store no token is known.
    unknown: HashMap<(Shown, IpAddr), TokenBucket>,
}

/// Whose token is shown. Those of one kind do not keep the others from being looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shown {
    Guest,
    /// Of a hook, or of a program that follows what is said.
    Program,
}

impl Attempts {
    /// Whether one more may come from an address, for an account. What comes by a Unix socket has
    /// no address.
    pub fn may_try(&mut self, peer: Peer, whose: Option<&Whose>, now_ms: u64) -> bool {
        let full = whose.and_then(|whose| self.accounts.get(whose));
        if full.is_some_and(|bucket| {
            !bucket.has_token(slow(now_ms, ACCOUNT_RATE), &rate(ACCOUNT_RATE))
        }) {
            return false;
        }
        if peer.is_unix() {
            return true;
        }
        let (now, rate) = (slow(now_ms, ADDRESS_RATE), rate(ADDRESS_RATE));
        self.addresses.retain(|_, bucket| !bucket.is_full(now, &rate));
        self.addresses.entry(network(peer.ip())).or_default().try_take(now, &rate).is_ok()
    }

    /// Whether one more could come from an address.
    pub fn has_try(&self, peer: Peer, now_ms: u64) -> bool {
        let bucket = self.addresses.get(&network(peer.ip()));
        let (now, rate) = (slow(now_ms, ADDRESS_RATE), rate(ADDRESS_RATE));
        peer.is_unix() || bucket.is_none_or(|bucket| bucket.has_token(now, &rate))
    }

    /// Whether a token that comes from this address is looked up.
    pub fn may_show(&self, shown: Shown, peer: Peer, now_ms: u64) -> bool {
        let bucket = self.unknown.get(&(shown, network(peer.ip())));
        bucket
            .is_none_or(|bucket| bucket.has_token(slow(now_ms, ADDRESS_RATE), &rate(ADDRESS_RATE)))
    }

    /// Nobody has the token that came from there. Returns whether it is told so: there were not too
    /// many before it, which are counted no more.
    pub fn count_unknown(&mut self, shown: Shown, peer: Peer, now_ms: u64) -> bool {
        let is_told = self.may_show(shown, peer, now_ms);
        if is_told {
            self.note_unknown(shown, peer, now_ms);
        }
        is_told
    }

    /// Nobody has the token that came from there.
    pub fn note_unknown(&mut self, shown: Shown, peer: Peer, now_ms: u64) {
        if peer.is_unix() {
            return;
        }
        let (now, rate) = (slow(now_ms, ADDRESS_RATE), rate(ADDRESS_RATE));
        self.unknown.retain(|_, bucket| !bucket.is_full(now, &rate));
        self.unknown.entry((shown, network(peer.ip()))).or_default().spend(1, now, &rate);
    }

    /// It was wrong.
    pub fn note_wrong(&mut self, whose: Whose, now_ms: u64) {
        let (now, rate) = (slow(now_ms, ACCOUNT_RATE), rate(ACCOUNT_RATE));
        self.accounts.retain(|_, bucket| !bucket.is_full(now, &rate));
        self.accounts.entry(whose).or_default().spend(1, now, &rate);
    }
}

fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}

/// A clock in which one token a second is one in so many.
fn slow(now_ms: u64, (_, seconds): (u32, u64)) -> u64 {
    now_ms / seconds
}

fn rate((burst, _): (u32, u64)) -> Rate {
    Rate::limited(burst, 1).expect("a burst and one a second are usable")
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn a_host_with_many_addresses_has_one() {
        let mut attempts = Attempts::default();
        let mut tries = |address: &str| {
            let address: SocketAddr = address.parse().expect("an address");
            attempts.may_try(address.into(), None, 0)
        };
        let of_one_host = (0..100).filter(|host| tries(&format!("[2001:db8:0:1::{host:x}]:1")));
        assert_eq!(of_one_host.count(), 20);
        assert!(tries("[2001:db8:0:2::1]:1"), "another host");
        assert_eq!((0..100).filter(|_| tries("192.0.2.1:1")).count(), 20);
        assert!(tries("192.0.2.2:1"), "another host");
        assert_eq!((0..100).filter(|_| tries("[::]:0")).count(), 100, "Unix sockets have none");
    }

    #[test]
    fn wrong_passwords_of_nobody_are_forgotten() {
        let mut attempts = Attempts::default();
        let peer = "192.0.2.1:1".parse::<SocketAddr>().expect("an address").into();
        let whose = Whose::Nobody("nobody".into());
        (0..10).for_each(|_| attempts.note_wrong(whose.clone(), 0));
        assert!(!attempts.may_try(peer, Some(&whose), 0));
        assert!(attempts.may_try(peer, Some(&whose), 61_000));
        attempts.note_wrong(Whose::Nobody("another".into()), 10 * 60_000);
        assert_eq!(attempts.accounts.len(), 1, "what makes no difference is not kept");
    }
}
