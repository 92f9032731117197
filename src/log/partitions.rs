//! All partitions of one shard.

use std::sync::Arc;

use super::config::TopicConfig;
use super::error::LogError;
use super::incoming::CheckedBatch;
use super::offset::{AckToken, FetchToken, LeaderEpoch, Offset};
use super::read::{Isolation, OffsetPlan, OffsetSpec, ReadAsk, ReadPlan};
use super::retention::RetentionTime;
use super::settled::Settled;
use crate::base::{ByteCount, Now, Span};
use crate::journal::{EntryHead, Index, Journal, Replay, Snapshots, StreamId};

/// Broker-wide settings that partitions follow.
#[derive(Clone, Copy, Debug)]
pub struct PartitionsSettings {
    /// `producer.id.expiration.ms`.
    pub producer_expiration: Span,
}

impl Default for PartitionsSettings {
    fn default() -> Self {
        Self {
            producer_expiration: Span::seconds(86_400),
        }
    }
}

/// A batch that has its offsets. It may be acknowledged once `settle` gives its token back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The first record's offset; the original one for a batch that is a repetition.
    pub base_offset: Offset,
    /// `log_append_time_ms` of the reply: -1 unless the topic stamps append times.
    pub log_append_time: i64,
    pub log_start: Offset,
    /// An idempotent producer's retry of a batch that is already here.
    pub duplicate: bool,
    /// Nothing to wait for: a repetition of what is already durable. The token is not kept.
    pub settled: bool,
}

/// What DescribeLogDirs, metrics and the command line show of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionFacts {
    pub log_start: Offset,
    pub high_watermark: Offset,
    /// The next offset to be given, durable or not.
    pub end: Offset,
    pub leader_epoch: LeaderEpoch,
    pub bytes: ByteCount,
    pub producers: usize,
}

/// All partitions of one shard, by their streams. The shard owns it; nothing here waits.
///
/// Boot: `new`, give it to `Journal::open` as `Replay`, then `reconcile` with the metadata.
pub struct Partitions {
    settings: PartitionsSettings,
}

#[allow(unused_variables, reason = "the contract lands before the code")]
impl Partitions {
    pub fn new(settings: PartitionsSettings) -> Self {
        todo!()
    }

    pub fn count(&self) -> usize {
        todo!()
    }

    pub fn contains(&self, stream: StreamId) -> bool {
        todo!()
    }

    /// After the journal has opened and the metadata is known: `wanted` are this shard's partitions
    /// (`cluster::Metadata::partitions_of`). Partitions without a stream yet are empty; streams that
    /// no partition wants belong to deleted topics and are dropped.
    pub fn reconcile(
        &mut self,
        wanted: &mut dyn Iterator<Item = (StreamId, LeaderEpoch, Arc<TopicConfig>)>,
        journal: &mut Journal,
    ) -> Result<(), LogError> {
        todo!()
    }

    /// A new, empty partition. Nothing is written until its first batch.
    pub fn create(&mut self, stream: StreamId, epoch: LeaderEpoch, config: Arc<TopicConfig>) {
        todo!()
    }

    /// The topic's configuration or the leader epoch changed. Fetches that wait are woken if the
    /// epoch changed.
    pub fn configure(&mut self, stream: StreamId, epoch: LeaderEpoch, config: Arc<TopicConfig>) {
        todo!()
    }

    /// Gives up the partition and all its records. Fetches that wait for it are woken by the next
    /// `settle`; what awaits durability is still acknowledged.
    pub fn delete(&mut self, journal: &mut Journal, stream: StreamId) -> Result<(), LogError> {
        todo!()
    }

    /// Gives the batch its offsets and stages it. `token` None: nobody waits (acks=0).
    pub fn append(
        &mut self,
        journal: &mut Journal,
        stream: StreamId,
        batch: &CheckedBatch,
        token: Option<AckToken>,
        now: Now,
    ) -> Result<Appended, LogError> {
        todo!()
    }

    /// Looks how far the journal has come: moves high watermarks and adds to `settled` who may be
    /// answered. O(what changed). Call it after journal completions, and after `delete`.
    pub fn settle(&mut self, journal: &Journal, settled: &mut Settled) {
        todo!()
    }

    /// The journal has failed: gives back every token that waits for durability, none of which may
    /// be acknowledged.
    pub fn abandon(&mut self) -> Vec<AckToken> {
        todo!()
    }

    /// What a Fetch may read. Errors: UnknownPartition, Fenced- or UnknownLeaderEpoch,
    /// OffsetOutOfRange.
    pub fn plan_read(&self, stream: StreamId, ask: &ReadAsk) -> Result<ReadPlan, LogError> {
        todo!()
    }

    /// Waits until `missing` more bytes have been made visible in `streams` together. One wait per
    /// token.
    pub fn wait(&mut self, token: FetchToken, streams: &[StreamId], missing: ByteCount) {
        todo!()
    }

    /// The fetch waits no longer (time-out, connection gone). True if it still waited.
    pub fn cancel(&mut self, token: FetchToken) -> bool {
        todo!()
    }

    /// ListOffsets for one partition.
    pub fn plan_offset(
        &self,
        stream: StreamId,
        spec: OffsetSpec,
        isolation: Isolation,
        leader_epoch: Option<LeaderEpoch>,
    ) -> Result<OffsetPlan, LogError> {
        todo!()
    }

    /// OffsetForLeaderEpoch: the largest epoch not above `epoch` that wrote here, and the offset
    /// where it ends; (-1, -1) if there is none.
    pub fn epoch_end(
        &self,
        stream: StreamId,
        current: Option<LeaderEpoch>,
        epoch: LeaderEpoch,
    ) -> Result<(LeaderEpoch, Offset), LogError> {
        todo!()
    }

    /// DeleteRecords: gives up everything below `before` (None: below the high watermark). The new
    /// log start is returned at once and durable when `settle` gives the token back.
    pub fn delete_records(
        &mut self,
        journal: &mut Journal,
        stream: StreamId,
        before: Option<Offset>,
        token: AckToken,
    ) -> Result<Offset, LogError> {
        todo!()
    }

    /// Applies retention to the next `count` partitions in turn. Returns how many records were
    /// given up. Call it now and then; a full round every five minutes is what Kafka does.
    pub fn retain(
        &mut self,
        journal: &mut Journal,
        time: RetentionTime,
        count: usize,
    ) -> Result<u64, LogError> {
        todo!()
    }

    pub fn facts(&self, journal: &Journal, stream: StreamId) -> Option<PartitionFacts> {
        todo!()
    }
}

#[allow(unused_variables, reason = "the contract lands before the code")]
impl Replay for Partitions {
    fn restored(&mut self, stream: StreamId, first: Index, end: Index, snapshot: &[u8]) {
        todo!()
    }

    fn entry(&mut self, head: &EntryHead) {
        todo!()
    }

    fn trimmed(&mut self, stream: StreamId, first: Index) {
        todo!()
    }

    fn dropped(&mut self, stream: StreamId) {
        todo!()
    }
}

impl Snapshots for Partitions {
    fn snapshot(&self, stream: StreamId, out: &mut Vec<u8>) {
        let _ = (stream, out);
        todo!()
    }
}
