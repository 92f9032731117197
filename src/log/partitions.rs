//! All partitions of one shard.

use std::collections::VecDeque;
use std::sync::Arc;

use super::config::TopicConfig;
use super::error::LogError;
use super::offset::{AckToken, FetchToken, LeaderEpoch, Offset, WatchToken};
use super::partition::{Partition, Verdict};
use super::pending::{Pending, PendingQueue};
use super::producers::Kept;
use super::settled::Settled;
use super::streams::StreamMap;
use super::waiters::Waiters;
use super::watches::Watches;
use crate::base::{ByteCount, Now, Span, Ticks};
use crate::journal::{Journal, JournalError, StreamId};
use crate::wire::batch::CheckedBatch;

/// Broker-wide settings that partitions follow; see `Partitions::expire_producers_after`.
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
    pub(super) settings: PartitionsSettings,
    /// When the process started; what recovery finds counts as written now.
    pub(super) started: Ticks,
    /// Where in `slots` a stream's partition is.
    pub(super) places: StreamMap<u32>,
    /// A slot that is given up is used again.
    pub(super) slots: Vec<Option<Partition>>,
    pub(super) free: Vec<u32>,
    pending: PendingQueue,
    pub(super) waiters: Waiters,
    pub(super) watches: Watches,
    /// Streams of deleted partitions that the journal was too busy to drop.
    pub(super) dropping: VecDeque<StreamId>,
    /// For partitions whose topic is not known yet, during recovery.
    pub(super) unconfigured: Arc<TopicConfig>,
    /// The next slot that retention looks at.
    pub(super) retention_cursor: usize,
    /// Streams whose checkpoint could not be read: their producers are unknown.
    pub(super) unreadable: Vec<StreamId>,
    /// Streams whose last records may be lost to damage.
    pub(super) cut_short: Vec<StreamId>,
}

impl Partitions {
    /// No partitions.
    pub fn new(settings: PartitionsSettings, now: Now) -> Self {
        Self {
            settings,
            started: now.ticks,
            places: StreamMap::default(),
            slots: Vec::new(),
            free: Vec::new(),
            pending: PendingQueue::default(),
            waiters: Waiters::default(),
            watches: Watches::default(),
            dropping: VecDeque::new(),
            unconfigured: Arc::new(TopicConfig::default()),
            retention_cursor: 0,
            unreadable: Vec::new(),
            cut_short: Vec::new(),
        }
    }

    /// `producer.id.expiration.ms` has changed; it holds from the next look at a producer on.
    pub fn expire_producers_after(&mut self, span: Span) {
        self.settings.producer_expiration = span;
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
        if journal.failure().is_some() {
            return Err(JournalError::Stopped.into());
        }
        let place = self.place(stream)?;
        let partition = partition_at(&mut self.slots, place);
        let stamped = match partition.judge(batch, now, self.settings.producer_expiration)? {
            Verdict::Append(stamped) => stamped,
            Verdict::Repeated(kept) => return self.repeat(place, kept, token),
        };
        let entry = partition.entry(&stamped, batch);
        let relaxed = entry.flush_within.is_some();
        let placed = journal.stage(&entry)?;
        let base_offset = partition.appended(&stamped, batch, now);
        let pending = Pending {
            group: placed.group,
            stream,
            end: partition.end,
            bytes: batch.bytes.len() as u32,
            token,
        };
        self.pending.push(pending, relaxed);
        Ok(Appended {
            base_offset,
            log_append_time: stamped.append_time(),
            log_start: partition.log_start,
            duplicate: false,
            settled: false,
        })
    }

    /// The answer to a repetition: that of the original, and no earlier.
    fn repeat(
        &mut self,
        place: usize,
        kept: Kept,
        token: Option<AckToken>,
    ) -> Result<Appended, LogError> {
        let partition = partition_at(&mut self.slots, place);
        let settled = kept.end() <= partition.high_watermark;
        if !settled && !self.pending.join(partition.stream, kept.end(), token) {
            // The original was given up with its journal.
            return Err(JournalError::Stopped.into());
        }
        Ok(Appended {
            base_offset: kept.base_offset,
            log_append_time: kept.append_time,
            log_start: partition.log_start,
            duplicate: true,
            settled,
        })
    }

