//! Bytes on disk: the group, its header and its rows. Little-endian throughout.
//!
//! A group is the unit of one write, padded to `ALIGN_BYTES`:
//!
//! ```text
//! header (64) | payloads, back to back | table: rows of 64 | zeros up to 4 KiB
//! ```
//!
//! Header:
//!
//! | at | size | field |
//! |---:|---:|---|
//! | 0 | 4 | magic `TWG1` |
//! | 4 | 2 | version |
//! | 6 | 2 | zero |
//! | 8 | 8 | incarnation |
//! | 16 | 8 | sequence |
//! | 24 | 8 | flushed: the highest sequence whose flush had returned at sealing |
//! | 32 | 4 | segment number |
//! | 36 | 4 | place in the segment, in units of 4 KiB |
//! | 40 | 4 | session: the count of starts of this journal |
//! | 44 | 4 | length of the group, padding included |
//! | 48 | 4 | where the table begins within the group |
//! | 52 | 4 | rows in the table |
//! | 56 | 4 | sum of the previous group (its field at 60) |
//! | 60 | 4 | CRC-32C of bytes 0..60 and of the table |
//!
//! Row:
//!
//! | at | size | field |
//! |---:|---:|---|
//! | 0 | 8 | stream |
//! | 8 | 8 | first index |
//! | 16 | 8 | largest time |
//! | 24 | 16 | note |
//! | 40 | 4 | term |
//! | 44 | 4 | count |
//! | 48 | 4 | length of the payload |
//! | 52 | 4 | CRC-32C of the payload's body |
//! | 56 | 4 | CRC-32C of the payload's head |
//! | 60 | 2 | length of the payload's head |
//! | 62 | 1 | kind |
//! | 63 | 1 | zero |
//!
//! The header names its own place, so that a write that went astray shows, and the session, so
//! that a group which a restart has cut can never follow one that was written after that restart.

use crate::base::crc::{crc32c, crc32c_append};
use crate::base::limits::ALIGN_BYTES;

use super::entry::{EntryHead, Index, Note, Sequence, StreamId, Term};

/// Direct I/O's unit, as an index type.
pub(super) const UNIT: usize = ALIGN_BYTES.as_usize();
pub(super) const HEADER_BYTES: usize = 64;
pub(super) const ROW_BYTES: usize = 64;
pub(super) const VERSION: u16 = 1;
/// The longest payload head: what two bytes can say.
pub(super) const HEAD_BYTES_MAX: usize = u16::MAX as usize;
const MAGIC: u32 = u32::from_le_bytes(*b"TWG1");

const _: () = assert!(UNIT.is_multiple_of(ROW_BYTES) && HEADER_BYTES == ROW_BYTES);

/// What a row stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The caller's entry.
    Entry = 0,
    /// Everything below `first` is given up.
    Trim = 1,
    /// The stream is given up.
    Drop = 2,
    /// The stream's state, its caller's part included.
    Checkpoint = 3,
    /// An entry carried forward from a segment that is to be freed.
    Moved = 4,
    /// The table of segments, part of a checkpoint.
    Segments = 5,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Entry),
            1 => Some(Self::Trim),
            2 => Some(Self::Drop),
            3 => Some(Self::Checkpoint),
            4 => Some(Self::Moved),
            5 => Some(Self::Segments),
            _ => None,
        }
    }

    /// True for rows that hold a part of their stream.
    pub(super) fn is_data(self) -> bool {
        matches!(self, Self::Entry | Self::Moved)
    }
}

/// A group's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub incarnation: u64,
    pub sequence: Sequence,
    pub flushed: Sequence,
    pub segment: u32,
    /// Bytes from the start of the segment.
    pub at: u32,
    pub session: u32,
    pub length: u32,
    pub table_at: u32,
    pub rows: u32,
    pub previous: u32,
}

