//! The rows of one part, from an index in memory or from a footer's pages.
//!
//! A part names its run. Runs of a segment that lost a group are numbered anew, in memory and in a
//! footer made then, and a part may be left in several of them, or in none.

use std::ops::Range;

use super::book::Segment;
use super::entry::{Index, StreamId};
use super::error::JournalError;
use super::format::Row;
use super::index::NONE;
use super::pages::{Footer, PageId, RowRecord, RunRecord};
use super::parts::Part;
use super::plan::{Place, Stop, View};

impl View<'_> {
    /// Visits the rows of a part from the one that covers `from`; true if it came to its end.
    pub fn walk(
        &self,
        stream: StreamId,
        part: &Part,
        from: Index,
        mut visit: impl FnMut(Place) -> bool,
    ) -> Result<bool, Stop> {
        let Some(segment) = self.book.segments.get(&part.segment) else {
            return Ok(true);
        };
        let mut visit_row = |row: Row, at: u32| {
            let segment = part.segment;
            row.end() <= from || visit(Place { row, segment, at })
        };
        let Some(index) = &segment.index else {
            return self.walk_footer(stream, segment, part, from, &mut visit_row);
        };
        let mut from = from;
        while from < part.end
            && let Some(run) = index.run_of(stream, part.run, from)
            && index.runs[run as usize].first < part.end
        {
            let mut number = index.find(run, from);
            while number != NONE {
                let entry = &index.entries[number as usize];
                if entry.row.first >= part.end {
                    break;
                }
                if !visit_row(entry.row, entry.at) {
                    return Ok(false);
                }
                number = entry.next;
            }
            from = index.runs[run as usize].end;
        }
        Ok(true)
    }

    fn walk_footer(
        &self,
        stream: StreamId,
        segment: &Segment,
        part: &Part,
        mut from: Index,
        visit: &mut dyn FnMut(Row, u32) -> bool,
    ) -> Result<bool, Stop> {
        let Some(footer) = segment.footer else {
            return Ok(true);
        };
        while from < part.end
            && let Some(run) = self.run_of(segment, footer, stream, part.run, from)?
            && run.first < part.end
        {
            if !self.walk_run(segment, footer, &run, from..part.end, visit)? {
                return Ok(false);
            }
            from = run.end;
        }
        Ok(true)
    }

    /// As `SegmentIndex::run_of`.
    fn run_of(
        &self,
        segment: &Segment,
        footer: Footer,
        stream: StreamId,
        number: u32,
        from: Index,
    ) -> Result<Option<RunRecord>, Stop> {
        let run = |number: u32| {
            let (page, place) = footer.run(number);
            let page = self.page(segment.number, page)?;
            Ok::<_, Stop>(RunRecord::read(&page[place..]))
        };
        let fits = |run: &RunRecord| run.stream == stream && run.end > from;
        if number < footer.runs {
            let run = run(number)?;
            if fits(&run) {
                return Ok(Some(run));
            }
        }
        let mut first: Option<RunRecord> = None;
        for number in 0..footer.runs {
            let run = run(number)?;
            if fits(&run) && first.is_none_or(|first| run.first < first.first) {
                first = Some(run);
            }
        }
        Ok(first)
    }

    /// Visits the rows of a run that are wanted, from the one that covers the first index.
    fn walk_run(
        &self,
        segment: &Segment,
        footer: Footer,
        run: &RunRecord,
        wanted: Range<Index>,
        visit: &mut dyn FnMut(Row, u32) -> bool,
    ) -> Result<bool, Stop> {
        // The first row that ends above the first index.
        let (mut low, mut high) = (0, run.rows);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.row(segment, footer, run.row_start + middle)?.row.end() <= wanted.start {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        for number in low..run.rows {
            let record = self.row(segment, footer, run.row_start + number)?;
            if record.row.first >= wanted.end {
                break;
            }
            if !visit(record.row, record.at) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn row(&self, segment: &Segment, footer: Footer, number: u32) -> Result<RowRecord, Stop> {
        if number >= footer.rows {
            return Err(self.unknown(segment));
        }
        let (page, place) = footer.row(number);
        let bytes = &self.page(segment.number, page)?[place..];
        RowRecord::read(bytes).ok_or(self.unknown(segment))
    }

    fn unknown(&self, segment: &Segment) -> Stop {
        Stop::Error(JournalError::Format {
            file: segment.file,
            found: 0,
        })
    }

    pub fn page(&self, segment: u32, page: u32) -> Result<&[u8], Stop> {
        let id = PageId { segment, page };
        self.pages.get(id).ok_or(Stop::Missing(id))
    }
}
