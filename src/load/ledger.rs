//! The ledger: what was acknowledged, what was read, and whether the two agree.
//!
//! A record's place in its stream is `batch number * records in a batch + index`. Reading a
//! stream must show its records once each, in that order, at the acknowledged offsets. What was
//! sent but not acknowledged may be there or not.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// What the ledger keeps for a batch that was refused, or never answered.
pub const NOT_ACKNOWLEDGED: i64 = -1;
/// Sentences kept as examples of what is wrong.
const EXAMPLES_MAX: usize = 8;
/// Gaps kept per stream; a broker that loses this many is judged without the rest.
const GAPS_MAX: usize = 10_000;

/// What was promised: for every stream, the base offset of each batch by number.
#[derive(Debug, Default)]
pub struct Ledger {
    pub batch_records: u64,
    pub streams: HashMap<u32, Vec<i64>>,
    /// Where each partition's log begins: what was acknowledged before that has been deleted as
    /// its age or the log's size asks for. Empty: nothing has.
    pub begins: Vec<i64>,
}

impl Ledger {
    pub fn acknowledged_records(&self) -> u64 {
        let acknowledged = |batches: &Vec<i64>| {
            batches
                .iter()
                .filter(|offset| **offset != NOT_ACKNOWLEDGED)
                .count() as u64
        };
        self.streams.values().map(acknowledged).sum::<u64>() * self.batch_records
    }

    /// The promises about these partitions, of `all` that the topic has.
    pub fn of_partitions(&self, wanted: impl Iterator<Item = u32>, all: u32) -> Self {
        let wanted: HashSet<u32> = wanted.collect();
        let streams = self
            .streams
            .iter()
            .filter(|(stream, _)| wanted.contains(&(*stream % all)));
        let streams = streams
            .map(|(stream, batches)| (*stream, batches.clone()))
            .collect();
        Self {
            batch_records: self.batch_records,
            streams,
            begins: Vec::new(),
        }
    }

    fn has_expired(&self, stream: u32, offset: i64) -> bool {
        let partition = (stream as usize).checked_rem(self.begins.len());
        partition.is_some_and(|it| offset < self.begins[it])
    }

    fn offset_of(&self, stream: u32, number: u64) -> i64 {
        let batches = self.streams.get(&stream);
        let offset = batches.and_then(|batches| batches.get(number as usize));
        offset.copied().unwrap_or(NOT_ACKNOWLEDGED)
    }
}

/// The ledger's judgement. Counts are records.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
pub struct Verdict {
    pub acknowledged: u64,
    #[serde(rename = "read_back")]
    pub read: u64,
    /// Acknowledged and not read.
    pub lost: u64,
    /// Read again.
    pub duplicated: u64,
    /// Read after a later one of its stream.
    pub reordered: u64,
    /// Bytes that are not those that were sent.
    pub corrupt: u64,
    /// Read at another offset than acknowledged, in another partition, or with a hole before it.
    pub misplaced: u64,
    /// Deleted for its age or the log's size, as asked: allowed.
    pub expired: u64,
    /// Read, though it was never acknowledged: allowed.
    pub unpromised: u64,
    pub examples: Vec<String>,
}

impl Verdict {
    pub fn holds(&self) -> bool {
        let wrong = [
            self.lost,
            self.duplicated,
            self.reordered,
            self.corrupt,
            self.misplaced,
        ];
        wrong == [0; 5]
    }

    fn example(&mut self, text: impl FnOnce() -> String) {
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(text());
        }
    }

    /// Adds what another reading of the same records found wrong.
    pub fn add_wrongs(&mut self, other: Self) {
        let (read, expired, unpromised) = (self.read, self.expired, self.unpromised);
        self.absorb(other);
        (self.read, self.expired, self.unpromised) = (read, expired, unpromised);
    }

    fn absorb(&mut self, other: Self) {
        self.read += other.read;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.corrupt += other.corrupt;
        self.misplaced += other.misplaced;
        self.expired += other.expired;
        self.unpromised += other.unpromised;
        let room = EXAMPLES_MAX.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.into_iter().take(room));
    }
}

/// A run of neighbouring records of one stream, as read.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub stream: u32,
    pub first: u64,
    pub count: u64,
}

/// What one reader has read.
#[derive(Debug, Default)]
pub struct Reading {
    verdict: Verdict,
    streams: HashMap<u32, StreamReading>,
    /// The batches' base offsets as read, to hold against the acknowledged ones.
    offsets: Vec<ReadBatch>,
}

#[derive(Debug, Default)]
struct StreamReading {
    next: u64,
    gaps: Vec<Range<u64>>,
}

