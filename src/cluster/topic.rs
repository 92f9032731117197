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
    /// In order, without gaps, none empty.
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

/// Partitions that were created together: 100,000 of them take as much room as one. Their streams
/// are consecutive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub first: u32,
    pub count: u32,
    pub first_stream: StreamId,
    /// Taken in turn, over and over; never empty.
    pub shards: Vec<ShardId>,
    pub leader_epoch: LeaderEpoch,
}

impl Run {
    fn end(&self) -> u32 {
        self.first + self.count
    }

    fn place(&self, partition: u32) -> PartitionPlace {
        let step = partition - self.first;
        PartitionPlace {
            partition,
            stream: StreamId(self.first_stream.0 + u64::from(step)),
            shard: self.shards[step as usize % self.shards.len()],
            leader_epoch: self.leader_epoch,
        }
    }

    /// How many of its partitions each shard has, with repetitions of a shard.
    pub fn counts(&self) -> impl Iterator<Item = (ShardId, u32)> + '_ {
        let turns = self.shards.len() as u32;
        let (each, rest) = (self.count / turns, self.count % turns);
        let count = move |turn: usize| each + u32::from((turn as u32) < rest);
        let shards = self.shards.iter().enumerate();
        shards.map(move |(turn, shard)| (*shard, count(turn)))
    }
}

impl Topic {
    pub fn partition_count(&self) -> u32 {
        self.runs.last().map_or(0, Run::end)
    }

    pub fn partition(&self, partition: u32) -> Option<PartitionPlace> {
        let after = self.runs.partition_point(|run| run.first <= partition);
        let run = &self.runs[after.checked_sub(1)?];
        (partition < run.end()).then(|| run.place(partition))
    }

    /// All partitions, in order.
    pub fn partitions(&self) -> impl Iterator<Item = PartitionPlace> + '_ {
        self.partitions_from(0)
    }

    /// Partitions from `first` on, in order.
    pub fn partitions_from(&self, first: u32) -> impl Iterator<Item = PartitionPlace> + '_ {
        self.runs.iter().flat_map(move |run| {
            (run.first.max(first)..run.end()).map(move |partition| run.place(partition))
        })
    }

    /// A topic of no partitions, for which this was set.
    #[cfg(test)]
    pub fn for_test(overrides: Overrides) -> Self {
        let config = TopicConfig::from_overrides(&overrides).expect("valid");
        Self {
            name: "t".into(),
            id: Uuid::nil(),
            overrides,
            config: Arc::new(config),
            runs: Vec::new(),
        }
    }

    /// The stream after the last that this topic has.
    pub(super) fn streams_end(&self) -> u64 {
        let end = |run: &Run| run.first_stream.0 + u64::from(run.count);
        self.runs.iter().map(end).max().unwrap_or(0)
    }

    /// True for the broker's own topics, by Kafka's names. Consumers by pattern pass over them, so
    /// a user's topic must not become one by its underscores.
    pub fn is_internal(&self) -> bool {
        matches!(&*self.name, "__consumer_offsets" | "__transaction_state")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(first: u32, count: u32, stream: u64, shards: &[u16]) -> Run {
        Run {
            first,
            count,
            first_stream: StreamId(stream),
            shards: shards.iter().copied().map(ShardId).collect(),
            leader_epoch: LeaderEpoch(0),
        }
    }

    fn topic() -> Topic {
        Topic {
            name: "t".into(),
            id: Uuid::nil(),
            overrides: Overrides::new(),
            config: Arc::new(TopicConfig::default()),
            runs: vec![run(0, 5, 16, &[0, 1]), run(5, 2, 40, &[3])],
        }
    }

    #[test]
    fn partitions_take_their_shards_in_turn_and_their_streams_in_order() {
        let topic = topic();

        let found: Vec<_> = topic
            .partitions()
            .map(|place| (place.stream.0, place.shard.0))
            .collect();

        let expected = [
            (16, 0),
            (17, 1),
            (18, 0),
            (19, 1),
            (20, 0),
            (40, 3),
            (41, 3),
        ];
        assert_eq!(found, expected);
        assert!((0..7).all(|n| topic.partition(n).is_some_and(|place| place.partition == n)));
        assert_eq!(topic.partition(7), None);
        assert_eq!(topic.partitions_from(6).count(), 1);
        assert_eq!(topic.streams_end(), 42);
    }

    #[test]
    fn a_runs_counts_per_shard_add_up() {
        let counts: Vec<_> = run(0, 5, 16, &[0, 1]).counts().collect();

        assert_eq!(counts, [(ShardId(0), 3), (ShardId(1), 2)]);
    }
}