/// What is wrong with bytes that should be a group's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadHeader {
    /// Not a group of ours.
    Foreign,
    /// A group of ours in a version that we do not know.
    Version(u16),
    /// Its numbers contradict each other.
    Shape,
}

impl Header {
    /// Writes the header at the front of `group`, summing the table that is already there.
    /// Returns the sum.
    pub fn seal(&self, group: &mut [u8]) -> u32 {
        put(group, 0, MAGIC.to_le_bytes());
        put(group, 4, VERSION.to_le_bytes());
        put(group, 6, [0; 2]);
        put(group, 8, self.incarnation.to_le_bytes());
        put(group, 16, self.sequence.0.to_le_bytes());
        put(group, 24, self.flushed.0.to_le_bytes());
        put(group, 32, self.segment.to_le_bytes());
        put(group, 36, (self.at / UNIT as u32).to_le_bytes());
        put(group, 40, self.session.to_le_bytes());
        put(group, 44, self.length.to_le_bytes());
        put(group, 48, self.table_at.to_le_bytes());
        put(group, 52, self.rows.to_le_bytes());
        put(group, 56, self.previous.to_le_bytes());
        let sum = self.sum(group);
        put(group, 60, sum.to_le_bytes());
        sum
    }

    /// Reads a header without its table: shape only, no sum.
    pub fn read(bytes: &[u8]) -> Result<Self, BadHeader> {
        if bytes.len() < HEADER_BYTES || get_u32(bytes, 0) != MAGIC {
            return Err(BadHeader::Foreign);
        }
        let version = get_u16(bytes, 4);
        if version != VERSION {
            return Err(BadHeader::Version(version));
        }
        let header = Self {
            incarnation: get_u64(bytes, 8),
            sequence: Sequence(get_u64(bytes, 16)),
            flushed: Sequence(get_u64(bytes, 24)),
            segment: get_u32(bytes, 32),
            at: get_u32(bytes, 36).wrapping_mul(UNIT as u32),
            session: get_u32(bytes, 40),
            length: get_u32(bytes, 44),
            table_at: get_u32(bytes, 48),
            rows: get_u32(bytes, 52),
            previous: get_u32(bytes, 56),
        };
        let table_end = u64::from(header.table_at) + u64::from(header.rows) * ROW_BYTES as u64;
        let whole = get_u16(bytes, 6) == 0
            && (header.length as usize).is_multiple_of(UNIT)
            && header.length > 0
            && header.table_at as usize >= HEADER_BYTES
            && table_end <= u64::from(header.length);
        if whole {
            Ok(header)
        } else {
            Err(BadHeader::Shape)
        }
    }

    /// The sum that a group's bytes ask for; `group` holds at least header and table.
    pub fn sum(&self, group: &[u8]) -> u32 {
        crc32c_append(crc32c(&group[..60]), &group[self.table()])
    }

    /// The sum that stands in the header's bytes.
    pub fn stored_sum(group: &[u8]) -> u32 {
        get_u32(group, 60)
    }

    /// Where the table lies in the group.
    pub fn table(&self) -> std::ops::Range<usize> {
        let start = self.table_at as usize;
        start..start + self.rows as usize * ROW_BYTES
    }
}

/// One row of a group's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub stream: StreamId,
    pub first: Index,
    pub time_max: i64,
    pub note: Note,
    pub term: Term,
    pub count: u32,
    pub length: u32,
    pub body_sum: u32,
    pub head_sum: u32,
    pub head_length: u16,
    pub kind: Kind,
}

impl Row {
    /// A row without payload.
    pub fn bare(kind: Kind, stream: StreamId, first: Index) -> Self {
        Self {
            stream,
            first,
            time_max: -1,
            note: [0; 16],
            term: Term(0),
            count: 0,
            length: 0,
            body_sum: 0,
            head_sum: 0,
            head_length: 0,
            kind,
        }
    }

