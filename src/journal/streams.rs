//! What the journal knows of each stream: its range, and in which segments its parts lie.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::entry::{Index, StreamId, Term};
use super::format::{Kind, ROW_BYTES, Row};
use super::index::NONE;

/// A run of a stream in one segment, as far as it is still kept there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub first: Index,
    pub end: Index,
    pub time_max: i64,
    /// Payload bytes.
    pub bytes: u64,
    pub rows: u32,
    pub segment: u32,
    pub run: u32,
}

impl Part {
    fn of(row: &Row, segment: u32, run: u32) -> Self {
        Self {
            first: row.first,
            end: row.end(),
            time_max: row.time_max,
            bytes: u64::from(row.length),
            rows: 1,
            segment,
            run,
        }
    }

    fn take(&mut self, row: &Row) {
        self.end = row.end();
        self.time_max = self.time_max.max(row.time_max);
        self.bytes += u64::from(row.length);
        self.rows += 1;
    }

    /// What its appearance changes in its segment.
    pub fn change(&self) -> Change {
        Change {
            segment: self.segment,
            bytes: self.live_bytes() as i64,
            parts: 1,
        }
    }

    /// What this part keeps alive in its segment: payloads and rows.
    pub fn live_bytes(&self) -> u64 {
        self.bytes + u64::from(self.rows) * ROW_BYTES as u64
    }
}

/// How a segment's live bytes and parts changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    pub segment: u32,
    pub bytes: i64,
    pub parts: i32,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub id: StreamId,
    pub first: Index,
    pub end: Index,
    pub term: Term,
    /// The segment that `run` and `moved_run` are numbers in.
    run_segment: u32,
    run: u32,
    moved_run: u32,
    /// The segment of the row that a restart can begin with: the newest checkpoint, or the first.
    pub saved_in: u32,
    /// Ordered by index; without overlap.
    pub parts: Vec<Part>,
}

impl Stream {
    fn new(id: StreamId, first: Index) -> Self {
        Self {
            id,
            first,
            end: first,
            term: Term(i32::MIN),
            run_segment: 0,
            run: NONE,
            moved_run: NONE,
            saved_in: 0,
            parts: Vec::new(),
        }
    }

    /// The run that the stream's newest row of this kind went to in `segment`.
    pub fn last_run(&self, segment: u32, kind: Kind) -> u32 {
        if self.run_segment != segment {
            NONE
        } else if kind == Kind::Moved {
            self.moved_run
        } else {
            self.run
        }
    }

    pub fn set_last_run(&mut self, segment: u32, kind: Kind, run: u32) {
        if self.run_segment != segment {
            (self.run_segment, self.run, self.moved_run) = (segment, NONE, NONE);
        }
        if kind == Kind::Moved {
            self.moved_run = run;
        } else {
            self.run = run;
        }
    }

    /// The stream grew by `row`, which lies in `run` of `segment`.
    pub fn grow(&mut self, row: &Row, segment: u32, run: u32) -> Change {
        self.end = row.end();
        self.term = self.term.max(row.term);
        let mut change = Change {
            segment,
            bytes: i64::from(row.length) + ROW_BYTES as i64,
            parts: 0,
        };
        match self.parts.last_mut() {
            Some(part) if part.segment == segment && part.run == run => part.take(row),
            _ => {
                self.parts.push(Part::of(row, segment, run));
                change.parts = 1;
            }
        }
        change
    }

    /// `row`, known before, lies in `run` of `segment` from now on. The changes are those of the
    /// segment that it came to and of the one that it left. None if the row is not kept any more.
    pub fn relocate(&mut self, row: &Row, segment: u32, run: u32) -> Option<[Change; 2]> {
        let found = self.parts.partition_point(|part| part.end <= row.first);
        let old = self
            .parts
            .get_mut(found)
            .filter(|part| part.first <= row.first)?;
        let amount = i64::from(row.length) + ROW_BYTES as i64;
        let mut left = Change {
            segment: old.segment,
            bytes: -amount,
            parts: 0,
        };
        let mut came = Change {
            segment,
            bytes: amount,
            parts: 0,
        };
        old.first = row.end();
        old.bytes = old.bytes.saturating_sub(u64::from(row.length));
        old.rows = old.rows.saturating_sub(1);
        if old.first >= old.end {
            left.bytes -= old.live_bytes() as i64;
            left.parts = -1;
            self.parts.remove(found);
        }
        let before = found.checked_sub(1).map(|number| &mut self.parts[number]);
        match before {
            Some(part) if (part.segment, part.run) == (segment, run) && part.end == row.first => {
                part.take(row);
            }
            _ => {
                self.parts.insert(found, Part::of(row, segment, run));
                came.parts = 1;
            }
        }
        Some([came, left])
    }

    /// Gives up what lies below `first`: parts that are wholly below it, told one by one.
    pub fn trim(&mut self, first: Index, mut changed: impl FnMut(Change)) {
        self.first = self.first.max(first);
        self.end = self.end.max(first);
        let gone = self.parts.partition_point(|part| part.end <= self.first);
        for part in self.parts.drain(..gone) {
            changed(Change {
                segment: part.segment,
                bytes: -(part.live_bytes() as i64),
                parts: -1,
            });
        }
    }

    /// The part that ends at or before `first`, closest to it.
    pub fn part_before(&self, first: Index) -> Option<&Part> {
        let after = self.parts.partition_point(|part| part.end <= first);
        self.parts.get(after.checked_sub(1)?)
    }

    /// Payload bytes that are kept.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }
}

/// All streams, each in a slot that is its own until it is dropped.
#[derive(Debug, Default)]
pub(super) struct Streams {
    slots: Vec<Option<Stream>>,
    free: Vec<u32>,
    by_id: HashMap<StreamId, u32, BuildHasherDefault<StreamHasher>>,
}

impl Streams {
    pub fn slot(&self, id: StreamId) -> Option<u32> {
        self.by_id.get(&id).copied()
    }

    pub fn get(&self, id: StreamId) -> Option<&Stream> {
        self.at(self.slot(id)?)
    }

    pub fn get_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        let slot = self.slot(id)?;
        self.slots[slot as usize].as_mut()
    }

    /// The stream in a slot, if one is.
    pub fn at(&self, slot: u32) -> Option<&Stream> {
        self.slots.get(slot as usize)?.as_ref()
    }

    /// The number of slots; a walk over all streams goes over them.
    pub fn slots(&self) -> u32 {
        self.slots.len() as u32
    }

    pub fn all_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.slots.iter_mut().flatten()
    }

    /// The stream, made if it is new, with `first` as its lowest index.
    pub fn obtain(&mut self, id: StreamId, first: Index) -> &mut Stream {
        let slot = match self.slot(id) {
            Some(slot) => slot,
            None => {
                let slot = self.free.pop().unwrap_or_else(|| {
                    self.slots.push(None);
                    self.slots.len() as u32 - 1
                });
                self.by_id.insert(id, slot);
                self.slots[slot as usize] = None;
                slot
            }
        };
        self.slots[slot as usize].get_or_insert_with(|| Stream::new(id, first))
    }

    /// Forgets the stream and hands it out.
    pub fn remove(&mut self, id: StreamId) -> Option<Stream> {
        let slot = self.by_id.remove(&id)?;
        self.free.push(slot);
        self.slots[slot as usize].take()
    }
}

/// Stream ids are small numbers of our own making: one multiplication spreads them.
#[derive(Debug, Default)]
pub(super) struct StreamHasher(u64);

impl Hasher for StreamHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        // The table takes its group from the top bits and its tag from the low ones.
        self.0 ^= self.0 >> 32;
    }
}
