//! Which host and port a client is told to connect to. Decided once per connection.

use std::net::{IpAddr, SocketAddr};

use crate::wire::StrBytes;

/// A host and a port, as clients see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub host: StrBytes,
    pub port: u16,
}

impl Endpoint {
    pub fn new(host: &str, port: u16) -> Self {
        Self {
            host: StrBytes::from_string(host.to_owned()),
            port,
        }
    }
}

/// What is known about the listener when addresses are decided.
#[derive(Clone, Debug)]
pub struct Listener {
    /// `advertised.listeners`, if set: the first rule.
    pub advertised: Option<Endpoint>,
    /// The host as the operator wrote it, which may be a name, a concrete address, or one that
    /// stands for all (`0.0.0.0`, `::`).
    pub host: String,
    /// The first of its ports, if each shard has one.
    pub port: u16,
    /// Addresses of container gateways: such a peer came through a published port.
    pub gateways: Vec<IpAddr>,
}

impl Listener {
    /// Where this connection's client is told that the node is, the same in every reply.
    pub fn endpoint(&self, peer: SocketAddr, local: SocketAddr) -> Endpoint {
        if let Some(advertised) = &self.advertised {
            return advertised.clone();
        }
        if !self.stands_for_all() {
            return Endpoint::new(&self.host, self.port);
        }
        if self.gateways.contains(&peer.ip().to_canonical()) {
            return Endpoint::new("localhost", self.port);
        }
        Endpoint::new(&local.ip().to_canonical().to_string(), self.port)
    }

    fn stands_for_all(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        bare.is_empty() || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(host: &str) -> Listener {
        Listener {
            advertised: None,
            host: host.into(),
            port: 9092,
            gateways: vec!["172.17.0.1".parse().unwrap()],
        }
    }

    fn told(listener: &Listener, peer: &str, local: &str) -> String {
        let told = listener.endpoint(peer.parse().unwrap(), local.parse().unwrap());
        format!("{} {}", told.host, told.port)
    }

    #[test]
    fn the_first_rule_that_applies_decides_the_address() {
        let mut all = listener("0.0.0.0");
        let (peer, local) = ("10.0.0.9:5000", "10.0.0.1:9092");

        assert_eq!(told(&listener("kafka.lan"), peer, local), "kafka.lan 9092");
        assert_eq!(told(&all, peer, local), "10.0.0.1 9092");
        assert_eq!(told(&all, "172.17.0.1:5", local), "localhost 9092");
        assert_eq!(
            told(
                &listener("[::]"),
                "[::ffff:10.0.0.9]:1",
                "[::ffff:10.0.0.1]:9093"
            ),
            "10.0.0.1 9092"
        );

        all.advertised = Some(Endpoint::new("public", 1));
        assert_eq!(told(&all, peer, local), "public 1");
    }
}
