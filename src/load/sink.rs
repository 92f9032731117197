//! Where fetched batches go: checked, counted, and noted for the ledger.

use bytes::Bytes;

use super::batch::{COUNT_AT, HEAD_BYTES, LAST_DELTA_AT, MAGIC_AT, SUM_AT, SUMMED_AT};
use super::consumer::Place;
use super::ledger::{Reading, Seen};
use super::measure::Tally;
use super::plan::PACKED_PER_STREAM;
use super::replies::{FetchSink, Fetched};
use super::route::Turn;
use super::sender::Job;
use super::stamp::Stamp;
use crate::base::crc::crc32c;
use crate::wire::batch::{Record, records};

/// The low byte of a batch's attributes, and which of its bits name a codec.
const CODEC_AT: usize = 22;
const CODEC_BITS: u8 = 7;
/// Words compress three to five times; so much more is no batch of ours.
const GROWTH_MAX: usize = 1_000;

pub struct Sink<'a> {
    job: Job<'a>,
    pub places: Vec<Place>,
    /// Which place a partition has, by its index.
    by_partition: Vec<u32>,
    pub reading: Reading,
    /// All bytes so far, and what the reply being read has brought.
    pub bytes: u64,
    pub reply_records: u64,
    pub reply_bytes: u64,
    /// The stamped batches of the reply being read, when their records have due times.
    arrived: Vec<Seen>,
    pub refused: Option<i16>,
    /// The places that the reply being read has moved.
    pub moved: Vec<usize>,
}

impl<'a> Sink<'a> {
    pub fn new(job: &Job<'a>, places: Vec<Place>) -> Self {
        let mut by_partition = vec![u32::MAX; job.plan.all_partitions() as usize];
        for (at, place) in places.iter().enumerate() {
            by_partition[place.partition as usize] = at as u32;
        }
        Self {
            job: *job,
            places,
            by_partition,
            reading: Reading::default(),
            bytes: 0,
            reply_records: 0,
            reply_bytes: 0,
            arrived: Vec::new(),
            refused: None,
            moved: Vec::new(),
        }
    }

    pub fn is_complete(&self) -> bool {
        self.places.iter().all(Place::is_done)
    }

    pub fn begin(&mut self) {
        self.reply_records = 0;
        self.reply_bytes = 0;
        self.arrived.clear();
        self.moved.clear();
    }

    /// Every record's time from when it was due until now.
    pub fn latencies(&self, now_ns: u64, tally: &mut Tally<'_>) {
        let Some(schedule) = self.job.schedule else {
            return;
        };
        let batch_records = u64::from(self.job.cargo.records);
        let partitions = self.job.plan.all_partitions() as u32;
        for seen in &self.arrived {
            // What lay there before was due at no time.
            if seen.stream / partitions >= self.job.plan.producers {
                continue;
            }
            let turn = Turn {
                partition: seen.stream % partitions,
                number: seen.first / batch_records,
            };
            let (lane, first) = schedule.first_record(seen.stream / partitions, turn);
            for record in first..first + seen.count {
                let due = schedule.due_ns(lane, record);
                tally.latency(now_ns.saturating_sub(due), 1);
            }
        }
    }

    /// Notes a run of records; batches are whole unless a broker rewrote them.
    fn note(&mut self, partition: u32, stamp: Stamp, count: u64, offset: i64) {
        if stamp.stream % self.job.plan.all_partitions() as u32 != partition {
            self.reading.misplaced(partition, offset, -1);
        }
        let first = stamp.number * u64::from(self.job.cargo.records) + u64::from(stamp.index);
        let seen = Seen {
            stream: stamp.stream,
            first,
            count,
        };
        self.reading.records(seen);
        if self.job.schedule.is_some() {
            self.arrived.push(seen);
        }
    }

    /// What a compressed batch's records say, those that say anything. Their numbers are told
    /// apart by what comes next in their stream.
    fn opened(&self, bytes: &[u8]) -> Vec<Option<Stamp>> {
        let limit = bytes.len().saturating_mul(GROWTH_MAX);
        let Ok(records) = records(&Bytes::copy_from_slice(bytes), limit) else {
            return Vec::new();
        };
        let batch_records = u64::from(self.job.cargo.records);
        let stamp = |record: Record| {
            let mut stamp = Stamp::read_checked(record.value.as_deref()?)?;
            let next = self.reading.next(stamp.stream) / batch_records;
            stamp.number = nearest(next, stamp.number, PACKED_PER_STREAM);
            Some(stamp)
        };
        records.map(|it| it.ok().and_then(stamp)).collect()
    }

    fn compressed(&mut self, partition: u32, base: i64, count: u64, bytes: &[u8]) {
        let stamps = match crc32c(&bytes[SUMMED_AT..]) == u32_at(bytes, SUM_AT) {
            true => self.opened(bytes),
            false => Vec::new(),
        };
        if let Some(Some(first)) = stamps.first() {
            let offset = base - i64::from(first.index);
            self.reading.batch_at(first.stream, first.number, offset);
        }
        let missing = count.saturating_sub(stamps.len() as u64);
        if missing > 0 {
            self.reading.corrupt(missing, partition, base);
        }
        self.note_all(partition, base, stamps.into_iter());
    }

