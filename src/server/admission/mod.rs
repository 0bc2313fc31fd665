//! What one address may have: so many clients at once, and new connections so often.
//!
//! Sans-IO: what accepts connections asks [`Admission::admit`], and reports each client that
//! connected and disconnected.
//!
//! What is kept is of two kinds. How many clients an address has is exact, and an address without
//! clients has no entry. How often it connected is forgotten as soon as forgetting makes no
//! difference, and earlier only past `RECENT_MAX`.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::mem;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use thiserror::Error;

use crate::clock::Millis;
use crate::ids::{ClientId, UNIX_PEER};
use crate::server::proxies::TrustedProxies;
use crate::throttle::{Rate, TokenBucket};
use crate::wire::http::{HttpError, Method};

/// `--max-clients-per-address` for public addresses, unless given: a school or an office behind one
/// address, while filling a server takes dozens of them.
const PUBLIC_CLIENTS_MAX: u32 = 256;
/// `--connect-rate` for public addresses, unless given: after a restart all of them come back at
/// once, each with a page to load; what goes on after that is no more than a fraction of what one
/// core accepts.
const PUBLIC_CONNECTS: (u32, u32) = (512, 32);

/// Addresses that have connected of late, in each of two tables: as many as fill 2^16 slots of 17
/// bytes, about 1 MiB.
const RECENT_MAX: usize = 7 << 13;

/// What counts as one address: an IPv4 address, or the /64 network of an IPv6 address, which is
/// what one host or one home is given (RFC 6177); it could come from another address of its 2^64
/// each time.
///
/// Held as the network's 64 bits. IPv4 addresses take the place of the networks in `::/32`, which
/// are nobody's (RFC 4291, 2.4 reserves 0000::/8) but for that of `::1`: it falls on 0.0.0.0, which
/// no peer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Address(u64);

/// How many clients may be connected at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxClients {
    /// As many as there is room for.
    Off,
    /// So many and no more; at least one.
    AtMost(u32),
}

/// Why a connection is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// `--max-clients`, or what the limit of open files allows.
    #[error("this server has as many clients as it can take")]
    Full,
    /// The process, or the system, has no descriptor left.
    #[error("this server is out of file descriptors")]
    OutOfDescriptors,
    /// `--max-clients-per-address`.
    #[error("your address has as many clients here as it may have")]
    AddressFull,
    /// `--connect-rate`.
    #[error("your address connects too often")]
    AddressTooFast,
    /// The service does not want it.
    #[error("your address is banned from this server")]
    Banned,
}

impl Rejection {
    /// How it is told somebody at a terminal.
    pub fn line(self) -> String {
        match self {
            Rejection::Banned => format!("! {self}\n"),
            Rejection::Full
            | Rejection::OutOfDescriptors
            | Rejection::AddressFull
            | Rejection::AddressTooFast => format!("! {self}; try again later\n"),
        }
    }

    /// How it is told in HTTP.
    pub fn http_error(self) -> HttpError {
        match self {
            Rejection::Full | Rejection::OutOfDescriptors => HttpError::FULL,
            Rejection::AddressFull | Rejection::AddressTooFast => HttpError::TOO_MANY,
            Rejection::Banned => HttpError::BANNED,
        }
    }

    /// The same as a response.
    pub fn response(self, is_head: bool, date: &str) -> Vec<u8> {
        self.http_error().response(is_head.then_some(Method::Head), Some(date)).to_bytes()
    }

    /// How it is told in TLS: a fatal alert, access_denied (RFC 8446, 6.2), in a record that every
    /// version reads. A handshake, and a sentence inside it, would cost more than it is worth.
    pub const TLS_ALERT: [u8; 7] = [0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x31];

    /// The limit that an operator can change.
    pub fn limit(self) -> &'static str {
        match self {
            Rejection::Full => "--max-clients, open files",
            Rejection::OutOfDescriptors => "open files",
            Rejection::AddressFull => "--max-clients-per-address",
            Rejection::AddressTooFast => "--connect-rate",
            Rejection::Banned => "/ban",
        }
    }
}

