//! Opening a journal: straight-line code over a directory that may be waited for.
//!
//! In this order, so that a crash at any point finds the same log again: find out what the log is;
//! write the part of it that may be volatile once more, and flush it; say so in the superblock,
//! with a new session; end the log with a seal of that session, so that nothing which was cut can
//! ever be taken for its continuation; remove the segments that were cut.

use std::collections::HashMap;

use bytes::Bytes;

use crate::base::{ByteCount, Position};
use crate::runtime::disk::Found as FoundFile;
use crate::runtime::{BlockPool, Directory, FileId};

use super::appender::Tail;
use super::book::{Book, Segment};
use super::entry::{Index, Sequence, StreamId};
use super::error::JournalError;
use super::format::{Content, HEADER_BYTES, Header, Kind, Row, UNIT, rows};
use super::journal::{Replay, Settings};
use super::scan::{Item, Reader, ScannedGroup, Wanted, number_of, scan};
use super::superblock::{SUPERBLOCK_BYTES, SUPERBLOCK_FILE, Superblock};
use super::torn::{Found, Verdict, judge};

/// Acknowledged bytes that could not be read, and whose they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it was noticed.
    pub file: FileId,
    pub at: Position,
    pub first: Sequence,
    pub last: Sequence,
    /// Streams that miss entries: the index where they end before the damage, and the index where
    /// they go on. A stream that has no later entry can not be named.
    pub streams: Vec<(StreamId, Index, Index)>,
}

/// A journal's state as found.
pub(super) struct Recovered {
    pub book: Book,
    pub tail: Tail,
    pub superblock: Superblock,
    pub damage: Vec<Damage>,
    /// Files that hold no segment.
    pub spare: Vec<FileId>,
    pub next_segment: u32,
    pub next_file: u32,
}

/// What recovery works with.
struct Recovery<'a> {
    settings: Settings,
    directory: &'a mut dyn Directory,
    pool: &'a BlockPool,
    files: Vec<FoundFile>,
    /// The file of each segment.
    segments: Vec<(u32, FoundFile)>,
    spare: Vec<FileId>,
}

/// Finds the journal in `directory`, or makes one, and tells `replay` what there is.
pub(super) fn recover(
    settings: Settings,
    directory: &mut dyn Directory,
    pool: &BlockPool,
    replay: &mut dyn Replay,
) -> Result<Recovered, JournalError> {
    let files = directory.list()?;
    let mut recovery = Recovery {
        settings,
        directory,
        pool,
        files,
        segments: Vec::new(),
        spare: Vec::new(),
    };
    let superblock = recovery.superblock()?;
    recovery.find_segments()?;
    let items = recovery.scan()?;
    let verdict = judge(&items, None, superblock.flushed);
    let (mut book, mut damage) = recovery.rebuild(&items, &verdict, replay)?;
    damage.iter().for_each(report);
    let (kept, cut) = items.split_at(verdict.kept);
    let session = session_after(&superblock, &items);
    if !superblock.clean {
        recovery.write_again(kept, verdict.flushed)?;
    }
    let superblock = Superblock {
        generation: superblock.generation + 1,
        clean: false,
        flushed: verdict.last,
        session,
        ..superblock
    };
    superblock.store(recovery.directory, pool)?;
    recovery.remove_cut(kept, cut, &mut book)?;
    let mut tail = recovery.tail(kept, &verdict, &mut book)?;
    recovery.seal(&mut tail, &superblock, &mut book)?;
    damage.shrink_to_fit();
    Ok(Recovered {
        next_segment: recovery.next_segment(),
        next_file: recovery.next_file(),
        spare: recovery.spare,
        book,
        tail,
        superblock,
        damage,
    })
}

fn session_after(superblock: &Superblock, items: &[Found]) -> u32 {
    let seen = items.iter().map(|found| match &found.item {
        Item::Group(group) => group.header.session,
        Item::Gap { .. } => 0,
    });
    seen.max().unwrap_or(0).max(superblock.session) + 1
}

fn report(damage: &Damage) {
    tracing::error!(
        file = damage.file.0,
        at = damage.at.0,
        first = damage.first.0,
        last = damage.last.0,
        streams = ?damage.streams,
        "acknowledged groups of the journal can not be read; what follows them is served"
    );
}