    /// Runs of neighbours are noted together.
    fn note_all(&mut self, partition: u32, base: i64, stamps: impl Iterator<Item = Option<Stamp>>) {
        let mut run: Option<(Stamp, u64)> = None;
        for (offset, stamp) in (base..).zip(stamps) {
            let Some(stamp) = stamp else {
                self.reading.corrupt(1, partition, offset);
                continue;
            };
            run = match run {
                Some((first, count)) if first.is_followed(count, stamp) => Some((first, count + 1)),
                other => {
                    if let Some((first, count)) = other {
                        self.note(partition, first, count, base);
                    }
                    Some((stamp, 1))
                }
            };
        }
        if let Some((first, count)) = run {
            self.note(partition, first, count, base);
        }
    }

    /// Every record of a whole batch.
    fn whole(&mut self, partition: u32, base: i64, count: u64, bytes: &[u8]) {
        let sum = u32_at(bytes, SUM_AT);
        if crc32c(&bytes[SUMMED_AT..]) != sum {
            self.reading.corrupt(count, partition, base);
            return;
        }
        let mut rest = Some(&bytes[HEAD_BYTES..]);
        let stamps = (0..count).map(|_| {
            let (value, behind) = rest.and_then(next_value).unzip();
            rest = behind;
            value.and_then(Stamp::read_checked)
        });
        self.note_all(partition, base, stamps);
    }
}

impl FetchSink for Sink<'_> {
    fn partition(&mut self, fetched: Fetched) {
        if fetched.code != 0 {
            self.refused = Some(fetched.code);
        }
    }

    fn batch(&mut self, partition: u32, total: usize, bytes: &[u8]) {
        let at = self
            .by_partition
            .get(partition as usize)
            .copied()
            .unwrap_or(u32::MAX);
        let Some(place) = self.places.get_mut(at as usize) else {
            self.reading.corrupt(1, partition, -1);
            return;
        };
        let base = i64_at(bytes, 0);
        if self.moved.last() != Some(&(at as usize)) {
            self.moved.push(at as usize);
        }
        let expected = place.next;
        place.next = base + i64::from(u32_at(bytes, LAST_DELTA_AT)) + 1;
        let count = u64::from(u32_at(bytes, COUNT_AT));
        self.bytes += total as u64;
        self.reply_bytes += total as u64;
        self.reply_records += count;
        if base != expected {
            self.reading.misplaced(partition, base, expected);
        }
        if bytes[CODEC_AT] & CODEC_BITS != 0 && bytes.len() == total {
            self.compressed(partition, base, count, bytes);
            return;
        }
        let first = next_stamp(&bytes[HEAD_BYTES..]).filter(|_| bytes[MAGIC_AT] == 2);
        let Some(first) = first else {
            self.reading.corrupt(count, partition, base);
            return;
        };
        self.reading
            .batch_at(first.stream, first.number, base - i64::from(first.index));
        if bytes.len() == total {
            self.whole(partition, base, count, bytes);
        } else {
            self.note(partition, first, count, base);
        }
    }
}

impl Stamp {
    fn is_followed(self, count: u64, next: Self) -> bool {
        (self.stream, self.number) == (next.stream, next.number)
            && u64::from(self.index) + count == u64::from(next.index)
    }
}

/// The next record's value, and what follows the record.
fn next_value(records: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, records) = varint(records)?;
    let (record, behind) = records.split_at_checked(usize::try_from(length).ok()?)?;
    let value = value_within(record)?;
    Some((value.0.get(..value.1)?, behind))
}

/// The next record's stamp, of which no more than the beginning need be there.
fn next_stamp(records: &[u8]) -> Option<Stamp> {
    let (_, record) = varint(records)?;
    Stamp::read(value_within(record)?.0)
}

/// From the value of a record on, and how long the value is.
fn value_within(record: &[u8]) -> Option<(&[u8], usize)> {
    let (_timestamp_delta, rest) = varint(record.get(1..)?)?;
    let (_offset_delta, rest) = varint(rest)?;
    let (key_bytes, rest) = varint(rest)?;
    let rest = rest.get(usize::try_from(key_bytes.max(0)).ok()?..)?;
    let (value_bytes, rest) = varint(rest)?;
    Some((rest, usize::try_from(value_bytes).ok()?))
}

fn varint(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if *byte < 0x80 {
            let value = (value >> 1) as i64 ^ -((value & 1) as i64);
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

/// The number closest to `expected` that is `found` modulo `modulus`.
fn nearest(expected: u64, found: u64, modulus: u64) -> u64 {
    let ahead = (found % modulus + modulus - expected % modulus) % modulus;
    match ahead > modulus / 2 && expected + ahead >= modulus {
        true => expected + ahead - modulus,
        false => expected + ahead,
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    bytes[at..]
        .first_chunk()
        .map_or(-1, |bytes| i64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_number_is_known_by_its_remainder_a_little_before_and_after_what_is_due() {
        for expected in [0, 5, 100, 1 << 40] {
            for number in [expected, expected + 1, expected + 8] {
                assert_eq!(nearest(expected, number % 16, 16), number);
            }
        }
        assert_eq!(nearest(100, 99 % 16, 16), 99);
        assert_eq!(nearest(100, 93 % 16, 16), 93);
    }
}
