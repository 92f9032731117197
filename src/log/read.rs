//! Plans for reading: which indexes of the journal answer a Fetch or a ListOffsets.

use super::error::LogError;
use super::offset::{LeaderEpoch, Offset};
use super::partition::Partition;
use super::partitions::Partitions;
use crate::base::ByteCount;
use crate::base::limits::BATCH_BYTES_MAX;
use crate::journal::{ReadRequest, ReadToken, SearchRequest, Slice, StreamId};
use crate::wire::batch::records;

/// `isolation_level` of Fetch and ListOffsets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    #[default]
    ReadUncommitted,
    ReadCommitted,
}

/// One partition's part of a Fetch.
#[derive(Clone, Copy, Debug)]
pub struct ReadAsk {
    pub from: Offset,
    /// `current_leader_epoch`; None if the client sent -1.
    pub leader_epoch: Option<LeaderEpoch>,
    pub isolation: Isolation,
    pub bytes_max: ByteCount,
    /// The first batch is returned even if it is larger than `bytes_max`.
    pub first_whole: bool,
}

/// What a reply says about the partition, and what to read, if there is anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadPlan {
    pub stream: StreamId,
    pub from: Offset,
    /// Nothing at or beyond this may be shown. Equal to `from`: there is nothing to read now.
    pub until: Offset,
    pub high_watermark: Offset,
    pub last_stable: Offset,
    pub log_start: Offset,
    pub leader_epoch: LeaderEpoch,
    pub bytes_max: ByteCount,
    pub first_whole: bool,
}

impl ReadPlan {
    /// True when a read now would bring nothing.
    pub fn is_empty(&self) -> bool {
        self.from >= self.until
    }

    /// The same as the journal takes it; None if there is nothing to read now.
    pub fn request(&self, token: ReadToken) -> Option<ReadRequest> {
        (!self.is_empty()).then(|| ReadRequest {
            token,
            stream: self.stream,
            from: self.from.into(),
            until: self.until.into(),
            bytes_max: self.bytes_max,
            first_whole: self.first_whole,
        })
    }
}

/// `timestamp` of ListOffsets, whose negative values are questions of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetSpec {
    /// -1
    Latest,
    /// -2
    Earliest,
    /// -3 (KIP-734)
    MaxTimestamp,
    /// -4 (KIP-405)
    EarliestLocal,
    /// -5 (KIP-1005)
    LatestTiered,
    /// The first record at or after this time in milliseconds.
    Time(i64),
}

impl OffsetSpec {
    /// None for a negative value that has no meaning.
    pub fn from_wire(timestamp: i64) -> Option<Self> {
        match timestamp {
            -1 => Some(Self::Latest),
            -2 => Some(Self::Earliest),
            -3 => Some(Self::MaxTimestamp),
            -4 => Some(Self::EarliestLocal),
            -5 => Some(Self::LatestTiered),
            time if time >= 0 => Some(Self::Time(time)),
            _ => None,
        }
    }
}

/// An answer to ListOffsets. `offset` and `time` are -1 where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetFound {
    pub offset: i64,
    pub time: i64,
    /// -1 if unknown.
    pub leader_epoch: i32,
}

impl OffsetFound {
    /// No record answers the question.
    pub const NONE: Self = Self {
        offset: -1,
        time: -1,
        leader_epoch: -1,
    };
}

/// ListOffsets either knows its answer or must find a batch first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetPlan {
    Known(OffsetFound),
    /// Search the journal, then give what it found to `SearchPlan::resolve`.
    Search(SearchPlan),
}

/// A batch to be found, in which `resolve` then finds the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchPlan {
    pub stream: StreamId,
    pub log_start: Offset,
    pub until: Offset,
    /// None: the record with the largest time.
    pub time: Option<i64>,
}

impl SearchPlan {
    pub fn request(&self, token: ReadToken) -> SearchRequest {
        SearchRequest {
            token,
            stream: self.stream,
            until: self.until.into(),
            time: self.time,
        }
    }

