//! Where a restart has the rows of its segments from: a footer, or else the groups themselves.
//!
//! A device is asked for few and large pieces: a footer through a window that moves forward, the
//! payloads of checkpoints in ranges that cover neighbours and little else.

use std::collections::HashMap;

use crate::runtime::Directory;
use crate::runtime::disk::Found as FoundFile;

use super::checkpoint::SavedSegment;
use super::entry::Sequence;
use super::error::JournalError;
use super::format::{Row, UNIT, rows};
use super::index::NONE;
use super::pages::{Footer, PageId, RowRecord, RunRecord, is_page};
use super::scan::{Item, Reader, ScannedGroup, Wanted, bytes_of, scan};

/// Payloads with less than this between them are read together,
const GAP_BYTES_MAX: u64 = 64 << 10;
/// up to this much at once.
const RANGE_BYTES_MAX: u64 = 1 << 20;

/// A segment and how its rows are had.
pub(super) struct Source {
    pub segment: u32,
    pub file: FoundFile,
    pub first: Sequence,
    pub used: u32,
    /// Its footer, if that is known to be durable; else its groups tell.
    pub footer: Option<Footer>,
    /// The groups that count, each with its number among the items that were judged, if they were.
    pub groups: Vec<(usize, ScannedGroup)>,
    /// They were judged: losses may lie before them.
    pub judged: bool,
    /// Its rows are told; else they are only indexed.
    pub replayed: bool,
}

/// A row found.
pub(super) struct Seen {
    pub item: usize,
    pub row: Row,
    pub at: u32,
    /// Known if a footer says it.
    pub run: Option<u32>,
}

impl Source {
    /// A sealed segment as a table of segments has it.
    pub fn of(saved: &SavedSegment, file: FoundFile, replayed: bool) -> Self {
        Self {
            segment: saved.number,
            file,
            first: saved.first,
            used: saved.used,
            footer: saved.footer,
            groups: Vec::new(),
            judged: false,
            replayed,
        }
    }

    /// Reads the groups of a sealed segment that has no footer that can be read.
    pub fn scan(
        &mut self,
        directory: &mut dyn Directory,
        incarnation: u64,
    ) -> Result<(), JournalError> {
        let mut reader = Reader::new(directory, self.file);
        let wanted = Wanted {
            incarnation,
            segment: self.segment,
            after: Sequence(0),
            session: 0,
        };
        let (items, used) = scan(&mut reader, wanted)?;
        let groups = items.into_iter().filter_map(|item| match item {
            Item::Group(group) => Some((0, group)),
            Item::Gap => None,
        });
        self.groups = groups.collect();
        self.used = used;
        self.footer = None;
        Ok(())
    }

    /// The rows of its groups, in order.
    pub fn rows_of_groups(&self, directory: &mut dyn Directory) -> Result<Vec<Seen>, JournalError> {
        let mut seen = Vec::new();
        let mut reader = Reader::new(directory, self.file);
        for (item, group) in &self.groups {
            let start = group.header.at;
            // The scan has read the same bytes; if the device now says otherwise, they are gone.
            let rows = bytes_of(&mut reader, group)?
                .and_then(|bytes| rows(&group.header, bytes))
                .unwrap_or_default();
            seen.extend(rows.into_iter().map(|(row, at)| Seen {
                item: *item,
                row,
                at: start + at,
                run: None,
            }));
        }
        Ok(seen)
    }

    /// The payloads of some of its rows, which are in the order of their places, by these places.
    /// One that can not be read, or is not what was written, is left out.
    pub fn payloads(
        &self,
        directory: &mut dyn Directory,
        rows: &[&Seen],
    ) -> Result<HashMap<u32, Vec<u8>>, JournalError> {
        let mut found = HashMap::with_capacity(rows.len());
        let mut reader = Reader::with_window(directory, self.file, UNIT as u64);
        let mut rest = rows;
        while let Some(first) = rest.first() {
            let start = u64::from(first.at) / UNIT as u64 * UNIT as u64;
            let mut end = start;
            let count = rest.iter().take_while(|seen| {
                let last =
                    (u64::from(seen.at) + u64::from(seen.row.length)).next_multiple_of(UNIT as u64);
                let close = end == start
                    || (u64::from(seen.at) <= end + GAP_BYTES_MAX
                        && last.max(end) - start <= RANGE_BYTES_MAX);
                if close {
                    end = end.max(last);
                }
                close
            });
            let (together, others) = rest.split_at(count.count());
            // One read for all of them; those that do not fit are read again by themselves.
            reader.view(start, (end.max(start + UNIT as u64) - start) as usize)?;
            for seen in together {
                if let Some(payload) = payload(&mut reader, seen)? {
                    found.insert(seen.at, payload.to_vec());
                }
            }
            rest = others;
        }
        Ok(found)
    }
}

