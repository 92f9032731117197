//! One record batch of stamped records, encoded once and turned into the next by a patch.

use std::time::{SystemTime, UNIX_EPOCH};

use super::linear::{FieldSums, IDENTITY_BYTES, LinearSums};
use super::stamp::{CHECKSUM_BYTES, PATCHED_BYTES, STAMP_BYTES, Stamp};
use crate::base::ByteCount;
use crate::base::crc::crc32c;
use crate::base::random::Random;

/// Kafka's record batch, version 2: where its fields stand.
pub const HEAD_BYTES: usize = 61;
pub const LENGTH_AT: usize = 8;
pub const MAGIC_AT: usize = 16;
pub const SUM_AT: usize = 17;
pub const PRODUCER_AT: usize = 43;
pub const SEQUENCE_AT: usize = 53;
/// The sum covers everything from here.
pub const SUMMED_AT: usize = 21;
pub const LAST_DELTA_AT: usize = 23;
pub const COUNT_AT: usize = 57;

/// The shape that all batches of a run share, with the bytes of its first one.
pub struct BatchShape {
    pub records: u32,
    bytes: Vec<u8>,
    /// Where each record's value begins.
    stamps: Vec<usize>,
    sums: LinearSums,
    sequence_sums: FieldSums,
}

/// What InitProducerId gave to an idempotent producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerId {
    pub id: i64,
    pub epoch: i16,
}

/// Which batch a slot holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    pub stream: u32,
    pub number: u64,
}

impl BatchShape {
    /// As many records of `record_bytes` as fit into `batch_bytes`, at least one.
    pub fn new(record_bytes: ByteCount, batch_bytes: ByteCount, seed: u64) -> Self {
        let mut random = Random::with_seed(seed);
        let mut bytes = head();
        let mut stamps = Vec::new();
        let value_bytes = record_bytes.as_usize().max(STAMP_BYTES);
        loop {
            let index = stamps.len() as u32;
            let before = bytes.len();
            let at = push_record(&mut bytes, index, value_bytes);
            if bytes.len() > batch_bytes.as_usize() && !stamps.is_empty() {
                bytes.truncate(before);
                break;
            }
            random.fill(&mut bytes[at..at + value_bytes]);
            let stamp = Stamp {
                stream: 0,
                number: 0,
                index,
            };
            stamp.write(&mut bytes[at..at + value_bytes]);
            stamps.push(at);
        }
        let records = stamps.len() as u32;
        finish_head(&mut bytes, records);

        let summed: Vec<usize> = stamps.iter().map(|at| at - SUMMED_AT).collect();
        let sums = LinearSums::new(bytes.len() - SUMMED_AT, &summed, value_bytes);
        let sequence_sums = FieldSums::new(bytes.len() - SUMMED_AT, SEQUENCE_AT - SUMMED_AT);
        Self {
            records,
            bytes,
            stamps,
            sums,
            sequence_sums,
        }
    }

    /// Makes the first batch in `bytes` an idempotent producer's, with sequence 0.
    pub fn adopt(&self, bytes: &mut [u8], producer: ProducerId) {
        bytes[PRODUCER_AT..PRODUCER_AT + 8].copy_from_slice(&producer.id.to_be_bytes());
        bytes[PRODUCER_AT + 8..SEQUENCE_AT].copy_from_slice(&producer.epoch.to_be_bytes());
        bytes[SEQUENCE_AT..COUNT_AT].fill(0);
        let sum = crc32c(&bytes[SUMMED_AT..]);
        bytes[SUM_AT..SUMMED_AT].copy_from_slice(&sum.to_be_bytes());
    }

    /// Gives an idempotent producer's batch, which was number `old` in its stream, the sequence of
    /// number `new`. Kafka's sequences count records and begin again at 0 after 2^31 - 1.
    pub fn patch_sequence(&self, bytes: &mut [u8], old: u64, new: u64) {
        let sequence = |number: u64| (number * u64::from(self.records) % (1 << 31)) as u32;
        let difference = (sequence(old) ^ sequence(new)).to_be_bytes();
        let change = self.sequence_sums.change(difference);
        bytes[SEQUENCE_AT..COUNT_AT].copy_from_slice(&sequence(new).to_be_bytes());
        change_sum(bytes, change);
    }

    /// The first batch: stream 0, number 0.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Turns the batch in `bytes`, which is `old`, into `new`.
    pub fn patch(&self, bytes: &mut [u8], old: Identity, new: Identity) {
        let difference = old.difference(new);
        let change = self.sums.change(difference);
        let mut mask = [0; PATCHED_BYTES];
        mask[..CHECKSUM_BYTES].copy_from_slice(&change.record_sum.to_be_bytes());
        mask[CHECKSUM_BYTES..].copy_from_slice(&difference);
        let mask = u128::from_ne_bytes(mask);
        for at in &self.stamps {
            if let Some(stamp) = bytes[*at..].first_chunk_mut::<PATCHED_BYTES>() {
                *stamp = (u128::from_ne_bytes(*stamp) ^ mask).to_ne_bytes();
            }
        }
        change_sum(bytes, change.batch_sum);
    }
}

