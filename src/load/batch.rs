//! One record batch of stamped records, encoded once and turned into the next by a patch.

use std::time::{SystemTime, UNIX_EPOCH};

use super::linear::{FieldSums, IDENTITY_BYTES, LinearSums, Value};
use super::records::draw;
use super::stamp::{CHECKSUM_BYTES, PATCHED_BYTES, STAMP_BYTES, Stamp};
use crate::base::crc::crc32c;
use crate::base::random::Random;

/// Kafka's record batch, version 2: where its fields stand.
pub const HEAD_BYTES: usize = 61;
pub const LENGTH_AT: usize = 8;
pub const MAGIC_AT: usize = 16;
pub const SUM_AT: usize = 17;
const TIMESTAMP_AT: usize = 27;
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
    values: Vec<Value>,
    sums: LinearSums,
    sequence_sums: FieldSums,
}

/// What goes into a batch.
#[derive(Clone, Debug)]
pub struct Filling {
    /// Lengths of values, and their weights.
    pub sizes: Vec<(usize, u64)>,
    pub batch_bytes: usize,
    pub records_max: u32,
    /// Values of words, which a codec can make something of, and not of noise.
    pub text: bool,
    pub seed: u64,
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
    /// As many records as fit, at least one. Every batch of one seed has the same lengths in the
    /// same order, whatever its keys, which must all be of one length.
    pub fn new<const N: usize>(
        filling: &Filling,
        mut key: impl FnMut(&mut Random) -> Option<[u8; N]>,
    ) -> Self {
        let mut random = Random::with_seed(filling.seed);
        let (mut lengths, mut keys) = (random.fork(1), random.fork(2));
        let mut bytes = head();
        let mut values: Vec<Value> = Vec::new();
        while (values.len() as u32) < filling.records_max.max(1) {
            let class = draw(&filling.sizes, &mut lengths);
            let value_bytes = filling.sizes[class].0.max(STAMP_BYTES);
            let key = key(&mut keys);
            let key = key.as_ref().map(|it| it.as_slice());
            let (index, before) = (values.len() as u32, bytes.len());
            let at = push_record(&mut bytes, index, key, value_bytes);
            if bytes.len() > filling.batch_bytes && !values.is_empty() {
                bytes.truncate(before);
                break;
            }
            let value = &mut bytes[at..at + value_bytes];
            match filling.text {
                true => fill_with_words(value, &mut random),
                false => random.fill(value),
            }
            let stamp = Stamp {
                stream: 0,
                number: 0,
                index,
            };
            stamp.write(value);
            values.push(Value {
                at,
                bytes: value_bytes,
                class,
                key: key.map(|key| (at - varint_bytes(value_bytes) - key.len(), key.len())),
            });
        }
        let records = values.len() as u32;
        finish_head(&mut bytes, records);

        let summed = |it: &Value| Value {
            at: it.at - SUMMED_AT,
            ..*it
        };
        let summed: Vec<Value> = values.iter().map(summed).collect();
        let sums = LinearSums::new(bytes.len() - SUMMED_AT, &summed);
        let sequence_sums = FieldSums::new(bytes.len() - SUMMED_AT, SEQUENCE_AT - SUMMED_AT);
        Self {
            records,
            bytes,
            values,
            sums,
            sequence_sums,
        }
    }

    /// Makes the first batch in `bytes` an idempotent producer's, with sequence 0.
    pub fn adopt(&self, bytes: &mut [u8], producer: ProducerId) {
        set_producer(bytes, producer, 0);
    }

    /// Gives an idempotent producer's batch, which was number `old` in its stream, the sequence of
    /// number `new`. Kafka's sequences count records and begin again at 0 after 2^31 - 1.
    pub fn patch_sequence(&self, bytes: &mut [u8], old: u64, new: u64) {
        let (old, new) = (self.sequence(old), self.sequence(new));
        let change = self.sequence_sums.change((old ^ new).to_be_bytes());
        bytes[SEQUENCE_AT..COUNT_AT].copy_from_slice(&new.to_be_bytes());
        change_sum(bytes, change);
    }

