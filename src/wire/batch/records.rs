//! The records inside a batch, one by one, in bounded memory.
//!
//! Used where a single record matters: a search by timestamp, compacted topics, the console
//! consumer. Produce and Fetch never look inside.

use std::io::Read;

use bytes::Bytes;

use super::check::BatchError;
use super::decompress::{self, Stream};
use super::header::{BATCH_HEADER_BYTES, BatchHeader, Codec, TimestampType};
use crate::wire::cursor::{Cursor, ReadError};

/// One record. Slices of the batch where that was not compressed, else of its own copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub offset: i64,
    /// Milliseconds since 1970; -1 for none. The batch's own time under LogAppendTime.
    pub timestamp: i64,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    /// In order; keys are meant to be UTF-8, and are not checked here.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

/// The records of one batch, in order. Ends after the first error.
pub struct Records {
    header: BatchHeader,
    source: Source,
    left: i32,
    /// Bytes of records that may still be read.
    budget: usize,
    limit: usize,
}

enum Source {
    Plain(Bytes),
    Compressed(Stream),
}

/// Iterates over the records of one whole batch (`header.size()` bytes, more are ignored).
///
/// At most `bytes_max` bytes of records are read in all, decompressed, and memory holds one
/// record and the codec's window at a time. The CRC is not checked.
pub fn records(batch: &Bytes, bytes_max: usize) -> Result<Records, BatchError> {
    let header = BatchHeader::parse(batch)?;
    if header.magic != 2 {
        return Err(BatchError::UnknownMagic {
            found: header.magic,
        });
    }
    let claimed = header.batch_length;
    let mismatch = BatchError::LengthMismatch {
        claimed,
        found: batch.len(),
    };
    let size = header
        .size()
        .filter(|&size| size <= batch.len())
        .ok_or(mismatch)?;
    if size < BATCH_HEADER_BYTES {
        return Err(mismatch);
    }
    let body = batch.slice(BATCH_HEADER_BYTES..size);
    let codec = header.codec().ok_or(BatchError::UnknownCodec {
        bits: header.attributes & 7,
    })?;
    let source = match codec {
        Codec::None => Source::Plain(body),
        Codec::Gzip | Codec::Snappy | Codec::Lz4 | Codec::Zstd => {
            Source::Compressed(decompress::open(codec, body, bytes_max)?)
        }
    };
    Ok(Records {
        header,
        source,
        left: header.count,
        budget: bytes_max,
        limit: bytes_max,
    })
}

impl Iterator for Records {
    type Item = Result<Record, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left <= 0 {
            return None;
        }
        self.left = self.left.saturating_sub(1);
        let record = self.read_one();
        if record.is_err() {
            self.left = 0;
        }
        Some(record)
    }
}

impl Records {
    fn read_one(&mut self) -> Result<Record, BatchError> {
        let length = self.source.length()?;
        let length = usize::try_from(length).map_err(|_| BatchError::RecordMalformed)?;
        let too_large = BatchError::TooLarge { limit: self.limit };
        self.budget = self.budget.checked_sub(length).ok_or(too_large)?;
        let bytes = self.source.take(length)?;
        parse(&self.header, &bytes).ok_or(BatchError::RecordMalformed)
    }
}

impl Source {
    fn length(&mut self) -> Result<i32, BatchError> {
        match self {
            Source::Plain(rest) => {
                let mut at = Cursor::new(rest);
                let length = at.varint().map_err(|_| BatchError::RecordMalformed)?;
                let read = rest.len().saturating_sub(at.remaining());
                bytes::Buf::advance(rest, read);
                Ok(length)
            }
            Source::Compressed(stream) => {
                let mut prefix = [0; 5];
                for index in 0..prefix.len() {
                    let slot = prefix
                        .get_mut(index..=index)
                        .ok_or(BatchError::RecordMalformed)?;
                    stream
                        .read_exact(slot)
                        .map_err(|_| BatchError::Decompression)?;
                    if slot.iter().all(|byte| byte & 0x80 == 0) {
                        break;
                    }
                }
                Cursor::new(&prefix)
                    .varint()
                    .map_err(|_| BatchError::RecordMalformed)
            }
        }
    }

    fn take(&mut self, length: usize) -> Result<Bytes, BatchError> {
        match self {
            Source::Plain(rest) if length <= rest.len() => Ok(rest.split_to(length)),
            Source::Plain(_) => Err(BatchError::RecordMalformed),
            Source::Compressed(stream) => {
                // Grows with what arrives, not with what the record claims.
                let mut bytes = Vec::with_capacity(length.min(64 << 10));
                let read = stream.by_ref().take(length as u64).read_to_end(&mut bytes);
                if read.ok() != Some(length) {
                    return Err(BatchError::Decompression);
                }
                Ok(bytes.into())
            }
        }
    }
}

fn parse(header: &BatchHeader, bytes: &Bytes) -> Option<Record> {
    let mut at = Cursor::new(bytes);
    at.u8().ok()?;
    let timestamp_delta = at.varlong().ok()?;
    let offset_delta = at.varint().ok()?;
    let key = nullable(&mut at, bytes)?;
    let value = nullable(&mut at, bytes)?;
    let count = usize::try_from(at.varint().ok()?).ok()?;
    // A header takes two bytes at least.
    if count > at.remaining() / 2 {
        return None;
    }
    let mut headers = Vec::with_capacity(count);
    for _ in 0..count {
        headers.push((nullable(&mut at, bytes)??, nullable(&mut at, bytes)?));
    }
    if at.remaining() != 0 {
        return None;
    }
    Some(Record {
        offset: header.base_offset.checked_add(i64::from(offset_delta))?,
        timestamp: match header.timestamp_type() {
            TimestampType::CreateTime => header.base_timestamp.checked_add(timestamp_delta)?,
            TimestampType::LogAppendTime => header.max_timestamp,
        },
        key,
        value,
        headers,
    })
}

/// A byte string behind a varint length. The outer `None` is an error, the inner one a null.
fn nullable(at: &mut Cursor<'_>, whole: &Bytes) -> Option<Option<Bytes>> {
    let read = |at: &mut Cursor<'_>| -> Result<Option<Bytes>, ReadError> {
        let length = at.varint()?;
        if length == -1 {
            return Ok(None);
        }
        let length = usize::try_from(length).map_err(|_| ReadError::Truncated)?;
        Ok(Some(whole.slice_ref(at.take(length)?)))
    };
    read(at).ok()
}
