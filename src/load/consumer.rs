//! A consuming connection: fetches its partitions in turn and feeds the ledger with what comes.

use std::collections::VecDeque;
use std::io::Write;
use std::net::TcpStream;

use super::LoadError;
use super::batch::{COUNT_AT, HEAD_BYTES, LAST_DELTA_AT, MAGIC_AT, SUM_AT, SUMMED_AT};
use super::frame::{push_header, push_text, push_uvarint, set_length};
use super::ledger::{Reading, Seen};
use super::measure::{Phase, Side, Tally};
use super::reader::Reader;
use super::replies::{Depth, FetchSink, Fetched, Frame};
use super::sender::{Job, connect};
use super::stamp::Stamp;

const FETCH: i16 = 1;
/// Fetch version 12: flexible, and still by topic name.
const VERSION: i16 = 12;
const TAIL_WAIT_MS: i32 = 500;
/// Before the end there is always something: a broker that has nothing has lost it.
const END_WAIT_MS: i32 = 100;
const RECEIVE_BUFFER_BYTES: usize = 1 << 20;
/// Without fetch sessions every request names every partition that it wants: not too many.
const REQUEST_PARTITIONS_MAX: usize = 512;
/// A reader that gets nothing for so many polls, though more is there, gives up.
const EMPTY_POLLS_MAX: u32 = 20;

/// What a consumer is to read.
#[derive(Clone)]
pub struct Assignment {
    pub partitions: Vec<Place>,
    pub depth: Depth,
    /// Stop at the ends rather than follow the tail.
    pub to_the_end: bool,
}

/// Where a consumer stands in one partition.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub partition: u32,
    pub next: i64,
    /// Where to stop; ignored when following the tail.
    pub end: i64,
}

/// What a consumer leaves behind.
#[derive(Default)]
pub struct ConsumerEnd {
    pub side: Side,
    pub reading: Reading,
    /// Whether every partition was read to its end.
    pub complete: bool,
    pub failure: Option<LoadError>,
}

/// Reads until the end or until the run stops.
pub fn consume(job: &Job<'_>, assignment: Assignment) -> ConsumerEnd {
    let mut tally = Tally::new(job.shared, &job.shared.consumed);
    let mut end = ConsumerEnd::default();
    let ran = Consumer::new(job, assignment).and_then(|mut consumer| {
        let ran = consumer.run(&mut tally);
        end.complete = consumer.sink.is_complete();
        end.reading = std::mem::take(&mut consumer.sink.reading);
        ran
    });
    ConsumerEnd {
        side: tally.finish(),
        failure: ran.err(),
        ..end
    }
}

pub struct Consumer<'a> {
    job: Job<'a>,
    stream: TcpStream,
    reader: Reader,
    pub sink: Sink<'a>,
    to_the_end: bool,
    depth: Depth,
    /// The partitions that each request in turn asks for, as indices into the sink's places.
    groups: VecDeque<Vec<usize>>,
    asked: VecDeque<Vec<usize>>,
}

impl<'a> Consumer<'a> {
    pub fn new(job: &Job<'a>, assignment: Assignment) -> Result<Self, LoadError> {
        let stream = connect(job.plan)?;
        let receiving = stream
            .try_clone()
            .map_err(LoadError::socket("sharing a socket"))?;
        let count = assignment.partitions.len();
        // Following a tail, a second request behind one that waits would only wait with it.
        let requests = if assignment.to_the_end {
            job.plan.in_flight as usize
        } else {
            1
        };
        let share = count.div_ceil(requests).clamp(1, REQUEST_PARTITIONS_MAX);
        let indices: Vec<usize> = (0..count).collect();
        Ok(Self {
            job: *job,
            stream,
            reader: Reader::new(receiving, RECEIVE_BUFFER_BYTES),
            sink: Sink::new(job, assignment.partitions),
            to_the_end: assignment.to_the_end,
            depth: assignment.depth,
            groups: indices.chunks(share).map(<[usize]>::to_vec).collect(),
            asked: VecDeque::new(),
        })
    }

    pub fn run(&mut self, tally: &mut Tally<'_>) -> Result<(), LoadError> {
        let window = if self.to_the_end {
            self.job.plan.in_flight as usize
        } else {
            1
        };
        let mut empty_polls = 0;
        loop {
            let stopped = self.job.shared.phase() == Phase::Stop;
            while !stopped && self.asked.len() < window {
                if !self.ask_next()? {
                    break;
                }
            }
            let Some(mut group) = self.asked.pop_front() else {
                return Ok(());
            };
            let before = self.sink.bytes;
            self.take_reply(tally)?;
            empty_polls = if self.sink.bytes > before {
                0
            } else {
                empty_polls + 1
            };
            if self.to_the_end && empty_polls > EMPTY_POLLS_MAX {
                return Ok(());
            }
            // Kafka fills a reply in the order of the request: the first shall be the last.
            group.rotate_left(1);
            self.groups.push_back(group);
        }
    }

