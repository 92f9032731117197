//! A topic and where its partitions are.

use std::sync::Arc;

use uuid::Uuid;

use crate::base::ShardId;
use crate::journal::StreamId;
use crate::log::{LeaderEpoch, Overrides, TopicConfig};

/// One topic. Shared between the copies of the metadata; never changed in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    pub name: Arc<str>,
    pub id: Uuid,
    /// What was set for the topic.
    pub overrides: Overrides,
    /// What follows from it.
    pub config: Arc<TopicConfig>,
    pub(super) runs: Vec<Run>,
}

/// Where one partition lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionPlace {
    pub partition: u32,
    pub stream: StreamId,
    pub shard: ShardId,
    pub leader_epoch: LeaderEpoch,
}

/// Partitions that were created together: 100,000 of them take as much room as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub first: u32,
    pub count: u32,
    pub first_stream: StreamId,
    /// Taken in turn, over and over.
    pub shards: Vec<ShardId>,
    pub leader_epoch: LeaderEpoch,
}

#[allow(unused_variables, reason = "the contract lands before the code")]
impl Topic {
    pub fn partition_count(&self) -> u32 {
        todo!()
    }

    pub fn partition(&self, partition: u32) -> Option<PartitionPlace> {
        todo!()
    }

    /// All partitions, in order.
    pub fn partitions(&self) -> impl Iterator<Item = PartitionPlace> + '_ {
        self.partitions_from(0)
    }

    /// Partitions from `first` on, in order.
    pub fn partitions_from(&self, first: u32) -> impl Iterator<Item = PartitionPlace> + '_ {
        (first..self.partition_count()).filter_map(|partition| self.partition(partition))
    }

    /// Names that begin with two underscores are the broker's own.
    pub fn is_internal(&self) -> bool {
        self.name.starts_with("__")
    }
}
