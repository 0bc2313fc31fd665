use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// For every address alike.
fn addresses(clients: &str, connects: &str) -> Admission {
    let clients = clients.parse().expect("a number");
    Admission::new(AddressPolicy::new(Some(clients), Some(connects.parse().expect("a rate"))))
}

/// Knocks and comes in.
fn come(addresses: &mut Admission, ip: IpAddr, now: Millis) -> Result<(), Rejection> {
    addresses.admit(ip, now)?;
    addresses.connected(ip);
    Ok(())
}

/// How many of `tries` come in.
fn comes(addresses: &mut Admission, ip: IpAddr, now: Millis, tries: usize) -> usize {
    (0..tries).filter(|_| come(addresses, ip, now).is_ok()).count()
}

// ---- Who is one ----

#[test]
fn an_ipv6_network_of_64_bits_is_one_address() {
    for (a, b, same) in [
        ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false),
        ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
        ("2001:db8:1:2::1", "2001:db9:1:2::1", false),
        ("::1", "127.0.0.1", false),
        ("255.255.255.255", "::255.255.255.255", false),
    ] {
        assert_eq!(Address::of(ip(a)) == Address::of(ip(b)), same, "{a} and {b}");
    }
}

#[test]
fn public_addresses_are_told_from_local_ones() {
    for local in [
        "127.0.0.1",
        "127.255.255.254",
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.1.1",
        "100.64.0.1",
        "100.127.255.255",
        "::1",
        "fd00::1",
        "fe80::1",
        "::ffff:127.0.0.1",
        "::ffff:10.1.2.3",
    ] {
        assert!(is_local(ip(local)), "{local}");
    }
    for public in [
        "8.8.8.8",
        "126.255.255.255",
        "128.0.0.1",
        "172.15.255.255",
        "172.32.0.1",
        "192.167.0.1",
        "100.63.255.255",
        "100.128.0.1",
        "2001:db8::1",
        "fec0::1",
        "::ffff:8.8.8.8",
    ] {
        assert!(!is_local(ip(public)), "{public}");
    }
}

#[test]
fn unless_given_limits_are_for_public_addresses_only() {
    let mut addresses = Admission::new(AddressPolicy::default());
    for local in ["127.0.0.1", "192.168.1.1", "::1"] {
        assert_eq!(comes(&mut addresses, ip(local), 0, 20_000), 20_000, "{local}");
    }
    for public in ["192.0.2.1", "2001:db8::1"] {
        assert_eq!(comes(&mut addresses, ip(public), 0, 20_000), 256, "{public}");
        assert_eq!(addresses.admit(ip(public), 0), Err(Rejection::AddressFull));
        for _ in 0..256 {
            addresses.disconnected(ip(public));
        }
        assert_eq!(
            comes(&mut addresses, ip(public), 0, 20_000),
            256,
            "{public}: the burst has room for two rounds"
        );
        addresses.disconnected(ip(public));
        assert_eq!(addresses.admit(ip(public), 0), Err(Rejection::AddressTooFast));
    }
}

#[test]
fn what_is_given_is_for_every_address_and_leaves_the_other_default() {
    let rate = "2:1".parse().expect("a rate");
    let policy = AddressPolicy::new(Some(MaxClients::AtMost(3)), None);
    assert_eq!(
        (policy.public.clients, policy.local.clients),
        (MaxClients::AtMost(3), MaxClients::AtMost(3))
    );
    assert_eq!(
        (policy.public.connects, policy.local.connects),
        (AddressPolicy::default().public.connects, Rate::Off)
    );
    let policy = AddressPolicy::new(None, Some(rate));
    assert_eq!(
        (policy.public.clients, policy.local.clients),
        (MaxClients::AtMost(256), MaxClients::Off)
    );
    assert_eq!((policy.public.connects, policy.local.connects), (rate, rate));
    let policy = AddressPolicy::new(Some(MaxClients::Off), Some(Rate::Off));
    assert_eq!(policy.public, policy.local);
}

#[test]
fn numbers_of_clients_are_read() {
    for (given, most) in [
        ("off", MaxClients::Off),
        ("1", MaxClients::AtMost(1)),
        ("4294967295", MaxClients::AtMost(u32::MAX)),
    ] {
        assert_eq!(given.parse(), Ok(most));
    }
    for given in ["", "0", "-1", "+1", "1.5", "many", "OFF", "4294967296", " 1"] {
        assert_eq!(given.parse::<MaxClients>(), Err(MaxClientsError), "{given:?}");
    }
}

// ---- How many at once ----

