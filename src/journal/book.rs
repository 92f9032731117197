//! What is where: streams and segments together, changed by one row at a time, in the same way
//! when a row is staged and when a restart finds it.

use std::collections::BTreeMap;

use crate::runtime::FileId;

use super::format::{Kind, Row};
use super::index::SegmentIndex;
use super::streams::{Change, Streams};

/// One segment of the journal.
#[derive(Debug)]
pub(super) struct Segment {
    pub number: u32,
    pub file: FileId,
    /// Where its last known group ends.
    pub used: u32,
    /// Payloads and rows that a stream still keeps here.
    pub live_bytes: u64,
    /// Parts of streams that still lie here.
    pub parts: u32,
    /// Its rows, while they are in memory.
    pub index: Option<SegmentIndex>,
    /// Reads under way.
    pub readers: u32,
}

impl Segment {
    pub fn new(number: u32, file: FileId) -> Self {
        Self {
            number,
            file,
            used: 0,
            live_bytes: 0,
            parts: 0,
            index: Some(SegmentIndex::default()),
            readers: 0,
        }
    }
}

/// Streams and segments.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub streams: Streams,
    /// By number, which rises along the journal.
    pub segments: BTreeMap<u32, Segment>,
}

impl Book {
    /// Takes a row that was just placed in the open segment: chains it, then counts it.
    pub fn place(&mut self, segment: u32, row: &Row, at: u32) {
        let last = self
            .streams
            .get(row.stream)
            .map_or(super::index::NONE, |stream| {
                stream.last_run(segment, row.kind)
            });
        let index = self.index_mut(segment);
        let run = index.push(*row, at, last);
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
                let change = self
                    .streams
                    .obtain(row.stream, row.first)
                    .grow(row, segment, run);
                self.change(change);
            }
            Kind::Moved => {
                let Some(stream) = self.streams.get_mut(row.stream) else {
                    return;
                };
                for change in stream.relocate(row, segment, run).into_iter().flatten() {
                    self.change(change);
                }
            }
            Kind::Trim => {
                let segments = &mut self.segments;
                let stream = self.streams.obtain(row.stream, row.first);
                stream.trim(row.first, |change| apply(segments, change));
            }
            Kind::Drop => {
                let Some(mut stream) = self.streams.remove(row.stream) else {
                    return;
                };
                let (segments, end) = (&mut self.segments, stream.end);
                stream.trim(end, |change| apply(segments, change));
            }
            Kind::Checkpoint | Kind::Segments => {}
        }
    }

    pub fn change(&mut self, change: Change) {
        apply(&mut self.segments, change);
    }

    /// The index of a segment that is known to be in memory.
    pub fn index_mut(&mut self, segment: u32) -> &mut SegmentIndex {
        self.segments
            .get_mut(&segment)
            .and_then(|segment| segment.index.as_mut())
            .expect("an open segment has its index in memory")
    }
}

fn apply(segments: &mut BTreeMap<u32, Segment>, change: Change) {
    // A segment that damage took away has no counts to keep.
    let Some(segment) = segments.get_mut(&change.segment) else {
        return;
    };
    segment.live_bytes = segment.live_bytes.saturating_add_signed(change.bytes);
    segment.parts = segment.parts.saturating_add_signed(change.parts);
}
