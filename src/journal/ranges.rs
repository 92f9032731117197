//! What a read takes from the device: ranges that cover its payloads, and the slices cut from them.

use bytes::Bytes;

use crate::base::Position;
use crate::runtime::{DiskError, DiskOutput, FileId};

use super::book::Book;
use super::entry::Slice;
use super::error::JournalError;
use super::format::UNIT;
use super::plan::Place;
use super::requests::ReadToken;
use super::windows::WindowId;

/// Neighbours on disk are fetched in one read, up to this size and over gaps up to a quarter.
const RANGE_BYTES_MAX: u64 = 1 << 20;
const RANGE_GAP_MAX: u64 = RANGE_BYTES_MAX / 4;

/// Bytes of one segment.
#[derive(Debug)]
pub(super) struct Range {
    pub segment: u32,
    pub file: FileId,
    pub start: u32,
    pub end: u32,
    /// The window that it is, if it is not read for this reader alone.
    pub window: Option<WindowId>,
    pub bytes: Option<Result<Bytes, DiskError>>,
}

impl Range {
    /// A window that is in memory, or that is on its way there.
    pub fn window(book: &Book, id: WindowId, start: u32, bytes: Option<Bytes>) -> Self {
        Self {
            segment: id.segment,
            file: file_of(book, id.segment),
            start,
            end: start,
            window: Some(id),
            bytes: bytes.map(Ok),
        }
    }
}

/// Where a payload comes from: memory, or the range of this number.
#[derive(Debug)]
pub(super) enum Source {
    Memory(Bytes),
    Disk(usize),
}

/// A read that waits for the device.
#[derive(Debug)]
pub(super) struct Waiting {
    pub token: ReadToken,
    pub places: Vec<(Place, Source)>,
    pub ranges: Vec<Range>,
    pub missing: usize,
    /// How often its first payload was read again, because it was not what was written.
    pub again: u32,
}

/// The range that covers `place`, made or made longer if none does.
pub(super) fn cover(ranges: &mut Vec<Range>, book: &Book, place: &Place) -> usize {
    let start = place.at / UNIT as u32 * UNIT as u32;
    let end = (place.at + place.row.length.max(1)).next_multiple_of(UNIT as u32);
    if let Some(last) = ranges.last_mut() {
        let close = last.window.is_none()
            && last.segment == place.segment
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
        file: file_of(book, place.segment),
        start,
        end,
        window: None,
        bytes: None,
    });
    ranges.len() - 1
}

pub(super) fn file_of(book: &Book, segment: u32) -> FileId {
    let segment = book.segments.get(&segment);
    segment.map_or(FileId(0), |segment| segment.file)
}

impl Waiting {
    /// The slices in order, up to the first that can not be had; its error if it is the first.
    pub fn assemble(&self) -> Result<Vec<Slice>, JournalError> {
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
                Err(error) if slices.is_empty() => return Err(damaged(place, error)),
                Err(_) => break,
            }
        }
        Ok(slices)
    }
}

/// The error of an entry that can not be read; a device that fails altogether says so itself.
fn damaged(place: &Place, error: JournalError) -> JournalError {
    let file = match error {
        JournalError::Checksum { file, .. } => file,
        JournalError::Device(error) if error.is_medium() => error.file,
        other => return other,
    };
    JournalError::Lost {
        file,
        at: Position(u64::from(place.at)),
        first: place.row.first,
        end: place.row.end(),
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

pub(super) fn block_of(
    result: Result<DiskOutput, DiskError>,
    file: FileId,
    at: u32,
) -> Result<Bytes, DiskError> {
    match result {
        Ok(DiskOutput::Read(block)) => Ok(block.freeze()),
        Ok(_) => Err(unexpected(file, Position(u64::from(at)))),
        Err(error) => Err(error),
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
