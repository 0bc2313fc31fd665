//! Order: who is banned, who is muted, and who ignores whom.
//!
//! A ban or a mute that is over stays until the next one is made, and holds nobody: who looks at one
//! says what time it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::chat::ids::{RoomId, UserId};
use crate::store::order::{StoredBan, StoredIgnore, StoredMute, StoredOrder, StoredTarget};

/// The bits of an IPv6 address that are a host's network: it could come from another address of it
/// each time.
const IPV6_PREFIX: u8 = 64;
const IPV4_PREFIX: u8 = 32;

/// What is banned as one address: one of IPv4, or the network of 64 bits of one of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network(IpNet);

impl Network {
    pub fn of(ip: IpAddr) -> Network {
        let ip = translated(ip);
        let prefix = if ip.is_ipv4() { IPV4_PREFIX } else { IPV6_PREFIX };
        Network(IpNet::new_assert(ip, prefix).trunc())
    }

    /// In eight bytes, as it is known of every connection. Networks of IPv6 that begin with 32 bits
    /// of nothing, which are nobody's, are taken for addresses of IPv4.
    pub fn packed(self) -> u64 {
        match self.0 {
            IpNet::V4(net) => u64::from(net.addr().to_bits()),
            IpNet::V6(net) => (net.addr().to_bits() >> IPV6_PREFIX) as u64,
        }
    }

    /// Of what [`Network::packed`] has made.
    pub fn unpacked(packed: u64) -> Network {
        Network::of(match u32::try_from(packed) {
            Ok(bits) => IpAddr::V4(bits.into()),
            Err(_) => IpAddr::V6((u128::from(packed) << IPV6_PREFIX).into()),
        })
    }

    /// Its first address.
    pub fn ip(self) -> IpAddr {
        self.0.addr()
    }

    fn stored(self) -> Box<str> {
        self.0.to_string().into()
    }

    fn of_store(stored: &str) -> Option<Network> {
        stored.parse().ok().map(Network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpNet::V4(net) => net.addr().fmt(f),
            IpNet::V6(net) => net.fmt(f),
        }
    }
}

/// The address of IPv4 that one of IPv6 stands for: mapped, or behind a translator (RFC 6052, 2.1),
/// of which all share one network.
fn translated(ip: IpAddr) -> IpAddr {
    const WELL_KNOWN_PREFIX: u128 = 0x0064_ff9b << 96;
    match ip.to_canonical() {
        IpAddr::V6(v6) if v6.to_bits() >> 32 == WELL_KNOWN_PREFIX >> 32 => {
            IpAddr::V4(((v6.to_bits() & u128::from(u32::MAX)) as u32).into())
        }
        ip => ip,
    }
}

/// Who is banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BanTarget {
    Account(UserId),
    Network(Network),
}

/// Why somebody may not be here, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// The name, at that time, of who has banned it.
    pub by: Box<str>,
    /// Empty if none was given.
    pub reason: Box<str>,
    pub since_ms: u64,
    /// When it ends, if it does.
    pub until_ms: Option<u64>,
}

/// Why somebody may say nothing in a room, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mute {
    pub reason: Box<str>,
    pub until_ms: Option<u64>,
}

/// A change of order.
#[derive(Clone, Debug, PartialEq)]
pub enum OrderChange {
    Banned {
        target: BanTarget,
        ban: Ban,
    },
    Unbanned {
        target: BanTarget,
    },
    Muted {
        room: RoomId,
        user: UserId,
        mute: Mute,
    },
    Unmuted {
        room: RoomId,
        user: UserId,
    },
    /// Who does it sees nothing any more of what this user says.
    Ignored {
        user: UserId,
    },
    Unignored {
        user: UserId,
    },
}

/// See the module's documentation.
///
/// Invariant: `ignoring` is `ignored` the other way round; neither has an empty set.
#[derive(Debug, Default, PartialEq)]
pub struct Order {
    bans: BTreeMap<BanTarget, Ban>,
    mutes: BTreeMap<(RoomId, UserId), Mute>,
    ignored: BTreeMap<UserId, BTreeSet<UserId>>,
    ignoring: BTreeMap<UserId, BTreeSet<UserId>>,
}

fn holds(until_ms: Option<u64>, unix_ms: u64) -> bool {
    until_ms.is_none_or(|until_ms| unix_ms < until_ms)
}

impl Order {
    pub fn ban(&self, target: BanTarget, unix_ms: u64) -> Option<&Ban> {
        self.bans.get(&target).filter(|ban| holds(ban.until_ms, unix_ms))
    }

    pub fn is_banned(&self, account: UserId, unix_ms: u64) -> bool {
        self.ban(BanTarget::Account(account), unix_ms).is_some()
    }

    /// The ban of an address.
    pub fn ban_of(&self, ip: IpAddr, unix_ms: u64) -> Option<&Ban> {
        if self.bans.is_empty() {
            return None;
        }
        self.ban(BanTarget::Network(Network::of(ip)), unix_ms)
    }

