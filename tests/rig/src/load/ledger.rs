//! The judge: everything that is read, against everything that was acknowledged.

use std::fmt;
use std::time::Instant;

use super::value::ValueId;
use super::writer::{Outcome, Writer};
use crate::kafka::Connection;

/// Of what was read before, so many records are read again at each check; all at the last.
const READ_AGAIN: usize = 2_000;
/// Enough of a kind to see what is going on.
const SHOWN: usize = 5;

/// What the ledger has seen so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    pub acknowledged: u64,
    /// Acknowledged, and not there when it was looked for.
    pub lost: u64,
    pub in_doubt: u64,
    pub read: u64,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            acknowledged,
            in_doubt,
            read,
            lost: _,
        } = self;
        write!(
            f,
            "{acknowledged} records acknowledged, {in_doubt} never answered, {read} read"
        )
    }
}

/// Per partition every value read so far, by offset.
pub struct Ledger {
    partitions: Vec<Vec<ValueId>>,
    /// Per writer the offset at which each of its values was read; -1 if not yet.
    places: Vec<Vec<i64>>,
    /// Per writer how many of its batches have been judged.
    judged: Vec<usize>,
    offences: Vec<String>,
    count: Count,
}

impl Ledger {
    pub fn new(partitions: usize, writers: usize) -> Self {
        Self {
            partitions: vec![Vec::new(); partitions],
            places: vec![Vec::new(); writers],
            judged: vec![0; writers],
            offences: Vec::new(),
            count: Count::default(),
        }
    }

    pub fn count(&self) -> Count {
        self.count
    }

    /// How much of a partition has been read.
    pub fn known(&self, partition: usize) -> i64 {
        self.partitions[partition].len() as i64
    }

    /// What a consumer read while the writers wrote: once visible, it must stay.
    pub fn observed(&mut self, partition: usize, offset: i64, id: ValueId) {
        if offset > self.known(partition) {
            self.offend(format!("skipped: offset {offset} of partition {partition}"));
        } else {
            self.see(partition, offset as usize, id);
        }
    }

    /// Reads what is new, or `all`, while no writer runs. The error lists what was broken.
    pub fn check(
        &mut self,
        connection: &mut Connection,
        writers: &[Writer],
        all: bool,
    ) -> Result<(), String> {
        for partition in 0..self.partitions.len() {
            if let Err(error) = self.read(connection, partition, all) {
                self.offend(format!("unreadable: partition {partition}: {error}"));
            }
        }
        for writer in writers {
            self.judge(writer);
        }
        self.judge_real_time(writers);
        for writer in writers {
            self.judged[writer.id as usize] = writer.settled();
        }
        match self.offences.len() {
            0 => Ok(()),
            many => Err(format!(
                "{many} offences:\n  {}",
                self.offences[..many.min(SHOWN)].join("\n  ")
            )),
        }
    }

    fn offend(&mut self, offence: String) {
        self.offences.push(offence);
    }

    fn read(
        &mut self,
        connection: &mut Connection,
        partition: usize,
        all: bool,
    ) -> Result<(), String> {
        let number = partition as i32;
        let start = connection
            .list_offset(number, -2)
            .map_err(|e| e.to_string())?;
        let end = connection
            .list_offset(number, -1)
            .map_err(|e| e.to_string())?;
        let known = self.partitions[partition].len();
        if start != 0 {
            return Err(format!("it begins at {start}, and nothing was deleted"));
        }
        if end < known as i64 {
            self.offend(format!(
                "lost: partition {partition} ends at {end}, and {known} records had been read"
            ));
        }
        let from = if all {
            0
        } else {
            known.saturating_sub(READ_AGAIN)
        };
        let mut next = from as i64;
        while next < end {
            let fetched = connection.fetch(number, next).map_err(|e| e.to_string())?;
            if fetched.records.is_empty() {
                return Err(format!("nothing at {next}, and the end is {end}"));
            }
            for record in fetched.records {
                if record.offset != next {
                    return Err(format!("offset {} where {next} belongs", record.offset));
                }
                let id = ValueId::of(&record.key, &record.value)
                    .ok_or_else(|| format!("what lies at {next} was never sent"))?;
                self.see(partition, next as usize, id);
                next += 1;
            }
        }
        Ok(())
    }