/// A row's payload, if it can be read and is what was written.
fn payload<'r>(reader: &'r mut Reader<'_>, seen: &Seen) -> Result<Option<&'r [u8]>, JournalError> {
    let start = seen.at as usize / UNIT * UNIT;
    let skip = seen.at as usize - start;
    let inside = skip..skip + seen.row.length as usize;
    let units = inside.end.next_multiple_of(UNIT).max(UNIT);
    let range = inside.clone();
    let bytes = reader.view_of(start as u64, units, |bytes| {
        let payload = bytes.get(range.clone());
        payload.is_some_and(|payload| seen.row.fits(payload))
    })?;
    Ok(bytes.and_then(|bytes| bytes.get(inside)))
}

/// A footer that is read front to back.
pub(super) struct FooterReader<'a> {
    reader: Reader<'a>,
    incarnation: u64,
    segment: u32,
    footer: Footer,
}

impl<'a> FooterReader<'a> {
    /// `footer` is the source's.
    pub fn new(
        directory: &'a mut dyn Directory,
        incarnation: u64,
        source: &Source,
        footer: Footer,
    ) -> Self {
        Self {
            reader: Reader::new(directory, source.file),
            incarnation,
            segment: source.segment,
            footer,
        }
    }

    /// None if the page is bad.
    fn page(&mut self, page: u32) -> Result<Option<&[u8]>, JournalError> {
        let at = u64::from(self.footer.at) + u64::from(page) * UNIT as u64;
        let id = PageId {
            segment: self.segment,
            page,
        };
        let incarnation = self.incarnation;
        self.reader
            .view_of(at, UNIT, |bytes| is_page(bytes, incarnation, id))
    }

    /// All rows in the order of staging, with their runs; None if a page is bad.
    pub fn all_rows(&mut self) -> Result<Option<Vec<Seen>>, JournalError> {
        let footer = self.footer;
        let mut run_of = vec![NONE; footer.rows as usize];
        let mut next_run = 0;
        while next_run < footer.runs {
            let page = footer.run(next_run).0;
            let Some(bytes) = self.page(page)? else {
                return Ok(None);
            };
            while next_run < footer.runs && footer.run(next_run).0 == page {
                let run = RunRecord::read(&bytes[footer.run(next_run).1..]);
                let rows = run.row_start as usize..(run.row_start as usize + run.rows as usize);
                let Some(rows) = run_of.get_mut(rows) else {
                    return Ok(None);
                };
                rows.fill(next_run);
                next_run += 1;
            }
        }
        self.rows_from(0, |number| run_of[number as usize])
    }

    /// The rows that hold no data, in the order of staging: they lie behind all others. None if a
    /// page that it takes is bad.
    pub fn loose_rows(&mut self) -> Result<Option<Vec<Seen>>, JournalError> {
        let footer = self.footer;
        let Some(last) = footer.runs.checked_sub(1) else {
            return self.rows_from(0, |_| NONE);
        };
        let (page, place) = footer.run(last);
        let Some(bytes) = self.page(page)? else {
            return Ok(None);
        };
        let run = RunRecord::read(&bytes[place..]);
        match run.row_start.checked_add(run.rows) {
            Some(first) if first <= footer.rows => self.rows_from(first, |_| NONE),
            Some(_) | None => Ok(None),
        }
    }

    fn rows_from(
        &mut self,
        first: u32,
        run_of: impl Fn(u32) -> u32,
    ) -> Result<Option<Vec<Seen>>, JournalError> {
        let footer = self.footer;
        let mut seen: Vec<(u32, Seen)> = Vec::with_capacity((footer.rows - first) as usize);
        let mut next = first;
        while next < footer.rows {
            let page = footer.row(next).0;
            let Some(bytes) = self.page(page)? else {
                return Ok(None);
            };
            while next < footer.rows && footer.row(next).0 == page {
                let Some(record) = RowRecord::read(&bytes[footer.row(next).1..]) else {
                    return Ok(None);
                };
                let found = Seen {
                    item: 0,
                    row: record.row,
                    at: record.at,
                    run: Some(run_of(next)),
                };
                seen.push((record.number, found));
                next += 1;
            }
        }
        seen.sort_unstable_by_key(|(number, _)| *number);
        Ok(Some(seen.into_iter().map(|(_, seen)| seen).collect()))
    }
}
