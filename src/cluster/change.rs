//! What a command did: applied by every shard to its own copy of the metadata.

use std::sync::Arc;

use super::command::BrokerScope;
use super::topic::Topic;
use crate::base::{NodeId, ShardId, WallMs};
use crate::log::Overrides;

/// The metadata went from version `version - 1` to `version`. Cheap to clone and to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub version: u64,
    pub kind: ChangeKind,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    ClusterNamed {
        cluster_id: Arc<str>,
    },
    NodeRegistered {
        node: NodeId,
        shards: Arc<[ShardId]>,
    },
    /// The topic as it is from now on (as it was, for `Deleted`).
    Topic {
        topic: Arc<Topic>,
        what: TopicChange,
    },
    /// What is set for a broker from now on.
    BrokerConfig {
        scope: BrokerScope,
        configs: Arc<Overrides>,
    },
    /// The proposer owns ids `first .. first + count`.
    ProducerIds {
        first: i64,
        count: u32,
    },
    RetentionClock {
        at: WallMs,
    },
}

/// What happened to a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicChange {
    Created,
    /// Partitions from this one on are new.
    Grown {
        from: u32,
    },
    Configured,
    Deleted,
}
