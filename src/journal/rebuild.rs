//! From the rows of a journal back to its book, and to its caller's state.
//!
//! Two passes over the segments that a restart replays: the first finds each stream's newest
//! checkpoint, the second takes up streams there and tells what follows. Segments before those are
//! only listed; their rows are read when somebody asks for them.

use std::collections::HashMap;

use crate::base::Position;
use crate::runtime::Directory;
use crate::runtime::disk::Found as FoundFile;

use super::book::{Book, Segment};
use super::checkpoint::{SavedSegment, read_state};
use super::entry::{Sequence, StreamId};
use super::error::JournalError;
use super::format::{Kind, Row, UNIT, rows};
use super::index::NONE;
use super::journal::Replay;
use super::pages::{Footer, PageId, RowRecord, RunRecord, is_page};
use super::recover::Damage;
use super::scan::{Item, Reader, ScannedGroup, Wanted, scan};
use super::torn::Loss;

/// A segment and how its rows are had.
pub(super) struct Source {
    pub segment: u32,
    pub file: FoundFile,
    pub first: Sequence,
    pub used: u32,
    /// Its footer, if that is known to be durable; else its groups tell.
    pub footer: Option<Footer>,
    /// The groups that count, each with its number among the items that were judged.
    pub groups: Vec<(usize, ScannedGroup)>,
    /// Its rows are told; else they are only indexed.
    pub replayed: bool,
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
}

/// A row found.
struct Seen {
    item: usize,
    row: Row,
    at: u32,
    /// Known if a footer says it.
    run: Option<u32>,
}

/// What rebuilding works with.
pub(super) struct Rebuild<'a> {
    pub directory: &'a mut dyn Directory,
    pub incarnation: u64,
    pub book: Book,
    pub damage: Vec<Damage>,
    /// Where each stream's newest checkpoint is, until it is taken up.
    saved: HashMap<StreamId, (u32, u32)>,
}

impl<'a> Rebuild<'a> {
    pub fn new(directory: &'a mut dyn Directory, incarnation: u64) -> Self {
        Self {
            directory,
            incarnation,
            book: Book::default(),
            damage: Vec::new(),
            saved: HashMap::new(),
        }
    }

    /// Rebuilds the book from `sources`, oldest first, and tells `replay`.
    pub fn run(
        &mut self,
        sources: &mut [Source],
        losses: &[Loss],
        replay: &mut dyn Replay,
    ) -> Result<(), JournalError> {
        for source in sources.iter_mut() {
            self.list(source)?;
        }
        for source in sources.iter() {
            if source.replayed {
                self.find_checkpoints(source)?;
            }
        }
        for source in sources.iter() {
            if source.replayed {
                self.replay(source, losses, replay)?;
            } else if source.footer.is_none() {
                let seen = self.rows(source)?;
                self.index(source.segment, &seen);
            }
        }
        self.drop_lost_parts();
        let last = sources.last().map(|source| source.file.file);
        let noticed = |loss: &&Loss| self.damage.iter().any(|known| known.first == loss.first);
        let unseen: Vec<Loss> = losses.iter().filter(|l| !noticed(l)).copied().collect();
        for loss in unseen {
            self.damage.push(Damage {
                file: last.unwrap_or(super::superblock::SUPERBLOCK_FILE),
                at: Position(0),
                first: loss.first,
                last: loss.last,
                streams: Vec::new(),
            });
        }
        Ok(())
    }

    /// Lists a segment; a footer that is needed now and can not be read is done without.
    fn list(&mut self, source: &mut Source) -> Result<(), JournalError> {
        if let Some(footer) = source.footer
            && source.replayed
            && footer_rows(self.directory, self.incarnation, source, footer)?.is_none()
        {
            tracing::warn!(
                segment = source.segment,
                "a footer can not be read; scanning"
            );
            source.footer = None;
        }
        if source.footer.is_none() && source.groups.is_empty() {
            source.scan(self.directory, self.incarnation)?;
        }
        let mut segment = Segment::new(source.segment, source.file.file);
        segment.first = source.first;
        segment.used = source.used;
        segment.footer = source.footer;
        if source.footer.is_some() {
            segment.index = None;
        }
        self.book.segments.insert(source.segment, segment);
        Ok(())
    }

