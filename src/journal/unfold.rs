//! Taking a folded part apart: which of its entries lie in which segment.
//!
//! From the newest segment back to the oldest, one run of a footer at a time: each names the run
//! before it in its stream. A run that is not where it should be, because a footer had to be made
//! anew or because nobody knew, is looked for among all runs of its segment. If some entries are
//! not found so, a group was lost and a run may be left in two: then all runs of all segments are
//! looked through.

use std::collections::{HashMap, VecDeque};

use super::book::{Book, Segment};
use super::entry::{Index, StreamId};
use super::index::{NONE, SegmentIndex};
use super::pages::{Footer, PageCache, PageId, RunRecord};
use super::parts::Part;
use super::plan::Asked;
use super::reads::{Reads, Shelf};

/// Which folded part: its stream, its first index, and where its newest entries lie. Parts that
/// are the same in this are the same in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FoldId {
    pub stream: StreamId,
    pub first: Index,
    pub segment: u32,
    pub run: u32,
}

impl FoldId {
    pub fn of(stream: StreamId, part: &Part) -> Self {
        Self {
            stream,
            first: part.first,
            segment: part.segment,
            run: part.run,
        }
    }
}

/// A folded part being taken apart.
#[derive(Debug)]
pub(super) struct Unfolding {
    stream: StreamId,
    part: Part,
    /// No run is taken at its number's word.
    thorough: bool,
    /// Entries from here on are found.
    found_from: Index,
    /// Segments to look in, the newest last.
    left: Vec<u32>,
    /// The run to expect in the newest of these.
    run: u32,
    /// All runs of that segment are looked through, from this one on.
    next_run: Option<u32>,
    /// What was found in that segment so far, with the link of each.
    here: Vec<(Part, (u32, u32))>,
    /// The newest first.
    pieces: Vec<Part>,
}

impl Unfolding {
    pub fn of(stream: StreamId, part: &Part) -> Self {
        Self {
            stream,
            part: part.clone(),
            thorough: false,
            found_from: part.end,
            left: part.segments().collect(),
            run: part.run,
            next_run: None,
            here: Vec::new(),
            pieces: Vec::new(),
        }
    }

    /// Goes on as far as pages are in memory; the page that it waits for, if it does.
    pub fn step(&mut self, book: &Book, pages: &PageCache) -> Result<(), PageId> {
        loop {
            self.search(book, pages)?;
            if self.thorough || self.is_complete() {
                return Ok(());
            }
            *self = Self {
                thorough: true,
                ..Self::of(self.stream, &self.part)
            };
        }
    }

    fn is_complete(&self) -> bool {
        let mut end = self.part.end;
        let whole = self.pieces.iter().all(|piece| {
            let follows = piece.end == end;
            end = piece.first;
            follows
        });
        whole && end == self.part.first
    }

    fn search(&mut self, book: &Book, pages: &PageCache) -> Result<(), PageId> {
        while let Some(number) = self.left.last().copied() {
            if let Some(segment) = book.segments.get(&number) {
                match (segment.good_footer(), &segment.index) {
                    (Some(footer), _) => self.look_in_footer(segment, footer, pages)?,
                    (None, Some(index)) => self.look_in_index(number, index),
                    (None, None) => {}
                }
            }
            self.end_segment();
        }
        Ok(())
    }

    /// The pieces, the oldest first.
    pub fn finish(mut self) -> Vec<Part> {
        self.pieces.reverse();
        self.pieces
    }

    fn look_in_footer(
        &mut self,
        segment: &Segment,
        footer: Footer,
        pages: &PageCache,
    ) -> Result<(), PageId> {
        let record = |number: u32| {
            let (page, place) = footer.run(number);
            let id = PageId {
                segment: segment.number,
                page,
            };
            let page = pages.get(id).ok_or(id)?;
            Ok(RunRecord::read(&page[place..]))
        };
        if !self.thorough && self.next_run.is_none() && self.run < footer.runs {
            let record = record(self.run)?;
            if record.stream == self.stream && record.end == self.found_from {
                self.found(&record, segment.number, self.run);
                return Ok(());
            }
        }
        while self.next_run.unwrap_or(0) < footer.runs {
            let number = self.next_run.unwrap_or(0);
            let record = record(number)?;
            self.found(&record, segment.number, number);
            self.next_run = Some(number + 1);
        }
        Ok(())
    }

    fn look_in_index(&mut self, segment: u32, index: &SegmentIndex) {
        if !self.thorough
            && let Some(run) = index.runs.get(self.run as usize)
            && run.stream == self.stream
            && run.end == self.found_from
        {
            self.found(&run.record(0, (0, NONE)), segment, self.run);
            return;
        }
        for (number, run) in index.runs.iter().enumerate() {
            let record = run.record(0, (0, NONE));
            self.found(&record, segment, number as u32);
        }
    }