/// What one address may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressLimits {
    /// `--max-clients-per-address`.
    pub clients: MaxClients,
    /// `--connect-rate`.
    pub connects: Rate,
}

impl AddressLimits {
    const OFF: AddressLimits = AddressLimits { clients: MaxClients::Off, connects: Rate::Off };
}

/// The limits of two kinds of addresses.
///
/// Unless given, limits hold for public addresses only. From loopback and private networks come
/// reverse proxies, with the clients of the whole world behind one address, and load tests, with
/// tens of thousands; nobody there is a stranger. IRC servers draw the line closer, at loopback
/// (ergo: 16 clients, and 32 connections in ten minutes) or not at all (ngircd: 5 clients); Redis,
/// nginx and HAProxy have such limits only if they are configured. Given, a limit holds for every
/// address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressPolicy {
    pub public: AddressLimits,
    /// Loopback, private, shared (100.64/10) and link-local networks.
    pub local: AddressLimits,
}

/// What is known of the addresses that clients come from.
///
/// Invariant: `clients` holds how many clients each address has, if its number is limited, and no
/// zero. `recent` holds every bucket that is not full, as long as there are no more than
/// `RECENT_MAX` of them.
///
/// An address with clients takes 20 to 40 bytes, one without any nothing: where everybody has an
/// address of their own, that is memory of every client.
///
/// Both are hashed with keys that nobody outside knows: an attacker who picks addresses must not
/// pick where they collide.
#[derive(Debug)]
pub struct Admission {
    policy: AddressPolicy,
    /// No limit holds for them.
    exempt: TrustedProxies,
    clients: HashMap<Address, u32>,
    recent: Recent,
}

/// The buckets of addresses that have connected of late.
///
/// Invariant: neither table has more than `max` entries, and no address is in both. What was tried
/// for since `turned_at` is in `young`; what is in `old` was not.
#[derive(Debug)]
struct Recent {
    young: HashMap<Address, TokenBucket>,
    old: HashMap<Address, TokenBucket>,
    turned_at: Millis,
    /// After this long the slowest bucket is full again.
    fill_ms: Millis,
    max: usize,
}

impl Address {
    fn of(ip: IpAddr) -> Address {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Address(ip.to_bits().into()),
            IpAddr::V6(ip) => Address((ip.to_bits() >> 64) as u64),
        }
    }
}

/// Connections that have said nothing yet and may listen as soon as somebody at their address is at
/// a terminal.
#[derive(Debug, Default)]
pub struct SilentClients {
    clients: BTreeSet<(Address, ClientId)>,
}

impl SilentClients {
    pub fn insert(&mut self, client: ClientId, ip: IpAddr) {
        self.clients.insert((Address::of(ip), client));
    }

    pub fn remove(&mut self, client: ClientId, ip: IpAddr) {
        if !self.clients.is_empty() {
            self.clients.remove(&(Address::of(ip), client));
        }
    }

    /// Those at an address, in the order of their keys.
    pub fn at(&self, ip: IpAddr) -> Vec<ClientId> {
        let address = Address::of(ip);
        let from = self.clients.range((address, ClientId::FIRST)..);
        from.take_while(|(at, _)| *at == address).map(|&(_, client)| client).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }
}

/// Whether this address is on this host, as Unix sockets are, or in a network of its operator's.
pub fn is_local(ip: IpAddr) -> bool {
    // RFC 6598: between a provider and its customers, and inside of clouds.
    let is_shared = |ip: Ipv4Addr| ip.octets()[0] == 100 && ip.octets()[1] & 0xC0 == 64;
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            ip.is_loopback() || ip.is_private() || ip.is_link_local() || is_shared(ip)
        }
        IpAddr::V6(ip) => {
            ip.is_unspecified()
                || ip.is_loopback()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
        }
    }
}

