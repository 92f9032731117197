//! Plans for reading: which indexes of the journal answer a Fetch or a ListOffsets.

use super::offset::{LeaderEpoch, Offset};
use crate::base::ByteCount;
use crate::journal::{ReadRequest, ReadToken, SearchRequest, StreamId};

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
    pub fn resolve(
        &self,
        found: Option<&crate::journal::Slice>,
    ) -> Result<OffsetFound, super::LogError> {
        let _ = found;
        todo!()
    }
}