    fn rows(&mut self, source: &Source) -> Result<Vec<Seen>, JournalError> {
        if let Some(footer) = source.footer {
            let rows = footer_rows(self.directory, self.incarnation, source, footer)?;
            return Ok(rows.unwrap_or_default());
        }
        let mut seen = Vec::new();
        let mut reader = Reader::new(self.directory, source.file);
        for (item, group) in &source.groups {
            let (start, length) = (group.header.at, group.header.length as usize);
            let bytes = reader.view(u64::from(start), length)?;
            // The scan has read the same bytes; if the device now says otherwise, they are gone.
            let rows = bytes
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

    fn find_checkpoints(&mut self, source: &Source) -> Result<(), JournalError> {
        let seen = self.rows(source)?;
        let mut reader = Reader::new(self.directory, source.file);
        for seen in seen.iter().filter(|seen| seen.row.kind == Kind::Checkpoint) {
            let payload = payload(&mut reader, seen)?;
            if payload.is_some_and(|bytes| read_state(&seen.row, bytes).is_some()) {
                self.saved
                    .insert(seen.row.stream, (source.segment, seen.at));
            }
        }
        Ok(())
    }

    /// Numbers the runs of rows that come without.
    fn index(&mut self, segment: u32, seen: &[Seen]) -> Vec<u32> {
        let mut last: HashMap<(StreamId, bool), u32> = HashMap::new();
        let mut runs = Vec::with_capacity(seen.len());
        let index = self.book.index_mut(segment);
        for seen in seen {
            let key = (seen.row.stream, seen.row.kind == Kind::Moved);
            let before = last.get(&key).copied().unwrap_or(NONE);
            let run = index.push(seen.row, seen.at, before);
            if run != NONE {
                last.insert(key, run);
            }
            runs.push(run);
        }
        runs
    }

    fn replay(
        &mut self,
        source: &Source,
        losses: &[Loss],
        replay: &mut dyn Replay,
    ) -> Result<(), JournalError> {
        let seen = self.rows(source)?;
        let runs = match source.footer {
            Some(_) => seen.iter().map(|seen| seen.run.unwrap_or(NONE)).collect(),
            None => self.index(source.segment, &seen),
        };
        for (seen, run) in seen.iter().zip(runs) {
            self.note_losses(source, seen.item, losses);
            if let Some(place) = self.saved.get(&seen.row.stream).copied() {
                let is_it = place == (source.segment, seen.at);
                if is_it && seen.row.kind == Kind::Checkpoint {
                    self.restore(source, seen, replay)?;
                }
                continue;
            }
            self.note_gap(&seen.row);
            tell(&seen.row, replay);
            self.book.count(source.segment, &seen.row, run);
        }
        // A later group of the same segment may go on with these runs.
        if source.footer.is_none() {
            for (number, run) in self
                .book
                .index_mut(source.segment)
                .runs
                .clone()
                .iter()
                .enumerate()
            {
                let kind = self.book.index_mut(source.segment).entries[run.head as usize]
                    .row
                    .kind;
                if let Some(stream) = self.book.streams.get_mut(run.stream) {
                    stream.set_last_run(source.segment, kind, number as u32);
                }
            }
        }
        Ok(())
    }

    /// Takes a stream up where its newest checkpoint left it.
    fn restore(
        &mut self,
        source: &Source,
        seen: &Seen,
        replay: &mut dyn Replay,
    ) -> Result<(), JournalError> {
        let mut reader = Reader::new(self.directory, source.file);
        let state = payload(&mut reader, seen)?.and_then(|bytes| read_state(&seen.row, bytes));
        let Some(state) = state else {
            return Err(JournalError::Checksum {
                file: source.file.file,
                at: Position(u64::from(seen.at)),
                expected: seen.row.body_sum,
                found: 0,
            });
        };
        let stream = seen.row.stream;
        self.saved.remove(&stream);
        replay.restored(stream, state.first, state.end, state.snapshot);
        for part in &state.parts {
            let change = part.change();
            self.book.change(change);
        }
        let restored = self.book.streams.obtain(stream, state.first);
        (restored.first, restored.end) = (state.first, state.end);
        (restored.term, restored.parts) = (state.term, state.parts);
        self.book.saved(stream, source.segment);
        Ok(())
    }

    /// Lets go of parts in segments that are not there. Not before the end: an entry that a
    /// checkpoint knows in a segment freed since was carried to another, and a later row says so.
    fn drop_lost_parts(&mut self) {
        let Book {
            streams, segments, ..
        } = &mut self.book;
        for stream in streams.all_mut() {
            stream.parts.retain(|part| {
                let there = segments.contains_key(&part.segment);
                if !there {
                    tracing::error!(stream = stream.id.0, ?part, "a part's segment is missing");
                }
                there
            });
        }
    }

    /// Notes the losses that lie before an item.
    fn note_losses(&mut self, source: &Source, item: usize, losses: &[Loss]) {
        if source.groups.is_empty() {
            return;
        }
        for loss in losses.iter().filter(|loss| loss.item <= item) {
            if self.damage.iter().any(|known| known.first == loss.first) {
                continue;
            }
            let group = source
                .groups
                .iter()
                .find(|(number, _)| *number == loss.item);
            self.damage.push(Damage {
                file: source.file.file,
                at: Position(group.map_or(0, |(_, group)| u64::from(group.header.at))),
                first: loss.first,
                last: loss.last,
                streams: Vec::new(),
            });
        }
    }

    /// Notes the stream of `row` if it does not go on where the stream ended.
    fn note_gap(&mut self, row: &Row) {
        let (Some(stream), Some(damage)) =
            (self.book.streams.get(row.stream), self.damage.last_mut())
        else {
            return;
        };
        if row.kind == Kind::Entry && row.first > stream.end {
            damage.streams.push((row.stream, stream.end, row.first));
        }
    }
}

/// Tells the caller of a row that is about to be counted.
fn tell(row: &Row, replay: &mut dyn Replay) {
    match row.kind {
        Kind::Entry => replay.entry(&row.head()),
        Kind::Trim => replay.trimmed(row.stream, row.first),
        Kind::Drop => replay.dropped(row.stream),
        // What was moved is known already, or its stream is dropped further on.
        Kind::Moved | Kind::Checkpoint | Kind::Segments => {}
    }
}

/// A row's payload, if it can be read and is what was written.
fn payload<'r>(reader: &'r mut Reader<'_>, seen: &Seen) -> Result<Option<&'r [u8]>, JournalError> {
    let start = seen.at as usize / UNIT * UNIT;
    let skip = seen.at as usize - start;
    let length = seen.row.length as usize;
    let wanted = (skip + length).next_multiple_of(UNIT);
    let bytes = reader.view(start as u64, wanted)?;
    let payload = bytes.and_then(|bytes| bytes.get(skip..skip + length));
    Ok(payload.filter(|payload| seen.row.fits(payload)))
}

/// All rows of a footer in the order of staging, with their runs; None if a page is bad.
fn footer_rows(
    directory: &mut dyn Directory,
    incarnation: u64,
    source: &Source,
    footer: Footer,
) -> Result<Option<Vec<Seen>>, JournalError> {
    let mut reader = Reader::new(directory, source.file);
    let mut run_of = vec![NONE; footer.rows as usize];
    let mut seen: Vec<(u32, Seen)> = Vec::with_capacity(footer.rows as usize);
    let (mut next_run, mut next_row) = (0, 0);
    for page in 0..footer.pages() {
        let at = u64::from(footer.at) + u64::from(page) * UNIT as u64;
        let id = PageId {
            segment: source.segment,
            page,
        };
        let bytes = reader.view(at, UNIT)?;
        let Some(bytes) = bytes.filter(|bytes| is_page(bytes, incarnation, id)) else {
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
        while next_row < footer.rows && footer.row(next_row).0 == page {
            let Some(record) = RowRecord::read(&bytes[footer.row(next_row).1..]) else {
                return Ok(None);
            };
            let found = Seen {
                item: 0,
                row: record.row,
                at: record.at,
                run: Some(run_of[next_row as usize]),
            };
            seen.push((record.number, found));
            next_row += 1;
        }
    }
    seen.sort_by_key(|(number, _)| *number);
    Ok(Some(seen.into_iter().map(|(_, seen)| seen).collect()))
}
