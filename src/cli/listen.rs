//! Addresses as people write them: `HOST:PORT`, IPv6 in brackets.

use std::io;
use std::net::SocketAddr;

use crate::runtime::real::resolve;

use super::Failure;

pub use crate::admin::HostPort;

impl HostPort {
    /// Reads `HOST:PORT`. `flag` is named in the complaint.
    pub fn parse(text: &str, flag: &str) -> Result<Self, Failure> {
        Self::read(text)
            .map_err(|what| Failure::usage(format!("{flag} {text}: {what}; write it as HOST:PORT")))
    }

    /// Every address the host stands for, IPv4 first; at least one.
    pub fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        resolve(&self.host, self.port)
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
