//! What partitions know of their producers, for those who ask.

use super::error::LogError;
use super::partitions::Partitions;
use crate::base::Now;
use crate::journal::StreamId;

/// An idempotent producer as a partition knows it (DescribeProducers, KIP-664).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerFacts {
    pub id: i64,
    pub epoch: i16,
    /// The sequence of its last record; -1 if none is remembered.
    pub last_sequence: i32,
    /// When it last wrote here, in milliseconds of the wall clock; after a restart not before that.
    pub last_time: i64,
}

impl Partitions {
    /// The producers that a partition remembers, by id.
    pub fn producers(&self, stream: StreamId, now: Now) -> Result<Vec<ProducerFacts>, LogError> {
        let partition = self.find(stream).ok_or(LogError::UnknownPartition)?;
        let facts = partition.producers.iter().map(|producer| {
            let silent_ms = now.ticks.since(producer.seen()).0 / 1_000_000;
            ProducerFacts {
                id: producer.id,
                epoch: producer.epoch,
                last_sequence: producer.last_sequence(),
                last_time: now.wall.0.saturating_sub(silent_ms as i64),
            }
        });
        Ok(facts.collect())
    }
}