    pub fn sequence(&self, number: u64) -> u32 {
        (number * u64::from(self.records) % (1 << 31)) as u32
    }

    /// Milliseconds since 1970, of every record.
    pub fn timestamp(&self) -> i64 {
        let field = self.bytes[TIMESTAMP_AT..].first_chunk();
        field.map_or(0, |it| i64::from_be_bytes(*it))
    }

    /// Where each record's value stands.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The first batch: stream 0, number 0.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Turns the batch in `bytes`, which is `old`, into `new`.
    pub fn patch(&self, bytes: &mut [u8], old: Identity, new: Identity) {
        let difference = old.difference(new);
        let change = self.sums.change(difference);
        let mask = |record_sum: u32| {
            let mut mask = [0; PATCHED_BYTES];
            mask[..CHECKSUM_BYTES].copy_from_slice(&record_sum.to_be_bytes());
            mask[CHECKSUM_BYTES..].copy_from_slice(&difference);
            u128::from_ne_bytes(mask)
        };
        let masks = change.record_sums.map(mask);
        for value in &self.values {
            if let Some(stamp) = bytes[value.at..].first_chunk_mut::<PATCHED_BYTES>() {
                *stamp = (u128::from_ne_bytes(*stamp) ^ masks[value.class]).to_ne_bytes();
            }
        }
        change_sum(bytes, change.batch_sum);
    }
}

/// Makes a batch an idempotent producer's, summing all of it.
pub fn set_producer(bytes: &mut [u8], producer: ProducerId, sequence: u32) {
    bytes[PRODUCER_AT..PRODUCER_AT + 8].copy_from_slice(&producer.id.to_be_bytes());
    bytes[PRODUCER_AT + 8..SEQUENCE_AT].copy_from_slice(&producer.epoch.to_be_bytes());
    bytes[SEQUENCE_AT..COUNT_AT].copy_from_slice(&sequence.to_be_bytes());
    let sum = crc32c(&bytes[SUMMED_AT..]);
    bytes[SUM_AT..SUMMED_AT].copy_from_slice(&sum.to_be_bytes());
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
fn push_record(bytes: &mut Vec<u8>, index: u32, key: Option<&[u8]>, value_bytes: usize) -> usize {
    // Attributes, timestamp delta 0.
    let mut before = vec![0, 0];
    push_varint(&mut before, i64::from(index));
    push_varint(&mut before, key.map_or(-1, |key| key.len() as i64));
    before.extend_from_slice(key.unwrap_or_default());
    push_varint(&mut before, value_bytes as i64);
    push_varint(bytes, (before.len() + value_bytes + 1) as i64);
    bytes.extend_from_slice(&before);
    let at = bytes.len();
    bytes.resize(at + value_bytes, 0);
    // No headers.
    bytes.push(0);
    at
}

/// About as compressible as lines of a log: three to five times.
fn fill_with_words(value: &mut [u8], random: &mut Random) {
    const WORDS: [&str; 16] = [
        "GET ",
        "POST ",
        "/orders/",
        "/users/",
        "status=200 ",
        "status=404 ",
        "ms ",
        "host=",
        "eu-west-1 ",
        "us-east-2 ",
        "INFO ",
        "WARN ",
        "\"id\":",
        "retry ",
        "commit ",
        "offset ",
    ];
    let mut at = 0;
    while at < value.len() {
        let number = random.below(1_000).to_string();
        let word = WORDS[random.below(WORDS.len() as u64) as usize];
        for byte in word.bytes().chain(number.bytes()) {
            if let Some(place) = value.get_mut(at) {
                *place = byte;
            }
            at += 1;
        }
    }
}

/// How many bytes a length takes, zigzag.
fn varint_bytes(length: usize) -> usize {
    let mut bytes = Vec::new();
    push_varint(&mut bytes, length as i64);
    bytes.len()
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
mod tests;
