//! A footer's pages: the index of a sealed segment as it lies on disk behind the last group.
//!
//! First the pages with runs, then the pages with rows, run by run, each run's rows in order; last
//! the rows that hold no data, which only a restart reads. Every page is 4 KiB and carries its own
//! sum, so that a read needs the few pages on its way and no others.
//!
//! Page: magic `TWF1` (4), CRC-32C of the rest (4), incarnation (8), segment (4), page number (4),
//! zeros up to 64; then 63 runs of 64 bytes or 56 rows of 72.
//!
//! Run: stream (8), first (8), end (8), largest time (8), payload bytes (8), number of its first
//! row (4), rows (4), segment and run of the part before it in its stream (4, 4), zeros (8).
//!
//! Row: as in a group's table (64), the payload's place in the segment (4), its number in the
//! order of staging (4).

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use crate::base::crc::crc32c;

use super::entry::{Index, StreamId};
use super::format::{ROW_BYTES, Row, UNIT, get_u32, get_u64, put};
use super::index::{FOOTER_ROW_BYTES, RUN_BYTES};
use super::parts::Part;

const MAGIC: u32 = u32::from_le_bytes(*b"TWF1");
const PAGE_HEADER_BYTES: usize = 64;
pub(super) const RUNS_PER_PAGE: u32 = ((UNIT - PAGE_HEADER_BYTES) / RUN_BYTES) as u32;
pub(super) const ROWS_PER_PAGE: u32 = ((UNIT - PAGE_HEADER_BYTES) / FOOTER_ROW_BYTES) as u32;
/// Pages are fetched in aligned bunches of this many.
pub(super) const PAGES_PER_BUNCH: u32 = 16;

/// Where a segment's footer is and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footer {
    pub at: u32,
    pub runs: u32,
    pub rows: u32,
}

impl Footer {
    fn run_pages(self) -> u32 {
        self.runs.div_ceil(RUNS_PER_PAGE)
    }

    pub fn pages(self) -> u32 {
        self.run_pages() + self.rows.div_ceil(ROWS_PER_PAGE)
    }

    pub fn bytes(self) -> u64 {
        u64::from(self.pages()) * UNIT as u64
    }

    /// The page that holds a run, and its place there.
    pub fn run(self, number: u32) -> (u32, usize) {
        let place = PAGE_HEADER_BYTES + (number % RUNS_PER_PAGE) as usize * RUN_BYTES;
        (number / RUNS_PER_PAGE, place)
    }

    /// The page that holds a row, and its place there.
    pub fn row(self, number: u32) -> (u32, usize) {
        let place = PAGE_HEADER_BYTES + (number % ROWS_PER_PAGE) as usize * FOOTER_ROW_BYTES;
        (self.run_pages() + number / ROWS_PER_PAGE, place)
    }
}

/// A run as a footer has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RunRecord {
    pub stream: StreamId,
    pub first: Index,
    pub end: Index,
    pub time_max: i64,
    pub bytes: u64,
    pub row_start: u32,
    pub rows: u32,
    /// Segment and run of the stream's part before this one; (0, 0) if it is the first.
    pub link: (u32, u32),
}

impl RunRecord {
    pub fn write(&self, out: &mut [u8]) {
        put(out, 0, self.stream.0.to_le_bytes());
        put(out, 8, self.first.0.to_le_bytes());
        put(out, 16, self.end.0.to_le_bytes());
        put(out, 24, self.time_max.to_le_bytes());
        put(out, 32, self.bytes.to_le_bytes());
        put(out, 40, self.row_start.to_le_bytes());
        put(out, 44, self.rows.to_le_bytes());
        put(out, 48, self.link.0.to_le_bytes());
        put(out, 52, self.link.1.to_le_bytes());
    }

