//! What is where: streams and segments together, changed by one row at a time, in the same way
//! when a row is staged and when a restart finds it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::runtime::FileId;

use super::entry::{Sequence, StreamId};
use super::format::{Kind, Row};
use super::index::{NONE, SegmentIndex};
use super::pages::Footer;
use super::parts::{Change, Part};
use super::streams::{Stream, Streams};

/// One segment of the journal.
#[derive(Debug)]
pub(super) struct Segment {
    pub number: u32,
    pub file: FileId,
    /// Where its last known group ends.
    pub used: u32,
    /// The first group.
    pub first: Sequence,
    /// Payloads and rows that a stream still keeps here.
    pub live_bytes: u64,
    /// Parts of streams that still lie here.
    pub parts: u32,
    /// Of these, parts that are folded over other segments, too.
    pub folded: u32,
    /// Streams whose state a restart takes up here: `Stream::saved_in`.
    pub saved: u32,
    /// Its rows, while they are in memory.
    pub index: Option<SegmentIndex>,
    /// Its index on disk, once that is durable.
    pub footer: Option<Footer>,
    /// The footer could not be read, and the index was made anew.
    pub footer_bad: bool,
    /// Reads under way.
    pub readers: u32,
    /// Nothing of it is needed any more once this group is durable.
    pub emptied: Option<Sequence>,
}

impl Segment {
    pub fn new(number: u32, file: FileId) -> Self {
        Self {
            number,
            file,
            used: 0,
            first: Sequence(0),
            live_bytes: 0,
            parts: 0,
            folded: 0,
            saved: 0,
            index: Some(SegmentIndex::default()),
            footer: None,
            footer_bad: false,
            readers: 0,
            emptied: None,
        }
    }

    /// Its index on disk, as far as anybody knows.
    pub fn good_footer(&self) -> Option<Footer> {
        self.footer.filter(|_| !self.footer_bad)
    }

    /// Takes the index that its groups gave, because the footer can not be read.
    pub fn indexed_anew(&mut self, index: SegmentIndex) {
        self.footer_bad = true;
        self.index = Some(index);
    }
}

/// Streams and segments.
#[derive(Debug)]
pub(super) struct Book {
    pub streams: Streams,
    /// By number, which rises along the journal.
    pub segments: BTreeMap<u32, Segment>,
    /// Some segment has lost its last part since this was taken back.
    pub sweep_due: bool,
    /// As in `limits`; no bound while a restart rebuilds, whose rows tell of parts one by one.
    pub parts_max: usize,
    /// The segments being cleaned: no part is folded over them.
    pub cleaned: Option<RangeInclusive<u32>>,
}

impl Book {
    pub fn new() -> Self {
        Self {
            streams: Streams::default(),
            segments: BTreeMap::new(),
            sweep_due: false,
            parts_max: usize::MAX,
            cleaned: None,
        }
    }

    /// Takes a row that was just placed in the open segment: chains it, then counts it.
    pub fn place(&mut self, segment: u32, row: &Row, at: u32) {
        let stream = self.streams.get(row.stream);
        let last = stream.map_or(NONE, |stream| stream.last_run(segment, row.kind));
        let run = self.index_mut(segment).push(*row, at, last);
        self.count(segment, row, run);
        if row.kind.is_data()
            && let Some(stream) = self.streams.get_mut(row.stream)
        {
            stream.set_last_run(segment, row.kind, run);
        }
    }

