//! What the journal knows of each stream: its range, and in which segments its parts lie.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::entry::{Index, StreamId, Term};
use super::format::{Kind, ROW_BYTES, Row};
use super::index::NONE;
use super::parts::{Change, Part};

/// Room is made for so many parts at a time.
const PARTS_RESERVED: usize = 4;
/// One part in so many stays unfolded: the newest ones.
const SINGLE_SHARE: usize = 4;

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
    fn new(id: StreamId) -> Self {
        Self {
            id,
            first: Index(0),
            end: Index(0),
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
            folded: 0,
        };
        match self.parts.last_mut() {
            Some(part) if part.segment == segment && part.run == run => part.take(row),
            _ => {
                if self.parts.len() == self.parts.capacity() {
                    // Doubling would leave half of it empty, for each of very many streams.
                    self.parts.reserve_exact(PARTS_RESERVED);
                }
                self.parts.push(Part::of(row, segment, run));
                change.parts = 1;
            }
        }
        change
    }

    /// `row`, known before, lies in `run` of `segment` from now on. Tells what changed in the
    /// segment that it came to and in the one that it left, if the row is still kept.
    pub fn relocate(&mut self, row: &Row, segment: u32, run: u32, mut changed: impl FnMut(Change)) {
        if row.end() <= self.first || row.end() > self.end {
            return;
        }
        let found = self.parts.partition_point(|part| part.end <= row.first);
        let amount = i64::from(row.length) + ROW_BYTES as i64;
        let old = self.parts.get_mut(found);
        if let Some(old) = old.filter(|part| part.first <= row.first) {
            assert!(
                old.older.is_none(),
                "a folded part is taken apart first: {old:?}"
            );
            let before = old.live_bytes() as i64;
            let mut left = Change {
                segment: old.segment,
                ..Change::default()
            };
            // A part that was split off a folded one may hold more than it is thought to.
            old.first = row.end();
            old.bytes = old.bytes.saturating_sub(u64::from(row.length));
            old.rows = old.rows.saturating_sub(1);
            if old.first < old.end {
                left.bytes = old.live_bytes() as i64 - before;
            } else {
                left.bytes = -before;
                left.parts = -1;
                self.parts.remove(found);
            }
            changed(left);
        }
        let mut came = Change {
            segment,
            bytes: amount,
            ..Change::default()
        };
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
        changed(came);
    }

    /// Gives up what lies below `first`: parts that are wholly below it, told one by one.
    pub fn trim(&mut self, first: Index, mut changed: impl FnMut(Change)) {
        self.first = self.first.max(first);
        self.end = self.end.max(first);
        let gone = self.parts.partition_point(|part| part.end <= self.first);
        for part in self.parts.drain(..gone) {
            part.shares().for_each(|share| changed(share.undone()));
        }
    }

    /// Folds neighbours until there are no more than `most` parts, if they can be: not the newest
    /// ones, which readers ask for, and none in a segment that `is_settled` does not vouch for.
    pub fn fold(
        &mut self,
        most: usize,
        is_settled: impl Fn(u32) -> bool,
        mut changed: impl FnMut(Change),
    ) {
        while self.parts.len() > most {
            let old = self.parts.len() - most / SINGLE_SHARE;
            let pairs = self.parts[..old].windows(2).enumerate();
            let may = pairs.filter(|(_, pair)| {
                pair[0].may_join(&pair[1])
                    && is_settled(pair[0].segment)
                    && is_settled(pair[1].segment)
            });
            // Those over the fewest segments: so all come to be about equally long, and retention
            // gives up about as little at a time as it can.
            let spread = |pair: &[Part]| pair[0].spread() + pair[1].spread();
            let Some((number, _)) = may.min_by_key(|(_, pair)| spread(pair)) else {
                return;
            };
            let joined = self.parts[number].joined(&self.parts[number + 1]);
            // What comes is told before what goes, so that no segment seems empty between.
            joined.shares().for_each(&mut changed);
            for part in self.parts.splice(number..number + 2, [joined]) {
                part.shares().for_each(|share| changed(share.undone()));
            }
        }
    }

    /// Puts `pieces` in the place of one part that they make up. Those that were trimmed, while
    /// nobody knew where the part could be cut, are given up.
    pub fn replace(
        &mut self,
        number: usize,
        mut pieces: Vec<Part>,
        mut changed: impl FnMut(Change),
    ) {
        pieces.retain(|piece| piece.end > self.first);
        for piece in &pieces {
            piece.shares().for_each(&mut changed);
        }
        for part in self.parts.splice(number..=number, pieces) {
            part.shares().for_each(|share| changed(share.undone()));
        }
    }

    /// The number of the part that holds `index`.
    pub fn part_at(&self, index: Index) -> Option<usize> {
        let number = self.parts.partition_point(|part| part.end <= index);
        let part = self.parts.get(number)?;
        (part.first <= index).then_some(number)
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

    /// The stream, made if it is new: then it begins at 0. If a restart first meets it further on,
    /// with no checkpoint and no trim, its beginning is lost, and readers must be told so.
    pub fn obtain(&mut self, id: StreamId) -> &mut Stream {
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
        self.slots[slot as usize].get_or_insert_with(|| Stream::new(id))
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
