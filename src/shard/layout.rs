//! How a node shows itself to clients: as one broker, or as one broker per shard, behind one port
//! or behind a port each.
//!
//! A client that keeps one connection per broker id can be served by the very core that owns what
//! it asks for, if every shard has an id of its own. A client that tells brokers apart by host and
//! port would take those ids for one broker that changes its name for ever; it sees one id, or as
//! many ports.

use crate::admin::BrokerConfig;
use crate::base::{NodeId, ShardId};
use crate::wire::StrBytes;

/// `listener.layout`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// What each client can cope with, by the name and version in its ApiVersions.
    #[default]
    Auto,
    /// One broker id per shard, for every client.
    Core,
    /// One broker id per node, for every client.
    Node,
    /// One broker id and one port per shard, for every client: the kernel brings a connection to
    /// the shard that it was opened for, and it stays there.
    Ports,
}

/// The ids of a node.
#[derive(Clone, Copy, Debug)]
pub struct Ids {
    pub node: NodeId,
    /// How many shards may be told apart.
    pub shown_max: u16,
}

impl Ids {
    /// The id of the broker that a shard is, or stands behind.
    pub fn of(self, shard: ShardId, sees_shards: bool) -> i32 {
        let own = if sees_shards {
            shard.0 % self.shown_max
        } else {
            0
        };
        self.node.broker_id() + i32::from(own)
    }

    /// All ids that a client is told of.
    pub fn shown(self, shards: usize, sees_shards: bool) -> impl Iterator<Item = i32> {
        let count = if sees_shards {
            shards.clamp(1, usize::from(self.shown_max))
        } else {
            1
        };
        let first = self.node.broker_id();
        (first..).take(count)
    }
}

impl Layout {
    /// As the operator set it.
    pub fn of(broker: &BrokerConfig) -> Self {
        match broker.given("listener.layout") {
            Some("core") => Self::Core,
            Some("node") => Self::Node,
            Some("ports") => Self::Ports,
            // The table lets no other word pass.
            Some(_) | None => Self::Auto,
        }
    }

    /// Where a client finds a shard, if it finds the node at `first`.
    pub fn port(self, first: u16, shard: ShardId) -> i32 {
        let own = match self {
            Self::Ports => shard.0,
            Self::Auto | Self::Core | Self::Node => 0,
        };
        i32::from(first) + i32::from(own)
    }

    /// The most shards that have ids of their own, if the operator wants `ids_max`: a port is one
    /// shard's, and so is its id.
    pub fn shown_max(self, ids_max: u16) -> u16 {
        match self {
            Self::Ports => u16::MAX,
            Self::Auto | Self::Core | Self::Node => ids_max.max(1),
        }
    }

    /// Whether a connection may move to another shard.
    pub fn moves(self) -> bool {
        self != Self::Ports
    }

    /// Decided once per connection, when its ApiVersions comes (or does not).
    pub fn sees_shards(self, software: Option<(&StrBytes, &StrBytes)>) -> bool {
        match self {
            Self::Core | Self::Ports => true,
            Self::Node => false,
            Self::Auto => software.is_some_and(|(name, version)| copes(name, version)),
        }
    }

    /// The same for a client whose ApiVersions is too old to say its name: its client id tells, if
    /// nobody has changed it.
    pub fn sees_shards_by_id(self, client_id: Option<&str>) -> bool {
        let is_one = |id: &str| COPE_BY_ID.iter().any(|begin| id.starts_with(begin));
        match self {
            Self::Core | Self::Node | Self::Ports => self.sees_shards(None),
            Self::Auto => client_id.is_some_and(is_one),
        }
    }

    /// The same for a connection that begins with another request than ApiVersions; `is_known` if
    /// it is of a client that `asks_once`.
    pub fn sees_shards_unasked(self, is_known: bool) -> bool {
        match self {
            Self::Core | Self::Node | Self::Ports => self.sees_shards(None),
            Self::Auto => is_known,
        }
    }
}

/// Clients that cope, and ask ApiVersions once per broker id: their other connections to that id
/// begin without, and must be told the same ids.
pub fn asks_once(name: &str) -> bool {
    name == "kgo"
}

/// Clients known to open one connection per broker id, even where ids share host and port.
/// `tests/clients` keeps this list true. kafkajs and brod connect per host and port, so they are
/// left out, as is everybody who is not known.
const COPE: [&str; 8] = [
    "apache-kafka-java",
    "kgo",
    "sarama",
    "kafka-python",
    "aiokafka",
    "kafka-go",
    "thalweg",
    "thalweg-loadgen",
];