impl AddressPolicy {
    /// What was given, and the defaults for what was not.
    pub fn new(clients: Option<MaxClients>, connects: Option<Rate>) -> AddressPolicy {
        let (burst, per_second) = PUBLIC_CONNECTS;
        let public_connects = Rate::limited(burst, per_second).expect("both are in range");
        AddressPolicy {
            public: AddressLimits {
                clients: clients.unwrap_or(MaxClients::AtMost(PUBLIC_CLIENTS_MAX)),
                connects: connects.unwrap_or(public_connects),
            },
            local: AddressLimits {
                clients: clients.unwrap_or(MaxClients::Off),
                connects: connects.unwrap_or(Rate::Off),
            },
        }
    }

    fn limits(&self, ip: IpAddr) -> &AddressLimits {
        if is_local(ip) { &self.local } else { &self.public }
    }
}

impl Default for AddressPolicy {
    fn default() -> AddressPolicy {
        AddressPolicy::new(None, None)
    }
}

impl Admission {
    pub fn new(policy: AddressPolicy) -> Admission {
        let fill_ms = policy.public.connects.fill_ms().max(policy.local.connects.fill_ms());
        let recent = Recent::new(fill_ms, RECENT_MAX);
        Admission { policy, exempt: TrustedProxies::default(), clients: HashMap::new(), recent }
    }

    /// Has no limit hold for these: they come with everybody's clients.
    pub fn exempting(self, exempt: TrustedProxies) -> Admission {
        Admission { exempt, ..self }
    }

    /// Asks for one more client from this address. The client is counted once it is connected, the
    /// connection now.
    ///
    /// # Errors
    /// Why it is rejected. Asking in vain costs the address nothing.
    pub fn admit(&mut self, ip: IpAddr, now: Millis) -> Result<(), Rejection> {
        self.check_room(ip)?;
        let AddressLimits { connects, .. } = self.limits(ip);
        let address = Address::of(ip);
        if connects == Rate::Off {
            return Ok(());
        }
        self.recent
            .bucket(address, now)
            .try_take(now, &connects)
            .map_err(|_| Rejection::AddressTooFast)
    }

    /// Asks the same of what is no new connection.
    ///
    /// # Errors
    /// This address has as many clients as it may have.
    pub fn check_room(&self, ip: IpAddr) -> Result<(), Rejection> {
        let clients = self.clients.get(&Address::of(ip)).copied().unwrap_or_default();
        match self.limits(ip).clients {
            MaxClients::AtMost(most) if clients >= most => Err(Rejection::AddressFull),
            MaxClients::AtMost(_) | MaxClients::Off => Ok(()),
        }
    }

    /// A client from this address is here.
    pub fn connected(&mut self, ip: IpAddr) {
        if self.is_counted(ip) {
            *self.clients.entry(Address::of(ip)).or_default() += 1;
        }
    }

    /// A client from this address is here no more.
    pub fn disconnected(&mut self, ip: IpAddr) {
        if !self.is_counted(ip) {
            return;
        }
        let address = Address::of(ip);
        let Some(count) = self.clients.get_mut(&address) else { return };
        *count -= 1;
        if *count == 0 {
            self.clients.remove(&address);
        }
    }

    /// Gives up memory that the next burst can have anew.
    pub fn trim(&mut self, now: Millis) {
        self.clients.shrink_to_fit();
        self.recent.turn(now);
    }

    fn is_counted(&self, ip: IpAddr) -> bool {
        self.limits(ip).clients != MaxClients::Off
    }

    fn limits(&self, ip: IpAddr) -> AddressLimits {
        let is_exempt = SocketAddr::new(ip, 0) == UNIX_PEER || self.exempt.contains_ip(ip);
        if is_exempt { AddressLimits::OFF } else { *self.policy.limits(ip) }
    }

    /// Asserts that exactly these clients are counted, and that what is kept is within its limits.
    pub(crate) fn assert_invariants(&self, clients: impl Iterator<Item = IpAddr>) {
        let mut counts: HashMap<Address, u32> = HashMap::new();
        for ip in clients.filter(|ip| self.is_counted(*ip)) {
            *counts.entry(Address::of(ip)).or_default() += 1;
        }
        assert_eq!(self.clients, counts, "the clients of each address");
        let Recent { young, old, max, .. } = &self.recent;
        assert!(
            young.len() <= *max && old.len() <= *max,
            "{} and {} of {max}",
            young.len(),
            old.len()
        );
        assert!(
            young.keys().all(|address| !old.contains_key(address)),
            "an address has one bucket"
        );
    }
}