    /// Finds the record within the batch that the journal's search brought (None: no batch).
    ///
    /// A batch whose records can not be walked answers with its first offset: a consumer that
    /// begins there misses nothing.
    pub fn resolve(&self, found: Option<&Slice>) -> OffsetFound {
        let Some(slice) = found else {
            return OffsetFound::NONE;
        };
        let time = self.time.unwrap_or(slice.head.time_max);
        let leader_epoch = slice.head.term.0;
        let Ok(walk) = records(&slice.payload, BATCH_BYTES_MAX.as_usize()) else {
            return self.first_of(slice);
        };
        for record in walk {
            let Ok(record) = record else {
                return self.first_of(slice);
            };
            if record.offset >= self.log_start.0 && record.timestamp >= time {
                return OffsetFound {
                    offset: record.offset,
                    time: record.timestamp,
                    leader_epoch,
                };
            }
        }
        // Only records that are given up are that young, or the header claims a time that no
        // record has.
        self.first_of(slice)
    }

    fn first_of(&self, slice: &Slice) -> OffsetFound {
        OffsetFound {
            offset: slice.head.first.0.max(self.log_start.0),
            time: slice.head.time_max,
            leader_epoch: slice.head.term.0,
        }
    }
}

impl Partitions {
    /// What a Fetch may read. Errors: UnknownPartition, Fenced- or UnknownLeaderEpoch,
    /// OffsetOutOfRange.
    pub fn plan_read(&self, stream: StreamId, ask: &ReadAsk) -> Result<ReadPlan, LogError> {
        let partition = self.find(stream).ok_or(LogError::UnknownPartition)?;
        partition.check_epoch(ask.leader_epoch)?;
        let (start, end) = (partition.log_start, partition.high_watermark);
        // Beyond the high watermark but not beyond the end: what was seen there once will be
        // there again, so the reader waits (as in Kafka).
        if ask.from < start || ask.from > partition.end {
            return Err(LogError::OffsetOutOfRange { start, end });
        }
        Ok(ReadPlan {
            stream,
            from: ask.from,
            until: visible_end(partition, ask.isolation),
            high_watermark: end,
            last_stable: visible_end(partition, Isolation::ReadCommitted),
            log_start: start,
            leader_epoch: partition.epoch,
            bytes_max: ask.bytes_max,
            first_whole: ask.first_whole,
        })
    }

    /// ListOffsets for one partition.
    pub fn plan_offset(
        &self,
        stream: StreamId,
        spec: OffsetSpec,
        isolation: Isolation,
        leader_epoch: Option<LeaderEpoch>,
    ) -> Result<OffsetPlan, LogError> {
        let partition = self.find(stream).ok_or(LogError::UnknownPartition)?;
        partition.check_epoch(leader_epoch)?;
        let known = |offset: Offset, epoch: LeaderEpoch| {
            OffsetPlan::Known(OffsetFound {
                offset: offset.0,
                time: -1,
                leader_epoch: epoch.0,
            })
        };
        let until = visible_end(partition, isolation);
        let start = partition.log_start;
        let search = |time| match start < until {
            true => OffsetPlan::Search(SearchPlan {
                stream,
                log_start: start,
                until,
                time,
            }),
            false => OffsetPlan::Known(OffsetFound::NONE),
        };
        Ok(match spec {
            OffsetSpec::Latest => known(until, partition.epoch),
            OffsetSpec::Earliest | OffsetSpec::EarliestLocal => {
                known(start, partition.epochs.at(start).unwrap_or(partition.epoch))
            }
            OffsetSpec::LatestTiered => OffsetPlan::Known(OffsetFound::NONE),
            OffsetSpec::MaxTimestamp => search(None),
            OffsetSpec::Time(time) => search(Some(time)),
        })
    }

    /// OffsetForLeaderEpoch: the largest epoch not above `epoch` that wrote here, and the offset
    /// where it ends; (-1, -1) if there is none.
    pub fn epoch_end(
        &self,
        stream: StreamId,
        current: Option<LeaderEpoch>,
        epoch: LeaderEpoch,
    ) -> Result<(LeaderEpoch, Offset), LogError> {
        let partition = self.find(stream).ok_or(LogError::UnknownPartition)?;
        partition.check_epoch(current)?;
        // The durable end and not the end: the answer is about records that a client has seen.
        let end = partition.high_watermark;
        let mut epochs = partition.epochs.clone();
        // The epoch of now counts though it may have no records yet.
        epochs.note(partition.epoch, end);
        let found = epochs.end_of(epoch, end);
        Ok(found.unwrap_or((LeaderEpoch(-1), Offset(-1))))
    }
}

/// Where a reader must stop.
fn visible_end(partition: &Partition, isolation: Isolation) -> Offset {
    match isolation {
        // Without transactions every record is stable once it may be read at all.
        Isolation::ReadUncommitted | Isolation::ReadCommitted => partition.high_watermark,
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
