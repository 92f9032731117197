//! Writing record batches: for clients, the load engine and tests.

use std::io::Write;

use bytes::{BufMut, Bytes, BytesMut};

use super::header::{BATCH_HEADER_BYTES, BatchHeader, Codec, LENGTH_END, sum_batch};

/// Java's snappy streams compress blocks of this size.
const SNAPPY_BLOCK_BYTES: usize = 32 << 10;

/// A record to be written.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewRecord<'a> {
    /// Milliseconds since 1970.
    pub timestamp: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
}

/// Gathers records and writes them as one batch of magic 2.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    header: BatchHeader,
    codec: Codec,
    /// Uncompressed, as they will stand in the batch.
    records: Vec<u8>,
    scratch: Vec<u8>,
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl BatchBuilder {
    pub fn new() -> BatchBuilder {
        let header = BatchHeader {
            base_offset: 0,
            batch_length: 0,
            leader_epoch: -1,
            magic: 2,
            crc: 0,
            attributes: 0,
            last_offset_delta: -1,
            base_timestamp: -1,
            max_timestamp: -1,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            count: 0,
        };
        BatchBuilder {
            header,
            codec: Codec::None,
            records: Vec::new(),
            scratch: Vec::new(),
        }
    }

    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// Makes the batch an idempotent producer's: its id, its epoch and the first record's
    /// sequence.
    pub fn producer(mut self, id: i64, epoch: i16, base_sequence: i32) -> Self {
        self.header.producer_id = id;
        self.header.producer_epoch = epoch;
        self.header.base_sequence = base_sequence;
        self
    }

    pub fn transactional(mut self) -> Self {
        self.header.attributes |= 0x10;
        self
    }

    /// Makes it a control batch, as only brokers may write.
    pub fn control(mut self) -> Self {
        self.header.attributes |= 0x20;
        self
    }

    /// For batches as a log holds them; producers leave it 0.
    pub fn base_offset(mut self, offset: i64) -> Self {
        self.header.base_offset = offset;
        self
    }

    /// Adds a record with this value, no key and no headers.
    pub fn value(self, timestamp: i64, value: &[u8]) -> Self {
        self.record(NewRecord {
            timestamp,
            value: Some(value),
            ..NewRecord::default()
        })
    }

    pub fn record(mut self, record: NewRecord<'_>) -> Self {
        self.push(record);
        self
    }

    /// As `record`, by reference.
    pub fn push(&mut self, record: NewRecord<'_>) {
        let header = &mut self.header;
        if header.count == 0 {
            header.base_timestamp = record.timestamp;
        }
        header.max_timestamp = header.max_timestamp.max(record.timestamp);
        header.last_offset_delta = header.count;
        header.count = header.count.saturating_add(1);

        let body = &mut self.scratch;
        body.clear();
        body.put_u8(0);
        put_varlong(body, record.timestamp.wrapping_sub(header.base_timestamp));
        put_varlong(body, i64::from(header.last_offset_delta));
        put_nullable(body, record.key);
        put_nullable(body, record.value);
        put_varlong(body, record.headers.len() as i64);
        for (key, value) in record.headers {
            put_nullable(body, Some(key.as_bytes()));
            put_nullable(body, *value);
        }
        put_varlong(&mut self.records, body.len() as i64);
        self.records.put_slice(body);
    }

    pub fn count(&self) -> i32 {
        self.header.count
    }

    /// Bytes that the batch would have without compression.
    pub fn size(&self) -> usize {
        self.records.len().saturating_add(BATCH_HEADER_BYTES)
    }

    pub fn build(mut self) -> Bytes {
        let records = compress(self.codec, std::mem::take(&mut self.records));
        self.header.attributes |= self.codec.bits();
        let size = records.len().saturating_add(BATCH_HEADER_BYTES);
        self.header.batch_length = i32::try_from(size.saturating_sub(LENGTH_END)).unwrap_or(-1);

        let mut batch = BytesMut::with_capacity(size);
        batch.put_slice(&self.header.encode());
        batch.put_slice(&records);
        let crc = sum_batch(&batch);
        if let Some(place) = batch.get_mut(17..21) {
            place.copy_from_slice(&crc.to_be_bytes());
        }
        batch.freeze()
    }
}

/// Kafka's varints are zigzag: small numbers of either sign are short.
fn put_varlong(out: &mut Vec<u8>, value: i64) {
    let mut rest = (value.wrapping_shl(1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.put_u8((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            put_varlong(out, bytes.len() as i64);
            out.put_slice(bytes);
        }
        None => put_varlong(out, -1),
    }
}

fn compress(codec: Codec, records: Vec<u8>) -> Vec<u8> {
    match codec {
        Codec::None => records,
        Codec::Gzip => gzip(&records).unwrap_or_default(),
        Codec::Snappy => xerial_snappy(&records),
        Codec::Lz4 => lz4(&records).unwrap_or_default(),
        Codec::Zstd => {
            let level = ruzstd::encoding::CompressionLevel::Fastest;
            ruzstd::encoding::compress_to_vec(&records[..], level)
        }
    }
}

// The writers below end in memory, which does not fail.
fn gzip(records: &[u8]) -> Option<Vec<u8>> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(records).ok()?;
    writer.finish().ok()
}

fn lz4(records: &[u8]) -> Option<Vec<u8>> {
    let mut writer = lz4_flex::frame::FrameEncoder::new(Vec::new());
    writer.write_all(records).ok()?;
    writer.finish().ok()
}

fn xerial_snappy(records: &[u8]) -> Vec<u8> {
    let mut out = b"\x82SNAPPY\0\x00\x00\x00\x01\x00\x00\x00\x01".to_vec();
    for block in records.chunks(SNAPPY_BLOCK_BYTES) {
        let packed = snap::raw::Encoder::new()
            .compress_vec(block)
            .unwrap_or_default();
        out.put_u32(packed.len() as u32);
        out.put_slice(&packed);
    }
    out
}
