//! What a command would change, or why it may not.

use std::sync::Arc;

use uuid::Uuid;

use super::change::{Change, ChangeKind, TopicChange};
use super::command::{BrokerScope, Command, Placement};
use super::edit::edited;
use super::metadata::Metadata;
use super::name::check_topic_name;
use super::topic::{Run, Topic};
use crate::base::limits::{PARTITIONS_PER_NODE_MAX, PARTITIONS_PER_TOPIC_MAX};
use crate::base::{NodeId, ShardId};
use crate::journal::{JournalError, StreamId};
use crate::log::{ConfigError, LeaderEpoch, Overrides, TopicConfig};

/// The ids in a block (Kafka's `ProducerIdsBlock`).
pub const PRODUCER_IDS_PER_BLOCK: u32 = 1_000;

/// Why a command changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// TOPIC_ALREADY_EXISTS
    TopicExists,
    /// INVALID_TOPIC_EXCEPTION, with why.
    InvalidTopicName { why: &'static str },
    /// INVALID_TOPIC_EXCEPTION: `a.b` and `a_b` would share a name in metrics.
    TopicNameCollides { with: Arc<str> },
    /// UNKNOWN_TOPIC_OR_PARTITION, or UNKNOWN_TOPIC_ID.
    UnknownTopic,
    /// INVALID_PARTITIONS: the new total must lie between these.
    InvalidPartitions { found: u32, min: u32, max: u32 },
    /// POLICY_VIOLATION: all topics together would have more partitions than a node may.
    TooManyPartitions { max: u32 },
    /// INVALID_REPLICA_ASSIGNMENT: no shard has this id; or none is there at all.
    UnknownShard { shard: Option<ShardId> },
    /// INVALID_CONFIG
    InvalidConfig(ConfigError),
    /// A topic has this id already, or it is not one for topics: the proposer draws another.
    IdTaken,
    /// The cluster has its id.
    AlreadyStarted,
    /// The change is there already; nothing to do (a node registered as it is).
    Unchanged,
    /// INVALID_REQUEST: the node that it is for can not do it, and why.
    NotPossible { why: Box<str> },
    /// The journal took it not; nothing is decided.
    Journal(JournalError),
}

impl Metadata {
    /// What `command` would change. Decides nothing yet.
    pub fn decide(&self, command: &Command) -> Result<Change, Refusal> {
        let kind = match command {
            Command::FirstStart { cluster_id } => self.first_start(cluster_id),
            Command::RegisterNode { node, shards } => self.register(*node, shards),
            Command::CreateTopic {
                name,
                id,
                partitions,
                placement,
                configs,
            } => self.create_topic((name, *id), *partitions, placement, configs),
            Command::DeleteTopic { id } => {
                let topic = self.known(*id)?.clone();
                let what = TopicChange::Deleted;
                Ok(ChangeKind::Topic { topic, what })
            }
            Command::CreatePartitions {
                id,
                total,
                placement,
            } => self.create_partitions(*id, *total, placement),
            Command::AlterConfig { id, configs } => self.alter_config(*id, configs),
            Command::EditConfig { id, edits } => {
                let configs = edited(&self.known(*id)?.overrides, edits);
                self.alter_config(*id, &configs.map_err(Refusal::InvalidConfig)?)
            }
            Command::AlterBrokerConfig { scope, configs } => {
                self.alter_broker(*scope, configs.clone())
            }
            Command::EditBrokerConfig { scope, edits } => {
                let configs = edited(self.broker_overrides(*scope), edits);
                self.alter_broker(*scope, configs.map_err(Refusal::InvalidConfig)?)
            }
            Command::NextProducerIdBlock => Ok(ChangeKind::ProducerIds {
                first: self.next_producer_id,
                count: PRODUCER_IDS_PER_BLOCK,
            }),
            Command::NoteRetentionClock { at } => Ok(ChangeKind::RetentionClock { at: *at }),
        };
        Ok(Change {
            version: self.version() + 1,
            kind: kind?,
        })
    }

    /// Decides and takes over.
    pub fn apply(&mut self, command: &Command) -> Result<Change, Refusal> {
        let change = self.decide(command)?;
        self.apply_change(&change);
        Ok(change)
    }

    fn first_start(&self, cluster_id: &str) -> Result<ChangeKind, Refusal> {
        if !self.cluster_id().is_empty() {
            return Err(Refusal::AlreadyStarted);
        }
        Ok(ChangeKind::ClusterNamed {
            cluster_id: cluster_id.into(),
        })
    }

