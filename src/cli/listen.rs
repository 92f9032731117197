//! Addresses as people write them: `HOST:PORT`, IPv6 in brackets.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use super::Failure;

/// `HOST:PORT`, split; the host without brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    pub host: String,
    pub port: u16,
}

impl HostPort {
    /// Reads `HOST:PORT`. `flag` is named in the complaint.
    pub fn parse(text: &str, flag: &str) -> Result<Self, Failure> {
        let complain =
            |what: &str| Failure::usage(format!("{flag} {text}: {what}; write it as HOST:PORT"));
        if text.contains("://") || text.contains(',') {
            return Err(complain("one address is wanted here, without a name"));
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(|| complain("no port"))?;
        let port = port
            .parse()
            .map_err(|_| complain("the port is not a number below 65536"))?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest
                .strip_suffix(']')
                .ok_or_else(|| complain("unclosed bracket"))?,
            None if host.contains(':') => return Err(complain("IPv6 without brackets")),
            None => host,
        };
        if host.is_empty() {
            return Err(complain("no host"));
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }

    /// Every address the host stands for, IPv4 first; at least one.
    pub fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let found = (self.host.as_str(), self.port).to_socket_addrs()?;
        let mut addresses: Vec<SocketAddr> = found.collect();
        addresses.sort_by_key(SocketAddr::is_ipv6);
        addresses.dedup();
        match addresses.is_empty() {
            true => Err(io::Error::new(io::ErrorKind::NotFound, "it has no address")),
            false => Ok(addresses),
        }
    }

    /// As `resolve`, where we are to listen ourselves; `flag` changes it.
    pub fn resolve_own(&self, flag: &str) -> Result<Vec<SocketAddr>, Failure> {
        self.resolve().map_err(|error| {
            Failure::unavailable(format!(
                "{flag} {}: {error}; choose a name or an address of this machine with {flag}",
                self.host
            ))
        })
    }

    /// What clients should be told when the listener itself says it: a name or a concrete address;
    /// None for a wildcard, which nobody can connect to.
    pub fn concrete_host(&self) -> Option<String> {
        match self.host.parse::<IpAddr>() {
            Ok(address) if address.is_unspecified() => None,
            _ => Some(self.host.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Option<(String, u16)> {
        HostPort::parse(text, "--listen")
            .ok()
            .map(|parsed| (parsed.host, parsed.port))
    }

    #[test]
    fn names_and_addresses_are_split_at_the_port() {
        assert_eq!(
            check("localhost:9092"),
            Some(("localhost".to_owned(), 9092))
        );
        assert_eq!(check("[::1]:9092"), Some(("::1".to_owned(), 9092)));
    }

    #[test]
    fn what_is_not_an_address_is_refused_with_the_form_to_use() {
        for bad in [
            "localhost",
            ":9092",
            "::1:9092",
            "[::1:9092",
            "host:port",
            "host:99999",
            "INSIDE://:9092",
            "a:1,b:2",
        ] {
            let failure = HostPort::parse(bad, "--listen").expect_err(bad);
            assert!(failure.message.contains("HOST:PORT"), "{}", failure.message);
            assert_eq!(failure.code, 2);
        }
    }

    #[test]
    fn a_wildcard_is_never_told_to_clients() {
        let concrete = |text| HostPort::parse(text, "--listen").unwrap().concrete_host();

        assert_eq!(concrete("0.0.0.0:1"), None);
        assert_eq!(concrete("[::]:1"), None);
        assert_eq!(concrete("localhost:1"), Some("localhost".to_owned()));
    }
}
