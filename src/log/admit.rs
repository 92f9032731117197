//! What a topic asks of a batch before it takes it, and how the batch looks once it has its place.

use super::config::TopicConfig;
use super::error::LogError;
use super::offset::{LeaderEpoch, Offset};
use super::producers::Claim;
use crate::base::limits::{BATCH_BYTES_MAX, TIME_WALK_BYTES_MAX};
use crate::base::{WallMs, crc};
use crate::journal::Note;
use crate::wire::batch::{
    BATCH_HEAD_BYTES, BATCH_HEADER_BYTES, BatchHeader, CheckedBatch, TimestampType, patched_head,
    records,
};

/// Bits of a batch's attributes, as KIP-98 and KIP-32 have them.
const LOG_APPEND_TIME_BIT: i16 = 0x08;

/// Checks a batch against its topic's configuration: `max.message.bytes`, timestamps, keys.
pub(super) fn admit(
    config: &TopicConfig,
    batch: &CheckedBatch,
    now: WallMs,
) -> Result<(), LogError> {
    let bytes = batch.bytes.len() as u64;
    let max = u64::from(config.max_message_bytes).min(BATCH_BYTES_MAX.0);
    if bytes > max {
        return Err(LogError::TooLarge { bytes, max });
    }
    let header = &batch.header;
    // Transactions come with their own room; until then no batch can belong to one.
    if header.is_transactional() || header.is_control() {
        return Err(LogError::InvalidTransactionState);
    }
    if header.timestamp_type() == TimestampType::LogAppendTime {
        return Err(LogError::ClaimsAppendTime);
    }
    let stamps = config.timestamp_type == TimestampType::LogAppendTime;
    if !stamps {
        let times = [header.base_timestamp, header.max_timestamp];
        let refused = times
            .into_iter()
            .find(|time| !takes_time(config, *time, now));
        if let Some(time) = refused {
            let blamed = first_refused(config, batch, now);
            return Err(blamed.unwrap_or(invalid_time(config, None, time, now)));
        }
    }
    let looks_at_times = !stamps && config.timestamp_before_max_ms < i64::MAX;
    if config.cleanup.compact || looks_at_times {
        check_records(config, batch, looks_at_times.then_some(now))?;
    }
    Ok(())
}

/// `message.timestamp.before.max.ms` and `message.timestamp.after.max.ms` (KIP-937).
fn takes_time(config: &TopicConfig, time: i64, now: WallMs) -> bool {
    let (earliest, latest) = times_taken(config, now);
    time == -1 || (earliest..=latest).contains(&time)
}

/// The earliest and the latest time that the topic takes; -1, no time, it takes always.
fn times_taken(config: &TopicConfig, now: WallMs) -> (i64, i64) {
    let earliest = now.0.saturating_sub(config.timestamp_before_max_ms).max(0);
    (
        earliest,
        now.0.saturating_add(config.timestamp_after_max_ms),
    )
}

fn invalid_time(config: &TopicConfig, record: Option<u32>, time: i64, now: WallMs) -> LogError {
    let (earliest, latest) = times_taken(config, now);
    LogError::InvalidTimestamp {
        record,
        time,
        earliest,
        latest,
    }
}

/// The record for whose time a batch is refused; None: it was not found within the bound.
fn first_refused(config: &TopicConfig, batch: &CheckedBatch, now: WallMs) -> Option<LogError> {
    let walk = records(&batch.bytes, TIME_WALK_BYTES_MAX.as_usize()).ok()?;
    for (place, record) in (0..).zip(walk) {
        let time = record.ok()?.timestamp;
        if !takes_time(config, time, now) {
            return Some(invalid_time(config, Some(place), time, now));
        }
    }
    None
}

/// Walks the records: bounded by the largest batch that any topic may have.
fn check_records(
    config: &TopicConfig,
    batch: &CheckedBatch,
    times_at: Option<WallMs>,
) -> Result<(), LogError> {
    let walk = records(&batch.bytes, BATCH_BYTES_MAX.as_usize());
    for (place, record) in (0..).zip(walk.map_err(|_| LogError::InvalidRecord)?) {
        let record = record.map_err(|_| LogError::InvalidRecord)?;
        if config.cleanup.compact && record.key.is_none() {
            return Err(LogError::NoKey { record: place });
        }
        let time = record.timestamp;
        if let Some(now) = times_at.filter(|now| !takes_time(config, time, *now)) {
            return Err(invalid_time(config, Some(place), time, now));
        }
    }
    Ok(())
}

/// The largest time of the records, where the header states none though they have times. Sarama
/// and others leave that field to the broker, and Kafka fills it in. A walk, so bounded; None
/// beyond the bound, or if the time is one that the topic does not take.
fn unstated_time(config: &TopicConfig, batch: &CheckedBatch, now: WallMs) -> Option<i64> {
    let header = &batch.header;
    if header.max_timestamp >= 0 || header.base_timestamp < 0 {
        return None;
    }
    let mut largest = -1;
    for record in records(&batch.bytes, TIME_WALK_BYTES_MAX.as_usize()).ok()? {
        largest = largest.max(record.ok()?.timestamp);
    }
    let taken = largest >= 0 && takes_time(config, largest, now);
    taken.then_some(largest)
}