#[test]
fn so_many_clients_and_one_that_leaves_makes_room() {
    let mut addresses = addresses("2", "off");
    let (a, b) = (ip("127.0.0.2"), ip("127.0.0.3"));
    assert_eq!(comes(&mut addresses, a, 0, 10), 2);
    assert_eq!(addresses.admit(a, 0), Err(Rejection::AddressFull));
    assert_eq!(comes(&mut addresses, b, 0, 10), 2, "the other address has its own");
    addresses.disconnected(a);
    assert_eq!(comes(&mut addresses, a, 0, 10), 1);
    for gone in [a, a, b, b] {
        addresses.disconnected(gone);
    }
    assert!(addresses.clients.is_empty(), "nothing is kept of those who have gone");
}

#[test]
fn nothing_is_kept_without_limits() {
    let mut addresses = addresses("off", "off");
    assert_eq!(comes(&mut addresses, ip("192.0.2.1"), 0, 1000), 1000);
    assert!(addresses.clients.is_empty() && addresses.recent.young.is_empty());
    addresses.disconnected(ip("192.0.2.1"));
    assert!(addresses.clients.capacity() == 0);
}

#[test]
fn being_refused_for_one_limit_costs_nothing_of_the_other() {
    let mut addresses = addresses("1", "2:1");
    let a = ip("127.0.0.2");
    assert_eq!(come(&mut addresses, a, 0), Ok(()));
    for _ in 0..100 {
        assert_eq!(addresses.admit(a, 0), Err(Rejection::AddressFull));
    }
    addresses.disconnected(a);
    assert_eq!(come(&mut addresses, a, 0), Ok(()), "one connection was left");
    addresses.disconnected(a);
    for now in 0..1000 {
        assert_eq!(addresses.admit(a, now), Err(Rejection::AddressTooFast), "at {now}");
    }
    assert_eq!(come(&mut addresses, a, 1000), Ok(()));
}

// ---- How often ----

#[test]
fn a_burst_and_then_its_rate() {
    let mut addresses = addresses("off", "3:2");
    let (a, neighbour, b) = (ip("2001:db8::1"), ip("2001:db8::ffff"), ip("2001:db8:0:1::1"));
    assert_eq!(comes(&mut addresses, a, 0, 10), 3);
    assert_eq!(addresses.admit(neighbour, 0), Err(Rejection::AddressTooFast), "the same network");
    assert_eq!(comes(&mut addresses, b, 0, 10), 3);
    assert_eq!(comes(&mut addresses, a, 499, 10), 0);
    assert_eq!(comes(&mut addresses, neighbour, 500, 10), 1);
    assert_eq!(comes(&mut addresses, a, 2500, 10), 3);
}

#[test]
fn full_buckets_are_forgotten() {
    let mut addresses = addresses("off", "4:2");
    for last in 0..=255 {
        assert_eq!(addresses.admit(ip(&format!("192.0.2.{last}")), 0), Ok(()));
    }
    assert_eq!(addresses.recent.young.len(), 256);
    // The time to fill once, to become old, and once more, to be forgotten.
    addresses.trim(1999);
    assert_eq!(addresses.recent.young.len(), 256);
    addresses.trim(2000);
    assert_eq!((addresses.recent.young.len(), addresses.recent.old.len()), (0, 256));
    addresses.trim(4000);
    assert_eq!((addresses.recent.young.capacity(), addresses.recent.old.capacity()), (0, 0));
}

/// Somebody with a /32 has four billion of them.
#[test]
fn any_number_of_networks_take_no_more_memory() {
    let mut addresses = addresses("1", "4:2");
    let nagging = ip("192.0.2.1");
    assert_eq!(comes(&mut addresses, nagging, 0, 1), 1);
    addresses.disconnected(nagging);
    assert_eq!(comes(&mut addresses, nagging, 0, 1), 1);
    addresses.disconnected(nagging);
    for network in 0..300_000_u128 {
        let ip = IpAddr::V6(((0x2001_0db8_u128 << 96) | (network << 64) | 1).into());
        assert_eq!(come(&mut addresses, ip, 1), Ok(()));
        addresses.disconnected(ip);
        if network % 10_000 == 0 {
            addresses.assert_invariants([].into_iter());
            let granted = addresses.admit(nagging, 1).is_ok();
            assert_eq!(granted, network <= 10_000, "an address that keeps trying is not forgotten");
        }
    }
    // Neither has ever grown past 2^16 slots.
    let Recent { young, old, .. } = &addresses.recent;
    assert!(
        young.capacity().max(old.capacity()) <= RECENT_MAX,
        "{} and {}",
        young.capacity(),
        old.capacity()
    );
}