    /// Sends the next group that still wants something. False: nothing is wanted any more.
    fn ask_next(&mut self) -> Result<bool, LoadError> {
        while let Some(mut group) = self.groups.pop_front() {
            if self.to_the_end {
                group.retain(|at| !self.sink.places[*at].is_done());
            }
            if group.is_empty() {
                continue;
            }
            let request = self.request(&group);
            self.stream
                .write_all(&request)
                .map_err(LoadError::socket("sending a fetch"))?;
            self.asked.push_back(group);
            return Ok(true);
        }
        Ok(false)
    }

    fn request(&self, group: &[usize]) -> Vec<u8> {
        let plan = self.job.plan;
        let mut out = vec![0; 4];
        push_header(&mut out, FETCH, VERSION);
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        let wait_ms = if self.to_the_end {
            END_WAIT_MS
        } else {
            TAIL_WAIT_MS
        };
        out.extend_from_slice(&wait_ms.to_be_bytes());
        // At least one byte.
        out.extend_from_slice(&1_i32.to_be_bytes());
        out.extend_from_slice(&(plan.fetch_bytes.0 as i32).to_be_bytes());
        // Read uncommitted; no session: id 0, epoch -1.
        out.push(0);
        out.extend_from_slice(&0_i32.to_be_bytes());
        out.extend_from_slice(&(-1_i32).to_be_bytes());
        out.push(2);
        push_text(&mut out, &plan.topic);
        push_uvarint(&mut out, group.len() as u32 + 1);
        for at in group {
            let place = &self.sink.places[*at];
            out.extend_from_slice(&place.partition.to_be_bytes());
            // Current leader epoch unknown, fetch offset, last fetched epoch, log start offset.
            out.extend_from_slice(&(-1_i32).to_be_bytes());
            out.extend_from_slice(&place.next.to_be_bytes());
            out.extend_from_slice(&(-1_i32).to_be_bytes());
            out.extend_from_slice(&(-1_i64).to_be_bytes());
            out.extend_from_slice(&(plan.fetch_partition_bytes.0 as i32).to_be_bytes());
            out.push(0);
        }
        // The topic's tags, no forgotten topics, no rack, the request's tags.
        out.extend_from_slice(&[0, 1, 1, 0]);
        set_length(&mut out);
        out
    }

    /// Asks for the first group; the answer waits at the broker until there is something.
    pub fn ask(&mut self) -> Result<(), LoadError> {
        self.ask_next().map(|_| ())
    }

    /// Receives what was asked for, and asks again, until `wanted` records have come.
    pub fn receive(&mut self, wanted: u64) -> Result<u64, LoadError> {
        let mut got = 0;
        for _ in 0..EMPTY_POLLS_MAX {
            self.read_reply()?;
            got += self.sink.reply_records;
            self.groups.extend(self.asked.pop_front());
            if got >= wanted {
                return Ok(got);
            }
            self.ask()?;
        }
        Err(LoadError::Reply("what was acknowledged is not to be had"))
    }

    fn take_reply(&mut self, tally: &mut Tally<'_>) -> Result<(), LoadError> {
        let asked_ns = self.job.shared.now_ns();
        self.read_reply()?;
        let now = self.job.shared.now_ns();
        let (records, bytes) = (self.sink.reply_records, self.sink.reply_bytes);
        if tally.reply(now, records, bytes) && records > 0 {
            if self.job.schedule.is_some() {
                self.sink.latencies(now, tally);
            } else {
                tally.latency(now - asked_ns, records);
            }
        }
        Ok(())
    }

    fn read_reply(&mut self) -> Result<(), LoadError> {
        self.sink.begin();
        let frame =
            Frame::begin(&mut self.reader).map_err(LoadError::socket("awaiting a fetch"))?;
        let code = frame.fetched(self.depth, &mut self.sink)?;
        if code != 0 {
            return Err(LoadError::Refused {
                request: "Fetch",
                code,
            });
        }
        match self.sink.refused.take() {
            Some(code) => Err(LoadError::Refused {
                request: "Fetch",
                code,
            }),
            None => Ok(()),
        }
    }
}

impl Place {
    fn is_done(&self) -> bool {
        self.next >= self.end
    }
}

/// Where batches go: checked, counted, and noted for the ledger.
pub struct Sink<'a> {
    job: Job<'a>,
    pub places: Vec<Place>,
    /// Which place a partition has, by its index.
    by_partition: Vec<u32>,
    pub reading: Reading,
    /// All bytes so far, and what the reply being read has brought.
    bytes: u64,
    reply_records: u64,
    reply_bytes: u64,
    /// The stamped batches of the reply being read, when their records have due times.
    arrived: Vec<Seen>,
    refused: Option<i16>,
}

impl<'a> Sink<'a> {
    fn new(job: &Job<'a>, places: Vec<Place>) -> Self {
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

    fn begin(&mut self) {
        self.reply_records = 0;
        self.reply_bytes = 0;
        self.arrived.clear();
    }

    /// Every record's time from when it was due until now.
    fn latencies(&self, now_ns: u64, tally: &mut Tally<'_>) {
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
        if crate::base::crc::crc32c(&bytes[SUMMED_AT..]) != sum {
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
