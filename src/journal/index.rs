//! The index of one segment while it is in memory: its rows in the order they were staged, and
//! its runs, which chain the rows of one stream.
//!
//! A run is a stretch of one stream without a gap. Rows of a run are found from its tail by jump
//! pointers, as in a skip list that needs no random numbers: one step back, or a jump whose length
//! follows from the row's place in the run. So a row costs one push and no allocation of its own.

use super::entry::{Index, StreamId};
use super::format::{ROW_BYTES, Row, UNIT};
use super::pages::{Footer, RunRecord};
use crate::base::ChunkedVec;

/// No row, no run.
pub(super) const NONE: u32 = u32::MAX;
/// Bytes that a run takes in a footer.
pub(super) const RUN_BYTES: usize = 64;
/// Bytes that a row takes in a footer: the row, its payload's place and its number.
pub(super) const FOOTER_ROW_BYTES: usize = ROW_BYTES + 8;

/// A row and its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct IndexEntry {
    pub row: Row,
    /// Where the payload begins in the segment.
    pub at: u32,
    /// The next row of the run, or `NONE`.
    pub next: u32,
    previous: u32,
    jump: u32,
    depth: u32,
}

/// A stretch of one stream in one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub stream: StreamId,
    pub first: Index,
    pub end: Index,
    pub head: u32,
    pub tail: u32,
    pub rows: u32,
    pub time_max: i64,
    /// Payload bytes.
    pub bytes: u64,
}

impl Run {
    /// As a footer has it: with the number of its first row, and the run before it in its stream.
    pub fn record(&self, row_start: u32, link: (u32, u32)) -> RunRecord {
        RunRecord {
            stream: self.stream,
            first: self.first,
            end: self.end,
            time_max: self.time_max,
            bytes: self.bytes,
            row_start,
            rows: self.rows,
            link,
        }
    }
}

/// All rows and runs of one segment.
#[derive(Debug, Default)]
pub(super) struct SegmentIndex {
    pub entries: ChunkedVec<IndexEntry>,
    pub runs: ChunkedVec<Run>,
}

impl SegmentIndex {
    /// Adds a row. `last` is the run that the stream's newest row of this kind in this segment
    /// went to; a row of data goes there too if it follows without a gap, else to a run of its
    /// own. Returns the run; `NONE` for rows that hold no data. What is decided here depends on
    /// the segment's rows alone, so that a restart numbers the runs alike.
    pub fn push(&mut self, row: Row, at: u32, last: u32) -> u32 {
        let number = self.entries.len() as u32;
        let mut entry = IndexEntry {
            row,
            at,
            next: NONE,
            previous: NONE,
            jump: NONE,
            depth: 0,
        };
        if !row.kind.is_data() {
            self.entries.push(entry);
            return NONE;
        }
        let follows = self.runs.get(last as usize).is_some_and(|run| {
            run.stream == row.stream
                && run.end == row.first
                && self.entries[run.tail as usize].row.kind == row.kind
        });
        if !follows {
            self.entries.push(entry);
            self.runs.push(Run {
                stream: row.stream,
                first: row.first,
                end: row.end(),
                head: number,
                tail: number,
                rows: 1,
                time_max: row.time_max,
                bytes: u64::from(row.length),
            });
            return self.runs.len() as u32 - 1;
        }
        let tail = self.runs[last as usize].tail;
        let before = self.entries[tail as usize];
        entry.previous = tail;
        entry.depth = before.depth + 1;
        entry.jump = self.jump_from(&before, tail);
        self.entries[tail as usize].next = number;
        let run = &mut self.runs[last as usize];
        run.tail = number;
        run.end = row.end();
        run.rows += 1;
        run.time_max = run.time_max.max(row.time_max);
        run.bytes += u64::from(row.length);
        self.entries.push(entry);
        last
    }

    /// Where the row after `before` jumps: as far as its two last jumps together, if these were
    /// equal; else one step.
    fn jump_from(&self, before: &IndexEntry, number: u32) -> u32 {
        let Some(first) = self.entries.get(before.jump as usize) else {
            return number;
        };
        let Some(second) = self.entries.get(first.jump as usize) else {
            return number;
        };
        if before.depth - first.depth == first.depth - second.depth {
            first.jump
        } else {
            number
        }
    }

    /// The run of `stream` that goes on above `from`: the one with this number, as long as the
    /// segment is whole, else the first of them all.
    pub fn run_of(&self, stream: StreamId, number: u32, from: Index) -> Option<u32> {
        let fits = |run: &Run| run.stream == stream && run.end > from;
        if self.runs.get(number as usize).is_some_and(fits) {
            return Some(number);
        }
        let runs = self.runs.iter().enumerate().filter(|(_, run)| fits(run));
        let first = runs.min_by_key(|(_, run)| run.first)?;
        Some(first.0 as u32)
    }

    /// The last row of the run whose first index is at most `index`; the run's first row if all
    /// are above it.
    pub fn find(&self, run: u32, index: Index) -> u32 {
        let run = &self.runs[run as usize];
        let mut number = run.tail;
        loop {
            let entry = &self.entries[number as usize];
            if entry.row.first <= index || number == run.head {
                return number;
            }
            let far = self.entries.get(entry.jump as usize);
            number = match far {
                Some(far) if far.row.first > index => entry.jump,
                _ => entry.previous,
            };
        }
    }

    /// Memory that this index holds.
    pub fn memory_bytes(&self) -> u64 {
        (self.entries.memory_bytes() + self.runs.memory_bytes()) as u64
    }

    /// Room that the footer will need, with one row and one run more than there are, and with the
    /// seals that may come before it.
    pub fn footer_reserve(&self) -> usize {
        let footer = Footer {
            at: 0,
            runs: self.runs.len() as u32 + 1,
            rows: self.entries.len() as u32 + 1,
        };
        footer.bytes() as usize + 2 * UNIT
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::Kind;
    use super::*;

    fn row(stream: u64, first: i64, count: u32) -> Row {
        Row {
            count,
            ..Row::bare(Kind::Entry, StreamId(stream), Index(first))
        }
    }

    #[test]
    fn every_index_is_found_in_the_row_that_covers_it() {
        let mut index = SegmentIndex::default();
        let mut last = NONE;
        for number in 0..1_000 {
            last = index.push(row(7, number * 3, 3), number as u32, last);
            index.push(row(8, number, 1), 0, NONE);
        }

        for wanted in 0..3_000 {
            let found = index.find(last, Index(wanted));
            assert_eq!(index.entries[found as usize].row.first.0, wanted / 3 * 3);
        }
    }

    #[test]
    fn a_gap_begins_a_run_of_its_own() {
        let mut index = SegmentIndex::default();

        let first = index.push(row(7, 0, 3), 0, NONE);
        let same = index.push(row(7, 3, 3), 0, first);
        let other = index.push(row(7, 9, 1), 0, same);

        assert_eq!(first, same);
        assert_ne!(first, other);
    }
}