    /// Keeps a run, if some of it belongs to the part and is not found yet.
    fn found(&mut self, record: &RunRecord, segment: u32, run: u32) {
        let (first, end) = (
            record.first.max(self.part.first),
            record.end.min(self.found_from),
        );
        if record.stream == self.stream && first < end {
            let piece = Part {
                first,
                end,
                ..record.part(segment, run)
            };
            self.here.push((piece, record.link));
        }
    }

    fn end_segment(&mut self) {
        self.left.pop();
        self.next_run = None;
        self.run = match (self.here.as_slice(), self.left.last()) {
            ([(_, link)], Some(next)) if link.0 == *next => link.1,
            _ => NONE,
        };
        let mut here = std::mem::take(&mut self.here);
        here.sort_unstable_by_key(|(piece, _)| std::cmp::Reverse(piece.first));
        for (mut piece, _) in here {
            piece.end = piece.end.min(self.found_from);
            if piece.first < piece.end {
                self.found_from = piece.first;
                self.pieces.push(piece);
            }
        }
    }
}

impl Reads {
    /// True if the part is taken apart now; else `asked` waits for that.
    pub(super) fn unfold_for(&mut self, shelf: &mut Shelf<'_>, id: FoldId, asked: Asked) -> bool {
        if let Some((_, askers)) = self.unfolding.get_mut(&id) {
            askers.push(asked);
            return false;
        }
        let stream = shelf.book.streams.get(id.stream);
        let part = stream.and_then(|stream| Some(&stream.parts[stream.part_at(id.first)?]));
        let Some(part) = part else {
            self.unfolded.insert(id, Vec::new());
            return true;
        };
        let unfolding = Unfolding::of(id.stream, part);
        self.unfolding.insert(id, (unfolding, vec![asked]));
        !self.unfold(shelf, id).is_empty()
    }

    /// Takes the part apart as far as pages are in memory; if to the end, those who wait for it.
    pub(super) fn unfold(&mut self, shelf: &mut Shelf<'_>, id: FoldId) -> Vec<Asked> {
        let Some((mut unfolding, askers)) = self.unfolding.remove(&id) else {
            return Vec::new();
        };
        match unfolding.step(shelf.book, &self.pages) {
            Ok(()) => {
                self.unfolded.insert(id, unfolding.finish());
                askers
            }
            Err(page) => {
                self.unfolding.insert(id, (unfolding, askers));
                self.want(shelf, page, Asked::Unfold(id));
                Vec::new()
            }
        }
    }
}

/// Parts that were taken apart for readers, who mostly come again for what follows.
#[derive(Debug, Default)]
pub(super) struct Unfolded {
    known: HashMap<FoldId, Vec<Part>>,
    order: VecDeque<FoldId>,
    pieces: usize,
}

impl Unfolded {
    pub fn get(&self, id: &FoldId) -> Option<&[Part]> {
        self.known.get(id).map(Vec::as_slice)
    }

    pub fn insert(&mut self, id: FoldId, pieces: Vec<Part>) {
        self.pieces += pieces.len();
        match self.known.insert(id, pieces) {
            Some(before) => self.pieces -= before.len(),
            None => self.order.push_back(id),
        }
    }

    /// Gives up the oldest beyond `most` pieces.
    pub fn shrink(&mut self, most: usize) {
        while self.pieces > most
            && let Some(id) = self.order.pop_front()
        {
            let pieces = self.known.remove(&id);
            self.pieces -= pieces.map_or(0, |pieces| pieces.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::format::{Kind, Row};
    use super::*;
    use crate::runtime::FileId;

    const STREAM: StreamId = StreamId(20);

    fn place(book: &mut Book, segment: u32, first: i64, count: u32) {
        let row = Row {
            count,
            length: 100,
            ..Row::bare(Kind::Entry, STREAM, Index(first))
        };
        book.place(segment, &row, 0);
    }

    fn pieces(book: &Book, part: &Part) -> Vec<(i64, i64, u32)> {
        let mut unfolding = Unfolding::of(STREAM, part);
        let ended = unfolding.step(book, &PageCache::default());
        ended.expect("all indexes are in memory");
        let pieces = unfolding.finish().into_iter();
        let places = pieces.map(|piece| (piece.first.0, piece.end.0, piece.segment));
        places.collect()
    }

    /// A checkpoint knew the part before a group was lost, whose rows lay within it.
    #[test]
    fn what_lies_on_both_sides_of_a_lost_group_is_found() {
        let mut book = Book::new();
        for number in 1..=2 {
            let segment = Segment::new(number, FileId(number));
            book.segments.insert(number, segment);
        }
        place(&mut book, 1, 0, 20);
        place(&mut book, 2, 20, 10);
        place(&mut book, 2, 40, 10);
        let parts = &book.streams.get(STREAM).expect("it was placed").parts;
        let (older, newest) = (&parts[0], parts.last().expect("three of them"));
        let whole = Part {
            first: Index(20),
            ..newest.clone()
        };
        let part = older.joined(&whole);

        let found = pieces(&book, &part);

        assert_eq!(found, [(0, 20, 1), (20, 30, 2), (40, 50, 2)]);
    }
}
