//! What a producer's batch must be before the log takes it.

use bytes::Bytes;

use super::header::{BATCH_HEADER_BYTES, BatchHeader, Codec, sum_batch};

/// What is wrong with a record batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchError {
    /// No records at all.
    Empty,
    /// Fewer bytes than a batch header has.
    TooShort { found: usize },
    /// The length field disagrees with the bytes that there are.
    LengthMismatch { claimed: i32, found: usize },
    /// Exactly one batch per partition may be produced; something follows the first.
    MoreThanOne,
    /// Magic 0 or 1: message formats of before Kafka 0.11.
    OldMagic { found: i8 },
    /// A magic that never was.
    UnknownMagic { found: i8 },
    /// Attributes name a codec that Kafka does not have.
    UnknownCodec { bits: i16 },
    /// The sum of the bytes is not the one in the header.
    Crc { claimed: u32, found: u32 },
    /// The count is not positive, or not the last offset delta plus one.
    CountMismatch { count: i32, last_offset_delta: i32 },
    /// Only brokers write control batches.
    ControlFromClient,
    /// A producer id without epoch and sequence, or a transaction without a producer id.
    BadProducerFields,
    /// A record inside does not follow its layout.
    RecordMalformed,
    /// The compressed records are not what their codec writes.
    Decompression,
    /// The records are larger than the caller allows.
    TooLarge { limit: usize },
}

impl std::fmt::Display for BatchError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => write!(f, "no record batch"),
            Self::TooShort { found } => {
                write!(
                    f,
                    "{found} bytes are no batch, a header alone has {BATCH_HEADER_BYTES}"
                )
            }
            Self::LengthMismatch { claimed, found } => {
                write!(
                    f,
                    "batch length {claimed} disagrees with {found} bytes received"
                )
            }
            Self::MoreThanOne => write!(f, "more than one record batch for the partition"),
            Self::OldMagic { found } => write!(f, "message format {found} is too old, use 2"),
            Self::UnknownMagic { found } => write!(f, "unknown magic {found}"),
            Self::UnknownCodec { bits } => write!(f, "unknown compression codec {bits}"),
            Self::Crc { claimed, found } => {
                write!(
                    f,
                    "CRC-32C is {found:#010x}, the header says {claimed:#010x}"
                )
            }
            Self::CountMismatch {
                count,
                last_offset_delta,
            } => {
                write!(
                    f,
                    "{count} records, but a last offset delta of {last_offset_delta}"
                )
            }
            Self::ControlFromClient => write!(f, "clients may not write control batches"),
            Self::BadProducerFields => {
                write!(f, "producer id, epoch and sequence do not fit together")
            }
            Self::RecordMalformed => write!(f, "a record does not follow its layout"),
            Self::Decompression => write!(f, "the records could not be decompressed"),
            Self::TooLarge { limit } => write!(f, "more than {limit} bytes of records"),
        }
    }
}

impl std::error::Error for BatchError {}

/// One produced batch that passed every check that needs no state.
#[derive(Clone, Debug)]
pub struct CheckedBatch {
    pub header: BatchHeader,
    pub codec: Codec,
    /// The batch as it came: exactly `header.size()` bytes.
    pub bytes: Bytes,
}

/// Checks the record set of one partition of a Produce request: one whole batch of magic 2
/// that says the truth about itself. The records are summed, not parsed. A null record set is
/// an empty one.
///
/// Left to the caller, which knows the topic and the request: size against
/// `max.message.bytes`, timestamps, keys of compacted topics, producer state, and that zstd
/// needs Produce 7 (KIP-110).
pub fn check_produced(records: &Bytes) -> Result<CheckedBatch, BatchError> {
    if records.is_empty() {
        return Err(BatchError::Empty);
    }
    check_magic(records)?;
    let header = BatchHeader::parse(records)?;
    check_length(&header, records.len())?;
    let codec = header.codec().ok_or(BatchError::UnknownCodec {
        bits: header.attributes & 7,
    })?;
    check_counts(&header)?;
    if header.is_control() {
        return Err(BatchError::ControlFromClient);
    }
    check_producer(&header)?;
    let found = sum_batch(records);
    if found != header.crc {
        return Err(BatchError::Crc {
            claimed: header.crc,
            found,
        });
    }
    Ok(CheckedBatch {
        header,
        codec,
        bytes: records.clone(),
    })
}

/// Old formats have shorter headers: their magic, at the same place, is looked at first.
fn check_magic(records: &[u8]) -> Result<(), BatchError> {
    match records.get(16) {
        Some(2) => Ok(()),
        Some(&(0 | 1)) => Err(BatchError::OldMagic {
            found: records.get(16).map_or(0, |&m| m as i8),
        }),
        Some(&other) => Err(BatchError::UnknownMagic { found: other as i8 }),
        None => Err(BatchError::TooShort {
            found: records.len(),
        }),
    }
}

fn check_length(header: &BatchHeader, found: usize) -> Result<(), BatchError> {
    let mismatch = BatchError::LengthMismatch {
        claimed: header.batch_length,
        found,
    };
    let size = header.size().ok_or(mismatch)?;
    if size < BATCH_HEADER_BYTES || size > found {
        return Err(mismatch);
    }
    if size < found {
        return Err(BatchError::MoreThanOne);
    }
    Ok(())
}

fn check_counts(header: &BatchHeader) -> Result<(), BatchError> {
    let last_offset_delta = header.last_offset_delta;
    if header.count <= 0 || last_offset_delta != header.count.wrapping_sub(1) {
        return Err(BatchError::CountMismatch {
            count: header.count,
            last_offset_delta,
        });
    }
    Ok(())
}

fn check_producer(header: &BatchHeader) -> Result<(), BatchError> {
    let whole = header.producer_epoch >= 0 && header.base_sequence >= 0;
    if header.has_producer_id() && !whole {
        return Err(BatchError::BadProducerFields);
    }
    if header.is_transactional() && !header.has_producer_id() {
        return Err(BatchError::BadProducerFields);
    }
    Ok(())
}
