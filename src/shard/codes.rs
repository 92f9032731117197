//! The one place where an internal error becomes Kafka's code, and words for the reply.

use crate::admin::AdminError;
use crate::cluster::Refusal;
use crate::groups::GroupError;
use crate::journal::JournalError;
use crate::log::{ConfigError, LogError};
use crate::wire::batch::BatchError;
use crate::wire::{ErrorCode, StrBytes};

/// What a reply says of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub code: ErrorCode,
    /// For replies that have room; the reader is a person.
    pub words: Option<StrBytes>,
    /// The one record of a batch, counted from 0, for which the batch is refused.
    pub record: Option<u32>,
}

impl Failure {
    /// A code that says it all.
    pub fn bare(code: ErrorCode) -> Self {
        Self {
            code,
            words: None,
            record: None,
        }
    }

    /// A request names one thing twice where it may once.
    pub fn named_twice() -> Self {
        let words = "the request names this more than once";
        Self::because(ErrorCode::InvalidRequest, words)
    }

    pub fn because(code: ErrorCode, words: impl Into<String>) -> Self {
        Self {
            words: Some(StrBytes::from_string(words.into())),
            ..Self::bare(code)
        }
    }

    fn of_record(self, record: Option<u32>) -> Self {
        Self { record, ..self }
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        use ErrorCode as Code;
        match error {
            LogError::UnknownPartition => Self::because(
                Code::UnknownTopicOrPartition,
                "the partition is not here any more",
            ),
            LogError::TooLarge { bytes, max } => Self::because(
                Code::MessageTooLarge,
                format!("the batch has {bytes} bytes, and max.message.bytes allows {max} here"),
            ),
            LogError::InvalidTimestamp {
                record,
                time,
                earliest,
                latest,
            } => outside(time, [earliest, latest]).of_record(record),
            LogError::ClaimsAppendTime => Self::because(
                Code::InvalidTimestamp,
                "the batch claims LogAppendTime, which only brokers write; say CreateTime",
            ),
            LogError::NoKey { record } => Self::because(
                Code::InvalidRecord,
                format!("record {record} of the batch has no key: a compacted topic needs one"),
            )
            .of_record(Some(record)),
            LogError::InvalidRecord => {
                Self::because(Code::InvalidRecord, "a record of the batch can not be read")
            }
            LogError::OutOfOrderSequence { expected, found } => Self::because(
                Code::OutOfOrderSequenceNumber,
                format!("sequence {found} where {expected} follows"),
            ),
            LogError::InvalidProducerEpoch { current, found } => Self::because(
                Code::InvalidProducerEpoch,
                format!("producer epoch {found} is older than {current}"),
            ),
            LogError::InvalidTransactionState => Self::because(
                Code::InvalidTxnState,
                "a batch of a transaction that is not open: there are no transactions yet",
            ),
            LogError::OffsetOutOfRange { start, end } => Self::because(
                Code::OffsetOutOfRange,
                format!("offsets {} to {} can be read", start.0, end.0),
            ),
            LogError::FencedLeaderEpoch { .. } => Self::because(
                Code::FencedLeaderEpoch,
                "the leader epoch that the request claims is over: ask for metadata",
            ),
            LogError::UnknownLeaderEpoch { .. } => Self::because(
                Code::UnknownLeaderEpoch,
                "the leader epoch that the request claims has not begun here",
            ),
            LogError::Journal(error) => error.into(),
        }
    }
}

/// A record's time is not between these, both included.
fn outside(time: i64, [earliest, latest]: [i64; 2]) -> Failure {
    let words = format!(
        "timestamp {time} is not from {earliest} to {latest}, which \
         message.timestamp.before.max.ms and message.timestamp.after.max.ms allow now"
    );
    Failure::because(ErrorCode::InvalidTimestamp, words)
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        use ErrorCode as Code;
        match error {
            JournalError::Device(_) | JournalError::Stopped => Self::because(
                Code::KafkaStorageError,
                "the device failed; this shard's journal takes no more",
            ),
            JournalError::Full => Self::because(
                Code::KafkaStorageError,
                "the disk is full; delete topics, shorten their retention or make room beside them",
            ),
            JournalError::Busy => Self::because(
                Code::KafkaStorageError,
                "more is waiting for the device than is allowed",
            ),
            JournalError::TooLarge { length } => Self::because(
                Code::MessageTooLarge,
                format!("{length} bytes are more than a journal segment takes"),
            ),
            JournalError::Checksum { .. } => Self::because(
                Code::CorruptMessage,
                "what the disk returned is not what was written",
            ),
            // Consumers for which this is final stop here: Java's throws, librdkafka tells the
            // application. KAFKA_STORAGE_ERROR would make both try again in silence, for ever.
            JournalError::Lost { first, end, .. } => Self::because(
                Code::CorruptMessage,
                format!("offsets {} to {} are damaged on disk", first.0, end.0 - 1),
            ),
            JournalError::OutOfRange => Self::bare(Code::OffsetOutOfRange),
            JournalError::Format { .. } => Self::because(
                Code::KafkaStorageError,
                "the journal has a format that this version cannot read",
            ),
        }
    }
}