    /// In the order of their targets; some may be over.
    pub fn bans(&self) -> impl ExactSizeIterator<Item = (BanTarget, &Ban)> {
        self.bans.iter().map(|(target, ban)| (*target, ban))
    }

    pub fn bans_over(&self, unix_ms: u64) -> Vec<BanTarget> {
        let over = self.bans.iter().filter(|(_, ban)| !holds(ban.until_ms, unix_ms));
        over.map(|(target, _)| *target).collect()
    }

    /// Asked for each message: there is hardly ever one.
    #[inline]
    pub fn mute(&self, room: RoomId, user: UserId, unix_ms: u64) -> Option<&Mute> {
        if self.mutes.is_empty() {
            return None;
        }
        self.mutes.get(&(room, user)).filter(|mute| holds(mute.until_ms, unix_ms))
    }

    /// The mutes of a room; some may be over.
    pub fn mutes_in(&self, room: RoomId) -> impl Iterator<Item = (UserId, &Mute)> {
        let first = (room, UserId::FIRST);
        let here = self.mutes.range(first..).take_while(move |((of, _), _)| *of == room);
        here.map(|((_, user), mute)| (*user, mute))
    }

    pub fn mutes_over(&self, room: RoomId, unix_ms: u64) -> Vec<UserId> {
        let over = self.mutes_in(room).filter(|(_, mute)| !holds(mute.until_ms, unix_ms));
        over.map(|(user, _)| user).collect()
    }

    /// The rooms in which somebody is muted, or was.
    pub fn mutes_of(&self, user: UserId) -> impl Iterator<Item = (RoomId, &Mute)> {
        let own = self.mutes.iter().filter(move |((_, of), _)| *of == user);
        own.map(|((room, _), mute)| (*room, mute))
    }

    /// Whom somebody ignores.
    pub fn ignored_by(&self, user: UserId) -> impl Iterator<Item = UserId> {
        self.ignored.get(&user).into_iter().flatten().copied()
    }

    /// Whether anybody ignores anybody. Asked for each message.
    #[inline]
    pub fn has_ignored(&self) -> bool {
        !self.ignoring.is_empty()
    }

    /// Who ignores somebody.
    pub fn ignoring(&self, user: UserId) -> impl Iterator<Item = UserId> {
        self.ignoring.get(&user).into_iter().flatten().copied()
    }

    pub fn ignores(&self, user: UserId, other: UserId) -> bool {
        !self.ignored.is_empty()
            && self.ignored.get(&user).is_some_and(|ignored| ignored.contains(&other))
    }

    /// Who ignores whom.
    pub(super) fn all_ignored(&self) -> impl Iterator<Item = (UserId, UserId)> {
        self.ignored.iter().flat_map(|(&by, all)| all.iter().map(move |&user| (by, user)))
    }

    /// All mutes; some may be over.
    pub(super) fn all_mutes(&self) -> impl Iterator<Item = (RoomId, UserId, &Mute)> {
        self.mutes.iter().map(|(&(room, user), mute)| (room, user, mute))
    }

    // ---- Changes ----

    pub(super) fn apply(&mut self, by: UserId, change: OrderChange) {
        match change {
            OrderChange::Banned { target, ban } => drop(self.bans.insert(target, ban)),
            OrderChange::Unbanned { target } => drop(self.bans.remove(&target)),
            OrderChange::Muted { room, user, mute } => drop(self.mutes.insert((room, user), mute)),
            OrderChange::Unmuted { room, user } => drop(self.mutes.remove(&(room, user))),
            OrderChange::Ignored { user } => {
                self.ignored.entry(by).or_default().insert(user);
                self.ignoring.entry(user).or_default().insert(by);
            }
            OrderChange::Unignored { user } => {
                remove(&mut self.ignored, by, user);
                remove(&mut self.ignoring, user, by);
            }
        }
    }

    /// A guest is no more.
    pub(super) fn forget_guest(&mut self, guest: UserId) {
        self.end_account(guest);
        if !self.ignoring.is_empty() {
            for by in self.ignoring.remove(&guest).unwrap_or_default() {
                remove(&mut self.ignored, by, guest);
            }
        }
    }

    /// An account is no more. What it has said is still there, and those who ignore it do so for
    /// good.
    pub(super) fn end_account(&mut self, account: UserId) {
        if !self.bans.is_empty() {
            self.bans.remove(&BanTarget::Account(account));
        }
        if !self.mutes.is_empty() {
            self.mutes.retain(|(_, of), _| *of != account);
        }
        if !self.ignored.is_empty() {
            for ignored in self.ignored.remove(&account).unwrap_or_default() {
                remove(&mut self.ignoring, ignored, account);
            }
        }
    }

