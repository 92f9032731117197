//! Reads: which rows, where their payloads are, and the wait for those on disk.

use std::collections::HashMap;

use bytes::Bytes;

use crate::base::{ByteCount, Position};
use crate::runtime::{DiskDone, DiskError, DiskOp, DiskOutput, FileId, Ticket};

use super::book::Book;
use super::cache::Cache;
use super::entry::{Index, Slice};
use super::error::JournalError;
use super::format::{Row, UNIT};
use super::index::NONE;
use super::journal::{ReadDone, ReadRequest, ReadToken, SearchRequest};
use super::streams::Part;

/// Neighbours on disk are fetched in one read, up to this size and over gaps up to a quarter.
const RANGE_BYTES_MAX: u64 = 1 << 20;
const RANGE_GAP_MAX: u64 = RANGE_BYTES_MAX / 4;

/// A row and where its payload lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub row: Row,
    pub segment: u32,
    pub at: u32,
}

/// Rows at or behind this place can not be read yet: their group is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Horizon {
    pub segment: u32,
    pub at: u32,
}

impl Horizon {
    fn hides(self, place: &Place) -> bool {
        (place.segment, place.at) >= (self.segment, self.at)
    }
}

/// The rows that a read asks for, in order.
pub(super) fn plan(
    book: &Book,
    horizon: Horizon,
    request: &ReadRequest,
) -> Result<Vec<Place>, JournalError> {
    let stream = book
        .streams
        .get(request.stream)
        .ok_or(JournalError::OutOfRange)?;
    if request.from < stream.first || request.from > stream.end {
        return Err(JournalError::OutOfRange);
    }
    let mut places = Vec::new();
    let mut left = request.bytes_max.0;
    let start = stream
        .parts
        .partition_point(|part| part.end <= request.from);
    for part in &stream.parts[start..] {
        let from = request.from.max(part.first);
        let finished = walk(book, part, from, |place| {
            if place.row.end() > request.until || horizon.hides(&place) {
                return false;
            }
            let whole = places.is_empty() && request.first_whole;
            if u64::from(place.row.length) > left && !whole {
                return false;
            }
            left = left.saturating_sub(u64::from(place.row.length));
            places.push(place);
            true
        });
        if !finished {
            break;
        }
    }
    Ok(places)
}

/// Visits the rows of a part from the one that covers `from`; true if it came to the part's end.
fn walk(book: &Book, part: &Part, from: Index, mut visit: impl FnMut(Place) -> bool) -> bool {
    let segment = book.segments.get(&part.segment);
    let Some(index) = segment.and_then(|segment| segment.index.as_ref()) else {
        return false;
    };
    let mut number = index.find(part.run, from);
    while number != NONE {
        let entry = &index.entries[number as usize];
        if entry.row.first >= part.end {
            break;
        }
        let place = Place {
            row: entry.row,
            segment: part.segment,
            at: entry.at,
        };
        if entry.row.end() > from && !visit(place) {
            return false;
        }
        number = entry.next;
    }
    true
}

/// The row that a search asks for.
pub(super) fn find(
    book: &Book,
    horizon: Horizon,
    request: &SearchRequest,
) -> Result<Option<Place>, JournalError> {
    let stream = book
        .streams
        .get(request.stream)
        .ok_or(JournalError::OutOfRange)?;
    let time = match request.time {
        Some(time) => time,
        None => {
            let all = stream
                .parts
                .iter()
                .filter(|part| part.first < request.until);
            let Some(largest) = all.map(|part| part.time_max).max() else {
                return Ok(None);
            };
            largest
        }
    };
    let mut best: Option<Place> = None;
    for part in &stream.parts {
        let exact = request.time.is_some();
        let known = best.map_or(i64::MIN, |place| place.row.time_max);
        if part.first >= request.until || (exact && part.time_max < time) || part.time_max <= known
        {
            continue;
        }
        walk(book, part, stream.first.max(part.first), |place| {
            if place.row.end() > request.until || horizon.hides(&place) {
                return false;
            }
            let known = best.map_or(i64::MIN, |place| place.row.time_max);
            if exact && place.row.time_max >= time {
                best = Some(place);
                return false;
            }
            if !exact && place.row.time_max > known {
                best = Some(place);
            }
            true
        });
        if exact && best.is_some() {
            break;
        }
    }
    Ok(best)
}

#[derive(Debug)]
struct Range {
    segment: u32,
    file: FileId,
    start: u32,
    end: u32,
    bytes: Option<Result<Bytes, DiskError>>,
}

#[derive(Debug)]
enum Source {
    Memory(Bytes),
    Disk(usize),
}

/// A read that waits for the device.
#[derive(Debug)]
struct Waiting {
    token: ReadToken,
    places: Vec<(Place, Source)>,
    ranges: Vec<Range>,
    missing: usize,
}

/// All reads that have begun and not been fetched by the caller.
#[derive(Debug, Default)]
pub(super) struct Reads {
    waiting: HashMap<u64, Waiting>,
    next: u64,
    /// Which range of which read an operation serves.
    tickets: HashMap<Ticket, (u64, usize)>,
    /// Ranges not yet handed to the device.
    wanted: Vec<(u64, usize)>,
    finished: Vec<ReadDone>,
}