impl From<&Refusal> for Failure {
    fn from(refusal: &Refusal) -> Self {
        use ErrorCode as Code;
        match refusal {
            Refusal::TopicExists => {
                Self::because(Code::TopicAlreadyExists, "a topic with this name exists")
            }
            Refusal::InvalidTopicName { why } => Self::because(Code::InvalidTopicException, *why),
            Refusal::TopicNameCollides { with } => Self::because(
                Code::InvalidTopicException,
                format!("the name collides with existing topic '{with}': '.' and '_' are alike"),
            ),
            Refusal::UnknownTopic => {
                Self::because(Code::UnknownTopicOrPartition, "there is no such topic")
            }
            Refusal::InvalidPartitions { found, min, max } => Self::because(
                Code::InvalidPartitions,
                format!("{found} partitions; {min} to {max} are possible"),
            ),
            Refusal::TooManyPartitions { max } => Self::because(
                Code::PolicyViolation,
                format!("the node would hold more than {max} partitions"),
            ),
            Refusal::UnknownShard { shard } => Self::because(
                Code::InvalidReplicaAssignment,
                match shard {
                    Some(shard) => format!("there is no shard {shard}"),
                    None => "no broker is assigned".to_owned(),
                },
            ),
            Refusal::InvalidConfig(error) => error.into(),
            Refusal::IdTaken => Self::because(
                Code::UnknownServerError,
                "a topic has the id that was drawn for this one",
            ),
            Refusal::NotPossible { why } => Self::because(Code::InvalidRequest, &**why),
            Refusal::AlreadyStarted | Refusal::Unchanged => Self::bare(Code::None),
            Refusal::Journal(error) => (*error).into(),
        }
    }
}

impl From<GroupError> for Failure {
    fn from(error: GroupError) -> Self {
        use ErrorCode as Code;
        Self::bare(match error {
            GroupError::InvalidGroupId => Code::InvalidGroupId,
            GroupError::UnknownMember => Code::UnknownMemberId,
            GroupError::IllegalGeneration => Code::IllegalGeneration,
            GroupError::RebalanceInProgress => Code::RebalanceInProgress,
            GroupError::FencedInstance => Code::FencedInstanceId,
            GroupError::InconsistentProtocol => Code::InconsistentGroupProtocol,
            GroupError::InvalidSessionTimeout => Code::InvalidSessionTimeout,
            GroupError::MemberIdRequired => Code::MemberIdRequired,
            GroupError::GroupFull => Code::GroupMaxSizeReached,
            GroupError::GroupNotFound => Code::GroupIdNotFound,
            GroupError::NonEmptyGroup => Code::NonEmptyGroup,
            GroupError::SubscribedToTopic => Code::GroupSubscribedToTopic,
            GroupError::MetadataTooLarge => Code::OffsetMetadataTooLarge,
            GroupError::CommitTooLarge => Code::InvalidCommitOffsetSize,
            GroupError::RecordTooLarge => Code::UnknownServerError,
            GroupError::Loading => Code::CoordinatorLoadInProgress,
            GroupError::NotCoordinator => Code::NotCoordinator,
            GroupError::NotAvailable => Code::CoordinatorNotAvailable,
        })
    }
}

impl From<&AdminError> for Failure {
    fn from(error: &AdminError) -> Self {
        use ErrorCode as Code;
        let (code, words) = match error {
            AdminError::Request(words) => (Code::InvalidRequest, words),
            AdminError::Config(words) => (Code::InvalidConfig, words),
            AdminError::Partitions(words) => (Code::InvalidPartitions, words),
            AdminError::ReplicationFactor(words) => (Code::InvalidReplicationFactor, words),
            AdminError::Assignment(words) => (Code::InvalidReplicaAssignment, words),
            AdminError::Refused(refusal) => return refusal.into(),
        };
        Self::because(code, words)
    }
}

/// The codes that Kafka 4.1.1 answers, with one exception.
impl From<BatchError> for Failure {
    fn from(error: BatchError) -> Self {
        use ErrorCode as Code;
        let code = match error {
            BatchError::Empty
            | BatchError::MoreThanOne
            | BatchError::OldMagic { .. }
            | BatchError::CountMismatch { .. }
            | BatchError::ControlFromClient
            | BatchError::BadProducerFields
            | BatchError::RecordMalformed => Code::InvalidRecord,
            BatchError::TooShort { .. }
            | BatchError::LengthMismatch { .. }
            | BatchError::UnknownMagic { .. }
            | BatchError::Crc { .. }
            | BatchError::Decompression => Code::CorruptMessage,
            // Kafka fails with UNKNOWN_SERVER_ERROR here; this one says what is wrong.
            BatchError::UnknownCodec { .. } => Code::UnsupportedCompressionType,
            BatchError::TooLarge { .. } => Code::MessageTooLarge,
        };
        Self::because(code, error.to_string())
    }
}

impl From<&ConfigError> for Failure {
    fn from(error: &ConfigError) -> Self {
        Self::because(ErrorCode::InvalidConfig, error.to_string())
    }
}