/// The batch's producer, if it is idempotent.
pub(super) fn claim_of(header: &BatchHeader) -> Option<Claim> {
    header.has_producer_id().then_some(Claim {
        id: header.producer_id,
        epoch: header.producer_epoch,
        base_sequence: header.base_sequence,
        count: header.count as u32,
    })
}

/// A batch with its place: a head to be written instead of the first bytes that came.
pub(super) struct Stamped {
    header: BatchHeader,
    head: [u8; BATCH_HEADER_BYTES],
    head_bytes: usize,
    body_sum: u32,
    time_max: i64,
}

impl Stamped {
    /// Gives the batch its base offset and leader epoch and, if the topic stamps append times
    /// (`message.timestamp.type`), the time `now`.
    pub fn new(
        config: &TopicConfig,
        batch: &CheckedBatch,
        place: (Offset, LeaderEpoch),
        now: WallMs,
    ) -> Self {
        let (base_offset, epoch) = place;
        let mut header = batch.header;
        let mut head = [0; BATCH_HEADER_BYTES];
        if config.timestamp_type == TimestampType::CreateTime {
            let patched = patched_head(&header, base_offset.0, epoch.0);
            head[..BATCH_HEAD_BYTES].copy_from_slice(&patched);
            let (head_bytes, body_sum) = (BATCH_HEAD_BYTES, header.crc);
            let stated = (header.max_timestamp >= 0).then_some(header.max_timestamp);
            let time_max = stated.or_else(|| unstated_time(config, batch, now));
            return Self {
                header,
                head,
                head_bytes,
                body_sum,
                time_max: time_max.unwrap_or(now.0),
            };
        }
        // The time lies behind the sum, so the whole header is written anew and the body is the
        // records alone. Their sum follows from the batch's: a CRC is linear.
        let old = crc::crc32c(&header.encode()[BATCH_HEAD_BYTES..]);
        let records_bytes = batch.bytes.len() - BATCH_HEADER_BYTES;
        let body_sum = crc::crc32c_combine(old, 0, records_bytes) ^ header.crc;
        header.stamp_append_time(&batch.bytes, now.0);
        header.base_offset = base_offset.0;
        header.leader_epoch = epoch.0;
        head.copy_from_slice(&header.encode());
        Self {
            header,
            head,
            head_bytes: BATCH_HEADER_BYTES,
            body_sum,
            time_max: now.0,
        }
    }

    pub fn head(&self) -> &[u8] {
        &self.head[..self.head_bytes]
    }

    pub fn body<'a>(&self, batch: &'a CheckedBatch) -> &'a [u8] {
        &batch.bytes[self.head_bytes..]
    }

    pub fn body_sum(&self) -> u32 {
        self.body_sum
    }

    /// The time that searches and retention go by. Records without times count as of when they
    /// came, as Kafka counts them by their file's time: they must not be kept for ever.
    pub fn time_max(&self) -> i64 {
        self.time_max
    }

    /// `log_append_time_ms` for the producer.
    pub fn append_time(&self) -> i64 {
        append_time(self.header.attributes, self.header.max_timestamp)
    }

    pub fn note(&self) -> Note {
        encode_note(&self.header)
    }
}

/// The append time that a batch with these attributes carries; -1 if its times are its producer's.
fn append_time(attributes: i16, time_max: i64) -> i64 {
    match attributes & LOG_APPEND_TIME_BIT {
        0 => -1,
        _ => time_max,
    }
}

/// What recovery needs to know of a batch: producer id (-1: none), epoch, base sequence,
/// attributes. Little-endian.
fn encode_note(header: &BatchHeader) -> Note {
    let mut note = [0; 16];
    note[..8].copy_from_slice(&header.producer_id.to_le_bytes());
    note[8..10].copy_from_slice(&header.producer_epoch.to_le_bytes());
    note[10..14].copy_from_slice(&header.base_sequence.to_le_bytes());
    note[14..].copy_from_slice(&header.attributes.to_le_bytes());
    note
}

/// The producer and the append time that a note speaks of.
pub(super) fn decode_note(note: &Note, count: u32, time_max: i64) -> (Option<Claim>, i64) {
    // One number, lowest byte first, of which the fields are slices.
    let note = u128::from_le_bytes(*note);
    let claim = Claim {
        id: note as i64,
        epoch: (note >> 64) as i16,
        base_sequence: (note >> 80) as i32,
        count,
    };
    let attributes = (note >> 112) as i16;
    let claim = (claim.id >= 0).then_some(claim);
    (claim, append_time(attributes, time_max))
}

#[cfg(test)]
#[path = "admit_tests.rs"]
mod tests;