/// How the client ids begin that clients give themselves which cope but do not say their name:
/// aiokafka (0.14 does not yet) and kafka-python before 2.1.
const COPE_BY_ID: [&str; 2] = ["aiokafka-", "kafka-python-"];

/// librdkafka before this matches brokers by host and port, and renames one into the other.
const RDKAFKA_SINCE: (u32, u32) = (2, 10);

fn copes(name: &str, version: &str) -> bool {
    if COPE.contains(&name) {
        return true;
    }
    // Its wrappers say both versions: `1.2.3-librdkafka-2.12.0`, or `-rdkafka-`.
    let rdkafka = match version.rsplit_once("rdkafka-") {
        Some((_, version)) => Some(version),
        None if name == "librdkafka" => Some(version),
        None => None,
    };
    rdkafka.and_then(major_and_minor) >= Some(RDKAFKA_SINCE)
}

fn major_and_minor(version: &str) -> Option<(u32, u32)> {
    let version = version.trim_start_matches('v');
    let mut numbers = version.split(['.', '-']);
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next()?.parse().ok()?;
    Some((major, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auto(name: &'static str, version: &'static str) -> bool {
        let text = StrBytes::from_static_str;
        Layout::Auto.sees_shards(Some((&text(name), &text(version))))
    }

    #[test]
    fn only_clients_that_are_known_to_cope_see_shards() {
        assert!(auto("apache-kafka-java", "4.1.1"));
        assert!(auto("librdkafka", "2.10.0"));
        assert!(auto("librdkafka", "v2.12.1-3-gabcdef"));
        assert!(auto("confluent-kafka-python", "2.12.0-rdkafka-2.12.0"));
        assert!(auto("confluent-kafka-go", "2.12.0-librdkafka-2.12.0"));

        assert!(!auto("librdkafka", "2.9.9"));
        assert!(!auto("librdkafka", "1.9.2"));
        assert!(!auto("librdkafka", "?"));
        assert!(!auto("confluent-kafka-python", "2.6.1-rdkafka-2.6.1"));
        assert!(!auto("confluent-kafka-python", "2.12.0"));
        assert!(!auto("kafkajs", "2.2.4"));
        assert!(!Layout::Auto.sees_shards(None));
    }

    #[test]
    fn who_does_not_say_its_name_is_known_by_the_client_id_it_has_by_default() {
        let auto = |id| Layout::Auto.sees_shards_by_id(id);

        assert!(auto(Some("aiokafka-0.14.0")));
        assert!(auto(Some("aiokafka-producer-1")));
        assert!(auto(Some("kafka-python-2.0.2")));
        assert!(!auto(Some("rdkafka")));
        assert!(!auto(Some("my-aiokafka-app")));
        assert!(!auto(None));
        assert!(!Layout::Node.sees_shards_by_id(Some("aiokafka-0.14.0")));
        assert!(Layout::Core.sees_shards_by_id(None));
    }

    #[test]
    fn an_operator_may_decide_for_all() {
        assert!(Layout::Core.sees_shards(None));
        assert!(Layout::Ports.sees_shards(None));
        let (name, version) = (StrBytes::from_static_str("kgo"), StrBytes::default());
        assert!(!Layout::Node.sees_shards(Some((&name, &version))));
    }

    #[test]
    fn only_ports_give_each_shard_its_own_place_and_keep_connections_there() {
        for layout in [Layout::Auto, Layout::Core, Layout::Node] {
            assert_eq!(layout.port(9092, ShardId(3)), 9092);
            assert_eq!(layout.shown_max(8), 8);
            assert!(layout.moves());
        }
        assert_eq!(Layout::Ports.port(9092, ShardId(3)), 9095);
        assert!(Layout::Ports.shown_max(8) > 256);
        assert!(!Layout::Ports.moves());
    }

    #[test]
    fn more_shards_than_ids_share_them() {
        let ids = Ids {
            node: NodeId(2),
            shown_max: 3,
        };

        let shown: Vec<i32> = ids.shown(5, true).collect();
        assert_eq!(shown, [2000, 2001, 2002]);
        for shard in 0..5 {
            assert!(shown.contains(&ids.of(ShardId(shard), true)));
            assert_eq!(ids.of(ShardId(shard), false), 2000);
        }
        assert_eq!(ids.shown(2, true).count(), 2);
        assert_eq!(ids.shown(5, false).collect::<Vec<_>>(), [2000]);
    }
}