    fn register(&self, node: NodeId, shards: &[ShardId]) -> Result<ChangeKind, Refusal> {
        if self
            .nodes
            .get(&node)
            .is_some_and(|known| **known == *shards)
        {
            return Err(Refusal::Unchanged);
        }
        Ok(ChangeKind::NodeRegistered {
            node,
            shards: shards.into(),
        })
    }

    fn create_topic(
        &self,
        (name, id): (&str, Uuid),
        partitions: u32,
        placement: &Placement,
        configs: &Overrides,
    ) -> Result<ChangeKind, Refusal> {
        check_topic_name(name).map_err(|why| Refusal::InvalidTopicName { why })?;
        if self.topic(name).is_some() {
            return Err(Refusal::TopicExists);
        }
        if let Some(with) = self.collision(name) {
            return Err(Refusal::TopicNameCollides { with: with.into() });
        }
        if is_reserved(id) || self.topic_by_id(id).is_some() {
            return Err(Refusal::IdTaken);
        }
        let config = TopicConfig::from_overrides(configs).map_err(Refusal::InvalidConfig)?;
        let topic = Topic {
            name: name.into(),
            id,
            overrides: configs.clone(),
            config: Arc::new(config),
            runs: vec![self.new_run(0, partitions, placement)?],
        };
        Ok(ChangeKind::Topic {
            topic: Arc::new(topic),
            what: TopicChange::Created,
        })
    }

    fn create_partitions(
        &self,
        id: Uuid,
        total: u32,
        placement: &Placement,
    ) -> Result<ChangeKind, Refusal> {
        let mut topic = Topic::clone(self.known(id)?);
        let from = topic.partition_count();
        topic.runs.push(self.new_run(from, total, placement)?);
        Ok(ChangeKind::Topic {
            topic: Arc::new(topic),
            what: TopicChange::Grown { from },
        })
    }

    fn alter_config(&self, id: Uuid, configs: &Overrides) -> Result<ChangeKind, Refusal> {
        let mut topic = Topic::clone(self.known(id)?);
        if topic.overrides == *configs {
            return Err(Refusal::Unchanged);
        }
        let config = TopicConfig::from_overrides(configs).map_err(Refusal::InvalidConfig)?;
        topic.config = Arc::new(config);
        topic.overrides = configs.clone();
        Ok(ChangeKind::Topic {
            topic: Arc::new(topic),
            what: TopicChange::Configured,
        })
    }

    fn alter_broker(&self, scope: BrokerScope, configs: Overrides) -> Result<ChangeKind, Refusal> {
        if *self.broker_overrides(scope) == configs {
            return Err(Refusal::Unchanged);
        }
        let configs = Arc::new(configs);
        Ok(ChangeKind::BrokerConfig { scope, configs })
    }

    fn known(&self, id: Uuid) -> Result<&Arc<Topic>, Refusal> {
        self.topic_by_id(id).ok_or(Refusal::UnknownTopic)
    }

    /// Partitions `first .. total` of a topic.
    fn new_run(&self, first: u32, total: u32, placement: &Placement) -> Result<Run, Refusal> {
        let (min, max) = (first + 1, PARTITIONS_PER_TOPIC_MAX);
        if total < min || total > max {
            let found = total;
            return Err(Refusal::InvalidPartitions { found, min, max });
        }
        let count = total - first;
        let max = PARTITIONS_PER_NODE_MAX;
        if self.partition_count() + count > max {
            return Err(Refusal::TooManyPartitions { max });
        }
        Ok(Run {
            first,
            count,
            first_stream: StreamId(self.next_stream),
            shards: self.shards_for(count, placement)?,
            leader_epoch: LeaderEpoch(0),
        })
    }

    /// The shards that take `count` new partitions, in turn.
    fn shards_for(&self, count: u32, placement: &Placement) -> Result<Vec<ShardId>, Refusal> {
        let mut shards: Vec<ShardId> = self
            .nodes
            .values()
            .flat_map(|s| s.iter().copied())
            .collect();
        match placement {
            Placement::Spread => shards.sort_by_key(|shard| (self.load(*shard), *shard)),
            Placement::Listed(listed) => {
                let unknown = |shard: &&ShardId| !shards.contains(shard);
                if let Some(shard) = listed.iter().find(unknown).copied() {
                    return Err(Refusal::UnknownShard { shard: Some(shard) });
                }
                shards.clone_from(listed);
            }
        }
        shards.truncate(count as usize);
        if shards.is_empty() {
            return Err(Refusal::UnknownShard { shard: None });
        }
        Ok(shards)
    }
}

/// Kafka keeps these for "no topic" and for its own metadata (`Uuid.RESERVED`).
fn is_reserved(id: Uuid) -> bool {
    id.as_u128() <= 1
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