impl Recovery<'_> {
    /// The superblock, made if there is none: then nothing was ever acknowledged, or it is lost
    /// and the segments tell the rest.
    fn superblock(&mut self) -> Result<Superblock, JournalError> {
        let known = self.files.iter().any(|found| found.file == SUPERBLOCK_FILE);
        if !known {
            self.directory.prepare(SUPERBLOCK_FILE, SUPERBLOCK_BYTES)?;
        }
        let incarnation = self.settings.incarnation;
        match Superblock::load(self.directory)? {
            Some(superblock) if superblock.incarnation != incarnation => {
                Err(JournalError::Format {
                    file: SUPERBLOCK_FILE,
                    found: superblock.incarnation as u32,
                })
            }
            Some(superblock) => Ok(superblock),
            None => Ok(Superblock::fresh(incarnation)),
        }
    }

    fn find_segments(&mut self) -> Result<(), JournalError> {
        for found in self.files.clone() {
            if found.file == SUPERBLOCK_FILE {
                continue;
            }
            let mut reader = Reader::new(self.directory, found);
            match number_of(&mut reader, self.settings.incarnation)? {
                Some(number) => self.segments.push((number, found)),
                None => self.spare.push(found.file),
            }
        }
        self.segments.sort_by_key(|(number, _)| *number);
        Ok(())
    }

    fn next_segment(&self) -> u32 {
        self.segments.last().map_or(0, |(number, _)| *number) + 1
    }

    fn scan(&mut self) -> Result<Vec<Found>, JournalError> {
        let mut found = Vec::new();
        let mut wanted = Wanted {
            incarnation: self.settings.incarnation,
            segment: 0,
            after: Sequence(0),
            session: 0,
        };
        for (number, file) in &self.segments {
            wanted.segment = *number;
            let mut reader = Reader::new(self.directory, *file);
            let (items, _) = scan(&mut reader, wanted)?;
            for item in items {
                if let Item::Group(group) = &item {
                    wanted.after = group.header.sequence;
                    wanted.session = group.header.session;
                }
                found.push(Found {
                    segment: *number,
                    item,
                });
            }
        }
        Ok(found)
    }

    /// Reads the rows of what is kept, in order.
    fn rebuild(
        &mut self,
        items: &[Found],
        verdict: &Verdict,
        replay: &mut dyn Replay,
    ) -> Result<(Book, Vec<Damage>), JournalError> {
        let mut book = Book::default();
        let mut damage = Vec::new();
        let mut losses = verdict.losses.iter().peekable();
        let files: HashMap<u32, FoundFile> = self.segments.iter().copied().collect();
        for (number, found) in items[..verdict.kept].iter().enumerate() {
            let file = files[&found.segment];
            book.segments
                .entry(found.segment)
                .or_insert_with(|| Segment::new(found.segment, file.file));
            let Item::Group(group) = &found.item else {
                continue;
            };
            while let Some(loss) = losses.next_if(|loss| loss.item == number) {
                damage.push(Damage {
                    file: file.file,
                    at: Position(u64::from(group.header.at)),
                    first: loss.first,
                    last: loss.last,
                    streams: Vec::new(),
                });
            }
            let mut reader = Reader::new(self.directory, file);
            for (row, at) in rows_of(&mut reader, group)? {
                if let Some(damage) = damage.last_mut() {
                    note_gap(&book, &row, damage);
                }
                tell(&book, &row, replay);
                book.place(found.segment, &row, group.header.at + at);
            }
            if let Some(segment) = book.segments.get_mut(&found.segment) {
                segment.used = group.header.at + group.header.length;
            }
        }
        for loss in losses {
            let last = self
                .segments
                .last()
                .map_or(SUPERBLOCK_FILE, |(_, file)| file.file);
            damage.push(Damage {
                file: last,
                at: Position(0),
                first: loss.first,
                last: loss.last,
                streams: Vec::new(),
            });
        }
        Ok((book, damage))
    }

    /// What is whole but was not known to be flushed is written again and flushed before anybody
    /// sees it: a crash may have come between write and flush, and the next one must not take it.
    fn write_again(&mut self, kept: &[Found], flushed: Sequence) -> Result<(), JournalError> {
        let files: HashMap<u32, FoundFile> = self.segments.iter().copied().collect();
        let mut touched: Vec<FileId> = Vec::new();
        for found in kept {
            let Item::Group(group) = &found.item else {
                continue;
            };
            if group.header.sequence <= flushed {
                continue;
            }
            let file = files[&found.segment].file;
            let at = Position(u64::from(group.header.at));
            let length = ByteCount(u64::from(group.header.length));
            let bytes: Bytes = self.directory.read(file, at, length)?.freeze();
            self.directory.write(file, at, &bytes)?;
            if touched.last() != Some(&file) {
                touched.push(file);
            }
        }
        for file in touched {
            self.directory.flush(file)?;
        }
        Ok(())
    }

    /// Removes the segments of which nothing is kept: their groups must never be found again.
    fn remove_cut(
        &mut self,
        kept: &[Found],
        cut: &[Found],
        book: &mut Book,
    ) -> Result<(), JournalError> {
        let last_kept = kept.last().map_or(0, |found| found.segment);
        let last_cut = cut.last().map_or(0, |found| found.segment);
        for (number, file) in &self.segments {
            if *number > last_kept && (*number <= last_cut || !book.segments.contains_key(number)) {
                self.directory.remove(file.file)?;
            }
        }
        Ok(())
    }

    /// Where the log goes on. Behind a loss at its end nobody knows where that is, so it goes on in
    /// a segment of its own.
    fn tail(
        &mut self,
        kept: &[Found],
        verdict: &Verdict,
        book: &mut Book,
    ) -> Result<Tail, JournalError> {
        let sequence = Sequence(verdict.last.0 + 1);
        let last = kept.iter().rev().find_map(|found| match &found.item {
            Item::Group(group) => Some((found.segment, group)),
            Item::Gap { .. } => None,
        });
        match last {
            Some((segment, group)) if group.header.sequence == verdict.last => Ok(Tail {
                segment,
                file: book.segments[&segment].file,
                at: group.header.at + group.header.length,
                sequence,
                previous_sum: group.sum,
            }),
            _ => {
                let segment = self.next_segment();
                let file = self.fresh_file()?;
                book.segments.insert(segment, Segment::new(segment, file));
                self.segments.push((
                    segment,
                    FoundFile {
                        file,
                        length: self.settings.segment_bytes,
                    },
                ));
                Ok(Tail {
                    segment,
                    file,
                    at: 0,
                    sequence,
                    previous_sum: 0,
                })
            }
        }
    }

    fn next_file(&self) -> u32 {
        let known = self
            .files
            .iter()
            .chain(self.segments.iter().map(|(_, found)| found));
        known.map(|found| found.file.0).max().unwrap_or(0) + 1
    }

    /// A prepared file that holds no segment.
    fn fresh_file(&mut self) -> Result<FileId, JournalError> {
        let file = self.spare.pop().unwrap_or_else(|| FileId(self.next_file()));
        self.directory.prepare(file, self.settings.segment_bytes)?;
        Ok(file)
    }

    /// Writes an empty group of the new session at the tail, if the segment has room for one; if
    /// it has none, nothing stale can lie behind the tail.
    fn seal(
        &mut self,
        tail: &mut Tail,
        superblock: &Superblock,
        book: &mut Book,
    ) -> Result<(), JournalError> {
        if tail.at as usize + UNIT > self.settings.segment_bytes.as_usize() {
            return Ok(());
        }
        let mut block = self.pool.take(ByteCount(UNIT as u64));
        let group = &mut block.spare()[..UNIT];
        group.fill(0);
        let header = Header {
            content: Content::Entries,
            incarnation: self.settings.incarnation,
            sequence: tail.sequence,
            flushed: superblock.flushed,
            segment: tail.segment,
            at: tail.at,
            session: superblock.session,
            length: UNIT as u32,
            table_at: HEADER_BYTES as u32,
            rows: 0,
            previous: tail.previous_sum,
        };
        tail.previous_sum = header.seal(group);
        block.advance(UNIT);
        let at = Position(u64::from(tail.at));
        self.directory.write(tail.file, at, &block.freeze())?;
        self.directory.flush(tail.file)?;
        tail.at += UNIT as u32;
        tail.sequence.0 += 1;
        if let Some(segment) = book.segments.get_mut(&tail.segment) {
            segment.used = tail.at;
        }
        Ok(())
    }
}