impl Reads {
    /// Serves the rows from memory if all of them are there; else notes what to read.
    pub fn begin(
        &mut self,
        book: &mut Book,
        cache: &Cache,
        token: ReadToken,
        places: Vec<Place>,
    ) -> Option<ReadDone> {
        let mut ranges: Vec<Range> = Vec::new();
        let mut sources = Vec::with_capacity(places.len());
        for place in places {
            let source = match cache.get(place.segment, place.at, place.row.length) {
                Some(bytes) => Source::Memory(bytes),
                None => Source::Disk(cover(&mut ranges, book, &place)),
            };
            sources.push((place, source));
        }
        if ranges.is_empty() {
            let slices = sources
                .into_iter()
                .filter_map(|(place, source)| match source {
                    Source::Memory(payload) => Some(Slice {
                        head: place.row.head(),
                        payload,
                    }),
                    Source::Disk(_) => None,
                });
            return Some(ReadDone {
                token,
                result: Ok(slices.collect()),
            });
        }
        for range in &ranges {
            if let Some(segment) = book.segments.get_mut(&range.segment) {
                segment.readers += 1;
            }
        }
        let number = self.next;
        self.next += 1;
        self.wanted
            .extend((0..ranges.len()).map(|range| (number, range)));
        let missing = ranges.len();
        self.waiting.insert(
            number,
            Waiting {
                token,
                places: sources,
                ranges,
                missing,
            },
        );
        None
    }

    /// The device operations that reads wait for.
    pub fn hand_out(&mut self, mut ticket: impl FnMut() -> Ticket, disk: &mut Vec<DiskOp>) {
        for (number, range) in self.wanted.drain(..) {
            let wanted = &self.waiting[&number].ranges[range];
            let ticket = ticket();
            disk.push(DiskOp::Read {
                ticket,
                file: wanted.file,
                at: Position(u64::from(wanted.start)),
                length: ByteCount(u64::from(wanted.end - wanted.start)),
            });
            self.tickets.insert(ticket, (number, range));
        }
    }

    /// Takes the end of an operation, if it is one of these.
    pub fn completed(&mut self, book: &mut Book, done: DiskDone) -> Option<DiskDone> {
        let Some((number, range)) = self.tickets.remove(&done.ticket) else {
            return Some(done);
        };
        let waiting = self
            .waiting
            .get_mut(&number)
            .expect("a read waits for its ranges");
        let range = &mut waiting.ranges[range];
        let position = Position(u64::from(range.start));
        let (file, segment) = (range.file, range.segment);
        range.bytes = Some(match done.result {
            Ok(DiskOutput::Read(block)) => Ok(block.freeze()),
            Ok(_) => Err(unexpected(file, position)),
            Err(error) => Err(error),
        });
        if let Some(segment) = book.segments.get_mut(&segment) {
            segment.readers -= 1;
        }
        waiting.missing -= 1;
        if waiting.missing == 0
            && let Some(waiting) = self.waiting.remove(&number)
        {
            let token = waiting.token;
            let result = waiting.assemble();
            self.finished.push(ReadDone { token, result });
        }
        None
    }

    pub fn take_finished(&mut self) -> Vec<ReadDone> {
        std::mem::take(&mut self.finished)
    }

    /// True if operations are under way or wanted.
    pub fn is_busy(&self) -> bool {
        !self.waiting.is_empty()
    }
}

fn unexpected(file: FileId, at: Position) -> DiskError {
    DiskError {
        call: "read (another operation's end)",
        file,
        at,
        errno: 0,
    }
}

/// The range that covers `place`, made or made longer if none does.
fn cover(ranges: &mut Vec<Range>, book: &Book, place: &Place) -> usize {
    let start = place.at / UNIT as u32 * UNIT as u32;
    let end = (place.at + place.row.length.max(1)).next_multiple_of(UNIT as u32);
    if let Some(last) = ranges.last_mut() {
        let close = last.segment == place.segment
            && start >= last.start
            && u64::from(start) <= u64::from(last.end) + RANGE_GAP_MAX
            && u64::from(end.max(last.end) - last.start) <= RANGE_BYTES_MAX;
        if close {
            last.end = last.end.max(end);
            return ranges.len() - 1;
        }
    }
    ranges.push(Range {
        segment: place.segment,
        file: book
            .segments
            .get(&place.segment)
            .map_or(FileId(0), |segment| segment.file),
        start,
        end,
        bytes: None,
    });
    ranges.len() - 1
}

impl Waiting {
    /// The slices in order, up to the first that can not be had; its error if it is the first.
    fn assemble(self) -> Result<Vec<Slice>, JournalError> {
        let mut slices = Vec::with_capacity(self.places.len());
        for (place, source) in &self.places {
            let slice = match source {
                Source::Memory(payload) => Ok(payload.clone()),
                Source::Disk(range) => cut(&self.ranges[*range], place),
            };
            match slice {
                Ok(payload) => slices.push(Slice {
                    head: place.row.head(),
                    payload,
                }),
                Err(error) if slices.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(slices)
    }
}

fn cut(range: &Range, place: &Place) -> Result<Bytes, JournalError> {
    let at = Position(u64::from(place.at));
    let bytes = match &range.bytes {
        Some(Ok(bytes)) => bytes,
        Some(Err(error)) => return Err(JournalError::Device(*error)),
        None => return Err(JournalError::Device(unexpected(range.file, at))),
    };
    let start = (place.at - range.start) as usize;
    let end = start + place.row.length as usize;
    if end > bytes.len() {
        return Err(JournalError::Checksum {
            file: range.file,
            at,
            expected: place.row.body_sum,
            found: 0,
        });
    }
    let payload = bytes.slice(start..end);
    match place.row.check(&payload) {
        Ok(()) => Ok(payload),
        Err((expected, found)) => Err(JournalError::Checksum {
            file: range.file,
            at,
            expected,
            found,
        }),
    }
}
