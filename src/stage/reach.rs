//! How far an address is: somewhere on the internet, in a private network, or on this host alone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Host;

/// How far an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// On the internet.
    Public,
    /// In a private network, on this host, or nobody's.
    Private,
    /// What only this host can reach, as a cloud's metadata service with its credentials.
    Host,
}

/// Metadata services that are not at a link-local address: Alibaba's, Oracle's and Amazon's.
const METADATA_V4: &[Ipv4Addr] =
    &[Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192)];
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// The name that the metadata service has in Google's networks.
const METADATA_NAMES: &[&str] = &["metadata.google.internal", "metadata"];

/// How far the host of a URL is; `None` if it is a name, which has to be looked up.
pub(super) fn of_host(host: &Host<&str>) -> Option<Reach> {
    match host {
        Host::Ipv4(ip) => Some(of_v4(*ip)),
        Host::Ipv6(ip) => Some(of_v6(*ip)),
        Host::Domain(name) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            METADATA_NAMES.contains(&name.as_str()).then_some(Reach::Host)
        }
    }
}

/// How far an address is.
pub(super) fn of_ip(ip: IpAddr) -> Reach {
    match ip {
        IpAddr::V4(ip) => of_v4(ip),
        IpAddr::V6(ip) => of_v6(ip),
    }
}

/// Source: IANA's registry of special-purpose addresses.
fn of_v4(ip: Ipv4Addr) -> Reach {
    let [a, b, c, _] = ip.octets();
    match (a, b, c) {
        _ if ip.is_link_local() || METADATA_V4.contains(&ip) => Reach::Host,
        // This network, of which 0.0.0.0 is this host; loopback.
        (0 | 127, ..) => Reach::Private,
        _ if ip.is_private() => Reach::Private,
        // Between a provider and its customers; protocols; measurements.
        (100, 64..=127, _) | (192, 0, 0) | (198, 18 | 19, _) => Reach::Private,
        // Groups, what is reserved, and everybody.
        (224.., ..) => Reach::Private,
        _ => Reach::Public,
    }
}

fn of_v6(ip: Ipv6Addr) -> Reach {
    let segments = ip.segments();
    let [a, b, c, d, e, f, ..] = segments;
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        of_v4(Ipv4Addr::new(a, b, c, d))
    };
    let [.., high, low] = segments;
    match (a, b, c, d, e, f) {
        _ if ip.is_unicast_link_local() || ip == METADATA_V6 => Reach::Host,
        _ if ip.is_unspecified() || ip.is_loopback() => Reach::Private,
        // IPv4 in IPv6: mapped, compatible, and two forms of a translator's.
        (0, 0, 0, 0, 0, 0 | 0xFFFF) | (0, 0, 0, 0, 0xFFFF, 0) => embedded(high, low),
        (0x64, 0xFF9B, 0, 0, 0, 0) => embedded(high, low),
        (0x2002, high, low, ..) => embedded(high, low),
        // A translator's own; a tunnel's, whose end its sender chooses.
        (0x64, 0xFF9B, 1, ..) | (0x2001, 0, ..) => Reach::Private,
        // Unique-local, site-local, groups.
        (0xFC00..=0xFDFF | 0xFEC0..=0xFFFF, ..) => Reach::Private,
        _ => Reach::Public,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_has_its_reach() {
        for (address, reach) in [
            ("169.254.169.254", Reach::Host),
            ("169.254.0.1", Reach::Host),
            ("100.100.100.200", Reach::Host),
            ("192.0.0.192", Reach::Host),
            ("fe80::1", Reach::Host),
            ("fd00:ec2::254", Reach::Host),
            ("::ffff:169.254.169.254", Reach::Host),
            ("::169.254.169.254", Reach::Host),
            ("64:ff9b::a9fe:a9fe", Reach::Host),
            ("2002:a9fe:a9fe::1", Reach::Host),
            ("127.0.0.1", Reach::Private),
            ("127.9.9.9", Reach::Private),
            ("0.0.0.0", Reach::Private),
            ("10.0.0.1", Reach::Private),
            ("172.16.0.1", Reach::Private),
            ("172.31.255.255", Reach::Private),
            ("192.168.1.1", Reach::Private),
            ("100.64.0.1", Reach::Private),
            ("100.127.255.255", Reach::Private),
            ("198.19.0.1", Reach::Private),
            ("224.0.0.1", Reach::Private),
            ("255.255.255.255", Reach::Private),
            ("::", Reach::Private),
            ("::1", Reach::Private),
            ("fc00::1", Reach::Private),
            ("fdff::1", Reach::Private),
            ("fec0::1", Reach::Private),
            ("ff02::1", Reach::Private),
            ("::ffff:127.0.0.1", Reach::Private),
            ("::ffff:10.0.0.1", Reach::Private),
            ("64:ff9b::a00:1", Reach::Private),
            ("2002:7f00:1::", Reach::Private),
            ("2001::1", Reach::Private),
            ("1.1.1.1", Reach::Public),
            ("172.32.0.1", Reach::Public),
            ("100.63.0.1", Reach::Public),
            ("100.128.0.1", Reach::Public),
            ("192.167.1.1", Reach::Public),
            ("2606:4700::1111", Reach::Public),
            ("::ffff:1.1.1.1", Reach::Public),
            ("64:ff9b::101:101", Reach::Public),
        ] {
            assert_eq!(of_ip(address.parse().expect(address)), reach, "{address}");
        }
    }
}
