//! Where fetched batches go: checked, counted, and noted for the ledger.

use super::batch::{COUNT_AT, HEAD_BYTES, LAST_DELTA_AT, MAGIC_AT, SUM_AT, SUMMED_AT};
use super::consumer::Place;
use super::ledger::{Reading, Seen};
use super::measure::Tally;
use super::replies::{FetchSink, Fetched};
use super::sender::Job;
use super::stamp::Stamp;
use crate::base::crc::crc32c;

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
}

impl<'a> Sink<'a> {
    pub fn new(job: &Job<'a>, places: Vec<Place>) -> Self {
        let mut by_partition = vec![u32::MAX; job.plan.partitions as usize];
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
        }
    }

    pub fn is_complete(&self) -> bool {
        self.places.iter().all(Place::is_done)
    }

    pub fn begin(&mut self) {
        self.reply_records = 0;
        self.reply_bytes = 0;
        self.arrived.clear();
    }

    /// Every record's time from when it was due until now.
    pub fn latencies(&self, now_ns: u64, tally: &mut Tally<'_>) {
        let Some(schedule) = self.job.schedule else {
            return;
        };
        let batch_records = u64::from(self.job.shape.records);
        for seen in &self.arrived {
            let (producer, first) = schedule.first_record(seen.stream, seen.first / batch_records);
            for record in first..first + seen.count {
                let due = schedule.due_ns(producer, record);
                tally.latency(now_ns.saturating_sub(due), 1);
            }
        }
    }

    /// Notes a run of records; batches are whole unless a broker rewrote them.
    fn note(&mut self, partition: u32, stamp: Stamp, count: u64, offset: i64) {
        if stamp.stream % self.job.plan.partitions != partition {
            self.reading.misplaced(partition, offset, -1);
        }
        let first = stamp.number * u64::from(self.job.shape.records) + u64::from(stamp.index);
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

    /// Every record of a whole batch.
    fn whole(&mut self, partition: u32, base: i64, count: u64, bytes: &[u8]) {
        let sum = u32_at(bytes, SUM_AT);
        if crc32c(&bytes[SUMMED_AT..]) != sum {
            self.reading.corrupt(count, partition, base);
            return;
        }
        let mut rest = &bytes[HEAD_BYTES..];
        let mut run: Option<(Stamp, u64)> = None;
        for index in 0..count {
            let Some((value, behind)) = next_value(rest) else {
                self.reading.corrupt(count - index, partition, base);
                break;
            };
            rest = behind;
            let Some(stamp) = Stamp::read_checked(value) else {
                self.reading.corrupt(1, partition, base + index as i64);
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
        let expected = place.next;
        place.next = base + i64::from(u32_at(bytes, LAST_DELTA_AT)) + 1;
        let count = u64::from(u32_at(bytes, COUNT_AT));
        self.bytes += total as u64;
        self.reply_bytes += total as u64;
        self.reply_records += count;
        if base != expected {
            self.reading.misplaced(partition, base, expected);
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

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    bytes[at..]
        .first_chunk()
        .map_or(-1, |bytes| i64::from_be_bytes(*bytes))
}
