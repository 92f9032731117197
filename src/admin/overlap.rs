//! Which addresses a listener stands for, and which listeners are in each other's way.

use std::net::{IpAddr, SocketAddr};

use super::listeners::HostPort;

impl HostPort {
    /// True if the host stands for all addresses (`0.0.0.0`, `::`, or none at all), so that nobody
    /// can connect to it by that word.
    pub fn stands_for_all(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        bare.is_empty() || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified())
    }

    /// What clients should be told when the listener itself says it: a name or a concrete address;
    /// None for a wildcard, which nobody can connect to.
    pub fn concrete_host(&self) -> Option<String> {
        (!self.stands_for_all()).then(|| self.host.clone())
    }

    /// As `share_a_port`, by the words alone: true if they surely do. Two names may still be one
    /// address, or a name be the other's address.
    pub fn surely_shares_a_port(&self, other: &Self, ports: usize) -> bool {
        let ips = (self.host.parse::<IpAddr>(), other.host.parse::<IpAddr>());
        let meet = match ips {
            (Ok(one), Ok(other)) => overlap(one, other),
            // Whatever a name stands for, it is one of all addresses.
            (Ok(ip), Err(_)) | (Err(_), Ok(ip)) => ip.is_unspecified(),
            (Err(_), Err(_)) => self.host.eq_ignore_ascii_case(&other.host),
        };
        meet && rows_meet(self.port, other.port, ports)
    }
}

/// True if two listeners that take so many ports in a row from these addresses on are in each
/// other's way. The kernel would let them, for the cores share theirs too.
pub fn share_a_port(one: &SocketAddr, other: &SocketAddr, ports: usize) -> bool {
    overlap(one.ip(), other.ip()) && rows_meet(one.port(), other.port(), ports)
}

/// True if who listens at `at` listens at `ip`, too: `0.0.0.0` is every address of its family, and
/// `::` every one of both.
pub fn covers(at: IpAddr, ip: IpAddr) -> bool {
    at == ip || at.is_unspecified() && (at.is_ipv6() || ip.is_ipv4())
}

fn overlap(one: IpAddr, other: IpAddr) -> bool {
    covers(one, other) || covers(other, one)
}

/// True if so many ports in a row from each of these on have one in common.
fn rows_meet(one: u16, other: u16, ports: usize) -> bool {
    // Port 0 is any that is free.
    usize::from(one.abs_diff(other)) < ports && one != 0 && other != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ways round, by words and, where these are addresses, as addresses.
    fn shared(one: &str, other: &str, ports: usize) -> bool {
        let words = |text: &str| HostPort::read(text).expect("HOST:PORT");
        let by_words = words(one).surely_shares_a_port(&words(other), ports);
        assert_eq!(
            words(other).surely_shares_a_port(&words(one), ports),
            by_words,
            "{other} and {one}"
        );
        if let (Ok(one), Ok(other)) = (one.parse(), other.parse()) {
            assert_eq!(share_a_port(&one, &other, ports), by_words, "{one} {other}");
            assert_eq!(share_a_port(&other, &one, ports), by_words, "{other} {one}");
        }
        by_words
    }

    #[test]
    fn a_wildcard_is_in_the_way_of_every_address_of_its_families() {
        assert!(shared("0.0.0.0:1", "10.0.0.1:1", 1));
        assert!(shared("[::]:1", "10.0.0.1:1", 1));
        assert!(shared("[::]:1", "[fd00::5]:1", 1));
        assert!(shared("[::]:1", "0.0.0.0:1", 1));
        assert!(!shared("0.0.0.0:1", "[fd00::5]:1", 1));
        assert!(!shared("10.0.0.2:1", "10.0.0.1:1", 1));
    }

    #[test]
    fn names_are_the_same_by_their_letters_and_one_of_all_addresses() {
        assert!(shared("Kafka.lan:1", "kafka.LAN:1", 1));
        assert!(shared("kafka.lan:1", "0.0.0.0:1", 1));
        assert!(shared("kafka.lan:1", "[::]:1", 1));
        assert!(!shared("kafka.lan:1", "other.lan:1", 1));
        assert!(!shared("kafka.lan:1", "10.0.0.1:1", 1));
        assert!(shared("[::1]:1", "[0:0:0:0:0:0:0:1]:1", 1));
    }

    #[test]
    fn rows_of_ports_meet_in_any_of_them_and_port_0_meets_none() {
        assert!(!shared("10.0.0.1:7", "10.0.0.1:10", 3));
        assert!(shared("10.0.0.1:8", "10.0.0.1:10", 3));
        assert!(!shared("10.0.0.1:0", "10.0.0.1:0", 3));
        assert!(!shared("10.0.0.1:0", "10.0.0.1:1", 3));
    }

    #[test]
    fn all_addresses_are_told_to_nobody() {
        let at = |host: &str| HostPort {
            host: host.to_owned(),
            port: 1,
        };

        for host in ["0.0.0.0", "::", "[::]", ""] {
            assert!(at(host).stands_for_all(), "{host}");
            assert_eq!(at(host).concrete_host(), None);
        }
        for host in ["kafka.lan", "10.0.0.1", "::1"] {
            assert!(!at(host).stands_for_all(), "{host}");
            assert_eq!(at(host).concrete_host(), Some(host.to_owned()));
        }
    }
}