#[test]
fn past_the_cap_those_who_have_not_tried_for_longest_are_forgotten() {
    let mut addresses = addresses("off", "1:1");
    addresses.recent.max = 4;
    let host = |last: u32| IpAddr::V4((0xC000_0200 + last).into());
    for last in 0..8 {
        assert_eq!(addresses.admit(host(last), 0), Ok(()));
    }
    for last in (4..8).chain([0]) {
        assert_eq!(
            addresses.admit(host(last), 0),
            Err(Rejection::AddressTooFast),
            "{last} is remembered"
        );
    }
    assert_eq!(addresses.admit(host(1), 0), Ok(()), "forgotten");
    for last in [5, 6, 7, 0, 1] {
        assert_eq!(
            addresses.admit(host(last), 0),
            Err(Rejection::AddressTooFast),
            "{last} is remembered"
        );
    }
}

// ---- Against a naive twin ----

/// What anybody would write: everybody who is here, and a bucket for everybody who was ever here.
struct Naive {
    most: MaxClients,
    rate: Rate,
    here: Vec<String>,
    buckets: HashMap<String, TokenBucket>,
}

impl Naive {
    /// By its text: the first four groups, or all of an IPv4 address.
    fn name(ip: IpAddr) -> String {
        match ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
                Some(ip) => ip.to_string(),
                None => ip.segments()[..4].iter().map(|group| format!("{group:x}:")).collect(),
            },
        }
    }

    fn admit(&mut self, ip: IpAddr, now: Millis) -> Result<(), Rejection> {
        let name = Naive::name(ip);
        let count = self.here.iter().filter(|other| **other == name).count();
        if matches!(self.most, MaxClients::AtMost(most) if count >= most as usize) {
            return Err(Rejection::AddressFull);
        }
        let bucket = self.buckets.entry(name).or_default();
        bucket.try_take(now, &self.rate).map_err(|_| Rejection::AddressTooFast)
    }
}

fn any_ip() -> impl Strategy<Value = IpAddr> {
    (0..3_u8, 0..3_u8, 0..4_u8).prop_map(|(kind, network, host)| match kind {
        0 => IpAddr::from([192, 0, 2, network]),
        1 => IpAddr::V6(Ipv4Addr::new(192, 0, 2, network).to_ipv6_mapped()),
        _ => IpAddr::from([0x2001, 0xdb8, 0, network.into(), host.into(), 0, 0, host.into()]),
    })
}

proptest! {
    /// Forgetting is not to be seen, and what is kept is exact.
    #[test]
    fn it_decides_as_one_that_forgets_nothing(
        most in prop_oneof![Just(MaxClients::Off), (1..5_u32).prop_map(MaxClients::AtMost)],
        rate in prop_oneof![Just(None), (1..6_u32, 1..6_u32).prop_map(Some)],
        steps in prop::collection::vec((any_ip(), 0..1500_u64, 0..5_u8), 1..300),
    ) {
        let rate = rate.map_or(Rate::Off, |(burst, per_second)| Rate::limited(burst, per_second).expect("in range"));
        let mut addresses = Admission::new(AddressPolicy::new(Some(most), Some(rate)));
        let mut naive = Naive { most, rate, here: Vec::new(), buckets: HashMap::new() };
        let mut here: Vec<IpAddr> = Vec::new();
        let mut now = 0;
        for (ip, wait, what) in steps {
            // Mostly at once, so that limits are met.
            now += if wait < 1000 { 0 } else { wait };
            match what {
                0 if !here.is_empty() => {
                    let gone = here.swap_remove(wait as usize % here.len());
                    let place = naive.here.iter().position(|name| *name == Naive::name(gone)).expect("it is here");
                    naive.here.swap_remove(place);
                    addresses.disconnected(gone);
                }
                1 => addresses.trim(now),
                _ => {
                    let knocked = addresses.admit(ip, now);
                    prop_assert_eq!(knocked, naive.admit(ip, now), "{} at {}", ip, now);
                    // Some go wrong between the admit and the door.
                    if knocked.is_ok() && wait % 7 > 0 {
                        addresses.connected(ip);
                        naive.here.push(Naive::name(ip));
                        here.push(ip);
                    }
                }
            }
            addresses.assert_invariants(here.iter().copied());
            let names: HashSet<&String> = naive.here.iter().collect();
            let counted = if most == MaxClients::Off { 0 } else { names.len() };
            prop_assert_eq!(addresses.clients.len(), counted);
        }
    }
}

#[test]
fn the_silent_are_found_by_their_address() {
    let mut silent = SilentClients::default();
    let client = |key| ClientId::new(key, 1);
    let (here, there) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
    for (key, ip) in [(3, here), (1, here), (2, there)] {
        silent.insert(client(key), ip);
        silent.insert(client(key), ip);
    }
    assert_eq!(silent.at(here), [client(1), client(3)]);
    silent.remove(client(1), here);
    silent.remove(client(7), here);
    let mapped = "::ffff:192.0.2.1".parse().expect("an address");
    assert_eq!((silent.at(mapped), silent.at(there)), (vec![client(3)], vec![client(2)]));
    silent.remove(client(3), here);
    silent.remove(client(2), there);
    assert!(silent.is_empty());
}