#[derive(Clone, Copy, Debug)]
struct ReadBatch {
    stream: u32,
    number: u64,
    offset: i64,
}

impl Reading {
    /// A batch began at `offset` with the record `number` of `stream`.
    pub fn batch_at(&mut self, stream: u32, number: u64, offset: i64) {
        self.offsets.push(ReadBatch {
            stream,
            number,
            offset,
        });
    }

    /// The record that is due next in a stream.
    pub fn next(&self, stream: u32) -> u64 {
        self.streams.get(&stream).map_or(0, |it| it.next)
    }

    pub fn records(&mut self, seen: Seen) {
        self.verdict.read += seen.count;
        let stream = self.streams.entry(seen.stream).or_default();
        let end = seen.first + seen.count;
        if seen.first > stream.next && stream.gaps.len() < GAPS_MAX {
            stream.gaps.push(stream.next..seen.first);
        }
        for place in seen.first..end.min(stream.next) {
            let (count, what) = if fill_gap(&mut stream.gaps, place) {
                (&mut self.verdict.reordered, "came after later ones")
            } else {
                (&mut self.verdict.duplicated, "came again")
            };
            *count += 1;
            self.verdict
                .example(|| format!("record {place} of stream {} {what}", seen.stream));
        }
        stream.next = stream.next.max(end);
    }

    pub fn corrupt(&mut self, count: u64, partition: u32, offset: i64) {
        self.verdict.corrupt += count;
        self.verdict
            .example(|| format!("partition {partition}, offset {offset}: not what was sent"));
    }

    pub fn misplaced(&mut self, partition: u32, offset: i64, expected: i64) {
        self.verdict.misplaced += 1;
        self.verdict
            .example(|| format!("partition {partition}: offset {offset} where {expected} was due"));
    }

    pub fn absorb(&mut self, other: Self) {
        self.verdict.absorb(other.verdict);
        self.streams.extend(other.streams);
        self.offsets.extend(other.offsets);
    }

    /// Holds what was read against what was promised. `complete` says that the reader reached
    /// the end, so that what it has not seen is lost.
    pub fn judge(mut self, ledger: &Ledger, complete: bool) -> Verdict {
        let mut verdict = std::mem::take(&mut self.verdict);
        verdict.acknowledged = ledger.acknowledged_records();
        for batch in &self.offsets {
            let promised = ledger.offset_of(batch.stream, batch.number);
            if promised == NOT_ACKNOWLEDGED {
                verdict.unpromised += ledger.batch_records;
            } else if promised != batch.offset {
                verdict.misplaced += 1;
                verdict.example(|| format!("{batch:?} was acknowledged at offset {promised}"));
            }
        }
        for (stream, batches) in &ledger.streams {
            let nothing = StreamReading::default();
            let reading = self.streams.get(stream).unwrap_or(&nothing);
            let end = batches.len() as u64 * ledger.batch_records;
            let tail = reading.next..if complete { end } else { reading.next };
            for gap in reading.gaps.iter().chain([&tail]) {
                judge_gap(ledger, *stream, gap, &mut verdict);
            }
        }
        for stream in self
            .streams
            .keys()
            .filter(|it| !ledger.streams.contains_key(it))
        {
            verdict.corrupt += 1;
            verdict.example(|| format!("stream {stream} is nobody's"));
        }
        verdict
    }
}

fn judge_gap(ledger: &Ledger, stream: u32, gap: &Range<u64>, verdict: &mut Verdict) {
    let mut at = gap.start;
    while at < gap.end {
        let number = at / ledger.batch_records;
        let batch_end = gap.end.min((number + 1) * ledger.batch_records);
        let offset = ledger.offset_of(stream, number);
        if offset != NOT_ACKNOWLEDGED && ledger.has_expired(stream, offset) {
            verdict.expired += batch_end - at;
        } else if offset != NOT_ACKNOWLEDGED {
            verdict.lost += batch_end - at;
            verdict.example(|| {
                format!("record {at} of stream {stream}, acknowledged near offset {offset}: lost")
            });
        }
        at = batch_end;
    }
}

/// Takes `place` out of the gap that holds it, if one does.
fn fill_gap(gaps: &mut Vec<Range<u64>>, place: u64) -> bool {
    let Some(at) = gaps.iter().position(|gap| gap.contains(&place)) else {
        return false;
    };
    let gap = gaps.swap_remove(at);
    let parts = [gap.start..place, place + 1..gap.end];
    gaps.extend(parts.into_iter().filter(|part| !part.is_empty()));
    true
}

mod merge;

#[cfg(test)]
mod tests;
