//! Writing the footer of a sealed segment, a slice at a time.
//!
//! Not while the segment fills: a run's record has its end, and a run's rows lie together, so no
//! page is final before the seal, and what is written early would be written again. What the
//! footer is made from, the index, does grow with every row, so the seal itself makes nothing. A
//! slice is 128 KiB of pages, and the next is made when it is on the device: no turn makes more.
//!
//! Its writes are not durable by themselves; one flush at the end makes the footer count. Until
//! then the segment's index stays in memory, and a restart scans the segment.

use crate::base::{ByteCount, Position};
use crate::runtime::{Block, BlockPool, DiskOp, Ticket};

use super::book::{Book, Segment};
use super::format::UNIT;
use super::index::{FOOTER_ROW_BYTES, NONE, RUN_BYTES, SegmentIndex};
use super::pages::{Footer, PageId, RowRecord, RunRecord, seal_page};

/// The most pages of one write: a slice must not take longer than a turn may.
const PAGES_PER_SLICE: u32 = 32;

/// What the writer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Writing,
    Flushing,
}

/// A footer being written.
#[derive(Debug)]
pub(super) struct FooterWriter {
    pub segment: u32,
    pub footer: Footer,
    incarnation: u64,
    phase: Phase,
    next_page: u32,
    next_run: u32,
    /// Rows of the runs before `next_run`, while runs are written.
    row_start: u32,
    /// The run whose rows are being written, and its next row.
    rows_of: u32,
    next_row: u32,
    rows_written: u32,
    /// Where the search for rows without data goes on.
    loose: u32,
}

impl FooterWriter {
    pub fn new(segment: &Segment, index: &SegmentIndex, incarnation: u64) -> Self {
        Self {
            segment: segment.number,
            footer: Footer {
                at: segment.used,
                runs: index.runs.len() as u32,
                rows: index.entries.len() as u32,
            },
            incarnation,
            phase: Phase::Writing,
            next_page: 0,
            next_run: 0,
            row_start: 0,
            rows_of: 0,
            next_row: index.runs.first().map_or(NONE, |run| run.head),
            rows_written: 0,
            loose: 0,
        }
    }

    /// The next slice, or, behind the last one, the flush.
    pub fn next(&mut self, book: &Book, pool: &BlockPool, ticket: Ticket) -> DiskOp {
        let segment = &book.segments[&self.segment];
        let index = segment
            .index
            .as_ref()
            .expect("an index is kept until its footer is durable");
        let first = self.next_page;
        let count = (self.footer.pages() - first).min(PAGES_PER_SLICE);
        if count == 0 {
            self.phase = Phase::Flushing;
            let file = segment.file;
            return DiskOp::Flush { ticket, file };
        }
        let mut block = pool.take(ByteCount(u64::from(count) * UNIT as u64));
        for _ in 0..count {
            self.fill_page(book, index, &mut block);
        }
        DiskOp::Write {
            ticket,
            file: segment.file,
            at: Position(u64::from(self.footer.at) + u64::from(first) * UNIT as u64),
            data: block.freeze(),
            durable: false,
        }
    }

    /// Bytes of the next slice; none for the flush.
    pub fn next_bytes(&self) -> u64 {
        let pages = self.footer.pages() - self.next_page;
        u64::from(pages.min(PAGES_PER_SLICE)) * UNIT as u64
    }

    /// Where the footer ends.
    pub fn end(&self) -> u64 {
        u64::from(self.footer.at) + self.footer.bytes()
    }

    /// True once the flush was handed out.
    pub fn is_last(&self) -> bool {
        self.phase == Phase::Flushing
    }

    fn fill_page(&mut self, book: &Book, index: &SegmentIndex, block: &mut Block) {
        let page = &mut block.spare()[..UNIT];
        page.fill(0);
        let mut place = self.footer.run(0).1;
        if self.next_run < self.footer.runs {
            while place + RUN_BYTES <= UNIT && self.next_run < self.footer.runs {
                self.run(book, index).write(&mut page[place..]);
                place += RUN_BYTES;
            }
        } else {
            while place + FOOTER_ROW_BYTES <= UNIT && self.rows_written < self.footer.rows {
                self.row(index).write(&mut page[place..]);
                place += FOOTER_ROW_BYTES;
            }
        }
        let id = PageId {
            segment: self.segment,
            page: self.next_page,
        };
        seal_page(page, self.incarnation, id);
        block.advance(UNIT);
        self.next_page += 1;
    }

    fn run(&mut self, book: &Book, index: &SegmentIndex) -> RunRecord {
        let run = &index.runs[self.next_run as usize];
        let before = book
            .streams
            .get(run.stream)
            .and_then(|stream| stream.part_before(run.first));
        let link = before.map_or((0, 0), |part| (part.segment, part.run));
        let record = run.record(self.row_start, link);
        self.row_start += run.rows;
        self.next_run += 1;
        record
    }

    fn row(&mut self, index: &SegmentIndex) -> RowRecord {
        self.rows_written += 1;
        while self.next_row == NONE && self.rows_of < self.footer.runs {
            self.rows_of += 1;
            let run = index.runs.get(self.rows_of as usize);
            self.next_row = run.map_or(NONE, |run| run.head);
        }
        let number = if self.next_row != NONE {
            let number = self.next_row;
            self.next_row = index.entries[number as usize].next;
            number
        } else {
            while index.entries[self.loose as usize].row.kind.is_data() {
                self.loose += 1;
            }
            self.loose += 1;
            self.loose - 1
        };
        let entry = &index.entries[number as usize];
        RowRecord {
            row: entry.row,
            at: entry.at,
            number,
        }
    }
}