    /// Looks how far the journal has come: moves high watermarks and adds to `settled` who may be
    /// answered. O(what changed). Call it after journal completions, and after `delete`.
    pub fn settle(&mut self, journal: &Journal, settled: &mut Settled) {
        let (flushed, written) = (journal.flushed(), journal.written());
        while let Some(pending) = self.pending.pop(flushed, written) {
            settled.acked.extend(pending.token);
            let Some(partition) = self.find_mut(pending.stream) else {
                continue;
            };
            if partition.advance(pending.end) {
                settled.advanced.push(pending.stream);
                self.watches.changed(pending.stream);
            }
            if pending.bytes > 0 {
                let bytes = u64::from(pending.bytes);
                self.waiters.advanced(pending.stream, bytes);
            }
        }
        self.waiters.take_woken(&mut settled.woken);
        self.watches.take_changed(&mut settled.changed);
    }

    /// The journal has failed: gives back every token that waits for durability, none of which may
    /// be acknowledged.
    pub fn abandon(&mut self) -> Vec<AckToken> {
        self.pending.abandon()
    }

    /// Waits until `missing` more bytes have been made visible in `streams` together. One wait per
    /// token.
    pub fn wait(&mut self, token: FetchToken, streams: &[StreamId], missing: ByteCount) {
        self.waiters.wait(token, streams, missing);
    }

    /// The fetch waits no longer (time-out, connection gone). True if it still waited.
    pub fn cancel(&mut self, token: FetchToken) -> bool {
        self.waiters.cancel(token)
    }

    /// Tells `token` of the next change of `stream`, once. Call it in the step that read the
    /// stream, so that no change falls between.
    pub fn watch(&mut self, token: WatchToken, stream: StreamId) {
        self.watches.watch(token, stream);
    }

    /// The token no longer watches this stream, or any.
    pub fn end_watch(&mut self, token: WatchToken, stream: Option<StreamId>) {
        match stream {
            Some(stream) => self.watches.end(token, stream),
            None => self.watches.end_all(token),
        }
    }

    /// DeleteRecords: gives up everything below `before` (None: below the high watermark). The new
    /// log start is returned at once and durable when `settle` gives the token back. None in place
    /// of a wait: there was nothing to give up, and the token is not kept.
    pub fn delete_records(
        &mut self,
        journal: &mut Journal,
        stream: StreamId,
        before: Option<Offset>,
        token: AckToken,
    ) -> Result<Deleted, LogError> {
        let place = self.place(stream)?;
        let partition = partition_at(&mut self.slots, place);
        let (start, end) = (partition.log_start, partition.high_watermark);
        let before = before.unwrap_or(end);
        if before.0 < 0 || before > end {
            return Err(LogError::OffsetOutOfRange { start, end });
        }
        if before <= start {
            return Ok(Deleted {
                log_start: start,
                settled: true,
            });
        }
        let placed = journal.trim(stream, before.into())?;
        partition.trim(before);
        self.watches.changed(stream);
        let pending = Pending {
            group: placed.group,
            stream,
            end: Offset(0),
            bytes: 0,
            token: Some(token),
        };
        self.pending.push(pending, false);
        Ok(Deleted {
            log_start: before,
            settled: false,
        })
    }

    pub fn facts(&self, journal: &Journal, stream: StreamId) -> Option<PartitionFacts> {
        let partition = self.find(stream)?;
        Some(PartitionFacts {
            log_start: partition.log_start,
            high_watermark: partition.high_watermark,
            end: partition.end,
            leader_epoch: partition.epoch,
            bytes: journal.stream_bytes(stream),
            producers: partition.producers.len(),
        })
    }
}

/// The partition in a slot that `places` points to; there always is one.
pub(super) fn partition_at(slots: &mut [Option<Partition>], place: usize) -> &mut Partition {
    match &mut slots[place] {
        Some(partition) => partition,
        None => panic!("no partition in slot {place}, though a stream points to it"),
    }
}

/// The end of a DeleteRecords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deleted {
    pub log_start: Offset,
    /// Nothing to wait for: nothing had to be given up. The token is not kept.
    pub settled: bool,
}

#[cfg(test)]
#[path = "partitions_tests.rs"]
mod tests;