    pub fn write(&self, out: &mut [u8]) {
        put(out, 0, self.stream.0.to_le_bytes());
        put(out, 8, self.first.0.to_le_bytes());
        put(out, 16, self.time_max.to_le_bytes());
        put(out, 24, self.note);
        put(out, 40, self.term.0.to_le_bytes());
        put(out, 44, self.count.to_le_bytes());
        put(out, 48, self.length.to_le_bytes());
        put(out, 52, self.body_sum.to_le_bytes());
        put(out, 56, self.head_sum.to_le_bytes());
        put(out, 60, self.head_length.to_le_bytes());
        put(out, 62, [self.kind as u8, 0]);
    }

    /// None if the row is not one that we write.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut note = [0; 16];
        note.copy_from_slice(&bytes[24..40]);
        let row = Self {
            stream: StreamId(get_u64(bytes, 0)),
            first: Index(get_u64(bytes, 8) as i64),
            time_max: get_u64(bytes, 16) as i64,
            note,
            term: Term(get_u32(bytes, 40) as i32),
            count: get_u32(bytes, 44),
            length: get_u32(bytes, 48),
            body_sum: get_u32(bytes, 52),
            head_sum: get_u32(bytes, 56),
            head_length: get_u16(bytes, 60),
            kind: Kind::from_byte(bytes[62])?,
        };
        (u32::from(row.head_length) <= row.length).then_some(row)
    }

    /// True if `payload` is what this row was written with.
    pub fn fits(&self, payload: &[u8]) -> bool {
        self.check(payload).is_ok()
    }

    /// The sums (expected, found) of the part that differs, if one does.
    pub fn check(&self, payload: &[u8]) -> Result<(), (u32, u32)> {
        let (head, body) = payload.split_at(usize::from(self.head_length));
        let (head_sum, body_sum) = (crc32c(head), crc32c(body));
        if head_sum != self.head_sum {
            return Err((self.head_sum, head_sum));
        }
        if body_sum != self.body_sum {
            return Err((self.body_sum, body_sum));
        }
        Ok(())
    }

    /// The index after the last number that this row covers.
    pub fn end(&self) -> Index {
        Index(self.first.0.saturating_add(i64::from(self.count)))
    }

    pub fn head(&self) -> EntryHead {
        EntryHead {
            stream: self.stream,
            first: self.first,
            term: self.term,
            count: self.count,
            time_max: self.time_max,
            note: self.note,
            length: self.length,
        }
    }
}

/// The rows of a table whose sum is right, each with its payload's place within the group; None
/// if they do not fit into the group.
pub(super) fn rows(header: &Header, group: &[u8]) -> Option<Vec<(Row, u32)>> {
    let mut at = HEADER_BYTES as u32;
    let mut rows = Vec::with_capacity(header.rows as usize);
    for bytes in group[header.table()].chunks_exact(ROW_BYTES) {
        let row = Row::read(bytes)?;
        rows.push((row, at));
        at = at
            .checked_add(row.length)
            .filter(|end| *end <= header.table_at)?;
    }
    Some(rows)
}

/// `bytes` rounded up to whole units.
pub(super) fn padded(bytes: usize) -> usize {
    bytes.next_multiple_of(UNIT)
}

/// The padded length of a group with `rows` rows and `payload` bytes of payloads.
pub(super) fn group_bytes(payload: usize, rows: usize) -> usize {
    padded(HEADER_BYTES + payload + rows * ROW_BYTES)
}

pub(super) fn put<const N: usize>(out: &mut [u8], at: usize, bytes: [u8; N]) {
    out[at..at + N].copy_from_slice(&bytes);
}

pub(super) fn get_u16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub(super) fn get_u32(bytes: &[u8], at: usize) -> u32 {
    let mut raw = [0; 4];
    raw.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(raw)
}

pub(super) fn get_u64(bytes: &[u8], at: usize) -> u64 {
    let mut raw = [0; 8];
    raw.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(raw)
}
