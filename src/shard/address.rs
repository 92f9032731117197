//! Which host and port a client is told to connect to. Decided once per connection.

use std::net::{IpAddr, SocketAddr};

use crate::admin::{HostPort, ListenAt, covers};
use crate::runtime::ListenerId;
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

/// What is known of one listener when addresses are decided.
#[derive(Clone, Debug)]
pub struct Listener {
    pub id: ListenerId,
    /// What the operator calls it.
    pub name: String,
    /// What `advertised.listeners` says of it, if anything: the first rule.
    pub advertised: Option<Endpoint>,
    /// As the operator wrote it. The host may be a name, a concrete address, or one that stands for
    /// all (`0.0.0.0`, `::`); port 0 is any.
    pub at: HostPort,
    /// The first of its ports, if each shard has one.
    pub port: u16,
    /// The addresses that the host stands for.
    pub bound: Vec<IpAddr>,
}

/// What is known of all listeners.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// At least one.
    pub listeners: Vec<Listener>,
    /// Ports of each listener, from its own on: one, or one per shard.
    pub ports: u16,
    /// Addresses of container gateways: such a peer came through a published port.
    pub gateways: Vec<IpAddr>,
}

impl Addresses {
    /// One listener that tells its own host and port.
    pub fn of_one(host: &str, port: u16) -> Self {
        let host = host.to_owned();
        let listener = Listener {
            id: ListenerId(0),
            name: "PLAINTEXT".to_owned(),
            advertised: None,
            at: HostPort { host, port },
            port,
            bound: Vec::new(),
        };
        Self {
            listeners: vec![listener],
            ports: 1,
            gateways: Vec::new(),
        }
    }

    /// Where this connection's client is told that the node is, the same in every reply: what its
    /// own listener tells, for who came from inside a network can seldom reach what is told outside
    /// of it.
    pub fn endpoint(&self, listener: &Listener, peer: SocketAddr, local: SocketAddr) -> Endpoint {
        if let Some(advertised) = &listener.advertised {
            return advertised.clone();
        }
        if !listener.at.stands_for_all() {
            return Endpoint::new(&listener.at.host, listener.port);
        }
        if self.gateways.contains(&peer.ip().to_canonical()) {
            return Endpoint::new("localhost", listener.port);
        }
        Endpoint::new(&local.ip().to_canonical().to_string(), listener.port)
    }

    /// The one that a connection came by; None: that is no more. Several may have the same port,
    /// each at addresses of its own.
    pub fn reached(&self, local: SocketAddr) -> Option<&Listener> {
        let has_port = |listener: &&Listener| {
            let number = local.port().checked_sub(listener.port);
            number.is_some_and(|number| number < self.ports)
        };
        let ip = local.ip().to_canonical();
        let mut at_port = self.listeners.iter().filter(has_port);
        let exact = at_port
            .clone()
            .find(|listener| listener.bound.contains(&ip));
        let all = at_port
            .clone()
            .find(|listener| listener.bound.iter().any(|at| covers(*at, ip)));
        exact.or(all).or_else(|| at_port.next())
    }

    /// The listener of this number, if it is still there.
    pub fn listener(&self, id: ListenerId) -> Option<&Listener> {
        self.listeners.iter().find(|listener| listener.id == id)
    }
}

impl Listener {
    /// As it is told, by what was wanted and the addresses that were bound.
    pub fn new(id: ListenerId, wanted: &ListenAt, bound: &[SocketAddr]) -> Self {
        let port = bound.first().map_or(wanted.at.port, SocketAddr::port);
        let advertised = wanted.advertised.as_ref().map(|told| {
            // As for Kafka, 0 is the one that was found.
            let told_port = if told.port == 0 { port } else { told.port };
            Endpoint::new(&told.host, told_port)
        });
        Self {
            id,
            name: wanted.name.clone(),
            advertised,
            at: wanted.at.clone(),
            port,
            bound: bound.iter().map(SocketAddr::ip).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str) -> Addresses {
        let mut addresses = Addresses::of_one(host, 9092);
        addresses.gateways = vec!["172.17.0.1".parse().unwrap()];
        addresses
    }

    fn told(addresses: &Addresses, peer: &str, local: &str) -> String {
        let local = local.parse().unwrap();
        let listener = addresses.reached(local).expect("a listener has the port");
        let told = addresses.endpoint(listener, peer.parse().unwrap(), local);
        format!("{} {}", told.host, told.port)
    }

    #[test]
    fn the_first_rule_that_applies_decides_the_address() {
        let mut all = at("0.0.0.0");
        let (peer, local) = ("10.0.0.9:5000", "10.0.0.1:9092");

        assert_eq!(told(&at("kafka.lan"), peer, local), "kafka.lan 9092");
        assert_eq!(told(&all, peer, local), "10.0.0.1 9092");
        assert_eq!(told(&all, "172.17.0.1:5", local), "localhost 9092");
        assert_eq!(
            told(&at("[::]"), "[::ffff:10.0.0.9]:1", "[::ffff:10.0.0.1]:9092"),
            "10.0.0.1 9092"
        );

        all.listeners[0].advertised = Some(Endpoint::new("public", 1));
        assert_eq!(told(&all, peer, local), "public 1");
    }

    #[test]
    fn every_listener_tells_its_own() {
        let peer = "10.0.0.9:5000";
        let mut both = at("0.0.0.0");
        both.ports = 4;
        let mut add = |host: &str, port: u16, bound: &[&str], told: Option<Endpoint>| {
            let (host, id) = (host.to_owned(), ListenerId(both.listeners.len() as u32));
            both.listeners.push(Listener {
                id,
                name: host.to_uppercase(),
                advertised: told,
                at: HostPort { host, port },
                port,
                bound: bound.iter().map(|ip| ip.parse().unwrap()).collect(),
            });
        };
        add("0.0.0.0", 19_092, &[], Some(Endpoint::new("broker", 1)));
        add("inner", 7_000, &["10.0.0.1"], None);
        add("outer", 7_000, &["10.0.0.2", "::2"], None);
        add("six", 5_000, &["fd00::5"], None);
        add("0.0.0.0", 5_000, &["0.0.0.0"], None);
        add("::", 6_000, &["::"], Some(Endpoint::new("any", 2)));
        add("four", 6_000, &["10.0.0.1"], None);

        let check = |local| told(&both, peer, local);

        assert_eq!(check("10.0.0.1:9092"), "10.0.0.1 9092");
        assert_eq!(check("10.0.0.1:9095"), "10.0.0.1 9092");
        assert_eq!(check("10.0.0.1:19092"), "broker 1");
        assert_eq!(check("10.0.0.1:19095"), "broker 1");
        assert_eq!(check("10.0.0.1:7003"), "inner 7000");
        assert_eq!(check("[::ffff:10.0.0.2]:7000"), "outer 7000");
        assert_eq!(check("[::2]:7000"), "outer 7000");
        assert_eq!(check("10.0.0.1:5000"), "10.0.0.1 5000");
        assert_eq!(check("[fd00::5]:5001"), "six 5000");
        assert_eq!(check("10.0.0.1:6000"), "four 6000");
        assert_eq!(check("10.0.0.2:6000"), "any 2");
        let gone = both.reached("10.0.0.1:8000".parse().unwrap());
        assert!(gone.is_none(), "{gone:?}");
    }
}