fn change_sum(bytes: &mut [u8], change: u32) {
    if let Some(sum) = bytes[SUM_AT..].first_chunk_mut::<4>() {
        *sum = (u32::from_be_bytes(*sum) ^ change).to_be_bytes();
    }
}

impl Identity {
    fn difference(self, other: Self) -> [u8; IDENTITY_BYTES] {
        let mut difference = [0; IDENTITY_BYTES];
        difference[..4].copy_from_slice(&(self.stream ^ other.stream).to_be_bytes());
        difference[4..].copy_from_slice(&(self.number ^ other.number).to_be_bytes());
        difference
    }
}

fn head() -> Vec<u8> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = since_1970.map_or(0, |it| it.as_millis() as i64);
    let mut head = vec![0; HEAD_BYTES];
    head[12..16].copy_from_slice(&(-1_i32).to_be_bytes());
    head[MAGIC_AT] = 2;
    head[27..35].copy_from_slice(&now.to_be_bytes());
    head[35..43].copy_from_slice(&now.to_be_bytes());
    // No producer id, epoch or sequence: -1 in all three.
    head[43..57].fill(0xff);
    head
}

fn finish_head(bytes: &mut [u8], records: u32) {
    let length = (bytes.len() - 12) as u32;
    bytes[LENGTH_AT..12].copy_from_slice(&length.to_be_bytes());
    bytes[LAST_DELTA_AT..27].copy_from_slice(&(records - 1).to_be_bytes());
    bytes[COUNT_AT..HEAD_BYTES].copy_from_slice(&records.to_be_bytes());
    let sum = crc32c(&bytes[SUMMED_AT..]);
    bytes[SUM_AT..SUMMED_AT].copy_from_slice(&sum.to_be_bytes());
}

/// Appends a record with an empty value of the right length and says where the value begins.
fn push_record(bytes: &mut Vec<u8>, index: u32, value_bytes: usize) -> usize {
    // Attributes, timestamp delta 0.
    let mut before = vec![0, 0];
    push_varint(&mut before, i64::from(index));
    push_varint(&mut before, -1);
    push_varint(&mut before, value_bytes as i64);
    push_varint(bytes, (before.len() + value_bytes + 1) as i64);
    bytes.extend_from_slice(&before);
    let at = bytes.len();
    bytes.resize(at + value_bytes, 0);
    // No headers.
    bytes.push(0);
    at
}

fn push_varint(bytes: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patched_batch_has_the_sums_of_one_encoded_afresh() {
        for (record_bytes, batch_bytes) in [(100, 65_536), (20, 100), (1_024, 1 << 20), (21, 9_000)]
        {
            let shape = BatchShape::new(ByteCount(record_bytes), ByteCount(batch_bytes), 7);
            let mut bytes = shape.bytes().to_vec();
            let mut now = Identity::default();
            for (stream, number) in [(1, 0), (1, 1), (70_000, 1 << 33), (0, 0), (9, 255)] {
                let next = Identity { stream, number };
                shape.patch(&mut bytes, now, next);
                now = next;

                let sum = crc32c(&bytes[SUMMED_AT..]).to_be_bytes();
                assert_eq!(
                    bytes[SUM_AT..SUMMED_AT],
                    sum,
                    "{record_bytes} {batch_bytes}"
                );
                for (index, at) in shape.stamps.iter().enumerate() {
                    let stamp = Stamp::read_checked(&bytes[*at..at + record_bytes as usize]);
                    let index = index as u32;
                    assert_eq!(
                        stamp,
                        Some(Stamp {
                            stream,
                            number,
                            index
                        })
                    );
                }
            }
        }
    }

    #[test]
    fn an_idempotent_producers_batches_count_their_records() {
        let shape = BatchShape::new(ByteCount(100), ByteCount::kib(16), 7);
        let mut bytes = shape.bytes().to_vec();
        shape.adopt(&mut bytes, ProducerId { id: 9, epoch: 3 });
        let records = u64::from(shape.records);
        let numbers = [0, 1, 2, 70_000, (1 << 31) / records + 1];
        for pair in numbers.windows(2) {
            shape.patch_sequence(&mut bytes, pair[0], pair[1]);

            let sequence = (pair[1] * records % (1 << 31)) as u32;
            assert_eq!(bytes[SEQUENCE_AT..COUNT_AT], sequence.to_be_bytes());
            assert_eq!(
                bytes[SUM_AT..SUMMED_AT],
                crc32c(&bytes[SUMMED_AT..]).to_be_bytes()
            );
        }
    }

    #[test]
    fn a_batch_is_as_full_as_it_may_be_and_no_fuller() {
        let shape = BatchShape::new(ByteCount(100), ByteCount::kib(64), 1);

        let slack = 65_536 - shape.bytes().len();

        assert!(slack < 111, "{slack}");
    }
}