fn rows_of(reader: &mut Reader<'_>, group: &ScannedGroup) -> Result<Vec<(Row, u32)>, JournalError> {
    let (at, length) = (u64::from(group.header.at), group.header.length as usize);
    let bytes = reader.view(at, length)?;
    // The scan has read the same bytes; if the device now says otherwise, the rows are gone.
    Ok(bytes
        .and_then(|bytes| rows(&group.header, bytes))
        .unwrap_or_default())
}

/// Notes the stream of `row` if it does not go on where the stream ended.
fn note_gap(book: &Book, row: &Row, damage: &mut Damage) {
    let Some(stream) = book.streams.get(row.stream) else {
        return;
    };
    if row.kind == Kind::Entry && row.first > stream.end {
        damage.streams.push((row.stream, stream.end, row.first));
    }
}

/// Tells the caller of a row that is about to be counted.
fn tell(book: &Book, row: &Row, replay: &mut dyn Replay) {
    match row.kind {
        Kind::Entry => replay.entry(&row.head()),
        Kind::Trim => replay.trimmed(row.stream, row.first),
        Kind::Drop => replay.dropped(row.stream),
        Kind::Moved => {
            let known = book
                .streams
                .get(row.stream)
                .is_some_and(|s| row.first < s.end);
            if !known {
                replay.entry(&row.head());
            }
        }
        Kind::Checkpoint | Kind::Segments => {}
    }
}