    /// One value, read at one offset: again, or for the first time.
    fn see(&mut self, partition: usize, offset: usize, id: ValueId) {
        let seen = &mut self.partitions[partition];
        if let Some(before) = seen.get(offset).copied() {
            if before != id {
                self.offend(format!(
                    "two values at one offset: {before:?}, now {id:?}, partition {partition} \
                     offset {offset}"
                ));
            }
            return;
        }
        seen.push(id);
        self.count.read += 1;
        let places = &mut self.places[id.writer as usize];
        let number = id.number as usize;
        if places.len() <= number {
            places.resize(number + 1, -1);
        }
        let before = std::mem::replace(&mut places[number], offset as i64);
        let later = places[number + 1..].iter().any(|place| *place >= 0);
        if before >= 0 {
            self.offend(format!(
                "duplicate: {id:?} at offsets {before} and {offset}"
            ));
        } else if later {
            self.offend(format!(
                "order: {id:?} at offset {offset}, after a later one"
            ));
        }
    }

    /// What became of a writer's new batches.
    fn judge(&mut self, writer: &Writer) {
        let partition = writer.partition;
        for sent in &writer.history[self.judged[writer.id as usize]..writer.settled()] {
            let place = |number: u64| {
                let places = &self.places[writer.id as usize];
                places.get(number as usize).copied().unwrap_or(-1)
            };
            let numbers = sent.first..sent.first + u64::from(sent.count);
            let places: Vec<i64> = numbers.clone().map(place).collect();
            let range = format!("writer {} {numbers:?}", writer.id);
            match sent.outcome {
                Outcome::Acknowledged { offset, .. } => {
                    self.count.acknowledged += u64::from(sent.count);
                    let wanted = offset..offset + i64::from(sent.count);
                    let right = wanted.clone().eq(places.iter().copied());
                    let missing = places.iter().filter(|place| **place < 0).count();
                    self.count.lost += missing as u64;
                    if missing > 0 {
                        self.offend(format!(
                            "lost: {range}, acknowledged at {offset} of partition {partition}"
                        ));
                    } else if !right {
                        self.offend(format!(
                            "elsewhere: {range}, acknowledged at {wanted:?}, read at {places:?}"
                        ));
                    }
                }
                Outcome::Unknown => {
                    self.count.in_doubt += u64::from(sent.count);
                    let kept = places.iter().filter(|place| **place >= 0).count();
                    if kept != 0 && kept != places.len() {
                        self.offend(format!("torn: {range}, read at {places:?}"));
                    }
                }
            }
        }
    }

    /// Acknowledged before another was sent, and yet behind it in the partition.
    fn judge_real_time(&mut self, writers: &[Writer]) {
        for partition in 0..self.partitions.len() as i32 {
            let mut batches: Vec<(i64, Instant, Instant)> = Vec::new();
            for writer in writers.iter().filter(|w| w.partition == partition) {
                for sent in &writer.history[self.judged[writer.id as usize]..writer.settled()] {
                    if let Outcome::Acknowledged { offset, at } = sent.outcome {
                        batches.push((offset, sent.at, at));
                    }
                }
            }
            batches.sort_unstable();
            let mut latest_sent = None;
            for (offset, sent, answered) in batches {
                if latest_sent.is_some_and(|earlier| answered < earlier) {
                    self.offend(format!(
                        "real time: partition {partition} offset {offset} was acknowledged \
                         before a batch was sent that lies before it"
                    ));
                }
                latest_sent = latest_sent.max(Some(sent));
            }
        }
    }
}