impl Recent {
    fn new(fill_ms: Millis, max: usize) -> Recent {
        Recent { young: HashMap::new(), old: HashMap::new(), turned_at: 0, fill_ms, max }
    }

    /// The bucket of this address.
    ///
    /// When there is no room for it, those who have not tried for longest are forgotten, as if
    /// their buckets were full; the last `max` who tried never are. An attacker with so many
    /// addresses gains by it no more than by using others of them. To refuse those for whom
    /// there is no room would be worse: then that one could lock all newcomers out.
    fn bucket(&mut self, address: Address, now: Millis) -> &mut TokenBucket {
        self.turn(now);
        let known = self.old.remove(&address);
        if self.young.len() >= self.max && !self.young.contains_key(&address) {
            self.forget_old(now);
        }
        self.young.entry(address).or_insert_with(|| known.unwrap_or_default())
    }

    /// Forgets buckets that are full by now, when it is time. No sweep looks for them: what has
    /// been in `old` for the whole time since the last turn is full.
    fn turn(&mut self, now: Millis) {
        if now.saturating_sub(self.turned_at) >= self.fill_ms {
            self.forget_old(now);
        }
    }

    fn forget_old(&mut self, now: Millis) {
        self.old = mem::take(&mut self.young);
        self.turned_at = now;
    }
}

/// Addresses of which something has been noted of late.
///
/// Invariant: what was noted since `turned_at` is in `young`, what was noted in the time before in
/// `old`; neither has more than `RECENT_MAX` addresses.
#[derive(Debug, Default)]
pub struct RecentAddresses {
    young: HashSet<Address>,
    old: HashSet<Address>,
    turned_at: Millis,
}

/// An address is remembered for so long at least, and for twice as long at most.
const REMEMBERED_MS: Millis = 10 * 60 * 1000;

impl RecentAddresses {
    pub fn note(&mut self, ip: IpAddr) {
        if self.young.len() >= RECENT_MAX {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(Address::of(ip));
    }

    pub fn contains(&self, ip: IpAddr) -> bool {
        let address = Address::of(ip);
        self.young.contains(&address) || self.old.contains(&address)
    }

    /// Whether [`RecentAddresses::turn`] is to be called before anything else.
    pub fn is_due(&self, now: Millis) -> bool {
        now.saturating_sub(self.turned_at) >= REMEMBERED_MS
    }

    /// Forgets the addresses noted longest ago, but for those of which it still holds.
    pub fn turn(&mut self, now: Millis, still: impl Iterator<Item = IpAddr>) {
        let young = mem::take(&mut self.young);
        let is_recent = now.saturating_sub(self.turned_at) < 2 * REMEMBERED_MS;
        self.old = if is_recent { young } else { HashSet::new() };
        self.turned_at = now;
        still.take(RECENT_MAX).for_each(|ip| self.note(ip));
    }
}

impl FromStr for MaxClients {
    type Err = MaxClientsError;

    /// `256` is a number of clients; `off` is no limit.
    fn from_str(given: &str) -> Result<MaxClients, MaxClientsError> {
        if given == "off" {
            return Ok(MaxClients::Off);
        }
        // `u32::from_str` takes `+5`, which nobody means.
        let is_whole = given.bytes().all(|byte| byte.is_ascii_digit());
        given
            .parse()
            .ok()
            .filter(|most| is_whole && *most > 0)
            .map(MaxClients::AtMost)
            .ok_or(MaxClientsError)
    }
}

/// A number of clients that cannot be used. The report of it says what was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("give a number of clients from 1 to {}, or off for no limit", u32::MAX)]
pub struct MaxClientsError;

#[cfg(test)]
mod tests;
