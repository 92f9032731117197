//! The 61 bytes that every record batch begins with.

use bytes::BufMut;

use super::check::BatchError;
use crate::base::crc;
use crate::wire::cursor::{Cursor, ReadError};

/// The whole header, and so the least that a batch can be.
pub const BATCH_HEADER_BYTES: usize = 61;
/// The part up to and with the CRC: all that a broker may have to write anew.
pub const BATCH_HEAD_BYTES: usize = 21;
/// Base offset and length: what `batch_length` does not count.
pub(super) const LENGTH_END: usize = 12;
const CRC_START: usize = 21;

const CODEC_MASK: i16 = 0x07;
const TIMESTAMP_TYPE_BIT: i16 = 0x08;
const TRANSACTIONAL_BIT: i16 = 0x10;
const CONTROL_BIT: i16 = 0x20;

/// A record batch's header, field by field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// The first record's offset.
    pub base_offset: i64,
    /// Bytes behind the length field itself: the batch's size less 12.
    pub batch_length: i32,
    /// The epoch of the leader that appended it; -1 from producers.
    pub leader_epoch: i32,
    /// 2, or this header means nothing.
    pub magic: i8,
    /// CRC-32C of every byte from 21 on.
    pub crc: u32,
    pub attributes: i16,
    /// The last record's offset, less `base_offset`. Survives compaction of that record.
    pub last_offset_delta: i32,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    /// -1 without idempotence, and then so are the epoch and the sequence.
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    /// Records in the batch.
    pub count: i32,
}

/// How the records of a batch are compressed: `attributes`, bits 0 to 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// Whose clock a batch's timestamps are from: `message.timestamp.type`, `attributes` bit 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    CreateTime,
    LogAppendTime,
}

impl Codec {
    pub const fn from_bits(bits: i16) -> Option<Codec> {
        match bits & CODEC_MASK {
            0 => Some(Codec::None),
            1 => Some(Codec::Gzip),
            2 => Some(Codec::Snappy),
            3 => Some(Codec::Lz4),
            4 => Some(Codec::Zstd),
            _ => None,
        }
    }

    pub const fn bits(self) -> i16 {
        match self {
            Codec::None => 0,
            Codec::Gzip => 1,
            Codec::Snappy => 2,
            Codec::Lz4 => 3,
            Codec::Zstd => 4,
        }
    }

    /// Kafka's name for it, as `compression.type` has it.
    pub const fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }
}

impl BatchHeader {
    /// Reads the header at the start of `bytes`. Looks at nothing but the length of `bytes`:
    /// what a header says is for `check_produced` (from clients) or its keeper to judge.
    pub fn parse(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
        let found = bytes.len();
        Self::read(&mut Cursor::new(bytes)).map_err(|_| BatchError::TooShort { found })
    }

    fn read(at: &mut Cursor<'_>) -> Result<BatchHeader, ReadError> {
        Ok(BatchHeader {
            base_offset: at.i64()?,
            batch_length: at.i32()?,
            leader_epoch: at.i32()?,
            magic: at.u8()? as i8,
            crc: at.u32()?,
            attributes: at.i16()?,
            last_offset_delta: at.i32()?,
            base_timestamp: at.i64()?,
            max_timestamp: at.i64()?,
            producer_id: at.i64()?,
            producer_epoch: at.i16()?,
            base_sequence: at.i32()?,
            count: at.i32()?,
        })
    }

    /// The header as bytes.
    pub fn encode(&self) -> [u8; BATCH_HEADER_BYTES] {
        let mut bytes = [0; BATCH_HEADER_BYTES];
        let mut out = &mut bytes[..];
        out.put_slice(&patched_head(self, self.base_offset, self.leader_epoch));
        out.put_i16(self.attributes);
        out.put_i32(self.last_offset_delta);
        out.put_i64(self.base_timestamp);
        out.put_i64(self.max_timestamp);
        out.put_i64(self.producer_id);
        out.put_i16(self.producer_epoch);
        out.put_i32(self.base_sequence);
        out.put_i32(self.count);
        bytes
    }

    /// The batch's size in bytes, header and records; `None` if the length is negative.
    pub fn size(&self) -> Option<usize> {
        usize::try_from(self.batch_length)
            .ok()?
            .checked_add(LENGTH_END)
    }

    /// The last record's offset.
    pub fn last_offset(&self) -> i64 {
        self.base_offset
            .saturating_add(i64::from(self.last_offset_delta))
    }

    /// `None` for a codec that Kafka does not have.
    pub fn codec(&self) -> Option<Codec> {
        Codec::from_bits(self.attributes)
    }

    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes & TIMESTAMP_TYPE_BIT == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL_BIT != 0
    }

    /// A control batch holds transaction markers; only brokers write them.
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL_BIT != 0
    }

    pub fn has_producer_id(&self) -> bool {
        self.producer_id >= 0
    }

    /// The sequence of the last record; it wraps from `i32::MAX` to 0 (KIP-98).
    pub fn last_sequence(&self) -> i32 {
        self.base_sequence.wrapping_add(self.last_offset_delta) & i32::MAX
    }

    /// Turns the header into that of the same batch under `message.timestamp.type=
    /// LogAppendTime`: type bit, both timestamps' meaning, and the CRC that follows.
    ///
    /// `batch` is the batch as it came, header included. Records need no change: readers take
    /// `max_timestamp` for every record of such a batch. The records are not summed again.
    pub fn stamp_append_time(&mut self, batch: &[u8], now_ms: i64) {
        let old = self.encode();
        self.attributes |= TIMESTAMP_TYPE_BIT;
        self.max_timestamp = now_ms;
        let new = self.encode();
        let records_bytes = batch.len().saturating_sub(BATCH_HEADER_BYTES);
        // CRC is linear: sum(a ++ b) = shift(sum(a), len b) ^ sum(b). What the old sum holds
        // of the records stays; only the header's share is exchanged.
        let records_share = crc::crc32c_combine(sum_header(&old), 0, records_bytes) ^ self.crc;
        self.crc = crc::crc32c_combine(sum_header(&new), records_share, records_bytes);
    }
}

fn sum_header(header: &[u8; BATCH_HEADER_BYTES]) -> u32 {
    crc::crc32c(header.get(CRC_START..).unwrap_or_default())
}

/// The CRC-32C that a batch's bytes should carry.
pub(super) fn sum_batch(batch: &[u8]) -> u32 {
    crc::crc32c(batch.get(CRC_START..).unwrap_or_default())
}

/// The first 21 bytes of a batch once the broker has given it its place. They lie outside the
/// CRC, but for the CRC itself, which is repeated from the header.
pub fn patched_head(
    header: &BatchHeader,
    base_offset: i64,
    leader_epoch: i32,
) -> [u8; BATCH_HEAD_BYTES] {
    let mut bytes = [0; BATCH_HEAD_BYTES];
    let mut out = &mut bytes[..];
    out.put_i64(base_offset);
    out.put_i32(header.batch_length);
    out.put_i32(leader_epoch);
    out.put_i8(header.magic);
    out.put_u32(header.crc);
    bytes
}
