//! The metadata: a deterministic state machine.

use std::sync::Arc;

use uuid::Uuid;

use super::change::Change;
use super::command::Command;
use super::topic::{PartitionPlace, Topic};
use crate::base::{NodeId, ShardId, WallMs};
use crate::journal::{JournalError, StreamId};
use crate::log::{ConfigError, LeaderEpoch, TopicConfig};

/// Why a command changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// TOPIC_ALREADY_EXISTS
    TopicExists { name: String },
    /// INVALID_TOPIC_EXCEPTION, with why.
    InvalidTopicName { why: &'static str },
    /// INVALID_TOPIC_EXCEPTION: `a.b` and `a_b` would share a name in metrics.
    TopicNameCollides { with: String },
    /// UNKNOWN_TOPIC_OR_PARTITION, or UNKNOWN_TOPIC_ID.
    UnknownTopic,
    /// INVALID_PARTITIONS: none, over the limit of a topic, or not more than there are.
    InvalidPartitions { found: u32, allowed_max: u32 },
    /// The node would hold more partitions than it may (INVALID_PARTITIONS, POLICY_VIOLATION).
    TooManyPartitions { allowed_max: u32 },
    /// INVALID_REPLICA_ASSIGNMENT: no shard has this id, or none is listed.
    UnknownShard { shard: Option<ShardId> },
    /// INVALID_CONFIG
    InvalidConfig(ConfigError),
    /// A topic has this id already: the proposer draws another.
    IdTaken,
    /// The cluster has its id.
    AlreadyStarted,
    /// The journal took it not; nothing is decided.
    Journal(JournalError),
}

/// Everything that is decided. Every shard has a copy, brought up to date by `Change`s; topics are
/// shared between the copies, so that a clone is cheap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    version: u64,
}

#[allow(unused_variables, reason = "the contract lands before the code")]
impl Metadata {
    /// What `command` would change. Decides nothing yet.
    pub fn decide(&self, command: &Command) -> Result<Change, Refusal> {
        todo!()
    }

    /// Takes a change over. Changes come in the order of their versions, without gaps.
    pub fn apply_change(&mut self, change: &Change) {
        todo!()
    }

    /// Both at once.
    pub fn apply(&mut self, command: &Command) -> Result<Change, Refusal> {
        let change = self.decide(command)?;
        self.apply_change(&change);
        Ok(change)
    }

    /// Rises by one with every change; replies can be cached by it.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Empty before the first start.
    pub fn cluster_id(&self) -> &str {
        todo!()
    }

    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        todo!()
    }

    pub fn topic_by_id(&self, id: Uuid) -> Option<&Arc<Topic>> {
        todo!()
    }

    /// All topics, by name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> + '_ {
        std::iter::empty()
    }

    pub fn topic_count(&self) -> usize {
        todo!()
    }

    /// Of all topics together.
    pub fn partition_count(&self) -> u32 {
        todo!()
    }

    pub fn partition(&self, topic: &str, partition: u32) -> Option<PartitionPlace> {
        self.topic(topic)?.partition(partition)
    }

    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &[ShardId])> + '_ {
        std::iter::empty()
    }

    /// What was last noted of the retention clock.
    pub fn retention_clock(&self) -> Option<WallMs> {
        todo!()
    }

    /// The partitions of one shard, as `log::Partitions::reconcile` takes them.
    pub fn partitions_of(
        &self,
        shard: ShardId,
    ) -> impl Iterator<Item = (StreamId, LeaderEpoch, Arc<TopicConfig>)> + '_ {
        std::iter::empty()
    }
}
