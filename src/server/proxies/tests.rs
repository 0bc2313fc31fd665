use super::*;
use crate::ids::UNIX_PEER;

fn trusted(list: &str) -> TrustedProxies {
    let sources = list.split(',').map(|one| one.parse().expect("a source"));
    sources.collect::<Vec<_>>().into()
}

#[test]
fn addresses_and_networks_are_trusted() {
    let proxies = trusted("127.0.0.1, 10.1.2.3/8,2001:db8:1::/48,::1,::ffff:192.0.2.1");
    for ip in ["127.0.0.1", "10.255.0.1", "2001:db8:1:2::3", "::1", "192.0.2.1", "::ffff:10.0.0.9"]
    {
        assert!(proxies.contains_ip(ip.parse().expect("an address")), "{ip}");
    }
    for ip in ["127.0.0.2", "11.0.0.1", "2001:db8:2::1", "::2", "192.0.2.2"] {
        assert!(!proxies.contains_ip(ip.parse().expect("an address")), "{ip}");
    }
    assert!(!proxies.contains(UNIX_PEER.into()));
    assert!(!TrustedProxies::default().contains_ip("127.0.0.1".parse().expect("an address")));
}

#[test]
fn unix_sockets_are_named_by_themselves() {
    assert!(trusted("unix").contains(UNIX_PEER.into()));
    assert!(!trusted("unix").contains_ip("::1".parse().expect("an address")));
    assert!(!trusted("0.0.0.0/0,::/0").contains(UNIX_PEER.into()), "they have no address");
    assert!(trusted("0.0.0.0/0,::/0").contains_ip("203.0.113.7".parse().expect("an address")));
}

#[test]
fn anything_else_is_no_source() {
    for given in ["", "localhost", "10.0.0.0/33", "10.0.0", "::/129", "*", "10.0.0.1:80", "Unix"] {
        assert_eq!(given.parse::<AddressSource>(), Err(AddressSourceError), "{given:?}");
    }
}
