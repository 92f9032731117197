//! What a partition remembers of its idempotent producers (KIP-98, KIP-360).
//!
//! State is a function of the batches in the log alone, so that recovery rebuilds it exactly; only
//! when a silent producer is forgotten depends on the clock, and that only makes the partition more
//! lenient, as in Kafka.

use std::fmt;

use super::error::LogError;
use super::offset::Offset;
use crate::base::limits::{PRODUCER_BATCHES_KEPT, PRODUCERS_PER_PARTITION_MAX};
use crate::base::{Span, Ticks};

/// What a batch says about its producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub id: i64,
    pub epoch: i16,
    pub base_sequence: i32,
    /// Records in the batch.
    pub count: u32,
}

/// A batch that is remembered, to recognise its repetition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub base_sequence: i32,
    pub count: u32,
    pub base_offset: Offset,
    /// The append time that its producer was told; -1 for none.
    pub append_time: i64,
}

/// One producer: its epoch and its last batches, oldest first.
#[derive(Clone)]
pub(super) struct Producer {
    pub id: i64,
    pub epoch: i16,
    kept: u8,
    batches: [Kept; PRODUCER_BATCHES_KEPT],
    /// When it last wrote here, or when the process started.
    seen: Ticks,
}

/// The producers of one partition, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Producers {
    list: Vec<Producer>,
}

/// The sequence `steps` after `sequence`; it wraps from `i32::MAX` to 0.
pub(super) fn sequence_after(sequence: i32, steps: u32) -> i32 {
    let sum = i64::from(sequence) + i64::from(steps);
    (sum % (i64::from(i32::MAX) + 1)) as i32
}

impl Kept {
    pub fn end(&self) -> Offset {
        self.base_offset.plus(self.count)
    }

    /// The sequence that must follow.
    fn next_sequence(&self) -> i32 {
        sequence_after(self.base_sequence, self.count)
    }
}

impl Producer {
    pub fn batches(&self) -> &[Kept] {
        &self.batches[..usize::from(self.kept)]
    }

    pub fn seen(&self) -> Ticks {
        self.seen
    }

    /// The sequence of its last record; -1 if no batch is kept.
    pub fn last_sequence(&self) -> i32 {
        self.last().map_or(-1, |last| {
            sequence_after(last.base_sequence, last.count.saturating_sub(1))
        })
    }

    fn last(&self) -> Option<&Kept> {
        self.batches().last()
    }

    fn push(&mut self, batch: Kept) {
        let kept = usize::from(self.kept);
        if kept == PRODUCER_BATCHES_KEPT {
            self.batches.rotate_left(1);
            self.batches[kept - 1] = batch;
        } else {
            self.batches[kept] = batch;
            self.kept += 1;
        }
    }

    fn last_offset(&self) -> Offset {
        self.last().map_or(Offset(-1), |batch| batch.base_offset)
    }
}

impl Producers {
    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Producer> {
        self.list.iter()
    }

    /// The remembered batch of which `claim` is a repetition.
    pub fn repeated(&self, claim: &Claim) -> Option<Kept> {
        let producer = &self.list[self.find(claim.id).ok()?];
        if producer.epoch != claim.epoch {
            return None;
        }
        let same = |batch: &&Kept| {
            batch.base_sequence == claim.base_sequence && batch.count == claim.count
        };
        producer.batches().iter().find(same).copied()
    }

    /// Whether a batch that is no repetition may follow.
    pub fn check(&self, claim: &Claim, now: Ticks, expiration: Span) -> Result<(), LogError> {
        let Ok(place) = self.find(claim.id) else {
            // Its records may all have been deleted since it wrote: any sequence is right.
            return Ok(());
        };
        let producer = &self.list[place];
        if claim.epoch < producer.epoch {
            return Err(LogError::InvalidProducerEpoch {
                current: producer.epoch,
                found: claim.epoch,
            });
        }
        let expired = now.since(producer.seen) >= expiration;
        let expected = match producer.last() {
            _ if claim.epoch > producer.epoch => 0,
            _ if expired => return Ok(()),
            Some(last) => last.next_sequence(),
            None => return Ok(()),
        };
        if claim.base_sequence != expected {
            return Err(LogError::OutOfOrderSequence {
                expected,
                found: claim.base_sequence,
            });
        }
        Ok(())
    }

    /// Remembers a batch that is in the log at `base_offset`.
    pub fn note(&mut self, claim: &Claim, base_offset: Offset, append_time: i64, now: Ticks) {
        let batch = Kept {
            base_sequence: claim.base_sequence,
            count: claim.count,
            base_offset,
            append_time,
        };
        let place = match self.find(claim.id) {
            Ok(place) => place,
            Err(place) => self.insert(place, Producer::new(claim.id, claim.epoch, now)),
        };
        let producer = &mut self.list[place];
        if producer.epoch != claim.epoch {
            producer.epoch = claim.epoch;
            producer.kept = 0;
        }
        producer.push(batch);
        producer.seen = now;
        if self.list.len() > PRODUCERS_PER_PARTITION_MAX {
            self.forget_oldest();
        }
    }

    /// Puts back what a snapshot had. False if it can not be.
    pub fn restore(&mut self, id: i64, epoch: i16, batches: &[Kept], now: Ticks) -> bool {
        let Err(place) = self.find(id) else {
            return false;
        };
        if batches.len() > PRODUCER_BATCHES_KEPT {
            return false;
        }
        let mut producer = Producer::new(id, epoch, now);
        batches.iter().for_each(|batch| producer.push(*batch));
        self.insert(place, producer);
        true
    }

    /// Forgets who has been silent for `producer.id.expiration.ms`.
    pub fn expire(&mut self, now: Ticks, expiration: Span) {
        if self.list.is_empty() {
            return;
        }
        self.list
            .retain(|producer| now.since(producer.seen) < expiration);
        if self.list.is_empty() {
            self.list = Vec::new();
        }
    }

    fn find(&self, id: i64) -> Result<usize, usize> {
        self.list.binary_search_by_key(&id, |producer| producer.id)
    }

    fn insert(&mut self, place: usize, producer: Producer) -> usize {
        if self.list.len() < 4 {
            // Most partitions have one producer or two; `Vec` would make room for four.
            self.list.reserve_exact(1);
        }
        self.list.insert(place, producer);
        place
    }

    /// Forgets a sixteenth of the producers, those that wrote longest ago by offset. By offset and
    /// not by time, so that recovery forgets the same; many at once, so that a client which makes
    /// a new id for every batch does not cost a scan for each.
    fn forget_oldest(&mut self) {
        let surplus = self.list.len() - PRODUCERS_PER_PARTITION_MAX;
        let count = surplus + PRODUCERS_PER_PARTITION_MAX / 16;
        let mut last: Vec<Offset> = self.list.iter().map(Producer::last_offset).collect();
        let (_, bound, _) = last.select_nth_unstable(count);
        let bound = *bound;
        self.list.retain(|producer| producer.last_offset() >= bound);
    }
}

impl Producer {
    fn new(id: i64, epoch: i16, seen: Ticks) -> Self {
        Self {
            id,
            epoch,
            kept: 0,
            batches: [Kept::default(); PRODUCER_BATCHES_KEPT],
            seen,
        }
    }
}

/// When it was seen last is no part of what recovery must rebuild.
impl PartialEq for Producer {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.epoch == other.epoch && self.batches() == other.batches()
    }
}

impl Eq for Producer {}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {:?}", self.id, self.epoch, self.batches())
    }
}

const _: () = assert!(size_of::<Producer>() <= 144);

#[cfg(test)]
#[path = "producers_tests.rs"]
mod tests;
