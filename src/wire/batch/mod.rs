//! Record batches, magic 2: the unit that producers send, the log keeps and consumers read.
//!
//! Layout, big-endian: base offset 0..8, batch length 8..12 (all that follows it), leader epoch
//! 12..16, magic 16, CRC-32C 17..21 (of everything from 21 on), attributes 21..23, last offset
//! delta 23..27, base and max timestamp 27..43, producer id, epoch, base sequence 43..57,
//! count 57..61, then records, possibly compressed as one. Source: KIP-98, Kafka's
//! `DefaultRecordBatch`.
//!
//! Begin at `check_produced`; consumers of records at `records`.

mod builder;
mod check;
mod decompress;
mod header;
mod records;

pub use builder::{BatchBuilder, NewRecord};
pub use check::{BatchError, CheckedBatch, check_produced};
pub use header::{
    BATCH_HEAD_BYTES, BATCH_HEADER_BYTES, BatchHeader, Codec, TimestampType, patched_head,
};
pub use records::{Record, Records, records};

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;