    /// The part of its stream that it is in its segment.
    pub fn part(&self, segment: u32, run: u32) -> Part {
        Part {
            first: self.first,
            end: self.end,
            time_max: self.time_max,
            bytes: self.bytes,
            rows: self.rows,
            segment,
            run,
            older: None,
        }
    }

    pub fn read(bytes: &[u8]) -> Self {
        Self {
            stream: StreamId(get_u64(bytes, 0)),
            first: Index(get_u64(bytes, 8) as i64),
            end: Index(get_u64(bytes, 16) as i64),
            time_max: get_u64(bytes, 24) as i64,
            bytes: get_u64(bytes, 32),
            row_start: get_u32(bytes, 40),
            rows: get_u32(bytes, 44),
            link: (get_u32(bytes, 48), get_u32(bytes, 52)),
        }
    }
}

/// A row as a footer has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowRecord {
    pub row: Row,
    pub at: u32,
    /// Its number in the order of staging.
    pub number: u32,
}

impl RowRecord {
    pub fn write(&self, out: &mut [u8]) {
        self.row.write(out);
        put(out, ROW_BYTES, self.at.to_le_bytes());
        put(out, ROW_BYTES + 4, self.number.to_le_bytes());
    }

    pub fn read(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            row: Row::read(bytes)?,
            at: get_u32(bytes, ROW_BYTES),
            number: get_u32(bytes, ROW_BYTES + 4),
        })
    }
}

/// Whose page it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PageId {
    pub segment: u32,
    pub page: u32,
}

impl PageId {
    /// The first page of the bunch that this one is fetched in.
    pub fn bunch(self) -> Self {
        Self {
            page: self.page / PAGES_PER_BUNCH * PAGES_PER_BUNCH,
            ..self
        }
    }
}

/// Writes the page's header over its content.
pub(super) fn seal_page(page: &mut [u8], incarnation: u64, id: PageId) {
    put(page, 0, MAGIC.to_le_bytes());
    put(page, 8, incarnation.to_le_bytes());
    put(page, 16, id.segment.to_le_bytes());
    put(page, 20, id.page.to_le_bytes());
    let sum = crc32c(&page[8..UNIT]);
    put(page, 4, sum.to_le_bytes());
}

/// True if the page is whole and is the one that was asked for.
pub(super) fn is_page(page: &[u8], incarnation: u64, id: PageId) -> bool {
    page.len() >= UNIT
        && get_u32(page, 0) == MAGIC
        && get_u64(page, 8) == incarnation
        && (get_u32(page, 16), get_u32(page, 20)) == (id.segment, id.page)
        && get_u32(page, 4) == crc32c(&page[8..UNIT])
}

/// Pages in memory, each checked before it came here.
#[derive(Debug, Default)]
pub(super) struct PageCache {
    pages: HashMap<PageId, Bytes>,
    order: VecDeque<PageId>,
}

impl PageCache {
    pub fn get(&self, id: PageId) -> Option<&[u8]> {
        self.pages.get(&id).map(|page| page.as_ref())
    }

    /// Takes a bunch of pages, the first of which is `id`; false if one of them is not what it
    /// should be.
    pub fn insert(&mut self, incarnation: u64, id: PageId, bunch: &Bytes) -> bool {
        let mut good = true;
        for (number, page) in bunch.chunks_exact(UNIT).enumerate() {
            let id = PageId {
                page: id.page + number as u32,
                ..id
            };
            if !is_page(page, incarnation, id) {
                good = false;
                continue;
            }
            let start = number * UNIT;
            if self
                .pages
                .insert(id, bunch.slice(start..start + UNIT))
                .is_none()
            {
                self.order.push_back(id);
            }
        }
        good
    }

    /// Gives up the oldest pages beyond `limit` bytes.
    pub fn shrink(&mut self, limit: u64) {
        while self.pages.len() as u64 * UNIT as u64 > limit {
            let Some(id) = self.order.pop_front() else {
                break;
            };
            self.pages.remove(&id);
        }
    }
}