    /// Counts a row that lies in `run` of `segment`.
    pub fn count(&mut self, segment: u32, row: &Row, run: u32) {
        match row.kind {
            Kind::Entry => {
                let change = self.obtain(segment, row).grow(row, segment, run);
                self.change(change);
                if change.parts > 0 {
                    self.fold(row.stream);
                }
            }
            Kind::Moved => {
                let (segments, due) = (&mut self.segments, &mut self.sweep_due);
                if let Some(stream) = self.streams.get_mut(row.stream) {
                    stream.relocate(row, segment, run, |change| *due |= apply(segments, change));
                    self.fold(row.stream);
                }
            }
            Kind::Trim => {
                self.obtain(segment, row);
                let (segments, due) = (&mut self.segments, &mut self.sweep_due);
                if let Some(stream) = self.streams.get_mut(row.stream) {
                    stream.trim(row.first, |change| *due |= apply(segments, change));
                }
            }
            Kind::Drop => {
                let Some(mut stream) = self.streams.remove(row.stream) else {
                    return;
                };
                if let Some(segment) = self.segments.get_mut(&stream.saved_in) {
                    segment.saved = segment.saved.saturating_sub(1);
                }
                let (segments, due) = (&mut self.segments, &mut self.sweep_due);
                stream.trim(stream.end, |change| *due |= apply(segments, change));
            }
            Kind::Checkpoint => self.saved(row.stream, segment),
            Kind::Segments => {}
        }
    }

    /// Folds old parts of the stream, if it has more than it may.
    fn fold(&mut self, stream: StreamId) {
        let Some(stream) = self.streams.get_mut(stream) else {
            return;
        };
        if stream.parts.len() <= self.parts_max {
            return;
        }
        let (segments, cleaned) = (&self.segments, &self.cleaned);
        let is_settled = |number: u32| {
            let there = segments.get(&number).is_some_and(|it| it.footer.is_some());
            there && !cleaned.as_ref().is_some_and(|it| it.contains(&number))
        };
        let mut changes = Vec::new();
        stream.fold(self.parts_max, is_settled, |change| changes.push(change));
        for change in changes {
            self.change(change);
        }
    }

    /// Puts pieces in the place of one part of the stream that they make up.
    pub fn replace(&mut self, stream: StreamId, number: usize, pieces: Vec<Part>) {
        let (segments, due) = (&mut self.segments, &mut self.sweep_due);
        if let Some(stream) = self.streams.get_mut(stream) {
            stream.replace(number, pieces, |change| *due |= apply(segments, change));
        }
    }

    /// The row's stream; if it is new, a restart takes it up in `segment`.
    fn obtain(&mut self, segment: u32, row: &Row) -> &mut Stream {
        if self.streams.slot(row.stream).is_none() {
            self.streams.obtain(row.stream);
            self.saved(row.stream, segment);
        }
        self.streams.obtain(row.stream)
    }

    /// A restart takes `stream` up in `segment` from now on.
    pub fn saved(&mut self, stream: StreamId, segment: u32) {
        let Some(stream) = self.streams.get_mut(stream) else {
            return;
        };
        let before = std::mem::replace(&mut stream.saved_in, segment);
        if let Some(segment) = self.segments.get_mut(&before) {
            segment.saved = segment.saved.saturating_sub(1);
        }
        if let Some(segment) = self.segments.get_mut(&segment) {
            segment.saved += 1;
        }
    }

    /// The first segment that a restart must replay, if everything staged were durable.
    pub fn replay_from(&self) -> Option<u32> {
        let needed = self.segments.values().find(|segment| segment.saved > 0);
        let newest = self.segments.values().next_back();
        needed.or(newest).map(|segment| segment.number)
    }

    pub fn change(&mut self, change: Change) {
        self.sweep_due |= apply(&mut self.segments, change);
    }

    /// The index of a segment that is known to be in memory.
    pub fn index_mut(&mut self, segment: u32) -> &mut SegmentIndex {
        self.segments
            .get_mut(&segment)
            .and_then(|segment| segment.index.as_mut())
            .expect("an open segment has its index in memory")
    }
}

/// True if the segment has lost its last part.
fn apply(segments: &mut BTreeMap<u32, Segment>, change: Change) -> bool {
    // A segment that damage took away has no counts to keep.
    let Some(segment) = segments.get_mut(&change.segment) else {
        return false;
    };
    segment.live_bytes = segment.live_bytes.saturating_add_signed(change.bytes);
    segment.parts = segment.parts.saturating_add_signed(change.parts);
    segment.folded = segment.folded.saturating_add_signed(change.folded);
    segment.parts == 0
}
