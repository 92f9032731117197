//! What can be asked of the metadata.

use uuid::Uuid;

use super::edit::ConfigEdit;
use crate::base::{NodeId, ShardId, WallMs};
use crate::log::Overrides;

/// One change of the metadata, asked for. Deterministic: every random draw and every reading of a
/// clock was made by the proposer and stands in the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The first start of a cluster.
    FirstStart {
        cluster_id: String,
    },
    /// A node is here with these shards. Repeated at every start; changes nothing if it is known.
    RegisterNode {
        node: NodeId,
        shards: Vec<ShardId>,
    },
    /// `id` is a random UUID drawn by the proposer. Configs are checked.
    CreateTopic {
        name: String,
        id: Uuid,
        partitions: u32,
        placement: Placement,
        configs: Overrides,
    },
    DeleteTopic {
        id: Uuid,
    },
    /// Raises the topic to `total` partitions.
    CreatePartitions {
        id: Uuid,
        total: u32,
        placement: Placement,
    },
    /// Replaces what is set for the topic, whole.
    AlterConfig {
        id: Uuid,
        configs: Overrides,
    },
    /// Edits what is set for the topic.
    EditConfig {
        id: Uuid,
        edits: Vec<ConfigEdit>,
    },
    /// Replaces what is set for a broker while it runs, whole. The values are checked: only the
    /// proposer knows the keys.
    AlterBrokerConfig {
        scope: BrokerScope,
        configs: Overrides,
    },
    /// Edits what is set for a broker, likewise.
    EditBrokerConfig {
        scope: BrokerScope,
        edits: Vec<ConfigEdit>,
    },
    /// 1,000 producer ids for one shard to hand out.
    NextProducerIdBlock,
    /// A reading of the retention clock, so that it survives a restart.
    NoteRetentionClock {
        at: WallMs,
    },
}

/// Whom a broker's configuration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BrokerScope {
    /// Every broker for which nothing else is set (Kafka's resource without a name).
    Cluster,
    Node(NodeId),
}

/// Which shards take new partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// In turn over the shards of all nodes, from the one with the fewest partitions.
    Spread,
    /// The n-th new partition goes to the n-th of these, over and over.
    Listed(Vec<ShardId>),
}