    /// A room is no more.
    pub(super) fn forget_room(&mut self, room: RoomId) {
        if !self.mutes.is_empty() {
            self.mutes.retain(|(of, _), _| *of != room);
        }
    }

    /// What a store has kept.
    pub(super) fn load(&mut self, stored: &StoredOrder) {
        for StoredBan { target, by, reason, since_ms, until_ms } in &stored.bans {
            let target = match target {
                StoredTarget::Account(account) => UserId::new(*account).map(BanTarget::Account),
                StoredTarget::Network(network) => {
                    Network::of_store(network).map(BanTarget::Network)
                }
            };
            if let Some(target) = target {
                let (by, reason) = (by.clone(), reason.clone());
                let ban = Ban { by, reason, since_ms: *since_ms, until_ms: *until_ms };
                self.bans.insert(target, ban);
            }
        }
        for StoredMute { room, account, reason, until_ms } in &stored.mutes {
            if let (Some(room), Some(user)) = (RoomId::new(*room), UserId::new(*account)) {
                let mute = Mute { reason: reason.clone(), until_ms: *until_ms };
                self.mutes.insert((room, user), mute);
            }
        }
        for StoredIgnore { account, ignored } in &stored.ignores {
            if let (Some(by), Some(user)) = (UserId::new(*account), UserId::new(*ignored)) {
                self.apply(by, OrderChange::Ignored { user });
            }
        }
    }
}

fn remove(sets: &mut BTreeMap<UserId, BTreeSet<UserId>>, of: UserId, user: UserId) {
    if let Some(set) = sets.get_mut(&of) {
        set.remove(&user);
        if set.is_empty() {
            sets.remove(&of);
        }
    }
}

impl BanTarget {
    pub(in crate::chat) fn stored(self) -> StoredTarget {
        match self {
            BanTarget::Account(user) => StoredTarget::Account(user.get()),
            BanTarget::Network(network) => StoredTarget::Network(network.stored()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(ip: &str) -> Network {
        Network::of(ip.parse().expect("an address"))
    }

    #[test]
    fn an_address_behind_a_translator_is_one_of_ipv4() {
        let of = |typed: &str| Network::of(typed.parse().expect("an address"));
        for same in ["64:ff9b::192.0.2.7", "::ffff:192.0.2.7"] {
            assert_eq!(of(same), of("192.0.2.7"), "{same}");
        }
        assert_ne!(of("64:ff9b::192.0.2.7"), of("64:ff9b::192.0.2.8"));
        assert_eq!(of("64:ff9b:1::1").to_string(), "64:ff9b:1::/64", "it is somebody's own");
        assert_eq!(Network::unpacked(of("64:ff9b::192.0.2.7").packed()), of("192.0.2.7"));
    }

    #[test]
    fn a_host_of_ipv6_has_a_network() {
        assert_eq!(network("192.0.2.7").to_string(), "192.0.2.7");
        assert_eq!(network("::ffff:192.0.2.7"), network("192.0.2.7"));
        assert_ne!(network("192.0.2.7"), network("192.0.2.8"));
        assert_eq!(network("2001:db8::7").to_string(), "2001:db8::/64");
        assert_eq!(network("2001:db8::7"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8::7"), network("2001:db8:0:1::7"));
        for ip in ["192.0.2.7", "2001:db8::7"] {
            assert_eq!(Network::of_store(&network(ip).stored()), Some(network(ip)));
        }
    }

    #[test]
    fn what_is_over_holds_nobody() {
        let mut order = Order::default();
        let (room, user) = (RoomId::FIRST, UserId::FIRST);
        let mute = Mute { reason: "".into(), until_ms: Some(10) };
        order.apply(user, OrderChange::Muted { room, user, mute });
        assert!(order.mute(room, user, 9).is_some());
        assert!(order.mute(room, user, 10).is_none());
        assert_eq!((order.mutes_over(room, 9), order.mutes_over(room, 10)), (vec![], vec![user]));
        order.forget_room(room);
        assert!(order.mute(room, user, 9).is_none());
    }

    #[test]
    fn who_is_gone_ignores_nobody_and_only_of_accounts_something_is_left_to_ignore() {
        let mut order = Order::default();
        let (one, two, three) = (UserId::FIRST, UserId::FIRST.next(), UserId::FIRST.next().next());
        for (by, user) in [(one, two), (two, one), (three, one), (three, two)] {
            order.apply(by, OrderChange::Ignored { user });
        }
        assert!(order.ignores(three, one) && !order.ignores(one, three));
        order.end_account(one);
        assert_eq!(order.ignored_by(three).collect::<Vec<_>>(), [one, two]);
        order.forget_guest(one);
        assert_eq!(order.ignored_by(three).collect::<Vec<_>>(), [two]);
        assert_eq!(order.ignoring(two).collect::<Vec<_>>(), [three]);
        order.apply(three, OrderChange::Unignored { user: two });
        assert_eq!(order, Order::default());
    }
}
