//! What a partition refuses, and why.

use super::offset::{LeaderEpoch, Offset};
use crate::journal::JournalError;

/// One error of a partition. `shard` turns each variant into its Kafka error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogError {
    /// No partition here has this stream (UNKNOWN_TOPIC_OR_PARTITION).
    UnknownPartition,
    /// A batch over `max.message.bytes` (MESSAGE_TOO_LARGE).
    TooLarge { bytes: u64, max: u64 },
    /// A time outside of what `message.timestamp.before.max.ms` and `.after.max.ms` leave, both
    /// ends included (INVALID_TIMESTAMP). The record is the first such one of its batch, counted
    /// from 0; None: only the batch's header says so.
    InvalidTimestamp {
        record: Option<u32>,
        time: i64,
        earliest: i64,
        latest: i64,
    },
    /// A batch whose producer claims append times (INVALID_TIMESTAMP).
    ClaimsAppendTime,
    /// A record without a key on a compacted topic (INVALID_RECORD): the first of its batch,
    /// counted from 0.
    NoKey { record: u32 },
    /// Records that can not be walked (INVALID_RECORD).
    InvalidRecord,
    /// The batch neither repeats nor follows the producer's last one
    /// (OUT_OF_ORDER_SEQUENCE_NUMBER).
    OutOfOrderSequence { expected: i32, found: i32 },
    /// A newer producer with this id has written here (INVALID_PRODUCER_EPOCH).
    InvalidProducerEpoch { current: i16, found: i16 },
    /// A transactional batch outside of a transaction (INVALID_TXN_STATE).
    InvalidTransactionState,
    /// The offset is below the log start or beyond the visible end (OFFSET_OUT_OF_RANGE).
    OffsetOutOfRange { start: Offset, end: Offset },
    /// The client's leader epoch is older than ours (FENCED_LEADER_EPOCH).
    FencedLeaderEpoch { current: LeaderEpoch },
    /// The client's leader epoch is newer than ours (UNKNOWN_LEADER_EPOCH).
    UnknownLeaderEpoch { current: LeaderEpoch },
    /// The journal said no. `Busy` and `Full` may pass (retriable); the others are
    /// KAFKA_STORAGE_ERROR.
    Journal(JournalError),
}

impl From<JournalError> for LogError {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

const _: () = assert!(size_of::<LogError>() <= 56);
